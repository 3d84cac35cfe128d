/** Areas that people draw: a GeoJSON polygon in longitude and latitude. */
import { Type, type Static } from '@sinclair/typebox'
import { sql } from 'kysely'
import type { Filter, GeoJsonGeometry } from '../../core/filter/ast.js'
import { checkGeometry, FilterSyntaxError } from '../../core/filter/build.js'
import { badBody } from '../errors.js'
import type { Store } from '../store/store.js'

const EXAMPLE = { type: 'Polygon', coordinates: [[[108.21, 16.05], [108.22, 16.05], [108.22, 16.06], [108.21, 16.06], [108.21, 16.05]]] }

export const AreaSchema = Type.Object({
  type: Type.Unsafe<'Polygon' | 'MultiPolygon'>({ type: 'string', enum: ['Polygon', 'MultiPolygon'] }),
  coordinates: Type.Array(Type.Unknown(), { minItems: 1 }),
}, { additionalProperties: false, format: 'geojson-geometry', contentMediaType: 'application/geo+json', examples: [EXAMPLE] })
export type Area = Static<typeof AreaSchema>

/** Throws Problems that point at what is wrong: a ring that is not closed, crosses itself, or lies off the earth. */
export async function checkArea(store: Store, area: Area, pointer: string): Promise<void> {
  try {
    checkGeometry(area, pointer)
  } catch (error) {
    if (error instanceof FilterSyntaxError) throw badBody(`The area cannot be read: ${error.message}, at ${error.at}.`, { pointer: String(error.at) })
    throw error
  }
  const { rows: [found] } = await sql<{ reason: string; west: number; south: number; east: number; north: number }>`
    select st_isvalidreason(g) as reason, st_xmin(g) as west, st_ymin(g) as south, st_xmax(g) as east, st_ymax(g) as north from (select st_geomfromgeojson(${JSON.stringify(area)}::text) as g) as a`.execute(store.pool('open'))
  const { reason, west, south, east, north } = found!
  if (!(west >= -180 && east <= 180 && south >= -90 && north <= 90)) throw badBody(`The area reaches from ${west}, ${south} to ${east}, ${north}: longitudes are −180 to 180, latitudes −90 to 90, in this order.`, { pointer })
  if (reason !== 'Valid Geometry') throw badBody(`The area is not a valid polygon: ${reason}. Draw it so that its edge does not cross itself.`, { pointer })
}

/** Features that meet the area. */
export const meets = (area: Area): Filter => ({ op: 's_intersects', left: { property: 'geom' }, right: { geojson: area as GeoJsonGeometry } })

/** Those that share more with it than an edge: what remains of the others, cut to the area, is nothing. */
export const overlaps = (area: Area): Filter => ({ op: 'and', args: [meets(area), { op: 'not', arg: { op: 's_touches', left: { property: 'geom' }, right: { geojson: area as GeoJsonGeometry } } }] })

export const both = (a: Filter | undefined, b: Filter): Filter => a ? { op: 'and', args: [a, b] } : b
