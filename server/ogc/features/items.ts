import { randomUUID } from 'node:crypto'
import type { Response } from 'express'
import type { Layer } from '../../../layers/layer.js'
import { notFound } from '../../errors.js'
import { goneProblem } from '../../history/division.js'
import { timed } from '../../http/timing.js'
import type { Call } from '../../operations/operation.js'
import { here, REL, selfLinks, type Link } from '../common/links.js'
import { JSON_MEDIA, language, negotiate, SCHEMA_MEDIA, type Language } from '../common/media.js'
import { vary } from '../common/respond.js'
import { parseAsOf } from '../common/time.js'
import { decodeCursor, encodeCursor, type Cursor } from './cursor.js'
import { ITEM_FORMATS, type ItemFormat } from './formats.js'
import { layerOf } from './layers.js'
import { sortName } from './order.js'
import { profilesOf } from './profiles.js'
import { crsOf, itemsQuery, selectedProperties, type ItemsQuery } from './query.js'
import { countMatches, featureRow, windowOf } from './rows.js'
import { etag, isFixed, itemEtag, notModified, schemaVersion, setValidators } from './validator.js'

const OFFERS = ITEM_FORMATS.map(({ media }) => media)

function formatOf(call: Call): ItemFormat {
  const media = negotiate(call.request, call.params.f, OFFERS)
  return ITEM_FORMATS.find((format) => format.media === media)!
}

/** `GET /collections/{c}/items`: a page of features, streamed. */
export async function getItems(call: Call, response: Response): Promise<void> {
  const layer = layerOf(call)
  const format = formatOf(call)
  const { media } = format
  const lang = language(call.request, call.params.lang)
  const query = await itemsQuery(call, layer)
  const start = decodeCursor(call.params.cursor, sortName(query.sort), query.sort?.length)
  vary(response, lang)
  response.setHeader('Content-Crs', `<${query.crs.uri}>`)

  const { store } = call.app
  const revision = await store.layerRevision(layer, call.branch, query.view.asOf)
  const tag = etag(revision, call.request.originalUrl, call.reader.clearance, call.origin, media.type, lang, schemaVersion(layer), query.dependsOnMore ? randomUUID() : '')
  if (notModified(call, response, tag, isFixed(query.view.asOf) && !query.dependsOnMore ? 'fixed' : 'live')) return

  const limit = call.params.limit as number
  const matched = await timed(response, 'count', () => countMatches(store, query, revision))
  if (matched !== undefined) response.setHeader('OGC-NumberMatched', String(matched))
  const vi = lang === 'vi'
  const beside = (rel: string, title: string, cursor: Cursor | undefined): Link[] =>
    (cursor ? [{ href: here(call, { cursor: encodeCursor(cursor, sortName(query.sort)), f: media.f }), rel, type: media.type, title }] : [])
  await format.write(call, response, {
    query, limit, matched, lang, window: await windowOf(store, query, start, limit),
    links: ({ next, prev }) => [
      ...selfLinks(call, media, OFFERS, layer.title[lang]),
      ...beside('next', vi ? 'Trang sau' : 'Next page', next), ...beside('prev', vi ? 'Trang trước' : 'Previous page', prev),
      ...collectionLinks(call, layer, lang),
    ],
  })
}

function collectionLinks({ base }: Call, { id, title }: Layer, lang: Language): Link[] {
  const collection = `${base}/ogc/collections/${id}`
  return [
    { href: collection, rel: 'collection', type: JSON_MEDIA.type, title: title[lang] },
    { href: `${collection}/schema`, rel: REL.schema, type: SCHEMA_MEDIA.type },
    { href: `${collection}/queryables`, rel: REL.queryables, type: SCHEMA_MEDIA.type },
    { href: `${collection}/sortables`, rel: REL.sortables, type: SCHEMA_MEDIA.type },
  ]
}

/** `GET /collections/{c}/items/{id}`. */
export async function getItem(call: Call, response: Response): Promise<void> {
  const layer = layerOf(call)
  const format = formatOf(call)
  const { media } = format
  const lang = language(call.request, call.params.lang)
  const crs = crsOf(call.params.crs, 'crs', layer)
  const properties = selectedProperties(layer, call)
  const asOf = parseAsOf(call.params.asOf)
  const id = /^\d{1,16}$/.test(call.params.featureId) ? Number(call.params.featureId) : NaN
  const query: ItemsQuery = {
    layer, crs, properties, whole: false, skipsGeometry: call.params.skipGeometry === true, profiles: profilesOf(call.params.profile),
    view: { layer, branch: call.branch, asOf, reader: call.reader, run: call.params.run },
  }
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
  if (format.writeItem) return format.writeItem(call, response, { query, row, lang, links })
  await format.write(call, response, { query: { ...query, only: row.id }, limit: 1, matched: 1, window: {}, lang, links: () => links })
}
