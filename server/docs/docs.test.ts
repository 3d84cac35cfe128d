import { Command } from 'commander'
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { LAYERS } from '../../layers/index.js'
import { COMMANDS } from '../cli/commands.js'
import type { CliContext } from '../cli/context.js'
import type { Language } from '../ogc/common/media.js'
import { testServer } from '../testing/test-store.js'
import { EXAMPLE_ORIGIN, anchorOf, renderMarkdown } from './markdown.js'
import { NAMES, PAGES, pageText, type PageName } from './pages.js'

const LANGUAGES: readonly Language[] = ['vi', 'en']
const render = async (lang: Language, page: PageName) =>
  renderMarkdown(await pageText(lang, page), { hrefOf: to => `/docs/${lang}/${to}`, origin: EXAMPLE_ORIGIN })
const anchorsOf = async (lang: Language, page: PageName) => new Set((await render(lang, page)).headings.map(({ anchor }) => anchor))

t.test('Markdown becomes a page: anchors as on GitHub, links between pages, addresses of this server', async t => {
  const { title, body, headings } = renderMarkdown('# Một `tên`\n\n## Hệ tọa độ\n\n[a](import.md#tệp) [b](https://x.vn/?a&b)\n\n```\ncurl "http://127.0.0.1:8080/ogc?a<b"\n```\n', { hrefOf: page => `/p/${page}`, origin: 'https://city.vn' })
  t.equal(title, 'Một tên')
  t.strictSame(headings.map(({ anchor }) => anchor), ['một-tên', 'hệ-tọa-độ'])
  t.match(body.text, '<h2 id="hệ-tọa-độ">')
  t.match(body.text, '<a href="/p/import#tệp">a</a> <a href="https://x.vn/?a&amp;b">b</a>')
  t.match(body.text, 'curl &quot;https://city.vn/ogc?a&lt;b&quot;')
  t.notMatch(body.text, '<h1')
  t.equal(anchorOf('OGC API – Features, part 1'), 'ogc-api--features-part-1')
})

t.test('both languages have the same pages, built alike', async t => {
  for (const lang of LANGUAGES) t.strictSame(readdirSync(new URL(`../../docs/${lang}`, import.meta.url)).sort(), PAGES.map(page => `${page}.md`).sort())
  for (const page of PAGES) {
    const [vi, en] = await Promise.all(LANGUAGES.map(lang => pageText(lang, page)))
    const shape = (text: string) => text.split('\n').map(line => /^(#+ |- |\d\. |\| |```|>)/.exec(line)?.[0].trim()).filter(Boolean).join('\n')
    t.equal(shape(en!), shape(vi!), `${page}: headings, lists, tables and examples`)
  }
})

t.test('all links between pages lead to a page and a heading', async t => {
  for (const lang of LANGUAGES) for (const page of PAGES) {
    for (const [, target, anchor] of (await pageText(lang, page)).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)) {
      const name = target === '' ? page : target!.replace(/\.md$/, '') as PageName
      if (!t.ok(PAGES.includes(name), `${lang}/${page} → ${target}`)) continue
      if (anchor) t.ok((await anchorsOf(lang, name)).has(anchor), `${lang}/${page} → ${target}#${anchor}`)
    }
  }
})

t.test('every problem type has its entry', async t => {
  const sources = ['server', 'simulation', 'core', 'fixtures'].flatMap(folder => readdirSync(new URL(`../../${folder}`, import.meta.url), { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith('.ts') && !path.endsWith('.test.ts')).map(path => readFileSync(new URL(`../../${folder}/${path}`, import.meta.url), 'utf8')))
  const thrown = sources.flatMap(source => [...source.matchAll(/new Problem\(\s*[^,]+,\s*'([a-z-]+)'/g)].map(match => match[1]!))
  const titled = [...readFileSync(new URL('../errors.ts', import.meta.url), 'utf8').split('const TITLES')[1]!.split('\n}')[0]!.matchAll(/^ {2}'([a-z-]+)':/gm)].map(match => match[1]!)
  const types = new Set([...thrown, ...titled])
  t.ok(types.size > 15)
  for (const lang of LANGUAGES) {
    const anchors = await anchorsOf(lang, 'problems')
    t.strictSame([...types].filter(type => !anchors.has(type)), [], lang)
  }
})

t.test('every command and option of the command line is told, and no other', async t => {
  const program = new Command('dothi')
  program.command('serve')
  for (const register of COMMANDS) register(program, {} as CliContext)
  const leaves = (command: Command, path: string): [string, Command][] =>
    command.commands.length > 0 ? command.commands.flatMap(sub => leaves(sub, `${path}${sub.name()} `)) : [[path.trim(), command]]
  const commands = leaves(program, '')
  for (const lang of LANGUAGES) {
    const text = await pageText(lang, 'cli')
    const sections = new Map(text.split('\n## ').slice(1).map(section => [section.split('\n')[0]!, section]))
    t.strictSame([...sections.keys()].sort(), commands.map(([name]) => name).sort(), lang)
    for (const [name, command] of commands) {
      const told = [...new Set([...sections.get(name)?.matchAll(/`(--[a-z-]+)`/g) ?? []].map(match => match[1]))].sort()
      t.strictSame(told, command.options.map(({ long }) => long).sort(), `${lang}: ${name}`)
    }
  }
})

t.test('pages over HTTP, in the language of the reader', async t => {
  const { url } = await testServer(t)
  const get = async (path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(url + path, { headers })
    return { status: response.status, headers: response.headers, text: await response.text() }
  }
  for (const lang of LANGUAGES) for (const page of PAGES) {
    const { status, headers, text } = await get(`/docs/${lang}/${page}`)
    t.equal(status, 200, `${lang}/${page}`)
    t.equal(headers.get('content-language'), lang)
    t.match(text, `<html lang="${lang}">`)
    t.match(text, (await render(lang, page)).title)
    t.notMatch(text, /<script|src="http|\[object/)
    for (const each of PAGES) t.match(text, NAMES[each][lang])
  }
  t.equal((await get('/docs', { 'accept-language': 'vi-VN,en;q=0.5' })).headers.get('content-language'), 'vi')
  t.equal((await get('/docs/import', { 'accept-language': 'en' })).headers.get('content-language'), 'en')
  t.equal((await get('/docs/import?lang=vi', { 'accept-language': 'en' })).headers.get('content-language'), 'vi')
  t.equal((await get('/docs/vi')).headers.get('content-language'), 'vi')

  for (const lang of LANGUAGES) {
    const { text } = await get(`/docs/${lang}/layers`)
    t.strictSame(LAYERS.filter(({ classification }) => classification === 'open').filter(({ id, title }) => !text.includes(`<h3 id="${id}">`) || !text.includes(title[lang].replaceAll('&', '&amp;'))).map(({ id }) => id), [])
    t.match(text, 'ground_floor_level_m')
  }
  t.match((await get('/docs/en/services')).text, `${url}/ogc`, 'examples name this server')

  const first = await get('/docs/vi/start')
  t.equal((await get('/docs/vi/start', { 'if-none-match': first.headers.get('etag')! })).status, 304)
  t.match(first.headers.get('vary'), /Accept-Language/)

  for (const path of ['/docs/nothing', '/docs/fr/start', '/docs/vi/nothing', '/docs/vi/..%2f..%2fpackage']) {
    const { status, headers, text } = await get(path)
    t.equal(status, 404, path)
    t.match(headers.get('content-type'), 'application/problem+json')
    t.match(JSON.parse(text), { type: /\/docs\/problems#not-found$/ })
  }
})
