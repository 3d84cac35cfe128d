import { sql } from 'kysely'
import { crsOfSrid } from '../../core/crs.js'
import type { Feature } from '../../core/feature.js'
import type { Store } from '../store/store.js'

type Geometry = NonNullable<Feature['geometry']>

/**
 * True where the authority puts latitude or northing first, as OGC API Features and WFS 2.0 with URNs keep to.
 * The database's WKT tells: its writer (GDAL) leaves the axes out of just those systems.
 */
export async function isNorthingFirst({ db }: Store, srid: number): Promise<boolean> {
  if (crsOfSrid(srid)) return srid === 4326
  const { rows: [found] } = await sql<{ northing: boolean }>`
    select coalesce(srtext !~ 'AXIS\\["[^"]*",EAST\\]', proj4text ~ '\\+proj=longlat') or srtext ~ 'AXIS\\["[^"]*",NORTH\\],AXIS' as northing
    from spatial_ref_sys where srid = ${srid}`.execute(db)
  return found?.northing ?? false
}

export async function isGeographic({ db }: Store, srid: number): Promise<boolean> {
  const { rows } = await sql`select from spatial_ref_sys where srid = ${srid} and proj4text ~ '\\+proj=longlat'`.execute(db)
  return rows.length > 0
}

/** The geometry with the first two numbers of each position exchanged. */
export function swapped(geometry: Geometry): Geometry {
  return geometry.geometries ? { ...geometry, geometries: geometry.geometries.map(swapped) } : { ...geometry, coordinates: exchange(geometry.coordinates) }
}

function exchange(value: unknown): unknown {
  if (!Array.isArray(value)) return value
  return typeof value[0] === 'number' ? [value[1], value[0], ...value.slice(2)] : value.map(exchange)
}
