/** Where values are wanted: the grid, or the places in a row, that a request's geometry comes to. */
import type { BBox } from '../../core/bbox.js'
import { CRS84, type Crs } from '../../core/crs.js'
import { Problem } from '../errors.js'
import { cellsAlong, cellsIn } from '../scenarios/raster.js'
import { cellAt, type Grid } from '../../simulation/flood/grid.js'
import type { Coverage, Places } from './coverage.js'
import { transform, type Transform } from './crs.js'

/** Regular, row-major, north first; `x0`, `y0` is the middle of the north-western cell, `dx` and `dy` are positive. */
export interface GridDomain {
  readonly kind: 'grid'
  readonly crs: Crs
  readonly x0: number
  readonly y0: number
  readonly dx: number
  readonly dy: number
  readonly cols: number
  readonly rows: number
  readonly spacingM: number
  /** 1 for the cells that belong to the answer; all do where it is not there. */
  readonly inside?: Uint8Array
}

export interface PointsDomain {
  readonly kind: 'points'
  readonly form: 'point' | 'points' | 'line'
  readonly crs: Crs
  readonly x: Float64Array
  readonly y: Float64Array
  /** Of a way with times: when each place is passed, milliseconds since 1970. */
  readonly passed?: Float64Array
}

export type Domain = GridDomain | PointsDomain

/** Cells of one answer. */
export const MOST_CELLS = 1_000_000

export const sizeOf = (domain: Domain): number => (domain.kind === 'grid' ? domain.cols * domain.rows : domain.x.length)

/** How many places belong to the answer. */
export function countOf(domain: Domain): number {
  return domain.kind === 'grid' && domain.inside ? domain.inside.reduce((sum, one) => sum + one, 0) : sizeOf(domain)
}

export function placesOf(domain: Domain): Places {
  if (domain.kind === 'points') return { crs: domain.crs, x: domain.x, y: domain.y, spacingM: 0 }
  const { crs, x0, y0, dx, dy, cols, rows, spacingM } = domain
  const x = new Float64Array(cols * rows)
  const y = new Float64Array(cols * rows)
  for (let row = 0, i = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++, i++) {
      x[i] = x0 + col * dx
      y[i] = y0 - row * dy
    }
  }
  return { crs, x, y, spacingM }
}

/** How many columns and rows a grid shall have: `positions` lie on the box's edges too, `cells` fill it. */
export interface GridSize { readonly cols?: number; readonly rows?: number; readonly as: 'positions' | 'cells' }

/**
 * The grid over a box (in `crs`): the coverage's own cells where the CRS is its own and no size is asked for, else as
 * fine as they are; coarser where that would be more than a million. Undefined where the box misses the coverage.
 */
export function gridOver(coverage: Coverage, crs: Crs, box: BBox, size: GridSize = { as: 'cells' }): GridDomain | undefined {
  const cut = intersection(box, extentIn(coverage, crs))
  if (!cut) return undefined
  const asked = { cols: size.cols || undefined, rows: size.rows || undefined }
  if (asked.cols === undefined && asked.rows === undefined && crs.srid === coverage.crs.srid) return alignedGrid(coverage, crs, cut)
  const perUnit = metresPerUnit(crs, cut)
  const cell = coverage.grid?.cell ?? coverage.resolutionM
  const across = (length: number, metres: number) => Math.max(1, Math.ceil((length * metres) / cell - 1e-9))
  let cols = asked.cols ?? across(cut[2] - cut[0], perUnit[0])
  let rows = asked.rows ?? across(cut[3] - cut[1], perUnit[1])
  if (cols * rows > MOST_CELLS) {
    if (asked.cols !== undefined && asked.rows !== undefined) throw tooManyCells(cols * rows)
    const shrink = Math.sqrt(MOST_CELLS / (cols * rows))
    cols = asked.cols ?? Math.max(1, Math.floor(asked.rows === undefined ? cols * shrink : MOST_CELLS / rows))
    rows = asked.rows ?? Math.max(1, Math.floor(asked.cols === undefined ? rows * shrink : MOST_CELLS / cols))
    if (cols * rows > MOST_CELLS) throw tooManyCells(cols * rows)
  }
  const [x0, dx] = spread(cut[0], cut[2], cols, size.as)
  const [y, dy] = spread(cut[1], cut[3], rows, size.as)
  return { kind: 'grid', crs, x0, y0: y + (rows - 1) * dy, dx, dy, cols, rows, spacingM: Math.max(Math.min(dx * perUnit[0], dy * perUnit[1]), 0.01) }
}

const tooManyCells = (cells: number) => new Problem(413, 'too-large', `That is ${cells.toLocaleString('en')} cells; an answer has at most ${MOST_CELLS.toLocaleString('en')}. Ask for fewer or for a smaller area.`)

/** First position and step of `count` of them between two coordinates. */
function spread(from: number, to: number, count: number, as: GridSize['as']): readonly [first: number, step: number] {
  if (as === 'positions' && count > 1) return [from, (to - from) / (count - 1)]
  const step = (to - from) / count
  return [from + step / 2, step]
}

/** The coverage's own cells over a box, every k-th where they are too many. */
function alignedGrid(coverage: Coverage, crs: Crs, [west, south, east, north]: BBox): GridDomain | undefined {
  const own = coverage.grid
  const cell = own?.cell ?? coverage.resolutionM
  const [left, top] = own?.origin ?? [0, 0]
  let first = Math.floor((west - left) / cell + 1e-9), last = Math.ceil((east - left) / cell - 1e-9) - 1
  let upper = Math.floor((top - north) / cell + 1e-9), lower = Math.ceil((top - south) / cell - 1e-9) - 1
  if (own) [first, upper, last, lower] = [Math.max(0, first), Math.max(0, upper), Math.min(own.cols - 1, last), Math.min(own.rows - 1, lower)]
  if (last < first || lower < upper) return undefined
  const k = Math.max(1, Math.ceil(Math.sqrt(((last - first + 1) * (lower - upper + 1)) / MOST_CELLS)))
  const cols = Math.ceil((last - first + 1) / k), rows = Math.ceil((lower - upper + 1) / k)
  return { kind: 'grid', crs, x0: left + (first + 0.5) * cell, y0: top - (upper + 0.5) * cell, dx: cell * k, dy: cell * k, cols, rows, spacingM: cell * k }
}

/** The coverage's box in a CRS; of its own grid exactly. */
export function extentIn({ bbox, grid, crs: own }: Coverage, crs: Crs): BBox {
  if (grid && crs.srid === own.srid) return [grid.origin[0], grid.origin[1] - grid.rows * grid.cell, grid.origin[0] + grid.cols * grid.cell, grid.origin[1]]
  return boxIn(bbox, transform(CRS84, crs))
}

/** The box around a box in another CRS, its sides looked at in places. */
export function boxIn([west, south, east, north]: BBox, project: Transform): BBox {
  const xs: number[] = [], ys: number[] = []
  for (let i = 0; i <= 8; i++) {
    const [x, y] = [west + ((east - west) * i) / 8, south + ((north - south) * i) / 8]
    for (const [px, py] of [project(x, south), project(x, north), project(west, y), project(east, y)]) { xs.push(px); ys.push(py) }
  }
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)]
}

function intersection(a: BBox, b: BBox): BBox | undefined {
  const cut: BBox = [Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])]
  return cut[0] < cut[2] && cut[1] < cut[3] ? cut : undefined
}

/** Ground metres of one unit eastwards and northwards, about the box's middle. */
function metresPerUnit(crs: Crs, [, south, , north]: BBox): readonly [east: number, north: number] {
  const middle = (south + north) / 2
  if (crs.srid === 4326) return [111_320 * Math.cos((middle * Math.PI) / 180), 110_800]
  const scale = crs.srid === 3857 ? 1 / Math.cosh(middle / 6_378_137) : 1
  return [scale, scale]
}

type Position = readonly [x: number, y: number]
/** A polygon's rings in the grid's CRS. */
export type Polygon = readonly (readonly Position[])[]

/** Cells that lines of one request run through, at most: more are none that people draw. */
const MOST_CROSSED = 400_000

/**
 * The same grid with only the cells whose middle lies in one of the polygons, or that one of the lines runs through; of
 * polygons smaller than a cell those with a corner of theirs.
 */
export function clippedTo(domain: GridDomain, polygons: readonly Polygon[], lines: readonly (readonly Position[])[] = []): GridDomain {
  const { x0, y0, dx, dy, cols, rows } = domain
  const inside = new Uint8Array(cols * rows)
  const grid = { rows, cols, cell: 1, origin: [0, 0] as const }
  const inCells = (line: readonly Position[]) => line.flatMap(([x, y]) => [(x - x0) / dx + 0.5, -((y0 - y) / dy + 0.5)])
  const mark = (cell: number) => { inside[cell] = 1 }
  for (const rings of polygons) cellsIn(grid, rings.map(inCells), mark)
  const crossed = lines.map(inCells)
  if (crossed.reduce((sum, line) => sum + lengthOf(line), 0) > MOST_CROSSED) throw new Problem(413, 'too-large', `The line runs through more than ${MOST_CROSSED.toLocaleString('en')} cells. Ask for a part of it.`)
  for (const line of crossed) cellsAlong(grid, line, mark)
  if (!inside.includes(1)) for (const [outer] of polygons) cellsAtCorners(grid, inCells(outer!), mark)
  return { ...domain, inside }
}

function lengthOf(line: readonly number[]): number {
  let length = 0
  for (let i = 2; i < line.length; i += 2) length += Math.hypot(line[i]! - line[i - 2]!, line[i + 1]! - line[i - 1]!)
  return length
}

function cellsAtCorners(grid: Grid, ring: readonly number[], visit: (cell: number) => void): void {
  for (let i = 0; i < ring.length; i += 2) {
    const cell = cellAt(grid, ring[i]!, ring[i + 1]!)
    if (cell >= 0) visit(cell)
  }
}

/** Places of a line's answer. */
export const MOST_PLACES = 10_000

/** A line's corners and places between them, at most the coverage's resolution apart where ten thousand allow it; only what lies in the coverage's box. Lines are in CRS84. */
export function alongLines(coverage: Coverage, crs: Crs, lines: readonly (readonly (readonly [number, number])[])[]): PointsDomain | undefined {
  const pieces = lines.flatMap(line => line.slice(1).flatMap((to, i) => clipped(line[i]!, to, coverage.bbox) ?? []))
  const lengths = pieces.map(([[x1, y1], [x2, y2]]) => Math.hypot((x2 - x1) * Math.cos((((y1 + y2) / 2) * Math.PI) / 180), y2 - y1) * 111_195)
  const total = lengths.reduce((a, b) => a + b, 0)
  if (pieces.length > MOST_PLACES / 2) throw new Problem(413, 'too-large', `The line has ${pieces.length} pieces here; an answer has at most ${MOST_PLACES} places. Simplify it.`)
  const step = Math.max(coverage.resolutionM, total / (MOST_PLACES - 2 * pieces.length))
  const xs: number[] = [], ys: number[] = []
  const project = transform(CRS84, crs)
  let end: readonly [number, number] | undefined
  const add = (x: number, y: number) => { const [px, py] = project(x, y); xs.push(px); ys.push(py) }
  pieces.forEach(([from, to], p) => {
    if (!end || end[0] !== from[0] || end[1] !== from[1]) add(...from)
    const parts = Math.max(1, Math.ceil(lengths[p]! / step))
    for (let k = 1; k <= parts; k++) add(from[0] + ((to[0] - from[0]) * k) / parts, from[1] + ((to[1] - from[1]) * k) / parts)
    end = to
  })
  return xs.length === 0 ? undefined : { kind: 'points', form: 'line', crs, x: Float64Array.from(xs), y: Float64Array.from(ys) }
}

/** The part of a straight piece that lies in a box (Liang and Barsky). */
export function clipped(from: Position, to: Position, [west, south, east, north]: BBox): [readonly [Position, Position]] | undefined {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]]
  let [enter, leave] = [0, 1]
  for (const [p, q] of [[-dx, from[0] - west], [dx, east - from[0]], [-dy, from[1] - south], [dy, north - from[1]]] as const) {
    if (p === 0) { if (q < 0) return undefined; continue }
    if (p < 0) enter = Math.max(enter, q / p)
    else leave = Math.min(leave, q / p)
  }
  if (enter > leave) return undefined
  const at = (t: number): Position => (t === 0 ? from : t === 1 ? to : [from[0] + dx * t, from[1] + dy * t])
  return [[at(enter), at(leave)]]
}
