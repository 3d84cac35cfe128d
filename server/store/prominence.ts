/**
 * How far from away a feature is still seen: its extent decides what vector tiles show of a crowded layer from afar, its prominence
 * at which level of the 3D tiles it stands. Both follow from the feature's own row, so an edit moves nobody else.
 */
import { sql, type RawBuilder } from 'kysely'
import type { Layer } from '../../layers/layer.js'

/** Features of at least this extent, metres, have a spatial index of their own: a tile of a whole city reads none of the others. What zoom 12 shows (tile size / 128). */
export const LARGE_M = 76

/** Points are ranked by their attributes, not by size. */
export const hasExtent = (layer: Layer): boolean => layer.kind === 'city' && (layer.geometry === 'line' || layer.geometry === 'polygon')

/** Metres of Web Mercator: width and height of the box. The index's own words, so that the planner knows them. */
export const extentText = (row = ''): string => {
  const shape = `${row && `${row}.`}geom_3857`
  return `(st_xmax(${shape}) - st_xmin(${shape}) + st_ymax(${shape}) - st_ymin(${shape}))`
}

/** The extent of the rows of `alias`. Compare with `sql.lit`: a parameter hides from the planner that the index suffices. */
export const extentSql = (alias: string): RawBuilder<number> => sql.raw<number>(extentText(`"${alias}"`))

/** The extent, and twice the height above the ground of what stands in 3D: a tower is seen from afar, but not from above. */
export const prominenceText = (layer: Layer, row = ''): string =>
  layer.threeD ? `(${extentText(row)} + 2 * coalesce(${row && `${row}.`}height, 0))` : extentText(row)
