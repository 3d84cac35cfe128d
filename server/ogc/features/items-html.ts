import { CRS84 } from '../../../core/crs.js'
import type { GeoJsonGeometry } from '../../../core/filter/ast.js'
import type { Column, Layer } from '../../../layers/layer.js'
import type { Call } from '../../operations/operation.js'
import { commandLine, html, page, type Html } from '../common/html.js'
import { here } from '../common/links.js'
import type { Language } from '../common/media.js'
import { collectionsCrumbs } from '../common/respond.js'
import { crssOf } from './layers.js'
import { mapSvg } from './map-svg.js'
import type { ItemsQuery } from './query.js'

interface Feature { readonly id: number; readonly geometry: GeoJsonGeometry | null; readonly properties: Readonly<Record<string, unknown>> }

export interface ItemsPage { readonly matched: number | undefined; readonly lang: Language; readonly limit: number; readonly next: string | undefined }

/** A page of features: map, table, pager, and lines to copy into GIS tools. */
export function itemsPage(call: Call, query: ItemsQuery, features: readonly Feature[], { matched, lang, limit, next }: ItemsPage): string {
  const { layer, properties, crs } = query
  const vi = lang === 'vi'
  const items = `${call.base}/ogc/collections/${layer.id}/items`
  const bbox = call.params.bbox && call.params['bbox-crs'] === undefined && call.params.bbox.length === 4 ? call.params.bbox : null
  return page({
    lang, title: layer.title[lang], otherLanguage: here(call, { lang: vi ? 'en' : 'vi' }), json: here(call, { f: 'json' }),
    crumbs: [...collectionsCrumbs(call, lang), [layer.title[lang], `${call.base}/ogc/collections/${layer.id}`], [vi ? 'Đối tượng' : 'Items', items]],
    body: html`
      <p class="soft">${features.length}${matched === undefined ? '' : html` / ${matched.toLocaleString(lang)}`} ${vi ? 'đối tượng' : 'features'}</p>
      ${crs === CRS84 ? mapSvg(features.map((feature) => ({ ...feature, href: `${items}/${feature.id}`, title: labelOf(layer, feature) })), bbox) : html`<p class="soft">${crs.uri}</p>`}
      ${pager(call, limit, next, layer, lang)}
      ${table(properties, features, items, lang)}
      <h2>${vi ? 'Dùng trong GIS' : 'Use it in a GIS'}</h2>${copyLines(call, layer)}`,
  })
}

/** One feature: map and all its properties. */
export function itemPage(call: Call, { layer, properties, crs }: ItemsQuery, feature: Feature, lang: Language): string {
  const vi = lang === 'vi'
  const collection = `${call.base}/ogc/collections/${layer.id}`
  return page({
    lang, title: labelOf(layer, feature), otherLanguage: here(call, { lang: vi ? 'en' : 'vi' }), json: here(call, { f: 'json' }),
    crumbs: [...collectionsCrumbs(call, lang), [layer.title[lang], collection], [vi ? 'Đối tượng' : 'Items', `${collection}/items`]],
    body: html`${crs === CRS84 ? mapSvg([feature], null) : ''}
      <div class="scroll"><table><tr><th>id</th><td>${feature.id}</td></tr>${properties.map((column) => html`<tr>
        <th>${heading(column, lang)}</th><td>${shown(column, feature.properties[column.name], lang)}</td></tr>`)}</table></div>
      <h2>${vi ? 'Sao chép' : 'Copy'}</h2>${commandLine('curl', `curl '${here(call, { f: 'json' })}'`)}`,
  })
}

function table(properties: readonly Column[], features: readonly Feature[], items: string, lang: Language): Html {
  return html`<div class="scroll"><table><tr><th>id</th>${properties.map((column) => html`<th title="${column.description?.[lang] ?? column.name}">${heading(column, lang)}</th>`)}</tr>
    ${features.map((feature) => html`<tr><td><a href="${items}/${feature.id}">${feature.id}</a></td>${properties.map((column) =>
      html`<td class="${column.type === 'integer' || column.type === 'number' ? 'n' : ''}">${shown(column, feature.properties[column.name], lang)}</td>`)}</tr>`)}</table></div>`
}

function heading({ title, unit }: Column, lang: Language): Html {
  return html`${title[lang]}${unit ? html` <small>${unit}</small>` : ''}`
}

function shown(column: Column, value: unknown, lang: Language): string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'number') return column.type === 'number' ? value.toLocaleString(lang, { maximumFractionDigits: 3 }) : String(value)
  if (typeof value === 'object') return JSON.stringify(value)
  const code = column.codes?.[String(value)]
  return code ? `${code[lang]} (${String(value)})` : String(value)
}

export function labelOf(layer: Layer, { id, properties }: Pick<Feature, 'id' | 'properties'>): string {
  const label = layer.label && properties[layer.label]
  return label === null || label === undefined || label === '' ? String(id) : String(label)
}

function pager(call: Call, limit: number, next: string | undefined, layer: Layer, lang: Language): Html {
  const vi = lang === 'vi'
  const keep = Object.entries({ ...call.query, filter: call.params.filter, 'filter-lang': call.params['filter-lang'], bbox: call.params.bbox?.join(','), datetime: call.params.datetime, asOf: call.params.asOf, run: call.params.run })
    .filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  return html`<div class="pager">
    ${call.params.cursor ? html`<a href="${here(call, { cursor: undefined })}">⇤ ${vi ? 'Trang đầu' : 'First page'}</a>` : ''}
    ${next ? html`<a href="${next}" rel="next">${vi ? 'Trang sau' : 'Next page'} →</a>` : ''}
    <form class="inline">${keep.map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}<input type="hidden" name="f" value="html">
      <label>${vi ? 'Mỗi trang' : 'Page size'} <select name="limit">${[20, 100, 500, 1000].map((n) => html`<option ${n === limit ? 'selected' : ''}>${n}</option>`)}</select></label>
      <label>CRS <select name="crs">${crssOf(layer).map(({ uri, title }) => html`<option value="${uri}" ${uri === (call.params.crs ?? CRS84.uri) ? 'selected' : ''}>${title}</option>`)}</select></label>
      <button>${vi ? 'Xem' : 'Show'}</button></form></div>`
}

/** The lines a GIS person types. */
export function copyLines(call: Call, layer: Layer): Html {
  const ogc = `${call.base}/ogc`
  return html`${commandLine('QGIS · OGC API Features', ogc)}
    ${commandLine('QGIS · Vector tiles', `${call.base}/tiles/${layer.id}/{z}/{x}/{y}.mvt`)}
    ${commandLine('GDAL', `ogr2ogr ${layer.id}.gpkg OAPIF:${ogc} ${layer.id}`)}
    ${commandLine('curl', `curl '${ogc}/collections/${layer.id}/items?limit=1000' -H 'Accept: application/geo+json'`)}`
}
