/**
 * A cell is what a square of the city looks like from afar, without what is prominent enough to be drawn itself.
 * The smallest cells are made from rows, larger ones from the cells within them: an edit costs one of the former and its ancestors.
 *
 *   polygons  plates: how much of each pixel each category covers, everything counted
 *   lines     strokes of the same class and name; with those that are still drawn themselves at this zoom kept apart
 *   points    the most important of each bucket, and how many it stands for
 *
 * Cells hold only what lies within their square, so that neighbours and margins never make them different.
 */
import { clip, length, rounded, simplifyLine, type Path, type Shape } from './shape.js'
import { Coverage } from './coverage.js'
import { halved, paste, quantised, type Category, type Plate } from './patches.js'
import { strokes } from './strokes.js'

/** Zoom of the smallest cells, and of the ones made from these. */
export const BASE_ZOOM = 15
export const GENERALISED_TO = 13
/** Units across a cell: those of a vector tile. */
export const UNITS = 4096
/** Pixels across a cell of a tile that is served. The smallest cells have pixels of the same size in metres. */
export const PIXELS = 256
/** Buckets for points across a cell of a tile that is served. */
const BUCKETS = 64

export type CellKind = 'polygon' | 'line' | 'point'

export interface PolygonCell { readonly kind: 'polygon'; readonly plates: readonly Plate[] }
export interface LineCell { readonly kind: 'line'; readonly groups: readonly LineGroup[] }
export interface PointCell { readonly kind: 'point'; readonly spots: readonly Spot[] }
export type Cell = PolygonCell | LineCell | PointCell

/** Lines that look the same. */
export interface LineGroup {
  readonly category: Category
  readonly name: string | null
  /** The deepest zoom at which these are merged; below it they are drawn themselves. */
  readonly mergedTo: number
  /** Features whose box has its middle in the square. */
  readonly count: number
  /** Importance, the mean by length; null where nothing is known of it. */
  readonly rank: number | null
  /** Whole units. */
  readonly lines: readonly Path[]
}

/** A point that stands for those around it, whole units. */
export interface Spot { readonly x: number; readonly y: number; readonly id: number; readonly rank: number | null; readonly category: Category; readonly count: number }

/** A row as a cell of the smallest zoom takes it: its shape in the cell's units, reaching beyond it as it does. */
export interface CellRow {
  readonly id: number
  readonly shape: Shape
  /** Of its box. */
  readonly middle: readonly [x: number, y: number]
  readonly category: Category
  readonly name: string | null
  readonly rank: number | null
  readonly mergedTo: number
}

/** A cell within another, at its column and row there. */
export interface Within { readonly cell: Cell; readonly column: number; readonly row: number }

export function emptyCell(kind: CellKind): Cell {
  return kind === 'polygon' ? { kind, plates: [] } : kind === 'line' ? { kind, groups: [] } : { kind, spots: [] }
}

/** Rows in the order of their ids, so that a cell is the same whenever it is made. */
export function cellFromRows(kind: CellKind, rows: readonly CellRow[]): Cell {
  if (kind === 'polygon') return { kind, plates: platesFromRows(rows) }
  if (kind === 'line') return { kind, groups: groupsFromRows(rows) }
  return { kind, spots: thinned(rows.flatMap(spotsOf), BASE_SCALE) }
}

/** A cell of zoom `z` from those within it: 16 of the smallest zoom, or four of the next. */
export function cellFromWithin(kind: CellKind, z: number, within: readonly Within[]): Cell {
  const scale = z === GENERALISED_TO ? BASE_SCALE : 2
  if (kind === 'polygon') return { kind, plates: platesFromWithin(within, scale) }
  if (kind === 'line') return { kind, groups: groupsFromWithin(within, scale, z) }
  const moved = within.flatMap(({ cell, column, row }) => (cell as PointCell).spots.map(spot => ({
    ...spot, x: Math.floor((spot.x + column * UNITS) / scale), y: Math.floor((spot.y + row * UNITS) / scale),
  })))
  return { kind, spots: thinned(moved, 1) }
}

/** Smallest cells along a side of the next. */
export const BASE_SCALE = 2 ** (BASE_ZOOM - GENERALISED_TO)
export const BASE_PIXELS = PIXELS / BASE_SCALE

/* Polygons */

function platesFromRows(rows: readonly CellRow[]): Plate[] {
  return [...groupBy(rows, row => row.category)].map(([category, members]) => {
    const coverage = new Coverage(BASE_PIXELS, UNITS / BASE_PIXELS)
    for (const { shape } of members) coverage.add(shape.parts)
    return { category, count: members.filter(hasMiddleWithin).length, shares: quantised(coverage.shares()) }
  }).filter(plate => plate.count > 0 || plate.shares.some(share => share > 0)).sort(byCategory)
}

function platesFromWithin(within: readonly Within[], scale: number): Plate[] {
  const plates = within.flatMap(({ cell, column, row }) => (cell as PolygonCell).plates.map(plate => ({ ...plate, column, row })))
  return [...groupBy(plates, plate => plate.category)].map(([category, members]) => {
    const base = scale === BASE_SCALE
    const [side, small] = base ? [PIXELS, BASE_PIXELS] : [PIXELS * 2, PIXELS]
    const whole = new Uint8Array(side * side)
    for (const { shares, column, row } of members) paste(whole, side, shares, small, column * small, row * small)
    return { category, count: members.reduce((n, { count }) => n + count, 0), shares: base ? whole : halved(whole, side) }
  }).sort(byCategory)
}

const byCategory = (a: { category: Category }, b: { category: Category }) => compare(String(a.category), String(b.category))
const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/** Each feature is counted in one cell: where the middle of its box lies. */
function hasMiddleWithin({ middle: [x, y] }: Pick<CellRow, 'middle'>): boolean {
  return x >= 0 && y >= 0 && x < UNITS && y < UNITS
}

/* Lines */

/** Units between a line and what is left of it, in tiles that are served. */
const TOLERANCE = 2
/** Strokes shorter than this are left out, unless they go on beyond the square. */
const SHORTEST = 32
/** Positions of merged lines that a cell holds at most; the least important go first. */
const MOST_POSITIONS = 8000

function groupsFromRows(rows: readonly CellRow[]): LineGroup[] {
  const clipped = rows.map(row => ({ row, lines: wholeUnits(clip(row.shape, 0, UNITS).parts, TOLERANCE * BASE_SCALE) }))
  return [...groupBy(clipped, ({ row }) => groupKey(row))].map(([, members]) => {
    const { category, name, mergedTo } = members[0]!.row
    return {
      category, name, mergedTo, count: members.filter(({ row }) => hasMiddleWithin(row)).length,
      rank: meanRank(members.map(({ row, lines }) => ({ rank: row.rank, lines }))), lines: strokes(members.flatMap(({ lines }) => lines)),
    }
  }).filter(isNotEmpty).sort(byGroup)
}

function groupsFromWithin(within: readonly Within[], scale: number, z: number): LineGroup[] {
  const parts = within.flatMap(({ cell, column, row }) => (cell as LineCell).groups.map(group => ({
    ...group, mergedTo: Math.min(group.mergedTo, z),
    lines: group.lines.map(line => line.map((v, i) => (v + (i % 2 === 0 ? column : row) * UNITS) / scale)),
  })))
  const groups = [...groupBy(parts, groupKey)].map(([, members]) => ({
    ...members[0]!, count: members.reduce((n, { count }) => n + count, 0), rank: meanRank(members),
    lines: wholeUnits(strokes(wholeUnits(members.flatMap(({ lines }) => lines), 0)), TOLERANCE),
  }))
  return thinnedLines(groups.sort(byGroup), z).filter(isNotEmpty)
}

const groupKey = ({ category, name, mergedTo }: Pick<LineGroup, 'category' | 'name' | 'mergedTo'>) => JSON.stringify([category, name, mergedTo])
const byGroup = (a: LineGroup, b: LineGroup) => compare(groupKey(a), groupKey(b))
const isNotEmpty = ({ count, lines }: LineGroup) => count > 0 || lines.length > 0

function wholeUnits(lines: readonly Path[], tolerance: number): Path[] {
  return lines.flatMap(line => {
    const whole = rounded('line', tolerance > 0 ? simplifyLine(line, tolerance) : line)
    return whole ? [Float64Array.from(whole)] : []
  })
}

function meanRank(members: readonly { readonly rank: number | null; readonly lines: readonly Path[] }[]): number | null {
  let [sum, weight] = [0, 0]
  for (const { rank, lines } of members) {
    if (rank === null) continue
    const metres = lines.reduce((n, line) => n + length(line), 0)
    sum += rank * metres
    weight += metres
  }
  return weight > 0 ? sum / weight : null
}

/** What is merged at this zoom, without what cannot be made out; what is still drawn itself waits untouched for the zooms above. */
function thinnedLines(groups: readonly LineGroup[], z: number): LineGroup[] {
  const strong = groups.flatMap((group, at) => (group.mergedTo < z ? [] : group.lines.map(line => ({ at, line, rank: group.rank ?? -Infinity, length: length(line) }))))
    .filter(({ line, length }) => length >= SHORTEST || leaves(line))
    .sort((a, b) => b.rank - a.rank || b.length - a.length || a.at - b.at || a.line[0]! - b.line[0]! || a.line[1]! - b.line[1]!)
  let positions = 0
  const kept = new Set<Path>()
  for (const { line } of strong) {
    positions += line.length / 2
    if (positions > MOST_POSITIONS) break
    kept.add(line)
  }
  return groups.map(group => (group.mergedTo < z ? group : { ...group, lines: group.lines.filter(line => kept.has(line)) }))
}

const leaves = (line: Path) => onEdge(line[0]!, line[1]!) || onEdge(line[line.length - 2]!, line[line.length - 1]!)
const onEdge = (x: number, y: number) => x === 0 || y === 0 || x === UNITS || y === UNITS

/* Points */

function spotsOf({ id, shape, rank, category }: CellRow): Spot[] {
  const [x, y] = [Math.floor(shape.parts[0]?.[0] ?? -1), Math.floor(shape.parts[0]?.[1] ?? -1)]
  return x >= 0 && y >= 0 && x < UNITS && y < UNITS ? [{ x, y, id, rank, category, count: 1 }] : []
}

function thinned(spots: readonly Spot[], scale: number): Spot[] {
  const size = (UNITS / BUCKETS) * scale
  return [...groupBy(spots, ({ x, y }) => Math.floor(y / size) * BUCKETS + Math.floor(x / size))].sort((a, b) => a[0] - b[0]).map(([, members]) => {
    const best = members.reduce((a, b) => (isBefore(b, a) ? b : a))
    return { ...best, count: members.reduce((n, { count }) => n + count, 0) }
  })
}

const isBefore = (a: Spot, b: Spot) => (a.rank ?? -Infinity) > (b.rank ?? -Infinity) || ((a.rank ?? -Infinity) === (b.rank ?? -Infinity) && a.id < b.id)

function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group) group.push(item)
    else groups.set(key, [item])
  }
  return groups
}
