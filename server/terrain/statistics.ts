/** What the ground is like along a line and within an area, levees and earthworks included. */
import type { BBox } from '../../core/bbox.js'
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import { geocentric, WGS84_A, WGS84_E2 } from '../../core/geometry/geocentric.js'
import { GeometryFault } from '../../core/geometry/wkb-bytes.js'
import { lonLatAt, tileFraction } from '../../core/tile-matrix.js'
import { badParameter } from '../errors.js'
import { parseWkt } from '../import/wkt.js'
import { cellsIn, type Rings } from '../scenarios/raster.js'
import type { Store } from '../store/store.js'
import { groundAt, groundPixels } from './ground.js'
import { TILE_SIZE } from './height-tile.js'
import type { PixelWindow, TerrainAt } from './terrain-store.js'

type Position = readonly [lon: number, lat: number]

/** Well-known text as a geometry in CRS84. Throws a Problem for what is none. */
export function wktOf(text: string): GeoJsonGeometry {
  try {
    const { geometry, srid = 4326 } = parseWkt(text)
    if (geometry && (srid === 4326 || srid === 0)) return geometry
  } catch (error) {
    if (!(error instanceof GeometryFault)) throw error
    throw badParameter('coords', `coords is well-known text such as LINESTRING(108.2 16.05, 108.22 16.06): ${error.message}.`)
  }
  throw badParameter('coords', 'coords is a geometry in longitude and latitude (EPSG:4326) that is not empty.')
}

export function boxPolygon([west, south, east, north]: BBox): GeoJsonGeometry {
  return { type: 'Polygon', coordinates: [[[west, south], [east, south], [east, north], [west, north], [west, south]]] }
}

export interface ProfilePoint {
  /** Metres from the line's start. */
  readonly distance: number
  readonly lon: number
  readonly lat: number
  /** Orthometric metres; null where no terrain is stored. */
  readonly height: number | null
}

/** Lengths and heights in metres. Numbers that no point has a height for are null. */
export interface Profile {
  readonly length: number
  readonly min: number | null
  readonly max: number | null
  /** Sums of what rises and of what falls from point to point. */
  readonly ascent: number
  readonly descent: number
  readonly points: readonly ProfilePoint[]
}

export const MOST_SAMPLES = 10_000
const MOST_VERTICES = 10_000

/** Heights along a line (CRS84 degrees): at its vertices, and at least `samples` places evenly between. Throws a Problem for what is no line. */
export async function terrainProfile(store: Store, line: GeoJsonGeometry, samples: number, at: TerrainAt = {}): Promise<Profile> {
  const points = evenly(lineOf(line), samples)
  const heights = await groundAt(store, points.map(({ position }) => position), at)
  let [ascent, descent, before] = [0, 0, NaN]
  for (const height of heights) {
    if (height !== height) continue
    if (height > before) ascent += height - before
    if (height < before) descent += before - height
    before = height
  }
  const known = heights.filter(height => height === height)
  return {
    length: millimetres(points.at(-1)!.distance),
    min: known.length ? millimetres(known.reduce((a, b) => Math.min(a, b))) : null,
    max: known.length ? millimetres(known.reduce((a, b) => Math.max(a, b))) : null,
    ascent: millimetres(ascent), descent: millimetres(descent),
    points: points.map(({ position: [lon, lat], distance }, i) => ({ distance: millimetres(distance), lon, lat, height: heights[i] === heights[i] ? millimetres(heights[i]!) : null })),
  }
}

const millimetres = (metres: number) => Math.round(metres * 1000) / 1000

function lineOf({ type, coordinates }: GeoJsonGeometry): readonly Position[] {
  const line = type === 'LineString' ? coordinates : type === 'MultiLineString' && (coordinates as unknown[]).length === 1 ? (coordinates as unknown[])[0] : null
  if (!Array.isArray(line) || line.length < 2) throw badParameter('coords', `A profile runs along a LINESTRING of at least two positions, not a ${type}.`)
  if (line.length > MOST_VERTICES) throw badParameter('coords', `A profile's line has at most ${MOST_VERTICES} positions; this one has ${line.length}. Simplify it.`)
  return line.map(positionOf)
}

function positionOf(position: unknown): Position {
  const [lon, lat] = Array.isArray(position) ? position as unknown[] : []
  if (typeof lon !== 'number' || typeof lat !== 'number' || !(Math.abs(lon) <= 180) || !(Math.abs(lat) <= 90))
    throw badParameter('coords', `“${JSON.stringify(position)?.slice(0, 60)}” is no longitude and latitude in degrees.`)
  return [lon, lat]
}

/** The line's vertices with places put in between, and how far along each is. */
function evenly(line: readonly Position[], samples: number): { readonly position: Position; readonly distance: number }[] {
  const lengths = line.slice(1).map((to, i) => distanceM(line[i]!, to))
  const step = lengths.reduce((a, b) => a + b, 0) / Math.max(1, samples - 1)
  const points = [{ position: line[0]!, distance: 0 }]
  let start = 0
  lengths.forEach((length, i) => {
    const [from, to] = [line[i]!, line[i + 1]!]
    const pieces = step > 0 ? Math.max(1, Math.ceil(length / step - 1e-9)) : 1
    for (let k = 1; k <= pieces; k++) {
      const share = k / pieces
      points.push({ position: [from[0] + (to[0] - from[0]) * share, from[1] + (to[1] - from[1]) * share], distance: start + length * share })
    }
    start += length
  })
  return points
}

/** Along the surface of WGS 84: the chord, bent to the sphere that the place's ellipsoid is nearest to. */
function distanceM(a: Position, b: Position): number {
  const [x1, y1, z1] = geocentric(...a, 0)
  const [x2, y2, z2] = geocentric(...b, 0)
  const chord = Math.hypot(x2 - x1, y2 - y1, z2 - z1)
  return 2 * WGS84_A * Math.asin(Math.min(1, chord / (2 * WGS84_A)))
}

// ── Areas ────────────────────────────────────────────────────────────────────────────────────────

/** Metres, square metres and cubic metres; heights are null where no terrain is stored. */
export interface AreaStatistics {
  readonly area: number
  /** Share of the area of which the ground is known, 0…1. */
  readonly known: number
  readonly min: number | null
  readonly max: number | null
  readonly mean: number | null
  readonly stddev: number | null
  /** By share in percent: the level below which so much of the area lies. */
  readonly percentiles: Readonly<Record<'5' | '25' | '50' | '75' | '95', number>> | null
  /** Ground above and room below a level, where one was asked for. */
  readonly level?: { readonly level: number; readonly above: number; readonly below: number; readonly areaBelow: number }
  /** On a scenario: how its ground differs from the city's. */
  readonly change?: { readonly cut: number; readonly fill: number; readonly area: number }
  /** Size of the squares that were looked at, metres. */
  readonly resolution: number
}

/** Squares of one answer. */
const MOST_PIXELS = 250_000
const FINEST_ZOOM = 22
/** Less than this is not a change but rounding, metres. */
const LEAST_CHANGE_M = 0.001

/**
 * Statistics of the ground within a polygon (CRS84 degrees): squares whose middle lies in it, as small as a quarter of a million of them allow.
 * Throws a Problem for what is no polygon.
 */
export async function terrainStatistics(store: Store, polygon: GeoJsonGeometry, { level, ...at }: TerrainAt & { readonly level?: number } = {}): Promise<AreaStatistics> {
  const polygons = polygonsOf(polygon)
  const window = windowOver(boundsOf(polygons))
  const [heights, before] = await Promise.all([
    groundPixels(store, window, { ...at, exact: true }),
    (at.branch ?? 'main') === 'main' ? undefined : groundPixels(store, window, { ...at, branch: 'main', exact: true }),
  ])
  const areas = rowAreas(window)
  const sums = new Sums(level)
  const kept: number[] = []
  for (const rings of polygons) cellsIn({ origin: [0, 0], cell: 1, rows: window.rows, cols: window.cols }, pixelRings(rings, window), i => {
    const height = heights[i]!
    sums.add(height, areas[Math.floor(i / window.cols)]!, before?.[i])
    if (height === height) kept.push(height)
  })
  return { ...sums.result(), percentiles: percentilesOf(Float32Array.from(kept)), resolution: millimetres(Math.sqrt(areas[window.rows >> 1]!)) }
}

/** What is added up pixel by pixel. */
class Sums {
  #area = 0
  #known = 0
  #min = Infinity
  #max = -Infinity
  #sum = 0
  #squares = 0
  #above = 0
  #below = 0
  #areaBelow = 0
  #cut = 0
  #fill = 0
  #changed = 0
  #hasBefore = false
  /** Heights are added up from here, so that squares of large levels lose nothing. */
  #datum = NaN
  constructor(readonly level: number | undefined) {}

  add(height: number, area: number, before: number | undefined): void {
    this.#area += area
    if (height !== height) return
    if (this.#datum !== this.#datum) this.#datum = height
    this.#known += area
    this.#min = Math.min(this.#min, height)
    this.#max = Math.max(this.#max, height)
    this.#sum += (height - this.#datum) * area
    this.#squares += (height - this.#datum) ** 2 * area
    if (this.level !== undefined) {
      this.#above += Math.max(0, height - this.level) * area
      this.#below += Math.max(0, this.level - height) * area
      if (height < this.level) this.#areaBelow += area
    }
    if (before === undefined) return
    this.#hasBefore = true
    if (!(Math.abs(height - before) >= LEAST_CHANGE_M)) return
    this.#changed += area
    this.#cut += Math.max(0, before - height) * area
    this.#fill += Math.max(0, height - before) * area
  }

  result(): Omit<AreaStatistics, 'percentiles' | 'resolution'> {
    const known = this.#known > 0
    const mean = this.#sum / this.#known
    return {
      area: millimetres(this.#area), known: this.#area > 0 ? Math.round((this.#known / this.#area) * 1e6) / 1e6 : 0,
      min: known ? millimetres(this.#min) : null, max: known ? millimetres(this.#max) : null,
      mean: known ? millimetres(this.#datum + mean) : null,
      stddev: known ? millimetres(Math.sqrt(Math.max(0, this.#squares / this.#known - mean * mean))) : null,
      ...(this.level === undefined ? {} : { level: { level: this.level, above: millimetres(this.#above), below: millimetres(this.#below), areaBelow: millimetres(this.#areaBelow) } }),
      ...(this.#hasBefore ? { change: { cut: millimetres(this.#cut), fill: millimetres(this.#fill), area: millimetres(this.#changed) } } : {}),
    }
  }
}

function percentilesOf(heights: Float32Array): AreaStatistics['percentiles'] {
  if (heights.length === 0) return null
  heights.sort()
  const at = (percent: number) => millimetres(heights[Math.min(heights.length - 1, Math.floor((percent / 100) * heights.length))]!)
  return { 5: at(5), 25: at(25), 50: at(50), 75: at(75), 95: at(95) }
}

type Polygon = readonly (readonly Position[])[]

function polygonsOf({ type, coordinates }: GeoJsonGeometry): readonly Polygon[] {
  const polygons: unknown = type === 'Polygon' ? [coordinates] : type === 'MultiPolygon' ? coordinates : null
  if (!Array.isArray(polygons) || polygons.length === 0) throw badParameter('coords', `Statistics of an area need a POLYGON or MULTIPOLYGON, not a ${type}.`)
  let vertices = 0
  const read = polygons.map(rings => (Array.isArray(rings) ? rings : []).map(ring => {
    if (!Array.isArray(ring) || ring.length < 4) throw badParameter('coords', 'A ring has at least four positions, the last the same as the first.')
    vertices += ring.length
    return ring.map(positionOf)
  }))
  if (read.some(rings => rings.length === 0)) throw badParameter('coords', 'A polygon has at least one ring.')
  if (vertices > 20 * MOST_VERTICES) throw badParameter('coords', `The polygon has ${vertices} positions, more than ${20 * MOST_VERTICES}. Simplify it.`)
  return read
}

function boundsOf(polygons: readonly Polygon[]): BBox {
  let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity]
  for (const [outer] of polygons) for (const [lon, lat] of outer!) {
    west = Math.min(west, lon)
    east = Math.max(east, lon)
    south = Math.min(south, lat)
    north = Math.max(north, lat)
  }
  return [west, south, east, north]
}

/** The pixels over a box at the finest zoom that keeps to `MOST_PIXELS`. */
function windowOver([west, south, east, north]: BBox): PixelWindow {
  for (let z = FINEST_ZOOM; ; z--) {
    const [left, top] = tileFraction(west, north, z).map(share => Math.floor(share * TILE_SIZE)) as [number, number]
    const [right, bottom] = tileFraction(east, south, z).map(share => Math.floor(share * TILE_SIZE)) as [number, number]
    const [cols, rows] = [right - left + 1, bottom - top + 1]
    if (cols * rows <= MOST_PIXELS || z === 0) return { z, x: left, y: top, cols, rows }
  }
}

/** A polygon's rings in pixels of a window, y up, as `cellsIn` takes them. */
function pixelRings(rings: Polygon, { z, x, y }: PixelWindow): Rings {
  return rings.map(ring => ring.flatMap(([lon, lat]) => {
    const [column, row] = tileFraction(lon, lat, z)
    return [column * TILE_SIZE - x, y - row * TILE_SIZE]
  }))
}

/** True area of a pixel in each row of a window, m²: meridian arc by parallel arc of WGS 84. */
function rowAreas({ z, y, rows }: PixelWindow): Float64Array {
  const width = (2 * Math.PI) / (TILE_SIZE * 2 ** z)
  return Float64Array.from({ length: rows }, (_, row) => {
    const [, north] = lonLatAt(0, (y + row) / TILE_SIZE, z)
    const [, south] = lonLatAt(0, (y + row + 1) / TILE_SIZE, z)
    const latitude = ((north + south) / 2) * (Math.PI / 180)
    const w = 1 - WGS84_E2 * Math.sin(latitude) ** 2
    const meridian = (WGS84_A * (1 - WGS84_E2)) / w ** 1.5
    const parallel = (WGS84_A / Math.sqrt(w)) * Math.cos(latitude)
    return meridian * (north - south) * (Math.PI / 180) * parallel * width
  })
}
