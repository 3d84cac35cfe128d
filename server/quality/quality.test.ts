import fc from 'fast-check'
import { sql } from 'kysely'
import t from 'tap'
import { PUBLIC, STEWARD, type Reader, type Store } from '../store/store.js'
import { applyEdits, type Edit, type FeatureEdit } from '../store/edits.js'
import { Problem } from '../errors.js'
import { testServer, testStore } from '../testing/test-store.js'
import { start } from './background.js'
import { check, checkChanges, rulesFor } from './check.js'
import { joined } from './components.js'
import { findings, summary } from './summary.js'
import { at, box, buildTown, line, point } from './test-town.js'
import { waive } from './waivers.js'

t.setTimeout(180_000)

const EDITOR: Reader = { subject: 'editor', roles: ['viewer', 'editor'], clearance: 'internal' }
const edit = (store: Store, ...edits: Edit[]) => applyEdits(store, { actor: 'test', reason: 'test' }, edits)
const found = async (store: Store, reader: Reader = STEWARD) => findings(store, reader, { limit: 10_000 })
const rulesFound = async (store: Store, reader?: Reader) => [...new Set((await found(store, reader)).map(one => one.rule))].sort()

/** All that a finding says, in an order of its own; when it was seen apart. */
async function content(store: Store): Promise<readonly unknown[]> {
  return (await found(store)).map(({ first_seen: _f, last_seen: _l, ...one }) => {
    const { objectid: _o, revision: _r, valid_from: _v, ...rest } = one as unknown as Record<string, unknown>
    return rest
  }).sort((a, b) => Number(a.id) - Number(b.id))
}

t.test('each rule finds its fault, at its place, and nothing else is found', async t => {
  const store = await testStore(t)
  const ids = await buildTown(store)
  await check(store)
  t.strictSame(await found(store), [], 'a town without a fault')
  const layer = (id: string) => store.catalogue.get(id)
  const update = (id: string, n: number, feature: FeatureEdit): Edit => ({ action: 'update', layer: layer(id), id: ids[id]![n]!, feature })
  const create = (id: string, feature: FeatureEdit): Edit => ({ action: 'create', layer: layer(id), feature: { source: 'test', ...feature } })

  const cases: readonly (readonly [rules: readonly string[], edit: Edit])[] = [
    [['parcels_overlap'], update('parcels', 5, { geometry: box(49.8, 0, 60, 20), properties: { dien_tich_do: 204, dien_tich_phap_ly: 204 } })],
    [['parcels_gap'], update('parcels', 5, { geometry: box(50.2, 0, 60, 20), properties: { dien_tich_do: 196, dien_tich_phap_ly: 196 } })],
    [['parcel_area'], update('parcels', 0, { properties: { dien_tich_do: 230, dien_tich_phap_ly: 230 } })],
    [['building_outside_parcel'], create('buildings', { geometry: box(150, 5, 158, 15), properties: { code: 'NEW' } })],
    [['building_straddles_parcels'], update('buildings', 2, { geometry: box(21, 2, 31, 14) })],
    [['buildings_overlap'], create('buildings', { geometry: box(1, 2, 9, 14), properties: { code: 'NEW' } })],
    [['building_in_water', 'building_outside_parcel'], create('buildings', { geometry: box(310, 5, 318, 15), properties: { code: 'NEW' } })],
    [['building_on_road', 'building_outside_parcel'], create('buildings', { geometry: box(12, -8, 20, -3), properties: { code: 'NEW' } })],
    [['tree_in_building'], update('trees', 0, { geometry: point(4, 8) })],
    [['housing_density_qcvn'], update('buildings', 0, { geometry: box(0.2, 0.2, 9.8, 17), properties: { year_built: 2024, use: 'residential' } })],
    [['building_over_storeys'], update('buildings', 0, { properties: { storeys: 7 }, height: 19 })],
    [['building_over_height'], update('buildings', 0, { height: 24 })],
    [['plan_lot_density'], update('plan_lots', 0, { properties: { mdxd: 40, he_so_sdd: 2 } })],
    [['plan_lot_floor_ratio'], update('plan_lots', 0, { properties: { he_so_sdd: 1 } })],
    [['plan_lot_area'], update('plan_lots', 0, { properties: { dien_tich_m2: 900 } })],
    [['plan_lot_unknown_plan'], update('plan_lots', 0, { properties: { plan_code: 'NONE' } })],
    [['plan_lot_outside_plan'], create('plan_lots', { geometry: box(280, 100, 330, 150), properties: { plan_code: 'QH', ky_hieu_lo: 'X' } })],
    [['plan_lots_overlap'], create('plan_lots', { geometry: box(55, 15, 100, 18), properties: { plan_code: 'QH', ky_hieu_lo: 'X' } })],
    [['building_over_red_line'], update('planning_lines', 0, { geometry: line([0, 5], [60, 5]) })],
    [['road_end_near_road', 'road_island'], create('roads', { geometry: line([10, -60], [10, -8]), properties: { class: 'lane' } })],
    [['road_crossing_unsplit'], create('roads', { geometry: line([10, -30], [10, 23], [65, 25]), properties: { class: 'lane' } })],
    [['road_island'], create('roads', { geometry: line([200, 200], [250, 200]), properties: { class: 'lane' } })],
    [['water_pipes.unknown_node'], update('water_pipes', 1, { properties: { to_node: 'NOWHERE' } })],
    [['water_pipes.end_off_node'], update('water_nodes', 11, { geometry: point(67, 85) })],
    [['power_nodes.unrooted'], create('power_nodes', { geometry: point(100, 100), properties: { code: 'ALONE', kind: 'pole' } })],
    [['drain_nodes.unrooted'], create('drain_nodes', { geometry: point(100, 100), properties: { code: 'ALONE', kind: 'manhole' } })],
    [['drain_runs_uphill'], update('drain_pipes', 0, { properties: { invert_from_m: -5.5, invert_to_m: -7 } })],
    [['drain_below_node'], update('drain_nodes', 11, { properties: { bottom_level_m: 0 } })],
    [['buildings.unknown_transformer_code'], update('buildings', 0, { properties: { transformer_code: 'NONE' } })],
    [['address_duplicate'], create('addresses', { geometry: point(5, 3), properties: { full_address: '1 đường 0', so_nha: '1', duong: 'DUONG 0', ward_code: '20194' } })],
    [['addresses.ward'], update('addresses', 5, { properties: { ward_code: '20194' } })],
    [['facility_off_road'], update('facilities', 0, { geometry: point(320, 300), properties: { ward_code: '20195' } })],
    [['certificates.outside_parcel'], update('certificates', 0, { geometry: point(25, 10) })],
    [['certificates.retention'], update('certificates', 0, { properties: { luu_den: '2024-01-01' } })],
    [['land_rights_over_whole'], create('land_rights', { geometry: point(5, 10), properties: { parcel_geohash: 'w6ugparcel00', loai_quyen: 'dong_su_dung', loai_chu: 'ca_nhan', ten_chu: 'NGƯỜI MẪU 9', ty_le: 50, muc_dich: 'x', co_so_phap_ly: 'dong_y', luu_den: '2090-01-01' } })],
    [['certificate_number_differs'], update('parcels', 0, { properties: { so_gcn: 'BA 99' } })],
    [['buildings.codes'], update('buildings', 0, { properties: { use: 'spaceport' } })],
    [['buildings.height_fits_storeys'], update('buildings', 0, { height: 4 })],
    [['wards_overlap'], create('wards', { geometry: box(400, 0, 600, 200), properties: { code: '20299', name: 'Ba' } })],
    [['water_nodes.duplicate_code'], create('water_nodes', { geometry: point(-5, -5), properties: { code: 'NC-0.0', kind: 'source' }, source: 'town' })],
    [['trees.duplicate_source'], create('trees', { geometry: point(30, -2), properties: { species: 'Bàng' }, source: 'town', sourceId: 'trees:14' })],
  ]
  const wanted = new Map<string, number>()
  for (const [rules, change] of cases) {
    const before = change.action === 'create' ? null : await row(store, change.layer.id, change.id)
    const { ids: [id] } = await edit(store, change)
    await checkChanges(store)
    // The town's source id of a tree depends on how many features came before it.
    const expected = rules[0] === 'trees.duplicate_source' ? [] : rules
    t.strictSame(await rulesFound(store), [...expected].sort(), rules.join(', '))
    for (const rule of rules) wanted.set(rule, id!)
    for (const one of await found(store)) {
      t.ok(one.message_vi && one.message_en && one.suggestion_vi && one.suggestion_en, `${one.rule}: ${one.message_en}`)
      t.ok(one.geometry, `${one.rule} has a place`)
      t.ok(one.feature_id === id || one.other_id === id || rules.length > 0)
    }
    await edit(store, change.action === 'create' ? { action: 'delete', layer: change.layer, id: id! } : { action: 'replace', layer: change.layer, id: id!, feature: before! })
    await checkChanges(store)
    t.strictSame(await rulesFound(store), [], `${rules.join(', ')}: mended`)
  }
  t.ok(wanted.size > 35)

  // What no door lets in: found where it came by SQL.
  await store.withRevision({ actor: 'test', reason: 'around the checks' }, async ({ tx }) => {
    await sql`update city.buildings set storeys = -1, year_built = 999 where id = ${ids.buildings![3]!}::int8`.execute(tx)
    await sql`update city.parcels set parcel_geohash = 'NOT ONE' where id = ${ids.parcels![3]!}::int8`.execute(tx)
    await sql`update city.water_bodies set geom = st_geomfromtext('MULTIPOLYGON(((108.3 16, 108.31 16.01, 108.31 16, 108.3 16.01, 108.3 16)))', 4326) where id = ${ids.water_bodies![0]!}::int8`.execute(tx)
  })
  const report = await checkChanges(store)
  const rules = await rulesFound(store)
  for (const rule of ['buildings.values', 'parcels.pattern_parcel_geohash', 'water_bodies.valid_geometry']) t.ok(rules.includes(rule), rule)
  t.equal(report!.touched, 3)
  const { total } = await summary(store, STEWARD)
  t.ok(total.errors >= 3)
})

/** A feature as an edit that puts it back. */
async function row(store: Store, layer: string, id: number): Promise<FeatureEdit> {
  const definition = store.catalogue.get(layer)
  const view = await store.view({ layer: definition, branch: 'main', asOf: 'now', reader: STEWARD })
  const { rows: [found] } = await sql<Record<string, any>>`select v.*, st_asgeojson(v.geom, 9)::jsonb as geometry from ${view} as v where v.id = ${id}::int8`.execute(store.pool('restricted'))
  return {
    geometry: found!.geometry, source: found!.source, sourceId: found!.source_id, ...(definition.threeD && { height: found!.height, groundZ: found!.ground_z }),
    properties: Object.fromEntries(definition.columns.map(({ name }) => [name, found![name]])),
  }
}

t.test('after any edits, checking what changed gives what checking all gives', async t => {
  const store = await testStore(t)
  const ids = await buildTown(store)
  await check(store)
  const layers = Object.keys(ids).filter(id => id !== 'water_bodies')
  const alive = new Map(layers.map(id => [id, [...ids[id]!]]))
  const change = fc.record({ layer: fc.constantFrom(...layers), nth: fc.nat(200), what: fc.constantFrom('move', 'move', 'value', 'value', 'delete', 'copy'), dx: fc.integer({ min: -24, max: 24 }), dy: fc.integer({ min: -24, max: 24 }), pick: fc.nat(50) })
  await fc.assert(fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 6 }), async changes => {
    for (const { layer: id, nth, what, dx, dy, pick } of changes) {
      const mine = alive.get(id)!
      if (mine.length < 2) continue
      const n = nth % mine.length
      const layer = store.catalogue.get(id)
      const feature = await row(store, id, mine[n]!)
      const other = await row(store, id, mine[pick % mine.length]!)
      const column = layer.columns[pick % layer.columns.length]!
      const moved = shifted(feature.geometry, dx / 2, dy / 2)
      // Some of these are refused as they should be: then nothing happened.
      const made = await edit(store,
        what === 'delete' ? { action: 'delete', layer, id: mine[n]! }
        : what === 'copy' ? { action: 'create', layer, feature: { ...feature, geometry: moved } }
        : { action: 'replace', layer, id: mine[n]!, feature: what === 'move' ? { ...feature, geometry: moved } : { ...feature, properties: { ...feature.properties, [column.name]: other.properties![column.name] } } },
      ).catch(() => null)
      if (made && what === 'delete') mine.splice(n, 1)
      if (made && what === 'copy') mine.push(made.ids[0]!)
    }
    await checkChanges(store)
    const incremental = await content(store)
    const { fresh, mended } = await check(store)
    const whole = await content(store)
    const differs = JSON.stringify(whole) !== JSON.stringify(incremental)
    if (differs) t.strictSame(incremental, whole, JSON.stringify(changes))
    if (fresh || mended || differs) throw new Error(`the incremental check missed ${fresh} and kept ${mended}`)
  }), { numRuns: Number(process.env.RUNS ?? 8), seed: process.env.SEED ? Number(process.env.SEED) : undefined, endOnFailure: true })
  t.ok((await found(store)).length > 10, 'the edits broke something')
})

function shifted(geometry: unknown, dx: number, dy: number): any {
  const [ox, oy] = at(0, 0), [mx, my] = at(dx, dy)
  const move = (c: any): any => typeof c[0] === 'number' ? [c[0] + mx - ox, c[1] + my - oy] : c.map(move)
  const { type, coordinates } = geometry as { type: string; coordinates: unknown }
  return { type, coordinates: move(coordinates) }
}

t.test('a finding keeps its id; a waiver lasts while the finding is what it was', async t => {
  const store = await testStore(t)
  const ids = await buildTown(store)
  const parcels = store.catalogue.get('parcels')
  const overlap = (x: number) => edit(store, { action: 'update', layer: parcels, id: ids.parcels![5]!, feature: { geometry: box(x, 0, 60, 20), properties: { dien_tich_do: (60 - x) * 20, dien_tich_phap_ly: (60 - x) * 20 } } })
  await overlap(49.5)
  await check(store)
  const [issue] = await found(store)
  t.match(issue, { rule: 'parcels_overlap', state: 'open', unit: 'm²', first_seen: 2, last_seen: 2 })
  t.ok(Math.abs(issue!.value! - 10) < 0.1, `${issue!.value} m²`)

  await t.rejects(waive(store, EDITOR, issue!.id, ' '), Problem)
  await t.rejects(waive(store, EDITOR, 12345, 'why not'), Problem)
  await waive(store, EDITOR, issue!.id, 'shared wall, agreed by both')
  await check(store)
  t.match((await found(store))[0], { id: issue!.id, state: 'waived' })
  await edit(store, { action: 'update', layer: parcels, id: ids.parcels![5]!, feature: { properties: { dia_chi: 'elsewhere' } } })
  await checkChanges(store)
  t.match((await found(store))[0], { id: issue!.id, state: 'waived', first_seen: 2, last_seen: 3 }, 'another attribute changes nothing')
  t.match(await summary(store, STEWARD), { total: { open: 0, waived: 1 }, behind: 0 })

  await overlap(49)
  await checkChanges(store)
  t.match((await found(store))[0], { id: issue!.id, state: 'open', first_seen: 2 }, 'twice as much is another matter')
  await overlap(49.5)
  await checkChanges(store)
  t.match((await found(store))[0], { id: issue!.id, state: 'waived' }, 'what was waived is there again')
  await waive(store, EDITOR, issue!.id, null)
  t.match((await found(store))[0], { id: issue!.id, state: 'open' })
})

t.test('over HTTP: summary, rules, findings as a collection and as tiles, and nothing closed to who may not see it', async t => {
  const server = await testServer(t)
  const { store } = server
  const ids = await buildTown(store)
  // An open fault, one of an internal column, one of a restricted layer.
  await edit(store,
    { action: 'update', layer: store.catalogue.get('parcels'), id: ids.parcels![0]!, feature: { properties: { dien_tich_do: 230 } } },
    { action: 'update', layer: store.catalogue.get('buildings'), id: ids.buildings![0]!, feature: { properties: { transformer_code: 'SECRET-TRANSFORMER' } } },
    { action: 'update', layer: store.catalogue.get('land_rights'), id: ids.land_rights![0]!, feature: { properties: { luu_den: '2024-01-01' } } })
  const [editor, steward] = [await server.token('editor'), await server.token('steward')]
  const get = async (path: string, token?: string) => {
    const response = await fetch(server.url + path, { headers: token ? { Authorization: `Bearer ${token}` } : {} })
    return { status: response.status, body: /json/.test(response.headers.get('content-type') ?? '') ? await response.json() as any : await response.text() }
  }
  const post = (path: string, token: string | undefined, body: unknown, method = 'POST') =>
    fetch(server.url + path, { method, headers: { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) }, body: JSON.stringify(body) })
  t.match(await get('/quality'), { status: 200, body: { revision: null, total: { open: 0 } } })
  t.equal((await post('/quality/checks', undefined, {})).status, 401)
  t.equal((await post('/quality/checks', editor, { layers: ['land_rights'] })).status, 404, 'an editor does not know of land rights')
  t.equal((await post('/quality/checks', editor, { rules: ['nonsense'] })).status, 400)
  const started = await post('/quality/checks', editor, {})
  t.equal(started.status, 201)
  for (let state = 'accepted'; state !== 'successful';) {
    state = (await get(new URL(started.headers.get('location')!).pathname, editor)).body.status
    if (state === 'failed' || state === undefined) return t.fail('the check failed')
    await new Promise(done => setTimeout(done, 50))
  }
  const seen = async (token?: string) => (await get('/ogc/collections/quality_issues/items?limit=100', token)).body.features.map((one: any) => one.properties.rule).sort()
  const open = ['parcel_area', 'parcels.legal_near_measured'], internal = ['buildings.unknown_transformer_code'], restricted = ['land_rights.luu_den', 'land_rights.retention']
  const all = await seen(steward)
  t.ok(all.includes('land_rights.retention') && all.includes(internal[0]) && all.includes('parcel_area'))
  const middle = await seen(editor)
  t.ok(middle.includes(internal[0]) && middle.includes('parcel_area') && !middle.some((rule: string) => rule.startsWith('land_rights')))
  const few = await seen()
  t.ok(few.includes('parcel_area') && !few.includes(internal[0]) && !few.some((rule: string) => rule.startsWith('land_rights')))
  t.ok(open.length && restricted.length)

  for (const path of ['/quality', '/quality/rules', '/ogc/collections/quality_issues/items?f=html', '/ogc/collections/quality_issues/items?limit=1000', '/ogc/collections/quality_issues', '/city']) {
    const text = JSON.stringify((await get(path)).body)
    for (const hidden of ['land_rights', 'SECRET-TRANSFORMER', 'unknown_transformer_code', 'transformer_code']) t.notOk(text.includes(hidden), `${path} says nothing of ${hidden}`)
  }
  t.equal((await get('/ogc/collections/quality_issues/items?rule=land_rights.retention')).body.numberMatched, 0)
  const tile = async (token?: string) => (await fetch(`${server.url}/tiles/quality_issues/14/13116/7451.mvt`, { headers: token ? { Authorization: `Bearer ${token}` } : {} })).arrayBuffer()
  const mvt = Buffer.from(await tile(steward)).toString('latin1')
  t.ok(mvt.includes('parcel_area') && mvt.includes('land_rights.retention'))
  const publicTile = Buffer.from(await tile()).toString('latin1')
  t.ok(publicTile.includes('parcel_area') && !publicTile.includes('land_rights'))
  t.equal((await get('/ogc/collections/quality_issues/items?asOf=1')).status, 400, 'a report has no past')

  const { features } = (await get('/ogc/collections/quality_issues/items?rule=parcel_area')).body
  const waiver = `/quality/issues/${features[0].id}/waiver`
  t.equal((await post(waiver, undefined, { reason: 'x' }, 'PUT')).status, 401)
  t.equal((await post(waiver, editor, { reason: 'surveyed anew, papers follow' }, 'PUT')).status, 200)
  const closed = (await get('/ogc/collections/quality_issues/items?rule=land_rights.retention', steward)).body.features[0]
  t.equal((await post(`/quality/issues/${closed.id}/waiver`, editor, { reason: 'x' }, 'PUT')).status, 404, 'what one does not see one does not waive')
  const { properties } = (await get('/ogc/collections/quality_issues/items?rule=parcel_area')).body.features[0]
  t.match(properties, { state: 'waived' })
  t.notOk('waived_reason' in properties, 'who waived it and why is not for the public')
  t.match((await get('/quality', editor)).body, { total: { waived: 1 }, behind: 0 })
  t.ok(rulesFor(store, PUBLIC).length < rulesFor(store, STEWARD).length)
})

t.test('a check blocks no writer; the background check follows edits and goes on where it was', async t => {
  const server = await testServer(t)
  const { store, jobs } = server
  const ids = await buildTown(store)
  const area = (n: number) => edit(store, { action: 'update', layer: store.catalogue.get('parcels'), id: ids.parcels![0]!, feature: { properties: { dien_tich_do: n } } })
  const writes: Promise<unknown>[] = []
  let written = 0
  const { revision } = await check(store, { onProgress: share => { if (share > 0.5 && writes.length === 0) writes.push(area(230).then(() => { written = share })) } })
  await Promise.all(writes)
  t.ok(written > 0)
  t.equal(revision, 1, 'the check saw the city before the edit')
  t.strictSame(await found(store), [])

  const until = async (holds: () => Promise<boolean>) => {
    for (let i = 0; i < 400; i++) { if (await holds()) return true; await new Promise(done => setTimeout(done, 50)) }
    return false
  }
  const first = start({ store, jobs }, { settleMs: 20 })
  t.ok(await until(async () => (await rulesFound(store)).includes('parcel_area')), 'the edit is seen')
  await first.stop()
  await area(200)
  await new Promise(done => setTimeout(done, 300))
  t.ok((await rulesFound(store)).includes('parcel_area'), 'nobody looks')
  const second = start({ store, jobs }, { settleMs: 20 })
  t.ok(await until(async () => !(await rulesFound(store)).includes('parcel_area')), 'what came while it was away')
  await second.stop()
})

t.test('groups have the name of their smallest member, whatever the order of the pairs', async t => {
  fc.assert(fc.property(fc.array(fc.record({ a: fc.nat(30), b: fc.nat(30) })), pairs => {
    const forth = joined(pairs), back = joined([...pairs].reverse())
    for (const [id, root] of forth) {
      if (back.get(id) !== root || root > id || forth.get(root) !== root) return false
    }
    return pairs.every(({ a, b }) => forth.get(a) === forth.get(b))
  }))
})
