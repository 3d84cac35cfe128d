/**
 * An open viewer follows edits that others make by HTTP. What it asks for then is in the browser's own network log:
 * the vector tiles that show the place, the 3D tiles whose content changed, and what tells which those are; nothing else.
 */
import { PNG } from 'pngjs'
import t from 'tap'
import { grow, intersects, type BBox } from '../core/bbox.js'
import type { Feature, FeatureStream } from '../core/feature.js'
import { loadFeatures } from '../server/import/load.js'
import { createScenario } from '../server/scenarios/scenario.js'
import { STEWARD } from '../server/store/store.js'
import { storeTerrain } from '../server/terrain/terrain-store.js'
import { launchBrowser, settled, until } from '../server/testing/page.js'
import { testServer } from '../server/testing/test-store.js'
import { grownBounds } from './tiles/change.js'

const [LON, LAT] = [108.2268, 16.0635]
const at = (east: number, north: number): [number, number] => [LON + east / 107_000, LAT + north / 110_660]
const box = (e: number, n: number, w: number, h: number) => [[at(e, n), at(e + w, n), at(e + w, n + h), at(e, n + h), at(e, n)]]
const boxOf = (e: number, n: number, w: number, h: number): BBox => [...at(e, n), ...at(e + w, n + h)]

/** Houses side by side, and so many that they fill several 3D tiles: `SIDE` × `SIDE`, every `STEP` metres. */
const [SIDE, STEP] = [44, 36]
const placeOf = (i: number): [east: number, north: number] => [((i % SIDE) - SIDE / 2) * STEP, (Math.floor(i / SIDE) - SIDE / 2) * STEP]

async function* houses(): AsyncGenerator<Feature> {
  for (let i = 0; i < SIDE * SIDE; i++) {
    const [e, n] = placeOf(i)
    const size = 12 + (i * 7) % 13
    yield { sourceId: `h${i}`, geometry: { type: 'MultiPolygon', coordinates: [box(e, n, size, size)] }, groundZ: 2, height: 4 + (i * 5) % 9, properties: { name: `Nhà ${i}`, storeys: 2, use: 'residential' } }
  }
}
async function* streets(): AsyncGenerator<Feature> {
  for (let i = 0; i < SIDE; i += 4) yield { sourceId: `s${i}`, geometry: { type: 'MultiLineString', coordinates: [[at(-SIDE / 2 * STEP, (i - SIDE / 2) * STEP - 6), at(SIDE / 2 * STEP, (i - SIDE / 2) * STEP - 6)]] }, properties: { name: `Đường ${i}`, class: 'residential' } }
}
const stream = (layer: string, features: AsyncIterable<Feature>): FeatureStream => ({ layer, srid: 4326, source: 'test', features })

/** 3D tiles that one edit may touch: where it was, and where it is. */
const MOST_TILES = 2

// A software renderer on a busy machine takes its time.
t.setTimeout(200_000)

t.test('an edit by HTTP is seen in an open viewer', { timeout: 200_000 }, async (t) => {
  const server = await testServer(t)
  await server.store.setCity({ name: 'Đà Nẵng', srid: 5899, home: { lon: LON, lat: LAT, zoom: 16 }, verticalDatum: 'Hòn Dấu 1992', geoidOffset: -8.5, timeZone: 'Asia/Ho_Chi_Minh', currency: 'VND', sample: true })
  const terrain = (height: number) => storeTerrain(server.store, { bounds: [LON - 0.02, LAT - 0.02, LON + 0.02, LAT + 0.02], resolutionM: 10, height: () => height }, { name: 'test', actor: 'test' })
  await terrain(2)
  await loadFeatures(server.store, [stream('buildings', houses()), stream('roads', streets())], { actor: 'test', reason: 'town' })
  const token = await server.token('editor')
  const send = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(server.url + path, { method, headers: { Authorization: `Bearer ${token}`, 'Content-Type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/geo+json', ...headers }, ...(body ? { body: JSON.stringify(body) } : {}) })
    t.ok(response.ok, `${method} ${path}: ${response.status}`)
    return response
  }
  const idOf = async (name: string) => Number(((await (await fetch(`${server.url}/ogc/collections/buildings/items?name=${encodeURIComponent(name)}`)).json()) as { features: { id: number }[] }).features[0]!.id)

  const browser = await launchBrowser(t)
  const page = await browser.newPage({ viewport: { width: 800, height: 520 }, reducedMotion: 'reduce', locale: 'vi-VN' })
  page.setDefaultTimeout(60_000)
  const problems: string[] = []
  page.on('pageerror', (error) => problems.push(error.message))
  page.on('console', (message) => { if (message.type() === 'error') problems.push(message.text()) })
  let log: string[] = []
  page.on('request', (request) => { if (!/^(data|blob):/.test(request.url())) log.push(decodeURIComponent(request.url().slice(server.url.length))) })

  await page.goto(`${server.url}/#c=${LON},${LAT},900,0,50`)
  await settled(page)
  await until(page, 'dothi.live?.connected')
  t.ok(log.filter((path) => path.endsWith('.mvt')).length > 4, 'the view has several vector tiles')
  t.ok(log.filter((path) => path.includes('.glb')).length > 1, 'and several 3D tiles')

  /** What the page asked for because of an edit, and how long it took until `seen`. */
  async function watch(edit: () => Promise<unknown>, seen: string): Promise<string[]> {
    await settled(page)
    log = []
    const began = performance.now()
    await edit()
    const answered = performance.now()
    await until(page, seen)
    t.comment(`edit answered after ${Math.round(answered - began)} ms, on screen ${Math.round(performance.now() - answered)} ms later`)
    await settled(page)
    await page.waitForTimeout(300)
    t.comment(log.join('  '))
    return log
  }

  /** Fails for each request that is not a vector tile of the layer which shows the box, or one of `others`. */
  function onlyTouched(t: Pick<typeof import('tap').t, 'strictSame' | 'equal' | 'ok'>, log: readonly string[], layer: string, boxes: readonly BBox[], others: RegExp): void {
    const strange = log.filter((path) => {
      const [, layers, z, x, y] = /^\/tiles\/([^/]+)\/(\d+)\/(\d+)\/(\d+)\.mvt$/.exec(path) ?? []
      if (layers === undefined) return !others.test(path)
      const bounds = grownBounds({ z: Number(z), x: Number(x), y: Number(y) }, 64 / 4096)
      return layers !== layer || !boxes.some((touched) => intersects(touched, bounds))
    })
    t.strictSame(strange, [], 'nothing else is asked for')
    t.equal(new Set(log).size, log.length, 'and nothing twice')
    t.ok(log.some((path) => path.startsWith(`/tiles/${layer}/`)), 'the touched vector tiles are')
  }

  const buildingTiles = /^\/3dtiles\/buildings\/(tileset\.json(\?since=\d+)?|\d+\/\d+\/\d+\.glb\?rev=\d+&part=(own|all))$/
  const glbs = (paths: readonly string[]) => paths.filter((path) => path.includes('.glb'))

  await t.test('a house grows into a tower', { timeout: 60_000 }, async (t) => {
    const i = SIDE * (SIDE / 2) + SIDE / 2
    const id = await idOf(`Nhà ${i}`)
    const [e, n] = placeOf(i)
    const log = await watch(() => send('PATCH', `/ogc/collections/buildings/items/${id}`, { properties: { height: 90 } }, { 'If-Match': '*' }), heightOnScreen(id, 85))
    onlyTouched(t, log, 'buildings', [boxOf(e, n, 30, 30)], buildingTiles)
    t.ok(glbs(log).length >= 1 && glbs(log).length <= MOST_TILES, `one or two 3D tiles: ${glbs(log).length}`)
  })

  await t.test('a house moves to the other end of town', { timeout: 60_000 }, async (t) => {
    const id = await idOf('Nhà 980')
    const [e, n] = placeOf(980)
    const geometry = { type: 'MultiPolygon', coordinates: [box(60, 90, 40, 40)] }
    const log = await watch(() => send('PATCH', `/ogc/collections/buildings/items/${id}`, { geometry }, { 'If-Match': '*' }), `[...dothi.scene.buildings.tileset.contents].some((c) => c.features.ids.includes(${id}) && Number(/rev=(\\d+)/.exec(c.address)[1]) === dothi.live.revision)`)
    // One entry of the log has one box, around old and new.
    onlyTouched(t, log, 'buildings', [[Math.min(at(e, n)[0], at(60, 90)[0]), Math.min(at(e, n)[1], at(60, 90)[1]), Math.max(at(e + 40, n)[0], at(100, 90)[0]), Math.max(at(e, n + 40)[1], at(60, 130)[1])]], buildingTiles)
    t.ok(glbs(log).length >= 1 && glbs(log).length <= MOST_TILES, `the old and the new 3D tile: ${glbs(log).length}`)
  })

  await t.test('the first house beyond all others gives the tree another root, and its end takes it away', { timeout: 60_000 }, async (t) => {
    const far = at(9_000, 7_000)
    const has = (id: number) => `[...dothi.scene.buildings.tileset.contents].some((c) => c.features.ids.includes(${id}))`
    const created = await send('POST', '/ogc/collections/buildings/items', { type: 'Feature', geometry: { type: 'MultiPolygon', coordinates: [box(9_000, 7_000, 30, 30)] }, properties: { name: 'Xa', height: 20, ground_z: 2 } })
    const id = Number(created.headers.get('location')!.split('/').at(-1))
    await page.evaluate(`dothi.scene.setCamera(${JSON.stringify({ lon: far[0], lat: far[1], distance: 700, heading: 0, pitch: 50 })})`)
    await until(page, has(id))
    t.pass('it is there')
    await send('DELETE', `/ogc/collections/buildings/items/${id}`, undefined, { 'If-Match': '*' })
    await until(page, `!${has(id)}`)
    await page.evaluate(`dothi.scene.setCamera(${JSON.stringify({ lon: LON, lat: LAT, distance: 900, heading: 0, pitch: 50 })})`)
    await until(page, has(await idOf('Nhà 1000')))
    await settled(page)
    const counted = await page.evaluate('[...dothi.scene.buildings.tileset.contents].flatMap((c) => [...c.features.ids])') as number[]
    t.equal(new Set(counted).size, counted.length, 'no house is there twice')
  })

  await t.test('a street is drawn, and no 3D tile is touched', { timeout: 60_000 }, async (t) => {
    const before = await page.evaluate('dothi.city.layers.find(({ id }) => id === "roads").count') as number
    const line = [at(-300, 40), at(200, 260)]
    const revisionOf = await server.store.layerRevision(server.store.catalogue.get('roads'), 'main')
    const log = await watch(
      () => send('POST', '/ogc/collections/roads/items', { type: 'Feature', geometry: { type: 'MultiLineString', coordinates: [line] }, properties: { name: 'Đường mới', class: 'primary' } }),
      `dothi.live.revision > ${revisionOf} && dothi.live.idle && dothi.scene.settled`)
    onlyTouched(t, log, 'roads', [[...at(-300, 40), ...at(200, 260)]], /^never$/)
    t.equal(await page.evaluate('dothi.city.layers.find(({ id }) => id === "roads").count'), before + 1, 'the page counts it')
    await page.evaluate(`dothi.scene.setCamera({ lon: ${at(13.6, 178)[0]}, lat: ${at(13.6, 178)[1]}, distance: 500, heading: 0, pitch: 88 })`)
    await settled(page)
    const found = await page.evaluate(`dothi.scene.project(...${JSON.stringify(at(13.6, 178))})`) as [number, number]
    await page.mouse.click(...found)
    await until(page, 'dothi.store.state.selection !== null')
    t.equal(await page.evaluate('dothi.store.state.selection.layer'), 'roads', 'it can be picked where it is')
    await page.evaluate('dothi.store.update({ selection: null })')
  })

  // What changes about buildings comes as tables beside their tiles; geometry is not asked for again.
  const scenario = await createScenario(server.store, {
    title: { vi: 'Mưa thử', en: 'Test rain' },
    forcing: { start: '2026-11-22T00:00:00Z', hours: 0.25, cell: 40, window: [...at(-200, -200), ...at(200, 200)], rain: { source: 'test', hours: [0, 1], values: [200, 200] }, sea: { source: 'test', hours: [0, 1], values: [0, 0] } },
  }, STEWARD)
  await page.evaluate(`dothi.scene.setCamera(${JSON.stringify({ lon: LON, lat: LAT, distance: 900, heading: 0, pitch: 60 })})`)
  await settled(page)
  const state = /^\/state\/buildings\/\d+\/\d+\/\d+\.arrow\?rev=\d+&part=(own|all)&/
  const drawn = () => page.evaluate('dothi.scene.buildings.tileset.contents.size') as Promise<number>

  /** The colour on screen in the middle of a house's roof. */
  async function roof(i: number): Promise<readonly [r: number, g: number, b: number]> {
    await settled(page)
    const [e, n] = placeOf(i)
    const [x, y] = await page.evaluate(`dothi.scene.project(...${JSON.stringify(at(e + 6, n + 6))}, ${4 + (i * 5) % 9})`) as [number, number]
    const { data, width } = PNG.sync.read(await page.screenshot())
    return [...data.subarray((Math.round(y) * width + Math.round(x)) * 4).subarray(0, 3)] as unknown as [number, number, number]
  }
  const isTeal = ([r, g, b]: readonly number[]) => g! > r! + 15 && b! > r! + 15
  const isGrey = ([r, g, b]: readonly number[]) => Math.max(r!, g!, b!) - Math.min(r!, g!, b!) < 22 && r! < 215
  const isRed = ([r, g, b]: readonly number[]) => r! > g! + 60 && r! > b! + 60

  await t.test('a filter restyles the city from tables alone', { timeout: 60_000 }, async (t) => {
    const [found, other] = [SIDE * 23 + 20, SIDE * 23 + 21]
    log = []
    const filter = (name: string) => page.evaluate(`dothi.store.update({ filter: { layer: 'buildings', where: { op: '=', left: { property: 'name' }, right: { literal: '${name}' } } } })`)
    await filter(`Nhà ${found}`)
    const [lit, plain] = [await roof(found), await roof(other)]
    t.ok(isTeal(lit), `what is found is teal: ${lit.join()}`)
    t.notOk(isTeal(plain), `its neighbour is not: ${plain.join()}`)
    t.strictSame(log.filter((path) => !state.test(path) && !/^\/(ogc\/collections\/buildings\/items\?|assets\/)/.test(path)), [], 'no geometry is asked for')
    t.equal(log.filter((path) => state.test(path)).length, await drawn(), 'one table a tile')
    t.comment(`restyled ${await page.evaluate('[...dothi.scene.buildings.tileset.contents].reduce((n, c) => n + c.features.ids.length, 0)')} buildings`)
    const ms = await page.evaluate(`(() => { const began = performance.now(); dothi.scene.buildings.select(${await idOf('Nhà 5')}); dothi.scene.buildings.select(null); return (performance.now() - began) / 2 })()`) as number
    t.comment(`${ms.toFixed(1)} ms of the main thread to paint them all anew`)

    log = []
    await send('PATCH', `/ogc/collections/buildings/items/${await idOf(`Nhà ${other}`)}`, { properties: { name: `Nhà ${found}` } }, { 'If-Match': '*' })
    for (let i = 0; i < 50 && !isTeal(await roof(other)); i++) await page.waitForTimeout(100)
    t.ok(isTeal(await roof(other)), 'an edit that makes another one match lights it up')
    t.ok(log.filter((path) => state.test(path)).length <= MOST_TILES, 'by the tables of touched tiles only')
    await page.evaluate('dothi.store.update({ filter: null })')
  })

  await t.test('what a scenario takes away is red', { timeout: 60_000 }, async (t) => {
    const gone = SIDE * 21 + 25
    await send('DELETE', `/scenarios/${scenario.id}/ogc/collections/buildings/items/${await idOf(`Nhà ${gone}`)}`, undefined, { 'If-Match': '*' })
    log = []
    await page.evaluate(`dothi.store.update({ compare: '${scenario.id}' })`)
    const [red, same] = [await roof(gone), await roof(gone - 2)]
    t.ok(isRed(red), red.join())
    t.notOk(isRed(same), same.join())
    t.strictSame(log.filter((path) => !state.test(path)), [], 'tables alone')
    t.match(await page.evaluate('location.hash') as string, /cmp=/)
    await page.evaluate('dothi.store.update({ compare: null })')
  })

  await t.test('the impact of a run: not computed is not dry', { timeout: 90_000 }, async (t) => {
    const { jobID } = await (await send('POST', '/ogc/processes/flood/execution', { inputs: { scenario: scenario.id } }, { 'Content-Type': 'application/json' })).json() as { jobID: string }
    for (let status = ''; status !== 'successful';) {
      ;({ status } = await (await send('GET', `/ogc/jobs/${jobID}`)).json() as { status: string })
      if (status === 'failed') throw new Error('the run failed')
      await new Promise((done) => setTimeout(done, 200))
    }
    const [inside, outside] = [SIDE * 24 + 20, SIDE * 24 + 29]
    await page.evaluate(`dothi.store.update({ run: '${jobID}', time: 0, playing: false })`)
    await until(page, 'dothi.runs.manifest?.complete')
    await settled(page)
    log = []
    await page.evaluate(`dothi.store.update({ panel: 'simulate' })`)
    await until(page, 'dothi.runs.impacts')
    const [computed, unknown] = [await roof(inside), await roof(outside)]
    t.notOk(isGrey(computed), `inside the window it is known: ${computed.join()}`)
    t.ok(isGrey(unknown), `outside it is grey: ${unknown.join()}`)
    t.equal(log.filter((path) => state.test(path)).length, await drawn(), 'one table a tile')
    t.strictSame(log.filter((path) => !state.test(path) && !/^\/runs\/[\w-]+\/(impacts|frames\/\d+)$/.test(path)), [], 'tables alone')
  })

  await t.test('a levee rises in the ground', { timeout: 60_000 }, async (t) => {
    await page.evaluate('dothi.store.update({ panel: null, run: null })')
    await page.evaluate(`dothi.scene.setCamera(${JSON.stringify({ lon: LON, lat: at(0, 60)[1], distance: 500, heading: 0, pitch: 35 })})`)
    await settled(page)
    const [west, east] = [at(-150, 100), at(150, 100)]
    const crest = `dothi.scene.project(${LON}, ${at(0, 100)[1]})?.[1]`
    const before = await page.evaluate(crest) as number
    const log = await watch(
      () => send('POST', '/ogc/collections/levees/items', { type: 'Feature', geometry: { type: 'MultiLineString', coordinates: [[west, east]] }, properties: { name: 'Đê mới', kind: 'levee', crest_level_m: 12, crest_width_m: 30 } }),
      `${crest} < ${before} - 2`)
    const reach = grow([...west, ...east], 80 / 107_000)
    const strange = log.filter((path) => {
      const [, kind, z, x, y] = /^\/(tiles\/levees|terrain\/rgb)\/(\d+)\/(\d+)\/(\d+)/.exec(path) ?? []
      return kind === undefined ? !/^\/3dtiles\/buildings\/tileset\.json\?since=\d+$/.test(path) : !intersects(reach, grownBounds({ z: Number(z), x: Number(x), y: Number(y) }, 64 / 4096))
    })
    t.strictSame(strange, [], 'only its own vector tiles and the heights around it are asked for')
    t.ok(log.some((path) => path.startsWith('/terrain/rgb/')))
  })

  await t.test('other ground is seen too', { timeout: 60_000 }, async (t) => {
    const at0 = `dothi.scene.project(${JSON.stringify(at(-100, 0)).slice(1, -1)})?.[1]`
    const before = await page.evaluate(at0) as number
    await watch(() => terrain(9), `${at0} < ${before} - 2`)
    t.pass('it rose')
  })

  t.strictSame(problems, [], 'nothing was thrown')
})

/** A feature's mesh stands this high above its ground in the content on screen. */
const heightOnScreen = (id: number, metres: number) => `[...dothi.scene.buildings.tileset.contents].some(({ mesh, features }) => {
  const feature = features.ids.indexOf(${id})
  if (feature < 0 || !mesh.parent) return false
  const { position, aAbove } = mesh.geometry.attributes
  const ids = mesh.geometry.getAttribute('_feature_id_0') ?? mesh.geometry.getAttribute('_FEATURE_ID_0')
  for (let i = 0; i < position.count; i++) if (ids.getX(i) === feature && aAbove.getX(i) > ${metres}) return true
  return false
})`
