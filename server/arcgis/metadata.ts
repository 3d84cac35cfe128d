/** What a server, a service and a layer say of themselves. */
import { createHash } from 'node:crypto'
import type { Response } from 'express'
import type { Language } from '../ogc/common/media.js'
import { HTML_MEDIA, JSON_MEDIA, language, negotiate } from '../ogc/common/media.js'
import { sendText, vary } from '../ogc/common/respond.js'
import { layerOf, layersOf } from '../ogc/features/layers.js'
import { etag, notModified } from '../ogc/features/validator.js'
import type { Call } from '../operations/operation.js'
import type { Reader } from '../store/store.js'
import { esriLayerOf, esriLayers, nameOf, type EsriLayer } from './esri-layer.js'
import { fieldJson, fieldsOf, GLOBAL_ID, OBJECT_ID, type Field } from './fields.js'
import { directoryPage, layerPage, servicePage } from './pages.js'
import { given } from './parameters.js'
import { PAGE, PAGES } from './query.js'
import { mayEdit } from './reader.js'
import { drawingInfo, scaleOf } from './renderer.js'
import { extentIn, nativeCrs, referenceOf } from './spatial-reference.js'

/** The release of ArcGIS whose requests and answers these are. */
export const CURRENT_VERSION = 10.91
const FORMATS = 'JSON, geoJSON, PBF'
const MOST_BYTES = 32 << 20

export const canEdit = ({ layer }: Pick<EsriLayer, 'layer'>, reader: Reader) => layer.kind === 'city' && mayEdit(reader)
const capabilities = (esri: Pick<EsriLayer, 'layer'>, reader: Reader) => (canEdit(esri, reader) ? 'Create,Delete,Query,Update,Editing' : 'Query')

export async function getInfo(call: Call, response: Response): Promise<void> {
  const tokens = `${call.origin}/arcgis/tokens/`
  await send(call, response, {
    currentVersion: CURRENT_VERSION, fullVersion: '10.9.1', soapUrl: null, secureSoapUrl: null,
    authInfo: { isTokenBasedSecurity: true, tokenServicesUrl: tokens, shortLivedTokenValidity: 60 },
  })
}

export async function getServices(call: Call, response: Response): Promise<void> {
  const layers = layersOf(call)
  await send(call, response, {
    currentVersion: CURRENT_VERSION, folders: [], services: layers.map(({ id }) => ({ name: id, type: 'FeatureServer', url: `${call.base}/arcgis/rest/services/${id}/FeatureServer` })),
  }, lang => directoryPage(call, layers, lang))
}

export async function getService(call: Call, response: Response): Promise<void> {
  const layer = layerOf(call, call.params.service)
  const { app: { store }, reader } = call
  const lang = language(call.request, call.params.lang)
  const crs = nativeCrs(layer)
  const extent = extentIn((await store.layerSummary(layer, call.branch)).bbox, crs)
  const layers = esriLayers(layer)
  await send(call, response, {
    currentVersion: CURRENT_VERSION, serviceDescription: layer.description[lang], hasVersionedData: false, maxRecordCount: PAGE, supportedQueryFormats: FORMATS,
    supportsDatumTransformation: false, syncEnabled: false, hasStaticData: false, supportsDisconnectedEditing: false, supportsApplyEditsWithGlobalIds: layer.kind === 'city',
    capabilities: capabilities({ layer }, reader), description: layer.description[lang], copyrightText: layer.attribution ?? layer.licence,
    spatialReference: referenceOf(crs), initialExtent: extent, fullExtent: extent, allowGeometryUpdates: true, units: crs.srid === 4326 ? 'esriDecimalDegrees' : 'esriMeters',
    enableZDefaults: false, zDefault: null, supportsReturnDeleteResults: true, supportsQueryDomains: false,
    documentInfo: { Title: layer.title[lang], Subject: layer.description[lang], Keywords: '', Comments: '' },
    layers: layers.map(each => layerEntry(each, layers.length, lang)), tables: [],
  }, () => servicePage(call, layer, layers, lang))
}

const layerEntry = (esri: EsriLayer, count: number, lang: Language) => ({
  id: esri.id, name: nameOf(esri, lang), parentLayerId: -1, defaultVisibility: esri.layer.style.visible !== false && (count === 1 || esri.id < 3), subLayerIds: null,
  minScale: scaleOf(esri.layer.zoom.min), maxScale: 0, type: 'Feature Layer', geometryType: esri.type,
})

/** `…/FeatureServer/layers`: all of them in full. */
export async function getLayers(call: Call, response: Response): Promise<void> {
  const layer = layerOf(call, call.params.service)
  const lang = language(call.request, call.params.lang)
  await send(call, response, { layers: await Promise.all(esriLayers(layer).map(esri => layerJson(call, esri, lang))), tables: [] })
}

export async function getLayer(call: Call, response: Response): Promise<void> {
  const esri = esriLayerOf(call)
  const lang = language(call.request, call.params.lang)
  await send(call, response, await layerJson(call, esri, lang), () => layerPage(call, esri, fieldsOf(esri.layer, call.reader), lang))
}

async function layerJson(call: Call, esri: EsriLayer, lang: Language) {
  const { layer, type } = esri
  const { app: { store }, reader } = call
  const crs = nativeCrs(layer)
  const fields = fieldsOf(layer, reader)
  const { bbox, updated } = await store.layerSummary(layer, call.branch)
  const hasGlobalIds = fields.some(({ name }) => name === GLOBAL_ID)
  const isCity = layer.kind === 'city'
  return {
    currentVersion: CURRENT_VERSION, id: esri.id, name: nameOf(esri, lang), type: 'Feature Layer', displayField: layer.label ?? OBJECT_ID, description: layer.description[lang],
    copyrightText: layer.attribution ?? layer.licence, defaultVisibility: layer.style.visible !== false, parentLayer: null, subLayers: [],
    editingInfo: updated && { lastEditDate: updated.getTime() }, editFieldsInfo: isCity ? { editDateField: 'valid_from' } : null, ownershipBasedAccessControlForFeatures: null,
    syncEnabled: false, syncCanReturnChanges: false, relationships: [], isDataVersioned: false, isDataArchived: isCity, isDataBranchVersioned: false, isCoGoEnabled: false, hasM: false, hasZ: false,
    supportsRollbackOnFailureParameter: true, supportsApplyEditsWithGlobalIds: hasGlobalIds, supportsCalculate: false, supportsTruncate: false, supportsAppend: false,
    supportsAttachmentsByUploadId: false, supportsAttachmentsResizing: false, supportsStatistics: true, supportsAdvancedQueries: true, supportsValidateSQL: false, supportsCoordinatesQuantization: true, supportsFieldDescriptionProperty: true,
    supportsQuantizationEditMode: true, supportsMultiScaleGeometry: false, hasGeometryProperties: false, geometryProperties: null, supportsColumnStoreIndex: false, allowTrueCurvesUpdates: false, onlyAllowTrueCurveUpdatesByTrueCurveClients: false,
    ...QUERY_CAPABILITIES,
    advancedQueryCapabilities: { ...ADVANCED, supportsQueryWithHistoricMoment: isCity, supportsReturningGeometryCentroid: type === 'esriGeometryPolygon' },
    dateFieldsTimeReference: { timeZone: 'UTC', respectsDaylightSaving: false }, preferredTimeReference: null,
    geometryType: type, minScale: scaleOf(layer.zoom.min), maxScale: 0, effectiveMinScale: scaleOf(layer.zoom.min), effectiveMaxScale: 0,
    extent: extentIn(bbox, crs), spatialReference: referenceOf(crs), sourceSpatialReference: referenceOf(crs), drawingInfo: drawingInfo(esri, lang),
    allowGeometryUpdates: true, hasAttachments: isCity, ...(isCity && { attachmentProperties: ATTACHMENT_FIELDS }), htmlPopupType: 'esriServerHTMLPopupTypeAsHTMLText',
    objectIdField: OBJECT_ID, globalIdField: hasGlobalIds ? GLOBAL_ID : '', uniqueIdField: { name: OBJECT_ID, isSystemMaintained: true }, typeIdField: '', subtypeField: '',
    fields: fields.map(field => fieldJson(field, lang)), indexes: [{ name: 'objectid', fields: OBJECT_ID, isAscending: true, isUnique: true, description: '' }],
    types: [], templates: [templateOf(esri, fields, lang)],
    maxRecordCount: PAGE, standardMaxRecordCount: PAGES.standard, tileMaxRecordCount: PAGES.tile, standardMaxRecordCountNoGeometry: PAGES.standard, maxRecordCountFactor: 1, uploadsByteLimit: MOST_BYTES,
    supportedQueryFormats: FORMATS, supportedSpatialRelationships: RELATIONSHIPS, hasStaticData: false, capabilities: capabilities(esri, reader), useStandardizedQueries: true,
  }
}

const RELATIONSHIPS = ['Intersects', 'Contains', 'Crosses', 'EnvelopeIntersects', 'IndexIntersects', 'Overlaps', 'Touches', 'Within'].map(name => `esriSpatialRel${name}`)
const ATTACHMENT_FIELDS = ['name', 'size', 'contentType', 'keywords'].map(name => ({ name, isEnabled: true }))
const QUERY_CAPABILITIES = { supportsReturningQueryGeometry: false, supportsQueryDomains: false, supportsTilesAndBasicQueriesMode: true }
const ADVANCED = {
  supportsPagination: true, supportsPaginationOnAggregatedQueries: true, supportsQueryRelatedPagination: false, supportsQueryWithDistance: true, supportsReturningQueryExtent: true,
  supportsStatistics: true, supportsPercentileStatistics: true, supportsOrderBy: true, supportsDistinct: true, supportsQueryWithResultType: true, supportsSqlExpression: false, supportsAdvancedQueryRelated: false,
  supportsCountDistinct: true, supportsHavingClause: false, supportsLod: false, supportsQueryWithLodSR: false, supportsQueryWithDatumTransformation: false, supportsTopFeaturesQuery: false, supportsQueryAttachments: true,
  supportsQueryAttachmentsWithReturnUrl: true, supportsFullTextSearch: false, supportsMaxRecordCountFactor: true, supportsReturningGeometryEnvelope: false, supportsDisjointSpatialRel: false, supportsQueryWithCacheHint: false,
}

/** What an editor draws, and the values that it begins with. */
function templateOf(esri: EsriLayer, fields: readonly Field[], lang: Language) {
  const tools = { esriGeometryPoint: 'esriFeatureEditToolPoint', esriGeometryMultipoint: 'esriFeatureEditToolPoint', esriGeometryPolyline: 'esriFeatureEditToolLine', esriGeometryPolygon: 'esriFeatureEditToolPolygon' }
  return { name: nameOf(esri, lang), description: esri.layer.description[lang], drawingTool: tools[esri.type], prototype: { attributes: Object.fromEntries(fields.filter(({ editable }) => editable).map(({ name }) => [name, null])) } }
}

/** JSON, or the page of it where there is one and the client prefers that. */
async function send(call: Call, response: Response, body: object, page?: (lang: Language) => string | Promise<string>): Promise<void> {
  const { f: format, lang: wanted } = given(call.params)
  const lang = language(call.request, wanted)
  const f = format ?? negotiate(call.request, undefined, page ? [JSON_MEDIA, HTML_MEDIA] : [JSON_MEDIA]).f
  vary(response, lang)
  // Who may edit reads other capabilities than who may not.
  if (notModified(call, response, etag('esri', call.request.originalUrl, call.base, call.reader.clearance, call.reader.roles.join(), f, lang, createHash('sha256').update(JSON.stringify(body)).digest('base64url')), 'live')) return
  if (f === 'html' && page) return sendText(response, 'text/html; charset=utf-8', await page(lang))
  sendText(response, 'application/json; charset=utf-8', JSON.stringify(body, null, f === 'pjson' ? 2 : 0))
}

