/** OGC API Styles: which styles there are, each as a document, and what is to be known of them. */
import type { Response } from 'express'
import { tileAt } from '../../../core/tile-matrix.js'
import type { Layer } from '../../../layers/layer.js'
import { notFound } from '../../errors.js'
import type { Call } from '../../operations/operation.js'
import { tileColumns } from '../../store/tile-columns.js'
import { commandLine, html, jsonView, linkList } from '../common/html.js'
import { REL, type Link } from '../common/links.js'
import { JSON_MEDIA, language, type Language, type Media } from '../common/media.js'
import { collectionsCrumbs, respond } from '../common/respond.js'
import { cityBackdrop, layerBackdrop } from '../features/backdrop.js'
import { pictureMap } from '../features/map-svg.js'
import { etag, notModified, schemaVersion } from '../features/validator.js'
import { PNG_TYPE } from '../tiles/map-tile.js'
import { DEFAULT_STYLE, styledBy, styleDocument, type Styled } from './map-style.js'

export const STYLE_MEDIA: Media = { f: 'mapbox', type: 'application/vnd.mapbox.style+json' }

const WORDS = {
  vi: { styles: 'Kiểu hiển thị', style: 'Kiểu MapLibre', metadata: 'Mô tả', demo: 'Xem bằng MapLibre', layers: 'Các lớp' },
  en: { styles: 'Styles', style: 'MapLibre style', metadata: 'Metadata', demo: 'See it in MapLibre', layers: 'Layers' },
} as const

const titleOf = async (call: Call, { collection }: Styled, lang: Language) => collection?.title[lang] ?? (await call.app.store.city()).name
const folderOf = (call: Call, { collection }: Styled) => `${call.base}/ogc${collection ? `/collections/${collection.id}` : ''}`
const crumbsOf = (call: Call, { collection }: Styled, lang: Language): [string, string][] =>
  collection ? [...collectionsCrumbs(call, lang), [collection.title[lang], `${call.base}/ogc/collections/${collection.id}`]] : [['dothi', `${call.base}/ogc`]]
const demoOf = (call: Call, styled: Styled) => `${call.origin}/docs/maplibre?style=${folderOf(call, styled).slice(call.origin.length)}/styles/${DEFAULT_STYLE}`

/** `…/styles`. */
export async function getStyles(call: Call, response: Response): Promise<void> {
  const lang = language(call.request, call.params.lang)
  const styled = styledBy(call)
  const href = `${folderOf(call, styled)}/styles/${DEFAULT_STYLE}`
  const title = await titleOf(call, styled, lang)
  const links: Link[] = [
    { href: `${href}?f=${STYLE_MEDIA.f}`, rel: 'stylesheet', type: STYLE_MEDIA.type, title },
    { href: `${href}/metadata?f=json`, rel: 'describedby', type: JSON_MEDIA.type, title: WORDS[lang].metadata },
    ...(await previewOf(call, styled)),
  ]
  const picture = styled.collection ? await layerBackdrop(call, styled.collection) : await cityBackdrop(call)
  respond(call, response, {
    title: `${WORDS[lang].styles}: ${title}`, crumbs: crumbsOf(call, styled, lang),
    json: (own) => ({ links: own, default: DEFAULT_STYLE, styles: [{ id: DEFAULT_STYLE, title, links }] }),
    html: () => html`${linkList([[WORDS[lang].style, `${href}?f=html`], [WORDS[lang].metadata, `${href}/metadata?f=html`], [WORDS[lang].demo, demoOf(call, styled)]])}${pictureMap(picture, lang)}`,
  })
}

/** `…/styles/{styleId}`. */
export async function getStyle(call: Call, response: Response): Promise<void> {
  checkStyle(call)
  const styled = styledBy(call)
  const lang = language(call.request, call.params.lang)
  const document = await styleDocument(call, styled)
  response.vary('Accept, Accept-Language, Authorization, Cookie')
  if (notModified(call, response, etag('style', call.request.get('accept') ?? '', lang, JSON.stringify(document), ...styled.layers.map(schemaVersion)), 'live')) return
  const href = `${folderOf(call, styled)}/styles/${DEFAULT_STYLE}`
  respond(call, response, {
    title: await titleOf(call, styled, lang), crumbs: [...crumbsOf(call, styled, lang), [WORDS[lang].styles, `${folderOf(call, styled)}/styles`]],
    json: () => document,
    html: () => html`${linkList([[WORDS[lang].demo, demoOf(call, styled)], [WORDS[lang].metadata, `${href}/metadata`], ['JSON', `${href}?f=${STYLE_MEDIA.f}`]])}
      ${commandLine('MapLibre', `new maplibregl.Map({ container: 'map', style: '${href}' })`)}${commandLine('QGIS', `${href}?f=${STYLE_MEDIA.f}`)}
      <h2>${WORDS[lang].layers}</h2><div class="scroll"><table>${styled.layers.map((layer) => html`<tr><td>${swatch(layer)}</td><td>${layer.title[lang]}</td><td><code>${layer.id}</code></td></tr>`)}</table></div>${jsonView(document, 'JSON')}`,
  }, STYLE_MEDIA)
}

/** The layer's first colours. */
function swatch({ style }: Layer) {
  const paint = style.fill ?? style.circle ?? style.line ?? '#888888'
  const colours = typeof paint === 'string' ? [paint] : 'categories' in paint ? [...new Set(Object.values(paint.categories))].slice(0, 6) : [paint.below, ...paint.steps.map(([, colour]) => colour)].slice(0, 6)
  return colours.map((colour) => html`<svg width="16" height="16"><rect width="14" height="14" y="2" rx="3" fill="${colour}"/></svg>`)
}

/** `…/styles/{styleId}/metadata`. */
export async function getStyleMetadata(call: Call, response: Response): Promise<void> {
  checkStyle(call)
  const styled = styledBy(call)
  const lang = language(call.request, call.params.lang)
  const title = await titleOf(call, styled, lang)
  const href = `${folderOf(call, styled)}/styles/${DEFAULT_STYLE}`
  const stylesheet: Link = { href: `${href}?f=${STYLE_MEDIA.f}`, rel: 'stylesheet', type: STYLE_MEDIA.type, title }
  const metadata = {
    id: DEFAULT_STYLE, title, description: styled.collection?.description[lang], keywords: ['MapLibre', ...styled.layers.map(({ id }) => id)],
    license: styled.collection?.licence, scope: 'style', version: '1.0.0',
    stylesheets: [{ title: 'Mapbox Style', version: '8', specification: 'https://maplibre.org/maplibre-style-spec/', native: true, link: stylesheet }],
    layers: styled.layers.map((layer) => describeLayer(call, layer, lang)),
  }
  const links = [stylesheet, ...(await previewOf(call, styled))]
  respond(call, response, {
    title, crumbs: [...crumbsOf(call, styled, lang), [WORDS[lang].styles, `${folderOf(call, styled)}/styles`]], links,
    json: (all) => ({ ...metadata, links: all }),
    html: () => html`${linkList([[WORDS[lang].style, `${href}?f=html`], [WORDS[lang].demo, demoOf(call, styled)]])}${jsonView(metadata)}`,
  })
}

const GEOMETRY_TYPES = { point: 'points', line: 'lines', polygon: 'polygons', any: 'any' } as const

function describeLayer(call: Call, layer: Layer, lang: Language): unknown {
  const { style } = layer
  const read = new Set([style.fill, style.line, style.circle].flatMap((paint) => (typeof paint === 'object' ? [paint.by] : [])).concat(style.labelFrom === undefined ? [] : layer.label ?? []))
  const columns = tileColumns(layer, call.reader).filter(({ name }) => read.has(name))
  return {
    id: layer.id, description: layer.title[lang], dataType: 'vector', geometryType: GEOMETRY_TYPES[layer.geometry],
    propertiesSchema: Object.fromEntries(columns.map(({ name, type, title }) => [name, { title: title[lang], type: type === 'number' || type === 'integer' || type === 'boolean' ? type : 'string' }])),
    sampleData: { href: `${call.base}/ogc/collections/${layer.id}/tiles`, rel: REL.tilesetsVector, type: JSON_MEDIA.type, title: layer.title[lang] },
  }
}

/** A map tile of the home view, or of the middle of what the layer has. */
async function previewOf(call: Call, styled: Styled): Promise<Link[]> {
  const { collection } = styled
  const { home } = await call.app.store.city()
  const bbox = collection && (await call.app.store.layerSummary(collection, call.branch)).bbox
  if (collection && !bbox) return []
  const [lon, lat] = bbox ? [(bbox[0] + bbox[2]) / 2, (bbox[1] + bbox[3]) / 2] : [home.lon, home.lat]
  const { x, y, z } = tileAt(lon, lat, collection ? Math.min(collection.zoom.max, Math.max(collection.zoom.min, 13)) : 13)
  return [{ href: `${folderOf(call, styled)}/map/tiles/WebMercatorQuad/${z}/${y}/${x}`, rel: 'preview', type: PNG_TYPE, title: collection?.title.en ?? 'The city' }]
}

function checkStyle({ params: { styleId } }: Call): void {
  if (styleId !== DEFAULT_STYLE) throw notFound(`There is no style “${String(styleId).slice(0, 60)}”; there is ${DEFAULT_STYLE}.`)
}

