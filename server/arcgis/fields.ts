/** Columns of a layer as fields of a FeatureServer's layer: their types, domains, and values on the way out and in. */
import { sql, type RawBuilder } from 'kysely'
import type { Column, ColumnType, Layer } from '../../layers/layer.js'
import type { Language } from '../ogc/common/media.js'
import { propertiesOf } from '../ogc/features/layers.js'
import type { Reader } from '../store/store.js'

export type FieldType = 'esriFieldTypeOID' | 'esriFieldTypeGlobalID' | 'esriFieldTypeString' | 'esriFieldTypeInteger' | 'esriFieldTypeDouble' | 'esriFieldTypeSmallInteger' | 'esriFieldTypeDate'

export interface Field {
  /** As clients name it; they may write it in any case. */
  readonly name: string
  readonly type: FieldType
  readonly column: Column
  /** System fields: where their value comes from. */
  readonly system?: 'objectid' | 'globalid'
  readonly editable: boolean
}

export const OBJECT_ID = 'OBJECTID'
export const GLOBAL_ID = 'GlobalID'
export const MOST_INT32 = 2_147_483_647

/** Columns of the store that an editor may set. */
const SETTABLE = new Set(['source', 'source_id', 'ground_z', 'height'])
const SYSTEM: Readonly<Record<'objectid' | 'globalid', Column>> = {
  objectid: { name: 'objectid', type: 'integer', title: { vi: 'OBJECTID', en: 'OBJECTID' } },
  globalid: { name: 'globalid', type: 'text', title: { vi: 'GlobalID', en: 'GlobalID' } },
}

/** All fields that a reader sees, the ids first. Rows of runs and reports come and go, so nothing names them for ever. */
export function fieldsOf(layer: Layer, reader: Reader): readonly Field[] {
  const own = new Set(layer.columns.map(({ name }) => name))
  const isCity = layer.kind === 'city'
  const fields = propertiesOf(layer, reader).map((column): Field => ({
    name: column.name, type: typeOf(column), column, editable: isCity && (own.has(column.name) || SETTABLE.has(column.name)),
  }))
  return [
    { name: OBJECT_ID, type: 'esriFieldTypeOID', column: SYSTEM.objectid, system: 'objectid', editable: false },
    ...(isCity && !own.has('globalid') ? [{ name: GLOBAL_ID, type: 'esriFieldTypeGlobalID', column: SYSTEM.globalid, system: 'globalid', editable: false } as const] : []),
    ...fields,
  ]
}

export const fieldNamed = (fields: readonly Field[], name: string): Field | undefined => {
  const wanted = name.trim().replace(/^"(.*)"$/, '$1').toLowerCase()
  return fields.find(field => field.name.toLowerCase() === wanted)
}

/** Whole numbers are Integer only where they surely fit 32 bits; a Double holds all that we have. */
function typeOf({ type, min, max, codes }: Column): FieldType {
  switch (type) {
    case 'text': case 'json': return 'esriFieldTypeString'
    case 'boolean': return 'esriFieldTypeSmallInteger'
    case 'date': case 'timestamp': return 'esriFieldTypeDate'
    case 'number': return 'esriFieldTypeDouble'
    case 'integer': return codes || (min !== undefined && max !== undefined && min >= -MOST_INT32 && max <= MOST_INT32) ? 'esriFieldTypeInteger' : 'esriFieldTypeDouble'
  }
}

const SQL_TYPES: Readonly<Record<FieldType, string>> = {
  esriFieldTypeOID: 'sqlTypeInteger', esriFieldTypeGlobalID: 'sqlTypeOther', esriFieldTypeString: 'sqlTypeNVarchar', esriFieldTypeInteger: 'sqlTypeInteger',
  esriFieldTypeDouble: 'sqlTypeDouble', esriFieldTypeSmallInteger: 'sqlTypeSmallInt', esriFieldTypeDate: 'sqlTypeTimestamp2',
}
/** What a text may hold where its column sets no limit. */
const LONG_TEXT = 4000

/** A field as metadata tells it. */
export function fieldJson({ name, type, column, system, editable }: Field, lang: Language) {
  const { title, unit, description, required, maxLength } = column
  const isText = type === 'esriFieldTypeString'
  return {
    name, type, alias: unit ? `${title[lang]} (${unit})` : title[lang], sqlType: SQL_TYPES[type],
    ...(isText && { length: maxLength ?? LONG_TEXT }), ...(type === 'esriFieldTypeDate' && { length: 8 }), ...(system === 'globalid' && { length: 38 }),
    nullable: !system && !required, editable, domain: domainOf(column, lang), defaultValue: null,
    ...(description && { description: JSON.stringify({ value: description[lang] }) }),
  }
}

/** Fields of an answer: without what only editors need. */
export const resultField = (field: Field, lang: Language) => {
  const { nullable: _nullable, editable: _editable, description: _description, ...shown } = fieldJson(field, lang)
  return shown
}

/** Codes with their titles; numbers with both limits; yes and no. */
export function domainOf({ name, type, codes, min, max }: Column, lang: Language) {
  if (codes) return { type: 'codedValue', name, codedValues: Object.entries(codes).map(([code, title]) => ({ name: title[lang], code: type === 'integer' ? Number(code) : code })) }
  if (type === 'boolean') return { type: 'codedValue', name: `${name}_yes_no`, codedValues: [{ name: lang === 'vi' ? 'Không' : 'No', code: 0 }, { name: lang === 'vi' ? 'Có' : 'Yes', code: 1 }] }
  if ((type === 'number' || type === 'integer') && min !== undefined && max !== undefined) return { type: 'range', name, range: [min, max] }
  return null
}

/** A column as Esri has its values: instants as milliseconds, yes and no as 1 and 0, JSON as text. `row` is the alias of the view. */
export function valueSql({ column: { name, type } }: Pick<Field, 'column'>, row = 'v'): RawBuilder<unknown> {
  const ref = sql.ref(`${row}.${name}`)
  switch (type) {
    case 'boolean': return sql`${ref}::int`
    case 'json': return sql`${ref}::text`
    case 'date': return sql`(extract(epoch from ${ref}::timestamp) * 1000)::float8`
    case 'timestamp': return sql`floor(extract(epoch from ${ref}) * 1000)::float8`
    default: return ref
  }
}

/** An attribute as a client sent it, as our checks take it. */
export function givenValue({ column }: Field, value: unknown): unknown {
  if (value === null || value === undefined) return null
  if (typeof value === 'number') return fromNumber(column.type, value)
  if (column.type === 'json' && typeof value === 'string') {
    try { return JSON.parse(value) } catch { return value }
  }
  return value
}

function fromNumber(type: ColumnType, value: number): unknown {
  if (type === 'boolean') return value === 0 ? false : value === 1 ? true : value
  if (type !== 'date' && type !== 'timestamp') return value
  const at = new Date(value)
  if (Number.isNaN(at.getTime())) return value
  return type === 'date' ? at.toISOString().slice(0, 10) : at.toISOString()
}
