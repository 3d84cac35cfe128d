/** Which version a tile has: what its bytes follow from, without a look at them. */
import type { Tile } from '../../../core/tile-matrix.js'
import type { Layer } from '../../../layers/layer.js'
import { generalises } from '../../store/generalised.js'
import type { Store } from '../../store/store.js'
import type { Family } from './family.js'

/** The version at this moment, where that is known without asking the database. */
export function versionNow(store: Store, { layers, branch }: Family, tile: Tile): string | undefined {
  const revisions = store.tileRevisionsNow(layers, branch, tile)
  return revisions && versionOf(revisions, layers.map((layer) => generalises(layer, store.layerCountNow(layer) ?? 0, tile.z)))
}

/** The same, from the database where need be. Throws 400 for a time that is not there. */
export async function versionAt(store: Store, { layers, branch, asOf }: Family, tile: Tile): Promise<string> {
  const revisions = await store.tileRevisions(layers, branch, tile, asOf)
  return versionOf(revisions, await Promise.all(layers.map((layer) => isGeneralised(store, layer, tile))))
}

/** Whether a layer's tile shows it merged, as from afar: because it is crowded, on all branches and at all times as it is now on main. */
export async function isGeneralised(store: Store, layer: Layer, { z }: Tile): Promise<boolean> {
  return generalises(layer, Infinity, z) && generalises(layer, await store.layerCount(layer), z)
}

/** From the revisions that the tile stands on, of each layer. A layer that becomes crowded changes all of its tiles from afar, touched or not. */
function versionOf(revisions: readonly number[], merged: readonly boolean[]): string {
  return revisions.map((revision, i) => `${revision.toString(36)}${merged[i] ? '~' : ''}`).join('.')
}
