/** Esri's GeoServices: every collection is a FeatureServer that ArcGIS clients read and edit. */
import type { Response } from 'express'
import { LANG } from '../ogc/common/parameters.js'
import type { Call, Operation, Parameter } from '../operations/operation.js'
import { answerQuery, getFeature } from './answer-query.js'
import * as answers from './answers.js'
import { addAttachment, deleteAttachments, getAttachmentFile, getAttachments, queryAttachments } from './attachments.js'
import { addFeatures, applyLayerEdits, applyServiceEdits, deleteFeatures, updateFeatures } from './edits.js'
import { generateRenderer } from './generate-renderer.js'
import { getInfo, getLayer, getLayers, getService, getServices } from './metadata.js'
import { ATTACHMENT, CLASSIFICATION, EDITS, F, formOf, formParser, given, LAYER_ID, LOGIN, OBJECT, OBJECT_IDS, QUERY, RUN, SERVICE, type Given } from './parameters.js'
import { esriHandler, withReader } from './reader.js'
import { postToken } from './tokens.js'

const ROOT = '/arcgis/rest'
const FEATURE_SERVER = `${ROOT}/services/{service}/FeatureServer`
const LAYER = `${FEATURE_SERVER}/{layerId}`
const DESCRIBED = [F, LANG]

type Handler = (call: Call, response: Response) => Promise<void>
interface Reading { readonly id: string; readonly path: string; readonly summary: string; readonly parameters: readonly Parameter[]; readonly responses: Operation['responses']; readonly handler: Handler; readonly branched?: boolean }

/** What can be read is read by GET, or by POST with the same parameters in a form: addresses are too short for some. */
function reading({ parameters, handler, branched = true, id, ...rest }: Reading): readonly Operation[] {
  const common = { ...rest, branched, extraQuery: true, tags: ['FeatureServer'] }
  const inPath = parameters.filter(parameter => parameter.in === 'path')
  return [
    { ...common, id, method: 'get', parameters, handler: esriHandler(handler) },
    { ...common, id: `${id}ByForm`, method: 'post', parameters: inPath, body: answers.formBody(parameters.filter(parameter => parameter.in === 'query')), handler: esriHandler(byForm(parameters, handler)) },
  ]
}

/** A form's `token` counts as one in the address does. */
function byForm(parameters: readonly Parameter[], handler: Handler): Handler {
  const parse = formParser(parameters.filter(parameter => parameter.in === 'query'))
  return async (call, response) => {
    const form = await formOf(call.request)
    await handler({ ...await withReader(call, form.token), params: { ...call.params, ...parse(form) } }, response)
  }
}

const OPTIONS = ['useGlobalIds', 'rollbackOnFailure', 'returnEditMoment']
const SELECTION = ['where', 'objectIds', 'geometry', 'geometryType', 'spatialRel', 'inSR', 'distance', 'units', 'rollbackOnFailure', 'returnDeleteResults']

type Writing = (call: Call, response: Response, params: Given) => Promise<void>

/** What changes something is a form, by POST alone. */
function writing(id: string, path: string, summary: string, inPath: readonly Parameter[], names: readonly string[], responses: Operation['responses'], handle: Writing): Operation {
  const fields = EDITS.filter(({ name }) => names.includes(name))
  const parse = formParser(fields)
  return {
    id, path, summary, method: 'post', tags: ['FeatureServer'], branched: true, extraQuery: true, parameters: inPath, body: answers.formBody(fields), responses,
    handler: esriHandler(async (call, response) => {
      const form = await formOf(call.request)
      await handle(await withReader(call, form.token), response, given({ ...call.params, ...parse(form) }))
    }),
  }
}

const token = { method: 'post', tags: ['FeatureServer'], summary: 'A token for name and password; the password is one of our tokens.', body: answers.formBody(LOGIN), responses: answers.TOKEN, extraQuery: true, handler: postToken } as const

export const operations: readonly Operation[] = [
  ...reading({ id: 'esriInfo', path: `${ROOT}/info`, branched: false, summary: 'Release and way to log in, as ArcGIS clients ask for it.', parameters: [F], responses: answers.INFO, handler: getInfo }),
  ...reading({ id: 'esriServices', path: `${ROOT}/services`, summary: 'The services directory: a FeatureServer for each collection.', parameters: DESCRIBED, responses: answers.SERVICES, handler: getServices }),
  ...reading({ id: 'esriService', path: FEATURE_SERVER, summary: 'A collection as a FeatureServer.', parameters: [SERVICE, ...DESCRIBED], responses: answers.SERVICE_TOLD, handler: getService }),
  ...reading({ id: 'esriLayers', path: `${FEATURE_SERVER}/layers`, summary: 'All layers of a FeatureServer in full.', parameters: [SERVICE, ...DESCRIBED], responses: answers.LAYERS_TOLD, handler: getLayers }),
  ...reading({ id: 'esriLayer', path: LAYER, summary: 'A layer: its fields, domains, drawing and capabilities.', parameters: [SERVICE, LAYER_ID, ...DESCRIBED], responses: answers.LAYER_TOLD, handler: getLayer }),
  ...reading({ id: 'esriQuery', path: `${LAYER}/query`, summary: 'Features of a layer, their ids, count, extent or statistics.', parameters: [SERVICE, LAYER_ID, ...QUERY], responses: answers.QUERY_ANSWER, handler: (call, response) => answerQuery(call, response, given(call.params)) }),
  ...reading({ id: 'esriFeature', path: `${LAYER}/{objectId}`, summary: 'One feature by its OBJECTID.', parameters: [SERVICE, LAYER_ID, OBJECT, RUN, ...DESCRIBED], responses: answers.FEATURE_TOLD, handler: getFeature }),
  ...reading({ id: 'esriGenerateRenderer', path: `${LAYER}/generateRenderer`, summary: 'Classes of a field’s values, each with a symbol.', parameters: [SERVICE, LAYER_ID, ...CLASSIFICATION], responses: answers.RENDERER, handler: generateRenderer }),
  ...reading({ id: 'esriQueryAttachments', path: `${LAYER}/queryAttachments`, summary: 'Attachments of several features.', parameters: [SERVICE, LAYER_ID, OBJECT_IDS, ...DESCRIBED], responses: answers.ATTACHMENT_GROUPS, handler: (call, response) => queryAttachments(call, response, given(call.params)) }),
  ...reading({ id: 'esriAttachments', path: `${LAYER}/{objectId}/attachments`, summary: 'Attachments of a feature.', parameters: [SERVICE, LAYER_ID, OBJECT, ...DESCRIBED], responses: answers.ATTACHMENT_INFOS, handler: getAttachments }),
  ...reading({ id: 'esriAttachment', path: `${LAYER}/{objectId}/attachments/{attachmentId}`, summary: 'An attachment’s content.', parameters: [SERVICE, LAYER_ID, OBJECT, ATTACHMENT], responses: answers.CONTENT, handler: getAttachmentFile }),
  writing('esriAddFeatures', `${LAYER}/addFeatures`, 'Add features.', [SERVICE, LAYER_ID], ['features', ...OPTIONS], answers.ADDED, addFeatures),
  writing('esriUpdateFeatures', `${LAYER}/updateFeatures`, 'Change features, by their OBJECTID.', [SERVICE, LAYER_ID], ['features', ...OPTIONS], answers.UPDATED, updateFeatures),
  writing('esriDeleteFeatures', `${LAYER}/deleteFeatures`, 'Remove features; their history stays.', [SERVICE, LAYER_ID], SELECTION, answers.DELETED, deleteFeatures),
  writing('esriApplyEdits', `${LAYER}/applyEdits`, 'Add, change and remove features of a layer, as one revision.', [SERVICE, LAYER_ID], ['adds', 'updates', 'deletes', 'attachments', ...OPTIONS], answers.APPLIED, applyLayerEdits),
  writing('esriApplyServiceEdits', `${FEATURE_SERVER}/applyEdits`, 'The same for layers of a service.', [SERVICE], ['edits', 'attachments', ...OPTIONS], answers.SERVICE_APPLIED, applyServiceEdits),
  writing('esriDeleteAttachments', `${LAYER}/{objectId}/deleteAttachments`, 'Take attachments away; the past keeps them.', [SERVICE, LAYER_ID, OBJECT], ['attachmentIds'], answers.DETACHED, deleteAttachments),
  { id: 'esriAddAttachment', method: 'post', path: `${LAYER}/{objectId}/addAttachment`, summary: 'Attach a file to a feature.', tags: ['FeatureServer'], branched: true, extraQuery: true, parameters: [SERVICE, LAYER_ID, OBJECT], body: answers.formBody([], 'attachment'), responses: answers.ATTACHED, handler: esriHandler(addAttachment) },
  { ...token, id: 'esriToken', path: '/arcgis/tokens' },
  { ...token, id: 'esriGenerateToken', path: '/arcgis/tokens/generateToken' },
]
