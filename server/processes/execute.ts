/** An execute request → a job, and the answer: its results at once, or where it can be watched. */
import type { Response } from 'express'
import { Problem } from '../errors.js'
import { admit } from '../http/route.js'
import { timed } from '../http/timing.js'
import type { Job, Jobs } from '../operations/jobs.js'
import type { Call } from '../operations/operation.js'
import { problemOf, statusInfo } from '../operations/status-info.js'
import { executionOf, modeOf, type ExecuteRequest, type Mode } from './execution.js'
import { readInputs } from './inputs.js'
import type { ProcessDefinition } from './process.js'
import { failureOf, outputsOf, sendOutputs } from './results.js'

/** Executions that clients wait for, in this process: each holds a connection or a processor. */
const MOST_AT_ONCE = 6
let atOnce = 0

export async function execute(call: Call, response: Response, process: ProcessDefinition): Promise<void> {
  admit({ roles: process.roles, summary: process.title.en }, call.reader)
  const request = call.body as ExecuteRequest
  const execution = executionOf(request, process, call)
  const given = await readInputs(request.inputs ?? {}, process, call.reader, call.signal)
  const { inputs, branch = call.branch } = await process.freeze(given, call)
  const mode = modeOf(call.request.get('prefer'), process)
  if (mode.mode === 'sync') {
    const job = await timed(response, 'process', () => atOnceOnly(() => call.app.jobs.run(process.id, inputs, call.reader, { branch, execution, signal: call.signal })))
    return answer(call, response, process, job)
  }
  const job = await call.app.jobs.submit(process.id, inputs, call.reader, branch, execution)
  const ended = await endOf(call.app.jobs, job.id, mode.waitSeconds, call.signal)
  if (ended?.state === 'successful') return answer(call, response, process, ended)
  accepted(call, response, ended ?? job, mode)
}

async function answer(call: Call, response: Response, process: ProcessDefinition, job: Job): Promise<void> {
  if (call.signal.aborted) return
  if (job.state !== 'successful') throw job.state === 'failed' ? failed(job) : new Problem(503, 'unavailable', 'The work was stopped before its end. Try again.', {}, { 'Retry-After': '5' })
  // No Link header: where a synchronous answer has one, the standard reads it as that of a monitored job.
  response.setHeader('Content-Location', `${call.base}/ogc/jobs/${job.id}/results`)
  await sendOutputs(call, response, job, await outputsOf(process, { ...call, job }))
}

/** A fault of ours is told as one. */
const failed = (job: Job) => (problemOf(job)?.status ?? 500) < 500 ? failureOf(job) : new Problem(500, 'internal', job.message)

function accepted(call: Call, response: Response, job: Job, { waitSeconds }: Mode): void {
  response.status(201).set({
    Location: `${call.base}/ogc/jobs/${job.id}`, 'Cache-Control': 'no-store',
    'Preference-Applied': waitSeconds ? `respond-async, wait=${waitSeconds}` : 'respond-async',
  }).json(statusInfo(job, call))
}

/** The job once it has ended, undefined where it takes longer. */
async function endOf(jobs: Jobs, id: string, seconds: number, signal: AbortSignal): Promise<Job | undefined> {
  if (seconds === 0) return undefined
  let stop = () => {}
  try {
    return await new Promise<Job | undefined>((done, fail) => {
      const look = (job: Job | undefined) => { if (job?.id === id && job.finished) done(job) }
      const timer = setTimeout(() => done(undefined), seconds * 1000)
      const unlisten = jobs.onChange(look)
      const leave = () => done(undefined)
      signal.addEventListener('abort', leave, { once: true })
      stop = () => { clearTimeout(timer); unlisten(); signal.removeEventListener('abort', leave) }
      // It may have ended before anybody listened.
      jobs.get(id).then(look, fail)
    })
  } finally {
    stop()
  }
}

async function atOnceOnly<T>(work: () => Promise<T>): Promise<T> {
  if (atOnce >= MOST_AT_ONCE) throw new Problem(503, 'unavailable', `${atOnce} processes are waited for already. Send “Prefer: respond-async”, or try again in a moment.`, {}, { 'Retry-After': '5' })
  atOnce++
  try {
    return await work()
  } finally {
    atOnce--
  }
}
