/** Rows of a plan, by a cursor in one snapshot: memory stays flat however many there are. */
import { sql, type RawBuilder, type Transaction } from 'kysely'
import type { Column } from '../../layers/layer.js'
import type { Database } from '../store/database.js'
import type { Reader, Store, View } from '../store/store.js'
import { SIMULATION_LABEL } from '../../simulation/manifest.js'
import { isCut, type ExportRow, type GeometryEncoding, type LayerPlan, type RowOptions } from './export.js'

/** About as much is fetched at once, so that a layer of large polygons costs no more memory than one of points. */
const BATCH_BYTES = 2 * 2 ** 20
const MOST_ROWS = 2000
/** Beside its geometry, the bytes that a row is taken for. */
const ROW_BYTES = 200

/** One state of the whole city, read through one connection until it is closed. */
export interface Snapshot { readonly tx: Transaction<Database>; close(): Promise<void> }

/** A snapshot that lies idle for longer (a client that takes nothing) loses its connection, which others wait for. */
const IDLE_SECONDS = 120

/** When `signal` aborts, the statement at work is cancelled. */
export async function openSnapshot(store: Store, { clearance }: Reader, signal: AbortSignal): Promise<Snapshot> {
  signal.throwIfAborted()
  const tx = await store.pool(clearance).startTransaction().setIsolationLevel('repeatable read').execute()
  let cancel = () => {}
  const close = async () => {
    signal.removeEventListener('abort', cancel)
    await tx.rollback().execute().catch(() => {})
  }
  try {
    // Each FETCH counts as a statement of its own; the first may sort a million rows.
    await sql.raw(`set local statement_timeout = '10min'`).execute(tx)
    await sql.raw(`set local idle_in_transaction_session_timeout = '${IDLE_SECONDS}s'`).execute(tx)
    await sql.raw('set local cursor_tuple_fraction = 1').execute(tx)
    const { rows: [session] } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx)
    cancel = () => void sql`select pg_cancel_backend(${session!.pid}::int)`.execute(store.db).catch(() => {})
    signal.addEventListener('abort', cancel)
    return { tx, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Rows of a view and the order that they are asked for in, which speaks of them as `v`. */
export interface Opened { readonly rows: View | RawBuilder<unknown>; readonly order: RawBuilder<unknown> }

/** Batches of rows of one layer, as the one door has opened it. */
export async function* layerRows({ rows: view, order: asked }: Opened, { tx }: Snapshot, plan: LayerPlan, options: RowOptions, signal: AbortSignal): AsyncGenerator<readonly ExportRow[]> {
  const order = options.clustered ? sql`v.geom` : asked
  await sql`declare export_rows no scroll cursor for select ${selected(plan, options)} from ${view} as v order by ${order}`.execute(tx)
  try {
    for (let count = 100; ;) {
      signal.throwIfAborted()
      const { rows } = await sql<FetchedRow>`fetch ${sql.lit(count)} from export_rows`.execute(tx)
      if (rows.length > 0) yield rows.map(row => rowOf(row, plan.columns.length))
      if (rows.length < count) return
      const bytes = rows.reduce((sum, { g, s }) => sum + ROW_BYTES + (g?.length ?? 0) + (s?.length ?? 0), 0)
      count = Math.max(1, Math.min(MOST_ROWS, Math.floor((BATCH_BYTES * rows.length) / bytes)))
    }
  } finally {
    // Where the transaction is broken the cursor is gone with it.
    await sql`close export_rows`.execute(tx).catch(() => {})
  }
}

/** Short names: they come with each row. */
type FetchedRow = { readonly id: number; readonly g: Buffer | string | null; readonly s?: Buffer | null; readonly z?: number | null; readonly h?: number | null } & Readonly<Record<`c${number}`, string | number | boolean | null>>

function rowOf(row: FetchedRow, columns: number): ExportRow {
  const values = new Array<string | number | boolean | null>(columns)
  for (let i = 0; i < columns; i++) values[i] = row[`c${i}`] ?? null
  return { id: row.id, geometry: row.g, solid: row.s ?? null, groundZ: row.z ?? null, height: row.h ?? null, values }
}

function selected(plan: LayerPlan, { geometry, solids }: RowOptions): RawBuilder<unknown> {
  const columns = geometry === 'geojson' ? [] : plan.columns.map((column, i) => sql`${valueSql(column)} as ${sql.ref(`c${i}`)}`)
  const faces = solids && plan.layer.threeD ? [sql`st_asbinary(${plan.srid === 4326 ? sql`v.solid` : sql`st_transform(v.solid, ${sql.lit(plan.srid)})`}) as s, v.ground_z as z, v.height as h`] : []
  return sql.join([sql`v.id as id`, sql`${encoded(plan, geometry)} as g`, ...faces, ...columns])
}

/** A result of a simulation says so on each of its rows. */
export const SIMULATION: Column = { name: 'simulation', type: 'text', title: { vi: 'Mô phỏng', en: 'Simulation' } }

function valueSql({ name, type }: Column): RawBuilder<unknown> {
  if (name === SIMULATION.name) return sql`${SIMULATION_LABEL.en}::text`
  const value = sql.ref(`v.${name}`)
  switch (type) {
    case 'json': return sql`${value}::text`
    case 'timestamp': return sql`to_char(${value} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`
    default: return value
  }
}

/** All the digits that a double has: what is read back is what was stored. */
const DIGITS = sql.lit(15)

function encoded(plan: LayerPlan, encoding: GeometryEncoding): RawBuilder<unknown> {
  const shape = cut(plan, geometrySql(plan))
  switch (encoding) {
    case 'wkb': return sql`st_asbinary(${shape}, 'NDR')`
    case 'envelope': return sql`st_asbinary(st_envelope(${shape}), 'NDR')`
    case 'wkt': return plan.srid === 4326 ? sql`st_astext(${shape}, ${DIGITS})` : sql`st_asewkt(${shape}, ${DIGITS})`
    case 'lonlat': return sql`(select st_x(p) || ' ' || st_y(p) from (select st_pointonsurface(${shape}) as p) as middle)`
    // PostGIS has no KML for collections, only for what is in them.
    case 'kml': return plan.layer.geometry === 'any'
      ? sql`case when st_geometrytype(${shape}) = 'ST_GeometryCollection' then (select '<MultiGeometry>' || string_agg(st_askml(d.geom, ${DIGITS}), '') || '</MultiGeometry>' from st_dump(${shape}) as d) else st_askml(${shape}, ${DIGITS}) end`
      : sql`st_askml(${raised(plan, shape)}, ${DIGITS})`
    case 'geojson': return sql`'{"type":"Feature","id":' || v.id || ',"geometry":' || coalesce(st_asgeojson(${wound(plan, shape)}, ${DIGITS}, 0), 'null') || ',"properties":' || ${propertiesSql(plan.columns)} || '}'`
  }
}

function geometrySql({ layer, srid }: LayerPlan): RawBuilder<unknown> {
  switch (srid) {
    case 4326: return sql`v.geom`
    // Tiles' own copy is clamped at the poles, which no city is near to.
    case 3857: return sql`v.geom_3857`
    case layer.surveyed?.srid: return sql`coalesce(v.geom_native, st_transform(v.geom, ${sql.lit(srid)}))`
    default: return sql`st_transform(v.geom, ${sql.lit(srid)})`
  }
}

/** The part within `cutAt`, of the layer's own kind of geometry; null where only an edge is shared. */
function cut({ layer, srid, cutAt }: LayerPlan, shape: RawBuilder<unknown>): RawBuilder<unknown> {
  if (!cutAt || !isCut(layer)) return shape
  const area = sql`st_transform(st_setsrid(st_geomfromgeojson(${JSON.stringify(cutAt)}::text), 4326), ${sql.lit(srid)})`
  const part = sql`st_multi(st_collectionextract(st_intersection(${shape}, ${area}), ${sql.lit(layer.geometry === 'line' ? 2 : 3)}))`
  return sql`(select case when st_coveredby(${shape}, ${area}) then ${shape} when st_isempty(p.part) then null else p.part end from (select ${part} as part) as p)`
}

/** RFC 7946 wants outer rings counter-clockwise. PostGIS turns lines round too, whose direction means something. */
function wound({ layer }: LayerPlan, shape: RawBuilder<unknown>): RawBuilder<unknown> {
  if (layer.geometry === 'polygon') return sql`st_forcepolygonccw(${shape})`
  return layer.geometry === 'any' ? sql`case when st_geometrytype(${shape}) in ('ST_Polygon', 'ST_MultiPolygon') then st_forcepolygonccw(${shape}) else ${shape} end` : shape
}

/** Footprints with a height are drawn up to it. */
const raised = ({ layer }: LayerPlan, shape: RawBuilder<unknown>) => (layer.threeD?.form === 'extrude' ? sql`case when v.height > 0 then st_force3dz(${shape}, v.height) else ${shape} end` : shape)

function propertiesSql(columns: readonly Column[]): RawBuilder<unknown> {
  if (columns.length === 0) return sql`'{}'`
  const named = columns.map(column => (column.type === 'json' ? sql.ref(`v.${column.name}`) : sql`${valueSql(column)} as ${sql.ref(column.name)}`))
  return sql`(select row_to_json(p) from (select ${sql.join(named)}) as p)::text`
}
