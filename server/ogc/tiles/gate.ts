import { Problem } from '../../errors.js'

export interface GateOptions {
  readonly atOnce: number
  readonly mostWaiting: number
  readonly longestWaitMs: number
}


/** Lets a few work at once and the others wait in line, in turn: neither too many nor too long, else 503. */
export class Gate {
  #inside = 0
  /** What lets the one who waits in, first come first served. */
  readonly #line = new Set<() => void>()

  constructor(private readonly options: GateOptions) {}

  get waiting(): number { return this.#line.size }

  /** Does the work when it is its turn. `signal` takes it out of the line. Throws a 503 Problem where the line is too long. */
  async run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    await this.#enter(signal)
    try {
      return await work()
    } finally {
      this.#inside--
      this.#next()
    }
  }

  #enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const { atOnce, mostWaiting, longestWaitMs } = this.options
    if (this.#inside < atOnce) {
      this.#inside++
      return Promise.resolve()
    }
    if (this.#line.size >= mostWaiting) return Promise.reject(busy(`${mostWaiting} tiles wait to be made already`))
    return new Promise((enter, refuse) => {
      const leave = () => {
        this.#line.delete(letIn)
        signal.removeEventListener('abort', abandon)
        clearTimeout(timer)
      }
      const letIn = () => { leave(); enter() }
      const abandon = () => { leave(); refuse(signal.reason) }
      const timer = setTimeout(() => { leave(); refuse(busy(`The tile waited ${longestWaitMs / 1000} seconds for its turn`)) }, longestWaitMs)
      signal.addEventListener('abort', abandon, { once: true })
      this.#line.add(letIn)
    })
  }

  #next(): void {
    const [letIn] = this.#line
    if (!letIn) return
    this.#inside++
    letIn()
  }
}

const busy = (what: string) => new Problem(503, 'unavailable', `${what}: the server has more to do than it can. Try again in a moment.`, {}, { 'Retry-After': '2' })
