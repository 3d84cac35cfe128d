import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import t from 'tap'
import { federationDrill, SHORT } from '../../scripts/drills/federation.js'
import { createToken } from '../access/tokens.js'
import { loadFeatures } from '../import/load.js'
import { layerHash } from '../store/changes.js'
import { applyEdits } from '../store/edits.js'
import { EXAMPLES, exampleStore, LOTS, WELLS } from '../store/example-store.js'
import { STEWARD, type Row, type Store } from '../store/store.js'
import { testServer, type TestServer } from '../testing/test-store.js'
import { start } from './federation.js'
import { listPeers, setInstanceNumber } from './peers.js'
import { directConnection } from './connection.js'
import { replay } from './replay.js'

const BY = { actor: 'me', reason: 'test' }
const point = (lon: number, lat: number) => ({ type: 'Point' as const, coordinates: [lon, lat] })
const names = async (store: Store) => (await sql<Row>`select name from city.wells order by id`.execute(store.db)).rows.map(row => row.name)

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !await holds(); tries++) {
    if (tries > 300) throw new Error('it never came')
    await sleep(50)
  }
}

async function client(server: TestServer, role: 'editor' | 'steward' = 'steward') {
  const token = await server.token(role)
  return async (method: string, path: string, body?: unknown) => {
    const response = await fetch(server.url + path, {
      method, headers: { Authorization: `Bearer ${token}`, ...(body !== undefined && { 'Content-Type': 'application/json' }) }, ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, body: text ? JSON.parse(text) : undefined }
  }
}

t.test('two servers, declared over HTTP, follow each other by themselves; a person decides a conflict', async t => {
  const [city, centre] = [await testServer(t, { layers: EXAMPLES }), await testServer(t, { layers: EXAMPLES })]
  await setInstanceNumber(city.store, 1)
  await setInstanceNumber(centre.store, 2)
  const [ask, askCentre] = [await client(city), await client(centre)]
  const declare = async (at: typeof ask, name: string, server: TestServer, more: object = {}) =>
    at('POST', '/federation/peers', { name, url: server.url, token: (await createToken(server.store, { subject: 'peer', role: 'viewer', clearance: 'restricted' })).secret, layers: ['wells'], allowPrivate: true, ...more })
  const declared = await declare(ask, 'centre', centre)
  t.match(declared, { status: 201, body: { name: 'centre', state: 'new', cursor: 0, hasToken: true } })
  t.notMatch(JSON.stringify(declared.body), /dothi_/, 'a token is shown to nobody')
  t.match(await declare(ask, 'centre', centre), { status: 409 })
  t.match(await declare(ask, 'x', centre, { url: 'ftp://x' }), { status: 400 })
  t.match(await (await client(city, 'editor'))('POST', '/federation/peers', {}), { status: 403 })
  t.match(await fetch(`${city.url}/federation`), { status: 401 })
  await declare(askCentre, 'city', city)

  const { ids: [a] } = await applyEdits(city.store, BY, [{ action: 'create', layer: WELLS, feature: { geometry: point(108.2, 16), properties: { name: 'a', owner: 'x' } } }])
  const services = [start(city), start(centre)]
  await until(async () => (await names(centre.store)).length === 1)
  t.strictSame(await names(centre.store), ['a'])
  await until(async () => (await ask('GET', '/federation')).body.peers[0].state === 'in-step')
  t.match((await ask('GET', '/federation')).body, { instance: 1, openConflicts: 0, peers: [{ name: 'centre', state: 'in-step', lastError: null, instance: 2, cursor: Number }] })

  await Promise.all(services.map(service => service.stop()))
  await applyEdits(city.store, BY, [{ action: 'update', layer: WELLS, id: a!, feature: { geometry: point(108.3, 16), properties: { name: 'city', owner: 'y' } } }])
  await applyEdits(centre.store, BY, [{ action: 'update', layer: WELLS, id: a!, feature: { geometry: point(108.4, 16), properties: { name: 'centre' } } }])
  for (const [at, peer] of [[ask, 'centre'], [askCentre, 'city'], [ask, 'centre']] as const) t.match(await at('POST', `/federation/peers/${peer}/sync`), { status: 200 })
  const { conflicts } = (await ask('GET', '/federation/conflicts')).body
  t.match(conflicts, [
    { field: 'name', mine: 'city', theirs: 'centre', winner: 'theirs', peer: 'centre', layer: 'wells', feature: a },
    { field: 'geom', mine: point(108.3, 16), theirs: point(108.4, 16), winner: 'theirs' },
  ])
  const [named, placed] = conflicts as { id: number }[]
  t.match(await ask('POST', `/federation/conflicts/${named!.id}/resolve`, { take: 'mine' }), { status: 200, body: { revision: Number } })
  t.match(await ask('POST', `/federation/conflicts/${placed!.id}/resolve`, { take: 'theirs' }), { status: 200, body: { revision: null } }, 'what stands already needs no write')
  t.match(await ask('POST', `/federation/conflicts/${placed!.id}/resolve`, { take: 'theirs' }), { status: 409 })
  t.strictSame((await ask('GET', '/federation/conflicts')).body.conflicts, [])
  await askCentre('POST', '/federation/peers/city/sync')
  t.strictSame(await names(centre.store), ['city'])
  t.match((await askCentre('GET', '/federation/conflicts')).body.conflicts, [{ field: 'geom' }], 'the decision of one side settles it at the other')

  const open = await createToken(centre.store, { subject: 'x', role: 'editor', clearance: 'open' })
  await sql`insert into dothi.federation_conflicts (peer, layer, feature, field, mine, theirs, mine_stamp, theirs_stamp, winner) values ('city', 'wells', 1, 'owner', '"secret"', '"x"', '[1,1,1]', '[1,1,1]', 'mine')`.execute(centre.store.db)
  const seen = await (await fetch(`${centre.url}/federation/conflicts`, { headers: { Authorization: `Bearer ${open.secret}` } })).json() as { conflicts: Row[] }
  t.strictSame(seen.conflicts.map(({ field }) => field), ['geom'], 'conflicts over columns above a clearance are not shown')
  t.match(await askCentre('PATCH', '/federation/peers/city', { paused: true }), { status: 200, body: { state: 'paused' } })
  t.match(await askCentre('DELETE', '/federation/peers/city'), { status: 204 })
  t.match(await askCentre('GET', '/federation/peers/city'), { status: 404 })
})

t.test('a peer that cannot be had is told of in one sentence, and tried again', async t => {
  const city = await testServer(t, { layers: EXAMPLES })
  const other = await testServer(t, { layers: EXAMPLES })
  await setInstanceNumber(city.store, 1)
  await setInstanceNumber(other.store, 2)
  const ask = await client(city)
  const peer = (name: string, more: object) => ask('POST', '/federation/peers', { name, url: other.url, layers: ['wells'], allowPrivate: true, ...more })
  await peer('private', { allowPrivate: false })
  await peer('gone', { url: 'http://127.0.0.1:9' })
  await peer('token', { token: 'dothi_wrong' })
  await peer('secret', { layers: ['cables'] })
  await peer('pushed', { direction: 'push' })
  const service = start(city)
  t.teardown(() => service.stop())
  const states = async () => new Map((await listPeers(city.store)).map(each => [each.name, each]))
  await until(async () => [...(await states()).values()].every(each => each.lastError !== null || each.name === 'pushed'))
  const found = await states()
  t.match(found.get('private'), { state: 'waiting', lastError: /private or reserved address/ })
  t.match(found.get('gone'), { state: 'waiting', lastError: /cannot be reached/ })
  t.match(found.get('token'), { state: 'waiting', lastError: /does not let us in.*token/ })
  t.match(found.get('secret'), { state: 'refused', lastError: /no layer “cables” that the token \(clearance open\) may read/ })
  t.match(found.get('pushed'), { state: 'new', cursor: 0 })
  await service.stop()
})

t.test('a feed replayed into an empty store gives the identical city, also where it was cut off between', async t => {
  const server = await testServer(t, { layers: EXAMPLES })
  const [city, copy] = [server.store, await exampleStore(t)]
  const lots = Array.from({ length: 300 }, (_, i) => ({
    geometry: { type: 'Polygon' as const, coordinates: [[[108 + i / 1000, 16], [108.0009 + i / 1000, 16], [108 + i / 1000, 16.0009], [108 + i / 1000, 16]]] },
    properties: { code: `L${i}` }, sourceId: String(i), height: i / 7, groundZ: 1 / 3,
  }))
  await loadFeatures(city, [{ layer: 'lots', srid: 4326, source: 'survey', features: (async function* () { yield* lots })() }], BY)
  const { ids } = await applyEdits(city, BY, Array.from({ length: 20 }, (_, i) => ({ action: 'create' as const, layer: WELLS, feature: { geometry: point(108, 16 + i / 100), properties: { name: `w${i}`, depth: i / 3, owner: 'x', extra: { i } } } })))
  for (const id of ids.slice(0, 5)) await applyEdits(city, BY, [{ action: 'delete', layer: WELLS, id }])
  for (const id of ids.slice(5, 9)) await applyEdits(city, BY, [{ action: 'update', layer: WELLS, id, feature: { properties: { name: 'changed' } } }])
  let pages = 0
  const connection = directConnection(city, STEWARD)
  const cut = { ...connection, page: (query: Parameters<typeof connection.page>[0]) => { if (++pages === 4) throw new Error('cut'); return connection.page(query) } }
  const options = { from: server.url, limit: 50, token: await server.token('steward'), allowPrivate: true }
  await t.rejects(replay(copy, { ...options, connection: cut }), /cut/)
  await t.rejects(replay(copy, { ...options, from: 'http://other.example' }), /unfinished replay of http:\/\/127/)
  await replay(copy, options)
  for (const layer of EXAMPLES.filter(({ kind }) => kind === 'city')) t.equal(
    (await layerHash(copy, { layer, branch: 'main', asOf: 'now', reader: STEWARD })).hash,
    (await layerHash(city, { layer, branch: 'main', asOf: 'now', reader: STEWARD })).hash, layer.id)
  const objectids = async (store: Store) => (await sql<Row>`select id, objectid from city.lots order by id`.execute(store.db)).rows
  t.strictSame(await objectids(copy), await objectids(city))
  await applyEdits(copy, BY, [{ action: 'create', layer: LOTS, feature: { geometry: lots[0]!.geometry, properties: { code: 'new' } } }])
  await t.rejects(replay(copy, options), /into an empty store only/)
})

t.test('the short drill: two processes, a cut link, a kill', async t => {
  const { faults, ...result } = await federationDrill({ ...SHORT, log: line => t.comment(line) })
  t.strictSame(faults, [])
  t.ok(result.acknowledged > 20 && result.conflicts[0] === result.conflicts[1] && result.conflicts[0] > 0)
})
