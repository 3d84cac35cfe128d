/** Curves as lines: chords that leave the curve by no more than a tolerance, in the unit of the coordinates. */

type Position = readonly number[]

/** A centimetre, and of coordinates that can only be degrees what is finer than that: where nobody names a tolerance. */
export function toleranceFor([x, y]: Position): number {
  return Math.abs(x!) <= 360 && Math.abs(y!) <= 180 ? 1e-7 : 0.01
}

const MAX_STEP = Math.PI / 18
const MAX_CHORDS = 4096

/** Number of chords for a sweep (radians) of a circle. */
function chords(radius: number, sweep: number, tolerance: number): number {
  const step = tolerance < radius ? Math.min(MAX_STEP, 2 * Math.acos(1 - tolerance / radius)) : MAX_STEP
  return Math.max(2, Math.min(MAX_CHORDS, Math.ceil(Math.abs(sweep) / step)))
}

/** Positions along an arc after its first one, up to and with `end`, which is kept exactly. */
function sweepFrom(start: Position, end: Position, cx: number, cy: number, sweep: number, tolerance: number): number[][] {
  const radius = Math.hypot(start[0]! - cx, start[1]! - cy)
  const from = Math.atan2(start[1]! - cy, start[0]! - cx)
  const count = chords(radius, sweep, tolerance)
  const out: number[][] = []
  for (let i = 1; i < count; i++) {
    const angle = from + (sweep * i) / count
    const position = [cx + radius * Math.cos(angle), cy + radius * Math.sin(angle)]
    if (start.length > 2) position.push(start[2]! + ((end[2] ?? start[2]!) - start[2]!) * (i / count))
    out.push(position)
  }
  return [...out, [...end]]
}

/**
 * The arc from `a` through `b` to `c` (SQL/MM CIRCULARSTRING), as the positions after `a`. Three points on a line are
 * that line; where `a` and `c` are one, it is the full circle with `b` opposite.
 */
export function arcThrough(a: Position, b: Position, c: Position, tolerance = toleranceFor(a)): number[][] {
  if (a[0] === c[0] && a[1] === c[1]) return a[0] === b[0] && a[1] === b[1] ? [[...c]] : sweepFrom(a, c, (a[0]! + b[0]!) / 2, (a[1]! + b[1]!) / 2, 2 * Math.PI, tolerance)
  // Relative to `a`: coordinates have seven digits before the point, and their squares are subtracted here.
  const [bx, by, cx, cy] = [b[0]! - a[0]!, b[1]! - a[1]!, c[0]! - a[0]!, c[1]! - a[1]!]
  const doubled = 2 * (bx * cy - by * cx)
  if (Math.abs(doubled) <= 1e-12 * (bx * bx + by * by + cx * cx + cy * cy)) return [[...b], [...c]]
  const ux = (cy * (bx * bx + by * by) - by * (cx * cx + cy * cy)) / doubled
  const uy = (bx * (cx * cx + cy * cy) - cx * (bx * bx + by * by)) / doubled
  const angleOf = (x: number, y: number) => Math.atan2(y - uy, x - ux)
  const turn = doubled > 0 ? 1 : -1
  const sweep = positive((angleOf(cx, cy) - angleOf(0, 0)) * turn) * turn
  return sweepFrom(a, c, a[0]! + ux, a[1]! + uy, sweep, tolerance)
}

const positive = (angle: number) => ((angle % (2 * Math.PI)) + 2 * Math.PI) % (2 * Math.PI)

/** CIRCULARSTRING: an odd number of positions, every second one a point on the way. Throws a RangeError for an even number. */
export function linearise(positions: readonly Position[], tolerance?: number): number[][] {
  if (positions.length === 0) return []
  if (positions.length % 2 === 0) throw new RangeError('a circular string of an even number of points')
  const out: number[][] = [[...positions[0]!]]
  for (let i = 0; i + 2 < positions.length; i += 2) out.push(...arcThrough(positions[i]!, positions[i + 1]!, positions[i + 2]!, tolerance))
  return out
}

/** A DXF bulge (tangent of a quarter of the arc's angle, positive to the left) from `a` to `b`, as the positions after `a`. */
export function bulgeArc(a: Position, b: Position, bulge: number, tolerance = toleranceFor(a)): number[][] {
  const [dx, dy] = [b[0]! - a[0]!, b[1]! - a[1]!]
  if (Math.abs(bulge) < 1e-9 || (dx === 0 && dy === 0)) return [[...b]]
  const toCentre = (1 - bulge * bulge) / (4 * bulge)
  return sweepFrom(a, b, (a[0]! + b[0]!) / 2 - dy * toCentre, (a[1]! + b[1]!) / 2 + dx * toCentre, 4 * Math.atan(bulge), tolerance)
}

/** An arc by centre and angles (radians, counter-clockwise from `from` to `to`; equal angles are the full circle). */
export function arcAround([cx, cy, z]: Position, radius: number, from: number, to: number, tolerance?: number): number[][] {
  const at = (angle: number) => [cx! + radius * Math.cos(angle), cy! + radius * Math.sin(angle), ...(z === undefined ? [] : [z])]
  const sweep = positive(to - from) || 2 * Math.PI
  const start = at(from)
  const end = sweep === 2 * Math.PI ? start : at(to)
  return [start, ...sweepFrom(start, end, cx!, cy!, sweep, tolerance ?? toleranceFor(start))]
}

/** Lines end to end as one: the position where two meet stands once. */
export function joinLines(lines: readonly (readonly Position[])[]): number[][] {
  const out: number[][] = []
  for (const line of lines) {
    for (const [i, position] of line.entries()) {
      const last = out.at(-1)
      if (i === 0 && last && last[0] === position[0] && last[1] === position[1]) continue
      out.push([...position])
    }
  }
  return out
}
