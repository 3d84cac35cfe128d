/** Scenarios, the OGC process that runs them, and what runs leave behind. */
import { createHash } from 'node:crypto'
import { Type, type Static } from '@sinclair/typebox'
import type { Response } from 'express'
import { SIMULATION_LABEL } from '../../simulation/manifest.js'
import { badBody, notFound } from '../errors.js'
import { commandLine, html, linkList } from '../ogc/common/html.js'
import { F, LANG } from '../ogc/common/parameters.js'
import { respond } from '../ogc/common/respond.js'
import { statusInfo } from '../operations/operations.js'
import type { Call, Operation, Parameter } from '../operations/operation.js'
import { CaseSchema } from './case-schema.js'
import { newRunInputs } from './inputs.js'
import { FLOOD } from './jobs.js'
import { frame, latestRuns, manifest, peak, PEAKS, summary } from './results.js'
import { createScenario, isUuid, listScenarios, NewScenarioSchema, scenarioOf, type NewScenario, type Scenario } from './scenario.js'

const tags = ['Floods'] as const
const link = (href: string, rel: string, title: string, type = 'application/json') => ({ href, rel, type, title })
const EXECUTE = 'http://www.opengis.net/def/rel/ogc/1.0/execute'
const SELF_AND_HTML = Type.Optional(Type.String({ maxLength: 10 }))

const scenarioId: Parameter = { name: 'scenarioId', in: 'path', required: true, description: 'Id of a scenario.', schema: Type.String({ maxLength: 60 }) }
const runId: Parameter = { name: 'runId', in: 'path', required: true, description: 'Id of a run: its job’s id.', schema: Type.String({ maxLength: 60 }) }
const f: Parameter = { name: 'f', in: 'query', description: 'Format; only json.', schema: SELF_AND_HTML }

const ExecutionInputs = Type.Object({
  scenario: Type.Optional(Type.String({ maxLength: 60, description: 'Id of the scenario; under /scenarios/{scenarioId} it is that one.' })),
  rainFactor: Type.Optional(Type.Number({ minimum: 0, maximum: 10, description: 'Multiplies the rain.' })),
  riverFactor: Type.Optional(Type.Number({ minimum: 0, maximum: 10, description: 'Multiplies the rivers’ discharge.' })),
  seaLevelRise: Type.Optional(Type.Number({ minimum: -5, maximum: 20, description: 'Added to the sea’s level, metres.' })),
  hours: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 240, description: 'Length of the run instead of the scenario’s.' })),
  cell: Type.Optional(Type.Number({ minimum: 1, maximum: 500, description: 'Cell size instead of the scenario’s, metres.' })),
}, { additionalProperties: false })
const ExecuteSchema = Type.Object({
  inputs: Type.Optional(ExecutionInputs), outputs: Type.Optional(Type.Record(Type.String(), Type.Any())),
  response: Type.Optional(Type.Union([Type.Literal('raw'), Type.Literal('document')])), subscriber: Type.Optional(Type.Any()),
}, { additionalProperties: false })

export const operations: readonly Operation[] = [
  {
    id: 'getScenarios', method: 'get', path: '/scenarios', summary: 'Scenarios with their latest run', tags, parameters: [f],
    handler: async (call, response) => {
      const runs = await latestRuns(call.app.store)
      const scenarios = await listScenarios(call.app.store)
      fresh(response).json({ scenarios: scenarios.map(scenario => scenarioBody(scenario, call, runs.get(scenario.id))), links: [link(`${call.origin}/scenarios`, 'self', 'Scenarios')] })
    },
  },
  {
    id: 'addScenario', method: 'post', path: '/scenarios', summary: 'Make a scenario', tags, roles: ['editor', 'steward'], body: { contentType: 'application/json', schema: NewScenarioSchema },
    handler: async (call, response) => {
      const wanted = call.body as NewScenario
      checkForcing(wanted)
      const scenario = await createScenario(call.app.store, wanted, call.reader)
      response.status(201).set('Location', `${call.origin}/scenarios/${scenario.id}`).json(scenarioBody(scenario, call))
    },
  },
  {
    id: 'getScenario', method: 'get', path: '/scenarios/{scenarioId}', summary: 'A scenario', tags, parameters: [scenarioId, f],
    handler: async (call, response) => {
      const scenario = await scenarioOf(call.app.store, call.params.scenarioId)
      fresh(response).json(scenarioBody(scenario, call, (await latestRuns(call.app.store)).get(scenario.id)))
    },
  },
  {
    id: 'getFloodCaseSchema', method: 'get', path: '/schemas/flood-case-1.json', summary: 'JSON Schema of a run’s frozen inputs', tags,
    handler: (_call, response) => void response.type('application/schema+json').send(JSON.stringify({ $schema: 'https://json-schema.org/draft/2020-12/schema', ...CaseSchema })),
  },
  {
    id: 'getProcesses', method: 'get', path: '/ogc/processes', summary: 'Processes', tags, branched: true, parameters: [F, LANG, { name: 'limit', in: 'query', description: 'How many at most.', schema: Type.Integer({ minimum: 1, maximum: 1000, default: 100 }) }],
    handler: (call, response) => respond(call, response, {
      title: 'Processes', crumbs: [['dothi', `${call.base}/ogc`]],
      json: links => ({ processes: [processSummary(call)], links }),
      html: () => linkList([processSummary(call)].map(({ id, title, description }) => [title, `${call.base}/ogc/processes/${id}`, description])),
    }),
  },
  {
    id: 'getProcessDescription', method: 'get', path: '/ogc/processes/{processId}', summary: 'A process', tags, branched: true, parameters: [processId(), F, LANG],
    handler: (call, response) => {
      const { links: more, ...description } = processDescription(processCall(call))
      respond(call, response, {
        title: description.title, crumbs: [['dothi', `${call.base}/ogc`], ['Processes', `${call.base}/ogc/processes`]], links: more.slice(1),
        json: links => ({ ...description, links }),
        html: () => html`<p>${description.description}</p><table>${Object.values(description.inputs).map(input => html`<tr><th>${input.title}</th><td>${input.description}</td></tr>`)}</table>
          ${commandLine('curl', `curl -X POST -H 'Authorization: Bearer …' -H 'Content-Type: application/json' -d '{"inputs":{"scenario":"…"}}' ${call.base}/ogc/processes/${FLOOD}/execution`)}`,
      })
    },
  },
  {
    id: 'execute', method: 'post', path: '/ogc/processes/{processId}/execution', summary: 'Run a process: a flood over a scenario', tags, branched: true, roles: ['editor', 'steward'],
    parameters: [processId()], body: { contentType: 'application/json', schema: ExecuteSchema },
    handler: async (call, response) => {
      const { inputs: { scenario: named, ...changes } = {} } = processCall(call).body as Static<typeof ExecuteSchema>
      const scenario = await scenarioToRun(call, named)
      const job = await call.app.jobs.submit(FLOOD, newRunInputs(scenario.id, changes), call.reader, scenario.id)
      response.status(201).set({ Location: `${call.base}/ogc/jobs/${job.id}`, 'Preference-Applied': 'respond-async' }).json({ ...statusInfo(job, call), run: `${call.base}/runs/${job.id}` })
    },
  },
  {
    id: 'getRun', method: 'get', path: '/runs/{runId}', summary: 'A run’s manifest: grid, times so far, state, mass error', tags, branched: true, parameters: [runId, f],
    handler: async (call, response) => {
      const found = await manifest(call.app.store, call.params.runId, call.branch)
      const at = `${call.base}/runs/${found.id}`
      fresh(response).json({ ...found, links: [link(at, 'self', 'This run'), link(`${call.origin}/scenarios/${found.scenario}/ogc/jobs/${found.id}`, 'status', 'Its job'), link(`${at}/impacts`, 'related', 'Impacts')] })
    },
  },
  {
    id: 'getFrame', method: 'get', path: '/runs/{runId}/frames/{frame}', summary: 'Depth at one time: deflated uint16 millimetres, row-major, north first, 65535 not computed', tags, branched: true,
    parameters: [runId, { name: 'frame', in: 'path', required: true, description: 'Number of the frame, from 0.', schema: Type.Integer({ minimum: 0, maximum: 100_000 }) }],
    handler: async (call, response) => {
      const { runId, frame: index } = call.params
      sendArray(call, response, 'uint16', await frame(call.app.store, call.reader, runId, index))
    },
  },
  {
    id: 'getPeak', method: 'get', path: '/runs/{runId}/max', summary: 'Greatest values over a run, as frames are; what=depth unless said', tags, branched: true,
    parameters: [runId, { name: 'what', in: 'query', description: 'depth (uint16 mm), or float32 of depthTime, arrival01, arrival03, duration01, duration03 (s), depthSpeed (m²/s); NaN not computed or never.', schema: Type.Union(PEAKS.map(name => Type.Literal(name)), { default: 'depth' }) }],
    handler: async (call, response) => {
      const { type, data } = await peak(call.app.store, call.reader, call.params.runId, call.params.what)
      sendArray(call, response, type, data)
    },
  },
  {
    id: 'getImpacts', method: 'get', path: '/runs/{runId}/impacts', summary: 'Who and what a run hits: buildings by depth class and use, people, roads, facilities', tags, branched: true, parameters: [runId, f],
    handler: async (call, response) => {
      const { runId } = call.params
      fresh(response).json({ run: runId, ...await summary(call.app.store, call.reader, runId) })
    },
  },
]

function processId(): Parameter {
  return { name: 'processId', in: 'path', required: true, description: 'Id of a process.', schema: Type.String({ maxLength: 60 }) }
}

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

async function scenarioToRun(call: Call, named: string | undefined): Promise<Scenario> {
  const { store } = call.app
  if (call.branch !== 'main') {
    if (named !== undefined && named.toLowerCase() !== call.branch) throw badBody(`This address runs the scenario ${call.branch}, but the input “scenario” names ${named}. Leave it out, or use ${call.origin}/ogc/processes/${FLOOD}/execution.`)
    return scenarioOf(store, call.branch)
  }
  const all = await listScenarios(store)
  if (named === undefined) throw badBody(`The input “scenario” is needed: the id of one of ${all.length ? all.map(({ id, title }) => `${id} (${title.en})`).join(', ') : 'none yet; POST one to /scenarios'}.`)
  const found = isUuid(named) && all.find(({ id }) => id === named.toLowerCase())
  if (!found) throw badBody(`There is no scenario “${named}”. GET ${call.origin}/scenarios lists them.`)
  return found
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

// ── OGC API Processes, part 1 ────────────────────────────────────────────────────────────────────

function processCall(call: Call): Call {
  if (call.params.processId !== FLOOD) throw notFound(`There is no process “${String(call.params.processId).slice(0, 60)}”. There is: ${FLOOD}.`)
  return call
}

function processSummary({ base }: Call) {
  const at = `${base}/ogc/processes/${FLOOD}`
  return {
    id: FLOOD, version: '1.0.0', title: 'Flood over a scenario',
    description: 'Computes how rain, rivers and the sea flood the city of a scenario, and who and what is hit. A simulation, not a forecast.',
    keywords: ['flood', 'inundation', 'impact'], jobControlOptions: ['async-execute', 'dismiss'], outputTransmission: ['reference'],
    links: [link(at, 'self', 'Description'), link(`${at}/execution`, EXECUTE, 'POST here to run it')],
  }
}

function processDescription(call: Call) {
  const { properties } = ExecutionInputs
  return {
    ...processSummary(call),
    inputs: Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, {
      title: name, description: schema.description, minOccurs: name === 'scenario' && call.branch === 'main' ? 1 : 0, maxOccurs: 1, schema: { ...schema, description: undefined },
    }])),
    outputs: {
      run: { title: 'Run', description: 'Manifest with grid, times and mass error; frames hang below it.', schema: { type: 'string', format: 'uri' } },
      impacts: { title: 'Impacts', description: 'Buildings by depth class and use, people, roads, facilities.', schema: { type: 'object', contentMediaType: 'application/json' } },
    },
  }
}
