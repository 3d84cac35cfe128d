/** CQL2's temporal predicates, after Allen: each operand is a start and an end, the same for an instant. Source: OGC 21-065r2, table 11 and after. */
import { sql, type RawBuilder, type SqlBool } from 'kysely'
import type { TemporalOp } from '../../core/filter/ast.js'

export interface TemporalOperand {
  /** A date or a timestamp; null is an open end. */
  readonly start: RawBuilder<unknown> | null
  readonly end: RawBuilder<unknown> | null
  /** Whether the ends are days, not instants; null where nothing says so. */
  readonly day: { readonly start: boolean | null; readonly end: boolean | null }
}

/** Days among themselves compare as days; beside instants a day lasts until its last microsecond. */
export function temporalSql(op: TemporalOp, a: TemporalOperand, b: TemporalOperand): RawBuilder<SqlBool> {
  const mixed = [a, b].some(({ day }) => day.start === false || day.end === false)
  const start = ({ start: at, day }: TemporalOperand) => at === null ? sql`'-infinity'::timestamptz` : day.start ? midnight(at) : at
  const end = ({ end: at, day }: TemporalOperand) => at === null ? sql`'infinity'::timestamptz` : !day.end ? at : mixed ? sql`(${midnight(at)} + interval '1 day' - interval '1 microsecond')` : midnight(at)
  const [s1, e1, s2, e2] = [start(a), end(a), start(b), end(b)]
  switch (op) {
    case 't_after': return sql`(${s1} > ${e2})`
    case 't_before': return sql`(${e1} < ${s2})`
    case 't_disjoint': return sql`(${s1} > ${e2} or ${e1} < ${s2})`
    case 't_intersects': return sql`(${s1} <= ${e2} and ${e1} >= ${s2})`
    case 't_equals': return sql`(${s1} = ${s2} and ${e1} = ${e2})`
    case 't_contains': return sql`(${s1} < ${s2} and ${e1} > ${e2})`
    case 't_during': return sql`(${s1} > ${s2} and ${e1} < ${e2})`
    case 't_finishedBy': return sql`(${s1} < ${s2} and ${e1} = ${e2})`
    case 't_finishes': return sql`(${s1} > ${s2} and ${e1} = ${e2})`
    case 't_meets': return sql`(${e1} = ${s2})`
    case 't_metBy': return sql`(${s1} = ${e2})`
    case 't_overlaps': return sql`(${s1} < ${s2} and ${e1} > ${s2} and ${e1} < ${e2})`
    case 't_overlappedBy': return sql`(${s1} > ${s2} and ${s1} < ${e2} and ${e1} > ${e2})`
    case 't_starts': return sql`(${s1} = ${s2} and ${e1} < ${e2})`
    case 't_startedBy': return sql`(${s1} = ${s2} and ${e1} > ${e2})`
  }
}

const midnight = (day: RawBuilder<unknown>) => sql`((${day})::timestamp at time zone 'UTC')`
