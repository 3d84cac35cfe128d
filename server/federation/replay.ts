/** The feed of another instance, replayed into an empty one: the identical city, layer by layer. */
import { sql } from 'kysely'
import { conflict, Problem } from '../errors.js'
import type { Store } from '../store/store.js'
import { httpConnection } from './connection.js'
import { addPeer, getPeer, removePeer, setInstanceNumber, updatePeer } from './peers.js'
import { pull, type Connection, type Pulled, type PullOptions } from './pull.js'
import { instanceOf } from './versions.js'

export interface ReplayOptions extends Pick<PullOptions, 'limit' | 'signal' | 'onPage'> {
  readonly from: string
  readonly token?: string
  /** Default: all that the token may read. */
  readonly layers?: readonly string[]
  readonly allowPrivate?: boolean
  /** Default: HTTP to `from`. */
  readonly connection?: Connection
}

/** Under this name the cursor is kept, so that a replay that was cut off goes on where it was. */
const NAME = 'replay'
const ACTOR = 'replay'

/**
 * Pulls the whole feed. The copy gets an instance number of its own where it has the other's, the other's city where it has
 * none, and layers that were published there. Throws 409 where this store has anything else than an unfinished replay of
 * the same address in it.
 */
export async function replay(store: Store, options: ReplayOptions): Promise<Pulled> {
  const { from, token = null, allowPrivate = false, signal } = options
  const connection = options.connection ?? httpConnection({ url: from.replace(/\/+$/, ''), token, allowPrivate })
  const begun = await getPeer(store, NAME).catch(() => undefined)
  if (!begun) {
    await begin(store, connection, options)
  } else if (begun.url !== from.replace(/\/+$/, '')) {
    throw conflict(`This store holds an unfinished replay of ${begun.url}: finish that one, or begin with an empty DATA_DIR.`)
  }
  const pulled = await pull(store, NAME, connection, { ...options, ...(signal && { signal }), keepObjectIds: true, wholeFeed: true })
  await removePeer(store, NAME)
  return pulled
}

async function begin(store: Store, connection: Connection, { from, token, layers, allowPrivate, signal }: ReplayOptions): Promise<void> {
  const { rows: [used] } = await sql<{ some: boolean }>`select exists (select from dothi.revisions) as some`.execute(store.db)
  if (used!.some) throw conflict('A feed is replayed into an empty store only, and this one has revisions: name an empty DATA_DIR (and SAMPLE=0).')
  const there = await connection.greet(signal)
  const wanted = layers ? there.layers.filter(layer => layers.includes(layer.id)) : there.layers
  const missing = layers?.filter(id => !wanted.some(layer => layer.id === id)) ?? []
  if (missing.length > 0) throw new Problem(404, 'not-found', `${from} has no layer ${missing.join(', ')} that the token may read.`)
  if ((await instanceOf(store.db)).number === there.number) await setInstanceNumber(store, (there.number % 8191) + 1)
  if (there.city && (await sql`select from dothi.city`.execute(store.db)).rows.length === 0) await store.setCity(there.city)
  for (const { id, definition } of wanted) if (definition && !store.catalogue.find(id)) await store.catalogue.publish(definition, ACTOR)
  await addPeer(store, { name: NAME, url: from, token: token ?? null, layers: wanted.map(layer => layer.id), direction: 'pull', allowPrivate: allowPrivate === true }, ACTOR)
  // A server that runs on this store meanwhile leaves it to us.
  await updatePeer(store, NAME, { paused: true })
}
