/** Every format out and in again: what it says it can hold comes back as it was. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import fc from 'fast-check'
import { sql } from 'kysely'
import t from 'tap'
import type { Feature } from '../../core/feature.js'
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import { fromWkb } from '../../core/geometry/wkb.js'
import type { Layer } from '../../layers/layer.js'
import { loadFeatures } from '../import/load.js'
import { openAny } from '../import/open-source.js'
import { rowChecker } from '../store/check.js'
import { STEWARD, type Store } from '../store/store.js'
import { testStore } from '../testing/test-store.js'
import { FORMAT_IDS, type FormatId } from './export.js'
import { writeChunks } from './files.js'
import { FORMATS } from './formats.js'
import { planExport } from './plan.js'
import { exportChunks } from './stream.js'

t.setTimeout(120_000)

const title = { vi: 'Lạ', en: 'Odd' }
const COLUMNS: Layer['columns'] = [
  { name: 'key', type: 'integer', title }, { name: 'label', type: 'text', title }, { name: 'note', type: 'text', title }, { name: 'whole', type: 'integer', title },
  { name: 'real', type: 'number', title }, { name: 'yes', type: 'boolean', title }, { name: 'day', type: 'date', title }, { name: 'moment', type: 'timestamp', title },
  { name: 'more', type: 'json', title },
]
const layer = (geometry: Layer['geometry'], rest: Partial<Layer> = {}): Layer => ({
  id: `odd_${geometry}`, title, description: title, group: 'published', kind: 'city', geometry, columns: COLUMNS, label: 'label', style: { fill: '#3366cc' },
  zoom: { min: 0, max: 16 }, classification: 'open', licence: 'CC0-1.0', ...rest,
})
const LAYERS = [layer('point'), layer('line'), layer('polygon', { threeD: { form: 'extrude' } }), layer('any')]

// ---- odd features ----

/** Begins with a letter, so that it cannot be taken for a number where all is text; formulas, quotes, lines and markup follow. */
const oddText = fc.tuple(fc.constantFrom('Đường “Lê Lợi”', '=SUM(A1)', '+x', '-y', '@z', "'=a", 'a,b;"c"', 'a\nb', '<b>&amp;</b>', '日本', '🏙️', 'ß'), fc.string({ unit: 'grapheme', maxLength: 12 }))
  .map(([start, end]) => `${start}${end}`.replace(/[\p{Cc}\p{Cs}\ufffe\uffff\p{Zl}\p{Zp}]/gu, c => (c === '\n' ? c : '')).trim().normalize('NFC'))
const orNull = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: null, freq: 3 })
const date = fc.date({ min: new Date('1801-01-01'), max: new Date('2199-12-31'), noInvalidDate: true })
const properties = fc.record({
  label: orNull(oddText), note: orNull(oddText), yes: orNull(fc.boolean()), day: orNull(date.map(d => d.toISOString().slice(0, 10))), moment: orNull(date.map(d => d.toISOString())),
  whole: orNull(fc.oneof(fc.constantFrom(2 ** 53 - 1, -(2 ** 53 - 1), 0, 2 ** 32 + 5), fc.maxSafeInteger())),
  real: orNull(fc.oneof(fc.constantFrom(0.1, 5e-324, 1.7976931348623157e308, 1 / 3, -2.5), fc.double({ noNaN: true, noDefaultInfinity: true }).map(n => n + 0))),
  more: orNull(fc.dictionary(fc.constantFrom('a', 'b', 'ỏ'), fc.oneof(oddText, fc.integer(), fc.boolean(), fc.array(fc.integer(), { maxLength: 3 })), { minKeys: 1, maxKeys: 3 })),
})
const unit = fc.double({ min: 0, max: 1, noNaN: true })
const near = fc.tuple(unit, unit).map(([x, y]) => [108 + x / 3, 16 + y / 3] as const)
/** A star around a centre, with or without a hole: valid whatever the numbers. */
const star = fc.tuple(near, fc.array(fc.double({ min: 0.5, max: 1, noNaN: true }), { minLength: 3, maxLength: 8 }), fc.boolean()).map(([[x, y], radii, hole]) => {
  const ring = (factor: number) => {
    const points = radii.map((r, i) => [x + r * factor * Math.cos((2 * Math.PI * i) / radii.length), y + r * factor * Math.sin((2 * Math.PI * i) / radii.length)])
    return [...points, points[0]!]
  }
  return hole ? [ring(1e-3), ring(1e-4).reverse()] : [ring(1e-3)]
})
/** Parts stand a degree apart, so that none meets another. */
const areas = fc.array(star, { minLength: 1, maxLength: 3 }).map(parts => parts.map((rings, i) => rings.map(ring => ring.map(([x, y]) => [x! + i, y!]))))
const line = fc.uniqueArray(near, { minLength: 2, maxLength: 6, selector: p => p.join() })
const GEOMETRIES: Readonly<Record<Layer['geometry'], fc.Arbitrary<GeoJsonGeometry>>> = {
  point: near.map(coordinates => ({ type: 'Point', coordinates })),
  line: fc.array(line, { minLength: 1, maxLength: 3 }).map(coordinates => ({ type: 'MultiLineString', coordinates })),
  polygon: areas.map(coordinates => ({ type: 'MultiPolygon', coordinates })),
  any: fc.oneof(
    near.map(coordinates => ({ type: 'Point', coordinates })), line.map(coordinates => ({ type: 'LineString', coordinates })), star.map(coordinates => ({ type: 'Polygon', coordinates })),
    fc.uniqueArray(near, { minLength: 2, maxLength: 4, selector: p => p.join() }).map(coordinates => ({ type: 'MultiPoint', coordinates })), areas.map(coordinates => ({ type: 'MultiPolygon', coordinates })),
    fc.tuple(near, line).map(([a, b]) => ({ type: 'GeometryCollection', geometries: [{ type: 'Point', coordinates: a }, { type: 'LineString', coordinates: b }] })),
  ),
}
const features = (kind: Layer['geometry']) => fc.array(fc.record({ properties, geometry: GEOMETRIES[kind] }), { minLength: 1, maxLength: 12 })

// ---- out and in ----

async function put(store: Store, layer: Layer, made: readonly { properties: object; geometry: GeoJsonGeometry }[]): Promise<void> {
  const stream = (async function* () {
    for (const [i, { properties: values, geometry }] of made.entries()) yield { geometry, properties: { ...values, key: i }, sourceId: String(i), row: i + 1, ...(layer.threeD ? { groundZ: 2.5 + i, height: 9.25 } : {}) } satisfies Feature
  })()
  const { rejected } = await loadFeatures(store, [{ layer: layer.id, srid: 4326, source: 'odd', features: stream }], { actor: 'test', reason: 'odd', replaceSource: 'odd', maxRejects: 0 })
  if (rejected) throw new Error(`${rejected} rejected`)
}

async function exported(store: Store, folder: string, format: FormatId, layers: readonly string[], more = {}): Promise<string> {
  const plan = await planExport({ app: { store }, reader: STEWARD, branch: 'main' }, { layers, format, ...more })
  const path = join(folder, plan.fileName)
  await writeChunks(path, exportChunks(store, STEWARD, plan, { signal: new AbortController().signal }))
  return path
}

async function readBack(path: string, srid?: number): Promise<Feature[]> {
  const opened = await openAny(path, undefined, srid === undefined ? {} : { srid })
  if (opened.kind !== 'features') throw new Error('no features')
  try {
    const all: Feature[] = []
    for (const from of opened.source.layers) for await (const feature of from.features()) all.push({ ...feature, geometry: feature.geometry && { ...plain(feature.geometry) } })
    return all
  } finally {
    await opened.source.close()
  }
}
/** Out of its bytes. */
const plain = ({ type, coordinates, geometries }: GeoJsonGeometry): GeoJsonGeometry => (type === 'GeometryCollection' ? { type, geometries: geometries!.map(plain) } : { type, coordinates })

type Ring = readonly (readonly number[])[]
/** One way round, two ordinates: formats differ in both. */
function canonical({ type, coordinates, geometries }: GeoJsonGeometry): unknown {
  const flat = (c: readonly number[]) => [c[0], c[1]]
  const ring = (r: Ring) => {
    const area = r.reduce((sum, [x, y], i) => sum + (x! - r[0]![0]!) * (r[(i + 1) % r.length]![1]! - r[0]![1]!) - (r[(i + 1) % r.length]![0]! - r[0]![0]!) * (y! - r[0]![1]!), 0)
    return (area < 0 ? [...r].reverse() : r).map(flat)
  }
  switch (type) {
    case 'Point': return { type, at: flat(coordinates as number[]) }
    case 'MultiPoint': return { type, at: (coordinates as Ring).map(flat) }
    case 'LineString': return { type: 'MultiLineString', at: [(coordinates as Ring).map(flat)] }
    case 'MultiLineString': return { type, at: (coordinates as Ring[]).map(l => l.map(flat)) }
    case 'Polygon': return { type: 'MultiPolygon', at: [(coordinates as Ring[]).map(ring)] }
    case 'MultiPolygon': return { type, at: (coordinates as Ring[][]).map(p => p.map(ring)) }
    default: return { type, parts: geometries!.map(canonical) }
  }
}

/** What is in the store, by key. */
async function stored(store: Store, { id }: Layer): Promise<Map<number, { readonly row: Record<string, unknown>; readonly shape: unknown }>> {
  const { rows } = await sql<Record<string, unknown> & { wkb: Buffer; key: number }>`select ${sql.join(COLUMNS.map(({ name }) => sql.id(name)))}, st_asbinary(geom) as wkb from ${sql.id('city', id)}`.execute(store.db)
  return new Map(rows.map(({ wkb, ...row }) => [row.key, { row: { ...row, moment: (row.moment as Date | null)?.toISOString() ?? null }, shape: canonical(fromWkb(wkb)) }]))
}

const COLUMN_NAMES = COLUMNS.map(({ name }) => name)
/** A feature as the import would store it. */
function typed(layer: Layer, { properties: values }: Feature): Record<string, unknown> {
  const checked = rowChecker(layer)(values)
  if (!checked.ok) throw new Error(checked.reason)
  return Object.fromEntries(COLUMN_NAMES.map(name => [name, checked.row[name]]))
}

/** Formats that hold all of it: every attribute and every digit of every position. */
const WHOLE: readonly FormatId[] = ['geojson', 'geojsonseq', 'gpkg', 'flatgeobuf', 'geoparquet', 'csv', 'kml', 'kmz', 'gml']

t.test('what goes out comes in again, attribute by attribute and digit by digit', async t => {
  const store = await testStore(t, { layers: LAYERS })
  const folder = t.testdir()
  for (const odd of LAYERS) {
    await fc.assert(fc.asyncProperty(features(odd.geometry), async made => {
      await put(store, odd, made)
      const expected = await stored(store, odd)
      for (const format of WHOLE) {
        const back = await readBack(await exported(store, folder, format, [odd.id]))
        const got = new Map(back.map(feature => [typed(odd, feature).key as number, { row: typed(odd, feature), shape: canonical(feature.geometry!) }]))
        if (!t.strictSame([...got].sort(([a], [b]) => a - b), [...expected].sort(([a], [b]) => a - b), `${format} of ${odd.id}`)) throw new Error(`${format} of ${odd.id} differs`)
      }
    }), { numRuns: 2, endOnFailure: true })
  }
})

t.test('solids, blocks and drawings come back in what their formats can hold', async t => {
  const store = await testStore(t, { layers: LAYERS })
  const folder = t.testdir()
  const odd = LAYERS[2]!
  // A tent: four walls that lean to a ridge, closed below.
  const [x, y, d] = [108.2, 16.05, 1e-4]
  const corner = { a: [x, y, 3], b: [x + d, y, 3], c: [x + d, y + d, 3], d: [x, y + d, 3], top: [x + d / 2, y + d / 2, 12] }
  const face = (...points: number[][]) => [[...points, points[0]!]]
  const tent = [face(corner.a, corner.d, corner.c, corner.b), face(corner.a, corner.b, corner.top), face(corner.b, corner.c, corner.top), face(corner.c, corner.d, corner.top), face(corner.d, corner.a, corner.top)]
  const square = (w: number, s: number, size: number) => [[w, s], [w + size, s], [w + size, s + size], [w, s + size], [w, s]]
  const made = [
    { geometry: { type: 'Polygon', coordinates: [square(x, y, d)] }, properties: { key: 1, label: 'Lều', yes: true, more: { a: [1] } }, solid: tent, groundZ: 3, height: 9 },
    { geometry: { type: 'MultiPolygon', coordinates: [[square(x + 3 * d, y, d), square(x + 3.25 * d, y + d / 4, d / 2).reverse()], [square(x + 6 * d, y, d)]] }, properties: { key: 2, label: 'Nhà có sân\ttrong ^', whole: 2 ** 53 - 1 }, groundZ: 4, height: 10.5 },
    { geometry: { type: 'Polygon', coordinates: [square(x, y + 5 * d, d)] }, properties: { key: 3 } },
  ]
  await loadFeatures(store, [{ layer: odd.id, srid: 4326, source: 'solids', features: (async function* () { yield* made as Feature[] })() }], { actor: 'test', reason: 'solids' })
  const measured = async (wkt: string, of: string) => (await sql<{ n: number }>`select ${sql.raw(of.replaceAll('$', `st_geomfromtext('${wkt}')`))}::float8 as n`.execute(store.db)).rows[0]!.n

  for (const format of ['cityjson', 'cityjsonseq'] as const) {
    const path = await exported(store, folder, format, [odd.id], { crs: 'EPSG:5899' })
    const back = format === 'cityjson' ? await readBack(path) : []
    if (format === 'cityjsonseq') {
      const lines = (await import('node:fs')).readFileSync(path, 'utf8').trim().split('\n').map(text => JSON.parse(text) as { type: string; CityObjects: Record<string, { geometry: { type: string }[] }> })
      t.strictSame(lines.map(({ type }) => type), ['CityJSON', 'CityJSONFeature', 'CityJSONFeature', 'CityJSONFeature'])
      t.strictSame(lines.flatMap(({ CityObjects }) => Object.values(CityObjects).map(({ geometry }) => geometry[0]!.type)), ['Solid', 'MultiSolid', 'MultiSurface'])
      continue
    }
    const [first, second, third] = back.sort((a, b) => Number(a.properties.key) - Number(b.properties.key))
    t.match(first, { properties: { key: 1, label: 'Lều', yes: true, more: { a: [1] } }, groundZ: 3, height: 9 })
    t.equal(first!.solid!.length, 5)
    t.match(second, { properties: { whole: 2 ** 53 - 1, label: 'Nhà có sân\ttrong ^' }, groundZ: 4, height: 10.5 })
    t.equal(second!.solid!.length, 2 + 4 + 4 + 2 + 4, 'a floor and a roof with a hole, walls outside and in; a plain block')
    t.equal(third!.height, undefined)
    // The reader makes the footprint from the faces: same area to the rounding of a millimetre.
    const area = (await sql<{ n: number }>`select st_area(st_transform(geom, 5899)) as n from ${sql.id('city', odd.id)} where key = 2`.execute(store.db)).rows[0]!.n
    const wkt = `MULTIPOLYGON(${(second!.geometry!.coordinates as number[][][][]).map(p => `(${p.map(r => `(${r.map(c => `${c[0]} ${c[1]}`).join(',')})`).join(',')})`).join(',')})`
    t.ok(Math.abs(await measured(wkt, 'st_area($)') - area) < 0.05, 'the footprint has its area')
  }

  const drawing = await readBack(await exported(store, folder, 'dxf', [odd.id], { crs: 'EPSG:4326' }))
  const outlines = drawing.filter(({ geometry }) => /Polygon$/.test(geometry!.type))
  t.equal(outlines.length, 5, 'each ring is an outline: three outer ones, a hole, a part')
  t.ok(outlines.some(({ geometry }) => JSON.stringify((geometry!.coordinates as number[][][])[0]!.map(([a, b]) => [a, b])).includes(JSON.stringify([x + d, y + d]))), 'with every digit')
  t.ok(JSON.stringify(drawing).includes('Lều'), 'labels are Unicode again')
})

t.test('a projected CRS, several layers in one file, an empty layer', async t => {
  const store = await testStore(t, { layers: LAYERS })
  const folder = t.testdir()
  await put(store, LAYERS[0]!, [{ geometry: { type: 'Point', coordinates: [108.2, 16.05] }, properties: { label: 'Chợ' } }])
  const { rows: [metric] } = await sql<{ x: number; y: number }>`select st_x(p) as x, st_y(p) as y from (select st_transform(geom, 5899) as p from city.odd_point) as q`.execute(store.db)
  for (const format of ['geojson', 'gpkg', 'flatgeobuf', 'geoparquet', 'csv'] as const) {
    const path = await exported(store, folder, format, ['odd_point'], { crs: 'EPSG:5899' })
    const opened = await openAny(path)
    if (opened.kind !== 'features') return t.fail('no features')
    const [from] = opened.source.layers
    t.equal(from!.srid, 5899, `${format} says its CRS`)
    for await (const { geometry } of from!.features()) t.strictSame((geometry!.coordinates as number[]).slice(0, 2), [metric!.x, metric!.y], format)
    await opened.source.close()
  }
  for (const format of FORMAT_IDS) {
    const empty = await exported(store, folder, format, ['odd_line'])
    if (['geojson', 'gpkg', 'flatgeobuf', 'geoparquet', 'cityjson'].includes(format)) t.strictSame(await readBack(empty).catch((error: Error) => error.message), [], `${format}: an empty layer is a file with nothing in it`)
  }
  const several = await openAny(await exported(store, folder, 'gpkg', ['odd_point', 'odd_line']))
  t.strictSame(several.kind === 'features' && several.source.layers.map(({ name, count }) => [name, count]), [['odd_point', 1], ['odd_line', 0]])
  if (several.kind === 'features') await several.source.close()
})

const ogr = (() => { try { return execFileSync('ogrinfo', ['--version'], { encoding: 'utf8' }) } catch { return undefined } })()
t.test('GDAL opens what we write, and finds by index', { skip: ogr ? false : 'ogrinfo is not installed' }, async t => {
  const store = await testStore(t, { layers: LAYERS })
  const folder = t.testdir()
  const grid = Array.from({ length: 4000 }, (_, i) => ({ geometry: { type: 'Point', coordinates: [108 + (i % 80) / 100, 16 + Math.floor(i / 80) / 100] }, properties: { label: `Nhà ${i}` } }))
  await put(store, LAYERS[0]!, grid)
  for (const format of ['geojson', 'gpkg', 'flatgeobuf', 'csv', 'kml', 'dxf'] as const) {
    const path = await exported(store, folder, format, ['odd_point'])
    const info = execFileSync('ogrinfo', ['-so', '-al', ...(format === 'csv' ? ['-oo', 'GEOM_POSSIBLE_NAMES=wkt'] : []), path], { encoding: 'utf8' })
    t.match(info, format === 'dxf' ? /Feature Count: 8000/ : /Feature Count: 4000/, format)
    if (format !== 'gpkg' && format !== 'flatgeobuf') continue
    const found = execFileSync('ogrinfo', ['-al', '-geom=NO', '-spat', '108.095', '16.095', '108.125', '16.115', path], { encoding: 'utf8' })
    t.equal(found.match(/OGRFeature/g)?.length, 6, `${format} answers a box by its index`)
  }
  t.ok(FORMATS.gpkg.severalLayers)
})
