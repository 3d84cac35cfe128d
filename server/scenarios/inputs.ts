import { randomUUID } from 'node:crypto'
import type { RunInputs } from './case.js'

/** Inputs of a new run: what is not said stays as the scenario has it. The case's id is chosen here, so that a rerun of these inputs finds the frozen case. */
export function newRunInputs(scenario: string, changes: Partial<Omit<RunInputs, 'scenario' | 'case'>> = {}): RunInputs {
  return { rainFactor: 1, riverFactor: 1, seaLevelRise: 0, ...changes, scenario, case: randomUUID() }
}
