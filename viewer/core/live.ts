/**
 * The viewer follows the city: each commit that `/events` tells of makes the tiles of its places stale, and only those.
 *
 * What the page knows of the layers (counts, extents, revisions) is kept in step from the events alone: nothing is read
 * again for it. A page that nobody looks at does not listen; shown again, it goes on where it was.
 */
import { grow, union, type BBox } from '../../core/bbox.js'
import { GROUND_LAYERS } from '../../layers/earthworks.js'
import { TERRAIN, type Change } from '../tiles/change.js'
import type { ClientLayer } from './api.js'
import type { App } from './app.js'
import { source } from './source.js'

/** An entry of the change log as `/events` sends it. `bbox`: around old and new geometry, null where there is none. */
interface Entry { readonly layer: string; readonly inserted: number; readonly updated: number; readonly deleted: number; readonly bbox: BBox | null }
interface Commit { readonly revision: number; readonly changes: readonly Entry[] }

export interface Live {
  /** Heard of everything up to this revision. */
  readonly revision: number
  readonly connected: boolean
  /** Everything heard has been handed to the scene. */
  readonly idle: boolean
  stop(): void
}

/** Commits that come together are shown together; a lone one waits no longer than nobody notices. */
const GATHER_MS = 40
/** How soon the numbers of a filter are asked for anew; what it colours comes with the tiles. */
const REFILTER_MS = 1000
/** Boxes of one layer that are told one by one; more become the box around them. */
const MOST_BOXES = 60
/** How far from a levee its slopes can reach, degrees: about 60 m. */
const SLOPES = 60 / 111_000
/** How long a page is out of sight before it stops listening. */
const HIDDEN_MS = 20_000
const RETRY_MS = 3000

export function followChanges(app: App): Live {
  let revision = Math.max(0, ...(app.city?.layers ?? []).map((layer) => layer.revision ?? 0), app.city?.terrain?.revision ?? 0)
  let stream: EventSource | null = null
  let gathering: ReturnType<typeof setTimeout> | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let refilter: ReturnType<typeof setTimeout> | undefined
  let waiting: Commit[] = []
  let working = 0

  function listen(): void {
    clearTimeout(timer)
    const { server } = source()
    if (stream || !server) return
    stream = new EventSource(server.pages.events(revision))
    stream.addEventListener('change', ({ data }) => {
      const commit = JSON.parse(data as string) as Commit
      if (commit.revision <= revision) return
      revision = commit.revision
      waiting.push(commit)
      gathering ??= setTimeout(() => void apply(), GATHER_MS)
    })
    // The server's history is not the one that this page has seen: nothing of it can be trusted.
    stream.addEventListener('reset', () => location.reload())
    stream.addEventListener('error', () => {
      // A browser connects again by itself unless it was refused.
      if (stream?.readyState !== EventSource.CLOSED) return
      pause()
      timer = setTimeout(listen, RETRY_MS)
    })
  }

  function pause(): void {
    stream?.close()
    stream = null
  }

  async function apply(): Promise<void> {
    gathering = undefined
    const entries = waiting.flatMap(({ revision, changes }) => changes.map((change) => ({ ...change, revision })))
    waiting = []
    working++
    // Other ground may reach further or be finer than before; the layers' own news are all in the entries.
    if (entries.some(({ layer }) => layer === TERRAIN)) await app.reload()
    if (app.city) app.city = { ...app.city, layers: app.city.layers.map((layer) => caughtUp(layer, entries)) }
    app.scene?.touch(app.city?.layers ?? [], changesOf(entries))
    app.emit('city')
    if (entries.some(({ layer }) => layer === app.store.state.filter?.layer)) refilter ??= setTimeout(() => { refilter = undefined; void app.filters.sync() }, REFILTER_MS)
    working--
  }

  const onVisibility = () => {
    clearTimeout(timer)
    if (document.hidden) timer = setTimeout(pause, HIDDEN_MS)
    else listen()
  }
  document.addEventListener('visibilitychange', onVisibility)
  listen()

  return {
    get revision() { return revision },
    get connected() { return stream?.readyState === EventSource.OPEN },
    get idle() { return waiting.length + working === 0 },
    stop() {
      document.removeEventListener('visibilitychange', onVisibility)
      clearTimeout(timer)
      clearTimeout(gathering)
      clearTimeout(refilter)
      pause()
    },
  }
}

/** A layer as it is after these commits. Its extent only grows: what is empty at its edge is known when the page is opened anew. */
export function caughtUp(layer: ClientLayer, entries: readonly (Entry & { readonly revision: number })[]): ClientLayer {
  return entries.reduce((before, { layer: id, revision, inserted, deleted, bbox }) => {
    if (id !== before.id || revision <= (before.revision ?? 0)) return before
    return { ...before, revision, count: Math.max(0, (before.count ?? 0) + inserted - deleted), bbox: union(before.bbox ?? null, bbox) }
  }, layer)
}

/** The places to draw anew, each once. */
export function changesOf(entries: readonly Pick<Entry, 'layer' | 'bbox'>[]): Change[] {
  const boxes = new Map<string, BBox[]>()
  for (const { layer, bbox } of entries) if (bbox) boxes.set(layer, [...boxes.get(layer) ?? [], bbox])
  return [...boxes].flatMap(([layer, its]) => {
    const told = its.length <= MOST_BOXES ? its : [its.reduce<BBox | null>(union, null)!]
    const places = told.map((box) => ({ layer, box }))
    return GROUND_LAYERS.includes(layer) ? [...places, ...told.map((box) => ({ layer: TERRAIN, box: grow(box, SLOPES) }))] : places
  })
}
