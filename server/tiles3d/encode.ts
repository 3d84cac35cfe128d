/**
 * One tile of features → one GLB. Pure: rows in, bytes out; encode-worker.ts runs it off the main thread.
 * All heights that come in are orthometric metres; `geoidOffset` makes them ellipsoidal.
 */
import { addFace, extrude } from '../../core/geometry/extrude.js'
import { localFrame, toLocal, type LocalFrame } from '../../core/geometry/geocentric.js'
import { MeshBuilder, type Colour } from '../../core/geometry/mesh.js'
import { addPrism, addTree } from '../../core/geometry/symbol.js'
import { addTube } from '../../core/geometry/tube.js'
import { writeGlb, type PropertyColumn } from './glb.js'
import { unpackBytes, type PackedBytes } from './packed-bytes.js'
import { flatFromWkb } from '../../core/geometry/wkb.js'

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
  readonly shapes: Extrusions | Tubes | Symbols
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
}

export interface Tubes {
  readonly form: 'tube'
  /** lon, lat, axis level, ground level a point. */
  readonly lines: readonly { readonly feature: number; readonly path: Float64Array; readonly radius: number; readonly colour: Colour }[]
}

export interface Symbols {
  readonly form: 'instance'
  /** `base` to `top`, orthometric; `width` across. */
  readonly things: readonly { readonly feature: number; readonly lon: number; readonly lat: number; readonly base: number; readonly top: number; readonly width: number; readonly colour: Colour }[]
  readonly shape: 'tree' | 'post'
}

export const GENERATOR = 'dothi'

export function encodeTile(job: TileJob): Uint8Array {
  const frame = localFrame(...job.centre, job.geoidOffset)
  const mesh = buildMesh(job, frame).finish()
  return writeGlb({
    mesh, frame, featureClass: job.layer, featureCount: job.ids.length, generator: GENERATOR,
    doubleSided: job.shapes.form === 'extrude' && job.shapes.solids.ends.at(-1)! > 0,
    columns: [
      // FLOAT64 holds every id (they stay below 2^53) and reads as a plain number in JavaScript, where UINT64 would be a BigInt.
      { name: 'id', description: 'Feature id, stable for ever', type: 'FLOAT64', values: job.ids },
      { name: 'ground_z', description: 'Ground level, orthometric metres', type: 'FLOAT64', values: job.ground },
      ...job.columns,
    ],
  })
}

function buildMesh(job: TileJob, frame: LocalFrame): MeshBuilder {
  switch (job.shapes.form) {
    case 'extrude': return extrusionMesh(job, job.shapes, frame)
    case 'tube': return tubeMesh(job.shapes, frame, job.geoidOffset)
    case 'instance': return symbolMesh(job, job.shapes, frame)
  }
}

/** glTF is y up: x east, y up, z south. */
const yUp = (x: number, y: number, z: number, out: [number, number, number]) => { out[0] = x; out[1] = z; out[2] = -y }

/** 8 mm: finer than any survey, and the cut mantissas compress. */
const rounded = (metres: number) => Math.round(metres * 128) / 128

function extrusionMesh(job: TileJob, { footprints, solids, base, top, wall, roof }: Extrusions, frame: LocalFrame): MeshBuilder {
  const { geoidOffset } = job
  const local: [number, number, number] = [0, 0, 0]
  const mesh = new MeshBuilder((lon, lat, height, out) => {
    toLocal(frame, lon, lat, height + geoidOffset, local)
    yUp(rounded(local[0]), rounded(local[1]), rounded(local[2]), out)
  })
  const metres = metresPerDegree(job.centre[1])
  for (let i = 0; i < job.ids.length; i++) {
    mesh.feature = i
    mesh.ground = job.ground[i]!
    const solid = unpackBytes(solids, i)
    if (solid.length) {
      for (const rings of flatFromWkb(solid).parts) addFace(mesh, rings, metres, { wall, roof })
      continue
    }
    const footprint = unpackBytes(footprints, i)
    if (!footprint.length) continue
    const { kind, parts, dimensions } = flatFromWkb(footprint)
    if (kind !== 'polygon') continue
    for (const rings of parts) extrude(mesh, dimensions === 2 ? rings : rings.map(dropZ), { base: base[i]!, top: top[i]!, wall, roof })
  }
  return mesh
}

function tubeMesh({ lines }: Tubes, frame: LocalFrame, geoidOffset: number): MeshBuilder {
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
  return mesh
}

const BARK: Colour = [70, 55, 40]

function symbolMesh(job: TileJob, { things, shape }: Symbols, frame: LocalFrame): MeshBuilder {
  const mesh = new MeshBuilder(yUp)
  const at: [number, number, number] = [0, 0, 0]
  for (const { feature, lon, lat, base, top, width, colour } of things) {
    mesh.feature = feature
    toLocal(frame, lon, lat, base + job.geoidOffset, at)
    mesh.ground = at[2] + job.ground[feature]! - base
    const height = Math.max(0.2, top - base)
    // The id decides the turn: the same tree looks the same in every tile and revision.
    if (shape === 'tree') addTree(mesh, at, { height, crown: width, turn: (job.ids[feature]! * 2.399963) % (2 * Math.PI), leaf: colour, bark: BARK })
    else {
      mesh.colour = colour
      addPrism(mesh, at, { radius: width / 2, height, sides: 8 })
    }
  }
  return mesh
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
