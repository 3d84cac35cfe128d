/** The process `flood`: a scenario's rain, rivers and sea over the city. */
import { Type, type Static, type TSchema } from '@sinclair/typebox'
import { badBody } from '../errors.js'
import { newRunInputs } from '../scenarios/inputs.js'
import { FLOOD } from '../scenarios/jobs.js'
import { manifest, summary } from '../scenarios/results.js'
import { isUuid, listScenarios, scenarioOf, type Scenario } from '../scenarios/scenario.js'
import type { ExecuteCall, ProcessDefinition, ProcessInput } from './process.js'

const SCHEMAS = {
  scenario: Type.String({ maxLength: 60, format: 'uuid', examples: ['0d0710f1-00d0-4a14-8022-101420220001'] }),
  rainFactor: Type.Number({ minimum: 0, maximum: 10, default: 1 }),
  riverFactor: Type.Number({ minimum: 0, maximum: 10, default: 1 }),
  seaLevelRise: Type.Number({ minimum: -5, maximum: 20, default: 0 }),
  hours: Type.Number({ exclusiveMinimum: 0, maximum: 240 }),
  cell: Type.Number({ minimum: 1, maximum: 500 }),
}
type FloodInputs = Partial<{ [name in keyof typeof SCHEMAS]: Static<(typeof SCHEMAS)[name]> }>

const input = (schema: TSchema, title: [vi: string, en: string], description: [vi: string, en: string]): ProcessInput =>
  ({ schema, title: { vi: title[0], en: title[1] }, description: { vi: description[0], en: description[1] } })

export const flood: ProcessDefinition<FloodInputs> = {
  id: FLOOD, version: '1.1.0',
  title: { vi: 'Ngập theo kịch bản', en: 'Flood over a scenario' },
  description: {
    vi: 'Tính mưa, sông và biển làm ngập thành phố của một kịch bản ra sao, và ai, cái gì bị ảnh hưởng. Đây là mô phỏng, không phải dự báo.',
    en: 'Computes how rain, rivers and the sea flood the city of a scenario, and who and what is hit. A simulation, not a forecast.',
  },
  keywords: ['flood', 'inundation', 'impact'],
  jobControl: ['async-execute', 'dismiss'],
  roles: ['editor', 'steward'],
  inputs: {
    scenario: { required: 'on main', ...input(SCHEMAS.scenario, ['Kịch bản', 'Scenario'], ['Mã của kịch bản; dưới /scenarios/{scenarioId} thì chính là kịch bản ấy.', 'Id of the scenario; under /scenarios/{scenarioId} it is that one.']) },
    rainFactor: input(SCHEMAS.rainFactor, ['Hệ số mưa', 'Rain factor'], ['Nhân lượng mưa.', 'Multiplies the rain.']),
    riverFactor: input(SCHEMAS.riverFactor, ['Hệ số sông', 'River factor'], ['Nhân lưu lượng của các sông.', 'Multiplies the rivers’ discharge.']),
    seaLevelRise: input(SCHEMAS.seaLevelRise, ['Nước biển dâng', 'Sea level rise'], ['Cộng vào mực nước biển, mét.', 'Added to the sea’s level, metres.']),
    hours: input(SCHEMAS.hours, ['Số giờ', 'Hours'], ['Thời gian tính thay cho của kịch bản.', 'Length of the run instead of the scenario’s.']),
    cell: input(SCHEMAS.cell, ['Cỡ ô', 'Cell size'], ['Cỡ ô lưới thay cho của kịch bản, mét.', 'Cell size instead of the scenario’s, metres.']),
  },
  outputs: {
    run: {
      title: { vi: 'Lần tính', en: 'Run' },
      description: { vi: 'Lưới, các thời điểm và sai số khối lượng; các khung hình ở dưới địa chỉ này.', en: 'Grid, times and mass error; frames hang below its address.' },
      schema: Type.Object({}, { contentMediaType: 'application/json' }),
      address: ({ base, job }) => `${base}/runs/${job.id}`,
      read: async ({ app, job }) => ({ json: await manifest(app.store, job.id, 'main') }),
    },
    impacts: {
      title: { vi: 'Ảnh hưởng', en: 'Impacts' },
      description: { vi: 'Nhà theo mức ngập và công năng, người, đường, cơ sở.', en: 'Buildings by depth class and use, people, roads, facilities.' },
      schema: Type.Object({}, { contentMediaType: 'application/json' }),
      address: ({ base, job }) => `${base}/runs/${job.id}/impacts`,
      read: async ({ app, job, reader }) => ({ json: { run: job.id, ...await summary(app.store, reader, job.id) } }),
    },
  },
  async freeze({ scenario: named, ...changes }, call) {
    const scenario = await scenarioToRun(call, named)
    return { inputs: newRunInputs(scenario.id, changes), branch: scenario.id }
  },
}

async function scenarioToRun({ app: { store }, branch, origin }: ExecuteCall, named: string | undefined): Promise<Scenario> {
  const pointer = '/inputs/scenario'
  if (branch !== 'main') {
    if (named !== undefined && named.toLowerCase() !== branch) throw badBody(`This address runs the scenario ${branch}, but the input “scenario” names ${named.slice(0, 60)}. Leave it out, or use ${origin}/ogc/processes/${FLOOD}/execution.`, { pointer })
    return scenarioOf(store, branch)
  }
  const all = await listScenarios(store)
  if (named === undefined) throw badBody(`The input “scenario” is needed: the id of one of ${all.length ? all.map(({ id, title }) => `${id} (${title.en})`).join(', ') : 'none yet; POST one to /scenarios'}.`, { pointer })
  const found = isUuid(named) && all.find(({ id }) => id === named.toLowerCase())
  if (!found) throw badBody(`There is no scenario “${named.slice(0, 60)}”. GET ${origin}/scenarios lists them.`, { pointer })
  return found
}
