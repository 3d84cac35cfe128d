/**
 * LAS and LAZ point clouds, 1.2 to 1.4 (COPC too), as heights on a grid: the mean of the points in each cell, gaps of a few
 * cells bridged in straight lines, larger ones left open. Points pass chunk by chunk, and the grid is in memory in parts.
 * Source: ASPRS LAS 1.4 R15.
 */
import { open, type FileHandle } from 'node:fs/promises'
import lazPerf, { type LazPerf } from 'laz-perf'
import { sridOfWkt } from '../crs.js'
import { badFile, reading } from '../fault.js'
import type { OpenOptions } from '../reader.js'
import { Cells } from './cells.js'
import { MAX_CELLS, type HeightGrid } from './grid.js'
import { readChunkTable } from './laz-chunks.js'

const WHAT = 'point cloud'
const GROUND = 2
const NOISE: readonly number[] = [7, 18]

interface Header {
  readonly format: number
  readonly compressed: boolean
  readonly recordBytes: number
  readonly pointsAt: number
  readonly count: number
  readonly scale: readonly number[]
  readonly offset: readonly number[]
  /** west, south, east, north */
  readonly box: readonly [number, number, number, number]
  readonly srid: number | null
  /** Metres in one unit of height. */
  readonly zMetres: number
  readonly xyMetres: number
  /** Points a chunk; null where chunks differ. */
  readonly chunkPoints: number | null
}

export async function readLas(file: string, { resolution, ground, signal }: Pick<OpenOptions, 'resolution' | 'ground' | 'signal'> = {}): Promise<HeightGrid> {
  const handle = await reading(WHAT, () => open(file))
  try {
    return await reading(WHAT, async () => {
      const header = await readHeader(handle)
      const grid = new MeanGrid(header, resolution ?? defaultResolution(header))
      try {
        for await (const points of header.compressed ? lazPoints(handle, header) : lasPoints(handle, header)) {
          signal?.throwIfAborted()
          addPoints(points, header, ground === true, grid)
        }
        return grid.finish(header.srid, ground === true)
      } catch (error) {
        grid.close()
        throw error
      }
    })
  } finally {
    await handle.close()
  }
}

async function bytesAt(handle: FileHandle, start: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length)
  const { bytesRead } = await handle.read(bytes, 0, length, start)
  if (bytesRead < length) throw badFile('The point cloud ends too early: it is truncated. Copy or download it again.')
  return bytes
}

async function readHeader(handle: FileHandle): Promise<Header> {
  const { size } = await handle.stat()
  const head = await bytesAt(handle, 0, Math.min(size, 375))
  if (head.toString('latin1', 0, 4) !== 'LASF' || head.length < 227) throw badFile('The file is no LAS or LAZ point cloud.')
  const [major, minor] = [head[24]!, head[25]!]
  if (major !== 1 || minor > 4) throw badFile(`The point cloud is of version ${major}.${minor}; 1.0 to 1.4 are read.`)
  const format = head[104]! & 0x3f
  const compressed = (head[104]! & 0xc0) !== 0
  const doubles = (at: number, count: number) => Array.from({ length: count }, (_, i) => head.readDoubleLE(at + 8 * i))
  const [east, west, north, south] = doubles(179, 4) as [number, number, number, number]
  const legacy = head.readUInt32LE(107)
  const records = await variableRecords(handle, head, size)
  const count = minor >= 4 ? Number(head.readBigUInt64LE(247)) || legacy : legacy
  const recordBytes = head.readUInt16LE(105)
  if (count === 0) throw badFile('The point cloud holds no points.')
  if (![west, south, east, north].every(Number.isFinite) || east < west || north < south) throw badFile('The point cloud’s header has no proper bounds.')
  if (recordBytes < 20) throw badFile(`The point cloud claims records of ${recordBytes} bytes, less than a point has.`)
  const laszip = records.find(({ user, id }) => user === 'laszip encoded' && id === 22204)
  if (compressed && !laszip) throw badFile('The file is LAZ, but does not say how it was compressed.')
  const chunkPoints = laszip && laszip.content.readUInt32LE(12) !== 0xffffffff ? laszip.content.readUInt32LE(12) : null
  return { format, compressed, recordBytes, pointsAt: head.readUInt32LE(96), count, scale: doubles(131, 3), offset: doubles(155, 3), box: [west, south, east, north], chunkPoints, ...systemOf(records) }
}

interface VariableRecord { readonly user: string; readonly id: number; readonly content: Buffer }

/** Those that follow the header, and since 1.4 those at the end. Larger ones are of no interest here. */
async function variableRecords(handle: FileHandle, head: Buffer, size: number): Promise<VariableRecord[]> {
  const records: VariableRecord[] = []
  const read = async (start: number, count: number, headBytes: 54 | 60) => {
    for (let at = start, i = 0; i < count && at + headBytes <= size; i++) {
      const bytes = await bytesAt(handle, at, headBytes)
      const length = headBytes === 54 ? bytes.readUInt16LE(20) : Number(bytes.readBigUInt64LE(20))
      if (length <= 1 << 16 && at + headBytes + length <= size) records.push({ user: bytes.toString('latin1', 2, 18).replace(/\0.*$/s, ''), id: bytes.readUInt16LE(18), content: await bytesAt(handle, at + headBytes, length) })
      at += headBytes + length
    }
  }
  await read(head.readUInt16LE(94), Math.min(head.readUInt32LE(100), 1000), 54)
  if (head[25]! >= 4 && head.length >= 247) await read(Number(head.readBigUInt64LE(235)), Math.min(head.readUInt32LE(243), 1000), 60)
  return records
}

/** EPSG codes of units of length → metres. */
const UNITS: Readonly<Record<number, number>> = { 9001: 1, 9002: 0.3048, 9003: 1200 / 3937 }
const GEO_KEYS = { geographic: 2048, projected: 3072, linearUnits: 3076, vertical: 4096, verticalUnits: 4099 } as const

/** The CRS by WKT where there is one, else by GeoTIFF's keys; heights are in the unit that is named for them, else in that of the plane. */
function systemOf(records: readonly VariableRecord[]): Pick<Header, 'srid' | 'zMetres' | 'xyMetres'> {
  const projection = records.filter(({ user }) => user === 'LASF_Projection')
  const wkt = projection.find(({ id }) => id === 2112)?.content.toString('utf8').replace(/\0.*$/s, '')
  if (wkt) {
    const plane = horizontal(wkt)
    const xyMetres = unitOf(plane)
    const vertical = /\b(?:VERT_CS|VERTCRS)\[.*$/is.exec(wkt)?.[0]
    return { srid: sridOfWkt(plane), xyMetres, zMetres: vertical ? unitOf(vertical) : xyMetres }
  }
  const keys = geoKeys(projection.find(({ id }) => id === 34735)?.content)
  const code = keys.get(GEO_KEYS.projected) ?? keys.get(GEO_KEYS.geographic)
  const xyMetres = UNITS[keys.get(GEO_KEYS.linearUnits) ?? 9001] ?? 1
  return { srid: code && code < 32767 ? code : null, xyMetres, zMetres: UNITS[keys.get(GEO_KEYS.verticalUnits) ?? 0] ?? xyMetres }
}

/** The horizontal part of a compound system. */
function horizontal(wkt: string): string {
  const start = wkt.search(/\b(?:PROJCS|PROJCRS|GEOGCS|GEOGCRS|GEODCRS)\[/i)
  if (start < 0) return wkt
  let depth = 0
  for (let i = start; i < wkt.length; i++) {
    if (wkt[i] === '[') depth++
    else if (wkt[i] === ']' && --depth === 0) return wkt.slice(start, i + 1)
  }
  return wkt.slice(start)
}

/** The last unit of length named in a system. */
function unitOf(wkt: string): number {
  if (/^GEOG/i.test(wkt)) return 1
  const units = [...wkt.matchAll(/\b(?:LENGTHUNIT|UNIT)\["([^"]*)",\s*([\d.eE+-]+)/gi)].filter(([, name]) => !/deg|rad/i.test(name!))
  const metres = Number(units.at(-1)?.[2])
  return metres > 0 ? metres : 1
}

function geoKeys(content: Buffer | undefined): Map<number, number> {
  const keys = new Map<number, number>()
  // Only values that stand in the key itself: codes do.
  for (let at = 8; content && at + 8 <= content.length; at += 8) if (content.readUInt16LE(at + 2) === 0) keys.set(content.readUInt16LE(at), content.readUInt16LE(at + 6))
  return keys
}

// ---- points ----

/** Uncompressed records, many at once. */
async function* lasPoints(handle: FileHandle, { pointsAt, recordBytes, count }: Header): AsyncGenerator<Buffer> {
  const most = Math.max(1, Math.floor((1 << 20) / recordBytes))
  for (let done = 0; done < count;) {
    const points = Math.min(most, count - done)
    yield await bytesAt(handle, pointsAt + done * recordBytes, points * recordBytes)
    done += points
  }
}

let module: Promise<LazPerf> | undefined

/** The module would have a say in what happens to errors of the whole process: that is taken back. */
function createDecoder(): Promise<LazPerf> {
  const events = ['uncaughtException', 'unhandledRejection'] as const
  const before = events.map(event => new Set<unknown>(process.listeners(event as 'exit')))
  const created = (lazPerf.createLazPerf as () => Promise<LazPerf>)()
  events.forEach((event, i) => {
    for (const listener of process.listeners(event as 'exit')) if (!before[i]!.has(listener)) process.off(event, listener)
  })
  return created
}

/** The records of one chunk after the other, decompressed. */
async function* lazPoints(handle: FileHandle, header: Header): AsyncGenerator<Buffer> {
  const { pointsAt, format, recordBytes } = header
  if (![0, 1, 2, 3, 6, 7, 8].includes(format)) throw badFile(`The point cloud is compressed with the point format ${format}, which cannot be decompressed here. Convert it to LAS (laszip, PDAL).`)
  const chunks = await chunkTable(handle, header)
  const wasm = await (module ??= createDecoder())
  let at = pointsAt + 8
  for (const { bytes, points } of chunks) {
    const packed = await bytesAt(handle, at, bytes)
    at += bytes
    yield unpackChunk(wasm, packed, points, format, recordBytes)
  }
}

async function chunkTable(handle: FileHandle, { pointsAt, chunkPoints, count }: Header) {
  const { size } = await handle.stat()
  let start = Number((await bytesAt(handle, pointsAt, 8)).readBigInt64LE(0))
  // A writer that could not go back has put it at the very end.
  if (start <= pointsAt) start = Number((await bytesAt(handle, size - 8, 8)).readBigInt64LE(0))
  if (start <= pointsAt || start + 8 > size) throw badFile('The LAZ file has no table of its chunks: it was cut off while it was written.')
  const chunks = readChunkTable(await bytesAt(handle, start, Math.min(size - start, 64 << 20)), chunkPoints, count)
  const end = chunks.reduce((sum, { bytes }) => sum + bytes, pointsAt + 8)
  if (end !== start) throw badFile('The LAZ file is damaged: its chunks do not add up to its length.')
  return chunks
}

function unpackChunk(wasm: LazPerf, packed: Buffer, points: number, format: number, recordBytes: number): Buffer {
  const decoder = new wasm.ChunkDecoder()
  const [source, target] = [wasm._malloc(packed.length), wasm._malloc(recordBytes)]
  try {
    wasm.HEAPU8.set(packed, source)
    decoder.open(format, recordBytes, source)
    const out = Buffer.allocUnsafe(points * recordBytes)
    for (let i = 0; i < points; i++) {
      decoder.getPoint(target)
      // The heap may have moved while a point was read.
      out.set(wasm.HEAPU8.subarray(target, target + recordBytes), i * recordBytes)
    }
    return out
  } finally {
    wasm._free(source)
    wasm._free(target)
    decoder.delete()
  }
}

/** Puts those points into the grid that count: no noise, none withheld, on request only what is classified as ground. */
function addPoints(records: Buffer, { format, recordBytes, scale, offset, zMetres }: Header, ground: boolean, grid: MeanGrid): void {
  const modern = format >= 6
  for (let at = 0; at + recordBytes <= records.length; at += recordBytes) {
    const classification = modern ? records[at + 16]! : records[at + 15]! & 0x1f
    const withheld = modern ? (records[at + 15]! & 4) !== 0 : (records[at + 15]! & 0x80) !== 0
    if (withheld || NOISE.includes(classification) || (ground && classification !== GROUND)) continue
    grid.add(records.readInt32LE(at) * scale[0]! + offset[0]!, records.readInt32LE(at + 4) * scale[1]! + offset[1]!, (records.readInt32LE(at + 8) * scale[2]! + offset[2]!) * zMetres)
  }
}

// ---- grid ----

const isDegrees = ([west, south, east, north]: Header['box']) => west >= -180 && east <= 180 && south >= -90 && north <= 90
const DEGREE_M = 111_320
/** Units of the plane in a metre. */
const perMetre = ({ box, xyMetres }: Header) => (isDegrees(box) ? 1 / DEGREE_M : 1 / xyMetres)

/** Metres: about four points a cell, as 1, 2 or 5 times a power of ten. */
function defaultResolution(header: Header): number {
  const [west, south, east, north] = header.box
  const metres = 1 / perMetre(header)
  const side = Math.sqrt((4 * (east - west) * metres * (north - south) * metres) / header.count)
  const power = 10 ** Math.floor(Math.log10(Math.max(side, 0.1)))
  return [1, 2, 5, 10].map(step => step * power).find(step => step >= side * 0.999) ?? side
}

/** Gaps of up to so many cells are bridged. */
const BRIDGED = 4

class MeanGrid {
  readonly #rows: number
  readonly #cols: number
  readonly #west: number
  readonly #north: number
  readonly #cell: number
  readonly #heights: Cells
  readonly #counts: Cells
  #inside = 0
  #outside = 0

  constructor(header: Header, resolutionM: number) {
    const [west, south, east, north] = header.box
    this.#cell = resolutionM * perMetre(header)
    // Cells lie on multiples of their size, so that neighbouring files meet.
    const [left, top] = [Math.floor(west / this.#cell), Math.ceil(north / this.#cell)]
    this.#cols = Math.max(2, Math.floor(east / this.#cell) - left + 1)
    this.#rows = Math.max(2, top - Math.ceil(south / this.#cell) + 1)
    if (!(this.#rows * this.#cols <= MAX_CELLS)) throw badFile(`At ${resolutionM} m the point cloud needs ${this.#rows} × ${this.#cols} cells, more than ${MAX_CELLS / 1e6} million. Choose a coarser --resolution, or cut the file.`)
    this.#west = (left + 0.5) * this.#cell
    this.#north = (top - 0.5) * this.#cell
    this.#heights = new Cells(this.#rows, this.#cols)
    this.#counts = new Cells(this.#rows, this.#cols)
  }

  add(x: number, y: number, height: number): void {
    const col = Math.round((x - this.#west) / this.#cell)
    const row = Math.round((this.#north - y) / this.#cell)
    if (!(col >= 0 && row >= 0 && col < this.#cols && row < this.#rows)) { this.#outside++; return }
    this.#inside++
    const before = this.#counts.get(row, col)
    const count = before === before ? before : 0
    const mean = count === 0 ? height : this.#heights.get(row, col)
    this.#heights.set(row, col, mean + (height - mean) / (count + 1))
    if (count < 65_535) this.#counts.set(row, col, count + 1)
  }

  close(): void {
    this.#counts.close()
    this.#heights.close()
  }

  finish(srid: number | null, ground: boolean): HeightGrid {
    if (this.#inside === 0) throw badFile(ground ? 'The point cloud has no points that are classified as ground (class 2). Leave --ground away.' : 'The point cloud has no points within its own bounds.')
    if (this.#outside > this.#inside / 100) throw badFile(`${this.#outside} points lie outside the bounds that the point cloud’s header gives: it is damaged.`)
    this.#counts.close()
    const heights = bridged(this.#heights)
    this.#heights.close()
    return { heights, rows: this.#rows, cols: this.#cols, west: this.#west, north: this.#north, cellX: this.#cell, cellY: this.#cell, srid }
  }
}

const DIRECTIONS = [[0, 1], [1, 0], [1, 1], [1, -1]] as const

/**
 * Empty cells between filled ones: along each of four lines on which both sides are near, the height between them, the nearer
 * lines counting more. As in a triangulation nothing is carried beyond the outermost points, and what is farther stays open.
 */
function bridged(heights: Cells): Cells {
  const { rows, cols } = heights
  const out = new Cells(rows, cols)
  const find = (row: number, col: number, dr: number, dc: number): number => {
    for (let step = 1; step <= BRIDGED; step++) {
      const [r, c] = [row + dr * step, col + dc * step]
      if (r < 0 || c < 0 || r >= rows || c >= cols) return 0
      if (!Number.isNaN(heights.get(r, c))) return step
    }
    return 0
  }
  heights.eachCell((row, col) => {
    const own = heights.get(row, col)
    if (!Number.isNaN(own)) return out.set(row, col, own)
    let [sum, weights] = [0, 0]
    for (const [dr, dc] of DIRECTIONS) {
      const [ahead, behind] = [find(row, col, dr, dc), find(row, col, -dr, -dc)]
      if (ahead === 0 || behind === 0 || ahead + behind > BRIDGED + 1) continue
      const [a, b] = [heights.get(row + ahead * dr, col + ahead * dc), heights.get(row - behind * dr, col - behind * dc)]
      const weight = 1 / ((ahead + behind) * Math.hypot(dr, dc))
      sum += weight * ((a * behind + b * ahead) / (ahead + behind))
      weights += weight
    }
    if (weights > 0) out.set(row, col, sum / weights)
  })
  return out
}
