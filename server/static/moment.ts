/** The one revision that an export shows, whatever is written while it works. */
import { sql } from 'kysely'
import type { AsOf, Store } from '../store/store.js'

export interface Moment {
  readonly revision: number
  /**
   * What `read` gives as of the moment: from the present, which is faster and may be kept already, for as long as nothing
   * is written; from history otherwise.
   */
  read<T>(read: (asOf: AsOf) => Promise<T>): Promise<T>
}

export async function momentOf(store: Store): Promise<Moment> {
  const latest = async () => (await sql<{ revision: number }>`select coalesce(max(revision), 0)::int8 as revision from dothi.revisions`.execute(store.db)).rows[0]!.revision
  const revision = await latest()
  let still = true
  return {
    revision,
    async read(read) {
      if (still) {
        const now = await read('now')
        still = await latest() === revision
        if (still) return now
      }
      return read(revision)
    },
  }
}
