import type { Operation } from '../../operations/operation.js'
import { html } from './html.js'
import { HTML_MEDIA, negotiate, OPENAPI_MEDIA } from './media.js'
import { openApi } from './openapi.js'
import { F, LANG } from './parameters.js'
import { respond, sendText, vary } from './respond.js'

/** The API's description of itself: its document and its conformance classes. It needs the whole table, so `createApp` adds it. */
export function apiOperations(others: readonly Operation[]): readonly Operation[] {
  const api: Operation = {
    id: 'getApiDefinition', method: 'get', path: '/ogc/api', branched: true, tags: ['Capabilities'],
    summary: 'This API as OpenAPI 3.0, or as a page.', parameters: [F, LANG],
    handler: (call, response) => {
      const document = () => openApi(call.base, table, call.branch !== 'main')
      if (negotiate(call.request, call.params.f, [OPENAPI_MEDIA, HTML_MEDIA]) === OPENAPI_MEDIA) {
        vary(response)
        return sendText(response, OPENAPI_MEDIA.type, JSON.stringify(document()))
      }
      respond(call, response, {
        title: 'API', crumbs: [['dothi', `${call.base}/ogc`]], json: document,
        html: () => html`<p><a href="${call.base}/ogc/api?f=json">OpenAPI 3.0</a></p>${byTag(table).map(([tag, operations]) => html`
          <h2>${tag}</h2><div class="scroll"><table>${operations.map(({ method, path, summary, parameters = [], roles }) => html`<tr>
            <td><b>${method.toUpperCase()}</b></td><td><code>${path}</code></td><td>${summary}${roles ? html` <small>(${roles.join(', ')})</small>` : ''}</td>
            <td><small>${parameters.filter((p) => p.in === 'query').map((p) => p.name).join(' ')}</small></td></tr>`)}</table></div>`)}`,
      }, OPENAPI_MEDIA)
    },
  }
  const conformance: Operation = {
    id: 'getConformanceDeclaration', method: 'get', path: '/ogc/conformance', branched: true, tags: ['Capabilities'],
    summary: 'Conformance classes that this API implements.', parameters: [F, LANG],
    handler: (call, response) => respond(call, response, {
      title: 'Conformance', crumbs: [['dothi', `${call.base}/ogc`]],
      json: (links) => ({ links, conformsTo }),
      html: () => html`<ul>${conformsTo.map((uri) => html`<li><code>${uri}</code></li>`)}</ul>`,
    }),
  }
  const table = [...others, api, conformance]
  // Exactly what runs, and no more: what is not in the table is not declared.
  const conformsTo = [...new Set(table.flatMap((operation) => operation.conformsTo ?? []))]
  return [api, conformance]
}

function byTag(operations: readonly Operation[]): [string, Operation[]][] {
  const groups = new Map<string, Operation[]>()
  for (const operation of operations) {
    const tag = operation.tags[0] ?? 'Other'
    groups.set(tag, [...(groups.get(tag) ?? []), operation])
  }
  return [...groups]
}
