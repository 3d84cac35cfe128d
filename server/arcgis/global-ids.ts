/**
 * GlobalIDs: a UUID that follows from a feature's id, or the one that a client gave when it made the feature.
 * What a client deleted and adds again under its GlobalID comes back as the feature that it was.
 */
import { sql } from 'kysely'
import type { Layer } from '../../layers/layer.js'
import type { Store } from '../store/store.js'

/** UUID version 8: fifty-three bits of ours at the end. */
const PREFIX = 'd0741000-0000-8000-80'
const OURS = /^d0741000-0000-8000-80([0-9a-f]{2})-([0-9a-f]{12})$/

/** As clients have it: in braces, upper case. */
export const braced = (uuid: string) => `{${uuid.toUpperCase()}}`

export function globalIdOf(feature: number): string {
  const hex = feature.toString(16).padStart(14, '0')
  return `${PREFIX}${hex.slice(0, 2)}-${hex.slice(2)}`
}

/** The feature that a GlobalID of our own making is of. */
function featureIn(globalId: string): number | undefined {
  const [, high, low] = OURS.exec(globalId) ?? []
  const id = high === undefined ? NaN : Number.parseInt(high + low, 16)
  return Number.isSafeInteger(id) && id > 0 ? id : undefined
}

/** Feature ids by GlobalID (lower case, no braces), of those that are known. */
export async function featuresOf(store: Store, globalIds: readonly string[]): Promise<Map<string, number>> {
  const features = new Map<string, number>()
  for (const globalId of globalIds) {
    const own = featureIn(globalId)
    if (own !== undefined) features.set(globalId, own)
  }
  const others = globalIds.filter(globalId => !features.has(globalId))
  if (others.length === 0) return features
  const { rows } = await sql<{ global_id: string; feature: number }>`select global_id::text, feature from dothi.global_ids where global_id = any(${others}::uuid[])`.execute(store.db)
  for (const { global_id, feature } of rows) features.set(global_id, feature)
  return features
}

/** Keeps names that clients gave. One that is taken stays with whom it has. */
export async function keepGlobalIds(store: Store, layer: Layer, given: ReadonlyMap<string, number>): Promise<void> {
  await sql`insert into dothi.global_ids (global_id, layer, feature)
    select g, ${layer.id}, f from unnest(${[...given.keys()]}::uuid[], ${[...given.values()]}::int8[]) as given (g, f) on conflict do nothing`.execute(store.db)
}

/** Of these ids, those that were or are features of the layer: only they may come back. */
export async function everIn(store: Store, layer: Layer, ids: readonly number[]): Promise<ReadonlySet<number>> {
  const table = (schema: string) => sql.table(`${schema}.${layer.id}`)
  const { rows } = await sql<{ id: number }>`
    select id from unnest(${ids}::int8[]) as given (id)
    where exists (select from ${table('city')} as c where c.id = given.id) or exists (select from ${table('history')} as h where h.id = given.id)
      or exists (select from ${table('branch')} as b where b.id = given.id) or exists (select from dothi.global_ids as g where g.feature = given.id and g.layer = ${layer.id})`.execute(store.db)
  return new Set(rows.map(({ id }) => id))
}
