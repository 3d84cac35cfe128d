/** Answers kept for a day by Idempotency-Key, so that a client that lost one can ask again without writing twice. */
import { sql, type Kysely, type Transaction } from 'kysely'
import { Problem } from '../errors.js'
import type { Database } from './database.js'
import type { Revision, RevisionMeta, RevisionWriter } from './store.js'

export interface EditMeta extends RevisionMeta {
  /** A client that lost the answer and asks again with the same key is told the same, and nothing is written twice. */
  readonly once?: Once
}
/** `fingerprint` is a hash of the request: the same key for another one is a mistake. */
export interface Once { readonly key: string; readonly fingerprint: string }

export interface Edited {
  /** null where every edit said what was so already. */
  readonly revision: Revision | null
  /** Of each edit, in order. */
  readonly ids: number[]
  /** This is the answer to an earlier request with the same key. */
  readonly repeated?: boolean
}

export const KEPT_HOURS = 24

/** What was answered before, by place in `metas`; ask it under the writers' lock. A Problem where a key was used for something else. */
export async function answersOf(tx: Transaction<Database>, metas: readonly EditMeta[]): Promise<(Edited | Problem | undefined)[]> {
  const asked = metas.filter(({ once }) => once)
  if (asked.length === 0) return metas.map(() => undefined)
  const { rows } = await sql<Revision & { key: string; fingerprint: string; answer: { ids: number[] } }>`
    select a.key, a.fingerprint, a.answer, r.revision, r.at, r.actor, r.reason, r.branch from dothi.answers as a join dothi.revisions as r using (revision)
    where (a.subject, a.key) in (select * from unnest(${asked.map(({ actor }) => actor)}::text[], ${asked.map(({ once }) => once!.key)}::text[]))`.execute(tx)
  return metas.map(({ actor, once }) => {
    const found = once && rows.find(row => row.actor === actor && row.key === once.key)
    if (!found) return undefined
    if (found.fingerprint !== once.fingerprint) return new Problem(422, 'key-reused', `The Idempotency-Key “${once.key}” was used for another request, which became revision ${found.revision}. Use a new key for each request.`)
    const { revision, at, reason, branch } = found
    return { revision: { revision, at, actor, reason, branch }, ids: found.answer.ids, repeated: true }
  })
}

export async function keepAnswer({ tx, revision }: RevisionWriter, { actor, once }: EditMeta, ids: readonly number[]): Promise<void> {
  if (!once) return
  await sql`insert into dothi.answers (subject, key, fingerprint, revision, answer)
    values (${actor}, ${once.key}, ${once.fingerprint}, ${revision}::int8, ${JSON.stringify({ ids })}::jsonb)`.execute(tx)
}

/** Takes away what is older than a day. */
export async function forgetAnswers(db: Kysely<Database>): Promise<void> {
  await sql`delete from dothi.answers where at < now() - make_interval(hours => ${KEPT_HOURS}::int)`.execute(db)
}
