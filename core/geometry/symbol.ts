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
export function addTree(mesh: MeshBuilder, at: Point, { height, crown, turn, leaf, bark }: {
  readonly height: number; readonly crown: number; readonly turn: number; readonly leaf: Colour; readonly bark: Colour
}): void {
  const [x, y, z] = at
  const crownBase = z + height * 0.3
  const waist = height * 0.28
  mesh.colour = bark
  addPrism(mesh, at, { radius: Math.max(0.08, height * 0.02), height: height * 0.35, sides: 4, turn })
  mesh.colour = leaf
  addPrism(mesh, [x, y, crownBase], { radius: crown * 0.32, top: crown * 0.5, height: waist, sides: 6, turn })
  addPrism(mesh, [x, y, crownBase + waist], { radius: crown * 0.5, top: crown * 0.14, height: height * 0.42, sides: 6, turn: turn + 0.4 })
}
