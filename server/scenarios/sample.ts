/** The sample city's default storm, and its first run. */
import type { Job, Jobs } from '../operations/jobs.js'
import { STEWARD, type Store } from '../store/store.js'
import { terrainSources } from '../terrain/terrain-store.js'
import { newRunInputs } from './inputs.js'
import { FLOOD } from './jobs.js'
import { createScenario, listScenarios, type NewScenario, type Scenario } from './scenario.js'

/** Fixed, so that links to the sample's storm outlive the sample. */
export const SAMPLE_SCENARIO = '0d0710f1-00d0-4a14-8022-101420220001'

/**
 * Shaped after the night of 14 October 2022: 795 mm fell at the wettest gauge in 11 hours, 500 mm of it in the first six,
 * on a high tide; 549 mm in 24 hours over the city as a whole (press and NCHMF). The first six hours are computed,
 * with 500 mm × 549/795 = 345 mm. Hourly shape, tide and rivers are synthetic.
 */
export const SAMPLE_STORM: NewScenario = {
  title: { vi: 'Mưa lớn và triều cường, kiểu 14/10/2022', en: 'Cloudburst on a high tide, after 14 October 2022' },
  description: {
    vi: 'Sáu giờ đầu của trận mưa: 345 mm, triều cao giữa trận, sông Cẩm Lệ – Túy Loan, Vĩnh Điện, Cu Đê lên nhanh. Dạng mưa, triều và lũ sông là giả định.',
    en: 'The first six hours: 345 mm of rain, high tide in the middle, the Cẩm Lệ – Túy Loan, Vĩnh Điện and Cu Đê rivers rising fast. The shapes of rain, tide and rivers are synthetic.',
  },
  forcing: {
    start: '2022-10-14T12:00:00Z', hours: 6, cell: 30, window: [108.108, 15.978, 108.272, 16.134], uplandAbove: 60,
    drainsMmPerHour: 6, infiltrationMmPerHour: 3,
    rain: { source: 'Rain: 345 mm in 6 h, scaled from 500 mm in the first 6 h of 14 October 2022 at the wettest gauge (press, NCHMF); hourly shape synthetic.', hours: [0, 1, 2, 3, 4, 5, 6], values: [38, 66, 83, 76, 51, 31, 0] },
    sea: { source: 'Sea: synthetic tide, one wave of 12.42 h with 0.5 m amplitude about 0.1 m, high water 3 h after the start.', ...tide(0.1, 0.5, 3, 8) },
    rivers: [
      { name: 'Cẩm Lệ – Túy Loan', at: [108.1105, 15.9931], source: 'Cẩm Lệ – Túy Loan: synthetic hydrograph.', hours: [0, 2, 5, 8, 12], values: [150, 350, 900, 1100, 700] },
      { name: 'Vĩnh Điện', at: [108.2307, 15.9795], source: 'Vĩnh Điện: synthetic hydrograph.', hours: [0, 3, 8, 12], values: [80, 140, 300, 260] },
      { name: 'Cu Đê', at: [108.1095, 16.1275], source: 'Cu Đê: synthetic hydrograph.', hours: [0, 2, 4, 7, 12], values: [60, 250, 650, 500, 250] },
    ],
  },
}

/** A level every quarter of an hour: mean + amplitude · cos, high water at `peak` hours. */
function tide(mean: number, amplitude: number, peak: number, hours: number): { hours: number[]; values: number[] } {
  const times = Array.from({ length: hours * 4 + 1 }, (_, i) => i / 4)
  return { hours: times, values: times.map(hour => Math.round((mean + amplitude * Math.cos(2 * Math.PI * (hour - peak) / 12.42)) * 1e4) / 1e4) }
}

/** Makes the sample's scenario where the sample city and its terrain are; undefined on any other city. */
export async function ensureSampleScenario(store: Store): Promise<Scenario | undefined> {
  if (!(await store.city().catch(() => undefined))?.sample) return undefined
  const there = (await listScenarios(store)).find(scenario => scenario.id === SAMPLE_SCENARIO)
  if (there) return there
  if (!(await terrainSources(store)).length) return undefined
  return createScenario(store, SAMPLE_STORM, STEWARD, SAMPLE_SCENARIO)
}

/** Submits the default storm once in a sample city's life. Call it when the server is ready; the job runs in the background. */
export async function ensureSampleRun({ store, jobs }: { readonly store: Store; readonly jobs: Jobs }): Promise<Job | undefined> {
  const scenario = await ensureSampleScenario(store)
  if (!scenario) return undefined
  if ((await jobs.list({ kind: FLOOD, branch: scenario.id, limit: 1 })).length) return undefined
  return jobs.submit(FLOOD, newRunInputs(scenario.id), STEWARD, scenario.id)
}
