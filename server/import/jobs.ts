import type { Jobs } from '../operations/jobs.js'
import { runImport, runPublish } from './run.js'

/** `terrain` is an import whose file must be a raster; the reader finds out by itself. */
export function registerJobs(jobs: Jobs): void {
  jobs.register('import', runImport)
  jobs.register('publish', runPublish)
  jobs.register('terrain', runImport)
}
