/** Any order of rows as a keyset: a place in it is a row's values of the sort keys and its id, so that a page is found by comparison and not by counting. */
import { sql, type RawBuilder, type SqlBool } from 'kysely'
import type { ColumnType } from '../../../layers/layer.js'
import type { Store } from '../../store/store.js'
import type { Place } from './cursor.js'

/** Rows without a value come last, whichever way. The id decides between equals. */
export interface SortKey {
  readonly name: string
  readonly type: Exclude<ColumnType, 'json'>
  readonly descending: boolean
  /** Of a text: the alphabet that it is ordered by; without one, by its bytes. */
  readonly collation?: string
}

/** The Vietnamese alphabet, in which Đ comes after D and letters with marks beside those without; undefined where the database was built without it. */
export function textCollation(store: Store): Promise<string | undefined> {
  const known = collations.get(store) ?? sql<{ name: string }>`select collname as name from pg_collation where collname = 'vi-x-icu'`
    .execute(store.db).then(({ rows }) => rows[0]?.name)
  collations.set(store, known)
  return known
}
const collations = new WeakMap<Store, Promise<string | undefined>>()

/** `sortby` in one spelling: what a cursor was made for. */
export const sortName = (sort: readonly SortKey[] = []) => sort.map(({ name, descending }) => (descending ? '-' : '') + name).join(',')

const columnOf = ({ name, collation }: SortKey) => (collation ? sql`${sql.ref(`v.${name}`)} collate ${sql.id(collation)}` : sql.ref(`v.${name}`))

/** Rows after one place and before another. */
export interface Window { readonly after?: Place; readonly before?: Place }

const SQL_TYPES: Readonly<Record<SortKey['type'], string>> = { text: 'text', integer: 'int8', number: 'float8', boolean: 'boolean', date: 'date', timestamp: 'timestamptz' }

/** `order by` of the rows `v`. */
export function orderSql(sort: readonly SortKey[] = [], backwards = false): RawBuilder<unknown> {
  const way = (descending: boolean) => sql.raw(descending === backwards ? 'asc' : 'desc')
  return sql.join([
    ...sort.map((key) => sql`${columnOf(key)} ${way(key.descending)} nulls ${sql.raw(backwards ? 'first' : 'last')}`),
    sql`v.id ${way(false)}`,
  ])
}

/** The keys of a row's place, as the columns `key_0`, … with a comma before each: as text, which keeps every digit. */
export function placeColumns(sort: readonly SortKey[]): RawBuilder<unknown> {
  return sql.join(sort.map(({ name }, i) => sql`, ${sql.ref(`v.${name}`)}::text as ${sql.ref(`key_${i}`)}`), sql``)
}

export function placeOf(row: { readonly id: number } & Readonly<Record<string, unknown>>, sort: readonly SortKey[]): Place {
  return { id: row.id, values: sort.map((_, i) => row[`key_${i}`] as string | null) }
}

export function withinSql(sort: readonly SortKey[], { after, before }: Window): RawBuilder<SqlBool> {
  return sql<SqlBool>`${after ? beyond(sort, after, true) : sql`true`} and ${before ? beyond(sort, before, false) : sql`true`}`
}

/** Rows on one side of a place: those that differ from it first in some key, and there lie on that side. */
function beyond(sort: readonly SortKey[], { values, id }: Place, after: boolean): RawBuilder<SqlBool> {
  const byId = sql<SqlBool>`v.id ${sql.raw(after ? '>' : '<')} ${id}::int8`
  return sort.reduceRight((later, key, i) => {
    const [column, value] = [columnOf(key), values[i]]
    if (value === null) return after ? sql<SqlBool>`(${column} is null and ${later})` : sql<SqlBool>`(${column} is not null or ${later})`
    const literal = sql`${value}::${sql.raw(SQL_TYPES[key.type])}`
    const further = sql`${column} ${sql.raw(after === key.descending ? '<' : '>')} ${literal}`
    return sql<SqlBool>`(${further} or (${column} = ${literal} and ${later})${after ? sql` or ${column} is null` : sql``})`
  }, byId)
}
