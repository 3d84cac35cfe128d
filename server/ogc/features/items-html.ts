/** Features as people read them: on a map, in a table, one by one; with ways to find, to page, and to take them along. */
import { CRS84, findCrs } from '../../../core/crs.js'
import type { GeoJsonGeometry } from '../../../core/filter/ast.js'
import type { Column, Layer } from '../../../layers/layer.js'
import { FORMATS } from '../../export/formats.js'
import type { Call } from '../../operations/operation.js'
import { chips, commandLine, Html, html, page, timeTag } from '../common/html.js'
import { here, type Link } from '../common/links.js'
import type { Language } from '../common/media.js'
import { collectionsCrumbs } from '../common/respond.js'
import { OTHER_FORMATS } from '../formats/index.js'
import { cityBackdrop } from './backdrop.js'
import { crssOf, storeProperties } from './layers.js'
import { mapSvg, type MapOptions } from './map-svg.js'
import type { ItemsQuery } from './query.js'

interface Feature { readonly id: number; readonly geometry: GeoJsonGeometry | null; readonly properties: Readonly<Record<string, unknown>> }

export interface ItemsPage { readonly matched: number | undefined; readonly lang: Language; readonly limit: number; readonly links: readonly Link[] }

const WORDS = {
  vi: {
    items: 'Đối tượng', of: 'trong số', features: 'đối tượng', find: 'Tìm trong văn bản', findHint: 'có dấu hay không dấu', filter: 'Lọc (CQL2)', show: 'Xem', size: 'Mỗi trang', crs: 'Hệ tọa độ',
    first: 'Trang đầu', previous: 'Trang trước', next: 'Trang sau', without: 'Bỏ điều kiện này', bbox: 'trong khung', order: 'thứ tự', at: 'lúc',
    none: 'Không có đối tượng nào khớp.', loosen: 'Bỏ mọi điều kiện', draw: 'Kéo chuột trên bản đồ để chọn một khung.', take: 'Tải về', takeHint: 'Mọi đối tượng khớp, không chỉ trang này.',
    gis: 'Dùng trong GIS', yes: 'có', no: 'không', history: 'Các phiên bản', provenance: 'Nguồn gốc', copy: 'Sao chép', noShape: 'Chưa có hình học.', attributes: 'Thuộc tính',
  },
  en: {
    items: 'Items', of: 'of', features: 'features', find: 'Find in texts', findHint: 'with or without accents', filter: 'Filter (CQL2)', show: 'Show', size: 'Page size', crs: 'CRS',
    first: 'First page', previous: 'Previous page', next: 'Next page', without: 'Take this away', bbox: 'within a box', order: 'order', at: 'at',
    none: 'No feature matches.', loosen: 'Clear all conditions', draw: 'Drag on the map to choose a box.', take: 'Download', takeHint: 'All features that match, not this page alone.',
    gis: 'Use it in a GIS', yes: 'yes', no: 'no', history: 'Versions', provenance: 'Provenance', copy: 'Copy', noShape: 'Without a geometry.', attributes: 'Attributes',
  },
} as const

/** A page of features: search, map, table, pager, files, and lines to copy into GIS tools. */
export async function itemsPage(call: Call, query: ItemsQuery, features: readonly Feature[], { matched, lang, limit, links }: ItemsPage): Promise<string> {
  const { layer, properties, crs } = query
  const words = WORDS[lang]
  const items = `${call.base}/ogc/collections/${layer.id}/items`
  const { bbox } = call.params
  const extent = bbox && (call.params['bbox-crs'] === undefined || findCrs(call.params['bbox-crs']) === CRS84) && bbox.length === 4 ? bbox : null
  const drawn = features.map((feature) => ({ ...feature, href: `${items}/${feature.id}`, title: labelOf(layer, feature) }))
  const options: MapOptions = { crs, layer, lang, backdrops: [await cityBackdrop(call)], hrefOf: (box) => here(call, { bbox: box.join(','), 'bbox-crs': undefined, cursor: undefined }) }
  return page({
    lang, title: layer.title[lang], otherLanguage: here(call, { lang: lang === 'vi' ? 'en' : 'vi' }), json: here(call, { f: 'json' }), style: STYLE,
    crumbs: [...collectionsCrumbs(call, lang), [layer.title[lang], `${call.base}/ogc/collections/${layer.id}`], [words.items, items]],
    body: html`
      <p class="soft">${features.length.toLocaleString(lang)}${matched === undefined || matched === features.length ? '' : html` ${words.of} ${matched.toLocaleString(lang)}`} ${words.features}</p>
      ${searchForm(call, layer, limit, lang)}${conditions(call, layer, lang)}
      ${features.length === 0
        ? html`<p class="empty">${words.none} <a href="${items}?f=html">${words.loosen}</a></p>${extent && mapSvg([], extent, options)}`
        : html`${mapSvg(drawn, extent, options)}<p class="soft hint drag">${words.draw}</p>${pager(links, call, lang)}
          ${table(call, properties, features, items, lang)}${pager(links, call, lang)}`}
      <h2>${words.take}</h2>${downloads(call, layer, lang)}
      <h2>${words.gis}</h2>${copyLines(call, layer)}`,
  })
}

/** One feature: map and all its properties. */
export async function itemPage(call: Call, { layer, properties, crs }: ItemsQuery, feature: Feature, lang: Language): Promise<string> {
  const words = WORDS[lang]
  const collection = `${call.base}/ogc/collections/${layer.id}`
  const kept = new Set(storeProperties(layer).map(({ name }) => name))
  const rows = (columns: readonly Column[]) => columns.filter(({ name }) => feature.properties[name] !== undefined && feature.properties[name] !== null).map((column) => html`<tr>
    <th scope="row" title="${column.name}">${column.title[lang]}</th><td class="wrap">${shown(column, feature.properties[column.name], lang)}${column.unit ? html` <small>${column.unit}</small>` : ''}</td></tr>`)
  return page({
    lang, title: labelOf(layer, feature), otherLanguage: here(call, { lang: lang === 'vi' ? 'en' : 'vi' }), json: here(call, { f: 'json' }), style: STYLE,
    crumbs: [...collectionsCrumbs(call, lang), [layer.title[lang], collection], [words.items, `${collection}/items`]],
    body: html`${feature.geometry ? mapSvg([feature], null, { crs, layer, lang, backdrops: [await cityBackdrop(call)] }) : html`<p class="soft">${words.noShape}</p>`}
      <div class="halves"><section><h2>${words.attributes}</h2><div class="scroll"><table><tr><th scope="row">id</th><td class="wrap"><code>${feature.id}</code></td></tr>${rows(properties.filter(({ name }) => !kept.has(name)))}</table></div></section>
      <section><h2>${words.provenance}</h2><div class="scroll"><table>${rows(properties.filter(({ name }) => kept.has(name)))}</table></div>
      ${layer.kind === 'city' ? chips([[words.history, `${collection}/items/${feature.id}/versions`]]) : ''}</section></div>
      <h2>${words.take}</h2>${chips([['GeoJSON', here(call, { f: 'json' })], ...OTHER_FORMATS.map(({ media: { f } }): [string, string] => [titleOf(f), here(call, { f })])])}
      <h2>${words.copy}</h2>${commandLine('curl', `curl '${here(call, { f: 'json' })}'`)}`,
  })
}

// ---- what is looked for ----

/** Parameters with a field of their own in the form; the others travel on as they are. */
const FIELDS: ReadonlySet<string> = new Set(['q', 'filter', 'limit', 'crs', 'cursor', 'f'])

function searchForm(call: Call, layer: Layer, limit: number, lang: Language): Html {
  const words = WORDS[lang]
  const kept = [...new URL(here(call)).searchParams].filter(([name]) => !FIELDS.has(name))
  const chosen = findCrs(call.params.crs ?? '') ?? CRS84
  return html`<form class="search" role="search">${kept.map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}<input type="hidden" name="f" value="html">
    ${layer.searchable?.length ? html`<label>${words.find}<input type="search" name="q" value="${call.params.q?.join(',')}" placeholder="${words.findHint}"></label>` : ''}
    <label class="wide">${words.filter}<input name="filter" value="${call.params.filter}" placeholder="${exampleFilter(layer)}" spellcheck="false" autocapitalize="off"></label>
    <label>${words.crs}<select name="crs">${crssOf(layer).map((crs) => html`<option value="${crs.uri}"${crs === chosen && new Html(' selected')}>${crs.title}</option>`)}</select></label>
    <label>${words.size}<select name="limit">${[...new Set([20, 100, 500, 1000, limit])].sort((a, b) => a - b).map((n) => html`<option${n === limit && new Html(' selected')}>${n}</option>`)}</select></label>
    <button class="go">${words.show}</button></form>`
}

/** A filter that this layer understands. */
function exampleFilter({ columns }: Layer): string {
  const coded = columns.find(({ codes }) => codes && Object.keys(codes).length > 0)
  const number = columns.find(({ type }) => type === 'integer' || type === 'number')
  const parts = [coded && `${coded.name} = '${Object.keys(coded.codes!)[0]}'`, number && `${number.name} > ${Math.max(number.min ?? 0, 0) + 1}`].filter((part) => part !== undefined)
  return parts.join(' AND ') || `${columns[0]?.name ?? 'id'} IS NOT NULL`
}

/** What narrows the page down, each with a way to take it away. */
function conditions(call: Call, layer: Layer, lang: Language): Html {
  const { params, query } = call
  const words = WORDS[lang]
  const titleOfColumn = (name: string) => layer.columns.find((column) => column.name === name)?.title[lang] ?? name
  const all: (readonly [text: string, parameter: string])[] = [
    ...(params.q ? [[`“${params.q.join(', ')}”`, 'q'] as const] : []), ...(params.filter ? [[params.filter, 'filter'] as const] : []),
    ...Object.entries(query).map(([name, value]) => [`${titleOfColumn(name)} = ${value}`, name] as const),
    ...(params.bbox ? [[`${words.bbox} ${params.bbox.map((n: number) => Number(n.toFixed(4))).join(', ')}`, 'bbox'] as const] : []),
    ...(params.datetime ? [[`${words.at} ${params.datetime}`, 'datetime'] as const] : []), ...(params.asOf ? [[`asOf ${params.asOf}`, 'asOf'] as const] : []),
    ...(params.sortby ? [[`${words.order}: ${params.sortby.map((key: string) => `${titleOfColumn(key.replace(/^[+ -]/, ''))} ${key.startsWith('-') ? '↓' : '↑'}`).join(', ')}`, 'sortby'] as const] : []),
  ]
  return all.length === 0 ? html`` : html`<div class="chips">${all.map(([text, parameter]) => html`<a class="chip on" href="${here(call, { [parameter]: undefined, cursor: undefined })}" title="${words.without}"><span>${text.length > 90 ? `${text.slice(0, 90)}…` : text}</span> ✕</a>`)}</div>`
}

// ---- the table ----

function table(call: Call, properties: readonly Column[], features: readonly Feature[], items: string, lang: Language): Html {
  return html`<div class="scroll"><table><thead><tr><th>id</th>${properties.map((column) => heading(call, column, lang))}</tr></thead><tbody>
    ${features.map((feature) => html`<tr><td><a href="${items}/${feature.id}">${feature.id}</a></td>${properties.map((column) =>
      html`<td${isNumber(column) && new Html(' class="n"')}>${shown(column, feature.properties[column.name], lang)}</td>`)}</tr>`)}</tbody></table></div>`
}

const isNumber = ({ type }: Column) => type === 'integer' || type === 'number'

/** Title and unit; a click orders by the column, another one the other way round. */
function heading(call: Call, column: Column, lang: Language): Html {
  const [key = ''] = (call.params.sortby ?? []) as readonly string[]
  const isUp = key.replace(/^[+ ]/, '') === column.name
  const isDown = key === `-${column.name}`
  const text = html`${column.title[lang]}${column.unit ? html` <small>${column.unit}</small>` : ''}${isUp ? ' ↑' : isDown ? ' ↓' : ''}`
  return html`<th${isNumber(column) && new Html(' class="n"')} title="${column.name}${column.description ? ` – ${column.description[lang]}` : ''}">${column.type === 'json' ? text
    : html`<a href="${here(call, { sortby: isUp ? `-${column.name}` : column.name, cursor: undefined })}">${text}</a>`}</th>`
}

function shown(column: Column, value: unknown, lang: Language): Html | string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'number') return column.type === 'number' ? value.toLocaleString(lang, { maximumFractionDigits: 3 }) : String(value)
  if (typeof value === 'boolean') return value ? WORDS[lang].yes : WORDS[lang].no
  if (typeof value === 'object') return html`<code>${JSON.stringify(value)}</code>`
  if (column.type === 'timestamp') return timeTag(String(value))
  const code = column.codes?.[String(value)]
  return code ? html`${code[lang]} <small>${String(value)}</small>` : html`<span title="${String(value).length > 40 ? String(value) : ''}">${String(value)}</span>`
}

export function labelOf(layer: Layer, { id, properties }: Pick<Feature, 'id' | 'properties'>): string {
  const label = layer.label && properties[layer.label]
  return label === null || label === undefined || label === '' ? String(id) : String(label)
}

function pager(links: readonly Link[], call: Call, lang: Language): Html {
  const words = WORDS[lang]
  const to = (rel: string) => links.find((link) => link.rel === rel)?.href
  const [previous, next] = [to('prev'), to('next')]
  if (!previous && !next && !call.params.cursor) return html``
  return html`<nav class="pager">${call.params.cursor ? html`<a class="chip" href="${here(call, { cursor: undefined })}">⇤ ${words.first}</a>` : ''}${
    previous ? html`<a class="chip" href="${previous}" rel="prev">← ${words.previous}</a>` : ''}${next ? html`<a class="chip" href="${next}" rel="next">${words.next} →</a>` : ''}</nav>`
}

// ---- what is taken along ----

const titleOf = (f: string) => FORMATS[f as keyof typeof FORMATS].title

/** The whole of what matches as a file; GeoJSON comes page by page. */
function downloads(call: Call, layer: Layer, lang: Language): Html {
  const words = WORDS[lang]
  const whole = { limit: undefined, cursor: undefined, sortby: undefined, lang: undefined }
  return html`${chips([...OTHER_FORMATS.map(({ media: { f } }): [string, string, string] => [titleOf(f), here(call, { ...whole, f }), `${layer.id}${FORMATS[f as keyof typeof FORMATS].extension}`]), ['GeoJSON', here(call, { f: 'json' })]])}
    <p class="soft hint">${words.takeHint}</p>`
}

/** The lines a GIS person types. */
export function copyLines(call: Call, layer: Layer): Html {
  const ogc = `${call.base}/ogc`
  return html`${commandLine('QGIS · WFS/OAPIF', ogc)}
    ${commandLine('QGIS · XYZ', `${call.base}/tiles/${layer.id}/{z}/{x}/{y}.mvt`)}
    ${commandLine('GDAL', `ogr2ogr ${layer.id}.gpkg OAPIF:${ogc} ${layer.id}`)}
    ${commandLine('curl', `curl -o ${layer.id}.fgb '${ogc}/collections/${layer.id}/items?f=flatgeobuf'`)}`
}

const STYLE = `
.search{display:grid;grid-template-columns:minmax(9rem,1fr) minmax(14rem,2.4fr) minmax(0,1.2fr) auto auto;gap:.5rem .8rem;align-items:end;margin:.8rem 0}
.search label{display:grid;gap:.15rem;font-size:12.5px}.search input,.search select{width:100%}.search input[name=filter]{font:13px/1.6 ui-monospace,monospace}
.chip.on span{overflow:hidden;text-overflow:ellipsis;max-width:min(36rem,70vw)}.hint{font-size:13px;margin:.2rem 0 .8rem}
.halves{display:grid;grid-template-columns:minmax(0,3fr) minmax(0,2fr);gap:0 1.5rem;align-items:start}.halves th{width:14rem}
@media (max-width:60rem){.search{grid-template-columns:1fr 1fr}.search .wide{grid-column:1/-1;grid-row:2}.halves{grid-template-columns:minmax(0,1fr)}}@media (max-width:45rem){.halves th{width:auto}}`
