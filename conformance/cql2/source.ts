/** A data source of the abstract tests: a collection with its queryables, and the sets that filters select from it. */
import { parseCql2Text } from '../../core/filter/cql2-text.js'
import { printCql2Json } from '../../core/filter/cql2-json.js'
import { linkOf, type Server } from '../server.js'

export type DataType = 'String' | 'Number' | 'Integer' | 'Boolean' | 'Timestamp' | 'Date' | 'Array' | 'Geometry'
export type FilterLang = 'cql2-text' | 'cql2-json'
export interface Queryable { readonly name: string; readonly type: DataType; readonly geometry?: string }

export interface Source {
  readonly collection: string
  readonly queryables: readonly Queryable[]
  /** Queryables whose type the server does not tell. */
  readonly untyped: readonly string[]
}

/** What a filter selects: `ids` of the first page, which is all of it where `complete`. */
export interface ResultSet { readonly ok: boolean; readonly status: number; readonly said: string; readonly matched: number | undefined; readonly ids: ReadonlySet<string>; readonly complete: boolean }

/** Holds each table of the standard's dataset. */
const PAGE = '250'
export async function sourcesOf(server: Server, most: number): Promise<readonly Source[]> {
  const sources: Source[] = []
  for (const collection of server.featureCollections()) {
    if (sources.length === most) break
    const link = linkOf(collection, 'queryables')
    const { status, body } = await server.request(link?.href ?? `/collections/${encodeURIComponent(collection.id)}/queryables`, { headers: { accept: 'application/schema+json, application/json;q=0.9' } })
    if (status !== 200 || typeof body?.properties !== 'object') continue
    const { body: page } = await server.request(server.items(collection.id, { limit: '1' }), { headers: { accept: 'application/geo+json' } })
    if (!page?.features?.length && !server.options.collections) continue
    sources.push(sourceOf(collection.id, body.properties, server.options.queryables ?? 3))
  }
  return sources
}

function sourceOf(collection: string, properties: Readonly<Record<string, any>>, each: number): Source {
  const queryables: Queryable[] = []
  const untyped: string[] = []
  for (const [name, schema] of Object.entries(properties)) {
    const type = typeOf(schema)
    if (!type) untyped.push(name)
    else if (queryables.filter(one => one.type === type).length < each) queryables.push({ name, type, ...(type === 'Geometry' && { geometry: geometryOf(schema) }) })
  }
  return { collection, queryables, untyped }
}

function typeOf(schema: any): DataType | undefined {
  if (/^geometry-/.test(schema.format ?? '') || /geojson\.org/.test(schema.$ref ?? '')) return 'Geometry'
  const types: string[] = [schema.type].flat().filter((type: unknown): type is string => typeof type === 'string' && type !== 'null')
  switch (types.length === 1 ? types[0] : undefined) {
    case 'string': return schema.format === 'date-time' ? 'Timestamp' : schema.format === 'date' ? 'Date' : 'String'
    case 'integer': return 'Integer'
    case 'number': return 'Number'
    case 'boolean': return 'Boolean'
    // An object is nothing that CQL2 knows of; a list is.
    case 'array': return 'Array'
    default: return undefined
  }
}

/** `point`, `multipolygon`, `any`. */
const geometryOf = (schema: any): string => /^geometry-(.+)$/.exec(schema.format ?? '')?.[1] ?? /(\w+)\.json$/.exec(schema.$ref ?? '')?.[1]?.toLowerCase() ?? 'any'

const RESERVED = /^(and|or|not|like|in|between|is|null|true|false|date|timestamp|interval|div|casei|accenti|bbox|point|linestring|polygon|multipoint|multilinestring|multipolygon|geometrycollection)$/i
/** A property's name as CQL2 text has it. */
export const quoted = (name: string) => /^[A-Za-z_][\w.:]*$/.test(name) && !RESERVED.test(name) ? name : `"${name.replaceAll('"', '""')}"`

/** What the filter, written as text, selects in this encoding. */
export async function select(server: Server, collection: string, condition: string, lang: FilterLang, limit = PAGE): Promise<ResultSet> {
  const filter = lang === 'cql2-text' ? condition : JSON.stringify(printCql2Json(parseCql2Text(condition)))
  const { status, body, text } = await server.request(server.items(collection, { filter, 'filter-lang': lang, limit }), { headers: { accept: 'application/geo+json, application/json;q=0.9' } })
  const features: { id?: string | number }[] = Array.isArray(body?.features) ? body.features : []
  return {
    status, ok: status === 200 && Array.isArray(body?.features), said: status === 200 ? '' : String(body?.detail ?? body?.description ?? text).slice(0, 200),
    matched: typeof body?.numberMatched === 'number' ? body.numberMatched : undefined, ids: new Set(features.map(feature => String(feature.id ?? JSON.stringify(feature)))),
    complete: !(body?.links ?? []).some(({ rel }: { rel: string }) => rel === 'next'),
  }
}

export const disjoint = (a: ResultSet, b: ResultSet): boolean => [...a.ids].every(id => !b.ids.has(id))
export const isEmpty = ({ ids, matched }: ResultSet): boolean => ids.size === 0 && (matched ?? 0) === 0

/** As far as the pages tell: the same number, and the same members where all are there. */
export function identical(a: ResultSet, b: ResultSet): boolean {
  if (a.matched !== undefined && b.matched !== undefined && a.matched !== b.matched) return false
  if (a.complete !== b.complete) return false
  return !a.complete || (a.ids.size === b.ids.size && [...a.ids].every(id => b.ids.has(id)))
}
