/** The rows of a tile's statement → its layers, without an object a row: bytes of values go into the tile as they came. */
import type { BBox } from '../../../core/bbox.js'
import { WkbCursor } from '../../../core/geometry/wkb-bytes.js'
import { EXTENT } from '../../../core/mvt/feature.js'
import { LayerWriter } from '../../../core/mvt/layer-writer.js'
import { WkbPen } from '../../../core/mvt/wkb-pen.js'
import { TILE_MARGIN } from '../../store/tile-revisions.js'
import type { LayerPlan, SlotType } from './tile-query.js'

/** One layer's part of a tile that was drawn. */
export interface DrawnLayer {
  readonly writer: LayerWriter
  /** The row of each feature, by number of both. */
  readonly rows: readonly number[]
  /** Rows that came, drawn or not. */
  readonly came: number
}

interface Sheet {
  readonly writer: LayerWriter
  readonly pen: WkbPen
  readonly slots: readonly (undefined | { readonly key: number; readonly type: SlotType })[]
  readonly isMeasured: boolean
  readonly rows: number[]
  came: number
}

/**
 * `bytes` holds DataRow messages: a head of five bytes, a count of columns (int16), then each as a length (int32, −1 is null) and the value in binary.
 * `isKept` leaves out rows by number. Throws a GeometryFault for a geometry that is none.
 */
export function drawRows(bytes: Uint8Array, plans: readonly LayerPlan[], box: BBox, isKept?: (row: number) => boolean): DrawnLayer[] {
  const sheets = plans.map((plan) => sheetFor(plan, box))
  const wkb = new WkbCursor(bytes)
  const { view } = wkb
  const columns = plans[0]?.slots.length ?? 0
  for (let at = 0, row = 0; at < bytes.length; row++) {
    const sheet = sheets[view.getInt32(at + LAYER)]!
    const id = int8(view, at + ID)
    const shapeAt = at + SHAPE
    const rankAt = after(view, shapeAt)
    at = after(view, rankAt)
    sheet.came++
    const kind = isKept?.(row) === false ? null : drawShape(sheet, wkb, id, shapeAt)
    for (let i = 0; i < columns; i++, at = after(view, at)) {
      const slot = kind === null ? undefined : sheet.slots[i]
      if (slot !== undefined && view.getInt32(at) >= 0) writeValue(sheet.writer, slot, view, bytes, at + 4, after(view, at))
    }
    if (kind !== null && sheet.writer.end(kind, sheet.isMeasured ? sheet.pen.measure : rankOf(view, rankAt))) sheet.rows.push(row)
  }
  return sheets
}

function sheetFor({ layer, slots, tolerance, smallest, isOrdered }: LayerPlan, box: BBox): Sheet {
  const writer = LayerWriter.take(layer.id, EXTENT, isOrdered)
  return {
    writer, pen: new WkbPen(box, { extent: EXTENT, margin: TILE_MARGIN * EXTENT, tolerance, smallest }, writer),
    slots: slots.map((slot) => slot && { key: writer.key(slot.name), type: slot.type }),
    isMeasured: layer.importance === 'area' || layer.importance === 'length', rows: [], came: 0,
  }
}

/** Where the first columns stand in a row: its head and count, then int4 and int8 with their lengths. */
const LAYER = 5 + 2 + 4
const ID = LAYER + 4 + 4
const SHAPE = ID + 8

/** Where the next column begins. */
const after = (view: DataView, at: number) => at + 4 + Math.max(0, view.getInt32(at))

const int8 = (view: DataView, at: number) => view.getInt32(at) * 2 ** 32 + view.getUint32(at + 4)

function drawShape({ writer, pen }: Sheet, wkb: WkbCursor, id: number, at: number) {
  if (wkb.view.getInt32(at) < 0) return null
  writer.begin(id)
  wkb.at = at + 4
  return pen.draw(wkb)
}

/** What has no rank comes last. */
function rankOf(view: DataView, at: number): number {
  const rank = view.getInt32(at) < 0 ? NaN : view.getFloat64(at + 4)
  return Number.isNaN(rank) ? -Infinity : rank
}

function writeValue(writer: LayerWriter, { key, type }: { readonly key: number; readonly type: SlotType }, view: DataView, bytes: Uint8Array, start: number, end: number): void {
  switch (type) {
    case 'text': return writer.text(key, bytes, start, end)
    case 'integer': return writer.number(key, int8(view, start))
    case 'number': return writer.number(key, view.getFloat64(start))
    case 'boolean': return writer.boolean(key, bytes[start] === 1)
  }
}
