import earcut from 'earcut'
import type { Colour, MeshBuilder } from './mesh.js'

/** Rings of x, y pairs: the outer one, then holes; closed or not, of either winding. */
export type PolygonRings = readonly ArrayLike<number>[]

export interface Extrusion {
  /** Bottom and top of the walls, same unit and datum as the mesh's z. */
  readonly base: number
  readonly top: number
  readonly wall: Colour
  readonly roof: Colour
}

/**
 * Walls and a flat roof over a footprint with holes; no floor. Roof vertices are their own, so that roof and wall
 * can differ in colour; neighbouring walls share theirs and rely on flat shading.
 */
export function extrude(mesh: MeshBuilder, polygon: PolygonRings, { base, top, wall, roof }: Extrusion): void {
  const rings = polygon.map((ring, i) => woundRing(ring, i === 0)).filter(ring => ring.length >= 6)
  if (rings.length === 0 || polygon[0]!.length < 6) return
  mesh.colour = wall
  for (const ring of rings) addWalls(mesh, ring, base, top)
  mesh.colour = roof
  addCap(mesh, rings, top)
}

function addWalls(mesh: MeshBuilder, ring: readonly number[], base: number, top: number): void {
  const corners = ring.length / 2
  const first = mesh.vertexCount
  for (let i = 0; i < corners; i++) {
    mesh.vertex(ring[2 * i]!, ring[2 * i + 1]!, base)
    mesh.vertex(ring[2 * i]!, ring[2 * i + 1]!, top)
  }
  for (let i = 0; i < corners; i++) {
    const here = first + 2 * i
    const next = first + 2 * ((i + 1) % corners)
    mesh.triangle(here, next, next + 1)
    mesh.triangle(here, next + 1, here + 1)
  }
}

function addCap(mesh: MeshBuilder, rings: readonly (readonly number[])[], z: number): void {
  const { flat, holes } = flatten(rings)
  const first = mesh.vertexCount
  for (let i = 0; i < flat.length; i += 2) mesh.vertex(flat[i]!, flat[i + 1]!, z)
  addTriangles(mesh, flat, earcut(relativeToFirst(flat), holes), corner => first + corner)
}

/** Earcut's triangles, each turned counter-clockwise seen from above; `vertexOf` a corner. */
function addTriangles(mesh: MeshBuilder, flat: ArrayLike<number>, triangles: readonly number[], vertexOf: (corner: number) => number): void {
  for (let i = 0; i < triangles.length; i += 3) {
    const [a, b, c] = [triangles[i]!, triangles[i + 1]!, triangles[i + 2]!]
    const cross = (flat[2 * b]! - flat[2 * a]!) * (flat[2 * c + 1]! - flat[2 * a + 1]!) - (flat[2 * b + 1]! - flat[2 * a + 1]!) * (flat[2 * c]! - flat[2 * a]!)
    if (cross >= 0) mesh.triangle(vertexOf(a), vertexOf(b), vertexOf(c))
    else mesh.triangle(vertexOf(a), vertexOf(c), vertexOf(b))
  }
}

/**
 * A planar face of a surface, its rings of x, y, z triples, outer one counter-clockwise seen from outside.
 * It is triangulated in its own plane; `scale` turns x and y into the unit of z (metres per degree, say).
 * `uv`: u, v pairs parallel to the rings' points, for a mesh with texture coordinates.
 */
export function addFace(mesh: MeshBuilder, rings: readonly ArrayLike<number>[], scale: readonly [x: number, y: number], colours: { readonly wall: Colour; readonly roof: Colour }, uv?: readonly ArrayLike<number>[]): void {
  const corners = rings.map(ring => openCorners(ring, 3))
  const open = rings.map((ring, r) => pick(ring, corners[r]!, 3))
  if (open.length === 0) return
  const [nx, ny, nz] = newell(open[0]!, scale)
  const length = Math.hypot(nx, ny, nz)
  if (length === 0) return
  // Drop the axis that the face looks along most, keep the other two in an order that preserves orientation.
  const steep = Math.abs(nx) > Math.abs(nz) || Math.abs(ny) > Math.abs(nz)
  const [u, v] = !steep ? (nz > 0 ? [0, 1] : [1, 0]) : Math.abs(nx) > Math.abs(ny) ? (nx > 0 ? [1, 2] : [2, 1]) : (ny > 0 ? [2, 0] : [0, 2])
  mesh.colour = nz / length > 0.3 ? colours.roof : colours.wall
  const units = [scale[0], scale[1], 1]
  const flat: number[] = []
  const holes: number[] = []
  const vertices: number[] = []
  open.forEach((ring, r) => {
    if (r > 0) holes.push(flat.length / 2)
    for (let i = 0; i < ring.length; i += 3) {
      // Under flat shading a corner may belong to all faces that meet in it; a picture has its own place there.
      const vertex = uv ? mesh.vertex(ring[i]!, ring[i + 1]!, ring[i + 2]!) : mesh.sharedVertex(ring[i]!, ring[i + 1]!, ring[i + 2]!)
      vertices.push(vertex)
      if (uv) setUv(mesh, vertex, uv[r], corners[r]![i / 3]!)
      flat.push((ring[i + u!]! - open[0]![u!]!) * units[u!]!, (ring[i + v!]! - open[0]![v!]!) * units[v!]!)
    }
  })
  addTriangles(mesh, flat, earcut(flat, holes), corner => vertices[corner]!)
}

/** The face's normal, as long as twice its area. Source: Newell's method. */
function newell(ring: readonly number[], scale: readonly [number, number]): [number, number, number] {
  let [nx, ny, nz] = [0, 0, 0]
  for (let i = 0, j = ring.length - 3; i < ring.length; j = i, i += 3) {
    const [xi, yi, zi] = [(ring[i]! - ring[0]!) * scale[0], (ring[i + 1]! - ring[1]!) * scale[1], ring[i + 2]!]
    const [xj, yj, zj] = [(ring[j]! - ring[0]!) * scale[0], (ring[j + 1]! - ring[1]!) * scale[1], ring[j + 2]!]
    nx += (yj - yi) * (zj + zi)
    ny += (zj - zi) * (xj + xi)
    nz += (xj - xi) * (yj + yi)
  }
  return [nx, ny, nz]
}

/** Twice the signed area: positive where the ring runs counter-clockwise. */
export function signedArea2(ring: ArrayLike<number>): number {
  let sum = 0
  const [x0, y0] = [ring[0]!, ring[1]!]
  for (let i = 0, j = ring.length - 2; i < ring.length; j = i, i += 2) sum += (ring[j]! - x0) * (ring[i + 1]! - y0) - (ring[i]! - x0) * (ring[j + 1]! - y0)
  return sum
}

/** Without the repeated last point, counter-clockwise when asked for (outer rings), else clockwise (holes). */
function woundRing(ring: ArrayLike<number>, counterClockwise: boolean): number[] {
  const open = openRing(ring, 2)
  if (signedArea2(open) > 0 === counterClockwise) return open
  const turned: number[] = []
  for (let j = open.length - 2; j >= 0; j -= 2) turned.push(open[j]!, open[j + 1]!)
  return turned
}

/** Consecutive repeated points and the closing one left out. */
function openRing(ring: ArrayLike<number>, dimensions: 2 | 3): number[] {
  return pick(ring, openCorners(ring, dimensions), dimensions)
}

/** Indices of the points that an open ring without repeated ones has. */
function openCorners(ring: ArrayLike<number>, dimensions: 2 | 3): number[] {
  const corners: number[] = []
  const same = (a: number, b: number) => {
    for (let d = 0; d < dimensions; d++) if (ring[a * dimensions + d] !== ring[b * dimensions + d]) return false
    return true
  }
  for (let i = 0; i * dimensions < ring.length; i++) if (corners.length === 0 || !same(i, corners.at(-1)!)) corners.push(i)
  while (corners.length > 1 && same(corners[0]!, corners.at(-1)!)) corners.pop()
  return corners
}

/** A plain list: typed arrays of a few numbers cost more to make than all that is done with them. */
function pick(ring: ArrayLike<number>, corners: readonly number[], dimensions: 2 | 3): number[] {
  const picked: number[] = []
  for (const corner of corners) for (let d = 0; d < dimensions; d++) picked.push(ring[corner * dimensions + d]!)
  return picked
}

/** A point without coordinates of its own takes the image's corner. */
function setUv(mesh: MeshBuilder, vertex: number, uv: ArrayLike<number> | undefined, corner: number): void {
  const [u, v] = [uv?.[2 * corner] ?? NaN, uv?.[2 * corner + 1] ?? NaN]
  mesh.uv(vertex, Number.isFinite(u) ? u : 0, Number.isFinite(v) ? v : 0)
}

function flatten(rings: readonly (readonly number[])[]): { flat: number[]; holes: number[] } {
  const flat: number[] = []
  const holes: number[] = []
  rings.forEach((ring, i) => {
    if (i > 0) holes.push(flat.length / 2)
    for (const value of ring) flat.push(value)
  })
  return { flat, holes }
}

/** Degrees leave earcut's arithmetic few digits; offsets from the first corner leave it all. */
function relativeToFirst(flat: readonly number[]): number[] {
  return flat.map((value, i) => value - flat[i % 2]!)
}
