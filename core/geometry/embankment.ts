import type { Colour, MeshBuilder } from './mesh.js'

export interface Embankment {
  /** Metres across the top. */
  readonly crestWidth: number
  /** Metres outwards a metre down; 0 is a wall. */
  readonly slope: number
  readonly crest: Colour
  readonly side: Colour
}

/** Bends sharper than about 140° are cut short, else their tips would run far out. */
const MITRE_LIMIT = 0.33

/**
 * A bank or wall along a line: flat crest, sides that fall to the toe, ends cut upright; no floor. `path` is x, y, crest level, toe level
 * quadruples in metres of one Cartesian frame, z up; the builder's `place` may turn but not bend it.
 */
export function addEmbankment(mesh: MeshBuilder, path: ArrayLike<number>, { crestWidth, slope, crest, side }: Embankment): void {
  const points = distinct(path)
  if (points.length < 2) return
  // left toe, left crest, right crest, right toe of each point
  const sections = points.map(([x, y, top, toe], i) => {
    const [ax, ay] = across(points, i)
    const half = crestWidth / 2
    const foot = half + slope * Math.max(0, top - toe)
    return [[x + ax * foot, y + ay * foot, toe], [x + ax * half, y + ay * half, top], [x - ax * half, y - ay * half, top], [x - ax * foot, y - ay * foot, toe]] as const
  })
  const strip = (from: number, to: number) => {
    const rows = sections.map(section => [from, to].map(k => mesh.vertex(...section[k]!)) as [number, number])
    for (let i = 0; i + 1 < rows.length; i++) {
      const [[a, b], [c, d]] = [rows[i]!, rows[i + 1]!]
      mesh.triangle(a, b, d)
      mesh.triangle(a, d, c)
    }
  }
  mesh.colour = side
  strip(0, 1)
  strip(2, 3)
  for (const [section, order] of [[sections[0]!, [0, 3, 2, 1]], [sections.at(-1)!, [0, 1, 2, 3]]] as const) {
    const corners = order.map(k => mesh.vertex(...section[k]!))
    mesh.triangle(corners[0]!, corners[1]!, corners[2]!)
    mesh.triangle(corners[0]!, corners[2]!, corners[3]!)
  }
  mesh.colour = crest
  strip(1, 2)
}

type Point = readonly [x: number, y: number, crest: number, toe: number]

/** To the left of the line at point i, longer in bends, so that the bank keeps its width. */
function across(points: readonly Point[], i: number): [number, number] {
  const before = direction(points[Math.max(0, i - 1)]!, points[Math.max(1, i)]!)
  const after = direction(points[Math.min(points.length - 2, i)]!, points[Math.min(points.length - 1, i + 1)]!)
  const [tx, ty] = unit(before[0] + after[0], before[1] + after[1])
  const slant = Math.max(MITRE_LIMIT, tx * after[0] + ty * after[1])
  return [-ty / slant, tx / slant]
}

const direction = (a: Point, b: Point) => unit(b[0] - a[0], b[1] - a[1])

function unit(x: number, y: number): [number, number] {
  const length = Math.hypot(x, y)
  return length > 0 ? [x / length, y / length] : [1, 0]
}

/** Points less than a millimetre apart on the map have no direction between them. */
function distinct(path: ArrayLike<number>): Point[] {
  const points: Point[] = []
  for (let i = 0; i + 3 < path.length; i += 4) {
    const last = points.at(-1)
    if (!last || Math.hypot(path[i]! - last[0], path[i + 1]! - last[1]) > 1e-3) points.push([path[i]!, path[i + 1]!, path[i + 2]!, path[i + 3]!])
  }
  return points
}
