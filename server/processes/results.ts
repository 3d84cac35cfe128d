/**
 * Results of a job as OGC API Processes part 1 tells them (clauses 7.11.4 and 7.13):
 *
 *   document              one JSON object, each output by name
 *   raw, one value        the value itself, in its own media type
 *   raw, several          multipart/related, a part each
 *   raw, references only  204 with a `Link` each
 */
import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { Readable } from 'node:stream'
import type { Request, Response } from 'express'
import { nearMisses } from '../../core/text.js'
import { notFound, Problem } from '../errors.js'
import { JSON_MEDIA, negotiate, type Media } from '../ogc/common/media.js'
import type { Job } from '../operations/jobs.js'
import type { Call } from '../operations/operation.js'
import { problemOf } from '../operations/status-info.js'
import type { OutputValue, ProcessDefinition, ProcessOutput, ResultCall } from './process.js'
import { EXCEPTIONS } from './processes.js'

/** One output of a job, and how it is wanted. */
export interface ToldOutput {
  readonly name: string
  readonly output: ProcessOutput
  readonly value: OutputValue
  readonly mediaType: string
  readonly byReference: boolean
  /** Where it can be had alone. */
  readonly href: string
}

/** Larger files stand in a document by reference. */
const MOST_INLINE_BYTES = 16 * 2 ** 20

/** The outputs that were wanted and are there, in the process's order. */
export async function outputsOf(process: ProcessDefinition, result: ResultCall, { all = false } = {}): Promise<readonly ToldOutput[]> {
  const wanted = all ? undefined : result.job.execution?.outputs
  const names = Object.keys(process.outputs).filter(name => !wanted || name in wanted)
  const told = await Promise.all(names.map(async name => {
    const value = await process.outputs[name]!.read(result)
    return value && tell(process, name, value, result)
  }))
  return told.filter(output => output !== undefined)
}

/** One output by name. Throws 404 Problems. */
export async function outputOf(process: ProcessDefinition, name: string, result: ResultCall): Promise<ToldOutput> {
  const output = Object.hasOwn(process.outputs, name) ? process.outputs[name] : undefined
  const value = await output?.read(result)
  if (value) return tell(process, name, value, result)
  const names = Object.keys(process.outputs)
  const [near] = nearMisses(name, names)
  throw notFound(output ? `The job ${result.job.id} has no “${name}”.` : `The process ${process.id} has no output “${name.slice(0, 60)}”.${near ? ` Did you mean “${near}”?` : ''} There are: ${names.join(', ')}.`)
}

function tell(process: ProcessDefinition, name: string, value: OutputValue, result: ResultCall): ToldOutput {
  const output = process.outputs[name]!
  return {
    name, output, value, mediaType: mediaTypeOf(value, output),
    byReference: result.job.execution?.outputs?.[name]?.transmissionMode === 'reference',
    href: output.address?.(result) ?? `${result.base}/ogc/jobs/${result.job.id}/results/${name}`,
  }
}

const mediaTypeOf = (value: OutputValue, { schema }: ProcessOutput): string =>
  'file' in value ? value.mediaType : value.mediaType ?? schema.contentMediaType as string | undefined ?? (typeof value.json === 'string' ? 'text/plain' : 'application/json')

/** Throws what keeps a job from having results: not yet, failed, dismissed. */
export function checkSuccessful(job: Job): void {
  if (job.state === 'successful') return
  if (job.state === 'accepted' || job.state === 'running')
    throw new Problem(404, 'not-found', `Job ${job.id} is still ${job.state}: ask again when its status is successful.`, { type: `${EXCEPTIONS}/result-not-ready` }, { 'Retry-After': '2' })
  throw failureOf(job)
}

/** A failed job's own problem; where the fault was ours, there is simply no result. */
export function failureOf(job: Job): Problem {
  const { status = 500, type = 'not-found', detail = job.message, ...more } = problemOf(job) ?? {}
  if (status < 500) return new Problem(status, type, detail, more)
  return notFound(`Job ${job.id} has no result: it is ${job.state}. ${job.message}`)
}

// ── Document ─────────────────────────────────────────────────────────────────────────────────────

export async function documentOf(outputs: readonly ToldOutput[]): Promise<Record<string, unknown>> {
  return Object.fromEntries(await Promise.all(outputs.map(async output => [output.name, await inDocument(output)] as const)))
}

async function inDocument({ output, value, mediaType, byReference, href }: ToldOutput): Promise<unknown> {
  const link = { href, type: mediaType, title: output.title.en }
  if (byReference) return link
  if ('file' in value) {
    if (value.bytes > MOST_INLINE_BYTES) return link
    const bytes = await readFile(value.file)
    return isJson(mediaType) ? { value: JSON.parse(bytes.toString('utf8')), mediaType } : { value: bytes.toString('base64'), encoding: 'base64', mediaType }
  }
  const { contentEncoding } = output.schema
  if (contentEncoding) return { value: value.json, encoding: contentEncoding, mediaType }
  // The standard takes objects only with “value” around them, but for a bounding box.
  const bare = typeof value.json !== 'object' || value.json === null || Array.isArray(value.json) || 'bbox' in value.json && !('type' in value.json)
  return bare ? value.json : { value: value.json, mediaType }
}

const isJson = (mediaType: string) => /[/+]json\b/.test(mediaType)

// ── Answers ──────────────────────────────────────────────────────────────────────────────────────

const TEXT_MEDIA: Media = { f: 'text', type: 'text/plain' }

/** Answers with the outputs, in the form that was asked for when the job was made. */
export async function sendOutputs(call: Pick<Call, 'request' | 'signal'>, response: Response, job: Job, outputs: readonly ToldOutput[]): Promise<void> {
  const document = !job.execution || job.execution.response === 'document'
  const [only] = outputs
  if (document) return void sendJson(response, await documentOf(outputs))
  if (outputs.every(output => output.byReference)) return sendReferences(response, outputs)
  if (outputs.length === 1) return sendOutput(call, response, only!)
  return sendParts(call, response, outputs)
}

/** One output alone, as it is. */
export async function sendOutput(call: Pick<Call, 'request' | 'signal'>, response: Response, { output, value, mediaType }: ToldOutput): Promise<void> {
  if ('file' in value) return sendFile(call, response, value)
  response.setHeader('Cache-Control', 'no-store')
  if (typeof value.json !== 'string') return void sendJson(response, value.json, mediaType)
  if (output.schema.contentEncoding === 'base64') return void response.setHeader('Content-Type', mediaType).send(Buffer.from(value.json, 'base64'))
  if (ratherJson(call.request)) return void sendJson(response, value.json)
  response.setHeader('Content-Type', 'text/plain; charset=utf-8')
  response.send(Buffer.from(value.json))
}

/** Whether text should come as a JSON string; nobody is refused for what he accepts. */
function ratherJson(request: Request): boolean {
  try {
    return negotiate(request, undefined, [TEXT_MEDIA, JSON_MEDIA]) === JSON_MEDIA
  } catch {
    return false
  }
}

function sendJson(response: Response, value: unknown, mediaType = 'application/json'): void {
  response.setHeader('Cache-Control', 'no-store')
  response.setHeader('Content-Type', mediaType)
  response.send(Buffer.from(JSON.stringify(value)))
}

async function sendFile({ signal }: Pick<Call, 'signal'>, response: Response, { file, mediaType, fileName }: Extract<OutputValue, { file: string }>): Promise<void> {
  await new Promise<void>((done, fail) => response.sendFile(file, {
    dotfiles: 'allow', cacheControl: false,
    headers: { 'Content-Type': mediaType, 'Content-Disposition': `attachment; filename="${fileName}"`, 'Cache-Control': 'no-store' },
  }, error => (error && !signal.aborted ? fail(error) : done())))
}

function sendReferences(response: Response, outputs: readonly ToldOutput[]): void {
  if (outputs.length) response.setHeader('Link', outputs.map(({ href, name, mediaType }) => `<${href}>; rel="${RESULT}"; type="${mediaType.replaceAll('"', '')}"; title="${name}"`).join(', '))
  response.status(204).end()
}
const RESULT = 'http://www.opengis.net/def/rel/ogc/1.0/results'

async function sendParts({ signal }: Pick<Call, 'signal'>, response: Response, outputs: readonly ToldOutput[]): Promise<void> {
  const boundary = `dothi-${randomBytes(12).toString('hex')}`
  response.set({ 'Content-Type': `multipart/related; boundary="${boundary}"`, 'Cache-Control': 'no-store' })
  await pipeline(Readable.from(parts(outputs, boundary)), response, { signal }).catch(error => { if (!signal.aborted) throw error })
}

/** RFC 2046 and 2387: a part is named by its Content-ID; one by reference has a Content-Location and no body. */
async function* parts(outputs: readonly ToldOutput[], boundary: string): AsyncGenerator<string | Buffer> {
  for (const { name, output, value, mediaType, byReference, href } of outputs) {
    yield `--${boundary}\r\nContent-Type: ${mediaType}${mediaType === 'text/plain' ? '; charset=utf-8' : ''}\r\nContent-ID: <${name}>\r\n`
    if (byReference) yield `Content-Location: ${href}\r\n\r\n`
    else if ('file' in value) {
      yield `Content-Disposition: attachment; filename="${value.fileName}"\r\n\r\n`
      yield* createReadStream(value.file) as AsyncIterable<Buffer>
    } else if (typeof value.json === 'string') yield* ['\r\n', output.schema.contentEncoding === 'base64' ? Buffer.from(value.json, 'base64') : value.json]
    else yield `\r\n${JSON.stringify(value.json)}`
    yield '\r\n'
  }
  yield `--${boundary}--\r\n`
}
