import t from 'tap'
import fc from 'fast-check'
import { sql } from 'kysely'
import type { Feature, FeatureStream } from '../../core/feature.js'
import type { Column, Layer } from '../../layers/layer.js'
import { testStore } from '../testing/test-store.js'
import { soundBytes } from './ewkb.js'
import { loadFeatures, type Reject } from './load.js'

const title = (text: string) => ({ vi: text, en: text })
const column = (name: string, type: Column['type']): Column => ({ name, type, title: title(name) })
const shape = (id: string, geometry: Layer['geometry']): Layer => ({
  id, title: title(id), description: title(''), group: 'published', kind: 'city', geometry, style: {}, zoom: { min: 0, max: 16 }, classification: 'open', licence: 'CC0-1.0',
  ...(geometry === 'polygon' ? { threeD: { form: 'extrude' as const } } : {}),
  columns: [column('words', 'text'), column('n', 'integer'), column('x', 'number'), column('yes', 'boolean'), column('day', 'date'), column('at', 'timestamp'), column('facts', 'json'), column('empty', 'text')],
})
const kinds = ['point', 'line', 'polygon', 'any'] as const
const layers = kinds.flatMap(kind => [shape(`staged_${kind}`, kind), shape(`passed_${kind}`, kind)])

const coordinate = fc.tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 12 })).map(([x, y]) => [108 + x / 4, 16 + y / 4])
const ring = fc.array(coordinate, { minLength: 3, maxLength: 7 }).map(points => [...points, points[0]!])
const geometry = fc.oneof(
  coordinate.map(coordinates => ({ type: 'Point', coordinates })),
  fc.array(coordinate, { minLength: 2, maxLength: 5 }).map(coordinates => ({ type: 'LineString', coordinates })),
  fc.array(fc.array(coordinate, { minLength: 2, maxLength: 4 }), { minLength: 1, maxLength: 3 }).map(coordinates => ({ type: 'MultiLineString', coordinates })),
  fc.array(ring, { minLength: 1, maxLength: 3 }).map(coordinates => ({ type: 'Polygon', coordinates })),
  // A frame with a hole that may lie inside, beside or across it.
  ring.map(hole => ({ type: 'Polygon', coordinates: [[[107, 15], [112, 15], [112, 20], [107, 20], [107, 15]], hole] })),
  fc.array(fc.array(ring, { minLength: 1, maxLength: 2 }), { minLength: 1, maxLength: 3 }).map(coordinates => ({ type: 'MultiPolygon', coordinates })),
)
const text = fc.option(fc.string({ unit: 'binary', maxLength: 20 }), { nil: null })
const properties = fc.record({
  words: text, n: fc.option(fc.maxSafeInteger(), { nil: null }), x: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }), { nil: null }), yes: fc.option(fc.boolean(), { nil: null }),
  day: fc.option(fc.date({ min: new Date('1800-01-01'), max: new Date('2200-01-01'), noInvalidDate: true }).map(d => d.toISOString().slice(0, 10)), { nil: null }),
  at: fc.option(fc.date({ min: new Date('1800-01-01'), max: new Date('2200-01-01'), noInvalidDate: true }).map(d => d.toISOString()), { nil: null }), facts: fc.option(fc.jsonValue(), { nil: null }),
})
const face = [[[108, 16, 2], [108.1, 16, 2], [108.1, 16.1, 2], [108, 16, 2]]]
// Some solids can be stored, some cannot: a coordinate that is none, a ring of two points.
const solid = fc.constantFrom(undefined, undefined, [face], [face, [[[108, 16, NaN], [NaN, 16, 2], [108, 16.1, 2], [108, 16, 2]]]], [[[[108, 16, 2], [108, 16, 2]]]])
const feature = fc.record({ geometry, properties, sourceId: text.map(id => id?.replaceAll('\0', '') || undefined), height: fc.constantFrom(undefined, 3.5), solid }) as fc.Arbitrary<Feature>

t.test('what is surely valid is valid for PostGIS', async t => {
  const store = await testStore(t, { layers: [] })
  let sure = 0
  let valid = 0
  const shapes = fc.sample(geometry, { numRuns: 3000, seed: 7 })
  const { rows: judged } = await sql<{ valid: boolean }>`
    select st_isvalid(st_geomfromgeojson(shape)) as valid from unnest(${shapes.map(shape => JSON.stringify(shape))}::text[]) with ordinality s(shape, n) order by n`.execute(store.db)
  for (const [i, shape] of shapes.entries()) {
    if (judged[i]!.valid) valid++
    if (!soundBytes(shape, { srid: 4326, geographic: true }, 'any')) continue
    sure++
    if (!judged[i]!.valid) t.fail(`called sure: ${JSON.stringify(shape)}`)
  }
  t.ok(sure > 0.8 * valid && sure <= valid, `${sure} of ${valid} valid shapes are told without the database`)
})

t.test('a first load in one pass lands the same rows as a staged one', async t => {
  const store = await testStore(t, { layers })
  const features = fc.sample(feature, { numRuns: 400, seed: 11 })
  const load = async (name: string, kind: string, exclusive: boolean) => {
    const rejects: Reject[] = []
    const streams: FeatureStream[] = [{ layer: `${name}_${kind}`, srid: 4326, source: 'test', features: (async function* () { yield* features })() }]
    const report = await loadFeatures(store, streams, { actor: 'tester', reason: 'test', maxRejects: 1, exclusive, onReject: reject => rejects.push(reject) })
    return { report, rejects: rejects.map(({ row, reason }) => `${row} ${reason}`).sort() }
  }
  for (const kind of kinds) {
    const staged = await load('staged', kind, false)
    const passed = await load('passed', kind, true)
    t.ok(staged.report.inserted > 20, `${kind}: ${staged.report.inserted} of ${features.length} fit`)
    t.strictSame(passed.rejects, staged.rejects)
    t.match(passed.report, { inserted: staged.report.inserted, repaired: staged.report.repaired, rejected: staged.report.rejected, layers: { [`passed_${kind}`]: staged.report.inserted } })
    const columns = `source, source_id, st_asewkb(geom), st_asewkb(geom_3857), cell, words, n, x, yes, day, at, facts${kind === 'polygon' ? ', height, st_asewkb(solid)' : ''}`
    const { rows: [difference] } = await sql<{ n: number }>`select count(*)::int as n from (
      (select ${sql.raw(columns)} from ${sql.id('city', `staged_${kind}`)} except all select ${sql.raw(columns)} from ${sql.id('city', `passed_${kind}`)}) union all
      (select ${sql.raw(columns)} from ${sql.id('city', `passed_${kind}`)} except all select ${sql.raw(columns)} from ${sql.id('city', `staged_${kind}`)})) d`.execute(store.db)
    t.equal(difference!.n, 0, 'row for row')
    const shapeOf = async (name: string) => (await sql<{ d: string }>`select replace(indexdef, ${`${name}_`}, '') as d from pg_indexes where schemaname = 'city' and tablename = ${`${name}_${kind}`} order by 1`.execute(store.db)).rows
    t.strictSame(await shapeOf('passed'), await shapeOf('staged'), 'with all indexes')
    const { rows: [ids] } = await sql<{ ids: number; objects: number; rows: number }>`
      select count(distinct id)::int as ids, count(distinct objectid)::int as objects, count(*)::int as rows from ${sql.id('city', `passed_${kind}`)}`.execute(store.db)
    t.strictSame([ids!.ids, ids!.objects], [ids!.rows, ids!.rows])
    const summary = async (name: string) => { const { count, bbox } = await store.layerSummary(store.catalogue.get(`${name}_${kind}`)); return { count, bbox } }
    t.strictSame(await summary('passed'), await summary('staged'))
  }
  await t.test('too many rejects land nothing and leave the indexes', async t => {
    await store.withRevision({ actor: 'tester', reason: 'empty' }, ({ tx }) => sql`delete from city.passed_point`.execute(tx))
    const streams: FeatureStream[] = [{ layer: 'passed_point', srid: 4326, source: 'test', features: (async function* () { yield* features })() }]
    await t.rejects(loadFeatures(store, streams, { actor: 'tester', reason: 'test', exclusive: true }), { status: 422, message: /were rejected/ })
    t.equal((await sql`select from city.passed_point`.execute(store.db)).rows.length, 0)
    t.ok((await sql`select from pg_indexes where schemaname = 'city' and tablename = 'passed_point'`.execute(store.db)).rows.length > 3)
  })
})
