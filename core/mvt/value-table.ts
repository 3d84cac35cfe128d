import { ProtoWriter } from './proto-writer.js'

/** The distinct values of a layer, found by their encoded bytes: nothing is decoded, and no object is made a value. */
export class ValueTable {
  /** All of them, as the `values` fields of a layer. */
  readonly fields = new ProtoWriter(1 << 12)
  #count = 0
  /** Open addressing: a slot has the value's number + 1, and where its bytes stand. */
  #slots = new Int32Array(1 << 10)
  /** Small whole numbers are most of all: their numbers + 1 without a look at bytes. */
  readonly #small = new Int32Array(SMALL)
  #starts: number[] = []
  #ends: number[] = []
  readonly #value = new ProtoWriter(256)

  clear(): void {
    if (this.#count === 0) return
    this.fields.length = this.#count = this.#starts.length = this.#ends.length = 0
    this.#slots.fill(0)
    this.#small.fill(0)
  }

  text(bytes: Uint8Array, start = 0, end = bytes.length): number {
    const value = this.#begin()
    value.tag(STRING, 2)
    value.varint(end - start)
    value.copy(bytes, start, end)
    return this.#number()
  }

  /** Whole numbers in as few bytes as they need, others as doubles. */
  number(n: number): number {
    // A typed array is slow where its index is no index.
    const isSmall = n >= 0 && n < SMALL && (n | 0) === n && (n !== 0 || 1 / n > 0)
    if (isSmall && this.#small[n]! > 0) return this.#small[n]! - 1
    const number = this.#anyNumber(n)
    if (isSmall) this.#small[n] = number + 1
    return number
  }

  #anyNumber(n: number): number {
    const value = this.#begin()
    if (!Number.isSafeInteger(n) || Object.is(n, -0)) {
      value.tag(DOUBLE, 1)
      value.double(n)
    } else if (n >= 0) {
      value.tag(UINT, 0)
      value.varint(n)
    } else if (n >= -(2 ** 52)) {
      value.tag(SINT, 0)
      value.varint(-2 * n - 1)
    } else {
      value.tag(DOUBLE, 1)
      value.double(n)
    }
    return this.#number()
  }

  boolean(truth: boolean): number {
    const value = this.#begin()
    value.tag(BOOL, 0)
    value.varint(truth ? 1 : 0)
    return this.#number()
  }

  #begin(): ProtoWriter {
    this.#value.length = 0
    return this.#value
  }

  /** The number of the value at hand, old or new. */
  #number(): number {
    const { bytes, length } = this.#value
    const mask = this.#slots.length - 1
    let slot = hash(bytes, length) & mask
    for (let held; (held = this.#slots[slot]!) !== 0; slot = (slot + 1) & mask) if (this.#isAt(held - 1)) return held - 1
    this.fields.tag(VALUES, 2)
    this.fields.varint(length)
    this.#starts.push(this.fields.length)
    this.fields.copy(bytes, 0, length)
    this.#ends.push(this.fields.length)
    this.#slots[slot] = ++this.#count
    if (this.#count * 2 > this.#slots.length) this.#grow()
    return this.#count - 1
  }

  #isAt(number: number): boolean {
    const { bytes, length } = this.#value
    const start = this.#starts[number]!
    if (this.#ends[number]! - start !== length) return false
    const held = this.fields.bytes
    for (let i = 0; i < length; i++) if (held[start + i] !== bytes[i]) return false
    return true
  }

  #grow(): void {
    this.#slots = new Int32Array(this.#slots.length * 4)
    const mask = this.#slots.length - 1
    for (let number = 0; number < this.#count; number++) {
      let slot = hash(this.fields.bytes, this.#ends[number]!, this.#starts[number]) & mask
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
      this.#slots[slot] = number + 1
    }
  }
}

const SMALL = 2048

/** Field of `Layer`, then those of `Value`. */
const VALUES = 4
const STRING = 1
const DOUBLE = 3
const UINT = 5
const SINT = 6
const BOOL = 7

/** FNV-1a, stirred so that the low bits depend on all. */
function hash(bytes: Uint8Array, end: number, start = 0): number {
  let h = 0x811c9dc5
  for (let i = start; i < end; i++) h = Math.imul(h ^ bytes[i]!, 0x01000193)
  return h ^ (h >>> 15)
}
