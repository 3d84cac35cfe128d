/**
 * Tiles on disk, compressed as they are sent, so that a server that starts anew has them: one file a tile, under the name
 * of its place, so that a newer version takes the older one's place.
 *
 * A file says which version it is and carries a witness: the store's latest revision when it was written, and that revision's time.
 * A store that was restored from a backup, or another one, does not know that witness, and then the file counts for nothing.
 * Files of any number of processes lie side by side; any of them may be deleted at any time.
 */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sql } from 'kysely'
import type { Store } from '../../store/store.js'
import type { CachedTile } from './tile-cache.js'

export interface TileFilesOptions {
  /** Below its own folder; made when first needed. */
  readonly directory: string
  readonly mostBytes?: number
}

const MOST_BYTES = 2 * 2 ** 30
/** A disk with less free than this is left alone. */
const FREE_BYTES = 2 ** 30
/** What is made faster than it can be written is not kept. */
const MOST_PENDING_BYTES = 16 * 2 ** 20
/** After so much was written the folder is looked through, and made smaller where it is too large. */
const SWEEP_BYTES = 64 * 2 ** 20
const MOST_WITNESSES = 10_000

interface Header {
  readonly slot: string
  readonly version: string
  readonly truncated: readonly string[]
  readonly witness: Witness
  /** SHA-1 of the bytes: a machine that went down may leave half a file. */
  readonly sum: string
}
interface Witness { readonly revision: number; readonly at: string }
interface Pending { readonly slot: string; readonly version: string; readonly tile: CachedTile }

export class TileFiles {
  readonly #pending = new Map<string, Pending>()
  #pendingBytes = 0
  #writing: Promise<void> | undefined
  #sinceSweep = SWEEP_BYTES // what earlier processes left is not known
  readonly #witnesses = new Map<string, Promise<boolean>>()

  constructor(private readonly store: Store, private readonly options: TileFilesOptions) {}

  /** The tile in this version, or undefined. Never throws: what cannot be read is made anew. */
  async read(slot: string, version: string): Promise<CachedTile | undefined> {
    const bytes = await readFile(this.#path(slot)).catch(() => undefined)
    const end = bytes?.indexOf('\n') ?? -1
    if (!bytes || end < 0) return undefined
    try {
      const header = JSON.parse(bytes.toString('utf8', 0, end)) as Header
      if (header.slot !== slot || header.version !== version) return undefined
      const gzipped = Buffer.from(bytes.subarray(end + 1))
      if (header.sum !== sumOf(gzipped) || !(await this.#isOurs(header.witness))) return undefined
      return { gzipped, truncated: header.truncated }
    } catch {
      return undefined
    }
  }

  /** Keeps a tile, some time soon. */
  write(slot: string, version: string, tile: CachedTile): void {
    if (this.#pendingBytes + tile.gzipped.length > MOST_PENDING_BYTES) return
    this.#pendingBytes += tile.gzipped.length - (this.#pending.get(slot)?.tile.gzipped.length ?? 0)
    this.#pending.set(slot, { slot, version, tile })
    this.#writing ??= this.#writePending().finally(() => { this.#writing = undefined })
  }

  /** Once all that was to be kept is on disk. */
  async settled(): Promise<void> {
    while (this.#writing) await this.#writing
  }

  /** One at a time: who waits for a tile needs the disk and the threads more. */
  async #writePending(): Promise<void> {
    while (this.#pending.size > 0) {
      const batch = [...this.#pending.values()]
      this.#pending.clear()
      this.#pendingBytes = 0
      try {
        if (!(await this.#hasRoom())) continue
        // After the tiles were made, so that it knows of every row in them.
        const witness = await latestRevision(this.store)
        for (const each of batch) await this.#writeFile(each, witness)
      } catch {
        // A full or a broken disk, or a database that is away: a tile that is not kept is made again.
      }
    }
    if (this.#sinceSweep >= SWEEP_BYTES) await this.sweep().catch(() => {})
  }

  async #writeFile({ slot, version, tile: { gzipped, truncated } }: Pending, witness: Witness): Promise<void> {
    const header: Header = { slot, version, truncated, witness, sum: sumOf(gzipped) }
    const path = this.#path(slot)
    const draft = `${path}.${process.pid}`
    const bytes = Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), gzipped])
    await writeFile(draft, bytes, { mode: 0o600 }).catch(async (error: { code?: string }) => {
      if (error.code !== 'ENOENT') throw error
      await mkdir(join(path, '..'), { recursive: true, mode: 0o700 })
      await writeFile(draft, bytes, { mode: 0o600 })
    })
    await rename(draft, path)
    this.#sinceSweep += bytes.length
  }

  async #hasRoom(): Promise<boolean> {
    await mkdir(this.options.directory, { recursive: true, mode: 0o700 })
    const { bavail, bsize } = await statfs(this.options.directory)
    return bavail * bsize > FREE_BYTES
  }

  /** Takes the oldest files away until a fifth of the room is free, where there is more than there may be. */
  async sweep(): Promise<void> {
    this.#sinceSweep = 0
    const { directory, mostBytes = MOST_BYTES } = this.options
    const files: { path: string; size: number; written: number }[] = []
    let total = 0
    for (const folder of await readdir(directory)) for (const name of await readdir(join(directory, folder))) {
      const path = join(directory, folder, name)
      const found = await stat(path).catch(() => undefined)
      if (!found) continue
      files.push({ path, size: found.size, written: found.mtimeMs })
      total += found.size
    }
    if (total <= mostBytes) return
    files.sort((a, b) => a.written - b.written)
    for (const { path, size } of files) {
      if (total <= mostBytes * 0.8) break
      await rm(path, { force: true })
      total -= size
    }
  }

  /** Whether the store's history has this revision at this time. */
  #isOurs({ revision, at }: Witness): Promise<boolean> {
    const key = `${revision} ${at}`
    const known = this.#witnesses.get(key)
    if (known) return known
    if (this.#witnesses.size >= MOST_WITNESSES) this.#witnesses.clear()
    const found = sql<{ at: Date }>`select at from dothi.revisions where revision = ${revision}::int8`.execute(this.store.db).then(({ rows }) => rows[0]?.at.toISOString() === at)
    this.#witnesses.set(key, found)
    found.catch(() => this.#witnesses.delete(key))
    return found
  }

  #path(slot: string): string {
    const name = createHash('sha256').update(slot).digest('hex').slice(0, 40)
    return join(this.options.directory, name.slice(0, 2), name.slice(2))
  }
}

async function latestRevision(store: Store): Promise<Witness> {
  const { rows } = await sql<{ revision: number; at: Date }>`select revision, at from dothi.revisions order by revision desc limit 1`.execute(store.db)
  if (!rows[0]) throw new Error('A store without revisions has no tiles to keep')
  return { revision: rows[0].revision, at: rows[0].at.toISOString() }
}

const sumOf = (bytes: Buffer) => createHash('sha1').update(bytes).digest('base64url')
