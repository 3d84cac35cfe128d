/**
 * A rule of data quality is a value: what it is called, what it looks at, and a statement that finds where it is broken.
 * Set-based: one statement looks at all features, or at those of a scope, through the one door's views.
 */
import type { RawBuilder } from 'kysely'
import type { Classification, Layer, Localized, Rule as LayerRule } from '../../layers/layer.js'

export interface QualityRule {
  /** Unique; `layer.rule` where it is about one layer alone. */
  readonly id: string
  /** The layer whose features are at fault first, then those it is held against. */
  readonly layers: readonly [string, ...string[]]
  readonly severity: 'error' | 'warning'
  readonly title: Localized
  readonly description: Localized
  readonly suggestion: Localized
  /** Template of a finding's message: `{value}` `{threshold}` `{detail}`; default the title. */
  readonly message?: Localized
  /** Where the rule or its threshold comes from. */
  readonly source?: string
  readonly unit?: string
  /** Columns that the statement reads, by layer: a finding is as closed as the most closed of them. */
  readonly columns: Readonly<Record<string, readonly string[]>>
  /** Layers without which the rule says nothing: a city without parcels has no building outside of one. */
  readonly needs?: readonly string[]
  /** Which features of the first layer to look at again when a feature of this layer changed, besides those that changed themselves. */
  readonly neighbours?: readonly Neighbour[]
  /** Looks at a network as a whole, so that a change anywhere means all of it. */
  readonly whole?: boolean
  /** Finds pairs of one layer, from whichever of the two it looks at. */
  readonly pairs?: boolean
  /** What it finds depends on the day. */
  readonly daily?: boolean
  readonly find: Find
}

/**
 * `statement` yields rows of `feature_id int8, other_layer text, other_id int8, part text, geom geometry(4326), value float8, threshold float8, detail text`:
 * `part` tells several faults of one feature apart.
 * With `links`, which yields pairs `a, b` of ids that belong together, it may join the temporary table `component (id, component)`:
 * what hangs together, each group named by its smallest id.
 * `holds` is asked row by row, about the first layer's columns that the rule names.
 */
export type Find =
  | { readonly statement: (look: Look) => RawBuilder<unknown>; readonly links?: (look: Look) => RawBuilder<unknown> }
  | { readonly holds: LayerRule['holds'] }

export type Neighbour =
  /** Features of the first layer within so many metres of where the changed one is or was. */
  | { readonly layer: string; readonly withinM: number }
  /** Features `s` of the first layer that the changed one, `o`, before or after, matches. */
  | { readonly layer: string; readonly on: RawBuilder<unknown> }

/** What a statement is made from. */
export interface Look {
  /** `city.srid`, in metres. */
  readonly srid: number
  /** The rows of a layer, with the columns that the rule names: a sub-select in parentheses, to be given an alias. */
  rows(layer: string): RawBuilder<unknown>
  /** `and s.id in (…)` where only some features are looked at; empty otherwise. */
  scope(alias: string): RawBuilder<unknown>
  /** No scope: the whole layer is looked at. */
  readonly everything: boolean
  /** Geometry of an alias in the city's CRS. */
  metres(layer: string, alias: string): RawBuilder<unknown>
  layer(id: string): Layer
}

/** Class of a rule's findings: the most closed of its layers and columns. */
export function classOfRule(rule: QualityRule, layerOf: (id: string) => Layer | undefined, classOf: (layer: Layer, column: string) => Classification, classes: readonly Classification[]): Classification {
  let level = 0
  for (const id of rule.layers) {
    const layer = layerOf(id)
    if (!layer) continue
    level = Math.max(level, classes.indexOf(layer.classification), ...(rule.columns[id] ?? []).map(column => classes.indexOf(classOf(layer, column))))
  }
  return classes[level]!
}
