/**
 * A branch against main: what it changed (`branchDiff`), bringing that to main (`mergeBranch`), main's news to it (`rebaseBranch`),
 * and throwing it away (`discardBranch`). An overlay knows the version of main that it was made from, so that a feature that both
 * sides changed is merged field by field, and what both changed differently is a conflict that a person decides.
 */
import { createHash } from 'node:crypto'
import { sql, type RawBuilder, type Transaction } from 'kysely'
import { merge, resolve, same, type FieldConflict, type Fields, type Resolution, type Side } from '../../core/merge.js'
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import type { Layer } from '../../layers/layer.js'
import { badBody, conflict, notFound } from '../errors.js'
import { noteRead } from './access-log.js'
import { mergeAttachments, touch } from './attachments.js'
import { recordColumns, recordOf, type RowRecord, type Version } from './changes.js'
import { toldConflict, type ToldConflict } from './conflicts.js'
import type { Database } from './database.js'
import { applyEditsIn, type Edit } from './edits.js'
import { diffOf, fieldsAt, fieldsOf, tablesOf, type DiffRow } from './history.js'
import { mergeLineage } from './lineage.js'
import { visibleColumns } from './rights.js'
import { STEWARD, type Reader, type Revision, type RevisionWriter, type Store } from './store.js'
import { storeColumnNames } from './tables.js'
import { editTo, mayChange } from './undo.js'

/** What a person decided for one feature in conflict. */
export interface Decision { readonly layer: string; readonly id: number; readonly resolution: Resolution }

export interface MergeRequest {
  readonly reader: Reader
  readonly branch: string
  readonly reason?: string
  /** The plan that a dry run told; where the branch or main beneath it has changed since, nothing is merged. */
  readonly plan?: string
  readonly decisions?: readonly Decision[]
  /** For all conflicts that `decisions` leave. */
  readonly otherwise?: 'ours' | 'theirs'
  readonly dryRun?: boolean
}

export interface MergeReport {
  /** Names what would be merged: the same as long as neither the branch nor main beneath it changes. */
  readonly plan: string
  /** Null for a dry run, and where there was nothing to merge. */
  readonly revision: Revision | null
  readonly added: number
  readonly changed: number
  readonly removed: number
  /** Features with undecided conflicts; ours is the scenario, theirs main. At most 1,000 are told. */
  readonly count: number
  readonly conflicts: readonly ToldConflict[]
  readonly layers: readonly { readonly layer: string; readonly added: number; readonly changed: number; readonly removed: number; readonly conflicts: number }[]
}

const MOST_TOLD = 1000
const BATCH = 500

/**
 * Merges a branch into main as one revision; its overlays retire. Throws 409 with the report where conflicts are undecided,
 * or where the plan is stale.
 */
export function mergeBranch(store: Store, request: MergeRequest): Promise<MergeReport> {
  return work(store, { ...request, onto: 'main', reason: request.reason || `merge scenario ${request.branch}` })
}

/** Brings main's changes to the branch's own copies of features, by the same rules. What the branch sees differently stays so. */
export function rebaseBranch(store: Store, request: MergeRequest): Promise<MergeReport> {
  return work(store, { ...request, onto: 'branch', reason: request.reason || `rebase scenario ${request.branch}` })
}

interface Work extends MergeRequest { readonly onto: 'main' | 'branch'; readonly reason: string }

async function work(store: Store, request: Work): Promise<MergeReport> {
  const { branch, reader, onto, reason, dryRun = false } = request
  const layers = await overlaidLayers(store, branch)
  mayChange(reader, layers)
  checkDecisions(store, request)
  // A dry run does all of it and keeps nothing: what it tells is what will happen.
  const kept: { report?: MergeReport } = {}
  try {
    const { revision, result } = await store.withRevision({ actor: reader.subject, reason, branch: onto === 'main' ? 'main' : branch }, async writer => {
      const report = await apply(writer, layers, request)
      if (!dryRun && request.plan !== undefined && request.plan !== report.plan) throw conflict(
        'The scenario or the city beneath it was changed since the dry run, so nothing was merged. Look at the new plan, then repeat with it.', { ...report, stale: true })
      if (!dryRun && report.count > 0) throw conflict(
        `${report.count === 1 ? 'One feature' : `${report.count} features`} changed in the scenario and in the city in ways that exclude each other. Decide each in “resolutions” (ours is the scenario, theirs the city), then repeat. Nothing was merged.`, { ...report })
      if (!dryRun && layers.length > 0) return report
      kept.report = report
      throw kept
    })
    return { ...result, revision }
  } catch (error) {
    if (error === kept) return kept.report!
    throw error
  }
}

function checkDecisions(store: Store, { decisions = [], reader }: Work): void {
  for (const { layer } of decisions) if (!store.catalogue.for(reader).some(({ id }) => id === layer)) throw badBody(`“resolutions” names the collection “${layer.slice(0, 60)}”, which is not there.`)
}

/** Layers in which the branch has something of its own. */
async function overlaidLayers(store: Store, branch: string): Promise<readonly Layer[]> {
  const { rows } = await sql<{ layer: string }>`select distinct layer from dothi.changes where branch = ${branch} order by layer`.execute(store.db)
  const known = rows.flatMap(({ layer }) => store.catalogue.find(layer) ?? [])
  const held = await Promise.all(known.map(async layer => (await sql`
    select from ${tablesOf(layer)[2]} where branch = ${branch}::uuid and retired_revision is null limit 1`.execute(store.db)).rows.length > 0))
  return known.filter((_, i) => held[i])
}

async function apply(writer: RevisionWriter, layers: readonly Layer[], request: Work): Promise<MergeReport> {
  const plan = createHash('sha256')
  const perLayer: MergeReport['layers'][number][] = []
  const conflicts: ToldConflict[] = []
  for (const layer of layers) {
    plan.update(await planOf(writer.tx, layer, request.branch))
    const both = await threeWay(writer, layer, request)
    const counts = request.onto === 'main' ? await bringOver(writer, layer, request.branch, both) : await rewrite(writer, layer, request.branch, both)
    conflicts.push(...both.conflicts.slice(0, MOST_TOLD - conflicts.length).map(({ id, fields }) => toldConflict(layer, id, fields, request.reader)))
    perLayer.push({ layer: layer.id, ...counts, conflicts: both.conflicts.length })
  }
  if (request.onto === 'main') await mergeLineage(writer, layers.map(({ id }) => id), request.branch)
  const sum = (of: 'added' | 'changed' | 'removed' | 'conflicts') => perLayer.reduce((total, counts) => total + counts[of], 0)
  return { plan: plan.digest('hex').slice(0, 32), revision: null, added: sum('added'), changed: sum('changed'), removed: sum('removed'), count: sum('conflicts'), conflicts, layers: perLayer }
}

/** Overlays that hold, with main's present row: `m.revision` null where main has none. */
const pairs = (layer: Layer, branch: string) => {
  const [city, , overlay] = tablesOf(layer)
  return sql`${overlay} as o left join ${city} as m on m.id = o.id where o.branch = ${branch}::uuid and o.retired_revision is null`
}

/** Main is as it was when the overlay was made. */
const UNTOUCHED = sql`m.revision is not distinct from o.base_revision`

/** Text that changes with any overlay and with main's row under it. */
async function planOf(tx: Transaction<Database>, layer: Layer, branch: string): Promise<string> {
  const { rows } = await sql<{ text: string }>`select md5(coalesce(string_agg(o.id || ' ' || o.revision || ' ' || coalesce(m.revision, 0), ',' order by o.id), '')) as text from ${pairs(layer, branch)}`.execute(tx)
  return `${layer.id} ${rows[0]!.text}\n`
}

interface Both {
  /** Features that main changed too, as they shall be. */
  readonly merged: readonly { readonly id: number; readonly ours: Side; readonly theirs: Side; readonly value: Side; readonly objectid: number; readonly main: number | null }[]
  /** Undecided ones among them; they hold main's. */
  readonly conflicts: readonly { readonly id: number; readonly fields: readonly FieldConflict[] }[]
  /** Decided for main's, wholly: attachments of the branch go with the rest. */
  readonly left: readonly number[]
}

/** Merges the features that main changed after the branch copied them. */
async function threeWay({ tx }: RevisionWriter, layer: Layer, { branch, decisions = [], otherwise }: Work): Promise<Both> {
  const { rows } = await sql<{ id: number; base: number | null; objectid: number; main: number | null }>`
    select o.id, o.base_revision as base, o.objectid, m.revision as main from ${pairs(layer, branch)} and not (${UNTOUCHED}) order by o.id`.execute(tx)
  const decided = new Map(decisions.filter(decision => decision.layer === layer.id).map(({ id, resolution }) => [id, resolution]))
  const both = { merged: [] as Both['merged'][number][], conflicts: [] as Both['conflicts'][number][], left: [] as number[] }
  for (let at = 0; at < rows.length; at += BATCH) {
    const some = rows.slice(at, at + BATCH)
    const ids = some.map(({ id }) => id)
    const [ours, theirs] = [await fieldsAt(tx, layer, branch, null, ids), await fieldsAt(tx, layer, 'main', null, ids)]
    const bases = await basesOf(tx, layer, some)
    for (const { id, objectid, main } of some) {
      const [base, mine, other] = [bases.get(id), ours.get(id), theirs.get(id)].map((row): Side => (row ? fieldsOf(row) : null)) as [Side, Side, Side]
      const resolution = decided.get(id) ?? otherwise
      const { value, conflicts } = resolve(base, mine, other, shapes(resolution))
      if (conflicts.length > 0) both.conflicts.push({ id, fields: conflicts })
      if (resolution === 'theirs' && merge(base, mine, other).conflicts.length > 0) both.left.push(id)
      both.merged.push({ id, ours: mine, theirs: other, value, objectid, main })
    }
  }
  return both
}

/** A decision may give a geometry as GeoJSON. */
function shapes(resolution: Resolution | undefined): Resolution | undefined {
  if (typeof resolution !== 'object' || !resolution.geom || !('value' in resolution.geom)) return resolution
  return { ...resolution, geom: { value: resolution.geom.value && { geojson: resolution.geom.value } } }
}

/** Main's versions that overlays were made from. */
async function basesOf(tx: Transaction<Database>, layer: Layer, rows: readonly { id: number; base: number | null }[]): Promise<ReadonlyMap<number, RowRecord>> {
  const [city, history] = tablesOf(layer)
  const version = (table: RawBuilder<unknown>) => sql`select ${recordColumns(layer, STEWARD)} from unnest(${rows.map(({ id }) => id)}::int8[], ${rows.map(({ base }) => base)}::int8[]) as w(id, base) join ${table} as v on v.id = w.id and v.revision = w.base`
  const { rows: found } = await sql<Version>`${version(city)} union all ${version(history)}`.execute(tx)
  return new Map(found.map(row => [row.id, recordOf(layer, row)]))
}

interface Counts { readonly added: number; readonly changed: number; readonly removed: number }

const CONTENT_MADE = new Set(['id', 'objectid', 'revision', 'valid_from', 'geom_3857', 'cell'])

/** What only the branch changed goes over set by set, what both changed as it was merged; then the overlays retire. */
async function bringOver(writer: RevisionWriter, layer: Layer, branch: string, both: Both): Promise<Counts> {
  const { tx, revision } = writer
  const [city, , overlay] = tablesOf(layer)
  const columns = [...storeColumnNames(layer).filter(name => !CONTENT_MADE.has(name)), ...layer.columns.map(({ name }) => name)]
  const mine = sql`o.branch = ${branch}::uuid and o.retired_revision is null`
  const affected = async (statement: RawBuilder<unknown>) => Number((await statement.execute(tx)).numAffectedRows ?? 0)
  const removed = await affected(sql`delete from ${city} as m using ${overlay} as o where ${mine} and o.id = m.id and o.deleted and o.base_revision = m.revision`)
  const changed = await affected(sql`update ${city} as m set ${sql.join(columns.map(name => sql`${sql.ref(name)} = ${sql.ref(`o.${name}`)}`))} from ${overlay} as o where ${mine} and o.id = m.id and not o.deleted and o.base_revision = m.revision`)
  const added = await affected(sql`insert into ${city} (id, objectid, ${sql.join(columns.map(name => sql.ref(name)))})
    select o.id, case when exists (select from ${city} as c where c.objectid = o.objectid) then nextval(pg_get_serial_sequence(${`city."${layer.id}"`}, 'objectid'))::int else o.objectid end, ${sql.join(columns.map(name => sql.ref(`o.${name}`)))}
    from ${overlay} as o where ${mine} and not o.deleted and o.base_revision is null and not exists (select from ${city} as m where m.id = o.id)`)
  const edits = both.merged.flatMap(({ id, theirs, value, objectid }) => (same(theirs, value) ? [] : toEdits(layer, id, theirs, value, objectid)))
  await applyEditsIn(writer, 'main', edits)
  await sql`update ${overlay} as o set retired_revision = ${revision}::int8 where ${mine}`.execute(tx)
  const attached = await mergeAttachments(writer, layer, branch, both.left)
  const { rows: old } = await sql<{ id: number }>`select id from ${city} where id = any(${attached}::int8[]) and revision < ${revision}::int8`.execute(tx)
  if (old.length) await touch(writer, layer, 'main', old.map(({ id }) => id))
  const of = (action: Edit['action']) => edits.filter(edit => edit.action === action).length
  return { added: added + of('create'), changed: changed + of('update'), removed: removed + of('delete') }
}

/** The branch's copies take over what main changed, and from then on stand on main's present version. */
async function rewrite(writer: RevisionWriter, layer: Layer, branch: string, both: Both): Promise<Counts> {
  const { tx, revision } = writer
  const [, , overlay] = tablesOf(layer)
  const undecided = new Set(both.conflicts.map(({ id }) => id))
  const settled = both.merged.filter(({ id }) => !undecided.has(id))
  const edits = settled.flatMap(({ id, ours, value, objectid }) => (same(ours, value) ? [] : toEdits(layer, id, ours, value, objectid)))
  await applyEditsIn(writer, branch, edits)
  // What is now as in main needs no copy any more.
  const needless = settled.filter(({ theirs, value }) => same(theirs, value)).map(({ id }) => id)
  const mine = sql`o.branch = ${branch}::uuid and o.retired_revision is null`
  await sql`update ${overlay} as o set retired_revision = ${revision}::int8 where ${mine} and o.id = any(${needless}::int8[])
    and not exists (select from dothi.attachments as a where a.layer = ${layer.id} and a.feature = o.id and a.branch = ${branch} and a.retired_revision is null)`.execute(tx)
  await sql`update ${overlay} as o set base_revision = n.main from unnest(${settled.map(({ id }) => id)}::int8[], ${settled.map(({ main }) => main)}::int8[]) as n(id, main) where ${mine} and o.id = n.id`.execute(tx)
  const of = (action: Edit['action']) => edits.filter(edit => edit.action === action).length
  return { added: of('create'), changed: of('update'), removed: of('delete') }
}

/** As `editTo`, also with a geometry that a person gave as GeoJSON. */
function toEdits(layer: Layer, id: number, from: Side, to: Side, objectid: number): readonly Edit[] {
  const shape = to?.geom as { geojson?: GeoJsonGeometry } | null | undefined
  if (!shape?.geojson) return editTo(layer, id, from, to, objectid)
  const { geom: _geom, solid: _solid, ...rest } = to as Fields
  return editTo(layer, id, from, rest, objectid).map(edit => (edit.action === 'delete' ? edit : { ...edit, feature: { ...edit.feature, geometry: shape.geojson! } }))
}

// ---- reading -----------------------------------------------------------------------------------------------------

export interface BranchDiffRow extends DiffRow {
  readonly layer: string
  /** Main's present row, where main changed it since: null where main removed it. */
  readonly theirs?: RowRecord | null
  /** Names of the fields that both changed differently. */
  readonly conflicts: readonly string[]
}

export interface BranchDiffQuery { readonly reader: Reader; readonly branch: string; readonly layer: Layer; readonly after: number; readonly limit: number }

/** What a branch has otherwise than main had when it was copied, by id: reads overlays only, and main's rows under them. */
export async function branchDiff(store: Store, { reader, branch, layer, after, limit }: BranchDiffQuery): Promise<{ readonly rows: readonly BranchDiffRow[]; readonly last: number | null }> {
  const [city, history, overlay] = tablesOf(layer)
  const pool = store.pool(reader.clearance)
  await noteRead(store.db, { layer, branch, asOf: 'now', reader }, visibleColumns(layer, reader.clearance).map(({ name }) => name))
  const columns = recordColumns(layer, reader)
  const { rows: keys } = await sql<{ id: number; base: number | null; main: number | null; deleted: boolean }>`
    select o.id, o.base_revision as base, m.revision as main, o.deleted from ${pairs(layer, branch)} and o.id > ${after}::int8 order by o.id limit ${limit}`.execute(pool)
  const ids = keys.map(({ id }) => id)
  const read = async (query: RawBuilder<Version>) => new Map((await query.execute(pool)).rows.map(row => [row.id, recordOf(layer, row)]))
  const ours = await read(sql<Version>`select ${columns} from ${overlay} as v where v.branch = ${branch}::uuid and v.id = any(${ids}::int8[]) and v.retired_revision is null and not v.deleted`)
  const main = await read(sql<Version>`select ${columns} from ${city} as v where v.id = any(${ids}::int8[])`)
  const bases = await read(sql<Version>`select ${columns} from unnest(${ids}::int8[], ${keys.map(({ base }) => base)}::int8[]) as w(id, base) join ${history} as v on v.id = w.id and v.revision = w.base`)
  const rows = keys.flatMap(({ id, base, main: present }): readonly BranchDiffRow[] => {
    const before = base === null ? null : base === present ? main.get(id)! : bases.get(id) ?? null
    const after = ours.get(id) ?? null
    const moved = base !== present
    const theirs = main.get(id) ?? null
    const { conflicts } = moved ? merge(sideOf(before), sideOf(after), sideOf(theirs)) : { conflicts: [] }
    return diffOf(id, before, after).map(row => ({ ...row, layer: layer.id, ...(moved && { theirs }), conflicts: conflicts.map(({ field }) => field) }))
  })
  return { rows, last: keys.length === limit ? ids[ids.length - 1]! : null }
}

const sideOf = (row: RowRecord | null): Side => row && fieldsOf(row)

/** Layers with overlays that hold, of those that a reader sees. */
export async function branchLayers(store: Store, reader: Reader, branch: string): Promise<readonly Layer[]> {
  const visible = new Set(store.catalogue.for(reader).map(({ id }) => id))
  return (await overlaidLayers(store, branch)).filter(({ id }) => visible.has(id))
}

// ---- throwing away -----------------------------------------------------------------------------------------------

/**
 * Takes a branch away with everything that only it needs: its overlays, attachments and lineage. Its revisions stay in the log.
 * Throws 404 where it is not there, 409 while a run of it is at work.
 */
export async function discardBranch(store: Store, branch: string): Promise<void> {
  await store.db.transaction().execute(async tx => {
    const { rows: [found] } = await sql<{ busy: boolean }>`
      select exists (select from dothi.jobs where branch = ${branch} and state in ('accepted', 'running')) as busy from dothi.branches where id = ${branch}::uuid and removed is null for update`.execute(tx)
    if (!found) throw notFound(`There is no scenario “${branch}”.`)
    if (found.busy) throw conflict('A run of this scenario is at work. Cancel it, or wait for its end, then discard the scenario.')
    await sql`update dothi.branches set removed = clock_timestamp() where id = ${branch}::uuid`.execute(tx)
    for (const layer of store.catalogue.all()) if (layer.kind === 'city') await sql`delete from ${tablesOf(layer)[2]} where branch = ${branch}::uuid`.execute(tx)
    for (const table of ['attachments', 'lineage', 'layer_summaries', 'tile_revisions']) await sql`delete from ${sql.table(`dothi.${table}`)} where branch = ${branch}`.execute(tx)
  })
}
