/**
 * A PMTiles archive that is made tile by tile and brought up to date in the same way. Tiles go to a spool beside it; at the
 * end the archive is written in one pass, in the order of the curve, from the spool and from the archive of the last time.
 * What a process that was killed had made, and what has not changed since the last export, is not made again.
 */
import { createHash } from 'node:crypto'
import { mkdir, open, readdir, rename, rm, stat, writeFile, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { BBox } from '../../core/bbox.js'
import type { Tile } from '../../core/tile-matrix.js'
import {
  decodeMetadata, directories, encodeMetadata, HEADER_BYTES, metadataPlace, tileId, tileOfId, writeHeader, type ArchiveHeader, type Entry,
} from './pmtiles.js'
import { encodeRecord, readRecords, Spool, type TileRecord, type TileRecords } from './tile-log.js'

export interface ArchiveOptions {
  readonly path: string
  /** Folder of the spool and of the records of the last time. */
  readonly work: string
  /** Names the files in it. */
  readonly name: string
  readonly tileType: ArchiveHeader['tileType']
  readonly tileCompression: ArchiveHeader['tileCompression']
}

export interface ArchiveSummary {
  readonly version: string
  readonly tiles: number
  readonly bytes: number
  /** Tiles that had to be made, in this process. */
  readonly made: number
  /** False where the archive was there already, with the same content. */
  readonly written: boolean
}

/** The tile of a record lies in the spool, or in the archive of the last time. */
interface Placed { readonly record: TileRecord; readonly in: 'spool' | 'archive' }

/** Tiles as short as this are looked for among those before: water and empty land repeat, and are short. */
const REPEATING_BYTES = 2048
const REPEATING_TILES = 50_000
const COPY_BYTES = 4 << 20

export class TileArchive {
  readonly #tiles: Placed[] = []
  #made = 0

  private constructor(private readonly options: ArchiveOptions, private readonly spool: Spool, private readonly last: TileRecords, private readonly lastFile: FileHandle | undefined, private readonly lastVersion: string | undefined) {}

  static async open(options: ArchiveOptions): Promise<TileArchive> {
    const { path, work, name } = options
    await Promise.all([mkdir(work, { recursive: true }), mkdir(dirname(path), { recursive: true })])
    const lastFile = await open(path, 'r').catch(() => undefined)
    const lastVersion = lastFile && await versionOf(lastFile)
    const known = lastFile && lastVersion ? await readRecords(join(work, `${name}.${lastVersion}.log`), (await lastFile.stat()).size) : await readRecords('', 0)
    return new TileArchive(options, await Spool.open(join(work, `${name}.data`), join(work, `${name}.log`)), known, lastFile, lastVersion)
  }

  /** The tile is part of the archive. `make` is called where it is not there under this key; no bytes: the tile is empty. True where it has content. */
  async put(tile: Tile, key: string, make: () => Promise<Uint8Array>): Promise<boolean> {
    const id = tileId(tile)
    const digest = digestOf(key)
    const placed = this.#known(id, digest) ?? { in: 'spool' as const, record: await this.#make(id, digest, make) }
    this.#tiles.push(placed)
    return placed.record.length > 0
  }

  #known(id: number, key: string): Placed | undefined {
    const spooled = this.spool.records.get(id)
    if (spooled?.key === key) return { in: 'spool', record: spooled }
    const last = this.last.get(id)
    return last?.key === key ? { in: 'archive', record: last } : undefined
  }

  async #make(id: number, key: string, make: () => Promise<Uint8Array>): Promise<TileRecord> {
    const bytes = await make()
    this.#made++
    return this.spool.append(id, key, digestOf(bytes), bytes)
  }

  /** Writes the archive, unless it is there already with the same content. Undefined, and no file, where no tile has any. */
  async finish(metadata: Readonly<Record<string, unknown>>, bounds: BBox): Promise<ArchiveSummary | undefined> {
    const { path, work, name } = this.options
    this.#tiles.sort((a, b) => a.record.id - b.record.id)
    const full = this.#tiles.filter(({ record }) => record.length > 0)
    const version = digestOf(JSON.stringify([metadata, bounds, this.options.tileCompression]) + full.map(({ record }) => `${record.id} ${record.hash}`).join())
    const written = version !== this.lastVersion || this.last.size === 0
    const log = join(work, `${name}.${version}.log`)
    if (full.length === 0) await rm(path, { force: true })
    else if (written) await this.#write(full, version, metadata, bounds, log)
    else if (this.#made > 0) await writeFile(log, Buffer.concat(this.#tiles.map(({ record }) => encodeRecord(this.#inLast(record)))))
    await this.close()
    const kept = `${name}.${version}.log`
    for (const file of await readdir(work)) if (file.startsWith(`${name}.`) && file !== kept) await rm(join(work, file), { force: true })
    return full.length === 0 ? undefined : { version, tiles: full.length, bytes: (await stat(path)).size, made: this.#made, written }
  }

  /** Made anew with the same bytes: it is where it was, under its new key. */
  #inLast(record: TileRecord): TileRecord {
    return { ...record, offset: record.length > 0 ? this.last.get(record.id)!.offset : 0 }
  }

  async close(): Promise<void> {
    await Promise.all([this.spool.close(), this.lastFile?.close()])
  }

  /** First what goes where, from the records alone; then the bytes, in that order. */
  async #write(full: readonly Placed[], version: string, metadata: Readonly<Record<string, unknown>>, bounds: BBox, log: string): Promise<void> {
    const { path, tileType, tileCompression } = this.options
    const { entries, contents, offsets, dataLength } = arrange(full)
    const { root, leaves } = directories(entries)
    const meta = encodeMetadata({ ...metadata, [VERSION]: version })
    const zooms = full.map(({ record }) => tileOfId(record.id).z)
    const [minzoom, maxzoom] = [zooms[0]!, zooms[zooms.length - 1]!]
    const metadataOffset = HEADER_BYTES + root.length
    const leavesOffset = metadataOffset + meta.length
    const dataOffset = leavesOffset + leaves.length
    const header = writeHeader({
      rootOffset: HEADER_BYTES, rootLength: root.length, metadataOffset, metadataLength: meta.length, leavesOffset, leavesLength: leaves.length,
      dataOffset, dataLength, addressed: full.length, entries: entries.length, contents: contents.length, tileCompression, tileType,
      minzoom, maxzoom, bounds, center: [(bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2, Math.min(maxzoom, Math.max(minzoom, 13))],
    })
    const temporary = `${path}.new`
    const file = await open(temporary, 'w')
    try {
      await file.appendFile(Buffer.concat([header, root, meta, leaves]))
      await this.#copy(contents, file)
    } finally {
      await file.close()
    }
    const place = new Map(full.map(({ record }, i) => [record.id, dataOffset + offsets[i]!]))
    await writeFile(log, Buffer.concat(this.#tiles.map(({ record }) => encodeRecord({ ...record, offset: place.get(record.id) ?? 0 }))))
    await rename(temporary, path)
  }

  /** Neighbours in one file are read together. */
  async #copy(contents: readonly Placed[], to: FileHandle): Promise<void> {
    for (let i = 0; i < contents.length;) {
      const { in: where, record: first } = contents[i]!
      let end = first.offset + first.length
      let next = i + 1
      for (; next < contents.length; next++) {
        const { in: other, record } = contents[next]!
        if (other !== where || record.offset !== end || end + record.length - first.offset > COPY_BYTES) break
        end += record.length
      }
      const bytes = Buffer.alloc(end - first.offset)
      const from = where === 'spool' ? this.spool.handle : this.lastFile!
      const { bytesRead } = await from.read(bytes, 0, bytes.length, first.offset)
      if (bytesRead < bytes.length) throw new Error(`${this.options.path}: tiles were cut off while they were copied; export again`)
      await to.appendFile(bytes)
      i = next
    }
  }
}

const VERSION = 'dothi:version'

/** The version of an archive that was finished at this path; undefined where there is none of ours. */
export async function versionAt(path: string): Promise<string | undefined> {
  const file = await open(path, 'r').catch(() => undefined)
  try {
    return file && await versionOf(file)
  } finally {
    await file?.close()
  }
}

async function versionOf(file: FileHandle): Promise<string | undefined> {
  const header = Buffer.alloc(HEADER_BYTES)
  await file.read(header, 0, HEADER_BYTES, 0)
  const place = metadataPlace(header)
  if (!place) return undefined
  const bytes = Buffer.alloc(place.length)
  await file.read(bytes, 0, place.length, place.offset)
  try {
    const version = (decodeMetadata(bytes) as Record<string, unknown>)[VERSION]
    return typeof version === 'string' && /^[\w-]+$/.test(version) ? version : undefined
  } catch {
    return undefined
  }
}

/** Where each tile's bytes go: one copy of what repeats, tiles in a row with the same bytes in one entry. */
export function arrange(full: readonly { readonly record: Pick<TileRecord, 'id' | 'length' | 'hash'> }[]): { entries: Entry[]; contents: Placed[]; offsets: Float64Array; dataLength: number } {
  const entries: Entry[] = []
  const contents: Placed[] = []
  const offsets = new Float64Array(full.length)
  const seen = new Map<string, number>()
  let end = 0
  full.forEach((placed, i) => {
    const { id, length, hash } = placed.record
    const name = `${hash} ${length}`
    let offset = seen.get(name)
    if (offset === undefined) {
      offset = end
      contents.push(placed as Placed)
      end += length
      if (length <= REPEATING_BYTES && seen.size < REPEATING_TILES) seen.set(name, offset)
    }
    offsets[i] = offset
    const before = entries.at(-1)
    if (before && before.offset === offset && before.length === length && before.id + before.run === id) entries[entries.length - 1] = { ...before, run: before.run + 1 }
    else entries.push({ id, offset, length, run: 1 })
  })
  return { entries, contents, offsets, dataLength: end }
}

const digestOf = (content: string | Uint8Array) => createHash('sha256').update(content).digest().subarray(0, 12).toString('base64url')
