import type { BBox } from '../bbox.js'
import { flatFromWkb } from '../geometry/wkb.js'
import { LEAST_PART, LEAST_RING, WKB_TYPES, type WkbCursor } from '../geometry/wkb-bytes.js'
import { clipLine, clipRing, type Square } from './clip.js'
import type { TileFeature } from './feature.js'
import type { LayerWriter } from './layer-writer.js'
import { area2Of, emptyBox, growBox, lengthOf, reverse, spread, withoutRepeats } from './path.js'
import { simplify } from './simplify.js'

export interface PenOptions {
  /** Units across the tile, and how far beyond its edge is drawn. */
  readonly extent: number
  readonly margin: number
  /** Units between a path and what is left of it; 0 leaves nothing out. */
  readonly tolerance: number
  /** Lines and areas whose box is not wider and higher together than this many units are left out. */
  readonly smallest: number
}

type Kind = TileFeature['kind']
const KINDS: readonly Kind[] = ['point', 'line', 'polygon']

/**
 * Draws geometries in well-known binary into a layer of a tile: to whole units, simplified, cut at the margin, rings wound as
 * vector tiles want them. One for all features of a layer; it allocates nothing a feature. What falls together to nothing is not drawn.
 */
export class WkbPen {
  /** Area or length of what was drawn last, in units: what importance may go by. */
  measure = 0
  readonly #scale: number
  readonly #west: number
  readonly #north: number
  readonly #square: Square
  #path = new Float64Array(2048)
  /** The box of the feature at hand, and that of its last path. */
  readonly #whole = new Float64Array(4)
  readonly #box = new Float64Array(4)

  /** `box` is the tile's, in the CRS of the geometries. */
  constructor(box: BBox, private readonly options: PenOptions, private readonly writer: LayerWriter) {
    const { extent, margin } = options
    this.#scale = extent / (box[2] - box[0])
    this.#west = box[0]
    this.#north = box[3]
    this.#square = { low: -margin, high: extent + margin }
  }

  /** Between the writer's `begin` and `end`: what kind was drawn, or null where nothing is to be seen. Throws a GeometryFault for bytes that are none. */
  draw(wkb: WkbCursor): Kind | null {
    this.measure = 0
    emptyBox(this.#whole)
    const start = wkb.at
    const kind = this.#drawSimple(wkb) ?? this.#drawOther(wkb, start)
    const isTooSmall = kind !== 'point' && spread(this.#whole) <= this.options.smallest
    return isTooSmall ? null : kind
  }

  /** The types of which a layer's tables are full; null for others. */
  #drawSimple(wkb: WkbCursor): Kind | null {
    const { type, size } = wkb.head()
    switch (type) {
      case POINT: this.#point(this.#read(wkb, 1, size, false)); return 'point'
      case LINE: this.#line(this.#read(wkb, wkb.count(size), size, false)); return 'line'
      case POLYGON: this.#polygon(wkb, size); return 'polygon'
      case MULTI_POINT: case MULTI_LINE: case MULTI_POLYGON:
        for (let parts = wkb.count(LEAST_PART); parts > 0; parts--) this.#drawSimple(wkb)
        return KINDS[type - MULTI_POINT]!
      default: return null
    }
  }

  /** Collections show what is of their highest dimension, surfaces their faces. */
  #drawOther(wkb: WkbCursor, start: number): Kind {
    const { kind, dimensions, parts } = flatFromWkb(wkb.bytes.subarray(start))
    for (const rings of parts) rings.forEach((ring, i) => {
      const count = ring.length / dimensions
      this.#room(count)
      for (let n = 0; n < count; n++) this.#put(n, ring[n * dimensions]!, ring[n * dimensions + 1]!)
      const kept = this.#tidy(count, kind === 'polygon')
      if (kind === 'polygon') this.#ring(kept, i === 0)
      else if (kind === 'line') this.#line(kept)
      else this.#point(kept)
    })
    return kind
  }

  #polygon(wkb: WkbCursor, size: number): void {
    let isDrawn = true
    for (let rings = wkb.count(LEAST_RING), i = 0; i < rings; i++) {
      const count = this.#read(wkb, wkb.count(size), size, true)
      // Without its outer ring a hole would be a hole in something else.
      if (i === 0) isDrawn = this.#ring(count, true)
      else if (isDrawn) this.#ring(count, false)
    }
  }

  #point(count: number): void {
    const [x, y] = [this.#path[0]!, this.#path[1]!]
    if (count > 0 && x >= this.#square.low && x <= this.#square.high && y >= this.#square.low && y <= this.#square.high) this.writer.point(x, y)
  }

  #line(count: number): void {
    if (count < 2 || this.#isOutside()) return
    const kept = this.options.tolerance > 0 ? simplify(this.#path, count, this.options.tolerance) : count
    if (this.#isInside()) return this.#stroke(this.#path, kept)
    clipLine(this.#path, kept, this.#square, (piece, n) => this.#stroke(piece, n))
  }

  #stroke(path: Float64Array, count: number): void {
    const n = withoutRepeats(path, count)
    if (n < 2) return
    this.measure += lengthOf(path, n)
    this.writer.path(path, n, false)
  }

  /** True where something of it is to be seen. */
  #ring(count: number, isOuter: boolean): boolean {
    if (count < 3 || this.#isOutside()) return false
    let xy: Float64Array = this.#path
    let n = this.options.tolerance > 0 && count > 4 ? this.#simplifyRing(count) : count
    if (!this.#isInside()) {
      ({ xy, count: n } = clipRing(xy, n, this.#square))
      n = withoutRepeats(xy, n)
      if (n > 1 && xy[0] === xy[2 * n - 2] && xy[1] === xy[2 * n - 1]) n--
    }
    const area2 = n < 3 ? 0 : area2Of(xy, n)
    if (area2 === 0) return false
    if (area2 > 0 !== isOuter) reverse(xy, n)
    this.measure += isOuter ? Math.abs(area2) / 2 : -Math.abs(area2) / 2
    this.writer.path(xy, n, true)
    return true
  }

  /** A ring is a line that comes back; one that would fall together stays as it is. */
  #simplifyRing(count: number): number {
    const path = this.#path
    path[2 * count] = path[0]!
    path[2 * count + 1] = path[1]!
    return simplify(path, count + 1, this.options.tolerance, 4) - 1
  }

  /** Reads positions into the path; see #tidy. */
  #read(wkb: WkbCursor, count: number, size: number, isRing: boolean): number {
    wkb.need(count * size)
    this.#room(count)
    const { view, little } = wkb
    let { at } = wkb
    for (let i = 0; i < count; i++, at += size) this.#put(i, view.getFloat64(at, little), view.getFloat64(at + 8, little))
    wkb.at = at
    return this.#tidy(count, isRing)
  }

  #put(i: number, x: number, y: number): void {
    this.#path[2 * i] = Math.round((x - this.#west) * this.#scale)
    this.#path[2 * i + 1] = Math.round((this.#north - y) * this.#scale)
  }

  /** Drops repeated positions and the one that closes a ring, and tells the box; returns how many are left. */
  #tidy(count: number, isRing: boolean): number {
    const path = this.#path
    if (count === 0 || Number.isNaN(path[0])) return 0
    let n = withoutRepeats(path, count)
    if (isRing && n > 1 && path[0] === path[2 * n - 2] && path[1] === path[2 * n - 1]) n--
    emptyBox(this.#box)
    growBox(this.#box, path, n)
    growBox(this.#whole, this.#box, 2)
    return n
  }

  /** Room for so many positions and the one that closes them. */
  #room(count: number): void {
    if (this.#path.length < 2 * (count + 1)) this.#path = new Float64Array(4 * (count + 1))
  }

  #isOutside(): boolean {
    const { low, high } = this.#square
    const box = this.#box
    return box[0]! > high || box[1]! > high || box[2]! < low || box[3]! < low
  }
  #isInside(): boolean {
    const { low, high } = this.#square
    const box = this.#box
    return box[0]! >= low && box[1]! >= low && box[2]! <= high && box[3]! <= high
  }
}

const [POINT, LINE, POLYGON, MULTI_POINT, MULTI_LINE, MULTI_POLYGON] = ['Point', 'LineString', 'Polygon', 'MultiPoint', 'MultiLineString', 'MultiPolygon'].map(name => WKB_TYPES.indexOf(name as 'Point')) as [number, number, number, number, number, number]
