/** A peer's page becomes one revision here, together with the cursor; or nothing happens at all. */
import { sql, type RawBuilder, type Transaction } from 'kysely'
import type { ColumnType, Layer } from '../../layers/layer.js'
import type { Database } from '../store/database.js'
import { recordColumns, recordOf, type RowRecord, type Version } from '../store/changes.js'
import { STEWARD, type RevisionWriter, type Store } from '../store/store.js'
import type { FederationPage, StampedChange } from './feed.js'
import type { Peer } from './peers.js'
import { isAlive, meet, REMOVAL, unionKnown, type Clash, type Copy, type Known, type Stamp, type Stamps } from './stamps.js'
import { currentKnowledge, fieldsOf, instanceOf, stampsOf } from './versions.js'

export interface AppliedPage {
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
  readonly clashes: number
  /** Null where the page held nothing new. */
  readonly revision: number | null
}

export interface ApplyOptions {
  /** A copy of the whole city: rows keep their 32-bit ids too. */
  readonly keepObjectIds?: boolean
}

/** Somebody else, another process perhaps, has moved the cursor meanwhile. */
export class Overtaken extends Error {
  override name = 'Overtaken'
}

/** Undoes the revision that was opened to look. */
class NothingNew extends Error {
  override name = 'NothingNew'
  constructor(readonly findings: readonly Finding[]) { super('nothing new') }
}

/** What people should know of a feature: its clashes by field, and the fields that somebody has decided since. */
interface Finding {
  readonly layer: string
  readonly id: number
  readonly clashes: Map<string, Clash>
  readonly settled: Map<string, unknown>
}

/**
 * Applies a page that was asked for at the peer's cursor. Either its rows, their marks, the conflicts found and the cursor
 * are committed together, or none of them; a page that changes nothing moves the cursor without a revision.
 * Throws Overtaken where the cursor is no longer where the page began.
 */
export async function applyPage(store: Store, peer: Peer, page: FederationPage, options: ApplyOptions = {}): Promise<AppliedPage> {
  if (page.rows.length === 0) return withoutRevision(store, peer, page, [])
  try {
    const { revision, result } = await store.withRevision(
      { actor: `peer ${peer.name}`, reason: reasonOf(page) },
      writer => new PageApplication(store, writer, peer, page, options).run(),
    )
    return { ...result, revision: revision.revision }
  } catch (error) {
    if (!(error instanceof NothingNew)) throw error
    return withoutRevision(store, peer, page, error.findings)
  }
}

/** No row changes: what is here is as late or later in every field. Clashes are kept all the same. */
async function withoutRevision(store: Store, peer: Peer, page: FederationPage, findings: readonly Finding[]): Promise<AppliedPage> {
  return store.db.transaction().execute(async tx => {
    await advance(tx, peer, page, false)
    await learn(tx, page, peer, null)
    return { inserted: 0, updated: 0, deleted: 0, clashes: await record(tx, peer, findings), revision: null }
  })
}

function reasonOf({ instance, rows }: FederationPage): string {
  const [first, last] = [rows[0]!.revision, rows.at(-1)!.revision]
  return first === last ? `revision ${first} of instance ${instance}` : `revisions ${first} to ${last} of instance ${instance}`
}

/** Moves the cursor. */
async function advance(tx: Transaction<Database>, peer: Peer, page: FederationPage, changed: boolean): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    update dothi.peers set cursor = ${page.through}::int8, cursor_ms = ${page.throughMs}::int8, after = ${json(page.after && page.snapshot !== null ? { ...page.after, snapshot: true } : page.after)}::jsonb, latest = greatest(latest, ${page.latest}::int8),
      last_contact = now(), last_change = case when ${changed} then now() else last_change end
    where name = ${peer.name} and cursor = ${peer.cursor}::int8 and after is not distinct from ${json(peer.after)}::jsonb
    returning name`.execute(tx)
  if (rows.length === 0) throw new Overtaken(`The cursor of peer “${peer.name}” has moved meanwhile.`)
}

const json = (value: unknown) => (value === null ? null : JSON.stringify(value))

/**
 * What the peer knew is known here too, once its revisions are wholly applied. Edits from `revision` on were made with that
 * knowledge: from the open one, or, where there is none, from the next.
 */
async function learn(tx: Transaction<Database>, page: FederationPage, peer: Peer, revision: number | null): Promise<void> {
  const before = await currentKnowledge(tx)
  const theirs = page.through > peer.cursor ? { ...knownAt(page, page.through), [page.instance]: page.through } : {}
  const known = unionKnown(before.known, theirs)
  const clock = Math.max(before.clockMs, ...page.rows.flatMap(row => Object.values(row.stamps).map(([ms]) => ms + 1)))
  if (clock === before.clockMs && Object.keys(known).every(instance => known[instance] === before.known[instance])) return
  const at = revision === null ? sql`(select coalesce(max(revision), 0) + 1 from dothi.revisions)` : sql`${revision}::int8`
  await sql`
    insert into dothi.federation_knowledge (revision, known, clock_ms) values (${at}, ${JSON.stringify(known)}, ${clock})
    on conflict (revision) do update set known = excluded.known, clock_ms = greatest(federation_knowledge.clock_ms, excluded.clock_ms)`.execute(tx)
}

/** What the peer knew when it made a revision. */
function knownAt({ knowledge }: FederationPage, revision: number): Known {
  return knowledge.filter(entry => entry.revision <= revision).at(-1)?.known ?? {}
}

/** A feature of the page: as it was here, and as it becomes. */
interface Feature extends Finding {
  readonly before: Copy | null
  copy: Copy | null
  changed: boolean
  objectid: number | null
}

class PageApplication {
  #known!: Known
  #me!: number
  constructor(readonly store: Store, readonly writer: RevisionWriter, readonly peer: Peer, readonly page: FederationPage, readonly options: ApplyOptions) {}

  async run(): Promise<Omit<AppliedPage, 'revision'>> {
    const { tx, revision } = this.writer
    const { known } = await currentKnowledge(tx)
    const instance = await instanceOf(tx)
    this.#me = instance.number
    this.#known = { ...known, [this.#me]: revision - 1 }
    const counts = { inserted: 0, updated: 0, deleted: 0 }
    const findings: Finding[] = []
    let changed = false
    for (const [layerId, changes] of byLayer(this.page.rows)) {
      const layer = this.store.catalogue.get(layerId)
      const columns = this.peer.columns[layerId] ?? []
      const features = await this.#features(layer, columns, changes)
      for (const change of changes) this.#meet(layer, columns, features.get(change.id)!, change)
      changed = await this.#write(layer, columns, [...features.values()], counts) || changed
      findings.push(...[...features.values()].filter(({ clashes, settled }) => clashes.size + settled.size > 0))
    }
    if (!changed) throw new NothingNew(findings)
    await advance(tx, this.peer, this.page, true)
    await learn(tx, this.page, this.peer, revision)
    return { ...counts, clashes: await record(tx, this.peer, findings) }
  }

  /** What is here of the features that the page names: present rows, else the last version of removed ones. */
  async #features(layer: Layer, columns: readonly string[], changes: readonly StampedChange[]): Promise<Map<number, Feature>> {
    const { tx, revision } = this.writer
    const ids = [...new Set(changes.map(change => change.id))]
    const of = (table: RawBuilder<unknown>) => sql<Version>`select ${recordColumns(layer, STEWARD)} from ${table} as v where v.id = any(${ids}::int8[])`
    const present = (await of(sql.table(`city.${layer.id}`)).execute(tx)).rows
    const here = new Map(present.map(row => [row.id, recordOf(layer, row)]))
    const gone = ids.filter(id => !here.has(id))
    const former = gone.length === 0 ? [] : (await sql<Version>`
      select distinct on (v.id) ${recordColumns(layer, STEWARD)} from ${sql.table(`history.${layer.id}`)} as v where v.id = any(${gone}::int8[]) order by v.id, v.revision desc`.execute(tx)).rows
    for (const row of former) here.set(row.id, recordOf(layer, row))
    const at = revision - 1
    const stampsAt = await stampsOf({ rows: tx, owner: tx, layer, columns: layer.columns.map(({ name }) => name), instance: this.#me }, ids.map(id => ({ id, revision: at })), at)
    return new Map(ids.map(id => {
      const record = here.get(id)
      const stamps = stampsAt(id, at)
      // Of a feature that was removed before it ever came here there is a mark and no row.
      const before = stamps ? { values: record ? valuesOf(layer, record) : {}, stamps } : null
      return [id, { layer: layer.id, id, before, copy: before, changed: false, objectid: null, clashes: new Map(), settled: new Map() }]
    }))
  }

  #meet(layer: Layer, columns: readonly string[], feature: Feature, { row, revision, stamps, op }: StampedChange): void {
    if (row) feature.objectid = row.objectid
    const theirs: Copy = { values: row ? valuesOf(layer, row) : {}, stamps: op === 'delete' ? stamps : completed(layer, columns, stamps) }
    if (!feature.copy) {
      feature.copy = theirs
      feature.changed = true
      return
    }
    const fields = fieldsOf(layer, columns)
    const owner = this.peer.owners[layer.id]
    const decree: Stamp | undefined = owner === this.#me ? [Date.now(), this.#me, this.writer.revision] : undefined
    const there = { ...knownAt(this.page, revision), [this.page.instance]: revision }
    const met = meet(feature.copy, theirs, { fields, here: this.#known, there, ...(decree && { decree: above(decree, feature.copy.stamps, stamps) }) })
    feature.copy = met.copy
    feature.changed ||= met.changed
    for (const { field, value } of met.settled) feature.settled.set(field, value)
    for (const clash of met.clashes) {
      // Where the owner is on their side it will say so; what it will say is known here already.
      feature.clashes.set(clash.field, owner !== undefined && owner === clash.theirsStamp[1] && clash.field !== '-' ? { ...clash, winner: 'theirs' } : clash)
      feature.settled.delete(clash.field)
    }
  }

  /** Returns whether anything was written. */
  async #write(layer: Layer, columns: readonly string[], features: readonly Feature[], counts: { inserted: number; updated: number; deleted: number }): Promise<boolean> {
    const { tx, revision } = this.writer
    const changed = features.filter(feature => feature.changed && feature.copy)
    const was = ({ before }: Feature) => before !== null && isAlive(before.stamps)
    const is = ({ copy }: Feature) => isAlive(copy!.stamps)
    const inserts = changed.filter(feature => !was(feature) && is(feature))
    const updates = changed.filter(feature => was(feature) && is(feature))
    const deletes = changed.filter(feature => was(feature) && !is(feature))
    const lifeless = changed.filter(feature => !was(feature) && !is(feature))
    if (deletes.length) await sql`delete from ${sql.table(`city.${layer.id}`)} where id = any(${deletes.map(({ id }) => id)}::int8[])`.execute(tx)
    if (updates.length) await updateRows(tx, layer, columns, updates)
    if (inserts.length) await insertRows(tx, layer, inserts, this.options.keepObjectIds === true)
    const marked = [...inserts, ...updates, ...deletes, ...lifeless]
    if (marked.length) await sql`
      insert into dothi.federation_marks (layer, id, revision, stamps, lifeless)
      select ${layer.id}, id, ${revision}::int8, stamps, lifeless from jsonb_to_recordset(${JSON.stringify(marked.map(feature => ({ id: feature.id, stamps: stampsToKeep(feature), lifeless: lifeless.includes(feature) })))}::jsonb)
        as m(id int8, stamps jsonb, lifeless boolean)`.execute(tx)
    counts.inserted += inserts.length
    counts.updated += updates.length
    counts.deleted += deletes.length
    return marked.length > 0
  }
}

/** Keeps clashes for people, one open a field; closes those that somebody has decided since. Returns how many there were. */
async function record(tx: Transaction<Database>, peer: Peer, findings: readonly Finding[]): Promise<number> {
  let count = 0
  for (const { layer, id, clashes, settled } of findings) {
    for (const [field, value] of settled) await sql`
      update dothi.federation_conflicts set resolved = now(), resolved_by = ${`peer ${peer.name}`}, resolution = 'superseded'
      where layer = ${layer} and feature = ${id}::int8 and field = ${field} and resolved is null
        and (field = '-' or (case winner when 'mine' then mine else theirs end) is distinct from ${JSON.stringify(value)}::jsonb)`.execute(tx)
    for (const { field, mine, theirs, mineStamp, theirsStamp, winner } of clashes.values()) await sql`
      insert into dothi.federation_conflicts (peer, layer, feature, field, mine, theirs, mine_stamp, theirs_stamp, winner)
      values (${peer.name}, ${layer}, ${id}::int8, ${field}, ${JSON.stringify(mine)}, ${JSON.stringify(theirs)}, ${JSON.stringify(mineStamp)}, ${JSON.stringify(theirsStamp)}, ${winner})
      on conflict (layer, feature, field) where resolved is null do update set peer = excluded.peer, mine = excluded.mine, theirs = excluded.theirs,
        mine_stamp = excluded.mine_stamp, theirs_stamp = excluded.theirs_stamp, winner = excluded.winner, detected = now()`.execute(tx)
    count += clashes.size
  }
  return count
}

/** What is removed keeps the values of its last version here, so it keeps the stamps of those. */
function stampsToKeep({ before, copy }: Feature): Stamps {
  return isAlive(copy!.stamps) ? copy!.stamps : { ...before?.stamps, [REMOVAL]: copy!.stamps[REMOVAL]! }
}

/** A decision comes after everything that it decides about. */
function above(decree: Stamp, ...stamps: readonly Stamps[]): Stamp {
  const latest = Math.max(...stamps.flatMap(each => Object.values(each).map(([ms]) => ms + 1)))
  return [Math.max(decree[0], latest), decree[1], decree[2]]
}

/** Columns that the peer does not give were not written by it, whatever its stamp for “the rest” is. */
function completed(layer: Layer, columns: readonly string[], stamps: Stamps): Stamps {
  const withheld = layer.columns.filter(({ name }) => !columns.includes(name))
  return withheld.length === 0 ? stamps : { ...stamps, ...Object.fromEntries(withheld.map(({ name }) => [name, [0, 0, 0] as const])) }
}

function byLayer(rows: readonly StampedChange[]): Map<string, StampedChange[]> {
  const layers = new Map<string, StampedChange[]>()
  for (const row of rows) {
    const its = layers.get(row.layer)
    if (its) its.push(row)
    else layers.set(row.layer, [row])
  }
  return layers
}

/** A record by fields (see fieldsOf). */
export function valuesOf(layer: Layer, row: RowRecord): Record<string, unknown> {
  return {
    geom: { geom: row.geom, ...(layer.surveyed && { geomNative: row.geomNative ?? null }), ...(layer.threeD && { solid: row.solid ?? null }) },
    ...(layer.threeD && { ground_z: row.groundZ ?? null, height: row.height ?? null }),
    source: row.source === null && row.sourceId === null ? null : { source: row.source, sourceId: row.sourceId },
    ...row.properties,
  }
}

const TYPES: Readonly<Record<ColumnType, string>> = {
  text: 'text', integer: 'int8', number: 'float8', boolean: 'boolean', date: 'date', timestamp: 'timestamptz', json: 'jsonb',
}

/** Column of the table → its type in the JSON that rows come in; geometry as hex EWKB. */
function writtenColumns(layer: Layer, columns: readonly string[]): readonly (readonly [name: string, type: string])[] {
  return [
    ['geom', 'geometry'], ...(layer.surveyed ? [['geom_native', 'geometry'] as const] : []),
    ...(layer.threeD ? [['solid', 'geometry'], ['ground_z', 'float8'], ['height', 'float8']] as const : []),
    ['source', 'text'], ['source_id', 'text'],
    ...layer.columns.filter(({ name }) => columns.includes(name)).map(({ name, type }) => [name, TYPES[type]] as const),
  ]
}

function tableRow({ id, copy, objectid }: Feature): Record<string, unknown> {
  const { geom, source, ...rest } = copy!.values as { geom: { geom: unknown; geomNative?: unknown; solid?: unknown }; source: { source: unknown; sourceId: unknown } | null }
  return { ...rest, id, objectid, geom: geom.geom, geom_native: geom.geomNative, solid: geom.solid, source: source?.source ?? null, source_id: source?.sourceId ?? null }
}

function recordset(features: readonly Feature[], columns: ReturnType<typeof writtenColumns>): RawBuilder<unknown> {
  const definition = columns.map(([name, type]) => sql`${sql.ref(name)} ${sql.raw(type === 'geometry' ? 'text' : type)}`)
  return sql`jsonb_to_recordset(${JSON.stringify(features.map(tableRow))}::jsonb) as r(id int8, objectid int4, ${sql.join(definition)})`
}

const given = ([name, type]: readonly [string, string]) => (type === 'geometry' ? sql`r.${sql.ref(name)}::geometry` : sql`r.${sql.ref(name)}`)

async function insertRows(tx: Transaction<Database>, layer: Layer, features: readonly Feature[], keepObjectIds: boolean): Promise<void> {
  const columns = writtenColumns(layer, layer.columns.map(({ name }) => name))
  const objectid = keepObjectIds ? sql`, objectid` : sql``
  await sql`
    insert into ${sql.table(`city.${layer.id}`)} (id, ${sql.join(columns.map(([name]) => sql.ref(name)))} ${objectid})
    select r.id, ${sql.join(columns.map(given))} ${keepObjectIds ? sql`, r.objectid` : sql``} from ${recordset(features, columns)}`.execute(tx)
  if (keepObjectIds) await sql`select setval(pg_get_serial_sequence(${`city.${layer.id}`}, 'objectid'), (select max(objectid) from ${sql.table(`city.${layer.id}`)}))`.execute(tx)
}

/** Also where only stamps have changed: others learn of them by the version. */
async function updateRows(tx: Transaction<Database>, layer: Layer, names: readonly string[], features: readonly Feature[]): Promise<void> {
  const columns = writtenColumns(layer, names)
  const sets = columns.map(column => sql`${sql.ref(column[0])} = ${given(column)}`)
  await sql`update ${sql.table(`city.${layer.id}`)} as t set ${sql.join(sets)} from ${recordset(features, columns)} where t.id = r.id`.execute(tx)
}
