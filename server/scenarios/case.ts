/** Making a case from the city and a scenario, freezing it, and getting it back. */
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { deflate, inflate } from 'node:zlib'
import { sql } from 'kysely'
import type { BBox } from '../../core/bbox.js'
import type { Grid } from '../../simulation/flood/grid.js'
import { cellAt } from '../../simulation/flood/grid.js'
import type { Inflow, Outflow, Series, Stage } from '../../simulation/flood/forcing.js'
import { DEFAULT_PARAMETERS } from '../../simulation/flood/local-inertial.js'
import { Problem } from '../errors.js'
import { canonical } from '../operations/jobs-impl.js'
import type { Store } from '../store/store.js'
import { terrainSources } from '../terrain/terrain-store.js'
import type { FloodCase } from './case-schema.js'
import { buildGround, LAND, RIVER, SEA, type CaseGround } from './ground.js'
import { scenarioOf, type Scenario, type ScenarioForcing } from './scenario.js'
import { drainUplands } from './uplands.js'

/** What a person may change for one run, besides the scenario. */
export interface RunInputs {
  readonly scenario: string
  readonly rainFactor: number
  readonly riverFactor: number
  /** Added to the sea's level, metres. */
  readonly seaLevelRise: number
  readonly hours?: number
  /** Cell size, metres. */
  readonly cell?: number
  /** Where the frozen case is, or will be, kept: a rerun has the same inputs, so it finds the same case. */
  readonly case: string
}

export interface FrozenCase { readonly case: FloodCase; readonly ground: CaseGround; readonly inputsHash: string }

export const SOLVER = { name: 'dothi local inertial', version: '1' } as const
export const MOST_CELLS = 350_000
const DEFAULT_CELL = 30
const DEFAULT_UPLAND = 60

/** The frozen case of these inputs: made and stored the first time, read back ever after. */
export async function freezeCase(store: Store, inputs: RunInputs, signal?: AbortSignal): Promise<FrozenCase> {
  const frozen = await readCase(store, inputs.case)
  if (frozen) return frozen
  const made = await makeCase(store, inputs, signal)
  const blob = await promisify(deflate)(bytesOf(made.ground), { level: 3 })
  const inputsHash = createHash('sha256').update(canonical(made.case)).digest('hex')
  await sql`insert into dothi.run_cases (id, inputs_hash, "case", ground) values (${inputs.case}, ${inputsHash}, ${JSON.stringify(made.case)}::jsonb, ${blob})
    on conflict (id) do nothing`.execute(store.db)
  // What was stored counts, also for this very run: JSON and PostgreSQL print the same numbers.
  return (await readCase(store, inputs.case))!
}

/** Undefined where nothing was frozen under this id. Throws a Problem where what is stored is damaged. */
export async function readCase(store: Store, id: string): Promise<FrozenCase | undefined> {
  const { rows } = await sql<{ inputs_hash: string; case: FloodCase; ground: Buffer }>`select inputs_hash, "case", ground from dothi.run_cases where id = ${id}::uuid`.execute(store.db)
  const row = rows[0]
  if (!row) return undefined
  const ground = groundOf(row.case, await promisify(inflate)(row.ground))
  return { case: row.case, ground, inputsHash: row.inputs_hash }
}

// ── Ground as bytes ──────────────────────────────────────────────────────────────────────────────

const ARRAYS = ['bed', 'manning', 'open', 'infiltration', 'drains', 'depth', 'terrain', 'water'] as const satisfies readonly (keyof CaseGround)[]
const asBytes = (array: Float32Array | Uint8Array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength)
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

const bytesOf = (ground: CaseGround) => Buffer.concat(ARRAYS.map(name => asBytes(ground[name])))

const listArrays = (ground: CaseGround): FloodCase['ground'] => ARRAYS.map(name => {
  const array = ground[name]
  return { name, type: array instanceof Uint8Array ? 'uint8' : 'float32', length: array.length, sha256: sha256(asBytes(array)) }
})

function groundOf(frozen: FloodCase, bytes: Buffer): CaseGround {
  const arrays: Record<string, Float32Array | Uint8Array> = {}
  let at = 0
  for (const { name, type, length, sha256: expected } of frozen.ground) {
    const part = bytes.subarray(at, at += length * (type === 'uint8' ? 1 : 4))
    if (sha256(part) !== expected) throw new Problem(500, 'internal', `The frozen inputs of this run are damaged: the array “${name}” does not have its hash. Start a new run.`)
    const copy = Uint8Array.from(part)
    arrays[name] = type === 'uint8' ? copy : new Float32Array(copy.buffer)
  }
  return arrays as unknown as CaseGround
}

// ── Making ───────────────────────────────────────────────────────────────────────────────────────

async function makeCase(store: Store, inputs: RunInputs, signal?: AbortSignal): Promise<{ case: FloodCase; ground: CaseGround }> {
  const scenario = await scenarioOf(store, inputs.scenario)
  const { forcing } = scenario
  const city = await store.city()
  const asOf = await latestRevision(store)
  const grid = await gridOf(store, scenario, inputs, city.srid)
  const corners = await cornersOf(store, grid, city.srid)
  const box: BBox = [Math.min(...corners.map(c => c[0])), Math.min(...corners.map(c => c[1])), Math.max(...corners.map(c => c[0])), Math.max(...corners.map(c => c[1]))]
  const sea = forcing.sea && seriesOf(forcing.sea, level => level + inputs.seaLevelRise)
  const uplandAbove = forcing.uplandAbove ?? DEFAULT_UPLAND
  const ground = await buildGround(store, {
    grid, srid: city.srid, branch: scenario.id, asOf, box, uplandAbove, seaLevel: sea?.values[0] ?? inputs.seaLevelRise,
    drainsMmPerHour: forcing.drainsMmPerHour ?? 0, infiltrationMmPerHour: forcing.infiltrationMmPerHour ?? 0, ...(signal && { signal }),
  })
  const computedCells = ground.bed.reduce((count, z) => count + (Number.isNaN(z) ? 0 : 1), 0)
  if (computedCells === 0) throw new Problem(422, 'nothing-to-compute', 'There is no terrain under this scenario’s window, so nothing can be computed. Import terrain there, or move the window.')

  const rain = forcing.rain && seriesOf(forcing.rain, value => value * inputs.rainFactor)
  const hills = uplandInflows(grid, ground, rain, forcing.infiltrationMmPerHour ?? 0)
  const rivers = await riverInflows(store, grid, ground, forcing, inputs.riverFactor, city.srid)
  const stages = sea ? seaStage(grid, ground, sea) : []
  const duration = (inputs.hours ?? forcing.hours) * 3600
  return {
    ground,
    case: {
      version: 1, scenario: scenario.id, title: scenario.title, asOf, start: forcing.start, duration, frameEvery: duration <= 12 * 3600 ? 300 : 600,
      grid: { crs: city.srid, origin: [...grid.origin], cell: grid.cell, rows: grid.rows, cols: grid.cols, corners: corners.map(([lon, lat]): [number, number] => [lon, lat]), box: [...box] },
      verticalDatum: city.verticalDatum, ground: listArrays(ground), computedCells,
      forcing: { ...(rain && { rain }), inflows: [...rivers, ...hills], stages, outflows: landEdges(grid, ground) } as FloodCase['forcing'],
      sources: [forcing.rain, forcing.sea, ...forcing.rivers ?? []].flatMap(part => part ? [part.source] : []),
      notes: notesOf(grid, ground, uplandAbove, stages.length > 0),
      solver: { ...SOLVER, parameters: { ...DEFAULT_PARAMETERS } },
    },
  }
}

async function latestRevision(store: Store): Promise<number> {
  const { rows } = await sql<{ revision: number }>`select coalesce(max(revision), 0)::int8 as revision from dothi.revisions`.execute(store.db)
  return Number(rows[0]!.revision)
}

/** Hours to seconds. */
function seriesOf({ hours, values }: { readonly hours: readonly number[]; readonly values: readonly number[] }, change: (value: number) => number): { times: number[]; values: number[] } {
  return { times: hours.map(hour => hour * 3600), values: values.map(change) }
}

/** The window as whole cells in the city's CRS; a window too large for the cell gets a larger cell. */
async function gridOf(store: Store, { forcing }: Scenario, inputs: RunInputs, srid: number): Promise<Grid> {
  const [west, south, east, north] = forcing.window ?? await aroundBuildings(store)
  if (!(west < east && south < north)) throw new Problem(422, 'invalid-window', `The window ${[west, south, east, north].join(', ')} is empty: give west, south, east, north.`)
  const { rows } = await sql<{ x0: number; y0: number; x1: number; y1: number }>`
    select st_xmin(g) as x0, st_ymin(g) as y0, st_xmax(g) as x1, st_ymax(g) as y1
    from (select st_transform(st_segmentize(st_makeenvelope(${west}::float8, ${south}::float8, ${east}::float8, ${north}::float8, 4326), 0.05), ${srid}::int) as g) as w`.execute(store.db)
  const { x0, y0, x1, y1 } = rows[0]!
  let cell = inputs.cell ?? forcing.cell ?? DEFAULT_CELL
  while (Math.ceil((x1 - x0) / cell) * Math.ceil((y1 - y0) / cell) > MOST_CELLS) cell += cell < 10 ? 1 : 5
  // On multiples of the cell, so that two runs of one window share their cells.
  const origin = [Math.floor(x0 / cell) * cell, Math.ceil(y1 / cell) * cell] as const
  return { origin, cell, cols: Math.max(1, Math.ceil((x1 - origin[0]) / cell)), rows: Math.max(1, Math.ceil((origin[1] - y0) / cell)) }
}

/** The buildings and 1.5 km around them, where there is terrain. */
async function aroundBuildings(store: Store): Promise<BBox> {
  const layer = store.catalogue.find('buildings')
  const bbox = layer && (await store.layerSummary(layer)).bbox
  const terrain = (await terrainSources(store)).map(source => source.bounds)
  if (!terrain.length) throw new Problem(422, 'nothing-to-compute', 'The city has no terrain yet, so no flood can be computed. Import terrain first: dothi import FILE.tif --layer terrain.')
  const ground: BBox = [Math.min(...terrain.map(b => b[0])), Math.min(...terrain.map(b => b[1])), Math.max(...terrain.map(b => b[2])), Math.max(...terrain.map(b => b[3]))]
  if (!bbox) return ground
  const around = 0.015
  return [Math.max(ground[0], bbox[0] - around), Math.max(ground[1], bbox[1] - around), Math.min(ground[2], bbox[2] + around), Math.min(ground[3], bbox[3] + around)]
}

async function cornersOf(store: Store, { origin: [east, north], cell, rows, cols }: Grid, srid: number): Promise<[lon: number, lat: number][]> {
  const points = [[east, north], [east + cols * cell, north], [east + cols * cell, north - rows * cell], [east, north - rows * cell]]
  const { rows: found } = await sql<{ lon: number; lat: number }>`
    select st_x(g) as lon, st_y(g) as lat from (
      select i, st_transform(st_setsrid(st_makepoint(x, y), ${srid}::int), 4326) as g
      from unnest(${points.map(p => p[0])}::float8[], ${points.map(p => p[1])}::float8[]) with ordinality as p (x, y, i)) as t order by i`.execute(store.db)
  return found.map(({ lon, lat }) => [lon, lat])
}

// ── Forcing on the grid ──────────────────────────────────────────────────────────────────────────

/** How hill water travels, m/s: a rough mean of overland flow and steep streams. */
const HILL_SPEED = 1
const DELAY_CLASS = 600

/** Rain on the hills, less what soaks in, arrives at the plain's edge after its way down, in classes of 10 minutes. */
function uplandInflows(grid: Grid, ground: CaseGround, rain: Series | undefined, soaksMmPerHour: number): Inflow[] {
  if (!rain) return []
  const computed = Uint8Array.from(ground.bed, z => Number.isNaN(z) ? 0 : 1)
  // The open sea is not computed either, and is no hill.
  const hills = ground.terrain.map((z, i) => ground.water[i] === SEA ? NaN : z)
  const classes = new Map<number, { cells: number[]; shares: number[]; area: number }>()
  for (const entry of drainUplands(grid, hills, computed)) {
    const delay = Math.round(entry.distance / HILL_SPEED / DELAY_CLASS) * DELAY_CLASS
    const group = classes.get(delay) ?? { cells: [], shares: [], area: 0 }
    group.cells.push(entry.cell)
    group.shares.push(entry.area)
    group.area += entry.area
    classes.set(delay, group)
  }
  return [...classes].sort(([a], [b]) => a - b).map(([delay, { cells, shares, area }]) => ({
    name: `hills, ${delay / 60} min away`, cells, shares, discharge: runoff(rain, delay, area, soaksMmPerHour),
  }))
}

/** The hyetograph's steps as ramps of one minute, later by `delay`. */
function runoff(rain: Series, delay: number, area: number, soaksMmPerHour: number): Series {
  const times = [0], values = [0]
  rain.times.forEach((time, i) => {
    const at = time + delay
    if (at > times.at(-1)!) { times.push(at); values.push(values.at(-1)!) }
    times.push(Math.max(at, times.at(-1)!) + 60)
    values.push(Math.max(0, rain.values[i]! - soaksMmPerHour) / 3.6e6 * area)
  })
  return { times, values }
}

/** How many cells of a river take its inflow, and how far from the point named they may lie, metres. */
const MOUTH_CELLS = 4
const MOUTH_REACH = 1500

async function riverInflows(store: Store, grid: Grid, ground: CaseGround, { rivers = [] }: ScenarioForcing, factor: number, srid: number): Promise<Inflow[]> {
  const inflows: Inflow[] = []
  for (const { name, at: [lon, lat], ...river } of rivers) {
    const { rows } = await sql<{ x: number; y: number }>`
      select st_x(g) as x, st_y(g) as y from (select st_transform(st_setsrid(st_makepoint(${lon}::float8, ${lat}::float8), 4326), ${srid}::int) as g) as p`.execute(store.db)
    const { x, y } = rows[0]!
    if (cellAt(grid, x, y) < 0) throw new Problem(422, 'river-outside', `The river “${name}” enters at ${lon}, ${lat}, which lies outside the window. Move the point or enlarge the window.`)
    const cells = riverCells(grid, ground, x, y)
    if (!cells.length) throw new Problem(422, 'river-outside', `Nothing is computed near ${lon}, ${lat}, where the river “${name}” should enter. Move the point to the plain.`)
    inflows.push({ name, cells, discharge: seriesOf(river, value => value * factor) })
  }
  return inflows
}

/** The nearest river cells; where the city has no river polygon there, the lowest cells around. */
function riverCells(grid: Grid, ground: CaseGround, x: number, y: number): number[] {
  const found: { cell: number; distance: number }[] = []
  for (let i = 0; i < ground.bed.length; i++) {
    if (Number.isNaN(ground.bed[i]!)) continue
    const distance = Math.hypot(grid.origin[0] + (i % grid.cols + 0.5) * grid.cell - x, grid.origin[1] - (Math.floor(i / grid.cols) + 0.5) * grid.cell - y)
    if (distance <= MOUTH_REACH) found.push({ cell: i, distance })
  }
  const rivers = found.filter(({ cell }) => ground.water[cell] === RIVER).sort((a, b) => a.distance - b.distance)
  const chosen = rivers.length ? rivers : found.filter(({ distance }) => distance <= MOUTH_REACH / 3).sort((a, b) => ground.bed[a.cell]! - ground.bed[b.cell]!)
  return chosen.slice(0, MOUTH_CELLS).map(({ cell }) => cell).sort((a, b) => a - b)
}

/** Sea cells beside the sea that is not computed, or at the grid's edge, hold the tide. */
function seaStage(grid: Grid, ground: CaseGround, level: Series): Stage[] {
  const cells = edgeCells(grid, ground, (i, outside) => ground.water[i] === SEA && (outside < 0 || ground.water[outside] === SEA))
  return cells.length ? [{ name: 'sea', cells, level }] : []
}

const EDGE_SLOPE = 0.001

/** Land at the grid's edge, or beside unknown ground, lets water go at the normal depth of a gentle slope. */
function landEdges(grid: Grid, ground: CaseGround): Outflow[] {
  const cells = edgeCells(grid, ground, (i, outside) => ground.water[i] === LAND && (outside < 0 || Number.isNaN(ground.terrain[outside]!)))
  return cells.length ? [{ name: 'land edge', cells, slope: EDGE_SLOPE }] : []
}

/** Computed cells that have a neighbour which is not computed (its index, or −1 beyond the grid) and pass the test with it. */
function edgeCells({ rows, cols }: Grid, { bed }: CaseGround, test: (cell: number, outside: number) => boolean): number[] {
  const cells: number[] = []
  for (let i = 0; i < bed.length; i++) {
    if (Number.isNaN(bed[i]!)) continue
    const row = Math.floor(i / cols), col = i % cols
    const around = [row > 0 ? i - cols : -1, row < rows - 1 ? i + cols : -1, col > 0 ? i - 1 : -1, col < cols - 1 ? i + 1 : -1]
    if (around.some(j => (j < 0 || Number.isNaN(bed[j]!)) && test(i, j))) cells.push(i)
  }
  return cells
}

function notesOf(grid: Grid, ground: CaseGround, uplandAbove: number, sea: boolean): string[] {
  return [
    `Cells of ${grid.cell} m: streets are narrower than a cell; buildings take their share of its area and of its sides.`,
    `Ground above ${uplandAbove} m is not computed; its rain, less infiltration, runs off to the plain at ${HILL_SPEED} m/s.`,
    ...(sea ? ['Open sea deeper than 6 m is not computed; it keeps the tide’s level. River beds below −6 m are filled up to it.'] : []),
    'Storm drains are a constant sink; pumps, culverts and gates are not modelled.',
    ...(ground.water.includes(RIVER) ? [] : ['No river polygon lies in the window.']),
  ]
}
