import { HALF_WORLD_M } from '../tile-matrix.js'
import { GENERALISED_TO } from './cell.js'

/** The deepest zoom whose large features the store has an index of. */
const INDEXED_TO = 12

/**
 * From which extent on, metres of Web Mercator (prominence.ts in the store), a feature is itself at a zoom: 1/128 of a tile, two pixels
 * of a small one. Zoom 13, which merges most, takes the same as 12, so that nothing else is read for it.
 */
export const largeAt = (z: number): number => (2 * HALF_WORLD_M) / 2 ** Math.min(z, INDEXED_TO) / 128

/** The deepest zoom at which a feature of this extent is merged with others; −1 for one that never is. */
export function mergedTo(extent: number): number {
  let z = GENERALISED_TO
  while (z >= 0 && extent >= largeAt(z)) z--
  return z
}
