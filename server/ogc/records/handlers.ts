import type { Response } from 'express'
import { CRS84, findCrs } from '../../../core/crs.js'
import type { Column } from '../../../layers/layer.js'
import { badParameter, notFound } from '../../errors.js'
import { timed } from '../../http/timing.js'
import type { Call } from '../../operations/operation.js'
import { html, linkList, page as htmlPage, type Html } from '../common/html.js'
import { here, linkHeader, REL, selfLinks, type Link } from '../common/links.js'
import { GEOJSON_MEDIA, HTML_MEDIA, language, negotiate, SCHEMA_MEDIA, type Language, type Media } from '../common/media.js'
import { respond, sendText, vary } from '../common/respond.js'
import type { OtherCollection } from '../features/collections.js'
import { etag, notModified } from '../features/validator.js'
import { dcatCatalogue, dcatDataset, schemaOrgCatalogue, schemaOrgDataset } from './dcat.js'
import { recordsOf } from './gather.js'
import { catalogueUrl, LICENCES, PROFILE_CATALOG, toFeature } from './geojson.js'
import { recordHtml, resultsHtml } from './page.js'
import { CATALOGUE, type CatalogueRecord } from './record.js'
import { RECORDS, search, SORTABLES } from './search.js'

const CATALOG_MEDIA: Media = { f: 'json', type: 'application/ogc-catalog+json' }
const DCAT_MEDIA: Media = { f: 'dcat', type: 'application/ld+json' }
const SCHEMA_ORG_MEDIA: Media = { f: 'schemaorg', type: 'application/ld+json;profile="https://schema.org"' }
const offers = (json: Media) => [json, HTML_MEDIA, DCAT_MEDIA, SCHEMA_ORG_MEDIA]

const SORTABLES_REL = 'http://www.opengis.net/def/rel/ogc/1.0/sortables'
const CRS84_URI = CRS84.uri

/** Extents are drawn in degrees alone. */
function refuseOtherCrs({ params: { crs } }: Call): void {
  if (crs !== undefined && findCrs(crs)?.uri !== CRS84_URI) throw badParameter('crs', `Records come in ${CRS84_URI} only, not in “${String(crs).slice(0, 80)}”.`)
}

/** The catalogue among the collections. */
export const catalogueCollection: OtherCollection = {
  id: CATALOGUE,
  describe: describeCatalogue,
}

function describeCatalogue(call: Call, lang: Language, own: readonly Link[]) {
  const url = catalogueUrl(call)
  return {
    id: CATALOGUE, type: 'Collection', itemType: 'record', title: RECORDS.title[lang], description: RECORDS.description[lang],
    license: RECORDS.licence, crs: [CRS84_URI], storageCrs: CRS84_URI, defaultSortOrder: [{ field: 'title', direction: 'asc' }],
    links: [
      ...own, PROFILE_CATALOG,
      { href: `${url}/items`, rel: 'items', type: GEOJSON_MEDIA.type, title: lang === 'vi' ? 'Bản ghi (GeoJSON)' : 'Records (GeoJSON)' },
      { href: `${url}/items?f=html`, rel: 'items', type: HTML_MEDIA.type, title: lang === 'vi' ? 'Tìm trong danh mục' : 'Search the catalogue' },
      { href: `${url}/queryables`, rel: REL.queryables, type: SCHEMA_MEDIA.type, title: 'Queryables' },
      { href: `${url}/sortables`, rel: SORTABLES_REL, type: SCHEMA_MEDIA.type, title: 'Sortables' },
      { href: `${url}/schema`, rel: REL.schema, type: SCHEMA_MEDIA.type, title: 'Schema' },
      { href: LICENCES[RECORDS.licence]!, rel: 'license', title: RECORDS.licence },
    ],
  }
}

function catalogueHtml(call: Call, lang: Language): Html {
  const url = catalogueUrl(call)
  return linkList([
    [lang === 'vi' ? 'Tìm trong danh mục' : 'Search the catalogue', `${url}/items?f=html`], ['DCAT-AP', `${url}?f=dcat`, 'JSON-LD'], ['schema.org', `${url}?f=schemaorg`, 'JSON-LD'],
    ['Queryables', `${url}/queryables`], ['Sortables', `${url}/sortables`],
  ])
}

/** `GET /collections/catalogue`: its description, or with all its records for portals. */
export async function getCatalogue(call: Call, response: Response): Promise<void> {
  const media = negotiate(call.request, call.params.f, offers(CATALOG_MEDIA))
  const lang = language(call.request, call.params.lang)
  const own = selfLinks(call, media, offers(CATALOG_MEDIA), RECORDS.title[lang])
  await send(call, response, media, lang, {
    title: RECORDS.title[lang], own, crumbs: crumbs(call, lang, false),
    json: () => describeCatalogue(call, lang, own),
    html: () => html`<p>${RECORDS.description[lang]}</p>${catalogueHtml(call, lang)}`,
    dcat: async () => dcatCatalogue(call, await call.app.store.city(), await recordsOf(call)),
    schemaOrg: async () => schemaOrgCatalogue(call, await call.app.store.city(), await recordsOf(call), lang),
  })
}

/** `GET /collections/catalogue/items`. */
export async function getRecords(call: Call, response: Response): Promise<void> {
  const media = negotiate(call.request, call.params.f, offers(GEOJSON_MEDIA))
  const lang = language(call.request, call.params.lang)
  refuseOtherCrs(call)
  const records = await timed(response, 'records', () => recordsOf(call))
  const matched = await timed(response, 'query', () => search(call, records, lang))
  const start = startOf(call.params.cursor, matched)
  const page = matched.slice(start, start + call.params.limit)
  const next = start + page.length < matched.length ? here(call, { cursor: encodeCursor(page[page.length - 1]!, start + page.length), f: media.f }) : undefined
  const own: Link[] = [
    ...selfLinks(call, media, offers(GEOJSON_MEDIA), RECORDS.title[lang]), PROFILE_CATALOG,
    ...(next ? [{ href: next, rel: 'next', type: media.type, title: lang === 'vi' ? 'Trang sau' : 'Next page' }] : []),
    { href: catalogueUrl(call), rel: 'collection', type: CATALOG_MEDIA.type, title: RECORDS.title[lang] },
  ]
  response.setHeader('OGC-NumberMatched', String(matched.length))
  response.setHeader('OGC-NumberReturned', String(page.length))
  response.setHeader('Content-Crs', `<${CRS84_URI}>`)
  await send(call, response, media, lang, {
    title: RECORDS.title[lang], own, crumbs: crumbs(call, lang, false),
    json: () => ({ type: 'FeatureCollection', numberMatched: matched.length, numberReturned: page.length, features: page.map(record => toFeature(call, record, lang)), links: own }),
    html: () => resultsHtml(call, { matched, page, next }, lang),
    dcat: async () => dcatCatalogue(call, await call.app.store.city(), page),
    schemaOrg: async () => schemaOrgCatalogue(call, await call.app.store.city(), page, lang),
  })
}

/** `GET /collections/catalogue/items/{id}`. A record that the reader may not know of is as unknown as one that there is not. */
export async function getRecord(call: Call, response: Response): Promise<void> {
  const media = negotiate(call.request, call.params.f, offers(GEOJSON_MEDIA))
  const lang = language(call.request, call.params.lang)
  refuseOtherCrs(call)
  const record = (await recordsOf(call)).find(({ id }) => id === call.params.recordId)
  if (!record) throw notFound(`The catalogue has no record “${String(call.params.recordId).slice(0, 80)}”. GET ${catalogueUrl(call)}/items lists them.`)
  const own = selfLinks(call, media, offers(GEOJSON_MEDIA), record.title[lang])
  response.setHeader('Content-Crs', `<${CRS84_URI}>`)
  await send(call, response, media, lang, {
    title: record.title[lang], own, crumbs: crumbs(call, lang, true),
    json: () => toFeature(call, record, lang, own), html: () => recordHtml(call, record, lang),
    dcat: () => dcatDataset(call, record), schemaOrg: () => schemaOrgDataset(call, record, lang),
  })
}

interface Views {
  readonly title: string
  readonly own: readonly Link[]
  readonly crumbs: readonly (readonly [string, string])[]
  readonly json: () => unknown
  readonly html: () => Html
  readonly dcat: () => unknown
  readonly schemaOrg: () => unknown
}

/** In the representation wanted, with a validator of its own text. */
async function send(call: Call, response: Response, media: Media, lang: Language, { title, own, crumbs, json, html, dcat, schemaOrg }: Views): Promise<void> {
  const isPage = media === HTML_MEDIA
  const text = isPage
    ? htmlPage({ lang, title, crumbs, body: html(), jsonLd: await schemaOrg(), otherLanguage: here(call, { lang: lang === 'vi' ? 'en' : 'vi' }), json: here(call, { f: 'json' }) })
    : JSON.stringify(await (media === DCAT_MEDIA ? dcat() : media === SCHEMA_ORG_MEDIA ? schemaOrg() : json()))
  vary(response, lang)
  response.setHeader('Link', linkHeader([...own.filter(({ rel }) => rel !== 'collection'), { href: `${catalogueUrl(call)}/items`, rel: 'http://www.opengis.net/def/rel/ogc/1.0/ogc-catalog' }]))
  if (notModified(call, response, etag(text), 'live')) return
  sendText(response, isPage ? 'text/html; charset=utf-8' : media.type, text)
}

function crumbs({ origin }: Call, lang: Language, isRecord: boolean): [string, string][] {
  return [['dothi', `${origin}/ogc`], [lang === 'vi' ? 'Tập dữ liệu' : 'Collections', `${origin}/ogc/collections`], ...(isRecord ? [[RECORDS.title[lang], `${catalogueUrl({ origin })}/items`] as [string, string]] : [])]
}

/** The next page starts behind this record, or where it was should it be gone. */
const encodeCursor = ({ id }: CatalogueRecord, offset: number) => Buffer.from(`${offset}>${id}`).toString('base64url')

function startOf(cursor: string | undefined, matched: readonly CatalogueRecord[]): number {
  if (cursor === undefined) return 0
  const [, offset, id] = /^(\d{1,9})>(.{1,80})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? []
  if (offset === undefined) throw badParameter('cursor', 'This cursor is not one of ours: follow the “next” link of a page, or leave it out to start anew.')
  const last = matched.findIndex(record => record.id === id)
  return last < 0 ? Number(offset) : last + 1
}

const PROPERTIES: Readonly<Record<'queryables' | 'sortables' | 'schema', readonly Column[]>> = { queryables: RECORDS.columns, sortables: SORTABLES, schema: RECORDS.columns }

/** `GET …/queryables`, `…/sortables`, `…/schema`. */
export function getRecordSchema(kind: keyof typeof PROPERTIES) {
  return (call: Call, response: Response): void => {
    const lang = language(call.request, call.params.lang)
    const document = {
      $schema: 'https://json-schema.org/draft/2020-12/schema', $id: `${catalogueUrl(call)}/${kind}`, type: 'object', title: RECORDS.title[lang],
      properties: {
        ...(kind === 'sortables' ? {} : { geometry: { title: lang === 'vi' ? 'Phạm vi' : 'Extent', format: 'geometry-any', 'x-ogc-role': 'primary-geometry' } }),
        ...Object.fromEntries(PROPERTIES[kind].map(column => [column.name, propertySchema(column, lang)])),
      },
      additionalProperties: false,
    }
    respond(call, response, {
      title: `${RECORDS.title[lang]}: ${kind}`, crumbs: crumbs(call, lang, true), json: () => document, html: () => html`<pre><code>${JSON.stringify(document, null, 2)}</code></pre>`,
    }, SCHEMA_MEDIA)
  }
}

function propertySchema({ name, type, title, codes }: Column, lang: Language): object {
  const kind = type === 'timestamp' ? { type: 'string', format: 'date-time' } : type === 'integer' ? { type: 'integer' } : type === 'json' ? { type: 'array', items: { type: 'string' } } : { type: 'string' }
  return { ...kind, title: title[lang], ...(codes && { enum: Object.keys(codes) }), ...(name === 'id' && { 'x-ogc-role': 'id' }) }
}
