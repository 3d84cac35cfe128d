/**
 * A geometry on its way to a screen: lines of numbers in the units of some square, x to the right, y down.
 * Rings are open (the last position is not the first again) and wound as vector tiles want them: an outer ring has a
 * positive area by the surveyor's formula, a hole a negative one.
 */
import { WKB_TYPES, WkbCursor } from '../geometry/wkb-bytes.js'
import { simplify } from '../mvt/simplify.js'

/** x, y pairs. */
export type Path = Float64Array

export interface Shape {
  readonly kind: 'point' | 'line' | 'polygon'
  readonly parts: readonly Path[]
}

/** Where a square lies in the geometry's plane (y up), and how many units go to one of its metres. */
export interface Square { readonly west: number; readonly north: number; readonly unitsPerMetre: number }

/** Reads well-known binary into the units of a square, without heights; of a mixed collection what has the most dimensions. Throws GeometryFault. */
export function readShape(wkb: Uint8Array, square: Square): Shape {
  const cursor = new WkbCursor(wkb)
  const parts: Readonly<Record<Shape['kind'], Path[]>> = { point: [], line: [], polygon: [] }
  const read = (): void => {
    const { type, size } = cursor.head()
    switch (WKB_TYPES[type]) {
      case 'Point': return void keep('point', path(1, size))
      case 'LineString': return void keep('line', path(cursor.count(size), size))
      case 'Polygon': {
        for (let i = 0, n = cursor.count(4); i < n; i++) keep('polygon', wound(path(cursor.count(size), size), i === 0 ? 1 : -1))
        return
      }
      default:
        for (let i = 0, n = cursor.count(5); i < n; i++) read()
    }
  }
  const keep = (kind: Shape['kind'], part: Path) => {
    if (part.length > 0 && !Number.isNaN(part[0])) parts[kind].push(part)
  }
  const path = (positions: number, size: number): Path => {
    cursor.need(positions * size)
    const { view, little } = cursor
    const out = new Float64Array(positions * 2)
    for (let i = 0; i < positions; i++, cursor.at += size) {
      out[i * 2] = (view.getFloat64(cursor.at, little) - square.west) * square.unitsPerMetre
      out[i * 2 + 1] = (square.north - view.getFloat64(cursor.at + 8, little)) * square.unitsPerMetre
    }
    return out
  }
  read()
  const kind = parts.polygon.length > 0 ? 'polygon' : parts.line.length > 0 ? 'line' : 'point'
  return { kind, parts: parts[kind] }
}

/** Opens a closed ring and gives its area the sign. */
function wound(closed: Path, sign: 1 | -1): Path {
  const n = closed.length
  const ring = n >= 4 && closed[0] === closed[n - 2] && closed[1] === closed[n - 1] ? closed.subarray(0, n - 2) : closed
  return area(ring) * sign < 0 ? reversed(ring) : ring
}

/** Of an open ring; positive where it runs clockwise on the screen. */
export function area(ring: ArrayLike<number>): number {
  let sum = 0
  const n = ring.length
  for (let i = 0, j = n - 2; i < n; j = i, i += 2) sum += ring[j]! * ring[i + 1]! - ring[i]! * ring[j + 1]!
  return sum / 2
}

export function length(line: ArrayLike<number>): number {
  let sum = 0
  for (let i = 2; i < line.length; i += 2) sum += Math.hypot(line[i]! - line[i - 2]!, line[i + 1]! - line[i - 1]!)
  return sum
}

/** From its end to its beginning. */
export function reversed(path: Path): Path {
  const out = new Float64Array(path.length)
  for (let i = 0, j = path.length - 2; j >= 0; i += 2, j -= 2) {
    out[i] = path[j]!
    out[i + 1] = path[j + 1]!
  }
  return out
}

export type Box = readonly [west: number, north: number, east: number, south: number]

/** The box around all parts; null for an empty shape. */
export function boxOf(parts: readonly ArrayLike<number>[]): Box | null {
  let [w, n, e, s] = [Infinity, Infinity, -Infinity, -Infinity]
  for (const part of parts) {
    for (let i = 0; i < part.length; i += 2) {
      const x = part[i]!, y = part[i + 1]!
      if (x < w) w = x
      if (x > e) e = x
      if (y < n) n = y
      if (y > s) s = y
    }
  }
  return w <= e ? [w, n, e, s] : null
}

/** What lies in the square from `low` to `high` on both axes, its edge included. */
export function clip(shape: Shape, low: number, high: number): Shape {
  const { kind, parts } = shape
  const whole = boxOf(parts)
  if (!whole || (whole[0] >= low && whole[1] >= low && whole[2] <= high && whole[3] <= high)) return shape
  const clipped = (part: Path): readonly Path[] => {
    const box = boxOf([part])!
    if (box[0] >= low && box[1] >= low && box[2] <= high && box[3] <= high) return [part]
    if (box[0] > high || box[1] > high || box[2] < low || box[3] < low) return []
    return kind === 'polygon' ? clipRing(part, low, high) : kind === 'line' ? clipLine(part, low, high) : []
  }
  return { kind, parts: parts.flatMap(clipped) }
}

/** Sutherland and Hodgman, side by side; pieces of a ring stay joined along the edge, as tiles allow. */
function clipRing(ring: Path, low: number, high: number): Path[] {
  let points: number[] = Array.from(ring)
  for (const [axis, limit, sign] of [[0, low, 1], [0, high, -1], [1, low, 1], [1, high, -1]] as const) {
    const kept: number[] = []
    const n = points.length
    for (let i = 0, j = n - 2; i < n; j = i, i += 2) {
      const [a, b] = [(points[j + axis]! - limit) * sign, (points[i + axis]! - limit) * sign]
      if (a < 0 !== b < 0) {
        const t = a / (a - b)
        const other = points[j + 1 - axis]! + (points[i + 1 - axis]! - points[j + 1 - axis]!) * t
        if (axis === 0) kept.push(limit, other)
        else kept.push(other, limit)
      }
      if (b >= 0) kept.push(points[i]!, points[i + 1]!)
    }
    points = kept
  }
  return points.length >= 6 ? [Float64Array.from(points)] : []
}

/** Liang and Barsky, segment by segment. */
function clipLine(line: Path, low: number, high: number): Path[] {
  const pieces: Path[] = []
  let piece: number[] = []
  const finish = () => {
    if (piece.length >= 4) pieces.push(Float64Array.from(piece))
    piece = []
  }
  for (let i = 2; i < line.length; i += 2) {
    const [ax, ay, bx, by] = [line[i - 2]!, line[i - 1]!, line[i]!, line[i + 1]!]
    let [t0, t1] = [0, 1]
    for (const [from, to] of [[ax, bx], [ay, by]] as const) {
      const d = to - from
      if (d === 0) {
        if (from < low || from > high) t1 = -1
        continue
      }
      const [ta, tb] = d > 0 ? [(low - from) / d, (high - from) / d] : [(high - from) / d, (low - from) / d]
      t0 = Math.max(t0, ta)
      t1 = Math.min(t1, tb)
    }
    if (t0 > t1) {
      finish()
      continue
    }
    const at = (t: number): [number, number] => (t === 0 ? [ax, ay] : t === 1 ? [bx, by] : [clamped(ax + (bx - ax) * t, low, high), clamped(ay + (by - ay) * t, low, high)])
    if (t0 > 0 || piece.length === 0) {
      finish()
      piece.push(...at(t0))
    }
    piece.push(...at(t1))
    if (t1 < 1) finish()
  }
  finish()
  return pieces
}

const clamped = (value: number, low: number, high: number) => Math.max(low, Math.min(high, value))

/** Leaves out positions nearer than `tolerance` to the line without them (Douglas and Peucker); the ends stay. */
export function simplifyLine(line: Path, tolerance: number): Path {
  const out = line.slice()
  return out.subarray(0, 2 * simplify(out, line.length / 2, tolerance))
}

/** The same for an open ring, from the position farthest from its first. Null for one that shrinks to a line or to less than `leastArea`. */
export function simplifyRing(ring: Path, tolerance: number, leastArea = 0): Path | null {
  const n = ring.length / 2
  if (n < 3 || Math.abs(area(ring)) <= leastArea) return null
  if (n === 3) return ring
  let opposite = 1
  let most = -1
  for (let i = 1; i < n; i++) {
    const d = (ring[i * 2]! - ring[0]!) ** 2 + (ring[i * 2 + 1]! - ring[1]!) ** 2
    if (d > most) { most = d; opposite = i }
  }
  const closed = new Float64Array(ring.length + 2)
  closed.set(ring)
  closed.set(ring.subarray(0, 2), ring.length)
  const there = simplifyLine(closed.subarray(0, opposite * 2 + 2), tolerance)
  const back = simplifyLine(closed.subarray(opposite * 2), tolerance)
  if (there.length + back.length < 10) return null
  const out = new Float64Array(there.length + back.length - 4)
  out.set(there)
  out.set(back.subarray(2, back.length - 2), there.length)
  return out
}

/** Whole units, without repeated positions; null where nothing is left that can be drawn. */
export function rounded(kind: Shape['kind'], part: ArrayLike<number>): Int32Array | null {
  const out = new Int32Array(part.length)
  let n = 0
  for (let i = 0; i < part.length; i += 2) {
    const x = Math.round(part[i]!), y = Math.round(part[i + 1]!)
    if (kind !== 'point' && n > 0 && out[n - 2] === x && out[n - 1] === y) continue
    out[n++] = x
    out[n++] = y
  }
  if (kind === 'polygon') while (n > 2 && out[0] === out[n - 2] && out[1] === out[n - 1]) n -= 2
  const drawn = n === out.length ? out : out.slice(0, n)
  if (kind === 'polygon' && (n < 6 || Math.sign(area(drawn)) !== Math.sign(area(part)))) return null
  return kind === 'line' && n < 4 ? null : drawn
}
