import type { Column, Layer } from '../../../layers/layer.js'
import type { Call } from '../../operations/operation.js'
import type { Language } from '../common/media.js'
import { propertiesOf } from './layers.js'
import { profilesOf } from './profiles.js'

/** JSON Schema of a collection's features (OGC API Features Part 5); with `type`, of what a writer sends (Part 4). */
export function featureSchema(call: Call, layer: Layer, lang: Language): unknown {
  return call.params.type ? sentSchema(call, layer, call.params.type, lang) : schema(call, layer, lang, 'schema', propertiesOf(layer, call.reader))
}

/** JSON Schema of what `filter` and query parameters may name (Part 3). */
export function queryablesSchema(call: Call, layer: Layer, lang: Language): unknown {
  return schema(call, layer, lang, 'queryables', propertiesOf(layer, call.reader))
}

/** JSON Schema of what `sortby` may name (Part 8). */
export function sortablesSchema(call: Call, layer: Layer, lang: Language): unknown {
  return schema(call, layer, lang, 'sortables', propertiesOf(layer, call.reader).filter(({ type }) => type !== 'json'))
}

/** A GeoJSON feature as it is sent to be added or to replace another; or a merge patch, in which nothing is required and null takes away. */
function sentSchema(call: Call, layer: Layer, type: 'create' | 'replace' | 'update', lang: Language): unknown {
  const columns = propertiesOf(layer, call.reader).filter(({ name }) => !SERVER_OWN.has(name))
  const required = type === 'update' ? [] : columns.filter((column) => column.required).map(({ name }) => name)
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: `${call.base}/ogc/collections/${layer.id}/schema?type=${type}`,
    title: layer.title[lang], type: 'object',
    required: type === 'update' ? [] : ['type', 'geometry', 'properties'],
    properties: {
      type: { const: 'Feature' }, id: { type: ['integer', 'string'] },
      geometry: { oneOf: [{ type: 'null' }, { type: 'object', required: type === 'update' ? ['coordinates'] : ['type'], properties: { type: { enum: SENT_GEOMETRIES[layer.geometry] } } }] },
      properties: {
        type: ['object', 'null'], required,
        // What only the server sets may stand there, as it does in a feature that was read, and is passed over.
        properties: Object.fromEntries([...columns.map((column) => [column.name, sentColumn(column, lang, required.includes(column.name))]), ...[...SERVER_OWN].map((name) => [name, {}])]),
        additionalProperties: false,
      },
    },
  }
}

function sentColumn(column: Column, lang: Language, isRequired: boolean): object {
  const { type, ...rest } = columnSchema(column, lang) as { readonly type: string }
  return { ...rest, type: isRequired ? type : [...(column.type === 'json' ? ['object', 'array'] : [type]), 'null'] }
}

/** A collection stores one type, and takes the simpler one of its kind too. */
const SENT_GEOMETRIES: Readonly<Record<Layer['geometry'], readonly string[]>> = {
  point: ['Point', 'MultiPoint'], line: ['LineString', 'MultiLineString'], polygon: ['Polygon', 'MultiPolygon'],
  any: ['Point', 'MultiPoint', 'LineString', 'MultiLineString', 'Polygon', 'MultiPolygon', 'GeometryCollection'],
}

/** Properties that only the server sets. */
const SERVER_OWN: ReadonlySet<string> = new Set(['revision', 'valid_from'])

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

function geoJsonType({ type, list, min, max, title, unit, name }: Column): object {
  const isSmall = name === 'revision' || (max !== undefined && max <= INT32_MAX && (min ?? 0) >= -INT32_MAX)
  return { ...(list ? LIST : TYPES[type === 'integer' && !isSmall ? 'number' : type]), title: title.en, nullable: true, 'x-ogc-unit': unit }
}

function schema(call: Call, layer: Layer, lang: Language, path: 'schema' | 'queryables' | 'sortables', columns: readonly Column[]): unknown {
  const inline = profilesOf(call.params.profile).includes('codelist-inline')
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: `${call.base}/ogc/collections/${layer.id}/${path}`,
    type: 'object', title: layer.title[lang], description: layer.description[lang],
    properties: {
      id: { type: 'integer', format: 'int64', title: 'id', readOnly: true, 'x-ogc-role': 'id', 'x-ogc-propertySeq': 1 },
      ...(path !== 'sortables' && { geometry: { title: lang === 'vi' ? 'Hình học' : 'Geometry', format: GEOMETRY_FORMATS[layer.geometry], 'x-ogc-role': 'primary-geometry', 'x-ogc-propertySeq': 2 } }),
      ...Object.fromEntries(columns.map((column, i) => [column.name, {
        ...columnSchema(column, lang, inline), ...referenceTo(call, column), ...ROLES[column.name], ...(SERVER_OWN.has(column.name) && { readOnly: true }), 'x-ogc-propertySeq': i + 3,
      }])),
    },
    required: path === 'schema' ? layer.columns.filter((column) => column.required && columns.includes(column)).map(({ name }) => name) : undefined,
    additionalProperties: false,
  }
}

/** Since when a feature has been as it is: what `datetime` goes by. */
const ROLES: Readonly<Record<string, object>> = { valid_from: { 'x-ogc-role': 'primary-interval-start' } }

/** What a key refers to, where the reader sees that collection: a feature by its id, or by another of its columns. */
function referenceTo({ app: { store }, reader, base }: Call, { references }: Column): object | undefined {
  if (!references || !store.catalogue.for(reader).some(({ id }) => id === references.collection)) return undefined
  const { collection, by } = references
  return { 'x-ogc-role': 'reference', ...(by === undefined ? { 'x-ogc-collectionId': collection } : { 'x-ogc-uriTemplate': `${base}/ogc/collections/${collection}/items?${by}={resourceId}` }) }
}

const GEOMETRY_FORMATS: Readonly<Record<Layer['geometry'], string>> = {
  point: 'geometry-point', line: 'geometry-multilinestring', polygon: 'geometry-multipolygon', any: 'geometry-any',
}

const TYPES: Readonly<Record<Column['type'], object>> = {
  text: { type: 'string' }, integer: { type: 'integer' }, number: { type: 'number' }, boolean: { type: 'boolean' },
  date: { type: 'string', format: 'date' }, timestamp: { type: 'string', format: 'date-time' }, json: { type: 'object' },
}

const LIST = { type: 'array', items: {} } as const

const FORMATS: Readonly<Partial<Record<Column['type'], string>>> = { integer: 'int64', number: 'double' }

function columnSchema(column: Column, lang: Language, inline = false): object {
  const codes = column.codes && Object.entries(column.codes).map(([code, title]) => [column.type === 'integer' ? Number(code) : code, title[lang]] as const)
  return {
    ...(FORMATS[column.type] && { format: FORMATS[column.type] }), ...(column.list ? LIST : TYPES[column.type]), title: column.title[lang], description: column.description?.[lang],
    minimum: column.min, maximum: column.max, maxLength: column.maxLength, pattern: column.pattern,
    'x-ogc-unit': column.unit && ucum(column.unit),
    // Codes are data: others may come, so they are told but only enforced where a reader asks for that profile.
    ...(codes && (inline ? { oneOf: codes.map(([code, title]) => ({ const: code, title })) } : { 'x-codes': Object.fromEntries(codes) })),
  }
}

/** A unit as people write it → as UCUM does. */
function ucum(unit: string): string {
  return UCUM[unit] ?? unit.replace('²', '2').replace('³', '3')
}
const UCUM: Readonly<Record<string, string>> = { '°': 'deg', kVA: 'kV.A', VND: '{VND}' }
