/** Impacts of a run: the city's features as of its case, under its greatest depths, into the `run_*` collections. */
import { setImmediate as breathe } from 'node:timers/promises'
import { sql, type RawBuilder, type Transaction } from 'kysely'
import { DEPTH_CLASSES, depthClassOf } from '../../layers/depth.js'
import type { Layer } from '../../layers/layer.js'
import {
  buildingImpact, facilityImpact, FLOODED, roadImpact, summarise, type BuildingImpact, type FacilityImpact, type ImpactSummary, type RoadImpact,
} from '../../simulation/impact/impact.js'
import type { Flood, Wetness } from '../../simulation/impact/sample.js'
import type { Peaks } from '../../simulation/flood/run.js'
import { SIMULATION_LABEL } from '../../simulation/manifest.js'
import type { Database } from '../store/database.js'
import { PUBLIC, type Store, type View } from '../store/store.js'
import type { FrozenCase } from './case.js'
import { LAND, linesOf, metricRows, polygonsOf, type MetricRow } from './ground.js'

export interface RunSummary extends ImpactSummary {
  readonly label: typeof SIMULATION_LABEL
  /** Flooded facilities, deepest first. */
  readonly facilities: readonly { readonly id: number; readonly layer: string; readonly name: string | null; readonly kind: string | null; readonly depth: number; readonly working: boolean; readonly arrival: number | null }[]
  readonly facilitiesHit: number
}

/** Everything that a run does to the city, not yet written. */
export interface Impacts {
  readonly buildings: readonly (BuildingImpact | null)[]
  readonly roads: readonly (RoadImpact | null)[]
  readonly facilities: readonly FacilityRow[]
  readonly summary: RunSummary
}
interface FacilityRow extends FacilityImpact { readonly layer: string; readonly name: string | null; readonly kind: string | null }

/** Layers whose points count as facilities, with the column that says how high their floor is. All of them are open. */
const FACILITY_LAYERS = [
  { id: 'facilities', level: 'floor_level_m', kind: 'kind' },
  { id: 'shelters', level: 'floor_level_m', kind: 'kind' },
  { id: 'pumps', level: 'plinth_level_m', kind: undefined },
] as const
const MOST_LISTED = 200

export async function computeImpacts(store: Store, { case: frozen, ground }: FrozenCase, peaks: Peaks, signal: AbortSignal): Promise<Impacts> {
  const { grid } = frozen
  const flood: Flood = { grid, peaks, permanent: ground.water.map(kind => kind === LAND ? 0 : 1) }
  const place = { srid: grid.crs, branch: frozen.scenario, asOf: frozen.asOf, box: frozen.grid.box }
  const rowsOf = (layer: string, columns: readonly string[]) => metricRows(store, layer, place, columns)

  const buildings = await each(await rowsOf('buildings', ['use', 'storeys', 'floor_area_m2', 'people', 'ground_floor_level_m']), signal, row => {
    const polygons = polygonsOf(row.geometry)
    const storeys = row.storeys ?? null
    return buildingImpact(flood, {
      id: row.id, rings: polygons.map(rings => rings[0]!), use: row.use ?? null, storeys, people: row.people ?? null,
      floorArea: row.floor_area_m2 ?? areaOf(polygons.map(rings => rings[0]!)) * Math.max(1, storeys ?? 1),
      floorHeight: heightAbove(row.ground_floor_level_m, row.ground_z),
    })
  })
  const roads = await each(await rowsOf('roads', ['bridge', 'tunnel']), signal, row => {
    const lines = linesOf(row.geometry)
    return roadImpact(flood, { id: row.id, lines, length: lengthOf(lines), bridge: row.bridge === true })
  })
  const facilities: FacilityRow[] = []
  for (const { id: layer, level, kind } of FACILITY_LAYERS) {
    for (const row of await rowsOf(layer, ['name', level, ...kind ? [kind] : []])) {
      if (row.geometry.type !== 'Point') continue
      const [x, y] = row.geometry.coordinates as [number, number]
      const impact = facilityImpact(flood, { id: row.id, x, y, floorHeight: heightAbove(row[level], groundAt(flood, ground.terrain, x, y)) })
      if (impact) facilities.push({ ...impact, layer, name: row.name ?? null, kind: kind ? row[kind] ?? null : layer })
    }
  }
  const hit = facilities.filter(facility => facility.depth >= FLOODED).sort((a, b) => b.depth - a.depth || a.id - b.id)
  return {
    buildings, roads, facilities,
    summary: {
      label: SIMULATION_LABEL, ...summarise(buildings, roads, { classes: Object.keys(DEPTH_CLASSES), classOf: depthClassOf }),
      facilitiesHit: hit.length,
      facilities: hit.slice(0, MOST_LISTED).map(({ id, layer, name, kind, depth, working, arrival01 }) => ({ id, layer, name, kind, depth, working, arrival: arrival01 })),
    },
  }
}

/** In slices, so that the server answers in between. */
async function each<T>(rows: readonly MetricRow[], signal: AbortSignal, impact: (row: MetricRow) => T): Promise<T[]> {
  const impacts: T[] = []
  for (const row of rows) {
    impacts.push(impact(row))
    if (impacts.length % 2000 === 0) {
      signal.throwIfAborted()
      await breathe()
    }
  }
  return impacts
}

const heightAbove = (level: unknown, ground: unknown) => typeof level === 'number' && typeof ground === 'number' && Number.isFinite(ground) ? Math.max(0, level - ground) : null

function groundAt({ grid }: Flood, terrain: Float32Array, x: number, y: number): number {
  const col = Math.floor((x - grid.origin[0]) / grid.cell), row = Math.floor((grid.origin[1] - y) / grid.cell)
  return col >= 0 && col < grid.cols && row >= 0 && row < grid.rows ? terrain[row * grid.cols + col]! : NaN
}

const areaOf = (rings: readonly (readonly number[])[]) => rings.reduce((sum, ring) => {
  let twice = 0
  for (let i = 0; i + 3 < ring.length; i += 2) twice += ring[i]! * ring[i + 3]! - ring[i + 2]! * ring[i + 1]!
  return sum + Math.abs(twice) / 2
}, 0)

const lengthOf = (lines: readonly (readonly number[])[]) => lines.reduce((sum, line) => {
  let length = 0
  for (let i = 0; i + 3 < line.length; i += 2) length += Math.hypot(line[i + 2]! - line[i]!, line[i + 3]! - line[i + 1]!)
  return sum + length
}, 0)

// ── Writing ──────────────────────────────────────────────────────────────────────────────────────

/** Rows of the three collections. A feature without a row was not computed; a row of 0 m was, and stayed dry. */
export async function writeImpacts(store: Store, tx: Transaction<Database>, run: string, { case: frozen }: FrozenCase, impacts: Impacts): Promise<void> {
  const viewOf = (id: string, columns: readonly string[]) => {
    const layer = store.catalogue.find(id)
    return layer && store.view({ layer, branch: frozen.scenario, asOf: frozen.asOf, reader: PUBLIC, bbox: { box: frozen.grid.box, srid: 4326 }, columns: columns.filter(name => layer.columns.some(column => column.name === name)) })
  }
  const insert = async (id: string, from: View | undefined, rows: readonly object[], values: Readonly<Record<string, RawBuilder<unknown>>>, type: RawBuilder<unknown>) => {
    const layer = store.catalogue.find(id)
    if (!layer || !from || !rows.length) return
    const columns = Object.keys(values).filter(name => hasColumn(layer, name))
    for (let at = 0; at < rows.length; at += BATCH) await sql`
      insert into ${sql.table(`runs.${id}`)} (run, id, geom, ${sql.join(columns.map(name => sql.ref(name)))})
      select ${run}::uuid, v.id, v.geom, ${sql.join(columns.map(name => values[name]!))}
      from (${from}) as v join jsonb_to_recordset(${JSON.stringify(rows.slice(at, at + BATCH))}::jsonb) as i ${type} on i.id = v.id`.execute(tx)
  }
  await insert('run_buildings', await viewOf('buildings', ['name', 'use', 'ward_code']), impacts.buildings.flatMap(impact => impact ? [{ ...wetness(impact), floor: round(impact.depthFloor), people: impact.people, damage: round(impact.damage) }] : []), {
    building: sql`v.id`, name: sql`v.name`, ...DEPTH_VALUES, depth_floor_m: sql`i.floor`, use: sql`v.use`, people: sql`i.people`, damage: sql`i.damage`, ward_code: sql`v.ward_code`,
    ground_z: sql`v.ground_z`, height: sql`v.height`,
  }, sql`(id int8, depth float8, class text, arrival float8, duration float8, floor float8, people int8, damage float8)`)
  await insert('run_roads', await viewOf('roads', ['name', 'class']), impacts.roads.flatMap(impact => impact ? [{ ...wetness(impact), passable: impact.passable, closed: impact.arrival03, closedfor: round(impact.duration03), length: round(impact.length) }] : []), {
    road: sql`v.id`, name: sql`v.name`, class: sql`v.class`, ...DEPTH_VALUES, passable: sql`i.passable`, closed_from_s: sql`i.closed`, closed_for_s: sql`i.closedfor`, length_m: sql`i.length`,
  }, sql`(id int8, depth float8, class text, arrival float8, duration float8, passable boolean, closed float8, closedfor float8, length float8)`)
  for (const { id: layer, kind } of FACILITY_LAYERS) {
    await insert('run_facilities', await viewOf(layer, ['name', 'ward_code', ...kind ? [kind] : []]), impacts.facilities.filter(facility => facility.layer === layer).map(impact => ({ ...wetness(impact), working: impact.working })), {
      facility: sql`v.id`, layer: sql`${layer}::text`, name: sql`v.name`, kind: kind ? sql`v.kind` : sql`${layer}::text`, ...DEPTH_VALUES,
      working: sql`i.working`, cause: sql`case when i.working then null else 'water' end`, ward_code: sql`v.ward_code`,
    }, sql`(id int8, depth float8, class text, arrival float8, duration float8, working boolean)`)
  }
}

const BATCH = 5000
const DEPTH_VALUES = { depth_max_m: sql`i.depth`, depth_class: sql`i.class`, arrival_s: sql`i.arrival`, duration_s: sql`i.duration` }
const hasColumn = (layer: Layer, name: string) => layer.columns.some(column => column.name === name) || (layer.threeD !== undefined && (name === 'ground_z' || name === 'height'))
/** Millimetres and milliseconds are more than the model knows. */
const round = (value: number) => Math.round(value * 1000) / 1000
const wetness = (impact: Wetness & { readonly id: number }) =>
  ({ id: impact.id, depth: round(impact.depth), class: depthClassOf(impact.depth), arrival: impact.arrival01, duration: round(impact.duration01) })
