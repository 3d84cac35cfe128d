import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import t from 'tap'
import { checkDatabase, connectionOf, DatabaseUnavailable, explainStartError, findBinaries, openCluster } from './cluster.js'
import type { Cluster } from './cluster.js'

const root = mkdtempSync('/tmp/dothi-cluster-')
chmodSync(root, 0o755)
const homes: string[] = []
t.teardown(() => { for (const home of [...homes, root]) rmSync(home, { recursive: true, force: true }) })

const open = async (name: string) => {
  const cluster = await openCluster({ dataDir: join(root, name), durable: false, sharedBuffersMB: 64 })
  homes.push(cluster.home)
  return cluster
}

async function ask(cluster: Cluster, question: string, database?: string) {
  const client = new pg.Client(cluster.connection(database))
  client.on('error', () => {})
  await client.connect()
  try { return (await client.query(question)).rows[0] } finally { await client.end() }
}

const postmaster = (cluster: Cluster) => Number(readFileSync(join(cluster.home, 'data/postmaster.pid'), 'utf8').split('\n')[0])
const runs = (cluster: Cluster) => existsSync(join(cluster.home, 'data/postmaster.pid'))

/** Asks until the database answers again. */
async function patiently<T>(question: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try { return await question() } catch (error) { if (tries > 150) throw error }
    await sleep(100)
  }
}

t.test('a cluster is made, tuned, private, and keeps its data', async t => {
  const first = await open('one')
  t.same(await ask(first, `select current_database() as name, current_setting('listen_addresses') as tcp, current_setting('jit') as jit`), { name: 'dothi', tcp: '', jit: 'off' })
  t.equal(statSync(first.socketDir).mode & 0o777, 0o700)
  const { uid } = statSync(join(first.home, 'data'))
  t.not(uid, 0, 'PostgreSQL never runs as root')
  await ask(first, 'create table kept as select 42 as answer')
  await checkDatabase(first.connection())
  await first.release()
  t.notOk(runs(first), 'the last to leave stops it')

  const second = await open('one')
  t.same(await ask(second, 'select answer from kept'), { answer: 42 })
  await second.release()
  await second.release()
  t.notOk(runs(second))
})

t.test('several members share one cluster, also when they begin at the same moment; the last stops it', async t => {
  const [a, b, c] = await Promise.all([open('shared'), open('shared'), open('shared')])
  t.equal(postmaster(a), postmaster(b))
  await a.release()
  await b.release()
  t.ok(runs(c))
  t.same(await ask(c, 'select 1 as one'), { one: 1 })
  const [, d] = await Promise.all([c.release(), open('shared')])
  t.same(await ask(d, 'select 1 as one'), { one: 1 }, 'who comes while the last one leaves finds a database')
  await d.release()
  t.notOk(runs(d))
})

t.test('two checkouts have two clusters side by side', async t => {
  const [a, b] = await Promise.all([open('left'), open('right')])
  await ask(a, 'create table only_here (x int)')
  t.same(await ask(b, `select to_regclass('only_here') as found`), { found: null })
  t.not(a.socketDir, b.socketDir)
  await Promise.all([a.release(), b.release()])
})

t.test('kill -9 of the database under a running server: it is brought back with its data', async t => {
  const cluster = await openCluster({ dataDir: join(root, 'killed'), sharedBuffersMB: 64 })
  homes.push(cluster.home)
  await ask(cluster, 'create table kept as select 42 as answer')
  const before = postmaster(cluster)
  process.kill(before, 'SIGKILL')
  t.same(await patiently(() => ask(cluster, 'select answer from kept')), { answer: 42 })
  await patiently(async () => { if (postmaster(cluster) === before) throw new Error('still the old pid file') })
  await sleep(500) // the member is back by then
  await cluster.release()
  t.notOk(runs(cluster))
})

t.test('kill -9 of a server leaves the database running; the next server joins it; a stale pid file is no obstacle', async t => {
  const script = join(root, 'member.mts')
  writeFileSync(script, `
    const { openCluster } = await import(${JSON.stringify(new URL('./cluster.ts', import.meta.url).href)})
    const cluster = await openCluster({ dataDir: ${JSON.stringify(join(root, 'orphan'))}, sharedBuffersMB: 64 })
    console.log(cluster.home)`)
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(child.stdout, 'data')
  homes.push(String(line).trim())
  child.kill('SIGKILL')
  await once(child, 'exit')

  const joined = await open('orphan')
  const pid = postmaster(joined)
  t.same(await ask(joined, 'select 1 as one'), { one: 1 })
  await joined.release()
  t.notOk(runs(joined), 'a dead server does not count as a member')

  const pidFile = join(joined.home, 'data/postmaster.pid')
  writeFileSync(pidFile, `${pid}\n${join(joined.home, 'data')}\n1\n5432\n${joined.socketDir}\n\n1 1\n`)
  const again = await open('orphan')
  t.same(await ask(again, 'select 1 as one'), { one: 1 })
  await again.release()
})

t.test('a path that no socket can have, or with blanks and quotes, is as good as any', async t => {
  const cluster = await open(join("it's a long path", 'x'.repeat(90)))
  t.ok(Buffer.byteLength(cluster.socketDir) < 93)
  t.same(await ask(cluster, 'select 1 as one'), { one: 1 })
  homes.push(cluster.socketDir)
  await cluster.release()
})

t.test('a folder below a closed home is not used as root', { skip: process.getuid?.() !== 0 && 'root only' }, async t => {
  mkdirSync(join(root, 'closed'), { mode: 0o700 })
  const cluster = await open('closed/.data')
  t.match(cluster.home, /^\/var\/lib\/dothi\/[0-9a-f]{16}$/)
  t.ok(existsSync(join(root, 'closed/.data/pg/data/PG_VERSION')), 'a link leads there')
  await cluster.release()
})

t.test('what is wrong is told in one sentence that says what to do', async t => {
  const told = async (work: Promise<unknown>) => work.then(() => 'nothing', error => error instanceof DatabaseUnavailable ? error.message : error)
  const url = (text: string) => Promise.resolve().then(() => checkDatabase(connectionOf(text)))

  t.throws(() => findBinaries({ PG_BIN: root }), { message: /PG_BIN is .*, where there is no initdb and postgres: point it at/ })
  t.match(await told(url('localhost/dothi')), /DATABASE_URL must look like postgres:\/\//)
  t.match(await told(url('postgres://127.0.0.1:9/dothi')), /No database answers at 127\.0\.0\.1:9: start it, or correct DATABASE_URL/)
  t.match(await told(url('postgres://nowhere.invalid/dothi')), /The host nowhere\.invalid of DATABASE_URL is unknown/)

  const cluster = await open('errors')
  const on = (database: string, user = 'dothi') => url(`postgres://${user}@/${database}?host=${encodeURIComponent(cluster.socketDir)}`)
  t.match(await told(on('missing')), /There is no database “missing”.*createdb missing/)
  t.match(await told(on('dothi', 'nobody')), /refuses the user “nobody”/)
  t.equal(await told(on('dothi')), 'nothing')
  await cluster.release()

  writeFileSync(join(root, 'file'), '')
  t.match(await told(openCluster({ dataDir: join(root, 'file/data') })), /cannot be made, since a file is in its way/)

  writeFileSync(join(cluster.home, 'data/PG_VERSION'), '9\n')
  t.match(await told(open('errors')), /was made by PostgreSQL 9, but \d+ was found in .*: set PG_BIN/)
  t.match(explainStartError(Object.assign(new Error('could not extend file'), { code: '53100' })), /disk of the database is full/)
})
