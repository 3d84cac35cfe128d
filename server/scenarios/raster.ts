/** Polygons and lines onto a grid. Coordinates are metres in the grid's CRS. */
import type { Grid } from '../../simulation/flood/grid.js'
import { cellAt } from '../../simulation/flood/grid.js'
import { along } from '../../simulation/impact/sample.js'

/** A polygon's rings, each flat x, y, x, y …, closed; even-odd, so that holes need no order. */
export type Rings = readonly (readonly number[])[]

/** Calls back with each cell whose centre lies in the polygon. */
export function cellsIn(grid: Grid, rings: Rings, visit: (cell: number) => void): void {
  scan(grid, 1, rings, (row, from, to) => {
    for (let col = from; col <= to; col++) visit(row * grid.cols + col)
  })
}

/** Adds to `cover` the share of each cell that the polygon covers, measured at `k × k` points of a cell. */
export function addCover(grid: Grid, rings: Rings, cover: Float32Array, k = 5): void {
  const share = 1 / (k * k)
  scan(grid, k, rings, (row, from, to) => {
    const start = Math.floor(row / k) * grid.cols
    for (let col = from; col <= to; col++) cover[start + Math.floor(col / k)]! += share
  })
}

/** Calls back with each cell that a line runs through, each at least once: no gap for water to slip through. */
export function cellsAlong(grid: Grid, line: readonly number[], visit: (cell: number) => void): void {
  for (const [x, y] of along(line, grid.cell / 8)) {
    const cell = cellAt(grid, x, y)
    if (cell >= 0) visit(cell)
  }
}

/** Scanlines through the centres of a grid `k` times finer: rows and inclusive column spans inside the polygon. */
function scan(grid: Grid, k: number, rings: Rings, span: (row: number, from: number, to: number) => void): void {
  const size = grid.cell / k, rows = grid.rows * k, cols = grid.cols * k
  const [west, north] = grid.origin
  let low = Infinity, high = -Infinity
  for (const ring of rings) for (let i = 1; i < ring.length; i += 2) {
    low = Math.min(low, ring[i]!)
    high = Math.max(high, ring[i]!)
  }
  const first = Math.max(0, Math.ceil((north - high) / size - 0.5)), last = Math.min(rows - 1, Math.floor((north - low) / size - 0.5))
  const crossings: number[] = []
  for (let row = first; row <= last; row++) {
    const y = north - (row + 0.5) * size
    crossings.length = 0
    for (const ring of rings) for (let i = 0; i + 3 < ring.length; i += 2) {
      const y0 = ring[i + 1]!, y1 = ring[i + 3]!
      if (y0 <= y !== y1 <= y) crossings.push(ring[i]! + (y - y0) / (y1 - y0) * (ring[i + 2]! - ring[i]!))
    }
    crossings.sort((a, b) => a - b)
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      const from = Math.max(0, Math.ceil((crossings[i]! - west) / size - 0.5)), to = Math.min(cols - 1, Math.ceil((crossings[i + 1]! - west) / size - 0.5) - 1)
      if (from <= to) span(row, from, to)
    }
  }
}
