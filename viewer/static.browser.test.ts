/** An export in a real browser, from a plain server of files: no server of ours is running. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PNG } from 'pngjs'
import t from 'tap'
import { build } from 'vite'
import { exportStatic } from '../server/static/export.js'
import { at, houseAt, makeTown } from '../server/static/test-town.js'
import { serveFolder } from '../server/testing/file-server.js'
import { distinctColours, launchBrowser, pixel, settled, until } from '../server/testing/page.js'
import { testStore } from '../server/testing/test-store.js'

const SCREENSHOTS = fileURLToPath(new URL('../screenshots/', import.meta.url))

// A software renderer on a busy machine takes its time.
t.setTimeout(220_000)

t.test('an exported folder', { timeout: 220_000 }, async (t) => {
  const root = mkdtempSync('/tmp/dothi-page-')
  t.teardown(async () => rmSync(root, { recursive: true, force: true }))
  const viewerDir = join(root, 'viewer')
  await build({ root: fileURLToPath(new URL('.', import.meta.url)), logLevel: 'error', build: { outDir: viewerDir } })
  const store = await testStore(t)
  await makeTown(store)
  // In a folder of a site, as on an object storage.
  await exportStatic({ store, branch: 'main', signal: new AbortController().signal, report: () => {} }, { folder: join(root, 'site/cities/danang'), viewerDir })

  const site = await serveFolder(t, join(root, 'site'))
  const browser = await launchBrowser(t)
  const page = await browser.newPage({ viewport: { width: 1000, height: 640 }, reducedMotion: 'reduce', locale: 'vi-VN' })
  page.setDefaultTimeout(60_000)
  mkdirSync(SCREENSHOTS, { recursive: true })
  const problems: string[] = []
  page.on('pageerror', (error) => problems.push(error.message))
  // A page that is left gives up what it had asked for.
  page.on('requestfailed', (request) => { if (request.failure()?.errorText !== 'net::ERR_ABORTED') problems.push(`${request.url()}: ${request.failure()?.errorText}`) })
  page.on('request', (request) => { if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(`${site.url}/cities/danang/`)) problems.push(request.url()) })
  const shot = (name: string) => page.screenshot({ path: `${SCREENSHOTS}static-${name}.png` }).then((bytes) => PNG.sync.read(bytes))

  await t.test('opens with ground, water and houses', async (t) => {
    await page.goto(`${site.url}/cities/danang/#c=${at(-400, -50).join()},1500,15,38`)
    await settled(page)
    t.equal(await page.title(), 'Đà Nẵng · dothi')
    const picture = await shot('open')
    t.ok(distinctColours(picture) > 150, 'ground, water and walls are lit')
    t.ok(await page.evaluate('dothi.scene.stats.triangles > 2000'))
    const [r, g, b] = pixel(picture, await page.evaluate(`dothi.scene.project(...${JSON.stringify(at(600, 100))})`) as [number, number])
    t.ok(b > r && g > r, `water is teal: ${[r, g, b].join()}`)
    t.ok(site.requests.some((line) => /rgb\.pmtiles\S* 206$/.test(line)), 'terrain comes by ranges')
    t.ok(site.requests.some((line) => /city\.pmtiles\S* 206$/.test(line)), 'and so do layers')
    t.ok(site.requests.some((line) => /buildings\/\d+\/\d+\/\d+\.glb\S* 200$/.test(line)))
    t.match(await page.textContent('.about'), /Bản xuất/)
  })

  await t.test('offers what files can do, and nothing else', async (t) => {
    const panels = await page.$$eval('[data-panel]', (buttons) => buttons.map((button) => button.getAttribute('data-panel')))
    t.strictSame(panels, ['layers', 'underground', 'share'])
  })

  await t.test('a layer that was off is fetched when it is turned on', async (t) => {
    await page.click('[data-panel=layers]')
    await page.click('[data-layer=roads] input')
    await settled(page)
    await page.click('[data-layer=roads] input')
    await page.click('.panel .close')
    await settled(page)
    t.strictSame(problems, [])
  })

  await t.test('a click on a house shows its record, a click on the road the road’s', async (t) => {
    const [east, north] = houseAt(105)
    await page.goto(`${site.url}/cities/danang/#c=${at(east + 17, north).join()},420,0,60`)
    await page.reload()
    await settled(page)
    await page.mouse.click(...await page.evaluate(`dothi.scene.project(...${JSON.stringify(at(east + 17, north + 15))}, 6)`) as [number, number])
    // What only the record tells, not the tile.
    await until(page, 'document.querySelector("dothi-card .origin")?.textContent.includes("Nguồn: test")')
    t.match(await page.textContent('dothi-card h2'), /^Nhà \d+$/)
    await settled(page)
    await shot('card')
    t.equal(await page.$('dothi-card .warn'), null)
    t.equal(await page.$('dothi-card footer a'), null, 'there is no service to link to')
    await page.goto(`${site.url}/cities/danang/#c=${at(-400, -540).join()},420,0,60`)
    await page.reload()
    await settled(page)
    await page.mouse.click(...await page.evaluate(`dothi.scene.project(...${JSON.stringify(at(-400, -540))})`) as [number, number])
    await until(page, 'document.querySelector("dothi-card h2")?.textContent === "Đường Bạch Đằng"')
  })

  await t.test('search finds names without diacritics, and positions', async (t) => {
    await page.fill('dothi-search input', 'cho han')
    await page.click('dothi-search [role=option]')
    t.equal(await page.textContent('dothi-card h2'), 'Chợ Hàn')
    await until(page, 'document.querySelector("dothi-card dl")?.textContent.includes("Chợ")')
    await page.fill('dothi-search input', 'khong co gi')
    await page.waitForSelector('dothi-search .empty')
    await page.fill('dothi-search input', '16.0600, 108.2200')
    await page.click('dothi-search [role=option]')
    await settled(page)
    t.match(await page.evaluate('location.hash'), /c=108\.2200/)
  })

  t.strictSame(problems, [], 'nothing was thrown, nothing failed, and nothing was asked of anybody else')
  t.strictSame(site.requests.filter((line) => !/ 20[06]$/.test(line)), [], 'every request was answered')
})
