import { gunzipSync } from 'node:zlib'
import type { Response } from 'express'
import { isTile, type Tile } from '../../../core/tile-matrix.js'
import type { Layer } from '../../../layers/layer.js'
import { badParameter, notFound } from '../../errors.js'
import { timed } from '../../http/timing.js'
import type { Call } from '../../operations/operation.js'
import { noteTileRead } from '../../store/access-log.js'
import { parseAsOf } from '../common/time.js'
import { layerOf, layersOf } from '../features/layers.js'
import { etag, isFixed, notModified, schemaVersion } from '../features/validator.js'
import { DEEPEST_ZOOM, limits, MATRIX_SET_ID } from './matrix-set.js'
import type { TileRequest } from './mvt.js'
import { tileCacheOf } from './tile-cache.js'

export const MVT_TYPE = 'application/vnd.mapbox-vector-tile'
/** One statement reads them all, so that a tile stays a tile. */
const MOST_LAYERS = 40

/** `/ogc/collections/{c}/tiles/WebMercatorQuad/{tileMatrix}/{tileRow}/{tileCol}`: limits are enforced. */
export async function getCollectionTile(call: Call, response: Response): Promise<void> {
  const layer = layerOf(call)
  const tile = matrixTile(call)
  await sendTile(call, response, [layer], tile, () => checkLimits(call, layer, tile))
}

/** `/ogc/tiles/WebMercatorQuad/…`: the collections asked for, or all that show at this zoom. */
export async function getDatasetTile(call: Call, response: Response): Promise<void> {
  const tile = matrixTile(call)
  await sendTile(call, response, selectedLayers(call).filter(({ zoom }) => tile.z >= zoom.min), tile)
}

/** `/tiles/{a,b,c}/{z}/{x}/{y}.mvt`: an empty tile is 204, and zooms outside the layers' are empty. */
export async function getXyzTile(call: Call, response: Response): Promise<void> {
  const layers = layersNamed(call, String(call.params.collectionIds).split(','))
  const tile = { z: call.params.z, x: call.params.x, y: call.params.y } as Tile
  checkTile(tile)
  await sendTile(call, response, layers.filter(({ zoom }) => tile.z >= zoom.min), tile)
}

export function layersNamed(call: Call, ids: readonly string[]): readonly Layer[] {
  if (ids.length > MOST_LAYERS) throw badParameter('collections', `At most ${MOST_LAYERS} collections share a tile; ${ids.length} came.`)
  return [...new Set(ids)].map((id) => layerOf(call, id))
}

export function selectedLayers(call: Call): readonly Layer[] {
  return call.params.collections ? layersNamed(call, call.params.collections) : layersOf(call).slice(0, MOST_LAYERS)
}

function matrixTile({ params }: Call): Tile {
  checkMatrixSet(params.tileMatrixSetId)
  if (!/^\d{1,2}$/.test(params.tileMatrix)) throw notFound(`${MATRIX_SET_ID} has no tile matrix “${String(params.tileMatrix).slice(0, 40)}”; they are 0 to ${DEEPEST_ZOOM}.`)
  const tile = { z: Number(params.tileMatrix), x: params.tileCol, y: params.tileRow }
  checkTile(tile)
  return tile
}

export function checkMatrixSet(id: string): void {
  if (id !== MATRIX_SET_ID) throw notFound(`There is no tile matrix set “${id.slice(0, 60)}”; there is ${MATRIX_SET_ID}.`)
}

function checkTile(tile: Tile): void {
  if (tile.z > DEEPEST_ZOOM) throw notFound(`The deepest zoom is ${DEEPEST_ZOOM}, not ${tile.z}.`)
  if (!isTile(tile)) throw notFound(`At zoom ${tile.z} rows and columns are from 0 to ${2 ** tile.z - 1}; asked were row ${tile.y} and column ${tile.x}.`)
}

async function checkLimits(call: Call, layer: Layer, { z, x, y }: Tile): Promise<void> {
  if (z < layer.zoom.min || z > layer.zoom.max) throw notFound(`The tiles of ${layer.id} are from zoom ${layer.zoom.min} to ${layer.zoom.max}, not ${z}.`)
  // A past or a chosen run may reach beyond the extent of the present.
  if (call.params.asOf !== undefined || call.params.run !== undefined) return
  const { bbox } = await call.app.store.layerSummary(layer, call.branch)
  const limit = limits(bbox, { min: z, max: z })[0]
  if (!limit) throw notFound(`${layer.id} is empty.`)
  if (y < limit.minTileRow || y > limit.maxTileRow || x < limit.minTileCol || x > limit.maxTileCol)
    throw notFound(`At zoom ${z} ${layer.id} has rows ${limit.minTileRow} to ${limit.maxTileRow} and columns ${limit.minTileCol} to ${limit.maxTileCol}; asked were row ${y} and column ${x}.`)
}

/** `refuse` throws for a tile that is not offered; who holds the tile already was let in before, and need not be looked up. */
async function sendTile(call: Call, response: Response, layers: readonly Layer[], tile: Tile, refuse?: () => Promise<void>): Promise<void> {
  const { store } = call.app
  const request: TileRequest = { layers, tile, branch: call.branch, asOf: parseAsOf(call.params.asOf), reader: call.reader, run: call.params.run }
  const revisions = await timed(response, 'revision', () => store.tileRevisions(layers, request.branch, tile, request.asOf))
  const key = [
    layers.map(({ id }) => id).join(','), layers.map(schemaVersion).join(','), revisions.join(','),
    request.branch, timeKey(request), request.run ?? '', call.reader.clearance, tile.z, tile.x, tile.y,
  ].join('|')
  response.vary('Accept-Encoding, Authorization, Cookie')
  if (notModified(call, response, etag(key), isFixed(request.asOf) ? 'fixed' : 'live')) return
  await refuse?.()
  if (layers.length === 0) return void response.status(204).end()
  for (const layer of layers) await noteTileRead(store.db, { layer, branch: request.branch, asOf: request.asOf, reader: request.reader, run: request.run })
  const { gzipped, truncated } = await timed(response, 'tile', () => tileCacheOf(store).get(key, request, call.signal))
  if (truncated.length > 0) response.setHeader('X-Features-Truncated', truncated.join(', '))
  response.setHeader('Content-Type', MVT_TYPE)
  send(call, response, gzipped)
}

/**
 * The revision in the key says what a past tile stands on. A present tile may be a commit newer than its key,
 * if one came between the two statements: harmless to the present, which asks under a new key, but not to the past.
 */
function timeKey({ asOf }: TileRequest): string {
  return asOf === 'now' ? '' : 'past'
}

function send(call: Call, response: Response, gzipped: Buffer): void {
  // An empty tile is an answer: 200 with no bytes, which decodes to no layers.
  if (gzipped.length === 0) return void response.send(gzipped)
  if (/\bgzip\b/.test(call.request.get('accept-encoding') ?? '')) {
    response.setHeader('Content-Encoding', 'gzip')
    response.send(gzipped)
  } else {
    response.send(gunzipSync(gzipped))
  }
}
