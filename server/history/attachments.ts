/** Photos, scans and documents of features over HTTP. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Response } from 'express'
import type { Classification, Layer } from '../../layers/layer.js'
import { badBody, Problem } from '../errors.js'
import { receiveForm } from '../http/form.js'
import { metaOf } from '../edits/preconditions.js'
import { parseAsOf } from '../ogc/common/time.js'
import type { Call } from '../operations/operation.js'
import { noteAccess } from '../store/access-log.js'
import { attach, attachmentOf, attachmentsOf, contentOf, detach, type Attachment, type FeatureRef, type NewAttachment } from '../store/attachments.js'
import { CLASSES, covers } from '../store/rights.js'
import { cityLayerOf, featureIdOf, fresh, itemUrl } from './feature-history.js'
import { HEAD_BYTES, MEDIA_TYPES, sniff } from './media-type.js'

export const MAX_ATTACHMENT_BYTES = 64 << 20
const MAX_FILES = 10

const refOf = (call: Call, layer: Layer): FeatureRef => ({ layer, branch: call.branch, reader: call.reader, id: featureIdOf(call) })
const attachmentIdOf = ({ params }: Call) => params.attachmentId as number

/** `GET …/items/{id}/attachments`. */
export async function getAttachments(call: Call, response: Response): Promise<void> {
  const layer = cityLayerOf(call)
  const ref = refOf(call, layer)
  const found = await attachmentsOf(call.app.store, ref, parseAsOf(call.params.asOf))
  if (found.some(({ classification }) => classification === 'restricted')) await note(call, layer, ref.id, found.map(({ id }) => id))
  const asOf = call.params.asOf === undefined ? '' : `?asOf=${encodeURIComponent(call.params.asOf)}`
  fresh(call, response).json({ collection: layer.id, id: ref.id, attachments: found.map(attachment => told(call, layer, attachment, asOf)) })
}

function told(call: Call, layer: Layer, { blob: _blob, ...attachment }: Attachment & { blob?: number }, asOf = '') {
  return { ...attachment, links: [{ href: `${itemUrl(call, layer, attachment.feature)}/attachments/${attachment.id}${asOf}`, rel: 'enclosure', type: attachment.mediaType, title: attachment.name, length: attachment.bytes }] }
}

const note = (call: Call, layer: Layer, feature: number, attachments: readonly number[]) =>
  noteAccess(call.app.store.db, call.reader, { layer: layer.id, columns: ['attachments'], how: { ids: [feature], attachments } })

/** `GET …/attachments/{attachmentId}`: the content, as a download that no browser runs. */
export async function getAttachment(call: Call, response: Response): Promise<void> {
  const layer = cityLayerOf(call)
  const ref = refOf(call, layer)
  const { name, mediaType, bytes, sha256, classification, blob, id } = await attachmentOf(call.app.store, ref, attachmentIdOf(call), parseAsOf(call.params.asOf))
  if (classification === 'restricted') await note(call, layer, ref.id, [id])
  const tag = `"${sha256.slice(0, 32)}"`
  fresh(call, response).set({ ETag: tag, 'Content-Type': mediaType, 'Content-Disposition': disposition(name), 'Content-Security-Policy': "sandbox; default-src 'none'" })
  if (classification !== 'open') response.set('Cache-Control', 'private, no-store')
  if (call.request.get('if-none-match')?.includes(tag)) return void response.status(304).end()
  response.set('Content-Length', String(bytes))
  if (call.request.method === 'HEAD') return void response.end()
  for await (const chunk of contentOf(call.app.store, call.reader, blob)) {
    if (call.signal.aborted) return
    if (!response.write(chunk)) await once(response, 'drain', { signal: call.signal }).catch(() => {})
  }
  response.end()
}

/** RFC 6266: a plain name for old clients, the true one for all others. */
function disposition(name: string): string {
  const plain = name.normalize('NFD').replace(/[\u0300-\u036f]/g, '').replace(/[đĐ]/g, 'd').replace(/[^\w. -]/g, '_')
  return `attachment; filename="${plain}"; filename*=UTF-8''${encodeURIComponent(name).replace(/['()*]/g, c => `%${c.charCodeAt(0).toString(16)}`)}`
}

/** `POST …/attachments`: multipart/form-data with one or more files, and `description`, `classification`, `reason`. */
export async function postAttachments(call: Call, response: Response): Promise<void> {
  const layer = cityLayerOf(call)
  const ref = refOf(call, layer)
  await attachmentsOf(call.app.store, ref) // 404 before the upload is read
  const folder = await mkdtemp(join(tmpdir(), 'dothi-attach-'))
  try {
    const { fields, files } = await receive(call, folder)
    const classification = classOf(call, fields.classification)
    const description = (fields.description ?? '').normalize('NFC').slice(0, 2000)
    const wanted = await Promise.all(files.map(async ({ path, name }): Promise<NewAttachment> => ({ name, description, classification, mediaType: await typeOf(path, name), content: createReadStream(path) as AsyncIterable<Buffer> })))
    const { revision, ids } = await attach(call.app.store, ref, wanted, metaOf(call, `attach ${wanted.map(({ name }) => name).join(', ')}`, fields.reason || undefined).reason)
    const now = (await attachmentsOf(call.app.store, ref)).filter(({ id }) => ids.includes(id))
    response.status(201).set({ 'X-Revision': String(revision.revision), 'Cache-Control': 'no-store', Location: `${itemUrl(call, layer, ref.id)}/attachments/${ids[0]}` })
      .json({ collection: layer.id, id: ref.id, revision, attachments: now.map(attachment => told(call, layer, attachment)) })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function classOf({ reader }: Call, given: string | undefined): Classification | undefined {
  if (!given) return undefined
  const known = CLASSES.find(each => each === given)
  if (!known) throw badBody(`classification is one of ${CLASSES.join(', ')}, not “${given.slice(0, 40)}”.`)
  if (!covers(reader.clearance, known)) throw badBody(`Your clearance is ${reader.clearance}: what you attach as ${known} you could not see yourself.`)
  return known
}

/** What a file is, told from its first bytes. Throws a 415 Problem for what is not kept. */
export async function typeOf(path: string, name: string): Promise<string> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0)
    const type = sniff(buffer.subarray(0, bytesRead))
    if (!type) throw new Problem(415, 'invalid-body', `“${name}” is none of ${MEDIA_TYPES.join(', ')}: what it is was told from its first bytes.`)
    return type
  } finally {
    await file.close()
  }
}

interface Received { readonly fields: Record<string, string>; readonly files: { readonly path: string; readonly name: string }[] }

const tooLarge = () => new Problem(413, 'too-large', `An attachment holds at most ${MAX_ATTACHMENT_BYTES >> 20} MiB.`)

async function receive({ request }: Call, folder: string): Promise<Received> {
  if (!request.is('multipart/form-data')) throw new Problem(415, 'invalid-body', 'An attachment comes as multipart/form-data: a field “file” with the file, if you like “description”, “classification” and “reason”.')
  const files: { path: string; name: string }[] = []
  const pathOf = (filename: string | undefined) => {
    const path = join(folder, randomUUID())
    files.push({ path, name: fileName(filename) })
    return path
  }
  const fields = await receiveForm(request, { fileBytes: MAX_ATTACHMENT_BYTES, files: MAX_FILES, fields: 10, fieldBytes: 1 << 14, pathOf, tooLarge })
  if (files.length === 0) throw badBody('There is no file in the upload: send it as a field “file” of multipart/form-data.')
  return { fields, files }
}

/** The last part of a name, without control characters. */
export const fileName = (name: string | undefined) => (name ?? '').split(/[\\/]/).at(-1)!.normalize('NFC').replace(/[\p{Cc}\p{Cs}"]/gu, '').trim().slice(0, 200) || 'attachment'

/** `DELETE …/attachments/{attachmentId}`. */
export async function deleteAttachment(call: Call, response: Response): Promise<void> {
  const layer = cityLayerOf(call)
  const revision = await detach(call.app.store, refOf(call, layer), attachmentIdOf(call), metaOf(call, `detach ${attachmentIdOf(call)}`).reason)
  response.set({ 'X-Revision': String(revision.revision), 'Cache-Control': 'no-store' }).status(204).end()
}
