import { Kysely, PostgresDialect, sql } from 'kysely'
import pg from 'pg'
import { union, type BBox } from '../../core/bbox.js'
import type { Classification, Layer } from '../../layers/layer.js'
import { applyLayers, LayerCatalogue } from './catalogue.js'
import type { Database } from './database.js'
import { migrate } from './migrate.js'
import { listen } from './notifications.js'
import { branchesUnder, layerRevision, withRevision } from './revisions.js'
import { readRows, RowClient } from './row-client.js'
import { CLASSES, PATIENCE_MS, POOL_SIZES, servingConnection } from './rights.js'
import type { Branch, City, Store, ViewArgs } from './store.js'
import { TileMemory } from './tile-memory.js'
import { layerRevisionNow, tileRevisions, tileRevisionsNow } from './tile-revisions.js'
import { view } from './view.js'

export interface OpenStoreOptions {
  /** The owner's connection; the pools of readers are made from it, each under its role. */
  readonly connection: pg.PoolConfig
  /** Default: the layer files. */
  readonly layers?: readonly Layer[]
}

/** Opens a database as a store: migrates it, makes the reading roles, applies additive differences of layers. Throws StoreUnusable. */
export async function openStore({ connection, layers }: OpenStoreOptions): Promise<Store> {
  const known = layers ?? (await import('../../layers/index.js')).LAYERS
  const db = connect(connection, POOL_SIZES.owner)
  try {
    await migrate(db, tx => applyLayers(tx, known))
  } catch (error) {
    await db.destroy()
    throw error
  }
  const writers = connect(connection, POOL_SIZES.writer)
  const readers = Object.fromEntries(await Promise.all(CLASSES.map(async clearance =>
    [clearance, pgPool({ ...await servingConnection(connection, clearance), connectionTimeoutMillis: PATIENCE_MS }, POOL_SIZES[clearance])]))) as Record<Classification, pg.Pool>
  const pools = Object.fromEntries(CLASSES.map(clearance => [clearance, onPool(readers[clearance])])) as Record<Classification, Kysely<Database>>
  const pool = (clearance: Classification) => pools[clearance]
  const memory = new TileMemory(db)
  const write: Store['withRevision'] = async (meta, apply, prepare) => {
    const written = await withRevision(writers, meta, apply, prepare)
    memory.committed(written.revision.revision)
    return written
  }
  const catalogue = new LayerCatalogue(db, known, write)
  await catalogue.reload()

  const door = { pool, db, unknown: (id: string) => catalogue.unknown(id) }
  const listeners = new Set<(revision: number) => void>()
  const hearing = listen(connection, {
    dothi_tiles: text => memory.hearTiles(text),
    dothi_revision: text => {
      memory.hearRevision(Number(text))
      for (const listener of listeners) listener(Number(text))
    },
    dothi_catalogue: () => {
      memory.forget() // a layer may be another one under an old name
      void catalogue.reload().catch(() => {})
    },
  }, memory, async () => {
    // What was said while nobody listened: the catalogue may have changed, revisions may have come.
    await catalogue.reload()
    const latest = (await sql<{ n: number }>`select coalesce(max(revision), 0) as n from dothi.revisions`.execute(db)).rows[0]!.n
    for (const listener of listeners) listener(latest)
  })

  const revisionsOf: Store['tileRevisions'] = async (layers, branch, tile, asOf = 'now') =>
    (asOf === 'now' ? tileRevisionsNow(memory, layers, branch, tile) : undefined) ?? tileRevisions(db, layers, branch, tile, asOf)
  const layerCountNow: Store['layerCountNow'] = layer => memory.isCurrent && layer.kind === 'city' ? memory.count(layer.id, 'main') : undefined

  return {
    db, pool, catalogue,
    rows: (clearance, query, into, signal) => readRows(readers[clearance], db, query, into, signal),
    city: () => readCity(db),
    setCity: city => writeCity(db, city),
    view: (args: ViewArgs) => view(door, args),
    withRevision: write,
    committed: revision => memory.committed(revision),
    layerRevision: async (layer, branch, asOf = 'now') =>
      (asOf === 'now' ? layerRevisionNow(memory, layer, branch) : undefined) ?? layerRevision(db, layer, branch, asOf),
    tileRevision: async (layer, branch, tile, asOf) => (await revisionsOf([layer], branch, tile, asOf))[0]!,
    tileRevisions: revisionsOf,
    tileRevisionsNow: (layers, branch, tile) => tileRevisionsNow(memory, layers, branch, tile),
    layerCount: async layer => layerCountNow(layer) ?? (await layerSummary(db, layer)).count,
    layerCountNow,
    layerSummary: (layer, branch) => layerSummary(db, layer, branch),
    onRevision(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async close() {
      await hearing.stop()
      await Promise.all([db, writers, ...Object.values(pools)].map(each => each.destroy()))
    },
  }
}

/** A pool as Kysely. bigint arrives as a number (ids and counts are below 2^53), a date as the text it is. */
const connect = (connection: pg.PoolConfig, max: number): Kysely<Database> => onPool(pgPool(connection, max))
const onPool = (pool: pg.Pool) => new Kysely<Database>({ dialect: new PostgresDialect({ pool }) })

function pgPool(connection: pg.PoolConfig, max: number): pg.Pool {
  const pool = new pg.Pool({ application_name: 'dothi', ...connection, max, types: TYPES, Client: RowClient })
  // A connection that the server drops is replaced at the next use, and who was using it gets a rejected query.
  // Unheard, these events would end the process.
  pool.on('error', () => {})
  pool.on('connect', client => client.on('error', () => {}))
  return pool
}

const INT8 = 20
const INT8_ARRAY = 1016
const DATE = 1082
const TYPES: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') => {
    if (format !== 'binary') {
      if (oid === INT8) return Number
      if (oid === DATE) return String
      if (oid === INT8_ARRAY) return (text: string) => text.slice(1, -1).split(',').filter(Boolean).map(Number)
    }
    return pg.types.getTypeParser(oid, format as 'text')
  }) as pg.CustomTypesConfig['getTypeParser'],
}

/** Until a city is set: Đà Nẵng's, without the sample. */
const UNSET: City = {
  name: 'Đà Nẵng', srid: 5899, home: { lon: 108.22, lat: 16.06, zoom: 13 }, verticalDatum: 'Hon Dau 1992 (EPSG:5727)',
  geoidOffset: 0, timeZone: 'Asia/Ho_Chi_Minh', currency: 'VND', sample: false,
}

async function readCity(db: Kysely<Database>): Promise<City> {
  const { rows } = await sql<City>`
    select name, srid, home, vertical_datum as "verticalDatum", geoid_offset as "geoidOffset", time_zone as "timeZone", currency, sample from dothi.city`.execute(db)
  return rows[0] ?? UNSET
}

async function writeCity(db: Kysely<Database>, city: City): Promise<void> {
  const { name, srid, home, verticalDatum, geoidOffset, timeZone, currency, sample } = city
  await sql`
    insert into dothi.city (name, srid, home, vertical_datum, geoid_offset, time_zone, currency, sample)
    values (${name}, ${srid}, ${JSON.stringify(home)}, ${verticalDatum}, ${geoidOffset}, ${timeZone}, ${currency}, ${sample})
    on conflict (one) do update set name = excluded.name, srid = excluded.srid, home = excluded.home, vertical_datum = excluded.vertical_datum,
      geoid_offset = excluded.geoid_offset, time_zone = excluded.time_zone, currency = excluded.currency, sample = excluded.sample`.execute(db)
}

type Summary = Awaited<ReturnType<Store['layerSummary']>>

async function layerSummary(db: Kysely<Database>, layer: Layer, branch: Branch = 'main'): Promise<Summary> {
  if (layer.kind === 'report') return reportSummary(db, layer)
  const { rows } = layer.kind === 'run' ? await latestRun(db, layer, branch) : await sql<Summary>`
    select case branch when 'main' then count else 0 end as count, bbox, revision, updated
    from dothi.layer_summaries where layer = ${layer.id} and branch = any(${branchesUnder(branch)})`.execute(db)
  const overlaid = layer.kind === 'run' || branch === 'main' ? 0 : await overlayCount(db, layer, branch)
  const whole = rows.reduce<Summary>((a, b) => ({
    count: a.count + b.count, bbox: union(a.bbox, b.bbox), revision: Math.max(a.revision, b.revision),
    updated: a.updated && a.updated > b.updated! ? a.updated : b.updated,
  }), { count: overlaid, bbox: null, revision: 0, updated: null })
  return { ...whole, bbox: whole.bbox && pad(whole.bbox) }
}

/** How many more features a branch has than main. Not from the log: main may since have lost what the branch overlays. */
async function overlayCount(db: Kysely<Database>, layer: Layer, branch: string): Promise<number> {
  const { rows } = await sql<{ more: number }>`
    select count(*) filter (where not deleted) - count(*) filter (where exists (select from ${sql.table(`city.${layer.id}`)} as c where c.id = o.id)) as more
    from ${sql.table(`branch.${layer.id}`)} as o where branch = ${branch}::uuid and retired_revision is null`.execute(db)
  return rows[0]!.more
}

/** The count that everybody may know, of open rows. The extent is the whole city's, so that it tells nothing of where closed ones lie. */
async function reportSummary(db: Kysely<Database>, layer: Layer): Promise<Summary> {
  const { rows } = await sql<Summary>`
    select (select count(*) from ${sql.table(`report_open.${layer.id}`)}) as count, r.version as revision, r.changed as updated, s.bbox
    from (select array[min(bbox[1]), min(bbox[2]), max(bbox[3]), max(bbox[4])] as bbox, count(bbox) as n from dothi.layer_summaries where branch = 'main') as s
    left join dothi.reports as r on r.layer = ${layer.id}`.execute(db)
  const { count, revision, updated, bbox } = rows[0]!
  return { count, revision: revision ?? 0, updated, bbox: bbox?.[0] == null ? null : pad(bbox) }
}

/** Results are few, hit features of one run, so they are counted as they lie. */
function latestRun(db: Kysely<Database>, layer: Layer, branch: Branch) {
  return sql<Summary>`
    with run as (select id, finished from dothi.jobs where kind = 'flood' and branch = ${branch} and state = 'successful' order by finished desc limit 1),
    extent as (select count(*) as count, st_extent(geom) as e from ${sql.table(`runs.${layer.id}`)} where run = (select id from run))
    select count, case when e is not null then array[st_xmin(e), st_ymin(e), st_xmax(e), st_ymax(e)] end as bbox,
      floor(extract(epoch from finished) * 1000)::int8 as revision, finished as updated from run, extent`.execute(db)
}

/** Half a metre around, so that an extent of one point, or one rounded to seven places, still holds its features. */
function pad([west, south, east, north]: BBox): BBox {
  const d = 5e-6
  return [Math.max(-180, west - d), Math.max(-90, south - d), Math.min(180, east + d), Math.min(90, north + d)]
}
