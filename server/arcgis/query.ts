/** What a query asks → what to ask of the store. */
import { sql, type RawBuilder } from 'kysely'
import type { Filter, GeoJsonGeometry, Geometry, GeometryLiteral, SpatialOp } from '../../core/filter/ast.js'
import type { Crs } from '../../core/crs.js'
import { badParameter } from '../errors.js'
import { literalInCrs84 } from '../ogc/features/query.js'
import type { Language } from '../ogc/common/media.js'
import type { Call } from '../operations/operation.js'
import { toGeoJson, type EsriGeometry } from '../sources/fetch-esri.js'
import type { AsOf, ViewArgs } from '../store/store.js'
import type { EsriLayer } from './esri-layer.js'
import { fieldNamed, fieldsOf, valueSql, type Field } from './fields.js'
import { featuresOf } from './global-ids.js'
import { isTrue, type Given } from './parameters.js'
import { gridOf, type Grid } from './shape.js'
import { crsOfReference, nativeCrs, readJson } from './spatial-reference.js'
import { globalIdsIn, parseWhere } from './where.js'

/** Features a page; and of larger pages for drawing. */
export const PAGE = 2000
export const PAGES: Readonly<Record<string, number>> = { tile: 8000, standard: 32_000 }
const MOST_IDS = 200_000

export interface Statistic { readonly type: StatisticType; readonly field: Field; readonly name: string; readonly at?: number; readonly descending?: boolean }
export const STATISTICS = ['count', 'sum', 'min', 'max', 'avg', 'stddev', 'var', 'percentile_cont', 'percentile_disc'] as const
export type StatisticType = (typeof STATISTICS)[number]

export interface EsriQuery {
  readonly esri: EsriLayer
  readonly lang: Language
  /** All fields of the layer that the reader sees, and those of the answer. */
  readonly fields: readonly Field[]
  readonly outFields: readonly Field[]
  readonly view: ViewArgs
  /** Besides the view's own: on its rows as `v`. */
  readonly conditions: readonly RawBuilder<unknown>[]
  /** True where every present row counts. */
  readonly whole: boolean
  readonly crs: Crs
  readonly order: readonly Order[]
  readonly offset: number
  readonly limit: number
  readonly withGeometry: boolean
  readonly withCentroid: boolean
  readonly grid: Grid | null
  readonly simplify: number
  readonly digits: number
  readonly distinct: boolean
  readonly groupBy: readonly Field[]
  readonly statistics: readonly Statistic[]
}
/** A field, or the name of a statistic. */
export interface Order { readonly by: Field | string; readonly descending: boolean }

/** Throws 400 Problems that name the parameter. */
export async function esriQuery(call: Call, esri: EsriLayer, params: Given, lang: Language, srid?: Crs): Promise<EsriQuery> {
  refuseUnsupported(params)
  const { layer } = esri
  const fields = fieldsOf(layer, call.reader)
  const { view, conditions, whole } = await selection(call, esri, fields, params)
  const crs = params.outSR === undefined ? srid ?? nativeCrs(layer) : crsOfReference(params.outSR, 'outSR')
  const distinct = isTrue(params.returnDistinctValues)
  const groupBy = fieldList(params.groupByFieldsForStatistics, fields, 'groupByFieldsForStatistics') ?? []
  const statistics = statisticsOf(params.outStatistics, fields)
  const outFields = fieldList(params.outFields, fields, 'outFields') ?? fields.slice(0, 1)
  const order = orderOf(params.orderByFields, fields, statistics)
  if (distinct && outFields.length === 0) throw badParameter('outFields', 'returnDistinctValues needs outFields.')
  const withGeometry = params.returnGeometry === undefined ? !distinct : isTrue(params.returnGeometry)
  return {
    esri, lang, fields, conditions, whole, crs, order, distinct, groupBy, statistics,
    outFields: statistics.length ? [] : distinct ? outFields.filter(field => !field.system) : outFields,
    view: { ...view, columns: columnsOf([...outFields, ...groupBy, ...statistics.map(({ field }) => field), ...order.flatMap(({ by }) => (typeof by === 'string' ? [] : [by]))], view) },
    offset: params.resultOffset ?? 0, limit: limitOf(params),
    withGeometry: withGeometry && !distinct && statistics.length === 0,
    withCentroid: isTrue(params.returnCentroid) && esri.type === 'esriGeometryPolygon' && !distinct && statistics.length === 0,
    grid: params.quantizationParameters === undefined ? null : gridOf(readJson(params.quantizationParameters, 'quantizationParameters')),
    simplify: params.maxAllowableOffset ?? 0, digits: Math.min(params.geometryPrecision ?? 15, crs.digits),
  }
}

function refuseUnsupported({ having, time, gdbVersion }: Given): void {
  if (having !== undefined) throw badParameter('having', '“having” is not supported: leave groups out yourself, or narrow “where”.')
  if (time !== undefined && !/^null(,null)?$/.test(time)) throw badParameter('time', 'This layer has no time of its own. For the layer as it was, give historicMoment in milliseconds since 1970.')
  if (gdbVersion !== undefined) throw badParameter('gdbVersion', 'There are no versions by name: a scenario has an address of its own, /scenarios/{id}/arcgis/rest/services.')
}

/** Which rows, whatever is told of them. */
export async function selection(call: Call, esri: EsriLayer, fields: readonly Field[], params: Given): Promise<Pick<EsriQuery, 'view' | 'conditions' | 'whole'>> {
  const { layer, only } = esri
  const where = await whereOf(call, fields, params.where)
  const shape = await shapeFilter(call, esri, params)
  const filters = [...(where ? [where] : []), ...(shape && 'filter' in shape ? [shape.filter] : [])]
  const ids = params.objectIds === undefined ? undefined : objectIdsOf(params.objectIds)
  const asOf = momentOf(params.historicMoment)
  return {
    view: {
      layer, branch: call.branch, asOf, reader: call.reader, run: params.run, columns: [],
      where: filters.length > 1 ? { op: 'and', args: filters } : filters[0],
      bbox: shape && 'box' in shape ? shape.box : undefined,
    },
    conditions: [
      ...(only ? [sql`st_geometrytype(v.geom) in (${sql.join(only)})`] : []),
      ...(ids ? [sql`v.objectid = any(${ids}::int4[])`] : []),
    ],
    whole: !where && !shape && !ids && !only && asOf === 'now' && layer.kind === 'city' && params.run === undefined,
  }
}

/** `1=1` is what clients say where they mean nothing. */
export async function whereOf(call: Call, fields: readonly Field[], text: string | undefined, parameter = 'where'): Promise<Filter | undefined> {
  if (text === undefined || /^\s*(1\s*=\s*1)?\s*$/.test(text)) return undefined
  const features = await featuresOf(call.app.store, globalIdsIn(text))
  return parseWhere(text, { fields, features, now: new Date(), parameter })
}

export function objectIdsOf(text: string, parameter = 'objectIds'): readonly number[] {
  const ids = text.split(',').map(part => part.trim()).filter(Boolean)
  if (ids.length > MOST_IDS || ids.length === 0) throw badParameter(parameter, `“${parameter}” takes 1 to ${MOST_IDS} numbers, not ${ids.length}.`)
  return ids.map(id => {
    if (!/^\d{1,10}$/.test(id) || Number(id) > 2_147_483_647) throw badParameter(parameter, `“${id.slice(0, 40)}” is no OBJECTID; those are whole numbers, with commas between.`)
    return Number(id)
  })
}

function momentOf(text: string | undefined): AsOf {
  if (text === undefined || text === 'null') return 'now'
  const at = new Date(Number(text))
  if (!/^-?\d{1,15}$/.test(text) || Number.isNaN(at.getTime())) throw badParameter('historicMoment', `historicMoment is milliseconds since 1970, not “${text}”.`)
  return at
}

function limitOf({ resultRecordCount, resultType, maxRecordCountFactor = 1 }: Given): number {
  const most = (PAGES[resultType as string] ?? PAGE) * (PAGES[resultType as string] ? 1 : maxRecordCountFactor)
  return Math.min(resultRecordCount ?? most, most)
}

// ---- fields ------------------------------------------------------------------------------------------------------

/** Fields by name; `*` is all. Undefined where the parameter is absent. */
export function fieldList(text: string | undefined, fields: readonly Field[], parameter: string): readonly Field[] | undefined {
  if (text === undefined) return undefined
  const names = text.split(',').map(name => name.trim()).filter(Boolean)
  if (names.includes('*')) return fields
  return [...new Set(names.map(name => known(name, fields, parameter)))]
}

export function known(name: string, fields: readonly Field[], parameter: string): Field {
  const field = fieldNamed(fields, name)
  if (!field) throw badParameter(parameter, `There is no field “${name.slice(0, 60)}”. There are: ${fields.map(each => each.name).join(', ')}.`)
  return field
}

function orderOf(text: string | undefined, fields: readonly Field[], statistics: readonly Statistic[]): readonly Order[] {
  return (text ?? '').split(',').map(part => part.trim()).filter(Boolean).map(part => {
    const [, name = part, direction = ''] = /^(.*?)(?:\s+(asc|desc))?$/is.exec(part) ?? []
    const statistic = statistics.find(each => each.name.toLowerCase() === name.trim().toLowerCase())
    return { by: statistic?.name ?? known(name, fields, 'orderByFields'), descending: /^desc$/i.test(direction) }
  })
}

function statisticsOf(text: string | undefined, fields: readonly Field[]): readonly Statistic[] {
  if (text === undefined) return []
  const list = readJson(text, 'outStatistics')
  const bad = (what: string) => badParameter('outStatistics', `${what}; it is [{"statisticType":"sum","onStatisticField":"field","outStatisticFieldName":"name"}], of ${STATISTICS.join(', ')}.`)
  if (!Array.isArray(list) || list.length === 0 || list.length > 100) throw bad('outStatistics is a list of 1 to 100')
  return list.map((entry): Statistic => {
    const { statisticType, onStatisticField, outStatisticFieldName, statisticParameters } = (entry ?? {}) as Given
    const type = STATISTICS.find(each => each === String(statisticType).toLowerCase())
    if (!type || typeof onStatisticField !== 'string') throw bad(`“${String(statisticType).slice(0, 40)}” of “${String(onStatisticField).slice(0, 40)}” is no statistic`)
    const field = known(onStatisticField, fields, 'outStatistics')
    if (!['count', 'min', 'max'].includes(type) && (field.column.type === 'text' || field.column.type === 'json')) throw bad(`${type} takes numbers, which “${field.name}” has not`)
    if (type !== 'count' && field.column.type === 'json') throw bad(`${type} takes numbers, which “${field.name}” has not`)
    const at = type.startsWith('percentile') ? Number(statisticParameters?.value) : undefined
    if (at !== undefined && !(at >= 0 && at <= 1)) throw bad('a percentile needs "statisticParameters":{"value":0.5}')
    return { type, field, at, descending: /^desc$/i.test(String(statisticParameters?.orderBy ?? '')), name: String(outStatisticFieldName || `${type}_${field.name}`).slice(0, 100) }
  })
}

/** Attribute columns that the view must carry. */
function columnsOf(wanted: readonly Field[], { layer }: ViewArgs): readonly string[] {
  const own = new Set(layer.columns.map(({ name }) => name))
  return [...new Set(wanted.map(({ column }) => column.name))].filter(name => own.has(name))
}

// ---- geometry ----------------------------------------------------------------------------------------------------

const METRES: Readonly<Record<string, number>> = { esriSRUnit_Meter: 1, esriSRUnit_Kilometer: 1000, esriSRUnit_Foot: 0.3048, esriSRUnit_StatuteMile: 1609.344, esriSRUnit_NauticalMile: 1852 }
/** Which predicate of (geometry given, feature) each relation is. */
const RELATIONS: Readonly<Record<string, SpatialOp>> = {
  esriSpatialRelIntersects: 's_intersects', esriSpatialRelContains: 's_contains', esriSpatialRelCrosses: 's_crosses',
  esriSpatialRelOverlaps: 's_overlaps', esriSpatialRelTouches: 's_touches', esriSpatialRelWithin: 's_within',
}
const GEOM: Geometry = { property: 'geom' }

async function shapeFilter(call: Call, { layer }: EsriLayer, params: Given): Promise<{ box: NonNullable<ViewArgs['bbox']> } | { filter: Filter } | undefined> {
  if (params.geometry === undefined) return undefined
  const { shape, crs } = givenGeometry(params, nativeCrs(layer))
  const relation = (params.spatialRel as string | undefined) ?? 'esriSpatialRelIntersects'
  const isBox = 'bbox' in shape && (crs.srid === 4326 || crs.srid === 3857)
  const ofBoxes = /(Envelope|Index)Intersects$/.test(relation)
  if (isBox && params.distance === undefined && (ofBoxes || relation === 'esriSpatialRelIntersects')) {
    return { box: { box: shape.bbox, srid: crs.srid as 4326 | 3857, exact: !ofBoxes } }
  }
  const there = await literalInCrs84(call, shape, crs, 'geometry')
  if (params.distance) {
    if (relation !== 'esriSpatialRelIntersects' && !ofBoxes) throw badParameter('spatialRel', 'With a distance only esriSpatialRelIntersects has a meaning.')
    const metres = params.distance * METRES[params.units ?? 'esriSRUnit_Meter']!
    if (metres > 100_000) throw badParameter('distance', 'The distance is at most 100 km.')
    return { filter: { op: 'call', call: { call: 'dwithin', args: [GEOM, there, { literal: metres }] } } }
  }
  return { filter: { op: RELATIONS[relation] ?? 's_intersects', left: there, right: GEOM } }
}

/** The geometry of a request, as a box where it is one. */
function givenGeometry({ geometry, geometryType = 'esriGeometryEnvelope', inSR }: Given, native: Crs): { readonly shape: GeometryLiteral; readonly crs: Crs } {
  const text = String(geometry).trim()
  const bad = (wanted: string) => badParameter('geometry', `“${text.slice(0, 80)}” is no ${geometryType}: ${wanted}.`)
  const numbers = /^[\s\d.,eE+-]+$/.test(text) ? text.split(',').map(Number) : undefined
  const json = numbers ? undefined : readJson(text, 'geometry') as Record<string, unknown> | null
  if (json !== undefined && (typeof json !== 'object' || json === null || Array.isArray(json))) throw bad('a JSON object')
  const reference = inSR ?? json?.spatialReference
  const crs = reference === undefined || reference === null ? native : crsOfReference(reference, inSR === undefined ? 'geometry' : 'inSR')
  if (geometryType === 'esriGeometryEnvelope') {
    const [west, south, east, north] = numbers ?? [json!.xmin, json!.ymin, json!.xmax, json!.ymax].map(Number)
    if (![west, south, east, north].every(n => Number.isFinite(n) && Math.abs(n!) < 1e9) || west! > east! || south! > north! || (numbers && numbers.length !== 4)) throw bad('xmin, ymin, xmax, ymax, the lower first')
    return { shape: { bbox: [west!, south!, east!, north!] }, crs }
  }
  if (geometryType === 'esriGeometryPoint' && numbers) {
    if (numbers.length !== 2 || !numbers.every(Number.isFinite)) throw bad('x, y')
    return { shape: { geojson: { type: 'Point', coordinates: numbers } }, crs }
  }
  const member = { esriGeometryPoint: 'x', esriGeometryMultipoint: 'points', esriGeometryPolyline: 'paths', esriGeometryPolygon: 'rings' }[geometryType as string]
  if (!json || !member || !(member in json)) throw bad(`a JSON object with “${member}”`)
  return { shape: { geojson: checkedGeometry(json, detail => bad(detail)) }, crs }
}

const MOST_VERTICES = 20_000

/** Esri JSON as GeoJSON, its arrays as they should be. */
export function checkedGeometry(json: object, bad: (detail: string) => Error): GeoJsonGeometry {
  const { rings, paths, points, curveRings, curvePaths } = json as Given
  if (curveRings || curvePaths) throw bad('true curves are not supported: send them as lines')
  let vertices = 0
  const isPosition = (value: unknown) => Array.isArray(value) && value.length >= 2 && value.length <= 4 && value.slice(0, 2).every(n => typeof n === 'number' && Number.isFinite(n)) && ++vertices <= MOST_VERTICES * 50
  const isPart = (value: unknown, least: number) => Array.isArray(value) && value.length >= least && value.every(isPosition)
  if (rings && !(Array.isArray(rings) && rings.every(ring => isPart(ring, 4)))) throw bad('“rings” are lists of at least four positions, the last like the first')
  if (paths && !(Array.isArray(paths) && paths.every(path => isPart(path, 2)))) throw bad('“paths” are lists of at least two positions')
  if (points && !isPart(points, 1)) throw bad('“points” is a list of positions')
  const geometry = toGeoJson(flat(json as Given) as EsriGeometry)
  if (!geometry) throw bad('it is empty')
  return geometry
}

/** Heights and measures are left out. */
function flat({ rings, paths, points, x, y }: Given): unknown {
  const two = (part: readonly number[][]) => part.map(([a, b]) => [a, b])
  return { ...(rings && { rings: rings.map(two) }), ...(paths && { paths: paths.map(two) }), ...(points && { points: two(points) }), ...(x !== undefined && { x, y }) }
}

/** A row's geometry in the CRS of the answer: the one as delivered where that is it. Outlines are clockwise for Esri, the other way for GeoJSON. */
export function geometrySql({ esri: { layer, type }, crs, simplify }: Pick<EsriQuery, 'esri' | 'crs' | 'simplify'>, clockwise = true): RawBuilder<unknown> {
  const own = sql`v.geom`
  const there = crs.srid === 4326 ? own
    : crs.srid === layer.surveyed?.srid ? sql`coalesce(v.geom_native, st_transform(v.geom, ${sql.lit(crs.srid)}))`
    : crs.srid === 3857 ? sql`v.geom_3857` : sql`st_transform(v.geom, ${sql.lit(crs.srid)})`
  const simple = simplify > 0 && type !== 'esriGeometryPoint' && type !== 'esriGeometryMultipoint' ? sql`st_simplify(${there}, ${simplify}::float8, true)` : there
  return type !== 'esriGeometryPolygon' ? simple : clockwise ? sql`st_forcepolygoncw(${simple})` : sql`st_forcepolygonccw(${simple})`
}

export const orderSql = (order: readonly Order[]): RawBuilder<unknown> => sql.join(order.map(({ by, descending }) => {
  const value = typeof by === 'string' ? sql`0` : by.system === 'globalid' ? sql`v.id` : valueSql(by)
  return descending ? sql`${value} desc nulls last` : sql`${value} asc nulls first`
}))
