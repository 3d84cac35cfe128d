import { tableFromIPC, type Table } from 'apache-arrow'
import fc from 'fast-check'
import t from 'tap'
import { printCql2Json } from '../../core/filter/cql2-json.js'
import type { Filter } from '../../core/filter/ast.js'
import type { Feature } from '../../core/feature.js'
import { loadFeatures } from '../import/load.js'
import { at, features, makeTown, STORM } from '../scenarios/test-town.js'
import { property, readGlb } from '../testing/read-glb.js'
import { testServer } from '../testing/test-store.js'
import { encodeArrow } from './arrow.js'

const box = (x: number, y: number, w: number, h: number) => ({ type: 'Polygon', coordinates: [[at(x, y), at(x + w, y), at(x + w, y + h), at(x, y + h), at(x, y)]] })
/** Beyond the window of the storm: no run computes them. The last has no storeys that anybody knows. */
const OUTSKIRTS: readonly Feature[] = Array.from({ length: 40 }, (_, i) => ({
  sourceId: `out${i}`, geometry: box(650 + (i % 8) * 30, 450 + Math.floor(i / 8) * 30, 18, 18), groundZ: 3, height: 3 + i % 5,
  properties: { name: `Ngoại ô ${i}`, use: 'residential', ...(i === 39 ? {} : { storeys: 1 + i % 4 }) },
}))

/** As another Arrow implementation than the writer's reads it. */
const rowsOf = (table: Table) => table.toArray().map(row => row!.toJSON() as Record<string, any>)

t.test('state tables over HTTP', async t => {
  const server = await testServer(t)
  await makeTown(server.store)
  await loadFeatures(server.store, [{ layer: 'buildings', srid: 4326, source: 'out', features: features(OUTSKIRTS) }], { actor: 'test', reason: 'outskirts' })
  const editor = await server.token('editor')
  const send = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => fetch(server.url + path, {
    method, headers: { authorization: `Bearer ${editor}`, 'content-type': method === 'PATCH' ? 'application/merge-patch+json' : path.includes('/items') ? 'application/geo+json' : 'application/json', ...headers }, ...(body !== undefined && { body: JSON.stringify(body) }),
  })

  /** Addresses of the contents of a layer's tileset. */
  async function contents(base = ''): Promise<string[]> {
    const { root } = await (await fetch(`${server.url}${base}/3dtiles/buildings/tileset.json`)).json() as { root: TileJson }
    const walk = ({ content, children = [] }: TileJson): string[] => [...(content ? [content.uri] : []), ...children.flatMap(walk)]
    return walk(root)
  }
  interface TileJson { readonly content?: { readonly uri: string }; readonly children?: readonly TileJson[] }
  const idsOf = async (uri: string, base = '') => property(readGlb(new Uint8Array(await (await fetch(`${server.url}${base}/3dtiles/buildings/${uri}`)).arrayBuffer())), 'id') as number[]
  const stateUrl = (uri: string, query: string, base = '') => `${server.url}${base}/state/buildings/${uri.replace('.glb?', '.arrow?')}&${query}`

  /** The state of all tiles, each table held against the glb that it goes with. */
  async function stateOf(query: string, base = ''): Promise<{ rows: Record<string, any>[]; about: ReadonlyMap<string, string> }> {
    const rows: Record<string, any>[] = []
    let about: ReadonlyMap<string, string> = new Map()
    for (const uri of await contents(base)) {
      const response = await fetch(stateUrl(uri, query, base))
      t.equal(response.status, 200, query)
      t.equal(response.headers.get('content-type'), 'application/vnd.apache.arrow.file')
      const table = tableFromIPC(new Uint8Array(await response.arrayBuffer()))
      t.strictSame(rowsOf(table).map(row => row.id), await idsOf(uri, base), 'row n belongs to feature n of the glb')
      rows.push(...rowsOf(table))
      about = table.schema.metadata
    }
    return { rows, about }
  }
  const items = await (await fetch(`${server.url}/ogc/collections/buildings/items?limit=1000`)).json() as { features: { id: number; properties: Record<string, any> }[] }
  const nameOf = new Map(items.features.map(({ id, properties }) => [id, properties.name as string]))
  const idOf = (name: string) => items.features.find(feature => feature.properties.name === name)!.id
  const named = (rows: readonly Record<string, any>[], name: string) => rows.find(row => nameOf.get(row.id) === name)!

  const scenario = (await (await send('POST', '/scenarios', STORM)).json() as { id: string }).id
  async function flood(rainFactor: number): Promise<string> {
    const { jobID } = await (await send('POST', '/ogc/processes/flood/execution', { inputs: { scenario, rainFactor, hours: 0.5 } })).json() as { jobID: string }
    for (;;) {
      const { status, message } = await (await send('GET', `/ogc/jobs/${jobID}`)).json() as { status: string; message: string }
      if (status === 'successful') return jobID
      if (status !== 'accepted' && status !== 'running') throw new Error(message)
      await new Promise(done => setTimeout(done, 100))
    }
  }

  await t.test('the impact of a run: deep, dry and not computed are three things', async t => {
    const run = await flood(1.5)
    const { rows, about } = await stateOf(`run=${run}`)
    t.equal(rows.length, 43)
    t.ok(named(rows, 'Trong trũng').depth_max_m > 0.1, 'the hollow is flooded')
    t.not(named(rows, 'Trong trũng').depth_class, null)
    t.ok(named(rows, 'Nền cao').depth_max_m < 0.1 && named(rows, 'Nền cao').depth_max_m >= 0, 'on high ground rain runs off')
    t.equal(named(rows, 'Nền cao').arrival_s, null, 'and water never came')
    t.strictSame(rows.filter(row => nameOf.get(row.id)!.startsWith('Ngoại ô')).map(row => row.depth_max_m), OUTSKIRTS.map(() => null), 'beyond the window nothing was computed')
    t.equal(about.get('label_en'), 'SIMULATION – NOT A FORECAST', 'the label goes with the numbers')
    const branch = await stateOf(`run=${run}`, `/scenarios/${scenario}`)
    t.strictSame(branch.rows, rows, 'the tiles of the scenario say the same')

    const wetter = await flood(3)
    const difference = (await stateOf(`run=${wetter}&compare=${run}`)).rows
    t.ok(named(difference, 'Trong trũng').depth_diff_m > 0, 'more rain is deeper')
    t.ok(named(difference, 'Nền cao').depth_diff_m < named(difference, 'Trong trũng').depth_diff_m)
    t.equal(named(difference, 'Ngoại ô 3').depth_diff_m, null)
  })

  await t.test('a filter: found, not found, and not known', async t => {
    const { rows } = await stateOf('filter=storeys%20%3E=%203')
    for (const { id, matches } of rows) {
      const { storeys } = items.features.find(feature => feature.id === id)!.properties
      t.equal(matches, storeys === null ? null : storeys >= 3, nameOf.get(id)!)
    }
    const json: Filter = { op: 'and', args: [{ op: '=', left: { property: 'use' }, right: { literal: 'school' } }, { op: '>', left: { property: 'height' }, right: { literal: 1 } }] }
    const school = await stateOf(`filter-lang=cql2-json&filter=${encodeURIComponent(JSON.stringify(printCql2Json(json)))}`)
    t.strictSame(school.rows.filter(row => row.matches).map(row => nameOf.get(row.id)), ['Nền cao'])
  })

  await t.test('the difference to a scenario and to a time', async t => {
    const before = await server.store.layerRevision(server.store.catalogue.get('buildings'), 'main')
    const own = `/scenarios/${scenario}/ogc/collections/buildings/items`
    t.equal((await send('PATCH', `${own}/${idOf('Nền cao')}`, { properties: { height: 30 } }, { 'if-match': '*' })).status, 204)
    t.equal((await send('DELETE', `${own}/${idOf('Trên đồi')}`, undefined, { 'if-match': '*' })).status, 204)
    const { rows } = await stateOf(`compare=${scenario}`)
    t.strictSame(rows.filter(row => row.change !== 'same').map(row => [nameOf.get(row.id), row.change, row.height_diff_m]), [['Nền cao', 'changed', 26], ['Trên đồi', 'removed', null]])
    const seenFromThere = (await stateOf('compare=main', `/scenarios/${scenario}`)).rows
    t.strictSame(seenFromThere.filter(row => row.change !== 'same').map(row => [nameOf.get(row.id), row.change]), [['Nền cao', 'changed']])

    const patch = (height: number) => send('PATCH', `/ogc/collections/buildings/items/${idOf('Ngoại ô 5')}`, { properties: { height } }, { 'if-match': '*' })
    t.equal((await patch(9)).status, 204)
    t.strictSame((await stateOf(`compare=${before}`)).rows.filter(row => row.change !== 'same').map(row => [nameOf.get(row.id), row.change]), [['Ngoại ô 5', 'changed']], 'what was edited since')
    await patch(3)
    t.strictSame((await stateOf(`compare=${before}`)).rows.filter(row => row.change !== 'same'), [], 'an edit taken back is none')
  })

  await t.test('a change of what the reader may not see is none to him', async t => {
    const before = await server.store.layerRevision(server.store.catalogue.get('buildings'), 'main')
    const steward = { authorization: `Bearer ${await server.token('steward')}` }
    t.equal((await send('PATCH', `/ogc/collections/buildings/items/${idOf('Ngoại ô 9')}`, { properties: { transformer_code: 'TBA-7' } }, { ...steward, 'if-match': '*' })).status, 204)
    t.strictSame((await stateOf(`compare=${before}`)).rows.filter(row => row.change !== 'same'), [])
    const changed: string[] = []
    for (const uri of await contents()) {
      const table = tableFromIPC(new Uint8Array(await (await fetch(stateUrl(uri, `compare=${before}`), { headers: steward })).arrayBuffer()))
      changed.push(...rowsOf(table).filter(row => row.change === 'changed').map(row => nameOf.get(row.id)!))
    }
    t.strictSame(changed, ['Ngoại ô 9'])
  })

  await t.test('an edit changes the validator of the tile it touches only, and old addresses keep their rows', async t => {
    const uris = await contents()
    const tagOf = async (uri: string) => (await fetch(stateUrl(uri, 'filter=storeys%3D2'))).headers.get('etag')!
    const tags = new Map(await Promise.all(uris.map(async uri => [uri, await tagOf(uri)] as const)))
    const again = await fetch(stateUrl(uris[0]!, 'filter=storeys%3D2'), { headers: { 'if-none-match': tags.get(uris[0]!)! } })
    t.equal(again.status, 304)
    const old = await Promise.all(uris.map(uri => idsOf(uri)))
    await send('DELETE', `/ogc/collections/buildings/items/${idOf('Ngoại ô 7')}`, undefined, { 'if-match': '*' })
    for (const [i, uri] of uris.entries()) {
      const table = tableFromIPC(new Uint8Array(await (await fetch(stateUrl(uri, 'filter=storeys%3D2'))).arrayBuffer()))
      t.strictSame(rowsOf(table).map(row => row.id), old[i], 'a viewer with the older tileset still fits')
    }
    const now = await contents()
    const kept = now.filter(uri => uris.includes(uri))
    t.equal(now.length - kept.length <= 1 || uris.length === 1, true)
    for (const uri of kept) t.equal(await tagOf(uri), tags.get(uri))
  })

  await t.test('what cannot be asked is said', async t => {
    const [uri] = await contents()
    const told = async (query: string, status: number, detail: RegExp, base = '') => {
      const response = await fetch(stateUrl(uri!, query, base))
      t.equal(response.status, status, query)
      t.match((await response.json() as { detail: string }).detail, detail)
    }
    await told('', 400, /one of run, filter and compare.*none came/)
    await told(`filter=true&run=${scenario}`, 400, /filter/)
    await told('filter=stories%3E2', 400, /no property “stories”.*storeys/)
    await told('filter=storeys%3E', 400, /cannot be read/)
    await told('run=nothing', 404, /no run/)
    await told('compare=00000000-0000-4000-8000-000000000000', 404, /no scenario/)
    await told('compare=yesterday', 400, /instant/)
    await told('compare=999999', 400, /does not exist/)
    await told("filter=transformer_code%3D'x'", 400, /no property/)
    t.equal((await fetch(`${server.url}/state/buildings/3/0/0.arrow?filter=storeys%3D2`)).status, 404, 'a tile that is not there')
    t.equal((await fetch(`${server.url}/state/roads/15/1/1.arrow?filter=lanes%3D2`)).status, 404, 'a layer without 3D tiles')
    t.match(await (await fetch(`${server.url}/state/trees/15/1/1.arrow?run=${scenario}`)).json(), { status: 400, detail: /tells nothing of “trees”/ })
  })
})

t.test('what is written is what another implementation reads', async t => {
  const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
  const row = fc.record({ depth: fc.option(fc.float({ noNaN: true })), matches: fc.option(fc.boolean()), change: fc.option(fc.constantFrom('same', 'changed', 'removed', 'ướt')) })
  fc.assert(fc.property(fc.array(fc.tuple(id, row), { maxLength: 50 }), rows => {
    const table = tableFromIPC(encodeArrow({
      ids: rows.map(([id]) => id),
      columns: [
        { name: 'depth', type: 'float32', values: rows.map(([, { depth }]) => depth) },
        { name: 'matches', type: 'boolean', values: rows.map(([, { matches }]) => matches) },
        { name: 'change', type: 'code', values: rows.map(([, { change }]) => change) },
      ],
      about: { label: 'thử' },
    }))
    t.strictSame(rowsOf(table), rows.map(([id, state]) => ({ id, ...state })))
    t.equal(table.schema.metadata.get('label'), 'thử')
  }), { numRuns: 60 })
})
