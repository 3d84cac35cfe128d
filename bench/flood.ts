/**
 * The flood kernel against the same scheme in C (flood.c), compiled here and now: gcc -O3 -march=native, and with -ffast-math
 * as the near-limit. A million wet cells, one thread; with rain alone, and with open shares, infiltration and drains.
 * Both count processor time, so that other work on the machine costs neither.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Ground } from '../simulation/flood/grid.js'
import type { Forcing } from '../simulation/flood/forcing.js'
import { createSolver, type Solver } from '../simulation/flood/local-inertial.js'
import { createFastSolver, hasFastKernel } from '../simulation/flood/wasm/fast.js'
import { compare, inTurn, versionOf, type Result } from './result.js'

const SIDE = Number(process.env.BENCH_FLOOD_SIDE ?? 1000), STEPS = 40, ROUNDS = 5
const RAIN: Forcing = { rain: { times: [0], values: [50] } }

/** The lake of flood.c: `SIDE`² cells of 10 m, about 2 m deep; dry but for a tenth where `wetShare` says so. */
function lake(full: boolean, wetShare = 1): Ground {
  const each = (value: (row: number, col: number) => number) => Float64Array.from({ length: SIDE * SIDE }, (_, i) => value(Math.floor(i / SIDE), i % SIDE))
  const bed = (row: number, col: number) => 0.3 * Math.sin(col / 30) * Math.cos(row / 40) + (row >= wetShare * SIDE ? 50 : 0)
  return {
    grid: { rows: SIDE, cols: SIDE, cell: 10, origin: [0, SIDE * 10] },
    bed: each(bed), manning: each(() => 0.03), depth: each((row, col) => row >= wetShare * SIDE ? 0 : 2 - bed(row, col) + 0.2 * Math.cos(col / 50)),
    ...(full && { open: each((row, col) => (row + col) % 3 ? 1 : 0.5), infiltration: each(() => 2), drains: each(() => 3) }),
  }
}

/** Cells per second of processor time over some steps. */
function rate(solver: Solver, steps = STEPS): number {
  const start = process.cpuUsage()
  for (let k = 0; k < steps; k++) solver.step(1e9)
  const { user, system } = process.cpuUsage(start)
  return SIDE * SIDE * steps / (user + system) * 1e6
}

export async function floodBench(): Promise<Result[]> {
  if (!hasFastKernel()) throw new Error('There is no WASM SIMD here: nothing to compare.')
  const results: Result[] = []
  const of = (name: string, goal: number, yardstick: string, { ours, theirs }: { ours: number; theirs: number | null }, reason?: string) =>
    results.push(compare({ name: `flood, local inertial, ${name}`, unit: 'M cells/s', ours: ours / 1e6, yardstick, theirs: theirs && theirs / 1e6, goal, reason }))
  const compiler = versionOf('gcc')
  const folder = mkdtempSync(join(tmpdir(), 'dothi-flood-'))
  try {
    for (const full of [false, true]) {
      const name = `all wet, ${full ? 'every term' : 'rain'}`
      const solver = createFastSolver(lake(full), RAIN)
      rate(solver)
      let depth = 0
      solver.forEach((_, h) => { depth += h })
      for (const { flags, goal } of [{ flags: ['-O3', '-march=native'], goal: 1.5 }, { flags: ['-O3', '-march=native', '-ffast-math'], goal: 0.5 }]) {
        const yardstick = `C, gcc ${flags.join(' ')}`
        if (!compiler) {
          of(name, goal, yardstick, { ours: rate(solver), theirs: null }, 'gcc is not installed')
          continue
        }
        const program = join(folder, `flood${flags.length}`)
        execFileSync('gcc', [...flags, 'bench/flood.c', '-o', program, '-lm'])
        const theirs = async () => {
          const [rate, , sum] = execFileSync(program, [String(SIDE), String(STEPS), full ? '1' : '0'], { encoding: 'utf8' }).split(' ').map(Number)
          if (!(Math.abs(sum! / depth - 1) < 1e-6)) throw new Error(`The yardstick computes another flood: ${sum} m of water in all cells, ours ${depth}.`)
          return rate!
        }
        of(name, goal, yardstick, await inTurn(ROUNDS, async () => rate(solver), theirs))
      }
      if (!full) {
        const plain = createSolver(lake(false), RAIN)
        of(name, 5, 'the plain TypeScript solver, float64', await inTurn(3, async () => rate(solver), async () => rate(plain, 5)))
      }
    }
    const wet = createFastSolver(lake(false), {}), mostlyDry = createFastSolver(lake(false, 0.1), {})
    of('90 % dry', 5, 'all wet', await inTurn(ROUNDS, async () => rate(mostlyDry), async () => rate(wet)))
  } finally { rmSync(folder, { recursive: true }) }
  return results
}
