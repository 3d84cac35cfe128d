/** Sources as the table `dothi.sources` keeps them. */
import { sql, type Kysely } from 'kysely'
import { conflict, notFound } from '../errors.js'
import type { Database } from '../store/database.js'
import type { Store } from '../store/store.js'
import { nextRun } from './schedule.js'
import { checkSource, type SourceDefinition, type SourceInput } from './source.js'

export interface StoredSource {
  readonly definition: SourceDefinition
  /** Secret: never leaves the server but to the source itself. */
  readonly headers: Readonly<Record<string, string>>
  readonly owner: string
  readonly created: Date
  readonly updated: Date
  readonly nextRun: Date | null
  readonly working: string | null
  /** The last sync that changed something. */
  readonly lastRevision: number | null
  readonly lastSync: Date | null
  readonly memory: Memory
}

/** What a sync remembers for the next. */
export interface Memory {
  readonly etag?: string
  readonly lastModified?: string
  /** SHA-256 of the delivery that was last seen through to its end. */
  readonly sha256?: string
  readonly shape?: Shape
  /** Files of a folder that have been dealt with. */
  readonly files?: readonly FolderFile[]
}
export interface FolderFile { readonly name: string; readonly size: number; readonly mtimeMs: number }

/** What a delivery looks like: rows, kinds of geometry, attributes with their type and how many rows have them. */
export interface Shape {
  readonly rows: number
  readonly geometries: readonly string[]
  readonly attributes: Readonly<Record<string, { readonly type: AttributeType; readonly filled: number }>>
}
export type AttributeType = 'number' | 'boolean' | 'date' | 'text' | 'object' | 'mixed'

const columns = sql`definition, headers, owner, created, updated, next_run as "nextRun", working, last_revision as "lastRevision", last_sync as "lastSync", memory`

export async function listSources(store: Store): Promise<readonly StoredSource[]> {
  return (await sql<StoredSource>`select ${columns} from dothi.sources order by id`.execute(store.db)).rows
}

/** Throws a 404 Problem that names what there is. */
export async function getSource(store: Store, id: string): Promise<StoredSource> {
  const { rows: [found] } = await sql<StoredSource>`select ${columns} from dothi.sources where id = ${id}`.execute(store.db)
  if (found) return found
  const known = (await listSources(store)).map(source => source.definition.id)
  throw notFound(`There is no source “${id.slice(0, 60)}”. ${known.length ? `There are ${known.slice(0, 20).join(', ')}.` : 'None is declared yet.'}`)
}

export interface Declaring { readonly actor: string; readonly anyFolder: boolean }

/** Declares a source. Throws 409 where the id is taken, also by rows of an import. */
export async function addSource(store: Store, input: SourceInput, { actor, anyFolder }: Declaring): Promise<StoredSource> {
  checkSource(input, store.catalogue, { anyFolder })
  const { definition, headers } = split(input)
  const { rows } = await sql`
    insert into dothi.sources (id, definition, headers, owner, next_run)
    values (${input.id}, ${JSON.stringify(definition)}::jsonb, ${JSON.stringify(headers ?? {})}::jsonb, ${input.owner ?? actor}, ${firstRun(definition)})
    on conflict do nothing returning id`.execute(store.db)
  if (rows.length === 0) throw conflict(`There is a source “${input.id}” already. Replace its declaration, or give this one another id.`)
  return getSource(store, input.id)
}

/** Replaces a declaration. Secrets stay where none are given; what was remembered of the last delivery is forgotten. */
export async function replaceSource(store: Store, input: SourceInput, { actor, anyFolder }: Declaring): Promise<StoredSource> {
  const before = await getSource(store, input.id)
  checkSource(input, store.catalogue, { anyFolder })
  const { definition, headers } = split(input)
  // Another address must not be sent the keys of the former.
  const moved = definition.kind !== before.definition.kind || definition.location !== before.definition.location
  const kept = headers ?? (moved ? {} : before.headers)
  await sql`
    update dothi.sources set definition = ${JSON.stringify(definition)}::jsonb, headers = ${JSON.stringify(kept)}::jsonb, owner = ${input.owner ?? actor},
      next_run = ${firstRun(definition)}, updated = now(), memory = memory - 'etag' - 'lastModified' - 'sha256' ${moved ? sql`- 'shape'` : sql``}
    where id = ${input.id}`.execute(store.db)
  return getSource(store, input.id)
}

/** Forgets a source. Its rows stay as the city's own, or go in one revision. */
export async function removeSource(store: Store, id: string, { actor, rows }: { actor: string; rows: 'keep' | 'remove' }): Promise<{ removed: number; revision: number | null }> {
  await getSource(store, id)
  const layers = rows === 'remove' ? await layersOf(store, id) : []
  let removed = 0
  const revision = layers.length === 0 ? null : (await store.withRevision({ actor, reason: `remove source ${id}` }, async ({ tx }) => {
    for (const layer of layers) removed += Number((await sql`delete from ${sql.id('city', layer)} where source = ${id}`.execute(tx)).numAffectedRows ?? 0)
  })).revision.revision
  await sql`delete from dothi.sources where id = ${id}`.execute(store.db)
  return { removed, revision }
}

/** Layers of the city that hold rows of a source. */
export async function layersOf(store: Store, id: string): Promise<string[]> {
  const found: string[] = []
  for (const layer of store.catalogue.all()) {
    if (layer.kind !== 'city') continue
    const { rows } = await sql`select from ${sql.id('city', layer.id)} where source = ${id} limit 1`.execute(store.db)
    if (rows.length) found.push(layer.id)
  }
  return found
}

const split = ({ headers, ...definition }: SourceInput) => ({ definition: definition as SourceDefinition, headers })

/** A new declaration is synced at once, then by its schedule. */
const firstRun = ({ schedule, enabled = true }: SourceDefinition) => (schedule && enabled ? new Date() : null)

/** Marks a source as being synced by this job. Throws 409 while another job that lives has it. */
export async function takeUp(store: Store, id: string, job: string): Promise<void> {
  const { rows } = await sql`
    update dothi.sources s set working = ${job}::uuid where id = ${id}
      and not exists (select from dothi.jobs j where j.id = s.working and j.id <> ${job}::uuid and j.state = 'running') returning id`.execute(store.db)
  if (rows.length) return
  const { working } = await getSource(store, id)
  throw conflict(`The source “${id}” is being synced by job ${working}. Wait for its end, or cancel it.`, { job: working })
}

export const layDown = (store: Store, id: string, job: string) =>
  sql`update dothi.sources set working = null where id = ${id} and working = ${job}::uuid`.execute(store.db)

export interface Outcome { readonly memory: Memory; readonly revision: number | null }

/** What a sync leaves for the next; in its own transaction where it changed something. */
export async function remember(db: Kysely<Database>, id: string, { memory, revision }: Outcome): Promise<void> {
  await sql`update dothi.sources set memory = ${JSON.stringify(memory)}::jsonb, last_sync = now(),
    last_revision = coalesce(${revision}::int8, last_revision) where id = ${id}`.execute(db)
}

/**
 * Runs `submit` for each source that is due, and moves its next run on; a lock on the row keeps two servers from doing
 * the same. A server that dies in between does it again when it is back: a sync that finds nothing new changes nothing.
 */
export async function claimDue(store: Store, submit: (source: StoredSource) => Promise<unknown>): Promise<number> {
  const { timeZone } = await store.city()
  return store.db.transaction().execute(async tx => {
    const { rows } = await sql<StoredSource & { now: Date }>`
      select ${columns}, now() as now from dothi.sources s where next_run <= now() and coalesce((definition->>'enabled')::boolean, true)
      order by next_run for update skip locked`.execute(tx)
    for (const source of rows) {
      const { id, schedule } = source.definition
      if (!(await hasOpenJob(tx, id))) await submit(source)
      const next = schedule ? nextRun(schedule, source.now, { last: source.nextRun!, timeZone }) : null
      await sql`update dothi.sources set next_run = ${next} where id = ${id}`.execute(tx)
    }
    return rows.length
  })
}

/** Runs `submit` unless the source is being synced or waits for it; one server at a time. */
export async function claimOne(store: Store, id: string, submit: () => Promise<unknown>): Promise<void> {
  await store.db.transaction().execute(async tx => {
    const { rows } = await sql`select from dothi.sources where id = ${id} for update skip locked`.execute(tx)
    if (rows.length && !(await hasOpenJob(tx, id))) await submit()
  })
}

async function hasOpenJob(db: Kysely<Database>, id: string): Promise<boolean> {
  const { rows } = await sql`select from dothi.jobs where kind = 'sync' and state in ('accepted', 'running') and inputs->>'source' = ${id} limit 1`.execute(db)
  return rows.length > 0
}
