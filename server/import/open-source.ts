import { stat } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import { openCityJson } from './cityjson.js'
import { badFile, reading } from './fault.js'
import { openGeoJson, openGeoJsonSequence } from './geojson.js'
import { openGeoPackage } from './geopackage.js'
import { openOsm } from './osm.js'
import { openShapefiles } from './shapefile.js'
import type { Format, SourceFile, TerrainFormat } from './source.js'
import { readAsc } from './terrain/asc.js'
import { readGeoTiff } from './terrain/geotiff.js'
import type { HeightGrid } from './terrain/grid.js'
import { readHgt } from './terrain/hgt.js'
import { contentHead, gunzipTo, head, isGzip, isZip, scratchFolder, unzipTo } from './unpack.js'

export type Opened =
  | { readonly kind: 'features'; readonly source: SourceFile }
  | { readonly kind: 'terrain'; readonly format: TerrainFormat; readonly grid: HeightGrid; close(): Promise<void> }

/**
 * Opens any file that can be imported: its format is told by its content first, then by its name.
 * `name` is what people call it, where the path is something else. Throws a Problem in one sentence for what cannot be read.
 */
export async function openAny(file: string, name = basename(file)): Promise<Opened> {
  const start = await reading('file', () => head(file, 4))
  if ((await stat(file)).size === 0) throw badFile('The file is empty.')
  return isZip(start) ? openZip(file) : openPlain(file, name)
}

async function openPlain(file: string, name: string): Promise<Opened> {
  const format = await detect(file, name)
  switch (format) {
    case 'geotiff': return terrain(format, await readGeoTiff(file))
    case 'hgt': return terrain(format, await readHgt(file))
    case 'asc': return terrain(format, await readAsc(file))
    default: return { kind: 'features', source: await openFeatures(file, format) }
  }
}

const terrain = (format: TerrainFormat, grid: HeightGrid): Opened => ({ kind: 'terrain', format, grid, close: async () => {} })

async function openFeatures(file: string, format: Format): Promise<SourceFile> {
  switch (format) {
    case 'geojson': return openGeoJson(file)
    case 'geojsonseq': return openGeoJsonSequence(file)
    case 'cityjson': return openCityJson(file)
    case 'osm-xml': case 'osm-pbf': return openOsm(file, format)
    case 'shapefile': return openShapefiles([file])
    case 'gpkg': return isGzip(await head(file, 2)) ? unpacked(folder => gunzipTo(file, folder), openGeoPackage) : openGeoPackage(file)
  }
}

async function unpacked(unpack: (folder: string) => Promise<string>, open: (file: string) => Promise<SourceFile>): Promise<SourceFile> {
  const folder = await scratchFolder()
  try {
    const source = await open(await unpack(folder.path))
    return { ...source, close: async () => { await source.close(); await folder.remove() } }
  } catch (error) {
    await folder.remove()
    throw error
  }
}

const ZIPPED = new Set(['.shp', '.dbf', '.prj', '.cpg', '.gpkg', '.geojson', '.json', '.geojsonl', '.ndjson', '.osm', '.pbf', '.tif', '.tiff', '.hgt', '.asc'])
/** What a zip is opened as, the first that it holds. */
const MAIN = ['.shp', '.gpkg', '.geojson', '.json', '.geojsonl', '.ndjson', '.osm', '.pbf', '.hgt', '.tif', '.tiff', '.asc']

async function openZip(file: string): Promise<Opened> {
  const folder = await scratchFolder()
  try {
    const files = await unzipTo(file, folder.path, ZIPPED)
    const kind = MAIN.find(extension => files.some(f => extname(f).toLowerCase() === extension))
    if (!kind) throw badFile('The zip file holds nothing that can be imported (a Shapefile, GeoPackage, GeoJSON, CityJSON, OSM or terrain file).')
    const mains = files.filter(f => extname(f).toLowerCase() === kind)
    if (kind !== '.shp' && mains.length > 1) throw badFile(`The zip file holds ${mains.length} ${kind} files. Import them one by one.`)
    const opened: Opened = kind === '.shp' ? { kind: 'features', source: await openShapefiles(mains) } : await openPlain(mains[0]!, basename(mains[0]!))
    if (opened.kind === 'terrain') return { ...opened, close: folder.remove }
    const { source } = opened
    return { kind: 'features', source: { ...source, close: async () => { await source.close(); await folder.remove() } } }
  } catch (error) {
    await folder.remove()
    throw error
  }
}

const SNIFFED = 1 << 16
/** The format of a file that is no zip. */
export async function detect(file: string, name: string): Promise<Format | TerrainFormat> {
  const start = await contentHead(file, SNIFFED)
  const extension = extname(name.replace(/\.gz$/i, '')).toLowerCase()
  if (start.subarray(0, 16).toString('latin1') === 'SQLite format 3\0') return 'gpkg'
  if (start.length >= 4 && start.readInt32BE(0) === 9994) return 'shapefile'
  if (/^(II[*+]\0|MM\0[*+])/.test(start.subarray(0, 4).toString('latin1'))) return 'geotiff'
  if (start.subarray(4, 24).includes('OSMHeader') || (extension === '.pbf' && start.subarray(4, 24).includes('OSMData'))) return 'osm-pbf'
  // Bare numbers without any header: only the name tells.
  if (extension === '.hgt') return 'hgt'
  const text = start.toString('utf8').replace(/^\ufeff/, '').trimStart()
  if (/^ncols\s/i.test(text) || (extension === '.asc' && /^(nrows|xll|yll|cellsize|nodata_value)\w*\s/i.test(text))) return 'asc'
  if (text.startsWith('<')) {
    if (/<osm\b/.test(text)) return 'osm-xml'
    throw badFile(unknownXml(text))
  }
  if (text.startsWith('\u001e')) return 'geojsonseq'
  if (text.startsWith('{')) return jsonFormat(text, extension)
  throw badFile(`The file “${name.slice(0, 80)}” is none of the formats that can be imported: GeoJSON, GeoPackage, Shapefile (zipped too), OSM XML or PBF, CityJSON, GeoTIFF, HGT, ASCII grid.`)
}

function unknownXml(text: string): string {
  if (/CityModel/.test(text)) return 'The file is CityGML, which cannot be imported yet. Convert it to CityJSON (citygml-tools to-cityjson).'
  if (/<!DOCTYPE/i.test(text)) return 'The file is XML with a document type declaration, which no importable format has; it was refused.'
  return 'The file is XML but not OSM; of XML formats only OSM can be imported.'
}

function jsonFormat(text: string, extension: string): Format {
  if (/"type"\s*:\s*"CityJSON"|"CityObjects"\s*:/.test(text)) return 'cityjson'
  if (['.geojsonl', '.geojsons', '.ndjson', '.jsonl'].includes(extension)) return 'geojsonseq'
  // A sequence has a whole feature on its first line and another on its second.
  return /^\{[^\n]*"type"\s*:\s*"Feature"[^\n]*\}\r?\n\s*\{/.test(text) ? 'geojsonseq' : 'geojson'
}
