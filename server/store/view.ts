/**
 * The one door: “the rows of layer L, on branch B, as of T, for reader R” as a query.
 *
 *   main, now      city.L
 *   main, r        city.L where revision ≤ r  ∪  history.L where revision ≤ r < retired_revision
 *   branch         (main without what the branch overlays)  ∪  the branch's own rows
 *   run layer      runs.L of one run
 *   report         report_open.L  ∪  report_internal.L  ∪  report_restricted.L, as far as the clearance covers
 *
 * Predicates go into every part, so that each uses its own index.
 */
import { sql, type Expression, type Kysely, type RawBuilder, type SelectQueryBuilder, type SqlBool } from 'kysely'
import type { Layer } from '../../layers/layer.js'
import { badParameter, notFound, type Problem } from '../errors.js'
import type { Database } from './database.js'
import { boxSql, filterToSql, ROWS, unknownProperty } from './filter-sql.js'
import { noteRead } from './access-log.js'
import { CLASSES, covers, visibleColumns } from './rights.js'
import type { AsOf, Branch, Reader, Row, View, ViewArgs } from './store.js'
import { reportSchema, storeColumnNames } from './tables.js'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

export interface Door {
  readonly pool: (clearance: Reader['clearance']) => Kysely<Database>
  /** The owner's pool, for what the reading roles do not see: which run is the latest. */
  readonly db: Kysely<Database>
  /** The 404 for a collection that is not there, or not for this reader. */
  readonly unknown: (layer: string) => Problem
}

/** Builds the query. Throws 404 for a layer, branch or run that is not there for the reader, 400 for a bad column, filter or instant. */
export async function view(door: Door, args: ViewArgs): Promise<View> {
  const { layer, reader } = args
  if (!covers(reader.clearance, layer.classification)) throw door.unknown(layer.id)
  const pool = door.pool(reader.clearance)
  const columns = wantedColumns(args)
  const conditions = conditionsOf(args)
  await noteRead(door.db, args, columns)
  if (args.branch !== 'main') await checkBranch(pool, args.branch)
  if (layer.kind === 'run') return runView(pool, layer, columns, conditions, await runOf(door.db, args))
  if (layer.kind === 'report' && args.asOf !== 'now') throw badParameter('asOf', `“${layer.id}” tells what checks find now; it has no past. Leave asOf away.`)
  const asOf = await revisionAsOf(pool, args.asOf)
  const parts = layer.kind === 'report' ? reportParts(args) : partsOf(layer, args.branch, asOf)
  const queries = parts.map(part => partQuery(pool, part, columns, conditions))
  if (queries.length === 1) return queries[0]!
  return pool.selectFrom(queries.slice(1).reduce((all, next) => all.unionAll(next), queries[0]!).as(ROWS))
    .select(columns.map(name => `${ROWS}.${name}`)) as unknown as View
}

/** Store columns first, then the attributes asked for. */
function wantedColumns({ layer, reader, columns }: ViewArgs): readonly string[] {
  const visible = visibleColumns(layer, reader.clearance).map(column => column.name)
  const store = storeColumnNames(layer)
  if (!columns) return [...store, ...visible]
  const known = new Set([...store, ...visible])
  for (const name of columns) if (!known.has(name)) throw unknownProperty(name, visible, 'properties')
  return [...store, ...visible.filter(name => columns.includes(name))]
}

function conditionsOf({ layer, reader, where, bbox }: ViewArgs): readonly Expression<SqlBool>[] {
  return [
    ...(bbox ? [boxSql(bbox.srid === 3857 ? 'geom_3857' : 'geom', bbox.box, bbox.srid, bbox.exact)] : []),
    ...(where ? [filterToSql(where, layer, reader.clearance)] : []),
  ]
}

/** One table's share of a view: where it comes from, and which of its rows count. */
interface Part { readonly table: string; readonly only: readonly RawBuilder<SqlBool>[] }

function partsOf(layer: Layer, branch: Branch, asOf: number | null): readonly Part[] {
  const at = asOf === null ? [] : [sql<SqlBool>`f.revision <= ${asOf}::int8`]
  const main: Part[] = [{ table: `city.${layer.id}`, only: at }]
  if (asOf !== null) main.push({ table: `history.${layer.id}`, only: [...at, sql<SqlBool>`f.retired_revision > ${asOf}::int8`] })
  if (branch === 'main') return main
  const holds = (alias: string) => asOf === null
    ? sql<SqlBool>`${sql.ref(`${alias}.retired_revision`)} is null`
    : sql<SqlBool>`${sql.ref(`${alias}.revision`)} <= ${asOf}::int8 and (${sql.ref(`${alias}.retired_revision`)} is null or ${sql.ref(`${alias}.retired_revision`)} > ${asOf}::int8)`
  const untouched = sql<SqlBool>`not exists (select from ${sql.table(`branch.${layer.id}`)} as o where o.branch = ${branch}::uuid and o.id = f.id and ${holds('o')})`
  return [
    ...main.map(part => ({ ...part, only: [...part.only, untouched] })),
    { table: `branch.${layer.id}`, only: [sql<SqlBool>`f.branch = ${branch}::uuid`, holds('f'), sql<SqlBool>`not f.deleted`] },
  ]
}

/** Reports are about the present city, so a branch has none. */
function reportParts({ layer, branch, reader }: ViewArgs): readonly Part[] {
  const only = branch === 'main' ? [] : [sql<SqlBool>`false`]
  return CLASSES.filter(rows => covers(reader.clearance, rows)).map(rows => ({ table: `${reportSchema(rows)}.${layer.id}`, only }))
}

function partQuery(pool: Kysely<Database>, { table, only }: Part, columns: readonly string[], conditions: readonly Expression<SqlBool>[]): View {
  let query = pool.selectFrom(`${table} as ${ROWS}`).select(columns.map(name => `${ROWS}.${name}`)) as unknown as SelectQueryBuilder<Database, never, Row>
  for (const condition of [...only, ...conditions]) query = query.where(condition)
  return query
}

/** Rows of one run. They were never edited: revision 0, no source. */
function runView(pool: Kysely<Database>, layer: Layer, columns: readonly string[], conditions: readonly Expression<SqlBool>[], run: string | null): View {
  const query = partQuery(pool, { table: `runs.${layer.id}`, only: [run ? sql<SqlBool>`f.run = ${run}::uuid` : sql<SqlBool>`false`] }, columns, conditions)
  return query.select([
    sql<number>`0::int8`.as('revision'), sql<null>`null::timestamptz`.as('valid_from'),
    sql<null>`null::text`.as('source'), sql<null>`null::text`.as('source_id'),
  ]) as unknown as View
}

/** The run asked for, or the latest successful one of the branch; null where there is none yet. */
async function runOf(db: Kysely<Database>, { run, branch }: ViewArgs): Promise<string | null> {
  if (run !== undefined) {
    const found = UUID.test(run) && (await sql`select from dothi.jobs where id = ${run}::uuid and kind = 'flood' and branch = ${branch}`.execute(db)).rows.length > 0
    if (!found) throw notFound(`There is no run “${run.slice(0, 60)}” of this scenario.`)
    return run
  }
  const { rows } = await sql<{ id: string }>`
    select id from dothi.jobs where kind = 'flood' and branch = ${branch} and state = 'successful' order by finished desc limit 1`.execute(db)
  return rows[0]?.id ?? null
}

async function checkBranch(db: Kysely<Database>, branch: string): Promise<void> {
  const found = UUID.test(branch) && (await sql`select from dothi.branches where id = ${branch}::uuid and removed is null`.execute(db)).rows.length > 0
  if (!found) throw notFound(`There is no scenario “${branch.slice(0, 60)}”.`)
}

/** The revision that was current as of then; null means now. Throws a 400 Problem for one that does not exist yet. */
export async function revisionAsOf(db: Kysely<Database>, asOf: AsOf): Promise<number | null> {
  if (asOf === 'now') return null
  if (asOf instanceof Date) {
    if (Number.isNaN(asOf.getTime())) throw badParameter('asOf', 'asOf is not an instant; write it as 2025-07-01T00:00:00Z, or give a revision number.')
    const { rows } = await sql<{ revision: number }>`select coalesce((select revision from dothi.revisions where at <= ${asOf} order by at desc, revision desc limit 1), 0) as revision`.execute(db)
    return rows[0]!.revision
  }
  const { rows } = await sql<{ latest: number }>`select coalesce(max(revision), 0) as latest from dothi.revisions`.execute(db)
  const { latest } = rows[0]!
  if (!Number.isSafeInteger(asOf) || asOf < 0 || asOf > latest) throw badParameter('asOf', `Revision ${asOf} does not exist; the latest is ${latest}.`)
  return asOf
}
