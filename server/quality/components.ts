import { sql, type Kysely, type RawBuilder } from 'kysely'
import type { Database } from '../store/database.js'

/** Fills the temporary table `component` with what hangs together by pairs `a, b`; each group is named by its smallest id. */
export async function components(db: Kysely<Database>, links: RawBuilder<unknown>): Promise<void> {
  const { rows } = await sql<{ a: number; b: number }>`select a, b from (${links}) as l`.execute(db)
  const root = joined(rows)
  const ids = [...root.keys()]
  await sql`truncate component`.execute(db)
  await sql`insert into component select * from unnest(${ids}::int8[], ${ids.map(id => root.get(id)!)}::int8[])`.execute(db)
  await sql`analyze component`.execute(db)
}

/** Union–find with path halving; the smaller id is always the root, so that the names do not depend on the order of the pairs. */
export function joined(pairs: readonly { readonly a: number; readonly b: number }[]): ReadonlyMap<number, number> {
  const parent = new Map<number, number>()
  const find = (id: number): number => {
    let at = id
    for (;;) {
      const up = parent.get(at)
      if (up === undefined) { parent.set(at, at); return at }
      if (up === at) return at
      const further = parent.get(up)!
      parent.set(at, further)
      at = further
    }
  }
  for (const { a, b } of pairs) {
    const [low, high] = [find(a), find(b)].sort((x, y) => x - y) as [number, number]
    if (low !== high) parent.set(high, low)
  }
  for (const id of parent.keys()) parent.set(id, find(id))
  return parent
}
