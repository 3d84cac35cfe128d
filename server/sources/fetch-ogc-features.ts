/** OGC API Features parts 1 and 2: a collection's items by their `next` links. */
import type { Feature } from '../../core/feature.js'
import { epsgUri } from '../../core/crs.js'
import { badParameter, Problem } from '../errors.js'
import { namedCrs } from '../import/axes.js'
import { parseCrs, userCrs } from '../import/crs.js'
import { askJson, headersFor } from './ask.js'
import { refuseIncomplete, spooled, type Delivery, type Fetching } from './delivery.js'
import { swapped } from './swap-axes.js'
import { DEFAULT_MAX_BYTES, type SourceDefinition } from './source.js'

const PAGE = 1000
const PAGE_BYTES = 256 * 2 ** 20

export async function fetchOgcFeatures(source: SourceDefinition, { folder, headers, signal, progress }: Fetching): Promise<Delivery> {
  const get = (url: string) => askJson(url, { headers: headersFor(url, source.location, headers), maxBytes: PAGE_BYTES, signal })
  const { body: collection, answer } = await get(collectionUrl(source))
  const items = linkOf(collection.links, 'items', answer.url) ?? `${answer.url.split('?')[0]!.replace(/\/$/, '')}/items`
  const crs = wantedCrs(source, collection)
  const first = new URL(items)
  first.searchParams.set('limit', String(PAGE))
  if (crs) first.searchParams.set('crs', crs)
  return spooled(folder, source.maxBytes ?? DEFAULT_MAX_BYTES, async spool => {
    const visited = new Set<string>()
    let counted: number | undefined
    let srid = crs ? userCrs(source.crs!) : 4326
    let swap = source.axisOrder === 'yx'
    for (let next: string | undefined = first.href; next; ) {
      if (visited.has(next)) throw new Problem(502, 'upstream', `${first.origin} links a page of items to itself, so there is no end to it.`)
      visited.add(next)
      const { body, answer } = await get(next)
      if (body.type !== 'FeatureCollection' || !Array.isArray(body.features)) throw new Problem(502, 'upstream', `${first.origin} gave a page of items that is no GeoJSON FeatureCollection (its type is “${String(body.type).slice(0, 40)}”).`)
      if (visited.size === 1) {
        counted = typeof body.numberMatched === 'number' ? body.numberMatched : undefined
        const given = contentCrs(answer.headers['content-crs'])
        srid = given?.srid ?? srid
        if (!source.axisOrder) swap = given?.flipped ?? false
      }
      for (const feature of body.features) await spool.write(toFeature(feature, swap))
      progress(counted ? Math.min(1, spool.count / counted) : 1 - 1 / (1 + visited.size / 10), `${spool.count}${counted ? ` of ${counted}` : ''} features`)
      next = linkOf(body.links, 'next', answer.url)
    }
    refuseIncomplete(spool.count, counted)
    return spool.keep(String(collection.id ?? source.id), srid)
  })
}

/** The collection itself, whatever of its addresses was given. */
function collectionUrl({ location, collection }: SourceDefinition): string {
  const url = new URL(location)
  url.pathname = url.pathname.replace(/\/items\/?$/, '').replace(/\/$/, '')
  if (!/\/collections\/[^/]+$/.test(url.pathname)) {
    if (!collection) throw badParameter('collection', 'The address is no collection (…/collections/NAME): give that, or name the collection.')
    url.pathname = `${url.pathname.replace(/\/collections$/, '')}/collections/${encodeURIComponent(collection)}`
  }
  url.searchParams.delete('limit')
  if (!url.searchParams.has('f')) url.searchParams.set('f', 'json')
  return url.href
}

/** The URI of the wanted CRS as the collection spells it; undefined for its default, CRS84. */
function wantedCrs({ crs }: SourceDefinition, collection: Record<string, any>): string | undefined {
  if (!crs) return undefined
  const srid = userCrs(crs)
  const listed: string[] = [collection.crs ?? []].flat().filter(uri => typeof uri === 'string')
  const found = listed.find(uri => parseCrs(uri) === srid && (srid !== 4326 || !/CRS84/i.test(uri)))
  if (found) return found
  if (srid === 4326) return undefined
  const storage = typeof collection.storageCrs === 'string' && parseCrs(collection.storageCrs) === srid ? collection.storageCrs : undefined
  if (storage) return storage
  throw badParameter('crs', `The collection is not served in EPSG:${srid}. It has ${listed.slice(0, 12).join(', ') || 'only CRS84'}. (${epsgUri(srid)} was wanted.)`)
}

/** The header `Content-Crs: <uri>`; its system says in which order coordinates come. */
function contentCrs(header: string | string[] | undefined): { srid: number; flipped: boolean } | undefined {
  const { srid, flipped } = namedCrs(String(header ?? '').replace(/^\s*<|>\s*$/g, ''))
  return srid === null ? undefined : { srid, flipped }
}

/** A link resolved against the page it is on; JSON is preferred where there are several. */
function linkOf(links: unknown, rel: string, base: string): string | undefined {
  const fitting = (Array.isArray(links) ? links : []).filter(link => link?.rel === rel && typeof link.href === 'string')
  const json = fitting.find(link => /json/i.test(link.type ?? '')) ?? fitting.find(link => !link.type)
  const href = (json ?? fitting[0])?.href as string | undefined
  return href === undefined ? undefined : new URL(href, base).href
}

/** A GeoJSON feature as read from a service, with x before y. */
export function toFeature(value: unknown, swap: boolean): Feature {
  const { geometry = null, properties, id } = (value ?? {}) as { geometry?: Feature['geometry']; properties?: Record<string, unknown> | null; id?: unknown }
  return {
    geometry: swap && geometry ? swapped(geometry) : geometry, properties: properties ?? {},
    ...(typeof id === 'string' || typeof id === 'number' ? { sourceId: String(id) } : {}),
  }
}
