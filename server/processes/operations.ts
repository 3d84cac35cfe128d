/** OGC API Processes, part 1: what can be run, and running it. Jobs are in operations/operations.ts. */
import { Type, type TSchema } from '@sinclair/typebox'
import { here, type Link } from '../ogc/common/links.js'
import { language, type Language } from '../ogc/common/media.js'
import { schema30 } from '../ogc/common/openapi-schema.js'
import { F, LANG } from '../ogc/common/parameters.js'
import { respond } from '../ogc/common/respond.js'
import { jsonOrPage, LINKS, named, STATUS_INFO } from '../ogc/common/schemas.js'
import type { Call, Operation, Parameter } from '../operations/operation.js'
import { badParameter } from '../errors.js'
import { execute } from './execute.js'
import { ExecuteSchema } from './execution.js'
import { PROCESSES_TITLE, processesPage, processPage } from './pages.js'
import type { ProcessDefinition } from './process.js'
import { processOf, PROCESSES } from './processes.js'

const tags = ['Processes'] as const
const EXECUTE = 'http://www.opengis.net/def/rel/ogc/1.0/execute'
export const CONFORMANCE = 'http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/'

const processId: Parameter = { name: 'processId', in: 'path', required: true, description: 'Id of a process.', schema: Type.String({ maxLength: 60 }) }
const limit: Parameter = { name: 'limit', in: 'query', description: 'How many processes a page holds at most.', schema: Type.Integer({ minimum: 1, maximum: 1000, default: 100 }) }
const cursor: Parameter = { name: 'cursor', in: 'query', description: 'Where the page starts: copied from a “next” link.', schema: Type.String({ maxLength: 60 }) }

const text = Type.String()
const summaryMembers = {
  id: text, version: text, title: text, description: text, keywords: Type.Array(text),
  jobControlOptions: Type.Array(text), outputTransmission: Type.Array(text), links: Type.Optional(LINKS),
}
const SUMMARY = named('ProcessSummary', Type.Object(summaryMembers))
const Described = Type.Record(Type.String(), Type.Object({ title: text, description: text, schema: Type.Object({}, { additionalProperties: true }) }))
const PROCESS = named('Process', Type.Object({ ...summaryMembers, inputs: Described, outputs: Described }))
const PROCESS_LIST = named('ProcessList', Type.Object({ processes: Type.Array(SUMMARY), links: LINKS }))
const RESULTS = named('Results', Type.Object({}, { additionalProperties: true, description: 'By output: the value itself, {"value": …}, or {"href": …}.' }))

export const operations: readonly Operation[] = [
  {
    id: 'getProcesses', method: 'get', path: '/ogc/processes', summary: 'Processes', tags, branched: true, parameters: [limit, cursor, F, LANG],
    responses: { 200: jsonOrPage('What can be run here.', PROCESS_LIST) },
    conformsTo: ['core', 'ogc-process-description', 'json', 'html', 'oas30', 'job-list', 'dismiss', 'callback'].map(name => CONFORMANCE + name),
    handler: (call, response) => {
      const { page, next } = pageOf(call)
      const lang = language(call.request, call.params.lang)
      respond(call, response, {
        title: PROCESSES_TITLE[lang], crumbs: [['dothi', `${call.base}/ogc`]], links: next ? [{ href: here(call, { cursor: next }), rel: 'next', type: 'application/json', title: 'Next page' }] : [],
        json: links => ({ processes: page.map(process => summaryOf(process, call, lang)), links }),
        html: lang => processesPage(page, call.base, lang),
      })
    },
  },
  {
    id: 'getProcessDescription', method: 'get', path: '/ogc/processes/{processId}', summary: 'A process: its inputs and outputs', tags, branched: true, parameters: [processId, F, LANG],
    responses: { 200: jsonOrPage('The process.', PROCESS) },
    handler: (call, response) => {
      const process = processOf(call.params.processId)
      const lang = language(call.request, call.params.lang)
      respond(call, response, {
        title: process.title[lang], crumbs: [['dothi', `${call.base}/ogc`], [PROCESSES_TITLE[lang], `${call.base}/ogc/processes`]], links: linksOf(process, call).slice(1),
        json: links => ({ ...descriptionOf(process, call, lang), links }),
        html: lang => processPage(process, call.base, lang),
      })
    },
  },
  {
    id: 'execute', method: 'post', path: '/ogc/processes/{processId}/execution', tags, branched: true,
    summary: 'Run a process; “Prefer: respond-async” makes it a job to be watched', parameters: [processId],
    body: { contentType: 'application/json', schema: ExecuteSchema, limitBytes: 4 << 20 },
    responses: {
      200: { description: 'The results, where the process was waited for: as they are (several as parts), or as a document.', content: { 'application/json': RESULTS, 'multipart/related': {}, 'text/plain': text, '*/*': {} } },
      201: { description: 'The job; its address is in Location.', content: { 'application/json': STATUS_INFO }, headers: { Location: { description: 'Address of the job.', schema: Type.String({ format: 'uri' }) } } },
      204: 'The results by reference: each is a Link header.',
    },
    handler: (call, response) => execute(call, response, processOf(call.params.processId)),
  },
]

function pageOf({ params }: Call): { page: readonly ProcessDefinition[]; next?: string } {
  const start = params.cursor === undefined ? 0 : PROCESSES.findIndex(({ id }) => id === params.cursor)
  if (start < 0) throw badParameter('cursor', `“${params.cursor}” is where no page starts. Follow the “next” links from the first page.`)
  return { page: PROCESSES.slice(start, start + params.limit), next: PROCESSES[start + params.limit]?.id }
}

function summaryOf(process: ProcessDefinition, call: Call, lang: Language) {
  const { id, version, title, description, keywords, jobControl } = process
  return { id, version, title: title[lang], description: description[lang], keywords, jobControlOptions: jobControl, outputTransmission: ['value', 'reference'], links: linksOf(process, call) }
}

function linksOf({ id, title }: ProcessDefinition, { base }: Call): Link[] {
  const at = `${base}/ogc/processes/${id}`
  return [
    { href: at, rel: 'self', type: 'application/json', title: title.en },
    { href: `${at}/execution`, rel: EXECUTE, type: 'application/json', title: 'POST here to run it' },
    { href: `${base}/ogc/jobs?processID=${id}`, rel: 'http://www.opengis.net/def/rel/ogc/1.0/job-list', type: 'application/json', title: 'Its jobs' },
  ]
}

function descriptionOf(process: ProcessDefinition, call: Call, lang: Language) {
  return {
    ...summaryOf(process, call, lang),
    inputs: Object.fromEntries(Object.entries(process.inputs).map(([name, { title, description, schema, required }]) =>
      [name, { title: title[lang], description: description[lang], minOccurs: required === true || (required && call.branch === 'main') ? 1 : 0, maxOccurs: 1, schema: inDescription(schema) }])),
    outputs: Object.fromEntries(Object.entries(process.outputs).map(([name, { title, description, schema }]) =>
      [name, { title: title[lang], description: description[lang], schema: inDescription(schema) }])),
  }
}

/** Part 1 describes values in the words of OpenAPI 3.0, but for these two. */
function inDescription(schema: TSchema): unknown {
  const { contentEncoding, contentMediaType } = schema
  return { ...schema30(schema) as object, ...(contentEncoding && { contentEncoding }), ...(contentMediaType && { contentMediaType }) }
}
