/** Requests to sources: patient with servers that are busy, plain about what they answer. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Problem } from '../errors.js'
import { outbound, type OutboundOptions, type OutboundResponse } from '../http/outbound.js'

const PAUSES_MS = [500, 2_000, 8_000]
const MAX_PAUSE_MS = 60_000
const BUSY = new Set([408, 429, 500, 502, 503, 504])

/** A good answer (2xx or 304), after up to three more tries where the server is busy or the network breaks. Throws a 502 Problem that tells what came. */
export async function ask(url: string, options: OutboundOptions & { readonly signal: AbortSignal }): Promise<OutboundResponse> {
  for (let attempt = 0; ; attempt++) {
    const answer = await outbound(url, options).catch((error: unknown) => {
      options.signal.throwIfAborted()
      if (attempt === PAUSES_MS.length || !(error instanceof Problem) || error.type !== 'upstream') throw error
      return undefined
    })
    if (answer && ((answer.status >= 200 && answer.status < 300) || answer.status === 304)) return answer
    if (answer && (attempt === PAUSES_MS.length || !BUSY.has(answer.status))) throw await refused(answer)
    answer?.body.destroy()
    const asked = Number(answer?.headers['retry-after'] ?? NaN) * 1000
    await sleep(Math.min(MAX_PAUSE_MS, asked >= 0 ? asked : PAUSES_MS[attempt]!), undefined, { signal: options.signal })
  }
}

async function refused(answer: OutboundResponse): Promise<Problem> {
  const { origin } = new URL(answer.url)
  const said = summaryOf(await answer.text().catch(() => ''))
  const hint = answer.status === 401 || answer.status === 403 ? ' Does the source need a header with a key, or another one?' : answer.status === 404 ? ' Is the address still right?' : ''
  return new Problem(502, 'upstream', `${origin} answered ${answer.status}${said ? `: “${said}”` : ''}.${hint}`, { status: 502, upstreamStatus: answer.status })
}

/** What a page or message says in its first words: the title of HTML, the text of an OGC exception, a JSON detail. */
export function summaryOf(text: string): string {
  const found = /<title[^>]*>([^<]+)/i.exec(text)?.[1] ?? /<(?:\w+:)?(?:ExceptionText|ServiceException)\b[^>]*>\s*(?:<!\[CDATA\[)?([^<\]]+)/i.exec(text)?.[1] ?? jsonDetail(text) ?? text.replace(/<[^>]*>/g, ' ')
  return found.replace(/\s+/g, ' ').trim().slice(0, 160)
}

function jsonDetail(text: string): string | undefined {
  try {
    const { detail, description, message, title } = JSON.parse(text) as Record<string, unknown>
    return [detail, description, message, title].find(value => typeof value === 'string') as string | undefined
  } catch {
    return undefined
  }
}

/** Throws where an answer is a web page: a login form, “maintenance”, a portal. */
export function refuseWebPage(start: string, url: string): void {
  if (/^\s*(?:<!--[\s\S]*?-->\s*)?<(?:!doctype\s+html|html|head|body)\b/i.test(start))
    throw new Problem(502, 'upstream', `${new URL(url).origin} answered a web page instead of data: “${summaryOf(start)}”. Nothing was changed.`)
}

/** The answer as JSON of an expected kind; a web page or an error in it is told as such. */
export async function askJson(url: string, options: OutboundOptions & { readonly signal: AbortSignal }): Promise<{ readonly body: Record<string, any>; readonly answer: OutboundResponse }> {
  const answer = await ask(url, { ...options, headers: { Accept: 'application/geo+json, application/json;q=0.9', ...options.headers } })
  const text = await answer.text()
  refuseWebPage(text.slice(0, 2000), answer.url)
  try {
    const body = JSON.parse(text) as Record<string, any>
    if (body !== null && typeof body === 'object') return { body, answer }
  } catch { /* told below */ }
  throw new Problem(502, 'upstream', `${new URL(answer.url).origin} answered what is not JSON: “${summaryOf(text)}”.`)
}

/** Headers with keys go to the source's own origin only. */
export function headersFor(url: string, source: string, headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return new URL(url).origin === new URL(source).origin ? headers : {}
}
