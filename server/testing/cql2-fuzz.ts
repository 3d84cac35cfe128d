/** Random filters against a server: none may fail it, slow it down, or mean more than it says. */
import { Cql2Maker, type MadeFilter, type MakerInput } from './cql2-maker.js'

export interface FuzzOptions {
  /** Address of the API without `/ogc`. */
  readonly url: string
  readonly collections: readonly string[]
  readonly count: number
  readonly random: () => number
  readonly atOnce?: number
  readonly headers?: Readonly<Record<string, string>>
}

export interface FuzzReport {
  readonly sent: number
  /** Answers by kind of filter and status: `right 200`. */
  readonly answers: Readonly<Record<string, number>>
  readonly slowestMs: number
  readonly slowest: string
  readonly faults: readonly { readonly filter: MadeFilter; readonly collection: string; readonly fault: string }[]
}

/** Sends `count` filters, spread over the collections. */
export async function fuzzCql2({ url, collections, count, random, atOnce = 8, headers = {} }: FuzzOptions): Promise<FuzzReport> {
  const makers = await Promise.all(collections.map(async (collection) => ({ collection, maker: new Cql2Maker({ ...await vocabulary(url, collection, headers), random }) })))
  const answers: Record<string, number> = {}
  const faults: FuzzReport['faults'][number][] = []
  let [sent, slowestMs, slowest] = [0, 0, '']
  const worker = async () => {
    while (sent < count) {
      const { collection, maker } = makers[sent++ % makers.length]!
      const filter = maker.make()
      const start = performance.now()
      const { status, fault } = await sendOne(`${url}/ogc/collections/${collection}/items`, filter, headers)
      const ms = performance.now() - start
      if (ms > slowestMs) [slowestMs, slowest] = [ms, filter.text]
      answers[`${filter.kind} ${status}`] = (answers[`${filter.kind} ${status}`] ?? 0) + 1
      if (fault) faults.push({ filter, collection, fault })
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return { sent, answers, slowestMs, slowest, faults }
}

async function sendOne(items: string, { text, lang, kind }: MadeFilter, headers: Readonly<Record<string, string>>): Promise<{ status: number; fault?: string }> {
  const search = new URLSearchParams({ filter: text, 'filter-lang': lang, limit: '1', f: 'json' })
  const response = await fetch(`${items}?${search}`, { headers, signal: AbortSignal.timeout(60_000) })
  const body = await response.text()
  const { status } = response
  if (status >= 500) return { status, fault: body.slice(0, 300) }
  if (status === 200) {
    const { features } = JSON.parse(body) as { features: unknown[] }
    return { status, ...(kind === 'literal' && features.length > 0 && { fault: 'a value that no feature has was found' }) }
  }
  // A request line may be too long for HTTP itself; whatever else is refused is refused with words.
  if (status === 431) return { status }
  if (status !== 400) return { status, fault: `${status} is neither an answer nor a refusal: ${body.slice(0, 200)}` }
  const { parameter, detail } = JSON.parse(body) as { parameter?: string; detail?: string }
  return { status, ...((!detail || !parameter) && { fault: `400 without its parameter: ${body.slice(0, 200)}` }) }
}

/** What filters of a collection may name, as its queryables and the list of functions have it. */
async function vocabulary(url: string, collection: string, headers: Readonly<Record<string, string>>): Promise<Omit<MakerInput, 'random'>> {
  const json = async (path: string) => (await fetch(`${url}/ogc/${path}`, { headers: { Accept: 'application/json', ...headers } })).json() as Promise<any>
  const properties = Object.entries<any>((await json(`collections/${collection}/queryables`)).properties)
  const ofType = (test: (schema: any) => boolean) => properties.filter(([, schema]) => test(schema)).map(([name]) => name)
  const isTime = ({ format }: any) => format === 'date' || format === 'date-time'
  return {
    properties: {
      text: ofType((schema) => schema.type === 'string' && !isTime(schema)), number: ofType(({ type }) => type === 'integer' || type === 'number'), boolean: ofType(({ type }) => type === 'boolean'),
      time: ofType(isTime), geometry: ofType(({ format }) => String(format).startsWith('geometry')), json: ofType(({ type }) => type === 'object'),
    },
    functions: (await json('functions')).functions.map(({ name }: { name: string }) => name),
  }
}
