/**
 * Tells webhooks of changes. Each hook has a cursor in the log and one delivery under way: what comes next is sent once the
 * receiver has taken this, so order holds. A delivery's extent is fixed in the database before its first attempt, so every
 * attempt carries the same id and the same changes: at least once, and a receiver that keeps ids has each exactly once.
 * Signatures: Standard Webhooks (webhook-id, webhook-timestamp, webhook-signature), HMAC-SHA256 over `id.timestamp.body`.
 */
import { createHmac } from 'node:crypto'
import { sql } from 'kysely'
import { Problem } from '../errors.js'
import { outbound } from '../http/outbound.js'
import { rounds } from '../rounds.js'
import { changeEntries, latestRevision, seesActors } from '../store/changes.js'
import { STEWARD, type Reader, type Store } from '../store/store.js'
import { changeBody } from './body.js'
import { getWebhook, type Webhook } from './webhooks.js'

export interface SenderOptions {
  /** First pause after a failure; each further one is twice as long, up to `longestMs`, less up to a half by chance. */
  readonly backoffMs: number
  readonly longestMs: number
  /** A hook that failed for so long is dead. */
  readonly deadAfterMs: number
  readonly timeoutMs: number
  /** Deliveries under way at once, over all hooks. */
  readonly parallel: number
}
const DAY_MS = 86_400_000
export const SENDER_DEFAULTS: SenderOptions = { backoffMs: 5_000, longestMs: 3_600_000, deadAfterMs: 5 * DAY_MS, timeoutMs: 15_000, parallel: 4 }

/** Entries of the log that one message holds, about: a revision is never split. */
const MOST_ENTRIES = 200
/** Attempts on record, a hook. */
const KEPT = 200
/** How long other processes leave a hook alone that this one works on, beyond the time an attempt may take. */
const LEASE_MARGIN_MS = 15_000

/** Hooks that are due, with what only the sender reads. */
interface Due extends Webhook { readonly secret: Buffer; readonly pending: number | null }

/** Starts telling; stop waits for what is under way. */
export function startWebhooks({ store }: { readonly store: Store }, options: SenderOptions = SENDER_DEFAULTS): { stop(): Promise<void> } {
  const sender = new Sender(store, options)
  const stopListening = store.onRevision(() => sender.wake())
  sender.wake()
  return { stop: async () => { stopListening(); await sender.stop() } }
}

class Sender {
  readonly #stopping = new AbortController()
  readonly #rounds = rounds(this.#stopping, IDLE_MS, () => this.#work())

  constructor(readonly store: Store, readonly options: SenderOptions) {}

  wake(): void { this.#rounds.wake() }
  stop(): Promise<void> { return this.#rounds.stop() }

  /** Serves every hook that is due; how long nothing will be, milliseconds. */
  async #work(): Promise<number> {
    const { rows } = await sql<{ id: string; wait: number; due: boolean }>`
      select id, greatest(0, extract(epoch from next_attempt - now()) * 1000)::float8 as wait, next_attempt <= now() as due from dothi.webhooks
      where state = 'active' and removed is null and (pending is not null or cursor < (select coalesce(max(revision), 0) from dothi.revisions)) order by next_attempt`.execute(this.store.db)
    const due = rows.filter(hook => hook.due).map(hook => hook.id)
    await Promise.all(Array.from({ length: Math.min(this.options.parallel, due.length) }, async () => {
      for (let id = due.shift(); id !== undefined; id = due.shift()) await this.#serve(id)
    }))
    // What was served may have failed, and then waits for its own time.
    return rows.some(hook => hook.due) ? 0 : Math.min(IDLE_MS, ...rows.map(hook => hook.wait + 5))
  }

  /** Delivers to one hook until it is up to date or fails. */
  async #serve(id: string): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const hook = await this.#claim(id)
      if (!hook) return
      const message = await this.#next(hook)
      if (!message) return
      const result = await send(hook, message, this.options, this.#stopping.signal)
      if (this.#stopping.signal.aborted) return void await this.#release(hook)
      await record(this.store, hook, message, result)
      if (!result.ok) return void await this.#fail(hook, result)
      await this.#delivered(hook, message.through)
    }
  }

  /** Takes a due hook for this process; undefined where another has it. */
  async #claim(id: string): Promise<Due | undefined> {
    const lease = this.options.timeoutMs + LEASE_MARGIN_MS
    const { rows } = await sql<Due>`
      update dothi.webhooks set next_attempt = now() + ${lease} * interval '1 millisecond'
      where id = ${id}::uuid and state = 'active' and removed is null and next_attempt <= now()
      returning id, url, secret, branch, layers, bbox, clearance, owner, cursor, pending, failures, failing_since as "failingSince"`.execute(this.store.db)
    return rows[0]
  }

  /** What comes after the hook's cursor; where nothing concerns it, the cursor moves on. */
  async #next(hook: Due): Promise<Message | undefined> {
    const reader: Reader = { subject: hook.owner, roles: ['viewer'], clearance: hook.clearance }
    const until = hook.pending ?? undefined
    const visible = hook.layers && this.store.catalogue.for(reader).filter(layer => hook.layers!.includes(layer.id)).map(layer => layer.id)
    const { entries, through } = await changeEntries(this.store, { reader, branch: hook.branch, since: hook.cursor, until, limit: MOST_ENTRIES,
      layers: visible ?? undefined, bbox: hook.bbox ?? undefined })
    if (entries.length === 0) {
      await this.#delivered(hook, through)
      return undefined
    }
    if (hook.pending === null) await sql`update dothi.webhooks set pending = ${through}::int8 where id = ${hook.id}::uuid`.execute(this.store.db)
    const staff = seesActors(reader)
    return {
      id: `msg_${hook.id}_${through}`, through,
      body: JSON.stringify({
        type: 'city.changed', timestamp: entries.at(-1)!.at,
        data: {
          webhook: hook.id, since: hook.cursor, through,
          changes: entries.map(entry => ({ revision: entry.revision, at: entry.at, ...(staff && { actor: entry.actor, reason: entry.reason }), ...changeBody(entry) })),
        },
      }),
    }
  }

  async #delivered({ id }: Due, through: number): Promise<void> {
    await sql`
      update dothi.webhooks set cursor = ${through}::int8, pending = null, failures = 0, failing_since = null, next_attempt = now() where id = ${id}::uuid`.execute(this.store.db)
  }

  async #release({ id }: Due): Promise<void> {
    await sql`update dothi.webhooks set next_attempt = now() where id = ${id}::uuid`.execute(this.store.db)
  }

  async #fail({ id, failures, failingSince }: Due, { status, retryAfterMs }: Result): Promise<void> {
    const { backoffMs, longestMs, deadAfterMs } = this.options
    const pause = Math.max(Math.min(longestMs, backoffMs * 2 ** Math.min(failures, 30)) * (1 - Math.random() / 2), Math.min(longestMs, retryAfterMs))
    const dead = status === GONE || (failingSince !== null && Date.now() - failingSince.getTime() >= deadAfterMs)
    await sql`
      update dothi.webhooks set failures = failures + 1, failing_since = coalesce(failing_since, now()), state = ${dead ? 'dead' : 'active'},
        next_attempt = now() + ${pause} * interval '1 millisecond' where id = ${id}::uuid`.execute(this.store.db)
  }
}

/** Without work: commits wake the sender, this is for what nobody told of. */
const IDLE_MS = 10_000
const GONE = 410

interface Message { readonly id: string; readonly through: number; readonly body: string }
interface Result { readonly ok: boolean; readonly status: number | null; readonly detail: string; readonly durationMs: number; readonly retryAfterMs: number }

/** `v1,` and the signature in base64, as Standard Webhooks has it. */
export function signatureOf(secret: Buffer, id: string, timestamp: number, body: string): string {
  return `v1,${createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64')}`
}

async function send({ url, secret }: Pick<Due, 'url' | 'secret'>, { id, body }: Message, { timeoutMs }: SenderOptions, signal?: AbortSignal): Promise<Result> {
  const begun = performance.now()
  const timestamp = Math.floor(Date.now() / 1000)
  const headers = { 'Content-Type': 'application/json', 'webhook-id': id, 'webhook-timestamp': String(timestamp), 'webhook-signature': signatureOf(secret, id, timestamp, body) }
  const result = (ok: boolean, status: number | null, detail: string, retryAfterMs = 0): Result => ({ ok, status, detail, retryAfterMs, durationMs: performance.now() - begun })
  try {
    const response = await outbound(url, { method: 'POST', headers, body, timeoutMs, maxBytes: 64 * 1024, signal })
    const ok = response.status >= 200 && response.status < 300
    const answer = await response.text().catch(() => '')
    return result(ok, response.status, ok ? '' : answer.replace(/[\0-\x1f]+/g, ' ').trim().slice(0, 200), 1000 * (Number(response.headers['retry-after']) || 0))
  } catch (error) {
    return result(false, null, error instanceof Problem ? error.detail.slice(0, 200) : 'No answer.')
  }
}

async function record(store: Store, { id, failures }: Pick<Due, 'id' | 'failures'>, message: { readonly id: string; readonly through: number | null }, { status, detail, durationMs }: Result): Promise<void> {
  await sql`
    with made as (
      insert into dothi.webhook_deliveries (webhook, message, revision, attempt, status, detail, duration_ms)
      values (${id}::uuid, ${message.id}, ${message.through}::int8, ${failures + 1}, ${status}, ${detail}, ${durationMs}))
    delete from dothi.webhook_deliveries where webhook = ${id}::uuid
      and number <= (select number from dothi.webhook_deliveries where webhook = ${id}::uuid order by number desc offset ${KEPT - 1} limit 1)`.execute(store.db)
}

/** Sends a message of no consequence now, whatever state the hook is in. */
export async function pingWebhook(store: Store, id: string): Promise<{ readonly ok: boolean; readonly status: number | null; readonly detail: string; readonly durationMs: number }> {
  const hook = await getWebhook(store, id)
  const { rows } = await sql<{ secret: Buffer }>`select secret from dothi.webhooks where id = ${hook.id}::uuid`.execute(store.db)
  const latest = await latestRevision(store, STEWARD)
  const message = { id: `msg_${hook.id}_ping_${Date.now()}`, through: null, body: JSON.stringify({ type: 'ping', timestamp: new Date(), data: { webhook: hook.id, latest } }) }
  const { retryAfterMs: _, ...result } = await send({ url: hook.url, secret: rows[0]!.secret }, { ...message, through: 0 }, SENDER_DEFAULTS)
  await record(store, { id: hook.id, failures: 0 }, message, { ...result, retryAfterMs: 0 })
  return result
}
