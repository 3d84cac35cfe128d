/** What a flood did at a place: the worst of the cells that a footprint, a line or a point meets. */
import type { Grid } from '../flood/grid.js'
import { cellAt } from '../flood/grid.js'
import type { Peaks } from '../flood/run.js'

/** The peaks of a run over its grid. Coordinates everywhere here are metres in the grid's CRS. */
export interface Flood {
  readonly grid: Grid
  readonly peaks: Pick<Peaks, 'depth' | 'arrival01' | 'arrival03' | 'duration01' | 'duration03'>
  /** 1 where water stands at the start: river, lake, sea. Nobody lives there; such a cell says nothing about its bank. */
  readonly permanent?: Uint8Array
}

/** Worst over some cells. `null` instead of this whole value: not computed there, which is not dry. */
export interface Wetness {
  readonly depth: number
  /** First time at 0.1 m / 0.3 m, seconds; null where it never came to it. */
  readonly arrival01: number | null
  readonly arrival03: number | null
  readonly duration01: number
  readonly duration03: number
}

/** Flat x, y, x, y … */
export type Coordinates = ArrayLike<number>

/** Water stands against the wall, so a building is asked this far outside its footprint, metres. */
const RING = 1.5
/** How many cells around a place may speak for it where none of its own is computed. */
const REACH = 1

/** Worst of the cells touched by a ring just outside each part's outer ring, else the nearest computed cell. */
export function aroundFootprint(flood: Flood, outerRings: readonly Coordinates[]): Wetness | null {
  const cells = new Set<number>()
  for (const ring of outerRings) for (const [x, y] of offsetRing(ring, RING, flood.grid.cell / 2)) cells.add(cellAt(flood.grid, x, y))
  return worst(flood, cells) ?? worst(flood, nearest(flood, cells))
}

/** Worst of the cells that lines run through. */
export function alongLines(flood: Flood, lines: readonly Coordinates[]): Wetness | null {
  const cells = new Set<number>()
  for (const line of lines) for (const [x, y] of along(line, flood.grid.cell / 4)) cells.add(cellAt(flood.grid, x, y))
  return worst(flood, cells)
}

/** The cell of a point, else the nearest computed cell. */
export function atPoint(flood: Flood, x: number, y: number): Wetness | null {
  const cells = new Set([cellAt(flood.grid, x, y)])
  return worst(flood, cells) ?? worst(flood, nearest(flood, cells))
}

/** Whether a cell can speak for its place: computed, and land. */
const speaks = ({ peaks, permanent }: Flood, cell: number) => cell >= 0 && !Number.isNaN(peaks.depth[cell]!) && !permanent?.[cell]

/** The worst of some cells; null where none of them is computed land. */
export function worst(flood: Flood, cells: Iterable<number>): Wetness | null {
  const { peaks } = flood
  let depth = -1, arrival01 = Infinity, arrival03 = Infinity, duration01 = 0, duration03 = 0
  for (const cell of cells) {
    if (!speaks(flood, cell)) continue
    depth = Math.max(depth, peaks.depth[cell]!)
    if (peaks.arrival01[cell]! < arrival01) arrival01 = peaks.arrival01[cell]!
    if (peaks.arrival03[cell]! < arrival03) arrival03 = peaks.arrival03[cell]!
    duration01 = Math.max(duration01, peaks.duration01[cell]!)
    duration03 = Math.max(duration03, peaks.duration03[cell]!)
  }
  const time = (value: number) => Number.isFinite(value) ? value : null
  return depth < 0 ? null : { depth, arrival01: time(arrival01), arrival03: time(arrival03), duration01, duration03 }
}

/** The computed land cells next to these, nearest ring first. */
function nearest(flood: Flood, cells: ReadonlySet<number>): number[] {
  const { rows, cols } = flood.grid
  for (let reach = 1; reach <= REACH; reach++) {
    const found = new Set<number>()
    for (const cell of cells) {
      if (cell < 0) continue
      const row = Math.floor(cell / cols), col = cell % cols
      for (let r = Math.max(0, row - reach); r <= Math.min(rows - 1, row + reach); r++)
        for (let c = Math.max(0, col - reach); c <= Math.min(cols - 1, col + reach); c++)
          if (speaks(flood, r * cols + c)) found.add(r * cols + c)
    }
    if (found.size) return [...found]
  }
  return []
}

/** Points along a line, no further apart than `spacing`, ends included. */
export function* along(line: Coordinates, spacing: number): Generator<readonly [x: number, y: number]> {
  for (let i = 0; i + 3 < line.length; i += 2) {
    const x = line[i]!, y = line[i + 1]!, dx = line[i + 2]! - x, dy = line[i + 3]! - y
    const pieces = Math.max(1, Math.ceil(Math.hypot(dx, dy) / spacing))
    for (let k = 0; k < pieces; k++) yield [x + dx * k / pieces, y + dy * k / pieces]
  }
  if (line.length >= 2) yield [line[line.length - 2]!, line[line.length - 1]!]
}

/** Points along a closed ring, moved outwards: whichever way it winds. */
function* offsetRing(ring: Coordinates, distance: number, spacing: number): Generator<readonly [x: number, y: number]> {
  const side = signedArea(ring) >= 0 ? 1 : -1
  for (let i = 0; i + 3 < ring.length; i += 2) {
    const dx = ring[i + 2]! - ring[i]!, dy = ring[i + 3]! - ring[i + 1]!
    const length = Math.hypot(dx, dy)
    if (length === 0) continue
    const outX = side * dy / length * distance, outY = -side * dx / length * distance
    for (const [x, y] of along([ring[i]!, ring[i + 1]!, ring[i + 2]!, ring[i + 3]!], spacing)) yield [x + outX, y + outY]
  }
}

function signedArea(ring: Coordinates): number {
  let area = 0
  for (let i = 0; i + 3 < ring.length; i += 2) area += ring[i]! * ring[i + 3]! - ring[i + 2]! * ring[i + 1]!
  return area / 2
}
