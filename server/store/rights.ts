import { availableParallelism } from 'node:os'
import { sql, type Kysely } from 'kysely'
import pg from 'pg'
import type { Classification, Column, Layer } from '../../layers/layer.js'
import type { Database } from './database.js'

/** From open to restricted: a clearance covers its own class and those before it. */
export const CLASSES: readonly Classification[] = ['open', 'internal', 'restricted']

/** The database role that reads for a clearance. */
export const roleOf = (clearance: Classification) => `dothi_${clearance}` as const

export function covers(clearance: Classification, data: Classification): boolean {
  return CLASSES.indexOf(clearance) >= CLASSES.indexOf(data)
}

/** A column is never more open than its layer. */
export function classOf(layer: Layer, column: Column): Classification {
  const own = column.classification ?? 'open'
  return covers(own, layer.classification) ? own : layer.classification
}

/** The attribute columns that a clearance may see, in the layer's order; none where the layer itself is closed to it. */
export function visibleColumns(layer: Layer, clearance: Classification): readonly Column[] {
  if (!covers(clearance, layer.classification)) return []
  return layer.columns.filter(column => covers(clearance, classOf(layer, column)))
}

/**
 * Makes the reading roles. Roles belong to the whole cluster, where several databases may be opened at once:
 * who comes second finds them there.
 */
export async function createRoles(db: Kysely<Database>): Promise<void> {
  for (const clearance of CLASSES) {
    // They may log in but have no password: only a cluster that trusts its own socket lets them.
    await sql.raw(`do $$ begin
      if not exists (select from pg_roles where rolname = '${roleOf(clearance)}') then create role ${roleOf(clearance)} login;
      elsif not (select rolcanlogin from pg_roles where rolname = '${roleOf(clearance)}') and (select rolsuper from pg_roles where rolname = current_user) then alter role ${roleOf(clearance)} login;
      end if;
    exception when duplicate_object or unique_violation or internal_error then null; end $$`).execute(db)
    // Where they cannot log in, the owner takes their role: a superuser may take any, another owner must be a member.
    await sql.raw(`do $$ begin
      if not pg_has_role(current_user, '${roleOf(clearance)}', 'member') then grant ${roleOf(clearance)} to current_user; end if;
    exception when unique_violation then null; end $$`).execute(db)
  }
}

/** What a pool of a clearance may do at most: read, and not for long. */
function servingOptions(): string {
  return `-c default_transaction_read_only=on -c statement_timeout=15000 -c idle_in_transaction_session_timeout=60000 -c jit=off`
}

/**
 * How to connect for a clearance. On a socket that trusts its users it is the role itself, so that not even injected SQL
 * could step back to the owner; elsewhere it is the owner with the role taken.
 */
export async function servingConnection(connection: pg.PoolConfig, clearance: Classification): Promise<pg.PoolConfig> {
  const options = [connection.options, servingOptions()].filter(Boolean).join(' ')
  const itself = { ...connection, user: roleOf(clearance), options }
  if (connection.host?.startsWith('/') && !connection.password && !connection.connectionString && !/\brole=/.test(options)) {
    const client = new pg.Client(itself)
    client.on('error', () => {})
    const works = await client.connect().then(() => true, () => false)
    await client.end().catch(() => {})
    if (works) return itself
  }
  return { ...connection, options: `${options} -c role=${roleOf(clearance)}` }
}

/** Statements that a core has at hand: one works while another waits for its client. */
const perCore = (most: number) => Math.min(most, Math.max(2, availableParallelism()))

/**
 * Connections a pool: most readers are public. Writers have a pool of their own, since they wait for
 * each other: what the one at work asks of the owner's pool must not stand behind those that wait for it.
 */
export const POOL_SIZES: Readonly<Record<Classification | 'owner' | 'writer', number>> = { open: 2 * perCore(8), internal: perCore(4), restricted: perCore(4), owner: 6, writer: 4 }

/** How long a reader waits for a connection. */
export const PATIENCE_MS = 20_000
