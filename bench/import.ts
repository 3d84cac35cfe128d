/**
 * Import of a GeoPackage with checks, ids, history and change log, against ogr2ogr with COPY into a bare table of the same cluster.
 * Both sides fill an empty table each round and leave it with its indexes: ours has those of search and tiles besides.
 */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { sql } from 'kysely'
import { freeze } from '../server/import/uploads.js'
import { STEWARD } from '../server/store/store.js'
import { compare, inTurn, seconds, versionOf } from './result.js'
import type { Result } from './result.js'
import type { Workbench } from './workbench.js'
import { emptyBuildings, writeBuildings } from './buildings.js'

const run = promisify(execFile)
export const COUNT = 60_000
const ROUNDS = 5

export async function importBench({ backend: { store, jobs }, connection, folder }: Workbench): Promise<readonly Result[]> {
  const base = { name: `import ${COUNT.toLocaleString('en')} buildings, GeoPackage, with checks and history`, unit: 'rows/s', yardstick: 'ogr2ogr into a bare table', goal: 0.5 }
  const json = join(folder, 'town.geojson')
  await writeBuildings(json, COUNT)
  const ogr = versionOf('ogr2ogr')
  const file = ogr ? join(folder, 'town.gpkg') : json
  if (ogr) await run('ogr2ogr', ['-f', 'GPKG', file, json, '-nln', 'town'])
  const frozen = await freeze(file, folder)
  let round = 0
  const ours = async () => {
    await emptyBuildings(store)
    return seconds(async () => {
      const job = await jobs.run('import', { file: frozen, dataDir: folder, layer: 'buildings', source: `town ${++round}`, map: ['height=height'] }, STEWARD)
      if (job.state !== 'successful') throw new Error(`The import failed: ${job.message}`)
    })
  }
  const pg = `PG:host=${connection.host} port=${connection.port} user=${connection.user} dbname=${connection.database}`
  const theirs = async () => {
    await sql`drop table if exists bare_town`.execute(store.db)
    return seconds(() => run('ogr2ogr', ['-f', 'PostgreSQL', pg, file, '-nln', 'bare_town', '-lco', 'GEOMETRY_NAME=geom', '-lco', 'SPATIAL_INDEX=GIST', '--config', 'PG_USE_COPY', 'YES']))
  }
  const rate = (duration: number) => COUNT / duration
  if (!ogr) return [compare({ ...base, ours: rate(await ours()), theirs: null, reason: 'ogr2ogr is not installed' })]
  const took = await inTurn(ROUNDS, ours, theirs)
  await sql`drop table bare_town`.execute(store.db)
  return [compare({ ...base, yardstick: `${ogr.split(',')[0]}, ogr2ogr into a bare table`, ours: rate(took.ours), theirs: rate(took.theirs) })]
}
