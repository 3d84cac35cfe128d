import { sql } from 'kysely'
import type { Feature } from '../../core/feature.js'
import { GeometryFault } from '../../core/geometry/wkb-bytes.js'
import { fold } from '../../core/text.js'
import { VN2000_ZONES } from '../../core/vn2000.js'
import type { Layer } from '../../layers/layer.js'
import type { Store } from '../store/store.js'
import { attributeFault } from './check.js'
import { chooseMapping, featureMapper } from './mapping.js'
import { openAny } from './open-source.js'
import { defaultSource } from './plan.js'
import type { ImportInputs } from './run.js'
import type { EncodingReport, SourceFile, SourceLayer } from './source.js'

/** What an import would find in a file; nothing is written. */
export interface Preview {
  readonly file: string
  readonly format: string
  readonly layers: readonly LayerPreview[]
  readonly notes: readonly string[]
  /** A raster: size and CRS instead of layers. */
  readonly terrain?: { readonly cols: number; readonly rows: number; readonly srid: number | null }
}

export interface LayerPreview {
  readonly name: string
  /** EPSG code; null where neither file nor user says it. */
  readonly srid: number | null
  readonly crsFrom: 'file' | 'user' | null
  /** Where the CRS is unknown: those under which the data would lie in the city, nearest to its middle first. */
  readonly crsCandidates?: readonly { readonly srid: number; readonly kmFromHome: number }[]
  readonly features: number
  /** False where only the first ones were counted. */
  readonly complete: boolean
  readonly geometryTypes: Readonly<Record<string, number>>
  readonly solids: number
  /** Features without a geometry that can be used, by reason. */
  readonly faults: Readonly<Record<string, number>>
  /** In the file's CRS, and as longitudes and latitudes. */
  readonly bbox: Box | null
  readonly bboxWgs84: Box | null
  readonly fields: readonly FieldPreview[]
  readonly texts?: EncodingReport
  /** Layers of the city that it could fill, best first. */
  readonly proposals: readonly Proposal[]
}
type Box = readonly [number, number, number, number]
export interface FieldPreview { readonly name: string; readonly type: string; readonly filled: number; readonly examples: readonly string[] }
export interface Proposal {
  readonly layer: string
  /** Column → attribute, as `--map` takes it; those with `known` need not be given. */
  readonly mapping: readonly { readonly column: string; readonly attribute: string; readonly known: boolean }[]
}

/** No more features than this, nor more milliseconds, a layer. */
const MAX_FEATURES = 200_000
const MAX_MS = 15_000
const SAMPLE = 200
const MAX_LAYERS = 60

/** Opens a file as an import would and tells what is in it. Throws the Problem that an import would. */
export async function previewFile(store: Store, inputs: Omit<ImportInputs, 'file' | 'dataDir'> & { readonly file: { readonly path: string; readonly name: string } }, signal?: AbortSignal): Promise<Preview> {
  const { file, srid, encoding } = inputs
  const opened = await openAny(file.path, file.name, { ...(signal ? { signal } : {}), ...(srid === undefined ? {} : { srid }), ...(encoding === undefined ? {} : { encoding }) })
  if (opened.kind === 'terrain') {
    const { grid, format } = opened
    await opened.close()
    return { file: file.name, format, layers: [], notes: [], terrain: { cols: grid.cols, rows: grid.rows, srid: srid ?? grid.srid } }
  }
  const { source } = opened
  try {
    const layers: LayerPreview[] = []
    for (const layer of source.layers.filter(l => inputs.from === undefined || l.name === inputs.from).slice(0, MAX_LAYERS)) layers.push(await previewLayer(store, source, layer, inputs, signal))
    return { file: file.name, format: source.format, layers, notes: source.notes?.() ?? [] }
  } finally {
    await source.close()
  }
}

async function previewLayer(store: Store, file: SourceFile, layer: SourceLayer, { srid: given, source, file: { name } }: { readonly srid?: number; readonly source?: string; readonly file: { readonly name: string } }, signal?: AbortSignal): Promise<LayerPreview> {
  const started = Date.now()
  const fields = new Map<string, Field>()
  const geometryTypes: Record<string, number> = {}
  const faults: Record<string, number> = {}
  const extent = new Extent()
  const sample: Feature[] = []
  let features = 0
  let solids = 0
  let complete = true
  const countFault = (reason: string) => { faults[reason.slice(0, 120)] = (faults[reason.slice(0, 120)] ?? 0) + 1 }
  for await (const feature of withoutQuestion(layer)) {
    if (features >= MAX_FEATURES || (features % 256 === 0 && Date.now() - started > MAX_MS)) { complete = false; break }
    features++
    if (features % 1024 === 0) signal?.throwIfAborted()
    if (sample.length < SAMPLE) sample.push(feature)
    if (feature.solid) solids++
    for (const key in feature.properties) {
      const field = fields.get(key) ?? new Field()
      fields.set(key, field)
      field.see(feature.properties[key])
    }
    if (!feature.geometry) { countFault(feature.fault ?? 'no geometry'); continue }
    geometryTypes[feature.geometry.type] = (geometryTypes[feature.geometry.type] ?? 0) + 1
    try {
      extent.see(feature)
    } catch (error) {
      if (!(error instanceof GeometryFault)) throw error
      countFault(error.message)
    }
  }
  const srid = given ?? layer.srid
  const bbox = extent.box
  const found = bbox && srid === null ? await crsCandidates(store, bbox) : undefined
  return {
    name: layer.name, srid, crsFrom: given !== undefined ? 'user' : layer.srid === null ? null : 'file', ...(found ? { crsCandidates: found } : {}),
    features: complete ? features : layer.count ?? features, complete: complete || layer.count !== undefined, geometryTypes, solids, faults, bbox,
    bboxWgs84: bbox && srid !== null ? await boxIn4326(store, bbox, srid) : null,
    fields: [...fields].map(([field, seen]) => ({ name: field, ...seen.preview })), ...(layer.texts ? { texts: layer.texts } : {}),
    proposals: proposalsFor(store.catalogue.all().filter(l => l.kind === 'city' && l.group !== 'published'), file, layer, source ?? defaultSource(name), sample),
  }
}

/** The features of a layer whose encoding is in doubt too: a preview shows the doubt, it does not stop at it. */
function withoutQuestion(layer: SourceLayer): AsyncIterable<Feature> {
  return (layer.asTheyAre ?? layer.features)()
}

class Field {
  #filled = 0
  readonly #types = new Set<string>()
  readonly #examples = new Set<string>()
  see(value: unknown) {
    if (value === null || value === undefined || value === '') return
    this.#filled++
    this.#types.add(typeof value === 'number' ? (Number.isInteger(value) ? 'integer' : 'number') : typeof value === 'string' && /^\d{4}-\d{2}-\d{2}/.test(value) ? 'date' : typeof value === 'object' ? 'json' : typeof value === 'string' ? 'text' : typeof value)
    if (this.#examples.size < 4) this.#examples.add((typeof value === 'object' ? JSON.stringify(value) : String(value)).slice(0, 80))
  }
  get preview(): Omit<FieldPreview, 'name'> {
    const types = [...this.#types]
    return { type: types.length === 0 ? 'empty' : types.length === 1 ? types[0]! : types.every(t => t === 'integer' || t === 'number') ? 'number' : 'text', filled: this.#filled, examples: [...this.#examples] }
  }
}

class Extent {
  #box: [number, number, number, number] = [Infinity, Infinity, -Infinity, -Infinity]
  see({ geometry }: Feature) {
    const walk = (value: unknown): void => {
      if (!Array.isArray(value)) return
      const [x, y] = value as [unknown, unknown]
      if (typeof x !== 'number') { value.forEach(walk); return }
      if (!Number.isFinite(x) || !Number.isFinite(y)) throw new GeometryFault('a coordinate that is not a number')
      this.#box = [Math.min(this.#box[0], x), Math.min(this.#box[1], y as number), Math.max(this.#box[2], x), Math.max(this.#box[3], y as number)]
    }
    for (const part of geometry!.geometries ?? [geometry!]) walk(part.coordinates)
  }
  get box(): Box | null {
    return Number.isFinite(this.#box[0]) ? this.#box : null
  }
}

async function boxIn4326(store: Store, [minX, minY, maxX, maxY]: Box, srid: number): Promise<Box | null> {
  try {
    const { rows: [row] } = await sql<{ box: string }>`select ST_Extent(ST_Transform(ST_Segmentize(ST_MakeEnvelope(${minX}, ${minY}, ${maxX}, ${maxY}, ${srid}), greatest(${maxX}::float8 - ${minX}::float8, ${maxY}::float8 - ${minY}::float8, 1e-9) / 8), 4326))::text as box`.execute(store.db)
    const numbers = /BOX\((.*)\)/.exec(row?.box ?? '')?.[1]?.split(/[ ,]/).map(Number)
    return numbers?.length === 4 && numbers.every(Number.isFinite) ? numbers.map(n => Math.round(n * 1e6) / 1e6) as unknown as Box : null
  } catch {
    // A wrong CRS puts coordinates where PROJ has no answer.
    return null
  }
}

/** Farther from the city than this, and a guess of its CRS is no help, kilometres. */
const NEAR_KM = 60
async function crsCandidates(store: Store, box: Box): Promise<{ srid: number; kmFromHome: number }[]> {
  const { home, srid } = await store.city()
  const middle = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2] as const
  const found: { srid: number; kmFromHome: number }[] = []
  for (const candidate of new Set([srid, ...VN2000_ZONES.map(zone => zone.srid), 32648, 32649, 4326, 3857])) {
    const there = await boxIn4326(store, [...middle, ...middle], candidate)
    if (!there) continue
    const km = Math.hypot((there[0] - home.lon) * 111.32 * Math.cos(home.lat * Math.PI / 180), (there[1] - home.lat) * 110.57)
    if (km < NEAR_KM) found.push({ srid: candidate, kmFromHome: Math.round(km * 10) / 10 })
  }
  return found.sort((a, b) => a.kmFromHome - b.kmFromHome).slice(0, 4)
}

/** Layers of the same kind of geometry by how many of their columns the file fills: by a known mapping, by name, by title. */
function proposalsFor(layers: readonly Layer[], file: SourceFile, from: SourceLayer, source: string, sample: readonly Feature[]): Proposal[] {
  const attributes = [...new Set(sample.flatMap(feature => Object.keys(feature.properties)))]
  const kinds = new Set(sample.map(feature => feature.geometry?.type ?? ''))
  const scored = layers.filter(layer => takes(layer, kinds)).map(layer => {
    const mapping = chooseMapping(layer, /^city/.test(file.format) ? file.format : source, sample)
    const fill = featureMapper({ layer, map: {}, ...(mapping ? { mapping } : {}) })
    const filled = new Set(sample.slice(0, 50).flatMap(feature => Object.entries(fill(feature).properties).filter(([, value]) => value !== null && value !== '').map(([column]) => column)))
    const pairs = layer.columns.flatMap(column => {
      const wanted = [mapping?.columns[column.name] ?? []].flat()
      const known = filled.has(column.name) ? wanted.find(attribute => attributes.includes(attribute)) ?? attributes.find(attribute => bare(attribute) === bare(column.name)) : undefined
      if (known !== undefined) return [{ column: column.name, attribute: known, known: true }]
      const titled = attributes.find(attribute => [column.title.vi, column.title.en, column.name].some(title => bare(title) === bare(attribute)) && sample.every(feature => attributeFault(feature.properties[attribute] ?? null, { ...column, required: false }) === null))
      return titled === undefined ? [] : [{ column: column.name, attribute: titled, known: false }]
    })
    return { layer: layer.id, mapping: pairs, score: pairs.length + (mapping ? 2 : 0) + (bare(layer.id) === bare(from.name) || bare(layer.title.vi) === bare(from.name) ? 3 : 0) }
  })
  return scored.filter(({ score, mapping }) => score > 0 && mapping.length > 0).sort((a, b) => b.score - a.score).slice(0, 3).map(({ layer, mapping }) => ({ layer, mapping }))
}

const bare = (name: string) => fold(name).replace(/[^a-z0-9]/g, '')

function takes(layer: Layer, kinds: ReadonlySet<string>): boolean {
  const of = (pattern: RegExp) => [...kinds].some(kind => pattern.test(kind))
  switch (layer.geometry) {
    case 'any': return true
    case 'point': return of(/Point$|Polygon$/)
    case 'line': return of(/LineString$/)
    case 'polygon': return of(/Polygon$/)
  }
}

/** A preview as lines for a terminal. */
export function previewLines(preview: Preview): string[] {
  const lines = [`${preview.file}: ${preview.format}`]
  if (preview.terrain) lines.push(`  terrain of ${preview.terrain.cols} × ${preview.terrain.rows} cells, ${crs(preview.terrain.srid)}`)
  for (const layer of preview.layers) {
    const types = Object.entries(layer.geometryTypes).map(([type, count]) => `${count} ${type}`).join(', ')
    lines.push('', `${layer.name}: ${layer.complete ? '' : 'at least '}${layer.features} features${types ? ` (${types}${layer.solids ? `, ${layer.solids} solids` : ''})` : ''}`)
    lines.push(`  CRS: ${crs(layer.srid)}${layer.crsFrom === 'user' ? ' (as given)' : ''}${layer.crsCandidates ? `; would lie in the city: ${layer.crsCandidates.map(c => `EPSG:${c.srid} (${c.kmFromHome} km from its middle)`).join(', ') || 'none of the usual ones'}` : ''}`)
    if (layer.bbox) lines.push(`  bbox: ${layer.bbox.map(n => Math.round(n * 1000) / 1000).join(', ')}${layer.bboxWgs84 ? ` = ${layer.bboxWgs84.join(', ')} in WGS 84` : ''}`)
    for (const [reason, count] of Object.entries(layer.faults)) lines.push(`  ${count} × ${reason}`)
    for (const field of layer.fields) lines.push(`  ${field.name} ${field.type}, ${field.filled} filled: ${field.examples.join(' | ')}`)
    if (layer.texts && layer.texts.samples.length) {
      lines.push(`  texts: ${layer.texts.encoding}${layer.texts.confidence === undefined ? '' : `, certainty ${Math.round(layer.texts.confidence * 100)} %`}${layer.texts.applied === false ? ' (too little to decode them unasked: --encoding)' : ''}`)
      for (const { before, after } of layer.texts.samples) lines.push(`    ${before} → ${after}`)
    }
    for (const { layer: id, mapping } of layer.proposals) {
      const missing = mapping.filter(pair => !pair.known).map(({ column, attribute }) => `${column}=${/[\s'"]/.test(attribute) ? `'${attribute}'` : attribute}`)
      lines.push(`  could fill ${id}: ${mapping.map(({ column, attribute }) => `${column} ← ${attribute}`).join(', ')}${missing.length ? `; give --map ${missing.join(' ')}` : ''}`)
    }
  }
  return [...lines, ...preview.notes.map(note => `note: ${note}`)]
}

const crs = (srid: number | null) => (srid === null ? 'unknown, give it with --crs' : `EPSG:${srid}`)
