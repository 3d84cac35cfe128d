/**
 * Flatbuffers written from front to back: what a table refers to stands behind it, and its offset is filled in then.
 * Places count from the size that stands before the root, as size-prefixed buffers are aligned.
 */
export class FlatBuffer {
  #bytes = Buffer.alloc(4096)
  at = 0

  reset(): void {
    this.#bytes.fill(0, 0, this.at)
    this.at = 8
  }

  /** The whole buffer with its size before it; good until the next reset. */
  finish(root: number): Buffer {
    this.align(8)
    this.#bytes.writeUInt32LE(this.at - 4, 0)
    this.#bytes.writeUInt32LE(root - 4, 4)
    return this.#bytes.subarray(0, this.at)
  }

  /** Room for `size` more bytes, all zero. */
  reserve(size: number): Buffer {
    if (this.at + size + 8 > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(this.#bytes.length * 2, this.at + size + 8))
      this.#bytes.copy(larger, 0, 0, this.at)
      this.#bytes = larger
    }
    return this.#bytes
  }

  align(size: number, ahead = 0): void {
    const over = (this.at + ahead) % size
    if (over) this.at += size - over
    this.reserve(0)
  }

  /** A table whose fields lie as `layout` says: by number, its place behind the table's start, 0 where absent. Returns where the table starts. */
  table(layout: readonly number[], size: number): number {
    this.align(8)
    const vtable = this.at
    const vtableSize = 4 + 2 * layout.length
    const bytes = this.reserve(vtableSize + 8 + size)
    bytes.writeUInt16LE(vtableSize, vtable)
    bytes.writeUInt16LE(size, vtable + 2)
    for (let i = 0; i < layout.length; i++) bytes.writeUInt16LE(layout[i]!, vtable + 4 + 2 * i)
    this.at += vtableSize
    // So that the first field, four bytes on, is aligned for eight.
    this.align(8, 4)
    const table = this.at
    bytes.writeInt32LE(table - vtable, table)
    this.at += size
    return table
  }

  /** Fills in the offset at `slot`: what it refers to comes next, or lies at `target`. */
  refer(slot: number, target = this.at): void {
    this.#bytes.writeUInt32LE(target - slot, slot)
  }

  byte(value: number, at: number): void { this.#bytes[at] = value }
  uint16(value: number, at: number): void { this.#bytes.writeUInt16LE(value, at) }
  int32(value: number, at: number): void { this.#bytes.writeInt32LE(value, at) }
  uint64(value: number, at: number): void { this.#bytes.writeBigUInt64LE(BigInt(value), at) }

  /** A vector of bytes, or of items that are bytes already. */
  vector(slot: number, items: Uint8Array, length = items.length, alignment = 4): void {
    this.align(Math.max(4, alignment), 4)
    const bytes = this.reserve(4 + items.length + 1)
    this.refer(slot)
    bytes.writeUInt32LE(length, this.at)
    bytes.set(items, this.at + 4)
    this.at += 4 + items.length
  }

  text(slot: number, text: string): void {
    this.vector(slot, Buffer.from(text))
    this.at++ // texts end in a zero that their length does not count
    this.align(4)
  }

  /** A vector of offsets; returns where the first of them lies. */
  offsets(slot: number, length: number): number {
    this.align(4)
    const bytes = this.reserve(4 + 4 * length)
    this.refer(slot)
    bytes.writeUInt32LE(length, this.at)
    this.at += 4 + 4 * length
    return this.at - 4 * length
  }
}
