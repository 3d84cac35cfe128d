/** A layer of ours as layers of a FeatureServer: each of those has one kind of geometry. */
import type { Layer } from '../../layers/layer.js'
import { notFound } from '../errors.js'
import type { Call } from '../operations/operation.js'
import { layerOf } from '../ogc/features/layers.js'

export type EsriGeometryType = 'esriGeometryPoint' | 'esriGeometryMultipoint' | 'esriGeometryPolyline' | 'esriGeometryPolygon'

export interface EsriLayer {
  readonly layer: Layer
  /** Its number within the service. */
  readonly id: number
  readonly type: EsriGeometryType
  /** Of a layer that takes any geometry: the PostGIS types that belong here. */
  readonly only?: readonly string[]
}

const TYPES = { point: 'esriGeometryPoint', line: 'esriGeometryPolyline', polygon: 'esriGeometryPolygon' } as const
const ANY: readonly (readonly [EsriGeometryType, readonly string[]])[] = [
  ['esriGeometryPoint', ['ST_Point']], ['esriGeometryPolyline', ['ST_LineString', 'ST_MultiLineString']],
  ['esriGeometryPolygon', ['ST_Polygon', 'ST_MultiPolygon']], ['esriGeometryMultipoint', ['ST_MultiPoint']],
]

/** The layers of a layer's service. */
export function esriLayers(layer: Layer): readonly EsriLayer[] {
  if (layer.geometry !== 'any') return [{ layer, id: 0, type: TYPES[layer.geometry] }]
  return ANY.map(([type, only], id) => ({ layer, id, type, only }))
}

const KINDS: Readonly<Record<EsriGeometryType, { readonly vi: string; readonly en: string }>> = {
  esriGeometryPoint: { vi: 'điểm', en: 'points' }, esriGeometryPolyline: { vi: 'đường', en: 'lines' },
  esriGeometryPolygon: { vi: 'vùng', en: 'areas' }, esriGeometryMultipoint: { vi: 'nhóm điểm', en: 'groups of points' },
}

export function nameOf({ layer, type, only }: EsriLayer, lang: 'vi' | 'en'): string {
  return only ? `${layer.title[lang]} (${KINDS[type][lang]})` : layer.title[lang]
}

/** The layer that a request's path names. Throws a 404 Problem. */
export function esriLayerOf(call: Call): EsriLayer {
  const layers = esriLayers(layerOf(call, call.params.service))
  const found = layers[call.params.layerId as number]
  if (!found) throw notFound(`The service “${call.params.service}” has no layer ${call.params.layerId}; it has ${layers.map(({ id }) => id).join(', ')}.`)
  return found
}
