/** Rows of a view as GeoJSON text, made in the database. */
import { sql, type RawBuilder } from 'kysely'
import type { Crs } from '../../../core/crs.js'
import type { Column, Layer } from '../../../layers/layer.js'
import { boxSql, filterToSql, ROWS } from '../../store/filter-sql.js'
import { visibleColumns } from '../../store/rights.js'
import type { Store, View } from '../../store/store.js'
import { storeColumnNames } from '../../store/tables.js'
import { revisionAsOf } from '../../store/view.js'
import type { ItemsQuery } from './query.js'

export interface FeatureRow { readonly id: number; readonly revision: number; readonly feature: string; readonly at: Date | null }

/** Rows per statement: enough to be fast, few enough to keep memory flat and the socket fed. */
const BATCH = 2000

/**
 * Pages of features in the order of their ids, after `after`, at most `count`. Keyset: each batch starts where the last ended,
 * so that rows that come and go meanwhile neither repeat nor hide others.
 */
export async function* featureBatches(store: Store, query: ItemsQuery, after: number, count: number): AsyncGenerator<readonly FeatureRow[]> {
  let [last, left] = [after, count]
  while (left > 0) {
    const rows = await featureRows(store, query, sql`v.id > ${last}::int8`, Math.min(left, BATCH))
    if (rows.length > 0) yield rows
    if (rows.length < Math.min(left, BATCH)) return
    left -= rows.length
    last = rows[rows.length - 1]!.id
  }
}

/** The feature with this id; undefined when the view has none. */
export async function featureRow(store: Store, query: ItemsQuery, id: number): Promise<FeatureRow | undefined> {
  return (await featureRows(store, query, sql`v.id = ${id}::int8`, 1))[0]
}

async function featureRows(store: Store, query: ItemsQuery, condition: RawBuilder<unknown>, limit: number): Promise<FeatureRow[]> {
  const { view, crs, layer, properties } = query
  const rows = await rowsOf(store, query)
  const { rows: found } = await sql<FeatureRow>`
    select v.id, v.revision, v.valid_from as at,
      '{"type":"Feature","id":' || v.id || ',"geometry":' || coalesce(st_asgeojson(${geometrySql(layer, crs)}, ${sql.lit(crs.digits)}, 0), 'null')
        || ',"properties":' || ${propertiesSql(properties)} || '}' as feature
    from ${rows} as v
    where ${condition} order by v.id limit ${limit}`.execute(store.pool(view.reader.clearance))
  return found
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
