import { HALF_WORLD_M } from '../tile-matrix.js'
import { GENERALISED_TO } from './cell.js'

/** The deepest zoom whose prominent features the store has an index of. */
const INDEXED_TO = 12

/**
 * From how many metres of Web Mercator on (prominence.ts in the store) a feature is itself at a zoom: 1/128 of a tile, two pixels
 * of a small one. Zoom 13, which merges most, takes the same as 12, so that nothing else is read for it.
 */
export const prominentAt = (z: number): number => (2 * HALF_WORLD_M) / 2 ** Math.min(z, INDEXED_TO) / 128
/** How wide and high together an area must be besides, metres: one pixel of a small tile. A tower is seen from afar, but not from above. */
export const visibleAt = (z: number): number => (2 * HALF_WORLD_M) / 2 ** z / 256

/** The deepest zoom at which a feature of this prominence is merged with others; −1 for one that never is. */
export function mergedTo(prominence: number): number {
  let z = GENERALISED_TO
  while (z >= 0 && prominence >= prominentAt(z)) z--
  return z
}
