/** The statement that reads features, and its rows as bytes → the text of the features. */
import { sql, type RawBuilder } from 'kysely'
import { CRS84, type Crs } from '../../../core/crs.js'
import { WkbCursor } from '../../../core/geometry/wkb-bytes.js'
import type { Column, ColumnType, Layer } from '../../../layers/layer.js'
import type { RowBytes } from '../../store/row-client.js'
import type { Place } from './cursor.js'
import { JsonBytes, ShapeWriter } from './json-bytes.js'
import { placeColumns, type SortKey } from './order.js'
import type { ItemsQuery } from './query.js'

/** JSON-FG has heights, other CRSs and times beside what GeoJSON knows. */
export type FeatureForm = 'geojson' | 'jsonfg'

/** How the place of a feature is told in JSON-FG, beside the outline in degrees. */
export type PlaceForm = 'none' | 'flat' | 'solid'

export function placeForm({ layer, crs, skipsGeometry }: ItemsQuery): PlaceForm {
  if (skipsGeometry) return 'none'
  return layer.threeD ? 'solid' : crs.uri === CRS84.uri ? 'none' : 'flat'
}

/** Has the layer outlines that stand for upright bodies between two levels? */
export const hasPrisms = ({ threeD }: Layer) => threeD?.form === 'extrude' && threeD.base === undefined

/** What is selected of the rows `v`: id, revision, time, outline, place, solid, the properties, and the keys of their order as text. */
export function featureColumns(query: ItemsQuery, form: FeatureForm = 'geojson'): RawBuilder<unknown> {
  const { layer, crs, properties, sort = [], skipsGeometry } = query
  const none = sql`null::geometry`
  const place = form === 'jsonfg' ? placeForm(query) : 'none'
  const solid = place === 'solid' ? (crs.srid === 4326 ? sql`v.solid` : sql`st_transform(v.solid, ${sql.lit(crs.srid)})`) : none
  return sql`v.id, v.revision, v.valid_from,
    ${skipsGeometry ? none : geometrySql(layer, form === 'jsonfg' ? CRS84 : crs)}, ${place === 'none' ? none : geometrySql(layer, crs)}, ${solid},
    ${place === 'solid' && hasPrisms(layer) ? sql`v.ground_z, v.ground_z + v.height` : sql`null::float8, null::float8`}
    ${sql.join(properties.map(({ name, type }) => sql`, ${sql.ref(`v.${name}`)}${type === 'json' ? sql`::jsonb` : sql``}`), sql``)}${placeColumns(sort)}`
}

/** In the CRS asked for; as delivered where that is its CRS. */
function geometrySql(layer: Layer, crs: Crs): RawBuilder<unknown> {
  const own = sql.ref('v.geom')
  if (crs.srid === 4326) return own
  if (crs.srid === layer.surveyed?.srid) return sql`coalesce(v.geom_native, st_transform(v.geom, ${sql.lit(crs.srid)}))`
  return crs.srid === 3857 ? sql.ref('v.geom_3857') : sql`st_transform(v.geom, ${sql.lit(crs.srid)})`
}

/** Where the columns begin that differ from query to query. */
const FIXED = 8

/** A DataRow message: its kind and length (5 bytes), a count of columns (int16), then each column as a length (int32, −1 is null) and its value. */
const HEAD = 5

/** One row that went by, in the text. */
export interface WrittenRow { readonly id: number; readonly revision: number; readonly at: Date | null; readonly start: number; readonly end: number }

export interface WriteOptions {
  readonly form?: FeatureForm
  /** Remembers where each feature stands in the text. */
  readonly keepsRows?: boolean
  readonly references?: References
}

/** How references to other features are written, where the reader sees their collections. */
export interface References { readonly style: 'uri' | 'link'; readonly collections: ReadonlySet<string>; /** Of `…/ogc/collections`. */ readonly base: string }

/**
 * Takes at most `most` rows as they come from the database and keeps their features as text, with a comma between. What cannot be read is thrown
 * by `finish`, since nothing may be thrown into the socket.
 */
export class FeatureWriter implements RowBytes {
  readonly out = new JsonBytes(1 << 18)
  count = 0
  /** More rows came than are wanted. */
  isOver = false
  readonly rows: WrittenRow[] = []
  #pending = new Uint8Array(1 << 16)
  #cursor = new WkbCursor(this.#pending)
  #length = 0
  #first: Place | undefined
  /** The message of the last row that was written. */
  #last: Uint8Array | undefined
  #fault: unknown
  readonly #form: FeatureForm
  readonly #keepsRows: boolean
  readonly #values: readonly ValueWriter[]
  readonly #outline: ShapeWriter
  readonly #place: ShapeWriter
  readonly #starts: readonly Uint8Array[]

  constructor(private readonly query: ItemsQuery, private readonly most: number, { form = 'geojson', keepsRows = false, references }: WriteOptions = {}) {
    const { crs, properties } = query
    const flat = { digits: crs.digits, flipped: crs.axes === 'lat,lon' }
    this.#place = new ShapeWriter(this.out, flat)
    this.#outline = form === 'jsonfg' ? new ShapeWriter(this.out, { digits: CRS84.digits, flipped: false }) : this.#place
    this.#form = form
    this.#keepsRows = keepsRows
    this.#values = properties.map((column) => (references && referenceWriter(column, references)) ?? VALUE_WRITERS[column.type])
    this.#starts = properties.map(({ name }, i) => Buffer.from(`${i > 0 ? ',' : ''}${JSON.stringify(name)}:`))
  }

  copy(from: Uint8Array, start: number, end: number): void {
    if (this.#fault !== undefined) return
    this.#append(from, start, end)
    let at = 0
    let last: readonly [start: number, end: number] | undefined
    try {
      for (let behind; this.#length - at >= HEAD && (behind = at + 1 + this.#cursor.view.getUint32(at + 1)) <= this.#length; at = behind) {
        if (this.count === this.most) {
          this.isOver = true
          continue
        }
        this.#row(at, behind)
        last = [at, behind]
      }
    } catch (fault) {
      this.#fault = fault
    }
    if (last) this.#last = this.#pending.slice(...last)
    this.#pending.copyWithin(0, at, this.#length)
    this.#length -= at
  }

  /** The places of the first and last row. */
  finish(): { readonly first: Place | undefined; readonly last: Place | undefined } {
    if (this.#fault !== undefined) throw this.#fault
    return { first: this.#first, last: this.#last && this.#placeIn(this.#last) }
  }

  #append(from: Uint8Array, start: number, end: number): void {
    const size = this.#length + end - start
    if (size > this.#pending.length) {
      const larger = new Uint8Array(Math.max(size, this.#pending.length * 2))
      larger.set(this.#pending.subarray(0, this.#length))
      this.#pending = larger
      this.#cursor = new WkbCursor(larger)
    }
    this.#pending.set(from.subarray(start, end), this.#length)
    this.#length = size
  }

  #row(at: number, end: number): void {
    const { out } = this
    if (this.count > 0) out.raw(BETWEEN)
    const start = out.length
    this.#feature(at + HEAD + 2)
    if (this.#keepsRows) {
      const { view } = this.#cursor
      const id = at + HEAD + 2
      const revision = next(view, id)
      const time = next(view, revision)
      this.rows.push({ id: int8(view, id + 4), revision: int8(view, revision + 4), at: view.getInt32(time) < 0 ? null : new Date(instantOf(view, time + 4)), start, end: out.length })
    }
    if (this.count++ === 0) this.#first = this.#placeIn(this.#pending.subarray(at, end))
  }

  #feature(id: number): void {
    const { out } = this
    const wkb = this.#cursor
    const { view } = wkb
    const time = next(view, next(view, id))
    const outline = next(view, time)
    const place = next(view, outline)
    const solid = next(view, place)
    const lower = next(view, solid)
    const upper = next(view, lower)
    out.raw(FEATURE)
    out.integer(int8(view, id + 4))
    if (this.#form === 'jsonfg') this.#jsonfg(time, place, solid, lower, upper)
    out.raw(GEOMETRY)
    this.#shape(this.#outline, outline)
    out.raw(PROPERTIES)
    let at = next(view, upper)
    for (let i = 0; i < this.#values.length; i++) {
      out.raw(this.#starts[i]!)
      const length = view.getInt32(at)
      if (length < 0) out.null()
      else this.#values[i]!(out, this.#pending, view, at + 4, at + 4 + length)
      at = next(view, at)
    }
    out.raw(END)
  }

  #jsonfg(time: number, place: number, solid: number, lower: number, upper: number): void {
    const { out } = this
    const { view } = this.#cursor
    out.raw(TIME)
    if (view.getInt32(time) < 0) out.null()
    else {
      out.raw(INTERVAL)
      VALUE_WRITERS.timestamp(out, this.#pending, view, time + 4, time + 12)
      out.raw(OPEN_END)
    }
    out.raw(PLACE)
    const isFlat = placeForm(this.query) === 'flat'
    const isPrism = view.getInt32(lower) >= 0 && view.getInt32(upper) >= 0 && view.getInt32(place) >= 0 && view.getFloat64(upper + 4) >= view.getFloat64(lower + 4)
    if (view.getInt32(solid) >= 0) this.#shape(this.#place, solid)
    else if (isFlat) this.#shape(this.#place, place)
    else if (isPrism) {
      out.raw(PRISM)
      this.#shape(this.#place, place)
      out.raw(LOWER)
      out.fixed(view.getFloat64(lower + 4), 3)
      out.raw(UPPER)
      out.fixed(view.getFloat64(upper + 4), 3)
      out.raw(PRISM_END)
    } else out.null()
  }

  #shape(writer: ShapeWriter, at: number): void {
    if (this.#cursor.view.getInt32(at) < 0) return this.out.null()
    this.#cursor.at = at + 4
    writer.write(this.#cursor)
  }

  #placeIn(bytes: Uint8Array): Place {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let at = HEAD + 2
    const id = int8(view, at + 4)
    for (let column = 0; column < FIXED + this.query.properties.length; column++) at = next(view, at)
    const values = (this.query.sort ?? []).map((_: SortKey) => {
      const length = view.getInt32(at)
      const value = length < 0 ? null : Buffer.from(bytes.buffer, bytes.byteOffset + at + 4, length).toString()
      at = next(view, at)
      return value
    })
    return { id, values }
  }
}

const [BETWEEN, FEATURE, GEOMETRY, PROPERTIES, END] = [',\n', '{"type":"Feature","id":', ',"geometry":', ',"properties":{', '}}'].map((text) => Buffer.from(text)) as [Buffer, Buffer, Buffer, Buffer, Buffer]
const [TIME, INTERVAL, OPEN_END, PLACE] = [',"time":', '{"interval":[', ',".."]}', ',"place":'].map((text) => Buffer.from(text)) as [Buffer, Buffer, Buffer, Buffer]
const [PRISM, LOWER, UPPER, PRISM_END] = ['{"type":"Prism","base":', ',"lower":', ',"upper":', '}'].map((text) => Buffer.from(text)) as [Buffer, Buffer, Buffer, Buffer]

/** Where the next column begins. */
const next = (view: DataView, at: number) => at + 4 + Math.max(0, view.getInt32(at))
const int8 = (view: DataView, at: number) => view.getInt32(at) * 2 ** 32 + view.getUint32(at + 4)

/** PostgreSQL counts from 2000: microseconds of a timestamp, days of a date. */
const EPOCH_MS = Date.UTC(2000, 0, 1)
const DAY_MS = 86_400_000
const instantOf = (view: DataView, at: number) => EPOCH_MS + Math.floor(int8(view, at) / 1000)

type ValueWriter = (out: JsonBytes, bytes: Uint8Array, view: DataView, start: number, end: number) => void

const VALUE_WRITERS: Readonly<Record<ColumnType, ValueWriter>> = {
  text: (out, bytes, _view, start, end) => out.text(bytes, start, end),
  integer: (out, _bytes, view, start) => out.integer(int8(view, start)),
  number: (out, _bytes, view, start) => out.number(view.getFloat64(start)),
  boolean: (out, bytes, _view, start) => out.raw(bytes[start] === 1 ? TRUE : FALSE),
  date: (out, _bytes, view, start) => out.raw(dateText(view.getInt32(start))),
  timestamp: (out, _bytes, view, start) => out.raw(timestampText(view, start)),
  // The first byte is the version of the format.
  json: (out, bytes, _view, start, end) => out.raw(bytes, start + 1, end),
}

/** A URI in place of the key; undefined for what is no reference, or to nothing that the reader sees. */
function referenceWriter({ references: target, type }: Column, { style, collections, base }: References): ValueWriter | undefined {
  if (!target || !collections.has(target.collection) || (type !== 'text' && type !== 'integer')) return undefined
  const items = `${base}/${target.collection}/items${target.by === undefined ? '/' : `?${target.by}=`}`
  return (out, bytes, view, start, end) => {
    const key = type === 'integer' ? String(int8(view, start)) : Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString()
    const href = items + encodeURIComponent(key)
    out.raw(Buffer.from(JSON.stringify(style === 'uri' ? href : { href, title: key })))
  }
}

const TRUE = Buffer.from('true')
const FALSE = Buffer.from('false')

/** Dates and times stand for many rows together: the texts of those that came last are kept. */
const dates = new Map<number, Buffer>()
function dateText(days: number): Buffer {
  const known = dates.get(days)
  if (known) return known
  if (dates.size > 5000) dates.clear()
  const time = EPOCH_MS + days * DAY_MS
  const text = Buffer.from(Math.abs(time) <= MOST_MS ? `"${new Date(time).toISOString().replace(/T.*/, '')}"` : days < 0 ? '"-infinity"' : '"infinity"')
  dates.set(days, text)
  return text
}
/** The last instant of ECMAScript. */
const MOST_MS = 8.64e15

let lastTime = { high: 0, low: 0, text: Buffer.from('"2000-01-01T00:00:00Z"') }
function timestampText(view: DataView, at: number): Buffer {
  const [high, low] = [view.getInt32(at), view.getUint32(at + 4)]
  if (lastTime.high === high && lastTime.low === low) return lastTime.text
  const micros = int8(view, at)
  const second = Math.floor(micros / 1e6)
  const time = EPOCH_MS + second * 1000
  const part = micros - second * 1e6
  const text = Math.abs(time) > MOST_MS ? (micros < 0 ? '-infinity' : 'infinity')
    : `${new Date(time).toISOString().slice(0, -5)}${part > 0 ? `.${String(part).padStart(6, '0').replace(/0+$/, '')}` : ''}Z`
  lastTime = { high, low, text: Buffer.from(`"${text}"`) }
  return lastTime.text
}

