import fc from 'fast-check'
import t from 'tap'
import { addEmbankment } from './embankment.js'
import { addFace, extrude, signedArea2 } from './extrude.js'
import { geocentric, localFrame, toLocal } from './geocentric.js'
import { facetted, MeshBuilder, type Mesh } from './mesh.js'
import { addCamera, addPrism, addTree } from './symbol.js'
import { addTube } from './tube.js'

const WALL = [200, 200, 200] as const
const ROOF = [255, 255, 255] as const
const L_WITH_HOLE = [[0, 0, 30, 0, 30, 10, 10, 10, 10, 30, 0, 30, 0, 0], [2, 2, 2, 6, 6, 6, 6, 2, 2, 2]]
const L_AREA = 30 * 10 + 10 * 20 - 16

type V = [number, number, number]
const corners = (mesh: Mesh) => Array.from({ length: mesh.indices.length / 3 }, (_, k) => [0, 1, 2].map(c => {
  const i = mesh.indices[3 * k + c]!
  return [mesh.positions[3 * i]!, mesh.positions[3 * i + 1]!, mesh.positions[3 * i + 2]!] as V
}) as [V, V, V])
const minus = (a: V, b: V): V => [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
const cross = (a: V, b: V): V => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
const areaVectors = (mesh: Mesh) => corners(mesh).map(([a, b, c]) => cross(minus(b, a), minus(c, a)).map(n => n / 2) as V)
const area = (mesh: Mesh) => areaVectors(mesh).reduce((sum, n) => sum + Math.hypot(...n), 0)
const upwards = (mesh: Mesh) => areaVectors(mesh).reduce((sum, n) => sum + Math.max(0, n[2]), 0)
/** Divergence theorem; an open floor at z = 0 adds nothing. */
const volume = (mesh: Mesh) => corners(mesh).reduce((sum, [a, b, c]) => sum + (a[0] * cross(b, c)[0] + a[1] * cross(b, c)[1] + a[2] * cross(b, c)[2]) / 6, 0)
const near = (a: number, b: number, tolerance = 1e-3) => Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b))

const extruded = (rings: number[][], base: number, top: number) => {
  const mesh = new MeshBuilder()
  extrude(mesh, rings, { base, top, wall: WALL, roof: ROOF })
  return mesh.finish()
}

t.test('an L-shape with a courtyard has its roof, its walls and its volume', async t => {
  const mesh = extruded(L_WITH_HOLE, 0, 12)
  t.ok(near(upwards(mesh), L_AREA), 'roof')
  t.ok(near(area(mesh), L_AREA + (120 + 16) * 12), 'roof and walls, inside the courtyard too')
  t.ok(near(volume(mesh), L_AREA * 12), 'every wall looks outwards')
})

t.test('winding and repeated points of the source do not matter', async t => {
  const reversed = L_WITH_HOLE.map(ring => ring.map((_, i) => ring[(ring.length - 2 - (i & ~1)) + (i & 1)]!))
  t.ok(signedArea2(reversed[0]!) < 0)
  t.ok(near(volume(extruded(reversed, 0, 12)), L_AREA * 12))
  const doubled = L_WITH_HOLE.map(ring => ring.flatMap((_, i) => (i % 2 ? [] : [ring[i]!, ring[i + 1]!, ring[i]!, ring[i + 1]!])))
  t.ok(near(volume(extruded(doubled, 0, 12)), L_AREA * 12))
  t.equal(extruded([[0, 0, 1, 1]], 0, 3).indices.length, 0, 'a line has no volume and makes no mesh')
})

t.test('any star-shaped footprint keeps roof area and volume', async t => {
  fc.assert(fc.property(fc.array(fc.double({ min: 1, max: 20, noNaN: true }), { minLength: 4, maxLength: 30 }), fc.double({ min: 1, max: 60, noNaN: true }), (radii, top) => {
    const ring = radii.flatMap((r, i) => [r * Math.cos((2 * Math.PI * i) / radii.length), r * Math.sin((2 * Math.PI * i) / radii.length)])
    const mesh = extruded([ring], 0, top)
    const footprint = signedArea2(ring) / 2
    return near(upwards(mesh), footprint, 1e-4) && near(volume(mesh), footprint * top, 1e-4)
  }), { numRuns: 200, seed: 7 })
})

t.test('roof and wall differ in colour, and heights above the ground go with the vertices', async t => {
  const mesh = new MeshBuilder()
  mesh.ground = 4
  mesh.feature = 7
  extrude(mesh, [[0, 0, 1, 0, 1, 1, 0, 1]], { base: 2, top: 10, wall: WALL, roof: ROOF })
  const { colours, aboveGround, features } = mesh.finish()
  t.strictSame([...new Set(aboveGround)], [-2, 6])
  t.strictSame([...new Set(features)], [7])
  t.strictSame([colours[0], colours[4 * 8]], [200, 255])
})

t.test('a surface of faces keeps each face\'s area and outward side', async t => {
  const cube: number[][][] = [
    [[0, 0, 0, 0, 2, 0, 2, 2, 0, 2, 0, 0, 0, 0, 0]], [[0, 0, 2, 2, 0, 2, 2, 2, 2, 0, 2, 2, 0, 0, 2]],
    [[0, 0, 0, 2, 0, 0, 2, 0, 2, 0, 0, 2, 0, 0, 0]], [[2, 0, 0, 2, 2, 0, 2, 2, 2, 2, 0, 2, 2, 0, 0]],
    [[2, 2, 0, 0, 2, 0, 0, 2, 2, 2, 2, 2, 2, 2, 0]], [[0, 2, 0, 0, 0, 0, 0, 0, 2, 0, 2, 2, 0, 2, 0]],
  ]
  const mesh = new MeshBuilder()
  for (const rings of cube) addFace(mesh, rings, [1, 1], { wall: WALL, roof: ROOF })
  const done = mesh.finish()
  t.ok(near(area(done), 24))
  t.ok(near(volume(done), 8))
  t.equal([...done.colours].filter((c, i) => i % 4 === 0 && c === 255).length, 4, 'one roof')
})

t.test('a straight tube has the volume of its prism, and a bend neither thins nor leaks', async t => {
  const prism = (r: number, sides: number) => (sides / 2) * r * r * Math.sin((2 * Math.PI) / sides)
  const straight = new MeshBuilder(undefined, { normals: true })
  addTube(straight, [0, 0, -2, 0, 50, 0, -2, 0, 100, 0, -2, 0], { radius: 0.5, sides: 8, colour: WALL })
  const tube = straight.finish()
  t.ok(near(volume(tube), prism(0.5, 8) * 100))
  t.ok(tube.aboveGround.every(a => a >= -2.51 && a <= -1.49))
  for (let i = 0; i < tube.features.length; i++) t.ok(near(Math.hypot(...tube.normals!.subarray(3 * i, 3 * i + 3)), 1))
  const bent = new MeshBuilder()
  addTube(bent, [0, 0, 0, 0, 100, 0, 0, 0, 100, 100, 0, 0], { radius: 0.5, sides: 8, colour: WALL })
  t.ok(near(volume(bent.finish()), prism(0.5, 8) * 200, 2e-3))
  const none = new MeshBuilder()
  addTube(none, [1, 1, 1, 0, 1, 1, 1, 0], { radius: 0.5, colour: WALL })
  t.equal(none.finish().indices.length, 0)
})

t.test('symbols stand on their point and look outwards', async t => {
  const post = new MeshBuilder()
  addPrism(post, [5, 5, 0], { radius: 1, height: 6, sides: 4 })
  t.ok(near(volume(post.finish()), 2 * 6))
  const tree = new MeshBuilder()
  addTree(tree, [0, 0, 0], { height: 10, crown: 6, turn: 1, leaf: WALL, bark: ROOF })
  const { positions } = tree.finish()
  const heights = [...positions].filter((_, i) => i % 3 === 2)
  t.ok(near(Math.max(...heights), 10, 0.01) && Math.min(...heights) === 0)
})

t.test('a bank has the volume of its cross-section, straight and round a corner, and looks outwards everywhere', async t => {
  const bank = (points: readonly (readonly [number, number])[], slope: number) => {
    const mesh = new MeshBuilder()
    addEmbankment(mesh, points.flatMap(([x, y]) => [x, y, 3, 0]), { crestWidth: 4, slope, crest: ROOF, side: WALL })
    return mesh.finish()
  }
  for (const [slope, section] of [[2, 3 * (4 + 16) / 2], [0, 12]] as const) {
    t.ok(near(volume(bank([[0, 0], [50, 0]], slope)), section * 50))
    t.ok(near(volume(bank([[0, 0], [50, 0], [50, 40], [90, 60]], slope)), section * (50 + 40 + Math.hypot(40, 20))), 'what a bend adds outside it takes inside')
    t.ok(near(volume(bank([[50, 40], [50, 0], [0, 0]], slope)), section * 90), 'in either direction')
  }
  t.equal(bank([[1, 1], [1, 1]], 2).indices.length, 0)
})

t.test('facets keep surface and volume, and each corner has the normal of its face', async t => {
  const shared = extruded(L_WITH_HOLE, 0, 12)
  const apart = facetted(shared)
  t.ok(near(volume(apart), volume(shared)) && near(area(apart), area(shared)))
  t.strictSame([...apart.indices], [...apart.indices.keys()])
  const normal = (i: number) => [...apart.normals!.subarray(3 * i, 3 * i + 3)] as V
  t.ok(areaVectors(apart).every((n, k) => [0, 1, 2].every(c => n.every((v, d) => Math.abs(v / Math.hypot(...n) - normal(3 * k + c)[d]!) < 1e-5))))
  const camera = new MeshBuilder()
  addCamera(camera, [0, 0, 0], { height: 10, size: 1, colour: WALL })
  const prism = new MeshBuilder()
  addPrism(prism, [0, 0, 0], { radius: 0.1, height: 10, sides: 6 })
  t.ok(near(volume(camera.finish()) - volume(prism.finish()), 0.5 * 1 * 0.4), 'the box on the post looks outwards too')
})

t.test('faces that meet share their corners, within a feature and a colour', async t => {
  const cube = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]].map(([x, y]) => [x!, y!] as const)
  const side = (i: number) => [...cube[i]!, 0, ...cube[(i + 1) % 4]!, 0, ...cube[(i + 1) % 4]!, 1, ...cube[i]!, 1]
  const mesh = new MeshBuilder()
  for (mesh.feature = 0; mesh.feature < 2; mesh.feature++)
    for (const face of [side(0), side(1), side(2), side(3), cube.flatMap(corner => [...corner, 1]), [...cube].reverse().flatMap(corner => [...corner, 0])]) addFace(mesh, [face], [1, 1], { wall: WALL, roof: ROOF })
  t.equal(mesh.vertexCount, 2 * (8 + 4))
  t.ok(near(volume(mesh.finish()), 2))
  t.strictSame([...mesh.finish().features].filter(feature => feature === 1).length, 12)
})

t.test('a local frame is exact to a millimetre against known geocentric coordinates, and the earth falls away', async t => {
  // EPSG guidance note 7-2, 4.1.1: 53°48'33.82" N, 2°07'46.38" E, 73 m.
  const [x, y, z] = geocentric(2 + 7 / 60 + 46.38 / 3600, 53 + 48 / 60 + 33.82 / 3600, 73)
  t.ok(near(x, 3771793.968, 1e-9) && near(y, 140253.342, 1e-8) && near(z, 5124304.349, 1e-9))
  const frame = localFrame(108.2, 16.05)
  const out: [number, number, number] = [0, 0, 0]
  t.strictSame(toLocal(frame, 108.2, 16.05, 12, out).map(v => Math.round(v * 1e6) / 1e6), [0, 0, 12])
  toLocal(frame, 108.2 + 5000 / (111_320 * Math.cos((16.05 * Math.PI) / 180)), 16.05, 0, out)
  t.ok(near(out[0], 5000, 0.003) && near(out[2], -1.96, 0.02))
})
