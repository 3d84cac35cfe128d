/** `GET /ogc/functions`: what filters may call (OGC API Features Part 3). */
import type { Response } from 'express'
import type { Call } from '../../operations/operation.js'
import { FILTER_FUNCTIONS, type FilterFunction, type Kind } from '../../store/filter-functions.js'
import { html } from '../common/html.js'
import { language, type Language } from '../common/media.js'
import { respond } from '../common/respond.js'

const TYPES: Readonly<Record<Kind, string>> = { text: 'string', number: 'number', boolean: 'boolean', date: 'datetime', timestamp: 'datetime', json: 'string', geometry: 'geometry' }

export function getFunctions(call: Call, response: Response): void {
  respond(call, response, {
    title: language(call.request, call.params.lang) === 'vi' ? 'Hàm của bộ lọc' : 'Functions of filters', crumbs: [['dothi', `${call.base}/ogc`]],
    json: links => ({ functions: FILTER_FUNCTIONS.map(each => describe(each, 'en')), links }),
    html: lang => html`<div class="scroll"><table>${FILTER_FUNCTIONS.map(each => html`<tr><td><code>${signature(each)}</code></td><td class="wrap">${each.description[lang]}</td></tr>`)}</table></div>`,
  })
}

function describe({ name, description, args, returns }: FilterFunction, lang: Language) {
  return {
    name, description: description[lang],
    args: args.map(arg => ({ title: arg.name, type: [...new Set(arg.kinds.map(kind => TYPES[kind]))] })),
    returns: [TYPES[returns]],
  }
}

const signature = ({ name, args, variadic, returns }: FilterFunction) => `${name}(${args.map(arg => arg.name).join(', ')}${variadic ? ', …' : ''}) → ${TYPES[returns]}`
