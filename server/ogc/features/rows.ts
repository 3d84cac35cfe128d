/** Rows of a query through the one door: as features, as places, as a count. */
import { createHash } from 'node:crypto'
import { sql, type RawBuilder, type SqlBool } from 'kysely'
import { boxSql, filterToSql, ROWS } from '../../store/filter-sql.js'
import { visibleColumns } from '../../store/rights.js'
import type { Store, View } from '../../store/store.js'
import { storeColumnNames } from '../../store/tables.js'
import { revisionAsOf } from '../../store/view.js'
import type { Cursor, Place } from './cursor.js'
import { featureColumns, FeatureWriter, type WriteOptions } from './feature-rows.js'
import type { ItemsPage, Neighbours } from './formats.js'
import { orderSql, placeColumns, placeOf, withinSql, type Window } from './order.js'
import type { ItemsQuery } from './query.js'

/** A feature as its text, with what of it is needed beside. */
export interface FeatureRow { readonly id: number; readonly revision: number; readonly at: Date | null; readonly feature: string }

/** Features that came together: their texts with commas between, and the places of the first and last. */
export interface FeatureBatch {
  readonly writer: FeatureWriter
  readonly text: Uint8Array
  readonly count: number
  readonly first: Place | undefined
  readonly last: Place | undefined
  /** Is there a row behind the last that the window holds, but the count does not? */
  readonly more: boolean
}

/** Rows of the first statement, so that an answer begins soon, and of each later one: enough to be fast, few enough to keep memory flat and connections free. */
const FIRST_BATCH = 250
const BATCH = 2500
/** Text that a batch comes to, about: large geometries come in smaller batches. */
const BATCH_BYTES = 8 << 20

/**
 * Features in the query's order, within the window, at most `count`; one batch at least. Keyset: each batch starts where the last ended, so that
 * rows that come and go meanwhile neither repeat nor hide others. The next batch is read while the last is used.
 */
export async function* featureTexts(store: Store, query: ItemsQuery, window: Window, count: number, options: ReadOptions = {}): AsyncGenerator<FeatureBatch> {
  const read = (after: Place | undefined, left: number, size: number) => {
    const batch = readBatch(store, query, { ...window, after }, size, left > size ? size : size + 1, options)
    batch.catch(() => {}) // told where it is awaited
    return batch
  }
  let left = count
  // Where an order has no index, every statement sorts anew: there shall be few.
  const sorts = (query.sort ?? []).length > 0
  for (let size = Math.min(left, sorts ? BATCH : FIRST_BATCH), reading: Promise<FeatureBatch> | undefined = read(window.after, left, size); reading;) {
    const batch = await reading
    left -= batch.count
    reading = undefined
    if (batch.count === size && left > 0) {
      size = Math.max(50, Math.min(left, sorts ? left : BATCH, Math.floor((BATCH_BYTES * batch.count) / batch.text.length)))
      reading = read(batch.last, left, size)
    }
    if (batch.count > 0 || left === count) yield batch
  }
}

export interface ReadOptions extends WriteOptions { readonly signal?: AbortSignal }

async function readBatch(store: Store, query: ItemsQuery, window: Window, most: number, limit: number, { signal, ...options }: ReadOptions): Promise<FeatureBatch> {
  const { clearance } = query.view.reader
  const statement = sql`select ${featureColumns(query, options.form)} from ${await rowsOf(store, query)} as v
    where ${within(query, window)} order by ${orderSql(query.sort)} limit ${limit}::int8`
  const { sql: text, parameters: values } = statement.compile(store.pool(clearance))
  const writer = new FeatureWriter(query, most, options)
  await store.rows(clearance, { text, values }, writer, signal)
  return { writer, text: writer.out.written(), count: writer.count, ...writer.finish(), more: writer.isOver }
}

/** The same, as a value a feature. */
export async function* featureBatches(store: Store, query: ItemsQuery, window: Window, count: number): AsyncGenerator<readonly FeatureRow[]> {
  for await (const { writer, text } of featureTexts(store, query, window, count, { keepsRows: true })) {
    const bytes = Buffer.from(text.buffer, text.byteOffset, text.length)
    yield writer.rows.map(({ start, end, ...row }) => ({ ...row, feature: bytes.toString('utf8', start, end) }))
  }
}

/** The feature with this id; undefined when the view has none. */
export async function featureRow(store: Store, query: ItemsQuery, id: number, options: WriteOptions = {}): Promise<FeatureRow | undefined> {
  const { writer, text } = await readBatch(store, { ...query, only: id }, {}, 1, 1, { ...options, keepsRows: true })
  const [row] = writer.rows
  return row && { id: row.id, revision: row.revision, at: row.at, feature: Buffer.from(text).toString() }
}

/** A page as a relation with the view's columns; where its rows leave it for somewhere else, say `order` of it again: `from ${rows} as v order by ${order}`. */
export async function pageRows(store: Store, { query, window, limit }: Pick<ItemsPage, 'query' | 'window' | 'limit'>): Promise<{ rows: RawBuilder<unknown>; order: RawBuilder<unknown> }> {
  const order = orderSql(query.sort)
  return { rows: sql`(select v.* from ${await rowsOf(store, query)} as v where ${within(query, window)} order by ${order} limit ${limit})`, order }
}

/** The pages beside a page that is not read yet. */
export async function pageNeighbours(store: Store, { query, window, limit }: Pick<ItemsPage, 'query' | 'window' | 'limit'>): Promise<Neighbours> {
  const first = window.after && (await places(store, query, window, { limit: 1 }))[0]
  const [last, beyond] = await places(store, query, window, { offset: limit - 1, limit: 2 })
  return neighbours(window, first, last, beyond !== undefined)
}

/** What stands before the first and behind the last row of a page. */
export function neighbours({ after, before }: Window, first: Place | undefined, last: Place | undefined, more: boolean): Neighbours {
  return {
    ...(last && (more || before) && { next: { side: 'after', place: last } }),
    ...(first && after && { prev: { side: 'before', place: first } }),
  }
}

/** Where a page of `limit` rows lies. One that ends before a place begins as many rows earlier. */
export async function windowOf(store: Store, query: ItemsQuery, start: Cursor | undefined, limit: number): Promise<Window> {
  if (!start) return {}
  if (start.side === 'after') return { after: start.place }
  const [after] = await places(store, query, { before: start.place }, { offset: limit, limit: 1, backwards: true })
  return { after, before: start.place }
}

async function places(store: Store, query: ItemsQuery, window: Window, { offset = 0, limit, backwards = false }: { offset?: number; limit: number; backwards?: boolean }): Promise<Place[]> {
  const { view, sort = [] } = query
  const rows = await rowsOf(store, { ...query, properties: query.properties.filter(({ name }) => sort.some((key) => key.name === name)) })
  const { rows: found } = await sql<{ id: number } & Record<string, string | null>>`
    select v.id${placeColumns(sort)} from ${rows} as v where ${within(query, window)}
    order by ${orderSql(sort, backwards)} limit ${limit} offset ${offset}`.execute(store.pool(view.reader.clearance))
  return found.map((row) => placeOf(row, sort))
}

/** The view; over an interval also the features that were retired in it, each by its last version. */
async function rowsOf(store: Store, { view, since, layer, properties }: ItemsQuery): Promise<RawBuilder<unknown> | View> {
  const current = await store.view(view)
  if (!since) return current
  const still = await store.view({ ...view, where: undefined, bbox: undefined, columns: [] })
  const known = [...storeColumnNames(layer), ...visibleColumns(layer, view.reader.clearance).map(({ name }) => name)]
  const wanted = sql.join([...new Set(['id', 'revision', 'valid_from', 'geom', 'geom_3857', ...(layer.surveyed ? ['geom_native'] : []), ...(layer.threeD ? ['solid', 'ground_z', 'height'] : []), ...properties.map(({ name }) => name)])].map((name) => sql.ref(name)))
  const conditions = [
    sql`true`,
    ...(view.where ? [filterToSql(view.where, layer, view.reader.clearance)] : []),
    ...(view.bbox ? [boxSql(view.bbox.srid === 3857 ? 'geom_3857' : 'geom', view.bbox.box, view.bbox.srid, true)] : []),
  ]
  const end = await revisionAsOf(store.pool(view.reader.clearance), view.asOf)
  return sql`(select ${wanted} from ${current} as c union all select ${wanted} from (
    select distinct on (h.id) ${sql.join(known.map((name) => sql.ref(`h.${name}`)))}
    from ${sql.table(`history.${layer.id}`)} as h join dothi.revisions as r on r.revision = h.retired_revision
    where r.at > ${since} and ${end === null ? sql`true` : sql`h.revision <= ${end}::int8`}
    order by h.id, h.revision desc) as ${sql.ref(ROWS)}
  where not exists (select from ${still} as s where s.id = ${sql.ref(`${ROWS}.id`)}) and ${sql.join(conditions, sql` and `)})`
}

/** The rows of a window, or the one row that is wanted. */
const within = ({ sort = [], only }: ItemsQuery, window: Window) => (only === undefined ? withinSql(sort, window) : sql<SqlBool>`v.id = ${only}::int8`)

/** Beyond this many a count costs more than it tells. */
const COUNT_MOST = 100_000

/** Counts of queries at a revision: who pages through a result asks the same with each page. */
const counts = new WeakMap<Store, Map<string, number | undefined>>()
const MOST_COUNTS = 500

/** How many features match at this revision of the layer; undefined when there are more than is worth counting. */
export async function countMatches(store: Store, query: ItemsQuery, revision: number): Promise<number | undefined> {
  const { layer, view, since, whole } = query
  if (whole) return view.branch === 'main' && layer.kind === 'city' ? store.layerCount(layer) : (await store.layerSummary(layer, view.branch)).count
  if (layer.kind !== 'city' || query.dependsOnMore) return count(store, query)
  const key = createHash('sha256').update(JSON.stringify([layer.id, revision, view.branch, view.asOf, view.reader.clearance, view.where, view.bbox, since])).digest('base64url')
  const known = counts.get(store) ?? new Map<string, number | undefined>()
  counts.set(store, known)
  if (!known.has(key)) {
    if (known.size >= MOST_COUNTS) known.clear()
    known.set(key, await count(store, query))
  }
  return known.get(key)
}

async function count(store: Store, query: ItemsQuery): Promise<number | undefined> {
  const { view } = query
  const rows = await rowsOf(store, { ...query, properties: [], view: { ...view, columns: [] } })
  const { rows: [found] } = await sql<{ count: number }>`
    select count(*) as count from (select from ${rows} as v limit ${COUNT_MOST + 1}) as matching`.execute(store.pool(view.reader.clearance))
  return found!.count > COUNT_MOST ? undefined : found!.count
}
