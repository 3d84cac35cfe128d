import type sqlite from 'node-sqlite3-wasm'
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import { GeometryFault, MAX_NESTING } from '../../core/geometry/wkb-bytes.js'
import type { GeometryColumn } from './geopackage.js'
import { WkbGeometry } from './wkb-geometry.js'

type Database = InstanceType<typeof sqlite.Database>

const tables = (db: Database) => new Set(db.all('select name from sqlite_master').map(row => String(row.name).toLowerCase()))
export function isSpatialite(db: Database): boolean {
  const known = tables(db)
  return known.has('geometry_columns') && known.has('spatial_ref_sys') && !known.has('gpkg_contents')
}

/** The feature tables of a SpatiaLite database (versions 2 to 5), or of GDAL's plain SQLite with WKB in it. No extension is loaded. */
export function spatialiteTables(db: Database): GeometryColumn[] {
  const columns = new Set((db.all('pragma table_info(geometry_columns)') as { name: string }[]).map(({ name }) => name))
  const format = columns.has('geometry_format') ? 'g.geometry_format' : 'null'
  const known = tables(db)
  const found = db.all(`
    select g.f_table_name as table_name, g.f_geometry_column as column_name, s.auth_name as organization, s.auth_srid as code, null as definition, g.srid as srs_id, ${format} as format
    from geometry_columns g left join spatial_ref_sys s on s.srid = g.srid`) as unknown as (GeometryColumn & { format: string | null })[]
  return found.filter(table => known.has(table.table_name.toLowerCase()))
    // Names are kept there in lower case, whatever the table calls them.
    .map(({ format: kind, ...table }) => ({ ...table, column_name: columnOf(db, table.table_name, table.column_name), decode: kind === 'WKB' ? (blob: Uint8Array) => new WkbGeometry(blob, 0) : decodeSpatialite }))
}

function columnOf(db: Database, table: string, column: string): string {
  const names = (db.all(`pragma table_info("${table.replaceAll('"', '""')}")`) as { name: string }[]).map(({ name }) => name)
  return names.find(name => name.toLowerCase() === column.toLowerCase()) ?? column
}

/** Where a geometry begins, behind byte order, SRID and envelope, and the marks before it and before each of its members. */
const BODY = 38
const [START, MEMBER] = [0x7c, 0x69]

/** SpatiaLite's blob is WKB with other marks where WKB has the byte order: these are put back. */
export function decodeSpatialite(blob: Uint8Array): GeoJsonGeometry {
  if (blob.length < BODY + 6 || blob[0] !== 0 || blob[1]! > 1 || blob[BODY] !== START) throw new GeometryFault('geometry without the frame of SpatiaLite')
  const bytes = Uint8Array.from(blob)
  const view = new DataView(bytes.buffer)
  const little = blob[1] === 1
  const uint32 = (at: number) => {
    if (at + 4 > bytes.length) throw new GeometryFault('geometry that is cut short')
    return view.getUint32(at, little)
  }
  const mend = (at: number, depth: number): number => {
    if (depth > MAX_NESTING || bytes[at] !== (depth === 0 ? START : MEMBER)) throw new GeometryFault('geometry with a mark of SpatiaLite in the wrong place')
    bytes[at] = little ? 1 : 0
    const code = uint32(at + 1)
    if (code >= 1_000_000) throw new GeometryFault('a compressed geometry of SpatiaLite: uncompress it there')
    const size = [16, 24, 24, 32][Math.floor(code / 1000)] ?? 16
    let next = at + 5
    switch (code % 1000) {
      case 1: return next + size
      case 2: return next + 4 + uint32(next) * size
      case 3: {
        const rings = uint32(next)
        next += 4
        for (let i = 0; i < rings; i++) next += 4 + uint32(next) * size
        return next
      }
      default: {
        const members = uint32(next)
        next += 4
        for (let i = 0; i < members; i++) next = mend(next, depth + 1)
        return next
      }
    }
  }
  mend(BODY, 0)
  return new WkbGeometry(bytes, BODY)
}
