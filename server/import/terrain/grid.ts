import proj4 from 'proj4'
import type { BBox } from '../../../core/bbox.js'
import { badFile } from '../fault.js'
import type { Cells } from './cells.js'

/** Heights on a regular grid, as every raster reader leaves them. */
export interface HeightGrid {
  /** Metres, north first; NaN where there is none. */
  readonly heights: Cells
  readonly rows: number
  readonly cols: number
  /** Centre of the north-west cell, in the CRS's units. */
  readonly west: number
  readonly north: number
  /** Size of a cell, in the CRS's units. */
  readonly cellX: number
  readonly cellY: number
  /** EPSG code; null where the file does not say. */
  readonly srid: number | null
}

/** Memory stays the same whatever the size (cells.ts); the scratch file takes four bytes a cell, and the pyramid its time. */
export const MAX_CELLS = 4_000_000_000

export function checkSize(rows: number, cols: number, what: string): void {
  if (!(Number.isInteger(rows) && Number.isInteger(cols) && rows > 1 && cols > 1)) throw badFile(`The ${what} claims ${rows} × ${cols} cells, which is no grid.`)
  if (rows * cols > MAX_CELLS) throw badFile(`The ${what} has ${rows} × ${cols} cells, more than ${MAX_CELLS / 1e6} million. Cut it into smaller files.`)
}

/** What the terrain store reads: heights by position. */
export interface Raster { readonly bounds: BBox; readonly resolutionM: number; height(lon: number, lat: number): number }

/** The grid as heights by CRS84 position, bilinear between cell centres. `proj4text` defines the grid's CRS. */
export function gridRaster(grid: HeightGrid, proj4text: string): Raster {
  const projection = proj4(proj4text)
  const geographic = /\+proj=longlat/.test(proj4text) && !/towgs84|nadgrids/.test(proj4text)
  const toGrid = geographic ? (lon: number, lat: number) => [lon, lat] : (lon: number, lat: number) => projection.forward([lon, lat])
  const toLonLat = geographic ? (x: number, y: number) => [x, y] : (x: number, y: number) => projection.inverse([x, y])
  const bounds = boundsOf(grid, toLonLat)
  return {
    bounds,
    resolutionM: resolution(grid, toLonLat),
    height(lon, lat) {
      const [x, y] = toGrid(lon, lat)
      return bilinear(grid, (x! - grid.west) / grid.cellX, (grid.north - y!) / grid.cellY)
    },
  }
}

/** Between four cells; beside a hole or within half a cell of the edge the nearest cell that has a height. */
function bilinear({ heights, rows, cols }: HeightGrid, col: number, row: number): number {
  if (!(col >= -0.5 && row >= -0.5 && col <= cols - 0.5 && row <= rows - 0.5)) return NaN
  const x = Math.min(cols - 1, Math.max(0, col))
  const y = Math.min(rows - 1, Math.max(0, row))
  const x0 = Math.min(cols - 2, Math.floor(x))
  const y0 = Math.min(rows - 2, Math.floor(y))
  const fx = x - x0, fy = y - y0
  const north = heights.get(y0, x0) * (1 - fx) + heights.get(y0, x0 + 1) * fx
  const height = north * (1 - fy) + (heights.get(y0 + 1, x0) * (1 - fx) + heights.get(y0 + 1, x0 + 1) * fx) * fy
  return Number.isNaN(height) ? heights.get(Math.round(y), Math.round(x)) : height
}

/** Edges are sampled, because a straight edge of the grid is a curve on the globe. */
function boundsOf({ rows, cols, west, north, cellX, cellY }: HeightGrid, toLonLat: (x: number, y: number) => number[]): BBox {
  let [w, s, e, n] = [Infinity, Infinity, -Infinity, -Infinity]
  const take = (col: number, row: number) => {
    const [lon, lat] = toLonLat(west + col * cellX, north - row * cellY)
    if (!Number.isFinite(lon) || !Number.isFinite(lat) || Math.abs(lon!) > 180.01 || Math.abs(lat!) > 90.01) throw badFile('The raster lies outside its CRS: wrong --crs?')
    ;[w, s, e, n] = [Math.min(w, lon!), Math.min(s, lat!), Math.max(e, lon!), Math.max(n, lat!)]
  }
  for (let i = 0; i <= 32; i++) {
    const [col, row] = [-0.5 + (cols * i) / 32, -0.5 + (rows * i) / 32]
    take(col, -0.5); take(col, rows - 0.5); take(-0.5, row); take(cols - 0.5, row)
  }
  return [w, s, e, n]
}

const EARTH_RADIUS_M = 6_371_008.8
/** Mean side of the middle cell on a sphere, metres. */
function resolution({ rows, cols, west, north, cellX, cellY }: HeightGrid, toLonLat: (x: number, y: number) => number[]): number {
  const at = (dx: number, dy: number) => toLonLat(west + (cols / 2 + dx) * cellX, north - (rows / 2 + dy) * cellY).map(d => (d * Math.PI) / 180)
  const distance = (a: number[], b: number[]) => EARTH_RADIUS_M * Math.hypot((b[0]! - a[0]!) * Math.cos(a[1]!), b[1]! - a[1]!)
  return (distance(at(0, 0), at(1, 0)) + distance(at(0, 0), at(0, 1))) / 2
}
