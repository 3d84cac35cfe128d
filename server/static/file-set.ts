/** The single files of an export: which there are, what each was made from, and that no others are left. */
import { createHash } from 'node:crypto'
import { appendFile, mkdir, readFile, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

interface Known { readonly key: string; readonly hash: string; readonly bytes: number }

export interface FilesSummary {
  readonly files: number
  readonly bytes: number
  /** Files whose bytes were new or others. */
  readonly written: number
}

/**
 * Each file is written under another name and renamed, then told in a log (path, key, hash, size; a line a file): a process
 * that is killed leaves whole files, and at most one that the log does not know, which is then written again.
 */
export class FileSet {
  readonly #wanted = new Set<string>()
  #written = 0
  #bytes = 0

  private constructor(private readonly folder: string, private readonly log: string, private readonly known: Map<string, Known>) {}

  static async open(folder: string, log: string): Promise<FileSet> {
    await mkdir(dirname(log), { recursive: true })
    const known = new Map<string, Known>()
    for (const line of (await readFile(log, 'utf8').catch(() => '')).split('\n')) {
      const [path, key, hash, bytes] = line.split('\t')
      if (path && !path.split('/').includes('..') && key && hash && Number(bytes) >= 0) known.set(path, { key, hash, bytes: Number(bytes) })
    }
    return new FileSet(folder, log, known)
  }

  /** The file is part of the export. `make` is called where it is not there under this key. Returns what tells its content from any other. */
  async put(path: string, key: string, make: () => Promise<Uint8Array | string>): Promise<string> {
    if (await this.has(path, key)) return this.known.get(path)!.hash
    this.#wanted.add(path)
    const known = this.known.get(path)
    const there = known !== undefined && await this.#isThere(path, known)
    const content = Buffer.from(await make())
    const next = { key: digestOf(key), hash: digestOf(content), bytes: content.length }
    if (!there || known.hash !== next.hash) await this.#write(path, content)
    this.#bytes += next.bytes
    this.known.set(path, next)
    await appendFile(this.log, lineOf(path, next))
    return next.hash
  }

  /** Whether the file is there under this key; then it is part of the export. */
  async has(path: string, key: string): Promise<boolean> {
    const known = this.known.get(path)
    if (!known || known.key !== digestOf(key) || !await this.#isThere(path, known)) return false
    if (!this.#wanted.has(path)) this.#bytes += known.bytes
    this.#wanted.add(path)
    return true
  }

  async #isThere(path: string, { bytes }: Known): Promise<boolean> {
    return (await stat(join(this.folder, path)).catch(() => null))?.size === bytes
  }

  async #write(path: string, content: Buffer): Promise<void> {
    const target = join(this.folder, path)
    await mkdir(dirname(target), { recursive: true })
    await writeFile(`${target}.new`, content)
    await rename(`${target}.new`, target)
    this.#written++
  }

  /** Takes away what was part of an earlier export and is of this one no more. */
  async finish(): Promise<FilesSummary> {
    for (const path of this.known.keys()) {
      if (this.#wanted.has(path)) continue
      await rm(join(this.folder, path), { force: true })
      await removeEmpty(this.folder, dirname(path))
      this.known.delete(path)
    }
    await writeFile(`${this.log}.new`, [...this.known].map(([path, known]) => lineOf(path, known)).join(''))
    await rename(`${this.log}.new`, this.log)
    return { files: this.#wanted.size, bytes: this.#bytes, written: this.#written }
  }
}

const lineOf = (path: string, { key, hash, bytes }: Known) => `${path}\t${key}\t${hash}\t${bytes}\n`

const digestOf = (content: string | Uint8Array) => createHash('sha256').update(content).digest('base64url').slice(0, 22)

/** A folder that holds nothing any more, and those above it. */
async function removeEmpty(root: string, folder: string): Promise<void> {
  for (let at = folder; at !== '.' && at !== ''; at = dirname(at)) {
    if (!await rmdir(join(root, at)).then(() => true, () => false)) return
  }
}
