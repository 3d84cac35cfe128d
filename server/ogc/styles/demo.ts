/** A page with MapLibre and a served style; all of it comes from this server, so that it works without a network. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { Response } from 'express'
import { notFound } from '../../errors.js'
import type { Call } from '../../operations/operation.js'
import { html, Html, page } from '../common/html.js'
import { here } from '../common/links.js'
import { language } from '../common/media.js'
import { sendText, vary } from '../common/respond.js'
import { etag, notModified } from '../features/validator.js'

/** Where a style of ours lies, from the root of the server. */
export const STYLE_PATH = '^(/scenarios/[0-9a-fA-F-]{36})?/ogc/(collections/[a-z0-9_]{1,60}/)?styles/[a-z0-9_]{1,60}$'

/** `/docs/maplibre`. */
export function getDemo(call: Call, response: Response): void {
  const lang = language(call.request, call.params.lang)
  const style = `${call.origin}${call.params.style ?? '/ogc/styles/default'}`
  const titles = Object.fromEntries(call.app.store.catalogue.for(call.reader).map(({ id, title }) => [id, title[lang]]))
  const text = page({
    lang, title: 'MapLibre', crumbs: [['dothi', `${call.origin}/ogc`], [lang === 'vi' ? 'Tài liệu' : 'Documentation', `${call.origin}/docs/${lang}/services`]],
    otherLanguage: here(call, { lang: lang === 'vi' ? 'en' : 'vi' }), json: style, style: STYLE,
    body: html`<p>${lang === 'vi' ? 'Bản đồ này chỉ dùng MapLibre, kiểu hiển thị, ô véc-tơ và chữ của máy chủ này. Bấm vào một đối tượng để xem thuộc tính.' : 'This map is MapLibre with the style, vector tiles and letters of this server, and nothing else. Click a feature to see its attributes.'}
      <a href="${call.origin}/docs/maplibre/demo.mjs">demo.mjs</a> · <a href="${style}?f=mapbox">style.json</a></p>
      <div class="demo"><div id="map"></div><div id="layers"></div></div>
      <link rel="stylesheet" href="${call.origin}/docs/maplibre/maplibre-gl.css">
      <script id="titles" type="application/json">${new Html(JSON.stringify(titles).replaceAll('<', '\\u003c'))}</script>
      <script type="module" src="${call.origin}/docs/maplibre/demo.mjs"></script>`,
  }).replace('<main>', html`<main data-style="${style}?f=mapbox">`.text)
  vary(response, lang)
  if (!notModified(call, response, etag('demo', text), 'live')) sendText(response, 'text/html; charset=utf-8', text)
}

const STYLE = `
main{max-width:none}.demo{display:grid;grid-template-columns:minmax(0,1fr) 15rem;gap:1rem;height:calc(100vh - 12rem);min-height:24rem}
#map{border:1px solid var(--line);border-radius:8px;overflow:hidden}#layers{overflow:auto;font-size:14px}#layers label{display:flex;gap:.5rem;padding:.15rem 0}
.maplibregl-popup-content{color:#17222d;font-size:13px}.maplibregl-popup-content td{white-space:normal;max-width:12rem;padding:.1rem .4rem}
@media (max-width:45rem){.demo{grid-template-columns:minmax(0,1fr);grid-template-rows:minmax(20rem,1fr) 12rem;height:auto}}`

/** From source, or from dist/. */
const OURS = ['../../../docs/maplibre/', '../../../../docs/maplibre/'].map((path) => fileURLToPath(new URL(path, import.meta.url))).find(existsSync)!
const { resolve } = createRequire(import.meta.url)

/** Files of the page by name, with where they lie and their media type. */
const FILES: ReadonlyMap<string, readonly [path: () => string, type: string]> = new Map([
  ['demo.mjs', [() => `${OURS}demo.mjs`, 'text/javascript; charset=utf-8']],
  ['maplibre-gl.mjs', [() => resolve('maplibre-gl/dist/maplibre-gl.mjs'), 'text/javascript; charset=utf-8']],
  ['maplibre-gl-worker.mjs', [() => resolve('maplibre-gl/dist/maplibre-gl-worker.mjs'), 'text/javascript; charset=utf-8']],
  ['maplibre-gl.css', [() => resolve('maplibre-gl/dist/maplibre-gl.css'), 'text/css; charset=utf-8']],
])

/** `/docs/maplibre/{file}`. */
export async function getDemoFile(call: Call, response: Response): Promise<void> {
  const file = FILES.get(call.params.file)
  if (!file) throw notFound(`The page has no file “${String(call.params.file).slice(0, 60)}”; it has ${[...FILES.keys()].join(', ')}.`)
  const text = await readFile(file[0](), 'utf8')
  if (!notModified(call, response, etag('demo', text), 'live')) sendText(response, file[1], text)
}
