/** The page in a real browser over the real server: a district of two dozen houses by a river, seen, asked and flooded. */
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { PNG } from 'pngjs'
import t from 'tap'
import type { Feature, FeatureStream } from '../core/feature.js'
import { loadFeatures } from '../server/import/load.js'
import { createScenario } from '../server/scenarios/scenario.js'
import { STEWARD, type Store } from '../server/store/store.js'
import { distinctColours, launchBrowser, pixel, settled, until } from '../server/testing/page.js'
import { testServer } from '../server/testing/test-store.js'
import { storeTerrain } from '../server/terrain/terrain-store.js'

const SCREENSHOTS = fileURLToPath(new URL('../screenshots/', import.meta.url))
const [LON, LAT] = [108.2268, 16.0635]
/** Degrees for metres, near enough for a district. */
const at = (east: number, north: number): [number, number] => [LON + east / 107_000, LAT + north / 110_660]
const box = (e: number, n: number, w: number, h: number) => [[at(e, n), at(e + w, n), at(e + w, n + h), at(e, n + h), at(e, n)]]

/** Sand rising gently from a river bed in the east. */
const ground = (lon: number) => { const east = (lon - LON) * 107_000; return east > 260 ? -4 : Math.min(4, (260 - east) / 160) }

async function* houses(): AsyncGenerator<Feature> {
  for (let i = 0; i < 24; i++) {
    const [e, n] = [-260 + (i % 6) * 60, -120 + Math.floor(i / 6) * 60]
    const storeys = 1 + (i * 7) % 9
    yield {
      sourceId: `house-${i}`, geometry: { type: 'MultiPolygon', coordinates: [box(e, n, 34, 30)] }, groundZ: ground(at(e, n)[0]), height: storeys * 3.6,
      properties: { name: i === 8 ? 'Chợ Hàn' : `Nhà ${i + 1}`, use: i === 8 ? 'market' : 'residential', storeys, people: 4 * storeys },
    }
  }
}
async function* one(feature: Feature): AsyncGenerator<Feature> { yield feature }
const stream = (layer: string, features: AsyncIterable<Feature>): FeatureStream => ({ layer, srid: 4326, source: 'test', features })

async function district(store: Store): Promise<void> {
  await store.setCity({
    name: 'Đà Nẵng', srid: 5899, home: { lon: LON, lat: LAT, zoom: 16 }, verticalDatum: 'Hòn Dấu 1992', geoidOffset: -8.5,
    timeZone: 'Asia/Ho_Chi_Minh', currency: 'VND', sample: true,
  })
  await storeTerrain(store, { bounds: [LON - 0.01, LAT - 0.01, LON + 0.01, LAT + 0.01], resolutionM: 40, height: ground }, { name: 'test', actor: 'test' })
  await loadFeatures(store, [
    stream('buildings', houses()),
    stream('roads', one({ sourceId: 'r', geometry: { type: 'MultiLineString', coordinates: [[at(-400, -140), at(250, -140)]] }, properties: { name: 'Đường Bạch Đằng', class: 'primary', long_duong_m: 15 } })),
    stream('water_bodies', one({ sourceId: 'w', geometry: { type: 'MultiPolygon', coordinates: [box(262, -1000, 300, 2000)] }, properties: { name: 'Sông Hàn', kind: 'river', water_level_m: 0 } })),
  ], { actor: 'test', reason: 'district' })
  await createScenario(store, {
    title: { vi: 'Mưa thử', en: 'Test rain' },
    forcing: {
      start: '2026-11-22T00:00:00Z', hours: 1, cell: 30, window: [...at(-420, -300), ...at(330, 300)], uplandAbove: 60,
      rain: { source: 'test', hours: [0, 1], values: [300, 300] }, sea: { source: 'test', hours: [0, 1], values: [0, 0] },
    },
  }, STEWARD)
}

// A software renderer on a busy machine takes its time.
t.setTimeout(220_000)

t.test('the viewer', { timeout: 220_000 }, async (t) => {
  const server = await testServer(t)
  await district(server.store)
  const browser = await launchBrowser(t)
  const page = await browser.newPage({ viewport: { width: 1000, height: 640 }, reducedMotion: 'reduce', locale: 'vi-VN' })
  page.setDefaultTimeout(60_000)
  mkdirSync(SCREENSHOTS, { recursive: true })
  const problems: string[] = []
  const hosts = new Set<string>()
  page.on('pageerror', (error) => problems.push(error.message))
  page.on('request', (request) => { if (!/^(data|blob):/.test(request.url())) hosts.add(new URL(request.url()).host) })
  const shot = (name: string) => page.screenshot({ path: `${SCREENSHOTS}viewer-${name}.png` }).then((bytes) => PNG.sync.read(bytes))

  await t.test('opens in Vietnamese on a city that is there', { timeout: 90_000 }, async (t) => {
    await page.goto(`${server.url}/#c=${LON},${LAT},620,15,38`)
    await settled(page)
    t.equal(await page.title(), 'Đà Nẵng · dothi')
    const picture = await shot('open')
    t.ok(distinctColours(picture) > 150, 'ground, water and walls are lit')
    t.ok(await page.evaluate('dothi.scene.stats.triangles > 2000'))
    const sea = await page.evaluate(`dothi.scene.project(...${JSON.stringify(at(330, 0))})`) as [number, number]
    const [r, g, b] = pixel(picture, sea)
    t.ok(b > r && g > r, `water is teal: ${[r, g, b].join()}`)
  })

  await t.test('a layer goes off, and the address says so', { timeout: 90_000 }, async (t) => {
    const before = await shot('layers-before')
    await page.click('[data-panel=layers]')
    await page.click('[data-layer=buildings] input')
    await page.click('.panel .close')
    await settled(page)
    t.ok(difference(before, await shot('layers-off')) > 0.01, 'the houses are gone')
    await until(page, 'location.hash.includes("l=-buildings")')
    await page.click('[data-panel=layers]')
    await page.click('[data-layer=buildings] input')
    await page.click('.panel .close')
  })

  await t.test('search finds “cho han” and shows the record of Chợ Hàn', { timeout: 90_000 }, async (t) => {
    await page.fill('dothi-search input', 'cho han')
    await page.click('dothi-search [role=option]')
    t.equal(await page.textContent('dothi-card h2'), 'Chợ Hàn')
    await until(page, 'document.querySelector("dothi-card dl")?.textContent.includes("Chợ")')
    await settled(page)
    await shot('card')
    await page.click('dothi-card .close')
  })

  await t.test('a click on a house shows its record, a click on the road the road’s', { timeout: 90_000 }, async (t) => {
    await page.goto(`${server.url}/#c=${at(-150, 0).join()},520,0,55`)
    await page.reload()
    await settled(page)
    const house = await page.evaluate(`dothi.scene.project(...${JSON.stringify(at(-123, 15))}, 3)`) as [number, number]
    await page.mouse.click(...house)
    await page.waitForSelector('dothi-card dl')
    t.match(await page.textContent('dothi-card h2'), /Nhà|Chợ/)
    t.match(await page.textContent('dothi-card .kicker'), /Công trình/)
    const road = await page.evaluate(`dothi.scene.project(...${JSON.stringify(at(-290, -140))})`) as [number, number]
    await page.mouse.click(...road)
    await until(page, 'document.querySelector("dothi-card h2")?.textContent === "Đường Bạch Đằng"')
    await until(page, 'location.hash.includes("s=roads/")') // the address follows with a little delay
    await page.mouse.move(...house)
    await page.waitForSelector('.readout')
    t.match(await page.textContent('.readout'), /WGS 84.*VN-2000/s)
  })

  await t.test('speaks English when asked, and remembers', { timeout: 90_000 }, async (t) => {
    await page.click('.language')
    await until(page, 'document.documentElement.lang === "en"')
    t.match(await page.textContent('.rail'), /Layers/)
    await until(page, 'location.hash.includes("lang=en")')
  })

  await t.test('filters by attribute', { timeout: 90_000 }, async (t) => {
    await page.click('[data-panel=filter]')
    await page.fill('dothi-filter input[type=number]', '7')
    await page.click('dothi-filter [type=submit]')
    await page.waitForSelector('dothi-filter .found')
    const tall = Array.from({ length: 24 }, (_, i) => 1 + (i * 7) % 9).filter((storeys) => storeys >= 7).length
    t.match(await page.textContent('dothi-filter .found'), new RegExp(`^${tall} features match`))
    await settled(page)
    await shot('filter')
    await page.click('dothi-filter .actions button:not(.primary)')
  })

  await t.test('who may not run is told how; who may runs a flood, sees it rise and who is hit', { timeout: 90_000 }, async (t) => {
    await page.click('[data-panel=simulate]')
    await page.waitForSelector('dothi-simulate .scenario')
    t.equal(await page.$('[data-action=run]'), null)
    const camera = await page.evaluate('location.hash') as string
    await page.goto(`${server.url}/?token=${await server.token('editor')}`)
    await page.goto(`${server.url}/${camera}`)
    await page.reload()
    await settled(page)
    const dry = await shot('dry')
    if (!await page.$('dothi-simulate')) await page.click('[data-panel=simulate]')
    await page.click('[data-action=run]')
    await page.waitForSelector('dothi-time-bar .words .label-simulation')
    t.equal(await page.textContent('dothi-time-bar .words .label-simulation'), 'SIMULATION – NOT A FORECAST')
    await page.waitForSelector('.figures')
    await page.evaluate('dothi.store.update({ playing: false, time: 3600 })')
    await until(page, '!dothi.runs.buffering')
    await settled(page)
    const wet = await shot('flood')
    t.ok(difference(dry, wet) > 0.03, 'there is water on the ground')
    t.match(await page.evaluate('location.hash') as string, /run=[\w-]{36}/)
    t.ok(await page.evaluate('dothi.runs.impacts.buildings.computed === 24'))
  })

  await t.test('fits a phone', { timeout: 90_000 }, async (t) => {
    await page.setViewportSize({ width: 390, height: 844 })
    await page.evaluate('dothi.store.update({ panel: null, language: "vi" })')
    await settled(page)
    await shot('phone')
    t.ok(await page.evaluate('document.documentElement.scrollWidth <= 390'), 'nothing sticks out')
  })

  await t.test('it speaks the language of the browser, and Vietnamese where that is none of ours', async t => {
    for (const [locale, language] of [['en-GB', 'en'], ['fr-FR', 'vi']] as const) {
      const visitor = await browser.newPage({ locale, viewport: { width: 400, height: 300 } })
      await visitor.goto(server.url)
      await until(visitor, 'document.querySelector("dothi-search")')
      t.equal(await visitor.evaluate('document.documentElement.lang'), language)
      await visitor.close()
    }
  })

  t.strictSame(problems, [], 'nothing was thrown')
  t.strictSame([...hosts], [new URL(server.url).host], 'no other host was asked')
})

/** Share of pixels that differ clearly. */
function difference(a: PNG, b: PNG): number {
  let changed = 0
  for (let i = 0; i < a.data.length; i += 4) {
    if (Math.abs(a.data[i]! - b.data[i]!) + Math.abs(a.data[i + 1]! - b.data[i + 1]!) + Math.abs(a.data[i + 2]! - b.data[i + 2]!) > 24) changed++
  }
  return changed / (a.data.length / 4)
}
