/** The JSON encoding of CQL2 (OGC 21-065r2) to and from the filter AST. */
import type { ArrayValue, Filter, Geometry, IntervalEnd, Operand, Scalar, Temporal } from './ast.js'
import { box, checkDate, checkGeometry, checkTimestamp, filterOf, FilterSyntaxError, interval, isObject, listNode, MAX_DEPTH, MAX_LIST, operation, type Node } from './build.js'

/** Throws FilterSyntaxError with a JSON pointer. */
export function parseCql2Json(value: unknown): Filter {
  return filterOf(read(value, '', 0))
}

/** Members of a GeoJSON geometry, which has no “op”. */
const isGeometry = (value: Record<string, unknown>) => 'type' in value && ('coordinates' in value || 'geometries' in value)

function read(value: unknown, at: string, depth: number): Node {
  if (depth > MAX_DEPTH) throw new FilterSyntaxError(`The filter is nested deeper than ${MAX_DEPTH} levels`, at)
  if (typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return { at, value: { literal: value } }
  if (Array.isArray(value)) return listNode(at, readAll(value, at, depth))
  if (!isObject(value)) throw new FilterSyntaxError('Expected a value, a property or an operation with “op” and “args”', at)
  if (typeof value.property === 'string') return { at, value: { property: value.property } }
  if ('date' in value) return { at, value: { date: checkDate(value.date, at) } }
  if ('timestamp' in value) return { at, value: { timestamp: checkTimestamp(value.timestamp, at) } }
  if ('interval' in value) return readInterval(value.interval, `${at}/interval`, depth)
  if ('bbox' in value && !('type' in value)) return { at, value: readBox(value.bbox, `${at}/bbox`) }
  if (!('op' in value) && 'type' in value && (isGeometry(value) || !('args' in value))) return { at, value: { geojson: checkGeometry(value, at) } }
  if (typeof value.op !== 'string' || value.op === '') throw new FilterSyntaxError(`Unknown operator ${JSON.stringify(value.op) ?? '(none)'}`, `${at}/op`)
  if (!Array.isArray(value.args)) throw new FilterSyntaxError(`“${value.op}” needs a list “args”`, `${at}/args`)
  return operation(value.op, readAll(value.args, `${at}/args`, depth), at, `${at}/args`)
}

function readAll(values: readonly unknown[], at: string, depth: number): Node[] {
  if (values.length > MAX_LIST) throw new FilterSyntaxError(`At most ${MAX_LIST} values stand in a list, got ${values.length}`, at)
  return values.map((value, i) => read(value, `${at}/${i}`, depth + 1))
}

function readInterval(value: unknown, at: string, depth: number): Node {
  if (!Array.isArray(value) || value.length !== 2) throw new FilterSyntaxError('“interval” is a list of two: start and end, “..” where it is open', at)
  const [start, end] = readAll(value, at, depth)
  return interval(start!, end!, at)
}

function readBox(value: unknown, at: string) {
  if (!Array.isArray(value) || !value.every(n => typeof n === 'number' && Number.isFinite(n))) throw new FilterSyntaxError('“bbox” is four numbers: west, south, east, north', at)
  return box(value as number[], at)
}

export function printCql2Json(filter: Filter): unknown {
  const operation = (op: string, ...args: readonly unknown[]) => ({ op, args })
  switch (filter.op) {
    case 'and': case 'or': return { op: filter.op, args: filter.args.map(printCql2Json) }
    case 'not': return operation('not', printCql2Json(filter.arg))
    case 'literal': return filter.value
    case 'call': return print(filter.call)
    case 'isNull': return operation('isNull', print(filter.arg))
    case 'like': return operation('like', print(filter.left), (filter.folds ?? []).reduceRight<unknown>((pattern, fold) => ({ op: fold, args: [pattern] }), filter.pattern))
    case 'between': return operation('between', print(filter.left), print(filter.low), print(filter.high))
    case 'in': return operation('in', print(filter.left), filter.values.map(print))
    default: return operation(filter.op, print(filter.left), print(filter.right))
  }
}

function print(value: Operand | Geometry | Temporal | ArrayValue | Scalar | IntervalEnd): unknown {
  if (value === '..') return value
  if ('literal' in value) return value.literal
  if ('fold' in value) return { op: value.fold, args: [print(value.arg)] }
  if ('arithmetic' in value) return { op: value.arithmetic, args: [print(value.left), print(value.right)] }
  if ('call' in value) return { op: value.call, args: value.args.map(print) }
  if ('array' in value) return value.array.map(print)
  if ('geojson' in value) return value.geojson
  if ('filter' in value) return printCql2Json(value.filter)
  if ('interval' in value) return { interval: value.interval.map(end => end !== '..' && 'date' in end ? end.date : end !== '..' && 'timestamp' in end ? end.timestamp : print(end)) }
  return value
}
