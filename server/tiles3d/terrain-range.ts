/** How low and how high the terrain lies under many features, without a look at each. Orthometric metres. */
import { CELL_ZOOM } from '../../core/tile-matrix.js'
import type { Store } from '../store/store.js'
import { TILE_SIZE } from '../terrain/height-tile.js'
import { terrainPixels, type TerrainAt } from '../terrain/terrain-store.js'

/** Heights are looked at in tiles of this zoom; its pixels are the squares of `SQUARE_ZOOM`, 38 m at the equator. */
const ZOOM = CELL_ZOOM + 2
export const SQUARE_ZOOM = ZOOM + Math.log2(TILE_SIZE)

/** Where some features stand: squares of `SQUARE_ZOOM` that hold their middles, as `x << 20 | y`, and the longest side of their boxes, degrees. */
export interface Places { readonly squares: readonly number[]; readonly extent: number }
export interface HeightRange { readonly low: number; readonly high: number }

/** A square of a group of features, with as many around it as its features may reach. */
interface Window { readonly group: number; readonly x: number; readonly y: number; readonly reach: number }

/** Lowest and highest terrain under each group of features, 0 where none is known, with room for what lies within a square. */
export async function terrainRanges(store: Store, at: TerrainAt, groups: readonly Places[]): Promise<HeightRange[]> {
  const ranges = groups.map(() => ({ low: Infinity, high: -Infinity }))
  for (const windows of byTile(groups).values()) {
    const margin = windows.reduce((most, { reach }) => Math.max(most, reach), 0)
    const [left, top, side] = [floorTo(windows[0]!.x) - margin, floorTo(windows[0]!.y) - margin, TILE_SIZE + 2 * margin]
    const heights = await terrainPixels(store, { z: ZOOM, x: left, y: top, cols: side, rows: side }, at)
    for (const { group, x, y, reach } of windows) widen(ranges[group]!, heights, side, x - left, y - top, reach)
  }
  return ranges
}

const floorTo = (pixel: number) => pixel - (pixel % TILE_SIZE)
/** What a mean of a square may leave out of it, by how much the squares around differ. Metres. */
const roomFor = (range: number) => range / 8 + (range > 0 ? 1 : 0)
/** A feature that reaches further is looked at around its middle only. */
const FARTHEST = 64

function byTile(groups: readonly Places[]): ReadonlyMap<number, Window[]> {
  const tiles = new Map<number, Window[]>()
  groups.forEach(({ squares, extent }, group) => {
    const reach = Math.min(FARTHEST, 1 + Math.ceil((extent / 2 / 360) * 2 ** SQUARE_ZOOM))
    for (const square of squares) {
      const [x, y] = [Math.floor(square / 2 ** SQUARE_ZOOM), square % 2 ** SQUARE_ZOOM]
      const tile = Math.floor(x / TILE_SIZE) * 2 ** ZOOM + Math.floor(y / TILE_SIZE)
      const windows = tiles.get(tile)
      if (windows) windows.push({ group, x, y, reach })
      else tiles.set(tile, [{ group, x, y, reach }])
    }
  })
  return tiles
}

function widen(range: { low: number; high: number }, heights: Float32Array, side: number, column: number, row: number, reach: number): void {
  let [low, high] = [Infinity, -Infinity]
  for (let y = row - reach; y <= row + reach; y++) {
    for (let x = column - reach; x <= column + reach; x++) {
      const height = heights[y * side + x]!
      if (height < low) low = height
      if (height > high) high = height
    }
  }
  // Where no terrain is known the ground lies at 0, as it does in tiles.
  if (high < low) low = high = 0
  range.low = Math.min(range.low, low - roomFor(high - low))
  range.high = Math.max(range.high, high + roomFor(high - low))
}
