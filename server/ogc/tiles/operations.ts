import { Type } from '@sinclair/typebox'
import type { Response } from 'express'
import type { Call, Operation, Parameter } from '../../operations/operation.js'
import { statusInfo } from '../../operations/operations.js'
import { JSON_MEDIA } from '../common/media.js'
import { AS_OF, COLLECTION_ID, F, LANG, RUN } from '../common/parameters.js'
import { answer, jsonOrPage, JOB_MADE } from '../common/schemas.js'
import { WARM } from './jobs.js'
import { getCollectionTile, getDatasetTile, getXyzTile, MVT_TYPE } from './get-tile.js'
import { getCollectionMapTile, getDatasetMapTile, PNG_TYPE } from './map-tile.js'
import { DEEPEST_ZOOM } from './matrix-set.js'
import { MATRIX_SETS, TILE_JSON, TILE_MATRIX_SET, TILE_SET, TILE_SETS } from './schemas.js'
import { getMatrixSet, getMatrixSets, getTileJson, getTileset, getTilesets, type Tiling } from './tilesets.js'

const path = (name: string, description: string, schema: Parameter['schema']): Parameter => ({ name, in: 'path', required: true, description, schema })

const MATRIX_SET = path('tileMatrixSetId', 'Tile matrix set: WebMercatorQuad, WorldCRS84Quad, or CityQuad, the metric grid in the CRS of the city.', Type.String({ maxLength: 60 }))
const MATRIX = path('tileMatrix', 'Tile matrix: the zoom.', Type.String({ maxLength: 40 }))
const ROW = path('tileRow', 'Row from the north.', Type.Integer({ minimum: 0 }))
const COL = path('tileCol', 'Column from the west.', Type.Integer({ minimum: 0 }))
const IDS = path('collectionIds', 'Ids of collections, comma-separated.', Type.String({ maxLength: 2000 }))
const Z = path('z', 'Zoom.', Type.Integer({ minimum: 0 }))
const X = path('x', 'Column from the west.', Type.Integer({ minimum: 0 }))
const Y = path('y', 'Row from the north.', Type.Integer({ minimum: 0 }))
const COLLECTIONS: Parameter = { name: 'collections', in: 'query', description: 'Only these collections, comma-separated.', schema: Type.Array(Type.String({ maxLength: 60 }), { minItems: 1, maxItems: 40 }) }

const WANTED: Parameter = { name: 'properties', in: 'query', description: 'Only these attributes, comma-separated; empty: none. A tile with fewer is smaller.', schema: Type.Array(Type.String({ maxLength: 60 }), { maxItems: 100 }) }

const MOMENT: Parameter = { name: 'datetime', in: 'query', description: 'The city as it was at this RFC 3339 instant, or at the end of the interval `start/end` (`..` is open).', schema: Type.String({ maxLength: 80 }) }

const common = { method: 'get', branched: true, tags: ['Tiles'] } as const
const TMS = 'http://www.opengis.net/spec/tms/2.0/conf/'
const TILES = 'http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/'
const tile = [MATRIX_SET, MATRIX, ROW, COL]
// Clients of tiles send whatever Accept header they like; `f` is taken for their sake.
const MAP_F: Parameter = { name: 'f', in: 'query', description: 'Format: png.', schema: Type.String({ maxLength: 20 }) }
const TILE_F: Parameter = { name: 'f', in: 'query', description: 'Format: mvt.', schema: Type.String({ maxLength: 20 }) }

const ZOOM = Type.Integer({ minimum: 0, maximum: DEEPEST_ZOOM })
const WARM_BODY = Type.Object({
  collections: Type.Optional(Type.Array(Type.String({ maxLength: 2000 }), { minItems: 1, maxItems: 200, description: 'Each by itself, or several that share a tile with commas between them.' })),
  zoom: Type.Optional(Type.Object({ min: ZOOM, max: ZOOM }, { additionalProperties: false })),
  bbox: Type.Optional(Type.Array(Type.Number(), { minItems: 4, maxItems: 4 })),
  clearance: Type.Optional(Type.Union([Type.Literal('open'), Type.Literal('internal')])),
}, { additionalProperties: false })

async function postWarm(call: Call, response: Response): Promise<void> {
  const job = await call.app.jobs.submit(WARM, call.body, call.reader)
  response.status(201).set('Location', `${call.base}/ogc/jobs/${job.id}`).json(statusInfo(job, call))
}

const VECTOR_TILE = { 200: answer('The tile; without features it has no bytes.', MVT_TYPE), 204: 'No layer shows at this zoom.', 304: 'The client’s tile is the same.' }
const MAP_TILE = { 200: answer('The picture; transparent where nothing is.', PNG_TYPE), 304: 'The client’s picture is the same.' }
const lists = { 200: jsonOrPage('The tile sets.', TILE_SETS) }
const set = { 200: jsonOrPage('The tile set.', TILE_SET) }
const tileJson = { 200: answer('TileJSON 3.0.', JSON_MEDIA.type, TILE_JSON) }

/** Tile sets and tiles of the city or of a collection, as vectors or pictures. */
function tilingOperations(of: Tiling['of'], as: Tiling['as'], getTile: Operation['handler'], conformsTo?: readonly string[]): Operation[] {
  const tiling = { of, as }
  const folder = `/ogc${of === 'collection' ? '/collections/{collectionId}' : ''}${as === 'map' ? '/map' : ''}/tiles`
  const what = of === 'collection' ? 'a layer' : 'the whole city'
  const own = of === 'collection' ? [COLLECTION_ID] : []
  const chosen = of === 'collection' ? [] : [COLLECTIONS]
  const id = `.${of}.${as}`
  const sort = as === 'map' ? 'map tile' : 'vector tile'
  return [
    { ...common, id: `${id}.getTileSetsList`, path: folder, summary: `Sets of ${sort}s of ${what}.`, parameters: [...own, ...chosen, F, LANG], responses: lists, handler: (call, response) => getTilesets(call, response, tiling) },
    { ...common, id: `${id}.getTileSet`, path: `${folder}/{tileMatrixSetId}`, summary: `A set of ${sort}s of ${what}.`, parameters: [...own, MATRIX_SET, ...chosen, F, LANG], responses: set, handler: (call, response) => getTileset(call, response, tiling) },
    {
      ...common, id: `${id}.getTile`, path: `${folder}/{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}`, summary: `A ${sort} of ${what}.`,
      parameters: [...own, ...tile, ...chosen, ...(as === 'vector' ? [WANTED] : []), AS_OF, MOMENT, RUN, as === 'map' ? MAP_F : TILE_F],
      responses: as === 'map' ? MAP_TILE : VECTOR_TILE, handler: getTile, ...(conformsTo && { conformsTo }),
    },
  ]
}

export const tileOperations: readonly Operation[] = [
  { ...common, id: 'getTileMatrixSets', path: '/ogc/tileMatrixSets', summary: 'Tile matrix sets.', parameters: [F, LANG], responses: { 200: jsonOrPage('The tile matrix sets.', MATRIX_SETS) },
    conformsTo: ['tilematrixset', 'tilesetmetadata', 'tilematrixsetlimits', 'json-tilematrixset', 'json-tilesetmetadata', 'json-tilematrixsetlimits'].map((name) => TMS + name), handler: getMatrixSets },
  { ...common, id: 'getTileMatrixSet', path: '/ogc/tileMatrixSets/{tileMatrixSetId}', summary: 'Definition of a tile matrix set.', parameters: [MATRIX_SET, F, LANG], responses: { 200: jsonOrPage('The definition.', TILE_MATRIX_SET) }, handler: getMatrixSet },
  ...tilingOperations('dataset', 'vector', getDatasetTile, ['core', 'tileset', 'tilesets-list', 'dataset-tilesets', 'geodata-tilesets', 'collections-selection', 'datetime', 'mvt', 'oas30'].map((name) => TILES + name)),
  ...tilingOperations('collection', 'vector', getCollectionTile),
  ...tilingOperations('dataset', 'map', getDatasetMapTile, [`${TILES}png`]),
  ...tilingOperations('collection', 'map', getCollectionMapTile),
  { ...common, id: '.dataset.vector.getTileJson', path: '/ogc/tiles/{tileMatrixSetId}/tilejson', summary: 'TileJSON of the whole city.', parameters: [MATRIX_SET, COLLECTIONS, AS_OF, MOMENT, RUN, F, LANG], responses: tileJson, handler: getTileJson },
  { ...common, id: '.collection.vector.getTileJson', path: '/ogc/collections/{collectionId}/tiles/{tileMatrixSetId}/tilejson', summary: 'TileJSON of a layer.', parameters: [COLLECTION_ID, MATRIX_SET, AS_OF, MOMENT, RUN, F, LANG], responses: tileJson, handler: getTileJson },
  { ...common, id: 'getXyzTile', path: '/tiles/{collectionIds}/{z}/{x}/{y}.mvt', summary: 'The same tiles as XYZ, one or several layers.', parameters: [IDS, Z, X, Y, WANTED, AS_OF, MOMENT, RUN], responses: VECTOR_TILE, handler: getXyzTile },
  { ...common, id: 'getXyzTileJson', path: '/tiles/{collectionIds}/tilejson', summary: 'TileJSON of one or several layers.', parameters: [IDS, AS_OF, MOMENT, RUN, F, LANG], responses: tileJson, handler: getTileJson },
  {
    id: 'warmTiles', method: 'post', path: '/tiles/warm', tags: ['Tiles'], roles: ['steward'], body: { contentType: 'application/json', schema: WARM_BODY },
    summary: 'Make tiles in the background before they are asked for.', responses: { 201: JOB_MADE }, handler: postWarm,
  },
]
