/**
 * The ground that water moves over: square cells, row-major, north row first.
 *
 * ```
 *            col 0   col 1        index = row × cols + col
 *          ┌───────┬───────┐      origin = north-west corner (easting, northing)
 *   row 0  │   0   │   1   │ N    cell   = side of a cell, metres
 *          ├───────┼───────┤ ↑
 *   row 1  │   2   │   3   │      a cell whose bed is NaN is not computed
 *          └───────┴───────┘
 * ```
 */
export interface Grid {
  readonly rows: number
  readonly cols: number
  /** Side of a cell, metres. */
  readonly cell: number
  /** Easting and northing of the north-west corner, metres, in the city's CRS. */
  readonly origin: readonly [east: number, north: number]
}

/** What stands and lies on the grid. Every array is `rows × cols`, row-major, north first. */
export interface Ground {
  readonly grid: Grid
  /** Bed elevation, metres above the city's vertical datum. NaN: the cell is not computed (a wall). */
  readonly bed: Float32Array | Float64Array
  /** Manning n, s/m^⅓. */
  readonly manning: Float32Array | Float64Array
  /**
   * Share of the cell that water can enter, 0.05…1, default 1. The rest is buildings: it stores nothing,
   * narrows the cell's faces, and sheds its rain into the open part.
   */
  readonly open?: Float32Array | Float64Array
  /** Constant infiltration capacity, mm/h over the cell's whole area. */
  readonly infiltration?: Float32Array | Float64Array
  /** What the storm drains take, mm/h over the cell's whole area: a sink without return. */
  readonly drains?: Float32Array | Float64Array
  /** Water at the start, metres. Default dry. */
  readonly depth?: Float32Array | Float64Array
}

/** A row-major array for the grid, filled with one value. */
export function filled(grid: Grid, value: number): Float32Array {
  return new Float32Array(grid.rows * grid.cols).fill(value)
}

/** Index of the cell that holds the point, or −1 outside the grid. */
export function cellAt(grid: Grid, east: number, north: number): number {
  const col = Math.floor((east - grid.origin[0]) / grid.cell)
  const row = Math.floor((grid.origin[1] - north) / grid.cell)
  return col >= 0 && col < grid.cols && row >= 0 && row < grid.rows ? row * grid.cols + col : -1
}

/** Throws an Error that names the first thing wrong with the ground and where it is. */
export function checkGround(ground: Ground): void {
  const { grid } = ground
  const { rows, cols, cell } = grid
  if (!(Number.isInteger(rows) && Number.isInteger(cols) && rows > 0 && cols > 0)) throw new Error(`A grid needs whole numbers of rows and columns above 0, not ${rows} × ${cols}.`)
  if (!(cell > 0 && Number.isFinite(cell))) throw new Error(`The cell size must be a length above 0 m, not ${cell}.`)
  if (!grid.origin.every(Number.isFinite)) throw new Error(`The grid's origin must be two finite numbers, not ${grid.origin.join(', ')}.`)
  const wanted = { bed: ground.bed, manning: ground.manning, open: ground.open, infiltration: ground.infiltration, drains: ground.drains, depth: ground.depth }
  for (const [name, array] of Object.entries(wanted)) {
    if (array && array.length !== rows * cols) throw new Error(`“${name}” has ${array.length} values; ${rows} × ${cols} cells need ${rows * cols}.`)
  }
  let computed = 0
  for (let i = 0; i < rows * cols; i++) {
    const bed = ground.bed[i]!
    if (Number.isNaN(bed)) continue
    computed++
    const at = () => `in row ${Math.floor(i / cols)}, column ${i % cols}`
    if (!Number.isFinite(bed)) throw new Error(`The bed ${at()} is ${bed}: give metres, or NaN where the cell is not computed.`)
    if (!(ground.manning[i]! > 0 && ground.manning[i]! < 10)) throw new Error(`Manning n ${at()} is ${+ground.manning[i]!.toPrecision(6)}: it must be above 0 (0.01 smooth … 0.2 dense).`)
    if (ground.open && !(ground.open[i]! >= 0.05 && ground.open[i]! <= 1)) throw new Error(`The open share ${at()} is ${ground.open[i]}: it must be 0.05 to 1.`)
    for (const name of ['infiltration', 'drains', 'depth'] as const) {
      const value = ground[name]?.[i]
      if (value !== undefined && !(value >= 0 && Number.isFinite(value))) throw new Error(`“${name}” ${at()} is ${value}: it must be 0 or more.`)
    }
  }
  if (computed === 0) throw new Error('No cell of the grid has a bed elevation: there is nothing to compute. Is terrain loaded under this window?')
}
