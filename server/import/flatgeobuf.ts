import type { Feature } from '../../core/feature.js'
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import { GeometryFault, MAX_NESTING, WKB_TYPES } from '../../core/geometry/wkb-bytes.js'
import { asBadFile, badFile } from './fault.js'
import { COLUMN, COLUMN_TYPES, CRS, DEFAULT_NODE_SIZE, FEATURE, GEOMETRY, HEADER, levelSizes, MAGIC, NODE_BYTES, type FgbColumnType } from './flatgeobuf-schema.js'
import { layerName } from './geojson.js'
import { sridOfWkt } from './crs.js'
import type { SourceFile } from './source.js'
import { bytesOf } from './unpack.js'
import { WkbGeometry } from './wkb-geometry.js'

const WHAT = 'FlatGeobuf file'
/** Larger headers and features are damage, not data. */
const MAX_PART_BYTES = 256 * 2 ** 20

interface Header {
  readonly name: string
  readonly geometryType: number
  readonly columns: readonly { readonly name: string; readonly type: FgbColumnType }[]
  readonly count: number
  readonly nodeSize: number
  readonly srid: number | null
}

/** FlatGeobuf, streamed: geometries go from the file to the database as bytes, without becoming objects on the way. */
export async function openFlatGeobuf(file: string): Promise<SourceFile> {
  const bytes = new ByteStream(file)
  const header = await readHeader(bytes).finally(() => bytes.close())
  return {
    format: 'flatgeobuf',
    layers: [{ name: header.name || layerName(file), srid: header.srid, ...(header.count > 0 ? { count: header.count } : {}), features: () => features(file) }],
    close: async () => {},
  }
}

async function readHeader(bytes: ByteStream): Promise<Header> {
  const magic = await bytes.take(8)
  if (!magic || MAGIC.some((byte, i) => magic[i] !== byte)) throw badFile('The file is no FlatGeobuf of version 3.')
  const part = await bytes.takeSized()
  if (!part) throw truncated()
  return guarded(() => headerOf(part))
}

async function* features(file: string): AsyncGenerator<Feature> {
  const bytes = new ByteStream(file)
  try {
    const header = await readHeader(bytes)
    if (header.nodeSize > 0 && header.count > 0) await bytes.skip(levelSizes(header.count, header.nodeSize).reduce((a, b) => a + b) * NODE_BYTES)
    const read = featureReader(header)
    let row = 0
    for (;;) {
      // Most features lie whole in the chunk at hand: no promise for them.
      const part = bytes.takeSizedNow() ?? await bytes.takeSized()
      if (!part) break
      yield read(part, ++row)
    }
    if (header.count > 0 && row < header.count) throw truncated()
  } finally {
    bytes.close()
  }
}

const truncated = () => badFile('The FlatGeobuf file ends too early: it is truncated. Copy or download it again.')

/** What a damaged file makes the buffer throw, as a sentence. */
function guarded<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw error instanceof RangeError ? badFile('The FlatGeobuf file is damaged: an offset in it leads nowhere.') : asBadFile(WHAT, error)
  }
}

/** The file's bytes in parts of the size that is asked for. */
class ByteStream {
  readonly #chunks: AsyncGenerator<Buffer>
  #chunk: Buffer = Buffer.alloc(0)
  #at = 0

  constructor(file: string) {
    this.#chunks = bytesOf(file, WHAT)
  }

  /** Null where nothing is left. */
  async take(size: number): Promise<Buffer | null> {
    if (this.#chunk.length - this.#at < size) {
      const parts: Buffer[] = [this.#chunk.subarray(this.#at)]
      for (let have = parts[0]!.length; have < size;) {
        const { value, done } = await this.#chunks.next()
        if (done) {
          if (have === 0) return null
          throw truncated()
        }
        parts.push(value)
        have += value.length
      }
      this.#chunk = Buffer.concat(parts)
      this.#at = 0
    }
    return this.#chunk.subarray(this.#at, this.#at += size)
  }

  /** A part with its size before it. */
  async takeSized(): Promise<Buffer | null> {
    const head = await this.take(4)
    if (!head) return null
    const size = head.readUInt32LE(0)
    if (size > MAX_PART_BYTES) throw badFile(`The FlatGeobuf file is damaged: a part of ${size} bytes is announced.`)
    const part = await this.take(size)
    if (!part) throw truncated()
    return part
  }

  takeSizedNow(): Buffer | null {
    const chunk = this.#chunk
    const start = this.#at + 4
    if (start > chunk.length) return null
    const end = start + chunk.readUInt32LE(this.#at)
    if (end > chunk.length) return null
    this.#at = end
    return chunk.subarray(start, end)
  }

  async skip(size: number): Promise<void> {
    for (let left = size; left > 0;) {
      const step = Math.min(left, 1 << 20)
      if (!await this.take(step)) throw truncated()
      left -= step
    }
  }

  close(): void {
    void this.#chunks.return(undefined)
  }
}

// ---- flatbuffers: a table begins with the way back to its vtable, which says where each field lies ----

const root = (bytes: Buffer) => bytes.readUInt32LE(0)

/** Where a field of a table lies; 0 where it is absent. */
function field(bytes: Buffer, table: number, number: number): number {
  const vtable = table - bytes.readInt32LE(table)
  const slot = 4 + 2 * number
  if (slot >= bytes.readUInt16LE(vtable)) return 0
  const offset = bytes.readUInt16LE(vtable + slot)
  return offset === 0 ? 0 : table + offset
}

/** What the offset at `at` leads to. */
const follow = (bytes: Buffer, at: number) => at + bytes.readUInt32LE(at)

function textAt(bytes: Buffer, at: number): string {
  if (at === 0) return ''
  const start = follow(bytes, at)
  return bytes.toString('utf8', start + 4, start + 4 + bytes.readUInt32LE(start))
}

/** Start and length of a vector whose items have `size` bytes. */
function vector(bytes: Buffer, at: number, size: number): { readonly start: number; readonly length: number } {
  if (at === 0) return NO_VECTOR
  const before = follow(bytes, at)
  const length = bytes.readUInt32LE(before)
  if (before + 4 + length * size > bytes.length) throw new RangeError('vector beyond its buffer')
  return { start: before + 4, length }
}
const NO_VECTOR = { start: 0, length: 0 }

function tables(bytes: Buffer, at: number): number[] {
  const { start, length } = vector(bytes, at, 4)
  return Array.from({ length }, (_, i) => follow(bytes, start + 4 * i))
}

function headerOf(bytes: Buffer): Header {
  const table = root(bytes)
  const at = (name: keyof typeof HEADER) => field(bytes, table, HEADER[name])
  const columns = tables(bytes, at('columns')).map(column => {
    const type = field(bytes, column, COLUMN.type)
    const number = type ? bytes.readUInt8(type) : 0
    if (!COLUMN_TYPES[number]) throw badFile(`The FlatGeobuf file has a column of the unknown type ${number}.`)
    return { name: textAt(bytes, field(bytes, column, COLUMN.name)), type: COLUMN_TYPES[number] }
  })
  const [type, count, nodes, crs] = [at('geometryType'), at('featuresCount'), at('indexNodeSize'), at('crs')]
  const nodeSize = nodes ? bytes.readUInt16LE(nodes) : DEFAULT_NODE_SIZE
  if (nodeSize === 1) throw badFile('The FlatGeobuf file is damaged: its index has one entry a node.')
  return {
    name: textAt(bytes, at('name')), geometryType: type ? bytes.readUInt8(type) : 0, columns,
    count: count ? Number(bytes.readBigUInt64LE(count)) : 0, nodeSize, srid: crs ? sridOf(bytes, follow(bytes, crs)) : null,
  }
}

function sridOf(bytes: Buffer, crs: number): number | null {
  const code = field(bytes, crs, CRS.code)
  const org = textAt(bytes, field(bytes, crs, CRS.org))
  if (code && bytes.readInt32LE(code) > 0 && /^(EPSG)?$/i.test(org)) return bytes.readInt32LE(code)
  const wkt = textAt(bytes, field(bytes, crs, CRS.wkt))
  return wkt ? sridOfWkt(wkt) : null
}

/** Reads the features of one file, one after the other. */
function featureReader({ columns, geometryType }: Header): (bytes: Buffer, row: number) => Feature {
  const identity = columns.findIndex(({ name }) => /^(id|fid)$/i.test(name))
  const idName = columns[identity]?.name
  return (bytes, row) => guarded(() => {
    const table = root(bytes)
    const properties = propertiesOf(bytes, field(bytes, table, FEATURE.properties), columns)
    const feature: { -readonly [K in keyof Feature]: Feature[K] } = { geometry: null, properties, row }
    const id = idName === undefined ? undefined : properties[idName]
    if (id !== undefined && id !== null) feature.sourceId = String(id)
    const geometry = field(bytes, table, FEATURE.geometry)
    if (geometry === 0) return feature
    try {
      feature.geometry = geometryOf(bytes, follow(bytes, geometry), geometryType)
    } catch (error) {
      if (!(error instanceof GeometryFault)) throw error
      feature.fault = error.message
    }
    return feature
  })
}

function propertiesOf(bytes: Buffer, at: number, columns: Header['columns']): Record<string, unknown> {
  const properties: Record<string, unknown> = {}
  const { start, length } = vector(bytes, at, 1)
  const end = start + length
  for (let next = start; next < end;) {
    const column = columns[bytes.readUInt16LE(next)]
    if (!column) throw new RangeError('no such column')
    next += 2
    switch (column.type) {
      case 'bool': properties[column.name] = bytes.readUInt8(next) !== 0; next += 1; break
      case 'byte': properties[column.name] = bytes.readInt8(next); next += 1; break
      case 'ubyte': properties[column.name] = bytes.readUInt8(next); next += 1; break
      case 'short': properties[column.name] = bytes.readInt16LE(next); next += 2; break
      case 'ushort': properties[column.name] = bytes.readUInt16LE(next); next += 2; break
      case 'int': properties[column.name] = bytes.readInt32LE(next); next += 4; break
      case 'uint': properties[column.name] = bytes.readUInt32LE(next); next += 4; break
      case 'long': properties[column.name] = Number(bytes.readBigInt64LE(next)); next += 8; break
      case 'ulong': properties[column.name] = Number(bytes.readBigUInt64LE(next)); next += 8; break
      case 'float': properties[column.name] = bytes.readFloatLE(next); next += 4; break
      case 'double': properties[column.name] = bytes.readDoubleLE(next); next += 8; break
      case 'string': case 'json': case 'datetime': case 'binary': {
        const from = next + 4
        next = from + bytes.readUInt32LE(next)
        if (next > end) throw new RangeError('text beyond its properties')
        // Attribute blobs (photos, documents) have no place in a column.
        if (column.type !== 'binary') properties[column.name] = column.type === 'json' ? jsonOf(bytes.toString('utf8', from, next)) : bytes.toString('utf8', from, next)
      }
    }
  }
  return properties
}

function jsonOf(text: string): unknown {
  try { return JSON.parse(text) } catch { return text }
}

// ---- geometries: FlatGeobuf's tables → little-endian WKB ----

function geometryOf(bytes: Buffer, table: number, headerType: number): GeoJsonGeometry {
  const shape = shapeOf(bytes, table, headerType, 0)
  const wkb = Buffer.allocUnsafe(shape.size)
  writeShape(bytes, shape, wkb, 0)
  return new WkbGeometry(wkb, 0)
}

/** A geometry's vectors in the file, and how many bytes it will have as WKB. */
interface Shape {
  readonly type: number
  readonly xy: number
  readonly points: number
  /** Where the heights lie; 0 where there are none. */
  readonly z: number
  readonly ends: number
  readonly rings: number
  readonly parts: readonly Shape[]
  readonly size: number
}

function shapeOf(bytes: Buffer, table: number, headerType: number, depth: number): Shape {
  if (depth > MAX_NESTING) throw new GeometryFault('geometry collections nested too deep')
  const own = field(bytes, table, GEOMETRY.type)
  const type = (own && bytes.readUInt8(own)) || headerType
  const xy = vector(bytes, field(bytes, table, GEOMETRY.xy), 8)
  const heights = vector(bytes, field(bytes, table, GEOMETRY.z), 8)
  const ends = vector(bytes, field(bytes, table, GEOMETRY.ends), 4)
  const points = xy.length >> 1
  if (heights.length > 0 && heights.length < points) throw new GeometryFault('fewer heights than points')
  const z = heights.length > 0 ? heights.start : 0
  // One ring or line needs no ends.
  const rings = ends.length || (points > 0 ? 1 : 0)
  const inParts = type === 6 || type === 7 || type > 14 && type < 17
  const parts = inParts ? tables(bytes, field(bytes, table, GEOMETRY.parts)).map(part => shapeOf(bytes, part, partType(type), depth + 1)) : []
  const position = z ? 24 : 16
  const size = parts.reduce((sum, part) => sum + part.size, 0) + 5 + (type === 1 ? 16 + (z ? 8 : 0) : 4 + points * position + (type === 4 ? points * 5 : 0) + (type === 3 || type === 17 ? rings * 4 : type === 5 ? rings * 9 : 0))
  return { type, xy: xy.start, points, z, ends: ends.length ? ends.start : 0, rings, parts, size }
}

/** What the parts of a multi geometry are where they do not say. */
function partType(type: number): number {
  switch (type) {
    case 6: case 15: return 3
    case 16: return 17
    default: return 0
  }
}

const Z_FLAG = 0x80000000

function writeShape(bytes: Buffer, shape: Shape, out: Buffer, at: number): number {
  const { type, points, z, rings, parts } = shape
  if (type < 1 || !WKB_TYPES[type] || type > 7 && type < 15) throw new GeometryFault(`${WKB_TYPES[type] ?? `type ${type}`}: curves are not supported; linearise the layer first`)
  at = writeHead(out, at, type, z !== 0)
  switch (type) {
    case 1: return points > 0 ? writePositions(bytes, shape, 0, 1, out, at) : writeNothing(out, at, z !== 0)
    case 2: return writePositions(bytes, shape, 0, points, out, out.writeUInt32LE(points, at))
    case 3: case 17: return writeRings(bytes, shape, out, out.writeUInt32LE(rings, at), false)
    case 4:
      at = out.writeUInt32LE(points, at)
      for (let i = 0; i < points; i++) at = writePositions(bytes, shape, i, i + 1, out, writeHead(out, at, 1, z !== 0))
      return at
    case 5: return writeRings(bytes, shape, out, out.writeUInt32LE(rings, at), true)
    default:
      at = out.writeUInt32LE(parts.length, at)
      for (const part of parts) at = writeShape(bytes, part, out, at)
      return at
  }
}

function writeHead(out: Buffer, at: number, type: number, z: boolean): number {
  out[at] = 1
  return out.writeUInt32LE((type | (z ? Z_FLAG : 0)) >>> 0, at + 1)
}

function writeNothing(out: Buffer, at: number, z: boolean): number {
  for (let i = 0; i < (z ? 3 : 2); i++) at = out.writeDoubleLE(NaN, at)
  return at
}

/** The rings of a polygon, or the lines of several. */
function writeRings(bytes: Buffer, shape: Shape, out: Buffer, at: number, lines: boolean): number {
  let from = 0
  for (let i = 0; i < shape.rings; i++) {
    const to = shape.ends ? bytes.readUInt32LE(shape.ends + 4 * i) : shape.points
    if (to < from || to > shape.points) throw new GeometryFault('a ring that ends before it starts')
    if (lines) at = writeHead(out, at, 2, shape.z !== 0)
    at = writePositions(bytes, shape, from, to, out, out.writeUInt32LE(to - from, at))
    from = to
  }
  return at
}

function writePositions(bytes: Buffer, { xy, z }: Shape, from: number, to: number, out: Buffer, at: number): number {
  if (z === 0) return at + bytes.copy(out, at, xy + from * 16, xy + to * 16)
  for (let i = from; i < to; i++) {
    bytes.copy(out, at, xy + i * 16, xy + i * 16 + 16)
    bytes.copy(out, at + 16, z + i * 8, z + i * 8 + 8)
    at += 24
  }
  return at
}
