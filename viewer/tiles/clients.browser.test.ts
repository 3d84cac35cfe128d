/** Tiles as others see them: CesiumJS and 3d-tiles-renderer load every kind of content in a real browser, draw it where it is, and name what is under the pointer. */
import { createReadStream, existsSync, mkdirSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sql } from 'kysely'
import type { Page } from 'playwright-core'
import { PNG } from 'pngjs'
import t from 'tap'
import { build } from 'vite'
import { geocentric } from '../../core/geometry/geocentric.js'
import { encodeFaces, solidKeySql } from '../../server/store/appearance.js'
import type { Store } from '../../server/store/store.js'
import { storeTerrain } from '../../server/terrain/terrain-store.js'
import { launchBrowser } from '../../server/testing/page.js'
import { testServer } from '../../server/testing/test-store.js'

const SCREENSHOTS = fileURLToPath(new URL('../../screenshots/', import.meta.url))
const CESIUM = fileURLToPath(new URL('../../node_modules/cesium/Build/Cesium/', import.meta.url))
const THREE_PAGE = fileURLToPath(new URL('./other-client.ts', import.meta.url))

const [LON, LAT] = [108.2268, 16.0635]
const GEOID_OFFSET = -8
const GROUND = 5
const at = (east: number, north: number): [lon: number, lat: number] => [LON + east / 107_009, LAT + north / 110_660]
const text = (points: readonly (readonly number[])[]) => points.map(point => point.join(' ')).join(',')
const box = (e: number, n: number, w: number, h: number) => [at(e, n), at(e + w, n), at(e + w, n + h), at(e, n + h), at(e, n)]

/** A red picture with a blue upper left quarter. */
function picture(): Buffer {
  const png = new PNG({ width: 64, height: 64 })
  for (let i = 0; i < 64 * 64; i++) png.data.set(i % 64 < 32 && i < 64 * 32 ? [20, 20, 220, 255] : [220, 20, 20, 255], 4 * i)
  return PNG.sync.write(png)
}

/** What stands where: layers, and a place in each of them to look at (metres from the middle, orthometric level). */
const SIGHTS = [
  { layer: 'buildings', name: 'Nhà trơn', at: [-5, 0, GROUND + 12] },
  { layer: 'buildings', name: 'Nhà có ảnh', at: [-45, -10, GROUND + 4] },
  { layer: 'trees', name: null, at: [30, 0, GROUND + 9] },
  { layer: 'cameras', name: 'Camera cầu', at: [55, 0, GROUND + 11.8] },
  { layer: 'levees', name: 'Đê thử', at: [0, -40, GROUND + 4] },
  { layer: 'water_pipes', name: null, at: [20, 40, GROUND + 3] },
] as const

async function furnish(store: Store): Promise<void> {
  await store.setCity({ ...(await store.city()), geoidOffset: GEOID_OFFSET })
  await storeTerrain(store, { bounds: [LON - 0.01, LAT - 0.01, LON + 0.01, LAT + 0.01], resolutionM: 40, height: () => GROUND }, { name: 'flat', actor: 'test' })
  const [low, high] = [GROUND, GROUND + 10]
  const corners = box(-60, -10, 30, 20)
  const faces = [0, 1, 2, 3].map(i => [[...corners[i]!, low], [...corners[i + 1]!, low], [...corners[i + 1]!, high], [...corners[i]!, high], [...corners[i]!, low]])
  const roof = corners.map(corner => [...corner, high])
  const solid = `POLYHEDRALSURFACE Z (${[...faces, roof].map(face => `((${text(face)}))`).join(',')})`
  await store.withRevision({ actor: 'test', reason: 'sights' }, async ({ tx }) => {
    await sql`insert into city.buildings (geom, solid, height, name) values
      (${`SRID=4326;MULTIPOLYGON(((${text(box(-20, -10, 30, 20))})))`}, null, 12, 'Nhà trơn'),
      (${`SRID=4326;MULTIPOLYGON(((${text(corners)})))`}, ${`SRID=4326;${solid}`}, 10, 'Nhà có ảnh')`.execute(tx)
    // Behind the camera and too many for one tile, so that houses stand at several levels.
    await sql`insert into city.buildings (geom, height) select st_multi(st_makeenvelope(lon, lat, lon + 1e-4, lat + 1e-4, 4326)), 6
      from (select ${LON}::float8 - 0.0015 - 0.0002 * (k % 34) as lon, ${LAT}::float8 - 0.0015 - 0.0002 * (k / 34) as lat from generate_series(0, 1099) k) as places`.execute(tx)
    await sql`insert into city.trees (geom, height) select st_setsrid(st_makepoint(${at(30, 0)[0]}::float8 + k * 1e-6, ${at(30, 0)[1]}::float8 + k * 1e-4), 4326), 14 from generate_series(0, 4) k`.execute(tx)
    await sql`insert into city.cameras (geom, name, mount_height_m, bearing_deg) values (${`SRID=4326;POINT(${at(55, 0).join(' ')})`}, 'Camera cầu', 12, 180)`.execute(tx)
    await sql`insert into city.levees (geom, name, crest_level_m, crest_width_m) values (${`SRID=4326;MULTILINESTRING((${text([at(-80, -40), at(80, -40)])}))`}, 'Đê thử', ${GROUND + 4}, 5)`.execute(tx)
    await sql`insert into city.water_pipes (geom, dn_mm, axis_level_m) values (${`SRID=4326;MULTILINESTRING((${text([at(-80, 40), at(80, 40)])}))`}, 2000, ${GROUND + 2})`.execute(tx)
    const image = picture()
    await sql`insert into dothi.texture_images values (sha256(${image}), 'image/png', 64, 64, ${image})`.execute(tx)
    const wall = { image: 0, uv: [Float32Array.from([0, 1, 1, 1, 1, 0, 0, 0, 0, 1])] }
    await sql`insert into dothi.appearances (solid, images, faces)
      select ${solidKeySql(sql`solid`)}::uuid, jsonb_build_array(jsonb_build_object('sha256', encode(sha256(${image}), 'hex'), 'wrap', 'repeat')),
        ${encodeFaces([wall, wall, wall, wall, { colour: [240, 240, 60] }])} from city.buildings where solid is not null`.execute(tx)
  })
}

const TYPES: Readonly<Record<string, string>> = { '.js': 'text/javascript', '.json': 'application/json', '.css': 'text/css', '.wasm': 'application/wasm' }
const PAGE = (head: string) => `<!doctype html><html><head><link rel="icon" href="data:,"><style>html, body, #view { margin: 0; width: 100%; height: 100%; overflow: hidden } .cesium-widget, .cesium-widget canvas { width: 100%; height: 100% }</style>${head}</head><body><div id="view"></div></body></html>`

/** The pages, CesiumJS's files and the script of the other page. */
async function pages(script: string): Promise<{ url: string; close(): void }> {
  const server = createServer((request, response) => {
    const path = new URL(request.url!, 'http://x').pathname
    const send = (type: string, body: string) => response.writeHead(200, { 'Content-Type': type }).end(body)
    if (path === '/cesium.html') return send('text/html', PAGE('<script>CESIUM_BASE_URL = "/cesium/"</script><script src="/cesium/Cesium.js"></script>'))
    if (path === '/three.html') return send('text/html', PAGE('<script type="module" src="/three.js"></script>'))
    if (path === '/three.js') return send('text/javascript', script)
    const file = CESIUM + normalize(path.replace('/cesium/', '/')).slice(1)
    if (!path.startsWith('/cesium/') || !existsSync(file) || !statSync(file).isFile()) return response.writeHead(404).end()
    response.writeHead(200, { 'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream' })
    createReadStream(file).pipe(response)
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => { server.close(); server.closeAllConnections() } }
}

async function bundled(entry: string): Promise<string> {
  const result = await build({ logLevel: 'error', configFile: false, root: fileURLToPath(new URL('.', import.meta.url)), build: { write: false, minify: false, lib: { entry, formats: ['es'], fileName: 'page' } } })
  const [first] = (Array.isArray(result) ? result : [result]) as { output: { code: string }[] }[]
  return first!.output[0]!.code
}

/** What both pages answer, once everything is loaded: where a sight is on the screen, and what is there. */
interface Seen { readonly x: number; readonly y: number; readonly id: number | null; readonly name: string | null }
interface Shown { readonly failures: readonly string[]; readonly seen: readonly Seen[] }

/** Runs in CesiumJS's page. */
async function showInCesium({ url, tileset: address, layers, places, eye }: { url: string; tileset: string; layers: readonly string[]; places: readonly (readonly number[])[]; eye: { from: number[]; to: number[] } }): Promise<Shown> {
  const Cesium = (globalThis as any).Cesium
  const failures: string[] = []
  const widget = new Cesium.CesiumWidget('view', { baseLayer: false, useDefaultRenderLoop: false, globe: false, skyBox: false, skyAtmosphere: false, shouldAnimate: false, contextOptions: { webgl: { preserveDrawingBuffer: true } } })
  const { scene, camera } = widget
  widget.resize()
  scene.backgroundColor = Cesium.Color.fromCssColorString('#202830')
  scene.light = new Cesium.DirectionalLight({ direction: Cesium.Cartesian3.normalize(Cesium.Cartesian3.subtract(new Cesium.Cartesian3(...eye.to), new Cesium.Cartesian3(...eye.from), new Cesium.Cartesian3()), new Cesium.Cartesian3()) })
  const vector = (p: readonly number[]) => new Cesium.Cartesian3(...p)
  const direction = Cesium.Cartesian3.normalize(Cesium.Cartesian3.subtract(vector(eye.to), vector(eye.from), new Cesium.Cartesian3()), new Cesium.Cartesian3())
  const up = Cesium.Ellipsoid.WGS84.geodeticSurfaceNormal(vector(eye.to))
  camera.setView({ destination: vector(eye.from), orientation: { direction, up } })
  const tilesets = await Promise.all(layers.map(async layer => {
    const tileset = await Cesium.Cesium3DTileset.fromUrl(`${url}/3dtiles/${layer}/${address}`, { maximumScreenSpaceError: 1 })
    tileset.tileFailed.addEventListener((error: any) => failures.push(`${layer}: ${error.message}`))
    scene.primitives.add(tileset)
    return tileset
  }))
  // Between a tileset, its subtrees and its tiles nothing is under way for a moment: what is loaded must stay so. The widget, unlike
  // its scene, tells the camera how long it has been still, and what is off the middle of the view is loaded only after 0.2 s of that.
  for (let i = 0, calm = 0; i < 600 && calm < 10 && !failures.length; i++) {
    widget.render()
    calm = tilesets.every(tileset => tileset.tilesLoaded) ? calm + 1 : 0
    await new Promise(done => setTimeout(done, 50))
  }
  widget.render()
  const seen = places.map(place => {
    const { x, y } = Cesium.SceneTransforms.worldToWindowCoordinates(scene, vector(place))
    const feature = scene.pick(new Cesium.Cartesian2(x, y), 3, 3)
    return { x, y, id: feature?.getProperty?.('id') ?? null, name: feature?.getProperty?.('name') ?? null }
  })
  return { failures, seen }
}

type Tap = typeof t

const TILESETS = [{ kind: 'explicit', tileset: 'tileset.json' }, { kind: 'implicit', tileset: 'implicit/tileset.json' }] as const

t.setTimeout(300_000)
t.test('tiles load in other clients', { timeout: 300_000 }, async t => {
  const { url, store } = await testServer(t)
  await furnish(store)
  const served = await pages(await bundled(THREE_PAGE))
  const browser = await launchBrowser(t)
  t.teardown(async () => served.close())
  mkdirSync(SCREENSHOTS, { recursive: true })

  const geocentricAt = ([east, north, level]: readonly [number, number, number]) => geocentric(...at(east, north), level + GEOID_OFFSET)
  const request = {
    url, layers: [...new Set(SIGHTS.map(sight => sight.layer))], places: SIGHTS.map(sight => geocentricAt(sight.at)),
    eye: { from: geocentricAt([25, -105, GROUND + 65]), to: geocentricAt([0, 0, GROUND]) },
  }
  const ids = await Promise.all(SIGHTS.map(async ({ layer, name }) => {
    const { rows } = await sql<{ id: number }>`select id from ${sql.table(`city.${layer}`)} ${name === null ? sql`` : sql`where name = ${name}`} order by id limit 1`.execute(store.db)
    return rows[0]!.id
  }))

  const open = async (path: string): Promise<{ page: Page; problems: string[] }> => {
    const page = await browser.newPage({ viewport: { width: 720, height: 480 } })
    page.setDefaultTimeout(80_000)
    const problems: string[] = []
    page.on('pageerror', error => problems.push(error.message))
    page.on('console', message => { if (message.type() === 'error') problems.push(`${message.text()} ${message.location().url}`) })
    await page.goto(served.url + path)
    return { page, problems }
  }

  const check = (t: Pick<Tap, 'ok' | 'strictSame'>, shown: Shown, problems: readonly string[], picture: PNG) => {
    t.strictSame([...shown.failures, ...problems], [])
    t.strictSame(shown.seen.map(({ id }) => id), ids, 'each place is what stands there')
    t.strictSame(shown.seen.filter((_, i) => SIGHTS[i]!.name).map(({ name }) => name), SIGHTS.flatMap(({ name }) => name ?? []))
    const colour = ({ x, y }: { x: number; y: number }) => [...picture.data.subarray(4 * (Math.round(y) * picture.width + Math.round(x)), 4 * (Math.round(y) * picture.width + Math.round(x)) + 3)] as [number, number, number]
    const [red, green, blue] = colour(shown.seen[1]!)
    t.ok(red > 2 * green && red > 2 * blue, `the wall has its red picture: ${[red, green, blue].join()}`)
    const [plainRed, plainGreen] = colour(shown.seen[0]!)
    t.ok(Math.abs(plainRed - plainGreen) < 40 && plainRed > 60, 'the roof beside it is plain and lit')
    const [leafRed, leafGreen, leafBlue] = colour(shown.seen[2]!)
    t.ok(leafGreen > leafRed && leafGreen > leafBlue, `the tree is green: ${[leafRed, leafGreen, leafBlue].join()}`)
  }

  for (const { kind, tileset } of TILESETS) await t.test(`CesiumJS, ${kind}`, { timeout: 90_000 }, async t => {
    const { page, problems } = await open('/cesium.html')
    // tsx names functions by a helper that the page has not.
    await page.evaluate('globalThis.__name = f => f')
    const shown = await page.evaluate(showInCesium, { ...request, tileset })
    check(t, shown, problems, PNG.sync.read(await page.screenshot({ path: `${SCREENSHOTS}tiles-cesium-${kind}.png` })))
    await page.close()
  })

  for (const { kind, tileset } of TILESETS) await t.test(`3d-tiles-renderer, ${kind}`, { timeout: 90_000 }, async t => {
    const { page, problems } = await open('/three.html')
    await page.waitForFunction('window.showInThree')
    const shown = await page.evaluate(request => (window as any).showInThree(request) as Promise<Shown>, { ...request, tileset })
    check(t, shown, problems, PNG.sync.read(await page.screenshot({ path: `${SCREENSHOTS}tiles-three-${kind}.png` })))
    await page.close()
  })
})
