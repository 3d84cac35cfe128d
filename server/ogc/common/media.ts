import type { Request } from 'express'
import { Problem } from '../../errors.js'

/** One representation that a resource has. */
export interface Media { readonly f: string; readonly type: string }

export const JSON_MEDIA: Media = { f: 'json', type: 'application/json' }
export const HTML_MEDIA: Media = { f: 'html', type: 'text/html' }
export const GEOJSON_MEDIA: Media = { f: 'json', type: 'application/geo+json' }
export const SCHEMA_MEDIA: Media = { f: 'json', type: 'application/schema+json' }
export const OPENAPI_MEDIA: Media = { f: 'json', type: 'application/vnd.oai.openapi+json;version=3.0' }
export const OPENAPI31_MEDIA: Media = { f: 'json31', type: 'application/vnd.oai.openapi+json;version=3.1' }

/** The representation wanted: `f`, else `Accept` with its q-values, first offer on a tie. 406 names the list. */
export function negotiate(request: Request, f: string | undefined, offers: readonly Media[]): Media {
  if (f !== undefined) return offers.find((offer) => offer.f === f) ?? offers[0]!
  const ranges = acceptRanges(request.get('accept') ?? '*/*')
  const ranked = offers
    .map((offer, i) => ({ offer, i, q: quality(ranges, offer.type) }))
    .filter(({ q }) => q > 0)
    .sort((a, b) => b.q - a.q || a.i - b.i)
  if (ranked[0]) return ranked[0].offer
  throw new Problem(406, 'not-acceptable', `This has no representation in “${request.get('accept')?.slice(0, 120)}”. It comes as ${offers.map(({ type, f }) => `${type} (f=${f})`).join(', ')}.`)
}

interface Range { readonly type: string; readonly parameters: readonly string[]; readonly q: number }

/** Lenient: Java's default `text/html, image/gif, *; q=.2` counts `*` as anything. */
function acceptRanges(header: string): Range[] {
  return header.split(',').map((part) => {
    const [type = '', ...parameters] = part.split(';').map((piece) => piece.trim().toLowerCase())
    const q = Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? 1)
    return { type: type === '*' ? '*/*' : type, parameters: parameters.filter((parameter) => !/^(q|charset)=/.test(parameter)), q: Number.isFinite(q) ? q : 0 }
  }).filter(({ type }) => type !== '')
}

function quality(ranges: readonly Range[], offered: string): number {
  const [plain = '', ...own] = offered.split(';').map((piece) => piece.trim())
  // A client that asks for plain JSON takes any of its dialects.
  const names = [plain, ...(plain.endsWith('json') ? ['application/json', 'application/geo+json'] : [])]
  // Parameters asked for (version=3.1) must not be other than those that there are; who asks for none takes any.
  const contradicts = (parameter: string) => own.some((mine) => mine !== parameter && mine.split('=')[0] === parameter.split('=')[0])
  const exact = ranges.filter(({ type, parameters }) => names.includes(type) && !parameters.some(contradicts)).map(({ q }) => q)
  if (exact.length > 0) return Math.max(...exact)
  const half = ranges.find(({ type }) => type === `${plain.split('/')[0]}/*`)
  return half?.q ?? ranges.find(({ type }) => type === '*/*')?.q ?? 0
}

export type Language = 'vi' | 'en'

/** `lang`, else the better of vi and en in `Accept-Language`, else English. */
export function language(request: Request, lang: string | undefined): Language {
  if (lang === 'vi' || lang === 'en') return lang
  const ranges = acceptRanges(request.get('accept-language') ?? '')
  const q = (code: Language) => Math.max(0, ...ranges.filter(({ type }) => type === code || type.startsWith(`${code}-`)).map((range) => range.q))
  return q('vi') > q('en') ? 'vi' : 'en'
}
