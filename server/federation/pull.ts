/** Pulls a peer's feed until it is in step, from wherever the cursor stands. */
import { sql } from 'kysely'
import { Problem } from '../errors.js'
import { latestRevision } from '../store/changes.js'
import { STEWARD, type Store } from '../store/store.js'
import { applyPage, Overtaken, type ApplyOptions, type AppliedPage } from './apply.js'
import type { FederationPage, Greeting, PageQuery } from './feed.js'
import { agree, getPeer, notePeer, restored, type Agreement, type Peer } from './peers.js'
import { instanceOf } from './versions.js'

/** The way to a peer: over HTTP (connection.ts), or straight to a store in a test. */
export interface Connection {
  greet(signal?: AbortSignal): Promise<Greeting>
  page(query: PageQuery, signal?: AbortSignal): Promise<FederationPage>
}

export interface PullOptions extends ApplyOptions {
  /** Rows a page: what one revision here holds at most, and what memory is bounded by. */
  readonly limit?: number
  readonly signal?: AbortSignal
  readonly onPage?: (peer: Peer, page: FederationPage, applied: AppliedPage) => void
  /** Read how everything came to be, from the first revision, also where a snapshot would do. */
  readonly wholeFeed?: boolean
  /** A handshake of before that still holds. */
  readonly agreement?: Agreement
}

export interface Pulled {
  readonly pages: number
  /** Pages that held something new. */
  readonly revisions: number
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
  readonly clashes: number
  readonly cursor: number
}

export const PAGE_ROWS = 1000

/** Throws Refused where a person must act, a Problem or an Error where the same may succeed later. */
export async function pull(store: Store, name: string, connection: Connection, options: PullOptions = {}): Promise<Pulled> {
  const { signal, onPage } = options
  const { layers } = options.agreement ?? await shakeHands(store, name, connection, signal)
  const total = { pages: 0, revisions: 0, inserted: 0, updated: 0, deleted: 0, clashes: 0 }
  let limit = options.limit ?? PAGE_ROWS
  for (;;) {
    signal?.throwIfAborted()
    const peer = await getPeer(store, name)
    const asker = { instance: (await instanceOf(store.db)).number, latest: await latestRevision(store, STEWARD) }
    const snapshot = await snapshotFor(store, peer, options)
    const page = await fetchPage(connection, { since: peer.cursor, after: peer.after, layers, limit, asker, ...snapshot }, signal)
    if (!page) { limit = Math.max(1, Math.floor(limit / 4)); continue }
    check(peer, page)
    const applied = await applyPage(store, peer, page, options).catch(error => {
      if (error instanceof Overtaken) return null // another process pulls too; go on from where it is
      throw error
    })
    if (!applied) continue
    onPage?.(peer, page, applied)
    total.pages++
    if (applied.revision !== null) total.revisions++
    for (const count of ['inserted', 'updated', 'deleted', 'clashes'] as const) total[count] += applied[count]
    if (!page.more) return { ...total, cursor: page.through }
  }
}

/**
 * Who has nothing yet of these layers begins with the peer's rows as they are, then follows its feed: a long history costs
 * nothing. A copy that has rows reads the feed, since removals are told there only.
 */
async function snapshotFor(store: Store, { cursor, after, layers }: Peer, { wholeFeed }: PullOptions): Promise<{ snapshot?: number }> {
  if (after?.snapshot) return { snapshot: after.revision }
  if (wholeFeed || cursor > 0 || after) return {}
  const { rows } = await sql`select from dothi.changes where layer = any(${layers}::text[]) and branch = 'main' limit 1`.execute(store.db)
  return rows.length === 0 ? { snapshot: 0 } : {}
}

export async function shakeHands(store: Store, name: string, connection: Connection, signal?: AbortSignal): Promise<Agreement> {
  const peer = await getPeer(store, name)
  const agreement = await agree(store, peer, await connection.greet(signal))
  await notePeer(store, name, { state: 'pulling' })
  return agreement
}

/** Undefined where the page is larger than may be received: it is asked for again in smaller pieces. */
async function fetchPage(connection: Connection, query: PageQuery, signal: AbortSignal | undefined): Promise<FederationPage | undefined> {
  try {
    return await connection.page(query, signal)
  } catch (error) {
    if (error instanceof Problem && 'maxBytes' in error.more && query.limit > 1) return undefined
    throw error
  }
}

/** A page of another store than the one hands were shaken with, or of rows nobody asked for, is not applied. */
function check(peer: Peer, page: FederationPage): void {
  if (page.uid !== peer.uid || page.instance !== peer.instance) throw new Error(`Another store answers at ${peer.url} than a moment ago.`)
  const stray = page.rows.find(row => !peer.layers.includes(row.layer))
  if (stray) throw new Error(`${peer.url} sent rows of “${stray.layer}”, which nobody asked for.`)
  if (peer.cursorMs !== null && page.sinceMs !== peer.cursorMs) throw restored(peer)
  if (page.through < peer.cursor) throw new Error(`${peer.url} answered with revision ${page.through}, which is before ${peer.cursor}.`)
}
