import type { Feature } from '../../core/feature.js'
import { layerName } from './geojson.js'
import { readOsmPbf } from './osm-pbf.js'
import { readOsmXml } from './osm-xml.js'
import { WkbGeometry } from './wkb-geometry.js'
import { contains, signedArea } from './shapefile.js'
import type { SourceFile, SourceLayer } from './source.js'

export interface OsmMember { readonly type: 'node' | 'way' | 'relation'; readonly ref: number; readonly role: string }
export type OsmElement =
  | { readonly kind: 'node'; readonly id: number; readonly lon: number; readonly lat: number; readonly tags: Readonly<Record<string, string>> }
  | { readonly kind: 'way'; readonly id: number; readonly refs: readonly number[]; readonly tags: Readonly<Record<string, string>> }
  | { readonly kind: 'relation'; readonly id: number; readonly members: readonly OsmMember[]; readonly tags: Readonly<Record<string, string>> }

type Tags = Readonly<Record<string, string>>

/** OSM has no layers: tagged nodes are `points`, open ways `lines`, closed ways that enclose something and multipolygons `areas`. */
export type OsmKind = 'points' | 'lines' | 'areas'
export interface OsmLayer extends SourceLayer {
  readonly kind: OsmKind
  /** Only elements whose tags are wanted get their geometry made. */
  features(wanted?: (tags: Tags) => boolean): AsyncIterable<Feature>
}
export interface OsmFile extends SourceFile { readonly layers: readonly OsmLayer[] }

/** OSM XML or PBF. Coordinates and way references are held in memory: about 40 bytes a node. */
export async function openOsm(file: string, format: 'osm-xml' | 'osm-pbf'): Promise<OsmFile> {
  const map = new OsmMap()
  for await (const element of format === 'osm-xml' ? readOsmXml(file) : readOsmPbf(file)) map.add(element)
  const name = layerName(file).replace(/\.osm$/i, '')
  const layer = (kind: OsmKind): OsmLayer => ({ kind, name: `${name}_${kind}`, srid: 4326, features: wanted => map.features(kind, wanted) })
  return { format, layers: [layer('points'), layer('lines'), layer('areas')], close: async () => {} }
}

type Position = [lon: number, lat: number]
type Ring = Position[]

class OsmMap {
  readonly #nodes = new NodeTable()
  readonly #points: { id: number; tags: Tags }[] = []
  readonly #ways = new Map<number, { readonly refs: Float64Array; readonly tags: Tags | null }>()
  readonly #relations: { id: number; members: readonly OsmMember[]; tags: Tags }[] = []

  add(element: OsmElement): void {
    const tagged = hasMeaning(element.tags)
    switch (element.kind) {
      case 'node':
        this.#nodes.add(element.id, element.lon, element.lat)
        if (tagged) this.#points.push({ id: element.id, tags: element.tags })
        break
      case 'way':
        this.#ways.set(element.id, { refs: Float64Array.from(element.refs), tags: tagged ? element.tags : null })
        break
      case 'relation':
        if (element.tags.type === 'multipolygon' || element.tags.type === 'boundary') this.#relations.push(element)
    }
  }

  async *features(kind: OsmKind, wanted: (tags: Tags) => boolean = () => true): AsyncGenerator<Feature> {
    this.#nodes.sort()
    let row = 0
    const feature = (type: string, id: number, tags: Tags, shape: Pick<Feature, 'geometry' | 'fault'>): Feature =>
      ({ ...shape, properties: tags, sourceId: `${type}/${id}`, row: ++row })
    if (kind === 'points') {
      for (const { id, tags } of this.#points)
        if (wanted(tags)) yield feature('node', id, tags, { geometry: { type: 'Point', coordinates: this.#nodes.position(id) } })
      return
    }
    for (const [id, { refs, tags }] of this.#ways) {
      if (!tags || !wanted(tags) || isArea(refs, tags) !== (kind === 'areas')) continue
      const geometry = this.#wkb(refs, kind)
      yield feature('way', id, tags, geometry ? { geometry } : { geometry: null, fault: 'the way’s nodes are not in the file' })
    }
    if (kind === 'lines') return
    for (const { id, members, tags } of this.#relations) {
      // Old maps tag the outer way instead: that way is an area of its own above.
      if (hasMeaning(tags) && wanted(tags)) yield feature('relation', id, tags, this.#multipolygon(members))
    }
  }

  /** A way as bytes, which is what the database takes; null where too few of its nodes are known. */
  #wkb(refs: Float64Array, kind: 'lines' | 'areas'): WkbGeometry | null {
    const head = kind === 'areas' ? 13 : 9
    const bytes = new Uint8Array(head + refs.length * 16)
    const view = new DataView(bytes.buffer)
    let count = 0
    for (let i = 0; i < refs.length; i++) if (this.#nodes.write(refs[i]!, view, head + count * 16)) count++
    if (count < (kind === 'areas' ? 4 : 2)) return null
    view.setUint8(0, 1)
    view.setUint32(1, kind === 'areas' ? 3 : 2, true)
    if (kind === 'areas') view.setUint32(5, 1, true)
    view.setUint32(head - 4, count, true)
    return new WkbGeometry(bytes.subarray(0, head + count * 16), 0)
  }

  #line(refs: Float64Array): Ring {
    const line: Ring = []
    for (const ref of refs) {
      const position = this.#nodes.position(ref)
      if (position) line.push(position)
    }
    return line
  }

  /** Member ways are joined end to end into rings; inner rings go to the outer ring around them. */
  #multipolygon(members: readonly OsmMember[]): Pick<Feature, 'geometry' | 'fault'> {
    const ways = members.filter(m => m.type === 'way' && m.role !== 'label' && m.role !== 'admin_centre')
    const missing = ways.filter(m => !this.#ways.has(m.ref)).length
    if (missing) return { geometry: null, fault: `${missing} of ${ways.length} member ways are not in the file` }
    const outers = joinRings(ways.filter(m => m.role !== 'inner').map(m => this.#ways.get(m.ref)!.refs))
    const inners = joinRings(ways.filter(m => m.role === 'inner').map(m => this.#ways.get(m.ref)!.refs))
    if (!outers || !inners) return { geometry: null, fault: 'the member ways do not close to rings' }
    const polygons = outers.map(refs => [this.#line(refs)]).filter(([ring]) => ring!.length >= 4)
    // Smallest first, so that a hole goes to the innermost ring around it.
    polygons.sort((a, b) => Math.abs(signedArea(a[0]!)) - Math.abs(signedArea(b[0]!)))
    for (const refs of inners) {
      const hole = this.#line(refs)
      if (hole.length >= 4) polygons.find(([outer]) => hole.some(position => contains(outer!, position)))?.push(hole)
    }
    return polygons.length ? { geometry: { type: 'MultiPolygon', coordinates: polygons } } : { geometry: null, fault: 'no outer ring' }
  }
}

/** Closed rings of node references out of ways in any order and direction; null where ends are left over. */
export function joinRings(ways: readonly Float64Array[]): Float64Array[] | null {
  const rings: Float64Array[] = []
  const open = new Map<number, Set<number>>()
  const left = new Map<number, Float64Array>()
  ways.forEach((refs, i) => {
    if (refs.length < 2) return
    if (refs[0] === refs.at(-1)) { rings.push(refs); return }
    left.set(i, refs)
    for (const end of [refs[0]!, refs.at(-1)!]) open.set(end, (open.get(end) ?? new Set()).add(i))
  })
  for (const [first, refs] of left) {
    if (!left.delete(first)) continue
    const ring = [...refs]
    while (ring[0] !== ring.at(-1)) {
      const end = ring.at(-1)!
      const next = [...open.get(end) ?? []].find(i => left.has(i))
      if (next === undefined) return null
      const way = left.get(next)!
      left.delete(next)
      ring.push(...(way[0] === end ? way : way.slice().reverse()).slice(1))
    }
    rings.push(Float64Array.from(ring))
  }
  return rings
}

/** Coordinates by node id: rows appended, sorted once, found by halving. */
class NodeTable {
  #ids = new Float64Array(1024)
  /** Longitude, latitude × 1e7, as OSM itself keeps them. */
  #coordinates = new Int32Array(2048)
  #count = 0
  #sorted = true

  add(id: number, lon: number, lat: number): void {
    if (this.#count === this.#ids.length) this.#grow()
    if (this.#count && id < this.#ids[this.#count - 1]!) this.#sorted = false
    this.#ids[this.#count] = id
    this.#coordinates[this.#count * 2] = Math.round(lon * 1e7)
    this.#coordinates[this.#count * 2 + 1] = Math.round(lat * 1e7)
    this.#count++
  }

  #grow() {
    const ids = new Float64Array(this.#ids.length * 2)
    ids.set(this.#ids)
    this.#ids = ids
    const coordinates = new Int32Array(this.#coordinates.length * 2)
    coordinates.set(this.#coordinates)
    this.#coordinates = coordinates
  }

  sort(): void {
    if (this.#sorted) return
    const order = Uint32Array.from({ length: this.#count }, (_, i) => i).sort((a, b) => this.#ids[a]! - this.#ids[b]!)
    const coordinates = new Int32Array(this.#count * 2)
    order.forEach((from, to) => coordinates.set(this.#coordinates.subarray(from * 2, from * 2 + 2), to * 2))
    this.#ids = Float64Array.from(order, i => this.#ids[i]!)
    this.#coordinates = coordinates
    this.#sorted = true
  }

  #find(id: number): number {
    let low = 0
    let high = this.#count - 1
    while (low <= high) {
      const middle = (low + high) >> 1
      const found = this.#ids[middle]!
      if (found === id) return middle
      if (found < id) low = middle + 1
      else high = middle - 1
    }
    return -1
  }

  position(id: number): Position | undefined {
    const at = this.#find(id)
    return at < 0 ? undefined : [this.#coordinates[at * 2]! / 1e7, this.#coordinates[at * 2 + 1]! / 1e7]
  }

  /** Puts a node's position into bytes of WKB; false where it is not known. */
  write(id: number, view: DataView, byte: number): boolean {
    const at = this.#find(id)
    if (at < 0) return false
    view.setFloat64(byte, this.#coordinates[at * 2]! / 1e7, true)
    view.setFloat64(byte + 8, this.#coordinates[at * 2 + 1]! / 1e7, true)
    return true
  }
}

/** Tags that say nothing of what a thing is. */
const NOTHING = /^(source|created_by|note|fixme|FIXME|attribution|converted_by|type|odbl|source_ref|import_uuid)(:|$)/
function hasMeaning(tags: Tags): boolean {
  for (const key in tags) if (!NOTHING.test(key)) return true
  return false
}

/** Keys whose closed ways are lines nevertheless. Source: the OSM wiki's “Area” page. */
const LINE_KEYS = ['highway', 'barrier', 'railway', 'power', 'aerialway', 'cycleway', 'route']
const AREA_VALUES: Readonly<Record<string, ReadonlySet<string>>> = { power: new Set(['substation', 'plant', 'transformer', 'generator']), railway: new Set(['station', 'platform']), waterway: new Set(['riverbank', 'dock', 'boatyard', 'dam']) }
const LINE_VALUES: Readonly<Record<string, ReadonlySet<string>>> = { natural: new Set(['coastline', 'cliff', 'tree_row', 'ridge', 'arete']), man_made: new Set(['pipeline', 'embankment', 'dyke', 'breakwater', 'cutline']), leisure: new Set(['track', 'slipway']) }
function isArea(refs: Float64Array, tags: Tags): boolean {
  if (refs.length < 4 || refs[0] !== refs.at(-1) || tags.area === 'no') return false
  if (tags.area === 'yes' || (tags.building && tags.building !== 'no')) return true
  for (const key in AREA_VALUES) if (tags[key]) return AREA_VALUES[key]!.has(tags[key]!)
  if (tags.waterway) return false
  if (LINE_KEYS.some(key => tags[key])) return false
  return !Object.entries(LINE_VALUES).some(([key, values]) => values.has(tags[key] ?? ''))
}
