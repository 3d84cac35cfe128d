/** Scenarios, and what runs leave behind. */
import { createHash } from 'node:crypto'
import { Type } from '@sinclair/typebox'
import type { Response } from 'express'
import { SIMULATION_LABEL } from '../../simulation/manifest.js'
import { badBody } from '../errors.js'
import type { Call, Operation, Parameter } from '../operations/operation.js'
import * as answers from './answers.js'
import { CaseSchema } from './case-schema.js'
import { FLOOD } from './jobs.js'
import { frame, latestRuns, manifest, peak, PEAKS, summary } from './results.js'
import { createScenario, listScenarios, NewScenarioSchema, scenarioOf, type NewScenario, type Scenario } from './scenario.js'

const tags = ['Floods'] as const
const link = (href: string, rel: string, title: string, type = 'application/json') => ({ href, rel, type, title })
const EXECUTE = 'http://www.opengis.net/def/rel/ogc/1.0/execute'
const SELF_AND_HTML = Type.Optional(Type.String({ maxLength: 10 }))

const scenarioId: Parameter = { name: 'scenarioId', in: 'path', required: true, description: 'Id of a scenario.', schema: Type.String({ maxLength: 60 }) }
const runId: Parameter = { name: 'runId', in: 'path', required: true, description: 'Id of a run: its job’s id.', schema: Type.String({ maxLength: 60 }) }
const f: Parameter = { name: 'f', in: 'query', description: 'Format; only json.', schema: SELF_AND_HTML }

export const operations: readonly Operation[] = [
  {
    id: 'getScenarios', method: 'get', path: '/scenarios', summary: 'Scenarios with their latest run', tags, parameters: [f],
    responses: answers.SCENARIOS, handler: async (call, response) => {
      const runs = await latestRuns(call.app.store)
      const scenarios = await listScenarios(call.app.store)
      fresh(response).json({ scenarios: scenarios.map(scenario => scenarioBody(scenario, call, runs.get(scenario.id))), links: [link(`${call.origin}/scenarios`, 'self', 'Scenarios')] })
    },
  },
  {
    id: 'addScenario', method: 'post', path: '/scenarios', summary: 'Make a scenario', tags, roles: ['editor', 'steward'], body: { contentType: 'application/json', schema: NewScenarioSchema },
    responses: answers.SCENARIO_MADE, handler: async (call, response) => {
      const wanted = call.body as NewScenario
      checkForcing(wanted)
      const scenario = await createScenario(call.app.store, wanted, call.reader)
      response.status(201).set('Location', `${call.origin}/scenarios/${scenario.id}`).json(scenarioBody(scenario, call))
    },
  },
  {
    id: 'getScenario', method: 'get', path: '/scenarios/{scenarioId}', summary: 'A scenario', tags, parameters: [scenarioId, f],
    responses: answers.ONE_SCENARIO, handler: async (call, response) => {
      const scenario = await scenarioOf(call.app.store, call.params.scenarioId)
      fresh(response).json(scenarioBody(scenario, call, (await latestRuns(call.app.store)).get(scenario.id)))
    },
  },
  {
    id: 'getFloodCaseSchema', method: 'get', path: '/schemas/flood-case-1.json', summary: 'JSON Schema of a run’s frozen inputs', tags,
    responses: answers.CASE_SCHEMA, handler: (_call, response) => void response.type('application/schema+json').send(JSON.stringify({ $schema: 'https://json-schema.org/draft/2020-12/schema', ...CaseSchema })),
  },
  {
    id: 'getRun', method: 'get', path: '/runs/{runId}', summary: 'A run’s manifest: grid, times so far, state, mass error', tags, branched: true, parameters: [runId, f],
    responses: answers.RUN, handler: async (call, response) => {
      const found = await manifest(call.app.store, call.params.runId, call.branch)
      const at = `${call.base}/runs/${found.id}`
      fresh(response).json({ ...found, links: [link(at, 'self', 'This run'), link(`${call.origin}/scenarios/${found.scenario}/ogc/jobs/${found.id}`, 'status', 'Its job'), link(`${at}/impacts`, 'related', 'Impacts')] })
    },
  },
  {
    id: 'getFrame', method: 'get', path: '/runs/{runId}/frames/{frame}', summary: 'Depth at one time: deflated uint16 millimetres, row-major, north first, 65535 not computed', tags, branched: true,
    parameters: [runId, { name: 'frame', in: 'path', required: true, description: 'Number of the frame, from 0.', schema: Type.Integer({ minimum: 0, maximum: 100_000 }) }],
    responses: answers.ARRAY, handler: async (call, response) => {
      const { runId, frame: index } = call.params
      sendArray(call, response, 'uint16', await frame(call.app.store, call.reader, runId, index))
    },
  },
  {
    id: 'getPeak', method: 'get', path: '/runs/{runId}/max', summary: 'Greatest values over a run, as frames are; what=depth unless said', tags, branched: true,
    parameters: [runId, { name: 'what', in: 'query', description: 'depth (uint16 mm), or float32 of depthTime, arrival01, arrival03, duration01, duration03 (s), depthSpeed (m²/s); NaN not computed or never.', schema: Type.Union(PEAKS.map(name => Type.Literal(name)), { default: 'depth' }) }],
    responses: answers.ARRAY, handler: async (call, response) => {
      const { type, data } = await peak(call.app.store, call.reader, call.params.runId, call.params.what)
      sendArray(call, response, type, data)
    },
  },
  {
    id: 'getImpacts', method: 'get', path: '/runs/{runId}/impacts', summary: 'Who and what a run hits: buildings by depth class and use, people, roads, facilities', tags, branched: true, parameters: [runId, f],
    responses: answers.IMPACTS, handler: async (call, response) => {
      const { runId } = call.params
      fresh(response).json({ run: runId, ...await summary(call.app.store, call.reader, runId) })
    },
  },
]

const fresh = (response: Response) => response.set('Cache-Control', 'no-cache')

/** Arrays never change once written: they are cached for ever, under a validator of their own bytes. */
function sendArray(call: Call, response: Response, type: string, deflated: Buffer): void {
  const etag = `"${createHash('sha256').update(deflated).digest('base64url').slice(0, 22)}"`
  response.set({
    'Content-Type': 'application/octet-stream', 'Content-Encoding': 'deflate', 'Cache-Control': 'public, max-age=31536000, immutable', ETag: etag,
    'X-Array-Type': type, 'X-Simulation': SIMULATION_LABEL.en.replace('–', '-'),
  })
  if (call.request.get('if-none-match')?.includes(etag)) return void response.status(304).end()
  response.end(deflated)
}

function scenarioBody(scenario: Scenario, { origin }: Call, run?: { readonly id: string; readonly state: string }) {
  const at = `${origin}/scenarios/${scenario.id}`
  return {
    ...scenario, label: SIMULATION_LABEL, latestRun: run?.id ?? null, latestRunState: run?.state ?? null,
    links: [
      link(at, 'self', scenario.title.en), link(`${at}/ogc`, 'related', 'The city of this scenario, and its results'), link(`${at}/ogc/processes/${FLOOD}/execution`, EXECUTE, 'POST here to run it'),
      ...(run ? [link(`${at}/runs/${run.id}`, 'latest-version', 'Latest run')] : []),
    ],
  }
}

/** What the schema cannot say: as many values as hours, hours ascending. */
function checkForcing({ forcing }: NewScenario): void {
  if (Number.isNaN(Date.parse(forcing.start))) throw badBody(`“/forcing/start” is not an instant: write it as 2022-10-14T12:00:00Z, not “${forcing.start}”.`)
  const all = [['rain', forcing.rain] as const, ['sea', forcing.sea] as const, ...(forcing.rivers ?? []).map((river, i) => [`rivers/${i}`, river] as const)]
  for (const [name, series] of all) {
    if (!series) continue
    if (series.hours.length !== series.values.length) throw badBody(`“/forcing/${name}” has ${series.hours.length} hours and ${series.values.length} values: give one value for each hour.`)
    const back = series.hours.findIndex((hour, i) => i > 0 && !(hour > series.hours[i - 1]!))
    if (back > 0) throw badBody(`“/forcing/${name}” goes back in time: hour ${series.hours[back]} follows ${series.hours[back - 1]}.`)
  }
}
