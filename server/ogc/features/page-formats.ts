/** Features as GeoJSON, as JSON-FG (OGC 21-045), and as pages for people. */
import { once } from 'node:events'
import type { Response } from 'express'
import type { City } from '../../../core/city.js'
import { epsgUri } from '../../../core/crs.js'
import { timed } from '../../http/timing.js'
import type { Call } from '../../operations/operation.js'
import { linkHeader, type Link } from '../common/links.js'
import { GEOJSON_MEDIA, HTML_MEDIA, type Media } from '../common/media.js'
import { sendText } from '../common/respond.js'
import type { Place } from './cursor.js'
import { hasPrisms, placeForm, type FeatureForm, type References, type WriteOptions } from './feature-rows.js'
import type { ItemFormat, ItemsPage } from './formats.js'
import { itemPage, itemsPage } from './items-html.js'
import { profileLinks } from './profiles.js'
import type { ItemsQuery } from './query.js'
import { featureRow, featureTexts, neighbours, type FeatureBatch } from './rows.js'

/** GeoJSON, and JSON-FG where `profile` asks for that: the same media type. */
export const geojson: ItemFormat = jsonFormat(GEOJSON_MEDIA, ({ profiles = [] }) => (profiles.some((profile) => profile.startsWith('jsonfg')) ? 'jsonfg' : 'geojson'))

/** JSON-FG by the media type of its drafts, for who asks by `Accept` or `f`. */
export const jsonfg: ItemFormat = jsonFormat({ f: 'jsonfg', type: 'application/vnd.ogc.fg+json' }, () => 'jsonfg')

function jsonFormat(media: Media, formOf: (query: ItemsQuery) => FeatureForm): ItemFormat {
  return {
    media,
    write: async (call, response, page) => {
      const form = formOf(page.query)
      await stream(call, response, media, page, { form, references: referencesOf(call, page.query) }, await membersOf(call, page.query, form))
    },
    writeItem: async (call, response, { query, row, links }) => {
      const form = formOf(query)
      const options = { form, references: referencesOf(call, query) }
      const profiles = profilesUsed(query, options)
      const isPlain = form === 'geojson' && !options.references
      const feature = isPlain ? row.feature : (await featureRow(call.app.store, query, row.id, options))?.feature ?? row.feature
      response.setHeader('Link', linkHeader(profiles))
      sendText(response, media.type, `${feature.slice(0, -1)}${await membersOf(call, query, form)},"links":${JSON.stringify([...links, ...profiles])}}`)
    },
  }
}

/** Writes features as they come; the counts and links that need the whole page stand at its end. */
async function stream(call: Call, response: Response, media: Media, page: ItemsPage, options: WriteOptions, members: string): Promise<void> {
  const { query, window, limit, matched } = page
  const batches = featureTexts(call.app.store, query, window, limit, { ...options, signal: call.signal })
  // The first batch before the first byte: what can go wrong still has a status to say so.
  let batch = await timed(response, 'query', () => batches.next())
  const profiles = profilesUsed(query, options)
  response.setHeader('Content-Type', media.type)
  // The rest stands at the end of the body, but who asks for headers alone sees what the features can be asked by.
  response.setHeader('Link', linkHeader([...page.links({}).filter(({ rel }) => rel !== 'alternate'), ...profiles]))
  if (call.request.method === 'HEAD') return void response.end()
  response.write(`{"type":"FeatureCollection","timeStamp":"${new Date().toISOString()}"${matched === undefined ? '' : `,"numberMatched":${matched}`}${members},"features":[`)
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
  response.end(`],"numberReturned":${returned},"links":${JSON.stringify([...page.links(neighbours(window, first, last, more)), ...profiles])}}`)
}

/** What a JSON-FG document says of itself, as members with a comma before each. */
async function membersOf({ app: { store }, base }: Call, query: ItemsQuery, form: FeatureForm): Promise<string> {
  if (form === 'geojson') return ''
  const { layer, crs } = query
  const isSolid = placeForm(query) === 'solid'
  const coordRefSys = isSolid ? [crs.uri, heightSystem(await store.city())] : crs.uri
  const classes = ['core', 'types-schemas', ...(isSolid ? ['polyhedra'] : []), ...(isSolid && hasPrisms(layer) ? ['prisms'] : [])]
  return Object.entries({
    conformsTo: classes.map((name) => `http://www.opengis.net/spec/json-fg-1/1.0/conf/${name}`),
    featureType: layer.id, featureSchema: `${base}/ogc/collections/${layer.id}/schema`, coordRefSys,
    ...(!isSolid && layer.geometry !== 'any' && { geometryDimension: DIMENSIONS[layer.geometry] }),
  }).map(([name, value]) => `,"${name}":${JSON.stringify(value)}`).join('')
}

/** By its code where the city's datum names one. */
function heightSystem({ verticalDatum }: City): string | object {
  const code = /\bEPSG:(\d{4,6})\b/.exec(verticalDatum)?.[1]
  return code ? epsgUri(Number(code)) : { type: 'VerticalCRS', name: verticalDatum, unit: 'm' }
}

const DIMENSIONS = { point: 0, line: 1, polygon: 2 } as const

/** Keys of other features stay what they are, and so can be written back, unless URIs are asked for. */
function referencesOf({ app: { store }, reader, base }: Call, { profiles = [] }: ItemsQuery): References | undefined {
  const style = profiles.includes('rel-as-link') ? 'link' : profiles.includes('rel-as-uri') ? 'uri' : undefined
  return style && { style, base: `${base}/ogc/collections`, collections: new Set(store.catalogue.for(reader).map(({ id }) => id)) }
}

function profilesUsed({ properties }: ItemsQuery, { form, references }: WriteOptions): Link[] {
  const refers = properties.some((column) => column.references)
  return profileLinks([
    // With an outline beside every place, documents are good for readers of plain GeoJSON too.
    ...(form === 'jsonfg' ? ['jsonfg', 'jsonfg-plus'] as const : ['rfc7946'] as const),
    ...(refers ? [references ? `rel-as-${references.style}` as const : 'rel-as-key' as const] : []),
  ])
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
    sendText(response, 'text/html; charset=utf-8', await itemsPage(call, query, features, { matched, lang, limit, links: all }))
  },
  writeItem: async (call, response, { query, row, lang, links }) => {
    response.setHeader('Link', linkHeader(links))
    sendText(response, 'text/html; charset=utf-8', await itemPage(call, query, JSON.parse(row.feature), lang))
  },
}
