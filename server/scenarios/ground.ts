/**
 * The ground of a case, from the store's layers and terrain: what the solver moves water over.
 *
 *   terrain, earthworks → bed; river beds burnt in where a water body states its level
 *   levees              → raise the cells they run through, except in water
 *   buildings           → the share of each cell that stays open; they store nothing and narrow the faces
 *   land use, roads     → Manning n, infiltration, drains
 *   hills, open sea     → not computed: hill rain runs off to the plain (uplands.ts), the sea keeps its level
 *   bridges             → do not block
 */
import { setImmediate as breathe } from 'node:timers/promises'
import { sql } from 'kysely'
import type { BBox } from '../../core/bbox.js'
import { filled, type Grid } from '../../simulation/flood/grid.js'
import { PUBLIC, type AsOf, type Branch, type Store } from '../store/store.js'
import { groundGrid } from '../terrain/ground.js'
import { addCover, cellsAlong, cellsIn, type Rings } from './raster.js'

/** What stands where: land, or which water. */
export const LAND = 0, SEA = 1, RIVER = 2, LAKE = 3

/** Row-major arrays over the grid, north first; frozen with the case. */
export interface CaseGround {
  /** Metres; NaN where not computed. */
  readonly bed: Float32Array
  readonly manning: Float32Array
  readonly open: Float32Array
  /** mm/h. */
  readonly infiltration: Float32Array
  readonly drains: Float32Array
  /** Water at the start, metres. */
  readonly depth: Float32Array
  /** LAND, SEA, RIVER or LAKE. */
  readonly water: Uint8Array
  /** Terrain as it is, hills and all, metres. */
  readonly terrain: Float32Array
}

export interface GroundOptions {
  readonly grid: Grid
  readonly srid: number
  readonly branch: Branch
  readonly asOf: AsOf
  /** The grid's extent, degrees. */
  readonly box: BBox
  readonly seaLevel: number
  readonly drainsMmPerHour: number
  readonly infiltrationMmPerHour: number
  readonly uplandAbove: number
  readonly signal?: AbortSignal
}

/** Sea deeper than this is not computed: it only holds the tide. Rivers deeper than `DEEPEST` are filled up to it. */
const OPEN_SEA = -6
/** One deep hole sets the time step of the whole city (dt ∝ 1/√depth) and carries no more water to the streets. */
const DEEPEST = -6
const LEAST_OPEN = 0.15

export async function buildGround(store: Store, options: GroundOptions): Promise<CaseGround> {
  const { grid } = options
  const terrain = await groundGrid(store, { srid: options.srid, origin: grid.origin, cell: grid.cell, rows: grid.rows, cols: grid.cols, branch: options.branch, asOf: options.asOf })
  const bed = Float32Array.from(terrain)
  const { water, level } = await waterBodies(store, options, bed)
  await levees(store, options, bed, water)
  const covered = await buildingCover(store, options)
  const paved = await roads(store, options)
  const use = await landUse(store, options)

  const ground: CaseGround = {
    bed, water, terrain, manning: filled(grid, 0.05), open: filled(grid, 1),
    infiltration: filled(grid, 0), drains: filled(grid, 0), depth: filled(grid, 0),
  }
  for (let i = 0; i < bed.length; i++) {
    if (Number.isNaN(bed[i]!) || (water[i] === LAND && bed[i]! > options.uplandAbove) || (water[i] === SEA && bed[i]! < OPEN_SEA)) {
      bed[i] = NaN
      continue
    }
    bed[i] = Math.max(bed[i]!, DEEPEST)
    const cover = Math.min(1, covered[i]!)
    ground.open[i] = Math.max(LEAST_OPEN, 1 - cover)
    ground.manning[i] = water[i] === LAND ? roughness(use[i]!, cover, paved[i]!) : 0.028
    if (water[i] === LAND) {
      ground.infiltration[i] = options.infiltrationMmPerHour * (1 - cover) * (paved[i] ? 0.5 : 1)
      if (cover > 0.05 || paved[i]) ground.drains[i] = options.drainsMmPerHour
    } else ground.depth[i] = Math.max(0, level[i]! - bed[i]!)
  }
  return ground
}

/** Manning n, s/m^⅓: streets are smooth, yards and fences rough (Chow 1959; 0.03…0.1 in urban studies at this cell size). */
function roughness(use: number, cover: number, paved: number): number {
  const open = use === FOREST ? 0.1 : use === CROPS ? 0.06 : 0.045
  return paved ? 0.03 + 0.05 * cover : open + 0.05 * cover
}

// ── Layers ───────────────────────────────────────────────────────────────────────────────────────

/** A row's geometry in the city's CRS, and the columns asked for. */
export interface MetricRow { readonly geometry: { readonly type: string; readonly coordinates: any }; readonly [column: string]: any }

/** Rows of an open layer in a box, as anyone may read them, in metres of the city's CRS, to the centimetre. Empty where the city has no such layer. */
export async function metricRows(store: Store, id: string, { srid, branch, asOf, box }: Pick<GroundOptions, 'srid' | 'branch' | 'asOf' | 'box'>, columns: readonly string[]): Promise<readonly MetricRow[]> {
  const layer = store.catalogue.find(id)
  if (!layer) return []
  const known = columns.filter(name => layer.columns.some(column => column.name === name))
  const threeD = layer.threeD ? ['ground_z', 'height'] : []
  const rows = await store.view({ layer, branch, asOf, reader: PUBLIC, bbox: { box, srid: 4326 }, columns: known })
  const query = sql<MetricRow>`
    select v.id, ${sql.join([...known, ...threeD, 'id'].map(name => sql.ref(`v.${name}`)))}, st_asgeojson(st_transform(v.geom, ${srid}::int), 2, 0)::json as geometry
    from (${rows}) as v where v.geom is not null order by v.id`
  return (await query.execute(store.pool('open'))).rows
}

/** Every polygon of a Polygon or MultiPolygon as flat rings. */
export function polygonsOf({ type, coordinates }: MetricRow['geometry']): readonly Rings[] {
  const polygons: number[][][][] = type === 'Polygon' ? [coordinates] : type === 'MultiPolygon' ? coordinates : []
  return polygons.map(rings => rings.map(ring => ring.flatMap(([x, y]) => [x!, y!])))
}

/** Every line of a LineString or MultiLineString as flat coordinates. */
export function linesOf({ type, coordinates }: MetricRow['geometry']): readonly (readonly number[])[] {
  const lines: number[][][] = type === 'LineString' ? [coordinates] : type === 'MultiLineString' ? coordinates : []
  return lines.map(line => line.flatMap(([x, y]) => [x!, y!]))
}

const WATER_OF_KIND: Readonly<Record<string, number>> = { sea: SEA, river: RIVER, canal: RIVER }

/** Which cells are water and its level at the start; burns stated beds into `bed`. Smaller waters lie over larger ones. */
async function waterBodies(store: Store, options: GroundOptions, bed: Float32Array) {
  const { grid, seaLevel } = options
  const water = new Uint8Array(bed.length), level = new Float32Array(bed.length)
  const rows = await metricRows(store, 'water_bodies', options, ['kind', 'water_level_m', 'bed_level_m'])
  for (const row of [...rows].sort((a, b) => rank(a.kind) - rank(b.kind))) {
    const kind = WATER_OF_KIND[row.kind as string] ?? LAKE
    // Rivers of the plain stand at the tide's level or above; a lake keeps its own.
    const surface = kind === SEA ? seaLevel : kind === RIVER ? Math.max(seaLevel, row.water_level_m ?? seaLevel) : row.water_level_m
    for (const rings of polygonsOf(row.geometry)) cellsIn(grid, rings, i => {
      water[i] = kind
      if (kind !== SEA && typeof row.bed_level_m === 'number') bed[i] = Math.min(bed[i]!, row.bed_level_m)
      level[i] = surface ?? bed[i]!
    })
  }
  return { water, level }
}
const rank = (kind: string) => kind === 'sea' ? 0 : kind === 'river' ? 1 : 2

async function levees(store: Store, options: GroundOptions, bed: Float32Array, water: Uint8Array) {
  for (const row of await metricRows(store, 'levees', options, ['crest_level_m'])) {
    if (typeof row.crest_level_m !== 'number') continue
    for (const line of linesOf(row.geometry)) cellsAlong(options.grid, line, i => {
      if (water[i] === LAND) bed[i] = Math.max(bed[i]!, row.crest_level_m)
    })
  }
}

async function buildingCover(store: Store, options: GroundOptions): Promise<Float32Array> {
  const cover = filled(options.grid, 0)
  let done = 0
  for (const row of await metricRows(store, 'buildings', options, [])) {
    for (const rings of polygonsOf(row.geometry)) addCover(options.grid, rings, cover)
    if (++done % 2000 === 0) await pause(options)
  }
  return cover
}

const WIDE = new Set(['motorway', 'trunk', 'primary', 'secondary', 'tertiary', 'residential'])

/** 1 where a street runs at the ground. */
async function roads(store: Store, options: GroundOptions): Promise<Uint8Array> {
  const paved = new Uint8Array(options.grid.rows * options.grid.cols)
  for (const row of await metricRows(store, 'roads', options, ['class', 'bridge', 'tunnel'])) {
    if (!WIDE.has(row.class) || row.bridge || row.tunnel) continue
    for (const line of linesOf(row.geometry)) cellsAlong(options.grid, line, i => { paved[i] = 1 })
  }
  return paved
}

const URBAN = 0, CROPS = 1, FOREST = 2
const CROP_CODES = new Set(['LUC', 'LUK', 'BHK', 'NHK', 'CLN', 'NTS', 'TON', 'NTD', 'BCS'])
const FOREST_CODES = new Set(['RSX', 'RPH', 'RDD', 'DCS'])
/** Beyond this many parcels the land's use adds little to the hydraulics and much to the wait. */
const MOST_PARCELS = 200_000

async function landUse(store: Store, options: GroundOptions): Promise<Uint8Array> {
  const use = new Uint8Array(options.grid.rows * options.grid.cols)
  const layer = store.catalogue.find('parcels')
  if (!layer || (await store.layerSummary(layer)).count > MOST_PARCELS) return use
  let done = 0
  for (const row of await metricRows(store, 'parcels', options, ['loai_dat'])) {
    const kind = CROP_CODES.has(row.loai_dat) ? CROPS : FOREST_CODES.has(row.loai_dat) ? FOREST : URBAN
    if (kind !== URBAN) for (const rings of polygonsOf(row.geometry)) cellsIn(options.grid, rings, i => { use[i] = kind })
    if (++done % 5000 === 0) await pause(options)
  }
  return use
}

/** Lets the server answer others between two slices of work. */
async function pause({ signal }: GroundOptions) {
  signal?.throwIfAborted()
  await breathe()
}
