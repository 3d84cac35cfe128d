/** What both encodings share: operands with the place they came from, put together as CQL2 allows. */
import {
  ARITHMETIC, ARRAY_OPS, COMPARISONS, FOLDS, INSTANT_OPS, INTERVAL_OPS, SPATIAL_OPS,
  type ArrayValue, type Filter, type Fold, type Geometry, type GeoJsonGeometry, type GeometryLiteral, type Instant, type IntervalEnd, type Operand, type Scalar, type Temporal,
} from './ast.js'
import { isRealDay, isTimestamp } from './instants.js'

/** A filter that cannot be read. `at` is a JSON pointer (JSON encoding) or a character position from 1 (text encoding). */
export class FilterSyntaxError extends Error {
  constructor(message: string, readonly at: Place) {
    super(message)
    this.name = 'FilterSyntaxError'
  }
}
export type Place = string | number

/** Deeper or wider filters are a mistake or an attack, not a question. */
export const MAX_DEPTH = 40
export const MAX_LIST = 2000

/** An operand and where it stands; the `items` of a list with their own places. `single`: in brackets of its own, so that it may be a list of one. */
export interface Node { readonly at: Place; readonly value: Operand; readonly items?: readonly Node[]; readonly single?: boolean }

export const listNode = (at: Place, items: readonly Node[]): Node => ({ at, value: { array: items.map(({ value }) => value) }, items })

const is = <T extends string>(all: readonly T[], op: string): op is T => (all as readonly string[]).includes(op)

/** The operators, by the names of the JSON encoding; everything else is a function. */
const OPERATORS = new Map(['and', 'or', 'not', 'like', 'between', 'in', 'isNull', ...COMPARISONS, ...SPATIAL_OPS, ...INSTANT_OPS, ...INTERVAL_OPS, ...ARRAY_OPS, ...ARITHMETIC, ...FOLDS]
  .map(op => [op.toLowerCase(), op]))

/** An operator's name in JSON for what text writes in any case. */
export const operatorNamed = (word: string): string | undefined => OPERATORS.get(word.toLowerCase())

/**
 * An operator or a function with its arguments. `where` tells what is wrong with their number; each argument knows its own place.
 * Throws FilterSyntaxError.
 */
export function operation(op: string, args: readonly Node[], at: Place, where: Place = at): Node {
  const [a, b, c] = args
  const take = (count: number) => { if (args.length !== count) throw new FilterSyntaxError(`“${op}” takes ${count} argument${count > 1 ? 's' : ''}, got ${args.length}`, where) }
  const predicate = (filter: Filter): Node => ({ at, value: { filter } })
  if (op === 'and' || op === 'or') {
    if (args.length < 2) throw new FilterSyntaxError(`“${op}” needs two or more arguments, got ${args.length}`, where)
    return predicate({ op, args: args.map(filterOf) })
  }
  if (op === 'not') return take(1), predicate({ op, arg: filterOf(a!) })
  if (op === 'isNull') return take(1), predicate({ op, arg: a!.value })
  if (op === 'like') return take(2), predicate(like(a!, b!))
  if (op === 'between') return take(3), predicate({ op, left: scalarOf(a!), low: scalarOf(b!), high: scalarOf(c!) })
  if (op === 'in') return take(2), predicate({ op, left: scalarOf(a!), values: listOf(b!) })
  if (is(COMPARISONS, op)) return take(2), predicate({ op, left: scalarOf(a!), right: scalarOf(b!) })
  if (is(SPATIAL_OPS, op)) return take(2), predicate({ op, left: geometryOf(a!, op), right: geometryOf(b!, op) })
  if (is(INSTANT_OPS, op)) return take(2), predicate({ op, left: temporalOf(a!, op), right: temporalOf(b!, op) })
  if (is(INTERVAL_OPS, op)) return take(2), predicate({ op, left: intervalOf(a!, op), right: intervalOf(b!, op) })
  if (is(ARRAY_OPS, op)) return take(2), predicate({ op, left: arrayOf(a!, op), right: arrayOf(b!, op) })
  if (is(FOLDS, op)) return take(1), { at, value: { fold: op, arg: scalarOf(a!) } }
  if (is(ARITHMETIC, op)) return take(2), { at, value: { arithmetic: op, left: scalarOf(a!), right: scalarOf(b!) } }
  return { at, value: { call: op, args: args.map(({ value }) => value) } }
}

/** The node as a condition: a predicate, TRUE, FALSE, or a function, of which the server knows what it answers. */
export function filterOf({ at, value }: Node): Filter {
  if ('filter' in value) return value.filter
  if ('call' in value) return { op: 'call', call: value }
  if ('literal' in value && typeof value.literal === 'boolean') return { op: 'literal', value: value.literal }
  if ('property' in value) throw new FilterSyntaxError(`“${value.property}” alone is no condition: compare it, as in ${value.property} = TRUE`, at)
  throw new FilterSyntaxError('Expected a condition: a comparison (=, <>, <, >, <=, >=, LIKE, BETWEEN, IN, IS NULL), a spatial, temporal or array predicate', at)
}

export function scalarOf({ at, value }: Node): Scalar {
  if ('property' in value || 'literal' in value || 'date' in value || 'timestamp' in value || 'fold' in value || 'arithmetic' in value || 'call' in value) return value
  if ('filter' in value && value.filter.op === 'literal') return { literal: value.filter.value }
  throw new FilterSyntaxError(`Expected a property, a number, a text, true or false, a date or a timestamp, not ${sortOf(value)}`, at)
}

function geometryOf({ at, value }: Node, op: string): Geometry {
  if ('property' in value || 'call' in value || 'bbox' in value || 'geojson' in value) return value
  throw new FilterSyntaxError(`“${op}” takes a geometry: a property, POINT(…), POLYGON((…)), BBOX(…) or a function, not ${sortOf(value)}`, at)
}

function temporalOf({ at, value }: Node, op: string): Temporal {
  if ('property' in value || 'call' in value || 'date' in value || 'timestamp' in value || 'interval' in value) return value
  throw new FilterSyntaxError(`“${op}” takes an instant or an interval: a property, DATE('…'), TIMESTAMP('…') or INTERVAL(…), not ${sortOf(value)}`, at)
}

function intervalOf(node: Node, op: string): Temporal {
  if ('interval' in node.value || 'call' in node.value) return node.value
  throw new FilterSyntaxError(`“${op}” compares intervals: write INTERVAL(start, end), not ${sortOf(node.value)}`, node.at)
}

function arrayOf({ at, value, single }: Node, op: string): ArrayValue {
  if ('array' in value) return value
  if (single) return { array: [value] }
  if ('property' in value || 'call' in value) return value
  throw new FilterSyntaxError(`“${op}” takes a list such as ('a', 'b'), or a property that holds one, not ${sortOf(value)}`, at)
}

function listOf(node: Node): Scalar[] {
  const items = node.items ?? (node.single ? [node] : [])
  if (items.length === 0) throw new FilterSyntaxError('“in” needs a list of one or more values', node.at)
  return items.map(scalarOf)
}

function like(left: Node, right: Node): Filter {
  let pattern = scalarOf(right)
  const folds: Fold[] = []
  for (; 'fold' in pattern; pattern = pattern.arg) folds.push(pattern.fold)
  if (!('literal' in pattern) || typeof pattern.literal !== 'string') throw new FilterSyntaxError('“like” needs a text pattern with % and _', right.at)
  return { op: 'like', left: scalarOf(left), pattern: pattern.literal, ...(folds.length && { folds }) }
}

const sortOf = (value: Operand): string =>
  'property' in value ? `the property “${value.property}”` : 'literal' in value ? `the ${typeof value.literal === 'string' ? 'text' : 'value'} ${JSON.stringify(value.literal)}`
  : 'filter' in value ? 'a condition' : 'array' in value ? 'a list' : 'interval' in value ? 'an interval' : 'date' in value || 'timestamp' in value ? 'an instant'
  : 'bbox' in value || 'geojson' in value ? 'a geometry' : 'arithmetic' in value || 'fold' in value ? 'an expression' : 'a function'

/** An end of an interval: an instant as text or in full, a property, a function, or `..`. */
export function intervalEnd({ at, value }: Node): IntervalEnd {
  if ('literal' in value && typeof value.literal === 'string') {
    if (value.literal === '..') return '..'
    return /[Tt]/.test(value.literal) ? { timestamp: checkTimestamp(value.literal, at) } : { date: checkDate(value.literal, at) }
  }
  if ('property' in value || 'call' in value || 'date' in value || 'timestamp' in value) return value
  throw new FilterSyntaxError(`An end of an interval is a date, a timestamp, '..' or a property, not ${sortOf(value)}`, at)
}

/** Both ends must be told in the same way, and the first must not be after the second. */
export function interval(start: Node, end: Node, at: Place): Node {
  const ends = [intervalEnd(start), intervalEnd(end)] as const
  const [from, to] = ends.map(e => e !== '..' && ('date' in e || 'timestamp' in e) ? instantMs(e) : NaN) as [number, number]
  if (from > to) throw new FilterSyntaxError('The interval ends before it starts', at)
  return { at, value: { interval: ends } }
}

const instantMs = (instant: Instant) => Date.parse('date' in instant ? `${instant.date}T00:00:00Z` : instant.timestamp)

/** Four numbers, or six with heights, which are left out. */
export function box(numbers: readonly number[], at: Place): GeometryLiteral {
  const [a, b, c, d, e, f] = numbers
  if (numbers.length === 4) return { bbox: [a!, b!, c!, d!] }
  if (numbers.length === 6 && f !== undefined) return { bbox: [a!, b!, d!, e!] }
  throw new FilterSyntaxError(`A box is four numbers: west, south, east, north (or six with heights), got ${numbers.length}`, at)
}

const COORDINATE_DEPTH: Readonly<Record<string, number>> = { Point: 0, MultiPoint: 1, LineString: 1, MultiLineString: 2, Polygon: 2, MultiPolygon: 3 }

/** A geometry that PostGIS will take: known type, finite numbers, enough points, closed rings. */
export function checkGeometry(value: unknown, at: Place): GeoJsonGeometry {
  if (!isObject(value) || typeof value.type !== 'string') throw new FilterSyntaxError('Expected a GeoJSON geometry', at)
  const inside = (member: string) => (typeof at === 'string' ? `${at}/${member}` : at)
  if (value.type === 'GeometryCollection') {
    if (!Array.isArray(value.geometries) || value.geometries.length > MAX_LIST) throw new FilterSyntaxError('A GeometryCollection has a list of geometries', inside('geometries'))
    if (value.geometries.some(g => isObject(g) && g.type === 'GeometryCollection')) throw new FilterSyntaxError('Collections inside collections are not supported', inside('geometries'))
    return { type: value.type, geometries: value.geometries.map(g => checkGeometry(g, inside('geometries'))) }
  }
  const depth = COORDINATE_DEPTH[value.type]
  if (depth === undefined) throw new FilterSyntaxError(`“${value.type}” is not a geometry type; use one of ${Object.keys(COORDINATE_DEPTH).join(', ')}, GeometryCollection`, inside('type'))
  checkCoordinates(value.coordinates, depth, value.type, inside('coordinates'))
  return { type: value.type, coordinates: value.coordinates }
}

function checkCoordinates(value: unknown, depth: number, type: string, at: Place): void {
  if (!Array.isArray(value)) throw new FilterSyntaxError(`The coordinates of a ${type} are lists of numbers`, at)
  if (depth === 0) {
    if (value.length < 2 || value.length > 4 || !value.every(n => typeof n === 'number' && Number.isFinite(n) && Math.abs(n) < 1e9))
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

/** `2025-07-01`, and a day that exists. */
export function checkDate(value: unknown, at: Place): string {
  if (typeof value === 'string' && /^\d{4}-\d\d-\d\d$/.test(value) && isRealDay(value)) return value
  throw new FilterSyntaxError(`${JSON.stringify(value)} is not a date like 2025-07-01`, at)
}

/** RFC 3339 with a zone: `2025-07-01T06:00:00Z`. */
export function checkTimestamp(value: unknown, at: Place): string {
  if (typeof value === 'string' && isTimestamp(value)) return value
  throw new FilterSyntaxError(`${JSON.stringify(value)} is not a timestamp like 2025-07-01T06:00:00Z`, at)
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
