/** Single edits by name, inside withRevision: short ways to `applyEditsIn`. */
import { sql } from 'kysely'
import type { Layer } from '../../layers/layer.js'
import { notFound } from '../errors.js'
import { applyEditsIn, type FeatureEdit } from './edits.js'
import type { Branch, RevisionWriter } from './store.js'

export type { FeatureEdit } from './edits.js'

/** Adds features; their ids in order. */
export async function insertFeatures(writer: RevisionWriter, layer: Layer, branch: Branch, features: readonly FeatureEdit[]): Promise<readonly number[]> {
  return (await applyEditsIn(writer, branch, features.map(feature => ({ action: 'create', layer, feature })))).ids
}

/** Sets what the edit names. `ifMatch` is the revision the editor saw; a newer one is a 412 Problem that carries it. */
export async function updateFeature(writer: RevisionWriter, layer: Layer, branch: Branch, id: number, feature: FeatureEdit, ifMatch?: number): Promise<void> {
  await applyEditsIn(writer, branch, [{ action: 'update', layer, id, feature, ifMatch }])
}

/** Like update, but attributes that the feature does not name become null. */
export async function replaceFeature(writer: RevisionWriter, layer: Layer, branch: Branch, id: number, feature: FeatureEdit, ifMatch?: number): Promise<void> {
  await applyEditsIn(writer, branch, [{ action: 'replace', layer, id, feature, ifMatch }])
}

/** Removes a feature: from main into history, from a branch by an overlay that says so. */
export async function deleteFeature(writer: RevisionWriter, layer: Layer, branch: Branch, id: number, ifMatch?: number): Promise<void> {
  await applyEditsIn(writer, branch, [{ action: 'delete', layer, id, ifMatch }])
}

/** Takes a branch's edit of a feature back, so that main shows through again. */
export async function revertFeature(writer: RevisionWriter, layer: Layer, branch: string, id: number): Promise<void> {
  const { rows: [overlay] } = await sql<{ deleted: boolean; in_main: boolean }>`
    update ${sql.table(`branch.${layer.id}`)} as o set retired_revision = ${writer.revision}::int8
    where branch = ${branch}::uuid and id = ${id}::int8 and retired_revision is null
    returning deleted, exists (select from ${sql.table(`city.${layer.id}`)} as c where c.id = o.id) as in_main`.execute(writer.tx)
  if (!overlay) throw notFound(`The scenario has no edit of ${layer.id} ${id}.`)
  // The trigger logged where; what it means for the branch is known here: back again, gone again, or as in main again.
  const [inserted, updated, deleted] = overlay.deleted && overlay.in_main ? [1, 0, 0] : !overlay.deleted && !overlay.in_main ? [0, 0, 1] : [0, 1, 0]
  await sql`select dothi.log_change(${layer.id}, ${branch}, ${inserted}, ${updated}, ${deleted}, null, null)`.execute(writer.tx)
}
