/**
 * The one way out: requests to addresses that users give (sources, webhooks, peers). Names are resolved here and the
 * very addresses that were judged are connected to, so a name cannot point elsewhere between check and use.
 * Size (as decoded), time and redirects are bounded.
 */
import { lookup as systemLookup } from 'node:dns/promises'
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import { pipeline, Transform, type Readable } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { badParameter, Problem } from '../errors.js'
import { mayReach, parseAllowed, type Allowed } from './address.js'

export interface OutboundOptions {
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
  /** From the first look-up to the last byte; default 60 s. */
  readonly timeoutMs?: number
  /** Of the body, as decoded; default 64 MiB. */
  readonly maxBytes?: number
  /** Followed for GET and HEAD only; default 5. */
  readonly maxRedirects?: number
  readonly signal?: AbortSignal
  /** Hosts and CIDR ranges that may be private; default the environment's ALLOW_PRIVATE, which is empty by default. */
  readonly allowPrivate?: readonly string[]
  /** All addresses of a name; default the system's resolver. */
  readonly resolve?: (host: string) => Promise<readonly ResolvedAddress[]>
}
export interface ResolvedAddress { readonly address: string; readonly family: number }

export interface OutboundResponse {
  readonly status: number
  readonly headers: Readonly<IncomingHttpHeaders>
  /** Where it came from in the end. */
  readonly url: string
  /** Decoded and bounded: fails with a Problem where a bound is hit. Read or destroy it. */
  readonly body: Readable
  bytes(): Promise<Buffer>
  text(): Promise<string>
  /** Throws a 502 Problem with the start of the text where it is not JSON. */
  json(): Promise<unknown>
}

export const DEFAULTS = { timeoutMs: 60_000, maxBytes: 64 * 2 ** 20, maxRedirects: 5 } as const

/** What ALLOW_PRIVATE names. */
export const allowedByEnvironment = (env: NodeJS.ProcessEnv = process.env) => (env.ALLOW_PRIVATE ?? '').split(',').map(part => part.trim()).filter(Boolean)

/**
 * Sends one request and follows its redirects. Any status is an answer; throws a Problem where the address is refused (403),
 * cannot be reached (502), answers too much (502) or takes too long (504); the signal's own reason where it was aborted.
 */
export async function outbound(url: string, options: OutboundOptions = {}): Promise<OutboundResponse> {
  const { method = 'GET', timeoutMs = DEFAULTS.timeoutMs, maxBytes = DEFAULTS.maxBytes, maxRedirects = DEFAULTS.maxRedirects } = options
  const allowed = parseAllowed(options.allowPrivate ?? allowedByEnvironment())
  const bounds = new Bounds(url, timeoutMs, options.signal)
  try {
    let target = checkedUrl(url)
    let headers: Record<string, string> = { 'User-Agent': 'dothi', 'Accept-Encoding': 'gzip, deflate, br', ...options.headers }
    for (let redirects = 0; ; redirects++) {
      const answer = await send(target, { method, headers, body: options.body, allowed, resolve: options.resolve ?? resolveAll, bounds })
      const next = method === 'GET' || method === 'HEAD' ? redirectOf(answer, target) : undefined
      if (!next) return response(answer, target, { bounds, maxBytes, bodiless: method === 'HEAD' || answer.statusCode === 304 || answer.statusCode === 204 })
      answer.destroy()
      if (redirects >= maxRedirects) throw upstream(`${origin(url)} redirects more than ${maxRedirects} times.`)
      if (next.origin !== target.origin) headers = withoutSecrets(headers)
      target = next
    }
  } catch (error) {
    bounds.stop()
    throw bounds.reasonFor(error)
  }
}

const upstream = (detail: string, more = {}) => new Problem(502, 'upstream', detail, more)
/** What may be told of an address: its path and query often hold keys. */
const origin = (url: string | URL) => { try { return new URL(url).origin } catch { return 'The address' } }

/** http(s) without user and password. WHATWG parsing turns 0x7f.1, 2130706433 and 017700000001 into plain dotted form. */
export function checkedUrl(text: string, base?: URL): URL {
  const url = URL.canParse(text, base?.href) ? new URL(text, base) : undefined
  if (!url) throw badParameter('url', `“${text.slice(0, 80)}” is no address: it begins with https:// or http://.`)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw badParameter('url', `Addresses begin with https:// or http://, not ${url.protocol}`)
  if (url.username || url.password) throw badParameter('url', 'An address with user and password is refused, since addresses are shown and logged. Give them as a secret header, for example “Authorization: Basic …”.')
  url.hash = ''
  return url
}

interface Sending {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Buffer | undefined
  readonly allowed: Allowed
  readonly resolve: NonNullable<OutboundOptions['resolve']>
  readonly bounds: Bounds
}

/** One request over a connection of its own: a pooled one might have been opened under another caller's permissions. */
async function send(url: URL, { method, headers, body, allowed, resolve, bounds }: Sending): Promise<IncomingMessage> {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const addresses = await bounds.race(judged(host, allowed, resolve))
  const lookup: RequestOptions['lookup'] = (_name, options, done) =>
    options.all ? done(null, addresses.map(a => ({ ...a }))) : done(null, addresses[0]!.address, addresses[0]!.family)
  const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, { method, headers, agent: false, lookup, signal: bounds.signal })
  return new Promise((done, fail) => {
    request.once('response', done)
    request.on('error', error => fail(unreachable(url, error)))
    request.end(body)
  })
}

/** The addresses of a host that may be connected to. Throws a 403 Problem where there are none. */
async function judged(host: string, allowed: Allowed, resolve: Sending['resolve']): Promise<readonly ResolvedAddress[]> {
  const version = isIP(host)
  const found = version ? [{ address: host, family: version }] : await resolve(host).catch(() => { throw upstream(`The name ${host} cannot be resolved. Is it spelt right?`) })
  if (found.length === 0) throw upstream(`The name ${host} has no address.`)
  const reachable = found.filter(({ address }) => mayReach(host, address, allowed))
  if (reachable.length === 0) throw new Problem(403, 'private-address',
    `${host} is ${version ? '' : 'at '}a private or reserved address (${found[0]!.address}), which dothi does not call. The operator can allow it with ALLOW_PRIVATE=${host}.`)
  return reachable
}

const resolveAll = (host: string) => systemLookup(host, { all: true, verbatim: true })

function unreachable(url: URL, error: Error): Error {
  if (error.name === 'AbortError' || error instanceof Problem) return error
  const { code = '', message } = error as NodeJS.ErrnoException
  return upstream(`${url.origin} cannot be reached: ${message || code || 'no connection'}.`)
}

const REDIRECTS = new Set([301, 302, 303, 307, 308])
function redirectOf({ statusCode, headers }: IncomingMessage, from: URL): URL | undefined {
  return REDIRECTS.has(statusCode!) && headers.location ? checkedUrl(headers.location, from) : undefined
}

const HARMLESS = new Set(['accept', 'accept-encoding', 'accept-language', 'user-agent', 'if-none-match', 'if-modified-since', 'range'])
/** Another origin gets no key that was meant for the first, whatever header it is in. */
const withoutSecrets = (headers: Record<string, string>) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => HARMLESS.has(name.toLowerCase())))

interface Limits { readonly bounds: Bounds; readonly maxBytes: number; readonly bodiless: boolean }

function response(answer: IncomingMessage, url: URL, limits: Limits): OutboundResponse {
  const body = boundedBody(answer, url, limits)
  const bytes = async () => {
    const chunks: Buffer[] = []
    for await (const chunk of body) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks)
  }
  const text = async () => (await bytes()).toString('utf8').replace(/^\ufeff/, '')
  return {
    status: answer.statusCode!, headers: answer.headers, url: url.href, body, bytes, text,
    json: async () => {
      const read = await text()
      try { return JSON.parse(read) } catch { throw upstream(`${url.origin} answered what is not JSON: “${read.trim().slice(0, 120)}”.`) }
    },
  }
}

function boundedBody(answer: IncomingMessage, url: URL, { bounds, maxBytes, bodiless }: Limits): Readable {
  const tooMuch = () => upstream(`${url.origin} answered more than ${maxBytes} bytes.`, { maxBytes })
  const declared = bodiless ? 0 : Number(answer.headers['content-length'])
  let read = 0
  const body = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      read += chunk.length
      done(read > maxBytes ? tooMuch() : null, chunk)
    },
    // Whatever broke on the way is told in our words.
    destroy(error, done) {
      done(error && bounds.reasonFor(error instanceof Problem || error.name === 'AbortError' ? error : upstream(`The answer of ${url.origin} broke off: ${error.message}.`)) as Error | null)
    },
  })
  // A body that nobody reads must not end the process when its time is up.
  body.on('error', () => {})
  pipeline([answer, ...bodiless ? [] : decoders(answer, url), body] as unknown as [Readable, Transform], () => bounds.stop())
  if (declared > maxBytes) body.destroy(tooMuch())
  return body
}

function decoders({ headers }: IncomingMessage, url: URL): Transform[] {
  const encodings = (headers['content-encoding'] ?? '').split(',').map(name => name.trim().toLowerCase()).filter(name => name && name !== 'identity')
  // More than one layer has no use but to hide a bomb.
  if (encodings.length > 1) throw upstream(`${url.origin} encoded its answer ${encodings.length} times.`)
  switch (encodings[0]) {
    case undefined: return []
    case 'gzip': case 'x-gzip': return [createGunzip()]
    case 'deflate': return [createInflate()]
    case 'br': return [createBrotliDecompress()]
    default: throw upstream(`${url.origin} answered in the unknown encoding ${encodings[0].slice(0, 20)}.`)
  }
}

/** The time limit and the caller's signal as one, and what to tell of either. */
class Bounds {
  readonly #abort = new AbortController()
  readonly #timer: NodeJS.Timeout
  readonly #outer = () => this.#abort.abort(this.callers?.reason)
  constructor(readonly url: string, readonly timeoutMs: number, readonly callers: AbortSignal | undefined) {
    this.#timer = setTimeout(() => this.#abort.abort(new Problem(504, 'upstream', `${origin(url)} did not answer in full within ${timeoutMs / 1000} s.`)), timeoutMs)
    if (callers?.aborted) this.#outer()
    callers?.addEventListener('abort', this.#outer, { once: true })
  }
  get signal() { return this.#abort.signal }

  reasonFor(error: unknown): unknown { return this.signal.aborted ? this.signal.reason : error }

  /** A look-up cannot be aborted, but need not be waited for. */
  async race<T>(work: Promise<T>): Promise<T> {
    this.signal.throwIfAborted()
    let stop = () => {}
    const aborted = new Promise<never>((_, fail) => {
      stop = () => fail(this.signal.reason)
      this.signal.addEventListener('abort', stop, { once: true })
    })
    return Promise.race([work, aborted]).finally(() => this.signal.removeEventListener('abort', stop))
  }

  stop() {
    clearTimeout(this.#timer)
    this.callers?.removeEventListener('abort', this.#outer)
  }
}
