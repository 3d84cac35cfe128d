/**
 * Which records a request is after, in which order. The database decides, over the records as a table of the moment, so that
 * filters mean exactly what they mean over features.
 */
import { sql, type RawBuilder } from 'kysely'
import { fold, nearMisses } from '../../../core/text.js'
import type { Column, ColumnType, Layer } from '../../../layers/layer.js'
import { badParameter } from '../../errors.js'
import type { Call } from '../../operations/operation.js'
import { boxSql, filterToSql, ROWS } from '../../store/filter-sql.js'
import type { Language } from '../common/media.js'
import { parseDatetime } from '../common/time.js'
import { itemsQuery } from '../features/query.js'
import { CATALOGUE, TYPE_TITLES, type CatalogueRecord } from './record.js'

const column = (name: string, type: ColumnType, vi: string, en: string, more: Partial<Column> = {}): Column => ({ name, type, title: { vi, en }, ...more })

/** Records as a layer: what filters, sorting and the schema know of them. */
export const RECORDS: Layer = {
  id: CATALOGUE, kind: 'run', group: 'quality', geometry: 'polygon',
  title: { vi: 'Danh mục dữ liệu', en: 'Data catalogue' },
  description: { vi: 'Mọi tập dữ liệu, lưới phủ, kịch bản và lần mô phỏng của thành phố.', en: 'Every dataset, coverage, scenario and simulation run of the city.' },
  columns: [
    column('id', 'text', 'Mã', 'Id'),
    column('type', 'text', 'Loại', 'Type', { codes: TYPE_TITLES }),
    column('title', 'text', 'Tên', 'Title'),
    column('description', 'text', 'Mô tả', 'Description'),
    column('keywords', 'json', 'Từ khóa', 'Keywords'),
    column('theme', 'text', 'Chủ đề', 'Theme'),
    column('owner', 'text', 'Đơn vị quản lý', 'Owner'),
    column('license', 'text', 'Giấy phép', 'Licence'),
    column('classification', 'text', 'Mức bảo mật', 'Classification'),
    column('updateFrequency', 'text', 'Tần suất cập nhật', 'Update frequency'),
    column('created', 'timestamp', 'Lập lúc', 'Created'),
    column('updated', 'timestamp', 'Cập nhật lúc', 'Updated'),
    column('count', 'integer', 'Số đối tượng', 'Features'),
    column('qualityErrors', 'integer', 'Số lỗi dữ liệu', 'Data errors'),
    column('qualityFindings', 'integer', 'Số phát hiện khi kiểm tra', 'Findings of checks'),
  ],
  label: 'title', searchable: ['title'], style: {}, zoom: { min: 0, max: 0 }, classification: 'open', licence: 'CC-BY-4.0',
}
/** What records can be sorted by: all that has one value. */
export const SORTABLES: readonly Column[] = RECORDS.columns.filter(({ type }) => type !== 'json')

const SQL_TYPES: Readonly<Record<ColumnType, string>> = { text: 'text', integer: 'bigint', number: 'float8', boolean: 'boolean', date: 'date', timestamp: 'timestamptz', json: 'jsonb' }

/** The records that match, in order. Throws 400 Problems that name the parameter. */
export async function search(call: Call, records: readonly CatalogueRecord[], lang: Language): Promise<readonly CatalogueRecord[]> {
  const { store } = call.app
  const conditions = await conditionsOf(call)
  const table = sql`select r.*, case when west is not null then st_makeenvelope(west, south, east, north, 4326) end as geom
    from jsonb_to_recordset(${JSON.stringify(records.map((record, i) => rowOf(record, i, lang)))}::jsonb) as r(${sql.raw(COLUMNS)})`
  const { rows } = await sql<{ place: number }>`
    select place from (${table}) as ${sql.ref(ROWS)} where ${sql.join([sql`true`, ...conditions], sql` and `)}
    order by ${sql.join([...orderOf(call), sql`place`])}`.execute(store.pool(call.reader.clearance))
  return rows.map(({ place }) => records[place]!)
}

const COLUMNS = [...RECORDS.columns.map(({ name, type }) => `"${name}" ${SQL_TYPES[type]}`),
  'place int', 'words text', 'heading text', 'starts timestamptz', 'ends timestamptz', 'west float8', 'south float8', 'east float8', 'north float8', 'externals jsonb'].join(', ')

function rowOf(record: CatalogueRecord, place: number, lang: Language) {
  const { id, type, title, description, keywords, theme, owner, licence, classification, updateFrequency, created, updated, count, quality, bbox, time } = record
  const [west, south, east, north] = bbox ?? []
  return {
    id, type, title: title[lang], description: description[lang], keywords: keywords.map(word => word[lang]), theme, owner: owner?.[lang], license: licence, classification, updateFrequency,
    created, updated, count, qualityErrors: quality?.errors, qualityFindings: quality?.findings,
    place, west, south, east, north, starts: time?.start, ends: time?.end, externals: externalIds(record),
    // Both languages, so that who types Vietnamese finds it on an English page too.
    heading: oneLine(`${title.vi}\n${title.en}\n${id}`),
    words: oneLine([id, title, description, ...keywords, owner, record.lineage, record.attribution].map(part => typeof part === 'object' ? `${part.vi}\n${part.en}` : part ?? '').join('\n')),
  }
}

/** Folded as searches fold; words that stand together have one space between them, fields a line break. */
const oneLine = (text: string) => fold(text).split('\n').map(line => line.trim().replace(/\s+/g, ' ')).join('\n')

/** Identifiers of the resource besides the record's own. */
export function externalIds({ uuid, type, id }: CatalogueRecord): { readonly scheme: string; readonly value: string }[] {
  return [uuid ? { scheme: 'uuid', value: uuid } : { scheme: type === 'coverage' ? 'coverage' : 'collection', value: id }]
}

async function conditionsOf(call: Call): Promise<RawBuilder<unknown>[]> {
  const { q, ids, type, externalIds: externals, datetime, bbox, 'bbox-crs': bboxCrs, filter, 'filter-lang': filterLang, 'filter-crs': filterCrs } = call.params
  const { view } = await itemsQuery({ ...call, params: { bbox, 'bbox-crs': bboxCrs, filter, 'filter-lang': filterLang, 'filter-crs': filterCrs } }, RECORDS)
  const interval = parseDatetime(datetime)
  return [
    ...(q ? [anyOf((q as string[]).map(term => oneLine(term)).filter(Boolean).map(term => sql`f.words like ${`%${escapeLike(term)}%`}`))] : []),
    ...(ids ? [sql`f.id = any(${ids}::text[])`] : []),
    ...(type ? [sql`f.type = any(${type}::text[])`] : []),
    ...(externals ? [anyOf((externals as string[]).map(externalIdSql))] : []),
    // What follows the present is open at both ends.
    ...(interval?.start ? [sql`(f.ends is null or f.ends >= ${interval.start}::timestamptz)`] : []),
    ...(interval?.end ? [sql`(f.starts is null or f.starts <= ${interval.end}::timestamptz)`] : []),
    ...(view.bbox ? [sql`${boxOf(view.bbox)}`] : []),
    ...(view.where ? [sql`${filterToSql(view.where, RECORDS, call.reader.clearance)}`] : []),
  ]
}

const anyOf = (options: readonly RawBuilder<unknown>[]) => options.length === 0 ? sql`true` : sql`(${sql.join(options, sql` or `)})`
const escapeLike = (text: string) => text.replace(/[\\%_]/g, '\\$&')

function boxOf({ box, srid }: NonNullable<Awaited<ReturnType<typeof itemsQuery>>['view']['bbox']>): RawBuilder<unknown> {
  if (srid === 4326) return boxSql('geom', box, 4326, true)
  const [west, south, east, north] = box
  return sql`st_intersects(f.geom, st_transform(st_makeenvelope(${west}::float8, ${south}::float8, ${east}::float8, ${north}::float8, 3857), 4326))`
}

/** `scheme:value`, `value`, or `scheme:`. */
function externalIdSql(text: string): RawBuilder<unknown> {
  const at = text.indexOf(':')
  const [scheme, value] = at < 0 ? [undefined, text] : [text.slice(0, at), text.slice(at + 1)]
  return sql`f.externals @> ${JSON.stringify([{ ...(scheme !== undefined && { scheme }), ...(value && { value }) }])}::jsonb`
}

/** As `sortby` says; else what the title tells of a search first, then by title. */
function orderOf({ params: { sortby, q } }: Call): RawBuilder<unknown>[] {
  if (sortby) return (sortby as string[]).flatMap(orderBy)
  const first = q?.map((term: string) => oneLine(term)).find(Boolean)
  return [...(first ? [sql`f.heading not like ${`%${escapeLike(first)}%`}`] : []), ...orderBy('+title')]
}

function orderBy(key: string): RawBuilder<unknown>[] {
  const [, sign, name] = /^([+-]?)(.*)$/s.exec(key.trim())!
  const sortable = SORTABLES.find(one => one.name === name)
  if (!sortable) {
    const near = nearMisses(name!, SORTABLES.map(one => one.name))
    throw badParameter('sortby', `Records cannot be sorted by “${name!.slice(0, 60)}”.${near.length ? ` Did you mean ${near.join(' or ')}?` : ''} They can by: ${SORTABLES.map(one => one.name).join(', ')}; a minus before it turns the order round.`)
  }
  const value = sql.ref(`${ROWS}.${name}`)
  const direction = sign === '-' ? sql`desc nulls last` : sql`asc nulls last`
  // Words as in a dictionary: without regard to case and diacritics first.
  return sortable.type === 'text' ? [sql`dothi.fold(${value}) ${direction}`, sql`${value} ${direction}`] : [sql`${value} ${direction}`]
}
