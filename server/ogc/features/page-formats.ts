/** Features as GeoJSON and as pages for people. */
import { once } from 'node:events'
import type { Response } from 'express'
import { timed } from '../../http/timing.js'
import type { Call } from '../../operations/operation.js'
import { linkHeader } from '../common/links.js'
import { GEOJSON_MEDIA, HTML_MEDIA } from '../common/media.js'
import { sendText } from '../common/respond.js'
import type { ItemFormat, ItemsPage } from './formats.js'
import { itemPage, itemsPage } from './items-html.js'
import type { Place } from './cursor.js'
import { featureTexts, neighbours, type FeatureBatch } from './rows.js'

export const geojson: ItemFormat = {
  media: GEOJSON_MEDIA,
  write: streamGeojson,
  writeItem: (_call, response, { row, links }) => sendText(response, GEOJSON_MEDIA.type, `${row.feature.slice(0, -1)},"links":${JSON.stringify(links)}}`),
}

/** Writes features as they come; the counts and links that need the whole page stand at its end. */
async function streamGeojson(call: Call, response: Response, page: ItemsPage): Promise<void> {
  const { query, window, limit, matched } = page
  const batches = featureTexts(call.app.store, query, window, limit, { signal: call.signal })
  // The first batch before the first byte: what can go wrong still has a status to say so.
  let batch = await timed(response, 'query', () => batches.next())
  response.setHeader('Content-Type', GEOJSON_MEDIA.type)
  if (call.request.method === 'HEAD') return void response.end()
  response.write(`{"type":"FeatureCollection","timeStamp":"${new Date().toISOString()}",${matched === undefined ? '' : `"numberMatched":${matched},`}"features":[`)
  let returned = 0
  let [first, last]: (Place | undefined)[] = []
  let more = false
  for (; !batch.done; batch = await batches.next()) {
    const { text, count } = batch.value
    if (returned > 0 && count > 0) response.write(',\n')
    if (count > 0) await write(call, response, text)
    if (call.signal.aborted) return
    returned += count
    first ??= batch.value.first
    last = batch.value.last ?? last
    more = batch.value.more
  }
  response.end(`],"numberReturned":${returned},"links":${JSON.stringify(page.links(neighbours(window, first, last, more)))}}`)
}

/** Waits where the client reads slower than the database writes. */
async function write(call: Call, response: Response, text: Uint8Array): Promise<void> {
  if (!response.write(text)) await once(response, 'drain', { signal: call.signal }).catch(() => {})
}

export const html: ItemFormat = {
  media: HTML_MEDIA,
  write: async (call, response, { query, window, limit, matched, lang, links }) => {
    const batches: FeatureBatch[] = []
    for await (const batch of featureTexts(call.app.store, query, window, limit, { signal: call.signal })) batches.push(batch)
    const last = batches[batches.length - 1]
    const all = links(neighbours(window, batches[0]?.first, last?.last, last?.more ?? false))
    response.setHeader('Link', linkHeader(all.filter(({ rel }) => rel !== 'collection')))
    const features = batches.flatMap(({ text }) => JSON.parse(`[${Buffer.from(text).toString()}]`))
    const next = all.find(({ rel }) => rel === 'next')?.href
    sendText(response, 'text/html; charset=utf-8', itemsPage(call, query, features, { matched, lang, limit, next }))
  },
  writeItem: (call, response, { query, row, lang, links }) => {
    response.setHeader('Link', linkHeader(links))
    sendText(response, 'text/html; charset=utf-8', itemPage(call, query, JSON.parse(row.feature), lang))
  },
}
