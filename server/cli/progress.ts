/** A progress line: rewritten in place on a terminal; elsewhere a new line each tenth. */
import type { Writable } from 'node:stream'

export interface ProgressLine {
  show(label: string, progress: number, message: string): void
  /** Leaves the line as it is and goes on below it. */
  end(): void
}

export function progressLine(out: Writable & { isTTY?: boolean; columns?: number } = process.stderr): ProgressLine {
  let open = false
  let last = ''
  return {
    show(label, progress, message) {
      const percent = Math.floor(progress * 100)
      const text = `${label} ${String(percent).padStart(3)} %${message ? `  ${message}` : ''}`
      if (out.isTTY) {
        out.write(`\r\x1b[K${text.slice(0, (out.columns ?? 80) - 1)}`)
        open = true
      } else {
        const step = `${label} ${Math.floor(percent / 10)}`
        if (step !== last) out.write(`${text}\n`)
        last = step
      }
    },
    end() {
      if (open) out.write('\n')
      open = false
    },
  }
}
