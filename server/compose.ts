/** Where the parts are joined: the database, the jobs and the operations of each. */
import { sql } from 'kysely'
import type pg from 'pg'
import { SAMPLE, registerJobs as registerSampleJob } from '../fixtures/city/jobs.js'
import { DEFAULT_SAMPLE } from '../fixtures/city/sample.js'
import type { Layer } from '../layers/layer.js'
import { operations as accessOperations } from './access/operations.js'
import { operations as arcgisOperations } from './arcgis/operations.js'
import { operations as cityOperations } from './city.js'
import type { Config } from './config.js'
import { registerJobs as registerExportJobs } from './export/jobs.js'
import { operations as exportOperations } from './export/operations.js'
import { registerJobs as registerImportJobs } from './import/jobs.js'
import { operations as coverageOperations } from './coverages/operations.js'
import { operations as editOperations } from './edits/operations.js'
import { operations as docsOperations } from './docs/operations.js'
import { operations as feedOperations } from './feed/operations.js'
import { startWebhooks } from './feed/webhook-sender.js'
import { start as startFederation } from './federation/federation.js'
import { operations as federationOperations } from './federation/operations.js'
import { operations as historyOperations } from './history/operations.js'
import { operations as importOperations } from './import/operations.js'
import { createJobs } from './operations/jobs-impl.js'
import type { LocalJobs } from './operations/jobs-impl.js'
import type { Operation } from './operations/operation.js'
import { operations as jobOperations } from './operations/operations.js'
import { operations as ogcOperations } from './ogc/operations.js'
import { registerJobs as registerTileJob } from './ogc/tiles/jobs.js'
import { start as startQuality } from './quality/background.js'
import { startCallbacks } from './processes/callbacks.js'
import { registerJobs as registerProcessJobs } from './processes/jobs.js'
import { operations as processOperations } from './processes/operations.js'
import { registerJobs as registerQualityJobs } from './quality/jobs.js'
import { operations as qualityOperations } from './quality/operations.js'
import { registerJobs as registerScenarioJobs } from './scenarios/jobs.js'
import { operations as scenarioOperations } from './scenarios/operations.js'
import { ensureSampleRun } from './scenarios/sample.js'
import { start as startCells } from './store/cell-builder.js'
import { checkDatabase, connectionOf, openCluster } from './store/cluster.js'
import { registerJobs as registerStaticJob } from './static/jobs.js'
import { registerJobs as registerSyncJob } from './sources/jobs.js'
import { operations as sourceOperations } from './sources/operations.js'
import { startScheduler } from './sources/scheduler.js'
import { openStore } from './store/open-store.js'
import { STEWARD } from './store/store.js'
import type { Store } from './store/store.js'
import { operations as terrainOperations } from './terrain/operations.js'
import { operations as stateOperations } from './state/operations.js'
import { operations as tiles3dOperations } from './tiles3d/operations.js'
import { startTrees } from './tiles3d/warm-trees.js'

export const OPERATIONS: readonly Operation[] = [
  ...cityOperations,
  ...ogcOperations,
  ...coverageOperations,
  ...arcgisOperations,
  ...tiles3dOperations,
  ...stateOperations,
  ...terrainOperations,
  ...editOperations,
  ...historyOperations,
  ...importOperations,
  ...exportOperations,
  ...sourceOperations,
  ...federationOperations,
  ...feedOperations,
  ...scenarioOperations,
  ...processOperations,
  ...qualityOperations,
  ...accessOperations,
  ...jobOperations,
  ...docsOperations,
]

function registerJobs(jobs: LocalJobs) {
  registerSampleJob(jobs)
  registerImportJobs(jobs)
  registerExportJobs(jobs)
  registerStaticJob(jobs)
  registerTileJob(jobs)
  registerSyncJob(jobs)
  registerScenarioJobs(jobs)
  registerProcessJobs(jobs)
  registerQualityJobs(jobs)
}

/** The store and the jobs of a configuration, with what keeps them alive. */
export interface Backend {
  readonly store: Store
  readonly jobs: LocalJobs
  /** What works by itself while the server runs; stopped before the store closes. */
  readonly services: { stop(): Promise<void> }[]
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
  await jobs.recover()
  const services: Backend['services'] = []
  return {
    store,
    jobs,
    services,
    close: async () => {
      await Promise.all(services.map(service => service.stop()))
      await jobs.stop()
      await store.close()
    },
  }
}

/**
 * On the first start the sample city is loaded, again where that was cut off before; a store that anything else was
 * written to, or whose city was set by hand, is left alone. Throws what kept it from loading.
 */
export async function firstStart({ store, jobs }: Backend, { sample }: Config, onProgress: (progress: number, message: string) => void): Promise<void> {
  if (!sample || !(await isUntouched(store))) return
  const job = await jobs.run(SAMPLE, DEFAULT_SAMPLE, STEWARD, { onProgress: ({ progress, message }) => onProgress(progress, message) })
  if (job.state === 'failed') throw new Error(`The sample city could not be loaded: ${job.message} (SAMPLE=0 starts without it.)`)
}

async function isUntouched(store: Store): Promise<boolean> {
  const { rows } = await sql<{ untouched: boolean }>`
    select not exists (select from dothi.city) and not exists (select from dothi.revisions where reason not like 'sample %') as untouched`.execute(store.db)
  return rows[0]!.untouched
}

/** What begins by itself once the city can be seen. */
export async function ready(backend: Backend, config: Config): Promise<void> {
  backend.services.push(startCells(backend), startTrees(backend), startQuality(backend), startScheduler({ ...backend, config }), startFederation(backend), startWebhooks(backend), startCallbacks(backend, config))
  await ensureSampleRun(backend)
}
