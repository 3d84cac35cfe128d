/**
 * The tree of 3D tiles: a quadtree over WebMercatorQuad cells with ADD refinement, kept as sums and boxes, never as features.
 * Each feature stands at one level (store/tile-keys.ts), so from the root down a tile shows what is most prominent in its cell and leaves
 * the rest to its quarters: from afar the skyline is there first, and nothing is simplified, counted or picked twice. Where a cell
 * holds few features altogether its tile shows them all, so that a village is one tile.
 *
 * Trees are values: a change makes a new one that shares all but the changed tiles and those above them.
 */
import type { BBox } from '../../core/bbox.js'
import type { Tile } from '../../core/tile-matrix.js'
import { COARSEST_LEVEL, tileOfKey, type TilePart } from '../store/tile-keys.js'

/** What is known of some features together. */
export interface Stats {
  readonly count: number
  /** Of their boxes, CRS84 degrees, and lowest and highest level, orthometric metres; infinite where there are none. */
  readonly west: number
  readonly south: number
  readonly east: number
  readonly north: number
  readonly low: number
  readonly high: number
  /** Diagonal of the largest one's box, metres: the error of leaving them out. */
  readonly size: number
  /** The last revision at which one of them came, changed or went. */
  readonly since: number
  /** Some of them stand on the terrain instead of a level of their own. */
  readonly draped: boolean
}

export interface TreeNode extends Tile {
  /** Features of the node's own level. */
  readonly own: Stats
  /** Its own and all below. */
  readonly all: Stats
  /** Quarters that have, or once had, features: north-west, north-east, south-west, south-east, in this order. */
  readonly children: readonly TreeNode[]
}

const NONE: Stats = { count: 0, west: Infinity, south: Infinity, east: -Infinity, north: -Infinity, low: Infinity, high: -Infinity, size: 0, since: 0, draped: false }

/** A place that has nothing (any more), as of a revision. */
export const emptySince = (since: number): Stats => ({ ...NONE, since })

export function joined(a: Stats, b: Stats): Stats {
  if (a === NONE) return b
  if (b === NONE) return a
  return {
    count: a.count + b.count,
    west: Math.min(a.west, b.west), south: Math.min(a.south, b.south), east: Math.max(a.east, b.east), north: Math.max(a.north, b.north),
    low: Math.min(a.low, b.low), high: Math.max(a.high, b.high),
    size: Math.max(a.size, b.size), since: Math.max(a.since, b.since), draped: a.draped || b.draped,
  }
}

/** What stands at each key. */
export type KeyStats = ReadonlyMap<number, Stats>

const WORLD: Tile = { z: 0, x: 0, y: 0 }

/** The tree with other features at these keys. From nothing it is built the same way, so that a tree kept in step is the tree built anew. */
export function withKeys(root: TreeNode | null, changes: KeyStats): TreeNode | null {
  if (changes.size === 0) return root
  return changed(root ?? undefined, WORLD, [...changes].map(([key, stats]) => ({ tile: tileOfKey(key), stats })))
}

interface Change { readonly tile: Tile; readonly stats: Stats }

function changed(node: TreeNode | undefined, tile: Tile, changes: readonly Change[]): TreeNode {
  const own = changes.find(change => change.tile.z === tile.z)?.stats ?? node?.own ?? NONE
  const below: Change[][] = [[], [], [], []]
  for (const change of changes) if (change.tile.z > tile.z) below[quarterOf(change.tile, tile.z)]!.push(change)
  const children = below.flatMap((changes, quarter) => {
    const child = node?.children.find(child => quarterOf(child, tile.z) === quarter)
    if (changes.length > 0) return changed(child, { z: tile.z + 1, x: tile.x * 2 + quarter % 2, y: tile.y * 2 + (quarter >> 1) }, changes)
    return child ?? []
  })
  return { ...tile, own, all: children.reduce((all, child) => joined(all, child.all), own), children }
}

/** In which quarter of its ancestor at zoom `z` a tile lies. */
function quarterOf({ z: own, x, y }: Tile, z: number): number {
  const down = own - z - 1
  return ((y >> down) % 2) * 2 + (x >> down) % 2
}

/** What stands at a key. */
export function statsAt(root: TreeNode | null, key: number): Stats | undefined {
  return nodeAt(root, tileOfKey(key))?.own
}

export function nodeAt(root: TreeNode | null, tile: Tile): TreeNode | undefined {
  let node = root ?? undefined
  while (node && node.z < tile.z) {
    const quarter: number = quarterOf(tile, node.z)
    const above: TreeNode = node
    node = node.children.find(child => quarterOf(child, above.z) === quarter)
  }
  return node
}

/** A tile that is served: its content, and all below. */
export interface TreeTile extends TilePart {
  /** `null` where the cell's features all stand lower and it only holds its quarters together. */
  readonly content: Stats | null
  /** Of its content and of all below. */
  readonly all: Stats
  /** Size of the largest feature below, metres; 0 for a leaf. */
  readonly geometricError: number
  readonly children: readonly TreeTile[]
}

/** Features up to which a cell is one tile. */
export interface TreeLimits { readonly leaf: number }

/** The tiles of a tree, from the topmost on; `null` without features. */
export function tilesOf(root: TreeNode | null, limits: TreeLimits): TreeTile | null {
  if (!root || root.all.count === 0) return null
  let top = tileOf(root, limits)
  while (!top.content && top.children.length === 1) top = top.children[0]!
  return top
}

/** Whether a node is one tile with all that it holds. */
export const isLeaf = ({ z, all }: TreeNode, { leaf }: TreeLimits): boolean => z >= COARSEST_LEVEL && all.count <= leaf

function tileOf(node: TreeNode, limits: TreeLimits): TreeTile {
  const { z, x, y, own, all } = node
  if (isLeaf(node, limits)) return { z, x, y, part: 'all', content: all, all, geometricError: 0, children: [] }
  const below = node.children.filter(child => child.all.count > 0)
  return {
    z, x, y, part: 'own', content: own.count > 0 ? own : null, all,
    geometricError: below.reduce((size, child) => Math.max(size, child.all.size), 0),
    children: below.map(child => tileOf(child, limits)),
  }
}

/** Every tile, those above first. */
export function* eachTile(tile: TreeTile | null): Generator<TreeTile> {
  if (!tile) return
  yield tile
  for (const child of tile.children) yield* eachTile(child)
}

/** Nodes of a tree: what its memory is counted in. */
export function sizeOf(root: TreeNode | null): number {
  return root ? root.children.reduce((sum, child) => sum + sizeOf(child), 1) : 0
}

export const boxOf = ({ west, south, east, north }: Stats): BBox => [west, south, east, north]

