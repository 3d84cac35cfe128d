/** Photos and documents of features, as ArcGIS clients list, fetch, add and delete them. */
import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Response } from 'express'
import { sql } from 'kysely'
import { metaOf } from '../edits/preconditions.js'
import { badBody, badParameter, notFound, Problem, toProblem } from '../errors.js'
import { fileName, getAttachment, MAX_ATTACHMENT_BYTES, typeOf } from '../history/attachments.js'
import type { Call } from '../operations/operation.js'
import { noteAccess } from '../store/access-log.js'
import { attach, attachmentsOf, detach, type Attachment, type FeatureRef } from '../store/attachments.js'
import { idsIn } from './edits.js'
import { esriLayerOf } from './esri-layer.js'
import { braced, globalIdOf } from './global-ids.js'
import { formOf, type Given } from './parameters.js'
import { objectIdsOf } from './query.js'
import { admitEditor, withReader } from './reader.js'

/** Esri counts attachments in 32 bits; within a feature the last of ours tell them apart. */
const numberOf = ({ id }: Pick<Attachment, 'id'>) => id % 2 ** 31

async function refOf(call: Call): Promise<FeatureRef> {
  const { layer } = esriLayerOf(call)
  if (layer.kind !== 'city') throw notFound(`Features of “${layer.id}” have no attachments.`)
  const [found] = await idsIn(call, layer, sql`v.objectid = ${call.params.objectId}::int4`)
  if (!found) throw notFound(`${layer.id} has no feature with OBJECTID ${call.params.objectId}.`)
  return { layer, branch: call.branch, reader: call.reader, id: found.id }
}

/** What a feature has. A list with restricted files in it is entered in the access log. */
async function listOf(call: Call, ref: FeatureRef) {
  const found = await attachmentsOf(call.app.store, ref)
  if (found.some(({ classification }) => classification === 'restricted')) await noteAccess(call.app.store.db, call.reader, { layer: ref.layer.id, columns: ['attachments'], how: { ids: [ref.id], attachments: found.map(({ id }) => id) } })
  return found
}

const infoOf = (attachment: Attachment) => ({ id: numberOf(attachment), globalId: braced(globalIdOf(attachment.id)), name: attachment.name, contentType: attachment.mediaType, size: attachment.bytes, keywords: '', exifInfo: null })

export async function getAttachments(call: Call, response: Response): Promise<void> {
  const found = await listOf(call, await refOf(call))
  response.set('Cache-Control', 'private, no-cache').json({ attachmentInfos: found.map(infoOf) })
}

/** The content, as the feature's own address serves it. */
export async function getAttachmentFile(call: Call, response: Response): Promise<void> {
  const ref = await refOf(call)
  const found = (await attachmentsOf(call.app.store, ref)).find(attachment => numberOf(attachment) === call.params.attachmentId)
  if (!found) throw notFound(`The feature has no attachment ${call.params.attachmentId}.`)
  await getAttachment({ ...call, params: { collectionId: ref.layer.id, featureId: String(ref.id), attachmentId: found.id } }, response)
}

const MOST_OBJECTS = 1000

/** `queryAttachments`: those of several features. */
export async function queryAttachments(call: Call, response: Response, params: Given): Promise<void> {
  const { layer } = esriLayerOf(call)
  const ids = objectIdsOf(String(params.objectIds ?? ''))
  if (ids.length > MOST_OBJECTS) throw badParameter('objectIds', `queryAttachments takes at most ${MOST_OBJECTS} OBJECTIDs at once.`)
  if (layer.kind !== 'city') return void response.json({ fields: [], attachmentGroups: [] })
  const targets = await idsIn(call, layer, sql`v.objectid = any(${ids}::int4[])`)
  const groups: object[] = []
  const url = `${call.base}/arcgis/rest/services/${layer.id}/FeatureServer/${call.params.layerId}`
  const { rows: having } = await sql<{ feature: number }>`select distinct feature from dothi.attachments where layer = ${layer.id} and feature = any(${targets.map(({ id }) => id)}::int8[])`.execute(call.app.store.pool(call.reader.clearance))
  const some = new Set(having.map(({ feature }) => feature))
  for (const { id, objectid } of targets) {
    if (!some.has(id)) continue
    const found = await listOf(call, { layer, branch: call.branch, reader: call.reader, id })
    if (found.length) groups.push({ parentObjectId: objectid, parentGlobalId: braced(globalIdOf(id)), attachmentInfos: found.map(attachment => ({ ...infoOf(attachment), url: `${url}/${objectid}/attachments/${numberOf(attachment)}` })) })
  }
  response.set('Cache-Control', 'private, no-cache').json({ fields: FIELDS, attachmentGroups: groups })
}
const FIELDS = [['id', 'esriFieldTypeOID'], ['globalId', 'esriFieldTypeGlobalID'], ['name', 'esriFieldTypeString'], ['contentType', 'esriFieldTypeString'], ['size', 'esriFieldTypeInteger'], ['keywords', 'esriFieldTypeString']]
  .map(([name, type]) => ({ name, type, fieldType: type }))

/** `addAttachment`: a form with one file. */
export async function addAttachment(call: Call, response: Response): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'dothi-attach-'))
  try {
    let file: { path: string; name: string } | undefined
    const path = (name: string | undefined) => (file = { path: join(folder, randomUUID()), name: fileName(name) }).path
    const form = await formOf(call.request, { path, bytes: MAX_ATTACHMENT_BYTES })
    const own = await withReader(call, form.token)
    admitEditor(own)
    if (!file) throw badBody('There is no file in the form: send it as “attachment” of multipart/form-data.')
    const ref = await refOf(own)
    const wanted = { name: file.name, mediaType: await typeOf(file.path, file.name), content: createReadStream(file.path) as AsyncIterable<Buffer> }
    const { ids: [id], revision } = await attach(own.app.store, ref, [wanted], metaOf(own, `attach ${file.name}`).reason)
    response.set({ 'Cache-Control': 'no-store', 'X-Revision': String(revision.revision) }).json({ addAttachmentResult: { objectId: numberOf({ id: id! }), globalId: braced(globalIdOf(id!)), success: true } })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** `deleteAttachments`: each by itself. */
export async function deleteAttachments(call: Call, response: Response, params: Given): Promise<void> {
  admitEditor(call)
  const ref = await refOf(call)
  const wanted = objectIdsOf(String(params.attachmentIds ?? ''), 'attachmentIds')
  if (wanted.length > MOST_OBJECTS) throw new Problem(413, 'too-large', `At most ${MOST_OBJECTS} attachments can be deleted at once.`)
  const found = await attachmentsOf(call.app.store, ref)
  const results: object[] = []
  for (const number of wanted) {
    const attachment = found.find(each => numberOf(each) === number)
    results.push(attachment ? await deleted(call, ref, attachment) : { objectId: number, globalId: null, success: false, error: { code: 404, description: `The feature has no attachment ${number}.` } })
  }
  response.set('Cache-Control', 'no-store').json({ deleteAttachmentResults: results })
}

async function deleted(call: Call, ref: FeatureRef, attachment: Attachment): Promise<object> {
  const told = { objectId: numberOf(attachment), globalId: braced(globalIdOf(attachment.id)) }
  try {
    await detach(call.app.store, ref, attachment.id, metaOf(call, `detach ${attachment.name}`).reason)
    return { ...told, success: true }
  } catch (error) {
    const { status, detail } = toProblem(error)
    if (status >= 500) throw error
    return { ...told, success: false, error: { code: status, description: detail } }
  }
}
