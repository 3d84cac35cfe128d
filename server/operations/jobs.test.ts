import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import t from 'tap'
import type { Layer } from '../../layers/layer.js'
import { Problem } from '../errors.js'
import { STEWARD } from '../store/store.js'
import { openStore } from '../store/open-store.js'
import { testDatabase } from '../testing/test-cluster.js'
import { testServer } from '../testing/test-store.js'
import type { Tearable } from '../testing/test-store.js'
import type { Job } from './jobs.js'
import { canonical, createJobs } from './jobs-impl.js'

const NO_LAYERS: readonly Layer[] = []

/** A database with two processes on it, as far as jobs can tell. */
async function twoProcesses(t: Tearable) {
  const database = await testDatabase({ layers: NO_LAYERS })
  const store = await openStore({ connection: database.connection, layers: NO_LAYERS })
  const here = createJobs({ store, connection: database.connection })
  const there = createJobs({ store, connection: database.connection })
  t.teardown(async () => {
    await Promise.all([here.stop(), there.stop()])
    await store.close()
    await database.drop()
  })
  return { store, here, there, connection: database.connection }
}

async function until<T>(probe: () => Promise<T | undefined | false>): Promise<T> {
  for (let tries = 0; tries < 200; tries++) {
    const found = await probe()
    if (found) return found
    await sleep(50)
  }
  throw new Error('It did not happen within 10 s.')
}

/** Work that goes on until it is told to stop. */
const endless = ({ signal }: { signal: AbortSignal }) => new Promise<never>((_done, fail) => signal.addEventListener('abort', () => fail(new Error('aborted')), { once: true }))

t.test('a job is done by the process that serves, reports its progress, and others hear of it', async t => {
  const { here, there } = await twoProcesses(t)
  const work = async ({ report, owner }: any, inputs: any) => {
    report(0.5, 'half way')
    await sleep(50)
    report(0.2, 'never backwards')
    await sleep(300)
    return { doubled: inputs.n * 2, by: owner.roles }
  }
  here.register('double', work)
  there.register('double', work)
  const heard: Job[] = []
  there.onChange(job => heard.push(job))
  here.start()
  const { id } = await there.submit('double', { n: 21 }, STEWARD)
  const job = await until(async () => { const job = await there.get(id); return job?.state === 'successful' && job })
  t.match(job, { kind: 'double', progress: 1, message: '', inputs: { n: 21 }, owner: 'steward', branch: 'main', result: { doubled: 42, by: ['viewer', 'editor', 'steward'] } })
  t.ok(job.started && job.finished && job.created <= job.started && job.started <= job.finished)
  await until(async () => heard.some(({ state }) => state === 'successful'))
  t.ok(heard.some(({ progress }) => progress === 0.5))
  t.notOk(heard.some(({ progress }) => progress === 0.2))
  t.strictSame((await here.list({ kind: 'double' })).map(job => job.id), [id])
  t.strictSame(await here.list({ state: 'failed' }), [])
})

t.test('a user\'s mistake becomes the job\'s message; a fault of ours does not show its inside', async t => {
  const { here } = await twoProcesses(t)
  here.register('bad', async (_context, { status }) => { throw status ? new Problem(status, 'invalid-body', 'Row 3 has no geometry.') : new Error('secret of the inside') })
  const told = await here.run('bad', { status: 400 }, STEWARD)
  t.match(told, { state: 'failed', message: 'Row 3 has no geometry.', result: { problem: { status: 400 } } })
  const error = console.error
  console.error = () => {}
  const fault = await here.run('bad', {}, STEWARD).finally(() => { console.error = error })
  t.equal(fault.state, 'failed')
  t.notMatch(JSON.stringify(fault), /secret/)
})

t.test('a job is cancelled from another process, before and while it works', async t => {
  const { here, there } = await twoProcesses(t)
  here.register('endless', endless)
  there.register('endless', endless)
  const waiting = await there.submit('endless', {}, STEWARD)
  await there.cancel(waiting.id)
  t.match(await there.get(waiting.id), { state: 'dismissed', message: 'Cancelled.' })

  here.start()
  const { id } = await there.submit('endless', {}, STEWARD)
  await until(async () => (await there.get(id))?.state === 'running')
  await there.cancel(id)
  t.equal((await there.get(id))?.state, 'dismissed')
  // Its place is free again.
  here.register('quick', async () => 'done')
  const quick = await Promise.all([1, 2, 3].map(() => here.submit('quick', {}, STEWARD)))
  await until(async () => (await Promise.all(quick.map(({ id }) => here.get(id)))).every(job => job?.state === 'successful'))
  await there.cancel(id)
  t.equal((await there.get(id))?.state, 'dismissed', 'cancelling what has ended changes nothing')
  await t.rejects(there.cancel('00000000-0000-4000-8000-000000000000'), { message: /There is no job/ })
  await t.rejects(there.cancel("x' or true"), { message: /There is no job/ })
})

t.test('a job whose process died is interrupted at the next start, and runs again from its frozen inputs', async t => {
  const { store, here, there } = await twoProcesses(t)
  here.register('echo', async (_context, inputs) => inputs)
  there.register('echo', async (_context, inputs) => inputs)
  const { id } = await here.submit('echo', { storm: 'design', seed: 7 }, STEWARD)
  // What `kill -9` leaves behind: a running job with a valid lease, whose holder's connection is gone.
  await sql`update dothi.jobs set state = 'running', started = now(), lease_holder = '999-123456789', lease_until = now() + interval '30 s' where id = ${id}`.execute(store.db)
  await t.rejects(there.again(id, STEWARD), { status: 409, message: /is running: wait for its end/ } as any)
  there.start()
  t.match(await until(async () => { const job = await there.get(id); return job?.state === 'interrupted' && job }), { message: /Interrupted/ })
  const repeated = await there.again(id, STEWARD)
  const done = await until(async () => { const job = await there.get(repeated.id); return job?.state === 'successful' && job })
  t.strictSame(done.result, { storm: 'design', seed: 7 })
  t.equal(done.inputsHash, (await there.get(id))?.inputsHash)
  t.match(await here.runAgain(id, STEWARD), { state: 'successful', result: { seed: 7 } }, 'also at the command line')
})

t.test('a lease that ran out interrupts; a living process keeps its job through another\'s start', async t => {
  const { store, here, there } = await twoProcesses(t)
  here.register('endless', endless)
  there.register('endless', endless)
  here.start()
  const { id } = await here.submit('endless', {}, STEWARD)
  await until(async () => (await here.get(id))?.state === 'running')
  there.start()
  await sleep(300)
  t.equal((await here.get(id))?.state, 'running')
  await sql`update dothi.jobs set lease_until = now() - interval '1 s' where id = ${id}`.execute(store.db)
  await until(async () => (await here.get(id))?.state === 'interrupted')
})

t.test('stopping a server interrupts its job; Ctrl-C at the command line dismisses it', async t => {
  const { here, there } = await twoProcesses(t)
  here.register('endless', endless)
  there.register('endless', endless)
  here.start()
  const { id } = await here.submit('endless', {}, STEWARD)
  await until(async () => (await here.get(id))?.state === 'running')
  await here.stop()
  t.equal((await there.get(id))?.state, 'interrupted')
  const abort = new AbortController()
  const run = there.run('endless', {}, STEWARD, { signal: abort.signal, onProgress: job => { if (job.state === 'running') abort.abort() } })
  setTimeout(() => abort.abort(), 500)
  t.equal((await run).state, 'dismissed')
})

t.test('equal inputs have equal hashes whatever the order of their members', async t => {
  t.equal(canonical({ b: [1, { d: 1, c: 2 }], a: null }), canonical({ a: null, b: [1, { c: 2, d: 1 }] }))
  t.equal(canonical(undefined), 'null')
})

t.test('jobs over HTTP: anybody sees floods, an editor cancels and repeats', async t => {
  const { url, jobs, token } = await testServer(t, { layers: NO_LAYERS })
  jobs.register('flood', async ({ signal }, { wait }) => { if (wait) await endless({ signal }); return { massError: 0 } })
  jobs.register('import', async () => ({ rows: 1 }))
  const [editor, steward] = [await token('editor'), await token('steward')]
  const call = async (method: string, path: string, bearer?: string) => {
    const response = await fetch(url + path, { method, headers: bearer ? { authorization: `Bearer ${bearer}` } : {} })
    return { status: response.status, location: response.headers.get('location'), body: await response.json() as any }
  }
  const { id } = await jobs.submit('flood', { wait: true }, STEWARD)
  await until(async () => (await call('GET', `/ogc/jobs/${id}`)).body.status === 'running')
  t.match((await call('GET', '/ogc/jobs?processID=flood&status=running')).body, { jobs: [{ jobID: id, processID: 'flood', type: 'process', state: 'running' }] })
  t.equal((await call('GET', `/ogc/jobs/${id}/results`)).status, 404)
  t.equal((await call('DELETE', `/ogc/jobs/${id}`)).status, 401)
  t.equal((await call('DELETE', `/ogc/jobs/${id}`, editor)).status, 403, 'an editor does not cancel another\'s job')
  t.match(await call('DELETE', `/ogc/jobs/${id}`, steward), { status: 200, body: { status: 'dismissed', owner: 'steward' } })

  const done = await jobs.submit('flood', {}, STEWARD)
  await until(async () => (await call('GET', `/ogc/jobs/${done.id}`)).body.status === 'successful')
  t.equal((await call('GET', `/ogc/jobs/${done.id}`)).body.owner, undefined, 'names are not for the public')
  const again = await call('POST', `/ogc/jobs/${done.id}/again`, editor)
  t.match(again, { status: 201, body: { inputsHash: done.inputsHash } })
  t.match(again.location, again.body.jobID)
  const own = await jobs.submit('import', {}, STEWARD)
  await until(async () => (await call('GET', `/ogc/jobs/${own.id}`, steward)).body.status === 'successful')
  for (const path of ['', '/results']) t.equal((await call('GET', `/ogc/jobs/${own.id}${path}`, editor)).status, 404, 'what an import or a sync tells of data is not for others')
  t.strictSame((await call('GET', `/ogc/jobs/${own.id}/results`, steward)).body, { rows: 1 }, 'what is no process brings its result as it is')
  t.match(await call('GET', `/ogc/jobs/${own.id}/results/rows`, steward), { status: 404 })
  t.match(await call('DELETE', `/ogc/jobs/${own.id}`, steward), { status: 409, body: { detail: /stay on record/ } })
  t.notMatch((await call('GET', '/ogc/jobs')).body.jobs, [{ processID: 'import' }])
  t.ok((await call('GET', '/ogc/jobs', steward)).body.jobs.some((job: any) => job.jobID === own.id))

  const ids = async (query: string) => (await call('GET', `/ogc/jobs?${query}`, steward)).body.jobs.map((job: any) => job.jobID)
  const all = await ids('limit=100')
  const first = (await call('GET', '/ogc/jobs?limit=2', steward)).body
  const next = new URL(first.links.find((link: any) => link.rel === 'next').href)
  t.strictSame([...first.jobs.map((job: any) => job.jobID), ...await ids(`limit=100&cursor=${next.searchParams.get('cursor')}`)], all, 'page by page, each job once')
  t.strictSame(await ids('processID=import,export'), [own.id])
  t.strictSame((await ids('status=dismissed,failed')), [id])
  t.strictSame(await ids('datetime=2020-01-01T00:00:00Z/2021-01-01T00:00:00Z'), [])
  t.strictSame(await ids('datetime=2020-01-01T00:00:00Z/..'), all)
  t.strictSame(await ids('minDuration=3600'), [])
  t.ok((await ids('maxDuration=3600')).includes(own.id))
  t.match(await call('GET', `/ogc/jobs?cursor=${id.replace(/^./, char => char === '0' ? '1' : '0')}`), { status: 400, body: { parameter: 'cursor' } })
  t.match(await call('GET', '/ogc/jobs/nonsense'), { status: 404, body: { status: 404, detail: /There is no job nonsense/ } })
  t.equal((await call('GET', '/ogc/jobs?status=asleep')).status, 400)
  t.equal((await call('GET', '/ogc/jobs?limit=0')).status, 400)
})
