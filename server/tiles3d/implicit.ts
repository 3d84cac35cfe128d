/**
 * The same tiles by implicit tiling (3D Tiles 1.1 §7): the upper tiles are written out, and from z12 on, or from a leaf above it, each is the root
 * of an implicit quadtree whose one subtree says which tiles there are.
 *
 * Implicit cells are halves in degrees, those of WebMercatorQuad are not; below z12 they differ by less than three metres up to 60° of latitude,
 * and each subtree carries the true boxes and errors of its tiles as metadata, for those who read it. A quadtree has one subtree only,
 * because that of a deeper one would be culled by a cell's box before its metadata are known, and features stand out of their cells.
 */
import type { Tile } from '../../core/tile-matrix.js'
import { tileBounds } from '../../core/tile-matrix.js'
import { leastProminenceM } from '../store/tile-keys.js'
import { eachTile, type Stats, type TreeTile } from './tree.js'
import { errorOfNothing, regionOf, rounded } from './tileset.js'

const ROOT_ZOOM = 12
/** Down to z18, below which no feature stands (store/tile-keys.ts); the same for all, so that a subtree that is newer than its tileset can be read. */
const SUBTREE_LEVELS = 7

/** The tile of WebMercatorQuad that an implicit quadtree starts from. */
export type ImplicitRoot = Tile

/** A tile in an implicit quadtree: `level` from the root down, `x` from the west, `y` from the south. */
export interface ImplicitTile { readonly level: number; readonly x: number; readonly y: number }

/** The tile of WebMercatorQuad that an implicit one stands for; null where it lies outside its root. */
export function tileOfImplicit(root: ImplicitRoot, { level, x, y }: ImplicitTile): Tile | null {
  const n = 2 ** level
  if (x >= n || y >= n) return null
  return { z: root.z + level, x: root.x * n + x, y: (root.y + 1) * n - 1 - y }
}

/** The other way round. */
function implicitOf(root: ImplicitRoot, tile: Tile): ImplicitTile {
  const level = tile.z - root.z
  const n = 2 ** level
  return { level, x: tile.x - root.x * n, y: (root.y + 1) * n - 1 - tile.y }
}

export interface ImplicitOptions {
  readonly geoidOffset: number
  readonly generator: string
  readonly title: string
  readonly query: Readonly<Record<string, string>>
}

const isRoot = (tile: TreeTile) => tile.z >= ROOT_ZOOM || tile.children.length === 0

/** Where a tree's implicit quadtrees start. */
export function implicitRoots(tree: TreeTile | null): readonly TreeTile[] {
  if (!tree) return []
  return isRoot(tree) ? [tree] : tree.children.flatMap(implicitRoots)
}

export function implicitTilesetJson(tree: TreeTile | null, { geoidOffset, generator, title, query }: ImplicitOptions): object {
  const suffix = Object.keys(query).length ? `?${new URLSearchParams(query)}` : ''
  const json = (tile: TreeTile): object => isRoot(tile) ? rootJson(tile, geoidOffset, suffix) : {
    boundingVolume: { region: regionOf(tile.all, geoidOffset) },
    geometricError: rounded(tile.geometricError, 2),
    ...(tile.content && { content: { uri: `../${tile.z}/${tile.x}/${tile.y}.glb${suffix}` } }),
    children: tile.children.map(json),
  }
  return {
    asset: { version: '1.1', generator, extras: { title } },
    schema: SCHEMA,
    geometricError: tree ? Math.max(errorOfNothing(tree), ...implicitRoots(tree).map(({ z }) => leastProminenceM(z))) : 0,
    root: tree ? { refine: 'ADD', ...json(tree) } : { refine: 'ADD', boundingVolume: { region: [0, 0, 0, 0, 0, 0] }, geometricError: 0 },
  }
}

function rootJson(tile: TreeTile, geoidOffset: number, suffix: string): object {
  const own = `${tile.z}/${tile.x}/${tile.y}`
  const [west, south, east, north] = tileBounds(tile)
  const region = regionOf(tile.all, geoidOffset)
  return {
    refine: 'ADD',
    // The whole cell where it gets halved.
    boundingVolume: { region: tile.children.length ? regionOf({ ...tile.all, west, south, east, north }, geoidOffset) : region },
    // The true box, by which the root is culled before its subtree is there.
    metadata: { class: 'tile', properties: { region, error: tile.geometricError } },
    // What a tile leaves out is less than this, and halves from level to level.
    geometricError: rounded(leastProminenceM(tile.z), 2),
    content: { uri: `${own}/{level}/{x}/{y}.glb${suffix}` },
    implicitTiling: {
      subdivisionScheme: 'QUADTREE', subtreeLevels: SUBTREE_LEVELS,
      availableLevels: [...eachTile(tile)].reduce((deepest, { z }) => Math.max(deepest, z), 0) - tile.z + 1,
      subtrees: { uri: `${own}/{level}/{x}/{y}.subtree${suffix}` },
    },
  }
}

const REGION = { type: 'SCALAR', componentType: 'FLOAT64', array: true, count: 6 } as const
const SCHEMA = {
  id: 'dothi_tiles',
  classes: {
    tile: {
      properties: {
        region: { ...REGION, semantic: 'TILE_BOUNDING_REGION', description: 'The true box of the tile: west, south, east, north (radians), lowest, highest (metres)' },
        error: { type: 'SCALAR', componentType: 'FLOAT64', semantic: 'TILE_GEOMETRIC_ERROR', description: 'Size of the largest feature below, metres' },
      },
    },
    content: { properties: { region: { ...REGION, semantic: 'CONTENT_BOUNDING_REGION', description: 'The box of the tile\'s own features' } } },
  },
}

/** The subtree at `at` of the quadtree of `root`, binary; null where there is none, which is anywhere but at the root itself. */
export function implicitSubtree(tree: TreeTile | null, root: ImplicitRoot, at: Tile, geoidOffset: number): Uint8Array | null {
  const top = implicitRoots(tree).find(({ z, x, y }) => z === root.z && x === root.x && y === root.y)
  return top && at.z === root.z ? writeSubtree(tilesBelow(top), geoidOffset) : null
}

const nameOf = ({ level, x, y }: ImplicitTile) => `${level} ${x} ${y}`

/** All tiles of a quadtree by name. */
function tilesBelow(root: TreeTile): ReadonlyMap<string, TreeTile> {
  const available = new Map<string, TreeTile>()
  for (const tile of eachTile(root)) available.set(nameOf(implicitOf(root, tile)), tile)
  return available
}

function writeSubtree(available: ReadonlyMap<string, TreeTile>, geoidOffset: number): Uint8Array {
  const tiles = Array.from({ length: SUBTREE_LEVELS }, (_, level) => level).flatMap(inMortonOrder).map(tile => available.get(nameOf(tile)))
  const present = tiles.filter(tile => tile !== undefined)
  const contents = present.flatMap(({ content }) => content ?? [])
  const binary = new Chunks()
  const regions = (stats: readonly Stats[]) => binary.add(Float64Array.from(stats.flatMap(each => regionOf(each, geoidOffset))))
  const tileTable = { class: 'tile', count: present.length, properties: { region: { values: regions(present.map(({ all }) => all)) }, error: { values: binary.add(Float64Array.from(present, ({ geometricError }) => geometricError)) } } }
  const contentTable = contents.length ? [{ class: 'content', count: contents.length, properties: { region: { values: regions(contents) } } }] : []
  const json = {
    tileAvailability: binary.availability(tiles.map(tile => tile !== undefined)),
    contentAvailability: [binary.availability(tiles.map(tile => tile?.content != null))],
    childSubtreeAvailability: { constant: 0, availableCount: 0 },
    propertyTables: [tileTable, ...contentTable],
    tileMetadata: 0,
    ...(contents.length && { contentMetadata: [1] }),
    buffers: [{ byteLength: binary.length }],
    bufferViews: binary.views,
  }
  return packSubtree(json, binary.bytes())
}

/** The tiles of a level, in the order of their bits: x and y interleaved, x lowest. */
function inMortonOrder(level: number): ImplicitTile[] {
  return Array.from({ length: 4 ** level }, (_, morton) => {
    let [x, y] = [0, 0]
    for (let bit = 0; bit < level; bit++) {
      x |= ((morton >> (2 * bit)) & 1) << bit
      y |= ((morton >> (2 * bit + 1)) & 1) << bit
    }
    return { level, x, y }
  })
}

/** Byte strings one after the other, each from a multiple of eight on. */
class Chunks {
  readonly views: { buffer: 0; byteOffset: number; byteLength: number }[] = []
  readonly #parts: Uint8Array[] = []
  length = 0

  /** Returns the number of its buffer view. */
  add(data: Float64Array | Uint8Array): number {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    const padded = new Uint8Array(Math.ceil(bytes.length / 8) * 8)
    padded.set(bytes)
    this.#parts.push(padded)
    this.length += padded.length
    return this.views.push({ buffer: 0, byteOffset: this.length - padded.length, byteLength: bytes.length }) - 1
  }

  /** Bits from the lowest of the first byte on, or one constant where all are the same. */
  availability(bits: readonly boolean[]): object {
    const count = bits.filter(Boolean).length
    if (count === 0 || count === bits.length) return { constant: count === 0 ? 0 : 1, availableCount: count }
    const bytes = new Uint8Array(Math.ceil(bits.length / 8))
    bits.forEach((bit, i) => { if (bit) bytes[i >> 3]! |= 1 << (i & 7) })
    return { bitstream: this.add(bytes), availableCount: count }
  }

  bytes(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#parts))
  }
}

/** `subt`, version 1, lengths of both chunks as uint64, JSON filled up with spaces, bytes. */
function packSubtree(json: object, binary: Uint8Array): Uint8Array {
  const text = Buffer.from(JSON.stringify(json))
  const jsonLength = Math.ceil(text.length / 8) * 8
  const file = Buffer.alloc(24 + jsonLength + binary.length, 0x20)
  file.write('subt', 0, 'latin1')
  file.writeUInt32LE(1, 4)
  file.writeBigUInt64LE(BigInt(jsonLength), 8)
  file.writeBigUInt64LE(BigInt(binary.length), 16)
  text.copy(file, 24)
  file.set(binary, 24 + jsonLength)
  return file
}
