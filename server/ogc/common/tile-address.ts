/** The address of a tile in a path: `{z}/{x}/{y}` of WebMercatorQuad. */
import { Type } from '@sinclair/typebox'
import { isTile, type Tile } from '../../../core/tile-matrix.js'
import { badParameter } from '../../errors.js'
import type { Call, Parameter } from '../../operations/operation.js'

const path = (name: string, description: string): Parameter => ({ name, in: 'path', required: true, description, schema: Type.Integer({ minimum: 0 }) })
export const TILE = [path('z', 'Zoom (tile matrix) of WebMercatorQuad.'), path('x', 'Column from the west.'), path('y', 'Row from the north.')]
export const REV: Parameter = {
  name: 'rev', in: 'query', schema: Type.Integer({ minimum: 0 }),
  description: 'Revision that the answer stands on, as the tileset or TileJSON writes it: such an answer never changes.',
}

/** Of 3D tiles only. */
export const PART: Parameter = {
  name: 'part', in: 'query', schema: Type.Union([Type.Literal('own'), Type.Literal('all')]),
  description: 'Whether a 3D tile holds only what stands at its zoom (own) or everything below it too (all), as the tileset writes it.',
}

/** Throws a Problem for a tile that the matrix set does not have. */
export function tileOf({ params }: Call): Tile {
  const tile = { z: params.z, x: params.x, y: params.y }
  if (!isTile(tile)) throw badParameter('z', `There is no tile ${tile.z}/${tile.x}/${tile.y}: zooms go to 24, columns and rows of zoom z to 2^z − 1.`)
  return tile
}
