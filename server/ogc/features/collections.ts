import type { Response } from 'express'
import type { BBox } from '../../../core/bbox.js'
import type { Layer } from '../../../layers/layer.js'
import type { Call } from '../../operations/operation.js'
import { html, type Html } from '../common/html.js'
import { linkHeader, REL, type Link } from '../common/links.js'
import { GEOJSON_MEDIA, HTML_MEDIA, JSON_MEDIA, language, SCHEMA_MEDIA, type Language } from '../common/media.js'
import { collectionsCrumbs, respond } from '../common/respond.js'
import { otherCollections } from '../other-collections.js'
import { cityBackdrop, layerBackdrop } from './backdrop.js'
import { collectionHtml, collectionsHtml, schemaHtml, schemaTitle } from './collections-html.js'
import { crssOf, layerOf, layersOf, storageCrs } from './layers.js'
import { profileLinks, profilesOf } from './profiles.js'
import { featureSchema, geoJsonSchema, queryablesSchema, sortablesSchema } from './schema.js'
import { volumeLinks } from '../volumes/volumes.js'

type Summary = Awaited<ReturnType<Call['app']['store']['layerSummary']>>

/** A collection that is no layer of features, such as a coverage; other-collections.ts lists those that the reader sees here. */
export interface OtherCollection {
  readonly id: string
  /** As it stands in the list and alone; `own` are its self and alternate links. */
  describe(call: Call, lang: Language, own: readonly Link[]): OtherDescription | Promise<OtherDescription>
  /** What its page shows below the description. */
  html?(call: Call, lang: Language): Html
  /** JSON Schema of what it holds. */
  schema?(call: Call, lang: Language): object
}
interface OtherDescription { readonly id: string; readonly title: string; readonly description: string; readonly links: readonly Link[] }

/** `GET /collections`. */
export async function getCollections(call: Call, response: Response): Promise<void> {
  const lang = language(call.request, call.params.lang)
  const known = await Promise.all(layersOf(call).map(async (layer) => ({ layer, summary: await call.app.store.layerSummary(layer, call.branch) })))
  // What is empty stands behind the rest: for people, and for suites that try the first twenty.
  const there = [...known.filter(({ summary }) => summary.bbox), ...known.filter(({ summary }) => !summary.bbox)]
  const [layers, summaries] = [there.map(({ layer }) => layer), there.map(({ summary }) => summary)]
  // Behind those with features, which conformance suites expect of the first twenty.
  const others = (await Promise.all((await otherCollections(call)).map((other) => other.describe(call, lang, selfAndPage(call, other.id))))).map(toldApart)
  const title = lang === 'vi' ? 'Tập dữ liệu' : 'Collections'
  respond(call, response, {
    title, crumbs: [['dothi', `${call.base}/ogc`]],
    json: (links) => ({
      links,
      crs: crssOf(layers[0] ?? ({} as Layer)).map(({ uri }) => uri),
      collections: [...layers.map((layer, i) => describe(call, layer, summaries[i]!, lang, [])), ...others],
    }),
    html: () => collectionsHtml(call, there, others, lang),
  })
}

/** `GET /collections/{c}`. */
export async function getCollection(call: Call, response: Response): Promise<void> {
  const lang = language(call.request, call.params.lang)
  const other = (await otherCollections(call)).find(({ id }) => id === call.params.collectionId)
  if (other) return respondOther(call, response, other, lang)
  const layer = layerOf(call)
  const summary = await call.app.store.layerSummary(layer, call.branch)
  const own = `${call.base}/ogc/collections/${layer.id}`
  const backdrops = await Promise.all([cityBackdrop(call), layerBackdrop(call, layer)])
  respond(call, response, {
    title: layer.title[lang], crumbs: collectionsCrumbs(call, lang),
    json: (links) => describe(call, layer, summary, lang, links),
    html: () => collectionHtml(call, { layer, summary }, backdrops, lang),
    jsonLd: { '@context': 'https://schema.org', '@type': 'Dataset', name: layer.title[lang], description: layer.description[lang], url: own, license: layer.licence, dateModified: summary.updated?.toISOString() },
  })
}

async function respondOther(call: Call, response: Response, other: OtherCollection, lang: Language): Promise<void> {
  const { title, description, ...rest } = await other.describe(call, lang, [])
  respond(call, response, {
    title, crumbs: collectionsCrumbs(call, lang),
    links: rest.links,
    json: (links) => ({ ...rest, title, description, links }),
    html: () => html`<p>${description}</p>${other.html?.(call, lang) ?? ''}`,
  })
}

/**
 * GDAL takes every collection for one of features, whatever its itemType: one without items would end a copy of the whole service.
 * It passes over those with this member of an early draft, for which it knows no word but those of coverages.
 */
const toldApart = (other: OtherDescription): OtherDescription & { readonly layerDataType?: 'Coverage' } =>
  (other.links.some(({ rel }) => rel === 'items') ? other : { ...other, layerDataType: 'Coverage' })

const selfAndPage = (call: Call, id: string): Link[] => [
  { href: `${call.base}/ogc/collections/${id}?f=json`, rel: 'self', type: JSON_MEDIA.type },
  { href: `${call.base}/ogc/collections/${id}?f=html`, rel: 'alternate', type: HTML_MEDIA.type },
]

/** The same words in the list and alone; extents come from summaries, never live. */
function describe(call: Call, layer: Layer, summary: Summary, lang: Language, own: readonly Link[]): unknown {
  const href = `${call.base}/ogc/collections/${layer.id}`
  return {
    id: layer.id, title: layer.title[lang], description: layer.description[lang],
    itemType: 'feature',
    extent: summary.bbox ? {
      spatial: { bbox: [withMargin(summary.bbox)], crs: crssOf(layer)[0]!.uri },
      temporal: { interval: [[null, null]], trs: 'http://www.opengis.net/def/uom/ISO-8601/0/Gregorian' },
    } : undefined,
    crs: crssOf(layer).map(({ uri }) => uri),
    storageCrs: storageCrs(layer).uri,
    defaultSortOrder: ['id'],
    license: layer.licence, attribution: layer.attribution,
    updated: summary.updated?.toISOString(),
    links: [
      ...(own.length > 0 ? own : [
        { href: `${href}?f=json`, rel: 'self', type: JSON_MEDIA.type, title: layer.title[lang] },
        { href: `${href}?f=html`, rel: 'alternate', type: HTML_MEDIA.type, title: layer.title[lang] },
      ]),
      { href: `${href}/items`, rel: 'items', type: GEOJSON_MEDIA.type, title: `${layer.title[lang]} (GeoJSON)` },
      { href: `${href}/items?f=html`, rel: 'items', type: HTML_MEDIA.type, title: `${layer.title[lang]} (HTML)` },
      { href: `${href}/schema`, rel: REL.schema, type: SCHEMA_MEDIA.type, title: 'Schema' },
      { href: `${href}/schema/geojson`, rel: 'describedby', type: SCHEMA_MEDIA.type, title: 'Schema of the GeoJSON' },
      // GDAL compares the relation's name with this capital letter.
      { href: `${href}/schema/geojson`, rel: 'describedBy', type: SCHEMA_MEDIA.type, title: 'Schema of the GeoJSON' },
      { href: `${href}/queryables`, rel: REL.queryables, type: SCHEMA_MEDIA.type, title: 'Queryables' },
      { href: `${href}/sortables`, rel: REL.sortables, type: SCHEMA_MEDIA.type, title: 'Sortables' },
      { href: `${href}/tiles`, rel: REL.tilesetsVector, type: JSON_MEDIA.type, title: lang === 'vi' ? 'Ô bản đồ véc-tơ' : 'Vector tiles' },
      { href: `${href}/map/tiles`, rel: REL.tilesetsMap, type: JSON_MEDIA.type, title: lang === 'vi' ? 'Ô bản đồ ảnh' : 'Map tiles' },
      { href: `${href}/styles`, rel: REL.styles, type: JSON_MEDIA.type, title: lang === 'vi' ? 'Kiểu hiển thị' : 'Styles' },
      ...volumeLinks(call, layer),
      ...(LICENCES[layer.licence] ? [{ href: LICENCES[layer.licence]!, rel: 'license', title: layer.licence }] : []),
    ],
  }
}

/**
 * To seven decimals, with 2 % on each side: who takes the two corners into a projection whose north leans (by up to a degree
 * within a UTM zone or beside it) gets a box that still holds every feature.
 */
function withMargin([west, south, east, north]: BBox): BBox {
  const margin = 0.02 * Math.max(east - west, north - south)
  const [down, up] = [(v: number, least: number) => Math.max(least, Math.floor((v - margin) * 1e7) / 1e7), (v: number, most: number) => Math.min(most, Math.ceil((v + margin) * 1e7) / 1e7)]
  return [down(west, -180), down(south, -90), up(east, 180), up(north, 90)]
}

const LICENCES: Readonly<Record<string, string>> = {
  'CC-BY-4.0': 'https://creativecommons.org/licenses/by/4.0/', 'CC0-1.0': 'https://creativecommons.org/publicdomain/zero/1.0/',
  'ODbL-1.0': 'https://opendatacommons.org/licenses/odbl/1-0/',
}

const SCHEMAS = { schema: featureSchema, queryables: queryablesSchema, sortables: sortablesSchema, geojson: geoJsonSchema } as const

/** `GET /collections/{c}/schema`, `…/schema/geojson`, `…/queryables` and `…/sortables`. */
export function getSchema(kind: keyof typeof SCHEMAS) {
  return async (call: Call, response: Response): Promise<void> => {
    const lang = language(call.request, call.params.lang)
    const id: string = call.params.collectionId
    const other = kind === 'schema' ? (await otherCollections(call)).find((one) => one.id === id)?.schema?.(call, lang) : undefined
    const document = other ?? SCHEMAS[kind](call, layerOf(call), lang)
    const profiles = profilesOf(call.params.profile).filter((profile) => profile === 'codelist-inline')
    if (profiles.length > 0) response.setHeader('Link', linkHeader(profileLinks(profiles)))
    const { title } = other ? { title: id } : { title: layerOf(call).title[lang] }
    respond(call, response, {
      title: `${title}: ${schemaTitle(kind, lang)}`, crumbs: [...collectionsCrumbs(call, lang), [title, `${call.base}/ogc/collections/${id}`]],
      json: () => document,
      html: () => schemaHtml(call, document, other ? undefined : layerOf(call), lang),
    }, SCHEMA_MEDIA)
  }
}
