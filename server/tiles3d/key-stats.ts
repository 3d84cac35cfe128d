/** What stands at each tile key, summed up by the database: the rows themselves never come. */
import { sql, type Kysely, type RawBuilder, type SqlBool } from 'kysely'
import type { Layer } from '../../layers/layer.js'
import type { Database } from '../store/database.js'
import type { Store, View } from '../store/store.js'
import { keySql } from '../store/tile-keys.js'
import { SQUARE_ZOOM, terrainRanges, type HeightRange } from './terrain-range.js'
import { levelColumns, type TilesOf } from './layer-tiles.js'
import { levelsOf, reachM } from './level-sql.js'
import type { KeyStats, Stats } from './tree.js'

/** What the database knows of the features at a key; the terrain under them comes on top. */
export interface KeySums {
  readonly key: number
  readonly count: number
  readonly west: number
  readonly south: number
  readonly east: number
  readonly north: number
  readonly size: number
  readonly since: number
  /** Lowest and highest known level; null where all stand on the terrain. */
  readonly low: number | null
  readonly high: number | null
  /** The same above the terrain, of those that stand on it. */
  readonly above_low: number | null
  readonly above_high: number | null
  readonly squares?: readonly number[] | null
  /** Longest side of the boxes of those that stand on the terrain, degrees; null where none does. */
  readonly extent: number | null
}

/**
 * The sums of a view's rows by key; with `conditions`, of the rows that one of them holds for (no two hold for rows of one key).
 * `db` is the transaction whose state counts.
 */
export async function sumByKey(db: Kysely<Database>, of: TilesOf, view: View, hasTerrain: boolean, conditions: readonly RawBuilder<SqlBool>[] = [sql<SqlBool>`true`]): Promise<readonly KeySums[]> {
  const sums: KeySums[] = []
  for (const condition of conditions) for (const row of (await statsQuery(of, view, condition, hasTerrain).execute(db)).rows) sums.push(row)
  return sums
}

/** Sums with the terrain under what stands on it. */
export async function onGround(store: Store, of: TilesOf, sums: readonly KeySums[]): Promise<KeyStats> {
  const ground = await groundUnder(store, of, sums)
  return new Map(sums.map((row, i) => [row.key, statsOf(of.layer, row, ground[i]!)]))
}

const statsQuery = (of: TilesOf, view: View, condition: RawBuilder<SqlBool>, hasTerrain: boolean) => sql<KeySums>`
  select key, count(*)::int4 as count, min(west) as west, min(south) as south, max(east) as east, max(north) as north,
    max(sqrt(((east - west) * 111320 * cos(radians(south))) ^ 2 + ((north - south) * 110574) ^ 2 + tall ^ 2)) as size, max(revision) as since,
    min(least(low, ground + above_low)) as low, max(greatest(high, ground + above_high)) as high,
    min(above_low) filter (where ground is null) as above_low, max(above_high) filter (where ground is null) as above_high,
    ${hasTerrain ? sql`array_agg(distinct square) filter (where ground is null) as squares,` : sql``}
    max(greatest(east - west, north - south)) filter (where ground is null) as extent
  from (
    select ${keySql(of.layer, 'v')} as key, v.revision,
      st_xmin(v.geom) as west, st_ymin(v.geom) as south, st_xmax(v.geom) as east, st_ymax(v.geom) as north,
      ${hasTerrain ? sql.raw(`${squareText} as square,`) : sql``}
      ${levelsOf(of.layer, levelColumns(of.layer, of.reader), 'v')}
    from ${view.as('v')} where not st_isempty(v.geom) and ${condition} offset 0
  ) as row where key is not null group by key`

const squareText = `(dothi.grid_index_26((st_xmin(v.geom_3857) + st_xmax(v.geom_3857)) / 2) >> ${26 - SQUARE_ZOOM})::bigint << ${SQUARE_ZOOM}
  | (dothi.grid_index_26((st_ymin(v.geom_3857) + st_ymax(v.geom_3857)) / -2) >> ${26 - SQUARE_ZOOM})`

const SEA: HeightRange = { low: 0, high: 0 }

/** The terrain under each row's features that stand on it. */
async function groundUnder(store: Store, { branch, asOf }: TilesOf, rows: readonly KeySums[]): Promise<HeightRange[]> {
  const ground: HeightRange[] = rows.map(() => SEA)
  const draped = [...rows.keys()].filter(i => rows[i]!.squares?.length)
  if (draped.length === 0) return ground
  const ranges = await terrainRanges(store, { branch, asOf }, draped.map(i => ({ squares: rows[i]!.squares!, extent: rows[i]!.extent! })))
  draped.forEach((i, n) => { ground[i] = ranges[n]! })
  return ground
}

function statsOf(layer: Layer, { count, west, south, east, north, size, since, low, high, above_low: aboveLow, above_high: aboveHigh, extent }: KeySums, ground: HeightRange): Stats {
  const lowest = Math.min(low ?? Infinity, aboveLow === null ? Infinity : ground.low + aboveLow)
  const highest = Math.max(high ?? -Infinity, aboveHigh === null ? -Infinity : ground.high + aboveHigh)
  const reach = reachM(layer, Math.abs(highest - lowest))
  const [dLat, dLon] = [reach / 110_574, reach / (111_320 * Math.max(0.01, Math.cos((south * Math.PI) / 180)))]
  return {
    count, west: west - dLon, south: south - dLat, east: east + dLon, north: north + dLat,
    low: Math.min(lowest, highest), high: Math.max(lowest, highest), size, since, draped: extent !== null,
  }
}
