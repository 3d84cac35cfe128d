/**
 * Group commit: edits that wait at the same time share one transaction, one lock, one read of their rows and one wait for
 * the disk; each has its own savepoint, its own revision and its own answer. While one group is being written the next
 * gathers, so that the group grows with the load and a lone edit waits for nobody.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { sql, type Transaction } from 'kysely'
import { Problem, isConnectionLost } from '../errors.js'
import type { Database } from './database.js'
import { answersOf, forgetAnswers, KEPT_HOURS, type EditMeta, type Edited } from './answers.js'
import { featureKey, giveIds, groupBy, planEdits, refuseFaults, type Item, type Plan } from './edit-plan.js'
import { statementsOf } from './edit-statements.js'
import { lockWriters } from './revisions.js'
import type { Store } from './store.js'

/** Edits in a group: more subtransactions than 64 spill out of a backend's cache. */
export const MOST_IN_GROUP = 60
/** From this size on a group makes the next one wait a moment for more. */
const CROWD = 3
const GATHER_MS = 1
/** How long a writer waits for another, such as an import in its last step. */
const PATIENCE_MS = 30_000

interface Waiting {
  readonly meta: EditMeta
  readonly items: readonly Item[]
  readonly done: (edited: Edited) => void
  readonly failed: (error: unknown) => void
}
type Outcome = Edited | { readonly error: unknown }

const groups = new WeakMap<Store, EditGroup>()

/** The store's one queue of small edits. */
export function groupOf(store: Store): EditGroup {
  const known = groups.get(store)
  if (known) return known
  const group = new EditGroup(store)
  groups.set(store, group)
  return group
}

class EditGroup {
  #waiting: Waiting[] = []
  #writing = false
  #forgotten = 0

  constructor(private readonly store: Store) {}

  /** `items` must be of different features. */
  add(meta: EditMeta, items: readonly Item[]): Promise<Edited> {
    return new Promise((done, failed) => {
      this.#waiting.push({ meta, items, done, failed })
      if (!this.#writing) void this.#write()
    })
  }

  async #write(): Promise<void> {
    this.#writing = true
    // Requests that came in the same turn of the event loop go together.
    await new Promise(resolve => setImmediate(resolve))
    while (this.#waiting.length) {
      const group = this.#nextGroup()
      await this.#writeGroup(group)
      // Who was in a large group often has its next edit ready at once: without this, groups of one and of many would alternate.
      if (group.length >= CROWD && this.#waiting.length < group.length) await sleep(GATHER_MS)
    }
    this.#writing = false
  }

  /** As many as fit that touch different features and have different keys; the others keep their order for the next. */
  #nextGroup(): Waiting[] {
    const group: Waiting[] = []
    const left: Waiting[] = []
    const touched = new Set<string>()
    let edits = 0
    for (const waiting of this.#waiting) {
      const keys = keysOf(waiting)
      const fits = group.length === 0 || (edits + waiting.items.length <= MOST_IN_GROUP && !keys.some(key => touched.has(key)))
      // What waits behind one that has to wait for its feature must not overtake it.
      for (const key of keys) touched.add(key)
      if (fits) edits += waiting.items.length
      ;(fits ? group : left).push(waiting)
    }
    this.#waiting = left
    return group
  }

  async #writeGroup(group: readonly Waiting[]): Promise<void> {
    try {
      const outcomes = await this.#apply(group)
      for (const outcome of outcomes) if (!('error' in outcome) && outcome.revision) this.store.committed(outcome.revision.revision)
      group.forEach(({ done, failed }, i) => {
        const outcome = outcomes[i]!
        if ('error' in outcome) failed(outcome.error)
        else done(outcome)
      })
    } catch (error) {
      // One that cannot even be read must not fail the others.
      if (group.length > 1 && !isConnectionLost(error) && !isBusy(error)) for (const each of group) await this.#writeGroup([each])
      else for (const { failed } of group) failed(isBusy(error) ? busy() : error)
    }
    await this.#forget()
  }

  async #apply(group: readonly Waiting[]): Promise<readonly Outcome[]> {
    return this.store.db.transaction().execute(async tx => {
      await lockWriters(tx, PATIENCE_MS)
      const outcomes = (await answersOf(tx, group.map(({ meta }) => meta))).map((answer): Outcome | undefined => (answer instanceof Problem ? { error: answer } : answer))
      const plans = await plansOf(tx, group.filter((_, i) => !outcomes[i]))
      const entries: object[] = []
      const writing: number[] = []
      group.forEach(({ meta: { actor, reason, branch = 'main', once }, items }, i) => {
        if (outcomes[i]) return
        const ids = items.map(({ id }) => id)
        try {
          const own = refuseFaults(items.map(item => plans.get(item)!), items, items.length)
          const statements = statementsOf(own, branch)
          if (statements.length === 0) return void (outcomes[i] = { revision: null, ids })
          writing.push(i)
          entries.push({ actor, reason, branch, ...once, statements: statements.map(({ text }) => text), rows: statements.map(({ rows }) => JSON.parse(rows)), answer: { ids } })
        } catch (error) {
          outcomes[i] = problemOnly(error)
        }
      })
      if (entries.length) {
        const { rows } = await sql<Written>`select * from dothi.apply_group(${JSON.stringify(entries)}::json)`.execute(tx)
        writing.forEach((i, n) => { outcomes[i] = outcomeOf(group[i]!, rows[n]!) })
      }
      return outcomes as Outcome[]
    })
  }

  async #forget(): Promise<void> {
    if (Date.now() - this.#forgotten < KEPT_HOURS * 3_600_000 / 24) return
    this.#forgotten = Date.now()
    await forgetAnswers(this.store.db).catch(() => {})
  }
}

async function plansOf(tx: Transaction<Database>, waiting: readonly Waiting[]): Promise<Map<Item, Plan | Problem>> {
  await giveIds(tx, waiting.flatMap(({ items }) => items))
  const plans = new Map<Item, Plan | Problem>()
  for (const [branch, own] of groupBy(waiting, ({ meta }) => meta.branch ?? 'main')) {
    const items = own.flatMap(each => each.items)
    ;(await planEdits(tx, branch, items)).forEach((plan, i) => plans.set(items[i]!, plan))
  }
  return plans
}

interface Written { readonly revision: number | null; readonly at: Date; readonly code: string | null; readonly message: string | null }

function outcomeOf({ meta: { actor, reason, branch = 'main' }, items }: Waiting, { revision, at, code, message }: Written): Outcome {
  if (revision === null) return { error: Object.assign(new Error(message ?? 'An edit failed in the database.'), { code }) }
  return { revision: { revision, at, actor, reason, branch }, ids: items.map(({ id }) => id) }
}

function keysOf({ meta: { branch = 'main', actor, once }, items }: Waiting): string[] {
  return [
    ...items.flatMap(item => featureKey(item) ?? []).map(key => `${branch}/${key}`),
    ...(once ? [`key/${actor}/${once.key}`] : []),
  ]
}

function problemOnly(error: unknown): { readonly error: unknown } {
  if (error instanceof Problem) return { error }
  throw error
}

const LOCK_NOT_AVAILABLE = '55P03'
const isBusy = (error: unknown) => (error as { code?: string }).code === LOCK_NOT_AVAILABLE
const busy = () => new Problem(503, 'unavailable', `Another write, such as an import, has held the store for ${PATIENCE_MS / 1000} seconds. Nothing was written; try again in a few seconds.`, {}, { 'Retry-After': '5' })
