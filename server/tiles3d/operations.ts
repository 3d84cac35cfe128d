import type { Response } from 'express'
import { Type } from '@sinclair/typebox'
import { gunzipSync } from 'node:zlib'
import { isTile, tileAt, tileBounds, type Tile } from '../../core/tile-matrix.js'
import { badParameter, notFound } from '../errors.js'
import { AS_OF, COLLECTION_ID, RUN } from '../ogc/common/parameters.js'
import { cacheControl, sendText, vary } from '../ogc/common/respond.js'
import { parseAsOf } from '../ogc/common/time.js'
import { layerOf } from '../ogc/features/layers.js'
import { etag, isFixed, notModified, schemaVersion } from '../ogc/features/validator.js'
import type { Call, Operation, Parameter } from '../operations/operation.js'
import { SingleFlightCache } from './cache.js'
import { tileName } from './layer-tiles.js'
import { TILE_SIZE } from './height-tile.js'
import { terrainRgbPng } from './png.js'
import { MESH_CELLS, meshPositions, writeQuantizedMesh } from './quantized-mesh.js'
import { tiles3dOf, type Snapshot } from './service.js'
import { heightAt, heightsAt, terrainRevision, terrainSummary, terrainTile, type TerrainAt } from './terrain-store.js'

const path = (name: string, description: string): Parameter => ({ name, in: 'path', required: true, description, schema: Type.Integer({ minimum: 0 }) })
const TILE = [path('z', 'Zoom (tile matrix) of WebMercatorQuad.'), path('x', 'Column from the west.'), path('y', 'Row from the north.')]
const REV: Parameter = {
  name: 'rev', in: 'query', schema: Type.Integer({ minimum: 0 }),
  description: 'Revision that the answer stands on, as the tileset or TileJSON writes it: such an answer never changes.',
}

export const operations: readonly Operation[] = [
  {
    id: 'tiles3d.tileset', method: 'get', path: '/3dtiles/{collectionId}/tileset.json', branched: true, tags: ['3D'],
    summary: 'A layer as an explicit 3D Tiles 1.1 tileset',
    parameters: [COLLECTION_ID, AS_OF, RUN],
    handler: sendTileset,
  },
  {
    id: 'tiles3d.tile', method: 'get', path: '/3dtiles/{collectionId}/{z}/{x}/{y}.glb', branched: true, tags: ['3D'],
    summary: 'A tile of a 3D tileset: glTF 2.0 with feature ids and properties',
    parameters: [COLLECTION_ID, ...TILE, AS_OF, RUN, REV],
    handler: sendTile,
  },
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

async function sendTileset(call: Call, response: Response): Promise<void> {
  const snapshot = await snapshotOf(call)
  vary(response)
  if (notModified(call, response, tagOf(snapshot), isFixed(snapshot.asOf) ? 'fixed' : 'live')) return
  const query = Object.fromEntries(['asOf', 'run'].flatMap(name => (call.params[name] === undefined ? [] : [[name, String(call.params[name])]])))
  sendText(response, 'application/json', JSON.stringify(await tiles3dOf(call.app.store).tileset(snapshot, query)))
}

async function sendTile(call: Call, response: Response): Promise<void> {
  const tile = tileOf(call)
  const snapshot = await snapshotOf(call)
  vary(response)
  const fixed = call.params.rev === snapshot.revision || isFixed(snapshot.asOf)
  if (notModified(call, response, tagOf(snapshot, tileName(tile)), fixed ? 'fixed' : 'live')) return
  const { gzip } = await tiles3dOf(call.app.store).tile(snapshot, tile)
  response.setHeader('Content-Type', 'model/gltf-binary')
  response.vary('Accept-Encoding')
  if (call.request.acceptsEncodings('gzip')) {
    response.setHeader('Content-Encoding', 'gzip')
    response.send(Buffer.from(gzip.buffer, gzip.byteOffset, gzip.byteLength))
  } else {
    response.send(gunzipSync(gzip))
  }
}

async function snapshotOf(call: Call): Promise<Snapshot> {
  const layer = layerOf(call)
  if (!layer.threeD) throw notFound(`“${layer.id}” has no 3D form. These have one: ${call.app.store.catalogue.for(call.reader).filter(each => each.threeD).map(each => each.id).join(', ')}.`)
  const { rev, run, asOf } = call.params
  return tiles3dOf(call.app.store).snapshot({ layer, branch: call.branch, asOf: parseAsOf(asOf), reader: call.reader, run }, rev)
}

function tagOf({ layer, branch, reader, revision, run }: Snapshot, ...more: readonly string[]): string {
  return etag('3dtiles', layer.id, schemaVersion(layer), branch, reader.clearance, revision, run ?? '', ...more)
}

function tileOf({ params }: Call): Tile {
  const tile = { z: params.z, x: params.x, y: params.y }
  if (!isTile(tile)) throw badParameter('z', `There is no tile ${tileName(tile)}: zooms go to 24, columns and rows of zoom z to 2^z − 1.`)
  return tile
}

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

