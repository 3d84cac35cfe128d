/** Readings of gauges and the like: append-only series outside branches and feature history. */
import { sql, type Kysely } from 'kysely'
import type { Classification } from '../../layers/layer.js'
import type { Database } from './database.js'

export interface Series {
  readonly id: string
  readonly title: string
  /** As shown: `m`, `mm/h`. */
  readonly unit: string
  /** The feature that measures: a gauge of a layer. */
  readonly layer?: string
  readonly feature?: number
  readonly classification?: Classification
  readonly source?: string
}

export interface Observation {
  readonly time: Date
  /** null: the instrument said nothing. */
  readonly value: number | null
  /** `good`, `suspect`, `estimated`, `missing` … */
  readonly quality?: string
}

/** Declares a series, or changes what is said about it. */
export async function putSeries(db: Kysely<Database>, series: Series): Promise<void> {
  const { id, title, unit, layer = null, feature = null, classification = 'open', source = '' } = series
  await sql`
    insert into dothi.series (id, title, unit, layer, feature, classification, source)
    values (${id}, ${title}, ${unit}, ${layer}, ${feature}, ${classification}, ${source})
    on conflict (id) do update set title = excluded.title, unit = excluded.unit, layer = excluded.layer, feature = excluded.feature,
      classification = excluded.classification, source = excluded.source`.execute(db)
}

/** Adds readings. A second reading of the same time corrects the first, which stays. Months get their partition as they come. */
export async function append(db: Kysely<Database>, series: string, rows: readonly Observation[]): Promise<void> {
  if (rows.length === 0) return
  await db.transaction().execute(async tx => {
    const months = new Set(rows.map(row => row.time.toISOString().slice(0, 7)))
    for (const month of months) await sql`select dothi.observations_month(${`${month}-01`}::date)`.execute(tx)
    for (let i = 0; i < rows.length; i += CHUNK) {
      const chunk = rows.slice(i, i + CHUNK)
      await sql`
        insert into dothi.observations (series, time, value, quality)
        select ${series}, * from unnest(${chunk.map(row => row.time)}::timestamptz[], ${chunk.map(row => row.value)}::float8[], ${chunk.map(row => row.quality ?? 'good')}::text[])`.execute(tx)
    }
  })
}
const CHUNK = 10_000

/** Readings with from ≤ time < to, ascending; of several of one time the latest recorded. */
export async function read(db: Kysely<Database>, series: string, from: Date, to: Date): Promise<readonly Required<Observation>[]> {
  const { rows } = await sql<Required<Observation>>`
    select distinct on (time) time, value, quality from dothi.observations
    where series = ${series} and time >= ${from} and time < ${to} order by time, recorded desc`.execute(db)
  return rows
}
