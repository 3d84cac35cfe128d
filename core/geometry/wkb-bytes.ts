/**
 * The bytes of well-known binary: OGC 06-103r4 §8.2, with ISO (1000s) or PostGIS' extended flags (EWKB) for Z and M, and its SRID.
 * Nothing else knows the format; what reads or writes geometries moves along one of these.
 */

/** By type code; those after GeometryCollection are no GeoJSON types. */
export const WKB_TYPES = ['Geometry', 'Point', 'LineString', 'Polygon', 'MultiPoint', 'MultiLineString', 'MultiPolygon', 'GeometryCollection',
  'CircularString', 'CompoundCurve', 'CurvePolygon', 'MultiCurve', 'MultiSurface', 'Curve', 'Surface', 'PolyhedralSurface', 'Tin', 'Triangle'] as const
export const POLYHEDRAL_SURFACE = 15
/** Deeper collections are nobody's geometry but somebody's attack. */
export const MAX_NESTING = 16

const Z = 0x80000000
const M = 0x40000000
const SRID = 0x20000000

/** A geometry that cannot be read or encoded; the message is the reason, to stand behind a row's number. */
export class GeometryFault extends RangeError {
  override readonly name = 'GeometryFault'
}

/** Code of a GeoJSON type; undefined for what is none. */
export function wkbCode(type: string): number | undefined {
  const code = WKB_TYPES.indexOf(type as 'Point')
  return code >= 1 && code <= 7 ? code : undefined
}

/** What stands before every geometry. */
export interface WkbHead {
  readonly type: number
  readonly z: boolean
  readonly m: boolean
  /** Bytes of one position. */
  readonly size: number
}

/** Reads along the bytes of one geometry, in either byte order, never past their end: throws a GeometryFault there. */
export class WkbCursor {
  readonly view: DataView
  at: number
  /** Byte order of the part at hand. */
  little = true

  constructor(readonly bytes: Uint8Array, start = 0) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.at = start
  }

  head(): WkbHead {
    this.need(5)
    this.little = this.view.getUint8(this.at++) === 1
    const code = this.#uint32()
    if (code & SRID) this.#uint32()
    const iso = code & 0x0fffffff
    const thousands = Math.floor(iso / 1000)
    const z = (code & Z) !== 0 || thousands === 1 || thousands === 3
    const m = (code & M) !== 0 || thousands === 2 || thousands === 3
    return { type: iso % 1000, z, m, size: 16 + (z ? 8 : 0) + (m ? 8 : 0) }
  }

  /** A count of things of at least `leastBytes` each; one that the rest cannot hold is a fault before it costs memory. */
  count(leastBytes: number): number {
    const count = this.#uint32()
    this.need(count * leastBytes)
    return count
  }

  need(bytes: number): void {
    if (this.at + bytes > this.view.byteLength) throw new GeometryFault('geometry that is cut short')
  }

  #uint32(): number {
    this.need(4)
    const value = this.view.getUint32(this.at, this.little)
    this.at += 4
    return value
  }
}

/** Least bytes of a part of a collection (an empty one), and of a ring. */
export const LEAST_PART = 9
export const LEAST_RING = 4

/** Grows as it is written to, little-endian; used again after `reset`, so that a million rows need one. */
export class EwkbWriter {
  #bytes = new Uint8Array(1024)
  #view = new DataView(this.#bytes.buffer)
  #at = 0

  reset(): void {
    this.#at = 0
  }
  /** `srid` goes with the outermost geometry alone. */
  head(type: number, z: boolean, srid?: number): void {
    this.#reserve(9)
    this.#view.setUint8(this.#at++, 1)
    this.uint32((type | (z ? Z : 0) | (srid === undefined ? 0 : SRID)) >>> 0)
    if (srid !== undefined) this.uint32(srid)
  }
  uint32(value: number): void {
    this.#reserve(4)
    this.#view.setUint32(this.#at, value, true)
    this.#at += 4
  }
  float64(value: number): void {
    this.#reserve(8)
    this.#view.setFloat64(this.#at, value, true)
    this.#at += 8
  }
  /** Bytes that are little-endian WKB already. */
  copy(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }
  /** Good until the next write or reset. */
  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#at)
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + bytes))
    larger.set(this.#bytes)
    this.#bytes = larger
    this.#view = new DataView(larger.buffer)
  }
}
