import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { Response } from 'express'
import { isTileOf, WEB_MERCATOR, zoomsOf, type TileGrid } from '../../../core/tile-grid.js'
import type { Tile } from '../../../core/tile-matrix.js'
import type { Layer } from '../../../layers/layer.js'
import { badParameter, notFound } from '../../errors.js'
import { timed } from '../../http/timing.js'
import type { Call } from '../../operations/operation.js'
import { noteTileRead } from '../../store/access-log.js'
import { tileColumns } from '../../store/tile-columns.js'
import { asOfEnd, parseAsOf, parseDatetime } from '../common/time.js'
import { layerOf, layersOf } from '../features/layers.js'
import { isFixed, notModified } from '../features/validator.js'
import { unknownProperty } from '../../store/filter-sql.js'
import { etagOf, familyOf, type Family } from './family.js'
import { gridNamed } from './grids.js'
import { limits } from './matrix-set.js'
import { reachOf } from './reach.js'
import { MVT_TYPE, shortWayOf, takesGzip, VARY } from './short-way.js'
import { tileCacheOf } from './tile-cache.js'
import { versionAt } from './version.js'

export { MVT_TYPE }
/** One statement reads them all, so that a tile stays a tile. */
const MOST_LAYERS = 40

/** One tile, as addressed. */
export interface Address { readonly grid: TileGrid; readonly tile: Tile }

/** What a tile is asked to show: those `layers` of the `named` ones that show there. */
export interface Showing extends Address { readonly named: readonly Layer[]; readonly layers: readonly Layer[] }

/** `/ogc/collections/{c}/tiles/{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}`: limits are enforced. */
export async function getCollectionTile(call: Call, response: Response): Promise<void> {
  const layer = layerOf(call)
  const address = await addressOf(call)
  await sendTile(call, response, { ...address, named: [layer], layers: [layer] }, [layer])
}

/** `/ogc/tiles/{tileMatrixSetId}/…`: the collections asked for, or all that show at this zoom. */
export async function getDatasetTile(call: Call, response: Response): Promise<void> {
  const address = await addressOf(call)
  const layers = selectedLayers(call)
  await sendTile(call, response, shown(address, layers), layers)
}

/** `/tiles/{a,b,c}/{z}/{x}/{y}.mvt`: an empty tile is 204, and zooms outside the layers' are empty. */
export async function getXyzTile(call: Call, response: Response): Promise<void> {
  const layers = layersNamed(call, String(call.params.collectionIds).split(','))
  const address = { grid: WEB_MERCATOR, tile: { z: call.params.z, x: call.params.x, y: call.params.y } as Tile }
  checkTile(address)
  await sendTile(call, response, shown(address, layers))
}

/** Those of the layers that show at the tile's zoom. */
export function shown(address: Address, named: readonly Layer[]): Showing {
  return { ...address, named, layers: named.filter(({ zoom }) => address.tile.z >= zoomsOf(address.grid, zoom).min) }
}

export function layersNamed(call: Call, ids: readonly string[]): readonly Layer[] {
  if (ids.length > MOST_LAYERS) throw badParameter('collections', `At most ${MOST_LAYERS} collections share a tile; ${ids.length} came.`)
  return [...new Set(ids)].map((id) => layerOf(call, id))
}

export function selectedLayers(call: Call): readonly Layer[] {
  return call.params.collections ? layersNamed(call, call.params.collections) : layersOf(call).slice(0, MOST_LAYERS)
}

/** The tile of the path. Throws a 404 Problem for one that its tile matrix set does not have. */
export async function addressOf({ params, app }: Call): Promise<Address> {
  const grid = await gridNamed(app.store, params.tileMatrixSetId)
  if (!/^\d{1,2}$/.test(params.tileMatrix)) throw notFound(`${grid.id} has no tile matrix “${String(params.tileMatrix).slice(0, 40)}”; they are 0 to ${grid.deepest}.`)
  const address = { grid, tile: { z: Number(params.tileMatrix), x: params.tileCol, y: params.tileRow } }
  checkTile(address)
  return address
}

function checkTile({ grid, tile }: Address): void {
  if (tile.z > grid.deepest) throw notFound(`The deepest zoom of ${grid.id} is ${grid.deepest}, not ${tile.z}.`)
  if (!isTileOf(grid, tile)) throw notFound(`At zoom ${tile.z} ${grid.id} has rows 0 to ${grid.rows * 2 ** tile.z - 1} and columns 0 to ${grid.columns * 2 ** tile.z - 1}; asked were row ${tile.y} and column ${tile.x}.`)
}

/** Throws a 404 Problem for a tile outside the limits that the tile set of the layers states. */
export async function checkLimits(call: Call, layers: readonly Layer[], { grid, tile: { z, x, y } }: Address): Promise<void> {
  const what = layers.length === 1 ? layers[0]!.id : 'the collections'
  const reach = await reachOf(call, layers)
  const zoom = zoomsOf(grid, reach.zoom)
  if (z < zoom.min || z > zoom.max) throw notFound(`The tiles of ${what} in ${grid.id} are from zoom ${zoom.min} to ${zoom.max}, not ${z}.`)
  // A past or a chosen run may reach beyond the extent of the present.
  if (['asOf', 'datetime', 'run'].some((name) => call.params[name] !== undefined)) return
  const limit = limits(reach.bbox, { min: z, max: z }, grid)[0]
  if (!limit) throw notFound(`There are no tiles of ${what} in ${grid.id}: ${reach.bbox ? 'they lie outside it' : 'nothing is there yet'}.`)
  if (y < limit.minTileRow || y > limit.maxTileRow || x < limit.minTileCol || x > limit.maxTileCol)
    throw notFound(`At zoom ${z} of ${grid.id} ${what} have rows ${limit.minTileRow} to ${limit.maxTileRow} and columns ${limit.minTileCol} to ${limit.maxTileCol}; asked were row ${y} and column ${x}.`)
}

/** What tiles of the request have in common. `datetime` is the moment that a tile shows: of an interval its end. Throws 400 for what is none. */
export function familyAsked({ params, branch, reader }: Call, { grid, named, layers }: Showing): Family {
  return familyOf({
    grid, layers, branch, run: params.run, clearance: reader.clearance, asOf: asOfEnd(parseAsOf(params.asOf), parseDatetime(params.datetime)),
    properties: wantedProperties(params.properties, reader, named),
  })
}

/** `limited` are the layers whose limits are kept; who holds the tile already was let in before, and need not be looked up. */
async function sendTile(call: Call, response: Response, showing: Showing, limited?: readonly Layer[]): Promise<void> {
  const { app: { store }, branch, reader, params: { run } } = call
  const { tile, layers } = showing
  const catalogue = store.catalogue.version
  const family = familyAsked(call, showing)
  const { asOf } = family
  // A moment that is still to come means the present only until then.
  const learn = () => { if (call.params.datetime === undefined) shortWayOf(store).learn(call.request.originalUrl, { family, limited, catalogue }) }
  const version = await timed(response, 'revision', () => versionAt(store, family, tile))
  response.vary(VARY)
  if (notModified(call, response, etagOf(family, version), isFixed(asOf) ? 'fixed' : 'live')) return learn()
  if (limited) await checkLimits(call, limited, showing)
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
function wantedProperties(wanted: readonly string[] | undefined, reader: Call['reader'], layers: readonly Layer[]): readonly string[] | undefined {
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
