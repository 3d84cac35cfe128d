/** The API's description of itself, for people. */
import type { Operation } from '../../operations/operation.js'
import { chips, html, type Html } from './html.js'
import { OPENAPI31_MEDIA } from './media.js'

/** Conformance classes by standard, in the order in which they come. */
export function conformanceHtml(uris: readonly string[]): Html {
  const standards = new Map<string, string[]>()
  for (const uri of uris) {
    const [, standard = uri, name = ''] = /\/spec\/(.+?)\/conf\/(.+)$/.exec(uri) ?? []
    standards.set(standard, [...(standards.get(standard) ?? []), name])
  }
  return html`${[...standards].map(([standard, names]) => html`<h2>${standard.replace('/', ' ')}</h2><div class="chips">${names.map((name) =>
    html`<span class="chip" title="http://www.opengis.net/spec/${standard}/conf/${name}">${name}</span>`)}</div>`)}
    <details><summary>URI</summary><ul>${uris.map((uri) => html`<li><code>${uri}</code></li>`)}</ul></details>`
}

/** Every operation, by its tag. */
export function apiHtml(operations: readonly Operation[], base: string): Html {
  const tags = [...new Set(operations.map(tagOf))]
  return html`${chips([['OpenAPI 3.0', `${base}/ogc/api?f=json`], ['OpenAPI 3.1', `${base}/ogc/api?f=${OPENAPI31_MEDIA.f}`]])}
    <p class="soft">${tags.map((tag) => html`<a href="#${anchor(tag)}">${tag}</a> `)}</p>
    ${tags.map((tag) => html`<h2 id="${anchor(tag)}">${tag}</h2><div class="scroll"><table>${operations.filter((each) => tagOf(each) === tag).map(({ method, path, summary, parameters = [], roles }) => html`<tr>
      <td><b>${method.toUpperCase()}</b></td><td><code>${path}</code></td><td class="wrap">${summary}${roles ? html` <small>(${roles.join(', ')})</small>` : ''}</td>
      <td class="wrap"><small>${parameters.filter((p) => p.in === 'query').map((p) => p.name).join(' ')}</small></td></tr>`)}</table></div>`)}`
}

const tagOf = ({ tags }: Operation) => tags[0] ?? 'Other'
const anchor = (tag: string) => tag.toLowerCase().replace(/\W+/g, '-')
