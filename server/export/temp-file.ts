import { open, type FileHandle } from 'node:fs/promises'
import { createReadStream } from 'node:fs'

const BUFFER_BYTES = 1 << 20

/** A file that is written from its start to its end, then read once. */
export class TempFile {
  #buffer = Buffer.allocUnsafe(BUFFER_BYTES)
  #used = 0
  bytes = 0

  private constructor(readonly path: string, readonly handle: FileHandle) {}

  static async create(path: string): Promise<TempFile> {
    return new TempFile(path, await open(path, 'wx'))
  }

  /** Copies the bytes; a promise only where they had to be written out. */
  append(bytes: Uint8Array): Promise<void> | undefined {
    this.bytes += bytes.length
    if (this.#used + bytes.length <= BUFFER_BYTES) {
      this.#buffer.set(bytes, this.#used)
      this.#used += bytes.length
      return undefined
    }
    return this.#flush(bytes)
  }

  async #flush(more: Uint8Array): Promise<void> {
    const full = this.#buffer.subarray(0, this.#used)
    this.#buffer = Buffer.allocUnsafe(BUFFER_BYTES)
    this.#used = 0
    await this.handle.writev([full, more])
  }

  async *chunks(): AsyncGenerator<Buffer> {
    await this.#flush(new Uint8Array(0))
    await this.handle.close()
    yield* createReadStream(this.path, { highWaterMark: 1 << 18 }) as AsyncIterable<Buffer>
  }

  async close(): Promise<void> {
    await this.handle.close().catch(() => {})
  }
}
