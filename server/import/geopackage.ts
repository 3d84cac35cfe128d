import sqlite from 'node-sqlite3-wasm'
import type { Feature } from '../../core/feature.js'
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import { GeometryFault } from '../../core/geometry/wkb-bytes.js'
import { asBadFile, badFile, reading } from './fault.js'
import { sridOfWkt } from './crs.js'
import type { SourceFile, SourceLayer } from './source.js'
import { isSpatialite, spatialiteTables } from './spatialite.js'
import { WkbGeometry } from './wkb-geometry.js'

type Database = InstanceType<typeof sqlite.Database>
export interface GeometryColumn {
  readonly table_name: string
  readonly column_name: string
  readonly organization: string | null
  readonly code: number | bigint | null
  readonly definition: string | null
  readonly srs_id: number | bigint
  /** Geometries of another format than GeoPackage's. */
  readonly decode?: (blob: Uint8Array) => GeoJsonGeometry
}

const WHAT = 'GeoPackage'

/** OGC GeoPackage 1.0–1.4, and SpatiaLite: every feature table and view is a layer. */
export async function openGeoPackage(file: string): Promise<SourceFile> {
  const db = await reading(WHAT, () => new sqlite.Database(file, { readOnly: true, fileMustExist: true }))
  const close = async () => { if (db.isOpen) db.close() }
  try {
    if (await reading(WHAT, () => isSpatialite(db))) return { format: 'spatialite', layers: await reading('SpatiaLite file', () => spatialiteTables(db).map(table => sourceLayer(db, table))), close }
    const layers = await reading(WHAT, () => featureTables(db).map(table => sourceLayer(db, table)))
    if (layers.length === 0) throw badFile('The GeoPackage holds no feature layers (tiles and plain tables are not imported).')
    return { format: 'gpkg', layers, close }
  } catch (error) {
    await close()
    throw error
  }
}

function featureTables(db: Database): GeometryColumn[] {
  const known = new Set(db.all(`select name from sqlite_master`).map(r => String(r.name).toLowerCase()))
  if (!known.has('gpkg_contents')) throw badFile('The file is an SQLite database but no GeoPackage: it has no table gpkg_contents.')
  if (!known.has('gpkg_geometry_columns')) return []
  return db.all(`
    select g.table_name, g.column_name, s.organization, s.organization_coordsys_id as code, s.definition, g.srs_id
    from gpkg_geometry_columns g join gpkg_contents c on c.table_name = g.table_name
    left join gpkg_spatial_ref_sys s on s.srs_id = g.srs_id
    where c.data_type in ('features', '2d-gridded-features') order by c.rowid`) as unknown as GeometryColumn[]
}

function sourceLayer(db: Database, table: GeometryColumn): SourceLayer {
  const name = quote(table.table_name)
  const columns = db.all(`pragma table_info(${name})`) as { name: string; type: string; pk: number }[]
  if (columns.length === 0) throw badFile(`The file names a table “${table.table_name}” that is not in it.`)
  const key = columns.filter(c => c.pk > 0).length === 1 ? columns.find(c => c.pk > 0)!.name : null
  const count = Number(db.get(`select count(*) as n from ${name}`)?.n ?? 0)
  return { name: table.table_name, srid: sridOf(table), count, features: () => rows(db, table, columns, key) }
}

function sridOf(table: GeometryColumn): number | null {
  // 0 and −1 are the standard's undefined systems; 4326's own row says EPSG.
  if (Number(table.srs_id) <= 0) return null
  if (/^epsg$/i.test(table.organization ?? '')) return Number(table.code)
  return sridOfWkt(table.definition ?? '')
}

async function* rows(db: Database, table: GeometryColumn, columns: readonly { name: string; type: string }[], key: string | null): AsyncGenerator<Feature> {
  const booleans = new Set(columns.filter(c => /^boolean/i.test(c.type)).map(c => c.name))
  const statement = db.prepare(`select * from ${quote(table.table_name)}`)
  try {
    const iterator = statement.iterate()[Symbol.iterator]()
    let attributes: { name: string; boolean: boolean }[] | undefined
    for (let row = 1; ; row++) {
      const next = nextRow(iterator)
      if (next.done) return
      const record = next.value as Record<string, unknown>
      attributes ??= Object.keys(record).filter(name => name !== table.column_name && name !== key).map(name => ({ name, boolean: booleans.has(name) }))
      const properties: Record<string, unknown> = {}
      for (const { name, boolean } of attributes) {
        const value = record[name]
        // Attribute blobs (photos, documents) have no place in a column.
        if (value instanceof Uint8Array) continue
        properties[name] = typeof value === 'bigint' ? Number(value) : boolean && value !== null ? value !== 0 : value
      }
      const { geometry, fault } = geometryOrFault(record[table.column_name], table.decode ?? decodeGeoPackageGeometry)
      const feature: { -readonly [K in keyof Feature]: Feature[K] } = { geometry, properties, row }
      if (key) feature.sourceId = String(record[key])
      if (fault !== undefined) feature.fault = fault
      yield feature
    }
  } finally {
    statement.finalize()
  }
}

/** Without a promise a row: there may be millions. */
function nextRow<T>(iterator: Iterator<T>): IteratorResult<T> {
  try {
    return iterator.next()
  } catch (error) {
    throw asBadFile(WHAT, error)
  }
}

function geometryOrFault(blob: unknown, decode: (blob: Uint8Array) => GeoJsonGeometry): Pick<Feature, 'geometry' | 'fault'> {
  if (!(blob instanceof Uint8Array)) return { geometry: null }
  try {
    return { geometry: decode(blob) }
  } catch (error) {
    if (error instanceof GeometryFault) return { geometry: null, fault: error.message }
    throw error
  }
}

/** Bytes of the envelope by its indicator (OGC 12-128r15 §2.1.3). */
const ENVELOPE_BYTES = [0, 32, 48, 48, 64]
/** The StandardGeoPackageBinary header, then WKB. */
export function decodeGeoPackageGeometry(blob: Uint8Array): GeoJsonGeometry {
  if (blob.length < 8 || blob[0] !== 0x47 || blob[1] !== 0x50) throw new GeometryFault('geometry without the GeoPackage header')
  const flags = blob[3]!
  const envelope = ENVELOPE_BYTES[(flags >> 1) & 7]
  if (envelope === undefined) throw new GeometryFault('geometry with an unknown envelope')
  if (flags & 0x20) throw new GeometryFault('geometry of an extension type')
  return new WkbGeometry(blob, 8 + envelope)
}

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`
