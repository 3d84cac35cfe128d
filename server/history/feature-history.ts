/** Versions of a feature, what differs between two moments of a layer, and bringing a feature back. */
import { once } from 'node:events'
import type { Response } from 'express'
import { badParameter, notFound } from '../errors.js'
import { lockOf, metaOf } from '../edits/preconditions.js'
import { linkHeader, here, type Link } from '../ogc/common/links.js'
import { GEOJSON_MEDIA } from '../ogc/common/media.js'
import { cacheControl, vary } from '../ogc/common/respond.js'
import { parseAsOf } from '../ogc/common/time.js'
import { cursorAfter, idAfter } from '../ogc/features/cursor.js'
import { layerOf } from '../ogc/features/layers.js'
import type { Call } from '../operations/operation.js'
import type { BBox } from '../../core/bbox.js'
import type { Layer } from '../../layers/layer.js'
import type { RowRecord } from '../store/changes.js'
import { geoJson, shownFields } from '../store/conflicts.js'
import { fieldsOf, layerDiff, pinned, versionsOf, type DiffRow } from '../store/history.js'
import { restoreFeature } from '../store/undo.js'
import { revisionAsOf } from '../store/view.js'

/** The layer of the path, of those with a past. */
export function cityLayerOf(call: Call): Layer {
  const layer = layerOf(call)
  if (layer.kind !== 'city') throw notFound(`“${layer.id}” has no history: it holds ${layer.kind === 'run' ? 'results of runs, which nobody changes' : 'what checks find now'}.`)
  return layer
}

/** The id of the path; what is no id is as unknown as any other. */
export function featureIdOf(call: Call): number {
  const id = /^\d{1,16}$/.test(call.params.featureId) ? Number(call.params.featureId) : 0
  if (id < 1 || !Number.isSafeInteger(id)) throw notFound(`${call.params.collectionId} has no feature “${String(call.params.featureId).slice(0, 60)}”.`)
  return id
}

export const itemUrl = ({ base }: Call, layer: Layer, id: number) => `${base}/ogc/collections/${layer.id}/items/${id}`

/** Answers that stand on the present: never from a cache without asking. */
export function fresh(call: Call, response: Response): Response {
  vary(response)
  return response.set('Cache-Control', cacheControl(call, 'live'))
}

/** `GET …/items/{id}/versions`: newest first. */
export async function getVersions(call: Call, response: Response): Promise<void> {
  const layer = cityLayerOf(call)
  const id = featureIdOf(call)
  const limit = call.params.limit as number
  const versions = await versionsOf(call.app.store, { layer, branch: call.branch, reader: call.reader, id }, limit + 1, call.params.before)
  if (versions.length === 0) throw notFound(`${layer.id} never had a feature ${id}${call.params.before ? ` before revision ${call.params.before}` : ''}.`)
  const page = versions.slice(0, limit)
  const links: Link[] = [
    { href: here(call), rel: 'self', type: 'application/json' }, { href: itemUrl(call, layer, id), rel: 'latest-version', type: GEOJSON_MEDIA.type },
    ...(versions.length > limit ? [{ href: here(call, { before: String(page[limit - 1]!.revision) }), rel: 'next', type: 'application/json' }] : []),
  ]
  fresh(call, response).set('Link', linkHeader(links)).json({
    collection: layer.id, id,
    versions: page.map(({ op, ...version }) => ({
      ...version, op,
      links: [
        ...(op === 'removed' ? [] : [{ href: `${itemUrl(call, layer, id)}?asOf=${version.revision}`, rel: 'item', type: GEOJSON_MEDIA.type }]),
        { href: `${call.base}/revisions/${version.revision}`, rel: 'related', type: 'application/json' },
      ],
    })),
    links,
  })
}

/** `GET /collections/{c}/diff?from=&to=`: GeoJSON features, streamed, by id. */
export async function getDiff(call: Call, response: Response): Promise<void> {
  const layer = cityLayerOf(call)
  const { reader, branch, app: { store }, params } = call
  const pool = store.pool(reader.clearance)
  const [from, to] = [await revisionAsOf(pool, parseAsOf(params.from)), await revisionAsOf(pool, parseAsOf(params.to))]
  const now = await pinned(store, reader, 'now')
  const query = { layer, branch, reader, from: from ?? now, to: to ?? now, bbox: boxOf(params.bbox) }
  if (query.from > query.to) throw badParameter('from', `The difference runs forward in time: “from” (revision ${query.from}) is later than “to” (revision ${query.to}).`)
  const batches = layerDiff(store, query, idAfter(params.cursor))
  let batch = await batches.next() // what can go wrong still has a status to say so
  fresh(call, response).set('Content-Type', GEOJSON_MEDIA.type)
  response.write(`{"type":"FeatureCollection","from":${query.from},"to":${query.to},"features":[`)
  const limit = params.limit as number
  let returned = 0
  let last: number | undefined
  let more = false
  for (; !batch.done && !more && !call.signal.aborted; batch = await batches.next()) {
    const page = batch.value.slice(0, limit - returned)
    more = page.length < batch.value.length
    const text = page.map(row => JSON.stringify(diffFeature(row))).join(',\n')
    if (text && !response.write((returned > 0 ? ',\n' : '') + text)) await once(response, 'drain', { signal: call.signal }).catch(() => {})
    returned += page.length
    last = page[page.length - 1]?.id ?? last
  }
  // The next page stands on the same two revisions, whatever is written meanwhile.
  const next = { href: here(call, { from: String(query.from), to: String(query.to), cursor: cursorAfter(last ?? 0) }), rel: 'next', type: GEOJSON_MEDIA.type }
  const links: Link[] = [{ href: here(call), rel: 'self', type: GEOJSON_MEDIA.type }, ...(more ? [next] : [])]
  response.end(`],"numberReturned":${returned},"links":${JSON.stringify(links)}}`)
}

function boxOf(numbers: readonly number[] | undefined): BBox | undefined {
  if (!numbers) return undefined
  if (numbers.length !== 4 || numbers[1]! > numbers[3]!) throw badParameter('bbox', 'bbox is four numbers in CRS84: west, south, east, north.')
  return numbers as unknown as BBox
}

/** The feature as it is, or was before it was removed; `before` and `after` hold the fields that differ, or all of one side. */
export function diffFeature({ id, change, fields, before, after }: DiffRow) {
  const [old, now] = [side(before), side(after)]
  const only = (values: Record<string, unknown> | null) => (values && change === 'changed' ? Object.fromEntries(fields.map(name => [name, values[name] ?? null])) : values)
  return {
    type: 'Feature', id, geometry: geoJson((after ?? before)!.geom),
    properties: { change, fields, revision: after?.revision ?? null, before: only(old), after: only(now) },
  }
}

const side = (row: RowRecord | null) => row && (shownFields(fieldsOf(row)) as Record<string, unknown>)

/** `POST …/items/{id}/restore?revision=`. */
export async function restore(call: Call, response: Response): Promise<void> {
  const layer = cityLayerOf(call)
  const id = featureIdOf(call)
  const { reader, branch, app: { store } } = call
  if ((call.params.revision === undefined) === (call.params.asOf === undefined)) throw badParameter('revision', 'Name the version to restore by one of “revision” and “asOf”; …/versions lists them.')
  const at = call.params.revision ?? await revisionAsOf(store.pool(reader.clearance), parseAsOf(call.params.asOf))
  if (at === null) throw badParameter('asOf', 'A feature is restored as of a time that is past: give a revision or an instant.')
  await revisionAsOf(store.pool(reader.clearance), at)
  const { ifMatch } = lockOf(call)
  const revision = await restoreFeature(store, { reader, branch, layer, id, revision: at, reason: metaOf(call, `restore ${layer.id} ${id} as of revision ${at}`).reason, ifMatch })
  if (revision) response.set('X-Revision', String(revision.revision))
  response.set('Cache-Control', 'no-store').json({ collection: layer.id, id, restored: at, revision, links: [{ href: itemUrl(call, layer, id), rel: 'item', type: GEOJSON_MEDIA.type }] })
}
