/** A case of the validation suite: a set-up with a known answer, and what of the answer is measured. */
import { createFiniteVolume } from '../flood/finite-volume.js'
import type { Forcing } from '../flood/forcing.js'
import type { Grid, Ground } from '../flood/grid.js'
import type { Balance } from '../flood/accounts.js'
import { createSolver, type Solver } from '../flood/local-inertial.js'

/** The kernels, each as it is used by default. */
export const KERNELS = {
  'local inertial': createSolver,
  'finite volume': (ground, forcing) => createFiniteVolume(ground, forcing, { order: 1 }),
  'finite volume 2': (ground, forcing) => createFiniteVolume(ground, forcing, { order: 2 }),
} as const satisfies Record<string, (ground: Ground, forcing: Forcing) => Solver>

export type Kernel = keyof typeof KERNELS
export const FINITE_VOLUME: readonly Kernel[] = ['finite volume', 'finite volume 2']
export const ALL_KERNELS: readonly Kernel[] = ['local inertial', ...FINITE_VOLUME]

export interface Case {
  readonly id: string
  /** Set-up in a line. */
  readonly title: string
  /** Where set-up and answer are published. */
  readonly source: string
  /** Kernels with which it is small enough to be run in the tests. */
  readonly quick: readonly Kernel[]
  readonly ground: Ground
  readonly forcing: Forcing
  /** Moments, seconds from the start, at which the water is kept for the metrics; the last ends the run. */
  readonly times: readonly number[]
  /** Points watched at every step: the cells around each (see `around`). */
  readonly gauges: readonly (readonly number[])[]
  readonly kernels: readonly Kernel[]
  /** Kernels that are not made for this case, with the reason. Their figures are shown and judged, but do not fail the suite. */
  readonly nonGoals: Partial<Record<Kernel, string>>
  readonly metrics: readonly Metric[]
}

/** What is allowed, both ends included. */
export type Gate = readonly [least: number, most: number]

export interface Metric {
  /** With its unit. */
  readonly name: string
  /** The right answer; 0 for an error. */
  readonly reference: number
  readonly gate: Gate
  /** Tighter gates for some kernels. */
  readonly gates?: Partial<Record<Kernel, Gate>>
  readonly value: (run: Run) => number
}

/** What a run leaves for the metrics. */
export interface Run {
  /** The water at each of the case's times. */
  readonly water: readonly Water[]
  readonly gauges: readonly GaugeRecord[]
  readonly balance: Balance
  readonly steps: number
  readonly cellUpdates: number
}

/** Depth, m, and |unit discharge|, m²/s, of every cell, row-major; NaN where not computed. */
export interface Water {
  readonly depth: Float64Array
  readonly discharge: Float64Array
}

export interface GaugeRecord {
  /** When 1 cm was first there, s; NaN if never. */
  readonly arrival: number
  /** Greatest depth of all steps, m. */
  readonly peak: number
}

/** A metric of a case as computed by a kernel. */
export interface Finding {
  readonly case: string
  readonly kernel: Kernel
  readonly metric: string
  readonly reference: number
  readonly value: number
  readonly gate: Gate
  /** False for NaN too. */
  readonly met: boolean
  /** Why a miss is no failure of the suite. */
  readonly nonGoal: string | undefined
}

const ARRIVED = 0.01

/** Runs a case to its end. */
export function runCase(given: Case, kernel: Kernel): Run {
  const solver = KERNELS[kernel](given.ground, given.forcing)
  const gauges = given.gauges.map(() => ({ arrival: NaN, peak: 0 }))
  const watch = () => given.gauges.forEach((cells, k) => {
    const gauge = gauges[k]!, depth = mean(cells, i => solver.depthAt(i))
    if (Number.isNaN(gauge.arrival) && depth >= ARRIVED) gauge.arrival = solver.time
    if (!(depth <= gauge.peak)) gauge.peak = depth
  })
  watch()
  const water = given.times.map(time => {
    while (solver.time < time) {
      solver.step(time)
      watch()
    }
    return waterOf(solver, given.ground.grid)
  })
  return { water, gauges, balance: solver.balance(), steps: solver.steps, cellUpdates: solver.cellUpdates }
}

/** Measures a run of a case. */
export function judge(given: Case, kernel: Kernel, run: Run): Finding[] {
  return given.metrics.map(({ name, reference, gate: usual, gates, value }) => {
    const ours = value(run), gate = gates?.[kernel] ?? usual
    return {
      case: given.id, kernel, metric: name, reference, value: ours, gate,
      met: ours >= gate[0] && ours <= gate[1], nonGoal: given.nonGoals[kernel],
    }
  })
}

function waterOf(solver: Solver, grid: Grid): Water {
  const depth = new Float64Array(grid.rows * grid.cols).fill(NaN), discharge = new Float64Array(depth.length).fill(NaN)
  solver.forEach((i, h, q) => {
    depth[i] = h
    discharge[i] = q
  })
  return { depth, discharge }
}

// ---- building a case -----------------------------------------------------------------------------------------------

/** `rows × cols` cells whose south-west corner is at (west, south), metres. */
export function gridOf(rows: number, cols: number, cell: number, [west, south] = [0, 0]): Grid {
  return { rows, cols, cell, origin: [west!, south! + rows * cell] }
}

/** Easting of a column's and northing of a row's centre, metres. */
export const eastOf = (grid: Grid, col: number) => grid.origin[0] + (col + 0.5) * grid.cell
export const northOf = (grid: Grid, row: number) => grid.origin[1] - (row + 0.5) * grid.cell

/** Row-major array of a function of easting and northing at the cells' centres. */
export function sampled(grid: Grid, value: (east: number, north: number) => number): Float64Array {
  return Float64Array.from({ length: grid.rows * grid.cols }, (_, i) => value(eastOf(grid, i % grid.cols), northOf(grid, Math.floor(i / grid.cols))))
}

/** The cells that touch a point: 1 inside a cell, 2 on a side, 4 at a corner. A gauge is their mean, so a grid's mirror image gives the same. */
export function around(grid: Grid, east: number, north: number): number[] {
  const touching = (at: number, count: number) => {
    const inCells = at / grid.cell, nearest = Math.round(inCells)
    const found = Math.abs(inCells - nearest) < 1e-9 ? [nearest - 1, nearest] : [Math.floor(inCells)]
    return found.filter(k => k >= 0 && k < count)
  }
  const cols = touching(east - grid.origin[0], grid.cols)
  return touching(grid.origin[1] - north, grid.rows).flatMap(row => cols.map(col => row * grid.cols + col))
}

/** All cells of a column, north first. */
export function column(grid: Grid, col: number): number[] {
  return Array.from({ length: grid.rows }, (_, row) => row * grid.cols + col)
}

// ---- measuring -----------------------------------------------------------------------------------------------------

export function mean(cells: readonly number[], value: (cell: number) => number): number {
  return cells.reduce((sum, cell) => sum + value(cell), 0) / cells.length
}

/** Σ |ours − exact| / Σ |exact| over the cells for which `where` is true. */
export function relativeL1(ours: Float64Array, exact: ArrayLike<number>, where: (i: number) => boolean = () => true): number {
  let off = 0, all = 0
  for (let i = 0; i < ours.length; i++) {
    if (!where(i)) continue
    off += Math.abs(ours[i]! - exact[i]!)
    all += Math.abs(exact[i]!)
  }
  return off / all
}

/** Greatest |ours − theirs|. NaN where either is NaN and the other is not. */
export function greatestDifference(ours: ArrayLike<number>, theirs: ArrayLike<number>): number {
  let worst = 0
  for (let i = 0; i < ours.length; i++) {
    const difference = Math.abs(ours[i]! - theirs[i]!)
    if (!(difference <= worst) && !(Number.isNaN(ours[i]!) && Number.isNaN(theirs[i]!))) worst = difference
  }
  return worst
}

/** The same array mirrored north to south. */
export function mirrored(grid: Grid, values: Float64Array): Float64Array {
  return values.map((_, i) => values[(grid.rows - 1 - Math.floor(i / grid.cols)) * grid.cols + i % grid.cols]!)
}

/** Of every case: what went in, is there or is booked as gone. */
export const BALANCE: Metric = { name: 'error of the water balance', reference: 0, gate: [0, 1e-10], value: run => run.balance.error }
