/** A city as a folder of files that any web server can serve: tiles, terrain, 3D, records, names, and the viewer. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createHash } from 'node:crypto'
import { sql } from 'kysely'
import type { StaticManifest } from '../../core/static-manifest.js'
import { conflict } from '../errors.js'
import type { Branch, Store } from '../store/store.js'
import { FileSet, type FilesSummary } from './file-set.js'
import { writePage } from './page.js'
import { planStatic, type Plan, type StaticInputs } from './plan.js'
import { writeRecords } from './records.js'
import { writeSearch } from './search.js'
import { writeTerrain, writeTerrainMesh } from './terrain.js'
import type { ArchiveSummary } from './tile-archive.js'
import { writeTileset } from './tilesets.js'
import { vectorArchives, writeVectorArchive } from './vector.js'

export interface StaticResult {
  readonly folder: string
  readonly revision: number
  readonly layers: readonly string[]
  /** Tiles in the archives, of which so many had to be made. */
  readonly tiles: number
  readonly made: number
  /** Single files, of which so many were written. */
  readonly files: number
  readonly written: number
  readonly bytes: number
  /** Layers of which crowded tiles hold only the most important features. */
  readonly truncated: readonly string[]
}

export interface StaticJob { readonly store: Store; readonly branch: Branch; readonly signal: AbortSignal; readonly report: (progress: number, message: string) => void }

/** Parts of an export, with their share of the work. */
const SHARES = { vector: 0.45, terrain: 0.08, mesh: 0.07, solids: 0.2, records: 0.12, names: 0.07, page: 0.01 } as const
type Part = keyof typeof SHARES

/** Makes or brings up to date; see the docs, “static export”. Throws a 409 Problem while another export works on the folder. */
export async function exportStatic(job: StaticJob, inputs: StaticInputs): Promise<StaticResult> {
  return alone(job.store, inputs.folder, async () => {
    await mkdir(inputs.folder, { recursive: true })
    return write(await planStatic(job.store, job.branch, inputs, job.signal), inputs, job)
  })
}

/** The lock goes with its connection, so that a killed export leaves none behind. */
function alone<T>(store: Store, folder: string, work: () => Promise<T>): Promise<T> {
  const key = createHash('sha256').update(folder).digest().readInt32LE(0)
  return store.db.connection().execute(async connection => {
    const { rows } = await sql<{ locked: boolean }>`select pg_try_advisory_lock(${FOLDERS}::int, ${key}::int) as locked`.execute(connection)
    if (!rows[0]!.locked) throw conflict(`Another export is writing to ${folder}. Wait for its end, or cancel it.`)
    try {
      return await work()
    } finally {
      await sql`select pg_advisory_unlock(${FOLDERS}::int, ${key}::int)`.execute(connection).catch(() => {})
    }
  })
}

/** Class of the folders' advisory locks: 'stat'. */
const FOLDERS = 0x73746174

async function write(plan: Plan, { viewerDir }: StaticInputs, { report }: StaticJob): Promise<StaticResult> {
  const { folder, work, layers, moment, branch, city } = plan
  const files = await FileSet.open(folder, join(work, 'files.log'))
  const progress = progressOf(report)
  const rows = layers.reduce((sum, { count }) => sum + count, 0)

  const groups = vectorArchives(layers)
  const archives: StaticManifest['archives'][number][] = []
  const summaries: ArchiveSummary[] = []
  const truncated = new Set<string>()
  for (const [i, group] of groups.entries()) {
    const result = await writeVectorArchive(plan, group, share => progress.at('vector', (i + share) / groups.length, `vector tiles: ${group.name}`))
    if (result.archive) archives.push(result.archive)
    if (result.summary) summaries.push(result.summary)
    for (const id of result.truncated) truncated.add(id)
  }
  progress.done('vector')
  const terrain = await writeTerrain(plan, share => progress.at('terrain', share, 'terrain'))
  if (terrain.summary) summaries.push(terrain.summary)
  progress.done('terrain')
  await writeTerrainMesh(plan, files, share => progress.at('mesh', share, 'terrain meshes'))
  progress.done('mesh')
  const solid = layers.filter(({ layer }) => layer.threeD)
  const tilesets: Record<string, string> = {}
  for (const [i, planned] of solid.entries())
    tilesets[planned.layer.id] = await writeTileset(plan, planned, files, share => progress.at('solids', (i + share) / solid.length, `3D tiles: ${planned.layer.id}`))
  progress.done('solids')
  const records: Record<string, StaticManifest['records'][string]> = {}
  const counter = (part: Part, message: string) => { let seen = 0; return (more: number) => progress.at(part, Math.min(1, (seen += more) / rows), message) }
  const onRecords = counter('records', 'records')
  for (const planned of layers) records[planned.layer.id] = await writeRecords(plan, planned, files, onRecords)
  progress.done('records')
  const search = await writeSearch(plan, files, counter('names', 'names'))
  progress.done('names')
  if (viewerDir !== undefined) await writePage(viewerDir, files)
  progress.done('page')

  const exported = new Map(layers.map(planned => [planned.layer.id, planned]))
  const manifest: StaticManifest = {
    format: 'dothi-static', version: 1, generator: 'dothi', made: new Date().toISOString(), revision: moment.revision, branch,
    city: {
      ...city, scenarios: [],
      layers: city.layers.filter(({ id }) => exported.has(id)).map(layer => ({ ...layer, zoom: { min: layer.zoom.min, max: exported.get(layer.id)!.maxzoom } })),
    },
    archives, terrain: terrain.archive, tilesets, records, search,
  }
  // Last, since it names all the others; with the same content it keeps its date.
  const { made: _made, ...content } = manifest
  await files.put('dothi.json', JSON.stringify(content), async () => JSON.stringify(manifest))
  return resultOf(plan, summaries, await files.finish(), [...truncated])
}

function resultOf({ folder, moment, layers }: Plan, archives: readonly ArchiveSummary[], files: FilesSummary, truncated: readonly string[]): StaticResult {
  const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0)
  return {
    folder, revision: moment.revision, layers: layers.map(({ layer }) => layer.id), truncated,
    tiles: sum(archives.map(({ tiles }) => tiles)), made: sum(archives.map(({ made }) => made)),
    files: files.files, written: files.written, bytes: files.bytes + sum(archives.map(({ bytes }) => bytes)),
  }
}

/** One share for all parts, in their order. */
function progressOf(report: StaticJob['report']) {
  let before = 0
  return {
    at: (part: Part, share: number, message: string) => report(Math.min(0.99, before + SHARES[part] * share), message),
    done: (part: Part) => { before += SHARES[part] },
  }
}
