/** `POST /batch`: edits over several layers that are made together, as one revision, or not at all. */
import { Type, type Static } from '@sinclair/typebox'
import type { Response } from 'express'
import { CRS84 } from '../../core/crs.js'
import type { Layer } from '../../layers/layer.js'
import { badBody, Problem } from '../errors.js'
import { bodyChecker } from '../http/parameters.js'
import { layerOf } from '../ogc/features/layers.js'
import type { Call } from '../operations/operation.js'
import { applyEdits, reserveIds, tryEdits, type Edit, type Lock } from '../store/edits.js'
import { bodyCrs, createdFeature, FeatureBody, FeaturePatch, patchedFeature, replacingFeature, type GivenFeature } from './feature-body.js'
import { revisionHeader } from './items.js'
import { metaOf, revisionsOf } from './preconditions.js'

export const MOST_EDITS = 10_000

const Ref = Type.Object({ $ref: Type.String({ minLength: 1, maxLength: 100 }) }, { additionalProperties: false })
const collection = Type.String({ maxLength: 60 })
const crs = Type.Optional(Type.String({ maxLength: 200, description: 'CRS of the coordinates, by URI; default CRS84' }))
const id = Type.Union([Type.Integer({ minimum: 1 }), Ref], { description: 'Id of a feature, or { "$ref": … } of one that this batch creates' })
const ifMatch = Type.Optional(Type.Union([Type.Integer({ minimum: 0 }), Type.String({ maxLength: 200 })], { description: 'The revision that the editor saw, or its ETag' }))
/** One schema an action, so that a fault is told with the index of its edit and the member in it. */
const CHANGES = {
  create: Type.Object({ action: Type.Literal('create'), collection, crs, feature: FeatureBody, ref: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })) }, { additionalProperties: false }),
  replace: Type.Object({ action: Type.Literal('replace'), collection, crs, id, ifMatch, feature: FeatureBody }, { additionalProperties: false }),
  update: Type.Object({ action: Type.Literal('update'), collection, crs, id, ifMatch, feature: FeaturePatch }, { additionalProperties: false }),
  delete: Type.Object({ action: Type.Literal('delete'), collection, id, ifMatch }, { additionalProperties: false }),
}
type Action = keyof typeof CHANGES
type Change = Static<(typeof CHANGES)[Action]>
const ACTIONS = Object.keys(CHANGES) as Action[]
const CHECKS = Object.fromEntries(ACTIONS.map(action => [action, bodyChecker(CHANGES[action])])) as Record<Action, (body: unknown) => unknown>

export const BatchBody = Type.Object({
  reason: Type.Optional(Type.String({ minLength: 1, maxLength: 1000, description: 'Why; kept with the revision' })),
  dryRun: Type.Optional(Type.Boolean({ description: 'Check everything as if it were written, and write nothing' })),
  edits: Type.Array(Type.Object({
    action: Type.Union(ACTIONS.map(action => Type.Literal(action))),
    collection, crs, ifMatch,
    id: Type.Optional(id),
    ref: Type.Optional(Type.String({ maxLength: 100, description: 'create: a name for the new feature within this batch; { "$ref": name } stands for its id' })),
    feature: Type.Optional(Type.Object({}, { additionalProperties: true, description: 'create, replace: a GeoJSON feature; update: a merge patch of one' })),
  }), { minItems: 1, maxItems: MOST_EDITS }),
}, { additionalProperties: false })
type BatchBody = Static<typeof BatchBody>

export async function postBatch(call: Call, response: Response): Promise<void> {
  const { store } = call.app
  const { reason, dryRun = false, edits: given } = call.body as BatchBody
  const changes = given.map((change, index) => at(index, () => CHECKS[change.action](change) as Change))
  const meta = metaOf(call, `batch of ${changes.length}`, reason)
  const named = refsOf(changes)
  const ids = named.size ? await reserveIds(store, named.size) : []
  ;[...named.keys()].forEach((ref, i) => named.set(ref, ids[i]!))
  const edits = changes.map((change, index) => at(index, () => editOf(call, change, named)))
  response.set('Cache-Control', 'no-store')
  if (dryRun) {
    const { changed } = await tryEdits(store, meta, edits)
    return void response.json({ dryRun: true, revision: null, changed })
  }
  const edited = await applyEdits(store, meta, edits)
  revisionHeader(response, edited)
  response.json({
    dryRun: false,
    revision: edited.revision?.revision ?? null,
    at: edited.revision?.at ?? null,
    results: changes.map((change, i) => ({
      action: change.action, collection: change.collection, id: edited.ids[i]!, ...('ref' in change && { ref: change.ref }),
      ...(change.action !== 'delete' && { href: `${call.base}/ogc/collections/${change.collection}/items/${edited.ids[i]!}` }),
    })),
  })
}

/** Tells a Problem with the index of the edit that it is about. */
function at<T>(index: number, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    const { status, type, detail, more } = error
    throw new Problem(status, type, `Edit ${index}: ${detail}`, { ...more, pointer: `/edits/${index}${typeof more.pointer === 'string' ? more.pointer : ''}`, faults: [{ index, status, type, detail, ...more }] })
  }
}

/** The names that creations have in this batch, each once; ids come later. */
function refsOf(changes: readonly Change[]): Map<string, number> {
  const named = new Map<string, number>()
  changes.forEach((change, index) => at(index, () => {
    if (change.action !== 'create' || change.ref === undefined) return
    if (named.has(change.ref)) throw badBody(`the ref “${change.ref}” was given to another new feature of this batch.`, { pointer: '/ref' })
    named.set(change.ref, 0)
  }))
  return named
}

function editOf(call: Call, change: Change, named: ReadonlyMap<string, number>): Edit {
  const { reader } = call
  const layer = layerOf(call, change.collection)
  if (change.action === 'delete') return { action: 'delete', layer, id: idOf(change.id, named), ...lock(change) }
  const crs = change.crs === undefined ? CRS84 : bodyCrs(change.crs, layer, detail => badBody(detail, { pointer: '/crs' }))
  const feature = withIds(layer, change.feature as GivenFeature, named)
  switch (change.action) {
    case 'create': return { action: 'create', layer, feature: createdFeature(layer, reader, feature, crs), ...(change.ref !== undefined && { id: named.get(change.ref)! }) }
    case 'replace': return { action: 'update', layer, id: idOf(change.id, named), feature: replacingFeature(layer, reader, feature, crs), ...lock(change) }
    case 'update': return { action: 'update', merge: true, layer, id: idOf(change.id, named), feature: patchedFeature(layer, reader, feature, crs), ...lock(change) }
  }
}

const lock = ({ ifMatch }: { readonly ifMatch?: number | string }): Lock =>
  (ifMatch === undefined ? {} : { ifMatch: typeof ifMatch === 'number' ? ifMatch : revisionsOf(ifMatch) })

function idOf(id: number | Static<typeof Ref>, named: ReadonlyMap<string, number>): number {
  if (typeof id === 'number') return id
  const found = named.get(id.$ref)
  if (found === undefined) throw badBody(`no creation of this batch has the ref “${id.$ref}”.`, { pointer: '/id' })
  return found
}

/** Attributes that point to new features of the batch hold their ids; as text where the column is text. */
function withIds(layer: Layer, feature: GivenFeature, named: ReadonlyMap<string, number>): GivenFeature {
  if (!feature.properties || named.size === 0) return feature
  const text = new Set(layer.columns.filter(({ type }) => type === 'text').map(({ name }) => name))
  const properties = Object.entries(feature.properties).map(([name, value]) => {
    const ref = (value as Partial<Static<typeof Ref>> | null)?.$ref
    if (typeof ref !== 'string') return [name, value]
    const id = idOf({ $ref: ref }, named)
    return [name, text.has(name) ? String(id) : id]
  })
  return { ...feature, properties: Object.fromEntries(properties) }
}
