/**
 * Two whole instances, each with its private cluster in its own network namespace, keep three layers in step both ways
 * while the link between them is cut in the middle of transfers, edits go on at both ends, and servers die by kill -9.
 * In the end: equal hashes of each chosen layer, every acknowledged edit there once, the conflicts that were made on purpose
 * listed at both ends, and what was not chosen where it was.
 *
 *   node --import tsx scripts/drills/federation.ts [--short]
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Feature } from '../../core/feature.js'
import { createToken } from '../../server/access/tokens.js'
import { addPeer, setInstanceNumber } from '../../server/federation/peers.js'
import { loadFeatures } from '../../server/import/load.js'
import { openCluster } from '../../server/store/cluster.js'
import { openStore } from '../../server/store/open-store.js'
import type { Store } from '../../server/store/store.js'
import { openLink, type Link, type Place } from './federation-link.js'

export interface DrillOptions {
  /** Rows that the first instance begins with, all of which must travel. */
  readonly rows: number
  /** Times the link is cut; every cut is in the middle of a transfer where there is one. */
  readonly cuts: number
  /** Edits at each end during each cut. */
  readonly edits: number
  /** Servers killed, in turn; every third time with its database. */
  readonly kills: number
  readonly log: (line: string) => void
}

export const LONG = { rows: 20_000, cuts: 8, edits: 25, kills: 6 } as const
export const SHORT = { rows: 1500, cuts: 2, edits: 6, kills: 1 } as const

export interface DrillResult {
  readonly link: Link['kind']
  readonly hashes: Readonly<Record<string, readonly [string, string]>>
  readonly rows: Readonly<Record<string, number>>
  readonly acknowledged: number
  readonly uncertain: number
  readonly conflicts: readonly [number, number]
  readonly cuts: number
  readonly kills: number
  readonly catchUpSeconds: number
  /** What is not as it should be; empty when all is well. */
  readonly faults: readonly string[]
}

const LAYERS = ['trees', 'cameras', 'pumps'] as const
/** Not federated: what is written here must stay at home. */
const HOME = 'antennas'

export async function federationDrill(options: DrillOptions): Promise<DrillResult> {
  const root = mkdtempSync('/tmp/dothi-federation-')
  chmodSync(root, 0o755)
  const link = await openLink(options.log)
  const instances: Instance[] = []
  try {
    options.log(`link: ${link.kind}`)
    instances.push(...await Promise.all(link.places.map((place, i) => Instance.make(i + 1, place, join(root, String(i + 1)), i === 0 ? options.rows : 0))))
    const [a, b] = instances as [Instance, Instance]
    await Promise.all([a.declare(b), b.declare(a)])
    await Promise.all([a.start(), b.start()])
    return await new Drill(options, link, a, b).run()
  } finally {
    await Promise.all(instances.map(instance => instance.stop()))
    await link.close()
    for (const instance of instances) instance.remove()
    rmSync(root, { recursive: true, force: true })
  }
}

/** One server with its DATA_DIR. */
class Instance {
  #server: ChildProcess | undefined
  #home = ''
  peerToken = ''
  #token = ''
  /** While the server is being killed and started again, edits wait; those under way are cut off. */
  up: Promise<void> = Promise.resolve()

  private constructor(readonly number: number, readonly place: Place, readonly dataDir: string) {}

  /** Makes the database and its first rows while nothing serves it. */
  static async make(number: number, place: Place, dataDir: string, rows: number): Promise<Instance> {
    const instance = new Instance(number, place, dataDir)
    await instance.#withStore(async store => {
      await setInstanceNumber(store, number)
      if (rows > 0) await loadFeatures(store, [{ layer: 'trees', srid: 4326, source: 'drill', features: trees(rows) }], { actor: 'drill', reason: 'trees to begin with' })
      instance.#token = (await createToken(store, { subject: 'drill', role: 'steward' })).secret
      instance.peerToken = (await createToken(store, { subject: `peer ${3 - number}`, role: 'viewer', clearance: 'restricted' })).secret
    })
    return instance
  }

  async declare(other: Instance): Promise<void> {
    await this.#withStore(store => addPeer(store, { name: `number ${other.number}`, url: other.place.peerUrl, token: other.peerToken, layers: LAYERS, allowPrivate: true }, 'drill'))
  }

  async #withStore(work: (store: Store) => Promise<unknown>): Promise<void> {
    const cluster = await openCluster({ dataDir: this.dataDir, sharedBuffersMB: 64 })
    this.#home = cluster.home
    try {
      const store = await openStore({ connection: cluster.connection() })
      try { await work(store) } finally { await store.close() }
    } finally { await cluster.release() }
  }

  async start(): Promise<void> {
    const main = new URL('../../server/cli/main.ts', import.meta.url).href
    const program = [process.execPath, '--import', import.meta.resolve('tsx'), '-e', `import(${JSON.stringify(main)}).then(({ main }) => main(['serve']))`]
    const [command, ...args] = [...this.place.command, ...program]
    const server = spawn(command!, args, {
      env: { ...process.env, DATABASE_URL: '', DATA_DIR: this.dataDir, SAMPLE: '0', HOST: this.place.host, PORT: String(this.place.port) },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const log = createWriteStream(`${this.dataDir}.log`, { flags: 'a' })
    server.stdout.pipe(log, { end: false })
    server.stderr.pipe(log, { end: false })
    this.#server = server
    await until(`instance ${this.number} is ready`, 90_000, async () => {
      if (server.exitCode !== null || server.signalCode !== null) throw new Fatal(`instance ${this.number} ended by itself: ${readFileSync(`${this.dataDir}.log`, 'utf8').slice(-800)}`)
      return (await fetch(`${this.place.url}/readyz`).catch(() => undefined))?.status === 200
    })
  }

  /** As a power cut would: the server, or the server and its database. */
  async kill(withDatabase: boolean): Promise<void> {
    const server = this.#server!
    const postmaster = Number(readFileSync(join(this.#home, 'data/postmaster.pid'), 'utf8').split('\n')[0])
    const ended = once(server, 'exit')
    process.kill(server.pid!, 'SIGKILL')
    if (withDatabase) process.kill(postmaster, 'SIGKILL')
    await ended
  }

  async stop(): Promise<void> {
    const server = this.#server
    if (!server || server.exitCode !== null || server.signalCode !== null) return
    const ended = once(server, 'exit')
    server.kill('SIGTERM')
    const slow = setTimeout(() => server.kill('SIGKILL'), 20_000)
    await ended
    clearTimeout(slow)
  }

  /** A cluster of root's lives elsewhere than its DATA_DIR. */
  remove() {
    if (this.#home && !this.#home.startsWith(this.dataDir)) rmSync(this.#home, { recursive: true, force: true })
  }

  async get<T = any>(path: string): Promise<T> {
    const response = await fetch(this.place.url + path, { headers: { Authorization: `Bearer ${this.#token}` }, signal: AbortSignal.timeout(20_000) })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return await response.json() as T
  }

  /** An edit; null where nobody can know whether it was done, because the server died under it. */
  async edit(method: string, path: string, body?: unknown): Promise<Response | null> {
    const types: Record<string, string> = { POST: 'application/geo+json', PATCH: 'application/merge-patch+json' }
    const response = await fetch(this.place.url + path, {
      method, headers: { Authorization: `Bearer ${this.#token}`, ...(types[method] && { 'Content-Type': types[method] }) },
      ...(body !== undefined && { body: JSON.stringify(body) }), signal: AbortSignal.timeout(20_000),
    }).catch(() => null)
    if (response && response.status >= 400 && response.status < 500) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    return response?.ok ? response : null
  }
}

async function* trees(count: number): AsyncGenerator<Feature> {
  for (let i = 0; i < count; i++)
    yield { geometry: { type: 'Point', coordinates: [108.1 + (i % 200) * 0.0005, 16 + Math.floor(i / 200) * 0.0005] }, properties: { code: `T${i}`, species: 'Bàng', year_planted: 1990 + (i % 30) }, height: 3 + (i % 90) / 10, sourceId: String(i) }
}

/** What one end was told to be true. */
interface Written { readonly layer: string; readonly code: string; readonly by: number; name: string; sure: boolean; removed: boolean }

class Drill {
  readonly #written: Written[] = []
  readonly #clashing: number[] = []
  #number = 0
  #uncertain = 0

  constructor(readonly options: DrillOptions, readonly link: Link, readonly a: Instance, readonly b: Instance) {}

  async run(): Promise<DrillResult> {
    const { a, b, link, options: { cuts, kills, log } } = this
    const shared = await this.#features(a, 2 * cuts)
    let killed = 0
    // Both ends are edited while one dies: which one, and whether alone, changes.
    const killOne = () => {
      if (killed >= kills) return
      killed++
      return this.#kill(killed % 2 === 1 ? b : a, killed % 3 === 0)
    }
    for (let cut = 0; cut < cuts; cut++) {
      await this.#midTransfer(cut)
      if (cut % 2 === 1) await Promise.all([this.#edits(a), this.#edits(b), killOne()])
      link.down()
      log(`cut ${cut + 1}: ${await this.#progress()}`)
      await this.#clash(shared.slice(2 * cut, 2 * cut + 2), cut)
      await Promise.all([this.#edits(a), this.#edits(b), ...(cut % 2 === 0 ? [killOne()] : [])])
      link.up()
      // Also while the other end catches up.
      await Promise.all([this.#edits(a), this.#edits(b)])
    }
    const began = Date.now()
    await until('both are in step', 180_000, () => this.#inStep())
    const catchUpSeconds = (Date.now() - began) / 1000
    return this.#verify(killed, catchUpSeconds)
  }

  /** Waits until some rows have come and some have not; where all have come already the next edits are the transfer. */
  async #midTransfer(cut: number): Promise<void> {
    const has = async () => (await this.#hash(this.b)).trees?.count ?? 0
    const before = await has()
    if (before < this.options.rows) await until('some rows have come', 60_000, async () => await has() > before)
    else await sleep(50 + 37 * cut)
  }

  async #progress(): Promise<string> {
    const { count = 0 } = (await this.#hash(this.b)).trees ?? {}
    return `${count} trees at instance 2, ${this.#written.length} features written meanwhile`
  }

  async #edits(at: Instance): Promise<void> {
    const mine = () => this.#written.filter(each => each.by === at.number && !each.removed && each.sure)
    for (let i = 0; i < this.options.edits; i++) {
      await at.up
      const layer = i % 5 === 4 ? HOME : LAYERS[i % 3]!
      const known = mine()
      const old = known.length > 3 && i % 4 === 3 ? known[(i * 7) % known.length] : undefined
      if (!old) await this.#create(at, layer)
      else if (i % 8 === 7) await this.#remove(at, old)
      else await this.#rename(at, old)
    }
  }

  async #create(at: Instance, layer: string): Promise<void> {
    const code = `N${at.number}-${++this.#number}`
    const feature = { type: 'Feature', geometry: { type: 'Point', coordinates: [108.2, 16.05 + this.#number / 1e5] }, properties: { code, [nameOf(layer)]: code } }
    const response = await at.edit('POST', `/ogc/collections/${layer}/items`, feature)
    if (!response) this.#uncertain++
    this.#written.push({ layer, code, by: at.number, name: code, sure: response !== null, removed: false })
  }

  async #rename(at: Instance, old: Written): Promise<void> {
    const name = `${old.code} again ${++this.#number}`
    const response = await at.edit('PATCH', await this.#pathOf(at, old), { properties: { [nameOf(old.layer)]: name } }).catch(gone(old))
    if (response) old.name = name
    else this.#doubt(old)
  }

  async #remove(at: Instance, old: Written): Promise<void> {
    const response = await at.edit('DELETE', await this.#pathOf(at, old)).catch(gone(old))
    if (response) old.removed = true
    else this.#doubt(old)
  }

  #doubt(old: Written) {
    old.sure = false
    this.#uncertain++
  }

  async #pathOf(at: Instance, { layer, code }: Written): Promise<string> {
    const path = `/ogc/collections/${layer}/items`
    const { features } = await patiently(() => at.get(`${path}?code=${encodeURIComponent(code)}&f=json`))
    return features.length === 1 ? `${path}/${features[0].id}` : `${path}/0`
  }

  /** Both ends write the same field of the same features, neither knowing of the other. */
  async #clash(ids: readonly number[], cut: number): Promise<void> {
    for (const id of ids) {
      // Only where both have it yet; the first cut may come before it has travelled.
      const path = `/ogc/collections/trees/items/${id}`
      if ((await fetch(this.b.place.url + path).catch(() => undefined))?.status !== 200) continue
      const done = await Promise.all([this.a, this.b].map(at => at.edit('PATCH', path, { properties: { species: `by ${at.number} in cut ${cut}` } })))
      if (done.every(Boolean)) this.#clashing.push(id)
    }
  }

  async #kill(instance: Instance, withDatabase: boolean): Promise<void> {
    await sleep(40)
    instance.up = instance.kill(withDatabase).then(() => instance.start())
    this.options.log(`instance ${instance.number} killed${withDatabase ? ' with its database' : ''}`)
    await instance.up
  }

  async #features(at: Instance, count: number): Promise<number[]> {
    const { features } = await at.get(`/ogc/collections/trees/items?limit=${count}&f=json`)
    return features.map((feature: { id: number }) => feature.id)
  }

  async #hash(at: Instance): Promise<Record<string, { hash: string; count: number }>> {
    const { layers } = await patiently(() => at.get(`/changes/hash?layers=${LAYERS.join(',')}`))
    return Object.fromEntries(layers.map((each: { layer: string; hash: string; count: number }) => [each.layer, each]))
  }

  /** Each has applied the other's newest revision, and is idle. */
  async #inStep(): Promise<boolean> {
    const [a, b] = await Promise.all([this.a, this.b].map(at => patiently(() => at.get('/federation'))))
    return a.peers[0].state === 'in-step' && b.peers[0].state === 'in-step' && a.peers[0].cursor === b.revision && b.peers[0].cursor === a.revision
  }

  async #verify(kills: number, catchUpSeconds: number): Promise<DrillResult> {
    const { a, b } = this
    const faults: string[] = []
    const [ofA, ofB] = [await this.#hash(a), await this.#hash(b)]
    for (const layer of LAYERS) if (ofA[layer]!.hash !== ofB[layer]!.hash) faults.push(`${layer} differs: ${ofA[layer]!.count} and ${ofB[layer]!.count} rows`)
    const maps = await Promise.all([a, b].map(async at => new Map<string, Map<string, string[]>>(await Promise.all([...LAYERS, HOME].map(async layer => [layer, await namesByCode(at, layer)] as const)))))
    for (const each of this.#written) for (const [i, map] of maps.entries()) faults.push(...faultsOf(each, i + 1, map.get(each.layer)!))
    const seeded = (await namesByCode(b, 'trees'))
    for (let i = 0; i < this.options.rows; i++) if (seeded.get(`T${i}`)?.length !== 1) faults.push(`tree T${i} is there ${seeded.get(`T${i}`)?.length ?? 0} times`)
    const lists = await Promise.all([a, b].map(async at => (await at.get('/federation/conflicts?limit=1000')).conflicts as { feature: number; field: string }[]))
    for (const [i, list] of lists.entries()) {
      for (const id of this.#clashing) if (!list.some(({ feature, field }) => feature === id && field === 'species')) faults.push(`instance ${i + 1} does not list the conflict over tree ${id}`)
      for (const { feature, field } of list) if (!this.#clashing.includes(feature)) faults.push(`instance ${i + 1} lists a conflict that was none: ${feature} ${field}`)
    }
    return {
      link: this.link.kind, faults, kills, cuts: this.options.cuts, catchUpSeconds,
      hashes: Object.fromEntries(LAYERS.map(layer => [layer, [ofA[layer]!.hash, ofB[layer]!.hash] as const])),
      rows: Object.fromEntries(LAYERS.map(layer => [layer, ofA[layer]!.count])),
      acknowledged: this.#written.filter(each => each.sure).length, uncertain: this.#uncertain, conflicts: [lists[0]!.length, lists[1]!.length],
    }
  }
}

const nameOf = (layer: string) => ({ trees: 'species', antennas: 'operator' })[layer] ?? 'name'

/** What a person would find on looking a feature up by its code. */
function faultsOf({ layer, code, by, name, sure, removed }: Written, at: number, names: Map<string, string[]>): string[] {
  const found = names.get(code) ?? []
  if (found.length > 1) return [`${code} is ${found.length} times in ${layer} of instance ${at}`]
  if (layer === HOME && at !== by) return found.length ? [`${code} of ${layer} was never to leave instance ${by}`] : []
  if (!sure) return []
  if (removed) return found.length ? [`${code} was removed but is in ${layer} of instance ${at}`] : []
  if (found.length === 0) return [`${code} is lost from ${layer} of instance ${at}`]
  return found[0] === name ? [] : [`${code} in ${layer} of instance ${at} is “${found[0]}”, not “${name}”`]
}

async function namesByCode(at: Instance, layer: string): Promise<Map<string, string[]>> {
  const names = new Map<string, string[]>()
  for (let next: string | undefined = `/ogc/collections/${layer}/items?limit=10000&f=json&properties=code,${nameOf(layer)}`; next;) {
    const page: { features: { properties: Record<string, string> }[]; links: { rel: string; href: string }[] } = await at.get(next)
    for (const { properties } of page.features) names.set(properties.code!, [...names.get(properties.code!) ?? [], properties[nameOf(layer)]!])
    const href: string | undefined = page.links.find(link => link.rel === 'next')?.href
    next = href && new URL(href).pathname + new URL(href).search
  }
  return names
}

/** A feature whose removal was not acknowledged may be gone. */
const gone = (old: Written) => (error: Error) => {
  if (!old.sure || / 404 /.test(error.message)) return null
  throw error
}

class Fatal extends Error {}

/** A server that was just killed may need a moment. */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try { return await ask() } catch (error) { if (tries >= 60) throw error }
    await sleep(250)
  }
}

async function until(what: string, limitMs: number, holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + limitMs
  for (let last: unknown; ;) {
    if (await holds().catch(error => { if (error instanceof Fatal) throw error; last = error; return false })) return
    if (Date.now() > end) throw new Error(`Not within ${limitMs / 1000} s: ${what}.`, { cause: last })
    await sleep(100)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const began = Date.now()
  const result = await federationDrill({ ...(process.argv.includes('--short') ? SHORT : LONG), log: line => console.log(`${((Date.now() - began) / 1000).toFixed(1).padStart(6)} s  ${line}`) })
  console.log(JSON.stringify(result, null, 2))
  console.log(result.faults.length === 0
    ? `federation: in step after ${result.cuts} cuts of ${result.link} and ${result.kills} kills; ${result.acknowledged} acknowledged edits, none lost or doubled; ${((Date.now() - began) / 1000).toFixed(0)} s`
    : `federation: ${result.faults.length} faults`)
  if (result.faults.length > 0) process.exitCode = 1
}
