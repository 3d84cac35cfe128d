/** An OpenAPI 3.1 document as a test reads it: what requests it allows, random ones of them, and answers held against it. */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'

type Json = any

export interface ApiParameter { readonly name: string; readonly in: 'path' | 'query'; readonly required: boolean; readonly schema: Json }

export interface ApiOperation {
  readonly id: string
  readonly method: string
  /** With the server before it: `http://…/ogc/collections/{collectionId}`. */
  readonly url: string
  readonly parameters: readonly ApiParameter[]
  /** By media type, the schema of the body. */
  readonly bodies: Readonly<Record<string, Json>>
  readonly responses: Json
}

export interface Answer { readonly status: number; readonly headers: Headers; readonly body: string }

/** The document: its operations, and the judge of their answers. */
export class Api {
  readonly operations: readonly ApiOperation[]
  readonly #ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: false, logger: false })
  readonly #validators = new Map<string, ValidateFunction>()

  constructor(readonly document: Json) {
    this.#ajv.addSchema({ $id: 'api', ...document })
    this.operations = Object.entries<Json>(document.paths).flatMap(([path, item]) => Object.entries<Json>(item)
      .filter(([method]) => ['get', 'post', 'put', 'patch', 'delete'].includes(method))
      .map(([method, operation]) => ({
        id: operation.operationId, method: method.toUpperCase(), url: (item.servers ?? document.servers)[0].url + (path === '/' ? '' : path),
        parameters: (operation.parameters ?? []).map((parameter: Json) => this.resolve(parameter)),
        bodies: Object.fromEntries(Object.entries<Json>(operation.requestBody?.content ?? {}).map(([type, { schema }]) => [type, schema])),
        responses: Object.fromEntries(Object.entries<Json>(operation.responses).map(([status, answer]) => [status, this.resolve(answer)])),
      })))
  }

  operation(id: string): ApiOperation {
    const found = this.operations.find((operation) => operation.id === id)
    if (!found) throw new Error(`The document has no operation ${id}`)
    return found
  }

  /** What a `$ref` leads to. */
  resolve(value: Json): Json {
    if (typeof value?.$ref !== 'string') return value
    return value.$ref.slice(2).split('/').reduce((at: Json, key: string) => at[key.replaceAll('~1', '/').replaceAll('~0', '~')], this.document)
  }

  /** What is wrong with an answer by the document; nothing where it keeps to it. */
  faults({ responses }: ApiOperation, { status, headers, body }: Answer): string[] {
    if (status >= 500) return [`status ${status}: ${body.slice(0, 300)}`]
    const declared = responses[status] ?? responses.default
    if (!declared) return [`status ${status} is not in the document`]
    const missing = Object.keys(declared.headers ?? {}).filter((name) => name === 'Location' && !headers.has(name)).map((name) => `the header ${name} is missing`)
    if (!declared.content || status === 304) return [...missing, ...(body === '' ? [] : [`${status} should have no body`])]
    const type = headers.get('content-type') ?? ''
    const media = Object.keys(declared.content).find((candidate) => covers(candidate, type))
    if (media === undefined) return [`${status} came as “${type}”, not as ${Object.keys(declared.content).join(' or ')}`]
    return [...missing, ...(/json/.test(type) && body !== '' ? this.#misfits(declared.content[media].schema, body) : [])]
  }

  #misfits(schema: Json, body: string): string[] {
    let value: unknown
    try {
      value = JSON.parse(body)
    } catch (error) {
      return [`the body is no JSON: ${(error as Error).message}`]
    }
    const validate = this.#validatorOf(schema)
    if (validate(value)) return []
    const [{ instancePath, message, params }] = validate.errors! as [NonNullable<ValidateFunction['errors']>[number]]
    return [`${instancePath || 'the body'} ${message} ${JSON.stringify(params).slice(0, 200)}`]
  }

  #validatorOf(schema: Json): ValidateFunction {
    // References in a schema are to the document, whichever part of it the schema is.
    const text = JSON.stringify(schema).replaceAll('"#/', '"api#/')
    const validate = this.#validators.get(text) ?? this.#ajv.compile(JSON.parse(text))
    this.#validators.set(text, validate)
    return validate
  }
}

/** Whether a media type or range of the document is that of an answer. */
function covers(declared: string, type: string): boolean {
  const [wanted, ...parameters] = declared.split(';').map((part) => part.trim())
  const [plain, ...own] = type.split(';').map((part) => part.trim())
  return (wanted === '*/*' || wanted === plain || (wanted!.endsWith('/*') && plain!.startsWith(wanted!.slice(0, -1)))) && parameters.every((parameter) => own.includes(parameter))
}

/** What stands for path and query parameters, by name, besides what their schemas would give. */
export type Seeds = Readonly<Record<string, readonly unknown[]>>

/** Random requests: mostly as the document has them, the rest wrong in the ways that clients and attackers are. */
export class RequestMaker {
  constructor(private readonly api: Api, private readonly seeds: Seeds, private readonly random: () => number) {}

  make(operation: ApiOperation, headers: Readonly<Record<string, string>> = {}): { readonly url: string; readonly init: RequestInit } {
    const path = operation.url.replace(/\{(\w+)\}/g, (_all, name: string) => {
      const parameter = operation.parameters.find((candidate) => candidate.in === 'path' && candidate.name === name)!
      const value = String(this.#chance(0.85) && this.seeds[name] ? this.#one(this.seeds[name]) : this.#parameter(parameter))
      // Clients resolve dots before they send: that would be another address.
      return /^\.{0,2}$/.test(value) ? 'x' : encodeURIComponent(value)
    })
    const search = new URLSearchParams()
    for (const parameter of operation.parameters)
      if (parameter.in === 'query' && this.#chance(parameter.required ? 0.95 : 0.3)) search.append(parameter.name, String(this.#parameter(parameter)))
    if (this.#chance(0.05)) search.append(this.#nasty(), this.#nasty())
    const body = this.#body(operation)
    return {
      url: `${path}${search.size > 0 ? `?${search}` : ''}`,
      init: { method: operation.method, redirect: 'manual', headers: { ...this.#headers(), ...body?.headers, ...headers }, ...(body && { body: body.text }) },
    }
  }

  #headers(): Record<string, string> {
    const some: [number, string, readonly string[]][] = [
      [0.3, 'Accept', ['application/json', 'text/html', 'application/geo+json', 'image/png', '*/*;q=0', 'text/html;q=abc', '@@', 'application/json;version=1']],
      [0.1, 'If-None-Match', ['*', '"abc"', 'W/"x"', '""', '"']], [0.1, 'If-Match', ['*', '"abc"', 'W/"1"', '']],
      [0.1, 'If-Unmodified-Since', ['Wed, 21 Oct 2015 07:28:00 GMT', 'yesterday', '99999999999']], [0.1, 'If-Modified-Since', ['Wed, 21 Oct 2099 07:28:00 GMT', 'x']],
      [0.1, 'Accept-Language', ['vi', 'en;q=0.5, vi;q=0.9', '*', ';;;']], [0.1, 'Prefer', ['return=representation', 'respond-async', 'wait=0', 'handling=strict', ',,,']],
      [0.05, 'Content-Crs', ['<http://www.opengis.net/def/crs/EPSG/0/3857>', 'EPSG:0', '<>']], [0.05, 'Range', ['bytes=0-10', 'bytes=99-1', 'x']], [0.05, 'Accept-Encoding', ['gzip', 'br;q=0', 'identity;q=0', 'zstd']],
      [0.05, 'Idempotency-Key', ['k', 'x'.repeat(300)]], [0.05, 'Last-Event-ID', ['-1', '1e9', 'x']], [0.05, 'X-Forwarded-Host', ['city.example', '<script>', 'a b']],
    ]
    return Object.fromEntries(some.flatMap(([share, name, values]) => (this.#chance(share) ? [[name, this.#one(values)]] : [])))
  }

  #body({ bodies }: ApiOperation): { text: string; headers: Record<string, string> } | undefined {
    const types = Object.keys(bodies)
    if (types.length === 0) return undefined
    const type = this.#chance(0.9) ? this.#one(types) : this.#one(['text/plain', 'application/json', 'multipart/form-data; boundary=x', 'application/x-www-form-urlencoded'])
    const value = this.#value(bodies[type] ?? {}, 0)
    const text = this.#chance(0.9) ? JSON.stringify(this.#chance(0.5) ? value : this.#spoilt(value)) ?? '' : this.#one(['', '{', '[]', 'null', '{"a":1e999}', '{"__proto__":{"a":1}}', '['.repeat(2000), '\u0000'])
    return { text, headers: { 'Content-Type': type } }
  }

  /** A value with one thing in it that should not be. */
  #spoilt(value: Json): Json {
    if (typeof value !== 'object' || value === null || this.#chance(0.2)) return this.#one([null, this.#nasty(), -1, 1e300, [], {}, true])
    const keys = Object.keys(value)
    const key = keys.length > 0 && this.#chance(0.9) ? this.#one(keys) : this.#nasty()
    return Array.isArray(value) ? value.map((item, i) => (String(i) === key ? this.#spoilt(item) : item)) : { ...value, [key]: this.#spoilt(value[key]) }
  }

  #parameter({ name, schema }: ApiParameter): unknown {
    if (this.#chance(0.2)) return this.#nasty()
    if (this.seeds[name] && this.#chance(0.6)) return this.#one(this.seeds[name])
    const value = this.#value(schema, 0)
    return Array.isArray(value) ? value.join(',') : value
  }

  #value(given: Json, depth: number): Json {
    const schema = this.api.resolve(given) ?? {}
    if (schema.const !== undefined) return schema.const
    if (schema.enum) return this.#one(schema.enum)
    if (schema.default !== undefined && this.#chance(0.2)) return schema.default
    if (schema.examples && this.#chance(0.7)) return this.#one(schema.examples)
    const options = schema.anyOf ?? schema.oneOf
    if (options) return this.#value(this.#one(options), depth)
    if (schema.allOf) return Object.assign({}, ...schema.allOf.map((part: Json) => this.#value(part, depth)))
    switch (schema.type) {
      case 'integer': return Math.round(this.#number(schema))
      case 'number': return this.#number(schema)
      case 'boolean': return this.#chance(0.5)
      case 'null': return null
      case 'array': return Array.from({ length: Math.max(schema.minItems ?? 0, depth > 4 ? 0 : Math.floor(this.random() * Math.min(schema.maxItems ?? 4, 5))) }, () => this.#value(schema.items ?? schema.prefixItems?.[0], depth + 1))
      case 'object': {
        const required = new Set<string>(schema.required)
        return Object.fromEntries(Object.entries<Json>(schema.properties ?? {})
          .filter(([name]) => required.has(name) || (depth < 5 && this.#chance(0.5))).map(([name, member]) => [name, this.#value(member, depth + 1)]))
      }
      case 'string': return this.#text(schema)
      default: return this.#one([1, 'x', true, null])
    }
  }

  #number({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Json): number {
    const low = minimum ?? exclusiveMinimum ?? -1000
    const high = maximum ?? exclusiveMaximum ?? Math.max(low, 0) + 1000
    return this.#chance(0.3) ? this.#one([low, high]) : low + this.random() * (Math.min(high, low + 1000) - low)
  }

  #text({ format, maxLength = 20, minLength = 0 }: Json): string {
    if (format === 'uuid') return '00000000-0000-4000-8000-000000000000'
    const text = this.#one(['a', 'Đường Trần Phú', 'school', '2026-01-01T00:00:00Z', '2026-01-01', '1', 'POINT(108.2 16.05)', '108.2,16.0,108.3,16.1', 'x'.repeat(Math.min(maxLength, 200))])
    return text.padEnd(minLength, 'x').slice(0, maxLength)
  }

  #nasty(): string {
    return this.#one([
      '', ' ', '\u0000', '%00', "'", "';select pg_sleep(9);--", '" or ""="', '\\', '../../etc/passwd', '-1', '0', '1e999', 'NaN', 'Infinity', '-0', '9007199254740993', '99999999999999999999', '2147483648',
      'null', 'undefined', '[object Object]', '__proto__', 'constructor', '${7*7}', '<script>alert(1)</script>', '\u202e', '\ud83c\udf0a', 'a\r\nSet-Cookie: x=1', ',', ',,', '1,2,3', '0,0,0,0', '-180,-90,180,90', '1e308,1e308,-1e308,-1e308',
      '2026-02-30', '..', '../..', '2026-01-01T00:00:00Z/..', 'http://www.opengis.net/def/crs/EPSG/0/4979', 'x'.repeat(300), '('.repeat(200), '%', '*', 'id', 'geometry',
    ])
  }

  #chance(share: number): boolean { return this.random() < share }
  #one<T>(values: readonly T[]): T { return values[Math.floor(this.random() * values.length)]! }
}

/** Sends a request and reads its answer; of a stream without end only its beginning. */
export async function ask(url: string, init: RequestInit = {}): Promise<Answer> {
  const controller = new AbortController()
  const response = await fetch(url, { ...init, signal: AbortSignal.any([controller.signal, AbortSignal.timeout(20_000)]) })
  const endless = response.headers.get('content-type')?.startsWith('text/event-stream') ?? false
  const body = endless ? '' : await response.text()
  if (endless) controller.abort()
  return { status: response.status, headers: response.headers, body }
}

/** Mulberry32: the same seed, the same requests. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
