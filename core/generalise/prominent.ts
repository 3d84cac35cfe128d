import { HALF_WORLD_M } from '../tile-matrix.js'
import { GENERALISED_TO } from './cell.js'

/** From how many metres of Web Mercator on (prominence.ts in the store) a feature is itself at a zoom: 1/128 of a tile, two pixels of a small one. */
export const prominentAt = (z: number): number => (2 * HALF_WORLD_M) / 2 ** z / 128

/** The deepest zoom at which a feature of this prominence is merged with others; −1 for one that never is. */
export function mergedTo(prominence: number): number {
  let z = GENERALISED_TO
  while (z >= 0 && prominence >= prominentAt(z)) z--
  return z
}
