import { join } from 'node:path'
import type { Config } from '../../config.js'
import type { JobContext, Jobs } from '../../operations/jobs.js'
import { warm, type WarmInputs, type WarmReport } from './warm.js'

/** The kind of jobs that make tiles before they are asked for. */
export const WARM = 'warm'

export function registerJobs(jobs: Jobs): void {
  jobs.register(WARM, ({ store, signal, report }: JobContext, inputs: WarmInputs): Promise<WarmReport> => warm(store, inputs, signal, report))
}

/** Where a server and the command line keep tiles. */
export const tileFolder = ({ dataDir }: Pick<Config, 'dataDir'>) => join(dataDir, 'cache', 'tiles')
