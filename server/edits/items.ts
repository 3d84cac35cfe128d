/** Create, replace, update and delete of single features (OGC API Features Part 4). */
import type { Response } from 'express'
import { badBody, Problem } from '../errors.js'
import { JSON_MEDIA, GEOJSON_MEDIA } from '../ogc/common/media.js'
import { layerOf, propertiesOf } from '../ogc/features/layers.js'
import { featureRow } from '../ogc/features/rows.js'
import { itemEtag, setValidators } from '../ogc/features/validator.js'
import type { Crs } from '../../core/crs.js'
import type { Layer } from '../../layers/layer.js'
import type { Call } from '../operations/operation.js'
import { applyEdits, type Edit, type Edited } from '../store/edits.js'
import { contentCrs, createdFeature, patchedFeature, replacingFeature, type GivenFeature } from './feature-body.js'
import { lockOf, metaOf, wantsRepresentation } from './preconditions.js'

/** `POST /collections/{c}/items`. An `id` in the body is left aside: ids are the store's. */
export async function createItem(call: Call, response: Response): Promise<void> {
  const layer = layerOf(call)
  const crs = contentCrs(call, layer)
  const feature = createdFeature(layer, call.reader, call.body as GivenFeature, crs)
  const edited = await applyEdits(call.app.store, metaOf(call, `create in ${layer.id}`), [{ action: 'create', layer, feature }])
  response.status(201).set('Location', itemUrl(call, layer, edited.ids[0]!))
  await answer(call, response, layer, crs, edited)
}

/** `PUT /collections/{c}/items/{id}`. */
export async function replaceItem(call: Call, response: Response): Promise<void> {
  const layer = layerOf(call)
  const crs = contentCrs(call, layer)
  const id = idOf(call)
  const feature = replacingFeature(layer, call.reader, call.body as GivenFeature, crs)
  const edited = await changed(call, `replace ${layer.id} ${id}`, { action: 'update', layer, id, feature, ...lockOf(call) })
  await answer(call, response, layer, crs, edited)
}

/** `PATCH /collections/{c}/items/{id}`: a merge patch of the feature. */
export async function updateItem(call: Call, response: Response): Promise<void> {
  const layer = layerOf(call)
  const crs = contentCrs(call, layer)
  const id = idOf(call)
  const feature = patchedFeature(layer, call.reader, call.body as GivenFeature, crs)
  const edited = await changed(call, `update ${layer.id} ${id}`, { action: 'update', layer, id, feature, merge: true, ...lockOf(call) })
  await answer(call, response, layer, crs, edited)
}

/** `DELETE /collections/{c}/items/{id}`. */
export async function deleteItem(call: Call, response: Response): Promise<void> {
  const layer = layerOf(call)
  const id = idOf(call)
  const edited = await changed(call, `delete ${layer.id} ${id}`, { action: 'delete', layer, id, ...lockOf(call) })
  revisionHeader(response, edited)
  response.set('Cache-Control', 'no-store').status(204).end()
}

/** A feature that If-Match says was there, and is not, is a lock that does not hold: 412 and not 404 (RFC 9110, 13.1.1). */
async function changed(call: Call, reason: string, edit: Edit): Promise<Edited> {
  try {
    return await applyEdits(call.app.store, metaOf(call, reason), [edit])
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 404 || call.request.get('if-match') === undefined) throw error
    throw new Problem(412, 'precondition-failed', `${error.detail} If-Match asks for one that is there.`, error.more)
  }
}

/** The id of the path; a body that names another one is a mistake. An id that is none is as unknown as any other. */
function idOf({ params, body }: Call): number {
  const id = /^\d{1,16}$/.test(params.featureId) ? Number(params.featureId) : 0
  const named = (body as GivenFeature | undefined)?.id
  if (named !== undefined && String(named) !== String(params.featureId)) throw badBody(`The body's id is ${String(named).slice(0, 40)}, the address names ${params.featureId}. A feature keeps its id: leave it out or repeat it.`, { pointer: '/id' })
  return Number.isSafeInteger(id) ? id : 0
}

const itemUrl = (call: Call, layer: Layer, id: number) => `${call.base}/ogc/collections/${layer.id}/items/${id}`

/** Every write tells its revision: the token of `asOf`, of the feed and of the next If-Match. */
export function revisionHeader(response: Response, { revision, repeated }: Edited): void {
  if (revision) response.set('X-Revision', String(revision.revision))
  if (repeated) response.set('Idempotency-Replayed', 'true')
}

/** The validators of the new version, and the feature itself where the client prefers that. */
async function answer(call: Call, response: Response, layer: Layer, crs: Crs, edited: Edited): Promise<void> {
  const whole = wantsRepresentation(call)
  response.set('Cache-Control', 'no-store')
  if (call.request.get('prefer')) response.set('Preference-Applied', whole ? 'return=representation' : 'return=minimal')
  revisionHeader(response, edited)
  if (edited.revision && !edited.repeated && !whole) {
    setValidators(response, itemEtag(edited.revision.revision), edited.revision.at)
    return sendNothing(response)
  }
  const id = edited.ids[0]!
  const query = { layer, crs, properties: propertiesOf(layer, call.reader), whole: false, view: { layer, branch: call.branch, asOf: 'now', reader: call.reader } } as const
  const row = await featureRow(call.app.store, query, id)
  if (row) setValidators(response, itemEtag(row.revision), row.at)
  if (!whole || !row) return sendNothing(response)
  response.set('Content-Crs', `<${crs.uri}>`)
  const links = [
    { href: itemUrl(call, layer, id), rel: 'self', type: GEOJSON_MEDIA.type },
    { href: `${call.base}/ogc/collections/${layer.id}`, rel: 'collection', type: JSON_MEDIA.type },
  ]
  response.set('Content-Type', GEOJSON_MEDIA.type).send(Buffer.from(`${row.feature.slice(0, -1)},"links":${JSON.stringify(links)}}`))
}

/** 201 stays 201, all else is 204. */
function sendNothing(response: Response): void {
  if (response.statusCode === 201) response.set('Content-Length', '0').end()
  else response.status(204).end()
}
