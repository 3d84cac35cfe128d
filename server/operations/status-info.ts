/** Jobs as OGC API Processes part 1 (clause 7.12) tells them, with `again` and our own `state` besides. */
import type { Job, JobState } from './jobs.js'
import type { Call } from './operation.js'

export const RESULTS = 'http://www.opengis.net/def/rel/ogc/1.0/results'
const DISMISS = 'http://www.opengis.net/def/rel/ogc/1.0/dismiss'

/** The standard knows no interrupted job: for it such a one has failed. */
export const statusOf = (state: JobState) => state === 'interrupted' ? 'failed' : state

/** `status` keeps to the five states of the standard; `state` tells an interrupted job from a failed one. */
export function statusInfo(job: Job, { base, reader }: Pick<Call, 'base' | 'reader'>) {
  const self = `${base}/ogc/jobs/${job.id}`
  const ended = job.finished !== null
  return {
    jobID: job.id,
    processID: job.kind,
    type: 'process',
    status: statusOf(job.state),
    state: job.state,
    message: job.message,
    progress: Math.floor(job.progress * 100),
    created: job.created,
    ...(job.started && { started: job.started }),
    ...(job.finished && { finished: job.finished }),
    branch: job.branch,
    inputsHash: job.inputsHash,
    ...(reader.subject !== 'public' && { owner: job.owner }),
    ...(job.state === 'failed' && job.result !== null && { exception: problemOf(job) }),
    links: [
      link(self, 'self', 'This job'),
      link(self, 'monitor', 'Its state'),
      ...(job.state === 'successful' ? [link(`${self}/results`, RESULTS, 'What it has brought')] : []),
      ...(ended ? [link(`${self}/again`, 'related', 'POST here to repeat it')] : [link(self, DISMISS, 'DELETE here to cancel it')]),
    ],
  }
}

/** What a failed job failed of, as its row keeps it. */
export const problemOf = (job: Job) => (job.result as { problem?: JobProblem } | null)?.problem
export interface JobProblem { readonly status: number; readonly type: string; readonly detail: string; readonly [more: string]: unknown }

const link = (href: string, rel: string, title: string) => ({ href, rel, type: 'application/json', title })
