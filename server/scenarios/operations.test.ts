import t from 'tap'
import { dequantise } from '../../simulation/flood/frame.js'
import { testServer } from '../testing/test-store.js'
import { makeTown, STORM } from './test-town.js'

t.test('scenarios and floods over HTTP', async t => {
  const { url, store, token } = await testServer(t)
  await makeTown(store)
  const editor = await token('editor'), viewer = await token('viewer')
  const send = async (method: string, path: string, body?: unknown, bearer: string | undefined = editor) => {
    const response = await fetch(url + path, { method, headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...(bearer && { authorization: `Bearer ${bearer}` }) }, ...(body !== undefined && { body: JSON.stringify(body) }) })
    return { status: response.status, headers: response.headers, body: await response.json() as any }
  }
  const get = (path: string) => send('GET', path, undefined, '')

  t.match(await send('POST', '/scenarios', STORM, ''), { status: 401 }, 'nobody makes a scenario without a token')
  t.match(await send('POST', '/scenarios', STORM, viewer), { status: 403 })
  const made = await send('POST', '/scenarios', STORM)
  t.match(made, { status: 201, body: { title: STORM.title, latestRun: null, label: { en: 'SIMULATION – NOT A FORECAST' } } })
  const id: string = made.body.id
  t.match((await get('/scenarios')).body.scenarios, [{ id, latestRun: null }])
  t.match(await get(`/scenarios/${id}`), { status: 200, body: { id, forcing: { hours: 1 } } })
  t.match(await get('/scenarios/00000000-0000-4000-8000-000000000000'), { status: 404 })

  t.test('a scenario that cannot be is refused and not kept', async t => {
    const wrong = (forcing: object) => send('POST', '/scenarios', { ...STORM, forcing: { ...STORM.forcing, ...forcing } })
    t.match(await wrong({ hours: -1 }), { status: 400, body: { pointer: '/forcing/hours' } })
    t.match(await wrong({ start: 'yesterday' }), { status: 400, body: { detail: /not an instant/ } })
    t.match(await wrong({ rain: { source: '', hours: [0, 2, 1], values: [1, 2, 3] } }), { status: 400, body: { detail: /goes back in time: hour 1 follows 2/ } })
    t.match(await wrong({ sea: { source: '', hours: [0], values: [1, 2] } }), { status: 400, body: { detail: /1 hours and 2 values/ } })
    t.match(await wrong({ rain: { source: '', hours: [0], values: [-5] } }), { status: 400 })
    t.match(await wrong({ storm: true }), { status: 400, body: { detail: /unknown member “storm”/ } })
    t.equal((await get('/scenarios')).body.scenarios.length, 1)
  })

  t.test('the process says what it takes', async t => {
    t.match((await get('/ogc/processes?limit=1')).body.processes, [{ id: 'flood', jobControlOptions: ['async-execute', 'dismiss'] }])
    t.match((await get('/ogc/processes/flood')).body, { id: 'flood', inputs: { scenario: { minOccurs: 1 }, rainFactor: { minOccurs: 0, schema: { type: 'number' } } }, outputs: { impacts: {} } })
    const page = await fetch(`${url}/ogc/processes/flood`, { headers: { accept: 'text/html' } })
    t.match(await page.text(), /<h1>Flood over a scenario<\/h1>[^]*rainFactor/, 'to a person too')
    t.match(await get('/ogc/processes/earthquake'), { status: 404 })
    const execution = '/ogc/processes/flood/execution'
    t.match(await send('POST', execution, { inputs: { scenario: id } }, ''), { status: 401 })
    t.match(await send('POST', execution, { inputs: {} }), { status: 400, body: { detail: /“scenario” is needed/ } })
    t.match(await send('POST', execution, { inputs: { scenario: 'x' } }), { status: 400 })
    t.match(await send('POST', execution, { inputs: { scenario: id, rainFactor: 99 } }), { status: 400, body: { pointer: '/inputs/rainFactor' } })
    t.match((await get('/schemas/flood-case-1.json')).body, { title: 'Flood case, version 1', properties: { version: { const: 1 } } })
  })

  const started = await send('POST', `/scenarios/${id}/ogc/processes/flood/execution`, { inputs: { rainFactor: 1.5, hours: 0.5 } })
  t.match(started, { status: 201, body: { processID: 'flood', status: 'accepted' } })
  const job: string = started.body.jobID
  t.equal(started.headers.get('location'), `${url}/scenarios/${id}/ogc/jobs/${job}`)
  let status
  do {
    await new Promise(done => setTimeout(done, 200))
    status = (await get(`/ogc/jobs/${job}`)).body
  } while (status.status === 'accepted' || status.status === 'running')
  t.equal(status.status, 'successful', status.message)

  t.test('a run’s frames, peaks and impacts come as promised', async t => {
    const { body: manifest } = await get(`/runs/${job}`)
    t.match(manifest, { id: job, scenario: id, complete: true, times: [0, 300, 600, 900, 1200, 1500, 1800], label: { vi: 'MÔ PHỎNG – KHÔNG PHẢI DỰ BÁO' } })
    const cells = manifest.grid.rows * manifest.grid.cols
    const frame = await fetch(`${url}/runs/${job}/frames/6`)
    const depths = dequantise(new Uint16Array(await frame.arrayBuffer()))
    t.equal(depths.length, cells, 'inflated on the way')
    t.ok(depths.some(depth => depth > 0.1) && depths.some(Number.isNaN))
    t.match(frame.headers.get('cache-control'), /immutable/)
    t.equal((await fetch(`${url}/runs/${job}/frames/6`, { headers: { 'if-none-match': frame.headers.get('etag')! } })).status, 304)
    t.equal(new Uint16Array(await (await fetch(`${url}/scenarios/${id}/runs/${job}/max`)).arrayBuffer()).length, cells)
    t.equal(new Float32Array(await (await fetch(`${url}/runs/${job}/max?what=arrival01`)).arrayBuffer()).length, cells)
    t.match((await get(`/runs/${job}/impacts`)).body, { run: job, label: { en: 'SIMULATION – NOT A FORECAST' }, buildings: { computed: 2, notComputed: 1 } })
    t.strictSame(Object.keys((await get(`/runs/${job}/impacts`)).body.byDepthClass), ['dry', 'ankle', 'shin', 'knee', 'waist', 'car', 'deep'])
    for (const path of ['/runs/x', '/runs/00000000-0000-4000-8000-000000000000', `/runs/${job}/frames/7`, '/runs/x/max', '/runs/x/impacts']) t.match(await get(path), { status: 404 }, path)
    t.match(await get(`/runs/${job}/frames/-1`), { status: 400 })
    t.match((await get('/scenarios')).body.scenarios, [{ latestRun: job, latestRunState: 'successful' }])
  })

  t.test('the results are collections of the scenario', async t => {
    const { body } = await get(`/scenarios/${id}/ogc/collections/run_buildings/items?run=${job}`)
    t.match(body.features.map((feature: any) => feature.properties.name).sort(), ['Nền cao', 'Trong trũng'])
    t.match((await get(`/scenarios/${id}/ogc/collections/run_roads/items`)).body.features.length, 2, 'the latest run unless said')
  })

  t.test('filters ask how deep a feature was under water', async t => {
    const matched = async (condition: string) => (await get(`/ogc/collections/buildings/items?filter=${encodeURIComponent(condition)}`)).body
    t.match((await matched(`floodDepth('${job}') > 0.1`)).features.map((feature: any) => feature.properties.name), ['Trong trũng'])
    t.match((await matched(`floodDepth('${job.toUpperCase()}') <= 0.1`)).features.map((feature: any) => feature.properties.name), ['Nền cao'])
    t.match((await matched(`floodDepth('${job}') IS NULL`)).features.map((feature: any) => feature.properties.name), ['Trên đồi'], 'what was not computed is not dry')
    t.equal((await matched("floodDepth('not a run') > 0")).numberMatched, 0)
    t.equal((await matched("floodDepth('not a run') IS NULL")).numberMatched, (await matched('TRUE')).numberMatched)
    t.match(await get(`/ogc/collections/trees/items?filter=${encodeURIComponent(`floodDepth('${job}') > 0`)}`), { status: 400 })
  })
})
