import type { Feature, FeatureStream } from '../../core/feature.js'
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import type { Layer, SourceMapping } from '../../layers/layer.js'
import { badParameter } from '../errors.js'
import { GeometryFault } from '../../core/geometry/wkb-bytes.js'
import { badFile } from './fault.js'
import { layerName } from './geojson.js'
import { chooseMapping, featureMapper, matches, parseColumnMap } from './mapping.js'
import type { OsmFile, OsmLayer } from './osm.js'
import type { SourceFile, SourceLayer } from './source.js'

export interface ImportChoice {
  /** The layer to fill; without it every layer that has a mapping of this kind of file. */
  readonly layer?: Layer
  /** Which of the file's layers; without it all that fit. */
  readonly from?: string
  /** The user's word on the CRS; it goes before the file's. */
  readonly srid?: number
  readonly map: readonly string[]
  readonly source: string
  readonly onDropped: (message: string) => void
}

/** What goes where. */
export interface ImportPlan {
  readonly streams: readonly FeatureStream[]
  /** Layers of the file that nothing takes. */
  readonly left: readonly string[]
  /** Features to come, where known. */
  readonly count: number | undefined
}

/** Decides which layers of the file fill which layers of the city. Throws a Problem that says what to choose. */
export async function planImport(file: SourceFile, layers: readonly Layer[], choice: ImportChoice): Promise<ImportPlan> {
  const city = layers.filter(layer => layer.kind === 'city')
  if (file.format === 'osm-xml' || file.format === 'osm-pbf') return planTagged(file as OsmFile, city, choice)
  if ((file.format === 'cityjson' || file.format === 'citygml') && !choice.from) return planCityModel(file, city, choice)
  if ((file.format === 'epanet' || file.format === 'swmm') && !choice.from) return planNetwork(file, city, choice)
  return planPlain(file, city, choice)
}

/** OSM: each layer takes what its mapping of OSM asks for, in the shape it stores. */
function planTagged(file: OsmFile, layers: readonly Layer[], choice: ImportChoice): ImportPlan {
  const targets = (choice.layer ? [choice.layer] : layers).map(layer => ({ layer, mappings: layer.sources?.filter(m => m.source === 'osm') ?? [] }))
    .filter(({ mappings }) => mappings.length)
  if (targets.length === 0) throw badParameter('layer', `The layer “${choice.layer?.id}” has no mapping of OpenStreetMap tags. Publish the file as layers of its own instead.`)
  const streams = targets.flatMap(({ layer, mappings }) => {
    const wanted = (tags: Readonly<Record<string, string>>) => mappings.some(m => matches(m.when, tags))
    return kindsOf(layer).flatMap(kind => file.layers.filter(l => l.kind === kind).map((from): FeatureStream => ({
      layer: layer.id, srid: 4326, source: choice.source,
      features: convert(from.features(wanted), layer, mappings, choice, layer.geometry === 'point' && kind === 'areas' ? middle : undefined),
    })))
  })
  return { streams, left: [], count: undefined }
}

function kindsOf(layer: Layer): readonly OsmLayer['kind'][] {
  switch (layer.geometry) {
    case 'point': return ['points', 'areas']
    case 'line': return ['lines']
    case 'polygon': return ['areas']
    case 'any': return ['points', 'lines', 'areas']
  }
}

/** CityJSON and CityGML: object types go to the layers whose mapping names them; what has none of CityGML is mapped as CityJSON is. */
function planCityModel(file: SourceFile, layers: readonly Layer[], choice: ImportChoice): ImportPlan {
  const streams: FeatureStream[] = []
  const left: string[] = []
  let count = 0
  for (const from of file.layers) {
    const mapped = (choice.layer ? [choice.layer] : layers).map(layer => ({ layer, mappings: modelMappings(layer, file.format, from.name) }))
      .filter(({ mappings }) => mappings.length)
    if (mapped.length === 0) { left.push(from.name); continue }
    count += (from.count ?? 0) * mapped.length
    for (const { layer, mappings } of mapped)
      streams.push({ layer: layer.id, srid: sridOf(from, choice), source: choice.source, features: convert(from.features(), layer, mappings, choice) })
  }
  if (streams.length === 0)
    throw badParameter('layer', `None of the file's object types (${file.layers.map(l => l.name).join(', ')}) belongs to ${choice.layer ? `the layer “${choice.layer.id}”` : 'a layer of the city'}. Choose one with --from, or publish the file as layers of its own.`)
  return { streams, left, count }
}

function modelMappings(layer: Layer, format: SourceFile['format'], type: string): readonly SourceMapping[] {
  const of = (source: string) => layer.sources?.filter(m => m.source === source && matches(m.when, { type })) ?? []
  const own = of(format)
  return own.length ? own : of('cityjson')
}

/** Networks of EPANET and SWMM: their readers name the layers of the city and speak in their columns. */
function planNetwork(file: SourceFile, layers: readonly Layer[], choice: ImportChoice): ImportPlan {
  const taken = file.layers.flatMap(from => layers.filter(({ id }) => id === from.name && (!choice.layer || choice.layer.id === id)).map(layer => ({ from, layer })))
  if (taken.length === 0) throw badParameter('layer', `The file has ${file.layers.map(l => l.name).join(', ')}, nothing for ${choice.layer ? `the layer “${choice.layer.id}”` : 'a layer of the city'}. Choose one with --from, or publish the file as layers of its own.`)
  return {
    streams: taken.map(({ from, layer }) => ({ layer: layer.id, srid: sridOf(from, choice), source: choice.source, features: renamed(from, layer, choice) })),
    left: file.layers.filter(from => !taken.some(t => t.from === from)).map(l => l.name), count: taken.reduce((sum, { from }) => sum + (from.count ?? 0), 0),
  }
}

async function* renamed(from: SourceLayer, layer: Layer, { map }: ImportChoice): AsyncGenerator<Feature> {
  const toColumns = featureMapper({ layer, map: parseColumnMap(map, layer) })
  for await (const feature of from.features()) yield toColumns(feature)
}

/** Everything else: one layer of the file into one layer of the city. */
async function planPlain(file: SourceFile, layers: readonly Layer[], choice: ImportChoice): Promise<ImportPlan> {
  const from = pick(file, choice.from)
  const sample = await firstFeatures(from)
  const layer = choice.layer ?? guessLayer(layers, choice.source, sample)
  const mapping = chooseMapping(layer, choice.source, sample)
  const map = parseColumnMap(choice.map, layer)
  const toColumns = featureMapper({ layer, map, ...(mapping ? { mapping } : {}) })
  async function* features() {
    for await (const feature of from.features()) yield toColumns(shaped(feature, layer))
  }
  return {
    streams: [{ layer: layer.id, srid: sridOf(from, choice), source: choice.source, features: features() }],
    left: file.layers.filter(l => l !== from).map(l => l.name), count: from.count,
  }
}

function pick(file: SourceFile, name: string | undefined): SourceLayer {
  const names = file.layers.map(l => l.name).join(', ')
  if (name !== undefined) {
    const found = file.layers.find(l => l.name === name)
    if (!found) throw badParameter('from', `The file has no layer “${name}”. It has ${names}.`)
    return found
  }
  if (file.layers.length > 1) throw badParameter('from', `The file has ${file.layers.length} layers: ${names}. Say which with --from, or publish them all.`)
  return file.layers[0]!
}

function guessLayer(layers: readonly Layer[], source: string, sample: readonly Feature[]): Layer {
  const fitting = layers.filter(layer => chooseMapping({ ...layer, sources: layer.sources?.filter(m => m.when) ?? [] }, source, sample))
  if (fitting.length === 1) return fitting[0]!
  throw badParameter('layer', fitting.length
    ? `The file could go into ${fitting.map(l => l.id).join(' or ')}: say which with --layer.`
    : 'No layer of the city knows a file like this: say which it is with --layer (and --map), or publish it as a layer of its own.')
}

/** Polygons of small things (inlets, substations) stand in point layers as their middle. */
function shaped(feature: Feature, layer: Layer): Feature {
  return layer.geometry === 'point' && /Polygon$/.test(feature.geometry?.type ?? '') ? middle(feature) : feature
}

export const SAMPLE = 200
async function firstFeatures(layer: SourceLayer): Promise<Feature[]> {
  const features: Feature[] = []
  for await (const feature of layer.features()) if (features.push(feature) === SAMPLE) break
  return features
}

export function sridOf(from: SourceLayer, { srid }: Pick<ImportChoice, 'srid'>): number {
  const code = srid ?? from.srid
  if (code === null || code === undefined) throw badParameter('crs', `The file does not say the CRS of “${from.name}”: give it with --crs EPSG:n.`)
  return code
}

async function* convert(features: AsyncIterable<Feature>, layer: Layer, mappings: readonly SourceMapping[], { map, onDropped }: ImportChoice, reshape?: (feature: Feature) => Feature): AsyncGenerator<Feature> {
  const columns = parseColumnMap(map, layer)
  const mappers = mappings.map(mapping => ({ mapping, convert: featureMapper({ layer, map: columns, mapping, onDropped }) }))
  for await (const feature of features) {
    const mapper = mappers.find(({ mapping }) => matches(mapping.when, feature.properties))
    if (mapper) yield mapper.convert(reshape ? reshape(feature) : feature)
  }
}

/** The feature at the centroid of its largest ring. */
function middle(feature: Feature): Feature {
  try {
    const centre = feature.geometry ? centroid(feature.geometry) : null
    return centre ? { ...feature, geometry: { type: 'Point', coordinates: centre } } : feature
  } catch (error) {
    if (error instanceof GeometryFault) return { ...feature, geometry: null, fault: error.message }
    throw error
  }
}

function centroid({ type, coordinates }: GeoJsonGeometry): number[] | null {
  const polygons = (type === 'Polygon' ? [coordinates] : coordinates) as number[][][][]
  let best: number[] | null = null
  let bestArea = -1
  for (const [ring] of polygons) {
    if (!ring?.length) continue
    let [area, x, y] = [0, 0, 0]
    const [x0, y0] = ring[0] as [number, number]
    for (let i = 0; i < ring.length; i++) {
      const [ax, ay] = [ring[i]![0]! - x0, ring[i]![1]! - y0]
      const next = ring[(i + 1) % ring.length]!
      const [bx, by] = [next[0]! - x0, next[1]! - y0]
      const cross = ax * by - bx * ay
      area += cross
      x += (ax + bx) * cross
      y += (ay + by) * cross
    }
    if (Math.abs(area) <= bestArea) continue
    bestArea = Math.abs(area)
    best = area === 0 ? [x0, y0] : [x0 + x / (3 * area), y0 + y / (3 * area)]
  }
  return best
}

/** The name of a source where the user gave none. */
export function defaultSource(fileName: string): string {
  const name = layerName(fileName).replace(/\.(osm|hgt|geojson|json|shp|gpkg|tiff?|asc)$/i, '')
  if (name === '') throw badFile('The file has no name: give its source with --source.')
  return name
}
