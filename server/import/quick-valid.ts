/**
 * Validity told from the bytes, for the shapes that make up nearly all of a city: points, lines, and polygons of few
 * vertices. It never calls valid what is not; where it is in doubt (touching or nearly touching segments, many vertices,
 * parts whose boxes meet) it says so, and PostGIS decides.
 */

const HEAD = 5
const SRID_BYTES = 4
/** Comparing every segment with every other stays cheaper than asking the database up to about here. */
const MOST_VERTICES = 120
/** Of the products that an orientation is made of; anything nearer to zero than this is doubt. */
const ROUNDING = 1e-12

let x = new Float64Array(256)
let y = new Float64Array(256)
/** First vertex of each ring in `x` and `y`, with the end of the last. */
const rings: number[] = []

/** `ewkb`: one two-dimensional, little-endian geometry with its SRID, whole, as EwkbWriter makes it. True: surely valid. False: not known. */
export function surelyValid(ewkb: Uint8Array): boolean {
  const view = new DataView(ewkb.buffer, ewkb.byteOffset, ewkb.byteLength)
  const type = view.getUint32(1, true) & 0xff
  const body = HEAD + SRID_BYTES
  switch (type) {
    case 1: return Number.isFinite(view.getFloat64(body, true)) && Number.isFinite(view.getFloat64(body + 8, true))
    case 2: return validLine(view, body) > 0
    case 3: return validPolygon(view, body) > 0
    case 5: return everyPart(view, body, validLine)
    case 6: return everyPart(view, body, validPolygon) && boxesApart()
    default: return false
  }
}

/** Boxes of the parts of the geometry at hand: west, south, east, north of each. */
const boxes: number[] = []

function everyPart(view: DataView, at: number, part: (view: DataView, at: number) => number): boolean {
  const count = view.getUint32(at, true)
  boxes.length = 0
  at += 4
  for (let i = 0; i < count; i++) {
    at = part(view, at + HEAD)
    if (at <= 0) return false
  }
  return count > 0
}

/** Parts of an area must not meet; those whose boxes do not, cannot. */
function boxesApart(): boolean {
  if (boxes.length > 4 * MOST_VERTICES) return false
  for (let i = 0; i < boxes.length; i += 4) for (let j = 0; j < i; j += 4)
    if (boxes[i]! <= boxes[j + 2]! && boxes[j]! <= boxes[i + 2]! && boxes[i + 1]! <= boxes[j + 3]! && boxes[j + 1]! <= boxes[i + 3]!) return false
  return true
}

/** The end of a line with two different positions; 0 otherwise. */
function validLine(view: DataView, at: number): number {
  const count = view.getUint32(at, true)
  const end = at + 4 + count * 16
  for (let p = at + 20; p < end; p += 16)
    if (view.getFloat64(p, true) !== view.getFloat64(at + 4, true) || view.getFloat64(p + 8, true) !== view.getFloat64(at + 12, true)) return end
  return 0
}

/** The end of a polygon whose rings surely do not touch and whose holes are inside, side by side; 0 otherwise. */
function validPolygon(view: DataView, at: number): number {
  const count = view.getUint32(at, true)
  if (count === 0) return 0
  at += 4
  rings.length = 0
  let vertices = 0
  for (let ring = 0; ring < count; ring++) {
    const size = view.getUint32(at, true)
    if (size < 4 || vertices + size > MOST_VERTICES) return 0
    at += 4
    rings.push(vertices)
    const first = vertices
    for (let p = at; p < at + size * 16; p += 16) {
      const [px, py] = [view.getFloat64(p, true), view.getFloat64(p + 8, true)]
      // Repeated positions are allowed and would be segments of no length.
      if (vertices > first && px === x[vertices - 1] && py === y[vertices - 1]) continue
      if (vertices === x.length) grow()
      x[vertices] = px
      y[vertices++] = py
    }
    if (vertices - first < 4) return 0
    at += size * 16
  }
  rings.push(vertices)
  if (!ringsApart() || !holesInside()) return 0
  addBox(0, rings[1]!)
  return at
}

function grow() {
  const wider = (from: Float64Array) => { const to = new Float64Array(from.length * 2); to.set(from); return to }
  x = wider(x)
  y = wider(y)
}

/** No segment of any ring meets another, except where it follows it. */
function ringsApart(): boolean {
  for (let r = 0; r + 1 < rings.length; r++) {
    const [from, to] = [rings[r]!, rings[r + 1]! - 1]
    for (let i = from; i < to; i++) {
      const next = i + 1 === to ? from : i + 1
      if (!turnsOn(i, next)) return false
      for (let s = r; s + 1 < rings.length; s++) {
        const end = rings[s + 1]! - 1
        for (let j = s === r ? i + 2 : rings[s]!; j < end; j++) {
          // The last segment of a ring ends where the first begins.
          if (s === r && i === from && j === end - 1) continue
          if (!surelyApart(i, j)) return false
        }
      }
    }
  }
  return true
}

/** Segments i and `next`, which share a position, do not lie on each other: they turn, or go straight on. */
function turnsOn(i: number, next: number): boolean {
  const [ux, uy] = [x[i + 1]! - x[i]!, y[i + 1]! - y[i]!]
  const [vx, vy] = [x[next + 1]! - x[next]!, y[next + 1]! - y[next]!]
  if (ux * vx + uy * vy > 0) return true
  const [a, b] = [ux * vy, uy * vx]
  return Math.abs(a - b) > ROUNDING * (Math.abs(a) + Math.abs(b)) && Math.abs(a - b) > Number.MIN_VALUE
}

/** Segments i → i+1 and j → j+1 have no position in common, with room to spare for rounding. */
function surelyApart(i: number, j: number): boolean {
  if (Math.max(x[i]!, x[i + 1]!) < Math.min(x[j]!, x[j + 1]!) || Math.max(x[j]!, x[j + 1]!) < Math.min(x[i]!, x[i + 1]!)
    || Math.max(y[i]!, y[i + 1]!) < Math.min(y[j]!, y[j + 1]!) || Math.max(y[j]!, y[j + 1]!) < Math.min(y[i]!, y[i + 1]!)) return true
  return sameSide(i, j) || sameSide(j, i)
}

const sameSide = (line: number, segment: number) => side(line, segment) * side(line, segment + 1) > 0

/** On which side of line i → i+1 vertex p lies: −1, 1, or 0 where rounding could have decided it. */
function side(i: number, p: number): number {
  const a = (x[i + 1]! - x[i]!) * (y[p]! - y[i]!)
  const b = (y[i + 1]! - y[i]!) * (x[p]! - x[i]!)
  return Math.abs(a - b) > ROUNDING * (Math.abs(a) + Math.abs(b)) ? Math.sign(a - b) : 0
}

/** Rings meet nowhere, so one vertex tells for all: each hole is inside the shell and beside every other hole. */
function holesInside(): boolean {
  for (let hole = 1; hole + 1 < rings.length; hole++) for (let other = 0; other + 1 < rings.length; other++) {
    if (other === hole) continue
    if (isInside(rings[hole]!, rings[other]!, rings[other + 1]! - 1) !== (other === 0)) return false
  }
  return true
}

/** Vertex p against the ring of vertices from…to: even–odd, by a ray to the east. */
function isInside(p: number, from: number, to: number): boolean {
  let inside = false
  for (let i = from; i < to; i++) {
    if ((y[i]! > y[p]!) === (y[i + 1]! > y[p]!)) continue
    if (x[p]! < x[i]! + (x[i + 1]! - x[i]!) * (y[p]! - y[i]!) / (y[i + 1]! - y[i]!)) inside = !inside
  }
  return inside
}

function addBox(from: number, to: number) {
  let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity]
  for (let i = from; i < to; i++) {
    west = Math.min(west, x[i]!)
    east = Math.max(east, x[i]!)
    south = Math.min(south, y[i]!)
    north = Math.max(north, y[i]!)
  }
  boxes.push(west, south, east, north)
}
