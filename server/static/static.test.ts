import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { VectorTile } from '@mapbox/vector-tile'
import fc from 'fast-check'
import { PbfReader } from 'pbf'
import { PMTiles, zxyToTileId, type Source } from 'pmtiles'
import { sql } from 'kysely'
import t from 'tap'
import type { StaticManifest } from '../../core/static-manifest.js'
import { keysOf, keyOfWord } from '../../core/static-search.js'
import { tileAt, type Tile } from '../../core/tile-matrix.js'
import { joinStore } from '../compose.js'
import { readConfig } from '../config.js'
import { createListener } from '../main.js'
import { STEWARD } from '../store/store.js'
import { deleteFeature, updateFeature } from '../store/writes.js'
import { testDatabase } from '../testing/test-cluster.js'
import { exportStatic, type StaticResult } from './export.js'
import { STATIC } from './jobs.js'
import { tileId, tileOfId } from './pmtiles.js'
import { TileArchive } from './tile-archive.js'
import { houseAt, at, HOUSES, makeTown, SECRET } from './test-town.js'

const root = mkdtempSync('/tmp/dothi-static-')
t.teardown(() => rmSync(root, { recursive: true, force: true }))

/** An archive as its readers see it, by ranges. */
async function openArchive(path: string): Promise<PMTiles> {
  const file = await open(path)
  t.teardown(() => file.close())
  const source: Source = {
    getKey: () => path,
    async getBytes(offset, length) {
      const bytes = Buffer.alloc(length)
      const { bytesRead } = await file.read(bytes, 0, length, offset)
      return { data: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytesRead) as ArrayBuffer }
    },
  }
  return new PMTiles(source)
}

const archiveOptions = (folder: string, name = 'a') => ({ path: join(folder, `${name}.pmtiles`), work: join(folder, 'work'), name, tileType: 'mvt' as const, tileCompression: 'none' as const })
const anyTile = fc.integer({ min: 0, max: 24 }).chain(z => fc.record({ z: fc.constant(z), x: fc.integer({ min: 0, max: 2 ** z - 1 }), y: fc.integer({ min: 0, max: 2 ** z - 1 }) }))

t.test('tiles are numbered along the curve as PMTiles numbers them', async () => {
  fc.assert(fc.property(anyTile, ({ z, x, y }) => tileId({ z, x, y }) === zxyToTileId(z, x, y)))
  fc.assert(fc.property(anyTile, tile => JSON.stringify(tileOfId(tileId(tile))) === JSON.stringify(tile)))
})

t.test('what was put into an archive is what another reader gets from it', async (t) => {
  let n = 0
  await fc.assert(fc.asyncProperty(fc.uniqueArray(fc.record({ tile: anyTile, bytes: fc.uint8Array({ maxLength: 30 }) }), { selector: ({ tile }) => tileId(tile), minLength: 1, maxLength: 60 }), async (tiles) => {
    const options = archiveOptions(root, `property${n++}`)
    const archive = await TileArchive.open(options)
    for (const { tile, bytes } of tiles) await archive.put(tile, 'k', async () => bytes)
    const summary = await archive.finish({}, [-180, -85, 180, 85])
    if (!summary) return tiles.every(({ bytes }) => bytes.length === 0) && !existsSync(options.path)
    const reader = await openArchive(options.path)
    for (const { tile: { z, x, y }, bytes } of tiles) {
      const got = (await reader.getZxy(z, x, y))?.data
      if (Buffer.compare(Buffer.from(got ?? new ArrayBuffer(0)), bytes) !== 0) return false
    }
    return true
  }), { numRuns: 40 })
  t.ok(n >= 40)
})

t.test('a large archive is clustered, has leaves, and keeps what repeats once', async (t) => {
  const archive = await TileArchive.open(archiveOptions(root, 'large'))
  const z = 7
  const tiles: Tile[] = Array.from({ length: 4 ** z }, (_, i) => ({ z, x: i % 2 ** z, y: Math.floor(i / 2 ** z) }))
  // Water in the east, all alike; in the west each its own, of any length.
  const bytesOf = ({ x, y }: Tile) => Buffer.from(x >= 112 ? 'water' : `land ${x} ${y} ${'~'.repeat(createHash('sha1').update(`${x} ${y}`).digest().readUInt16LE(0) % 1000)}`)
  await Promise.all(tiles.map(tile => archive.put(tile, 'k', async () => bytesOf(tile))))
  const { written, made } = (await archive.finish({ name: 'large' }, [0, 0, 1, 1]))!
  t.match({ written, made }, { written: true, made: tiles.length })
  const reader = await openArchive(archiveOptions(root, 'large').path)
  const header = await reader.getHeader()
  t.match(header, { clustered: true, specVersion: 3, minZoom: z, maxZoom: z, numAddressedTiles: tiles.length, numTileContents: (tiles.length * 7) / 8 + 1 })
  t.ok(header.leafDirectoryLength! > 0 && header.rootDirectoryOffset + header.rootDirectoryLength <= 16_384)
  t.ok(header.numTileEntries <= (tiles.length * 7) / 8 + 100, 'runs of water are single entries')
  t.equal(header.tileDataOffset + header.tileDataLength!, statSync(archiveOptions(root, 'large').path).size)
  for (const tile of [tiles[0]!, tiles[111]!, tiles[112]!, tiles[9000]!, tiles.at(-1)!])
    t.strictSame(Buffer.from((await reader.getZxy(tile.z, tile.x, tile.y))!.data), bytesOf(tile))
  t.equal(await reader.getZxy(8, 0, 0), undefined)
})

t.test('names are found by the beginnings of their words, whatever the diacritics', async (t) => {
  t.strictSame([...keysOf('Đường Nguyễn Văn Linh, 12/4')], ['duo', 'ngu', 'van', 'lin', '12', '4'])
  t.match(keyOfWord('東京都'), /^u-[0-9a-f-]+$/)
})

t.test('a city', async (t) => {
  const database = await testDatabase()
  const backend = await joinStore(database.connection)
  const { store, jobs } = backend
  const http = createServer(createListener(backend, { ...readConfig({ SAMPLE: '0', PORT: '0' }) })).listen(0, '127.0.0.1')
  await once(http, 'listening')
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  t.teardown(async () => {
    http.closeAllConnections()
    http.close()
    await backend.close()
    await database.drop()
  })
  await makeTown(store)
  const folder = join(root, 'site')
  const run = (to = folder, options = {}) => exportStatic({ store, branch: 'main', signal: new AbortController().signal, report: () => {} }, { folder: to, ...options })
  const manifest = (): StaticManifest<any> => JSON.parse(readFileSync(join(folder, 'dothi.json'), 'utf8'))
  const filesOf = (of: string) => readdirSync(of, { recursive: true }).map(String).filter(name => statSync(join(of, name)).isFile() && !name.startsWith('.dothi-export')).sort()
  const snapshot = (of: string) => new Map(filesOf(of).map(name => [name, `${statSync(join(of, name)).mtimeMs} ${statSync(join(of, name)).size}`]))
  const rename = (id: number, name: string) => store.withRevision({ actor: 'test', reason: 'name' }, writer => updateFeature(writer, store.catalogue.get('buildings'), 'main', id, { properties: { name } }))
  let first: StaticResult

  await t.test('becomes a folder, with progress', async (t) => {
    const seen: number[] = []
    const job = await jobs.run(STATIC, { folder }, STEWARD, { onProgress: ({ progress }) => seen.push(progress) })
    t.equal(job.state, 'successful', job.message)
    first = job.result as StaticResult
    t.ok(seen.some(share => share > 0 && share < 1))
    t.strictSame(seen, [...seen].sort((a, b) => a - b), 'which never falls back')
    t.match(manifest(), { format: 'dothi-static', revision: first.revision, city: { reader: { clearance: 'open' }, scenarios: [] } })
    t.strictSame(first.layers.filter(id => !['buildings', 'parcels', 'roads', 'water_bodies', 'trees'].includes(id)), [])
    t.ok(first.tiles > 20)
  })

  await t.test('its vector tiles hold what the server’s hold', async (t) => {
    for (const { path, layers } of manifest().archives) {
      const reader = await openArchive(join(folder, path))
      t.match(await reader.getMetadata(), { vector_layers: layers.map(id => ({ id })) })
      for (const z of [12, 14, 16]) {
        const { x, y } = tileAt(...at(...houseAt(105)), z)
        const own = new VectorTile(new PbfReader(new Uint8Array((await reader.getZxy(z, x, y))?.data ?? [])))
        const response = await fetch(`${url}/tiles/${layers.join(',')}/${z}/${x}/${y}.mvt`)
        const theirs = new VectorTile(new PbfReader(new Uint8Array(await response.arrayBuffer())))
        t.strictSame(summaryOf(own), summaryOf(theirs), `${path} ${z}`)
      }
    }
  })

  await t.test('its 3D tiles are the server’s, each house in one of them', async (t) => {
    const tileset = JSON.parse(readFileSync(join(folder, manifest().tilesets.buildings!), 'utf8'))
    const uris = contentsOf(tileset.root)
    t.ok(uris.length > 0)
    let houses = 0
    for (const uri of uris.map(uri => uri.replace(/\?.*/, ''))) {
      const bytes = readFileSync(join(folder, '3dtiles/buildings', uri))
      t.strictSame(bytes, Buffer.from(await (await fetch(`${url}/3dtiles/buildings/${uri}`)).arrayBuffer()), uri)
      houses += JSON.parse(bytes.toString('utf8', 20, 20 + bytes.readUInt32LE(12))).extensions.EXT_structural_metadata.propertyTables[0].count
    }
    t.equal(houses, HOUSES)
  })

  await t.test('its ground is the server’s, as pictures and as meshes', async (t) => {
    const { city, terrain } = manifest()
    const { x, y } = tileAt(...at(0, 0), city.terrain.maxzoom)
    const z = city.terrain.maxzoom
    const reader = await openArchive(join(folder, terrain!.path))
    t.strictSame(Buffer.from((await reader.getZxy(z, x, y))!.data), Buffer.from(await (await fetch(`${url}/terrain/rgb/${z}/${x}/${y}`)).arrayBuffer()))
    const name = `${z}/${x}/${2 ** z - 1 - y}.terrain`
    t.strictSame(readFileSync(join(folder, 'terrain/mesh', name)), Buffer.from(await (await fetch(`${url}/terrain/mesh/${name}`)).arrayBuffer()))
    const layer = JSON.parse(readFileSync(join(folder, 'terrain/mesh/layer.json'), 'utf8'))
    const theirs = await (await fetch(`${url}/terrain/mesh/layer.json`)).json() as typeof layer
    t.strictSame(layer.available, theirs.available)
    for (const [z, [range]] of layer.available.entries()) for (let x = range.startX; x <= range.endX; x++) for (let y = range.startY; y <= range.endY; y++)
      if (!existsSync(join(folder, `terrain/mesh/${z}/${x}/${y}.terrain`))) t.fail(`${z}/${x}/${y} is announced and not there`)
  })

  await t.test('its records and names are those that everybody may see', async (t) => {
    const { rows: [market] } = await sql<{ id: number }>`select id from city.buildings where name = 'Chợ Hàn'`.execute(store.db)
    const { records, search } = manifest()
    const { path, chunk } = records.buildings!
    const file = JSON.parse(gunzipSync(readFileSync(join(folder, path, `${Math.floor(market!.id / chunk)}.json.gz`))).toString())
    const { links: _links, bbox: _bbox, ...theirs } = await (await fetch(`${url}/ogc/collections/buildings/items/${market!.id}`)).json() as any
    t.match(theirs, file[market!.id], 'the record is the service’s')
    t.match(file[market!.id], { geometry: { type: 'MultiPolygon' }, properties: { name: 'Chợ Hàn', use: 'market' } })
    t.ok(search!.keys.split(' ').includes('han'))
    const names = JSON.parse(gunzipSync(readFileSync(join(folder, search!.path, 'han.json.gz'))).toString())
    t.ok(names.some((name: any) => name[0] === 'buildings' && name[1] === market!.id && name[2] === 'Chợ Hàn'))
    const rows = Object.keys(records).flatMap(layer => readdirSync(join(folder, records[layer]!.path)).flatMap(name => Object.keys(JSON.parse(gunzipSync(readFileSync(join(folder, records[layer]!.path, name))).toString()))))
    t.equal(rows.length, new Set(rows).size)
    t.equal(rows.length, manifest().city.layers.reduce((sum: number, { count }: any) => sum + count, 0))
  })

  await t.test('nothing that is not open is in any file', async (t) => {
    for (const name of filesOf(folder)) {
      const bytes = readFileSync(join(folder, name))
      const plain = name.endsWith('.gz') ? gunzipSync(bytes) : bytes
      if (plain.includes(SECRET) || plain.includes('transformer_code') || plain.includes('so_gcn')) t.fail(name)
    }
    for (const { path } of manifest().archives) for (const tile of await tilesOf(join(folder, path))) if (tile.includes(SECRET) || tile.includes('so_gcn')) t.fail(path)
    t.notOk(manifest().city.layers.some(({ classification }: any) => classification !== 'open'))
  })

  await t.test('GDAL reads the archives where it can', async (t) => {
    const formats = spawnSync('ogrinfo', ['--formats'], { encoding: 'utf8' }).stdout ?? ''
    if (!/PMTiles/.test(formats)) return t.comment('this GDAL has no PMTiles driver (3.8 or newer has)')
    const { stdout } = spawnSync('ogrinfo', ['-ro', '-so', join(folder, 'tiles/city.pmtiles'), 'buildings'], { encoding: 'utf8' })
    t.match(stdout, /Feature Count: [1-9]/)
  })

  await t.test('again, nothing is made and nothing is touched', async (t) => {
    const before = snapshot(folder)
    const again = await run()
    t.match(again, { made: 0, written: 0, tiles: first.tiles, files: first.files, bytes: first.bytes })
    t.strictSame(snapshot(folder), before)
  })

  await t.test('after an edit only what it touched is made and written', async (t) => {
    const before = snapshot(folder)
    const { rows: [house] } = await sql<{ id: number }>`select id from city.buildings where source_id = 'house-299'`.execute(store.db)
    await rename(house!.id, 'Nhà mới')
    const next = await run()
    t.ok(next.made > 0 && next.made < first.tiles / 3, `${next.made} of ${first.tiles} tiles are made`)
    const after = snapshot(folder)
    const changed = [...after].filter(([name, state]) => before.get(name) !== state).map(([name]) => name)
    t.ok(changed.includes('tiles/city.pmtiles') && changed.includes('dothi.json') && changed.some(name => name.startsWith('records/buildings/')))
    t.strictSame(changed.filter(name => /parcels|roads|water|trees|terrain/.test(name)), [], 'what has not changed keeps its date')
    const reader = await openArchive(join(folder, 'tiles/city.pmtiles'))
    const { x, y } = tileAt(...at(...houseAt(299)), 16)
    t.ok(Buffer.from((await reader.getZxy(16, x, y))!.data).includes('Nhà mới'))
    t.equal((await run()).made, 0)
  })

  await t.test('what is retired leaves the folder', async (t) => {
    const { rows: trees } = await sql<{ id: number }>`select id from city.trees`.execute(store.db)
    await store.withRevision({ actor: 'test', reason: 'felled' }, async writer => { for (const { id } of trees) await deleteFeature(writer, store.catalogue.get('trees'), 'main', id) })
    await run()
    t.strictSame(filesOf(folder).filter(name => name.includes('trees')), [])
    t.notOk(manifest().city.layers.some(({ id }: any) => id === 'trees'))
  })

  await t.test('killed, it goes on where it was and ends the same', async (t) => {
    const to = join(root, 'killed')
    const records = () => { try { return statSync(join(to, '.dothi-export/city.log')).size / 48 } catch { return 0 } }
    const program = `
      const { joinStore } = await import(${JSON.stringify(new URL('../compose.ts', import.meta.url).href)})
      const { exportStatic } = await import(${JSON.stringify(new URL('./export.ts', import.meta.url).href)})
      const { store } = await joinStore(${JSON.stringify(database.connection)})
      await exportStatic({ store, branch: 'main', signal: new AbortController().signal, report: () => {} }, { folder: ${JSON.stringify(to)} })`
    const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', program], { stdio: 'inherit' })
    const ended = once(child, 'close')
    while (records() < 12 && child.exitCode === null) await sleep(2)
    child.kill('SIGKILL')
    await ended
    const kept = Math.floor(records())
    t.ok(kept >= 12, `${kept} tiles were made`)
    t.notOk(existsSync(join(to, 'dothi.json')), 'and no folder claims to be whole')
    const resumed = await untilFree(() => run(to))
    const whole = await run(join(root, 'whole'))
    t.equal(resumed.made, whole.made - kept, 'what was made is not made again')
    const [a, b] = [filesOf(to), filesOf(join(root, 'whole'))]
    t.strictSame(a, b)
    for (const name of a.filter(name => name !== 'dothi.json')) if (!readFileSync(join(to, name)).equals(readFileSync(join(root, 'whole', name)))) t.fail(name)
  })

  await t.test('cancelled, it stops, keeps what it has and can go on; two at once are refused', async (t) => {
    const to = join(root, 'cancelled')
    const abort = new AbortController()
    const working = jobs.run(STATIC, { folder: to }, STEWARD, { signal: abort.signal, onProgress: ({ progress }) => { if (progress > 0) abort.abort() } })
    while (!existsSync(join(to, '.dothi-export'))) await sleep(2)
    await t.rejects(run(to), problem(409))
    t.equal((await working).state, 'dismissed')
    t.notOk(existsSync(join(to, 'dothi.json')))
    t.ok((await run(to)).tiles > 20)
  })

  await t.test('an edit while it works is not half in it', async (t) => {
    const to = join(root, 'moment')
    const { rows: houses } = await sql<{ id: number }>`select id from city.buildings order by id`.execute(store.db)
    let edited: Promise<unknown> | undefined
    const result = await exportStatic({
      store, branch: 'main', signal: new AbortController().signal,
      report: () => { edited ??= rename(houses[150]!.id, 'Giữa chừng') },
    }, { folder: to })
    await edited
    t.ok((await sql<{ n: number }>`select max(revision)::int as n from dothi.revisions`.execute(store.db)).rows[0]!.n > result.revision)
    for (const name of filesOf(to).filter(name => name.startsWith('records/buildings'))) t.notOk(gunzipSync(readFileSync(join(to, name))).includes('Giữa chừng'))
    for (const tile of await tilesOf(join(to, 'tiles/city.pmtiles'))) if (tile.includes('Giữa chừng')) t.fail('a tile is newer than the export')
    for (const name of filesOf(to).filter(name => name.endsWith('.glb'))) if (readFileSync(join(to, name)).includes('Giữa chừng')) t.fail(name)
    await run(to)
    const tiles = await tilesOf(join(to, 'tiles/city.pmtiles'))
    t.ok(tiles.some(tile => tile.includes('Giữa chừng')), 'the next one has it')
  })

  await t.test('what cannot be is told', async (t) => {
    await t.rejects(run(folder, { layers: ['certificates'] }), problem(400), 'a restricted layer')
    await t.rejects(run(folder, { maxzoom: 40 }), problem(400))
    await t.rejects(run(folder, { viewerDir: join(root, 'nowhere') }), problem(409))
  })
})

/** The lock of a killed process goes with its connection, in a moment. */
async function untilFree<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await work()
    } catch (error) {
      if ((error as { status?: number }).status !== 409 || tries > 200) throw error
      await sleep(50)
    }
  }
}

function summaryOf({ layers }: VectorTile) {
  return Object.fromEntries(Object.values(layers).map(layer => [layer.name, Array.from({ length: layer.length }, (_, i) => layer.feature(i))
    .map(({ id, type, properties }) => JSON.stringify([id, type, properties])).sort()]))
}

/** Every tile of an archive, unpacked. */
async function tilesOf(path: string): Promise<Buffer[]> {
  const reader = await openArchive(path)
  const { minZoom, maxZoom } = await reader.getHeader()
  const found: Buffer[] = []
  for (let z = minZoom; z <= maxZoom; z++) {
    const [from, to] = [tileAt(...at(-1300, 1200), z), tileAt(...at(1300, -1200), z)]
    for (let x = from.x; x <= to.x; x++) for (let y = from.y; y <= to.y; y++) {
      const tile = await reader.getZxy(z, x, y)
      if (tile) found.push(Buffer.from(tile.data))
    }
  }
  return found
}

const problem = (status: number) => ({ status }) as never

const contentsOf = (node: any): string[] => [...(node.content ? [node.content.uri] : []), ...(node.children ?? []).flatMap(contentsOf)]
