/** Which revision a tile stands on: kept by the change log (functions.ts), so that no geometry is read to know that a tile is the same. */
import { sql, type Kysely } from 'kysely'
import { grow } from '../../core/bbox.js'
import { CELL_ZOOM, cellOf, HALF_WORLD_M, tileBounds3857, type Tile } from '../../core/tile-matrix.js'
import type { Layer } from '../../layers/layer.js'
import type { Database } from './database.js'
import { branchesUnder, layerRevision } from './revisions.js'
import type { AsOf, Branch } from './store.js'
import type { TileMemory } from './tile-memory.js'
import { revisionAsOf } from './view.js'

/** How far beyond its edge a tile shows features, in parts of its size. */
export const TILE_MARGIN = 64 / 4096
/** Tiles are told one by one between these zooms; deeper ones by the tile above them. */
const COARSEST = CELL_ZOOM
const FINEST = 16
/** Above, a tile covers more z10 cells than are worth naming. */
const LAYERWIDE_BELOW = 6
const EVERYTHING = -1

/** See Store.tileRevisionsNow. */
export function tileRevisionsNow(memory: TileMemory, layers: readonly Layer[], branch: Branch, tile: Tile): number[] | undefined {
  if (!memory.isCurrent) return undefined
  const marks = tile.z < LAYERWIDE_BELOW ? undefined : marksOf(tile)
  const revisions: number[] = []
  for (const layer of layers) {
    const revision = layer.kind === 'city' ? revisionNow(memory, layer.id, branch, marks) : undefined
    if (revision === undefined) return undefined
    revisions.push(revision)
  }
  return revisions
}

/** The last revision of a city layer on a branch, and of what lies under it, from memory. */
function revisionNow(memory: TileMemory, layer: string, branch: Branch, marks: readonly number[] | undefined): number | undefined {
  const main = memory.revision(layer, 'main', marks)
  if (branch === 'main' || main === undefined) return main
  const own = memory.revision(layer, branch, marks)
  return own === undefined ? undefined : Math.max(main, own)
}

/** The same as layerRevision, from memory; undefined where only the database knows. */
export function layerRevisionNow(memory: TileMemory, layer: Layer, branch: Branch): number | undefined {
  return memory.isCurrent && layer.kind === 'city' ? revisionNow(memory, layer.id, branch, undefined) : undefined
}

/** See Store.tileRevisions. */
export async function tileRevisions(db: Kysely<Database>, layers: readonly Layer[], branch: Branch, tile: Tile, asOf: AsOf = 'now'): Promise<number[]> {
  const ids = layers.filter(layer => layer.kind === 'city').map(layer => layer.id)
  const ofCity = tile.z < LAYERWIDE_BELOW || ids.length === 0 ? new Map<string, number>() : await cityRevisions(db, ids, branch, tile, asOf)
  const layerwide = (layer: Layer) => layer.kind !== 'city' || tile.z < LAYERWIDE_BELOW
  return Promise.all(layers.map(layer => layerwide(layer) ? layerRevision(db, layer, branch, asOf) : ofCity.get(layer.id) ?? 0))
}

async function cityRevisions(db: Kysely<Database>, layers: readonly string[], branch: Branch, tile: Tile, asOf: AsOf): Promise<Map<string, number>> {
  const of = sql`layer = any(${layers}::text[]) and branch = any(${branchesUnder(branch)}::text[])`
  const revision = await revisionAsOf(db, asOf)
  const { rows } = await (revision === null
    ? sql<{ layer: string; revision: number }>`
        select layer, max(revision) as revision from dothi.tile_revisions where ${of} and tile = any(${marksOf(tile)}::int8[]) group by layer`
    : sql<{ layer: string; revision: number }>`
        select layer, max(revision) as revision from dothi.changes where ${of} and cells && ${[EVERYTHING, ...cellsOf(tile)]}::int[] and revision <= ${revision}::int8 group by layer`).execute(db)
  return new Map(rows.map(row => [row.layer, row.revision]))
}

/** The numbers under which the log tells of a tile: itself, what it lies in, everything. See touchedSql in functions.ts. */
function marksOf(tile: Tile): number[] {
  if (tile.z < COARSEST) return [EVERYTHING, ...cellsOf(tile), ...cellsOf(tile).map(cell => numberOf({ z: COARSEST, x: cell >> CELL_ZOOM, y: cell & (2 ** CELL_ZOOM - 1) }))]
  const own = ancestor(tile, Math.min(tile.z, FINEST))
  return [EVERYTHING, cellOf(ancestor(tile, COARSEST)), numberOf(own)]
}

const numberOf = ({ z, x, y }: Tile) => z * 2 ** 32 + x * 2 ** 16 + y

const ancestor = ({ z, x, y }: Tile, at: number): Tile => ({ z: at, x: Math.floor(x / 2 ** (z - at)), y: Math.floor(y / 2 ** (z - at)) })

/** The z10 cells that a tile and its margin reach. */
export function cellsOf(tile: Tile): number[] {
  const box = tileBounds3857(tile)
  const [west, south, east, north] = grow(box, (box[2] - box[0]) * TILE_MARGIN)
  const n = 2 ** CELL_ZOOM
  const index = (metres: number) => Math.max(0, Math.min(n - 1, Math.floor(((metres + HALF_WORLD_M) / (2 * HALF_WORLD_M)) * n)))
  const cells: number[] = []
  for (let x = index(west); x <= index(east); x++) for (let y = index(-north); y <= index(-south); y++) cells.push(cellOf({ z: CELL_ZOOM, x, y }))
  return cells
}
