import { Type } from '@sinclair/typebox'
import type { Response } from 'express'
import type { Call, Operation, Parameter } from '../../operations/operation.js'
import { statusInfo } from '../../operations/operations.js'
import { AS_OF, COLLECTION_ID, F, LANG, RUN } from '../common/parameters.js'
import { WARM } from './jobs.js'
import { DEEPEST_ZOOM } from './matrix-set.js'
import { getCollectionTile, getDatasetTile, getXyzTile } from './get-tile.js'
import { getStyle } from './style.js'
import { getMatrixSet, getMatrixSets, getTileJson, getTileset, getTilesets } from './tilesets.js'

const path = (name: string, description: string, schema: Parameter['schema']): Parameter => ({ name, in: 'path', required: true, description, schema })

const MATRIX_SET = path('tileMatrixSetId', 'Tile matrix set: WebMercatorQuad.', Type.String({ maxLength: 60 }))
const MATRIX = path('tileMatrix', 'Tile matrix: the zoom.', Type.String({ maxLength: 40 }))
const ROW = path('tileRow', 'Row from the north.', Type.Integer({ minimum: 0 }))
const COL = path('tileCol', 'Column from the west.', Type.Integer({ minimum: 0 }))
const IDS = path('collectionIds', 'Ids of collections, comma-separated.', Type.String({ maxLength: 2000 }))
const Z = path('z', 'Zoom.', Type.Integer({ minimum: 0 }))
const X = path('x', 'Column from the west.', Type.Integer({ minimum: 0 }))
const Y = path('y', 'Row from the north.', Type.Integer({ minimum: 0 }))
const COLLECTIONS: Parameter = { name: 'collections', in: 'query', description: 'Only these collections, comma-separated.', schema: Type.Array(Type.String({ maxLength: 60 }), { minItems: 1, maxItems: 40 }) }

const WANTED: Parameter = { name: 'properties', in: 'query', description: 'Only these attributes, comma-separated; empty: none. A tile with fewer is smaller.', schema: Type.Array(Type.String({ maxLength: 60 }), { maxItems: 100 }) }

const common = { method: 'get', branched: true, tags: ['Tiles'] } as const
const tile = [MATRIX_SET, MATRIX, ROW, COL]
// Clients of tiles send whatever Accept header they like; `f` is taken for their sake.
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

export const tileOperations: readonly Operation[] = [
  { ...common, id: 'getTileMatrixSets', path: '/ogc/tileMatrixSets', summary: 'Tile matrix sets.', parameters: [F, LANG],
    conformsTo: ['tilematrixset', 'tilesetmetadata', 'tilematrixsetlimits', 'json-tilematrixset', 'json-tilesetmetadata', 'json-tilematrixsetlimits'].map((name) => `http://www.opengis.net/spec/tms/2.0/conf/${name}`), handler: getMatrixSets },
  { ...common, id: 'getTileMatrixSet', path: '/ogc/tileMatrixSets/{tileMatrixSetId}', summary: 'Definition of a tile matrix set.', parameters: [MATRIX_SET, F, LANG], handler: getMatrixSet },
  { ...common, id: '.dataset.vector.getTileSetsList', path: '/ogc/tiles', summary: 'Tile sets of the whole city.', parameters: [COLLECTIONS, F, LANG], handler: (call, response) => getTilesets(call, response, 'dataset') },
  { ...common, id: '.dataset.vector.getTileSet', path: '/ogc/tiles/{tileMatrixSetId}', summary: 'A tile set of the whole city.', parameters: [MATRIX_SET, COLLECTIONS, F, LANG], handler: (call, response) => getTileset(call, response, 'dataset') },
  { ...common, id: '.dataset.vector.getTileJson', path: '/ogc/tiles/{tileMatrixSetId}/tilejson', summary: 'TileJSON of the whole city.', parameters: [MATRIX_SET, COLLECTIONS, AS_OF, RUN, F, LANG], handler: getTileJson },
  { ...common, id: '.dataset.vector.getTile', path: '/ogc/tiles/{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}', summary: 'A vector tile of several layers.', parameters: [...tile, COLLECTIONS, WANTED, AS_OF, RUN, TILE_F],
    conformsTo: ['core', 'tileset', 'tilesets-list', 'dataset-tilesets', 'geodata-tilesets', 'collections-selection', 'mvt', 'oas30'].map((name) => `http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/${name}`), handler: getDatasetTile },
  { ...common, id: '.collection.vector.getTileSetsList', path: '/ogc/collections/{collectionId}/tiles', summary: 'Tile sets of a layer.', parameters: [COLLECTION_ID, F, LANG], handler: (call, response) => getTilesets(call, response, 'collection') },
  { ...common, id: '.collection.vector.getTileSet', path: '/ogc/collections/{collectionId}/tiles/{tileMatrixSetId}', summary: 'A tile set of a layer.', parameters: [COLLECTION_ID, MATRIX_SET, F, LANG], handler: (call, response) => getTileset(call, response, 'collection') },
  { ...common, id: '.collection.vector.getTileJson', path: '/ogc/collections/{collectionId}/tiles/{tileMatrixSetId}/tilejson', summary: 'TileJSON of a layer.', parameters: [COLLECTION_ID, MATRIX_SET, AS_OF, RUN, F, LANG], handler: getTileJson },
  { ...common, id: '.collection.vector.getTile', path: '/ogc/collections/{collectionId}/tiles/{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}', summary: 'A vector tile of a layer.', parameters: [COLLECTION_ID, ...tile, WANTED, AS_OF, RUN, TILE_F], handler: getCollectionTile },
  { ...common, id: 'getXyzTile', path: '/tiles/{collectionIds}/{z}/{x}/{y}.mvt', summary: 'The same tiles as XYZ, one or several layers.', parameters: [IDS, Z, X, Y, WANTED, AS_OF, RUN], handler: getXyzTile },
  { ...common, id: 'getXyzTileJson', path: '/tiles/{collectionIds}/tilejson', summary: 'TileJSON of one or several layers.', parameters: [IDS, AS_OF, RUN, F, LANG], handler: getTileJson },
  {
    id: 'warmTiles', method: 'post', path: '/tiles/warm', tags: ['Tiles'], roles: ['steward'], body: { contentType: 'application/json', schema: WARM_BODY },
    summary: 'Make tiles in the background before they are asked for.', responses: { 201: 'The job; its address is in Location.' }, handler: postWarm,
  },
  { ...common, id: 'getStyle', path: '/ogc/styles/default', tags: ['Styles'], summary: 'MapLibre style of the city.', parameters: [F], handler: getStyle },
  { ...common, id: 'getCollectionStyle', path: '/ogc/collections/{collectionId}/styles/default', tags: ['Styles'], summary: 'MapLibre style of a layer.', parameters: [COLLECTION_ID, F], handler: getStyle },
]
