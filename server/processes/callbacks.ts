/**
 * Tells subscribers of their jobs (OGC API Processes part 1, conformance class callback): the results, the problem of a
 * failed job, and now and then how far it is. The end is told at least once: it is kept in the database until the
 * subscriber has taken it or the last attempt has failed. Progress is told once, or not.
 */
import { sql } from 'kysely'
import { outbound } from '../http/outbound.js'
import type { Job, Jobs } from '../operations/jobs.js'
import { problemOf, statusInfo } from '../operations/status-info.js'
import type { Config } from '../config.js'
import { rounds } from '../rounds.js'
import type { Reader, Store } from '../store/store.js'
import { findProcess } from './processes.js'
import { documentOf, outputsOf } from './results.js'

export interface CallbackOptions {
  /** First pause after a failure; each further one is twice as long. */
  readonly backoffMs: number
  readonly mostAttempts: number
  readonly timeoutMs: number
  /** Between two words about progress. */
  readonly progressMs: number
}
/** Ten attempts, the last of them after 43 minutes. */
export const CALLBACK_DEFAULTS: CallbackOptions = { backoffMs: 5_000, mostAttempts: 10, timeoutMs: 15_000, progressMs: 10_000 }

/** Looks for work at least so often, for what another process left behind. */
const IDLE_MS = 30_000
const LEASE_MARGIN_MS = 15_000

interface Backend { readonly store: Store; readonly jobs: Jobs }

/** Starts telling; stop waits for what is under way. */
export function startCallbacks(backend: Backend, config: Config, options: CallbackOptions = CALLBACK_DEFAULTS): { stop(): Promise<void> } {
  const teller = new Teller(backend, config, options)
  const unlisten = backend.jobs.onChange(job => teller.heard(job))
  teller.wake()
  return { stop: async () => { unlisten(); await teller.stop() } }
}

class Teller {
  readonly #stopping = new AbortController()
  readonly #toldProgress = new Map<string, number>()
  readonly #rounds = rounds(this.#stopping, IDLE_MS, () => this.#work())

  constructor(readonly backend: Backend, readonly config: Config, readonly options: CallbackOptions) {}

  heard(job: Job): void {
    if (!job.execution?.subscriber) return
    if (job.finished) this.#toldProgress.delete(job.id)
    if (job.finished) this.wake()
    else if (job.state === 'running') this.#tellProgress(job)
  }

  wake(): void { this.#rounds.wake() }
  stop(): Promise<void> { return this.#rounds.stop() }

  #tellProgress(job: Job): void {
    const { subscriber, base } = job.execution!
    if (!subscriber?.inProgressUri || Date.now() - (this.#toldProgress.get(job.id) ?? 0) < this.options.progressMs) return
    this.#toldProgress.set(job.id, Date.now())
    void this.#post(subscriber.inProgressUri, statusInfo(job, { base, reader: readerNamed(job.owner) })).catch(() => {})
  }

  /** Tells every end that is due; how long none will be, milliseconds. */
  async #work(): Promise<number> {
    for (let id = await this.#claim(); id !== undefined && !this.#stopping.signal.aborted; id = await this.#claim()) await this.#tell(id)
    const { rows: [next] } = await sql<{ wait: number | null }>`
      select extract(epoch from min(c.next_attempt) - now())::float8 * 1000 as wait from dothi.job_callbacks c join dothi.jobs j on j.id = c.job where c.told is null and j.finished is not null`.execute(this.backend.store.db)
    return Math.min(IDLE_MS, Math.max(10, next?.wait ?? IDLE_MS))
  }

  /** Takes one ended job that is due for this process; others leave it alone while an attempt may take. */
  async #claim(): Promise<string | undefined> {
    const { rows: [due] } = await sql<{ job: string }>`
      update dothi.job_callbacks set attempts = attempts + 1, next_attempt = now() + ${this.options.timeoutMs + LEASE_MARGIN_MS} * interval '1 millisecond'
      where job = (select c.job from dothi.job_callbacks c join dothi.jobs j on j.id = c.job where c.told is null and j.finished is not null and c.next_attempt <= now()
        order by c.next_attempt limit 1 for update of c skip locked) returning job`.execute(this.backend.store.db)
    return due?.job
  }

  async #tell(id: string): Promise<void> {
    try {
      const job = await this.backend.jobs.get(id)
      if (job) await this.#tellEnd(job)
      await sql`update dothi.job_callbacks set told = now(), last_error = null where job = ${id}`.execute(this.backend.store.db)
    } catch (error) {
      if (this.#stopping.signal.aborted) return
      const { backoffMs, mostAttempts } = this.options
      await sql`update dothi.job_callbacks set last_error = ${String((error as Error).message).slice(0, 500)}, told = case when attempts >= ${mostAttempts} then now() end,
        next_attempt = now() + ${backoffMs} * power(2, attempts - 1) * interval '1 millisecond' where job = ${id}`.execute(this.backend.store.db)
    }
  }

  async #tellEnd(job: Job): Promise<void> {
    const { subscriber } = job.execution!
    if (job.state === 'successful') await this.#post(subscriber!.successUri, await this.#results(job))
    else if (subscriber!.failedUri) await this.#post(subscriber!.failedUri, failureBody(job))
  }

  /** As a document, read as who started the job. */
  async #results(job: Job): Promise<unknown> {
    const { rows: [owner] } = await sql<{ owner_reader: Reader }>`select owner_reader from dothi.jobs where id = ${job.id}`.execute(this.backend.store.db)
    const outputs = await outputsOf(findProcess(job.kind)!, { app: { store: this.backend.store, config: this.config }, job, reader: owner!.owner_reader, base: job.execution!.base })
    return documentOf(outputs)
  }

  async #post(url: string, body: unknown): Promise<void> {
    const answer = await outbound(url, { method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' }, timeoutMs: this.options.timeoutMs, maxBytes: 1 << 16, signal: this.#stopping.signal })
    answer.body.destroy()
    if (answer.status < 200 || answer.status > 299) throw new Error(`The subscriber answered ${answer.status}.`)
  }
}

/** Who started a job knows its owner's name. */
const readerNamed = (subject: string): Reader => ({ subject, roles: [], clearance: 'open' })

function failureBody(job: Job) {
  const { base } = job.execution!
  const origin = base.replace(/\/scenarios\/[^/]+$/, '')
  const { type = 'interrupted', status = 500, detail = job.message } = problemOf(job) ?? {}
  return { type: type.includes(':') ? type : `${origin}/docs/problems#${type}`, title: `Job ${job.state}`, status, detail, instance: `${base}/ogc/jobs/${job.id}` }
}
