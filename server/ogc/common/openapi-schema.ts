/** JSON Schemas as TypeBox writes them, in the words of an OpenAPI document. */
import { nameOf } from './schemas.js'

export type Dialect = '3.0' | '3.1'
type Json = Record<string, any>

/** Writes schemas in one dialect and gathers the named ones that they refer to. */
export class SchemaWriter {
  readonly #named = new Map<string, unknown>()

  constructor(private readonly dialect: Dialect) {}

  /** Every named schema that was written about so far, by name. */
  get components(): Record<string, unknown> {
    return Object.fromEntries([...this.#named].sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  write(schema: unknown): unknown {
    if (Array.isArray(schema)) return schema.map((one) => this.write(one))
    if (typeof schema !== 'object' || schema === null) return schema
    const name = nameOf(schema)
    if (name === undefined) return this.#inPlace(schema)
    if (!this.#named.has(name)) {
      this.#named.set(name, undefined)
      this.#named.set(name, this.#inPlace(schema))
    }
    return { $ref: `#/components/schemas/${name}` }
  }

  #inPlace(schema: Json): unknown {
    return this.dialect === '3.0' ? this.#words30(schema) : this.#members(schema, new Set(['$id', '$schema']))
  }

  /** No const, no null type, no numeric exclusive bounds, no tuples. */
  #words30(source: Json): unknown {
    const options = (source.anyOf ?? source.oneOf) as Json[] | undefined
    if (options) {
      const real = options.filter((option) => option.type !== 'null')
      const nullable = real.length < options.length ? { nullable: true } : {}
      const { anyOf: _a, oneOf: _o, ...rest } = source
      if (real.every((option) => 'const' in option)) return { ...rest, type: typeof real[0]!.const, enum: [...real.map((option) => option.const), ...(nullable.nullable ? [null] : [])], ...nullable }
      // Beside a $ref nothing else counts.
      if (real.length === 1 && !nameOf(real[0]!)) return { ...(this.write(rest) as object), ...(this.write(real[0]) as object), ...nullable }
      return { ...(this.write(rest) as object), [source.oneOf ? 'oneOf' : 'anyOf']: this.write(real), ...nullable }
    }
    const result = this.#members(source, NOT_IN_30)
    if (Array.isArray(result.type)) {
      const types = (result.type as string[]).filter((type) => type !== 'null')
      if (types.length < result.type.length) result.nullable = true
      if (types.length === 1) result.type = types[0]
      else { delete result.type; result.anyOf = types.map((type) => ({ type })) }
    }
    if ('const' in source) Object.assign(result, { enum: [source.const], ...(source.type === undefined && source.const !== null && { type: typeof source.const }) })
    if (source.examples) result.example = source.examples[0]
    for (const side of ['Minimum', 'Maximum'])
      if (typeof source[`exclusive${side}`] === 'number') Object.assign(result, { [side.toLowerCase()]: source[`exclusive${side}`], [`exclusive${side}`]: true })
    if (Array.isArray(source.items)) result.items = this.write(source.items.length === 1 ? source.items[0] : { anyOf: source.items })
    if (source.patternProperties) result.additionalProperties = this.write(Object.values(source.patternProperties)[0])
    return result
  }

  #members(schema: Json, without: ReadonlySet<string>): Json {
    const source = withoutRefMember(schema)
    const result: Json = {}
    for (const [key, value] of Object.entries(source)) {
      if (without.has(key)) continue
      if (key === 'properties' || key === '$defs' || key === 'patternProperties') result[key] = Object.fromEntries(Object.entries(value).map(([name, member]) => [name, this.write(member)]))
      else if (key !== 'required' || value.length > 0) result[key] = VALUES.has(key) ? value : this.write(value)
    }
    return result
  }
}

const NOT_IN_30 = new Set(['$id', '$schema', '$defs', 'const', 'examples', 'patternProperties', 'additionalItems', 'unevaluatedProperties', 'contentEncoding', 'contentMediaType'])
/** Members whose values are data, not schemas. */
const VALUES = new Set(['enum', 'default', 'required', 'examples', 'example', 'const'])

/** A member that is itself called `$ref` would be taken for a reference by every reader of the document: it is told as a member of any name. */
function withoutRefMember(schema: Json): Json {
  if (typeof schema.properties?.$ref !== 'object') return schema
  const { properties: { $ref, ...properties }, required = [], ...rest } = schema
  return { ...rest, properties, required: required.filter((name: string) => name !== '$ref'), additionalProperties: $ref, minProperties: 1 }
}

/** One schema alone in the words of OpenAPI 3.0. */
export const schema30 = (schema: unknown): unknown => new SchemaWriter('3.0').write(schema)
