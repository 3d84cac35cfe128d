/** HTTP over the store: the table of operations as routes, with everything that all of them share. */
import type { IncomingMessage, RequestListener } from 'node:http'
import { join } from 'node:path'
import compression from 'compression'
import express, { type Express, type Request, type RequestHandler, type Response } from 'express'
import { sql } from 'kysely'
import type { Classification } from '../layers/layer.js'
import { notFound, Problem } from './errors.js'
import { limitWaiting, WaitingRoom, type Limits } from './http/limits.js'
import { problems, type OnError } from './http/problems.js'
import { requestId } from './http/request-id.js'
import { expressPath, routeHandlers, type RouteOptions } from './http/route.js'
import { cors, isolate, securityHeaders } from './http/security.js'
import { serverTiming } from './http/timing.js'
import { apiOperations } from './ogc/common/api.js'
import { shortWayOf } from './ogc/tiles/short-way.js'
import type { AppContext, Operation } from './operations/operation.js'
import type { Reader, Store } from './store/store.js'

export interface AppOptions {
  readonly readerOf: (request: Request) => Promise<Reader>
  /** The clearance of a request that only reads, where it is known without waiting: then tiles at hand are sent at once. */
  readonly clearanceNow?: (request: IncomingMessage) => Classification | undefined
  /** How many requests may wait for an answer. */
  readonly limits?: Limits
  /** The built viewer, served at `/`. */
  readonly viewerDir?: string
  /** Before every route: the exchange of `/?token=…` for a cookie, for instance. */
  readonly middleware?: readonly RequestHandler[]
  /** Called with what became a 500, and the request id that the client was told. */
  readonly onError?: OnError
}

/** The whole application; nothing listens yet. */
export function createApp(context: AppContext, operations: readonly Operation[], options: AppOptions): RequestListener {
  const app = express()
  const room = new WaitingRoom(options.limits)
  app.disable('x-powered-by')
  app.set('query parser', false)
  app.set('case sensitive routing', true)
  app.use(requestStart, securityHeaders, cors, limitWaiting(room), compressText, ...(options.middleware ?? []))
  const table = bySpecificity([...operations, ...apiOperations(operations)])
  addRoutes(app, context, table, { readerOf: options.readerOf, scenarioExists: (id) => scenarioExists(context.store, id) })
  if (options.viewerDir) addViewer(app, options.viewerDir)
  app.use((request) => { throw notFound(`There is nothing at ${request.path.slice(0, 120)}. Start at /ogc or at /.`) })
  app.use(problems(context.config, options.onError ?? logError))
  return options.clearanceNow ? withShortWay(app, context.store, room, options.clearanceNow) : app
}

/** What the short way can answer never comes to the routes. */
function withShortWay(app: Express, store: Store, room: WaitingRoom, clearanceNow: NonNullable<AppOptions['clearanceNow']>): RequestListener {
  const way = shortWayOf(store)
  return (request, response) => {
    const clearance = clearanceNow(request)
    const answered = clearance !== undefined && way.answer(request, response, clearance, room)
    if (answered === false) app(request, response)
    else if (answered !== true) void answered.then((done) => { if (!done) app(request, response) })
  }
}

const requestStart: RequestHandler = (request, response, next) => {
  response.locals.requestId = requestId(request)
  response.setHeader('X-Request-Id', response.locals.requestId)
  serverTiming(response)
  next()
}

/** zlib at level 4: on GeoJSON within 5 % of level 6 at half the time. Tiles and meshes come compressed already. */
const compressText = compression({
  level: 4,
  filter: (_request, response) => /json|text\/(?!event-stream)|xml|javascript|wasm/.test(String(response.getHeader('content-type'))),
})

/** What one path takes: told to OPTIONS, and to who tries something else. */
interface Methods { readonly path: string; readonly allow: Set<string>; readonly bodies: Map<string, string> }

function addRoutes(app: Express, context: AppContext, table: readonly Operation[], options: RouteOptions): void {
  const methods = new Map<string, Methods>()
  for (const operation of table) {
    for (const prefix of operation.branched ? ['', '/scenarios/{scenarioId}'] : ['']) {
      const path = prefix + operation.path
      app[operation.method](expressPath(path), ...routeHandlers(context, operation, options))
      const shape = path.replace(/\{\w+\}/g, '{}')
      const known = methods.get(shape) ?? { path, allow: new Set(['OPTIONS']), bodies: new Map() }
      known.allow.add(operation.method.toUpperCase())
      if (operation.method === 'get') known.allow.add('HEAD')
      if (operation.body && operation.body.contentType !== 'raw') known.bodies.set(operation.method, operation.body.contentType)
      methods.set(shape, known)
    }
  }
  for (const known of methods.values()) app.all(expressPath(known.path), otherMethods(known))
}

/** `Accept-Post` and `Accept-Patch` (RFC 5789) tell editors in what form to write. */
function otherMethods({ allow, bodies }: Methods): RequestHandler {
  const list = [...allow].sort().join(', ')
  const accepts = (['post', 'patch'] as const).flatMap((method) => (bodies.has(method) ? [[`Accept-${method === 'post' ? 'Post' : 'Patch'}`, bodies.get(method)!] as const] : []))
  return (request, response) => {
    response.setHeader('Allow', list)
    if (request.method !== 'OPTIONS') throw new Problem(405, 'method-not-allowed', `${request.method} is not possible here; ${list} are.`)
    for (const [name, type] of accepts) response.setHeader(name, type)
    // 200, not 204: so it stands in OGC API Features Part 4.
    response.status(200).setHeader('Content-Length', '0').end()
  }
}

/** Literal segments before parameters, so that `/items/new` is not an item called "new". */
function bySpecificity(operations: readonly Operation[]): Operation[] {
  const key = ({ path }: Operation) => path.split('/').map((part) => (part.startsWith('{') ? '~~' : part.includes('{') ? '~' : part)).join('/')
  return [...operations].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0))
}

async function scenarioExists(store: Store, id: string): Promise<boolean> {
  const { rows } = await sql`select 1 from dothi.branches where id = ${id}::uuid and removed is null`.execute(store.db)
  return rows.length > 0
}

const YEAR_SECONDS = 31_536_000

function addViewer(app: Express, viewerDir: string): void {
  const page: RequestHandler = (request, response) => {
    if (!request.path.startsWith('/embed')) isolate(response)
    response.setHeader('Cache-Control', 'no-cache')
    response.sendFile(join(viewerDir, 'index.html'))
  }
  app.get(['/', '/embed'], page)
  app.use(express.static(viewerDir, {
    index: false,
    redirect: false,
    setHeaders: (response, path) => {
      isolate(response as Response)
      // Vite puts a content hash into the name of everything under assets/.
      response.setHeader('Cache-Control', path.includes('/assets/') ? `public, max-age=${YEAR_SECONDS}, immutable` : 'no-cache')
    },
  }))
}

function logError(error: unknown, requestId: string, request: Request): void {
  console.error(`${requestId} ${request.method} ${request.originalUrl}`, error)
}
