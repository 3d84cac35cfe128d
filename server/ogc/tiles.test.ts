import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { VectorTile } from '@mapbox/vector-tile'
import { sql } from 'kysely'
import { PbfReader } from 'pbf'
import t from 'tap'
import { LAYERS } from '../../layers/index.js'
import { WEB_MERCATOR } from '../../core/tile-grid.js'
import { lonLatAt, tileAt, tileFraction } from '../../core/tile-matrix.js'
import { STEWARD } from '../store/store.js'
import { deleteFeature, insertFeatures, updateFeature } from '../store/writes.js'
import { testStore } from '../testing/test-store.js'
import { shop, serve, SHOPS, testCity } from './test-city.js'
import { tileQuery } from './tiles/tile-query.js'

const run = promisify(execFile)

t.test('vector tiles', async (t) => {
  const { url, store, shops, lots } = await testCity(t)
  const ogc = `${url}/ogc`
  const get = (path: string, headers: Record<string, string> = {}) => fetch(path.startsWith('http') ? path : ogc + path, { headers })
  const json = async (path: string) => (await get(`${path}${path.includes('?') ? '&' : '?'}f=json`)).json() as Promise<any>
  const decode = async (response: Response) => new VectorTile(new PbfReader(new Uint8Array(await response.arrayBuffer())))
  const at = tileAt(108.2, 16.04, 12)

  t.test('tile sets are listed with all that a client and the conformance suite need', async (t) => {
    for (const path of ['/collections/shops/tiles', '/tiles']) {
      const list = await json(path)
      const [entry] = list.tilesets
      t.match(entry, { dataType: 'vector', tileMatrixSetId: 'WebMercatorQuad', tileMatrixSetURI: 'http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad', crs: 'http://www.opengis.net/def/crs/EPSG/0/3857' })
      t.ok(entry.tileMatrixSetLimits.length > 0)
      const item = entry.links.find((link: any) => link.rel === 'item')
      t.match(item, { templated: true, type: 'application/vnd.mapbox-vector-tile', href: `${ogc}${path}/WebMercatorQuad/{tileMatrix}/{tileRow}/{tileCol}` })
      t.ok(entry.links.every((link: any) => link.rel))
      const self = entry.links.find((link: any) => link.rel === 'self').href
      t.match(self, /f=json/)
      t.strictSame((await (await get(self)).json() as any).tileMatrixSetLimits, entry.tileMatrixSetLimits)
    }
    t.ok((await json('/collections/shops')).links.some((link: any) => link.rel === 'http://www.opengis.net/def/rel/ogc/1.0/tilesets-vector' && link.href === `${ogc}/collections/shops/tiles`))
    const matrixSet = await json('/tileMatrixSets/WebMercatorQuad')
    t.match(matrixSet.tileMatrices[0], { id: '0', matrixWidth: 1, tileWidth: 256 })
    t.equal(matrixSet.tileMatrices[0].scaleDenominator.toFixed(6), '559082264.028718')
  })

  t.test('limits are enforced, and no number is too large for an answer', async (t) => {
    const [set] = (await json('/collections/shops/tiles')).tilesets
    const limit = set.tileMatrixSetLimits.find((entry: any) => entry.tileMatrix === '14')
    const tile = (z: number | string, row: number | string, col: number | string) => get(`/collections/shops/tiles/WebMercatorQuad/${z}/${row}/${col}`, { Accept: 'text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2' })
    for (let row = limit.minTileRow; row <= limit.maxTileRow; row++) for (let col = limit.minTileCol; col <= limit.maxTileCol; col++) {
      const response = await tile(14, row, col)
      t.strictSame([response.status, response.headers.get('content-type')], [200, 'application/vnd.mapbox-vector-tile'], `row ${row}, column ${col}`)
      await response.arrayBuffer()
    }
    t.equal((await tile(14, limit.maxTileRow + 1, limit.minTileCol)).status, 404)
    t.equal((await tile(14, limit.minTileRow, limit.minTileCol - 1)).status, 404)
    t.equal((await tile(14, 2147483647, 0)).status, 404)
    t.equal((await tile(14, 0, 2147483647)).status, 404)
    t.equal((await tile(99, 0, 0)).status, 404)
    t.equal((await tile('x', 0, 0)).status, 404)
    t.equal((await tile(14, 'a', 0)).status, 400)
    t.equal((await tile(14, -1, 0)).status, 400)
    t.equal((await tile(14, '99999999999999999999', 0)).status, 404)
    t.equal((await get('/collections/shops/tiles/Antarctica/1/0/0')).status, 404)
    t.equal((await get('/collections/nothing_yet/tiles/WebMercatorQuad/10/0/0')).status, 404)
    t.equal((await fetch(`${url}/tiles/shops/5/99/0.mvt`)).status, 404)
    t.equal((await fetch(`${url}/tiles/nope/5/0/0.mvt`)).status, 404)
  })

  t.test('a tile holds ids beyond 2^32, typed properties and nothing internal', async (t) => {
    const response = await fetch(`${url}/tiles/shops/${at.z}/${at.x}/${at.y}.mvt`)
    t.equal(response.headers.get('content-encoding'), 'gzip')
    const layer = (await decode(response)).layers.shops!
    t.equal(layer.extent, 4096)
    const features = Array.from({ length: layer.length }, (_, i) => layer.feature(i))
    const first = features.find((feature) => feature.id === shops[0])!
    t.ok(first.id! > 2 ** 32)
    t.strictSame({ ...first.properties }, { name: 'Chợ Hàn', kind: 'food', floors: 0, area: 0, open: true, since: '2020-01-15', seen: '2026-03-01T02:03:04Z', tags: '{"a": 0}' })
    const { geometry } = first.toGeoJSON(at.x, at.y, at.z) as any
    t.ok(Math.abs(geometry.coordinates[0] - 108.2) < 1e-4 && Math.abs(geometry.coordinates[1] - 16.04) < 1e-4)
    const steward = await decode(await fetch(`${url}/tiles/shops/${at.z}/${at.x}/${at.y}.mvt`, { headers: { Authorization: 'Bearer steward' } }))
    t.equal(steward.layers.shops!.feature(0).properties.meter !== undefined, true, 'the steward sees meters')
    t.equal((await fetch(`${url}/tiles/cables/${at.z}/${at.x}/${at.y}.mvt`)).status, 404, 'internal layers are not there for the public')
  })

  t.test('ids up to 2^53 − 1 survive', async (t) => {
    const huge = Number.MAX_SAFE_INTEGER
    await store.withRevision({ actor: 'test', reason: 'ids' }, async ({ tx }) => {
      for (const id of [2 ** 32 + 5, huge]) await sql`insert into city.shops (id, name, geom) values (${id}, ${`id ${id}`}, st_setsrid(st_makepoint(108.21, 16.1), 4326))`.execute(tx)
    })
    const there = tileAt(108.21, 16.1, 14)
    const layer = (await decode(await fetch(`${url}/tiles/shops/14/${there.x}/${there.y}.mvt`))).layers.shops!
    t.strictSame([layer.feature(0).id, layer.feature(1).id].sort((a, b) => a! - b!), [2 ** 32 + 5, huge])
    t.equal((await json(`/collections/shops/items/${huge}`)).properties.name, `id ${huge}`)
    await store.withRevision({ actor: 'test', reason: 'ids' }, async (writer) => { for (const id of [2 ** 32 + 5, huge]) await deleteFeature(writer, SHOPS, 'main', id) })
  })

  t.test('features reach over the edge of a tile by its margin', async (t) => {
    // A point half a margin west of a tile's left edge.
    const z = 14
    const [x] = tileFraction(108.24, 16.06, z)
    const column = Math.ceil(x)
    const [lon, lat] = lonLatAt(column - 32 / 4096, Math.floor(tileFraction(108.24, 16.06, z)[1]) + 0.5, z)
    const { result } = await store.withRevision({ actor: 'test', reason: 'edge' }, (writer) => insertFeatures(writer, SHOPS, 'main', [{ geometry: { type: 'Point', coordinates: [lon, lat] }, properties: { name: 'edge' } }]))
    const row = tileAt(lon, lat, z).y
    for (const col of [column - 1, column]) {
      const layer = (await decode(await fetch(`${url}/tiles/shops/${z}/${col}/${row}.mvt`))).layers.shops!
      t.ok(Array.from({ length: layer.length }, (_, i) => layer.feature(i).id).includes(result[0]), `column ${col}`)
    }
    await store.withRevision({ actor: 'test', reason: 'edge' }, (writer) => deleteFeature(writer, SHOPS, 'main', result[0]!))
  })

  t.test('several layers share a tile; zooms without any are empty', async (t) => {
    const there = tileAt(108.2104, 16.0504, 14)
    const both = await decode(await fetch(`${url}/tiles/shops,lots/14/${there.x}/${there.y}.mvt`))
    t.strictSame(Object.keys(both.layers).includes('lots'), true)
    t.match(both.layers.lots!.feature(0).properties, { so_to: '12', height: 9 })
    t.ok(lots.includes(both.layers.lots!.feature(0).id!))
    const dataset = await decode(await get(`/tiles/WebMercatorQuad/${at.z}/${at.y}/${at.x}`))
    t.ok(dataset.layers.shops)
    t.notOk((await decode(await get(`/tiles/WebMercatorQuad/14/${there.y}/${there.x}?collections=lots`))).layers.shops)
    t.equal((await fetch(`${url}/tiles/lots/3/6/3.mvt`)).status, 204)
    t.equal((await fetch(`${url}/tiles/shops/12/0/0.mvt`)).status, 200, 'an empty tile is an answer')
  })

  t.test('only the tiles of touched cells change their validator', async (t) => {
    const near = `${url}/tiles/shops/${at.z}/${at.x}/${at.y}.mvt`
    const far = `${url}/tiles/shops/12/100/100.mvt`
    const etags = async () => Promise.all([near, far].map(async (tile) => (await fetch(tile)).headers.get('etag')!))
    const before = await etags()
    t.equal((await fetch(near, { headers: { 'If-None-Match': before[0]! } })).status, 304)
    const old = await decode(await fetch(near))
    await store.withRevision({ actor: 'test', reason: 'rename' }, (writer) => updateFeature(writer, SHOPS, 'main', shops[0]!, { properties: { name: 'Chợ Cồn' } }))
    const after = await etags()
    t.not(after[0], before[0])
    t.equal(after[1], before[1])
    t.equal((await fetch(near, { headers: { 'If-None-Match': before[0]! } })).status, 200)
    const names = (tile: VectorTile) => Array.from({ length: tile.layers.shops!.length }, (_, i) => tile.layers.shops!.feature(i).properties.name)
    t.ok(names(await decode(await fetch(near))).includes('Chợ Cồn'))
    t.ok(names(old).includes('Chợ Hàn'))
    const past = await fetch(`${near}?asOf=1`)
    t.match(past.headers.get('cache-control'), 'immutable')
    t.ok(names(await decode(past)).includes('Chợ Hàn'), 'as of then')
    t.equal((await fetch(`${near}?asOf=x`)).status, 400)
  })

  t.test('304 does not touch the geometry', async (t) => {
    const tile = `${url}/tiles/lots/14/${tileAt(108.2104, 16.0504, 14).x}/${tileAt(108.2104, 16.0504, 14).y}.mvt`
    const etag = (await fetch(tile)).headers.get('etag')!
    await store.db.transaction().execute(async (tx) => {
      // Whoever reads the table now waits for this lock.
      await sql`lock table city.lots in access exclusive mode`.execute(tx)
      t.equal((await fetch(tile, { headers: { 'If-None-Match': etag }, signal: AbortSignal.timeout(5000) })).status, 304)
      t.equal((await fetch(`${ogc}/collections/lots/items`, { headers: { 'If-None-Match': '*' }, signal: AbortSignal.timeout(5000) })).status, 304)
    })
  })

  t.test('many who ask for the same tile share one query, and who leaves is not waited for', async (t) => {
    const there = tileAt(108.23, 16.04, 13)
    const tile = `${url}/tiles/shops/13/${there.x}/${there.y}.mvt`
    await store.db.transaction().execute(async (tx) => {
      await sql`lock table city.shops in access exclusive mode`.execute(tx)
      const leaving = new AbortController()
      const requests = Array.from({ length: 6 }, () => fetch(tile, { signal: leaving.signal }).catch(() => undefined))
      const running = () => sql<{ n: number }>`select count(*) as n from pg_stat_activity where query like '/* tile %' and state = 'active' and datname = current_database()`.execute(store.db).then(({ rows }) => rows[0]!.n)
      t.equal(await until(running, (n) => n > 0), 1, 'one query')
      leaving.abort()
      await Promise.all(requests)
      t.equal(await until(running, (n) => n === 0), 0, 'cancelled with the last')
    })
    t.equal((await fetch(tile)).status, 200, 'and the next asks anew')
  })

  t.test('TileJSON and styles lead to the tiles', async (t) => {
    const tileJson = await (await fetch(`${url}/tiles/shops,lots/tilejson`)).json() as any
    t.match(tileJson, { tilejson: '3.0.0', minzoom: 8, maxzoom: 16, tiles: [`${url}/tiles/shops,lots/{z}/{x}/{y}.mvt`] })
    t.match(tileJson.vector_layers.map((layer: any) => layer.id), ['shops', 'lots'])
    t.match(tileJson.vector_layers[0].fields, { name: 'String', floors: 'Number', open: 'Boolean' })
    t.ok(tileJson.bounds[0] <= 108.2 && tileJson.bounds[2] >= 108.248)
    t.match((await json('/collections/shops/tiles/WebMercatorQuad/tilejson?asOf=1')).tiles[0], /asOf=1/)
    const style = await json('/styles/default')
    t.match(style, { version: 8, sources: { city: { type: 'vector', url: `${url}/tiles/shops,lots,nothing_yet/tilejson` } } })
    t.ok(style.layers.every((layer: any) => layer.type === 'background' || style.sources[layer.source]))
  })

  t.test('GDAL opens a tile', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'dothi-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'tile.mvt')
    writeFileSync(file, new Uint8Array(await (await fetch(`${url}/tiles/shops/${at.z}/${at.x}/${at.y}.mvt`, { headers: { 'Accept-Encoding': 'identity' } })).arrayBuffer()))
    const { stdout } = await run('ogrinfo', ['-ro', `MVT:${file}`, 'shops'])
    t.match(stdout, /mvt_id: Integer64/)
    t.match(stdout, /open: Integer\(Boolean\)/)
    t.match(stdout, new RegExp(`mvt_id \\(Integer64\\) = ${shops[0]}`))
  })

  t.test('the index is used, under every clearance', async (t) => {
    const request = { grid: WEB_MERCATOR, layers: [SHOPS], tile: tileAt(108.2, 16.04, 16), branch: 'main', asOf: 'now', run: undefined } as const
    await store.withRevision({ actor: 'test', reason: 'many' }, async ({ tx }) => {
      await sql`insert into city.shops (name, geom) select 'x', st_setsrid(st_makepoint(107 + random(), 15 + random()), 4326) from generate_series(1, 5000)`.execute(tx)
    })
    await sql`analyze city.shops`.execute(store.db)
    for (const clearance of ['open', 'internal', 'restricted'] as const) {
      const { query } = await tileQuery(store, { ...request, reader: { ...STEWARD, clearance } }, [SHOPS], 'all', 1000)
      const plan = await store.pool(clearance).connection().execute(async (connection) =>
        connection.executeQuery<Record<string, string>>({ sql: `explain ${query.text}`, parameters: query.values, query: undefined as never, queryId: undefined as never }))
      t.match(plan.rows.map((row) => row['QUERY PLAN']).join('\n'), /Index.*geom_3857/, clearance)
    }
  })
})

t.test('the city and the search box', async (t) => {
  const { url, store, shops, lots } = await testCity(t)
  const find = async (q: string, more = '') => ((await (await fetch(`${url}/search?q=${encodeURIComponent(q)}${more}`)).json()) as any).results

  t.test('the city in one answer', async (t) => {
    const city = await (await fetch(`${url}/city`)).json() as any
    t.match(city, { city: { name: 'Đà Nẵng' }, reader: { subject: 'public', clearance: 'open' }, terrain: null, scenarios: [] })
    t.strictSame(city.layers.map((layer: any) => layer.id), ['shops', 'lots', 'nothing_yet'])
    t.match(city.layers[0], { count: 60, title: { vi: 'Cửa hàng', en: 'Shops' }, style: { circle: '#c2562d' }, zoom: { min: 8, max: 16 } })
    t.notOk(city.layers[0].columns.some((column: any) => column.name === 'meter'))
  })

  t.test('diacritics, case and word order of typing do not matter', async (t) => {
    for (const q of ['Chợ Hàn', 'cho han', 'CHO HAN', 'han', 'chơ hàn', 'hàn chợ']) t.equal((await find(q))[0]?.id, shops[0], q)
    t.equal((await find('Tiệm số 7'))[0].label, 'Tiệm số 7', 'the whole name before names that begin so')
    t.equal((await find('tiem', '&limit=5')).length, 5)
    t.equal((await find('99 Chợ Hàn'))[0]?.id, shops[0], 'where the number is not known, the street')
    t.strictSame(await find('%'), [])
    t.strictSame(await find('   '), [])
  })

  t.test('sheet and parcel, ids and positions', async (t) => {
    for (const q of ['12/346', 'tờ 12 thửa 346', 'Tờ số 12, thửa đất số 346', 'to 12 thua 346']) t.equal((await find(q))[0]?.id, lots[1], q)
    t.match((await find(String(shops[5])))[0], { layer: 'shops', id: shops[5] })
    t.match((await find('16.06, 108.22'))[0], { layer: null, center: [108.22, 16.06] })
    t.match((await find('108.22 16.06'))[0], { center: [108.22, 16.06] })
    for (const q of ['550091.447, 1776275.047', '1776275.047 550091.447']) {
      const [{ center }] = await find(q)
      t.ok(Math.abs(center[0] - 108.22) < 1e-6 && Math.abs(center[1] - 16.06) < 1e-6, q)
    }
  })

  t.test('hidden layers and columns are not found', async (t) => {
    t.strictSame(await find('M5'), [])
    for (const q of ["'; drop table", '\\', '_', 'x'.repeat(120), '1e999, 2', '999999999999999999999', '٣', '🌊', '-', '0 0', '91.5, 181.5']) {
      const response = await fetch(`${url}/search?q=${encodeURIComponent(q)}`)
      t.equal(response.status, 200, q)
    }
    t.equal((await fetch(`${url}/search`)).status, 400)
    t.equal((await fetch(`${url}/search?q=${'x'.repeat(121)}`)).status, 400)
  })

  t.test('a scenario sees its own features', async (t) => {
    const branch = '11111111-2222-4333-8444-555555555555'
    await sql`insert into dothi.branches (id, title, creator) values (${branch}, 'test', 'test')`.execute(store.db)
    await store.withRevision({ actor: 'test', reason: 'what if', branch }, (writer) => insertFeatures(writer, SHOPS, branch, [{ ...shop(3), properties: { name: 'Chợ nổi' } }]))
    const base = `${url}/scenarios/${branch}`
    t.equal((await (await fetch(`${base}/ogc/collections/shops/items?limit=1000`)).json() as any).numberReturned, 61)
    t.equal((await (await fetch(`${url}/ogc/collections/shops/items?limit=1000`)).json() as any).numberReturned, 60)
    t.match((await (await fetch(`${base}/ogc`)).json() as any).links[0].href, `${base}/ogc`)
    t.match((await (await fetch(`${base}/search?q=cho noi`)).json() as any).results[0], { label: 'Chợ nổi' })
    const there = tileAt(108.206, 16.04, 14)
    const tile = async (root: string) => new VectorTile(new PbfReader(new Uint8Array(await (await fetch(`${root}/tiles/shops/14/${there.x}/${there.y}.mvt`)).arrayBuffer()))).layers.shops!.length
    t.equal(await tile(base), await tile(url) + 1)
  })
})

t.test('every layer of the product answers in every way', async (t) => {
  const store = await testStore(t)
  const url = await serve(t, store)
  const headers = { Authorization: 'Bearer steward' }
  for (const layer of LAYERS) {
    const collection = `${url}/ogc/collections/${layer.id}`
    for (const path of [collection, `${collection}/items`, `${collection}/items?f=html`, `${collection}/schema`, `${collection}/queryables`, `${collection}/tiles`, `${collection}/styles/default`, `${url}/tiles/${layer.id}/14/13117/7455.mvt`, `${url}/tiles/${layer.id}/tilejson`]) {
      const response = await fetch(path, { headers })
      if (![200, 204].includes(response.status)) t.fail(`${response.status} ${path} ${await response.text()}`)
      else await response.arrayBuffer()
    }
  }
  t.equal((await fetch(`${url}/search?q=nguyen van linh`, { headers })).status, 200)
  t.equal((await fetch(`${url}/tiles/${LAYERS.slice(0, 40).map(({ id }) => id).join(',')}/14/13117/7455.mvt`, { headers })).status, 200)
  t.equal((await fetch(`${url}/ogc/tiles/WebMercatorQuad/14/7455/13117`, { headers })).status, 404, 'a city with nothing in it has no limits to keep to')
  t.equal((await (await fetch(`${url}/city`, { headers })).json() as any).layers.length, LAYERS.length)
})

/** The value once it holds, or the last one after two seconds. */
async function until<T>(read: () => Promise<T>, holds: (value: T) => boolean): Promise<T> {
  for (let i = 0; ; i++) {
    const value = await read()
    if (holds(value) || i >= 100) return value
    await new Promise((done) => setTimeout(done, 20))
  }
}
