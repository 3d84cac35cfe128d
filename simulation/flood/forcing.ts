/** What drives the water: rain over all cells, discharge into some, stage held in some, free outflow from some. */
import type { Grid } from './grid.js'

/** Values at times in seconds from the start, times ascending. Held constant before the first and after the last. */
export interface Series {
  readonly times: readonly number[]
  readonly values: readonly number[]
}

export interface Forcing {
  /** Hyetograph, mm/h: each value holds from its time to the next. */
  readonly rain?: Series
  readonly inflows?: readonly Inflow[]
  readonly stages?: readonly Stage[]
  readonly outflows?: readonly Outflow[]
}

/** Discharge, m³/s (linear between times, never negative), shared by the cells: mass only, no momentum. */
export interface Inflow {
  readonly name: string
  /** Row-major cell indices. */
  readonly cells: readonly number[]
  /** Weight of each cell; default equal. */
  readonly shares?: readonly number[]
  readonly discharge: Series
}

/** Water level held in cells, metres above the bed's datum (linear between times): tide, surge, a lake. */
export interface Stage {
  readonly name: string
  readonly cells: readonly number[]
  readonly level: Series
}

/** Cells from which water leaves the domain at the normal depth of a slope, one cell side wide. */
export interface Outflow {
  readonly name: string
  readonly cells: readonly number[]
  /** Bed slope beyond the edge, m/m, above 0. */
  readonly slope: number
}

/** The forcing as a kernel uses it: cells by their place in its arrays, series with their integrals, shares that sum to 1. */
export function placed({ rain, inflows = [], stages = [], outflows = [] }: Forcing, place: (index: number) => number) {
  return {
    rain: rain && stepwise(rain),
    inflows: inflows.map(inflow => {
      const shares = inflow.shares ?? inflow.cells.map(() => 1)
      const sum = shares.reduce((a, b) => a + b, 0)
      return { cells: Int32Array.from(inflow.cells, place), shares: shares.map(share => share / sum), discharge: linear(inflow.discharge) }
    }),
    stages: stages.map(stage => ({ cells: Int32Array.from(stage.cells, place), level: linear(stage.level) })),
    outflows: outflows.map(outflow => ({ cells: Int32Array.from(outflow.cells, place), rootSlope: Math.sqrt(outflow.slope) })),
  }
}

/** A series with its running integral, so that each step gets exactly the volume of its interval. */
export interface Integrator {
  at(time: number): number
  /** ∫ value dt from `from` to `to`. */
  between(from: number, to: number): number
}

/** Straight lines between the values. */
export function linear(series: Series): Integrator {
  const { times, values } = series
  const sums = cumulative(times, i => (values[i]! + values[i + 1]!) / 2)
  const at = (time: number) => {
    const i = interval(times, time)
    if (i < 0) return values[0]!
    if (i >= times.length - 1) return values[times.length - 1]!
    return values[i]! + (values[i + 1]! - values[i]!) * (time - times[i]!) / (times[i + 1]! - times[i]!)
  }
  const until = (time: number) => {
    const i = interval(times, time)
    if (i < 0) return values[0]! * (time - times[0]!)
    return sums[i]! + (values[i]! + at(time)) / 2 * (time - times[i]!)
  }
  return { at, between: (from, to) => until(to) - until(from) }
}

/** Each value holds until the next time. */
export function stepwise(series: Series): Integrator {
  const { times, values } = series
  const sums = cumulative(times, i => values[i]!)
  const at = (time: number) => values[Math.max(0, interval(times, time))]!
  const until = (time: number) => {
    const i = interval(times, time)
    return i < 0 ? values[0]! * (time - times[0]!) : sums[i]! + values[i]! * (time - times[i]!)
  }
  return { at, between: (from, to) => until(to) - until(from) }
}

function cumulative(times: readonly number[], mean: (i: number) => number): Float64Array {
  const sums = new Float64Array(times.length)
  for (let i = 0; i + 1 < times.length; i++) sums[i + 1] = sums[i]! + mean(i) * (times[i + 1]! - times[i]!)
  return sums
}

/** Index of the last time at or before `time`, −1 before the first. Series are short: a plain search. */
function interval(times: readonly number[], time: number): number {
  let i = times.length - 1
  while (i >= 0 && times[i]! > time) i--
  return i
}

/** Throws an Error that names the first thing wrong. `bed` tells which cells are computed. */
export function checkForcing(forcing: Forcing, grid: Grid, bed: ArrayLike<number>): void {
  if (forcing.rain) checkSeries('The rain', forcing.rain, 0)
  for (const inflow of forcing.inflows ?? []) {
    checkSeries(`The inflow “${inflow.name}”`, inflow.discharge, 0)
    checkCells(`The inflow “${inflow.name}”`, inflow.cells, grid, bed)
    if (inflow.shares && (inflow.shares.length !== inflow.cells.length || !inflow.shares.every(share => share >= 0) || !(inflow.shares.reduce((a, b) => a + b, 0) > 0)))
      throw new Error(`The inflow “${inflow.name}” needs one share of 0 or more for each of its ${inflow.cells.length} cells, not all 0.`)
  }
  for (const stage of forcing.stages ?? []) {
    checkSeries(`The stage “${stage.name}”`, stage.level, -Infinity)
    checkCells(`The stage “${stage.name}”`, stage.cells, grid, bed)
  }
  for (const outflow of forcing.outflows ?? []) {
    checkCells(`The outflow “${outflow.name}”`, outflow.cells, grid, bed)
    if (!(outflow.slope > 0 && outflow.slope < 1)) throw new Error(`The outflow “${outflow.name}” needs a slope between 0 and 1, not ${outflow.slope}.`)
  }
}

function checkSeries(what: string, { times, values }: Series, least: number): void {
  if (times.length === 0 || times.length !== values.length) throw new Error(`${what} needs as many values as times, at least one; it has ${times.length} times and ${values.length} values.`)
  times.forEach((time, i) => {
    if (!Number.isFinite(time) || !Number.isFinite(values[i]!)) throw new Error(`${what} has ${values[i]} at ${time} s: both must be finite numbers.`)
    if (i > 0 && !(time > times[i - 1]!)) throw new Error(`${what} goes back in time: ${time} s follows ${times[i - 1]} s.`)
    if (values[i]! < least) throw new Error(`${what} is ${values[i]} at ${time} s: it cannot be negative.`)
  })
}

function checkCells(what: string, cells: readonly number[], grid: Grid, bed: ArrayLike<number>): void {
  if (cells.length === 0) throw new Error(`${what} has no cell.`)
  for (const cell of cells) {
    if (!(Number.isInteger(cell) && cell >= 0 && cell < grid.rows * grid.cols)) throw new Error(`${what} lies outside the grid: cell ${cell} of ${grid.rows * grid.cols}.`)
    if (Number.isNaN(bed[cell]!)) throw new Error(`${what} lies in a cell that is not computed: row ${Math.floor(cell / grid.cols)}, column ${cell % grid.cols}.`)
  }
}
