import t from 'tap'
import { tileFraction } from '../../core/tile-matrix.js'
import { testStore } from '../testing/test-store.js'
import { averageInto, bilinear, decodeHeights, encodeHeights, zoomOfResolution } from './height-tile.js'
import { heightAt, heightsAt, removeTerrain, storeTerrain, terrainGrid, terrainRevision, terrainSummary, terrainTile, type TerrainRaster } from './terrain-store.js'

t.test('heights survive the codec to the millimetre, and no data stays no data', async t => {
  const heights = Float32Array.from({ length: 65536 }, (_, i) => (i % 7 === 0 ? NaN : Math.sin(i / 300) * 700 - 40))
  const back = await decodeHeights(await encodeHeights(heights))
  t.ok(back.every((h, i) => (heights[i] !== heights[i] ? h !== h : Math.abs(h - heights[i]!) < 0.00055)))
})

t.test('a parent is the mean of its children, and holes shrink only where all four are holes', async t => {
  const child = new Float32Array(65536).fill(10)
  child[0] = NaN
  child[1] = 20
  for (const i of [4, 5, 260, 261]) child[i] = NaN
  const parent = new Float32Array(65536).fill(NaN)
  averageInto(parent, child, { x: 1, y: 1 })
  const at = 128 * 256 + 128
  t.equal(parent[at], Math.fround(40 / 3))
  t.equal(parent[at + 1], 10)
  t.ok(Number.isNaN(parent[at + 2]!))
  t.ok(Number.isNaN(parent[0]!), 'the other quarters are not touched')
})

t.test('zooms follow the resolution: pixels are never much coarser than the raster', async t => {
  t.strictSame([30, 15, 10, 1].map(resolution => zoomOfResolution(resolution, 16)), [12, 13, 14, 17])
})

t.test('bilinear is exact on a plane, and the edge of data keeps its own level', async t => {
  const plane = (x: number, y: number) => 3 + 0.5 * x - 0.25 * y
  t.equal(bilinear(10.25, 20.75, plane), plane(10.25, 20.75))
  const half = (x: number) => (x > 10 ? NaN : 7)
  t.equal(bilinear(10.4, 5, half), 7)
  t.ok(Number.isNaN(bilinear(10.6, 5, half)))
})

/** Linear in Mercator, where the tiles are linear too. */
const slope = (lon: number, lat: number) => {
  const [x, y] = tileFraction(lon, lat, 0)
  return (x - 0.8) * 100_000 - (y - 0.45) * 50_000
}
const raster = (height: TerrainRaster['height'], bounds: TerrainRaster['bounds'], resolutionM: number): TerrainRaster => ({ height, bounds, resolutionM })

t.test('terrain in a real store', async t => {
  const store = await testStore(t, { layers: [] })
  t.equal(await terrainSummary(store), null)
  t.ok(Number.isNaN(await heightAt(store, 108.2, 16.05)), 'no terrain: no height')

  const progress: number[] = []
  const plain = await storeTerrain(store, raster(slope, [108.1, 15.95, 108.3, 16.15], 30), { name: 'plain', actor: 'test', onProgress: share => progress.push(share) })
  t.equal(plain.maxzoom, 12)
  t.equal(progress.at(-1), 1)

  await t.test('a plane comes back exactly between samples, across tile edges and from coarser levels', async t => {
    const positions = Array.from({ length: 2000 }, (_, i) => [108.105 + 0.19 * ((i * 0.618034) % 1), 15.955 + 0.19 * ((i * 0.754878) % 1)] as const)
    const heights = await heightsAt(store, positions)
    t.ok(positions.every(([lon, lat], i) => Math.abs(heights[i]! - slope(lon, lat)) < 0.002))
  })

  await t.test('neighbouring tiles meet: the pixels on both sides of an edge differ by one step of the slope', async t => {
    const west = await terrainTile(store, { z: 13, x: 6558, y: 3725 })
    const east = await terrainTile(store, { z: 13, x: 6559, y: 3725 })
    const step = 100_000 / (256 * 2 ** 13)
    for (const row of [0, 100, 255]) t.ok(Math.abs(east[row * 256]! - west[row * 256 + 255]! - step) < 0.003)
  })

  await t.test('every zoom answers: deeper than the data it is interpolated, and outside it is unknown', async t => {
    const deep = await terrainTile(store, { z: 18, x: 209870, y: 119228 })
    const x = (209870 + 100.5 / 256) / 2 ** 18
    const y = (119228 + 50.5 / 256) / 2 ** 18
    t.ok(Math.abs(deep[50 * 256 + 100]! - (x - 0.8) * 100_000 + (y - 0.45) * 50_000) < 0.003)
    t.ok((await terrainTile(store, { z: 12, x: 0, y: 0 })).every(Number.isNaN))
    t.notOk((await terrainTile(store, { z: 0, x: 0, y: 0 })).every(Number.isNaN))
  })

  await t.test('a grid in the city\'s CRS is row-major, north first, and exact on a plane', async t => {
    const grid = await terrainGrid(store, { srid: 5899, origin: [545_000, 1_775_000], cell: 30, rows: 40, cols: 50 })
    t.equal(grid.length, 2000)
    t.ok(grid.every(h => h === h))
    // North-west corner's cell centre through PostGIS.
    const [position] = await project(store, 545_015, 1_774_985)
    t.ok(Math.abs(grid[0]! - slope(...position!)) < 0.002)
    const [last] = await project(store, 545_000 + 49.5 * 30, 1_775_000 - 39.5 * 30)
    t.ok(Math.abs(grid[1999]! - slope(...last!)) < 0.002)
  })

  await t.test('the error of a curved surface stays below a quarter of its curvature', async t => {
    const waves = (lon: number) => 10 * Math.sin(lon * 2000)
    await storeTerrain(store, raster(waves, [107, 15, 107.1, 15.1], 15), { name: 'waves', actor: 'test' })
    const pixel = 360 / (256 * 2 ** 13)
    const bound = (10 * (2000 * pixel) ** 2) / 8
    const positions = Array.from({ length: 500 }, (_, i) => [107.01 + 0.08 * ((i * 0.618034) % 1), 15.05] as const)
    const heights = await heightsAt(store, positions)
    t.ok(positions.every(([lon], i) => Math.abs(heights[i]! - waves(lon)) < bound + 0.002), `bound ${bound.toFixed(3)} m`)
    await removeTerrain(store, 'waves')
  })

  await t.test('the finer source lies on top, and where it has no data the coarser shows', async t => {
    await storeTerrain(store, raster(lon => (lon < 108.205 ? 500 : NaN), [108.2, 16.04, 108.21, 16.05], 10), { name: 'survey', actor: 'test' })
    t.equal(await heightAt(store, 108.203, 16.045), 500)
    t.ok(Math.abs(await heightAt(store, 108.208, 16.045) - slope(108.208, 16.045)) < 0.002)
  })

  await t.test('storing a name again replaces it, removing it shows what was below, and asOf shows what was', async t => {
    const before = await terrainRevision(store)
    await storeTerrain(store, raster(() => 600, [108.2, 16.04, 108.21, 16.05], 10), { name: 'survey', actor: 'test' })
    t.equal(await heightAt(store, 108.203, 16.045), 600)
    t.equal(await heightAt(store, 108.203, 16.045, { asOf: before }), 500)
    const then = new Date()
    await new Promise(done => setTimeout(done, 2)) // revisions are told apart by whole milliseconds
    await removeTerrain(store, 'survey')
    t.ok(Math.abs(await heightAt(store, 108.203, 16.045) - slope(108.203, 16.045)) < 0.002)
    t.equal(await heightAt(store, 108.203, 16.045, { asOf: then }), 600)
    t.equal(await terrainRevision(store), before + 2)
    t.equal((await terrainSummary(store))!.sources.length, 1)
    await t.rejects(removeTerrain(store, 'survey'), /no terrain named/)
  })

  await t.test('every change of the ground stands in the change log with its cells', async t => {
    const changes = await store.db.selectFrom('dothi.changes').selectAll().where('layer', '=', 'terrain').orderBy('revision').execute()
    t.equal(changes.length, 6)
    t.strictSame(changes[0]!.bbox, [108.1, 15.95, 108.3, 16.15])
    t.ok(changes.every(change => change.cells.length >= 1))
  })

  await t.test('a raster without heights and an unknown CRS are refused, and leave no revision', async t => {
    const before = await terrainRevision(store)
    await t.rejects(storeTerrain(store, raster(() => NaN, [108, 16, 108.01, 16.01], 30), { name: 'void', actor: 'test' }), /holds no height/)
    await t.rejects(terrainGrid(store, { srid: 999_999, origin: [0, 0], cell: 10, rows: 1, cols: 1 }), /not a coordinate reference system/)
    t.equal(await terrainRevision(store), before)
    const controller = new AbortController()
    controller.abort()
    await t.rejects(storeTerrain(store, raster(() => 1, [108, 16, 108.01, 16.01], 30), { name: 'stopped', actor: 'test', signal: controller.signal }))
    t.equal((await terrainSummary(store))!.sources.length, 1)
  })
})

async function project(store: Awaited<ReturnType<typeof testStore>>, easting: number, northing: number) {
  const { sql } = await import('kysely')
  const { rows } = await sql<{ lon: number; lat: number }>`
    select st_x(p) lon, st_y(p) lat from st_transform(st_setsrid(st_makepoint(${easting}::float8, ${northing}::float8), 5899), 4326) p`.execute(store.db)
  return rows.map(({ lon, lat }) => [lon, lat] as const)
}
