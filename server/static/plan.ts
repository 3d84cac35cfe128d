/** What an export is made of: which city, seen by whom, and which of its layers. */
import { createHash } from 'node:crypto'
import type { BBox } from '../../core/bbox.js'
import { union } from '../../core/bbox.js'
import type { Layer } from '../../layers/layer.js'
import { describeCity } from '../city.js'
import { badParameter } from '../errors.js'
import { PUBLIC, type Branch, type Store } from '../store/store.js'
import { momentOf, type Moment } from './moment.js'

export interface StaticInputs {
  /** Absolute path of the folder to make. */
  readonly folder: string
  /** The built viewer, to be copied; left out where only data are wanted. */
  readonly viewerDir?: string
  /** Collections to export; default all that an open reader may see. */
  readonly layers?: readonly string[]
  /** Deepest zoom of the vector tiles. */
  readonly maxzoom?: number
}

/** A layer with its rows counted, and the zooms that are exported. */
export interface PlannedLayer { readonly layer: Layer; readonly count: number; readonly bbox: BBox; readonly minzoom: number; readonly maxzoom: number }

export interface Plan {
  readonly store: Store
  readonly branch: Branch
  readonly moment: Moment
  readonly signal: AbortSignal
  readonly folder: string
  /** What the next export wants to know of this one; not to be published. */
  readonly work: string
  readonly layers: readonly PlannedLayer[]
  readonly bounds: BBox
  readonly city: Awaited<ReturnType<typeof describeCity>>
}

/** At zoom 16 a unit of a tile is 15 cm; the viewer asks for no deeper ones. */
export const DEEPEST = 16
export const WORK = '.dothi-export'

/** Everything is read as who comes without a token: a file on a web server is for everybody. */
export const READER = PUBLIC

export async function planStatic(store: Store, branch: Branch, { folder, layers: wanted, maxzoom = DEEPEST }: StaticInputs, signal: AbortSignal): Promise<Plan> {
  if (!Number.isInteger(maxzoom) || maxzoom < 0 || maxzoom > 20) throw badParameter('maxzoom', `The deepest zoom is a whole number from 0 to 20, not ${maxzoom}.`)
  const moment = await momentOf(store)
  const city = await describeCity(store, READER, branch)
  const open = store.catalogue.for(READER).filter(({ kind }) => kind === 'city')
  const missing = wanted?.find(id => !open.some(layer => layer.id === id))
  if (missing !== undefined) throw badParameter('layers', `“${missing.slice(0, 60)}” is not a layer of the city that everybody may see. There are: ${open.map(({ id }) => id).join(', ')}.`)
  const layers: PlannedLayer[] = []
  for (const layer of open) {
    if (wanted && !wanted.includes(layer.id)) continue
    const { count, bbox } = await store.layerSummary(layer, branch)
    const deepest = Math.min(layer.zoom.max, maxzoom)
    if (count > 0 && bbox && layer.zoom.min <= deepest) layers.push({ layer, count, bbox, minzoom: layer.zoom.min, maxzoom: deepest })
  }
  if (layers.length === 0 && !city.terrain) throw badParameter('layers', 'There is nothing to export yet: no layer that everybody may see has features, and no terrain is stored.')
  const bounds = layers.reduce<BBox | null>((all, { bbox }) => union(all, bbox), null) ?? city.terrain!.bounds
  return { store, branch, moment, signal, folder, work: `${folder}/${WORK}`, layers, bounds, city }
}

/** A short name for what a file follows from. */
export const keyOf = (...parts: readonly unknown[]): string => createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 16)
