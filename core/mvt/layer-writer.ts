import type { TileFeature } from './feature.js'
import { ProtoWriter, zigzag } from './proto-writer.js'
import { byRank } from './rank.js'
import { ValueTable } from './value-table.js'

/** Fields of `Tile`, `Layer` and `Feature`. Source: Mapbox Vector Tile 2.1, vector_tile.proto. */
const LAYERS = 3
const NAME = 1
const FEATURES = 2
const KEYS = 3
const EXTENT = 5
const VERSION = 15
const ID = 1
const TAGS = 2
const TYPE = 3
const GEOMETRY = 4
const GEOMETRY_TYPES: Readonly<Record<TileFeature['kind'], number>> = { point: 1, line: 2, polygon: 3 }

const MOST_IDLE = 32
/** Bytes of a layer that is a rarity. */
const LARGE = 2 << 20

const MOVE_TO = 1
const LINE_TO = 2
const CLOSE_PATH = 7
const command = (id: number, count: number) => id | (count << 3)

/**
 * One layer of a vector tile, feature by feature: `begin`, its attributes, its parts, `end`.
 * What has no part when it ends leaves nothing behind.
 */
export class LayerWriter {
  /** Fresh megabytes a tile cost more than what is written into them, so writers are used again. */
  static readonly #idle: LayerWriter[] = []

  /** `isOrdered` puts the most important features first; otherwise they stand as they came. */
  static take(name: string, extent: number, isOrdered = true): LayerWriter {
    const writer = LayerWriter.#idle.pop() ?? new LayerWriter()
    writer.#start(name, extent, isOrdered)
    return writer
  }

  name = ''
  features = 0
  /** Where each feature's bytes end, and how important it is. */
  #ends = new Uint32Array(256)
  #ranks = new Float64Array(256)
  #isRanked = false
  readonly #out = new ProtoWriter(1 << 14)
  readonly #values = new ValueTable()
  #keys: string[] = []
  #extent = 0
  #isOrdered = true
  readonly #tags = new ProtoWriter(64)
  readonly #geometry = new ProtoWriter(1 << 10)
  #id: number | null = null
  /** Where the pen stands. */
  #x = 0
  #y = 0
  #points = 0

  private constructor() {}

  #start(name: string, extent: number, isOrdered: boolean): void {
    this.name = name
    this.#extent = extent
    this.#isOrdered = isOrdered
    this.features = this.#out.length = 0
    this.#isRanked = false
    this.#keys = []
    this.#values.clear()
  }

  /** Who took it may give it back, and then not look at it again. */
  release(): void {
    if (LayerWriter.#idle.length < MOST_IDLE && this.size < LARGE) LayerWriter.#idle.push(this)
  }

  /** The number of an attribute's name, for the methods below. */
  key(name: string): number {
    const known = this.#keys.indexOf(name)
    return known >= 0 ? known : this.#keys.push(name) - 1
  }

  begin(id: number | null): void {
    this.#id = id
    this.#tags.length = this.#geometry.length = this.#x = this.#y = this.#points = 0
  }

  text(key: number, utf8: Uint8Array, start?: number, end?: number): void {
    this.#tag(key, this.#values.text(utf8, start, end))
  }
  number(key: number, value: number): void {
    this.#tag(key, this.#values.number(value))
  }
  boolean(key: number, value: boolean): void {
    this.#tag(key, this.#values.boolean(value))
  }

  #tag(key: number, value: number): void {
    this.#tags.varint(key)
    this.#tags.varint(value)
  }

  /** Points: all of them stand under one command, whose count is known at the end. */
  point(x: number, y: number): void {
    this.#points++
    this.#move(x, y)
  }

  /** `count` positions x, y: a line of at least two, or a ring of at least three, which is closed but for its last side. */
  path(xy: ArrayLike<number>, count: number, close: boolean): void {
    const geometry = this.#geometry
    geometry.varint(command(MOVE_TO, 1))
    this.#move(xy[0]!, xy[1]!)
    geometry.varint(command(LINE_TO, count - 1))
    let x = this.#x
    let y = this.#y
    // The hottest loop of all: no call a coordinate.
    geometry.reserve(10 * count)
    const { bytes } = geometry
    let at = geometry.length
    for (let i = 2; i < 2 * count; i++) {
      const step = i & 1 ? xy[i]! - y : xy[i]! - x
      if (i & 1) y += step
      else x += step
      let rest = zigzag(step) >>> 0
      while (rest > 127) {
        bytes[at++] = (rest & 127) | 128
        rest >>>= 7
      }
      bytes[at++] = rest
    }
    geometry.length = at
    this.#x = x
    this.#y = y
    if (close) geometry.varint(command(CLOSE_PATH, 1))
  }

  #move(x: number, y: number): void {
    this.#geometry.varint(zigzag(x - this.#x))
    this.#geometry.varint(zigzag(y - this.#y))
    this.#x = x
    this.#y = y
  }

  /** `rank`: the higher, the nearer to the beginning of the layer; equals keep their order. True where there was something to write. */
  end(kind: TileFeature['kind'], rank = 0): boolean {
    const geometry = this.#geometry
    const tags = this.#tags
    if (geometry.length === 0) return false
    const moveTo = this.#points > 0 ? command(MOVE_TO, this.#points) : undefined
    const shape = geometry.length + (moveTo === undefined ? 0 : sizeOf(moveTo))
    const out = this.#out
    out.tag(FEATURES, 2)
    out.varint((this.#id === null ? 0 : 1 + sizeOf(this.#id)) + (tags.length && 1 + sizeOf(tags.length) + tags.length) + 2 + 1 + sizeOf(shape) + shape)
    if (this.#id !== null) {
      out.tag(ID, 0)
      out.varint(this.#id)
    }
    if (tags.length > 0) out.nested(TAGS, tags.bytes, tags.length)
    out.tag(TYPE, 0)
    out.varint(GEOMETRY_TYPES[kind])
    out.tag(GEOMETRY, 2)
    out.varint(shape)
    if (moveTo !== undefined) out.varint(moveTo)
    out.copy(geometry.bytes, 0, geometry.length)
    this.#note(out.length, rank)
    return true
  }

  #note(end: number, rank: number): void {
    const n = this.features++
    if (n === this.#ends.length) {
      this.#ends = grown(this.#ends, new Uint32Array(n * 2))
      this.#ranks = grown(this.#ranks, new Float64Array(n * 2))
    }
    this.#ends[n] = end
    this.#ranks[n] = rank
    if (rank !== this.#ranks[0]) this.#isRanked = true
  }

  /** Bytes so far, but for the layer's name and its attributes' names. */
  get size(): number {
    return this.#out.length + this.#values.fields.length
  }

  /** The features' numbers, most important first. */
  order(): Uint32Array {
    return byRank(this.#ranks.subarray(0, this.features))
  }

  /** How many bytes feature `n` takes, without its share of the values. */
  sizeOfFeature(n: number): number {
    return this.#ends[n]! - (n === 0 ? 0 : this.#ends[n - 1]!)
  }

  /** Appends the layer to a tile; one without features is not there. */
  writeTo(tile: ProtoWriter): void {
    if (this.features === 0) return
    const head = new ProtoWriter()
    head.tag(VERSION, 0)
    head.varint(2)
    head.nested(NAME, utf8(this.name))
    const tail = new ProtoWriter()
    for (const key of this.#keys) tail.nested(KEYS, utf8(key))
    tail.copy(this.#values.fields.bytes, 0, this.#values.fields.length)
    tail.tag(EXTENT, 0)
    tail.varint(this.#extent)
    const length = head.length + this.#out.length + tail.length
    tile.reserve(length + 11)
    tile.tag(LAYERS, 2)
    tile.varint(length)
    tile.copy(head.bytes, 0, head.length)
    this.#writeFeatures(tile)
    tile.copy(tail.bytes, 0, tail.length)
  }

  #writeFeatures(tile: ProtoWriter): void {
    const { bytes, length } = this.#out
    if (!this.#isOrdered || !this.#isRanked) return tile.copy(bytes, 0, length)
    for (const n of this.order()) tile.copy(bytes, this.#ends[n]! - this.sizeOfFeature(n), this.#ends[n]!)
  }
}

function grown<T extends Uint32Array | Float64Array>(from: T, into: T): T {
  into.set(from)
  return into
}

const encoder = new TextEncoder()
export const utf8 = (text: string) => encoder.encode(text)

/** Bytes of a varint. */
function sizeOf(value: number): number {
  let size = 1
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) size++
  return size
}
