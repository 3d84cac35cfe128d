/** Split, merge and lineage of parcels and administrative units. */
import { Type, type Static } from '@sinclair/typebox'
import type { Response } from 'express'
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import { badBody, Problem } from '../errors.js'
import { lockOf, metaOf } from '../edits/preconditions.js'
import { parseAsOf } from '../ogc/common/time.js'
import { linkHeader } from '../ogc/common/links.js'
import type { Call } from '../operations/operation.js'
import type { Layer } from '../../layers/layer.js'
import { DEFAULT_TOLERANCE, lineageOf, mergeFeatures, splitFeature, successorsOf, type Divided, type LineageLink } from '../store/lineage.js'
import { hiddenFields } from '../store/conflicts.js'
import type { AsOf } from '../store/store.js'
import { revisionAsOf } from '../store/view.js'
import { cityLayerOf, featureIdOf, fresh, itemUrl } from './feature-history.js'

const closed = { additionalProperties: false }
const Geometry = Type.Object({ type: Type.String(), coordinates: Type.Array(Type.Any()) }, { additionalProperties: true, description: 'GeoJSON, CRS84.' })
const Properties = Type.Object({}, { additionalProperties: true })
const Tolerance = Type.Optional(Type.Number({ minimum: 0, maximum: 0.1, default: DEFAULT_TOLERANCE, description: 'How far boundaries may be apart and still be one, metres.' }))
const Reason = Type.Optional(Type.String({ maxLength: 1000 }))

export const SplitBody = Type.Object({
  id: Type.Integer({ minimum: 1, description: 'The feature to divide.' }),
  line: Type.Optional(Geometry),
  parts: Type.Optional(Type.Array(Type.Object({ geometry: Geometry, properties: Type.Optional(Properties) }, closed), { minItems: 2, maxItems: 200 })),
  properties: Type.Optional(Type.Array(Properties, { maxItems: 200, description: 'With “line”: of the parts, largest first.' })),
  tolerance: Tolerance, reason: Reason,
}, closed)
export const MergeBody = Type.Object({
  ids: Type.Array(Type.Integer({ minimum: 1 }), { minItems: 2, maxItems: 200 }),
  properties: Type.Optional(Properties), tolerance: Tolerance, reason: Reason,
}, closed)

/** `POST /collections/{c}/split`. */
export async function split(call: Call, response: Response): Promise<void> {
  const layer = cityLayerOf(call)
  const { id, line, parts, properties, tolerance = DEFAULT_TOLERANCE, reason } = call.body as Static<typeof SplitBody>
  if ((line === undefined) === (parts === undefined)) throw badBody('Give “line”, which cuts the feature, or “parts”, the polygons that it becomes: one of them.')
  for (const given of [...parts?.map(part => part.properties) ?? [], ...properties ?? []]) refuseHidden(call, layer, given)
  const divided = await splitFeature(call.app.store, {
    ...common(call, layer, tolerance, reason, `split ${layer.id} ${id}`), id, properties, ifMatch: lockOf(call).ifMatch,
    line: line as GeoJsonGeometry | undefined, parts: parts as { geometry: GeoJsonGeometry; properties?: Record<string, unknown> }[] | undefined,
  })
  answer(call, response, layer, divided)
}

/** `POST /collections/{c}/merge`. */
export async function merge(call: Call, response: Response): Promise<void> {
  const layer = cityLayerOf(call)
  const { ids, properties, tolerance = DEFAULT_TOLERANCE, reason } = call.body as Static<typeof MergeBody>
  refuseHidden(call, layer, properties)
  answer(call, response, layer, await mergeFeatures(call.app.store, { ...common(call, layer, tolerance, reason, `merge ${layer.id} ${ids.join(', ')}`), ids, properties }))
}

const common = (call: Call, layer: Layer, tolerance: number, reason: string | undefined, fallback: string) =>
  ({ layer, branch: call.branch, reader: call.reader, tolerance, reason: metaOf(call, fallback, reason).reason })

/** A column that the reader may not see is not told from one that does not exist. */
function refuseHidden(call: Call, layer: Layer, properties: Readonly<Record<string, unknown>> = {}): void {
  const hidden = hiddenFields(layer, call.reader)
  for (const name of Object.keys(properties)) if (hidden.has(name)) throw new Problem(422, 'invalid-feature', `“${layer.id}” has no property “${name}”.`)
}

function answer(call: Call, response: Response, layer: Layer, { revision, parents, children }: Divided): void {
  response.status(201).set({ 'X-Revision': String(revision.revision), 'Cache-Control': 'no-store', ...(children.length === 1 && { Location: itemUrl(call, layer, children[0]!.id) }) }).json({
    collection: layer.id, revision, parents,
    children: children.map(child => ({ ...child, links: [{ href: itemUrl(call, layer, child.id), rel: 'item', type: 'application/geo+json' }] })),
  })
}

/** `GET …/items/{id}/lineage`: of any id, present or retired. */
export async function getLineage(call: Call, response: Response): Promise<void> {
  const layer = cityLayerOf(call)
  const id = featureIdOf(call)
  const asOf = await revisionAsOf(call.app.store.pool(call.reader.clearance), parseAsOf(call.params.asOf))
  const { ancestors, descendants } = await lineageOf(call.app.store, { layer, branch: call.branch, reader: call.reader, id, asOf })
  const told = (link: LineageLink) => ({ ...link, links: [{ href: `${itemUrl(call, layer, link.parent)}?asOf=${link.revision - 1}`, rel: 'predecessor-version' }, { href: `${itemUrl(call, layer, link.child)}?asOf=${link.revision}`, rel: 'successor-version' }] })
  fresh(call, response).json({ collection: layer.id, id, ancestors: ancestors.map(told), descendants: descendants.map(told) })
}

/** A 410 for an id that divided or merged, with links to what it became; undefined for any other. */
export async function goneProblem(call: Call, layer: Layer, id: number, asOf: AsOf): Promise<Problem | undefined> {
  if (layer.kind !== 'city' || !Number.isSafeInteger(id)) return undefined
  const { store } = call.app
  const successors = await successorsOf(store, { layer, branch: call.branch, reader: call.reader, id, asOf: await revisionAsOf(store.pool(call.reader.clearance), asOf) })
  const [first] = successors
  if (!first) return undefined
  const links = successors.map(({ child }) => ({ href: itemUrl(call, layer, child), rel: 'successor-version', type: 'application/geo+json' }))
  return new Problem(410, 'gone', `${layer.id} ${id} ${first.kind === 'split' ? 'was divided into' : 'was merged into'} ${successors.map(({ child }) => child).join(', ')} by revision ${first.revision}.`, {
    successors: successors.map(({ child, shareOfParent, shareOfChild, kind, revision, at }) => ({ id: child, kind, revision, at, shareOfParent, shareOfChild, href: itemUrl(call, layer, child) })),
    links: [...links, { href: `${itemUrl(call, layer, id)}?asOf=${first.revision - 1}`, rel: 'predecessor-version', type: 'application/geo+json' }, { href: `${itemUrl(call, layer, id)}/lineage`, rel: 'related', type: 'application/json' }],
  }, { Link: linkHeader(links) })
}
