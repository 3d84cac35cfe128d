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
export interface Raster {
  readonly bounds: BBox
  readonly resolutionM: number
  height(lon: number, lat: number): number
  /** Heights where each of the longitudes meets each of the latitudes, row by row; the same as one by one, but quicker. */
  heights(lons: Float64Array, lats: Float64Array): Float32Array
}

/** The grid as heights by CRS84 position, bilinear between cell centres. `proj4text` defines the grid's CRS. */
export function gridRaster(grid: HeightGrid, proj4text: string): Raster {
  const projection = proj4(proj4text)
  const geographic = /\+proj=longlat/.test(proj4text) && !/towgs84|nadgrids/.test(proj4text)
  const toGrid = geographic ? (lon: number, lat: number) => [lon, lat] : (lon: number, lat: number) => projection.forward([lon, lat])
  const toLonLat = geographic ? (x: number, y: number) => [x, y] : (x: number, y: number) => projection.inverse([x, y])
  const bounds = boundsOf(grid, toLonLat)
  /** Fractional column and row of a position. */
  const cellAt = (lon: number, lat: number): [col: number, row: number] => {
    const [x, y] = toGrid(lon, lat)
    return [(x! - grid.west) / grid.cellX, (grid.north - y!) / grid.cellY]
  }
  return {
    bounds,
    resolutionM: resolution(grid, toLonLat),
    height(lon, lat) {
      return bilinear(grid, ...cellAt(lon, lat))
    },
    heights(lons, lats) {
      const { cols, rows } = cellsAt(lons, lats, cellAt)
      return Float32Array.from(cols, (col, i) => bilinear(grid, col, rows[i]!))
    },
  }
}

/** Positions between which a projection is taken for straight, and by how many cells it may differ from that. */
const STRIDE = 16
const LEAST_DEVIATION = 0.01

/**
 * Fractional columns and rows where longitudes meet latitudes. Projecting is most of the work of sampling a raster, and over a few
 * pixels projections are as good as straight: every 16th position is projected, those between are interpolated, and where the middle
 * of some square is more than a hundredth of a cell off, all are projected.
 */
function cellsAt(lons: Float64Array, lats: Float64Array, cellAt: (lon: number, lat: number) => [col: number, row: number]): { cols: Float64Array; rows: Float64Array } {
  const cols = new Float64Array(lons.length * lats.length)
  const rows = new Float64Array(lons.length * lats.length)
  const corner = (i: number, j: number) => cellAt(lons[i]!, lats[j]!)
  for (let top = 0; top < lats.length; top += STRIDE) {
    const bottom = Math.min(lats.length - 1, top + STRIDE)
    for (let left = 0; left < lons.length; left += STRIDE) {
      const right = Math.min(lons.length - 1, left + STRIDE)
      const [a, b, c, d] = [corner(left, top), corner(right, top), corner(left, bottom), corner(right, bottom)]
      const between = (k: 0 | 1, u: number, v: number) => (1 - v) * ((1 - u) * a[k] + u * b[k]) + v * ((1 - u) * c[k] + u * d[k])
      const share = (i: number, from: number, to: number) => (to > from ? (i - from) / (to - from) : 0)
      const [middleX, middleY] = [(left + right) >> 1, (top + bottom) >> 1]
      const exact = corner(middleX, middleY)
      const isStraight = ([0, 1] as const).every(k => Math.abs(exact[k] - between(k, share(middleX, left, right), share(middleY, top, bottom))) < LEAST_DEVIATION)
      for (let j = top; j < Math.min(lats.length, top + STRIDE); j++) for (let i = left; i < Math.min(lons.length, left + STRIDE); i++) {
        const at = j * lons.length + i
        const [u, v] = [share(i, left, right), share(j, top, bottom)]
        if (isStraight) { cols[at] = between(0, u, v); rows[at] = between(1, u, v) }
        else [cols[at], rows[at]] = corner(i, j)
      }
    }
  }
  return { cols, rows }
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
