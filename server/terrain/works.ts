/**
 * What stands on the ground and what is dug into it: levees and earthworks of the city or of a scenario, cut into stored heights.
 *
 *   excavation   lowers to its level, sides sloping inwards from its outline
 *   fill         raises to its level, likewise
 *   grading      does both
 *   levee        raises to its crest, flat as wide as the crest, sides sloping outwards until they meet the ground
 *
 * Earthworks come first, in the order of their ids; levees stand on what they leave. Positions are EPSG:3857 metres.
 */
import { sql } from 'kysely'
import type { BBox } from '../../core/bbox.js'
import { grow, intersects } from '../../core/bbox.js'
import { WGS84_E2 } from '../../core/geometry/geocentric.js'
import { flatFromWkb } from '../../core/geometry/wkb.js'
import { HALF_WORLD_M, lonLatAt } from '../../core/tile-matrix.js'
import { visibleColumns } from '../store/rights.js'
import { PUBLIC, type Store } from '../store/store.js'
import type { TerrainAt } from './terrain-store.js'

/** How far from its line a levee can raise the ground, metres. */
export const REACH_M = 60
/** Rows in one answer; more are left out, largest ids first. */
const MOST_ROWS = 20_000
/** Horizontal per vertical; walls stand upright. */
const LEVEE_SLOPE = 2
const UPRIGHT = new Set(['wall', 'seawall'])
const LEVEE_CREST_M = 3, WALL_CREST_M = 0.5

/** One thing that changes the ground. */
export interface Work {
  /** Where it can change anything, EPSG:3857 metres. */
  readonly box: BBox
  /** The ground at a position where it was `height`; `pixelM` is what the position stands for, metres. */
  cut(x: number, y: number, height: number, pixelM: number): number
}

export type WorkKind = 'levees' | 'earthworks'

/** The works that can change the ground in a box (EPSG:3857 metres), in the order in which they do. Empty where the city has no such layer. */
export async function worksIn(store: Store, { branch = 'main', asOf = 'now' }: TerrainAt, box: BBox, kinds: readonly WorkKind[] = ['earthworks', 'levees']): Promise<readonly Work[]> {
  const works: Work[] = []
  for (const kind of kinds) {
    const layer = store.catalogue.find(kind)
    // The ground is everybody's, so only what everybody may read shapes it.
    if (!layer || layer.classification !== 'open' || (await store.layerRevision(layer, branch, asOf)) === 0) continue
    const reach = kind === 'levees' ? REACH_M / scaleAt((box[1] + box[3]) / 2) : 0
    const columns = visibleColumns(layer, PUBLIC.clearance).map(column => column.name).filter(name => COLUMNS[kind].includes(name))
    const rows = await store.view({ layer, branch, asOf, reader: PUBLIC, bbox: { box: grow(box, reach), srid: 3857 }, columns })
    const { rows: found } = await sql<WorkRow>`
      select ${sql.join(columns.map(name => sql.ref(`v.${name}`)))}, st_asbinary(v.geom_3857) as wkb from (${rows}) as v
      where v.geom_3857 is not null order by v.id limit ${sql.lit(MOST_ROWS)}`.execute(store.pool(PUBLIC.clearance))
    for (const row of found) {
      for (const work of kind === 'levees' ? leveeOf(row) : [earthworkOf(row)]) if (work && intersects(work.box, box)) works.push(work)
    }
  }
  return works
}

const COLUMNS: Readonly<Record<WorkKind, readonly string[]>> = {
  levees: ['kind', 'crest_level_m', 'crest_width_m'],
  earthworks: ['kind', 'level_m', 'depth_m', 'side_slope'],
}

interface WorkRow {
  readonly kind: string | null
  readonly wkb: Buffer
  readonly crest_level_m?: number | null
  readonly crest_width_m?: number | null
  readonly level_m?: number | null
  readonly depth_m?: number | null
  readonly side_slope?: number | null
}

/** Ground metres in one metre of EPSG:3857 eastwards and northwards: they differ, since that projection takes the ellipsoid for a sphere. */
interface Scale { readonly east: number; readonly north: number }

function scaleOf(northing: number): Scale {
  const latitude = (lonLatAt(0, 0.5 - northing / (2 * HALF_WORLD_M), 0)[1] * Math.PI) / 180
  const w = 1 - WGS84_E2 * Math.sin(latitude) ** 2
  return { east: Math.cos(latitude) / Math.sqrt(w), north: (Math.cos(latitude) * (1 - WGS84_E2)) / w ** 1.5 }
}

/** The smaller of the two: what is that far on the ground is never further in EPSG:3857 than divided by it. */
export const scaleAt = (northing: number): number => Math.min(...Object.values(scaleOf(northing)))

/** Segments of a levee's line in one work: few, so that a long levee is looked at only where it passes. */
const SEGMENTS = 8

/** A levee is as high as the highest of its pieces at each place, so they can be told one by one. */
function leveeOf(row: WorkRow): readonly Work[] {
  const crest = row.crest_level_m
  if (typeof crest !== 'number') return []
  const isUpright = UPRIGHT.has(row.kind ?? '')
  const half = (row.crest_width_m ?? (isUpright ? WALL_CREST_M : LEVEE_CREST_M)) / 2
  return flatFromWkb(row.wkb).parts.flatMap(([line]) => piecesOf(line!)).map(piece => leveePiece(piece, crest, half, isUpright))
}

/** A line in pieces that share their ends. */
function piecesOf(line: Float64Array): Float64Array[] {
  const pieces: Float64Array[] = []
  for (let at = 0; at + 2 < line.length; at += 2 * SEGMENTS) pieces.push(line.subarray(at, at + 2 * SEGMENTS + 2))
  return pieces
}

function leveePiece(piece: Float64Array, crest: number, half: number, isUpright: boolean): Work {
  const lines = [piece]
  const around = boxOf(lines)
  const middle = (around[1] + around[3]) / 2
  const scale = scaleOf(middle)
  return {
    box: grow(around, REACH_M / scaleAt(middle)),
    cut(x, y, height, pixelM) {
      if (height >= crest) return height
      const distance = nearest(lines, x, y, scale)
      // A crest narrower than a pixel would fall between them, and water is what notices gaps.
      const beyond = distance - Math.max(half, 0.71 * pixelM)
      if (beyond <= 0) return crest
      if (isUpright || distance > REACH_M) return height
      return Math.max(height, crest - beyond / LEVEE_SLOPE)
    },
  }
}

function earthworkOf(row: WorkRow): Work | null {
  const { kind, level_m: level, depth_m: depth } = row
  if (typeof level !== 'number' && typeof depth !== 'number') return null
  const polygons = flatFromWkb(row.wkb).parts
  const box = boxOf(polygons.map(rings => rings[0]!))
  const scale = scaleOf((box[1] + box[3]) / 2)
  const slope = row.side_slope ?? 0
  const lowers = kind !== 'fill'
  const raises = kind !== 'excavation'
  return {
    box,
    cut(x, y, height) {
      const target = typeof level === 'number' ? level : kind === 'fill' ? height + depth! : height - depth!
      if (target < height ? !lowers : !raises) return height
      const rings = polygons.find(candidate => isInside(candidate, x, y))
      if (!rings) return height
      const most = slope > 0 ? nearest(rings, x, y, scale) / slope : Infinity
      return target < height ? Math.max(target, height - most) : Math.min(target, height + most)
    },
  }
}

function boxOf(lines: readonly Float64Array[]): BBox {
  let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity]
  for (const line of lines) for (let i = 0; i < line.length; i += 2) {
    west = Math.min(west, line[i]!)
    east = Math.max(east, line[i]!)
    south = Math.min(south, line[i + 1]!)
    north = Math.max(north, line[i + 1]!)
  }
  return [west, south, east, north]
}

/** Distance to the nearest point of any line, ground metres. */
function nearest(lines: readonly Float64Array[], x: number, y: number, { east, north }: Scale): number {
  let best = Infinity
  for (const line of lines) for (let i = 0; i + 3 < line.length; i += 2) {
    const ax = (line[i]! - x) * east, ay = (line[i + 1]! - y) * north
    const dx = (line[i + 2]! - x) * east - ax, dy = (line[i + 3]! - y) * north - ay
    const length = dx * dx + dy * dy
    const along = length > 0 ? Math.max(0, Math.min(1, -(ax * dx + ay * dy) / length)) : 0
    const ex = ax + along * dx, ey = ay + along * dy
    best = Math.min(best, ex * ex + ey * ey)
  }
  return Math.sqrt(best)
}

/** Even-odd, so that holes need no order. */
function isInside(rings: readonly Float64Array[], x: number, y: number): boolean {
  let inside = false
  for (const ring of rings) for (let i = 0; i + 3 < ring.length; i += 2) {
    const [ax, ay, bx, by] = [ring[i]!, ring[i + 1]!, ring[i + 2]!, ring[i + 3]!]
    if (ay > y !== by > y && x < ax + ((y - ay) / (by - ay)) * (bx - ax)) inside = !inside
  }
  return inside
}

/** Bins along each side of the box that positions lie in. */
const BINS = 64

/**
 * Cuts works into heights at positions (EPSG:3857 metres), in place; places without a height stay without.
 * `samples` k: the mean over k × k places of the pixel instead of its middle, so that volumes are kept where pixels are coarse.
 */
export function cutInto(works: readonly Work[], x: Float64Array, y: Float64Array, heights: Float32Array, { pixelM = 0, samples = 1 } = {}): void {
  const pixel = x.length > 0 ? pixelM / scaleAt(y[0]!) : 0
  const box = positionsBox(x, y)
  const here = box && works.filter(work => intersects(work.box, grow(box, pixel)))
  if (!box || !here?.length) return
  const bins = new Bins(box, here, samples > 1 ? pixel / 2 : 0)
  for (let i = 0; i < x.length; i++) {
    const height = heights[i]!
    const candidates = height === height ? bins.at(x[i]!, y[i]!) : undefined
    if (candidates) heights[i] = samples === 1 ? cutAt(candidates, x[i]!, y[i]!, height, pixelM) : meanCut(candidates, x[i]!, y[i]!, height, pixel, samples)
  }
}

function cutAt(works: readonly Work[], x: number, y: number, height: number, pixelM: number): number {
  let ground = height
  for (const work of works) if (contains(work.box, x, y)) ground = work.cut(x, y, ground, pixelM)
  return ground
}

function meanCut(works: readonly Work[], x: number, y: number, height: number, pixel: number, samples: number): number {
  let sum = 0
  for (let row = 0; row < samples; row++) for (let col = 0; col < samples; col++) {
    sum += cutAt(works, x + ((col + 0.5) / samples - 0.5) * pixel, y + ((row + 0.5) / samples - 0.5) * pixel, height, 0)
  }
  return sum / (samples * samples)
}

const contains = ([west, south, east, north]: BBox, x: number, y: number) => x >= west && x <= east && y >= south && y <= north

/** The box around positions; null for none. */
export function positionsBox(x: Float64Array, y: Float64Array): BBox | null {
  let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity]
  for (let i = 0; i < x.length; i++) {
    west = Math.min(west, x[i]!)
    east = Math.max(east, x[i]!)
    south = Math.min(south, y[i]!)
    north = Math.max(north, y[i]!)
  }
  return west <= east ? [west, south, east, north] : null
}

/** Which works can touch a position: a coarse grid over the positions' box. */
class Bins {
  readonly #bins = new Map<number, Work[]>()
  readonly #origin: readonly [number, number]
  readonly #size: readonly [number, number]

  constructor(box: BBox, works: readonly Work[], margin: number) {
    this.#origin = [box[0], box[1]]
    this.#size = [Math.max((box[2] - box[0]) / BINS, 1e-6), Math.max((box[3] - box[1]) / BINS, 1e-6)]
    for (const work of works) {
      const [west, south, east, north] = grow(work.box, margin)
      for (let col = this.#col(west); col <= this.#col(east); col++) {
        for (let row = this.#row(south); row <= this.#row(north); row++) {
          const bin = this.#bins.get(row * BINS + col)
          if (bin) bin.push(work)
          else this.#bins.set(row * BINS + col, [work])
        }
      }
    }
  }

  at(x: number, y: number): readonly Work[] | undefined {
    return this.#bins.get(this.#row(y) * BINS + this.#col(x))
  }

  #col(x: number): number { return Math.max(0, Math.min(BINS - 1, Math.floor((x - this.#origin[0]) / this.#size[0]))) }
  #row(y: number): number { return Math.max(0, Math.min(BINS - 1, Math.floor((y - this.#origin[1]) / this.#size[1]))) }
}
