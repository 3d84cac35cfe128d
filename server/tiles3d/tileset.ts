import type { Stats, TreeTile } from './tree.js'

const RADIANS = Math.PI / 180

export interface TilesetOptions {
  /** What follows the address of a tile's content. */
  readonly query: (tile: TreeTile) => string
  readonly geoidOffset: number
  readonly generator: string
  readonly title: string
}

/**
 * The tree as an explicit 3D Tiles 1.1 tileset. Content addresses are relative and end in `.glb` before the query,
 * because clients tell the kind of content by that.
 */
export function tilesetJson(root: TreeTile | null, { query, geoidOffset, generator, title }: TilesetOptions): object {
  return {
    asset: { version: '1.1', generator, extras: { title } },
    geometricError: root ? errorOfNothing(root) : 0,
    root: root ? { refine: 'ADD', ...tileJson(root, query, geoidOffset) } : { refine: 'ADD', boundingVolume: { region: [0, 0, 0, 0, 0, 0] }, geometricError: 0 },
  }
}

/** Error of showing nothing at all. */
export const errorOfNothing = (root: TreeTile): number => rounded(root.all.size * 2, 2)

function tileJson(tile: TreeTile, query: TilesetOptions['query'], geoidOffset: number): object {
  const { z, x, y, content, all, geometricError, children } = tile
  return {
    boundingVolume: { region: regionOf(all, geoidOffset) },
    geometricError: rounded(geometricError, 2),
    ...(content && { content: { uri: `${z}/${x}/${y}.glb${query(tile)}`, ...(children.length && { boundingVolume: { region: regionOf(content, geoidOffset) } }) } }),
    ...(children.length && { children: children.map(child => tileJson(child, query, geoidOffset)) }),
  }
}

/** West, south, east, north in radians rounded outwards (6 mm), ellipsoidal heights to the outer decimetre. */
export function regionOf({ west, south, east, north, low, high }: Stats, geoidOffset: number): number[] {
  return [
    down(west * RADIANS, 9), down(south * RADIANS, 9), up(east * RADIANS, 9), up(north * RADIANS, 9),
    down(low + geoidOffset, 1), up(high + geoidOffset, 1),
  ]
}

export const rounded = (value: number, digits: number): number => Number(value.toFixed(digits))
const down = (value: number, digits: number) => rounded(Math.floor(value * 10 ** digits) / 10 ** digits, digits)
const up = (value: number, digits: number) => rounded(Math.ceil(value * 10 ** digits) / 10 ** digits, digits)
