/** Paths of x, y pairs in a buffer, the first `count` positions of it; and boxes [west, north, east, south], y down. */

/** Drops positions that repeat the one before, in place; returns how many are left. */
export function withoutRepeats(xy: Float64Array, count: number): number {
  let kept = 0
  for (let i = 0; i < count; i++) {
    const x = xy[2 * i]!
    const y = xy[2 * i + 1]!
    if (kept > 0 && x === xy[2 * kept - 2] && y === xy[2 * kept - 1]) continue
    xy[2 * kept] = x
    xy[2 * kept + 1] = y
    kept++
  }
  return kept
}

/** Twice the area of a ring that is closed implicitly; positive where it runs clockwise on the screen. */
export function area2Of(xy: Float64Array, count: number): number {
  let sum = 0
  for (let i = 0, j = count - 1; i < count; j = i++) sum += xy[2 * j]! * xy[2 * i + 1]! - xy[2 * i]! * xy[2 * j + 1]!
  return sum
}

export function lengthOf(xy: Float64Array, count: number): number {
  let sum = 0
  for (let i = 1; i < count; i++) sum += Math.hypot(xy[2 * i]! - xy[2 * i - 2]!, xy[2 * i + 1]! - xy[2 * i - 1]!)
  return sum
}

export function reverse(xy: Float64Array, count: number): void {
  for (let i = 0, j = count - 1; i < j; i++, j--) {
    const [x, y] = [xy[2 * i]!, xy[2 * i + 1]!]
    xy[2 * i] = xy[2 * j]!
    xy[2 * i + 1] = xy[2 * j + 1]!
    xy[2 * j] = x
    xy[2 * j + 1] = y
  }
}

export function emptyBox(box: Float64Array): void {
  box[0] = box[1] = Infinity
  box[2] = box[3] = -Infinity
}

/** Makes the box hold the path too. */
export function growBox(box: Float64Array, xy: Float64Array, count: number): void {
  for (let i = 0; i < count; i++) {
    const x = xy[2 * i]!
    const y = xy[2 * i + 1]!
    if (x < box[0]!) box[0] = x
    if (y < box[1]!) box[1] = y
    if (x > box[2]!) box[2] = x
    if (y > box[3]!) box[3] = y
  }
}

/** Width and height together. */
export const spread = (box: Float64Array): number => box[2]! - box[0]! + box[3]! - box[1]!
