import type { Call } from '../../operations/operation.js'
import type { Media } from './media.js'

export interface Link { readonly href: string; readonly rel: string; readonly type?: string; readonly title?: string; readonly templated?: boolean; readonly hreflang?: string }

export const REL = {
  conformance: 'http://www.opengis.net/def/rel/ogc/1.0/conformance',
  data: 'http://www.opengis.net/def/rel/ogc/1.0/data',
  schema: 'http://www.opengis.net/def/rel/ogc/1.0/schema',
  functions: 'http://www.opengis.net/def/rel/ogc/1.0/functions',
  queryables: 'http://www.opengis.net/def/rel/ogc/1.0/queryables',
  sortables: 'http://www.opengis.net/def/rel/ogc/1.0/sortables',
  tilesetsVector: 'http://www.opengis.net/def/rel/ogc/1.0/tilesets-vector',
  tilesetsMap: 'http://www.opengis.net/def/rel/ogc/1.0/tilesets-map',
  styles: 'http://www.opengis.net/def/rel/ogc/1.0/styles',
  tilingSchemes: 'http://www.opengis.net/def/rel/ogc/1.0/tiling-schemes',
  tilingScheme: 'http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme',
  processes: 'http://www.opengis.net/def/rel/ogc/1.0/processes',
  jobList: 'http://www.opengis.net/def/rel/ogc/1.0/job-list',
} as const

/** The address of this request with some parameters changed; `undefined` takes one away. */
export function here(call: Call, changes: Readonly<Record<string, string | undefined>> = {}): string {
  const { pathname, search } = splitUrl(call)
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) search.delete(name)
    else search.set(name, value)
  }
  // A credential in the address must not travel on in links that people copy.
  for (const secret of ['token', '_']) search.delete(secret)
  const text = search.toString().replaceAll('%2C', ',').replaceAll('%3A', ':').replaceAll('%2F', '/')
  return `${call.origin}${pathname}${text ? `?${text}` : ''}`
}

/** `self` and one `alternate` for each other representation. */
export function selfLinks(call: Call, current: Media, offers: readonly Media[], title: string): Link[] {
  return offers.map((media) => ({
    href: here(call, { f: media.f }),
    rel: media === current ? 'self' : 'alternate',
    type: media.type,
    title: media === current ? title : `${title} (${media.f})`,
  }))
}

/** The same as an HTTP `Link` header. */
export function linkHeader(links: readonly Link[]): string {
  return links.map(({ href, rel, type }) => `<${href}>; rel="${rel}"${type ? `; type="${type.replaceAll('"', '\\"')}"` : ''}`).join(', ')
}

function splitUrl(call: Call): { pathname: string; search: URLSearchParams } {
  const [pathname = '', search = ''] = call.request.originalUrl.split(/\?(.*)/s)
  return { pathname: pathname.length > 1 ? pathname.replace(/\/+$/, '') : pathname, search: new URLSearchParams(search) }
}
