/**
 * No way around the rights: every operation that reads is asked, as the public and as an internal reader, for layers with
 * restricted and internal data in rows, history, deleted rows, a scenario and findings; no answer may hold a hidden value.
 */
import { gunzipSync, inflateRawSync } from 'node:zlib'
import { sql } from 'kysely'
import t from 'tap'
import { OPERATIONS } from '../compose.js'
import type { Operation } from '../operations/operation.js'
import { check } from '../quality/check.js'
import { buildTown, point } from '../quality/test-town.js'
import { accessLog } from '../store/access-log.js'
import { applyEdits } from '../store/edits.js'
import { roleOf, CLASSES } from '../store/rights.js'
import { STEWARD, type Store } from '../store/store.js'
import { testServer, testStore } from '../testing/test-store.js'
import { createToken } from './tokens.js'

t.setTimeout(280_000)

/** Nobody but the one who may see it can write these words. */
const RESTRICTED = 'quarantined', INTERNAL = 'indoors'
const LAYERS = ['parcels', 'buildings', 'certificates', 'land_rights', 'cameras', 'shelters', 'quality_issues'] as const
const HIDDEN_COLUMNS = ['so_gcn', 'stream_url', 'ten_chu', 'so_dinh_danh', 'co_so_phap_ly']

interface City { readonly ids: Readonly<Record<string, readonly number[]>>; readonly scenario: string; readonly deleted: number }

/** Hidden values wherever a value can lie: present, former and deleted rows, on main and on a branch, in findings. */
async function hide(store: Store): Promise<City> {
  const ids: Record<string, readonly number[]> = { ...await buildTown(store) }
  const layer = (id: string) => store.catalogue.get(id)
  const write = (branch: string, n: number) => applyEdits(store, { actor: 'test', reason: 'hidden', branch }, [
    { action: 'update', layer: layer('parcels'), id: ids.parcels![0]!, feature: { properties: { so_gcn: `${RESTRICTED}-${n}`, doi_tuong: `${INTERNAL}-${n}` } } },
    { action: 'update', layer: layer('buildings'), id: ids.buildings![0]!, feature: { properties: { transformer_code: `${INTERNAL}-${n}` } } },
    { action: 'update', layer: layer('certificates'), id: ids.certificates![0]!, feature: { properties: { so_gcn: `${RESTRICTED}-${n}` } } },
    { action: 'update', layer: layer('land_rights'), id: ids.land_rights![0]!, feature: { properties: { ten_chu: `${RESTRICTED}-${n}`, so_gcn: `${RESTRICTED}-${n}` } } },
    { action: 'create', layer: layer('cameras'), feature: { geometry: point(5, 5), properties: { name: 'C', stream_url: `${RESTRICTED}-${n}` } } },
    { action: 'create', layer: layer('shelters'), feature: { geometry: point(5, 5), properties: { name: 'S', contact: `${INTERNAL}-${n}` } } },
  ])
  for (const n of [1, 2]) {
    const made = await write('main', n)
    ids.cameras = [made.ids[4]!]
    ids.shelters = [made.ids[5]!]
  }
  const deleted = ids.land_rights![1]!
  await applyEdits(store, { actor: 'test', reason: 'gone' }, [{ action: 'update', layer: layer('land_rights'), id: deleted, feature: { properties: { ten_chu: `${RESTRICTED}-3` } } }])
  await applyEdits(store, { actor: 'test', reason: 'gone' }, [{ action: 'delete', layer: layer('land_rights'), id: deleted }])
  const { rows: [branch] } = await sql<{ id: string }>`insert into dothi.branches (title) values ('test') returning id`.execute(store.db)
  await write(branch!.id, 4)
  await check(store)
  const { rows } = await sql<{ id: number }>`select id from report_restricted.quality_issues`.execute(store.db)
  ids.quality_issues = rows.map(row => row.id)
  return { ids, scenario: branch!.id, deleted }
}

/** The addresses of an operation: each layer and id, several tiles, ways to ask for what is hidden. */
function addresses({ path, parameters = [], extraQuery }: Operation, { ids, deleted }: City): readonly string[] {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(match => match[1]!)
  const places = ['14/13116/7451', '17/104928/59614'].map(text => text.split('/'))
  const values = (name: string, layer: string, [z, x, y]: readonly string[]): readonly string[] => {
    if (/^collectionIds?$/.test(name)) return [layer]
    if (/^(featureId|issueId)$/.test(name)) return [...(ids[layer] ?? []).slice(0, 2), deleted].map(String)
    if (name === 'z' || name === 'tileMatrix') return [z!]
    if (name === 'x' || name === 'tileCol') return [x!]
    if (name === 'y' || name === 'tileRow') return [y!]
    if (name === 'tileMatrixSetId') return ['WebMercatorQuad']
    if (/^(since|revision|from|to)$/.test(name)) return ['1', '2', '3']
    if (name === 'language') return ['en']
    if (name === 'page') return ['layers']
    if (name === 'processId') return ['flood']
    return ['1']
  }
  const own = new Set(parameters.filter(parameter => parameter.in === 'query').map(parameter => parameter.name))
  const spellings = (layer: string) => [
    '', ...(own.has('f') ? ['?f=json', '?f=html'] : []), ...(own.has('asOf') ? ['?asOf=2', '?asOf=3'] : []), ...(own.has('datetime') ? ['?datetime=../..'] : []),
    ...(own.has('properties') ? ['?properties=so_gcn', '?properties=ten_chu', '?properties=stream_url'] : []),
    ...(own.has('filter') ? [`?filter=${encodeURIComponent("so_gcn like 'quar%'")}`, `?filter=${encodeURIComponent("transformer_code like 'indo%'")}`] : []),
    ...(extraQuery ? ['?so_gcn=x', '?ten_chu=x', '?sortby=so_gcn'] : []), ...(own.has('sortby') ? ['?sortby=so_gcn'] : []),
    ...(own.has('q') ? ['?q=quarant', '?q=NG%C6%AF%E1%BB%9CI%20M%E1%BA%AAU', `?q=${ids.land_rights![0]}`] : []),
    ...(own.has('layers') ? [`?layers=${layer}&since=0&limit=100`, `?layers=${layer}`, ...(own.has('format') ? ['geojson', 'csv', 'gpkg', 'flatgeobuf', 'geoparquet', 'cityjson', 'kml', 'dxf'].map(format => `?layers=${layer}&format=${format}`) : [])] : []),
    ...(own.has('since') ? ['?since=0', '?since=0&limit=1000'] : []), ...(own.has('from') ? ['?from=1&to=5'] : []), ...(own.has('collections') ? [`?collections=${layer}`] : []),
  ]
  const filled = names.reduce<readonly { path: string; layer: string; place: readonly string[] }[]>(
    (all, name) => all.flatMap(one => values(name, one.layer, one.place).map(value => ({ ...one, path: one.path.replace(`{${name}}`, value) }))),
    (names.some(name => /^(collectionIds?|featureId)$/.test(name)) ? LAYERS : (['parcels', 'land_rights'] as const)).flatMap(layer => (names.some(name => /^(x|tileCol)$/.test(name)) ? places : [places[0]!]).map(place => ({ path, layer, place }))))
  return [...new Set(filled.flatMap(one => spellings(one.layer).map(query => one.path + query)))]
}

/** Bytes as text, opened where they are packed: gzip, and the members of a zip. */
function opened(bytes: Buffer): string {
  const texts = [bytes.toString('latin1'), bytes.toString('utf8')]
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) texts.push(gunzipSync(bytes).toString('latin1'))
  for (let at = bytes.indexOf('PK\x03\x04', 0, 'latin1'); at >= 0; at = bytes.indexOf('PK\x03\x04', at + 4, 'latin1')) {
    if (bytes.readUInt16LE(at + 8) !== 8) continue
    try { texts.push(inflateRawSync(bytes.subarray(at + 30 + bytes.readUInt16LE(at + 26) + bytes.readUInt16LE(at + 28))).toString('utf8')) } catch { /* cut off: the bytes above were looked at */ }
  }
  return texts.join('\n')
}

t.test('no operation tells what its reader may not see', async t => {
  const server = await testServer(t)
  const { store } = server
  const city = await hide(store)
  const internal = (await createToken(store, { subject: 'insider', role: 'editor', clearance: 'internal' })).secret
  const steward = await server.token('steward')
  const reads = OPERATIONS.filter(operation => operation.method === 'get')
  const asked = { n: 0, answered: 0 }
  const ask = async (address: string, token?: string) => {
    const left = AbortSignal.timeout(address.includes('/events') ? 400 : 20_000)
    const chunks: Buffer[] = []
    let status = 0
    try {
      const response = await fetch(server.url + address, { headers: token ? { Authorization: `Bearer ${token}` } : {}, signal: left, redirect: 'manual' })
      status = response.status
      for await (const chunk of response.body ?? []) chunks.push(Buffer.from(chunk))
    } catch (error) { if (!left.aborted) throw error }
    asked.n++
    if (status === 200) asked.answered++
    return { status, text: opened(Buffer.concat(chunks)) }
  }
  for (const operation of reads) {
    const leaks: string[] = []
    const questions = addresses(operation, city).flatMap(address => (operation.branched ? ['', `/scenarios/${city.scenario}`] : ['']).flatMap(prefix =>
      ([['public', undefined, [RESTRICTED, INTERNAL]], ['internal', internal, [RESTRICTED]]] as const).filter(([, token]) => !operation.roles || token).map(([who, token, hidden]) => ({ address: prefix + address, who, token, hidden }))))
    const answer = async () => {
      for (let question = questions.pop(); question; question = questions.pop()) {
        const { address, who, token, hidden } = question
        const { status, text } = await ask(address, token)
        if (status >= 500) leaks.push(`${who} ${address}: ${status}`)
        for (const word of hidden) if (text.includes(word)) leaks.push(`${who} ${address} tells ${word}`)
        // The names of hidden columns are no secret of the product, but no answer about data names them; what the reader asked for is echoed.
        if (status === 200 && !operation.path.startsWith('/docs')) for (const name of HIDDEN_COLUMNS) if (!address.includes(name) && text.includes(name)) leaks.push(`${who} ${address} names ${name}`)
      }
    }
    await Promise.all(Array.from({ length: 8 }, answer))
    t.strictSame(leaks.slice(0, 8), [], `${operation.method} ${operation.path}`)
  }
  t.ok(asked.answered > 500, `${asked.answered} of ${asked.n} questions were answered`)

  // The same questions find the words for who may see them: the walk is able to find a leak.
  const seen = await Promise.all(['/ogc/collections/parcels/items', '/ogc/collections/land_rights/items?asOf=2', `/scenarios/${city.scenario}/ogc/collections/certificates/items`].map(address => ask(address, steward)))
  for (const { text } of seen) t.ok(text.includes(RESTRICTED))

  const log = await accessLog(store.db, { limit: 1000 })
  t.notOk(log.some(entry => entry.subject === 'insider' || entry.subject === 'public'), 'nobody read restricted data who may not')
})

t.test('each reading of restricted data is entered, before it is answered', async t => {
  const server = await testServer(t)
  const { store } = server
  const { ids } = await hide(store)
  const { secret } = await createToken(store, { subject: 'clerk', role: 'viewer', clearance: 'restricted' })
  const steward = await server.token('steward')
  const read = (path: string, token: string | undefined, headers: Record<string, string> = {}) => fetch(server.url + path, { headers: { ...(token && { Authorization: `Bearer ${token}` }), ...headers } })
  const entries = async () => (await accessLog(store.db, { subject: 'clerk', limit: 1000 }))
  const before = (await accessLog(store.db, { limit: 1000 })).length

  await read('/ogc/collections/parcels/items', undefined)
  await read('/ogc/collections/roads/items', secret)
  await read('/ogc/collections/parcels/items?properties=so_to', secret)
  t.equal((await accessLog(store.db, { limit: 1000 })).length, before, 'open data needs no entry')

  await read('/ogc/collections/parcels/items?bbox=108.2,16.05,108.21,16.06', secret, { 'X-Purpose': encodeURIComponent('Hồ sơ 12/2026') })
  t.match(await entries(), [{ layer: 'parcels', columns: ['so_gcn'], operation: 'GET /ogc/collections/parcels/items', purpose: 'Hồ sơ 12/2026', how: { bbox: [108.2, 16.05, 108.21, 16.06] }, clearance: 'restricted' }])
  await read(`/ogc/collections/land_rights/items/${ids.land_rights![0]}`, secret)
  t.match((await entries())[0], { layer: 'land_rights', operation: `GET /ogc/collections/land_rights/items/${ids.land_rights![0]}`, purpose: null })
  await read(`/ogc/collections/parcels/items?properties=so_to&filter=${encodeURIComponent("so_gcn = 'BA 10'")}`, secret)
  t.match((await entries())[0], { layer: 'parcels', columns: ['so_gcn'], how: { filter: /^[0-9a-f]{16}$/ } }, 'asking by a hidden value is a reading, and the value is not repeated')
  t.notOk(JSON.stringify(await entries()).includes('BA 10'))
  const n = (await entries()).length
  for (let k = 0; k < 2; k++) await (await read('/tiles/certificates/17/104928/59614.mvt', secret)).arrayBuffer()
  t.equal((await entries()).length, n + 2, 'a tile from the cache is entered too')

  t.equal((await read('/access-log', secret)).status, 403)
  t.equal((await read('/access-log', undefined)).status, 401)
  const page = await (await read('/access-log?subject=clerk&limit=2', steward)).json() as any
  t.equal(page.entries.length, 2)
  const next = await (await read(new URL(page.links[0].href).pathname + new URL(page.links[0].href).search, steward)).json() as any
  t.ok(next.entries.length > 0 && next.entries[0].id < page.entries[1].id)
  t.ok((await accessLog(store.db, { limit: 1000 })).some(entry => entry.operation === 'token create' && entry.how.subject === 'clerk'), 'a token that was made is entered')

  for (const statement of ['update dothi.access_log set subject = \'x\'', 'delete from dothi.access_log'])
    await t.rejects(sql.raw(statement).execute(store.db), /kept/, statement)
  for (const clearance of CLASSES) await t.rejects(sql`select from dothi.access_log`.execute(store.pool(clearance)), /permission denied/)

  // Where nothing can be entered, nothing is read.
  await sql`alter table dothi.access_log rename to access_log_away`.execute(store.db)
  const refused = await read('/ogc/collections/land_rights/items', secret)
  t.ok(refused.status >= 500 && !(await refused.text()).includes('NGƯỜI MẪU'))
  t.equal((await read('/ogc/collections/parcels/items', undefined)).status, 200, 'open data does not depend on the log')
  await sql`alter table dothi.access_log_away rename to access_log`.execute(store.db)

  await sql`select dothi.access_log_month('2020-03-01')`.execute(store.db)
  await sql`insert into dothi.access_log (at, subject, clearance, columns, operation, how) values ('2020-03-05', 'old', 'restricted', '{}', 'x', '{}')`.execute(store.db)
  const { rows: [pruned] } = await sql<{ n: number }>`select dothi.prune_access_log('24 months') as n`.execute(store.db)
  t.equal(pruned!.n, 1)
  t.strictSame(await accessLog(store.db, { subject: 'old', limit: 10 }), [])
  t.ok((await entries()).length > n)
})

t.test('every role gets an index scan, and reads no table or column beyond its clearance', async t => {
  const store = await testStore(t)
  await store.withRevision({ actor: 'test', reason: 'many' }, async ({ tx }) => {
    await sql`insert into city.parcels (geom, so_thua) select st_multi(st_makeenvelope(108 + x * 1e-4, 16 + y * 1e-4, 108.00009 + x * 1e-4, 16.00009 + y * 1e-4, 4326)), x from generate_series(1, 80) x, generate_series(1, 80) y`.execute(tx)
  })
  await sql`insert into report_open.quality_issues (revision, source, source_id, geom, rule, severity, layer, feature_id, state) select 1, 'r', n::text, st_setsrid(st_point(108 + n * 1e-5, 16), 4326), 'r', 'warning', 'parcels', n, 'open' from generate_series(1, 5000) n`.execute(store.db)
  await sql`analyze city.parcels, report_open.quality_issues`.execute(store.db)
  for (const clearance of CLASSES) {
    for (const id of ['parcels', 'quality_issues']) {
      const reader = { ...STEWARD, clearance }
      const view = await store.view({ layer: store.catalogue.get(id), branch: 'main', asOf: 'now', reader, bbox: { box: [108.001, 16, 108.0012, 16.0003], srid: 4326, exact: true } })
      const { rows } = await sql<{ 'QUERY PLAN': string }>`explain ${view}`.execute(store.pool(clearance))
      const plan = rows.map(row => row['QUERY PLAN']).join('\n')
      t.match(plan, /(Index Scan|Bitmap Index Scan)[^\n]*geom_idx/, `${clearance} reads ${id} by its index`)
    }
  }
  const denied = async (clearance: 'open' | 'internal', statement: string) => t.rejects(sql.raw(statement).execute(store.pool(clearance)), /permission denied/, `${clearance}: ${statement}`)
  for (const clearance of ['open', 'internal'] as const) {
    for (const schema of ['city', 'history', 'branch']) for (const what of [`so_gcn from ${schema}.parcels`, `id from ${schema}.certificates`, `ten_chu from ${schema}.land_rights`, `stream_url from ${schema}.cameras`]) await denied(clearance, `select ${what}`)
    await denied(clearance, 'select id from report_restricted.quality_issues')
  }
  await denied('open', 'select id from report_internal.quality_issues')
  await denied('open', 'select waived_reason from report_open.quality_issues')
  await denied('open', 'select transformer_code from city.buildings')
  t.equal(roleOf('open'), 'dothi_open')
})

t.test('secret data is refused by every way in', async t => {
  const server = await testServer(t)
  await buildTown(server.store)
  const token = await server.token('editor')
  const send = (path: string, method: string, body: unknown, type = 'application/geo+json') => fetch(server.url + path, { method, headers: { Authorization: `Bearer ${token}`, 'Content-Type': type }, body: JSON.stringify(body) })
  const feature = (properties: Record<string, unknown>) => ({ type: 'Feature', geometry: point(5, 5), properties })
  for (const mark of [{ classification: 'secret' }, { do_mat: 'Tuyệt mật' }, { 'Độ mật': 'mật' }]) {
    const refused = await send('/ogc/collections/trees/items', 'POST', feature({ species: 'X', ...mark }))
    t.equal(refused.status, 422, JSON.stringify(mark))
    t.match(await refused.text(), /secret/)
  }
  const { rows } = await sql`select from city.trees where species = 'X'`.execute(server.store.db)
  t.equal(rows.length, 0)
})
