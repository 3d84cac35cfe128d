/** What the operations answer, for the API's document. */
import { Type, type TSchema } from '@sinclair/typebox'
import { BOOLEAN, COUNT, FILE, FREE, INTEGER, json, named, NUMBER, TEXT } from '../ogc/common/schemas.js'
import type { Answer, Parameter } from '../operations/operation.js'

const optional = Type.Optional
const list = (schema: TSchema) => Type.Array(schema)

/** Token faults come with status 200, as Esri's clients know them; all others are problems that say the same in `error`. */
export const ERROR = named('EsriError', Type.Object({ error: Type.Object({ code: INTEGER, message: TEXT, details: list(TEXT) }) }))
const REFERENCE = named('EsriSpatialReference', Type.Object({ wkid: INTEGER, latestWkid: INTEGER }))
const FIELD = named('EsriField', Type.Object({ name: TEXT, type: TEXT, alias: TEXT, domain: optional(Type.Union([FREE, Type.Null()])) }))
const FEATURE = named('EsriFeature', Type.Object({ attributes: FREE, geometry: optional(Type.Union([FREE, Type.Null()])), centroid: optional(FREE) }))
const RESULT = named('EsriEditResult', Type.Object({ objectId: INTEGER, globalId: Type.Union([TEXT, Type.Null()]), success: BOOLEAN, error: optional(Type.Object({ code: INTEGER, description: TEXT })) }))
const SERVICE = named('EsriService', Type.Object({ currentVersion: NUMBER, capabilities: TEXT, spatialReference: REFERENCE, layers: list(FREE), tables: list(FREE) }))
const LAYER = named('EsriLayer', Type.Object({ id: INTEGER, name: TEXT, type: TEXT, geometryType: TEXT, objectIdField: TEXT, capabilities: TEXT, fields: list(FIELD), drawingInfo: FREE, maxRecordCount: INTEGER }))
/** Features, groups with their statistics, distinct values; or what is told of them. */
const QUERIED = named('EsriQueryResult', Type.Object({
  objectIdFieldName: optional(TEXT), geometryType: optional(TEXT), spatialReference: optional(REFERENCE), transform: optional(FREE), fields: optional(list(FIELD)), features: optional(list(FEATURE)), exceededTransferLimit: optional(BOOLEAN),
  count: optional(COUNT), objectIds: optional(list(INTEGER)), extent: optional(FREE),
}))
const GEOJSON = named('EsriGeoJson', Type.Object({ type: Type.Literal('FeatureCollection'), properties: optional(FREE), features: list(FREE) }))
const EDITED = named('EsriEditResults', Type.Object({ addResults: list(RESULT), updateResults: list(RESULT), deleteResults: list(RESULT), editMoment: optional(NUMBER) }))
const INFOS = Type.Object({ attachmentInfos: list(FREE) })

const or = (schema: TSchema) => Type.Union([schema, ERROR])
const one = (description: string, schema: TSchema): { readonly 200: Answer } => ({ 200: json(description, or(schema)) })
const withPage = (description: string, schema: TSchema): { readonly 200: Answer } => ({ 200: { description, content: { 'application/json': or(schema), 'text/html': TEXT } } })

export const INFO = one('Release, and where tokens are made.', Type.Object({ currentVersion: NUMBER, authInfo: FREE }))
export const SERVICES = withPage('The services.', Type.Object({ currentVersion: NUMBER, folders: list(TEXT), services: list(Type.Object({ name: TEXT, type: TEXT })) }))
export const SERVICE_TOLD = withPage('The service.', SERVICE)
export const LAYERS_TOLD = one('The layers.', Type.Object({ layers: list(LAYER), tables: list(FREE) }))
export const LAYER_TOLD = withPage('The layer.', LAYER)
export const QUERY_ANSWER: { readonly 200: Answer } = {
  200: { description: 'Features, or what was asked of them.', content: { 'application/json': or(QUERIED), 'application/geo+json': GEOJSON, 'application/x-protobuf': FILE, 'text/html': TEXT } },
}
export const FEATURE_TOLD = one('The feature.', Type.Object({ feature: FEATURE }))
export const RENDERER = one('The renderer.', Type.Object({ type: TEXT }))
export const ATTACHMENT_GROUPS = one('Attachments by feature.', Type.Object({ fields: list(FREE), attachmentGroups: list(FREE) }))
export const ATTACHMENT_INFOS = one('The feature’s attachments.', INFOS)
export const CONTENT: { readonly 200: Answer } = { 200: { description: 'The content, in its own media type.', content: { '*/*': FILE } } }
export const ADDED = one('What became of each.', Type.Object({ addResults: list(RESULT) }))
export const UPDATED = one('What became of each.', Type.Object({ updateResults: list(RESULT) }))
export const DELETED = one('What became of each.', Type.Object({ deleteResults: optional(list(RESULT)), success: optional(BOOLEAN) }))
export const APPLIED = one('What became of each.', EDITED)
export const SERVICE_APPLIED = one('What became of each, by layer.', list(EDITED))
export const ATTACHED = one('The attachment’s number.', Type.Object({ addAttachmentResult: RESULT }))
export const DETACHED = one('What became of each.', Type.Object({ deleteAttachmentResults: list(RESULT) }))
export const TOKEN = one('The token, until when it is good (milliseconds since 1970).', Type.Object({ token: TEXT, expires: NUMBER, ssl: BOOLEAN }))

/** A form as a body of the document; `file` names the field that holds one. */
export function formBody(parameters: readonly Parameter[], file?: string) {
  const fields = Object.fromEntries(parameters.map(({ name, schema, description }) => [name, optional({ ...schema, description })]))
  const schema = Type.Object({ ...fields, token: optional(Type.String({ description: 'Instead of other ways to say who asks.' })), ...(file && { [file]: FILE }) }, { additionalProperties: true })
  return { contentType: 'raw', media: { ...(file ? {} : { 'application/x-www-form-urlencoded': schema }), 'multipart/form-data': schema } } as const
}
