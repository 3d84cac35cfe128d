/**
 * Reading the present city with a long past against reading the same city without one: the same features in two collections,
 * one of them with millions of former versions. Pages of items, tiles and single features over HTTP.
 * `BENCH_HISTORY_ROWS` sets how many former versions, 1,000,000 unless said otherwise; 10000000 is the full size.
 */
import { sql } from 'kysely'
import type { BBox } from '../core/bbox.js'
import type { Layer } from '../layers/layer.js'
import type { Store } from '../server/store/store.js'
import { compare, inTurn, seconds, type Result } from './result.js'
import { tilesOver } from './tile-list.js'
import type { Workbench } from './workbench.js'

const FEATURES = 100_000
const HISTORY_ROWS = Number(process.env.BENCH_HISTORY_ROWS ?? 1_000_000)
/** Short rounds in turn, so that other work on the machine hits both; and requests a round. */
const ROUNDS = 35
const REQUESTS = 20
/** Reading may cost 1.1 times as much. */
const GOAL = 1 / 1.1

/** About 9 × 9 km, houses on a grid. */
const AREA: BBox = [108.15, 16.0, 108.235, 16.082]

const layer = (id: string): Layer => ({
  id, title: { vi: id, en: id }, description: { vi: '', en: '' }, group: 'published', kind: 'city', geometry: 'polygon',
  columns: [{ name: 'name', type: 'text', title: { vi: 'name', en: 'name' }, inTiles: true }, { name: 'floors', type: 'integer', title: { vi: 'floors', en: 'floors' } }],
  label: 'name', style: {}, zoom: { min: 12, max: 18 }, classification: 'open', licence: 'bench',
})

export async function historyBench({ backend: { store }, serve }: Workbench): Promise<readonly Result[]> {
  const ids = { past: 'bench_with_past', bare: 'bench_without_past' }
  for (const id of [ids.past, ids.bare]) await build(store, id)
  await age(store, ids.past)
  const rows = Number((await sql<{ n: number }>`select count(*) as n from ${sql.table(`history.${ids.past}`)}`.execute(store.db)).rows[0]!.n)
  const { url, close } = await serve()
  try {
    const found = await sql<{ past: number; bare: number }>`select p.id as past, b.id as bare from ${sql.table(`city.${ids.past}`)} as p join ${sql.table(`city.${ids.bare}`)} as b using (source_id) order by random() limit ${ROUNDS * REQUESTS}`.execute(store.db)
    const tiles = tilesOver(AREA, 16, ROUNDS * REQUESTS)
    let round = 0
    const kinds: Readonly<Record<string, (of: 'past' | 'bare', n: number) => string>> = {
      'items, a page of 100 in a box': (of, n) => {
        const [x, y] = [AREA[0] + (n * 0.00137) % 0.08, AREA[1] + (n * 0.00091) % 0.077]
        return `/ogc/collections/${ids[of]}/items?limit=100&bbox=${x},${y},${x + 0.004},${y + 0.004}`
      },
      'tiles z16, cold': (of, n) => {
        const { z, x, y } = tiles[n % tiles.length]!
        return `/tiles/${ids[of]}/${z}/${x}/${y}.mvt`
      },
      'single features': (of, n) => `/ogc/collections/${ids[of]}/items/${found.rows[n % found.rows.length]![of]}`,
    }
    const results: Result[] = []
    for (const [name, path] of Object.entries(kinds)) {
      for (const of of ['past', 'bare'] as const) await get(url + path(of, 0))
      round = 0
      const rate = (of: 'past' | 'bare') => async () => {
        const start = (of === 'past' ? round++ : round - 1) * REQUESTS
        return REQUESTS / await seconds(async () => { for (let n = 0; n < REQUESTS; n++) await get(url + path(of, start + n)) })
      }
      const { ours, theirs } = await inTurn(ROUNDS, rate('past'), rate('bare'))
      results.push(compare({ name: `reading now, ${name}, ${rows.toLocaleString('en')} former versions`, unit: 'requests/s', ours, theirs, yardstick: 'the same without history', goal: Number(GOAL.toFixed(2)) }))
    }
    return results
  } finally {
    await close()
    for (const id of [ids.past, ids.bare]) await store.catalogue.unpublish(id, 'bench')
  }
}

async function get(url: string): Promise<void> {
  const response = await fetch(url)
  if (!response.ok && response.status !== 204) throw new Error(`${response.status} ${url}`)
  await response.arrayBuffer()
}

/** Houses of 8 × 8 m on a grid over the area. */
async function build(store: Store, id: string): Promise<void> {
  await store.catalogue.publish(layer(id), 'bench')
  const side = Math.ceil(Math.sqrt(FEATURES))
  await store.withRevision({ actor: 'bench', reason: `houses of ${id}` }, ({ tx }) => sql`
    insert into ${sql.table(`city.${id}`)} (geom, source, source_id, name, floors)
    select st_multi(st_makeenvelope(x, y, x + 7.5e-5, y + 7.2e-5, 4326)), 'bench', i::text, 'house ' || i, i % 9
    from (select i, ${AREA[0]}::float8 + (i % ${side}) * ${(AREA[2] - AREA[0]) / side}::float8 as x, ${AREA[1]}::float8 + (i / ${side}) * ${(AREA[3] - AREA[1]) / side}::float8 as y from generate_series(0, ${FEATURES - 1}) as i) as g`.execute(tx))
  await sql`vacuum analyze ${sql.table(`city.${id}`)}`.execute(store.db)
}

/**
 * Gives every feature a past: two rounds of true edits, whose traces the present table bears too, and all older versions
 * written straight into the history table; its indexes are made at the end, as they would be by now.
 */
async function age(store: Store, id: string): Promise<void> {
  const [city, history] = [sql.table(`city.${id}`), sql.table(`history.${id}`)]
  for (let edit = 0; edit < Math.min(2, Math.floor(HISTORY_ROWS / FEATURES)); edit++)
    await store.withRevision({ actor: 'bench', reason: 'edit all' }, ({ tx }) => sql`update ${city} set floors = floors + 1`.execute(tx))
  const versions = Math.max(0, Math.floor(HISTORY_ROWS / FEATURES) - 2)
  const { rows: indexes } = await sql<{ name: string; definition: string }>`select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition from pg_index where indrelid = ${`history.${id}`}::regclass`.execute(store.db)
  for (const { name } of indexes) await sql.raw(`drop index ${name}`).execute(store.db)
  const { rows: columns } = await sql<{ name: string }>`select quote_ident(attname) as name from pg_attribute where attrelid = ${`history.${id}`}::regclass and attnum > 0 and not attisdropped and attname not in ('revision', 'retired_revision') order by attnum`.execute(store.db)
  const copied = sql.raw(columns.map(({ name }) => name).join(', '))
  // Older than all revisions that there are: nobody can ask for them, but they lie in the table and its indexes like any others.
  await sql`insert into ${history} (${copied}, revision, retired_revision) select ${copied}, -v - 1, -v from ${city}, generate_series(1, ${versions}) as v`.execute(store.db)
  for (const { definition } of indexes) await sql.raw(definition).execute(store.db)
  for (const table of [city, history]) await sql`vacuum analyze ${table}`.execute(store.db)
}
