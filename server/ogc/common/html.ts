/** Server-rendered pages: no scripts, no outside hosts. */
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
  return html`<!doctype html>
<html lang="${lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · dothi</title><style>${new Html(STYLE + style)}</style>
${jsonLd ? html`<script type="application/ld+json">${new Html(JSON.stringify(jsonLd).replaceAll('<', '\\u003c'))}</script>` : ''}
</head><body>
<header><nav>${crumbs.map(([name, href], i) => html`${i > 0 ? html`<i>/</i>` : ''}<a href="${href}">${name}</a>`)}</nav>
<nav>${json && html`<a href="${json}">JSON</a>`}<a href="${otherLanguage}" hreflang="${lang === 'vi' ? 'en' : 'vi'}">${lang === 'vi' ? 'English' : 'Tiếng Việt'}</a></nav></header>
<main><h1>${title}</h1>${body}</main></body></html>`.text
}

/** One line to copy, with what it is for. */
export function commandLine(label: string, command: string): Html {
  return html`<div class="cmd"><span>${label}</span><code>${command}</code></div>`
}

export function linkList(items: readonly (readonly [title: string, href: string, note?: string])[]): Html {
  return html`<ul class="links">${items.map(([title, href, note]) => html`<li><a href="${href}">${title}</a>${note ? html` <small>${note}</small>` : ''}</li>`)}</ul>`
}

const STYLE = `
:root{--ink:#17222d;--soft:#5d6b78;--line:#dfe5ea;--paper:#f6f8f9;--card:#fff;--accent:#0b6b8a}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf2;--soft:#93a3b1;--line:#2a3742;--paper:#10181f;--card:#17222b;--accent:#5cc1e0}}
*{box-sizing:border-box}body{margin:0;font:15px/1.5 'Be Vietnam Pro',system-ui,sans-serif;color:var(--ink);background:var(--paper)}
a{color:var(--accent);text-decoration:none}a:hover{text-decoration:underline}
header{display:flex;justify-content:space-between;gap:1rem;padding:.7rem 1.5rem;border-bottom:1px solid var(--line);background:var(--card)}
nav{display:flex;gap:.6rem;flex-wrap:wrap}nav i{color:var(--soft);font-style:normal}
main{max-width:78rem;margin:0 auto;padding:1.2rem 1.5rem 4rem}h1{font-size:1.6rem;margin:.2rem 0 .6rem}h2{font-size:1.1rem;margin:1.6rem 0 .5rem}
small,.soft{color:var(--soft)}code{font:12.5px/1.5 ui-monospace,monospace}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(17rem,1fr));gap:.7rem}
.card{display:block;padding:.8rem 1rem;background:var(--card);border:1px solid var(--line);border-radius:8px;color:inherit}.card b{color:var(--accent)}
.scroll{overflow:auto;max-height:34rem;border:1px solid var(--line);border-radius:8px;background:var(--card)}
table{border-collapse:collapse;width:100%;font-size:13.5px}th,td{padding:.35rem .7rem;text-align:left;border-bottom:1px solid var(--line);vertical-align:top;white-space:nowrap;max-width:26rem;overflow:hidden;text-overflow:ellipsis}
th{position:sticky;top:0;background:var(--card);font-weight:600}td.n{text-align:right;font-variant-numeric:tabular-nums}
.map{width:100%;height:auto;max-height:28rem;border:1px solid var(--line);border-radius:8px;background:var(--card);display:block}
.cmd{display:flex;gap:.8rem;align-items:baseline;padding:.35rem .8rem;background:var(--card);border:1px solid var(--line);border-radius:6px;margin:.3rem 0}
.cmd span{min-width:6rem;color:var(--soft)}.cmd code{user-select:all;overflow-x:auto;white-space:nowrap}
.pager{display:flex;gap:1rem;align-items:center;margin:.8rem 0}.links{padding-left:1.1rem}form.inline{display:flex;gap:.6rem;flex-wrap:wrap;align-items:center}
select,input,button{font:inherit;padding:.2rem .5rem;border:1px solid var(--line);border-radius:6px;background:var(--card);color:inherit}`
