/** Sources that are files and folders: what changed lands, what is suspicious does not, what staff edited stays. */
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { mkdtemp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import type { Layer } from '../../layers/layer.js'
import { STEWARD } from '../store/store.js'
import { deleteFeature, updateFeature } from '../store/writes.js'
import { testServer, type TestServer } from '../testing/test-store.js'
import { addSource, claimDue, getSource, replaceSource } from './registry.js'
import { startScheduler } from './scheduler.js'
import { nextRun } from './schedule.js'
import { compareShapes, judgeMovement, type Movement } from './shape.js'
import type { SourceInput } from './source.js'
import type { SyncInputs, SyncResult } from './sync.js'

process.env.ALLOW_PRIVATE = '127.0.0.1'

const title = (text: string) => ({ vi: text, en: text })
const base = { description: title(''), group: 'services', kind: 'city', style: {}, zoom: { min: 0, max: 16 }, classification: 'open', licence: 'CC0-1.0' } as const
const POLES: Layer = {
  ...base, id: 'poles', title: title('Poles'), geometry: 'point',
  columns: [
    { name: 'code', type: 'text', title: title('Code'), required: true }, { name: 'kind', type: 'text', title: title('Kind') },
    { name: 'reach', type: 'number', unit: 'm', title: title('Reach'), min: 0, max: 100 }, { name: 'owner', type: 'text', title: title('Owner') },
  ],
}

interface Row { readonly id: string; readonly x?: number; readonly y?: number; readonly [attribute: string]: unknown }
const pole = (i: number, more = {}): Row => ({ id: `p${i}`, x: 108.2 + i * 0.001, y: 16.05, MA: `T${i}`, LOAI: 'be tong', CAO_CM: 800 + i, ...more })
const poles = (n: number, change: (row: Row, i: number) => Row | null = row => row) => Array.from({ length: n }, (_, i) => change(pole(i), i)).filter(row => row !== null)
const collection = (rows: readonly Row[]) => JSON.stringify({
  type: 'FeatureCollection', features: rows.map(({ id, x, y, ...properties }) => ({ type: 'Feature', id, geometry: { type: 'Point', coordinates: [x, y] }, properties })),
})

/** A file on the web: with validators, and whatever else the test wants it to answer. */
class Upstream {
  text = ''
  etag: string | undefined
  status = 200
  asked: IncomingHttpHeaders[] = []
  sent = 0
  url = ''
  static async open(t: Test): Promise<Upstream> {
    const upstream = new Upstream()
    const server = createServer((request, response) => {
      upstream.asked.push(request.headers)
      if (upstream.etag && request.headers['if-none-match'] === upstream.etag) return void response.writeHead(304).end()
      upstream.sent++
      response.writeHead(upstream.status, { ...(upstream.etag ? { ETag: upstream.etag } : {}), 'Content-Type': 'application/geo+json' }).end(upstream.text)
    })
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
    t.teardown(() => { server.closeAllConnections(); server.close() })
    upstream.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/poles.geojson`
    return upstream
  }
  give(rows: readonly Row[]) { this.text = collection(rows) }
}

const mapped = (location: string, more: Partial<SourceInput> = {}): SourceInput => ({
  id: 'evn', kind: 'file', location, targets: [{ layer: 'poles', columns: { code: 'MA', kind: 'LOAI', reach: 'CAO_CM*0.01', owner: '=EVN' }, values: { kind: { 'be tong': 'concrete', '*': 'other' } } }], ...more,
})

async function office(t: Test): Promise<{ server: TestServer; dataDir: string; sync(inputs?: Partial<SyncInputs>, source?: string): Promise<SyncResult & { state: string; message: string; job: string; findings?: readonly { kind: string }[] }>; rows(): Promise<any[]>; call(method: string, path: string, body?: unknown, role?: 'steward' | 'editor' | null): Promise<any> }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'dothi-sources-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const server = await testServer(t, { layers: [POLES], config: { dataDir } })
  await server.store.setCity({ name: 'Đà Nẵng', srid: 5899, home: { lon: 108.2, lat: 16.05, zoom: 12 }, verticalDatum: 'Hòn Dấu', geoidOffset: 0, timeZone: 'Asia/Ho_Chi_Minh', currency: 'VND', sample: false })
  const [steward, editor] = [await server.token('steward'), await server.token('editor')]
  return {
    server, dataDir,
    async sync(inputs = {}, source = 'evn') {
      const job = await server.jobs.run('sync', { source, dataDir, ...inputs } satisfies SyncInputs, STEWARD)
      const result = job.result as any
      return { ...result, ...result?.problem, state: job.state, message: job.message, job: job.id }
    },
    rows: async () => (await sql<any>`select id, source_id, revision, code, kind, reach, owner, round(st_x(geom)::numeric, 4)::float8 as x from city.poles order by length(source_id), source_id`.execute(server.store.db)).rows,
    async call(method, path, body, role = 'steward') {
      const response = await fetch(`${server.url}${path}`, {
        method, headers: { ...(role ? { Authorization: `Bearer ${role === 'steward' ? steward : editor}` } : {}), ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) }, ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      return { status: response.status, body: text ? JSON.parse(text) : undefined, location: response.headers.get('location') }
    },
  }
}
const counts = ({ state, inserted, updated, deleted, unchanged }: any) => [state, inserted, updated, deleted, unchanged]

t.test('a file is followed: mapped, incremental, one revision, nothing where nothing changed', async t => {
  const upstream = await Upstream.open(t)
  const { server: { store }, sync, rows } = await office(t)
  await addSource(store, mapped(upstream.url, { headers: { 'X-Api-Key': 'k3y' } }), { actor: 'an', anyFolder: false })
  upstream.give(poles(10))
  upstream.etag = '"1"'
  t.strictSame(counts(await sync()), ['successful', 10, 0, 0, 0])
  const first = await rows()
  t.match(first[3], { source_id: 'p3', code: 'T3', kind: 'concrete', reach: 8.03, owner: 'EVN' }, 'renamed, coded, in metres, with a constant')
  t.equal(upstream.asked[0]!['x-api-key'], 'k3y')

  t.match(await sync(), { state: 'successful', nothing: /not changed upstream/ }, 'a 304 is all it takes')
  t.equal(upstream.sent, 1)
  upstream.etag = '"2"'
  t.match(await sync(), { state: 'successful', nothing: /same as before/ }, 'another validator, the same bytes')
  upstream.etag = undefined
  upstream.text = `${upstream.text}\n`
  const { rows: [{ last }] } = await sql<any>`select max(revision) as last from dothi.revisions`.execute(store.db)
  t.match(await sync(), { state: 'successful', inserted: 0, updated: 0, deleted: 0, unchanged: 10, revision: 0 }, 'other bytes, the same rows')
  t.equal((await sql<any>`select max(revision) as last from dothi.revisions`.execute(store.db)).rows[0].last, last, 'no revision for nothing')

  upstream.give([...poles(10, (row, i) => (i === 9 ? null : i === 2 ? { ...row, x: 108.3 } : i === 4 ? { ...row, LOAI: 'go', CAO_CM: 650 } : row)), pole(77)])
  const dry = await sync({ dryRun: true })
  t.strictSame(counts(dry), ['successful', 1, 2, 1, 7])
  t.strictSame(await rows(), first, 'a dry run changes nothing')
  t.strictSame(counts(await sync()), ['successful', 1, 2, 1, 7])
  const second = await rows()
  t.strictSame(second.map(row => row.id).slice(0, 9), first.map(row => row.id).slice(0, 9), 'rows keep their ids')
  const revision = second[2].revision
  t.strictSame(second.filter(row => row.revision === revision).map(row => row.source_id), ['p2', 'p4', 'p77'], 'only what changed has a new version, all in one revision')
  t.match(second[4], { kind: 'other', reach: 6.5 })
  t.match((await sql<any>`select actor, reason from dothi.revisions where revision = ${revision}`.execute(store.db)).rows, [{ actor: 'steward', reason: 'sync evn' }])
})

t.test('what is suspicious lands nothing, is listed, and can be approved as it was seen', async t => {
  const upstream = await Upstream.open(t)
  const { server: { store, jobs }, sync, rows, call } = await office(t)
  await addSource(store, mapped(upstream.url), { actor: 'an', anyFolder: false })
  upstream.give(poles(20))
  await sync()
  const before = await rows()
  const refused = async (kind: string, give: () => void) => {
    give()
    const stopped = await sync()
    t.match(stopped, { state: 'failed', message: /was stopped and nothing was changed/ }, kind)
    t.strictSame(stopped.findings?.map((finding: any) => finding.kind), kind.split('+'), stopped.message)
    t.strictSame(await rows(), before)
    return stopped
  }
  await refused('moved', () => upstream.give(poles(20, row => ({ ...row, x: row.x! + 0.0018, y: row.y! - 0.0009 }))))
  await refused('moved+outside', () => upstream.give(poles(20, row => ({ ...row, x: row.y, y: 89 }))))
  await refused('columns', () => upstream.give(poles(20, ({ LOAI: _gone, ...row }) => row as Row)))
  await refused('type', () => upstream.give(poles(20, row => ({ ...row, LOAI: 7 }))))
  await refused('shrinks', () => upstream.give(poles(14)))
  await refused('shrinks', () => upstream.give([]))
  upstream.text = '<!doctype html><title>Đang bảo trì</title>'
  t.match(await sync(), { state: 'failed', message: /a web page instead of data: “Đang bảo trì”/ })
  upstream.text = collection(poles(20)).slice(0, 900)
  t.match(await sync(), { state: 'failed' }, 'half a file')
  Object.assign(upstream, { text: '{"message": "no such key"}', status: 401 })
  t.match(await sync(), { state: 'failed', message: /answered 401: “no such key”.*header/ })
  upstream.status = 200
  upstream.give(poles(20, row => ({ ...row, MA: undefined, MA_COT: row.MA })))
  t.match(await sync(), { state: 'failed', message: /20 of 20 rows were rejected.*code: a value is required.*lost the attribute “MA”/s }, 'bad rows, and why')
  await refused('type', () => upstream.give(poles(20, row => ({ ...row, CAO_CM: 'cao' }))))
  t.strictSame(await rows(), before, 'after all of that')

  const shrinking = await refused('shrinks', () => upstream.give(poles(15, (row, i) => (i === 1 ? { ...row, LOAI: 'thep', x: 108.25 } : row))))
  const listed = await call('GET', `/sources/evn/syncs/${shrinking.job}/changes`)
  t.strictSame(listed.body.features.map(({ properties: { op, sourceId } }: any) => `${op} ${sourceId}`), ['delete p15', 'delete p16', 'delete p17', 'delete p18', 'delete p19', 'update p1'])
  t.match(listed.body.features[5], { geometry: { coordinates: [108.25, 16.05] }, properties: { changes: { kind: ['concrete', 'other'] }, geometryChanged: true, movedMetres: Number } })
  t.strictSame((await call('GET', `/sources/evn/syncs/${shrinking.job}/changes?op=update`)).body.features.length, 1)
  upstream.give(poles(3))
  const approved = await call('POST', `/sources/evn/syncs/${shrinking.job}/approval`, {})
  t.equal(approved.status, 201)
  for (let i = 0; i < 400 && (await jobs.get(approved.body.jobID))!.finished === null; i++) await sleep(50)
  t.match(await jobs.get(approved.body.jobID), { state: 'successful', result: { deleted: 5, updated: 1, findings: [{ kind: 'shrinks' }] } }, 'what was seen is applied, not what is there by now')
  t.equal((await rows()).length, 15)
  t.match(await sync({ force: true }), { state: 'successful', deleted: 12 }, 'force fetches anew')
})

t.test('rows that were edited here stay, unless the source is to win', async t => {
  const upstream = await Upstream.open(t)
  const { server: { store }, sync, rows, call } = await office(t)
  await addSource(store, mapped(upstream.url), { actor: 'an', anyFolder: false })
  upstream.give(poles(12))
  await sync()
  const ids = (await rows()).map(row => row.id)
  const staff = { actor: 'binh', reason: 'by hand' }
  await store.withRevision(staff, async writer => {
    for (const i of [0, 1, 2]) await updateFeature(writer, POLES, 'main', ids[i], { properties: { owner: 'Cty' } })
    await deleteFeature(writer, POLES, 'main', ids[3])
    await deleteFeature(writer, POLES, 'main', ids[4])
  })
  // p0: ours only · p1: both · p2: gone upstream · p3: removed here only · p4: removed here, changed upstream · p5: upstream only
  const changed = (row: Row, i: number) => (i === 2 ? null : [1, 4, 5].includes(i) ? { ...row, LOAI: 'thep' } : row)
  upstream.give(poles(12, changed))
  const kept = await sync()
  t.match(kept, { state: 'successful', inserted: 0, updated: 1, deleted: 0, localEdits: { kept: 5, overwritten: 0, conflicts: 3 } })
  const after = await rows()
  t.strictSame(after.slice(0, 4).map(row => [row.source_id, row.owner, row.kind]), [['p0', 'Cty', 'concrete'], ['p1', 'Cty', 'concrete'], ['p2', 'Cty', 'concrete'], ['p5', 'EVN', 'other']])
  const { body: { rows: told } } = await call('GET', '/sources/evn/conflicts')
  t.strictSame(told.map((row: any) => [row.sourceId, row.state, row.conflict, row.upstream?.properties.kind ?? null]).sort(), [['p0', 'edited', false, 'concrete'], ['p1', 'edited', true, 'other'], ['p2', 'edited', true, null], ['p3', 'removed', false, 'concrete'], ['p4', 'removed', true, 'other']])

  // Another change elsewhere: what was kept is still known, three syncs on.
  for (const n of [1, 2]) {
    upstream.give(poles(12, (row, i) => changed(i === 7 ? { ...row, CAO_CM: 900 + n } : row, i)))
    t.match(await sync(), { state: 'successful', inserted: 0, updated: 1, deleted: 0, localEdits: { kept: 5, conflicts: 3 } })
  }
  t.strictSame((await rows()).slice(0, 3).map(row => row.owner), ['Cty', 'Cty', 'Cty'])
  t.match(await sync({ localEdits: 'stop' }), { state: 'successful' }, 'conflicts that are known stop nothing again')
  upstream.give(poles(12, (row, i) => changed(i === 0 ? { ...row, CAO_CM: 950 } : row, i)))
  t.match(await sync({ localEdits: 'stop' }), { state: 'failed', findings: [{ kind: 'conflicts', detail: /1 row was changed both here and by the source/ }] })

  const won = await sync({ localEdits: 'overwrite', force: true })
  t.match(won, { state: 'successful', inserted: 2, deleted: 1, localEdits: { kept: 0, overwritten: 5 } })
  t.strictSame((await rows()).map(row => row.owner), Array(11).fill('EVN'))
  t.strictSame((await call('GET', '/sources/evn/conflicts')).body.rows, [])
  t.match(await sync({ localEdits: 'overwrite' }), { state: 'successful', unchanged: 11, revision: 0 })

  // A row that only staff changed comes back with an “overwrite” source though the source is silent.
  await replaceSource(store, mapped(upstream.url, { localEdits: 'overwrite' }), { actor: 'an', anyFolder: false })
  await sync()
  await store.withRevision(staff, writer => updateFeature(writer, POLES, 'main', ids[0], { properties: { owner: 'Cty' } }))
  t.match(await sync(), { updated: 1, localEdits: { overwritten: 1 } })
  t.match(await sync(), { nothing: /same as before/ })
})

t.test('a source may publish a layer of its own', async t => {
  const upstream = await Upstream.open(t)
  const { server: { store }, sync, call } = await office(t)
  await addSource(store, { id: 'trees', kind: 'file', location: upstream.url, publish: 'Cây xanh', identity: 'MA', classification: 'internal', licence: 'ODbL' }, { actor: 'an', anyFolder: false })
  upstream.text = '{"type":"FeatureCollection","features":[]}'
  t.match(await sync({}, 'trees'), { state: 'failed', message: /no features/ })
  upstream.give(poles(10))
  t.match(await sync({ dryRun: true }, 'trees'), { state: 'successful', inserted: 10, notes: [/would publish the layer “cay_xanh”/] })
  t.equal(store.catalogue.find('cay_xanh'), undefined)
  t.match(await sync({}, 'trees'), { state: 'successful', inserted: 10, layers: { cay_xanh: 10 } })
  t.match(store.catalogue.find('cay_xanh'), { classification: 'internal', licence: 'ODbL' })
  upstream.give(poles(10, (row, i) => ({ ...row, id: `other${i}`, LOAI: i === 3 ? 'thep' : row.LOAI, MOI: 1 })))
  t.match(await sync({}, 'trees'), { state: 'successful', inserted: 0, updated: 1, deleted: 0, notes: [/new attributes upstream: MOI/] }, 'the attribute is the identity')
  t.strictSame((await sql<any>`select loai from city.cay_xanh where source_id = 'T3'`.execute(store.db)).rows, [{ loai: 'thep' }])
  t.match(await call('DELETE', '/sources/trees?rows=remove'), { status: 200, body: { removed: 10, revision: Number } })
})

t.test('sources over HTTP: declared by stewards only, secrets never shown, faults told', async t => {
  const upstream = await Upstream.open(t)
  const { server: { store, jobs }, call, sync } = await office(t)
  t.equal((await call('POST', '/sources', mapped(upstream.url), 'editor')).status, 403)
  t.equal((await call('GET', '/sources', undefined, null)).status, 401)
  const created = await call('POST', '/sources', mapped(upstream.url, { headers: { Authorization: 'Bearer s3cret' }, schedule: '6h', enabled: false }))
  t.match(created, { status: 201, location: /\/sources\/evn$/, body: { owner: 'test steward', secretHeaders: ['Authorization'], nextRun: null } })
  t.notMatch(JSON.stringify([await call('GET', '/sources'), await call('GET', '/sources/evn'), created]), /s3cret/)
  for (const [input, detail] of [
    [{ location: 'ftp://example.org/a' }, /https:\/\//], [{ location: 'https://me:pw@example.org/' }, /user and password/], [{ targets: [{ layer: 'pole' }] }, /pole/], [{ targets: [{ layer: 'poles', columns: { nam: 'x' } }] }, /no column “nam”/],
    [{ schedule: '61 * * * *' }, /cron/], [{ schedule: '10s' }, /schedule/], [{ schedule: '0 0 30 2 *' }, /never comes/], [{ crs: 'VN2000' }, /EPSG/], [{ kind: 'folder', location: '/etc' }, /DATA_DIR\/drop/], [{ kind: 'folder', location: '../../etc' }, /DATA_DIR\/drop/],
    [{ kind: 'wfs' }, /feature type/], [{ headers: { 'X-Key': 'a\r\nb' } }, /line break/], [{ publish: 'x' }, /not both/],
  ] as readonly (readonly [Partial<SourceInput>, RegExp])[]) t.match(await call('POST', '/sources', { ...mapped(upstream.url), id: 'other', ...input }), { status: input.targets?.[0]?.layer === 'pole' ? 404 : 400, body: { detail } }, JSON.stringify(input))
  t.equal((await call('POST', '/sources', mapped(upstream.url))).status, 409)
  t.match(await call('PUT', '/sources/evn', mapped(`${upstream.url}?v=2`)), { status: 200, body: { secretHeaders: [] } }, 'another address does not inherit the key')
  t.match(await call('POST', '/sources/nope/syncs', {}), { status: 404, body: { detail: /There are evn/ } })
  upstream.give(poles(4))
  const started = await call('POST', '/sources/evn/syncs', { dryRun: true })
  t.match(started, { status: 201, body: { processID: 'sync' } })
  for (let i = 0; i < 400 && (await jobs.get(started.body.jobID))!.finished === null; i++) await sleep(50)
  t.equal((await call('GET', `/sources/evn/syncs/${started.body.jobID}/changes`)).body.features.length, 4)
  t.match((await call('GET', '/sources/evn/syncs')).body.syncs, [{ state: 'successful', result: { inserted: 4 } }])
  t.equal((await call('GET', `/ogc/jobs/${started.body.jobID}/results`, undefined, null)).status, 404, 'what a sync tells is not for the public')
  t.notMatch(JSON.stringify(await call('GET', `/ogc/jobs/${started.body.jobID}/results`)), /uploads|sha256/, 'paths of the server stay inside')

  await sql`update dothi.sources set working = ${started.body.jobID}::uuid`.execute(store.db)
  await sql`update dothi.jobs set state = 'running', lease_until = now() + interval '1 minute' where id = ${started.body.jobID}::uuid`.execute(store.db)
  t.match(await sync(), { state: 'failed', message: /is being synced by job/ }, 'one sync of a source at a time')
  await sql`update dothi.jobs set state = 'interrupted' where id = ${started.body.jobID}::uuid`.execute(store.db)
  t.match(await sync(), { state: 'successful', inserted: 4 }, 'a job that died holds nothing up')
  const again = await jobs.runAgain(started.body.jobID, STEWARD)
  t.equal(again.state, 'successful')
  t.equal((await call('DELETE', '/sources/evn')).body.revision, null)
  t.equal((await sql<any>`select count(*)::int as n from city.poles`.execute(store.db)).rows[0].n, 4, 'its rows stay')
})

t.test('a sync that is cancelled lands nothing and holds nothing up', async t => {
  let hang = true
  const server = createServer((_request, response) => { if (hang) response.write('{"type":'); else response.end(collection(poles(5))) })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  t.teardown(() => { server.closeAllConnections(); server.close() })
  const { server: { store, jobs }, dataDir, sync, rows } = await office(t)
  await addSource(store, mapped(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`), { actor: 'an', anyFolder: false })
  const job = await jobs.submit('sync', { source: 'evn', dataDir }, STEWARD)
  for (let i = 0; i < 100 && (await getSource(store, 'evn')).working === null; i++) await sleep(20)
  await jobs.cancel(job.id)
  for (let i = 0; i < 100 && (await getSource(store, 'evn')).working !== null; i++) await sleep(20)
  t.equal((await jobs.get(job.id))!.state, 'dismissed')
  t.strictSame([(await getSource(store, 'evn')).working, await rows()], [null, []])
  hang = false
  t.match(await sync(), { state: 'successful', inserted: 5 })
})

t.test('private addresses are reached only where the operator says so', async t => {
  const upstream = await Upstream.open(t)
  const { server: { store }, sync } = await office(t)
  await addSource(store, mapped(upstream.url), { actor: 'an', anyFolder: false })
  process.env.ALLOW_PRIVATE = ''
  t.match(await sync(), { state: 'failed', message: /private or reserved address.*ALLOW_PRIVATE/ })
  process.env.ALLOW_PRIVATE = '127.0.0.1'
  t.equal(upstream.asked.length, 0)
})

t.test('a schedule runs once for all servers, and once for what was missed', async t => {
  const at = (text: string) => new Date(text)
  const zone = { last: at('2026-03-01T00:00:00Z'), timeZone: 'Asia/Ho_Chi_Minh' }
  t.strictSame(nextRun('15m', at('2026-03-01T00:07:00Z'), zone), at('2026-03-01T00:15:00Z'))
  t.strictSame(nextRun('15m', at('2026-03-04T10:07:00Z'), zone), at('2026-03-04T10:15:00Z'), 'missed runs are not made up for, the rhythm stays')
  t.strictSame(nextRun('30 2 * * 1-5', at('2026-03-06T20:00:00Z'), zone), at('2026-03-08T19:30:00Z'), 'Monday 2:30 in Vietnam')
  t.strictSame(nextRun('30 2 * * *', at('2026-03-28T12:00:00Z'), { ...zone, timeZone: 'Europe/Paris' }).toISOString().slice(0, 10), '2026-03-29', 'the hour that a clock leaps over')

  const upstream = await Upstream.open(t)
  const { server: { store, jobs }, dataDir } = await office(t)
  upstream.give(poles(5))
  await addSource(store, mapped(upstream.url, { schedule: '1h' }), { actor: 'an', anyFolder: false })
  await sql`update dothi.sources set next_run = now() - interval '5 hours 10 minutes'`.execute(store.db)
  const servers = [1, 2, 3].map(() => startScheduler({ store, jobs, config: { dataDir } }, { tickMs: 50 }))
  for (let i = 0; i < 200 && !(await jobs.list({ kind: 'sync' })).some(job => job.finished); i++) await sleep(50)
  await sleep(200)
  await Promise.all(servers.map(server => server.stop()))
  t.match(await jobs.list({ kind: 'sync' }), [{ state: 'successful', owner: 'an', result: { inserted: 5 } }], 'one job')
  const minutes = ((await getSource(store, 'evn')).nextRun!.getTime() - Date.now()) / 60_000
  t.ok(minutes > 49 && minutes <= 50.1, `next in ${minutes} minutes: the rhythm is kept`)
  let submitted = 0
  await sql`update dothi.sources set next_run = now() - interval '1 minute'`.execute(store.db)
  const claimed = await Promise.all([1, 2, 3, 4].map(() => claimDue(store, async () => { submitted++; await sleep(100) })))
  t.strictSame([submitted, claimed.sort()], [1, [0, 0, 0, 1]])
})

t.test('a dropped file is loaded when it is whole, and put aside', async t => {
  const { server: { store, jobs }, dataDir, sync, rows } = await office(t)
  await addSource(store, mapped('poles', { kind: 'folder' }), { actor: 'an', anyFolder: false })
  const folder = join(dataDir, 'drop', 'poles')
  const ended = async (n: number) => {
    for (let i = 0; i < 400; i++) {
      const done = (await jobs.list({ kind: 'sync' })).filter(job => job.finished)
      if (done.length >= n) return done
      await sleep(50)
    }
    return jobs.list({ kind: 'sync' })
  }
  t.match(await sync(), { nothing: /holds nothing new/ })
  const scheduler = startScheduler({ store, jobs, config: { dataDir } }, { tickMs: 100 })
  t.teardown(() => scheduler.stop())
  const text = collection(poles(30))
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'poles.geojson.part'), text)
  // Half of it stands there, and grows.
  for (let at = 0; at < 5; at++) { await writeFile(join(folder, 'march.geojson'), text.slice(at * 100, at * 100 + 100), { flag: 'a' }); await sleep(90) }
  await writeFile(join(folder, 'march.geojson'), text.slice(500), { flag: 'a' })
  t.match(await ended(2), [{ state: 'successful', result: { inserted: 30 } }, {}])
  t.equal((await rows()).length, 30)
  t.match(await readdir(join(folder, 'done')), [/-march\.geojson$/])
  t.match(await readdir(folder), ['done', 'poles.geojson.part'])

  await writeFile(join(folder, 'april.geojson'), text.slice(0, 800))
  await ended(3)
  t.match((await readdir(join(folder, 'failed'))).sort(), [/-april\.geojson$/, /-april\.geojson\.txt$/])
  t.match(await readFile(join(folder, 'failed', (await readdir(join(folder, 'failed'))).sort()[1]!), 'utf8'), /./)
  await rename(join(folder, 'poles.geojson.part'), join(folder, 'poles.geojson'))
  t.match((await ended(4))[0], { state: 'successful', result: { unchanged: /./ } }, 'a rename into place is how it is best done')
})

t.test('shapes and movements are judged by numbers', async t => {
  const shape = (rows: number, attributes: Record<string, [string, number]>, geometries = ['Point']) =>
    ({ rows, geometries, attributes: Object.fromEntries(Object.entries(attributes).map(([name, [type, filled]]) => [name, { type: type as 'text', filled }])) })
  const kinds = (findings: readonly { kind: string }[]) => findings.map(finding => finding.kind)
  t.strictSame(kinds(compareShapes(undefined, shape(1, {}))), [])
  t.strictSame(kinds(compareShapes(shape(100, { a: ['text', 100], rare: ['text', 2] }), shape(100, { a: ['text', 50] }))), [], 'a rare attribute may be absent')
  t.strictSame(kinds(compareShapes(shape(100, { a: ['number', 100], b: ['text', 90] }), shape(100, { a: ['mixed', 90] }, ['Polygon']))), ['columns', 'type', 'geometry'])
  const still: Movement = { layer: 'x', present: 100, deletes: 0, both: 100, moved: 0, together: 0, east: null, north: null, jump: 0, diagonal: 5000, incoming: 100, outside: 0 }
  const judge = (more: Partial<Movement>) => kinds(judgeMovement({ ...still, ...more }, 0.2))
  t.strictSame(judge({}), [])
  t.strictSame([judge({ deletes: 20 }), judge({ deletes: 21 })], [[], ['shrinks']])
  t.strictSame(judge({ moved: 100, together: 90, east: 190, north: -110, jump: 220 }), ['moved'])
  t.strictSame(judge({ moved: 100, together: 90, east: 0.2, north: 0.1 }), [], 'a better survey')
  t.strictSame(judge({ moved: 40, together: 40, east: 30, north: 0 }), [], 'a street that was moved')
  t.strictSame(judge({ jump: 4000 }), ['moved'])
  t.strictSame(judge({ outside: 2 }), ['outside'])
})
