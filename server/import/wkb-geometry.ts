import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import { fromWkb } from '../../core/geometry/wkb.js'
import { WKB_TYPES, WkbCursor } from '../../core/geometry/wkb-bytes.js'

/**
 * A GeoJSON geometry that stays WKB until somebody asks for its coordinates: on the way into the database nobody does.
 * Throws GeometryFault for types that no layer stores.
 */
export class WkbGeometry implements GeoJsonGeometry {
  readonly type: string
  constructor(readonly bytes: Uint8Array, readonly start: number) {
    const { type } = new WkbCursor(bytes, start).head()
    // Rarer ones are read at once: what they become is known only then.
    this.type = type >= 1 && type <= 7 ? WKB_TYPES[type]! : fromWkb(bytes, start).type
  }
  get coordinates(): unknown { return fromWkb(this.bytes, this.start).coordinates }
  get geometries(): readonly GeoJsonGeometry[] | undefined { return fromWkb(this.bytes, this.start).geometries }
}
