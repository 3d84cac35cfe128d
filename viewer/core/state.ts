/**
 * All that the viewer shows follows from one plain value, `AppState`; the address bar holds it (url-state.ts).
 * Panels and scene read it and ask for changes through `update`; nobody keeps a second copy.
 */
import type { Filter } from '../../core/filter/ast.js'

export type Language = 'vi' | 'en'
export type PanelId = 'layers' | 'simulate' | 'filter' | 'import' | null

/** Where the eye looks: a target on the ground, and the eye's place around it. */
export interface CameraState {
  readonly lon: number
  readonly lat: number
  /** Eye to target, metres. */
  readonly distance: number
  /** Degrees clockwise from north in which the eye looks. */
  readonly heading: number
  /** Degrees below the horizon: 90 looks straight down. */
  readonly pitch: number
}

/** A feature by layer and id; `at` is where it was clicked, for the camera and the card. */
export interface Selection { readonly layer: string; readonly id: number; readonly at?: readonly [lon: number, lat: number] }

export interface AppState {
  readonly language: Language
  readonly camera: CameraState
  /** Layers that differ from what their file says: shown or hidden by the reader. */
  readonly shown: Readonly<Record<string, boolean>>
  readonly panel: PanelId
  readonly selection: Selection | null
  readonly underground: boolean
  /** The run on screen. `null`: none. */
  readonly run: string | null
  /** Seconds since the run's start. */
  readonly time: number
  readonly playing: boolean
  /** Simulated seconds for each second on the clock. */
  readonly speed: number
  /** The scenario whose differences from the present city are shown. */
  readonly compare: string | null
  readonly filter: { readonly layer: string; readonly where: Filter } | null
}

export interface StateStore {
  readonly state: AppState
  /** Merges `change`, then tells listeners which keys differ. */
  update(change: Partial<AppState>): void
  /** Returns the way to stop. */
  subscribe(listener: (state: AppState, changed: ReadonlySet<keyof AppState>) => void): () => void
}

export function createStore(initial: AppState): StateStore {
  let state = initial
  const listeners = new Set<(state: AppState, changed: ReadonlySet<keyof AppState>) => void>()
  return {
    get state() { return state },
    update(change) {
      const changed = new Set<keyof AppState>()
      for (const key of Object.keys(change) as (keyof AppState)[]) {
        if (!Object.is(state[key], change[key])) changed.add(key)
      }
      if (!changed.size) return
      state = { ...state, ...change }
      for (const listener of [...listeners]) listener(state, changed)
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
