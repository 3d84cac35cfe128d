import { execFile, spawn } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Feature } from '../../core/feature.js'
import { findPlacement, type Cell } from './coordinates.js'
import { sridOfWkt } from './crs.js'
import { badFile } from './fault.js'
import { featuresOfLines } from './geojson.js'
import type { OpenOptions } from './reader.js'
import type { SourceFile, SourceLayer } from './source.js'
import { westernOf } from './vietnamese.js'

const run = promisify(execFile)

/** Endings that are left to GDAL, with the driver that may read them. Others, and with them all that reach the network or other files, are never tried. */
const DRIVERS: Readonly<Record<string, string>> = {
  '.dgn': 'DGN', '.tab': 'MapInfo File', '.mif': 'MapInfo File', '.gdb': 'OpenFileGDB', '.000': 'S57', '.gpx': 'GPX', '.xls': 'XLS', '.ods': 'ODS', '.e00': 'AVCE00',
  '.gxt': 'Geoconcept', '.topojson': 'TopoJSON', '.jml': 'JML', '.sxf': 'SXF', '.vct': 'Idrisi', '.ntf': 'UK .NTF', '.dwg': 'CAD', '.gmt': 'OGR_GMT',
}
export const GDAL_EXTENSIONS = [...Object.keys(DRIVERS).filter(extension => extension !== '.gdb'), '.gdbtable']
/** What stands beside them. */
export const GDAL_COMPANIONS = ['.dat', '.map', '.id', '.ind', '.mid', '.gdbtablx', '.gdbindexes', '.spx', '.atx', '.freelist', '.horizon']

const MAX_MINUTES = 60
const MAX_OUTPUT_BYTES = 64 * 2 ** 30
const MAX_ERROR_BYTES = 1 << 16

let known: Promise<readonly string[]> | undefined
/** Names of the drivers that this GDAL has. */
function driverNames(): Promise<readonly string[]> {
  return known ??= Promise.all(['ogrinfo', 'gdalinfo'].map(tool => run(tool, ['--formats'], { env: { PATH: process.env.PATH } })))
    .then(reports => [...new Set(reports.flatMap(({ stdout }) => [...stdout.matchAll(/^ {2}(\S.*?) -[\w,]+- \(/gm)].map(match => match[1]!)))])
    .catch(error => { known = undefined; throw (error as NodeJS.ErrnoException).code === 'ENOENT' ? gdalMissing() : error })
}

/**
 * Nothing of this process's environment but where programs are; every driver skipped but the ones that are needed, so that no file
 * is taken for another format that reads the network or other files; a proxy that is not there for whatever would still ask the network.
 */
async function sandbox(...drivers: readonly string[]): Promise<NodeJS.ProcessEnv> {
  const skipped = (await driverNames()).filter(name => !drivers.includes(name))
  const { PATH, GDAL_DATA, PROJ_LIB, PROJ_DATA } = process.env
  const nowhere = 'http://127.0.0.1:9'
  return {
    PATH, LC_ALL: 'C.UTF-8', TZ: 'UTC', ...(GDAL_DATA ? { GDAL_DATA } : {}), ...(PROJ_LIB ? { PROJ_LIB } : {}), ...(PROJ_DATA ? { PROJ_DATA } : {}),
    GDAL_SKIP: skipped.join(','), GDAL_CACHEMAX: '256', GDAL_HTTP_PROXY: nowhere, http_proxy: nowhere, https_proxy: nowhere, PROJ_NETWORK: 'OFF', GDAL_DISABLE_READDIR_ON_OPEN: 'FALSE', OGR_XLS_HEADERS: 'FORCE', OGR_ODS_HEADERS: 'FORCE',
  }
}

/**
 * A file of one of GDAL's formats, streamed through `ogr2ogr` where that is installed: coordinates stay in the file's CRS, curves become
 * lines. No shell, one driver, no network, bounded time. Throws a Problem where GDAL is missing or cannot read the file.
 */
export async function openWithGdal(file: string, options: OpenOptions): Promise<SourceFile> {
  const extension = (/\.\w+$/.exec(file)?.[0] ?? '').toLowerCase()
  const driver = DRIVERS[extension] ?? DRIVERS[(/\.\w+$/.exec(options.name)?.[0] ?? '').toLowerCase()]
  if (!driver) throw badFile(`The file “${options.name.slice(0, 80)}” is of no format that is left to GDAL.`)
  const layers = await listLayers(file, driver)
  if (layers.length === 0) throw badFile(`GDAL finds no layers in “${options.name.slice(0, 80)}”.`)
  const sources: SourceLayer[] = []
  for (const layer of layers) {
    const lines = new LineDecoder()
    const source = await placed({ ...layer, features: () => convert(file, driver, layer.name, lines, options.signal) })
    sources.push(lines.undeclared ? { ...source, undeclared: true } : source)
  }
  return { format: 'gdal', layers: sources, close: async () => {}, notes: () => [`read through GDAL (${driver})`] }
}

export const gdalMissing = () => badFile('This format is read through GDAL, and ogr2ogr is not installed here. Install it (Debian: gdal-bin), or convert the file to GeoPackage.')

/** `ogrinfo` names layers, counts and systems; its report is read line by line, since older versions have no JSON. */
async function listLayers(file: string, driver: string): Promise<{ name: string; srid: number | null; count?: number }[]> {
  let report: string
  try {
    ({ stdout: report } = await run('ogrinfo', ['-ro', '-so', '-al', '-nomd', '-wkt_format', 'WKT1', file], { env: await sandbox(driver), timeout: 120_000, maxBuffer: 64 << 20 }))
  } catch (error) {
    throw gdalProblem(error as NodeJS.ErrnoException & { stderr?: string; stdout?: string }, driver)
  }
  return report.split(/^Layer name: /m).slice(1).map(block => {
    const lines = block.split('\n')
    const count = /^Feature Count: (\d+)/m.exec(block)?.[1]
    const wkt = /^Layer SRS WKT:\n([\s\S]*?)(?=^(?:Data axis|FID Column|Geometry Column|\w[^\n\[]*:\s|$))/m.exec(block)?.[1] ?? ''
    return { name: lines[0]!, srid: sridOfWkt(wkt.trim()) ?? (/^GEOGCS\["unnamed",\s*DATUM\["WGS_1984"/.test(wkt.trim()) ? 4326 : null), ...(count === undefined ? {} : { count: Number(count) }) }
  }).filter(layer => layer.count !== 0)
}

function gdalProblem(error: NodeJS.ErrnoException & { stderr?: string; stdout?: string }, driver: string): Error {
  if (error.code === 'ENOENT') return gdalMissing()
  const said = `${error.stderr ?? ''}\n${error.stdout ?? ''}`.split('\n').map(line => line.trim()).find(line => /error|fail|unable|cannot/i.test(line)) ?? error.message.split('\n')[0]!
  const hint = driver === 'CAD' ? ' Save drawings as DXF.' : ''
  return badFile(`GDAL (${driver}) cannot read the file: ${said.replace(/\/\S*\//g, '').slice(0, 200)}.${hint}`)
}

/** One layer as GeoJSON by lines. `-a_srs` keeps the driver from turning coordinates into longitude and latitude. */
async function* convert(file: string, driver: string, layer: string, lines: LineDecoder, signal: AbortSignal | undefined): AsyncGenerator<Feature> {
  const args = ['-f', 'GeoJSONSeq', '/vsistdout/', file, layer, '-a_srs', 'EPSG:4326', '-nlt', 'CONVERT_TO_LINEAR', '-lco', 'RS=NO', '-lco', 'COORDINATE_PRECISION=10', '-lco', 'SIGNIFICANT_FIGURES=17', '-skipfailures']
  const child = spawn('ogr2ogr', args, { env: await sandbox(driver, 'GeoJSONSeq', 'GeoJSON'), stdio: ['ignore', 'pipe', 'pipe'], timeout: MAX_MINUTES * 60_000, ...(signal ? { signal } : {}) })
  let said = ''
  child.stderr.on('data', chunk => { if (said.length < MAX_ERROR_BYTES) said += String(chunk) })
  const ended = new Promise<number | null>((resolve, reject) => { child.once('error', reject); child.once('close', resolve) })
  ended.catch(() => {})
  try {
    for await (const feature of featuresOfLines(bounded(child.stdout), 'output of GDAL', line => lines.decode(line))) yield plain(feature)
    const code = await ended
    if (code === null) throw badFile(`GDAL did not finish within ${MAX_MINUTES} minutes and was stopped.`)
    if (code !== 0) throw gdalProblem(Object.assign(new Error(said || `it ended with code ${code}`), { stderr: said }), driver)
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ENOENT' ? gdalMissing() : error
  } finally {
    child.kill('SIGKILL')
  }
}

/** GDAL hands on bytes that no format says the encoding of (MapInfo's “Neutral”, DGN) as they are. */
class LineDecoder {
  undeclared = false
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true })
  readonly #western = new TextDecoder('windows-1252')

  decode(line: Buffer): string {
    try {
      return this.#utf8.decode(line)
    } catch {
      this.undeclared = true
      return westernOf(this.#western.decode(line))
    }
  }
}

async function* bounded(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let bytes = 0
  for await (const chunk of stream) {
    bytes += chunk.length
    if (bytes > MAX_OUTPUT_BYTES) throw badFile('GDAL made more than 64 GiB of the file; it was stopped.')
    yield chunk
  }
}

/** Dates as ISO has them; ids of the stream are row numbers, no identities. */
function plain(feature: Feature): Feature {
  const properties: Record<string, unknown> = {}
  for (const key in feature.properties) {
    const value = feature.properties[key]
    properties[key] = typeof value === 'string' && /^\d{4}\/\d{2}\/\d{2}/.test(value) ? value.replace(/^(\d{4})\/(\d{2})\/(\d{2})(?: (?=\d))?/, (_, y, m, d) => `${y}-${m}-${d}${value.length > 10 ? 'T' : ''}`) : value
  }
  return { geometry: feature.geometry, properties, ...(feature.row === undefined ? {} : { row: feature.row }) }
}

/** Tables without geometry (old Excel, OpenDocument) get it from their columns of coordinates, where they have some. */
async function placed(layer: SourceLayer): Promise<SourceLayer> {
  const sample: Feature[] = []
  for await (const feature of layer.features()) if (sample.push(feature) >= 200) break
  if (sample.length === 0 || sample.some(feature => feature.geometry)) return layer
  const header = Object.keys(sample[0]!.properties)
  const cells = (feature: Feature) => header.map(name => (feature.properties[name] ?? null) as Cell)
  const placement = findPlacement(header, sample.map(cells), `layer ${layer.name}`)
  return {
    ...layer, srid: layer.srid ?? placement.srid,
    async *features() {
      for await (const feature of layer.features())
        yield { ...feature, ...placement.place(cells(feature)), properties: Object.fromEntries(header.filter((_, i) => !placement.used.has(i)).map(name => [name, feature.properties[name]])) }
    },
  }
}

const DATABASES: Readonly<Record<string, string>> = { PG: 'PostgreSQL', MSSQL: 'MSSQLSpatial', MYSQL: 'MySQL', OCI: 'OCI', ODBC: 'ODBC' }
export const isConnection = (text: string) => /^(PG|MSSQL|MYSQL|OCI|ODBC):/i.test(text)

/**
 * Copies the layers of a database into a GeoPackage in `folder`, which is then imported as any file is. For the command line alone:
 * whoever gives a connection string reaches whatever this machine reaches.
 */
export async function copyDatabase(connection: string, folder: string, layer: string | undefined, signal?: AbortSignal): Promise<string> {
  const kind = connection.slice(0, connection.indexOf(':')).toUpperCase()
  const file = join(folder, `${DATABASES[kind]!.toLowerCase()}.gpkg`)
  try {
    await run('ogr2ogr', ['-f', 'GPKG', file, connection, ...(layer === undefined ? [] : [layer])], { env: await sandbox(DATABASES[kind]!, 'GPKG'), timeout: MAX_MINUTES * 60_000, maxBuffer: 16 << 20, ...(signal ? { signal } : {}) })
  } catch (error) {
    throw gdalProblem(error as NodeJS.ErrnoException & { stderr?: string }, DATABASES[kind]!)
  }
  return file
}
