/**
 * OGC API Features Part 5 (OGC 23-058r1, also Common Part 3), annex A: schemas, roles, references, returnables and receivables,
 * queryables, sortables, the profile parameter. A null is taken as a property that is not there, as GeoJSON writers use it.
 * Of a unit only the form is checked (UCUM's characters), not that each of its atoms is known.
 */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { linkOf, type Collection, type Feature, type Server } from '../server.js'
import { Skip, type Check, type ConformanceClass, type ConformanceTest } from '../suite.js'

/** The same classes are declared by either name. */
const uris = (name: string) => [`http://www.opengis.net/spec/ogcapi-features-5/1.0/conf/${name}`, `http://www.opengis.net/spec/ogcapi-common-3/1.0/conf/${name}`]
const DIALECT = 'https://json-schema.org/draft/2020-12/schema'
const SCHEMA_TYPE = 'application/schema+json'
/** Collections whose schemas are read, of each kind. */
const MOST = 12

type Property = Readonly<Record<string, any>>
interface Schema { readonly collection: Collection; readonly uri: string; readonly type: string; readonly document: Property; readonly properties: Readonly<Record<string, Property>> }
type Kind = 'schema' | 'queryables' | 'sortables'

/** What a server says of its collections, read once. */
class Schemas {
  readonly #read = new Map<Kind, Promise<readonly Schema[]>>()

  of(server: Server, kind: Kind): Promise<readonly Schema[]> {
    let read = this.#read.get(kind)
    if (!read) this.#read.set(kind, read = readAll(server, kind))
    return read
  }
}

async function readAll(server: Server, kind: Kind): Promise<readonly Schema[]> {
  const schemas: Schema[] = []
  for (const collection of server.featureCollections().slice(0, MOST)) {
    const link = linkOf(collection, kind)
    if (!link) continue
    const { status, type, body } = await server.request(link.href, { headers: { accept: SCHEMA_TYPE } })
    if (status === 200 && typeof body === 'object' && body !== null) schemas.push({ collection, uri: server.absolute(link.href), type, document: body, properties: body.properties ?? {} })
  }
  return schemas
}

/** A test of each schema that the server has. */
function onSchemas(schemas: Schemas, id: string, purpose: string, run: (schema: Schema, check: Check, server: Server) => void | Promise<void>, kinds: readonly Kind[] = ['schema', 'queryables']): ConformanceTest {
  return {
    id, purpose,
    run: async (server, check) => {
      for (const kind of kinds) for (const schema of await schemas.of(server, kind)) await run(schema, check, server)
    },
  }
}

const isSpatial = ({ type, $ref, format }: Property) => type === undefined && $ref === undefined && /^geometry-/.test(format ?? '')
const withKeyword = ({ properties }: Schema, keyword: string) => Object.entries(properties).filter(([, property]) => keyword in property)
const withRole = ({ properties }: Schema, ...roles: string[]) => Object.entries(properties).filter(([, property]) => roles.includes(property['x-ogc-role']))

const schemaTests = (schemas: Schemas): readonly ConformanceTest[] => [
  onSchemas(schemas, '/conf/schemas/basic-schema-inspection', 'Each schema is a JSON Schema of an object, at its own address', async ({ document, properties, collection }, check, server) => {
    const { $schema, $id, type } = document
    const isDialect = check.equal($schema, DIALECT, `${collection.id}: $schema`)
    check.equal(type, 'object', `${collection.id}: type`)
    if (check.that(/^https?:\/\/[^?]+$/.test(String($id)), `${collection.id}: $id ${JSON.stringify($id)} is not an address without a query`)) {
      const found = await server.request($id, { headers: { accept: SCHEMA_TYPE } })
      check.that(found.status === 200 && found.type === SCHEMA_TYPE, `${$id} answered ${found.status} as ${found.type}, not 200 as ${SCHEMA_TYPE}`)
    }
    const ajv = new Ajv2020({ strict: false, validateFormats: false })
    // Another dialect has been told already; its own rules are not looked at.
    if (isDialect) check.that(ajv.validateSchema(document) === true, `${collection.id}: no valid JSON Schema: ${ajv.errorsText(ajv.errors)}`)
    for (const [name, property] of Object.entries(properties)) {
      check.that(typeof property === 'object' && (property.type !== undefined || isSpatial(property)), `${collection.id}, ${name}: neither a type, nor a geometry format without type and $ref`)
      for (const keyword of Object.keys(property)) check.that(keyword.startsWith('x-') || KEYWORDS.has(keyword), `${collection.id}, ${name}: “${keyword}” is neither a keyword of JSON Schema nor begins with x-`)
    }
  }),
  onSchemas(schemas, '/conf/schemas/role', 'Roles are texts', (schema, check) => {
    for (const [name, property] of withKeyword(schema, 'x-ogc-role')) check.that(typeof property['x-ogc-role'] === 'string', `${schema.collection.id}, ${name}: its role is no text`)
  }),
  onSchemas(schemas, '/conf/schemas/role-id', 'One property is the id', (schema, check) => {
    const ids = withRole(schema, 'id')
    check.equal(ids.length, 1, `${schema.collection.id}: properties with the role id`)
    for (const [name, { type }] of ids) check.that(type === 'string' || type === 'integer', `${schema.collection.id}, ${name}: an id is a string or an integer, not ${type}`)
  }, ['schema']),
  onSchemas(schemas, '/conf/schemas/property-seq', 'The order of properties is told in integers', (schema, check) => {
    for (const [name, property] of withKeyword(schema, 'x-ogc-propertySeq')) check.that(Number.isInteger(property['x-ogc-propertySeq']), `${schema.collection.id}, ${name}: x-ogc-propertySeq is no integer`)
  }),
  onSchemas(schemas, '/conf/schemas/unit', 'Units are those of numbers, in UCUM unless another language is named', (schema, check) => {
    for (const [name, { 'x-ogc-unit': unit, 'x-ogc-unitLang': lang = 'UCUM', type }] of withKeyword(schema, 'x-ogc-unit')) {
      check.that(typeof unit === 'string' && typeof lang === 'string', `${schema.collection.id}, ${name}: the unit is no text`)
      check.that(type === 'number' || type === 'integer', `${schema.collection.id}, ${name}: a unit on a ${type}`)
      if (lang === 'UCUM') check.that(looksLikeUcum(unit), `${schema.collection.id}, ${name}: “${unit}” is no unit of UCUM (case sensitive)`)
    }
  }),
  onSchemas(schemas, '/conf/schemas/definition', 'Definitions are addresses', (schema, check) => {
    for (const [name, property] of withKeyword(schema, 'x-ogc-definition')) check.that(/^[a-z][a-z0-9+.-]*:\S+$/i.test(String(property['x-ogc-definition'])), `${schema.collection.id}, ${name}: x-ogc-definition is no URI`)
  }),
  onSchemas(schemas, '/conf/schemas/nullvalues', 'Null values are of the property’s type', (schema, check) => {
    for (const [name, { type, 'x-ogc-nullValues': values }] of withKeyword(schema, 'x-ogc-nullValues')) check.that(Array.isArray(values) && values.every(value => typeof value === (type === 'string' ? 'string' : 'number')), `${schema.collection.id}, ${name}: x-ogc-nullValues is no list of its type`)
  }),
]

const roleTests = (schemas: Schemas): readonly ConformanceTest[] => [
  onSchemas(schemas, '/conf/advanced-property-roles/role-primary-geometry', 'At most one primary geometry', (schema, check) => {
    const primary = withRole(schema, 'primary-geometry')
    const spatial = Object.values(schema.properties).filter(isSpatial)
    check.that(primary.length === 1 || (primary.length === 0 && spatial.length <= 1), `${schema.collection.id}: ${primary.length} primary geometries among ${spatial.length} spatial properties`)
    for (const [name, property] of primary) check.that(isSpatial(property), `${schema.collection.id}, ${name}: the primary geometry is not spatial`)
  }),
  onSchemas(schemas, '/conf/advanced-property-roles/role-primary-temporal', 'The primary instant or interval', (schema, check) => {
    const instants = withRole(schema, 'primary-instant'), intervals = withRole(schema, 'primary-interval'), starts = withRole(schema, 'primary-interval-start'), ends = withRole(schema, 'primary-interval-end')
    check.that([instants, intervals, starts, ends].every(found => found.length <= 1), `${schema.collection.id}: a temporal role stands twice`)
    check.that(instants.length + intervals.length + Math.max(starts.length, ends.length) <= 1, `${schema.collection.id}: more than one primary time`)
    for (const [name, { type, format }] of [...instants, ...starts, ...ends]) check.that(type === 'string' && (format === 'date' || format === 'date-time'), `${schema.collection.id}, ${name}: a primary time is a date or date-time`)
    for (const [name, { type, format }] of intervals) check.that((type === 'string' && format === 'interval-iso8601') || (type === 'array' && format === 'interval-array'), `${schema.collection.id}, ${name}: a primary interval has an interval format`)
  }),
  onSchemas(schemas, '/conf/advanced-property-roles/role-type', 'At most one type, a text', (schema, check) => {
    const types = withRole(schema, 'type')
    check.that(types.length <= 1, `${schema.collection.id}: ${types.length} properties with the role type`)
    for (const [name, { type }] of types) check.equal(type, 'string', `${schema.collection.id}, ${name}: type`)
  }),
]

const referenceTests = (schemas: Schemas): readonly ConformanceTest[] => [
  onSchemas(schemas, '/conf/references/role-reference', 'References lead to a collection or follow a template', async (schema, check, server) => {
    for (const [name, { type, 'x-ogc-uriTemplate': template, 'x-ogc-collectionId': collection }] of withRole(schema, 'reference')) {
      const said = `${schema.collection.id}, ${name}`
      check.that(type === 'string' || type === 'integer', `${said}: a reference is a string or an integer, not ${type}`)
      check.that(template !== undefined || collection !== undefined, `${said}: neither x-ogc-uriTemplate nor x-ogc-collectionId`)
      if (template !== undefined) check.that(/\{resourceId\}/.test(String(template)), `${said}: the template ${template} has no {resourceId}`)
      if (collection === undefined) continue
      const { status, body } = await server.request(`/collections/${encodeURIComponent(collection)}/schema`, { headers: { accept: SCHEMA_TYPE } })
      const id = Object.values((body?.properties ?? {}) as Record<string, Property>).find(property => property['x-ogc-role'] === 'id')
      if (check.that(status === 200, `${said}: the collection ${collection} that it refers to has no schema`)) check.equal(type, id?.type, `${said}: its type, and that of the id of ${collection}`)
    }
  }),
]

/** The tests that queryables, sortables and returnables share. */
function resourceTests(schemas: Schemas, kind: Kind, name: string): readonly ConformanceTest[] {
  return [
    {
      id: `/conf/${name}/get-conformance`, purpose: 'The class and “schemas” are declared',
      run: async (server, check) => { for (const needed of [name, 'schemas']) check.that(uris(needed).some(uri => server.conformsTo.has(uri)), `${needed} is not declared`) },
    },
    {
      id: `/conf/${name}/link`, purpose: `Each collection of features links to its ${kind}`,
      run: async (server, check) => {
        for (const { id } of server.featureCollections().slice(0, MOST)) {
          const { status, body } = await server.request(`/collections/${encodeURIComponent(id)}`)
          if (!check.equal(status, 200, id)) continue
          const link = (body.links ?? []).find(({ rel }: { rel: string }) => rel === `http://www.opengis.net/def/rel/ogc/1.0/${kind}`)
          if (check.that(link !== undefined, `${id} has no link with the relation http://www.opengis.net/def/rel/ogc/1.0/${kind}`))
            check.that(server.absolute(link.href).split('?')[0]!.endsWith(`/collections/${id}/${kind}`), `${id}: the link leads to ${link.href}`)
        }
      },
    },
    onSchemas(schemas, `/conf/${name}/op-and-response`, `The ${kind} come as ${SCHEMA_TYPE}`, ({ collection, type, properties }, check) => {
      check.equal(type, SCHEMA_TYPE, `${collection.id}: Content-Type`)
      if (kind === 'sortables') for (const [property, { type: its }] of Object.entries(properties)) check.that(its !== undefined && its !== 'array' && its !== 'object', `${collection.id}, ${property}: ${its} cannot be sorted by`)
    }, [kind]),
  ]
}

const returnableTests = (schemas: Schemas): readonly ConformanceTest[] => [
  ...resourceTests(schemas, 'schema', 'returnables-and-receivables'),
  onSchemas(schemas, '/conf/returnables-and-receivables/response-1', 'Features are as their schema says', async (schema, check, server) => {
    const { collection: { id: collection }, document, properties } = schema
    const { status, type, body } = await server.request(server.items(collection, { limit: '50' }), { headers: { accept: 'application/geo+json' } })
    if (!check.that(status === 200 && type === 'application/geo+json', `${collection}: items answered ${status} as ${type}`)) return
    const ajv = new Ajv2020({ strict: false, validateFormats: false })
    const validators = new Map(Object.entries(properties).map(([name, property]) => [name, ajv.compile(property)]))
    const idName = withRole(schema, 'id')[0]?.[0]
    for (const feature of (body.features ?? []) as Feature[]) {
      if (idName) valid(validators.get(idName)!, feature.id, `${collection}, ${feature.id}: its id`, check)
      const geometry = (withRole(schema, 'primary-geometry')[0]?.[1] ?? Object.values(properties).find(isSpatial))?.format
      if (geometry && feature.geometry) check.that(fits(feature.geometry.type, geometry), `${collection}, ${feature.id}: a ${feature.geometry.type} where the schema says ${geometry}`)
      for (const [name, value] of Object.entries(feature.properties ?? {})) {
        const validate = validators.get(name)
        if (document.additionalProperties === false) check.that(validate !== undefined && properties[name]!.writeOnly !== true, `${collection}, ${feature.id}: “${name}” is not among its returnables`)
        if (validate && value !== null) valid(validate, value, `${collection}, ${feature.id}: ${name}`, check)
      }
    }
  }, ['schema']),
]

function valid(validate: ValidateFunction, value: unknown, said: string, check: Check): void {
  check.that(validate(value) === true, `${said} = ${JSON.stringify(value)?.slice(0, 80)} ${validate.errors?.[0]?.message ?? ''}`)
}

/** A format allows what it names, and a single geometry where it says multi. */
function fits(type: string, format: string): boolean {
  const wanted = format.replace('geometry-', '')
  return wanted === 'any' || wanted.split('-or-').some(one => one === type.toLowerCase() || one === `multi${type.toLowerCase()}`)
}

const profileTest: ConformanceTest = {
  id: '/conf/profile-parameter/profile-param', purpose: 'The parameter profile is defined as a list; what the definition does not allow is refused; answers say which profile they follow',
  run: async (server, check) => {
    const [collection] = server.featureCollections()
    if (!collection) throw new Skip('There is no collection of features.')
    const defined = parametersNamed(await server.apiDefinition(), 'profile')
    if (!check.that(defined.length > 0, 'the API definition has no parameter profile')) return
    for (const { schema } of defined) check.that(schema?.type === 'array' && schema.items?.type === 'string', `profile is defined as ${JSON.stringify(schema)}, not as a list of texts`)
    const allowed: string[] | undefined = defined[0]!.schema?.items?.enum
    if (allowed) {
      check.equal((await server.request(server.items(collection.id, { limit: '1', profile: 'no-such-profile-as-this' }))).status, 400, 'a profile that is not allowed')
      check.equal((await server.request(server.items(collection.id, { limit: '1', profile: allowed[0]! }))).status, 200, allowed[0]!)
    }
    const { body, headers } = await server.request(server.items(collection.id, { limit: '1' }), { headers: { accept: 'application/geo+json' } })
    const inBody = (body?.links ?? []).some(({ rel }: { rel: string }) => rel === 'profile')
    check.that(inBody || /rel="?profile\b/.test(headers.get('link') ?? ''), `${collection.id}: items have no link with the relation profile`)
  },
}

/** Parameters of a name wherever the definition has them. */
function parametersNamed(part: any, name: string): any[] {
  if (typeof part !== 'object' || part === null) return []
  if (part.name === name && part.in === 'query') return [part]
  return Object.values(part).flatMap(child => parametersNamed(child, name))
}

export function part5Classes(): readonly ConformanceClass[] {
  const schemas = new Schemas()
  const classes: readonly (readonly [name: string, title: string, tests: readonly ConformanceTest[]])[] = [
    ['schemas', 'Schemas', schemaTests(schemas)], ['advanced-property-roles', 'Advanced property roles', roleTests(schemas)], ['references', 'References', referenceTests(schemas)],
    ['returnables-and-receivables', 'Returnables and Receivables', returnableTests(schemas)], ['queryables', 'Queryables', resourceTests(schemas, 'queryables', 'queryables')],
    ['sortables', 'Sortables', resourceTests(schemas, 'sortables', 'sortables')], ['profile-parameter', 'Profile query parameter', [profileTest]],
  ]
  return classes.map(([name, title, tests]) => ({ title: `Features Part 5 ${title}`, uris: uris(name), tests }))
}

/** Printable ASCII without spaces, brackets that match, and no sign where a unit should be. */
function looksLikeUcum(unit: unknown): boolean {
  if (typeof unit !== 'string' || !/^[!-~]+$/.test(unit) || /^[./]?$/.test(unit)) return false
  const bare = unit.replace(/\{[^{}]*\}/g, '1').replace(/\[[^[\]]+\]/g, 'x')
  if (/[{}[\]]/.test(bare) || [...bare.matchAll(/[()]/g)].reduce((depth, [c]) => depth < 0 ? depth : depth + (c === '(' ? 1 : -1), 0) !== 0) return false
  return /^\/?[(]*[A-Za-z%0-9*'_"][A-Za-z0-9%*'_"^+\-./()]*$/.test(bare) && !/[./]$|[./]{2}|\*\*|\^\^/.test(bare)
}

const KEYWORDS: ReadonlySet<string> = new Set(`$schema $id $ref $anchor $dynamicRef $dynamicAnchor $vocabulary $comment $defs definitions type enum const multipleOf maximum exclusiveMaximum minimum exclusiveMinimum maxLength minLength pattern
  maxItems minItems uniqueItems maxContains minContains maxProperties minProperties required dependentRequired prefixItems items contains additionalProperties properties patternProperties dependentSchemas propertyNames if then else
  allOf anyOf oneOf not unevaluatedItems unevaluatedProperties title description default deprecated readOnly writeOnly examples format contentEncoding contentMediaType contentSchema`.split(/\s+/))
