/** Jobs as OGC API Processes part 1 (clause 7.12) sees them, with `again` and our own `state` besides. */
import { Type } from '@sinclair/typebox'
import type { TSchema } from '@sinclair/typebox'
import { forbidden, notFound, Problem } from '../errors.js'
import type { Job, JobState } from './jobs.js'
import type { Reader } from '../store/store.js'
import type { Call, Operation, Parameter } from './operation.js'

const tags = ['Jobs'] as const
const STATES = ['accepted', 'running', 'successful', 'failed', 'dismissed', 'interrupted'] as const satisfies readonly JobState[]
const jobId: Parameter = { name: 'jobId', in: 'path', required: true, description: 'The job\'s id', schema: Type.String({ format: 'uuid' }) }
const query = (name: string, description: string, schema: TSchema): Parameter => ({ name, in: 'query', description, schema })

export const operations: readonly Operation[] = [
  {
    id: 'getJobs', method: 'get', path: '/ogc/jobs', summary: 'Jobs, newest first', tags, branched: true,
    parameters: [
      query('processID', 'Only jobs of this process: flood, import, sample, …', Type.String({ maxLength: 60 })),
      query('status', 'Only jobs in this state', Type.Union(STATES.map(state => Type.Literal(state)))),
      query('limit', 'How many at most', Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
    ],
    handler: async (call, response) => {
      const { processID: kind, status: state, limit } = call.params
      const branch = call.branch === 'main' ? undefined : call.branch
      const jobs = await call.app.jobs.list({ kind, state, limit, branch, ...(!seesAll(call.reader) && { visibleTo: call.reader.subject }) })
      response.json({ jobs: jobs.map(job => statusInfo(job, call)), links: [link(`${call.base}/ogc/jobs`, 'self', 'Jobs')] })
    },
  },
  {
    id: 'getStatus', method: 'get', path: '/ogc/jobs/{jobId}', summary: 'State and progress of a job', tags, branched: true, parameters: [jobId],
    handler: async (call, response) => void response.set('Cache-Control', 'no-store').json(statusInfo(await jobOf(call), call)),
  },
  {
    id: 'getResult', method: 'get', path: '/ogc/jobs/{jobId}/results', summary: 'What a successful job has brought', tags, branched: true, parameters: [jobId],
    handler: async (call, response) => {
      const job = await jobOf(call)
      if (job.state === 'accepted' || job.state === 'running')
        throw new Problem(404, 'not-found', `Job ${job.id} is still ${job.state}: ask again when its status is successful.`, { type: `${EXCEPTIONS}/result-not-ready` })
      if (job.state !== 'successful') throw notFound(`Job ${job.id} has no result: it is ${job.state}. ${job.message}`)
      response.json(job.result ?? {})
    },
  },
  {
    id: 'dismiss', method: 'delete', path: '/ogc/jobs/{jobId}', summary: 'Cancel a job', tags, branched: true, parameters: [jobId], roles: ['editor', 'steward'],
    handler: async (call, response) => {
      const job = await jobOf(call)
      if (job.owner !== call.reader.subject && !call.reader.roles.includes('steward')) throw forbidden('Only who started a job, or a steward, may cancel it.')
      await call.app.jobs.cancel(job.id)
      response.json(statusInfo(await jobOf(call), call))
    },
  },
  {
    id: 'runAgain', method: 'post', path: '/ogc/jobs/{jobId}/again', summary: 'Repeat a job that has ended, from the same inputs', tags, branched: true, parameters: [jobId], roles: ['editor', 'steward'],
    handler: async (call, response) => {
      const old = await jobOf(call)
      if (old.kind !== 'flood' && !call.reader.roles.includes('steward')) throw forbidden(`Only a steward may repeat a job of kind ${old.kind}.`)
      const job = await call.app.jobs.again(old.id, call.reader)
      response.status(201).set('Location', `${call.base}/ogc/jobs/${job.id}`).json(statusInfo(job, call))
    },
  },
]

const EXCEPTIONS = 'http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0'

/** Imports, syncs and checks tell of data in their messages and results: they are for who started them, and for stewards. */
const seesAll = ({ roles }: Reader) => roles.includes('steward')
const maySee = (reader: Reader, { kind, owner }: Job) => seesAll(reader) || kind === 'flood' || owner === reader.subject

async function jobOf(call: Call): Promise<Job> {
  const { jobId } = call.params
  const job = await call.app.jobs.get(jobId)
  if (!job || (call.branch !== 'main' && job.branch !== call.branch) || !maySee(call.reader, job))
    throw new Problem(404, 'not-found', `There is no job ${jobId}: ${call.base}/ogc/jobs lists them.`, { type: `${EXCEPTIONS}/no-such-job` })
  return job
}

/** `status` keeps to the five states of the standard; `state` tells an interrupted job from a failed one. */
export function statusInfo(job: Job, { base, reader }: Pick<Call, 'base' | 'reader'>) {
  const self = `${base}/ogc/jobs/${job.id}`
  const ended = job.finished !== null
  return {
    jobID: job.id,
    processID: job.kind,
    type: 'process',
    status: job.state === 'interrupted' ? 'failed' : job.state,
    state: job.state,
    message: job.message,
    progress: Math.floor(job.progress * 100),
    created: job.created,
    ...(job.started && { started: job.started }),
    ...(job.finished && { finished: job.finished }),
    branch: job.branch,
    inputsHash: job.inputsHash,
    ...(reader.subject !== 'public' && { owner: job.owner }),
    ...(job.state === 'failed' && job.result !== null && { exception: (job.result as { problem?: unknown }).problem }),
    links: [
      link(self, 'self', 'This job'),
      ...(job.state === 'successful' ? [link(`${self}/results`, 'http://www.opengis.net/def/rel/ogc/1.0/results', 'What it has brought')] : []),
      ...(ended ? [link(`${self}/again`, 'related', 'POST here to repeat it')] : [link(self, 'http://www.opengis.net/def/rel/ogc/1.0/dismiss', 'DELETE here to cancel it')]),
    ],
  }
}

const link = (href: string, rel: string, title: string) => ({ href, rel, type: 'application/json', title })
