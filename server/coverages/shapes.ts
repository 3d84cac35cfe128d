/** Geometries and lengths of requests: well-known text, boxes, distances. */
import { sql } from 'kysely'
import { Type } from '@sinclair/typebox'
import type { BBox } from '../../core/bbox.js'
import { CRS84, type Crs } from '../../core/crs.js'
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import { GeometryFault } from '../../core/geometry/wkb-bytes.js'
import { badParameter, Problem } from '../errors.js'
import { parseWkt } from '../import/wkt.js'
import type { Parameter } from '../operations/operation.js'
import type { Store } from '../store/store.js'
import { transform } from './crs.js'
import { clipped } from './domain.js'

export type Position = readonly [x: number, y: number]
/** Positions are in the request's CRS, easting (longitude) first, whatever order the CRS has. */
export type Shape =
  | { readonly type: 'points'; readonly points: readonly Position[]; readonly several: boolean }
  | { readonly type: 'lines'; readonly lines: readonly (readonly Position[])[]; readonly seconds?: readonly number[]; readonly has3d: boolean }
  | { readonly type: 'polygons'; readonly polygons: readonly (readonly (readonly Position[])[])[] }

const MOST_VERTICES = 10_000
const EXAMPLES = { points: 'POINT(108.22 16.06)', lines: 'LINESTRING(108.2 16.05,108.22 16.06)', polygons: 'POLYGON((108.2 16.05,108.22 16.05,108.22 16.07,108.2 16.05))' }

/** Well-known text of one type. Throws a Problem for anything else. */
export function shapeOf<T extends Shape['type']>(text: string, type: T, crs: Crs): Extract<Shape, { type: T }> {
  const shape = shapeIn(text, geometryOf(text, EXAMPLES[type]), crs)
  if (shape?.type !== type) throw badParameter('coords', `“${text.slice(0, 40)}” is not what this query takes: coords is well-known text such as ${EXAMPLES[type]}.`)
  return shape as Extract<Shape, { type: T }>
}

function geometryOf(text: string, example: string): GeoJsonGeometry {
  try {
    const { geometry, srid } = parseWkt(text)
    if (geometry && srid === undefined) return geometry
  } catch (error) {
    if (!(error instanceof GeometryFault)) throw error
    throw badParameter('coords', `coords is well-known text such as ${example}: ${error.message}.`)
  }
  throw badParameter('coords', `coords is well-known text that is not empty, such as ${example}; its CRS is told by the parameter crs.`)
}

function shapeIn(text: string, { type, coordinates }: GeoJsonGeometry, crs: Crs): Shape | undefined {
  let vertices = 0
  const position = (at: unknown): Position => {
    if (++vertices > MOST_VERTICES) throw new Problem(413, 'too-large', `coords has more than ${MOST_VERTICES} positions. Simplify it.`)
    const [first, second] = at as number[]
    const [x, y] = crs.axes === 'lat,lon' ? [second, first] : [first, second]
    const known = crs.srid === 4326 ? Math.abs(x!) <= 180 && Math.abs(y!) <= 90 : Math.abs(x!) < 1e9 && Math.abs(y!) < 1e9
    if (!known) throw badParameter('coords', `“${first} ${second}” is no position in ${crs.title}, ${crs.axes}.`)
    return [x!, y!]
  }
  const line = (at: unknown, least: number) => {
    const positions = (at as unknown[]).map(position)
    if (positions.length < least) throw badParameter('coords', `A line has at least two positions, a ring four; one has ${positions.length}.`)
    return positions
  }
  const polygon = (rings: unknown) => (rings as unknown[]).map(ring => line(ring, 4))
  switch (type) {
    case 'Point': return { type: 'points', points: [position(coordinates)], several: false }
    case 'MultiPoint': return { type: 'points', points: (coordinates as unknown[]).map(position), several: true }
    case 'LineString': case 'MultiLineString': {
      const lines = (type === 'LineString' ? [coordinates] : coordinates as unknown[]).map(one => line(one, 2))
      return { type: 'lines', lines, ...measures(text, lines) }
    }
    case 'Polygon': return { type: 'polygons', polygons: [polygon(coordinates)] }
    case 'MultiPolygon': return { type: 'polygons', polygons: (coordinates as unknown[]).map(polygon) }
    default: return undefined
  }
}

/** Times of a LINESTRINGM or LINESTRINGZM: seconds since 1970, as EDR has them; the parser of geometries leaves them out. */
function measures(text: string, lines: readonly (readonly Position[])[]): { seconds?: readonly number[]; has3d: boolean } {
  const suffix = /^\s*(?:MULTI)?LINESTRING\s*(ZM|Z|M)?/i.exec(text)![1]?.toUpperCase() ?? ''
  const has3d = suffix.includes('Z')
  if (!suffix.includes('M')) return { has3d }
  const seconds = text.slice(text.indexOf('(')).split(',').map(tuple => Number(tuple.replace(/[()]/g, ' ').trim().split(/\s+/)[has3d ? 3 : 2]))
  if (seconds.length !== lines.flat().length || seconds.some(second => !Number.isFinite(second) || Math.abs(second) > 8e12)) throw badParameter('coords', 'Each position of a LINESTRINGM ends with its time: seconds since 1970-01-01T00:00:00Z.')
  return { seconds, has3d }
}

/** West, south, east, north (six numbers: heights are left out) in the CRS's own axis order, as a box with x first. */
export function boxOf(numbers: readonly number[], crs: Crs, parameter = 'bbox'): BBox {
  const [a, b, c, d] = numbers.length === 6 ? [numbers[0]!, numbers[1]!, numbers[3]!, numbers[4]!] : numbers as unknown as BBox
  const [west, south, east, north] = crs.axes === 'lat,lon' ? [b, a, d, c] : [a, b, c, d]
  if (numbers.length === 5 || !(west < east) || !(south < north)) throw badParameter(parameter, `${parameter} is the least and then the greatest corner (${crs.axes}), four numbers or six with heights; ${numbers.join(',')} is none.`)
  return [west, south, east, north]
}

export const boxAround = (positions: readonly Position[]): BBox => positions.reduce<BBox>(
  ([west, south, east, north], [x, y]) => [Math.min(west, x), Math.min(south, y), Math.max(east, x), Math.max(north, y)], [Infinity, Infinity, -Infinity, -Infinity])

const METRES = { m: 1, km: 1000, ft: 0.3048, mi: 1609.344, nmi: 1852 } as const
export const LENGTH_UNITS = Object.keys(METRES) as (keyof typeof METRES)[]
export const unitParameter = (name: string, required: boolean): Parameter => ({ name, in: 'query', required, description: `Unit of the length: ${LENGTH_UNITS.join(', ')}.`, schema: Type.Union(LENGTH_UNITS.map(unit => Type.Literal(unit))) })

const FARTHEST_M = 50_000

/** A length of a request in metres. */
export function metresOf(parameter: string, length: number, unit: keyof typeof METRES): number {
  const metres = length * METRES[unit]
  if (!(metres > 0) || metres > FARTHEST_M) throw badParameter(parameter, `${parameter} is ${length} ${unit}; it must be more than 0 and at most ${FARTHEST_M / 1000} km.`)
  return metres
}

/**
 * What lies within so many metres of points or lines, as polygons in CRS84: geodesic, by the database. Only about a box
 * (CRS84): what is farther off than the distance reaches is left out, so that the database bends no line round the world.
 */
export async function around(store: Store, shape: Extract<Shape, { type: 'points' | 'lines' }>, crs: Crs, metres: number, box: BBox): Promise<(readonly (readonly Position[])[])[]> {
  const toLonLat = transform(crs, CRS84)
  const lonLat = ([x, y]: Position) => toLonLat(x, y)
  const near = reach(box, metres)
  const geometry = shape.type === 'points'
    ? { type: 'MultiPoint', coordinates: shape.points.map(lonLat).filter(([x, y]) => x >= near[0] && x <= near[2] && y >= near[1] && y <= near[3]) }
    : { type: 'MultiLineString', coordinates: shape.lines.map(line => line.map(lonLat)).flatMap(line => line.slice(1).flatMap((to, i) => clipped(line[i]!, to, near) ?? [])) }
  if (geometry.coordinates.length === 0) return []
  const { rows } = await sql<{ area: string }>`
    select st_asgeojson(st_multi(st_buffer(st_geomfromgeojson(${JSON.stringify(geometry)})::geography, ${metres}::float8)::geometry), 9) as area`.execute(store.pool('open'))
  return (JSON.parse(rows[0]!.area) as { coordinates: Position[][][] }).coordinates
}

/** A box (degrees) grown by so many metres and a little. */
function reach([west, south, east, north]: BBox, metres: number): BBox {
  const lat = (metres / 110_000) * 1.1
  const lon = lat / Math.max(0.01, Math.cos((Math.max(Math.abs(south), Math.abs(north)) * Math.PI) / 180))
  return [west - lon, Math.max(-89, south - lat), east + lon, Math.min(89, north + lat)]
}
