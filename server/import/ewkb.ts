import type { GeoJsonGeometry } from '../../core/filter/ast.js'

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

/** A geometry that cannot be encoded; the message is the reason of the reject. */
export class GeometryFault extends Error {
  override readonly name = 'GeometryFault'
}

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
  writeGeometry(geometry, range, true, hasZ(geometry), 0)
  return { hex: buffer.toString('hex', 0, offset), closed }
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

function writePosition(position: readonly unknown[], { geographic, srid }: CoordinateRange, z: boolean) {
  const x = position[0] as number
  const y = position[1] as number
  if (!Number.isFinite(x) || !Number.isFinite(y)) throw new GeometryFault('a coordinate that is not a number')
  // A hair of tolerance: files round 180° and 90° upwards.
  if (geographic ? Math.abs(x) > 180.0000001 || Math.abs(y) > 90.0000001 : Math.abs(x) > 1e9 || Math.abs(y) > 1e9)
    throw new GeometryFault(`outside the CRS: ${x}, ${y} cannot be EPSG:${srid}: wrong --crs?`)
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
