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
  /** How it was asked for by OGC API Processes; null where it was started otherwise. */
  readonly execution: Execution | null
}

/** What of an execute request shapes how its results are told. */
export interface Execution {
  /** Outputs wanted; undefined: all. */
  readonly outputs?: Readonly<Record<string, OutputWanted>>
  readonly response: 'raw' | 'document'
  readonly subscriber?: Subscriber
  /** The API's root that addresses begin with. */
  readonly base: string
}
export interface OutputWanted { readonly transmissionMode?: 'value' | 'reference'; readonly format?: { readonly mediaType?: string } }
/** Whom to tell: of the results, of progress, of a failure. */
export interface Subscriber { readonly successUri: string; readonly inProgressUri?: string; readonly failedUri?: string }

export interface JobFilter {
  readonly kind?: string | readonly string[]
  readonly branch?: string
  readonly state?: JobState | readonly JobState[]
  /** Made in this time; null is open. */
  readonly created?: { readonly start: Date | null; readonly end: Date | null }
  /** From start to end, or to now where it works still; jobs that have not begun have none. */
  readonly minSeconds?: number
  readonly maxSeconds?: number
  /** Id of the job that the page before ended with. */
  readonly after?: string
  readonly limit?: number
  /** Floods, which are everybody's, and this subject's own. */
  readonly visibleTo?: string
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

export interface KindOptions {
  /** Short work has a lane of its own, so that it neither waits for floods nor keeps them waiting; default `long`. */
  readonly lane?: Lane
  /** Ended jobs that are kept, the newest; default all. */
  readonly keep?: number
}
export type Lane = 'long' | 'short'

export interface Jobs {
  register(kind: string, handler: JobHandler, options?: KindOptions): void
  /** Queues for the server's runner. */
  submit(kind: string, inputs: unknown, owner: Reader, branch?: string, execution?: Execution): Promise<Job>
  /** Runs in this process at once (command line, synchronous execution). */
  run(kind: string, inputs: unknown, owner: Reader, options?: { branch?: string; signal?: AbortSignal; onProgress?: (job: Job) => void; execution?: Execution }): Promise<Job>
  get(id: string): Promise<Job | undefined>
  /** Newest first. */
  list(filter?: JobFilter): Promise<readonly Job[]>
  cancel(id: string): Promise<void>
  /** Takes an ended job away with its row. */
  forget(id: string): Promise<void>
  again(id: string, owner: Reader): Promise<Job>
  onChange(listener: (job: Job) => void): () => void
  /** Starts taking queued jobs, marks the dead ones interrupted. */
  start(): void
  stop(): Promise<void>
}
