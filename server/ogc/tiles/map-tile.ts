/** Map tiles: the vector tiles as PNG, for clients that draw nothing themselves. */
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { Response } from 'express'
import { timed } from '../../http/timing.js'
import type { Call } from '../../operations/operation.js'
import { noteTileRead } from '../../store/access-log.js'
import type { Store } from '../../store/store.js'
import { layerOf } from '../features/layers.js'
import { isFixed, notModified } from '../features/validator.js'
import { Painter } from '../styles/painter.js'
import { slotOf } from './family.js'
import { addressOf, checkLimits, familyAsked, selectedLayers, shown, type Showing } from './get-tile.js'
import { TILE_PIXELS } from './matrix-set.js'
import { tileCacheOf, type Wanted } from './tile-cache.js'
import { versionAt } from './version.js'

export const PNG_TYPE = 'image/png'

/** `/ogc/collections/{c}/map/tiles/…`: within the limits of its tile sets. */
export async function getCollectionMapTile(call: Call, response: Response): Promise<void> {
  const layer = layerOf(call)
  const address = await addressOf(call)
  await sendMapTile(call, response, { ...address, named: [layer], layers: [layer] }, () => checkLimits(call, [layer], address))
}

/** `/ogc/map/tiles/…`: the collections asked for, or all that show by themselves. */
export async function getDatasetMapTile(call: Call, response: Response): Promise<void> {
  const layers = selectedLayers(call).filter(({ style }) => call.params.collections !== undefined || style.visible !== false)
  const address = await addressOf(call)
  await sendMapTile(call, response, shown(address, layers), () => checkLimits(call, selectedLayers(call), address))
}

async function sendMapTile(call: Call, response: Response, showing: Showing, refuse?: () => Promise<void>): Promise<void> {
  const { app: { store }, branch, reader, params: { run } } = call
  const { tile, layers } = showing
  const family = familyAsked(call, showing)
  const { asOf } = family
  const version = await timed(response, 'revision', () => versionAt(store, family, tile))
  response.vary('Authorization, Cookie')
  if (notModified(call, response, `W/"map-${family.id}-${version}"`, isFixed(asOf) ? 'fixed' : 'live')) return
  await refuse?.()
  for (const layer of layers) await noteTileRead(store.db, { layer, branch, asOf, reader, run })
  const { png, truncated } = await timed(response, 'map', () => picturesOf(store).get({ family, tile, version, reader }, call.signal))
  if (truncated.length > 0) response.setHeader('X-Features-Truncated', truncated.join(', '))
  response.setHeader('Content-Type', PNG_TYPE)
  response.send(png)
}

interface Picture { readonly png: Buffer; readonly truncated: readonly string[] }

const MEMORY_BYTES = 32 << 20
/** Pictures in memory, the least recently used leave first. What they are drawn from has a cache of its own. */
class Pictures {
  readonly #held = new Map<string, Picture & { readonly version: string }>()
  readonly #painter = new Painter()
  #bytes = 0

  constructor(private readonly store: Store) {}

  /** Rejects as TileCache.get does. */
  async get(wanted: Wanted, signal: AbortSignal): Promise<Picture> {
    const { family, tile, version } = wanted
    const slot = slotOf(family, tile, version)
    const held = this.#held.get(slot)
    if (held?.version === version) {
      this.#held.delete(slot)
      this.#held.set(slot, held) // youngest last
      return held
    }
    const { gzipped, truncated } = await tileCacheOf(this.store).get(wanted, signal)
    const mvt = gzipped.length === 0 ? gzipped : await decompress(gzipped)
    const zoom = tile.z + family.grid.finer
    const layers = family.layers.map(({ id, style, label }) => ({ id, style, label }))
    const png = await this.#painter.draw({ mvt, layers, zoom, size: TILE_PIXELS }, signal)
    this.#hold(slot, { png, truncated, version })
    return { png, truncated }
  }

  #hold(slot: string, picture: Picture & { readonly version: string }): void {
    this.#bytes += picture.png.length - (this.#held.get(slot)?.png.length ?? 0)
    this.#held.delete(slot)
    this.#held.set(slot, picture)
    for (const [oldest, { png }] of this.#held) {
      if (this.#bytes <= MEMORY_BYTES) break
      this.#held.delete(oldest)
      this.#bytes -= png.length
    }
  }
}

const decompress = promisify(gunzip)

const pictures = new WeakMap<Store, Pictures>()

function picturesOf(store: Store): Pictures {
  const own = pictures.get(store) ?? new Pictures(store)
  pictures.set(store, own)
  return own
}
