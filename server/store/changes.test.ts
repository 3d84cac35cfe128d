import { sql } from 'kysely'
import t from 'tap'
import type { Layer } from '../../layers/layer.js'
import { changedRows, changeEntries, layerHash, type RowChange, type RowCursor } from './changes.js'
import { CABLES, exampleStore, LOTS, WELLS } from './example-store.js'
import { PUBLIC, STEWARD, type Branch, type Reader, type Store } from './store.js'
import { deleteFeature, insertFeatures, revertFeature, updateFeature } from './writes.js'

const BY = { actor: 'lan', reason: 'test' }
const point = (lon: number, lat: number) => ({ type: 'Point', coordinates: [lon, lat] })
const square = (lon: number, lat: number, d = 0.001) =>
  ({ type: 'Polygon', coordinates: [[[lon, lat], [lon + d, lat], [lon + d, lat + d], [lon, lat + d], [lon, lat]]] })

t.test('replayed into an empty store, the rows of the feed give the identical city', async t => {
  const [store, copy] = [await exampleStore(t), await exampleStore(t)]
  await randomEdits(store, 'main', 40, 7)
  // A write of many rows, of which pages cut pieces.
  const { result: many } = await store.withRevision(BY, writer => insertFeatures(writer, WELLS, 'main', Array.from({ length: 57 }, (_, i) => ({
    geometry: i % 9 ? point(108 + i / 1000, 16) : null, properties: { name: `n${i}`, seen: '2025-01-02T03:04:05.123456Z', depth: 0.1 + 0.2, extra: { i }, owner: 'x' } }))))
  await store.withRevision(BY, async writer => { for (const id of many.slice(0, 30)) await deleteFeature(writer, WELLS, 'main', id) })

  for (const limit of [1, 7, 1000]) {
    const rows = await allRows(store, 'main', STEWARD, limit)
    t.strictSame(keys(rows), [...keys(rows)].sort(inOrder), `pages of ${limit} are in order`)
    t.equal(new Set(keys(rows).map(String)).size, rows.length, 'and repeat nothing')
    t.strictSame(keys(rows), keys(await allRows(store, 'main', STEWARD, 1000)), 'and miss nothing')
  }
  await replay(copy, await allRows(store, 'main', STEWARD, 13))
  for (const layer of [WELLS, LOTS, CABLES]) {
    const [here, there] = await Promise.all([store, copy].map(each => layerHash(each, { layer, branch: 'main', asOf: 'now', reader: STEWARD })))
    t.match(there, { count: here!.count, hash: here!.hash }, layer.id)
  }
  const { hash } = await layerHash(copy, { layer: WELLS, branch: 'main', asOf: 'now', reader: STEWARD })
  await copy.withRevision(BY, writer => updateFeature(writer, WELLS, 'main', many.at(-1)!, { properties: { owner: 'y' } }))
  t.not((await layerHash(copy, { layer: WELLS, branch: 'main', asOf: 'now', reader: STEWARD })).hash, hash, 'one value makes another hash')
  t.equal((await layerHash(copy, { layer: WELLS, branch: 'main', asOf: 'now', reader: PUBLIC })).hash,
    (await layerHash(store, { layer: WELLS, branch: 'main', asOf: 'now', reader: PUBLIC })).hash, 'but not for who may not see it')
})

t.test('the rows of a branch, over those of main, give the branch', async t => {
  const store = await exampleStore(t)
  const branch = await newBranch(store)
  await randomEdits(store, 'main', 12, 1)
  await randomEdits(store, branch, 40, 2)
  const city = new Map<number, string>()
  const text = ({ row }: RowChange) => JSON.stringify([row!.objectid, row!.geom, row!.source, row!.properties])
  const rows = [...await allRows(store, 'main', STEWARD, 100), ...await allRows(store, branch, STEWARD, 9)].filter(({ layer }) => layer === 'wells')
  for (const change of rows) {
    t.equal(city.has(change.id), change.op !== 'insert', `${change.op} ${change.id} in ${change.revision}`)
    if (change.op === 'delete') city.delete(change.id)
    else city.set(change.id, text(change))
  }
  const view = await store.view({ layer: WELLS, branch, asOf: 'now', reader: STEWARD })
  const { rows: now } = await sql<{ id: number; name: string }>`select id, name from ${view.as('v')} order by id`.execute(store.db)
  t.strictSame([...city].sort(([a], [b]) => a - b).map(([id, row]) => [id, JSON.parse(row)[3].name]), now.map(row => [row.id, row.name]))
})

t.test('a reader sees the feed of what he may see, and nothing of the rest', async t => {
  const store = await exampleStore(t)
  await store.withRevision(BY, writer => insertFeatures(writer, CABLES, 'main', [{ geometry: { type: 'LineString', coordinates: [[108, 16], [108.1, 16]] }, properties: { kv: 22 } }]))
  await store.withRevision(BY, writer => insertFeatures(writer, WELLS, 'main', [{ geometry: point(108.2, 16), properties: { name: 'a', flow: 2, owner: 'Trần' } }]))
  const open = await changeEntries(store, { reader: PUBLIC, branch: 'main', since: 0, limit: 10 })
  t.strictSame(open.entries.map(({ revision, layer, actor, reason }) => [revision, layer, actor, reason]), [[2, 'wells', null, null]])
  const all = await changeEntries(store, { reader: STEWARD, branch: 'main', since: 0, limit: 10 })
  t.strictSame(all.entries.map(({ revision, layer, actor }) => [revision, layer, actor]), [[1, 'cables', 'lan'], [2, 'wells', 'lan']])
  t.match(await changeEntries(store, { reader: STEWARD, branch: 'main', since: 0, limit: 1 }), { through: 1, more: true })
  t.strictSame((await changeEntries(store, { reader: STEWARD, branch: 'main', since: 0, limit: 10, bbox: [108.15, 15, 109, 17] })).entries.map(entry => entry.layer), ['wells'])
  const [row] = await allRows(store, 'main', PUBLIC, 10)
  t.strictSame(Object.keys(row!.row!.properties), WELLS.columns.filter(column => !column.classification).map(column => column.name))
  const internal: Reader = { subject: 'minh', roles: ['viewer'], clearance: 'internal' }
  t.match((await allRows(store, 'main', internal, 10)).map(change => [change.layer, change.row!.properties]), [['cables', { kv: 22 }], ['wells', { flow: 2 }]])
  await t.rejects(changedRows(store, { reader: PUBLIC, branch: 'main', since: 0, layers: ['cables'], limit: 1 }), { status: 404 } as never)
})

/** Edits of three layers by a seed: on main, or a branch with edits taken back. */
async function randomEdits(store: Store, branch: Branch, revisions: number, seed: number): Promise<void> {
  const random = dice(seed)
  const ids = async (layer: Layer) => (await (await store.view({ layer, branch, asOf: 'now', reader: STEWARD, columns: [] })).orderBy('id').execute()).map(row => row.id as number)
  for (let revision = 0; revision < revisions; revision++) {
    const seen = { [WELLS.id]: await ids(WELLS), [LOTS.id]: await ids(LOTS) }
    await store.withRevision({ ...BY, branch }, async writer => {
      for (let edits = 1 + random(5); edits > 0; edits--) {
        const layer = random(3) ? WELLS : LOTS
        const here = seen[layer.id]!
        const id = here[random(here.length)]
        const properties = layer === WELLS ? { name: `${seed}.${revision}.${edits}` } : { code: `c${random(9)}` }
        const geometry = layer === WELLS ? point(108 + random(100) / 100, 16) : square(108 + random(100) / 100, 16)
        switch (id === undefined ? 0 : random(4)) {
          case 0: here.push(...await insertFeatures(writer, layer, branch, [{ geometry, properties, source: 's', sourceId: `${revision}` }])); break
          case 1: await deleteFeature(writer, layer, branch, id!); here.splice(here.indexOf(id!), 1); break
          case 2: await updateFeature(writer, layer, branch, id!, { properties }); break
          default: await updateFeature(writer, layer, branch, id!, { geometry, properties })
        }
      }
    })
    if (branch === 'main' || random(3)) continue
    const { rows: [overlay] } = await sql<{ id: number }>`select id from branch.wells where branch = ${branch}::uuid and retired_revision is null order by random() limit 1`.execute(store.db)
    if (overlay) await store.withRevision({ ...BY, branch }, writer => revertFeature(writer, WELLS, branch, overlay.id))
  }
}

/** Applies rows as a mirror would: each revision in one of its own. */
async function replay(copy: Store, rows: readonly RowChange[]): Promise<void> {
  for (const revision of new Set(rows.map(change => change.revision))) {
    await copy.withRevision(BY, async ({ tx }) => {
      for (const { layer: id, op, id: feature, row } of rows.filter(change => change.revision === revision)) {
        const layer = copy.catalogue.get(id)
        const table = sql.table(`city.${id}`)
        if (op !== 'insert') await sql`delete from ${table} where id = ${feature}::int8`.execute(tx)
        if (!row) continue
        const values = new Map<string, unknown>([['id', row.id], ['objectid', row.objectid], ['source', row.source], ['source_id', row.sourceId], ['geom', row.geom],
          ...(layer.surveyed ? [['geom_native', row.geomNative] as const] : []),
          ...(layer.threeD ? [['solid', row.solid] as const, ['ground_z', row.groundZ] as const, ['height', row.height] as const] : []),
          ...layer.columns.map(({ name, type }) => [name, type === 'json' && row.properties[name] !== null ? JSON.stringify(row.properties[name]) : row.properties[name]] as const)])
        await sql`insert into ${table} (${sql.join([...values.keys()].map(name => sql.ref(name)))}) values (${sql.join([...values.values()])})`.execute(tx)
      }
    })
  }
}

async function allRows(store: Store, branch: Branch, reader: Reader, limit: number): Promise<RowChange[]> {
  const rows: RowChange[] = []
  let [since, after, more]: [number, RowCursor | null, boolean] = [0, null, true]
  while (more) {
    const page = await changedRows(store, { reader, branch, since, after, limit })
    if (page.rows.length > limit) throw new Error(`A page of ${limit} has ${page.rows.length} rows.`)
    rows.push(...page.rows)
    ;({ through: since, after, more } = page)
  }
  return rows
}

type Key = readonly [revision: number, layer: string, id: number]
const keys = (rows: readonly RowChange[]): Key[] => rows.map(({ revision, layer, id }) => [revision, layer, id])
const inOrder = (a: Key, b: Key) => a[0] - b[0] || (a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : a[2] - b[2])

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
