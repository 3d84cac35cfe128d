/** Work that follows the city: at the start, and after each commit, one run at a time. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Store } from './store.js'

export interface Background { stop(): Promise<void> }

export interface AfterCommits {
  /** Edits of a moment are one run. */
  readonly settleMs: number
  /** The share of the time that runs may take; default all of it. */
  readonly workShare?: number
  readonly onError: (error: unknown) => void
}

const RETRY_MS = 10_000
/** Without any edit: for what depends on the day. */
const IDLE_MS = 3_600_000

/** `work` answers whether all is done; where it is not, or where it throws, it is called again after a while. */
export function afterCommits(store: Store, work: (signal: AbortSignal) => Promise<boolean>, { settleMs, workShare = 1, onError }: AfterCommits): Background {
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
      const isDone = await work(signal).catch((error: unknown) => {
        if (!signal.aborted) onError(error)
        return false
      })
      const took = performance.now() - from
      if (!isDone) {
        heard = true
        await pause(RETRY_MS)
      }
      await pause(took * (1 / workShare - 1))
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
