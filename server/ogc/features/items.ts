import { once } from 'node:events'
import type { Response } from 'express'
import { notFound } from '../../errors.js'
import { goneProblem } from '../../history/division.js'
import { timed } from '../../http/timing.js'
import type { Call } from '../../operations/operation.js'
import { here, linkHeader, selfLinks, type Link } from '../common/links.js'
import { GEOJSON_MEDIA, HTML_MEDIA, JSON_MEDIA, language, negotiate, type Language } from '../common/media.js'
import { sendText, vary } from '../common/respond.js'
import { parseAsOf } from '../common/time.js'
import { decodeCursor, encodeCursor } from './cursor.js'
import { itemPage, itemsPage } from './items-html.js'
import { layerOf } from './layers.js'
import { crsOf, itemsQuery, selectedProperties, type ItemsQuery } from './query.js'
import { countMatches, featureBatches, featureRow, type FeatureRow } from './rows.js'
import { etag, isFixed, itemEtag, notModified, schemaVersion, setValidators } from './validator.js'

const OFFERS = [GEOJSON_MEDIA, HTML_MEDIA]

/** `GET /collections/{c}/items`: a page of features, streamed. */
export async function getItems(call: Call, response: Response): Promise<void> {
  const layer = layerOf(call)
  const media = negotiate(call.request, call.params.f, OFFERS)
  const lang = language(call.request, call.params.lang)
  const query = await itemsQuery(call, layer)
  const after = decodeCursor(call.params.cursor)
  vary(response, lang)
  response.setHeader('Content-Crs', `<${query.crs.uri}>`)

  const { store } = call.app
  const revision = await store.layerRevision(layer, call.branch, query.view.asOf)
  const tag = etag(revision, call.request.originalUrl, call.reader.clearance, call.origin, media.type, lang, schemaVersion(layer))
  if (notModified(call, response, tag, isFixed(query.view.asOf) ? 'fixed' : 'live')) return

  const limit = call.params.limit as number
  const matched = await timed(response, 'count', () => countMatches(store, query))
  if (matched !== undefined) response.setHeader('OGC-NumberMatched', String(matched))
  const batches = featureBatches(store, query, after, limit + 1)
  const links = (more: FeatureRow | undefined): Link[] => [
    ...selfLinks(call, media, OFFERS, layer.title[lang]),
    ...(more ? [{ href: here(call, { cursor: encodeCursor(more.id), f: media.f }), rel: 'next', type: media.type, title: lang === 'vi' ? 'Trang sau' : 'Next page' }] : []),
    { href: `${call.base}/ogc/collections/${layer.id}`, rel: 'collection', type: JSON_MEDIA.type, title: layer.title[lang] },
  ]
  if (media === HTML_MEDIA) return sendPage(call, response, query, batches, { limit, matched, lang, links })
  await stream(call, response, batches, { limit, matched, links })
}

interface Paging { readonly limit: number; readonly matched: number | undefined; readonly links: (last: FeatureRow | undefined) => Link[] }

/** Writes features as they come; the counts and links that need the whole page stand at its end. */
async function stream(call: Call, response: Response, batches: AsyncGenerator<readonly FeatureRow[]>, { limit, matched, links }: Paging): Promise<void> {
  // The first batch before the first byte: what can go wrong still has a status to say so.
  let batch = await timed(response, 'query', () => batches.next())
  response.setHeader('Content-Type', GEOJSON_MEDIA.type)
  if (call.request.method === 'HEAD') return void response.end()
  response.write(`{"type":"FeatureCollection","timeStamp":"${new Date().toISOString()}",${matched === undefined ? '' : `"numberMatched":${matched},`}"features":[`)
  let returned = 0
  let last: FeatureRow | undefined
  let more = false
  for (; !batch.done; batch = await batches.next()) {
    const page = batch.value.slice(0, limit - returned)
    more = batch.value.length > page.length
    const text = page.map(({ feature }) => feature).join(',\n')
    if (text) await write(call, response, (returned > 0 ? ',\n' : '') + text)
    returned += page.length
    last = page[page.length - 1] ?? last
    if (call.signal.aborted) return
  }
  response.end(`],"numberReturned":${returned},"links":${JSON.stringify(links(more ? last : undefined))}}`)
}

/** Waits where the client reads slower than the database writes. */
async function write(call: Call, response: Response, text: string): Promise<void> {
  if (!response.write(text)) await once(response, 'drain', { signal: call.signal }).catch(() => {})
}

async function sendPage(
  call: Call, response: Response, query: ItemsQuery, batches: AsyncGenerator<readonly FeatureRow[]>, { limit, matched, lang, links }: Paging & { lang: Language },
): Promise<void> {
  const rows: FeatureRow[] = []
  for await (const batch of batches) rows.push(...batch)
  const page = rows.slice(0, limit)
  const all = links(rows.length > limit ? page[page.length - 1] : undefined)
  response.setHeader('Link', linkHeader(all.filter(({ rel }) => rel !== 'collection')))
  const features = page.map(({ feature }) => JSON.parse(feature))
  sendText(response, 'text/html; charset=utf-8', itemsPage(call, query, features, { matched, lang, limit, next: all.find(({ rel }) => rel === 'next')?.href }))
}

/** `GET /collections/{c}/items/{id}`. */
export async function getItem(call: Call, response: Response): Promise<void> {
  const layer = layerOf(call)
  const media = negotiate(call.request, call.params.f, OFFERS)
  const lang = language(call.request, call.params.lang)
  const crs = crsOf(call.params.crs, 'crs', layer)
  const properties = selectedProperties(layer, call)
  const asOf = parseAsOf(call.params.asOf)
  const id = /^\d{1,16}$/.test(call.params.featureId) ? Number(call.params.featureId) : NaN
  const query: ItemsQuery = { layer, crs, properties, whole: false, view: { layer, branch: call.branch, asOf, reader: call.reader, run: call.params.run } }
  const row = Number.isSafeInteger(id) ? await timed(response, 'query', () => featureRow(call.app.store, query, id)) : undefined
  if (!row) throw await goneProblem(call, layer, id, asOf) ?? notFound(`${layer.id} has no feature “${String(call.params.featureId).slice(0, 60)}”${asOf === 'now' ? '' : ' as of then'}.`)

  vary(response, lang)
  response.setHeader('Content-Crs', `<${crs.uri}>`)
  const tag = itemEtag(row.revision, row.id, call.request.originalUrl, call.reader.clearance, call.origin, media.type, lang, schemaVersion(layer))
  setValidators(response, tag, row.at)
  if (notModified(call, response, tag, isFixed(asOf) ? 'fixed' : 'live')) return
  const links: Link[] = [
    ...selfLinks(call, media, OFFERS, `${layer.title[lang]} ${row.id}`),
    { href: `${call.base}/ogc/collections/${layer.id}`, rel: 'collection', type: JSON_MEDIA.type, title: layer.title[lang] },
    ...(layer.kind === 'city' ? [{ href: `${call.base}/ogc/collections/${layer.id}/items/${row.id}/versions`, rel: 'version-history', type: JSON_MEDIA.type }] : []),
  ]
  if (media === HTML_MEDIA) {
    response.setHeader('Link', linkHeader(links))
    return sendText(response, 'text/html; charset=utf-8', itemPage(call, query, JSON.parse(row.feature), lang))
  }
  sendText(response, GEOJSON_MEDIA.type, `${row.feature.slice(0, -1)},"links":${JSON.stringify(links)}}`)
}

