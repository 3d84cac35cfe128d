import { basename } from 'node:path'
import type { Feature } from '../../core/feature.js'
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import { parseCrs } from './crs.js'
import { badFile } from './fault.js'
import { parse, scanJson } from './json-scanner.js'
import type { SourceFile, SourceLayer } from './source.js'
import { bytesOf } from './unpack.js'

const WHAT = 'GeoJSON file'
const GEOMETRIES = new Set(['Point', 'LineString', 'Polygon', 'MultiPoint', 'MultiLineString', 'MultiPolygon', 'GeometryCollection'])

/**
 * GeoJSON (RFC 7946), streamed, gzipped or not: FeatureCollection, Feature or a bare geometry.
 * The `crs` member of GeoJSON 2008 is honoured; without it coordinates are longitude and latitude.
 */
export async function openGeoJson(file: string): Promise<SourceFile> {
  const members = new Map<string, unknown>()
  let count = 0
  // A first pass counts the features, finds `crs` wherever it stands, and meets truncation before anything is staged.
  for await (const part of scanJson(bytesOf(file, WHAT), 'features', { what: WHAT, skip: true })) {
    if ('element' in part) count++
    else members.set(part.member, part.text.length < 1 << 20 ? parse(part.text, WHAT) : part.text)
  }
  const type = String(members.get('type'))
  const name = typeof members.get('name') === 'string' ? members.get('name') as string : layerName(file)
  const layer: SourceLayer = type === 'FeatureCollection'
    ? { name, srid: crsOf(members.get('crs')), count, features: () => collection(file) }
    : type === 'Feature' || GEOMETRIES.has(type)
      ? { name, srid: crsOf(members.get('crs')), count: 1, features: () => single(file, type) }
      : noGeoJson(type)
  return { format: 'geojson', layers: [layer], close: async () => {} }
}

function noGeoJson(type: string): never {
  throw badFile(`The file is JSON but not GeoJSON: its type is “${type.slice(0, 40)}”, where “FeatureCollection” was wanted.`)
}

async function* collection(file: string): AsyncGenerator<Feature> {
  let row = 0
  for await (const part of scanJson(bytesOf(file, WHAT), 'features', { what: WHAT }))
    if ('element' in part) yield toFeature(parse(part.element, WHAT), ++row)
}

async function* single(file: string, type: string): AsyncGenerator<Feature> {
  const whole: Record<string, unknown> = {}
  for await (const part of scanJson(bytesOf(file, WHAT), '', { what: WHAT }))
    if ('member' in part) whole[part.member] = parse(part.text, WHAT)
  yield type === 'Feature' ? toFeature(whole, 1) : { geometry: whole as unknown as GeoJsonGeometry, properties: {}, row: 1 }
}

/** Newline-delimited GeoJSON and RFC 8142 text sequences: one feature a line or record. */
export async function openGeoJsonSequence(file: string): Promise<SourceFile> {
  return {
    format: 'geojsonseq',
    layers: [{ name: layerName(file), srid: 4326, features: () => sequence(file) }],
    close: async () => {},
  }
}

const MAX_LINE_BYTES = 256 * 2 ** 20
const sequence = (file: string) => featuresOfLines(bytesOf(file, WHAT), 'GeoJSON sequence')

/** Features of newline-delimited GeoJSON, wherever its bytes come from, and however they are decoded. */
export async function* featuresOfLines(chunks: AsyncIterable<Buffer>, what: string, decode = (line: Buffer) => line.toString('utf8')): AsyncGenerator<Feature> {
  let rest: Buffer[] = []
  let restBytes = 0
  let row = 0
  const toRow = (line: Buffer): Feature | null => {
    const text = decode(line).replace(/^[\s\u001e\ufeff]+|\s+$/g, '')
    return text === '' ? null : toFeature(parse(text, what), ++row)
  }
  for await (const chunk of chunks) {
    let start = 0
    for (let end = chunk.indexOf(10); end >= 0; start = end + 1, end = chunk.indexOf(10, start)) {
      const feature = toRow(Buffer.concat([...rest, chunk.subarray(start, end)]))
      rest = []
      restBytes = 0
      if (feature) yield feature
    }
    rest.push(chunk.subarray(start))
    restBytes += chunk.length - start
    if (restBytes > MAX_LINE_BYTES) throw badFile(`A line of the ${what} is larger than 256 MiB.`)
  }
  const feature = toRow(Buffer.concat(rest))
  if (feature) yield feature
}

function toFeature(value: unknown, row: number): Feature {
  const { geometry = null, properties, id } = (value ?? {}) as { geometry?: GeoJsonGeometry | null; properties?: Record<string, unknown>; id?: unknown }
  return {
    geometry, properties: properties !== null && typeof properties === 'object' ? properties : {}, row,
    ...(typeof id === 'string' || typeof id === 'number' ? { sourceId: String(id) } : {}),
  }
}

function crsOf(crs: unknown): number | null {
  if (crs === undefined || crs === null) return 4326
  const { type, properties } = crs as { type?: string; properties?: { name?: unknown; code?: unknown } }
  const name = type === 'EPSG' ? properties?.code : properties?.name
  return name === undefined ? null : parseCrs(String(name))
}

export function layerName(file: string): string {
  return basename(file).replace(/\.gz$/i, '').replace(/\.[^.]+$/, '')
}
