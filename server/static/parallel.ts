import { availableParallelism } from 'node:os'

/** Tiles on their way at once: what one waits for in the database another uses to be encoded. */
export const LANES = Math.max(2, Math.min(8, availableParallelism()))

/**
 * Works on `stack`, the last first; `work` may put more on it. The first error, or the signal, ends all of it, once what is
 * under way has come to its end.
 */
export async function inParallel<T>(stack: T[], signal: AbortSignal, work: (item: T) => Promise<void>): Promise<void> {
  let failure: { readonly error: unknown } | undefined
  let active = 0
  await new Promise<void>((done) => {
    const next = () => {
      if (signal.aborted) failure ??= { error: signal.reason }
      while (!failure && active < LANES && stack.length > 0) {
        active++
        void work(stack.pop()!).catch((error: unknown) => { failure ??= { error } }).finally(() => { active--; next() })
      }
      if (active === 0 && (failure || stack.length === 0)) done()
    }
    next()
  })
  if (failure) throw failure.error
}
