/**
 * What the OGC's executable suite for Processes 1.0 (ets-ogcapi-processes10) asserts, in its groups Core, OGC Process
 * Description and Job List: it builds its requests from the description of the echo process, as the suite does, with no token.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Ajv, type ValidateFunction } from 'ajv'
import t from 'tap'
import { testServer } from '../testing/test-store.js'

// ── The standard's schemas ───────────────────────────────────────────────────────────────────────

const text = { type: 'string' }, texts = { type: 'array', items: text }
const list = (items: object) => ({ type: 'array', items })
const object = (properties: Record<string, object>, required: readonly string[] = [], more: object = {}) => ({ type: 'object', properties, required, ...more })
const time = { type: 'string', pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?(Z|[+-]\\d\\d:\\d\\d)$' }
const oneOfThese = (...values: string[]) => ({ type: 'string', enum: values })

const link = object({ href: text, rel: text, type: text, hreflang: text, title: text }, ['href'])
const described = { title: text, description: text, keywords: texts }
/** OpenAPI 3.0's schema object: what it does not know is refused. */
const SCHEMA = {
  $id: 'schema', type: 'object', additionalProperties: false,
  properties: {
    ...Object.fromEntries(['title', 'pattern', 'description', 'format', 'contentMediaType', 'contentEncoding', 'contentSchema'].map(name => [name, text])),
    ...Object.fromEntries(['maximum', 'minimum', 'multipleOf'].map(name => [name, { type: 'number' }])),
    ...Object.fromEntries(['exclusiveMaximum', 'exclusiveMinimum', 'uniqueItems', 'nullable', 'readOnly', 'writeOnly', 'deprecated'].map(name => [name, { type: 'boolean' }])),
    ...Object.fromEntries(['maxLength', 'minLength', 'maxItems', 'minItems', 'maxProperties', 'minProperties'].map(name => [name, { type: 'integer', minimum: 0 }])),
    ...Object.fromEntries(['allOf', 'oneOf', 'anyOf'].map(name => [name, list({ $ref: 'schema' })])),
    type: oneOfThese('array', 'boolean', 'integer', 'number', 'object', 'string'),
    required: { type: 'array', items: text, minItems: 1 }, enum: { type: 'array', minItems: 1 }, not: { $ref: 'schema' }, items: { $ref: 'schema' },
    properties: { type: 'object', additionalProperties: { $ref: 'schema' } }, additionalProperties: { anyOf: [{ type: 'boolean' }, { $ref: 'schema' }] }, default: {}, example: {},
  },
}
const summary = { ...described, id: text, version: text, jobControlOptions: list(oneOfThese('sync-execute', 'async-execute', 'dismiss')), outputTransmission: list(oneOfThese('value', 'reference')), links: list(link) }
const input = object({ ...described, minOccurs: { type: 'integer' }, maxOccurs: { anyOf: [{ type: 'integer' }, oneOfThese('unbounded')] }, schema: { $ref: 'schema' } }, ['schema'])
const status = object({
  processID: text, type: oneOfThese('process'), jobID: text, status: oneOfThese('accepted', 'running', 'successful', 'failed', 'dismissed'), message: text,
  created: time, started: time, finished: time, updated: time, progress: { type: 'integer', minimum: 0, maximum: 100 }, links: list(link),
}, ['jobID', 'status', 'type'])

const ajv = new Ajv({ strict: false, allErrors: true, schemas: [SCHEMA] })
const valid = {
  landingPage: ajv.compile(object({ title: text, description: text, links: list(link) }, ['links'])),
  conformance: ajv.compile(object({ conformsTo: texts }, ['conformsTo'])),
  processList: ajv.compile(object({ processes: list(object(summary, ['id', 'version'])), links: list(link) }, ['processes', 'links'])),
  process: ajv.compile(object({ ...summary, inputs: { additionalProperties: input }, outputs: { additionalProperties: object({ ...described, schema: { $ref: 'schema' } }, ['schema']) } }, ['id', 'version'])),
  status: ajv.compile(status),
  jobList: ajv.compile(object({ jobs: list(status), links: list(link) }, ['jobs', 'links'])),
  exception: ajv.compile(object({ type: text, title: text, status: { type: 'integer' }, detail: text, instance: text }, ['type'])),
}
const faults = (validate: ValidateFunction, value: unknown) => validate(value) ? [] : validate.errors!.map(({ instancePath, message }) => `${instancePath} ${message}`)

// ── Requests as the suite makes them ─────────────────────────────────────────────────────────────

const STRING = 'teststring'
interface Described { readonly schema: any }
const isBox = ({ schema }: Described) => schema.allOf?.some((part: any) => part.format === 'ogc-bbox')
const typesOf = ({ schema }: Described): string[] => schema.oneOf ? schema.oneOf.map((part: any) => part.type) : [schema.type, ...schema.items ? [schema.items.type] : []]

/** A value for an input as the suite knows one; undefined where it sends none. */
function plainValue(input: Described): unknown {
  const types = typesOf(input)
  if (types.includes('object')) return { value: STRING }
  return types.includes('string') && !input.schema.format && !input.schema.contentMediaType ? STRING : undefined
}

function executeRequest(process: any, { change = {}, outputs = Object.keys(process.outputs), response }: { change?: Record<string, unknown>; outputs?: readonly string[] | null; response?: string } = {}) {
  const inputs = { ...Object.fromEntries(Object.entries<Described>(process.inputs).map(([name, input]) => [name, plainValue(input)])), ...change }
  return { inputs, ...(outputs && { outputs: Object.fromEntries(outputs.map(name => [name, { transmissionMode: 'value' }])) }), ...(response && { response }) }
}

t.test('the assertions of ets-ogcapi-processes10', async t => {
  const { url } = await testServer(t)
  const root = `${url}/ogc`
  const get = async (address: string, accept: string | null = 'application/json') => {
    const response = await fetch(address, { headers: accept === null ? {} : { accept } })
    const text = await response.text()
    return { status: response.status, type: response.headers.get('content-type') ?? '', text, body: /json/.test(response.headers.get('content-type') ?? '') ? JSON.parse(text) : undefined }
  }
  const execute = async (request: unknown, prefer?: string) => {
    const response = await fetch(`${root}/processes/echo/execution`, { method: 'POST', headers: { accept: 'application/json', 'content-type': 'application/json', ...(prefer && { prefer }) }, body: JSON.stringify(request) })
    const text = await response.text()
    return { status: response.status, type: response.headers.get('content-type') ?? '', location: response.headers.get('location'), link: response.headers.get('link'), text }
  }
  const echo = (await get(`${root}/processes/echo`)).body
  const names = Object.keys(echo.inputs)
  const [first] = names

  t.test('landing page, conformance', async t => {
    const landing = await get(`${root}/`)
    t.equal(landing.status, 200)
    t.strictSame(faults(valid.landingPage, landing.body), [])
    const relations = new Set(landing.body.links.map((link: any) => link.rel))
    t.ok(relations.has('service-desc') || relations.has('service-doc'))
    for (const relation of ['conformance', 'processes']) t.ok(relations.has(`http://www.opengis.net/def/rel/ogc/1.0/${relation}`), relation)
    const { body } = await get(`${root}/conformance`)
    t.strictSame(faults(valid.conformance, body), [])
    for (const name of ['core', 'ogc-process-description', 'json', 'html', 'oas30', 'job-list', 'dismiss', 'callback']) t.ok(body.conformsTo.includes(`http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/${name}`), name)
  })

  t.test('process list and descriptions', async t => {
    const { status, body, type } = await get(`${root}/processes`)
    t.match({ status, type }, { status: 200, type: 'application/json' })
    t.strictSame(faults(valid.processList, body), [])
    t.ok(body.processes.length > 0)
    t.equal((await get(`${root}/processes?limit=1`)).body.processes.length, 1)
    const page = (await get(`${root}/processes?limit=1`)).body
    t.strictSame(new Set(page.links.map((link: any) => link.rel)), new Set(['self', 'alternate', 'next']))
    t.equal((await get(page.links.find((link: any) => link.rel === 'next').href)).body.processes[0].id, body.processes[1].id)
    for (const { id } of body.processes) {
      const { status, body } = await get(`${root}/processes/${id}`)
      t.equal(status, 200)
      t.strictSame(faults(valid.process, body), [], id)
      t.ok(Object.keys(body.inputs).length > 0 && Object.keys(body.outputs).length > 0)
    }
    t.ok(names.some(name => echo.inputs[name].schema.oneOf), 'an input of mixed type')
    t.ok(Object.values<any>(echo.outputs).some(output => output.schema.oneOf), 'an output of mixed type')
    const none = await get(`${root}/processes/invalid-process-1`)
    t.match({ status: none.status, body: none.body }, { status: 404, body: { type: 'http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/no-such-process' } })
    t.strictSame(faults(valid.exception, none.body), [])
  })

  t.test('synchronous execution', async t => {
    t.strictSame(echo.jobControlOptions.slice(0, 2), ['sync-execute', 'async-execute'])
    const plain = await execute(executeRequest(echo))
    t.equal(plain.status, 200, 'the default, where both are offered')
    t.equal(plain.link, null, 'without a Link, which would be that of a monitored job')
    t.match(plain.type, /^multipart\/related/)
    t.ok(plain.text.startsWith('--') && plain.text.includes(`\r\n\r\n${STRING}\r\n`))
    t.equal((await execute(executeRequest(echo, { outputs: null }))).status, 200, 'all outputs, where none is named')
    t.equal((await execute(executeRequest(echo, { response: 'document' }))).status, 200)
    t.equal((await execute(executeRequest(echo, { response: 'raw' }))).status, 200)
    const one = await execute(executeRequest(echo, { outputs: [first!], response: 'raw' }))
    t.match({ status: one.status, text: one.text }, { status: 200, text: STRING })

    const arrays = names.filter(name => echo.inputs[name].schema.type === 'array')
    t.ok(arrays.length > 0)
    t.equal((await execute(executeRequest(echo, { change: { [arrays[0]!]: [1, 2, 3] }, outputs: arrays }))).text, '[1,2,3]')
    const boxes = names.filter(name => isBox(echo.inputs[name]))
    t.ok(boxes.length > 0)
    t.match(JSON.parse((await execute(executeRequest(echo, { change: { [boxes[0]!]: { bbox: [51.9, 7, 52, 7.1], crs: 'http://www.opengis.net/def/crs/OGC/1.3/CRS84' } }, outputs: boxes }))).text), { bbox: [51.9, 7, 52, 7.1] })
    const bytes = names.filter(name => echo.inputs[name].schema.contentEncoding === 'base64')
    t.ok(bytes.length > 0)
    t.equal((await execute(executeRequest(echo, { change: { [bytes[0]!]: { value: 'SUkqAA==', format: { mediaType: 'image/tiff; application=geotiff', encoding: 'base64' } } }, outputs: bytes }))).text, 'II*\0')
  })

  t.test('wrong requests', async t => {
    const typed = names.filter(name => echo.inputs[name].schema.contentMediaType)
    t.ok(typed.length > 0)
    for (const request of [executeRequest(echo, { change: Object.fromEntries(typed.map(name => [name, { type: 'wrong/type_1' }])) }), { 'invalid-execute-request': 'true)' }]) {
      const { status, type, text } = await execute(request)
      t.match({ status, type }, { status: 400, type: /^application\/json($|;)/ })
      t.strictSame(faults(valid.exception, JSON.parse(text)), [])
    }
  })

  t.test('asynchronous execution, jobs and their results', async t => {
    const made = await execute(executeRequest(echo), 'respond-async ')
    t.equal(made.status, 201)
    t.strictSame(faults(valid.status, JSON.parse(made.text)), [])
    t.ok(made.location!.startsWith(`${root}/jobs/`))
    let job = await get(made.location!, null)
    t.equal(job.status, 200)
    t.match(job.type, 'application/json')
    for (let tries = 0; tries < 200 && job.body.status !== 'successful'; tries++) {
      t.strictSame(faults(valid.status, job.body), [])
      t.ok(job.body.links.some((link: any) => link.rel === 'monitor'))
      await sleep(50)
      job = await get(made.location!)
    }
    const { href } = job.body.links.find((link: any) => link.rel === 'http://www.opengis.net/def/rel/ogc/1.0/results')
    t.ok((await get(href, null)).text.includes(STRING))

    const paused = await execute({ ...executeRequest(echo, { outputs: [first!], response: 'raw' }), inputs: { [first!]: STRING, pause: 5 } }, 'respond-async')
    const early = await get(`${paused.location}/results`)
    t.match({ status: early.status, body: early.body }, { status: 404, body: { type: 'http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/result-not-ready' } })
    t.strictSame(faults(valid.exception, early.body), [])
    t.match((await fetch(paused.location!, { method: 'DELETE' })).status, 200)

    for (const address of [`${root}/jobs/invalid-job-1`, `${root}/jobs/invalid-job-1/results`]) {
      const { status, body } = await get(address)
      t.match({ status, body }, { status: 404, body: { type: 'http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/no-such-job' } })
    }
    const { status, body } = await get(`${root}/jobs`)
    t.equal(status, 200)
    t.ok(body.jobs.length > 0)
    t.strictSame(faults(valid.jobList, body), [])
    t.strictSame(body.links.map((link: any) => link.rel), ['self', 'alternate'])
    t.match(await get(`${root}/jobs`, 'text/html'), { status: 200, type: /text\/html/ })
  })
})
