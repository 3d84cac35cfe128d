/**
 * Binary glTF 2.0 by hand: one mesh, one primitive, one material, and a property table a feature.
 * Sources: glTF 2.0 §3 and §4.4, EXT_mesh_features, EXT_structural_metadata (both as in 3D Tiles 1.1).
 */
import type { Mesh } from '../../core/geometry/mesh.js'
import type { LocalFrame } from '../../core/geometry/geocentric.js'

/** A column of the property table, one value a feature. */
export type PropertyColumn =
  | { readonly name: string; readonly description?: string; readonly type: 'FLOAT64'; readonly semantic?: string; readonly values: readonly (number | null)[] | Float64Array }
  | { readonly name: string; readonly description?: string; readonly type: 'UINT8'; readonly noData?: number; readonly values: readonly number[] }
  | { readonly name: string; readonly description?: string; readonly type: 'STRING'; readonly values: readonly (string | null)[] }

export interface GlbContent {
  readonly mesh: Mesh
  /** Where the mesh's own frame (x east, y up, z south) lies on the earth. */
  readonly frame: LocalFrame
  /** Class of the property table: `^[a-zA-Z_][a-zA-Z0-9_]*$`. */
  readonly featureClass: string
  readonly featureCount: number
  readonly columns: readonly PropertyColumn[]
  /** Surfaces of unknown orientation are drawn from both sides. */
  readonly doubleSided: boolean
  readonly generator: string
}

const ARRAY_BUFFER = 34962
const ELEMENT_ARRAY_BUFFER = 34963
const COMPONENT = { uint8: 5121, uint16: 5123, uint32: 5125, float32: 5126 } as const

/**
 * Vertex attributes: POSITION, optional NORMAL, COLOR_0, `_FEATURE_ID_0` (row of the table) and
 * `_ABOVE_GROUND` (metres above the feature's ground, for water marks on walls).
 */
export function writeGlb(content: GlbContent): Uint8Array {
  const { mesh, frame, featureClass, featureCount, columns, doubleSided, generator } = content
  // glTF knows no empty accessor: features too small to have a triangle leave a scene without nodes.
  if (mesh.indices.length === 0) return pack({ asset: { version: '2.0', generator }, scene: 0, scenes: [{}] }, new BinaryChunk())
  const binary = new BinaryChunk()
  const vertices = mesh.features.length
  const attribute = (data: ArrayBufferView, componentType: number, type: string, more: object = {}) =>
    binary.accessor(data, ARRAY_BUFFER, { componentType, count: vertices, type, ...more })
  const attributes: Record<string, number> = {
    POSITION: attribute(mesh.positions, COMPONENT.float32, 'VEC3', bounds(mesh.positions)),
    ...(mesh.normals && { NORMAL: attribute(mesh.normals, COMPONENT.float32, 'VEC3') }),
    COLOR_0: attribute(mesh.colours, COMPONENT.uint8, 'VEC4', { normalized: true }),
    _FEATURE_ID_0: attribute(mesh.features, COMPONENT.float32, 'SCALAR'),
    _ABOVE_GROUND: attribute(mesh.aboveGround, COMPONENT.float32, 'SCALAR'),
  }
  const indices = binary.accessor(mesh.indices, ELEMENT_ARRAY_BUFFER, {
    componentType: mesh.indices instanceof Uint16Array ? COMPONENT.uint16 : COMPONENT.uint32, count: mesh.indices.length, type: 'SCALAR',
  })
  const properties = columns.map(column => ({ column, stored: storeColumn(binary, column) }))
  return pack({
    asset: { version: '2.0', generator },
    extensionsUsed: ['EXT_mesh_features', 'EXT_structural_metadata'],
    extensions: {
      EXT_structural_metadata: {
        schema: {
          id: 'dothi',
          classes: { [featureClass]: { properties: Object.fromEntries(columns.map(column => [column.name, classProperty(column)])) } },
        },
        propertyTables: [{ class: featureClass, count: featureCount, properties: Object.fromEntries(properties.map(({ column, stored }) => [column.name, stored])) }],
      },
    },
    scene: 0,
    scenes: [{ nodes: [0] }],
    nodes: [{ mesh: 0, matrix: frameMatrix(frame) }],
    materials: [{ pbrMetallicRoughness: { metallicFactor: 0, roughnessFactor: 0.9 }, ...(doubleSided && { doubleSided }) }],
    meshes: [{
      primitives: [{
        attributes, indices, material: 0, mode: 4,
        extensions: { EXT_mesh_features: { featureIds: [{ featureCount, attribute: 0, propertyTable: 0 }] } },
      }],
    }],
    accessors: binary.accessors,
    bufferViews: binary.views,
    buffers: [{ byteLength: binary.padded }],
  }, binary)
}

function classProperty(column: PropertyColumn): object {
  const { name: _, values: _values, type, ...more } = column
  return type === 'STRING' ? { type, ...more } : { type: 'SCALAR', componentType: type, ...more }
}

/** Missing numbers are NaN (JSON has no way to declare it as noData), missing strings are empty. */
function storeColumn(binary: BinaryChunk, column: PropertyColumn): object {
  switch (column.type) {
    case 'FLOAT64': return { values: binary.view(Float64Array.from(column.values, value => value ?? NaN)) }
    case 'UINT8': return { values: binary.view(Uint8Array.from(column.values)) }
    case 'STRING': {
      const texts = column.values.map(value => Buffer.from(value ?? ''))
      const offsets = new Uint32Array(texts.length + 1)
      texts.forEach((text, i) => { offsets[i + 1] = offsets[i]! + text.length })
      const bytes = Buffer.concat(texts)
      // A buffer view may not be empty: strings that are all empty still need a byte to point at.
      return { values: binary.view(bytes.length ? bytes : new Uint8Array(1)), stringOffsets: binary.view(offsets) }
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

function bounds(positions: Float32Array): { min: number[]; max: number[] } {
  const min = [Infinity, Infinity, Infinity]
  const max = [-Infinity, -Infinity, -Infinity]
  for (let i = 0; i < positions.length; i++) {
    const d = i % 3
    if (positions[i]! < min[d]!) min[d] = positions[i]!
    if (positions[i]! > max[d]!) max[d] = positions[i]!
  }
  return { min, max }
}

/** The binary buffer under construction: views aligned to 8 bytes, as FLOAT64 columns need. */
class BinaryChunk {
  readonly views: object[] = []
  readonly accessors: object[] = []
  readonly parts: { readonly at: number; readonly bytes: Uint8Array }[] = []
  byteLength = 0

  get padded(): number { return (this.byteLength + 7) & ~7 }

  view(data: ArrayBufferView, target?: number): number {
    const at = this.padded
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    this.parts.push({ at, bytes })
    this.byteLength = at + bytes.length
    return this.views.push({ buffer: 0, byteOffset: at, byteLength: bytes.length, ...(target && { target }) }) - 1
  }

  accessor(data: ArrayBufferView, target: number, accessor: object): number {
    return this.accessors.push({ bufferView: this.view(data, target), ...accessor }) - 1
  }
}

/** Header, JSON chunk padded by spaces, binary chunk (if any) padded by zeros. Source: glTF 2.0 §4.4. */
function pack(json: object, binary: BinaryChunk): Uint8Array {
  const text = Buffer.from(JSON.stringify(json))
  // The binary chunk's data start at a multiple of 8 in the file, so that readers may map FLOAT64 without a copy.
  const textLength = ((20 + text.length + 8 + 7) & ~7) - 28
  const binaryLength = binary.padded
  const glb = Buffer.alloc(20 + textLength + (binaryLength && 8 + binaryLength))
  glb.writeUInt32LE(0x46546c67, 0)
  glb.writeUInt32LE(2, 4)
  glb.writeUInt32LE(glb.length, 8)
  glb.writeUInt32LE(textLength, 12)
  glb.writeUInt32LE(0x4e4f534a, 16)
  text.copy(glb, 20)
  glb.fill(0x20, 20 + text.length, 20 + textLength)
  if (!binaryLength) return glb
  glb.writeUInt32LE(binaryLength, 20 + textLength)
  glb.writeUInt32LE(0x004e4942, 24 + textLength)
  for (const { at, bytes } of binary.parts) glb.set(bytes, 28 + textLength + at)
  return glb
}
