/** What a comparison has found, and the table that people read. */
import { execFileSync } from 'node:child_process'
import { cpus, totalmem } from 'node:os'

export interface Result {
  readonly name: string
  /** Of what there is more, the better: rows/s, tiles/s. */
  readonly unit: string
  readonly ours: number
  /** What it is compared with, on the same machine and data in the same run. */
  readonly yardstick: string
  /** Null where the yardstick is absent; then `reason` says why. */
  readonly theirs: number | null
  readonly ratio: number | null
  readonly goal: number
  readonly reason?: string
}


export function compare(result: Omit<Result, 'ratio'>): Result {
  return { ...result, ratio: result.theirs === null ? null : result.ours / result.theirs }
}

export const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

/** Both sides in turn, so that a machine that warms up or slows down does so for both; the median of each. */
export async function inTurn(rounds: number, ours: () => Promise<number>, theirs: () => Promise<number>): Promise<{ ours: number; theirs: number }> {
  const all = { ours: [] as number[], theirs: [] as number[] }
  for (let round = 0; round < rounds; round++) {
    all.ours.push(await ours())
    all.theirs.push(await theirs())
  }
  return { ours: median(all.ours), theirs: median(all.theirs) }
}

/** Seconds that a piece of work takes. */
export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return (performance.now() - start) / 1000
}

export function machine(): string {
  const [first] = cpus()
  return `${first?.model.trim() ?? 'unknown'} × ${cpus().length}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`
}

/** The version line of a program, undefined where it is not installed. */
export function versionOf(program: string, args = ['--version']): string | undefined {
  try { return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\n')[0] } catch { return undefined }
}

export function table(results: readonly Result[], on: string): string {
  const number = (value: number | null) => value === null ? '–' : value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3)
  const rows = results.map(({ name, unit, ours, theirs, yardstick, ratio, goal, reason }) =>
    [name, `${number(ours)} ${unit}`, `${yardstick}: ${theirs === null ? reason ?? 'absent' : number(theirs)}`, ratio === null ? 'null' : `${ratio.toFixed(2)} ×`, `≥ ${goal} ×`])
  const lines = [['name', 'ours', 'yardstick', 'ratio', 'goal'], ...rows]
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map(line => line[column]!.length)))
  return [...lines.map(line => line.map((cell, column) => cell.padEnd(widths[column]!)).join('  ').trimEnd()), `machine: ${on}`].join('\n')
}
