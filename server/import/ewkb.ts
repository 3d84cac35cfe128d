import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import { GeometryFault } from './fault.js'
import { WkbGeometry } from './wkb.js'

/**
 * Geometry as hex EWKB, the text that COPY takes for a PostGIS column.
 * Format: OGC 06-103r4 §8.2 with PostGIS' flags for Z (0x80000000) and SRID (0x20000000).
 */
const TYPES: Readonly<Record<string, number>> = {
  Point: 1, LineString: 2, Polygon: 3, MultiPoint: 4, MultiLineString: 5, MultiPolygon: 6, GeometryCollection: 7,
}
const POLYHEDRAL_SURFACE = 15
const Z_FLAG = 0x80000000
const SRID_FLAG = 0x20000000

export interface EncodedGeometry {
  readonly hex: string
  /** True where an open ring had to be closed. */
  readonly closed: boolean
}

/** What coordinates may be; used to catch a wrong CRS before the database meets it. */
export interface CoordinateRange { readonly geographic: boolean; readonly srid: number }

let buffer = Buffer.allocUnsafe(1 << 16)
let offset = 0
let closed = false

function reserve(bytes: number) {
  if (offset + bytes <= buffer.length) return
  const larger = Buffer.allocUnsafe(Math.max(buffer.length * 2, offset + bytes))
  buffer.copy(larger, 0, 0, offset)
  buffer = larger
}
function byteOrderAndType(type: number) {
  reserve(9)
  buffer[offset++] = 1
  offset = buffer.writeUInt32LE(type >>> 0, offset)
}
function uint32(value: number) {
  reserve(4)
  offset = buffer.writeUInt32LE(value, offset)
}
function double(value: number) {
  reserve(8)
  offset = buffer.writeDoubleLE(value, offset)
}

/** A GeoJSON geometry in the CRS of `range`. Throws GeometryFault for shapes no repair can save. */
export function encodeGeometry(geometry: GeoJsonGeometry, range: CoordinateRange): EncodedGeometry {
  offset = 0
  closed = false
  if (!(geometry instanceof WkbGeometry && new WkbCopier(geometry, range).copy())) {
    offset = 0
    writeGeometry(geometry, range, true, hasZ(geometry), 0)
  }
  return { hex: buffer.toString('hex', 0, offset), closed }
}

/**
 * Copies WKB as it is, checked on the way, without making arrays of its coordinates.
 * What is not plain little-endian, or has to be mended, is left to the longer way.
 */
class WkbCopier {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at: number

  constructor(geometry: WkbGeometry, readonly range: CoordinateRange) {
    this.#bytes = geometry.bytes
    this.#view = new DataView(geometry.bytes.buffer, geometry.bytes.byteOffset, geometry.bytes.byteLength)
    this.#at = geometry.start
  }

  /** False where the longer way has to be taken. */
  copy(depth = 0): boolean {
    if (depth > MAX_NESTING || !this.#has(9) || this.#view.getUint8(this.#at) !== 1) return false
    const code = this.#view.getUint32(this.#at + 1, true)
    this.#at += 5
    const type = code % 1000
    const z = code === type + 1000
    if ((code !== type && !z) || type < 1 || type > 7) return false
    byteOrderAndType((type | (z ? Z_FLAG : 0) | (depth ? 0 : SRID_FLAG)) >>> 0)
    if (depth === 0) uint32(this.range.srid)
    const size = z ? 24 : 16
    if (type === 1) return this.#positions(1, size)
    const count = this.#count()
    if (count < 0) return false
    if (type === 2) return count !== 1 && this.#positions(count, size)
    for (let i = 0; i < count; i++) if (!(type === 3 ? this.#ring(size) : this.copy(depth + 1))) return false
    return true
  }

  #ring(size: number): boolean {
    const count = this.#count()
    const [first, last] = [this.#at, this.#at + (count - 1) * size]
    if (count < 4 || !this.#positions(count, size)) return false
    for (let at = 0; at < size; at += 8) if (this.#view.getFloat64(first + at, true) !== this.#view.getFloat64(last + at, true)) return false
    return true
  }

  #positions(count: number, size: number): boolean {
    const end = this.#at + count * size
    if (!this.#has(count * size)) return false
    for (let at = this.#at; at < end; at += size) {
      const [x, y] = [this.#view.getFloat64(at, true), this.#view.getFloat64(at + 8, true)]
      if (!isInside(x, y, this.range) || (size === 24 && !Number.isFinite(this.#view.getFloat64(at + 16, true)))) return false
    }
    reserve(count * size)
    buffer.set(this.#bytes.subarray(this.#at, end), offset)
    offset += count * size
    this.#at = end
    return true
  }

  #count(): number {
    if (!this.#has(4)) return -1
    const count = this.#view.getUint32(this.#at, true)
    this.#at += 4
    // Written now; the longer way starts again from nothing.
    uint32(count)
    return count
  }

  #has(bytes: number): boolean {
    return this.#at + bytes <= this.#view.byteLength
  }
}

/** Faces (rings of [x, y, z]) as a POLYHEDRALSURFACE Z. */
export function encodeSolid(faces: readonly (readonly (readonly (readonly number[])[])[])[], range: CoordinateRange): string {
  offset = 0
  closed = false
  byteOrderAndType(POLYHEDRAL_SURFACE | Z_FLAG | SRID_FLAG)
  uint32(range.srid)
  uint32(faces.length)
  for (const rings of faces) {
    byteOrderAndType(TYPES.Polygon! | Z_FLAG)
    writeRings(rings, range, true)
  }
  return buffer.toString('hex', 0, offset)
}

const MAX_NESTING = 16
function writeGeometry(geometry: GeoJsonGeometry, range: CoordinateRange, outer: boolean, z: boolean, depth: number): void {
  const type = TYPES[geometry.type]
  if (!type) throw new GeometryFault(`unknown geometry type “${String(geometry.type).slice(0, 40)}”`)
  if (depth > MAX_NESTING) throw new GeometryFault('geometry collections nested too deep')
  byteOrderAndType((type | (z ? Z_FLAG : 0) | (outer ? SRID_FLAG : 0)) >>> 0)
  if (outer) uint32(range.srid)
  if (geometry.type === 'GeometryCollection') {
    const members = list(geometry.geometries)
    uint32(members.length)
    for (const member of members) writeGeometry(member as GeoJsonGeometry, range, false, z, depth + 1)
    return
  }
  const coordinates = list(geometry.coordinates)
  switch (geometry.type) {
    case 'Point':
      if (coordinates.length === 0) throw new GeometryFault('empty geometry')
      return writePosition(coordinates, range, z)
    case 'LineString': return writeLine(coordinates, range, z)
    case 'Polygon': return writeRings(coordinates, range, z)
    default: {
      uint32(coordinates.length)
      const member = geometry.type.slice('Multi'.length)
      for (const part of coordinates) writeGeometry({ type: member, coordinates: part }, range, false, z, depth + 1)
    }
  }
}

function writeLine(positions: readonly unknown[], range: CoordinateRange, z: boolean) {
  if (positions.length === 1) throw new GeometryFault('a line of one point')
  uint32(positions.length)
  for (const position of positions) writePosition(list(position), range, z)
}

function writeRings(rings: readonly unknown[], range: CoordinateRange, z: boolean) {
  uint32(rings.length)
  for (const ring of rings) {
    const positions = list(ring)
    const first = list(positions[0] ?? [])
    const last = list(positions[positions.length - 1] ?? [])
    const open = positions.length > 0 && (first[0] !== last[0] || first[1] !== last[1] || (z && (first[2] ?? 0) !== (last[2] ?? 0)))
    const count = positions.length + (open ? 1 : 0)
    if (count > 0 && count < 4) throw new GeometryFault(`a ring of ${positions.length} points`)
    uint32(count)
    for (const position of positions) writePosition(list(position), range, z)
    if (open) {
      writePosition(first, range, z)
      closed = true
    }
  }
}

/** Whether a position can be of its CRS at all. A hair of tolerance: files round 180° and 90° upwards. */
function isInside(x: number, y: number, { geographic }: CoordinateRange): boolean {
  return geographic ? Math.abs(x) <= 180.0000001 && Math.abs(y) <= 90.0000001 : Math.abs(x) <= 1e9 && Math.abs(y) <= 1e9
}

function writePosition(position: readonly unknown[], range: CoordinateRange, z: boolean) {
  const x = position[0] as number
  const y = position[1] as number
  if (!Number.isFinite(x) || !Number.isFinite(y)) throw new GeometryFault('a coordinate that is not a number')
  if (!isInside(x, y, range)) throw new GeometryFault(`outside the CRS: ${x}, ${y} cannot be EPSG:${range.srid}: wrong --crs?`)
  double(x)
  double(y)
  if (z) double(Number.isFinite(position[2]) ? position[2] as number : 0)
}

function hasZ(geometry: GeoJsonGeometry): boolean {
  if (geometry.type === 'GeometryCollection') return (geometry.geometries ?? []).some(hasZ)
  let first: unknown = geometry.coordinates
  while (Array.isArray(first) && Array.isArray(first[0])) first = first[0]
  return Array.isArray(first) && first.length > 2
}

function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new GeometryFault('coordinates that are not a list')
  return value
}
