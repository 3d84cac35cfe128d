/**
 * What a feature was (`versionsOf`), what differs between two moments of a layer (`layerDiff`), and the log of revisions.
 *
 * Rows leave cut to the reader's clearance: columns by name, statements under the reader's database role, restricted readings entered in the log.
 */
import { sql, type RawBuilder, type Transaction } from 'kysely'
import type { BBox } from '../../core/bbox.js'
import { changedFields, same, type Fields, type Side } from '../../core/merge.js'
import type { Layer } from '../../layers/layer.js'
import { noteRead } from './access-log.js'
import { recordColumns, recordOf, seesActors, type RowRecord, type Version } from './changes.js'
import type { Database } from './database.js'
import type { FeatureEdit } from './edits.js'
import { boxSql } from './filter-sql.js'
import { visibleColumns } from './rights.js'
import { STEWARD, type AsOf, type Branch, type Reader, type Store } from './store.js'

// ---- a row as fields ---------------------------------------------------------------------------------------------

/** Geometry as the store has it, hex EWKB: one field, since the surveyed twin follows it. */
export interface StoredShape { readonly geom: string; readonly geomNative?: string | null }

/** A row field by field, named as its columns are; what a merge compares. */
export function fieldsOf({ geom, geomNative, solid, groundZ, height, source, sourceId, properties }: RowRecord): Fields {
  return {
    geom: geom === null ? null : { geom, ...(geomNative !== undefined && { geomNative }) } satisfies StoredShape,
    ...(solid !== undefined && { solid, ground_z: groundZ, height }),
    source, source_id: sourceId, ...properties,
  }
}

const STORE_FIELDS = new Set(['geom', 'solid', 'ground_z', 'height', 'source', 'source_id'])

/** The edit that makes a feature have these fields, all that are named and no other. */
export function editOf(layer: Layer, fields: Fields): FeatureEdit {
  const shape = fields.geom as StoredShape | null
  return {
    ...('geom' in fields && { stored: { geom: shape?.geom ?? null, geomNative: shape?.geomNative ?? null, solid: (fields.solid as string | null) ?? null } }),
    ...(layer.threeD && 'ground_z' in fields && { groundZ: fields.ground_z as number | null, height: fields.height as number | null }),
    ...('source' in fields && { source: fields.source as string | null, sourceId: fields.source_id as string | null }),
    properties: Object.fromEntries(Object.entries(fields).filter(([name]) => !STORE_FIELDS.has(name))),
  }
}

/** Rows by id as a writer needs them: whole, inside its transaction. `at` null is now. */
export async function fieldsAt(tx: Transaction<Database>, layer: Layer, branch: Branch, at: number | null, ids: readonly number[]): Promise<ReadonlyMap<number, RowRecord>> {
  const [city, history, overlay] = tablesOf(layer)
  const wanted = sql`f.id = any(${ids}::int8[])`
  const main = at === null ? sql`select ${plain(layer, 'f')} from ${city} as f where ${wanted}` : sql`
    select ${plain(layer, 'f')} from ${city} as f where ${wanted} and f.revision <= ${at}::int8
    union all select ${plain(layer, 'f')} from ${history} as f where ${wanted} and f.revision <= ${at}::int8 and f.retired_revision > ${at}::int8`
  const holds = at === null ? sql`f.retired_revision is null` : sql`f.revision <= ${at}::int8 and (f.retired_revision is null or f.retired_revision > ${at}::int8)`
  const mine = sql`f.branch = ${branch === 'main' ? null : branch}::uuid and ${holds}`
  const all = branch === 'main' ? main : sql`
    select * from (${main}) as m where not exists (select from ${overlay} as f where f.id = m.id and ${mine})
    union all select ${plain(layer, 'f')} from ${overlay} as f where ${wanted} and ${mine} and not f.deleted`
  const { rows } = await sql<Version>`select ${recordColumns(layer, STEWARD)} from (${all}) as v`.execute(tx)
  return new Map(rows.map(row => [row.id, recordOf(layer, row)]))
}

/** The columns that records are made of. */
const plain = (layer: Layer, alias: string) => sql.join(recordSource(layer, STEWARD).map(name => sql.ref(`${alias}.${name}`)))

function recordSource(layer: Layer, reader: Reader): readonly string[] {
  return ['id', 'objectid', 'revision', 'geom', ...(layer.surveyed ? ['geom_native'] : []), ...(layer.threeD ? ['solid', 'ground_z', 'height'] : []),
    'source', 'source_id', ...visibleColumns(layer, reader.clearance).map(({ name }) => name)]
}

export const tablesOf = (layer: Layer) => [sql.table(`city.${layer.id}`), sql.table(`history.${layer.id}`), sql.table(`branch.${layer.id}`)] as const

// ---- versions of a feature ---------------------------------------------------------------------------------------

export interface FeatureVersion {
  /** The revision that began it. */
  readonly revision: number
  readonly at: Date
  /** Null for readers of open data. */
  readonly actor: string | null
  readonly reason: string | null
  readonly op: 'created' | 'changed' | 'removed' | 'restored'
  /** Names of the fields that came to differ, of those that the reader sees; `attachments` where those changed. */
  readonly fields: readonly string[]
}

export interface FeatureHistory { readonly layer: Layer; readonly branch: Branch; readonly reader: Reader; readonly id: number }

/** The versions of a feature, newest first, of revisions before `before`; none where the feature never was. On a branch also main's, while it did not overlay them. */
export async function versionsOf(store: Store, { layer, branch, reader, id }: FeatureHistory, limit: number, before = Number.MAX_SAFE_INTEGER): Promise<readonly FeatureVersion[]> {
  const keys = await versionKeys(store, layer, branch, reader, id)
  const states = timeline(keys).filter(({ revision }) => revision < before).slice(-(limit + 1))
  if (states.length === 0) return []
  await noteRead(store.db, { layer, branch, asOf: 'now', reader, where: { op: '=', left: { property: 'id' }, right: { literal: id } } }, recordSource(layer, reader))
  const rows = await rowsOfKeys(store, layer, branch, reader, id, states.flatMap(({ row }) => row ?? []))
  const attached = await attachedAt(store, layer, branch, reader, id, states.map(({ revision }) => revision))
  const fields = ({ row }: State, i: number): Side => (row ? { ...rows.get(keyName(row))!, attachments: attached[i] } : null)
  const whole = timeline(keys)
  const offset = whole.findIndex(({ revision }) => revision === states[0]!.revision)
  const shown = states.length > limit ? states.slice(1) : states
  const log = await revisionsByNumber(store, reader, shown.map(({ revision }) => revision))
  return shown.map((state): FeatureVersion => {
    const i = states.indexOf(state)
    const previous = i > 0 ? fields(states[i - 1]!, i - 1) : null
    const existedBefore = whole.slice(0, offset + i).some(({ row }) => row !== null)
    const op = state.row === null ? 'removed' : previous ? 'changed' : existedBefore ? 'restored' : 'created'
    return { ...log.get(state.revision)!, op, fields: op === 'changed' ? changedFields(previous, fields(state, i)) : [] }
  }).reverse()
}

/** When a row of a table held. */
interface Key { readonly of: 'main' | 'branch'; readonly revision: number; readonly retired: number | null; readonly deleted: boolean }
/** What a reader saw from a revision on; `row` null where there was no feature. */
interface State { readonly revision: number; readonly row: Key | null }

async function versionKeys(store: Store, layer: Layer, branch: Branch, reader: Reader, id: number): Promise<readonly Key[]> {
  const [city, history, overlay] = tablesOf(layer)
  const { rows } = await sql<Key>`
    select 'main' as of, revision, null::int8 as retired, false as deleted from ${city} where id = ${id}::int8
    union all select 'main', revision, retired_revision, false from ${history} where id = ${id}::int8
    ${branch === 'main' ? sql`` : sql`union all select 'branch', revision, retired_revision, deleted from ${overlay} where branch = ${branch}::uuid and id = ${id}::int8`}`
    .execute(store.pool(reader.clearance))
  return rows
}

/** From rows and when they held to what was seen when: an overlay hides main's row. */
export function timeline(keys: readonly Key[]): readonly State[] {
  const moments = [...new Set(keys.flatMap(({ revision, retired }) => (retired === null ? [revision] : [revision, retired])))].sort((a, b) => a - b)
  const states: State[] = []
  for (const moment of moments) {
    const holding = keys.filter(({ revision, retired }) => revision <= moment && (retired === null || retired > moment))
    const seen = holding.find(({ of }) => of === 'branch') ?? holding[0]
    const row = seen && !seen.deleted ? seen : null
    const last = states[states.length - 1]
    if (last ? last.row !== row : row) states.push({ revision: moment, row })
  }
  return states
}

const keyName = ({ of, revision }: Pick<Key, 'of' | 'revision'>) => `${of} ${revision}`

async function rowsOfKeys(store: Store, layer: Layer, branch: Branch, reader: Reader, id: number, keys: readonly Key[]): Promise<ReadonlyMap<string, Fields>> {
  const [city, history, overlay] = tablesOf(layer)
  const revisions = (of: Key['of']) => keys.filter(key => key.of === of).map(({ revision }) => revision)
  const columns = recordColumns(layer, reader)
  const { rows } = await sql<Version & { of: Key['of'] }>`
    select 'main' as of, ${columns} from ${city} as v where v.id = ${id}::int8 and v.revision = any(${revisions('main')}::int8[])
    union all select 'main', ${columns} from ${history} as v where v.id = ${id}::int8 and v.revision = any(${revisions('main')}::int8[])
    ${branch === 'main' ? sql`` : sql`union all select 'branch', ${columns} from ${overlay} as v where v.branch = ${branch}::uuid and v.id = ${id}::int8 and v.revision = any(${revisions('branch')}::int8[])`}`
    .execute(store.pool(reader.clearance))
  return new Map(rows.map(({ of, ...row }) => [keyName({ of, revision: row.revision }), fieldsOf(recordOf(layer, row))]))
}

/** Ids of the attachments that a feature had as of each of these revisions. */
async function attachedAt(store: Store, layer: Layer, branch: Branch, reader: Reader, id: number, revisions: readonly number[]): Promise<readonly (readonly number[])[]> {
  const { rows } = await sql<{ id: number; branch: string; revision: number; retired: number | null; deleted: boolean }>`
    select id, branch, revision, retired_revision as retired, deleted from dothi.attachments
    where layer = ${layer.id} and feature = ${id}::int8 and branch = any(${branch === 'main' ? ['main'] : ['main', branch]}::text[]) order by id`.execute(store.pool(reader.clearance))
  return revisions.map(moment => {
    const holding = rows.filter(({ revision, retired }) => revision <= moment && (retired === null || retired > moment))
    const overlaid = new Set(holding.filter(row => row.branch !== 'main').map(row => row.id))
    return holding.filter(row => !row.deleted && (row.branch !== 'main' || !overlaid.has(row.id))).map(row => row.id)
  })
}

// ---- the difference between two moments --------------------------------------------------------------------------

export interface DiffQuery {
  readonly layer: Layer
  readonly branch: Branch
  readonly reader: Reader
  /** Revisions: what became of the layer after `from`, up to and with `to`. */
  readonly from: number
  readonly to: number
  /** CRS84: features that were or are in the box. */
  readonly bbox?: BBox
}

export interface DiffRow {
  readonly id: number
  readonly change: 'added' | 'changed' | 'removed'
  /** Names of the fields that differ. */
  readonly fields: readonly string[]
  readonly before: RowRecord | null
  readonly after: RowRecord | null
}

/** Ids a statement: enough to be fast, few enough to keep memory flat. */
const DIFFED = 500

/** Features that differ, by id, after `after`. What was changed and changed back does not differ; nor does what differs only where the reader may not look. */
export async function* layerDiff(store: Store, query: DiffQuery, after = 0): AsyncGenerator<readonly DiffRow[]> {
  const { layer, branch, reader, from, to } = query
  const [before, now] = [await store.view({ layer, branch, asOf: from, reader }), await store.view({ layer, branch, asOf: to, reader })]
  const read = async (view: typeof before, ids: readonly number[]) => {
    const { rows } = await sql<Version>`select ${recordColumns(layer, reader)} from ${view.as('v')} where v.id = any(${ids}::int8[])`.execute(store.pool(reader.clearance))
    return new Map(rows.map(row => [row.id, recordOf(layer, row)]))
  }
  for (let last = after; ;) {
    const ids = await touchedIds(store, query, last)
    if (ids.length > 0) {
      const [old, fresh] = [await read(before, ids), await read(now, ids)]
      const rows = ids.flatMap(id => diffOf(id, old.get(id) ?? null, fresh.get(id) ?? null))
      if (rows.length > 0) yield rows
    }
    if (ids.length < DIFFED) return
    last = ids[ids.length - 1]!
  }
}

export function diffOf(id: number, before: RowRecord | null, after: RowRecord | null): readonly DiffRow[] {
  const [old, fresh] = [before && fieldsOf(before), after && fieldsOf(after)]
  if (same(old, fresh)) return []
  const change = !old ? 'added' : !fresh ? 'removed' : 'changed'
  return [{ id, change, fields: change === 'changed' ? changedFields(old, fresh) : [], before, after }]
}

/** The next ids of rows that a revision of the range made or retired, in the box with that row. */
async function touchedIds(store: Store, { layer, branch, reader, from, to, bbox }: DiffQuery, last: number): Promise<readonly number[]> {
  const [city, history, overlay] = tablesOf(layer)
  const inBox = bbox ? boxSql('geom', bbox, 4326, true) : sql`true`
  const within = (column: string) => sql`${sql.ref(`f.${column}`)} > ${from}::int8 and ${sql.ref(`f.${column}`)} <= ${to}::int8`
  const ids = (table: RawBuilder<unknown>, condition: RawBuilder<unknown>) => sql`(select distinct f.id from ${table} as f where f.id > ${last}::int8 and ${condition} and ${inBox} order by f.id limit ${DIFFED})`
  const mine = sql`f.branch = ${branch === 'main' ? null : branch}::uuid`
  const parts = [
    ids(city, within('revision')), ids(history, within('revision')), ids(history, within('retired_revision')),
    // An overlay has the geometry after the edit; where it was before, main's row or the overlay before tells, whose id is looked up by it.
    ...(branch === 'main' ? [] : [ids(overlay, sql`${mine} and ${within('revision')}`), ids(overlay, sql`${mine} and ${within('retired_revision')}`),
      ids(city, sql`f.id in (select o.id from ${overlay} as o where o.branch = ${branch}::uuid and ((o.revision > ${from}::int8 and o.revision <= ${to}::int8) or (o.retired_revision > ${from}::int8 and o.retired_revision <= ${to}::int8)))`)]),
  ]
  const { rows } = await sql<{ id: number }>`select distinct id from (${sql.join(parts, sql` union all `)}) as touched order by id limit ${DIFFED}`.execute(store.pool(reader.clearance))
  return rows.map(({ id }) => id)
}

// ---- revisions ---------------------------------------------------------------------------------------------------

export interface RevisionEntry {
  readonly revision: number
  readonly at: Date
  /** Null for readers of open data, and where the revision touched only what the reader may not see. */
  readonly actor: string | null
  readonly reason: string | null
  readonly branch: Branch
  /** What it did to the layers that the reader sees. */
  readonly changes: readonly { readonly layer: string; readonly branch: Branch; readonly inserted: number; readonly updated: number; readonly deleted: number; readonly bbox: BBox | null }[]
}

export interface RevisionsQuery { readonly reader: Reader; readonly branch: Branch; readonly before?: number; readonly only?: number; readonly layer?: string; readonly actor?: string; readonly limit: number }

/** The log, newest first: the revisions that were written to a branch, or touched it. */
export async function revisionLog(store: Store, { reader, branch, before, only, layer, actor, limit }: RevisionsQuery): Promise<readonly RevisionEntry[]> {
  // The ground is no layer of the catalogue, and everybody's.
  const visible = [...store.catalogue.for(reader).map(({ id }) => id), 'terrain']
  const staff = seesActors(reader)
  const { rows } = await sql<RevisionEntry & { hidden: boolean }>`
    select r.revision, r.at, r.branch, c.hidden, coalesce(c.changes, '[]') as changes,
      ${staff ? sql`case when not coalesce(c.hidden, false) or c.changes is not null then r.actor end as actor, case when not coalesce(c.hidden, false) or c.changes is not null then r.reason end as reason` : sql`null as actor, null as reason`}
    from dothi.revisions as r left join lateral (
      select bool_or(not (layer = any(${visible}::text[]))) as hidden, bool_or(c.branch = ${branch}) as here,
        json_agg(json_build_object('layer', layer, 'branch', c.branch, 'inserted', inserted, 'updated', updated, 'deleted', deleted, 'bbox', bbox) order by layer) filter (where layer = any(${visible}::text[]) and c.branch = ${branch}) as changes
      from dothi.changes as c where c.revision = r.revision) as c on true
    where (r.branch = ${branch} or c.here)
      and (${before ?? null}::int8 is null or r.revision < ${before ?? null}) and (${only ?? null}::int8 is null or r.revision = ${only ?? null})
      and (${layer ?? null}::text is null or exists (select from dothi.changes as l where l.revision = r.revision and l.branch = ${branch} and l.layer = ${layer ?? null}))
      and (${staff ? actor ?? null : null}::text is null or r.actor = ${actor ?? null})
    order by r.revision desc limit ${limit}`.execute(store.pool(reader.clearance))
  return rows.map(({ hidden: _hidden, ...entry }) => entry)
}

async function revisionsByNumber(store: Store, reader: Reader, revisions: readonly number[]): Promise<ReadonlyMap<number, Pick<FeatureVersion, 'revision' | 'at' | 'actor' | 'reason'>>> {
  const { rows } = await sql<Pick<FeatureVersion, 'revision' | 'at' | 'actor' | 'reason'>>`
    select revision, at, ${seesActors(reader) ? sql`actor, reason` : sql`null as actor, null as reason`} from dothi.revisions where revision = any(${revisions}::int8[])`.execute(store.pool(reader.clearance))
  return new Map(rows.map(row => [row.revision, row]))
}

/** The present of a layer as a revision, so that all pages of an answer stand on the same city. */
export async function pinned(store: Store, reader: Reader, asOf: AsOf): Promise<number> {
  if (typeof asOf === 'number') {
    const { rows } = await sql<{ n: number }>`select coalesce(max(revision), 0) as n from dothi.revisions`.execute(store.pool(reader.clearance))
    return Math.min(asOf, rows[0]!.n)
  }
  const { rows } = await sql<{ n: number }>`select coalesce(max(revision), 0) as n from dothi.revisions where ${asOf === 'now' ? null : asOf}::timestamptz is null or at <= ${asOf === 'now' ? null : asOf}`.execute(store.pool(reader.clearance))
  return rows[0]!.n
}
