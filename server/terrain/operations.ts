import type { Response } from 'express'
import { Type } from '@sinclair/typebox'
import { tileAt, tileBounds, type Tile } from '../../core/tile-matrix.js'
import { notFound } from '../errors.js'
import { AS_OF } from '../ogc/common/parameters.js'
import { cacheControl, sendText } from '../ogc/common/respond.js'
import { REV, TILE, tileOf } from '../ogc/common/tile-address.js'
import { parseAsOf } from '../ogc/common/time.js'
import { etag, isFixed, notModified } from '../ogc/features/validator.js'
import type { Call, Operation } from '../operations/operation.js'
import { SingleFlightCache } from '../tiles3d/cache.js'
import { tileName } from '../tiles3d/layer-tiles.js'
import { TILE_SIZE } from './height-tile.js'
import { terrainRgbPng } from './png.js'
import { MESH_CELLS, meshPositions, writeQuantizedMesh } from './quantized-mesh.js'
import { heightAt, heightsAt, terrainRevision, terrainSummary, terrainTile, type TerrainAt } from './terrain-store.js'

export const operations: readonly Operation[] = [
  {
    id: 'terrain.summary', method: 'get', path: '/terrain', branched: true, tags: ['3D'],
    summary: 'What the ground is made of', parameters: [AS_OF], handler: sendTerrain,
  },
  {
    id: 'terrain.tilejson', method: 'get', path: '/terrain/tilejson', branched: true, tags: ['3D'],
    summary: 'TileJSON 3.0 of the terrain', parameters: [AS_OF], handler: sendTileJson,
  },
  ...['.png', ''].map((suffix): Operation => ({
    id: `terrain.rgb${suffix}`, method: 'get', path: `/terrain/rgb/{z}/{x}/{y}${suffix}`, branched: true, tags: ['3D'],
    summary: 'Heights as a Mapbox Terrain-RGB tile, orthometric metres; sea level where no terrain is stored',
    parameters: [...TILE, AS_OF, REV], handler: sendTerrainRgb,
  })),
  {
    id: 'terrain.mesh.layer', method: 'get', path: '/terrain/mesh/layer.json', branched: true, tags: ['3D'],
    summary: 'The terrain as quantized-mesh 1.0, for CesiumJS', parameters: [AS_OF], handler: sendMeshLayer,
  },
  ...['.terrain', ''].map((suffix): Operation => ({
    id: `terrain.mesh${suffix}`, method: 'get', path: `/terrain/mesh/{z}/{x}/{y}${suffix}`, branched: true, tags: ['3D'],
    summary: 'A quantized-mesh tile of WebMercatorQuad, ellipsoidal heights; rows count from the south (TMS), as the format has it',
    parameters: [...TILE, AS_OF, REV], handler: sendTerrainMesh,
  })),
  {
    id: 'terrain.height', method: 'get', path: '/terrain/height', branched: true, tags: ['3D'],
    summary: 'Orthometric height of the ground at a position',
    parameters: [
      { name: 'lon', in: 'query', required: true, description: 'Longitude, degrees.', schema: Type.Number({ minimum: -180, maximum: 180 }) },
      { name: 'lat', in: 'query', required: true, description: 'Latitude, degrees.', schema: Type.Number({ minimum: -90, maximum: 90 }) },
      AS_OF,
    ],
    handler: sendHeight,
  },
]

const terrainAt = (call: Call): TerrainAt => ({ branch: call.branch, asOf: parseAsOf(call.params.asOf) })

async function sendTerrain(call: Call, response: Response): Promise<void> {
  response.setHeader('Cache-Control', cacheControl(call, 'live'))
  sendText(response, 'application/json', JSON.stringify(await terrainSummary(call.app.store, terrainAt(call)) ?? { sources: [] }))
}

async function sendTileJson(call: Call, response: Response): Promise<void> {
  const summary = await terrainSummary(call.app.store, terrainAt(call))
  if (!summary) throw noTerrain()
  const asOf = call.params.asOf === undefined ? '' : `asOf=${encodeURIComponent(call.params.asOf)}&`
  response.setHeader('Cache-Control', cacheControl(call, 'live'))
  sendText(response, 'application/json', JSON.stringify({
    tilejson: '3.0.0', name: 'terrain', scheme: 'xyz', encoding: 'mapbox', tileSize: 256,
    tiles: [`${call.base}/terrain/rgb/{z}/{x}/{y}.png?${asOf}rev=${summary.revision}`],
    minzoom: summary.minzoom, maxzoom: summary.maxzoom, bounds: summary.bounds,
  }))
}

/** Terrain answers by store, ground and tile; they are small and asked for again and again. */
const answers = new SingleFlightCache<Buffer>(64 * 2 ** 20, bytes => bytes.length)
const storeNumbers = new WeakMap<object, number>()
let stores = 0

/** Sends a terrain tile made by `make` unless the client or the cache has it. */
async function sendTerrainTile(call: Call, response: Response, kind: string, tile: Tile, make: (at: TerrainAt) => Promise<Buffer>): Promise<void> {
  const { store } = call.app
  const at = terrainAt(call)
  const revision = await terrainRevision(store, at)
  const fixed = call.params.rev === revision || (at.asOf !== undefined && isFixed(at.asOf))
  const { geoidOffset } = await store.city()
  if (notModified(call, response, etag(kind, call.branch, revision, geoidOffset, tileName(tile)), fixed ? 'fixed' : 'live')) return
  if (!storeNumbers.has(store)) storeNumbers.set(store, ++stores)
  const bytes = await answers.get([kind, storeNumbers.get(store), call.branch, revision, geoidOffset, tileName(tile)].join(' '), () => make(at))
  if (bytes === await seaLevel) response.setHeader('X-Terrain', 'none')
  response.send(bytes)
}

/** The RGB tile of everywhere without terrain: flat, and told by `X-Terrain: none`, so that nobody takes it for the sea. */
const seaLevel = terrainRgbPng(new Float32Array(TILE_SIZE * TILE_SIZE).fill(NaN))

async function sendTerrainRgb(call: Call, response: Response): Promise<void> {
  const tile = tileOf(call)
  response.setHeader('Content-Type', 'image/png')
  await sendTerrainTile(call, response, 'rgb', tile, async at => {
    const heights = await terrainTile(call.app.store, tile, at)
    return heights.some(height => height === height) ? terrainRgbPng(heights) : seaLevel
  })
}

async function sendTerrainMesh(call: Call, response: Response): Promise<void> {
  const fromSouth = tileOf(call)
  const tile = { ...fromSouth, y: 2 ** fromSouth.z - 1 - fromSouth.y }
  response.setHeader('Content-Type', 'application/vnd.quantized-mesh')
  await sendTerrainTile(call, response, 'mesh', tile, async at => {
    const bounds = tileBounds(tile)
    const { geoidOffset } = await call.app.store.city()
    // One pixel of the level two above is as large as one cell of the mesh.
    const heights = await heightsAt(call.app.store, meshPositions(bounds), { ...at, zoom: Math.max(0, tile.z - Math.log2(TILE_SIZE / MESH_CELLS)) })
    return Buffer.from(writeQuantizedMesh(bounds, heights.map(h => (h === h ? h : 0) + geoidOffset)))
  })
}

async function sendMeshLayer(call: Call, response: Response): Promise<void> {
  const summary = await terrainSummary(call.app.store, terrainAt(call))
  if (!summary) throw noTerrain()
  const [west, south, east, north] = summary.bounds
  const asOf = call.params.asOf === undefined ? '' : `asOf=${encodeURIComponent(call.params.asOf)}&`
  response.setHeader('Cache-Control', cacheControl(call, 'live'))
  sendText(response, 'application/json', JSON.stringify({
    tilejson: '2.1.0', name: 'terrain', version: String(summary.revision), format: 'quantized-mesh-1.0', scheme: 'tms', projection: 'EPSG:3857',
    tiles: [`{z}/{x}/{y}.terrain?${asOf}rev=${summary.revision}`], bounds: summary.bounds, minzoom: 0, maxzoom: summary.maxzoom,
    available: Array.from({ length: summary.maxzoom + 1 }, (_, z) => {
      const [first, last] = [tileAt(west, north, z), tileAt(east, south, z)]
      return [{ startX: first.x, endX: last.x, startY: 2 ** z - 1 - last.y, endY: 2 ** z - 1 - first.y }]
    }),
  }))
}

const noTerrain = () => notFound('No terrain is stored yet. Import a GeoTIFF, HGT or ASC file with “dothi import”.')

async function sendHeight(call: Call, response: Response): Promise<void> {
  const { lon, lat } = call.params
  const height = await heightAt(call.app.store, lon, lat, terrainAt(call))
  const city = await call.app.store.city()
  response.setHeader('Cache-Control', cacheControl(call, 'live'))
  sendText(response, 'application/json', JSON.stringify({ lon, lat, height: Number.isNaN(height) ? null : Math.round(height * 1000) / 1000, unit: 'm', verticalDatum: city.verticalDatum }))
}
