/** A feature of a vector tile, in tile units: what everything that makes tiles hands to the encoder. */
export interface TileFeature {
  /** Below 2^53; null for what stands for several features. */
  readonly id: number | null
  readonly kind: 'point' | 'line' | 'polygon'
  /**
   * x, y pairs in tile units (0…extent across the tile, y down; beyond it in the margin). A point is one pair a part, a line
   * one part each. Rings are closed implicitly; an outer ring stands before its holes and is told from them by its winding:
   * its area is positive by the surveyor's formula in tile units (clockwise on the screen), that of a hole negative.
   */
  readonly parts: readonly Int32Array[]
  readonly properties: Readonly<Record<string, TileValue>>
}

/** A null is not written. */
export type TileValue = string | number | boolean | null

/** The side of a tile in tile units. */
export const EXTENT = 4096
