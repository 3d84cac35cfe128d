/**
 * Server-rendered pages: no outside hosts, and nothing that needs a script; the one that there is (page-files.ts) copies lines and
 * draws boxes on maps.
 */
import type { Language } from './media.js'

/** Text that is markup already. Everything else is escaped. */
export class Html { constructor(readonly text: string) {} }

type Piece = string | number | Html | null | undefined | false | readonly Piece[]

/** A template whose values are escaped unless they are Html. */
export function html(parts: TemplateStringsArray, ...values: Piece[]): Html {
  return new Html(parts.reduce((text, part, i) => text + render(values[i - 1]) + part))
}

function render(piece: Piece): string {
  if (piece instanceof Html) return piece.text
  if (Array.isArray(piece)) return piece.map(render).join('')
  if (piece === null || piece === undefined || piece === false) return ''
  return String(piece).replace(/[&<>"']/g, (c) => ESCAPES[c]!)
}
const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

export interface Page {
  readonly lang: Language
  readonly title: string
  readonly crumbs: readonly (readonly [title: string, href: string])[]
  /** The same page in the other language, and the JSON of it where there is one. */
  readonly otherLanguage: string
  readonly json?: string
  /** CSS besides that of all pages. */
  readonly style?: string
  readonly body: Html
  /** schema.org description, for data-set search. */
  readonly jsonLd?: unknown
}

export function page({ lang, title, crumbs, otherLanguage, json, style = '', body, jsonLd }: Page): string {
  const [[home, homeHref] = ['dothi', '/'], ...path] = crumbs
  return html`<!doctype html>
<html lang="${lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · dothi</title><link rel="icon" href="${ICON}"><style>${new Html(STYLE + style)}</style>
${jsonLd ? html`<script type="application/ld+json">${new Html(JSON.stringify(jsonLd).replaceAll('<', '\\u003c'))}</script>` : ''}${
  SCRIPTED.test(body.text) && html`<script type="module" src="/pages/page.js"></script>`}
</head><body>
<header><nav><a class="home" href="${homeHref}">${home}</a>${path.map(([name, href]) => html`<i>/</i><a href="${href}">${name}</a>`)}</nav>
<nav>${json && html`<a class="chip" href="${json}">JSON</a>`}<a class="chip" href="${otherLanguage}" hreflang="${lang === 'vi' ? 'en' : 'vi'}" lang="${lang === 'vi' ? 'en' : 'vi'}">${lang === 'vi' ? 'English' : 'Tiếng Việt'}</a></nav></header>
<main><h1>${title}</h1>${body}</main></body></html>`.text
}

/** A body that has something for the script. */
const SCRIPTED = /<svg class="map"|class="cmd"/

/** One line to copy, with what it is for. */
export function commandLine(label: string, command: string): Html {
  return html`<div class="cmd"><span>${label}</span><code>${command}</code></div>`
}

export function linkList(items: readonly (readonly [title: string, href: string, note?: string])[]): Html {
  return html`<ul class="links">${items.map(([title, href, note]) => html`<li><a href="${href}">${title}</a>${note ? html` <small>${note}</small>` : ''}</li>`)}</ul>`
}

/** Links side by side: formats, ways on. */
export function chips(items: readonly (readonly [title: string, href: string, note?: string])[]): Html {
  return html`<div class="chips">${items.map(([title, href, note]) => html`<a class="chip" href="${href}" ${note ? html`title="${note}"` : ''}>${title}</a>`)}</div>`
}

/** What is to be known, one fact beside the other; those without a value are left out. */
export function factList(facts: readonly (readonly [title: string, value: Piece])[]): Html {
  return html`<dl class="facts">${facts.filter(([, value]) => value !== undefined && value !== null && value !== '' && value !== false).map(([title, value]) => html`<div><dt>${title}</dt><dd>${value}</dd></div>`)}</dl>`
}

/** An RFC 3339 time, short, in UTC. */
export function timeTag(at: Date | string): Html {
  const iso = typeof at === 'string' ? at : at.toISOString()
  return html`<time datetime="${iso}" title="${iso}">${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC</time>`
}

/** A JSON document for people, folded where there is something better to look at. */
export function jsonView(document: unknown, summary?: string): Html {
  const text = html`<pre class="json"><code>${JSON.stringify(document, null, 2)}</code></pre>`
  return summary === undefined ? text : html`<details><summary>${summary}</summary>${text}</details>`
}

const ICON = `data:image/svg+xml,${encodeURIComponent('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path fill="#0e6e73" d="M1 15V7l4-3v11zM6 15V1l5 3v11zM12 15V8l3 2v5z"/></svg>')}`

/** The viewer's paper, ink and teal (Be Vietnam Pro, tabular figures); colour is for what can be done and for data. */
const STYLE = `
@font-face{font-family:'Be Vietnam Pro';font-weight:400;font-display:swap;src:url(/pages/latin-400.woff2)}
@font-face{font-family:'Be Vietnam Pro';font-weight:600;font-display:swap;src:url(/pages/latin-600.woff2)}
@font-face{font-family:'Be Vietnam Pro';font-weight:400;font-display:swap;src:url(/pages/vietnamese-400.woff2);unicode-range:U+0102-0103,U+0110-0111,U+0128-0129,U+0168-0169,U+01A0-01A1,U+01AF-01B0,U+0300-0301,U+0303-0304,U+0308-0309,U+0323,U+0329,U+1EA0-1EF9,U+20AB}
@font-face{font-family:'Be Vietnam Pro';font-weight:600;font-display:swap;src:url(/pages/vietnamese-600.woff2);unicode-range:U+0102-0103,U+0110-0111,U+0128-0129,U+0168-0169,U+01A0-01A1,U+01AF-01B0,U+0300-0301,U+0303-0304,U+0308-0309,U+0323,U+0329,U+1EA0-1EF9,U+20AB}
:root{color-scheme:light dark;--ink:#1d2733;--soft:#5b6672;--line:#e0dcd3;--paper:#f7f5f0;--card:#fffefb;--accent:#0e6e73;--tint:#0e6e7314;--act:#b3262e;--map:#fbfaf6}
@media (prefers-color-scheme:dark){:root{--ink:#e8e6e1;--soft:#9aa5ae;--line:#2f3940;--paper:#12181d;--card:#1a2127;--accent:#5fc4c6;--tint:#5fc4c61f;--act:#e0767b;--map:#151b20}}
*{box-sizing:border-box}body{margin:0;font:15px/1.55 'Be Vietnam Pro',system-ui,sans-serif;color:var(--ink);background:var(--paper)}
a{color:var(--accent);text-decoration:none}a:hover{text-decoration:underline}:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:4px}
header{display:flex;justify-content:space-between;align-items:center;gap:.4rem 1rem;padding:.6rem max(1.25rem,calc((100vw - 80rem)/2 + 1.25rem));border-bottom:1px solid var(--line);background:var(--card)}
nav{display:flex;gap:.3rem .55rem;flex-wrap:wrap;align-items:center}nav i{color:var(--soft);font-style:normal}.home{font-weight:600;color:var(--ink)}header nav:last-child{flex-wrap:nowrap}
main{max-width:80rem;margin:0 auto;padding:1.4rem 1.25rem 4rem}
h1{font-size:1.75rem;line-height:1.25;letter-spacing:-.01em;margin:.2rem 0 .5rem;text-wrap:balance}h2{font-size:1.12rem;margin:2rem 0 .6rem}h3{font-size:1rem;margin:1.2rem 0 .4rem}
p{max-width:52rem}.lead{font-size:1.05rem;margin:.2rem 0 1rem}small,.soft{color:var(--soft)}code{font:12.5px/1.55 ui-monospace,'Cascadia Mono',monospace}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(17rem,100%),1fr));gap:.75rem}
.card{display:flex;flex-direction:column;gap:.15rem;padding:.8rem 1rem;background:var(--card);border:1px solid var(--line);border-radius:12px;color:inherit}
.card:hover{border-color:var(--accent);text-decoration:none}.card b{color:var(--accent);font-weight:600}.card br{display:none}.card small{line-height:1.45}.card .foot{margin-top:auto;padding-top:.35rem}
.swatch{display:inline-block;width:.75em;height:.75em;border-radius:3px;background:var(--c);border:1px solid color-mix(in srgb,var(--c) 65%,#000);margin-right:.4em;vertical-align:-.02em}
.chips{display:flex;flex-wrap:wrap;gap:.4rem;margin:.5rem 0}
.chip{display:inline-flex;align-items:center;gap:.35em;padding:.18rem .7rem;border:1px solid var(--line);border-radius:99px;background:var(--card);font-size:13.5px;white-space:nowrap}.chip:hover{border-color:var(--accent);text-decoration:none}
.chip.on{background:var(--tint);border-color:transparent}
.facts{display:flex;flex-wrap:wrap;gap:.5rem 2rem;margin:.8rem 0 1rem}.facts dt{font-size:12.5px;color:var(--soft)}.facts dd{margin:0;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.scroll{overflow:auto;max-height:36rem;border:1px solid var(--line);border-radius:12px;background:var(--card)}
table{border-collapse:collapse;font-size:13.5px}.scroll table{width:100%}th,td{padding:.4rem .8rem;text-align:left;border-bottom:1px solid var(--line);vertical-align:top;white-space:nowrap;max-width:26rem;overflow:hidden;text-overflow:ellipsis}
tr:last-child>td,tr:last-child>th{border-bottom:0}tbody tr:hover>td{background:var(--tint)}td.wrap,th.wrap{white-space:normal;min-width:12rem}
th{position:sticky;top:0;background:var(--card);font-weight:600;z-index:1}th small{font-weight:400}th[scope=row]{position:static}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}th a{color:inherit}
pre{overflow:auto;max-height:36rem;margin:.6rem 0;padding:.8rem 1rem;background:var(--card);border:1px solid var(--line);border-radius:12px}
details{margin:1.2rem 0}summary{cursor:pointer;color:var(--accent)}progress{width:min(24rem,100%);accent-color:var(--accent)}
.cmd{display:flex;gap:.8rem;align-items:center;padding:.3rem .4rem .3rem .9rem;background:var(--card);border:1px solid var(--line);border-radius:10px;margin:.35rem 0;min-height:2.3rem}
.cmd span{flex:none;width:8.5rem;color:var(--soft);font-size:13.5px}.cmd code{flex:1;user-select:all;overflow-x:auto;white-space:nowrap;scrollbar-width:thin}.cmd button{flex:none;font-size:13px}
.pager{display:flex;gap:.5rem .9rem;align-items:center;margin:.9rem 0;flex-wrap:wrap}.links{padding-left:1.1rem}
form.inline{display:flex;gap:.5rem .8rem;flex-wrap:wrap;align-items:center}form label{font-size:13.5px;color:var(--soft)}
select,input,button{font:inherit;font-size:14px;padding:.28rem .6rem;border:1px solid var(--line);border-radius:8px;background:var(--card);color:var(--ink);max-width:100%}
button{cursor:pointer}button:hover{border-color:var(--accent)}button.go{background:var(--accent);border-color:var(--accent);color:var(--card)}
.empty{padding:1.6rem;border:1px dashed var(--line);border-radius:12px;text-align:center;max-width:none}
@media (max-width:45rem){main{padding:1rem 1rem 3rem}h1{font-size:1.45rem}header{flex-wrap:wrap}.cmd{flex-wrap:wrap;gap:.1rem .6rem;padding:.5rem .6rem}.cmd span{width:auto;flex:1}.cmd code{order:3;flex:1 0 100%}.pager .inline{width:100%}.facts{gap:.5rem 1.4rem}}
.drag{font-size:13px}@media (hover:none){.drag{display:none}}
@media (prefers-reduced-motion:no-preference){a,button,.card{transition:border-color .15s,background-color .15s}}`
