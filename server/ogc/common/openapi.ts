/** The OpenAPI document, 3.0 and 3.1, from the same table that routes and validates. */
import { Type, type TSchema } from '@sinclair/typebox'
import type { Answer, Operation, Parameter } from '../../operations/operation.js'
import { SchemaWriter, type Dialect } from './openapi-schema.js'
import { FEATURE, FEATURE_COLLECTION, namedAnew, nullable, problem } from './schemas.js'
import { BBOX, BBOX_CRS, AS_OF, COLLECTION_ID, CRS, CURSOR, DATETIME, F, FEATURE_ID, FILTER, FILTER_CRS, FILTER_LANG, LANG, LIMIT, PROPERTIES, RUN } from './parameters.js'

export { schema30 } from './openapi-schema.js'

/** Parameters that appear once, under `components`. QGIS looks there for one named `limit`. */
const SHARED: ReadonlyMap<Parameter, string> = new Map([
  ...[LIMIT, BBOX, BBOX_CRS, CRS, DATETIME, AS_OF, RUN, FILTER, FILTER_LANG, FILTER_CRS, PROPERTIES, CURSOR, COLLECTION_ID, FEATURE_ID, F, LANG].map((p): [Parameter, string] => [p, p.name]),
])

/** A collection that is described by name: with its queryables as parameters and the attributes of its features. */
export interface NamedCollection {
  readonly id: string
  readonly title: string
  readonly queryables: readonly Parameter[]
  readonly attributes: Readonly<Record<string, TSchema>>
}

export interface ApiScope {
  /** The API's root without `/ogc`. */
  readonly base: string
  /** True under a scenario: only what is served there. */
  readonly branch: boolean
  readonly collections?: readonly NamedCollection[]
}

/** More collections by name would slow clients that read them all (QGIS); beyond this only the paths with `{collectionId}` are told. */
const MOST_NAMED = 60

/**
 * The server is `{base}/ogc` and OGC paths are written below it, as conformance suites and QGIS expect; other paths carry
 * a server of their own.
 */
export function openApi({ base, branch, collections = [] }: ApiScope, operations: readonly Operation[], dialect: Dialect = '3.0'): unknown {
  const schemas = new SchemaWriter(dialect)
  const paths: Record<string, Record<string, unknown>> = {}
  const ogcShapes = new Set(operations.filter(({ path }) => isOgcPath(path)).map(({ path }) => shapeOf(path.slice('/ogc'.length))))
  for (const operation of [...operations, ...namedOperations(collections.slice(0, MOST_NAMED), operations)]) {
    if (branch && !operation.branched) continue
    const isOgc = isOgcPath(operation.path)
    const path = isOgc ? operation.path.slice('/ogc'.length) || '/' : operation.path
    // An alias whose path would read as an OGC one below this server, but for the names in braces, is left out.
    if (!isOgc && ogcShapes.has(shapeOf(path))) continue
    const item = (paths[path] ??= isOgc ? {} : { servers: [{ url: base }] })
    item[operation.method] = describe(operation, schemas)
  }
  return {
    openapi: dialect === '3.0' ? '3.0.3' : '3.1.0',
    info: {
      title: 'dothi', version: '1.0.0',
      description: 'The synchronised layers of a city: OGC API Features, Tiles and Processes, 3D Tiles, terrain and flood scenarios.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    servers: [{ url: `${base}/ogc` }],
    tags: [...new Set(operations.flatMap(({ tags }) => tags))].map((name) => ({ name })),
    paths,
    components: {
      parameters: Object.fromEntries([...SHARED].map(([parameter, name]) => [name, describeParameter(parameter, schemas)])),
      responses: Object.fromEntries(Object.entries(COMMON_ANSWERS).map(([name, answer]) => [name, describeAnswer(answer, schemas)])),
      schemas: schemas.components,
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    },
  }
}

const UNTOLD: NonNullable<Operation['responses']> = { 200: { description: 'The answer.', content: { '*/*': {} } } }

const ITEM_PATH = /^\/ogc\/collections\/\{collectionId\}\/items(\/\{featureId\})?$/

/** The operations on items once for each collection. A path without braces hides the one with them, so all methods come along. */
function namedOperations(collections: readonly NamedCollection[], operations: readonly Operation[]): Operation[] {
  const onItems = operations.filter(({ path }) => ITEM_PATH.test(path))
  return collections.flatMap(({ id, title, queryables, attributes }) => {
    const feature = namedAnew(`feature_${id}`, Type.Intersect([FEATURE, Type.Object({ properties: Type.Object(mapValues(attributes, (schema) => Type.Optional(nullable(schema)))) })]))
    const page = Type.Intersect([FEATURE_COLLECTION, Type.Object({ features: Type.Array(feature) })])
    const special = (schema: unknown) => (schema === FEATURE_COLLECTION ? page : schema === FEATURE ? feature : schema) as TSchema
    return onItems.map((operation): Operation => {
      const own = operation.extraQuery ? queryables.filter(({ name }) => !operation.parameters?.some((parameter) => parameter.name === name)) : []
      return {
        ...operation,
        id: `${operation.id}.${id}`,
        path: operation.path.replace('{collectionId}', id),
        summary: `${title}: ${operation.summary}`,
        parameters: [...(operation.parameters ?? []).filter((parameter) => parameter !== COLLECTION_ID), ...own],
        responses: mapValues(operation.responses ?? {}, (answer) => (typeof answer === 'string' || !answer.content ? answer : { ...answer, content: mapValues(answer.content, special) })),
      }
    })
  })
}

const mapValues = <A, B>(record: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]))

const COMMON_ANSWERS = {
  Problem: problem('What was wanted, what came, what to do (RFC 9457).'),
  NotModified: { description: 'What the client holds is current: its If-None-Match or If-Modified-Since says so.' },
} satisfies Record<string, Answer>

/** Which problems an operation can meet follows from what it takes. */
function problemsOf({ parameters = [], body, roles, path }: Operation): number[] {
  const has = (place: Parameter['in']) => parameters.some((parameter) => parameter.in === place)
  return [
    ...(has('query') || body ? [400] : []), ...(roles ? [401, 403] : []), ...(has('path') || path.includes('/collections/') ? [404] : []),
    ...(parameters.some(({ name }) => name === 'f') ? [406] : []), ...(body ? [413, 415] : []),
  ]
}

const isOgcPath = (path: string) => /^\/ogc(\/|$)/.test(path)
const shapeOf = (path: string) => path.replace(/\{\w+\}/g, '{}')

function describe(operation: Operation, schemas: SchemaWriter): unknown {
  const { body } = operation
  return {
    operationId: operation.id,
    summary: operation.summary,
    tags: operation.tags,
    parameters: (operation.parameters ?? []).map((parameter) => (SHARED.has(parameter) ? { $ref: `#/components/parameters/${SHARED.get(parameter)}` } : describeParameter(parameter, schemas))),
    ...(body && { requestBody: { required: true, content: contentOf(mediaOf(body), schemas) } }),
    responses: {
      ...mapValues(operation.responses ?? UNTOLD, (answer) => describeAnswer(answer, schemas)),
      ...(operation.method === 'get' && !operation.responses?.[304] && { 304: { $ref: '#/components/responses/NotModified' } }),
      ...Object.fromEntries([...problemsOf(operation).filter((status) => !operation.responses?.[status]), 'default'].map((status) => [status, { $ref: '#/components/responses/Problem' }])),
    },
    ...(operation.roles && { security: [{ token: [] }] }),
  }
}

type Contents = NonNullable<Answer['content']>

const contentOf = (media: Contents, schemas: SchemaWriter) => mapValues(media, (schema) => ({ schema: schemas.write(schema) }))

function mediaOf(body: NonNullable<Operation['body']>): Contents {
  return 'schema' in body ? { [body.contentType]: body.schema } : body.media ?? { 'application/octet-stream': {} }
}

function describeAnswer(answer: string | Answer, schemas: SchemaWriter): unknown {
  if (typeof answer === 'string') return { description: answer }
  const { description, content, headers } = answer
  return {
    description,
    ...(content && { content: contentOf(content, schemas) }),
    ...(headers && { headers: mapValues(headers, (header) => ({ description: header.description, schema: schemas.write(header.schema) })) }),
  }
}

function describeParameter({ name, in: place, description, required, schema, allowsEmpty }: Parameter, schemas: SchemaWriter): unknown {
  return {
    name, in: place, description, required: place === 'path' || required === true,
    schema: schemas.write(schema),
    ...(place === 'query' ? { style: 'form', explode: false } : {}),
    ...(allowsEmpty && { allowEmptyValue: true }),
  }
}
