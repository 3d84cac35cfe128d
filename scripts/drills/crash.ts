/**
 * A city under mixed writes (single features, batches over two layers, imports, edits of a scenario) whose server or
 * database is killed by `kill -9` again and again, at random moments. After each restart: every acknowledged write is
 * there, none is half there, the feed has neither gap nor duplicate, and replaying it gives the layers as they are served.
 * Clients that lost an answer ask again with the same Idempotency-Key, and nothing is written twice.
 *
 *   node --import tsx scripts/drills/crash.ts [--kills 50] [--seed 1]
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { openCluster, type Cluster } from '../../server/store/cluster.js'

export interface CrashOptions {
  readonly kills: number
  readonly seed: number
  readonly log: (line: string) => void
}
export interface CrashResult {
  readonly kills: Readonly<Record<Victim, number>>
  readonly acknowledged: number
  /** Answers that were lost and came when the client asked again. */
  readonly replayed: number
  readonly imports: number
  readonly revisions: number
  /** What is not as it should be; empty when all is well. */
  readonly faults: readonly string[]
}
/** The server's process, the database's first process, or one of its others, at which it starts itself anew. */
type Victim = 'server' | 'database' | 'backend'

const LAYERS = ['trees', 'cameras'] as const
type LayerId = (typeof LAYERS)[number]

export async function crashDrill({ kills, seed, log }: CrashOptions): Promise<CrashResult> {
  const random = dice(seed)
  const city = await RunningCity.start()
  const faults: string[] = []
  const killed: Record<Victim, number> = { server: 0, database: 0, backend: 0 }
  try {
    const writers = await makeWriters(city, random)
    const gate = new Gate()
    const work = Promise.all(writers.map(writer => writer.run(gate)))
    const feed = new Replica(city)
    for (let n = 1; n <= kills && faults.length === 0; n++) {
      gate.open()
      await sleep(200 + random(1800))
      const victim: Victim = (['server', 'server', 'database', 'database', 'backend'] as const)[random(5)]!
      await city.kill(victim, random)
      killed[victim]++
      await gate.close(writers)
      await city.revive()
      faults.push(...await check(city, writers, feed))
      log(`${String(n).padStart(3)}  ${victim.padEnd(8)}  ${writers.reduce((sum, writer) => sum + writer.acknowledged.size, 0)} acknowledged, ${faults.length ? faults.join('; ') : 'all well'}`)
    }
    gate.open(true)
    await work
    if (faults.length === 0) faults.push(...await check(city, writers, feed))
    return {
      kills: killed, faults, revisions: await city.revisions(),
      acknowledged: writers.reduce((sum, writer) => sum + writer.acknowledged.size, 0),
      replayed: writers.reduce((sum, writer) => sum + writer.replayed, 0),
      imports: writers.reduce((sum, writer) => sum + (writer instanceof Importer ? writer.landed.size : 0), 0),
    }
  } finally {
    await city.stop()
  }
}

// ---- the city ----------------------------------------------------------------------------------------------------

interface Answer { readonly status: number; readonly body: any; readonly headers: Headers }

class RunningCity {
  #server: ChildProcess | undefined
  #cluster: Cluster | undefined
  #said = ''
  token = ''

  private constructor(readonly dataDir: string, readonly port: number) {}

  static async start(): Promise<RunningCity> {
    const dataDir = mkdtempSync('/tmp/dothi-crash-')
    chmodSync(dataDir, 0o755)
    const city = new RunningCity(dataDir, await freePort())
    try {
      // The drill is a member of the cluster itself, so that it may look at the tables.
      city.#cluster = await openCluster({ dataDir })
      await city.revive()
      // The steward's token is written as the last step of the start.
      const token = join(dataDir, 'token')
      for (let i = 0; i < 600 && !existsSync(token); i++) await sleep(100)
      city.token = readFileSync(token, 'utf8').trim()
      return city
    } catch (error) {
      await city.stop()
      throw error
    }
  }

  /** Starts the server where it is down, and waits until server and database answer. */
  async revive(): Promise<void> {
    if (!this.#server || this.#server.exitCode !== null || this.#server.signalCode !== null) {
      this.#said = ''
      const entry = new URL('../../server/cli/main.ts', import.meta.url).href
      this.#server = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', `const { main } = await import(${JSON.stringify(entry)}); await main(['serve'])`], {
        cwd: fileURLToPath(new URL('../..', import.meta.url)), stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, DATA_DIR: this.dataDir, PORT: String(this.port), HOST: '127.0.0.1', SAMPLE: '0', DATABASE_URL: '' },
      })
      for (const stream of [this.#server.stdout, this.#server.stderr]) stream!.on('data', text => { this.#said = (this.#said + text).slice(-4000) })
    }
    for (const start = Date.now(); Date.now() - start < 120_000; await sleep(100)) {
      if (this.#server.exitCode !== null) break
      const answers = await fetch(`http://127.0.0.1:${this.port}/readyz`, { signal: AbortSignal.timeout(5000) }).then(response => response.status === 200, () => false)
      if (answers && await this.#ask('select 1').then(() => true, () => false)) return
    }
    throw new Error(`The city did not come back. The server said:\n${this.#said}`)
  }

  async kill(victim: Victim, random: Dice): Promise<void> {
    if (victim === 'server') {
      this.#server!.kill('SIGKILL')
      if (this.#server!.signalCode === null && this.#server!.exitCode === null) await once(this.#server!, 'exit')
      return
    }
    const postmaster = Number(readFileSync(join(this.#cluster!.home, 'data/postmaster.pid'), 'utf8').split('\n')[0])
    const children = readFileSync(`/proc/${postmaster}/task/${postmaster}/children`, 'utf8').trim().split(' ').map(Number)
    process.kill(victim === 'database' || children.length === 0 ? postmaster : children[random(children.length)]!, 'SIGKILL')
  }

  /** One request; undefined where no answer came, or one that says to try again. */
  async attempt(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer | undefined> {
    const form = body instanceof FormData
    try {
      const response = await fetch(path.startsWith('http') ? path : `http://127.0.0.1:${this.port}${path}`, {
        method, signal: AbortSignal.timeout(60_000),
        headers: { Authorization: `Bearer ${this.token}`, ...(body !== undefined && !form && { 'Content-Type': 'application/json' }), ...headers },
        ...(body !== undefined && { body: form ? body : JSON.stringify(body) }),
      })
      const text = await response.text()
      if (response.status >= 500) return undefined
      return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : undefined }
    } catch {
      return undefined
    }
  }

  async read(path: string): Promise<any> {
    const answer = await this.attempt('GET', path)
    if (answer?.status !== 200) throw new Error(`GET ${path} answered ${answer?.status ?? 'nothing'}: ${JSON.stringify(answer?.body)}`)
    return answer.body
  }

  async #ask(text: string, values: unknown[] = []): Promise<any[]> {
    const client = new pg.Client(this.#cluster!.connection())
    client.on('error', () => {})
    try {
      await client.connect()
      return (await client.query(text, values)).rows
    } finally {
      await client.end().catch(() => {})
    }
  }

  revisions = async (): Promise<number> => Number((await this.#ask('select count(*) as n from dothi.revisions'))[0].n)
  newBranch = async (): Promise<string> => (await this.#ask('insert into dothi.branches default values returning id'))[0].id
  /** Revisions with their reasons and how many entries the change log has of them. */
  log = (): Promise<{ revision: number; reason: string; entries: number }[]> => this.#ask(`
    select r.revision::int, r.reason, count(c.revision)::int as entries from dothi.revisions r left join dothi.changes c using (revision) group by 1, 2 order by 1`)
  /** Versions of features that do not end where the next begins. */
  brokenHistories = async (layer: LayerId): Promise<number> => Number((await this.#ask(`
    with versions as (select id, revision, null::int8 as retired_revision from city.${layer} union all select id, revision, retired_revision from history.${layer})
    select count(*) as n from (select *, lead(revision) over (partition by id order by revision) as next from versions) v
    where (next is not null and retired_revision is distinct from next) or retired_revision <= revision`))[0].n)

  async stop(): Promise<void> {
    if (this.#server && this.#server.exitCode === null && this.#server.signalCode === null) {
      this.#server.kill('SIGTERM')
      await once(this.#server, 'exit')
    }
    await this.#cluster?.release()
    if (this.#cluster) rmSync(this.#cluster.home, { recursive: true, force: true })
    rmSync(this.dataDir, { recursive: true, force: true })
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  return port
}

// ---- writers -----------------------------------------------------------------------------------------------------

/** Lets writers write, or holds them before their next request. */
class Gate {
  #open = false
  #ending = false
  #waiting: (() => void)[] = []

  open(ending = false): void {
    this.#open = true
    this.#ending = ending
    for (const go of this.#waiting.splice(0)) go()
  }
  /** Resolves when each writer has had its answer, or none. */
  async close(writers: readonly Writer[]): Promise<void> {
    this.#open = false
    while (writers.some(writer => !writer.ended && !writer.held)) await sleep(10)
  }
  async pass(writer: Writer): Promise<void> {
    if (this.#open) return
    writer.held = true
    await new Promise<void>(go => this.#waiting.push(go))
    writer.held = false
  }
  get ending(): boolean { return this.#ending }
}

interface Feature { readonly layer: LayerId; readonly id: number; readonly code: string }

abstract class Writer {
  held = false
  ended = false
  replayed = 0
  /** Key of each acknowledged write → its revision. */
  readonly acknowledged = new Map<string, number>()
  #count = 0

  constructor(readonly city: RunningCity, readonly name: string, readonly random: Dice) {}

  /** One write after the other, until the drill ends. */
  async run(gate: Gate): Promise<void> {
    while (true) {
      await gate.pass(this)
      if (gate.ending) break
      await this.write(`${this.name}-${++this.#count}`, gate)
    }
    this.ended = true
  }
  abstract write(key: string, gate: Gate): Promise<void>
  /** What the writer knows to be so, against what the city shows. */
  abstract faults(shown: Shown): string[]

  /** Asks until there is an answer, always with the same key. */
  protected async insist(gate: Gate, key: string, method: string, path: string, body?: unknown): Promise<Answer> {
    const headers: Record<string, string> = { 'Idempotency-Key': key, 'X-Reason': `drill ${key}`, ...(method === 'PATCH' && { 'Content-Type': 'application/merge-patch+json' }) }
    while (true) {
      const answer = await this.city.attempt(method, path, body, headers)
      if (answer && answer.status < 300) {
        if (answer.headers.get('idempotency-replayed')) this.replayed++
        this.acknowledged.set(key, Number(answer.headers.get('x-revision')))
        return answer
      }
      if (answer) throw new Error(`${method} ${path} (${key}) answered ${answer.status}: ${JSON.stringify(answer.body)}`)
      await sleep(50)
      await gate.pass(this)
    }
  }
}

/** Creates, changes and removes features, one at a time or several at once over both layers; on main or on a scenario. */
class Editor extends Writer {
  #own: Feature[] = []
  /** What is on its way: either all of it is there, or what was before. */
  #pending: { readonly before: readonly Feature[]; readonly after: readonly Omit<Feature, 'id'>[]; readonly key: string } | undefined
  readonly #base: string

  constructor(city: RunningCity, name: string, random: Dice, readonly branch: string | undefined, readonly batches: boolean) {
    super(city, name, random)
    this.#base = branch ? `/scenarios/${branch}` : ''
  }

  async write(key: string, gate: Gate): Promise<void> {
    if (this.batches) return this.#batch(key, gate)
    const dice = this.#own.length === 0 ? 0 : this.random(4)
    const layer = LAYERS[this.random(2)]!
    if (dice === 0) {
      this.#pending = { key, before: [], after: [{ layer, code: key }] }
      const { headers } = await this.insist(gate, key, 'POST', `${this.#base}/ogc/collections/${layer}/items`, feature(key, this.random))
      this.#settle([], [{ layer, id: Number(headers.get('location')!.split('/').at(-1)), code: key }])
      return
    }
    const old = this.#own[this.random(this.#own.length)]!
    const path = `${this.#base}/ogc/collections/${old.layer}/items/${old.id}`
    const after = dice === 1 ? [] : [{ ...old, code: key }]
    this.#pending = { key, before: [old], after }
    if (dice === 1) await this.insist(gate, key, 'DELETE', path)
    else await this.insist(gate, key, 'PATCH', path, { properties: { code: key }, ...(dice === 2 && { geometry: point(this.random) }) })
    this.#settle([old], after)
  }

  /** New features in both layers, one changed, one removed: all or nothing. */
  async #batch(key: string, gate: Gate): Promise<void> {
    const before = this.#own.slice(0, 2)
    const [changed, removed] = before
    const created = Array.from({ length: 2 + this.random(4) }, (_, i) => ({ layer: LAYERS[i % 2]!, code: `${key}.${i}` }))
    const after = [...created, ...(changed ? [{ ...changed, code: `${key}.changed` }] : [])]
    this.#pending = { key, before, after }
    const { body } = await this.insist(gate, key, 'POST', `${this.#base}/batch`, { reason: `drill ${key}`, edits: [
      ...created.map(({ layer, code }) => ({ action: 'create', collection: layer, feature: feature(code, this.random) })),
      ...(changed ? [{ action: 'update', collection: changed.layer, id: changed.id, feature: { properties: { code: `${key}.changed` } } }] : []),
      ...(removed ? [{ action: 'delete', collection: removed.layer, id: removed.id }] : []),
    ] })
    this.#settle(before, after.map((made, i) => ({ ...made, id: body.results[i].id })))
  }

  #settle(before: readonly Feature[], after: readonly Feature[]): void {
    this.#own = [...this.#own.filter(own => !before.includes(own)), ...after]
    this.#pending = undefined
  }

  faults(shown: Shown): string[] {
    const present = shown.of(this.branch).filter(({ code }) => code.startsWith(`${this.name}-`))
    const { before = [], after = [], key = '' } = this.#pending ?? {}
    const name = ({ layer, code }: Omit<Feature, 'id'>) => `${layer} ${code}`
    const settled = this.#own.filter(own => !before.includes(own)).map(name)
    const states = [[...settled, ...before.map(name)], ...(this.#pending ? [[...settled, ...after.map(name)]] : [])].map(state => state.sort().join('\n'))
    const is = present.map(name).sort().join('\n')
    if (states.includes(is)) return []
    const lost = settled.filter(one => !is.split('\n').includes(one))
    return [`${this.name} ${this.branch ? 'on its scenario' : ''}: ${lost.length ? `acknowledged but not there: ${lost.slice(0, 3).join(', ')}` : `neither before nor after ${key}: ${present.length} features`}`]
  }
}

/** Imports files; a file that was cut off is not sent again, but must be there whole or not at all. */
class Importer extends Writer {
  readonly landed = new Set<string>()

  async write(key: string, gate: Gate): Promise<void> {
    const form = new FormData()
    for (const [name, value] of [['mode', 'import'], ['layer', 'trees'], ['source', key]] as const) form.set(name, value)
    form.set('file', new Blob([JSON.stringify({ type: 'FeatureCollection', features: Array.from({ length: IMPORTED }, (_, i) => feature(`${key}.${i}`, this.random)) })]), `${key}.geojson`)
    const submitted = await this.city.attempt('POST', '/imports', form)
    if (submitted?.status !== 201) return
    const job = new URL(submitted.headers.get('location')!).pathname
    for (;;) {
      await sleep(50)
      await gate.pass(this)
      const state = (await this.city.attempt('GET', job))?.body?.status
      if (state === 'successful') this.landed.add(key)
      if (state === 'successful' || state === 'failed') return
    }
  }

  faults(shown: Shown): string[] {
    const counts = new Map<string, number>()
    for (const { code } of shown.of(undefined)) if (code.startsWith(`${this.name}-`)) counts.set(code.split('.')[0]!, (counts.get(code.split('.')[0]!) ?? 0) + 1)
    return [
      ...[...counts].filter(([, rows]) => rows !== IMPORTED).map(([key, rows]) => `the import ${key} is there with ${rows} of ${IMPORTED} rows`),
      ...[...this.landed].filter(key => !counts.has(key)).map(key => `the import ${key} was acknowledged and is not there`),
    ]
  }
}
const IMPORTED = 60

async function makeWriters(city: RunningCity, random: Dice): Promise<readonly Writer[]> {
  const [one, two] = [await city.newBranch(), await city.newBranch()]
  const own = () => dice(random(2 ** 31))
  return [
    ...[1, 2, 3].map(n => new Editor(city, `single${n}`, own(), undefined, false)),
    ...[1, 2].map(n => new Editor(city, `batch${n}`, own(), undefined, true)),
    new Editor(city, 'branch1', own(), one, false), new Editor(city, 'branch2', own(), two, true),
    new Importer(city, 'import1', own()),
  ]
}

const point = (random: Dice) => ({ type: 'Point', coordinates: [108.1 + random(1000) / 5000, 16 + random(1000) / 10000] })
const feature = (code: string, random: Dice) => ({ type: 'Feature', geometry: point(random), properties: { code } })

// ---- checks ------------------------------------------------------------------------------------------------------

/** The features that the city serves, on main and on scenarios, by their code. */
class Shown {
  /** `at`: how many revisions there were before it was read. */
  constructor(readonly at: number, readonly features: ReadonlyMap<string, readonly Feature[]>) {}
  of = (branch: string | undefined): readonly Feature[] => this.features.get(branch ?? 'main')!

  static async of(city: RunningCity, branches: readonly (string | undefined)[]): Promise<Shown> {
    const at = await city.revisions()
    const features = new Map<string, Feature[]>()
    for (const branch of branches) {
      const all: Feature[] = []
      for (const layer of LAYERS) {
        let next: string | undefined = `${branch ? `/scenarios/${branch}` : ''}/ogc/collections/${layer}/items?limit=10000&properties=code&f=json`
        while (next) {
          const page = await city.read(next)
          for (const { id, properties } of page.features) all.push({ layer, id, code: properties.code })
          next = page.links.find((link: { rel: string }) => link.rel === 'next')?.href
        }
      }
      features.set(branch ?? 'main', all)
    }
    return new Shown(at, features)
  }
}

/** A copy of main that only the feed of rows makes, page after page. */
class Replica {
  readonly #codes = new Map<string, string>()
  #through = 0
  constructor(readonly city: RunningCity) {}

  async follow(): Promise<string[]> {
    const faults: string[] = []
    for (let path = `/changes/rows?since=${this.#through}&layers=${LAYERS.join(',')}&limit=2000`; ;) {
      const page = await this.city.read(path)
      for (const { layer, id, op, row, revision } of page.rows) {
        const key = `${layer}/${id}`
        if ((op === 'insert') === this.#codes.has(key)) faults.push(`the feed tells ${op} of ${key} at revision ${revision}, which ${op === 'insert' ? 'was told before' : 'was never told'}`)
        if (op === 'delete') this.#codes.delete(key)
        else this.#codes.set(key, row.properties.code)
      }
      this.#through = page.through
      if (!page.more) return faults
      path = `/changes/rows?since=${page.through}${page.after ? `&after=${encodeURIComponent(page.after)}` : ''}&layers=${LAYERS.join(',')}&limit=2000`
    }
  }
  differs(shown: Shown): string[] {
    const there = new Map(shown.of(undefined).map(({ layer, id, code }) => [`${layer}/${id}`, code]))
    const wrong = [...new Set([...there.keys(), ...this.#codes.keys()])].filter(key => there.get(key) !== this.#codes.get(key))
    return wrong.length ? [`the feed's copy differs in ${wrong.length} features, first ${wrong[0]}`] : []
  }
}

async function check(city: RunningCity, writers: readonly Writer[], feed: Replica): Promise<string[]> {
  const branches = [...new Set(writers.map(writer => (writer instanceof Editor ? writer.branch : undefined)))]
  // A job that was waiting when the server died begins when it is back: look until nothing was written meanwhile.
  let [shown, log, told] = [await Shown.of(city, branches), await city.log(), await feed.follow()]
  while (await city.revisions() !== log.length || shown.at !== log.length) {
    await sleep(200)
    ;[shown, log, told] = [await Shown.of(city, branches), await city.log(), [...told, ...await feed.follow()]]
  }
  const byReason = new Map<string, number[]>()
  for (const { reason, revision } of log) byReason.set(reason, [...byReason.get(reason) ?? [], revision])
  return [
    ...writers.flatMap(writer => writer.faults(shown)),
    ...log.filter(({ revision }, i) => revision !== i + 1).slice(0, 1).map(({ revision }) => `the revisions have a gap before ${revision}`),
    ...log.filter(({ entries }) => entries === 0).slice(0, 1).map(({ revision }) => `the change log has no entry of revision ${revision}`),
    ...[...byReason].filter(([reason, revisions]) => reason.startsWith('drill ') && revisions.length > 1).map(([reason, revisions]) => `${reason} was written as ${revisions.join(' and ')}`),
    ...writers.flatMap(writer => [...writer.acknowledged].filter(([key, revision]) => byReason.get(`drill ${key}`)?.[0] !== revision).map(([key, revision]) => `${key} was acknowledged as revision ${revision}, which it is not`)),
    ...(await Promise.all(LAYERS.map(async layer => ({ layer, n: await city.brokenHistories(layer) })))).filter(({ n }) => n > 0).map(({ layer, n }) => `${n} versions of ${layer} do not end where the next begins`),
    ...told,
    ...feed.differs(shown),
  ]
}

/** Numbers from 0 to below n, the same for the same seed. */
type Dice = (n: number) => number
function dice(seed: number): Dice {
  let state = seed >>> 0
  return n => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return Math.floor(((t ^ (t >>> 14)) >>> 0) / 2 ** 32 * n)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const option = (name: string, otherwise: number) => (process.argv.includes(`--${name}`) ? Number(process.argv[process.argv.indexOf(`--${name}`) + 1]) : otherwise)
  const [kills, seed] = [option('kills', 50), option('seed', Date.now() % 1e6)]
  console.log(`${kills} times kill -9, seed ${seed}`)
  const result = await crashDrill({ kills, seed, log: line => console.log(line) })
  console.log(JSON.stringify(result, null, 2))
  console.log(result.faults.length === 0 ? `passed: ${result.acknowledged} acknowledged writes, each there once` : `FAILED with seed ${seed}`)
  process.exitCode = result.faults.length === 0 ? 0 : 1
}
