/** Where the parts are joined: the database, the jobs and the operations of each. */
import type pg from 'pg'
import type { Layer } from '../layers/layer.js'
import { operations as cityOperations } from './city.js'
import type { Config } from './config.js'
import { registerJobs as registerImportJobs } from './import/jobs.js'
import { operations as importOperations } from './import/operations.js'
import { createJobs } from './operations/jobs-impl.js'
import type { LocalJobs } from './operations/jobs-impl.js'
import type { Operation } from './operations/operation.js'
import { operations as jobOperations } from './operations/operations.js'
import { operations as ogcOperations } from './ogc/operations.js'
import { registerJobs as registerScenarioJobs } from './scenarios/jobs.js'
import { operations as scenarioOperations } from './scenarios/operations.js'
import { ensureSampleRun } from './scenarios/sample.js'
import { checkDatabase, connectionOf, openCluster } from './store/cluster.js'
import { openStore } from './store/open-store.js'
import type { Store } from './store/store.js'
import { operations as tiles3dOperations } from './tiles3d/operations.js'

export const OPERATIONS: readonly Operation[] = [
  ...cityOperations,
  ...ogcOperations,
  ...tiles3dOperations,
  ...importOperations,
  ...scenarioOperations,
  ...jobOperations,
]

function registerJobs(jobs: LocalJobs) {
  registerImportJobs(jobs)
  registerScenarioJobs(jobs)
}

/** The store and the jobs of a configuration, with what keeps them alive. */
export interface Backend {
  readonly store: Store
  readonly jobs: LocalJobs
  close(): Promise<void>
}

/** Joins the database (private cluster or DATABASE_URL) and brings it up to date. Throws one sentence. */
export async function openBackend(config: Config): Promise<Backend> {
  const cluster = config.databaseUrl ? undefined : await openCluster({ dataDir: config.dataDir })
  try {
    const backend = await joinStore(cluster?.connection() ?? connectionOf(config.databaseUrl!))
    return { ...backend, close: async () => { await backend.close(); await cluster?.release() } }
  } catch (error) {
    await cluster?.release()
    throw error
  }
}

/** The store and the jobs over a database that is there. */
export async function joinStore(connection: pg.PoolConfig, options: { layers?: readonly Layer[] } = {}): Promise<Backend> {
  await checkDatabase(connection)
  const store = await openStore({ connection, ...options })
  const jobs = createJobs({ store, connection })
  registerJobs(jobs)
  return {
    store,
    jobs,
    close: async () => {
      await jobs.stop()
      await store.close()
    },
  }
}

/** On the first start of an empty store the sample city is loaded; a store with a history, or a city set by hand, is left alone. */
export async function firstStart(_backend: Backend, _config: Config, _signal: AbortSignal, _onProgress: (progress: number, message: string) => void): Promise<void> {
}

/** What begins by itself once the city can be seen. */
export async function ready(backend: Backend): Promise<void> {
  await ensureSampleRun(backend)
}
