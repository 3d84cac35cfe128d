/** Schemas of what is told about tiles. Source: OGC 17-083r4 (tile matrix sets, tile set metadata), TileJSON 3.0. */
import { Type, type TSchema } from '@sinclair/typebox'
import { LINK, LINKS, named } from '../common/schemas.js'

const text = (description?: string) => Type.String({ ...(description && { description }) })
const optional = Type.Optional
const whole = Type.Integer({ minimum: 0 })
const pair = Type.Array(Type.Number(), { minItems: 2, maxItems: 2 })

export const TILE_MATRIX_SET = named('TileMatrixSet', Type.Object({
  id: text(), title: optional(text()), uri: optional(text()), crs: text(), orderedAxes: optional(Type.Array(text())), wellKnownScaleSet: optional(text()), links: optional(LINKS),
  tileMatrices: Type.Array(Type.Object({
    id: text(), scaleDenominator: Type.Number(), cellSize: Type.Number(), cornerOfOrigin: Type.Union([Type.Literal('topLeft'), Type.Literal('bottomLeft')]), pointOfOrigin: pair,
    tileWidth: whole, tileHeight: whole, matrixWidth: whole, matrixHeight: whole,
  })),
}))
export const MATRIX_SETS = named('TileMatrixSets', Type.Object({ links: LINKS, tileMatrixSets: Type.Array(Type.Object({ id: text(), title: optional(text()), uri: optional(text()), crs: optional(text()), links: LINKS })) }))

const LIMITS = Type.Object({ tileMatrix: text(), minTileRow: whole, maxTileRow: whole, minTileCol: whole, maxTileCol: whole })
export const TILE_SET = named('TileSet', Type.Object({
  title: optional(text()), dataType: Type.Union([Type.Literal('vector'), Type.Literal('map')]), crs: text(), tileMatrixSetId: text(), tileMatrixSetURI: text(),
  tileMatrixSetLimits: Type.Array(LIMITS),
  boundingBox: optional(Type.Object({ crs: text(), lowerLeft: pair, upperRight: pair })),
  centerPoint: optional(Type.Object({ crs: text(), coordinates: pair, tileMatrix: text() })),
  layers: Type.Array(Type.Object({ id: text(), title: text(), dataType: text(), geometryDimension: optional(whole), minTileMatrix: text(), maxTileMatrix: text(), attribution: optional(text()), propertiesSchema: optional(Type.Unknown()) })),
  links: Type.Array(LINK, { minItems: 1 }),
}))
export const TILE_SETS = named('TileSets', Type.Object({ links: LINKS, tilesets: Type.Array(TILE_SET) }))

export const TILE_JSON = named('TileJson', Type.Object({
  tilejson: Type.Literal('3.0.0'), name: text(), scheme: Type.Literal('xyz'), tiles: Type.Array(text(), { minItems: 1 }), minzoom: whole, maxzoom: whole,
  bounds: Type.Array(Type.Number(), { minItems: 4, maxItems: 4 }), center: Type.Array(Type.Number(), { minItems: 3, maxItems: 3 }), attribution: optional(text()),
  vector_layers: Type.Array(Type.Object({ id: text(), description: optional(text()), minzoom: whole, maxzoom: whole, fields: Type.Record(Type.String(), Type.String()) })),
}))
