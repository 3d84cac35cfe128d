/**
 * Leaves out the positions nearer than `tolerance` to the line without them (Douglas & Peucker, 1973), in place: `xy` holds
 * `count` positions, and the number that stay is returned. First and last stay; and all do where fewer than `least` would.
 */
export function simplify(xy: Float64Array, count: number, tolerance: number, least = 2): number {
  if (count < 3) return count
  const keep = markers(count)
  keep[0] = keep[count - 1] = 1
  let staying = 2
  // Spans still to look at, as pairs of ends; a span is divided in two, so that as many fit as there are positions.
  const spans = spansFor(count)
  let open = 0
  spans[open++] = 0
  spans[open++] = count - 1
  while (open > 0) {
    const last = spans[--open]!
    const first = spans[--open]!
    const far = farthest(xy, first, last, tolerance * tolerance)
    if (far < 0) continue
    keep[far] = 1
    staying++
    spans[open++] = first
    spans[open++] = far
    spans[open++] = far
    spans[open++] = last
  }
  if (staying < least || staying === count) return count
  let kept = 0
  for (let i = 0; i < count; i++) {
    if (keep[i] === 0) continue
    xy[2 * kept] = xy[2 * i]!
    xy[2 * kept + 1] = xy[2 * i + 1]!
    kept++
  }
  return kept
}

/** The position between two others that is farthest from the line between them; −1 where none is farther than `least` squared. */
function farthest(xy: Float64Array, first: number, last: number, least: number): number {
  const ax = xy[2 * first]!
  const ay = xy[2 * first + 1]!
  const dx = xy[2 * last]! - ax
  const dy = xy[2 * last + 1]! - ay
  const length2 = dx * dx + dy * dy
  let most = least
  let far = -1
  for (let i = first + 1; i < last; i++) {
    const px = xy[2 * i]! - ax
    const py = xy[2 * i + 1]! - ay
    const along = length2 === 0 ? 0 : Math.max(0, Math.min(1, (px * dx + py * dy) / length2))
    const ex = px - along * dx
    const ey = py - along * dy
    const distance2 = ex * ex + ey * ey
    if (distance2 > most) {
      most = distance2
      far = i
    }
  }
  return far
}

let keptMarks = new Uint8Array(1024)
function markers(count: number): Uint8Array {
  if (keptMarks.length < count) keptMarks = new Uint8Array(count * 2)
  return keptMarks.fill(0, 0, count)
}

let keptSpans = new Int32Array(4096)
function spansFor(count: number): Int32Array {
  if (keptSpans.length < 4 * count) keptSpans = new Int32Array(count * 8)
  return keptSpans
}
