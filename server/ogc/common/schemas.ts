/**
 * Schemas of what answers hold. A named one stands once in the OpenAPI document, under `components`, and is referred to
 * by all who hold it; whatever else an operation's `responses` carry stands in place.
 */
import { Type, type TSchema } from '@sinclair/typebox'
import type { Answer } from '../../operations/operation.js'

const NAMES = new WeakMap<object, string>()
const taken = new Set<string>()

/** Gives a schema its name in the document. Names are unique: the second taker of one is refused at once. */
export function named<T extends TSchema>(name: string, schema: T): T {
  if (taken.has(name)) throw new Error(`Two schemas are called ${name}.`)
  taken.add(name)
  return namedAnew(name, schema)
}

/** The same for a schema that is made for one document. */
export function namedAnew<T extends TSchema>(name: string, schema: T): T {
  NAMES.set(schema, name)
  return schema
}

/** The name of a schema that has one. */
export const nameOf = (schema: object): string | undefined => NAMES.get(schema)

const text = (description?: string) => Type.String({ ...(description && { description }) })
const uri = (description?: string) => Type.String({ format: 'uri', ...(description && { description }) })
const optional = Type.Optional
const either = <T extends string>(...values: readonly T[]) => Type.Union(values.map((value) => Type.Literal(value)))

export const LINK = named('Link', Type.Object({
  href: text('Absolute, or a URI template where `templated` is true.'),
  rel: text('The relation: a registered name or a URI.'),
  type: optional(text('Media type of what is there.')),
  title: optional(text()), hreflang: optional(text()), length: optional(Type.Integer()), templated: optional(Type.Boolean()),
}))
export const LINKS = Type.Array(LINK)

export const PROBLEM = named('Problem', Type.Object({
  type: text('A URI whose page tells what this kind of problem is and what to do about it.'),
  title: text(), status: Type.Integer({ minimum: 400, maximum: 599 }),
  detail: text('What was wanted, what came, what to do.'),
  instance: optional(text('The request id.')), parameter: optional(text('The parameter at fault.')), pointer: optional(text('JSON pointer to the member at fault.')),
}))

export const LANDING_PAGE = named('LandingPage', Type.Object({ title: optional(text()), description: optional(text()), attribution: optional(text()), links: LINKS }))
export const CONFORMANCE = named('ConfClasses', Type.Object({ links: optional(LINKS), conformsTo: Type.Array(uri()) }))

const EXTENT = named('Extent', Type.Object({
  spatial: optional(Type.Object({ bbox: Type.Array(Type.Array(Type.Number(), { minItems: 4, maxItems: 6 }), { minItems: 1 }), crs: optional(uri()) })),
  temporal: optional(Type.Object({ interval: Type.Array(Type.Array(Type.Union([text(), Type.Null()]), { minItems: 2, maxItems: 2 }), { minItems: 1 }), trs: optional(uri()) })),
}))
export const COLLECTION = named('Collection', Type.Object({
  id: text(), title: optional(text()), description: optional(text()), itemType: optional(text()), extent: optional(EXTENT),
  crs: optional(Type.Array(uri())), storageCrs: optional(uri()), license: optional(text()), attribution: optional(text()),
  updated: optional(text('RFC 3339.')), links: LINKS,
}))
export const COLLECTIONS = named('Collections', Type.Object({ links: LINKS, crs: optional(Type.Array(uri())), collections: Type.Array(COLLECTION) }))

export const GEOMETRY = named('GeometryGeoJSON', Type.Object({
  type: either('Point', 'MultiPoint', 'LineString', 'MultiLineString', 'Polygon', 'MultiPolygon', 'GeometryCollection'),
  coordinates: optional(Type.Array(Type.Unknown())),
  geometries: optional(Type.Array(Type.Unknown())),
}))
export const FEATURE = named('FeatureGeoJSON', Type.Object({
  type: Type.Literal('Feature'), id: optional(Type.Union([Type.Integer(), text()])),
  geometry: Type.Union([GEOMETRY, Type.Null()]), properties: Type.Union([Type.Object({}, { additionalProperties: true }), Type.Null()]), links: optional(LINKS),
}))
export const FEATURE_COLLECTION = named('FeatureCollectionGeoJSON', Type.Object({
  type: Type.Literal('FeatureCollection'), timeStamp: optional(text('RFC 3339.')),
  numberMatched: optional(Type.Integer({ minimum: 0 })), numberReturned: optional(Type.Integer({ minimum: 0 })),
  features: Type.Array(FEATURE), links: optional(LINKS),
}))

export const JSON_SCHEMA = named('JsonSchema', Type.Object({ type: text(), title: optional(text()), description: optional(text()), properties: Type.Object({}, { additionalProperties: true }) }))

export const STATUS_INFO = named('StatusInfo', Type.Object({
  jobID: text(), processID: optional(text()), type: Type.Literal('process'),
  status: either('accepted', 'running', 'successful', 'failed', 'dismissed'),
  message: optional(text()), progress: optional(Type.Integer({ minimum: 0, maximum: 100 })),
  created: optional(text('RFC 3339.')), started: optional(text('RFC 3339.')), finished: optional(text('RFC 3339.')), updated: optional(text('RFC 3339.')), links: optional(LINKS),
}))
export const JOB_LIST = named('JobList', Type.Object({ jobs: Type.Array(STATUS_INFO), links: LINKS }))

export const TEXT = Type.String()
export const INSTANT = Type.String({ description: 'RFC 3339.' })
export const INTEGER = Type.Integer()
export const COUNT = Type.Integer({ minimum: 0 })
export const NUMBER = Type.Number()
export const BOOLEAN = Type.Boolean()
/** An object whose members depend on the data. */
export const FREE = Type.Object({}, { additionalProperties: true })
export const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])
export const TITLES = Type.Object({ vi: TEXT, en: TEXT })
export const BOX = Type.Array(Type.Number(), { minItems: 4, maxItems: 4, description: 'West, south, east, north, degrees.' })

/** A file within a form. */
export const FILE = Type.String({ format: 'binary' })

/** An answer with one representation. */
export const answer = (description: string, type: string, schema: TSchema | Readonly<Record<string, unknown>> = {}): Answer => ({ description, content: { [type]: schema } })
/** An answer as JSON. */
export const json = (description: string, schema: TSchema | Readonly<Record<string, unknown>>): Answer => answer(description, 'application/json', schema)
/** An answer as JSON (of some dialect) and as a page. */
export const jsonOrPage = (description: string, schema: TSchema | Readonly<Record<string, unknown>>, type = 'application/json'): Answer =>
  ({ description, content: { [type]: schema, 'text/html': Type.String() } })
/** A problem that deserves a word of its own. */
export const problem = (description: string): Answer => ({ description, content: { 'application/problem+json': PROBLEM, 'application/json': PROBLEM } })
/** The job that was made, with its address in `Location`. */
export const JOB_MADE: Answer = { ...json('The job; its address is in Location.', STATUS_INFO), headers: { Location: { description: 'Address of the job.', schema: uri() } } }
