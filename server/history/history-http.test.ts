import { sql } from 'kysely'
import t from 'tap'
import { testServer, type TestServer } from '../testing/test-store.js'

const box = (x: number, y: number, w = 0.001, h = 0.001) => ({ type: 'Polygon', coordinates: [[[x, y], [x + w, y], [x + w, y + h], [x, y + h], [x, y]]] })
const PNG = Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), Buffer.alloc(300_000, 7)])

/** Speaks to the server as one person; answers with status, headers and JSON. */
async function client(server: TestServer, role?: 'editor' | 'steward') {
  const authorization: Record<string, string> = role ? { Authorization: `Bearer ${await server.token(role)}` } : {}
  return async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const json = body !== undefined && !(body instanceof FormData)
    const type = path.endsWith('/items') ? 'application/geo+json' : method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
    const response = await fetch(server.url + path, { method, headers: { ...authorization, ...(json && { 'Content-Type': type }), ...headers }, body: json ? JSON.stringify(body) : body as FormData | undefined })
    const bytes = Buffer.from(await response.arrayBuffer())
    const told = /json/.test(response.headers.get('content-type') ?? '') ? JSON.parse(bytes.toString()) : undefined
    return { status: response.status, headers: response.headers, body: told, bytes, revision: Number(response.headers.get('x-revision')) }
  }
}
type Client = Awaited<ReturnType<typeof client>>

const parcel = (x: number, so_thua: number, more: object = {}) => ({ type: 'Feature', geometry: box(x, 16), properties: { ward_code: '20194', so_to: 1, so_thua, loai_dat: 'ODT', so_gcn: 'secret', ...more } })
async function created(ask: Client, collection: string, feature: object, at = ''): Promise<number> {
  const answer = await ask('POST', `${at}/ogc/collections/${collection}/items`, feature)
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
  return Number(answer.headers.get('location')!.split('/').at(-1))
}
async function scenario(ask: Client): Promise<string> {
  const { body } = await ask('POST', '/scenarios', { title: { vi: 'Thử', en: 'Try' }, forcing: { start: '2025-10-01T00:00:00Z', hours: 1 } })
  return body.id
}

t.test('history over HTTP', async t => {
  const server = await testServer(t)
  const [anyone, editor, steward] = [await client(server), await client(server, 'editor'), await client(server, 'steward')]
  const parcels = '/ogc/collections/parcels'
  const a = await created(steward, 'parcels', parcel(108.2, 1))
  const b = await created(steward, 'parcels', parcel(108.201, 5))
  const first = (await steward('PATCH', `${parcels}/items/${a}`, { properties: { loai_dat: 'TMD', so_gcn: 'other' } })).revision

  await t.test('versions, single features as of then, diff and revisions, cut to the reader', async t => {
    const versions = await anyone('GET', `${parcels}/items/${a}/versions`)
    t.strictSame(versions.body.versions.map(({ revision, op, fields, actor }: any) => [revision, op, fields, actor]), [[3, 'changed', ['loai_dat'], null], [1, 'created', [], null]])
    t.strictSame((await steward('GET', `${parcels}/items/${a}/versions`)).body.versions[0].fields, ['loai_dat', 'so_gcn'])
    const then = await fetch(versions.body.versions[1].links[0].href).then(response => response.json() as any)
    t.equal(then.properties.loai_dat, 'ODT')
    const page = await anyone('GET', `${parcels}/items/${a}/versions?limit=1`)
    t.strictSame((await fetch(page.body.links.at(-1).href).then(response => response.json() as any)).versions.map(({ revision }: any) => revision), [1])
    const diff = await anyone('GET', `${parcels}/diff?from=0&to=2`)
    t.strictSame(diff.body.features.map(({ id, geometry, properties: { change } }: any) => [id, geometry.type, change]), [[a, 'MultiPolygon', 'added'], [b, 'MultiPolygon', 'added']])
    t.strictSame((await anyone('GET', `${parcels}/diff?from=2`)).body.features.map(({ properties: { change, fields, before, after } }: any) => [change, fields, before, after]), [['changed', ['loai_dat'], { loai_dat: 'ODT' }, { loai_dat: 'TMD' }]])
    for (const path of [`${parcels}/diff?from=0`, `${parcels}/items/${a}/versions`, '/revisions', '/revisions/3']) t.notMatch((await anyone('GET', path)).bytes.toString(), /so_gcn|secret|other/, path)
    const paged = await anyone('GET', `${parcels}/diff?from=0&limit=1`)
    t.strictSame((await fetch(paged.body.links.at(-1).href).then(response => response.json() as any)).features.map(({ id }: any) => id), [b])
    t.strictSame([(await anyone('GET', `${parcels}/diff?from=3&to=1`)).status, (await anyone('GET', `${parcels}/diff?from=99`)).status, (await anyone('GET', `${parcels}/items/99/versions`)).status, (await anyone('GET', `${parcels}/diff`)).status], [400, 400, 404, 400])
    t.strictSame((await steward('GET', '/revisions?layer=parcels&limit=2')).body.revisions.map(({ revision, changes }: any) => [revision, changes[0].updated]), [[3, 1], [2, 0]])
    t.equal((await anyone('GET', '/revisions/99')).status, 404)
    t.match(await anyone('GET', '/ogc/collections/run_buildings/diff?from=0'), { status: 404 })
  })

  await t.test('restore and undo', async t => {
    t.equal((await anyone('POST', `/revisions/${first}/undo`)).status, 401)
    const etag = (await steward('GET', `${parcels}/items/${a}`)).headers.get('etag')!
    t.match(await steward('POST', `${parcels}/items/${a}/restore?revision=1`, undefined, { 'If-Match': '"1"' }), { status: 412, body: { revision: 3 } })
    t.match(await editor('POST', `${parcels}/items/${a}/restore?revision=1`, undefined, { 'If-Match': etag, 'X-Reason': 'nh%E1%BA%A7m' }), { status: 200, body: { restored: 1, revision: { revision: 4, reason: 'nhầm' } } })
    const now = await steward('GET', `${parcels}/items/${a}`)
    t.strictSame([now.body.properties.loai_dat, now.body.properties.so_gcn], ['ODT', 'other'], 'what an editor may not see stays')
    const conflict = await steward('POST', `/revisions/${first}/undo`)
    t.match(conflict, { status: 409, body: { count: 1, conflicts: [{ layer: 'parcels', id: a }] } })
    t.match(await steward('POST', `/revisions/${first}/undo?onConflict=merge`), { status: 200, body: { changed: 1, kept: 0 } })
    t.equal((await steward('GET', `${parcels}/items/${a}`)).body.properties.so_gcn, 'secret')
    t.match(await steward('POST', '/revisions/77/undo'), { status: 404 })
    t.match(await steward('POST', `${parcels}/items/${a}/restore`), { status: 400 })
  })

  await t.test('a bulk edit is undone by a steward only', async t => {
    await server.store.withRevision({ actor: 'import', reason: 'bulk' }, async ({ tx }) => {
      await sql`insert into city.trees (geom) select st_setsrid(st_makepoint(108 + i / 1e6, 16), 4326) from generate_series(1, 1001) i`.execute(tx)
    })
    const { n } = (await sql<{ n: number }>`select max(revision) as n from dothi.revisions`.execute(server.store.db)).rows[0]!
    t.equal((await editor('POST', `/revisions/${n}/undo`)).status, 403)
    t.match(await steward('POST', `/revisions/${n}/undo`), { status: 200, body: { removed: 1001 } })
  })

  await t.test('split, merge, lineage; a retired id says what it became', async t => {
    const line = { type: 'LineString', coordinates: [[108.20025, 15.999], [108.20025, 16.002]] }
    const split = await editor('POST', `${parcels}/split`, { id: a, line, reason: 'tách thửa' })
    t.match(split, { status: 201, body: { parents: [a], children: [{}, {}] } })
    const [big, small] = split.body.children.map(({ id }: any) => id)
    const gone = await anyone('GET', `${parcels}/items/${a}`)
    t.match(gone, { status: 410, body: { status: 410, successors: [{ id: big }, { id: small }] } })
    t.match(gone.headers.get('link')!, /rel="successor-version"/)
    t.equal((await anyone('GET', `${parcels}/items/${a}?asOf=${split.revision - 1}`)).status, 200, 'as of before it is there')
    t.equal((await anyone('GET', `${parcels}/items/999999`)).status, 404)
    const child = (await steward('GET', `${parcels}/items/${big}`)).body.properties
    t.match(child, { so_thua: 6, ward_code: '20194', so_gcn: null, so_to_thua_cu: '20194/1/1', loai_dat: 'ODT' })
    t.ok(Math.abs(child.dien_tich_do - split.body.children[0].areaM2) < 0.01)
    t.match(await editor('POST', `${parcels}/split`, { id: b, parts: [{ geometry: box(108.201, 16, 0.0005) }, { geometry: box(108.2015, 16, 0.0004) }] }), { status: 422, body: { detail: /uncovered/ } })
    t.match(await editor('POST', `${parcels}/split`, { id: b }), { status: 400 })
    t.match(await editor('POST', `${parcels}/merge`, { ids: [big, b], properties: { so_gcn: 'mine' } }), { status: 422 })
    const merged = await editor('POST', `${parcels}/merge`, { ids: [big, b] })
    t.match(merged, { status: 201 })
    const lineage = (await anyone('GET', `${parcels}/items/${a}/lineage`)).body.descendants
    t.strictSame(lineage.map(({ kind, parent, child }: any) => [kind, parent, child]), [['split', a, big], ['split', a, small], ['merge', big, merged.body.children[0].id]])
    t.match(await editor('POST', '/ogc/collections/roads/split', { id: a, line }), { status: 405 })
    // Wards have no number of their own: name and code come with the decision.
    const ward = await created(steward, 'wards', { type: 'Feature', geometry: box(108.3, 16), properties: { code: '1', name: 'Hải Châu', province_code: '48', population: 5 } })
    const half = { type: 'LineString', coordinates: [[108.3005, 15.9], [108.3005, 16.1]] }
    t.match(await editor('POST', '/ogc/collections/wards/split', { id: ward, line: half }), { status: 422, body: { faults: [{}, {}] } })
    t.match(await editor('POST', '/ogc/collections/wards/split', { id: ward, line: half, properties: [{ code: '2', name: 'Đông' }, { code: '3', name: 'Tây' }] }), { status: 201 })
  })

  await t.test('attachments', async t => {
    const path = `${parcels}/items/${b}/attachments`
    const id = await created(steward, 'parcels', parcel(108.4, 9))
    const own = path.replace(String(b), String(id))
    const form = (content: Buffer, name: string, fields: Record<string, string> = {}) => {
      const data = new FormData()
      for (const [key, value] of Object.entries(fields)) data.set(key, value)
      data.set('file', new Blob([new Uint8Array(content)], { type: 'text/html' }), name)
      return data
    }
    t.equal((await anyone('POST', own, form(PNG, 'x.png'))).status, 401)
    const made = await editor('POST', own, form(PNG, 'Ảnh thửa đất.png', { description: 'Mặt tiền' }))
    t.match(made, { status: 201, body: { attachments: [{ name: 'Ảnh thửa đất.png', mediaType: 'image/png', bytes: PNG.length, classification: 'open' }] } })
    const at = `${own}/${made.body.attachments[0].id}`
    const got = await anyone('GET', at)
    t.ok(got.bytes.equals(PNG))
    t.match([got.headers.get('content-type'), got.headers.get('content-disposition'), got.headers.get('x-content-type-options'), got.headers.get('content-security-policy')],
      ['image/png', /^attachment; filename="Anh thua dat.png"; filename\*=UTF-8''%E1%BA%A2nh/, 'nosniff', /sandbox/])
    t.equal((await anyone('GET', at, undefined, { 'If-None-Match': got.headers.get('etag')! })).status, 304)
    t.match(await editor('POST', own, form(Buffer.from('<html><script>1</script></html>'), 'x.png')), { status: 415 })
    t.match(await editor('POST', own, new FormData()), { status: 400 })
    const secret = await steward('POST', own, form(Buffer.from('%PDF-1.7 deed'), 'deed.pdf', { classification: 'restricted' }))
    const hidden = secret.headers.get('location')!.replace(server.url, '')
    t.strictSame([(await anyone('GET', hidden)).status, (await anyone('GET', own)).body.attachments.length, (await steward('GET', own)).body.attachments.length], [404, 1, 2])
    t.equal((await steward('GET', hidden)).bytes.toString(), '%PDF-1.7 deed')
    t.ok((await sql`select from dothi.access_log where layer = 'parcels' and columns = '{attachments}'`.execute(server.store.db)).rows.length > 0, 'reading it is entered')
    t.equal((await editor('DELETE', at)).status, 204)
    t.strictSame([(await anyone('GET', at)).status, (await anyone('GET', `${at}?asOf=${made.revision}`)).status], [404, 200])
    t.match(await steward('POST', `${own.replace('/attachments', '')}/restore?revision=${made.revision}`), { status: 200 })
    t.strictSame((await anyone('GET', own)).body.attachments.map(({ name }: any) => name), ['Ảnh thửa đất.png'])
  })

  await t.test('a scenario is edited, compared, merged and discarded', async t => {
    const id = await scenario(editor)
    const at = `/scenarios/${id}`
    const one = await created(steward, 'parcels', parcel(108.5, 20))
    const fresh = await created(editor, 'parcels', parcel(108.6, 30, { so_gcn: undefined }), at)
    await editor('PATCH', `${at}${parcels}/items/${one}`, { properties: { loai_dat: 'TMD', dia_chi: '1 Bạch Đằng' } })
    await steward('PATCH', `${parcels}/items/${one}`, { properties: { loai_dat: 'DGD', so_to: 4 } })
    const diff = await anyone('GET', `${at}/diff`)
    t.strictSame(diff.body.features.map(({ id, properties: { layer, change, fields, conflicts } }: any) => [id, layer, change, fields, conflicts]),
      [[one, 'parcels', 'changed', ['loai_dat', 'dia_chi'], ['loai_dat']], [fresh, 'parcels', 'added', [], []]])
    t.equal(diff.body.features[0].properties.theirs.loai_dat, 'DGD')
    t.notMatch(diff.bytes.toString(), /so_gcn/)
    const versions = (await editor('GET', `${at}${parcels}/items/${one}/versions`)).body.versions
    t.strictSame(versions.map(({ op, fields }: any) => [op, ...fields]), [['changed', 'loai_dat', 'dia_chi'], ['created']])
    const dry = await editor('POST', `${at}/merge`, { dryRun: true })
    t.match(dry, { status: 200, body: { dryRun: true, revision: null, count: 1, conflicts: [{ id: one, fields: [{ field: 'loai_dat', base: 'ODT', ours: 'TMD', theirs: 'DGD' }] }] } })
    t.match(await editor('POST', `${at}/merge`, {}), { status: 409, body: { count: 1 } })
    await steward('PATCH', `${parcels}/items/${one}`, { properties: { so_to: 5 } })
    const resolutions = [{ layer: 'parcels', id: one, take: 'ours' }]
    t.match(await editor('POST', `${at}/merge`, { plan: dry.body.plan, resolutions }), { status: 409, body: { stale: true } })
    t.match(await editor('POST', `${at}/merge`, { resolutions: [{ layer: 'nothing', id: 1, take: 'ours' }] }), { status: 400 })
    t.match(await editor('POST', `${at}/rebase`, { dryRun: true, otherwise: 'ours' }), { status: 200, body: { changed: 1, count: 0 } })
    t.match(await editor('POST', `${at}/merge`, { resolutions, reason: 'duyệt' }), { status: 200, body: { added: 1, changed: 1, count: 0, revision: { reason: 'duyệt', branch: 'main' } } })
    t.match((await steward('GET', `${parcels}/items/${one}`)).body.properties, { loai_dat: 'TMD', so_to: 5, dia_chi: '1 Bạch Đằng', so_gcn: 'secret' })
    t.equal((await anyone('GET', `${parcels}/items/${fresh}`)).status, 200)
    const other = await client(server, 'editor')
    t.equal((await anyone('DELETE', at)).status, 401)
    t.equal((await other('DELETE', at)).status, 204, 'who made it, or a steward')
    t.strictSame([(await anyone('GET', `${at}/diff`)).status, (await anyone('GET', `${at}${parcels}/items`)).status, (await anyone('GET', at)).status], [404, 404, 404])
  })
})
