/** 3D tiles on demand: which tiles there are, and each encoded once and kept while memory lasts. */
import { sql, type RawBuilder } from 'kysely'
import type { BBox } from '../../core/bbox.js'
import type { Tile } from '../../core/tile-matrix.js'
import type { Layer } from '../../layers/layer.js'
import { notFound } from '../errors.js'
import { noteTileRead } from '../store/access-log.js'
import type { Store } from '../store/store.js'
import { COARSEST_LEVEL, finestLevel, inTile, type TilePart } from '../store/tile-keys.js'
import { schemaVersion } from '../ogc/features/validator.js'
import { SingleFlightCache } from './cache.js'
import { EncodePool, type EncodedTile } from './encode-pool.js'
import { GENERATOR } from './encode.js'
import { implicitSubtree, implicitTilesetJson, type ImplicitRoot } from './implicit.js'
import { tileName, tilesRevision, type TilesOf } from './layer-tiles.js'
import { readRows } from './read-tile.js'
import { boxOf, isLeaf, nodeAt, tilesOf, type Stats, type TreeLimits, type TreeTile } from './tree.js'
import { revisionOf, Trees, type LayerTree } from './trees.js'
import { tilesetJson, tilesetNews } from './tileset.js'

const TILES_BYTES = 192 * 2 ** 20

/** Rows of a layer, pinned to a revision. */
export interface Snapshot extends TilesOf {
  readonly revision: number
}

/** A tile as it stands: the rows of `of` (pinned, for good where `asOf` is a revision) that are in `tile`, ascending by id. */
export interface PlacedTile {
  readonly of: TilesOf
  readonly tile: TilePart
  /** Since when it is what it is. */
  readonly rev: number
  /** Around its features, CRS84 degrees. */
  readonly box: BBox
}

/** Which rows a tile shows. */
export interface RowsOfTile {
  readonly of: TilesOf
  /** A condition on the rows `v` of the layer. */
  readonly which: RawBuilder<unknown>
  /** The revision since which they are what they are, and what tells them from others. */
  readonly since: number
  readonly version: string
}

/** Features up to which a cell is one tile. */
const usualLimits = ({ threeD }: Layer): TreeLimits => ({ leaf: threeD?.form === 'instance' ? 3000 : 1000 })
export class Tiles3d {
  readonly #store: Store
  readonly #trees: Trees
  readonly #limitsOf: (layer: Layer) => TreeLimits
  readonly #tiles = new SingleFlightCache<EncodedTile>(TILES_BYTES, tile => tile.gzip.length + 200)
  readonly #pool = new EncodePool()

  /** `limitsOf`: how many features a layer's tile may hold before its cell is divided. */
  constructor(store: Store, limitsOf: (layer: Layer) => TreeLimits = usualLimits) {
    this.#store = store
    this.#limitsOf = limitsOf
    this.#trees = new Trees(store)
  }

  /**
   * The rows that a request means, pinned to their revision. `rev` (in the addresses of a tileset's tiles) asks for the state
   * of that revision, so that a viewer with an older tileset keeps getting tiles that fit it.
   */
  async snapshot(of: TilesOf, rev?: number): Promise<Snapshot> {
    const pinnedTo = (revision: number) => ({ ...of, asOf: revision, revision })
    const known = this.#trees.known(of)
    // Nothing need be asked about a revision that a tree has seen.
    if (rev !== undefined && of.asOf === 'now' && known && rev <= revisionOf(known)) return pinnedTo(rev)
    const revision = await tilesRevision(this.#store, of)
    return rev === undefined || of.layer.kind !== 'city' ? { ...of, revision } : pinnedTo(Math.min(rev, revision))
  }

  /** The tiles of a layer, the topmost with those below it; null without features. */
  async tiles(snapshot: Snapshot): Promise<TreeTile | null> {
    return tilesOf((await this.#trees.get(snapshot, snapshot.revision)).root, this.#limitsOf(snapshot.layer))
  }

  /** Lowest and highest level of the present city's rows, orthometric metres, as they were last summed up; undefined where that is not known at once. */
  heightsKnown(of: TilesOf): readonly [low: number, high: number] | undefined {
    const all = this.#trees.known(of)?.root?.all
    return all && all.low <= all.high && Number.isFinite(all.low) && Number.isFinite(all.high) ? [all.low, all.high] : undefined
  }

  /**
   * The explicit tileset. Each tile's address names its part and the revision since which it is what it is: an edit changes
   * only the addresses of tiles it changes, and an address never means anything else. With `since`, only what is not as it was at that revision,
   * where that can be told.
   */
  async tileset(snapshot: Snapshot, query: Readonly<Record<string, string>>, since?: number): Promise<object> {
    await noteTileRead(this.#store.db, snapshot)
    const tree = await this.#trees.get(snapshot, snapshot.revision)
    const { geoidOffset } = await this.#store.city()
    const shown = (of: LayerTree) => ({
      root: tilesOf(of.root, this.#limitsOf(snapshot.layer)), revision: revisionOf(of),
      query: (tile: TreeTile) => `?${new URLSearchParams({ ...query, rev: String(sinceOf(snapshot, of, tile.content ?? tile.all)), part: tile.part })}`,
    })
    const now = shown(tree)
    const options = { ...now, geoidOffset, generator: GENERATOR, title: snapshot.layer.title.en }
    const before = since === undefined ? undefined : await this.#trees.before(snapshot, tree, since)
    return (before && tilesetNews(now.root, { ...shown(before), revision: since! }, options)) ?? tilesetJson(now.root, options)
  }

  /** The same tiles by implicit tiling, for clients that count tiles instead of reading them. */
  async implicitTileset(snapshot: Snapshot, query: Readonly<Record<string, string>>): Promise<object> {
    await noteTileRead(this.#store.db, snapshot)
    const { geoidOffset } = await this.#store.city()
    return implicitTilesetJson(await this.tiles(snapshot), { geoidOffset, generator: GENERATOR, title: snapshot.layer.title.en, query })
  }

  /** A subtree of an implicit root, binary. Throws a 404 Problem for one that the tileset does not lead to. */
  async subtree(snapshot: Snapshot, root: ImplicitRoot, at: Tile): Promise<Uint8Array> {
    await noteTileRead(this.#store.db, snapshot)
    const { geoidOffset } = await this.#store.city()
    const subtree = implicitSubtree(await this.tiles(snapshot), root, at, geoidOffset)
    if (!subtree) throw notFound(`The implicit tileset of “${snapshot.layer.id}” has no subtree ${tileName(at)} below ${tileName(root)}.`)
    return subtree
  }

  /**
   * Where a tile's rows are. Without `part` the tree says which of them the tile shows, and since when. With it, and a revision, the address
   * says all; then the database only confirms that there are rows, and not too many. Throws a 404 Problem where there is no such tile.
   */
  async place(snapshot: Snapshot, tile: Tile, part?: TilePart['part']): Promise<PlacedTile> {
    const { revision: rev, ...of } = snapshot
    const placed = part !== undefined && typeof of.asOf === 'number'
      ? this.#known(snapshot, { ...tile, part }) ?? await this.#counted(of, { ...tile, part }, rev)
      : this.#inTree(await this.#trees.get(snapshot, rev), snapshot, tile)
    if (!placed || (part ?? placed.tile.part) !== placed.tile.part) throw notFound(`The tileset of “${snapshot.layer.id}” has no tile ${tileName(tile)}. Its tileset.json names those it has.`)
    return placed
  }

  /** Throws a 404 Problem for a tile that the tileset does not name, a 503 when too many wait. */
  async tile(snapshot: Snapshot, tile: Tile, part?: TilePart['part']): Promise<EncodedTile> {
    return this.encoded(await this.place(snapshot, tile, part))
  }

  /** The rows that `tile` shows, for tables beside it: feature n of the glb is the nth of them by id. Throws a 404 Problem as `tile` does. */
  async rowsOf(snapshot: Snapshot, tile: Tile, part?: TilePart['part']): Promise<RowsOfTile> {
    const placed = await this.place(snapshot, tile, part)
    return { of: placed.of, which: inTile(placed.of.layer, 'v', placed.tile), since: placed.rev, version: `${placed.tile.part} ${placed.rev}` }
  }

  async encoded({ of, tile, rev, box: [west, south, east, north] }: PlacedTile): Promise<EncodedTile> {
    await noteTileRead(this.#store.db, of)
    const { geoidOffset } = await this.#store.city()
    const { layer, branch, reader, run = '' } = of
    const key = [layer.id, schemaVersion(layer), branch, reader.clearance, run, geoidOffset, tileName(tile), tile.part, rev].join(' ')
    const rows = { which: inTile(layer, 'v', tile), centre: [toCentimetre((west + east) / 2), toCentimetre((south + north) / 2)] } as const
    return this.#tiles.get(key, () => this.#pool.encode(() => readRows(this.#store, of, rows)))
  }

  /** A tile of a tree; undefined where the tree has none there. */
  #inTree(tree: LayerTree, { revision, ...of }: Snapshot, tile: Tile): PlacedTile | undefined {
    const limits = this.#limitsOf(of.layer)
    const node = nodeAt(tree.root, tile)
    if (!node || tile.z < COARSEST_LEVEL || hasLeafAbove(tree, tile, limits)) return undefined
    const part = isLeaf(node, limits) ? 'all' : 'own'
    const content = part === 'all' ? node.all : node.own
    if (content.count === 0) return undefined
    const rev = sinceOf(of, tree, content)
    // Rows as of then are the rows of now, and stay so whatever is written meanwhile.
    return { of: of.layer.kind === 'city' ? { ...of, asOf: rev } : of, tile: { ...tile, part }, rev, box: boxOf(content) }
  }

  /** A tile of the present tree, as far as that is known, where it is unchanged since the revision that is asked for. */
  #known(snapshot: Snapshot, tile: TilePart): PlacedTile | undefined {
    const tree = this.#trees.known(snapshot)
    const placed = tree && this.#inTree(tree, snapshot, tile)
    return placed && placed.tile.part === tile.part && placed.rev <= snapshot.revision ? placed : undefined
  }

  /** A tile of any time as the rows make it, no larger than a tree would have given it; undefined where they make none. */
  async #counted(of: TilesOf, tile: TilePart, rev: number): Promise<PlacedTile | undefined> {
    const { layer, reader } = of
    if (tile.z < COARSEST_LEVEL || tile.z > finestLevel(layer)) return undefined
    const { leaf } = this.#limitsOf(layer)
    const view = await this.#store.view({ ...of, columns: [] })
    const { rows: [few] } = await sql<{ n: number; west: number; south: number; east: number; north: number }>`
      select count(*)::int4 as n, min(st_xmin(geom)) as west, min(st_ymin(geom)) as south, max(st_xmax(geom)) as east, max(st_ymax(geom)) as north
      from (select v.geom from ${view.as('v')} where ${inTile(layer, 'v', tile)} ${tile.part === 'all' ? sql`limit ${leaf + 1}` : sql``}) as few`.execute(this.#store.pool(reader.clearance))
    const { n, west, south, east, north } = few!
    return n > 0 && (tile.part === 'own' || n <= leaf) ? { of, tile, rev, box: [west, south, east, north] } : undefined
  }
}

/** Degrees to a centimetre: however a box was found, its middle is the same. */
const toCentimetre = (degrees: number) => Math.round(degrees * 1e7) / 1e7

/** The first revision from which on the content is what it is. */
function sinceOf({ layer }: TilesOf, tree: LayerTree, content: Stats): number {
  return layer.kind === 'city' ? Math.max(content.since, content.draped ? tree.terrain : 0) : tree.revision
}

/** A tile that shows its whole cell has none below it. */
function hasLeafAbove(tree: LayerTree, { z, x, y }: Tile, limits: TreeLimits): boolean {
  for (let up = COARSEST_LEVEL; up < z; up++) {
    const above = nodeAt(tree.root, { z: up, x: x >> (z - up), y: y >> (z - up) })
    if (above && isLeaf(above, limits)) return true
  }
  return false
}

const services = new WeakMap<Store, Tiles3d>()

export function tiles3dOf(store: Store): Tiles3d {
  let service = services.get(store)
  if (!service) services.set(store, service = new Tiles3d(store))
  return service
}
