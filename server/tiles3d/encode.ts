/**
 * One tile of features → one GLB. Pure: rows in, bytes out; encode-worker.ts runs it off the main thread.
 * All heights that come in are orthometric metres; `geoidOffset` makes them ellipsoidal.
 */
import type { FaceAppearance } from '../../core/appearance.js'
import { addEmbankment } from '../../core/geometry/embankment.js'
import { addFace, extrude } from '../../core/geometry/extrude.js'
import { localFrame, toLocal, type LocalFrame } from '../../core/geometry/geocentric.js'
import { facetted, MeshBuilder, type Colour, type Mesh } from '../../core/geometry/mesh.js'
import { addCamera, addPrism, addTree } from '../../core/geometry/symbol.js'
import { addTube } from '../../core/geometry/tube.js'
import { flatFromWkb } from '../../core/geometry/wkb.js'
import { writeGlb, type Instances, type PropertyColumn, type Surface, type Texture } from './glb.js'
import { unpackBytes, type PackedBytes } from './packed-bytes.js'
import { linear } from './paint-colour.js'

/** Everything a tile is made of; survives structured cloning to a worker. */
export interface TileJob {
  readonly layer: string
  /** Middle of the tile's features, CRS84 degrees: its positions are metres from here. */
  readonly centre: readonly [lon: number, lat: number]
  readonly geoidOffset: number
  readonly ids: Float64Array
  /** Orthometric, one a feature. */
  readonly ground: Float64Array
  readonly columns: readonly PropertyColumn[]
  readonly shapes: Extrusions | Tubes | Embankments | Symbols
}

/** Footprints with walls from `base` to `top`; a feature with a solid is drawn as that instead. */
export interface Extrusions {
  readonly form: 'extrude'
  readonly footprints: PackedBytes
  readonly solids: PackedBytes
  readonly base: Float64Array
  readonly top: Float64Array
  readonly wall: Colour
  readonly roof: Colour
  /** What the solids' faces look like, where it is known. */
  readonly looks?: Looks
}

export interface Looks {
  readonly textures: readonly Texture[]
  /** One entry a feature with an appearance: its faces in the solid's order, `image` an index into `textures`. */
  readonly faces: ReadonlyMap<number, readonly (FaceAppearance | null)[]>
  /** Features whose pictures would have made the tile too heavy. */
  readonly leftOut?: number
}

export interface Tubes {
  readonly form: 'tube'
  /** lon, lat, axis level, ground level a point. */
  readonly lines: readonly { readonly feature: number; readonly path: Float64Array; readonly radius: number; readonly colour: Colour }[]
}

export interface Embankments {
  readonly form: 'embankment'
  /** lon, lat, crest level, toe level a point. */
  readonly lines: readonly { readonly feature: number; readonly path: Float64Array; readonly crestWidth: number; readonly slope: number; readonly colour: Colour }[]
}

export type SymbolShape = 'tree' | 'post' | 'camera'

export interface Symbols {
  readonly form: 'instance'
  /** `base` to `top`, orthometric; `width` across; `turn` in radians about the vertical, counter-clockwise from above. */
  readonly things: readonly { readonly feature: number; readonly lon: number; readonly lat: number; readonly base: number; readonly top: number; readonly width: number; readonly turn: number; readonly colour: Colour }[]
  readonly shape: SymbolShape
}

export const GENERATOR = 'dothi'

export function encodeTile(job: TileJob): Uint8Array {
  const frame = localFrame(...job.centre, job.geoidOffset)
  const { shapes } = job
  return writeGlb({
    surfaces: surfacesOf(job, frame), instances: shapes.form === 'instance' ? instancesOf(job, shapes, frame) : [],
    frame, featureClass: job.layer, featureCount: job.ids.length, generator: GENERATOR,
    extras: shapes.form === 'extrude' && shapes.looks?.leftOut ? { texturesLeftOut: shapes.looks.leftOut } : undefined,
    doubleSided: shapes.form === 'extrude' && shapes.solids.bytes.length > 0,
    columns: [
      // FLOAT64 holds every id (they stay below 2^53) and reads as a plain number in JavaScript, where UINT64 would be a BigInt.
      { name: 'id', description: 'Feature id, stable for ever', type: 'FLOAT64', values: job.ids },
      { name: 'ground_z', description: 'Ground level, orthometric metres', type: 'FLOAT64', values: job.ground },
      ...job.columns,
    ],
  })
}

function surfacesOf(job: TileJob, frame: LocalFrame): Surface[] {
  switch (job.shapes.form) {
    case 'extrude': return extrusionSurfaces(job, job.shapes, frame)
    case 'tube': return [{ mesh: tubeMesh(job.shapes, frame, job.geoidOffset) }]
    case 'embankment': return [{ mesh: embankmentMesh(job, job.shapes, frame) }]
    case 'instance': return []
  }
}

/** glTF is y up: x east, y up, z south. */
const yUp = (x: number, y: number, z: number, out: [number, number, number]) => { out[0] = x; out[1] = z; out[2] = -y }

/** One mesh for all plain faces, and one a texture. */
function extrusionSurfaces(job: TileJob, shapes: Extrusions, frame: LocalFrame): Surface[] {
  const { footprints, solids, base, top, wall, roof, looks } = shapes
  const { geoidOffset } = job
  const local: [number, number, number] = [0, 0, 0]
  const place = (lon: number, lat: number, height: number, out: [number, number, number]) => {
    toLocal(frame, lon, lat, height + geoidOffset, local)
    yUp(local[0], local[1], local[2], out)
  }
  const plain = new MeshBuilder(place)
  const textured = (looks?.textures ?? []).map(() => new MeshBuilder(place, { uvs: true }))
  const metres = metresPerDegree(job.centre[1])
  const all = [plain, ...textured]
  for (let i = 0; i < job.ids.length; i++) {
    for (const mesh of all) { mesh.feature = i; mesh.ground = job.ground[i]! }
    const solid = unpackBytes(solids, i)
    if (solid.length) {
      const faces = looks?.faces.get(i)
      flatFromWkb(solid).parts.forEach((rings, f) => addLookingFace(plain, textured, rings, metres, { wall, roof }, faces?.[f]))
      continue
    }
    const footprint = unpackBytes(footprints, i)
    if (!footprint.length) continue
    const { kind, parts, dimensions } = flatFromWkb(footprint)
    if (kind !== 'polygon') continue
    for (const rings of parts) extrude(plain, dimensions === 2 ? rings : rings.map(dropZ), { base: base[i]!, top: top[i]!, wall, roof })
  }
  return [{ mesh: plain.finish() }, ...textured.map((mesh, k) => ({ mesh: mesh.finish(), texture: looks!.textures[k]! }))]
}

const WHITE: Colour = [255, 255, 255]

function addLookingFace(plain: MeshBuilder, textured: readonly MeshBuilder[], rings: readonly Float64Array[], metres: readonly [number, number], colours: { readonly wall: Colour; readonly roof: Colour }, look: FaceAppearance | null | undefined): void {
  const mesh = look?.image === undefined ? undefined : textured[look.image]
  if (mesh) return addFace(mesh, rings, metres, { wall: WHITE, roof: WHITE }, look!.uv ?? [])
  const own = look?.colour && linear(look.colour)
  addFace(plain, rings, metres, own ? { wall: own, roof: own } : colours)
}

function tubeMesh({ lines }: Tubes, frame: LocalFrame, geoidOffset: number): Mesh {
  const mesh = new MeshBuilder(yUp, { normals: true })
  const local: [number, number, number] = [0, 0, 0]
  for (const { feature, path, radius, colour } of lines) {
    mesh.feature = feature
    const metres = new Float64Array(path.length)
    for (let i = 0; i < path.length; i += 4) {
      toLocal(frame, path[i]!, path[i + 1]!, path[i + 2]! + geoidOffset, local)
      metres.set(local, i)
      metres[i + 3] = local[2] + path[i + 3]! - path[i + 2]!
    }
    addTube(mesh, metres, { radius, colour, sides: radius < 0.2 ? 6 : 10 })
  }
  return mesh.finish()
}

function embankmentMesh(job: TileJob, { lines }: Embankments, frame: LocalFrame): Mesh {
  const mesh = new MeshBuilder(yUp)
  const local: [number, number, number] = [0, 0, 0]
  for (const { feature, path, crestWidth, slope, colour } of lines) {
    mesh.feature = feature
    const metres = new Float64Array(path.length)
    for (let i = 0; i < path.length; i += 4) {
      toLocal(frame, path[i]!, path[i + 1]!, path[i + 2]! + job.geoidOffset, local)
      metres.set([local[0], local[1], local[2], local[2] + path[i + 3]! - path[i + 2]!], i)
      if (i === 0) mesh.ground = local[2] + job.ground[feature]! - path[2]!
    }
    addEmbankment(mesh, metres, { crestWidth, slope, crest: colour, side: colour })
  }
  return facetted(mesh.finish())
}

/** Things of one colour are one mesh drawn many times: colours of single instances are not in the standard. */
function instancesOf(job: TileJob, { things, shape }: Symbols, frame: LocalFrame): Instances[] {
  const byColour = new Map<string, Symbols['things'][number][]>()
  for (const thing of things) {
    const key = thing.colour.join(' ')
    const same = byColour.get(key)
    if (same) same.push(thing)
    else byColour.set(key, [thing])
  }
  return [...byColour.values()].map(same => ({
    mesh: unitMesh(shape, same[0]!.colour),
    translations: translationsOf(same, frame, job.geoidOffset),
    turns: Float32Array.from(same, thing => thing.turn),
    scales: Float32Array.from(same.flatMap(({ base, top, width }) => [width, Math.max(0.2, top - base), width])),
    features: Float32Array.from(same, thing => thing.feature),
  }))
}

function translationsOf(things: Symbols['things'], frame: LocalFrame, geoidOffset: number): Float32Array {
  const out = new Float32Array(3 * things.length)
  const local: [number, number, number] = [0, 0, 0]
  things.forEach(({ lon, lat, base }, i) => {
    toLocal(frame, lon, lat, base + geoidOffset, local)
    yUp(local[0], local[1], local[2], local)
    out.set(local, 3 * i)
  })
  return out
}

const BARK: Colour = [70, 55, 40]

/** A metre wide and high, its foot at the origin. */
function unitMesh(shape: SymbolShape, colour: Colour): Mesh {
  const mesh = new MeshBuilder(yUp)
  const foot = [0, 0, 0] as const
  switch (shape) {
    case 'tree': addTree(mesh, foot, { height: 1, crown: 1, trunk: 0.04, turn: 0, leaf: colour, bark: BARK }); break
    case 'camera': addCamera(mesh, foot, { height: 1, size: 1, colour }); break
    case 'post': {
      mesh.colour = colour
      addPrism(mesh, foot, { radius: 0.5, height: 1, sides: 8 })
    }
  }
  return facetted(mesh.finish())
}

function dropZ(ring: Float64Array): Float64Array {
  const flat = new Float64Array((ring.length / 3) * 2)
  for (let i = 0, j = 0; i < ring.length; i += 3) { flat[j++] = ring[i]!; flat[j++] = ring[i + 1]! }
  return flat
}

/** Near enough to tell which way a face looks. */
function metresPerDegree(lat: number): readonly [x: number, y: number] {
  return [111_320 * Math.cos((lat * Math.PI) / 180), 110_574]
}
