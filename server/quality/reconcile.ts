/** Brings the report in line with what a check found. */
import { sql, type Kysely, type RawBuilder } from 'kysely'
import type { Classification } from '../../layers/layer.js'
import type { Database } from '../store/database.js'
import { CLASSES } from '../store/rights.js'
import type { Store } from '../store/store.js'
import { reportSchema } from '../store/tables.js'
import type { QualityRule } from './rule.js'

export const REPORT = 'quality_issues'
export const reportTable = (classification: Classification) => sql.table(`${reportSchema(classification)}.${REPORT}`)

export interface Outcome {
  /** Findings of the rules that were looked at, where they were looked at. */
  readonly found: number
  readonly fresh: number
  readonly mended: number
}

interface Checked { readonly rule: QualityRule; readonly scoped: boolean; readonly classification: Classification }

interface Reconciling {
  readonly revision: number
  readonly checked: readonly Checked[]
  /** Every rule and every feature was looked at. */
  readonly complete: boolean
  /** All rules that there are: findings of others go. */
  readonly known?: readonly string[]
  /** The city is checked up to here. */
  readonly moveTo?: number
  readonly wardsMoved?: boolean
}

/** In one short transaction, from the session's `found` and `scope_of`. */
export async function reconcile(store: Store, db: Kysely<Database>, { revision, checked, complete, known, moveTo, wardsMoved }: Reconciling): Promise<Outcome> {
  const wards = await wardsOf(store)
  return db.transaction().execute(async tx => {
    await sql`select pg_advisory_xact_lock(hashtext('dothi.quality.write'))`.execute(tx)
    await ruleTable(tx, checked)
    await sql.raw('create index on found (rule, key); create index on scope_of (rule, id); analyze found; analyze scope_of; analyze checked').execute(tx)
    let [fresh, mended, moved] = [0, 0, 0]
    for (const classification of CLASSES) {
      const table = reportTable(classification)
      if (known) mended += await count(tx, sql`delete from ${table} where source <> all(${[...known]}::text[])`)
      mended += await count(tx, sql`
        delete from ${table} as q using checked as r where q.source = r.rule
          and (r.class <> ${classification} or not exists (select from found as f where f.rule = q.source and f.key = q.source_id))
          and (r.class <> ${classification} or not r.scoped or exists (select from scope_of as s where s.rule = r.rule and (s.id = q.feature_id or (r.pairs and s.id = q.other_id))))`)
      const rows = sql`(select w.*, ${fingerprint('w')} as fingerprint from (${worded(classification, wards)}) as w)`
      moved += await count(tx, sql`
        update ${table} as q set last_seen = ${revision}::int8, geom = n.geom, value = n.value, threshold = n.threshold, unit = n.unit, detail = n.detail, severity = n.severity,
          message_vi = n.message_vi, message_en = n.message_en, suggestion_vi = n.suggestion_vi, suggestion_en = n.suggestion_en, ward_code = n.ward_code,
          state = case when w.rule is null then 'open' else 'waived' end, waived_by = w.actor, waived_reason = w.reason, waived_at = w.at,
          revision = case when ${fingerprint('q')} = n.fingerprint then q.revision else ${revision}::int8 end, valid_from = case when ${fingerprint('q')} = n.fingerprint then q.valid_from else now() end
        from ${rows} as n left join dothi.quality_waivers as w on w.rule = n.rule and w.key = n.key and w.fingerprint = n.fingerprint
        where q.source = n.rule and q.source_id = n.key`)
      fresh += await count(tx, sql`
        insert into ${table} (revision, source, source_id, geom, rule, severity, layer, feature_id, other_layer, other_id, message_vi, message_en, suggestion_vi, suggestion_en,
          value, threshold, unit, detail, first_seen, last_seen, state, waived_by, waived_reason, waived_at, ward_code)
        select ${revision}::int8, n.rule, n.key, n.geom, n.rule, n.severity, n.layer, n.feature_id, n.other_layer, n.other_id, n.message_vi, n.message_en, n.suggestion_vi, n.suggestion_en,
          n.value, n.threshold, n.unit, n.detail, ${revision}::int8, ${revision}::int8, case when w.rule is null then 'open' else 'waived' end, w.actor, w.reason, w.at, n.ward_code
        from ${rows} as n left join dothi.quality_waivers as w on w.rule = n.rule and w.key = n.key and w.fingerprint = n.fingerprint
        where not exists (select from ${table} as q where q.source = n.rule and q.source_id = n.key) order by n.rule, n.key`)
      if (wardsMoved && wards) moved += await count(tx, sql`update ${table} as q set ward_code = ${wardAt(wards, sql`q.geom`)} where ward_code is distinct from ${wardAt(wards, sql`q.geom`)}`)
    }
    if (fresh + mended + moved > 0) await touchReport(tx)
    if (complete || moveTo !== undefined) await sql`
      insert into dothi.quality_state (revision, checked, complete) values (${revision}::int8, now(), now())
      on conflict (one) do update set revision = excluded.revision, checked = excluded.checked, complete = case when ${complete} then excluded.complete else dothi.quality_state.complete end`.execute(tx)
    const { rows: [found] } = await sql<{ n: number }>`select count(*) as n from found`.execute(tx)
    return { found: found!.n, fresh, mended }
  })
}

/** The report changed: whoever holds an answer made from it asks again. */
export async function touchReport(db: Kysely<Database>): Promise<void> {
  await sql`insert into dothi.reports (layer) values (${REPORT}) on conflict (layer) do update set version = dothi.reports.version + 1, changed = now()`.execute(db)
}

const count = async (db: Kysely<Database>, statement: RawBuilder<unknown>) => Number((await statement.execute(db)).numAffectedRows ?? 0n)

/** What was measured where, to a millimetre or thousandth: a finding that differs in it is another one, and no longer waived. */
export const fingerprint = (alias: string): RawBuilder<string> => sql`
  md5(concat_ws('|', round(${sql.ref(`${alias}.value`)}::numeric, 3), ${sql.ref(`${alias}.detail`)}, st_astext(st_normalize(${sql.ref(`${alias}.geom`)}), 7)))`

async function ruleTable(tx: Kysely<Database>, checked: readonly Checked[]): Promise<void> {
  await sql`create temp table checked (rule text, scoped boolean, pairs boolean, class text, layer text, severity text, unit text, message_vi text, message_en text, suggestion_vi text, suggestion_en text)`.execute(tx)
  if (checked.length === 0) return
  const column = (of: (one: Checked) => string | null) => sql`${checked.map(of)}::text[]`
  await sql`
    insert into checked select * from unnest(${column(one => one.rule.id)}, ${checked.map(one => one.scoped)}::boolean[], ${checked.map(one => one.rule.pairs === true)}::boolean[], ${column(one => one.classification)}, ${column(one => one.rule.layers[0])},
      ${column(one => one.rule.severity)}, ${column(one => one.rule.unit ?? null)}, ${column(one => (one.rule.message ?? one.rule.title).vi)}, ${column(one => (one.rule.message ?? one.rule.title).en)},
      ${column(one => one.rule.suggestion.vi)}, ${column(one => one.rule.suggestion.en)})`.execute(tx)
}

type Rows = RawBuilder<unknown>
async function wardsOf(store: Store): Promise<Rows | null> {
  const layer = store.catalogue.find('wards')
  if (!layer) return null
  const view = await store.view({ layer, branch: 'main', asOf: 'now', reader: { subject: 'quality check', roles: [], clearance: 'internal' }, columns: ['code', 'hieu_luc_den'] })
  return sql`${view}`
}

const wardAt = (wards: Rows, geom: Rows) => sql`(select w.code from ${wards} as w where w.hieu_luc_den is null and st_intersects(w.geom, st_pointonsurface(${geom})) order by w.id limit 1)`

/** Findings of a class with their words. */
function worded(classification: Classification, wards: Rows | null): Rows {
  const number = (name: string) => sql`coalesce(round(${sql.ref(name)}::numeric, 2)::float8::text, '?') || case when r.unit is null then '' when r.unit = '%' then ' %' else ' ' || r.unit end`
  const filled = (template: string, local: (text: Rows) => Rows) => sql`
    left(replace(replace(replace(${sql.ref(template)}, '{value}', ${local(number('f.value'))}), '{threshold}', ${local(number('f.threshold'))}), '{detail}', coalesce(f.detail, '')), 600)`
  return sql`
    select f.*, r.layer, r.severity, r.unit, ${filled('r.message_vi', text => sql`replace(${text}, '.', ',')`)} as message_vi, ${filled('r.message_en', text => text)} as message_en,
      r.suggestion_vi, r.suggestion_en, ${wards ? wardAt(wards, sql`f.geom`) : sql`null::text`} as ward_code
    from found as f join checked as r on r.rule = f.rule where r.class = ${classification}`
}
