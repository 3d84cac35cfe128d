/** 3D tiles on demand: trees and encoded tiles, each made once and kept while memory lasts. */
import { sql, type RawBuilder } from 'kysely'
import type { Tile } from '../../core/tile-matrix.js'
import { notFound } from '../errors.js'
import { noteTileRead } from '../store/access-log.js'
import type { Store } from '../store/store.js'
import { schemaVersion } from '../ogc/features/validator.js'
import { SingleFlightCache } from './cache.js'
import { EncodePool, type EncodedTile } from './encode-pool.js'
import { GENERATOR } from './encode.js'
import { buildLayerTree, tileName, tilesRevision, type LayerTree, type TilesOf } from './layer-tiles.js'
import { readTile } from './read-tile.js'
import { tilesetJson } from './tileset.js'

const TILES_BYTES = 192 * 2 ** 20
const TREES_BYTES = 256 * 2 ** 20
/** Measured: an entry of a tree with its box and its share of the node. */
const BYTES_A_FEATURE = 320

/** One snapshot of a layer: everything of it belongs to this revision. */
export interface Snapshot extends TilesOf {
  readonly revision: number
  /** What was asked for, where it was pinned to an older revision than the present. */
  readonly present?: TilesOf
}

/** Which rows a tile shows. */
export interface RowsOfTile {
  readonly of: Snapshot
  /** A condition on the rows `v` of the layer. */
  readonly which: RawBuilder<unknown>
  /** The revision since which they are what they are, and what tells them from others. */
  readonly since: number
  readonly version: string
}

/** A tree, and since which revision each of its tiles is what it is. */
interface DatedTree extends LayerTree { readonly since: ReadonlyMap<string, number> }
/** The tiles of the newest tree so far. */
interface Dates { readonly revision: number; readonly tiles: ReadonlyMap<string, { readonly hash: string; readonly since: number }> }
/** Layers, branches and clearances of which tiles keep their dates, the last that were looked at. */
const DATED_FAMILIES = 500

export class Tiles3d {
  readonly #store: Store
  readonly #trees = new SingleFlightCache<DatedTree>(TREES_BYTES, tree => 1000 + tree.count * BYTES_A_FEATURE)
  readonly #tiles = new SingleFlightCache<EncodedTile>(TILES_BYTES, tile => tile.gzip.length + 200)
  readonly #pool = new EncodePool()
  readonly #dates = new Map<string, Dates>()

  constructor(store: Store) { this.#store = store }

  /**
   * The rows that a request means, pinned to their revision. `rev` (in the addresses of a tileset's tiles) asks for the state
   * of that revision, so that a viewer with an older tileset keeps getting tiles that fit it.
   */
  async snapshot(of: TilesOf, rev?: number): Promise<Snapshot> {
    const revision = await tilesRevision(this.#store, of)
    if (rev === undefined || rev >= revision || of.layer.kind === 'run') return { ...of, revision }
    return { ...of, asOf: rev, revision: await tilesRevision(this.#store, { ...of, asOf: rev }), present: of }
  }

  /** Each tile's address names the first revision at which it was what it is: an edit changes only the addresses of tiles it changes. */
  async tileset(snapshot: Snapshot, query: Readonly<Record<string, string>>): Promise<object> {
    await noteTileRead(this.#store.db, snapshot)
    const tree = await this.#tree(snapshot)
    const queryOf = (tile: Tile) => `?${new URLSearchParams({ ...query, rev: String(tree.since.get(tileName(tile)) ?? snapshot.revision) })}`
    return tilesetJson(tree.root, { query: queryOf, generator: GENERATOR, title: snapshot.layer.title.en })
  }

  /** Throws a 404 Problem for a tile that the tileset does not name, a 503 when too many wait. */
  async tile(snapshot: Snapshot, tile: Tile): Promise<EncodedTile> {
    if (snapshot.present) {
      // The tile may have stayed what it was; then the old tree need not be built.
      const present = await this.snapshot(snapshot.present)
      const since = (await this.#tree(present)).since.get(tileName(tile))
      if (since !== undefined && since <= snapshot.revision) return this.tile(present, tile)
    }
    const tree = await this.#tree(snapshot)
    const node = tree.tiles.get(tileName(tile))
    if (!node) throw notFound(`The tileset of “${snapshot.layer.id}” has no tile ${tileName(tile)}. Its tileset.json names those it has.`)
    await noteTileRead(this.#store.db, snapshot)
    return this.#tiles.get(`${await this.#family(snapshot)} ${tileName(tile)} ${tree.hashes.get(tileName(tile))}`, async () => this.#pool.encode(await readTile(this.#store, snapshot, node)))
  }

  /** The rows that `tile` shows, for tables beside it: feature n of the glb is the nth of them by id. Throws a 404 Problem as `tile` does. */
  async rowsOf(snapshot: Snapshot, tile: Tile): Promise<RowsOfTile> {
    const name = tileName(tile)
    if (snapshot.present) {
      const present = await this.snapshot(snapshot.present)
      const since = (await this.#tree(present)).since.get(name)
      if (since !== undefined && since <= snapshot.revision) return this.rowsOf(present, tile)
    }
    const { tiles, since, hashes } = await this.#tree(snapshot)
    const node = tiles.get(name)
    if (!node) throw notFound(`The tileset of “${snapshot.layer.id}” has no tile ${name}. Its tileset.json names those it has.`)
    return { of: snapshot, which: sql`v.id = any(${node.features.map(feature => feature.id)}::int8[])`, since: since.get(name)!, version: hashes.get(name)! }
  }

  async #tree(snapshot: Snapshot): Promise<DatedTree> {
    const family = await this.#family(snapshot)
    return this.#trees.get(`${family} ${snapshot.revision}`, async () => {
      const tree = await buildLayerTree(this.#store, snapshot)
      return { ...tree, since: this.#dated(family, snapshot, tree) }
    })
  }

  /** Since which revision each tile is what it is, as far as this process has seen: a tile keeps its date while its hash stays. */
  #dated(family: string, { asOf, layer, revision }: Snapshot, { hashes }: LayerTree): ReadonlyMap<string, number> {
    const seen = this.#dates.get(family)
    const since = new Map([...hashes].map(([name, hash]) => {
      const before = seen?.tiles.get(name)
      return [name, before && before.hash === hash && before.since <= revision ? before.since : revision]
    }))
    if (asOf !== 'now' || layer.kind === 'run' || (seen && seen.revision >= revision)) return since
    this.#dates.delete(family)
    this.#dates.set(family, { revision, tiles: new Map([...hashes].map(([name, hash]) => [name, { hash, since: since.get(name)! }])) })
    if (this.#dates.size > DATED_FAMILIES) this.#dates.delete(this.#dates.keys().next().value!)
    return since
  }

  /** What the answers to one kind of request have in common, whatever the revision. */
  async #family({ layer, branch, reader, run }: TilesOf): Promise<string> {
    const { geoidOffset } = await this.#store.city()
    return [layer.id, schemaVersion(layer), branch, reader.clearance, run ?? '', geoidOffset].join(' ')
  }
}

const services = new WeakMap<Store, Tiles3d>()

export function tiles3dOf(store: Store): Tiles3d {
  let service = services.get(store)
  if (!service) services.set(store, service = new Tiles3d(store))
  return service
}
