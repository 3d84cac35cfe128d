/** A layer of an Esri FeatureServer or MapServer: its object ids first, then the features by them, as many at a time as it gives. */
import type { Feature } from '../../core/feature.js'
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import { badParameter, Problem } from '../errors.js'
import { userCrs } from '../import/crs.js'
import { askJson } from './ask.js'
import { refuseIncomplete, spooled, type Delivery, type Fetching } from './delivery.js'
import { DEFAULT_MAX_BYTES, type SourceDefinition } from './source.js'

const CHUNK = 500
const CHUNK_BYTES = 256 * 2 ** 20

interface EsriField { readonly name: string; readonly type: string }
interface EsriFeature { readonly attributes?: Readonly<Record<string, unknown>>; readonly geometry?: EsriGeometry | null }
export interface EsriGeometry {
  readonly x?: number | 'NaN' | null; readonly y?: number; readonly z?: number
  readonly points?: readonly number[][]; readonly paths?: readonly number[][][]; readonly rings?: readonly number[][][]
}

export async function fetchEsri(source: SourceDefinition, { folder, headers, signal, progress }: Fetching): Promise<Delivery> {
  const base = layerUrl(source.location)
  const call = async (url: string, form?: Readonly<Record<string, string>>) => {
    const { body } = await askJson(url, {
      signal, maxBytes: CHUNK_BYTES, timeoutMs: 300_000,
      // Lists of ids are longer than an address may be.
      ...(form ? { method: 'POST' as const, body: new URLSearchParams(form).toString() } : {}),
      headers: { ...headers, ...(form ? { 'Content-Type': 'application/x-www-form-urlencoded' } : {}) },
    })
    // ArcGIS answers 200 to errors too.
    if (body.error) throw new Problem(502, 'upstream', `${base.origin} answered the error ${body.error.code ?? ''}: “${[body.error.message, ...(Array.isArray(body.error.details) ? body.error.details : [])].filter(Boolean).join(' ').slice(0, 200)}”.`, { upstreamStatus: body.error.code })
    return body
  }
  progress(0, 'asking for the layer')
  const layer = await call(`${base.href}?f=json`)
  if (!Array.isArray(layer.fields)) throw badParameter('location', 'The address is no layer of a FeatureServer: it ends with /FeatureServer/ and a number.')
  if (!layer.geometryType) throw badParameter('location', `“${layer.name ?? base.href}” is a table without geometry.`)
  const srid = source.crs ? userCrs(source.crs) : sridOf(layer.extent?.spatialReference ?? layer.sourceSpatialReference)
  const { objectIdFieldName: idField, objectIds } = await call(`${base.href}/query`, { f: 'json', where: '1=1', returnIdsOnly: 'true' })
  const ids = ((objectIds ?? []) as number[]).toSorted((a, b) => a - b)
  const key = source.identity ?? String(idField ?? layer.objectIdField)
  if (!layer.fields.some((field: EsriField) => field.name === key)) throw badParameter('identity', `“${layer.name}” has no field “${key}”. It has ${layer.fields.map((field: EsriField) => field.name).slice(0, 40).join(', ')}.`)
  const dates = new Set<string>(layer.fields.filter((field: EsriField) => field.type === 'esriFieldTypeDate').map((field: EsriField) => field.name))
  return spooled(folder, source.maxBytes ?? DEFAULT_MAX_BYTES, async spool => {
    let chunk = Math.max(1, Math.min(CHUNK, Number(layer.maxRecordCount) || CHUNK))
    for (let start = 0; start < ids.length; ) {
      const wanted = ids.slice(start, start + chunk)
      const body = await call(`${base.href}/query`, {
        f: 'json', objectIds: wanted.join(','), outFields: '*', outSR: String(srid), returnGeometry: 'true', returnZ: String(Boolean(layer.hasZ)),
      })
      const features = (body.features ?? []) as EsriFeature[]
      if (features.length < wanted.length && (body.exceededTransferLimit || features.length > 0) && chunk > 1) {
        chunk = Math.max(1, Math.min(features.length || 1, chunk >> 1))
        continue
      }
      for (const feature of features) await spool.write(toFeature(feature, key, dates))
      start += wanted.length
      progress(start / ids.length, `${start} of ${ids.length} features`)
    }
    refuseIncomplete(spool.count, ids.length)
    return spool.keep(String(layer.name ?? source.id), srid)
  })
}

function layerUrl(location: string): URL {
  const url = new URL(location)
  url.pathname = url.pathname.replace(/\/query\/?$/, '').replace(/\/$/, '')
  url.search = ''
  if (!/\/(Feature|Map)Server\/\d+$/i.test(url.pathname)) throw badParameter('location', 'The address is no layer of a FeatureServer: it ends with /FeatureServer/ and a number.')
  return url
}

/** Esri's own codes have twins at EPSG in `latestWkid`; where there is none, the service is asked for degrees. */
function sridOf(reference: { wkid?: number; latestWkid?: number } | undefined): number {
  const code = reference?.latestWkid ?? reference?.wkid
  if (code === 102100 || code === 102113 || code === 900913) return 3857
  return code && code < 100_000 ? code : 4326
}

function toFeature({ attributes = {}, geometry }: EsriFeature, key: string, dates: ReadonlySet<string>): Feature {
  const properties = Object.fromEntries(Object.entries(attributes).map(([name, value]) =>
    [name, dates.has(name) && typeof value === 'number' ? new Date(value).toISOString() : value]))
  const id = attributes[key]
  return { geometry: toGeoJson(geometry), properties, ...(id === null || id === undefined ? {} : { sourceId: String(id) }) }
}

/** Esri geometry as GeoJSON; null for what is empty. Rings: clockwise is a new polygon, counter-clockwise a hole of the one it lies in. */
export function toGeoJson(geometry: EsriGeometry | null | undefined): GeoJsonGeometry | null {
  if (!geometry) return null
  if (geometry.rings) return polygons(geometry.rings)
  if (geometry.paths) return geometry.paths.length === 0 ? null : geometry.paths.length === 1 ? { type: 'LineString', coordinates: geometry.paths[0] } : { type: 'MultiLineString', coordinates: geometry.paths }
  if (geometry.points) return geometry.points.length ? { type: 'MultiPoint', coordinates: geometry.points } : null
  return typeof geometry.x === 'number' && typeof geometry.y === 'number' ? { type: 'Point', coordinates: [geometry.x, geometry.y, ...typeof geometry.z === 'number' ? [geometry.z] : []] } : null
}

type Ring = readonly number[][]

function polygons(rings: readonly Ring[]): GeoJsonGeometry | null {
  const outer: Ring[][] = rings.filter(ring => signedArea(ring) <= 0).map(ring => [ring])
  for (const hole of rings.filter(ring => signedArea(ring) > 0)) {
    const around = outer.filter(([shell]) => hole.some(corner => inside(corner, shell!))).sort((a, b) => Math.abs(signedArea(a[0]!)) - Math.abs(signedArea(b[0]!)))[0]
    // A ring that lies in none was only drawn the wrong way round.
    if (around) around.push(hole)
    else outer.push([hole])
  }
  if (outer.length === 0) return null
  return outer.length === 1 ? { type: 'Polygon', coordinates: outer[0] } : { type: 'MultiPolygon', coordinates: outer }
}

/** Positive counter-clockwise. */
function signedArea(ring: Ring): number {
  const [x0, y0] = ring[0] ?? [0, 0]
  let sum = 0
  for (let i = 0; i + 1 < ring.length; i++) sum += (ring[i]![0]! - x0!) * (ring[i + 1]![1]! - y0!) - (ring[i + 1]![0]! - x0!) * (ring[i]![1]! - y0!)
  return sum / 2
}

function inside([x, y]: number[], ring: Ring): boolean {
  let within = false
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    const [[xi, yi], [xj, yj]] = [ring[i] as [number, number], ring[j] as [number, number]]
    if ((yi > y!) !== (yj > y!) && x! < (xj - xi) * (y! - yi) / (yj - yi) + xi) within = !within
  }
  return within
}
