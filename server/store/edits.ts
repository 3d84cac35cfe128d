/**
 * Edits, checked and written set by set: what every editor of city rows goes through (HTTP, undo, restore, split and merge,
 * federation). Bulk loads of files go through server/import/load.ts.
 *
 * A branch holds whole rows: an edit copies what the branch saw before (its own overlay, or the row of main), changed;
 * a removal is such a copy marked `deleted`. A replaced overlay stays, with `retired_revision`.
 */
import { Problem } from '../errors.js'
import { answersOf, keepAnswer, type EditMeta, type Edited } from './answers.js'
import { groupOf, MOST_IN_GROUP } from './edit-group.js'
import { giveIds, itemsOf, planEdits, refuseFaults, wavesOf, type Edit } from './edit-plan.js'
import { runStatements, statementsOf } from './edit-statements.js'
import { allocateIds, lockWriters } from './revisions.js'
import type { Branch, RevisionMeta, RevisionWriter, Store } from './store.js'

export type { EditMeta, Edited } from './answers.js'
export type { Edit, FeatureEdit, Lock, StoredGeometry } from './edit-plan.js'

/**
 * Applies edits in one transaction as one revision, or none of them. Where nothing changes there is no revision.
 * A few edits share a transaction with others that wait at the same time, each with its own revision.
 * Throws a Problem: of one edit its own (404, 409 for an id that is taken, 412, 422 with every fault and its path),
 * of several one with `faults`, each with the index of its edit; 503 where the writers' lock does not come free.
 */
export async function applyEdits(store: Store, meta: EditMeta, edits: readonly Edit[]): Promise<Edited> {
  const items = itemsOf(edits)
  if (items.length <= MOST_IN_GROUP && wavesOf(items).length <= 1) return groupOf(store).add(meta, items)
  return applyAlone(store, meta, edits)
}

async function applyAlone(store: Store, meta: EditMeta, edits: readonly Edit[]): Promise<Edited> {
  /** Thrown to take the revision back: there is nothing for it to hold. */
  const unwritten: { edited?: Edited } = {}
  const branch = meta.branch ?? 'main'
  try {
    const { revision, result } = await store.withRevision(meta, async writer => {
      const [answered] = await answersOf(writer.tx, [meta])
      if (answered instanceof Problem) throw answered
      if (answered) {
        unwritten.edited = answered
        throw unwritten
      }
      const applied = await applyEditsIn(writer, branch, edits)
      if (applied.changed === 0) {
        unwritten.edited = { revision: null, ids: applied.ids }
        throw unwritten
      }
      await keepAnswer(writer, meta, applied.ids)
      return applied.ids
    })
    return { revision, ids: result }
  } catch (error) {
    if (error === unwritten) return unwritten.edited!
    throw error
  }
}

/** Makes the edits and takes them all back: throws what applyEdits would, and tells how many rows would come to differ. */
export async function tryEdits(store: Store, meta: RevisionMeta, edits: readonly Edit[]): Promise<{ changed: number }> {
  const tried = { changed: 0 }
  await store.withRevision(meta, async writer => {
    tried.changed = (await applyEditsIn(writer, meta.branch ?? 'main', edits)).changed
    throw tried
  }).catch(error => { if (error !== tried) throw error })
  return tried
}

/** Ids for features that edits of one batch name before they are there. */
export async function reserveIds(store: Store, count: number): Promise<readonly number[]> {
  const first = await store.db.transaction().execute(async tx => {
    await lockWriters(tx)
    return allocateIds(tx, count)
  })
  return Array.from({ length: count }, (_, i) => first + i)
}

/** The same inside an open revision: together with other work of its transaction. `changed` counts the rows that came to differ. */
export async function applyEditsIn(writer: RevisionWriter, branch: Branch, edits: readonly Edit[]): Promise<{ ids: number[]; changed: number }> {
  const items = itemsOf(edits)
  await giveIds(writer.tx, items)
  let changed = 0
  for (const wave of wavesOf(items)) {
    const plans = refuseFaults(await planEdits(writer.tx, branch, wave), wave, edits.length)
    await runStatements(writer.tx, statementsOf(plans, branch), writer.revision, branch)
    changed += plans.filter(({ kind }) => kind !== 'nothing').length
  }
  return { ids: items.map(({ id }) => id), changed }
}
