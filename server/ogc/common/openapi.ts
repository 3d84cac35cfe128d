/** The OpenAPI 3.0 document, from the same table that routes and validates. */
import type { TSchema } from '@sinclair/typebox'
import type { Operation, Parameter } from '../../operations/operation.js'
import { BBOX, BBOX_CRS, AS_OF, COLLECTION_ID, CRS, CURSOR, DATETIME, F, FEATURE_ID, FILTER, FILTER_CRS, FILTER_LANG, LANG, LIMIT, PROPERTIES, RUN } from './parameters.js'

/** Parameters that appear once, under `components`. QGIS looks there for one named `limit`. */
const SHARED: ReadonlyMap<Parameter, string> = new Map([
  ...[LIMIT, BBOX, BBOX_CRS, CRS, DATETIME, AS_OF, RUN, FILTER, FILTER_LANG, FILTER_CRS, PROPERTIES, CURSOR, COLLECTION_ID, FEATURE_ID, F, LANG].map((p): [Parameter, string] => [p, p.name]),
])

/**
 * `base` is the API's root without `/ogc`. The server is `{base}/ogc` and OGC paths are written below it, as conformance
 * suites and QGIS expect; other paths carry a server of their own.
 */
export function openApi(base: string, operations: readonly Operation[], branch: boolean): unknown {
  const paths: Record<string, Record<string, unknown>> = {}
  const ogcShapes = new Set(operations.filter(({ path }) => isOgcPath(path)).map(({ path }) => shapeOf(path.slice('/ogc'.length))))
  for (const operation of operations) {
    if (branch && !operation.branched) continue
    const isOgc = isOgcPath(operation.path)
    const path = isOgc ? operation.path.slice('/ogc'.length) || '/' : operation.path
    // An alias whose path would read as an OGC one below this server, but for the names in braces, is left out.
    if (!isOgc && ogcShapes.has(shapeOf(path))) continue
    const item = (paths[path] ??= isOgc ? {} : { servers: [{ url: base }] })
    item[operation.method] = describe(operation)
  }
  return {
    openapi: '3.0.3',
    info: {
      title: 'dothi', version: '1.0.0',
      description: 'The synchronised layers of a city: OGC API Features, Tiles and Processes, 3D Tiles, terrain and flood scenarios.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    servers: [{ url: `${base}/ogc` }],
    tags: [...new Set(operations.flatMap(({ tags }) => tags))].map((name) => ({ name })),
    paths,
    components: {
      parameters: Object.fromEntries([...SHARED].map(([parameter, name]) => [name, describeParameter(parameter)])),
      responses: { Problem: { description: 'What was wanted, what came, what to do (RFC 9457).', content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } } },
      schemas: { Problem: PROBLEM },
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    },
  }
}

const isOgcPath = (path: string) => /^\/ogc(\/|$)/.test(path)
const shapeOf = (path: string) => path.replace(/\{\w+\}/g, '{}')

const PROBLEM = {
  type: 'object', required: ['type', 'title', 'status', 'detail'],
  properties: { type: { type: 'string' }, title: { type: 'string' }, status: { type: 'integer' }, detail: { type: 'string' }, instance: { type: 'string' }, parameter: { type: 'string' } },
}

function describe(operation: Operation): unknown {
  const { body } = operation
  return {
    operationId: operation.id,
    summary: operation.summary,
    tags: operation.tags,
    parameters: (operation.parameters ?? []).map((parameter) => (SHARED.has(parameter) ? { $ref: `#/components/parameters/${SHARED.get(parameter)}` } : describeParameter(parameter))),
    ...(body && { requestBody: { required: true, content: { [body.contentType === 'raw' ? 'application/octet-stream' : body.contentType]: { schema: 'schema' in body ? schema30(body.schema) : {} } } } }),
    responses: {
      ...Object.fromEntries(Object.entries(operation.responses ?? { 200: 'The answer.' }).map(([status, description]) => [status, { description }])),
      default: { $ref: '#/components/responses/Problem' },
    },
    ...(operation.roles && { security: [{ token: [] }] }),
  }
}

function describeParameter({ name, in: place, description, required, schema }: Parameter): unknown {
  return {
    name, in: place, description, required: place === 'path' || required === true,
    schema: schema30(schema),
    ...(place === 'query' ? { style: 'form', explode: false } : {}),
  }
}

/** JSON Schema as TypeBox writes it, in the words of OpenAPI 3.0: no const, no null type, no numeric exclusive bounds. */
export function schema30(schema: TSchema | unknown): unknown {
  if (Array.isArray(schema)) return schema.map(schema30)
  if (typeof schema !== 'object' || schema === null) return schema
  const source = { ...(schema as Record<string, any>) }
  const options = (source.anyOf ?? source.oneOf) as Record<string, any>[] | undefined
  if (options) {
    const real = options.filter((option) => option.type !== 'null')
    const nullable = real.length < options.length ? { nullable: true } : {}
    const { anyOf: _a, oneOf: _o, ...rest } = source
    if (real.every((option) => 'const' in option)) return { ...rest, type: typeof real[0]!.const, enum: real.map((option) => option.const), ...nullable }
    if (real.length === 1) return { ...rest, ...(schema30(real[0]) as object), ...nullable }
    return { ...rest, anyOf: real.map(schema30), ...nullable }
  }
  const result: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(source)) {
    if (key === 'const') result.enum = [value]
    else if (key === 'examples') result.example = (value as unknown[])[0]
    else if (key === 'exclusiveMinimum' && typeof value === 'number') Object.assign(result, { minimum: value, exclusiveMinimum: true })
    else if (key === 'exclusiveMaximum' && typeof value === 'number') Object.assign(result, { maximum: value, exclusiveMaximum: true })
    else if (key === 'items' && Array.isArray(value)) result.items = schema30(value.length === 1 ? value[0] : { anyOf: value })
    else if (key === 'additionalItems') continue
    else if (key === 'patternProperties') result.additionalProperties = schema30(Object.values(value)[0])
    else if (key === 'properties') result.properties = Object.fromEntries(Object.entries(value).map(([name, property]) => [name, schema30(property)]))
    else if (key === 'enum' || key === 'default' || key === 'required') result[key] = value
    else if (!['$id', '$schema', 'unevaluatedProperties'].includes(key)) result[key] = schema30(value)
  }
  return result
}
