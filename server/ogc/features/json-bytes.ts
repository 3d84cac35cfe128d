/** JSON as bytes, made without a string a value: pages of features are millions of them. */
import { WkbCursor, WKB_TYPES, LEAST_PART, LEAST_RING, MAX_NESTING, POLYHEDRAL_SURFACE, GeometryFault, type WkbHead } from '../../../core/geometry/wkb-bytes.js'

const [QUOTE, BACKSLASH, MINUS, POINT, COMMA, ZERO, OPEN, CLOSE] = [...'"\\-.,0[]'].map((sign) => sign.charCodeAt(0)) as [number, number, number, number, number, number, number, number]
const NULL = Buffer.from('null')
const EMPTY = Buffer.from('[]')
/** Bytes that stand in a JSON text by an escape. */
const ESCAPED = Uint8Array.from({ length: 256 }, (_, byte) => (byte < 0x20 || byte === QUOTE || byte === BACKSLASH ? 1 : 0))

/** Grows as it is written to. */
export class JsonBytes {
  bytes: Uint8Array
  length = 0

  constructor(capacity = 1 << 16) {
    this.bytes = new Uint8Array(capacity)
  }

  written(): Uint8Array {
    return this.bytes.subarray(0, this.length)
  }

  /** Text that is JSON already. */
  raw(from: Uint8Array, start = 0, end = from.length): void {
    this.#reserve(end - start)
    if (end - start > 64) this.bytes.set(from.subarray(start, end), this.length)
    else for (let i = start, at = this.length; i < end; i++) this.bytes[at++] = from[i]!
    this.length += end - start
  }

  sign(code: number): void {
    this.#reserve(1)
    this.bytes[this.length++] = code
  }

  null(): void {
    this.raw(NULL)
  }

  /** UTF-8 as a JSON string. */
  text(from: Uint8Array, start: number, end: number): void {
    this.#reserve((end - start) * 6 + 2)
    const { bytes } = this
    let at = this.length
    bytes[at++] = QUOTE
    for (let i = start; i < end; i++) {
      const byte = from[i]!
      if (ESCAPED[byte] === 0) bytes[at++] = byte
      else for (const sign of JSON.stringify(String.fromCharCode(byte)).slice(1, -1)) bytes[at++] = sign.charCodeAt(0)
    }
    bytes[at++] = QUOTE
    this.length = at
  }

  /** Characters that need no escape, as dates are. */
  ascii(text: string): void {
    this.#reserve(text.length)
    for (let i = 0; i < text.length; i++) this.bytes[this.length++] = text.charCodeAt(i)
  }

  /** A safe integer. */
  integer(value: number): void {
    this.#reserve(20)
    if (value < 0) this.bytes[this.length++] = MINUS
    this.#digits(Math.abs(value))
  }

  /** The shortest text that reads back as the same double; null for what JSON has no number for. */
  number(value: number): void {
    const thousandths = Math.round(value * 1000)
    // Most are measures in few decimals, and the text of those is plain.
    if (Math.abs(thousandths) < 2 ** 50 && thousandths / 1000 === value) this.#decimal(thousandths, 3)
    else if (Number.isFinite(value)) this.ascii(String(value))
    else this.null()
  }

  /** Rounded to this many decimals (0 to 9), without zeros at the end. */
  fixed(value: number, decimals: number): void {
    const scaled = Math.round(value * POWERS[decimals]!)
    if (Math.abs(scaled) < 2 ** 50) this.#decimal(scaled, decimals)
    else this.number(value)
  }

  #decimal(scaled: number, decimals: number): void {
    this.#reserve(32)
    const { bytes } = this
    let rest = scaled
    if (rest < 0) {
      bytes[this.length++] = MINUS
      rest = -rest
    }
    const power = POWERS[decimals]!
    const whole = Math.floor(rest / power)
    this.#digits(whole)
    let part = rest - whole * power
    if (part === 0) return
    let width = decimals
    while (part % 10 === 0) {
      part /= 10
      width--
    }
    bytes[this.length] = POINT
    for (let at = this.length + width; at > this.length; at--) {
      const tenth = (part / 10) | 0
      bytes[at] = ZERO + part - tenth * 10
      part = tenth
    }
    this.length += width + 1
  }

  /** Of an integer that is not negative. */
  #digits(value: number): void {
    const { bytes } = this
    if (value >= 1e9) {
      const high = Math.floor(value / 1e9)
      this.#digits(high)
      let low = value - high * 1e9
      for (let at = this.length + 8; at >= this.length; at--) {
        const tenth = (low / 10) | 0
        bytes[at] = ZERO + low - tenth * 10
        low = tenth
      }
      this.length += 9
      return
    }
    let width = 1
    for (let bound = 10; value >= bound; bound *= 10) width++
    let rest = value | 0
    for (let at = this.length + width - 1; at >= this.length; at--) {
      const tenth = (rest / 10) | 0
      bytes[at] = ZERO + rest - tenth * 10
      rest = tenth
    }
    this.length += width
  }

  #reserve(bytes: number): void {
    if (this.length + bytes <= this.bytes.length) return
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.length + bytes))
    larger.set(this.written())
    this.bytes = larger
  }
}
const POWERS = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9] as const

export interface ShapeOptions {
  /** Decimals of the first two numbers of a position; heights have three. */
  readonly digits: number
  /** The authority puts the second axis first. */
  readonly flipped: boolean
}
const HEIGHT_DIGITS = 3

const HEADS = WKB_TYPES.map((name) => Buffer.from(`{"type":"${name}","${name === 'GeometryCollection' ? 'geometries' : 'coordinates'}":`))
const POLYHEDRON = Buffer.from('{"type":"Polyhedron","coordinates":[')
const END = Buffer.from('}')
const [POINT_TYPE, LINE_TYPE, POLYGON_TYPE, COLLECTION_TYPE] = [1, 2, 3, 7]

/** Geometries in well-known binary → GeoJSON, outer rings counter-clockwise and holes clockwise (RFC 7946); faces as a JSON-FG Polyhedron. */
export class ShapeWriter {
  constructor(private readonly out: JsonBytes, private readonly options: ShapeOptions) {}

  /** The geometry at the cursor, which is left behind it. Throws a GeometryFault for bytes that are none, and for types that GeoJSON has not. */
  write(wkb: WkbCursor, depth = 0): void {
    const head = wkb.head()
    if (head.type === POLYHEDRAL_SURFACE) return this.#polyhedron(wkb)
    if (head.type < POINT_TYPE || head.type > COLLECTION_TYPE || depth > MAX_NESTING) throw new GeometryFault(`${WKB_TYPES[head.type] ?? 'an unknown geometry'} has no GeoJSON`)
    this.out.raw(HEADS[head.type]!)
    if (head.type === COLLECTION_TYPE) this.#list(wkb, LEAST_PART, () => this.write(wkb, depth + 1))
    else if (head.type > POLYGON_TYPE) this.#list(wkb, LEAST_PART, () => this.#coordinates(wkb, wkb.head()))
    else this.#coordinates(wkb, head)
    this.out.raw(END)
  }

  #coordinates(wkb: WkbCursor, head: WkbHead): void {
    if (head.type === POINT_TYPE) this.#point(wkb, head)
    else if (head.type === LINE_TYPE) this.#positions(wkb, head, false)
    else this.#rings(wkb, head, true)
  }

  #list(wkb: WkbCursor, leastBytes: number, write: (i: number) => void): void {
    const count = wkb.count(leastBytes)
    this.out.sign(OPEN)
    for (let i = 0; i < count; i++) {
      if (i > 0) this.out.sign(COMMA)
      write(i)
    }
    this.out.sign(CLOSE)
  }

  /** One shell of all faces, wound as they are stored: outwards. */
  #polyhedron(wkb: WkbCursor): void {
    this.out.raw(POLYHEDRON)
    this.#list(wkb, LEAST_PART, () => this.#rings(wkb, wkb.head(), false))
    this.out.sign(CLOSE)
    this.out.raw(END)
  }

  #rings(wkb: WkbCursor, head: WkbHead, isWound: boolean): void {
    this.#list(wkb, LEAST_RING, (i) => this.#positions(wkb, head, isWound && (doubleArea(wkb, head) > 0) !== (i === 0)))
  }

  #positions(wkb: WkbCursor, { size, z }: WkbHead, backwards: boolean): void {
    const count = wkb.count(size)
    const { out } = this
    out.sign(OPEN)
    for (let i = 0; i < count; i++) {
      if (i > 0) out.sign(COMMA)
      this.#position(wkb, wkb.at + (backwards ? count - 1 - i : i) * size, z)
    }
    out.sign(CLOSE)
    wkb.at += count * size
  }

  #point(wkb: WkbCursor, { size, z }: WkbHead): void {
    wkb.need(size)
    // The empty point.
    if (Number.isNaN(wkb.view.getFloat64(wkb.at, wkb.little))) this.out.raw(EMPTY)
    else this.#position(wkb, wkb.at, z)
    wkb.at += size
  }

  #position({ view, little }: WkbCursor, at: number, z: boolean): void {
    const { out, options: { digits, flipped } } = this
    out.sign(OPEN)
    out.fixed(view.getFloat64(flipped ? at + 8 : at, little), digits)
    out.sign(COMMA)
    out.fixed(view.getFloat64(flipped ? at : at + 8, little), digits)
    if (z) {
      out.sign(COMMA)
      out.fixed(view.getFloat64(at + 16, little), HEIGHT_DIGITS)
    }
    out.sign(CLOSE)
  }
}

/** Of the ring whose count stands at the cursor, which stays there: positive where it runs counter-clockwise. */
function doubleArea(wkb: WkbCursor, { size }: WkbHead): number {
  const { view, little, at } = wkb
  const count = wkb.count(size)
  const start = wkb.at
  wkb.at = at
  if (count < 3) return 0
  const [x0, y0] = [view.getFloat64(start, little), view.getFloat64(start + 8, little)]
  let area = 0
  let [dx, dy] = [0, 0]
  for (let i = 1, p = start + size; i < count; i++, p += size) {
    const [x, y] = [view.getFloat64(p, little) - x0, view.getFloat64(p + 8, little) - y0]
    area += dx * y - x * dy
    dx = x
    dy = y
  }
  return area
}
