/** The parameters that several OGC operations share, described once. */
import { Type } from '@sinclair/typebox'
import type { Parameter } from '../../operations/operation.js'

const query = (name: string, description: string, schema: Parameter['schema']): Parameter => ({ name, in: 'query', description, schema })

export const formats = (...names: string[]) =>
  query('f', 'Format, instead of the Accept header.', Type.Union(names.map((name) => Type.Literal(name))))
export const F = formats('json', 'html')
export const LANG = query('lang', 'Language of titles, instead of the Accept-Language header.', Type.Union([Type.Literal('vi'), Type.Literal('en')]))

export const COLLECTION_ID: Parameter = { name: 'collectionId', in: 'path', required: true, description: 'Id of a collection.', schema: Type.String({ maxLength: 60 }) }
export const FEATURE_ID: Parameter = { name: 'featureId', in: 'path', required: true, description: 'Id of a feature: an integer, stable for ever.', schema: Type.String({ maxLength: 60 }) }

export const MAX_LIMIT = 10_000
export const LIMIT = query('limit', 'How many features a page holds at most. Without it a format that is a file (FlatGeobuf, GeoPackage, CSV …) holds all that match.', Type.Integer({ minimum: 1, maximum: MAX_LIMIT, default: 100 }))
export const CURSOR = query('cursor', 'Where the page starts: copied from a “next” or “prev” link.', Type.String({ maxLength: 4000 }))
export const BBOX = query('bbox', 'Only features that meet this box: west, south, east, north (six numbers: heights are ignored); axis order as in bbox-crs.',
  Type.Array(Type.Number(), { minItems: 4, maxItems: 6 }))
export const BBOX_CRS = query('bbox-crs', 'CRS of bbox, by URI; default CRS84.', Type.String({ maxLength: 200 }))
export const CRS = query('crs', 'CRS of the answer, by URI; default CRS84.', Type.String({ maxLength: 200 }))
export const DATETIME = query('datetime', 'Only features current at this RFC 3339 instant, or at some time in the interval `start/end` (`..` is open).', Type.String({ maxLength: 80 }))
export const AS_OF = query('asOf', 'The city as the store knew it at this RFC 3339 instant or revision.', Type.String({ maxLength: 40 }))
export const RUN = query('run', 'Id of a flood run, for collections of results; default the latest successful one.', Type.String({ maxLength: 60 }))
export const FILTER: Parameter = { ...query('filter', 'CQL2 filter.', Type.String({ maxLength: 50_000 })), allowsEmpty: true }
export const FILTER_LANG = query('filter-lang', 'Encoding of filter: cql2-text (default) or cql2-json.', Type.Union([Type.Literal('cql2-text'), Type.Literal('cql2-json')]))
export const FILTER_CRS = query('filter-crs', 'CRS of coordinates in filter, by URI; default CRS84.', Type.String({ maxLength: 200 }))
export const PROPERTIES = query('properties', 'Only these properties, comma-separated.', Type.Array(Type.String(), { maxItems: 200 }))
export const EXCLUDE_PROPERTIES = query('exclude-properties', 'All properties but these, comma-separated.', Type.Array(Type.String(), { maxItems: 200 }))
export const SKIP_GEOMETRY = query('skipGeometry', 'Attributes alone: every geometry is null.', Type.Boolean({ default: false }))
export const SORTBY = query('sortby', 'Order of the features: sortables, comma-separated, each after - for the greatest first. Features without a value come last.',
  Type.Array(Type.String({ pattern: '^[+ -]?[A-Za-z_][A-Za-z0-9_]*$', maxLength: 60 }), { minItems: 1, maxItems: 8 }))
export const Q: Parameter = { ...query('q', 'Only features with these words in their texts, whatever the case and the diacritics: words with a space between stand together, commas part alternatives.',
  Type.Array(Type.String({ minLength: 1, maxLength: 100 }), { minItems: 1, maxItems: 10 })), allowsEmpty: true }
export const PROFILE = query('profile', 'Ways to write the answer, by name or URI, comma-separated; those that do not apply are passed over.', Type.Array(Type.String({ maxLength: 200 }), { maxItems: 8 }))
