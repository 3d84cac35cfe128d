import { basename } from 'node:path'
import { badFile } from '../fault.js'
import { contentOf } from '../unpack.js'
import { Cells } from './cells.js'
import type { HeightGrid } from './grid.js'

/** Bytes of a one-degree tile at 3″ and at 1″. */
const SIDES: Readonly<Record<number, number>> = { [1201 ** 2 * 2]: 1201, [3601 ** 2 * 2]: 3601 }
const VOID = -32768

/** SRTM height tile: big-endian int16 metres, cell centres on the degree's edges; the name says the south-west corner. */
export async function readHgt(file: string): Promise<HeightGrid> {
  const bytes = await contentOf(file, 'height tile', 3601 ** 2 * 2)
  const side = SIDES[bytes.length]
  if (!side) throw badFile(`The height tile has ${bytes.length} bytes; 3″ tiles have ${1201 ** 2 * 2} and 1″ tiles ${3601 ** 2 * 2}: it is truncated or something else.`)
  const name = /([NS])(\d{2})([EW])(\d{3})/i.exec(basename(file))
  if (!name) throw badFile('The name of a height tile must say its corner, for example N16E108.hgt.')
  const south = Number(name[2]) * (name[1]!.toUpperCase() === 'S' ? -1 : 1)
  const west = Number(name[4]) * (name[3]!.toUpperCase() === 'W' ? -1 : 1)
  const heights = new Float32Array(side * side)
  for (let i = 0; i < heights.length; i++) {
    const metres = bytes.readInt16BE(i * 2)
    heights[i] = metres === VOID ? NaN : metres
  }
  const cell = 1 / (side - 1)
  return { heights: Cells.of(heights, side, side), rows: side, cols: side, west, north: south + 1, cellX: cell, cellY: cell, srid: 4326 }
}
