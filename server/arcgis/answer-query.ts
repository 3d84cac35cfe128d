/** `…/FeatureServer/{layer}/query`: features, or what is told of them, as JSON, GeoJSON, protocol buffers or a page. */
import type { Response } from 'express'
import { fromWkb } from '../../core/geometry/wkb.js'
import { notFound } from '../errors.js'
import { timed } from '../http/timing.js'
import { language, negotiate, GEOJSON_MEDIA, HTML_MEDIA, JSON_MEDIA, type Language, type Media } from '../ogc/common/media.js'
import { sendText, vary } from '../ogc/common/respond.js'
import { etag, isFixed, notModified, schemaVersion } from '../ogc/features/validator.js'
import type { Call } from '../operations/operation.js'
import type { Store } from '../store/store.js'
import { CRS84 } from '../../core/crs.js'
import { esriLayerOf, type EsriLayer } from './esri-layer.js'
import { GLOBAL_ID, OBJECT_ID, resultField, type Field, type FieldType } from './fields.js'
import { queryPage } from './pages.js'
import { given, isTrue, type Given } from './parameters.js'
import { pbfCount, pbfExtent, pbfFeatures, pbfIds, type PbfField } from './pbf.js'
import { esriQuery, type EsriQuery, type Statistic } from './query.js'
import { countOf, distinctRows, esriRows, extentOf, objectIds, statisticsRows, type EsriRow } from './rows.js'
import { esriJson, gridEsriJson, gridJson, onGrid, partsOf, type Grid } from './shape.js'
import { extentIn, referenceOf } from './spatial-reference.js'

const PBF = 'application/x-protobuf'
const OFFERS: readonly Media[] = [JSON_MEDIA, HTML_MEDIA, { f: 'pbf', type: PBF }]

/** `f`, else what the client takes; GeoJSON where it says so, since any JSON passes for the other. */
function formatOf({ request }: Call, f: string | undefined): string {
  if (f !== undefined) return f
  return /\bgeo\+json\b/.test(request.get('accept') ?? '') ? 'geojson' : negotiate(request, undefined, OFFERS).f
}

/** Answers a query whose parameters have been read. */
export async function answerQuery(call: Call, response: Response, params: Given): Promise<void> {
  const esri = esriLayerOf(call)
  const f = formatOf(call, params.f)
  const lang = language(call.request, params.lang)
  const query = await esriQuery(call, esri, params, lang, f === 'geojson' ? CRS84 : undefined)
  vary(response, lang)
  const { store } = call.app
  if (call.request.method === 'POST') response.set('Cache-Control', 'no-store')
  else {
    const revision = await store.layerRevision(esri.layer, call.branch, query.view.asOf)
    const tag = etag('esri', revision, call.request.originalUrl, call.reader.clearance, f, lang, schemaVersion(esri.layer))
    if (notModified(call, response, tag, isFixed(query.view.asOf) ? 'fixed' : 'live')) return
  }
  if (f === 'html') return void sendText(response, 'text/html; charset=utf-8', await queryPage(call, esri, query, params))
  const answer = await timed(response, 'query', () => answerOf(store, query, params, f))
  if (answer instanceof Uint8Array) response.set('Content-Type', PBF).send(Buffer.from(answer))
  else sendText(response, f === 'geojson' ? GEOJSON_MEDIA.type : 'application/json; charset=utf-8', f === 'pjson' ? JSON.stringify(answer, null, 2) : JSON.stringify(answer))
}

async function answerOf(store: Store, query: EsriQuery, params: Given, f: string): Promise<object> {
  const isPbf = f === 'pbf'
  if (query.statistics.length) return tableOf(query, await statisticsRows(store, query), statisticsFields(query), isPbf)
  if (isTrue(params.returnIdsOnly)) {
    const ids = await objectIds(store, query)
    return isPbf ? pbfIds(OBJECT_ID, ids) : { objectIdFieldName: OBJECT_ID, objectIds: ids }
  }
  if (isTrue(params.returnExtentOnly)) {
    const { extent, count } = await extentOf(store, query)
    return isPbf ? pbfExtent(extent, count) : { extent: extent ?? { xmin: 'NaN', ymin: 'NaN', xmax: 'NaN', ymax: 'NaN', spatialReference: referenceOf(query.crs) }, ...(isTrue(params.returnCountOnly) && { count }) }
  }
  if (isTrue(params.returnCountOnly)) {
    const count = await countOf(store, query)
    return isPbf ? pbfCount(count) : { count }
  }
  if (query.distinct) return tableOf(query, await distinctRows(store, query), query.outFields.map(field => resultField(field, query.lang)), isPbf)
  const rows = await esriRows(store, query, f !== 'geojson')
  const page = rows.slice(0, query.limit)
  const more = rows.length > query.limit
  if (f === 'geojson') return geoJson(query, page, more)
  return isPbf ? pbf(query, page, more, (await store.layerSummary(query.esri.layer, query.view.branch)).bbox) : json(query, page, more)
}

const hasField = ({ outFields }: EsriQuery, name: string) => outFields.some(field => field.name === name)

/** Esri JSON; in whole numbers of a grid where one was asked for. */
function json(query: EsriQuery, rows: readonly EsriRow[], more: boolean) {
  const { esri: { type, layer }, crs, outFields, lang, grid, withGeometry, digits } = query
  return {
    objectIdFieldName: OBJECT_ID, uniqueIdField: { name: OBJECT_ID, isSystemMaintained: true },
    ...(hasField(query, GLOBAL_ID) && { globalIdFieldName: GLOBAL_ID }), ...(layer.label && { displayFieldName: layer.label }),
    ...(withGeometry && { geometryType: type, spatialReference: referenceOf(crs), hasZ: false, hasM: false, ...(grid && { transform: gridJson(grid) }) }),
    fields: outFields.map(field => resultField(field, lang)),
    ...(more && { exceededTransferLimit: true }),
    features: rows.map(row => ({
      attributes: attributesOf(outFields, row.values),
      ...(withGeometry && row.wkb && { geometry: grid ? gridEsriJson(type, onGrid(grid, type, partsOf(row.wkb))) : esriJson(type, partsOf(row.wkb), digits) }),
      ...(row.centroid && { centroid: grid ? gridEsriJson('esriGeometryPoint', onGrid(grid, 'esriGeometryPoint', row.centroid)) : esriJson('esriGeometryPoint', row.centroid, digits) }),
    })),
  }
}

const attributesOf = (fields: readonly { readonly name: string }[], values: readonly unknown[]) => Object.fromEntries(fields.map(({ name }, i) => [name, values[i]]))

function geoJson({ outFields, withGeometry, crs, digits }: EsriQuery, rows: readonly EsriRow[], more: boolean) {
  const factor = 10 ** digits
  const round = (value: unknown): unknown => (Array.isArray(value) ? value.map(round) : Math.round((value as number) * factor) / factor)
  const id = outFields.findIndex(({ name }) => name === OBJECT_ID)
  return {
    type: 'FeatureCollection', ...(crs.srid !== 4326 && { crs: { type: 'name', properties: { name: `EPSG:${crs.srid}` } } }), ...(more && { properties: { exceededTransferLimit: true } }),
    features: rows.map(({ values, wkb }) => {
      const geometry = withGeometry && wkb ? fromWkb(wkb) : null
      return { type: 'Feature', ...(id >= 0 && { id: values[id] }), geometry: geometry && { type: geometry.type, coordinates: round(geometry.coordinates) }, properties: attributesOf(outFields, values) }
    }),
  }
}

/** Coordinates lie on a grid in any case; one as fine as the CRS is worth, where none was asked for. */
function pbf(query: EsriQuery, rows: readonly EsriRow[], more: boolean, bbox: Parameters<typeof extentIn>[0]): Uint8Array {
  const { esri: { type }, crs, outFields, lang, withGeometry } = query
  const grid = query.grid ?? finestGrid(query, bbox)
  return pbfFeatures({
    type: withGeometry ? type : null, reference: referenceOf(crs), grid: withGeometry || query.withCentroid ? grid : null, more,
    objectIdField: OBJECT_ID, globalIdField: hasField(query, GLOBAL_ID) ? GLOBAL_ID : null, fields: outFields.map(field => pbfField(field, lang)),
  }, rows.map(({ values, wkb, centroid }) => ({
    values, cells: wkb && onGrid(grid, type, partsOf(wkb)), centroid: centroid && onGrid(grid, 'esriGeometryPoint', centroid),
  })))
}

/** Readers of protocol buffers take 32 bits. */
const WIDEST = 2 ** 30

function finestGrid({ crs }: EsriQuery, bbox: Parameters<typeof extentIn>[0]): Grid {
  const extent = extentIn(bbox, crs)
  const size = extent ? Math.max(extent.xmax - extent.xmin, extent.ymax - extent.ymin) : 0
  return { originPosition: 'upperLeft', scale: Math.max(10 ** -crs.digits, size / WIDEST), translate: extent ? [extent.xmin, extent.ymax] : [0, 0], thin: false }
}

const pbfField = (field: Field, lang: Language): PbfField => {
  const { name, type, alias, domain } = resultField(field, lang)
  return { name, type, alias, domain }
}

interface TableField { readonly name: string; readonly type: FieldType; readonly alias: string; readonly domain?: unknown }

/** Rows without geometry: distinct values, statistics. */
function tableOf({ limit, crs }: EsriQuery, rows: readonly (readonly unknown[])[], fields: readonly TableField[], isPbf: boolean): object {
  const page = rows.slice(0, limit)
  const more = rows.length > limit
  if (isPbf) return pbfFeatures({ type: null, reference: referenceOf(crs), grid: null, globalIdField: null, objectIdField: '', more, fields: fields.map(field => ({ ...field, domain: field.domain ?? null })) }, page.map(values => ({ values })))
  return { displayFieldName: '', fields, ...(more && { exceededTransferLimit: true }), features: page.map(values => ({ attributes: attributesOf(fields, values) })) }
}

function statisticsFields({ groupBy, statistics, lang }: EsriQuery): readonly TableField[] {
  return [...groupBy.map(field => resultField(field, lang)), ...statistics.map(statistic => ({ name: statistic.name, type: typeOf(statistic), alias: statistic.name }))]
}

function typeOf({ type, field }: Statistic): FieldType {
  if (type === 'count') return 'esriFieldTypeInteger'
  return type === 'min' || type === 'max' ? (field.type === 'esriFieldTypeOID' ? 'esriFieldTypeInteger' : field.type) : 'esriFieldTypeDouble'
}

/** One feature by its OBJECTID, in all its fields. */
export async function getFeature(call: Call, response: Response): Promise<void> {
  const esri: EsriLayer = esriLayerOf(call)
  const params = given(call.params)
  const query = await esriQuery(call, esri, { objectIds: String(params.objectId), outFields: '*', run: params.run, outSR: params.outSR, historicMoment: params.historicMoment }, language(call.request, params.lang))
  const [row] = await esriRows(call.app.store, query)
  if (!row) throw notFound(`${esri.layer.id} has no feature with OBJECTID ${params.objectId}.`)
  vary(response)
  response.set('Cache-Control', 'private, max-age=0, must-revalidate')
  const { features: [feature] } = json(query, [row], false)
  const { geometry, ...rest } = feature as { geometry?: object }
  sendText(response, 'application/json; charset=utf-8', JSON.stringify({ feature: { ...rest, ...(geometry && { geometry: { ...geometry, spatialReference: referenceOf(query.crs) } }) } }, null, params.f === 'pjson' ? 2 : 0))
}
