import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import { GeometryFault } from './fault.js'

const NAMES = ['Geometry', 'Point', 'LineString', 'Polygon', 'MultiPoint', 'MultiLineString', 'MultiPolygon', 'GeometryCollection',
  'CircularString', 'CompoundCurve', 'CurvePolygon', 'MultiCurve', 'MultiSurface', 'Curve', 'Surface', 'PolyhedralSurface', 'Tin', 'Triangle']

/**
 * WKB (OGC 06-103r4 §8.2; ISO and extended Z/M types) as a GeoJSON geometry, M left out. An empty point is an empty list.
 * Throws GeometryFault for curves and for counts larger than the bytes that follow.
 */
export function decodeWkb(bytes: Uint8Array, start = 0): GeoJsonGeometry {
  return new WkbReader(bytes, start).geometry(0)
}

/**
 * A GeoJSON geometry that stays WKB until somebody asks for its coordinates: on the way into the database nobody does.
 * Throws GeometryFault for types that no layer stores.
 */
export class WkbGeometry implements GeoJsonGeometry {
  readonly type: string
  constructor(readonly bytes: Uint8Array, readonly start: number) {
    if (bytes.length < start + 5) throw new GeometryFault('geometry that is cut short')
    const code = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(start + 1, bytes[start] === 1)
    const type = (code & 0xffff) % 1000
    if (type >= 1 && type <= 7) this.type = NAMES[type]!
    // Rarer ones are read at once: what they become is known only then.
    else this.type = decodeWkb(bytes, start).type
  }
  get coordinates(): unknown { return decodeWkb(this.bytes, this.start).coordinates }
  get geometries(): readonly GeoJsonGeometry[] | undefined { return decodeWkb(this.bytes, this.start).geometries }
}

class WkbReader {
  readonly #view: DataView
  #at: number
  #little = true

  constructor(bytes: Uint8Array, start: number) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#at = start
  }

  geometry(depth: number): GeoJsonGeometry {
    if (depth > 16) throw new GeometryFault('geometry collections nested too deep')
    this.#need(5)
    this.#little = this.#view.getUint8(this.#at++) === 1
    const code = this.#uint32()
    const iso = code & 0x0fffffff
    const kind = Math.floor(iso / 1000)
    const z = (code & 0x80000000) !== 0 || kind === 1 || kind === 3
    const m = (code & 0x40000000) !== 0 || kind === 2 || kind === 3
    if (code & 0x20000000) this.#at += 4
    const type = (iso & 0xffff) % 1000
    const size = 2 + Number(z) + Number(m)
    const name = NAMES[type] ?? `type ${code}`
    switch (type) {
      case 1: {
        const position = this.#position(size, z)
        return { type: name, coordinates: Number.isNaN(position[0]) ? [] : position }
      }
      case 2: return { type: name, coordinates: this.#line(size, z) }
      case 3: return { type: name, coordinates: this.#rings(size, z) }
      case 17: return { type: 'Polygon', coordinates: this.#rings(size, z) }
      case 4: case 5: case 6: return { type: name, coordinates: this.#members(depth).map(g => g.coordinates) }
      case 15: case 16: return { type: 'MultiPolygon', coordinates: this.#members(depth).map(g => g.coordinates) }
      case 7: return { type: name, geometries: this.#members(depth) }
      default: throw new GeometryFault(`${name}: curves are not supported; linearise the layer first`)
    }
  }

  #members(depth: number): GeoJsonGeometry[] {
    const count = this.#count(5)
    const members: GeoJsonGeometry[] = []
    for (let i = 0; i < count; i++) members.push(this.geometry(depth + 1))
    return members
  }
  #rings(size: number, z: boolean): number[][][] {
    const count = this.#count(4)
    const rings: number[][][] = []
    for (let i = 0; i < count; i++) rings.push(this.#line(size, z))
    return rings
  }
  #line(size: number, z: boolean): number[][] {
    const count = this.#count(size * 8)
    const line = new Array<number[]>(count)
    for (let i = 0; i < count; i++) line[i] = this.#position(size, z)
    return line
  }
  #position(size: number, z: boolean): number[] {
    this.#need(size * 8)
    const x = this.#view.getFloat64(this.#at, this.#little)
    const y = this.#view.getFloat64(this.#at + 8, this.#little)
    const position = z ? [x, y, this.#view.getFloat64(this.#at + 16, this.#little)] : [x, y]
    this.#at += size * 8
    return position
  }
  #uint32(): number {
    this.#need(4)
    const value = this.#view.getUint32(this.#at, this.#little)
    this.#at += 4
    return value
  }
  /** A count of things of at least `bytes` each: a file may claim more than it holds. */
  #count(bytes: number): number {
    const count = this.#uint32()
    this.#need(count * bytes)
    return count
  }
  #need(bytes: number) {
    if (this.#at + bytes > this.#view.byteLength) throw new GeometryFault('geometry that is cut short')
  }
}
