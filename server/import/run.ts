import { sql } from 'kysely'
import { createWriteStream, type WriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { finished } from 'node:stream/promises'
import { VN2000_PROJ4 } from '../../core/vn2000.js'
import type { FeatureStream } from '../../core/feature.js'
import type { Layer } from '../../layers/layer.js'
import { badParameter, conflict } from '../errors.js'
import type { JobContext } from '../operations/jobs.js'
import type { Store } from '../store/store.js'
import { storeTerrain } from '../terrain/terrain-store.js'
import { badFile } from './fault.js'
import { inferLayer, legalName, type Inferred } from './infer.js'
import { loadFeatures, type LoadProgress, type LoadReport, type Reject } from './load.js'
import { openAny, type Opened } from './open-source.js'
import { defaultSource, planImport, sridOf } from './plan.js'
import type { SourceFile } from './source.js'
import { gridRaster } from './terrain/grid.js'
import { rejectsFile, type FrozenFile } from './uploads.js'

/** Frozen inputs of the jobs `import`, `publish` and `terrain`. */
export interface ImportInputs {
  readonly file: FrozenFile
  readonly dataDir: string
  /** import: the layer to fill; publish and terrain: what to call it. */
  readonly layer?: string
  readonly name?: string
  readonly from?: string
  readonly srid?: number
  /** Encoding of its texts, where the file does not say or says wrong. */
  readonly encoding?: string
  /** Point clouds: metres a cell, and whether only ground counts. */
  readonly resolution?: number
  readonly ground?: boolean
  readonly map?: readonly string[]
  readonly source?: string
  readonly replace?: string
  readonly maxRejects?: number
  /** Other writers wait while the file is read; see LoadOptions. */
  readonly exclusive?: boolean
}

export interface ImportResult extends Partial<LoadReport> {
  readonly format: string
  /** Rows landed or kept, by layer. */
  readonly layers: Readonly<Record<string, number>>
  readonly left?: readonly string[]
  readonly notes?: readonly string[]
  /** Where the rejects can be read; absent where there are none. */
  readonly rejectsFile?: string
}

/** Loads a file into layers that are there; a raster becomes terrain. */
export async function runImport(context: JobContext, inputs: ImportInputs): Promise<ImportResult> {
  const opened = await open(context, inputs)
  try {
    if (opened.kind === 'terrain') return await importTerrain(context, inputs, opened)
    return await importFeatures(context, inputs, opened.source)
  } finally {
    await close(opened)
  }
}

/** Makes a layer of its own of each layer in the file, and loads it; a raster becomes terrain. */
export async function runPublish(context: JobContext, inputs: ImportInputs): Promise<ImportResult> {
  const opened = await open(context, inputs)
  try {
    if (opened.kind === 'terrain') return await importTerrain(context, inputs, opened)
    return await publishFeatures(context, inputs, opened.source)
  } finally {
    await close(opened)
  }
}

async function open({ report, signal }: JobContext, { file, srid, encoding, resolution, ground }: ImportInputs): Promise<Opened> {
  report(0, `opening ${file.name}`)
  return openAny(file.path, file.name, { signal, ...(srid === undefined ? {} : { srid }), ...(encoding === undefined ? {} : { encoding }), ...(resolution === undefined ? {} : { resolution }), ...(ground ? { ground } : {}) })
}
const close = (opened: Opened) => (opened.kind === 'terrain' ? opened.close() : opened.source.close())

async function importFeatures(context: JobContext, inputs: ImportInputs, file: SourceFile): Promise<ImportResult> {
  const { store } = context
  const dropped = new Map<string, number>()
  const source = inputs.replace ?? inputs.source ?? defaultSource(inputs.file.name)
  const plan = await planImport(file, store.catalogue.all(), {
    ...(inputs.layer === undefined ? {} : { layer: store.catalogue.get(inputs.layer) }),
    ...(inputs.from === undefined ? {} : { from: inputs.from }), ...(inputs.srid === undefined ? {} : { srid: inputs.srid }),
    map: inputs.map ?? [], source, onDropped: message => dropped.set(message, (dropped.get(message) ?? 0) + 1),
  })
  if (inputs.replace === undefined) for (const layer of new Set(plan.streams.map(s => s.layer))) await refuseTwice(store, store.catalogue.get(layer), source)
  const report = await load(context, inputs, plan.streams, plan.count)
  const notes = [...notesOf(file), ...[...dropped].map(([message, n]) => `${message} (${n} ×)`)]
  return { ...report, format: file.format, ...(plan.left.length ? { left: plan.left } : {}), ...(notes.length ? { notes } : {}) }
}

/** What the reader left out or decided by itself. */
function notesOf(file: SourceFile): string[] {
  const texts = file.layers.flatMap(({ name, texts }) => {
    if (!texts || texts.by === 'user' || texts.encoding === 'unicode') return []
    const sample = texts.samples[0] ? ` (“${texts.samples[0].before}” → “${texts.samples[0].after}”)` : ''
    return [texts.applied === false ? `${name}: the texts may be in ${texts.encoding}${sample}; they were left as they are, --encoding ${texts.encoding} would decode them` : `${name}: the texts were read as ${texts.encoding}${sample}`]
  })
  return [...texts, ...file.notes?.() ?? []]
}

/** The same source twice would stand in the city twice. */
async function refuseTwice(store: Store, layer: Layer, source: string): Promise<void> {
  const { rows } = await sql<{ n: string }>`select count(*) as n from ${sql.id('city', layer.id)} where source = ${source}`.execute(store.db)
  const n = Number(rows[0]!.n)
  if (n > 0) throw conflict(`The layer “${layer.id}” has ${n} rows of the source “${source}” already. Replace them (--replace ${source}), or give this file another name (--source NAME).`, { layer: layer.id, source, rows: n })
}

async function publishFeatures(context: JobContext, inputs: ImportInputs, file: SourceFile): Promise<ImportResult> {
  const { store, owner, signal } = context
  const source = inputs.source ?? defaultSource(inputs.file.name)
  const choice = { ...(inputs.srid === undefined ? {} : { srid: inputs.srid }) }
  const chosen = file.layers.filter(l => inputs.from === undefined || l.name === inputs.from)
  const found: (Inferred & { srid: number; from: (typeof chosen)[number] })[] = []
  for (const from of chosen) {
    context.report(0.02, `looking through ${from.name}`)
    const srid = sridOf(from, choice)
    const inferred = await inferLayer(from, { id: publishedId(inputs.name, from.name, chosen.length), title: titleOf(inputs.name, from.name, chosen.length), source })
    signal.throwIfAborted()
    if (inferred.rows > 0) found.push({ ...inferred, srid, from })
  }
  if (found.length === 0) throw badFile(`The file “${inputs.file.name}” holds no features.`)
  for (const { layer } of found) await removeLeftover(store, layer, owner.subject)
  const published: Layer[] = []
  try {
    for (const { layer } of found) {
      await store.catalogue.publish(layer, owner.subject)
      published.push(layer)
    }
    const streams = found.map(({ layer, srid, from, toColumns }): FeatureStream => ({ layer: layer.id, srid, source, features: map(from.features(), toColumns) }))
    const report = await load(context, inputs, streams, found.reduce((sum, f) => sum + f.rows, 0))
    const notes = notesOf(file)
    return { ...report, format: file.format, ...(notes.length ? { notes } : {}) }
  } catch (error) {
    for (const layer of published) await store.catalogue.unpublish(layer.id, owner.subject)
    throw error
  }
}

/** A publish that was killed between its two revisions left an empty layer behind; a rerun makes it anew. */
async function removeLeftover(store: Store, layer: Layer, actor: string): Promise<void> {
  const there = store.catalogue.find(layer.id)
  if (!there || there.group !== 'published' || (await store.layerSummary(there)).count > 0) return
  await store.catalogue.unpublish(there.id, actor)
}

const titleOf = (name: string | undefined, layer: string, count: number) => (name === undefined ? layer : count === 1 ? name : `${name} – ${layer}`)
const publishedId = (name: string | undefined, layer: string, count: number) =>
  legalName(name === undefined ? layer : count === 1 ? name : `${name}_${layer}`, 'layer')

async function* map<A, B>(items: AsyncIterable<A>, change: (item: A) => B): AsyncGenerator<B> {
  for await (const item of items) yield change(item)
}

/** Up to here a first load in one pass keeps other writers waiting no longer than the last step of a staged one would. */
const ONE_PASS_UNASKED = 500_000

/** loadFeatures within a job: progress, cancel, rejects to their file. */
async function load(context: JobContext, inputs: ImportInputs, streams: readonly FeatureStream[], count: number | undefined): Promise<LoadReport & { rejectsFile?: string }> {
  const rejects = new RejectsWriter(rejectsFile(inputs.dataDir, context.id))
  try {
    const report = await loadFeatures(context.store, streams, {
      actor: context.owner.subject, reason: `import ${inputs.file.name}`, signal: context.signal,
      exclusive: inputs.exclusive ?? (count !== undefined && count <= ONE_PASS_UNASKED),
      ...(inputs.replace === undefined ? {} : { replaceSource: inputs.replace }), ...(inputs.maxRejects === undefined ? {} : { maxRejects: inputs.maxRejects }),
      onProgress: progress => context.report(share(progress, count), sentence(progress, count)),
      onReject: reject => rejects.write(reject),
    })
    return { ...report, ...(report.rejected ? { rejectsFile: rejects.path } : {}) }
  } finally {
    await rejects.close()
  }
}

/** Reading is told by counts where they are known; checking and writing are the last third. */
function share({ phase, read }: LoadProgress, count: number | undefined): number {
  switch (phase) {
    case 'reading': return 0.05 + 0.6 * (count ? Math.min(1, read / count) : 1 - 1 / (1 + read / 50_000))
    case 'checking': return 0.7
    case 'writing': return 0.85
  }
}
function sentence({ phase, read, layer }: LoadProgress, count: number | undefined): string {
  return phase === 'reading' ? `${layer}: ${read}${count ? ` of ${count}` : ''} read` : `${layer}: ${phase}`
}

/** One JSON object a line; the file appears with the first reject. */
export class RejectsWriter {
  #stream: WriteStream | null = null
  #ready: Promise<unknown> = Promise.resolve()
  #lines: string[] = []
  constructor(readonly path: string) {}

  write(reject: Reject): void {
    this.#lines.push(`${JSON.stringify(reject)}\n`)
    if (this.#lines.length >= 1000) this.#flush()
  }

  #flush(): void {
    const text = this.#lines.join('')
    this.#lines = []
    if (text === '') return
    this.#ready = this.#ready.then(async () => {
      if (!this.#stream) {
        await mkdir(dirname(this.path), { recursive: true })
        this.#stream = createWriteStream(this.path)
      }
      this.#stream.write(text)
    })
  }

  async close(): Promise<void> {
    this.#flush()
    await this.#ready
    if (this.#stream) await finished(this.#stream.end())
  }
}

async function importTerrain({ store, owner, signal, report }: JobContext, inputs: ImportInputs, { grid, format }: Extract<Opened, { kind: 'terrain' }>): Promise<ImportResult> {
  const srid = inputs.srid ?? grid.srid
  if (srid === null) throw badParameter('crs', `The file “${inputs.file.name}” does not say its CRS: give it with --crs EPSG:n.`)
  const raster = gridRaster(grid, await proj4Text(store, srid))
  const name = inputs.name ?? inputs.source ?? defaultSource(inputs.file.name)
  const stored = await storeTerrain(store, raster, { name, actor: owner.subject, signal, onProgress: done => report(0.1 + 0.9 * done, `terrain ${name}`) })
  return { format, layers: {}, revision: stored.revision, notes: [`terrain “${name}”: ${grid.cols} × ${grid.rows} cells of ${raster.resolutionM.toFixed(1)} m, zoom ${stored.minzoom}–${stored.maxzoom}`] }
}

async function proj4Text(store: Store, srid: number): Promise<string> {
  if (VN2000_PROJ4[srid]) return VN2000_PROJ4[srid]
  const { rows } = await sql<{ proj4text: string }>`select proj4text from spatial_ref_sys where srid = ${srid}`.execute(store.db)
  if (!rows[0]?.proj4text) throw badParameter('crs', `The store does not know EPSG:${srid}. Give the file's CRS with --crs EPSG:n.`)
  return rows[0].proj4text
}
