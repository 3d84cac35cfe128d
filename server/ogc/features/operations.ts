import type { Operation } from '../../operations/operation.js'
import { AS_OF, BBOX, BBOX_CRS, COLLECTION_ID, CRS, CURSOR, DATETIME, F, FEATURE_ID, FILTER, FILTER_CRS, FILTER_LANG, LANG, LIMIT, PROPERTIES, RUN } from '../common/parameters.js'
import { getFunctions } from './functions.js'
import { getCollection, getCollections, getSchema } from './collections.js'
import { getItem, getItems } from './items.js'

const common = { method: 'get', branched: true } as const

export const featureOperations: readonly Operation[] = [
  { ...common, id: 'getCollections', path: '/ogc/collections', tags: ['Collections'], summary: 'The layers of the city.', parameters: [F, LANG], handler: getCollections },
  { ...common, id: 'describeCollection', path: '/ogc/collections/{collectionId}', tags: ['Collections'], summary: 'One layer: extent, CRSs, links.', parameters: [COLLECTION_ID, F, LANG], handler: getCollection },
  { ...common, id: 'getSchema', path: '/ogc/collections/{collectionId}/schema', tags: ['Collections'], summary: 'JSON Schema of the features.', parameters: [COLLECTION_ID, F, LANG], handler: getSchema('schema') },
  { ...common, id: 'getGeoJsonSchema', path: '/ogc/collections/{collectionId}/schema/geojson', tags: ['Collections'], summary: 'JSON Schema of the features as GeoJSON.', parameters: [COLLECTION_ID, F, LANG], handler: getSchema('geojson') },
  { ...common, id: 'getQueryables', path: '/ogc/collections/{collectionId}/queryables', tags: ['Collections'], summary: 'What filter and query parameters may name.', parameters: [COLLECTION_ID, F, LANG], handler: getSchema('queryables') },
  { ...common, id: 'getFunctions', path: '/ogc/functions', tags: ['Collections'], summary: 'Functions that filters may use.', parameters: [F, LANG], handler: getFunctions },
  {
    ...common, id: 'getFeatures', path: '/ogc/collections/{collectionId}/items', tags: ['Features'], extraQuery: true,
    summary: 'Features, page by page. Every queryable is a query parameter too.',
    parameters: [COLLECTION_ID, LIMIT, BBOX, BBOX_CRS, CRS, DATETIME, AS_OF, RUN, FILTER, FILTER_LANG, FILTER_CRS, PROPERTIES, CURSOR, F, LANG],
    handler: getItems,
  },
  {
    ...common, id: 'getFeature', path: '/ogc/collections/{collectionId}/items/{featureId}', tags: ['Features'], summary: 'One feature.',
    parameters: [COLLECTION_ID, FEATURE_ID, CRS, AS_OF, RUN, PROPERTIES, F, LANG], handler: getItem,
  },
]
