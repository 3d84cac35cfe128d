/**
 * Binary glTF 2.0 by hand: the surfaces of a tile, its instanced things, and a property table with one row a feature.
 * Sources: glTF 2.0 §3, KHR_mesh_quantization, EXT_mesh_gpu_instancing; EXT_mesh_features, EXT_instance_features and
 * EXT_structural_metadata as in 3D Tiles 1.1.
 */
import type { LocalFrame } from '../../core/geometry/geocentric.js'
import type { Mesh } from '../../core/geometry/mesh.js'
import { GlbBuffers } from './glb-buffers.js'
import { boundsOf, exponentialWords, gridFor, snapped, snappedPositions, toGrid, toUnit, type Grid } from './quantise.js'

/** A column of the property table, one value a feature. */
export type PropertyColumn =
  | { readonly name: string; readonly description?: string; readonly type: 'FLOAT64'; readonly semantic?: string; readonly values: readonly (number | null)[] | Float64Array }
  | { readonly name: string; readonly description?: string; readonly type: 'UINT8'; readonly noData?: number; readonly values: readonly number[] }
  | { readonly name: string; readonly description?: string; readonly type: 'STRING'; readonly values: readonly (string | null)[] }

/** An image around a surface, as its file has it. */
export interface Texture {
  readonly mediaType: 'image/png' | 'image/jpeg'
  readonly bytes: Uint8Array
  /** What lies outside the image. */
  readonly wrap: 'repeat' | 'mirror' | 'clamp'
}

/** Features' own surfaces: one mesh for all that look alike. */
export interface Surface {
  readonly mesh: Mesh
  readonly texture?: Texture
}

/** One small mesh drawn many times. */
export interface Instances {
  /** Within −1…1; drawn once for each of the following. */
  readonly mesh: Mesh
  /** x, y, z triples in metres of the frame, y up. */
  readonly translations: Float32Array
  /** Radians about the vertical, counter-clockwise seen from above. */
  readonly turns: Float32Array
  /** x, y, z triples: metres of the mesh's unit. */
  readonly scales: Float32Array
  /** Row of the property table, one an instance. */
  readonly features: Float32Array
}

export interface GlbContent {
  readonly surfaces: readonly Surface[]
  readonly instances: readonly Instances[]
  /** Where the meshes' own frame (x east, y up, z south) lies on the earth. */
  readonly frame: LocalFrame
  /** Class of the property table: `^[a-zA-Z_][a-zA-Z0-9_]*$`. */
  readonly featureClass: string
  readonly featureCount: number
  readonly columns: readonly PropertyColumn[]
  /** Surfaces of unknown orientation are drawn from both sides. */
  readonly doubleSided: boolean
  readonly generator: string
  /** What else a reader should know of the tile. */
  readonly extras?: Readonly<Record<string, unknown>>
}

const ARRAY_BUFFER = 34962
const ELEMENT_ARRAY_BUFFER = 34963
const COMPONENT = { int8: 5120, uint8: 5121, int16: 5122, uint16: 5123, uint32: 5125, float32: 5126 } as const
const WRAP = { repeat: 10497, mirror: 33648, clamp: 33071 } as const
/** Steps of texture coordinates (an eighth of a pixel of 4096), of metres above the ground, and of an instance's place and size. */
const UV_STEP = 2 ** -15
const ABOVE_STEP_M = 1 / 64
const SIZE_STEP_M = 1 / 128

/**
 * Vertex attributes: POSITION, optional NORMAL and TEXCOORD_0, COLOR_0, `_FEATURE_ID_0` (row of the table) and
 * `_ABOVE_GROUND` (metres above the feature's ground, for water marks on walls). Instances carry `_FEATURE_ID_0` themselves.
 */
export function writeGlb(content: GlbContent): Uint8Array {
  const { frame, featureClass, featureCount, columns, doubleSided, generator } = content
  const surfaces = content.surfaces.filter(surface => surface.mesh.indices.length > 0)
  const instances = content.instances.filter(each => each.features.length > 0)
  const asset = { version: '2.0', generator, ...(content.extras && { extras: content.extras }) }
  const buffers = new GlbBuffers()
  // glTF knows no empty accessor: features too small to have a triangle leave a scene without nodes.
  if (surfaces.length + instances.length === 0) return buffers.pack({ asset, scene: 0, scenes: [{}] })

  const grid = gridFor(surfaces.map(surface => surface.mesh.positions))
  const materials = new Materials(buffers, doubleSided)
  const featureIds = [{ featureCount, attribute: 0, propertyTable: 0 }]
  const meshes: object[] = []
  const nodes: object[] = []
  if (surfaces.length) {
    const primitives = surfaces.map(({ mesh, texture }) => ({
      ...triangles(buffers, mesh, positions(buffers, mesh, grid), featureCount),
      material: materials.index(texture),
      extensions: { EXT_mesh_features: { featureIds } },
    }))
    nodes.push({ mesh: meshes.push({ primitives }) - 1, ...(grid && { translation: grid.origin, scale: [grid.step, grid.step, grid.step] }) })
  }
  for (const each of instances) {
    const primitive = { ...triangles(buffers, each.mesh, unitPositions(buffers, each.mesh), null), material: materials.index(undefined) }
    nodes.push({
      mesh: meshes.push({ primitives: [primitive] }) - 1,
      extensions: {
        EXT_mesh_gpu_instancing: { attributes: instanceAttributes(buffers, each) },
        EXT_instance_features: { featureIds },
      },
    })
  }
  const used = [
    ...(surfaces.length ? ['EXT_mesh_features'] : []),
    ...(instances.length ? ['EXT_instance_features'] : []),
    'EXT_structural_metadata',
  ]
  const required = ['EXT_meshopt_compression', 'KHR_mesh_quantization', ...(instances.length ? ['EXT_mesh_gpu_instancing'] : [])]
  return buffers.pack({
    asset,
    extensionsUsed: [...used, ...required],
    extensionsRequired: required,
    extensions: { EXT_structural_metadata: structuralMetadata(buffers, featureClass, featureCount, columns) },
    scene: 0,
    scenes: [{ nodes: [0] }],
    nodes: [{ matrix: frameMatrix(frame), children: nodes.map((_, i) => i + 1) }, ...nodes],
    ...materials.tables(),
    meshes,
  })
}

/** `featureCount`: null where instances carry the features. */
function triangles(buffers: GlbBuffers, mesh: Mesh, position: number, featureCount: number | null): object {
  const count = mesh.features.length
  const attributes: Record<string, number> = { POSITION: position }
  const attribute = (name: string, stream: { data: ArrayBufferView; stride: number; filter?: 'EXPONENTIAL'; isPadded?: boolean }, accessor: object) => {
    attributes[name] = buffers.accessor(buffers.compressed({ ...stream, count, mode: 'ATTRIBUTES', target: ARRAY_BUFFER }), { count, ...accessor })
  }
  if (mesh.normals)
    attribute('NORMAL', { data: toUnit(mesh.normals, new Int8Array(4 * count), 3, 4), stride: 4, isPadded: true }, { componentType: COMPONENT.int8, normalized: true, type: 'VEC3' })
  if (mesh.uvs)
    attribute('TEXCOORD_0', { data: exponentialWords(snapped(mesh.uvs, UV_STEP), 2, UV_STEP), stride: 8, filter: 'EXPONENTIAL' }, { componentType: COMPONENT.float32, type: 'VEC2' })
  attribute('COLOR_0', { data: mesh.colours, stride: 4 }, { componentType: COMPONENT.uint8, normalized: true, type: 'VEC4' })
  if (featureCount !== null) {
    // Four bytes apart, as glTF wants them: two would do.
    if (featureCount <= 0x10000) attribute('_FEATURE_ID_0', { data: Uint32Array.from(mesh.features), stride: 4, isPadded: true }, { componentType: COMPONENT.uint16, type: 'SCALAR' })
    else attribute('_FEATURE_ID_0', { data: mesh.features, stride: 4 }, { componentType: COMPONENT.float32, type: 'SCALAR' })
    attribute('_ABOVE_GROUND', { data: exponentialWords(snapped(mesh.aboveGround, ABOVE_STEP_M), 1, ABOVE_STEP_M), stride: 4, filter: 'EXPONENTIAL' }, { componentType: COMPONENT.float32, type: 'SCALAR' })
  }
  const { indices } = mesh
  const view = buffers.compressed({ data: indices, count: indices.length, stride: indices.BYTES_PER_ELEMENT, mode: 'TRIANGLES', target: ELEMENT_ARRAY_BUFFER })
  return {
    attributes, mode: 4,
    indices: buffers.accessor(view, { componentType: indices instanceof Uint16Array ? COMPONENT.uint16 : COMPONENT.uint32, count: indices.length, type: 'SCALAR' }),
  }
}

function positions(buffers: GlbBuffers, { positions }: Mesh, grid: Grid | null): number {
  const count = positions.length / 3
  if (grid) {
    const { values, min, max } = toGrid(positions, grid)
    const view = buffers.compressed({ data: values, count, stride: 8, mode: 'ATTRIBUTES', isPadded: true, target: ARRAY_BUFFER })
    return buffers.accessor(view, { componentType: COMPONENT.uint16, count, type: 'VEC3', min, max })
  }
  const metres = snappedPositions(positions)
  const view = buffers.compressed({ data: exponentialWords(metres, 3, SIZE_STEP_M), count, stride: 12, mode: 'ATTRIBUTES', filter: 'EXPONENTIAL', target: ARRAY_BUFFER })
  return buffers.accessor(view, { componentType: COMPONENT.float32, count, type: 'VEC3', ...boundsOf(metres, 3) })
}

function unitPositions(buffers: GlbBuffers, { positions }: Mesh): number {
  const count = positions.length / 3
  const values = toUnit(positions, new Int16Array(4 * count), 3, 4)
  const view = buffers.compressed({ data: values, count, stride: 8, mode: 'ATTRIBUTES', isPadded: true, target: ARRAY_BUFFER })
  const { min, max } = boundsOf(values, 4)
  return buffers.accessor(view, { componentType: COMPONENT.int16, normalized: true, count, type: 'VEC3', min: min.slice(0, 3), max: max.slice(0, 3) })
}

function instanceAttributes(buffers: GlbBuffers, { translations, turns, scales, features }: Instances): Record<string, number> {
  const count = features.length
  const metres = (values: Float32Array) => {
    const view = buffers.compressed({ data: exponentialWords(snapped(values, SIZE_STEP_M), 3, SIZE_STEP_M), count, stride: 12, mode: 'ATTRIBUTES', filter: 'EXPONENTIAL' })
    return buffers.accessor(view, { componentType: COMPONENT.float32, count, type: 'VEC3' })
  }
  const quaternions = Float32Array.from({ length: 4 * count }, (_, i) => [0, Math.sin(turns[i >> 2]! / 2), 0, Math.cos(turns[i >> 2]! / 2)][i & 3]!)
  const rotation = buffers.compressed({ data: toUnit(quaternions, new Int16Array(4 * count), 4, 4), count, stride: 8, mode: 'ATTRIBUTES' })
  // Floats, because three.js takes instances' own attributes only without padding.
  const feature = buffers.compressed({ data: features, count, stride: 4, mode: 'ATTRIBUTES' })
  return {
    TRANSLATION: metres(translations),
    ROTATION: buffers.accessor(rotation, { componentType: COMPONENT.int16, normalized: true, count, type: 'VEC4' }),
    SCALE: metres(scales),
    _FEATURE_ID_0: buffers.accessor(feature, { componentType: COMPONENT.float32, count, type: 'SCALAR' }),
  }
}

/** A plain material for all that has none of its own, and one a texture; each image is written once. */
class Materials {
  readonly #buffers: GlbBuffers
  readonly #doubleSided: boolean
  readonly #materials: object[] = []
  readonly #byTexture = new Map<string | null, number>()
  readonly #images: object[] = []
  readonly #byBytes = new Map<Uint8Array, number>()
  readonly #samplers: object[] = []
  readonly #byWrap = new Map<Texture['wrap'], number>()
  readonly #textures: object[] = []

  constructor(buffers: GlbBuffers, doubleSided: boolean) {
    this.#buffers = buffers
    this.#doubleSided = doubleSided
  }

  index(texture: Texture | undefined): number {
    const key = texture ? `${this.#image(texture)} ${texture.wrap}` : null
    return kept(this.#byTexture, key, () => this.#materials.push({
      pbrMetallicRoughness: { metallicFactor: 0, roughnessFactor: 0.9, ...(texture && { baseColorTexture: { index: this.#texture(texture) } }) },
      ...(this.#doubleSided && { doubleSided: true }),
    }) - 1)
  }

  tables(): object {
    return {
      materials: this.#materials,
      ...(this.#textures.length && { textures: this.#textures, samplers: this.#samplers, images: this.#images }),
    }
  }

  #texture(texture: Texture): number {
    const wrap = WRAP[texture.wrap]
    const sampler = kept(this.#byWrap, texture.wrap, () => this.#samplers.push({ magFilter: 9729, minFilter: 9987, wrapS: wrap, wrapT: wrap }) - 1)
    return this.#textures.push({ sampler, source: this.#image(texture) }) - 1
  }

  #image({ bytes, mediaType }: Texture): number {
    return kept(this.#byBytes, bytes, () => this.#images.push({ mimeType: mediaType, bufferView: this.#buffers.plain(bytes) }) - 1)
  }
}

function kept<K>(map: Map<K, number>, key: K, make: () => number): number {
  let index = map.get(key)
  if (index === undefined) map.set(key, index = make())
  return index
}

function structuralMetadata(buffers: GlbBuffers, featureClass: string, count: number, columns: readonly PropertyColumn[]): object {
  return {
    schema: {
      id: 'dothi',
      classes: { [featureClass]: { properties: Object.fromEntries(columns.map(column => [column.name, classProperty(column)])) } },
    },
    propertyTables: [{ class: featureClass, count, properties: Object.fromEntries(columns.map(column => [column.name, storeColumn(buffers, column)])) }],
  }
}

function classProperty(column: PropertyColumn): object {
  const { name: _, values: _values, type, ...more } = column
  return type === 'STRING' ? { type, ...more } : { type: 'SCALAR', componentType: type, ...more }
}

/** Missing numbers are NaN (JSON has no way to declare it as noData), missing strings are empty. */
function storeColumn(buffers: GlbBuffers, column: PropertyColumn): object {
  const numbers = (data: Float64Array | Uint32Array) =>
    buffers.compressed({ data, count: data.length, stride: data.BYTES_PER_ELEMENT, mode: 'ATTRIBUTES' })
  switch (column.type) {
    case 'FLOAT64': return { values: numbers(Float64Array.from(column.values, value => value ?? NaN)) }
    case 'UINT8': return { values: buffers.plain(Uint8Array.from(column.values)) }
    case 'STRING': {
      const texts = column.values.map(value => value ?? '')
      const offsets = new Uint32Array(texts.length + 1)
      texts.forEach((text, i) => { offsets[i + 1] = offsets[i]! + Buffer.byteLength(text) })
      const bytes = Buffer.from(texts.join(''))
      // A buffer view may not be empty: strings that are all empty still need a byte to point at.
      return { values: buffers.plain(bytes.length ? bytes : new Uint8Array(1)), stringOffsets: numbers(offsets) }
    }
  }
}

/**
 * Mesh frame (x east, y up, z south) → 3D Tiles' geocentric frame. The runtime turns glTF's y-up into z-up after the node's matrix,
 * so the matrix ends with the opposite turn: geocentric (X, Y, Z) is written as (X, Z, −Y). Doubles, so nothing is lost.
 */
function frameMatrix({ east, north, up, origin }: LocalFrame): number[] {
  const yUp = ([x, y, z]: readonly [number, number, number]) => [x, z, -y]
  const south = [-north[0], -north[1], -north[2]] as const
  return [...yUp(east), 0, ...yUp(up), 0, ...yUp(south), 0, ...yUp(origin), 1].map(value => value === 0 ? 0 : value)
}
