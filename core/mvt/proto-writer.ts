/** Grows as it is written to; protobuf's base-128 integers (developers.google.com/protocol-buffers/docs/encoding). */
export class ProtoWriter {
  bytes: Uint8Array
  length = 0

  constructor(capacity = 1024) {
    this.bytes = new Uint8Array(capacity)
  }

  /** An integer from 0 to 2^53 − 1. */
  varint(value: number): void {
    if (value < 128 && this.length < this.bytes.length) {
      this.bytes[this.length++] = value
      return
    }
    this.reserve(10)
    const { bytes } = this
    let at = this.length
    while (value >= 0x80000000) {
      bytes[at++] = (value % 128) | 0x80
      value = Math.floor(value / 128)
    }
    while (value > 127) {
      bytes[at++] = (value & 127) | 0x80
      value >>>= 7
    }
    bytes[at++] = value
    this.length = at
  }

  copy(from: Uint8Array, start = 0, end = from.length): void {
    this.reserve(end - start)
    const { bytes } = this
    let at = this.length
    // For a few bytes a loop is quicker than a view and a call.
    if (end - start > 64) bytes.set(from.subarray(start, end), at)
    else for (let i = start; i < end; i++) bytes[at++] = from[i]!
    this.length += end - start
  }

  /** Field number and what follows: a varint (0), 64 bits (1) or a length and that many bytes (2). Field numbers to 15. */
  tag(field: number, wire: 0 | 1 | 2): void {
    this.reserve(1)
    this.bytes[this.length++] = (field << 3) | wire
  }

  /** A field that holds a message or text. */
  nested(field: number, bytes: Uint8Array, length = bytes.length): void {
    this.tag(field, 2)
    this.varint(length)
    this.copy(bytes, 0, length)
  }

  double(value: number): void {
    this.reserve(8)
    DOUBLE[0] = value
    this.bytes.set(DOUBLE_BYTES, this.length)
    this.length += 8
  }

  /** Makes room for as many more bytes. */
  reserve(more: number): void {
    if (this.length + more <= this.bytes.length) return
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.length + more))
    larger.set(this.bytes.subarray(0, this.length))
    this.bytes = larger
  }

  written(): Uint8Array {
    return this.bytes.subarray(0, this.length)
  }
}

/** Little-endian, as protobuf has it and as every machine is that runs Node. */
const DOUBLE = new Float64Array(1)
const DOUBLE_BYTES = new Uint8Array(DOUBLE.buffer)

/** Signed to unsigned, small stays small; for integers of 31 bits. */
export const zigzag = (value: number) => (value << 1) ^ (value >> 31)
