/**
 * What panels may know and ask. `AppState` is what the address bar holds; the rest here lives as long as the page:
 * the city's description, what lies under the cursor, a job under way. A change of either kind tells its topic's listeners.
 */
import type { ImpactSummary } from '../../simulation/impact/impact.js'
import type { RunManifest } from '../../simulation/manifest.js'
import type { Localized } from '../../layers/layer.js'
import type { CityScene, CursorPosition } from '../scene/scene.js'
import type { PickedFeature } from '../tiles/protocol.js'
import { localized, number, text, type MessageKey } from '../i18n/text.js'
import type { CityInfo, ClientLayer } from './api.js'
import type { FilterController } from './filter.js'
import type { ImportController } from './imports.js'
import type { Live } from './live.js'
import type { Projection } from './projection.js'
import type { RunController } from './runs.js'
import type { StateStore } from './state.js'

export type Topic = 'city' | 'scene' | 'pick' | 'cursor' | 'run' | 'filter' | 'import' | 'busy' | 'notice'

export interface App {
  readonly store: StateStore
  city: CityInfo | null
  /** Why there is no city: the server's sentence, or '' where it did not answer. */
  failure: { readonly kind: 'server' | 'webgl'; readonly why: string } | null
  /** The server's own words while it prepares its first data, with the share done. */
  preparing: { readonly progress: number; readonly message: string } | null
  scene: CityScene | null
  projection: Projection | null
  cursor: CursorPosition | null
  /** What the last click met, nearest first. */
  picked: readonly PickedFeature[]
  /** A sentence for a few seconds. */
  notice: string
  busy: number
  readonly runs: RunController
  readonly filters: FilterController
  readonly imports: ImportController
  /** Null until the city is open, and where the page's data do not change. */
  live: Live | null
  on(topic: Topic, listener: () => void): () => void
  emit(topic: Topic): void
  /** Shows a sentence for a few seconds. */
  say(sentence: string): void
  /** Reads the city's description anew: after an import, a run. */
  reload(): Promise<void>
  layer(id: string): ClientLayer | undefined
  t(key: MessageKey, values?: Readonly<Record<string, string | number>>): string
  l(value: Localized | string | null | undefined): string
  n(value: number, digits?: number, exact?: boolean): string
}

/** What `/runs/{id}/impacts` answers: sums by depth class and use, and the facilities hit. */
export interface RunImpacts extends ImpactSummary {
  readonly facilitiesHit: number
  readonly facilities: readonly { readonly id: number; readonly layer: string; readonly name: string | null; readonly kind: string | null; readonly depth: number; readonly working: boolean; readonly arrival: number | null }[]
}
export type { RunManifest }

/** Everything of an App that does not depend on the page. */
export function createTopics(): Pick<App, 'on' | 'emit'> {
  const listeners = new Map<Topic, Set<() => void>>()
  return {
    on(topic, listener) {
      const set = listeners.get(topic) ?? new Set()
      listeners.set(topic, set.add(listener))
      return () => set.delete(listener)
    },
    emit(topic) { for (const listener of [...(listeners.get(topic) ?? [])]) listener() },
  }
}

export function createWords(store: StateStore): Pick<App, 't' | 'l' | 'n'> {
  return {
    t: (key, values) => text(store.state.language, key, values),
    l: (value) => localized(store.state.language, value),
    n: (value, digits, exact) => number(store.state.language, value, digits, exact),
  }
}
