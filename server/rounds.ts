/** Work in rounds: one at a time, at once where something was heard, else after the pause that the last round asked for. */

export interface Rounds {
  /** Looks for work now, or once more after the round under way. */
  wake(): void
  /** Stops after the round under way; its signal is aborted. */
  stop(): Promise<void>
}

/** `work` answers how long nothing will be due, milliseconds; where it throws, `idleMs` is the pause. */
export function rounds(stopping: AbortController, idleMs: number, work: () => Promise<number>): Rounds {
  let round: Promise<void> | undefined
  let again = false
  let timer: NodeJS.Timeout | undefined

  function wake(): void {
    if (stopping.signal.aborted) return
    if (round) { again = true; return }
    clearTimeout(timer)
    round = work().catch(() => idleMs).then((pause) => {
      round = undefined
      if (again) { again = false; return wake() }
      if (stopping.signal.aborted) return
      timer = setTimeout(wake, pause)
      timer.unref()
    })
  }

  return {
    wake,
    async stop() {
      stopping.abort(new Error('dothi stops'))
      clearTimeout(timer)
      await round
    },
  }
}
