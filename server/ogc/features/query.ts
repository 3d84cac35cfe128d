/** The parameters of an items request → what to ask of the store. */
import { sql } from 'kysely'
import type { BBox } from '../../../core/bbox.js'
import { CRS84, findCrs, flipBox, type Crs } from '../../../core/crs.js'
import type { Filter, GeoJsonGeometry, GeometryLiteral, Scalar } from '../../../core/filter/ast.js'
import { FilterSyntaxError } from '../../../core/filter/build.js'
import { parseCql2Json } from '../../../core/filter/cql2-json.js'
import { parseCql2Text } from '../../../core/filter/cql2-text.js'
import type { Column, Layer } from '../../../layers/layer.js'
import { badParameter } from '../../errors.js'
import { unknownParameter } from '../../http/parameters.js'
import type { Call } from '../../operations/operation.js'
import { queryables, unknownProperty } from '../../store/filter-sql.js'
import type { ViewArgs } from '../../store/store.js'
import { asOfEnd, intervalStart, parseAsOf, parseDatetime } from '../common/time.js'
import { crssOf, propertiesOf } from './layers.js'
import { textCollation, type SortKey } from './order.js'
import { profilesOf, type Profile } from './profiles.js'
import { textFilter } from './text-search.js'

export interface ItemsQuery {
  readonly layer: Layer
  readonly crs: Crs
  readonly view: ViewArgs
  /** Start of an interval of `datetime`: also features that were retired after it count, by their last version. */
  readonly since?: Date
  /** Properties of the answer, in order. */
  readonly properties: readonly Column[]
  /** True where every present row of the branch matches, so that the layer's summary knows the count. */
  readonly whole: boolean
  /** The filter looks beyond the layer's rows: at the clock, or at runs. */
  readonly dependsOnMore?: boolean
  /** Order of the rows, before their ids. */
  readonly sort?: readonly SortKey[]
  /** The one feature that is wanted. */
  readonly only?: number
  /** Attributes alone are wanted. */
  readonly skipsGeometry?: boolean
  /** Ways of writing that are asked for. */
  readonly profiles?: readonly Profile[]
}

/** What of a call says which rows are wanted. */
export type QueryCall = Pick<Call, 'reader' | 'branch' | 'params' | 'query'> & { readonly app: Pick<Call['app'], 'store'> }

/** Reads all but paging. Throws 400 Problems that name the parameter. */
export async function itemsQuery(call: QueryCall, layer: Layer): Promise<ItemsQuery> {
  const { params, reader, branch } = call
  const interval = parseDatetime(params.datetime)
  const asOf = asOfEnd(parseAsOf(params.asOf), layer.kind === 'city' ? interval : undefined)
  const since = layer.kind === 'city' && branch === 'main' ? intervalStart(interval) : undefined
  const properties = selectedProperties(layer, call)
  const sort = await sortOf(call, layer)
  const box = await boxOf(call, layer)
  const filters = [
    ...equalities(call, layer), ...(box && 'filter' in box ? [box.filter] : []), ...(await filterOf(call, layer)),
    ...(params.q ? [textFilter(layer, reader, params.q)] : []),
  ]
  const where: Filter | undefined = filters.length > 1 ? { op: 'and', args: filters } : filters[0]
  const attributes = new Set(layer.columns.map(({ name }) => name))
  const wanted = new Set([...properties, ...sort].map(({ name }) => name))
  return {
    layer, properties, since, sort, dependsOnMore: looksBeyond(where), skipsGeometry: params.skipGeometry === true, profiles: profilesOf(params.profile),
    crs: crsOf(params.crs, 'crs', layer),
    view: {
      layer, branch, asOf, reader, where,
      run: params.run,
      bbox: box && 'box' in box ? { ...box, exact: true } : undefined,
      columns: [...wanted].filter((name) => attributes.has(name)),
    },
    whole: layer.kind !== 'report' && !where && !box && !since && asOf === 'now' && params.run === undefined,
  }
}

/** The AST is plain values: what has a call is a function's. */
function looksBeyond(part: unknown): boolean {
  if (typeof part !== 'object' || part === null) return false
  return ('call' in part && BEYOND.has(String(part.call).toLowerCase())) || Object.values(part).some(looksBeyond)
}
const BEYOND: ReadonlySet<string> = new Set(['now', 'flooddepth'])

export function crsOf(name: string | undefined, parameter: string, layer: Layer): Crs {
  if (name === undefined) return CRS84
  const found = findCrs(name)
  if (found) return found
  throw badParameter(parameter, `“${name}” is not a CRS that this collection is served in. There are: ${crssOf(layer).map(({ uri }) => uri).join(', ')}.`)
}

/** The properties asked for with `properties` and `exclude-properties`, in the layer's order. */
export function selectedProperties(layer: Layer, { params, reader }: Pick<Call, 'params' | 'reader'>): readonly Column[] {
  const all = propertiesOf(layer, reader)
  const named = (parameter: string) => {
    const names = params[parameter] as readonly string[] | undefined
    for (const name of names ?? []) if (!ALWAYS.has(name) && !all.some((column) => column.name === name)) throw unknownProperty(name, all.map((column) => column.name), parameter)
    return names
  }
  const [only, without] = [named('properties'), named('exclude-properties')]
  return all.filter(({ name }) => (only?.includes(name) ?? true) && !without?.includes(name))
}
/** Members of a feature, which a schema names like properties. */
const ALWAYS: ReadonlySet<string> = new Set(['id', 'geometry'])

/** What rows can be ordered by. */
export function sortables(layer: Layer, reader: Call['reader']): readonly SortKey[] {
  return [{ name: 'id', type: 'integer' } as const, ...propertiesOf(layer, reader)].flatMap(({ name, type }) => (type === 'json' ? [] : [{ name, type, descending: false }]))
}

/** `sortby`; a plus sign may come as the space that it stands for in a query. */
async function sortOf({ app: { store }, params, reader }: QueryCall, layer: Layer): Promise<readonly SortKey[]> {
  const wanted = params.sortby as readonly string[] | undefined
  if (!wanted) return []
  const known = sortables(layer, reader)
  const collation = await textCollation(store)
  return wanted.map((text) => {
    const name = text.replace(/^[+ -]/, '')
    const key = known.find((sortable) => sortable.name === name)
    if (!key) throw unknownProperty(name, known.map((sortable) => sortable.name), 'sortby')
    return { ...key, descending: text.startsWith('-'), ...(key.type === 'text' && { collation }) }
  })
}

/** Queryables given as parameters of their own: `?use=hospital`. */
function equalities({ query, reader }: QueryCall, layer: Layer): Filter[] {
  const types = queryables(layer, reader.clearance)
  return Object.entries(query).map(([name, text]): Filter => {
    const type = types.get(name)
    if (!type || type === 'json') throw unknownParameter(name, [...PARAMETERS, ...types.keys()])
    return { op: '=', left: { property: name }, right: valueOf(name, type, text) }
  })
}
const PARAMETERS = ['limit', 'bbox', 'bbox-crs', 'crs', 'datetime', 'asOf', 'filter', 'filter-lang', 'filter-crs', 'properties', 'exclude-properties', 'skipGeometry', 'sortby', 'q', 'profile', 'cursor', 'f', 'lang', 'run']

function valueOf(name: string, type: Exclude<Column['type'], 'json'>, text: string): Scalar {
  const bad = (wanted: string) => badParameter(name, `“${text.slice(0, 80)}” is not ${wanted}, which “${name}” holds.`)
  switch (type) {
    case 'text': return { literal: text }
    case 'integer': if (!/^[+-]?\d{1,15}$/.test(text)) throw bad('an integer'); return { literal: Number(text) }
    case 'number': if (text.trim() === '' || !Number.isFinite(Number(text))) throw bad('a number'); return { literal: Number(text) }
    case 'boolean': if (text !== 'true' && text !== 'false') throw bad('true or false'); return { literal: text === 'true' }
    case 'date': return { date: text }
    case 'timestamp': return { timestamp: text }
  }
}

async function filterOf(call: QueryCall, layer: Layer): Promise<Filter[]> {
  const { filter: text, 'filter-lang': lang, 'filter-crs': crsName } = call.params as Record<string, string | undefined>
  const crs = crsOf(crsName, 'filter-crs', layer)
  if (text === undefined) return []
  try {
    const parsed = lang === 'cql2-json' || (lang === undefined && /^\s*\{/.test(text)) ? parseCql2Json(readJson(text)) : parseCql2Text(text)
    return [await inCrs84(call, parsed, crs)]
  } catch (error) {
    if (!(error instanceof FilterSyntaxError)) throw error
    const where = typeof error.at === 'number' ? `at character ${error.at}` : `at ${error.at || 'the top'}`
    throw badParameter('filter', `The filter cannot be read: ${error.message}, ${where}.`, { at: error.at })
  }
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new FilterSyntaxError(`it is not JSON (${(error as Error).message})`, '')
  }
}

/** Geometry literals of the filter, brought to CRS84. What lies nowhere on earth is refused, as the standard wants. */
async function inCrs84(call: QueryCall, filter: Filter, crs: Crs): Promise<Filter> {
  return await convert(filter) as Filter

  /** The AST is plain values: what has a box or a shape is a geometry. */
  async function convert(part: unknown): Promise<unknown> {
    if (Array.isArray(part)) return Promise.all(part.map(convert))
    if (typeof part !== 'object' || part === null) return part
    if ('bbox' in part || 'geojson' in part) return onEarth(crs.uri === CRS84.uri ? part as GeometryLiteral : await literalInCrs84(call, part as GeometryLiteral, crs, 'filter'))
    return Object.fromEntries(await Promise.all(Object.entries(part).map(async ([name, value]) => [name, await convert(value)] as const)))
  }
}

function onEarth(geometry: GeometryLiteral): GeometryLiteral {
  const check = ([lon, lat]: readonly number[]) => {
    if (Math.abs(lon!) > 180 || Math.abs(lat!) > 90) throw badParameter('filter', `The filter's position ${lon} ${lat} lies nowhere on earth: longitudes are from −180 to 180, latitudes from −90 to 90, in this order unless filter-crs says otherwise.`)
  }
  const walk = (part: unknown): void => {
    if (!Array.isArray(part)) return
    if (typeof part[0] === 'number') check(part as number[])
    else part.forEach(walk)
  }
  if ('bbox' in geometry) { check(geometry.bbox.slice(0, 2)); check(geometry.bbox.slice(2)) }
  else for (const { coordinates } of geometry.geojson.geometries ?? [geometry.geojson]) walk(coordinates)
  return geometry
}

export async function literalInCrs84(call: QueryCall, geometry: GeometryLiteral, crs: Crs, parameter: string): Promise<GeometryLiteral> {
  const shape = 'bbox' in geometry
    ? sql`st_makeenvelope(${geometry.bbox[0]}::float8, ${geometry.bbox[1]}::float8, ${geometry.bbox[2]}::float8, ${geometry.bbox[3]}::float8)`
    : sql`st_force2d(st_geomfromgeojson(${JSON.stringify(geometry.geojson)}::text))`
  const xy = crs.axes === 'lat,lon' ? sql`st_flipcoordinates(${shape})` : shape
  // Straight edges of a projection bend in degrees: more vertices keep them within centimetres.
  const dense = sql`st_segmentize(${xy}, greatest(1e-9, (st_xmax(${xy}) - st_xmin(${xy}) + st_ymax(${xy}) - st_ymin(${xy})) / 64))`
  const outside = () => badParameter(parameter, `These coordinates do not lie where ${crs.uri} can be used; its axes are ${crs.axes}.`)
  const { rows } = await sql<{ geometry: string | null }>`
    select st_asgeojson(st_transform(st_setsrid(${dense}, ${crs.srid}::int), 4326), 9, 0) as geometry`
    .execute(call.app.store.pool(call.reader.clearance))
    // PROJ and PostGIS report what they cannot transform as an internal error of the database, or as an overflow.
    .catch((error: { code?: string }) => { throw ['XX000', '22023', '22003'].includes(error.code ?? '') ? outside() : error })
  const found = rows[0]?.geometry
  if (!found || /null|inf|nan/i.test(found)) throw outside()
  return { geojson: JSON.parse(found) as GeoJsonGeometry }
}

/** `bbox` as an index box in degrees or Mercator metres, or as a shape where the CRS bends. */
async function boxOf(call: QueryCall, layer: Layer): Promise<{ box: BBox; srid: 4326 | 3857 } | { filter: Filter } | undefined> {
  const numbers = call.params.bbox as readonly number[] | undefined
  const crs = crsOf(call.params['bbox-crs'], 'bbox-crs', layer)
  if (!numbers) return undefined
  const box = plane(numbers)
  if (crs.srid === 4326) return { box: checkDegrees(crs.axes === 'lat,lon' ? flipBox(box) : box), srid: 4326 }
  if (box[0] > box[2] || box[1] > box[3]) throw badParameter('bbox', `The box ${numbers.join(',')} has its first corner beyond its second; the order is west, south, east, north.`)
  if (crs.srid === 3857) return { box, srid: 3857 }
  return { filter: { op: 's_intersects', left: { property: 'geom' }, right: await literalInCrs84(call, { bbox: box }, crs, 'bbox') } }
}

function plane(numbers: readonly number[]): BBox {
  const [a, b, c, d, e, f] = numbers
  if (numbers.some((n) => !Number.isFinite(n) || Math.abs(n) > 1e9)) throw badParameter('bbox', `A number of the box ${numbers.join(',').slice(0, 120)} is beyond any CRS.`)
  if (numbers.length === 4) return [a!, b!, c!, d!]
  if (numbers.length === 6) {
    if (c! > f!) throw badParameter('bbox', `The box has its lowest height, ${c}, above its highest, ${f}.`)
    return [a!, b!, d!, e!]
  }
  throw badParameter('bbox', `A box has four numbers (west, south, east, north), or six with heights; ${numbers.length} came.`)
}

/** West beyond east is a box over the antimeridian; the store splits it. */
function checkDegrees(box: BBox): BBox {
  const [west, south, east, north] = box
  if (Math.abs(west) > 180 || Math.abs(east) > 180) throw badParameter('bbox', `Longitudes are from −180 to 180, not ${west} to ${east}.`)
  if (Math.abs(south) > 90 || Math.abs(north) > 90) throw badParameter('bbox', `Latitudes are from −90 to 90, not ${south} to ${north}. The order is west, south, east, north.`)
  if (south > north) throw badParameter('bbox', `The box has its south, ${south}, above its north, ${north}.`)
  return box
}
