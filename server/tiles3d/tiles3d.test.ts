import { sql } from 'kysely'
import { gunzipSync } from 'node:zlib'
import { PNG } from 'pngjs'
import t from 'tap'
import * as readers from '3d-tiles-renderer/core/plugins'
import { geocentric, geodetic, localFrame, toLocal } from '../../core/geometry/geocentric.js'
import { tileAt, tileBounds } from '../../core/tile-matrix.js'
import type { Column, Layer } from '../../layers/layer.js'
import { PUBLIC } from '../store/store.js'
import { faultsOf, property, readGlb, vertices } from '../testing/read-glb.js'
import { testServer } from '../testing/test-store.js'
import { tiles3dOf } from './service.js'
import { heightAt, storeTerrain } from '../terrain/terrain-store.js'
import { meshPositions, writeQuantizedMesh } from '../terrain/quantized-mesh.js'

/** The renderer's own reader of terrain; its types leave it out. */
const { QuantizedMeshLoaderBase } = readers as unknown as { QuantizedMeshLoaderBase: new () => { parse(bytes: ArrayBuffer): any } }

// ── Pure parts ──

t.test('a quantized-mesh tile is read back by another reader: grid, heights, edges and outward triangles', async t => {
  const bounds = tileBounds({ z: 12, x: 3279, y: 1862 })
  const positions = meshPositions(bounds)
  const heights = Float32Array.from(positions, ([lon, lat]) => 40 * Math.sin(lon * 300) + 30 * Math.cos(lat * 300))
  const bytes = writeQuantizedMesh(bounds, heights)
  const read: any = new QuantizedMeshLoaderBase().parse(new Uint8Array(bytes).buffer)
  const { u, v, height } = read.vertexData
  const { minHeight, maxHeight, sphereCenter, sphereRadius } = read.header
  const at = (i: number) => {
    const [lon, lat] = [bounds[0] + u[i] * (bounds[2] - bounds[0]), bounds[1] + v[i] * (bounds[3] - bounds[1])]
    return { lon, lat, h: minHeight + height[i] * (maxHeight - minHeight) }
  }
  t.equal(u.length, 65 * 65)
  t.ok([...u.keys()].every(i => Math.abs(at(i).h - 40 * Math.sin(at(i).lon * 300) - 30 * Math.cos(at(i).lat * 300)) < 0.05), 'heights at their places')
  t.ok([...u.keys()].every(i => { const { lon, lat, h } = at(i); const p = geocentric(lon, lat, h); return Math.hypot(...p.map((c, k) => c - sphereCenter[k])) <= sphereRadius + 0.01 }))
  let area = 0
  for (let k = 0; k < read.indices.length; k += 3) {
    const [a, b, c] = [...read.indices.subarray(k, k + 3)]
    const twice = (u[b] - u[a]) * (v[c] - v[a]) - (v[b] - v[a]) * (u[c] - u[a])
    if (twice <= 0) t.fail('a triangle looks down')
    area += twice / 2
  }
  t.ok(Math.abs(area - 1) < 1e-6, 'the tile is covered once')
  const { westIndices, southIndices, eastIndices, northIndices } = read.edgeIndices
  t.ok([...westIndices].every(i => u[i] === 0) && [...eastIndices].every(i => u[i] === 1) && [...southIndices].every(i => v[i] === 0) && [...northIndices].every(i => v[i] === 1))
})

// ── Through the store and over HTTP ──

const named = { vi: 'x', en: 'x' }
const column = (name: string, type: Column['type'], more: Partial<Column> = {}): Column => ({ name, type, title: { vi: name, en: name }, ...more })
const layer = (id: string, more: Partial<Layer>): Layer => ({
  id, title: named, description: named, group: 'buildings', kind: 'city', geometry: 'polygon', columns: [], style: {}, zoom: { min: 0, max: 18 },
  classification: 'open', licence: 'CC0-1.0', ...more,
})
const LAYERS: readonly Layer[] = [
  layer('houses', { threeD: { form: 'extrude' }, columns: [column('name', 'text', { inTiles: true }), column('owner', 'text', { inTiles: true, classification: 'restricted' })] }),
  layer('pipes', {
    group: 'utilities', geometry: 'line', threeD: { form: 'tube', diameter: 'dn', level: 'from_m', levelTo: 'to_m', levelOf: 'invert', cover: 'cover' },
    columns: [column('dn', 'number', { unit: 'mm', inTiles: true }), column('from_m', 'number'), column('to_m', 'number'), column('cover', 'number'), column('open', 'boolean', { inTiles: true })],
    style: { line: '#2f7fc1' },
  }),
  layer('trees', { group: 'nature', geometry: 'point', threeD: { form: 'instance' }, columns: [column('crown_m', 'number', { inTiles: true })] }),
  layer('wards', {}),
]

t.test('3D tiles and terrain of a real store', async t => {
  const { url, store, token } = await testServer(t, { layers: LAYERS })
  await store.setCity({ ...(await store.city()), geoidOffset: -10 })
  const { revision: first } = await store.withRevision({ actor: 'test', reason: 'houses' }, async ({ tx }) => {
    await sql`insert into city.houses (geom, ground_z, height, name, owner)
      select st_multi(st_expand(st_setsrid(st_makepoint(108.2 + (i % 50) * 0.0004, 16.05 + (i / 50) * 0.0004), 4326), 0.00005 + 0.00005 * (i % 3))),
        case when i % 7 = 0 then null else 6 end, case when i = 8 then null else 4 + i % 20 end, 'Nhà ' || i, 'Bà ' || i from generate_series(1, 2500) i`.execute(tx)
    // A hipped house as a solid: base at 6 m, ridge at 12 m.
    await sql`insert into city.houses (geom, solid, ground_z, height, name) values (
      'SRID=4326;MULTIPOLYGON(((108.199 16.049,108.1991 16.049,108.1991 16.0491,108.199 16.0491,108.199 16.049)))',
      'SRID=4326;POLYHEDRALSURFACE Z (((108.199 16.049 6,108.1991 16.049 6,108.19905 16.04905 12,108.199 16.049 6)),((108.1991 16.049 6,108.1991 16.0491 6,108.19905 16.04905 12,108.1991 16.049 6)),((108.1991 16.0491 6,108.199 16.0491 6,108.19905 16.04905 12,108.1991 16.0491 6)),((108.199 16.0491 6,108.199 16.049 6,108.19905 16.04905 12,108.199 16.0491 6)))',
      6, 6, 'Đình')`.execute(tx)
    await sql`insert into city.pipes (geom, dn, from_m, to_m, cover, open) values
      ('SRID=4326;MULTILINESTRING((108.2 16.05,108.201 16.05))', 1000, 2, 1, null, true),
      ('SRID=4326;MULTILINESTRING((108.2 16.051,108.2005 16.051,108.2005 16.052))', 200, null, null, 1.5, null),
      ('SRID=4326;MULTILINESTRING((108.2 16.053,108.2 16.053))', 200, null, null, 1.5, false)`.execute(tx)
    await sql`insert into city.trees (geom, height, crown_m) values ('SRID=4326;POINT(108.2 16.05)', 9, 5), ('SRID=4326;POINT(108.21 16.06)', null, null)`.execute(tx)
  })
  await storeTerrain(store, { bounds: [108.1, 16, 108.3, 16.1], resolutionM: 20, height: () => 8 }, { name: 'flat', actor: 'test' })

  const get = async (path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(url + path, { headers })
    return { status: response.status, headers: response.headers, bytes: new Uint8Array(await response.arrayBuffer()) }
  }
  const getJson = async (path: string): Promise<any> => JSON.parse(new TextDecoder().decode((await get(path)).bytes))
  const uris = (tile: any): string[] => [...(tile.content ? [tile.content.uri] : []), ...(tile.children ?? []).flatMap(uris)]
  const glbs = async (layer: string, headers = {}) => {
    const tileset = await getJson(`/3dtiles/${layer}/tileset.json`)
    return Promise.all(uris(tileset.root).map(async uri => ({ uri, ...(await get(`/3dtiles/${layer}/${uri}`, headers)) })))
  }

  await t.test('every house is in one tile, with its name, and each tile is valid glTF', async t => {
    const tiles = await glbs('houses')
    t.ok(tiles.length > 2)
    t.ok(tiles.every(({ status, headers }) => status === 200 && headers.get('content-type') === 'model/gltf-binary'))
    const read = tiles.map(({ bytes }) => readGlb(bytes))
    const ids = read.flatMap(glb => property(glb, 'id'))
    const { rows } = await sql<{ id: number; name: string }>`select id, name from city.houses order by id`.execute(store.db)
    t.strictSame([...ids].sort((a, b) => Number(a) - Number(b)), rows.map(row => row.id))
    const names = new Map(read.flatMap(glb => property(glb, 'name').map((name, i) => [property(glb, 'id')[i], name] as const)))
    t.ok(rows.every(row => names.get(row.id) === row.name))
    for (const { bytes } of tiles) t.strictSame(await faultsOf(bytes), [])
    const grounds = new Set(read.flatMap(glb => property(glb, 'ground_z')))
    t.strictSame([...grounds].sort(), [6, 8], 'where a row has no ground level the terrain gives it')
  })

  await t.test('vertices lie inside the bounding regions that announce them', async t => {
    const tileset = await getJson('/3dtiles/houses/tileset.json')
    const check = async (tile: any) => {
      const [w, s, e, n, low, high] = tile.boundingVolume.region.map((v: number, i: number) => (i < 4 ? (v * 180) / Math.PI : v))
      const glb = tile.content && readGlb((await get(`/3dtiles/houses/${tile.content.uri}`)).bytes)
      const frame = localFrame((w + e) / 2, (s + n) / 2)
      const corner: [number, number, number] = [0, 0, 0]
      toLocal(frame, e, n, 0, corner)
      let outside = 0
      for (const { geocentric } of glb ? vertices(glb) : []) {
        const p = geocentric.map((v, k) => v - frame.origin[k]!)
        const along = (axis: readonly number[]) => axis[0]! * p[0]! + axis[1]! * p[1]! + axis[2]! * p[2]!
        if (Math.abs(along(frame.east)) > corner[0] + 0.1 || Math.abs(along(frame.north)) > corner[1] + 0.1 || along(frame.up) < low - 0.5 || along(frame.up) > high + 0.1) outside++
      }
      t.equal(outside, 0)
      for (const child of tile.children ?? []) await check(child)
    }
    await check(tileset.root)
  })

  await t.test('restricted columns reach only who may see them, and are cached apart', async t => {
    const columns = (bytes: Uint8Array) => Object.keys(readGlb(bytes).json.extensions.EXT_structural_metadata.schema.classes.houses.properties)
    const [open] = await glbs('houses')
    const [steward] = await glbs('houses', { authorization: `Bearer ${await token('steward')}` })
    t.notOk(columns(open!.bytes).includes('owner'))
    t.ok(columns(steward!.bytes).includes('owner'))
    t.not(open!.headers.get('etag'), steward!.headers.get('etag'))
  })

  await t.test('a tile with its revision never changes and says so; a validator saves the bytes', async t => {
    const [tile] = await glbs('houses')
    t.match(tile!.headers.get('cache-control'), /immutable/)
    t.equal((await get(`/3dtiles/houses/${tile!.uri}`, { 'if-none-match': tile!.headers.get('etag')! })).status, 304)
    t.notMatch((await get(`/3dtiles/houses/${tile!.uri.split('?')[0]}`)).headers.get('cache-control'), /immutable/)
  })

  await t.test('after an edit the old tileset still gets its tiles, the new one shows the edit, asOf shows what was', async t => {
    const before = await glbs('houses')
    await store.withRevision({ actor: 'test', reason: 'edit' }, async ({ tx }) => { await sql`update city.houses set name = 'Mới' where name = 'Đình'`.execute(tx) })
    const again = await get(`/3dtiles/houses/${before[0]!.uri}`)
    t.strictSame(again.bytes, before[0]!.bytes)
    const names = async (tiles: Promise<{ bytes: Uint8Array }[]>) => (await tiles).flatMap(({ bytes }) => property(readGlb(bytes), 'name'))
    const now = await names(glbs('houses'))
    t.ok(now.includes('Mới') && !now.includes('Đình'))
    const then = await getJson(`/3dtiles/houses/tileset.json?asOf=${first.revision}`)
    const old = await names(Promise.all(uris(then.root).map(uri => get(`/3dtiles/houses/${uri}`))))
    t.ok(old.includes('Đình') && !old.includes('Mới'))
    t.match(uris(then.root)[0], `asOf=${first.revision}`)
  })

  await t.test('an edit changes the address and the ETag of the tiles it changes, and of no others', async t => {
    const before = await glbs('houses')
    await store.withRevision({ actor: 'test', reason: 'edit' }, async ({ tx }) => { await sql`update city.houses set name = 'Một căn' where name = 'Nhà 77'`.execute(tx) })
    const after = await glbs('houses')
    const old = new Map(before.map(tile => [tile.uri.split('?')[0], tile]))
    const changed = after.filter(tile => tile.uri !== old.get(tile.uri.split('?')[0])!.uri)
    t.equal(changed.length, 1, `of ${after.length} tiles`)
    t.ok(property(readGlb(changed[0]!.bytes), 'name').includes('Một căn'))
    for (const tile of after) {
      const was = old.get(tile.uri.split('?')[0])!
      t.equal(Buffer.compare(tile.bytes, was.bytes) === 0, tile !== changed[0])
      t.equal(tile.headers.get('etag') === was.headers.get('etag'), tile !== changed[0])
      t.match(tile.headers.get('cache-control'), /immutable/)
    }
    t.strictSame((await get(`/3dtiles/houses/${old.get(changed[0]!.uri.split('?')[0])!.uri}`)).bytes, old.get(changed[0]!.uri.split('?')[0])!.bytes, 'who has the old tileset gets the old tile')
  })

  await t.test('by implicit tiling the same contents are found, under addresses of their own', async t => {
    const explicit = new Map((await glbs('houses')).map(({ uri, bytes }) => [uri.replace(/\.glb.*/, ''), Buffer.from(bytes).toString('base64')]))
    const { root } = await getJson('/3dtiles/houses/implicit/tileset.json')
    const found: string[] = []
    const fill = (template: string, tile: Record<string, number>) => `/3dtiles/houses/implicit/${template.replace(/\{(\w+)\}/g, (_, name) => String(tile[name]))}`
    const follow = async (tile: any): Promise<void> => {
      for (const child of tile.children ?? []) await follow(child)
      if (!tile.implicitTiling) { if (tile.content) found.push(tile.content.uri.replace(/^\.\.\/|\.glb.*/g, '')); return }
      const [z, x, y] = tile.content.uri.split('/').map(Number)
      const top = await get(fill(tile.implicitTiling.subtrees.uri, { level: 0, x: 0, y: 0 }))
      t.strictSame([top.status, top.headers.get('content-type'), Buffer.from(top.bytes.subarray(0, 4)).toString()], [200, 'application/octet-stream', 'subt'])
      t.equal((await get(fill(tile.implicitTiling.subtrees.uri, { level: 0, x: 0, y: 0 }), { 'if-none-match': top.headers.get('etag')! })).status, 304)
      for (let level = 0; level < tile.implicitTiling.availableLevels; level++) {
        for (let at = 0; at < 4 ** level; at++) {
          const [column, row] = [at % 2 ** level, at >> level]
          const name = `${z + level}/${x * 2 ** level + column}/${(y + 1) * 2 ** level - 1 - row}`
          const { status, bytes } = await get(fill(tile.content.uri, { level, x: column, y: row }))
          t.equal(status, explicit.has(name) ? 200 : 404)
          if (status === 200) { found.push(name); t.equal(Buffer.from(bytes).toString('base64') === explicit.get(name), true) }
        }
      }
    }
    await follow(root)
    t.strictSame(found.sort(), [...explicit.keys()].sort())
  })

  await t.test('a tileset tells what is new since a revision, and the whole where too little is known', async t => {
    const whole = await getJson('/3dtiles/houses/tileset.json')
    const { revision } = whole.asset.extras
    await store.withRevision({ actor: 'test', reason: 'edit' }, async ({ tx }) => { await sql`update city.houses set height = height + 1 where name = 'Nhà 901'`.execute(tx) })
    const news = await getJson(`/3dtiles/houses/tileset.json?since=${revision}`)
    t.equal(news.asset.extras.since, revision)
    const fresh = uris(news.root).filter(uri => !uris(whole.root).includes(uri))
    t.equal(fresh.length, 1, 'one house, one tile')
    t.strictSame((await getJson('/3dtiles/houses/tileset.json?since=0')).asset.extras.since, undefined)
    t.strictSame(uris((await getJson(`/3dtiles/houses/tileset.json?since=${news.asset.extras.revision}`)).root).filter(uri => !uris(news.root).includes(uri)), [])
    const now = await getJson('/3dtiles/houses/tileset.json')
    t.strictSame(uris(now.root).sort(), [...uris(whole.root).filter(uri => uri.split('?')[0] !== fresh[0]!.split('?')[0]), ...fresh].sort())
  })

  await t.test('addresses that no tileset names get no more than a tile', async t => {
    const uri = (await glbs('houses'))[0]!.uri
    const at = (zoom: number, query: string) => { const tile = tileAt(108.21, 16.06, zoom); return `/3dtiles/houses/${tile.z}/${tile.x}/${tile.y}.glb?${query}` }
    const rev = /rev=(\d+)/.exec(uri)![1]
    t.equal((await get(at(10, `rev=${rev}&part=all`))).status, 404, 'the whole city is no tile')
    t.equal((await get(at(10, `rev=${rev}&part=own`))).status, 404)
    t.equal((await get(at(4, `rev=${rev}&part=all`))).status, 404)
    t.equal((await get(at(20, `rev=${rev}&part=own`))).status, 404)
    t.equal((await get(at(16, `rev=${rev}&part=some`))).status, 400)
    t.equal((await get('/3dtiles/houses/implicit/12/3279/1863/30/0/0.subtree')).status, 404)
    t.equal((await get('/3dtiles/houses/implicit/12/3279/1863/1/2/0.glb')).status, 404)
    t.equal((await get('/3dtiles/houses/implicit/99/3279/1863/1/0/0.subtree')).status, 404)
    const future = await get(`/3dtiles/houses/${uri.replace(/rev=\d+/, 'rev=99999999')}`)
    t.equal(future.status, 200, 'from the future comes the present')
    t.notMatch(future.headers.get('cache-control'), /immutable/)
  })

  await t.test('a scenario shows its own houses over the city\'s, and the city does not', async t => {
    const { rows: [row] } = await sql<{ id: string }>`insert into dothi.branches (title) values ('Bờ kè') returning id`.execute(store.db)
    const branch = row!.id
    await store.withRevision({ actor: 'test', reason: 'proposal', branch }, async ({ tx }) => {
      await sql`insert into branch.houses (branch, geom, ground_z, height, name)
        values (${branch}, st_multi(st_expand(st_setsrid(st_makepoint(108.23, 16.07), 4326), 0.0001)), 5, 90, 'Tháp mới')`.execute(tx)
    })
    const service = tiles3dOf(store)
    const count = async (of: string) => {
      const snapshot = await service.snapshot({ layer: store.catalogue.get('houses'), branch: of, asOf: 'now', reader: PUBLIC })
      const tileset: any = await service.tileset(snapshot, {})
      const tiles = await Promise.all(uris(tileset.root).map(uri => {
        const [z, x, y] = uri.split(/[/.]/).map(Number)
        return service.tile(snapshot, { z: z!, x: x!, y: y! })
      }))
      return tiles.flatMap(({ gzip }) => property(readGlb(gunzipSync(gzip)), 'name'))
    }
    const [there, here] = [await count(branch), await count('main')]
    t.equal(there.length, here.length + 1)
    t.ok(there.includes('Tháp mới') && !here.includes('Tháp mới'))
  })

  await t.test('pipes are tubes at their levels, or under the terrain where only their cover is known', async t => {
    const [{ bytes } = { bytes: new Uint8Array() }] = await glbs('pipes')
    t.strictSame(await faultsOf(bytes), [])
    const glb = readGlb(bytes)
    const diameters = property(glb, 'dn')
    const range = (dn: number) => {
      const feature = diameters.indexOf(dn)
      const own = vertices(glb).filter(vertex => vertex.feature === feature).map(vertex => vertex.above)
      return [Math.min(...own), Math.max(...own)].map(v => Math.round(v * 10) / 10)
    }
    t.strictSame(range(1000), [-7, -5], 'invert 2 to 1 m under ground at 8 m: bottom −7, crown −5')
    t.strictSame(range(200), [-1.7, -1.5], 'crown under 1.5 m of cover')
    t.strictSame(property(glb, 'open').sort(), [0, 1, 255])
    t.ok(glb.json.meshes[0].primitives[0].attributes.NORMAL !== undefined)
  })

  await t.test('trees stand on the terrain, drawn from one mesh', async t => {
    const [{ bytes } = { bytes: new Uint8Array() }] = await glbs('trees')
    t.strictSame(await faultsOf(bytes), [])
    const glb = readGlb(bytes)
    const heights = vertices(glb).filter(vertex => vertex.feature === 0).map(({ geocentric: [x, y, z] }) => geodetic(x, y, z)[2])
    t.ok(Math.abs(Math.min(...heights) + 2) < 0.01 && Math.abs(Math.max(...heights) - 7) < 0.02, 'the ground is 8 m above the datum, −2 m above the ellipsoid')
    t.equal(glb.json.meshes.length, 1)
    t.strictSame(property(glb, 'crown_m'), [5, NaN])
  })

  await t.test('what is not there is told in a sentence', async t => {
    const problem = async (path: string) => { const { status, bytes } = await get(path); return [status, JSON.parse(new TextDecoder().decode(bytes)).detail as string] as const }
    t.match(await problem('/3dtiles/wards/tileset.json'), [404, /no 3D form.*houses, pipes, trees/])
    t.match(await problem('/3dtiles/nowhere/tileset.json'), [404, /no collection/])
    t.match(await problem('/3dtiles/houses/3/0/0.glb'), [404, /no tile 3\/0\/0/])
    t.match(await problem('/3dtiles/houses/3/9/0.glb'), [400, /zooms go to 24/])
    t.match(await problem('/3dtiles/houses/tileset.json?asOf=999999'), [400, /does not exist/])
    t.match(await problem('/terrain/rgb/2/9/0'), [400, /columns and rows/])
    t.match(await problem('/terrain/height?lon=abc&lat=1'), [400, /not a valid/])
    t.match(await problem('/3dtiles/houses/tileset.json?run=x'), [200])
  })

  await t.test('terrain is served as Terrain-RGB at any zoom, flat at sea level where there is none', async t => {
    const { z, x, y } = tileAt(108.2, 16.05, 16)
    const png = await get(`/terrain/rgb/${z}/${x}/${y}.png`)
    t.equal(png.headers.get('content-type'), 'image/png')
    const { width, height, data } = PNG.sync.read(Buffer.from(png.bytes))
    const metres = (i: number) => -10_000 + (data[4 * i]! * 65536 + data[4 * i + 1]! * 256 + data[4 * i + 2]!) / 10
    t.strictSame([width, height], [256, 256])
    t.ok([0, 255, 32_768, 65_535].every(i => Math.abs(metres(i) - 8) < 0.051))
    const nowhere = await get('/terrain/rgb/10/5/5')
    t.strictSame([...PNG.sync.read(Buffer.from(nowhere.bytes)).data.subarray(0, 3)], [1, 134, 160])
    t.strictSame([nowhere.headers.get('x-terrain'), png.headers.get('x-terrain')], ['none', null], 'flat for want of data is no sea')
    const summary = await getJson('/terrain')
    t.equal(summary.sources[0].name, 'flat')
    const tilejson = await getJson('/terrain/tilejson')
    t.match(tilejson, { encoding: 'mapbox', minzoom: 0, maxzoom: summary.maxzoom, bounds: [108.1, 16, 108.3, 16.1] })
    const fixed = await get(tilejson.tiles[0].replace(url, '').replace('{z}', z).replace('{x}', x).replace('{y}', y))
    t.match(fixed.headers.get('cache-control'), /immutable/)
    t.equal((await get(`/terrain/rgb/${z}/${x}/${y}`, { 'if-none-match': png.headers.get('etag')! })).status, 304)
    const mesh = await getJson('/terrain/mesh/layer.json')
    const { startX, startY } = mesh.available[mesh.maxzoom][0]
    const terrain = await get(`/terrain/mesh/${mesh.tiles[0].replace('{z}', mesh.maxzoom).replace('{x}', startX + 1).replace('{y}', startY + 1)}`)
    t.equal(terrain.headers.get('content-type'), 'application/vnd.quantized-mesh')
    const { header }: any = new QuantizedMeshLoaderBase().parse(terrain.bytes.buffer as ArrayBuffer)
    t.strictSame([header.minHeight, header.maxHeight], [-2, -2], '8 m above the datum is −2 m above the ellipsoid here')
    t.match(await getJson('/terrain/height?lon=108.2&lat=16.05'), { height: 8, unit: 'm' })
    t.equal((await getJson('/terrain/height?lon=10&lat=16.05')).height, null)
    t.equal(await heightAt(store, 108.2, 16.05), 8)
    const [west] = tileBounds({ z, x, y })
    t.ok(west > 108.1)
  })
})
