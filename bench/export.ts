/**
 * Every export format of a town, against ogr2ogr from the same PostGIS where it writes that format. Both sides read the layer's
 * public columns and geometry; ours reads through the one door, in a snapshot. Memory is the most that the process has held.
 */
import { execFile } from 'node:child_process'
import { rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { writeChunks } from '../server/export/files.js'
import type { FormatId } from '../server/export/export.js'
import { planExport } from '../server/export/plan.js'
import { exportChunks } from '../server/export/stream.js'
import { freeze } from '../server/import/uploads.js'
import { STEWARD } from '../server/store/store.js'
import { writeBuildings } from './buildings.js'
import { compare, seconds, versionOf, type Result } from './result.js'
import type { Workbench } from './workbench.js'

const run = promisify(execFile)
const COUNT = 100_000

/** GDAL's drivers; the others have none here. */
const DRIVERS: Partial<Record<FormatId, string>> = { geojson: 'GeoJSON', geojsonseq: 'GeoJSONSeq', gpkg: 'GPKG', flatgeobuf: 'FlatGeobuf', csv: 'CSV', kml: 'KML', dxf: 'DXF' }

export async function exportBench({ backend: { store, jobs }, connection, folder }: Workbench): Promise<readonly Result[]> {
  const town = join(folder, 'export-town.geojson')
  await writeBuildings(town, COUNT)
  const job = await jobs.run('import', { file: await freeze(town, folder), dataDir: folder, layer: 'buildings', source: 'export town', map: ['height=height'] }, STEWARD)
  if (job.state !== 'successful') throw new Error(`The import failed: ${job.message}`)
  const { count } = await store.layerSummary(store.catalogue.get('buildings'))
  const ogr = versionOf('ogr2ogr')
  const pg = `PG:host=${connection.host} port=${connection.port} user=${connection.user} dbname=${connection.database}`
  const results: Result[] = []
  for (const format of ['geojson', 'geojsonseq', 'csv', 'gpkg', 'flatgeobuf', 'geoparquet', 'kml', 'dxf', 'cityjson', 'cityjsonseq'] as const) {
    const plan = await planExport({ app: { store }, reader: STEWARD, branch: 'main' }, { layers: ['buildings'], format, crs: 'EPSG:4326' })
    const path = join(folder, plan.fileName)
    let memory = 0
    const watch = setInterval(() => { memory = Math.max(memory, process.memoryUsage().rss) }, 20)
    const ours = await seconds(() => writeChunks(path, exportChunks(store, STEWARD, plan, { signal: new AbortController().signal })))
    clearInterval(watch)
    const megabytes = statSync(path).size / 1e6
    rmSync(path)
    const driver = DRIVERS[format]
    const theirs = ogr && driver ? await seconds(() => run('ogr2ogr', ['-f', driver, path, pg, ...(driver === 'DXF' ? ['-sql', 'select geom from city.buildings'] : ['-sql', COLUMNS]), ...(driver === 'CSV' ? ['-lco', 'GEOMETRY=AS_WKT'] : [])])) : null
    rmSync(path, { force: true })
    results.push(compare({
      name: `export ${count.toLocaleString('en')} buildings, ${format} (${megabytes.toFixed(0)} MB, process at most ${Math.round(memory / 1e6)} MB)`, unit: 'features/s', goal: 0.5,
      ours: count / ours, yardstick: 'ogr2ogr from PostGIS', theirs: theirs === null ? null : count / theirs, ...(theirs === null ? { reason: ogr ? 'GDAL here does not write it' : 'ogr2ogr is not installed' } : {}),
    }))
  }
  return results
}

/** What ours exports, without the second geometries. */
const COLUMNS = `select id, code, name, use, storeys, basement_storeys, year_built, ground_floor_level_m, structure, roof, floor_area_m2, people, address, ward_code, parcel_code,
  condition, transformer_code, ground_z, height, source, source_id, revision, valid_from, geom from city.buildings`
