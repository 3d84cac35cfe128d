/**
 * A pg client that can also read the rows of a statement as the bytes they are. pg hands every value through a UTF-8 string,
 * which spoils binary ones and costs an object a value; tiles are made of millions.
 */
import { EventEmitter } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql, type Kysely } from 'kysely'
import pg from 'pg'
import type { Database } from './database.js'

/** Where rows go: DataRow messages one after the other, as the frontend/backend protocol has them, in pieces cut anywhere. */
export interface RowBytes {
  copy(from: Uint8Array, start: number, end: number): void
}

export interface RowQuery {
  readonly text: string
  readonly values: readonly unknown[]
  /** Under a name the statement is parsed and planned once a connection, and kept as long as that. */
  readonly name?: string
}

/**
 * Reads a statement's rows over a pool of RowClients. Rejects with the signal's reason where it says so: before there is a
 * connection nothing is asked; a statement under way is cancelled, over the owner's `db`.
 */
export async function readRows(pool: pg.Pool, db: Kysely<Database>, query: RowQuery, into: RowBytes, signal?: AbortSignal): Promise<void> {
  const client = (await pool.connect()) as unknown as RowClient & { readonly processID: number; release(): void }
  let isDone = false
  let cancelling: Promise<void> | undefined
  // Again while it runs: a cancellation that is there before the statement is forgotten.
  const cancelled = async () => {
    while (!isDone) {
      await sql`select pg_cancel_backend(${client.processID}::int)`.execute(db).catch(() => {})
      if (!isDone) await sleep(20)
    }
  }
  const cancel = () => { cancelling = cancelled() }
  try {
    signal?.throwIfAborted()
    signal?.addEventListener('abort', cancel, { once: true })
    await client.readRows(query, into)
  } catch (error) {
    throw signal?.aborted ? signal.reason : error
  } finally {
    isDone = true
    signal?.removeEventListener('abort', cancel)
    // Nobody else gets the connection while a cancellation is on its way to it.
    await cancelling
    client.release()
  }
}

const DATA_ROW = 'D'.charCodeAt(0)
/** A message is one byte of type, four of length (of itself and the body), and the body. */
const HEAD = 5

export class RowClient extends pg.Client {
  #rows: RowBytes | undefined
  /** The message at hand: how much of its head was seen, the length in it, what of it is still to come, and whether it is a row for us. */
  #seen = 0
  #length = 0
  #left = 0
  #ours = false

  constructor(config?: string | pg.ClientConfig) {
    super(config)
    const { connection } = this as unknown as { connection: { attachListeners(stream: EventEmitter): void } }
    const attach = connection.attachListeners
    // pg calls it once, with the socket or the TLS stream over it.
    connection.attachListeners = stream => attach.call(connection, this.#withoutRows(stream))
  }

  /** All values in binary. */
  async readRows({ text, values, name }: RowQuery, into: RowBytes): Promise<void> {
    this.#rows = into
    try {
      await this.query({ text, values: [...values], name, binary: true } as pg.QueryConfig)
    } finally {
      this.#rows = undefined
    }
  }

  /** What pg sees of the stream. */
  #withoutRows(stream: EventEmitter): EventEmitter {
    const rest = new EventEmitter()
    stream.on('data', (chunk: Buffer) => this.#divide(chunk, rest))
    stream.on('end', () => rest.emit('end'))
    return rest
  }

  #divide(chunk: Buffer, rest: EventEmitter): void {
    let at = 0
    /** Where the run of messages for the same taker began. */
    let from = 0
    while (at < chunk.length) {
      if (this.#left > 0) {
        const step = Math.min(chunk.length - at, this.#left)
        this.#left -= step
        at += step
        continue
      }
      if (this.#seen === 0) {
        const ours = this.#rows !== undefined && chunk[at] === DATA_ROW
        if (ours !== this.#ours) {
          this.#send(chunk, from, at, rest)
          from = at
          this.#ours = ours
        }
        if (chunk.length - at >= HEAD) {
          this.#left = chunk.readUInt32BE(at + 1) - (HEAD - 1)
          at += HEAD
          continue
        }
      }
      // A head that the chunk cuts.
      this.#length = this.#seen === 0 ? 0 : this.#length * 256 + chunk[at]!
      at++
      if (++this.#seen < HEAD) continue
      this.#seen = 0
      this.#left = this.#length - (HEAD - 1)
    }
    this.#send(chunk, from, at, rest)
  }

  #send(chunk: Buffer, from: number, to: number, rest: EventEmitter): void {
    if (from === to) return
    if (this.#ours) this.#rows?.copy(chunk, from, to)
    else rest.emit('data', from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to))
  }
}
