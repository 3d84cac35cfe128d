/** What changed in the city since a revision, and which features of a rule that reaches. */
import { sql, type Kysely } from 'kysely'
import type { Database } from '../store/database.js'
import type { Store } from '../store/store.js'
import type { Look, QualityRule } from './rule.js'

export interface Touched {
  readonly count: number
  /** Layers with changes. */
  readonly layers: ReadonlySet<string>
  /** Which of a rule's features to look at: those in reach of a change, all, or none. */
  reach(rule: QualityRule, whole: boolean, newDay: boolean): 'none' | 'some' | 'all'
}

interface Change { readonly layer: string; readonly rows: number; readonly boxes: (readonly number[])[] | null; readonly count: number; readonly added: number }

/**
 * Fills the temporary table `touched (layer, id, geom)` with the changed features, where they are and where they were.
 * A layer with more than `most` changes is not listed but looked at whole.
 */
export async function findTouched(db: Kysely<Database>, store: Store, since: number, most: number): Promise<Touched> {
  const { rows: changes } = await sql<Change>`
    select c.layer, sum(c.inserted + c.updated + c.deleted) as rows, sum(c.inserted - c.deleted) as added, coalesce(max(s.count), 0) as count,
      case when bool_or(c.bbox is null) or count(*) > 500 then null else jsonb_agg(to_jsonb(c.bbox)) end as boxes
    from dothi.changes as c left join dothi.layer_summaries as s on s.layer = c.layer and s.branch = 'main'
    where c.revision > ${since}::int8 and c.branch = 'main' group by c.layer`.execute(db)
  const known = changes.filter(({ layer }) => store.catalogue.find(layer)?.kind === 'city')
  await sql`create temp table touched (layer text, id int8, geom geometry(Geometry, 4326))`.execute(db)
  const many = new Set(known.filter(({ rows }) => Number(rows) > most).map(({ layer }) => layer))
  for (const change of known) if (!many.has(change.layer)) await listRows(db, change, since)
  await sql`analyze touched`.execute(db)
  const layers = new Set(known.map(({ layer }) => layer))
  // A layer that came to have rows, or lost its last, wakes or silences rules that need it.
  const woken = new Set(known.filter(({ count, added }) => (Number(count) > 0) !== (Number(count) - Number(added) > 0)).map(({ layer }) => layer))
  return {
    count: known.reduce((sum, { rows }) => sum + Number(rows), 0), layers,
    reach(rule, whole, newDay) {
      if (rule.daily && newDay) return 'all'
      const reached = rule.layers.filter(id => layers.has(id))
      if (reached.length === 0) return 'none'
      return whole || reached.some(id => many.has(id)) || (rule.needs ?? []).some(id => woken.has(id)) ? 'all' : 'some'
    },
  }
}

/** Present and former versions. The boxes of the changes lead the index to the few rows that are new; `history` has an index of its own. */
async function listRows(db: Kysely<Database>, { layer, boxes }: Change, since: number): Promise<void> {
  const table = sql.table(`city.${layer}`)
  await (boxes === null
    ? sql`insert into touched select ${layer}, id, geom from ${table} where revision > ${since}::int8`
    : sql`insert into touched select distinct on (c.id) ${layer}, c.id, c.geom
        from jsonb_array_elements(${JSON.stringify(boxes)}::jsonb) as b join ${table} as c
          on c.geom && st_expand(st_makeenvelope((b->>0)::float8, (b->>1)::float8, (b->>2)::float8, (b->>3)::float8, 4326), 1e-7) and c.revision > ${since}::int8`
  ).execute(db)
  await sql`insert into touched select ${layer}, id, geom from ${sql.table(`history.${layer}`)} where retired_revision > ${since}::int8 and revision <= ${since}::int8`.execute(db)
}

/** Fills `scope` with the features of a rule's first layer that a change may concern; whether there are any. */
export async function fillScope(db: Kysely<Database>, look: Look, rule: QualityRule, touched: Touched, since: number): Promise<boolean> {
  const [subject] = rule.layers
  const parts = [sql`select id from touched where layer = ${subject}`]
  // Findings that name a changed feature as the other one: what they say may be over.
  for (const schema of ['report_open', 'report_internal', 'report_restricted'])
    parts.push(sql`select q.feature_id from ${sql.table(`${schema}.quality_issues`)} as q join touched as t on t.layer = q.other_layer and t.id = q.other_id where q.source = ${rule.id}`)
  for (const neighbour of rule.neighbours ?? []) {
    if (!touched.layers.has(neighbour.layer)) continue
    if ('withinM' in neighbour) {
      const reach = sql`${(neighbour.withinM + 0.05) / 110_000}::float8`
      parts.push(sql`select s.id from touched as t join ${look.rows(subject)} as s on s.geom && st_expand(t.geom, ${reach} / greatest(0.05, cos(radians(st_y(st_centroid(t.geom))))), ${reach}) where t.layer = ${neighbour.layer}`)
    } else {
      for (const version of versions(neighbour.layer, since)) parts.push(sql`select s.id from ${look.rows(subject)} as s join ${version} as o on ${neighbour.on}`)
    }
  }
  await sql`truncate scope`.execute(db)
  const { numAffectedRows } = await sql`insert into scope select distinct id from (${sql.join(parts, sql` union all `)}) as p where id is not null`.execute(db)
  return (numAffectedRows ?? 0n) > 0n
}

/** The changed rows of a layer as they are and as they were. */
const versions = (layer: string, since: number) => [
  sql`(select c.* from ${sql.table(`city.${layer}`)} as c join touched as t on t.layer = ${layer} and t.id = c.id and c.revision > ${since}::int8)`,
  sql`(select h.* from ${sql.table(`history.${layer}`)} as h where h.retired_revision > ${since}::int8 and h.revision <= ${since}::int8)`,
]
