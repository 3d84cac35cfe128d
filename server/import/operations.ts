import { createReadStream } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { Type } from '@sinclair/typebox'
import { badBody, badParameter, notFound, Problem } from '../errors.js'
import { answer, COUNT, FILE, FREE, JOB_MADE, json, problem, TEXT } from '../ogc/common/schemas.js'
import { receiveForm } from '../http/form.js'
import type { Call, Operation } from '../operations/operation.js'
import { statusInfo } from '../operations/operations.js'
import { choices } from './command.js'
import { previewFile } from './preview.js'
import type { ImportInputs } from './run.js'
import { incomingFolder, keep, mainOf, rejectsFile, safeName, type FrozenFile } from './uploads.js'

/** Larger files go by the command line, which reads from disk. */
export const MAX_UPLOAD_BYTES = 4 * 2 ** 30
const MAX_FILES = 20

const FORM = Type.Object({
  file: FILE, mode: Type.Optional(Type.Union([Type.Literal('import'), Type.Literal('publish')], { default: 'publish' })), layer: Type.Optional(Type.String({ description: 'import: the layer to fill.' })),
}, { additionalProperties: true })
const PREVIEW = Type.Object({ file: TEXT, format: TEXT, layers: Type.Array(Type.Object({ name: TEXT, features: COUNT }, { additionalProperties: true })), notes: Type.Array(TEXT), terrain: Type.Optional(FREE) })
const IMPORTED = { 200: json('The preview.', PREVIEW), 201: JOB_MADE, 413: problem('The file is too large.') }
const REJECTS = { 200: answer('The rows; none where none was rejected.', 'application/x-ndjson', TEXT) }

export const operations: readonly Operation[] = [
  {
    id: 'postImport', method: 'post', path: '/imports', summary: 'Import a file into a layer, or publish it as a layer of its own', tags: ['Imports'],
    roles: ['steward'], body: { contentType: 'raw', media: { 'multipart/form-data': FORM } },
    parameters: [{ name: 'preview', in: 'query', description: 'Only tell what is in the file: layers, fields, CRS, encoding, proposed layer and mapping', schema: Type.Boolean() }],
    responses: IMPORTED, handler: async (call, response) => {
      const { fields, file } = await receive(call)
      const mode = fields.mode ?? 'publish'
      if (mode !== 'import' && mode !== 'publish') throw badParameter('mode', `mode is “import” or “publish”, not “${mode.slice(0, 40)}”.`)
      if (mode === 'import' && fields.layer) call.app.store.catalogue.get(fields.layer)
      const inputs: ImportInputs = { file, dataDir: call.app.config.dataDir, ...choices({ ...fields, ...(fields.map ? { map: fields.map.split(/[\n,;]+/).filter(Boolean) } : {}) }) }
      if (call.params.preview) {
        response.json(await previewFile(call.app.store, inputs, call.signal))
        return
      }
      const job = await call.app.jobs.submit(mode, inputs, call.reader)
      response.status(201).set('Location', `${call.base}/ogc/jobs/${job.id}`).json(statusInfo(job, call))
    },
  },
  {
    id: 'getRejects', method: 'get', path: '/imports/{jobId}/rejects', summary: 'Rejected rows of an import, one JSON object a line', tags: ['Imports'], roles: ['editor', 'steward'],
    parameters: [{ name: 'jobId', in: 'path', required: true, description: 'The import\'s job id', schema: Type.String({ format: 'uuid' }) }],
    responses: REJECTS, handler: async (call, response) => {
      const { jobId } = call.params
      if (!await call.app.jobs.get(jobId)) throw notFound(`There is no import ${jobId}.`)
      const path = rejectsFile(call.app.config.dataDir, jobId)
      response.type('application/x-ndjson')
      if (await stat(path).then(() => true, () => false)) await pipeline(createReadStream(path), response)
      else response.end()
    },
  },
  {
    id: 'unpublish', method: 'delete', path: '/imports/layers/{collectionId}', summary: 'Take a published layer away, with all its rows', tags: ['Imports'], roles: ['steward'],
    parameters: [{ name: 'collectionId', in: 'path', required: true, description: 'The published layer', schema: Type.String({ maxLength: 60 }) }],
    responses: { 204: 'It is gone.' }, handler: async (call, response) => {
      await call.app.store.catalogue.unpublish(call.params.collectionId, call.reader.subject)
      response.status(204).end()
    },
  },
]

interface Received { readonly fields: Readonly<Record<string, string>>; readonly file: FrozenFile }

/** Streams the upload to disk. Several files are one Shapefile with its companions. */
async function receive({ request, app }: Call): Promise<Received> {
  if (!/^multipart\/form-data\b/i.test(request.headers['content-type'] ?? '')) throw new Problem(415, 'invalid-body', 'Send the file as multipart/form-data, in a field called “file”.')
  if (Number(request.headers['content-length'] ?? 0) > MAX_UPLOAD_BYTES + 2 ** 20) throw tooLarge()
  const incoming = await incomingFolder(app.config.dataDir)
  try {
    const { fields, names } = await parts(request, incoming)
    const main = mainOf(names)
    if (main === undefined) throw badBody('The form holds no file: send it in a field called “file”.')
    return { fields, file: await keep(incoming, main, app.config.dataDir) }
  } catch (error) {
    await rm(incoming, { recursive: true, force: true })
    throw error
  }
}

async function parts(request: Call['request'], folder: string): Promise<{ fields: Record<string, string>; names: string[] }> {
  const names: string[] = []
  const pathOf = (filename: string | undefined) => {
    const name = safeName(filename ?? 'upload')
    names.push(name)
    return join(folder, name)
  }
  return { fields: await receiveForm(request, { fileBytes: MAX_UPLOAD_BYTES, files: MAX_FILES, fields: 40, fieldBytes: 1 << 16, pathOf, tooLarge }), names }
}

const tooLarge = () => new Problem(413, 'too-large', `The file is larger than ${MAX_UPLOAD_BYTES / 2 ** 30} GiB. Import it on the server with “npx dothi import FILE”.`)
