import { WkbCursor, WKB_TYPES } from '../../core/geometry/wkb-bytes.js'

/** The box of a WKB geometry as min x, min y, max x, max y; false where it is empty. */
export function measured(wkb: Uint8Array, box: Float64Array): boolean {
  box[0] = box[1] = Infinity
  box[2] = box[3] = -Infinity
  measure(new WkbCursor(wkb), box)
  return box[0]! <= box[2]!
}

function measure(from: WkbCursor, box: Float64Array): void {
  const { type, size } = from.head()
  switch (WKB_TYPES[type]) {
    case 'Point': return measurePositions(from, 1, size, box)
    case 'LineString': return measurePositions(from, from.count(size), size, box)
    case 'Polygon':
      for (let rings = from.count(4); rings > 0; rings--) measurePositions(from, from.count(size), size, box)
      return
    default: for (let parts = from.count(9); parts > 0; parts--) measure(from, box)
  }
}

function measurePositions(from: WkbCursor, count: number, size: number, box: Float64Array): void {
  for (let i = 0; i < count; i++, from.at += size) {
    const x = from.view.getFloat64(from.at, true)
    const y = from.view.getFloat64(from.at + 8, true)
    // An empty point is NaN, which is in no box.
    if (x < box[0]!) box[0] = x
    if (y < box[1]!) box[1] = y
    if (x > box[2]!) box[2] = x
    if (y > box[3]!) box[3] = y
  }
}
