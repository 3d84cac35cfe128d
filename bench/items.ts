/**
 * Pages of features of the big city over HTTP, beside a bare statement and every peer that BENCH_ITEM_PEERS names: the same layer,
 * the same attributes, the same database, in turn. Then deep pages, and the server's memory while a million features pass.
 *
 * BENCH_ITEM_PEERS='pg_featureserv=http://127.0.0.1:9000/collections/city.buildings/items.json?limit={limit}&properties={properties} …'
 */
import { Agent, get, type IncomingMessage } from 'node:http'
import pg from 'pg'
import { openBigCity, BUILDINGS, type BigCity, type Server } from './big-city.js'
import { compare, median, seconds, type Result } from './result.js'

const PAGE = Math.min(10_000, BUILDINGS / 4)
const ROUNDS = 7
const PROPERTIES = 'name,use,storeys,year_built,people,height'

interface Peer { readonly name: string; readonly address: string }

function peersFrom(text = process.env.BENCH_ITEM_PEERS ?? ''): readonly Peer[] {
  return text.split(/\s+/).filter(Boolean).map(each => {
    const [, name, pattern] = /^([\w-]+)=(http:\/\/\S+)$/.exec(each) ?? []
    if (!name || !pattern?.includes('{limit}')) throw new Error(`BENCH_ITEM_PEERS names servers as name=http://host:port/…{limit}…{properties}…, separated by spaces; “${each}” is not so.`)
    return { name, address: pattern.replace('{limit}', String(PAGE)).replace('{properties}', PROPERTIES) }
  })
}

export async function itemsBench(): Promise<readonly Result[]> {
  const city = await openBigCity()
  const server = await city.serve()
  try {
    return [...await pagesBench(city, server), ...await depthBench(server), ...await streamBench(server)]
  } finally {
    await server.close()
    await city.close()
  }
}

async function pagesBench({ connection }: BigCity, { url }: Server): Promise<readonly Result[]> {
  const client = new pg.Client({ ...connection, options: '-c jit=off' })
  await client.connect()
  const ours = { name: 'dothi', address: `${url}/ogc/collections/buildings/items?f=json&limit=${PAGE}&properties=${PROPERTIES}` }
  const bare = async () => {
    const { rows: [row] } = await client.query<{ page: string }>(`
      select json_build_object('type', 'FeatureCollection', 'features', json_agg(json_build_object(
        'type', 'Feature', 'id', id, 'geometry', st_asgeojson(geom, 7)::json, 'properties', json_build_object(${PROPERTIES.split(',').map(name => `'${name}', ${name}`).join(', ')}))))::text as page
      from (select id, geom, ${PROPERTIES} from city.buildings order by id limit ${PAGE}) as t`)
    return row!.page
  }
  const sides = [{ name: 'one bare statement', ask: bare }, ...[...peersFrom(), ours].map(({ name, address }) => ({ name, ask: async () => (await ask(address)).text }))]
  const took = new Map<string, number[]>(sides.map(({ name }) => [name, []]))
  try {
    for (let round = 0; round < ROUNDS; round++) for (const side of sides) {
      let page: string | Buffer = ''
      took.get(side.name)!.push(await seconds(async () => { page = await side.ask() }))
      // Outside of the time that is measured: reading an answer costs the client as much as it costs a fast server to write it.
      const features = count(String(page))
      if (features !== PAGE) throw new Error(`${side.name} gave ${features} features of ${PAGE}.`)
    }
  } finally { await client.end() }
  const rate = (name: string) => PAGE / median(took.get(name)!)
  for (const { name } of sides) console.log(`${name.padEnd(20)} ${Math.round(rate(name)).toLocaleString('en')} features/s`)
  return sides.filter(({ name }) => name !== ours.name).map(({ name }) => compare({
    name: `a page of ${PAGE.toLocaleString('en')} buildings as GeoJSON`, unit: 'features/s', ours: rate(ours.name), yardstick: name, theirs: rate(name), goal: name === 'one bare statement' ? 1 : 2,
  }))
}

/** Time to the first byte of the first page and of one nine tenths down, which a keyset leads to as fast. */
async function depthBench({ url }: Server): Promise<readonly Result[]> {
  const first = `${url}/ogc/collections/buildings/items?f=json&limit=10`
  const { text } = await ask(`${url}/ogc/collections/buildings/items?f=json&limit=${PAGE}&skipGeometry=true&properties=`)
  const ids = (JSON.parse(String(text)) as { features: { id: number }[] }).features.map(({ id }) => id)
  // Ids of an import follow one another: the feature so far down is found by its id, and its page by the link of the one before.
  const deepId = ids[0]! + Math.floor(BUILDINGS * 0.9)
  const page = JSON.parse(String((await ask(`${first}&filter=id%3E%3D${deepId}`)).text)) as { links: { rel: string; href: string }[] }
  const cursor = new URL(page.links.find(({ rel }) => rel === 'next')!.href).searchParams.get('cursor')!
  const times = { first: [] as number[], deep: [] as number[] }
  for (let round = 0; round < 30; round++) {
    times.first.push((await ask(first)).firstByteMs)
    times.deep.push((await ask(`${first}&cursor=${cursor}`)).firstByteMs)
  }
  return [compare({ name: 'first byte of a page at 90 % of a million', unit: '1/ms', ours: 1 / median(times.deep), yardstick: 'the first page', theirs: 1 / median(times.first), goal: 0.7 })]
}

/** All features, page after page, and again as one file; the memory afterwards. */
async function streamBench(server: Server): Promise<readonly Result[]> {
  const before = server.peakMB()
  let [next, features] = [`${server.url}/ogc/collections/buildings/items?f=json&limit=${PAGE}` as string | undefined, 0]
  const pages = await seconds(async () => {
    while (next) {
      const text = String((await ask(next)).text)
      features += count(text)
      next = (JSON.parse(text.slice(text.lastIndexOf('"links":') - 1).replace(/^,?/, '{')) as { links: { rel: string; href: string }[] }).links.find(({ rel }) => rel === 'next')?.href
    }
  })
  if (features !== BUILDINGS) throw new Error(`${features} features came on all pages, not ${BUILDINGS}.`)
  let bytes = 0
  const file = await seconds(async () => { bytes = await drain(`${server.url}/exports?layers=buildings&format=geojson`) })
  console.log(`${features.toLocaleString('en')} features as pages in ${pages.toFixed(1)} s, as one file of ${Math.round(bytes / 1e6)} MB in ${file.toFixed(1)} s; memory ${before} → ${server.peakMB()} MB`)
  return [
    compare({ name: 'memory of the server after a million features twice', unit: '1/MB', ours: 1 / server.peakMB(), yardstick: `at most 600 MB; it had ${server.peakMB()}`, theirs: 1 / 600, goal: 1 }),
  ]
}

const count = (text: string) => text.split(/"type" ?: ?"Feature"/).length - 1

const agent = new Agent({ keepAlive: true, maxSockets: 1 })

async function open(address: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => get(address, { agent, headers: { Accept: 'application/geo+json, application/json' } }, resolve).on('error', reject))
}

async function ask(address: string): Promise<{ text: Buffer; firstByteMs: number }> {
  const from = performance.now()
  const response = await open(address)
  const parts: Buffer[] = []
  let firstByteMs = 0
  for await (const part of response) {
    firstByteMs ||= performance.now() - from
    parts.push(part as Buffer)
  }
  const text = Buffer.concat(parts)
  if (response.statusCode !== 200) throw new Error(`${address} answered ${response.statusCode}: ${text.toString('utf8', 0, 300)}`)
  return { text, firstByteMs }
}

async function drain(address: string): Promise<number> {
  let bytes = 0
  for await (const part of await open(address)) bytes += (part as Buffer).length
  return bytes
}
