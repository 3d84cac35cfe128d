import type { Filter, GeometryLiteral, GeoJsonGeometry, Scalar } from './ast.js'

/**
 * The JSON encoding of CQL2 (OGC 21-065r2) to and from the filter AST.
 * Operators: and or not = <> < > <= >= like between in isNull s_intersects, casei and accenti.
 */
export function parseCql2Json(value: unknown): Filter {
  return predicate(value, '', 0)
}

export function printCql2Json(filter: Filter): unknown {
  switch (filter.op) {
    case 'and': case 'or': return { op: filter.op, args: filter.args.map(printCql2Json) }
    case 'not': return { op: 'not', args: [printCql2Json(filter.arg)] }
    case 'like': return { op: 'like', args: [printScalar(filter.left), filter.pattern] }
    case 'between': return { op: 'between', args: [filter.left, filter.low, filter.high].map(printScalar) }
    case 'in': return { op: 'in', args: [printScalar(filter.left), filter.values.map(printScalar)] }
    case 'isNull': return { op: 'isNull', args: [printScalar(filter.arg)] }
    case 's_intersects': return {
      op: 's_intersects',
      args: [{ property: filter.property }, 'bbox' in filter.geometry ? { bbox: filter.geometry.bbox } : filter.geometry.geojson],
    }
    default: return { op: filter.op, args: [printScalar(filter.left), printScalar(filter.right)] }
  }
}

/** A filter that cannot be read. `at` is a JSON pointer (JSON encoding) or a character position from 1 (text encoding). */
export class FilterSyntaxError extends Error {
  constructor(message: string, readonly at: string | number) {
    super(message)
    this.name = 'FilterSyntaxError'
  }
}

/** Deeper or wider filters are a mistake or an attack, not a question. */
export const MAX_DEPTH = 40
export const MAX_LIST = 2000

export const COMPARISONS = ['=', '<>', '<', '>', '<=', '>='] as const
const OPERATORS = ['and', 'or', 'not', ...COMPARISONS, 'like', 'between', 'in', 'isNull', 's_intersects']
const FOLDS = ['casei', 'accenti']

type Comparison = (typeof COMPARISONS)[number]

function predicate(value: unknown, at: string, depth: number): Filter {
  if (depth > MAX_DEPTH) throw new FilterSyntaxError(`The filter is nested deeper than ${MAX_DEPTH} levels`, at)
  const { op, args } = operation(value, at, OPERATORS)
  const scalarAt = (i: number) => scalar(args[i], `${at}/args/${i}`, depth + 1)
  switch (op) {
    case 'and': case 'or':
      if (args.length < 2) throw new FilterSyntaxError(`“${op}” needs two or more arguments, got ${args.length}`, `${at}/args`)
      return { op, args: args.map((arg, i) => predicate(arg, `${at}/args/${i}`, depth + 1)) }
    case 'not': return count(args, 1, op, at), { op, arg: predicate(args[0], `${at}/args/0`, depth + 1) }
    case 'like': return count(args, 2, op, at), likePredicate(scalarAt(0), scalarAt(1), `${at}/args/1`)
    case 'between': return count(args, 3, op, at), { op, left: scalarAt(0), low: scalarAt(1), high: scalarAt(2) }
    case 'in': return count(args, 2, op, at), { op, left: scalarAt(0), values: list(args[1], `${at}/args/1`, depth + 1) }
    case 'isNull': return count(args, 1, op, at), { op, arg: scalarAt(0) }
    case 's_intersects': return count(args, 2, op, at), spatial(args, at)
    default: return count(args, 2, op, at), { op: op as Comparison, left: scalarAt(0), right: scalarAt(1) }
  }
}

/** `casei(a) like casei('x%')` folds both sides; the AST keeps the fold on the left only. */
export function likePredicate(left: Scalar, right: Scalar, at: string | number): Filter {
  let [l, r] = [left, right]
  while ('fold' in r) {
    if (!('fold' in l) || l.fold !== r.fold) throw new FilterSyntaxError(`The pattern is folded with ${r.fold}; fold the left side with it too`, at)
    ;[l, r] = [l.arg, r.arg]
  }
  if (!('literal' in r) || typeof r.literal !== 'string') throw new FilterSyntaxError('“like” needs a text pattern with % and _', at)
  return { op: 'like', left, pattern: r.literal }
}

function spatial(args: readonly unknown[], at: string): Filter {
  const property = (args[0] as { property?: unknown } | null)?.property
  if (typeof property !== 'string') throw new FilterSyntaxError('The first argument of “s_intersects” is {"property": "geometry"}', `${at}/args/0`)
  return { op: 's_intersects', property, geometry: geometryLiteral(args[1], `${at}/args/1`) }
}

function geometryLiteral(value: unknown, at: string): GeometryLiteral {
  if (!isObject(value)) throw new FilterSyntaxError('Expected a GeoJSON geometry or {"bbox": […]}', at)
  if ('bbox' in value && !('type' in value)) {
    const box = value.bbox
    if (!Array.isArray(box) || ![4, 6].includes(box.length) || !box.every((n) => typeof n === 'number' && Number.isFinite(n)))
      throw new FilterSyntaxError('“bbox” is four numbers: west, south, east, north', `${at}/bbox`)
    return { bbox: box.length === 4 ? [box[0], box[1], box[2], box[3]] : [box[0], box[1], box[3], box[4]] }
  }
  return { geojson: checkGeometry(value, at) }
}

const COORDINATE_DEPTH: Readonly<Record<string, number>> =
  { Point: 0, MultiPoint: 1, LineString: 1, MultiLineString: 2, Polygon: 2, MultiPolygon: 3 }

/** A geometry that PostGIS will take: known type, finite numbers, enough points, closed rings. */
export function checkGeometry(value: unknown, at: string | number): GeoJsonGeometry {
  if (!isObject(value) || typeof value.type !== 'string') throw new FilterSyntaxError('Expected a GeoJSON geometry', at)
  const inside = (member: string) => (typeof at === 'string' ? `${at}/${member}` : at)
  if (value.type === 'GeometryCollection') {
    if (!Array.isArray(value.geometries) || value.geometries.length > MAX_LIST) throw new FilterSyntaxError('A GeometryCollection has a list of geometries', inside('geometries'))
    if (value.geometries.some((g) => isObject(g) && g.type === 'GeometryCollection')) throw new FilterSyntaxError('Collections inside collections are not supported', inside('geometries'))
    return { type: value.type, geometries: value.geometries.map((g) => checkGeometry(g, inside('geometries'))) }
  }
  const depth = COORDINATE_DEPTH[value.type]
  if (depth === undefined) throw new FilterSyntaxError(`“${value.type}” is not a geometry type; use one of ${Object.keys(COORDINATE_DEPTH).join(', ')}, GeometryCollection`, inside('type'))
  checkCoordinates(value.coordinates, depth, value.type, inside('coordinates'))
  return { type: value.type, coordinates: value.coordinates }
}

function checkCoordinates(value: unknown, depth: number, type: string, at: string | number): void {
  if (!Array.isArray(value)) throw new FilterSyntaxError(`The coordinates of a ${type} are lists of numbers`, at)
  if (depth === 0) {
    if (value.length < 2 || value.length > 4 || !value.every((n) => typeof n === 'number' && Number.isFinite(n) && Math.abs(n) < 1e9))
      throw new FilterSyntaxError('A position is two or three finite numbers', at)
    return
  }
  const isLine = depth === 1 && type.endsWith('LineString')
  const isRing = depth === 1 && type.endsWith('Polygon')
  if (isLine && value.length < 2) throw new FilterSyntaxError('A line has two or more positions', at)
  if (isRing && value.length < 4) throw new FilterSyntaxError('A ring has four or more positions', at)
  for (const part of value) checkCoordinates(part, depth - 1, type, at)
  if (isRing && String(value[0]) !== String(value[value.length - 1])) throw new FilterSyntaxError('A ring ends where it began', at)
}

function scalar(value: unknown, at: string, depth: number): Scalar {
  if (depth > MAX_DEPTH) throw new FilterSyntaxError(`The filter is nested deeper than ${MAX_DEPTH} levels`, at)
  if (typeof value === 'string' || typeof value === 'boolean') return { literal: value }
  if (typeof value === 'number' && Number.isFinite(value)) return { literal: value }
  if (!isObject(value)) throw new FilterSyntaxError('Expected a property, a number, a text, true or false, a date or a timestamp', at)
  if (typeof value.property === 'string') return { property: value.property }
  if ('date' in value) return { date: checkDate(value.date, at) }
  if ('timestamp' in value) return { timestamp: checkTimestamp(value.timestamp, at) }
  const { op, args } = operation(value, at, FOLDS)
  count(args, 1, op, at)
  return { fold: op as 'casei' | 'accenti', arg: scalar(args[0], `${at}/args/0`, depth + 1) }
}

function list(value: unknown, at: string, depth: number): Scalar[] {
  if (!Array.isArray(value) || value.length === 0) throw new FilterSyntaxError('“in” needs a list of one or more values', at)
  if (value.length > MAX_LIST) throw new FilterSyntaxError(`“in” takes at most ${MAX_LIST} values, got ${value.length}`, at)
  return value.map((item, i) => scalar(item, `${at}/${i}`, depth))
}

function operation(value: unknown, at: string, known: readonly string[]): { op: string; args: readonly unknown[] } {
  if (!isObject(value)) throw new FilterSyntaxError('Expected an object with “op” and “args”', at)
  if (typeof value.op !== 'string' || !known.includes(value.op))
    throw new FilterSyntaxError(`Unknown operator ${JSON.stringify(value.op) ?? '(none)'}; known here: ${known.join(', ')}`, `${at}/op`)
  if (!Array.isArray(value.args)) throw new FilterSyntaxError(`“${value.op}” needs a list “args”`, `${at}/args`)
  if (value.args.length > MAX_LIST) throw new FilterSyntaxError(`“${value.op}” takes at most ${MAX_LIST} arguments`, `${at}/args`)
  return { op: value.op, args: value.args }
}

function count(args: readonly unknown[], wanted: number, op: string, at: string): void {
  if (args.length !== wanted) throw new FilterSyntaxError(`“${op}” takes ${wanted} argument${wanted > 1 ? 's' : ''}, got ${args.length}`, `${at}/args`)
}

/** `2025-07-01`, and a day that exists. */
export function checkDate(value: unknown, at: string | number): string {
  if (typeof value === 'string' && /^\d{4}-\d\d-\d\d$/.test(value) && isRealDay(value)) return value
  throw new FilterSyntaxError(`${JSON.stringify(value)} is not a date like 2025-07-01`, at)
}

/** RFC 3339 with a zone: `2025-07-01T06:00:00Z`. */
export function checkTimestamp(value: unknown, at: string | number): string {
  if (typeof value === 'string' && isTimestamp(value)) return value
  throw new FilterSyntaxError(`${JSON.stringify(value)} is not a timestamp like 2025-07-01T06:00:00Z`, at)
}

export function isTimestamp(value: string): boolean {
  return /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/.test(value)
    && isRealDay(value.slice(0, 10)) && !Number.isNaN(Date.parse(value))
}

export function isRealDay(day: string): boolean {
  const date = new Date(`${day}T00:00:00Z`)
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day) && !day.startsWith('0000')
}

function printScalar(value: Scalar): unknown {
  if ('literal' in value) return value.literal
  if ('fold' in value) return { op: value.fold, args: [printScalar(value.arg)] }
  return value
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
