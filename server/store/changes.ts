/**
 * The change feed as the store tells it: which revisions touched which layers (`changeEntries`), the rows they made
 * (`changedRows`), and whether two copies of a layer are equal (`layerHash`). Everything is cut to the reader's clearance.
 */
import { createHash } from 'node:crypto'
import { sql, type RawBuilder } from 'kysely'
import type { BBox } from '../../core/bbox.js'
import type { Column, Layer } from '../../layers/layer.js'
import { notFound } from '../errors.js'
import { noteRead } from './access-log.js'
import { branchesUnder } from './revisions.js'
import { covers, visibleColumns } from './rights.js'
import type { AsOf, Branch, Reader, Store } from './store.js'
import { revisionAsOf } from './view.js'

/** What one revision did to one layer. */
export interface ChangeEntry {
  readonly revision: number
  readonly at: Date
  /** Who and why: null for readers of open data, since they name people and their work. */
  readonly actor: string | null
  readonly reason: string | null
  readonly layer: string
  readonly branch: Branch
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
  /** Around old and new geometry, CRS84 degrees; null where nothing with a geometry changed. */
  readonly bbox: BBox | null
  /** Touched z10 cells, `x << 10 | y`; -1 is every cell. */
  readonly cells: readonly number[]
}

/** A version of a row, whole and exact: written into an empty store it gives the same feature. */
export interface RowRecord {
  readonly id: number
  readonly objectid: number
  /** The revision that made this version. */
  readonly revision: number
  /** Hex EWKB, EPSG:4326. */
  readonly geom: string | null
  /** Hex EWKB in the layer's surveyed CRS; only of surveyed layers. */
  readonly geomNative?: string | null
  /** Hex EWKB, degrees and orthometric metres; this and the next two only of 3D layers. */
  readonly solid?: string | null
  readonly groundZ?: number | null
  readonly height?: number | null
  readonly source: string | null
  readonly sourceId: string | null
  /** Timestamps in UTC with microseconds. */
  readonly properties: Readonly<Record<string, unknown>>
}

export interface RowChange {
  readonly revision: number
  readonly at: Date
  readonly actor: string | null
  readonly reason: string | null
  readonly layer: string
  readonly op: 'insert' | 'update' | 'delete'
  readonly id: number
  /** The version that the revision made; null for a delete. */
  readonly row: RowRecord | null
}

/** A place in the feed of rows, whose order is by revision, layer and id. */
export interface RowCursor { readonly revision: number; readonly layer: string; readonly id: number }

/** Main and all scenarios, for what serves many readers at once. */
export const EVERY_BRANCH = '*'

export interface EntriesQuery {
  readonly reader: Reader
  readonly branch: Branch | typeof EVERY_BRANCH
  /** Revisions after this one. */
  readonly since: number
  readonly until?: number
  /** Default: all that the reader sees. */
  readonly layers?: readonly string[]
  readonly bbox?: BBox
  /** About how many entries: a revision is never split. */
  readonly limit: number
}

export interface EntriesPage {
  readonly entries: readonly ChangeEntry[]
  /** Everything up to this revision was looked at: the next page's `since`. */
  readonly through: number
  readonly more: boolean
}

/**
 * What happened since a revision, in order. On a branch: what happened to it and to main below it, since its reading changes with both.
 * Throws 404 for a layer that is not there for the reader.
 */
export async function changeEntries(store: Store, query: EntriesQuery): Promise<EntriesPage> {
  const { reader, since, limit } = query
  const layers = feedNames(store, reader, query.layers)
  const latest = Math.min(query.until ?? Infinity, await latestRevision(store, reader))
  const branches = query.branch === EVERY_BRANCH ? sql`true` : sql`c.branch = any(${branchesUnder(query.branch)}::text[])`
  const wanted = sql`c.layer = any(${layers}::text[]) and ${branches} and ${meets(query.bbox)}`
  const { rows } = await sql<ChangeEntry>`
    select c.revision, r.at, ${byWhom(reader)}, c.layer, c.branch, c.inserted, c.updated, c.deleted, c.bbox, c.cells
    from dothi.changes as c join dothi.revisions as r using (revision)
    where c.revision > ${since}::int8 and c.revision <= ${latest}::int8 and ${wanted}
    order by c.revision, c.layer, c.branch limit ${limit + 1}`.execute(store.pool(reader.clearance))
  if (rows.length <= limit) return { entries: rows, through: Math.max(since, latest), more: false }
  // The page ends with the last revision that is whole in it; one that alone is longer than a page comes whole all the same.
  const cut = rows[limit]!.revision
  const entries = rows.filter(entry => entry.revision < cut)
  return entries.length > 0
    ? { entries, through: cut - 1, more: true }
    : changeEntries(store, { ...query, until: cut, limit: limit * 4 }).then(page => ({ ...page, more: true }))
}

/** Who wrote, and why, is for staff. */
export const seesActors = (reader: Reader) => covers(reader.clearance, 'internal')

const byWhom = (reader: Reader) => seesActors(reader) ? sql`r.actor, r.reason` : sql`null::text as actor, null::text as reason`

/** Boxes that share a point; an entry without a box (nothing with a geometry changed) meets none. */
function meets(bbox: BBox | undefined): RawBuilder<unknown> {
  if (!bbox) return sql`true`
  const [west, south, east, north] = bbox
  return sql`c.bbox[1] <= ${east}::float8 and c.bbox[3] >= ${west}::float8 and c.bbox[2] <= ${north}::float8 and c.bbox[4] >= ${south}::float8`
}

/** The layers of the feed that a reader sees: those with revisions. Throws 404 for one that is not among them. */
export function feedLayers(store: Store, reader: Reader, names?: readonly string[]): readonly Layer[] {
  const visible = store.catalogue.for(reader).filter(layer => layer.kind === 'city')
  if (!names) return visible
  for (const name of names) if (!visible.some(layer => layer.id === name)) throw notFound(`There is no collection “${name.slice(0, 60)}” with a change feed. GET /ogc/collections lists the collections.`)
  return visible.filter(layer => names.includes(layer.id))
}

/** The name under which the log tells of stored heights. They are no layer's, and anybody may see them. */
export const TERRAIN = 'terrain'

/** What entries of the log are named after, as far as a reader sees it: layers, and the ground. Throws as `feedLayers` does. */
export function feedNames(store: Store, reader: Reader, names?: readonly string[]): readonly string[] {
  const layers = feedLayers(store, reader, names?.filter(name => name !== TERRAIN)).map(layer => layer.id)
  return !names || names.includes(TERRAIN) ? [...layers, TERRAIN] : layers
}

/** The newest revision: 0 in a store that nobody has written to. */
export async function latestRevision(store: Store, reader: Reader): Promise<number> {
  const { rows } = await sql<{ n: number }>`select coalesce(max(revision), 0) as n from dothi.revisions`.execute(store.pool(reader.clearance))
  return rows[0]!.n
}

export interface RowsQuery {
  readonly reader: Reader
  readonly branch: Branch
  /** Revisions after this one. */
  readonly since: number
  /** Where the page before ended, within a revision. */
  readonly after?: RowCursor | null
  readonly until?: number
  readonly layers?: readonly string[]
  readonly limit: number
}

export interface RowsPage {
  /** By revision, layer, id. */
  readonly rows: readonly RowChange[]
  /** The last revision that was wholly delivered: the next page's `since`. */
  readonly through: number
  /** How far into the revision after `through` the page went; null at a revision's end. The next page's `after`. */
  readonly after: RowCursor | null
  readonly more: boolean
}

/**
 * The rows that revisions made: replayed in order into an empty store they give the same city. A row appears once a revision, as it
 * stood at its end. A page ends anywhere; `through` and `after` say where. On a branch: its own rows only, main's come in main's feed;
 * an edit that was taken back shows main's row again. Throws 404 for a layer that is not there for the reader.
 */
export async function changedRows(store: Store, query: RowsQuery): Promise<RowsPage> {
  const { limit, after: cursor = null } = query
  const latest = Math.min(query.until ?? Infinity, await latestRevision(store, query.reader))
  const rows: RowChange[] = []
  let after = cursor
  let through = after ? Math.max(query.since, after.revision - 1) : query.since
  while (rows.length < limit) {
    const room = limit - rows.length
    const { entries, whole } = await entriesFrom(store, query, { through, after, latest, room })
    const last = entries[entries.length - 1]
    if (!last) return { rows, through: Math.max(through, latest), after: null, more: false }
    const found = await rowsOfEntries(store, query, entries, after, room + 1)
    rows.push(...found.slice(0, room))
    if (found.length > room) return { rows, through: last.revision - 1, after: cursorOf(rows[rows.length - 1]!), more: true }
    through = whole ? last.revision : last.revision - 1
    after = whole ? null : { revision: last.revision, layer: last.layer, id: LAST }
  }
  return { rows, through, after, more: after !== null || through < latest }
}

/** Beyond every id: a cursor at the end of its layer. */
const LAST = Number.MAX_SAFE_INTEGER

const cursorOf = ({ revision, layer, id }: RowChange): RowCursor => ({ revision, layer, id })

interface Entry { readonly revision: number; readonly layer: string; readonly at: Date; readonly actor: string | null; readonly reason: string | null; readonly count: number; readonly ids: readonly number[] | null }
interface Place { readonly through: number; readonly after: RowCursor | null; readonly latest: number; readonly room: number }

/**
 * The next entries, at least one: several only where their rows together fit, and alone the one that a page before ended in.
 * `whole` when the last one ends its revision.
 */
async function entriesFrom(store: Store, { reader, branch, layers }: RowsQuery, { through, after, latest, room }: Place): Promise<{ entries: readonly Entry[]; whole: boolean }> {
  const ids = feedLayers(store, reader, layers).map(layer => layer.id)
  const from = after ? sql`(c.revision, c.layer) ${after.id === LAST ? sql`>` : sql`>=`} (${after.revision}::int8, ${after.layer}::text)` : sql`true`
  const { rows } = await sql<Entry>`
    select c.revision, c.layer, r.at, ${byWhom(reader)}, c.inserted + c.updated + c.deleted as count, c.ids
    from dothi.changes as c join dothi.revisions as r using (revision)
    where c.revision > ${through}::int8 and c.revision <= ${latest}::int8 and c.layer = any(${ids}::text[]) and c.branch = ${branch} and ${from}
    order by c.revision, c.layer limit ${room + 1}`.execute(store.pool(reader.clearance))
  const resumed = after !== null && rows[0]?.revision === after.revision && rows[0].layer === after.layer
  let taken = Math.min(rows.length, 1)
  for (let sum = rows[0]?.count ?? 0; !resumed && taken < Math.min(rows.length, room) && sum + rows[taken]!.count <= room; taken++) sum += rows[taken]!.count
  return { entries: rows.slice(0, taken), whole: rows[taken]?.revision !== rows[taken - 1]?.revision }
}

/** The rows of some entries, in order; of a single entry at most `limit`, by ids after the cursor. */
async function rowsOfEntries(store: Store, { reader, branch }: RowsQuery, entries: readonly Entry[], after: RowCursor | null, limit: number): Promise<readonly RowChange[]> {
  const byLayer = new Map<string, Map<number, Entry>>()
  for (const entry of entries) byLayer.set(entry.layer, (byLayer.get(entry.layer) ?? new Map<number, Entry>()).set(entry.revision, entry))
  const all: RowChange[] = []
  for (const [id, its] of byLayer) {
    const layer = store.catalogue.get(id)
    const from = after && after.layer === id && its.has(after.revision) ? after.id : 0
    const lists = [...its.values()].map(entry => entry.ids)
    const ids = lists.every(list => list !== null) ? [...new Set(lists.flat())] : undefined
    await noteRead(store.db, { layer, reader, branch, asOf: 'now' }, visibleColumns(layer, reader.clearance).map(column => column.name))
    const { rows } = await sql<Version>`
      ${(branch === 'main' ? mainVersions : branchVersions)({ layer, reader, branch, revisions: [...its.keys()], from, ids, limit: entries.length === 1 ? limit : undefined })}
      order by made, id ${entries.length === 1 ? sql`limit ${limit}` : sql``}`.execute(store.pool(reader.clearance))
    for (const row of rows) all.push(changeOf(layer, its.get(row.made)!, row))
  }
  return byLayer.size === 1 ? all : all.sort((a, b) => a.revision - b.revision || (a.layer < b.layer ? -1 : a.layer > b.layer ? 1 : a.id - b.id))
}

/** A version as the database gives it. `made` is the revision it belongs to in the feed. */
export interface Version {
  readonly made: number
  readonly op: RowChange['op']
  readonly id: number
  readonly objectid: number
  readonly revision: number
  readonly geom: string | null
  readonly geom_native?: string | null
  readonly solid?: string | null
  readonly ground_z?: number | null
  readonly height?: number | null
  readonly source: string | null
  readonly source_id: string | null
  readonly properties: Readonly<Record<string, unknown>>
}

function changeOf(layer: Layer, { revision, at, actor, reason }: Entry, { op, id, ...row }: Version): RowChange {
  return { revision, at, actor, reason, layer: layer.id, op, id, row: op === 'delete' ? null : recordOf(layer, { id, ...row }) }
}

export function recordOf(layer: Layer, { id, objectid, revision, geom, geom_native, solid, ground_z, height, source, source_id, properties }: Omit<Version, 'op' | 'made'>): RowRecord {
  return {
    id, objectid, revision, geom,
    ...(layer.surveyed && { geomNative: geom_native ?? null }),
    ...(layer.threeD && { solid: solid ?? null, groundZ: ground_z ?? null, height: height ?? null }),
    source, sourceId: source_id, properties,
  }
}

/** The columns that a record is made of, of those that the reader may see. */
function neededColumns(layer: Layer, reader: Reader): readonly string[] {
  return [
    'id', 'objectid', 'revision', 'geom', ...(layer.surveyed ? ['geom_native'] : []), ...(layer.threeD ? ['solid', 'ground_z', 'height'] : []),
    'source', 'source_id', ...visibleColumns(layer, reader.clearance).map(({ name }) => name),
  ]
}

/** Column list of a record: geometry as hex EWKB, attributes as one JSON object. */
export function recordColumns(layer: Layer, reader: Reader, id: RawBuilder<unknown> = sql.ref('v.id')): RawBuilder<unknown> {
  const column = (name: string) => sql.ref(`v.${name}`)
  const hex = (name: string) => sql`encode(st_asewkb(${column(name)}, 'NDR'), 'hex') as ${sql.ref(name)}`
  return sql.join([
    sql`${id} as id`, column('objectid'), column('revision'), hex('geom'),
    ...(layer.surveyed ? [hex('geom_native')] : []),
    ...(layer.threeD ? [hex('solid'), column('ground_z'), column('height')] : []),
    column('source'), column('source_id'),
    sql`${propertiesSql(visibleColumns(layer, reader.clearance), column)} as properties`,
  ])
}

function propertiesSql(columns: readonly Column[], column: (name: string) => RawBuilder<unknown>): RawBuilder<unknown> {
  if (columns.length === 0) return sql`'{}'::json`
  return sql`(select row_to_json(p) from (select ${sql.join(columns.map(({ name, type }) => sql`${exact(type, column(name))} as ${sql.ref(name)}`))}) as p)`
}

/** A timestamp as text does not depend on the session's time zone. */
const exact = (type: Column['type'], column: RawBuilder<unknown>) =>
  type === 'timestamp' ? sql`to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')` : column

interface VersionsArgs { readonly layer: Layer; readonly reader: Reader; readonly branch: Branch; readonly revisions: readonly number[]; readonly from: number; readonly ids: readonly number[] | undefined; readonly limit: number | undefined }

/** After the cursor; and where the log names the features, those. */
const among = ({ ids, from }: VersionsArgs) => ids ? sql`v.id = any(${ids}::int8[]) and v.id > ${from}::int8` : sql`v.id > ${from}::int8`

/**
 * What revisions did to main: the versions they made, present or since retired, and the rows they removed.
 * A version that replaced one is an update, whatever statements led there.
 */
function mainVersions(args: VersionsArgs): RawBuilder<unknown> {
  const { layer, reader, revisions, limit } = args
  const city = sql.table(`city.${layer.id}`)
  const history = sql.table(`history.${layer.id}`)
  const columns = recordColumns(layer, reader)
  const made = sql`v.revision = any(${revisions}::int8[]) and ${among(args)}`
  // A page of a large revision is read off the index of ids; to order all of it for every page would cost its square.
  const first = limit === undefined ? sql`` : sql`order by v.id limit ${limit}`
  const op = sql`case when exists (select from ${history} as p where p.id = v.id and p.retired_revision = v.revision) then 'update' else 'insert' end as op`
  return sql`
    (select v.revision as made, ${op}, ${columns} from ${city} as v where ${made} ${first})
    union all
    (select v.revision as made, ${op}, ${columns} from ${history} as v where ${made} ${first})
    union all
    (select v.retired_revision as made, 'delete' as op, ${columns} from ${history} as v
    where v.retired_revision = any(${revisions}::int8[]) and ${among(args)}
      and not exists (select from ${city} as n where n.id = v.id and n.revision = v.retired_revision)
      and not exists (select from ${history} as n where n.id = v.id and n.revision = v.retired_revision) ${first})`
}

/**
 * What revisions did to a branch: overlays they made, and overlays they took back, where main's row as it was then shows again.
 * An overlay over a row that the branch saw already is an update.
 */
function branchVersions(args: VersionsArgs): RawBuilder<unknown> {
  const { layer, reader, branch, revisions } = args
  const overlay = sql.table(`branch.${layer.id}`)
  const columns = recordColumns(layer, reader)
  const needed = sql.join(neededColumns(layer, reader).map(name => sql.ref(`v.${name}`)))
  const mainAt = (revision: RawBuilder<unknown>, select: RawBuilder<unknown>) => sql`
    select ${select} from ${sql.table(`city.${layer.id}`)} as v where v.id = o.id and v.revision <= ${revision}
    union all select ${select} from ${sql.table(`history.${layer.id}`)} as v where v.id = o.id and v.revision <= ${revision} and v.retired_revision > ${revision}`
  const before = sql`select from ${overlay} as p where p.branch = v.branch and p.id = v.id and p.retired_revision = v.revision`
  const known = sql`case
    when exists (${before}) then exists (${before} and not p.deleted)
    else exists (select from (select v.id) as o cross join lateral (${mainAt(sql.ref('v.revision'), sql`v.id`)}) as m) end`
  const mine = sql`v.branch = ${branch}::uuid and ${among(args)}`
  // What came and went within one revision, or was removed already, is no change.
  return sql`
    select v.revision as made, case when v.deleted then 'delete' when v.known then 'update' else 'insert' end as op, ${columns}
    from (select v.*, ${known} as known from (select ${needed}, v.branch, v.deleted from ${overlay} as v where ${mine} and v.revision = any(${revisions}::int8[])) as v offset 0) as v
    where v.known or not v.deleted
    union all
    select o.retired_revision as made, case when v.id is null then 'delete' when o.deleted then 'insert' else 'update' end as op, ${recordColumns(layer, reader, sql.ref('o.id'))}
    from (select v.id, v.branch, v.deleted, v.retired_revision from ${overlay} as v where ${mine} and v.retired_revision = any(${revisions}::int8[])) as o
      left join lateral (${mainAt(sql.ref('o.retired_revision'), needed)}) as v on true
    where not exists (select from ${overlay} as n where n.branch = o.branch and n.id = o.id and n.revision = o.retired_revision)
      and not (o.deleted and v.id is null)`
}

export interface LayerHash {
  readonly layer: string
  /** What the hash stands on. */
  readonly revision: number
  readonly count: number
  /** Equal for equal content: ids, geometry, attributes that the reader sees, source; not revision numbers or object ids. */
  readonly hash: string
}

/** Rows a statement: a layer of any size is hashed in steps that end in time. */
const HASHED = 50_000

/** A hash of a layer's content that does not depend on the order of rows. Rows are hashed by MD5 and their halves added up. */
export async function layerHash(store: Store, { layer, branch, asOf, reader }: { layer: Layer; branch: Branch; asOf: AsOf; reader: Reader }): Promise<LayerHash> {
  const pool = store.pool(reader.clearance)
  // Pinned, so that all steps read the same city.
  const revision = await revisionAsOf(pool, asOf) ?? await latestRevision(store, reader)
  const view = await store.view({ layer, branch, asOf: revision, reader })
  let [last, count, high, low] = [0, 0, 0n, 0n]
  for (;;) {
    const { rows: [step] } = await sql<{ last: number | null; count: number; high: string | null; low: string | null }>`
      select max(id) as last, count(*) as count, sum(('x' || left(h, 16))::bit(64)::int8)::text as high, sum(('x' || right(h, 16))::bit(64)::int8)::text as low
      from (select v.id, md5(${contentSql(layer, reader)}) as h from ${view.as('v')} where v.id > ${last}::int8 order by v.id limit ${HASHED}) as rows`.execute(pool)
    count += step!.count
    high += BigInt(step!.high ?? 0)
    low += BigInt(step!.low ?? 0)
    if (step!.count < HASHED) break
    last = step!.last!
  }
  return { layer: layer.id, revision, count, hash: createHash('sha256').update(`${count} ${high} ${low}`).digest('hex').slice(0, 32) }
}

/** All that a reader can see of a row, as one text; columns by name, since two instances may have added them in another order. */
function contentSql(layer: Layer, reader: Reader): RawBuilder<string> {
  const column = (name: string) => sql.ref(`v.${name}`)
  const hex = (name: string) => sql`encode(st_asewkb(${column(name)}, 'NDR'), 'hex')`
  const attributes = [...visibleColumns(layer, reader.clearance)].sort((a, b) => (a.name < b.name ? -1 : 1))
  return sql`row(${sql.join([
    column('id'), hex('geom'), ...(layer.surveyed ? [hex('geom_native')] : []),
    ...(layer.threeD ? [hex('solid'), column('ground_z'), column('height')] : []),
    column('source'), column('source_id'), ...attributes.map(({ name, type }) => exact(type, column(name))),
  ])})::text`
}
