import type { Layer } from '../../../layers/layer.js'
import type { QualityRule } from '../rule.js'
import { landRules } from './land.js'
import { layerRules } from './layer-rules.js'
import { networkRules } from './networks.js'
import { planningRules } from './planning.js'
import { roadRules } from './roads.js'
import { serviceRules } from './services.js'

const CROSS_LAYER: readonly QualityRule[] = [...landRules, ...planningRules, ...roadRules, ...networkRules, ...serviceRules]

/** Every rule that the layers of a catalogue are held to: their own, and those between layers that are all there. */
export function rulesOf(layers: readonly Layer[]): readonly QualityRule[] {
  const ids = new Map(layers.map(layer => [layer.id, layer]))
  const columnsThere = (rule: QualityRule) => Object.entries(rule.columns).every(([id, names]) => names.every(name => ids.get(id)?.columns.some(column => column.name === name)))
  return [...layers.flatMap(layer => layerRules(layer, layers)), ...CROSS_LAYER.filter(rule => rule.layers.every(id => ids.get(id)?.kind === 'city') && columnsThere(rule))]
}
