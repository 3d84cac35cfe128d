/** Webhooks: who is told of what, and how each delivery went. The sender (webhook-sender.ts) does the telling. */
import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import type { BBox } from '../../core/bbox.js'
import type { Classification } from '../../layers/layer.js'
import { badBody, notFound } from '../errors.js'
import { checkedUrl } from '../http/outbound.js'
import { feedNames, latestRevision } from '../store/changes.js'
import { CLASSES, covers } from '../store/rights.js'
import type { Branch, Reader, Store } from '../store/store.js'

export interface Webhook {
  readonly id: string
  readonly url: string
  readonly description: string
  readonly branch: Branch
  readonly layers: readonly string[] | null
  readonly bbox: BBox | null
  readonly clearance: Classification
  readonly owner: string
  readonly created: Date
  /** Everything up to this revision was delivered, or does not concern it. */
  readonly cursor: number
  /** `dead`: failed for too long, or the receiver said that it is gone. */
  readonly state: 'active' | 'dead'
  /** Attempts that failed since the last that did not. */
  readonly failures: number
  readonly failingSince: Date | null
  readonly nextAttempt: Date
}

export interface WebhookRequest {
  readonly url: string
  readonly description?: string
  readonly layers?: readonly string[]
  readonly bbox?: BBox
  /** Default: the branch of the request. */
  readonly branch?: Branch
  /** Revisions after this one; default those to come. */
  readonly since?: number
  /** Default open: what is told leaves the house. */
  readonly clearance?: Classification
  /** `whsec_` and 24 to 64 bytes in base64; default made here. */
  readonly secret?: string
}

export interface Delivery {
  /** Equal in every attempt of the same delivery. */
  readonly message: string
  readonly revision: number | null
  readonly at: Date
  readonly attempt: number
  /** HTTP status; null where there was no answer. */
  readonly status: number | null
  readonly detail: string
  readonly durationMs: number
}

const PREFIX = 'whsec_'
const COLUMNS = sql`id, url, description, branch, layers, bbox, clearance, owner, created, cursor, state, failures, failing_since as "failingSince", next_attempt as "nextAttempt"`

/** Adds a hook. Its secret is returned this once. Throws a Problem for an address, layer, clearance or secret that cannot be. */
export async function addWebhook(store: Store, reader: Reader, request: WebhookRequest): Promise<{ webhook: Webhook; secret: string }> {
  const { branch = 'main', clearance = 'open', description = '', layers, bbox } = request
  const url = checkedUrl(request.url).href
  if (!CLASSES.includes(clearance) || !covers(reader.clearance, clearance)) throw badBody(`You may hand on at most what you see yourself (${reader.clearance}), not ${clearance}.`)
  feedNames(store, { ...reader, clearance }, layers)
  const secret = request.secret ?? PREFIX + randomBytes(32).toString('base64')
  const key = keyOf(secret)
  const latest = await latestRevision(store, reader)
  const since = request.since ?? latest
  if (since > latest) throw badBody(`Revision ${since} does not exist; the latest is ${latest}.`)
  const { rows } = await sql<Webhook>`
    insert into dothi.webhooks (url, description, secret, branch, layers, bbox, clearance, owner, cursor)
    values (${url}, ${description}, ${key}, ${branch}, ${layers ? [...layers] : null}::text[], ${bbox ? [...bbox] : null}::float8[], ${clearance}, ${reader.subject}, ${since})
    returning ${COLUMNS}`.execute(store.db)
  return { webhook: rows[0]!, secret }
}

/** The bytes that sign. */
export function keyOf(secret: string): Buffer {
  const key = Buffer.from(secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : '', 'base64')
  if (key.length < 24 || key.length > 64) throw badBody('A secret is “whsec_” and 24 to 64 random bytes in base64; leave it away and one is made.')
  return key
}

export async function listWebhooks(store: Store): Promise<readonly Webhook[]> {
  return (await sql<Webhook>`select ${COLUMNS} from dothi.webhooks where removed is null order by created, id`.execute(store.db)).rows
}

export async function getWebhook(store: Store, id: string): Promise<Webhook> {
  const { rows } = await sql<Webhook>`select ${COLUMNS} from dothi.webhooks where id::text = ${id} and removed is null`.execute(store.db)
  return rows[0] ?? unknown(id)
}

export async function removeWebhook(store: Store, id: string): Promise<void> {
  // The secret goes at once; what was delivered stays on record.
  const { rows } = await sql`update dothi.webhooks set removed = now(), secret = '' where id::text = ${id} and removed is null returning id`.execute(store.db)
  if (rows.length === 0) unknown(id)
}

/** Tries a dead or waiting hook again now, from where it stood. */
export async function resumeWebhook(store: Store, id: string): Promise<Webhook> {
  const { rows } = await sql<Webhook>`
    update dothi.webhooks set state = 'active', failures = 0, failing_since = null, next_attempt = now() where id::text = ${id} and removed is null returning ${COLUMNS}`.execute(store.db)
  return rows[0] ?? unknown(id)
}

/** The last attempts, newest first. */
export async function deliveriesOf(store: Store, id: string, limit: number): Promise<readonly Delivery[]> {
  await getWebhook(store, id)
  return (await sql<Delivery>`
    select message, revision, at, attempt, status, detail, duration_ms as "durationMs" from dothi.webhook_deliveries
    where webhook = ${id}::uuid order by number desc limit ${limit}`.execute(store.db)).rows
}

function unknown(id: string): never {
  throw notFound(`There is no webhook “${id.slice(0, 60)}”. GET /webhooks lists them.`)
}
