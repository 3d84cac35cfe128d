/**
 * How far from away a feature is still seen: what thins vector tiles at low zooms and ranks 3D tiles.
 * It follows from the feature's own row, so an edit moves nobody else.
 */
import { sql, type RawBuilder } from 'kysely'
import type { Layer } from '../../layers/layer.js'

/** Features at least this prominent, metres, have a spatial index of their own: a tile of a whole city reads none of the others. What zoom 12 still shows (tile size / 128). */
export const PROMINENT_M = 76

/** Points are ranked by their attributes, not by size. */
export const hasProminence = (layer: Layer): boolean => layer.kind === 'city' && (layer.geometry === 'line' || layer.geometry === 'polygon')

/** Metres of Web Mercator: width and height of the box, and twice the height above the ground of what stands in 3D. The index's own words, so that the planner knows them. */
export const prominenceText = (layer: Layer, row = ''): string => {
  const of = (column: string) => `${row && `${row}.`}${column}`
  const extent = `st_xmax(${of('geom_3857')}) - st_xmin(${of('geom_3857')}) + st_ymax(${of('geom_3857')}) - st_ymin(${of('geom_3857')})`
  return layer.threeD ? `(${extent} + 2 * coalesce(${of('height')}, 0))` : `(${extent})`
}

/** The prominence of the rows of `alias`, for conditions and for order. Compare with `sql.lit`: a parameter hides from the planner that the index suffices. */
export const prominenceSql = (layer: Layer, alias: string): RawBuilder<number> => sql.raw<number>(prominenceText(layer, `"${alias}"`))
