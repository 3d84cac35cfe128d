/**
 * A process is a value: what it is called, what it takes and gives, and how a request becomes a job.
 *
 *   execute request ─▶ inputs, checked by their schemas ─▶ `freeze` ─▶ job of kind `id` ─▶ its result ─▶ `outputs[…].read`
 */
import type { TSchema } from '@sinclair/typebox'
import type { Localized } from '../../layers/layer.js'
import type { Job } from '../operations/jobs.js'
import type { AppContext, Call } from '../operations/operation.js'
import type { Branch, Reader, Role } from '../store/store.js'

/** How people may run it. A flood takes minutes: it is never waited for. */
export type JobControl = 'sync-execute' | 'async-execute' | 'dismiss'

export interface ProcessInput {
  readonly title: Localized
  readonly description: Localized
  /** JSON Schema (2020-12) that values are checked by, and that the description shows. */
  readonly schema: TSchema
  /** `on main`: a scenario’s own address tells it. */
  readonly required?: boolean | 'on main'
}

export interface ProcessOutput {
  readonly title: Localized
  readonly description: Localized
  readonly schema: TSchema
  /** Where it is served besides `/ogc/jobs/{jobId}/results/{outputId}`; a reference then points there. */
  readonly address?: (result: ResultCall) => string
  /** The value; undefined where this job has none of it. Throws a 404 Problem where it is gone. */
  read(result: ResultCall): Promise<OutputValue | undefined>
}

/** What reads an output: a successful job, and for whom. */
export interface ResultCall {
  readonly app: Pick<AppContext, 'store' | 'config'>
  readonly job: Job
  readonly reader: Reader
  /** The API's root that addresses begin with, without `/ogc`. */
  readonly base: string
}

/** Something JSON can tell, or a file. */
export type OutputValue =
  | { readonly json: unknown; readonly mediaType?: string }
  | { readonly file: string; readonly mediaType: string; readonly fileName: string; readonly bytes: number }

/** What `freeze` may look at. Everything that the job needs goes into its inputs: a rerun sees nothing else. */
export type ExecuteCall = Pick<Call, 'app' | 'reader' | 'branch' | 'base' | 'origin'>

export interface ProcessDefinition<I = any> {
  /** Also the kind of its jobs. */
  readonly id: string
  readonly version: string
  readonly title: Localized
  readonly description: Localized
  readonly keywords: readonly string[]
  readonly jobControl: readonly JobControl[]
  /** Roles of which one is needed to run it; none: anybody. */
  readonly roles?: readonly Role[]
  readonly inputs: Readonly<Record<string, ProcessInput>>
  readonly outputs: Readonly<Record<string, ProcessOutput>>
  /** The job's frozen inputs, and the branch that it is about. Throws Problems for what the schemas cannot say. */
  freeze(inputs: I, call: ExecuteCall): Promise<{ readonly inputs: unknown; readonly branch?: Branch }>
}
