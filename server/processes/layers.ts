/** The input `layers` of several processes. */
import { Type } from '@sinclair/typebox'
import { nearMisses } from '../../core/text.js'
import type { Layer } from '../../layers/layer.js'
import { badBody } from '../errors.js'
import type { Reader, Store } from '../store/store.js'

export const LayersSchema = Type.Array(Type.String({ maxLength: 60 }), { minItems: 1, maxItems: 50, examples: [['buildings']] })

/** Each named layer that the reader sees. Throws Problems that point at the one that is not there. */
export function layersOf(store: Store, reader: Reader, ids: readonly string[]): readonly Layer[] {
  const all = store.catalogue.for(reader)
  return [...new Set(ids)].map((id, i) => {
    const layer = all.find(candidate => candidate.id === id)
    if (layer) return layer
    const near = nearMisses(id, all.map(candidate => candidate.id))
    throw badBody(`There is no layer “${id.slice(0, 60)}”.${near.length ? ` Did you mean ${near.join(' or ')}?` : ''} GET /ogc/collections lists them.`, { pointer: `/inputs/layers/${i}` })
  })
}
