import { sql, type Kysely, type Transaction } from 'kysely'
import type { Database } from './database.js'
import { MIGRATIONS, type Migration } from './migrations/index.js'
import { pinVn2000 } from './datum.js'
import { createRoles } from './rights.js'

/** What keeps the store from opening, in one sentence that says what to do. */
export class StoreUnusable extends Error {
  override name = 'StoreUnusable'
}

const MIN_SERVER = 15_00_00
const MIN_POSTGIS = [3, 3] as const

/**
 * Brings the database up to date in one transaction, one process at a time, then hands it to `after`
 * (layer tables) within the same lock. Throws StoreUnusable.
 */
export async function migrate(db: Kysely<Database>, after: (tx: Transaction<Database>) => Promise<void>, migrations: readonly Migration[] = MIGRATIONS): Promise<void> {
  await createRoles(db).catch((error: { code?: string }) => {
    if (error.code !== '42501') throw error
    throw new StoreUnusable('This database user may not make roles. Let a superuser run “ALTER ROLE … CREATEROLE” for it, or make dothi_open, dothi_internal and dothi_restricted and grant them to it.', { cause: error })
  })
  await db.transaction().execute(async tx => {
    await sql`select pg_advisory_xact_lock(hashtext('dothi.migrate'))`.execute(tx)
    await checkServer(tx)
    await extensions(tx)
    await pinVn2000(tx)
    for (const migration of await pending(tx, migrations)) {
      await migration.up(tx)
      await sql`insert into public.dothi_migrations (name) values (${migration.name})`.execute(tx)
    }
    await after(tx)
  })
}

async function pending(tx: Transaction<Database>, migrations: readonly Migration[]): Promise<readonly Migration[]> {
  await sql`create table if not exists public.dothi_migrations (name text primary key, at timestamptz not null default now())`.execute(tx)
  const { rows } = await sql<{ name: string }>`select name from public.dothi_migrations`.execute(tx)
  const done = new Set(rows.map(row => row.name))
  const known = new Set(migrations.map(migration => migration.name))
  const newer = [...done].filter(name => !known.has(name))
  if (newer.length) throw new StoreUnusable(`This database was made by a newer dothi (it has ${newer.join(', ')}). Start that version, or name another database.`)
  return migrations.filter(migration => !done.has(migration.name))
}

async function checkServer(tx: Transaction<Database>) {
  const { rows } = await sql<{ version: number; encoding: string }>`
    select current_setting('server_version_num')::int as version, current_setting('server_encoding') as encoding`.execute(tx)
  const { version, encoding } = rows[0]!
  if (version < MIN_SERVER) throw new StoreUnusable(`dothi needs PostgreSQL 15 or newer; this server is ${Math.floor(version / 10000)}.`)
  if (encoding !== 'UTF8') throw new StoreUnusable(`dothi needs a database with encoding UTF8; this one has ${encoding}. Create it with “createdb -E UTF8 -T template0 NAME”.`)
}

/** PostGIS is required; pg_trgm makes searches faster where it is there. */
async function extensions(tx: Transaction<Database>) {
  const { rows } = await sql<{ name: string; installed: string | null }>`
    select name, installed_version as installed from pg_available_extensions where name in ('postgis', 'pg_trgm')`.execute(tx)
  const postgis = rows.find(row => row.name === 'postgis')
  if (!postgis) throw new StoreUnusable('The database server has no PostGIS. Install it there (Debian: apt install postgresql-postgis), then start again.')
  if (!postgis.installed) await attempt(tx, 'create extension postgis',
    'PostGIS is not enabled in this database and this user may not do it. Let a superuser run “CREATE EXTENSION postgis” in it, then start again.')
  const { rows: [found] } = await sql<{ version: string }>`select extversion as version from pg_extension where extname = 'postgis'`.execute(tx)
  const [major = 0, minor = 0] = found!.version.split('.').map(Number)
  if (major < MIN_POSTGIS[0] || (major === MIN_POSTGIS[0] && minor < MIN_POSTGIS[1]))
    throw new StoreUnusable(`dothi needs PostGIS ${MIN_POSTGIS.join('.')} or newer; this database has ${found!.version}. Run “ALTER EXTENSION postgis UPDATE” after upgrading it.`)
  if (rows.some(row => row.name === 'pg_trgm' && !row.installed)) await attempt(tx, 'create extension pg_trgm')
}

/** Runs a statement that may be refused; `refusal` says what to do about it, without one it is optional. */
async function attempt(tx: Transaction<Database>, statement: string, refusal?: string) {
  await sql`savepoint attempt`.execute(tx)
  try {
    await sql.raw(statement).execute(tx)
    await sql`release savepoint attempt`.execute(tx)
  } catch (error) {
    await sql`rollback to savepoint attempt`.execute(tx)
    if (refusal) throw new StoreUnusable(refusal, { cause: error })
  }
}
