/** Federation over HTTP: what peers ask of each other, and what staff see and decide. */
import { Type } from '@sinclair/typebox'
import { badParameter } from '../errors.js'
import type { Call, Operation, Parameter } from '../operations/operation.js'
import type { RowCursor } from '../store/changes.js'
import { latestRevision } from '../store/changes.js'
import { STEWARD, type Store } from '../store/store.js'
import * as answers from './answers.js'
import { countOpen, listConflicts, resolveConflict } from './conflicts.js'
import { httpConnection } from './connection.js'
import { federationPage, greeting } from './feed.js'
import { addPeer, getPeer, listPeers, removePeer, updatePeer, type Peer } from './peers.js'
import { pull } from './pull.js'
import { instanceOf } from './versions.js'

const tags = ['Federation'] as const
const staff = ['editor', 'steward'] as const
const query = (name: string, description: string, schema: Parameter['schema'], required = false): Parameter => ({ name, in: 'query', description, schema, required })
const peerName: Parameter = { name: 'peer', in: 'path', required: true, description: 'The peer\'s name', schema: Type.String({ maxLength: 60 }) }
const count = { minimum: 0, maximum: Number.MAX_SAFE_INTEGER }

const PEER = Type.Object({
  name: Type.String({ maxLength: 60 }),
  url: Type.String({ maxLength: 500 }),
  token: Type.Optional(Type.String({ maxLength: 500 })),
  layers: Type.Array(Type.String({ maxLength: 60 }), { minItems: 1, maxItems: 500 }),
  direction: Type.Optional(Type.Union([Type.Literal('pull'), Type.Literal('push'), Type.Literal('both')])),
  owners: Type.Optional(Type.Record(Type.String(), Type.Integer({ minimum: 1, maximum: 8191 }))),
  allowPrivate: Type.Optional(Type.Boolean()),
}, { additionalProperties: false })

export const operations: readonly Operation[] = [
  {
    id: 'greetPeer', method: 'get', path: '/federation/hello', tags, summary: 'Which instance this is, and the layers that the token may follow.',
    responses: answers.GREETING, handler: async (call, response) => void response.set('Cache-Control', 'no-store').json(await greeting(call.app.store, call.reader)),
  },
  {
    id: 'getFederationRows', method: 'get', path: '/federation/rows', tags, summary: 'The change feed with the writes that each field comes from, for peers.',
    parameters: [
      query('since', 'The last revision that is wholly there already', Type.Integer({ ...count, default: 0 })),
      query('after', 'Where the page before ended within the next revision: revision,layer,id', Type.String({ maxLength: 100 })),
      query('layers', 'Layers, with commas', Type.String({ maxLength: 10_000 }), true),
      query('limit', 'Rows a page', Type.Integer({ minimum: 1, maximum: 10_000, default: 1000 })),
      query('snapshot', 'The rows as of this revision, 0 for the newest, instead of the feed', Type.Integer(count)),
      query('asker', 'Instance number and newest revision of who asks: its own writes are left out', Type.String({ pattern: '^\\d{1,4},\\d{1,16}$' })),
    ],
    responses: answers.ROWS, handler: async (call, response) => {
      const { since, after, layers, limit, asker, snapshot } = call.params
      const [instance, latest] = asker ? asker.split(',').map(Number) : []
      response.set('Cache-Control', 'no-store').json(await federationPage(call.app.store, call.reader, {
        since, after: after ? cursorOf(after) : null, layers: layers.split(','), limit, snapshot, ...(asker && { asker: { instance, latest } }),
      }))
    },
  },
  {
    id: 'getFederation', method: 'get', path: '/federation', tags, roles: staff, summary: 'This instance and its peers: cursor, lag, state, last error.',
    responses: answers.STATUS, handler: async (call, response) => void response.set('Cache-Control', 'no-store').json(await federationStatus(call.app.store)),
  },
  {
    id: 'addPeer', method: 'post', path: '/federation/peers', tags, roles: ['steward'], summary: 'Declare another instance, and the layers to keep in step with it.',
    body: { contentType: 'application/json', schema: PEER },
    responses: answers.PEER_MADE, handler: async (call, response) => {
      const peer = await addPeer(call.app.store, call.body as Parameters<typeof addPeer>[1], call.reader.subject)
      response.status(201).set('Location', `${call.origin}/federation/peers/${encodeURIComponent(peer.name)}`).json(shown(peer))
    },
  },
  {
    id: 'getPeer', method: 'get', path: '/federation/peers/{peer}', tags, roles: staff, parameters: [peerName], summary: 'How it goes with one peer.',
    responses: answers.ONE_PEER, handler: async (call, response) => void response.set('Cache-Control', 'no-store').json(shown(await getPeer(call.app.store, call.params.peer))),
  },
  {
    id: 'removePeer', method: 'delete', path: '/federation/peers/{peer}', tags, roles: ['steward'], parameters: [peerName], summary: 'End federation with a peer; what came from it stays.',
    responses: answers.GONE, handler: async (call, response) => {
      await removePeer(call.app.store, call.params.peer)
      response.status(204).end()
    },
  },
  {
    id: 'changePeer', method: 'patch', path: '/federation/peers/{peer}', tags, roles: ['steward'], parameters: [peerName], summary: 'Pause or resume a peer, or read its feed from the start.',
    body: { contentType: 'application/json', schema: Type.Object({ paused: Type.Optional(Type.Boolean()), fromStart: Type.Optional(Type.Boolean()) }, { additionalProperties: false }) },
    responses: answers.ONE_PEER, handler: async (call, response) => void response.json(shown(await updatePeer(call.app.store, call.params.peer, call.body as object))),
  },
  {
    id: 'syncPeer', method: 'post', path: '/federation/peers/{peer}/sync', tags, roles: ['steward'], parameters: [peerName], summary: 'Pull a peer now, until it is in step.',
    responses: answers.PULLED, handler: async (call, response) => {
      const peer = await getPeer(call.app.store, call.params.peer)
      response.json(await pull(call.app.store, peer.name, httpConnection(peer), { signal: call.signal }))
    },
  },
  {
    id: 'getFederationConflicts', method: 'get', path: '/federation/conflicts', tags, roles: staff, summary: 'Fields that two instances changed without knowing of each other, with both values.',
    parameters: [
      query('state', '`open` or `all`', Type.Union([Type.Literal('open'), Type.Literal('all')], { default: 'open' })),
      query('layer', 'Of this layer only', Type.String({ maxLength: 60 })),
      query('limit', 'How many at most', Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
    ],
    responses: answers.CONFLICTS, handler: async (call, response) => {
      const { state, layer, limit } = call.params
      response.set('Cache-Control', 'no-store').json({ conflicts: await listConflicts(call.app.store, call.reader, { all: state === 'all', layer, limit }) })
    },
  },
  {
    id: 'resolveFederationConflict', method: 'post', path: '/federation/conflicts/{conflictId}/resolve', tags, roles: staff, summary: 'Decide a conflict for one side.',
    parameters: [{ name: 'conflictId', in: 'path', required: true, description: 'The conflict\'s id', schema: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }) }],
    body: { contentType: 'application/json', schema: Type.Object({ take: Type.Union([Type.Literal('mine'), Type.Literal('theirs')]), reason: Type.Optional(Type.String({ maxLength: 500 })) }, { additionalProperties: false }) },
    responses: answers.RESOLVED, handler: resolve,
  },
]

async function resolve(call: Call, response: Parameters<Operation['handler']>[1]): Promise<void> {
  const { take, reason } = call.body as { take: 'mine' | 'theirs'; reason?: string }
  const given = reason ?? call.request.get('x-reason')
  response.json(await resolveConflict(call.app.store, call.reader, call.params.conflictId, take, given ?? `conflict ${call.params.conflictId}: ${take}`))
}

function cursorOf(text: string): RowCursor {
  const [, revision, layer, id] = /^(\d{1,16}),([a-z][a-z0-9_]{0,50}),(\d{1,16})$/.exec(text) ?? []
  if (!layer) throw badParameter('after', `“after” is revision,layer,id as the page before gave them, not “${text.slice(0, 60)}”.`)
  return { revision: Number(revision), layer, id: Number(id) }
}

/** The instance and its peers, as people see them: no token. */
export async function federationStatus(store: Store) {
  const [{ number, uid }, peers, revision, openConflicts] = await Promise.all([instanceOf(store.db), listPeers(store), latestRevision(store, STEWARD), countOpen(store)])
  return { instance: number, uid, revision, openConflicts, peers: peers.map(shown) }
}

/** A peer without its token. `lag` is the number of its revisions that are not here yet, of whatever layers. */
export function shown({ token, columns: _columns, ...peer }: Peer) {
  return { ...peer, hasToken: token !== null, lag: Math.max(0, peer.latest - peer.cursor) }
}
