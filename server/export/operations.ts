import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Type } from '@sinclair/typebox'
import type { Response } from 'express'
import { SIMULATION_LABEL } from '../../simulation/manifest.js'
import { notFound, Problem } from '../errors.js'
import { AS_OF, BBOX, BBOX_CRS, CRS, FILTER, FILTER_CRS, FILTER_LANG, PROPERTIES, RUN } from '../ogc/common/parameters.js'
import { JOB_MADE, problem, TEXT } from '../ogc/common/schemas.js'
import type { Call, Operation, Parameter } from '../operations/operation.js'
import { statusInfo } from '../operations/operations.js'
import { FORMAT_IDS } from './export.js'
import { FORMATS } from './formats.js'
import { expiresAt, jobFolder } from './files.js'
import { resultOf, type ExportInputs } from './jobs.js'
import { planExport, type ExportParams, type ExportPlan } from './plan.js'
import { exportChunks } from './stream.js'

const tags = ['Exports'] as const
const query = (name: string, description: string, schema: Parameter['schema'], required = false): Parameter => ({ name, in: 'query', description, schema, ...(required ? { required } : {}) })
const LAYERS = query('layers', 'Layers, with commas between them, or `all`.', Type.Array(Type.String({ maxLength: 60 }), { minItems: 1, maxItems: 200 }), true)
const FORMAT = query('format', 'Format of the file.', Type.Union(FORMAT_IDS.map(id => Type.Literal(id))), true)
const GEOMETRY = query('geometry', 'CSV: how geometry is written: `wkt`, `lonlat` (a point on it; x and y in a projected CRS) or `none`.', Type.Union([Type.Literal('wkt'), Type.Literal('lonlat'), Type.Literal('none')]))
const BOM = query('bom', 'CSV: begin with a byte order mark, so that Excel reads UTF-8.', Type.Boolean())
const WHAT = [LAYERS, FORMAT, BBOX, BBOX_CRS, CRS, AS_OF, RUN, FILTER, FILTER_LANG, FILTER_CRS, PROPERTIES, GEOMETRY, BOM]

/** The same words in a JSON body. */
const BODY = Type.Object(Object.fromEntries(WHAT.map(({ name, schema, required, description }) => [name, required ? schema : Type.Optional({ ...schema, description })])), { additionalProperties: false })

const FILE_ANSWER = {
  200: {
    description: 'The file.', content: Object.fromEntries(FORMAT_IDS.map((id) => [FORMATS[id].mediaType.split(';')[0]!, {}])),
    headers: { 'Content-Disposition': { description: 'Its name.', schema: TEXT }, 'X-Export-Crs': { description: 'Its CRS.', schema: TEXT }, 'X-Export-Losses': { description: 'What the format cannot hold.', schema: TEXT } },
  },
  404: problem('There is no such layer or export, or it has expired.'), 429: problem('Too many exports are under way.'),
}

export const operations: readonly Operation[] = [
  {
    id: 'getExport', method: 'get', path: '/exports', tags, branched: true, parameters: WHAT,
    summary: 'Layers as a file, streamed. What the format cannot hold is told in X-Export-Losses',
    responses: FILE_ANSWER, handler: getExport,
  },
  {
    id: 'postExport', method: 'post', path: '/exports', tags, branched: true, roles: ['editor', 'steward'], body: { contentType: 'application/json', schema: BODY },
    summary: 'Make a large export in the background, to be fetched when it is ready', responses: { 201: JOB_MADE }, handler: async (call, response) => {
      const params = call.body as ExportParams
      await planExport(call, params) // so that a mistake is told now
      const inputs: ExportInputs = { params, dataDir: call.app.config.dataDir }
      const job = await call.app.jobs.submit('export', inputs, call.reader, call.branch)
      response.status(201).set('Location', `${call.base}/ogc/jobs/${job.id}`).json({ ...statusInfo(job, call), file: `${call.base}/exports/${job.id}` })
    },
  },
  {
    id: 'getExportFile', method: 'get', path: '/exports/{jobId}', tags, branched: true, roles: ['editor', 'steward'],
    summary: 'The file that an export job has made; kept for a day',
    parameters: [{ name: 'jobId', in: 'path', required: true, description: 'The export\'s job id', schema: Type.String({ format: 'uuid' }) }],
    responses: FILE_ANSWER, handler: getExportFile,
  },
]

async function getExport(call: Call, response: Response): Promise<void> {
  const plan = await planExport(call, call.params as unknown as ExportParams)
  const head = call.request.method === 'HEAD'
  const chunks = exportChunks(call.app.store, call.reader, plan, { signal: call.signal })
  // The first chunk before the first header: what can go wrong still has a status to say so.
  let chunk = head ? undefined : await chunks.next()
  response.set({ ...headers(plan), 'Cache-Control': 'no-store' })
  if (head) return void response.end()
  for (; !chunk!.done; chunk = await chunks.next()) {
    if (!response.write(chunk!.value)) await once(response, 'drain', { signal: call.signal }).catch(() => {})
    if (call.signal.aborted) return void await chunks.return(undefined)
  }
  response.end()
}

function headers({ mediaType, fileName, losses, plans }: ExportPlan): Record<string, string> {
  return {
    'Content-Type': mediaType, 'Content-Disposition': `attachment; filename="${fileName}"`, 'X-Export-Crs': `EPSG:${plans[0]!.srid}`,
    ...(losses.length ? { 'X-Export-Losses': losses.join('; ') } : {}),
    ...(plans.some(({ layer }) => layer.kind === 'run') ? { 'X-Simulation': SIMULATION_LABEL.en.replace('–', '-') } : {}),
  }
}

async function getExportFile(call: Call, response: Response): Promise<void> {
  const { jobId } = call.params
  const job = await call.app.jobs.get(jobId)
  if (job?.kind !== 'export' || (job.owner !== call.reader.subject && !call.reader.roles.includes('steward'))) throw notFound(`There is no export ${jobId} of yours.`)
  if (job.state === 'accepted' || job.state === 'running') throw new Problem(404, 'not-found', `The export ${jobId} is not ready yet: it is ${job.state}.`, {}, { 'Retry-After': '5' })
  if (job.state !== 'successful') throw notFound(`The export ${jobId} has left no file: it is ${job.state}. ${job.message}`)
  const { file, mediaType } = resultOf(job)
  const folder = jobFolder(call.app.config.dataDir, jobId)
  if (expiresAt(job.finished!).getTime() < Date.now() || !await stat(join(folder, file)).then(() => true, () => false)) throw notFound(`The file of export ${jobId} has expired. POST ${call.base}/ogc/jobs/${jobId}/again makes it anew.`)
  await new Promise<void>((done, fail) => response.sendFile(file, {
    root: folder, dotfiles: 'allow', cacheControl: false,
    headers: { 'Content-Type': mediaType, 'Content-Disposition': `attachment; filename="${file}"`, 'Cache-Control': 'no-store' },
  }, error => (error && !call.signal.aborted ? fail(error) : done())))
}
