/**
 * What one fetch brought, frozen on disk under its hash: a dry run, an approval and a repetition read the same bytes.
 * A file stays as it came; pages of a service become GeoJSON by lines.
 */
import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'
import { readdir, rm, stat, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { finished } from 'node:stream/promises'
import type { Feature } from '../../core/feature.js'
import { Problem } from '../errors.js'
import { openGeoJsonSequence } from '../import/geojson.js'
import { openAny } from '../import/open-source.js'
import type { SourceFile } from '../import/source.js'
import { incomingFolder, keep, uploadsFolder, type FrozenFile } from '../import/uploads.js'
import type { Memory } from './registry.js'

export interface Delivery {
  readonly file: FrozenFile
  /** Set for the pages of a service. */
  readonly pages?: { readonly srid: number; readonly name: string; readonly count: number }
  /** What to ask with next time. */
  readonly validators: Pick<Memory, 'etag' | 'lastModified'>
  /** Things worth telling, for people. */
  readonly notes: readonly string[]
}

/** A delivery, or why there is nothing to look at. */
export type Fetched = Delivery | { readonly nothing: string }

/** What a fetcher works with. */
export interface Fetching {
  /** Folder of this source's deliveries. */
  readonly folder: string
  readonly headers: Readonly<Record<string, string>>
  readonly memory: Memory
  /** Fetch although nothing changed upstream. */
  readonly anyway: boolean
  readonly signal: AbortSignal
  /** `done` 0…1 of the fetch. */
  progress(done: number, message: string): void
}

export const deliveriesFolder = (dataDir: string, source: string) => join(dataDir, 'sources', source)

/** Opens what was delivered as the importer sees files. Throws a Problem where it is not what was expected. */
export async function openDelivery({ file, pages }: Delivery): Promise<SourceFile> {
  await stat(file.path).catch(() => { throw new Problem(410, 'gone', 'This delivery is no longer kept. Sync the source again.') })
  if (pages) {
    const opened = await openGeoJsonSequence(file.path)
    return { ...opened, layers: opened.layers.map(layer => ({ ...layer, name: pages.name, srid: pages.srid, count: pages.count })) }
  }
  const opened = await openAny(file.path, file.name)
  if (opened.kind === 'features') return opened.source
  await opened.close()
  throw new Problem(422, 'bad-file', 'The source delivers terrain, which a source cannot follow. Import it with “dothi import”.')
}

const KEPT_DELIVERIES = 3

/** Takes old deliveries away; this one and a few before it stay for approvals and repetitions. */
export async function pruneDeliveries(folder: string, { path }: FrozenFile): Promise<void> {
  const root = uploadsFolder(folder)
  const now = new Date()
  await utimes(dirname(path), now, now).catch(() => {})
  const aged = await Promise.all((await readdir(root)).map(async name => ({ name, at: (await stat(join(root, name))).mtimeMs })))
  const old = aged.sort((a, b) => b.at - a.at).slice(KEPT_DELIVERIES)
  for (const { name, at } of old) if (at < now.getTime() - 3_600_000) await rm(join(root, name), { recursive: true, force: true })
}

/** Writes the features of a service page by page into one file; a feature that comes twice is kept once. */
export class Spool {
  readonly #ids = new Set<string>()
  #count = 0
  #bytes = 0
  private constructor(readonly folder: string, readonly incoming: string, readonly out: WriteStream, readonly maxBytes: number) {}

  static async open(folder: string, maxBytes: number): Promise<Spool> {
    const incoming = await incomingFolder(folder)
    const out = createWriteStream(join(incoming, SPOOLED))
    out.on('error', () => {})
    return new Spool(folder, incoming, out, maxBytes)
  }

  /** Distinct features so far. */
  get count() { return this.#count }

  async write({ geometry, properties, sourceId }: Feature): Promise<void> {
    if (sourceId !== undefined) {
      if (this.#ids.has(sourceId)) return
      this.#ids.add(sourceId)
    }
    const line = `${JSON.stringify({ type: 'Feature', ...(sourceId === undefined ? {} : { id: sourceId }), geometry, properties })}\n`
    this.#count++
    this.#bytes += line.length
    if (this.#bytes > this.maxBytes) throw new Problem(502, 'upstream', `The source delivers more than ${this.maxBytes} bytes. Allow more with maxBytes if that is right.`)
    if (!this.out.write(line)) await once(this.out, 'drain')
  }

  async keep(name: string, srid: number, notes: readonly string[] = []): Promise<Delivery> {
    await finished(this.out.end())
    const file = await keep(this.incoming, SPOOLED, this.folder)
    return { file: { ...file, name: `${name}.geojsonl` }, pages: { srid, name, count: this.#count }, validators: {}, notes }
  }

  async discard(): Promise<void> {
    this.out.destroy()
    await rm(this.incoming, { recursive: true, force: true })
  }
}
const SPOOLED = 'features.geojsonl'

/** Runs a reader of pages over a fresh spool, which is gone where it fails. */
export async function spooled(folder: string, maxBytes: number, read: (spool: Spool) => Promise<Delivery>): Promise<Delivery> {
  const spool = await Spool.open(folder, maxBytes)
  try {
    return await read(spool)
  } catch (error) {
    await spool.discard()
    throw error
  }
}

/** Fewer features than the service counted would look like deletions. */
export function refuseIncomplete(got: number, counted: number | undefined): void {
  if (counted !== undefined && got < counted)
    throw new Problem(502, 'upstream', `The source says it has ${counted} features, but gave ${got} different ones: it changed while it was read, its pages overlap, or its identities are not unique. Try again.`)
}
