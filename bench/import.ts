/**
 * Imports with checks, ids, history and change log into an empty layer, against what other tools do with the same file on the
 * same cluster. `BENCH_ROWS=1000000 make bench` is the full size.
 */
import { execFile } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { promisify } from 'node:util'
import { sql } from 'kysely'
import { freeze, type FrozenFile } from '../server/import/uploads.js'
import { STEWARD } from '../server/store/store.js'
import { compare, inTurn, seconds, versionOf } from './result.js'
import type { Result } from './result.js'
import type { Workbench } from './workbench.js'
import { buildingRing, forgetBuildings, writeBuildings } from './buildings.js'

const run = promisify(execFile)
const COUNT = Number(process.env.BENCH_ROWS ?? 200_000)
const ROUNDS = COUNT > 500_000 ? 1 : 3
const TABLE = 'bare_town'
/** The indexes of our layer, on the bare table's columns: what a table needs to be read and searched as ours is. */
const SAME_INDEXES = [
  `using btree (fid)`, `using gist (st_transform(geom, 3857))`, `using gin (dothi.fold(name) gin_trgm_ops)`,
]

export async function importBench(bench: Workbench): Promise<readonly Result[]> {
  const json = join(bench.folder, 'town.geojson')
  await writeBuildings(json, COUNT)
  const ogr = versionOf('ogr2ogr')?.split(',')[0]
  const rows = `${COUNT.toLocaleString('en')} buildings`
  if (!ogr) {
    const ours = await rate(() => importOurs(bench, json))
    return [compare({ name: `import ${rows}, GeoJSON`, unit: 'rows/s', ours, yardstick: 'ogr2ogr', theirs: null, goal: 0.5, reason: 'ogr2ogr is not installed' })]
  }
  const results: Result[] = []
  for (const [driver, extension] of [['GPKG', 'gpkg'], ['FlatGeobuf', 'fgb']] as const) {
    const file = join(bench.folder, `town.${extension}`)
    await run('ogr2ogr', ['-f', driver, file, json, '-nln', 'town'])
    const took = await inTurn(ROUNDS, () => importOurs(bench, file), () => importBare(bench, file))
    const indexing = await seconds(() => indexAsOurs(bench))
    const base = { name: `import ${rows}, ${driver}, with checks and history`, unit: 'rows/s', ours: COUNT / took.ours }
    results.push(
      compare({ ...base, yardstick: `${ogr}, ogr2ogr into a bare table`, theirs: COUNT / took.theirs, goal: 0.5 }),
      compare({ ...base, yardstick: 'the same with the same kinds of indexes', theirs: COUNT / (took.theirs + indexing), goal: 1 }))
  }
  await sql`drop table ${sql.table(TABLE)}`.execute(bench.backend.store.db)
  return [...results, await osmBench(bench)]
}

const rate = async (work: () => Promise<number>) => COUNT / await work()

async function importOurs({ backend: { store, jobs }, folder }: Workbench, file: string, options: object = { layer: 'buildings', map: ['height=height'] }): Promise<number> {
  await forgetBuildings(store)
  const frozen: FrozenFile = await freeze(file, folder)
  return seconds(async () => {
    const job = await jobs.run('import', { file: frozen, dataDir: folder, source: 'town', exclusive: true, ...options }, STEWARD)
    if (job.state !== 'successful') throw new Error(`The import failed: ${job.message}`)
  })
}

async function importBare({ backend: { store }, connection }: Workbench, file: string): Promise<number> {
  await sql`drop table if exists ${sql.table(TABLE)}`.execute(store.db)
  await sql`checkpoint`.execute(store.db)
  const pg = `PG:host=${connection.host} port=${connection.port} user=${connection.user} dbname=${connection.database}`
  return seconds(() => run('ogr2ogr', ['-f', 'PostgreSQL', pg, file, '-nln', TABLE, '-lco', 'GEOMETRY_NAME=geom', '-lco', 'FID=fid', '-lco', 'SPATIAL_INDEX=GIST', '--config', 'PG_USE_COPY', 'YES']))
}

async function indexAsOurs({ backend: { store } }: Workbench): Promise<void> {
  for (const definition of SAME_INDEXES) await sql.raw(`create index on ${TABLE} ${definition}`).execute(store.db)
}

/** OSM PBF: closed ways with their nodes, the same town. */
async function osmBench(bench: Workbench): Promise<Result> {
  const base = { name: `import ${COUNT.toLocaleString('en')} buildings, OSM PBF, with checks and history`, unit: 'rows/s', goal: 0.5 }
  if (versionOf('osm2pgsql') === undefined || versionOf('osmium') === undefined)
    return { ...base, ours: 0, yardstick: 'osm2pgsql', theirs: null, ratio: null, reason: 'osm2pgsql and osmium-tool are not both installed' }
  const xml = join(bench.folder, 'town.osm')
  const pbf = join(bench.folder, 'town.osm.pbf')
  await writeOsm(xml, COUNT)
  await run('osmium', ['cat', xml, '-o', pbf, '--overwrite'])
  const { host, port, user, database } = bench.connection
  const theirs = () => seconds(() => run('osm2pgsql', ['--create', '-O', 'pgsql', '-d', `host=${host} port=${port} user=${user} dbname=${database}`, pbf]))
  const took = await inTurn(ROUNDS, () => importOurs(bench, pbf, {}), theirs)
  return compare({ ...base, ours: COUNT / took.ours, yardstick: 'osm2pgsql, its default tables', theirs: COUNT / took.theirs })
}

async function writeOsm(path: string, count: number): Promise<void> {
  const out = createWriteStream(path)
  const write = async (text: string) => { if (!out.write(text)) await once(out, 'drain') }
  await write('<?xml version="1.0" encoding="UTF-8"?>\n<osm version="0.6" generator="dothi bench">\n')
  const corners = (n: number) => buildingRing(n, count).slice(0, -1)
  const nodeId = (n: number, i: number) => n * 8 + i + 1
  for (let n = 0; n < count; n++)
    await write(corners(n).map(([lon, lat], i) => `<node id="${nodeId(n, i)}" version="1" lat="${lat}" lon="${lon}"/>\n`).join(''))
  for (let n = 0; n < count; n++)
    await write(`<way id="${n + 1}" version="1">${[...corners(n).map((_, i) => i), 0].map(i => `<nd ref="${nodeId(n, i)}"/>`).join('')}<tag k="building" v="house"/><tag k="name" v="Nhà ${n}"/><tag k="building:levels" v="${1 + n % 5}"/></way>\n`)
  await write('</osm>\n')
  out.end()
  await finished(out)
}
