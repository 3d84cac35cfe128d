/**
 * The ground as it stands on a branch: the stored terrain with its levees and earthworks cut in (works.ts).
 * Tiles, meshes, statistics and the flood's grid read it here, so that they all see the same ground.
 */
import type { BBox } from '../../core/bbox.js'
import { grow } from '../../core/bbox.js'
import { HALF_WORLD_M, lonLatAt, tileBounds3857, tileFraction, type Tile } from '../../core/tile-matrix.js'
import { GROUND_LAYERS } from '../../layers/earthworks.js'
import type { Store } from '../store/store.js'
import { pixelSizeM, TILE_SIZE, type Heights } from './height-tile.js'
import { gridPositions, heightsAt, terrainAtCells, terrainPixels, terrainRevision, type PixelWindow, type TerrainAt, type TerrainGridArgs } from './terrain-store.js'
import { cutInto, positionsBox, REACH_M, scaleAt, worksIn } from './works.js'

/** From this zoom on works are cut into tiles: above, a levee is narrower than half a pixel. */
export const WORKS_ZOOM = 12

/** Heights of a tile at its pixel centres: 256 × 256, row-major, north first; NaN where no terrain is stored. */
export function groundTile(store: Store, tile: Tile, at: TerrainAt = {}): Promise<Heights> {
  return groundPixels(store, { z: tile.z, x: tile.x * TILE_SIZE, y: tile.y * TILE_SIZE, cols: TILE_SIZE, rows: TILE_SIZE }, at)
}

/** Heights at the centres of a window's pixels, row-major, north first. `exact`: works in their own width, however large the pixels are. */
export async function groundPixels(store: Store, window: PixelWindow, at: TerrainAt & { readonly exact?: boolean } = {}): Promise<Heights> {
  const heights = await terrainPixels(store, window, at)
  if (window.z < WORKS_ZOOM && !at.exact) return heights
  const works = await worksIn(store, at, windowBox(window))
  if (works.length > 0) {
    const { x, y } = pixelPositions(window)
    cutInto(works, x, y, heights, { pixelM: at.exact ? 0 : pixelOf(window) })
  }
  return heights
}

/**
 * Heights at CRS84 positions, in their order, from the finest level or from that of `zoom`; exact: works have their own
 * width, unless each position stands for a pixel of `pixelM`.
 */
export async function groundAt(store: Store, positions: readonly (readonly [lon: number, lat: number])[], at: TerrainAt & { readonly zoom?: number; readonly pixelM?: number } = {}): Promise<Float32Array> {
  const heights = await heightsAt(store, positions, at)
  if ((at.zoom ?? WORKS_ZOOM) < WORKS_ZOOM - 2 || positions.length === 0) return heights
  const x = new Float64Array(positions.length)
  const y = new Float64Array(positions.length)
  positions.forEach(([lon, lat], i) => {
    const [fx, fy] = tileFraction(lon, lat, 0)
    x[i] = (fx - 0.5) * 2 * HALF_WORLD_M
    y[i] = (0.5 - fy) * 2 * HALF_WORLD_M
  })
  cutInto(await worksIn(store, at, positionsBox(x, y)!), x, y, heights, { pixelM: at.pixelM ?? 0 })
  return heights
}

/** Places in a cell of a flood's grid over which earthworks are averaged, along each side. */
const CELL_SAMPLES = 5

/**
 * Heights of a grid's cells, as `terrainGrid` has them, with earthworks cut in by their share of each cell.
 * Levees are left to who moves water: a line of cells at the crest, without the gaps that a mean would leave.
 */
export async function groundGrid(store: Store, grid: TerrainGridArgs): Promise<Float32Array> {
  const positions = await gridPositions(store, grid)
  const heights = await terrainAtCells(store, grid, positions)
  const { x, y } = positions
  for (let i = 0; i < x.length; i++) {
    x[i] = (x[i]! - 0.5) * 2 * HALF_WORLD_M
    y[i] = (0.5 - y[i]!) * 2 * HALF_WORLD_M
  }
  if (x.length > 0) cutInto(await worksIn(store, grid, positionsBox(x, y)!, ['earthworks']), x, y, heights, { pixelM: grid.cell, samples: CELL_SAMPLES })
  return heights
}

/** The last revision that can have changed a tile's ground: stored terrain anywhere, or works within reach of the tile. */
export async function groundRevision(store: Store, tile: Tile, at: TerrainAt = {}): Promise<number> {
  const { branch = 'main', asOf = 'now' } = at
  const layers = tile.z < WORKS_ZOOM ? [] : GROUND_LAYERS.flatMap(id => store.catalogue.find(id) ?? [])
  const revisions = layers.length === 0 ? [] : await Promise.all(tilesWithinReach(tile).map(near => store.tileRevisions(layers, branch, near, asOf)))
  return Math.max(await terrainRevision(store, at), ...revisions.flat())
}

/** The last revision that changed the ground anywhere. */
export async function latestGroundRevision(store: Store, at: TerrainAt = {}): Promise<number> {
  const layers = GROUND_LAYERS.flatMap(id => store.catalogue.find(id) ?? [])
  return Math.max(await terrainRevision(store, at), ...await Promise.all(layers.map(layer => store.layerRevision(layer, at.branch ?? 'main', at.asOf ?? 'now'))))
}

/** Zoom to which the change log tells tiles apart. */
const FINEST_DATED = 16

/** The tile, at the zoom of the change log, and those of its neighbours from which a levee's slope can reach into it. */
function tilesWithinReach(tile: Tile): readonly Tile[] {
  const z = Math.min(tile.z, FINEST_DATED)
  const box = tileBounds3857(tile)
  const [west, south, east, north] = grow(box, (REACH_M + pixelSizeM(tile.z, 0)) / scaleAt((box[1] + box[3]) / 2))
  const index = (metres: number) => Math.max(0, Math.min(2 ** z - 1, Math.floor(((metres + HALF_WORLD_M) / (2 * HALF_WORLD_M)) * 2 ** z)))
  const tiles: Tile[] = []
  for (let x = index(west); x <= index(east); x++) for (let y = index(-north); y <= index(-south); y++) tiles.push({ z, x, y })
  return tiles
}

/** Ground size of a window's pixels, metres. */
function pixelOf({ z, y, rows }: PixelWindow): number {
  return pixelSizeM(z, lonLatAt(0, (y + rows / 2) / TILE_SIZE, z)[1])
}

function windowBox({ z, x, y, cols, rows }: PixelWindow): BBox {
  const size = (2 * HALF_WORLD_M) / (TILE_SIZE * 2 ** z)
  return [x * size - HALF_WORLD_M, HALF_WORLD_M - (y + rows) * size, (x + cols) * size - HALF_WORLD_M, HALF_WORLD_M - y * size]
}

function pixelPositions({ z, x, y, cols, rows }: PixelWindow): { x: Float64Array; y: Float64Array } {
  const size = (2 * HALF_WORLD_M) / (TILE_SIZE * 2 ** z)
  const at = { x: new Float64Array(cols * rows), y: new Float64Array(cols * rows) }
  for (let row = 0, i = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++, i++) {
      at.x[i] = (x + col + 0.5) * size - HALF_WORLD_M
      at.y[i] = HALF_WORLD_M - (y + row + 0.5) * size
    }
  }
  return at
}
