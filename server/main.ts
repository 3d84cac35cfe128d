/** The server process: listens at once, opens the store, loads the sample into an empty one, serves until it is told to stop. */
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { createAccess } from './access/access.js'
import { sessionToken } from './access/session.js'
import { createApp } from './app.js'
import { progressLine } from './cli/progress.js'
import { firstStart, openBackend, OPERATIONS, ready } from './compose.js'
import type { Backend } from './compose.js'
import type { Config } from './config.js'
import { problemBody, Problem } from './errors.js'
import { httpServer } from './http/server.js'
import { tileFolder } from './ogc/tiles/jobs.js'
import { tileCacheOf } from './ogc/tiles/tile-cache.js'

/** What /readyz tells. */
interface Readiness { ready: boolean; progress: number; message: string; ping?: () => Promise<unknown> }

/** Resolves when the server has stopped. Throws what keeps it from starting. */
export async function serve(config: Config): Promise<void> {
  const stop = stopSignal()
  const state: Readiness = { ready: false, progress: 0, message: 'Starting the database' }
  let app: RequestListener = notYet(state)
  const http = httpServer((request, response) => { if (!health(state, request, response)) app(request, response) })
  await listen(http, config)
  let backend: Backend | undefined
  try {
    backend = await openBackend(config)
    const { db } = backend.store
    tileCacheOf(backend.store).keepOnDisk({ directory: tileFolder(config) })
    state.ping = () => sql`select 1`.execute(db)
    app = createListener(backend, config)
    backend.jobs.start()
    await loadFirst(backend, config, state, stop)
    if (!stop.aborted) {
      Object.assign(state, { ready: true, progress: 1, message: '' })
      await welcome(http, backend, config)
      await ready(backend, config)
      await aborted(stop)
    }
  } finally {
    http.close()
    http.closeAllConnections()
    await backend?.close()
  }
}

/** The application over a backend. */
export function createListener({ store, jobs }: Backend, config: Config): RequestListener {
  const access = createAccess({ store, config })
  return createApp({ store, jobs, config }, OPERATIONS, {
    readerOf: request => access.reader(request),
    clearanceNow: request => access.clearanceNow(request),
    viewerDir: viewerDir(),
    middleware: [async (request, response, next) => { if (!(await access.login(request, response))) next() }],
  })
}

/** The built viewer, from source or from dist/. */
function viewerDir(): string | undefined {
  return ['../viewer/dist', '../../viewer/dist'].map(path => fileURLToPath(new URL(path, import.meta.url))).find(path => existsSync(`${path}/index.html`))
}

/** Loads the sample where it belongs; Ctrl-C does not wait for it, closing the jobs interrupts it. */
async function loadFirst(backend: Backend, config: Config, state: Readiness, signal: AbortSignal) {
  const line = progressLine()
  state.message = 'Looking at the store'
  const loading = firstStart(backend, config, (progress, message) => {
    Object.assign(state, { progress, message })
    line.show('Sample city', progress, message)
  })
  loading.catch(() => {})
  await Promise.race([loading, aborted(signal)])
  line.end()
}

const aborted = (signal: AbortSignal) => new Promise<void>(done => {
  if (signal.aborted) done()
  else signal.addEventListener('abort', () => done(), { once: true })
})

async function welcome(http: Server, { store }: Backend, config: Config) {
  const { port } = http.address() as AddressInfo
  const origin = config.baseUrl ?? `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`
  console.log(`${(await store.city()).name} is at ${origin}/?token=${await sessionToken(store, config.dataDir)}`)
  console.log(`(this link is the steward's: it may write. ${origin}/ is for everybody. Ctrl-C stops.)`)
}

function listen(http: Server, { host, port }: Config): Promise<void> {
  return new Promise((done, fail) => {
    http.once('error', fail)
    http.listen(port, host, () => { http.off('error', fail); done() })
  })
}

/** `/healthz`: the process lives. `/readyz`: the first load is done and the database answers. */
function health(state: Readiness, { url, method }: IncomingMessage, response: ServerResponse): boolean {
  const path = url?.split('?')[0]
  if (path !== '/healthz' && path !== '/readyz') return false
  const answer = (status: number, body: object) => {
    response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', ...(status === 503 && { 'Retry-After': '1' }) })
    response.end(method === 'HEAD' ? undefined : `${JSON.stringify(body)}\n`)
  }
  const { ready, progress, message, ping } = state
  if (path === '/healthz') answer(200, { status: 'live' })
  else if (!ready) answer(503, { status: 'starting', progress, message })
  else Promise.race([ping?.(), sleep(PING_MS, undefined, { ref: false }).then(() => { throw new Error('slow') })])
    .then(() => answer(200, { status: 'ready' }), () => answer(503, { status: 'waiting', message: 'The database does not answer.' }))
  return true
}

const PING_MS = 2_000

function notYet(state: Readiness): RequestListener {
  return (_request, response) => {
    const problem = new Problem(503, 'unavailable', `dothi is starting (${state.message}): try again in a few seconds.`)
    response.writeHead(503, { 'Content-Type': 'application/problem+json', 'Retry-After': '2', 'Cache-Control': 'no-store' })
    response.end(JSON.stringify(problemBody(problem, 'starting')))
  }
}

/** Aborts at the first Ctrl-C, SIGTERM or closed terminal; the second does not wait for anybody. */
function stopSignal(): AbortSignal {
  const abort = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (abort.signal.aborted) process.exit(130)
      console.error('\nStopping …')
      abort.abort()
    })
  }
  return abort.signal
}
