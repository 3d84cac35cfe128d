/** Features of a layer under the greatest depths of a run: which are reached, and their sums. */
import { promisify } from 'node:util'
import { inflate } from 'node:zlib'
import { sql } from 'kysely'
import { DEPTH_CLASSES, depthClassOf, type DepthClass } from '../../layers/depth.js'
import type { Layer } from '../../layers/layer.js'
import { dequantise } from '../../simulation/flood/frame.js'
import { alongLines, aroundFootprint, atPoint, worst, type Flood, type Wetness } from '../../simulation/impact/sample.js'
import { SIMULATION_LABEL, type RunManifest } from '../../simulation/manifest.js'
import { notFound } from '../errors.js'
import { readCase } from '../scenarios/case.js'
import { LAND, linesOf, polygonsOf } from '../scenarios/ground.js'
import { cellsIn } from '../scenarios/raster.js'
import { peak } from '../scenarios/results.js'
import { classOf, covers } from '../store/rights.js'
import type { Reader, Store } from '../store/store.js'
import { meets } from './area.js'
import type { ImpactInputs } from './impact.js'

interface ImpactWork {
  readonly store: Store
  readonly reader: Reader
  readonly run: RunManifest
  readonly layers: readonly Layer[]
  readonly inputs: ImpactInputs
  readonly sums: ImpactSums
  readonly signal: AbortSignal
  readonly report: (progress: number, message: string) => void
}

interface Geometry { readonly type: string; readonly coordinates: any }
/** `metric` is in the run's CRS, `geometry` in longitude and latitude. */
interface PlacedRow { readonly id: number; readonly name: string | null; readonly bridge: boolean | null; readonly metric: Geometry; readonly geometry: string }

const BATCH = 2000

/** A GeoJSON FeatureCollection of what is flooded, in chunks; the sums are complete when it ends. */
export async function* impactFeatures({ store, reader, run, layers, inputs, sums, signal, report }: ImpactWork): AsyncGenerator<string> {
  const flood = await floodOf(store, run)
  yield `{"type":"FeatureCollection","simulation":${JSON.stringify(SIMULATION_LABEL)},"run":"${run.id}","depth":${inputs.depth},"features":[`
  let before = '\n'
  for (const [i, layer] of layers.entries()) {
    let seen = 0
    for await (const rows of rowsOf(store, reader, run, layer, inputs)) {
      signal.throwIfAborted()
      const wet = rows.flatMap(row => featureOf(flood, layer, row, sums))
      if (wet.length) yield before + wet.join(',\n')
      if (wet.length) before = ',\n'
      seen += rows.length
      report((i + 1 - 1 / (1 + seen / 20_000)) / layers.length, `${layer.id}: ${seen} features`)
    }
  }
  yield '\n]}\n'
}

/** The run's peaks over its grid, and where water always stands. */
async function floodOf(store: Store, { id, grid }: RunManifest): Promise<Flood> {
  const { rows: [run] } = await sql<{ case_id: string }>`select case_id from dothi.runs where id = ${id}::uuid`.execute(store.db)
  const frozen = run && await readCase(store, run.case_id)
  if (!frozen) throw notFound(`The frozen inputs of run ${id} are gone, so that its water cannot be told from rivers. Run it again.`)
  const [depth, arrival01, arrival03, duration01, duration03] = await Promise.all((['depth', 'arrival01', 'arrival03', 'duration01', 'duration03'] as const).map(name => peakOf(store, id, name)))
  return { grid, peaks: { depth: depth!, arrival01: arrival01!, arrival03: arrival03!, duration01: duration01!, duration03: duration03! }, permanent: frozen.ground.water.map(kind => kind === LAND ? 0 : 1) }
}

async function peakOf(store: Store, run: string, name: string): Promise<Float32Array> {
  const { type, data } = await peak(store, { subject: 'impact', roles: [], clearance: 'open' }, run, name)
  const bytes = Uint8Array.from(await promisify(inflate)(data))
  return type === 'uint16' ? dequantise(new Uint16Array(bytes.buffer)) : new Float32Array(bytes.buffer)
}

/** The layer as the run saw it, by ascending id, within the run's grid (and the area). */
async function* rowsOf(store: Store, reader: Reader, run: RunManifest, layer: Layer, { area }: ImpactInputs): AsyncGenerator<readonly PlacedRow[]> {
  const has = (name: string | undefined) => layer.columns.some(column => column.name === name && covers(reader.clearance, classOf(layer, column)))
  const name = has(layer.label) ? layer.label! : undefined
  const bridge = has('bridge')
  const view = await store.view({
    layer, branch: run.scenario, asOf: run.asOf, reader, bbox: { box: boxOf(run), srid: 4326, exact: true }, ...(area && { where: meets(area) }),
    columns: [...new Set([...name ? [name] : [], ...bridge ? ['bridge'] : []])],
  })
  for (let last = -1; ;) {
    const { rows } = await sql<PlacedRow>`
      select v.id, ${name ? sql`${sql.ref(`v.${name}`)}::text` : sql`null::text`} as name, ${bridge ? sql`v.bridge` : sql`null::boolean`} as bridge,
        st_asgeojson(st_transform(v.geom, ${run.grid.crs}::int), 2, 0)::json as metric, st_asgeojson(v.geom, 7, 0) as geometry
      from (${view}) as v where v.geom is not null and v.id > ${last}::int8 order by v.id limit ${BATCH}`.execute(store.pool(reader.clearance))
    if (rows.length) yield rows
    if (rows.length < BATCH) return
    last = rows[rows.length - 1]!.id
  }
}

function boxOf({ grid: { corners } }: RunManifest): [number, number, number, number] {
  const lon = corners.map(corner => corner[0]), lat = corners.map(corner => corner[1])
  return [Math.min(...lon), Math.min(...lat), Math.max(...lon), Math.max(...lat)]
}

/** The feature as GeoJSON where it is flooded; always counted. */
function featureOf(flood: Flood, layer: Layer, row: PlacedRow, sums: ImpactSums): string[] {
  const found = wetnessOf(flood, layer, row)
  if (!sums.count(layer, found)) return []
  const { depth, arrival01, duration01, floodedShare } = found!
  const properties = {
    layer: layer.id, name: row.name, depth_max_m: milli(depth), depth_class: depthClassOf(depth), arrival_s: arrival01, duration_s: milli(duration01),
    ...(floodedShare !== undefined && { flooded_share: milli(floodedShare) }), simulation: SIMULATION_LABEL.en,
  }
  return [`{"type":"Feature","id":${row.id},"geometry":${row.geometry},"properties":${JSON.stringify(properties)}}`]
}

type Found = Wetness & { readonly floodedShare?: number }

/** Null where nothing was computed. Water stands at a house's wall, runs over a line, and covers ground. */
function wetnessOf(flood: Flood, layer: Layer, { metric, bridge }: PlacedRow): Found | null {
  if (bridge) return DRY
  switch (metric.type) {
    case 'Point': return atPoint(flood, metric.coordinates[0], metric.coordinates[1])
    case 'MultiPoint': return deepest((metric.coordinates as [number, number][]).map(([x, y]) => atPoint(flood, x, y)))
    case 'LineString': case 'MultiLineString': return alongLines(flood, linesOf(metric))
    case 'Polygon': case 'MultiPolygon': return layer.threeD?.form === 'extrude' ? aroundFootprint(flood, polygonsOf(metric).map(rings => rings[0]!)) : overGround(flood, metric)
    default: return null
  }
}
/** Under a bridge the water passes. */
const DRY: Wetness = { depth: 0, arrival01: null, arrival03: null, duration01: 0, duration03: 0 }

const deepest = (all: readonly (Wetness | null)[]): Wetness | null => all.reduce((most, next) => !next || (most && most.depth >= next.depth) ? most : next, null)

function overGround(flood: Flood, metric: Geometry): Found | null {
  const cells: number[] = []
  for (const rings of polygonsOf(metric)) cellsIn(flood.grid, rings, cell => cells.push(cell))
  // Smaller than a cell: its edge tells.
  const found = worst(flood, cells) ?? alongLines(flood, polygonsOf(metric).map(rings => rings[0]!))
  const { peaks, permanent } = flood
  const computed = cells.filter(cell => !Number.isNaN(peaks.depth[cell]!) && !permanent?.[cell])
  const floodedShare = computed.length ? computed.filter(cell => peaks.depth[cell]! >= WET).length / computed.length : undefined
  return found && { ...found, ...(floodedShare !== undefined && { floodedShare }) }
}
/** Where the ground counts as covered, metres: the first depth class. */
const WET = 0.1

/** Millimetres and milliseconds are more than the model knows. */
const milli = (value: number) => Math.round(value * 1000) / 1000

// ── Sums ─────────────────────────────────────────────────────────────────────────────────────────

export interface LayerSums {
  readonly computed: number
  /** In the run's window, but where nothing was computed: not the same as dry. */
  readonly notComputed: number
  readonly flooded: number
  readonly deepest: number
  readonly byDepthClass: Readonly<Record<DepthClass, number>>
}
export interface ImpactSummary {
  readonly run: string
  readonly scenario: string
  readonly label: typeof SIMULATION_LABEL
  /** What counts as flooded, metres. */
  readonly depth: number
  readonly layers: Readonly<Record<string, LayerSums>>
}

export class ImpactSums {
  readonly #layers = new Map<string, { computed: number; notComputed: number; flooded: number; deepest: number; byDepthClass: Record<string, number> }>()

  constructor(readonly run: Pick<RunManifest, 'id' | 'scenario'>, readonly depth: number) {}

  /** True where the feature is flooded. */
  count({ id }: Layer, found: Wetness | null): boolean {
    const sums = this.#of(id)
    if (!found) {
      sums.notComputed++
      return false
    }
    sums.computed++
    sums.byDepthClass[depthClassOf(found.depth)]!++
    sums.deepest = Math.max(sums.deepest, milli(found.depth))
    const flooded = found.depth >= this.depth
    if (flooded) sums.flooded++
    return flooded
  }

  summary(): ImpactSummary {
    return { run: this.run.id, scenario: this.run.scenario, label: SIMULATION_LABEL, depth: this.depth, layers: Object.fromEntries(this.#layers) as ImpactSummary['layers'] }
  }

  #of(layer: string) {
    let sums = this.#layers.get(layer)
    if (!sums) this.#layers.set(layer, sums = { computed: 0, notComputed: 0, flooded: 0, deepest: 0, byDepthClass: Object.fromEntries(Object.keys(DEPTH_CLASSES).map(name => [name, 0])) })
    return sums
  }
}
