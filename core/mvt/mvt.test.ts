import { VectorTile, type VectorTileFeature } from '@mapbox/vector-tile'
import fc from 'fast-check'
import { PbfReader } from 'pbf'
import t from 'tap'
import type { GeoJsonGeometry } from '../filter/ast.js'
import { WkbCursor } from '../geometry/wkb-bytes.js'
import { toEwkb } from '../geometry/wkb.js'
import { encodeMvt } from './encode.js'
import type { TileFeature } from './feature.js'
import { LayerWriter } from './layer-writer.js'
import { ProtoWriter } from './proto-writer.js'
import { byRank } from './rank.js'
import { WkbPen } from './wkb-pen.js'

const decode = (bytes: Uint8Array) => new VectorTile(new PbfReader(bytes)).layers
const featuresOf = (bytes: Uint8Array, layer: string): VectorTileFeature[] => {
  const found = decode(bytes)[layer]
  return found ? Array.from({ length: found.length }, (_, i) => found.feature(i)) : []
}
const paths = (feature: VectorTileFeature) => feature.loadGeometry().map((path) => path.flatMap(({ x, y }) => [x, y]))

t.test('what goes into a tile comes out of it', async (t) => {
  const coordinate = fc.integer({ min: -64, max: 4160 })
  const value = fc.oneof(fc.string({ unit: 'grapheme' }), fc.maxSafeInteger(), fc.double({ noNaN: true }), fc.boolean(), fc.constant(null))
  const feature = fc.record({
    id: fc.oneof(fc.constant(null), fc.maxSafeNat(), fc.constantFrom(2 ** 32 + 5, 2 ** 53 - 1)),
    kind: fc.constantFrom('point' as const, 'line' as const),
    // A reader sees where one line ends, not that two points were two parts.
    parts: fc.array(fc.array(fc.tuple(coordinate, coordinate), { minLength: 2, maxLength: 9 }), { minLength: 1, maxLength: 3 }),
    properties: fc.dictionary(fc.string({ minLength: 1 }).filter((name) => name !== '__proto__'), value, { maxKeys: 6 }),
  })
  fc.assert(fc.property(fc.array(feature, { maxLength: 30 }), (features) => {
    const bytes = encodeMvt([{ name: 'lớp', features: features.map((f): TileFeature => ({ ...f, parts: f.parts.map((part) => Int32Array.from(part.flat())) })) }])
    const read = featuresOf(bytes, 'lớp')
    t.equal(read.length, features.length)
    for (const [i, { id, kind, parts, properties }] of features.entries()) {
      const back = read[i]!
      t.equal(back.id, id ?? undefined)
      t.equal(back.type, kind === 'point' ? 1 : 2)
      t.strictSame(paths(back), kind === 'point' ? parts.flat() : parts.map((part) => part.flat()))
      const written = Object.entries(properties).filter(([, held]) => held !== null)
      t.strictSame(Object.entries({ ...back.properties }).sort(), written.sort(), 'values')
    }
  }), { numRuns: 150 })
  t.equal(encodeMvt([{ name: 'empty', features: [] }]).length, 0, 'an empty tile has no bytes')
})

t.test('ranks order features, and equals stay as they came', async (t) => {
  const rank = fc.oneof(fc.integer({ min: -5, max: 5 }), fc.constantFrom(-Infinity, 0.5, -0.5, 1e9))
  fc.assert(fc.property(fc.array(rank, { maxLength: 200 }), (ranks) => {
    const expected = ranks.map((_, i) => i).sort((a, b) => (ranks[a] === ranks[b] ? a - b : ranks[b]! - ranks[a]!))
    t.strictSame([...byRank(Float64Array.from(ranks))], expected)
  }))
})

t.test('geometries of all types are drawn, cut, wound and thinned', async (t) => {
  const draw = (geometry: GeoJsonGeometry, options: { tolerance?: number; smallest?: number } = {}) => {
    const writer = LayerWriter.take('drawn', 4096)
    writer.begin(1)
    // A tile whose unit is a metre, north up: y becomes 4096 − y.
    const kind = new WkbPen([0, 0, 4096, 4096], { extent: 4096, margin: 64, tolerance: 0, smallest: 0, ...options }, writer).draw(new WkbCursor(toEwkb(geometry, 3857)))
    if (kind) writer.end(kind)
    const tile = new ProtoWriter()
    writer.writeTo(tile)
    writer.release()
    const [feature] = featuresOf(tile.written(), 'drawn')
    return feature ? paths(feature) : null
  }
  t.strictSame(draw({ type: 'Point', coordinates: [10, 4090] }), [[10, 6]])
  t.strictSame(draw({ type: 'Point', coordinates: [10, 4090, 55] }), [[10, 6]], 'heights are left out')
  t.equal(draw({ type: 'Point', coordinates: [-65, 0] }), null, 'beyond the margin')
  t.equal(draw({ type: 'Point', coordinates: [] }), null)
  t.strictSame(draw({ type: 'MultiPoint', coordinates: [[1, 4095], [9000, 0], [3, 4093]] }), [[1, 1], [3, 3]])
  t.strictSame(draw({ type: 'LineString', coordinates: [[-1000, 4086], [5000, 4086]] }), [[-64, 10, 4160, 10]])
  t.strictSame(draw({ type: 'LineString', coordinates: [[0, 4096], [0, 9000], [100, 9000], [100, 4096]] }), [[0, 0, 0, -64], [100, -64, 100, 0]], 'a line that leaves and comes back is two')
  t.strictSame(draw({ type: 'MultiLineString', coordinates: [[[0, 4096], [5, 4091]], [[7, 4096], [7, 4096]]] }), [[0, 0, 5, 5]], 'a line of one place is none')
  const square = [[0, 4096], [0, 4086], [10, 4086], [10, 4096], [0, 4096]]
  const clockwise = [[0, 0, 10, 0, 10, 10, 0, 10, 0, 0]]
  t.strictSame(draw({ type: 'Polygon', coordinates: [square] })!.map((ring) => ring.length), [10])
  for (const ring of [square, [...square].reverse()]) t.ok(areaOf(draw({ type: 'Polygon', coordinates: [ring] })![0]!) > 0, 'wound as the format wants it, however it came')
  const hole = [[2, 4094], [4, 4094], [4, 4092], [2, 4092], [2, 4094]]
  for (const inner of [hole, [...hole].reverse()]) t.strictSame(draw({ type: 'MultiPolygon', coordinates: [[square, inner]] })!.map((ring) => Math.sign(areaOf(ring))), [1, -1])
  t.strictSame(draw({ type: 'GeometryCollection', geometries: [{ type: 'Point', coordinates: [1, 1] }, { type: 'Polygon', coordinates: [square] }] })!.map(areaOf), clockwise.map(areaOf), 'a collection shows what is of its highest dimension')
  t.equal(draw({ type: 'Polygon', coordinates: [[[0.1, 0.1], [0.2, 0.1], [0.2, 0.2], [0.1, 0.1]]] }), null, 'what falls together is not drawn')
  t.equal(draw({ type: 'Polygon', coordinates: [square] }, { smallest: 20 }), null)
  t.ok(draw({ type: 'Polygon', coordinates: [square] }, { smallest: 19 }))
  const wavy = Array.from({ length: 100 }, (_, i) => [i * 10, 4000 + (i % 2)])
  t.strictSame(draw({ type: 'LineString', coordinates: wavy }, { tolerance: 2 }), [[0, 96, 990, 95]])
  const all = [[-500, -500], [5000, -500], [5000, 5000], [-500, 5000], [-500, -500]]
  t.equal(areaOf(draw({ type: 'Polygon', coordinates: [all] })![0]!), 4224 ** 2, 'the tile and its margin')
  t.throws(() => draw({ type: 'Circle', coordinates: [] } as never))
})

/** Of a closed ring. */
function areaOf(ring: readonly number[]): number {
  let sum = 0
  for (let i = 2; i < ring.length; i += 2) sum += ring[i - 2]! * ring[i + 1]! - ring[i]! * ring[i - 1]!
  return sum / 2
}
