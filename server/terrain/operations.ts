import type { Response } from 'express'
import { Type } from '@sinclair/typebox'
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import { tileAt, tileBounds, type Tile } from '../../core/tile-matrix.js'
import { badBody, badParameter, notFound } from '../errors.js'
import { AS_OF } from '../ogc/common/parameters.js'
import { cacheControl, sendText } from '../ogc/common/respond.js'
import { REV, TILE, tileOf } from '../ogc/common/tile-address.js'
import { parseAsOf } from '../ogc/common/time.js'
import { etag, isFixed, notModified } from '../ogc/features/validator.js'
import { Gate } from '../ogc/tiles/gate.js'
import type { Call, Operation, Parameter } from '../operations/operation.js'
import { SingleFlightCache } from '../tiles3d/cache.js'
import { tileName } from '../tiles3d/layer-tiles.js'
import * as given from './answers.js'
import { groundAt, groundPixels, groundRevision, groundTile, latestGroundRevision } from './ground.js'
import { pixelSizeM, TILE_SIZE } from './height-tile.js'
import { shade, SHADE_MARGIN, type Light } from './hillshade.js'
import { encodePng, heightsPng, type HeightEncoding } from './png.js'
import { MESH_CELLS, meshPositions, writeQuantizedMesh } from './quantized-mesh.js'
import { boxPolygon, MOST_SAMPLES, terrainProfile, terrainStatistics, wktOf } from './statistics.js'
import { terrainSummary, type TerrainAt } from './terrain-store.js'

const ENCODING: Parameter = { name: 'encoding', in: 'query', description: 'How heights are written: Mapbox Terrain-RGB or Terrarium.', schema: Type.Union([Type.Literal('mapbox'), Type.Literal('terrarium')], { default: 'mapbox' }) }
const LIGHT: readonly Parameter[] = [
  { name: 'azimuth', in: 'query', description: 'Where the light comes from, degrees clockwise from north.', schema: Type.Integer({ minimum: 0, maximum: 360, default: 315 }) },
  { name: 'altitude', in: 'query', description: 'The light above the horizon, degrees.', schema: Type.Integer({ minimum: 5, maximum: 85, default: 45 }) },
  { name: 'exaggeration', in: 'query', description: 'How many times higher the relief is taken.', schema: Type.Number({ minimum: 0.1, maximum: 20, default: 1 }) },
]

const coords = (type: string, required: boolean): Parameter => ({ name: 'coords', in: 'query', required, description: `${type} in well-known text, longitude and latitude in degrees.`, schema: Type.String({ maxLength: 100_000 }) })
const BBOX_AREA: Parameter = { name: 'bbox', in: 'query', description: 'Instead of coords: west, south, east, north in degrees.', schema: Type.Array(Type.Number(), { minItems: 4, maxItems: 4 }) }
const LEVEL: Parameter = { name: 'level', in: 'query', description: 'A level to tell volumes above and below, metres.', schema: Type.Number({ minimum: -1000, maximum: 10_000 }) }

export const operations: readonly Operation[] = [
  {
    id: 'terrain.summary', method: 'get', path: '/terrain', branched: true, tags: ['3D'],
    summary: 'What the ground is made of', parameters: [AS_OF], responses: given.SUMMARY, handler: sendTerrain,
  },
  {
    id: 'terrain.tilejson', method: 'get', path: '/terrain/tilejson', branched: true, tags: ['3D'],
    summary: 'TileJSON 3.0 of the terrain', parameters: [ENCODING, AS_OF], responses: given.TILEJSON, handler: sendTileJson,
  },
  ...['.png', ''].map((suffix): Operation => ({
    id: `terrain.rgb${suffix}`, method: 'get', path: `/terrain/rgb/{z}/{x}/{y}${suffix}`, branched: true, tags: ['3D'],
    summary: 'Heights as a Mapbox Terrain-RGB tile, orthometric metres, levees and earthworks cut in; sea level where no terrain is stored',
    parameters: [...TILE, AS_OF, REV], responses: given.PNG, handler: (call, response) => sendHeights(call, response, 'mapbox'),
  })),
  ...['.png', ''].map((suffix): Operation => ({
    id: `terrain.terrarium${suffix}`, method: 'get', path: `/terrain/terrarium/{z}/{x}/{y}${suffix}`, branched: true, tags: ['3D'],
    summary: 'The same heights as a Terrarium tile, to 1/256 m',
    parameters: [...TILE, AS_OF, REV], responses: given.PNG, handler: (call, response) => sendHeights(call, response, 'terrarium'),
  })),
  {
    id: 'terrain.hillshade.tilejson', method: 'get', path: '/terrain/hillshade/tilejson', branched: true, tags: ['3D'],
    summary: 'TileJSON 3.0 of the relief shading', parameters: [...LIGHT, AS_OF], responses: given.TILEJSON, handler: sendHillshadeTileJson,
  },
  ...['.png', ''].map((suffix): Operation => ({
    id: `terrain.hillshade${suffix}`, method: 'get', path: `/terrain/hillshade/{z}/{x}/{y}${suffix}`, branched: true, tags: ['3D'],
    summary: 'Relief shading as a veil over any map: white towards the light, black away from it, clear where it is flat',
    parameters: [...TILE, ...LIGHT, AS_OF, REV], responses: given.PNG, handler: sendHillshade,
  })),
  {
    id: 'terrain.mesh.layer', method: 'get', path: '/terrain/mesh/layer.json', branched: true, tags: ['3D'],
    summary: 'The terrain as quantized-mesh 1.0, for CesiumJS', parameters: [AS_OF], responses: given.MESH_LAYER, handler: sendMeshLayer,
  },
  ...['.terrain', ''].map((suffix): Operation => ({
    id: `terrain.mesh${suffix}`, method: 'get', path: `/terrain/mesh/{z}/{x}/{y}${suffix}`, branched: true, tags: ['3D'],
    summary: 'A quantized-mesh tile of WebMercatorQuad, ellipsoidal heights; rows count from the south (TMS), as the format has it',
    parameters: [...TILE, AS_OF, REV], responses: given.MESH, handler: sendTerrainMesh,
  })),
  {
    id: 'terrain.height', method: 'get', path: '/terrain/height', branched: true, tags: ['3D'],
    summary: 'Orthometric height of the ground at a position',
    parameters: [
      { name: 'lon', in: 'query', required: true, description: 'Longitude, degrees.', schema: Type.Number({ minimum: -180, maximum: 180 }) },
      { name: 'lat', in: 'query', required: true, description: 'Latitude, degrees.', schema: Type.Number({ minimum: -90, maximum: 90 }) },
      AS_OF,
    ],
    responses: given.HEIGHT, handler: sendHeight,
  },
  {
    id: 'terrain.profile', method: 'get', path: '/terrain/profile', branched: true, tags: ['3D'],
    summary: 'The ground along a line: distances and orthometric heights, rises and falls',
    parameters: [
      coords('LINESTRING', true),
      { name: 'samples', in: 'query', description: 'How many places at least, the line’s vertices besides.', schema: Type.Integer({ minimum: 2, maximum: MOST_SAMPLES, default: 200 }) },
      AS_OF,
    ],
    responses: given.MEASURED, handler: sendProfile,
  },
  {
    id: 'terrain.statistics', method: 'get', path: '/terrain/statistics', branched: true, tags: ['3D'],
    summary: 'The ground within an area: lowest, highest, mean, percentiles; volumes above and below a level; on a scenario what was cut and filled',
    parameters: [coords('POLYGON', false), BBOX_AREA, LEVEL, AS_OF],
    responses: given.MEASURED, handler: (call, response) => sendStatistics(call, response, areaOf(call)),
  },
  {
    id: 'terrain.statistics.post', method: 'post', path: '/terrain/statistics', branched: true, tags: ['3D'],
    summary: 'The same of a GeoJSON polygon in the body, for outlines too long for an address',
    parameters: [LEVEL, AS_OF], body: { contentType: 'application/geo+json', schema: Type.Object({ type: Type.String() }, { additionalProperties: true }), limitBytes: 8 << 20 },
    responses: given.MEASURED, handler: (call, response) => sendStatistics(call, response, geometryIn(call.body)),
  },
]

const terrainAt = (call: Call): TerrainAt => ({ branch: call.branch, asOf: parseAsOf(call.params.asOf) })

async function sendTerrain(call: Call, response: Response): Promise<void> {
  response.setHeader('Cache-Control', cacheControl(call, 'live'))
  sendText(response, 'application/json', JSON.stringify(await terrainSummary(call.app.store, terrainAt(call)) ?? { sources: [] }))
}

async function sendTileJson(call: Call, response: Response): Promise<void> {
  const folder = call.params.encoding === 'terrarium' ? 'terrarium' : 'rgb'
  await sendRasterTileJson(call, response, 'terrain', `terrain/${folder}`, { encoding: call.params.encoding })
}

async function sendHillshadeTileJson(call: Call, response: Response): Promise<void> {
  await sendRasterTileJson(call, response, 'hillshade', 'terrain/hillshade', {}, lightQuery(call))
}

async function sendRasterTileJson(call: Call, response: Response, name: string, folder: string, more: object, query: Readonly<Record<string, string>> = {}): Promise<void> {
  const summary = await terrainSummary(call.app.store, terrainAt(call))
  if (!summary) throw noTerrain()
  const revision = await latestGroundRevision(call.app.store, terrainAt(call))
  const { asOf } = call.params
  const search = new URLSearchParams({ ...query, ...(asOf === undefined ? {} : { asOf: String(asOf) }), rev: String(revision) })
  response.setHeader('Cache-Control', cacheControl(call, 'live'))
  sendText(response, 'application/json', JSON.stringify({
    tilejson: '3.0.0', name, scheme: 'xyz', ...more, tileSize: TILE_SIZE,
    tiles: [`${call.base}/${folder}/{z}/{x}/{y}.png?${search}`],
    minzoom: summary.minzoom, maxzoom: summary.maxzoom, bounds: summary.bounds,
  }))
}

/** Terrain answers by store, ground and tile; they are small and asked for again and again. */
const answers = new SingleFlightCache<Buffer>(64 * 2 ** 20, bytes => bytes.length)
/** A tile in the making holds up to 2 MB, an area 7 MB: so few at a time. */
const making = new Gate({ atOnce: 4, mostWaiting: 400, longestWaitMs: 20_000 })
const measuring = new Gate({ atOnce: 2, mostWaiting: 40, longestWaitMs: 20_000 })
/** A tile is made for all who wait for it, whoever leaves. */
const NEVER = new AbortController().signal
const storeNumbers = new WeakMap<object, number>()
let stores = 0

/** Sends a tile made by `make` unless the client or the cache has it; `kind` names all that it depends on but the ground. */
async function sendTerrainTile(call: Call, response: Response, kind: string, tile: Tile, make: (at: TerrainAt) => Promise<Buffer>): Promise<void> {
  const { store } = call.app
  const at = terrainAt(call)
  const revision = await groundRevision(store, tile, at)
  const fixed = await isPinned(call, at, revision) || (at.asOf !== undefined && isFixed(at.asOf))
  const { geoidOffset } = await store.city()
  if (notModified(call, response, etag(kind, call.branch, revision, geoidOffset, tileName(tile)), fixed ? 'fixed' : 'live')) return
  if (!storeNumbers.has(store)) storeNumbers.set(store, ++stores)
  const bytes = await answers.get([kind, storeNumbers.get(store), call.branch, revision, geoidOffset, tileName(tile)].join(' '), () => making.run(() => make(at), NEVER))
  if (NOTHING.has(bytes)) response.setHeader('X-Terrain', 'none')
  response.send(bytes)
}

/** An address that names a revision may be kept for ever while the tile is what it was then; a revision that is yet to come names nothing. */
async function isPinned({ app, params: { rev } }: Call, at: TerrainAt, revision: number): Promise<boolean> {
  return rev !== undefined && revision <= rev && rev <= await latestGroundRevision(app.store, at)
}

const EMPTY = new Float32Array(TILE_SIZE * TILE_SIZE).fill(NaN)
/** The tiles of everywhere without terrain: flat, and told by `X-Terrain: none`, so that nobody takes them for the sea. */
const SEA_LEVEL = { mapbox: await heightsPng(EMPTY, 'mapbox'), terrarium: await heightsPng(EMPTY, 'terrarium') }
const CLEAR = await encodePng(new Uint8Array(2 * TILE_SIZE * TILE_SIZE), TILE_SIZE, 'greyAlpha')
const NOTHING: ReadonlySet<Buffer> = new Set([SEA_LEVEL.mapbox, SEA_LEVEL.terrarium, CLEAR])

const isKnown = (height: number) => height === height

async function sendHeights(call: Call, response: Response, encoding: HeightEncoding): Promise<void> {
  const tile = tileOf(call)
  response.setHeader('Content-Type', 'image/png')
  await sendTerrainTile(call, response, encoding, tile, async at => {
    const heights = await groundTile(call.app.store, tile, at)
    return heights.some(isKnown) ? heightsPng(heights, encoding) : SEA_LEVEL[encoding]
  })
}

const lightOf = ({ params: { azimuth, altitude, exaggeration } }: Call): Light => ({ azimuth, altitude, exaggeration })
const lightQuery = (call: Call) => Object.fromEntries(Object.entries(lightOf(call)).map(([name, value]) => [name, String(value)]))

async function sendHillshade(call: Call, response: Response): Promise<void> {
  const tile = tileOf(call)
  const light = lightOf(call)
  response.setHeader('Content-Type', 'image/png')
  await sendTerrainTile(call, response, `hillshade ${light.azimuth} ${light.altitude} ${light.exaggeration}`, tile, async at => {
    const side = TILE_SIZE + 2 * SHADE_MARGIN
    const heights = await groundPixels(call.app.store, { z: tile.z, x: tile.x * TILE_SIZE - SHADE_MARGIN, y: tile.y * TILE_SIZE - SHADE_MARGIN, cols: side, rows: side }, at)
    return heights.some(isKnown) ? encodePng(shade(heights, tile, light), TILE_SIZE, 'greyAlpha') : CLEAR
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
    const zoom = Math.max(0, tile.z - Math.log2(TILE_SIZE / MESH_CELLS))
    const heights = await groundAt(call.app.store, meshPositions(bounds), { ...at, zoom, pixelM: pixelSizeM(zoom, (bounds[1] + bounds[3]) / 2) })
    return Buffer.from(writeQuantizedMesh(bounds, heights.map(h => (h === h ? h : 0) + geoidOffset)))
  })
}

async function sendMeshLayer(call: Call, response: Response): Promise<void> {
  const summary = await terrainSummary(call.app.store, terrainAt(call))
  if (!summary) throw noTerrain()
  const [west, south, east, north] = summary.bounds
  const revision = await latestGroundRevision(call.app.store, terrainAt(call))
  const asOf = call.params.asOf === undefined ? '' : `asOf=${encodeURIComponent(call.params.asOf)}&`
  response.setHeader('Cache-Control', cacheControl(call, 'live'))
  sendText(response, 'application/json', JSON.stringify({
    tilejson: '2.1.0', name: 'terrain', version: String(revision), format: 'quantized-mesh-1.0', scheme: 'tms', projection: 'EPSG:3857',
    tiles: [`{z}/{x}/{y}.terrain?${asOf}rev=${revision}`], bounds: summary.bounds, minzoom: 0, maxzoom: summary.maxzoom,
    available: Array.from({ length: summary.maxzoom + 1 }, (_, z) => {
      const [first, last] = [tileAt(west, north, z), tileAt(east, south, z)]
      return [{ startX: first.x, endX: last.x, startY: 2 ** z - 1 - last.y, endY: 2 ** z - 1 - first.y }]
    }),
  }))
}

const noTerrain = () => notFound('No terrain is stored yet. Import a GeoTIFF, HGT or ASC file with “dothi import”.')

async function sendHeight(call: Call, response: Response): Promise<void> {
  const { lon, lat } = call.params
  const height = (await groundAt(call.app.store, [[lon, lat]], terrainAt(call)))[0]!
  const city = await call.app.store.city()
  response.setHeader('Cache-Control', cacheControl(call, 'live'))
  sendText(response, 'application/json', JSON.stringify({ lon, lat, height: Number.isNaN(height) ? null : Math.round(height * 1000) / 1000, unit: 'm', verticalDatum: city.verticalDatum }))
}

async function sendProfile(call: Call, response: Response): Promise<void> {
  const line = wktOf(call.params.coords)
  const profile = await measuring.run(() => terrainProfile(call.app.store, line, call.params.samples, terrainAt(call)), call.signal)
  await sendMeasured(call, response, profile)
}

async function sendStatistics(call: Call, response: Response, area: GeoJsonGeometry): Promise<void> {
  const { level } = call.params
  const statistics = await measuring.run(() => terrainStatistics(call.app.store, area, { ...terrainAt(call), ...(level === undefined ? {} : { level }) }), call.signal)
  await sendMeasured(call, response, statistics)
}

async function sendMeasured(call: Call, response: Response, measured: object): Promise<void> {
  const { verticalDatum } = await call.app.store.city()
  response.setHeader('Cache-Control', cacheControl(call, 'live'))
  sendText(response, 'application/json', JSON.stringify({ unit: 'm', verticalDatum, ...measured }))
}

function areaOf({ params: { coords, bbox } }: Call): GeoJsonGeometry {
  if ((coords === undefined) === (bbox === undefined)) throw badParameter('coords', 'Say the area either by coords=POLYGON((…)) or by bbox=west,south,east,north.')
  return coords === undefined ? boxPolygon(bbox) : wktOf(coords)
}

/** A GeoJSON geometry, or the geometry of a feature. */
function geometryIn(body: unknown): GeoJsonGeometry {
  const { type, geometry } = body as { type?: unknown; geometry?: unknown }
  const found = type === 'Feature' ? geometry : body
  if (typeof (found as GeoJsonGeometry | null)?.type !== 'string') throw badBody('The body is a GeoJSON polygon, or a feature that has one.')
  return found as GeoJsonGeometry
}
