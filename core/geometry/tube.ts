import type { Colour, MeshBuilder } from './mesh.js'

export interface Tube {
  readonly radius: number
  /** Corners of its cross-section; default 8. */
  readonly sides?: number
  readonly colour: Colour
}

type Vector = readonly [number, number, number, ...number[]]
/** Bends sharper than 140° are cut short, else their tips would run far out. */
const MITRE_LIMIT = 0.33

type PathPoint = readonly [x: number, y: number, z: number, ground: number]

/**
 * A closed pipe around a line, with mitred bends and flat ends. `path` is x, y, z, ground quadruples in metres of one
 * Cartesian frame, so the builder's `place` may turn but not bend it; `ground` is the level over or under which the pipe runs.
 * Normals point outwards; without them in the mesh, the tube is flat-shaded.
 */
export function addTube(mesh: MeshBuilder, path: ArrayLike<number>, { radius, sides = 8, colour }: Tube): void {
  const points = distinct(path)
  if (points.length < 2) return
  mesh.colour = colour
  let [u, v] = frameAcross(direction(points[0]!, points[1]!))
  const rings: number[] = []
  points.forEach((point, i) => {
    const before = direction(points[Math.max(0, i - 1)]!, points[Math.max(1, i)]!)
    const after = direction(points[Math.min(points.length - 2, i)]!, points[Math.min(points.length - 1, i + 1)]!)
    // Carry the cross-section through the bend by the least rotation, so that the tube does not twist.
    u = normalise(turned(u, before, after))
    v = cross(after, u)
    // In the bend the section lies in the plane half-way between both directions: slide each corner there along the tube.
    const tangent = normalise(plus(before, after))
    const slant = Math.max(MITRE_LIMIT, dot(after, tangent))
    rings.push(mesh.vertexCount)
    mesh.ground = point[3]
    for (let k = 0; k < sides; k++) {
      const angle = (2 * Math.PI * k) / sides
      const outwards = plus(scaled(u, Math.cos(angle)), scaled(v, Math.sin(angle)))
      const corner = minus(outwards, scaled(after, dot(outwards, tangent) / slant))
      const [x, y, z] = plus(point, scaled(corner, radius))
      const across = normalise(minus(outwards, scaled(tangent, dot(outwards, tangent))))
      mesh.normal(mesh.vertex(x, y, z), across[0], across[1], across[2])
    }
  })
  for (let i = 0; i + 1 < rings.length; i++) {
    for (let k = 0; k < sides; k++) {
      const [a, b] = [rings[i]! + k, rings[i]! + ((k + 1) % sides)]
      const [c, d] = [rings[i + 1]! + k, rings[i + 1]! + ((k + 1) % sides)]
      mesh.triangle(a, b, d)
      mesh.triangle(a, d, c)
    }
  }
  for (let k = 1; k + 1 < sides; k++) {
    const [first, last] = [rings[0]!, rings.at(-1)!]
    mesh.triangle(first, first + k + 1, first + k)
    mesh.triangle(last, last + k, last + k + 1)
  }
}

/** Points less than a millimetre apart have no direction between them. */
function distinct(path: ArrayLike<number>): PathPoint[] {
  const points: PathPoint[] = []
  for (let i = 0; i + 3 < path.length; i += 4) {
    const point: PathPoint = [path[i]!, path[i + 1]!, path[i + 2]!, path[i + 3]!]
    const last = points.at(-1)
    if (!last || length(minus(point, last)) > 1e-3) points.push(point)
  }
  return points
}

/** Two unit vectors that make a right-handed frame with `along`. */
function frameAcross(along: Vector): [Vector, Vector] {
  const helper: Vector = Math.abs(along[2]) < 0.9 ? [0, 0, 1] : [1, 0, 0]
  const u = normalise(cross(helper, along))
  return [u, cross(along, u)]
}

/** `a` turned by the least rotation that takes one direction to another. Source: Rodrigues' formula. */
function turned(a: Vector, from: Vector, to: Vector): Vector {
  const axis = cross(from, to)
  const onward = cross(axis, a)
  return plus(plus(a, onward), scaled(cross(axis, onward), 1 / Math.max(1e-3, 1 + dot(from, to))))
}

const plus = (a: Vector, b: Vector): Vector => [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
const minus = (a: Vector, b: Vector): Vector => [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
const scaled = (a: Vector, s: number): Vector => [a[0] * s, a[1] * s, a[2] * s]
const dot = (a: Vector, b: Vector): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
const cross = (a: Vector, b: Vector): Vector => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
const length = (a: Vector): number => Math.hypot(a[0], a[1], a[2])
const direction = (from: Vector, to: Vector): Vector => normalise(minus(to, from))

function normalise(a: Vector): Vector {
  const l = length(a)
  return l > 0 ? scaled(a, 1 / l) : [0, 0, 1]
}
