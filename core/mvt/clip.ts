/** Cuts paths of x, y pairs at a square, as they are drawn: what lies outside is not kept, what crosses ends on the edge. */

/** From `low` to `high` in both directions. */
export interface Square { readonly low: number; readonly high: number }

/** A path in a buffer that the next call uses again. */
export interface Clipped { readonly xy: Float64Array; readonly count: number }

/**
 * A ring, closed implicitly, cut at each side in turn (Sutherland & Hodgman, 1974).
 * A ring that leaves the square and comes back runs along its edge in between.
 */
export function clipRing(ring: Float64Array, count: number, { low, high }: Square): Clipped {
  let xy = ring
  let n = count
  let next = 0
  for (const axis of [0, 1] as const) for (const [limit, sign] of [[low, 1], [high, -1]] as const) {
    if (n === 0) break
    // Each second position may be outside, and then each step crosses the side.
    const target = buffer(next, n * 2)
    n = cutSide(xy, n, axis, limit, sign, target)
    xy = target
    next = 1 - next
  }
  return { xy, count: n }
}

const buffers = [new Float64Array(1024), new Float64Array(1024)]
function buffer(which: number, positions: number): Float64Array {
  if (buffers[which]!.length < 2 * positions) buffers[which] = new Float64Array(4 * positions)
  return buffers[which]!
}

/** Keeps where `sign · coordinate ≥ sign · limit`. */
function cutSide(source: Float64Array, count: number, axis: 0 | 1, limit: number, sign: 1 | -1, target: Float64Array): number {
  let n = 0
  let px = source[2 * count - 2]!
  let py = source[2 * count - 1]!
  let wasIn = sign * (axis === 0 ? px : py) >= sign * limit
  for (let i = 0; i < count; i++) {
    const x = source[2 * i]!
    const y = source[2 * i + 1]!
    const isIn = sign * (axis === 0 ? x : y) >= sign * limit
    if (isIn !== wasIn) {
      const part = axis === 0 ? (limit - px) / (x - px) : (limit - py) / (y - py)
      target[2 * n] = axis === 0 ? limit : Math.round(px + part * (x - px))
      target[2 * n + 1] = axis === 0 ? Math.round(py + part * (y - py)) : limit
      n++
    }
    if (isIn) {
      target[2 * n] = x
      target[2 * n + 1] = y
      n++
    }
    ;[px, py, wasIn] = [x, y, isIn]
  }
  return n
}

/** A line's pieces inside the square (Liang & Barsky, 1984), each handed to `emit`, which may not keep the buffer. */
export function clipLine(xy: Float64Array, count: number, square: Square, emit: (piece: Float64Array, count: number) => void): void {
  const piece = buffer(0, count)
  let n = 0
  for (let i = 1; i < count; i++) {
    const ax = xy[2 * i - 2]!
    const ay = xy[2 * i - 1]!
    const dx = xy[2 * i]! - ax
    const dy = xy[2 * i + 1]! - ay
    const [enter, leave] = spanInside(ax, ay, dx, dy, square)
    if (enter > leave) {
      if (n > 1) emit(piece, n)
      n = 0
      continue
    }
    if (enter > 0 || n === 0) {
      if (n > 1) emit(piece, n)
      piece[0] = Math.round(ax + enter * dx)
      piece[1] = Math.round(ay + enter * dy)
      n = 1
    }
    piece[2 * n] = Math.round(ax + leave * dx)
    piece[2 * n + 1] = Math.round(ay + leave * dy)
    n++
  }
  if (n > 1) emit(piece, n)
}

/** The part of a step that lies inside, in parts of it; enter > leave where none does. */
function spanInside(ax: number, ay: number, dx: number, dy: number, { low, high }: Square): [enter: number, leave: number] {
  let enter = 0
  let leave = 1
  for (const [from, step] of [[ax, dx], [ay, dy]] as const) {
    if (step === 0) {
      if (from < low || from > high) return NOWHERE
      continue
    }
    const [first, last] = step > 0 ? [(low - from) / step, (high - from) / step] : [(high - from) / step, (low - from) / step]
    if (first > enter) enter = first
    if (last < leave) leave = last
  }
  return [enter, leave]
}

const NOWHERE: [number, number] = [1, 0]
