/** What federation answers. */
import { Type } from '@sinclair/typebox'
import { BOOLEAN, COUNT, FREE, INSTANT, INTEGER, json, named, nullable, TEXT } from '../ogc/common/schemas.js'

const { Array: list, Object: object, Optional: optional, Unknown: unknown } = Type

const PEER = named('Peer', object({
  name: TEXT, url: TEXT, layers: list(TEXT), direction: TEXT, owners: FREE, allowPrivate: BOOLEAN, paused: BOOLEAN, instance: nullable(INTEGER), uid: nullable(TEXT), notes: list(unknown()),
  cursor: INTEGER, cursorMs: nullable(INTEGER), after: unknown(), latest: INTEGER, state: TEXT, lastError: nullable(TEXT), failures: COUNT, lastContact: nullable(INSTANT), lastChange: nullable(INSTANT),
  hasToken: BOOLEAN, lag: COUNT,
}))

export const GREETING = { 200: json('This instance.', object({
  number: nullable(INTEGER), uid: TEXT, city: FREE, latest: INTEGER, clearance: TEXT,
  layers: list(object({ id: TEXT, geometry: TEXT, surveyed: nullable(INTEGER), threeD: BOOLEAN, columns: list(FREE) })),
})) }
export const ROWS = { 200: json('Rows with their stamps.', object({
  instance: nullable(INTEGER), uid: TEXT, latest: INTEGER, sinceMs: nullable(INTEGER), throughMs: nullable(INTEGER), through: INTEGER, after: unknown(), more: BOOLEAN, snapshot: nullable(INTEGER),
  knowledge: list(FREE), rows: list(object({ revision: INTEGER, layer: TEXT, op: TEXT, id: INTEGER, row: nullable(FREE), stamps: FREE })),
})) }
export const STATUS = { 200: json('This instance and its peers.', object({ instance: nullable(INTEGER), uid: TEXT, revision: INTEGER, openConflicts: COUNT, peers: list(PEER) })) }
export const PEER_MADE = { 201: { ...json('The peer; its address is in Location.', PEER), headers: { Location: { description: 'Address of the peer.', schema: TEXT } } } }
export const ONE_PEER = { 200: json('The peer.', PEER) }
export const GONE = { 204: 'It is gone.' }
export const PULLED = { 200: json('What came.', object({ pages: COUNT, revisions: COUNT, inserted: COUNT, updated: COUNT, deleted: COUNT, clashes: COUNT, cursor: INTEGER })) }
export const CONFLICTS = { 200: json('The conflicts.', object({ conflicts: list(object({
  id: INTEGER, peer: TEXT, layer: TEXT, feature: INTEGER, field: TEXT, mine: unknown(), theirs: unknown(), winner: TEXT, detected: INSTANT, resolved: nullable(INSTANT), resolvedBy: nullable(TEXT), resolution: nullable(TEXT),
  mineAt: optional(nullable(TEXT)), theirsAt: optional(nullable(TEXT)), theirInstance: nullable(INTEGER),
})) })) }
export const RESOLVED = { 200: json('The revision that it took, if any.', object({ revision: nullable(INTEGER) })) }
