/** The services directory for people: no scripts, no outside hosts. */
import type { Layer } from '../../layers/layer.js'
import { commandLine, html, linkList, page, type Html } from '../ogc/common/html.js'
import { here } from '../ogc/common/links.js'
import type { Language } from '../ogc/common/media.js'
import type { Call } from '../operations/operation.js'
import { nameOf, type EsriLayer } from './esri-layer.js'
import type { Field } from './fields.js'
import type { Given } from './parameters.js'
import type { EsriQuery } from './query.js'
import { countOf, esriRows } from './rows.js'

const say = (lang: Language, vi: string, en: string) => (lang === 'vi' ? vi : en)
const servicesUrl = ({ base }: Call) => `${base}/arcgis/rest/services`
const serviceUrl = (call: Call, { id }: Layer) => `${servicesUrl(call)}/${id}/FeatureServer`

function frame(call: Call, lang: Language, title: string, crumbs: readonly (readonly [string, string])[], body: Html): string {
  return page({ lang, title, crumbs: [['dothi', `${call.base}/ogc`], ['ArcGIS REST', servicesUrl(call)], ...crumbs], otherLanguage: here(call, { lang: lang === 'vi' ? 'en' : 'vi' }), json: here(call, { f: 'pjson' }), body })
}

export function directoryPage(call: Call, layers: readonly Layer[], lang: Language): string {
  return frame(call, lang, say(lang, 'Dịch vụ ArcGIS', 'ArcGIS services'), [], html`
<p>${say(lang, 'Mỗi lớp là một FeatureServer. Trong ArcGIS Pro hay Map Viewer: thêm lớp từ URL.', 'Each layer is a FeatureServer. In ArcGIS Pro or Map Viewer: add a layer from its URL.')}</p>
<div class="cards">${layers.map(layer => html`<a class="card" href="${serviceUrl(call, layer)}"><b>${layer.title[lang]}</b> <small>${layer.id}</small><br>${layer.description[lang]}</a>`)}</div>`)
}

export function servicePage(call: Call, layer: Layer, layers: readonly EsriLayer[], lang: Language): string {
  const url = serviceUrl(call, layer)
  return frame(call, lang, layer.title[lang], [[layer.id, url]], html`<p>${layer.description[lang]}</p>
<h2>${say(lang, 'Lớp', 'Layers')}</h2>${linkList(layers.map(esri => [nameOf(esri, lang), `${url}/${esri.id}`, `${esri.id} · ${esri.type}`]))}
<h2>URL</h2>${commandLine('ArcGIS', url)}${commandLine('GDAL', `ogrinfo -so "ESRIJSON:${url}/0/query?where=1%3D1&outFields=*&f=json&resultRecordCount=1000" ESRIJSON`)}`)
}

export function layerPage(call: Call, esri: EsriLayer, fields: readonly Field[], lang: Language): string {
  const url = `${serviceUrl(call, esri.layer)}/${esri.id}`
  return frame(call, lang, nameOf(esri, lang), [[esri.layer.id, serviceUrl(call, esri.layer)], [String(esri.id), url]], html`<p>${esri.layer.description[lang]}</p>${queryForm(url, lang)}
<h2>${say(lang, 'Trường', 'Fields')}</h2><div class="scroll"><table><tr><th>${say(lang, 'Tên', 'Name')}</th><th>${say(lang, 'Tiêu đề', 'Title')}</th><th>${say(lang, 'Đơn vị', 'Unit')}</th><th>${say(lang, 'Kiểu', 'Type')}</th></tr>
${fields.map(({ name, column, type }) => html`<tr><td><code>${name}</code></td><td>${column.title[lang]}</td><td>${column.unit}</td><td>${type.replace('esriFieldType', '')}</td></tr>`)}</table></div>
<h2>URL</h2>${commandLine('ArcGIS', url)}${commandLine('curl', `curl '${url}/query?where=1%3D1&outFields=*&resultRecordCount=10&f=json'`)}`)
}

const queryForm = (url: string, lang: Language, where = '1=1') => html`<form class="inline" action="${url}/query"><input type="hidden" name="f" value="html"><input type="hidden" name="outFields" value="*">
<label>where <input name="where" style="width:30rem;max-width:calc(100vw - 3rem)" value="${where}"></label><button>${say(lang, 'Truy vấn', 'Query')}</button></form>`

/** Rows of a page: more is for programs. */
const SHOWN = 100

export async function queryPage(call: Call, esri: EsriLayer, query: EsriQuery, { where }: Given): Promise<string> {
  const { lang, outFields } = query
  const { store } = call.app
  const url = `${serviceUrl(call, esri.layer)}/${esri.id}`
  const [count, rows] = await Promise.all([countOf(store, { ...query, distinct: false }), esriRows(store, { ...query, distinct: false, withGeometry: false, withCentroid: false, limit: Math.min(query.limit, SHOWN) })])
  const cell = (field: Field, value: unknown) => (value === null ? '' : field.type === 'esriFieldTypeDate' ? new Date(value as number).toISOString().replace('T', ' ').replace(/(:00)?\.\d+Z/, '') : field.column.codes?.[String(value)]?.[lang] ?? value as string | number)
  return frame(call, lang, nameOf(esri, lang), [[esri.layer.id, serviceUrl(call, esri.layer)], [String(esri.id), url], [say(lang, 'Truy vấn', 'Query'), here(call)]], html`${queryForm(url, lang, where)}
<p>${count} ${say(lang, 'đối tượng', count === 1 ? 'feature' : 'features')}${rows.length < count ? say(lang, `, ${Math.min(SHOWN, rows.length)} đầu tiên`, `, the first ${Math.min(SHOWN, rows.length)}`) : ''} · <a href="${here(call, { f: 'geojson' })}">GeoJSON</a> · <a href="${here(call, { f: 'pbf' })}">PBF</a></p>
<div class="scroll"><table><tr>${outFields.map(({ column }) => html`<th>${column.title[lang]}${column.unit ? html` <small>${column.unit}</small>` : ''}</th>`)}</tr>
${rows.slice(0, SHOWN).map(({ values }) => html`<tr>${values.map((value, i) => html`<td${typeof value === 'number' ? html` class="n"` : ''}>${cell(outFields[i]!, value)}</td>`)}</tr>`)}</table></div>`)
}
