import type { Feature } from '../../core/feature.js'
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import { parseCrs } from './crs.js'
import { badFile } from './fault.js'
import { footprint } from './footprint.js'
import { parse } from './json-scanner.js'
import { DraftBuilder, rgbOf, wrapOf, type FaceTexture } from './looks.js'
import type { SourceFile } from './source.js'
import { TextureFiles } from './texture-files.js'
import { contentOf } from './unpack.js'

const WHAT = 'CityJSON file'
/** The vertices stand at the end of the file, so it is read whole. */
const MAX_BYTES = 400 * 2 ** 20

type Position = readonly [x: number, y: number, z: number]
/** Rings of positions; the first is the outer one. */
export type Face = readonly (readonly Position[])[]

interface CityObject {
  readonly type: string
  readonly attributes?: Record<string, unknown>
  readonly geometry?: readonly Geometry[]
  readonly children?: readonly string[]
  readonly parents?: readonly string[]
}
interface Geometry {
  readonly type: string
  readonly lod?: string | number
  readonly boundaries: unknown
  readonly semantics?: { readonly surfaces: readonly { readonly type: string }[]; readonly values: unknown }
  /** By theme. */
  readonly texture?: Readonly<Record<string, { readonly values?: unknown }>>
  readonly material?: Readonly<Record<string, { readonly values?: unknown; readonly value?: number }>>
}
interface CityAppearance {
  readonly textures?: readonly { readonly image?: string; readonly wrapMode?: string }[]
  readonly 'vertices-texture'?: readonly (readonly [u: number, v: number])[]
  readonly materials?: readonly { readonly diffuseColor?: readonly number[] }[]
  readonly 'default-theme-texture'?: string
  readonly 'default-theme-material'?: string
}
interface CityModel {
  readonly version: string
  readonly CityObjects: Readonly<Record<string, CityObject>>
  readonly vertices: readonly (readonly number[])[]
  readonly transform?: { readonly scale: readonly number[]; readonly translate: readonly number[] }
  readonly appearance?: CityAppearance
  readonly metadata?: { readonly referenceSystem?: string; readonly crs?: { readonly epsg?: number } }
}

/**
 * CityJSON 1.0 to 2.0: one layer an object type. Objects with parts are one feature; of several levels of detail
 * the highest is taken. Features have a footprint, the faces as a solid, the ground level and the height.
 */
export async function openCityJson(file: string): Promise<SourceFile> {
  const model = parse((await contentOf(file, WHAT, MAX_BYTES)).toString('utf8'), WHAT) as CityModel
  check(model)
  const srid = sridOf(model)
  const files = new TextureFiles(file)
  const types = new Map<string, string[]>()
  for (const [id, object] of Object.entries(model.CityObjects)) {
    // A part comes with its whole.
    if (object.parents?.some(parent => model.CityObjects[parent])) continue
    types.set(object.type, [...types.get(object.type) ?? [], id])
  }
  const layers = [...types].map(([name, ids]) => ({
    name: name.replace(/^\+/, ''), srid, count: ids.length,
    async *features() {
      let row = 0
      for (const id of ids) yield toFeature(model, files, id, ++row)
    },
  }))
  return { format: 'cityjson', layers, notes: () => files.notes(), close: async () => {} }
}

function check(model: CityModel) {
  const version = /^(1\.[01]|2\.0)/.exec(String(model.version))
  if (!version) throw badFile(`The CityJSON file is of version “${String(model.version).slice(0, 20)}”; versions 1.0 to 2.0 are read.`)
  if (typeof model.CityObjects !== 'object' || !Array.isArray(model.vertices)) throw badFile('The CityJSON file lacks its CityObjects or vertices.')
}

/** Horizontal part of compound systems met in city models; heights are taken as they are. */
const HORIZONTAL: Readonly<Record<number, number>> = {
  7415: 28992, 7405: 27700, 7423: 4258, 5555: 25832, 5556: 25833, 9518: 4326, 4979: 4326, 8360: 2180, 7421: 27572, 5698: 2154, 3855: 4326, 9705: 4756,
}
function sridOf({ metadata }: CityModel): number | null {
  const srid = metadata?.referenceSystem ? parseCrs(metadata.referenceSystem.replace('https://', 'http://')) : metadata?.crs?.epsg ?? null
  return srid === null ? null : HORIZONTAL[srid] ?? srid
}

function toFeature(model: CityModel, files: TextureFiles, id: string, row: number): Feature {
  const object = model.CityObjects[id]!
  const properties = { id, type: object.type.replace(/^\+/, ''), ...object.attributes }
  const base = { properties, sourceId: id, row }
  try {
    const shapes = withParts(model, id, 0).map(part => best(part.geometry ?? [])).filter(g => g !== undefined)
    const solids = shapes.filter(shape => levelOf(shape) >= 1)
    return { ...base, ...shapeOf(model, files, solids.length ? solids : shapes) }
  } catch (error) {
    // Indexes into vertices or boundaries of another depth than their type says.
    if (error instanceof TypeError || error instanceof RangeError) return { ...base, geometry: null, fault: 'boundaries that do not fit the vertices' }
    throw error
  }
}

const MAX_PARTS_DEPTH = 8
function withParts(model: CityModel, id: string, depth: number): CityObject[] {
  const object = model.CityObjects[id]
  if (!object || depth > MAX_PARTS_DEPTH) return []
  return [object, ...(object.children ?? []).flatMap(child => withParts(model, child, depth + 1))]
}

const levelOf = ({ lod }: Geometry) => Number.parseFloat(String(lod ?? 0)) || 0
function best(geometries: readonly Geometry[]): Geometry | undefined {
  return [...geometries].sort((a, b) => levelOf(b) - levelOf(a))[0]
}

function shapeOf(model: CityModel, files: TextureFiles, shapes: readonly Geometry[]): Pick<Feature, 'geometry' | 'solid' | 'appearance' | 'groundZ' | 'height' | 'fault'> {
  if (shapes.length === 0) return { geometry: null, fault: 'no geometry' }
  const vertex = vertexReader(model)
  const plain = shapes.length === 1 ? plainGeometry(shapes[0]!, vertex) : null
  if (plain) return { geometry: plain }
  const faces: Face[] = []
  const ground: Face[] = []
  const looks = new DraftBuilder()
  for (const shape of shapes) {
    const types = semanticTypes(shape)
    const rings = facesOf(shape)
    addLooks(model, files, shape, rings, looks)
    rings.forEach((rings, i) => {
      const face = rings.map(ring => ring.map(vertex))
      faces.push(face)
      if (types?.[i] === 'GroundSurface') ground.push(face)
    })
  }
  if (faces.length === 0) return { geometry: null, fault: 'no faces' }
  const solid = shapes.some(shape => /Solid$/.test(shape.type))
  const [low, high] = levels(ground.length ? ground : faces, faces)
  const geometry = footprint(ground.length ? ground : faces, solid ? 'down' : 'up')
  if (!geometry) return { geometry: null, fault: 'no footprint: all faces are vertical' }
  // A closed ring of three points repeated is what degenerate triangles are; PostGIS takes only real faces.
  const appearance = looks.finish()
  return { geometry, solid: faces.map(closeRings), ...(appearance && { appearance }), groundZ: low, ...(high > low ? { height: round(high - low) } : {}) }
}

const round = (metres: number) => Math.round(metres * 1000) / 1000

function vertexReader({ vertices, transform }: CityModel): (index: number) => Position {
  const [sx, sy, sz] = transform?.scale ?? [1, 1, 1]
  const [tx, ty, tz] = transform?.translate ?? [0, 0, 0]
  return index => {
    const [x, y, z] = vertices[index] as [number, number, number]
    return [x * sx! + tx!, y * sy! + ty!, z * sz! + tz!]
  }
}

/** Points and lines, and instances of templates as the point they stand on; null for surfaces and solids. */
function plainGeometry(shape: Geometry, vertex: (index: number) => Position): GeoJsonGeometry | null {
  switch (shape.type) {
    case 'GeometryInstance': return { type: 'Point', coordinates: vertex((shape.boundaries as number[])[0]!) }
    case 'MultiPoint': {
      const points = (shape.boundaries as number[]).map(vertex)
      return points.length === 1 ? { type: 'Point', coordinates: points[0] } : { type: 'MultiPoint', coordinates: points }
    }
    case 'MultiLineString': return { type: 'MultiLineString', coordinates: (shape.boundaries as number[][]).map(line => line.map(vertex)) }
    default: return null
  }
}

/** Faces as rings of vertex indexes: outer shells only, of each solid. */
function facesOf({ type, boundaries }: Geometry): number[][][] {
  switch (type) {
    case 'MultiSurface': case 'CompositeSurface': return boundaries as number[][][]
    case 'Solid': return (boundaries as number[][][][])[0] ?? []
    case 'MultiSolid': case 'CompositeSolid': return (boundaries as number[][][][][]).flatMap(solid => solid[0] ?? [])
    default: return []
  }
}

/** Adds what the faces of a geometry look like, in the order of `facesOf`: its default theme, else its first. */
function addLooks({ appearance }: CityModel, files: TextureFiles, shape: Geometry, faces: readonly number[][][], looks: DraftBuilder): void {
  const textures = appearance && themed(shape.texture, appearance['default-theme-texture'])
  const materials = appearance && themed(shape.material, appearance['default-theme-material'])
  const textured = textures ? outerShells(shape.type, textures.values) : []
  const coloured = materials ? outerShells(shape.type, materials.values) : []
  faces.forEach((rings, i) => {
    const texture = textureOf(appearance, files, textured[i], rings)
    const material = (coloured[i] ?? materials?.value) as number | null | undefined
    looks.add(texture, typeof material === 'number' ? rgbOf(listOf(appearance?.materials)[material]?.diffuseColor) : undefined)
  })
}

function themed<T>(themes: Readonly<Record<string, T>> | undefined, preferred: string | undefined): T | undefined {
  return themes && ((typeof preferred === 'string' && Object.hasOwn(themes, preferred) ? themes[preferred] : undefined) ?? Object.values(themes)[0])
}

/** Values that stand a face each: of solids those of their outer shell, as `facesOf` takes faces. */
function outerShells(type: string, values: unknown): readonly unknown[] {
  if (type === 'Solid') return listOf(listOf(values)[0])
  return /^(Multi|Composite)Solid$/.test(type) ? listOf(values).flatMap(solid => listOf(listOf(solid)[0])) : listOf(values)
}

/** What is no list counts as an empty one: a house with a spoilt texture is still a house. */
const listOf = (value: unknown): readonly any[] => (Array.isArray(value) ? value : [])

/** `value`: a ring each, the texture's index and then an index into the texture's vertices for each of the ring's. */
function textureOf(appearance: CityAppearance | undefined, files: TextureFiles, value: unknown, rings: readonly number[][]): FaceTexture | undefined {
  const lists = listOf(value).map(listOf)
  const { image, wrapMode } = listOf(appearance?.textures)[lists[0]?.[0]] ?? {}
  const file = typeof image === 'string' ? files.find(image) : undefined
  if (file === undefined) return undefined
  const vertices = listOf(appearance?.['vertices-texture'])
  const uv = rings.map((ring, i) => {
    const pairs = (lists[i] ?? []).slice(1).map(at => listOf(vertices[at]).slice(0, 2))
    return pairs.length === ring.length && pairs.every(pair => pair.length === 2 && pair.every(Number.isFinite)) ? [...pairs, pairs[0]!].flat() as number[] : null
  })
  return uv.every(pairs => pairs !== null) ? { file, wrap: wrapOf(wrapMode), uv } : undefined
}

/** Semantic type by face, in the order of `facesOf`; null where the geometry has none. */
function semanticTypes({ type, semantics }: Geometry): (string | undefined)[] | null {
  if (!semantics?.values) return null
  const values = semantics.values as unknown[]
  const flat = type === 'Solid' ? values[0] : /^(Multi|Composite)Solid$/.test(type) ? (values as unknown[][]).flatMap(solid => solid?.[0] ?? []) : values
  return ((flat ?? []) as (number | null)[]).map(index => (index === null ? undefined : semantics.surfaces[index]?.type))
}

function levels(ground: readonly Face[], all: readonly Face[]): [low: number, high: number] {
  let low = Infinity
  let high = -Infinity
  for (const face of ground) for (const [, , z] of face[0]!) low = Math.min(low, z)
  for (const face of all) for (const [, , z] of face[0]!) high = Math.max(high, z)
  return [round(low), round(high)]
}

const closeRings = (face: Face) => face.map(ring => [...ring, ring[0]!])
