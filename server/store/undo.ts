/**
 * Taking edits back: a whole revision (`undoRevision`), be it an import of 100,000 rows, or one feature (`restoreFeature`).
 * What was changed since is never overwritten silently: it is a conflict, told field by field.
 */
import { sql, type RawBuilder, type Transaction } from 'kysely'
import { merge, same, type FieldConflict, type Side } from '../../core/merge.js'
import type { Layer } from '../../layers/layer.js'
import { conflict, forbidden, notFound, Problem } from '../errors.js'
import { restoreAttachments, undoAttachments } from './attachments.js'
import { hiddenFields, toldConflict, type ToldConflict } from './conflicts.js'
import type { Database } from './database.js'
import { applyEditsIn, type Edit } from './edits.js'
import { editOf, fieldsAt, fieldsOf, tablesOf } from './history.js'
import { undoLineage } from './lineage.js'
import { covers } from './rights.js'
import type { Branch, Reader, Revision, RevisionMeta, RevisionWriter, Store } from './store.js'
import { storeColumnNames } from './tables.js'

export interface UndoRequest {
  readonly reader: Reader
  readonly branch: Branch
  readonly revision: number
  readonly reason?: string
  /**
   * What happens to features that were changed since: `fail` undoes nothing and tells them; `skip` leaves them as they are;
   * `merge` takes back the fields that nobody touched since, and keeps and tells the others.
   */
  readonly onConflict: 'fail' | 'skip' | 'merge'
}

export interface Undone {
  /** The revision that did it; null where nothing of the edit was left. */
  readonly revision: Revision | null
  /** Features added, changed and removed by the undo. */
  readonly added: number
  readonly changed: number
  readonly removed: number
  /** Features that were left as they are, wholly or in part, at most 100 of them with their fields. */
  readonly kept: { readonly count: number; readonly conflicts: readonly ToldConflict[] }
}

const MOST_TOLD = 100

/** Throws 404 for a revision that is not there on this branch, 409 with `conflicts` where features were changed since. */
export async function undoRevision(store: Store, request: UndoRequest): Promise<Undone> {
  const { branch, reader, revision, reason } = request
  const layers = await touchedLayers(store, branch, revision)
  mayChange(reader, layers)
  const meta: RevisionMeta = { actor: reader.subject, reason: reason || `undo revision ${revision}`, branch }
  return unlessNothing(store, meta, async writer => {
    const total = { added: 0, changed: 0, removed: 0, other: 0 }
    const kept = { count: 0, conflicts: [] as ToldConflict[] }
    for (const layer of layers) {
      const undo = await (branch === 'main' ? undoOnMain : undoOnBranch)(writer, layer, branch, revision)
      const since = await changedSince(writer, layer, request)
      kept.count += since.conflicts.length
      kept.conflicts.push(...since.conflicts.slice(0, MOST_TOLD - kept.conflicts.length).map(({ id, fields }) => toldConflict(layer, id, fields, reader)))
      total.added += undo.added
      total.changed += undo.changed + since.merged
      total.removed += undo.removed
      total.other += await undoAttachments(writer, layer, branch, revision, since.left) + await undoLineage(writer, layer, branch, revision, since.left)
    }
    if (kept.count > 0 && request.onConflict === 'fail') throw conflict(
      `${kept.count === 1 ? 'A feature' : `${kept.count} features`} of revision ${revision} ${kept.count === 1 ? 'was' : 'were'} changed since, so nothing was undone. Repeat with onConflict=skip to leave ${kept.count === 1 ? 'it' : 'them'}, or with onConflict=merge to take back what nobody changed since.`,
      { count: kept.count, conflicts: kept.conflicts })
    const { other, ...counts } = total
    return { done: counts.added + counts.changed + counts.removed + other > 0, result: { ...counts, kept } }
  })
}

/** One transaction and revision; nothing of it where `done` is false. */
async function unlessNothing<T>(store: Store, meta: RevisionMeta, work: (writer: RevisionWriter) => Promise<{ done: boolean; result: T }>): Promise<T & { revision: Revision | null }> {
  const nothing: { result?: T } = {}
  try {
    const { revision, result } = await store.withRevision(meta, async writer => {
      const { done, result } = await work(writer)
      if (done) return result
      nothing.result = result
      throw nothing
    })
    return { ...result, revision }
  } catch (error) {
    if (error === nothing) return { ...nothing.result!, revision: null }
    throw error
  }
}

async function touchedLayers(store: Store, branch: Branch, revision: number): Promise<readonly Layer[]> {
  const { rows } = await sql<{ known: boolean; layers: string[] }>`
    select exists (select from dothi.revisions where revision = ${revision}::int8) as known,
      array(select layer from dothi.changes where revision = ${revision}::int8 and branch = ${branch} order by layer) as layers`.execute(store.db)
  const { known, layers } = rows[0]!
  if (!known) throw notFound(`There is no revision ${revision}. GET /revisions lists them.`)
  if (layers.length === 0) throw conflict(`Revision ${revision} changed no features here: there is nothing to undo.`)
  return layers.map(name => {
    const layer = store.catalogue.find(name)
    if (!layer) throw conflict(`Revision ${revision} changed “${name}”, which was unpublished since: its rows are gone and cannot come back.`)
    return layer
  })
}

/** Who cannot see all of the data may not move it about. */
export function mayChange(reader: Reader, layers: readonly Layer[]): void {
  if (layers.some(layer => !covers(reader.clearance, layer.classification))) throw forbidden('This changes data beyond your clearance. Somebody whose clearance covers it can do it.')
}

interface Counts { readonly added: number; readonly changed: number; readonly removed: number }

/** Columns that a version consists of; the table makes the others itself. */
function contentColumns(layer: Layer): readonly string[] {
  const made = new Set(['id', 'objectid', 'revision', 'valid_from', 'geom_3857', 'cell'])
  return [...storeColumnNames(layer).filter(name => !made.has(name)), ...layer.columns.map(({ name }) => name)]
}

const names = (columns: readonly string[]) => sql.join(columns.map(name => sql.ref(name)))
const refs = (names: readonly string[], alias: string) => sql.join(names.map(name => sql.ref(`${alias}.${name}`)))

/**
 * What revision n did to each feature of a layer, and how the feature is now: `before` is the version it replaced or removed,
 * `made` the one it made, `current` the present one. Kept for this transaction as a table, since statements follow that write.
 */
async function footprint(tx: Transaction<Database>, layer: Layer, branch: Branch, n: number): Promise<RawBuilder<unknown>> {
  const [city, history, overlay] = tablesOf(layer)
  await sql`drop table if exists pg_temp.footprint`.execute(tx)
  const mine = sql`branch = ${branch === 'main' ? null : branch}::uuid`
  await sql`create temporary table footprint on commit drop as
    select coalesce(b.id, m.id) as id, b.revision as before, m.id is not null as made, c.revision as current
    from (${branch === 'main' ? sql`select id, revision from ${history} where retired_revision = ${n}::int8` : sql`select id, revision from ${overlay} where ${mine} and retired_revision = ${n}::int8`}) as b
    full join (${branch === 'main'
      ? sql`select id from ${city} where revision = ${n}::int8 union all select id from ${history} where revision = ${n}::int8`
      : sql`select id from ${overlay} where ${mine} and revision = ${n}::int8`}) as m using (id)
    left join (${branch === 'main' ? sql`select id, revision from ${city}` : sql`select id, revision from ${overlay} where ${mine} and retired_revision is null`}) as c on c.id = coalesce(b.id, m.id)`.execute(tx)
  await sql`create unique index on pg_temp.footprint (id)`.execute(tx)
  await sql`analyze pg_temp.footprint`.execute(tx)
  return sql`pg_temp.footprint`
}

const affected = async (query: RawBuilder<unknown>, tx: Transaction<Database>) => Number((await query.execute(tx)).numAffectedRows ?? 0)

/** Takes back, set by set, what is still as revision n left it. */
async function undoOnMain({ tx }: RevisionWriter, layer: Layer, branch: Branch, n: number): Promise<Counts> {
  const [city, history] = tablesOf(layer)
  const undo = await footprint(tx, layer, branch, n)
  const columns = contentColumns(layer)
  const removed = await affected(sql`delete from ${city} as c using ${undo} as u where c.id = u.id and u.before is null and u.current = ${n}::int8`, tx)
  const changed = await affected(sql`update ${city} as c set ${sql.join(columns.map(name => sql`${sql.ref(name)} = ${sql.ref(`h.${name}`)}`))}
    from ${undo} as u join ${history} as h on h.id = u.id and h.retired_revision = ${n}::int8 where c.id = u.id and u.made and u.current = ${n}::int8`, tx)
  const added = await affected(sql`insert into ${city} (id, objectid, ${names(columns)})
    select h.id, case when exists (select from ${city} as c where c.objectid = h.objectid) then nextval(pg_get_serial_sequence(${`city."${layer.id}"`}, 'objectid'))::int else h.objectid end, ${refs(columns, 'h')}
    from ${undo} as u join ${history} as h on h.id = u.id and h.retired_revision = ${n}::int8 where not u.made and u.current is null`, tx)
  return { added, changed, removed }
}

/** On a branch what comes back is the overlay before, or main's row where there was none. */
async function undoOnBranch({ tx, revision }: RevisionWriter, layer: Layer, branch: Branch, n: number): Promise<Counts> {
  const [city, , overlay] = tablesOf(layer)
  const undo = await footprint(tx, layer, branch, n)
  // Still as n left it: its overlay holds, or it took one back and there is none.
  const same = sql`(case when u.made then u.current = ${n}::int8 else u.current is null end)`
  const { rows: [counts] } = await sql<Counts>`
    select count(*) filter (where not was and will) as added, count(*) filter (where was and will) as changed, count(*) filter (where was and not will) as removed from (
      select coalesce(not a.deleted, c.id is not null) as was, coalesce(not b.deleted, c.id is not null) as will
      from ${undo} as u left join ${overlay} as a on a.branch = ${branch}::uuid and a.id = u.id and a.revision = ${n}::int8
        left join ${overlay} as b on b.branch = ${branch}::uuid and b.id = u.id and b.retired_revision = ${n}::int8
        left join ${city} as c on c.id = u.id where ${same}) as x`.execute(tx)
  const columns = ['branch', 'id', 'objectid', 'deleted', 'base_revision', ...contentColumns(layer)]
  await sql`update ${overlay} as o set retired_revision = ${revision}::int8 from ${undo} as u where ${same} and u.made and o.branch = ${branch}::uuid and o.id = u.id and o.retired_revision is null`.execute(tx)
  await sql`insert into ${overlay} (${names(columns)})
    select ${refs(columns, 'b')} from ${undo} as u join ${overlay} as b on b.branch = ${branch}::uuid and b.id = u.id and b.retired_revision = ${n}::int8 where ${same}`.execute(tx)
  return counts!
}

interface Since {
  readonly conflicts: readonly { readonly id: number; readonly fields: readonly FieldConflict[] }[]
  /** Features of which part was taken back. */
  readonly merged: number
  /** Features that keep what they have: their attachments and lineage stay too. */
  readonly left: readonly number[]
}

const MERGED = 500

/** Features that were changed after revision n, by three-way merge: base is what n made, ours what it was before, theirs what it is now. */
async function changedSince(writer: RevisionWriter, layer: Layer, { branch, revision: n, onConflict }: UndoRequest): Promise<Since> {
  const { tx } = writer
  const rest = branch === 'main'
    ? sql`case when not u.made then u.current is not null when u.before is null then u.current <> ${n}::int8 else u.current is distinct from ${n}::int8 end`
    : sql`case when u.made then u.current is distinct from ${n}::int8 else u.current is not null end`
  const { rows } = await sql<{ id: number }>`select id from pg_temp.footprint as u where ${rest} order by id`.execute(tx)
  const conflicts: Since['conflicts'][number][] = []
  const left: number[] = []
  let merged = 0
  for (let at = 0; at < rows.length; at += MERGED) {
    const ids = rows.slice(at, at + MERGED).map(({ id }) => id)
    const [base, ours, theirs] = [await fieldsAt(tx, layer, branch, n, ids), await fieldsAt(tx, layer, branch, n - 1, ids), await fieldsAt(tx, layer, branch, null, ids)]
    const side = (rows: typeof base, id: number): Side => { const row = rows.get(id); return row ? fieldsOf(row) : null }
    const edits: Edit[] = []
    for (const id of ids) {
      const [was, wanted, now] = [side(base, id), side(ours, id), side(theirs, id)]
      if (same(now, wanted) || same(was, wanted)) continue // it is so already, or there is nothing to take back
      const { value, conflicts: collisions } = merge(was, wanted, now)
      if (onConflict !== 'merge' || collisions.length > 0) {
        conflicts.push({ id, fields: collisions.length > 0 ? collisions : overtaken(was, wanted, now) })
        left.push(id)
      }
      if (onConflict === 'merge' && !same(value, now)) edits.push(...editTo(layer, id, now, value, ours.get(id)?.objectid))
    }
    merged += (await applyEditsIn(writer, branch, edits)).changed
  }
  return { conflicts, merged, left }
}

/** Where sides do not collide: what the undo would take back, and what was changed since. */
function overtaken(base: Side, ours: Side, theirs: Side): readonly FieldConflict[] {
  const names = [...new Set([base, ours, theirs].flatMap(side => Object.keys(side ?? {})))]
  return names.map(field => ({ field, base: base?.[field] ?? null, ours: ours?.[field] ?? null, theirs: theirs?.[field] ?? null }))
    .filter(({ base, ours, theirs }) => !same(base, ours) || !same(base, theirs))
}

/** The edit that brings a feature from one state to another. */
export function editTo(layer: Layer, id: number, from: Side, to: Side, objectid?: number): readonly Edit[] {
  if (to === null) return from === null ? [] : [{ action: 'delete', layer, id }]
  return [from === null ? { action: 'create', layer, id, objectid, feature: editOf(layer, to) } : { action: 'update', layer, id, feature: editOf(layer, to) }]
}

// ---- one feature -------------------------------------------------------------------------------------------------

export interface RestoreRequest {
  readonly reader: Reader
  readonly branch: Branch
  readonly layer: Layer
  readonly id: number
  /** As of this revision. */
  readonly revision: number
  readonly reason?: string
  /** What the editor saw as the present version. */
  readonly ifMatch?: number | readonly number[]
}

/**
 * Gives a feature the attributes, geometry and attachments that it had; one that was removed comes back under its id.
 * Of a feature that is there, what the editor may not see stays as it is. Throws 404 where the feature was not there then, 412 where it is newer than `ifMatch`.
 */
export async function restoreFeature(store: Store, { reader, branch, layer, id, revision, reason, ifMatch }: RestoreRequest): Promise<Revision | null> {
  const meta: RevisionMeta = { actor: reader.subject, reason: reason || `restore ${layer.id} ${id} as of revision ${revision}`, branch }
  const { revision: made } = await unlessNothing(store, meta, async writer => {
    const [then, now] = [await fieldsAt(writer.tx, layer, branch, revision, [id]), await fieldsAt(writer.tx, layer, branch, null, [id])]
    const [old, present] = [then.get(id), now.get(id)]
    if (!old) throw notFound(`${layer.id} had no feature ${id} as of revision ${revision}.`)
    if (ifMatch !== undefined && !(present && [ifMatch].flat().includes(present.revision))) throw new Problem(412, 'precondition-failed',
      `Feature ${id} was changed since you read it: you saw revision ${[ifMatch].flat().join(' or ')}, it is ${present ? `at ${present.revision}` : 'removed'}. Read it again and repeat.`, { revision: present?.revision ?? null })
    const hidden = present ? hiddenFields(layer, reader) : new Set<string>()
    const wanted = Object.fromEntries(Object.entries(fieldsOf(old)).filter(([name]) => !hidden.has(name)))
    const { changed } = await applyEditsIn(writer, branch, editTo(layer, id, present ? fieldsOf(present) : null, wanted, old.objectid))
    const attached = await restoreAttachments(writer, layer, branch, id, revision, reader)
    return { done: changed + attached > 0, result: {} }
  })
  return made
}
