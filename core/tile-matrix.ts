import type { BBox } from './bbox.js'

/** A tile of WebMercatorQuad: `z` matrix, `x` column from the west, `y` row from the north. */
export interface Tile { readonly z: number; readonly x: number; readonly y: number }

/** Half the width of the EPSG:3857 square, metres. Source: OGC 2D Tile Matrix Set, Annex D.1. */
export const HALF_WORLD_M = 20037508.342789244
export const MAX_LATITUDE = 85.0511287798066
export const MAX_ZOOM = 24

/** Column and row (fractional) of a CRS84 position at zoom `z`. */
export function tileFraction(lon: number, lat: number, z: number): [x: number, y: number] {
  const n = 2 ** z
  const s = Math.sin((Math.max(-MAX_LATITUDE, Math.min(MAX_LATITUDE, lat)) * Math.PI) / 180)
  return [((lon + 180) / 360) * n, (0.5 - Math.log((1 + s) / (1 - s)) / (4 * Math.PI)) * n]
}

/** The tile at zoom `z` that holds a CRS84 position. */
export function tileAt(lon: number, lat: number, z: number): Tile {
  const n = 2 ** z
  const [x, y] = tileFraction(lon, lat, z)
  const clamp = (v: number) => Math.max(0, Math.min(n - 1, Math.floor(v)))
  return { z, x: clamp(x), y: clamp(y) }
}

/** CRS84 longitude and latitude of a fractional column and row at zoom `z`. */
export function lonLatAt(x: number, y: number, z: number): [lon: number, lat: number] {
  const n = 2 ** z
  return [(x / n) * 360 - 180, (Math.atan(Math.sinh(Math.PI * (1 - (2 * y) / n))) * 180) / Math.PI]
}

/** The tile's box in CRS84 degrees. */
export function tileBounds({ z, x, y }: Tile): BBox {
  const [west, north] = lonLatAt(x, y, z)
  const [east, south] = lonLatAt(x + 1, y + 1, z)
  return [west, south, east, north]
}

/** The tile's box in EPSG:3857 metres. */
export function tileBounds3857({ z, x, y }: Tile): BBox {
  const size = (2 * HALF_WORLD_M) / 2 ** z
  const west = -HALF_WORLD_M + x * size
  const north = HALF_WORLD_M - y * size
  return [west, north - size, west + size, north]
}

/** True for integer coordinates inside the matrix set. */
export function isTile({ z, x, y }: Tile): boolean {
  return Number.isInteger(z) && Number.isInteger(x) && Number.isInteger(y)
    && z >= 0 && z <= MAX_ZOOM && x >= 0 && y >= 0 && x < 2 ** z && y < 2 ** z
}

/** The z10 cell number that rows and the change log carry: `x << 10 | y`. */
export const CELL_ZOOM = 10
export function cellOf(tile: Tile): number {
  return (tile.x << CELL_ZOOM) | tile.y
}
