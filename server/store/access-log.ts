/**
 * Who read what of the restricted data. Written where the one door opens, and awaited: no restricted row leaves
 * before its entry is committed, and where none can be written nothing is read. Readers of open data never come here.
 */
import { createHash } from 'node:crypto'
import { sql, type Kysely } from 'kysely'
import type { Filter } from '../../core/filter/ast.js'
import type { Database } from './database.js'
import { classOf, visibleColumns } from './rights.js'
import type { Reader, ViewArgs } from './store.js'

export interface AccessEntry {
  readonly id: number
  readonly at: Date
  readonly subject: string
  readonly clearance: string
  /** The collection; null for what is no reading, as a token that was made. */
  readonly layer: string | null
  /** The restricted columns that were read or filtered by. */
  readonly columns: readonly string[]
  /** `GET /ogc/collections/parcels/items`, or what the command line did. */
  readonly operation: string
  /** Box, ids, hash of the filter, branch, instant: which rows, without repeating personal data. */
  readonly how: Readonly<Record<string, unknown>>
  readonly purpose: string | null
}

/** Enters a reading of a layer, where it takes restricted data in. One request that reads the same twice is one entry. */
export async function noteRead(db: Kysely<Database>, args: ViewArgs, columns: readonly string[]): Promise<void> {
  if (args.reader.clearance !== 'restricted') return
  const closed = restrictedOf(args, columns)
  if (closed.length === 0) return
  if (isKnown(args.reader, [args.layer.id, ...closed].join(' '))) return
  await noteAccess(db, args.reader, { layer: args.layer.id, columns: closed, how: howOf(args) })
}

/** What a cache hands out without opening the door: the columns that tiles of a layer carry, as far as the reader sees them. */
export async function noteTileRead(db: Kysely<Database>, args: ViewArgs): Promise<void> {
  await noteRead(db, args, visibleColumns(args.layer, args.reader.clearance).filter(column => column.inTiles).map(column => column.name))
}

/** Enters what somebody did, before it is done. */
export async function noteAccess(db: Kysely<Database>, { subject, clearance, access }: Reader, { layer, columns, operation, how }: {
  readonly layer: string | null; readonly columns: readonly string[]; readonly operation?: string; readonly how: Readonly<Record<string, unknown>>
}): Promise<void> {
  await sql`select dothi.note_access(${subject}, ${clearance}, ${layer}, ${[...columns]}::text[], ${operation ?? access?.operation ?? 'in process'}, ${JSON.stringify(how)}::jsonb, ${access?.purpose ?? null})`.execute(db)
}

/** The restricted columns of a layer among those selected or filtered by. A report's restricted rows count as a whole. */
function restrictedOf({ layer, where }: ViewArgs, columns: readonly string[]): readonly string[] {
  const used = new Set([...columns, ...(where ? propertiesIn(where) : [])])
  const closed = layer.columns.filter(column => used.has(column.name) && classOf(layer, column) === 'restricted').map(column => column.name)
  return closed.length === 0 && (layer.classification === 'restricted' || layer.kind === 'report') ? ['*'] : closed
}

/** Names of all properties in a filter. */
function propertiesIn(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.flatMap(propertiesIn)
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => key === 'property' && typeof inner === 'string' ? [inner] : key === 'geojson' ? [] : propertiesIn(inner))
}

function howOf({ branch, asOf, where, bbox, run }: ViewArgs): Readonly<Record<string, unknown>> {
  const ids = where && idsIn(where)
  return {
    ...(branch !== 'main' && { branch }), ...(asOf !== 'now' && { asOf }), ...(run && { run }), ...(bbox && { bbox: bbox.box, srid: bbox.srid }),
    ...(ids ? { ids } : where && { filter: createHash('sha256').update(JSON.stringify(where)).digest('hex').slice(0, 16) }),
  }
}

/** `id = 7`, `id in (7, 8)`: then which features it was is known. */
function idsIn(filter: Filter): readonly unknown[] | undefined {
  if (filter.op === '=' && 'property' in filter.left && filter.left.property === 'id' && 'literal' in filter.right) return [filter.right.literal]
  if (filter.op === 'in' && 'property' in filter.left && filter.left.property === 'id') return filter.values.map(value => 'literal' in value ? value.literal : null)
  return undefined
}

const entered = new WeakMap<Reader, Set<string>>()
/** Only readers of one request are remembered; the process's own live for ever. */
function isKnown(reader: Reader, entry: string): boolean {
  if (!reader.access) return false
  const known = entered.get(reader) ?? new Set()
  entered.set(reader, known)
  return known.size === known.add(entry).size
}

export interface AccessQuery { readonly since?: Date; readonly until?: Date; readonly subject?: string; readonly layer?: string; readonly before?: number; readonly limit: number }

/** The log, newest first; `before` is the id that the last page ended with. */
export async function accessLog(db: Kysely<Database>, { since, until, subject, layer, before, limit }: AccessQuery): Promise<readonly AccessEntry[]> {
  const { rows } = await sql<AccessEntry>`
    select id, at, subject, clearance, layer, columns, operation, how, purpose from dothi.access_log
    where (${since ?? null}::timestamptz is null or at >= ${since ?? null}) and (${until ?? null}::timestamptz is null or at < ${until ?? null})
      and (${subject ?? null}::text is null or subject = ${subject ?? null}) and (${layer ?? null}::text is null or layer = ${layer ?? null})
      and (${before ?? null}::int8 is null or id < ${before ?? null}) order by id desc limit ${limit}`.execute(db)
  return rows
}

/** Drops the months that ended more than `months` ago; how many they were. Nothing else ever takes an entry away. */
export async function pruneAccessLog(db: Kysely<Database>, months: number): Promise<number> {
  const { rows } = await sql<{ n: number }>`select dothi.prune_access_log(make_interval(months => ${months}::int)) as n`.execute(db)
  return rows[0]!.n
}
