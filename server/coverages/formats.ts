/** The formats of a query's answer, and how an answer is sent. */
import { once } from 'node:events'
import { Type } from '@sinclair/typebox'
import type { Response } from 'express'
import { badParameter, Problem } from '../errors.js'
import { HTML_MEDIA, language, negotiate, type Media } from '../ogc/common/media.js'
import { sendText, vary } from '../ogc/common/respond.js'
import { etag, notModified } from '../ogc/features/validator.js'
import { Gate } from '../ogc/tiles/gate.js'
import type { Answer, Call, Parameter } from '../operations/operation.js'
import { SingleFlightCache } from '../tiles3d/cache.js'
import { writeCog, type Band } from './cog.js'
import { coverageJson } from './coverage-json.js'
import { countOf, sizeOf } from './domain.js'
import { pointPage } from './point-page.js'
import { csv, edrGeoJson } from './other-texts.js'
import { instant, isOneTime, valuesOf, type Query } from './query.js'

interface TextFormat { readonly media: Media; readonly most: number; readonly write: (query: Query) => AsyncGenerator<string>; readonly perPlace: boolean }

const COVERAGE_JSON: Media = { f: 'CoverageJSON', type: 'application/vnd.cov+json' }
const GEOTIFF: Media = { f: 'GeoTIFF', type: 'image/tiff; application=geotiff' }

const TEXTS: readonly TextFormat[] = [
  { media: COVERAGE_JSON, most: 40_000_000, write: coverageJson, perPlace: false },
  { media: { f: 'GeoJSON', type: 'application/geo+json' }, most: 50_000, write: edrGeoJson, perPlace: true },
  { media: { f: 'CSV', type: 'text/csv' }, most: 5_000_000, write: csv, perPlace: true },
]
const MOST_PIXELS = 40_000_000

/** By the names that EDR uses. CoverageJSON is what those get who take anything; clients that know two take the last of a list. */
export const FORMATS = ['CSV', 'GeoJSON', 'CoverageJSON']
export const GRID_FORMATS = ['GeoTIFF', ...FORMATS]
export const DEFAULT_FORMAT = COVERAGE_JSON.f

const names = (all: readonly string[]): Parameter => ({
  name: 'f', in: 'query', description: 'Format, instead of the Accept header; json is CoverageJSON.', schema: Type.Union([...all, 'json'].map(name => Type.Literal(name))),
})
export const F_POINTS = names(FORMATS)
/** Of a place there is a page too. */
export const F_POINT = names([...FORMATS, HTML_MEDIA.f])
export const F_GRID = names(GRID_FORMATS)

/** What the OpenAPI document says of an answer. */
export const answers = ({ grid = false, page = false }: { readonly grid?: boolean; readonly page?: boolean }, schema: NonNullable<Answer['content']>[string]): Readonly<Record<string, string | Answer>> => ({
  200: {
    description: 'The values; `null` (CSV: nothing) where none is computed or known.',
    content: { [COVERAGE_JSON.type]: schema, 'application/geo+json': {}, 'text/csv': Type.String(), ...(grid && { 'image/tiff': {} }), ...(page && { 'text/html': Type.String() }) },
  },
  204: 'Nothing of the coverage lies there, or then.',
})

/** Answers hold up to some 100 MB of arrays while they are made: so few at a time. */
const making = new Gate({ atOnce: 3, mostWaiting: 60, longestWaitMs: 30_000 })

/** Sends a query's answer in the format wanted, or 204 where it holds nothing. */
export async function send(call: Call, response: Response, query: Query | undefined): Promise<void> {
  vary(response)
  if (!query) return void response.status(204).end()
  const { domain } = query
  const isPlace = domain.kind === 'points' && domain.form === 'point'
  const offers = [...TEXTS.map(({ media }) => media), ...(domain.kind === 'grid' ? [GEOTIFF] : []), ...(isPlace ? [HTML_MEDIA] : [])]
  const media = negotiate(call.request, call.params.f === 'json' ? COVERAGE_JSON.f : call.params.f, offers)
  const { label, version } = query.coverage
  if (label) response.setHeader('X-Simulation', label.en.replace('–', '-'))
  const lang = language(call.request, call.params.lang)
  const tag = etag('coverage', call.origin, media.f, media === HTML_MEDIA ? lang : '', version, call.request.originalUrl)
  if (notModified(call, response, tag, 'live')) return
  response.setHeader('Content-Crs', `<${media.f === 'GeoJSON' ? 'http://www.opengis.net/def/crs/OGC/1.3/CRS84' : domain.crs.uri}>`)
  if (media === GEOTIFF) return sendCog(call, response, query, tag)
  if (media === HTML_MEDIA) return sendText(response, 'text/html; charset=utf-8', await making.run(() => pointPage(call, query, lang, FORMATS), call.signal))
  const format = TEXTS.find(one => one.media === media)!
  refuseTooMany(query, format)
  response.setHeader('Content-Type', media.type === 'text/csv' ? 'text/csv; charset=utf-8; header=present' : media.type)
  if (media.f === 'CSV') response.setHeader('Content-Disposition', `attachment; filename="${query.coverage.id}.csv"`)
  await making.run(() => stream(call, response, format.write(query)), call.signal)
}

function refuseTooMany(query: Query, { media: { f }, most, perPlace }: TextFormat): void {
  const values = (perPlace ? countOf(query.domain) : sizeOf(query.domain) * query.quantities.length) * (isOneTime(query) ? 1 : query.times.length)
  if (values > most) throw new Problem(413, 'too-large', `That is ${values.toLocaleString('en')} ${perPlace ? 'lines' : 'values'}; as ${f} an answer has at most ${most.toLocaleString('en')}. Ask for a smaller area, a shorter datetime, a smaller resolution-x and resolution-y${f === 'CoverageJSON' ? '' : ', or for CoverageJSON'}.`)
}

async function stream(call: Call, response: Response, chunks: AsyncGenerator<string>): Promise<void> {
  for await (const chunk of chunks) {
    call.signal.throwIfAborted()
    if (!response.write(chunk)) await once(response, 'drain', { signal: call.signal })
  }
  response.end()
}

/** Files by what they hold, so that a client that reads one in ranges does not have it made each time. */
const files = new SingleFlightCache<Buffer>(96 * 2 ** 20, bytes => bytes.length)

async function sendCog(call: Call, response: Response, query: Query, key: string): Promise<void> {
  const { coverage, domain, quantities, times } = query
  if (domain.kind !== 'grid') throw badParameter('f', 'GeoTIFF holds grids; ask for an area, a cube or a coverage.')
  const pixels = sizeOf(domain) * times.length * quantities.length
  if (pixels > MOST_PIXELS) throw new Problem(413, 'too-large', `That is ${pixels.toLocaleString('en')} pixels in ${times.length * quantities.length} bands; a GeoTIFF has at most ${MOST_PIXELS.toLocaleString('en')} here. Ask for a smaller area or a shorter datetime.`)
  const file = await files.get(key, () => making.run(async () => {
    const values = await valuesOf(query)
    const bands = times.flatMap(time => quantities.map((quantity): Band => ({
      name: times.length > 1 || coverage.times.length > 1 ? `${quantity.title.en}, ${instant(coverage.times[time]!)}` : quantity.title.en,
      unit: quantity.unit.symbol, values: () => values(quantity.name, time),
    })))
    return writeCog(domain, bands, {
      TITLE: coverage.title.en, ...(coverage.label && { SIMULATION: `${coverage.label.vi} / ${coverage.label.en}` }), ...(coverage.run && { RUN: coverage.run }), TIMES: times.map(time => instant(coverage.times[time]!)).join(' '),
    })
  }, NEVER))
  response.setHeader('Content-Type', GEOTIFF.type)
  response.setHeader('Content-Disposition', `inline; filename="${coverage.id}.tif"`)
  sendRange(call, response, file)
}
/** A file is made for all who wait for it, whoever leaves. */
const NEVER = new AbortController().signal

/** The whole, or the one range that was asked for (RFC 9110 §14). */
function sendRange(call: Call, response: Response, file: Buffer): void {
  response.setHeader('Accept-Ranges', 'bytes')
  const range = /^bytes=(\d*)-(\d*)$/.exec(call.request.get('range') ?? '')
  const [, first = '', last = ''] = range ?? []
  if (!range || (first === '' && last === '')) return void response.setHeader('Content-Length', file.length).end(file)
  const from = first === '' ? Math.max(0, file.length - Number(last)) : Number(first)
  const to = first === '' || last === '' ? file.length - 1 : Math.min(Number(last), file.length - 1)
  if (from > to) return void response.status(416).setHeader('Content-Range', `bytes */${file.length}`).end()
  response.status(206).setHeader('Content-Range', `bytes ${from}-${to}/${file.length}`).setHeader('Content-Length', to - from + 1)
  response.end(file.subarray(from, to + 1))
}
