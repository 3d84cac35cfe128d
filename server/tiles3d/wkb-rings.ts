/**
 * ISO and extended WKB → flat coordinate arrays, for the hot path of the encoders: no object a point.
 * Source: OGC 06-103r4 §8.2, and PostGIS' EWKB flags.
 */

/** Rings (or lines, or points) as flat arrays of x, y (, z). */
export interface FlatGeometry {
  readonly dimensions: 2 | 3
  /** One entry a polygon, a face, a line or a point: its rings. A line or point is one “ring”. */
  readonly parts: readonly (readonly Float64Array[])[]
  readonly kind: 'point' | 'line' | 'polygon'
}

/** Reads any geometry; a collection keeps the parts of its highest dimension. Throws on an unknown type. */
export function readFlat(wkb: Uint8Array): FlatGeometry {
  return new WkbReader(wkb).geometry()
}

class WkbReader {
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) { this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) }

  geometry(): FlatGeometry {
    const little = this.#view.getUint8(this.#at) === 1
    const code = this.#view.getUint32(this.#at + 1, little)
    this.#at += 5
    if (code & 0x20000000) this.#at += 4 // SRID
    const type = (code & 0x0fffffff) % 1000
    const iso = Math.floor((code & 0x0fffffff) / 1000)
    const hasZ = (code & 0x80000000) !== 0 || iso === 1 || iso === 3
    const hasM = (code & 0x40000000) !== 0 || iso === 2 || iso === 3
    const layout = { little, dimensions: hasZ ? 3 : 2, stride: 2 + Number(hasZ) + Number(hasM) } as const
    switch (type) {
      case 1: return { kind: 'point', dimensions: layout.dimensions, parts: [[this.#coordinates(1, layout)]] }
      case 2: return { kind: 'line', dimensions: layout.dimensions, parts: [[this.#ring(layout)]] }
      case 3: case 17: return { kind: 'polygon', dimensions: layout.dimensions, parts: [this.#rings(layout)] }
      case 4: case 5: case 6: case 7: case 15: case 16: return this.#collection(layout)
      default: throw new Error(`Geometry type ${type} of WKB is not one that can be drawn in 3D.`)
    }
  }

  #collection(layout: Layout): FlatGeometry {
    const members = Array.from({ length: this.#count(layout) }, () => this.geometry())
    const kind = (['polygon', 'line', 'point'] as const).find(k => members.some(m => m.kind === k)) ?? 'point'
    return { kind, dimensions: layout.dimensions, parts: members.filter(m => m.kind === kind).flatMap(m => m.parts) }
  }

  #rings(layout: Layout): Float64Array[] {
    return Array.from({ length: this.#count(layout) }, () => this.#ring(layout))
  }

  #ring(layout: Layout): Float64Array {
    return this.#coordinates(this.#count(layout), layout)
  }

  #count({ little }: Layout): number {
    const count = this.#view.getUint32(this.#at, little)
    this.#at += 4
    return count
  }

  #coordinates(count: number, { little, dimensions, stride }: Layout): Float64Array {
    const out = new Float64Array(count * dimensions)
    for (let i = 0; i < count; i++) {
      for (let d = 0; d < dimensions; d++) out[i * dimensions + d] = this.#view.getFloat64(this.#at + 8 * d, little)
      this.#at += 8 * stride
    }
    return out
  }
}

interface Layout { readonly little: boolean; readonly dimensions: 2 | 3; readonly stride: number }
