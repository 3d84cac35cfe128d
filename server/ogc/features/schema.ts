import type { Column, Layer } from '../../../layers/layer.js'
import type { Call } from '../../operations/operation.js'
import type { Language } from '../common/media.js'
import { propertiesOf, storeProperties } from './layers.js'

/** JSON Schema of a collection's features (OGC API Features Part 5). */
export function featureSchema(call: Call, layer: Layer, lang: Language): unknown {
  return schema(call, layer, lang, 'schema', propertiesOf(layer, call.reader))
}

/** JSON Schema of what `filter` and query parameters may name (Part 3). */
export function queryablesSchema(call: Call, layer: Layer, lang: Language): unknown {
  return schema(call, layer, lang, 'queryables', propertiesOf(layer, call.reader))
}

/**
 * JSON Schema of a GeoJSON feature as it is served. GDAL takes its field types from it; without, it would guess them from
 * the first page, and a column that is empty there would become text. It holds integers in 32 bits, so that columns
 * without a bound are told as numbers, which are exact to 2^53.
 */
export function geoJsonSchema(call: Call, layer: Layer, lang: Language): unknown {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: `${call.base}/ogc/collections/${layer.id}/schema/geojson`,
    type: 'object', title: layer.title[lang],
    properties: {
      type: { type: 'string', enum: ['Feature'] },
      id: { type: 'integer' },
      geometry: { type: 'object', format: GEOMETRY_FORMATS[layer.geometry] },
      properties: { type: 'object', properties: Object.fromEntries(propertiesOf(layer, call.reader).map((column) => [column.name, geoJsonType(column)])) },
    },
  }
}

const INT32_MAX = 2 ** 31 - 1

function geoJsonType({ type, min, max, title, unit, name }: Column): object {
  const isSmall = name === 'revision' || (max !== undefined && max <= INT32_MAX && (min ?? 0) >= -INT32_MAX)
  return { ...TYPES[type === 'integer' && !isSmall ? 'number' : type], title: title.en, nullable: true, 'x-ogc-unit': unit }
}

function schema(call: Call, layer: Layer, lang: Language, path: 'schema' | 'queryables', columns: readonly Column[]): unknown {
  const own = new Set(['revision', 'valid_from'])
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: `${call.base}/ogc/collections/${layer.id}/${path}`,
    type: 'object', title: layer.title[lang], description: layer.description[lang],
    properties: {
      id: { type: 'integer', title: 'id', readOnly: true, 'x-ogc-role': 'id', 'x-ogc-propertySeq': 1 },
      geometry: { title: lang === 'vi' ? 'Hình học' : 'Geometry', format: GEOMETRY_FORMATS[layer.geometry], 'x-ogc-role': 'primary-geometry', 'x-ogc-propertySeq': 2 },
      ...Object.fromEntries(columns.map((column, i) => [column.name, { ...columnSchema(column, lang), ...(own.has(column.name) ? { readOnly: true } : {}), 'x-ogc-propertySeq': i + 3 }])),
    },
    required: path === 'schema' ? layer.columns.filter((column) => column.required && columns.includes(column)).map(({ name }) => name) : undefined,
    additionalProperties: false,
  }
}

const GEOMETRY_FORMATS: Readonly<Record<Layer['geometry'], string>> = {
  point: 'geometry-point', line: 'geometry-multilinestring', polygon: 'geometry-multipolygon', any: 'geometry-any',
}

const TYPES: Readonly<Record<Column['type'], object>> = {
  text: { type: 'string' }, integer: { type: 'integer' }, number: { type: 'number' }, boolean: { type: 'boolean' },
  date: { type: 'string', format: 'date' }, timestamp: { type: 'string', format: 'date-time' }, json: { type: 'object' },
}

function columnSchema(column: Column, lang: Language): object {
  return {
    ...TYPES[column.type], title: column.title[lang], description: column.description?.[lang],
    minimum: column.min, maximum: column.max, maxLength: column.maxLength, pattern: column.pattern,
    'x-ogc-unit': column.unit,
    // Codes are data: others may come, so they are told but not enforced.
    'x-codes': column.codes && Object.fromEntries(Object.entries(column.codes).map(([code, title]) => [code, title[lang]])),
  }
}
