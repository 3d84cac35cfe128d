import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import t from 'tap'
import { openCluster } from '../store/cluster.js'
import { openStore } from '../store/open-store.js'
import { progressLine } from './progress.js'

t.setTimeout(180_000)
const root = mkdtempSync('/tmp/dothi-cli-')
chmodSync(root, 0o755)
t.teardown(() => rmSync(root, { recursive: true, force: true }))
const dataDir = join(root, 'data')
const running = (dir = dataDir) => existsSync(join(dir, 'pg/data/postmaster.pid'))

const MAIN = new URL('./main.ts', import.meta.url).href
function start(args: readonly string[], env: Record<string, string> = {}): ChildProcess {
  const program = `import(${JSON.stringify(MAIN)}).then(({ main }) => main(${JSON.stringify(args)}))`
  return spawn(process.execPath, ['--import', import.meta.resolve('tsx'), '-e', program], {
    env: { ...process.env, DATABASE_URL: '', DATA_DIR: dataDir, SAMPLE: '0', ...env }, stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** Runs a command to its end. */
async function dothi(args: readonly string[], env: Record<string, string> = {}) {
  const child = start(args, env)
  let [out, err] = ['', '']
  child.stdout!.on('data', chunk => { out += chunk })
  child.stderr!.on('data', chunk => { err += chunk })
  const [code] = await once(child, 'close')
  return { code, out: out.trim(), err: err.trim() }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

async function status(url: string): Promise<number> {
  try { return (await fetch(url)).status } catch { return 0 }
}

async function until(probe: () => Promise<boolean> | boolean): Promise<void> {
  for (let tries = 0; tries < 1200; tries++) {
    if (await probe()) return
    await sleep(50)
  }
  throw new Error('It did not happen within a minute.')
}

t.test('a server starts, is joined by commands, survives kill -9, and Ctrl-C leaves nothing behind', async t => {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const seen = new Set<number>()
  const first = start(['serve'], { PORT: String(port) })
  await until(async () => { const now = await status(`${url}/readyz`); seen.add(now); return now === 200 })
  t.ok(seen.has(503), 'it listens, and says that it is not ready, before the database is there')
  t.equal(await status(`${url}/healthz`), 200)
  t.equal(await status(`${url}/ogc/collections?f=json`), 200)

  const busy = await dothi(['serve'], { PORT: String(port), DATA_DIR: join(root, 'other') })
  t.match(busy, { code: 1, err: `dothi: Port ${port} of 127.0.0.1 is taken: stop the program that uses it, or choose another one (PORT=${port + 1} make run).` })
  t.notOk(existsSync(join(root, 'other')), 'and no database was made for it')

  const made = await dothi(['token', 'create', '--subject', 'Lan', '--role', 'editor'])
  t.match(made, { code: 0, out: /^dothi_\S{43}$/ })
  t.match((await dothi(['token', 'list'])).out, /\tLan\teditor\tinternal\tuntil /)
  t.match(await dothi(['token', 'revoke', 'nobody']), { code: 1, err: /^dothi: There is no token with the id or subject “nobody”/ })
  t.ok(running(), 'a command that leaves does not stop the database under the server')

  // A job at work while the server is killed.
  const cluster = await openCluster({ dataDir })
  const store = await openStore({ connection: cluster.connection() })
  await sql`insert into dothi.jobs (kind, state, owner, lease_holder, lease_until) values ('flood', 'running', 'x', '1-1', now() + interval '1 hour')`.execute(store.db)
  await store.close()
  await cluster.release()
  first.kill('SIGKILL')
  await once(first, 'close')
  t.ok(running())

  const second = start([], { PORT: String(port) })
  let out = ''
  second.stdout!.on('data', chunk => { out += chunk })
  await until(async () => await status(`${url}/readyz`) === 200)
  await until(async () => (await (await fetch(`${url}/ogc/jobs`)).json() as any).jobs[0]?.state === 'interrupted')
  await until(() => out.includes('Ctrl-C'))
  const link = /http:\/\/127\.0\.0\.1:\d+\/\?token=\S+/.exec(out)?.[0]
  t.equal((await fetch(link!, { redirect: 'manual' })).status, 303)

  const postmaster = () => Number(readFileSync(join(dataDir, 'pg/data/postmaster.pid'), 'utf8').split('\n')[0])
  const killed = postmaster()
  process.kill(killed, 'SIGKILL')
  await until(() => running() && postmaster() !== killed)
  await until(async () => await status(`${url}/readyz`) === 200)
  t.equal(await status(`${url}/ogc/jobs`), 200, 'the server outlives its database')

  second.kill('SIGINT')
  const [code] = await once(second, 'close')
  t.equal(code, 0)
  t.notOk(running())
})

t.test('a city is set before the first start', async t => {
  const set = await dothi(['city', '--name', 'Washington', '--crs', 'EPSG:26985', '--home', '-77.04,38.9,13', '--time-zone', 'America/New_York', '--currency', 'USD'])
  t.match(set, { code: 0, out: /name +Washington\nsrid +26985\nhome +\{"lat":38.9,"lon":-77.04,"zoom":13\}/ })
  t.match((await dothi(['status'])).out, /PostGIS \d.*\n/)
  await Promise.all(([
    [['--crs', 'EPSG:4326'], /not a projected CRS in metres/], [['--crs', 'EPSG:99999'], /must be an EPSG code that PostGIS knows/], [['--crs', "1; drop"], /must be an EPSG code/],
    [['--home', '200,0'], /longitude of --home must be a number from -180 to 180/], [['--time-zone', 'Mars'], /not a time zone/],
  ] as const).map(async ([args, sentence]) => t.match(await dothi(['city', ...args]), { code: 1, err: sentence })))
  t.notOk(running())
})

t.test('wrong words and settings are told in one sentence', async t => {
  const one = (text: string) => t.equal(text.split('\n').length, 1, text)
  const sentences = await Promise.all([
    dothi(['serve'], { DATABASE_URL: 'postgres://127.0.0.1:9/x', PORT: '0' }), dothi(['serve'], { PORT: 'eighty' }), dothi(['serve'], { HOST: '203.0.113.9', PORT: '0' }), dothi(['jobs'], { PG_BIN: '/nowhere' }),
  ])
  const wanted = [/No database answers at 127\.0\.0\.1:9/, /PORT must be a number from 0 to 65535, not “eighty”/, /no address 203\.0\.113\.9: correct HOST/, /PG_BIN is \/nowhere, where there is no initdb/]
  sentences.forEach(({ code, err }, i) => {
    t.equal(code, 1)
    t.match(err, wanted[i]!)
    one(err)
  })
  t.match(await dothi(['fly']), { code: 1, err: /unknown command 'fly'|too many arguments/ })
  t.match(await dothi(['--help']), { code: 0, out: /serve.*\n[^]*token/ })
})

t.test('the progress line is rewritten on a terminal, and rare elsewhere', async t => {
  const written = (isTTY: boolean) => {
    const out = Object.assign(new PassThrough(), { isTTY, columns: 40 })
    const line = progressLine(out)
    for (let n = 0; n <= 100; n++) line.show('Sample', n / 100, 'buildings of a very long and tiresome description')
    line.end()
    return String(out.read())
  }
  t.equal(written(false).trim().split('\n').length, 11)
  const terminal = written(true)
  t.equal(terminal.split('\n').length, 2)
  t.ok(terminal.split('\r').every(part => part.replace(/\x1b\[K|\n/g, '').length < 40))
})
