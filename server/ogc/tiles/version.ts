/** Which version a tile has: what its bytes follow from, without a look at them. */
import { mercatorCover } from '../../../core/tile-grid.js'
import type { Tile } from '../../../core/tile-matrix.js'
import type { Layer } from '../../../layers/layer.js'
import { generalises } from '../../store/generalised.js'
import { TILE_MARGIN } from '../../store/tile-revisions.js'
import type { Store } from '../../store/store.js'
import type { Family } from './family.js'

/** The version at this moment, where that is known without asking the database. */
export function versionNow(store: Store, { grid, layers, branch }: Family, tile: Tile): string | undefined {
  let revisions: readonly number[] | undefined
  for (const covering of mercatorCover(grid, tile, TILE_MARGIN)) {
    const own = store.tileRevisionsNow(layers, branch, covering)
    if (!own) return undefined
    revisions = latest(revisions, own)
  }
  return versionOf(revisions!, layers.map((layer) => generalises(layer, store.layerCountNow(layer) ?? 0, tile.z + grid.finer)))
}

/** The same, from the database where need be. Throws 400 for a time that is not there. */
export async function versionAt(store: Store, { grid, layers, branch, asOf }: Family, tile: Tile): Promise<string> {
  const covering = await Promise.all(mercatorCover(grid, tile, TILE_MARGIN).map((each) => store.tileRevisions(layers, branch, each, asOf)))
  return versionOf(covering.reduce(latest), await Promise.all(layers.map((layer) => isGeneralised(store, layer, tile.z + grid.finer))))
}

/** The change log tells tiles of WebMercatorQuad apart: another grid's tile is as new as the newest of those that cover it. */
const latest = (a: readonly number[] | undefined, b: readonly number[]) => (a ? b.map((revision, i) => Math.max(revision, a[i]!)) : b)

/** Whether a layer's tiles of a zoom (of WebMercatorQuad) show it merged, as from afar: because it is crowded, on all branches and at all times as it is now on main. */
export async function isGeneralised(store: Store, layer: Layer, z: number): Promise<boolean> {
  return generalises(layer, Infinity, z) && generalises(layer, await store.layerCount(layer), z)
}

/** From the revisions that the tile stands on, of each layer. A layer that becomes crowded changes all of its tiles from afar, touched or not. */
function versionOf(revisions: readonly number[], merged: readonly boolean[]): string {
  return revisions.map((revision, i) => `${revision.toString(36)}${merged[i] ? '~' : ''}`).join('.')
}
