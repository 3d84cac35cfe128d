/** What a flood run did to the features of a tile. */
import { sql, type RawBuilder } from 'kysely'
import type { Layer } from '../../layers/layer.js'
import { SIMULATION_LABEL } from '../../simulation/manifest.js'
import { badParameter, notFound } from '../errors.js'
import { visibleColumns } from '../store/rights.js'
import type { Branch, Row, Store } from '../store/store.js'
import type { RowsOfTile } from '../tiles3d/service.js'
import type { StateColumn, StateTable } from './arrow.js'

/** Which results tell of which layer. Rows of results have the ids of the features they tell of. */
const RESULTS: Readonly<Record<string, string>> = {
  buildings: 'run_buildings', roads: 'run_roads', facilities: 'run_facilities', shelters: 'run_facilities', pumps: 'run_facilities',
}
/** What of them changes from run to run; `depth_max_m` is in all of them, and null where nothing was computed. */
const CHANGING = ['depth_max_m', 'depth_class', 'arrival_s', 'duration_s', 'depth_floor_m', 'damage', 'passable', 'closed_from_s', 'working']

export interface Run { readonly id: string; readonly scenario: Branch; readonly state: string; readonly results: Layer }

/** Throws a 404 Problem for a run that is not there, a 400 one for a layer that runs tell nothing of. */
export async function runOf(store: Store, layer: Layer, id: string, parameter: string): Promise<Run> {
  const results = store.catalogue.find(RESULTS[layer.id] ?? '')
  if (!results) throw badParameter(parameter, `A run tells nothing of “${layer.id}”. It does of: ${Object.keys(RESULTS).join(', ')}.`)
  const { rows } = await sql<{ scenario: Branch; state: string }>`
    select r.scenario::text as scenario, j.state from dothi.runs r join dothi.jobs j using (id) where r.id::text = ${id.toLowerCase()}`.execute(store.db)
  if (!rows[0]) throw notFound(`There is no run “${id.slice(0, 60)}”.`)
  return { id: id.toLowerCase(), results, ...rows[0] }
}

/**
 * Depths, times and damage of the run for each feature of the tile. A feature without a result was not computed: all null.
 * A depth of 0 was computed, and is dry. With `against`, `depth_diff_m` is how much deeper this run is than that one.
 */
export async function impactTable(store: Store, { of, which }: RowsOfTile, run: Run, against?: Run): Promise<StateTable> {
  const { reader } = of
  const columns = visibleColumns(run.results, reader.clearance).filter(({ name }) => CHANGING.includes(name))
  const resultsOf = ({ results, scenario, id }: Run) => store.view({ layer: results, branch: scenario, asOf: 'now', reader, run: id, columns: columns.map(({ name }) => name) })
  const features = await store.view({ ...of, columns: [] })
  const difference: RawBuilder<unknown> = against ? sql`, r.depth_max_m - a.depth_max_m as depth_diff_m` : sql``
  const other: RawBuilder<unknown> = against ? sql`left join (${await resultsOf(against)}) as a on a.id = v.id` : sql``
  const { rows } = await sql<Row>`
    select v.id ${sql.join([sql``, ...columns.map(({ name }) => sql.ref(`r.${name}`))])} ${difference}
    from ${features.as('v')} left join (${await resultsOf(run)}) as r on r.id = v.id ${other}
    where ${which} and not st_isempty(v.geom) order by v.id`.execute(store.pool(reader.clearance))
  const valuesOf = (name: string) => rows.map(row => row[name]) as never
  return {
    ids: rows.map(row => row.id as number),
    columns: [
      ...columns.map(({ name, type }): StateColumn => ({ name, type: type === 'boolean' ? 'boolean' : type === 'text' ? 'code' : 'float32', values: valuesOf(name) })),
      ...(against ? [{ name: 'depth_diff_m', type: 'float32', values: valuesOf('depth_diff_m') } as const] : []),
    ],
    about: {
      state: 'impact', run: run.id, ...(against && { compare: against.id }), label_vi: SIMULATION_LABEL.vi, label_en: SIMULATION_LABEL.en,
      null: 'depth_max_m null: not computed; 0: computed, and dry',
    },
  }
}
