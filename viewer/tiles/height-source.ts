/** Heights for the ground: Mapbox Terrain-RGB tiles, decoded once and sampled bilinearly. */
import { intersects } from '../../core/bbox.js'
import type { Tile } from '../../core/tile-matrix.js'
import { source } from '../core/source.js'
import { grownBounds, type Change } from './change.js'
import type { TerrainRange } from './protocol.js'

const SIZE = 256

/** Orthometric metres of one tile, row-major, north first; values belong to pixel centres. */
export type HeightTile = Float32Array

/** height = −10000 + (R·65536 + G·256 + B) · 0.1, in metres: the Mapbox Terrain-RGB encoding. */
export function decodeTerrainRgb(rgba: Uint8ClampedArray | Uint8Array): HeightTile {
  const heights = new Float32Array(rgba.length / 4)
  for (let i = 0; i < heights.length; i++) {
    heights[i] = -10000 + (rgba[i * 4]! * 65536 + rgba[i * 4 + 1]! * 256 + rgba[i * 4 + 2]!) * 0.1
  }
  return heights
}

/** Height at fractions u (west → east) and v (north → south) of a tile. */
export function sampleHeight(tile: HeightTile, u: number, v: number): number {
  const x = Math.max(0, Math.min(SIZE - 1.001, u * SIZE - 0.5))
  const y = Math.max(0, Math.min(SIZE - 1.001, v * SIZE - 0.5))
  const [i, j] = [Math.floor(x), Math.floor(y)]
  const [fx, fy] = [x - i, y - j]
  const at = j * SIZE + i
  const north = tile[at]! * (1 - fx) + tile[at + 1]! * fx
  const south = tile[at + SIZE]! * (1 - fx) + tile[at + SIZE + 1]! * fx
  return north * (1 - fy) + south * fy
}

/** A way to ask heights anywhere inside `tile`, or `null` where no terrain is stored. */
export interface HeightSampler { (u: number, v: number): number }

export interface HeightSource {
  readonly range: TerrainRange
  sampler(tile: Tile): Promise<HeightSampler | null>
  /** Drops the heights of these places. */
  forget(changes: readonly Change[]): void
}

export function createHeightSource(range: TerrainRange, decode: (bytes: Blob) => Promise<Uint8ClampedArray>): HeightSource {
  const cache = new Map<string, Entry>()
  const get = (z: number, x: number, y: number) => {
    const key = `${z}/${x}/${y}`
    const known = cache.get(key)
    if (known) return known.heights
    const entry: Entry = { tile: { z, x, y }, heights: fetchTile({ z, x, y }, decode) }
    entry.heights.catch(() => { if (cache.get(key) === entry) cache.delete(key) })
    cache.set(key, entry)
    if (cache.size > 200) cache.delete(cache.keys().next().value!)
    return entry.heights
  }
  return {
    range,
    forget(changes) {
      if (!changes.length) return
      for (const [key, { tile }] of cache) {
        const bounds = grownBounds(tile, 1 / SIZE)
        if (changes.some(({ box }) => intersects(box, bounds))) cache.delete(key)
      }
    },
    async sampler({ z, x, y }) {
      if (z < range.minzoom) return null
      const up = Math.max(0, z - range.maxzoom)
      const heights = await get(z - up, x >> up, y >> up)
      if (!heights) return null
      const scale = 1 / 2 ** up
      const [u0, v0] = [(x % 2 ** up) * scale, (y % 2 ** up) * scale]
      return (u, v) => sampleHeight(heights, u0 + u * scale, v0 + v * scale)
    },
  }
}

interface Entry { readonly tile: Tile; readonly heights: Promise<HeightTile | null> }

async function fetchTile(tile: Tile, decode: (bytes: Blob) => Promise<Uint8ClampedArray>): Promise<HeightTile | null> {
  const picture = await source().terrainTile(tile)
  return picture && decodeTerrainRgb(await decode(picture))
}
