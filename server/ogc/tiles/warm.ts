/** Tiles made before anybody asks: all of some layers, in a box and a range of zooms, into the cache. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { BBox } from '../../../core/bbox.js'
import { WEB_MERCATOR } from '../../../core/tile-grid.js'
import type { Tile } from '../../../core/tile-matrix.js'
import type { Layer } from '../../../layers/layer.js'
import { badParameter, Problem } from '../../errors.js'
import { POOL_SIZES } from '../../store/rights.js'
import { PUBLIC, type Reader, type Store } from '../../store/store.js'
import { familyOf, type Family } from './family.js'
import { DEEPEST_ZOOM, limits } from './matrix-set.js'
import { tileCacheOf } from './tile-cache.js'
import { versionAt } from './version.js'

export interface WarmInputs {
  /** Collections, each by itself, or several that share a tile with commas between them, as in a tile's address. None: every open layer. */
  readonly collections?: readonly string[]
  /** Default: the zooms of the layers. */
  readonly zoom?: { readonly min: number; readonly max: number }
  /** West, south, east, north in degrees; default: the extent of the layers. */
  readonly bbox?: BBox
  /** Who will ask: everybody, or staff. */
  readonly clearance?: 'open' | 'internal'
}

export interface WarmReport {
  readonly tiles: number
  /** Tiles without features. */
  readonly empty: number
  readonly bytes: number
  readonly largestBytes: number
  readonly seconds: number
}

/** A week of work, which nobody means. */
const MOST_TILES = 2_000_000

interface Block { readonly family: Family; readonly z: number; readonly columns: readonly [number, number]; readonly rows: readonly [number, number] }

/** Makes what is not in the cache yet, half as many at a time as there are connections, so that whoever asks is served. Throws Problems. */
export async function warm(store: Store, inputs: WarmInputs, signal: AbortSignal, report: (progress: number, message: string) => void): Promise<WarmReport> {
  const reader: Reader = { ...PUBLIC, clearance: inputs.clearance ?? 'open' }
  const blocks = (await Promise.all(tileSetsOf(store, reader, inputs).map(layers => blocksOf(store, layers, reader, inputs)))).flat()
  const total = blocks.reduce((sum, { columns, rows }) => sum + (columns[1] - columns[0] + 1) * (rows[1] - rows[0] + 1), 0)
  if (total > MOST_TILES) throw badParameter('zoom', `These are ${total} tiles; at most ${MOST_TILES} are made at a time. Name fewer collections, a box, or fewer zooms.`)
  const started = performance.now()
  const sum = { tiles: 0, empty: 0, bytes: 0, largestBytes: 0 }
  const seconds = () => (performance.now() - started) / 1000
  const queue = tilesOf(blocks)
  await Promise.all(Array.from({ length: Math.max(1, POOL_SIZES[reader.clearance] / 2) }, async () => {
    for (const { family, tile } of queue) {
      const bytes = await makeOne(store, family, tile, reader, signal)
      sum.tiles++
      sum.bytes += bytes
      if (bytes === 0) sum.empty++
      sum.largestBytes = Math.max(sum.largestBytes, bytes)
      report(sum.tiles / total, `${sum.tiles} of ${total} tiles, zoom ${tile.z}, ${Math.round(sum.tiles / seconds())} a second`)
    }
  }))
  return { ...sum, seconds: seconds() }
}

function tileSetsOf(store: Store, reader: Reader, { collections }: WarmInputs): readonly (readonly Layer[])[] {
  const visible = store.catalogue.for(reader)
  if (!collections?.length) return visible.filter(({ kind }) => kind === 'city').map(layer => [layer])
  return collections.map(ids => ids.split(',').map(id => {
    const layer = store.catalogue.get(id)
    if (!visible.includes(layer)) throw badParameter('collections', `“${id}” is not open to whom the tiles would be made for (${reader.clearance}).`)
    return layer
  }))
}

/** The tiles of one set, a block a zoom, from afar to near. */
async function blocksOf(store: Store, layers: readonly Layer[], { clearance }: Reader, { zoom, bbox }: WarmInputs): Promise<readonly Block[]> {
  const box = bbox ?? (await extentOf(store, layers))
  const shownFrom = Math.min(...layers.map(layer => layer.zoom.min))
  const range = { min: Math.max(shownFrom, zoom?.min ?? 0), max: Math.min(DEEPEST_ZOOM, zoom?.max ?? Math.max(...layers.map(layer => layer.zoom.max))) }
  return limits(box, range).map(({ tileMatrix, minTileCol, maxTileCol, minTileRow, maxTileRow }) => {
    const z = Number(tileMatrix)
    const family = familyOf({ grid: WEB_MERCATOR, layers: layers.filter(layer => z >= layer.zoom.min), branch: 'main', asOf: 'now', run: undefined, clearance, properties: undefined })
    return { family, z, columns: [minTileCol, maxTileCol], rows: [minTileRow, maxTileRow] }
  })
}

async function extentOf(store: Store, layers: readonly Layer[]): Promise<BBox | null> {
  const boxes = (await Promise.all(layers.map(layer => store.layerSummary(layer)))).flatMap(({ bbox }) => bbox ? [bbox] : [])
  if (boxes.length === 0) return null
  const side = (i: number) => boxes.map(box => box[i]!)
  return [Math.min(...side(0)), Math.min(...side(1)), Math.max(...side(2)), Math.max(...side(3))]
}

function* tilesOf(blocks: readonly Block[]): Generator<{ family: Family; tile: Tile }> {
  for (const { family, z, columns, rows } of blocks)
    for (let y = rows[0]; y <= rows[1]; y++) for (let x = columns[0]; x <= columns[1]; x++) yield { family, tile: { z, x, y } }
}

/** How many bytes it has. Where the server is full this waits, not the others. */
async function makeOne(store: Store, family: Family, tile: Tile, reader: Reader, signal: AbortSignal): Promise<number> {
  for (;;) {
    signal.throwIfAborted()
    try {
      const version = await versionAt(store, family, tile)
      return (await tileCacheOf(store).get({ family, tile, version, reader }, signal)).gzipped.length
    } catch (error) {
      if (!(error instanceof Problem && error.status === 503)) throw error
      await sleep(1000, undefined, { signal })
    }
  }
}
