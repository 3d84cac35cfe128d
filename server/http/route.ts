import express, { type Request, type RequestHandler, type Response } from 'express'
import { forbidden, notFound, Problem } from '../errors.js'
import type { AppContext, Operation } from '../operations/operation.js'
import type { Reader } from '../store/store.js'
import { originOf } from './origin.js'
import { bodyChecker, parameterParser } from './parameters.js'
import { handling, timed } from './timing.js'

export interface RouteOptions {
  readonly readerOf: (request: Request) => Promise<Reader>
  readonly scenarioExists: (id: string) => Promise<boolean>
}

/** The Express handlers of one operation: body, parameters, roles, branch, then the operation itself. */
export function routeHandlers(context: AppContext, operation: Operation, options: RouteOptions): RequestHandler[] {
  return [...bodyParsers(operation), callHandler(context, operation, options)]
}

/** `/ogc/collections/{collectionId}` → `/ogc/collections/:collectionId`. */
export function expressPath(path: string): string {
  return path.replace(/\{(\w+)\}/g, ':$1')
}

function callHandler(context: AppContext, operation: Operation, options: RouteOptions): RequestHandler {
  const parse = parameterParser(operation)
  const checkBody = operation.body && 'schema' in operation.body ? bodyChecker(operation.body.schema) : (body: unknown) => body
  return async (request, response) => {
    const reader = await timed(response, 'reader', () => options.readerOf(request))
    admit(operation, reader)
    const branch = await branchOf(request, options)
    const origin = originOf(request, context.config)
    const { params, query } = parse(request.params as Record<string, string>, searchOf(request))
    handling(response)
    await operation.handler({
      app: context, reader, branch, params, query, origin, request,
      base: branch === 'main' ? origin : `${origin}/scenarios/${branch}`,
      body: checkBody(request.body),
      signal: closeSignal(response),
    }, response)
  }
}

export function searchOf(request: Request): URLSearchParams {
  const { originalUrl } = request
  const mark = originalUrl.indexOf('?')
  return new URLSearchParams(mark < 0 ? '' : originalUrl.slice(mark + 1))
}

/** Throws 401 or 403 where the reader has none of the roles. */
export function admit({ roles, summary }: Pick<Operation, 'roles' | 'summary'>, reader: Reader): void {
  if (!roles || roles.some((role) => reader.roles.includes(role))) return
  if (reader.subject === 'public')
    throw new Problem(401, 'unauthorised', `This needs a token of a person who may do it (${roles.join(' or ')}): ${summary.replace(/\.$/, '')}. Send “Authorization: Bearer …”, or open the link that the server printed at start.`, {}, { 'WWW-Authenticate': 'Bearer' })
  throw forbidden(`Your token's roles (${reader.roles.join(', ') || 'none'}) do not allow this; it needs ${roles.join(' or ')}.`)
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

async function branchOf(request: Request, { scenarioExists }: RouteOptions): Promise<string> {
  const id = /^\/scenarios\/([^/?]+)\//.exec(request.path)?.[1]
  if (id === undefined || request.params.scenarioId === undefined || !request.route.path.startsWith('/scenarios/:scenarioId/')) return 'main'
  const scenarioId = String(request.params.scenarioId).toLowerCase()
  if (!UUID.test(scenarioId) || !(await scenarioExists(scenarioId))) throw notFound(`There is no scenario “${scenarioId.slice(0, 80)}”. GET /scenarios lists them.`)
  return scenarioId
}

function closeSignal(response: Response): AbortSignal {
  const controller = new AbortController()
  response.on('close', () => { if (!response.writableFinished) controller.abort() })
  return controller.signal
}

const DEFAULT_BODY_BYTES = 1 << 20

function bodyParsers({ body }: Operation): RequestHandler[] {
  if (!body || body.contentType === 'raw') return []
  const { limitBytes: limit = DEFAULT_BODY_BYTES } = body as { limitBytes?: number }
  const isJson = body.contentType.endsWith('json')
  const types = isJson ? [body.contentType, 'application/json'] : [body.contentType]
  const requireType: RequestHandler = (request, _response, next) => {
    const empty = request.get('content-length') === '0' || (request.get('content-length') === undefined && request.get('transfer-encoding') === undefined)
    if (!empty && !request.is(types)) throw new Problem(415, 'invalid-body', `The body must be ${types[0]}, not “${request.get('content-type') ?? 'of no stated type'}”.`)
    if (empty && isJson) request.body = {}
    next()
  }
  return [requireType, isJson ? express.json({ limit, type: types }) : express.text({ limit, type: types })]
}
