/** Numbers of the ranks from the highest to the lowest; equals keep their order. For fewer than 2^21 ranks, told apart as float32. */
export function byRank(ranks: Float64Array): Uint32Array {
  // Rank and place in one number sort without a call a comparison.
  const keys = new Float64Array(ranks.length)
  const floats = Float32Array.from(ranks)
  const bits = new Uint32Array(floats.buffer)
  for (let i = 0; i < keys.length; i++) keys[i] = ascending(bits[i]!) * PLACES + (PLACES - 1 - i)
  keys.sort()
  const order = new Uint32Array(keys.length)
  for (let i = 0; i < order.length; i++) order[i] = PLACES - 1 - keys[keys.length - 1 - i]! % PLACES
  return order
}

const PLACES = 2 ** 21

/** The bits of a float32 as an integer that grows as the number does. */
const ascending = (bits: number) => (bits & 0x80000000 ? ~bits : bits | 0x80000000) >>> 0
