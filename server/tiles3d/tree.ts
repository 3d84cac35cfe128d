/**
 * The tree of an explicit 3D Tiles tileset: a quadtree over WebMercatorQuad cells with ADD refinement.
 * Each feature is in exactly one tile. From the root down a tile takes the largest features of its cell and leaves the rest
 * to its quarters, so that from afar the skyline is there first and nothing is simplified, counted or picked twice.
 */
import type { BBox } from '../../core/bbox.js'
import { union } from '../../core/bbox.js'
import { tileFraction, type Tile } from '../../core/tile-matrix.js'

/** What the tree needs to know of a feature. */
export interface Placed {
  readonly id: number
  /** CRS84 degrees. */
  readonly box: BBox
  /** Ellipsoidal metres. */
  readonly minHeight: number
  readonly maxHeight: number
  /** Diagonal of its box, metres: rank, and the error of leaving it out. */
  readonly size: number
}

/** A box in degrees with ellipsoidal heights. */
export interface Region { readonly box: BBox; readonly minHeight: number; readonly maxHeight: number }

export interface TileNode<F extends Placed = Placed> extends Tile {
  readonly features: readonly F[]
  /** Of its own features; `null` where it has none. */
  readonly content: Region | null
  /** Of its own features and all below. */
  readonly bounds: Region
  /** Size of the largest feature below, metres; 0 for a leaf. */
  readonly geometricError: number
  readonly children: readonly TileNode<F>[]
}

/**
 * Features that a tile takes before it is split, and that a leaf holds at most. Tiles above `minZoom` (z9: 75 km at Đà Nẵng)
 * hold none: over more ground a float has no millimetres left.
 */
export interface TreeLimits { readonly inner: number; readonly leaf: number; readonly minZoom: number; readonly maxZoom: number }
const LIMITS: TreeLimits = { inner: 400, leaf: 1000, minZoom: 9, maxZoom: 20 }

/** Builds the tree; `null` without features. */
export function buildTree<F extends Placed>(features: readonly F[], limits: TreeLimits = LIMITS): TileNode<F> | null {
  if (features.length === 0) return null
  const located = features.map(feature => {
    const [west, south, east, north] = feature.box
    const [x, y] = tileFraction((west + east) / 2, (south + north) / 2, limits.maxZoom)
    return { feature, x: Math.floor(x), y: Math.floor(y) }
  })
  located.sort((a, b) => b.feature.size - a.feature.size || a.feature.id - b.feature.id)
  return buildNode(rootTile(located, limits.maxZoom), located, limits)
}

interface Located<F> { readonly feature: F; readonly x: number; readonly y: number }

/** The deepest tile that holds every centroid. */
function rootTile(located: readonly Located<unknown>[], maxZoom: number): Tile {
  let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity]
  for (const { x, y } of located) {
    x0 = Math.min(x0, x); x1 = Math.max(x1, x)
    y0 = Math.min(y0, y); y1 = Math.max(y1, y)
  }
  let up = 0
  while (x0 >> up !== x1 >> up || y0 >> up !== y1 >> up) up++
  return { z: maxZoom - up, x: x0 >> up, y: y0 >> up }
}

/** `located` is sorted by size and lies in `tile`. */
function buildNode<F extends Placed>(tile: Tile, located: readonly Located<F>[], limits: TreeLimits): TileNode<F> {
  const isLeaf = tile.z >= limits.minZoom && (located.length <= limits.leaf || tile.z === limits.maxZoom)
  const taken = isLeaf ? located.length : tile.z >= limits.minZoom ? limits.inner : 0
  const features = located.slice(0, taken).map(({ feature }) => feature)
  const rest = located.slice(taken)
  const children = quarters(tile, rest, limits.maxZoom).map(({ tile, located }) => buildNode(tile, located, limits))
  const content = features.length ? features.map(regionOf).reduce(joined) : null
  const regions = [...(content ? [content] : []), ...children.map(child => child.bounds)]
  return { ...tile, features, content, bounds: regions.reduce(joined), geometricError: rest[0]?.feature.size ?? 0, children }
}

function quarters<F>({ z, x, y }: Tile, located: readonly Located<F>[], maxZoom: number): { tile: Tile; located: Located<F>[] }[] {
  const down = maxZoom - z - 1
  const found: { tile: Tile; located: Located<F>[] }[] = []
  for (const each of located) {
    const tile = { z: z + 1, x: each.x >> down, y: each.y >> down }
    const quarter = found.find(q => q.tile.x === tile.x && q.tile.y === tile.y)
    if (quarter) quarter.located.push(each)
    else found.push({ tile, located: [each] })
  }
  return found
}

const regionOf = ({ box, minHeight, maxHeight }: Placed): Region => ({ box, minHeight, maxHeight })

function joined(a: Region, b: Region): Region {
  return { box: union(a.box, b.box)!, minHeight: Math.min(a.minHeight, b.minHeight), maxHeight: Math.max(a.maxHeight, b.maxHeight) }
}

/** Every tile of the tree, parents first. */
export function* tilesOf<F extends Placed>(node: TileNode<F>): Generator<TileNode<F>> {
  yield node
  for (const child of node.children) yield* tilesOf(child)
}
