/**
 * The filter AST → an SQL expression. Identifiers come from the layer, values are parameters; nothing of a request
 * becomes SQL text. A filter that names an unknown property, or compares unlike things, is a 400 that says so.
 */
import { sql, type Expression, type RawBuilder, type SqlBool } from 'kysely'
import type { BBox } from '../../core/bbox.js'
import { ARRAY_OPS, INSTANT_OPS, INTERVAL_OPS, SPATIAL_OPS } from '../../core/filter/ast.js'
import type { Arithmetic, ArrayOp, ArrayValue, Call, Comparison, Filter, Fold, GeoJsonGeometry, Geometry, GeometryLiteral, Operand, Scalar, SpatialOp, Temporal, TemporalOp } from '../../core/filter/ast.js'
import { nearMisses } from '../../core/text.js'
import type { Classification, ColumnType, Layer } from '../../layers/layer.js'
import { badParameter, type Problem } from '../errors.js'
import { filterFunction, type Kind } from './filter-functions.js'
import { temporalSql, type TemporalOperand } from './filter-time.js'
import { visibleColumns } from './rights.js'

/** Alias of the layer's rows in every statement that a filter goes into. */
export const ROWS = 'f'

const MAX_DEPTH = 32
const MAX_NODES = 2000
const MAX_TEXT = 10_000
const MAX_VERTICES = 20_000

/** Compiles a filter for the rows of a layer as a clearance sees them. Throws a 400 Problem. */
export function filterToSql(filter: Filter, layer: Layer, clearance: Classification): Expression<SqlBool> {
  return new Compiler(queryables(layer, clearance), layer).filter(filter, 0)
}

/** Property → type, of all that a filter may name: what the reader sees, no more. */
export function queryables(layer: Layer, clearance: Classification): ReadonlyMap<string, ColumnType> {
  const types = new Map<string, ColumnType>([['id', 'integer'], ['objectid', 'integer']])
  if (layer.kind !== 'run') {
    types.set('revision', 'integer').set('valid_from', 'timestamp').set('source', 'text').set('source_id', 'text')
  }
  if (layer.threeD) types.set('ground_z', 'number').set('height', 'number')
  for (const column of visibleColumns(layer, clearance)) types.set(column.name, column.type)
  return types
}

/** The 400 for a property that is not there, or not there for this reader: the same words. */
export function unknownProperty(name: string, known: Iterable<string>, parameter = 'filter'): Problem {
  const names = [...known]
  const near = nearMisses(name, names)
  return badParameter(parameter, `There is no property “${name.slice(0, 60)}”. ${near.length ? `Did you mean ${near.join(' or ')}? ` : ''}There are: ${names.join(', ')}.`)
}

const KINDS: Readonly<Record<ColumnType, Kind>> = {
  text: 'text', integer: 'number', number: 'number', boolean: 'boolean', date: 'date', timestamp: 'timestamp', json: 'json',
}
/** Two sides of a comparison share their kind. */
interface Typed {
  readonly kind: Kind
  readonly sql: RawBuilder<unknown>
  readonly said: string
  /** Words of people, which two spellings of a tone do not tell apart; not a code or an id. */
  readonly isProse?: boolean
  /** A column whose folded text has an index. */
  readonly isSearched?: boolean
}

class Compiler {
  #nodes = 0
  #vertices = 0
  readonly #prose: ReadonlySet<string>
  readonly #searched: ReadonlySet<string>
  constructor(private readonly types: ReadonlyMap<string, ColumnType>, private readonly layer: Layer) {
    this.#prose = new Set(layer.columns.filter(column => column.type === 'text' && !column.codes).map(column => column.name))
    this.#searched = new Set(layer.searchable)
  }

  filter(filter: Filter, depth: number): RawBuilder<SqlBool> {
    if (depth > MAX_DEPTH) throw badParameter('filter', `The filter is nested deeper than ${MAX_DEPTH} levels.`)
    this.#count()
    switch (filter.op) {
      case 'and':
      case 'or': {
        if (filter.args.length === 0) throw badParameter('filter', `“${filter.op}” needs at least one condition.`)
        const parts = filter.args.map(arg => this.filter(arg, depth + 1))
        return sql<SqlBool>`(${sql.join(parts, filter.op === 'and' ? sql` and ` : sql` or `)})`
      }
      case 'not': return sql<SqlBool>`(not ${this.filter(filter.arg, depth + 1)})`
      case 'isNull': return sql<SqlBool>`(${this.#operand(filter.arg, depth + 1).sql} is null)`
      case 'literal': return sql<SqlBool>`${filter.value}::boolean`
      case 'call': return this.#condition(filter.call, depth)
      case 'like': return this.#like(filter.left, filter.pattern, filter.folds ?? [])
      case 'between': {
        const [left, low, high] = [this.scalar(filter.left), this.scalar(filter.low), this.scalar(filter.high)]
        alike(left, low)
        alike(left, high)
        return sql<SqlBool>`(${left.sql} between ${low.sql} and ${high.sql})`
      }
      case 'in': {
        if (filter.values.length === 0) return sql<SqlBool>`false`
        const left = this.scalar(filter.left)
        const values = filter.values.map(value => this.scalar(value))
        for (const value of values) alike(left, value)
        return oneOf(left, values)
      }
      case '=': case '<>': case '<': case '>': case '<=': case '>=': return this.#compare(filter.op, filter.left, filter.right)
      default:
        if ((SPATIAL_OPS as readonly string[]).includes(filter.op)) return this.#spatial(filter.op as SpatialOp, filter.left as Geometry, filter.right as Geometry, depth)
        if (([...INSTANT_OPS, ...INTERVAL_OPS] as readonly string[]).includes(filter.op)) return temporalSql(filter.op as TemporalOp, this.#temporal(filter.left as Temporal, depth), this.#temporal(filter.right as Temporal, depth))
        if ((ARRAY_OPS as readonly string[]).includes(filter.op)) return this.#arrays(filter.op as ArrayOp, filter.left as ArrayValue, filter.right as ArrayValue, depth)
        throw badParameter('filter', `The filter has the unknown operator “${String((filter as { op: unknown }).op).slice(0, 40)}”.`)
    }
  }

  scalar(scalar: Scalar, depth = 0): Typed {
    this.#count()
    if (depth > MAX_DEPTH) throw badParameter('filter', `The filter is nested deeper than ${MAX_DEPTH} levels.`)
    if ('property' in scalar) return this.#property(scalar.property)
    if ('fold' in scalar) return this.#fold(scalar.fold, scalar.arg, depth)
    if ('arithmetic' in scalar) return this.#arithmetic(scalar.arithmetic, scalar.left, scalar.right, depth)
    if ('call' in scalar) return this.#call(scalar, depth)
    if ('date' in scalar) return { kind: 'date', sql: sql`${isoDate(scalar.date)}::date`, said: `the date ${scalar.date}` }
    if ('timestamp' in scalar) return { kind: 'timestamp', sql: sql`${instant(scalar.timestamp)}::timestamptz`, said: `the timestamp ${scalar.timestamp}` }
    if ('literal' in scalar) return literal(scalar.literal)
    throw badParameter('filter', 'The filter has an operand that is neither a property nor a value.')
  }

  /** Anything that may stand as an argument. */
  #operand(value: Operand, depth: number): Typed {
    if ('filter' in value) return { kind: 'boolean', sql: this.filter(value.filter, depth + 1), said: 'a condition' }
    if ('bbox' in value || 'geojson' in value || ('property' in value && isGeometryName(value.property))) return this.#geometry(value, depth)
    if ('array' in value) return { kind: 'json', sql: this.#array(value, depth), said: 'a list' }
    if ('interval' in value) throw badParameter('filter', 'An interval stands in temporal predicates only.')
    return this.scalar(value, depth)
  }

  #compare(op: Comparison, a: Scalar, b: Scalar): RawBuilder<SqlBool> {
    const [left, right] = [this.scalar(a), this.scalar(b)]
    alike(left, right)
    if (op === '=') return 'literal' in a ? oneOf(right, [left]) : oneOf(left, [right])
    if (op === '<>') return sql<SqlBool>`(not ${oneOf(left, [right])})`
    return sql<SqlBool>`(${left.sql} ${sql.raw(op)} ${right.sql})`
  }

  /** In doubles: exact for every id and count, and no integer overflows. What divides by nought is unknown, as NULL is. */
  #arithmetic(op: Arithmetic, a: Scalar, b: Scalar, depth: number): Typed {
    const [left, right] = [this.scalar(a, depth + 1), this.scalar(b, depth + 1)]
    for (const side of [left, right]) if (side.kind !== 'number') throw badParameter('filter', `“${op}” takes numbers, not ${side.said}.`)
    const [l, r] = [sql`(${left.sql})::float8`, sql`(${right.sql})::float8`]
    const said = `(${left.said} ${op} ${right.said})`
    switch (op) {
      case '+': case '-': case '*': return { kind: 'number', said, sql: sql`(${l} ${sql.raw(op)} ${r})` }
      case '/': return { kind: 'number', said, sql: sql`(${l} / nullif(${r}, 0))` }
      case 'div': return { kind: 'number', said, sql: sql`trunc(${l} / nullif(${r}, 0))` }
      case '%': return { kind: 'number', said, sql: sql`(${l} - trunc(${l} / nullif(${r}, 0)) * ${r})` }
      case '^': return { kind: 'number', said, sql: powerSql(l, r) }
    }
  }

  #call({ call: name, args }: Call, depth: number): Typed {
    const known = filterFunction(name)
    const wanted = known.args.length
    if (known.variadic ? args.length < wanted : args.length !== wanted) throw badParameter('filter', `${known.name} takes ${known.variadic ? 'at least ' : ''}${wanted} argument${wanted === 1 ? '' : 's'} (${known.args.map(each => each.name).join(', ')}), not ${args.length}.`)
    const given = args.map((arg, i) => {
      const typed = this.#operand(arg, depth + 1)
      const { name: what, kinds } = known.args[Math.min(i, wanted - 1)]!
      if (!kinds.includes(typed.kind)) throw badParameter('filter', `${known.name} takes ${kinds.join(' or ')} as ${what}, not ${typed.said}.`)
      return typed
    })
    // A date becomes an instant where either is taken.
    const sqls = given.map(({ kind, sql: each }) => kind === 'date' ? sql`((${each})::timestamp at time zone 'UTC')` : each)
    return { kind: known.returns, sql: known.sql(sqls, { layer: this.layer, row: ROWS }), said: `${known.name}(…)` }
  }

  #condition(call: Call, depth: number): RawBuilder<SqlBool> {
    const typed = this.#call(call, depth)
    if (typed.kind !== 'boolean') throw badParameter('filter', `${typed.said} answers a ${typed.kind}: compare it with something.`)
    return sql<SqlBool>`(${typed.sql})`
  }

  #property(name: string): Typed {
    const type = this.types.get(name)
    if (!type) throw unknownProperty(name, this.types.keys())
    const isProse = this.#prose.has(name)
    return { kind: KINDS[type], sql: sql`${sql.ref(`${ROWS}.${name}`)}`, said: `${name} (${type})`, isProse, isSearched: isProse && this.#searched.has(name) }
  }

  #fold(fold: 'casei' | 'accenti', arg: Scalar, depth: number): Typed {
    // Both folds at once are dothi.fold, which the layer's search index is built on.
    const both = 'fold' in arg && arg.fold !== fold
    const inner = this.scalar(both ? (arg as { arg: Scalar }).arg : arg, depth + 1)
    if (inner.kind !== 'text') throw badParameter('filter', `${fold} takes text, not ${inner.said}.`)
    return { ...inner, isProse: inner.isProse && fold === 'casei' && !both, isSearched: false, sql: foldSql(both ? 'fold' : fold === 'casei' ? 'fold_case' : 'fold_accents', inner.sql) }
  }

  /** The pattern is folded as its left side is, and as it says itself, so that `casei(name) like 'HÒA%'` finds what it means. */
  #like(left: Scalar, pattern: string, own: readonly Fold[]): RawBuilder<SqlBool> {
    const subject = this.scalar(left)
    if (subject.kind !== 'text') throw badParameter('filter', `like takes text, not ${subject.said}.`)
    checkText(pattern)
    if (/(^|[^\\])(\\\\)*\\$/.test(pattern)) throw badParameter('filter', 'The pattern of like ends with a lone backslash; write \\\\ for a backslash itself.')
    const folds = new Set([...foldsOf(left), ...own])
    const text = sql`${pattern}::text`
    const folded = folds.size === 0 ? text : foldSql(folds.size === 2 ? 'fold' : folds.has('casei') ? 'fold_case' : 'fold_accents', text)
    return sql<SqlBool>`(${subject.sql} like ${folded})`
  }

  #geometry(value: Geometry, depth: number): Typed & { readonly isCollection?: boolean } {
    this.#count()
    if ('property' in value) {
      if (!isGeometryName(value.property)) throw badParameter('filter', `A spatial predicate takes the property “geom”, not “${String(value.property).slice(0, 60)}”.`)
      return { kind: 'geometry', sql: sql.ref(`${ROWS}.geom`), said: 'the geometry' }
    }
    if ('call' in value) {
      const typed = this.#call(value, depth)
      if (typed.kind !== 'geometry') throw badParameter('filter', `${typed.said} answers a ${typed.kind}, where a geometry is wanted.`)
      return typed
    }
    if ('bbox' in value) return { kind: 'geometry', sql: boxGeometry(value.bbox), said: 'a box' }
    this.#vertices += checkGeometry(value.geojson)
    if (this.#vertices > MAX_VERTICES) throw badParameter('filter', `The filter's geometries have ${this.#vertices} vertices; ${MAX_VERTICES} are the most.`)
    return {
      kind: 'geometry', said: `the ${value.geojson.type}`, isCollection: value.geojson.type === 'GeometryCollection',
      sql: sql`st_makevalid(st_force2d(st_setsrid(st_geomfromgeojson(${JSON.stringify(value.geojson)}::text), 4326)))`,
    }
  }

  /** By the index wherever two geometries must at least touch each other's boxes. */
  #spatial(op: SpatialOp, a: Geometry, b: Geometry, depth: number): RawBuilder<SqlBool> {
    const [left, right] = [this.#geometry(a, depth), this.#geometry(b, depth)]
    if (op === 's_disjoint') return sql<SqlBool>`(not st_intersects(${left.sql}, ${right.sql}))`
    if (op !== 's_intersects' && (left.isCollection || right.isCollection)) throw badParameter('filter', `“${op}” takes no GEOMETRYCOLLECTION; give a point, line or polygon, or a multi-geometry.`)
    if (op === 's_intersects' && 'bbox' in b && 'property' in a) return boxSql('geom', b.bbox, 4326, true)
    return sql<SqlBool>`(${left.sql} && ${right.sql} and ${sql.raw(`st_${op.slice(2)}`)}(${left.sql}, ${right.sql}))`
  }

  #temporal(value: Temporal, depth: number): TemporalOperand {
    if ('interval' in value) {
      const [start, end] = value.interval.map(each => each === '..' ? null : this.#instant(each, depth))
      if (start && end && start.day !== end.day) return { start: start.sql, end: end.sql, day: { start: start.day, end: end.day } }
      return { start: start?.sql ?? null, end: end?.sql ?? null, day: { start: (start ?? end)?.day ?? null, end: (end ?? start)?.day ?? null } }
    }
    const { sql: at, day } = this.#instant(value, depth)
    return { start: at, end: at, day: { start: day, end: day } }
  }

  #instant(value: Exclude<Temporal, { interval: unknown }>, depth: number): { sql: RawBuilder<unknown>; day: boolean } {
    const typed = this.scalar(value, depth)
    if (typed.kind !== 'date' && typed.kind !== 'timestamp') throw badParameter('filter', `A temporal predicate takes dates and timestamps, not ${typed.said}.`)
    return { sql: typed.sql, day: typed.kind === 'date' }
  }

  /** Lists compare as sets, by JSON's containment. A property that holds no list is unknown. */
  #arrays(op: ArrayOp, a: ArrayValue, b: ArrayValue, depth: number): RawBuilder<SqlBool> {
    const [left, right] = [this.#array(a, depth), this.#array(b, depth)]
    switch (op) {
      case 'a_contains': return sql<SqlBool>`(${left} @> ${right})`
      case 'a_containedBy': return sql<SqlBool>`(${right} @> ${left})`
      case 'a_equals': return sql<SqlBool>`(${left} @> ${right} and ${right} @> ${left})`
      case 'a_overlaps': return sql<SqlBool>`exists (select from jsonb_array_elements(${left}) as x (item) where ${right} @> jsonb_build_array(x.item))`
    }
  }

  #array(value: ArrayValue, depth: number): RawBuilder<unknown> {
    this.#count()
    if (depth > MAX_DEPTH) throw badParameter('filter', `The filter is nested deeper than ${MAX_DEPTH} levels.`)
    if ('array' in value) return sql`jsonb_build_array(${sql.join(value.array.map(item => this.#item(item, depth + 1)))})`
    const typed = this.scalar(value, depth)
    if (typed.kind !== 'json') throw badParameter('filter', `An array predicate takes lists, not ${typed.said}.`)
    return sql`(case when jsonb_typeof(${typed.sql}) = 'array' then ${typed.sql} end)`
  }

  /** An instant in a list is its text, as it is in JSON. */
  #item(item: Operand, depth: number): RawBuilder<unknown> {
    if ('timestamp' in item) return sql`${instant(item.timestamp)}::text`
    const typed = this.#operand(item, depth)
    return typed.kind === 'date' ? sql`(${typed.sql})::text` : typed.sql
  }

  #count() {
    if (++this.#nodes > MAX_NODES) throw badParameter('filter', `The filter has more than ${MAX_NODES} parts.`)
  }
}

/**
 * Equality with one of several values. Where the column is searched, the folded text, which is equal wherever the text
 * is, brings in its index.
 */
function oneOf(left: Typed, values: readonly Typed[]): RawBuilder<SqlBool> {
  const among = (text: (side: Typed) => RawBuilder<unknown>) => values.length === 1
    ? sql<SqlBool>`(${text(left)} = ${text(values[0]!)})` : sql<SqlBool>`(${text(left)} in (${sql.join(values.map(text))}))`
  if (![left, ...values].some(side => side.isProse)) return among(side => side.sql)
  const same = among(side => sql`dothi.place_tone(${side.sql})`)
  return left.isSearched ? sql<SqlBool>`(${among(side => foldSql('fold', side.sql))} and ${same})` : same
}

function foldSql(name: 'fold' | 'fold_case' | 'fold_accents', text: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`${sql.raw(`dothi.${name}`)}(${text})`
}

function foldsOf(scalar: Scalar): Set<Fold> {
  const folds = new Set<Fold>()
  for (let s = scalar; 'fold' in s; s = s.arg) folds.add(s.fold)
  return folds
}

function literal(value: string | number | boolean): Typed {
  if (typeof value === 'string') {
    checkText(value)
    return { kind: 'text', sql: sql`${value}::text`, said: `the text “${value.slice(0, 40)}”` }
  }
  if (typeof value === 'boolean') return { kind: 'boolean', sql: sql`${value}::boolean`, said: String(value) }
  if (typeof value !== 'number' || !Number.isFinite(value)) throw badParameter('filter', 'A value of the filter is neither text, a finite number, nor true or false.')
  return { kind: 'number', sql: Number.isSafeInteger(value) ? sql`${value}::int8` : sql`${value}::float8`, said: `the number ${value}` }
}

function alike(a: Typed, b: Typed) {
  if (a.kind === 'json' || b.kind === 'json') throw badParameter('filter', `${(a.kind === 'json' ? a : b).said} cannot be compared; only “is null” works on it.`)
  if (a.kind !== b.kind) throw badParameter('filter', `${a.said} cannot be compared with ${b.said}.`)
}

function checkText(text: string) {
  if (typeof text !== 'string' || text.length > MAX_TEXT) throw badParameter('filter', `A text of the filter is longer than ${MAX_TEXT} characters.`)
  if (text.includes('\0')) throw badParameter('filter', 'A text of the filter has a zero byte, which no stored text has.')
}

function isoDate(text: string): string {
  const time = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : NaN
  if (Number.isNaN(time) || new Date(time).toISOString().slice(0, 10) !== text) throw badParameter('filter', `“${String(text).slice(0, 40)}” is not a date; write it as 2025-07-01.`)
  return text
}

/** Offsets as far as PostgreSQL takes them; the widest in use is +14:00. */
function instant(text: string): string {
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-](0\d|1[0-5]):[0-5]\d)$/i.test(text) || Number.isNaN(Date.parse(text)))
    throw badParameter('filter', `“${String(text).slice(0, 40)}” is not an instant; write it as 2025-07-01T00:00:00Z.`)
  return text
}

/**
 * Rows whose geometry meets a box, by the index of its CRS. A CRS84 box with west > east crosses the antimeridian
 * and becomes two. Throws a 400 Problem for a box that is none.
 */
export function boxSql(column: 'geom' | 'geom_3857', box: BBox, srid: 4326 | 3857, exact = false): RawBuilder<SqlBool> {
  const [west, south, east, north] = box
  if (box.length !== 4 || !box.every(Number.isFinite)) throw badParameter('bbox', 'A box is four finite numbers: west, south, east, north.')
  if (south > north) throw badParameter('bbox', `The box has its south, ${south}, above its north, ${north}.`)
  if (west > east) {
    if (srid !== 4326 || west > 180 || east < -180) throw badParameter('bbox', `The box has its west, ${west}, beyond its east, ${east}.`)
    return sql<SqlBool>`(${boxSql(column, [west, south, 180, north], srid, exact)} or ${boxSql(column, [-180, south, east, north], srid, exact)})`
  }
  const geom = sql.ref(`${ROWS}.${column}`)
  const envelope = sql`st_makeenvelope(${west}::float8, ${south}::float8, ${east}::float8, ${north}::float8, ${sql.lit(srid)})`
  return exact ? sql<SqlBool>`(${geom} && ${envelope} and st_intersects(${geom}, ${envelope}))` : sql<SqlBool>`(${geom} && ${envelope})`
}

/** Roots of negative numbers and what no double can hold are unknown. */
function powerSql(base: RawBuilder<unknown>, exponent: RawBuilder<unknown>): RawBuilder<unknown> {
  const size = sql`${exponent} * ln(nullif(abs(${base}), 0))`
  return sql`(case when ${base} = 0 and ${exponent} < 0 or ${base} < 0 and ${exponent} <> trunc(${exponent}) or ${size} > 709 then null when ${size} < -708 then 0 else power(${base}, ${exponent}) end)`
}

const isGeometryName = (name: string) => name === 'geom' || name === 'geometry'

/** A box as a shape; over the antimeridian it is two. */
function boxGeometry(box: BBox): RawBuilder<unknown> {
  const [west, south, east, north] = box
  if (!box.every(Number.isFinite)) throw badParameter('filter', 'A box is four finite numbers: west, south, east, north.')
  if (south > north) throw badParameter('filter', `The box has its south, ${south}, above its north, ${north}.`)
  const envelope = (from: number, to: number) => sql`st_makeenvelope(${from}::float8, ${south}::float8, ${to}::float8, ${north}::float8, 4326)`
  return west <= east ? envelope(west, east) : sql`st_collect(${envelope(west, 180)}, ${envelope(-180, east)})`
}

const DEPTH_OF: Readonly<Record<string, number>> = { Point: 0, MultiPoint: 1, LineString: 1, MultiLineString: 2, Polygon: 2, MultiPolygon: 3 }

/** Checks a GeoJSON geometry's shape before the database meets it. */
function checkGeometry(geometry: GeoJsonGeometry, depth = 0): number {
  if (geometry?.type === 'GeometryCollection' && Array.isArray(geometry.geometries) && depth < 4) {
    return geometry.geometries.reduce((sum, part) => sum + checkGeometry(part, depth + 1), 0)
  }
  const levels = DEPTH_OF[geometry?.type]
  if (levels === undefined) throw badParameter('filter', `The filter's geometry has the unknown type “${String(geometry?.type).slice(0, 40)}”.`)
  const vertices = countPositions(geometry.coordinates, levels)
  if (geometry.type.endsWith('Polygon')) for (const ring of (geometry.coordinates as unknown[]).flat(levels - 2) as unknown[][])
    if (ring.length < 4) throw badParameter('filter', 'A ring of the filter\'s geometry needs at least four positions.')
  if (geometry.type.endsWith('LineString') && ((geometry.coordinates as unknown[]).flat(levels - 1) as unknown[][]).length < 2)
    throw badParameter('filter', 'A line of the filter\'s geometry needs at least two positions.')
  return vertices
}

function countPositions(value: unknown, levels: number): number {
  if (!Array.isArray(value)) throw badParameter('filter', 'The coordinates of the filter\'s geometry are not nested as its type asks.')
  if (levels > 0) return value.reduce((sum: number, part) => sum + countPositions(part, levels - 1), 0)
  if (value.length < 2 || value.length > 3 || !value.every(n => typeof n === 'number' && Number.isFinite(n)))
    throw badParameter('filter', 'A position of the filter\'s geometry is not two or three finite numbers.')
  return 1
}
