import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { deflateSync, gzipSync } from 'node:zlib'
import { zipSync } from 'fflate'
import { PbfWriter } from 'pbf'
import t from 'tap'
import type { Feature } from '../../core/feature.js'
import { fromWkb } from '../../core/geometry/wkb.js'
import { VN2000_PROJ4 } from '../../core/vn2000.js'
import { parseCrs, sridOfWkt } from './crs.js'
import { encodeGeometry } from './ewkb.js'
import { footprint } from './footprint.js'
import { columnNames, inferLayer } from './infer.js'
import { openAny } from './open-source.js'
import { joinRings } from './osm.js'
import { Cells } from './terrain/cells.js'
import { gridRaster } from './terrain/grid.js'
import { WkbGeometry } from './wkb-geometry.js'

const folder = t.testdir()
const path = (name: string) => join(folder, name)
const write = (name: string, content: string | Uint8Array) => { writeFileSync(path(name), content); return path(name) }

async function read(file: string) {
  const opened = await openAny(file)
  if (opened.kind === 'terrain') throw new Error('terrain')
  const { source } = opened
  const layers: Record<string, { srid: number | null; features: Feature[] }> = {}
  for (const layer of source.layers) {
    const features: Feature[] = []
    for await (const feature of layer.features()) features.push(feature)
    layers[layer.name] = { srid: layer.srid, features }
  }
  await source.close()
  return { format: source.format, layers }
}
/** Some readers leave geometry as bytes. */
const shape = ({ geometry, properties, sourceId }: Feature) => ({ geometry: geometry instanceof WkbGeometry ? { type: geometry.type, coordinates: geometry.coordinates } : geometry, properties, ...(sourceId === undefined ? {} : { sourceId }) })

const collection = {
  type: 'FeatureCollection', features: [
    { type: 'Feature', id: 7, properties: { name: 'Cầu Rồng "{}[]\\', n: 1, ok: true }, geometry: { type: 'Point', coordinates: [108.2275, 16.0611] } },
    { type: 'Feature', properties: null, geometry: null },
  ],
}
const pointFeature = shape({ geometry: { type: 'Point', coordinates: [108.2275, 16.0611] }, properties: { name: 'Cầu Rồng "{}[]\\', n: 1, ok: true }, sourceId: '7' })

t.test('GeoJSON is streamed, gzipped or not, and its crs member honoured wherever it stands', async t => {
  const plain = await read(write('bridges.geojson', `\ufeff${JSON.stringify(collection, null, 2)}`))
  t.strictSame(plain.layers.bridges!.features.map(shape), [pointFeature, { geometry: null, properties: {} }])
  const late = { ...collection, name: 'late', crs: { type: 'name', properties: { name: 'urn:ogc:def:crs:EPSG::3547' } } }
  const packed = await read(write('late.json.gz', gzipSync(JSON.stringify(late))))
  t.match(packed, { format: 'geojson', layers: { late: { srid: 3547, features: { length: 2 } } } })
  t.match(await read(write('one.geojson', JSON.stringify(collection.features[0]))), { layers: { one: { srid: 4326, features: [pointFeature] } } })
  t.match(await read(write('bare.geojson', '{"type":"Point","coordinates":[1,2]}')), { layers: { bare: { features: [{ geometry: { type: 'Point', coordinates: [1, 2] } }] } } })
  const lines = collection.features.map(f => JSON.stringify(f))
  t.equal((await read(write('lines.geojsonl', `${lines.join('\n')}\n`))).layers.lines!.features.length, 2)
  t.equal((await read(write('sequence.json', lines.map(line => `\u001e${line}\n`).join('')))).format, 'geojsonseq')
  t.equal((await read(write('sniffed.json', lines.join('\n')))).format, 'geojsonseq')
  t.strictSame((await read(write('none.geojson', '{"type":"FeatureCollection","features":[]}'))).layers.none!.features, [])
})

t.test('GeoJSON larger than a chunk comes out whole, whatever falls on the seam', async t => {
  const features = Array.from({ length: 9000 }, (_, i) => ({ type: 'Feature', properties: { i, text: `“${'ệ"\\'.repeat(i % 37)}”` }, geometry: { type: 'Point', coordinates: [i / 100, 1] } }))
  const { layers } = await read(write('many.geojson', JSON.stringify({ features, type: 'FeatureCollection' })))
  t.strictSame(layers.many!.features.map(f => ({ type: 'Feature', properties: f.properties, geometry: f.geometry })), features)
})

t.test('GeoPackage and Shapefile come out as GDAL wrote them', async t => {
  const source = write('source.geojson', JSON.stringify({
    type: 'FeatureCollection', features: [
      { type: 'Feature', properties: { ten: 'Hoàng Sa', so: 3, dai: 1.5, ngay: '2025-07-01' }, geometry: { type: 'Polygon', coordinates: [[[108, 16], [108.1, 16], [108.1, 16.1], [108, 16.1], [108, 16]], [[108.02, 16.02], [108.02, 16.04], [108.04, 16.04], [108.04, 16.02], [108.02, 16.02]]] } },
      { type: 'Feature', properties: { ten: 'Trường Sa', so: null, dai: null, ngay: null }, geometry: { type: 'MultiPolygon', coordinates: [[[[109, 16], [109.1, 16], [109.1, 16.1], [109, 16]]], [[[110, 16], [110.1, 16], [110.1, 16.1], [110, 16]]]] } },
      { type: 'Feature', properties: { ten: 'không hình', so: 1, dai: 2, ngay: null }, geometry: null },
    ],
  }))
  const ogr = (...args: string[]) => execFileSync('ogr2ogr', args, { stdio: 'pipe' })
  ogr('-t_srs', 'EPSG:3405', '-nln', 'đảo lớn', path('islands.gpkg'), source)
  ogr('-append', '-nln', 'second', '-where', 'so = 3', path('islands.gpkg'), source)
  const geopackage = await read(path('islands.gpkg'))
  t.match(geopackage, { format: 'gpkg', layers: { 'đảo lớn': { srid: 3405, features: [{ sourceId: '1', properties: { ten: 'Hoàng Sa', so: 3, dai: 1.5, ngay: '2025-07-01' } }, {}, { geometry: null }] }, second: { features: { length: 1 } } } })

  mkdirSync(path('shp'))
  ogr('-lco', 'ENCODING=UTF-8', '-t_srs', 'EPSG:5899', path('shp/islands.shp'), source)
  const shapefile = await read(path('shp/islands.shp'))
  t.match(shapefile, { format: 'shapefile', layers: { islands: { srid: 5899, features: [{ properties: { ten: 'Hoàng Sa', so: 3, dai: 1.5, ngay: '2025-07-01' }, geometry: { type: 'Polygon' } }, { geometry: { type: 'MultiPolygon', coordinates: { length: 2 } }, properties: { so: null } }, { geometry: null }] } } })
  t.equal((shapefile.layers.islands!.features[0]!.geometry!.coordinates as unknown[]).length, 2, 'the hole is inside its ring')

  const members = Object.fromEntries(['shp', 'dbf', 'prj', 'cpg', 'shx'].map(x => [`data/ISLANDS.${x.toUpperCase()}`, readFileSync(path(`shp/islands.${x}`))]))
  t.strictSame((await read(write('islands.zip', zipSync(members)))).layers.ISLANDS!.features.map(shape), shapefile.layers.islands!.features.map(shape))

  ogr('-lco', 'ENCODING=CP1258', path('shp/old.shp'), source)
  t.equal((await read(path('shp/old.shp'))).layers.old!.features[0]!.properties.ten, 'Hoàng Sa', 'the encoding of the .cpg')
})

t.test('CRS are read in the ways that files and people write them', async t => {
  t.strictSame(['EPSG:5899', '3547', 'urn:ogc:def:crs:EPSG::3547', 'urn:ogc:def:crs:OGC:1.3:CRS84', 'http://www.opengis.net/def/crs/EPSG/0/7415', 'OGC:CRS84'].map(parseCrs), [5899, 3547, 3547, 4326, 7415, 4326])
  t.equal(parseCrs('the usual one'), null)
  const wkt = (srid: number, kind: string) => execFileSync('gdalsrsinfo', ['-o', kind, `EPSG:${srid}`], { encoding: 'utf8', stdio: 'pipe' }).trim()
  for (const srid of [5899, 3405, 3406, 5897, 4756, 4326, 32648, 28992]) t.strictSame([sridOfWkt(wkt(srid, 'wkt1')), sridOfWkt(wkt(srid, 'wkt2')), sridOfWkt(wkt(srid, 'wkt_esri'))], [srid, srid, srid], `EPSG:${srid}`)
  t.equal(sridOfWkt('LOCAL_CS["my site"]'), null)
})

const OSM = `<?xml version="1.0"?><osm version="0.6">
  <node id="1" lon="7.1" lat="43.1"/><node id="2" lon="7.2" lat="43.1"/><node id="3" lon="7.2" lat="43.2"/><node id="4" lon="7.1" lat="43.2"/>
  <node id="5" lon="7.14" lat="43.14"/><node id="6" lon="7.16" lat="43.14"/><node id="7" lon="7.16" lat="43.16"/>
  <node id="8" lon="7.3" lat="43.3"><tag k="amenity" v="hospital"/><tag k="name" v="Bệnh viện &amp; Co"/></node>
  <way id="10"><nd ref="1"/><nd ref="2"/><nd ref="3"/><tag k="highway" v="primary"/></way>
  <way id="11"><nd ref="1"/><nd ref="2"/><nd ref="3"/><nd ref="4"/><nd ref="1"/><tag k="building" v="yes"/></way>
  <way id="12"><nd ref="1"/><nd ref="2"/><nd ref="3"/></way><way id="13"><nd ref="1"/><nd ref="4"/><nd ref="3"/></way>
  <way id="14"><nd ref="5"/><nd ref="6"/><nd ref="7"/><nd ref="5"/></way>
  <way id="15"><nd ref="1"/><nd ref="2"/><nd ref="3"/><nd ref="1"/><tag k="highway" v="service"/></way>
  <way id="16"><nd ref="98"/><nd ref="99"/><tag k="highway" v="service"/></way>
  <relation id="20"><member type="way" ref="12" role="outer"/><member type="way" ref="14" role="inner"/><member type="way" ref="13" role="outer"/><tag k="type" v="multipolygon"/><tag k="natural" v="water"/></relation>
  <relation id="21"><member type="way" ref="12" role="outer"/><tag k="type" v="multipolygon"/><tag k="natural" v="water"/></relation>
</osm>`
const osmExpected = {
  points: [{ geometry: { type: 'Point', coordinates: [7.3, 43.3] }, properties: { amenity: 'hospital', name: 'Bệnh viện & Co' }, sourceId: 'node/8' }],
  lines: [
    { geometry: { type: 'LineString', coordinates: [[7.1, 43.1], [7.2, 43.1], [7.2, 43.2]] }, properties: { highway: 'primary' }, sourceId: 'way/10' },
    { geometry: { type: 'LineString', coordinates: [[7.1, 43.1], [7.2, 43.1], [7.2, 43.2], [7.1, 43.1]] }, properties: { highway: 'service' }, sourceId: 'way/15' },
    { geometry: null, properties: { highway: 'service' }, sourceId: 'way/16' },
  ],
  areas: [
    { geometry: { type: 'Polygon', coordinates: [[[7.1, 43.1], [7.2, 43.1], [7.2, 43.2], [7.1, 43.2], [7.1, 43.1]]] }, properties: { building: 'yes' }, sourceId: 'way/11' },
    { geometry: { type: 'MultiPolygon', coordinates: [[[[7.1, 43.1], [7.2, 43.1], [7.2, 43.2], [7.1, 43.2], [7.1, 43.1]], [[7.14, 43.14], [7.16, 43.14], [7.16, 43.16], [7.14, 43.14]]]] }, properties: { type: 'multipolygon', natural: 'water' }, sourceId: 'relation/20' },
    { geometry: null, properties: { type: 'multipolygon', natural: 'water' }, sourceId: 'relation/21' },
  ],
}

t.test('OSM XML and PBF give the same points, lines and areas', async t => {
  const xml = await read(write('town.osm', OSM))
  t.equal(xml.format, 'osm-xml')
  for (const kind of ['points', 'lines', 'areas'] as const) t.strictSame(xml.layers[`town_${kind}`]!.features.map(shape), osmExpected[kind], kind)
  t.equal(xml.layers.town_areas!.features[2]!.fault, 'the member ways do not close to rings')
  for (const dense of [true, false]) {
    const pbf = await read(write('town.osm.pbf', encodePbf(dense)))
    t.equal(pbf.format, 'osm-pbf')
    for (const kind of ['points', 'lines', 'areas'] as const) t.strictSame(pbf.layers[`town_${kind}`]!.features.map(shape), osmExpected[kind], `${kind}${dense ? ', dense' : ''}`)
  }
  t.equal(joinRings([Float64Array.of(1, 2), Float64Array.of(3, 2), Float64Array.of(3, 1), Float64Array.of(7, 8, 9, 7)])!.length, 2)
})

/** The same map as `OSM`, by the format's own description. */
function encodePbf(dense: boolean): Buffer {
  const strings = ['', 'amenity', 'hospital', 'name', 'Bệnh viện & Co', 'highway', 'primary', 'building', 'yes', 'service', 'type', 'multipolygon', 'natural', 'water', 'outer', 'inner']
  const s = (text: string) => strings.indexOf(text)
  const nodes: [number, number, number][] = [[1, 7.1, 43.1], [2, 7.2, 43.1], [3, 7.2, 43.2], [4, 7.1, 43.2], [5, 7.14, 43.14], [6, 7.16, 43.14], [7, 7.16, 43.16], [8, 7.3, 43.3]]
  const e7 = (degrees: number) => Math.round(degrees * 1e7)
  const deltas = (values: number[]) => values.map((v, i) => v - (i ? values[i - 1]! : 0))
  const tags8 = [s('amenity'), s('hospital'), s('name'), s('Bệnh viện & Co')]
  const ways: [number, number[], number[]][] = [
    [10, [1, 2, 3], [s('highway'), s('primary')]], [11, [1, 2, 3, 4, 1], [s('building'), s('yes')]], [12, [1, 2, 3], []], [13, [1, 4, 3], []], [14, [5, 6, 7, 5], []],
    [15, [1, 2, 3, 1], [s('highway'), s('service')]], [16, [98, 99], [s('highway'), s('service')]],
  ]
  const relations: [number, [number, string][]][] = [[20, [[12, 'outer'], [14, 'inner'], [13, 'outer']]], [21, [[12, 'outer']]]]
  const keys = (tags: number[]) => tags.filter((_, i) => i % 2 === 0)
  const values = (tags: number[]) => tags.filter((_, i) => i % 2 === 1)
  const block = new PbfWriter()
  block.writeMessage(1, (_, p) => { for (const text of strings) p.writeBytesField(1, Buffer.from(text)) }, null)
  block.writeMessage(2, (_, p) => {
    if (dense) p.writeMessage(2, (_, d) => {
      d.writePackedSVarint(1, deltas(nodes.map(n => n[0])))
      d.writePackedSVarint(8, deltas(nodes.map(n => e7(n[2]))))
      d.writePackedSVarint(9, deltas(nodes.map(n => e7(n[1]))))
      d.writePackedVarint(10, [0, 0, 0, 0, 0, 0, 0, ...tags8, 0])
    }, null)
    else for (const [id, lon, lat] of nodes) p.writeMessage(1, (_, n) => {
      n.writeSVarintField(1, id)
      if (id === 8) { n.writePackedVarint(2, keys(tags8)); n.writePackedVarint(3, values(tags8)) }
      n.writeSVarintField(8, e7(lat))
      n.writeSVarintField(9, e7(lon))
    }, null)
  }, null)
  block.writeMessage(2, (_, p) => {
    for (const [id, refs, tags] of ways) p.writeMessage(3, (_, w) => {
      w.writeVarintField(1, id)
      w.writePackedVarint(2, keys(tags))
      w.writePackedVarint(3, values(tags))
      w.writePackedSVarint(8, deltas(refs))
    }, null)
  }, null)
  block.writeMessage(2, (_, p) => {
    for (const [id, members] of relations) p.writeMessage(4, (_, r) => {
      r.writeVarintField(1, id)
      r.writePackedVarint(2, [s('type'), s('natural')])
      r.writePackedVarint(3, [s('multipolygon'), s('water')])
      r.writePackedVarint(8, members.map(m => s(m[1])))
      r.writePackedSVarint(9, deltas(members.map(m => m[0])))
      r.writePackedVarint(10, members.map(() => 1))
    }, null)
  }, null)
  const header = new PbfWriter()
  header.writeStringField(4, 'OsmSchema-V0.6')
  header.writeStringField(4, 'DenseNodes')
  return Buffer.concat([blob('OSMHeader', header.finish()), blob('OSMData', block.finish())])
}
function blob(type: string, content: Uint8Array): Buffer {
  const body = new PbfWriter()
  body.writeVarintField(2, content.length)
  body.writeBytesField(3, deflateSync(content))
  const bytes = body.finish()
  const head = new PbfWriter()
  head.writeStringField(1, type)
  head.writeVarintField(3, bytes.length)
  const start = head.finish()
  const size = Buffer.alloc(4)
  size.writeUInt32BE(start.length)
  return Buffer.concat([size, start, bytes])
}

/** A box of 10 × 10 × 3 with its floor at 2, at (1000, 2000). */
const cube = {
  type: 'CityJSON', version: '2.0', transform: { scale: [0.01, 0.01, 0.01], translate: [1000, 2000, 0] },
  metadata: { referenceSystem: 'https://www.opengis.net/def/crs/EPSG/0/7415' },
  vertices: [[0, 0, 200], [1000, 0, 200], [1000, 1000, 200], [0, 1000, 200], [0, 0, 500], [1000, 0, 500], [1000, 1000, 500], [0, 1000, 500]],
  CityObjects: {
    whole: { type: 'Building', attributes: { name: 'Nhà' }, children: ['part'], geometry: [{ type: 'MultiSurface', lod: '0', boundaries: [[[0, 1, 2, 3]]] }] },
    part: { type: 'BuildingPart', parents: ['whole'], geometry: [
      { type: 'Solid', lod: 1, boundaries: [[[[0, 1, 2]]]] },
      { type: 'Solid', lod: '2.2', boundaries: [[[[0, 3, 2, 1]], [[4, 5, 6, 7]], [[0, 1, 5, 4]], [[1, 2, 6, 5]], [[2, 3, 7, 6]], [[3, 0, 4, 7]]]], semantics: { surfaces: [{ type: 'GroundSurface' }, { type: 'WallSurface' }, { type: 'RoofSurface' }], values: [[0, 2, 1, 1, 1, 1]] } },
    ] },
    tree: { type: 'SolitaryVegetationObject', geometry: [{ type: 'MultiPoint', lod: '1', boundaries: [6] }] },
    bad: { type: 'Bridge', geometry: [{ type: 'MultiSurface', lod: '1', boundaries: [[[0, 1, 99]]] }] },
  },
}

t.test('CityJSON: parts belong to their whole, the best level of detail wins, ground, height and footprint follow', async t => {
  const { layers } = await read(write('cube.city.json', JSON.stringify(cube)))
  const [house] = layers.Building!.features
  t.match(house, { sourceId: 'whole', properties: { id: 'whole', type: 'Building', name: 'Nhà' }, groundZ: 2, height: 3, solid: { length: 6 } })
  t.strictSame(house!.solid![0]![0], [[1000, 2000, 2], [1000, 2010, 2], [1010, 2010, 2], [1010, 2000, 2], [1000, 2000, 2]])
  t.match(house!.geometry, { type: 'Polygon', coordinates: [{ length: 5 }] })
  t.match(layers, { Building: { srid: 28992, features: { length: 1 } }, SolitaryVegetationObject: { features: [{ geometry: { type: 'Point', coordinates: [1010, 2010, 5] } }] }, Bridge: { features: [{ geometry: null, fault: 'boundaries that do not fit the vertices' }] } })
})

t.test('a footprint is the outline of the faces, with holes', async t => {
  const quad = (x: number, y: number) => [[[x, y, 0], [x + 1, y, 0], [x + 1, y + 1, 0], [x, y + 1, 0]]]
  const ring = [0, 1, 2].flatMap(x => [0, 1, 2].map(y => [x, y] as const)).filter(([x, y]) => x !== 1 || y !== 1).map(([x, y]) => quad(x, y))
  const outline = footprint(ring, 'up') as { type: string; coordinates: number[][][] }
  t.equal(outline.type, 'Polygon')
  t.strictSame(outline.coordinates.map(r => r.length), [13, 5])
  t.equal(footprint([[[[0, 0, 0], [1, 0, 0], [1, 0, 5], [0, 0, 5]]]], 'down'), null, 'a wall has none')
})

t.test('WKB in all dimensions, and what it may not be', async t => {
  const wkb = (hex: string) => fromWkb(Buffer.from(hex, 'hex'))
  t.strictSame(wkb('0101000000000000000000f03f0000000000000040'), { type: 'Point', coordinates: [1, 2] })
  t.strictSame(wkb('00000003e93ff000000000000040000000000000004008000000000000'), { type: 'Point', coordinates: [1, 2, 3] }, 'ISO Z, big-endian')
  t.strictSame(wkb('0101000000000000000000f87f000000000000f87f'), { type: 'Point', coordinates: [] }, 'an empty point')
  t.throws(() => wkb('010e000000'), { name: 'GeometryFault', message: /Surface/ }, 'an abstract type')
  t.throws(() => wkb('0102000000ffffffff'), { name: 'GeometryFault', message: /cut short/ }, 'a count larger than the file')
})

t.test('WKB on its way into the database is copied as decoding and encoding would write it, or is a fault', async t => {
  const range = { srid: 4326, geographic: true }
  const ring = [[0, 0], [1, 0], [1, 1], [0, 0]]
  const high = ring.map(([x, y]) => [x, y, 5])
  for (const geometry of [
    { type: 'Point', coordinates: [1, 2] }, { type: 'LineString', coordinates: high }, { type: 'Polygon', coordinates: [ring, ring] }, { type: 'MultiPolygon', coordinates: [[high], [high, high]] },
    { type: 'MultiPoint', coordinates: [[1, 2], [3, 4]] }, { type: 'MultiLineString', coordinates: [] }, { type: 'GeometryCollection', geometries: [{ type: 'Point', coordinates: [1, 2] }, { type: 'Polygon', coordinates: [ring] }] },
  ]) {
    const { hex } = encodeGeometry(geometry, range)
    const plain = isoWkb(hex)
    t.equal(encodeGeometry(new WkbGeometry(plain, 0), range).hex, hex, geometry.type)
    const accepted = Array.from(plain.keys()).filter(bytes => {
      try { return encodeGeometry(new WkbGeometry(plain.subarray(0, bytes), 0), range) } catch (error) { return (error as Error).name !== 'GeometryFault' }
    })
    t.strictSame(accepted, [], `${geometry.type} cut short anywhere is a fault`)
  }
  t.throws(() => encodeGeometry(new WkbGeometry(isoWkb(encodeGeometry({ type: 'Point', coordinates: [500, 2] }, { srid: 1, geographic: false }).hex), 0), range), { message: /outside the CRS: 500, 2/ })
})

/** EWKB with its SRID and Z flags as the ISO WKB that GeoPackages hold. */
function isoWkb(hex: string): Buffer {
  const bytes = Buffer.from(hex, 'hex')
  const plain = Buffer.concat([bytes.subarray(0, 5), bytes.subarray(9)])
  for (let at = 0; at + 5 <= plain.length; at++) {
    const code = plain.readUInt32LE(at + 1)
    if (plain[at] !== 1 || (code & 0x1fffffff) > 7 || (code & 0x1fffffff) === 0 || (at > 0 && plain.readUInt32LE(at + 1) >>> 8 & 0xffff)) continue
    plain.writeUInt32LE((code & 0x1fffffff) + (code & 0x80000000 ? 1000 : 0), at + 1)
  }
  return plain
}

t.test('attributes of any name become legal, unique columns with the types that they hold', async t => {
  t.strictSame([...columnNames(['Tên đường', 'ten_duong', '1. tầng', 'geom', 'ID', '名'])], [
    ['Tên đường', 'ten_duong'], ['ten_duong', 'ten_duong_2'], ['1. tầng', 'column_1_tang'], ['geom', 'geom_2'], ['ID', 'id_2'], ['名', 'column'],
  ])
  const rows: Record<string, unknown>[] = [
    { name: 'a', n: 1, x: 1, code: '007', day: '2024-01-01', at: '2024-01-01T10:00:00Z', ok: true, mixed: 1, list: [1], none: null },
    { name: 'b', n: 2, x: 1.5, code: '012', day: '2024-02-30', at: null, ok: false, mixed: 'one', list: null, none: '' },
  ]
  const { layer } = await inferLayer({ name: 'x', srid: 4326, async *features() { for (const properties of rows) yield { geometry: { type: 'LineString', coordinates: [[0, 0], [1, 1]] }, properties } } }, { id: 'x', title: 'X', source: 's' })
  t.strictSame(Object.fromEntries(layer.columns.map(c => [c.name, c.type])), { name: 'text', n: 'integer', x: 'number', code: 'text', day: 'text', at: 'timestamp', ok: 'boolean', mixed: 'text', list: 'json', none: 'text' })
  t.match(layer, { geometry: 'line', label: 'name', group: 'published' })
})

t.test('terrain rasters: GeoTIFF, HGT and ASCII grid', async t => {
  const asc = write('hill.asc', 'ncols 3\nnrows 2\nxllcorner 550000\nyllcorner 1775000\ncellsize 10\nNODATA_value -9999\n1 2 3\n4 -9999 6\n')
  const opened = await openAny(asc)
  if (opened.kind !== 'terrain') throw new Error('not terrain')
  t.match(opened, { format: 'asc', grid: { rows: 2, cols: 3, west: 550005, north: 1775015, srid: null } })
  t.strictSame([...opened.grid.heights], [1, 2, 3, 4, NaN, 6])
  execFileSync('gdal_translate', ['-q', '-a_srs', 'EPSG:32649', asc, path('hill.tif')])
  const tiff = await openAny(path('hill.tif'))
  if (tiff.kind !== 'terrain') throw new Error('not terrain')
  t.match(tiff.grid, { ...opened.grid, heights: {}, srid: 32649 })
  t.strictSame([...tiff.grid.heights], [1, 2, 3, 4, NaN, 6])

  const degrees = gridRaster({ heights: Cells.of([1, 2, 3, 4], 2, 2), rows: 2, cols: 2, west: 108, north: 16, cellX: 1, cellY: 1, srid: 4326 }, '+proj=longlat +datum=WGS84 +no_defs')
  t.strictSame([degrees.height(108, 16), degrees.height(108.5, 15.5), degrees.height(109.4, 14.6), degrees.height(110, 16)], [1, 2.5, 4, NaN])
  t.strictSame(degrees.bounds, [107.5, 14.5, 109.5, 16.5])

  const metric = gridRaster({ heights: Cells.of(Float32Array.from({ length: 400 }, (_, i) => (i * 37) % 101), 20, 20), rows: 20, cols: 20, west: 545_000, north: 1_776_000, cellX: 30, cellY: 30, srid: 5899 }, VN2000_PROJ4[5899]!)
  const [west, south, east, north] = metric.bounds
  const [lons, lats] = [Float64Array.from({ length: 45 }, (_, i) => west + ((east - west) * i) / 44), Float64Array.from({ length: 70 }, (_, i) => north + ((south - north) * i) / 69)]
  const together = metric.heights(lons, lats)
  t.ok(lats.every((lat, j) => lons.every((lon, i) => {
    const [one, all] = [metric.height(lon, lat), together[j * lons.length + i]!]
    return one === one && all === all ? Math.abs(one - all) < 0.02 * 101 : true
  })), 'projected together or one by one: the same to a hundredth of a cell')
  t.ok(together.filter(h => h === h).length > 2800)

  const tile = Buffer.alloc(1201 * 1201 * 2)
  tile.writeInt16BE(700, 0)
  tile.writeInt16BE(-32768, 2)
  const hgt = await openAny(write('N16E108.hgt', tile))
  if (hgt.kind !== 'terrain') throw new Error('not terrain')
  t.match(hgt.grid, { rows: 1201, west: 108, north: 17, srid: 4326 })
  t.strictSame([0, 1, 2].map(col => hgt.grid.heights.get(0, col)), [700, NaN, 0])
})

t.test('a broken or hostile file is told in one clear sentence', async t => {
  const refused = async (name: string, content: string | Uint8Array, message: RegExp) => {
    const error = await read(write(name, content)).then(() => null, (e: Error) => e)
    t.match(error, { status: 422, message }, name)
    t.notMatch(error?.message ?? '', /\n/)
  }
  await refused('empty.geojson', '', /is empty/)
  await refused('cut.geojson', JSON.stringify(collection).slice(0, 120), /truncated/)
  await refused('cut.geojson.gz', gzipSync(JSON.stringify(collection)).subarray(0, 60), /truncated/)
  await refused('wrong.geojson', '{"type":"FeatureCollection","features":[{"a":}]}', /not valid JSON/)
  await refused('deep.geojson', `{"type":"FeatureCollection","features":[${'['.repeat(100_000)}`, /nested more than 100 levels/)
  await refused('other.json', '{"hello":"world"}', /JSON but not GeoJSON/)
  await refused('picture.png', Buffer.from('89504e470d0a1a0a0000', 'hex'), /none of the formats/)
  await refused('topo.json', '[1,2,3]', /none of the formats/)
  await refused('bomb.geojson.gz', gzipSync(Buffer.concat([Buffer.from('{"type":"FeatureCollection","features":['), Buffer.alloc(80 * 2 ** 20, 0x20)])), /decompression bomb/)
  await refused('bomb.zip', zipSync({ 'a.geojson': new Uint8Array(80 * 2 ** 20) }, { level: 9 }), /decompression bomb/)
  await refused('slip.zip', zipSync({ '../../outside.geojson': Buffer.from(JSON.stringify(collection)) }), /zip file cannot be read.*invalid relative path/)
  await refused('nothing.zip', zipSync({ 'readme.txt': Buffer.from('hi') }), /holds nothing that can be imported/)
  await refused('two.zip', zipSync({ 'a.geojson': Buffer.from('{}'), 'b.geojson': Buffer.from('{}') }), /one by one/)
  await refused('cut.zip', zipSync({ 'a.geojson': Buffer.from(JSON.stringify(collection)) }).subarray(0, 80), /zip file cannot be read/)
  await refused('laughs.osm', '<?xml version="1.0"?><!DOCTYPE osm [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><osm version="0.6"><node id="1" lon="&b;" lat="1"/></osm>', /document type declaration/)
  await refused('cut.osm', OSM.slice(0, 700), /OSM XML file/)
  await refused('page.xml', '<html><body/></html>', /XML but none of the kinds/)
  await refused('model.gml', '<?xml version="1.0"?><CityModel/>', /CityGML file holds no city objects/)
  await refused('cut.osm.pbf', encodePbf(true).subarray(0, 200), /truncated/)
  await refused('huge.osm.pbf', Buffer.concat([blob('OSMHeader', Buffer.alloc(0)), Buffer.from('7fffffff00', 'hex')]), /larger than the format allows/)
  await refused('plain.gpkg', Buffer.concat([Buffer.from('SQLite format 3\0'), Buffer.alloc(4000)]), /GeoPackage/)
  await refused('old.city.json', JSON.stringify({ ...cube, version: '0.9' }), /version “0.9”/)
  await refused('cut.asc', 'ncols 3\nnrows 2\nxllcorner 0\nyllcorner 0\ncellsize 1\n1 2 3 4', /truncated/)
  await refused('vast.asc', 'ncols 3000000\nnrows 2000000\nxllcorner 0\nyllcorner 0\ncellsize 1\n1 2 3 4', /million/)
  await refused('short.hgt', Buffer.alloc(100), /truncated/)
  await refused('flat.tif', Buffer.from('49492a0008000000', 'hex'), /GeoTIFF/)
  await t.rejects(openAny(path('not-there.geojson')), { status: 422, message: /no such file/ })

  const shp = Buffer.alloc(108 + 48)
  shp.writeInt32BE(9994, 0)
  shp.writeInt32BE(24, 104)
  shp.writeInt32LE(5, 108)
  shp.writeInt32LE(2_000_000_000, 108 + 36)
  const { layers } = await read(write('claims.shp', shp))
  t.match(layers.claims!.features, [{ geometry: null, fault: 'a record that is cut short' }], 'absurd counts reject the row, not the machine')
  truncateSync(path('claims.shp'), 120)
  await t.rejects(read(path('claims.shp')), { status: 422, message: /truncated|damaged/ })
})
