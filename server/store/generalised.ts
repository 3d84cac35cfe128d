/**
 * The city from afar, for vector tiles of zoom 13 and above: what is prominent enough is itself, with its id;
 * the rest of a crowded layer stands there merged.
 */
import { sql } from 'kysely'
import { grow } from '../../core/bbox.js'
import { clip, readShape, rounded, type Shape } from '../../core/generalise/shape.js'
import { EXTENT, type TileFeature, type TileValue } from '../../core/mvt/feature.js'
import { tileBounds3857, type Tile } from '../../core/tile-matrix.js'
import type { Layer } from '../../layers/layer.js'
import { PROMINENT_M, hasProminence, prominenceSql } from './prominence.js'
import type { AsOf, Branch, Reader, Store } from './store.js'
import { attributesAmong, importanceSql, tileColumns, tileValueSql } from './tile-columns.js'
import { TILE_MARGIN } from './tile-revisions.js'

export interface GeneralisedRequest {
  readonly layer: Layer
  readonly branch: Branch
  readonly asOf: AsOf
  readonly reader: Reader
  readonly tile: Tile
  /** Attributes wanted, of those that travel in tiles; undefined: all of them. */
  readonly properties?: readonly string[]
}

export interface GeneralisedTile {
  /** From the ground up: what is merged before what is itself. */
  readonly features: readonly TileFeature[]
  /** There were more prominent features than a tile takes: only the most important are there as themselves. */
  readonly truncated: boolean
}

/** The deepest zoom with merged features; below it every feature is itself. */
export const GENERALISED_TO = 13
/** Layers with fewer features are drawn from their rows at every zoom. */
export const CROWDED = 5000
/** Features of a layer that are themselves in one of these tiles, at most. */
const CAP = 6000
/** Units between a line and what is left of it: an eighth of a pixel of a 256-pixel tile. */
const TOLERANCE = 2
const MARGIN = TILE_MARGIN * EXTENT

/** Whether tiles of a layer with so many features are made by generalisedFeatures at this zoom, and not from its rows. */
export function generalises(layer: Layer, count: number, z: number): boolean {
  return layer.kind === 'city' && layer.geometry !== 'any' && z <= GENERALISED_TO && count > CROWDED
}

/** The features of one layer in a tile, in tile units, as the reader may see them. Throws the door's Problems. */
export async function generalisedFeatures(store: Store, request: GeneralisedRequest): Promise<GeneralisedTile> {
  const { features, truncated } = hasProminence(request.layer) ? await prominentFeatures(store, request) : { features: [], truncated: false }
  return { features, truncated }
}

/** From how many metres on a feature is itself at a zoom: 1/128 of a tile, and what the index of prominent features holds. */
export function prominentAt(z: number): number {
  const [west, , east] = tileBounds3857({ z, x: 0, y: 0 })
  return Math.max(PROMINENT_M, (east - west) / 128)
}

async function prominentFeatures(store: Store, { layer, branch, asOf, reader, tile, properties }: GeneralisedRequest) {
  const box = tileBounds3857(tile)
  const size = box[2] - box[0]
  const columns = tileColumns(layer, reader, properties)
  const importance = importanceSql(layer, reader, 'v')
  const rows = await store.view({
    layer, branch, asOf, reader, bbox: { box: grow(box, size * TILE_MARGIN), srid: 3857 },
    columns: attributesAmong(layer, reader, [...columns.map(({ name }) => name), layer.importance ?? '']),
  })
  const found = await sql<{ id: number; SHAPE: Buffer | null } & Record<string, TileValue>>`
    select v.id as id, st_asbinary(st_simplify(v.geom_3857, ${sql.lit((size / EXTENT) * TOLERANCE)}, true), 'NDR') as "SHAPE"${sql.join(columns.map(column => sql`, ${tileValueSql(column, 'v')} as ${sql.ref(column.name)}`), sql``)}
    from ${rows} as v where ${prominenceSql(layer, 'v')} >= ${sql.lit(prominentAt(tile.z))}
    order by ${importance ? sql`${importance} desc nulls last, ` : sql``}v.id limit ${sql.lit(CAP + 1)}`.execute(store.pool(reader.clearance))
  const square = { west: box[0], north: box[3], unitsPerMetre: EXTENT / size }
  const features = found.rows.slice(0, CAP).flatMap((row): TileFeature[] => {
    const drawn = row.SHAPE ? drawnParts(readShape(row.SHAPE, square)) : []
    if (drawn.length === 0) return []
    return [{ id: row.id, kind: layer.geometry === 'line' ? 'line' : 'polygon', parts: drawn, properties: Object.fromEntries(columns.map(({ name }) => [name, row[name]!])) }]
  })
  return { features, truncated: found.rows.length > CAP }
}

function drawnParts(shape: Shape): Int32Array[] {
  return clip(shape, -MARGIN, EXTENT + MARGIN).parts.flatMap(part => rounded(shape.kind, part) ?? [])
}
