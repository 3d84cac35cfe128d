/** 3D tiles on demand: trees and encoded tiles, each made once and kept while memory lasts. */
import type { Tile } from '../../core/tile-matrix.js'
import { notFound } from '../errors.js'
import { noteTileRead } from '../store/access-log.js'
import type { Store } from '../store/store.js'
import { schemaVersion } from '../ogc/features/validator.js'
import { SingleFlightCache } from './cache.js'
import { EncodePool, type EncodedTile } from './encode-pool.js'
import { GENERATOR } from './encode.js'
import { buildLayerTree, readTile, tileName, tilesRevision, type LayerTree, type TilesOf } from './layer-tiles.js'
import { tilesetJson } from './tileset.js'

const TILES_BYTES = 192 * 2 ** 20
const TREES_BYTES = 256 * 2 ** 20
/** Measured: an entry of a tree with its box and its share of the node. */
const BYTES_A_FEATURE = 320

/** One snapshot of a layer: everything of it belongs to this revision. */
export interface Snapshot extends TilesOf { readonly revision: number }

export class Tiles3d {
  readonly #store: Store
  readonly #trees = new SingleFlightCache<LayerTree>(TREES_BYTES, tree => 1000 + tree.count * BYTES_A_FEATURE)
  readonly #tiles = new SingleFlightCache<EncodedTile>(TILES_BYTES, tile => tile.gzip.length + 200)
  readonly #pool = new EncodePool()

  constructor(store: Store) { this.#store = store }

  /**
   * The rows that a request means, pinned to their revision. `rev` (in the addresses of a tileset's tiles) asks for the state
   * of that revision, so that a viewer with an older tileset keeps getting tiles that fit it.
   */
  async snapshot(of: TilesOf, rev?: number): Promise<Snapshot> {
    const revision = await tilesRevision(this.#store, of)
    if (rev === undefined || rev >= revision || of.layer.kind === 'run') return { ...of, revision }
    return { ...of, asOf: rev, revision: await tilesRevision(this.#store, { ...of, asOf: rev }) }
  }

  async tileset(snapshot: Snapshot, query: Readonly<Record<string, string>>): Promise<object> {
    await noteTileRead(this.#store.db, snapshot)
    const { root } = await this.#tree(snapshot)
    const parameters = new URLSearchParams({ ...query, rev: String(snapshot.revision) })
    return tilesetJson(root, { query: `?${parameters}`, generator: GENERATOR, title: snapshot.layer.title.en })
  }

  /** Throws a 404 Problem for a tile that the tileset does not name, a 503 when too many wait. */
  async tile(snapshot: Snapshot, tile: Tile): Promise<EncodedTile> {
    const node = (await this.#tree(snapshot)).tiles.get(tileName(tile))
    if (!node) throw notFound(`The tileset of “${snapshot.layer.id}” has no tile ${tileName(tile)}. Its tileset.json names those it has.`)
    await noteTileRead(this.#store.db, snapshot)
    return this.#tiles.get(`${await this.#key(snapshot)} ${tileName(tile)}`, async () => this.#pool.encode(await readTile(this.#store, snapshot, node)))
  }

  async #tree(snapshot: Snapshot): Promise<LayerTree> {
    return this.#trees.get(await this.#key(snapshot), () => buildLayerTree(this.#store, snapshot))
  }

  async #key({ layer, branch, reader, revision, run }: Snapshot): Promise<string> {
    const { geoidOffset } = await this.#store.city()
    return [layer.id, schemaVersion(layer), branch, reader.clearance, revision, run ?? '', geoidOffset].join(' ')
  }
}

const services = new WeakMap<Store, Tiles3d>()

export function tiles3dOf(store: Store): Tiles3d {
  let service = services.get(store)
  if (!service) services.set(store, service = new Tiles3d(store))
  return service
}
