/**
 * Well-known binary, as PostGIS speaks it: OGC 06-103r4 §8.2, with the extended flags for Z and SRID (EWKB).
 * Written little-endian; read in either order, with ISO (1000s) or extended Z and M. M is dropped.
 */
import type { GeoJsonGeometry } from '../filter/ast.js'

/** Per face its rings of [x, y, z]; the first ring is the outline, closed. */
export type Faces = readonly (readonly (readonly (readonly number[])[])[])[]

const CODES: Readonly<Record<string, number>> = {
  Point: 1, LineString: 2, Polygon: 3, MultiPoint: 4, MultiLineString: 5, MultiPolygon: 6, GeometryCollection: 7,
}
const POLYHEDRAL_SURFACE = 15
const TIN = 16
const TRIANGLE = 17
const NAMES: Readonly<Record<number, string>> = Object.fromEntries(Object.entries(CODES).map(([name, code]) => [code, name]))
const Z = 0x80000000
const M = 0x40000000
const SRID = 0x20000000
const MAX_NESTING = 16

type Position = readonly number[]

/** A geometry as EWKB. `z` keeps a third ordinate, 0 where a position has none. Throws a RangeError for a type that WKB lacks and for positions that are not finite numbers. */
export function toEwkb(geometry: GeoJsonGeometry, srid: number, z = hasZ(geometry)): Uint8Array {
  const writer = new Writer(z)
  writer.geometry(geometry, srid)
  return writer.bytes()
}

/** Faces as a POLYHEDRALSURFACE Z. */
export function facesToEwkb(faces: Faces, srid: number): Uint8Array {
  const writer = new Writer(true)
  writer.head(POLYHEDRAL_SURFACE, srid)
  writer.uint32(faces.length)
  for (const rings of faces) {
    writer.head(CODES.Polygon!)
    writer.rings(rings)
  }
  return writer.bytes()
}

/** True where a position carries a third ordinate. */
export function hasZ(geometry: GeoJsonGeometry): boolean {
  if (geometry.geometries) return geometry.geometries.some(hasZ)
  let first: unknown = geometry.coordinates
  while (Array.isArray(first) && Array.isArray(first[0])) first = first[0]
  return Array.isArray(first) && first.length > 2
}

class Writer {
  #view = new DataView(new ArrayBuffer(256))
  #at = 0
  constructor(private readonly z: boolean) {}

  geometry(geometry: GeoJsonGeometry, srid?: number): void {
    const code = CODES[geometry.type]
    if (code === undefined) throw new RangeError(`WKB has no geometry type “${geometry.type}”.`)
    this.head(code, srid)
    const coordinates = geometry.coordinates as never
    switch (geometry.type) {
      case 'Point': return this.point(coordinates)
      case 'LineString': return this.positions(coordinates)
      case 'Polygon': return this.rings(coordinates)
      case 'GeometryCollection': return this.#parts(geometry.geometries ?? [])
      default: return this.#parts((coordinates as readonly unknown[]).map(part => ({ type: geometry.type.slice('Multi'.length), coordinates: part })))
    }
  }
  head(code: number, srid?: number): void {
    this.#need(9)
    this.#view.setUint8(this.#at++, 1)
    this.uint32((code | (this.z ? Z : 0) | (srid === undefined ? 0 : SRID)) >>> 0)
    if (srid !== undefined) this.uint32(srid)
  }
  rings(rings: readonly (readonly Position[])[]): void {
    this.uint32(rings.length)
    for (const ring of rings) this.positions(ring)
  }
  positions(positions: readonly Position[]): void {
    this.uint32(positions.length)
    for (const position of positions) this.#position(position)
  }
  /** An empty point is written as NaN, as PostGIS does. */
  point(position: Position): void {
    if (position.length) return this.#position(position)
    this.#need(24)
    for (let i = 0; i < (this.z ? 3 : 2); i++) this.#float64(NaN)
  }
  uint32(value: number): void {
    this.#need(4)
    this.#view.setUint32(this.#at, value, true)
    this.#at += 4
  }
  bytes(): Uint8Array {
    return new Uint8Array(this.#view.buffer, 0, this.#at)
  }

  #parts(parts: readonly GeoJsonGeometry[]): void {
    this.uint32(parts.length)
    for (const part of parts) this.geometry(part)
  }
  #position(position: Position): void {
    this.#need(24)
    for (let i = 0; i < (this.z ? 3 : 2); i++) {
      const ordinate = i === 2 ? position[2] ?? 0 : position[i]
      if (!Number.isFinite(ordinate)) throw new RangeError('A position is two or three finite numbers.')
      this.#float64(ordinate!)
    }
  }
  #float64(value: number): void {
    this.#view.setFloat64(this.#at, value, true)
    this.#at += 8
  }
  #need(bytes: number): void {
    if (this.#at + bytes <= this.#view.byteLength) return
    const larger = new Uint8Array(this.#view.byteLength * 2)
    larger.set(new Uint8Array(this.#view.buffer))
    this.#view = new DataView(larger.buffer)
  }
}

/** What was read: a GeoJSON geometry, or `faces` of a surface (PolyhedralSurface, TIN, Triangle). */
export interface WkbContent {
  /** 0 where the bytes name none. */
  readonly srid: number
  readonly geometry?: GeoJsonGeometry
  readonly faces?: Faces
}

/** Reads WKB or EWKB, bytes or hex. Throws a RangeError for truncated bytes, curves and absurd counts. */
export function fromWkb(wkb: Uint8Array | string): WkbContent {
  return new Reader(typeof wkb === 'string' ? fromHex(wkb) : wkb).content()
}

export function toHex(bytes: Uint8Array): string {
  let hex = ''
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0')
  return hex
}

function fromHex(hex: string): Uint8Array {
  if (hex.length % 2 || /[^0-9a-f]/i.test(hex)) throw new RangeError('This is no hexadecimal WKB.')
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16))
}

class Reader {
  readonly #view: DataView
  #at = 0
  #little = true
  #srid = 0
  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  content(): WkbContent {
    const head = this.#head()
    if (head.type === POLYHEDRAL_SURFACE || head.type === TIN) {
      const faces = Array.from({ length: this.#count(9) }, () => this.#rings(this.#head()))
      return { srid: this.#srid, faces }
    }
    if (head.type === TRIANGLE) return { srid: this.#srid, faces: [this.#rings(head)] }
    const geometry = this.#geometry(head, 0)
    return { srid: this.#srid, geometry }
  }

  #head(): Head {
    this.#need(5)
    this.#little = this.#view.getUint8(this.#at++) === 1
    const code = this.#uint32()
    if (code & SRID) this.#srid = this.#uint32()
    const iso = code & 0x0fffffff
    const thousands = Math.floor(iso / 1000)
    const z = (code & Z) !== 0 || thousands === 1 || thousands === 3
    const m = (code & M) !== 0 || thousands === 2 || thousands === 3
    return { type: iso % 1000, z, skip: m ? 8 : 0, bytes: 16 + (z ? 8 : 0) + (m ? 8 : 0) }
  }
  #geometry(head: Head, depth: number): GeoJsonGeometry {
    const type = NAMES[head.type]
    if (type === undefined) throw new RangeError(`WKB type ${head.type} is not read here.`)
    if (depth > MAX_NESTING) throw new RangeError('WKB is nested too deep.')
    switch (type) {
      case 'Point': {
        const position = this.#position(head)
        return { type, coordinates: Number.isNaN(position[0]) ? [] : position }
      }
      case 'LineString': return { type, coordinates: this.#positions(head) }
      case 'Polygon': return { type, coordinates: this.#rings(head) }
      default: {
        const parts = Array.from({ length: this.#count(9) }, () => this.#geometry(this.#head(), depth + 1))
        return type === 'GeometryCollection' ? { type, geometries: parts } : { type, coordinates: parts.map(part => part.coordinates) }
      }
    }
  }
  #rings(head: Head): number[][][] {
    return Array.from({ length: this.#count(4) }, () => this.#positions(head))
  }
  #positions(head: Head): number[][] {
    return Array.from({ length: this.#count(head.bytes) }, () => this.#position(head))
  }
  #position({ z, skip, bytes }: Head): number[] {
    this.#need(bytes)
    const position = z ? [this.#float64(), this.#float64(), this.#float64()] : [this.#float64(), this.#float64()]
    this.#at += skip
    return position
  }
  /** A count that the rest of the bytes can hold, so that a hostile one costs no memory. */
  #count(leastBytes: number): number {
    const count = this.#uint32()
    if (count * leastBytes > this.#view.byteLength - this.#at) throw new RangeError('WKB is cut off.')
    return count
  }
  #uint32(): number {
    this.#need(4)
    const value = this.#view.getUint32(this.#at, this.#little)
    this.#at += 4
    return value
  }
  #float64(): number {
    const value = this.#view.getFloat64(this.#at, this.#little)
    this.#at += 8
    return value
  }
  #need(bytes: number): void {
    if (this.#at + bytes > this.#view.byteLength) throw new RangeError('WKB is cut off.')
  }
}

interface Head { readonly type: number; readonly z: boolean; readonly skip: number; readonly bytes: number }
