import type { GeoJsonGeometry } from '../filter/ast.js'

/** What keeps a value from being a GeoJSON geometry (RFC 7946, 3.1), with the place as a JSON pointer; null where it is one. */
export function coordinatesFault(geometry: GeoJsonGeometry): Fault | null {
  if (geometry.type === 'GeometryCollection') {
    if (!Array.isArray(geometry.geometries) || geometry.geometries.length === 0) return { path: '/geometries', detail: 'wanted a list of geometries' }
    return first(geometry.geometries as readonly GeoJsonGeometry[], member =>
      (member === null || typeof member !== 'object' ? { path: '', detail: 'wanted a geometry' } : member.type === 'GeometryCollection' ? { path: '', detail: 'collections in collections are not taken' } : coordinatesFault(member)), '/geometries')
  }
  const check = CHECKS[geometry.type]
  if (!check) return { path: '/type', detail: `“${String(geometry.type).slice(0, 40)}” is no geometry type` }
  const fault = check(geometry.coordinates)
  return fault && { ...fault, path: `/coordinates${fault.path}` }
}

interface Fault { readonly path: string; readonly detail: string }
type Check = (value: unknown) => Fault | null

const fault = (detail: string): Fault => ({ path: '', detail })

function first<T>(items: readonly T[], check: (item: T) => Fault | null, path = ''): Fault | null {
  for (let i = 0; i < items.length; i++) {
    const found = check(items[i]!)
    if (found) return { path: `${path}/${i}${found.path}`, detail: found.detail }
  }
  return null
}

const position: Check = value =>
  Array.isArray(value) && value.length >= 2 && value.length <= 4 && value.every(ordinate => Number.isFinite(ordinate)) ? null : fault('wanted a position of two or three finite numbers')

const positions = (least: number): Check => value =>
  !Array.isArray(value) || value.length < least ? fault(`wanted at least ${least} positions`) : first(value, position)

const ring: Check = value => {
  const found = positions(4)(value)
  if (found) return found
  const [start, end] = [(value as number[][])[0]!, (value as number[][]).at(-1)!]
  return start[0] === end[0] && start[1] === end[1] ? null : fault('a ring ends where it starts')
}

const list = (check: Check, what: string): Check => value => (!Array.isArray(value) || value.length === 0 ? fault(`wanted a list of ${what}`) : first(value, check))

const polygon = list(ring, 'rings')
const CHECKS: Readonly<Record<string, Check>> = {
  Point: position, MultiPoint: list(position, 'positions'),
  LineString: positions(2), MultiLineString: list(positions(2), 'lines'),
  Polygon: polygon, MultiPolygon: list(polygon, 'polygons'),
}
