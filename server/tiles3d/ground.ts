/** How high the ground lies under features: from the row itself, else from the terrain. */
import type { BBox } from '../../core/bbox.js'
import type { Store } from '../store/store.js'
import { heightsAt, type TerrainAt } from '../terrain/terrain-store.js'

/** Orthometric metres under a feature. */
export interface Ground {
  /** The row's own level, else the terrain's in the middle, else 0. */
  readonly level: number
  /** Lowest and highest terrain around, where the row has no level of its own; else the level. */
  readonly low: number
  readonly high: number
}

/** A feature's box in CRS84 degrees, and its own level where it has one. */
export interface Standing { readonly box: BBox; readonly ground_z: number | null }

/** Ground under features: on slopes a footprint needs more than the level of its middle. */
export async function groundUnder(store: Store, features: readonly Standing[], at: TerrainAt): Promise<Ground[]> {
  const open = features.filter(feature => feature.ground_z === null)
  const heights = await heightsAt(store, open.flatMap(feature => spread(feature.box)), at)
  let next = 0
  return features.map(({ ground_z }) => {
    if (ground_z !== null) return flat(ground_z)
    const around = heights.subarray(next, next += SPREAD)
    const known = around.filter(h => h === h)
    return known.length === 0 ? flat(0) : { level: around[0] === around[0] ? around[0]! : known[0]!, low: Math.min(...known), high: Math.max(...known) }
  })
}

const flat = (z: number): Ground => ({ level: z, low: z, high: z })

const SPREAD = 5

/** The middle of a box, then four places towards its corners. */
function spread([west, south, east, north]: BBox): [lon: number, lat: number][] {
  const [lon, lat] = [(west + east) / 2, (south + north) / 2]
  const [dx, dy] = [(east - west) * 0.35, (north - south) * 0.35]
  return [[lon, lat], [lon - dx, lat - dy], [lon + dx, lat - dy], [lon - dx, lat + dy], [lon + dx, lat + dy]]
}
