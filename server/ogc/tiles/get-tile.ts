import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { Response } from 'express'
import { isTile, type Tile } from '../../../core/tile-matrix.js'
import type { Layer } from '../../../layers/layer.js'
import { badParameter, notFound } from '../../errors.js'
import { timed } from '../../http/timing.js'
import type { Call } from '../../operations/operation.js'
import { noteTileRead } from '../../store/access-log.js'
import { tileColumns } from '../../store/tile-columns.js'
import { parseAsOf } from '../common/time.js'
import { layerOf, layersOf } from '../features/layers.js'
import { isFixed, notModified } from '../features/validator.js'
import { unknownProperty } from '../../store/filter-sql.js'
import { etagOf, familyOf } from './family.js'
import { DEEPEST_ZOOM, limits, MATRIX_SET_ID } from './matrix-set.js'
import { MVT_TYPE, shortWayOf, takesGzip, VARY } from './short-way.js'
import { tileCacheOf } from './tile-cache.js'
import { versionAt } from './version.js'

export { MVT_TYPE }
/** One statement reads them all, so that a tile stays a tile. */
const MOST_LAYERS = 40

/** `/ogc/collections/{c}/tiles/WebMercatorQuad/{tileMatrix}/{tileRow}/{tileCol}`: limits are enforced. */
export async function getCollectionTile(call: Call, response: Response): Promise<void> {
  const layer = layerOf(call)
  const tile = matrixTile(call)
  await sendTile(call, response, [layer], [layer], tile, () => checkLimits(call, layer, tile))
}

/** `/ogc/tiles/WebMercatorQuad/…`: the collections asked for, or all that show at this zoom. */
export async function getDatasetTile(call: Call, response: Response): Promise<void> {
  const tile = matrixTile(call)
  const layers = selectedLayers(call)
  await sendTile(call, response, layers, shownAt(layers, tile), tile)
}

/** `/tiles/{a,b,c}/{z}/{x}/{y}.mvt`: an empty tile is 204, and zooms outside the layers' are empty. */
export async function getXyzTile(call: Call, response: Response): Promise<void> {
  const layers = layersNamed(call, String(call.params.collectionIds).split(','))
  const tile = { z: call.params.z, x: call.params.x, y: call.params.y } as Tile
  checkTile(tile)
  await sendTile(call, response, layers, shownAt(layers, tile), tile)
}

const shownAt = (layers: readonly Layer[], { z }: Tile) => layers.filter(({ zoom }) => z >= zoom.min)

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

/** A tile of those `layers` of the `named` ones that show there. `refuse` throws for a tile that is not offered; who holds the tile already was let in before, and need not be looked up. */
async function sendTile(call: Call, response: Response, named: readonly Layer[], layers: readonly Layer[], tile: Tile, refuse?: () => Promise<void>): Promise<void> {
  const { store } = call.app
  const { branch, reader, params: { run } } = call
  const catalogue = store.catalogue.version
  const family = familyOf({ layers, branch, asOf: parseAsOf(call.params.asOf), run, clearance: reader.clearance, properties: wantedProperties(call, named) })
  const { asOf } = family
  const learn = () => shortWayOf(store).learn(call.request.originalUrl, { family, free: !refuse, catalogue })
  const version = await timed(response, 'revision', () => versionAt(store, family, tile))
  response.vary(VARY)
  if (notModified(call, response, etagOf(family, version), isFixed(asOf) ? 'fixed' : 'live')) return learn()
  await refuse?.()
  if (layers.length === 0) return void response.status(204).end()
  for (const layer of layers) await noteTileRead(store.db, { layer, branch, asOf, reader, run })
  const { gzipped, truncated } = await timed(response, 'tile', () => tileCacheOf(store).get({ family, tile, version, reader }, call.signal))
  learn()
  if (truncated.length > 0) response.setHeader('X-Features-Truncated', truncated.join(', '))
  response.setHeader('Content-Type', MVT_TYPE)
  await send(call, response, gzipped)
}

/**
 * `properties`: names of attributes that travel in tiles of one of the layers, in one order, so that the same wish is the same tile.
 * A name that the reader may not see is as unknown as one that is not there.
 */
function wantedProperties({ params, reader }: Call, layers: readonly Layer[]): readonly string[] | undefined {
  const wanted: readonly string[] | undefined = params.properties
  if (!wanted) return undefined
  const known = new Set(layers.flatMap(layer => tileColumns(layer, reader).map(({ name }) => name)))
  for (const name of wanted) if (!known.has(name)) throw unknownProperty(name, known, 'properties')
  return [...known].filter(name => wanted.includes(name)).sort()
}

async function send(call: Call, response: Response, gzipped: Buffer): Promise<void> {
  // An empty tile is an answer: 200 with no bytes, which decodes to no layers.
  if (gzipped.length === 0) return void response.send(gzipped)
  if (takesGzip(call.request)) {
    response.setHeader('Content-Encoding', 'gzip')
    response.send(gzipped)
  } else {
    response.send(await decompress(gzipped))
  }
}

const decompress = promisify(gunzip)
