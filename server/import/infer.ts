import type { Feature } from '../../core/feature.js'
import { STORE_COLUMNS, type Column, type ColumnType, type Layer, type Style } from '../../layers/layer.js'
import { GeometryFault } from '../../core/geometry/wkb-bytes.js'
import type { SourceLayer } from './source.js'

/** More attributes than this share one JSON column. */
const MAX_COLUMNS = 150
const OTHER = 'other_attributes'

/** What a first pass over a file's layer found out, as a layer that can be published, and how its columns are filled. */
export interface Inferred { readonly layer: Layer; readonly rows: number; toColumns(feature: Feature): Feature }

export interface InferOptions { readonly id: string; readonly title: string; readonly source: string; readonly attribution?: string }

/** Reads the whole layer once: types, lengths and nulls of its attributes, kinds of geometry, whether it stands in 3D. */
export async function inferLayer(source: SourceLayer, { id, title, source: from }: InferOptions): Promise<Inferred> {
  const attributes = new Map<string, Attribute>()
  const shapes = new Set<GeometryKind>()
  let rows = 0
  let solids = false
  let zs = false
  for await (const feature of source.features()) {
    rows++
    if (feature.geometry) shapes.add(kindOf(feature.geometry.type))
    if (feature.solid) solids = true
    else zs ||= hasHeight(feature)
    for (const name in feature.properties) {
      const attribute = attributes.get(name) ?? new Attribute()
      if (attribute.values === 0) attributes.set(name, attribute)
      attribute.see(feature.properties[name])
    }
  }
  const geometry = shapes.size === 1 && !shapes.has('any') ? [...shapes][0]! : 'any'
  const ordered = [...attributes].sort((a, b) => Number(b[1].filled > 0) - Number(a[1].filled > 0))
  const kept = rankedNames(ordered)
  const heightName = geometry === 'polygon' ? [...kept].find(name => HEIGHT.test(name) && attributes.get(name)!.isNumeric) : undefined
  const names = columnNames([...attributes.keys()].filter(name => kept.has(name)))
  const rest = attributes.size > kept.size
  const columns: Column[] = [...names].map(([attribute, name], i) => ({
    name, type: attributes.get(attribute)!.type, title: { vi: attribute, en: attribute }, inTiles: i < 12 && attributes.get(attribute)!.isShort,
  }))
  if (rest) columns.push({ name: OTHER, type: 'json', title: { vi: 'Thuộc tính khác', en: 'Other attributes' } })
  const label = labelOf(names, attributes)
  const extruded = geometry === 'polygon' && (solids || heightName !== undefined || zs)
  const layer: Layer = {
    id, title: { vi: title, en: title },
    description: { vi: `Công bố từ tệp ${from}.`, en: `Published from the file ${from}.` },
    group: 'published', kind: 'city', geometry,
    ...(extruded ? { threeD: { form: 'extrude' as const } } : {}),
    columns, ...(label ? { label, searchable: [label] } : {}),
    style: styleOf(geometry, id, rows), zoom: { min: rows < 2_000 ? 0 : rows < 20_000 ? 8 : 11, max: 16 },
    ...(geometry === 'polygon' ? { importance: 'area' } : geometry === 'line' ? { importance: 'length' } : {}),
    sources: [{ source: from, columns: { ...Object.fromEntries([...names].map(([attribute, name]) => [name, attribute])), ...(heightName && extruded ? { height: heightName } : {}) } }],
    classification: 'open', licence: 'unknown', attribution: from,
  }
  return { layer, rows, toColumns: feature => fill(feature, names, rest ? kept : null, extruded ? heightName : undefined) }
}

function fill(feature: Feature, names: ReadonlyMap<string, string>, kept: ReadonlySet<string> | null, heightName: string | undefined): Feature {
  const properties: Record<string, unknown> = {}
  const other: Record<string, unknown> = {}
  for (const attribute in feature.properties) {
    const name = names.get(attribute)
    if (name) properties[name] = feature.properties[attribute]
    else if (kept) other[attribute] = feature.properties[attribute]
  }
  if (kept && Object.keys(other).length) properties[OTHER] = other
  const height = heightName === undefined || feature.height !== undefined ? NaN : Number(feature.properties[heightName] ?? NaN)
  return { ...feature, properties, ...(height > 0 ? { height } : {}) }
}

/** The values of one attribute, seen one by one. */
class Attribute {
  values = 0
  filled = 0
  #longest = 0
  readonly #types = new Set<ColumnType>()

  see(value: unknown): void {
    this.values++
    if (value === null || value === undefined || value === '') return
    this.filled++
    const type = typeOf(value)
    this.#types.add(type)
    if (typeof value === 'string' && value.length > this.#longest) this.#longest = value.length
  }

  get type(): ColumnType {
    const types = [...this.#types]
    if (types.length === 0) return 'text'
    if (types.length === 1) return types[0]!
    if (types.every(t => t === 'integer' || t === 'number')) return 'number'
    if (types.every(t => t === 'date' || t === 'timestamp')) return 'timestamp'
    return types.includes('json') ? 'json' : 'text'
  }
  get isNumeric() { return this.type === 'number' || this.type === 'integer' }
  /** Worth carrying in tiles. */
  get isShort() { return this.type !== 'json' && this.#longest <= 80 }
}

function typeOf(value: unknown): ColumnType {
  switch (typeof value) {
    case 'boolean': return 'boolean'
    case 'number': return Number.isSafeInteger(value) ? 'integer' : Number.isInteger(value) ? 'text' : 'number'
    case 'string':
      // Text that only looks like a number stays text: codes have leading zeros.
      if (/^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/.test(value) && isDay(value)) return 'date'
      return /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?$/.test(value) && !Number.isNaN(Date.parse(value)) ? 'timestamp' : 'text'
    default: return 'json'
  }
}
const isDay = (text: string) => new Date(`${text}T00:00:00Z`).toISOString().startsWith(text)

/** Where there are too many attributes, those filled most often get a column. */
function rankedNames(attributes: readonly (readonly [string, Attribute])[]): Set<string> {
  if (attributes.length <= MAX_COLUMNS) return new Set(attributes.map(([name]) => name))
  return new Set([...attributes].sort((a, b) => b[1].filled - a[1].filled).slice(0, MAX_COLUMNS - 1).map(([name]) => name))
}

/** Attribute → a legal, unique column name, in the file's order. */
export function columnNames(attributes: readonly string[]): Map<string, string> {
  const taken = new Set<string>([...STORE_COLUMNS, OTHER])
  const names = new Map<string, string>()
  for (const attribute of attributes) {
    const base = legalName(attribute, 'column')
    let name = base
    for (let n = 2; taken.has(name); n++) name = `${base.slice(0, 46)}_${n}`
    taken.add(name)
    names.set(attribute, name)
  }
  return names
}

/** `Tên đường 1` → `ten_duong_1`: what a layer or column may be called. */
export function legalName(text: string, prefix: string): string {
  const plain = text.normalize('NFD').replace(/[\u0300-\u036f]/g, '').replaceAll('đ', 'd').replaceAll('Đ', 'D')
    .toLowerCase().replace(/[^a-z0-9]+/g, '_').replace(/^_+|_+$/g, '')
  return (/^[a-z]/.test(plain) ? plain : `${prefix}_${plain}`).slice(0, 50).replace(/_+$/, '')
}

type GeometryKind = Layer['geometry']
function kindOf(type: string): GeometryKind {
  switch (type) {
    case 'Point': return 'point'
    case 'LineString': case 'MultiLineString': return 'line'
    case 'Polygon': case 'MultiPolygon': return 'polygon'
    default: return 'any'
  }
}

/** Attributes that say how high a thing is, in the languages met so far. */
const HEIGHT = /^(height|building_?height|measured_?height|hauteur|hoehe|höhe|chieu_?cao|chiều cao|h_m|elev_?roof)$/i
function hasHeight({ geometry }: Feature): boolean {
  let first: unknown = coordinatesOf(geometry)
  while (Array.isArray(first) && Array.isArray(first[0])) first = first[0]
  return Array.isArray(first) && first.length > 2 && first[2] !== 0
}

/** Null for a damaged geometry: it becomes a reject when it is loaded. */
function coordinatesOf(geometry: Feature['geometry']): unknown {
  try {
    return geometry?.coordinates
  } catch (error) {
    if (error instanceof GeometryFault) return null
    throw error
  }
}

const NAMES = [/^(name|ten|tên|title|nom|naam|nimi)$/i, /(^|_)(name|ten|tên|label|title|nom)$/i, /^(code|ma|mã|ref|identificatie|id)$/i, /name|label|title/i]
function labelOf(names: ReadonlyMap<string, string>, attributes: ReadonlyMap<string, Attribute>): string | undefined {
  const texts = [...names].filter(([attribute]) => attributes.get(attribute)!.type === 'text' && attributes.get(attribute)!.filled > 0)
  for (const pattern of NAMES) {
    const found = texts.find(([attribute]) => pattern.test(attribute))
    if (found) return found[1]
  }
  return texts[0]?.[1]
}

/**
 * Quiet, distinguishable colours; which one follows from the name, so that it stays. A few polygons are mostly large
 * ones (boundaries, zones): a faint tint leaves what lies below readable. Many points are drawn small.
 */
const COLOURS = ['#3f7f93', '#b0713f', '#6b7f3a', '#8a5a83', '#4a6fa5', '#a8514f', '#5b8c72', '#8c7a3d']
function styleOf(geometry: GeometryKind, id: string, rows: number): Style {
  const colour = COLOURS[[...id].reduce((hash, c) => (hash * 31 + c.charCodeAt(0)) >>> 0, 7) % COLOURS.length]!
  switch (geometry) {
    case 'point': return { circle: colour, circleRadius: rows > 1_000 ? 2.5 : 4, labelFrom: 16 }
    case 'line': return { line: colour, lineWidth: 1.5, labelFrom: 16 }
    case 'polygon': return { fill: colour, line: colour, lineWidth: 1, opacity: rows < 400 ? 0.1 : 0.35, labelFrom: 15 }
    case 'any': return { fill: colour, line: colour, circle: colour, lineWidth: 1.2, circleRadius: 4, opacity: 0.6 }
  }
}
