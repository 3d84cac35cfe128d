/** What runs leave in the store: manifest, frames, peaks, summary. */
import { sql } from 'kysely'
import { DEPTH_CLASSES } from '../../layers/depth.js'
import type { RunManifest } from '../../simulation/manifest.js'
import { SIMULATION_LABEL } from '../../simulation/manifest.js'
import type { Balance } from '../../simulation/flood/accounts.js'
import type { Peaks } from '../../simulation/flood/run.js'
import { notFound } from '../errors.js'
import type { JobState } from '../operations/jobs.js'
import type { Reader, Store } from '../store/store.js'
import type { FrozenCase } from './case.js'
import type { RunSummary } from './impacts.js'
import { isUuid } from './scenario.js'

/** What of a manifest is known before the first frame; times, state and mass error come from the tables. */
type FixedManifest = Omit<RunManifest, 'times' | 'complete' | 'massError' | 'state' | 'balance'>

export function manifestOf(id: string, { case: frozen, inputsHash }: FrozenCase): FixedManifest {
  const { crs, origin, cell, rows, cols, corners } = frozen.grid
  return {
    version: 1, id, scenario: frozen.scenario, title: frozen.title, label: SIMULATION_LABEL,
    grid: { crs, origin, cell, rows, cols, corners },
    verticalDatum: frozen.verticalDatum, start: frozen.start, duration: frozen.duration,
    quantisation: { type: 'uint16', scale: 0.001, nodata: 65535 },
    inputsHash, solver: frozen.solver, asOf: frozen.asOf, sources: frozen.sources, notes: frozen.notes,
  }
}

export async function startRun(store: Store, id: string, caseId: string, frozen: FrozenCase): Promise<void> {
  await sql`insert into dothi.runs (id, scenario, case_id, manifest) values (${id}, ${frozen.case.scenario}, ${caseId}, ${JSON.stringify(manifestOf(id, frozen))}::jsonb)`.execute(store.db)
}

export async function writeFrame(store: Store, run: string, index: number, time: number, bytes: Buffer): Promise<void> {
  await sql`insert into dothi.run_frames (run, frame, time_s, depth) values (${run}, ${index}, ${time}, ${bytes})`.execute(store.db)
}

/** Names under which peaks are kept and served; depth as uint16 mm like a frame, the rest float32. */
export const PEAKS = ['depth', 'depthTime', 'arrival01', 'arrival03', 'duration01', 'duration03', 'depthSpeed'] as const satisfies readonly (keyof Peaks)[]

export async function manifest(store: Store, id: string, branch: string): Promise<RunManifest> {
  const { rows } = isUuid(id) ? await sql<{ manifest: FixedManifest; balance: Balance | null; state: JobState; times: number[] }>`
    select r.manifest, r.balance, j.state, array(select f.time_s from dothi.run_frames f where f.run = r.id order by f.frame) as times
    from dothi.runs r join dothi.jobs j using (id) where r.id = ${id}::uuid and (${branch} = 'main' or r.scenario::text = ${branch})`.execute(store.db) : { rows: [] }
  const row = rows[0]
  if (!row) throw noSuchRun(id)
  return { ...row.manifest, times: row.times, complete: row.state === 'successful', state: row.state, massError: row.balance?.error ?? null, balance: row.balance }
}

/** Deflated uint16 millimetres. */
export async function frame(store: Store, reader: Reader, id: string, index: number): Promise<Buffer> {
  const { rows } = isUuid(id) ? await sql<{ depth: Buffer }>`select depth from dothi.run_frames where run = ${id}::uuid and frame = ${index}`.execute(store.pool(reader.clearance)) : { rows: [] }
  if (!rows[0]) throw notFound(`Run ${id.slice(0, 60)} has no frame ${index} (yet): its manifest lists the times of those it has.`)
  return rows[0].depth
}

/** Deflated array, and its type: `uint16` millimetres for depth, else `float32`. */
export async function peak(store: Store, reader: Reader, id: string, name: string): Promise<{ type: string; data: Buffer }> {
  const { rows } = isUuid(id) ? await sql<{ type: string; data: Buffer }>`select type, data from dothi.run_peaks where run = ${id}::uuid and name = ${name}`.execute(store.pool(reader.clearance)) : { rows: [] }
  if (!rows[0]) throw notFound(`Run ${id.slice(0, 60)} has no greatest values (yet): they are written when it is complete.`)
  return rows[0]
}

export async function summary(store: Store, reader: Reader, id: string): Promise<RunSummary> {
  const { rows } = isUuid(id) ? await sql<{ summary: RunSummary | null }>`select summary from dothi.runs where id = ${id}::uuid`.execute(store.pool(reader.clearance)) : { rows: [] }
  if (!rows[0]) throw noSuchRun(id)
  if (!rows[0].summary) throw notFound(`Run ${id} has no impacts (yet): they are computed when the water has been.`)
  return { ...rows[0].summary, byDepthClass: inClassOrder(rows[0].summary.byDepthClass) }
}

/** From dry to deep: jsonb keeps no order of its own. */
const inClassOrder = (counts: RunSummary['byDepthClass']) => Object.fromEntries(Object.keys(DEPTH_CLASSES).flatMap(name => counts[name] ? [[name, counts[name]]] : []))

const noSuchRun = (id: string) => notFound(`There is no run “${id.slice(0, 60)}”.`)

/** The latest run of each scenario, by scenario: a successful one if there is, else the newest that computes. */
export async function latestRuns(store: Store): Promise<ReadonlyMap<string, { id: string; state: JobState }>> {
  const { rows } = await sql<{ scenario: string; id: string; state: JobState }>`
    select distinct on (r.scenario) r.scenario, r.id, j.state from dothi.runs r join dothi.jobs j using (id)
    where j.state in ('successful', 'running')
    order by r.scenario, j.state = 'successful' desc, r.created desc`.execute(store.db)
  return new Map(rows.map(({ scenario, ...run }) => [scenario, run]))
}
