import fc from 'fast-check'
import t from 'tap'
import { categoryOf } from './category.js'
import { cellFromRows, cellFromWithin, type CellRow, type LineCell, type PointCell, type PolygonCell } from './cell.js'
import { Coverage } from './coverage.js'
import { halved, patches, quantised, type PatchOptions } from './patches.js'
import { mergedTo, largeAt } from './prominent.js'
import { area, clip, readShape, rounded, simplifyLine, simplifyRing, type Path } from './shape.js'
import { beyondEdge, strokes } from './strokes.js'

const path = (...numbers: number[]): Path => Float64Array.from(numbers)
/** Clockwise on the screen, as outer rings are. */
const square = (x: number, y: number, side: number): Path => path(x, y, x + side, y, x + side, y + side, x, y + side)
const numbers = (paths: readonly ArrayLike<number>[]) => paths.map(part => Array.from(part))

t.test('Coverage is the share of each pixel, to the last bit of it', async t => {
  const coverage = new Coverage(4, 1)
  coverage.add([path(0.5, 0.5, 2.5, 0.5, 2.5, 1.5, 0.5, 1.5)])
  t.strictSame(numbers([coverage.shares()])[0], [0.25, 0.5, 0.25, 0, 0.25, 0.5, 0.25, 0, 0, 0, 0, 0, 0, 0, 0, 0])

  const court = new Coverage(2, 10)
  court.add([square(-10, -10, 40), path(0, 0, 0, 10, 10, 10, 10, 0)])
  t.strictSame(numbers([court.shares()])[0], [0, 1, 1, 1], 'a court is not covered, and what lies outside does not matter')
  t.strictSame(numbers([quantised(Float64Array.of(0, 0.5, 1.7))])[0], [0, 128, 255], 'what overlaps does not count twice')

  const anywhere = fc.oneof(fc.double({ min: -2, max: 6, noNaN: true }), fc.integer({ min: -2, max: 6 }))
  fc.assert(fc.property(fc.tuple(anywhere, anywhere, anywhere, anywhere, anywhere, anywhere), ([ax, ay, bx, by, cx, cy]) => {
    const triangle = area([ax, ay, bx, by, cx, cy]) < 0 ? path(ax, ay, cx, cy, bx, by) : path(ax, ay, bx, by, cx, cy)
    const coverage = new Coverage(4, 1)
    coverage.add([triangle])
    coverage.shares().forEach((share, at) => {
      const inPixel = clip({ kind: 'polygon', parts: [triangle.map((v, i) => v - (i % 2 ? Math.floor(at / 4) : at % 4))] }, 0, 1).parts
      const exact = inPixel.reduce((sum, ring) => sum + area(ring), 0)
      if (Math.abs(share - exact) > 1e-9) throw new Error(`pixel ${at}: ${share} instead of ${exact}`)
    })
  }))
})

t.test('Pixels of one colour that touch are a patch; neighbours share their border', async t => {
  const options: PatchOptions = { side: 6, unitsPerPixel: 16, origin: 0, tolerance: 1, leastArea: 0 }
  const [park, lake] = [new Uint8Array(36), new Uint8Array(36)]
  for (let y = 1; y < 5; y++) for (let x = 1; x < 5; x++) (x < 3 ? park : lake)[y * 6 + x] = 255
  const [green, blue] = patches([{ shares: park }, { shares: lake }], options)
  const eastOf = (ring: Path) => Math.max(...ring.filter((_, i) => i % 2 === 0))
  t.equal(eastOf(green![0]!), 48)
  t.equal(Math.min(...blue![0]!.filter((_, i) => i % 2 === 0)), 48, 'half way between the middles of two pixels')
  t.ok(green!.concat(blue!).every(ring => area(ring) > 0))

  const ground = new Uint8Array(36).fill(255, 6, 30)
  ground[2 * 6 + 2] = ground[3 * 6 + 2] = 0
  const [rings] = patches([{ shares: ground }], options)
  t.strictSame(rings!.map(ring => Math.sign(area(ring))), [1, -1], 'a hole follows the ring that it is in')
  t.strictSame(patches([{ shares: ground }], { ...options, leastArea: 1e6 }), [[]], 'what cannot be seen is left out')
  t.strictSame(patches([{ shares: new Uint8Array(36).fill(70) }], options), [[]], 'houses far apart are no block')
  t.strictSame(numbers([halved(Uint8Array.of(255, 255, 0, 1, 255, 255, 0, 1), 4).subarray(0, 2)])[0], [255, 1], 'seen from twice as far each pixel is the mean of four')
})

t.test('A street goes on straight ahead, and joined lines are as long as their pieces', async t => {
  // A crossing: west–east in two pieces, one of them backwards, and a side street from the north.
  t.strictSame(numbers(strokes([path(0, 0, 10, 0), path(20, 1, 10, 0), path(10, -10, 10, 0)])), [[0, 0, 10, 0, 20, 1], [10, -10, 10, 0]])
  t.strictSame(numbers(strokes([path(0, 0, 10, 0), path(10, 0, 10, 10), path(10, 10, 0, 0)])), [[0, 0, 10, 0, 10, 10, 0, 0]], 'round a block')
  t.strictSame(strokes([]), [])
  t.strictSame(numbers([beyondEdge(path(4000, 100, 4096, 100), 4096, 64), beyondEdge(path(0, 9, 50, 9), 4096, 64), beyondEdge(path(5, 5, 9, 9), 4096, 64)]), [[4000, 100, 4096, 100, 4160, 100], [-64, 9, 0, 9, 50, 9], [5, 5, 9, 9]], 'straight on over the edge')
  const piece = fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3), fc.nat(3)).filter(([ax, ay, bx, by]) => ax !== bx || ay !== by).map(place => path(...place))
  fc.assert(fc.property(fc.array(piece, { maxLength: 30 }), lines => {
    const segments = (of: readonly Path[]) => of.flatMap(line => Array.from({ length: line.length / 2 - 1 }, (_, i) => [`${line[i * 2]} ${line[i * 2 + 1]}`, `${line[i * 2 + 2]} ${line[i * 2 + 3]}`].sort().join(' – '))).sort()
    if (JSON.stringify(segments(strokes(lines))) !== JSON.stringify(segments(lines))) throw new Error('a segment came or went')
  }), { numRuns: 50 })
})

const row = (id: number, shape: CellRow['shape'], more: Partial<CellRow> = {}): CellRow =>
  ({ id, shape, middle: [shape.parts[0]![0]!, shape.parts[0]![1]!], category: null, name: null, rank: null, mergedTo: 13, ...more })

t.test('Cells are made of rows, larger ones of the cells within them', async t => {
  const lot = (id: number, x: number, category: string | null) => row(id, { kind: 'polygon', parts: [square(x, 0, 640)] }, { category })
  const base = cellFromRows('polygon', [lot(1, 0, 'park'), lot(2, 640, 'lake'), lot(3, 4000, 'park')]) as PolygonCell
  t.strictSame(base.plates.map(({ category, count, shares }) => [category, count, shares.filter(share => share === 255).length]), [['lake', 1, 100], ['park', 2, 110]], '64 units a pixel; the third is cut at the edge')
  const z13 = cellFromWithin('polygon', 13, [{ cell: base, column: 0, row: 0 }, { cell: base, column: 3, row: 3 }]) as PolygonCell
  t.strictSame(z13.plates.map(({ category, count, shares }) => [category, count, shares.length]), [['lake', 2, 256 ** 2], ['park', 4, 256 ** 2]])
  const z12 = cellFromWithin('polygon', 12, [{ cell: z13, column: 1, row: 0 }]) as PolygonCell
  t.equal(z12.plates[0]!.shares.reduce((sum, share) => sum + share), 2 * 100 * 255 / 4, 'as much is covered, in a quarter of the pixels')

  const street = (id: number, from: number, to: number, more: Partial<CellRow> = {}) => row(id, { kind: 'line', parts: [path(from, 2000, to, 2000)] }, { category: 'main', ...more })
  const west = cellFromRows('line', [street(1, 3000, 3500, { rank: 6 }), street(2, 3500, 5000, { rank: 12 }), street(3, 0, 9000, { mergedTo: 10 })]) as LineCell
  const east = cellFromRows('line', [street(2, 3500 - 4096, 5000 - 4096, { rank: 12 }), street(3, -4096, 9000 - 4096, { mergedTo: 10 })]) as LineCell
  const lines = cellFromWithin('line', 13, [{ cell: west, column: 0, row: 0 }, { cell: east, column: 1, row: 0 }]) as LineCell
  t.strictSame(lines.groups.map(({ mergedTo, count, lines }) => ({ mergedTo, count, lines: numbers(lines) })), [
    { mergedTo: 10, count: 1, lines: [[0, 500, 2048, 500]] },
    { mergedTo: 13, count: 2, lines: [[750, 500, 1250, 500]] },
  ], 'joined over the edge; what is drawn itself down to zoom 11 waits')
  t.equal(lines.groups[1]!.rank!.toFixed(2), '10.50', 'the mean by length')

  const pole = (id: number, x: number, rank: number | null) => row(id, { kind: 'point', parts: [path(x, 0)] }, { rank })
  const poles = cellFromRows('point', [pole(1, 0, null), pole(2, 100, 5), pole(3, 255, 5), pole(4, 256, 1), pole(5, 4096, 9)]) as PointCell
  t.strictSame(poles.spots.map(({ id, count }) => [id, count]), [[2, 3], [4, 1]], 'the most important, then the first; the edge belongs to the next cell')
  t.strictSame((cellFromWithin('point', 13, [{ cell: poles, column: 3, row: 3 }]) as PointCell).spots.map(({ x, y, id, count }) => ({ x, y, id, count })), [{ x: 3097, y: 3072, id: 2, count: 3 }, { x: 3136, y: 3072, id: 4, count: 1 }])
})

t.test('Shapes are read from WKB, wound, cut, simplified and rounded', async t => {
  const ring = (...xy: number[]) => [xy.length / 2, ...xy]
  const wkb = (...rings: number[][]) => {
    const bytes = new DataView(new ArrayBuffer(9 + rings.reduce((n, xy) => n + 4 + (xy.length - 1) * 8, 0)))
    bytes.setUint8(0, 1); bytes.setUint32(1, 3, true); bytes.setUint32(5, rings.length, true)
    let at = 9
    for (const [n, ...xy] of rings) {
      bytes.setUint32(at, n!, true)
      at += 4
      for (const v of xy) { bytes.setFloat64(at, v, true); at += 8 }
    }
    return new Uint8Array(bytes.buffer)
  }
  const shape = readShape(wkb(ring(0, 0, 10, 0, 10, 10, 0, 10, 0, 0), ring(2, 2, 4, 2, 4, 4, 2, 2)), { west: 0, north: 10, unitsPerMetre: 2 })
  t.strictSame(shape.parts.map(area), [400, -8], 'y turns down, the outer ring runs clockwise, the hole against it')
  t.throws(() => readShape(wkb(ring(0, 0, 10, 0, 10, 10, 0, 0)).subarray(0, 40), { west: 0, north: 0, unitsPerMetre: 1 }), { name: 'GeometryFault' })

  t.strictSame(numbers(clip({ kind: 'line', parts: [path(-5, 5, 15, 5, 15, 20, 5, 20, 5, -5)] }, 0, 10).parts), [[0, 5, 10, 5], [5, 10, 5, 0]])
  t.equal(area(clip({ kind: 'polygon', parts: [square(-5, -5, 10)] }, 0, 10).parts[0]!), 25)
  t.strictSame(numbers([simplifyLine(path(0, 0, 5, 0.5, 10, 0, 10, 9), 1)])[0], [0, 0, 10, 0, 10, 9])
  t.strictSame(numbers([simplifyRing(path(0, 0, 5, 0.5, 10, 0, 10, 10, 0, 10), 1)!])[0], [0, 0, 10, 0, 10, 10, 0, 10])
  t.equal(simplifyRing(path(0, 0, 50, 0.5, 100, 0, 50, 1), 5), null, 'a ring that shrinks to a line')
  t.strictSame(rounded('line', path(0.2, 0.2, 0.4, 0.3)), null)
  t.strictSame(rounded('polygon', path(0, 0, 3.2, 0, 3.4, 0.1, 3, 3)), Int32Array.of(0, 0, 3, 0, 3, 3))
})

t.test('What is prominent at a zoom is so at all deeper ones, and merged at none of them', async t => {
  t.strictSame([0, 76, 77, 153, 2500, 1e9].map(mergedTo), [13, 13, 11, 10, 6, -1])
  for (let z = 1; z <= 13; z++) t.ok(largeAt(z) <= largeAt(z - 1))
  const byUse = { by: 'use', categories: { park: '#00ff00' }, other: '#ffffff' }
  t.strictSame([categoryOf(byUse, 'park'), categoryOf(byUse, 'toString'), categoryOf(byUse, null), categoryOf('#ffffff', 'park')], ['park', null, null, null])
  t.strictSame([0, 22, 109, 500].map(kv => categoryOf({ by: 'kv', below: '#000000', steps: [[22, '#111111'], [110, '#222222']] }, kv)), [null, 22, 22, 110], 'as the style steps')
})
