/** A frame as it is stored and sent: depth in whole millimetres, row-major, north first, little-endian. */

/** Marks a cell outside the computed domain: not dry, not computed. */
export const NOT_COMPUTED = 65535

/** Metres to millimetres; NaN becomes 65535 and water deeper than 65.534 m is told as 65.534 m. */
export function quantise(depth: Float32Array): Uint16Array {
  const out = new Uint16Array(depth.length)
  for (let i = 0; i < depth.length; i++) {
    const metres = depth[i]!
    out[i] = Number.isNaN(metres) ? NOT_COMPUTED : Math.min(65534, Math.round(metres * 1000))
  }
  return out
}

/** The way back: metres, NaN where not computed. */
export function dequantise(frame: Uint16Array): Float32Array {
  return Float32Array.from(frame, millimetres => millimetres === NOT_COMPUTED ? NaN : millimetres / 1000)
}
