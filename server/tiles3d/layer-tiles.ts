/**
 * A layer as 3D tiles: the tree from one query, then each tile from the rows of its ids.
 * Every row comes through the store's one door, for the reader who asks.
 */
import { createHash } from 'node:crypto'
import { sql } from 'kysely'
import type { BBox } from '../../core/bbox.js'
import type { Tile } from '../../core/tile-matrix.js'
import type { Column, Layer } from '../../layers/layer.js'
import { visibleColumns } from '../store/rights.js'
import type { AsOf, Branch, Reader, Row, Store } from '../store/store.js'
import { extrusionOf, metresOf, valueOf } from './prepare.js'
import { heightsAt, terrainRevision } from '../terrain/terrain-store.js'
import { buildTree, tilesOf, type Placed, type TileNode } from './tree.js'

/** Which rows of which layer, for whom. */
export interface TilesOf {
  readonly layer: Layer
  readonly branch: Branch
  readonly asOf: AsOf
  readonly reader: Reader
  readonly run?: string
}

/** A feature's place, with what its rows alone do not say. */
export interface PlacedFeature extends Placed {
  /** The write that made its row. */
  readonly revision: number
  readonly ground: Ground
}

/** Orthometric metres under a feature. */
export interface Ground {
  /** The row's own level, else the terrain's in the middle, else 0. */
  readonly level: number
  /** Lowest and highest terrain around, where the row has no level of its own; else the level. */
  readonly low: number
  readonly high: number
}

export interface LayerTree {
  readonly root: TileNode<PlacedFeature> | null
  readonly tiles: ReadonlyMap<string, TileNode<PlacedFeature>>
  /** Hash of all that a tile's bytes follow from: equal where two trees have the same tile. */
  readonly hashes: ReadonlyMap<string, string>
  readonly count: number
}

export const tileName = ({ z, x, y }: Tile) => `${z}/${x}/${y}`

/** The last revision that changed what tiles show: of the rows, or of the ground they stand on. */
export async function tilesRevision(store: Store, { layer, branch, asOf }: TilesOf): Promise<number> {
  return Math.max(await store.layerRevision(layer, branch, asOf), await terrainRevision(store, { branch, asOf }))
}

/** One query over the layer: places, levels, sizes; then the quadtree in memory. */
export async function buildLayerTree(store: Store, of: TilesOf): Promise<LayerTree> {
  const { layer, reader } = of
  const levels = levelColumns(layer, reader)
  const view = await store.view({ ...of, columns: levels.map(column => column.name) })
  const { rows } = await sql<Row>`
    select v.id, v.revision, st_xmin(v.geom) as west, st_ymin(v.geom) as south, st_xmax(v.geom) as east, st_ymax(v.geom) as north,
      v.ground_z, v.height, st_zmin(v.solid) as solid_min, st_zmax(v.solid) as solid_max
      ${sql.join([sql``, ...levels.map(column => sql.ref(`v.${column.name}`))])}
    from ${view.as('v')} where not st_isempty(v.geom)
  `.execute(store.pool(reader.clearance))
  const ground = await groundOf(store, of, rows)
  const { geoidOffset } = await store.city()
  const features = rows.map((row, i) => place(layer, row, ground[i]!, geoidOffset))
  const root = buildTree(features)
  const tiles = new Map(root ? [...tilesOf(root)].filter(tile => tile.content).map(tile => [tileName(tile), tile]) : [])
  // Rows of a run carry no revision; draped lines follow the terrain.
  const beneath = layer.kind === 'run' ? await tilesRevision(store, of) : await terrainRevision(store, of)
  return { root, tiles, hashes: new Map([...tiles].map(([name, tile]) => [name, hashOf(tile, beneath)])), count: rows.length }
}

function hashOf({ features }: TileNode<PlacedFeature>, beneath: number): string {
  const numbers = Float64Array.from([beneath, ...features.flatMap(({ id, revision, ground }) => [id, revision, ground.level, ground.low, ground.high])])
  return createHash('sha256').update(new Uint8Array(numbers.buffer)).digest('base64url').slice(0, 22)
}

/** Columns that say how high a feature lies, as far as the reader may see them. */
export function levelColumns({ threeD, ...layer }: Layer, reader: Reader): readonly Column[] {
  const names = new Set([threeD?.diameter, threeD?.level, threeD?.levelTo, threeD?.cover, threeD?.base, threeD?.top, threeD?.storeys])
  return visibleColumns({ threeD, ...layer }, reader.clearance).filter(column => names.has(column.name))
}

/** Ground under rows: on slopes a footprint needs more than the level of its middle. */
async function groundOf(store: Store, { branch, asOf }: TilesOf, rows: readonly Row[]): Promise<Ground[]> {
  const open = rows.filter(row => row.ground_z === null)
  const heights = await heightsAt(store, open.flatMap(row => spread(boxOf(row))), { branch, asOf })
  let at = 0
  return rows.map(row => {
    if (row.ground_z !== null) return level(row.ground_z as number)
    const around = heights.subarray(at, at += SPREAD)
    const known = around.filter(h => h === h)
    return known.length === 0 ? level(0) : { level: around[0] === around[0] ? around[0]! : known[0]!, low: Math.min(...known), high: Math.max(...known) }
  })
}

const level = (z: number): Ground => ({ level: z, low: z, high: z })

const SPREAD = 5

/** The middle of a box, then four places towards its corners. */
function spread(box: BBox): [lon: number, lat: number][] {
  const [lon, lat] = middle(box)
  const [dx, dy] = [(box[2] - box[0]) * 0.35, (box[3] - box[1]) * 0.35]
  return [[lon, lat], [lon - dx, lat - dy], [lon + dx, lat - dy], [lon - dx, lat + dy], [lon + dx, lat + dy]]
}

function place(layer: Layer, row: Row, ground: Ground, geoidOffset: number): PlacedFeature {
  const box = boxOf(row)
  const [low, high] = heightRange(layer, row, ground)
  const [width, depth] = extentM(box)
  return {
    id: row.id as number, revision: row.revision as number, box, ground,
    minHeight: low + geoidOffset, maxHeight: high + geoidOffset,
    size: Math.hypot(width, depth, high - low),
  }
}

/** Lowest and highest orthometric level that a feature's mesh can reach. */
function heightRange(layer: Layer, row: Row, ground: Ground): [low: number, high: number] {
  const { threeD } = layer
  const height = row.height as number | null
  const levels = [threeD?.level, threeD?.levelTo].map(name => valueOf(row, name)).filter(level => level !== null)
  switch (threeD?.form) {
    case 'tube': {
      // Draped tubes follow ground that may rise and fall along them: a tenth of their length is steeper than streets are.
      const slack = 3 + 0.1 * Math.hypot(...extentM(boxOf(row))) + metresOf(layer, threeD.diameter, row, 0)
      const depth = valueOf(row, threeD.cover) ?? 1
      return [Math.min(...levels, ground.low - depth) - slack, Math.max(...levels, ground.high + (height ?? 0)) + slack]
    }
    case 'instance': return [Math.min(...levels, ground.level) - 1, Math.max(...levels, ground.level + (height ?? 10)) + 1]
    default: {
      const { base, top } = extrusionOf(layer, row, ground)
      return row.solid_min === null ? [base, top] : [Math.min(row.solid_min as number, ground.level), row.solid_max as number]
    }
  }
}

const boxOf = (row: Row): BBox => [row.west as number, row.south as number, row.east as number, row.north as number]
export const middle = ([west, south, east, north]: BBox): [number, number] => [(west + east) / 2, (south + north) / 2]

function extentM([west, south, east, north]: BBox): [width: number, depth: number] {
  return [(east - west) * 111_320 * Math.cos((south * Math.PI) / 180), (north - south) * 110_574]
}
