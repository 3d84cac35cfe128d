/** The catalogue as a page: every layer with its columns, codes and rules, in one language. Made from the layers themselves. */
import { GROUPS } from '../../layers/groups.js'
import type { Column, Layer } from '../../layers/layer.js'
import { html, type Html } from '../ogc/common/html.js'
import type { Language } from '../ogc/common/media.js'

const WORDS = {
  vi: {
    column: 'Cột', title: 'Tên gọi', type: 'Kiểu', unit: 'Đơn vị', values: 'Giá trị', required: 'bắt buộc', rules: 'Quy tắc', error: 'từ chối', warning: 'cảnh báo',
    licence: 'giấy phép', open: 'mở', internal: 'nội bộ', restricted: 'hạn chế', surveyed: 'giữ nguyên tọa độ đo',
    point: 'điểm', line: 'đường', polygon: 'vùng', any: 'mọi dạng',
    text: 'chữ', integer: 'số nguyên', number: 'số', boolean: 'có/không', date: 'ngày', timestamp: 'thời điểm', json: 'JSON',
  },
  en: {
    column: 'Column', title: 'Title', type: 'Type', unit: 'Unit', values: 'Values', required: 'required', rules: 'Rules', error: 'rejects', warning: 'warns',
    licence: 'licence', open: 'open', internal: 'internal', restricted: 'restricted', surveyed: 'keeps the coordinates as surveyed',
    point: 'points', line: 'lines', polygon: 'polygons', any: 'any geometry',
    text: 'text', integer: 'integer', number: 'number', boolean: 'yes/no', date: 'date', timestamp: 'time', json: 'JSON',
  },
} as const

/** The groups that have layers, with the anchors that `layerCatalogue` gives them. */
export function layerGroups(layers: readonly Layer[], lang: Language): { readonly anchor: string; readonly text: string }[] {
  return Object.entries(GROUPS).filter(([group]) => layers.some(layer => layer.group === group)).map(([group, title]) => ({ anchor: `group-${group}`, text: title[lang] }))
}

/** Layers by group, in the catalogue's order. Each has its id as anchor. */
export function layerCatalogue(layers: readonly Layer[], lang: Language): Html {
  return html`${layerGroups(layers, lang).map(({ anchor, text }) => html`<h2 id="${anchor}">${text}</h2>${
    layers.filter(layer => `group-${layer.group}` === anchor).map(layer => layerSection(layer, lang))}`)}`
}

function layerSection(layer: Layer, lang: Language): Html {
  const words = WORDS[lang]
  const facts = [
    words[layer.geometry], ...(layer.threeD ? ['3D'] : []), words[layer.classification], `${words.licence} ${layer.licence}`,
    ...(layer.surveyed ? [`${words.surveyed} (EPSG:${layer.surveyed.srid})`] : []),
  ]
  return html`<section class="layer"><h3 id="${layer.id}"><a class="self" href="#${layer.id}">${layer.title[lang]}</a> <code>${layer.id}</code></h3>
    <p>${layer.description[lang]}</p><p class="soft">${facts.join(' · ')}</p>
    ${layer.columns.length > 0 && html`<div class="scroll"><table><thead><tr>${[words.column, words.title, words.type, words.unit, words.values].map(name => html`<th>${name}</th>`)}</tr></thead>
      <tbody>${layer.columns.map(column => columnRow(column, lang))}</tbody></table></div>`}
    ${(layer.rules?.length ?? 0) > 0 && html`<p class="rules">${words.rules}</p><ul>${layer.rules!.map(rule => html`<li>${rule.title[lang]} <small>(${words[rule.severity]})</small></li>`)}</ul>`}
  </section>`
}

function columnRow(column: Column, lang: Language): Html {
  const words = WORDS[lang]
  const marks = [...(column.required ? [words.required] : []), ...(column.classification && column.classification !== 'open' ? [words[column.classification]] : [])]
  return html`<tr><td><code>${column.name}</code></td>
    <td>${column.title[lang]}${column.description && html`<br><small>${column.description[lang]}</small>`}</td>
    <td>${words[column.type]}${marks.length > 0 && html`<br><small>${marks.join(', ')}</small>`}</td><td>${column.unit}</td><td>${valuesOf(column, lang)}</td></tr>`
}

/** What a column may hold: its codes with their titles, its range, its pattern. */
function valuesOf({ codes, min, max, pattern }: Column, lang: Language): Html {
  const range = min !== undefined && max !== undefined ? `${min} – ${max}` : min !== undefined ? `≥ ${min}` : max !== undefined ? `≤ ${max}` : undefined
  const entries = Object.entries(codes ?? {})
  const list = entries.map(([code, title]) => html`<li><code>${code}</code> ${title[lang]}</li>`)
  return html`${range}${pattern && html` <code>${pattern}</code>`}${entries.length > MANY_CODES
    ? html`<details><summary>${entries.length} ${lang === 'vi' ? 'mã' : 'codes'}</summary><ul class="codes">${list}</ul></details>`
    : entries.length > 0 && html`<ul class="codes">${list}</ul>`}`
}

const MANY_CODES = 6
