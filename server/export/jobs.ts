import { badParameter } from '../errors.js'
import type { JobContext, Jobs } from '../operations/jobs.js'
import { expiresAt, sweepExports, writeExport } from './files.js'
import { planExport, type ExportParams } from './plan.js'
import { exportChunks } from './stream.js'

export interface ExportInputs { readonly params: ExportParams; readonly dataDir: string }

export interface ExportResult {
  readonly file: string
  readonly mediaType: string
  readonly bytes: number
  readonly features: number
  readonly losses: readonly string[]
  /** When the file goes, RFC 3339. */
  readonly expires: string
}

/** Large exports: the file is made in the background and fetched when it is ready. */
export function registerJobs(jobs: Jobs): void {
  jobs.register('export', runExport)
}

async function runExport({ id, store, owner, branch, signal, report }: JobContext, { params, dataDir }: ExportInputs): Promise<ExportResult> {
  await sweepExports(dataDir)
  const plan = await planExport({ app: { store }, reader: owner, branch }, params)
  const counts = await Promise.all(plan.plans.map(async ({ layer }) => (await store.layerSummary(layer, branch)).count))
  const total = counts.reduce((a, b) => a + b, 0)
  let features = 0
  const onRows = (rows: number) => {
    features = rows
    // A filter takes fewer than there are, so this is a least.
    report(Math.min(0.99, total ? rows / total : 0), `${plan.fileName}: ${rows} features`)
  }
  const bytes = await writeExport(dataDir, id, plan.fileName, exportChunks(store, owner, plan, { signal, onRows }), signal)
  return { file: plan.fileName, mediaType: plan.mediaType, bytes, features, losses: plan.losses, expires: expiresAt(new Date()).toISOString() }
}

/** What a job's row tells of its result. */
export function resultOf(job: { readonly result: unknown }): ExportResult {
  const result = job.result as ExportResult | null
  if (!result?.file || /[/\\]/.test(result.file)) throw badParameter('jobId', 'This job has left no file.')
  return result
}
