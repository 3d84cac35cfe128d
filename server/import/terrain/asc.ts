import { readFile } from 'node:fs/promises'
import { sridOfWkt } from '../crs.js'
import { badFile } from '../fault.js'
import { bytesOf } from '../unpack.js'
import { Cells } from './cells.js'
import { checkSize, type HeightGrid } from './grid.js'

const WHAT = 'ASCII grid'
const HEADER = new Set(['ncols', 'nrows', 'xllcorner', 'xllcenter', 'yllcorner', 'yllcenter', 'cellsize', 'dx', 'dy', 'nodata_value'])

/** ESRI ASCII grid; the CRS is in a .prj beside it or unknown. */
export async function readAsc(file: string): Promise<HeightGrid> {
  const header = new Map<string, number>()
  let heights: Cells | null = null
  let filled = 0
  let total = 0
  let key: string | null = null
  for await (const token of tokens(file)) {
    if (!heights) {
      if (key !== null) { header.set(key, Number(token)); key = null; continue }
      if (HEADER.has(token.toLowerCase())) { key = token.toLowerCase(); continue }
      checkSize(header.get('nrows') ?? NaN, header.get('ncols') ?? NaN, WHAT)
      heights = new Cells(header.get('nrows')!, header.get('ncols')!)
      total = heights.rows * heights.cols
    }
    if (filled === total) throw badFile(`The ASCII grid has more values than its ${header.get('nrows')} × ${header.get('ncols')} cells.`)
    const value = Number(token)
    if (Number.isNaN(value) && !/^[+-]?nan$/i.test(token)) throw badFile(`The ASCII grid has “${token.slice(0, 30)}” where a number was wanted.`)
    heights.set(Math.floor(filled / heights.cols), filled % heights.cols, value === header.get('nodata_value') || Math.abs(value) > 20_000 ? NaN : value)
    filled++
  }
  if (!heights || filled < total) throw badFile(`The ASCII grid ends after ${filled} values, where ${heights ? total : 'some'} were announced: it is truncated.`)
  return place(header, heights, await prjBeside(file))
}

function place(header: ReadonlyMap<string, number>, heights: Cells, srid: number | null): HeightGrid {
  const [rows, cols] = [header.get('nrows')!, header.get('ncols')!]
  const cellX = header.get('dx') ?? header.get('cellsize') ?? NaN
  const cellY = header.get('dy') ?? header.get('cellsize') ?? NaN
  const west = header.get('xllcenter') ?? header.get('xllcorner')! + cellX / 2
  const south = header.get('yllcenter') ?? header.get('yllcorner')! + cellY / 2
  if (![cellX, cellY, west, south].every(Number.isFinite) || cellX <= 0 || cellY <= 0) throw badFile('The ASCII grid’s header lacks its corner or its cell size.')
  return { heights, rows, cols, west, north: south + (rows - 1) * cellY, cellX, cellY, srid }
}

async function* tokens(file: string): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of bytesOf(file, WHAT)) {
    const text = rest + chunk.toString('latin1')
    const end = Math.max(text.lastIndexOf(' '), text.lastIndexOf('\n'), text.lastIndexOf('\t'))
    if (end < 0 && text.length > 1000) throw badFile('The ASCII grid has a value of more than 1,000 characters.')
    rest = text.slice(end + 1)
    for (const token of text.slice(0, end + 1).split(/\s+/)) if (token) yield token
  }
  if (rest.trim()) yield rest.trim()
}

async function prjBeside(file: string): Promise<number | null> {
  const wkt = await readFile(file.replace(/\.asc(\.gz)?$/i, '.prj'), 'utf8').catch(() => null)
  return wkt === null ? null : sridOfWkt(wkt)
}
