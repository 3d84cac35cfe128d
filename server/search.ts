/** One box for everything a person may type: a name, an address, a sheet and parcel, an id, a position. */
import { sql, type RawBuilder } from 'kysely'
import { grow, intersects, union, type BBox } from '../core/bbox.js'
import { fold } from '../core/text.js'
import type { Column, Layer } from '../layers/layer.js'
import type { Call } from './operations/operation.js'
import { visibleColumns } from './store/rights.js'

export interface SearchResult {
  /** Collection and feature id; null for a position. */
  readonly layer: string | null
  readonly id: number | null
  readonly label: string
  readonly detail: string
  readonly center: readonly [lon: number, lat: number]
  readonly bbox: BBox
}

export interface SearchArgs extends Pick<Call, 'app' | 'reader' | 'branch'> { readonly layers: readonly Layer[]; readonly lang: 'vi' | 'en' }

/**
 * Best first. Diacritics and case do not matter: `duong nguyen van linh` finds Đường Nguyễn Văn Linh.
 * The words as typed come first; in any order only where that finds too little and takes not long.
 */
export async function search(args: SearchArgs, text: string, limit: number): Promise<readonly SearchResult[]> {
  const typed = text.normalize('NFC').trim().replace(/\s+/g, ' ')
  if (typed === '') return []
  const position = await positionOf(args, typed)
  if (position) return [position]
  const found = await named(args, typed, limit)
  // No such house: the street is the next best answer.
  const street = /^(?:số |so |k)?\d[\w/-]*\s+(.*\p{L}.*)$/iu.exec(typed)?.[1]
  return found.length === 0 && street && !parcelOf(typed) ? named(args, street, limit) : found
}

async function named(args: SearchArgs, typed: string, limit: number): Promise<readonly SearchResult[]> {
  const exact = (await Promise.all(args.layers.map((layer) => exactHits(args, layer, typed, limit)))).flat()
  const asTyped = await hits(args, [...exact, ...(await nameHits(args, typed, [fold(typed)]))], limit)
  const words = fold(typed).split(' ')
  const inAnyOrder = asTyped.length >= limit || words.length < 2 ? [] : await hits(args, await nameHits(args, typed, words), limit).catch(tooSlow)
  return oncePerStreet(args, distinct([...asTyped, ...inAnyOrder])).slice(0, limit).map((hit) => resultOf(hit, args))
}

/** Common words that never meet in one name make the index useless: then the words as typed must do. */
function tooSlow(error: { code?: string }): readonly Hit[] {
  if (error.code === '57014') return []
  throw error
}

const TIMEOUT_MS = 2500

async function hits({ app, reader }: SearchArgs, parts: readonly RawBuilder<Hit>[], limit: number): Promise<readonly Hit[]> {
  if (parts.length === 0) return []
  const query = sql<Hit>`
    select h.layer, h.id, h.label, h.found, st_x(p.at) as x, st_y(p.at) as y, st_xmin(h.geom) as west, st_ymin(h.geom) as south, st_xmax(h.geom) as east, st_ymax(h.geom) as north
    from (select * from (${sql.join(parts.map((part) => sql`(${part})`), sql` union all `)}) as parts order by rank, length(label), id limit ${limit * 8}) as h
    cross join lateral (select st_pointonsurface(h.geom) as at) as p
    where h.geom is not null order by h.rank, length(h.label), h.id`
  return app.store.pool(reader.clearance).transaction().execute(async (tx) => {
    await sql.raw(`set local statement_timeout = ${TIMEOUT_MS}`).execute(tx)
    return (await query.execute(tx)).rows
  })
}

interface Hit {
  readonly layer: string; readonly id: number; readonly label: string; readonly found: string
  readonly x: number; readonly y: number; readonly west: number; readonly south: number; readonly east: number; readonly north: number
}

function resultOf(hit: Hit, { layers, lang }: SearchArgs): SearchResult {
  const layer = layers.find(({ id }) => id === hit.layer)!
  return {
    layer: hit.layer, id: hit.id, label: hit.label, detail: [layer.title[lang], ...(hit.found !== hit.label ? [hit.found] : [])].join(' · '),
    center: [round(hit.x), round(hit.y)], bbox: [round(hit.west), round(hit.south), round(hit.east), round(hit.north)],
  }
}

function distinct(rows: readonly Hit[]): Hit[] {
  const seen = new Set<string>()
  return rows.filter(({ layer, id }) => !seen.has(`${layer}/${id}`) && seen.add(`${layer}/${id}`))
}

/** A street is many segments: those of one name that lie together are one answer. */
function oncePerStreet({ layers }: SearchArgs, hits: readonly Hit[]): readonly Hit[] {
  const isLine = new Set(layers.filter(({ geometry }) => geometry === 'line').map(({ id }) => id))
  const kept: Hit[] = []
  for (const hit of hits) {
    const i = isLine.has(hit.layer) ? kept.findIndex((other) => other.layer === hit.layer && other.label === hit.label && intersects(grow(boxOf(other), 0.01), boxOf(hit))) : -1
    if (i < 0) { kept.push(hit); continue }
    const [west, south, east, north] = union(boxOf(kept[i]!), boxOf(hit))!
    kept[i] = { ...kept[i]!, west, south, east, north }
  }
  return kept
}

const boxOf = ({ west, south, east, north }: Hit): BBox => [west, south, east, north]

/** What people look for most comes first among equals: places, then streets, then the rest. */
const GROUP_WEIGHT: Readonly<Partial<Record<Layer['group'], number>>> = { administration: 0, transport: 0.1, services: 0.15, buildings: 0.2, water: 0.25, land: 0.3 }

/** Of a common name only so many are ranked: a city has more houses in “Nguyễn …” streets than anybody will read. */
const CANDIDATES = 400

/** Per layer the rows in whose searchable columns all of `words` (folded) stand. */
async function nameHits(args: SearchArgs, typed: string, words: readonly string[]): Promise<readonly RawBuilder<Hit>[]> {
  return Promise.all(args.layers.flatMap((layer) => {
    const visible = visibleColumns(layer, args.reader.clearance)
    const columns = (layer.searchable ?? []).map((name) => visible.find((column) => column.name === name))
      .filter((column): column is Column => column !== undefined && (column.type === 'text' || /^\d{1,15}$/.test(typed)))
    return columns.length === 0 ? [] : [layerHits(args, layer, visible, columns, typed, words)]
  }))
}

/**
 * Rank: 0 the whole text or its part before a comma, 1 its beginning, 2 the beginning of a word, 3 anywhere, 4 in another order; a little less where the
 * diacritics agree too, a little more for later columns and for layers that people look for less.
 */
async function layerHits(args: SearchArgs, layer: Layer, visible: readonly Column[], columns: readonly Column[], typed: string, words: readonly string[]): Promise<RawBuilder<Hit>> {
  const rows = await viewOf(args, layer, visible)
  const conditions = columns.map((column) => holds(column, typed, words))
  const texts = columns.map(({ name }, i) => sql`${sql.ref(`v.${name}`)}::text as ${sql.ref(`t${i}`)}, dothi.fold(${sql.ref(`v.${name}`)}::text) as ${sql.ref(`f${i}`)}`)
  const ranks = columns.map((_, i) => rank(i, escapeLike(fold(typed)), escapeLike(typed.toLowerCase()), words))
  const best = sql`least(${sql.join(ranks)})`
  const found = sql`case ${sql.join(ranks.map((own, i) => sql`when ${own} = ${best} then ${sql.ref(`t${i}`)}`), sql` `)} end`
  return sql<Hit>`
    select ${layer.id}::text as layer, c.id, coalesce(c.label, ${found}) as label, ${found} as found, ${best} + ${GROUP_WEIGHT[layer.group] ?? 0.4}::float8 as rank, c.geom
    from (select v.id, v.geom, ${labelSql(layer, visible)} as label, ${sql.join(texts)}
      from ${rows} as v where ${sql.join(conditions, sql` or `)} limit ${CANDIDATES}) as c
    order by rank, length(coalesce(c.label, '')), c.id limit 100`
}

function holds(column: Column, typed: string, words: readonly string[]): RawBuilder<unknown> {
  if (column.type !== 'text') return sql`${sql.ref(`v.${column.name}`)} = ${Number(typed)}::int8`
  const value = sql`dothi.fold(${sql.ref(`v.${column.name}`)})`
  // Two letters are inside half of all names: there only beginnings of words count.
  return sql`(${sql.join(words.map((word) => (word.length < 3 && words.length === 1
    ? sql`(${value} like ${`${escapeLike(word)}%`} or ${value} like ${`% ${escapeLike(word)}%`})`
    : sql`${value} like ${`%${escapeLike(word)}%`}`)), sql` and `)})`
}

function rank(i: number, folded: string, lower: string, words: readonly string[]): RawBuilder<unknown> {
  const value = sql.ref(`f${i}`)
  const anyOrder = sql`(${sql.join(words.map((word) => sql`${value} like ${`%${escapeLike(word)}%`}`), sql` and `)})`
  return sql`(case when ${value} like ${folded} or ${value} like ${`${folded},%`} then 0 when ${value} like ${`${folded}%`} then 1 when ${value} like ${`% ${folded}%`} then 2
    when ${value} like ${`%${folded}%`} then 3 when ${anyOrder} then 4 else 9 end
    + ${i * 0.05}::float8 - case when lower(${sql.ref(`t${i}`)}) like ${`%${lower}%`} then 0.5 else 0 end)`
}

/** Sheet and parcel of `12/345`, `tờ 12 thửa 345`, `Tờ số 12, thửa đất số 345`. */
function parcelOf(typed: string): RegExpExecArray | null {
  return /^(?:(?:to|sheet)\s*(?:so\s*)?)?(\d{1,5})\s*(?:[/,;-]|\s)\s*(?:(?:thua|parcel)\s*(?:dat\s*)?(?:so\s*)?)?(\d{1,6})$/.exec(fold(typed))
}

/** A sheet and parcel, or an id: what can only mean one thing. */
async function exactHits(args: SearchArgs, layer: Layer, typed: string, limit: number): Promise<RawBuilder<Hit>[]> {
  const parcel = parcelOf(typed)
  return [
    ...(parcel ? await parcelHits(args, layer, parcel[1]!, parcel[2]!, limit) : []),
    ...(/^\d{1,16}$/.test(typed) ? [await idHit(args, layer, Number(typed))] : []),
  ]
}

/** `12/345`, `tờ 12 thửa 345`: sheet and parcel, in layers that have both. */
async function parcelHits(args: SearchArgs, layer: Layer, sheet: string, parcel: string, limit: number): Promise<RawBuilder<Hit>[]> {
  const visible = visibleColumns(layer, args.reader.clearance)
  if (!['so_to', 'so_thua'].every((name) => visible.some((column) => column.name === name))) return []
  const rows = await viewOf(args, layer, visible)
  const equals = (name: string, value: string) => {
    const isText = visible.find((column) => column.name === name)!.type === 'text'
    return isText ? sql`${sql.ref(`v.${name}`)} = ${value}` : sql`${sql.ref(`v.${name}`)} = ${Number(value)}::int8`
  }
  const found = args.lang === 'vi' ? `tờ ${sheet} thửa ${parcel}` : `sheet ${sheet} parcel ${parcel}`
  return [hitSelect(layer, visible, rows, sql`${equals('so_to', sheet)} and ${equals('so_thua', parcel)}`, sql`-1::float8`, sql`${found}::text`, limit)]
}

async function idHit(args: SearchArgs, layer: Layer, id: number): Promise<RawBuilder<Hit>> {
  const visible = visibleColumns(layer, args.reader.clearance)
  return hitSelect(layer, visible, await viewOf(args, layer, visible), sql`v.id = ${Number.isSafeInteger(id) ? id : -1}::int8`, sql`-0.5::float8`, sql`${`id ${id}`}::text`, 1)
}

function viewOf({ app, reader, branch }: SearchArgs, layer: Layer, visible: readonly Column[]) {
  const needed = new Set([...(layer.searchable ?? []), layer.label, 'so_to', 'so_thua'])
  return app.store.view({ layer, branch, asOf: 'now', reader, columns: visible.filter(({ name }) => needed.has(name)).map(({ name }) => name) })
}

function hitSelect(layer: Layer, visible: readonly Column[], rows: unknown, condition: RawBuilder<unknown>, rank: RawBuilder<unknown>, found: RawBuilder<unknown>, limit: number): RawBuilder<Hit> {
  return sql<Hit>`select ${layer.id}::text as layer, v.id, coalesce(${labelSql(layer, visible)}, ${found}) as label, ${found} as found, ${rank} as rank, v.geom
    from ${rows} as v where ${condition} order by v.id limit ${limit}`
}

function labelSql(layer: Layer, visible: readonly Column[]): RawBuilder<unknown> {
  return layer.label && visible.some(({ name }) => name === layer.label) ? sql`nullif(${sql.ref(`v.${layer.label}`)}::text, '')` : sql`null::text`
}

function escapeLike(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&')
}

/**
 * `16.06, 108.22` (latitude first, as maps show it), `108.22 16.06`, or easting and northing in the city's CRS in either order:
 * a northing of Viet Nam is above a million, an easting below.
 */
async function positionOf({ app, reader }: SearchArgs, typed: string): Promise<SearchResult | null> {
  const match = /^([NSEW]?)\s*(-?\d+(?:\.\d+)?)\s*°?\s*([NSEW]?)\s*[,;\s]\s*([NSEW]?)\s*(-?\d+(?:\.\d+)?)\s*°?\s*([NSEW]?)$/i.exec(typed)
  if (!match) return null
  const [a, b] = [Number(match[2]), Number(match[5])]
  const isDecimal = match[2]!.includes('.') || match[5]!.includes('.')
  if (Math.abs(a) <= 180 && Math.abs(b) <= 180 && isDecimal) {
    const lonFirst = Math.abs(a) > 90 || /[EW]/i.test(`${match[1]}${match[3]}`)
    const [lon, lat] = lonFirst ? [a, b] : [b, a]
    return Math.abs(lat) <= 90 ? at(lon, lat, 'WGS 84') : null
  }
  const [e, n] = a < b ? [a, b] : [b, a]
  if (e < 50_000 || e > 950_000 || n < 500_000 || n > 10_000_000) return null
  const { srid } = await app.store.city()
  const { rows } = await sql<{ x: number; y: number }>`
    select st_x(p) as x, st_y(p) as y from st_transform(st_setsrid(st_makepoint(${e}::float8, ${n}::float8), ${srid}::int), 4326) as p`.execute(app.store.pool(reader.clearance))
  return at(rows[0]!.x, rows[0]!.y, `EPSG:${srid} E ${e} N ${n}`)
}

function at(x: number, y: number, detail: string): SearchResult {
  const [lon, lat] = [round(x), round(y)]
  return { layer: null, id: null, label: `${lat.toFixed(6)}, ${lon.toFixed(6)}`, detail, center: [lon, lat], bbox: [lon, lat, lon, lat] }
}

const round = (degrees: number) => Math.round(degrees * 1e7) / 1e7
