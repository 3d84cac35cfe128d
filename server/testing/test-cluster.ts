/**
 * The throwaway cluster of the tests. A whole run (scripts/run-tap.mjs) makes one and names it by DOTHI_TEST_CLUSTER;
 * a test file started by hand shares one under the temporary directory, which stops with the last file that uses it.
 */
import { createHash } from 'node:crypto'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Layer } from '../../layers/layer.js'
import { openCluster } from '../store/cluster.js'
import type { Cluster } from '../store/cluster.js'
import { openStore } from '../store/open-store.js'

/** Short, since a socket path holds 107 bytes; and not TMPDIR, which may lie in a closed folder. */
const ROOT = '/tmp'
const RUN = 'dothi-run-'
const OPTIONS = { durable: false, maxConnections: 300, sharedBuffersMB: 256 } as const

/** One for a whole run; `remove` stops it and takes its files away. */
export async function startTestCluster(): Promise<{ dataDir: string; remove(): Promise<void> }> {
  await removeAbandoned()
  const dataDir = mkdtempSync(join(ROOT, RUN))
  chmodSync(dataDir, 0o755)
  writeFileSync(join(dataDir, 'pid'), String(process.pid))
  const cluster = await openCluster({ dataDir, ...OPTIONS })
  const remove = async () => {
    await cluster.release()
    rmSync(cluster.home, { recursive: true, force: true })
    rmSync(dataDir, { recursive: true, force: true })
  }
  return { dataDir, remove }
}

/** Clusters of runs that were killed. */
async function removeAbandoned() {
  for (const name of readdirSync(ROOT).filter(name => name.startsWith(RUN))) {
    const dataDir = join(ROOT, name)
    if (alive(Number(readFileIfAny(join(dataDir, 'pid'))))) continue
    const cluster = await openCluster({ dataDir, ...OPTIONS }).catch(() => undefined)
    await cluster?.release()
    rmSync(dataDir, { recursive: true, force: true })
  }
}

const readFileIfAny = (path: string) => { try { return readFileSync(path, 'utf8') } catch { return '' } }

function alive(pid: number): boolean {
  if (!pid) return false
  try { process.kill(pid, 0); return true } catch { return false }
}

let joined: Promise<Cluster> | undefined
let users = 0
let made = 0

/** An empty database of its own, or a copy of the template that holds the migrated store of these layers. */
export async function testDatabase(options: { layers?: readonly Layer[]; bare?: boolean } = {}): Promise<{ connection: pg.PoolConfig; drop(): Promise<void> }> {
  joined ??= openCluster({ dataDir: process.env.DOTHI_TEST_CLUSTER ?? join(ROOT, `dothi-dev-${userInfo().uid}`), ...OPTIONS })
  users++
  try {
    const cluster = await joined
    const name = `test_${process.pid}_${++made}`
    await admin(cluster, async client => {
      if (made === 1) await dropAbandoned(client)
      const template = options.bare ? 'template1' : await templateOf(cluster, client, options.layers)
      await client.query(`create database ${name} template ${template}`)
    })
    return {
      connection: cluster.connection(name),
      drop: async () => {
        await admin(cluster, client => client.query(`drop database if exists ${name} with (force)`))
        await letGo()
      },
    }
  } catch (error) {
    await letGo()
    throw error
  }
}

/** Leaves the cluster with the last database; but the next test of the file may come at once, so not in the same breath. */
async function letGo() {
  users--
  await sleep(50)
  if (users > 0 || !joined) return
  const cluster = joined
  joined = undefined
  await cluster.then(({ release }) => release(), () => {})
}

async function admin<T>(cluster: Cluster, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(cluster.connection('postgres'))
  await client.connect()
  try { return await work(client) } finally { await client.end() }
}

/** Databases of test files that were killed. */
async function dropAbandoned(client: pg.Client) {
  const { rows } = await client.query(String.raw`select datname as name from pg_database where datname like 'test\_%'`)
  for (const { name } of rows) {
    if (!alive(Number(name.split('_')[1]))) await client.query(`drop database if exists ${name} with (force)`)
  }
}

/** Migrates once for all test files: a copy takes a tenth of the time. */
async function templateOf(cluster: Cluster, client: pg.Client, layers: readonly Layer[] | undefined): Promise<string> {
  const name = `template_${fingerprint(layers)}`
  await client.query('select pg_advisory_lock(77)')
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [name])
    if (rowCount) return name
    await client.query(`drop database if exists ${name}_building with (force)`)
    await client.query(`create database ${name}_building`)
    const store = await openStore({ connection: cluster.connection(`${name}_building`), ...(layers && { layers }) })
    await store.close()
    await client.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [`${name}_building`])
    await client.query(`alter database ${name}_building rename to ${name}`)
    return name
  } finally {
    await client.query('select pg_advisory_unlock(77)')
  }
}

/** Changes whenever the code that makes the store, or its layers, may have. */
function fingerprint(layers: readonly Layer[] | undefined): string {
  const here = new URL('../..', import.meta.url)
  const sources = ['layers', 'server/store', 'server/store/migrations', 'core', 'core/filter'].flatMap(folder => {
    const path = new URL(`${folder}/`, here)
    return readdirSync(path).filter(name => /\.[jt]s$/.test(name) && !name.includes('.test.')).map(name => {
      const { mtimeMs, size } = statSync(new URL(name, path))
      return `${folder}/${name} ${mtimeMs} ${size}`
    })
  })
  const shape = JSON.stringify(layers ?? null, (_key, value) => typeof value === 'function' ? String(value) : value)
  return createHash('sha256').update(shape).update(sources.join('\n')).digest('hex').slice(0, 12)
}
