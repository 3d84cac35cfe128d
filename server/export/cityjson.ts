/**
 * CityJSON 2.0, and CityJSONSeq (a feature a line). Solids as they are stored (LoD 2); footprints with a height become a
 * block from the ground (LoD 1); all else lies where it stands. Vertices are whole numbers of a millimetre.
 */
import { join } from 'node:path'
import { flatFromWkb } from '../../core/geometry/wkb.js'
import { epsgUri } from '../../core/crs.js'
import { scratchFolder } from '../import/unpack.js'
import type { ExportFormat, ExportRow, ExportSource, LayerPlan } from './export.js'
import { TempFile } from './temp-file.js'

const common = { severalLayers: true, inMetres: true, losses: losses } as const

export const cityjson: ExportFormat = {
  ...common, id: 'cityjson', title: 'CityJSON', mediaType: 'application/city+json', extension: '.city.json',
  async *write(source) {
    const folder = await scratchFolder()
    // All vertices stand in one list at the end: until then they wait on the disk.
    const vertices = await TempFile.create(join(folder.path, 'vertices'))
    try {
      const quantise = new Quantiser(source.plans[0]!.srid)
      let count = 0
      let before = ''
      yield `{"type":"CityJSON","version":"2.0","CityObjects":{`
      for await (const objects of cityObjects(source, quantise)) {
        let text = ''
        for (const { id, object, own } of objects) {
          text += `${before}${JSON.stringify(id)}:${JSON.stringify(shifted(object, count))}`
          before = ',\n'
          let list = ''
          for (const [x, y, z] of own) list += `${count++ ? ',' : ''}[${x},${y},${z}]`
          await vertices.append(Buffer.from(list))
        }
        yield text
      }
      yield `},"transform":${JSON.stringify(quantise.transform)},"metadata":${JSON.stringify(metadata(source))},"vertices":[`
      yield* vertices.chunks()
      yield ']}\n'
    } finally {
      await vertices.close()
      await folder.remove()
    }
  },
}

export const cityjsonseq: ExportFormat = {
  ...common, id: 'cityjsonseq', title: 'CityJSONSeq', mediaType: 'application/city+json-seq', extension: '.city.jsonl',
  async *write(source) {
    const quantise = new Quantiser(source.plans[0]!.srid)
    const head = () => `${JSON.stringify({ type: 'CityJSON', version: '2.0', transform: quantise.transform, metadata: metadata(source), CityObjects: {}, vertices: [] })}\n`
    let begun = false
    for await (const objects of cityObjects(source, quantise)) {
      // The first vertex says where the numbers count from.
      const lines = objects.map(({ id, object, own }) => `${JSON.stringify({ type: 'CityJSONFeature', id, CityObjects: { [id]: object }, vertices: own })}\n`)
      yield (begun ? '' : head()) + lines.join('')
      begun = true
    }
    if (!begun) yield head()
  },
}

function losses({ columns, layer, srid }: LayerPlan): readonly string[] {
  return [
    `coordinates finer than ${srid === 4326 ? '1e-8 degrees' : '1 mm'}`, ...(columns.length ? ['attributes without a value are left out'] : []),
    ...(layer.threeD?.form === 'extrude' ? ['footprints beside a solid or a height (they become blocks; the level of detail of stored solids is told as 2)'] : []),
  ]
}

const metadata = ({ city, plans }: ExportSource) => ({ title: city.name, referenceSystem: epsgUri(plans[0]!.srid).replace('http:', 'https:'), referenceDate: new Date().toISOString().slice(0, 10) })

/** City objects of layers; the others are generic ones. */
const TYPES: Readonly<Record<string, string>> = {
  buildings: 'Building', run_buildings: 'Building', bridges: 'Bridge', roads: 'Road', run_roads: 'Road', water_bodies: 'WaterBody', trees: 'SolitaryVegetationObject',
  levees: 'OtherConstruction', culverts: 'OtherConstruction', plan_lots: 'LandUse', parcels: 'LandUse', cameras: 'CityFurniture', antennas: 'CityFurniture',
}

type Vertex = readonly [number, number, number]
interface Built { readonly id: string; readonly object: CityObject; readonly own: readonly Vertex[] }
interface CityObject { readonly type: string; readonly attributes: Readonly<Record<string, unknown>>; readonly geometry: readonly Geometry[] }
interface Geometry { readonly type: string; readonly lod: string; readonly boundaries: Nested }
type Nested = readonly (number | Nested)[]

async function* cityObjects({ plans, rows }: ExportSource, quantise: Quantiser): AsyncGenerator<readonly Built[]> {
  for (const plan of plans)
    for await (const batch of rows(plan, { geometry: 'wkb', solids: true })) yield batch.map(row => built(plan, row, quantise))
}

function built(plan: LayerPlan, row: ExportRow, quantise: Quantiser): Built {
  const { layer, columns } = plan
  const vertices = new Vertices(quantise)
  const geometry = geometryOf(plan, row, vertices)
  const attributes = Object.fromEntries(columns.flatMap(({ name, type }, i) => {
    const value = row.values[i]!
    return value === null ? [] : [[name, type === 'json' ? JSON.parse(value as string) as unknown : value]]
  }))
  return { id: `${layer.id}.${row.id}`, object: { type: TYPES[layer.id] ?? 'GenericCityObject', attributes, geometry: geometry ? [geometry] : [] }, own: vertices.list }
}

function geometryOf({ layer }: LayerPlan, { solid, geometry, groundZ, height }: ExportRow, vertices: Vertices): Geometry | null {
  if (solid) return surfaceOf(solid, vertices)
  if (geometry === null) return null
  const { kind, parts } = flatFromWkb(geometry as Buffer)
  const z = groundZ ?? 0
  const line = (positions: Float64Array, at = z, count = positions.length) => {
    const indexes: number[] = []
    for (let i = 0; i < count; i += 2) indexes.push(vertices.push(positions[i]!, positions[i + 1]!, at))
    return indexes
  }
  // CityJSON does not repeat the first vertex of a ring.
  const ring = (positions: Float64Array, at = z) => line(positions, at, positions.length - 2)
  switch (kind) {
    case 'point': return { type: 'MultiPoint', lod: '0', boundaries: parts.flatMap(([position]) => (Number.isNaN(position![0]!) ? [] : line(position!))) }
    case 'line': return { type: 'MultiLineString', lod: '0', boundaries: parts.map(([positions]) => line(positions!)) }
    case 'polygon': {
      if (layer.threeD?.form !== 'extrude' || !height || height <= 0) return { type: 'MultiSurface', lod: '0', boundaries: parts.map(rings => rings.map((positions, i) => ring(wound(positions, i === 0)))) }
      const blocks = parts.map(rings => [block(rings.map((positions, i) => wound(positions, i === 0)), z, z + height, ring)])
      return blocks.length === 1 ? { type: 'Solid', lod: '1', boundaries: blocks[0]! } : { type: 'MultiSolid', lod: '1', boundaries: blocks }
    }
  }
}

/** Outer rings counter-clockwise seen from above, holes clockwise. */
function wound(ring: Float64Array, outer: boolean): Float64Array {
  let area = 0
  const [x0, y0] = [ring[0]!, ring[1]!]
  for (let i = 0; i + 3 < ring.length; i += 2) area += (ring[i]! - x0) * (ring[i + 3]! - y0) - (ring[i + 2]! - x0) * (ring[i + 1]! - y0)
  if (area > 0 === outer) return ring
  const back = new Float64Array(ring.length)
  for (let i = 0; i < ring.length; i += 2) { back[i] = ring[ring.length - 2 - i]!; back[i + 1] = ring[ring.length - 1 - i]! }
  return back
}

/** The shell of a footprint raised from `low` to `high`: floor, roof, walls, all facing outwards. */
function block(rings: readonly Float64Array[], low: number, high: number, add: (ring: Float64Array, z: number) => number[]): Nested {
  const floor = rings.map(ring => add(ring, low))
  const roof = rings.map(ring => add(ring, high))
  const walls = floor.flatMap((below, r) => below.map((a, i) => {
    const next = (i + 1) % below.length
    return [[a, below[next]!, roof[r]![next]!, roof[r]![i]!]]
  }))
  return [floor.map(ring => [...ring].reverse()), roof, ...walls]
}

/** Stored faces: a solid where they close, else a surface. */
function surfaceOf(wkb: Buffer, vertices: Vertices): Geometry {
  const faces = flatFromWkb(wkb).parts.map(rings => rings.map(ring => {
    const indexes: number[] = []
    for (let i = 0; i < ring.length - 3; i += 3) indexes.push(vertices.add(ring[i]!, ring[i + 1]!, ring[i + 2]!))
    return indexes
  }))
  return closes(faces) ? { type: 'Solid', lod: '2', boundaries: [faces] } : { type: 'MultiSurface', lod: '2', boundaries: faces }
}

/** Every edge is walked once each way. */
function closes(faces: readonly (readonly (readonly number[])[])[]): boolean {
  const edges = new Set<string>()
  for (const ring of faces.flat()) {
    for (let i = 0; i < ring.length; i++) {
      const [a, b] = [ring[i]!, ring[(i + 1) % ring.length]!]
      if (!edges.delete(`${b} ${a}`)) edges.add(`${a} ${b}`)
    }
  }
  return edges.size === 0
}

/** Coordinates as whole numbers, counted from about the first of them. */
class Quantiser {
  readonly #step: number
  #origin: readonly [number, number] | undefined

  constructor(srid: number) { this.#step = srid === 4326 ? 1e8 : 1000 }

  vertex(x: number, y: number, z: number): Vertex {
    this.#origin ??= [Math.floor(x), Math.floor(y)]
    return [Math.round((x - this.#origin[0]) * this.#step), Math.round((y - this.#origin[1]) * this.#step), Math.round(z * 1000)]
  }

  get transform() { return { scale: [1 / this.#step, 1 / this.#step, 0.001], translate: [...this.#origin ?? [0, 0], 0] } }
}

/** The vertices of one object. */
class Vertices {
  readonly list: Vertex[] = []
  readonly #known = new Map<string, number>()

  constructor(readonly quantise: Quantiser) {}

  push(x: number, y: number, z: number): number {
    return this.list.push(this.quantise.vertex(x, y, z)) - 1
  }

  /** The number of a vertex that may be there already, as faces share theirs. */
  add(x: number, y: number, z: number): number {
    const key = this.quantise.vertex(x, y, z).join(' ')
    const known = this.#known.get(key) ?? this.push(x, y, z)
    this.#known.set(key, known)
    return known
  }
}

/** An object whose vertices stand after `by` others. */
function shifted(object: CityObject, by: number): CityObject {
  const move = (nested: Nested): Nested => nested.map(item => (typeof item === 'number' ? item + by : move(item)))
  return by === 0 ? object : { ...object, geometry: object.geometry.map(geometry => ({ ...geometry, boundaries: move(geometry.boundaries) })) }
}
