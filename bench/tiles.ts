/** Vector tiles over HTTP, cold, against the bare SQL of the same tiles: what any tile server over this PostGIS must at least send. */
import { Agent, get } from 'node:http'
import { join } from 'node:path'
import { sql } from 'kysely'
import pg from 'pg'
import { freeze } from '../server/import/uploads.js'
import { STEWARD } from '../server/store/store.js'
import { forgetBuildings, writeBuildings } from './buildings.js'
import { tilesOver } from './tile-list.js'
import { compare, inTurn, median, seconds } from './result.js'
import type { Result } from './result.js'
import type { Workbench } from './workbench.js'

const IN_FLIGHT = 4

const COUNT = 180_000

export async function tilesBench({ backend: { store, jobs }, serve, connection, folder }: Workbench): Promise<readonly Result[]> {
  const town = join(folder, 'large-town.geojson')
  await writeBuildings(town, COUNT)
  await forgetBuildings(store)
  const job = await jobs.run('import', { file: await freeze(town, folder), dataDir: folder, layer: 'buildings', source: 'large town', map: ['height=height'] }, STEWARD)
  if (job.state !== 'successful') throw new Error(`The import failed: ${job.message}`)
  await sql`analyze city.buildings`.execute(store.db)
  const layer = store.catalogue.get('buildings')
  const { bbox, count } = await store.layerSummary(layer)
  const tiles = [13, 14, 15, 16].flatMap(z => tilesOver(bbox!, z, 60))
  const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT })
  const pool = new pg.Pool({ ...connection, max: IN_FLIGHT, options: '-c jit=off' })
  const all = (url: string) => seconds(() => inParallel(tiles, ({ z, x, y }) => download(agent, `${url}/tiles/buildings/${z}/${x}/${y}.mvt`)))
  const warm: number[] = []
  try {
    const took = await inTurn(3, async () => {
      const server = await serve() // a new one has an empty cache
      const cold = await all(server.url)
      warm.push(await all(server.url))
      await server.close()
      return cold
    }, () => seconds(() => inParallel(tiles, ({ z, x, y }) => pool.query({ name: 'tile', text: BARE, values: [z, x, y] }))))
    const rate = (duration: number) => tiles.length / duration
    const common = { unit: 'tiles/s', yardstick: 'bare ST_AsMVT', theirs: rate(took.theirs) }
    const name = `${tiles.length} tiles z13–16 of ${count.toLocaleString('en')} buildings`
    return [
      compare({ name: `${name}, cold`, ...common, ours: rate(took.ours), goal: 1 }),
      compare({ name: `${name}, warm`, ...common, ours: rate(median(warm)), goal: 3 }),
    ]
  } finally {
    agent.destroy()
    await pool.end()
  }
}

/** The attributes that our tiles carry too. */
const BARE = `
  select st_asmvt(t, 'buildings', 4096, 'geom', 'id') from (
    select id, name, use, storeys, year_built, people, height, st_asmvtgeom(geom_3857, st_tileenvelope($1, $2, $3), 4096, 64, true) as geom
    from city.buildings where geom_3857 && st_tileenvelope($1, $2, $3, margin => 64.0 / 4096)) t
  where geom is not null`

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const queue = items.values()
  await Promise.all(Array.from({ length: IN_FLIGHT }, async () => { for (const item of queue) await work(item) }))
}

function download(agent: Agent, address: string): Promise<void> {
  return new Promise((done, fail) => {
    get(address, { agent, headers: { 'accept-encoding': 'gzip' } }, response => {
      response.resume()
      response.on('end', () => response.statusCode! < 300 ? done() : fail(new Error(`${address} answered ${response.statusCode}`)))
    }).on('error', fail)
  })
}
