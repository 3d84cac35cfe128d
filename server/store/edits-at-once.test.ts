/** Many writers at once, of two processes: no update is lost, and no reader of the feed misses a change that commits late. */
import t from 'tap'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { testDatabase } from '../testing/test-cluster.js'
import { Problem } from '../errors.js'
import { changeEntries } from './changes.js'
import { applyEdits, type Edit } from './edits.js'
import { EXAMPLES, LOTS, WELLS } from './example-store.js'
import { openStore } from './open-store.js'
import { STEWARD, type Store } from './store.js'

const BY = { actor: 'me', reason: 'test' }
const point = (lon: number) => ({ type: 'Point', coordinates: [lon, 16] })
const well = (name: string): Edit => ({ action: 'create', layer: WELLS, feature: { geometry: point(108), properties: { name } } })

/** Two stores over one database: as two servers, or a server and the command line, each with its own queue of edits. */
async function twoStores(t: { teardown(handler: () => Promise<unknown>): unknown }): Promise<readonly [Store, Store]> {
  const { connection, drop } = await testDatabase({ layers: EXAMPLES })
  const stores = [await openStore({ connection, layers: EXAMPLES }), await openStore({ connection, layers: EXAMPLES })] as const
  t.teardown(async () => {
    await Promise.all(stores.map(store => store.close()))
    await drop()
  })
  return stores
}

/** Each number once, from 1 on. */
const counted = (numbers: readonly number[]) => numbers.every((n, i) => n === i + 1)

t.test('eight writers count together, by If-Match and again after 412: no count is lost', async t => {
  const stores = await twoStores(t)
  const { ids: [id] } = await applyEdits(stores[0], BY, [{ ...well('counter'), feature: { geometry: point(108), properties: { name: 'counter', floors: 0, depth: 0 } } } as Edit])
  const [WRITERS, EACH] = [8, 6]
  let refused = 0
  const count = async (store: Store): Promise<void> => {
    const { rows: [seen] } = await sql<{ floors: number; revision: number }>`select floors, revision from city.wells where id = ${id!}::int8`.execute(store.db)
    try {
      await applyEdits(store, BY, [{ action: 'update', layer: WELLS, id: id!, ifMatch: seen!.revision, feature: { properties: { floors: seen!.floors + 1 } } }])
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 412) throw error
      refused++
      return count(store)
    }
  }
  await Promise.all([
    ...Array.from({ length: WRITERS }, async (_, i) => { for (let n = 0; n < EACH; n++) await count(stores[i % 2]!) }),
    // Meanwhile other attributes of the same feature are edited without a lock, alone and in batches that take another way.
    (async () => { for (let n = 1; n <= 20; n++) await applyEdits(stores[n % 2]!, BY, [{ action: 'update', layer: WELLS, id: id!, feature: { properties: { depth: n } } }]) })(),
    (async () => { for (let n = 1; n <= 10; n++) await applyEdits(stores[n % 2]!, BY, [{ action: 'update', layer: WELLS, id: id!, feature: { properties: { name: `n${n}` } } }, { action: 'update', layer: WELLS, id: id!, feature: { properties: { flow: n } } }]) })(),
  ])
  const { rows: [end] } = await sql`select floors, depth, name, flow from city.wells`.execute(stores[0].db)
  t.strictSame(end, { floors: WRITERS * EACH, depth: 20, name: 'n10', flow: 10 })
  t.ok(refused > 0, 'writers did collide')
  const { rows: versions } = await sql<{ n: number; overlaps: number }>`
    with versions as (select revision, null::int8 as retired_revision from city.wells union all select revision, retired_revision from history.wells)
    select count(*) as n, count(*) filter (where retired_revision is distinct from next) as overlaps
    from (select *, lead(revision) over (order by revision) as next from versions) v`.execute(stores[0].db)
  t.strictSame(versions, [{ n: 1 + WRITERS * EACH + 20 + 10, overlaps: 0 }], 'each version ends where the next begins')
})

t.test('a reader of the feed misses nothing that commits late: long transactions beside many short writes', async t => {
  const [store, other] = await twoStores(t)
  const seen: number[] = []
  const throughApi: number[] = []
  let writing = true
  const follow = async (read: (since: number) => Promise<readonly number[]>, into: number[]) => {
    for (let last = false; !last;) {
      last = !writing // once more after the last commit
      into.push(...await read(into.at(-1) ?? 0))
    }
  }
  const byTable = follow(async since => (await sql<{ revision: number }>`select revision from dothi.changes where revision > ${since}::int8 order by revision`.execute(other.db)).rows.map(row => row.revision), seen)
  const byApi = follow(async since => {
    await sleep(5)
    return (await changeEntries(other, { reader: STEWARD, branch: 'main', since, limit: 1000 })).entries.map(({ revision }) => revision)
  }, throughApi)

  let failed = 0
  await Promise.all([
    // Long before the lock (an import's staging), long under it, and long before they fail.
    ...[store, other, store].map(async (own, i) => {
      for (let n = 0; n < 3; n++) await own.withRevision(BY, async writer => {
        await sql`insert into city.wells (geom, name) values (st_setsrid(st_makepoint(108, 16), 4326), 'long')`.execute(writer.tx)
        await sleep(80)
        if (i === 2) throw new Error('too late')
      }, async tx => { await sql`select pg_sleep(0.15)`.execute(tx) }).catch(() => { failed++ })
    }),
    ...Array.from({ length: 8 }, async (_, i) => {
      for (let n = 0; n < 25; n++) await applyEdits(i % 2 ? store : other, BY, [n % 5 === 4 ? { action: 'create', layer: LOTS, feature: { geometry: null, properties: {} } } : well(`w${i}.${n}`)]).catch(() => { failed++ })
    }),
  ])
  writing = false
  await Promise.all([byTable, byApi])
  t.equal(failed, 3 + 8 * 5, 'what fails takes its number back')
  t.equal(seen.length, 6 + 8 * 20)
  t.ok(counted(seen), 'every revision once, in order, without a gap, as it was read')
  t.strictSame(throughApi, seen)
  const { rows } = await sql<{ revision: number }>`select revision from dothi.revisions order by revision`.execute(store.db)
  t.strictSame(rows.map(row => row.revision), seen)
})
