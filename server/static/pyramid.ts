/** The tiles of an archive, from the coarsest down: below a tile with nothing in it none are looked at. */
import type { BBox } from '../../core/bbox.js'
import type { Tile } from '../../core/tile-matrix.js'
import { limits } from '../ogc/tiles/matrix-set.js'
import { inParallel } from './parallel.js'

export interface Pyramid {
  readonly bounds: BBox
  readonly minzoom: number
  readonly maxzoom: number
  readonly signal: AbortSignal
  /** Takes the tile; true where there may be something in the four below it. */
  readonly visit: (tile: Tile) => Promise<boolean>
  /** 0…1, by ground covered. */
  readonly onProgress: (share: number) => void
}

export async function walkPyramid({ bounds, minzoom, maxzoom, signal, visit, onProgress }: Pyramid): Promise<void> {
  const within = new Map(limits(bounds, { min: minzoom, max: maxzoom }).map(limit => [Number(limit.tileMatrix), limit]))
  const inside = ({ z, x, y }: Tile) => {
    const limit = within.get(z)!
    return x >= limit.minTileCol && x <= limit.maxTileCol && y >= limit.minTileRow && y <= limit.maxTileRow
  }
  const top = within.get(minzoom)!
  const roots: Tile[] = []
  for (let y = top.minTileRow; y <= top.maxTileRow; y++) for (let x = top.minTileCol; x <= top.maxTileCol; x++) roots.push({ z: minzoom, x, y })
  let done = 0
  const stack: Share[] = roots.map(tile => ({ tile, share: 1 / roots.length }))
  await inParallel(stack, signal, async ({ tile, share }) => {
    const below = await visit(tile) && tile.z < maxzoom ? quarters(tile).filter(inside) : []
    if (below.length === 0) onProgress(Math.min(1, done += share))
    stack.push(...below.map(quarter => ({ tile: quarter, share: share / below.length })))
  })
}

/** A tile that is still to be visited, and its share of the ground. */
interface Share { readonly tile: Tile; readonly share: number }

const quarters = ({ z, x, y }: Tile): Tile[] => [0, 1, 2, 3].map(q => ({ z: z + 1, x: x * 2 + (q & 1), y: y * 2 + (q >> 1) }))
