/** The user documentation over HTTP, in the language of the reader. */
import type { Response } from 'express'
import { Type } from '@sinclair/typebox'
import { notFound } from '../errors.js'
import { html, Html, page } from '../ogc/common/html.js'
import { language, type Language } from '../ogc/common/media.js'
import { LANG } from '../ogc/common/parameters.js'
import { answer, TEXT } from '../ogc/common/schemas.js'
import { sendText, vary } from '../ogc/common/respond.js'
import { etag, notModified } from '../ogc/features/validator.js'
import type { Call, Operation, Parameter } from '../operations/operation.js'
import { layerCatalogue, layerGroups } from './layer-catalogue.js'
import { renderMarkdown } from './markdown.js'
import { isPage, NAMES, PAGES, pageText, type PageName } from './pages.js'

const inPath = (name: string, description: string): Parameter => ({ name, in: 'path', required: true, description, schema: Type.String({ maxLength: 60 }) })
const PAGE = inPath('page', `One of ${PAGES.join(', ')}.`)
const common = { method: 'get', tags: ['Documentation'], responses: { 200: answer('The page.', 'text/html', TEXT) }, handler: sendPage } as const

export const operations: readonly Operation[] = [
  { ...common, id: 'getDocs', path: '/docs', summary: 'The documentation.', parameters: [LANG] },
  { ...common, id: 'getDocsPage', path: '/docs/{page}', summary: 'A page of the documentation, in the language of the reader.', parameters: [PAGE, LANG] },
  { ...common, id: 'getDocsPageIn', path: '/docs/{language}/{page}', summary: 'A page of the documentation in vi or en.', parameters: [inPath('language', 'vi or en.'), PAGE, LANG] },
]

async function sendPage(call: Call, response: Response): Promise<void> {
  const { lang, name } = wanted(call)
  const text = await documentOf(call, lang, name)
  vary(response, lang)
  if (notModified(call, response, etag('docs', text), 'live')) return
  sendText(response, 'text/html; charset=utf-8', text)
}

/** `/docs/vi` is the Vietnamese first page. `?lang` is the way from one language to the other, so it goes before the path. */
function wanted({ params, request, base }: Call): { lang: Language; name: PageName } {
  const bare = isLanguage(params.page) ? params.page : undefined
  const inPath = params.language ?? bare
  const name = bare ? 'index' : params.page ?? 'index'
  if ((inPath !== undefined && !isLanguage(inPath)) || !isPage(name))
    throw notFound(`There is no page “${String(params.page).slice(0, 60)}” in the documentation. Start at ${base}/docs.`)
  return { lang: language(request, params.lang ?? inPath), name }
}

const isLanguage = (text: unknown): text is Language => text === 'vi' || text === 'en'

async function documentOf(call: Call, lang: Language, name: PageName): Promise<string> {
  const hrefOf = (to: string) => `${call.origin}/docs/${lang}/${to}`
  const { title, body, headings } = renderMarkdown(await pageText(lang, name), { hrefOf, origin: call.origin })
  const layers = name === 'layers' ? call.app.store.catalogue.for(call.reader) : []
  const inside = [...headings.filter(({ depth }) => depth === 2), ...layerGroups(layers, lang)]
  const list = PAGES.map(each => html`<li><a href="${hrefOf(each)}"${each === name && new Html(' aria-current="page"')}>${NAMES[each][lang]}</a>${
    each === name && inside.length > 0 && html`<ul>${inside.map(({ anchor, text }) => html`<li><a href="#${anchor}">${text}</a></li>`)}</ul>`}</li>`)
  return page({
    lang, title, crumbs: [['dothi', `${call.origin}/`], [lang === 'vi' ? 'Tài liệu' : 'Documentation', hrefOf('index')], ['OGC API', `${call.origin}/ogc`]],
    otherLanguage: `${call.origin}/docs/${lang === 'vi' ? 'en' : 'vi'}/${name}`, style: STYLE,
    body: html`<div class="docs"><nav class="pages"><ul>${list}</ul></nav><article>${body}${layerCatalogue(layers, lang)}</article></div>`,
  })
}

const STYLE = `
main>h1{font-size:1.9rem;margin:.6rem 0 1rem 16rem}
.docs{display:grid;grid-template-columns:13rem minmax(0,1fr);gap:3rem;align-items:start}
.pages{position:sticky;top:1rem;display:block;font-size:14px;max-height:calc(100vh - 2rem);overflow:auto}.pages ul{list-style:none;margin:0;padding:0}
.pages a{display:block;padding:.2rem .7rem;border-left:2px solid transparent;color:var(--ink)}.pages a[aria-current]{border-color:var(--accent);color:var(--accent);font-weight:600}
.pages ul ul a{padding-left:1.4rem;color:var(--soft);font-size:13px}
article{font-size:16px;line-height:1.65}article>p,article>ul,article>ol{max-width:44rem}
article>:first-child{margin-top:0}article h2{font-size:1.3rem;margin:2.4rem 0 .6rem;padding-top:.6rem;border-top:1px solid var(--line)}article h3{font-size:1.06rem;margin:1.6rem 0 .4rem}
a.self{color:inherit}:target{background:color-mix(in srgb,var(--accent) 14%,transparent)}
article code{font-size:.86em;padding:.08em .3em;background:color-mix(in srgb,var(--soft) 14%,transparent);border-radius:4px}
article pre{margin:.7rem 0 1rem;padding:.7rem .9rem;overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:8px}
article pre code{padding:0;background:none;font-size:12.5px}article li{margin:.2rem 0}
article .scroll{max-height:none;margin:.8rem 0 1.2rem}article td,article th{white-space:normal;max-width:none}article td:first-child code{white-space:nowrap}
article blockquote{margin:1rem 0;padding:.2rem 1rem;border-left:3px solid var(--accent);color:var(--soft);max-width:44rem}
.layer{margin-bottom:2rem}.layer table{font-size:13px}.layer p{margin:.3rem 0}.codes{margin:0;padding-left:1rem;font-size:12.5px}.rules{font-weight:600}
@media (max-width:52rem){main>h1{margin-left:0}.docs{grid-template-columns:minmax(0,1fr);gap:1rem}.pages{position:static;max-height:none}.pages ul ul{display:none}.pages>ul{display:flex;flex-wrap:wrap}}`
