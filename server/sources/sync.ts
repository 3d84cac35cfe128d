/** The job `sync`: fetch → compare → review → one revision, or a report of why not. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { sql } from 'kysely'
import type { Feature, FeatureStream } from '../../core/feature.js'
import type { Layer } from '../../layers/layer.js'
import { badParameter, notFound, Problem } from '../errors.js'
import { userCrs } from '../import/crs.js'
import { badFile } from '../import/fault.js'
import { inferLayer, legalName } from '../import/infer.js'
import { loadFeatures, type LoadReport, type Replacement } from '../import/load.js'
import { planImport, sridOf } from '../import/plan.js'
import { RejectsWriter } from '../import/run.js'
import type { SourceFile } from '../import/source.js'
import { rejectsFile } from '../import/uploads.js'
import type { JobContext } from '../operations/jobs.js'
import type { Store } from '../store/store.js'
import { deliveriesFolder, openDelivery, pruneDeliveries, type Delivery, type Fetched, type Fetching } from './delivery.js'
import { fetchDropped, putAside, droppedFiles, type Dropped } from './drop-folder.js'
import { fetchEsri } from './fetch-esri.js'
import { fetchFile } from './fetch-file.js'
import { fetchOgcFeatures } from './fetch-ogc-features.js'
import { fetchWfs } from './fetch-wfs.js'
import { getSource, layDown, remember, takeUp, type Memory, type Shape, type StoredSource } from './registry.js'
import { findLocalEdits, keepLocal, measureMovement, recordKept, writeChanges, type LocalEdit } from './review.js'
import { compareShapes, judgeMovement, observed, type Finding } from './shape.js'
import { DEFAULT_MAX_DELETES, folderOf, type SourceDefinition, type Target } from './source.js'

/** Inputs of the job. A repetition fetches anew; an approval reads the delivery that was stopped. */
export interface SyncInputs {
  readonly source: string
  readonly dataDir: string
  /** Compare and list, land nothing. */
  readonly dryRun?: boolean
  /** Apply although something is suspicious. */
  readonly force?: boolean
  /** In place of the source's own policy. */
  readonly localEdits?: SourceDefinition['localEdits']
  /** A delivery of an earlier sync, instead of a fresh one. */
  readonly delivery?: Delivery
}

export interface SyncResult extends Partial<LoadReport> {
  readonly source: string
  /** Why nothing was looked at: unchanged upstream, an empty folder. */
  readonly nothing?: string
  readonly dryRun?: boolean
  /** What would have stopped it, had it not been forced or dry. */
  readonly findings?: readonly Finding[]
  readonly localEdits?: LocalEditCounts
  /** True where the changes are listed under /sources/{id}/syncs/{job}/changes. */
  readonly listed?: boolean
  readonly notes: readonly string[]
}
export interface LocalEditCounts { readonly kept: number; readonly overwritten: number; readonly conflicts: number }

export const changesFile = (dataDir: string, source: string, job: string) => join(deliveriesFolder(dataDir, source), 'changes', `${job}.geojsonl`)

/** Throws a 409 Problem `sync-stopped` that carries the findings and the delivery where something is suspicious. */
export async function runSync(context: JobContext, inputs: SyncInputs): Promise<SyncResult> {
  const { store, id: job } = context
  await takeUp(store, inputs.source, job)
  try {
    return await new Sync(context, inputs, await getSource(store, inputs.source)).run()
  } finally {
    await layDown(store, inputs.source, job).catch(() => {})
  }
}

/** Share of the progress bar that fetching takes. */
const FETCHING = 0.5

class Sync {
  readonly #definition: SourceDefinition
  readonly #folder: string
  readonly #policy: NonNullable<SourceDefinition['localEdits']>
  #findings: readonly Finding[] = []
  #kept: readonly LocalEdit[] = []
  #localEdits: LocalEditCounts = { kept: 0, overwritten: 0, conflicts: 0 }
  #listed = false

  constructor(readonly context: JobContext, readonly inputs: SyncInputs, readonly source: StoredSource) {
    this.#definition = source.definition
    this.#folder = deliveriesFolder(inputs.dataDir, source.definition.id)
    this.#policy = inputs.localEdits ?? source.definition.localEdits ?? 'keep'
  }

  async run(): Promise<SyncResult> {
    const anyway = await this.#looksAnyway()
    const fetched: Fetched & { dropped?: Dropped } = this.inputs.delivery ?? await this.#fetch(anyway)
    if ('nothing' in fetched) return this.#nothing(fetched.nothing)
    const { dropped, ...delivery } = fetched
    if (!anyway && delivery.file.sha256 === this.source.memory.sha256) {
      await this.#putAside(dropped)
      return this.#nothing('the source delivers the same as before', { ...this.source.memory, ...delivery.validators })
    }
    try {
      await keepReceipt(this.#folder, this.context.id, delivery)
      const result = await this.#load(delivery)
      if (!this.inputs.dryRun) await this.#putAside(dropped)
      await pruneDeliveries(this.#folder, delivery.file).catch(() => {})
      return result
    } catch (error) {
      if (!this.inputs.dryRun && error instanceof Problem && !this.context.signal.aborted) await this.#putAside(dropped, error.detail)
      throw error
    }
  }

  /** A look at everything, though the source may be as it was: it was asked for, or edits made here are to go. */
  async #looksAnyway(): Promise<boolean> {
    const { dryRun, force, delivery, localEdits } = this.inputs
    return Boolean(dryRun || force || delivery || localEdits) || (this.#policy === 'overwrite' && await this.#mayBeEdited())
  }

  /** False where nobody wrote to its layers since the last sync that did. */
  async #mayBeEdited(): Promise<boolean> {
    const { targets, publish } = this.#definition
    const layers = publish ? [legalName(publish, 'layer')] : targets?.map(target => target.layer)
    if (!layers || this.source.lastRevision === null) return true
    const { rows } = await sql`select from dothi.changes where layer = any(${layers}) and branch = 'main' and revision > ${this.source.lastRevision}::int8 limit 1`.execute(this.context.store.db)
    return rows.length > 0
  }

  async #fetch(anyway: boolean): Promise<Fetched & { dropped?: Dropped }> {
    const { context, source } = this
    const fetching: Fetching = {
      folder: this.#folder, headers: source.headers, memory: source.memory, anyway, signal: context.signal,
      progress: (done, message) => context.report(FETCHING * done, message),
    }
    switch (this.#definition.kind) {
      case 'folder': return fetchDropped(this.#definition, this.inputs.dataDir, fetching)
      case 'file': return fetchFile(this.#definition, fetching)
      case 'ogc-features': return fetchOgcFeatures(this.#definition, fetching)
      case 'wfs': return fetchWfs(this.#definition, fetching)
      case 'esri': return fetchEsri(this.#definition, fetching)
    }
  }

  async #nothing(nothing: string, memory = this.source.memory): Promise<SyncResult> {
    if (!this.inputs.dryRun) await remember(this.context.store.db, this.#definition.id, { memory, revision: null })
    return { source: this.#definition.id, nothing, notes: [] }
  }

  async #load(delivery: Delivery): Promise<SyncResult> {
    const { context: { store }, inputs } = this
    const opened = await openDelivery(delivery)
    try {
      const watched = observed(identified(opened, this.#definition.identity))
      const publishing = this.#definition.publish === undefined ? undefined : legalName(this.#definition.publish, 'layer')
      if (publishing && !store.catalogue.find(publishing)) return await this.#publish(publishing, delivery, watched)
      const dropped = new Map<string, number>()
      const plan = await this.#plan(watched.file, publishing, message => dropped.set(message, (dropped.get(message) ?? 0) + 1))
      return await this.#apply(delivery, plan.streams, watched.shape, [
        ...delivery.notes, ...plan.left.length ? [`not followed: ${plan.left.join(', ')}`] : [], ...this.#identityNote(opened),
        ...[...dropped].map(([message, n]) => `${message} (${n} ×)`),
      ])
    } finally {
      await opened.close()
    }
  }

  #identityNote({ format }: SourceFile): string[] {
    return this.#definition.identity || ['geojson', 'geojsonseq', 'osm-xml', 'osm-pbf', 'cityjson', 'gml', 'citygml'].includes(format) ? []
      : ['No identity attribute is declared: where the file has no feature ids, a changed row comes as a deletion and an insertion.']
  }

  /** What fills what. Each target is planned on its own; without targets the layers' own mappings choose. */
  async #plan(file: SourceFile, publishing: string | undefined, onDropped: (message: string) => void) {
    const { catalogue } = this.context.store
    const { id, crs } = this.#definition
    const targets: readonly (Target | undefined)[] = publishing ? [{ layer: publishing }] : this.#definition.targets?.length ? this.#definition.targets : [undefined]
    const streams: FeatureStream[] = []
    const left = new Set(file.layers.map(layer => layer.name))
    for (const target of targets) {
      const layer = target && withMapping(catalogue.get(target.layer), target, id)
      const plan = await planImport(file, catalogue.all(), {
        ...(layer ? { layer } : {}), ...(target?.from ? { from: target.from } : {}), ...(crs && !isService(this.#definition) ? { srid: userCrs(crs) } : {}),
        map: layer ? constants(target) : [], source: id, onDropped,
      })
      streams.push(...plan.streams)
      for (const name of [...left]) if (!plan.left.includes(name)) left.delete(name)
    }
    return { streams, left: [...left] }
  }

  /** The first sync of a source that has a layer of its own. */
  async #publish(layerId: string, delivery: Delivery, { file, shape }: ReturnType<typeof observed>): Promise<SyncResult> {
    const { store, owner } = this.context
    const { id, title, classification, licence, crs } = this.#definition
    if (file.layers.length !== 1) throw badParameter('publish', `The delivery has ${file.layers.length} layers: ${file.layers.map(layer => layer.name).join(', ')}. Declare one of them.`)
    const from = file.layers[0]!
    const inferred = await inferLayer(from, { id: layerId, title: title ?? this.#definition.publish!, source: id })
    if (inferred.rows === 0) throw badFile('The source delivers no features, so no layer can be made of it.')
    const layer: Layer = { ...inferred.layer, classification: classification ?? 'open', licence: licence ?? 'unknown', attribution: title ?? id,
      description: { vi: `Theo nguồn ${title ?? id}.`, en: `Follows the source ${title ?? id}.` } }
    const notes = [...delivery.notes, `${this.inputs.dryRun ? 'would publish' : 'published'} the layer “${layerId}”: ${layer.columns.map(column => `${column.name} ${column.type}`).join(', ')}`]
    if (this.inputs.dryRun) return { source: id, dryRun: true, read: inferred.rows, inserted: inferred.rows, updated: 0, deleted: 0, unchanged: 0, rejected: 0, layers: { [layerId]: inferred.rows }, notes }
    const features = async function* () { for await (const feature of from.features()) yield inferred.toColumns(feature) }
    const srid = sridOf(from, crs && !isService(this.#definition) ? { srid: userCrs(crs) } : {})
    await store.catalogue.publish(layer, owner.subject)
    try {
      return await this.#apply(delivery, [{ layer: layerId, srid, source: id, features: features() }], shape, notes)
    } catch (error) {
      await store.catalogue.unpublish(layerId, owner.subject)
      throw error
    }
  }

  async #apply(delivery: Delivery, streams: readonly FeatureStream[], shape: () => Shape, notes: readonly string[]): Promise<SyncResult> {
    const { context: { store, owner, signal }, inputs: { dryRun, force }, source } = this
    const { id, maxRejects } = this.#definition
    const { etag: _etag, lastModified: _lastModified, ...remembered } = source.memory
    const memory = (): Memory => ({ ...remembered, ...delivery.validators, sha256: delivery.file.sha256, shape: shape() })
    const count = delivery.pages?.count
    const rejects = new RejectsWriter(rejectsFile(this.inputs.dataDir, this.context.id))
    const report = await loadFeatures(store, streams, {
      actor: owner.subject, reason: `sync ${id}`, replaceSource: id, signal, ...(maxRejects === undefined ? {} : { maxRejects }), ...(dryRun ? { dryRun } : {}),
      onProgress: ({ phase, read, layer }) => this.context.report(FETCHING + 0.45 * (phase === 'reading' ? (count ? read / count : 0.5) * 0.6 : phase === 'checking' ? 0.7 : 0.9), `${layer}: ${phase === 'reading' ? `${read} read` : phase}`),
      onReject: reject => rejects.write(reject),
      review: replacement => this.#review(replacement, memory),
    }).catch(error => { throw this.#explained(error, shape()) }).finally(() => rejects.close())
    if (!dryRun && report.revision === 0) await store.db.transaction().execute(async tx => {
      await recordKept(tx, id, Object.keys(report.layers), this.#kept)
      await remember(tx, id, { memory: memory(), revision: null })
    })
    return {
      ...report, source: id, localEdits: this.#localEdits, ...(this.#findings.length ? { findings: this.#findings } : {}), ...(dryRun ? { dryRun } : {}),
      ...(this.#listed ? { listed: true } : {}),
      notes: [...notes, ...force && this.#findings.length ? [`applied by force in spite of ${this.#findings.length} findings`] : [], ...newAttributes(source.memory.shape, shape())],
    }
  }

  /** Runs inside the load: keeps local edits, judges, lists; on a real run also remembers, in the same transaction. */
  async #review(replacement: Replacement, memory: () => Memory): Promise<void> {
    const { inputs: { dryRun, force, dataDir }, source, context } = this
    const { id, maxDeletes = DEFAULT_MAX_DELETES } = this.#definition
    const city = await context.store.city()
    const findings: Finding[] = [...compareShapes(source.memory.shape, memory().shape!)]
    const edits: LocalEdit[] = []
    for (const replaced of replacement.layers) {
      const own = await findLocalEdits(replacement, replaced, id, source.lastRevision)
      edits.push(...own)
      if (this.#policy !== 'overwrite') await keepLocal(replacement, replaced, own)
      findings.push(...judgeMovement(await measureMovement(replacement, replaced, city), maxDeletes))
    }
    const fresh = edits.filter(edit => edit.conflict && !edit.known)
    if (this.#policy === 'stop' && fresh.length)
      findings.push({ kind: 'conflicts', detail: `${fresh.length} ${fresh.length === 1 ? 'row was' : 'rows were'} changed both here and by the source, for example ${fresh.slice(0, 5).map(edit => `${edit.layer} ${edit.id}`).join(', ')}.` })
    this.#findings = findings
    this.#kept = this.#policy === 'overwrite' ? [] : edits
    this.#localEdits = { kept: this.#kept.length, overwritten: edits.length - this.#kept.length, conflicts: edits.filter(edit => edit.conflict).length }
    const stopped = findings.length > 0 && !force
    if (dryRun || stopped) {
      await writeChanges(replacement, changesFile(dataDir, id, context.id))
      this.#listed = true
    }
    if (stopped && !dryRun) throw new Problem(409, 'sync-stopped',
      `The sync of “${id}” was stopped and nothing was changed. ${findings.map(finding => finding.detail).join(' ')} Look at what would change, then approve it or mend the source.`,
      { findings, source: id, localEdits: this.#localEdits })
    if (replacement.revision === undefined) return
    await recordKept(replacement.tx, id, replacement.layers.map(({ layer }) => layer.id), this.#kept)
    await remember(replacement.tx, id, { memory: memory(), revision: replacement.revision })
  }

  /** Too many bad rows are often the trace of attributes that changed. */
  #explained(error: unknown, shape: Shape): unknown {
    if (!(error instanceof Problem) || error.type !== 'too-many-rejects') return error
    const findings = compareShapes(this.source.memory.shape, shape)
    return findings.length === 0 ? error : new Problem(error.status, error.type, `${error.detail} ${findings.map(finding => finding.detail).join(' ')}`, { ...error.more, findings })
  }

  /** Moves a dropped file out of the way, or remembers it where the folder is closed. */
  async #putAside(dropped: Dropped | undefined, failure?: string): Promise<void> {
    if (!dropped) return
    const { store } = this.context
    const root = folderOf(this.#definition, this.inputs.dataDir)
    // A file that is still growing was not whole after all: it is looked at again.
    const now = (await droppedFiles(root).catch(() => [])).find(file => file.name === dropped.name)
    if (!now || now.state !== dropped.state || await putAside(root, dropped, failure)) return
    const { memory } = await getSource(store, this.#definition.id)
    const { name, size, mtimeMs } = dropped
    await remember(store.db, this.#definition.id, { memory: { ...memory, files: [...(memory.files ?? []).slice(-999), { name, size, mtimeMs }] }, revision: null })
  }
}

const isService = ({ kind }: SourceDefinition) => kind === 'ogc-features' || kind === 'wfs' || kind === 'esri'

/** The layer with the target's mapping in front, under the source's name. */
function withMapping(layer: Layer, { columns, values }: Target, source: string): Layer {
  if (!columns && !values) return layer
  const coded = Object.fromEntries(Object.keys(values ?? {}).map(name => [name, name]))
  return { ...layer, sources: [{ source, columns: { ...coded, ...columns }, ...(values ? { values } : {}) }, ...layer.sources ?? []] }
}

/** Constants and single attributes are also given as the user's word, which no guess overrules. */
function constants(target: Target | undefined): string[] {
  return Object.entries(target?.columns ?? {}).flatMap(([column, from]) => (typeof from === 'string' && !target?.values?.[column] ? [`${column}=${from}`] : []))
}

/** Features under the identity that an attribute gives them. */
function identified(file: SourceFile, attribute: string | undefined): SourceFile {
  if (attribute === undefined) return file
  const name = (features: AsyncIterable<Feature>) => (async function* () {
    for await (const feature of features) {
      const value = feature.properties[attribute]
      yield value === null || value === undefined || value === '' ? feature : { ...feature, sourceId: String(value) }
    }
  })()
  return { ...file, layers: file.layers.map(layer => ({ ...layer, features: (...args: []) => name(layer.features(...args)) })) }
}

function newAttributes(before: Shape | undefined, after: Shape): string[] {
  const added = before ? Object.keys(after.attributes).filter(name => !before.attributes[name]) : []
  return added.length ? [`new attributes upstream: ${added.slice(0, 20).join(', ')}`] : []
}

const receiptFile = (folder: string, job: string) => join(folder, 'receipts', `${job}.json`)

/** Which delivery a job looked at, so that it can be approved as it was seen. */
async function keepReceipt(folder: string, job: string, delivery: Delivery): Promise<void> {
  const path = receiptFile(folder, job)
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, JSON.stringify(delivery))
}

/** The delivery that a sync of this source looked at. Throws a 404 Problem where there is none. */
export async function deliveryOf(store: Store, dataDir: string, source: string, job: string): Promise<Delivery> {
  await getSource(store, source)
  const { rows } = await sql`select from dothi.jobs where id::text = ${job} and kind = 'sync' and inputs->>'source' = ${source}`.execute(store.db)
  const kept = rows.length ? await readFile(receiptFile(deliveriesFolder(dataDir, source), job), 'utf8').catch(() => undefined) : undefined
  if (kept === undefined) throw notFound(`There is no sync ${job.slice(0, 40)} of “${source}” that looked at a delivery.`)
  return JSON.parse(kept) as Delivery
}
