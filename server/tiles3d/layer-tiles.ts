/** A layer as 3D tiles: which rows are meant, and the columns that say how high they lie. */
import type { Tile } from '../../core/tile-matrix.js'
import type { Column, Layer } from '../../layers/layer.js'
import { visibleColumns } from '../store/rights.js'
import type { AsOf, Branch, Reader, Store } from '../store/store.js'
import { terrainRevision } from '../terrain/terrain-store.js'

/** Which rows of which layer, for whom. */
export interface TilesOf {
  readonly layer: Layer
  readonly branch: Branch
  readonly asOf: AsOf
  readonly reader: Reader
  readonly run?: string
}

export const tileName = ({ z, x, y }: Tile) => `${z}/${x}/${y}`

/** The last revision that changed what tiles show: of the rows, or of the ground they stand on. */
export async function tilesRevision(store: Store, { layer, branch, asOf }: TilesOf): Promise<number> {
  return Math.max(await store.layerRevision(layer, branch, asOf), await terrainRevision(store, { branch, asOf }))
}

/** Columns that say how high a feature lies, as far as the reader may see them. */
export function levelColumns({ threeD, ...layer }: Layer, reader: Reader): readonly Column[] {
  const names = new Set([threeD?.diameter, threeD?.level, threeD?.levelTo, threeD?.cover, threeD?.base, threeD?.top, threeD?.storeys, threeD?.tall])
  return visibleColumns({ threeD, ...layer }, reader.clearance).filter(column => names.has(column.name))
}
