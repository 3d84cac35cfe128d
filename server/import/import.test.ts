import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { request, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { sql } from 'kysely'
import { zipSync } from 'fflate'
import t from 'tap'
import type { JobContext } from '../operations/jobs.js'
import { STEWARD, type Store } from '../store/store.js'
import { joinStore } from '../compose.js'
import { testDatabase } from '../testing/test-cluster.js'
import { testServer, testStore } from '../testing/test-store.js'
import { heightAt } from '../terrain/terrain-store.js'
import { runImport, runPublish, type ImportInputs, type ImportResult } from './run.js'
import { freeze, safeName } from './uploads.js'

const wards = {
  type: 'FeatureCollection', features: ['Hải Vân', 'Hoà Khánh'].map((TEN, i) => ({
    type: 'Feature', id: i, properties: { MA: `2019${i}`, TEN }, geometry: { type: 'Polygon', coordinates: [[[108 + i, 16], [108.1 + i, 16], [108.1 + i, 16.1], [108 + i, 16]]] },
  })),
}

/** A job's work without the queue around it. */
function importer(store: Store, dataDir: string) {
  let n = 0
  return async (mode: typeof runImport, file: string, choices: Partial<ImportInputs> = {}): Promise<ImportResult> => {
    const context: JobContext = { id: `job-${n++}`, store, owner: STEWARD, branch: 'main', signal: new AbortController().signal, report() {} }
    return mode(context, { file: await freeze(file, dataDir), dataDir, ...choices })
  }
}
const count = async (store: Store, layer: string) => Number((await sql<{ n: string }>`select count(*) as n from ${sql.id('city', layer)}`.execute(store.db)).rows[0]!.n)

t.test('an upload is imported, published and taken away over HTTP', async t => {
  const dataDir = t.testdir()
  const { url, store, token } = await testServer(t, { config: { dataDir } })
  const steward = await token('steward')
  const send = async (fields: Record<string, string>, content: string | Uint8Array, name: string, bearer = steward) => {
    const form = new FormData()
    for (const [key, value] of Object.entries(fields)) form.append(key, value)
    form.append('file', new Blob([content]), name)
    return fetch(`${url}/imports`, { method: 'POST', body: form, headers: bearer ? { authorization: `Bearer ${bearer}` } : {} })
  }
  const done = async (response: Response) => {
    const address = response.headers.get('location')!
    const mine = { headers: { authorization: `Bearer ${steward}` } }
    for (;;) {
      const job = await (await fetch(address, mine)).json() as { status: string; message: string; jobID: string; state: string }
      if (!['accepted', 'running'].includes(job.status)) return { ...job, result: job.status === 'successful' ? await (await fetch(`${address}/results`, mine)).json() as ImportResult : null }
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }
  const text = JSON.stringify(wards)

  await t.test('only a steward may', async t => {
    t.equal((await send({}, text, 'wards.geojson', '')).status, 401)
    t.equal((await send({}, text, 'wards.geojson', await token('editor'))).status, 403)
    t.equal((await fetch(`${url}/imports`, { method: 'POST', body: '{}', headers: { authorization: `Bearer ${steward}`, 'content-type': 'application/json' } })).status, 415)
    t.equal((await send({ mode: 'guess' }, text, 'wards.geojson')).status, 400)
    t.equal((await send({ mode: 'import', layer: 'nothing' }, text, 'wards.geojson')).status, 404)
    t.equal((await send({ crs: 'somewhere' }, text, 'wards.geojson')).status, 400)
    t.equal((await send({ name: 'a\0b' }, text, 'wards.geojson')).status, 400)
    const huge = request(`${url}/imports`, { method: 'POST', headers: { authorization: `Bearer ${steward}`, 'content-type': 'multipart/form-data; boundary=x', 'content-length': 5 * 2 ** 30 } })
    huge.on('error', () => {})
    huge.flushHeaders()
    const [answer] = await once(huge, 'response') as [IncomingMessage]
    t.equal(answer.statusCode, 413)
    huge.destroy()
    t.strictSame(readdirSync(join(dataDir, 'uploads')).filter(name => name.startsWith('incoming')), [], 'nothing is left of refused uploads')
  })

  await t.test('into a layer, with columns mapped', async t => {
    const response = await send({ mode: 'import', layer: 'wards', map: 'code=MA\nname=TEN' }, text, 'wards.geojson')
    t.equal(response.status, 201)
    t.match(await done(response), { status: 'successful', result: { inserted: 2, layers: { wards: 2 } } })
    const again = await done(await send({ mode: 'import', layer: 'wards', map: 'code=MA,name=TEN' }, text, 'wards.geojson'))
    t.match(again, { status: 'failed', message: /has 2 rows of the source “wards” already.*--replace/ })
    t.match(await done(await send({ mode: 'import', layer: 'wards', map: 'code=MA,name=TEN', replace: 'wards' }, text, 'wards.geojson')), { result: { unchanged: 2, revision: 0 } })
  })

  await t.test('as a layer of its own, at once in OGC; unpublished, it is gone', async t => {
    t.match(await done(await send({ name: 'Phường thử' }, zipSync({ 'wards.geojson': Buffer.from(text) }), 'wards.zip')), { status: 'successful', result: { layers: { phuong_thu: 2 } } })
    const items = await (await fetch(`${url}/ogc/collections/phuong_thu/items`)).json() as { features: { properties: Record<string, unknown> }[] }
    t.match(items.features.map(f => f.properties), [{ ma: '20190', ten: 'Hải Vân' }, { ma: '20191', ten: 'Hoà Khánh' }])
    t.match(await done(await send({ name: 'Phường thử' }, text, 'wards.geojson')), { status: 'failed', message: /exists already/ })
    const remove = (layer: string) => fetch(`${url}/imports/layers/${layer}`, { method: 'DELETE', headers: { authorization: `Bearer ${steward}` } })
    t.equal((await remove('phuong_thu')).status, 204)
    t.equal((await fetch(`${url}/ogc/collections/phuong_thu/items`)).status, 404)
    t.equal((await remove('wards')).status, 409, 'a layer of the product stays')
  })

  await t.test('rejects can be read', async t => {
    const bad = { ...wards, features: [...wards.features, { type: 'Feature', properties: { MA: 'x' }, geometry: null }] }
    const job = await done(await send({ mode: 'import', layer: 'wards', map: 'code=MA,name=TEN', source: 'bad', maxRejects: '50%' }, JSON.stringify(bad), 'bad.geojson'))
    t.match(job, { status: 'successful', result: { read: 3, rejected: 1 } })
    const rejects = await fetch(`${url}/imports/${job.jobID}/rejects`, { headers: { authorization: `Bearer ${steward}` } })
    t.equal(await rejects.text(), `${JSON.stringify({ layer: 'wards', row: 3, reason: 'no geometry' })}\n`)
    t.match(await done(await send({ mode: 'import', layer: 'wards', map: 'code=MA,name=TEN', source: 'worse' }, JSON.stringify(bad), 'bad.geojson')), { status: 'failed', message: /1 of 3 rows were rejected/ })
    t.equal(await count(store, 'wards'), 4)
    t.match(await done(await send({}, text.slice(0, 200), 'cut.geojson')), { status: 'failed', message: /truncated/ })
  })
})

t.test('inputs are frozen by content, whatever becomes of the file', async t => {
  const dataDir = t.testdir({ 'a.shp': 'shape', 'a.DBF': 'table', 'a.txt': 'not mine' })
  const first = await freeze(join(dataDir, 'a.shp'), dataDir)
  writeFileSync(join(dataDir, 'a.DBF'), 'changed')
  const second = await freeze(join(dataDir, 'a.shp'), dataDir)
  t.not(first.sha256, second.sha256)
  t.strictSame(readdirSync(join(first.path, '..')).sort(), ['a.DBF', 'a.shp'])
  t.equal(readFileSync(join(first.path, '../a.DBF'), 'utf8'), 'table')
  t.strictSame((await freeze(join(dataDir, 'a.shp'), dataDir)), second)
  t.strictSame(['../../etc/passwd', 'C:\\temp\\Lô đất.shp', '..', 'a\0b;rm'].map(safeName), ['passwd', 'Lô đất.shp', 'upload', 'a_b_rm'])
})

t.test('a publish that was killed half-way is made anew', async t => {
  const dataDir = t.testdir({ 'wards.geojson': JSON.stringify(wards) })
  const store = await testStore(t)
  const run = importer(store, dataDir)
  await run(runPublish, join(dataDir, 'wards.geojson'), { name: 'phường' })
  const layer = store.catalogue.get('phuong')
  await store.catalogue.unpublish('phuong', 'test')
  await store.catalogue.publish(layer, 'test')
  t.match(await run(runPublish, join(dataDir, 'wards.geojson'), { name: 'phường' }), { layers: { phuong: 2 } })
  await t.rejects(run(runPublish, join(dataDir, 'wards.geojson'), { name: 'phường' }), { message: /exists already/ })
  t.equal(await count(store, 'phuong'), 2)
})

t.test('an import killed half-way leaves nothing, is marked interrupted, and is repeated from its frozen inputs', async t => {
  const features = Array.from({ length: 60_000 }, (_, i) => JSON.stringify({ type: 'Feature', properties: { code: `T${i}` }, geometry: { type: 'Point', coordinates: [108 + (i % 300) / 1000, 16 + Math.floor(i / 300) / 1000] } }))
  const dataDir = t.testdir({ 'trees.geojson': `{"type":"FeatureCollection","features":[${features.join(',')}]}` })
  const { connection, drop } = await testDatabase()
  const { store, jobs, close } = await joinStore(connection)
  t.teardown(async () => {
    await close()
    await drop()
  })
  const inputs: ImportInputs = { file: await freeze(join(dataDir, 'trees.geojson'), dataDir), dataDir, layer: 'trees' }
  writeFileSync(join(dataDir, 'trees.geojson'), 'changed since')
  const script = `
    import { joinStore } from ${JSON.stringify(new URL('../compose.ts', import.meta.url).href)}
    const { jobs } = await joinStore(${JSON.stringify(connection)})
    await jobs.run('import', ${JSON.stringify(inputs)}, { subject: 'steward', roles: ['steward'], clearance: 'restricted' })`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], { stdio: 'inherit' })
  const gone = once(child, 'exit')
  const imports = () => jobs.list({ kind: 'import' })
  while (!/^trees: .* read$/.test((await imports())[0]?.message ?? '') && child.exitCode === null) await new Promise(resolve => setTimeout(resolve, 10))
  child.kill('SIGKILL')
  t.strictSame(await gone, [null, 'SIGKILL'])
  t.equal(await count(store, 'trees'), 0)

  jobs.start()
  while ((await imports())[0]!.state === 'running') await new Promise(resolve => setTimeout(resolve, 50))
  const [killed] = await imports()
  t.equal(killed!.state, 'interrupted')
  t.match(await jobs.runAgain(killed!.id, STEWARD), { state: 'successful', inputsHash: killed!.inputsHash, result: { inserted: 60_000 } })
  t.equal(await count(store, 'trees'), 60_000)
  const indexes = await sql<{ n: string }>`select count(*) as n from pg_indexes where schemaname = 'city' and tablename = 'trees' and indexdef like '%gist%'`.execute(store.db)
  t.equal(Number(indexes.rows[0]!.n), 2, 'the first load has put the indexes back')
})

// Real files of real places; without REAL_DATA they are not selected (scripts/run-tap.mjs says so).
const real = process.env.REAL_DATA
if (real) t.test('real files of real places', async t => {
  const dataDir = t.testdir()
  const store = await testStore(t)
  const run = importer(store, dataDir)
  const file = (path: string) => {
    if (!existsSync(join(real, path))) throw new Error(`REAL_DATA lacks ${path}`)
    return join(real, path)
  }
  const whole = ({ read, inserted, rejected, repaired }: ImportResult) => ({ read, inserted, rejected, repaired })

  await t.test('Đà Nẵng: 94 wards with Hoàng Sa, 9 former districts', async t => {
    t.match(await run(runImport, file('danang/wards_2025/wards.geojson.gz'), { layer: 'wards' }), { read: 94, inserted: 94, rejected: 0, repaired: 0 })
    const rows = await sql`select name, name_en, province_code, hieu_luc_tu::text as since, source_id from city.wards where code = '20333'`.execute(store.db)
    t.strictSame(rows.rows, [{ name: 'Hoàng Sa', name_en: 'Hoàng Sa', province_code: '48', since: '2025-07-01', source_id: '20333' }])
    const area = await sql<{ km2: number }>`select ST_Area(geom::geography) / 1e6 as km2 from city.wards where code = '20333'`.execute(store.db)
    t.ok(Math.abs(area.rows[0]!.km2 - 633.6) < 0.5, `${area.rows[0]!.km2} km² on the ellipsoid, as GDAL measures`)
    t.match(await run(runImport, file('danang/districts_pre2025/whosonfirst_county.geojson.gz'), { layer: 'districts_former' }), { read: 9, inserted: 9, rejected: 0 })
    t.match(await run(runPublish, file('danang/districts_pre2025/whosonfirst_county.geojson.gz'), { name: 'wof' }), { layers: { wof: 9 } })
    t.match(await run(runPublish, file('danang/coast/danang_land_osm_10m.geojson'), { name: 'coast' }), { layers: { coast: 1 } })
  })

  await t.test('Washington: every layer of the multi-layer city is published whole, the invalid polygons repaired', async t => {
    let repaired = 0
    for (const name of readdirSync(file('washington_dc')).filter(name => name.includes('.geojson'))) {
      const bytes = readFileSync(file(`washington_dc/${name}`))
      const source = JSON.parse((name.endsWith('.gz') ? (await import('node:zlib')).gunzipSync(bytes) : bytes).toString('utf8')) as { features: unknown[] }
      const result = await run(runPublish, file(`washington_dc/${name}`), { name: `dc ${name.split('.')[0]}` })
      t.match(whole(result), { read: source.features.length, inserted: source.features.length, rejected: 0 }, name)
      repaired += result.repaired!
    }
    t.equal(repaired, 2)
  })

  await t.test('Washington into layers of the city, by their mappings', async t => {
    for (const [name, layer, rows, rejected] of [
      ['ward-2012.geojson.gz', 'wards', 8, 0], ['sewers-inlets.geojson.gz', 'drain_nodes', 2772, 0], ['traffic-camera.geojson', 'cameras', 339, 0],
      ['public-schools.geojson', 'facilities', 122, 0], ['electric-substations.geojson', 'power_nodes', 19, 0], ['bridge-polygons-ddot.geojson.gz', 'bridges', 264, 0],
      ['condo-approval-lots.geojson.gz', 'parcels', 3068, 29], ['snow-emergency-roads.geojson.gz', 'roads', 2204, 0],
    ] as const) {
      const before = await count(store, layer)
      const result = await run(runImport, file(`washington_dc/${name}`), {})
      t.match(whole(result), { read: rows, inserted: rows - rejected, rejected }, name)
      t.equal(await count(store, layer), before + rows - rejected)
      if (rejected) t.equal(readFileSync(result.rejectsFile!, 'utf8').trim().split('\n').length, rejected, 'each reject is listed')
    }
  })

  await t.test('Monaco: OSM into all layers it can fill, again unchanged, and its terrain', async t => {
    const first = await run(runImport, file('monaco/monaco.osm.gz'))
    t.match(first, { format: 'osm-xml', read: 2128, inserted: 2114, rejected: 14, layers: { buildings: 966, roads: 861, trees: 208, facilities: 42 } })
    t.ok(readFileSync(first.rejectsFile!, 'utf8').split('\n').filter(Boolean).every(line => /not in the file|no outer ring|do not close/.test(line)), 'only what the extract cut off')
    t.match(await run(runImport, file('monaco/monaco.osm.gz'), { replace: 'monaco' }), { unchanged: 2114, inserted: 0, updated: 0, deleted: 0, revision: 0 })
    t.match(await run(runImport, file('monaco/N43E007.hgt.zip')), { format: 'hgt', notes: [/1201 × 1201/] })
    // As gdallocationinfo reads the file.
    for (const [lon, lat, metres] of [[7.3715, 43.7489, 287], [7.4, 43.77, 627]] as const) t.ok(Math.abs((await heightAt(store, lon, lat))! - metres) < 10, `${metres} m at ${lon}, ${lat}`)
  })

  await t.test('Delft: 570 city objects published; buildings, bridges and water into their layers', async t => {
    const published = await run(runPublish, file('delft/cityjson/delft.json.gz'), { name: 'delft' })
    t.match(whole(published), { read: 570, inserted: 570, rejected: 0 })
    t.match(await run(runImport, file('delft/cityjson/delft.json.gz')), { inserted: 166, layers: { buildings: 160, bridges: 3, water_bodies: 3 }, left: ['LandUse', 'PlantCover', 'Road', 'GenericCityObject'] })
    const { rows } = await sql<Record<string, number>>`
      select count(solid) as solids, min(height) as low, max(height) as high, sum(ST_Area(geom::geography)) as area, max(abs(ST_ZMin(solid) - ground_z)) as off
      from city.buildings where source = 'delft'`.execute(store.db)
    t.equal(Number(rows[0]!.solids), 160)
    t.ok(rows[0]!.off! < 0.002 && rows[0]!.high! < 18 && rows[0]!.area! > 8000 && rows[0]!.area! < 9500, JSON.stringify(rows[0]))
  })

  await t.test('Lyon in 3D from EPSG:3946, ky4 by its crs member in US feet, GeoPackages in British grid', async t => {
    t.match(await run(runPublish, file('lyon/buildings_lyon1.geojson.gz'), { name: 'lyon' }), { layers: { lyon: 2576 }, rejected: 0 })
    t.match(store.catalogue.get('lyon').threeD, { form: 'extrude' })
    const lyon = await sql<Record<string, number>>`select ST_X(ST_Centroid(ST_Extent(geom))) as lon, ST_Y(ST_Centroid(ST_Extent(geom))) as lat, max(abs(ground_z - z_min_sol)) filter (where z_min_sol > 0 and z_min_toit > 0) as off, count(height) as tall from city.lyon`.execute(store.db)
    t.ok(Math.abs(lyon.rows[0]!.lon! - 4.83) < 0.1 && Math.abs(lyon.rows[0]!.lat! - 45.77) < 0.1, JSON.stringify(lyon.rows[0]))
    for (const [name, rows] of [['pipes.geojson.gz', 1156], ['junctions.geojson.gz', 959], ['tanks.geojson', 4], ['pumps.geojson', 2], ['reservoirs.geojson', 1]] as const)
      t.match(await run(runPublish, file(`networks/water/ky4_${name}`)), { inserted: rows, rejected: 0 }, name)
    t.match(await run(runImport, file('networks/water/ky4_pipes.geojson.gz'), { layer: 'water_pipes' }), { inserted: 1156, rejected: 0 })
    const length = await sql<{ off: number }>`select abs(sum(ST_Length(geom::geography)) / sum(length_m) - 1) as off from city.water_pipes where source = 'ky4_pipes'`.execute(store.db)
    const { rows: [pipe] } = await sql<object>`select dn_mm, from_node, to_node from city.water_pipes where source = 'ky4_pipes' and code = 'P-1'`.execute(store.db)
    t.match(pipe, { dn_mm: 152.4, from_node: 'J-1', to_node: 'J-34' }, 'diameters in metres become millimetres')
    t.ok(length.rows[0]!.off < 0.1, `drawn and stated lengths agree (${length.rows[0]!.off})`)
    t.match(await run(runImport, file('networks/water/ky4_elevation.tif')), { format: 'geotiff' })
    t.match(await run(runPublish, file('gpkg/features-0.gpkg'), { name: 'states' }), { layers: { states: 51 }, rejected: 0 })
    t.match(await run(runPublish, file('gpkg/simple_sewer_features.gpkg')), { layers: { s_manhole: 69, foul_sewer: 82, surface_water_sewer: 21 }, rejected: 0 })
    await t.rejects(run(runImport, file('gpkg/simple_sewer_features.gpkg'), { layer: 'drain_pipes' }), { status: 400, message: /s_manhole, foul_sewer, surface_water_sewer.*--from/ })
  })
})
