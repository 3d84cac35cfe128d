/**
 * Three-way merge of one feature, field by field: what was there when both sides began (`base`), what one side made of it
 * (`ours`), what the other did (`theirs`). A side that has no feature is `null`.
 *
 *   only one side changed a field      that side's value
 *   both changed it to the same        that value
 *   both changed it differently        a conflict; theirs stays until somebody decides
 *   one removed, the other left as is  removed
 *   one removed, the other changed     a conflict over the feature itself (`WHOLE`)
 */

/** Field → value as JSON has it. A field that is left out is null. */
export type Fields = Readonly<Record<string, unknown>>
export type Side = Fields | null

export interface FieldConflict {
  /** Name of the field; `WHOLE` where one side removed the feature. */
  readonly field: string
  readonly base: unknown
  readonly ours: unknown
  readonly theirs: unknown
}

export interface Merged {
  /** The feature after the merge; fields in conflict hold theirs. */
  readonly value: Side
  readonly conflicts: readonly FieldConflict[]
}

/** The field of a conflict between a removal and a change. */
export const WHOLE = '*'

export type Take = 'ours' | 'theirs'
/** What a person decided: one side for all conflicts of the feature, or side or new value field by field. */
export type Resolution = Take | Readonly<Record<string, { readonly take: Take } | { readonly value: unknown }>>

export function merge(base: Side, ours: Side, theirs: Side): Merged {
  if (same(ours, theirs) || same(ours, base)) return { value: theirs, conflicts: [] }
  if (same(theirs, base)) return { value: ours, conflicts: [] }
  if (ours === null || theirs === null) return { value: theirs, conflicts: [{ field: WHOLE, base, ours, theirs }] }
  return mergeFields(base ?? {}, ours, theirs)
}

/** The merge with a person's decisions. Conflicts that nobody decided remain. */
export function resolve(base: Side, ours: Side, theirs: Side, resolution: Resolution | undefined): Merged {
  const merged = merge(base, ours, theirs)
  if (resolution === undefined || merged.conflicts.length === 0) return merged
  let value = merged.value
  const open: FieldConflict[] = []
  for (const conflict of merged.conflicts) {
    const decision = typeof resolution === 'string' ? { take: resolution } : resolution[conflict.field]
    if (!decision) open.push(conflict)
    else if (conflict.field === WHOLE) value = 'take' in decision ? (decision.take === 'ours' ? ours : theirs) : decision.value as Side
    else value = { ...value, [conflict.field]: 'take' in decision ? conflict[decision.take] : decision.value }
  }
  return { value, conflicts: open }
}

/** Names of the fields in which two sides differ, in order; all fields where one is not there. */
export function changedFields(before: Side, after: Side): readonly string[] {
  return fieldsOf(before ?? {}, after ?? {}).filter(field => !same(before?.[field], after?.[field]) || before === null || after === null)
}

/** Equality of JSON values: members in any order, null and missing alike. */
export function same(a: unknown, b: unknown): boolean {
  if (a === b || (a ?? null) === (b ?? null)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || !a || !b || Array.isArray(a) !== Array.isArray(b)) return false
  if (Array.isArray(a) && a.length !== (b as unknown[]).length) return false
  return fieldsOf(a as Fields, b as Fields).every(key => same((a as Fields)[key], (b as Fields)[key]))
}

function mergeFields(base: Fields, ours: Fields, theirs: Fields): Merged {
  const value: Record<string, unknown> = {}
  const conflicts: FieldConflict[] = []
  for (const field of fieldsOf(base, ours, theirs)) {
    const [was, mine, other] = [base[field] ?? null, ours[field] ?? null, theirs[field] ?? null]
    value[field] = same(other, was) ? mine : other
    if (!same(mine, was) && !same(other, was) && !same(mine, other)) conflicts.push({ field, base: was, ours: mine, theirs: other })
  }
  return { value, conflicts }
}

const fieldsOf = (...sides: readonly Fields[]) => [...new Set(sides.flatMap(side => Object.keys(side)))]
