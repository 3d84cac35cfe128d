/** A plan → the chunks of its file. */
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { vn2000Wkt } from '../../core/vn2000.js'
import { Problem } from '../errors.js'
import { POOL_SIZES } from '../store/rights.js'
import { pageRows } from '../ogc/features/rows.js'
import type { Reader, Store } from '../store/store.js'
import type { Classification } from '../../layers/layer.js'
import type { ExportRow, ExportSource, LayerPlan, RowOptions } from './export.js'
import type { ExportPlan } from './plan.js'
import { layerRows, openSnapshot, type Opened } from './rows.js'
import { zipped } from './zip.js'

export interface StreamOptions {
  readonly signal: AbortSignal
  /** Called with the rows written so far, over all layers. */
  readonly onRows?: (rows: number) => void
  /** How long to wait where too many exports are under way, ms; default not at all. */
  readonly patience?: number
}

/**
 * The file in chunks, made as they are taken, over one snapshot of the city. Who stops taking, or whose signal aborts,
 * ends the query in the database. Throws 429 where too many exports are under way.
 */
export async function* exportChunks(store: Store, reader: Reader, plan: ExportPlan, { signal, onRows, patience = 0 }: StreamOptions): AsyncGenerator<Uint8Array | string> {
  const leave = await takeSlot(store, reader.clearance, patience, signal)
  try {
    // Before the first byte: the door says what is not there, and is asked once a layer.
    const views = new Map<string, Opened>()
    for (const { layer, query, page } of plan.plans) views.set(layer.id, page ? await pageRows(store, { query, ...page }) : { rows: await store.view(query.view), order: sql`v.id` })
    const snapshot = await openSnapshot(store, reader, signal)
    let written = 0
    async function* rows(layer: LayerPlan, options: RowOptions): AsyncGenerator<readonly ExportRow[]> {
      for await (const batch of layerRows(views.get(layer.layer.id)!, snapshot, layer, options, signal)) {
        yield batch
        // A second look at the boxes, for an index, is no second export.
        if (options.geometry !== 'envelope') onRows?.(written += batch.length)
      }
    }
    try {
      const source = { city: await store.city(), options: plan.options, rows, wkt: (srid: number) => wktOf(store, srid) }
      yield* fileOf(plan, source)
    } catch (error) {
      signal.throwIfAborted()
      throw error
    } finally {
      await snapshot.close()
    }
  } finally {
    leave()
  }
}

function fileOf({ format, plans }: ExportPlan, source: Omit<ExportSource, 'plans'>): AsyncIterable<Uint8Array | string> {
  if (plans.length === 1 || format.severalLayers) return format.write({ ...source, plans })
  return zipped(plans.map(plan => ({ name: `${plan.layer.id}${format.extension}`, chunks: format.write({ ...source, plans: [plan] }) })))
}

/** PostGIS keeps no WKT for what is pinned by hand. */
async function wktOf(store: Store, srid: number): Promise<string> {
  const pinned = vn2000Wkt(srid)
  if (pinned) return pinned
  const { rows } = await sql<{ srtext: string }>`select srtext from spatial_ref_sys where srid = ${srid}`.execute(store.db)
  return rows[0]?.srtext ?? ''
}

/** Each export holds a connection of the pool that maps and lists are read through: half of them must stay free. */
const underWay = new WeakMap<Store, Map<Classification, number>>()
const WAIT_MS = 50
async function takeSlot(store: Store, clearance: Classification, patience: number, signal: AbortSignal): Promise<() => void> {
  const counts = underWay.get(store) ?? new Map<Classification, number>()
  underWay.set(store, counts)
  const count = counts.get(clearance) ?? 0
  if (count >= Math.max(1, POOL_SIZES[clearance] / 2) && patience > 0) {
    await sleep(WAIT_MS, undefined, { signal })
    return takeSlot(store, clearance, patience - WAIT_MS, signal)
  }
  if (count >= Math.max(1, POOL_SIZES[clearance] / 2)) throw new Problem(429, 'too-many', `${count} exports are under way already. Try again in a minute.`, {}, { 'Retry-After': '60' })
  counts.set(clearance, count + 1)
  return () => counts.set(clearance, counts.get(clearance)! - 1)
}
