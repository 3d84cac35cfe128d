/**
 * The city of a million buildings, as many parcels and 300,000 road segments: built once in BENCH_CITY_DIR (`.bench`), then joined by
 * every run. `make bench-city` builds it and keeps its database up, so that other servers can be started over it.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createWriteStream, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { finished } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { sql } from 'kysely'
import type pg from 'pg'
import { joinStore, type Backend } from '../server/compose.js'
import { freeze } from '../server/import/uploads.js'
import { openCluster } from '../server/store/cluster.js'
import { STEWARD } from '../server/store/store.js'
import { buildingRing, writeBuildings } from './buildings.js'

export const BUILDINGS = Number(process.env.BENCH_CITY ?? 1_000_000)
const ROADS = Math.round(BUILDINGS * 0.3)
export const CITY_LAYERS = ['buildings', 'parcels', 'roads'] as const

export interface BigCity {
  readonly backend: Backend
  readonly connection: pg.PoolConfig
  readonly dataDir: string
  /** The server as people run it, in a process of its own, with nothing in its caches; its address, and how to look at it and stop it. */
  serve(): Promise<Server>
  close(): Promise<void>
}

export interface Server {
  readonly url: string
  /** The most memory it ever had resident, MB. */
  peakMB(): number
  close(): Promise<void>
}

/** Joins the city, building it first where it is not there or was left half-built. Minutes, once. */
export async function openBigCity(tell: (line: string) => void = console.log): Promise<BigCity> {
  const dataDir = resolve(process.env.BENCH_CITY_DIR ?? '.bench', String(BUILDINGS))
  mkdirSync(dataDir, { recursive: true })
  const cluster = await openCluster({ dataDir })
  const backend = await joinStore(cluster.connection())
  await build(backend, dataDir, tell)
  await seenFromAfar(dataDir, tell)
  return {
    backend, connection: cluster.connection(), dataDir,
    serve: () => serve(dataDir),
    async close() {
      await backend.close()
      await cluster.release()
    },
  }
}

async function build({ store, jobs }: Backend, dataDir: string, tell: (line: string) => void): Promise<void> {
  const sources = { buildings: [writeBuildings, BUILDINGS], parcels: [writeParcels, BUILDINGS], roads: [writeRoads, ROADS] } as const
  for (const id of CITY_LAYERS) {
    const [write, count] = sources[id]
    if ((await store.layerSummary(store.catalogue.get(id))).count === count) continue
    const file = join(dataDir, `${id}.geojson`)
    const start = performance.now()
    await write(file, count)
    const job = await jobs.run('import', { file: await freeze(file, dataDir), dataDir, layer: id, source: 'big city', exclusive: true, ...(id === 'buildings' && { map: ['height=height'] }) }, STEWARD)
    if (job.state !== 'successful') throw new Error(`The import of ${id} failed: ${job.message}`)
    await sql.raw(`vacuum analyze city.${id}`).execute(store.db)
    rmSync(file)
    tell(`${count.toLocaleString('en')} ${id} in ${Math.round((performance.now() - start) / 1000)} s`)
  }
}

/** What crowded layers look like from afar is kept by the store, as its indexes are: made once after an import, then by each edit. */
async function seenFromAfar(dataDir: string, tell: (line: string) => void): Promise<void> {
  const start = performance.now()
  const server = await serve(dataDir)
  try {
    for (const layer of CITY_LAYERS) while ((await fetch(`${server.url}/tiles/${layer}/10/819/465.mvt`)).status === 503) await sleep(500)
  } finally { await server.close() }
  tell(`seen from afar, z10–13, after ${Math.round((performance.now() - start) / 1000)} s`)
}

/** From dist/bench. */
const CLI = fileURLToPath(new URL('../../scripts/dothi.mjs', import.meta.url))

async function serve(dataDir: string): Promise<Server> {
  rmSync(join(dataDir, 'cache'), { recursive: true, force: true })
  const port = await freePort()
  const server = spawn(process.execPath, [CLI, 'serve'], {
    env: { ...process.env, DATA_DIR: dataDir, PORT: String(port), HOST: '127.0.0.1', SAMPLE: '0', DATABASE_URL: '' }, stdio: ['ignore', 'ignore', 'inherit'],
  })
  const url = `http://127.0.0.1:${port}`
  for (let waited = 0; (await fetch(`${url}/readyz`).catch(() => null))?.status !== 200; waited++) {
    if (server.exitCode !== null || waited > 600) throw new Error('The server did not get ready.')
    await sleep(100)
  }
  return { url, peakMB: () => peakMB(server), close: () => stop(server) }
}

async function stop(server: ChildProcess): Promise<void> {
  server.kill('SIGINT')
  if (server.exitCode === null) await once(server, 'exit')
}

const peakMB = ({ pid }: ChildProcess) => Math.round(Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? NaN) / 1024)

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  return port
}

const LAND_USES = ['ODT', 'ODT', 'ODT', 'TMD', 'DGD', 'CLN', 'DKV']

/** The lot around each building. */
async function writeParcels(path: string, count: number): Promise<void> {
  const perRow = Math.ceil(Math.sqrt(count))
  await writeFeatures(path, count, n => {
    const [[west, south]] = buildingRing(n, count) as [readonly [number, number]]
    const [w, s, e, north] = [west - 0.00002, south - 0.00002, west + 0.00019, south + 0.00020].map(degrees => Number(degrees.toFixed(7)))
    return {
      properties: { so_to: 1 + Math.floor(n / 500), so_thua: 1 + n % 500, loai_dat: LAND_USES[(Math.floor(n % perRow / 8) * 31 + Math.floor(n / perRow / 8) * 17) % LAND_USES.length], dien_tich_do: 500 },
      geometry: { type: 'Polygon', coordinates: [[[w, s], [e, s], [e, north], [w, north], [w, s]]] },
    }
  })
}

const PITCH = 0.00023

/** Streets after every eighth lot in both directions, cut into segments; every fourth is wider, every sixteenth wider still. */
async function writeRoads(path: string, count: number): Promise<void> {
  const lots = Math.ceil(Math.sqrt(BUILDINGS))
  const streets = Math.max(1, Math.floor(lots / 8))
  const length = (lots + streets) * PITCH
  const perStreet = Math.ceil(count / (2 * streets))
  await writeFeatures(path, count, n => {
    const k = Math.floor(n / 2 / perStreet) % streets
    const across = 108.1 - PITCH / 2 + (k + 1) * 9 * PITCH - PITCH / 2
    const from = (Math.floor(n / 2) % perStreet) * length / perStreet
    const at = (along: number): [number, number] => n % 2 ? [across, 15.95 + along] : [108.1 + along, across - 108.1 + 15.95]
    const [klass, width] = k % 16 === 0 ? ['primary', 21] : k % 4 === 0 ? ['secondary', 12] : ['residential', 5.5]
    return {
      properties: { name: `${n % 2 ? 'Đường' : 'Phố'} ${k + 1}`, class: klass, long_duong_m: width },
      geometry: { type: 'LineString', coordinates: [at(from), at(from + length / perStreet)].map(position => position.map(degrees => Number(degrees.toFixed(7)))) },
    }
  })
}

async function writeFeatures(path: string, count: number, feature: (n: number) => object): Promise<void> {
  const out = createWriteStream(path)
  out.write('{"type":"FeatureCollection","features":[\n')
  for (let n = 0; n < count; n++) if (!out.write(`${n ? ',\n' : ''}${JSON.stringify({ type: 'Feature', ...feature(n) })}`)) await once(out, 'drain')
  out.end('\n]}\n')
  await finished(out)
}
