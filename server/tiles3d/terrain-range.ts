/** How low and how high the terrain lies under many features, without looking at each. Orthometric metres. */
import { lonLatAt } from '../../core/tile-matrix.js'
import type { Store } from '../store/store.js'
import { heightsAt, type TerrainAt } from '../terrain/terrain-store.js'

/** Where some features stand: squares of `PLACE_ZOOM` that hold their middles, as `x << 20 | y`, and the largest box, degrees. */
export interface Places { readonly squares: readonly number[]; readonly width: number; readonly height: number }

/** Squares of 38 m at the equator. */
export const PLACE_ZOOM = 20
export interface HeightRange { readonly low: number; readonly high: number }

/** Lowest and highest terrain under each group of features, with room for what lies between the points that are looked at. */
export async function terrainRanges(store: Store, at: TerrainAt, groups: readonly Places[]): Promise<HeightRange[]> {
  const ranges: HeightRange[] = []
  let waiting: { positions: [number, number][]; group: number }[] = []
  let points = 0
  const flush = async () => {
    const heights = await heightsAt(store, waiting.flatMap(({ positions }) => positions), at)
    let next = 0
    for (const { positions, group } of waiting) ranges[group] = widened(rangeOf(heights.subarray(next, next += positions.length), ranges[group]))
    waiting = []
    points = 0
  }
  for (const [group, places] of groups.entries()) {
    const positions = places.squares.flatMap(square => gridOver(square, places))
    waiting.push({ positions, group })
    if ((points += positions.length) >= BATCH) await flush()
  }
  await flush()
  return ranges
}
const BATCH = 100_000

/** Points over a square and as far beyond it as its features reach: at least three a side, one about every 25 m. */
function gridOver(square: number, { width, height }: Places): [lon: number, lat: number][] {
  const [x, y] = [Math.floor(square / 2 ** PLACE_ZOOM), square % 2 ** PLACE_ZOOM]
  const [west, north] = lonLatAt(x, y, PLACE_ZOOM)
  const [east, south] = lonLatAt(x + 1, y + 1, PLACE_ZOOM)
  const [w, e, s, n] = [west - width / 2, east + width / 2, south - height / 2, north + height / 2]
  const steps = (degrees: number) => Math.max(2, Math.min(16, Math.ceil((degrees * 111_320) / 25)))
  const [columns, rows] = [steps(e - w), steps(n - s)]
  const points: [number, number][] = []
  for (let i = 0; i <= columns; i++) for (let j = 0; j <= rows; j++) points.push([w + ((e - w) * i) / columns, s + ((n - s) * j) / rows])
  return points
}

function rangeOf(heights: Float32Array, range: HeightRange | undefined): HeightRange {
  let { low, high } = range ?? { low: Infinity, high: -Infinity }
  for (const height of heights) {
    if (height < low) low = height
    if (height > high) high = height
  }
  // Where no terrain is known the ground lies at 0, as it does in tiles.
  return high < low ? { low: 0, high: 0 } : { low, high }
}

function widened({ low, high }: HeightRange): HeightRange {
  const room = (high - low) / 4
  return { low: low - room, high: high + room }
}
