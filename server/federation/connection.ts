/** The ways to a peer: over HTTP, or straight to a store of the same process. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { Problem } from '../errors.js'
import { outbound, type OutboundResponse } from '../http/outbound.js'
import type { Reader, Store } from '../store/store.js'
import { federationPage, greeting, type FederationPage, type Greeting } from './feed.js'
import type { Peer } from './peers.js'
import type { Connection } from './pull.js'

/** A page that does not come in this time is asked for again. */
const PAGE_TIMEOUT_MS = 20_000
const MAX_PAGE_BYTES = 64 * 2 ** 20
/** The stream of events is opened anew after this time, and given up when nothing, not even a heartbeat, came for that long. */
const EVENTS_TIMEOUT_MS = 15 * 60_000
const SILENCE_MS = 60_000

export interface HttpConnection extends Connection {
  /** Calls `heard` when one of the layers has changed there; ends when the stream does. Throws where there is none. */
  events(heard: () => void, signal: AbortSignal): Promise<void>
}

export function httpConnection({ url, token, allowPrivate, layers = [] }: Pick<Peer, 'url' | 'token' | 'allowPrivate'> & Partial<Pick<Peer, 'layers'>>): HttpConnection {
  const options = {
    headers: { Accept: 'application/json', ...(token && { Authorization: `Bearer ${token}` }) },
    // A steward who says so allows just this host; others stay as the operator has set them.
    ...(allowPrivate && { allowPrivate: [new URL(url).hostname.replace(/^\[|\]$/g, '')] }),
    maxRedirects: 0,
  }
  const get = async (path: string, signal: AbortSignal | undefined) =>
    answer(url, await outbound(url + path, { ...options, timeoutMs: PAGE_TIMEOUT_MS, maxBytes: MAX_PAGE_BYTES, ...(signal && { signal }) }))
  return {
    greet: async signal => checked(url, GREETING, await get('/federation/hello', signal)) as unknown as Greeting,
    page: async ({ since, after, layers, limit, asker, snapshot }, signal) => {
      const query = new URLSearchParams({ since: String(since), layers: layers.join(','), limit: String(limit) })
      if (after) query.set('after', `${after.revision},${after.layer},${after.id}`)
      if (snapshot !== undefined) query.set('snapshot', String(snapshot))
      if (asker) query.set('asker', `${asker.instance},${asker.latest}`)
      return checked(url, PAGE, await get(`/federation/rows?${query}`, signal)) as unknown as FederationPage
    },
    events: async (heard, signal) => {
      const stream = await outbound(`${url}/events?layers=${layers.join(',')}`, {
        ...options, headers: { ...options.headers, Accept: 'text/event-stream' }, timeoutMs: EVENTS_TIMEOUT_MS, signal,
      })
      if (stream.status !== 200) { stream.body.destroy(); throw new Error(`${url}/events answered ${stream.status}.`) }
      await listen(stream, heard)
    },
  }
}

/** Straight to a store, as it is read by `reader`. */
export function directConnection(store: Store, reader: Reader): Connection {
  return {
    greet: () => greeting(store, reader),
    page: async query => JSON.parse(JSON.stringify(await federationPage(store, reader, query))) as FederationPage,
  }
}

async function answer(url: string, response: OutboundResponse): Promise<unknown> {
  if (response.status === 200) return response.json()
  const text = (await response.text()).slice(0, 2000)
  const detail = detailOf(text)
  if (response.status === 401 || response.status === 403) throw new Problem(502, 'upstream', `${url} does not let us in: ${detail} Is its token right?`)
  if (response.status === 404) throw new Problem(502, 'upstream', `${url} knows nothing of federation (${detail}). Is it a dothi server, and as new as this one?`)
  throw new Problem(502, 'upstream', `${url} answered ${response.status}: ${detail}`)
}

function detailOf(text: string): string {
  try { return String((JSON.parse(text) as { detail?: unknown }).detail ?? text) } catch { return text.trim().slice(0, 200) }
}

/** Server-sent events: every `id:` is a revision; comments are heartbeats. */
async function listen({ body }: OutboundResponse, heard: () => void): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const watch = () => {
    clearTimeout(timer)
    timer = setTimeout(() => body.destroy(new Error('the stream of events fell silent')), SILENCE_MS)
  }
  try {
    watch()
    let rest = ''
    for await (const chunk of body) {
      watch()
      const lines = (rest + String(chunk)).split(/\r?\n/)
      rest = lines.pop()!.slice(-1000)
      if (lines.some(line => line.startsWith('id:'))) heard()
    }
  } finally {
    clearTimeout(timer)
  }
}

// ---- what a peer may answer ---------------------------------------------------------------------------------------

const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const nullable = (schema: ReturnType<typeof Type.String> | ReturnType<typeof Type.Number>) => Type.Union([schema, Type.Null()])
const hex = nullable(Type.String({ pattern: '^([0-9a-fA-F]{2})*$' }))
const cursor = Type.Union([Type.Object({ revision: count, layer: Type.String(), id: count }), Type.Null()])
const known = Type.Record(Type.String({ pattern: '^[0-9]{1,4}$' }), count)
const stamps = Type.Record(Type.String(), Type.Tuple([count, Type.Integer({ minimum: 0, maximum: 8191 }), count]))

const GREETING = Type.Object({
  number: Type.Integer({ minimum: 1, maximum: 8191 }), uid: Type.String({ format: undefined, maxLength: 60 }), latest: count, clearance: Type.String(),
  layers: Type.Array(Type.Object({
    id: Type.String(), geometry: Type.String(), surveyed: Type.Union([count, Type.Null()]), threeD: Type.Boolean(),
    columns: Type.Array(Type.Object({ name: Type.String(), type: Type.String() })),
  })),
})

const PAGE = Type.Object({
  instance: Type.Integer({ minimum: 1, maximum: 8191 }), uid: Type.String(), latest: count, sinceMs: Type.Union([count, Type.Null()]), throughMs: Type.Union([count, Type.Null()]), through: count, after: cursor, more: Type.Boolean(), snapshot: Type.Union([count, Type.Null()]),
  knowledge: Type.Array(Type.Object({ revision: count, known, clockMs: count })),
  rows: Type.Array(Type.Object({
    revision: count, layer: Type.String(), id: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }), stamps,
    op: Type.Union([Type.Literal('insert'), Type.Literal('update'), Type.Literal('delete')]),
    row: Type.Union([Type.Null(), Type.Object({
      objectid: Type.Integer(), geom: hex, geomNative: Type.Optional(hex), solid: Type.Optional(hex),
      groundZ: Type.Optional(nullable(Type.Number())), height: Type.Optional(nullable(Type.Number())),
      source: nullable(Type.String()), sourceId: nullable(Type.String()), properties: Type.Record(Type.String(), Type.Unknown()),
    })]),
  })),
})

/** A peer is trusted with the layers it shares, not with the shape of what it sends. */
function checked<S extends typeof GREETING | typeof PAGE>(url: string, schema: S, value: unknown): Static<S> {
  if (Value.Check(schema, value)) return value as Static<S>
  const first = Value.Errors(schema, value).First()
  throw new Problem(502, 'upstream', `${url} answered something else than a peer does: ${first ? `${first.path || '/'} ${first.message}` : 'unreadable'}.`)
}

/** Full jitter around a doubling wait, so that many peers of a server that was away do not come back at once. */
export function backOffMs(failures: number): number {
  return Math.min(LONGEST_MS, 1000 * 2 ** Math.min(failures, 10)) * (0.5 + Math.random() / 2)
}
const LONGEST_MS = 30_000

/** Waits, or not so long when `wake` is called or the signal aborts. */
export function waiter(signal: AbortSignal) {
  let wake = () => {}
  let woken = false
  return {
    wake: () => { woken = true; wake() },
    wait: async (ms: number) => {
      if (!woken && !signal.aborted) {
        const early = new AbortController()
        wake = () => early.abort()
        signal.addEventListener('abort', wake, { once: true })
        await sleep(ms, undefined, { signal: early.signal }).catch(() => {})
        signal.removeEventListener('abort', wake)
      }
      woken = false
    },
  }
}
