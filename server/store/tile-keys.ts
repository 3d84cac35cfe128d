/**
 * Where a feature stands among 3D tiles: its level follows from its prominence, its cell is that of the middle of its box.
 * Both follow from its own row, so an edit touches the tile it was in and the one it is in now, and no column is kept for it.
 */
import { sql, type Kysely, type RawBuilder, type SqlBool } from 'kysely'
import { HALF_WORLD_M, tileBounds3857, type Tile } from '../../core/tile-matrix.js'
import type { Layer } from '../../layers/layer.js'
import type { Database } from './database.js'
import { hasExtent, prominenceText } from './prominence.js'
import { branchesUnder } from './revisions.js'
import type { Branch } from './store.js'

/** No feature stands higher than z9 (75 km at Đà Nẵng): over more ground a float has no millimetres left. */
export const COARSEST_LEVEL = 9
/** What is not prominent enough for a tile above stands here. Symbols are cheaper and crowd more than houses. */
export const finestLevel = ({ threeD }: Layer): number => (threeD?.form === 'instance' ? 18 : 17)

/** A feature stands at the first level of which it is at least a sixteenth of a tile's width: some hundreds fit beside each other. */
const SHARE = 16
/** The least prominence at a level, metres of Web Mercator. */
export const leastProminenceM = (level: number): number => (2 * HALF_WORLD_M) / 2 ** level / SHARE

/** Up to here, a tile's own features are found by an index of their keys; below, by their place. */
const INDEXED_LEVEL = 15
const isIndexed = (layer: Layer): boolean => layer.threeD !== undefined && hasExtent(layer)

/** A tile as a key: `z << 36 | x << 18 | y`; below 2^53. */
export const keyOf = ({ z, x, y }: Tile): number => z * 2 ** 36 + x * 2 ** 18 + y
export const tileOfKey = (key: number): Tile => ({ z: Math.floor(key / 2 ** 36), x: Math.floor(key / 2 ** 18) % 2 ** 18, y: key % 2 ** 18 })

const levelText = (layer: Layer, row = ''): string => {
  const thresholds: number[] = []
  for (let level = finestLevel(layer) - 1; level >= COARSEST_LEVEL; level--) thresholds.push(leastProminenceM(level))
  return `(${finestLevel(layer)} - width_bucket(${prominenceText(layer, row)}, array[${thresholds.join(', ')}]::float8[]))`
}

/** Column and row at z26 of the middle of a row's box. */
const columnText = (row: string) => `dothi.grid_index_26((st_xmin(${row}geom_3857) + st_xmax(${row}geom_3857)) / 2)`
const rowText = (row: string) => `dothi.grid_index_26((st_ymin(${row}geom_3857) + st_ymax(${row}geom_3857)) / -2)`
const FINE_ZOOM = 26

const keyText = (layer: Layer, row = ''): string => {
  const level = levelText(layer, row)
  const dot = row && `${row}.`
  return `((${level}::bigint << 36) | ((${columnText(dot)} >> (${FINE_ZOOM} - ${level}))::bigint << 18) | (${rowText(dot)} >> (${FINE_ZOOM} - ${level})))`
}

/** The tile key of the rows of `alias`; null for a row without geometry. */
export const keySql = (layer: Layer, alias: string): RawBuilder<number> => sql.raw<number>(keyText(layer, `"${alias}"`))

/** Definition of the index over the keys of features that stand high; null for layers that have none. */
export const keyIndex = (layer: Layer): string | null => isIndexed(layer) ? `(${keyText(layer)}) where ${isHighText(layer)}` : null
const isHighText = (layer: Layer, row = '') => `${prominenceText(layer, row)} >= ${leastProminenceM(INDEXED_LEVEL)}`

/**
 * What a tile shows: its `own` features, those of its level; or `all`, itself and everything that stands below it in its cell,
 * where that is few.
 */
export interface TilePart extends Tile { readonly part: 'own' | 'all' }

/** The condition that a row of `alias` is in a tile; an index finds the rows. */
export function inTile(layer: Layer, alias: string, tile: TilePart): RawBuilder<SqlBool> {
  return tile.part === 'own' ? isOwn(layer, alias, tile) : isInCell(layer, alias, tile)
}

function isOwn(layer: Layer, alias: string, tile: Tile): RawBuilder<SqlBool> {
  const isKey = sql<SqlBool>`${keySql(layer, alias)} = ${sql.lit(keyOf(tile))}::int8`
  return hasKeyIndex(layer, tile)
    ? sql<SqlBool>`${isKey} and ${sql.raw<SqlBool>(isHighText(layer, `"${alias}"`))}`
    : sql<SqlBool>`${isKey} and ${meets(alias, tile)}`
}

function isInCell(layer: Layer, alias: string, tile: Tile): RawBuilder<SqlBool> {
  const row = `"${alias}".`
  const shift = FINE_ZOOM - tile.z
  const isBelow = tile.z > COARSEST_LEVEL ? `${prominenceText(layer, `"${alias}"`)} < ${leastProminenceM(tile.z - 1)}` : 'true'
  return sql<SqlBool>`${meets(alias, tile)} and ${sql.raw(`${columnText(row)} >> ${shift} = ${tile.x} and ${rowText(row)} >> ${shift} = ${tile.y} and ${isBelow}`)}`
}

/** The middle of a box is in the cell only where the box meets it: the spatial index's part of the question. */
function meets(alias: string, tile: Tile): RawBuilder<SqlBool> {
  return sql<SqlBool>`${sql.ref(`${alias}.geom_3857`)} && ${sql.raw(`st_makeenvelope(${tileBounds3857(tile).join(', ')}, 3857)`)}`
}

const hasKeyIndex = (layer: Layer, tile: Tile) => isIndexed(layer) && tile.z <= INDEXED_LEVEL

/** Conditions that together find the rows of all these keys; each is asked by itself, since each has its own index. */
export function ofKeys(layer: Layer, alias: string, keys: readonly number[]): readonly RawBuilder<SqlBool>[] {
  const isKeyOf = (some: readonly number[]) => sql<SqlBool>`${keySql(layer, alias)} = any(${sql.lit(`{${some.join(',')}}`)}::int8[])`
  const high = keys.filter(key => hasKeyIndex(layer, tileOfKey(key)))
  const low = keys.filter(key => !hasKeyIndex(layer, tileOfKey(key)))
  return [
    ...(high.length ? [sql<SqlBool>`${isKeyOf(high)} and ${sql.raw<SqlBool>(isHighText(layer, `"${alias}"`))}`] : []),
    ...chunks(low, 32).map(some => sql<SqlBool>`(${sql.join(some.map(key => meets(alias, tileOfKey(key))), sql` or `)}) and ${isKeyOf(some)}`),
  ]
}

function chunks<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size))
}

/** Rows that came, changed or went between two revisions: after `from`, up to `to`. */
export interface Span { readonly from: number; readonly to: number }

/** Changed rows beyond which going over the whole layer is quicker, or their ids are not in the log. */
const MOST_CHANGES = 20_000

/** Ids of what changed on main, from the log; null where they are too many to be told. */
export async function changedIds(db: Kysely<Database>, layer: Layer, { from, to }: Span): Promise<readonly number[] | null> {
  const { rows: [row] } = await sql<{ ids: number[] | null; whole: boolean }>`
    select array_agg(distinct id) as ids, coalesce(bool_and(ids is not null), true) as whole
    from dothi.changes left join lateral unnest(ids) as id on true
    where layer = ${layer.id} and branch = 'main' and revision > ${from}::int8 and revision <= ${to}::int8`.execute(db)
  const ids = row!.ids ?? []
  return row!.whole && ids.length <= MOST_CHANGES ? ids.filter(id => id !== null) : null
}

/** Tile keys that changes touched, each with the last revision that did: where rows were, and where they are. */
export type TouchedKeys = ReadonlyMap<number, number>

/** What changes of main touched; `ids` of all rows that changed in the span. */
export async function touchedOnMain(db: Kysely<Database>, layer: Layer, ids: readonly number[], span: Span): Promise<TouchedKeys> {
  if (ids.length === 0) return new Map()
  const within = (column: string) => sql`case when ${sql.ref(column)} > ${span.from}::int8 and ${sql.ref(column)} <= ${span.to}::int8 then ${sql.ref(column)} end`
  return asMap(await sql<KeyAt>`
    select key, max(at) as at from (
      select ${keySql(layer, 'f')} as key, ${within('f.revision')} as at from ${sql.table(`city.${layer.id}`)} as f where f.id = any(${ids}::int8[])
      union all
      select ${keySql(layer, 'f')}, greatest(${within('f.revision')}, ${within('f.retired_revision')}) from ${sql.table(`history.${layer.id}`)} as f where f.id = any(${ids}::int8[])
    ) as t where key is not null and at is not null group by key`.execute(db))
}

/** What a scenario's overlays touched: their own places, and those of the rows of main that they stand for. */
export async function touchedOnBranch(db: Kysely<Database>, layer: Layer, branch: Branch, { from, to }: Span): Promise<TouchedKeys> {
  const within = (column: string) => sql`case when ${sql.ref(column)} > ${from}::int8 and ${sql.ref(column)} <= ${to}::int8 then ${sql.ref(column)} end`
  return asMap(await sql<KeyAt>`
    with overlays as materialized (
      select id, ${keySql(layer, 'o')} as key, greatest(${within('o.revision')}, ${within('o.retired_revision')}) as at
      from ${sql.table(`branch.${layer.id}`)} as o where o.branch = ${branch}::uuid)
    select key, max(at) as at from (
      select key, at from overlays
      union all select ${keySql(layer, 'f')}, o.at from overlays as o join ${sql.table(`city.${layer.id}`)} as f on f.id = o.id where o.at is not null
      union all select ${keySql(layer, 'f')}, o.at from overlays as o join ${sql.table(`history.${layer.id}`)} as f on f.id = o.id where o.at is not null
    ) as t where key is not null and at is not null group by key`.execute(db))
}

/** Keys that rows of main have left, each with the last revision at which one did, up to `to`; with `keys`, of these. */
export async function leftOnMain(db: Kysely<Database>, layer: Layer, to: number, keys?: readonly number[]): Promise<TouchedKeys> {
  const left = new Map<number, number>()
  for (const condition of keys ? ofKeys(layer, 'f', keys) : [sql<SqlBool>`true`]) {
    for (const [key, at] of asMap(await sql<KeyAt>`
      select ${keySql(layer, 'f')} as key, max(f.retired_revision) as at from ${sql.table(`history.${layer.id}`)} as f
      where f.retired_revision <= ${to}::int8 and not st_isempty(f.geom_3857) and ${condition} group by 1`.execute(db))) left.set(key, at)
  }
  return left
}

/** The last revision that touched a layer on a branch, as the given transaction sees it. */
export async function lastChange(db: Kysely<Database>, layer: Layer, branch: Branch): Promise<number> {
  const { rows } = await sql<{ n: number | null }>`
    select max(revision) as n from dothi.layer_summaries where layer = ${layer.id} and branch = any(${branchesUnder(branch)}::text[])`.execute(db)
  return rows[0]?.n ?? 0
}

interface KeyAt { readonly key: number; readonly at: number }
const asMap = ({ rows }: { readonly rows: readonly KeyAt[] }): TouchedKeys => new Map(rows.map(({ key, at }) => [key, at]))
