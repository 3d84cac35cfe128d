/** A query's rows, counts, ids, boxes and statistics, from the view. */
import { sql, type RawBuilder } from 'kysely'
import type { Store, View } from '../store/store.js'
import { OBJECT_ID, valueSql, type Field } from './fields.js'
import { braced, globalIdOf } from './global-ids.js'
import { geometrySql, orderSql, type EsriQuery, type Order, type Statistic } from './query.js'
import { partsOf, type Parts } from './shape.js'
import { referenceOf, type Extent } from './spatial-reference.js'

export interface EsriRow {
  /** In the order of `outFields`. */
  readonly values: readonly unknown[]
  readonly wkb: Uint8Array | null
  readonly centroid: Parts | null
}

interface Found extends Record<string, unknown> { readonly _id: number; readonly _shape: Buffer | null; readonly _centre: Buffer | null; readonly _given: string | null }

const where = (conditions: readonly RawBuilder<unknown>[]) => (conditions.length ? sql`where ${sql.join(conditions, sql` and `)}` : sql``)
const poolOf = (store: Store, { view }: EsriQuery) => store.pool(view.reader.clearance)

/** One row more than the limit tells that there are more. */
export async function esriRows(store: Store, query: EsriQuery, clockwise = true): Promise<readonly EsriRow[]> {
  const { outFields, conditions, order, limit, offset, withGeometry, withCentroid } = query
  const rows: View = await store.view(query.view)
  const named = outFields.some(({ system }) => system === 'globalid')
  const columns = outFields.map((field, i) => sql`, ${field.system === 'globalid' ? sql`null` : valueSql(field)} as ${sql.ref(`c${i}`)}`)
  const { rows: found } = await sql<Found>`
    select v.id as _id ${sql.join(columns, sql` `)}
      ${withGeometry ? sql`, st_asbinary(${geometrySql(query, clockwise)}) as _shape` : sql``}
      ${withCentroid ? sql`, st_asbinary(st_centroid(${geometrySql(query)})) as _centre` : sql``}
      ${named ? sql`, (select g.global_id::text from dothi.global_ids as g where g.feature = v.id) as _given` : sql``}
    from ${rows} as v ${where(conditions)}
    order by ${order.length ? sql`${orderSql(order)}, ` : sql``}v.objectid limit ${limit + 1} offset ${offset}`.execute(poolOf(store, query))
  return found.map((row): EsriRow => ({
    values: outFields.map(({ system }, i) => (system === 'globalid' ? braced(row._given ?? globalIdOf(row._id)) : row[`c${i}`] ?? null)),
    wkb: row._shape ?? null, centroid: row._centre ? partsOf(row._centre) : null,
  }))
}

export async function countOf(store: Store, query: EsriQuery): Promise<number> {
  if (query.distinct) {
    const { rows: [found] } = await sql<{ n: number }>`select count(*) as n from (select distinct ${distinctColumns(query)} from ${await store.view(query.view)} as v ${where(query.conditions)}) as d`.execute(poolOf(store, query))
    return found!.n
  }
  if (query.whole) return (await store.layerSummary(query.esri.layer, query.view.branch)).count
  const { rows: [found] } = await sql<{ n: number }>`select count(*) as n from ${await store.view({ ...query.view, columns: [] })} as v ${where(query.conditions)}`.execute(poolOf(store, query))
  return found!.n
}

/** All of them, in order: clients page by ranges of ids. */
export async function objectIds(store: Store, query: EsriQuery): Promise<readonly number[]> {
  const { rows: [found] } = await sql<{ ids: readonly number[] | null }>`select array_agg(v.objectid order by ${query.order.length ? sql`${orderSql(query.order)}, ` : sql``}v.objectid) as ids
    from ${await store.view(query.view)} as v ${where(query.conditions)}`.execute(poolOf(store, query))
  return found!.ids ?? []
}

export async function extentOf(store: Store, query: EsriQuery): Promise<{ readonly extent: Extent | null; readonly count: number }> {
  const { rows: [found] } = await sql<{ n: number; xmin: number | null; ymin: number; xmax: number; ymax: number }>`
    select n, st_xmin(e) as xmin, st_ymin(e) as ymin, st_xmax(e) as xmax, st_ymax(e) as ymax
    from (select count(*) as n, st_extent(${geometrySql({ ...query, simplify: 0 })}) as e from ${await store.view({ ...query.view, columns: [] })} as v ${where(query.conditions)}) as t`.execute(poolOf(store, query))
  const { n, xmin, ymin, xmax, ymax } = found!
  return { count: n, extent: xmin === null ? null : { xmin, ymin, xmax, ymax, spatialReference: referenceOf(query.crs) } }
}

/** Each combination of the fields once; one row more than the limit where there are more. */
export async function distinctRows(store: Store, query: EsriQuery): Promise<readonly (readonly unknown[])[]> {
  const { outFields, order, limit, offset } = query
  const ranked = order.filter(({ by }) => typeof by !== 'string' && outFields.includes(by))
  const { rows } = await sql<Record<string, unknown>>`
    select distinct ${distinctColumns(query)} from ${await store.view(query.view)} as v ${where(query.conditions)}
    order by ${sql.join([...ranked.map(each => ordinal(outFields.indexOf(each.by as Field), each)), ...outFields.map((_, i) => sql`${sql.lit(i + 1)}`)])}
    limit ${limit + 1} offset ${offset}`.execute(poolOf(store, query))
  return rows.map(row => outFields.map((_, i) => row[`c${i}`] ?? null))
}

const distinctColumns = ({ outFields }: EsriQuery) => sql.join(outFields.map((field, i) => sql`${valueSql(field)} as ${sql.ref(`c${i}`)}`))
/** A column of the answer, by its place: PostgreSQL takes no expression there where rows are distinct. */
const ordinal = (i: number, { descending }: Order) => (descending ? sql`${sql.lit(i + 1)} desc nulls last` : sql`${sql.lit(i + 1)} asc nulls first`)

/** Groups with their statistics: the groups' fields first. */
export async function statisticsRows(store: Store, query: EsriQuery): Promise<readonly (readonly unknown[])[]> {
  const { groupBy, statistics, order, limit, offset } = query
  const columns = [...groupBy.map(field => valueSql(field)), ...statistics.map(statisticSql)]
  const ranked = order.flatMap(each => {
    const place = typeof each.by === 'string' ? groupBy.length + statistics.findIndex(({ name }) => name === each.by) : groupBy.indexOf(each.by)
    return place < 0 ? [] : [ordinal(place, each)]
  })
  const { rows } = await sql<Record<string, unknown>>`
    select ${sql.join(columns.map((column, i) => sql`${column} as ${sql.ref(`c${i}`)}`))} from ${await store.view(query.view)} as v ${where(query.conditions)}
    ${groupBy.length ? sql`group by ${sql.join(groupBy.map((_, i) => sql`${sql.lit(i + 1)}`))}` : sql``}
    ${ranked.length || groupBy.length ? sql`order by ${sql.join([...ranked, ...groupBy.map((_, i) => sql`${sql.lit(i + 1)}`)])}` : sql``}
    limit ${limit + 1} offset ${offset}`.execute(poolOf(store, query))
  return rows.map(row => columns.map((_, i) => row[`c${i}`] ?? null))
}

function statisticSql({ type, field, at, descending }: Statistic): RawBuilder<unknown> {
  const value = field.system === 'globalid' ? sql`v.id` : valueSql(field)
  switch (type) {
    case 'count': return field.name === OBJECT_ID ? sql`count(*)` : sql`count(${value})`
    case 'stddev': return sql`stddev_samp((${value})::float8)`
    case 'var': return sql`var_samp((${value})::float8)`
    case 'percentile_cont': case 'percentile_disc':
      return sql`${sql.raw(type)}(${at!}::float8) within group (order by (${value})::float8 ${sql.raw(descending ? 'desc' : 'asc')})`
    case 'sum': case 'avg': return sql`${sql.raw(type)}((${value})::float8)`
    default: return sql`${sql.raw(type)}(${value})`
  }
}
