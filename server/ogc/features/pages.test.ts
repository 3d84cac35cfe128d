/** The pages of the services, as people meet them: in both languages, in a browser, on a phone. */
import t from 'tap'
import type { Page } from 'playwright-core'
import { CRS84, CRSS } from '../../../core/crs.js'
import { launchBrowser } from '../../testing/page.js'
import { testCity } from '../test-city.js'
import { mapSvg } from './map-svg.js'

t.setTimeout(120_000)

t.test('a map of features is the same place in every CRS, and has what a map has', (t) => {
  const point = (coordinates: number[]) => [{ id: 1, geometry: { type: 'Point', coordinates } as const, title: 'here <&>' }]
  const path = (text: string) => /class="point" d="([^"]+)"/.exec(text)![1]
  const lonlat = mapSvg(point([108.2, 16.05]), null, { lang: 'en' }).text
  t.match(lonlat, 'here &lt;&amp;&gt;')
  t.match(lonlat, '108.20')
  t.match(lonlat, / m<\/text>/, 'a scale')
  const latlon = CRSS.find(({ axes }) => axes === 'lat,lon')!
  t.equal(mapSvg(point([16.05, 108.2]), null, { crs: latlon }).text, mapSvg(point([108.2, 16.05]), null, { crs: CRS84 }).text, 'axes in the order of the authority')
  const plane = mapSvg(point([548_000, 1_775_000]), null, { crs: CRSS.find(({ srid }) => srid === 5899)! }).text
  t.equal(path(plane), path(lonlat), 'the middle of the picture')
  t.match(plane, '548', 'a grid of metres')
  t.equal(mapSvg([], null).text, '', 'nothing is no map')
  t.equal(mapSvg([{ id: 1, geometry: { type: 'Point', coordinates: [NaN, NaN] } }], null).text, '')
  t.end()
})

t.test('pages', async (t) => {
  const { url, shops } = await testCity(t)
  const ogc = `${url}/ogc`
  const items = `${ogc}/collections/shops/items`
  const browser = await launchBrowser(t)
  const context = await browser.newContext({ locale: 'vi', permissions: ['clipboard-read', 'clipboard-write'] })
  const opened = async (address: string, width = 1280): Promise<Page & { readonly faults: string[] }> => {
    const page = await context.newPage()
    const faults: string[] = []
    page.on('console', (message) => { if (message.type() === 'error') faults.push(message.text()) })
    page.on('request', (request) => { if (!request.url().startsWith(url) && !request.url().startsWith('data:')) faults.push(`asked ${request.url()}`) })
    await page.setViewportSize({ width, height: 844 })
    await page.goto(address)
    return Object.assign(page, { faults })
  }

  await t.test('in both languages, on a phone: no other host, no fault, nothing wider than the screen', async (t) => {
    for (const [i, path] of ['', '/collections', '/collections/shops', '/collections/lots/schema', '/collections/shops/queryables', '/collections/shops/items', `/collections/shops/items/${shops[0]}`,
      '/collections/nothing_yet/items', '/tiles', '/collections/lots/tiles', '/tileMatrixSets', '/tileMatrixSets/WebMercatorQuad', '/styles', '/collections/lots/styles/default', '/conformance', '/api', '/functions'].entries()) {
      const [lang, width] = i % 2 === 0 ? ['vi', 390] as const : ['en', 1280] as const
      const page = await opened(`${ogc}${path}?f=html&lang=${lang}`, width)
      t.equal(await page.getAttribute('html', 'lang'), lang)
      t.ok((await page.textContent('h1'))!.length > 1, `${path} has a heading`)
      t.strictSame(page.faults, [], path)
      t.ok(Number(await page.evaluate('document.documentElement.scrollWidth - innerWidth')) <= 0, `${path} fits ${width} px`)
      await page.close()
      const other = await fetch(`${ogc}${path}?f=html&lang=${lang === 'vi' ? 'en' : 'vi'}`)
      t.match([other.status, await other.text()], [200, `<html lang="${lang === 'vi' ? 'en' : 'vi'}">`])
    }
  })

  await t.test('features are found, ordered and paged by hand', async (t) => {
    const page = await opened(`${items}?f=html&lang=vi&limit=20`)
    const rows = () => page.locator('tbody tr').count()
    t.equal(await rows(), 20)
    t.match(await page.textContent('main'), /20 trong số 60 đối tượng/)
    await page.click('nav.pager >> text=Trang sau')
    await page.click('nav.pager >> text=Trang trước')
    t.match(await page.textContent('tbody tr >> nth=0'), /Chợ Hàn/)
    await page.click('th >> text=Diện tích')
    await page.click('th >> text=Diện tích')
    t.match(await page.textContent('tbody tr >> nth=0'), /Tiệm số 59/, 'a second click turns the order round')
    await page.fill('input[name=filter]', "kind = 'food' AND floors > 3")
    await page.click('button.go')
    t.equal(await rows(), 8)
    t.match(await page.textContent('.chips'), /floors > 3/, 'the condition stands there')
    t.match(await page.textContent('.chips'), /Diện tích ↓/, 'and the order is kept')
    await page.click('.chip.on >> nth=0')
    t.equal(await rows(), 20, 'and goes again')
    await page.fill('input[name=q]', 'cho han')
    await page.click('button.go')
    t.equal(await rows(), 1)
    await page.fill('input[name=q]', 'không có đâu')
    await page.click('button.go')
    t.match(await page.textContent('.empty'), /Không có đối tượng nào khớp/)
    await page.click('.empty a')
    t.equal(await rows(), 60)
    await page.selectOption('select[name=crs]', 'http://www.opengis.net/def/crs/EPSG/0/5899')
    await page.click('button.go')
    t.equal(await page.locator('svg.map path.point').count(), 60, 'a map in metres too')
    t.strictSame(page.faults, [])
    await page.close()
  })

  await t.test('a box is drawn on the map, or reached by its ways', async (t) => {
    const page = await opened(`${items}?f=html&lang=en&limit=100`)
    const map = (await page.locator('svg.map').boundingBox())!
    await page.mouse.move(map.x + map.width * 0.3, map.y + map.height * 0.2)
    await page.mouse.down()
    await page.mouse.move(map.x + map.width * 0.5, map.y + map.height * 0.8, { steps: 4 })
    await Promise.all([page.waitForURL(/bbox=/), page.mouse.up()])
    const [west, south, east, north] = new URL(page.url()).searchParams.get('bbox')!.split(',').map(Number) as [number, number, number, number]
    t.ok(west > 108.1 && west < east && east < 108.3 && south < north, 'a box of degrees')
    const found = await page.locator('tbody tr').count()
    const asked = await (await fetch(`${items}?bbox=${west},${south},${east},${north}&limit=100`)).json() as { numberMatched: number }
    t.equal(found, asked.numberMatched)
    t.ok(found > 0 && found < 60)
    await page.click('.ways a[title=Farther]')
    const wider = new URL(page.url()).searchParams.get('bbox')!.split(',').map(Number)
    t.ok(wider[2]! - wider[0]! > east - west)
    await page.close()
  })

  await t.test('lines are copied by a click', async (t) => {
    const page = await opened(`${ogc}/collections/shops?f=html&lang=en`)
    await page.click('.cmd:has-text("GDAL") button')
    t.match(await page.evaluate('navigator.clipboard.readText()'), `OAPIF:${ogc} shops`)
    await page.close()
  })

  await t.test('without scripts everything is there', async (t) => {
    const plain = await browser.newContext({ javaScriptEnabled: false })
    const page = await plain.newPage()
    await page.goto(`${items}?f=html&lang=en&limit=20`)
    t.equal(await page.locator('tbody tr').count(), 20)
    await page.click('nav.pager >> text=Next page')
    t.match(page.url(), 'cursor=')
    t.ok(await page.locator('.cmd code').count() > 2)
    await plain.close()
  })
})
