/** Collections and their schemas as people read them. */
import { GROUPS } from '../../../layers/groups.js'
import type { Column, Layer } from '../../../layers/layer.js'
import type { Call } from '../../operations/operation.js'
import { chips, factList, Html, html, jsonView, timeTag } from '../common/html.js'
import { here } from '../common/links.js'
import type { Language } from '../common/media.js'
import { OTHER_FORMATS } from '../formats/index.js'
import { FORMATS } from '../../export/formats.js'
import { LICENCES } from '../records/geojson.js'
import type { Backdrop } from './backdrop.js'
import { copyLines } from './items-html.js'
import { propertiesOf, storageCrs } from './layers.js'
import { mapSvg } from './map-svg.js'

const WORDS = {
  vi: {
    features: 'đối tượng', count: 'Số đối tượng', geometry: 'Hình học', licence: 'Giấy phép', owner: 'Đơn vị quản lý', updated: 'Cập nhật lúc', crs: 'Hệ tọa độ lưu trữ', attribution: 'Ghi công', other: 'Khác', look: 'Xem dữ liệu', empty: 'chưa có dữ liệu',
    catalogue: 'Tìm trong danh mục', schema: 'Lược đồ', queryables: 'Trường lọc được', sortables: 'Trường sắp thứ tự được', vector: 'Ô bản đồ véc-tơ', pictures: 'Ô bản đồ ảnh', style: 'Kiểu hiển thị', map: 'Bản đồ MapLibre', record: 'Siêu dữ liệu',
    properties: 'Thuộc tính', name: 'Tên trong dữ liệu', title: 'Tên gọi', type: 'Kiểu', unit: 'Đơn vị', values: 'Giá trị', meaning: 'Ý nghĩa', take: 'Tải cả lớp', gis: 'Dùng trong GIS', codes: 'mã', needed: 'bắt buộc', characters: 'ký tự', json: 'Văn bản JSON', drag: 'Kéo chuột trên bản đồ để xem đối tượng trong một khung.',
  },
  en: {
    features: 'features', count: 'Features', geometry: 'Geometry', licence: 'Licence', owner: 'Owner', updated: 'Updated', crs: 'Storage CRS', attribution: 'Attribution', other: 'Others', look: 'Look at the data', empty: 'no data yet',
    catalogue: 'Search the catalogue', schema: 'Schema', queryables: 'Queryables', sortables: 'Sortables', vector: 'Vector tiles', pictures: 'Map tiles', style: 'Style', map: 'MapLibre map', record: 'Metadata',
    properties: 'Properties', name: 'Name in the data', title: 'Title', type: 'Type', unit: 'Unit', values: 'Values', meaning: 'Meaning', take: 'Download the layer', gis: 'Use it in a GIS', codes: 'codes', needed: 'required', characters: 'characters', json: 'The JSON document', drag: 'Drag on the map to see the features in a box.',
  },
} as const

const GEOMETRIES: Readonly<Record<Layer['geometry'], Readonly<Record<Language, string>>>> = {
  point: { vi: 'điểm', en: 'points' }, line: { vi: 'đường', en: 'lines' }, polygon: { vi: 'vùng', en: 'areas' }, any: { vi: 'mọi loại', en: 'any' },
}

export interface ListedLayer { readonly layer: Layer; readonly summary: Awaited<ReturnType<Call['app']['store']['layerSummary']>> }
interface Listed { readonly id: string; readonly title: string; readonly description: string }

/** All collections: layers by their group, then what is no layer. */
export function collectionsHtml(call: Call, layers: readonly ListedLayer[], others: readonly Listed[], lang: Language): Html {
  const words = WORDS[lang]
  const groups = Object.entries(GROUPS).map(([group, title]) => [title[lang], layers.filter(({ layer }) => layer.group === group)] as const).filter(([, members]) => members.length > 0)
  const href = (id: string) => `${call.base}/ogc/collections/${id}`
  return html`${chips([[words.catalogue, href('catalogue')]])}
    ${groups.map(([title, members]) => html`<h2>${title}</h2><div class="cards">${members.map(({ layer, summary }) => html`<a class="card" href="${href(layer.id)}">
      <b>${swatch(layer)}${layer.title[lang]}</b><small><code>${layer.id}</code></small><span>${layer.description[lang]}</span>
      <small class="foot">${summary.count > 0 ? `${summary.count.toLocaleString(lang)} ${words.features}` : words.empty} · ${GEOMETRIES[layer.geometry][lang]}</small></a>`)}</div>`)}
    ${others.length > 0 ? html`<h2>${words.other}</h2><div class="cards">${others.map(({ id, title, description }) => html`<a class="card" href="${href(id)}"><b>${title}</b><small><code>${id}</code></small><span>${description}</span></a>`)}</div>` : ''}`
}

/** The colour that the layer has on maps. */
function swatch({ style }: Layer): Html {
  const paint = style.fill ?? style.line ?? style.circle
  const colour = typeof paint === 'string' ? paint : paint && ('other' in paint ? paint.other : paint.below)
  return colour ? html`<i class="swatch" style="--c:${colour}"></i>` : html``
}

/** One layer: what it is, where, what it holds, how to take it along. */
export function collectionHtml(call: Call, { layer, summary }: ListedLayer, backdrops: readonly (Backdrop | undefined)[], lang: Language): Html {
  const words = WORDS[lang]
  const own = `${call.base}/ogc/collections/${layer.id}`
  const path = own.slice(call.origin.length)
  return html`<p class="lead">${layer.description[lang]}</p>
    ${chips([[`${words.look} →`, `${own}/items`]])}
    ${factList([
      [words.count, summary.count.toLocaleString(lang)], [words.geometry, GEOMETRIES[layer.geometry][lang]], [words.updated, summary.updated && timeTag(summary.updated)],
      [words.owner, layer.owner?.[lang]], [words.licence, LICENCES[layer.licence] ? html`<a href="${LICENCES[layer.licence]!}">${layer.licence}</a>` : layer.licence],
      [words.attribution, layer.attribution], [words.crs, storageCrs(layer).title],
    ])}
    ${summary.bbox ? html`${mapSvg([], summary.bbox, { layer, lang, backdrops, hrefOf: (box) => `${own}/items?f=html&bbox=${box.join(',')}` })}<p class="soft drag">${words.drag}</p>` : ''}
    ${chips([
      [words.schema, `${own}/schema?f=html`], [words.queryables, `${own}/queryables?f=html`], [words.sortables, `${own}/sortables?f=html`], [words.vector, `${own}/tiles?f=html`], [words.pictures, `${own}/map/tiles?f=html`], [words.style, `${own}/styles?f=html`],
      [words.map, `${call.origin}/docs/maplibre?style=${path}/styles/default`], ...(layer.threeD ? [['3D Tiles', `${call.base}/3dtiles/${layer.id}/tileset.json`] as const] : []),
    ])}
    <h2>${words.properties}</h2>${propertyTable(propertiesOf(layer, call.reader), lang)}
    <h2>${words.take}</h2>${chips(OTHER_FORMATS.map(({ media: { f } }): [string, string, string] => [FORMATS[f as keyof typeof FORMATS].title, `${own}/items?f=${f}`, `${layer.id}${FORMATS[f as keyof typeof FORMATS].extension}`]))}
    <h2>${words.gis}</h2>${copyLines(call, layer)}`
}

/** What a schema page is called. */
export const schemaTitle = (kind: 'schema' | 'queryables' | 'sortables' | 'geojson', lang: Language): string => (kind === 'geojson' ? 'GeoJSON' : WORDS[lang][kind])

/** A schema: as a table where it is of a layer, and as it is. */
export function schemaHtml(call: Call, document: unknown, layer: Layer | undefined, lang: Language): Html {
  const words = WORDS[lang]
  if (!layer) return jsonView(document)
  const named = Object.keys((document as { properties?: object }).properties ?? {})
  const columns = propertiesOf(layer, call.reader).filter(({ name }) => named.includes(name))
  const own = `${call.base}/ogc/collections/${layer.id}`
  return html`${chips([[words.schema, `${own}/schema?f=html`], [words.queryables, `${own}/queryables?f=html`], [words.sortables, `${own}/sortables?f=html`], ['GeoJSON', `${own}/schema/geojson?f=html`], ['GML (XSD)', `${own}/schema/gml`], ['JSON Schema', here(call, { f: 'json' })]])}
    ${columns.length > 0 ? propertyTable(columns, lang) : ''}${jsonView(document, words.json)}`
}

function propertyTable(columns: readonly Column[], lang: Language): Html {
  const words = WORDS[lang]
  return html`<div class="scroll"><table><thead><tr>${[words.title, words.name, words.type, words.unit, words.values, words.meaning].map((title) => html`<th>${title}</th>`)}</tr></thead><tbody>${columns.map((column) => html`<tr>
    <td>${column.title[lang]}${column.required ? html` <small>${words.needed}</small>` : ''}</td><td><code>${column.name}</code></td><td>${column.type}</td><td>${column.unit}</td><td class="wrap">${valuesOf(column, lang)}</td><td class="wrap">${column.description?.[lang]}</td></tr>`)}</tbody></table></div>`
}

/** Few codes stand there at once, many are folded. */
const FEW = 4

function valuesOf({ codes, min, max, maxLength }: Column, lang: Language): Html {
  const entries = Object.entries(codes ?? {})
  if (entries.length > 0) {
    const list = html`${entries.map(([code, title], i) => html`${i > 0 ? ' · ' : ''}<code>${code}</code> ${title[lang]}`)}`
    return entries.length <= FEW ? list : html`<details style="margin:0"><summary>${entries.length} ${WORDS[lang].codes}</summary>${list}</details>`
  }
  if (min !== undefined || max !== undefined) return html`${min ?? '…'} – ${max ?? '…'}`
  return maxLength === undefined ? html`` : html`<small>≤ ${maxLength} ${WORDS[lang].characters}</small>`
}
