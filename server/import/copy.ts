import type { CompiledQuery, Transaction } from 'kysely'
import { from as copyFrom } from 'pg-copy-streams'
import { once } from 'node:events'
import { finished } from 'node:stream/promises'
import type { Database } from '../store/database.js'

/** Writes rows through COPY … FROM STDIN on a transaction's own connection. */
export class CopyWriter {
  #pending: string[] = []
  #size = 0
  /** Until the chunk before has gone: one is gathered while the other is on its way. */
  #sent: Promise<unknown> = Promise.resolve()
  readonly #stream: ReturnType<typeof copyFrom>
  readonly #done: Promise<void>

  private constructor(stream: ReturnType<typeof copyFrom>) {
    this.#stream = stream
    this.#done = finished(stream)
    // The failure is told by `write` or `end`; without this a late one would be unhandled.
    this.#done.catch(() => {})
  }

  /** `target` is SQL that has been quoted: `table (column, …)`. */
  static async open(tx: Transaction<Database>, target: string, format: 'text' | 'binary' = 'text'): Promise<CopyWriter> {
    const stream = copyFrom(`copy ${target} from stdin${format === 'binary' ? ' (format binary)' : ''}`)
    // Kysely hands what it is given as SQL to the client's `query`, which also takes a query that submits itself.
    // This is the only way to the connection of an open transaction.
    await tx.getExecutor().provideConnection(connection =>
      connection.executeQuery({ sql: stream as unknown as string, parameters: [] } as unknown as CompiledQuery))
    return new CopyWriter(stream)
  }

  /** Adds one row. What it returns, now and then, is to be waited for: the database is slower than the reader. */
  write(values: readonly (string | null)[]): Promise<void> | undefined {
    const line = copyLine(values)
    this.#pending.push(line)
    this.#size += line.length
    return this.#size > CHUNK ? this.#flush() : undefined
  }

  /** Waits until the database has taken every row. */
  async end(): Promise<void> {
    await this.#flush()
    this.#stream.end()
    await this.#done
  }

  /** Gives up: the database discards what came. */
  async abort(error: Error): Promise<void> {
    this.#stream.destroy(error)
    await this.#done.catch(() => {})
  }

  #flush(): Promise<void> {
    const chunk = this.#pending.join('')
    this.#pending = []
    this.#size = 0
    return this.send(chunk)
  }

  /** Rows that are encoded already. */
  async send(chunk: string | Buffer): Promise<void> {
    await this.#sent
    if (chunk.length === 0 || this.#stream.write(chunk)) return
    this.#sent = Promise.race([once(this.#stream, 'drain'), this.#done])
    this.#sent.catch(() => {})
  }
}

/** Characters gathered before they go to the socket. */
const CHUNK = 1 << 17

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }
/** One line of COPY's text format. */
export function copyLine(values: readonly (string | null)[]): string {
  let line = ''
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (i) line += '\t'
    line += value === null || value === undefined ? '\\N' : /[\\\n\r\t]/.test(value) ? value.replace(/[\\\n\r\t]/g, c => ESCAPES[c]!) : value
  }
  return `${line}\n`
}
