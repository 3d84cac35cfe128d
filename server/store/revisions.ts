/** Writes: one transaction, one revision. Revisions have no gaps, and their order is the order of commit. */
import { sql, type Kysely, type Transaction } from 'kysely'
import type { Layer } from '../../layers/layer.js'
import type { Database } from './database.js'
import type { AsOf, Branch, Revision, RevisionMeta, RevisionWriter } from './store.js'
import { revisionAsOf } from './view.js'

type Apply<T> = (writer: RevisionWriter) => Promise<T>
type Prepare = (tx: Transaction<Database>) => Promise<void>

/** See Store.withRevision. Whatever `prepare` or `apply` throws undoes all of it, the revision number included. */
export async function withRevision<T>(db: Kysely<Database>, meta: RevisionMeta, apply: Apply<T>, prepare?: Prepare): Promise<{ revision: Revision; result: T }> {
  return db.transaction().execute(async tx => {
    await prepare?.(tx)
    await lockWriters(tx)
    const revision = await allocate(tx, meta)
    const result = await apply({ tx, revision: revision.revision, allocateIds: count => allocateIds(tx, count) })
    return { revision, result }
  })
}

/**
 * The writers' lock, held until commit. It is a statement of its own: what follows must see what the writer before has committed.
 * With `patienceMs`, waiting longer than that fails with `lock_not_available`.
 */
export async function lockWriters(tx: Transaction<Database>, patienceMs = 0): Promise<void> {
  await sql.raw(`set local lock_timeout = ${patienceMs}; select pg_advisory_xact_lock(hashtext('dothi.revision')); set local lock_timeout = 0`).execute(tx)
}

async function allocate(tx: Transaction<Database>, { actor, reason, branch = 'main' }: RevisionMeta): Promise<Revision> {
  const { rows } = await sql<Revision>`select revision, at, actor, reason, branch from dothi.allocate_revision(${actor}, ${reason}, ${branch})`.execute(tx)
  return rows[0]!
}

/**
 * A run of ids, first one returned. The writers' lock, which the caller holds (not always on this connection), keeps it
 * contiguous; a rollback burns it, so no id comes twice.
 */
export async function allocateIds(tx: Kysely<Database>, count: number): Promise<number> {
  if (!Number.isSafeInteger(count) || count < 1) throw new Error(`allocateIds takes a positive count, not ${count}.`)
  const { rows } = await sql<{ first: number }>`
    select ((select number from dothi.instance)::int8 << 40) | (setval('dothi.feature_number', nextval('dothi.feature_number') + ${count}::int8 - 1) - ${count}::int8 + 1) as first`.execute(tx)
  return rows[0]!.first
}

/** A branch's reading also changes when main does. */
export const branchesUnder = (branch: Branch) => (branch === 'main' ? ['main'] : ['main', branch])

/** See Store.layerRevision. Run layers change when a run finishes: its time in milliseconds stands for the revision; reports count their own. */
export async function layerRevision(db: Kysely<Database>, layer: Layer, branch: Branch, asOf: AsOf = 'now'): Promise<number> {
  if (layer.kind === 'run') return one(await sql<{ n: number }>`
    select floor(extract(epoch from max(finished)) * 1000)::int8 as n from dothi.jobs where kind = 'flood' and branch = ${branch} and state = 'successful'`.execute(db))
  if (layer.kind === 'report') return one(await sql<{ n: number }>`select version as n from dothi.reports where layer = ${layer.id}`.execute(db))
  const branches = branchesUnder(branch)
  const revision = await revisionAsOf(db, asOf)
  return one(revision === null
    ? await sql<{ n: number }>`select max(revision) as n from dothi.layer_summaries where layer = ${layer.id} and branch = any(${branches})`.execute(db)
    : await sql<{ n: number }>`select max(revision) as n from dothi.changes where layer = ${layer.id} and branch = any(${branches}) and revision <= ${revision}::int8`.execute(db))
}

const one = ({ rows }: { rows: readonly { n: number | null }[] }) => rows[0]?.n ?? 0
