/** Ready-compressed tiles in memory, the least recently used leave first; and one query for all who ask for the same tile at once. */
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Store } from '../../store/store.js'
import { makeTile, type TileRequest } from './mvt.js'

export interface CachedTile { readonly gzipped: Buffer; readonly truncated: readonly string[] }

const compress = promisify(gzip)
const CACHE_BYTES = 96 << 20

interface Flight { readonly tile: Promise<CachedTile>; readonly abandon: AbortController; waiting: number }

/** Keys hold the revision that a tile stands on, so that what is in here is never stale. */
export class TileCache {
  readonly #tiles = new Map<string, CachedTile>()
  readonly #flights = new Map<string, Flight>()
  #bytes = 0

  constructor(private readonly store: Store) {}

  /** The tile, from memory, from a query under way, or from a new one. Rejects with the signal's reason once the client has left. */
  async get(key: string, request: TileRequest, signal: AbortSignal): Promise<CachedTile> {
    const cached = this.#tiles.get(key)
    if (cached) {
      this.#tiles.delete(key)
      this.#tiles.set(key, cached)
      return cached
    }
    return this.#board(this.#flights.get(key) ?? this.#launch(key, request), signal)
  }

  #launch(key: string, request: TileRequest): Flight {
    const abandon = new AbortController()
    const flight: Flight = { abandon, waiting: 0, tile: this.#make(request, abandon.signal) }
    this.#flights.set(key, flight)
    flight.tile.then((tile) => this.#keep(key, tile), () => {}).finally(() => { if (this.#flights.get(key) === flight) this.#flights.delete(key) })
    return flight
  }

  async #make(request: TileRequest, signal: AbortSignal): Promise<CachedTile> {
    const { mvt, truncated } = await makeTile(this.store, request, signal)
    return { gzipped: mvt.length > 0 ? await compress(mvt, { level: 5 }) : Buffer.alloc(0), truncated }
  }

  /** The last to leave cancels the query. */
  async #board(flight: Flight, signal: AbortSignal): Promise<CachedTile> {
    flight.waiting++
    const leave = () => {
      if (--flight.waiting > 0) return
      flight.abandon.abort(new Error('Nobody waits for this tile any more'))
      for (const [key, other] of this.#flights) if (other === flight) this.#flights.delete(key)
    }
    signal.addEventListener('abort', leave, { once: true })
    try {
      return await flight.tile
    } finally {
      signal.removeEventListener('abort', leave)
    }
  }

  #keep(key: string, tile: CachedTile): void {
    const size = (held: CachedTile) => held.gzipped.length + 400
    this.#tiles.set(key, tile)
    this.#bytes += size(tile)
    for (const [oldest, held] of this.#tiles) {
      if (this.#bytes <= CACHE_BYTES) break
      this.#tiles.delete(oldest)
      this.#bytes -= size(held)
    }
  }
}

const caches = new WeakMap<Store, TileCache>()

/** The one cache of a store. */
export function tileCacheOf(store: Store): TileCache {
  const cache = caches.get(store) ?? new TileCache(store)
  caches.set(store, cache)
  return cache
}
