/** What the feed and webhooks answer. */
import { Type } from '@sinclair/typebox'
import { answer, BOOLEAN, BOX, COUNT, FREE, INSTANT, INTEGER, json, LINKS, named, nullable, NUMBER, TEXT } from '../ogc/common/schemas.js'

const { Array: list, Object: object, Optional: optional } = Type
const PLACE = optional(nullable(TEXT))

export const CHANGES = { 200: json('Changes, oldest first.', object({
  changes: list(object({ revision: INTEGER, at: INSTANT, layer: TEXT, branch: TEXT, inserted: COUNT, updated: COUNT, deleted: COUNT, bbox: nullable(BOX), tiles: nullable(list(TEXT)), actor: optional(nullable(TEXT)), reason: optional(nullable(TEXT)) })),
  through: INTEGER, more: BOOLEAN, links: LINKS,
})) }
export const CHANGED_ROWS = { 200: json('Rows, in the order in which they were made.', object({
  rows: list(object({ revision: INTEGER, at: INSTANT, layer: TEXT, op: TEXT, id: INTEGER, row: nullable(FREE), actor: optional(nullable(TEXT)), reason: optional(nullable(TEXT)) })),
  through: INTEGER, after: PLACE, more: BOOLEAN, links: LINKS,
})) }
export const HASHES = { 200: json('A hash of each layer.', object({ layers: list(object({ layer: TEXT, revision: INTEGER, count: COUNT, hash: TEXT })) })) }
export const EVENTS = { 200: answer('Events without end.', 'text/event-stream', TEXT) }

const WEBHOOK = named('Webhook', object({
  id: TEXT, url: TEXT, description: TEXT, branch: TEXT, layers: nullable(list(TEXT)), bbox: nullable(BOX), clearance: TEXT, owner: TEXT, created: INSTANT,
  cursor: INTEGER, state: Type.Union([Type.Literal('active'), Type.Literal('dead')]), failures: COUNT, failingSince: nullable(INSTANT), nextAttempt: nullable(INSTANT),
}))
export const WEBHOOK_MADE = { 201: { ...json('The webhook with its secret; its address is in Location.', Type.Composite([WEBHOOK, object({ secret: TEXT })])), headers: { Location: { description: 'Address of the webhook.', schema: TEXT } } } }
export const WEBHOOKS = { 200: json('The webhooks.', object({ webhooks: list(WEBHOOK) })) }
export const ONE_WEBHOOK = { 200: json('The webhook.', WEBHOOK) }
export const GONE = { 204: 'It is gone.' }
export const DELIVERIES = { 200: json('The attempts.', object({ deliveries: list(object({ message: TEXT, revision: nullable(INTEGER), at: INSTANT, attempt: COUNT, status: nullable(INTEGER), detail: nullable(TEXT), durationMs: nullable(NUMBER) })) })) }
export const PINGED = { 200: json('How it went.', object({ ok: BOOLEAN, status: nullable(INTEGER), detail: nullable(TEXT), durationMs: nullable(NUMBER) })) }
