/**
 * The private PostgreSQL cluster: what an embedded database would feel like. It lives under DATA_DIR,
 * listens on a Unix socket that only its owner can reach, and is run by an unprivileged user when dothi is started as root.
 *
 * Any number of processes join it. Each holds one connection with a shared advisory lock; who leaves and then gets
 * that lock exclusively was the last, and stops it. A process that dies by `kill -9` loses its lock with its socket,
 * so nothing has to be cleaned up, and a postmaster that outlived its server is simply joined by the next.
 */
import { execFile, execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  appendFileSync, chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, realpathSync,
  renameSync, rmSync, statfsSync, statSync, symlinkSync, writeFileSync,
} from 'node:fs'
import { availableParallelism, tmpdir, totalmem } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

/** Why there is no database, in one sentence that says what to do; it is printed as it is. */
export class DatabaseUnavailable extends Error {
  override name = 'DatabaseUnavailable'
}

export interface ClusterOptions {
  readonly dataDir: string
  /** False for throwaway data: no fsync. Default true. */
  readonly durable?: boolean
  readonly maxConnections?: number
  /** A share of the machine's memory for shared_buffers; default 1/8, at most 2 GiB. */
  readonly sharedBuffersMB?: number
}

export interface Cluster {
  /** Where the cluster's files are: DATA_DIR/pg, or below /var/lib/dothi. */
  readonly home: string
  readonly socketDir: string
  /** The owner's connection to a database of the cluster; default `dothi`, which is made if missing. */
  connection(database?: string): pg.PoolConfig
  /** Lets go; the last to let go stops the cluster. */
  release(): Promise<void>
}

const OWNER = 'dothi'
const PORT = 5432
const MIN_VERSION = 15
/** Advisory lock of the members, in the database `postgres`. */
const MEMBERS = 0x646f746869
/** sun_path holds 107 bytes and `/.s.PGSQL.5432` takes 14. */
const MAX_SOCKET_DIR = 107 - 14
/** Replaying the log after a crash may take minutes; more than this is not recovery. */
const START_TIMEOUT_MS = 300_000

/** Joins the cluster of DATA_DIR: makes it if there is none, starts it if it is down. Throws DatabaseUnavailable. */
export async function openCluster(options: ClusterOptions): Promise<Cluster> {
  const place = placeOf(options.dataDir)
  const binaries = findBinaries()
  prepare(place)
  if (!existsSync(join(place.data, 'PG_VERSION'))) await initialise(place, binaries)
  checkVersion(place, binaries)

  let member = await enter(place, binaries, options)
  let released = false
  // The database may be killed under a running server: bring it back, the pools reconnect by themselves.
  const watch = (client: pg.Client) => client.once('end', () => { if (!released) void revive() })
  const revive = async () => {
    while (!released) {
      try {
        const next = await enter(place, binaries, options)
        if (released) return void (await leave(next, place, binaries))
        member = next
        watch(member)
        return
      } catch { await sleep(1000) }
    }
  }
  watch(member)
  await ensureDatabase(member, OWNER)
  return {
    home: place.home,
    socketDir: place.socketDir,
    connection: (database = OWNER) => connectionTo(place, database),
    release: async () => {
      if (released) return
      released = true
      await leave(member, place, binaries)
    },
  }
}

// ---- where -------------------------------------------------------------------------------------------------------

interface Place {
  readonly dataDir: string
  readonly home: string
  readonly data: string
  readonly log: string
  readonly socketDir: string
  /** The system user that runs PostgreSQL, where it is not ourselves. */
  readonly user: { readonly uid: number; readonly gid: number } | undefined
}

function placeOf(dataDir: string): Place {
  const wanted = resolve(dataDir)
  const user = process.getuid?.() === 0 ? unprivilegedUser() : undefined
  const home = user && !openToAll(wanted) ? join('/var/lib/dothi', digest(wanted)) : join(wanted, 'pg')
  return { home, dataDir: wanted, data: join(home, 'data'), log: join(home, 'log', 'postgres.log'), socketDir: socketDirOf(home), user }
}

const digest = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16)

/** PostgreSQL refuses to run as root. */
function unprivilegedUser() {
  const entry = (name: string) => readFileSync('/etc/passwd', 'utf8').split('\n').map(line => line.split(':')).find(fields => fields[0] === name)
  const fields = entry('postgres') ?? entry('nobody')
  if (!fields) throw new DatabaseUnavailable('Started as root, and there is no user `postgres` to run the database: create it, or start dothi as an ordinary user.')
  return { uid: Number(fields[2]), gid: Number(fields[3]) }
}

/** Can a stranger walk down to this directory? (A checkout below /root is closed.) */
function openToAll(path: string): boolean {
  for (let dir = path; ; dir = dirname(dir)) {
    if (existsSync(dir) && (statSync(dir).mode & 0o001) === 0) return false
    if (dir === dirname(dir)) return true
  }
}

/** Where the files lie elsewhere, a link in DATA_DIR leads a person there. */
function leaveLink({ dataDir, home }: Place) {
  const link = join(dataDir, 'pg')
  mkdirSync(dataDir, { recursive: true })
  if (link !== home && !lstatSync(link, { throwIfNoEntry: false })) symlinkSync(home, link)
}

function socketDirOf(home: string): string {
  const inside = join(home, 'socket')
  const plain = /^[\w./-]+$/.test(inside) && Buffer.byteLength(inside) <= MAX_SOCKET_DIR
  return plain ? inside : join(realTmp(), `dothi-${digest(home)}`)
}

/** macOS's own temporary directory is too long for a socket. */
const realTmp = () => Buffer.byteLength(tmpdir()) <= MAX_SOCKET_DIR - 24 ? tmpdir() : '/tmp'

function prepare(place: Place) {
  try {
    leaveLink(place)
    mkdirSync(place.home, { recursive: true })
    if (place.user) chmodSync(place.home, 0o755) // its user must reach what is inside, whatever our umask
    for (const dir of [dirname(place.log), place.socketDir]) {
      mkdirSync(dir, { recursive: true, mode: 0o700 })
      const owner = statSync(dir).uid
      const wanted = place.user?.uid ?? process.getuid?.()
      if (owner !== wanted) {
        if (!place.user || owner !== 0) throw new DatabaseUnavailable(`${dir} belongs to another user: start dothi as that user, or set DATA_DIR to a folder of your own.`)
        chownSync(dir, place.user.uid, place.user.gid)
      }
      chmodSync(dir, 0o700)
    }
  } catch (error) {
    if (error instanceof DatabaseUnavailable) throw error
    throw new DatabaseUnavailable(sentence((error as Error).message, place))
  }
}

// ---- binaries ----------------------------------------------------------------------------------------------------

interface Binaries { readonly dir: string; readonly version: number }

/** PG_BIN, else the newest of PATH, Debian's and Homebrew's places. */
export function findBinaries(env: NodeJS.ProcessEnv = process.env): Binaries {
  if (env.PG_BIN) {
    const version = versionOf(env.PG_BIN)
    if (!version) throw new DatabaseUnavailable(`PG_BIN is ${env.PG_BIN}, where there is no initdb and postgres: point it at the bin folder of PostgreSQL ${MIN_VERSION} or newer.`)
    if (version < MIN_VERSION) throw new DatabaseUnavailable(`PG_BIN holds PostgreSQL ${version}; dothi needs ${MIN_VERSION} or newer.`)
    return { dir: env.PG_BIN, version }
  }
  const found = candidates(env).map(dir => ({ dir, version: versionOf(dir) })).filter(({ version }) => version > 0)
  // Debian keeps several versions side by side; only those with PostGIS are of use.
  const best = found.sort((a, b) => Number(hasPostgis(b)) - Number(hasPostgis(a)) || b.version - a.version)[0]
  if (best && best.version >= MIN_VERSION) return best
  const came = best ? `only PostgreSQL ${best.version} was found` : 'no PostgreSQL was found'
  throw new DatabaseUnavailable(`dothi needs PostgreSQL ${MIN_VERSION} or newer with PostGIS, and ${came}: ${installHint()}, or set DATABASE_URL to a PostGIS database.`)
}

export const installHint = () => process.platform === 'darwin'
  ? 'run `brew install postgresql@17 postgis`'
  : existsSync('/usr/bin/apt-get') ? 'run `sudo apt-get install postgresql postgresql-postgis`'
  : 'install the packages of PostgreSQL and PostGIS of your system'

function candidates(env: NodeJS.ProcessEnv): string[] {
  const below = (root: string, tail: string) => existsSync(root) ? readdirSync(root).map(name => join(root, name, tail)) : []
  return [
    ...(env.PATH ?? '').split(delimiter).filter(Boolean),
    ...below('/usr/lib/postgresql', 'bin'),
    ...['/opt/homebrew/opt', '/usr/local/opt'].flatMap(root => below(root, 'bin').filter(dir => /\/postgresql(@\d+)?\/bin$/.test(dir))),
    '/usr/pgsql-17/bin', '/usr/pgsql-16/bin', '/usr/pgsql-15/bin',
  ].filter(dir => existsSync(join(dir, 'initdb')) && existsSync(join(dir, 'pg_ctl')))
}

const versions = new Map<string, number>()
/** The major version, without starting a process where the folder tells it; 0 if there is none. */
function versionOf(dir: string): number {
  const known = versions.get(dir)
  if (known !== undefined) return known
  let version = Number(/postgresql\/(\d+)\/bin$|postgresql@(\d+)\/bin$/.exec(dir)?.slice(1).find(Boolean) ?? 0)
  if (!existsSync(join(dir, 'initdb')) || !existsSync(join(dir, 'postgres'))) version = 0
  else if (!version) version = versionFromProgram(dir)
  versions.set(dir, version)
  return version
}

function versionFromProgram(dir: string): number {
  try {
    return Number(/\(PostgreSQL\) (\d+)/.exec(execFileSync(join(dir, 'postgres'), ['--version'], { encoding: 'utf8' }))?.[1] ?? 0)
  } catch { return 0 }
}

function hasPostgis({ dir, version }: Binaries): boolean {
  return [`/usr/share/postgresql/${version}/extension`, join(dir, '../share/extension'), join(dir, `../share/postgresql@${version}/extension`), join(dir, '../share/postgresql/extension')]
    .some(folder => existsSync(join(folder, 'postgis.control')))
}

// ---- making ------------------------------------------------------------------------------------------------------

/** initdb beside the place, then one rename: two processes may do it at once, and a crash leaves nothing half-made. */
async function initialise(place: Place, binaries: Binaries) {
  for (const name of readdirSync(place.home)) {
    const pid = Number(/^init-(\d+)-/.exec(name)?.[1])
    if (pid && !alive(pid)) rmSync(join(place.home, name), { recursive: true, force: true })
  }
  const fresh = join(place.home, `init-${process.pid}-${randomBytes(4).toString('hex')}`)
  mkdirSync(fresh, { mode: 0o700 })
  if (place.user) chownSync(fresh, place.user.uid, place.user.gid)
  const ctype = process.platform === 'darwin' ? 'en_US.UTF-8' : 'C.UTF-8'
  try {
    await run(place, join(binaries.dir, 'initdb'), [
      '-D', fresh, '-U', OWNER, '-E', 'UTF8', '--no-locale', `--lc-ctype=${ctype}`, '--auth=trust', '--no-sync', '--no-instructions',
    ])
    appendFileSync(join(fresh, 'postgresql.conf'), "\ninclude = '../tuning.conf'\n")
    if (existsSync(place.data) && !existsSync(join(place.data, 'PG_VERSION'))) rmSync(place.data, { recursive: true, force: true })
    renameSync(fresh, place.data)
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true })
    // Another process was quicker: its cluster is ours too.
    if (!existsSync(join(place.data, 'PG_VERSION'))) throw error instanceof DatabaseUnavailable ? error : new DatabaseUnavailable(sentence((error as Error).message, place))
  }
}

function checkVersion(place: Place, binaries: Binaries) {
  const made = Number(readFileSync(join(place.data, 'PG_VERSION'), 'utf8').trim())
  if (made === binaries.version) return
  throw new DatabaseUnavailable(`The data in ${place.home} was made by PostgreSQL ${made}, but ${binaries.version} was found in ${binaries.dir}: set PG_BIN to the bin folder of PostgreSQL ${made}.`)
}

/** Settings for this machine; written anew at each start, since the machine may have grown. */
function tuning(place: Place, options: ClusterOptions): string {
  const memoryMB = Math.min(totalmem(), process.constrainedMemory?.() || Infinity) / 2 ** 20
  const within = (value: number, low: number, high: number) => Math.round(Math.max(low, Math.min(high, value)))
  const linux = process.platform === 'linux'
  const durable = options.durable ?? true
  const settings: Record<string, string | number> = {
    listen_addresses: '',
    unix_socket_directories: place.socketDir,
    unix_socket_permissions: '0700',
    port: PORT,
    max_connections: options.maxConnections ?? 100,
    shared_buffers: `${options.sharedBuffersMB ?? within(memoryMB / 8, 64, 2048)}MB`,
    effective_cache_size: `${within(memoryMB / 2, 128, 1 << 20)}MB`,
    work_mem: `${within(memoryMB / 256, 8, 64)}MB`,
    maintenance_work_mem: `${within(memoryMB / 32, 64, 1024)}MB`,
    max_parallel_workers_per_gather: Math.min(4, Math.max(0, availableParallelism() - 1)),
    // Tiles are many short statements over pages in memory: compiling them costs more than running them.
    jit: 'off',
    random_page_cost: 1.1,
    max_wal_size: durable ? '4GB' : '2GB',
    checkpoint_timeout: '15min',
    checkpoint_completion_target: 0.9,
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_checkpoints: 'off',
    ...(linux ? { effective_io_concurrency: 100 } : {}),
    // Containers often give /dev/shm 64 MB, where parallel plans fail.
    ...(linux && sharedMemoryMB() < 256 ? { dynamic_shared_memory_type: 'mmap' } : {}),
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', autovacuum: 'off' }),
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${typeof value === 'number' ? value : `'${value}'`}`)
  return `# Written by dothi at each start; put settings of your own into data/postgresql.auto.conf.\n${lines.join('\n')}\n`
}

function sharedMemoryMB(): number {
  try {
    const { bsize, blocks } = statfsSync('/dev/shm')
    return bsize * blocks / 2 ** 20
  } catch { return 0 }
}

// ---- joining and leaving -----------------------------------------------------------------------------------------

const connectionTo = (place: Place, database: string): pg.PoolConfig => ({ host: place.socketDir, port: PORT, user: OWNER, database, ssl: false })

/** Connects as a member; starts the cluster while nobody answers. */
async function enter(place: Place, binaries: Binaries, options: ClusterOptions): Promise<pg.Client> {
  const deadline = Date.now() + START_TIMEOUT_MS
  for (let attempt = 0; ; attempt++) {
    const client = new pg.Client({ ...connectionTo(place, 'postgres'), application_name: `dothi member ${process.pid}` })
    client.on('error', () => {}) // its `end` tells the same
    try {
      await client.connect()
      // Waits while the last one to leave holds it exclusively, and fails when that one has stopped the cluster.
      await client.query('select pg_advisory_lock_shared($1)', [MEMBERS])
      return client
    } catch (error) {
      await client.end().catch(() => {})
      if (Date.now() > deadline) throw new DatabaseUnavailable(`The database in ${place.home} does not answer: see ${place.log}. (${(error as Error).message})`)
      const { code } = error as { code?: string }
      if (code === 'EACCES') throw new DatabaseUnavailable(`The database in ${place.home} belongs to another user: start dothi as that user, or set DATA_DIR to a folder of your own.`)
      if (code === '53300') throw new DatabaseUnavailable('The database has no free connection: stop other dothi processes of this folder and try again.')
      if (code === 'ENOENT' || code === 'ECONNREFUSED') await start(place, binaries, options, attempt)
      else await sleep(100) // starting up, shutting down, or cut off in between
    }
  }
}

async function leave(member: pg.Client, place: Place, binaries: Binaries) {
  try {
    await member.query('select pg_advisory_unlock_shared($1)', [MEMBERS])
    const { rows } = await member.query('select pg_try_advisory_lock($1) as last', [MEMBERS])
    if (rows[0].last) await run(place, join(binaries.dir, 'pg_ctl'), ['stop', '-D', place.data, '-m', 'fast', '-w', '-t', '60'])
  } catch { /* it is down already */ } finally {
    await member.end().catch(() => {})
  }
}

async function start(place: Place, binaries: Binaries, options: ClusterOptions, attempt: number) {
  const conf = join(place.home, 'tuning.conf')
  // Two processes may start it at once: one must not read what the other has half written, or it would listen elsewhere.
  const fresh = `${conf}.${process.pid}`
  writeFileSync(fresh, tuning(place, options))
  if (place.user) chmodSync(fresh, 0o644)
  renameSync(fresh, conf)
  rotate(place.log)
  const before = size(place.log)
  try {
    await run(place, join(binaries.dir, 'pg_ctl'), ['start', '-D', place.data, '-l', place.log, '-w', '-t', '5', '-s'])
  } catch (error) {
    const said = `${(error as Error).message}\n${readFrom(place.log, before)}`
    if (/pre-existing shared memory block|lock file "postmaster.pid" already exists|another server might be running/.test(said)) return void (await clearTheWay(place, attempt))
    // It replays its log; the caller asks again.
    if (!/FATAL|No space left|Permission denied|could not start server/.test(said) || /did not start in time/.test(said)) return void (await sleep(200))
    throw new DatabaseUnavailable(sentence(said, place))
  }
}

/** After `kill -9` of the postmaster its children may linger, or its pid may meanwhile be somebody else's. */
async function clearTheWay(place: Place, attempt: number) {
  await sleep(200)
  const pidFile = join(place.data, 'postmaster.pid')
  const pid = Number(existsSync(pidFile) ? readFileSync(pidFile, 'utf8').split('\n')[0] : 0)
  if (pid && alive(pid) && processesIn(place.data).includes(pid)) return // another process is starting it
  if (pid && alive(pid) && process.platform === 'linux') rmSync(pidFile, { force: true })
  if (attempt >= 5) for (const orphan of processesIn(place.data)) {
    try { process.kill(orphan, 'SIGQUIT') } catch { /* gone */ }
  }
}

/** Every process of a cluster works in its data directory. Linux only; elsewhere the children end by themselves. */
function processesIn(data: string): number[] {
  if (!existsSync('/proc/self/cwd')) return []
  const real = realpathSync(data)
  return readdirSync('/proc').filter(name => /^\d+$/.test(name)).filter(pid => {
    try { return readlinkSync(`/proc/${pid}/cwd`) === real } catch { return false }
  }).map(Number)
}

function alive(pid: number): boolean {
  try { process.kill(pid, 0); return true } catch (error) { return (error as { code?: string }).code === 'EPERM' }
}

async function ensureDatabase(client: pg.Client, name: string) {
  const { rowCount } = await client.query('select from pg_database where datname = $1', [name])
  if (rowCount) return
  await client.query(`create database ${pg.escapeIdentifier(name)}`).catch(error => {
    if (error.code !== '42P04' && error.code !== '23505') throw error // another process was quicker
  })
}

// ---- processes and files -----------------------------------------------------------------------------------------

/** Runs a program of PostgreSQL as the cluster's user; rejects with what it said. */
function run(place: Place, program: string, args: readonly string[]): Promise<void> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PG')))
  return new Promise((done, fail) => {
    execFile(program, args, { ...place.user, cwd: '/', env: { ...env, LC_ALL: 'C', LC_MESSAGES: 'C' } }, (error, stdout, stderr) => {
      if (!error) return done()
      fail(new Error(`${stderr}\n${stdout}\n${error.code === 'EACCES' ? error.message : ''}`.trim() || error.message))
    })
  })
}

const size = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0
const readFrom = (path: string, from: number) => existsSync(path) ? readFileSync(path).subarray(from).toString() : ''
const rotate = (path: string) => { if (size(path) > 16 * 2 ** 20) renameSync(path, `${path}.old`) }

/** What PostgreSQL said, as one sentence that says what to do. */
function sentence(said: string, place: Place): string {
  if (/No space left|ENOSPC|could not resize shared memory/.test(said)) return `The disk of ${place.home} is full: free some space, or set DATA_DIR to a folder on a larger disk.`
  if (/Permission denied|EACCES|EPERM|EROFS|Read-only/.test(said)) return `${place.home} cannot be written: give yourself the right to it, or set DATA_DIR to a folder of your own.`
  if (/could not map anonymous shared memory|Cannot allocate memory/.test(said)) return 'There is too little memory to start the database: close other programs, or run dothi on a machine with at least 1 GB free.'
  if (/ENOTDIR|EEXIST/.test(said)) return `${place.home} cannot be made, since a file is in its way: move it, or set DATA_DIR to another folder.`
  const first = /(?:FATAL|PANIC):\s+(.*)/.exec(said)?.[1] ?? said.split('\n').find(line => /error/i.test(line)) ?? said.split('\n')[0]
  return `The database in ${place.home} does not start (${first?.trim()}): see ${place.log}.`
}

// ---- somebody else's database ------------------------------------------------------------------------------------

/** The connection that DATABASE_URL names. */
export function connectionOf(databaseUrl: string): pg.PoolConfig {
  if (!/^postgres(ql)?:\/\//.test(databaseUrl) || !URL.canParse(databaseUrl.replace('@/', '@socket/'))) // a socket's URL has no host
    throw new DatabaseUnavailable(`DATABASE_URL must look like postgres://user:password@host:5432/database, not “${databaseUrl.replace(/:[^:@/]*@/, ':…@')}”.`)
  return { connectionString: databaseUrl }
}

/** Connects once and looks whether it is a PostGIS that dothi can use. Throws DatabaseUnavailable. */
export async function checkDatabase(connection: pg.PoolConfig): Promise<void> {
  const client = new pg.Client({ connectionTimeoutMillis: 10_000, ...connection })
  client.on('error', () => {})
  try {
    await client.connect()
    const { rows: [found] } = await client.query(`
      select current_setting('server_version_num')::int / 10000 as version,
        (select default_version from pg_available_extensions where name = 'postgis') as postgis`)
    if (found.version < MIN_VERSION) throw new DatabaseUnavailable(`The database is PostgreSQL ${found.version}; dothi needs ${MIN_VERSION} or newer.`)
    if (!found.postgis) throw new DatabaseUnavailable(`PostgreSQL ${found.version} has no PostGIS extension: ${process.platform === 'darwin' ? 'run `brew install postgis`' : `install it (on Debian: \`sudo apt-get install postgresql-${found.version}-postgis-3\`)`} and start again.`)
  } catch (error) {
    throw error instanceof DatabaseUnavailable ? error : new DatabaseUnavailable(explainConnection(error, client))
  } finally {
    await client.end().catch(() => {})
  }
}

function explainConnection(error: unknown, { host, port, user, database }: pg.Client): string {
  const { code, message } = (error as AggregateError).errors?.[0] ?? error as { code?: string; message: string }
  const where = `${host}:${port}`
  switch (code) {
    case 'ECONNREFUSED': return `No database answers at ${where}: start it, or correct DATABASE_URL.`
    case 'ENOTFOUND': case 'EAI_AGAIN': return `The host ${host} of DATABASE_URL is unknown: correct it.`
    case 'ETIMEDOUT': case 'EHOSTUNREACH': case 'ENETUNREACH': return `${where} of DATABASE_URL cannot be reached: check the network and the address.`
    case '28P01': case '28000': return `The database at ${where} refuses the user “${user}”: correct user and password in DATABASE_URL.`
    case '3D000': return `There is no database “${database}” at ${where}: create it (\`createdb ${database}\`), or correct DATABASE_URL.`
    case '53300': return `The database at ${where} has no free connection: raise its max_connections or stop other clients.`
    default: return `The database at ${where} cannot be used (${message}): correct DATABASE_URL.`
  }
}

/** A database error met while starting, told as one sentence. */
export function explainStartError(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string }
  if (error instanceof DatabaseUnavailable) return error.message
  if (code === '53100') return 'The disk of the database is full: free some space and start again.'
  if (code === '42501') return `The database user may not do what dothi needs (${message}): make it the owner of the database and create the extension postgis as a superuser.`
  if (code === '58P01' || code === '0A000') return `PostGIS is missing in the database (${message}): install it and start again.`
  return message ?? String(error)
}
