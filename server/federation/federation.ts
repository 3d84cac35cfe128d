/**
 * Federation: two or more instances keep chosen layers in step, both ways, through cut links, restarts and crashes.
 *
 * **Who fetches.** Every instance pulls; nobody pushes. A peer is declared with its address, the token it gave us, and
 * the layers. Its feed is read page by page from the cursor, which is the last of its revisions that is wholly applied here
 * (and how far into the next, since a large revision takes several pages). The peer's stream of events wakes the puller;
 * polling stands in for it. A copy that has nothing of the layers yet begins with a snapshot, then follows the feed. A page is applied in one revision together with the cursor, the marks and the conflicts it
 * brought, in one transaction: after any crash all of it is there or none, and none is asked for again.
 *
 * **What is compared.** Ids are the same everywhere (instance << 40 | n), so two instances of one number refuse each
 * other. A feature is a set of fields: geometry with its twins, source with its id, ground and height, each column. Each
 * field has a stamp: when it was written, by which instance, in which of that instance's revisions. Of two copies every
 * field takes the later write, and the feature itself is there if its last write is later than its last removal. That
 * is all there is to the merge (stamps.ts): it does not depend on order or repetition, so all copies become equal once
 * everybody has heard everything, in pairs, stars, chains and rings alike.
 *
 * **Where stamps come from.** Writers know nothing of them. A version that came from a peer has a mark; any other version
 * was written here, and comparing it with the one before tells which fields it wrote (versions.ts). The time of a
 * stamp is the revision's, but never before a stamp that had come in earlier, so a wrong clock cannot undo what was
 * written in knowledge of it.
 *
 * **Conflicts.** Which writes knew of which is told by what each instance had applied at each of its revisions
 * (`federation_knowledge`). Two writes of a field that did not know of each other and differ are a conflict: the later one
 * stands, on both sides alike, or that of the instance declared as the layer's owner, which then writes its value anew, so
 * that it is the later one. Both values are kept, on both sides, until a person decides or a later write supersedes them.
 * A removal against an edit is such a conflict too; there the later one stands, owner or not.
 *
 * **No echo.** A row all of whose stamps are the asker's own is not sent to it; one that arrives all the same changes nothing,
 * and where nothing changes there is no revision.
 *
 * **Rights.** A peer gets what its token may read. Columns that do not come are not touched. A column or a clearance that
 * is added later makes the feed be read from the start, which is harmless by the above.
 *
 * **What it is not.** Rows arrive checked by the peer's rules, not ours; quality checks tell of what ours find. History here has
 * one version a page, by the actor `peer NAME`; the peer's own history tells the steps between. 32-bit object ids,
 * branches, attachments and lineage stay with their instance. In a ring a conflict may be reported that was none;
 * a third instance hears of the outcome of a conflict, not of the conflict.
 */
import { Problem } from '../errors.js'
import type { Store } from '../store/store.js'
import { backOffMs, httpConnection, waiter } from './connection.js'
import { getPeer, listPeers, notePeer, Refused, type Agreement, type Peer } from './peers.js'
import { pull, shakeHands } from './pull.js'

/** How often a peer is asked that says nothing, and one that a person must do something about. */
const POLL_MS = 10_000
const REFUSED_MS = 60_000
/** How soon a peer that was added, paused or removed in another process is noticed. */
const LOOK_MS = 2_000

/** Keeps pulling all declared peers, until it is stopped. */
export function start({ store }: { readonly store: Store }): { stop(): Promise<void> } {
  const stopping = new AbortController()
  const pullers = new Map<string, Puller>()
  const looking = (async () => {
    while (!stopping.signal.aborted) {
      await tend(store, pullers).catch(() => {}) // the database is away for a moment
      await waiter(stopping.signal).wait(LOOK_MS)
    }
    await Promise.all([...pullers.values()].map(puller => puller.stop()))
  })()
  return { stop: async () => { stopping.abort(); await looking } }
}

async function tend(store: Store, pullers: Map<string, Puller>): Promise<void> {
  const wanted = new Map((await listPeers(store)).filter(peer => !peer.paused && peer.direction !== 'push').map(peer => [peer.name, peer]))
  for (const [name, puller] of pullers) {
    if (wanted.has(name)) continue
    pullers.delete(name)
    await puller.stop()
  }
  for (const [name, peer] of wanted) if (!pullers.has(name)) pullers.set(name, new Puller(store, peer))
}

/** One peer's life: pull, wait to be woken, pull again; after a failure wait longer each time. */
class Puller {
  readonly #stopping = new AbortController()
  readonly #waiter = waiter(this.#stopping.signal)
  readonly #done: Promise<unknown>

  constructor(readonly store: Store, peer: Peer) {
    this.#done = Promise.all([this.#pulling(peer.name), this.#hearing(peer)])
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#done
  }

  async #pulling(name: string): Promise<void> {
    const { signal } = this.#stopping
    let agreement: Agreement | undefined
    for (let failures = 0; !signal.aborted;) {
      try {
        const peer = await getPeer(this.store, name)
        // A cursor that was set back means that a person wants to begin anew, hands included.
        if (agreement && peer.uid === null) agreement = undefined
        const connection = httpConnection(peer)
        agreement ??= await shakeHands(this.store, name, connection, signal)
        await pull(this.store, name, connection, { signal, agreement })
        await notePeer(this.store, name, { state: 'in-step' })
        failures = 0
        await this.#waiter.wait(POLL_MS)
      } catch (error) {
        if (signal.aborted) return
        agreement = undefined
        failures++
        await notePeer(this.store, name, { state: error instanceof Refused ? 'refused' : 'waiting', error: sentence(error), failures }).catch(() => {})
        await this.#waiter.wait(error instanceof Refused ? REFUSED_MS : backOffMs(failures))
      }
    }
  }

  async #hearing(peer: Peer): Promise<void> {
    const { signal } = this.#stopping
    for (let failures = 0; !signal.aborted; failures++) {
      const since = Date.now()
      await httpConnection(peer).events(() => this.#waiter.wake(), signal).catch(() => {})
      if (Date.now() - since > POLL_MS) failures = 0
      await waiter(signal).wait(backOffMs(failures))
    }
  }
}

/** What went wrong, for the peer's state: our own sentences, and of the rest what it says. */
function sentence(error: unknown): string {
  return (error instanceof Problem ? error.detail : error instanceof Error ? error.message : String(error)).slice(0, 500)
}
