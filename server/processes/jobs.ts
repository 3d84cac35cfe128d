import type { Jobs } from '../operations/jobs.js'
import { registerClipExport } from './clip-export.js'
import { registerEcho } from './echo.js'
import { registerImpact } from './impact.js'

/** Kinds of jobs that only processes have; floods and checks are registered where they are done. */
export function registerJobs(jobs: Jobs): void {
  registerEcho(jobs)
  registerImpact(jobs)
  registerClipExport(jobs)
}
