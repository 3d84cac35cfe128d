/**
 * Tiles of the big city over HTTP: vector tiles cold and warm, 304 answers, an edit and its tiles, 3D tiles; beside the bare SQL, GDAL
 * and every peer that BENCH_PEERS names. One run, one database, one list of tiles.
 */
import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import pg from 'pg'
import { createToken } from '../server/access/tokens.js'
import { CITY_LAYERS, openBigCity, type BigCity, type Server } from './big-city.js'
import { compare, median, seconds, versionOf, type Result } from './result.js'
import { addressOf, fetchAll, peersFrom, type Answer, type Tile, type TileServer } from './tile-servers.js'
import { tilesOver } from './tile-list.js'

const run = promisify(execFile)
const IN_FLIGHT = 4
const ZOOMS = [10, 11, 12, 13, 14, 15, 16] as const
/** Tiles of a zoom and layer at most. */
const MOST = Number(process.env.BENCH_TILES ?? 40)

export async function tilesBench(): Promise<readonly Result[]> {
  const city = await openBigCity()
  const server = await city.serve()
  try {
    const tiles = await tileList(city)
    const vector = await vectorBench(city, server, tiles)
    return [
      ...vector.results,
      await notModifiedBench(server, tiles),
      ...await editBench(city, server),
      await solidBench(server),
      await ogrBench(city, server),
      compare({ name: 'memory of the server through all of this', unit: '1/MB', ours: 1 / server.peakMB(), yardstick: 'at most 600 MB; it had ' + server.peakMB(), theirs: 1 / 600, goal: 1 }),
    ]
  } finally {
    await server.close()
    await city.close()
  }
}

const ours = ({ url }: Server): TileServer => ({ name: 'dothi', pattern: `${url}/tiles/{layer}/{z}/{x}/{y}.mvt` })

async function tileList({ backend: { store } }: BigCity): Promise<readonly Tile[]> {
  const { bbox } = await store.layerSummary(store.catalogue.get('buildings'))
  return ZOOMS.flatMap(z => tilesOver(bbox!, z, MOST).flatMap(tile => CITY_LAYERS.map(layer => ({ layer, ...tile }))))
}

type Pass = (tiles: readonly Tile[]) => Promise<readonly Answer[]>
interface Timed { readonly seconds: number; readonly answers: readonly Answer[] }

async function timed(work: () => Promise<readonly Answer[]>): Promise<Timed> {
  let answers: readonly Answer[] = []
  return { seconds: await seconds(async () => { answers = await work() }), answers }
}

/** Zoom by zoom, the servers in turn; the bare SQL goes first, so that nobody else waits for the disk. */
async function vectorBench(city: BigCity, server: Server, tiles: readonly Tile[]): Promise<{ results: readonly Result[] }> {
  const pool = new pg.Pool({ ...city.connection, max: IN_FLIGHT, options: '-c jit=off' })
  const passOver = (peer: TileServer): Pass => each => fetchAll(each.map(tile => addressOf(peer, tile)), { inFlight: IN_FLIGHT })
  const sides: readonly { name: string; pass: Pass }[] = [
    { name: 'bare ST_AsMVT', pass: each => bare(pool, each) },
    ...peersFrom().map(peer => ({ name: peer.name, pass: passOver(peer) })),
    { name: 'dothi', pass: passOver(ours(server)) },
  ]
  // Who keeps no tiles makes them anew each time, those of whole cities for minutes: some of the others suffice.
  const again = tiles.filter(({ z }, i) => z >= 13 && i % 12 < 3)
  const cold = new Map<string, Timed[]>()
  const warm = new Map<string, number[]>()
  try {
    for (const z of ZOOMS) {
      const each = tiles.filter(tile => tile.z === z)
      for (const { name, pass } of sides) {
        const took = await timed(() => pass(each))
        check(name, each, took.answers)
        cold.set(name, [...cold.get(name) ?? [], took])
        console.log(line(name, z, each.length, took))
      }
    }
    for (let round = 0; round < 3; round++) for (const { name, pass } of sides.slice(1))
      warm.set(name, [...warm.get(name) ?? [], await seconds(() => pass(again))])
  } finally { await pool.end() }
  const total = (name: string) => cold.get(name)!.reduce((sum, took) => sum + took.seconds, 0)
  const rate = (name: string) => tiles.length / total(name)
  const warmRate = (name: string) => again.length / median(warm.get(name)!)
  const all = cold.get('dothi')!.flatMap(({ answers }) => answers)
  const name = `${tiles.length} tiles z10–16 of ${CITY_LAYERS.join(', ')}`
  const others = sides.slice(0, -1).map(side => side.name)
  return { results: [
    ...others.map(other => compare({ name: `${name}, cold`, unit: 'tiles/s', ours: rate('dothi'), yardstick: other, theirs: rate(other), goal: 3 })),
    ...others.slice(1).map(other => compare({ name: `${again.length} of them, z13–16, again`, unit: 'tiles/s', ours: warmRate('dothi'), yardstick: other, theirs: warmRate(other), goal: 1 })),
    compare({ name: 'largest tile, gzip', unit: '1/kB', ours: 1000 / Math.max(...all.map(({ bytes }) => bytes)), yardstick: 'at most 500 kB', theirs: 1 / 500, goal: 1 }),
    compare({ name: 'cold tile, 95 %, with four in flight', unit: '1/ms', ours: 1 / quantile(all.map(({ ms }) => ms), 0.95), yardstick: 'at most 300 ms', theirs: 1 / 300, goal: 1 }),
  ] }
}

function check(name: string, tiles: readonly Tile[], answers: readonly Answer[]): void {
  const bad = answers.findIndex(({ status }) => status !== 200 && status !== 204)
  if (bad >= 0) throw new Error(`${name} answered ${answers[bad]!.status} to ${JSON.stringify(tiles[bad])}.`)
}

const line = (name: string, z: number, count: number, { seconds, answers }: Timed) =>
  `z${z} ${name.padEnd(14)} ${String(count).padStart(4)} tiles ${seconds.toFixed(2).padStart(7)} s, 95 % ${Math.round(quantile(answers.map(({ ms }) => ms), 0.95))} ms, largest ${Math.round(Math.max(...answers.map(({ bytes }) => bytes)) / 1000)} kB, empty ${answers.filter(({ bytes }) => bytes === 0).length}`

const quantile = (values: readonly number[], q: number) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))]!

/** The attributes that our tiles carry too, of everything in the tile. */
const BARE: Readonly<Record<(typeof CITY_LAYERS)[number], string>> = {
  buildings: 'name, use, storeys, year_built, people, height',
  parcels: 'ward_code, so_to, so_thua, loai_dat',
  roads: 'name, class, lo_gioi_m, long_duong_m, one_way, bridge, tunnel',
}

async function bare(pool: pg.Pool, tiles: readonly Tile[]): Promise<readonly Answer[]> {
  const answers: Answer[] = []
  const queue = tiles.values()
  await Promise.all(Array.from({ length: IN_FLIGHT }, async () => {
    for (const { layer, z, x, y } of queue) {
      const from = performance.now()
      const { rows } = await pool.query({ name: `bare ${layer}`, values: [z, x, y], text: `
        select st_asmvt(t, '${layer}', 4096, 'geom', 'id') as mvt from (
          select id, ${BARE[layer as keyof typeof BARE]}, st_asmvtgeom(geom_3857, st_tileenvelope($1, $2, $3), 4096, 64, true) as geom
          from city.${layer} where geom_3857 && st_tileenvelope($1, $2, $3, margin => 64.0 / 4096)) t where geom is not null` })
      answers.push({ status: 200, bytes: rows[0].mvt.length, ms: performance.now() - from, etag: undefined })
    }
  }))
  return answers
}

/** A server that answers 304 and nothing else, on a thread of its own. */
const BARE_304 = `
  const { parentPort } = require('node:worker_threads')
  require('node:http').createServer((request, response) => { response.writeHead(304, { ETag: request.headers['if-none-match'] ?? '' }); response.end() })
    .listen(0, '127.0.0.1', function () { parentPort.postMessage(this.address().port) })`

async function notModifiedBench(server: Server, tiles: readonly Tile[]): Promise<Result> {
  const addresses = tiles.map(tile => addressOf(ours(server), tile))
  const etags = (await fetchAll(addresses, { inFlight: IN_FLIGHT })).map(({ etag }) => etag)
  const worker = new Worker(BARE_304, { eval: true })
  const port = await new Promise<number>(done => worker.once('message', done))
  const asked = Array.from({ length: 12_000 }, (_, i) => i % addresses.length)
  const rate = async (list: readonly string[]) => {
    let answers: readonly Answer[] = []
    const took = await seconds(async () => { answers = await fetchAll(list, { inFlight: 16, headers: i => `If-None-Match: ${etags[asked[i]!]}\r\n` }) })
    if (answers.some(({ status }) => status !== 304)) throw new Error('Not every answer was a 304.')
    return list.length / took
  }
  const rates = { ours: [] as number[], theirs: [] as number[] }
  for (let round = 0; round < 4; round++) {
    rates.theirs.push(await rate(asked.map(i => addresses[i]!.replace(/:\d+\//, `:${port}/`))))
    rates.ours.push(await rate(asked.map(i => addresses[i]!)))
  }
  await worker.terminate()
  return compare({ name: 'tiles not modified (304), 16 connections', unit: 'answers/s', ours: median(rates.ours), yardstick: 'a bare node:http that says 304', theirs: median(rates.theirs), goal: 0.5 })
}

/** One building changes over HTTP: how long until each of its tiles is the new one, and whether all others still are what they were. */
async function editBench({ backend: { store } }: BigCity, server: Server): Promise<readonly Result[]> {
  const { secret } = await createToken(store, { subject: 'bench', role: 'editor' })
  const summary = await store.layerSummary(store.catalogue.get('buildings'))
  const pick = await (await fetch(`${server.url}/ogc/collections/buildings/items?limit=1&bbox=${middleOf(summary.bbox!).join(',')}`)).json() as { features: { id: number; properties: { storeys: number }; geometry: { coordinates: number[][][][] } }[] }
  const { id, properties, geometry } = pick.features[0]!
  const [lon, lat] = geometry.coordinates.flat(2)[0] as [number, number]
  const own = ZOOMS.flatMap(z => tilesOver([lon, lat, lon, lat], z, 1)).map(tile => addressOf(ours(server), { layer: 'buildings', ...tile }))
  const others = ZOOMS.filter(z => z > 12).flatMap(z => tilesOver(summary.bbox!, z, 20)).map(tile => addressOf(ours(server), { layer: 'buildings', ...tile })).filter(address => !own.includes(address))
  const before = await fetchAll([...own, ...others], { inFlight: IN_FLIGHT })
  const took: number[] = []
  for (let round = 1; round <= 9; round++) {
    const patched = await fetch(`${server.url}/ogc/collections/buildings/items/${id}`, {
      method: 'PATCH', headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/merge-patch+json' }, body: JSON.stringify({ properties: { storeys: properties.storeys + round % 2 + 1 } }),
    })
    if (!patched.ok) throw new Error(`The edit was answered ${patched.status}: ${await patched.text()}`)
    took.push(1000 * await seconds(async () => {
      const fresh = await fetchAll(own, { inFlight: IN_FLIGHT })
      if (fresh.some(({ etag }, i) => etag === before[i]!.etag)) throw new Error('A tile of the edited building is what it was before.')
    }))
  }
  const still = await fetchAll(others, { inFlight: IN_FLIGHT, headers: i => `If-None-Match: ${before[own.length + i]!.etag}\r\n` })
  const stale = still.filter(({ status }) => status !== 304).length
  if (stale) throw new Error(`${stale} of ${others.length} tiles that the edit did not touch are not what they were.`)
  return [compare({ name: `an edit's ${own.length} tiles z10–16 made anew after its answer (${others.length} others stayed 304)`, unit: '1/ms', ours: 1 / median(took), yardstick: 'at most 200 ms', theirs: 1 / 200, goal: 1 })]
}

const middleOf = ([west, south, east, north]: readonly number[]) => [(west! + east!) / 2 - 0.001, (south! + north!) / 2 - 0.001, (west! + east!) / 2 + 0.001, (south! + north!) / 2 + 0.001]

interface Node3d { readonly content?: { readonly uri: string }; readonly children?: readonly Node3d[] }

/** Every 3D tile of the city once, cold. */
async function solidBench(server: Server): Promise<Result> {
  const base = `${server.url}/3dtiles/buildings/`
  let tileset: { root: Node3d } | undefined
  const first = await seconds(async () => { tileset = await (await fetch(`${base}tileset.json`)).json() as { root: Node3d } })
  const uris: string[] = []
  const walk = ({ content, children = [] }: Node3d) => { if (content) uris.push(new URL(content.uri, base).href); children.forEach(walk) }
  walk(tileset!.root)
  const took = await timed(() => fetchAll(uris, { inFlight: IN_FLIGHT }))
  const bad = took.answers.find(({ status }) => status !== 200)
  if (bad) throw new Error(`A 3D tile was answered ${bad.status}.`)
  const bytes = took.answers.map(answer => answer.bytes)
  const count = ((await (await fetch(`${server.url}/ogc/collections/buildings/items?limit=1`)).json()) as { numberMatched: number }).numberMatched
  console.log(`3D: tileset.json after ${first.toFixed(1)} s; ${uris.length} tiles in ${took.seconds.toFixed(1)} s, ${Math.round(bytes.reduce((a, b) => a + b, 0) / 1e6)} MB, largest ${Math.round(Math.max(...bytes) / 1000)} kB, 95 % ${Math.round(quantile(took.answers.map(({ ms }) => ms), 0.95))} ms`)
  return compare({ name: `3D tiles of ${count.toLocaleString('en')} buildings, cold, both cores at work`, unit: 'buildings/s a core', ours: count / (took.seconds + first) / 2, yardstick: 'at least 3,000', theirs: 3000, goal: 1 })
}

/** GDAL's own tile writer over the same rows: one zoom of a quarter of the city. */
async function ogrBench({ connection, backend: { store }, dataDir }: BigCity, server: Server): Promise<Result> {
  const version = versionOf('ogr2ogr')?.split(',')[0]
  const name = 'tiles z14 of buildings in the middle of the city'
  if (!version) return compare({ name, unit: 'tiles/s', ours: 0, yardstick: 'ogr2ogr -f MVT', theirs: null, goal: 3, reason: 'ogr2ogr is not installed' })
  const { bbox } = await store.layerSummary(store.catalogue.get('buildings'))
  const [west, south, east, north] = bbox!
  const box = [west + (east - west) * 0.375, south + (north - south) * 0.375, west + (east - west) * 0.625, south + (north - south) * 0.625] as const
  const folder = mkdtempSync(join(dataDir, 'ogr-'))
  const source = `PG:host=${connection.host} port=${connection.port} user=${connection.user} dbname=${connection.database}`
  const theirs = await seconds(() => run('ogr2ogr', ['-f', 'MVT', join(folder, 'tiles'), source, '-sql', 'select id, name, use, storeys, year_built, people, height, geom from city.buildings', '-nln', 'buildings', '-spat', ...box.map(String), '-dsco', 'FORMAT=DIRECTORY', '-dsco', 'MINZOOM=14', '-dsco', 'MAXZOOM=14'], { maxBuffer: 1 << 24 }))
  const count = readdirSync(join(folder, 'tiles'), { recursive: true }).filter(file => String(file).endsWith('.pbf')).length
  rmSync(folder, { recursive: true })
  const addresses = tilesOver(box, 14, 1000).map(tile => addressOf({ pattern: `${server.url}/tiles/{layer}/{z}/{x}/{y}.mvt?properties=name,use,storeys,year_built,people,height` }, { layer: 'buildings', ...tile }))
  const mine = await seconds(() => fetchAll(addresses, { inFlight: IN_FLIGHT }))
  return compare({ name, unit: 'tiles/s', ours: addresses.length / mine, yardstick: `${version}, ogr2ogr -f MVT`, theirs: count / theirs, goal: 3 })
}
