/**
 * Long work: import, run, sample, export, terrain. One row in `dothi.jobs`, whichever process does it.
 * A job is leased while it works; a lease that runs out marks it interrupted, and `again` reruns it from its frozen inputs.
 */
import type { Reader, Store } from '../store/store.js'

export type JobState = 'accepted' | 'running' | 'successful' | 'failed' | 'dismissed' | 'interrupted'

export interface Job {
  readonly id: string
  readonly kind: string
  readonly state: JobState
  /** 0…1 */
  readonly progress: number
  readonly message: string
  readonly inputs: unknown
  readonly inputsHash: string
  readonly owner: string
  readonly branch: string
  readonly created: Date
  readonly started: Date | null
  readonly finished: Date | null
  /** Small outcome: counts, links, mass error; or the problem's sentence. */
  readonly result: unknown
}

export interface JobContext {
  readonly id: string
  readonly store: Store
  readonly owner: Reader
  readonly branch: string
  /** Aborted on cancel and on shutdown. */
  readonly signal: AbortSignal
  report(progress: number, message: string): void
}

/** Work of one kind. Throws a Problem for a user's mistake; its sentence becomes the job's message. */
export type JobHandler<I = any, R = unknown> = (context: JobContext, inputs: I) => Promise<R>

export interface Jobs {
  register(kind: string, handler: JobHandler): void
  /** Queues for the server's runner. */
  submit(kind: string, inputs: unknown, owner: Reader, branch?: string): Promise<Job>
  /** Runs in this process at once (command line). */
  run(kind: string, inputs: unknown, owner: Reader, options?: { branch?: string; signal?: AbortSignal; onProgress?: (job: Job) => void }): Promise<Job>
  get(id: string): Promise<Job | undefined>
  /** `visibleTo`: floods, which are everybody's, and this subject's own. */
  list(filter?: { kind?: string; branch?: string; state?: JobState; limit?: number; visibleTo?: string }): Promise<readonly Job[]>
  cancel(id: string): Promise<void>
  again(id: string, owner: Reader): Promise<Job>
  onChange(listener: (job: Job) => void): () => void
  /** Starts taking queued jobs, marks the dead ones interrupted. */
  start(): void
  stop(): Promise<void>
}
