/**
 * Files that are dropped into a folder. A file counts as whole when it stays the same between two looks and while it is
 * copied; then it is loaded, and moved to `done/` or, with the reason beside it, to `failed/`. A folder that cannot be
 * written to is served too: what was dealt with is remembered instead.
 */
import { mkdir, readdir, rename, stat, writeFile } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Problem } from '../errors.js'
import { freeze } from '../import/uploads.js'
import type { Fetched, Fetching } from './delivery.js'
import type { FolderFile } from './registry.js'
import { folderOf, type SourceDefinition } from './source.js'

/** How long a file must stay the same. */
export const SETTLE_MS = 2_000
const UNFINISHED = /^\.|^~|~$|\.(part|partial|tmp|temp|filepart|crdownload|download|swp|lock)$/i
const COMPANIONS = new Set(['.dbf', '.prj', '.cpg', '.shx', '.sbn', '.sbx', '.qix'])

/** A file that can be loaded, with those that belong to it. */
export interface Dropped extends FolderFile {
  readonly path: string
  readonly companions: readonly string[]
  /** Changes while any of its files does. */
  readonly state: string
}

/** What lies in the folder and was not dealt with before, oldest first. */
export async function droppedFiles(folder: string, done: readonly FolderFile[] = []): Promise<Dropped[]> {
  const entries = (await readdir(folder, { withFileTypes: true }).catch(missing(folder))).filter(entry => entry.isFile() && !UNFINISHED.test(entry.name)).map(entry => entry.name)
  const shapes = new Set(entries.filter(name => /\.shp$/i.test(name)).map(stemOf))
  const dropped: Dropped[] = []
  for (const name of entries) {
    if (shapes.has(stemOf(name)) && COMPANIONS.has(extname(name).toLowerCase())) continue
    const companions = shapes.has(stemOf(name)) ? entries.filter(other => other !== name && stemOf(other) === stemOf(name)) : []
    const states = await Promise.all([name, ...companions].map(file => stat(join(folder, file)).catch(() => undefined)))
    const own = states[0]
    if (!own || own.size === 0) continue
    if (done.some(file => file.name === name && file.size === own.size && file.mtimeMs === own.mtimeMs)) continue
    dropped.push({ name, size: own.size, mtimeMs: own.mtimeMs, path: join(folder, name), companions, state: states.map(file => `${file?.size} ${file?.mtimeMs} ${file?.ctimeMs}`).join() })
  }
  return dropped.sort((a, b) => a.mtimeMs - b.mtimeMs || (a.name < b.name ? -1 : 1))
}

const stemOf = (name: string) => name.slice(0, -extname(name).length || undefined).toLowerCase()
const missing = (folder: string) => (error: NodeJS.ErrnoException): never => {
  throw new Problem(502, 'upstream', error.code === 'ENOENT' ? `The folder ${basename(folder)} is not there. Make it on the server, or mount it.` : `The folder ${basename(folder)} cannot be read: ${error.message}.`)
}

/** The oldest file that is whole. */
export async function fetchDropped(source: SourceDefinition, dataDir: string, { folder, memory, signal, progress }: Fetching): Promise<Fetched & { readonly dropped?: Dropped }> {
  const root = folderOf(source, dataDir)
  await mkdir(root, { recursive: true }).catch(() => {})
  progress(0, `looking into ${basename(root)}`)
  const before = new Map((await droppedFiles(root, memory.files)).map(file => [file.name, file.state]))
  if (before.size === 0) return { nothing: 'the folder holds nothing new' }
  await sleep(SETTLE_MS, undefined, { signal })
  const whole = (await droppedFiles(root, memory.files)).filter(file => before.get(file.name) === file.state)
  const next = whole[0]
  if (!next) return { nothing: 'what lies in the folder is still being written' }
  const file = await freeze(next.path, folder)
  const after = (await droppedFiles(root, memory.files)).find(({ name }) => name === next.name)
  if (after?.state !== next.state) return { nothing: `${next.name} is still being written` }
  const waiting = whole.length - 1
  return { file, validators: {}, notes: waiting ? [`${waiting} more ${waiting === 1 ? 'file waits' : 'files wait'} in the folder`] : [], dropped: next }
}

/** Moves a file out of the way; false where the folder does not let it. `failure` goes beside it as text. */
export async function putAside(root: string, { name, companions }: Dropped, failure?: string): Promise<boolean> {
  const aside = join(root, failure === undefined ? 'done' : 'failed')
  const stamp = new Date().toISOString().replace(/[-:]/g, '').slice(0, 15)
  try {
    await mkdir(aside, { recursive: true })
    for (const file of [name, ...companions]) await rename(join(root, file), join(aside, `${stamp}-${file}`))
    if (failure !== undefined) await writeFile(join(aside, `${stamp}-${name}.txt`), `${failure}\n`)
    return true
  } catch {
    return false
  }
}
