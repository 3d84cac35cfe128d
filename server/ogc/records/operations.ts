/** OGC API Records: the catalogue as a collection whose items are records, and what is said of each layer. */
import { Type } from '@sinclair/typebox'
import type { Operation, Parameter } from '../../operations/operation.js'
import { BBOX, BBOX_CRS, COLLECTION_ID, CRS, CURSOR, FILTER, FILTER_CRS, FILTER_LANG, formats, LANG, LIMIT } from '../common/parameters.js'
import { answer, FEATURE, FEATURE_COLLECTION, JSON_SCHEMA, COLLECTION } from '../common/schemas.js'
import { RECORDS_SPEC } from './geojson.js'
import { getCatalogue, getRecord, getRecords, getRecordSchema } from './handlers.js'
import { getMetadata, METADATA, METADATA_PATCH, patchMetadata } from './metadata.js'
import { CATALOGUE, RECORD_TYPES } from './record.js'

const query = (name: string, description: string, schema: Parameter['schema']): Parameter => ({ name, in: 'query', description, schema })
const list = (items: Parameter['schema']) => Type.Array(items, { minItems: 1, maxItems: 100 })

const F = formats('json', 'html', 'dcat', 'schemaorg')
const F_SCHEMA = formats('json', 'html')
const RECORD_ID: Parameter = { name: 'recordId', in: 'path', required: true, description: 'Id of a record: a collection’s id, `elevation`, `scenario-…` or `run-…`.', schema: Type.String({ maxLength: 80 }) }
const Q = query('q', 'Words, in any case and with or without accents. Commas: any of these; spaces: these together.', list(Type.String({ maxLength: 200 })))
const TYPE = query('type', 'Only records of these types.', list(Type.Union(RECORD_TYPES.map(type => Type.Literal(type)))))
const IDS = query('ids', 'Only records with these ids.', list(Type.String({ maxLength: 80 })))
const EXTERNAL_IDS = query('externalIds', 'Only records with these identifiers from elsewhere: `scheme:value`, `value` or `scheme:`.', list(Type.String({ maxLength: 120 })))
const SORTBY = query('sortby', 'Order of the records: properties, with a minus before those that descend.', list(Type.String({ maxLength: 60, examples: ['-updated'] })))
const DATETIME = query('datetime', 'Only records about this RFC 3339 instant, or some time of the interval `start/end`.', Type.String({ maxLength: 80 }))

const base = `/ogc/collections/${CATALOGUE}`
const common = { method: 'get', tags: ['Catalogue'] } as const
const classes = (...names: string[]) => names.map(name => `${RECORDS_SPEC}/${name}`)
const LD = { 'application/ld+json': {} }
const PAGE = { 'text/html': {} }

export const recordOperations: readonly Operation[] = [
  {
    ...common, id: 'getCatalogue', path: base, summary: 'The data catalogue; as DCAT-AP or schema.org with all its records.', parameters: [F, LANG], handler: getCatalogue,
    responses: { 200: { description: 'The catalogue.', content: { 'application/ogc-catalog+json': COLLECTION, ...PAGE, ...LD } } },
    conformsTo: classes('searchable-catalog', 'searchable-catalog-filtering', 'searchable-catalog-sorting', 'record-core', 'record-collection', 'record-core-query-parameters', 'records-api', 'record-api', 'sorting', 'filtering', 'json', 'html', 'oas30', 'autodiscovery'),
  },
  {
    ...common, id: 'getRecords', path: `${base}/items`, summary: 'Search the catalogue. Every queryable is a query parameter too.', extraQuery: true, handler: getRecords,
    parameters: [Q, TYPE, IDS, EXTERNAL_IDS, BBOX, BBOX_CRS, DATETIME, FILTER, FILTER_LANG, FILTER_CRS, SORTBY, LIMIT, CURSOR, CRS, F, LANG],
    responses: { 200: { description: 'Records.', content: { 'application/geo+json': FEATURE_COLLECTION, ...PAGE, ...LD } } },
  },
  {
    ...common, id: 'getRecord', path: `${base}/items/{recordId}`, summary: 'One record.', parameters: [RECORD_ID, CRS, F, LANG], handler: getRecord,
    responses: { 200: { description: 'The record.', content: { 'application/geo+json': FEATURE, ...PAGE, ...LD } } },
  },
  ...(['queryables', 'sortables', 'schema'] as const).map((kind): Operation => ({
    ...common, id: `getCatalogue.${kind}`, path: `${base}/${kind}`, summary: { queryables: 'What filters of records may name.', sortables: 'What records can be sorted by.', schema: 'JSON Schema of a record’s properties.' }[kind],
    parameters: [F_SCHEMA, LANG], handler: getRecordSchema(kind), responses: { 200: { description: 'A JSON Schema.', content: { 'application/schema+json': JSON_SCHEMA, ...PAGE } } },
  })),
  {
    ...common, id: 'getMetadata', path: '/ogc/collections/{collectionId}/metadata', summary: 'What is said of a layer, in both languages: title, owner, licence, contact …', parameters: [COLLECTION_ID], handler: getMetadata,
    responses: { 200: answer('The metadata.', 'application/json', METADATA) },
  },
  {
    ...common, id: 'patchMetadata', method: 'patch', path: '/ogc/collections/{collectionId}/metadata', summary: 'Say otherwise: a merge patch of title, description, licence, attribution, owner, contact, updateFrequency, keywords, lineage.', roles: ['steward'],
    parameters: [COLLECTION_ID], body: { contentType: 'application/merge-patch+json', schema: METADATA_PATCH }, handler: patchMetadata,
    responses: { 200: answer('The metadata as it stands now.', 'application/json', METADATA) },
  },
]
