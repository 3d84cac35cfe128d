/**
 * Design storms: an intensity-duration-frequency formula and the shapes that hold its depth at every duration.
 *
 * TCVN 7957 (Viet Nam, drainage): q = A (1 + C lg P) / (t + b)^n in l/s/ha, t in minutes, P the return period in years.
 * A, C, b, n belong to a place and its gauge; none are built in: they are the city's to give.
 */
import type { Series } from '../forcing.js'

export interface IntensityFormula {
  readonly A: number
  readonly C: number
  readonly b: number
  readonly n: number
}

/** 1 l/s/ha = 0.36 mm/h. */
const MM_PER_HOUR = 0.36

/** Mean intensity of the heaviest `minutes`, mm/h, once in `years` on average. */
export function meanIntensity(formula: IntensityFormula, minutes: number, years: number): number {
  checkFormula(formula, minutes, years)
  const { A, C, b, n } = formula
  return MM_PER_HOUR * A * (1 + C * Math.log10(years)) / (minutes + b) ** n
}

/** Depth of the heaviest `minutes`, mm. */
export function stormDepth(formula: IntensityFormula, minutes: number, years: number): number {
  return minutes === 0 ? 0 : meanIntensity(formula, minutes, years) * minutes / 60
}

export interface DesignStorm {
  readonly formula: IntensityFormula
  readonly years: number
  readonly minutes: number
  /** Length of a block, minutes; the storm is a whole number of them. */
  readonly blockMinutes: number
}

/**
 * Chicago storm (Keifer & Chu 1957, J. Hydraul. Div. ASCE 83, HY4, 1332): before the peak lies the share r of every duration's depth.
 * Blocks hold the exact integral: D(τ) being the depth of duration τ, r D(τ/r) falls within τ before the peak, (1−r) D(τ/(1−r)) after.
 * @param peak r, above 0, below 1; 0.4 is usual
 * @returns hyetograph, mm/h at seconds, each value until the next time, the last 0
 */
export function chicagoStorm(storm: DesignStorm, peak: number): Series {
  if (!(peak > 0 && peak < 1)) throw new Error(`The peak's place must be above 0 and below 1 of the storm, not ${peak}.`)
  const { formula, years, minutes } = checkStorm(storm)
  const top = peak * minutes
  const fallen = (time: number) => time <= top
    ? peak * (stormDepth(formula, minutes, years) - stormDepth(formula, (top - time) / peak, years))
    : peak * stormDepth(formula, minutes, years) + (1 - peak) * stormDepth(formula, (time - top) / (1 - peak), years)
  return hyetograph(storm, block => fallen((block + 1) * storm.blockMinutes) - fallen(block * storm.blockMinutes))
}

/**
 * Alternating blocks (Chow, Maidment & Mays 1988, Applied Hydrology, §14.4): the increments of D, heaviest in the middle,
 * the next after it, the next before it, and so on.
 */
export function alternatingBlockStorm(storm: DesignStorm): Series {
  const { formula, years, minutes, blockMinutes } = checkStorm(storm)
  const blocks = Math.round(minutes / blockMinutes)
  const increments = Array.from({ length: blocks }, (_, i) => stormDepth(formula, (i + 1) * blockMinutes, years) - stormDepth(formula, i * blockMinutes, years))
  const middle = Math.floor((blocks - 1) / 2)
  const depths = new Array<number>(blocks)
  increments.forEach((depth, rank) => { depths[rank % 2 === 1 ? middle + (rank + 1) / 2 : middle - rank / 2] = depth })
  return hyetograph(storm, block => depths[block]!)
}

function hyetograph({ minutes, blockMinutes }: DesignStorm, depthOfBlock: (block: number) => number): Series {
  const blocks = Math.round(minutes / blockMinutes)
  return {
    times: Array.from({ length: blocks + 1 }, (_, i) => i * blockMinutes * 60),
    values: [...Array.from({ length: blocks }, (_, i) => Math.max(0, depthOfBlock(i)) * 60 / blockMinutes), 0],
  }
}

function checkFormula({ A, C, b, n }: IntensityFormula, minutes: number, years: number): void {
  if (!(A > 0 && C >= 0 && b >= 0 && n > 0 && [A, C, b, n].every(Number.isFinite)))
    throw new Error(`An intensity formula needs A and n above 0, C and b of 0 or more, not A ${A}, C ${C}, b ${b}, n ${n}.`)
  if (!(minutes > 0 && Number.isFinite(minutes))) throw new Error(`A storm's duration must be above 0 minutes, not ${minutes}.`)
  if (!(years > 0 && 1 + C * Math.log10(years) > 0)) throw new Error(`A return period of ${years} years gives no rain in this formula.`)
}

/** The depth must grow with the duration over the whole storm: n t < t + b. */
function checkStorm(storm: DesignStorm): DesignStorm {
  const { formula, years, minutes, blockMinutes } = storm
  checkFormula(formula, minutes, years)
  if (formula.n * minutes > minutes + formula.b)
    throw new Error(`With n ${formula.n} and b ${formula.b} the formula's depth falls with duration beyond ${Math.round(formula.b / (formula.n - 1))} minutes: take a shorter storm.`)
  const blocks = minutes / blockMinutes
  if (!(blockMinutes > 0 && Math.abs(blocks - Math.round(blocks)) < 1e-9 && blocks >= 1 && blocks <= 100_000))
    throw new Error(`A storm of ${minutes} minutes is not a whole number of blocks of ${blockMinutes} minutes.`)
  return storm
}
