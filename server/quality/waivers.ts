/** A finding that an editor lets stand, with a reason, for as long as it stays what it is. */
import { sql } from 'kysely'
import { badBody, notFound } from '../errors.js'
import { noteAccess } from '../store/access-log.js'
import { CLASSES, covers } from '../store/rights.js'
import type { Reader, Store } from '../store/store.js'
import { fingerprint, reportTable, touchReport } from './reconcile.js'

export interface Waived { readonly id: number; readonly rule: string; readonly state: 'open' | 'waived'; readonly reason: string | null }

/** Waives a finding, or with `reason` null takes the waiver back. Throws 404 for one that the reader does not see, 400 without a reason. */
export async function waive(store: Store, reader: Reader, id: number, reason: string | null): Promise<Waived> {
  const words = reason?.trim() ?? null
  if (words === '' || (words?.length ?? 0) > 500) throw badBody('A waiver needs a reason, of at most 500 characters.')
  return store.db.transaction().execute(async tx => {
    await sql`select pg_advisory_xact_lock(hashtext('dothi.quality.write'))`.execute(tx)
    for (const classification of CLASSES.filter(rows => covers(reader.clearance, rows))) {
      const { rows: [found] } = await sql<{ rule: string; key: string; fingerprint: string }>`
        select q.source as rule, q.source_id as key, ${fingerprint('q')} as fingerprint from ${reportTable(classification)} as q where q.id = ${id}::int8`.execute(tx)
      if (!found) continue
      if (classification === 'restricted') await noteAccess(tx, reader, { layer: 'quality_issues', columns: ['*'], how: { ids: [id] } })
      await (words === null
        ? sql`delete from dothi.quality_waivers where rule = ${found.rule} and key = ${found.key}`
        : sql`insert into dothi.quality_waivers (rule, key, fingerprint, reason, actor) values (${found.rule}, ${found.key}, ${found.fingerprint}, ${words}, ${reader.subject})
            on conflict (rule, key) do update set fingerprint = excluded.fingerprint, reason = excluded.reason, actor = excluded.actor, at = now()`).execute(tx)
      const state = words === null ? 'open' : 'waived'
      await sql`
        update ${reportTable(classification)} set state = ${state}, waived_reason = ${words}, waived_by = ${words === null ? null : reader.subject}, waived_at = ${words === null ? null : sql`now()`}, valid_from = now()
        where id = ${id}::int8`.execute(tx)
      await touchReport(tx)
      return { id, rule: found.rule, state, reason: words } as const
    }
    throw notFound(`There is no finding ${id}: it is mended, or never was. GET /quality tells what there is.`)
  })
}
