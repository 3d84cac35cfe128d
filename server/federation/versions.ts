/**
 * Which write each field of a version comes from. Nobody who writes rows has to say so: a version that came from a peer has
 * a mark, every other was written here, and what changed in it is seen by comparing it with the one before.
 */
import { sql, type Kysely, type RawBuilder } from 'kysely'
import type { Layer } from '../../layers/layer.js'
import type { Database } from '../store/database.js'
import { LIFE, REMOVAL, REST, type Known, type Stamp, type Stamps } from './stamps.js'

/** The fields in which a copy of a feature is compared: geometry with its twins is one, source with its id another. */
export function fieldsOf(layer: Layer, columns: readonly string[]): readonly string[] {
  return ['geom', ...(layer.threeD ? ['ground_z', 'height'] : []), 'source', ...columns]
}

function columnsOf(layer: Layer, field: string): readonly string[] {
  if (field === 'geom') return ['geom', ...(layer.surveyed ? ['geom_native'] : []), ...(layer.threeD ? ['solid'] : [])]
  return field === 'source' ? ['source', 'source_id'] : [field]
}

export interface Writes {
  /** Reads rows, under the rights of whoever they are for. */
  readonly rows: Kysely<Database>
  /** Reads marks and clocks: the owner's, and opened no earlier than `rows`. */
  readonly owner: Kysely<Database>
  readonly layer: Layer
  /** Attribute columns that count. */
  readonly columns: readonly string[]
  /** This instance's number. */
  readonly instance: number
}

/** Id → stamps as of a revision; undefined for a feature that there was not yet. */
export type StampsAt = (id: number, revision: number) => Stamps | undefined

interface VersionRow { readonly id: number; readonly revision: number; readonly retired: number | null; readonly changed: readonly string[] }
interface MarkRow { readonly id: number; readonly revision: number; readonly stamps: Stamps }

/** The stamps of some features at each of the revisions named, and at any later one up to `until`. */
export async function stampsOf(writes: Writes, wanted: readonly { readonly id: number; readonly revision: number }[], until: number): Promise<StampsAt> {
  const first = new Map<number, number>()
  for (const { id, revision } of wanted) first.set(id, Math.min(revision, first.get(id) ?? Infinity))
  const ids = [...first.keys()]
  if (ids.length === 0) return () => undefined
  // Versions first: a mark that is read later than its version cannot be missed. Marks are looked up twice for the same reason.
  const started = startsOf(await marksOf(writes, ids, until), first)
  const versions = group(await versionsOf(writes, ids, ids.map(id => started.get(id) ?? 0), until))
  const marks = group(await marksOf(writes, ids, until))
  const local = await localStamps(writes, [...versions.values()].flat().flatMap(({ revision, retired }) => (retired === null ? [revision] : [revision, retired])))
  const lines = new Map(ids.map(id => [id, lineOf(versions.get(id) ?? [], marks.get(id) ?? [], started.get(id) ?? 0, until, local)]))
  return (id, revision) => lines.get(id)?.filter(event => event.revision <= revision).at(-1)?.stamps
}

/** Where to begin: the last mark not after the first revision that is asked for. */
function startsOf(marks: readonly MarkRow[], first: ReadonlyMap<number, number>): Map<number, number> {
  const starts = new Map<number, number>()
  for (const { id, revision } of marks) if (revision <= first.get(id)!) starts.set(id, revision)
  return starts
}

/** One feature's stamps after each of its versions, removals and marks, in order. */
function lineOf(versions: readonly VersionRow[], marks: readonly MarkRow[], start: number, until: number, local: (revision: number) => Stamp) {
  const line: { revision: number; stamps: Stamps }[] = []
  const marked = new Map(marks.filter(mark => mark.revision >= start).map(mark => [mark.revision, mark.stamps]))
  const events = new Map<number, VersionRow | 'removal' | 'mark'>([...marked.keys()].map(revision => [revision, 'mark']))
  for (const version of versions) {
    if (version.retired !== null && version.retired <= until) events.set(version.retired, 'removal')
    events.set(version.revision, version)
  }
  let alive = false
  let stamps: Stamps = {}
  for (const revision of [...events.keys()].sort((a, b) => a - b)) {
    const event = events.get(revision)!
    stamps = marked.get(revision) ?? (event === 'mark' ? stamps : written(stamps, event, alive, local(revision)))
    alive = typeof event === 'object'
    line.push({ revision, stamps })
  }
  return line
}

/** A version that was written here: the fields it changed; all of them where the feature is new or came back. */
function written(before: Stamps, event: VersionRow | 'removal', alive: boolean, stamp: Stamp): Stamps {
  if (event === 'removal') return { ...before, [REMOVAL]: stamp }
  if (!alive) return before[REMOVAL] ? { [REST]: stamp, [REMOVAL]: before[REMOVAL] } : { [REST]: stamp }
  return { ...before, ...Object.fromEntries(event.changed.map(field => [field, stamp])), [LIFE]: stamp }
}

async function versionsOf({ rows, layer, columns }: Writes, ids: readonly number[], since: readonly number[], until: number): Promise<readonly VersionRow[]> {
  const fields = fieldsOf(layer, columns)
  const names = fields.flatMap(field => columnsOf(layer, field))
  const select = sql.join(names.map(name => sql.ref(`f.${name}`)))
  const differs = (name: string) => sql`v.${sql.ref(name)} is distinct from lag(v.${sql.ref(name)}) over w`
  const changed = fields.map(field => sql`case when ${sql.join(columnsOf(layer, field).map(differs), sql` or `)} then ${field}::text end`)
  const wanted = sql`join wanted on wanted.id = f.id and f.revision >= wanted.since and f.revision <= ${until}::int8`
  return (await sql<VersionRow>`
    with wanted as materialized (select * from unnest(${ids}::int8[], ${since}::int8[]) as u(id, since)),
    v as (
      select f.id, f.revision, f.retired_revision as retired, ${select} from history.${sql.id(layer.id)} as f ${wanted}
      union all
      select f.id, f.revision, null, ${select} from city.${sql.id(layer.id)} as f ${wanted})
    select v.id, v.revision, v.retired, array_remove(array[${sql.join(changed)}]::text[], null) as changed
    from v window w as (partition by v.id order by v.revision) order by v.id, v.revision`.execute(rows)).rows
}

async function marksOf({ owner, layer }: Writes, ids: readonly number[], until: number): Promise<readonly MarkRow[]> {
  return (await sql<MarkRow>`
    select id, revision, stamps from dothi.federation_marks where layer = ${layer.id} and id = any(${ids}::int8[]) and revision <= ${until}::int8 order by id, revision`.execute(owner)).rows
}

/** Stamps of what was written here in these revisions. */
async function localStamps({ owner, instance }: Writes, revisions: readonly number[]): Promise<(revision: number) => Stamp> {
  const { rows } = await sql<{ revision: number; ms: number }>`
    select r.revision, greatest((extract(epoch from r.at) * 1000)::int8, ${clockAt(sql`r.revision`)}) as ms
    from dothi.revisions as r where r.revision = any(${[...new Set(revisions)]}::int8[])`.execute(owner)
  const ms = new Map(rows.map(row => [row.revision, row.ms]))
  return revision => [ms.get(revision)!, instance, revision]
}

/** The least that a local stamp may read in a revision: above all stamps that had come in before, whatever the clocks say. */
export const clockAt = (revision: RawBuilder<unknown>) =>
  sql<number>`coalesce((select k.clock_ms from dothi.federation_knowledge as k where k.revision <= ${revision} order by k.revision desc limit 1), 0)`

export interface Knowledge { readonly revision: number; readonly known: Known; readonly clockMs: number }

/** What is known here now. */
export async function currentKnowledge(db: Kysely<Database>): Promise<Knowledge> {
  const { rows } = await sql<Knowledge>`select revision, known, clock_ms as "clockMs" from dothi.federation_knowledge order by revision desc limit 1`.execute(db)
  return rows[0] ?? { revision: 0, known: {}, clockMs: 0 }
}

export interface Instance { readonly number: number; readonly uid: string }

export async function instanceOf(db: Kysely<Database>): Promise<Instance> {
  return (await sql<Instance>`select number, uid from dothi.instance`.execute(db)).rows[0]!
}

function group<T extends { readonly id: number }>(rows: readonly T[]): Map<number, T[]> {
  const groups = new Map<number, T[]>()
  for (const row of rows) {
    const its = groups.get(row.id)
    if (its) its.push(row)
    else groups.set(row.id, [row])
  }
  return groups
}
