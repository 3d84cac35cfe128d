/** The ground twice: Terrain-RGB pictures in one PMTiles archive, and quantized-mesh tiles in a folder for CesiumJS. */
import type { StaticArchive } from '../../core/static-manifest.js'
import { tileAt, tileBounds, type Tile } from '../../core/tile-matrix.js'
import { groundAt, groundRevision, groundTile } from '../terrain/ground.js'
import { pixelSizeM, TILE_SIZE } from '../terrain/height-tile.js'
import { heightsPng } from '../terrain/png.js'
import { MESH_CELLS, meshPositions, writeQuantizedMesh } from '../terrain/quantized-mesh.js'
import type { FileSet } from './file-set.js'
import { inParallel } from './parallel.js'
import type { Plan } from './plan.js'
import { walkPyramid } from './pyramid.js'
import { TileArchive, type ArchiveSummary } from './tile-archive.js'

/** Goes into every key: a new way to make tiles makes them all anew. */
const ENCODING = 1

export interface TerrainResult { readonly archive: StaticArchive | null; readonly summary: ArchiveSummary | undefined }

export async function writeTerrain(plan: Plan, onProgress: (share: number) => void): Promise<TerrainResult> {
  const { store, branch, moment, signal, folder, work, city: { city, terrain } } = plan
  if (!terrain) return { archive: null, summary: undefined }
  const path = 'terrain/rgb.pmtiles'
  const archive = await TileArchive.open({ path: `${folder}/${path}`, work, name: 'terrain', tileType: 'png', tileCompression: 'none' })
  try {
    await walkPyramid({
      bounds: terrain.bounds, minzoom: terrain.minzoom, maxzoom: terrain.maxzoom, signal, onProgress,
      visit: async tile => archive.put(tile, await keyOfGround(plan, tile), async () => {
        const heights = await moment.read(asOf => groundTile(store, tile, { branch, asOf }))
        return heights.some(height => height === height) ? heightsPng(heights, 'mapbox') : new Uint8Array()
      }),
    })
    const summary = await archive.finish({ name: `${city.name}: terrain`, type: 'baselayer', format: 'png', encoding: 'mapbox', tileSize: TILE_SIZE, generator: 'dothi' }, terrain.bounds)
    return { archive: summary ? { path, version: summary.version } : null, summary }
  } finally {
    await archive.close()
  }
}

async function keyOfGround({ store, branch, moment }: Plan, tile: Tile): Promise<string> {
  return JSON.stringify([ENCODING, branch, await moment.read(asOf => groundRevision(store, tile, { branch, asOf }))])
}

/** `terrain/mesh/layer.json` and its tiles; rows count from the south, as the format has it. */
export async function writeTerrainMesh(plan: Plan, files: FileSet, onProgress: (share: number) => void): Promise<void> {
  const { city: { city, terrain }, signal } = plan
  if (!terrain) return
  const [west, south, east, north] = terrain.bounds
  const zooms = Array.from({ length: terrain.maxzoom + 1 }, (_, z) => ({ z, first: tileAt(west, north, z), last: tileAt(east, south, z) }))
  const tiles = zooms.flatMap(({ z, first, last }) => {
    const found: Tile[] = []
    for (let y = first.y; y <= last.y; y++) for (let x = first.x; x <= last.x; x++) found.push({ z, x, y })
    return found
  })
  const rowFromSouth = ({ z, y }: Tile) => 2 ** z - 1 - y
  let done = 0
  await inParallel([...tiles], signal, async tile => {
    const key = `${await keyOfGround(plan, tile)} ${city.geoidOffset}`
    await files.put(`terrain/mesh/${tile.z}/${tile.x}/${rowFromSouth(tile)}.terrain`, key, () => meshTile(plan, tile))
    onProgress(++done / tiles.length)
  })
  const layer = JSON.stringify({
    tilejson: '2.1.0', name: 'terrain', version: '1.0.0', format: 'quantized-mesh-1.0', scheme: 'tms', projection: 'EPSG:3857',
    tiles: ['{z}/{x}/{y}.terrain'], bounds: terrain.bounds, minzoom: 0, maxzoom: terrain.maxzoom,
    available: zooms.map(({ first, last }) => [{ startX: first.x, endX: last.x, startY: rowFromSouth(last), endY: rowFromSouth(first) }]),
  })
  await files.put('terrain/mesh/layer.json', layer, async () => layer)
}

/** Ellipsoidal heights; sea level where no terrain is known. */
async function meshTile({ store, branch, moment, city: { city } }: Plan, tile: Tile): Promise<Uint8Array> {
  const bounds = tileBounds(tile)
  // One pixel of the level two above is as large as one cell of the mesh.
  const zoom = Math.max(0, tile.z - Math.log2(TILE_SIZE / MESH_CELLS))
  const pixelM = pixelSizeM(zoom, (bounds[1] + bounds[3]) / 2)
  const heights = await moment.read(asOf => groundAt(store, meshPositions(bounds), { branch, asOf, zoom, pixelM }))
  return writeQuantizedMesh(bounds, heights.map(height => (height === height ? height : 0) + city.geoidOffset))
}
