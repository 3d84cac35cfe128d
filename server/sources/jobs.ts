import type { Jobs } from '../operations/jobs.js'
import { runSync } from './sync.js'

export function registerJobs(jobs: Jobs): void {
  jobs.register('sync', runSync)
}
