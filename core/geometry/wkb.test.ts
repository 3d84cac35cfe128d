import t from 'tap'
import { facesToEwkb, fromWkb, toEwkb, toHex } from './wkb.js'

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
  for (const geometry of geometries) t.strictSame(fromWkb(toHex(toEwkb(geometry, 5899))), { srid: 5899, geometry }, geometry.type)
})

t.test('faces of a solid come back as they were', async t => {
  const faces = [[[[0, 0, 0], [1, 0, 0], [1, 1, 2], [0, 0, 0]]], [[[0, 0, 0], [1, 1, 2], [0, 1, 0], [0, 0, 0]]]]
  t.strictSame(fromWkb(facesToEwkb(faces, 4326)), { srid: 4326, faces })
})

t.test('big-endian ISO with Z and M is read, M left out', async t => {
  const bytes = new DataView(new ArrayBuffer(37))
  bytes.setUint32(1, 3001)
  ;[1, 2, 3, 4].forEach((n, i) => bytes.setFloat64(5 + 8 * i, n))
  t.strictSame(fromWkb(new Uint8Array(bytes.buffer)), { srid: 0, geometry: { type: 'Point', coordinates: [1, 2, 3] } })
})

t.test('broken bytes are refused before they cost memory', async t => {
  for (const hex of ['', '01', '0101000000', '0102000000ffffffff', '0109000000', 'zz', '01070000000100000001070000']) t.throws(() => fromWkb(hex), RangeError, hex)
})
