/** One tile of one or several layers, as one SQL statement. */
import { sql, type RawBuilder } from 'kysely'
import { grow } from '../../../core/bbox.js'
import { tileBounds3857, type Tile } from '../../../core/tile-matrix.js'
import type { Column, Layer } from '../../../layers/layer.js'
import { visibleColumns } from '../../store/rights.js'
import type { AsOf, Branch, Reader, Store } from '../../store/store.js'
import { TILE_MARGIN } from '../../store/tile-revisions.js'

export interface TileRequest {
  readonly layers: readonly Layer[]
  readonly tile: Tile
  readonly branch: Branch
  readonly asOf: AsOf
  readonly reader: Reader
  readonly run: string | undefined
  /** Attributes wanted, of those that travel in tiles; undefined: all of them. */
  readonly properties?: readonly string[]
}

export interface EncodedTile {
  /** Uncompressed; no bytes where there are no features. */
  readonly mvt: Uint8Array
  /** Layers of which only the most important features are in the tile. */
  readonly truncated: readonly string[]
}

export interface TileFlight {
  /** Stands as a comment before the tile's statements, so that they can be found and cancelled. */
  readonly tag: string
  /** True once nobody waits for the tile any more: nothing is begun for it then. */
  readonly isAbandoned: () => boolean
}

/** Makes a tile, from the rows that the reader may see. Rejects where it was abandoned. */
export async function makeTile(store: Store, request: TileRequest, { tag, isAbandoned }: TileFlight): Promise<EncodedTile> {
  const statement = await tileStatement(store, request, tag)
  const row = await store.pool(request.reader.clearance).connection().execute(async (connection) => {
    // Who left while the tile stood in the queue for a connection costs nothing.
    if (isAbandoned()) throw new Error('Nobody waits for this tile any more')
    return (await statement.execute(connection)).rows[0]!
  })
  return { mvt: row.mvt, truncated: truncatedLayers(request.layers, row.counts) }
}

/** Units across a tile, and how far beyond its edge features are drawn, so that strokes do not break there. */
const EXTENT = 4096
const MARGIN = TILE_MARGIN * EXTENT
/** Features of a layer in a tile at most: more than a screen can tell apart, few enough for a phone. */
export const CAP = 20_000

/**
 * Margins meet the index in EPSG:3857, where every row has its twin; simplification comes before clipping.
 * `tag` marks the statement, so that it can be found and cancelled.
 */
export async function tileStatement(store: Store, request: TileRequest, tag: string): Promise<RawBuilder<{ mvt: Buffer; counts: number[] }>> {
  const parts = await Promise.all(request.layers.map((layer, i) => layerTile(store, layer, request, sql.ref(`picked${i}`))))
  return sql<{ mvt: Buffer; counts: number[] }>`${sql.raw(`/* ${tag} */`)}
    with ${sql.join(parts.map(({ name, picked }) => sql`${name} as materialized (${picked})`))}
    select ${sql.join(parts.map(({ mvt }) => mvt), sql` || `)} as mvt, array[${sql.join(parts.map(({ name }) => sql`(select count(*) from ${name})`))}]::int[] as counts`
}

/** Which layers had more than the cap. */
export function truncatedLayers(layers: readonly Layer[], counts: readonly number[]): string[] {
  return layers.filter((_, i) => counts[i]! > CAP).map(({ id }) => id)
}

async function layerTile(store: Store, layer: Layer, { tile, branch, asOf, reader, run, properties }: TileRequest, name: RawBuilder<unknown>) {
  const box = tileBounds3857(tile)
  const size = box[2] - box[0]
  const columns = tileColumns(layer, reader, properties)
  const importance = importanceSql(layer, reader)
  const attributes = new Set(layer.columns.map(({ name }) => name))
  const rows = await store.view({
    layer, branch, asOf, reader, run,
    bbox: { box: grow(box, size * TILE_MARGIN), srid: 3857 },
    columns: [...columns.map(({ name }) => name), ...(layer.importance ? [layer.importance] : [])].filter((name) => attributes.has(name) && visibleColumns(layer, reader.clearance).some((c) => c.name === name)),
  })
  const attributeSql = columns.map((column) => sql`, ${cast(column)} as ${sql.ref(column.name)}`)
  const picked = sql`
    select v.id, v.geom_3857 as shape${sql.join(attributeSql, sql``)}
    from ${rows} as v where ${visibleAt(layer, tile.z, size)}
    order by ${importance} v.id limit ${sql.lit(CAP + 1)}`
  const envelope = sql`st_tileenvelope(${sql.lit(tile.z)}, ${sql.lit(tile.x)}, ${sql.lit(tile.y)})`
  const mvt = sql`(select coalesce(st_asmvt(t, ${layer.id}, ${sql.lit(EXTENT)}, 'geom', 'id'), ''::bytea) from (
    select p.id${sql.join(columns.map(({ name }) => sql`, ${sql.ref(`p.${name}`)}`), sql``)},
      st_asmvtgeom(${simplified(layer, tile.z, size)}, ${envelope}, ${sql.lit(EXTENT)}, ${sql.lit(MARGIN)}, true) as geom
    from ${name} as p limit ${sql.lit(CAP)}) as t where t.geom is not null)`
  return { name, picked, mvt }
}

/** Attributes that travel in tiles, of those that the reader may see and, if named, wants. */
export function tileColumns(layer: Layer, reader: Pick<Reader, 'clearance'>, wanted?: readonly string[]): readonly Column[] {
  const height: Column[] = layer.threeD?.form === 'extrude' && layer.kind === 'city'
    ? [{ name: 'height', type: 'number', unit: 'm', title: { vi: 'Chiều cao', en: 'Height' } }] : []
  const all = [...visibleColumns(layer, reader.clearance).filter(({ inTiles }) => inTiles), ...height]
  return wanted ? all.filter(({ name }) => wanted.includes(name)) : all
}

/** MVT knows text, numbers and truth; the rest travels as text. */
function cast({ name, type }: Column): RawBuilder<unknown> {
  const column = sql.ref(`v.${name}`)
  if (type === 'date' || type === 'json') return sql`${column}::text`
  if (type === 'timestamp') return sql`to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`
  return column
}

function importanceSql(layer: Layer, reader: Reader): RawBuilder<unknown> {
  const { importance } = layer
  if (!importance) return sql``
  if (importance === 'area') return sql`st_area(v.geom_3857) desc,`
  if (importance === 'length') return sql`st_length(v.geom_3857) desc,`
  const known = importance === 'height' || importance === 'ground_z' ? layer.threeD !== undefined : visibleColumns(layer, reader.clearance).some(({ name }) => name === importance)
  return known ? sql`${sql.ref(`v.${importance}`)} desc nulls last,` : sql``
}

/** Below the last zoom, lines and areas smaller than half a pixel of a 512-pixel tile are left out. */
function visibleAt(layer: Layer, z: number, size: number): RawBuilder<unknown> {
  if (layer.geometry === 'point' || layer.geometry === 'any' || z >= layer.zoom.max) return sql`true`
  const g = sql.ref('v.geom_3857')
  return sql`(st_xmax(${g}) - st_xmin(${g}) + st_ymax(${g}) - st_ymin(${g})) > ${sql.lit(size / 512)}`
}

/** Vertices nearer than a quarter of a pixel to the line without them are left out, below the last zoom. */
function simplified(layer: Layer, z: number, size: number): RawBuilder<unknown> {
  const shape = sql.ref('p.shape')
  if (layer.geometry === 'point' || z >= layer.zoom.max) return shape
  return sql`st_simplify(${shape}, ${sql.lit((size / EXTENT) * 2)}, true)`
}
