import { sql, type Kysely } from 'kysely'
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
    await sql.raw(`do $$ begin
      if not exists (select from pg_roles where rolname = '${roleOf(clearance)}') then create role ${roleOf(clearance)} nologin; end if;
    exception when duplicate_object or unique_violation then null; end $$`).execute(db)
    // A superuser may take any role; another owner must be a member.
    await sql.raw(`do $$ begin
      if not pg_has_role(current_user, '${roleOf(clearance)}', 'member') then grant ${roleOf(clearance)} to current_user; end if;
    exception when unique_violation then null; end $$`).execute(db)
  }
}

/** What a pool of a clearance may do at most: read, and not for long. */
export function servingOptions(clearance: Classification): string {
  return `-c role=${roleOf(clearance)} -c default_transaction_read_only=on -c statement_timeout=15000 -c idle_in_transaction_session_timeout=60000 -c jit=off`
}

/** Connections a pool, for two cores: most readers are public. */
export const POOL_SIZES: Readonly<Record<Classification | 'owner', number>> = { open: 4, internal: 2, restricted: 2, owner: 6 }
