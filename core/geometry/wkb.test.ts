import t from 'tap'
import { facesToEwkb, flatFromWkb, fromWkb, toEwkb, toHex } from './wkb.js'

t.test('a point is written byte for byte as PostGIS writes it', async t => {
  t.equal(toHex(toEwkb({ type: 'Point', coordinates: [1, 2] }, 4326)), '0101000020e6100000000000000000f03f0000000000000040')
  t.equal(toHex(toEwkb({ type: 'Point', coordinates: [1, 2, 3] }, 4326)), '01010000a0e6100000000000000000f03f00000000000000400000000000000840')
})

t.test('every GeoJSON geometry comes back as it was', async t => {
  const ring = [[0, 0], [1, 0], [1, 1], [0, 0]]
  const geometries = [
    { type: 'Point', coordinates: [] },
    { type: 'LineString', coordinates: [[0, 0, 5], [1, 1, 6]] },
    { type: 'Polygon', coordinates: [ring] },
    { type: 'MultiPoint', coordinates: [[1, 2], [3, 4]] },
    { type: 'MultiLineString', coordinates: [[[1, 2], [3, 4]], [[5, 6], [7, 8]]] },
    { type: 'MultiPolygon', coordinates: [[ring], [ring, ring]] },
    { type: 'GeometryCollection', geometries: [{ type: 'Point', coordinates: [1, 2] }, { type: 'Polygon', coordinates: [] }] },
  ]
  for (const geometry of geometries) t.strictSame(fromWkb(toEwkb(geometry, 5899)), geometry, geometry.type)
})

t.test('faces of a solid come back as they were', async t => {
  const faces = [[[[0, 0, 0], [1, 0, 0], [1, 1, 2], [0, 0, 0]]], [[[0, 0, 0], [1, 1, 2], [0, 1, 0], [0, 0, 0]]]]
  const wkb = facesToEwkb(faces, 4326)
  t.strictSame(fromWkb(wkb), { type: 'MultiPolygon', coordinates: faces })
  t.strictSame(flatFromWkb(wkb), { kind: 'polygon', dimensions: 3, parts: faces.map(rings => rings.map(ring => Float64Array.from(ring.flat()))) })
})

t.test('big-endian ISO with Z and M is read, M left out', async t => {
  const bytes = new DataView(new ArrayBuffer(37))
  bytes.setUint32(1, 3001)
  ;[1, 2, 3, 4].forEach((n, i) => bytes.setFloat64(5 + 8 * i, n))
  t.strictSame(fromWkb(new Uint8Array(bytes.buffer)), { type: 'Point', coordinates: [1, 2, 3] })
  t.strictSame(flatFromWkb(new Uint8Array(bytes.buffer)), { kind: 'point', dimensions: 3, parts: [[Float64Array.of(1, 2, 3)]] })
})

t.test('flat, a collection is its parts of the highest dimension', async t => {
  const ring = [[0, 0], [1, 0], [1, 1], [0, 0]]
  const geometry = { type: 'GeometryCollection', geometries: [{ type: 'Point', coordinates: [1, 2] }, { type: 'MultiPolygon', coordinates: [[ring], [ring, ring]] }] }
  const flat = Float64Array.from(ring.flat())
  t.strictSame(flatFromWkb(toEwkb(geometry, 4326)), { kind: 'polygon', dimensions: 2, parts: [[flat], [flat, flat]] })
})

t.test('broken bytes are a fault before they cost memory', async t => {
  const nested = '0107000000' + '01000000'
  for (const hex of ['', '01', '0101000000', '0102000000ffffffff', '0103000000010000' + '00ffffff0f', '0109000000', '01070000000100000001070000', nested.repeat(40)]) {
    const bytes = Uint8Array.from(hex.match(/../g) ?? [], pair => parseInt(pair, 16))
    t.throws(() => fromWkb(bytes), { name: 'GeometryFault' }, hex)
    t.throws(() => flatFromWkb(bytes), { name: 'GeometryFault' }, `flat: ${hex}`)
  }
})
