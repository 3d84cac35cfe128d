import type { Transaction } from 'kysely'
import type { ColumnType } from '../../layers/layer.js'
import type { Database } from '../store/database.js'
import { CopyWriter } from './copy.js'

/** PGCOPY\n\377\r\n\0, no flags, no extension (PostgreSQL's manual, COPY, “Binary Format”). */
const SIGNATURE = Buffer.from('5047434f50590aff0d0a000000000000000000', 'hex')
const TRAILER = Buffer.from('ffff', 'hex')
const CHUNK_BYTES = 1 << 17
/** Days and milliseconds from 1970 to PostgreSQL's epoch, 2000-01-01. */
const EPOCH_DAYS = 10_957
const EPOCH_MS = EPOCH_DAYS * 86_400_000

/** Rows in COPY's binary format: what is a number or a geometry is never made into text and back. */
export class BinaryCopy {
  #bytes = Buffer.allocUnsafe(CHUNK_BYTES * 2)
  #at = SIGNATURE.copy(this.#bytes)
  #rowStart = this.#at

  private constructor(readonly copy: CopyWriter) {}

  /** `target` is SQL that has been quoted: `table (column, …)`. */
  static async open(tx: Transaction<Database>, target: string): Promise<BinaryCopy> {
    return new BinaryCopy(await CopyWriter.open(tx, target, 'binary'))
  }

  /** Begins a row of so many fields; each is then given in order. */
  row(fields: number): void {
    this.#reserve(2)
    this.#rowStart = this.#at
    this.#at = this.#bytes.writeInt16BE(fields, this.#at)
  }

  /** Takes back the row that was begun and cannot be ended: half a row would spoil all that follow. */
  dropRow(): void {
    this.#at = this.#rowStart
  }

  /** What it returns, now and then, is to be waited for: after a row, not within one. */
  endRow(): Promise<void> | undefined {
    return this.#at > CHUNK_BYTES ? this.#flush() : undefined
  }

  async end(): Promise<void> {
    this.bytes(TRAILER, false)
    await this.#flush()
    await this.copy.end()
  }

  abort(error: Error): Promise<void> {
    return this.copy.abort(error)
  }

  /** A value as the row check leaves it. Throws a plain Error for what the column's type cannot be. */
  value(value: unknown, type: ColumnType): void {
    if (value === null || value === undefined) return this.null()
    switch (type) {
      case 'text': return this.text(String(value))
      case 'integer': return this.int8(Number(value))
      case 'number': return this.float8(Number(value))
      case 'boolean': return this.bytes(value ? TRUE : FALSE)
      case 'date': return this.#int4(Math.round(Date.parse(`${String(value)}T00:00:00Z`) / 86_400_000) - EPOCH_DAYS)
      case 'timestamp': return this.timestamp(Date.parse(String(value)))
      case 'json': return this.text(JSON.stringify(value).replaceAll('\\u0000', ''), JSONB_VERSION)
    }
  }

  null(): void {
    this.#reserve(4)
    this.#at = this.#bytes.writeInt32BE(-1, this.#at)
  }

  text(text: string, prefix: Buffer | null = null): void {
    this.#reserve(5 + text.length * 3)
    const start = this.#at + 4
    const from = prefix ? start + prefix.copy(this.#bytes, start) : start
    const end = from + this.#bytes.write(text, from, 'utf8')
    this.#bytes.writeInt32BE(end - start, this.#at)
    this.#at = end
  }

  int8(value: number): void {
    if (!Number.isSafeInteger(value)) throw new Error(`${value} is no whole number that bigint and JavaScript share.`)
    this.#reserve(12)
    this.#at = this.#bytes.writeInt32BE(8, this.#at)
    this.#at = this.#bytes.writeInt32BE(Math.floor(value / 2 ** 32), this.#at)
    this.#at = this.#bytes.writeUInt32BE(value >>> 0, this.#at)
  }

  float8(value: number): void {
    this.#reserve(12)
    this.#at = this.#bytes.writeInt32BE(8, this.#at)
    this.#at = this.#bytes.writeDoubleBE(value, this.#at)
  }

  timestamp(epochMs: number): void {
    if (!Number.isFinite(epochMs)) throw new Error('No instant.')
    const micros = BigInt(epochMs - EPOCH_MS) * 1000n
    this.#reserve(12)
    this.#at = this.#bytes.writeInt32BE(8, this.#at)
    this.#at = this.#bytes.writeBigInt64BE(micros, this.#at)
  }

  #int4(value: number): void {
    if (!Number.isInteger(value)) throw new Error('No date.')
    this.#reserve(8)
    this.#at = this.#bytes.writeInt32BE(4, this.#at)
    this.#at = this.#bytes.writeInt32BE(value, this.#at)
  }

  /** A field as it is; `counted` false where it is none. */
  bytes(bytes: Uint8Array, counted = true): void {
    this.#reserve(4 + bytes.length)
    if (counted) this.#at = this.#bytes.writeInt32BE(bytes.length, this.#at)
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe((this.#at + bytes) * 2)
    this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
  }

  #flush(): Promise<void> {
    const chunk = this.#bytes.subarray(0, this.#at)
    // The socket may still hold the chunk before.
    this.#bytes = Buffer.allocUnsafe(CHUNK_BYTES * 2)
    this.#at = 0
    return this.copy.send(chunk)
  }
}

const TRUE = Buffer.from([1])
const FALSE = Buffer.from([0])
const JSONB_VERSION = Buffer.from([1])
