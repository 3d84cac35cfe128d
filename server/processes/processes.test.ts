import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { execFile } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { Problem } from '../errors.js'
import { at, makeTown, STORM } from '../scenarios/test-town.js'
import { testServer, type TestServer } from '../testing/test-store.js'
import { CALLBACK_DEFAULTS, startCallbacks } from './callbacks.js'
import { modeOf } from './execution.js'
import { PROCESSES } from './processes.js'

interface Answer { readonly status: number; readonly headers: Headers; readonly text: string; readonly body: any }

function client({ url }: { readonly url: string }) {
  const send = async (method: string, path: string, body?: unknown, bearer?: string, headers: Record<string, string> = {}): Promise<Answer> => {
    const response = await fetch(path.startsWith('http') ? path : url + path, {
      method, ...(body !== undefined && { body: JSON.stringify(body) }),
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...(bearer && { authorization: `Bearer ${bearer}` }), ...headers },
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, body: /json/.test(response.headers.get('content-type') ?? '') ? JSON.parse(text) : undefined }
  }
  const run = (process: string, body: unknown, bearer?: string, headers?: Record<string, string>) => send('POST', `/ogc/processes/${process}/execution`, body, bearer, headers)
  const ended = async (location: string, bearer?: string) => {
    for (let tries = 0; tries < 600; tries++) {
      const { body } = await send('GET', location, undefined, bearer)
      if (body.finished) return body
      await sleep(50)
    }
    throw new Error('The job did not end within 30 s.')
  }
  return { send, get: (path: string, bearer?: string, headers?: Record<string, string>) => send('GET', path, undefined, bearer, headers), run, ended }
}

async function receiver(t: Test, answer: (path: string) => number = () => 200) {
  const heard: { path: string; body: any }[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const text = Buffer.concat(chunks).toString()
    if (request.method === 'GET') return void response.end(JSON.stringify(SERVED[request.url!] ?? null))
    heard.push({ path: request.url!, body: JSON.parse(text) })
    response.writeHead(answer(request.url!)).end()
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  t.teardown(() => { server.closeAllConnections(); server.close() })
  return { heard, at: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}
const SERVED: Record<string, unknown> = { '/numbers.json': [4, 5, 6], '/wrong.json': ['a'] }

async function serverWithFiles(t: Test): Promise<TestServer> {
  const config = { dataDir: await mkdtemp(join(tmpdir(), 'dothi-processes-')) }
  t.teardown(() => rm(config.dataDir, { recursive: true, force: true }))
  return testServer(t, { config })
}

t.test('echo: values, parts, a document, references, and what is wrong with a request', async t => {
  const server = await testServer(t)
  const { run, get, send, ended } = client(server)
  const viewer = await server.token('viewer')

  const one = await run('echo', { inputs: { message: 'Xin chào' } })
  t.match({ status: one.status, type: one.headers.get('content-type'), text: one.text, link: one.headers.get('link') }, { status: 200, type: 'text/plain; charset=utf-8', text: 'Xin chào', link: null })
  t.equal((await run('echo', { inputs: { message: 'a' } }, undefined, { accept: 'application/json' })).text, '"a"')
  t.strictSame((await run('echo', { inputs: { message: 'a', numbers: [1, 2] }, outputs: { numbers: {} } })).body, [1, 2])

  const parts = await run('echo', { inputs: { message: 'a', numbers: [1, 2], picture: Buffer.from('II*\0').toString('base64') }, outputs: { message: {}, picture: {}, numbers: { transmissionMode: 'reference' } } })
  const boundary = /^multipart\/related; boundary="(.+)"$/.exec(parts.headers.get('content-type')!)![1]!
  const pieces = parts.text.split(`--${boundary}`)
  t.equal(pieces.length, 5)
  t.equal(pieces[4], '--\r\n')
  t.match(pieces[1], /Content-Type: text\/plain; charset=utf-8\r\nContent-ID: <message>\r\n\r\na\r\n/)
  t.match(pieces[2], /Content-Location: http.*\/results\/numbers\r\n\r\n\r\n/)
  t.match(pieces[3], /Content-Type: image\/tiff; application=geotiff\r\nContent-ID: <picture>\r\n\r\nII\*\0\r\n/)

  const document = await run('echo', { inputs: { message: 'a', box: { bbox: [1, 2, 3, 4] }, anything: { value: { deep: true } } }, response: 'document' })
  t.strictSame(document.body, { message: 'a', box: { bbox: [1, 2, 3, 4], crs: 'http://www.opengis.net/def/crs/OGC/1.3/CRS84' }, anything: { value: { deep: true }, mediaType: 'application/json' } })
  const kept = new URL(document.headers.get('content-location')!).pathname
  t.strictSame((await get(kept)).body, document.body, 'the results stay where Content-Location says')
  t.strictSame((await get(`${kept}/anything`)).body, { deep: true }, 'and each by its name')
  t.match((await get(kept, undefined, { accept: 'text/html' })).text, /<h1>Echo<\/h1>[^]*\/results\/box/)
  t.match(await get(`${kept}/mesage`), { status: 404, body: { detail: /Did you mean “message”/ } })
  t.match(await get(`${kept}/number`), { status: 404, body: { detail: /has no “number”/ } })
  const references = await run('echo', { inputs: { message: 'a' }, outputs: { message: { transmissionMode: 'reference' } } })
  t.match({ status: references.status, text: references.text }, { status: 204, text: '' })
  t.equal((await get(/<(.*?)>/.exec(references.headers.get('link')!)![1]!)).text, 'a')

  const mistakes: readonly (readonly [unknown, string | undefined, RegExp])[] = [
    [{ inputs: { mesage: 'a' } }, '/inputs/mesage', /Did you mean “message”/],
    [{ inputs: {} }, '/inputs/message', /is needed/],
    [{ inputs: { message: 5 } }, '/inputs/message', /must be string/],
    [{ inputs: { message: 'a', numbers: [1, 'b'] } }, '/inputs/numbers/1', /must be integer/],
    [{ inputs: { message: 'a', pause: 1e9 } }, '/inputs/pause', /<= 30/],
    [{ inputs: { message: 'a', box: { bbox: [1, 2, 3] } } }, '/inputs/box/bbox', /fewer than 4/],
    [{ inputs: { message: 'a', picture: 'no base64!' } }, '/inputs/picture', /base64/],
    [{ inputs: { message: 'a', picture: { value: 'AAAA', mediaType: 'image/png' } } }, '/inputs/picture/mediaType', /is image\/tiff/],
    [{ inputs: { message: 'a', picture: { type: 'wrong' } } }, '/inputs/picture', /must be string/],
    [{ inputs: { message: 'x'.repeat(10_001) } }, '/inputs/message', /10000 characters/],
    [{ inputs: { message: 'a', anything: { value: { long: 'x'.repeat(100_000) } } } }, '/inputs', /more than 100000/],
    [{ inputs: { message: 'a' }, outputs: { massage: {} } }, '/outputs/massage', /Did you mean “message”/],
    [{ inputs: { message: 'a' }, outputs: { picture: { format: { mediaType: 'image/png' } } } }, '/outputs/picture/format/mediaType', /comes as image\/tiff/],
    [{ inputs: { message: 'a' }, response: 'cooked' }, '/response', /raw, document/],
    [{ inputs: { message: 'a' }, mode: 'async' }, '', /unknown member “mode”/],
    [{ inputs: [] }, '/inputs', /object/],
  ]
  for (const [body, pointer, detail] of mistakes) t.match(await run('echo', body), { status: 400, body: { status: 400, pointer, detail } }, JSON.stringify(body).slice(0, 90))
  t.match(await run('ecko', { inputs: {} }), { status: 404, body: { type: 'http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/no-such-process', detail: /Did you mean “echo”/ } })

  t.test('inputs by reference, for people who are known, and never inside the network', async t => {
    const there = await receiver(t)
    const from = (path: string) => ({ inputs: { message: 'a', numbers: { href: there.at + path } }, outputs: { numbers: {} } })
    t.match(await run('echo', from('/numbers.json')), { status: 401, body: { pointer: '/inputs/numbers/href' } })
    t.match(await run('echo', from('/numbers.json'), viewer), { status: 403, body: { pointer: '/inputs/numbers/href', detail: /private/ } })
    process.env.ALLOW_PRIVATE = '127.0.0.1'
    t.teardown(() => { delete process.env.ALLOW_PRIVATE })
    t.strictSame((await run('echo', from('/numbers.json'), viewer)).body, [4, 5, 6])
    t.match(await run('echo', from('/wrong.json'), viewer), { status: 400, body: { pointer: '/inputs/numbers/0' } })
    t.match(await run('echo', { inputs: { message: 'a', numbers: { href: 'http://127.0.0.1:1/' } } }, viewer), { status: 400, body: { pointer: '/inputs/numbers/href' } })
    t.match(await run('echo', { inputs: { message: 'a', numbers: { href: 'file:///etc/passwd' } } }, viewer), { status: 400 })
  })

  t.test('asynchronously: status, progress, results that are not ready, and dismissing', async t => {
    const made = await run('echo', { inputs: { message: 'slow', pause: 20 } }, undefined, { prefer: 'respond-async' })
    t.match(made, { status: 201, body: { processID: 'echo', type: 'process', status: /accepted|running/ } })
    const job = made.headers.get('location')!
    t.match(await get(`${job}/results`), { status: 404, body: { type: 'http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/result-not-ready' } })
    t.match(await get(`${job}/results/message`), { status: 404, body: { type: /result-not-ready/ } })
    t.match(await send('DELETE', job), { status: 200, body: { status: 'dismissed' } }, 'what was started without a token, anybody may cancel')
    t.match(await get(`${job}/results`), { status: 404, body: { detail: /dismissed/ } })

    const own = await run('echo', { inputs: { message: 'mine' } }, viewer, { prefer: 'respond-async' })
    const mine = own.headers.get('location')!
    t.match(await get(mine), { status: 404, body: { type: /no-such-job/ } }, 'what somebody with a token started is for him')
    t.match(await ended(mine, viewer), { status: 'successful', progress: 100 })
    t.equal((await get(`${mine}/results`, viewer)).text, 'mine')
    t.match(await send('DELETE', mine, undefined, viewer), { status: 200, body: { status: 'dismissed' } })
    t.equal((await get(mine, viewer)).status, 404, 'an ended job is taken away')

    const waited = await run('echo', { inputs: { message: 'soon', pause: 1 } }, undefined, { prefer: 'respond-async, wait=20' })
    t.match({ status: waited.status, text: waited.text }, { status: 200, text: 'soon' }, 'who is done within the wait answers at once')
    t.strictSame(modeOf('respond-async; wait=999999', PROCESSES.find(({ id }) => id === 'echo')!), { mode: 'async', waitSeconds: 60 })
    t.strictSame(modeOf(undefined, PROCESSES.find(({ id }) => id === 'flood')!), { mode: 'async', waitSeconds: 0 })
  })

  t.test('people without a token have so many echoes under way, and only the newest are kept', async t => {
    const many = await Promise.all(Array.from({ length: 24 }, () => run('echo', { inputs: { message: 'a', pause: 2 } }, undefined, { prefer: 'respond-async' })))
    const late = await run('echo', { inputs: { message: 'a' } })
    t.ok([...many, late].some(({ status }) => status === 429))
    for (const { status, headers } of many) if (status === 201) await send('DELETE', headers.get('location')!)
    await sql`insert into dothi.jobs (kind, state, owner, created, finished) select 'echo', 'successful', 'public', now() - interval '1 day', now() from generate_series(1, 600)`.execute(server.store.db)
    await run('echo', { inputs: { message: 'a' } })
    const { rows: [count] } = await sql<{ n: number }>`select count(*)::int as n from dothi.jobs where kind = 'echo'`.execute(server.store.db)
    t.ok(count!.n <= 501)
  })
})

t.test('subscribers hear of progress and of the end, again where they were not there', async t => {
  const server = await testServer(t)
  const { run } = client(server)
  const viewer = await server.token('viewer')
  process.env.ALLOW_PRIVATE = '127.0.0.1'
  t.teardown(() => { delete process.env.ALLOW_PRIVATE })
  let failures = 2
  const there = await receiver(t, path => path === '/done' && failures-- > 0 ? 503 : 200)
  const service = startCallbacks(server, server.config, { ...CALLBACK_DEFAULTS, backoffMs: 20, progressMs: 100 })
  t.teardown(() => service.stop())
  server.jobs.register('echo', async ({ report }, { message, ...rest }) => {
    if (message === 'fail') throw new Problem(422, 'conflict', 'It cannot be done.')
    for (let i = 1; i < 100 && !there.heard.some(({ path }) => path === '/progress'); i++) { report(i / 100, 'on the way'); await sleep(100) }
    return { message, ...rest }
  })
  const subscriber = { successUri: `${there.at}/done`, inProgressUri: `${there.at}/progress`, failedUri: `${there.at}/failed` }
  t.match(await run('echo', { inputs: { message: 'a' }, subscriber }), { status: 401 }, 'nobody unknown makes dothi call')
  t.match(await run('echo', { inputs: { message: 'a' }, subscriber: { successUri: 'ftp://x' } }, viewer), { status: 400, body: { pointer: '/subscriber/successUri' } })
  t.match(await run('echo', { inputs: { message: 'a' }, subscriber: {} }, viewer), { status: 400, body: { pointer: '/subscriber' } })
  const until = async (holds: () => boolean) => { for (let i = 0; i < 400 && !holds(); i++) await sleep(50) }
  t.equal((await run('echo', { inputs: { message: 'told', numbers: [1] }, subscriber }, viewer, { prefer: 'respond-async' })).status, 201)
  await until(() => there.heard.filter(({ path }) => path === '/done').length === 3)
  t.strictSame(there.heard.filter(({ path }) => path === '/done').map(({ body }) => body), Array(3).fill({ message: 'told', numbers: [1] }))
  t.match(there.heard.find(({ path }) => path === '/progress')?.body, { status: 'running', processID: 'echo' })
  t.equal((await run('echo', { inputs: { message: 'fail' }, subscriber }, viewer, { prefer: 'respond-async' })).status, 201)
  await until(() => there.heard.some(({ path }) => path === '/failed'))
  t.match(there.heard.find(({ path }) => path === '/failed')?.body, { status: 422, type: /\/docs\/problems#conflict$/, detail: 'It cannot be done.' })
  const { rows } = await sql<{ told: Date | null }>`select told from dothi.job_callbacks`.execute(server.store.db)
  t.equal(rows.length, 2)
})

t.test('processes over a town: flood, impact, clip and export, check', async t => {
  const server = await serverWithFiles(t)
  const { store } = server
  await makeTown(store)
  const { run, get, send, ended } = client(server)
  const [editor, steward, viewer] = [await server.token('editor'), await server.token('steward'), await server.token('viewer')]
  const scenario = (await send('POST', '/scenarios', STORM, editor)).body.id as string
  t.match(await run('impact', { inputs: { layers: ['buildings'] } }, editor), { status: 400, body: { pointer: '/inputs/run', detail: /no complete run yet/ } })
  const started = await send('POST', `/scenarios/${scenario}/ogc/processes/flood/execution`, { inputs: { rainFactor: 1.5, hours: 0.5 }, response: 'document', outputs: { impacts: {}, run: { transmissionMode: 'reference' } } }, editor)
  t.equal(started.status, 201, 'nobody waits for a flood')
  const { jobID: flooded, status, message } = await ended(started.headers.get('location')!)
  t.equal(status, 'successful', message)
  const results = await get(`/ogc/jobs/${flooded}/results`)
  t.match(results.body, { run: { href: `${server.url}/runs/${flooded}`, type: 'application/json' }, impacts: { value: { label: { en: 'SIMULATION – NOT A FORECAST' }, buildings: { computed: 2 } } } })
  t.match((await get(`/ogc/jobs/${flooded}/results/run`)).body, { id: flooded, complete: true })
  t.match(await send('DELETE', `/ogc/jobs/${flooded}`, undefined, steward), { status: 409 }, 'a run belongs to its scenario')

  t.test('who may not run it is told, before anything is done', async t => {
    for (const [id, inputs] of [['flood', { scenario }], ['impact', { layers: ['buildings'] }], ['clip-export', { layers: ['buildings'], area: hollow }], ['check', {}]] as const) {
      t.match(await run(id, { inputs }), { status: 401 }, id)
      t.match(await run(id, { inputs }, viewer), { status: 403 }, id)
    }
  })

  t.test('impact: any layer under the greatest depths, equal to the run’s own results', async t => {
    const { body } = await run('impact', { inputs: { layers: ['buildings', 'roads', 'facilities'] }, response: 'document' }, editor)
    const { summary: { value: summary }, features: { value: { features, simulation } } } = body
    t.match(summary, { run: flooded, scenario, depth: 0.1, layers: { buildings: { computed: 2, notComputed: 1, flooded: 1 }, roads: { computed: 2, flooded: 1 }, facilities: { computed: 1, flooded: 1 } } })
    t.equal(simulation.vi, 'MÔ PHỎNG – KHÔNG PHẢI DỰ BÁO')
    const own = (await get(`/scenarios/${scenario}/ogc/collections/run_buildings/items`)).body.features.find((feature: any) => feature.properties.name === 'Trong trũng')
    const { id, properties } = features.find((feature: any) => feature.properties.layer === 'buildings')
    t.match({ id, ...properties }, { id: own.properties.building, name: 'Trong trũng', depth_max_m: own.properties.depth_max_m, depth_class: own.properties.depth_class, arrival_s: own.properties.arrival_s, duration_s: own.properties.duration_s, simulation: 'SIMULATION – NOT A FORECAST' })
    t.notOk(features.some((feature: any) => feature.properties.name === 'Cầu'), 'below a bridge the water passes')
    const none = (await run('impact', { inputs: { run: flooded, layers: ['buildings'], area: { type: 'Polygon', coordinates: [[at(-300, 150), at(-200, 150), at(-200, 250), at(-300, 250), at(-300, 150)]] } }, outputs: { summary: {} } }, editor)).body
    t.match(none.layers.buildings, { computed: 1, flooded: 0, byDepthClass: { dry: 1, deep: 0 } })
    t.equal((await run('impact', { inputs: { layers: ['buildings'], depth: 20 }, outputs: { summary: {} } }, editor)).body.layers.buildings.flooded, 0)
    t.match(await run('impact', { inputs: { layers: ['run_buildings'] } }, editor), { status: 400, body: { pointer: '/inputs/layers/0' } })
    t.match(await run('impact', { inputs: { layers: ['buildings', 'bildings'] } }, editor), { status: 400, body: { pointer: '/inputs/layers/1', detail: /Did you mean buildings/ } })
    t.match(await run('impact', { inputs: { run: '00000000-0000-4000-8000-000000000000', layers: ['buildings'] } }, editor), { status: 400, body: { pointer: '/inputs/run' } })
    t.match(await run('impact', { inputs: { run: 'x', layers: ['buildings'] } }, editor), { status: 400, body: { pointer: '/inputs/run' } })
  })

  t.test('clip and export: cut at the edge, solids whole, in any format', async t => {
    const job = await run('clip-export', { inputs: { layers: ['roads'], area: hollow }, response: 'raw' }, editor)
    t.match(job.headers.get('content-disposition'), /roads\.geojson/)
    const roads = JSON.parse(job.text).features
    t.equal(roads.length, 2)
    for (const { geometry } of roads) for (const [lon] of geometry.coordinates.flat()) t.ok(lon >= at(-20, 0)[0] - 1e-9 && lon <= at(20, 0)[0] + 1e-9, 'nothing beyond the edge')
    const whole = JSON.parse((await run('clip-export', { inputs: { layers: ['roads'], area: hollow, cut: false } }, editor)).text).features
    t.ok(whole[0].geometry.coordinates.flat().some(([lon]: number[]) => lon! > at(90, 0)[0]), 'unless it is wanted so')
    const half = { type: 'Polygon', coordinates: [[at(0, -30), at(30, -30), at(30, 30), at(0, 30), at(0, -30)]] }
    const house = JSON.parse((await run('clip-export', { inputs: { layers: ['buildings'], area: half } }, editor)).text).features
    t.ok(house[0].geometry.coordinates.flat(2).some(([lon]: number[]) => lon! < at(-5, 0)[0]), 'a house is not cut in two')
    t.equal(JSON.parse((await run('clip-export', { inputs: { layers: ['roads'], area: hollow, filter: "name = 'Cầu'" } }, editor)).text).features.length, 1)
    const sea = JSON.parse((await run('clip-export', { inputs: { layers: ['water_bodies'], area: { type: 'Polygon', coordinates: [[at(360, -10), at(380, -10), at(380, 10), at(360, 10), at(360, -10)]] } } }, editor)).text).features
    const east = sea[0].geometry.coordinates.flat(2).map(([lon]: number[]) => lon!)
    t.ok(Math.max(...east) < at(381, 0)[0] && Math.min(...east) > at(369, 0)[0])

    const gpkg = await run('clip-export', { inputs: { layers: ['roads', 'buildings'], area: hollow, format: 'gpkg', crs: 'EPSG:5899' } }, editor, { prefer: 'respond-async' })
    const location = gpkg.headers.get('location')!
    t.equal((await ended(location, editor)).status, 'successful')
    t.equal((await get(`${location}/results/file`)).status, 404, 'for who asked for it')
    const file = await fetch(`${location}/results/file`, { headers: { authorization: `Bearer ${editor}` } })
    t.match(file.headers.get('content-type'), /geopackage/)
    const path = join(server.config.dataDir, 'clipped.gpkg')
    await writeFile(path, Buffer.from(await file.arrayBuffer()))
    const { stdout } = await promisify(execFile)('ogrinfo', ['-ro', '-so', '-al', path])
    t.match(stdout, /Layer name: roads[^]*Feature Count: 2|Feature Count: 2[^]*Layer name: roads/)
    const every = await run('clip-export', { inputs: { layers: ['all'], area: hollow, format: 'csv' } }, editor)
    t.match(every.headers.get('content-disposition'), /city\.csv\.zip/)
    t.equal((await fetch(`${location}/results/file`, { headers: { authorization: `Bearer ${editor}`, range: 'bytes=0-15' } })).status, 206)
    await rm(join(server.config.dataDir, 'exports'), { recursive: true })
    t.match(await get(`${location}/results/file`, editor), { status: 404, body: { detail: /expired/ } })
    t.match(await send('POST', `${location.slice(server.url.length)}/again`, undefined, editor), { status: 201 }, 'and made anew by who asked for it')

    const bad = (area: unknown) => run('clip-export', { inputs: { layers: ['roads'], area } }, editor)
    t.match(await bad({ type: 'Polygon', coordinates: [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]] }), { status: 400, body: { pointer: '/inputs/area', detail: /Self-intersection/ } })
    t.match(await bad({ type: 'Polygon', coordinates: [[[0, 0], [1, 1], [1, 0]]] }), { status: 400, body: { pointer: /^\/inputs\/area/ } })
    t.match(await bad({ type: 'Polygon', coordinates: [[[16, 108], [17, 108], [17, 109], [16, 108]]] }), { status: 400, body: { detail: /longitudes/ } })
    t.match(await bad({ type: 'Polygon', coordinates: [[['a', 'b'], [1, 1], [1, 0], ['a', 'b']]] }), { status: 400 })
    t.match(await bad({ type: 'Point', coordinates: [0, 0] }), { status: 400, body: { pointer: '/inputs/area/type' } })
    t.match(await run('clip-export', { inputs: { layers: ['roads'], area: hollow, filter: 'name =' } }, editor), { status: 400, body: { pointer: '/inputs/filter' } })
    t.match(await run('clip-export', { inputs: { layers: ['roads'], area: hollow, crs: 'EPSG:1' } }, editor), { status: 400, body: { pointer: '/inputs/crs' } })
    t.match(await run('clip-export', { inputs: { layers: ['roads'], area: hollow, asOf: 'soon' } }, editor), { status: 400, body: { pointer: '/inputs/asOf' } })
    t.match(await run('clip-export', { inputs: { layers: ['roads'], area: hollow, format: 'shp' } }, editor), { status: 400, body: { pointer: '/inputs/format' } })
  })

  t.test('check: its report and its findings', async t => {
    const checked = async (inputs: object) => {
      const { body: { report: { value: report }, issues: { value: { features } } } } = await run('check', { inputs, response: 'document' }, editor)
      return { found: report.found as number, layers: features.map((feature: any) => feature.properties.layer) as string[], rules: features.map((feature: any) => feature.properties.rule) as string[] }
    }
    const all = await checked({})
    t.ok(all.found > 0)
    t.equal(all.layers.length, all.found)
    const [layer] = all.layers
    const one = await checked({ layers: [layer] })
    t.strictSame(one.layers, all.layers.filter(name => name === layer))
    t.equal(one.found, one.layers.length)
    t.strictSame((await checked({ rules: [all.rules[0]] })).rules, all.rules.filter(rule => rule === all.rules[0]))
    t.strictSame((await checked({ box: { bbox: [...at(-600, -400), ...at(-599, -399)] } })).layers, [], 'nothing stands in that corner')
    t.match(await run('check', { inputs: { rules: ['no_such_rule'] } }, editor), { status: 400, body: { pointer: '/inputs/rules/0' } })
    t.match(await run('check', { inputs: { box: { bbox: [4, 3, 2, 1] } } }, editor), { status: 400, body: { pointer: '/inputs/box/bbox' } })
    t.match(await run('check', { inputs: { box: { bbox: [...at(-50, -50), ...at(50, 50)] } }, outputs: { report: {} } }, editor), { status: 200, body: { found: Number } })
  })

  t.test('each process is told in both languages, to programs and to people', async t => {
    const { body } = await get('/ogc/processes?lang=vi')
    t.strictSame(body.processes.map((one: any) => one.id), PROCESSES.map(({ id }) => id))
    t.equal(body.processes[0].title, 'Ngập theo kịch bản')
    for (const { id, inputs } of PROCESSES) {
      const { body } = await get(`/ogc/processes/${id}`)
      t.strictSame(Object.keys(body.inputs), Object.keys(inputs), id)
      t.notMatch(JSON.stringify(body), /"const"|"examples"/, 'in the words of OpenAPI 3.0')
      t.match((await get(`/ogc/processes/${id}?f=html&lang=vi`)).text, /<h2>Đầu vào<\/h2>/)
    }
    t.match((await get('/ogc/jobs', steward, { accept: 'text/html' })).text, /Clip and export/)
    t.match((await get(`/ogc/jobs/${flooded}?lang=vi`, undefined, { accept: 'text/html' })).text, /Trạng thái/)
  })
})

const hollow = { type: 'Polygon', coordinates: [[at(-20, -30), at(20, -30), at(20, 30), at(-20, 30), at(-20, -30)]] }
