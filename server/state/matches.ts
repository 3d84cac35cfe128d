/** Which features of a tile a filter finds. */
import { sql } from 'kysely'
import type { Filter } from '../../core/filter/ast.js'
import { filterToSql, ROWS } from '../store/filter-sql.js'
import type { Store } from '../store/store.js'
import type { RowsOfTile } from '../tiles3d/service.js'
import type { StateTable } from './arrow.js'

/** `matches` of each feature: true, false, or null where what the filter asks about is not known of it. */
export async function matchesTable(store: Store, { of, which }: RowsOfTile, where: Filter): Promise<StateTable> {
  const { layer, reader } = of
  const matches = filterToSql(where, layer, reader.clearance)
  const { rows } = await sql<{ id: number; matches: boolean | null }>`
    select f.id, ${matches} as matches from (select v.* from ${(await store.view(of)).as('v')} where ${which} and not st_isempty(v.geom)) as ${sql.ref(ROWS)}
    order by f.id`.execute(store.pool(reader.clearance))
  return {
    ids: rows.map(row => row.id),
    columns: [{ name: 'matches', type: 'boolean', values: rows.map(row => row.matches) }],
    about: { state: 'filter', null: 'not known: what the filter asks about is empty' },
  }
}
