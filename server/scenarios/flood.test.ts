import t from 'tap'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { inflateSync } from 'node:zlib'
import { sql } from 'kysely'
import { dequantise } from '../../simulation/flood/frame.js'
import { cellAt } from '../../simulation/flood/grid.js'
import { loadFeatures } from '../import/load.js'
import { createJobs, type LocalJobs } from '../operations/jobs-impl.js'
import { PUBLIC, STEWARD, type Store } from '../store/store.js'
import { openStore } from '../store/open-store.js'
import { testDatabase } from '../testing/test-cluster.js'
import { storeTerrain } from '../terrain/terrain-store.js'
import { readCase } from './case.js'
import type { FloodResult } from './flood-job.js'
import { newRunInputs } from './inputs.js'
import { FLOOD, registerJobs } from './jobs.js'
import { frame, manifest, peak, summary } from './results.js'
import { ensureSampleRun } from './sample.js'
import { createScenario, type NewScenario } from './scenario.js'
import { at, BUILDINGS, features, makeTown, STORM } from './test-town.js'

async function town(t: { teardown(handler: () => Promise<unknown>): unknown }): Promise<{ store: Store; jobs: LocalJobs; connection: Parameters<typeof createJobs>[0]['connection'] }> {
  const database = await testDatabase()
  const store = await openStore({ connection: database.connection })
  const jobs = createJobs({ store, connection: database.connection })
  registerJobs(jobs)
  t.teardown(async () => {
    await jobs.stop()
    await store.close()
    await database.drop()
  })
  await makeTown(store)
  return { store, jobs, connection: database.connection }
}

t.test('a run goes from the city’s layers to frames, impacts and collections', async t => {
  const { store, jobs } = await town(t)
  const scenario = await createScenario(store, STORM, STEWARD)
  const messages: string[] = []
  const job = await jobs.run(FLOOD, newRunInputs(scenario.id), STEWARD, { branch: scenario.id, onProgress: job => messages.push(job.message) })
  t.equal(job.state, 'successful', job.message)
  const result = job.result as FloodResult
  t.ok(result.massError < 1e-9, `mass error ${result.massError}`)
  t.ok(messages.some(message => /of 1:00 · deepest/.test(message)), 'it tells how far it is')

  const found = await manifest(store, job.id, scenario.id)
  t.match(found, {
    version: 1, id: job.id, scenario: scenario.id, complete: true, state: 'successful', inputsHash: result.inputsHash, duration: 3600,
    label: { vi: 'MÔ PHỎNG – KHÔNG PHẢI DỰ BÁO', en: 'SIMULATION – NOT A FORECAST' }, grid: { crs: 5899, cell: 20 }, quantisation: { nodata: 65535 },
  })
  t.strictSame(found.times, Array.from({ length: 13 }, (_, i) => i * 300))
  t.ok(Math.abs(found.grid.corners[0]![0] - at(-600, 400)[0]) < 3e-4, 'the corners are told in degrees')

  const { rows, cols, origin, cell } = found.grid
  const depths = async (n: number) => dequantise(new Uint16Array(Uint8Array.from(inflateSync(await frame(store, PUBLIC, job.id, n))).buffer))
  const cellOf = async (x: number, y: number) => {
    const [lon, lat] = at(x, y)
    const { rows: [p] } = await sql<{ e: number; n: number }>`select st_x(g) as e, st_y(g) as n from (select st_transform(st_setsrid(st_makepoint(${lon}::float8, ${lat}::float8), 4326), 5899) as g) as p`.execute(store.db)
    return cellAt({ rows, cols, origin, cell }, p!.e, p!.n)
  }
  const first = await depths(0), last = await depths(12)
  t.equal(first.length, rows * cols)
  t.equal(first[await cellOf(0, 0)], 0, 'dry at the start')
  t.ok(last[await cellOf(0, 0)]! > 0.3, `the hollow fills: ${last[await cellOf(0, 0)]} m`)
  t.ok(Number.isNaN(last[await cellOf(-585, 0)]!), 'the hill is not computed, which is not dry')
  t.ok(Number.isNaN(last[await cellOf(560, 0)]!), 'nor is the open sea')
  t.ok(Math.abs(first[await cellOf(430, 0)]! - 2.2) < 0.15, 'the shelf holds the tide')
  const max = dequantise(new Uint16Array(Uint8Array.from(inflateSync((await peak(store, PUBLIC, job.id, 'depth')).data)).buffer))
  t.ok(last.every((depth, i) => Number.isNaN(depth) ? Number.isNaN(max[i]!) : max[i]! >= depth), 'the greatest depth is nowhere less than the last')
  t.ok(found.balance!.inflow > 5000 && found.balance!.drains > 0 && found.balance!.infiltration > 0, 'river and hills pour in, drains and ground take')

  const impacts = await summary(store, PUBLIC, job.id)
  t.match(impacts, { buildings: { computed: 2, notComputed: 1, flooded: 1 }, people: { inFloodedBuildings: 8 }, roads: { impassable: 1 }, facilitiesHit: 1, facilities: [{ layer: 'facilities', name: 'Trạm y tế', kind: 'clinic' }] })
  t.equal(Object.values(impacts.byDepthClass).reduce((sum, { buildings }) => sum + buildings, 0), 2, 'each computed building is in one class')

  const rowsOf = async (layer: string, columns: readonly string[]) => {
    const view = await store.view({ layer: store.catalogue.get(layer), branch: scenario.id, asOf: 'now', reader: PUBLIC, columns })
    return (await sql<Record<string, unknown>>`select ${sql.join(columns.map(name => sql.ref(name)))}, st_npoints(geom) as points from (${view}) as v order by name`.execute(store.db)).rows
  }
  t.match(await rowsOf('run_buildings', ['name', 'depth_max_m', 'depth_class', 'people', 'use']), [
    { name: 'Nền cao', depth_max_m: Number, use: 'school', people: 100, points: 5 },
    { name: 'Trong trũng', depth_max_m: Number, use: 'residential', people: 8, points: 5 },
  ], 'no row for the house on the hill')
  t.match(await rowsOf('run_roads', ['name', 'passable', 'depth_max_m']), [{ name: 'Cầu', passable: true, depth_max_m: 0 }, { name: 'Đường trũng', passable: false }])
  t.match(await rowsOf('run_facilities', ['name', 'layer', 'kind']), [{ name: 'Trạm y tế', layer: 'facilities', kind: 'clinic' }])

  t.test('run again after the city has changed, it computes the same from its frozen inputs', async t => {
    await loadFeatures(store, [{ layer: 'buildings', srid: 4326, source: 'test', features: features([BUILDINGS[1]!]) }], { actor: 'test', reason: 'torn down', replaceSource: 'test' })
    await storeTerrain(store, { bounds: [...at(-700, -500), ...at(700, 500)], resolutionM: 8, height: () => 5 }, { name: 'town', actor: 'test' })
    const again = await jobs.runAgain(job.id, STEWARD)
    t.equal(again.state, 'successful', again.message)
    t.equal((again.result as FloodResult).inputsHash, result.inputsHash)
    t.ok((await peak(store, PUBLIC, again.id, 'depth')).data.equals((await peak(store, PUBLIC, job.id, 'depth')).data), 'greatest depths bit for bit')
    t.strictSame(await summary(store, PUBLIC, again.id), impacts, 'and the same people hit')
    const anew = await jobs.run(FLOOD, newRunInputs(scenario.id), STEWARD, { branch: scenario.id })
    t.not((anew.result as FloodResult).inputsHash, result.inputsHash, 'a new run sees the new city')
  })

  t.test('more rain, more water; a run that cannot be says why', async t => {
    const wetter = await jobs.run(FLOOD, newRunInputs(scenario.id, { rainFactor: 2, hours: 0.5 }), STEWARD, { branch: scenario.id })
    t.equal((await manifest(store, wetter.id, scenario.id)).duration, 1800)
    const elsewhere = await createScenario(store, { ...STORM, forcing: { ...STORM.forcing, window: [10, 50, 10.01, 50.01] } }, STEWARD)
    t.match(await jobs.run(FLOOD, newRunInputs(elsewhere.id), STEWARD, { branch: elsewhere.id }), { state: 'failed', message: /no terrain under this scenario/ })
    const astray = await createScenario(store, { ...STORM, forcing: { ...STORM.forcing, rivers: [{ ...STORM.forcing.rivers![0]!, at: [109, 16] }] } }, STEWARD)
    t.match(await jobs.run(FLOOD, newRunInputs(astray.id), STEWARD, { branch: astray.id }), { state: 'failed', message: /river “Suối” enters at 109, 16, which lies outside/ })
    t.equal(await ensureSampleRun({ store, jobs }), undefined, 'no storm starts by itself on a real city')
  })
})

t.test('a run is cancelled within a breath, and one whose process is killed is interrupted and repeated', async t => {
  const { store, jobs, connection } = await town(t)
  const long: NewScenario = { ...STORM, forcing: { ...STORM.forcing, hours: 200, cell: 8 } }
  const scenario = await createScenario(store, long, STEWARD)

  const stop = new AbortController()
  const cancelled = await jobs.run(FLOOD, newRunInputs(scenario.id), STEWARD, { branch: scenario.id, signal: stop.signal, onProgress: job => { if (/deepest/.test(job.message)) stop.abort() } })
  t.equal(cancelled.state, 'dismissed')
  t.match(await manifest(store, cancelled.id, scenario.id), { complete: false, state: 'dismissed', balance: null })

  const short = await createScenario(store, { ...STORM, forcing: { ...STORM.forcing, hours: 1, cell: 8 } }, STEWARD)
  const inputs = newRunInputs(short.id)
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', `
    import { openStore } from ${JSON.stringify(new URL('../store/open-store.ts', import.meta.url).href)}
    import { createJobs } from ${JSON.stringify(new URL('../operations/jobs-impl.ts', import.meta.url).href)}
    import { registerJobs } from ${JSON.stringify(new URL('./jobs.ts', import.meta.url).href)}
    import { STEWARD } from ${JSON.stringify(new URL('../store/store.ts', import.meta.url).href)}
    const connection = ${JSON.stringify(connection)}
    const store = await openStore({ connection })
    const jobs = createJobs({ store, connection })
    registerJobs(jobs)
    await jobs.run('flood', ${JSON.stringify(inputs)}, STEWARD, { branch: ${JSON.stringify(short.id)}, onProgress: job => { if (job.progress > 0.05) console.log(job.id) } })
  `], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [said] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit').then(([code]) => { throw new Error(`the child ended by itself with code ${code}`) })]) as [Buffer]
  const id = String(said).trim().split('\n')[0]!
  child.kill('SIGKILL')
  await once(child, 'exit')
  const hash = (await readCase(store, inputs.case))!.inputsHash

  jobs.start()
  const interrupted = await until(async () => (await jobs.get(id))!.state === 'interrupted')
  t.ok(interrupted, 'the next process that serves marks it interrupted')
  t.equal((await manifest(store, id, short.id)).complete, false)
  const again = await jobs.runAgain(id, STEWARD)
  t.equal(again.state, 'successful', again.message)
  t.equal((again.result as FloodResult).inputsHash, hash, 'from the inputs frozen before the kill')
})

async function until(test: () => Promise<boolean>): Promise<boolean> {
  for (let i = 0; i < 100; i++) {
    if (await test()) return true
    await new Promise(done => setTimeout(done, 100))
  }
  return false
}
