import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, request as httpRequest } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import { createApp } from './app.js'
import { OPERATIONS } from './compose.js'
import { originOf } from './http/origin.js'
import { httpServer } from './http/server.js'
import { schema30 } from './ogc/common/openapi-schema.js'
import { negotiate, JSON_MEDIA, HTML_MEDIA, OPENAPI31_MEDIA, OPENAPI_MEDIA } from './ogc/common/media.js'
import type { Operation } from './operations/operation.js'
import { PUBLIC, STEWARD } from './store/store.js'

/** What the app needs of the store before a handler runs is nothing: these operations never touch it. */
const seen: { aborted: boolean } = { aborted: false }
const base = { method: 'get', summary: 'A test', tags: ['Test'] } as const
const operations: readonly Operation[] = [
  { ...base, id: 'echo', path: '/echo/{word}', parameters: [
    { name: 'word', in: 'path', required: true, description: 'A word', schema: Type.String({ maxLength: 10 }) },
    { name: 'n', in: 'query', description: 'A number', schema: Type.Integer({ minimum: 1, default: 3 }) },
    { name: 'list', in: 'query', description: 'Numbers', schema: Type.Array(Type.Number()) },
    { name: 'flag', in: 'query', description: 'Yes or no', schema: Type.Boolean() },
    { name: 'either', in: 'query', description: 'Number or word', schema: Type.Union([Type.Integer(), Type.Literal('all')]) },
  ], handler: ({ params, origin }, response) => void response.json({ ...params, origin }) },
  { ...base, id: 'special', path: '/echo/special', handler: (_call, response) => void response.json('special') },
  { ...base, id: 'boom', path: '/boom', handler: () => { throw new Error('the secret of the stack') } },
  { ...base, id: 'half', path: '/half', handler: (_call, response) => { response.write('half'); throw new Error('later') } },
  { ...base, id: 'slow', path: '/slow', handler: async ({ signal }, response) => { await sleep(5000, undefined, { signal }).catch(() => { seen.aborted = true }); response.end() } },
  { ...base, id: 'write', method: 'post', path: '/things', roles: ['editor'], body: { contentType: 'application/json', schema: Type.Object({ name: Type.String({ minLength: 1 }), kind: Type.Union([Type.Literal('a'), Type.Literal('b')]) }, { additionalProperties: false }), limitBytes: 500 }, handler: ({ body }, response) => void response.status(201).json(body) },
  { ...base, id: 'list', path: '/things', handler: (_call, response) => void response.json([]) },
]

t.test('the application over a table of operations', async (t) => {
  const viewerDir = mkdtempSync(join(tmpdir(), 'dothi-viewer-'))
  mkdirSync(join(viewerDir, 'assets'))
  writeFileSync(join(viewerDir, 'index.html'), '<!doctype html><title>viewer</title>')
  writeFileSync(join(viewerDir, 'assets', 'app-1a2b.js'), 'export {}')
  const errors: string[] = []
  const config = { databaseUrl: undefined, port: 0, host: '127.0.0.1', dataDir: '.data', baseUrl: undefined, sample: false }
  const app = createApp({ store: undefined as never, jobs: undefined as never, config }, operations, {
    viewerDir,
    readerOf: async (request) => (request.get('authorization') === 'Bearer steward' ? STEWARD : request.get('authorization') ? { ...PUBLIC, subject: 'somebody' } : PUBLIC),
    onError: (error, requestId) => void errors.push(`${requestId} ${(error as Error).message}`),
  })
  const server = createServer(app)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  t.teardown(async () => { server.closeAllConnections(); await new Promise((done) => server.close(done)); rmSync(viewerDir, { recursive: true }) })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const get = (path: string, headers = {}) => fetch(url + path, { headers })
  const json = async (path: string, headers = {}) => (await get(path, headers)).json() as Promise<any>

  t.test('parameters arrive typed, with their defaults', async (t) => {
    t.match(await json('/echo/hi?list=1,2.5,-3e2&flag=true&either=7'), { word: 'hi', n: 3, list: [1, 2.5, -300], flag: true, either: 7, origin: url })
    t.match(await json('/echo/hi?either=all'), { either: 'all' })
    t.equal(await json('/echo/special'), 'special', 'literal segments come before parameters')
    for (const [query, says] of [['n=0', /at least 1/], ['n=1.5', /integer/], ['n=', /integer/], ['list=1,,2', /list/], ['flag=1', /true or false/], ['either=some', /all/], ['m=1', /Did you mean “n”/], ['n=1&n=2', /2 times/]] as const)
      t.match(await json(`/echo/hi?${query}`), { status: 400, detail: says }, query)
    t.equal((await get('/echo/longerthanten')).status, 400)
  })

  t.test('writing needs a token, the right role, the right type, size and shape', async (t) => {
    const post = (body: string, headers: Record<string, string> = {}) => fetch(`${url}/things`, { method: 'POST', body, headers: { 'Content-Type': 'application/json', ...headers } })
    const steward = { Authorization: 'Bearer steward' }
    const refused = await post('{}')
    t.strictSame([refused.status, refused.headers.get('www-authenticate')], [401, 'Bearer'])
    t.equal((await post('{}', { Authorization: 'Bearer somebody' })).status, 403)
    t.match(await (await post('{"name":"x","kind":"a"}', steward)).json(), { name: 'x', kind: 'a' })
    t.match(await (await post('{"name":"","kind":"a"}', steward)).json(), { status: 400, detail: /\/name/ })
    t.match(await (await post('{"name":"x","kind":"c"}', steward)).json(), { status: 400, detail: /\/kind/ })
    t.match(await (await post('{"name":"x","kind":"a","more":1}', steward)).json(), { status: 400, detail: /more/ })
    t.match(await (await post('', steward)).json(), { status: 400 })
    t.match(await (await post('{"name":', steward)).json(), { status: 400 })
    for (const name of ['"\\u0000"', '"\\ud800"']) t.match(await (await post(`{"name":${name},"kind":"a"}`, steward)).json(), { status: 400, pointer: '/name' }, name)
    t.match(await (await post('{"name":"x","kind":"a","a\\nb":null}', steward)).json(), { status: 400, detail: /control character/ }, 'which the patterns of schemas would let pass')
    t.match(await (await post(`{"name":${'['.repeat(100)}${']'.repeat(100)},"kind":"a"}`, steward)).json(), { status: 400, detail: /64 levels/ })
    t.equal((await post(`{"name":"${'x'.repeat(600)}","kind":"a"}`, steward)).status, 413)
    t.equal((await post('<a/>', { ...steward, 'Content-Type': 'text/xml' })).status, 415)
    const wrong = await fetch(`${url}/things`, { method: 'DELETE' })
    t.strictSame([wrong.status, wrong.headers.get('allow')], [405, 'GET, HEAD, OPTIONS, POST'])
    const options = await fetch(`${url}/things`, { method: 'OPTIONS' })
    t.strictSame([options.status, options.headers.get('allow'), options.headers.get('accept-post')], [200, 'GET, HEAD, OPTIONS, POST', 'application/json'], 'an editor learns in what form to write')
    const preflight = await fetch(`${url}/things`, { method: 'OPTIONS', headers: { Origin: 'http://elsewhere', 'Access-Control-Request-Method': 'POST' } })
    t.match(preflight.headers.get('access-control-allow-headers'), /Authorization/)
  })

  t.test('what fails inside is logged and told without its innards', async (t) => {
    const response = await get('/boom', { 'X-Request-Id': 'my-request-1' })
    const text = await response.text()
    t.match(JSON.parse(text), { status: 500, instance: 'my-request-1' })
    t.notMatch(text, /secret|stack|\.ts/)
    t.strictSame(errors, ['my-request-1 the secret of the stack'])
    t.equal((await get('/boom', { Accept: 'application/json' })).headers.get('content-type'), 'application/json', 'who takes plain JSON only gets that')
    const page = await get('/nowhere?<b>', { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8', 'Accept-Language': 'vi' })
    t.strictSame([page.status, page.headers.get('content-type')], [404, 'text/html; charset=utf-8'], 'a person in a browser gets a page')
    t.match(await page.text(), new RegExp(`<html lang="vi">[^]*href="${url}/docs/problems#not-found"`))
    t.match(await json('/nowhere', { Accept: 'text/html, image/gif, *; q=.2' }), { type: `${url}/docs/problems#not-found` }, 'a program that lists text/html does not')
    await t.rejects(get('/half').then((r) => r.text()), 'half an answer does not look whole')
  })

  t.test('a client that leaves is noticed', async (t) => {
    const request = httpRequest(`${url}/slow`).on('error', () => {})
    request.end()
    await sleep(100)
    request.destroy()
    for (let i = 0; i < 50 && !seen.aborted; i++) await sleep(20)
    t.ok(seen.aborted)
  })

  t.test('the viewer is isolated, cached by name, and talks to nobody else', async (t) => {
    const page = await get('/')
    t.match(await page.text(), 'viewer')
    t.strictSame([page.headers.get('cross-origin-opener-policy'), page.headers.get('cross-origin-embedder-policy'), page.headers.get('cache-control')], ['same-origin', 'credentialless', 'no-cache'])
    t.match(page.headers.get('content-security-policy'), /default-src 'self'.*frame-ancestors 'self'/)
    t.notMatch(page.headers.get('content-security-policy'), /https?:|\*/)
    const embed = await get('/embed')
    t.equal(embed.headers.get('cross-origin-embedder-policy'), null)
    t.match(embed.headers.get('content-security-policy'), /frame-ancestors \*/)
    t.match((await get('/assets/app-1a2b.js')).headers.get('cache-control'), /immutable/)
    for (const path of ['/../package.json', '/%2e%2e/package.json', '/assets/..%2f..%2fpackage.json', '/assets/']) t.ok([400, 403, 404].includes((await get(path)).status), path)
  })

  t.test('what is no request, or too long for one, is refused in words', async (t) => {
    const strict = httpServer(app)
    await new Promise<void>((done) => strict.listen(0, '127.0.0.1', done))
    t.teardown(() => strict.close())
    const { port } = strict.address() as AddressInfo
    const long = await fetch(`http://127.0.0.1:${port}/echo/hi?list=${'1,'.repeat(500_000)}1`)
    t.strictSame([long.status, long.headers.get('content-type')], [431, 'application/problem+json'])
    t.match(await long.json(), { status: 431, detail: /longer than 131072 bytes/ })
    const answer = await new Promise<string>((done) => {
      const socket = connect(port, '127.0.0.1', () => socket.write('HELLO\r\n\r\n'))
      let text = ''
      socket.on('data', (data) => { text += data }).on('close', () => done(text))
    })
    t.match(answer, /^HTTP\/1.1 400[^]*no HTTP\/1.1 request/)
    t.equal((await fetch(`http://127.0.0.1:${port}/echo/hi?list=${'1,'.repeat(50_000)}1`)).status, 200, 'a long polygon fits')
  })

  t.test('every answer carries its time and a request id', async (t) => {
    const { headers } = await get('/things')
    t.match(headers.get('server-timing'), /^reader;dur=[\d.]+, handle;dur=[\d.]+, total;dur=[\d.]+$/)
    t.equal(headers.get('timing-allow-origin'), '*')
    t.match(headers.get('x-request-id'), /^[\w-]{36}$/)
    t.match(headers.get('access-control-allow-origin'), '*')
  })
})

t.test('the whole product’s table is one API', async (t) => {
  const ids = OPERATIONS.map(({ id }) => id)
  t.equal(new Set(ids).size, ids.length, 'operation ids are unique')
  for (const { id, path, parameters = [] } of OPERATIONS) {
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
    t.strictSame(parameters.filter((p) => p.in === 'path').map(({ name }) => name).sort(), inPath.sort(), `${id} declares what its path names`)
  }
})

t.test('schemas become OpenAPI 3.0', async (t) => {
  t.strictSame(JSON.parse(JSON.stringify(schema30(Type.Object({
    kind: Type.Union([Type.Literal('a'), Type.Literal('b')]), maybe: Type.Union([Type.Number({ exclusiveMinimum: 0 }), Type.Null()]), pair: Type.Tuple([Type.Number(), Type.Number()]),
  })))), {
    type: 'object', required: ['kind', 'maybe', 'pair'],
    properties: {
      kind: { type: 'string', enum: ['a', 'b'] }, maybe: { type: 'number', minimum: 0, exclusiveMinimum: true, nullable: true },
      pair: { type: 'array', items: { anyOf: [{ type: 'number' }, { type: 'number' }] }, minItems: 2, maxItems: 2 },
    },
  })
})

t.test('the origin is what the outermost proxy says, if it is a host at all', async (t) => {
  const of = (headers: Record<string, string>, baseUrl?: string) => originOf({ protocol: 'http', get: (name: string) => headers[name] } as never, { baseUrl })
  t.equal(of({ host: 'a:8080' }), 'http://a:8080')
  t.equal(of({ host: 'a', forwarded: 'for=1.2.3.4;proto=https;host="city.example:8443", for=x;host=y' }), 'https://city.example:8443')
  t.equal(of({ host: 'a', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'city.example, inner', 'x-forwarded-port': '8443', 'x-forwarded-prefix': '/twin' }), 'https://city.example:8443/twin')
  t.equal(of({ host: 'a', 'x-forwarded-port': '443', 'x-forwarded-proto': 'https' }), 'https://a')
  t.equal(of({ host: '[::1]:80' }), 'http://[::1]:80')
  t.equal(of({ host: 'a', 'x-forwarded-host': 'evil"><b>', 'x-forwarded-proto': 'javascript' }), 'http://a')
  t.equal(of({ host: 'a' }, 'https://base.example'), 'https://base.example')
})

t.test('Accept is read as clients write it', async (t) => {
  const best = (accept: string | undefined) => negotiate({ get: () => accept } as never, undefined, [JSON_MEDIA, HTML_MEDIA]).f
  t.equal(best(undefined), 'json')
  t.equal(best('*/*'), 'json')
  t.equal(best('text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'), 'html', 'a browser')
  t.equal(best('application/geo+json, application/json'), 'json', 'GDAL')
  t.equal(best('text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2'), 'html', 'Java')
  const version = (accept: string) => negotiate({ get: () => accept } as never, undefined, [OPENAPI_MEDIA, HTML_MEDIA, OPENAPI31_MEDIA]).f
  t.strictSame(['application/vnd.oai.openapi+json;version=3.1', 'application/vnd.oai.openapi+json; version=3.0', 'application/vnd.oai.openapi+json', 'application/json'].map(version), ['json31', 'json', 'json', 'json'])
  for (const accept of ['image/png', 'text/html;q=0']) t.throws(() => best(accept), /no representation/, accept)
})
