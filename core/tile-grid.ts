/** Quadtrees of square tiles in any CRS: what OGC calls tile matrix sets. WebMercatorQuad (tile-matrix.ts) is one of them. */
import type { BBox } from './bbox.js'
import { HALF_WORLD_M, lonLatAt, MAX_LATITUDE, tileFraction, type Tile } from './tile-matrix.js'

export type Position = readonly [x: number, y: number]

export interface TileGrid {
  readonly id: string
  /** EPSG code of its coordinates, which are x, y: 4326 stands for longitude, latitude. */
  readonly srid: number
  /** The north-western corner of every matrix, and the side of a tile of matrix 0, in units of the CRS. */
  readonly west: number
  readonly north: number
  readonly size: number
  /** Tiles of matrix 0; each further matrix has twice as many, half as wide. */
  readonly columns: number
  readonly rows: number
  readonly deepest: number
  /** Matrix `z` is about as detailed as that many further of WebMercatorQuad. */
  readonly finer: number
  /** CRS84 degrees that it covers. */
  readonly extent: BBox
  /** Between its coordinates and CRS84 degrees. */
  readonly toLonLat: (position: Position) => Position
  readonly fromLonLat: (position: Position) => Position
}

const side = (grid: TileGrid, z: number) => grid.size / 2 ** z

/** The tile's box in the CRS of the grid. */
export function boundsOf(grid: TileGrid, { z, x, y }: Tile): BBox {
  const size = side(grid, z)
  const west = grid.west + x * size
  const north = grid.north - y * size
  return [west, north - size, west + size, north]
}

/** True for integer coordinates inside the grid. */
export function isTileOf(grid: TileGrid, { z, x, y }: Tile): boolean {
  return Number.isInteger(z) && Number.isInteger(x) && Number.isInteger(y)
    && z >= 0 && z <= grid.deepest && x >= 0 && y >= 0 && x < grid.columns * 2 ** z && y < grid.rows * 2 ** z
}

/** Columns and rows from … to. */
export interface TileRange { readonly west: number; readonly north: number; readonly east: number; readonly south: number }

/** The tiles of a matrix that a box of CRS84 degrees meets; undefined where it lies outside the grid. */
export function rangeOf(grid: TileGrid, z: number, box: BBox): TileRange | undefined {
  // Far from home a projection may give any numbers.
  const within = intersection(box, grid.extent)
  if (!within) return undefined
  const [west, south, east, north] = around(within, grid.fromLonLat)
  const size = side(grid, z)
  const column = (x: number) => Math.floor((x - grid.west) / size)
  const row = (y: number) => Math.floor((grid.north - y) / size)
  const [columns, rows] = [grid.columns * 2 ** z, grid.rows * 2 ** z]
  const range = { west: Math.max(0, column(west)), north: Math.max(0, row(north)), east: Math.min(columns - 1, column(east)), south: Math.min(rows - 1, row(south)) }
  return range.west <= range.east && range.north <= range.south ? range : undefined
}

function intersection(a: BBox, b: BBox): BBox | undefined {
  const [west, south, east, north] = [Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])]
  return west <= east && south <= north ? [west, south, east, north] : undefined
}

/** Sides of a box are bent in another CRS: so many positions tell how far. */
const STEPS = 8

/** The box around what becomes of a box: of its sides, since nothing inside it reaches further. Not for boxes around a pole. */
export function around([west, south, east, north]: BBox, become: (position: Position) => Position): BBox {
  const positions = Array.from({ length: STEPS + 1 }, (_, i) => i / STEPS).flatMap((t): Position[] => {
    const [x, y] = [west + t * (east - west), south + t * (north - south)]
    return [[x, south], [x, north], [west, y], [east, y]]
  }).map(become)
  const [xs, ys] = [positions.map(([x]) => x), positions.map(([, y]) => y)]
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)]
}

/** The zooms of WebMercatorQuad from … to as those of a grid, as far as it has them. */
export function zoomsOf(grid: TileGrid, { min, max }: { readonly min: number; readonly max: number }): { min: number; max: number } {
  const own = (z: number) => Math.max(0, Math.min(grid.deepest, z - grid.finer))
  return { min: own(min), max: own(max) }
}

/** Deeper tiles of WebMercatorQuad are a few metres wide: clients magnify the last ones instead. */
export const DEEPEST_ZOOM = 22

export const WEB_MERCATOR: TileGrid = {
  id: 'WebMercatorQuad', srid: 3857, west: -HALF_WORLD_M, north: HALF_WORLD_M, size: 2 * HALF_WORLD_M, columns: 1, rows: 1, deepest: DEEPEST_ZOOM, finer: 0,
  extent: [-180, -MAX_LATITUDE, 180, MAX_LATITUDE],
  toLonLat: ([x, y]) => lonLatAt((x + HALF_WORLD_M) / (2 * HALF_WORLD_M), (HALF_WORLD_M - y) / (2 * HALF_WORLD_M), 0),
  fromLonLat([lon, lat]) {
    const [x, y] = tileFraction(lon, lat, 0)
    return [x * 2 * HALF_WORLD_M - HALF_WORLD_M, HALF_WORLD_M - y * 2 * HALF_WORLD_M]
  },
}

const asItIs = (position: Position) => position

/** Two tiles of 180° each: half as many degrees a pixel as WebMercatorQuad has at the equator. */
export const WORLD_CRS84: TileGrid = {
  id: 'WorldCRS84Quad', srid: 4326, west: -180, north: 90, size: 180, columns: 2, rows: 1, deepest: DEEPEST_ZOOM - 1, finer: 1,
  extent: [-180, -90, 180, 90], toLonLat: asItIs, fromLonLat: asItIs,
}

/** A tile of the first matrix of a city's grid is 2^20 m wide: pixels of 4096 m, of 1 m at matrix 12. */
const CITY_TILE_M = 2 ** 20
/** The corner is a round number, so that people can read it and a city hall that moves does not. */
const CORNER_M = 100_000

/**
 * A grid in a projected CRS in metres, around a city's home. `projection` is between CRS84 degrees and the CRS.
 * What lies further than some 500 km from home is outside it.
 */
export function cityGrid(srid: number, [lon, lat]: Position, projection: { forward(position: number[]): number[]; inverse(position: number[]): number[] }): TileGrid {
  const fromLonLat = (position: Position) => projection.forward([...position]) as [number, number]
  const toLonLat = (position: Position) => projection.inverse([...position]) as [number, number]
  const [x, y] = fromLonLat([lon, lat])
  const corner = (metres: number) => Math.round(metres / CORNER_M) * CORNER_M
  const mercatorTileM = 2 * HALF_WORLD_M * Math.cos((lat * Math.PI) / 180)
  const finer = Math.round(Math.log2(mercatorTileM / CITY_TILE_M))
  const [west, north] = [corner(x - CITY_TILE_M / 2), corner(y + CITY_TILE_M / 2)]
  return {
    id: 'CityQuad', srid, west, north, size: CITY_TILE_M, columns: 1, rows: 1, deepest: DEEPEST_ZOOM - finer, finer,
    extent: around([west, north - CITY_TILE_M, west + CITY_TILE_M, north], toLonLat), toLonLat, fromLonLat,
  }
}

/** Tiles of WebMercatorQuad, four at most, that together hold a tile of another grid with a margin in parts of its size. */
export function mercatorCover(grid: TileGrid, tile: Tile, margin: number): readonly Tile[] {
  if (grid === WEB_MERCATOR) return [tile]
  const [west, south, east, north] = boundsOf(grid, tile)
  const reach = margin * (east - west)
  const box = around([west - reach, south - reach, east + reach, north + reach], grid.toLonLat)
  for (let z = Math.min(DEEPEST_ZOOM, tile.z + grid.finer); ; z--) {
    // Zoom 0 is one tile, which holds all that WebMercatorQuad can.
    const range = rangeOf(WEB_MERCATOR, z, box) ?? { west: 0, north: 0, east: 0, south: 0 }
    if (range.east - range.west < 2 && range.south - range.north < 2) return tilesIn(z, range)
  }
}

function tilesIn(z: number, { west, north, east, south }: TileRange): Tile[] {
  const tiles: Tile[] = []
  for (let y = north; y <= south; y++) for (let x = west; x <= east; x++) tiles.push({ z, x, y })
  return tiles
}
