/** Drives any tile server by its URL pattern: the same tiles, so many in flight, over plain keep-alive connections that cost the machine little. */
import { connect, type Socket } from 'node:net'

export interface TileServer {
  readonly name: string
  /** `http://127.0.0.1:3000/{layer}/{z}/{x}/{y}` */
  readonly pattern: string
}

/** From BENCH_PEERS: `martin=http://…/{layer}/{z}/{x}/{y} pg_tileserv=http://…`. */
export function peersFrom(text = process.env.BENCH_PEERS ?? ''): readonly TileServer[] {
  return text.split(/\s+/).filter(Boolean).map(each => {
    const [, name, pattern] = /^([\w-]+)=(http:\/\/\S+\{z\}\S+)$/.exec(each) ?? []
    if (!name || !pattern) throw new Error(`BENCH_PEERS names servers as name=http://host:port/…{layer}…{z}…{x}…{y}, separated by spaces; “${each}” is not so.`)
    return { name, pattern }
  })
}

export interface Tile { readonly layer: string; readonly z: number; readonly x: number; readonly y: number }

export const addressOf = ({ pattern }: Pick<TileServer, 'pattern'>, tile: Tile) => pattern.replace(/\{(layer|z|x|y)\}/g, (_, key: keyof Tile) => String(tile[key]))

export interface Answer { readonly status: number; readonly bytes: number; readonly ms: number; readonly etag: string | undefined }

/** Asks for every address once, `inFlight` at a time, in order; each answer in its place. */
export async function fetchAll(addresses: readonly string[], { inFlight, headers = () => '' }: { inFlight: number; headers?: (i: number) => string }): Promise<readonly Answer[]> {
  const answers = new Array<Answer>(addresses.length)
  let next = 0
  await Promise.all(Array.from({ length: inFlight }, async () => {
    let connection: Connection | undefined
    while (next < addresses.length) {
      const i = next++
      const { host, hostname, port, pathname, search } = new URL(addresses[i]!)
      connection ??= new Connection(hostname, Number(port))
      answers[i] = await connection.ask(`GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\nAccept-Encoding: gzip\r\n${headers(i)}\r\n`)
      if (connection.closed) connection = undefined
    }
    connection?.end()
  }))
  return answers
}

/** One keep-alive connection with one question at a time; reads bodies by length or by chunks without looking into them. */
class Connection {
  readonly #socket: Socket
  #pending: { resolve: (answer: Answer) => void; reject: (error: Error) => void; from: number } | undefined
  #bytes: Buffer = Buffer.alloc(0)
  closed = false

  constructor(host: string, port: number) {
    this.#socket = connect({ host, port, noDelay: true })
    this.#socket.on('data', data => { this.#bytes = this.#bytes.length ? Buffer.concat([this.#bytes, data]) : data; this.#read() })
    const gone = (error?: Error) => { this.closed = true; this.#pending?.reject(error ?? new Error('The server closed the connection in the middle of an answer.')) }
    this.#socket.on('error', gone)
    this.#socket.on('close', () => gone())
  }

  ask(request: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject, from: performance.now() }
      this.#socket.write(request)
    })
  }

  end(): void { this.#pending = undefined; this.#socket.destroy() }

  #read(): void {
    const end = this.#bytes.indexOf('\r\n\r\n')
    if (end < 0 || !this.#pending) return
    const head = this.#bytes.toString('latin1', 0, end)
    const field = (name: string) => new RegExp(`^${name}: *(.*?)\\r?$`, 'im').exec(head)?.[1]
    const status = Number(head.slice(9, 12))
    const from = end + 4
    const length = status === 304 || status === 204 ? 0 : field('content-length') === undefined ? this.#chunksEnd(from) - from : Number(field('content-length'))
    if (Number.isNaN(length) || this.#bytes.length < from + length) return
    this.#bytes = this.#bytes.subarray(from + length)
    const { resolve, from: asked } = this.#pending
    this.#pending = undefined
    if (/close/i.test(field('connection') ?? '')) { this.closed = true; this.#socket.destroy() }
    resolve({ status, bytes: length, ms: performance.now() - asked, etag: field('etag') })
  }

  /** Where a chunked body ends; NaN while it has not. */
  #chunksEnd(at: number): number {
    for (;;) {
      const line = this.#bytes.indexOf('\r\n', at)
      if (line < 0) return NaN
      const size = parseInt(this.#bytes.toString('latin1', at, line), 16)
      at = line + 2 + size + 2
      if (at > this.#bytes.length) return NaN
      if (size === 0) return at
    }
  }
}
