/** How good the data is, in numbers. */
import { sql } from 'kysely'
import type { Classification, Localized } from '../../layers/layer.js'
import { CLASSES, classOf } from '../store/rights.js'
import type { Reader, Row, Store } from '../store/store.js'
import { rulesFor } from './check.js'
import { REPORT } from './reconcile.js'
import { classOfRule, type QualityRule } from './rule.js'

export interface Count { readonly open: number; readonly waived: number }
export interface Summary {
  /** The revision that the report is true for; null before the first check. */
  readonly revision: number | null
  readonly checked: Date | null
  /** When every rule last looked at everything. */
  readonly complete: Date | null
  /** Revisions since then that the background check has not come to yet. */
  readonly behind: number
  readonly total: Count & { readonly errors: number; readonly warnings: number }
  readonly rules: readonly (Count & { readonly rule: string; readonly severity: string; readonly title: Localized })[]
  readonly layers: readonly (Count & { readonly layer: string; readonly errors: number })[]
  readonly wards: readonly (Count & { readonly ward: string | null; readonly errors: number })[]
}

interface Group { readonly rule: string; readonly severity: string; readonly layer: string; readonly ward: string | null; readonly state: 'open' | 'waived'; readonly n: number }

/** Counts by rule, layer and ward, of the findings that the reader may see. */
export async function summary(store: Store, reader: Reader): Promise<Summary> {
  const view = await store.view({ layer: store.catalogue.get(REPORT), branch: 'main', asOf: 'now', reader, columns: ['rule', 'severity', 'layer', 'ward_code', 'state'] })
  const { rows: groups } = await sql<Group>`select rule, severity, layer, ward_code as ward, state, count(*) as n from ${view} as v group by 1, 2, 3, 4, 5`.execute(store.pool(reader.clearance))
  const { rows: [state] } = await sql<{ revision: number | null; checked: Date | null; complete: Date | null; latest: number }>`
    select s.revision, s.checked, s.complete, (select coalesce(max(revision), 0) from dothi.revisions) as latest from (select 1) as one left join dothi.quality_state as s on true`.execute(store.db)
  const titles = new Map(rulesFor(store, reader).map(rule => [rule.id, rule.title]))
  const tally = (key: (group: Group) => string | null) => {
    const counts = new Map<string | null, { open: number; waived: number; errors: number; severity: string }>()
    for (const group of groups) {
      const of = counts.get(key(group)) ?? { open: 0, waived: 0, errors: 0, severity: group.severity }
      of[group.state] += group.n
      if (group.severity === 'error' && group.state === 'open') of.errors += group.n
      counts.set(key(group), of)
    }
    return [...counts].sort(([a, x], [b, y]) => y.open - x.open || String(a).localeCompare(String(b)))
  }
  const all = tally(() => '')[0]?.[1] ?? { open: 0, waived: 0, errors: 0 }
  return {
    revision: state!.revision, checked: state!.checked, complete: state!.complete, behind: state!.revision === null ? state!.latest : state!.latest - state!.revision,
    total: { open: all.open, waived: all.waived, errors: all.errors, warnings: all.open - all.errors },
    rules: tally(group => group.rule).map(([rule, { open, waived, severity }]) => ({ rule: rule!, severity, title: titles.get(rule!) ?? { vi: rule!, en: rule! }, open, waived })),
    layers: tally(group => group.layer).map(([layer, { open, waived, errors }]) => ({ layer: layer!, open, waived, errors })),
    wards: tally(group => group.ward).map(([ward, { open, waived, errors }]) => ({ ward, open, waived, errors })),
  }
}

/** A rule as people read it. */
export function ruleInfo(store: Store, rule: QualityRule) {
  const { id, layers, severity, title, description, suggestion, source, unit, needs } = rule
  const classification: Classification = classOfRule(rule, layer => store.catalogue.find(layer), (layer, name) => {
    const column = layer.columns.find(one => one.name === name)
    return column ? classOf(layer, column) : layer.classification
  }, CLASSES)
  return { id, layers: [...new Set(layers)], severity, title, description, suggestion, source: source ?? null, unit: unit ?? null, needs: needs ?? [], classification }
}

export interface Finding {
  readonly id: number; readonly rule: string; readonly severity: 'error' | 'warning'; readonly layer: string; readonly feature_id: number; readonly other_layer: string | null; readonly other_id: number | null
  readonly message_vi: string; readonly message_en: string; readonly suggestion_vi: string; readonly suggestion_en: string; readonly value: number | null; readonly threshold: number | null; readonly unit: string | null
  readonly state: 'open' | 'waived'; readonly ward_code: string | null; readonly first_seen: number; readonly last_seen: number; readonly lon: number | null; readonly lat: number | null; readonly geometry: unknown
}

export interface FindingFilter { readonly layers?: readonly string[]; readonly rules?: readonly string[]; readonly bbox?: readonly [number, number, number, number]; readonly state?: 'open' | 'waived'; readonly limit: number }

/** Findings for the command line, errors first. */
export async function findings(store: Store, reader: Reader, { layers, rules, bbox, state, limit }: FindingFilter): Promise<readonly Finding[]> {
  const view = await store.view({ layer: store.catalogue.get(REPORT), branch: 'main', asOf: 'now', reader, ...(bbox && { bbox: { box: bbox, srid: 4326 } }) })
  const { rows } = await sql<Row>`
    select v.*, st_x(p.at) as lon, st_y(p.at) as lat, st_asgeojson(v.geom, 7)::jsonb as geometry from ${view} as v cross join lateral (select st_pointonsurface(v.geom) as at) as p
    where (${layers ?? null}::text[] is null or v.layer = any(${layers ?? null}::text[])) and (${state ?? null}::text is null or v.state = ${state ?? null})
      and (${rules ?? null}::text[] is null or v.rule = any(${rules ?? null}::text[]) or substr(v.rule, strpos(v.rule, '.') + 1) = any(${rules ?? null}::text[]))
    order by v.severity, v.rule, v.id limit ${limit}`.execute(store.pool(reader.clearance))
  return rows as unknown as readonly Finding[]
}
