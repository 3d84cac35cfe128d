/** Peers as the steward declares them, and what this instance and a peer must agree on before a row moves. */
import { sql } from 'kysely'
import type { Layer } from '../../layers/layer.js'
import { badBody, conflict, notFound } from '../errors.js'
import { checkedUrl } from '../http/outbound.js'
import { STEWARD, type Store } from '../store/store.js'
import type { RowCursor } from '../store/changes.js'
import { feedLayers } from '../store/changes.js'
import { shapeOf, type Greeting, type LayerShape } from './feed.js'
import { instanceOf } from './versions.js'

export type Direction = 'pull' | 'push' | 'both'
/** new: never reached · in-step · pulling · waiting: tries again by itself · refused: a person must do something · paused */
export type PeerState = 'new' | 'in-step' | 'pulling' | 'waiting' | 'refused' | 'paused'

export interface Peer {
  readonly name: string
  readonly url: string
  readonly token: string | null
  readonly layers: readonly string[]
  /** `pull`: its changes come here · `push`: it fetches ours, we fetch nothing · `both`: each fetches the other's. */
  readonly direction: Direction
  /** Layer → the instance whose value stands in a conflict. */
  readonly owners: Readonly<Record<string, number>>
  /** The steward says that this host may be at a private address. */
  readonly allowPrivate: boolean
  readonly paused: boolean
  readonly instance: number | null
  readonly uid: string | null
  readonly columns: Readonly<Record<string, readonly string[]>>
  /** Differences that federation goes around, one sentence each. */
  readonly notes: readonly string[]
  /** The last of the peer's revisions that is wholly applied here, and how far into the next one. */
  readonly cursor: number
  readonly after: PeerCursor | null
  /** When the peer made the revision of the cursor, ms. */
  readonly cursorMs: number | null
  /** The peer's newest revision, as last heard. */
  readonly latest: number
  readonly state: PeerState
  readonly lastError: string | null
  readonly failures: number
  readonly lastContact: Date | null
  readonly lastChange: Date | null
}

/** Within a revision of the feed, or within the snapshot that a fresh copy begins with. */
export interface PeerCursor extends RowCursor { readonly snapshot?: boolean }

const COLUMNS = sql`name, url, token, layers, direction, owners, allow_private as "allowPrivate", paused, instance, uid, columns, notes, cursor, cursor_ms as "cursorMs", after, latest,
  case when paused then 'paused' else state end as state, last_error as "lastError", failures, last_contact as "lastContact", last_change as "lastChange"`

export async function listPeers(store: Store): Promise<readonly Peer[]> {
  return (await sql<Peer>`select ${COLUMNS} from dothi.peers order by added, name`.execute(store.db)).rows
}

export async function getPeer(store: Store, name: string): Promise<Peer> {
  const { rows } = await sql<Peer>`select ${COLUMNS} from dothi.peers where name = ${name}`.execute(store.db)
  if (!rows[0]) throw notFound(`There is no peer “${name.slice(0, 60)}”: \`dothi peer list\` or GET /federation names them.`)
  return rows[0]
}

export interface NewPeer {
  readonly name: string
  readonly url: string
  readonly token?: string | null
  readonly layers: readonly string[]
  readonly direction?: Direction
  readonly owners?: Readonly<Record<string, number>>
  readonly allowPrivate?: boolean
}

/** Declares a peer. Throws a Problem where a name is taken or a layer is not known here. */
export async function addPeer(store: Store, peer: NewPeer, by: string): Promise<Peer> {
  const { name, token = null, direction = 'both', owners = {}, allowPrivate = false } = peer
  if (!/^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,59}$/u.test(name)) throw badBody('A peer needs a name of up to 60 letters, digits, blanks, dots and dashes.')
  const url = checkedUrl(peer.url).href.replace(/\/+$/, '')
  if (peer.layers.length === 0) throw badBody('Name the layers to keep in step, or all.')
  const layers = peer.layers.includes('all') ? feedLayers(store, STEWARD).map(layer => layer.id) : [...new Set(peer.layers)]
  feedLayers(store, STEWARD, layers)
  for (const layer of Object.keys(owners)) if (!layers.includes(layer)) throw badBody(`“${layer.slice(0, 60)}” has an owner but is not among the layers of this peer.`)
  const { rows } = await sql<{ name: string }>`
    insert into dothi.peers (name, url, token, layers, direction, owners, allow_private, added_by)
    values (${name}, ${url}, ${token}, ${layers}, ${direction}, ${JSON.stringify(owners)}, ${allowPrivate}, ${by}) on conflict do nothing returning name`.execute(store.db)
  if (rows.length === 0) throw conflict(`There is a peer “${name}” already. Remove it first, or choose another name.`)
  return getPeer(store, name)
}

/** Ends federation with a peer. Rows stay as they are; marks stay too, since they belong to the rows. */
export async function removePeer(store: Store, name: string): Promise<void> {
  await getPeer(store, name)
  await sql`delete from dothi.peers where name = ${name}`.execute(store.db)
}

/** `fromStart` reads the peer's whole feed again, which changes nothing that is right already. */
export async function updatePeer(store: Store, name: string, { paused, fromStart }: { paused?: boolean; fromStart?: boolean }): Promise<Peer> {
  await getPeer(store, name)
  if (paused !== undefined) await sql`update dothi.peers set paused = ${paused} where name = ${name}`.execute(store.db)
  if (fromStart) await sql`update dothi.peers set cursor = 0, cursor_ms = null, after = null, uid = null, state = 'new', last_error = null where name = ${name}`.execute(store.db)
  return getPeer(store, name)
}

/** Notes how it goes with a peer, for people and for the next start. */
export async function notePeer(store: Store, name: string, { state, error = null, failures = 0, latest }: { state: PeerState; error?: string | null; failures?: number; latest?: number }): Promise<void> {
  await sql`
    update dothi.peers set state = ${state}, last_error = ${error}, failures = ${failures},
      last_contact = case when ${error === null} then now() else last_contact end, latest = greatest(latest, ${latest ?? 0}::int8)
    where name = ${name}`.execute(store.db)
}

/** What keeps two instances from federating until a person has done something about it. */
export class Refused extends Error {
  override name = 'Refused'
}

/** What a handshake settles for one peer. */
export interface Agreement {
  readonly peer: Peer
  readonly layers: readonly string[]
}

/**
 * Compares both sides before rows move. Numbers must differ; each layer must be there with the same geometry, and columns
 * of one name with one type. Columns that one side lacks are left out and noted. Where more has come to be common than
 * before, or the peer is another store than before, its feed is read from the start. Throws Refused.
 */
export async function agree(store: Store, peer: Peer, greeting: Greeting): Promise<Agreement> {
  const own = await instanceOf(store.db)
  if (greeting.number === own.number && greeting.uid === own.uid) throw new Refused(`${peer.url} is this instance itself; a peer is another one.`)
  if (greeting.number === own.number) throw new Refused(`Both instances have the number ${own.number}, so their feature ids would collide: run \`dothi instance NUMBER\` on the one that is still empty.`)
  if (peer.uid !== null && peer.uid !== greeting.uid) throw new Refused(`Another store answers at ${peer.url} than before (number ${greeting.number}, formerly ${peer.instance}). If that is meant, run \`dothi peer sync --from-start ${quoted(peer.name)}\`.`)
  if (peer.uid !== null && greeting.latest < peer.cursor) throw restored(peer)
  const compared = peer.layers.map(id => compare(store.catalogue.get(id), greeting.layers.find(layer => layer.id === id), greeting))
  const faults = compared.flatMap(({ fault }) => fault ?? [])
  if (faults.length > 0) throw new Refused(faults.join(' '))
  const columns = Object.fromEntries(compared.map(({ id, common }) => [id, common]))
  const notes = compared.flatMap(({ notes }) => notes)
  const grown = compared.some(({ id, common }) => peer.columns[id] !== undefined && common.some(name => !peer.columns[id]!.includes(name)))
  const fresh = grown ? sql`, cursor = 0, cursor_ms = null, after = null` : sql``
  await sql`
    update dothi.peers set instance = ${greeting.number}, uid = ${greeting.uid}::uuid, latest = ${greeting.latest},
      columns = ${JSON.stringify(columns)}, notes = ${JSON.stringify(notes)} ${fresh} where name = ${peer.name}`.execute(store.db)
  return { peer: await getPeer(store, peer.name), layers: peer.layers }
}

/** A peer that went back in time: what was read of it since is numbered otherwise there now. */
export const restored = ({ url, name, cursor }: Peer) =>
  new Refused(`${url} is another than it was at revision ${cursor}: it was restored from a backup. Run \`dothi peer sync --from-start ${quoted(name)}\` here once it is as it should be.`)

const quoted = (name: string) => (/[^\w.-]/.test(name) ? `"${name}"` : name)

interface Compared { readonly id: string; readonly common: readonly string[]; readonly notes: readonly string[]; readonly fault?: string }

function compare(layer: Layer, theirs: LayerShape | undefined, greeting: Greeting): Compared {
  const ours = shapeOf(layer, 'restricted')
  const nothing = { id: layer.id, common: [], notes: [] }
  if (!theirs) return { ...nothing, fault: `The peer has no layer “${layer.id}” that the token (clearance ${greeting.clearance}) may read: publish it there, ask for a token of a higher clearance, or leave it out.` }
  if (theirs.geometry !== ours.geometry || theirs.surveyed !== ours.surveyed || theirs.threeD !== ours.threeD)
    return { ...nothing, fault: `Layer “${layer.id}” is ${formOf(ours)} here and ${formOf(theirs)} there: both sides need the same layer file.` }
  const types = new Map(theirs.columns.map(({ name, type }) => [name, type]))
  const other = ours.columns.find(({ name, type }) => types.has(name) && types.get(name) !== type)
  if (other) return { ...nothing, fault: `Column ${layer.id}.${other.name} is ${other.type} here and ${types.get(other.name)} there: both sides need the same layer file.` }
  const common = ours.columns.map(({ name }) => name).filter(name => types.has(name))
  const here = new Set(ours.columns.map(({ name }) => name))
  const missing = ours.columns.map(({ name }) => name).filter(name => !types.has(name))
  const foreign = theirs.columns.map(({ name }) => name).filter(name => !here.has(name))
  return {
    id: layer.id, common, notes: [
      ...(missing.length ? [`${layer.id}: ${missing.join(', ')} cannot be read there (not there, or above the token's clearance) and stay as they are here.`] : []),
      ...(foreign.length ? [`${layer.id}: ${foreign.join(', ')} are not known here and are left out until this instance has them.`] : []),
    ],
  }
}

const formOf = ({ geometry, surveyed, threeD }: LayerShape) => [geometry, surveyed && `surveyed in EPSG:${surveyed}`, threeD && '3D'].filter(Boolean).join(', ')

/** This instance's number, or sets it while no feature carries it yet. A new number makes it another store to its peers. */
export async function setInstanceNumber(store: Store, number: number): Promise<void> {
  if (!Number.isInteger(number) || number < 1 || number > 8191) throw badBody(`An instance's number is from 1 to 8191, not ${number}.`)
  await store.db.transaction().execute(async tx => {
    await sql`select pg_advisory_xact_lock(hashtext('dothi.revision'))`.execute(tx)
    const { rows: [used] } = await sql<{ revisions: number }>`select count(*) as revisions from (select from dothi.revisions limit 1) r`.execute(tx)
    if (used!.revisions > 0) throw conflict('The number of an instance is part of its feature ids, so it can be set only while nothing has been written: do it on the empty one, before its first start (with SAMPLE=0).')
    await sql`update dothi.instance set number = ${number}, uid = gen_random_uuid()`.execute(tx)
  })
}
