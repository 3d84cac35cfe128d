import type { BBox } from '../bbox.js'
import { flatFromWkb } from '../geometry/wkb.js'
import { LEAST_PART, LEAST_RING, WKB_TYPES, WkbCursor } from '../geometry/wkb-bytes.js'
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

/** The path at hand of whichever pen draws: none waits for anything while it does. */
let path = new Float64Array(2048)

/** Positions of a path from which on looking for some to leave out is worth the while. */
const SHORT = 8

type Kind = TileFeature['kind']
const KINDS: readonly Kind[] = ['point', 'line', 'polygon']

/**
 * Draws geometries in well-known binary into a layer of a tile: to whole units, simplified, cut at the margin, rings wound as
 * vector tiles want them. One for all features of a layer; nothing is allocated a feature. What falls together to nothing is not drawn.
 */
export class WkbPen {
  /** Area or length of what was drawn last, in units: what importance may go by. */
  measure = 0
  readonly #scale: number
  readonly #west: number
  readonly #north: number
  readonly #square: Square
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

  /** Collections show what is of their highest dimension, surfaces their faces: flattened, and drawn as if it had come so. */
  #drawOther(wkb: WkbCursor, start: number): Kind {
    const { kind, dimensions, parts } = flatFromWkb(wkb.bytes.subarray(start))
    for (const rings of parts) {
      let isDrawn = true
      for (const [i, ring] of rings.entries()) {
        const positions = new WkbCursor(new Uint8Array(ring.buffer, ring.byteOffset, ring.byteLength))
        const count = this.#read(positions, ring.length / dimensions, dimensions * 8, kind === 'polygon')
        if (kind === 'point') this.#point(count)
        else if (kind === 'line') this.#line(count)
        else if (isDrawn) isDrawn = this.#ring(count, i === 0) || i > 0
      }
    }
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
    const [x, y] = [path[0]!, path[1]!]
    if (count > 0 && x >= this.#square.low && x <= this.#square.high && y >= this.#square.low && y <= this.#square.high) this.writer.point(x, y)
  }

  #line(count: number): void {
    if (count < 2 || this.#isOutside()) return
    const kept = this.#isSimplified(count) ? simplify(path, count, this.options.tolerance) : count
    if (this.#isInside()) return this.#stroke(path, kept)
    clipLine(path, kept, this.#square, (piece, n) => this.#stroke(piece, n))
  }

  #stroke(xy: Float64Array, count: number): void {
    const n = withoutRepeats(xy, count)
    if (n < 2) return
    this.measure += lengthOf(xy, n)
    this.writer.path(xy, n, false)
  }

  /** True where something of it is to be seen. */
  #ring(count: number, isOuter: boolean): boolean {
    if (count < 3 || this.#isOutside()) return false
    let xy: Float64Array = path
    let n = this.#isSimplified(count) ? this.#simplifyRing(count) : count
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

  #isSimplified(count: number): boolean {
    return this.options.tolerance > 0 && count > SHORT
  }

  /** A ring is a line that comes back; one that would fall together stays as it is. */
  #simplifyRing(count: number): number {
    path[2 * count] = path[0]!
    path[2 * count + 1] = path[1]!
    return simplify(path, count + 1, this.options.tolerance, 4) - 1
  }

  /** Reads positions into the path, without repeated ones and the one that closes a ring, and tells their box; returns how many they are. */
  #read(wkb: WkbCursor, count: number, size: number, isRing: boolean): number {
    wkb.need(count * size)
    this.#room(count)
    const { view, little } = wkb
    const end = wkb.at + count * size
    const west = this.#west
    const north = this.#north
    const scale = this.#scale
    let n = 0
    let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity]
    for (let at = wkb.at; at < end; at += size) {
      const x = Math.round((view.getFloat64(at, little) - west) * scale)
      const y = Math.round((north - view.getFloat64(at + 8, little)) * scale)
      if (n > 0 && x === path[2 * n - 2] && y === path[2 * n - 1]) continue
      path[2 * n] = x
      path[2 * n + 1] = y
      n++
      if (x < left) left = x
      if (x > right) right = x
      if (y < top) top = y
      if (y > bottom) bottom = y
    }
    wkb.at = end
    const box = this.#box
    box[0] = left
    box[1] = top
    box[2] = right
    box[3] = bottom
    if (n === 0 || Number.isNaN(path[0])) return 0 // an empty point
    growBox(this.#whole, this.#box, 2)
    return isRing && n > 1 && path[0] === path[2 * n - 2] && path[1] === path[2 * n - 1] ? n - 1 : n
  }

  /** Room for so many positions and the one that closes them. */
  #room(count: number): void {
    if (path.length < 2 * (count + 1)) path = new Float64Array(4 * (count + 1))
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
