/** The rows of a tile, read through the store's one door for the reader who asks. */
import { sql, type RawBuilder } from 'kysely'
import type { BBox } from '../../core/bbox.js'
import type { Column, Layer } from '../../layers/layer.js'
import { hasAppearances, solidKeySql } from '../store/appearance.js'
import { visibleColumns } from '../store/rights.js'
import type { Reader, Row, Store } from '../store/store.js'
import type { TileJob } from './encode.js'
import type { PropertyColumn } from './glb.js'
import { groundUnder } from './ground.js'
import { looksOf } from './looks.js'
import type { TilesOf } from './layer-tiles.js'
import { prepareShapes } from './prepare.js'

/** What a tile is of. */
export interface TileRows {
  /** Its features, by a condition on the rows `v`. */
  readonly which: RawBuilder<unknown>
  /** Middle of its content, CRS84 degrees: positions are metres from here. */
  readonly centre: readonly [lon: number, lat: number]
}

/** The rows of a tile in the order of their ids, ready to be encoded elsewhere: equal tiles have equal bytes. */
export async function readRows(store: Store, of: TilesOf, { which, centre }: TileRows): Promise<TileJob> {
  const { layer, reader, branch, asOf } = of
  const shown = visibleColumns(layer, reader.clearance).filter(column => column.inTiles)
  const names = [...new Set([...shown, ...drawnColumns(layer, reader)].map(column => column.name))]
  const isDressed = layer.threeD?.form === 'extrude' && await hasAppearances(store, reader.clearance)
  const view = await store.view({ ...of, columns: names })
  const { rows } = await sql<Row>`
    select v.id, v.geom, v.solid, v.height, v.ground_z,
      st_xmin(v.geom) as west, st_ymin(v.geom) as south, st_xmax(v.geom) as east, st_ymax(v.geom) as north
      ${isDressed ? sql`, case when v.solid is not null then ${solidKeySql(sql`v.solid`)} end as solid_key` : sql``}
      ${sql.join([sql``, ...names.map(name => sql.ref(`v.${name}`))])}
    from ${view.as('v')} where ${which} and not st_isempty(v.geom) order by v.id
  `.execute(store.pool(reader.clearance))
  const ground = await groundUnder(store, rows.map(row => ({ box: boxOf(row), ground_z: row.ground_z as number | null })), { branch, asOf })
  const shapes = await prepareShapes(store, of, rows, ground)
  const looks = isDressed ? await looksOf(store, rows.map(row => ({ key: row.solid_key as string | null, size: sizeOf(row) })), reader.clearance) : undefined
  return {
    layer: layer.id, centre, geoidOffset: (await store.city()).geoidOffset,
    ids: Float64Array.from(rows, row => row.id as number),
    ground: Float64Array.from(ground, ({ level }) => level),
    columns: [
      { name: 'height', description: 'Height above the ground, metres', type: 'FLOAT64', values: rows.map(row => row.height as number | null) },
      ...shown.map(column => propertyColumn(column, rows)),
    ],
    shapes: shapes.form === 'extrude' && looks ? { ...shapes, looks } : shapes,
  }
}

/** Half the girth of a feature's box, near enough for a rank. */
const sizeOf = (row: Row) => 111_320 * ((row.east as number) - (row.west as number) + (row.north as number) - (row.south as number)) + ((row.height as number | null) ?? 0)

const boxOf = (row: Row): BBox => [row.west as number, row.south as number, row.east as number, row.north as number]

/** Columns that decide form, level or colour, as far as the reader may see them. */
function drawnColumns({ threeD, style, ...layer }: Layer, reader: Reader): readonly Column[] {
  const { form: _, levelOf: _of, walls, ...named } = threeD ?? { form: 'extrude' }
  const paints = [style.line, style.circle].flatMap(paint => (paint && typeof paint !== 'string' ? [paint.by] : []))
  const crown = layer.columns.filter(column => column.name.startsWith('crown')).map(column => column.name)
  const names = new Set([...Object.values(named), ...(walls ? [walls.by] : []), ...paints, ...crown])
  return visibleColumns({ threeD, style, ...layer }, reader.clearance).filter(column => names.has(column.name))
}

function propertyColumn({ name, title, unit, type }: Column, rows: readonly Row[]): PropertyColumn {
  const description = unit ? `${title.en}, ${unit}` : title.en
  switch (type) {
    case 'integer': case 'number': return { name, description, type: 'FLOAT64', values: rows.map(row => row[name] as number | null) }
    case 'boolean': return { name, description: `${description} (255: unknown)`, type: 'UINT8', noData: 255, values: rows.map(row => (row[name] === null ? 255 : Number(row[name]))) }
    default: return { name, description, type: 'STRING', values: rows.map(row => textOf(row[name])) }
  }
}

function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'string') return value
  return value instanceof Date ? value.toISOString() : JSON.stringify(value)
}
