import { Type, type TSchema } from '@sinclair/typebox'
import type { Column } from '../../../layers/layer.js'
import type { Call, Operation } from '../../operations/operation.js'
import { layersOf, propertiesOf } from '../features/layers.js'
import { apiHtml, conformanceHtml } from './api-html.js'
import { HTML_MEDIA, language, negotiate, OPENAPI31_MEDIA, OPENAPI_MEDIA } from './media.js'
import { openApi, type NamedCollection } from './openapi.js'
import { F, formats, LANG } from './parameters.js'
import { respond, sendText, vary } from './respond.js'
import { CONFORMANCE, FREE, jsonOrPage, TEXT } from './schemas.js'

const API_MEDIA = [OPENAPI_MEDIA, HTML_MEDIA, OPENAPI31_MEDIA]
const DOCUMENT = Type.Object({ openapi: TEXT, paths: FREE }, { additionalProperties: true })

/** The API's description of itself: its document and its conformance classes. It needs the whole table, so `createApp` adds it. */
export function apiOperations(others: readonly Operation[]): readonly Operation[] {
  const api: Operation = {
    id: 'getApiDefinition', method: 'get', path: '/ogc/api', branched: true, tags: ['Capabilities'],
    summary: 'This API as OpenAPI 3.0 or 3.1, or as a page.', parameters: [formats(...API_MEDIA.map(({ f }) => f)), LANG],
    responses: { 200: { description: 'The document.', content: { [OPENAPI_MEDIA.type]: DOCUMENT, [OPENAPI31_MEDIA.type]: DOCUMENT, [HTML_MEDIA.type]: TEXT } } },
    handler: (call, response) => {
      const media = negotiate(call.request, call.params.f, API_MEDIA)
      if (media !== HTML_MEDIA) {
        vary(response)
        const scope = { base: call.base, branch: call.branch !== 'main', collections: namedCollections(call) }
        return sendText(response, media.type, JSON.stringify(openApi(scope, table, media === OPENAPI_MEDIA ? '3.0' : '3.1')))
      }
      respond(call, response, {
        title: 'API', crumbs: [['dothi', `${call.base}/ogc`]], json: () => ({}),
        html: () => apiHtml(table, call.base),
      }, OPENAPI_MEDIA)
    },
  }
  const conformance: Operation = {
    id: 'getConformanceDeclaration', method: 'get', path: '/ogc/conformance', branched: true, tags: ['Capabilities'],
    summary: 'Conformance classes that this API implements.', parameters: [F, LANG], responses: { 200: jsonOrPage('The classes.', CONFORMANCE) },
    handler: (call, response) => respond(call, response, {
      title: language(call.request, call.params.lang) === 'vi' ? 'Lớp tuân thủ' : 'Conformance', crumbs: [['dothi', `${call.base}/ogc`]],
      json: (links) => ({ links, conformsTo }),
      html: () => conformanceHtml(conformsTo),
    }),
  }
  const table = [...others, api, conformance]
  // Exactly what runs, and no more: what is not in the table is not declared.
  const conformsTo = [...new Set(table.flatMap((operation) => operation.conformsTo ?? []))]
  return [api, conformance]
}

/** What this reader may see, described by name. */
function namedCollections(call: Call): NamedCollection[] {
  const lang = language(call.request, call.params.lang)
  return layersOf(call).map((layer) => {
    const columns = propertiesOf(layer, call.reader)
    return {
      id: layer.id, title: layer.title[lang],
      attributes: Object.fromEntries(columns.map((column) => [column.name, typeOf(column)])),
      queryables: columns.filter(({ type }) => type !== 'json').map((column) => ({
        name: column.name, in: 'query', schema: typeOf(column), description: `Only features whose ${column.name} is this: ${column.title[lang]}${column.unit ? `, ${column.unit}` : ''}.`,
      })),
    }
  })
}

function typeOf({ type }: Column): TSchema {
  switch (type) {
    case 'integer': return Type.Integer()
    case 'number': return Type.Number()
    case 'boolean': return Type.Boolean()
    case 'json': return Type.Unknown()
    default: return Type.String(type === 'text' ? {} : { format: type === 'date' ? 'date' : 'date-time' })
  }
}
