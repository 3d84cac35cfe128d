/**
 * Keeps the report in step with the city: each committed revision wakes it; it waits a moment for more, looks again at what
 * changed and its neighbours, and rests longer than it worked. The cursor is in the database: after a restart it goes on there.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Jobs } from '../operations/jobs.js'
import { STEWARD, type Store } from '../store/store.js'
import { checkChanges } from './check.js'
import { CHECK } from './jobs.js'
import { sql } from 'kysely'

/** Edits of a moment are one check. */
const SETTLE_MS = 1_000
/** The share of one connection's time that checking may take. */
const WORK_SHARE = 0.25
const RETRY_MS = 10_000
/** Without any edit: for what depends on the day. */
const IDLE_MS = 3_600_000

export interface Background { stop(): Promise<void> }

export function start({ store, jobs }: { readonly store: Store; readonly jobs: Jobs }, { settleMs = SETTLE_MS, onError = logError }: { settleMs?: number; onError?: (error: unknown) => void } = {}): Background {
  const stopping = new AbortController()
  const { signal } = stopping
  let wake = () => {}
  let heard = true
  const unsubscribe = store.onRevision(() => { heard = true; wake() })

  /** Until something is heard, or the time is over. */
  const rest = async (ms: number) => {
    if (heard || signal.aborted) return
    const waking = new AbortController()
    wake = () => waking.abort()
    await sleep(ms, undefined, { signal: AbortSignal.any([signal, waking.signal]), ref: false }).catch(() => {})
    wake = () => {}
  }
  const pause = (ms: number) => sleep(ms, undefined, { signal, ref: false }).catch(() => {})

  const done = (async () => {
    while (!signal.aborted) {
      await rest(IDLE_MS)
      await pause(settleMs)
      if (signal.aborted) return
      heard = false
      const from = performance.now()
      try {
        if (!(await isChecked(store))) await firstCheck(store, jobs)
        else if (!(await checkChanges(store, signal))) { heard = true; await pause(RETRY_MS) }
      } catch (error) {
        if (signal.aborted) return
        onError(error)
        heard = true
        await pause(RETRY_MS)
      }
      await pause((performance.now() - from) * (1 / WORK_SHARE - 1))
    }
  })()

  return {
    async stop() {
      unsubscribe()
      stopping.abort()
      await done
    },
  }
}

const isChecked = async (store: Store) => (await sql`select from dothi.quality_state`.execute(store.db)).rows.length > 0

/** A city that was never checked gets its first whole check as a job, once it has rows. */
async function firstCheck(store: Store, jobs: Jobs): Promise<void> {
  const { rows } = await sql`select from dothi.layer_summaries where count > 0 limit 1`.execute(store.db)
  if (rows.length === 0 || (await jobs.list({ kind: CHECK, limit: 1 })).length > 0) return
  await jobs.submit(CHECK, {}, STEWARD)
}

const logError = (error: unknown) => console.error('quality check:', error)
