/** A GeoJSON feature as a client sends it → an edit of the store. */
import { Type } from '@sinclair/typebox'
import { findCrs, CRS84, type Crs } from '../../core/crs.js'
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import type { Layer } from '../../layers/layer.js'
import { badBody, badParameter, Problem } from '../errors.js'
import { crssOf, storeProperties } from '../ogc/features/layers.js'
import type { Call } from '../operations/operation.js'
import type { FeatureEdit } from '../store/edits.js'
import { visibleColumns } from '../store/rights.js'
import type { Reader } from '../store/store.js'

const Geometry = Type.Union([Type.Null(), Type.Object({ type: Type.Optional(Type.String()) }, { additionalProperties: true })])
const members = {
  id: Type.Optional(Type.Union([Type.Integer(), Type.String()])),
  geometry: Geometry,
  properties: Type.Union([Type.Null(), Type.Object({}, { additionalProperties: true })]),
}

/** Other members, as GeoJSON allows them (`links`, `bbox`), are left aside. */
export const FeatureBody = Type.Object({ type: Type.Literal('Feature'), ...members }, { additionalProperties: true })
/** A merge patch: what is not named stays, null takes away. */
export const FeaturePatch = Type.Partial(FeatureBody, { additionalProperties: true })

export interface GivenFeature {
  readonly id?: number | string
  readonly geometry?: GeoJsonGeometry | null
  readonly properties?: Readonly<Record<string, unknown>> | null
}

/** `Content-Crs: <uri>`; without it coordinates are CRS84. */
export function contentCrs({ request }: Pick<Call, 'request'>, layer: Layer): Crs {
  const header = request.get('content-crs')
  return header === undefined ? CRS84 : bodyCrs(header.trim().replace(/^<(.*)>$/, '$1'), layer, name => badParameter('Content-Crs', name))
}

export function bodyCrs(name: string, layer: Layer, fault: (detail: string) => Problem): Crs {
  const found = findCrs(name)
  if (found) return found
  throw fault(`“${name.slice(0, 100)}” is not a CRS that this collection is served in. There are: ${crssOf(layer).map(({ uri }) => uri).join(', ')}.`)
}

/** All of a new feature. */
export function createdFeature(layer: Layer, reader: Reader, body: GivenFeature, crs: Crs): FeatureEdit {
  return featureEdit(layer, reader, body, crs)
}

/** All of a feature that the reader sees, anew: what is left out of it becomes empty; columns that the reader does not see stay. */
export function replacingFeature(layer: Layer, reader: Reader, body: GivenFeature, crs: Crs): FeatureEdit {
  const levels = layer.threeD ? { groundZ: null, height: null } : {}
  const edit = featureEdit(layer, reader, body, crs)
  const nothing = Object.fromEntries(visibleColumns(layer, reader.clearance).map(({ name }) => [name, null]))
  return { ...levels, ...edit, properties: { ...nothing, ...edit.properties } }
}

/** Only what the body names. A geometry without a type keeps the one that the collection is served with. */
export function patchedFeature(layer: Layer, reader: Reader, body: GivenFeature, crs: Crs): FeatureEdit {
  const { geometry } = body
  if (!geometry || geometry.type !== undefined) return featureEdit(layer, reader, body, crs)
  if (layer.geometry === 'any') throw badBody(`“${layer.id}” takes any geometry: say its type in “/geometry/type”.`, { pointer: '/geometry' })
  return featureEdit(layer, reader, { ...body, geometry: { ...(geometry as object), type: SERVED[layer.geometry] } }, crs)
}
const SERVED = { point: 'Point', line: 'MultiLineString', polygon: 'MultiPolygon' } as const

/** Store columns that are properties of a feature, by the member of an edit that sets them; the others only the store sets. */
const SETTABLE = { source: 'source', source_id: 'sourceId', ground_z: 'groundZ', height: 'height' } as const

function featureEdit(layer: Layer, reader: Reader, { geometry, properties }: GivenFeature, crs: Crs): FeatureEdit {
  const own: Record<string, unknown> = {}
  const edit: Record<string, unknown> = {}
  const stored = new Set(storeProperties(layer).map(({ name }) => name))
  const hidden = new Set(layer.columns.map(({ name }) => name))
  for (const { name } of visibleColumns(layer, reader.clearance)) hidden.delete(name)
  for (const [name, value] of Object.entries(properties ?? {})) {
    // Not told from a column that does not exist.
    if (hidden.has(name)) throw new Problem(422, 'invalid-feature', `/properties/${name}: “${layer.id}” has no property “${name}”.`, { faults: [{ path: `/properties/${name}`, detail: `“${layer.id}” has no property “${name}”.` }] })
    if (!stored.has(name)) own[name] = value
    else if (Object.hasOwn(SETTABLE, name)) edit[SETTABLE[name as keyof typeof SETTABLE]] = value
  }
  for (const name of ['source', 'sourceId']) if (typeof edit[name] !== 'string' && edit[name] !== undefined && edit[name] !== null) throw badBody(`“/properties/${name}” must be a text.`)
  return {
    ...edit, properties: own,
    ...(geometry !== undefined && { geometry: crs.axes === 'lat,lon' ? flipped(geometry) : geometry, srid: crs.srid }),
  }
}

function flipped(geometry: GeoJsonGeometry | null): GeoJsonGeometry | null {
  if (geometry === null) return null
  if (geometry.geometries) return { ...geometry, geometries: geometry.geometries.map(member => flipped(member)!) }
  return { ...geometry, coordinates: flipPositions(geometry.coordinates) }
}

function flipPositions(coordinates: unknown): unknown {
  if (!Array.isArray(coordinates)) return coordinates
  if (coordinates.some(Array.isArray)) return coordinates.map(flipPositions)
  const [a, b, ...rest] = coordinates
  return coordinates.length < 2 ? coordinates : [b, a, ...rest]
}
