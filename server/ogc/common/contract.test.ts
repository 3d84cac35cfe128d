/** The document and the server keep to each other: every operation is asked, rightly and wrongly, and each answer is held against the document. */
import { Validator } from '@seriousme/openapi-schema-validator'
import t from 'tap'
import { makeTown, STORM } from '../../scenarios/test-town.js'
import { Api, ask, randomOf, RequestMaker, type ApiOperation, type Seeds } from '../../testing/openapi-client.js'
import { testServer } from '../../testing/test-store.js'

/** Requests for each operation that are made at random; `clients/` has the long run. */
const EACH = Number(process.env.FUZZ_EACH ?? 2)
const SEED = Number(process.env.FUZZ_SEED ?? 20)

/** What no right request of this test reaches: it takes another server, a conflict, a finding, or what the tests of its own folder make. */
const UNREACHED = new RegExp(`^(${[
  'pingWebhook', 'getWebhook', 'webhookDeliveries', 'getPeer', 'getSource', 'getSyncs', 'getSyncChanges', 'getConflicts', 'getExportFile', 'getOutput',
  'tiles3d.(tile|subtree|implicit.tile)', 'getState', 'esri(GenerateRenderer|QueryAttachments|Attachment)',
].join('|')})$`)

t.test('the API keeps to its document', async (t) => {
  const { url, store, token } = await testServer(t)
  await makeTown(store)
  const steward = { Authorization: `Bearer ${await token('steward')}` }
  const call = async (method: string, path: string, body?: unknown, type = 'application/json') => {
    const answer = await ask(url + path, { method, headers: { ...steward, ...(body !== undefined && { 'Content-Type': type }) }, ...(body !== undefined && { body: JSON.stringify(body) }) })
    return { ...answer, json: answer.body.startsWith('{') ? JSON.parse(answer.body) : undefined }
  }
  const documentOf = async (version: string) => (await ask(`${url}/ogc/api`, { headers: { ...steward, Accept: `application/vnd.oai.openapi+json;version=${version}` } })).body
  const api = new Api(JSON.parse(await documentOf('3.1')))
  // Paths of one collection by name stand for those of all.
  const operations = api.operations.filter(({ url }) => !/\/collections\/(?!\{|facilities\b)[^/]+\/items/.test(url))

  t.test('it is valid OpenAPI, 3.0 and 3.1', async (t) => {
    for (const version of ['3.0', '3.1']) {
      const document = JSON.parse(await documentOf(version))
      t.match(document.openapi, new RegExp(`^${version}`))
      t.match(await new Validator().validate(document), { valid: true })
    }
    const ids = api.operations.map(({ id }) => id)
    t.equal(new Set(ids).size, ids.length, 'operation ids are unique')
    for (const { id, responses } of api.operations)
      t.ok(Object.entries<any>(responses).some(([status, { content }]) => (status.startsWith('2') && content) || status === '204' || (status === '201' && id.startsWith('createFeature'))), `${id} tells what it answers`)
  })

  const scenario = (await call('POST', '/scenarios', STORM)).json.id as string
  const job = (await call('POST', `/scenarios/${scenario}/ogc/processes/flood/execution`, { inputs: { hours: 0.25 } })).json.jobID as string
  const point = { type: 'Feature', geometry: { type: 'Point', coordinates: [108.2, 16] }, properties: { kind: 'school', name: 'Trường Trần Phú' } }
  const added = async (collection: string, body: object) => Number((await call('POST', `/ogc/collections/${collection}/items`, body, 'application/geo+json')).headers.get('location')?.split('/').pop())
  const feature = await added('facilities', point)
  const address = await added('addresses', { ...point, properties: { full_address: '12 Trần Phú', so_nha: '12', duong: 'Trần Phú' } })
  const form = new FormData()
  form.append('file', new Blob(['%PDF-1.4 test'], { type: 'application/pdf' }), 'a.pdf')
  const attachment = JSON.parse((await ask(`${url}/ogc/collections/facilities/items/${feature}/attachments`, { method: 'POST', headers: steward, body: form })).body).attachments?.[0]?.id
  for (let i = 0; i < 100 && /accepted|running/.test((await call('GET', `/ogc/jobs/${job}`)).json.status); i++) await new Promise((done) => setTimeout(done, 100))

  const seeds: Seeds = {
    collectionId: ['facilities'], featureId: [feature], scenarioId: [scenario], jobId: [job], runId: [job], frame: [0], processId: ['flood', 'echo'], revision: [2, 3], page: ['services'], language: ['vi', 'en'],
    tileMatrixSetId: ['WebMercatorQuad'], tileMatrix: [12], tileRow: [1863], tileCol: [3279], z: [12], x: [3279], y: [1863], level: [0], column: [0], row: [0], collectionIds: ['facilities', 'buildings,facilities'],
    bbox: ['108.1,16,108.3,16.1'], filter: ["kind = 'school'", 'name IS NULL'], crs: ['http://www.opengis.net/def/crs/EPSG/0/3857'], asOf: [2, 3], datetime: ['2026-01-01T00:00:00Z', '../2030-01-01'], run: [job],
    layers: ['facilities', 'buildings'], format: ['geojson', 'csv'], from: [1], lon: [108.2], lat: [16.05], coords: ['LINESTRING(108.2 16.05, 108.21 16.06)'], q: ['trường'], limit: [1, 5], properties: ['name'], styleId: ['default'],
    recordId: ['facilities'], instanceId: [job], locationId: [address], within: [100], 'within-units': ['m'], 'corridor-width': [50], 'width-units': ['m'], fontstack: ['Be Vietnam Pro Medium'], range: ['0-255'], output: ['run'],
    service: ['facilities'], layerId: [0], objectId: [1], attachmentId: [attachment], webhookId: ['x'], sourceId: ['upstream'], peer: ['neighbour'], issueId: [1], conflictId: [1],
  }

  t.test('what is asked rightly is answered as the document says', async (t) => {
    const unreached: string[] = []
    for (const operation of operations.filter(({ method, id }) => method === 'GET' && !UNREACHED.test(id))) {
      const request = rightly(operation, seeds)
      for (const accept of ['*/*', ...acceptsOf(operation)]) {
        const answer = await ask(request, { headers: { ...steward, Accept: accept } })
        t.strictSame(api.faults(operation, answer), [], `${operation.id} ${accept}`)
        if (answer.status >= 300) unreached.push(`${operation.id} ${accept} ${answer.status} ${answer.body.slice(0, 160)}`)
      }
    }
    t.strictSame(unreached, [])
  })

  t.test('whatever is asked is answered as the document says', async (t) => {
    const maker = new RequestMaker(api, seeds, randomOf(SEED))
    for (const operation of operations) {
      for (let i = 0; i < EACH; i++) {
        const { url, init } = maker.make(operation, i % 4 === 3 ? {} : steward)
        const faults = api.faults(operation, await ask(url, init))
        if (faults.length > 0) t.fail(`${operation.id}: ${init.method} ${url.slice(0, 400)} ${JSON.stringify({ ...init, headers: { ...init.headers as object, Authorization: '' } }).slice(0, 500)}`, { faults })
      }
    }
  })
})

/** Places within the town, by the kind of query that the last part of its address names. */
const COORDS: Readonly<Record<string, string>> = {
  position: 'POINT(108.2 16)', radius: 'POINT(108.2 16)', area: 'POLYGON((108.199 15.999,108.201 15.999,108.201 16.001,108.199 15.999))',
  trajectory: 'LINESTRING(108.199 16,108.201 16)', corridor: 'LINESTRING(108.199 16,108.201 16)', profile: 'LINESTRING(108.199 16,108.201 16)', statistics: 'POLYGON((108.199 15.999,108.201 15.999,108.201 16.001,108.199 15.999))',
}

/** What an operation takes of its own. */
function special({ id, url }: ApiOperation): Seeds {
  const coords = COORDS[url.split('/').pop()!]
  const ofRuns = url.includes('/instances')
  return {
    ...(coords && { coords: [coords] }),
    ...(/edr(?!.*(Landing|Api|Conformance))|Coverage/i.test(id) && { collectionId: [ofRuns ? 'run_depth' : 'elevation'], bbox: ['108.199,15.999,108.201,16.001'] }),
    ...(id.startsWith('tiles3d.') && { collectionId: ['buildings'] }),
    ...(id === 'getMapLibreDemoFile' && { file: ['demo.mjs'] }), ...(id === 'getPageFile' && { file: ['page.js'] }),
  }
}

/** The address with what is needed and what is special, and no more. */
function rightly(operation: ApiOperation, common: Seeds): string {
  const own = special(operation)
  const seeds = { ...common, ...own }
  const search = new URLSearchParams(operation.parameters.filter((parameter) => parameter.in === 'query' && (parameter.required || own[parameter.name])).map(({ name }): [string, string] => [name, String(seeds[name]?.[0])]))
  return `${operation.url.replace(/\{(\w+)\}/g, (_all, name: string) => encodeURIComponent(String(seeds[name]?.[0])))}${search.size > 0 ? `?${search}` : ''}`
}

/** The representations that an operation offers, one by one. */
function acceptsOf({ id, responses, parameters }: ApiOperation): string[] {
  // Esri's clients choose by `f` alone.
  return !id.startsWith('esri') && parameters.some(({ name }) => name === 'f') ? Object.keys(responses[200]?.content ?? {}) : []
}
