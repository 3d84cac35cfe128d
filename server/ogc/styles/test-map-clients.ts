/** What people draw maps with, in a real browser: MapLibre on its page of ours, OpenLayers with nothing but the address of a tile set. */
import { createRequire } from 'node:module'
import type { Browser, Page } from 'playwright-core'
import { PNG } from 'pngjs'
import { crsOfSrid } from '../../../core/crs.js'
import { distinctColours, until } from '../../testing/page.js'

/** What a client showed. */
export interface Seen {
  /** Features on the screen by layer of the tiles. */
  readonly features: Readonly<Record<string, number>>
  /** Colours of the picture, as a viewer tells them apart. */
  readonly colours: number
  /** Requests to other hosts. */
  readonly foreign: readonly string[]
  readonly faults: readonly string[]
}

interface Watched { readonly page: Page; readonly foreign: string[]; readonly faults: string[] }

async function watched(browser: Browser, origin: string): Promise<Watched> {
  const page = await browser.newPage({ viewport: { width: 900, height: 700 } })
  const foreign: string[] = []
  const faults: string[] = []
  page.on('request', (request) => { if (/^https?:/.test(request.url()) && new URL(request.url()).origin !== new URL(origin).origin) foreign.push(request.url()) })
  page.on('response', (response) => { if (response.status() >= 400) faults.push(`${response.status()} ${response.url()}`) })
  page.on('pageerror', (error) => faults.push(error.message))
  page.on('console', (message) => { if (message.type() === 'error') faults.push(message.text()) })
  return { page, foreign, faults }
}

/** `/docs/maplibre` with a style, by its path on the server, at a zoom of a place where one is given. */
export async function seeInMapLibre(browser: Browser, origin: string, style: string, at?: { readonly zoom: number; readonly lon: number; readonly lat: number }): Promise<Seen> {
  const { page, ...rest } = await watched(browser, origin)
  await page.goto(`${origin}/docs/maplibre?style=${style}${at ? `#${at.zoom}/${at.lat}/${at.lon}` : ''}`)
  await until(page, 'globalThis.map?.loaded?.() && map.areTilesLoaded()')
  const features = await page.evaluate(`map.queryRenderedFeatures().reduce((sums, { sourceLayer }) => ({ ...sums, [sourceLayer]: (sums[sourceLayer] ?? 0) + 1 }), {})`) as Record<string, number>
  const colours = distinctColours(PNG.sync.read(await page.locator('#map').screenshot()))
  await page.close()
  return { features, colours, ...rest }
}

const { resolve } = createRequire(import.meta.url)

/** A tile set by the address of its metadata, and its CRS, around a position; all else OpenLayers finds out by itself. */
export async function seeInOpenLayers(browser: Browser, origin: string, tileset: string, at: { readonly lon: number; readonly lat: number; readonly metresPerPixel: number }): Promise<Seen & { readonly extent: readonly number[] }> {
  const { page, ...rest } = await watched(browser, origin)
  await page.route(`${origin}/openlayers`, (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html><link rel="icon" href="data:,"><div id="map" style="width:600px;height:500px"></div>' }))
  await page.goto(`${origin}/openlayers`)
  await page.addScriptTag({ path: resolve('proj4/dist/proj4.js') })
  await page.addScriptTag({ path: resolve('ol/dist/ol.js') })
  const { crs } = await (await fetch(tileset, { headers: { Accept: 'application/json' } })).json() as { crs: string }
  const definition = crsOfSrid(Number(/EPSG\/0\/(\d+)$/.exec(crs)?.[1]))?.proj4
  const found = await page.evaluate(showTileset, { tileset, crs, definition, ...at })
  const colours = distinctColours(PNG.sync.read(await page.locator('#map').screenshot()))
  await page.close()
  return { ...found, colours, ...rest }
}

/** Runs in the page. */
async function showTileset({ tileset, crs, definition, lon, lat, metresPerPixel }: { tileset: string; crs: string; definition: string | undefined; lon: number; lat: number; metresPerPixel: number }) {
  const { ol, proj4 } = globalThis as any
  if (definition) proj4.defs(crs, definition)
  ol.proj.proj4.register(proj4)
  const projection = ol.proj.get(crs)
  const source = new ol.source.OGCVectorTile({ url: tileset, format: new ol.format.MVT(), projection })
  const view = new ol.View({ projection, center: ol.proj.fromLonLat([lon, lat], projection), resolution: metresPerPixel / projection.getMetersPerUnit() })
  const layer = new ol.layer.VectorTile({ source })
  const map = new ol.Map({ target: 'map', layers: [layer], view })
  await new Promise<void>((done) => {
    map.on('rendercomplete', () => { if (source.getState() === 'ready' && layer.getFeaturesInExtent(view.calculateExtent()).length > 0) done() })
    setTimeout(done, 30_000)
  })
  const features: Record<string, number> = {}
  const found = layer.getFeaturesInExtent(view.calculateExtent())
  for (const feature of found) features[feature.get('layer')] = (features[feature.get('layer')] ?? 0) + 1
  // Where they lie, in degrees.
  const extent = found.reduce((all: number[], feature: any) => ol.extent.extend(all, feature.getGeometry().getExtent()), ol.extent.createEmpty())
  return { features, extent: ol.proj.transformExtent(extent, projection, 'EPSG:4326') as number[] }
}
