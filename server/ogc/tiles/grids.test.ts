import { VectorTile, type VectorTileLayer } from '@mapbox/vector-tile'
import fc from 'fast-check'
import { PbfReader } from 'pbf'
import proj4 from 'proj4'
import t from 'tap'
import { around, boundsOf, cityGrid, isTileOf, mercatorCover, rangeOf, WEB_MERCATOR, WORLD_CRS84, zoomsOf, type TileGrid } from '../../../core/tile-grid.js'
import { tileBounds, tileBounds3857, type Tile } from '../../../core/tile-matrix.js'
import { VN2000_PROJ4 } from '../../../core/vn2000.js'
import { CROWDED } from '../../store/generalised.js'
import { PUBLIC } from '../../store/store.js'
import { insertFeatures, updateFeature } from '../../store/writes.js'
import { LOTS, SHOPS, testCity } from '../test-city.js'
import { familyOf } from './family.js'
import { gridsOf } from './grids.js'
import { makeTile } from './mvt.js'
import { versionAt, versionNow } from './version.js'

const DANANG = cityGrid(5899, [108.22, 16.06], proj4('WGS84', VN2000_PROJ4[5899]!))
const GRIDS = [WEB_MERCATOR, WORLD_CRS84, DANANG]
const lonLat = fc.tuple(fc.double({ min: 107.5, max: 109, noNaN: true }), fc.double({ min: 15.5, max: 16.7, noNaN: true }))
/** Metres, or degrees: of sums in another order. */
const ROUNDING = 1e-6
const grid = fc.constantFrom(...GRIDS)

/** The tile of a position. */
function tileIn(grid: TileGrid, z: number, [lon, lat]: readonly [number, number]): Tile {
  const { west, north } = rangeOf(grid, z, [lon, lat, lon, lat])!
  return { z, x: west, y: north }
}

t.test('grids', async (t) => {
  t.test('a position lies in its tile, a tile in the one above, and outside of them there is nothing', async (t) => {
    fc.assert(fc.property(grid, lonLat, fc.nat(15), (grid, position, z) => {
      const tile = tileIn(grid, z, position)
      const [west, south, east, north] = boundsOf(grid, tile)
      const [x, y] = grid.fromLonLat(position)
      const parent = boundsOf(grid, { z: z - 1, x: tile.x >> 1, y: tile.y >> 1 })
      return isTileOf(grid, tile) && x >= west - ROUNDING && x <= east + ROUNDING && y >= south - ROUNDING && y <= north + ROUNDING
        && (z === 0 || (parent[0] <= west + ROUNDING && parent[1] <= south + ROUNDING && parent[2] >= east - ROUNDING && parent[3] >= north - ROUNDING))
    }))
    t.strictSame(boundsOf(WEB_MERCATOR, { z: 12, x: 3279, y: 1863 }), tileBounds3857({ z: 12, x: 3279, y: 1863 }), 'to the bit')
    for (const each of GRIDS) for (const tile of [{ z: 0, x: -1, y: 0 }, { z: 0, x: each.columns, y: 0 }, { z: 0, x: 0, y: each.rows }, { z: each.deepest + 1, x: 0, y: 0 }, { z: 1.5, x: 0, y: 0 }]) t.notOk(isTileOf(each, tile))
    t.equal(rangeOf(DANANG, 5, [-1, 48, 3, 50]), undefined, 'Paris is not in the grid of Đà Nẵng')
    t.equal(rangeOf(WORLD_CRS84, 3, [200, 0, 210, 1]), undefined)
    t.strictSame(rangeOf(WORLD_CRS84, 1, [-180, -90, 180, 90]), { west: 0, north: 0, east: 3, south: 1 })
  })

  t.test('pixels of matrices that stand for one another are about as large', async (t) => {
    const metres = (grid: TileGrid, z: number) => (boundsOf(grid, tileIn(grid, z, [108.22, 16.06]))[2] - boundsOf(grid, tileIn(grid, z, [108.22, 16.06]))[0]) * (grid.srid === 4326 ? 111_320 : grid.srid === 3857 ? 1 : 1 / Math.cos(0.28))
    for (const grid of [WORLD_CRS84, DANANG]) {
      const ratio = metres(grid, 10) / metres(WEB_MERCATOR, 10 + grid.finer)
      t.ok(ratio > 0.7 && ratio < 1.5, `${grid.id}: ${ratio}`)
    }
    t.strictSame(zoomsOf(DANANG, { min: 3, max: 18 }), { min: 0, max: 13 })
  })

  t.test('at most four tiles of WebMercatorQuad hold any tile with its margin', async (t) => {
    fc.assert(fc.property(grid, lonLat, fc.nat(16), (grid, position, z) => {
      const tile = tileIn(grid, z, position)
      const cover = mercatorCover(grid, tile, 1 / 64)
      const [west, south, east, north] = boundsOf(grid, tile)
      const inside = around([west, south, east, north], grid.toLonLat)
      const boxes = cover.map(tileBounds)
      const held = [Math.min(...boxes.map((box) => box[0])), Math.min(...boxes.map((box) => box[1])), Math.max(...boxes.map((box) => box[2])), Math.max(...boxes.map((box) => box[3]))]
      const slack = 1e-9
      return cover.length <= 4 && held[0]! <= Math.max(-180, inside[0]) + slack && held[1]! <= Math.max(-85.05, inside[1]) + slack && held[2]! >= Math.min(180, inside[2]) - slack && held[3]! >= Math.min(85.05, inside[3]) - slack
    }))
  })
})

t.test('tiles in every grid', async (t) => {
  const { url, store, shops, lots } = await testCity(t)
  const grids = await gridsOf(store)
  const own = grids[2]!
  const read = async (grid: TileGrid, layer: string, { z, x, y }: Tile): Promise<VectorTileLayer> => {
    const response = await fetch(`${url}/ogc/collections/${layer}/tiles/${grid.id}/${z}/${y}/${x}`)
    t.equal(response.status, 200, response.url)
    return new VectorTile(new PbfReader(new Uint8Array(await response.arrayBuffer()))).layers[layer]!
  }
  const featuresOf = (layer: VectorTileLayer) => Array.from({ length: layer.length }, (_, i) => layer.feature(i))

  t.test('the city’s grid is in its CRS, with round corners', async (t) => {
    const { srid } = await store.city()
    t.match(own, { id: 'CityQuad', srid, size: 2 ** 20 })
    t.strictSame([own.west % 100_000, own.north % 100_000], [0, 0])
    const definition = await (await fetch(`${url}/ogc/tileMatrixSets/CityQuad?f=json`)).json() as any
    t.match(definition, { uri: `${url}/ogc/tileMatrixSets/CityQuad`, crs: `http://www.opengis.net/def/crs/EPSG/0/${srid}`, orderedAxes: ['X', 'Y'] })
    t.match(definition.tileMatrices[12], { id: '12', cellSize: 1, matrixWidth: 4096, pointOfOrigin: [own.west, own.north] })
    const degrees = await (await fetch(`${url}/ogc/tileMatrixSets/WorldCRS84Quad?f=json`)).json() as any
    t.match(degrees, { uri: 'http://www.opengis.net/def/tilematrixset/OGC/1.0/WorldCRS84Quad', crs: 'http://www.opengis.net/def/crs/OGC/1.3/CRS84', wellKnownScaleSet: 'http://www.opengis.net/def/wkss/OGC/1.0/GoogleCRS84Quad' })
    t.match(degrees.tileMatrices[0], { cellSize: 0.703125, matrixWidth: 2, matrixHeight: 1, pointOfOrigin: [-180, 90] })
    t.equal(degrees.tileMatrices[0].scaleDenominator.toFixed(4), '279541132.0144')
  })

  t.test('a point stands where it is, to half a unit, and its attributes are the same', async (t) => {
    for (const grid of grids) {
      const z = zoomsOf(grid, SHOPS.zoom).max
      const position = [108.2, 16.04] as const
      const tile = tileIn(grid, z, position)
      const feature = featuresOf(await read(grid, 'shops', tile)).find(({ id }) => id === shops[0])!
      const point = feature.loadGeometry()[0]![0]
      const [west, , east, north] = boundsOf(grid, tile)
      const [x, y] = grid.fromLonLat(position)
      const unit = (east - west) / 4096
      t.ok(Math.abs(point!.x - (x - west) / unit) <= 0.51 && Math.abs(point!.y - (north - y) / unit) <= 0.51, grid.id)
      t.equal(feature.properties.name, 'Chợ Hàn')
    }
  })

  t.test('an outline is in its own CRS what it is in any other', async (t) => {
    for (const grid of grids) {
      const z = zoomsOf(grid, LOTS.zoom).max
      const tile = tileIn(grid, z, [108.2104, 16.0504])
      const feature = featuresOf(await read(grid, 'lots', tile)).find(({ id }) => id === lots[0])!
      const [west, , east, north] = boundsOf(grid, tile)
      const unit = (east - west) / 4096
      const corners = feature.loadGeometry()[0]!.map(({ x, y }) => grid.toLonLat([west + x * unit, north - y * unit]))
      const near = (a: number, b: number) => Math.abs(a - b) < (unit / (grid.srid === 4326 ? 1 : 100_000)) * 2
      // What the margin cuts off is not there; what is there lies on the outline.
      t.ok(corners.every(([lon, lat]) => lon >= 108.21 - 1e-4 && lon <= 108.2108 + 1e-4 && lat >= 16.05 - 1e-4 && lat <= 16.0508 + 1e-4), `${grid.id} within`)
      t.ok(corners.some(([lon, lat]) => near(lon, 108.21) || near(lon, 108.2108) || near(lat, 16.05) || near(lat, 16.0508)), `${grid.id} on the outline`)
    }
  })

  t.test('a change makes tiles anew where it was, in every grid, and nowhere else', async (t) => {
    const at = (grid: TileGrid, position: readonly [number, number]) => tileIn(grid, zoomsOf(grid, SHOPS.zoom).max, position)
    const versions = () => Promise.all(grids.map(async (grid) => {
      const family = familyOf({ grid, layers: [SHOPS], branch: 'main', asOf: 'now', run: undefined, clearance: 'open', properties: undefined })
      const [near, far] = [at(grid, [108.2, 16.04]), at(grid, [108.248, 16.044])]
      const now = [versionNow(store, family, near), versionNow(store, family, far)]
      const asked = [await versionAt(store, family, near), await versionAt(store, family, far)]
      if (now[0] !== undefined) t.strictSame(now, asked, 'memory and database agree')
      return asked
    }))
    const before = await versions()
    await store.withRevision({ actor: 'test', reason: 'rename' }, (writer) => updateFeature(writer, SHOPS, 'main', shops[0]!, { properties: { name: 'Chợ Cồn' } }))
    const after = await versions()
    for (const [i, grid] of grids.entries()) {
      t.not(after[i]![0], before[i]![0], `${grid.id} near`)
      t.equal(after[i]![1], before[i]![1], `${grid.id} far`)
    }
    const url1 = `${url}/ogc/collections/shops/tiles/CityQuad/${at(own, [108.2, 16.04]).z}/${at(own, [108.2, 16.04]).y}/${at(own, [108.2, 16.04]).x}`
    const [first, second] = [await fetch(url1), await fetch(url1)]
    const etag = first.headers.get('etag')!
    t.equal(second.headers.get('etag'), etag)
    t.equal((await fetch(url1, { headers: { 'If-None-Match': etag } })).status, 304)
    const moment = new Date(Date.now() - 1).toISOString()
    for (const datetime of [moment, `../${moment}`, `2020-01-01T00:00:00Z/${moment}`]) t.equal((await fetch(`${url1}?datetime=${datetime}`)).status, 200, datetime)
    t.equal((await fetch(`${url1}?datetime=yesterday`)).status, 400)
    t.equal((await fetch(`${url}/ogc/tiles/CityQuad/tilejson`)).status, 404, 'TileJSON knows one grid')
  })

  t.test('a crowded layer from afar is laid into other grids', async (t) => {
    const many = Array.from({ length: CROWDED + 400 }, (_, i) => ({ geometry: { type: 'Point' as const, coordinates: [108.1 + (i % 75) * 0.002, 16 + Math.floor(i / 75) * 0.002] }, properties: { name: `n${i}`, floors: i % 9 } }))
    await store.withRevision({ actor: 'test', reason: 'many' }, (writer) => insertFeatures(writer, SHOPS, 'main', many))
    const counts = await Promise.all(grids.map(async (grid) => {
      const z = 11 - grid.finer
      const { west, north, east, south } = rangeOf(grid, z, [108, 15.9, 108.4, 16.3])!
      let shown = 0
      for (let x = west; x <= east; x++) for (let y = north; y <= south; y++) {
        const { mvt } = await makeTile(store, { grid, layers: [SHOPS], tile: { z, x, y }, branch: 'main', asOf: 'now', reader: PUBLIC, run: undefined })
        const layer = new VectorTile(new PbfReader(mvt)).layers.shops
        // Those in the margin stand in the neighbour too.
        for (const feature of layer ? featuresOf(layer) : []) {
          const point = feature.loadGeometry()[0]![0]
          if (point!.x >= 0 && point!.y >= 0 && point!.x < 4096 && point!.y < 4096) shown += Number(feature.properties.merged ?? 1)
        }
      }
      return shown
    }))
    t.equal(counts[0], 60 + many.length, 'none is lost in WebMercatorQuad')
    for (const [i, grid] of grids.entries()) t.ok(Math.abs(counts[i]! - counts[0]!) <= counts[0]! * 0.01, `${grid.id}: ${counts[i]} of ${counts[0]}`)
  })
})
