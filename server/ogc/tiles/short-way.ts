/**
 * Tiles before everything else: a request for a tile of a family that the long way (get-tile.ts) has answered before needs no
 * route and no parameters to read, and for what is at hand no database: 304 where the client has the tile, 200 where memory has it.
 * A tile that has to be made is waited for here too. Everything else goes the long way, errors too.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isTileOf, rangeOf, zoomsOf, type TileGrid } from '../../../core/tile-grid.js'
import type { Tile } from '../../../core/tile-matrix.js'
import type { Classification, Layer } from '../../../layers/layer.js'
import type { WaitingRoom } from '../../http/limits.js'
import { requestId } from '../../http/request-id.js'
import { EXPOSED } from '../../http/security.js'
import { PUBLIC, type Store } from '../../store/store.js'
import { cacheControl } from '../common/respond.js'
import { matches } from '../features/validator.js'
import { etagOf, type Family } from './family.js'
import { reachNow } from './reach.js'
import { tileCacheOf, type CachedTile, type Wanted } from './tile-cache.js'
import { versionNow } from './version.js'

export const MVT_TYPE = 'application/vnd.mapbox-vector-tile'
export const VARY = 'Accept-Encoding, Authorization, Cookie'

/** What an address means at one zoom, but for column and row. */
interface Meaning {
  readonly family: Family
  /** The layers whose limits decide whether a tile may be sent; undefined: any may. Who has the tile already is told so beyond them too. */
  readonly limited: readonly Layer[] | undefined
  /** Of the catalogue at that time: a layer may have come, changed or gone since. */
  readonly catalogue: number
}

const MOST_MEANINGS = 5_000

/** One a store: what the long way has found addresses to mean. */
export class ShortWay {
  readonly #meanings = new Map<string, Meaning>()

  constructor(private readonly store: Store) {}

  /**
   * Remembers what the address of an answered request means; `catalogue` is the version of the catalogue that its layers are from.
   * Only the present of main: a scenario may be gone by the next request.
   */
  learn(url: string, { family, limited, catalogue }: Meaning): void {
    const address = addressOf(url)
    if (!address || family.branch !== 'main' || family.asOf !== 'now' || family.run !== undefined || family.layers.length === 0) return
    if (this.#meanings.size >= MOST_MEANINGS) this.#meanings.delete(this.#meanings.keys().next().value!)
    this.#meanings.set(keyOf(address, family.clearance), { family, limited, catalogue })
  }

  /**
   * Answers, if it can: at once, or, where the tile has to be fetched or made, some time later and with a place in the room until then.
   * False leaves the request untouched.
   */
  answer(request: IncomingMessage, response: ServerResponse, clearance: Classification, room: WaitingRoom): boolean | Promise<boolean> {
    const address = request.method === 'GET' ? addressOf(request.url!) : undefined
    const meaning = address && this.#meanings.get(keyOf(address, clearance))
    if (!meaning || meaning.catalogue !== this.store.catalogue.version) return false
    const { tile } = address
    const { family, limited } = meaning
    if (!isTileOf(family.grid, tile)) return false
    const version = versionNow(this.store, family, tile)
    if (version === undefined) return false
    const etag = etagOf(family, version)
    const headers = ['ETag', etag, 'Cache-Control', cacheControl({ reader: { clearance } }, 'live'), 'Vary', VARY, 'Access-Control-Allow-Origin', '*',
      'Cross-Origin-Resource-Policy', 'cross-origin', 'X-Request-Id', requestId(request)]
    if (matches(request.headers['if-none-match'], etag)) {
      response.writeHead(304, headers).end()
      return true
    }
    // Who reads restricted rows is entered in a log first.
    if (clearance === 'restricted' || !takesGzip(request) || (limited && !isWithinNow(this.store, limited, family.grid, tile))) return false
    const held = tileCacheOf(this.store).held(family, tile, version)
    if (!held) return this.#fetch({ family, tile, version, reader: { ...PUBLIC, clearance } }, request, response, headers, room)
    sendTile(response, headers, held)
    return true
  }

  /** False where it fails: the long way tries again, and has the words for it. */
  async #fetch(wanted: Wanted, request: IncomingMessage, response: ServerResponse, headers: string[], room: WaitingRoom): Promise<boolean> {
    const leaving = new AbortController()
    const left = () => leaving.abort(new Error('The client has left'))
    let leave: (() => void) | undefined
    try {
      leave = room.enter(request)
      response.once('close', left)
      const tile = await tileCacheOf(this.store).get(wanted, leaving.signal)
      sendTile(response, headers, tile)
      return true
    } catch {
      return leaving.signal.aborted
    } finally {
      response.off('close', left)
      leave?.()
    }
  }
}

function sendTile(response: ServerResponse, headers: string[], { gzipped, truncated }: CachedTile): void {
  headers.push('Access-Control-Expose-Headers', EXPOSED, 'X-Content-Type-Options', 'nosniff', 'Content-Type', MVT_TYPE, 'Content-Length', String(gzipped.length))
  if (gzipped.length > 0) headers.push('Content-Encoding', 'gzip')
  if (truncated.length > 0) headers.push('X-Features-Truncated', truncated.join(', '))
  response.writeHead(200, headers).end(gzipped)
}

/** Whether the client takes gzip: named, and not with a weight of nothing. */
export function takesGzip({ headers }: IncomingMessage): boolean {
  const accepted = headers['accept-encoding']
  return typeof accepted === 'string' && /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(accepted)
}

interface Address {
  /** What stands before and behind the tile's numbers. */
  readonly before: string
  readonly behind: string
  readonly tile: Tile
}

const XYZ = /^(\/tiles\/[^/?]+)\/(\d{1,2})\/(\d{1,8})\/(\d{1,8})\.mvt(\?.*)?$/
const OGC = /^(\/ogc\/(?:collections\/[^/?]+\/)?tiles\/\w{1,40})\/(\d{1,2})\/(\d{1,8})\/(\d{1,8})(\?.*)?$/

/** The parts of a tile's address; undefined for all others. */
function addressOf(url: string): Address | undefined {
  const xyz = XYZ.exec(url)
  const parts = xyz ?? OGC.exec(url)
  if (!parts) return undefined
  const [, before = '', z, first, second, behind = ''] = parts
  const tile = xyz ? { z: Number(z), x: Number(first), y: Number(second) } : { z: Number(z), x: Number(second), y: Number(first) }
  return { before, behind, tile }
}

const keyOf = ({ before, behind, tile }: Address, clearance: Classification) => `${clearance} ${tile.z} ${before} ${behind}`

/** False also where the limits are not known at once. */
function isWithinNow(store: Store, layers: readonly Layer[], grid: TileGrid, { z, x, y }: Tile): boolean {
  const reach = reachNow(store, layers)
  const zoom = reach && zoomsOf(grid, reach.zoom)
  const range = reach?.bbox && z >= zoom!.min && z <= zoom!.max ? rangeOf(grid, z, reach.bbox) : undefined
  return range !== undefined && x >= range.west && x <= range.east && y >= range.north && y <= range.south
}

const ways = new WeakMap<Store, ShortWay>()

/** The one short way of a store. */
export function shortWayOf(store: Store): ShortWay {
  const way = ways.get(store) ?? new ShortWay(store)
  ways.set(store, way)
  return way
}
