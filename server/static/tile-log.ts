/**
 * Which tiles lie where, and what each follows from: records of a fixed size that are only ever appended.
 * A process that is killed leaves whole records, since a tile's bytes are written before its record.
 */
import { open, readFile, type FileHandle } from 'node:fs/promises'

export interface TileRecord {
  /** See tileId in pmtiles.ts. */
  readonly id: number
  /** Where its bytes are in the file of data; no bytes say that the tile is empty. */
  readonly offset: number
  readonly length: number
  /** What the tile was made from: the same key, the same tile. 12 bytes as base64url. */
  readonly key: string
  /** Of its bytes, 12 bytes as base64url. */
  readonly hash: string
}

const RECORD_BYTES = 48
const DIGEST_BYTES = 12

export function encodeRecord({ id, offset, length, key, hash }: TileRecord): Buffer {
  const bytes = Buffer.alloc(RECORD_BYTES)
  bytes.writeDoubleLE(id, 0)
  bytes.writeDoubleLE(offset, 8)
  bytes.writeUInt32LE(length, 16)
  bytes.write(key, 24, DIGEST_BYTES, 'base64url')
  bytes.write(hash, 36, DIGEST_BYTES, 'base64url')
  return bytes
}

/** All whole records of a file whose bytes are there; the last of an id wins. None where there is no file. */
export async function readRecords(path: string, dataBytes: number): Promise<TileRecords> {
  const bytes = await readFile(path).catch(() => Buffer.alloc(0))
  return new TileRecords(bytes.subarray(0, bytes.length - (bytes.length % RECORD_BYTES)), dataBytes)
}

/** Records as they are in their file, found by id: 48 bytes a tile and its place in the index. */
export class TileRecords {
  readonly #index = new Map<number, number>()

  constructor(readonly bytes: Buffer, dataBytes: number) {
    for (let at = 0; at < bytes.length; at += RECORD_BYTES) {
      const [offset, length] = [bytes.readDoubleLE(at + 8), bytes.readUInt32LE(at + 16)]
      if (offset + length <= dataBytes) this.#index.set(bytes.readDoubleLE(at), at)
    }
  }

  get size(): number { return this.#index.size }

  get(id: number): TileRecord | undefined {
    const at = this.#index.get(id)
    return at === undefined ? undefined : {
      id, offset: this.bytes.readDoubleLE(at + 8), length: this.bytes.readUInt32LE(at + 16),
      key: this.bytes.toString('base64url', at + 24, at + 36), hash: this.bytes.toString('base64url', at + 36, at + 48),
    }
  }
}

/** Tiles made since the archive was last written: their bytes in one file, their records in another. */
export class Spool {
  #end: number
  #waiting: { readonly record: TileRecord; readonly bytes: Uint8Array }[] = []
  /** The write under way, and the one after it, which takes all that comes until then. */
  #writing: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined

  private constructor(readonly records: TileRecords, private readonly data: FileHandle, private readonly log: FileHandle, end: number) { this.#end = end }

  /** Goes on where a process before stopped. */
  static async open(dataPath: string, logPath: string): Promise<Spool> {
    const data = await open(dataPath, 'a+')
    const { size } = await data.stat()
    const records = await readRecords(logPath, size)
    const log = await open(logPath, 'a+')
    await log.truncate(records.bytes.length)
    return new Spool(records, data, log, size)
  }

  /** Appends a tile; those that come while others are written are written together. After a failed write nothing is written any more. */
  async append(id: number, key: string, hash: string, bytes: Uint8Array): Promise<TileRecord> {
    const record = { id, offset: this.#end, length: bytes.length, key, hash }
    this.#end += bytes.length
    this.#waiting.push({ record, bytes })
    await (this.#next ??= this.#writing.then(() => this.#write()))
    return record
  }

  #write(): Promise<void> {
    const together = this.#waiting.splice(0)
    this.#next = undefined
    return this.#writing = (async () => {
      await this.data.appendFile(Buffer.concat(together.map(({ bytes }) => bytes)))
      await this.log.appendFile(Buffer.concat(together.map(({ record }) => encodeRecord(record))))
    })()
  }

  get handle(): FileHandle { return this.data }

  async close(): Promise<void> {
    await this.#writing.catch(() => {})
    await Promise.all([this.data.close(), this.log.close()])
  }
}
