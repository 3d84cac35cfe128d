/**
 * Who wrote which field last, and how two copies of a feature become one. Pure: the same two copies give the same
 * result on both sides, in whatever order and however often they meet.
 */
import { same } from '../../core/merge.js'

/** A write: when by the writer's clock (never before anything it had seen), on which instance, in which of its revisions. */
export type Stamp = readonly [ms: number, instance: number, revision: number]

/** Field → its last write. `*` stands for the fields that are not named, `+` is the last write of any field, `-` the last removal. */
export type Stamps = Readonly<Record<string, Stamp>>
export const REST = '*'
export const LIFE = '+'
export const REMOVAL = '-'
const NEVER: Stamp = [0, 0, 0]

/** Instance → the last of its revisions that is known. */
export type Known = Readonly<Record<string, number>>

export const compareStamps = (a: Stamp, b: Stamp) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]
export const covers = (known: Known, [, instance, revision]: Stamp) => (known[instance] ?? 0) >= revision
export const stampOf = (stamps: Stamps, field: string) => stamps[field] ?? stamps[REST] ?? NEVER
const later = (a: Stamp, b: Stamp) => (compareStamps(a, b) >= 0 ? a : b)
const removalOf = (stamps: Stamps) => stamps[REMOVAL] ?? NEVER
export const isAlive = (stamps: Stamps) => compareStamps(stampOf(stamps, LIFE), removalOf(stamps)) > 0

/** One instance's copy of a feature. Of a removed one `values` are the last it had, as far as they are known. */
export interface Copy {
  readonly values: Readonly<Record<string, unknown>>
  readonly stamps: Stamps
}

/** Two writes that did not know of each other. `field` is `-` where one of them was a removal (its side is null). */
export interface Clash {
  readonly field: string
  readonly mine: unknown
  readonly theirs: unknown
  readonly mineStamp: Stamp
  readonly theirsStamp: Stamp
  readonly winner: 'mine' | 'theirs'
}

export interface Meeting {
  /** Fields that both sides have. */
  readonly fields: readonly string[]
  /** What is known here, and what was known there when that copy was made. */
  readonly here: Known
  readonly there: Known
  /** This instance owns the layer: its value stands in a clash, by this new stamp. */
  readonly decree?: Stamp
}

export interface Met {
  readonly copy: Copy
  /** Something is to be written: a value or at least a stamp. */
  readonly changed: boolean
  readonly clashes: readonly Clash[]
  /** Fields that took a value of somebody who knew ours: what was open about them is settled. */
  readonly settled: readonly { readonly field: string; readonly value: unknown }[]
}

/**
 * What becomes of our copy when theirs arrives: of each field the later write, of the feature itself the later of its last
 * write and its removal.
 */
export function meet(mine: Copy, theirs: Copy, meeting: Meeting): Met {
  const lives = { mine: isAlive(mine.stamps), theirs: isAlive(theirs.stamps) }
  const fields = lives.theirs ? meetFields(mine, theirs, meeting, lives.mine) : { values: mine.values, stamps: mine.stamps, changed: false, clashes: [], settled: [] }
  const life = later(stampOf(mine.stamps, LIFE), stampOf(fields.stamps, LIFE))
  const stamps: Record<string, Stamp> = { ...fields.stamps }
  const lastWrite = lives.theirs ? later(life, stampOf(theirs.stamps, LIFE)) : life
  if (compareStamps(lastWrite, stampOf(stamps, LIFE)) > 0) stamps[LIFE] = lastWrite
  const removal = later(removalOf(mine.stamps), removalOf(theirs.stamps))
  if (compareStamps(removal, NEVER) > 0) stamps[REMOVAL] = removal
  const alive = isAlive(stamps)
  const clash = removalClash(mine, theirs, lives, alive, meeting)
  const written = fields.changed || compareStamps(lastWrite, stampOf(mine.stamps, LIFE)) > 0
  return {
    copy: { values: fields.values, stamps },
    // A removal before the last write tells nobody anything. What is removed and stays so has no place for values,
    // but a removal that is later than ours counts against writes that are still on their way.
    changed: alive ? written || !lives.mine : lives.mine || compareStamps(removal, removalOf(mine.stamps)) > 0,
    clashes: [...(alive && lives.mine ? fields.clashes : []), ...(clash ? [clash] : [])],
    settled: [...fields.settled, ...(lives.mine !== alive && !clash ? [{ field: REMOVAL, value: null }] : [])],
  }
}

function meetFields(mine: Copy, theirs: Copy, { fields, here, there, decree }: Meeting, living: boolean) {
  const values: Record<string, unknown> = { ...mine.values }
  const stamps: Record<string, Stamp> = { ...mine.stamps }
  const clashes: Clash[] = []
  const settled: { field: string; value: unknown }[] = []
  let changed = false
  for (const field of fields) {
    const [mineStamp, theirsStamp] = [stampOf(mine.stamps, field), stampOf(theirs.stamps, field)]
    const [ours, other] = [mine.values[field] ?? null, theirs.values[field] ?? null]
    const order = compareStamps(theirsStamp, mineStamp)
    const clash = { field, mine: ours, theirs: other, mineStamp, theirsStamp }
    if (order < 0) {
      if (!covers(here, theirsStamp) && !same(ours, other)) clashes.push({ ...clash, winner: 'mine' })
    } else if (order > 0) {
      changed = true
      const unaware = !covers(there, mineStamp) && !same(ours, other)
      const keeps = unaware && decree !== undefined && living
      if (unaware) clashes.push({ ...clash, winner: keeps ? 'mine' : 'theirs' })
      else if (!same(ours, other)) settled.push({ field, value: other })
      stamps[field] = keeps ? decree : theirsStamp
      if (keeps) stamps[LIFE] = decree
      else values[field] = other
    } else if (ours === null && other !== null) {
      // The same write, of which a column came through only now.
      changed = true
      values[field] = other
    }
  }
  return { values, stamps, changed, clashes, settled }
}

/** A removal on one side and a write on the other that did not know of each other. */
function removalClash(mine: Copy, theirs: Copy, lives: { mine: boolean; theirs: boolean }, alive: boolean, { here, there }: Meeting): Clash | null {
  if (lives.mine === lives.theirs) return null
  const mineStamp = lives.mine ? stampOf(mine.stamps, LIFE) : removalOf(mine.stamps)
  const theirsStamp = lives.theirs ? stampOf(theirs.stamps, LIFE) : removalOf(theirs.stamps)
  const winner = alive === lives.mine ? 'mine' : 'theirs'
  const aware = winner === 'mine' ? covers(here, theirsStamp) : covers(there, mineStamp)
  return aware ? null : { field: REMOVAL, mine: lives.mine ? mine.values : null, theirs: lives.theirs ? theirs.values : null, mineStamp, theirsStamp, winner }
}

/** The larger of each. */
export function unionKnown(...all: readonly Known[]): Known {
  const union: Record<string, number> = {}
  for (const known of all) for (const [instance, revision] of Object.entries(known)) union[instance] = Math.max(union[instance] ?? 0, revision)
  return union
}
