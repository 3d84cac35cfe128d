/** MapLibre and OpenLayers in Chromium: the served styles, and tile sets of every grid, with no other host asked. */
import { launchBrowser } from '../server/testing/page.js'
import { seeInMapLibre, seeInOpenLayers } from '../server/ogc/styles/test-map-clients.js'
import { NOT_HERE, serverGiven, startReport } from './report.js'

const { url } = serverGiven()
const report = startReport()
const closing: (() => Promise<unknown>)[] = []
const browser = await launchBrowser({ ok: () => {}, teardown: (close) => closing.push(close) }).catch(() => {
  console.error('There is no browser: apt-get install chromium, or set CHROMIUM to one.')
  process.exit(NOT_HERE)
})

const { city: { home } } = await (await fetch(`${url}/city`)).json() as { city: { home: { lon: number; lat: number } } }
const { collections } = await (await fetch(`${url}/ogc/collections`)).json() as { collections: { id: string; itemType?: string; extent?: { spatial: { bbox: number[][] } } }[] }
const layers = collections.filter(({ itemType, extent }) => itemType === 'feature' && extent).map(({ id }) => id)

interface Place { readonly lon: number; readonly lat: number; readonly zoom: number }
/** Where something of a layer is: a vertex of its first feature. */
async function placeOf(id: string): Promise<Place> {
  const { features: [feature] } = await (await fetch(`${url}/ogc/collections/${id}/items?limit=1&f=json`)).json() as { features: { geometry: { coordinates: unknown[] } }[] }
  let position: unknown = feature!.geometry.coordinates
  while (Array.isArray(position) && Array.isArray(position[0])) position = position[0]
  const [lon, lat] = position as [number, number]
  return { lon, lat, zoom: 16.5 }
}

const styles: (readonly [string, Place])[] = [
  ['/ogc/styles/default', { ...home, zoom: 12 }], ['/ogc/styles/default', { ...home, zoom: 15 }],
  ...await Promise.all(layers.map(async (id) => [`/ogc/collections/${id}/styles/default`, await placeOf(id)] as const)),
]
for (const [style, place] of styles) {
  const { features, colours, foreign, faults } = await seeInMapLibre(browser, url, style, place)
  const shown = Object.values(features).reduce((sum, count) => sum + count, 0)
  report.check(`MapLibre shows ${style} at zoom ${place.zoom}: ${shown} features, ${colours} colours`, shown > 0 && colours > 2 && foreign.length + faults.length === 0, { features, colours, foreign, faults })
}

const { tileMatrixSets } = await (await fetch(`${url}/ogc/tileMatrixSets?f=json`)).json() as { tileMatrixSets: { id: string }[] }
for (const { id } of tileMatrixSets) {
  const { features, colours, extent, foreign, faults } = await seeInOpenLayers(browser, url, `${url}/ogc/tiles/${id}`, { ...home, metresPerPixel: 5 })
  const [west, south, east, north] = extent as [number, number, number, number]
  const isInPlace = west < home.lon && east > home.lon && south < home.lat && north > home.lat && east - west < 2
  report.check(`OpenLayers shows ${id}: ${Object.keys(features).length} layers, ${colours} colours`, Object.keys(features).length > 3 && colours > 1 && isInPlace && foreign.length + faults.length === 0, { features, extent, foreign, faults })
}
await Promise.all(closing.map((close) => close()))
report.end()
