import { Type, type TSchema } from '@sinclair/typebox'
import type { Answer, Operation, Parameter } from '../../operations/operation.js'
import { AS_OF, BBOX, BBOX_CRS, COLLECTION_ID, CRS, CURSOR, DATETIME, EXCLUDE_PROPERTIES, F, FEATURE_ID, FILTER, FILTER_CRS, FILTER_LANG, formats, LANG, LIMIT, PROFILE, PROPERTIES, Q, RUN, SKIP_GEOMETRY, SORTBY } from '../common/parameters.js'
import { COLLECTION, COLLECTIONS, COUNT, FEATURE, FEATURE_COLLECTION, JSON_SCHEMA, jsonOrPage, LINKS, named, TEXT } from '../common/schemas.js'
import { ITEM_FORMATS } from './formats.js'
import { getFunctions } from './functions.js'
import { getCollection, getCollections, getSchema } from './collections.js'
import { getItem, getItems } from './items.js'

const common = { method: 'get', branched: true } as const
const SPEC = 'http://www.opengis.net/spec'
const classes = (spec: string, ...names: string[]) => names.map((name) => `${SPEC}/${spec}/conf/${name}`)

const ITEM_F = formats(...ITEM_FORMATS.map(({ media }) => media.f))

const SCHEMA_TYPE: Parameter = {
  name: 'type', in: 'query', description: 'The schema of what can be sent, instead of both in one: to add a feature, to replace one, or to change one.',
  schema: Type.Union([Type.Literal('create'), Type.Literal('replace'), Type.Literal('update')]),
}

const SCHEMA = { 200: jsonOrPage('The schema.', JSON_SCHEMA, 'application/schema+json') }
const FUNCTIONS = named('Functions', Type.Object({
  functions: Type.Array(Type.Object({ name: TEXT, description: TEXT, args: Type.Array(Type.Object({}, { additionalProperties: true })), returns: Type.Array(TEXT) })), links: LINKS,
}))

/** Features in every format; of those that are JSON the schema is told. */
function inFormats(description: string, schema: TSchema, more: Answer['headers'] = {}): Answer {
  return {
    description,
    content: Object.fromEntries(ITEM_FORMATS.map(({ media: { type } }) => [type, type === 'application/geo+json' ? schema : {}])),
    headers: {
      'Content-Crs': { description: 'CRS of the coordinates.', schema: TEXT }, ETag: { description: 'Validator of this answer.', schema: TEXT },
      Link: { description: 'The links, for formats that hold none.', schema: TEXT }, ...more,
    },
  }
}
const MATCHED = { 'OGC-NumberMatched': { description: 'How many features match, where it is worth counting.', schema: COUNT } }
const PAGE = { 200: inFormats('The features.', FEATURE_COLLECTION, MATCHED) }
const ONE = { 200: inFormats('The feature.', FEATURE) }

export const featureOperations: readonly Operation[] = [
  { ...common, id: 'getCollections', path: '/ogc/collections', tags: ['Collections'], summary: 'The layers of the city.', parameters: [F, LANG], conformsTo: classes('ogcapi-common-2/1.0', 'collections'), responses: { 200: jsonOrPage('The layers.', COLLECTIONS) }, handler: getCollections },
  { ...common, id: 'describeCollection', path: '/ogc/collections/{collectionId}', tags: ['Collections'], summary: 'One layer: extent, CRSs, links.', parameters: [COLLECTION_ID, F, LANG], responses: { 200: jsonOrPage('The layer.', COLLECTION) }, handler: getCollection },
  { ...common, id: 'getSchema', path: '/ogc/collections/{collectionId}/schema', tags: ['Collections'], summary: 'JSON Schema of the features, as they are served and as they can be sent.', parameters: [COLLECTION_ID, SCHEMA_TYPE, PROFILE, F, LANG],
    // QGIS reads the schema only under the first of these twins, others only under the second.
    conformsTo: ['ogcapi-features-5/1.0', 'ogcapi-common-3/1.0'].flatMap((spec) => classes(spec, 'schemas', 'advanced-property-roles', 'returnables-and-receivables', 'references', 'profile-parameter', 'profile-references', 'profile-codelists')),
    responses: SCHEMA, handler: getSchema('schema') },
  { ...common, id: 'getGeoJsonSchema', path: '/ogc/collections/{collectionId}/schema/geojson', tags: ['Collections'], summary: 'JSON Schema of the features as GeoJSON.', parameters: [COLLECTION_ID, F, LANG], responses: SCHEMA, handler: getSchema('geojson') },
  { ...common, id: 'getQueryables', path: '/ogc/collections/{collectionId}/queryables', tags: ['Collections'], summary: 'What filter and query parameters may name.', parameters: [COLLECTION_ID, PROFILE, F, LANG],
    conformsTo: [...classes('ogcapi-features-3/1.0', 'queryables', 'queryables-query-parameters'), ...classes('ogcapi-features-5/1.0', 'queryables'), ...classes('ogcapi-common-3/1.0', 'queryables')], responses: SCHEMA, handler: getSchema('queryables') },
  { ...common, id: 'getSortables', path: '/ogc/collections/{collectionId}/sortables', tags: ['Collections'], summary: 'What sortby may name.', parameters: [COLLECTION_ID, PROFILE, F, LANG],
    conformsTo: [...classes('ogcapi-features-8/1.0', 'sortables', 'sorting', 'features-sorting'), ...classes('ogcapi-features-5/1.0', 'sortables'), ...classes('ogcapi-common-3/1.0', 'sortables')], responses: SCHEMA, handler: getSchema('sortables') },
  { ...common, id: 'getFunctions', path: '/ogc/functions', tags: ['Collections'], summary: 'Functions that filters may use.', parameters: [F, LANG], responses: { 200: jsonOrPage('The functions.', FUNCTIONS) }, handler: getFunctions },
  {
    ...common, id: 'getFeatures', path: '/ogc/collections/{collectionId}/items', tags: ['Features'], extraQuery: true,
    summary: 'Features, page by page. Every queryable is a query parameter too.',
    parameters: [COLLECTION_ID, LIMIT, BBOX, BBOX_CRS, CRS, DATETIME, AS_OF, RUN, FILTER, FILTER_LANG, FILTER_CRS, Q, SORTBY, PROPERTIES, EXCLUDE_PROPERTIES, SKIP_GEOMETRY, PROFILE, CURSOR, ITEM_F, LANG],
    conformsTo: [
      ...classes('ogcapi-features-1/1.0', 'core', 'geojson', 'html', 'oas30'), ...classes('ogcapi-features-2/1.0', 'crs'), ...classes('ogcapi-features-3/1.0', 'filter', 'features-filter'),
      ...classes('cql2/1.0', 'cql2-text', 'cql2-json', 'basic-cql2', 'advanced-comparison-operators', 'case-insensitive-comparison', 'accent-insensitive-comparison', 'basic-spatial-functions',
        'basic-spatial-functions-plus', 'spatial-functions', 'temporal-functions', 'array-functions', 'property-property', 'functions', 'arithmetic'),
      ...classes('ogcapi-features-9/1.0', 'text-search', 'features-text-search'),
      ...classes('json-fg-1/1.0', 'core', 'polyhedra', 'prisms', 'types-schemas', 'profiles', 'api'),
    ],
    responses: PAGE, handler: getItems,
  },
  {
    ...common, id: 'getFeature', path: '/ogc/collections/{collectionId}/items/{featureId}', tags: ['Features'], summary: 'One feature.',
    parameters: [COLLECTION_ID, FEATURE_ID, CRS, AS_OF, RUN, PROPERTIES, EXCLUDE_PROPERTIES, SKIP_GEOMETRY, PROFILE, ITEM_F, LANG], responses: ONE, handler: getItem,
  },
]
