import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { sql } from 'kysely'
import pg from 'pg'
import t from 'tap'
import { tileAt, type Tile } from '../../core/tile-matrix.js'
import { LOTS, SHOPS, TEST_LAYERS } from '../ogc/test-city.js'
import { testDatabase } from '../testing/test-cluster.js'
import type { Tearable } from '../testing/test-store.js'
import { applyEdits } from './edits.js'
import { openStore } from './open-store.js'
import type { Store } from './store.js'
import { TileMemory } from './tile-memory.js'
import { tileRevisions } from './tile-revisions.js'
import { deleteFeature, insertFeatures } from './writes.js'

const BY = { actor: 'me', reason: 'test' }
const [LON, LAT] = [108.2, 16.05]
const TILES: readonly Tile[] = [0, 5, 6, 9, 10, 11, 13, 16, 19].flatMap(z => [[0, 0], [0.004, 0.003], [0.3, 0]].map(([dx, dy]) => tileAt(LON + dx!, LAT + dy!, z)))

/** Two processes' stores over one database. */
async function twoStores(t: Tearable): Promise<{ ours: Store; theirs: Store; connection: pg.PoolConfig }> {
  const { connection, drop } = await testDatabase({ layers: TEST_LAYERS })
  const [ours, theirs] = [await openStore({ connection, layers: TEST_LAYERS }), await openStore({ connection, layers: TEST_LAYERS })]
  t.teardown(async () => {
    await Promise.all([ours.close(), theirs.close()])
    await drop()
  })
  return { ours, theirs, connection }
}

t.test('what is in memory is what the table says, whoever writes', async t => {
  const { ours, theirs } = await twoStores(t)
  const branch = (await sql<{ id: string }>`insert into dothi.branches default values returning id`.execute(ours.db)).rows[0]!.id
  const views = ['main', branch]
  const near = (dx: number, dy: number) => ({ geometry: { type: 'Point', coordinates: [LON + dx, LAT + dy] }, properties: { name: 'x' } })
  const place = fc.record({ dx: fc.double({ min: -0.02, max: 0.32, noNaN: true }), dy: fc.double({ min: -0.02, max: 0.02, noNaN: true }) })
  const write = fc.record({ kind: fc.constantFrom('insert', 'group', 'bulk', 'province', 'delete'), byOurs: fc.boolean(), onBranch: fc.boolean(), place })
  let [known, unknown] = [0, 0]

  /** Answers from memory are right; `patient` waits until there are some. */
  const check = async (patient: boolean) => {
    for (const view of views) for (const tile of TILES) {
      let now = ours.tileRevisionsNow([SHOPS, LOTS], view, tile)
      for (let i = 0; !now && patient && i < 400; i++) {
        await sleep(5)
        now = ours.tileRevisionsNow([SHOPS, LOTS], view, tile)
      }
      if (patient && !now) throw new Error('memory never became current')
      now ? known++ : unknown++
      if (now) t.strictSame(now, await tileRevisions(ours.db, [SHOPS, LOTS], view, tile), `${view} ${tile.z}/${tile.x}/${tile.y}`)
    }
  }
  await check(true)
  await fc.assert(fc.asyncProperty(fc.array(write, { minLength: 1, maxLength: 4 }), async writes => {
    for (const { kind, byOurs, onBranch, place: { dx, dy } } of writes) {
      const [store, where] = [byOurs ? ours : theirs, onBranch ? branch : 'main']
      if (kind === 'group') await Promise.all([1, 2, 3].map(i => applyEdits(store, { ...BY, branch: where }, [{ action: 'create', layer: SHOPS, feature: near(dx + i / 500, dy) }])))
      else await store.withRevision({ ...BY, branch: where }, async writer => {
        if (kind === 'insert') await insertFeatures(writer, SHOPS, where, [near(dx, dy)])
        // More tiles than one message holds.
        else if (kind === 'bulk') await insertFeatures(writer, SHOPS, where, Array.from({ length: 150 }, (_, i) => near(dx + i * 0.05, dy)))
        else if (kind === 'province') await insertFeatures(writer, LOTS, where, [{ geometry: { type: 'Polygon', coordinates: [[[108, 15], [109, 15], [109, 16.5], [108, 15]]] }, properties: { so_to: '1' } }])
        else {
          const [row] = (await sql<{ id: number }>`select id from city.shops order by random() limit 1`.execute(writer.tx)).rows
          if (row && where === 'main') await deleteFeature(writer, SHOPS, where, row.id)
        }
      })
      // Our own write is told of at once; if not from memory, then because the database has to be asked.
      if (byOurs) await check(false)
    }
    await sleep(20)
    await check(true)
  }), { numRuns: 12 })
  t.ok(known > 500, `${known} answers from memory, ${unknown} not known yet`)

})

t.test('while nobody listens the database is asked, and what was missed is known afterwards', async t => {
  const { ours, theirs } = await twoStores(t)
  const tile = tileAt(LON, LAT, 14)
  const now = () => ours.tileRevisionsNow([SHOPS], 'main', tile)
  const insert = (store: Store) => store.withRevision(BY, writer => insertFeatures(writer, SHOPS, 'main', [{ geometry: { type: 'Point', coordinates: [LON, LAT] }, properties: { name: 'x' } }]))
  await until(now)
  for (let i = 1; i <= 5; i++) {
    await insert(theirs)
    t.equal(await until(() => now()?.[0] === i ? i : undefined), i)
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'dothi listens' and datname = current_database()`.execute(theirs.db)
    await until(() => now() === undefined || undefined)
    await insert(theirs)
    t.equal(now(), undefined, 'nothing is told from memory without its connection')
    t.strictSame(await ours.tileRevisions([SHOPS], 'main', tile), [++i], 'the table is')
  }
  t.equal((await until(now))[0], 6)
})

t.test('a commit that was said to nobody is noticed', async t => {
  const { ours, theirs, connection } = await twoStores(t)
  const deaf = new pg.Client(connection) // it never listens
  await deaf.connect()
  t.teardown(() => deaf.end())
  const memory = new TileMemory(ours.db)
  const { detach } = await memory.attach({ query: text => deaf.query(text), destroy: () => {} })
  t.teardown(async () => detach())
  await theirs.withRevision(BY, writer => insertFeatures(writer, SHOPS, 'main', [{ geometry: { type: 'Point', coordinates: [LON, LAT] }, properties: { name: 'x' } }]))
  await until(() => !memory.isCurrent || undefined)
  await until(() => memory.isCurrent || undefined)
  t.equal(await until(() => memory.revision('shops', 'main', undefined)), 1, 'read anew')

  memory.committed(2)
  t.notOk(memory.isCurrent, 'an own commit is waited for')
  memory.hearRevision(2)
  t.ok(memory.isCurrent)
  await until(() => memory.revision('shops', 'main', undefined))
  memory.hearRevision(4)
  t.equal(memory.revision('shops', 'main', undefined), undefined, 'a gap in the numbers: everything is read again')
})

/** The first value that is there, within five seconds. */
async function until<T>(read: () => T | undefined): Promise<T> {
  for (let i = 0; i < 1000; i++) {
    const value = read()
    if (value !== undefined) return value
    await sleep(5)
  }
  throw new Error('It did not happen within five seconds')
}
