/**
 * How buildings look beyond plain plaster: one question about all of them at a time, and colours for the answers.
 * A filter goes before a comparison, a comparison before the impacts of a run.
 */
import { printCql2Json } from '../../core/filter/cql2-json.js'
import { DEPTH_STEPS } from '../../layers/depth.js'
import type { Look, StateStyle } from '../tiles/buildings.js'
import type { App } from './app.js'
import { source } from './source.js'

export const MATCHED = '#0e6e73'
/** Grey: neither dry nor flooded is known, neither found nor not. */
export const UNKNOWN = '#8d8c88'
export const CHANGED = '#c7791a'
export const REMOVED = '#b3262e'

/** Strength from which a building is wholly in its colour; see building-material.ts. */
const WHOLE = 0.85

export function showBuildingStyle(app: App): void {
  app.scene?.buildings.show(source().server ? styleOf(app) : null)
}

function styleOf({ store: { state }, runs }: App): StateStyle | null {
  const { filter, compare, panel } = state
  if (filter?.layer === 'buildings') return { query: filterQuery(filter.where), column: 'matches', look: matchLook, fades: true }
  if (compare) return { query: `compare=${compare}`, column: 'change', look: differenceLook, fades: true }
  if (runs.manifest?.complete && runs.colourBuildings && panel === 'simulate') return { query: impactQuery(runs.manifest.id), column: 'depth_max_m', look: impactLook, fades: false }
  return null
}

export const impactQuery = (run: string) => `run=${run}`
const filterQuery = (where: Parameters<typeof printCql2Json>[0]) => `filter-lang=cql2-json&filter=${encodeURIComponent(JSON.stringify(printCql2Json(where)))}`

const matchLook: Look = (matches) => (matches === null ? [UNKNOWN, 0.35] : matches ? [MATCHED, WHOLE] : null)

const differenceLook: Look = (change) => (change === 'changed' ? [CHANGED, WHOLE] : change === 'removed' ? [REMOVED, WHOLE] : null)

/** What was not computed is never drawn as dry. */
export const impactLook: Look = (depth) => {
  if (typeof depth !== 'number') return [UNKNOWN, 0.55]
  const step = DEPTH_STEPS.findLast(([from]) => depth >= from)
  return step ? [step[2], 0.8] : null
}
