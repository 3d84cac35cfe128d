import { mkdir, rename, stat } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { openCityGml } from './citygml.js'
import { openCityJson } from './cityjson.js'
import { openCsv } from './csv.js'
import { openDxf } from './dxf.js'
import { mendTexts, userEncoding } from './encoding.js'
import { openEpanet } from './epanet.js'
import { badFile, reading } from './fault.js'
import { openFlatGeobuf } from './flatgeobuf.js'
import { MAGIC as FLATGEOBUF } from './flatgeobuf-schema.js'
import { GDAL_COMPANIONS, GDAL_EXTENSIONS, openWithGdal } from './gdal.js'
import { openGeoJson, openGeoJsonSequence } from './geojson.js'
import { openGeoPackage } from './geopackage.js'
import { openGml } from './gml.js'
import { IMAGE_EXTENSIONS } from './image-names.js'
import { kmlOf, openKml } from './kml.js'
import { openGeoParquet } from './geoparquet.js'
import { openOsm } from './osm.js'
import { features, Head, terrain, type Opened, type OpenOptions, type Reader } from './reader.js'
import { openShapefiles } from './shapefile.js'
import { openSwmm } from './swmm.js'
import { readAsc } from './terrain/asc.js'
import { readGeoTiff } from './terrain/geotiff.js'
import { readLas } from './terrain/las.js'
import { readHgt } from './terrain/hgt.js'
import { isWorkbook, openXlsx } from './xlsx.js'
import { contentHead, gunzipTo, head, isGzip, isZip, scratchFolder, unzipTo, zipEntries } from './unpack.js'

export type { Opened } from './reader.js'

const isCityJson = (text: string) => /"type"\s*:\s*"CityJSON"|"CityObjects"\s*:/.test(text)
/** A sequence has a whole feature on its first line and another on its second. */
const isSequence = ({ text, extension }: Head) => text.startsWith('\u001e')
  || (text.startsWith('{') && (['.geojsonl', '.geojsons', '.ndjson', '.jsonl'].includes(extension) || /^\{[^\n]*"type"\s*:\s*"Feature"[^\n]*\}\r?\n\s*\{/.test(text)))

/** No zero byte, but in UTF-16. */
const isText = (bytes: Buffer) => !bytes.includes(0) || /^(\xff\xfe|\xfe\xff)/.test(bytes.subarray(0, 2).toString('latin1'))

/** Every format that can be imported. The first whose `detect` says yes opens the file; of a zip, the first whose files it holds. */
const READERS: readonly Reader[] = [
  { format: 'shapefile', title: 'Shapefile', extensions: ['.shp'], companions: ['.dbf', '.prj', '.cpg'], legacyText: true, detect: ({ bytes }) => bytes.length >= 4 && bytes.readInt32BE(0) === 9994, open: features((file, options) => openShapefiles([file], options)) },
  { format: 'gpkg', title: 'GeoPackage', extensions: ['.gpkg'], seeks: true, legacyText: true, detect: head => head.startsWith('SQLite format 3\0'), open: features(openGeoPackage) },
  { format: 'flatgeobuf', title: 'FlatGeobuf', extensions: ['.fgb'], detect: ({ bytes }) => FLATGEOBUF.every((byte, i) => bytes[i] === byte), open: features(openFlatGeobuf) },
  { format: 'geoparquet', title: 'GeoParquet', extensions: ['.parquet', '.geoparquet'], seeks: true, detect: head => head.startsWith('PAR1'), open: features(openGeoParquet) },
  { format: 'geotiff', title: 'GeoTIFF', extensions: ['.tif', '.tiff'], detect: ({ bytes }) => /^(II[*+]\0|MM\0[*+])/.test(bytes.subarray(0, 4).toString('latin1')), open: terrain('geotiff', readGeoTiff) },
  { format: 'las', title: 'LAS/LAZ', extensions: ['.las', '.laz'], seeks: true, detect: head => head.startsWith('LASF'), open: terrain('las', readLas) },
  { format: 'osm-pbf', title: 'OSM PBF', extensions: ['.pbf'], detect: ({ bytes, extension }) => bytes.subarray(4, 24).includes('OSMHeader') || (extension === '.pbf' && bytes.subarray(4, 24).includes('OSMData')), open: features(file => openOsm(file, 'osm-pbf')) },
  // Bare numbers without any header: only the name tells.
  { format: 'hgt', title: 'HGT', extensions: ['.hgt'], detect: ({ extension }) => extension === '.hgt', open: terrain('hgt', readHgt) },
  { format: 'asc', title: 'ASCII grid', extensions: ['.asc'], companions: ['.prj'], detect: ({ text, extension }) => /^ncols\s/i.test(text) || (extension === '.asc' && /^(nrows|xll|yll|cellsize|nodata_value)\w*\s/i.test(text)), open: terrain('asc', readAsc) },
  { format: 'swmm', title: 'SWMM', extensions: ['.inp'], detect: ({ text }) => /^\[(RAINGAGES|SUBCATCHMENTS|OUTFALLS|CONDUITS|XSECTIONS)\]/im.test(text) || /^\s*FLOW_UNITS\s/im.test(text), open: features(openSwmm) },
  { format: 'epanet', title: 'EPANET', extensions: ['.inp'], detect: ({ text }) => /^\[(JUNCTIONS|RESERVOIRS|PIPES)\]/im.test(text), open: features(openEpanet) },
  { format: 'osm-xml', title: 'OSM XML', extensions: ['.osm'], detect: ({ text }) => text.startsWith('<') && /<osm\b/.test(text), open: features(file => openOsm(file, 'osm-xml')) },
  { format: 'kml', title: 'KML and KMZ', extensions: ['.kml', '.kmz'], legacyText: true, detect: ({ text }) => text.startsWith('<') && /<(\w+:)?kml\b/.test(text), detectZip: entries => kmlOf(entries) !== undefined && !entries.some(name => /\.(shp|gpkg|geojson|gml)$/i.test(name)), open: features(openKml) },
  { format: 'citygml', title: 'CityGML', extensions: ['.citygml'], companions: IMAGE_EXTENSIONS, legacyText: true, detect: ({ text }) => text.startsWith('<') && /<(\w+:)?CityModel\b/.test(text), open: features(openCityGml) },
  { format: 'gml', title: 'GML', extensions: ['.gml', '.xml'], legacyText: true, detect: ({ text }) => text.startsWith('<') && !/<!DOCTYPE/i.test(text) && /["']http:\/\/www\.opengis\.net\/(gml|wfs)\b/.test(text), open: features(openGml) },
  { format: 'cityjson', title: 'CityJSON', extensions: ['.city.json'], companions: IMAGE_EXTENSIONS, detect: ({ text }) => text.startsWith('{') && isCityJson(text), open: features(openCityJson) },
  { format: 'geojsonseq', title: 'GeoJSON by lines', extensions: ['.geojsonl', '.geojsons', '.ndjson', '.jsonl'], detect: isSequence, open: features(openGeoJsonSequence) },
  { format: 'geojson', title: 'GeoJSON', extensions: ['.geojson', '.json'], detect: ({ text }) => text.startsWith('{'), open: features(openGeoJson) },
  { format: 'xlsx', title: 'XLSX', extensions: ['.xlsx', '.xlsm'], legacyText: true, detect: () => false, detectZip: isWorkbook, open: features(openXlsx) },
  { format: 'dxf', title: 'DXF', extensions: ['.dxf'], legacyText: true, detect: ({ text }) => /^(?:999\r?\n[^\n]*\n\s*)*0\r?\n\s*SECTION\b/.test(text) || text.startsWith('AutoCAD Binary DXF'), open: features(openDxf) },
  // Any text could be a table: after all others, and by its name. A .txt in a zip is a note beside the data.
  { format: 'csv', title: 'CSV and TSV', extensions: ['.csv', '.tsv'], legacyText: true, detect: ({ bytes, extension }) => ['.csv', '.tsv', '.txt'].includes(extension) && isText(bytes), open: features(openCsv) },
]

/**
 * Opens any file that can be imported: its format is told by its content first, then by its name.
 * Throws a Problem in one sentence for what cannot be read.
 */
export async function openAny(file: string, name = basename(file), choices: Omit<OpenOptions, 'name'> = {}): Promise<Opened> {
  const options = { ...choices, name, ...(choices.encoding === undefined ? {} : { encoding: userEncoding(choices.encoding) }) }
  const start = await reading('file', () => head(file, 4))
  if ((await stat(file)).size === 0) throw badFile('The file is empty.')
  return isZip(start) ? openZip(file, options) : openPlain(file, options)
}

/** Opens with a reader; its texts come out as Unicode. */
async function openWith(reader: Reader, file: string, options: OpenOptions): Promise<Opened> {
  const opened = await reader.open(file, options)
  if (opened.kind === 'terrain' || !reader.legacyText) return opened
  try {
    return { kind: 'features', source: await mendTexts(opened.source, options.encoding) }
  } catch (error) {
    await opened.source.close()
    throw error
  }
}

async function openPlain(file: string, options: OpenOptions): Promise<Opened> {
  const reader = await detect(file, options.name)
  return reader.seeks && isGzip(await head(file, 2)) ? unpacked(folder => gunzipTo(file, folder), path => openWith(reader, path, options)) : openWith(reader, file, options)
}

/** What no reader of ours reads; told by the name, and asked of GDAL. */
const GDAL: Reader = {
  format: 'gdal', title: 'through GDAL DGN, MapInfo TAB and MIF, File Geodatabase (zipped), S-57, GPX, XLS, ODS', extensions: GDAL_EXTENSIONS, companions: GDAL_COMPANIONS, legacyText: true,
  detect: ({ extension }) => GDAL_EXTENSIONS.includes(extension), detectZip: entries => entries[0] === 'mimetype' && entries.includes('content.xml'), open: features(openWithGdal),
}

const SNIFFED = 1 << 16
/** The reader of a file that is no zip. */
export async function detect(file: string, name: string): Promise<Reader> {
  const start = new Head(await contentHead(file, SNIFFED), name)
  const reader = ALL_READERS.find(r => r.detect(start))
  if (reader) return reader
  if (start.text.startsWith('<')) throw badFile(unknownXml(start.text))
  throw badFile(`The file “${name.slice(0, 80)}” is none of the formats that can be imported: ${ALL_READERS.map(r => r.title).join(', ')}.`)
}

function unknownXml(text: string): string {
  if (/<!DOCTYPE/i.test(text)) return 'The file is XML with a document type declaration, which no importable format has; it was refused.'
  return 'The file is XML but none of the kinds that can be imported: GML, CityGML, KML or OSM.'
}

/** Opens what `unpack` leaves in a scratch folder, which goes when the file is closed. */
async function unpacked<T>(unpack: (folder: string) => Promise<T>, open: (unpacked: T) => Promise<Opened>): Promise<Opened> {
  const folder = await scratchFolder()
  try {
    const opened = await open(await unpack(folder.path))
    if (opened.kind === 'terrain') return { ...opened, close: async () => { await opened.close(); await folder.remove() } }
    const { source } = opened
    return { kind: 'features', source: { ...source, close: async () => { await source.close(); await folder.remove() } } }
  } catch (error) {
    await folder.remove()
    throw error
  }
}

const ALL_READERS = [...READERS, GDAL]
const ZIPPED = new Set(ALL_READERS.flatMap(r => [...r.extensions, ...r.companions ?? []]).map(extension => extname(`x${extension}`)))

async function openZip(file: string, options: OpenOptions): Promise<Opened> {
  const entries = await zipEntries(file)
  const itself = ALL_READERS.find(r => r.detectZip?.(entries))
  if (itself) return openWith(itself, file, options)
  return unpacked(folder => unzipTo(file, folder, ZIPPED), files => openUnzipped(files, options))
}

async function openUnzipped(files: readonly string[], options: OpenOptions): Promise<Opened> {
  const has = (reader: Reader) => files.filter(f => reader.extensions.some(extension => f.toLowerCase().endsWith(extension)))
  const reader = ALL_READERS.find(r => has(r).length > 0)
  if (!reader) throw badFile(`The zip file holds nothing that can be imported: ${ALL_READERS.map(r => r.title).join(', ')}.`)
  const mains = has(reader)
  if (reader.format === 'shapefile') return openWith({ ...reader, open: features((_, chosen) => openShapefiles(mains, chosen)) }, mains[0]!, options)
  if (mains[0]!.endsWith('.gdbtable')) return openWith(reader, await asGeodatabase(files), options)
  if (mains.length > 1) throw badFile(`The zip file holds ${mains.length} ${extname(mains[0]!)} files. Import them one by one.`)
  return openPlain(mains[0]!, { ...options, name: basename(mains[0]!) })
}

/** The unpacked files of a geodatabase in a folder of their own, which is what GDAL opens. */
async function asGeodatabase(files: readonly string[]): Promise<string> {
  const folder = join(dirname(files[0]!), 'data.gdb')
  await mkdir(folder)
  for (const file of files) await rename(file, join(folder, basename(file)))
  return folder
}
