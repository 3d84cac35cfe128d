/**
 * Mesh data in as few bits as they need. Everything is snapped to a power of two first, so that what a reader gets
 * is exactly what was meant, and the least and greatest values that glTF wants are exact too.
 * Sources: KHR_mesh_quantization, EXT_meshopt_compression (filters).
 */
import { MeshoptEncoder } from 'meshoptimizer/encoder'

/** Snapped positions are at most 8 mm off along each axis. */
export const COARSEST_STEP_M = 1 / 64
/** Finer than any survey. */
const FINEST_STEP_M = 1 / 256
/** What floats are snapped to where 16 bits do not reach: exact up to 65 km from the middle. */
const FLOAT_STEP_M = 1 / 128

/** The grid that positions of a tile are counted in; `null` where 16 bits do not reach over the tile: then they stay floats. */
export interface Grid {
  /** Metres, the corner with the least of each coordinate. */
  readonly origin: readonly [number, number, number]
  readonly step: number
}

/** The grid for these positions (x, y, z triples, metres); all meshes of a node share it. */
export function gridFor(positions: readonly Float32Array[]): Grid | null {
  const low = [Infinity, Infinity, Infinity]
  const high = [-Infinity, -Infinity, -Infinity]
  for (const list of positions) {
    for (let i = 0; i < list.length; i += 3) {
      for (let d = 0; d < 3; d++) {
        const value = list[i + d]!
        if (value < low[d]!) low[d] = value
        if (value > high[d]!) high[d] = value
      }
    }
  }
  const extent = Math.max(...high.map((value, d) => value - low[d]!))
  const step = Math.max(FINEST_STEP_M, 2 ** Math.ceil(Math.log2((extent + COARSEST_STEP_M) / 0xffff)))
  // A negative corner is snapped away from the positions, a positive one too.
  return step <= COARSEST_STEP_M ? { origin: low.map(value => Math.floor(value / step) * step) as [number, number, number], step } : null
}

/** Values of an accessor's elements, with the least and greatest of each component. */
export interface Quantised<T> { readonly values: T; readonly min: number[]; readonly max: number[] }

/** Positions as 16-bit counts of the grid, four to a vertex: the fourth pads. */
export function toGrid(positions: Float32Array, { origin, step }: Grid): Quantised<Uint16Array> {
  const count = positions.length / 3
  const values = new Uint16Array(4 * count)
  const min = [0xffff, 0xffff, 0xffff]
  const max = [0, 0, 0]
  for (let i = 0; i < count; i++) {
    for (let d = 0; d < 3; d++) {
      const value = Math.round((positions[3 * i + d]! - origin[d]!) / step)
      values[4 * i + d] = value
      if (value < min[d]!) min[d] = value
      if (value > max[d]!) max[d] = value
    }
  }
  return { values, min, max }
}

/** Floats snapped to multiples of `step`, a power of two. */
export function snapped(values: ArrayLike<number>, step: number): Float32Array {
  const out = new Float32Array(values.length)
  for (let i = 0; i < out.length; i++) out[i] = Math.round(values[i]! / step) * step
  return out
}

export const snappedPositions = (positions: ArrayLike<number>) => snapped(positions, FLOAT_STEP_M)

/** Floats as the words of meshopt's exponential filter: fixed-point numbers, lossless for `values` snapped to `step` below 2^23 steps. */
export function exponentialWords(values: Float32Array, components: number, step: number): Uint8Array {
  let greatest = step
  for (const value of values) greatest = Math.max(greatest, Math.abs(value))
  const bits = Math.min(24, Math.max(1, Math.floor(Math.log2(greatest / step)) + 2))
  return MeshoptEncoder.encodeFilterExp(values, values.length / components, 4 * components, bits, 'SharedComponent')
}

/** Least and greatest of each component. */
export function boundsOf(values: ArrayLike<number>, components: number): { min: number[]; max: number[] } {
  const min = new Array<number>(components).fill(Infinity)
  const max = new Array<number>(components).fill(-Infinity)
  for (let i = 0; i < values.length; i++) {
    const d = i % components
    if (values[i]! < min[d]!) min[d] = values[i]!
    if (values[i]! > max[d]!) max[d] = values[i]!
  }
  return { min, max }
}

/** Numbers of −1…1 as normalised signed integers of this width; `from` components to an element become `to`, the rest pads. */
export function toUnit<T extends Int8Array | Int16Array>(values: ArrayLike<number>, out: T, from: number, to: number): T {
  const full = out.BYTES_PER_ELEMENT === 1 ? 127 : 32767
  for (let i = 0, n = values.length / from; i < n; i++)
    for (let d = 0; d < from; d++) out[to * i + d] = Math.round(Math.max(-1, Math.min(1, values[from * i + d]!)) * full)
  return out
}
