/**
 * Height tiles: 256 × 256 heights of a WebMercatorQuad tile, row-major, north first, at pixel centres.
 * Heights are orthometric metres; NaN is "no data here".
 */
import { deflate, inflate } from 'node:zlib'
import { promisify } from 'node:util'
import { HALF_WORLD_M } from '../../core/tile-matrix.js'

export const TILE_SIZE = 256
const PIXELS = TILE_SIZE * TILE_SIZE
const NO_DATA_MM = -0x80000000

/** Float32Array(256 × 256), row-major, north first. */
export type Heights = Float32Array

const deflateAsync = promisify<Uint8Array, { level: number }, Buffer>(deflate)
const inflateAsync = promisify<Uint8Array, Buffer>(inflate)

/**
 * Heights as stored: int32 millimetres, each less its western neighbour, split into byte planes, deflated.
 * Neighbours differ little, so the high planes are almost constant and vanish.
 */
export function encodeHeights(heights: Heights): Promise<Buffer> {
  const planes = new Uint8Array(PIXELS * 4)
  let previous = 0
  for (let i = 0; i < PIXELS; i++) {
    const h = heights[i]!
    const mm = h === h ? Math.round(h * 1000) : NO_DATA_MM
    // Zigzag keeps small negative differences small as unsigned bytes.
    const difference = (mm - previous) | 0
    const code = (difference << 1) ^ (difference >> 31)
    previous = mm
    planes[i] = code
    planes[i + PIXELS] = code >>> 8
    planes[i + 2 * PIXELS] = code >>> 16
    planes[i + 3 * PIXELS] = code >>> 24
  }
  return deflateAsync(planes, { level: 4 })
}

/** The inverse of `encodeHeights`. */
export async function decodeHeights(bytes: Uint8Array): Promise<Heights> {
  const planes = await inflateAsync(bytes)
  const heights = new Float32Array(PIXELS)
  let mm = 0
  for (let i = 0; i < PIXELS; i++) {
    const code = planes[i]! | (planes[i + PIXELS]! << 8) | (planes[i + 2 * PIXELS]! << 16) | (planes[i + 3 * PIXELS]! << 24)
    mm = (mm + ((code >>> 1) ^ -(code & 1))) | 0
    heights[i] = mm === NO_DATA_MM ? NaN : mm / 1000
  }
  return heights
}

/** Ground size of a pixel at zoom `z`, metres, at a latitude in degrees. */
export function pixelSizeM(z: number, lat: number): number {
  return ((2 * HALF_WORLD_M) / (TILE_SIZE * 2 ** z)) * Math.cos((lat * Math.PI) / 180)
}

/** The coarsest zoom that keeps a raster's detail: its pixel is at most 1.28 × the resolution. */
export function zoomOfResolution(resolutionM: number, lat: number): number {
  return Math.max(0, Math.min(18, Math.ceil(Math.log2(pixelSizeM(0, lat) / resolutionM) - 0.355)))
}

/** Fills one quarter of a parent by the mean of its child's heights, 2 × 2 to 1; no data only where all four have none. */
export function averageInto(parent: Heights, child: Heights, quarter: { readonly x: 0 | 1; readonly y: 0 | 1 }): void {
  const half = TILE_SIZE / 2
  for (let row = 0; row < half; row++) {
    const out = (quarter.y * half + row) * TILE_SIZE + quarter.x * half
    for (let col = 0; col < half; col++) {
      const at = 2 * row * TILE_SIZE + 2 * col
      let sum = 0
      let count = 0
      for (const i of [at, at + 1, at + TILE_SIZE, at + TILE_SIZE + 1]) {
        const h = child[i]!
        if (h === h) { sum += h; count++ }
      }
      parent[out + col] = count ? sum / count : NaN
    }
  }
}

/** Lowest and highest height, `null` where the tile has none. */
export function heightRange(heights: Float32Array): { readonly min: number; readonly max: number } | null {
  let min = Infinity
  let max = -Infinity
  for (const h of heights) {
    if (h < min) min = h
    if (h > max) max = h
  }
  return min <= max ? { min, max } : null
}

/**
 * Height at a fractional pixel of the whole matrix at one zoom (0 = centre of the westmost, northmost pixel), bilinear.
 * `heightOf` returns single pixels, NaN for none. Pixels without data take no part, so that the edge of a raster stays
 * at its own level; NaN where the nearest pixel has none.
 */
export function bilinear(x: number, y: number, heightOf: (column: number, row: number) => number): number {
  const column = Math.floor(x)
  const row = Math.floor(y)
  const u = x - column
  const v = y - row
  const a = heightOf(column, row)
  const b = u > 0 ? heightOf(column + 1, row) : a
  const c = v > 0 ? heightOf(column, row + 1) : a
  const d = u > 0 ? (v > 0 ? heightOf(column + 1, row + 1) : b) : c
  const exact = (1 - v) * ((1 - u) * a + u * b) + v * ((1 - u) * c + u * d)
  if (exact === exact) return exact
  const nearest = u < 0.5 ? (v < 0.5 ? a : c) : (v < 0.5 ? b : d)
  if (nearest !== nearest) return NaN
  let sum = 0
  let weight = 0
  const add = (h: number, w: number) => { if (h === h) { sum += h * w; weight += w } }
  add(a, (1 - u) * (1 - v))
  add(b, u * (1 - v))
  add(c, (1 - u) * v)
  add(d, u * v)
  return sum / weight
}
