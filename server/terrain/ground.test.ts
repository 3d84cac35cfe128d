/** The ground of a plain at 10 m with a levee and a pit of a scenario, seen through every way it is served. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Command } from 'commander'
import t from 'tap'
import { PNG } from 'pngjs'
import { tileAt, tileFraction } from '../../core/tile-matrix.js'
import { buildGround } from '../scenarios/ground.js'
import { createScenario } from '../scenarios/scenario.js'
import { STORM } from '../scenarios/test-town.js'
import { applyEdits } from '../store/edits.js'
import { STEWARD } from '../store/store.js'
import type { CliContext } from '../cli/context.js'
import { testServer } from '../testing/test-store.js'
import { register } from './command.js'
import { groundAt, groundGrid, groundPixels, groundTile } from './ground.js'
import { shade } from './hillshade.js'
import { storeTerrain, terrainGrid, terrainPixels } from './terrain-store.js'
import { terrainProfile, terrainStatistics } from './statistics.js'

const LON = 108.2, LAT = 16
/** Degrees for metres here, to 0.1 %. */
const E = 1 / 107_035, N = 1 / 110_660
const at = (x: number, y: number): [number, number] => [LON + x * E, LAT + y * N]
const square = (x: number, y: number, side: number) => ({ type: 'Polygon', coordinates: [[at(x, y), at(x + side, y), at(x + side, y + side), at(x, y + side), at(x, y)]] })
const near = (a: number, b: number, tolerance: number) => Math.abs(a - b) <= tolerance

t.test('shading: flat is clear, the side towards the light white, the other black', async t => {
  const light = { azimuth: 315, altitude: 45, exaggeration: 1 }
  const tile = tileAt(LON, LAT, 14)
  const heights = (rise: number) => Float32Array.from({ length: 258 * 258 }, (_, i) => rise * (i % 258))
  t.ok(shade(heights(0), tile, light).every((value, i) => value === (i % 2 ? 0 : 255)))
  const [grey, alpha] = shade(heights(5), tile, light)
  t.equal(grey, 255, 'rising eastwards it faces west, where the light is')
  t.ok(alpha! > 20)
  t.equal(shade(heights(-5), tile, light)[0], 0)
  t.ok(shade(new Float32Array(258 * 258).fill(NaN), tile, light).every(value => value === 0))
})

t.test('levees and earthworks', async t => {
  const { store, url } = await testServer(t)
  await store.setCity({ name: 'Test', srid: 5899, home: { lon: LON, lat: LAT, zoom: 15 }, verticalDatum: 'Hòn Dấu', geoidOffset: -5, timeZone: 'Asia/Ho_Chi_Minh', currency: 'VND', sample: false })
  await storeTerrain(store, { bounds: [...at(-2000, -2000), ...at(2000, 2000)], resolutionM: 5, height: () => 10 }, { name: 'plain', actor: 'test' })
  const { id: branch } = await createScenario(store, STORM, STEWARD)
  const edit = async (layer: string, geometry: { type: string; coordinates: unknown }, properties: Record<string, unknown>, on = branch) =>
    (await applyEdits(store, { actor: 'test', reason: 'works', branch: on }, [{ action: 'create', layer: store.catalogue.get(layer), feature: { geometry, properties } }])).ids[0]!
  const levee = await edit('levees', { type: 'LineString', coordinates: [at(-300, 0), at(300, 0)] }, { name: 'Đê thử', kind: 'levee', crest_level_m: 14, crest_width_m: 6 })
  await edit('levees', { type: 'LineString', coordinates: [at(-300, 500), at(300, 500)] }, { kind: 'wall', crest_level_m: 12, crest_width_m: 1 })
  await edit('earthworks', square(0, -400, 100), { name: 'Hố móng', kind: 'excavation', level_m: 4, side_slope: 1 })
  await edit('earthworks', square(-400, -400, 100), { kind: 'fill', depth_m: 2, side_slope: 0 })
  const heights = async (...places: [number, number][]) => [...await groundAt(store, places.map(place => at(...place)), { branch })].map(h => Math.round(h * 100) / 100)

  await t.test('a levee has its crest, slopes of 1 in 2 down to the ground, and ends', async t => {
    t.strictSame(await heights([0, 0], [0, 2.9], [0, 7], [0, -7], [0, 20], [320, 0], [0, 500.4], [0, 501]), [14, 14, 12, 12, 10, 10, 12, 10])
  })
  await t.test('a pit has its bottom and sides inside its outline; a fill raises by its depth', async t => {
    t.strictSame(await heights([50, -350], [2, -350], [97, -350], [-2, -350], [-350, -350], [-401, -350]), [4, 8, 7, 10, 12, 10])
    t.strictSame([...await groundAt(store, [at(50, -350), at(0, 0)])], [10, 10], 'the city itself is as it was')
  })

  const tile = tileAt(...at(0, 0), 15)
  const pixel = ([lon, lat]: [number, number], { z, x, y }: typeof tile) => {
    const [column, row] = tileFraction(lon, lat, z)
    return Math.floor((row - y) * 256) * 256 + Math.floor((column - x) * 256)
  }
  await t.test('tiles show the crest unbroken at every zoom from 12 on, and nothing on main', async t => {
    for (const z of [12, 13, 14, 15, 16, 18]) for (const x of [-250, -100, 0, 33, 250]) {
      const here = tileAt(...at(x, 0), z)
      t.equal((await groundTile(store, here, { branch }))[pixel(at(x, 0), here)], 14, `zoom ${z}`)
    }
    t.strictSame((await groundTile(store, tile)).filter(h => h !== 10 && h === h), new Float32Array(0))
    const base = await terrainPixels(store, { z: 15, x: tile.x * 256 - 1, y: tile.y * 256 - 1, cols: 258, rows: 258 })
    const cut = await groundPixels(store, { z: 15, x: tile.x * 256 - 1, y: tile.y * 256 - 1, cols: 258, rows: 258 }, { branch })
    t.ok(base.some((h, i) => cut[i]! > h))
    t.strictSame(cut.filter((_, i) => Math.floor(i / 258) === 0).subarray(1, 3), (await groundTile(store, { ...tile, y: tile.y - 1 }, { branch })).subarray(255 * 256, 255 * 256 + 2), 'a margin is the neighbour’s pixels')
  })

  await t.test('Terrain-RGB, Terrarium, hillshade and mesh over HTTP, for the scenario and for the city', async t => {
    const png = async (path: string) => {
      const response = await fetch(url + path)
      t.equal(response.status, 200, path)
      return PNG.sync.read(Buffer.from(await response.arrayBuffer()))
    }
    const { z, x, y } = tile
    const i = 4 * pixel(at(0, 0), tile)
    for (const [base, height] of [['', 10], [`/scenarios/${branch}`, 14]] as const) {
      const rgb = (await png(`${base}/terrain/rgb/${z}/${x}/${y}.png`)).data
      t.equal(Math.round((-10000 + (rgb[i]! * 65536 + rgb[i + 1]! * 256 + rgb[i + 2]!) / 10) * 10) / 10, height)
      const terrarium = (await png(`${base}/terrain/terrarium/${z}/${x}/${y}.png`)).data
      t.equal(terrarium[i]! * 256 + terrarium[i + 1]! + terrarium[i + 2]! / 256 - 32768, height)
      const hillshade = await png(`${base}/terrain/hillshade/${z}/${x}/${y}.png?azimuth=0`)
      const veiled = hillshade.data.some((value, i) => i % 4 === 3 && value > 0)
      t.equal(veiled, base !== '')
      const json = await (await fetch(`${url}${base}/terrain/tilejson?encoding=terrarium`)).json() as any
      t.match(json, { encoding: 'terrarium', tiles: [new RegExp(`${base}/terrain/terrarium/`)] })
      const address = json.tiles[0].replace('{z}', z).replace('{x}', x).replace('{y}', y)
      t.match((await fetch(address)).headers.get('cache-control'), /immutable/, 'an address with its revision may be kept')
      const mesh = await (await fetch(`${url}${base}/terrain/mesh/${z}/${x}/${2 ** z - 1 - y}.terrain`)).arrayBuffer()
      t.ok(near(new DataView(mesh).getFloat32(28, true), height - 5, 0.01), 'highest, ellipsoidal')
    }
    t.equal((await fetch(`${url}/terrain/terrarium/10/5/5.png`)).headers.get('x-terrain'), 'none')
    t.equal((await fetch(`${url}/terrain/hillshade/10/5/5.png`)).headers.get('x-terrain'), 'none')
    for (const bad of ['/terrain/hillshade/3/1/1.png?altitude=0', '/terrain/tilejson?encoding=x', '/terrain/profile?coords=POINT(1%202)', '/terrain/profile?coords=LINESTRING(1', '/terrain/statistics', '/terrain/statistics?coords=POLYGON((500 1,2 3,3 4,500 1))', `/terrain/rgb/15/${x}/40000.png`])
      t.equal((await fetch(url + bad)).status, 400, bad)
  })

  await t.test('GDAL reads the tiles as a layer of a map', async t => {
    const folder = t.testdir()
    const edge = 20037508.342789244
    const service = (path: string, bands: number) => `<GDAL_WMS><Service name="TMS"><ServerUrl>${url}/scenarios/${branch}${path}</ServerUrl></Service><DataWindow><UpperLeftX>-${edge}</UpperLeftX><UpperLeftY>${edge}</UpperLeftY><LowerRightX>${edge}</LowerRightX><LowerRightY>-${edge}</LowerRightY><TileLevel>15</TileLevel><TileCountX>1</TileCountX><TileCountY>1</TileCountY><YOrigin>top</YOrigin></DataWindow><Projection>EPSG:3857</Projection><BlockSizeX>256</BlockSizeX><BlockSizeY>256</BlockSizeY><BandsCount>${bands}</BandsCount></GDAL_WMS>`
    const values = async (name: string, path: string, bands: number, [lon, lat]: [number, number]) => {
      writeFileSync(join(folder, name), service(path, bands))
      const { stdout } = await promisify(execFile)('gdallocationinfo', ['-valonly', '-wgs84', join(folder, name), String(lon), String(lat)])
      return stdout.trim().split(/\s+/).map(Number) as [number, number, number]
    }
    for (const [place, height] of [[at(50, -350), 4], [at(0, 0), 14], [at(0, 200), 10]] as const) {
      const [r, g, b] = await values('terrarium.xml', '/terrain/terrarium/${z}/${x}/${y}.png', 3, [...place])
      t.equal(r * 256 + g + b / 256 - 32768, height)
    }
    const [, alpha] = await values('hillshade.xml', '/terrain/hillshade/${z}/${x}/${y}.png?azimuth=0', 2, at(0, -8))
    t.ok(alpha > 20, 'the levee’s southern slope lies in its own shade')
  })

  await t.test('an edit changes the validators of the tiles it reaches, and of no others', async t => {
    const tag = async ({ z, x, y }: typeof tile) => (await fetch(`${url}/scenarios/${branch}/terrain/rgb/${z}/${x}/${y}.png`)).headers.get('etag')!
    const far = tileAt(...at(1800, 1800), 16)
    const under = tileAt(...at(0, 0), 16)
    // The slope of the levee may reach into a tile that its line does not touch: neighbours count as reached, the next ones do not.
    const [beside, beyond] = [{ ...under, y: under.y - 1 }, { ...under, y: under.y - 2 }]
    const before = await Promise.all([tile, far, beside, beyond].map(tag))
    await applyEdits(store, { actor: 'test', reason: 'higher', branch }, [{ action: 'update', layer: store.catalogue.get('levees'), id: levee, feature: { properties: { crest_level_m: 15 } } }])
    const after = await Promise.all([tile, far, beside, beyond].map(tag))
    t.strictSame(after.map((each, i) => each !== before[i]), [true, false, true, false])
    t.equal((await heights([0, 0]))[0], 15)
    t.equal((await fetch(`${url}/scenarios/${branch}/terrain/rgb/${far.z}/${far.x}/${far.y}.png`, { headers: { 'if-none-match': after[1]! } })).status, 304)
    await applyEdits(store, { actor: 'test', reason: 'back', branch }, [{ action: 'update', layer: store.catalogue.get('levees'), id: levee, feature: { properties: { crest_level_m: 14 } } }])
  })

  await t.test('a profile crosses the levee and the pit', async t => {
    const line = { type: 'LineString', coordinates: [at(50, 100), at(50, -500)] }
    const profile = await terrainProfile(store, line, 601, { branch })
    t.ok(near(profile.length, 600, 0.5))
    t.strictSame([profile.min, profile.max], [4, 14])
    t.ok(near(profile.ascent, 10, 0.01) && near(profile.descent, 10, 0.01), 'up the levee and out of the pit')
    t.equal(profile.points.length, 601)
    const answer = await (await fetch(`${url}/scenarios/${branch}/terrain/profile?samples=3&coords=${encodeURIComponent(`LINESTRING(${at(50, 100).join(' ')}, ${at(50, -500).join(' ')})`)}`)).json() as any
    t.match(answer, { unit: 'm', verticalDatum: 'Hòn Dấu', points: [{ height: 10 }, { height: 10 }, { height: 10 }] })
  })

  await t.test('statistics: area, levels, volumes of the pit and what the scenario changes', async t => {
    // A frustum with sides of 1 in 1, 6 m deep: h/3 (A + a + √(A a)).
    const volume = (6 / 3) * (100 ** 2 + 88 ** 2 + 100 * 88)
    const pit = await terrainStatistics(store, square(-10, -410, 120), { branch, level: 10 })
    t.ok(near(pit.area, 120 ** 2, 40), `${pit.area} m²`)
    t.strictSame([pit.known, pit.min, pit.max, pit.percentiles!['50']], [1, 4, 10, 4])
    t.ok(near(pit.level!.below, volume, volume * 0.005), `${pit.level!.below} of ${volume} m³`)
    t.equal(pit.level!.above, 0)
    t.ok(near(pit.change!.cut, volume, volume * 0.005) && pit.change!.fill === 0)
    t.equal((await terrainStatistics(store, square(-10, -410, 120))).change, undefined)
    const outside = await terrainStatistics(store, square(1950, 0, 100), { branch })
    t.ok(near(outside.known, 0.5, 0.03), 'half of it lies beyond the terrain')
    const posted = await fetch(`${url}/scenarios/${branch}/terrain/statistics?level=10`, { method: 'POST', headers: { 'content-type': 'application/geo+json' }, body: JSON.stringify({ type: 'Feature', geometry: square(-10, -410, 120) }) })
    t.strictSame(((await posted.json()) as any).level, pit.level)
    const [west, south] = at(-10, -410), [east, north] = at(110, -290)
    t.equal(((await (await fetch(`${url}/scenarios/${branch}/terrain/statistics?bbox=${[west, south, east, north]}`)).json()) as any).min, 4)
  })

  await t.test('the flood’s grid holds the pit’s volume, and each levee once', async t => {
    const grid = { srid: 5899, origin: [...await metric(-450, 450)] as [number, number], cell: 30, rows: 32, cols: 32 }
    const plain = await terrainGrid(store, grid)
    const cut = await groundGrid(store, { ...grid, branch })
    const lost = cut.reduce((sum, h, i) => sum + Math.max(0, plain[i]! - h) * 900, 0)
    const won = cut.reduce((sum, h, i) => sum + Math.max(0, h - plain[i]!) * 900, 0)
    const volume = (6 / 3) * (100 ** 2 + 88 ** 2 + 100 * 88)
    t.ok(near(lost, volume, volume * 0.02), `${lost} of ${volume} m³`)
    t.ok(near(won, 2 * 100 ** 2, 2 * 100 ** 2 * 0.03), `${won} m³ filled`)
    const ground = await buildGround(store, {
      grid: { ...grid, cell: 30 } as never, srid: 5899, branch, asOf: 'now', box: [...at(-500, -600), ...at(600, 500)], seaLevel: 0, drainsMmPerHour: 0, infiltrationMmPerHour: 0, uplandAbove: 60,
    })
    const crest = [...ground.bed].filter(h => h > 13)
    t.ok(crest.length >= 19 && crest.every(h => h === 14), 'a line of cells at the crest, none above it, no neighbour raised')
    t.ok([...ground.bed].every(h => h <= 14))
  })

  await t.test('the command line tells the same', async t => {
    const lines: string[] = []
    const run = async (...args: string[]) => {
      lines.length = 0
      const program = new Command().exitOverride()
      register(program, { store: async () => store, print: (line: string) => { lines.push(line) } } as unknown as CliContext)
      await program.parseAsync(['terrain', ...args], { from: 'user' })
      return lines.join('\n')
    }
    const [lon, lat] = at(50, -350).map(String) as [string, string]
    t.equal(await run('height', lon, lat, '--branch', branch), '4.000')
    t.equal(await run('height', lon, lat), '10.000')
    t.equal(await run('height', '0', '0', '--json'), '{"height":null}')
    t.match(await run('list'), /^plain\t5\.00 m\tzoom/)
    t.match(await run('profile', `LINESTRING(${at(50, 100).join(' ')}, ${at(50, -500).join(' ')})`, '--samples', '3', '--branch', branch), /^length 6\d\d|^length 599/)
    const file = join(t.testdir(), 'pit.geojson')
    writeFileSync(file, JSON.stringify({ type: 'FeatureCollection', features: [{ type: 'Feature', properties: {}, geometry: square(0, -400, 100) }] }))
    t.match(await run('area', file, '--level', '10', '--branch', branch), /min\t4\n[^]*percentile 50\t4\n[^]*level: above\t0\n[^]*change: cut\t53/)
    await t.rejects(run('area', 'POLYGON((1 2'), /well-known text/)
    await t.rejects(run('area', 'nowhere.geojson'), /neither well-known text nor a file/)
    await t.rejects(run('remove', 'nothing'), /no terrain named/)
  })

  await t.test('asOf shows the ground of then', async t => {
    const revision = await store.layerRevision(store.catalogue.get('earthworks'), branch)
    t.equal((await groundAt(store, [at(50, -350)], { branch, asOf: revision - 2 }))[0], 10)
    t.equal((await groundAt(store, [at(50, -350)], { branch, asOf: revision }))[0], 4)
  })

  async function metric(x: number, y: number): Promise<[number, number]> {
    const { sql } = await import('kysely')
    const [lon, lat] = at(x, y)
    const { rows } = await sql<{ x: number; y: number }>`select st_x(p) x, st_y(p) y from st_transform(st_setsrid(st_makepoint(${lon}::float8, ${lat}::float8), 4326), 5899) p`.execute(store.db)
    return [rows[0]!.x, rows[0]!.y]
  }
})
