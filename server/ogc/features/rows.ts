/** Rows of a view as GeoJSON text, made in the database. */
import { sql, type RawBuilder, type SqlBool } from 'kysely'
import type { Crs } from '../../../core/crs.js'
import type { Column, Layer } from '../../../layers/layer.js'
import { boxSql, filterToSql, ROWS } from '../../store/filter-sql.js'
import { visibleColumns } from '../../store/rights.js'
import type { Store, View } from '../../store/store.js'
import { storeColumnNames } from '../../store/tables.js'
import { revisionAsOf } from '../../store/view.js'
import type { Cursor, Place } from './cursor.js'
import type { ItemsPage, Neighbours } from './formats.js'
import { orderSql, placeColumns, placeOf, withinSql, type Window } from './order.js'
import type { ItemsQuery } from './query.js'

export interface FeatureRow { readonly id: number; readonly revision: number; readonly feature: string; readonly at: Date | null; readonly place: Place }

/** Rows per statement: enough to be fast, few enough to keep memory flat and the socket fed. */
const BATCH = 2000

/**
 * Features in the query's order, within the window, at most `count`. Keyset: each batch starts where the last ended,
 * so that rows that come and go meanwhile neither repeat nor hide others.
 */
export async function* featureBatches(store: Store, query: ItemsQuery, window: Window, count: number): AsyncGenerator<readonly FeatureRow[]> {
  let { after } = window
  for (let left = count; left > 0;) {
    const size = Math.min(left, BATCH)
    const rows = await featureRows(store, query, { ...window, after }, size)
    if (rows.length > 0) yield rows
    if (rows.length < size) return
    left -= rows.length
    after = rows[rows.length - 1]!.place
  }
}

/** The feature with this id; undefined when the view has none. */
export async function featureRow(store: Store, query: ItemsQuery, id: number): Promise<FeatureRow | undefined> {
  return (await featureRows(store, { ...query, only: id }, {}, 1))[0]
}

async function featureRows(store: Store, query: ItemsQuery, window: Window, limit: number): Promise<FeatureRow[]> {
  const { view, crs, layer, properties, sort = [] } = query
  const rows = await rowsOf(store, query)
  const { rows: found } = await sql<Omit<FeatureRow, 'place'> & Record<string, string | null>>`
    select v.id, v.revision, v.valid_from as at, ${placeColumns(sort)}
      '{"type":"Feature","id":' || v.id || ',"geometry":' || coalesce(st_asgeojson(${geometrySql(layer, crs)}, ${sql.lit(crs.digits)}, 0), 'null')
        || ',"properties":' || ${propertiesSql(properties)} || '}' as feature
    from ${rows} as v
    where ${within(query, window)} order by ${orderSql(sort)} limit ${limit}`.execute(store.pool(view.reader.clearance))
  return found.map((row) => ({ ...row, place: placeOf(row, sort) }) as unknown as FeatureRow)
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
    select ${placeColumns(sort)} v.id from ${rows} as v where ${within(query, window)}
    order by ${orderSql(sort, backwards)} limit ${limit} offset ${offset}`.execute(store.pool(view.reader.clearance))
  return found.map((row) => placeOf(row, sort))
}

/** The view; over an interval also the features that were retired in it, each by its last version. */
async function rowsOf(store: Store, { view, since, layer, properties }: ItemsQuery): Promise<RawBuilder<unknown> | View> {
  const current = await store.view(view)
  if (!since) return current
  const still = await store.view({ ...view, where: undefined, bbox: undefined, columns: [] })
  const known = [...storeColumnNames(layer), ...visibleColumns(layer, view.reader.clearance).map(({ name }) => name)]
  const wanted = sql.join([...new Set(['id', 'revision', 'valid_from', 'geom', 'geom_3857', ...(layer.surveyed ? ['geom_native'] : []), ...properties.map(({ name }) => name)])].map((name) => sql.ref(name)))
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

function propertiesSql(properties: readonly Column[]): RawBuilder<string> {
  if (properties.length === 0) return sql`'{}'`
  return sql`(select row_to_json(p) from (select ${sql.join(properties.map(({ name }) => sql.ref(`v.${name}`)))}) as p)::text`
}

/** In the CRS asked for, rings counter-clockwise; the geometry as delivered where that is its CRS. */
function geometrySql(layer: Layer, crs: Crs): RawBuilder<unknown> {
  const own = sql.ref('v.geom')
  const there = crs.srid === 4326 ? own
    : crs.srid === layer.surveyed?.srid ? sql`coalesce(v.geom_native, st_transform(v.geom, ${sql.lit(crs.srid)}))`
    : crs.srid === 3857 ? sql.ref('v.geom_3857') : sql`st_transform(v.geom, ${sql.lit(crs.srid)})`
  // PostGIS turns lines round too, whose direction means something.
  const wound = layer.geometry === 'polygon' ? sql`st_forcepolygonccw(${there})`
    : layer.geometry === 'any' ? sql`case when st_geometrytype(${there}) in ('ST_Polygon', 'ST_MultiPolygon') then st_forcepolygonccw(${there}) else ${there} end` : there
  return crs.axes === 'lat,lon' ? sql`st_flipcoordinates(${wound})` : wound
}

/** Beyond this many a count costs more than it tells. */
const COUNT_MOST = 100_000

/** How many features match; undefined when there are more than is worth counting. */
export async function countMatches(store: Store, query: ItemsQuery): Promise<number | undefined> {
  if (query.whole) return (await store.layerSummary(query.layer, query.view.branch)).count
  const { view } = query
  const rows = await rowsOf(store, { ...query, properties: [], view: { ...view, columns: [] } })
  const { rows: [found] } = await sql<{ count: number }>`
    select count(*) as count from (select from ${rows} as v limit ${COUNT_MOST + 1}) as matching`.execute(store.pool(view.reader.clearance))
  return found!.count > COUNT_MOST ? undefined : found!.count
}
