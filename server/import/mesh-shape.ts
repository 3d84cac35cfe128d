import type { Feature } from '../../core/feature.js'
import { GeometryFault } from '../../core/geometry/wkb-bytes.js'
import { footprint } from './footprint.js'

type Rings = readonly (readonly (readonly number[])[])[]

export interface MeshOptions {
  /** Faces of a solid, whose floor looks down; else of a surface seen from above. */
  readonly closed: boolean
  /** Coordinates are degrees. */
  readonly geographic?: boolean
  /** Those of the faces that are its floor, where the file says. */
  readonly ground?: readonly Rings[]
}

/** Degrees are this much larger than what the outline's tolerances, made for metres, are meant for. */
const METRES_A_DEGREE = 111_320

/** A feature's geometry from faces: its footprint, the faces as a solid, ground level and height. */
export function meshShape(faces: readonly Rings[], { closed, geographic, ground = [] }: MeshOptions): Pick<Feature, 'geometry' | 'solid' | 'groundZ' | 'height' | 'fault'> {
  const solid = faces.filter(isFace).map(rings => rings.map(closedRing))
  if (solid.length === 0) return { geometry: null, fault: 'no faces' }
  if (solid.some(rings => rings.some(ring => ring.some(position => position.length < 3)))) throw new GeometryFault('faces without heights')
  const floor = ground.length ? ground : faces
  const open = (rings: Rings) => rings.map(ring => scaled(openRing(ring), geographic ? METRES_A_DEGREE : 1))
  const outline = footprint(floor.map(open), closed ? 'down' : 'up')
  if (!outline) return { geometry: null, fault: 'no footprint: all faces are vertical' }
  const low = round(extreme(floor, Math.min))
  const high = round(extreme(faces, Math.max))
  const geometry = geographic ? { ...outline, coordinates: unscaled(outline.coordinates) } : outline
  return { geometry, solid, groundZ: low, ...(high > low ? { height: round(high - low) } : {}) }
}

/** Whether a face becomes one of the solid's: those that enclose nothing do not. */
export const isFace = (rings: Rings): boolean => rings.length > 0 && closedRing(rings[0]!).length >= 4

const round = (metres: number) => Math.round(metres * 1000) / 1000
const isClosed = (ring: Rings[number]) => ring.length > 1 && ring[0]!.every((ordinate, i) => ordinate === ring.at(-1)![i])
const openRing = (ring: Rings[number]) => (isClosed(ring) ? ring.slice(0, -1) : ring)
export const closedRing = (ring: Rings[number]): Rings[number] => (isClosed(ring) || ring.length === 0 ? ring : [...ring, ring[0]!])
const scaled = (ring: Rings[number], by: number) => (by === 1 ? ring : ring.map(([x, y, ...rest]) => [x! * by, y! * by, ...rest]))

function unscaled(coordinates: unknown): unknown {
  if (!Array.isArray(coordinates)) return coordinates
  return typeof coordinates[0] === 'number' ? [coordinates[0] / METRES_A_DEGREE, coordinates[1] / METRES_A_DEGREE] : coordinates.map(unscaled)
}

function extreme(faces: readonly Rings[], choose: (a: number, b: number) => number): number {
  let found: number | undefined
  for (const rings of faces) for (const position of rings[0] ?? []) found = found === undefined ? position[2]! : choose(found, position[2]!)
  return found ?? NaN
}
