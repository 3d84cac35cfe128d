/**
 * The one statement that reads all layers of a tile: a row a feature, with its layer's place in the request, its id, its geometry,
 * what it is ranked by, and its attributes. Layers share the columns of each type among them, so that they can stand under one another.
 */
import { createHash } from 'node:crypto'
import { sql, type RawBuilder } from 'kysely'
import { grow, type BBox } from '../../../core/bbox.js'
import { EXTENT } from '../../../core/mvt/feature.js'
import { around, boundsOf, type TileGrid } from '../../../core/tile-grid.js'
import type { Column, ColumnType, Layer } from '../../../layers/layer.js'
import type { RowQuery } from '../../store/row-client.js'
import type { Store } from '../../store/store.js'
import { attributesAmong, importanceSql, tileColumns, tileValueSql } from '../../store/tile-columns.js'
import { TILE_MARGIN } from '../../store/tile-revisions.js'
import type { TileRequest } from './mvt.js'

/** What a value is on the wire. */
export type SlotType = 'text' | 'integer' | 'number' | 'boolean'
const SLOT_TYPES: Readonly<Record<ColumnType, SlotType>> = {
  text: 'text', date: 'text', timestamp: 'text', json: 'text', integer: 'integer', number: 'number', boolean: 'boolean',
}
const SQL_TYPES: Readonly<Record<SlotType, string>> = { text: 'text', integer: 'int8', number: 'float8', boolean: 'bool' }

/** What stands in one of the shared columns, for one layer. */
export interface Slot { readonly name: string; readonly type: SlotType }

export interface LayerPlan {
  readonly layer: Layer
  /** By place; undefined where a column is not this layer's. */
  readonly slots: readonly (Slot | undefined)[]
  /** Units between a path and what is left of it, and box of the least thing drawn: all is kept at a layer's last zoom. */
  readonly tolerance: number
  readonly smallest: number
  /** Labels find their places in the order of features, and lines and points lie over one another: the most important come first. */
  readonly isOrdered: boolean
}

export interface TileQuery {
  readonly query: RowQuery
  readonly plans: readonly LayerPlan[]
}

/** Units: a quarter of a pixel of a 512-pixel tile, and half a pixel in width and height together. */
const TOLERANCE = EXTENT / 2048
const SMALLEST = EXTENT / 512
/** Bytes of a geometry from which it is worth simplifying before it is sent. */
const LARGE = 8000

/**
 * `all` takes rows as they come, up to `most` a layer; `ranked` only the most important, simplified and cut where they lie:
 * more work a row, but bounded by what is drawn and not by what is stored. Throws the door's Problems.
 */
export async function tileQuery(store: Store, request: TileRequest, layers: readonly Layer[], mode: 'all' | 'ranked', most: number): Promise<TileQuery> {
  const columns = layers.map((layer) => tileColumns(layer, request.reader, request.properties))
  const shared = sharedSlots(columns)
  const plans = layers.map((layer, i): LayerPlan => {
    const zoom = request.tile.z + request.grid.finer
    const isThinned = zoom < layer.zoom.max
    const isOrdered = layer.geometry !== 'polygon' || (layer.style.labelFrom ?? Infinity) <= zoom
    return { layer, slots: placed(columns[i]!, shared), tolerance: isThinned ? TOLERANCE : 0, smallest: isThinned ? SMALLEST : 0, isOrdered }
  })
  const parts = await Promise.all(plans.map((plan, i) => layerRows(store, request, plan, i, columns[i]!, shared, mode, most)))
  const statement = sql`/* tile */ ${parts.length === 1 ? parts[0]! : sql.join(parts.map((part) => sql`(${part})`), sql` union all `)}`
  const { sql: text, parameters } = statement.compile(store.pool(request.reader.clearance))
  return { query: { text, values: parameters, name: statementName(text) }, plans }
}

/** As many columns of each type as the layer with the most of them needs. */
function sharedSlots(columns: readonly (readonly Column[])[]): readonly SlotType[] {
  return Object.keys(SQL_TYPES).flatMap((type) => {
    const most = Math.max(0, ...columns.map((own) => own.filter((column) => SLOT_TYPES[column.type] === type).length))
    return Array<SlotType>(most).fill(type as SlotType)
  })
}

function placed(columns: readonly Column[], shared: readonly SlotType[]): readonly (Slot | undefined)[] {
  const waiting = [...columns]
  return shared.map((type) => {
    const next = waiting.findIndex((column) => SLOT_TYPES[column.type] === type)
    return next < 0 ? undefined : { name: waiting.splice(next, 1)[0]!.name, type }
  })
}

async function layerRows(
  store: Store, { grid, tile, branch, asOf, reader, run }: TileRequest, { layer, slots, tolerance }: LayerPlan, place: number,
  columns: readonly Column[], shared: readonly SlotType[], mode: 'all' | 'ranked', most: number,
): Promise<RawBuilder<unknown>> {
  const box = boundsOf(grid, tile)
  const size = box[2] - box[0]
  const reach = grow(box, size * TILE_MARGIN)
  const rows = await store.view({
    layer, branch, asOf, reader, run, bbox: indexBox(grid, reach),
    columns: attributesAmong(layer, reader, [...columns.map(({ name }) => name), layer.importance ?? '']),
  })
  const value = (slot: Slot | undefined, type: SlotType) => {
    const column = slot && columns.find(({ name }) => name === slot.name)
    return sql`, ${column ? tileValueSql(column, 'v') : sql`null`}::${sql.raw(SQL_TYPES[type])}`
  }
  const shape = shapeIn(grid)
  const units = sql`${(tolerance * size) / EXTENT}::float8`
  const importance = importanceSql(layer, reader, 'v')
  const isMeasured = layer.importance === 'area' || layer.importance === 'length'
  const select = (geometry: RawBuilder<unknown>, rank: RawBuilder<unknown>) =>
    sql`select ${sql.lit(place)}::int4, v.id, ${geometry}, ${rank}::float8${sql.join(slots.map((slot, i) => value(slot, shared[i]!)), sql``)} from ${rows} as v`
  if (mode === 'ranked') {
    const cut = sql`st_clipbybox2d(${layer.geometry === 'point' ? shape : sql`st_simplify(${shape}, ${units}, true)`}, st_makeenvelope(${sql.join(reach.map((side) => sql`${side}::float8`))}, ${sql.lit(grid.srid)}))`
    return sql`${select(cut, importance ?? sql`null`)} order by ${importance ? sql`${importance} desc nulls last, ` : sql``}v.id limit ${sql.lit(most)}`
  }
  // A drawn area or length is measured where it is drawn.
  const rank = importance && !isMeasured ? importance : sql`null`
  const light = tolerance > 0 && layer.geometry !== 'point'
    ? sql`case when pg_column_size(v.geom_3857) > ${sql.lit(LARGE)} then st_simplify(${shape}, ${units}, true) else ${shape} end` : shape
  return sql`${select(light, rank)} limit ${sql.lit(most)}`
}

/** The geometry in the grid's CRS: two are stored. */
function shapeIn({ srid }: TileGrid): RawBuilder<unknown> {
  if (srid === 3857) return sql`v.geom_3857`
  return srid === 4326 ? sql`v.geom` : sql`st_transform(v.geom, ${sql.lit(srid)})`
}

/** The box to look rows up by, in the CRS of one of the two indexes. */
function indexBox({ srid, toLonLat }: TileGrid, box: BBox): { readonly box: BBox; readonly srid: 4326 | 3857 } {
  return srid === 3857 ? { box, srid } : { box: around(box, toLonLat), srid: 4326 }
}

const names = new Map<string, string>()
/** A connection keeps what it has prepared: requests can differ in more ways than that should hold, and the later ones go without. */
const MOST_NAMES = 300

function statementName(text: string): string | undefined {
  const known = names.get(text)
  if (known !== undefined || names.size >= MOST_NAMES) return known
  const name = `tile_${createHash('sha1').update(text).digest('hex').slice(0, 20)}`
  names.set(text, name)
  return name
}
