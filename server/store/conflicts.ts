/** Conflicts of a three-way merge as people are told them: cut to what they may see, geometry as GeoJSON. */
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import { fromWkb } from '../../core/geometry/wkb.js'
import { WHOLE, type FieldConflict, type Fields } from '../../core/merge.js'
import type { Layer } from '../../layers/layer.js'
import type { StoredShape } from './history.js'
import { visibleColumns } from './rights.js'
import type { Reader } from './store.js'

export interface ToldConflict {
  readonly layer: string
  readonly id: number
  /** What each side has in each field; of the field `*` the whole feature, null where it was removed. */
  readonly fields: readonly { readonly field: string; readonly base: unknown; readonly ours: unknown; readonly theirs: unknown }[]
  /** True where fields that the reader may not see are in conflict too. */
  readonly withheld?: true
}

export function toldConflict(layer: Layer, id: number, conflicts: readonly FieldConflict[], reader: Reader): ToldConflict {
  const hidden = hiddenFields(layer, reader)
  const told = conflicts.filter(({ field }) => !hidden.has(field))
  return {
    layer: layer.id, id,
    fields: told.map(({ field, base, ours, theirs }) => ({ field, base: shownValue(field, base, hidden), ours: shownValue(field, ours, hidden), theirs: shownValue(field, theirs, hidden) })),
    ...(told.length < conflicts.length && { withheld: true as const }),
  }
}

/** Names of the attributes that a reader may not see. */
export function hiddenFields(layer: Layer, reader: Reader): ReadonlySet<string> {
  const visible = new Set(visibleColumns(layer, reader.clearance).map(({ name }) => name))
  return new Set(layer.columns.map(({ name }) => name).filter(name => !visible.has(name)))
}

function shownValue(field: string, value: unknown, hidden: ReadonlySet<string>): unknown {
  if (value === null || value === undefined) return null
  if (field === WHOLE) return shownFields(value as Fields, hidden)
  return shownField(field, value)
}

export function shownFields(fields: Fields, hidden: ReadonlySet<string> = new Set()): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !hidden.has(name)).map(([name, value]) => [name, shownField(name, value)]))
}

/** Geometry as GeoJSON: CRS84; a solid as the polygons of its faces. */
export function shownField(field: string, value: unknown): unknown {
  if (value === null || value === undefined) return null
  if (field === 'geom') return geoJson((value as StoredShape).geom)
  if (field === 'solid') return geoJson(value as string)
  return value
}

export const geoJson = (hex: string | null): GeoJsonGeometry | null => hex === null ? null : fromWkb(Buffer.from(hex, 'hex'))
