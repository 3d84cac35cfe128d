/** The rows of a tile, read through the store's one door for the reader who asks. */
import { sql } from 'kysely'
import type { Column, Layer } from '../../layers/layer.js'
import { visibleColumns } from '../store/rights.js'
import type { Reader, Row, Store } from '../store/store.js'
import type { TileJob } from './encode.js'
import type { PropertyColumn } from './glb.js'
import { levelColumns, middle, type PlacedFeature, type TilesOf } from './layer-tiles.js'
import { prepareShapes } from './prepare.js'
import type { TileNode } from './tree.js'

/** The rows of a tile, ready to be encoded elsewhere. */
export async function readTile(store: Store, of: TilesOf, node: TileNode<PlacedFeature>): Promise<TileJob> {
  const { layer, reader } = of
  const shown = visibleColumns(layer, reader.clearance).filter(column => column.inTiles)
  const levels = levelColumns(layer, reader)
  const names = [...new Set([...shown, ...levels, ...paintColumns(layer, reader)].map(column => column.name))]
  const view = await store.view({ ...of, columns: names })
  const { rows } = await sql<Row>`
    select v.id, v.geom, v.solid, v.height ${sql.join([sql``, ...names.map(name => sql.ref(`v.${name}`))])}
    from ${view.as('v')} where v.id = any(${node.features.map(feature => feature.id)}::int8[])
  `.execute(store.pool(reader.clearance))
  // In the tree's order, whatever order the database found them in: equal tiles have equal bytes.
  const byId = new Map(rows.map(row => [row.id as number, row]))
  const features = node.features.filter(feature => byId.has(feature.id))
  const inOrder = features.map(feature => byId.get(feature.id)!)
  const { geoidOffset } = await store.city()
  return {
    layer: layer.id,
    centre: middle((node.content ?? node.bounds).box),
    geoidOffset,
    ids: Float64Array.from(features, feature => feature.id),
    ground: Float64Array.from(features, feature => feature.ground.level),
    columns: [{ name: 'height', description: 'Height above the ground, metres', type: 'FLOAT64', values: inOrder.map(row => row.height as number | null) }, ...shown.map(column => propertyColumn(column, inOrder))],
    shapes: await prepareShapes(store, of, inOrder, features.map(feature => feature.ground)),
  }
}

function paintColumns(layer: Layer, reader: Reader): readonly Column[] {
  const by = [layer.style.line, layer.style.circle].flatMap(paint => (paint && typeof paint !== 'string' ? [paint.by] : []))
  return visibleColumns(layer, reader.clearance).filter(column => by.includes(column.name))
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

