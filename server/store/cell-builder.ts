/**
 * Makes cells before anybody asks for them: at the start, and after each commit on main. It knows no more than who asks does;
 * killed at any moment, it goes on from what is kept.
 */
import { sql } from 'kysely'
import { GENERALISED_TO } from '../../core/generalise/cell.js'
import { tileAt, type Tile } from '../../core/tile-matrix.js'
import type { Layer } from '../../layers/layer.js'
import { afterCommits, type Background } from './after-commits.js'
import { recipesOf } from './cell-recipe.js'
import { generalises } from './generalised.js'
import { keptCellsOf } from './kept-cells.js'
import type { Store } from './store.js'

/** Edits of a moment are brought in at once. */
const SETTLE_MS = 250

export function start({ store }: { readonly store: Store }, { settleMs = SETTLE_MS, onError = logError }: { settleMs?: number; onError?: (error: unknown) => void } = {}): Background {
  let upTo = 0
  return afterCommits(store, async signal => {
    upTo = await buildCells(store, upTo, signal)
    return true
  }, { settleMs, onError })
}

const logError = (error: unknown) => console.error(`Tiles of the city from afar could not be made ready; they are made when they are asked for. ${(error as Error).message}`)

/** Makes what the commits after a revision made invalid; 0 stands for everything. Returns the revision up to which all is made. */
export async function buildCells(store: Store, after: number, signal?: AbortSignal): Promise<number> {
  const { rows: [latest] } = await sql<{ n: number }>`select coalesce(max(revision), 0) as n from dothi.revisions`.execute(store.db)
  const { rows } = await sql<{ layer: string }>`select distinct layer from dothi.changes where revision > ${after}::int8 and branch = 'main'`.execute(store.db)
  for (const { layer } of rows) {
    const found = store.catalogue.find(layer)
    if (found) await buildLayer(store, found, signal)
  }
  return latest!.n
}

async function buildLayer(store: Store, layer: Layer, signal?: AbortSignal): Promise<void> {
  if (layer.kind !== 'city' || layer.zoom.min > GENERALISED_TO) return
  const { count, bbox } = await store.layerSummary(layer)
  if (!bbox || !generalises(layer, count, layer.zoom.min)) return
  const [northWest, southEast] = [tileAt(bbox[0], bbox[3], layer.zoom.min), tileAt(bbox[2], bbox[1], layer.zoom.min)]
  for (const recipe of recipesOf(layer)) {
    for (let x = northWest.x; x <= southEast.x; x++) {
      for (let y = northWest.y; y <= southEast.y; y++) {
        const tile: Tile = { z: layer.zoom.min, x, y }
        signal?.throwIfAborted()
        await keptCellsOf(store).cell({ layer, recipe, branch: 'main', asOf: 'now', signal }, tile)
      }
    }
  }
}
