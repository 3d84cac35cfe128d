/** Single features written over HTTP by eight clients at once, against plain UPDATEs of a bare table over eight connections. */
import { join } from 'node:path'
import { once } from 'node:events'
import { sql } from 'kysely'
import pg from 'pg'
import { createToken } from '../server/access/tokens.js'
import { freeze } from '../server/import/uploads.js'
import { startWorker } from '../server/worker-thread.js'
import { STEWARD } from '../server/store/store.js'
import { forgetBuildings, writeBuildings } from './buildings.js'
import { compare, median } from './result.js'
import type { Result } from './result.js'
import type { Workbench } from './workbench.js'
import type { WriteLoad, WriteRate } from './write-clients.js'

const COUNT = 50_000
const CLIENTS = 8
const SECONDS = 8
const ROUNDS = 3

export async function writesBench({ backend: { store, jobs }, serve, connection, folder }: Workbench): Promise<readonly Result[]> {
  const town = join(folder, 'edited-town.geojson')
  await writeBuildings(town, COUNT)
  await forgetBuildings(store)
  const job = await jobs.run('import', { file: await freeze(town, folder), dataDir: folder, layer: 'buildings', source: 'edited town', map: ['height=height'] }, STEWARD)
  if (job.state !== 'successful') throw new Error(`The import failed: ${job.message}`)
  await sql`create table public.bare as select * from city.buildings`.execute(store.db)
  await sql`alter table public.bare add primary key (id)`.execute(store.db)
  await sql`analyze`.execute(store.db)
  const ids = (await sql<{ id: number }>`select id from city.buildings`.execute(store.db)).rows.map(row => row.id)
  const { secret: token } = await createToken(store, { subject: 'bench', role: 'editor' })
  const server = await serve()
  try {
    const [ours, theirs] = [[] as WriteRate[], [] as number[]]
    await overHttp({ url: server.url, token, ids, clients: CLIENTS, seconds: 1 })
    for (let round = 0; round < ROUNDS; round++) {
      ours.push(await overHttp({ url: server.url, token, ids, clients: CLIENTS, seconds: SECONDS }))
      theirs.push(await plainUpdates(connection, ids))
    }
    const rate = median(ours.map(({ perSecond }) => perSecond))
    const typical = ours.find(({ perSecond }) => perSecond === rate)!
    console.log(`writes: ${rate.toFixed(0)}/s from ${CLIENTS} clients (goal 500/s); a write takes ${typical.medianMs.toFixed(1)} ms, 95 % take under ${typical.p95Ms.toFixed(1)} ms, the worst ${typical.worstMs.toFixed(0)} ms`)
    return [compare({ name: `single features written over HTTP, ${CLIENTS} clients`, unit: 'writes/s', ours: rate, yardstick: `UPDATE of a bare table, ${CLIENTS} connections`, theirs: median(theirs), goal: GOAL })]
  } finally {
    await server.close()
    await sql`drop table public.bare`.execute(store.db)
  }
}

/** A write over HTTP also checks the row, keeps the former version, tells the feed and the tiles, and takes a revision. */
const GOAL = 0.15

async function overHttp(load: WriteLoad): Promise<WriteRate> {
  const worker = startWorker('./write-clients', import.meta.url, { workerData: load })
  const [rate] = await once(worker, 'message') as [WriteRate]
  await worker.terminate()
  return rate
}

async function plainUpdates(connection: pg.PoolConfig, ids: readonly number[]): Promise<number> {
  const pool = new pg.Pool({ ...connection, max: CLIENTS })
  const start = performance.now()
  let writes = 0
  await Promise.all(Array.from({ length: CLIENTS }, async () => {
    while (performance.now() < start + SECONDS * 1000) {
      const id = ids[Math.floor(Math.random() * ids.length)]
      await pool.query({ name: 'bare', text: 'update public.bare set year_built = $2, people = $3 where id = $1', values: [id, 1960 + writes % 60, writes % 5000] })
      writes++
    }
  }))
  const rate = writes / (performance.now() - start) * 1000
  await pool.end()
  return rate
}
