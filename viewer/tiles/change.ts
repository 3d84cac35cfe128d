/** What became stale, and where: the live feed (core/live.ts) tells it, tiles and their caches follow. */
import { grow, type BBox } from '../../core/bbox.js'
import { tileBounds, type Tile } from '../../core/tile-matrix.js'

/** A place in a layer where something is not what it was. `box`: around old and new, CRS84 degrees. */
export interface Change { readonly layer: string; readonly box: BBox }

/** The name under which the change log tells of new ground. */
export const TERRAIN = 'terrain'

/** A tile's box in degrees, grown by a share of its size. */
export function grownBounds(tile: Tile, share: number): BBox {
  const box = tileBounds(tile)
  return grow(box, (box[2] - box[0]) * share)
}
