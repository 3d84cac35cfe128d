/** One tile of one or several layers: rows as bytes from one statement, drawn here; what stands for a crowded city from afar comes from the store. */
import { writeFeature } from '../../../core/mvt/encode.js'
import { EXTENT, type TileFeature } from '../../../core/mvt/feature.js'
import { LayerWriter } from '../../../core/mvt/layer-writer.js'
import { ProtoWriter } from '../../../core/mvt/proto-writer.js'
import { boundsOf, WEB_MERCATOR, type TileGrid } from '../../../core/tile-grid.js'
import type { Tile } from '../../../core/tile-matrix.js'
import type { Layer } from '../../../layers/layer.js'
import { generalisedFeatures } from '../../store/generalised.js'
import type { AsOf, Branch, Reader, Store } from '../../store/store.js'
import { drawRows, type DrawnLayer } from './draw-rows.js'
import { CAP, fit, type Drawing } from './fit.js'
import { regriddedFeatures } from './regrid.js'
import { tileQuery, type TileQuery } from './tile-query.js'
import { isGeneralised } from './version.js'

export interface TileRequest {
  readonly grid: TileGrid
  readonly layers: readonly Layer[]
  readonly tile: Tile
  readonly branch: Branch
  readonly asOf: AsOf
  readonly reader: Reader
  readonly run: string | undefined
  /** Attributes wanted, of those that travel in tiles; undefined: all of them. */
  readonly properties?: readonly string[]
}

export interface EncodedTile {
  /** Uncompressed; no bytes where there are no features. */
  readonly mvt: Uint8Array
  /** Layers of which only the most important features are in the tile. */
  readonly truncated: readonly string[]
}

/** Rows and bytes that are taken in as they come; a tile that has more is ranked and cut where the rows lie. */
const MOST_ROWS = 50_000
const MOST_BYTES = 32 << 20

/**
 * Makes a tile, from what the reader may see. Throws the door's Problems; rejects with the signal's reason, and cancels the
 * statement, once nobody waits for the tile any more.
 */
export async function makeTile(store: Store, request: TileRequest, signal?: AbortSignal): Promise<EncodedTile> {
  const isFromAfar = await Promise.all(request.layers.map((layer) => isGeneralised(store, layer, request.tile.z + request.grid.finer)))
  const near = request.layers.filter((_, i) => !isFromAfar[i])
  const far = request.layers.filter((_, i) => isFromAfar[i])
  const drawings = await Promise.all([
    ...(near.length > 0 ? [drawnFromRows(store, request, near, signal)] : []),
    ...far.map((layer) => drawnFromAfar(store, request, layer)),
  ])
  signal?.throwIfAborted()
  const names = request.layers.map(({ id }) => id)
  const { mvt, truncated } = await fit(drawings, names)
  for (const drawing of drawings) drawing.release()
  return { mvt, truncated: names.filter((name) => truncated.has(name)) }
}

async function drawnFromAfar(store: Store, request: TileRequest, layer: Layer): Promise<Drawing> {
  const { features, truncated } = request.grid === WEB_MERCATOR ? await generalisedFeatures(store, { ...request, layer }) : await regriddedFeatures(store, { ...request, layer })
  const writer = drawnFeatures(layer, features)
  return {
    writers: [writer],
    redraw: ([kept]) => [drawnFeatures(layer, kept ? Array.from(kept.sort(), (n) => features[n]!) : features)],
    truncated: truncated ? [layer.id] : [],
    release: () => writer.release(),
  }
}

function drawnFeatures(layer: Layer, features: Iterable<TileFeature>): LayerWriter {
  const writer = LayerWriter.take(layer.id, EXTENT)
  for (const feature of features) writeFeature(writer, feature)
  return writer
}

async function drawnFromRows(store: Store, request: TileRequest, layers: readonly Layer[], signal?: AbortSignal): Promise<Drawing> {
  const all = await readTile(store, request, await tileQuery(store, request, layers, 'all', MOST_ROWS), MOST_BYTES, signal)
  if (all?.drawn.every(({ came }) => came < MOST_ROWS)) return drawing(all, [])
  const best = (await readTile(store, request, await tileQuery(store, request, layers, 'ranked', CAP + 1), Infinity, signal))!
  return drawing(best, layers.filter((_, i) => best.drawn[i]!.came > CAP).map(({ id }) => id))
}

interface TileRows {
  readonly drawn: readonly DrawnLayer[]
  again(isKept: (row: number) => boolean): readonly DrawnLayer[]
  release(): void
}

/** Undefined where more bytes came than are taken in. */
async function readTile(store: Store, { reader, grid, tile }: TileRequest, { query, plans }: TileQuery, mostBytes: number, signal?: AbortSignal): Promise<TileRows | undefined> {
  const rows = BoundedBytes.take(mostBytes)
  await store.rows(reader.clearance, query, rows, signal)
  if (rows.isOver) return undefined
  const bytes = rows.written()
  const box = boundsOf(grid, tile)
  const drawn = drawRows(bytes, plans, box)
  return {
    drawn, again: (isKept) => drawRows(bytes, plans, box, isKept),
    release() {
      rows.release()
      for (const { writer } of drawn) writer.release()
    },
  }
}

/** What comes beyond the limit is not kept. Used again, as layers' writers are. */
class BoundedBytes extends ProtoWriter {
  static readonly #idle: BoundedBytes[] = []

  static take(most: number): BoundedBytes {
    const bytes = BoundedBytes.#idle.pop() ?? new BoundedBytes(1 << 18)
    bytes.#most = most
    bytes.length = 0
    bytes.isOver = false
    return bytes
  }

  isOver = false
  #most = 0

  release(): void {
    if (BoundedBytes.#idle.length < 8 && this.bytes.length <= 8 << 20) BoundedBytes.#idle.push(this)
  }

  override copy(from: Uint8Array, start = 0, end = from.length): void {
    this.isOver ||= this.length + end - start > this.#most
    if (!this.isOver) super.copy(from, start, end)
  }
}

function drawing({ drawn, again, release }: TileRows, truncated: readonly string[]): Drawing {
  return {
    writers: drawn.map(({ writer }) => writer), truncated, release,
    redraw(kept) {
      const rows = new Set(drawn.flatMap((layer, i) => kept[i] ? Array.from(kept[i], (n) => layer.rows[n]!) : layer.rows))
      return again((row) => rows.has(row)).map(({ writer }) => writer)
    },
  }
}
