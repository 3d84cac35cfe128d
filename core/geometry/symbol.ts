/** Small solids that stand for point features. Metres in a Cartesian frame, z up; `place` of the mesh may turn but not bend it. */
import type { Colour, MeshBuilder } from './mesh.js'

type Point = readonly [x: number, y: number, z: number]

/** A prism with a regular base; `top` < `radius` makes it a cone or its stump. */
export function addPrism(mesh: MeshBuilder, [x, y, z]: Point, { radius, top = radius, height, sides = 6, turn = 0 }: {
  readonly radius: number; readonly top?: number; readonly height: number; readonly sides?: number; readonly turn?: number
}): void {
  const corner = (r: number, k: number, level: number) => {
    const angle = turn + (2 * Math.PI * k) / sides
    return mesh.vertex(x + r * Math.cos(angle), y + r * Math.sin(angle), level)
  }
  const lower = Array.from({ length: sides }, (_, k) => corner(radius, k, z))
  const upper = top > 0 ? Array.from({ length: sides }, (_, k) => corner(top, k, z + height)) : [mesh.vertex(x, y, z + height)]
  for (let k = 0; k < sides; k++) {
    const next = (k + 1) % sides
    mesh.triangle(lower[k]!, lower[next]!, upper[next % upper.length]!)
    if (top > 0) mesh.triangle(lower[k]!, upper[next]!, upper[k]!)
  }
  for (let k = 1; k + 1 < upper.length; k++) mesh.triangle(upper[0]!, upper[k]!, upper[k + 1]!)
}

/** A trunk under a crown of two stumped cones; `turn` keeps neighbours from looking alike. */
export function addTree(mesh: MeshBuilder, at: Point, { height, crown, turn, leaf, bark, trunk = Math.max(0.08, height * 0.02) }: {
  readonly height: number; readonly crown: number; readonly turn: number; readonly leaf: Colour; readonly bark: Colour; readonly trunk?: number
}): void {
  const [x, y, z] = at
  const crownBase = z + height * 0.3
  const waist = height * 0.28
  mesh.colour = bark
  addPrism(mesh, at, { radius: trunk, height: height * 0.35, sides: 4, turn })
  mesh.colour = leaf
  addPrism(mesh, [x, y, crownBase], { radius: crown * 0.32, top: crown * 0.5, height: waist, sides: 6, turn })
  addPrism(mesh, [x, y, crownBase + waist], { radius: crown * 0.5, top: crown * 0.14, height: height * 0.42, sides: 6, turn: turn + 0.4 })
}

/** A post with a box on its top that looks north; as tall as `height`, the box `size` long. */
export function addCamera(mesh: MeshBuilder, [x, y, z]: Point, { height, size, colour }: { readonly height: number; readonly size: number; readonly colour: Colour }): void {
  mesh.colour = colour
  addPrism(mesh, [x, y, z], { radius: size * 0.1, height, sides: 6 })
  addBox(mesh, [x - size * 0.25, y - size * 0.35, z + height * 0.96], [x + size * 0.25, y + size * 0.65, z + height])
}

function addBox(mesh: MeshBuilder, low: Point, high: Point): void {
  const corner = Array.from({ length: 8 }, (_, k) => mesh.vertex((k & 1 ? high : low)[0], (k & 2 ? high : low)[1], (k & 4 ? high : low)[2]))
  for (const [a, b, c, d] of [[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2], [1, 3, 7, 5]] as const) {
    mesh.triangle(corner[a]!, corner[b]!, corner[c]!)
    mesh.triangle(corner[a]!, corner[c]!, corner[d]!)
  }
}
