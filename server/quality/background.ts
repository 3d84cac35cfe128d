/**
 * Keeps the report in step with the city: each committed revision wakes it; it waits a moment for more, looks again at what
 * changed and its neighbours, and rests longer than it worked. The cursor is in the database: after a restart it goes on there.
 */
import { afterCommits, type Background } from '../store/after-commits.js'
import type { Jobs } from '../operations/jobs.js'
import { STEWARD, type Store } from '../store/store.js'
import { checkChanges } from './check.js'
import { CHECK } from './jobs.js'
import { sql } from 'kysely'

/** Edits of a moment are one check. */
const SETTLE_MS = 1_000
/** The share of one connection's time that checking may take. */
const WORK_SHARE = 0.25

export function start({ store, jobs }: { readonly store: Store; readonly jobs: Jobs }, { settleMs = SETTLE_MS, onError = logError }: { settleMs?: number; onError?: (error: unknown) => void } = {}): Background {
  return afterCommits(store, async signal => {
    if (await isChecked(store)) return (await checkChanges(store, signal)) !== null
    await firstCheck(store, jobs)
    return true
  }, { settleMs, workShare: WORK_SHARE, onError })
}

const isChecked = async (store: Store) => (await sql`select from dothi.quality_state`.execute(store.db)).rows.length > 0

/** A city that was never checked gets its first whole check as a job, once it has rows. */
async function firstCheck(store: Store, jobs: Jobs): Promise<void> {
  const { rows } = await sql`select from dothi.layer_summaries where count > 0 limit 1`.execute(store.db)
  if (rows.length === 0 || (await jobs.list({ kind: CHECK, limit: 1 })).length > 0) return
  await jobs.submit(CHECK, {}, STEWARD)
}

const logError = (error: unknown) => console.error('quality check:', error)
