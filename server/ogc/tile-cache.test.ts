import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { VectorTile } from '@mapbox/vector-tile'
import { sql } from 'kysely'
import { PbfReader } from 'pbf'
import t from 'tap'
import { WEB_MERCATOR } from '../../core/tile-grid.js'
import { tileAt, type Tile } from '../../core/tile-matrix.js'
import type { Layer } from '../../layers/layer.js'
import { revokeToken } from '../access/tokens.js'
import { createApp } from '../app.js'
import type { Problem } from '../errors.js'
import { clientOf } from '../http/limits.js'
import { discardBranch } from '../store/merge.js'
import { openStore } from '../store/open-store.js'
import { PUBLIC, STEWARD, type Reader, type Store } from '../store/store.js'
import { insertFeatures, updateFeature } from '../store/writes.js'
import { testDatabase } from '../testing/test-cluster.js'
import { testServer, testStore, type Tearable } from '../testing/test-store.js'
import { operations as ogc } from './operations.js'
import { LOTS, serve, shop, SHOPS, TEST_LAYERS, testCity } from './test-city.js'
import { familyOf } from './tiles/family.js'
import { Gate } from './tiles/gate.js'
import { TileCache } from './tiles/tile-cache.js'
import { versionAt } from './tiles/version.js'
import { warm } from './tiles/warm.js'

const BY = { actor: 'test', reason: 'test' }
const AT = tileAt(108.2, 16.04, 12)
const PATH = `/tiles/shops/${AT.z}/${AT.x}/${AT.y}.mvt`

const problem = (status: number) => ({ status }) as unknown as Error

type Answer = { status: number; etag: string | null; body: Buffer; short: boolean; headers: Headers }

/** One request; `short` tells that it never came to the routes, which time what they do. */
async function ask(url: string, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(url, { headers })
  return { status: response.status, etag: response.headers.get('etag'), body: Buffer.from(await response.arrayBuffer()), short: !response.headers.has('server-timing'), headers: response.headers }
}

const layersIn = (body: Buffer) => new VectorTile(new PbfReader(new Uint8Array(body))).layers
const namesIn = (body: Buffer) => { const { shops } = layersIn(body); return Array.from({ length: shops?.length ?? 0 }, (_, i) => shops!.feature(i).properties.name) }

/** Once the tile's revisions are in memory. */
const known = (store: Store, tile: Tile = AT, layers = [SHOPS]) => until(() => store.tileRevisionsNow(layers, 'main', tile))

t.test('the short way says what the long way says', async t => {
  const { url, store, shops } = await testCity(t)
  await known(store, AT, [SHOPS, LOTS])
  const paths = [PATH, `/tiles/shops,lots/14/13116/7452.mvt`, `${PATH}?properties=name,floors`, `/ogc/tiles/WebMercatorQuad/${AT.z}/${AT.y}/${AT.x}?collections=shops`]

  t.test('bytes, validators and what else counts', async t => {
    for (const path of paths) {
      const long = await ask(url + path)
      const short = await ask(url + path)
      t.strictSame([long.short, short.short], [false, true], path)
      t.strictSame([short.status, short.etag, short.body], [200, long.etag, long.body])
      for (const name of ['content-type', 'content-encoding', 'cache-control', 'vary', 'access-control-allow-origin', 'x-content-type-options', 'x-features-truncated']) t.equal(short.headers.get(name), long.headers.get(name), name)
      const same = await ask(url + path, { 'if-none-match': `"x", ${long.etag!.replace('W/', '')}`, 'x-request-id': 'my-request-1' })
      t.strictSame([same.status, same.short, same.etag, same.headers.get('x-request-id')], [304, true, long.etag, 'my-request-1'])
      t.equal((await ask(url + path, { 'if-none-match': '"other"' })).status, 200)
      t.equal((await ask(url + path, { 'accept-encoding': 'identity' })).headers.get('content-encoding'), null)
      t.equal((await ask(url + path, { 'accept-encoding': 'br, gzip;q=0' })).headers.get('content-encoding'), null)
      t.equal((await fetch(url + path, { method: 'HEAD' })).status, 200)
    }
    const collection = `/ogc/collections/shops/tiles/WebMercatorQuad/${AT.z}/${AT.y}/${AT.x}`
    const { etag } = await ask(url + collection)
    const again = await ask(url + collection)
    t.strictSame([again.status, again.short], [200, true], 'limits are known')
    t.strictSame([(await ask(url + collection, { 'if-none-match': etag! })).status, (await ask(url + collection, { 'if-none-match': etag! })).short], [304, true], 'for who has the tile they are not')
    t.equal((await ask(`${url}/ogc/collections/shops/tiles/WebMercatorQuad/${AT.z}/0/0`)).status, 404)
    t.equal((await ask(`${url}/tiles/shops/12/0/0.mvt`)).status, 200)
    t.equal((await ask(`${url}/ogc/collections/shops/tiles/WebMercatorQuad/12/0/0`)).status, 404, 'also once such a tile is in memory')
  })

  t.test('an own write is seen by the next request, under load too', async t => {
    let { etag } = await ask(url + PATH)
    let loading = true
    const load = Array.from({ length: 4 }, async () => { while (loading) await ask(url + PATH, { 'if-none-match': etag! }) })
    for (let i = 0; i < 25; i++) {
      await store.withRevision(BY, writer => updateFeature(writer, SHOPS, 'main', shops[0]!, { properties: { name: `name ${i}` } }))
      const now = await ask(url + PATH, { 'if-none-match': etag! })
      if (now.status !== 200 || !namesIn(now.body).includes(`name ${i}`)) t.fail(`write ${i} was not seen: ${now.status}, ${now.short ? 'short' : 'long'} way`)
      etag = now.etag
    }
    loading = false
    await Promise.all(load)
    await known(store)
    const after = await ask(url + PATH, { 'if-none-match': etag! })
    t.strictSame([after.status, after.short], [304, true], 'and when it is quiet the short way is open again')
  })

  t.test('rights', async t => {
    const steward = { authorization: 'Bearer steward' }
    for (let i = 0; i < 3; i++) {
      const [all, open] = [await ask(url + PATH, steward), await ask(url + PATH)]
      t.ok(layersIn(all.body).shops!.feature(0).properties.meter !== undefined, 'the steward sees meters')
      t.equal(layersIn(open.body).shops!.feature(0).properties.meter, undefined, 'the public does not')
      t.not(all.etag, open.etag)
      t.equal(all.short, false, 'what is restricted is entered first')
      t.equal((await ask(url + PATH, { ...steward, 'if-none-match': open.etag! })).status, 200)
      t.equal((await ask(url + PATH, { 'if-none-match': all.etag! })).status, 200)
    }
    const cables = `/tiles/cables/${AT.z}/${AT.x}/${AT.y}.mvt`
    t.equal((await ask(url + cables, steward)).status, 200)
    const { etag } = await ask(url + cables, steward)
    t.equal((await ask(url + cables)).status, 404)
    t.equal((await ask(url + cables, { 'if-none-match': etag! })).status, 404)
    t.equal((await ask(url + cables, { 'if-none-match': '*' })).status, 404)
  })

  t.test('a scenario and the past have tiles of their own', async t => {
    const branch = (await sql<{ id: string }>`insert into dothi.branches default values returning id`.execute(store.db)).rows[0]!.id
    const main = await ask(url + PATH)
    await store.withRevision({ ...BY, branch }, writer => insertFeatures(writer, SHOPS, branch, [{ ...shop(3), properties: { name: 'Chợ nổi' } }]))
    const there = `${url}/scenarios/${branch}${PATH}`
    for (let i = 0; i < 3; i++) {
      t.ok(namesIn((await ask(there)).body).includes('Chợ nổi'))
      t.notOk(namesIn((await ask(url + PATH)).body).includes('Chợ nổi'))
      t.strictSame(namesIn((await ask(`${url + PATH}?asOf=1`)).body).filter(name => name === 'Chợ Hàn'), ['Chợ Hàn'])
    }
    t.equal((await ask(url + PATH)).etag, main.etag, 'main stays what it was')
    const { etag } = await ask(there)
    t.equal((await ask(there, { 'if-none-match': etag! })).status, 304)
    await store.withRevision(BY, writer => updateFeature(writer, SHOPS, 'main', shops[1]!, { properties: { name: 'below' } }))
    t.equal((await ask(there, { 'if-none-match': etag! })).status, 200, 'what lies under a scenario counts')
    await discardBranch(store, branch)
    t.equal((await ask(there, { 'if-none-match': '*' })).status, 404)
  })

  t.test('collections that come and go', async t => {
    const all = `${url}/ogc/tiles/WebMercatorQuad/${AT.z}/${AT.y}/${AT.x}`
    const extra: Layer = { ...SHOPS, id: 'stalls', columns: SHOPS.columns.slice(0, 1), searchable: [], importance: undefined as never }
    const publish = () => store.catalogue.publish(JSON.parse(JSON.stringify(extra)) as Layer, 'test')
    const before = await ask(all)
    await ask(all)
    await publish()
    t.not((await ask(all, { 'if-none-match': before.etag! })).status, 304, 'a tile of everything has one layer more')
    const stalls = `${url}/tiles/stalls/${AT.z}/${AT.x}/${AT.y}.mvt`
    await store.withRevision(BY, writer => insertFeatures(writer, extra, 'main', [{ geometry: shop(0).geometry!, properties: { name: 'old' } }]))
    const { etag } = await ask(stalls)
    await known(store, AT, [store.catalogue.get('stalls')])
    t.strictSame([(await ask(stalls, { 'if-none-match': etag! })).status, (await ask(stalls)).short], [304, true])
    await store.catalogue.unpublish('stalls', 'test')
    t.equal((await ask(stalls, { 'if-none-match': etag! })).status, 404)
    await publish()
    const anew = await ask(stalls, { 'if-none-match': etag! })
    t.strictSame([anew.status, anew.body.length], [200, 0], 'another collection under the same name has none of its tiles')
  })
})

t.test('attributes on demand', async t => {
  const { url } = await testCity(t)
  const keysOf = async (query: string) => { const { body } = await ask(`${url}${PATH}?${query}`); return Object.keys(layersIn(body).shops!.feature(0).properties).sort() }
  t.strictSame(await keysOf('properties=floors,name'), ['floors', 'name'])
  t.strictSame(await keysOf('properties='), [])
  t.equal((await ask(`${url}${PATH}?properties=floors,name`)).etag, (await ask(`${url}${PATH}?properties=name,floors,name`)).etag, 'the same wish is the same tile')
  const tags = await Promise.all(['', '?properties=', '?properties=name', '?properties=floors'].map(async query => (await ask(url + PATH + query)).etag))
  t.equal(new Set(tags).size, 4)
  const both = `${url}/tiles/shops,lots/14/13117/7451.mvt?properties=so_to`
  t.equal((await ask(both)).status, 200, 'an attribute of one of the layers')
  for (const [query, says] of [['properties=nane', /Did you mean name/], ['properties=meter', /no property “meter”/], ['properties=parcel', /no property/], ["properties=name')%3bdrop", /no property/], [`properties=${'a'.repeat(61)}`, /properties/], [`properties=${'a,'.repeat(101)}a`, /properties/],
    ['properties=name&properties=kind', /2 times/], ['properties=%00', /NUL/]] as const) {
    const { status, body } = await ask(`${url}${PATH}?${query}`)
    t.match([status, String(JSON.parse(String(body)).detail)], [400, says], query)
  }
  const steward = await ask(`${url}${PATH}?properties=meter`, { authorization: 'Bearer steward' })
  t.strictSame(Object.keys(layersIn(steward.body).shops!.feature(0).properties), ['meter'])
})

t.test('hostile addresses cost little and get a plain answer', async t => {
  const { url } = await testCity(t)
  for (const [path, status] of [
    ['/tiles/shops/99/0/0.mvt', 404], ['/tiles/shops/5/32/0.mvt', 404], ['/tiles/shops/22/4194304/0.mvt', 404], ['/tiles/shops/5/-1/0.mvt', 400], ['/tiles/shops/5/1.5/0.mvt', 400], ['/tiles/shops/5/1e400/0.mvt', 404],
    ['/tiles/shops/5/NaN/0.mvt', 400], ['/tiles/shops/5/0x10/0.mvt', 400], ['/tiles/shops/999999999999/0/0.mvt', 404], ['/tiles/SHOPS/5/0/0.mvt', 404], ['/tiles/shops,nope/5/0/0.mvt', 404], ['/tiles/,/5/0/0.mvt', 404],
    [`/tiles/${'a'.repeat(2001)}/5/0/0.mvt`, 400], [`/tiles/${Array.from({ length: 41 }, (_, i) => `l${i}`).join(',')}/5/0/0.mvt`, 400], ['/tiles/..%2f..%2fetc/5/0/0.mvt', 404], ['/tiles/%00/5/0/0.mvt', 400], ['/tiles/%E0%A4/5/0/0.mvt', 400],
    ["/tiles/shops'--/5/0/0.mvt", 404], ['/tiles/__proto__/5/0/0.mvt', 404], ['/tiles/constructor,shops/5/0/0.mvt', 404], [`${PATH}?asOf=999999999`, 400], [`${PATH}?run=x`, 200], [`${PATH}?x=1`, 400], [`${PATH}?utm_source=${'x'.repeat(5000)}`, 200],
    ['/scenarios/nope/tiles/shops/5/0/0.mvt', 404], ['/scenarios/00000000-0000-4000-8000-000000000000/tiles/shops/5/0/0.mvt', 404], ['/ogc/tiles/WebMercatorQuad/5/0/0?collections=', 400], ['/tiles/shops/5/0/0.mvt/', 204],
  ] as const) {
    const answers = [await ask(url + path), await ask(url + path, { 'if-none-match': 'W/"'.repeat(500) })]
    for (const answer of answers) if (answer.status !== status) t.fail(`${path.slice(0, 80)}: ${answer.status}, not ${status}`)
  }
  t.equal((await ask(url + PATH)).status, 200)
})

t.test('tokens and cookies on the short way', async t => {
  const { url, store, token } = await testServer(t, { layers: TEST_LAYERS })
  const { result } = await store.withRevision(BY, writer => insertFeatures(writer, SHOPS, 'main', Array.from({ length: 5 }, (_, i) => shop(i))))
  t.equal(result.length, 5)
  await known(store)
  const secret = await token('editor')
  const cookie = (await fetch(`${url}/?token=${secret}`, { redirect: 'manual' })).headers.get('set-cookie')!.split(';')[0]!
  for (const headers of [{ authorization: `Bearer ${secret}` }, { cookie: `other=1; ${cookie}` }] as Record<string, string>[]) {
    const { etag, body } = await ask(url + PATH, headers)
    t.ok(layersIn(body).shops!.feature(0).properties.meter, 'an editor sees internal columns')
    const again = await ask(url + PATH, { ...headers, 'if-none-match': etag! })
    t.match([again.status, again.headers.get('cache-control')], [304, /private/])
    t.equal((await ask(url + PATH, headers)).short, true)
  }
  t.notOk(layersIn((await ask(url + PATH, { cookie: 'other=1' })).body).shops!.feature(0).properties.meter, 'another cookie is nobody')
  t.equal((await ask(url + PATH, { cookie: 'other=1' })).short, true)
  const { etag } = await ask(url + PATH, { authorization: `Bearer ${secret}` })
  await revokeToken(store, 'test editor')
  await sleep(2100)
  t.equal((await ask(url + PATH, { authorization: `Bearer ${secret}`, 'if-none-match': etag! })).status, 401, 'a revoked token')
  t.notOk(layersIn((await ask(url + PATH, { cookie })).body).shops!.feature(0).properties.meter, 'a revoked cookie')
  for (const authorization of ['Bearer', 'Basic eDp5', 'Bearer nonsense']) t.equal((await ask(url + PATH, { authorization, 'if-none-match': etag! })).status, 401, authorization)
})

t.test('another process writes', async t => {
  const { connection, drop } = await testDatabase({ layers: TEST_LAYERS })
  const [ours, theirs] = [await openStore({ connection, layers: TEST_LAYERS }), await openStore({ connection, layers: TEST_LAYERS })]
  t.teardown(async () => { await Promise.all([ours.close(), theirs.close()]); await drop() })
  const url = await serve(t, ours)
  const add = (name: string) => theirs.withRevision(BY, writer => insertFeatures(writer, SHOPS, 'main', [{ ...shop(0), properties: { name } }]))
  await add('first')
  await known(ours)
  let { etag } = await ask(url + PATH)
  await add('second')
  const { n } = (await sql<{ n: number }>`select max(revision) as n from dothi.revisions`.execute(theirs.db)).rows[0]!
  await until(() => ours.tileRevisionsNow([SHOPS], 'main', AT)?.[0] === n || undefined)
  const second = await ask(url + PATH, { 'if-none-match': etag! })
  t.ok(second.status === 200 && namesIn(second.body).includes('second'))
  etag = second.etag
  for (let i = 0; i < 3; i++) {
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'dothi listens' and datname = current_database()`.execute(theirs.db)
    await until(() => ours.tileRevisionsNow([SHOPS], 'main', AT) === undefined || undefined)
    await add(`unheard ${i}`)
    const now = await ask(url + PATH, { 'if-none-match': etag! })
    t.ok(now.status === 200 && namesIn(now.body).includes(`unheard ${i}`), 'a commit that nobody told of is asked for')
    await known(ours)
    t.equal((await ask(url + PATH, { 'if-none-match': now.etag! })).status, 304)
    etag = now.etag
  }
})

t.test('tiles on disk', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'dothi-tiles-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const { store } = await testCity(t)
  const files = () => readdirSync(directory, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  const wanted = async (of: Store, reader: Reader = PUBLIC, tile = AT) => {
    const family = familyOf({ grid: WEB_MERCATOR, layers: [SHOPS], branch: 'main', asOf: 'now', run: undefined, clearance: reader.clearance, properties: undefined })
    return { family, tile, version: await versionAt(of, family, tile), reader }
  }
  const forever = new AbortController().signal
  const cacheOn = (of: Store) => { const cache = new TileCache(of); return { cache, disk: cache.keepOnDisk({ directory }) } }
  /** Who reads the table now waits for the end of `work`. */
  const withoutTable = <T>(work: () => Promise<T>) => store.db.transaction().execute(async tx => { await sql`lock table city.shops in access exclusive mode`.execute(tx); return work() })

  const first = cacheOn(store)
  const made = await first.cache.get(await wanted(store), forever)
  await first.disk.settled()
  t.equal(files().length, 1)
  t.strictSame((await withoutTable(async () => cacheOn(store).cache.get(await wanted(store), AbortSignal.timeout(5000)))).gzipped, made.gzipped, 'a server that starts anew has it')

  await cacheOn(store).cache.get(await wanted(store, STEWARD), forever)
  await first.cache.get(await wanted(store, { ...PUBLIC, clearance: 'internal' }), forever)
  await first.disk.settled()
  t.equal(files().length, 2, 'what is restricted is not written')

  await store.withRevision(BY, writer => insertFeatures(writer, SHOPS, 'main', [{ ...shop(0), properties: { name: 'newer' } }]))
  const newer = await first.cache.get(await wanted(store), forever)
  await first.disk.settled()
  t.not(String(newer.gzipped), String(made.gzipped))
  t.equal(files().length, 2, 'in the place of the older one')

  const [path] = files().filter(file => readFileSync(file).includes(newer.gzipped))
  const whole = readFileSync(path!)
  for (const [what, bytes] of [['half a file', whole.subarray(0, whole.length - 10)], ['an empty one', Buffer.alloc(0)], ['no file of ours', Buffer.from('{"slot":1}\nx')], ['a changed byte', Buffer.concat([whole.subarray(0, -1), Buffer.from([whole.at(-1)! ^ 1])])]] as const) {
    writeFileSync(path!, bytes)
    t.strictSame((await cacheOn(store).cache.get(await wanted(store), forever)).gzipped, newer.gzipped, what)
  }
  writeFileSync(path!, whole)
  await store.db.transaction().execute(async tx => {
    await sql`set local session_replication_role = replica`.execute(tx) // past its guards: as a restored backup that was written to since
    await sql`update dothi.revisions set at = at + interval '1 millisecond' where revision = (select max(revision) from dothi.revisions)`.execute(tx)
  })
  await t.rejects(withoutTable(async () => cacheOn(store).cache.get(await wanted(store), AbortSignal.timeout(500))), 'a store with another past does not take it')

  const other = await testStore(t, { layers: TEST_LAYERS })
  for (let i = 0; i < 2; i++) await other.withRevision(BY, writer => insertFeatures(writer, SHOPS, 'main', [{ ...shop(0), properties: { name: `other ${i}` } }]))
  const theirs = await cacheOn(other).cache.get(await wanted(other), forever)
  t.not(String(theirs.gzipped), String(newer.gzipped), 'nor does another store in the same folder')

  t.test('all at once, and not more than there may be', async t => {
    const cache = new TileCache(store)
    const small = cache.keepOnDisk({ directory, mostBytes: 20_000 })
    const report: number[] = []
    for (let x = 0; x < 60; x++) await cache.get(await wanted(store, PUBLIC, { z: 15, x: 26_220 + (x % 10), y: 14_900 + Math.floor(x / 10) }), forever)
    await small.settled()
    await small.sweep()
    const size = files().reduce((sum, file) => sum + readFileSync(file).length, 0)
    t.ok(size <= 20_000 && files().length > 0, `${size} bytes`)
    const done = await warm(store, { collections: ['shops,lots', 'shops'], zoom: { min: 8, max: 15 } }, forever, progress => report.push(progress))
    t.ok(done.tiles > 16 && done.bytes > 0 && done.largestBytes <= done.bytes && report.at(-1) === 1 && report.every((progress, i) => i === 0 || progress >= report[i - 1]!), JSON.stringify(done))
    await t.rejects(warm(store, { zoom: { min: 22, max: 22 }, bbox: [100, 10, 110, 20] }, forever, () => {}), problem(400))
    await t.rejects(warm(store, { collections: ['cables'] }, forever, () => {}), problem(400))
    await t.rejects(warm(store, { collections: ['nope'] }, forever, () => {}), problem(404))
  })
})

t.test('the warm-up over HTTP', async t => {
  const { url, store, token } = await testServer(t, { layers: TEST_LAYERS })
  await store.withRevision(BY, writer => insertFeatures(writer, SHOPS, 'main', [shop(0)]))
  const post = (body: object, authorization?: string) => fetch(`${url}/tiles/warm`, { method: 'POST', headers: { 'content-type': 'application/json', ...(authorization && { authorization }) }, body: JSON.stringify(body) })
  t.equal((await post({})).status, 401)
  t.equal((await post({}, `Bearer ${await token('editor')}`)).status, 403)
  const steward = `Bearer ${await token('steward')}`
  t.equal((await post({ zoom: { min: 3 } }, steward)).status, 400)
  const started = await post({ collections: ['shops'], zoom: { min: 10, max: 12 } }, steward)
  t.equal(started.status, 201)
  const job = started.headers.get('location')!
  const status = async () => (await (await fetch(job, { headers: { authorization: steward } })).json() as { status: string }).status
  for (let i = 0; i < 200 && (await status()) !== 'successful'; i++) await sleep(25)
  t.equal(await status(), 'successful')
})

t.test('turns', async t => {
  const gate = new Gate({ atOnce: 3, mostWaiting: 5, longestWaitMs: 150 })
  const forever = new AbortController().signal
  let [inside, most] = [0, 0]
  const doors: (() => void)[] = []
  const work = () => new Promise<void>(done => {
    most = Math.max(most, ++inside)
    doors.push(() => { inside--; done() })
  })
  const working = Array.from({ length: 3 }, () => gate.run(work, forever))
  const leaving = new AbortController()
  const waiting = Array.from({ length: 4 }, () => gate.run(work, forever))
  const left = gate.run(work, leaving.signal)
  await t.rejects(gate.run(work, forever), problem(503), 'the line is full')
  leaving.abort(new Error('gone'))
  await t.rejects(left, /gone/)
  t.equal(gate.waiting, 4, 'who leaves holds no place')
  doors.splice(0).forEach(open => open())
  await Promise.all(working)
  await sleep(1)
  t.equal(inside, 3)
  const late = t.rejects(waiting[3]!, problem(503), 'who waited too long is told')
  await late
  doors.splice(0).forEach(open => open())
  await Promise.all(waiting.slice(0, 3))
  await t.rejects(gate.run(async () => { throw new Error('failed') }, forever), /failed/)
  t.equal(await gate.run(async () => 7, forever), 7, 'a failure leaves its place')
  t.strictSame([most, gate.waiting], [3, 0])
})

t.test('more at once than a server takes', async t => {
  const { store } = await testCity(t)
  const config = { databaseUrl: undefined, port: 0, host: '127.0.0.1', dataDir: '.data', baseUrl: undefined, sample: false }
  const stream = { id: 'stream', method: 'get' as const, path: '/stream', summary: 'A stream', tags: ['Test'], handler: (_call: unknown, response: { writeHead(status: number): void; write(text: string): void }) => { response.writeHead(200); response.write('begun') } }
  const app = createApp({ store, jobs: undefined as never, config }, [...ogc, stream], { readerOf: async () => PUBLIC, clearanceNow: () => 'open', limits: { mostWaiting: 30, mostOfClient: 20 } })
  const url = await listen(t, app)
  await known(store, AT, [LOTS])
  const { etag } = await ask(`${url}/tiles/lots/${AT.z}/${AT.x}/${AT.y}.mvt`)
  const streams = await Promise.all(Array.from({ length: 25 }, () => fetch(`${url}/stream`)))
  t.ok(streams.every(({ status }) => status === 200), 'what has begun holds no place')
  const of = (client: string, n: number) => Array.from({ length: n }, (_, i) => ask(`${url}/tiles/shops/14/${13_100 + i}/7452.mvt`, { 'x-forwarded-for': `6.6.6.6, ${client}` }))
  await store.db.transaction().execute(async tx => {
    await sql`lock table city.shops in access exclusive mode`.execute(tx)
    const greedy = of('9.9.9.9', 60)
    const refused = (await settled(greedy, 40)).map(answer => [answer.status, answer.headers.get('retry-after'), (JSON.parse(String(answer.body)) as Problem).type])
    t.strictSame(refused, Array.from({ length: 40 }, () => [429, '1', `${url}/docs/problems#too-many`]), 'one client has its share')
    const others = of('8.8.8.8', 20)
    const full = (await settled(others, 10)).map(({ status, headers }) => [status, headers.get('retry-after')])
    t.strictSame(full, Array.from({ length: 10 }, () => [503, '2']), 'and all together theirs')
    const same = await ask(`${url}/tiles/lots/${AT.z}/${AT.x}/${AT.y}.mvt`, { 'if-none-match': etag! })
    t.strictSame([same.status, same.short], [304, true], 'what costs nothing is answered all the while')
    void sql`select 1`.execute(tx)
    return { greedy, others }
  }).then(async ({ greedy, others }) => {
    const statuses = (await Promise.all([...greedy, ...others])).map(({ status }) => status)
    t.equal(statuses.filter(status => status === 200).length, 30, 'who was taken in is served')
  })
  t.equal((await ask(`${url}/tiles/shops/14/13100/7452.mvt`)).status, 200, 'and there is room again')
  for (const { body } of streams) await body!.cancel()

  const from = (remoteAddress: string, forwarded?: string) => clientOf({ socket: { remoteAddress }, headers: { 'x-forwarded-for': forwarded } } as never)
  t.equal(from('127.0.0.1', '1.1.1.1, 2.2.2.2'), '2.2.2.2', 'a proxy of ours is believed')
  t.equal(from('203.1.1.1', '2.2.2.2'), '203.1.1.1', 'a stranger is not')
  t.equal(from('::ffff:10.0.0.1'), '10.0.0.1')
  t.equal(from('10.0.0.1', '2001:4860::1:2:3:4'), from('10.0.0.1', '2001:4860:0:0:9:9:9:9'), 'a /64 is one client')
  t.not(from('10.0.0.1', '2001:4860:0:1::1'), from('10.0.0.1', '2001:4860::1'))
  t.equal(from('10.0.0.1', 'nonsense'), '10.0.0.1')
})

async function listen(t: Tearable, app: ReturnType<typeof createApp>): Promise<string> {
  const server = createServer(app)
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  t.teardown(async () => { server.closeAllConnections(); await new Promise(done => server.close(done)) })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** The first `n` of them that are answered. */
async function settled(requests: readonly Promise<Answer>[], n: number): Promise<Answer[]> {
  const answers: Answer[] = []
  for (const request of requests) void request.then(answer => { answers.push(answer) }, () => {})
  await until(() => answers.length >= n || undefined)
  await sleep(100)
  return [...answers]
}

/** The first value that is there, within ten seconds. */
async function until<T>(read: () => T | undefined): Promise<T> {
  for (let i = 0; i < 2000; i++) {
    const value = read()
    if (value !== undefined) return value
    await sleep(5)
  }
  throw new Error('It did not happen within ten seconds')
}
