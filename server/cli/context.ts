/** What a command gets. Nothing is opened before it is asked for, so `dothi --help` needs no database. */
import type { Config } from '../config.js'
import type { Job } from '../operations/jobs.js'
import type { LocalJobs } from '../operations/jobs-impl.js'
import type { Store } from '../store/store.js'

export interface CliContext {
  readonly config: Config
  /** Joins the cluster of DATA_DIR (starting it if it is down) or DATABASE_URL; closed after the command. */
  store(): Promise<Store>
  /** All kinds of jobs are registered. */
  jobs(): Promise<LocalJobs>
  /** One line to standard output: results. */
  print(line: string): void
  /** Progress on standard error: one line that is rewritten on a terminal, a line now and then elsewhere. */
  progress(job: Pick<Job, 'kind' | 'progress' | 'message'>): void
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
}
