/** The job of kind `flood`: freeze the case, compute it, keep what comes, count who is hit. */
import { promisify } from 'node:util'
import { deflate } from 'node:zlib'
import { sql } from 'kysely'
import { quantise } from '../../simulation/flood/frame.js'
import type { Peaks, Progress } from '../../simulation/flood/run.js'
import { Problem } from '../errors.js'
import type { JobContext } from '../operations/jobs.js'
import type { Store } from '../store/store.js'
import { freezeCase, type FrozenCase, type RunInputs } from './case.js'
import { computeImpacts, writeImpacts, type Impacts } from './impacts.js'
import { PEAKS, startRun, writeFrame } from './results.js'
import { solve } from './solve.js'

/** A run that loses or makes more water than this share has failed. */
export const MASS_LIMIT = 1e-3

export interface FloodResult {
  readonly run: string
  readonly inputsHash: string
  readonly frames: number
  readonly steps: number
  readonly cellUpdates: number
  readonly massError: number
  readonly seconds: number
  readonly buildingsFlooded: number
  readonly peopleInFloodedBuildings: number
}

/** Shares of the progress bar. */
const PREPARED = 0.03, SOLVED = 0.96

export async function runFloodJob({ id, store, signal, report }: JobContext, inputs: RunInputs): Promise<FloodResult> {
  const started = Date.now()
  report(0, 'Reading terrain and layers')
  const frozen = await freezeCase(store, inputs, signal)
  await startRun(store, id, inputs.case, frozen)
  report(PREPARED, `Computing ${frozen.case.computedCells.toLocaleString('en')} cells of ${frozen.case.grid.cell} m`)

  const solving = Date.now()
  let frames = 0
  const { peaks, progress } = await solve(floodRunOf(frozen), {
    signal,
    onFrame: async (index, time, bytes) => {
      await writeFrame(store, id, index, time, bytes)
      frames++
    },
    onProgress: now => report(PREPARED + (SOLVED - PREPARED) * now.time / frozen.case.duration, progressLine(now, frozen.case.duration, Date.now() - solving)),
  })
  await sql`update dothi.runs set balance = ${JSON.stringify(progress.balance)}::jsonb where id = ${id}`.execute(store.db)
  const { error } = progress.balance
  if (!(error <= MASS_LIMIT)) throw new Problem(500, 'mass-error', `The run lost or made ${(error * 100).toPrecision(2)} % of its water; at most ${MASS_LIMIT * 100} % is accepted. Its results were not kept as impacts.`)

  report(SOLVED, 'Counting who and what is hit')
  const impacts = await computeImpacts(store, frozen, peaks, signal)
  await keep(store, id, frozen, peaks, impacts)
  const { buildings, people } = impacts.summary
  return {
    run: id, inputsHash: frozen.inputsHash, frames, steps: progress.steps, cellUpdates: progress.cellUpdates, massError: error,
    seconds: (Date.now() - started) / 1000, buildingsFlooded: buildings.flooded, peopleInFloodedBuildings: people.inFloodedBuildings,
  }
}

/** The case as the kernel takes it. */
export function floodRunOf({ case: { grid, forcing, duration, frameEvery, solver }, ground: { bed, manning, open, infiltration, drains, depth } }: FrozenCase) {
  const { origin, cell, rows, cols } = grid
  return { ground: { grid: { origin, cell, rows, cols }, bed, manning, open, infiltration, drains, depth }, forcing, duration, frameEvery, parameters: solver.parameters }
}

/** “2:10 of 6:00 · deepest 7.9 m · about 40 s left” */
export function progressLine({ time, deepest }: Progress, duration: number, elapsedMs: number): string {
  const clock = (seconds: number) => `${Math.floor(seconds / 3600)}:${String(Math.floor(seconds % 3600 / 60)).padStart(2, '0')}`
  const left = time > duration / 100 ? elapsedMs / 1000 * (duration - time) / time : undefined
  const rest = left === undefined ? '' : ` · about ${left < 90 ? `${Math.ceil(left / 5) * 5} s` : `${Math.round(left / 60)} min`} left`
  return `${clock(time)} of ${clock(duration)} · deepest ${deepest.toFixed(1)} m${rest}`
}

/** Peaks, impacts and summary land together or not at all. */
async function keep(store: Store, id: string, frozen: FrozenCase, peaks: Peaks, impacts: Impacts): Promise<void> {
  const arrays = await Promise.all(PEAKS.map(async name => {
    const array = name === 'depth' ? quantise(peaks.depth) : peaks[name]
    return { name, type: name === 'depth' ? 'uint16' : 'float32', data: await promisify(deflate)(new Uint8Array(array.buffer)) }
  }))
  await store.db.transaction().execute(async tx => {
    for (const { name, type, data } of arrays) await sql`insert into dothi.run_peaks (run, name, type, data) values (${id}, ${name}, ${type}, ${data})`.execute(tx)
    await writeImpacts(store, tx, id, frozen, impacts)
    await sql`update dothi.runs set summary = ${JSON.stringify(impacts.summary)}::jsonb where id = ${id}`.execute(tx)
  })
}
