/** What of a tile is otherwise in a scenario, or was at another time. */
import { sql, type RawBuilder } from 'kysely'
import type { Column } from '../../layers/layer.js'
import { parseAsOf } from '../ogc/common/time.js'
import { visibleColumns } from '../store/rights.js'
import type { AsOf, Branch, Row, Store } from '../store/store.js'
import type { RowsOfTile } from '../tiles3d/service.js'
import type { StateTable } from './arrow.js'

/** The state of the city that a tile is compared with. */
export interface Other { readonly branch: Branch; readonly asOf: AsOf }

const UUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i

/** `main` or a scenario's id: the same instant there; an instant or a revision: the same branch then. */
export function otherOf(text: string, { branch, asOf }: Other): Other {
  if (text === 'main' || UUID.test(text)) return { branch: text.toLowerCase(), asOf }
  return { branch, asOf: parseAsOf(text) }
}

/**
 * `change` of each feature of the tile: `same`, `changed` or `removed` there, by all that the reader sees of it;
 * `height_diff_m` is how much higher it is there. Features that are only there belong to no tile here; they are no rows.
 */
export async function differenceTable(store: Store, { of, which }: RowsOfTile, other: Other): Promise<StateTable> {
  const { layer, reader } = of
  const columns = visibleColumns(layer, reader.clearance)
  const [here, there] = await Promise.all([store.view({ ...of }), store.view({ layer, reader, ...other })])
  const { rows } = await sql<Row>`
    select v.id,
      case when o.id is null then 'removed' when ${differs(columns, layer.threeD !== undefined)} then 'changed' else 'same' end as change,
      ${layer.threeD ? sql`o.height - v.height` : sql`null::float8`} as height_diff_m
    from ${here.as('v')} left join (${there}) as o on o.id = v.id
    where ${which} and not st_isempty(v.geom) order by v.id`.execute(store.pool(reader.clearance))
  return {
    ids: rows.map(row => row.id as number),
    columns: [
      { name: 'change', type: 'code', values: rows.map(row => row.change as string) },
      ...(layer.threeD ? [{ name: 'height_diff_m', type: 'float32', values: rows.map(row => row.height_diff_m as number | null) } as const] : []),
    ],
    about: { state: 'difference', branch: other.branch, asOf: String(other.asOf instanceof Date ? other.asOf.toISOString() : other.asOf) },
  }
}

/** One version is equal to itself; two may be equal too, where an edit was taken back. */
function differs(columns: readonly Column[], isThreeD: boolean): RawBuilder<unknown> {
  const values = (alias: string) => sql.join([
    sql`st_asbinary(${sql.ref(`${alias}.geom`)})`,
    ...(isThreeD ? [sql`st_asbinary(${sql.ref(`${alias}.solid`)})`, sql.ref(`${alias}.height`), sql.ref(`${alias}.ground_z`)] : []),
    // json has no equality of its own.
    ...columns.map(({ name, type }) => (type === 'json' ? sql`${sql.ref(`${alias}.${name}`)}::text` : sql.ref(`${alias}.${name}`))),
  ])
  return sql`v.revision <> o.revision and row(${values('v')}) is distinct from row(${values('o')})`
}
