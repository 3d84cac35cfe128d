import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import { arcAround, joinLines, linearise } from '../../core/geometry/curves.js'
import { GeometryFault } from '../../core/geometry/wkb-bytes.js'
import { namedCrs, type NamedCrs } from './axes.js'
import { gather } from './kml.js'
import { child, childrenOf, descendants, type XmlNode } from './xml.js'

export interface GmlContext {
  /** CRS and dimension of geometries that do not name theirs. */
  readonly crs: NamedCrs
  readonly dimension: number
  /** The element with a gml:id, wherever in the file it stands. */
  readonly resolve: (id: string) => XmlNode | undefined
}

type Line = number[][]
type Rings = Line[]

/** Elements that are geometries, GML 2 to 3.2. */
export const GEOMETRY_NAMES: ReadonlySet<string> = new Set([
  'Point', 'LineString', 'Polygon', 'LinearRing', 'Curve', 'OrientableCurve', 'CompositeCurve', 'Ring', 'Surface', 'OrientableSurface', 'CompositeSurface', 'PolyhedralSurface',
  'TriangulatedSurface', 'Tin', 'Shell', 'Solid', 'CompositeSolid', 'MultiSolid', 'MultiPoint', 'MultiLineString', 'MultiCurve', 'MultiPolygon', 'MultiSurface', 'MultiGeometry', 'GeometricComplex', 'Box', 'Envelope',
])
const SOLIDS = new Set(['Solid', 'CompositeSolid', 'MultiSolid'])
const SURFACES = new Set(['Polygon', 'Surface', 'OrientableSurface', 'CompositeSurface', 'PolyhedralSurface', 'TriangulatedSurface', 'Tin', 'Shell', 'MultiPolygon', 'MultiSurface', 'PolygonPatch', 'Triangle', 'Rectangle', ...SOLIDS])
const CURVES = new Set(['LineString', 'LinearRing', 'Curve', 'OrientableCurve', 'CompositeCurve', 'Ring', 'MultiLineString', 'MultiCurve'])
const MAX_LINKS = 64

export const isSolid = (node: XmlNode) => SOLIDS.has(node.name)
export const isSurface = (node: XmlNode) => SURFACES.has(node.name)

/** The CRS that a geometry, or one within it, names; undefined where none does. */
export function crsIn(node: XmlNode): NamedCrs | undefined {
  if (node.attributes.srsName) return namedCrs(node.attributes.srsName)
  for (const inner of descendants(node)) if (inner.attributes.srsName) return namedCrs(inner.attributes.srsName)
  return undefined
}

/** A GML geometry; of a solid its outer shells as a MultiPolygon. Curves become lines. Null where it is empty. Throws a GeometryFault. */
export function gmlGeometry(node: XmlNode, context: GmlContext): GeoJsonGeometry | null {
  if (node.name === 'Point') {
    const [position] = positionsOf(node, context)
    return position ? { type: 'Point', coordinates: position } : null
  }
  if (node.name === 'MultiPoint') {
    const coordinates = members(node, context, ['pointMember', 'pointMembers']).flatMap(member => positionsOf(member, context).slice(0, 1))
    return coordinates.length ? { type: 'MultiPoint', coordinates } : null
  }
  if (CURVES.has(node.name)) {
    const lines = linesOf(node, context, 0)
    if (lines.length === 0) return null
    return lines.length === 1 && !node.name.startsWith('Multi') ? { type: 'LineString', coordinates: lines[0] } : { type: 'MultiLineString', coordinates: lines }
  }
  if (SURFACES.has(node.name)) {
    const faces = facesOf(node, context)
    if (faces.length === 0) return null
    return faces.length === 1 && !/^Multi|Solid$/.test(node.name) ? { type: 'Polygon', coordinates: faces[0] } : { type: 'MultiPolygon', coordinates: faces }
  }
  if (node.name === 'MultiGeometry' || node.name === 'GeometricComplex') {
    const parts = members(node, context, ['geometryMember', 'geometryMembers', 'element']).map(member => gmlGeometry(member, context)).filter(part => part !== null)
    return parts.length ? gather(parts) : null
  }
  throw new GeometryFault(`gml:${node.name.slice(0, 40)}: no geometry that can be read`)
}

/** Geometries in the properties of these names; links to others are followed. */
function members(node: XmlNode, context: GmlContext, names: readonly string[]): XmlNode[] {
  return childrenOf(node, ...names).flatMap(property => valuesOf(property, context))
}

/** What stands in a property, or what it links to. */
export function valuesOf(property: XmlNode, { resolve }: GmlContext): XmlNode[] {
  if (property.children.length > 0) return property.children
  const href = property.attributes.href
  if (!href) return []
  if (!href.startsWith('#')) throw new GeometryFault(`a link out of the file: ${href.slice(0, 80)}`)
  const target = resolve(href.slice(1))
  if (!target) throw new GeometryFault(`a link to ${href.slice(0, 80)}, which is not in the file`)
  return [target]
}

/** Where a face comes from: what else a file says of it, it says of these ids. */
export interface FaceOrigin {
  /** The polygon and the surfaces that it is part of, innermost first. */
  readonly surfaces: readonly string[]
  readonly rings: readonly (string | undefined)[]
  /** The face's rings run against those of the polygon. */
  readonly isReversed: boolean
}

const origins = new WeakMap<readonly unknown[], FaceOrigin>()
/** Of a face that `facesOf` made. */
export const originOf = (face: readonly unknown[]): FaceOrigin | undefined => origins.get(face)

/** Every face of surfaces and solids, as rings; inner shells of solids are left out. */
export function facesOf(node: XmlNode, context: GmlContext, depth = 0): Rings[] {
  const faces = facesWithin(node, context, depth)
  const { id } = node.attributes
  if (id !== undefined) for (const face of faces) {
    const origin = origins.get(face)
    if (origin && !origin.surfaces.includes(id)) origins.set(face, { ...origin, surfaces: [...origin.surfaces, id] })
  }
  return faces
}

function facesWithin(node: XmlNode, context: GmlContext, depth: number): Rings[] {
  if (depth > MAX_LINKS) throw new GeometryFault('surfaces that link to each other in a circle')
  const within = (...names: string[]) => members(node, context, names).flatMap(member => facesOf(member, context, depth + 1))
  switch (node.name) {
    case 'Polygon': case 'PolygonPatch': case 'Triangle': case 'Rectangle': {
      const outer = ringNodes(node, context, 'exterior', 'outerBoundaryIs')
      if (outer.length === 0) return []
      const rings = [...outer, ...ringNodes(node, context, 'interior', 'innerBoundaryIs')]
      const face = rings.map(ring => joinLines(linesOf(ring, context, 0)))
      origins.set(face, { surfaces: [], rings: rings.map(ring => ring.attributes.id), isReversed: false })
      return [face]
    }
    case 'OrientableSurface': {
      const faces = within('baseSurface')
      return node.attributes.orientation === '-' ? faces.map(reversed) : faces
    }
    case 'Surface': case 'PolyhedralSurface': case 'TriangulatedSurface': case 'Tin':
      return childrenOf(node, 'patches', 'polygonPatches', 'trianglePatches').flatMap(patches => patches.children).flatMap(patch => {
        if (!['PolygonPatch', 'Triangle', 'Rectangle'].includes(patch.name)) throw new GeometryFault(`gml:${patch.name.slice(0, 40)}: surfaces other than of plane faces are not read`)
        return facesOf(patch, context, depth + 1)
      })
    case 'Shell': case 'CompositeSurface': case 'MultiSurface': return within('surfaceMember', 'surfaceMembers')
    case 'MultiPolygon': return within('polygonMember', 'polygonMembers')
    case 'Solid': return within('exterior')
    case 'CompositeSolid': case 'MultiSolid': return within('solidMember', 'solidMembers')
    default: throw new GeometryFault(`gml:${node.name.slice(0, 40)} where a surface was wanted`)
  }
}

function reversed(face: Rings): Rings {
  const turned = face.map(ring => [...ring].reverse())
  const origin = origins.get(face)
  if (origin) origins.set(turned, { ...origin, isReversed: !origin.isReversed })
  return turned
}

const ringNodes = (node: XmlNode, context: GmlContext, ...boundaries: string[]) => members(node, context, boundaries)

function linesOf(node: XmlNode, context: GmlContext, depth: number): Line[] {
  if (depth > MAX_LINKS) throw new GeometryFault('curves that link to each other in a circle')
  const within = (...names: string[]) => members(node, context, names).flatMap(member => linesOf(member, context, depth + 1))
  switch (node.name) {
    case 'LineString': case 'LinearRing': return [positionsOf(node, context)]
    case 'Curve': return [joinLines((child(node, 'segments')?.children ?? []).map(segment => segmentLine(segment, context)))]
    case 'OrientableCurve': {
      const lines = within('baseCurve')
      return node.attributes.orientation === '-' ? lines.map(line => [...line].reverse()).reverse() : lines
    }
    case 'CompositeCurve': case 'Ring': return [joinLines(within('curveMember', 'curveMembers'))]
    case 'MultiLineString': return within('lineStringMember', 'lineStringMembers')
    case 'MultiCurve': return within('curveMember', 'curveMembers')
    default: throw new GeometryFault(`gml:${node.name.slice(0, 40)} where a curve was wanted`)
  }
}

function segmentLine(segment: XmlNode, context: GmlContext): Line {
  const positions = () => positionsOf(segment, context)
  switch (segment.name) {
    case 'LineStringSegment': case 'GeodesicString': case 'Geodesic': return positions()
    case 'Arc': case 'ArcString': return chordsOf(positions())
    case 'Circle': {
      const [a, b, c] = positions()
      if (!a || !b || !c) throw new GeometryFault('a circle of fewer than three points')
      return circleThrough(a, b, c)
    }
    case 'ArcByCenterPoint': case 'CircleByCenterPoint': return aroundCentre(segment, positions()[0])
    default: throw new GeometryFault(`gml:${segment.name.slice(0, 40)}: splines and the like are not read`)
  }
}

/** The whole circle through three points. */
function circleThrough(a: readonly number[], b: readonly number[], c: readonly number[]): Line {
  const [bx, by, cx, cy] = [b[0]! - a[0]!, b[1]! - a[1]!, c[0]! - a[0]!, c[1]! - a[1]!]
  const doubled = 2 * (bx * cy - by * cx)
  if (doubled === 0) throw new GeometryFault('a circle whose points lie on a line')
  const ux = (cy * (bx * bx + by * by) - by * (cx * cx + cy * cy)) / doubled
  const uy = (bx * (cx * cx + cy * cy) - cx * (bx * bx + by * by)) / doubled
  const from = Math.atan2(-uy, -ux)
  return arcAround([a[0]! + ux, a[1]! + uy, ...a.slice(2)], Math.hypot(ux, uy), from, from)
}

function aroundCentre(segment: XmlNode, centre: readonly number[] | undefined): Line {
  const number = (name: string) => Number(child(segment, name)?.text.trim() || NaN)
  const radius = number('radius')
  if (!centre || !(radius > 0)) throw new GeometryFault(`gml:${segment.name} without a centre or radius`)
  if (segment.name === 'CircleByCenterPoint') return arcAround(centre, radius, 0, 2 * Math.PI)
  const angle = (name: string) => (number(name) * (/rad/i.test(child(segment, name)?.attributes.uom ?? '') ? 1 : Math.PI / 180))
  const [start, end] = [angle('startAngle'), angle('endAngle')]
  if (!Number.isFinite(start) || !Number.isFinite(end)) throw new GeometryFault('an arc whose angles are no numbers')
  return arcAround(centre, radius, start, end)
}

function chordsOf(positions: Line): Line {
  try {
    return linearise(positions)
  } catch (error) {
    throw new GeometryFault((error as Error).message)
  }
}

/** Positions in x, y (, z) order, from any of the ways that GML writes them. */
export function positionsOf(node: XmlNode, context: GmlContext): Line {
  const dimensionOf = (element: XmlNode) => Number(element.attributes.srsDimension ?? node.attributes.srsDimension ?? 0)
  const crs = node.attributes.srsName ? namedCrs(node.attributes.srsName) : context.crs
  const out: Line = []
  for (const part of node.children) {
    switch (part.name) {
      case 'pos': out.push(numbersIn(part.text)); break
      case 'posList': out.push(...grouped(numbersIn(part.text), dimensionOf(part) || context.dimension, Number(part.attributes.count ?? 0))); break
      case 'coordinates': out.push(...tuples(part)); break
      case 'coord': out.push(part.children.filter(c => /^[XYZ]$/.test(c.name)).map(c => Number(c.text))); break
      case 'pointProperty': case 'pointRep': out.push(...valuesOf(part, context).flatMap(point => positionsOf(point, context).map(position => (crs.flipped ? flip(position) : position)))); break
    }
  }
  for (const position of out) if (position.length < 2 || !position.every(Number.isFinite)) throw new GeometryFault(`a position that is not two or three numbers: “${position.join(' ').slice(0, 60)}”`)
  return out.map(position => (crs.flipped ? flip(position.slice(0, 3)) : position.slice(0, 3)))
}

const flip = ([a, b, ...rest]: readonly number[]) => [b!, a!, ...rest]

const numbersIn = (text: string) => { const trimmed = text.trim(); return trimmed === '' ? [] : trimmed.split(/\s+/).map(Number) }

function grouped(numbers: readonly number[], dimension: number, count: number): Line {
  const size = count > 0 && numbers.length % count === 0 ? numbers.length / count : numbers.length % dimension === 0 ? dimension : numbers.length % 3 === 0 ? 3 : 2
  if (numbers.length % size) throw new GeometryFault(`a posList of ${numbers.length} numbers in ${size} dimensions`)
  return Array.from({ length: numbers.length / size }, (_, i) => numbers.slice(i * size, i * size + size))
}

/** GML 2: `x,y x,y`, or with other separators. */
function tuples(node: XmlNode): Line {
  const { cs = ',', ts = ' ', decimal = '.' } = node.attributes
  const text = node.text.trim()
  if (text === '') return []
  const parts = ts.trim() === '' ? text.replace(/\s*,\s*/g, cs === ',' ? ',' : '$&').split(/\s+/) : text.split(ts)
  return parts.filter(Boolean).map(tuple => tuple.trim().split(cs.trim() === '' ? /\s+/ : cs).map(number => Number(decimal === '.' ? number : number.replace(decimal, '.'))))
}
