import type { JobContext, Jobs } from '../operations/jobs.js'
import { check, type CheckReport } from './check.js'
import type { BBox } from '../../core/bbox.js'

/** The kind of jobs that check the city. */
export const CHECK = 'check'

/** Inputs of the job `check`; nothing: all of it. */
export interface CheckInputs { readonly layers?: readonly string[]; readonly rules?: readonly string[]; readonly bbox?: BBox }

export function registerJobs(jobs: Jobs): void {
  jobs.register(CHECK, ({ store, signal, report }: JobContext, inputs: CheckInputs): Promise<CheckReport> =>
    check(store, { ...inputs, signal, onProgress: (share, rule) => report(share, rule) }))
}
