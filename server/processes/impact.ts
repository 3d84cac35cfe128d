/** The process `impact`: what a run's water reaches of any layers. */
import { Type } from '@sinclair/typebox'
import { sql } from 'kysely'
import { badBody } from '../errors.js'
import { sweepExports, writeExport } from '../export/files.js'
import type { JobContext, Jobs } from '../operations/jobs.js'
import { manifest } from '../scenarios/results.js'
import { isUuid } from '../scenarios/scenario.js'
import { AreaSchema, checkArea, type Area } from './area.js'
import { fileValue, type FileResult } from './files.js'
import { impactFeatures, ImpactSums, type ImpactSummary } from './impact-features.js'
import { LayersSchema, layersOf } from './layers.js'
import type { ExecuteCall, ProcessDefinition } from './process.js'

export const IMPACT = 'impact'

export interface ImpactInputs {
  readonly run: string
  readonly layers: readonly string[]
  readonly area?: Area
  /** Metres. */
  readonly depth: number
}
interface FrozenImpact { readonly inputs: ImpactInputs; readonly dataDir: string }
interface ImpactResult extends FileResult { readonly summary: ImpactSummary }

export const impact: ProcessDefinition<Partial<ImpactInputs> & Pick<ImpactInputs, 'layers' | 'depth'>> = {
  id: IMPACT, version: '1.0.0',
  title: { vi: 'Ảnh hưởng của ngập', en: 'Impact of a flood' },
  description: {
    vi: 'Nước của một lần tính ngập chạm tới những gì của các lớp bất kỳ: sâu bao nhiêu, từ lúc nào, trong bao lâu. Đây là mô phỏng, không phải dự báo.',
    en: 'What the water of a flood run reaches of any layers: how deep, from when on, for how long. A simulation, not a forecast.',
  },
  keywords: ['flood', 'impact', 'exposure'],
  jobControl: ['sync-execute', 'async-execute', 'dismiss'],
  roles: ['editor', 'steward'],
  inputs: {
    run: { schema: Type.String({ maxLength: 60, format: 'uuid' }), title: { vi: 'Lần tính', en: 'Run' }, description: { vi: 'Mã của một lần tính đã xong; mặc định là lần mới nhất (dưới /scenarios/{scenarioId}: của kịch bản ấy).', en: 'Id of a complete run; default the latest (under /scenarios/{scenarioId}: that scenario’s).' } },
    layers: { required: true, schema: LayersSchema, title: { vi: 'Các lớp', en: 'Layers' }, description: { vi: 'Mã của các lớp.', en: 'Ids of collections.' } },
    area: { schema: AreaSchema, title: { vi: 'Vùng', en: 'Area' }, description: { vi: 'Chỉ các đối tượng chạm vùng này: đa giác GeoJSON.', en: 'Only features that meet this GeoJSON polygon.' } },
    depth: { schema: Type.Number({ minimum: 0.01, maximum: 20, default: 0.1 }), title: { vi: 'Độ sâu', en: 'Depth' }, description: { vi: 'Từ độ sâu này trở đi thì coi là ngập, mét.', en: 'What counts as flooded, from this depth on, metres.' } },
  },
  outputs: {
    summary: {
      title: { vi: 'Tổng hợp', en: 'Summary' }, description: { vi: 'Theo từng lớp: đã tính, không tính, bị ngập, theo mức ngập.', en: 'By layer: computed, not computed, flooded, by depth class.' },
      schema: Type.Object({}, { contentMediaType: 'application/json' }),
      read: async ({ job }) => ({ json: (job.result as ImpactResult).summary }),
    },
    features: {
      title: { vi: 'Các đối tượng bị ngập', en: 'Flooded features' }, description: { vi: 'Từng đối tượng bị ngập với độ sâu lớn nhất, lúc nước đến và thời gian ngập.', en: 'Each flooded feature with its greatest depth, when the water came and how long it stayed.' },
      schema: Type.Object({}, { contentMediaType: 'application/geo+json' }),
      read: result => fileValue(result, result.job.result as ImpactResult),
    },
  },
  async freeze({ run, ...inputs }, call) {
    const { app, reader } = call
    layersOf(app.store, reader, inputs.layers).forEach((layer, i) => {
      if (layer.kind !== 'city') throw badBody(`“${layer.id}” is itself a result; name layers of the city.`, { pointer: `/inputs/layers/${i}` })
    })
    if (inputs.area) await checkArea(app.store, inputs.area, '/inputs/area')
    const found = await completeRun(call, run)
    const frozen: FrozenImpact = { inputs: { ...inputs, run: found.id }, dataDir: app.config.dataDir }
    return { inputs: frozen, branch: found.scenario }
  },
}

async function completeRun({ app: { store }, branch, origin }: ExecuteCall, named: string | undefined): Promise<{ id: string; scenario: string }> {
  const pointer = '/inputs/run'
  if (named !== undefined && !isUuid(named)) throw badBody(`“${named.slice(0, 60)}” is no run’s id. ${origin}/scenarios tells the latest of each scenario.`, { pointer })
  const { rows: [found] } = await sql<{ id: string; scenario: string; state: string }>`
    select r.id::text, r.scenario::text, j.state from dothi.runs r join dothi.jobs j using (id) join dothi.branches b on b.id = r.scenario
    where b.removed is null and (${branch} = 'main' or r.scenario::text = ${branch}) and ${named === undefined ? sql`j.state = 'successful'` : sql`r.id = ${named}::uuid`}
    order by j.finished desc limit 1`.execute(store.db)
  if (!found) throw badBody(named === undefined ? 'There is no complete run yet. Run the process flood first.' : `There is no run ${named}. ${origin}/scenarios tells the latest of each scenario.`, { pointer })
  if (found.state !== 'successful') throw badBody(`Run ${found.id} is ${found.state}: its greatest depths are known once it is complete.`, { pointer })
  return found
}

export function registerImpact(jobs: Jobs): void {
  jobs.register(IMPACT, runImpact)
}

async function runImpact({ id, store, owner, signal, report }: JobContext, { inputs, dataDir }: FrozenImpact): Promise<ImpactResult> {
  await sweepExports(dataDir)
  const run = await manifest(store, inputs.run, 'main')
  const layers = layersOf(store, owner, inputs.layers)
  const sums = new ImpactSums(run, inputs.depth)
  const chunks = impactFeatures({ store, reader: owner, run, layers, inputs, sums, signal, report })
  const file = 'flooded.geojson'
  await writeExport(dataDir, id, file, chunks, signal)
  return { file, mediaType: 'application/geo+json', summary: sums.summary() }
}
