/** All cases, and the suite over them. */
import { ANALYTIC_CASES } from './analytic-cases.js'
import { judge, runCase, type Case, type Finding, type Kernel } from './case.js'
import { EA_CASES } from './ea-cases.js'

export const CASES: readonly Case[] = [...ANALYTIC_CASES, ...EA_CASES]

export interface Outcome {
  readonly case: Case
  readonly kernel: Kernel
  readonly findings: readonly Finding[]
  readonly steps: number
  readonly cellUpdates: number
}

/** Runs each case with each of its kernels, or those in `choose`, one after the other. */
export function* runSuite(cases: readonly Case[] = CASES, choose: (given: Case) => readonly Kernel[] = given => given.kernels): Generator<Outcome> {
  for (const given of cases) for (const kernel of choose(given)) {
    const run = runCase(given, kernel)
    yield { case: given, kernel, findings: judge(given, kernel, run), steps: run.steps, cellUpdates: run.cellUpdates }
  }
}

export interface Count {
  readonly met: number
  /** Missed where the kernel is not made for the case. */
  readonly nonGoals: number
  readonly failed: number
}

export function count(findings: readonly Finding[]): Count {
  const missed = findings.filter(finding => !finding.met), nonGoals = missed.filter(finding => finding.nonGoal !== undefined).length
  return { met: findings.length - missed.length, nonGoals, failed: missed.length - nonGoals }
}
