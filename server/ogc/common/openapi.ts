/** The OpenAPI document, 3.0 and 3.1, from the same table that routes and validates. */
import type { Answer, Operation, Parameter } from '../../operations/operation.js'
import { SchemaWriter, type Dialect } from './openapi-schema.js'
import { PROBLEM } from './schemas.js'
import { BBOX, BBOX_CRS, AS_OF, COLLECTION_ID, CRS, CURSOR, DATETIME, F, FEATURE_ID, FILTER, FILTER_CRS, FILTER_LANG, LANG, LIMIT, PROPERTIES, RUN } from './parameters.js'

export { schema30 } from './openapi-schema.js'

/** Parameters that appear once, under `components`. QGIS looks there for one named `limit`. */
const SHARED: ReadonlyMap<Parameter, string> = new Map([
  ...[LIMIT, BBOX, BBOX_CRS, CRS, DATETIME, AS_OF, RUN, FILTER, FILTER_LANG, FILTER_CRS, PROPERTIES, CURSOR, COLLECTION_ID, FEATURE_ID, F, LANG].map((p): [Parameter, string] => [p, p.name]),
])

/**
 * `base` is the API's root without `/ogc`. The server is `{base}/ogc` and OGC paths are written below it, as conformance
 * suites and QGIS expect; other paths carry a server of their own.
 */
export function openApi(base: string, operations: readonly Operation[], branch: boolean, dialect: Dialect = '3.0'): unknown {
  const schemas = new SchemaWriter(dialect)
  const paths: Record<string, Record<string, unknown>> = {}
  const ogcShapes = new Set(operations.filter(({ path }) => isOgcPath(path)).map(({ path }) => shapeOf(path.slice('/ogc'.length))))
  for (const operation of operations) {
    if (branch && !operation.branched) continue
    const isOgc = isOgcPath(operation.path)
    const path = isOgc ? operation.path.slice('/ogc'.length) || '/' : operation.path
    // An alias whose path would read as an OGC one below this server, but for the names in braces, is left out.
    if (!isOgc && ogcShapes.has(shapeOf(path))) continue
    const item = (paths[path] ??= isOgc ? {} : { servers: [{ url: base }] })
    item[operation.method] = describe(operation, schemas)
  }
  const problem = { description: 'What was wanted, what came, what to do (RFC 9457).', content: { 'application/problem+json': { schema: schemas.write(PROBLEM) } } }
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
      responses: { Problem: problem },
      schemas: schemas.components,
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    },
  }
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
      ...Object.fromEntries(Object.entries(operation.responses ?? { 200: 'The answer.' }).map(([status, answer]) => [status, describeAnswer(answer, schemas)])),
      default: { $ref: '#/components/responses/Problem' },
    },
    ...(operation.roles && { security: [{ token: [] }] }),
  }
}

type Contents = NonNullable<Answer['content']>

const contentOf = (media: Contents, schemas: SchemaWriter) => Object.fromEntries(Object.entries(media).map(([type, schema]) => [type, { schema: schemas.write(schema) }]))

function mediaOf(body: NonNullable<Operation['body']>): Contents {
  return 'schema' in body ? { [body.contentType]: body.schema } : body.media ?? { 'application/octet-stream': {} }
}

function describeAnswer(answer: string | Answer, schemas: SchemaWriter): unknown {
  if (typeof answer === 'string') return { description: answer }
  const { description, content, headers } = answer
  return {
    description,
    ...(content && { content: contentOf(content, schemas) }),
    ...(headers && { headers: Object.fromEntries(Object.entries(headers).map(([name, header]) => [name, { description: header.description, schema: schemas.write(header.schema) }])) }),
  }
}

function describeParameter({ name, in: place, description, required, schema }: Parameter, schemas: SchemaWriter): unknown {
  return {
    name, in: place, description, required: place === 'path' || required === true,
    schema: schemas.write(schema),
    ...(place === 'query' ? { style: 'form', explode: false } : {}),
  }
}
