/** All that the catalogue has for a reader: layers, terrain, scenarios, runs. Nothing is stored twice: records are made from what is there. */
import { sql } from 'kysely'
import type { BBox } from '../../../core/bbox.js'
import type { Layer, Localized } from '../../../layers/layer.js'
import { SIMULATION_LABEL, type RunManifest } from '../../../simulation/manifest.js'
import type { FormatId } from '../../export/export.js'
import { FORMATS } from '../../export/formats.js'
import type { Call } from '../../operations/operation.js'
import { REPORT } from '../../quality/reconcile.js'
import { summary, type Summary } from '../../quality/summary.js'
import { listScenarios, type Scenario } from '../../scenarios/scenario.js'
import type { Store } from '../../store/store.js'
import { terrainSummary } from '../../terrain/terrain-store.js'
import { GEOJSON_MEDIA } from '../common/media.js'
import type { CatalogueRecord, Distribution, Quality } from './record.js'

/** Results of simulations are open, as the layers of results are. */
const RESULT_LICENCE = 'CC-BY-4.0'
/** Older runs are found by their scenario. */
const MOST_RUNS = 2000

export async function recordsOf({ app: { store }, reader }: Pick<Call, 'app' | 'reader'>): Promise<readonly CatalogueRecord[]> {
  const layers = store.catalogue.for(reader).filter(({ kind }) => kind !== 'run')
  const [checks, terrain, scenarios, runs] = await Promise.all([
    layers.some(({ id }) => id === REPORT) ? summary(store, reader) : undefined,
    terrainRecord(store), listScenarios(store), runsOf(store),
  ])
  const datasets = await Promise.all(layers.map(layer => layerRecord(store, layer, checks)))
  const byId = new Map(scenarios.map(scenario => [scenario.id, scenario]))
  return [
    ...datasets, ...(terrain ? [terrain] : []),
    ...scenarios.map(scenario => scenarioRecord(scenario, runs)),
    ...runs.filter(run => byId.has(run.scenario)).map(run => runRecord(run, byId.get(run.scenario)!)),
  ]
}

const both = (vi: string, en = vi): Localized => ({ vi, en })
const JSON_TYPE = 'application/json'

async function layerRecord(store: Store, layer: Layer, checks: Summary | undefined): Promise<CatalogueRecord> {
  const { id, title, description, group, keywords = [], owner, contact, updateFrequency, lineage, licence, attribution, classification } = layer
  const { count, bbox, updated } = await store.layerSummary(layer)
  return {
    id, type: 'dataset', title, description, theme: group, keywords, owner, contact, updateFrequency, lineage, licence, attribution, classification,
    bbox, time: null, updated: updated ?? undefined, count, quality: qualityOf(id, checks), distributions: layerDistributions(layer),
  }
}

/** What findings there are of a layer; a layer that the checks never came to has no quality rather than a good one. */
function qualityOf(layer: string, checks: Summary | undefined): Quality | undefined {
  if (!checks?.checked || layer === REPORT) return undefined
  const { open = 0, waived = 0, errors = 0 } = checks.layers.find(found => found.layer === layer) ?? {}
  return { findings: open, errors, waived, checked: checks.checked, isCurrent: checks.behind === 0 }
}

/** Files of a whole layer, the most asked for first. */
const FILES: readonly FormatId[] = ['gpkg', 'geojson', 'csv', 'flatgeobuf', 'geoparquet', 'gml', 'cityjson', 'kml', 'dxf']

function layerDistributions({ id, threeD, geometry }: Layer): Distribution[] {
  const collection = `/ogc/collections/${id}`
  const files = FILES.filter(format => format !== 'cityjson' || (threeD && geometry === 'polygon'))
  return [
    { path: `${collection}/items`, rel: 'items', type: GEOJSON_MEDIA.type, title: both('Đối tượng, từng trang', 'Features, page by page'), format: 'OGC API Features' },
    ...files.map((format): Distribution => ({
      path: `/exports?layers=${id}&format=${format}`, rel: 'enclosure', type: FORMATS[format].mediaType, title: both(`Toàn bộ: ${FORMATS[format].title}`, `All of it as ${FORMATS[format].title}`), format: FORMATS[format].title, isFile: true,
    })),
    { path: `${collection}/tiles/WebMercatorQuad`, rel: 'http://www.opengis.net/def/rel/ogc/1.0/tilesets-vector', type: JSON_TYPE, title: both('Ô bản đồ véc-tơ', 'Vector tiles'), format: 'Mapbox Vector Tiles' },
    ...(threeD ? [{ path: `/3dtiles/${id}/tileset.json`, rel: 'http://www.opengis.net/def/rel/ogc/1.0/3d-geovolumes', type: 'application/json+3dtiles', title: both('3D Tiles'), format: '3D Tiles' } as const] : []),
    { path: collection, rel: 'about', type: JSON_TYPE, title: both('Mô tả tập dữ liệu', 'The collection') },
    { path: `${collection}/schema`, rel: 'describedby', type: 'application/schema+json', title: both('Lược đồ', 'Schema') },
  ]
}

async function terrainRecord(store: Store): Promise<CatalogueRecord | undefined> {
  const terrain = await terrainSummary(store)
  if (!terrain) return undefined
  return {
    id: 'elevation', type: 'coverage', theme: 'terrain', classification: 'open', licence: 'CC-BY-4.0',
    title: both('Cao độ mặt đất', 'Ground elevation'),
    description: both('Mô hình số địa hình của thành phố, dạng ô cao độ nhiều mức.', 'The city’s digital terrain model, as a pyramid of height tiles.'),
    keywords: [both('địa hình', 'terrain'), both('DEM'), both('cao độ', 'elevation')], updateFrequency: 'irregular',
    bbox: terrain.bounds, time: null,
    distributions: [
      { path: '/ogc/collections/elevation', rel: 'data', type: JSON_TYPE, title: both('Lưới phủ: GeoTIFF, CoverageJSON, tại một điểm, theo tuyến', 'Coverage: GeoTIFF, CoverageJSON, at a place, along a line'), format: 'OGC API Coverages, EDR' },
      { path: '/terrain/tilejson', rel: 'data', type: JSON_TYPE, title: both('Terrain-RGB (TileJSON)'), format: 'Terrain-RGB' },
      { path: '/terrain/mesh/layer.json', rel: 'data', type: JSON_TYPE, title: both('Quantized-mesh'), format: 'Quantized-mesh' },
      { path: '/terrain', rel: 'about', type: JSON_TYPE, title: both('Nguồn và mức', 'Sources and levels') },
    ],
  }
}

interface Run { readonly id: string; readonly scenario: string; readonly created: Date; readonly manifest: Pick<RunManifest, 'title' | 'start' | 'duration' | 'grid' | 'notes' | 'sources' | 'solver' | 'inputsHash'> }

/** Runs that ended well, the latest first. */
async function runsOf(store: Store): Promise<readonly Run[]> {
  const { rows } = await sql<Run>`
    select r.id, r.scenario, r.created, r.manifest from dothi.runs r join dothi.jobs j using (id)
    where j.state = 'successful' order by r.created desc limit ${MOST_RUNS}`.execute(store.db)
  return rows
}

function scenarioRecord({ id, title, description, forcing, created }: Scenario, runs: readonly Run[]): CatalogueRecord {
  const own = runs.filter(run => run.scenario === id)
  return {
    id: `scenario-${id}`, type: 'scenario', uuid: id, title, description, theme: 'results', classification: 'open', licence: RESULT_LICENCE,
    keywords: [both('kịch bản', 'scenario'), both('ngập', 'flood')], label: SIMULATION_LABEL,
    bbox: forcing.window ? [...forcing.window] as unknown as BBox : own[0] ? bboxOf(own[0]) : null,
    time: period(forcing.start, forcing.hours * 3600), created, updated: own[0]?.created ?? created,
    distributions: [
      { path: `/scenarios/${id}`, rel: 'data', type: JSON_TYPE, title: both('Kịch bản', 'The scenario'), format: 'JSON' },
      { path: `/scenarios/${id}/ogc`, rel: 'service', type: JSON_TYPE, title: both('Dịch vụ OGC của kịch bản', 'OGC services of the scenario'), format: 'OGC API' },
    ],
  }
}

function runRecord(run: Run, scenario: Scenario): CatalogueRecord {
  const { id, created, manifest: { start, duration, notes, sources, solver } } = run
  const collections = `/scenarios/${scenario.id}/ogc/collections`
  const day = start.slice(0, 10)
  return {
    id: `run-${id}`, type: 'run', uuid: id, partOf: `scenario-${scenario.id}`, theme: 'results', classification: 'open', licence: RESULT_LICENCE,
    title: both(`${scenario.title.vi}: mô phỏng ngày ${day}`, `${scenario.title.en}: run of ${day}`),
    description: both(`${SIMULATION_LABEL.vi}. ${scenario.description.vi}`.trim(), `${SIMULATION_LABEL.en}. ${scenario.description.en}`.trim()),
    keywords: [both('mô phỏng', 'simulation'), both('ngập', 'flood'), both('độ sâu', 'depth')], label: SIMULATION_LABEL,
    lineage: both([`${solver.name} ${solver.version}`, ...sources, ...notes].join('; ')),
    bbox: bboxOf(run), time: period(start, duration), created, updated: created,
    distributions: [
      { path: `/runs/${id}`, rel: 'data', type: JSON_TYPE, title: both('Mô tả và các khung thời gian', 'Manifest and frames'), format: 'JSON' },
      { path: `${collections}/run_depth/instances/${id}`, rel: 'data', type: JSON_TYPE, title: both('Độ sâu ngập theo thời gian: GeoTIFF, CoverageJSON, tại một địa chỉ', 'Flood depth over time: GeoTIFF, CoverageJSON, at an address'), format: 'OGC API EDR' },
      { path: `/runs/${id}/impacts`, rel: 'data', type: JSON_TYPE, title: both('Thiệt hại', 'Impacts'), format: 'JSON' },
      ...(['buildings', 'roads', 'facilities'] as const).map((what): Distribution => ({
        path: `${collections}/run_${what}/items?run=${id}`, rel: 'items', type: 'application/geo+json', title: both(RESULTS[what].vi, RESULTS[what].en), format: 'OGC API Features, json',
      })),
    ],
  }
}

const RESULTS = { buildings: both('Công trình bị ngập', 'Flooded buildings'), roads: both('Đường bị ngập', 'Flooded roads'), facilities: both('Công trình công cộng bị ngập', 'Flooded facilities') }

function bboxOf({ manifest: { grid: { corners } } }: Run): BBox {
  const [lons, lats] = [corners.map(([lon]) => lon), corners.map(([, lat]) => lat)]
  return [Math.min(...lons), Math.min(...lats), Math.max(...lons), Math.max(...lats)]
}

const period = (start: string, seconds: number) => ({ start: new Date(start), end: new Date(Date.parse(start) + seconds * 1000) })
