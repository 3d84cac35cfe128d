/** `/changes`, `/changes/rows`, `/changes/hash`: the feed for who asks. */
import type { Response } from 'express'
import type { BBox } from '../../core/bbox.js'
import { badParameter } from '../errors.js'
import { cacheControl, sendText, vary } from '../ogc/common/respond.js'
import { parseAsOf } from '../ogc/common/time.js'
import { etag, notModified, schemaVersion } from '../ogc/features/validator.js'
import type { Call } from '../operations/operation.js'
import { changedRows, changeEntries, feedLayers, latestRevision, layerHash, seesActors, type LayerHash, type RowCursor } from '../store/changes.js'
import type { Store } from '../store/store.js'
import { SingleFlightCache } from '../tiles3d/cache.js'
import { changeBody } from './body.js'

export async function getChanges(call: Call, response: Response): Promise<void> {
  const { since, limit, layers } = call.params
  const latest = await checkSince(call, since)
  vary(response)
  const asked = new URL(call.request.originalUrl, 'http://x').search
  if (notModified(call, response, etag('changes', call.branch, call.reader.clearance, latest, asked), 'live')) return
  const page = await changeEntries(call.app.store, { reader: call.reader, branch: call.branch, since, layers, bbox: boxOf(call), limit })
  const staff = seesActors(call.reader)
  sendJson(response, {
    changes: page.entries.map(entry => ({ revision: entry.revision, at: entry.at, ...(staff && { actor: entry.actor, reason: entry.reason }), ...changeBody(entry) })),
    through: page.through,
    more: page.more,
    links: [{ rel: 'next', href: here(call, 'changes', { since: page.through }), type: 'application/json' }],
  })
}

export async function getChangedRows(call: Call, response: Response): Promise<void> {
  const { since, limit, layers, after } = call.params
  await checkSince(call, since)
  const page = await changedRows(call.app.store, { reader: call.reader, branch: call.branch, since, after: after === undefined ? null : cursorFrom(after), layers, limit })
  vary(response)
  response.setHeader('Cache-Control', cacheControl(call, 'live'))
  const next = page.after && cursorText(page.after)
  const staff = seesActors(call.reader)
  sendJson(response, {
    rows: page.rows.map(({ actor, reason, ...row }) => staff ? { ...row, actor, reason } : row),
    through: page.through, after: next, more: page.more,
    links: [{ rel: 'next', href: here(call, 'changes/rows', { since: page.through, after: next ?? undefined }), type: 'application/json' }],
  })
}

/** Hashing reads a whole layer; it is done once a state of it. */
const hashes = new WeakMap<Store, SingleFlightCache<LayerHash>>()

export async function getChangesHash(call: Call, response: Response): Promise<void> {
  const { store } = call.app
  const { reader, branch } = call
  const asOf = parseAsOf(call.params.asOf)
  const cache = hashes.get(store) ?? new SingleFlightCache<LayerHash>(2000, () => 1)
  hashes.set(store, cache)
  const found: LayerHash[] = []
  // One after another: a whole city at once would take every connection.
  for (const layer of feedLayers(store, reader, call.params.layers)) {
    const revision = await store.layerRevision(layer, branch, asOf)
    found.push(await cache.get([layer.id, schemaVersion(layer), branch, reader.clearance, revision].join(' '), () => layerHash(store, { layer, branch, asOf: asOf === 'now' ? 'now' : revision, reader })))
  }
  vary(response)
  response.setHeader('Cache-Control', cacheControl(call, 'live'))
  sendJson(response, { layers: found })
}

/** Throws where the client has seen what never happened here: this store was restored from a backup, or is another one. */
export async function checkSince({ app, reader }: Call, since: number): Promise<number> {
  const latest = await latestRevision(app.store, reader)
  if (since > latest) throw badParameter('since', `Revision ${since} does not exist; the latest is ${latest}. If it once did, this store was restored from a backup: read everything again.`, { latest })
  return latest
}

/** Heights of a box of six are left out. */
export function boxOf({ params }: Pick<Call, 'params'>): BBox | undefined {
  const bbox = params.bbox as readonly number[] | undefined
  if (!bbox) return undefined
  if (bbox.length !== 4 && bbox.length !== 6) throw badParameter('bbox', 'A box has four numbers, or six with heights: west, south, east, north.')
  const [west, south, east, north] = bbox.length === 4 ? bbox : [bbox[0], bbox[1], bbox[3], bbox[4]]
  if (west! > east! || south! > north!) throw badParameter('bbox', 'The box ends before it begins: give west, south, east, north.')
  return [west!, south!, east!, north!]
}

/** `12.parcels.8796093022209`: revision, layer, id. */
const cursorText = ({ revision, layer, id }: RowCursor) => `${revision}.${layer}.${id}`

function cursorFrom(text: string): RowCursor {
  const [, revision, layer, id] = /^(\d{1,15})\.([a-z][a-z0-9_]{0,50})\.(\d{1,16})$/.exec(text) ?? []
  if (!layer || !Number.isSafeInteger(Number(id))) throw badParameter('after', `“${text.slice(0, 60)}” is no cursor: copy “after” of the page before.`)
  return { revision: Number(revision), layer, id: Number(id) }
}

/** This address with other parameters; undefined takes one away. */
function here({ base, request }: Call, path: string, changed: Readonly<Record<string, string | number | undefined>>): string {
  const query = new URL(request.originalUrl, 'http://x').searchParams
  query.delete('after')
  for (const [name, value] of Object.entries(changed)) if (value !== undefined) query.set(name, String(value))
  return `${base}/${path}?${query}`
}

const sendJson = (response: Response, body: object) => sendText(response, 'application/json', JSON.stringify(body))
