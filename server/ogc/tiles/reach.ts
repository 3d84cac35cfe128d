/** Where layers have tiles: their extent and zooms, kept in memory until something changes. */
import { union, type BBox } from '../../../core/bbox.js'
import { DEEPEST_ZOOM } from '../../../core/tile-grid.js'
import type { Layer } from '../../../layers/layer.js'
import type { Call } from '../../operations/operation.js'
import type { Branch, Store } from '../../store/store.js'

export interface Reach {
  readonly bbox: BBox | null
  /** Of WebMercatorQuad. */
  readonly zoom: { readonly min: number; readonly max: number }
}

type Summary = Awaited<ReturnType<Store['layerSummary']>>

/** Summaries of the present city's layers. Runs end and reports are written without a revision: theirs are asked for each time. */
class Summaries {
  readonly #kept = new Map<Layer, Promise<Summary>>()
  /** Those that have come. */
  readonly #here = new Map<Layer, Summary>()

  constructor(private readonly store: Store) {
    // What is being summed up when a revision comes is forgotten too.
    store.onRevision(() => { this.#kept.clear(); this.#here.clear() })
  }

  of(layer: Layer, branch: Branch): Promise<Summary> {
    if (branch !== 'main' || layer.kind !== 'city') return this.store.layerSummary(layer, branch)
    const known = this.#kept.get(layer)
    if (known) return known
    const summary = this.store.layerSummary(layer, branch)
    this.#kept.set(layer, summary)
    summary.then((here) => { if (this.#kept.get(layer) === summary) this.#here.set(layer, here) }, () => this.#kept.delete(layer))
    return summary
  }

  now(layer: Layer): Summary | undefined { return this.#here.get(layer) }
}

const summaries = new WeakMap<Store, Summaries>()

function summariesOf(store: Store): Summaries {
  const own = summaries.get(store) ?? new Summaries(store)
  summaries.set(store, own)
  return own
}

/** The extent and the zooms of layers together. */
export async function reachOf({ app: { store }, branch }: Pick<Call, 'app' | 'branch'>, layers: readonly Layer[]): Promise<Reach> {
  const own = summariesOf(store)
  return together(layers, await Promise.all(layers.map((layer) => own.of(layer, branch))))
}

/** The same of the present of main, where it is known at once. */
export function reachNow(store: Store, layers: readonly Layer[]): Reach | undefined {
  const own = summariesOf(store)
  const known = layers.flatMap((layer) => own.now(layer) ?? [])
  return known.length === layers.length ? together(layers, known) : undefined
}

function together(layers: readonly Layer[], each: readonly Summary[]): Reach {
  return {
    bbox: each.reduce<BBox | null>((all, { bbox }) => union(all, bbox), null),
    zoom: { min: Math.min(DEEPEST_ZOOM, ...layers.map(({ zoom }) => zoom.min)), max: Math.max(0, ...layers.map(({ zoom }) => zoom.max)) },
  }
}
