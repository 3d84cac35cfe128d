import type { Jobs } from '../operations/jobs.js'
import { runFloodJob } from './flood-job.js'

/** The kind of jobs that compute floods; also the id of the OGC process. */
export const FLOOD = 'flood'

export function registerJobs(jobs: Jobs): void {
  jobs.register(FLOOD, runFloodJob)
}
