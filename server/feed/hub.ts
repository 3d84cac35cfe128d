/**
 * Server-sent events: every client hears of each revision once and in order, from one LISTEN and one reading of the log.
 *
 *   catching up ──(the log is read to its end)──▶ live ──(the socket is full)──▶ catching up, once it has drained
 *
 * A client is a position in the log. What does not fit its socket is not kept for it: when the socket has drained it is read again
 * from the log. A socket that stays full is told where to resume and closed. So memory does not grow with slow clients.
 */
import { intersects, type BBox } from '../../core/bbox.js'
import type { Classification } from '../../layers/layer.js'
import { Problem } from '../errors.js'
import { changeEntries, EVERY_BRANCH, latestRevision, seesActors, TERRAIN, type ChangeEntry } from '../store/changes.js'
import { branchesUnder } from '../store/revisions.js'
import { STEWARD, type Branch, type Reader, type Store } from '../store/store.js'
import { changeBody } from './body.js'

/** Where text goes: what is used of an HTTP response. */
export interface Sink {
  /** False when the buffer is full: then `drain` follows. */
  write(text: string): boolean
  end(): unknown
  destroy(): unknown
  on(event: 'drain' | 'close', listener: () => void): unknown
  readonly writableNeedDrain: boolean
  readonly writableLength: number
}

export interface EventFilter {
  readonly reader: Reader
  readonly branch: Branch
  readonly layers?: readonly string[]
  readonly bbox?: BBox
}

export interface HubOptions {
  readonly maxClients: number
  readonly heartbeatMs: number
  /** How long a socket may stay full. */
  readonly stallMs: number
  /** After so long a client connects anew, so that a token that was revoked ends. */
  readonly maxAgeMs: number
}
export const HUB_DEFAULTS: HubOptions = { maxClients: 1000, heartbeatMs: 15_000, stallMs: 30_000, maxAgeMs: 15 * 60_000 }

/** Entries of the log read at a time; for a client that fills its socket with fewer, about as many as it takes. */
const BATCH = 500
const LEAST_BATCH = 4
/** Clients that read the log at once; the others wait their turn. */
const READERS = 2
const RETRY_MS = 500

interface Client {
  readonly filter: EventFilter
  readonly group: string
  readonly sink: Sink
  readonly until: number
  /** Every revision up to this one was sent, or does not concern the client. */
  position: number
  live: boolean
  catchingUp: boolean
  batch: number
  /** When its socket filled up; 0 while it takes what comes. */
  fullSince: number
  closed: boolean
}

export class EventHub {
  readonly #clients = new Set<Client>()
  readonly #turns: (() => void)[] = []
  #reading = 0
  /** Every revision up to this one was handed to the live clients. */
  #last = -1
  #wanted = 0
  #pumping: Promise<void> | undefined
  #stopListening = () => {}
  #beat: NodeJS.Timeout | undefined

  constructor(readonly store: Store, readonly options: HubOptions = HUB_DEFAULTS) {}

  get size(): number { return this.#clients.size }
  /** What was written for clients and not yet taken by their sockets. */
  get waitingBytes(): number { return [...this.#clients].reduce((sum, { sink }) => sum + sink.writableLength, 0) }

  /**
   * Adds a client that has seen everything up to `since` (undefined: everything up to now).
   * Throws a 503 Problem where there are too many.
   */
  async add(sink: Sink, filter: EventFilter, since: number | undefined): Promise<void> {
    if (this.#clients.size >= this.options.maxClients) throw new Problem(503, 'unavailable', `${this.options.maxClients} clients listen already, as many as this server takes. Try again later, or poll /changes.`, {}, { 'Retry-After': '30' })
    const age = this.options.maxAgeMs * (0.9 + 0.2 * Math.random())
    const client: Client = { filter, group: groupOf(filter), sink, until: Date.now() + age, position: since ?? 0, live: false, catchingUp: false, batch: BATCH, fullSince: 0, closed: false }
    this.#clients.add(client)
    sink.on('close', () => this.#remove(client))
    sink.on('drain', () => { client.fullSince = 0; if (!client.live) void this.#catchUp(client) })
    if (this.#clients.size === 1) this.#start()
    const latest = await latestRevision(this.store, filter.reader).catch(error => { this.#remove(client); throw error })
    sink.write(`retry: 2000\n\n`)
    if (since === undefined) client.position = latest
    // A store that was restored from a backup has forgotten revisions: what the client holds is of another history.
    if (client.position > latest) {
      client.position = latest
      sink.write(eventText('reset', latest, { latest, reason: `There is no revision ${since} here; the latest is ${latest}. Read everything again.` }))
    }
    void this.#catchUp(client)
  }

  /** Lets every client go. */
  close(): void {
    for (const client of [...this.#clients]) this.#dismiss(client)
  }

  #start(): void {
    this.#last = -1
    this.#stopListening = this.store.onRevision(revision => { this.#wanted = Math.max(this.#wanted, revision); this.#pump() })
    this.#beat = setInterval(() => this.#heartbeat(), Math.min(this.options.heartbeatMs, this.options.stallMs))
    this.#beat.unref()
  }

  #remove(client: Client): void {
    client.closed = true
    client.live = false
    if (!this.#clients.delete(client) || this.#clients.size > 0) return
    this.#stopListening()
    clearInterval(this.#beat)
  }

  /** Reads what is new once, for all. Whoever calls while it reads is served by the next round. */
  #pump(): void {
    this.#pumping ??= this.#readAhead().finally(() => {
      this.#pumping = undefined
      if (this.#last >= 0 && this.#wanted > this.#last && this.#clients.size > 0) setTimeout(() => this.#pump(), RETRY_MS).unref()
    })
  }

  async #readAhead(): Promise<void> {
    try {
      // The first client's catching up says where the log ends; until then nobody is live.
      while (this.#last >= 0 && this.#wanted > this.#last && this.#clients.size > 0) {
        const { entries, through } = await changeEntries(this.store, { reader: STEWARD, branch: EVERY_BRANCH, since: this.#last, limit: BATCH })
        this.#last = Math.max(this.#last, through)
        this.#fanOut(entries)
      }
    } catch {
      // The database is away: tried again soon, and whoever listens to it hears when it is back.
    }
  }

  /** Hands new revisions to the live clients; clients that want the same share the text. */
  #fanOut(entries: readonly ChangeEntry[]): void {
    const texts = new Map<string, readonly Message[]>()
    for (const client of this.#clients) {
      if (!client.live) continue
      let messages = texts.get(client.group)
      if (!messages) texts.set(client.group, messages = messagesOf(this.#visible(entries, client.filter), client.filter.reader))
      for (const message of messages) if (!this.#send(client, message)) break
      if (client.live) client.position = Math.max(client.position, this.#last)
    }
  }

  #visible(entries: readonly ChangeEntry[], { reader, branch, layers, bbox }: EventFilter): readonly ChangeEntry[] {
    const seen = new Set([...this.store.catalogue.for(reader).map(layer => layer.id), TERRAIN].filter(name => !layers || layers.includes(name)))
    const branches = branchesUnder(branch)
    return entries.filter(entry => seen.has(entry.layer) && branches.includes(entry.branch) && (!bbox || (entry.bbox !== null && intersects(entry.bbox, bbox))))
  }

  /** Writes a revision that the client has not seen. False when its socket is full: from there on the log is its buffer. */
  #send(client: Client, { revision, text }: Message): boolean {
    if (client.closed) return false
    if (revision <= client.position) return true
    client.position = revision
    if (client.sink.write(text)) return true
    client.live = false
    client.fullSince = Date.now()
    return false
  }

  /** Brings a client from its position to the end of the log, then makes it live; stops where its socket is full. */
  async #catchUp(client: Client): Promise<void> {
    if (client.catchingUp) return
    client.catchingUp = true
    await this.#turn()
    try {
      while (!client.closed && !client.live && !client.sink.writableNeedDrain) {
        const { entries, through, more } = await changeEntries(this.store, { ...client.filter, since: client.position, limit: client.batch })
        if (client.closed) return
        const messages = messagesOf(entries, client.filter.reader)
        const full = messages.findIndex(message => !this.#send(client, message))
        client.batch = full < 0 ? Math.min(BATCH, client.batch * 2) : Math.max(LEAST_BATCH, full + 1)
        if (full >= 0) return
        client.position = Math.max(client.position, through)
        if (more || client.position < this.#last) continue
        // Here the two streams meet: revisions up to its position were sent from the log, later ones come from the fan-out.
        if (this.#last < 0) this.#last = client.position
        client.live = true
        if (this.#wanted > this.#last) this.#pump()
      }
    } catch {
      if (!client.closed) setTimeout(() => void this.#catchUp(client), RETRY_MS).unref()
    } finally {
      client.catchingUp = false
      this.#reading--
      this.#turns.shift()?.()
    }
  }

  async #turn(): Promise<void> {
    if (this.#reading >= READERS) await new Promise<void>(done => this.#turns.push(done))
    this.#reading++
  }

  /** An empty event carries the position: a client for which nothing happened still resumes from the newest revision. */
  #heartbeat(): void {
    const now = Date.now()
    for (const client of [...this.#clients]) {
      if (client.fullSince > 0 && now - client.fullSince >= this.options.stallMs) this.#dismiss(client, 'resume')
      else if (now >= client.until) this.#dismiss(client)
      else if (client.live && !client.sink.writableNeedDrain) client.sink.write(`: still here\nid: ${client.position}\n\n`)
    }
  }

  /** Ends a client politely; what does not even take the last words is cut off. */
  #dismiss(client: Client, event?: 'resume'): void {
    this.#remove(client)
    if (event) client.sink.write(eventText(event, client.position, { since: client.position, reason: 'You read too slowly: connect again with Last-Event-ID, or read /changes.' }))
    client.sink.end()
    setTimeout(() => client.sink.destroy(), 2_000).unref()
  }
}

interface Message { readonly revision: number; readonly text: string }

/** One event a revision. */
function messagesOf(entries: readonly ChangeEntry[], reader: Reader): readonly Message[] {
  const byRevision = new Map<number, ChangeEntry[]>()
  for (const entry of entries) {
    const its = byRevision.get(entry.revision)
    if (its) its.push(entry)
    else byRevision.set(entry.revision, [entry])
  }
  const staff = seesActors(reader)
  return [...byRevision].map(([revision, its]) => {
    const { at, actor, reason } = its[0]!
    return { revision, text: eventText('change', revision, { revision, at, ...(staff && { actor, reason }), changes: its.map(changeBody) }) }
  })
}

const eventText = (event: string, id: number, data: object) => `event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`

/** Clients of one group get the same bytes. */
function groupOf({ reader, branch, layers, bbox }: EventFilter): string {
  const clearance: Classification = reader.clearance
  return JSON.stringify([clearance, branch, layers ? [...layers].sort() : null, bbox ?? null])
}

const hubs = new WeakMap<Store, EventHub>()

/** The one hub of a store. */
export function eventHubOf(store: Store): EventHub {
  const hub = hubs.get(store) ?? new EventHub(store)
  hubs.set(store, hub)
  return hub
}
