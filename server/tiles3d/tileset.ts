import { keyOf } from '../store/tile-keys.js'
import type { Stats, TreeTile } from './tree.js'

const RADIANS = Math.PI / 180

/** What follows the address of a tile's content. */
export type QueryOf = (tile: TreeTile) => string

export interface TilesetOptions {
  readonly query: QueryOf
  readonly geoidOffset: number
  readonly generator: string
  readonly title: string
  /** What the tileset stands on: what a client that has it asks for news since. */
  readonly revision: number
}

/**
 * The tree as an explicit 3D Tiles 1.1 tileset. Content addresses are relative and end in `.glb` before the query,
 * because clients tell the kind of content by that.
 */
export function tilesetJson(root: TreeTile | null, options: TilesetOptions): object {
  return {
    ...headOf(root, options, {}),
    root: root ? { refine: 'ADD', ...tileJson(root, options) } : { refine: 'ADD', boundingVolume: { region: [0, 0, 0, 0, 0, 0] }, geometricError: 0 },
  }
}

/** A tileset as it was. */
export interface Before { readonly root: TreeTile | null; readonly query: QueryOf; readonly revision: number }

/**
 * The tileset with only those tiles that are new or not as they were, below those that lead to them; `asset.extras.since` says so.
 * Null where a tile has gone or there is another root, which only the whole tileset can tell.
 */
export function tilesetNews(root: TreeTile | null, before: Before, options: TilesetOptions): object | null {
  if (!root || !before.root || keyOf(root) !== keyOf(before.root) || hasLost(before.root, root)) return null
  return { ...headOf(root, options, { since: before.revision }), root: { refine: 'ADD', ...(newsJson(before.root, root, before.query, options) ?? aloneJson(root, options)) } }
}

const headOf = (root: TreeTile | null, { generator, title, revision }: TilesetOptions, extras: object) => ({
  asset: { version: '1.1', generator, extras: { title, revision, ...extras } },
  geometricError: root ? errorOfNothing(root) : 0,
})

/** Error of showing nothing at all. */
export const errorOfNothing = (root: TreeTile): number => rounded(root.all.size * 2, 2)

function tileJson(tile: TreeTile, options: TilesetOptions): object {
  return { ...aloneJson(tile, options), ...(tile.children.length && { children: tile.children.map(child => tileJson(child, options)) }) }
}

function aloneJson(tile: TreeTile, { query, geoidOffset }: Pick<TilesetOptions, 'query' | 'geoidOffset'>) {
  const { z, x, y, content, all, geometricError, children } = tile
  return {
    boundingVolume: { region: regionOf(all, geoidOffset) },
    geometricError: rounded(geometricError, 2),
    ...(content
      ? { content: { uri: `${z}/${x}/${y}.glb${query(tile)}`, ...(children.length && { boundingVolume: { region: regionOf(content, geoidOffset) } }) } }
      : { extras: { tile: `${z}/${x}/${y}` } }),
  }
}

const isSame = (a: TreeTile, b: TreeTile, was: QueryOf, is: QueryOf) => a.all === b.all && a.part === b.part && was(a) === is(b)

function hasLost(before: TreeTile, now: TreeTile): boolean {
  return before.all !== now.all && before.children.some(child => {
    const still = now.children.find(each => keyOf(each) === keyOf(child))
    return !still || hasLost(child, still)
  })
}

/** What is not as it was of a tile and below it; undefined where all is. */
function newsJson(before: TreeTile, tile: TreeTile, was: QueryOf, options: TilesetOptions): object | undefined {
  const children = tile.children.flatMap(child => {
    const old = before.children.find(each => keyOf(each) === keyOf(child))
    return (old ? newsJson(old, child, was, options) : tileJson(child, options)) ?? []
  })
  if (children.length === 0 && isSame(before, tile, was, options.query)) return undefined
  return { ...aloneJson(tile, options), ...(children.length && { children }) }
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
