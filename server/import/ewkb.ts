import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import { hasZ, type Faces } from '../../core/geometry/wkb.js'
import type { Layer } from '../../layers/layer.js'
import { surelyValid } from './quick-valid.js'
import { EwkbWriter, GeometryFault, LEAST_PART, LEAST_RING, MAX_NESTING, POLYHEDRAL_SURFACE, WkbCursor, wkbCode } from '../../core/geometry/wkb-bytes.js'
import { WkbGeometry } from './wkb-geometry.js'

/** Geometry as hex EWKB, the text that COPY takes for a PostGIS column: checked, and rings closed, on the way. */
export interface EncodedGeometry {
  readonly hex: string
  /** True where an open ring had to be closed. */
  readonly closed: boolean
}

/** What coordinates may be; used to catch a wrong CRS before the database meets it. */
export interface CoordinateRange { readonly geographic: boolean; readonly srid: number }

const out = new EwkbWriter()
let closed = false

function hexOfWritten(): string {
  const { buffer, byteOffset, length } = out.written()
  return Buffer.from(buffer, byteOffset, length).toString('hex')
}

/** A GeoJSON geometry in the CRS of `range`. Throws GeometryFault for shapes no repair can save. */
export function encodeGeometry(geometry: GeoJsonGeometry, range: CoordinateRange): EncodedGeometry {
  writeWhole(geometry, range)
  return { hex: hexOfWritten(), closed }
}

function writeWhole(geometry: GeoJsonGeometry, range: CoordinateRange): void {
  out.reset()
  closed = false
  if (!(geometry instanceof WkbGeometry && copyWkb(new WkbCursor(geometry.bytes, geometry.start), range))) {
    out.reset()
    writeGeometry(geometry, range, hasZ(geometry), 0)
  }
}

const SINGLE = { point: 1, line: 2, polygon: 3 } as const
const EWKB_HEAD_BYTES = 9

/**
 * A geometry as a layer's table holds it, as EWKB: two-dimensional, of the layer's type, multi where that is; good until the next one.
 * Null where it is not surely valid and in place as it came, so that PostGIS has to look at it. Throws as encodeGeometry does.
 */
export function soundBytes(geometry: GeoJsonGeometry, range: CoordinateRange, wanted: Layer['geometry']): Uint8Array | null {
  writeWhole(geometry, range)
  const bytes = out.written()
  const type = bytes[1]!
  // The flag of Z (0x80) makes it a matter of heights; a collection is a matter of taste.
  if (closed || (bytes[4]! & 0x80) !== 0 || type > 6 || !surelyValid(bytes)) return null
  if (wanted === 'any') return bytes
  const single = SINGLE[wanted]
  if (type === single + 3 && wanted !== 'point') return bytes
  if (type !== single) return null
  return wanted === 'point' ? bytes : asMulti(bytes, single)
}

let multi = new Uint8Array(1024)

/** One part of its own: the head with the SRID goes to the whole, the part gets a bare one. */
function asMulti(bytes: Uint8Array, single: number): Uint8Array {
  const length = bytes.length + 9
  if (length > multi.length) multi = new Uint8Array(length * 2)
  multi.set(bytes.subarray(0, EWKB_HEAD_BYTES))
  multi[1] = single + 3
  multi.set([1, 0, 0, 0, 1, single, 0, 0, 0], EWKB_HEAD_BYTES)
  multi.set(bytes.subarray(EWKB_HEAD_BYTES), 2 * EWKB_HEAD_BYTES)
  return multi.subarray(0, length)
}

/** Faces (rings of [x, y, z]) as a POLYHEDRALSURFACE Z. */
export function encodeSolid(faces: Faces, range: CoordinateRange): string {
  writeSolid(faces, range)
  return hexOfWritten()
}

/** As encodeSolid, as bytes that are good until the next geometry. */
export function solidBytes(faces: Faces, range: CoordinateRange): Uint8Array {
  writeSolid(faces, range)
  return out.written()
}

function writeSolid(faces: Faces, range: CoordinateRange): void {
  out.reset()
  closed = false
  out.head(POLYHEDRAL_SURFACE, true, range.srid)
  out.uint32(faces.length)
  for (const rings of faces) {
    out.head(wkbCode('Polygon')!, true)
    writeRings(rings, range, true)
  }
}

/**
 * Copies WKB as it is, checked on the way, without making arrays of its coordinates.
 * False where it is not plain little-endian or has to be mended: then the longer way has to be taken, from the start.
 */
function copyWkb(from: WkbCursor, range: CoordinateRange, depth = 0): boolean {
  const { type, z, m, size } = from.head()
  if (depth > MAX_NESTING || !from.little || m || type < 1 || type > 7) return false
  out.head(type, z, depth ? undefined : range.srid)
  if (type === 1) return copyPositions(from, 1, size, range)
  const count = from.count(type === 2 ? size : type === 3 ? LEAST_RING : LEAST_PART)
  out.uint32(count)
  if (type === 2) return count !== 1 && copyPositions(from, count, size, range)
  for (let i = 0; i < count; i++) if (!(type === 3 ? copyRing(from, size, range) : copyWkb(from, range, depth + 1))) return false
  return true
}

function copyRing(from: WkbCursor, size: number, range: CoordinateRange): boolean {
  const count = from.count(size)
  const [first, last] = [from.at, from.at + (count - 1) * size]
  out.uint32(count)
  if (count < 4 || !copyPositions(from, count, size, range)) return false
  for (let at = 0; at < size; at += 8) if (from.view.getFloat64(first + at, true) !== from.view.getFloat64(last + at, true)) return false
  return true
}

function copyPositions(from: WkbCursor, count: number, size: number, range: CoordinateRange): boolean {
  from.need(count * size)
  const { view, at: start } = from
  const end = start + count * size
  for (let at = start; at < end; at += size) {
    if (!isInside(view.getFloat64(at, true), view.getFloat64(at + 8, true), range)) return false
    if (size === 24 && !Number.isFinite(view.getFloat64(at + 16, true))) return false
  }
  out.copy(from.bytes.subarray(start, end))
  from.at = end
  return true
}

function writeGeometry(geometry: GeoJsonGeometry, range: CoordinateRange, z: boolean, depth: number): void {
  const type = wkbCode(geometry?.type)
  if (type === undefined) throw new GeometryFault(`unknown geometry type “${String(geometry?.type).slice(0, 40)}”`)
  if (depth > MAX_NESTING) throw new GeometryFault('geometry collections nested too deep')
  out.head(type, z, depth ? undefined : range.srid)
  if (geometry.type === 'GeometryCollection') {
    const members = list(geometry.geometries)
    out.uint32(members.length)
    for (const member of members) writeGeometry(member as GeoJsonGeometry, range, z, depth + 1)
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
      out.uint32(coordinates.length)
      const member = geometry.type.slice('Multi'.length)
      for (const part of coordinates) writeGeometry({ type: member, coordinates: part }, range, z, depth + 1)
    }
  }
}

function writeLine(positions: readonly unknown[], range: CoordinateRange, z: boolean) {
  if (positions.length === 1) throw new GeometryFault('a line of one point')
  out.uint32(positions.length)
  for (const position of positions) writePosition(list(position), range, z)
}

function writeRings(rings: readonly unknown[], range: CoordinateRange, z: boolean) {
  out.uint32(rings.length)
  for (const ring of rings) {
    const positions = list(ring)
    const first = list(positions[0] ?? [])
    const last = list(positions[positions.length - 1] ?? [])
    const open = positions.length > 0 && (first[0] !== last[0] || first[1] !== last[1] || (z && (first[2] ?? 0) !== (last[2] ?? 0)))
    const count = positions.length + (open ? 1 : 0)
    if (count > 0 && count < 4) throw new GeometryFault(`a ring of ${positions.length} points`)
    out.uint32(count)
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
  out.float64(x)
  out.float64(y)
  if (z) out.float64(Number.isFinite(position[2]) ? position[2] as number : 0)
}

function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new GeometryFault('coordinates that are not a list')
  return value
}
