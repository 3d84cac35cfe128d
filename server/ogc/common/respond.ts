import type { Response } from 'express'
import type { Call } from '../../operations/operation.js'
import { page, type Html } from './html.js'
import { here, linkHeader, selfLinks, type Link } from './links.js'
import { HTML_MEDIA, JSON_MEDIA, language, negotiate, type Language, type Media } from './media.js'

/** What differs between the resources that have a JSON and an HTML side. */
export interface Resource {
  readonly title: string
  readonly crumbs: readonly (readonly [title: string, href: string])[]
  readonly links?: readonly Link[]
  /** The JSON, with all links (self and alternate first). */
  readonly json: (links: readonly Link[]) => unknown
  readonly html: (lang: Language) => Html
  readonly jsonLd?: unknown
}

/** Sends a resource as JSON or HTML, as the client prefers. */
export function respond(call: Call, response: Response, resource: Resource, jsonMedia: Media = JSON_MEDIA): void {
  const offers = [jsonMedia, HTML_MEDIA]
  const media = negotiate(call.request, call.params.f, offers)
  const lang = language(call.request, call.params.lang)
  vary(response, lang)
  if (!response.getHeader('cache-control')) response.setHeader('Cache-Control', cacheControl(call, 'live'))
  const links = [...selfLinks(call, media, offers, resource.title), ...(resource.links ?? [])]
  if (media === HTML_MEDIA) {
    response.setHeader('Link', linkHeader(links.slice(0, 2)))
    sendText(response, `${HTML_MEDIA.type}; charset=utf-8`, page({
      lang, title: resource.title, crumbs: resource.crumbs, body: resource.html(lang), jsonLd: resource.jsonLd,
      otherLanguage: here(call, { lang: lang === 'vi' ? 'en' : 'vi' }), json: here(call, { f: 'json' }),
    }))
  } else {
    sendText(response, jsonMedia.type, JSON.stringify(resource.json(links)))
  }
}

/** As bytes, so that the content type leaves exactly as written. */
export function sendText(response: Response, type: string, text: string): void {
  response.setHeader('Content-Type', type)
  response.send(Buffer.from(text))
}

export function vary(response: Response, lang?: Language): void {
  response.vary('Accept, Accept-Language, Authorization, Cookie')
  if (lang) response.setHeader('Content-Language', lang)
}

/** `live` answers are asked for again each time (304 is cheap); `fixed` ones never change. Only open data may sit in shared caches. */
export function cacheControl({ reader }: { readonly reader: Pick<Call['reader'], 'clearance'> }, kind: 'live' | 'fixed'): string {
  const scope = reader.clearance === 'open' ? 'public' : 'private'
  return kind === 'fixed' ? `${scope}, max-age=31536000, immutable` : `${scope}, max-age=0, must-revalidate`
}

export function collectionsCrumbs(call: Call, lang: Language): [string, string][] {
  return [['dothi', `${call.base}/ogc`], [lang === 'vi' ? 'Tập dữ liệu' : 'Collections', `${call.base}/ogc/collections`]]
}
