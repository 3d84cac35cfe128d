/** Jobs over HTTP: OGC API Processes part 1 (job list, status, results, dismiss), with `again` besides. */
import { Type, type TSchema } from '@sinclair/typebox'
import { badParameter, conflict, forbidden, notFound, Problem } from '../errors.js'
import { admit } from '../http/route.js'
import { here, type Link } from '../ogc/common/links.js'
import { HTML_MEDIA, JSON_MEDIA, language, negotiate } from '../ogc/common/media.js'
import { F, LANG } from '../ogc/common/parameters.js'
import { respond } from '../ogc/common/respond.js'
import { JOB_LIST, JOB_MADE, json, jsonOrPage, STATUS_INFO } from '../ogc/common/schemas.js'
import { parseDatetime } from '../ogc/common/time.js'
import { JOBS_TITLE, jobPage, jobsPage, resultsPage } from '../processes/pages.js'
import { EXCEPTIONS, findProcess } from '../processes/processes.js'
import { checkSuccessful, documentOf, outputOf, outputsOf, sendOutput, sendOutputs } from '../processes/results.js'
import { FLOOD } from '../scenarios/jobs.js'
import type { Reader } from '../store/store.js'
import type { Job, JobState } from './jobs.js'
import type { Call, Operation, Parameter } from './operation.js'
import { statusInfo, statusOf } from './status-info.js'

export { statusInfo } from './status-info.js'

const tags = ['Jobs'] as const
const STATES = ['accepted', 'running', 'successful', 'failed', 'dismissed', 'interrupted'] as const satisfies readonly JobState[]
const jobId: Parameter = { name: 'jobId', in: 'path', required: true, description: 'The job\'s id', schema: Type.String({ format: 'uuid', maxLength: 100 }) }
const outputId: Parameter = { name: 'outputId', in: 'path', required: true, description: 'Name of one of the process’s outputs', schema: Type.String({ maxLength: 60 }) }
const query = (name: string, description: string, schema: TSchema): Parameter => ({ name, in: 'query', description, schema })
const seconds = Type.Integer({ minimum: 0, maximum: 1_000_000_000 })
const list = (items: TSchema) => Type.Array(items, { minItems: 1, maxItems: 20 })

export const operations: readonly Operation[] = [
  {
    id: 'getJobs', method: 'get', path: '/ogc/jobs', summary: 'Jobs, newest first', tags, branched: true,
    parameters: [
      query('processID', 'Only jobs of these processes: flood, echo, import, …', list(Type.String({ maxLength: 60 }))),
      query('type', 'Only jobs of this type; all are of type process.', list(Type.Union([Type.Literal('process')]))),
      query('status', 'Only jobs in these states', list(Type.Union(STATES.map(state => Type.Literal(state))))),
      query('datetime', 'Only jobs made then: an RFC 3339 instant, or an interval `start/end` (`..` is open)', Type.String({ maxLength: 80 })),
      query('minDuration', 'Only jobs that took, or take already, so many seconds', seconds),
      query('maxDuration', 'Only jobs that took, or take so far, no more seconds than these', seconds),
      query('limit', 'How many jobs a page holds at most', Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
      query('cursor', 'Where the page starts: copied from a “next” link.', Type.String({ maxLength: 60 })),
      F, LANG,
    ],
    responses: { 200: jsonOrPage('Jobs that the reader may see.', JOB_LIST) },
    handler: getJobs,
  },
  {
    id: 'getStatus', method: 'get', path: '/ogc/jobs/{jobId}', summary: 'State and progress of a job', tags, branched: true, parameters: [jobId, F, LANG],
    responses: { 200: jsonOrPage('The job.', STATUS_INFO) },
    handler: async (call, response) => {
      const job = await jobOf(call)
      const { links: more, ...info } = statusInfo(job, call)
      const lang = language(call.request, call.params.lang)
      response.setHeader('Cache-Control', 'no-store')
      respond(call, response, {
        title: findProcess(job.kind)?.title[lang] ?? job.kind, crumbs: crumbs(call, lang), links: more.slice(1),
        json: links => ({ ...info, links }), html: lang => jobPage(job, call.base, lang),
      })
    },
  },
  {
    id: 'getResult', method: 'get', path: '/ogc/jobs/{jobId}/results', summary: 'What a successful job has brought', tags, branched: true, parameters: [jobId, F, LANG],
    responses: { 200: { description: 'The results, in the form asked for at the start: a document unless the job was started with “response”: “raw”.', content: { 'application/json': {}, 'multipart/related': {}, 'text/plain': Type.String(), 'text/html': Type.String(), '*/*': {} } }, 204: 'The results by reference: each is a Link header.' },
    handler: getResult,
  },
  {
    id: 'getOutput', method: 'get', path: '/ogc/jobs/{jobId}/results/{outputId}', summary: 'One output of a successful job, as it is', tags, branched: true, parameters: [jobId, outputId],
    responses: { 200: { description: 'The value.', content: { 'application/json': {}, 'text/plain': Type.String(), '*/*': {} } } },
    handler: async (call, response) => {
      const job = await jobOf(call)
      checkSuccessful(job)
      const process = findProcess(job.kind)
      if (!process) throw notFound(`Jobs of kind ${job.kind} have no outputs by name: ${call.base}/ogc/jobs/${job.id}/results tells what it has brought.`)
      await sendOutput(call, response, await outputOf(process, call.params.outputId, { ...call, job }))
    },
  },
  {
    id: 'dismiss', method: 'delete', path: '/ogc/jobs/{jobId}', summary: 'Cancel a job, or take an ended one away', tags, branched: true, parameters: [jobId],
    responses: { 200: json('The job, dismissed.', STATUS_INFO) },
    handler: async (call, response) => {
      const job = await jobOf(call)
      mayTouch(call, job, 'cancel')
      if (job.finished) await takeAway(call, job)
      else await call.app.jobs.cancel(job.id)
      const now = await call.app.jobs.get(job.id) ?? { ...job, state: 'dismissed' as const, message: 'Taken away.' }
      response.set('Cache-Control', 'no-store').json(statusInfo(now, call))
    },
  },
  {
    id: 'runAgain', method: 'post', path: '/ogc/jobs/{jobId}/again', summary: 'Repeat a job that has ended, from the same inputs', tags, branched: true, parameters: [jobId], roles: ['editor', 'steward'],
    responses: { 201: JOB_MADE },
    handler: async (call, response) => {
      const old = await jobOf(call)
      const own = findProcess(old.kind)?.roles?.includes('editor') && old.owner === call.reader.subject
      if (old.kind !== FLOOD && !own && !call.reader.roles.includes('steward')) throw forbidden(`Only a steward may repeat a job of kind ${old.kind}.`)
      const job = await call.app.jobs.again(old.id, call.reader)
      response.status(201).set('Location', `${call.base}/ogc/jobs/${job.id}`).json(statusInfo(job, call))
    },
  },
]

/** Imports, syncs and checks tell of data in their messages and results: they are for who started them, and for stewards. */
const seesAll = ({ roles }: Reader) => roles.includes('steward')
const maySee = (reader: Reader, { kind, owner }: Job) => seesAll(reader) || kind === FLOOD || owner === reader.subject

async function getJobs(call: Call, response: Parameters<Operation['handler']>[1]): Promise<void> {
  const { processID: kind, status, datetime, minDuration: minSeconds, maxDuration: maxSeconds, limit, cursor: after } = call.params
  if (after !== undefined && !(await call.app.jobs.get(after))) throw badParameter('cursor', 'The job that this page starts after is not there any more. Start from the first page.')
  const found = await call.app.jobs.list({
    kind, minSeconds, maxSeconds, after, limit: limit + 1, created: parseDatetime(datetime),
    state: (status as JobState[] | undefined)?.flatMap(state => state === 'failed' ? STATES.filter(one => statusOf(one) === 'failed') : [state]),
    ...(call.branch !== 'main' && { branch: call.branch }), ...(!seesAll(call.reader) && { visibleTo: call.reader.subject }),
  })
  const jobs = found.slice(0, limit)
  const next = found.length > limit ? here(call, { cursor: jobs.at(-1)!.id }) : undefined
  const links: Link[] = next ? [{ href: next, rel: 'next', type: 'application/json', title: 'Next page' }] : []
  const lang = language(call.request, call.params.lang)
  response.setHeader('Cache-Control', 'no-store')
  respond(call, response, {
    title: JOBS_TITLE[lang], crumbs: [['dothi', `${call.base}/ogc`]], links,
    json: links => ({ jobs: jobs.map(job => statusInfo(job, call)), links }),
    html: lang => jobsPage(jobs, { base: call.base, lang, ...(next && { next }), titleOf: id => findProcess(id)?.title }),
  })
}

async function getResult(call: Call, response: Parameters<Operation['handler']>[1]): Promise<void> {
  const job = await jobOf(call)
  checkSuccessful(job)
  response.setHeader('Cache-Control', 'no-store')
  const process = findProcess(job.kind)
  if (!process) return void response.json(job.result ?? {})
  const lang = language(call.request, call.params.lang)
  if (wantsPage(call)) {
    const outputs = await outputsOf(process, { ...call, job }, { all: true })
    return respond(call, response, {
      title: process.title[lang], crumbs: [...crumbs(call, lang), [job.id.slice(0, 8), `${call.base}/ogc/jobs/${job.id}`]], json: () => ({}), html: lang => resultsPage(outputs, lang),
    })
  }
  const outputs = await outputsOf(process, { ...call, job })
  if (call.params.f === 'json') return void response.json(await documentOf(outputs))
  await sendOutputs(call, response, job, outputs)
}

/** Only who would rather read a page than anything else. */
function wantsPage({ request, params }: Call): boolean {
  if (params.f !== undefined) return params.f === 'html'
  return /text\/html/.test(request.get('accept') ?? '') && negotiate(request, undefined, [JSON_MEDIA, HTML_MEDIA]) === HTML_MEDIA
}

const crumbs = (call: Call, lang: 'vi' | 'en'): [string, string][] => [['dothi', `${call.base}/ogc`], [JOBS_TITLE[lang], `${call.base}/ogc/jobs`]]

async function jobOf(call: Call): Promise<Job> {
  const { jobId } = call.params
  const job = await call.app.jobs.get(jobId)
  if (!job || (call.branch !== 'main' && job.branch !== call.branch) || !maySee(call.reader, job))
    throw new Problem(404, 'not-found', `There is no job ${jobId}: ${call.base}/ogc/jobs lists them.`, { type: `${EXCEPTIONS}/no-such-job` })
  return job
}

/** Who started a job, or a steward; what was started without a token anybody may cancel. */
function mayTouch({ reader }: Call, job: Job, what: string): void {
  if (job.owner === reader.subject || seesAll(reader)) return
  admit({ roles: ['editor', 'steward'], summary: `${what} a job` }, reader)
  throw forbidden(`Only who started a job, or a steward, may ${what} it.`)
}

/** A flood's results belong to its scenario; imports and syncs are on record. */
async function takeAway({ app: { jobs } }: Call, job: Job): Promise<void> {
  if (job.state === 'dismissed') return
  if (job.kind === FLOOD || !findProcess(job.kind)) throw conflict(`Job ${job.id} has ended (${job.state}), so there is nothing to cancel; jobs of kind ${job.kind} stay on record.`)
  await jobs.forget(job.id)
}
