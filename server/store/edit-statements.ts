/** Plans → SQL. Every statement takes its rows as JSON, the revision and the branch, so that one call can run many. */
import { sql, type Transaction } from 'kysely'
import type { Layer } from '../../layers/layer.js'
import type { Database } from './database.js'
import { groupBy, type Plan } from './edit-plan.js'
import type { Branch } from './store.js'
import { storeColumnNames } from './tables.js'

/** `$1` are its rows, `$2` the revision, `$3` the branch. `rows` is JSON text. */
export interface Statement { readonly text: string; readonly rows: string }

/** One statement a layer, a kind of change and a set of columns. Identifiers come from the catalogue. */
export function statementsOf(plans: readonly Plan[], branch: Branch): Statement[] {
  return [...groupBy(plans, plan => plan.layer)].flatMap(([layer, own]) => layerStatements(layer, branch, own))
}

/** Runs them in one call. */
export async function runStatements(tx: Transaction<Database>, statements: readonly Statement[], revision: number, branch: Branch): Promise<void> {
  if (statements.length === 0) return
  await sql`select dothi.run_statements(${statements.map(({ text }) => text)}::text[], ${statements.map(({ rows }) => rows)}::json[], ${revision}::int8, ${branch}::text)`.execute(tx)
}

function layerStatements(layer: Layer, branch: Branch, plans: readonly Plan[]): Statement[] {
  const of = (kind: Plan['kind']) => plans.filter(plan => plan.kind === kind)
  const columnsOf = ({ values }: Plan) => Object.keys(values).sort().join()
  const removals = of('delete').map(plan => (branch === 'main' ? plan : { ...plan, values: { deleted: true } }))
  const changes = branch === 'main'
    ? [...removals.length ? [deleteRows(layer, removals)] : [], ...[...groupBy(of('update'), columnsOf).values()].map(same => updateRows(layer, same))]
    : [...groupBy([...removals, ...of('update')], plan => `${plan.overlay} ${columnsOf(plan)}`).values()].flatMap(same => overlayRows(layer, same))
  return [...changes, ...[...groupBy(of('insert'), plan => `${plan.objectid === undefined} ${columnsOf(plan)}`).values()].flatMap(same => insertRows(layer, branch, same))]
}

/** Rows of the table's own type from JSON, which carries every type exactly: geometry as hex EWKB, numbers by their shortest text. */
const records = (table: string) => `json_populate_recordset(null::${table}, $1)`
const statement = (text: string, plans: readonly Plan[]): Statement =>
  ({ text, rows: JSON.stringify(plans.map(({ id, objectid, seen, values }) => ({ id, objectid, revision: seen, ...values }))) })

function deleteRows(layer: Layer, plans: readonly Plan[]): Statement {
  const table = tableOf(layer, 'main')
  return statement(`delete from ${table} as t using ${records(table)} as r where t.id = r.id`, plans)
}

function updateRows(layer: Layer, plans: readonly Plan[]): Statement {
  const table = tableOf(layer, 'main')
  const sets = Object.keys(plans[0]!.values).map(name => `${quote(name)} = r.${quote(name)}`)
  return statement(`update ${table} as t set ${sets.join(', ')} from ${records(table)} as r where t.id = r.id`, plans)
}

function insertRows(layer: Layer, branch: Branch, plans: readonly Plan[]): Statement[] {
  const [table, main] = [tableOf(layer, branch), tableOf(layer, 'main')]
  const sequence = `pg_get_serial_sequence('${main}', 'objectid')`
  const next = `nextval(${sequence})::int`
  const keepsObjectId = plans[0]!.objectid !== undefined
  const columns = Object.keys(plans[0]!.values).map(quote)
  const made = [
    ['id', 'r.id'], ...(branch === 'main' ? [] : [['branch', '$3::uuid']]),
    ['objectid', keepsObjectId ? `case when exists (select from ${main} as c where c.objectid = r.objectid) then ${next} else r.objectid end` : next],
  ]
  return [
    statement(`insert into ${table} (${[...made.map(([name]) => name), ...columns].join(', ')})
      select ${[...made.map(([, value]) => value), ...columns.map(name => `r.${name}`)].join(', ')} from ${records(table)} as r`, plans),
    ...(keepsObjectId ? [statement(`select setval(${sequence}, n) from (select max(objectid) as n from ${records(table)}) as most
      where n > coalesce(pg_sequence_last_value(${sequence}::regclass), 0)`, plans)] : []),
    // An id of this very instance that came from elsewhere (a copy of its feed) must not be given out again.
    ...(plans.some(({ imported }) => imported) ? [statement(`select setval('dothi.feature_number', n) from (
        select max(id & ((1::int8 << 40) - 1)) as n from ${records(table)} where id >> 40 = (select number from dothi.instance)) as own
      where n > (select last_value from dothi.feature_number)`, plans)] : []),
  ]
}

/** New copies of rows that a branch sees, changed: from its own overlays, which retire, or from main. */
function overlayRows(layer: Layer, plans: readonly Plan[]): Statement[] {
  const table = tableOf(layer, 'branch')
  const { overlay, values } = plans[0]!
  const mine = `from ${records(table)} as r where t.branch = $3::uuid and t.id = r.id`
  const from = overlay
    ? `${table} as f on f.branch = $3::uuid and f.id = r.id and f.revision = r.revision and f.retired_revision = $2`
    : `${tableOf(layer, 'main')} as f on f.id = r.id`
  const names = [...copied(layer), ...('deleted' in values ? ['deleted'] : [])]
  const row = names.map(name => `${name in values ? 'r' : 'f'}.${quote(name)}`)
  const copy = statement(`insert into ${table} (branch, ${names.map(quote).join(', ')}) select $3::uuid, ${row.join(', ')} from ${records(table)} as r join ${from}`, plans)
  return overlay ? [
    statement(`update ${table} as t set retired_revision = $2 ${mine} and t.retired_revision is null`, plans),
    copy,
    // What this very revision made and replaced was never seen by anybody.
    statement(`delete from ${table} as t using ${records(table)} as r where t.branch = $3::uuid and t.id = r.id and r.revision = $2 and t.revision = $2 and t.retired_revision = $2`, plans),
  ] : [copy]
}

/** Columns that a copy of a row takes over; the rest the table makes itself. */
function copied(layer: Layer): readonly string[] {
  const made = new Set(['revision', 'valid_from', 'geom_3857', 'cell'])
  return [...storeColumnNames(layer).filter(name => !made.has(name)), ...layer.columns.map(({ name }) => name)]
}

const quote = (name: string) => `"${name}"`
const tableOf = (layer: Layer, branch: Branch) => `${branch === 'main' ? 'city' : 'branch'}.${quote(layer.id)}`
