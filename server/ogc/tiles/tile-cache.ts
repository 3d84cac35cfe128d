/**
 * Ready-compressed tiles: in memory, the least recently used leave first; behind it on disk, where a folder is given.
 * One making for all who ask for the same tile at once, a few makings at a time, and none for whom nobody waits any more.
 */
import type { Tile } from '../../../core/tile-matrix.js'
import type { Classification } from '../../../layers/layer.js'
import { POOL_SIZES } from '../../store/rights.js'
import type { Reader, Store } from '../../store/store.js'
import { compressTile } from './compress.js'
import { isPresent, slotOf, type Family } from './family.js'
import { Gate } from './gate.js'
import { makeTile } from './mvt.js'
import { TileFiles, type TileFilesOptions } from './tile-files.js'

export interface CachedTile {
  /** Empty where the tile has no features. */
  readonly gzipped: Buffer
  readonly truncated: readonly string[]
}

/** One tile that somebody wants: of a family, in the version that it has now. */
export interface Wanted {
  readonly family: Family
  readonly tile: Tile
  /** From the revisions that the tile stands on. */
  readonly version: string
  readonly reader: Reader
}

const MEMORY_BYTES = 96 * 2 ** 20
/** What an entry takes beside its bytes. */
const ENTRY_BYTES = 500
const MOST_WAITING = 400
const LONGEST_WAIT_MS = 10_000

interface Held extends CachedTile { readonly version: string }
interface Flight { readonly tile: Promise<CachedTile>; readonly abandon: AbortController; waiting: number }

export class TileCache {
  readonly #held = new Map<string, Held>()
  readonly #flights = new Map<string, Flight>()
  readonly #gates = new Map<Classification, Gate>()
  #bytes = 0
  #files: TileFiles | undefined

  constructor(private readonly store: Store) {}

  /** From now on tiles that everybody or all staff may see are kept on disk too. */
  keepOnDisk(options: TileFilesOptions): TileFiles {
    return this.#files = new TileFiles(this.store, options)
  }

  /** How many bytes are held in memory, and how many tiles wait to be made. */
  get bytes(): number { return this.#bytes }
  get waiting(): number { return [...this.#gates.values()].reduce((sum, gate) => sum + gate.waiting, 0) }

  /** The tile, if it is in memory. */
  held(family: Family, tile: Tile, version: string): CachedTile | undefined {
    const slot = slotOf(family, tile, version)
    const held = this.#held.get(slot)
    if (held?.version !== version) return undefined
    this.#held.delete(slot)
    this.#held.set(slot, held) // youngest last
    return held
  }

  /**
   * The tile, from memory, disk, a making under way or a new one. Rejects with the signal's reason once the client has left,
   * with a 503 Problem where too many wait.
   */
  async get(wanted: Wanted, signal: AbortSignal): Promise<CachedTile> {
    const held = this.held(wanted.family, wanted.tile, wanted.version)
    if (held) return held
    const key = `${slotOf(wanted.family, wanted.tile, wanted.version)} ${wanted.version}`
    return this.#board(this.#flights.get(key) ?? this.#launch(key, wanted), signal)
  }

  #launch(key: string, wanted: Wanted): Flight {
    const abandon = new AbortController()
    const flight: Flight = { abandon, waiting: 0, tile: this.#fetch(wanted, abandon.signal) }
    this.#flights.set(key, flight)
    const landed = () => { if (this.#flights.get(key) === flight) this.#flights.delete(key) }
    abandon.signal.addEventListener('abort', landed)
    flight.tile.then(landed, landed)
    return flight
  }

  async #fetch(wanted: Wanted, signal: AbortSignal): Promise<CachedTile> {
    const { family, tile, version } = wanted
    const slot = slotOf(family, tile, version)
    const files = mayLieOnDisk(family) ? this.#files : undefined
    const kept = await files?.read(slot, version)
    if (kept) {
      this.#hold(slot, { ...kept, version })
      return kept
    }
    const made = await this.#gate(family.clearance).run(() => this.#make(wanted, signal), signal)
    this.#hold(slot, { ...made, version })
    files?.write(slot, version, made)
    return made
  }

  async #make({ family, tile, reader }: Wanted, signal: AbortSignal): Promise<CachedTile> {
    const { mvt, truncated } = await makeTile(this.store, { ...family, tile, reader }, signal)
    return { gzipped: await compressTile(mvt), truncated }
  }

  /** As many at once as there are connections, so that others who want one wait for a tile at most. */
  #gate(clearance: Classification): Gate {
    let gate = this.#gates.get(clearance)
    if (!gate) this.#gates.set(clearance, gate = new Gate({ atOnce: POOL_SIZES[clearance], mostWaiting: MOST_WAITING, longestWaitMs: LONGEST_WAIT_MS }))
    return gate
  }

  /** The last to leave stops the work, in the database too. */
  async #board(flight: Flight, signal: AbortSignal): Promise<CachedTile> {
    signal.throwIfAborted()
    flight.waiting++
    const leave = () => {
      if (--flight.waiting === 0) flight.abandon.abort(new Error('Nobody waits for this tile any more'))
    }
    signal.addEventListener('abort', leave, { once: true })
    try {
      return await flight.tile
    } finally {
      signal.removeEventListener('abort', leave)
    }
  }

  #hold(slot: string, tile: Held): void {
    const size = ({ gzipped }: CachedTile) => gzipped.length + ENTRY_BYTES
    const before = this.#held.get(slot)
    if (before) this.#bytes -= size(before)
    this.#held.delete(slot)
    this.#held.set(slot, tile)
    this.#bytes += size(tile)
    for (const [oldest, held] of this.#held) {
      if (this.#bytes <= MEMORY_BYTES) break
      this.#held.delete(oldest)
      this.#bytes -= size(held)
    }
  }
}

/** The present of the city's own layers, which the change log tells of, without what only few may see. */
function mayLieOnDisk(family: Family): boolean {
  return isPresent(family) && family.clearance !== 'restricted' && family.layers.every(({ kind }) => kind === 'city')
}

const caches = new WeakMap<Store, TileCache>()

/** The one cache of a store. */
export function tileCacheOf(store: Store): TileCache {
  const cache = caches.get(store) ?? new TileCache(store)
  caches.set(store, cache)
  return cache
}
