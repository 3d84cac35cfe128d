/** What a client is told when a request fails: problem+json, or the same as a page where a person looks at it in a browser. */
import type { ErrorRequestHandler, Request, Response } from 'express'
import { esriError, isEsriPath } from '../arcgis/reader.js'
import type { Config } from '../config.js'
import { Problem, problemBody, toProblem } from '../errors.js'
import { html, page } from '../ogc/common/html.js'
import { language, type Language } from '../ogc/common/media.js'
import { originOf } from './origin.js'

export type OnError = (error: unknown, requestId: string, request: Request) => void

/** Headers of the answer that was being made, which say nothing true of a problem. */
const OF_THE_ANSWER = ['ETag', 'Cache-Control', 'Content-Encoding', 'Content-Disposition', 'Content-Crs', 'Last-Modified', 'Link', 'OGC-NumberMatched', 'OGC-NumberReturned']

/** Express's last handler. What became a 500 is given to `onError` with the request id that the client is told. */
export function problems(config: Pick<Config, 'baseUrl'>, onError: OnError): ErrorRequestHandler {
  return (error, request, response, _next) => {
    const requestId = response.locals.requestId as string
    const problem = toProblem(error)
    if (problem.status >= 500 && !(error instanceof Problem)) onError(error, requestId, request)
    // Half an answer is on its way: cutting the connection is the only honest sign left.
    if (response.headersSent) return void response.destroy()
    for (const name of OF_THE_ANSWER) response.removeHeader(name)
    response.status(problem.status).set(problem.headers).set('Cache-Control', 'no-store')
    const told = problemBody(problem, requestId, originOf(request, config))
    const body = isEsriPath(request.path) ? esriError(told) : told
    if (fromBrowser(request)) return sendPage(response, body, language(request, undefined))
    response.setHeader('Content-Type', onlyPlainJson(request) ? 'application/json' : 'application/problem+json')
    response.send(Buffer.from(JSON.stringify(body)))
  }
}

function sendPage(response: Response, { type, title, status, detail, instance }: ReturnType<typeof problemBody>, lang: Language): void {
  const start = type.replace(/\/docs\/.*/, '/ogc')
  response.setHeader('Content-Type', 'text/html; charset=utf-8')
  response.send(Buffer.from(page({
    lang, title: `${status} · ${title}`, crumbs: [['dothi', start]], otherLanguage: type,
    body: html`<p>${detail}</p><p><a href="${type}">${lang === 'vi' ? 'Lỗi này là gì, phải làm gì' : 'What this means and what to do'}</a></p>
      <p class="soft">${lang === 'vi' ? 'Số hiệu yêu cầu' : 'Request id'}: <code>${instance}</code></p>`,
  })))
}

/** Only browsers ask for XHTML; programs that name text/html first, as Java does, do not read pages. */
const fromBrowser = (request: Request) => request.method === 'GET' && request.get('accept')?.includes('application/xhtml+xml') === true

/** The OGC Processes suite asks for `application/json` alone and wants just that back. */
const onlyPlainJson = (request: Request) => request.get('accept')?.trim() === 'application/json'
