/** Which layers are on: what the layer file says, unless the reader said otherwise. */
import type { ClientLayer } from './api.js'
import type { AppState } from './state.js'

/** Layers the map can show at all: results of runs are reached through the simulation instead. */
export const mapLayers = (layers: readonly ClientLayer[]) => layers.filter((layer) => layer.kind === 'city')

export function isShown(layer: ClientLayer, { shown, underground }: Pick<AppState, 'shown' | 'underground'>): boolean {
  const chosen = shown[layer.id]
  if (chosen !== undefined) return chosen
  if (underground && isNetwork(layer)) return true
  return layer.style.visible !== false
}

/** Lies below the ground: pipes, ducts, cables. */
export const isNetwork = (layer: ClientLayer) => layer.threeD?.form === 'tube'

export const shownLayers = (layers: readonly ClientLayer[], state: Pick<AppState, 'shown' | 'underground'>) =>
  mapLayers(layers).filter((layer) => isShown(layer, state)).map((layer) => layer.id)
