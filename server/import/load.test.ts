import t from 'tap'
import { sql } from 'kysely'
import type { Feature, FeatureStream } from '../../core/feature.js'
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import type { Layer } from '../../layers/layer.js'
import { testStore } from '../testing/test-store.js'
import { coerce, rowChecker } from './check.js'
import { loadFeatures, type LoadOptions, type Reject } from './load.js'

const base = { description: { vi: '', en: '' }, group: 'published', kind: 'city', style: {}, zoom: { min: 0, max: 16 }, classification: 'open', licence: 'CC0-1.0' } as const
const title = (text: string) => ({ vi: text, en: text })
const spots: Layer = {
  ...base, id: 'spots', title: title('Spots'), geometry: 'point',
  columns: [
    { name: 'name', type: 'text', title: title('Name'), required: true, maxLength: 12 },
    { name: 'level', type: 'number', title: title('Level'), min: 0, max: 100 },
    { name: 'kind', type: 'text', title: title('Kind'), codes: { a: title('A'), b: title('B') } },
    // A column may be called what the loader calls its own things.
    { name: 'content', type: 'text', title: title('Content') }, { name: 'row_no', type: 'integer', title: title('Row') },
  ],
  rules: [{ id: 'named_high', severity: 'error', title: title('High spots are called peak'), reads: ['level', 'name'], holds: row => Number(row.level ?? 0) < 90 || row.name === 'peak' }],
}
const lots: Layer = { ...base, id: 'lots', title: title('Lots'), geometry: 'polygon', surveyed: { srid: 5899 }, columns: [{ name: 'no', type: 'integer', title: title('No.') }] }
const houses: Layer = { ...base, id: 'houses', title: title('Houses'), geometry: 'polygon', threeD: { form: 'extrude' }, columns: [{ name: 'facts', type: 'json', title: title('Facts') }] }
const layers = [spots, lots, houses]

const stream = (layer: string, features: readonly Feature[], srid = 4326): FeatureStream => ({
  layer, srid, source: 'test', features: (async function* () { yield* features })(),
})
const point = (x: number, y: number, properties: Record<string, unknown>, sourceId?: string): Feature =>
  ({ geometry: { type: 'Point', coordinates: [x, y] }, properties, ...(sourceId ? { sourceId } : {}) })
const polygon = (...rings: number[][][]): GeoJsonGeometry => ({ type: 'Polygon', coordinates: rings })
const by = { actor: 'tester', reason: 'test' }
const square = [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]

t.test('values become the column’s type or say what was wanted', async t => {
  const as = (type: Parameters<typeof coerce>[1]['type'], value: unknown) => coerce(value, { type })
  t.equal(as('text', 'Đà Nẵng'.normalize('NFD')), 'Đà Nẵng')
  t.equal(as('text', ' a\0b '), 'ab')
  t.equal(as('number', '3,5'), 3.5)
  t.equal(as('integer', '12'), 12)
  t.equal(as('date', '31/12/2024'), '2024-12-31')
  t.equal(as('date', '2024-02-29T10:00:00Z'), '2024-02-29')
  t.equal(as('timestamp', '2024-01-01 00:00'), '2024-01-01T00:00:00.000Z')
  t.equal(as('timestamp', '2024-01-01T07:00:00+07:00'), '2024-01-01T00:00:00.000Z')
  t.equal(as('boolean', 'có'), true)
  t.strictSame(as('json', '{"a":1}'), { a: 1 })
  t.equal(as('number', ''), null)
  t.throws(() => as('integer', 1.5), { message: /whole number.*1\.5/ })
  t.throws(() => as('date', '31/02/2024'), { message: /wanted a date/ })
  t.throws(() => as('number', 'tall'), { message: /wanted a number, got “tall”/ })
})

t.test('rows are checked against columns, codes and rules', async t => {
  const check = rowChecker(spots)
  const reason = (row: Record<string, unknown>) => { const result = check(row); return result.ok ? result.warnings : result.reason }
  t.strictSame(reason({ name: 'x', level: 1, kind: 'a' }), [])
  t.strictSame(reason({ name: 'x', kind: 'z' }), ['kind: code “z” is not in the code list'])
  t.equal(reason({}), 'name: a value is required')
  t.equal(reason({ name: 'x', level: 101 }), 'level: 101 is above 100')
  t.equal(reason({ name: 'a name far too long' }), 'name: longer than 12 characters')
  t.equal(reason({ name: 'x', level: 95 }), 'named_high: High spots are called peak')
  t.match(reason({ name: 'x', 'Độ mật': 'Tuyệt mật' }), /secret data is never stored/)
})

t.test('the store', async t => {
  const store = await testStore(t, { layers })
  const rejects: Reject[] = []
  const load = (streams: FeatureStream[], options: Partial<LoadOptions> = {}) => {
    rejects.length = 0
    return loadFeatures(store, streams, { ...by, onReject: reject => rejects.push(reject), ...options })
  }
  const rows = async (layer: string, columns = 'name') =>
    (await sql<Record<string, unknown>>`select ${sql.raw(columns)} from ${sql.id('city', layer)} order by id`.execute(store.db)).rows
  const ids = async (layer: string) => Object.fromEntries((await rows(layer, 'source_id, id')).map(r => [r.source_id, r.id]))

  await t.test('bad rows are rejected with row and reason, the rest lands in one revision', async t => {
    const report = await load([stream('spots', [
      point(108, 16, { name: 'one', content: 'tab\tline\nback\\slash', row_no: 7 }), point(108.1, 16, {}), point(200, 16, { name: 'far' }),
      { geometry: null, properties: { name: 'nowhere' } }, { geometry: { type: 'LineString', coordinates: [[0, 0], [1, 1]] }, properties: { name: 'line' } },
      { geometry: { type: 'MultiPoint', coordinates: [[1, 2]] }, properties: { name: 'single' } }, { geometry: { type: 'MultiPoint', coordinates: [[1, 2], [3, 4]] }, properties: { name: 'two' } },
      { geometry: { type: 'Point', coordinates: [] }, properties: { name: 'empty' } }, { geometry: { type: 'Circle', coordinates: [] }, properties: { name: 'odd' } },
      { geometry: null, fault: 'CircularString: curves are not supported', properties: { name: 'curve' } },
    ])], { maxRejects: 0.9 })
    t.match(report, { read: 10, inserted: 2, rejected: 8, repaired: 0, layers: { spots: 2 } })
    t.strictSame(await rows('spots', 'name, content, row_no, revision, ST_AsText(geom) as geom'), [
      { name: 'one', content: 'tab\tline\nback\\slash', row_no: 7, revision: report.revision, geom: 'POINT(108 16)' },
      { name: 'single', content: null, row_no: null, revision: report.revision, geom: 'POINT(1 2)' },
    ], 'values come back as written')
    t.strictSame(rejects.map(({ row, reason }) => [row, reason]).sort((a, b) => Number(a[0]) - Number(b[0])), [
      [2, 'name: a value is required'], [3, 'outside the CRS: 200, 16 cannot be EPSG:4326: wrong --crs?'], [4, 'no geometry'], [5, 'wanted points, got LineString'],
      [7, 'several points in one feature'], [8, 'empty geometry'], [9, 'unknown geometry type “Circle”'], [10, 'CircularString: curves are not supported'],
    ])
  })

  await t.test('more rejects than allowed land nothing', async t => {
    const before = await rows('spots')
    await t.rejects(load([stream('spots', [point(1, 1, { name: 'good' }), point(1, 1, {})])]), { status: 422, message: /1 of 2 rows were rejected, more than 5 %.*name: a value is required/ })
    t.strictSame(await rows('spots'), before)
  })

  await t.test('what is safely repairable is repaired, the rest rejected', async t => {
    const report = await load([stream('houses', [
      { geometry: polygon(square.slice(0, 4)), properties: { name: 'open ring' } },
      { geometry: polygon([[0, 0], [2, 0], [2, 2], [1, 0], [0, 2], [0, 0]]), properties: { facts: { a: ['touches itself'] } } },
      { geometry: polygon([[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]), properties: { name: 'bow tie' } },
      { geometry: polygon([[0, 0], [1, 1], [2, 2], [0, 0]]), properties: { name: 'no area' } },
      { geometry: polygon([[0, 0], [1, 1]]), properties: { name: 'two points' } },
      { geometry: { type: 'GeometryCollection', geometries: [polygon(square), { type: 'Point', coordinates: [5, 5] }] }, properties: {} },
    ])], { maxRejects: 1 })
    t.match(report, { inserted: 3, repaired: 2, rejected: 3 })
    t.strictSame(await rows('houses', 'ST_IsValid(geom) as valid, ST_GeometryType(geom) as type, facts'), [
      { valid: true, type: 'ST_MultiPolygon', facts: null }, { valid: true, type: 'ST_MultiPolygon', facts: { a: ['touches itself'] } }, { valid: true, type: 'ST_MultiPolygon', facts: null },
    ])
    t.match(rejects.map(r => r.reason), ['a ring of 2 points', /repair would change the area/, /cannot be repaired/])
  })

  await t.test('surveyed layers keep the geometry as delivered; solids keep their heights', async t => {
    const lot = [[550000, 1775000], [550020, 1775000], [550020, 1775030], [550000, 1775030], [550000, 1775000]]
    const box = [[[[0, 0, 2], [1, 0, 2], [1, 1, 2], [0, 0, 2]]], [[[0, 0, 8], [1, 1, 8], [1, 0, 8], [0, 0, 8]]]].map(face => face.map(ring => ring.map(([x, y, z]) => [550000 + x! * 10, 1775000 + y! * 10, z!])))
    await load([
      stream('lots', [{ geometry: polygon(lot), properties: { no: 1 } }], 5899),
      stream('houses', [{ geometry: polygon(lot), properties: {}, solid: box, groundZ: 2, height: 6, sourceId: 'solid' }], 5899),
    ])
    const [row] = await rows('lots', `ST_AsText(geom_native) as native, ST_AsText(geom, 6) as geom,
      (select max(abs(ST_X(p.geom) - ST_X(q.geom)) + abs(ST_Y(p.geom) - ST_Y(q.geom))) from ST_DumpPoints(geom_native) p join ST_DumpPoints(ST_Transform(geom, 5899)) q using (path)) as off`)
    t.equal(row!.native, 'MULTIPOLYGON(((550000 1775000,550020 1775000,550020 1775030,550000 1775030,550000 1775000)))')
    t.match(row!.geom, /^MULTIPOLYGON\(\(\(108\.219118 16\.048479,/, 'the pinned datum shift')
    t.ok(Number(row!.off) < 0.001, '5899 → 4326 → 5899 within 1 mm')
    const solid = (await rows('houses', `ground_z, height, ST_ZMin(solid) as low, ST_ZMax(solid) as high, source_id`)).find(r => r.source_id === 'solid')!
    t.match(solid, { ground_z: 2, height: 6, low: 2, high: 8 })
    t.strictSame(rejects, [])
  })

  await t.test('a wrong CRS is told', async t => {
    await t.rejects(load([stream('spots', [point(108, 16, { name: 'x' })], 5899)]), { status: 400, message: /look like degrees, but EPSG:5899 is in metres/ })
    await t.rejects(load([stream('spots', [point(550000, 1775000, { name: 'x' })])]), { status: 422, message: /outside the CRS/ })
    await t.rejects(load([stream('spots', [point(9e8, 9e8, { name: 'x' })], 5899)]), { status: 422, message: /outside the CRS/ })
    await t.rejects(load([stream('spots', [], 999999)]), { status: 400, message: /does not know EPSG:999999/ })
    await t.rejects(load([stream('nothing', [])]), { message: /nothing/ })
  })

  await t.test('replacing a source updates, adds and retires its rows in one revision and keeps ids', async t => {
    const as = (names: Record<string, string>) => [stream('spots', Object.entries(names).map(([id, name]) => point(10, 10, { name }, id)))]
    const first = await load(as({ a: 'A', b: 'B', c: 'C' }), { replaceSource: 'test' })
    t.match(first, { inserted: 3, deleted: 2 }, 'the rows of before, of the same source, had other identities')
    const before = await ids('spots')
    const again = await load(as({ a: 'A', b: 'B', c: 'C' }), { replaceSource: 'test' })
    t.match(again, { inserted: 0, updated: 0, unchanged: 3, deleted: 0, revision: 0 })
    const second = await load(as({ a: 'A', b: 'B2', d: 'D' }), { replaceSource: 'test' })
    t.match(second, { inserted: 1, updated: 1, unchanged: 1, deleted: 1 })
    const after = await ids('spots')
    t.strictSame([after.a, after.b, Object.keys(after)], [before.a, before.b, ['a', 'b', 'd']])
    t.strictSame(await rows('spots', 'name, revision'), [
      { name: 'A', revision: first.revision }, { name: 'B2', revision: second.revision }, { name: 'D', revision: second.revision },
    ])
    await load(as({ a: 'A', b: 'twice' }).concat(stream('spots', [point(1, 1, { name: 'twin' }, 'b')])), { replaceSource: 'test', maxRejects: 1 })
    t.match(rejects, [{ reason: 'the source id b came before in this file' }])
  })

  await t.test('features without a source id are matched by content, twins too', async t => {
    const anonymous = (...names: string[]) => [{ ...stream('spots', names.map(name => point(20, 20, { name }))), source: 'anon' }]
    await load(anonymous('x', 'x', 'y'), { replaceSource: 'anon' })
    t.match(await load(anonymous('x', 'x', 'y'), { replaceSource: 'anon' }), { unchanged: 3, revision: 0 })
    t.match(await load(anonymous('x', 'z', 'y'), { replaceSource: 'anon' }), { unchanged: 2, inserted: 1, deleted: 1 })
  })

  await t.test('an abort, a failing reader or a killed database session land nothing and leave no staging behind', async t => {
    const before = await rows('spots')
    const endless = (each: (n: number) => Promise<void> | void): FeatureStream => ({
      layer: 'spots', srid: 4326, source: 'test', features: (async function* () { for (let n = 0; ; n++) { await each(n); yield point(1, 1, { name: `p${n}` }) } })(),
    })
    const stop = new AbortController()
    await t.rejects(load([endless(n => { if (n === 2500) stop.abort() })], { signal: stop.signal }), { name: 'AbortError' })
    await t.rejects(load([endless(n => { if (n === 2500) throw new Error('disk on fire') })]), { message: 'disk on fire' })
    const kill = () => sql`select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and query like 'copy stage_%' and datname = current_database()`.execute(store.db)
    await t.rejects(load([endless(async n => { if (n === 20_000) await kill(); else if (n > 20_000 && n % 1000 === 0) await new Promise(resolve => setTimeout(resolve, 5)) })]))
    t.strictSame(await rows('spots'), before)
    // A session that was told to die takes a moment to clear up after itself.
    const staging = async () => (await sql<{ relname: string }>`select relname from pg_class where relname ~ '^(stage|checked|match)_[0-9]'`.execute(store.db)).rows
    for (let i = 0; i < 50 && (await staging()).length; i++) await new Promise(resolve => setTimeout(resolve, 100))
    t.strictSame(await staging(), [])
  })
})
