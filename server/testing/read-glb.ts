/** A small reader of 3D tiles for tests, written from the specifications and not from the writer. */
import { validateBytes } from 'gltf-validator'
import { MeshoptDecoder } from 'meshoptimizer/decoder'

await MeshoptDecoder.ready

export interface Glb { readonly json: any; /** The bytes of a buffer view, decompressed. */ view(index: number): Uint8Array }

export function readGlb(bytes: Uint8Array): Glb {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (data.getUint32(0, true) !== 0x46546c67 || data.getUint32(8, true) !== bytes.length) throw new Error('no GLB')
  const jsonLength = data.getUint32(12, true)
  const json = JSON.parse(new TextDecoder().decode(bytes.subarray(20, 20 + jsonLength)))
  // A copy: a Buffer's slice would share its memory.
  const binary = new Uint8Array(bytes).subarray(28 + jsonLength)
  const view = (index: number) => {
    const { byteOffset = 0, byteLength, extensions } = json.bufferViews[index]
    const packed = extensions?.EXT_meshopt_compression
    if (!packed) return binary.slice(byteOffset, byteOffset + byteLength)
    const out = new Uint8Array(packed.count * packed.byteStride)
    MeshoptDecoder.decodeGltfBuffer(out, packed.count, packed.byteStride, binary.subarray(packed.byteOffset, packed.byteOffset + packed.byteLength), packed.mode, packed.filter)
    return out
  }
  return { json, view }
}

const READERS: Readonly<Record<number, readonly [bytes: number, read: (data: DataView, at: number) => number, full: number]>> = {
  5120: [1, (data, at) => data.getInt8(at), 127], 5121: [1, (data, at) => data.getUint8(at), 255],
  5122: [2, (data, at) => data.getInt16(at, true), 32767], 5123: [2, (data, at) => data.getUint16(at, true), 65535],
  5125: [4, (data, at) => data.getUint32(at, true), 1], 5126: [4, (data, at) => data.getFloat32(at, true), 1],
}

/** The elements of an accessor, as numbers. */
export function accessor(glb: Glb, index: number): number[][] {
  const { bufferView, byteOffset = 0, componentType, type, count, normalized } = glb.json.accessors[index]
  const bytes = glb.view(bufferView)
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const [size, read, full] = READERS[componentType]!
  const components = { SCALAR: 1, VEC2: 2, VEC3: 3, VEC4: 4 }[type as string]!
  const stride = glb.json.bufferViews[bufferView].byteStride ?? size * components
  const value = (raw: number) => (normalized ? Math.max(raw / full, -1) : raw)
  return Array.from({ length: count }, (_, i) => Array.from({ length: components }, (_, d) => value(read(data, byteOffset + i * stride + d * size))))
}

/** A column of the property table. */
export function property(glb: Glb, name: string): (number | string)[] {
  const { schema, propertyTables: [table] } = glb.json.extensions.EXT_structural_metadata
  const { type, componentType } = schema.classes[table.class].properties[name]
  const { values, stringOffsets } = table.properties[name]
  const bytes = glb.view(values)
  if (type === 'STRING') {
    const offsets = new Uint32Array(glb.view(stringOffsets).buffer)
    return Array.from({ length: table.count }, (_, i) => new TextDecoder().decode(bytes.subarray(offsets[i]!, offsets[i + 1]!)))
  }
  return Array.from(componentType === 'FLOAT64' ? new Float64Array(bytes.buffer) : bytes).slice(0, table.count)
}

export interface GlbVertex {
  /** As a 3D Tiles runtime computes it: instance, node, its parents, then y up to z up; metres. */
  readonly geocentric: readonly [number, number, number]
  readonly feature: number
  /** `_ABOVE_GROUND`; NaN for instances. */
  readonly above: number
}

/** Every vertex of the scene, those of instances once for each. */
export function vertices(glb: Glb): GlbVertex[] {
  const found: GlbVertex[] = []
  const visit = (index: number, parent: Place) => {
    const node = glb.json.nodes[index]
    const place: Place = p => parent(placed(node, p))
    for (const child of node.children ?? []) visit(child, place)
    for (const { attributes } of node.mesh === undefined ? [] : glb.json.meshes[node.mesh].primitives) {
      const positions = accessor(glb, attributes.POSITION)
      const instances = instancesOf(glb, node)
      const features = instances ? [] : accessor(glb, attributes._FEATURE_ID_0)
      const above = instances ? [] : accessor(glb, attributes._ABOVE_GROUND)
      if (instances)
        for (const { feature, place: own } of instances) for (const p of positions) found.push({ geocentric: zUp(place(own(p))), feature, above: NaN })
      else positions.forEach((p, i) => found.push({ geocentric: zUp(place(p)), feature: features[i]![0]!, above: above[i]![0]! }))
    }
  }
  for (const index of glb.json.scenes[0].nodes ?? []) visit(index, p => p)
  return found
}

type Place = (p: readonly number[]) => readonly number[]

const zUp = ([x, y, z]: readonly number[]): [number, number, number] => [x!, -z!, y!]

function placed({ matrix: m, translation = [0, 0, 0], scale = [1, 1, 1], rotation = [0, 0, 0, 1] }: any, p: readonly number[]): readonly number[] {
  if (m) return [0, 1, 2].map(r => m[r] * p[0]! + m[4 + r] * p[1]! + m[8 + r] * p[2]! + m[12 + r])
  return turned(rotation, p.map((v, d) => v * scale[d])).map((v, d) => v + translation[d])
}

/** Source: v + 2 q × (q × v + w v). */
function turned([x, y, z, w]: readonly number[], v: readonly number[]): number[] {
  const cross = (a: readonly number[], b: readonly number[]) => [a[1]! * b[2]! - a[2]! * b[1]!, a[2]! * b[0]! - a[0]! * b[2]!, a[0]! * b[1]! - a[1]! * b[0]!]
  const q = [x!, y!, z!]
  const inner = cross(q, v).map((c, d) => c + w! * v[d]!)
  return cross(q, inner).map((c, d) => v[d]! + 2 * c)
}

function instancesOf(glb: Glb, node: any): { feature: number; place: Place }[] | null {
  const attributes = node.extensions?.EXT_mesh_gpu_instancing?.attributes
  if (!attributes) return null
  const [translations, rotations, scales, features] = ['TRANSLATION', 'ROTATION', 'SCALE', '_FEATURE_ID_0'].map(name => accessor(glb, attributes[name]))
  return features!.map(([feature], i) => ({ feature: feature!, place: p => placed({ translation: translations![i], rotation: rotations![i], scale: scales![i] }, p) }))
}

/** The same tile without compression, as readers without meshopt would want it. */
export function plainGlb(bytes: Uint8Array): Uint8Array {
  const glb = readGlb(bytes)
  if (!glb.json.bufferViews) return bytes
  const parts = glb.json.bufferViews.map((_: unknown, i: number) => glb.view(i)) as Uint8Array[]
  const offsets: number[] = []
  let length = 0
  for (const part of parts) {
    offsets.push(length)
    length = (length + part.length + 7) & ~7
  }
  const withoutMeshopt = (names: string[] = []) => names.filter(name => name !== 'EXT_meshopt_compression')
  const json = Buffer.from(JSON.stringify({
    ...glb.json,
    extensionsUsed: withoutMeshopt(glb.json.extensionsUsed), extensionsRequired: withoutMeshopt(glb.json.extensionsRequired),
    bufferViews: glb.json.bufferViews.map(({ byteStride, target }: any, i: number) => ({ buffer: 0, byteOffset: offsets[i], byteLength: parts[i]!.length, ...(byteStride && { byteStride }), ...(target && { target }) })),
    buffers: [{ byteLength: length }],
  }))
  const jsonLength = (json.length + 3) & ~3
  const out = Buffer.alloc(28 + jsonLength + length)
  out.write('glTF', 0)
  for (const [at, value] of [[4, 2], [8, out.length], [12, jsonLength], [16, 0x4e4f534a], [20 + jsonLength, length], [24 + jsonLength, 0x004e4942]] as const) out.writeUInt32LE(value, at)
  out.fill(0x20, 20, 20 + jsonLength)
  json.copy(out, 20)
  parts.forEach((part, i) => out.set(part, 28 + jsonLength + offsets[i]!))
  return out
}

/** What the Khronos validator holds against a tile, as it is and decompressed: errors and warnings. */
export async function faultsOf(bytes: Uint8Array): Promise<string[]> {
  const reports = await Promise.all([bytes, plainGlb(bytes)].map(each => validateBytes(new Uint8Array(each), { maxIssues: 0 })))
  return reports.flatMap(report => report.issues.messages.filter(issue => issue.severity < 2).map(issue => JSON.stringify(issue)))
}
