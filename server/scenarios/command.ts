import { InvalidArgumentError, type Command } from 'commander'
import { DEPTH_CLASSES, type DepthClass } from '../../layers/depth.js'
import { SIMULATION_LABEL } from '../../simulation/manifest.js'
import type { CliContext } from '../cli/context.js'
import { Problem } from '../errors.js'
import type { Job } from '../operations/jobs.js'
import { STEWARD, type Store } from '../store/store.js'
import type { RunInputs } from './case.js'
import { newRunInputs } from './inputs.js'
import { FLOOD } from './jobs.js'
import type { FloodResult } from './flood-job.js'
import { summary } from './results.js'
import type { RunSummary } from './impacts.js'
import { ensureSampleScenario } from './sample.js'
import { listScenarios, type Scenario } from './scenario.js'

/** `dothi run SCENARIO`, `dothi run --again JOB`, `dothi scenarios` */
export function register(program: Command, cli: CliContext): void {
  program.command('scenarios').description('scenarios by id and title')
    .action(async () => {
      for (const { id, title } of await scenariosOf(await cli.store())) cli.print(`${id}\t${title.vi} · ${title.en}`)
    })

  program.command('run [scenario]').description('compute a scenario’s flood: its id, or part of its title; the only one if left out')
    .option('--again <job>', 'repeat a run that has ended, from its frozen inputs')
    .option('--rain-factor <x>', 'multiply the rain', number)
    .option('--river-factor <x>', 'multiply the rivers’ discharge', number)
    .option('--sea-level-rise <m>', 'raise the sea, metres', number)
    .option('--hours <h>', 'length instead of the scenario’s', number)
    .option('--cell <m>', 'cell size instead of the scenario’s, metres', number)
    .action(async (wanted: string | undefined, options: { again?: string } & Partial<Omit<RunInputs, 'scenario' | 'case'>>) => {
      const { again, ...changes } = options
      const jobs = await cli.jobs()
      const watch = { signal: cli.signal, onProgress: cli.progress }
      let job: Job
      if (again) job = await jobs.runAgain(again, STEWARD, watch)
      else {
        const scenario = choose(await scenariosOf(await cli.store()), wanted)
        job = await jobs.run(FLOOD, newRunInputs(scenario.id, changes), STEWARD, { ...watch, branch: scenario.id })
      }
      if (job.state !== 'successful') {
        cli.print(`${job.id} ${job.state}: ${job.message}`)
        process.exitCode = 1
      } else await printResult(await cli.store(), job, cli.print)
    })
}

/** With the sample's, where a sample city has not been served yet. */
async function scenariosOf(store: Store): Promise<readonly Scenario[]> {
  await ensureSampleScenario(store)
  return listScenarios(store)
}

function number(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('It must be a number.')
  return value
}

function choose(scenarios: readonly Scenario[], wanted: string | undefined): Scenario {
  const fits = scenarios.filter(({ id, title }) => wanted === undefined || id === wanted.toLowerCase() || [title.vi, title.en].some(text => text.toLowerCase().includes(wanted.toLowerCase())))
  if (fits.length === 1) return fits[0]!
  const list = (fits.length ? fits : scenarios).map(({ id, title }) => `  ${id}  ${title.en}`).join('\n')
  throw new Problem(404, 'not-found', scenarios.length === 0 ? 'There is no scenario yet. The sample city brings one; others are made with POST /scenarios.' : `${fits.length ? 'Several scenarios fit' : 'No scenario fits'} “${wanted ?? ''}”. Name one of:\n${list}`)
}

async function printResult(store: Store, job: Job, print: (line: string) => void): Promise<void> {
  const result = job.result as FloodResult
  const found = await summary(store, STEWARD, job.id)
  for (const line of resultLines(result, found)) print(line)
}

/** The table that a person reads at the end. */
export function resultLines(result: FloodResult, { byDepthClass, people, roads, facilities, facilitiesHit, buildings }: RunSummary): string[] {
  const count = (value: number) => Math.round(value).toLocaleString('en').padStart(10)
  return [
    `${SIMULATION_LABEL.vi} / ${SIMULATION_LABEL.en}`,
    `run ${result.run}   ${result.frames} frames   ${result.steps} steps   ${result.seconds.toFixed(1)} s   mass error ${result.massError.toExponential(1)}`,
    `inputs ${result.inputsHash}`,
    `${'greatest depth at the wall'.padEnd(30)}${'buildings'.padStart(10)}${'people'.padStart(10)}`,
    ...Object.entries(byDepthClass).map(([name, { buildings, people }]) => `${(DEPTH_CLASSES[name as DepthClass]?.en ?? name).padEnd(30)}${count(buildings)}${count(people)}`),
    ...(buildings.notComputed ? [`${'not computed'.padEnd(30)}${count(buildings.notComputed)}`] : []),
    `people in flooded buildings ${count(people.inFloodedBuildings).trim()}, on flooded ground floors ${count(people.onFloodedGroundFloors).trim()}`,
    `roads: ${roads.impassableKm.toFixed(1)} km of ${roads.computedKm.toFixed(1)} km closed to cars (${roads.impassable} segments)`,
    `facilities hit: ${facilitiesHit}${facilities.length ? `; deepest: ${facilities.slice(0, 5).map(({ name, kind, depth }) => `${name ?? kind} ${depth.toFixed(1)} m`).join(', ')}` : ''}`,
  ]
}
