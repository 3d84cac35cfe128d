/**
 * The chunk table of a LAZ file: how many bytes, and points, each chunk has. It is compressed with LASzip's arithmetic coder,
 * which the WASM decoder of points keeps to itself. Source: LASzip (arithmeticdecoder, arithmeticmodel, integercompressor),
 * after A. Said, “Introduction to Arithmetic Coding”, HPL-2004-76.
 */

export interface LazChunk { readonly bytes: number; readonly points: number }

/** `table` begins with its version; `chunkPoints` is null where chunks say how many points they have. */
export function readChunkTable(table: Buffer, chunkPoints: number | null, points: number): LazChunk[] {
  const count = table.readUInt32LE(4)
  if (count > points + 1) throw new RangeError(`a chunk table of ${count} chunks for ${points} points`)
  const decoder = new ArithmeticDecoder(table.subarray(8))
  const integers = new IntegerDecoder(decoder)
  const chunks: LazChunk[] = []
  let left = points
  for (let i = 0, bytes = 0, own = 0; i < count; i++) {
    if (chunkPoints === null) own = integers.read(own, 0)
    bytes = integers.read(bytes, 1)
    const here = chunkPoints === null ? own : Math.min(chunkPoints, left)
    if (bytes <= 0 || here < 0) throw new RangeError('a chunk without bytes')
    left -= here
    chunks.push({ bytes, points: here })
  }
  return chunks
}

const MIN_LENGTH = 0x01000000
const SYMBOL_SHIFT = 15
const BIT_SHIFT = 13

class ArithmeticDecoder {
  #at = 4
  #value: number
  #length = 0xffffffff

  constructor(readonly bytes: Buffer) {
    this.#value = bytes.readUInt32BE(0)
  }

  bit(model: BitModel): number {
    const x = model.zero * (this.#length >>> BIT_SHIFT)
    const one = this.#value >= x
    if (one) { this.#value -= x; this.#length -= x } else this.#length = x
    this.#renormalise()
    model.count(one)
    return one ? 1 : 0
  }

  symbol(model: SymbolModel): number {
    let [low, high] = [0, this.#length]
    this.#length >>>= SYMBOL_SHIFT
    let [symbol, beyond] = [0, model.distribution.length]
    for (let k = beyond >> 1; k !== symbol; k = (symbol + beyond) >> 1) {
      const z = this.#length * model.distribution[k]!
      if (z > this.#value) { beyond = k; high = z } else { symbol = k; low = z }
    }
    this.#value -= low
    this.#length = high - low
    this.#renormalise()
    model.count(symbol)
    return symbol
  }

  bits(count: number): number {
    if (count > 19) {
      const low = this.bits(16)
      return this.bits(count - 16) * 65536 + low
    }
    this.#length >>>= count
    const value = Math.floor(this.#value / this.#length)
    this.#value -= this.#length * value
    this.#renormalise()
    return value
  }

  #renormalise(): void {
    while (this.#length < MIN_LENGTH) {
      this.#value = (this.#value * 256 + (this.bytes[this.#at++] ?? 0)) % 2 ** 32
      this.#length *= 256
    }
  }
}

/** How likely a zero is, as seen so far. */
class BitModel {
  zero = 1 << (BIT_SHIFT - 1)
  #zeros = 1
  #bits = 2
  #cycle = 4
  #left = 4

  count(one: boolean): void {
    if (!one) this.#zeros++
    if (--this.#left > 0) return
    this.#bits += this.#cycle
    if (this.#bits > 1 << BIT_SHIFT) {
      this.#bits = (this.#bits + 1) >> 1
      this.#zeros = (this.#zeros + 1) >> 1
      if (this.#zeros === this.#bits) this.#bits++
    }
    this.zero = Math.floor((this.#zeros * Math.floor(0x80000000 / this.#bits)) / 2 ** (31 - BIT_SHIFT))
    this.#cycle = Math.min(64, (5 * this.#cycle) >> 2)
    this.#left = this.#cycle
  }
}

/** How likely each symbol is, as seen so far. */
class SymbolModel {
  readonly distribution: Uint32Array
  readonly #counts: Uint32Array
  #total = 0
  #cycle: number
  #left: number

  constructor(symbols: number) {
    this.distribution = new Uint32Array(symbols)
    this.#counts = new Uint32Array(symbols).fill(1)
    this.#cycle = symbols
    this.#update()
    this.#cycle = this.#left = (symbols + 6) >> 1
  }

  count(symbol: number): void {
    this.#counts[symbol]!++
    if (--this.#left > 0) return
    this.#update()
  }

  #update(): void {
    const counts = this.#counts
    this.#total += this.#cycle
    if (this.#total > 1 << SYMBOL_SHIFT) {
      this.#total = 0
      for (let i = 0; i < counts.length; i++) this.#total += counts[i] = (counts[i]! + 1) >> 1
    }
    const scale = Math.floor(0x80000000 / this.#total)
    for (let i = 0, sum = 0; i < counts.length; i++) {
      this.distribution[i] = Math.floor((scale * sum) / 2 ** (31 - SYMBOL_SHIFT))
      sum += counts[i]!
    }
    this.#cycle = Math.min((counts.length + 6) << 3, (5 * this.#cycle) >> 2)
    this.#left = this.#cycle
  }
}

const HIGH_BITS = 8

/** 32-bit integers as differences from a prediction: how many bits the difference has, then the bits. */
class IntegerDecoder {
  readonly #lengths = [new SymbolModel(33), new SymbolModel(33)]
  readonly #zeroOrOne = new BitModel()
  readonly #high = Array.from({ length: 33 }, (_, bits) => (bits === 0 ? null : new SymbolModel(1 << Math.min(bits, HIGH_BITS))))

  constructor(readonly decoder: ArithmeticDecoder) {}

  read(prediction: number, context: 0 | 1): number {
    return (prediction + this.#difference(context)) | 0
  }

  #difference(context: 0 | 1): number {
    const bits = this.decoder.symbol(this.#lengths[context]!)
    if (bits === 0) return this.decoder.bit(this.#zeroOrOne)
    if (bits === 32) return -(2 ** 31)
    let value = this.decoder.symbol(this.#high[bits]!)
    if (bits > HIGH_BITS) value = value * 2 ** (bits - HIGH_BITS) + this.decoder.bits(bits - HIGH_BITS)
    return value >= 2 ** (bits - 1) ? value + 1 : value - (2 ** bits - 1)
  }
}
