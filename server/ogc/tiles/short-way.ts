/**
 * Tiles before everything else: a request for a tile of a family that the long way (get-tile.ts) has answered before needs no
 * route, no parameters to read and no database. What is at hand is sent at once: 304 where the client has the tile,
 * 200 where memory has it. Everything else goes the long way, errors too.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Tile } from '../../../core/tile-matrix.js'
import type { Classification } from '../../../layers/layer.js'
import { requestId } from '../../http/request-id.js'
import { EXPOSED } from '../../http/security.js'
import type { Store } from '../../store/store.js'
import { cacheControl } from '../common/respond.js'
import { matches } from '../features/validator.js'
import { etagOf, type Family } from './family.js'
import { DEEPEST_ZOOM } from './matrix-set.js'
import { tileCacheOf } from './tile-cache.js'
import { versionNow } from './version.js'

export const MVT_TYPE = 'application/vnd.mapbox-vector-tile'
export const VARY = 'Accept-Encoding, Authorization, Cookie'

/** What an address means at one zoom, but for column and row. */
interface Meaning {
  readonly family: Family
  /** Of the catalogue at that time: a layer may have come, changed or gone since. */
  readonly catalogue: number
  /** Whether any tile may be sent that is in memory; otherwise only that the client's is the same. */
  readonly free: boolean
}

const MOST_MEANINGS = 5_000

/** One a store: what the long way has found addresses to mean. */
export class ShortWay {
  readonly #meanings = new Map<string, Meaning>()

  constructor(private readonly store: Store) {}

  /** Remembers what the address of an answered request means. Only the present of main: a scenario may be gone by the next request. */
  learn(url: string, family: Family, free: boolean): void {
    const address = addressOf(url)
    if (!address || family.branch !== 'main' || family.asOf !== 'now' || family.run !== undefined || family.layers.length === 0) return
    if (this.#meanings.size >= MOST_MEANINGS) this.#meanings.delete(this.#meanings.keys().next().value!)
    this.#meanings.set(keyOf(address, family.clearance), { family, catalogue: this.store.catalogue.version, free })
  }

  /** Answers, if it can; false leaves the request untouched. */
  answer(request: IncomingMessage, response: ServerResponse, clearance: Classification): boolean {
    const address = request.method === 'GET' ? addressOf(request.url!) : undefined
    if (!address) return false
    const { tile } = address
    const meaning = this.#meanings.get(keyOf(address, clearance))
    if (!meaning || meaning.catalogue !== this.store.catalogue.version) return false
    const { family, free } = meaning
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
    const held = free && clearance !== 'restricted' && takesGzip(request) ? tileCacheOf(this.store).held(family, tile, version) : undefined
    if (!held) return false
    headers.push('Access-Control-Expose-Headers', EXPOSED, 'X-Content-Type-Options', 'nosniff', 'Content-Type', MVT_TYPE, 'Content-Length', String(held.gzipped.length))
    if (held.gzipped.length > 0) headers.push('Content-Encoding', 'gzip')
    if (held.truncated.length > 0) headers.push('X-Features-Truncated', held.truncated.join(', '))
    response.writeHead(200, headers).end(held.gzipped)
    return true
  }
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
const OGC = /^(\/ogc\/(?:collections\/[^/?]+\/)?tiles\/WebMercatorQuad)\/(\d{1,2})\/(\d{1,8})\/(\d{1,8})(\?.*)?$/

/** The parts of a tile's address; undefined for all others, and for tiles that cannot be. */
function addressOf(url: string): Address | undefined {
  const xyz = XYZ.exec(url)
  const parts = xyz ?? OGC.exec(url)
  if (!parts) return undefined
  const [, before = '', z, first, second, behind = ''] = parts
  const tile = xyz ? { z: Number(z), x: Number(first), y: Number(second) } : { z: Number(z), x: Number(second), y: Number(first) }
  return tile.z <= DEEPEST_ZOOM && tile.x < 2 ** tile.z && tile.y < 2 ** tile.z ? { before, behind, tile } : undefined
}

const keyOf = ({ before, behind, tile }: Address, clearance: Classification) => `${clearance} ${tile.z} ${before} ${behind}`

const ways = new WeakMap<Store, ShortWay>()

/** The one short way of a store. */
export function shortWayOf(store: Store): ShortWay {
  const way = ways.get(store) ?? new ShortWay(store)
  ways.set(store, way)
  return way
}
