import type { JobContext, Jobs } from '../operations/jobs.js'
import { exportStatic, type StaticResult } from './export.js'
import type { StaticInputs } from './plan.js'

export const STATIC = 'static'

/** A folder for any web server. Run again, it goes on where it was interrupted, or brings the folder up to date. */
export function registerJobs(jobs: Jobs): void {
  jobs.register(STATIC, ({ store, branch, signal, report }: JobContext, inputs: StaticInputs): Promise<StaticResult> => exportStatic({ store, branch, signal, report }, inputs))
}
