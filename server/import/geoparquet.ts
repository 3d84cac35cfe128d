import { parquetMetadataAsync, parquetReadObjects, toJson, type AsyncBuffer, type FileMetaData, type SchemaElement } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { open, type FileHandle } from 'node:fs/promises'
import type { Feature } from '../../core/feature.js'
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import { GeometryFault } from '../../core/geometry/wkb-bytes.js'
import { parseCrs } from './crs.js'
import { badFile, reading } from './fault.js'
import { layerName } from './geojson.js'
import type { SourceFile } from './source.js'
import { WkbGeometry } from './wkb-geometry.js'

const WHAT = 'GeoParquet file'

/** Where the geometry stands, and how. */
interface GeometryColumn {
  readonly name: string
  /** `WKB`, or a native encoding: `point` … `multipolygon`. */
  readonly encoding: string
  readonly srid: number | null
  /** Columns that serve the geometry (boxes, other geometries) and are no attributes. */
  readonly besides: ReadonlySet<string>
}

/**
 * GeoParquet 1.0 and 1.1 (WKB and native encodings; Snappy, gzip, Brotli, Zstandard, LZ4), and plain Parquet with a column of
 * its own geometry type. One row group at a time is in memory.
 */
export async function openGeoParquet(file: string): Promise<SourceFile> {
  const handle = await reading(WHAT, () => open(file))
  try {
    const buffer = await asyncBuffer(handle)
    const metadata = await reading(WHAT, () => parquetMetadataAsync(buffer, { geoparquet: false }))
    const geometry = geometryColumn(metadata)
    return {
      format: 'geoparquet',
      layers: [{ name: layerName(file), srid: geometry.srid, count: Number(metadata.num_rows), features: () => features(buffer, metadata, geometry) }],
      close: () => handle.close(),
    }
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function asyncBuffer(handle: FileHandle): Promise<AsyncBuffer> {
  const { size } = await handle.stat()
  return {
    byteLength: size,
    async slice(start, end = size) {
      const bytes = new Uint8Array(Math.max(0, end - start))
      for (let at = 0; at < bytes.length;) {
        const { bytesRead } = await handle.read(bytes, at, bytes.length - at, start + at)
        if (bytesRead === 0) throw new Error('it ends too early')
        at += bytesRead
      }
      return bytes.buffer
    },
  }
}

async function* features(file: AsyncBuffer, metadata: FileMetaData, geometry: GeometryColumn): AsyncGenerator<Feature> {
  const columns = topColumns(metadata).map(({ name }) => name).filter(name => !geometry.besides.has(name))
  const identity = columns.find(name => /^(id|fid)$/i.test(name))
  let row = 0
  for (const group of metadata.row_groups) {
    const rowEnd = row + Number(group.num_rows)
    const records = await reading(WHAT, () => parquetReadObjects({ file, metadata, columns, compressors, rowStart: row, rowEnd, utf8: false, geoparquet: false, parsers: PARSERS }))
    for (const record of records) {
      const feature: { -readonly [K in keyof Feature]: Feature[K] } = { ...shapeOf(record[geometry.name], geometry), properties: propertiesOf(record, geometry.name), row: ++row }
      const id = identity === undefined ? null : feature.properties[identity]
      if (id !== null && id !== undefined) feature.sourceId = String(id)
      yield feature
    }
    row = rowEnd
  }
}

/** Geometry stays bytes, which the database takes as they are; dates and times become text. */
const PARSERS = {
  geometryFromBytes: (bytes: Uint8Array) => bytes,
  geographyFromBytes: (bytes: Uint8Array) => bytes,
  dateFromDays: (days: number | null) => (days === null || days === undefined ? days : new Date(days * 86_400_000).toISOString().slice(0, 10)),
  timestampFromMilliseconds: (millis: bigint | null) => (millis === null || millis === undefined ? millis : new Date(Number(millis)).toISOString()),
  timestampFromMicroseconds: (micros: bigint | null) => (micros === null || micros === undefined ? micros : new Date(Number(micros / 1000n)).toISOString()),
  timestampFromNanoseconds: (nanos: bigint | null) => (nanos === null || nanos === undefined ? nanos : new Date(Number(nanos / 1_000_000n)).toISOString()),
} as object

function propertiesOf(record: Readonly<Record<string, unknown>>, geometry: string): Record<string, unknown> {
  const properties: Record<string, unknown> = {}
  for (const name in record) {
    if (name === geometry) continue
    const value = record[name]
    // Attribute blobs (photos, documents) have no place in a column.
    if (value instanceof Uint8Array) continue
    properties[name] = typeof value === 'bigint' ? Number(value) : typeof value === 'object' && value !== null ? toJson(value) : value ?? null
  }
  return properties
}

function shapeOf(value: unknown, { encoding }: GeometryColumn): Pick<Feature, 'geometry' | 'fault'> {
  if (value === null || value === undefined) return { geometry: null }
  try {
    if (encoding === 'WKB') return { geometry: new WkbGeometry(value as Uint8Array, 0) }
    return { geometry: { type: NATIVE[encoding]!, coordinates: coordinatesOf(value) } as GeoJsonGeometry }
  } catch (error) {
    if (error instanceof GeometryFault || error instanceof TypeError) return { geometry: null, fault: error.message }
    throw error
  }
}

const NATIVE: Readonly<Record<string, string>> = {
  point: 'Point', linestring: 'LineString', polygon: 'Polygon', multipoint: 'MultiPoint', multilinestring: 'MultiLineString', multipolygon: 'MultiPolygon',
}

/** Structs of x, y (, z), in as many lists as the type has. */
function coordinatesOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(coordinatesOf)
  const { x, y, z } = value as { x: number; y: number; z?: number | null }
  return z === undefined || z === null ? [x, y] : [x, y, z]
}

/** Columns of the first level, each followed by its children in the flat schema. */
function topColumns({ schema }: FileMetaData): SchemaElement[] {
  const top: SchemaElement[] = []
  let at = 1
  const skip = (): void => {
    const { num_children: children = 0 } = schema[at++]!
    for (let i = 0; i < children; i++) skip()
  }
  while (at < schema.length) {
    top.push(schema[at]!)
    skip()
  }
  return top
}

interface GeoMetadata {
  readonly primary_column?: string
  readonly columns?: Readonly<Record<string, { readonly encoding?: string; readonly crs?: ProjJson | null; readonly covering?: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> }>>
}
interface ProjJson { readonly id?: { readonly authority: string; readonly code: string | number }; readonly name?: string }

function geometryColumn(metadata: FileMetaData): GeometryColumn {
  const text = metadata.key_value_metadata?.find(({ key }) => key === 'geo')?.value
  return text ? declared(text) : typed(metadata)
}

/** As the file's metadata `geo` says. */
function declared(text: string): GeometryColumn {
  let geo: GeoMetadata
  try { geo = JSON.parse(text) } catch { throw badFile('The GeoParquet file’s metadata “geo” is no JSON.') }
  const columns = geo.columns ?? {}
  const name = geo.primary_column ?? Object.keys(columns)[0]
  const column = name === undefined ? undefined : columns[name]
  if (!column) throw badFile('The GeoParquet file’s metadata names no geometry column.')
  const encoding = column.encoding ?? 'WKB'
  if (encoding !== 'WKB' && !NATIVE[encoding]) throw badFile(`The geometry is encoded as “${encoding.slice(0, 40)}”, which is none of GeoParquet's encodings.`)
  const boxes = Object.values(column.covering ?? {}).flatMap(cover => Object.values(cover).map(path => path[0]!))
  return { name: name!, encoding, srid: sridOf(column.crs), besides: new Set([...boxes, ...Object.keys(columns).filter(other => other !== name)]) }
}

/** Absent means longitude and latitude, null that nobody knows. */
function sridOf(crs: ProjJson | null | undefined): number | null {
  if (crs === undefined) return 4326
  if (crs === null) return null
  if (crs.id) return crs.id.authority === 'OGC' ? parseCrs(String(crs.id.code)) : parseCrs(`${crs.id.authority}:${crs.id.code}`)
  return /^WGS ?84( \(CRS84\))?$/i.test(crs.name ?? '') ? 4326 : null
}

/** A column of Parquet's own geometry type. */
function typed(metadata: FileMetaData): GeometryColumn {
  const columns = topColumns(metadata).filter(({ logical_type }) => logical_type?.type === 'GEOMETRY' || logical_type?.type === 'GEOGRAPHY')
  const [first] = columns
  if (!first) throw badFile('The Parquet file has no geometry: neither the metadata “geo” nor a geometry column.')
  const crs = (first.logical_type as { crs?: string }).crs
  return { name: first.name, encoding: 'WKB', srid: crs === undefined ? 4326 : parseCrs(crs.replace(/^srid:/i, '').replace(/^OGC:/i, '')), besides: new Set(columns.slice(1).map(({ name }) => name)) }
}
