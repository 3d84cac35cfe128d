/** Rows of a view as GeoJSON text, made in the database. */
import { sql, type RawBuilder } from 'kysely'
import type { Crs } from '../../../core/crs.js'
import type { Column, Layer } from '../../../layers/layer.js'
import type { Store } from '../../store/store.js'
import type { ItemsQuery } from './query.js'

export interface FeatureRow { readonly id: number; readonly revision: number; readonly feature: string }

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

async function featureRows(store: Store, { view, crs, layer, properties }: ItemsQuery, condition: RawBuilder<unknown>, limit: number): Promise<FeatureRow[]> {
  const rows = await store.view(view)
  const { rows: found } = await sql<FeatureRow>`
    select v.id, v.revision,
      '{"type":"Feature","id":' || v.id || ',"geometry":' || coalesce(st_asgeojson(${geometrySql(layer, crs)}, ${sql.lit(crs.digits)}, 0), 'null')
        || ',"properties":' || ${propertiesSql(properties)} || '}' as feature
    from ${rows} as v
    where ${condition} order by v.id limit ${limit}`.execute(store.pool(view.reader.clearance))
  return found
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
  const wound = layer.geometry === 'polygon' || layer.geometry === 'any' ? sql`st_forcepolygonccw(${there})` : there
  return crs.axes === 'lat,lon' ? sql`st_flipcoordinates(${wound})` : wound
}

/** Beyond this many a count costs more than it tells. */
const COUNT_MOST = 100_000

/** How many features match; undefined when there are more than is worth counting. */
export async function countMatches(store: Store, { view, layer, whole }: ItemsQuery): Promise<number | undefined> {
  if (whole) return (await store.layerSummary(layer)).count
  const rows = await store.view({ ...view, columns: [] })
  const { rows: [found] } = await sql<{ count: number }>`
    select count(*) as count from (select from ${rows} as v limit ${COUNT_MOST + 1}) as matching`.execute(store.pool(view.reader.clearance))
  return found!.count > COUNT_MOST ? undefined : found!.count
}
