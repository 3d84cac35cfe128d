/** The documentation's Markdown as HTML: anchors as GitHub makes them, links between pages, wide tables that scroll. Pure. */
import { Marked } from 'marked'
import { html, Html } from '../ogc/common/html.js'

export interface Document {
  /** The text of the first heading; the body starts after it. */
  readonly title: string
  readonly body: Html
  readonly headings: readonly Heading[]
}
export interface Heading { readonly depth: number; readonly text: string; readonly anchor: string }

export interface MarkdownOptions {
  /** Address of another page of the same language: `import` → `/docs/vi/import`. */
  readonly hrefOf: (page: string) => string
  /** What stands for the example address in blocks of code. */
  readonly origin: string
}

/** The address that the examples are written with. */
export const EXAMPLE_ORIGIN = 'http://127.0.0.1:8080'

export function renderMarkdown(text: string, { hrefOf, origin }: MarkdownOptions): Document {
  const headings: Heading[] = []
  const marked = new Marked({
    gfm: true,
    renderer: {
      heading({ tokens, depth, text: source }) {
        const heading = { depth, text: plain(source), anchor: anchorOf(source) }
        headings.push(heading)
        if (depth === 1) return ''
        const inner = new Html(this.parser.parseInline(tokens))
        return html`<h${depth} id="${heading.anchor}"><a class="self" href="#${heading.anchor}">${inner}</a></h${depth}>\n`.text
      },
      link({ href, tokens }) {
        return html`<a href="${hrefBetween(href, hrefOf)}">${new Html(this.parser.parseInline(tokens))}</a>`.text
      },
      code({ text: code }) {
        return html`<pre><code>${code.replaceAll(EXAMPLE_ORIGIN, origin)}</code></pre>\n`.text
      },
    },
  })
  const body = (marked.parse(text, { async: false }))
    .replaceAll('<table>', '<div class="scroll"><table>').replaceAll('</table>', '</table></div>')
  return { title: headings.find(({ depth }) => depth === 1)?.text ?? '', body: new Html(body), headings }
}

/** `import.md#files` → the page's address; anything else as it is. */
function hrefBetween(href: string, hrefOf: (page: string) => string): string {
  const page = /^([a-z]+)\.md(#.*)?$/.exec(href)
  return page ? hrefOf(page[1]!) + (page[2] ?? '') : href
}

const plain = (markdown: string) => markdown.replace(/[`*]/g, '')

/** As GitHub: lower case, letters, digits, `-` and `_` kept, a hyphen for each space. */
export function anchorOf(heading: string): string {
  return plain(heading).trim().toLowerCase().replace(/[^\p{L}\p{M}\p{N}_ -]/gu, '').replaceAll(' ', '-')
}
