/** What the ground answers. */
import { Type } from '@sinclair/typebox'
import { answer, BOX, FREE, INTEGER, json, nullable, NUMBER, TEXT } from '../ogc/common/schemas.js'

const { Array: list, Object: object, Optional: optional } = Type
const tileJson = object({ tilejson: TEXT, name: TEXT, tiles: list(TEXT), minzoom: INTEGER, maxzoom: INTEGER, bounds: BOX, scheme: optional(TEXT), tileSize: optional(INTEGER) })
const measured = object({ unit: TEXT, verticalDatum: TEXT })

export const SUMMARY = { 200: json('The sources of the terrain, none where there is none.', object({ sources: list(FREE), minzoom: optional(INTEGER), maxzoom: optional(INTEGER), bounds: optional(BOX), revision: optional(INTEGER) })) }
export const TILEJSON = { 200: json('The TileJSON.', tileJson) }
export const PNG = { 200: { ...answer('The picture.', 'image/png'), headers: { 'X-Terrain': { description: '`none` where no terrain is stored.', schema: TEXT } } } }
export const MESH_LAYER = { 200: json('The layer.json.', object({ tilejson: TEXT, format: TEXT, tiles: list(TEXT) })) }
export const MESH = { 200: answer('The tile.', 'application/vnd.quantized-mesh') }
export const HEIGHT = { 200: json('The height; null where none is known.', object({ lon: NUMBER, lat: NUMBER, height: nullable(NUMBER), unit: TEXT, verticalDatum: TEXT })) }
export const MEASURED = { 200: json('What was measured.', measured) }
