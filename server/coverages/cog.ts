/**
 * Cloud-optimised GeoTIFF: 32-bit floats, deflated tiles, overviews, every header before the values. A band each for
 * quantities and times; NaN is no data.
 *
 * ```
 *  header │ IFD of the full picture │ IFDs of overviews, ever coarser │ tiles of the coarsest … │ tiles of the full picture
 * ```
 * TIFF 6.0, GeoTIFF 1.1 (OGC 19-008r4), COG (OGC 21-026), GDAL's tags 42112 and 42113.
 */
import { promisify } from 'node:util'
import { deflate } from 'node:zlib'
import { Problem } from '../errors.js'
import type { GridDomain } from './domain.js'

const deflated = promisify(deflate)
const TILE = 256

export interface Band { readonly name: string; readonly unit: string; values(): Promise<Float32Array> }

/** Every band's values are read once, in order. Throws a 413 Problem past 4 GB, where TIFF ends. */
export async function writeCog(grid: GridDomain, bands: readonly Band[], metadata: Readonly<Record<string, string>>): Promise<Buffer> {
  const levels = levelsOf(grid.cols, grid.rows)
  const tiles: Buffer[][] = levels.map(() => [])
  for (const band of bands) {
    let { values, cols, rows }: Raster = { values: await band.values(), cols: grid.cols, rows: grid.rows }
    for (const level of tiles.keys()) {
      if (level > 0) ({ values, cols, rows } = halved({ values, cols, rows }))
      tiles[level]!.push(...await tilesOf({ values, cols, rows }))
    }
  }
  return assemble(grid, levels, tiles, bands, metadata)
}

interface Raster { readonly values: Float32Array; readonly cols: number; readonly rows: number }
interface Size { readonly cols: number; readonly rows: number }

/** The picture and its halves down to one tile. */
function levelsOf(cols: number, rows: number): Size[] {
  const levels: Size[] = [{ cols, rows }]
  while (Math.max(cols, rows) > TILE) levels.push({ cols: cols = Math.ceil(cols / 2), rows: rows = Math.ceil(rows / 2) })
  return levels
}

/** Means of two by two; cells without a value take no part. */
function halved({ values, cols, rows }: Raster): Raster {
  const [wide, high] = [Math.ceil(cols / 2), Math.ceil(rows / 2)]
  const half = new Float32Array(wide * high)
  for (let row = 0; row < high; row++) for (let col = 0; col < wide; col++) {
    let [sum, count] = [0, 0]
    for (let y = row * 2; y < Math.min(rows, row * 2 + 2); y++) for (let x = col * 2; x < Math.min(cols, col * 2 + 2); x++) {
      const value = values[y * cols + x]!
      if (value === value) { sum += value; count++ }
    }
    half[row * wide + col] = count ? sum / count : NaN
  }
  return { values: half, cols: wide, rows: high }
}

function tilesOf({ values, cols, rows }: Raster): Promise<Buffer[]> {
  const tiles: Promise<Buffer>[] = []
  for (let top = 0; top < rows; top += TILE) for (let left = 0; left < cols; left += TILE) {
    const tile = new Float32Array(TILE * TILE).fill(NaN)
    for (let row = top; row < Math.min(rows, top + TILE); row++) tile.set(values.subarray(row * cols + left, row * cols + Math.min(cols, left + TILE)), (row - top) * TILE)
    tiles.push(deflated(new Uint8Array(tile.buffer), { level: 4 }))
  }
  return Promise.all(tiles)
}

// ── The file ─────────────────────────────────────────────────────────────────────────────────────

type Field = readonly [tag: number, type: 'ascii' | 'short' | 'long' | 'double', values: readonly number[] | string]
const TYPES = { ascii: { code: 2, bytes: 1 }, short: { code: 3, bytes: 2 }, long: { code: 4, bytes: 4 }, double: { code: 12, bytes: 8 } } as const
const HEADER = 8

function assemble(grid: GridDomain, levels: readonly Size[], tiles: readonly (readonly Buffer[])[], bands: readonly Band[], metadata: Readonly<Record<string, string>>): Buffer {
  // Sizes do not depend on the offsets within, so that headers are measured with zeros first.
  const unplaced = levels.map((level, i) => directory(fieldsOf(grid, level, i, tiles[i]!, tiles[i]!.map(() => 0), bands, metadata), 0, 0))
  let at = HEADER + unplaced.reduce((sum, { length }) => sum + length, 0)
  const offsets: number[][] = levels.map(() => [])
  for (let level = levels.length - 1; level >= 0; level--) for (const tile of tiles[level]!) { offsets[level]!.push(at); at += tile.length }
  if (at >= 2 ** 32) throw new Problem(413, 'too-large', 'That is more than a GeoTIFF holds. Ask for a smaller area or fewer times.')
  let start = HEADER
  const directories = levels.map((level, i) => {
    const next = i + 1 < levels.length ? start + unplaced[i]!.length : 0
    const bytes = directory(fieldsOf(grid, level, i, tiles[i]!, offsets[i]!, bands, metadata), start, next)
    start += bytes.length
    return bytes
  })
  const header = Buffer.from([0x49, 0x49, 42, 0, HEADER, 0, 0, 0])
  return Buffer.concat([header, ...directories, ...tiles.toReversed().flat()])
}

function fieldsOf(grid: GridDomain, { cols, rows }: Size, level: number, tiles: readonly Buffer[], offsets: readonly number[], bands: readonly Band[], metadata: Readonly<Record<string, string>>): Field[] {
  const n = bands.length
  const each = (value: number) => new Array<number>(n).fill(value)
  return [
    ...(level > 0 ? [[254, 'long', [1]] as const] : []),
    [256, 'long', [cols]], [257, 'long', [rows]], [258, 'short', each(32)], [259, 'short', [8]], [262, 'short', [1]],
    [277, 'short', [n]], [284, 'short', [n > 1 ? 2 : 1]], [322, 'short', [TILE]], [323, 'short', [TILE]],
    [324, 'long', offsets], [325, 'long', tiles.map(({ length }) => length)],
    ...(n > 1 ? [[338, 'short', new Array<number>(n - 1).fill(0)] as const] : []), [339, 'short', each(3)],
    ...(level === 0 ? georeference(grid) : []),
    ...(level === 0 ? [[42112, 'ascii', gdalMetadata(bands, metadata)] as const] : []),
    [42113, 'ascii', 'nan'],
  ]
}

function georeference({ crs, x0, y0, dx, dy }: GridDomain): Field[] {
  const key = (id: number, value: number) => [id, 0, 1, value]
  const keys = crs.srid === 4326 ? [key(1024, 2), key(1025, 1), key(2048, 4326)] : [key(1024, 1), key(1025, 1), key(3072, crs.srid)]
  return [
    [33550, 'double', [dx, dy, 0]], [33922, 'double', [0, 0, 0, x0 - dx / 2, y0 + dy / 2, 0]],
    [34735, 'short', [1, 1, 1, keys.length, ...keys.flat()]],
  ]
}

function gdalMetadata(bands: readonly Band[], metadata: Readonly<Record<string, string>>): string {
  const items = Object.entries(metadata).map(([name, text]) => `<Item name="${name}">${escaped(text)}</Item>`)
  const named = bands.flatMap(({ name, unit }, i) => [`<Item name="DESCRIPTION" sample="${i}" role="description">${escaped(name)}</Item>`, `<Item name="UNITTYPE" sample="${i}" role="unittype">${escaped(unit)}</Item>`])
  return `<GDALMetadata>${[...items, ...named].join('')}</GDALMetadata>`
}

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

/** An image file directory that starts at `start`, with the values that do not fit into its entries behind it. */
function directory(fields: readonly Field[], start: number, next: number): Buffer {
  const head = Buffer.alloc(2 + fields.length * 12 + 4)
  head.writeUInt16LE(fields.length, 0)
  const rest: Buffer[] = []
  let end = start + head.length
  fields.forEach(([tag, type, values], i) => {
    const at = 2 + i * 12
    const bytes = bytesOf(type, values)
    head.writeUInt16LE(tag, at)
    head.writeUInt16LE(TYPES[type].code, at + 2)
    head.writeUInt32LE(bytes.length / TYPES[type].bytes, at + 4)
    if (bytes.length <= 4) bytes.copy(head, at + 8)
    else {
      head.writeUInt32LE(end, at + 8)
      const padded = bytes.length % 2 ? Buffer.concat([bytes, Buffer.alloc(1)]) : bytes
      rest.push(padded)
      end += padded.length
    }
  })
  head.writeUInt32LE(next, head.length - 4)
  return Buffer.concat([head, ...rest])
}

function bytesOf(type: Field[1], values: Field[2]): Buffer {
  if (typeof values === 'string') return Buffer.from(`${values}\0`, 'utf8')
  const bytes = Buffer.alloc(values.length * TYPES[type].bytes)
  values.forEach((value, i) => {
    if (type === 'short') bytes.writeUInt16LE(value, i * 2)
    else if (type === 'long') bytes.writeUInt32LE(value, i * 4)
    else bytes.writeDoubleLE(value, i * 8)
  })
  return bytes
}
