/** A flood from start to end, told as it happens: frames at output times, progress between them, the peaks at the end. */
import type { Ground } from './grid.js'
import type { Forcing } from './forcing.js'
import type { Balance } from './accounts.js'
import { createSolver, type SolverParameters } from './local-inertial.js'

export interface FloodRun {
  readonly ground: Ground
  readonly forcing: Forcing
  /** Length, seconds. */
  readonly duration: number
  /** A frame every so many seconds, besides those at 0 and at the end. */
  readonly frameEvery: number
  /** Peaks and arrivals are sampled at this interval or each step, whichever is longer. Default 10 s. */
  readonly sampleEvery?: number
  readonly parameters?: Partial<SolverParameters>
}

/** Row-major over the whole grid; NaN where not computed or where it never came to it. */
export interface Peaks {
  /** Greatest depth, metres, and when, seconds. */
  readonly depth: Float32Array
  readonly depthTime: Float32Array
  /** First time at 0.1 m (wet feet) and 0.3 m (cars stop), seconds. */
  readonly arrival01: Float32Array
  readonly arrival03: Float32Array
  /** Time spent at or above 0.1 m and 0.3 m, seconds. */
  readonly duration01: Float32Array
  readonly duration03: Float32Array
  /** Greatest depth × speed, m²/s. */
  readonly depthSpeed: Float32Array
}

export interface Progress {
  readonly time: number
  readonly steps: number
  readonly dt: number
  readonly deepest: number
  readonly cellUpdates: number
  readonly balance: Balance
}

export type FloodEvent =
  | { readonly kind: 'frame'; readonly index: number; readonly time: number; readonly depth: Float32Array; readonly progress: Progress }
  | { readonly kind: 'progress'; readonly progress: Progress }
  | { readonly kind: 'end'; readonly peaks: Peaks; readonly progress: Progress }

/** Steps between two progress events: the places where a caller can stop. */
const STEPS_A_BREATH = 25

/**
 * Runs the flood. Stop by leaving the loop. The same input gives the same numbers to the last bit,
 * however it is scheduled.
 */
export function* runFlood(run: FloodRun): Generator<FloodEvent, void, void> {
  const { ground, duration, frameEvery, sampleEvery = 10 } = run
  if (!(duration > 0 && Number.isFinite(duration))) throw new Error(`A run needs a duration above 0 s, not ${duration}.`)
  if (!(frameEvery > 0)) throw new Error(`Frames need an interval above 0 s, not ${frameEvery}.`)
  const solver = createSolver(ground, run.forcing, run.parameters)
  const peaks = noPeaks(ground)
  const progress = (): Progress => ({ time: solver.time, steps: solver.steps, dt: solver.dt, deepest: solver.deepest, cellUpdates: solver.cellUpdates, balance: solver.balance() })
  const frame = (index: number): FloodEvent => ({ kind: 'frame', index, time: solver.time, depth: depths(ground, solver.forEach), progress: progress() })

  let sampled = 0
  const sample = () => {
    const since = solver.time - sampled
    sampled = solver.time
    solver.forEach((i, depth, discharge) => observe(i, depth, discharge, since))
  }
  const observe = (i: number, depth: number, discharge: number, since: number) => {
    if (!(depth <= peaks.depth[i]!)) {
      peaks.depth[i] = depth
      peaks.depthTime[i] = solver.time
    }
    if (!(discharge <= peaks.depthSpeed[i]!)) peaks.depthSpeed[i] = discharge
    if (depth < 0.1) return
    if (Number.isNaN(peaks.arrival01[i]!)) peaks.arrival01[i] = solver.time
    peaks.duration01[i]! += since
    if (depth < 0.3) return
    if (Number.isNaN(peaks.arrival03[i]!)) peaks.arrival03[i] = solver.time
    peaks.duration03[i]! += since
  }

  sample()
  let index = 0
  yield frame(index++)
  while (solver.time < duration) {
    const until = Math.min(duration, index * frameEvery)
    while (solver.time < until) {
      solver.step(until)
      if (solver.time - sampled >= sampleEvery || solver.time === until) sample()
      if (solver.steps % STEPS_A_BREATH === 0) yield { kind: 'progress', progress: progress() }
    }
    yield frame(index++)
  }
  yield { kind: 'end', peaks, progress: progress() }
}

function noPeaks({ grid }: Ground): Peaks {
  const nothing = () => new Float32Array(grid.rows * grid.cols).fill(NaN)
  const zero = () => new Float32Array(grid.rows * grid.cols)
  return { depth: nothing(), depthTime: nothing(), arrival01: nothing(), arrival03: nothing(), duration01: zero(), duration03: zero(), depthSpeed: nothing() }
}

function depths({ grid }: Ground, forEach: (visit: (index: number, depth: number) => void) => void): Float32Array {
  const depth = new Float32Array(grid.rows * grid.cols).fill(NaN)
  forEach((i, value) => { depth[i] = value })
  return depth
}
