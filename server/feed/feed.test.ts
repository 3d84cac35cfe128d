import { createHmac } from 'node:crypto'
import { createServer, get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { sql } from 'kysely'
import t from 'tap'
import { EXAMPLES, CABLES, WELLS } from '../store/example-store.js'
import { applyEdits } from '../store/edits.js'
import type { Store } from '../store/store.js'
import { insertFeatures } from '../store/writes.js'
import { testServer } from '../testing/test-store.js'
import { EventHub, eventHubOf, HUB_DEFAULTS, type Sink } from './hub.js'
import { startWebhooks } from './webhook-sender.js'
import { PUBLIC, STEWARD } from '../store/store.js'

const BY = { actor: 'lan', reason: 'a test' }
const point = (lon: number, lat: number) => ({ type: 'Point', coordinates: [lon, lat] })
const addWell = async (store: Store, lon = 108.2, branch = 'main') =>
  (await store.withRevision({ ...BY, branch }, writer => insertFeatures(writer, WELLS, branch, [{ geometry: point(lon, 16.05), properties: { name: 'w' } }]))).revision.revision
const addCable = async (store: Store) =>
  (await store.withRevision(BY, writer => insertFeatures(writer, CABLES, 'main', [{ geometry: { type: 'LineString', coordinates: [[108, 16], [108.1, 16]] }, properties: { kv: 22 } }]))).revision.revision

t.test('/changes tells what the reader may know, page by page, and is cheap to ask again', async t => {
  const { url, store, token } = await testServer(t, { layers: EXAMPLES })
  await addCable(store)
  for (let i = 0; i < 5; i++) await addWell(store, 108 + i / 10)
  const staff = { authorization: `Bearer ${await token('editor')}` }
  const json = async (path: string, headers: Record<string, string> = {}) => (await fetch(url + path, { headers })).json() as Promise<any>

  const all = await json('/changes', staff)
  t.strictSame(all.changes.map((change: any) => [change.revision, change.layer, change.actor, change.inserted]), [[1, 'cables', 'lan', 1], ...[2, 3, 4, 5, 6].map(n => [n, 'wells', 'lan', 1])])
  const open = await json('/changes?limit=2')
  t.match(open, { through: 3, more: true, changes: [{ revision: 2, layer: 'wells', bbox: [108, 16.05, 108, 16.05], tiles: ['10/819/465'] }, { revision: 3 }] })
  t.notOk(JSON.stringify(open).match(/cables|lan|a test/), 'neither hidden layers nor who wrote')
  const seen: number[] = []
  for (let next = open; ; next = await (await fetch(next.links[0].href)).json()) {
    seen.push(...next.changes.map((change: any) => change.revision))
    if (!next.more) break
  }
  t.strictSame(seen, [2, 3, 4, 5, 6])
  t.strictSame((await json('/changes?bbox=108.05,16,108.25,17')).changes.map((change: any) => change.revision), [3, 4])
  t.match(await json('/changes?layers=cables'), { status: 404 })
  t.match(await json('/changes?since=99'), { status: 400, latest: 6 })
  const tag = (await fetch(`${url}/changes?since=6`)).headers.get('etag')!
  t.equal((await fetch(`${url}/changes?since=6`, { headers: { 'if-none-match': tag } })).status, 304)
  await addWell(store)
  t.equal((await fetch(`${url}/changes?since=6`, { headers: { 'if-none-match': tag } })).status, 200)

  const rows = await json('/changes/rows?limit=2')
  t.match(rows, { rows: [{ op: 'insert', layer: 'wells', row: { properties: { name: 'w' } } }, {}], through: 3, more: true })
  t.notOk('owner' in rows.rows[0].row.properties)
  t.strictSame((await json('/changes/hash?layers=wells')).layers.map((each: any) => [each.layer, each.count]), [['wells', 6]])
  const branch = (await sql<{ id: string }>`insert into dothi.branches default values returning id`.execute(store.db)).rows[0]!.id
  await addWell(store, 108, branch)
  t.strictSame((await json(`/scenarios/${branch}/changes?since=6`)).changes.map((change: any) => change.branch), ['main', branch])
  t.strictSame((await json('/changes?since=6')).changes.map((change: any) => change.branch), ['main'])
  t.equal((await json(`/scenarios/${branch}/changes/rows`)).rows.length, 1)
})

t.test('whoever writes at once, pollers and listeners see every revision once and in order', async t => {
  const { url, store } = await testServer(t, { layers: EXAMPLES })
  const write = fc.record({ layer: fc.constantFrom('wells', 'cables'), holdMs: fc.integer({ min: 0, max: 15 }), fails: fc.boolean(), grouped: fc.boolean() })
  await fc.assert(fc.asyncProperty(fc.array(fc.array(write, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 4 }), async (writers, limit) => {
    const begin = await latest(store)
    const committed: number[] = []
    const listeners = [await listen(`${url}/events?since=${begin}`), await listen(`${url}/events`)]
    let writing = true
    const polled = poll(url, begin, limit, () => writing)
    await Promise.all(writers.map(async writes => {
      for (const { layer, holdMs, fails, grouped } of writes) {
        if (grouped && !fails) {
          const { revision } = await applyEdits(store, BY, [{ action: 'create', layer: WELLS, feature: { geometry: point(108, 16), properties: { name: 'g' } } }])
          committed.push(revision!.revision)
          continue
        }
        await store.withRevision(BY, async writer => {
          if (layer === 'wells') await insertFeatures(writer, WELLS, 'main', [{ geometry: point(108, 16), properties: { name: 'x' } }])
          else await insertFeatures(writer, CABLES, 'main', [{ geometry: { type: 'LineString', coordinates: [[108, 16], [108.1, 16]] }, properties: { kv: 22 } }])
          await sleep(holdMs)
          if (fails) throw new Error('taken back')
        }).then(({ revision }) => { if (layer === 'wells') committed.push(revision.revision) }, () => {})
      }
    }))
    const late = await listen(`${url}/events?since=${begin}`)
    const expected = committed.sort((a, b) => a - b)
    await until(() => [...listeners, late].every(({ ids }) => ids.length >= expected.length))
    writing = false
    const found = { expected, polled: await polled, listened: [...listeners, late].map(({ ids }) => [...ids]) }
    for (const each of [...listeners, late]) each.close()
    t.strictSame(found, { expected, polled: expected, listened: [expected, expected, expected] })
  }), { numRuns: 8, endOnFailure: true })
})

t.test('events: resumed by Last-Event-ID, filtered, and through a lost database connection', async t => {
  const { url, store, token } = await testServer(t, { layers: EXAMPLES })
  await addWell(store)
  const branch = (await sql<{ id: string }>`insert into dothi.branches default values returning id`.execute(store.db)).rows[0]!.id
  const [open, staff, box, what] = await Promise.all([
    listen(`${url}/events`, { 'last-event-id': '0' }), listen(`${url}/events?layers=cables&since=0`, { authorization: `Bearer ${await token('editor')}` }),
    listen(`${url}/events?bbox=109,16,110,17`), listen(`${url}/scenarios/${branch}/events`),
  ])
  await addCable(store)
  await addWell(store, 109.5)
  await addWell(store, 108, branch)
  await until(() => open.ids.length === 2 && staff.ids.length === 1 && box.ids.length === 1 && what.ids.length === 2)
  t.strictSame([open.ids, staff.ids, box.ids, what.ids], [[1, 3], [2], [3], [3, 4]])
  t.match(staff.events[0], { actor: 'lan', reason: 'a test', changes: [{ layer: 'cables', inserted: 1 }] })
  t.notOk('actor' in open.events[0])

  // As a restart of the database ends them: every connection, the listening one too.
  await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`.execute(store.db).catch(() => {})
  const after = await retry(() => addWell(store))
  await until(() => open.ids.length === 3)
  t.strictSame(open.ids, [1, 3, after], 'none lost, none twice')

  t.match(await (await fetch(`${url}/events?layers=cables`)).json(), { status: 404 })
  t.match(await (await fetch(`${url}/events`, { headers: { 'last-event-id': 'x' } })).json(), { status: 400 })
  const ahead = await listen(`${url}/events?since=1000`)
  await until(() => ahead.resets.length === 1)
  t.match(ahead.resets, [{ latest: after }], 'a store that forgot says so')
  for (const each of [open, staff, box, what, ahead]) each.close()
})

t.test('a client that stops reading costs no memory, and misses nothing when it reads again', async t => {
  const { url, store, token } = await testServer(t, { layers: EXAMPLES })
  const staff = { authorization: `Bearer ${await token('editor')}` }
  const slow = await rawListen(`${url}/events?since=0`, staff)
  slow.pause()
  const quick = await listen(`${url}/events?since=0`)
  // 12 MB of reasons, which staff see: far more than the sockets between hold.
  const count = 240
  const reason = 'x'.repeat(50_000)
  for (let i = 0; i < count; i++) await store.withRevision({ actor: 'lan', reason }, writer => insertFeatures(writer, WELLS, 'main', [{ geometry: point(108, 16), properties: { name: 'w' } }]))
  await until(() => quick.ids.length === count, 20)
  const hub = eventHubOf(store)
  t.equal(hub.size, 2, 'it is still there')
  t.ok(hub.waitingBytes < 200_000, `${hub.waitingBytes} bytes wait for it`)
  let text = ''
  slow.setEncoding('utf8').on('data', chunk => { text += chunk })
  slow.resume()
  const ids = () => [...text.matchAll(/event: change\nid: (\d+)/g)].map(match => Number(match[1]))
  await until(() => ids().length === count, 20)
  t.strictSame(ids(), quick.ids)
  quick.close()
  slow.destroy()
})

t.test('a hub keeps nothing for a full socket, tells it to resume, and takes only so many clients', async t => {
  const { store } = await testServer(t, { layers: EXAMPLES })
  const hub = new EventHub(store, { ...HUB_DEFAULTS, maxClients: 2, heartbeatMs: 50, stallMs: 150 })
  const [stuck, well] = [new Pipe(400), new Pipe(1e9)]
  await hub.add(stuck, { reader: PUBLIC, branch: 'main' }, 0)
  await hub.add(well, { reader: STEWARD, branch: 'main' }, 0)
  await t.rejects(hub.add(new Pipe(1), { reader: PUBLIC, branch: 'main' }, 0), { status: 503 } as never)
  for (let i = 0; i < 40; i++) await addWell(store)
  await until(() => well.revisions().length === 40 && stuck.ended)
  t.ok(stuck.text.length < 400 + 2 * 350, `held ${stuck.text.length} characters for it`)
  const held = stuck.revisions()
  t.match(stuck.text, new RegExp(`event: resume\\nid: ${held.at(-1)}\\n`))
  const again = new Pipe(1e9)
  await hub.add(again, { reader: PUBLIC, branch: 'main' }, held.at(-1))
  await until(() => again.revisions().length === 40 - held.length)
  t.strictSame([...held, ...again.revisions()], well.revisions())
  await until(() => /: still here\nid: 40\n/.test(again.text))
  hub.close()
  t.equal(hub.size, 0)
})

t.test('webhooks: signed, in order, again until taken, and dead in the end', async t => {
  process.env.ALLOW_PRIVATE = '127.0.0.1'
  t.teardown(() => { delete process.env.ALLOW_PRIVATE })
  const { url, store, token } = await testServer(t, { layers: EXAMPLES })
  const options = { backoffMs: 20, longestMs: 40, deadAfterMs: 600, timeoutMs: 2000, parallel: 2 }
  let service = startWebhooks({ store }, options)
  t.teardown(() => service.stop())
  const receiver = await receive(t)
  const steward = { authorization: `Bearer ${await token('steward')}`, 'content-type': 'application/json' }
  const call = async (method: string, path: string, body?: object) => {
    const response = await fetch(url + path, { method, headers: steward, body: body && JSON.stringify(body) })
    return { status: response.status, body: response.status === 204 ? undefined : await response.json() as any }
  }
  t.equal((await fetch(`${url}/webhooks`)).status, 401)
  t.equal((await fetch(`${url}/webhooks`, { headers: { authorization: `Bearer ${await token('editor')}` } })).status, 403)
  t.match(await call('POST', '/webhooks', { url: 'ftp://x' }), { status: 400 })
  t.match(await call('POST', '/webhooks', { url: receiver.url, layers: ['wellz'] }), { status: 404 })
  const { status, body: hook } = await call('POST', '/webhooks', { url: receiver.url, layers: ['wells'] })
  t.equal(status, 201)
  t.match(hook.secret, /^whsec_/)
  t.notOk(JSON.stringify((await call('GET', '/webhooks')).body).includes(hook.secret.slice(6)), 'told once')
  for (const clearance of ['open', 'internal', 'restricted'] as const)
    await t.rejects(sql`select secret from dothi.webhooks`.execute(store.pool(clearance)), /permission denied/)

  const key = Buffer.from(hook.secret.slice(6), 'base64')
  receiver.answer = (_, n) => (n % 3 === 0 ? 200 : 500) // each is taken at the third attempt
  await addCable(store)
  const written: number[] = []
  for (let i = 0; i < 6; i++) written.push(await addWell(store))
  await until(() => receiver.taken().at(-1)?.data.through >= written.at(-1)!, 15)
  for (const { headers, body } of receiver.got) {
    const mac = createHmac('sha256', key).update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`).digest('base64')
    t.equal(headers['webhook-signature'], `v1,${mac}`)
    t.ok(Math.abs(Date.now() / 1000 - Number(headers['webhook-timestamp'])) < 60)
  }
  t.strictSame(receiver.taken().flatMap(message => message.data.changes.map((change: any) => change.revision)), written, 'each once, in order')
  t.notMatch(receiver.got[0]!.body, /cables|lan/)
  const bodies = new Map<unknown, Set<string>>()
  for (const { headers, body } of receiver.got) bodies.set(headers['webhook-id'], (bodies.get(headers['webhook-id']) ?? new Set()).add(body))
  t.ok([...bodies.values()].every(each => each.size === 1), 'an id stands for the same bytes in every attempt')

  // A sender that is stopped and started again goes on where it stood.
  await service.stop()
  receiver.answer = () => 200
  const missed = await addWell(store)
  service = startWebhooks({ store }, options)
  await until(() => receiver.taken().at(-1)?.data.through === missed)
  t.match((await call('POST', `/webhooks/${hook.id}/ping`)).body, { ok: true, status: 200 })
  t.match((await call('GET', `/webhooks/${hook.id}/deliveries?limit=1`)).body, { deliveries: [{ status: 200, message: /_ping_/ }] })

  receiver.answer = () => 500
  const last = await addWell(store)
  await until(async () => (await call('GET', `/webhooks/${hook.id}`)).body.state === 'dead', 15)
  t.match((await call('GET', `/webhooks/${hook.id}`)).body, { state: 'dead', cursor: missed })
  receiver.answer = () => 200
  t.match(await call('POST', `/webhooks/${hook.id}/resume`), { status: 200, body: { state: 'active' } })
  await addWell(store) // what wakes the sender
  await until(() => receiver.taken().some(message => message.data.since === missed && message.data.through >= last))
  t.equal((await call('DELETE', `/webhooks/${hook.id}`)).status, 204)
  t.equal((await call('DELETE', `/webhooks/${hook.id}`)).status, 404)
  process.env.ALLOW_PRIVATE = ''
  const { body: inward } = await call('POST', '/webhooks', { url: receiver.url })
  t.match((await call('POST', `/webhooks/${inward.id}/ping`)).body, { ok: false, status: null, detail: /private/ })
})

// ---- clients ------------------------------------------------------------------------------------------------------

interface Listener { readonly ids: number[]; readonly events: any[]; readonly resets: any[]; close(): void }

/** A client of events; resolves once it hears. */
async function listen(url: string, headers: Record<string, string> = {}): Promise<Listener> {
  const response = await rawListen(url, headers)
  const heard: Listener = { ids: [], events: [], resets: [], close: () => response.destroy() }
  let text = ''
  response.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const fields = Object.fromEntries(text.slice(0, end).split('\n').map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]))
      text = text.slice(end + 2)
      if (fields.event === 'change') {
        heard.ids.push(Number(fields.id))
        heard.events.push(JSON.parse(fields.data!))
      } else if (fields.event === 'reset') heard.resets.push(JSON.parse(fields.data!))
    }
  })
  await new Promise(done => response.once('data', done))
  return heard
}

function rawListen(url: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  return new Promise((done, fail) => get(url, { headers, agent: false }, response => {
    response.on('error', () => {})
    done(response)
  }).on('error', fail))
}

/** A socket that takes so many characters and never drains. */
class Pipe implements Sink {
  text = ''
  ended = false
  #close = () => {}
  constructor(readonly room: number) {}
  get writableNeedDrain() { return this.text.length >= this.room }
  get writableLength() { return this.writableNeedDrain ? this.text.length : 0 }
  write(text: string) { this.text += text; return this.text.length < this.room }
  end() { this.ended = true; this.#close() }
  destroy() { this.end() }
  on(event: 'drain' | 'close', listener: () => void) { if (event === 'close') this.#close = listener }
  revisions() { return [...this.text.matchAll(/event: change\nid: (\d+)/g)].map(match => Number(match[1])) }
}

/** Revisions that a client sees who asks again and again, until nothing is written any more. */
async function poll(url: string, since: number, limit: number, writing: () => boolean): Promise<number[]> {
  const seen: number[] = []
  for (;;) {
    const last = !writing()
    const page = await (await fetch(`${url}/changes?since=${since}&limit=${limit}`)).json() as any
    seen.push(...page.changes.map((change: any) => change.revision))
    since = page.through
    if (last && !page.more) return seen
  }
}

interface Received { readonly headers: Record<string, string | string[] | undefined>; readonly body: string; readonly status: number }

/** A receiver of webhooks; `answer` gets the message and how often its id came. */
async function receive(t: { teardown(handler: () => unknown): unknown }) {
  const got: Received[] = []
  const receiver = { url: '', got, answer: (_body: any, _n: number) => 200, taken: () => got.filter(each => each.status === 200).map(each => JSON.parse(each.body)).filter(body => body.type !== 'ping') }
  const http = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const n = 1 + got.filter(each => each.headers['webhook-id'] === request.headers['webhook-id']).length
    const status = receiver.answer(JSON.parse(body), n)
    got.push({ headers: request.headers, body, status })
    response.writeHead(status).end()
  })
  await new Promise<void>(done => http.listen(0, '127.0.0.1', done))
  t.teardown(() => http.close())
  receiver.url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/hook`
  return receiver
}

const latest = async (store: Store) => (await sql<{ n: number }>`select coalesce(max(revision), 0) as n from dothi.revisions`.execute(store.db)).rows[0]!.n

async function retry<T>(work: () => Promise<T>): Promise<T> {
  for (let i = 0; ; i++) {
    try { return await work() } catch (error) {
      if (i === 50) throw error
      await sleep(100)
    }
  }
}

/** Waits for what others bring about. */
async function until(condition: () => boolean | Promise<boolean>, seconds = 10): Promise<void> {
  for (let i = 0; i < seconds * 50; i++) {
    if (await condition()) return
    await sleep(20)
  }
  throw new Error(`It did not happen within ${seconds} s.`)
}
