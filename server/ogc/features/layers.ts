import { notFound } from '../../errors.js'
import { nearMisses } from '../../../core/text.js'
import { crsOfSrid, CRSS, type Crs } from '../../../core/crs.js'
import type { Column, Layer } from '../../../layers/layer.js'
import type { Call } from '../../operations/operation.js'
import { visibleColumns } from '../../store/rights.js'

/** The layers that this reader sees here; results of runs belong to scenarios, reports to the present city. */
export function layersOf(call: Pick<Call, 'app' | 'reader' | 'branch' | 'params'>): readonly Layer[] {
  return call.app.store.catalogue.for(call.reader).filter(({ kind }) => kind === 'city' || (kind === 'run' ? call.branch !== 'main' : call.branch === 'main' && call.params.asOf === undefined))
}

/** A layer by id. One that the reader may not see is as unknown as one that does not exist: 404. */
export function layerOf(call: Call, id: string = call.params.collectionId): Layer {
  const layers = call.app.store.catalogue.for(call.reader)
  const layer = layers.find((candidate) => candidate.id === id)
  if (layer) return layer
  const near = nearMisses(id, layers.map((candidate) => candidate.id))
  throw notFound(`There is no collection of features “${id.slice(0, 60)}”.${near.length > 0 ? ` Did you mean ${near.join(' or ')}?` : ''} GET ${call.base}/ogc/collections lists them.`)
}

/** Store columns that a feature shows beside its attributes. */
const PROVENANCE: readonly Column[] = [
  { name: 'source', type: 'text', title: { vi: 'Nguồn', en: 'Source' }, description: { vi: 'Nguồn dữ liệu của đối tượng.', en: 'Where the feature came from.' } },
  { name: 'source_id', type: 'text', title: { vi: 'Mã tại nguồn', en: 'Id at the source' } },
  { name: 'revision', type: 'integer', title: { vi: 'Phiên bản', en: 'Revision' }, description: { vi: 'Lần ghi đã tạo ra phiên bản này.', en: 'The write that made this version.' } },
  { name: 'valid_from', type: 'timestamp', title: { vi: 'Có hiệu lực từ', en: 'Current since' } },
]
const THREE_D: readonly Column[] = [
  { name: 'ground_z', type: 'number', unit: 'm', title: { vi: 'Cao độ mặt đất', en: 'Ground level' } },
  { name: 'height', type: 'number', unit: 'm', title: { vi: 'Chiều cao', en: 'Height' } },
]

/** Columns of the store that are properties of the layer's features. */
export function storeProperties(layer: Layer): readonly Column[] {
  return [...(layer.threeD ? THREE_D : []), ...(layer.kind !== 'run' ? PROVENANCE : [])]
}

/** All properties that the reader sees, in the order that tables show them. */
export function propertiesOf(layer: Layer, reader: Call['reader']): readonly Column[] {
  return [...visibleColumns(layer, reader.clearance), ...storeProperties(layer)]
}

/** CRSs that a collection is served in; the surveyed one first after CRS84. */
export function crssOf(layer: Layer): readonly Crs[] {
  const native = layer.surveyed && crsOfSrid(layer.surveyed.srid)
  return native && !CRSS.includes(native) ? [...CRSS, native] : CRSS
}

/** The CRS that coordinates are kept in as delivered. */
export function storageCrs(layer: Layer): Crs {
  return (layer.surveyed && crsOfSrid(layer.surveyed.srid)) ?? CRSS[0]!
}
