/** Which attributes of a layer travel in vector tiles, and how they are written there. */
import { sql, type RawBuilder } from 'kysely'
import type { Column, Layer } from '../../layers/layer.js'
import { visibleColumns } from './rights.js'
import type { Reader } from './store.js'

/** Attributes that travel in tiles, of those that the reader may see and, if named, wants. */
export function tileColumns(layer: Layer, { clearance }: Pick<Reader, 'clearance'>, wanted?: readonly string[]): readonly Column[] {
  const height: Column[] = layer.threeD?.form === 'extrude' && layer.kind === 'city'
    ? [{ name: 'height', type: 'number', unit: 'm', title: { vi: 'Chiều cao', en: 'Height' } }] : []
  const all = [...visibleColumns(layer, clearance).filter(({ inTiles }) => inTiles), ...height]
  return wanted ? all.filter(({ name }) => wanted.includes(name)) : all
}

/** The column of `row` as tiles write it: they know text, numbers and truth; the rest travels as text. */
export function tileValueSql({ name, type }: Column, row: string): RawBuilder<unknown> {
  const column = sql.ref(`${row}.${name}`)
  if (type === 'date' || type === 'json') return sql`${column}::text`
  if (type === 'timestamp') return sql`to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`
  return column
}

/** The columns to ask the door for: `names` without the store's own, which always come, and without what the reader may not see. */
export function attributesAmong(layer: Layer, { clearance }: Pick<Reader, 'clearance'>, names: readonly string[]): readonly string[] {
  return visibleColumns(layer, clearance).map(({ name }) => name).filter(name => names.includes(name))
}

/** Most important first, as far as the reader may see what makes a feature important; nothing where it cannot be told. */
export function importanceSql(layer: Layer, { clearance }: Pick<Reader, 'clearance'>, row: string): RawBuilder<number> | undefined {
  const { importance } = layer
  if (importance === undefined) return undefined
  if (importance === 'area') return sql`st_area(${sql.ref(`${row}.geom_3857`)})`
  if (importance === 'length') return sql`st_length(${sql.ref(`${row}.geom_3857`)})`
  const known = importance === 'height' || importance === 'ground_z' ? layer.threeD !== undefined : visibleColumns(layer, clearance).some(({ name }) => name === importance)
  return known ? sql`${sql.ref(`${row}.${importance}`)}` : undefined
}
