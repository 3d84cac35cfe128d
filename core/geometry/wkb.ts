/** Geometries to and from well-known binary, as PostGIS speaks it: EWKB out, ISO or extended WKB in, M left out. */
import type { GeoJsonGeometry } from '../filter/ast.js'
import { joinLines, linearise } from './curves.js'
import { EwkbWriter, GeometryFault, LEAST_PART, LEAST_RING, MAX_NESTING, POLYHEDRAL_SURFACE, WKB_TYPES, WkbCursor, wkbCode, type WkbHead } from './wkb-bytes.js'

/** Per face its rings of [x, y, z]; the first ring is the outline, closed. */
export type Faces = readonly (readonly (readonly (readonly number[])[])[])[]

type Position = readonly number[]

/** A geometry as EWKB. `z` keeps a third ordinate, 0 where a position has none. Throws a GeometryFault for a type that WKB lacks and for positions that are not finite numbers. */
export function toEwkb(geometry: GeoJsonGeometry, srid: number, z = hasZ(geometry)): Uint8Array {
  const out = new EwkbWriter()
  writeGeometry(out, geometry, z, srid)
  return out.written()
}

/** Faces as a POLYHEDRALSURFACE Z. */
export function facesToEwkb(faces: Faces, srid: number): Uint8Array {
  const out = new EwkbWriter()
  out.head(POLYHEDRAL_SURFACE, true, srid)
  out.uint32(faces.length)
  for (const rings of faces) writeGeometry(out, { type: 'Polygon', coordinates: rings }, true)
  return out.written()
}

/** True where the first position of a geometry, or of a member, carries a third ordinate. */
export function hasZ(geometry: GeoJsonGeometry, depth = 0): boolean {
  if (geometry.type === 'GeometryCollection')
    return depth <= MAX_NESTING && Array.isArray(geometry.geometries) && geometry.geometries.some(member => member !== null && hasZ(member, depth + 1))
  let first: unknown = geometry.coordinates
  while (Array.isArray(first) && Array.isArray(first[0])) first = first[0]
  return Array.isArray(first) && first.length > 2
}

export function toHex(bytes: Uint8Array): string {
  let hex = ''
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0')
  return hex
}

function writeGeometry(out: EwkbWriter, geometry: GeoJsonGeometry, z: boolean, srid?: number): void {
  const code = wkbCode(geometry.type)
  if (code === undefined) throw new GeometryFault(`unknown geometry type “${String(geometry.type).slice(0, 40)}”`)
  out.head(code, z, srid)
  const coordinates = geometry.coordinates as never
  switch (geometry.type) {
    case 'Point': return writePoint(out, coordinates, z)
    case 'LineString': return writePositions(out, coordinates, z)
    case 'Polygon': return writeRings(out, coordinates, z)
    case 'GeometryCollection': return writeParts(out, geometry.geometries ?? [], z)
    default: return writeParts(out, (coordinates as readonly unknown[]).map(part => ({ type: geometry.type.slice('Multi'.length), coordinates: part })), z)
  }
}

function writeParts(out: EwkbWriter, parts: readonly GeoJsonGeometry[], z: boolean): void {
  out.uint32(parts.length)
  for (const part of parts) writeGeometry(out, part, z)
}

function writeRings(out: EwkbWriter, rings: readonly (readonly Position[])[], z: boolean): void {
  out.uint32(rings.length)
  for (const ring of rings) writePositions(out, ring, z)
}

function writePositions(out: EwkbWriter, positions: readonly Position[], z: boolean): void {
  out.uint32(positions.length)
  for (const position of positions) writePosition(out, position, z)
}

/** An empty point is written as NaN, as PostGIS does. */
function writePoint(out: EwkbWriter, position: Position, z: boolean): void {
  if (position.length) return writePosition(out, position, z)
  for (let i = 0; i < (z ? 3 : 2); i++) out.float64(NaN)
}

function writePosition(out: EwkbWriter, position: Position, z: boolean): void {
  for (let i = 0; i < (z ? 3 : 2); i++) {
    const ordinate = i === 2 ? position[2] ?? 0 : position[i]
    if (!Number.isFinite(ordinate)) throw new GeometryFault('a position is two or three finite numbers')
    out.float64(ordinate!)
  }
}

/**
 * WKB or EWKB from byte `start` on, as a GeoJSON geometry; an empty point is an empty list, and the faces of a
 * PolyhedralSurface or TIN are a MultiPolygon. Curves become lines (core/geometry/curves.ts). Throws a GeometryFault for bytes that are cut short.
 */
export function fromWkb(bytes: Uint8Array, start = 0): GeoJsonGeometry {
  return readGeometry(new WkbCursor(bytes, start), 0)
}

function readGeometry(from: WkbCursor, depth: number): GeoJsonGeometry {
  if (depth > MAX_NESTING) throw new GeometryFault('geometry collections nested too deep')
  const head = from.head()
  const name = WKB_TYPES[head.type] ?? `type ${head.type}`
  switch (name) {
    case 'Point': {
      const position = readPosition(from, head)
      return { type: name, coordinates: Number.isNaN(position[0]) ? [] : position }
    }
    case 'LineString': return { type: name, coordinates: readPositions(from, head) }
    case 'Polygon': return { type: name, coordinates: readRings(from, head) }
    case 'Triangle': return { type: 'Polygon', coordinates: readRings(from, head) }
    case 'MultiPoint': case 'MultiLineString': case 'MultiPolygon': return { type: name, coordinates: readParts(from, depth).map(part => part.coordinates) }
    case 'PolyhedralSurface': case 'Tin': return { type: 'MultiPolygon', coordinates: readParts(from, depth).map(part => part.coordinates) }
    case 'GeometryCollection': return { type: name, geometries: readParts(from, depth) }
    case 'CircularString': return { type: 'LineString', coordinates: chordsOf(readPositions(from, head)) }
    case 'CompoundCurve': return { type: 'LineString', coordinates: joinLines(readParts(from, depth).map(part => part.coordinates as Position[])) }
    case 'CurvePolygon': return { type: 'Polygon', coordinates: readParts(from, depth).map(ring => ring.coordinates) }
    case 'MultiCurve': return { type: 'MultiLineString', coordinates: readParts(from, depth).map(part => part.coordinates) }
    case 'MultiSurface': return { type: 'MultiPolygon', coordinates: readParts(from, depth).map(part => part.coordinates) }
    default: throw notRead(name)
  }
}

const notRead = (name: string) => new GeometryFault(`${name}: no geometry that can be read`)

function chordsOf(positions: number[][]): number[][] {
  try {
    return linearise(positions)
  } catch (error) {
    throw new GeometryFault((error as Error).message)
  }
}

function readParts(from: WkbCursor, depth: number): GeoJsonGeometry[] {
  return repeat(from.count(LEAST_PART), () => readGeometry(from, depth + 1))
}

function readRings(from: WkbCursor, head: WkbHead): number[][][] {
  return repeat(from.count(LEAST_RING), () => readPositions(from, head))
}

function readPositions(from: WkbCursor, head: WkbHead): number[][] {
  const count = from.count(head.size)
  const positions = new Array<number[]>(count)
  for (let i = 0; i < count; i++) positions[i] = readPosition(from, head)
  return positions
}

function readPosition(from: WkbCursor, { z, size }: WkbHead): number[] {
  from.need(size)
  const { view, at, little } = from
  from.at += size
  const [x, y] = [view.getFloat64(at, little), view.getFloat64(at + 8, little)]
  return z ? [x, y, view.getFloat64(at + 16, little)] : [x, y]
}

/** A geometry as flat coordinates, for the hot path of the encoders: no object a point. */
export interface FlatGeometry {
  readonly dimensions: 2 | 3
  /** One entry a polygon, a face, a line or a point: its rings of x, y (, z). A line or point is one “ring”. */
  readonly parts: readonly (readonly Float64Array[])[]
  readonly kind: 'point' | 'line' | 'polygon'
}

/** Reads any geometry; a collection keeps the parts of its highest dimension. Throws as fromWkb does. */
export function flatFromWkb(bytes: Uint8Array): FlatGeometry {
  return readFlat(new WkbCursor(bytes), 0)
}

function readFlat(from: WkbCursor, depth: number): FlatGeometry {
  if (depth > MAX_NESTING) throw new GeometryFault('geometry collections nested too deep')
  const head = from.head()
  const dimensions = head.z ? 3 : 2
  const name = WKB_TYPES[head.type] ?? `type ${head.type}`
  switch (name) {
    case 'Point': return { kind: 'point', dimensions, parts: [[readOrdinates(from, 1, head)]] }
    case 'LineString': return { kind: 'line', dimensions, parts: [[readOrdinates(from, from.count(head.size), head)]] }
    case 'Polygon': case 'Triangle': return { kind: 'polygon', dimensions, parts: [repeat(from.count(LEAST_RING), () => readOrdinates(from, from.count(head.size), head))] }
    case 'MultiPoint': case 'MultiLineString': case 'MultiPolygon': case 'GeometryCollection': case 'PolyhedralSurface': case 'Tin': {
      const members = repeat(from.count(LEAST_PART), () => readFlat(from, depth + 1))
      const kind = (['polygon', 'line', 'point'] as const).find(k => members.some(member => member.kind === k)) ?? 'point'
      return { kind, dimensions, parts: members.filter(member => member.kind === kind).flatMap(member => member.parts) }
    }
    default: throw notRead(name)
  }
}

function readOrdinates(from: WkbCursor, count: number, { z, size }: WkbHead): Float64Array {
  from.need(count * size)
  const { view, little } = from
  const dimensions = z ? 3 : 2
  const out = new Float64Array(count * dimensions)
  let at = from.at
  for (let i = 0; i < out.length; i += dimensions, at += size) {
    out[i] = view.getFloat64(at, little)
    out[i + 1] = view.getFloat64(at + 8, little)
    if (z) out[i + 2] = view.getFloat64(at + 16, little)
  }
  from.at = at
  return out
}

function repeat<T>(count: number, read: () => T): T[] {
  const items: T[] = []
  for (let i = 0; i < count; i++) items.push(read())
  return items
}
