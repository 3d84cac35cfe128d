/** What a viewer asks first: the city with its layers, and the search box. */
import { Type } from '@sinclair/typebox'
import type { Response } from 'express'
import type { Layer } from '../layers/layer.js'
import { language } from './ogc/common/media.js'
import { LANG } from './ogc/common/parameters.js'
import { BOX, COUNT, FREE, INTEGER, json, nullable, NUMBER, TEXT, TITLES } from './ogc/common/schemas.js'
import { sendText, vary } from './ogc/common/respond.js'
import { layersOf } from './ogc/features/layers.js'
import { etag, notModified } from './ogc/features/validator.js'
import { timed } from './http/timing.js'
import type { Call, Operation } from './operations/operation.js'
import { latestRuns } from './scenarios/results.js'
import { listScenarios } from './scenarios/scenario.js'
import { search } from './search.js'
import { visibleColumns } from './store/rights.js'
import type { Branch, Reader, Store } from './store/store.js'
import { terrainSummary } from './terrain/terrain-store.js'

const { Array: list, Object: object } = Type
const CITY = json('The city.', object({
  city: FREE, reader: object({ subject: TEXT, roles: list(TEXT), clearance: TEXT }), terrain: nullable(FREE), scenarios: list(object({ id: TEXT, title: TITLES, latestRun: nullable(FREE) })),
  layers: list(object({ id: TEXT, title: TITLES, kind: TEXT, geometry: TEXT, columns: list(FREE), count: COUNT, bbox: nullable(BOX), revision: INTEGER })),
}))
const FOUND = json('Results, best first.', object({
  results: list(object({ layer: nullable(TEXT), id: nullable(INTEGER), label: TEXT, detail: TEXT, center: list(NUMBER), bbox: BOX })),
}))

export const operations: readonly Operation[] = [
  {
    id: 'getCity', method: 'get', path: '/city', branched: true, tags: ['City'],
    summary: 'The city, who is reading, its layers with counts, its terrain and its scenarios.', responses: { 200: CITY }, handler: getCity,
  },
  {
    id: 'search', method: 'get', path: '/search', branched: true, tags: ['City'],
    summary: 'Names, addresses, sheet/parcel, ids and positions; diacritics do not matter.',
    parameters: [
      { name: 'q', in: 'query', required: true, description: 'What a person typed.', schema: Type.String({ maxLength: 120 }) },
      { name: 'limit', in: 'query', description: 'How many results at most.', schema: Type.Integer({ minimum: 1, maximum: 50, default: 12 }) },
      LANG,
    ],
    responses: { 200: FOUND }, handler: async (call, response) => {
      const lang = language(call.request, call.params.lang)
      vary(response, lang)
      response.setHeader('Cache-Control', 'no-store')
      const results = await timed(response, 'search', () => search({ ...call, layers: layersOf(call), lang }, call.params.q, call.params.limit))
      sendText(response, 'application/json', JSON.stringify({ results }))
    },
  },
]

async function getCity(call: Call, response: Response): Promise<void> {
  const { store } = call.app
  const [described, scenarios, runs] = await Promise.all([describeCity(store, call.reader, call.branch), listScenarios(store), latestRuns(store)])
  const body = JSON.stringify({ ...described, scenarios: scenarios.map(({ id, title }) => ({ id, title, latestRun: runs.get(id) ?? null })) })
  vary(response)
  if (notModified(call, response, etag(body), 'live')) return
  sendText(response, 'application/json', body)
}

/** The city, who reads, what layers and what ground there are; of the layers what this reader may see. */
export async function describeCity(store: Store, reader: Reader, branch: Branch) {
  const [city, terrain, layers] = await Promise.all([
    store.city(), terrainSummary(store, { branch }),
    // Results are listed too, so that a viewer knows their titles and styles before there is a run.
    Promise.all(store.catalogue.for(reader).map((layer) => clientLayer(store, layer, reader, branch))),
  ])
  const { subject, roles, clearance } = reader
  return {
    city, reader: { subject, roles, clearance }, layers,
    terrain: terrain && { minzoom: terrain.minzoom, maxzoom: terrain.maxzoom, bounds: terrain.bounds, revision: terrain.revision },
  }
}

/** A layer without its functions, with what the reader may see of it. */
async function clientLayer(store: Store, layer: Layer, reader: Reader, branch: Branch) {
  const { count, bbox, revision, updated } = await store.layerSummary(layer, branch)
  // What divides a layer names columns that the reader may not know of.
  const { rules, sources: _sources, columns: _columns, divides: _divides, ...rest } = layer
  return {
    ...rest,
    columns: visibleColumns(layer, reader.clearance),
    rules: rules?.map(({ id, severity, title }) => ({ id, severity, title })),
    count, bbox, revision, updated,
  }
}
