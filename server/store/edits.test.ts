/** Edits through the store's one door for writers: checked, locked, whole or not at all. */
import t from 'tap'
import { sql } from 'kysely'
import type { Layer } from '../../layers/layer.js'
import { Problem } from '../errors.js'
import { applyEdits, type Edit } from './edits.js'
import { exampleStore, LOTS, WELLS, WET_LOTS } from './example-store.js'
import { testStore } from '../testing/test-store.js'
import { STEWARD, type Branch, type Row, type Store } from './store.js'

const BY = { actor: 'me', reason: 'test' }
const point = (lon: number, lat = 16) => ({ type: 'Point', coordinates: [lon, lat] })
const square = (lon: number, lat: number, size = 0.001) => ({ type: 'Polygon', coordinates: [[[lon, lat], [lon + size, lat], [lon + size, lat + size], [lon, lat + size], [lon, lat]]] })
const well = (name: string, lon = 108): Edit => ({ action: 'create', layer: WELLS, feature: { geometry: point(lon), properties: { name } } })
const newBranch = async (store: Store) => (await sql<{ id: string }>`insert into dothi.branches default values returning id`.execute(store.db)).rows[0]!.id
const rows = async (store: Store, layer: Layer, branch: Branch = 'main'): Promise<Row[]> =>
  (await (await store.view({ layer, branch, asOf: 'now', reader: STEWARD })).execute()).sort((a, b) => (a.id as number) - (b.id as number))
const problem = (status: number, more = {}) => ({ name: 'Problem', status, ...more })
const revisions = async (store: Store) => (await sql<{ n: number }>`select count(*) as n from dothi.revisions`.execute(store.db)).rows[0]!.n
const caught = (work: Promise<unknown>): Promise<Problem> => work.then(() => { throw new Error('nothing was thrown') }, error => error as Problem)

t.test('create, replace, update, delete: one revision each, none where nothing changes', async t => {
  const store = await exampleStore(t)
  const made = await applyEdits(store, BY, [well('a'), well('b', 108.1)])
  t.equal(made.revision?.revision, 1)
  const [a, b] = made.ids as [number, number]
  t.equal(b, a + 1)
  const edits: Edit[] = [
    { action: 'update', layer: WELLS, id: a, feature: { properties: { depth: 3.5, dug: '1999-12-31', seen: '2025-01-01T07:00:00+07:00', extra: { b: 1, a: [1] } } } },
    { action: 'replace', layer: WELLS, id: b, feature: { geometry: point(108.1), properties: { name: 'b2', open: true } } },
  ]
  t.equal((await applyEdits(store, BY, edits)).revision?.revision, 2)
  t.match(await rows(store, WELLS), [
    { id: a, name: 'a', depth: 3.5, dug: '1999-12-31', seen: new Date('2025-01-01T00:00:00Z'), extra: { a: [1], b: 1 }, revision: 2 },
    { id: b, name: 'b2', open: true, depth: null, revision: 2 },
  ])
  t.strictSame(await applyEdits(store, BY, [...edits].reverse()), { revision: null, ids: [b, a] })
  t.equal(await revisions(store), 2)

  await applyEdits(store, BY, [{ action: 'delete', layer: WELLS, id: a }, { action: 'update', layer: WELLS, id: b, feature: { properties: { name: 'b3' } } }, { action: 'update', layer: WELLS, id: b, feature: { properties: { depth: 1 } } }])
  t.match(await rows(store, WELLS), [{ id: b, name: 'b3', depth: 1, revision: 3 }])
  const { rows: changes } = await sql`select revision, inserted, updated, deleted from dothi.changes order by revision`.execute(store.db)
  t.match(changes, [{ inserted: 2 }, { updated: 2 }, { deleted: 1 }])
})

t.test('every fault is told with its path, and nothing is written', async t => {
  const store = await exampleStore(t)
  const { ids: [id] } = await applyEdits(store, BY, [well('a')])
  const error = await caught(applyEdits(store, BY, [{ action: 'update', layer: WELLS, id: id!, feature: { geometry: square(1, 1), properties: { depht: 1, depth: 'deep' } } }]))
  t.match(error, problem(422, { more: { faults: [{ path: '/geometry', detail: /takes Point/ }] } }))
  const two = await caught(applyEdits(store, BY, [{ action: 'update', layer: WELLS, id: id!, feature: { properties: { depht: 1, depth: 'deep', dug: '2025-02-31' } } }]))
  t.strictSame(two.more.faults, [
    { path: '/properties/depht', detail: '“wells” has no property “depht”. Did you mean “depth”?' },
    { path: '/properties/depth', detail: 'wanted number, got deep' },
    { path: '/properties/dug', detail: 'wanted a date (YYYY-MM-DD), got “2025-02-31”' },
  ])
  const bowTie = { type: 'Polygon', coordinates: [[[108, 16], [108.1, 16.1], [108.1, 16], [108, 16.1], [108, 16]]] }
  const batch = await caught(applyEdits(store, BY, [
    well('fine'),
    { action: 'create', layer: LOTS, feature: { geometry: bowTie, properties: { code: 'x' } } },
    { action: 'create', layer: LOTS, feature: { geometry: square(200, 16), properties: {} } },
    { action: 'update', layer: WELLS, id: 77, feature: {} },
    { action: 'delete', layer: WELLS, id: id!, ifMatch: 9 },
    { action: 'create', layer: LOTS, feature: { geometry: square(108, 16), properties: { code: 'x', 'Độ mật': 'Tối mật' } } },
  ]))
  t.equal(batch.status, 422)
  t.match(batch.more.faults, [
    { index: 1, status: 422, detail: /Self-intersection/ },
    { index: 2, status: 422, faults: [{ path: '/geometry', detail: /beyond/ }, { path: '/properties/code', detail: 'a value is required' }] },
    { index: 3, status: 404 }, { index: 4, status: 412, revision: 1 }, { index: 5, status: 422, detail: /never stored/ },
  ])
  await t.rejects(applyEdits(store, BY, [{ action: 'create', layer: LOTS, feature: { geometry: { ...square(1e7, 1e9, 1e7) }, srid: 5899, properties: { code: 'x' } } }]), problem(422))
  await t.rejects(applyEdits(store, BY, [{ action: 'create', layer: WET_LOTS, feature: {} }]), problem(405))
  t.equal(await revisions(store), 1)
  t.equal((await rows(store, WELLS)).length, 1)
})

t.test('a column may be called as statements call things of their own', async t => {
  const names = ['n', 'e', 'c', 'g', 'f', 'r', 'm', 'record', 'shape', 'same']
  const odd: Layer = { ...WELLS, id: 'odd', label: 'n', searchable: ['n'], columns: names.map(name => ({ name, type: 'text', title: { vi: name, en: name } })) }
  const store = await testStore(t, { layers: [odd] })
  const properties = (mark: string) => Object.fromEntries(names.map(name => [name, `${name}${mark}`]))
  const { ids: [id] } = await applyEdits(store, BY, [{ action: 'create', layer: odd, feature: { geometry: point(108), properties: properties('1') } }])
  await applyEdits(store, BY, [{ action: 'update', layer: odd, id: id!, feature: { geometry: point(108.1), properties: { n: 'n2' } } }])
  t.match(await rows(store, odd), [{ ...properties('1'), n: 'n2' }])
  await applyEdits(store, BY, [{ action: 'delete', layer: odd, id: id! }])
  t.strictSame(await rows(store, odd), [])
})

t.test('locking by revision and by time', async t => {
  const store = await exampleStore(t)
  const { ids: [id], revision } = await applyEdits(store, BY, [well('a')])
  const update = (depth: number, lock: object) => applyEdits(store, BY, [{ action: 'update', layer: WELLS, id: id!, feature: { properties: { depth } }, ...lock }])
  t.equal((await update(1, { ifMatch: 1 })).revision?.revision, 2)
  await t.rejects(update(2, { ifMatch: 1 }), problem(412, { more: { revision: 2 } }))
  await t.rejects(update(2, { ifUnmodifiedSince: new Date(revision!.at.getTime() - 5000) }), problem(412))
  t.equal((await update(2, { ifUnmodifiedSince: new Date() })).revision?.revision, 3)
})

t.test('geometry: as delivered in the layer\'s own CRS, unmoved when written back as it was served, no solid of a former shape', async t => {
  const store = await exampleStore(t)
  const faces = [[[[108, 16, 0], [108.001, 16, 0], [108.001, 16.001, 0], [108, 16, 0]]]]
  const native = { type: 'Polygon', coordinates: [[[550000.1234, 1770000], [550010, 1770000], [550010, 1770010], [550000.1234, 1770000]]] }
  const { ids: [id] } = await applyEdits(store, BY, [{ action: 'create', layer: LOTS, feature: { geometry: native, srid: 5899, solid: faces, groundZ: 2, height: 9, properties: { code: 'x' } } }])
  const shape = async () => (await sql<Record<string, string>>`select st_asgeojson(geom, 7) as geom, st_asgeojson(geom, 15) as exact, st_asgeojson(geom_native, 4, 0) as native, solid is not null as solid, height from city.lots`.execute(store.db)).rows[0]!
  const before = await shape()
  t.strictSame(JSON.parse(before.native!).coordinates[0], native.coordinates)
  t.match(before, { solid: true, height: 9 })
  t.equal((await applyEdits(store, BY, [{ action: 'replace', layer: LOTS, id: id!, feature: { geometry: JSON.parse(before.geom!), properties: { code: 'y' } } }])).revision?.revision, 2)
  t.strictSame(await shape(), before, 'seven places and back')
  await applyEdits(store, BY, [{ action: 'update', layer: LOTS, id: id!, feature: { geometry: square(108, 16) } }])
  t.match(await shape(), { solid: false, height: 9, geom: JSON.stringify({ type: 'MultiPolygon', coordinates: [square(108, 16).coordinates] }) })
  const exact = (await sql<{ geom: string; native: string }>`select geom::text, geom_native::text as native from city.lots`.execute(store.db)).rows[0]!
  await applyEdits(store, BY, [{ action: 'delete', layer: LOTS, id: id! }])
  await applyEdits(store, BY, [{ action: 'create', layer: LOTS, id: id!, objectid: 1, feature: { stored: { geom: exact.geom, geomNative: exact.native }, properties: { code: 'y' } } }])
  t.match((await sql`select id, objectid, geom::text, geom_native::text as native from city.lots`.execute(store.db)).rows, [{ id, objectid: 1, ...exact }])
  t.strictSame(await applyEdits(store, BY, [{ action: 'update', layer: LOTS, id: id!, feature: { stored: { geom: exact.geom, geomNative: exact.native } } }]), { revision: null, ids: [id] })
})

t.test('an id that comes along is kept, is not taken twice, and is not given out again', async t => {
  const store = await exampleStore(t)
  const { ids: [id] } = await applyEdits(store, BY, [well('a')])
  const create = (edit: object) => applyEdits(store, BY, [{ ...well('again'), ...edit } as Edit])
  await t.rejects(create({ id }), problem(409, { more: { revision: 1 } }))
  await create({ id: id! + 5, objectid: 40 })
  await create({ id: 2 ** 40 * 8191 + 3, objectid: 40 })
  const { ids: [next] } = await applyEdits(store, BY, [well('next')])
  t.equal(next, id! + 6)
  t.strictSame((await sql<{ objectid: number }>`select objectid from city.wells order by objectid`.execute(store.db)).rows.map(row => row.objectid), [1, 40, 41, 42])
})

t.test('on a branch: overlays of whole rows, removals, and bringing back what the branch removed', async t => {
  const store = await exampleStore(t)
  const { ids: [a, b] } = await applyEdits(store, BY, [well('a'), well('b')]) as unknown as { ids: [number, number] }
  const branch = await newBranch(store)
  const on = { ...BY, branch }
  const { ids: [, , c] } = await applyEdits(store, on, [
    { action: 'update', layer: WELLS, id: a, feature: { properties: { depth: 5 } } }, { action: 'delete', layer: WELLS, id: b }, well('c'),
    { action: 'update', layer: WELLS, id: a, feature: { properties: { name: 'a2' } } },
  ])
  t.match(await rows(store, WELLS, branch), [{ id: a, name: 'a2', depth: 5, revision: 2 }, { id: c, name: 'c' }])
  t.match((await sql`select count(*) as n from branch.wells where retired_revision is not null`.execute(store.db)).rows, [{ n: 0 }], 'what a revision replaced itself is no version')
  t.strictSame(await applyEdits(store, on, [{ action: 'update', layer: WELLS, id: a, feature: { properties: { name: 'a2' } } }]), { revision: null, ids: [a] })
  await t.rejects(applyEdits(store, on, [{ action: 'delete', layer: WELLS, id: b }]), problem(404))
  await t.rejects(applyEdits(store, on, [{ action: 'update', layer: WELLS, id: a, feature: { properties: { depth: 6 } }, ifMatch: 1 }]), problem(412))
  await applyEdits(store, on, [{ ...well('b is back'), id: b } as Edit, { action: 'update', layer: WELLS, id: a, feature: { properties: { depth: null } }, ifMatch: 2 }, { action: 'delete', layer: WELLS, id: c! }])
  t.match(await rows(store, WELLS, branch), [{ id: a, name: 'a2', depth: null }, { id: b, name: 'b is back' }])
  t.match(await rows(store, WELLS), [{ name: 'a', depth: null }, { name: 'b' }])
})
