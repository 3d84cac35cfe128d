/**
 * `/state/{collection}/{z}/{x}/{y}.arrow`: what changes about the features of a 3D tile, as a table beside its geometry.
 * Row n belongs to feature n of the glb, so a viewer restyles a city without reading one building again.
 */
import { Type } from '@sinclair/typebox'
import type { Response } from 'express'
import { promisify } from 'node:util'
import { gunzipSync, gzip } from 'node:zlib'
import { badParameter, notFound } from '../errors.js'
import { timed } from '../http/timing.js'
import { AS_OF, COLLECTION_ID, FILTER, FILTER_CRS, FILTER_LANG } from '../ogc/common/parameters.js'
import { PART, REV, TILE, tileOf } from '../ogc/common/tile-address.js'
import { answer } from '../ogc/common/schemas.js'
import { vary } from '../ogc/common/respond.js'
import { parseAsOf } from '../ogc/common/time.js'
import { layerOf } from '../ogc/features/layers.js'
import { itemsQuery } from '../ogc/features/query.js'
import { etag, notModified, schemaVersion } from '../ogc/features/validator.js'
import type { Call, Operation, Parameter } from '../operations/operation.js'
import { noteTileRead } from '../store/access-log.js'
import type { Store } from '../store/store.js'
import { SingleFlightCache } from '../tiles3d/cache.js'
import { tileName } from '../tiles3d/layer-tiles.js'
import { tiles3dOf, type RowsOfTile } from '../tiles3d/service.js'
import { encodeArrow, type StateTable } from './arrow.js'
import { differenceTable, otherOf } from './difference.js'
import { impactTable, runOf } from './impact.js'
import { matchesTable } from './matches.js'

export const ARROW_TYPE = 'application/vnd.apache.arrow.file'

const query = (name: string, description: string, maxLength: number): Parameter => ({ name, in: 'query', description, schema: Type.String({ minLength: 1, maxLength }) })

export const operations: readonly Operation[] = [{
  id: 'getState', method: 'get', path: '/state/{collectionId}/{z}/{x}/{y}.arrow', branched: true, tags: ['3D'],
  summary: 'What changes about the features of a 3D tile (the impact of a run, the result of a filter, the difference to a scenario or a time), as an Arrow table in the order of the tile’s features',
  parameters: [
    COLLECTION_ID, ...TILE, AS_OF, REV, PART,
    query('run', 'Id of a flood run: depths, arrival, damage. depth_max_m is null where nothing was computed and 0 where it stayed dry.', 60),
    FILTER, FILTER_LANG, FILTER_CRS,
    query('compare', 'A scenario’s id, `main`, an RFC 3339 instant or a revision: what of the tile is the same, changed or removed there. Together with run: another run, for the difference in depth.', 60),
  ],
  responses: { 200: answer('An Arrow IPC file: `id` (float64), then the columns of the state; what its nulls mean is in the metadata of its schema.', 'application/vnd.apache.arrow.file') },
  handler: sendState,
}]

/** What is asked about a tile: `key` names all that the answer follows from besides the tile's rows. */
interface Question { readonly key: string; readonly answer: (rows: RowsOfTile) => Promise<StateTable> }

async function sendState(call: Call, response: Response): Promise<void> {
  const { store } = call.app
  const layer = layerOf(call)
  if (!layer.threeD) throw notFound(`“${layer.id}” has no 3D form, so no tiles with a state.`)
  const tile = tileOf(call)
  const tiles = tiles3dOf(store)
  const snapshot = await tiles.snapshot({ layer, branch: call.branch, asOf: parseAsOf(call.params.asOf), reader: call.reader }, call.params.rev)
  const question = await questionOf(call)
  const rows = await timed(response, 'rows', () => tiles.rowsOf(snapshot, tile, call.params.part))
  const key = [layer.id, schemaVersion(layer), call.branch, call.reader.clearance, tileName(tile), rows.version, question.key].join('\n')
  vary(response)
  if (notModified(call, response, etag('state', key), 'live')) return
  await noteTileRead(store.db, rows.of)
  const bytes = await timed(response, 'state', () => cacheOf(store).get(key, async () => compress(encodeArrow(await question.answer(rows)))))
  response.setHeader('Content-Type', ARROW_TYPE)
  response.vary('Accept-Encoding')
  if (call.request.acceptsEncodings('gzip')) {
    response.setHeader('Content-Encoding', 'gzip')
    response.send(bytes)
  } else {
    response.send(gunzipSync(bytes))
  }
}

const ASKED = ['run', 'filter', 'compare'] as const

async function questionOf(call: Call): Promise<Question> {
  const { run, filter, compare } = call.params
  if (filter !== undefined && (run ?? compare) === undefined) return filterQuestion(call)
  if (filter === undefined && run !== undefined) return runQuestion(call, run, compare)
  if (filter === undefined && compare !== undefined) return compareQuestion(call, compare)
  const given = ASKED.filter(name => call.params[name] !== undefined)
  throw badParameter(given[0] ?? 'run', `A state is asked for by one of run, filter and compare (or run and compare for two runs); ${given.length ? `${given.join(', ')} came` : 'none came'}.`)
}

async function filterQuestion(call: Call): Promise<Question> {
  const { store } = call.app
  const { filter, 'filter-lang': lang, 'filter-crs': crs } = call.params
  const { view: { where } } = await itemsQuery({ ...call, query: {}, params: { filter, 'filter-lang': lang, 'filter-crs': crs } }, layerOf(call))
  return { key: JSON.stringify(['filter', where]), answer: rows => matchesTable(store, rows, where!) }
}

async function runQuestion(call: Call, run: string, compare: string | undefined): Promise<Question> {
  const { store } = call.app
  const [asked, against] = await Promise.all([runOf(store, layerOf(call), run, 'run'), compare === undefined ? undefined : runOf(store, layerOf(call), compare, 'compare')])
  return {
    // Impacts are written in one step when a run ends.
    key: ['run', asked.id, asked.state, against?.id, against?.state].join(' '),
    answer: rows => impactTable(store, rows, asked, against),
  }
}

async function compareQuestion(call: Call, compare: string): Promise<Question> {
  const { store } = call.app
  const other = otherOf(compare, { branch: call.branch, asOf: parseAsOf(call.params.asOf) })
  const revision = await store.layerRevision(layerOf(call), other.branch, other.asOf)
  return { key: ['compare', other.branch, other.asOf === 'now' ? '' : String(+other.asOf), revision].join(' '), answer: rows => differenceTable(store, rows, other) }
}

/** Tables kept, gzipped: some 2,000 tiles of a thousand features. */
const CACHE_BYTES = 16 << 20
const caches = new WeakMap<Store, SingleFlightCache<Buffer>>()
const deflated = promisify(gzip)
const compress = (bytes: Buffer) => deflated(bytes, { level: 4 })

function cacheOf(store: Store): SingleFlightCache<Buffer> {
  let cache = caches.get(store)
  if (!cache) caches.set(store, cache = new SingleFlightCache(CACHE_BYTES, bytes => bytes.length + 300))
  return cache
}
