import fc from 'fast-check'
import { sql } from 'kysely'
import t from 'tap'
import { layerHash } from '../store/changes.js'
import { applyEdits, type Edit } from '../store/edits.js'
import { exampleStore, LOTS, WELLS } from '../store/example-store.js'
import { STEWARD, type Reader, type Row, type Store } from '../store/store.js'
import type { Tearable } from '../testing/test-store.js'
import { federationPage, greeting, type FederationPage } from './feed.js'
import { addPeer, getPeer, setInstanceNumber, updatePeer, type NewPeer } from './peers.js'
import { pull, type Connection, type PullOptions } from './pull.js'

class Cut extends Error {}
const BY = { actor: 'me', reason: 'test' }
const point = (lon: number, lat: number) => ({ type: 'Point' as const, coordinates: [lon, lat] })

/** A store with a number of its own. */
async function instance(t: Tearable, number: number): Promise<Store> {
  const store = await exampleStore(t)
  await setInstanceNumber(store, number)
  return store
}

/** The way to a store in this process; `cut` makes it fail where a network would. */
const to = (store: Store, reader: Reader = STEWARD, cut: () => void = () => {}): Connection => ({
  greet: async () => { cut(); return greeting(store, reader) },
  page: async query => {
    cut()
    // As it would travel.
    const page = JSON.parse(JSON.stringify(await federationPage(store, reader, query))) as FederationPage
    cut()
    return page
  },
})

const declare = (store: Store, name: string, more: Partial<NewPeer> = {}) => addPeer(store, { name, url: `http://${name}.example`, layers: ['wells'], ...more }, 'me')
const edit = async (store: Store, ...edits: Edit[]) => (await applyEdits(store, BY, edits)).ids
const well = (name: string, more: object = {}): Edit => ({ action: 'create', layer: WELLS, feature: { geometry: point(108.2, 16.05), properties: { name, ...more } } })
const set = (id: number, properties: object): Edit => ({ action: 'update', layer: WELLS, id, feature: { properties: { ...properties } } })
const remove = (id: number): Edit => ({ action: 'delete', layer: WELLS, id })
const revisions = async (store: Store) => (await sql<{ n: number }>`select count(*) as n from dothi.revisions`.execute(store.db)).rows[0]!.n
const rows = async (store: Store, reader = STEWARD): Promise<Row[]> => (await store.view({ layer: WELLS, branch: 'main', asOf: 'now', reader })).orderBy('id').execute()
const hash = async (store: Store, layer = WELLS, reader = STEWARD) => (await layerHash(store, { layer, branch: 'main', asOf: 'now', reader })).hash
const conflicts = async (store: Store) => (await sql<Row>`select feature, field, mine, theirs, winner from dothi.federation_conflicts where resolved is null order by feature, field`.execute(store.db)).rows

/** Two stores that pull each other. */
async function pair(t: Tearable, more: Partial<NewPeer> = {}) {
  const [city, centre] = [await instance(t, 1), await instance(t, 2)]
  await declare(city, 'centre', more)
  await declare(centre, 'city', more)
  const here = (options?: PullOptions) => pull(city, 'centre', to(centre), options)
  const there = (options?: PullOptions) => pull(centre, 'city', to(city), options)
  return { city, centre, here, there }
}

t.test('changes go both ways, once, and do not come back', async t => {
  const { city, centre, here, there } = await pair(t, { layers: ['wells', 'lots'] })
  const [a, b] = await edit(city, well('a', { depth: 0.1 + 0.2, dug: '2024-02-29', seen: '2024-01-01T00:00:00.123456Z', extra: { k: [1, null] }, owner: 'secretly' }), well('b'))
  const [c] = await edit(centre, well('c'))
  await edit(centre, { action: 'create', layer: LOTS, feature: { geometry: { type: 'Polygon', coordinates: [[[108, 16], [108.001, 16], [108.001, 16.001], [108, 16]]] }, properties: { code: 'L1' }, groundZ: 1.5, height: 9, source: 'survey', sourceId: '7' } })
  t.match(await there(), { inserted: 2, updated: 0, deleted: 0, clashes: 0 })
  t.match(await here(), { inserted: 2 })
  t.match(await there(), { inserted: 0, updated: 0 })
  t.equal(await hash(city), await hash(centre))
  t.equal(await hash(city, LOTS), await hash(centre, LOTS))
  await edit(city, set(a!, { depth: 7 }), remove(b!))
  await edit(centre, set(c!, { name: 'C' }))
  t.match(await there(), { updated: 1, deleted: 1 })
  t.match(await here(), { updated: 1, deleted: 0 })
  const before = [await revisions(city), await revisions(centre)]
  for (let again = 0; again < 3; again++) { await here(); await there() }
  t.strictSame([await revisions(city), await revisions(centre)], before, 'nothing travels twice, and nobody answers')
  t.strictSame((await rows(city)).map(row => [row.name, row.depth]), [['a', 7], ['C', null]])
  t.equal(await hash(city), await hash(centre))
  t.strictSame(await conflicts(city), [])
  t.match((await sql<Row>`select actor, reason from dothi.revisions order by revision`.execute(centre.db)).rows.at(-1), { actor: 'peer city' })
  await updatePeer(centre, 'city', { fromStart: true })
  t.match(await there(), { inserted: 0, updated: 0, deleted: 0, clashes: 0 }, 'the whole feed again changes nothing')
})

t.test('different fields merge; the same field has one winner on both sides and the loser is kept', async t => {
  const { city, centre, here, there } = await pair(t)
  const [a] = await edit(city, well('a'))
  await there()
  await edit(city, set(a!, { depth: 1, name: 'city' }))
  await edit(centre, set(a!, { floors: 3, name: 'centre' }))
  await here()
  await there()
  await here()
  t.strictSame((await rows(city)).map(({ name, depth, floors }) => ({ name, depth, floors })), [{ name: 'centre', depth: 1, floors: 3 }], 'the later write stands')
  t.equal(await hash(city), await hash(centre))
  t.match(await conflicts(city), [{ feature: a, field: 'name', mine: 'city', theirs: 'centre', winner: 'theirs' }])
  t.match(await conflicts(centre), [{ feature: a, field: 'name', mine: 'centre', theirs: 'city', winner: 'mine' }])
  await edit(city, set(a!, { name: 'agreed' }))
  await there()
  await here()
  t.strictSame((await rows(centre)).map(row => row.name), ['agreed'], 'an edit that knows both is no conflict')
  t.strictSame(await conflicts(centre), [], 'and settles the one there was')
})

t.test('an owner has the last word, whoever wrote last', async t => {
  const { city, centre, here, there } = await pair(t, { owners: { wells: 1 } })
  const [a] = await edit(city, well('a'))
  await there()
  await edit(city, set(a!, { name: 'city' }))
  await edit(centre, set(a!, { name: 'centre', depth: 4 }))
  await there(); await here(); await there(); await here(); await there()
  t.strictSame((await rows(centre)).map(({ name, depth }) => [name, depth]), [['city', 4]])
  t.equal(await hash(city), await hash(centre))
  t.match(await conflicts(city), [{ field: 'name', mine: 'city', theirs: 'centre', winner: 'mine' }])
  t.match(await conflicts(centre), [{ field: 'name', mine: 'centre', theirs: 'city', winner: 'theirs' }])
})

t.test('a removal and an edit that did not know of each other: the later one stands, both sides say so', async t => {
  const { city, centre, here, there } = await pair(t)
  const [a, b] = await edit(city, well('a'), well('b'))
  await there()
  await edit(city, remove(a!), set(b!, { depth: 1 }))
  await edit(centre, set(a!, { depth: 2 }), remove(b!))
  await here(); await there(); await here()
  t.strictSame((await rows(city)).map(({ name, depth }) => [name, depth]), [['a', 2]])
  t.equal(await hash(city), await hash(centre))
  t.match(await conflicts(city), [{ feature: a, field: '-', mine: null, winner: 'theirs' }, { feature: b, field: '-', theirs: null, winner: 'theirs' }])
  t.match(await conflicts(centre), [{ feature: a, field: '-', theirs: null, winner: 'mine' }, { feature: b, field: '-', mine: null, winner: 'mine' }])
})

t.test('what the token may not read is neither sent nor nulled', async t => {
  const [city, centre] = [await instance(t, 1), await instance(t, 2)]
  const OPEN: Reader = { subject: 'centre', roles: ['viewer'], clearance: 'open' }
  await declare(centre, 'city')
  await declare(city, 'centre')
  const [a] = await edit(city, well('a', { owner: 'Mrs A', flow: 3 }))
  await pull(centre, 'city', to(city, OPEN))
  t.strictSame((await rows(centre)).map(({ name, owner, flow }) => [name, owner, flow]), [['a', null, null]])
  t.match((await getPeer(centre, 'city')).notes, [/flow, owner cannot be read there/])
  await edit(centre, set(a!, { name: 'A' }))
  await pull(city, 'centre', to(centre))
  t.strictSame((await rows(city)).map(({ name, owner, flow }) => [name, owner, flow]), [['A', 'Mrs A', 3]], 'what the other side never had is not taken away')
  await edit(city, set(a!, { owner: 'Mr B' }))
  await pull(centre, 'city', to(city, OPEN))
  t.strictSame((await rows(centre)).map(({ name, owner }) => [name, owner]), [['A', null]])
  t.notMatch(JSON.stringify(await federationPage(city, OPEN, { since: 0, after: null, layers: ['wells'], limit: 100 })), /owner|Mr B|flow/)
  await pull(centre, 'city', to(city))
  t.strictSame((await rows(centre)).map(({ name, owner, flow }) => [name, owner, flow]), [['A', 'Mr B', 3]], 'a better token brings the columns that were missing')
  t.equal(await hash(city), await hash(centre))
})

t.test('an empty copy begins with a snapshot that may be cut off, one with rows with the feed', async t => {
  const { city, centre, here, there } = await pair(t, { layers: ['wells', 'lots', 'cables'] })
  const ids = await edit(city, ...Array.from({ length: 12 }, (_, i) => well(`w${i}`)))
  await edit(city, { action: 'create', layer: LOTS, feature: { geometry: { type: 'Polygon', coordinates: [[[108, 16], [108.001, 16], [108.001, 16.001], [108, 16]]] }, properties: { code: 'L1' } } })
  for (let round = 0; round < 8; round++) await edit(city, ...ids.slice(0, 6).map(id => set(id, { depth: round })))
  await edit(city, remove(ids[11]!))
  let pages = 0
  const cut = to(city, STEWARD, () => { if (++pages === 6) throw new Cut('cut') })
  await t.rejects(pull(centre, 'city', cut, { limit: 3 }), /cut/)
  t.match(await getPeer(centre, 'city'), { cursor: 0, after: { snapshot: true, revision: 11 } })
  await edit(city, set(ids[0]!, { name: 'meanwhile' }), set(ids[10]!, { name: 'later' }))
  const asked: unknown[] = []
  const direct = to(city)
  const watched = { ...direct, page: (query: Parameters<typeof direct.page>[0]) => { asked.push(query.snapshot); return direct.page(query) } }
  t.match(await pull(centre, 'city', watched, { limit: 3 }), { cursor: 12, deleted: 0 })
  t.strictSame(asked.slice(0, 1), [11])
  t.equal(asked.at(-1), undefined)
  t.equal((await sql<{ n: number }>`select count(*) as n from history.wells`.execute(centre.db)).rows[0]!.n, 2, 'no history came, but for what was edited since')
  await edit(centre, set(ids[0]!, { floors: 2 }))
  await edit(city, set(ids[0]!, { depth: 99 }))
  await here(); await there()
  for (const layer of [WELLS, LOTS]) t.equal(await hash(city, layer), await hash(centre, layer))
  t.strictSame(await conflicts(city), [])
  t.strictSame(await conflicts(centre), [])
})

t.test('who cannot federate is told why', async t => {
  const [city, centre] = [await instance(t, 1), await instance(t, 1)]
  await declare(city, 'centre')
  await t.rejects(pull(city, 'centre', to(centre)), /Both instances have the number 1.*dothi instance/)
  await t.rejects(pull(city, 'centre', to(city)), /this instance itself/)
  await setInstanceNumber(centre, 3)
  await edit(centre, well('x'))
  await t.rejects(setInstanceNumber(centre, 4), /only while nothing has been written/)
  await pull(city, 'centre', to(centre))
  const other = await instance(t, 5)
  await t.rejects(pull(city, 'centre', to(other)), /Another store answers/)
  const backup = { ...to(centre), page: async (query: Parameters<Connection['page']>[0]) => ({ ...await to(centre).page(query), sinceMs: 1 }) }
  await t.rejects(pull(city, 'centre', backup), /restored from a backup.*--from-start/)
  await t.rejects(declare(city, 'third', { layers: ['nonsense'] }), /no collection/)
  await declare(city, 'third', { layers: ['cables'] })
  const open: Reader = { subject: 'x', roles: ['viewer'], clearance: 'open' }
  await t.rejects(pull(city, 'third', to(other, open)), /no layer “cables” that the token \(clearance open\) may read/)
  const altered: Connection = { ...to(other), greet: async () => ({ ...await greeting(other, STEWARD), layers: [{ id: 'cables', geometry: 'line', surveyed: null, threeD: false, columns: [{ name: 'kv', type: 'text' }] }] }) }
  await t.rejects(pull(city, 'third', altered), /Column cables.kv is number here and text there/)
})

/** What may happen, in any order. Numbers choose: a store, a feature, a value. */
type Step =
  | { readonly do: 'create' | 'name' | 'depth' | 'remove' | 'restore' | 'both'; readonly at: number; readonly of: number; readonly value: number }
  | { readonly do: 'pull'; readonly at: number; readonly of: number; readonly pages: number; readonly crash: boolean }
  | { readonly do: 'again'; readonly at: number }

const steps = (stores: number) => fc.array(fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('create', 'name', 'depth', 'remove', 'restore', 'both'), at: fc.nat(stores - 1), of: fc.nat(5), value: fc.nat(3) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('pull'), at: fc.nat(stores - 1), of: fc.nat(5), pages: fc.nat(2), crash: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('again'), at: fc.nat(stores - 1) }) },
), { minLength: 5, maxLength: 40 }) as fc.Arbitrary<Step[]>

/** Plays steps over stores that pull along `links`; then lets everybody pull until nothing moves, and compares. */
async function play(t: Tap.Test, stores: readonly Store[], links: readonly (readonly [number, number])[], script: readonly Step[]): Promise<void> {
  const run = (await revisions(stores[0]!))
  const peerName = (index: number) => `p${index}`
  const ids: number[] = []
  const written = new Map<string, { by: Set<number>; value: unknown }>()
  const write = (id: number, field: string, by: number, value: unknown) => {
    const key = `${id}.${field}`
    written.set(key, { by: (written.get(key)?.by ?? new Set()).add(by), value })
  }
  const has = async (store: Store, id: number) => (await rows(store)).some(row => row.id === id)
  for (const step of script) {
    const store = stores[step.at]!
    if (step.do === 'again') { for (const [at, from] of links) if (at === step.at) await updatePeer(store, peerName(from), { fromStart: true }) ; continue }
    if (step.do === 'pull') {
      const sources = links.filter(([at]) => at === step.at).map(([, from]) => from)
      const from = sources[step.of % sources.length]!
      let left = step.pages
      // The link is cut after some pages; or the process dies after it has got one and before it is committed.
      const cut = () => { if (left-- <= 0) throw new Cut() }
      const source = to(stores[from]!)
      const connection: Connection = { ...source, page: async query => { if (!step.crash) cut(); return source.page(query) } }
      const dying = step.crash ? new Proxy(store, { get: (target, key) => key !== 'withRevision' ? Reflect.get(target, key) : (meta: any, apply: any, prepare: any) => target.withRevision(meta, async writer => { const result = await apply(writer); cut(); return result }, prepare) }) : store
      await pull(dying, peerName(from), connection, { limit: 2 }).catch(error => { if (!(error instanceof Cut)) throw error })
      continue
    }
    if (step.do === 'create') { const [id] = await edit(store, well(`n${step.value}`)); ids.push(id!); write(id!, 'name', step.at, `n${step.value}`); continue }
    const id = ids[step.of % Math.max(1, ids.length)]
    if (id === undefined) continue
    const there = await has(store, id)
    if (step.do === 'restore') {
      const known = (await sql`select from history.wells where id = ${id}`.execute(store.db)).rows.length > 0
      if (!there && known) { await edit(store, { ...well(`r${step.value}`), id } as Edit); for (const field of ['name', 'depth', 'life']) write(id, field, step.at, field === 'name' ? `r${step.value}` : null) }
    } else if (there) {
      if (step.do === 'remove') { await edit(store, remove(id)); write(id, 'life', step.at, false) }
      if (step.do === 'name') { await edit(store, set(id, { name: `n${step.value}` })); write(id, 'name', step.at, `n${step.value}`) }
      if (step.do === 'depth') { await edit(store, set(id, { depth: step.value })); write(id, 'depth', step.at, step.value) }
      if (step.do === 'both') { await edit(store, set(id, { depth: step.value, name: `b${step.value}` })); write(id, 'depth', step.at, step.value); write(id, 'name', step.at, `b${step.value}`) }
    }
  }
  for (let round = 0; ; round++) {
    let moved = 0
    for (const [at, from] of links) {
      moved += (await pull(stores[at]!, peerName(from), to(stores[from]!), { limit: 3 })).revisions
    }
    if (moved === 0) break
    if (round > 12) throw new Error('it never comes to rest')
  }
  const all = await Promise.all(stores.map(async store => JSON.stringify((await rows(store)).map(({ id, name, depth, geom }) => [id, name, depth, geom]))))
  for (const other of all.slice(1)) if (other !== all[0]) throw new Error(`stores differ after ${run}:\n${all.join('\n')}`)
  // A field that one instance alone wrote has what it wrote last; a feature that nobody removed is there.
  const final = new Map((await rows(stores[0]!)).map(row => [row.id as number, row]))
  for (const [key, { by, value }] of written) {
    const [id, field] = [Number(key.split('.')[0]), key.split('.')[1]!]
    if (written.has(`${id}.life`)) continue
    const row = final.get(id)
    if (!row) throw new Error(`feature ${id} was lost`)
    if (by.size === 1 && (row[field] ?? null) !== value) throw new Error(`${key} is ${String(row[field])}, not ${String(value)}`)
  }
}

declare namespace Tap { type Test = typeof t }

for (const [shape, count, links] of [
  ['a pair', 2, [[0, 1], [1, 0]]],
  ['a star', 3, [[0, 1], [1, 0], [0, 2], [2, 0]]],
  ['a ring', 3, [[0, 1], [1, 2], [2, 0]]],
] as const) t.test(`after any edits, cuts and crashes, ${shape} comes to the same city`, async t => {
  const stores: Store[] = []
  for (let number = 1; number <= count; number++) stores.push(await instance(t, number))
  for (const [at, from] of links) await declare(stores[at]!, `p${from}`)
  // The clock of one is an hour ahead: times of revisions never run back, so all its later ones are too.
  await sql`insert into dothi.revisions (revision, at, actor, reason) values (1, now() + interval '1 hour', 'me', 'a clock that is wrong')`.execute(stores[1]!.db)
  let runs = 0
  await fc.assert(fc.asyncProperty(steps(count), async script => {
    runs++
    await play(t as never, stores, links, script)
  }), { numRuns: Number(process.env.FEDERATION_RUNS ?? 10), endOnFailure: true })
  t.ok(runs > 0)
})
