/** Reading a request's parameters and body by their schemas: what is wrong, with what, and what is allowed. */
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import type { TSchema } from '@sinclair/typebox'
import { nearMisses } from '../../core/text.js'
import type { Operation, Parameter } from '../operations/operation.js'
import { badBody, badParameter, Problem } from '../errors.js'

const ajv = new Ajv({ strict: false, allErrors: false, useDefaults: true, validateFormats: false })

/** Query parameters that clients and proxies add by themselves; never an error. */
const TOLERATED = /^(token|apikey|api_key|_|utm_[a-z]+)$/i

export interface Parsed {
  readonly params: Readonly<Record<string, any>>
  /** Undeclared query parameters, where the operation takes them (`extraQuery`). */
  readonly query: Readonly<Record<string, string>>
}

/** A parser for one operation's path and query. Throws 400 Problems. */
export function parameterParser(operation: Operation): (path: Readonly<Record<string, string>>, search: URLSearchParams) => Parsed {
  const declared = (operation.parameters ?? []).map((parameter) => ({ parameter, parse: valueParser(parameter) }))
  const known = new Set(declared.filter(({ parameter }) => parameter.in === 'query').map(({ parameter }) => parameter.name))
  return (path, search) => {
    const params: Record<string, unknown> = {}
    for (const { parameter, parse } of declared) {
      const raw = parameter.in === 'path' ? path[parameter.name] : single(search, parameter.name)
      const value = raw === undefined || (raw === '' && parameter.allowsEmpty) ? parameter.schema.default : parse(raw)
      if (value !== undefined) params[parameter.name] = value
      else if (parameter.required) throw badParameter(parameter.name, `The parameter “${parameter.name}” is needed: ${parameter.description}`)
    }
    return { params, query: others(search, known, operation.extraQuery === true) }
  }
}

function others(search: URLSearchParams, known: ReadonlySet<string>, allowed: boolean): Record<string, string> {
  const query: Record<string, string> = {}
  for (const name of new Set(search.keys())) {
    if (known.has(name) || TOLERATED.test(name)) continue
    if (!allowed) throw unknownParameter(name, [...known])
    query[name] = single(search, name)!
  }
  return query
}

export function unknownParameter(name: string, known: readonly string[]): Problem {
  const [near] = nearMisses(name, known)
  const list = known.length === 0 ? 'There are none here.' : `Known here: ${known.join(', ')}.`
  return new Problem(400, 'unknown-parameter', `There is no query parameter “${cut(name)}”.${near ? ` Did you mean “${near}”?` : ''} ${list}`, { parameter: cut(name) })
}

function single(search: URLSearchParams, name: string): string | undefined {
  const values = search.getAll(name)
  if (values.length > 1) throw badParameter(name, `The parameter “${cut(name)}” is given ${values.length} times; give it once, lists with commas.`)
  if (values[0]?.includes('\0')) throw badParameter(name, `The parameter “${cut(name)}” holds a NUL character.`)
  return values[0]
}

function valueParser(parameter: Parameter): (raw: string) => unknown {
  const { name, schema } = parameter
  const validate = ajv.compile(schema)
  return (raw) => {
    if (raw.includes('\0')) throw badParameter(name, `The parameter “${name}” holds a NUL character.`)
    for (const candidate of candidates(raw, schema)) if (validate(candidate)) return candidate
    throw badParameter(name, `“${cut(raw)}” is not a valid “${name}”: ${expectation(schema)}.`, { value: cut(raw) })
  }
}

/** The readings of a text that the schema's types allow, in order. */
function candidates(raw: string, schema: TSchema): unknown[] {
  if (schema.anyOf) return (schema.anyOf as TSchema[]).flatMap((option) => candidates(raw, option))
  switch (schema.type) {
    case 'integer': case 'number': return NUMBER.test(raw) ? [Number(raw)] : []
    case 'boolean': return raw === 'true' ? [true] : raw === 'false' ? [false] : []
    case 'array': return product(raw === '' ? [] : raw.split(',').map((item) => candidates(item, schema.items as TSchema)))
    default: return [raw]
  }
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/

/** First reading of each item; a list with an unreadable item has none. */
function product(items: readonly unknown[][]): unknown[] {
  return items.every((options) => options.length > 0) ? [items.map(([first]) => first)] : []
}

/** What a schema allows, as the end of a sentence. */
export function expectation(schema: TSchema): string {
  if (schema.anyOf) {
    const options = schema.anyOf as TSchema[]
    return options.every((option) => 'const' in option) ? `one of ${options.map((option) => option.const).join(', ')}` : options.map(expectation).join(', or ')
  }
  if ('const' in schema) return `“${schema.const}”`
  if (schema.enum) return `one of ${(schema.enum as unknown[]).join(', ')}`
  if (schema.type === 'array') {
    const [least, most] = [schema.minItems, schema.maxItems]
    const size = least !== undefined && least === most ? `${least}` : least !== undefined && most !== undefined ? `${least} to ${most}` : ''
    return `a comma-separated list${size ? ` of ${size}` : ''}, each ${expectation(schema.items as TSchema)}`
  }
  const range = schema.minimum !== undefined && schema.maximum !== undefined ? ` from ${schema.minimum} to ${schema.maximum}`
    : schema.minimum !== undefined ? ` of at least ${schema.minimum}` : schema.maximum !== undefined ? ` of at most ${schema.maximum}` : ''
  if (schema.type === 'integer') return `an integer${range}`
  if (schema.type === 'number') return `a number${range}`
  if (schema.type === 'boolean') return 'true or false'
  return schema.pattern ? `a text like ${schema.examples?.[0] ?? schema.pattern}` : schema.maxLength ? `a text of at most ${schema.maxLength} characters` : 'a text'
}

/** A checker for one operation's JSON body. Throws 400 Problems that point at the member. */
export function bodyChecker(schema: TSchema): (body: unknown) => unknown {
  const validate: ValidateFunction = ajv.compile(schema)
  return (body) => {
    refuseUnstorable(body)
    if (!validate(body)) throw badBody(bodyError(validate.errors![0]!), { pointer: validate.errors![0]!.instancePath })
    return body
  }
}

const MAX_BODY_DEPTH = 64

/** PostgreSQL's text and jsonb take neither a zero byte nor half a surrogate pair, which JSON can spell. */
function refuseUnstorable(value: unknown, pointer = '', depth = 0): void {
  if (typeof value === 'string') {
    if (/\0|\p{Surrogate}/u.test(value)) throw badBody(`“${cut(pointer)}” holds a character that no text has: a zero byte or half a surrogate pair.`, { pointer })
  } else if (typeof value === 'object' && value !== null) {
    if (depth === MAX_BODY_DEPTH) throw badBody(`The body is nested deeper than ${MAX_BODY_DEPTH} levels.`)
    for (const [name, member] of Object.entries(value)) {
      // No name of ours has them, and the patterns of schemas for names do not reach beyond the end of a line.
      if (/[\p{Cc}\u2028\u2029]/u.test(name)) throw badBody(`A member's name holds a control character or a line break.`, { pointer })
      refuseUnstorable(member, `${pointer}/${name}`, depth + 1)
    }
  }
}

function bodyError(error: ErrorObject): string {
  const where = error.instancePath === '' ? 'The body' : `“${error.instancePath}”`
  if (error.keyword === 'additionalProperties') return `${where} has an unknown member “${cut(String(error.params.additionalProperty))}”.`
  if (error.keyword === 'enum') return `${where} must be one of ${(error.params.allowedValues as unknown[]).join(', ')}.`
  return `${where} ${error.message ?? 'is not valid'}.`
}

function cut(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}
