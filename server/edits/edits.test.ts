/** Writes over HTTP: OGC API Features Part 4, and batches. */
import t from 'tap'
import { sql } from 'kysely'
import { EXAMPLES, LOTS, WELLS } from '../store/example-store.js'
import { testServer, type TestServer } from '../testing/test-store.js'

const point = (lon: number, lat = 16) => ({ type: 'Point', coordinates: [lon, lat] })
const square = (lon: number, lat: number, size = 0.001) => ({ type: 'MultiPolygon', coordinates: [[[[lon, lat], [lon + size, lat], [lon + size, lat + size], [lon, lat + size], [lon, lat]]]] })
const feature = (geometry: unknown, properties: object) => ({ type: 'Feature', geometry, properties })

interface Answer { readonly status: number; readonly headers: Headers; readonly body: any }
type Send = (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer>

async function client(server: TestServer, role: 'viewer' | 'editor' | 'steward' = 'editor'): Promise<Send> {
  const token = await server.token(role)
  return async (method, path, body, headers = {}) => {
    const response = await fetch(path.startsWith('http') ? path : server.url + path, {
      method, headers: { Authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'Content-Type': method === 'PATCH' ? 'application/merge-patch+json' : path.endsWith('/batch') ? 'application/json' : 'application/geo+json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : undefined }
  }
}
const items = (layer: string) => `/ogc/collections/${layer}/items`

t.test('create, read, replace, patch, delete, locked by what was read', async t => {
  const server = await testServer(t, { layers: EXAMPLES })
  const send = await client(server)
  const made = await send('POST', items('wells'), { ...feature(point(108.2), { name: 'Giếng', depth: 3, extra: { a: 1, b: 2 } }), links: [], id: 5 }, { 'X-Reason': encodeURIComponent('đo lại') })
  t.match({ status: made.status, body: made.body }, { status: 201, body: undefined })
  t.equal(made.headers.get('etag'), '"1"')
  t.equal(made.headers.get('x-revision'), '1')
  const url = made.headers.get('location')!
  t.match(url, /\/ogc\/collections\/wells\/items\/\d+$/)
  t.strictSame((await sql`select actor, reason from dothi.revisions`.execute(server.store.db)).rows, [{ actor: 'test editor', reason: 'đo lại' }])

  const read = await send('GET', url)
  t.match(read.headers.get('etag'), /^"1-[\w-]{16}"$/)
  t.match(read.headers.get('last-modified'), /GMT$/)
  t.equal((await send('GET', url, undefined, { 'If-None-Match': read.headers.get('etag')! })).status, 304)

  const lock = { 'If-Match': read.headers.get('etag')! }
  const patched = await send('PATCH', url, { properties: { depth: null, open: true, extra: { b: null, c: [3] } } }, { ...lock, Prefer: 'return=representation' })
  t.match(patched, { status: 200, body: { geometry: point(108.2), properties: { name: 'Giếng', depth: null, open: true, extra: { a: 1, c: [3] }, revision: 2 } } })
  t.equal(patched.headers.get('preference-applied'), 'return=representation')
  const stale = await send('PATCH', url, { properties: { depth: 9 } }, lock)
  t.match(stale, { status: 412, body: { revision: 2, detail: /you saw revision 1, it is at revision 2/ } })
  t.equal((await send('DELETE', url, undefined, { 'If-Unmodified-Since': new Date(Date.now() - 60_000).toUTCString() })).status, 412)

  // A GET written back by PUT changes nothing, and so is no revision.
  const { links: _links, ...whole } = (await send('GET', url)).body
  const same = await send('PUT', url, whole, { 'If-Unmodified-Since': new Date().toUTCString() })
  t.match({ status: same.status, revision: same.headers.get('x-revision'), tag: same.headers.get('etag') }, { status: 204, revision: null, tag: '"2"' })
  const replaced = await send('PUT', url, feature(point(108.3), { name: 'mới' }), { 'If-Match': '"1", W/"2"' })
  t.equal(replaced.status, 204)
  t.match((await send('GET', url)).body, { geometry: point(108.3), properties: { name: 'mới', open: null, extra: null, revision: 3 } })
  t.equal((await send('DELETE', url, undefined, { 'If-Match': '*' })).status, 204)
  t.equal((await send('GET', url)).status, 404)
  t.equal((await send('DELETE', url)).status, 404)
  t.match(await send('GET', `${url}?asOf=3`), { status: 200, body: { properties: { name: 'mới' } } })
})

t.test('what is not allowed, is no feature, or breaks a rule, is told and not written', async t => {
  const server = await testServer(t, { layers: EXAMPLES })
  const send = await client(server)
  const well = feature(point(108.2), { name: 'a' })
  t.equal((await fetch(server.url + items('wells'), { method: 'POST', body: '{}', headers: { 'Content-Type': 'application/geo+json' } })).status, 401)
  t.equal((await (await client(server, 'viewer'))('POST', items('wells'), well)).status, 403)
  const url = (await send('POST', items('wells'), well)).headers.get('location')!
  const told = async (method: string, path: string, body: unknown, status: number, match: object = {}, headers: Record<string, string> = {}) =>
    t.match(await send(method, path, body, headers), { status, body: match }, `${method} ${JSON.stringify(body)?.slice(0, 80)}`)
  await told('POST', items('nowhere'), well, 404)
  await told('POST', items('run_lots'), well, 405)
  await told('POST', items('wells'), { type: 'FeatureCollection', features: [] }, 400)
  await told('POST', items('wells'), { type: 'Feature', properties: {} }, 400)
  await told('POST', items('wells'), feature({ type: 'Point', coordinates: ['x', 1] }, {}), 422, { faults: [{ path: '/geometry/coordinates' }] })
  await told('POST', items('wells'), feature({ type: 'Point' }, {}), 422)
  await told('POST', items('wells'), feature(point(300), {}), 422, { faults: [{ path: '/geometry', detail: /longitude, latitude/ }] })
  await told('POST', items('lots'), feature({ type: 'Polygon', coordinates: [[[108, 16], [108.1, 16], [108.1, 16.1], [108, 16.1]]] }, { code: 'x' }), 422, { faults: [{ path: '/geometry/coordinates/0', detail: 'a ring ends where it starts' }] })
  await told('POST', items('wells'), feature(point(108), { nmae: 'x', depth: '3' }), 422, { faults: [{ path: '/properties/nmae', detail: /Did you mean “name”/ }, { path: '/properties/depth' }] })
  await told('POST', items('wells'), feature(point(108), { name: 'x', do_mat: 'Mật' }), 422, { detail: /never stored/ })
  await told('PATCH', url, { properties: { owner: 'An' } }, 422, { detail: /no property “owner”\.$/ })
  await told('PATCH', url, { id: 7 }, 400, { pointer: '/id' })
  await told('PUT', `${items('wells')}/abc`, well, 404)
  await told('PUT', url, well, 412, { detail: /no ETag/ }, { 'If-Match': 'abc' })
  await told('PUT', url, well, 400, { parameter: 'Content-Crs' }, { 'Content-Crs': '<http://www.opengis.net/def/crs/EPSG/0/2100>' })
  await told('POST', items('wells'), feature(point(108), { name: 'x'.repeat(9 << 20) }), 413)
  await told('PUT', `${items('wells')}/999`, well, 412, { detail: /If-Match/ }, { 'If-Match': '*' })
  await told('DELETE', url, undefined, 428, { detail: /If-Match/ }, { Prefer: 'handling=strict' })
  t.equal((await fetch(server.url + items('wells'), { method: 'OPTIONS' })).status, 200)
  t.equal((await fetch(server.url + items('wells'), { method: 'OPTIONS' })).headers.get('allow'), 'GET, HEAD, OPTIONS, POST')
  t.equal((await fetch(url, { method: 'OPTIONS' })).headers.get('allow'), 'DELETE, GET, HEAD, OPTIONS, PATCH, PUT')
  const { body: { conformsTo } } = await send('GET', '/ogc/conformance')
  for (const name of ['create-replace-delete', 'update', 'optimistic-locking-etags', 'optimistic-locking-timestamps']) t.ok(conformsTo.includes(`http://www.opengis.net/spec/ogcapi-features-4/1.0/conf/${name}`), name)
  const { body: api } = await send('GET', '/ogc/api?f=json')
  t.strictSame(Object.keys(api.paths['/collections/{collectionId}/items/{featureId}']).sort(), ['delete', 'get', 'patch', 'put'])
  t.equal((await sql<{ n: number }>`select count(*) as n from dothi.revisions`.execute(server.store.db)).rows[0]!.n, 1)
})

t.test('other CRSs by Content-Crs; hidden columns outlast a replacement; heights are properties', async t => {
  const server = await testServer(t, { layers: EXAMPLES })
  const send = await client(server)
  const crs = { 'Content-Crs': '<http://www.opengis.net/def/crs/EPSG/0/5899>', Prefer: 'return=representation' }
  const native = { type: 'MultiPolygon', coordinates: [[[[550000.123, 1770000], [550010, 1770000], [550010, 1770010], [550000.123, 1770000]]]] }
  const lot = await send('POST', items('lots'), feature(native, { code: 'L1', height: 12.5, ground_z: 3, source: 'đo đạc', source_id: 'L-1' }), crs)
  t.match(lot, { status: 201, body: { geometry: native, properties: { code: 'L1', height: 12.5, ground_z: 3, source: 'đo đạc', source_id: 'L-1' } } })
  t.equal(lot.headers.get('content-crs'), '<http://www.opengis.net/def/crs/EPSG/0/5899>')
  const url = lot.headers.get('location')!
  await send('PUT', url, feature((await send('GET', url)).body.geometry, { code: 'L2' }))
  t.match((await send('GET', `${url}?crs=http://www.opengis.net/def/crs/EPSG/0/5899`)).body, { geometry: native, properties: { code: 'L2', height: null, source: 'đo đạc' } }, 'seven places of a degree do not move what was surveyed')
  const flipped = await send('POST', items('wells'), feature({ type: 'Point', coordinates: [16, 108.2] }, { name: 'lat, lon' }), { 'Content-Crs': '<http://www.opengis.net/def/crs/EPSG/0/4326>' })
  const well = flipped.headers.get('location')!
  t.strictSame((await send('GET', well)).body.geometry, point(108.2))
  await (await client(server, 'steward'))('PATCH', well, { properties: { owner: 'An' } })
  await send('PUT', well, feature(point(108.2), { name: 'replaced' }))
  t.match((await (await client(server, 'steward'))('GET', well)).body.properties, { name: 'replaced', owner: 'An' })
  t.equal((await send('PATCH', well, { geometry: { coordinates: [108.4, 16] } })).status, 204)
  t.strictSame((await send('GET', well)).body.geometry, point(108.4))
})

t.test('a batch is one revision over several layers, or none; names stand for new features; dry runs write nothing', async t => {
  const server = await testServer(t, { layers: EXAMPLES })
  const send = await client(server)
  const old = (await send('POST', items('wells'), feature(point(108.2), { name: 'old' }))).headers.get('location')!
  const id = Number(old.split('/').at(-1))
  const batch = {
    reason: 'tách thửa',
    edits: [
      { action: 'create', collection: 'lots', ref: 'lot', feature: feature(square(108, 16), { code: 'A' }) },
      { action: 'create', collection: 'wells', ref: 'well', feature: feature(point(108.1), { name: { $ref: 'lot' }, floors: { $ref: 'lot' } }) },
      { action: 'update', collection: 'wells', id: { $ref: 'well' }, feature: { properties: { depth: 4 } } },
      { action: 'delete', collection: 'wells', id, ifMatch: 1 },
    ],
  }
  const tried = await send('POST', '/batch', { ...batch, dryRun: true })
  t.match(tried, { status: 200, body: { dryRun: true, revision: null, changed: 4 } })
  const done = await send('POST', '/batch', batch)
  t.match(done, { status: 200, body: { revision: 2, results: [{ ref: 'lot', collection: 'lots' }, { ref: 'well' }, {}, { id }] } })
  const [lot, well] = done.body.results.map((result: { id: number }) => result.id)
  t.match((await send('GET', `${items('wells')}/${well}`)).body.properties, { name: String(lot), floors: lot, depth: 4, revision: 2 })
  t.match((await sql`select layer, inserted, updated, deleted from dothi.changes where revision = 2 order by layer`.execute(server.store.db)).rows, [{ layer: 'lots', inserted: 1 }, { layer: 'wells', inserted: 1, deleted: 1 }])

  const bad = await send('POST', '/batch', { edits: [
    { action: 'create', collection: 'lots', feature: feature(square(108, 16), { code: 'B' }) },
    { action: 'update', collection: 'wells', id: well, ifMatch: 1, feature: { properties: { depth: 5 } } },
    { action: 'delete', collection: 'wells', id },
    { action: 'create', collection: 'lots', feature: feature(square(108, 16), {}) },
  ] })
  t.match(bad, { status: 422, body: { detail: /3 of 4 edits/, faults: [{ index: 1, status: 412, revision: 2 }, { index: 2, status: 404 }, { index: 3, faults: [{ path: '/properties/code' }] }] } })
  const told = async (edit: object, status: number, match: object) => t.match(await send('POST', '/batch', { edits: [batch.edits[0], edit] }), { status, body: match })
  await told({ action: 'replace', collection: 'wells', id: 1 }, 400, { pointer: '/edits/1', faults: [{ index: 1 }] })
  await told({ action: 'delete', collection: 'nowhere', id: 1 }, 404, { pointer: '/edits/1' })
  await told({ action: 'delete', collection: 'wells', id: { $ref: 'nobody' } }, 400, { pointer: '/edits/1/id' })
  await told({ action: 'erase', collection: 'wells', id: 1 }, 400, { pointer: '/edits/1/action' })
  await told({ ...batch.edits[0]! }, 400, { pointer: '/edits/1/ref' })
  t.equal((await sql<{ n: number }>`select count(*) as n from city.lots`.execute(server.store.db)).rows[0]!.n, 1)
})

t.test('on a scenario: its own features, and main untouched', async t => {
  const server = await testServer(t, { layers: EXAMPLES })
  const send = await client(server)
  const old = (await send('POST', items('wells'), feature(point(108.2), { name: 'old' }))).headers.get('location')!
  const { rows: [scenario] } = await sql<{ id: string }>`insert into dothi.branches default values returning id`.execute(server.store.db)
  const under = `/scenarios/${scenario!.id}`
  const made = await send('POST', under + items('wells'), feature(point(108.3), { name: 'new' }))
  t.match(made.headers.get('location'), new RegExp(`${under}/ogc/collections/wells/items/`))
  const own = old.replace('/ogc', `${under}/ogc`)
  const { headers } = await send('GET', own)
  t.equal((await send('PATCH', own, { properties: { name: 'changed' } }, { 'If-Match': headers.get('etag')! })).status, 204)
  t.match((await send('POST', `${under}/batch`, { edits: [{ action: 'update', collection: 'wells', id: Number(old.split('/').at(-1)), feature: { properties: { depth: 1 } } }] })).body, { revision: 4 })
  t.match((await send('GET', own)).body.properties, { name: 'changed', depth: 1, revision: 4 })
  t.match((await send('GET', old)).body.properties, { name: 'old', depth: null, revision: 1 })
  await sql`update dothi.branches set removed = now()`.execute(server.store.db)
  t.equal((await send('DELETE', own)).status, 404)
})

t.test('asked twice with one key, written once', async t => {
  const server = await testServer(t, { layers: EXAMPLES })
  const send = await client(server)
  const key = { 'Idempotency-Key': '5f4c-1' }
  const well = feature(point(108.2), { name: 'a' })
  const answers = await Promise.all([1, 2, 3].map(() => send('POST', items('wells'), well, key)))
  t.strictSame(new Set(answers.map(({ status, headers }) => `${status} ${headers.get('location')} ${headers.get('x-revision')}`)).size, 1)
  t.strictSame(answers.map(({ headers }) => headers.get('idempotency-replayed')).sort(), ['true', 'true', null].sort())
  t.equal((await sql<{ n: number }>`select count(*) as n from city.wells`.execute(server.store.db)).rows[0]!.n, 1)
  t.match(await send('POST', items('wells'), feature(point(108.2), { name: 'b' }), key), { status: 422, body: { detail: /another request/ } })
  const batch = { edits: Array.from({ length: 100 }, (_, i) => ({ action: 'create', collection: 'wells', feature: feature(point(108.2), { name: `b${i}` }) })) }
  const [first, again] = [await send('POST', '/batch', batch, { 'Idempotency-Key': 'b' }), await send('POST', '/batch', batch, { 'Idempotency-Key': 'b' })]
  t.strictSame(again.body.results, first.body.results)
  t.equal((await sql<{ n: number }>`select count(*) as n from city.wells`.execute(server.store.db)).rows[0]!.n, 101)
  t.equal((await send('POST', items('wells'), well, { 'Idempotency-Key': 'kh\u00f4ng' })).status, 400)
})
