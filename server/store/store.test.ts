import { sql } from 'kysely'
import t from 'tap'
import type { Layer } from '../../layers/layer.js'
import { exampleStore, LOTS, WELLS, WET_LOTS } from './example-store.js'
import { PUBLIC, STEWARD, type Row, type Store, type ViewArgs } from './store.js'
import { deleteFeature, insertFeatures, replaceFeature, revertFeature, updateFeature } from './writes.js'

const BY = { actor: 'me', reason: 'test' }
const problem = (status: number, more: object = {}) => ({ status, ...more }) as unknown as Error
const point = (lon: number, lat: number) => ({ type: 'Point', coordinates: [lon, lat] })
const square = (lon: number, lat: number, d = 0.001) =>
  ({ type: 'Polygon', coordinates: [[[lon, lat], [lon + d, lat], [lon + d, lat + d], [lon, lat + d], [lon, lat]]] })

async function rows(store: Store, args: Partial<ViewArgs> = {}): Promise<Row[]> {
  const query = await store.view({ layer: WELLS, branch: 'main', asOf: 'now', reader: STEWARD, ...args })
  return query.orderBy('id').execute()
}
const names = async (store: Store, args: Partial<ViewArgs> = {}) => (await rows(store, args)).map(row => row.name)

const addWell = (store: Store, name: string, lon = 108.2, lat = 16.05) =>
  store.withRevision(BY, async writer => (await insertFeatures(writer, WELLS, 'main', [{ geometry: point(lon, lat), properties: { name } }]))[0]!)
const changesOf = async (store: Store, revision: number) =>
  (await sql<Row>`select layer, branch, inserted, updated, deleted, bbox, cells from dothi.changes where revision = ${revision} order by layer, branch`.execute(store.db)).rows

t.test('revisions have no gaps and their order is the order of commit, whoever writes at once', async t => {
  const store = await exampleStore(t)
  const heard: number[] = []
  store.onRevision(revision => heard.push(revision))
  const committed: number[] = []
  await Promise.all(Array.from({ length: 12 }, async (_, i) => {
    const write = store.withRevision(BY, async writer => {
      await insertFeatures(writer, WELLS, 'main', [{ geometry: point(108, 16), properties: { name: `w${i}` } }])
      if (i % 4 === 3) throw new Error('no')
      return i
    })
    await write.then(({ revision }) => committed.push(revision.revision), () => {})
  }))
  t.strictSame([...committed].sort((a, b) => a - b), [1, 2, 3, 4, 5, 6, 7, 8, 9])
  const { rows: log } = await sql<{ revision: number; at: Date }>`select revision, at from dothi.revisions order by revision`.execute(store.db)
  t.strictSame(log.map(row => row.revision), [1, 2, 3, 4, 5, 6, 7, 8, 9])
  t.ok(log.every((row, i) => i === 0 || row.at > log[i - 1]!.at), 'times ascend')
  t.equal((await rows(store)).length, 9)
  await until(() => heard.length === 9)
  t.strictSame(heard, [1, 2, 3, 4, 5, 6, 7, 8, 9], 'everyone is told, in order')
})

t.test('many writers wait for each other, and none for a connection', async t => {
  const store = await exampleStore(t)
  const { db } = store
  const asks = () => sql`select 1`.execute(db)
  await Promise.all(Array.from({ length: 20 }, () => store.withRevision(BY, () => Promise.all([asks(), asks(), asks()]), async () => { await asks() })))
  t.equal((await sql`select * from dothi.revisions`.execute(db)).rows.length, 20)
})

t.test('what fails inside a revision leaves nothing, not even a number', async t => {
  const store = await exampleStore(t)
  await t.rejects(store.withRevision(BY, async writer => {
    await insertFeatures(writer, WELLS, 'main', [{ geometry: point(108, 16), properties: { name: 'ghost' } }])
    throw new Error('power cut')
  }), /power cut/)
  await t.rejects(store.withRevision(BY, async () => 1, async tx => { await sql`select 1 / 0`.execute(tx) }), /division by zero/)
  await t.rejects(store.withRevision(BY, async ({ tx }) => {
    await sql`insert into city.wells (geom) values (st_setsrid(st_makepoint(108, 16), 4326))`.execute(tx)
    // As `kill -9` of this process or of the database would end it.
    await sql`select pg_terminate_backend(pg_backend_pid())`.execute(tx)
  }))
  t.strictSame(await rows(store), [])
  for (const table of ['revisions', 'changes', 'tile_revisions', 'layer_summaries'])
    t.strictSame((await sql`select * from ${sql.table(`dothi.${table}`)}`.execute(store.db)).rows, [], table)
  t.equal((await addWell(store, 'first')).revision.revision, 1)
})

t.test('rows change only inside a revision, and keep their id', async t => {
  const store = await exampleStore(t)
  const { result: id } = await addWell(store, 'a')
  await t.rejects(sql`insert into city.wells (name) values ('b')`.execute(store.db), /only inside withRevision/)
  await t.rejects(sql`update city.wells set name = 'b'`.execute(store.db), /only inside withRevision/)
  await t.rejects(sql`delete from city.wells`.execute(store.db), /only inside withRevision/)
  await t.rejects(sql`truncate city.wells`.execute(store.db), /not possible/)
  await t.rejects(sql`delete from dothi.revisions`.execute(store.db), /not possible/)
  await t.rejects(store.withRevision(BY, ({ tx }) => sql`update city.wells set id = id + 1`.execute(tx)), /keeps its id/)
  await t.rejects(store.withRevision(BY, ({ tx }) => sql`insert into city.wells (name, revision) values ('b', 77)`.execute(tx)), /another revision/)
  t.strictSame((await rows(store)).map(row => [row.id, row.name, row.revision]), [[id, 'a', 1]])
})

t.test('asOf shows the city as it was then, by revision and by instant', async t => {
  const store = await exampleStore(t)
  const { result: a, revision: first } = await addWell(store, 'a')
  const { result: b } = await addWell(store, 'b')
  const { revision: third } = await store.withRevision(BY, async writer => {
    await updateFeature(writer, WELLS, 'main', a, { properties: { name: 'a2' } })
    await updateFeature(writer, WELLS, 'main', a, { properties: { name: 'a3' }, geometry: point(108.3, 16) })
    await deleteFeature(writer, WELLS, 'main', b)
  })
  t.strictSame(await names(store), ['a3'])
  t.strictSame(await names(store, { asOf: 0 }), [])
  t.strictSame(await names(store, { asOf: 1 }), ['a'])
  t.strictSame(await names(store, { asOf: 2 }), ['a', 'b'])
  t.strictSame(await names(store, { asOf: 3 }), ['a3'])
  t.strictSame(await names(store, { asOf: first.at }), ['a'])
  t.strictSame(await names(store, { asOf: new Date(third.at.getTime() - 1) }), ['a', 'b'])
  t.strictSame(await names(store, { asOf: third.at }), ['a3'])
  t.strictSame(await names(store, { asOf: 2, where: { op: '=', left: { property: 'name' }, right: { literal: 'a' } } }), ['a'], 'a filter reaches history')
  t.strictSame(await names(store, { asOf: 2, bbox: { box: [108.25, 15, 109, 17], srid: 4326 } }), [], 'so does a box')
  t.equal((await sql`select * from history.wells`.execute(store.db)).rows.length, 2, 'what a revision made and replaced itself is no version')
  await t.rejects(rows(store, { asOf: 4 }), problem(400))
  await t.rejects(rows(store, { asOf: -1 }), problem(400))
  await t.rejects(rows(store, { asOf: new Date(NaN) }), problem(400))
  t.equal(await store.layerRevision(WELLS, 'main'), 3)
  t.equal(await store.layerRevision(WELLS, 'main', 2), 2)
  t.equal(await store.layerRevision(LOTS, 'main'), 0)
})

t.test('a branch is main, overlaid; main goes on beneath it', async t => {
  const store = await exampleStore(t)
  const { result: a } = await addWell(store, 'a')
  const { result: b } = await addWell(store, 'b')
  const [branch, other] = [await newBranch(store), await newBranch(store)]
  const on = { ...BY, branch }
  const { result: c } = await store.withRevision(on, async writer => {
    await updateFeature(writer, WELLS, branch, a, { properties: { name: 'a on branch' } })
    await deleteFeature(writer, WELLS, branch, b)
    return (await insertFeatures(writer, WELLS, branch, [{ geometry: point(108.9, 16), properties: { name: 'c' } }]))[0]!
  })
  t.strictSame(await names(store, { branch }), ['a on branch', 'c'])
  t.strictSame(await names(store, { branch: other }), ['a', 'b'])
  t.equal((await store.layerSummary(WELLS, branch)).count, 2)
  t.ok((await store.layerSummary(WELLS, branch)).bbox![2] > 108.9 && (await store.layerSummary(WELLS)).bbox![2] < 108.3)
  t.strictSame(await names(store), ['a', 'b'])
  t.strictSame((await changesOf(store, 3)).map(({ branch: of, inserted, updated, deleted }) => [of, inserted, updated, deleted]), [[branch, 1, 1, 1]])

  await store.withRevision(BY, async writer => updateFeature(writer, WELLS, 'main', a, { properties: { name: 'a in main' } }))
  await addWell(store, 'd')
  t.strictSame(await names(store, { branch }), ['a on branch', 'c', 'd'], 'an overlaid row stays, a new one shows')

  await store.withRevision(on, async writer => {
    await updateFeature(writer, WELLS, branch, a, { properties: { name: 'again' } })
    await updateFeature(writer, WELLS, branch, a, { properties: { name: 'and again' } })
    await deleteFeature(writer, WELLS, branch, c)
  })
  t.strictSame(await names(store, { branch }), ['and again', 'd'])
  t.strictSame(await names(store, { branch, asOf: 3 }), ['a on branch', 'c'], 'a branch has a past')
  t.strictSame(await names(store, { branch, asOf: 2 }), ['a', 'b'])
  await store.withRevision(on, async writer => {
    await revertFeature(writer, WELLS, branch, a)
    await revertFeature(writer, WELLS, branch, b)
  })
  t.strictSame(await names(store, { branch }), ['a in main', 'b', 'd'], 'reverted: main shows through')
  t.equal((await store.layerSummary(WELLS, branch)).count, 3)
  t.strictSame(await names(store, { branch, asOf: 6 }), ['and again', 'd'])

  t.equal(await store.layerRevision(WELLS, branch), 7)
  t.equal(await store.layerRevision(WELLS, 'main'), 5)
  t.equal(await store.layerRevision(WELLS, other), 5)
  const [hue] = (await rows(store)).map(row => ({ z: 10, x: Number(row.cell) >> 10, y: Number(row.cell) & 1023 }))
  t.equal(await store.tileRevision(WELLS, branch, hue!), 7)
  t.equal(await store.tileRevision(WELLS, other, hue!), 5)
  t.equal(await store.tileRevision(WELLS, branch, hue!, 4), 4)
  t.equal(await store.tileRevision(WELLS, branch, { z: 10, x: 0, y: 0 }), 0)

  await t.rejects(rows(store, { branch: 'x' }), problem(404))
  await t.rejects(rows(store, { branch: '00000000-0000-0000-0000-000000000000' }), problem(404))
  await t.rejects(store.withRevision(on, writer => deleteFeature(writer, WELLS, branch, c)), problem(404))
})

t.test('after any edits, every past of main and of a branch is what it was', async t => {
  const store = await exampleStore(t)
  const branch = await newBranch(store)
  const random = dice(20251122)
  /** What a reader must see: by revision, names by id. Overlays: null where the branch removes. */
  const main = new Map<number, string>()
  const overlay = new Map<number, string | null>()
  const seen = () => [...new Map([...main, ...overlay])].filter(([, name]) => name !== null).sort(([a], [b]) => a - b)
  const expected: { readonly main: unknown[]; readonly branch: unknown[] }[] = [{ main: [], branch: [] }]
  const pick = (ids: readonly number[]) => ids[random(ids.length)]!

  for (let revision = 1; revision <= 60; revision++) {
    const where = random(2) === 0 ? 'main' : branch
    await store.withRevision({ ...BY, branch: where }, async writer => {
      for (let edits = 1 + random(4); edits > 0; edits--) {
        const name = `${revision}.${edits}`
        const set = (id: number, value: string | null) => where === branch ? overlay.set(id, value) : value === null ? main.delete(id) : main.set(id, value)
        const visible = where === branch ? seen().map(([id]) => id) : [...main.keys()]
        const action = visible.length === 0 ? 0 : random(4)
        if (action === 0) set((await insertFeatures(writer, WELLS, where, [{ geometry: point(108 + random(100) / 100, 16), properties: { name } }]))[0]!, name)
        else if (action === 1 && where === branch && overlay.size > 0) {
          const id = pick([...overlay.keys()])
          await revertFeature(writer, WELLS, branch, id)
          overlay.delete(id)
        } else if (action === 2) {
          const id = pick(visible)
          await deleteFeature(writer, WELLS, where, id)
          set(id, null)
        } else {
          const id = pick(visible)
          await updateFeature(writer, WELLS, where, id, { properties: { name } })
          set(id, name)
        }
      }
    })
    expected.push({ main: [...main].sort(([a], [b]) => a - b), branch: seen() })
  }
  const pairs = async (args: Partial<ViewArgs>) => (await rows(store, args)).map(row => [row.id, row.name])
  for (const [asOf, then] of expected.entries())
    t.strictSame({ main: await pairs({ asOf }), branch: await pairs({ asOf, branch }) }, then, `as of ${asOf}`)
  t.strictSame({ main: await pairs({}), branch: await pairs({ branch }) }, expected.at(-1), 'now')
  t.equal((await store.layerSummary(WELLS)).count, main.size)
  t.equal((await store.layerSummary(WELLS, branch)).count, seen().length)
})

t.test('edits are refused when the feature is newer than its editor knew, or does not fit', async t => {
  const store = await exampleStore(t)
  const { result: id } = await addWell(store, 'a')
  await store.withRevision(BY, writer => updateFeature(writer, WELLS, 'main', id, { properties: { depth: 3.5 } }, 1))
  await t.rejects(store.withRevision(BY, writer => updateFeature(writer, WELLS, 'main', id, { properties: { depth: 4 } }, 1)), problem(412, { more: { revision: 2 } }))
  const bad = (edit: Parameters<typeof updateFeature>[4]) => store.withRevision(BY, writer => updateFeature(writer, WELLS, 'main', id, edit))
  await t.rejects(bad({ properties: { depht: 4 } }), problem(422, { detail: /no property “depht”/ }))
  await t.rejects(bad({ properties: { depth: 'deep' } }), problem(422, { detail: /wanted number/ }))
  await t.rejects(bad({ properties: { dug: '2025-13-01' } }), problem(422))
  await t.rejects(bad({ geometry: square(108, 16) }), problem(422, { detail: /takes Point/ }))
  await t.rejects(bad({ geometry: { type: 'Point', coordinates: 'here' } as never }), problem(422))
  await store.withRevision(BY, writer => replaceFeature(writer, WELLS, 'main', id, { properties: { name: 'b', open: true, dug: '1999-12-31', extra: { a: [1] } } }, 2))
  const [row] = await rows(store)
  t.match(row, { name: 'b', depth: null, open: true, dug: '1999-12-31', extra: { a: [1] }, revision: 3 })

  const bowTie = { type: 'Polygon', coordinates: [[[108, 16], [108.1, 16.1], [108.1, 16], [108, 16.1], [108, 16]]] }
  await t.rejects(store.withRevision(BY, writer => insertFeatures(writer, LOTS, 'main', [{ geometry: bowTie, properties: { code: 'x' } }])), problem(422, { detail: /Self-intersection/ }))
  await t.rejects(store.withRevision(BY, writer => insertFeatures(writer, LOTS, 'main', [{ geometry: square(108, 16), properties: { code: null } }])), problem(422, { detail: /required/ }))
})

t.test('a 3D lot keeps its faces, and its native twin within a millimetre', async t => {
  const store = await exampleStore(t)
  const face = [[[108, 16, 5], [108.001, 16, 5], [108.001, 16.001, 9], [108, 16, 5]]]
  const { result: [id] } = await store.withRevision(BY, writer => insertFeatures(writer, LOTS, 'main', [
    { geometry: square(108, 16), properties: { code: 'A1' }, solid: [face], groundZ: 5, height: 4, source: 'survey', sourceId: '7' }]))
  const read = await store.db.selectFrom((await store.view({ layer: LOTS, branch: 'main', asOf: 'now', reader: PUBLIC })).as('v')).select([
    'v.id', 'v.ground_z', 'v.height', 'v.source_id', sql`st_astext(v.solid)`.as('solid'), sql`st_geometrytype(v.geom)`.as('type'),
    sql`st_srid(v.geom_native)`.as('srid'), sql<number>`st_distance(st_transform(st_transform(v.geom_native, 4326), 5899), v.geom_native)`.as('drift')]).execute()
  t.match(read, [{ id, ground_z: 5, height: 4, source_id: '7', srid: 5899, type: 'ST_MultiPolygon',
    solid: 'POLYHEDRALSURFACE Z (((108 16 5,108.001 16 5,108.001 16.001 9,108 16 5)))' }])
  t.ok((read[0] as { drift: number }).drift < 0.001)
  await store.withRevision(BY, writer => updateFeature(writer, LOTS, 'main', id!, { geometry: square(108.01, 16) }))
  t.equal((await rows(store, { layer: LOTS }))[0]!.solid, null, 'a new footprint makes the old body wrong')
})

t.test('the change log tells box and cells of old and new geometry, once a layer and revision', async t => {
  const store = await exampleStore(t)
  const { result: id } = await addWell(store, 'a', 108.2, 16.05)
  t.strictSame(await changesOf(store, 1), [{ layer: 'wells', branch: 'main', inserted: 1, updated: 0, deleted: 0, bbox: [108.2, 16.05, 108.2, 16.05], cells: [(819 << 10) | 465] }])
  await store.withRevision(BY, async writer => {
    await updateFeature(writer, WELLS, 'main', id, { geometry: point(109, 17) })
    await insertFeatures(writer, WELLS, 'main', [{ geometry: point(110, 16.05) }, { geometry: null }])
  })
  const [second] = await changesOf(store, 2)
  t.strictSame([second!.inserted, second!.updated, second!.bbox], [2, 1, [108.2, 16.05, 110, 17]])
  t.strictSame(second!.cells, [(819 << 10) | 465, (822 << 10) | 462, (824 << 10) | 465])
  t.equal(await store.tileRevision(WELLS, 'main', { z: 10, x: 819, y: 465 }), 2)

  // A lot over 3 × 2 cells touches all of them, one over a continent touches every cell.
  await store.withRevision(BY, writer => insertFeatures(writer, LOTS, 'main', [{ geometry: square(108, 16, 0.8), properties: { code: 'big' } }]))
  t.equal((await changesOf(store, 3))[0]!.cells instanceof Array && ((await changesOf(store, 3))[0]!.cells as number[]).length, 9)
  await store.withRevision(BY, writer => insertFeatures(writer, LOTS, 'main', [{ geometry: square(60, -20, 60), properties: { code: 'huge' } }]))
  t.strictSame((await changesOf(store, 4))[0]!.cells, [-1])
  t.equal(await store.tileRevision(LOTS, 'main', { z: 10, x: 0, y: 5 }), 4, '“every cell” is every cell')

  const { updated, ...summary } = await store.layerSummary(WELLS)
  t.strictSame([summary.count, summary.revision, updated instanceof Date], [3, 2, true])
  t.ok(summary.bbox![0] < 109 && summary.bbox![0] > 108.19 && summary.bbox![2] > 110)
  await store.withRevision(BY, async ({ tx }) => { await sql`delete from city.wells where st_x(geom) = 110`.execute(tx) })
  t.ok((await store.layerSummary(WELLS)).bbox![2] < 109.01, 'the extent shrinks with what held it up')
  await store.withRevision(BY, async ({ tx }) => { await sql`delete from city.wells`.execute(tx) })
  t.match(await store.layerSummary(WELLS), { count: 0, bbox: null, revision: 6 })
  await store.withRevision(BY, async ({ tx }) => { await sql`delete from city.wells`.execute(tx) })
  t.strictSame(await changesOf(store, 7), [], 'a statement that touches nothing changes nothing')
})

t.test('a pole, an empty point and the antimeridian are stored and found', async t => {
  const store = await exampleStore(t)
  await store.withRevision(BY, writer => insertFeatures(writer, WELLS, 'main', [
    { geometry: point(0, 90), properties: { name: 'pole' } }, { stored: { geom: '0101000020E6100000000000000000F87F000000000000F87F' }, properties: { name: 'empty' } },
    { geometry: point(179.9, 0), properties: { name: 'east' } }, { geometry: point(-179.9, 0), properties: { name: 'west' } }]))
  t.strictSame(await names(store), ['pole', 'empty', 'east', 'west'])
  t.strictSame(await names(store, { bbox: { box: [179, -1, -179, 1], srid: 4326, exact: true } }), ['east', 'west'])
  t.strictSame(await names(store, { bbox: { box: [-2e7, -1e7, -1.9e7, 1e7], srid: 3857 } }), [])
  t.strictSame(await names(store, { bbox: { box: [2e7, -1e7, 2.1e7, 1e7], srid: 3857 } }), ['east'])
  await t.rejects(names(store, { bbox: { box: [0, 1, 1, 0], srid: 4326 } }), problem(400))
  await t.rejects(names(store, { bbox: { box: [0, NaN, 1, 0], srid: 4326 } }), problem(400))
})

t.test('ids are exact up to 2^53 − 1 and come in contiguous runs', async t => {
  const store = await exampleStore(t)
  await sql`update dothi.instance set number = 8191`.execute(store.db)
  await sql`select setval('dothi.feature_number', 1099511627775 - 4)`.execute(store.db)
  const { result: first } = await store.withRevision(BY, async writer => {
    const first = await writer.allocateIds(3)
    await sql`insert into city.wells (geom) values (st_setsrid(st_makepoint(108, 16), 4326))`.execute(writer.tx)
    return first
  })
  t.equal(first, 2 ** 53 - 4)
  t.strictSame((await rows(store)).map(row => row.id), [2 ** 53 - 1])
  await t.rejects(store.withRevision(BY, writer => writer.allocateIds(1)), /maximum value/)
  await t.rejects(store.withRevision(BY, writer => writer.allocateIds(0)), /positive count/)
})

t.test('a run layer shows the run asked for, or the latest that succeeded', async t => {
  const store = await exampleStore(t)
  const job = async (state: string, finished: string) => (await sql<{ id: string }>`
    insert into dothi.jobs (kind, state, owner, finished) values ('flood', ${state}, 'me', ${finished}) returning id`.execute(store.db)).rows[0]!.id
  t.strictSame(await rows(store, { layer: WET_LOTS }), [], 'no run yet')
  const first = await job('successful', '2025-01-01T00:00:00Z')
  const second = await job('successful', '2025-01-02T00:00:00Z')
  await job('failed', '2025-01-03T00:00:00Z')
  for (const [run, depth] of [[first, 1], [second, 2]] as const)
    await sql`insert into runs.run_lots (run, id, geom, depth) values (${run}, 5, st_setsrid(st_makepoint(108, 16), 4326), ${depth})`.execute(store.db)
  t.match(await rows(store, { layer: WET_LOTS, reader: PUBLIC }), [{ id: 5, depth: 2, revision: 0, source: null, run: second }])
  t.match(await rows(store, { layer: WET_LOTS, run: first }), [{ depth: 1 }])
  t.match(await store.layerSummary(WET_LOTS), { count: 1, revision: Date.parse('2025-01-02T00:00:00Z'), bbox: [107.999995, 15.999995, 108.000005, 16.000005] })
  t.equal(await store.layerRevision(WET_LOTS, 'main'), Date.parse('2025-01-02T00:00:00Z'))
  await t.rejects(rows(store, { layer: WET_LOTS, run: 'x' }), problem(404))
  await t.rejects(rows(store, { layer: WET_LOTS, run: '00000000-0000-0000-0000-000000000000' }), problem(404))
})

t.test('a layer is published and unpublished while others listen', async t => {
  const store = await exampleStore(t)
  const bins: Layer = { ...WELLS, id: 'bins', columns: [{ name: 'order', type: 'text', title: { vi: 'x', en: 'It\'s “quoted”' } }], label: 'order', searchable: ['order'] }
  await store.catalogue.publish(bins, 'me')
  t.equal(store.catalogue.get('bins').id, 'bins')
  t.strictSame(store.catalogue.for(PUBLIC).map(layer => layer.id), ['wells', 'lots', 'run_lots', 'bins'])
  await store.withRevision(BY, writer => insertFeatures(writer, bins, 'main', [{ geometry: point(108, 16), properties: { order: 'x' } }]))
  t.match(await rows(store, { layer: bins, reader: PUBLIC, where: { op: '=', left: { property: 'order' }, right: { literal: 'x' } } }), [{ order: 'x' }])
  await t.rejects(store.catalogue.publish(bins, 'me'), problem(409))
  await t.rejects(store.catalogue.publish({ ...bins, id: 'wells' }, 'me'), problem(409))
  await t.rejects(store.catalogue.publish({ ...bins, id: 'Bad; drop table' }, 'me'), problem(400))
  await t.rejects(store.catalogue.publish({ ...bins, id: 'x', columns: [{ name: 'geom', type: 'text', title: bins.title }] }, 'me'), problem(400, { detail: /taken by the store/ }))
  await t.rejects(store.catalogue.unpublish('wells', 'me'), problem(409))

  // Another process takes it away; this one hears of it.
  await store.withRevision(BY, async ({ tx }) => {
    await sql`delete from dothi.layers where id = 'bins'`.execute(tx)
    await sql`select pg_notify('dothi_catalogue', '')`.execute(tx)
  })
  await until(() => !store.catalogue.find('bins'))
  t.throws(() => store.catalogue.get('bins'), problem(404))
  t.throws(() => store.catalogue.get('well'), problem(404, { detail: /Did you mean wells/ }))

  await store.catalogue.publish({ ...bins, id: 'boxes' }, 'me')
  await store.catalogue.unpublish('boxes', 'me')
  t.strictSame((await sql`select table_schema from information_schema.tables where table_name = 'boxes'`.execute(store.db)).rows, [])
})

t.test('the listener comes back after its connection is cut', async t => {
  const store = await exampleStore(t)
  const heard: number[] = []
  store.onRevision(revision => heard.push(revision))
  await addWell(store, 'a')
  await until(() => heard.length > 0)
  await sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'dothi listens' and datname = current_database()`.execute(store.db)
  await addWell(store, 'b')
  await until(() => heard.includes(2))
  t.equal(heard.at(-1), 2)
})

t.test('the city is one row, and observations are only added', async t => {
  const store = await exampleStore(t)
  const city = { name: 'Monaco', srid: 32632, home: { lon: 7.42, lat: 43.73, zoom: 14 }, verticalDatum: 'NGF', geoidOffset: 48.5, timeZone: 'Europe/Paris', currency: 'EUR', sample: false }
  await store.setCity({ ...city, name: 'x' })
  await store.setCity(city)
  t.strictSame(await store.city(), city)

  const { append, putSeries, read } = await import('./observations.js')
  await putSeries(store.db, { id: 'stage:cam-le', title: 'Cẩm Lệ', unit: 'm' })
  const at = (text: string) => new Date(text)
  await append(store.db, 'stage:cam-le', [{ time: at('2025-10-31T23:30:00Z'), value: 1.2 }, { time: at('2025-11-01T00:30:00Z'), value: null, quality: 'missing' }])
  await append(store.db, 'stage:cam-le', [{ time: at('2025-10-31T23:30:00Z'), value: 1.4, quality: 'estimated' }])
  t.strictSame(await read(store.db, 'stage:cam-le', at('2025-10-01T00:00:00Z'), at('2025-12-01T00:00:00Z')), [
    { time: at('2025-10-31T23:30:00Z'), value: 1.4, quality: 'estimated' }, { time: at('2025-11-01T00:30:00Z'), value: null, quality: 'missing' }])
  t.strictSame((await sql`select relname as "table", count(*) from dothi.observations o join pg_class c on c.oid = o.tableoid group by 1 order by 1`.execute(store.db)).rows,
    [{ table: 'observations_2025_10', count: 2 }, { table: 'observations_2025_11', count: 1 }])
  await t.rejects(sql`update dothi.observations set value = 0`.execute(store.db), /not possible/)
  await t.rejects(sql`delete from dothi.observations_2025_10`.execute(store.db), /not possible/)
  await t.rejects(append(store.db, 'nobody', [{ time: new Date(), value: 1 }]), /foreign key/)
})

async function newBranch(store: Store): Promise<string> {
  return (await sql<{ id: string }>`insert into dothi.branches default values returning id`.execute(store.db)).rows[0]!.id
}

/** Repeatable chance: a whole number below `n` (mulberry32). */
function dice(seed: number): (n: number) => number {
  return n => {
    seed = (seed + 0x6d2b79f5) | 0
    let x = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
    return Math.floor((((x ^ (x >>> 14)) >>> 0) / 2 ** 32) * n)
  }
}

/** Waits for what another connection brings about. */
async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 300 && !condition(); i++) await new Promise(resolve => setTimeout(resolve, 20))
  if (!condition()) throw new Error('It did not happen within 6 s.')
}
