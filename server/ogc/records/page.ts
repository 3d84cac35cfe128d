/** The catalogue as pages: a search with facets, and a record with all that is known of it. */
import type { Classification, Localized, UpdateFrequency } from '../../../layers/layer.js'
import type { Call } from '../../operations/operation.js'
import { commandLine, Html, html } from '../common/html.js'
import { here } from '../common/links.js'
import type { Language } from '../common/media.js'
import { mapSvg } from '../features/map-svg.js'
import { LICENCES, recordUrl, rightsOf } from './geojson.js'
import { THEME_TITLES, TYPE_TITLES, type CatalogueRecord, type Quality } from './record.js'

const WORDS = {
  vi: {
    search: 'Tìm', hint: 'Tên, từ khóa, đơn vị… không cần dấu', none: 'Không có bản ghi nào khớp. Hãy bớt từ hoặc bỏ bớt bộ lọc.', found: 'bản ghi', clear: 'Bỏ mọi bộ lọc', narrow: 'Lọc', next: 'Trang sau', first: 'Trang đầu',
    sort: 'Thứ tự', byTitle: 'theo tên', newest: 'mới cập nhật trước', largest: 'nhiều đối tượng trước', faults: 'nhiều lỗi trước', portals: 'Cho cổng dữ liệu mở',
    type: 'Loại', theme: 'Chủ đề', owner: 'Đơn vị quản lý', contact: 'Liên hệ', license: 'Giấy phép', rights: 'Quyền', classification: 'Mức bảo mật', updateFrequency: 'Cập nhật', updated: 'Cập nhật lúc', created: 'Lập lúc', time: 'Thời gian', count: 'đối tượng', quality: 'Chất lượng',
    keywords: 'Từ khóa', lineage: 'Nguồn gốc', attribution: 'Ghi công', extent: 'Phạm vi', data: 'Dữ liệu', copy: 'Sao chép', unknown: 'chưa nêu', partOf: 'Thuộc', id: 'Mã',
    good: 'không có phát hiện', errors: 'lỗi', findings: 'phát hiện', waived: 'được chấp nhận', checked: 'kiểm tra lúc', stale: 'dữ liệu đã đổi từ đó',
  },
  en: {
    search: 'Search', hint: 'Names, keywords, owners … with or without accents', none: 'No record matches. Use fewer words, or take a filter away.', found: 'records', clear: 'Clear all filters', narrow: 'Narrow down', next: 'Next page', first: 'First page',
    sort: 'Order', byTitle: 'by title', newest: 'latest update first', largest: 'most features first', faults: 'most errors first', portals: 'For open-data portals',
    type: 'Type', theme: 'Theme', owner: 'Owner', contact: 'Contact', license: 'Licence', rights: 'Rights', classification: 'Classification', updateFrequency: 'Updates', updated: 'Updated', created: 'Created', time: 'Period', count: 'features', quality: 'Quality',
    keywords: 'Keywords', lineage: 'Lineage', attribution: 'Attribution', extent: 'Extent', data: 'Data', copy: 'Copy', unknown: 'not stated', partOf: 'Part of', id: 'Id',
    good: 'no findings', errors: 'errors', findings: 'findings', waived: 'waived', checked: 'checked', stale: 'the data has changed since',
  },
} as const

const CLASSES: Readonly<Record<Classification, Localized>> = { open: { vi: 'mở', en: 'open' }, internal: { vi: 'nội bộ', en: 'internal' }, restricted: { vi: 'hạn chế', en: 'restricted' } }
const FREQUENCIES: Readonly<Record<UpdateFrequency, Localized>> = {
  continual: { vi: 'liên tục', en: 'continually' }, daily: { vi: 'hằng ngày', en: 'daily' }, weekly: { vi: 'hằng tuần', en: 'weekly' }, monthly: { vi: 'hằng tháng', en: 'monthly' },
  quarterly: { vi: 'hằng quý', en: 'quarterly' }, annual: { vi: 'hằng năm', en: 'yearly' }, irregular: { vi: 'khi có thay đổi', en: 'as needed' }, never: { vi: 'không đổi', en: 'never' },
}

/** What a facet counts, and the parameter that narrows down to one of its values. */
const FACETS = ['type', 'theme', 'owner', 'classification', 'license', 'updateFrequency'] as const
type Facet = (typeof FACETS)[number]

function valueOf(facet: Facet, record: CatalogueRecord, lang: Language): readonly [value: string, title: string] | undefined {
  switch (facet) {
    case 'type': return [record.type, TYPE_TITLES[record.type][lang]]
    case 'theme': return [record.theme, THEME_TITLES[record.theme][lang]]
    case 'owner': return record.owner && [record.owner[lang], record.owner[lang]]
    case 'classification': return [record.classification, CLASSES[record.classification][lang]]
    case 'license': return [record.licence, licenceTitle(record.licence, lang)]
    case 'updateFrequency': return record.updateFrequency && [record.updateFrequency, FREQUENCIES[record.updateFrequency][lang]]
  }
}

export interface ResultPage { readonly matched: readonly CatalogueRecord[]; readonly page: readonly CatalogueRecord[]; readonly next: string | undefined }

/** Search, facets and results. */
export function resultsHtml(call: Call, { matched, page, next }: ResultPage, lang: Language): Html {
  const words = WORDS[lang]
  const chosen = chosenOf(call)
  return html`<style>${new Html(STYLE)}</style>
    <form class="find" role="search">${[...chosen, ...kept(call)].map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}<input type="hidden" name="f" value="html"><input type="hidden" name="lang" value="${lang}">
      <input type="search" name="q" value="${call.params.q?.join(',')}" placeholder="${words.hint}" aria-label="${words.search}" autofocus>
      <select name="sortby" aria-label="${words.sort}">${([['title', words.byTitle], ['-updated', words.newest], ['-count', words.largest], ['-qualityErrors', words.faults]] as const).map(([value, title]) =>
        html`<option value="${value}"${new Html(call.params.sortby?.[0] === value ? ' selected' : '')}>${title}</option>`)}</select>
      <button>${words.search}</button></form>
    <div class="catalogue">
      <nav class="facets" id="facets">
        ${chosen.length > 0 ? html`<p><a href="${here(call, Object.fromEntries([...chosen.map(([name]) => [name, undefined]), ['cursor', undefined]]))}">✕ ${words.clear}</a></p>` : ''}
        ${FACETS.map(facet => facetHtml(call, facet, matched, lang))}
        <section><h3>${words.portals}</h3><a href="${here(call, { f: 'dcat', cursor: undefined, limit: undefined })}">DCAT-AP (JSON-LD)</a><a href="${here(call, { f: 'schemaorg', cursor: undefined, limit: undefined })}">schema.org (JSON-LD)</a></section>
      </nav>
      <div><p class="soft"><a class="narrow" href="#facets">${words.narrow} ↓</a> ${matched.length.toLocaleString(lang)} ${words.found}</p>
        ${page.length === 0 ? html`<p>${words.none}</p>` : page.map(record => resultHtml(call, record, lang))}
        <div class="pager">${call.params.cursor ? html`<a href="${here(call, { cursor: undefined })}">⇤ ${words.first}</a>` : ''}${next ? html`<a href="${next}" rel="next">${words.next} →</a>` : ''}</div>
      </div></div>`
}

/** The facets that the request narrows down by. */
function chosenOf(call: Call): [string, string][] {
  return FACETS.flatMap(facet => {
    const value = facet === 'type' ? call.params.type?.join(',') : call.query[facet]
    return value === undefined ? [] : [[facet, value] as [string, string]]
  })
}
/** What else a new search keeps. */
const kept = ({ params }: Call): [string, string][] => (['bbox', 'datetime', 'limit'] as const).flatMap(name => params[name] === undefined || (name === 'limit' && params.limit === 100) ? [] : [[name, String(params[name])] as [string, string]])

function facetHtml(call: Call, facet: Facet, matched: readonly CatalogueRecord[], lang: Language): Html {
  const counts = new Map<string, { title: string; count: number }>()
  for (const record of matched) {
    const [value, title] = valueOf(facet, record, lang) ?? []
    if (value !== undefined) counts.set(value, { title: title!, count: (counts.get(value)?.count ?? 0) + 1 })
  }
  const isChosen = chosenOf(call).some(([name]) => name === facet)
  if (counts.size < 2 && !isChosen) return html``
  return html`<section><h3>${WORDS[lang][facet]}</h3>${[...counts].sort(([, a], [, b]) => b.count - a.count).map(([value, { title, count }]) => isChosen
    ? html`<a class="chosen" href="${here(call, { [facet]: undefined, cursor: undefined })}">✕ ${title}</a>`
    : html`<a href="${here(call, { [facet]: value, cursor: undefined })}">${title}<small>${count}</small></a>`)}</section>`
}

function resultHtml(call: Call, record: CatalogueRecord, lang: Language): Html {
  const words = WORDS[lang]
  const facts = [record.owner?.[lang], licenceTitle(record.licence, lang), record.count !== undefined && `${record.count.toLocaleString(lang)} ${words.count}`, record.time && period(record, lang), record.updated && `${words.updated.toLowerCase()} ${day(record.updated, lang)}`]
  return html`<article><h2><a href="${recordUrl(call, record.id)}?f=html&amp;lang=${lang}">${record.title[lang]}</a> <span class="badge">${TYPE_TITLES[record.type][lang]}</span>${record.classification === 'open' ? '' : html` <span class="badge warn">${CLASSES[record.classification][lang]}</span>`}</h2>
    <p>${record.description[lang]}</p><p class="soft">${facts.filter(Boolean).join(' · ')}${record.quality ? html` · ${qualityChip(record.quality, lang)}` : ''}</p></article>`
}

function qualityChip({ findings, errors }: Quality, lang: Language): Html {
  const words = WORDS[lang]
  if (findings === 0) return html`<span class="chip good">${words.good}</span>`
  return html`<span class="chip ${errors > 0 ? 'bad' : 'warn'}">${errors > 0 ? `${errors.toLocaleString(lang)} ${words.errors}` : `${findings.toLocaleString(lang)} ${words.findings}`}</span>`
}

/** All that is known of a record. */
export function recordHtml(call: Call, record: CatalogueRecord, lang: Language): Html {
  const words = WORDS[lang]
  const { contact, quality } = record
  const url = recordUrl(call, record.id)
  const facts: [string, string | Html | undefined][] = [
    [words.type, TYPE_TITLES[record.type][lang]], [words.theme, THEME_TITLES[record.theme][lang]], [words.keywords, record.keywords.map(word => word[lang]).join(', ')],
    [words.owner, record.owner?.[lang] ?? words.unknown],
    [words.contact, contact && html`${contact.email ? html`<a href="mailto:${contact.email}">${contact.email}</a> ` : ''}${contact.phone} ${contact.url ? html`<a href="${contact.url}">${contact.url}</a>` : ''}`],
    [words.license, LICENCES[record.licence] ? html`<a href="${LICENCES[record.licence]!}">${record.licence}</a>` : licenceTitle(record.licence, lang)], [words.rights, rightsOf(record, lang)],
    [words.attribution, record.attribution], [words.lineage, record.lineage?.[lang]],
    [words.updateFrequency, record.updateFrequency && FREQUENCIES[record.updateFrequency][lang]], [words.time, record.time ? period(record, lang) : undefined],
    [words.created, record.created && day(record.created, lang)], [words.updated, record.updated && day(record.updated, lang)],
    [words.quality, quality && html`${qualityChip(quality, lang)} <small>${quality.findings.toLocaleString(lang)} ${words.findings}, ${quality.waived.toLocaleString(lang)} ${words.waived}; ${words.checked} ${day(quality.checked, lang)}${quality.isCurrent ? '' : `, ${words.stale}`}</small>`],
    [words.partOf, record.partOf && html`<a href="${recordUrl(call, record.partOf)}?f=html">${record.partOf}</a>`], [words.id, html`<code>${record.id}</code>`],
  ]
  return html`<style>${new Html(STYLE)}</style>${record.label ? html`<p class="label">${record.label[lang]}</p>` : ''}<p class="lead">${record.description[lang]}</p>
    <div class="record"><table class="facts">${facts.filter(([, value]) => value !== undefined && value !== '').map(([name, value]) => html`<tr><th>${name}</th><td>${value!}</td></tr>`)}</table>
    ${record.bbox ? html`<div>${mapSvg([], record.bbox)}<p class="soft">${words.extent}: ${record.bbox.map(value => value.toFixed(5)).join(', ')}</p></div>` : ''}</div>
    <h2>${words.data}</h2><ul class="links">${record.distributions.map(({ path, title, type }) => html`<li><a href="${call.origin}${path}">${title[lang]}</a> <small>${type}</small></li>`)}</ul>
    <h2>${words.copy}</h2>${commandLine('GeoJSON', `curl '${url}?f=json'`)}${commandLine('DCAT-AP', `curl '${url}?f=dcat'`)}${commandLine('schema.org', `curl '${url}?f=schemaorg'`)}`
}

const licenceTitle = (licence: string, lang: Language) => licence === 'unknown' ? WORDS[lang].unknown : licence === 'internal' ? CLASSES.internal[lang] : licence
const day = (at: Date, lang: Language) => at.toLocaleString(lang === 'vi' ? 'vi-VN' : 'en-GB', { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' }) + ' UTC'
const period = ({ time }: CatalogueRecord, lang: Language) => `${day(time!.start, lang)} – ${day(time!.end, lang)}`

const STYLE = `
.find{display:flex;gap:.6rem;flex-wrap:wrap;margin:.6rem 0 1rem}.find input[type=search]{flex:1 1 16rem;padding:.55rem .8rem;font-size:1rem}.find button{padding:.5rem 1.2rem;background:var(--accent);color:var(--card);border-color:var(--accent);cursor:pointer}.find select{padding:.5rem}
.catalogue{display:grid;grid-template-columns:15rem minmax(0,1fr);gap:1.6rem;align-items:start}.facets{display:block}.narrow{display:none}
.facets section{margin:0 0 1rem}.facets h3{font-size:.8rem;letter-spacing:.02em;color:var(--soft);margin:.7rem 0 .25rem;font-weight:600}.facets section a{display:flex;justify-content:space-between;gap:.6rem;padding:.2rem .5rem;border-radius:6px;color:inherit}.facets section a:hover{background:var(--card);text-decoration:none}.facets .chosen{background:var(--card);color:var(--accent);font-weight:600;justify-content:flex-start}
article{padding:.8rem 1rem;margin:0 0 .7rem;background:var(--card);border:1px solid var(--line);border-radius:8px}article h2{font-size:1.05rem;margin:0 0 .2rem}article p{margin:.15rem 0}
.badge,.chip{font-size:.75rem;font-weight:400;padding:.05rem .5rem;border:1px solid var(--line);border-radius:1rem;color:var(--soft);white-space:nowrap}.good{color:#1d7a46;border-color:#1d7a4666}.warn{color:#a8650a;border-color:#a8650a66}.bad{color:#b3362b;border-color:#b3362b66}
@media (prefers-color-scheme:dark){.good{color:#6fd39b}.warn{color:#e9b463}.bad{color:#f08a80}}
.label{display:inline-block;padding:.25rem .8rem;border:1px solid #a8650a66;border-radius:6px;color:#a8650a;font-weight:600;margin:.2rem 0}.lead{font-size:1.05rem;max-width:60rem}
.record{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,24rem);gap:1.6rem;align-items:start}.facts th{position:static;background:none;color:var(--soft);font-weight:400;width:9rem}.facts td{white-space:normal;max-width:none}.facts{background:var(--card);border:1px solid var(--line);border-radius:8px;border-collapse:separate;border-spacing:0}
@media (max-width:46rem){.catalogue,.record{grid-template-columns:minmax(0,1fr)}.facets{order:1}.narrow{display:inline;float:right}.facts th{width:7rem}}
.links small{overflow-wrap:anywhere}`
