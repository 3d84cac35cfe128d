/**
 * Starts syncs by themselves: those whose time has come, and those whose folder got a file. Times are in the database,
 * so they survive restarts; a row lock lets one server of several submit each sync once.
 */
import { mkdirSync, watch, type FSWatcher } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../config.js'
import { isConnectionLost } from '../errors.js'
import type { Jobs } from '../operations/jobs.js'
import { STEWARD, type Reader, type Store } from '../store/store.js'
import { droppedFiles } from './drop-folder.js'
import { claimDue, claimOne, listSources, type StoredSource } from './registry.js'
import { folderOf } from './source.js'
import type { SyncInputs } from './sync.js'

const TICK_MS = 5_000

export interface SchedulerOptions { readonly tickMs?: number }

/** Begins at once; `stop` waits for the tick that is under way. */
export function startScheduler({ store, jobs, config }: { store: Store; jobs: Jobs; config: Pick<Config, 'dataDir'> }, { tickMs = TICK_MS }: SchedulerOptions = {}): { stop(): Promise<void> } {
  const stopping = new AbortController()
  const folders = new Folders()
  let wake = () => {}

  const submit = ({ definition: { id }, owner }: StoredSource) =>
    jobs.submit('sync', { source: id, dataDir: config.dataDir } satisfies SyncInputs, asOwner(owner))

  async function tick() {
    await claimDue(store, submit)
    const watched = (await listSources(store)).filter(({ definition }) => definition.kind === 'folder' && definition.enabled !== false)
    folders.follow(watched.map(({ definition }) => folderOf(definition, config.dataDir)), () => wake())
    for (const source of watched) {
      if (await folders.hasSettled(folderOf(source.definition, config.dataDir), source.memory.files)) await claimOne(store, source.definition.id, () => submit(source))
    }
  }

  const done = (async () => {
    while (!stopping.signal.aborted) {
      await tick().catch(error => { if (!isConnectionLost(error) && !stopping.signal.aborted) console.error('sources:', error) })
      const woken = new Promise<void>(resolve => { wake = resolve })
      await Promise.race([woken.then(() => sleep(Math.min(500, tickMs), undefined, { signal: stopping.signal })), sleep(tickMs, undefined, { signal: stopping.signal })]).catch(() => {})
    }
    folders.close()
  })()

  return { async stop() { stopping.abort(); await done } }
}

/** A scheduled sync acts in the name of the source's owner. */
const asOwner = (owner: string): Reader => ({ ...STEWARD, subject: owner })

/** Folders under watch. Polling finds what a watch misses (network shares); a watch only makes it sooner. */
class Folders {
  readonly #watchers = new Map<string, FSWatcher | null>()
  /** Files of each folder at the look before. */
  readonly #before = new Map<string, string>()

  follow(folders: readonly string[], changed: () => void): void {
    for (const [folder, watcher] of this.#watchers) if (!folders.includes(folder)) { watcher?.close(); this.#watchers.delete(folder) }
    for (const folder of folders) if (!this.#watchers.has(folder)) this.#watchers.set(folder, this.#watch(folder, changed))
  }

  #watch(folder: string, changed: () => void): FSWatcher | null {
    try {
      mkdirSync(folder, { recursive: true })
      return watch(folder, { persistent: false }, changed).on('error', () => {})
    } catch {
      return null
    }
  }

  /** True where something new lies there and is as it was at the look before. */
  async hasSettled(folder: string, done: StoredSource['memory']['files']): Promise<boolean> {
    const files = await droppedFiles(folder, done).catch(() => [])
    const state = JSON.stringify(files.map(file => [file.name, file.state]))
    const before = this.#before.get(folder)
    this.#before.set(folder, state)
    return files.length > 0 && state === before
  }

  close() { for (const watcher of this.#watchers.values()) watcher?.close() }
}
