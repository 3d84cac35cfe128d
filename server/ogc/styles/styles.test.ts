import { validateStyleMin } from '@maplibre/maplibre-gl-style-spec'
import { PbfReader } from 'pbf'
import { PNG } from 'pngjs'
import t from 'tap'
import { encodeMvt } from '../../../core/mvt/encode.js'
import { lonLatAt, tileAt } from '../../../core/tile-matrix.js'
import { LAYERS } from '../../../layers/index.js'

import { operations as docs } from '../../docs/operations.js'
import { STEWARD } from '../../store/store.js'
import { insertFeatures, updateFeature } from '../../store/writes.js'
import { launchBrowser, pixel } from '../../testing/page.js'
import { operations as tiles3d } from '../../tiles3d/operations.js'
import { LOTS, SHOPS, testCity } from '../test-city.js'
import { drawMap } from './draw-map.js'
import { FONT } from './lettering.js'
import { labelLayers, shapeLayers } from './layer-style.js'
import { colourOf, sizeAt } from './paint.js'
import { seeInMapLibre, seeInOpenLayers } from './test-map-clients.js'

const STYLE_TYPE = 'application/vnd.mapbox.style+json'
const rgb = (colour: string) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16))

t.test('every layer of the product has a style that MapLibre takes', async (t) => {
  for (const layer of LAYERS) {
    const source = { type: 'vector', url: 'https://x.vn/tilejson' }
    const faults = validateStyleMin({ version: 8, glyphs: 'https://x.vn/{fontstack}/{range}.pbf', sources: { s: source }, layers: [...shapeLayers(layer, 's'), ...labelLayers(layer, 's', STEWARD)] } as never)
    t.strictSame(faults.map(({ message }) => message), [], layer.id)
    t.ok(shapeLayers(layer, 's').length > 0, `${layer.id} is drawn`)
  }
})

t.test('a colour is that of the expression', async (t) => {
  const categories = { by: 'kind', categories: { a: '#111111', '2': '#222222' }, other: '#999999' }
  t.strictSame(['a', 2, 'toString', undefined].map((kind) => colourOf(categories, { kind })), ['#111111', '#222222', '#999999', '#999999'])
  const steps = { by: 'depth', below: '#000000', steps: [[0, '#111111'], [1.5, '#222222']] } as const
  t.strictSame([-1, 0, 1.4, 1.5, 99, undefined].map((depth) => colourOf(steps, { depth })), ['#000000', '#111111', '#111111', '#222222', '#222222', '#000000'])
  t.strictSame([3, 9, 12, 15, 17, 22].map((zoom) => sizeAt(4, zoom)), [2, 2, 3, 4, 6, 8])
})

t.test('a picture is drawn by the style, names where they have room', async (t) => {
  const square = (x: number, y: number, side: number) => Int32Array.of(x, y, x + side, y, x + side, y + side, x, y + side)
  const mvt = encodeMvt([
    { name: 'areas', features: [{ id: 1, kind: 'polygon', parts: [square(0, 0, 2048)], properties: { kind: 'a' } }, { id: null, kind: 'polygon', parts: [square(2048, 2048, 1024)], properties: { kind: 'b', merged: 7 } }] },
    { name: 'spots', features: [{ id: 2, kind: 'point', parts: [Int32Array.of(3072, 1024)], properties: { name: 'Nguyễn Ỷ' } }, { id: 3, kind: 'point', parts: [Int32Array.of(4090, 4090)], properties: { name: 'Cắt ở mép' } }] },
  ])
  const layers = [
    { id: 'areas', style: { fill: { by: 'kind', categories: { a: '#ff0000' }, other: '#0000ff' }, line: '#00ff00', lineWidth: 4 } },
    { id: 'spots', label: 'name', style: { circle: '#123456', circleRadius: 6, labelFrom: 14 } },
  ] as const
  const draw = async (zoom: number) => PNG.sync.read(await drawMap({ mvt, layers, zoom, size: 256 }))
  const near = await draw(15)
  t.strictSame(pixel(near, [64, 64]), [255, 0, 0])
  t.strictSame(pixel(near, [160, 160]), [0, 0, 255])
  t.strictSame(pixel(near, [64, 127]), [0, 255, 0], 'an outline')
  t.strictSame(pixel(near, [128, 160]), [0, 0, 255], 'none around what stands for many')
  t.strictSame(pixel(near, [192, 64]), rgb('#123456'))
  t.equal(near.data[(30 * 256 + 230) * 4 + 3], 0, 'nothing is clear')
  const inked = (png: PNG) => png.data.reduce((sum, alpha, i) => sum + (i % 4 === 3 && alpha > 0 ? 1 : 0), 0)
  t.ok(inked(near) > inked(await draw(13)) + 300, 'a name')
  const withoutEdge = PNG.sync.read(await drawMap({ mvt: encodeMvt([{ name: 'spots', features: [{ id: 3, kind: 'point', parts: [Int32Array.of(4090, 4090)], properties: { name: 'Cắt ở mép' } }] }]), layers, zoom: 15, size: 256 }))
  t.ok(inked(withoutEdge) < 100, 'a name that would be cut is not written')
  t.equal((await drawMap({ mvt: new Uint8Array(), layers, zoom: 3, size: 256 })).subarray(1, 4).toString(), 'PNG')
})

t.test('styles, letters, pictures and containers over HTTP', async (t) => {
  const { url, store, shops } = await testCity(t, [...docs, ...tiles3d])
  const ogc = `${url}/ogc`
  const get = (path: string, headers: Record<string, string> = {}) => fetch(path.startsWith('http') ? path : ogc + path, { headers })
  const json = async (path: string) => (await get(path)).json() as Promise<any>

  t.test('styles are listed, each with its document and what is to be known of it', async (t) => {
    for (const [base, layers] of [['', ['shops', 'lots', 'nothing_yet']], ['/collections/shops', ['shops']], ['/collections/lots', ['lots']]] as const) {
      const resource = base === '' ? await json('?f=json') : await json(`${base}?f=json`)
      t.ok(resource.links.some(({ rel, href }: any) => rel === 'http://www.opengis.net/def/rel/ogc/1.0/styles' && href === `${ogc}${base}/styles`), 'the base resource leads to them')
      const { styles, default: first } = await json(`${base}/styles?f=json`)
      t.strictSame(styles.map(({ id }: any) => id), [first])
      const link = (rel: string) => styles[0].links.find((each: any) => each.rel === rel)
      t.equal(link('stylesheet').type, STYLE_TYPE)
      const stylesheet = await get(link('stylesheet').href)
      t.equal(stylesheet.headers.get('content-type'), STYLE_TYPE)
      const style = await stylesheet.json() as any
      t.strictSame(validateStyleMin(style), [])
      t.equal(style.glyphs, `${ogc}/styles/glyphs/{fontstack}/{range}.pbf`)
      for (const source of Object.values<any>(style.sources)) t.equal((await get(source.url)).status, 200, source.url)
      t.strictSame([...new Set(style.layers.flatMap((layer: any) => layer['source-layer'] ?? []))].sort(), [...layers].sort())
      const metadata = await json(link('describedby').href)
      t.match(metadata, { id: first, scope: 'style', stylesheets: [{ native: true, link: { rel: 'stylesheet', href: link('stylesheet').href } }] })
      t.strictSame(metadata.layers.map(({ id }: any) => id), layers)
      const preview = await get(link('preview').href)
      t.strictSame([preview.status, preview.headers.get('content-type')], [200, 'image/png'])
      t.match(await (await get(`${base}/styles/default?f=html`)).text(), '/docs/maplibre?style=/ogc')
      t.equal((await get(`${base}/styles/night`)).status, 404)
      const etag = stylesheet.headers.get('etag')!
      t.equal((await get(link('stylesheet').href, { 'If-None-Match': etag })).status, 304)
    }
    t.equal((await get('/collections/cables/styles')).status, 404, 'not for the public')
    const ours = await (await get('/styles/default', { Authorization: 'Bearer steward', Accept: '*/*' })).json() as any
    t.ok(ours.layers.some((layer: any) => layer['source-layer'] === 'cables'))
    t.equal((await get('/styles/default', { Accept: 'text/html' })).headers.get('content-type'), 'text/html; charset=utf-8')
  })

  t.test('letters: every one that Vietnamese needs', async (t) => {
    const lettersOf = async (range: string) => {
      const response = await get(`/styles/glyphs/${encodeURIComponent(FONT)}/${range}.pbf`)
      t.equal(response.status, 200, range)
      return readGlyphs(new Uint8Array(await response.arrayBuffer()))
    }
    const letters = new Map([...await lettersOf('0-255'), ...await lettersOf('256-511'), ...await lettersOf('768-1023'), ...await lettersOf('7680-7935'), ...await lettersOf('8192-8447')])
    const wanted = [...new Set([...'AĂÂBCDĐEÊGHIKLMNOÔƠPQRSTUƯVXY'].flatMap((base) => ['', '\u0300', '\u0301', '\u0303', '\u0309', '\u0323'].flatMap((tone) => {
      const letter = (base + tone).normalize('NFC')
      return [...letter].length === 1 ? [letter, letter.toLowerCase()] : []
    })))]
    t.ok(wanted.length > 140)
    t.strictSame(wanted.filter((letter) => !letters.get(letter.codePointAt(0)!)?.bitmap), [])
    const o = letters.get('Ộ'.codePointAt(0)!)!
    t.equal(o.bitmap!.length, (o.width + 6) * (o.height + 6))
    t.ok(o.height > letters.get('O'.codePointAt(0)!)!.height + 4, 'with its marks')
    t.ok(Math.max(...o.bitmap!) > 200 && Math.min(...o.bitmap!) === 0, 'near and far')
    t.match(letters.get(32), { width: 0, height: 0 })
    t.ok(letters.get(32)!.advance > 3)
    t.equal((await lettersOf('65280-65535')).size, 1)
    for (const path of [`${FONT}/1-256`, `${FONT}/0-511`, `${FONT}/65536-65791`, `${FONT}/x`, 'Comic Sans/0-255']) t.equal((await get(`/styles/glyphs/${encodeURI(path)}.pbf`)).status, 404, path)
  })

  t.test('pictures are those of the vector tiles, with validators of their own', async (t) => {
    const at = tileAt(108.2, 16.04, 16)
    const [west, north] = lonLatAt(at.x, at.y, 16)
    const [east, south] = lonLatAt(at.x + 1, at.y + 1, 16)
    const spot = [((108.2 - west) / (east - west)) * 256, ((north - 16.04) / (north - south)) * 256] as const
    const address = `/collections/shops/map/tiles/WebMercatorQuad/16/${at.y}/${at.x}`
    const first = await get(address, { Accept: 'text/html, */*;q=0.1' })
    t.strictSame([first.status, first.headers.get('content-type')], [200, 'image/png'])
    t.strictSame(pixel(PNG.sync.read(Buffer.from(await first.arrayBuffer())), spot), rgb('#c2562d'))
    t.equal((await get(address, { 'If-None-Match': first.headers.get('etag')! })).status, 304)
    t.equal((await get(`${address}?datetime=2001-01-01T00:00:00Z`)).status, 200)
    await store.withRevision({ actor: 'test', reason: 'moved' }, (writer) => updateFeature(writer, SHOPS, 'main', shops[0]!, { geometry: { type: 'Point', coordinates: [108.19, 16.04] } }))
    const second = await get(address)
    t.not(second.headers.get('etag'), first.headers.get('etag'))
    t.equal(PNG.sync.read(Buffer.from(await second.arrayBuffer())).data[(Math.round(spot[1]) * 256 + Math.round(spot[0])) * 4 + 3], 0, 'it is not there any more')
    t.equal((await get(`/collections/cables/map/tiles/WebMercatorQuad/16/${at.y}/${at.x}`)).status, 404)
    for (const grid of ['WorldCRS84Quad', 'CityQuad']) {
      const [set] = (await json(`/collections/lots/map/tiles?f=json`)).tilesets.filter(({ tileMatrixSetId }: any) => tileMatrixSetId === grid)
      const limit = set.tileMatrixSetLimits.at(-1)
      const png = PNG.sync.read(Buffer.from(await (await get(`/collections/lots/map/tiles/${grid}/${limit.tileMatrix}/${limit.maxTileRow}/${limit.minTileCol}`)).arrayBuffer()))
      t.strictSame([png.width, png.height], [256, 256], grid)
    }
    const together = await Promise.all(Array.from({ length: 8 }, () => get(`/map/tiles/WebMercatorQuad/14/${tileAt(108.21, 16.05, 14).y}/${tileAt(108.21, 16.05, 14).x}?collections=lots,shops`)))
    t.strictSame([...new Set(together.map(({ status }) => status))], [200])
  })

  t.test('containers lead to 3D Tiles', async (t) => {
    const { conformsTo } = await json('/conformance?f=json')
    for (const scheme of ['http', 'https']) for (const name of ['core', '3d-tiles']) t.ok(conformsTo.includes(`${scheme}://www.opengis.net/spec/ogcapi-geovolumes-1/1.0/conf/${name}`))
    const { collections } = await json('/collections?f=json')
    const containers = collections.filter(({ collectionType }: any) => collectionType === '3d-container')
    t.strictSame(containers.map(({ id }: any) => id), ['city-3d'], 'the root alone is listed')
    t.ok(containers.every(({ layerDataType }: any) => layerDataType === 'Coverage'), 'by which GDAL passes over them')
    t.strictSame(collections.filter(({ itemType }: any) => itemType === 'feature' || itemType === 'record').filter(({ layerDataType }: any) => layerDataType), [], 'and over no others')
    t.strictSame(containers[0].children.map(({ id }: any) => id), ['lots-3d'])
    const lots = await json('/collections/lots-3d?f=json')
    const before = lots.extent.spatial.bbox[0]
    for (const { href, type } of [...collections.find(({ id }: any) => id === 'lots').links, ...lots.links].filter(({ rel }: any) => rel === 'http://www.opengis.net/def/rel/ogc/1.0/3d-geovolumes')) {
      t.match(type, /^application\/(json\+3dtiles|3dtiles\+json)$/)
      const tileset = await json(href)
      t.equal(tileset.asset.version, '1.1')
      const after = await json('/collections/lots-3d?f=json')
      const [west, south, low, east, north, high] = after.extent.spatial.bbox[0]
      const region = tileset.root.boundingVolume.region.map((value: number, i: number) => (i < 4 ? (value * 180) / Math.PI : value))
      const slack = 1e-6
      t.ok(west <= region[0] + slack && south <= region[1] + slack && east >= region[2] - slack && north >= region[3] - slack && low <= region[4] + slack && high >= region[5] - slack, 'the box holds the tileset')
      t.ok(high - low <= before[5] - before[2], 'heights are told once they are known')
      const content = new URL(tileset.root.content?.uri ?? tileset.root.children[0].content.uri, href)
      t.equal(Buffer.from(await (await get(content.href)).arrayBuffer()).subarray(0, 4).toString(), 'glTF')
    }
    t.match(await (await get('/collections/city-3d?f=html')).text(), 'lots-3d')
    t.equal((await get('/collections/shops-3d')).status, 404)
  })

  t.test('MapLibre and OpenLayers show them, and ask nobody else', async (t) => {
    await store.withRevision({ actor: 'test', reason: 'more' }, (writer) => insertFeatures(writer, LOTS, 'main', [{ geometry: { type: 'MultiPolygon', coordinates: [[[[108.2, 16.03], [108.24, 16.03], [108.24, 16.035], [108.2, 16.035], [108.2, 16.03]]]] }, properties: { so_thua: '1' } }]))
    const browser = await launchBrowser(t)
    for (const style of ['/ogc/styles/default', '/ogc/collections/lots/styles/default']) {
      const seen = await seeInMapLibre(browser, url, style, { zoom: 14, lon: 108.21, lat: 16.045 })
      t.strictSame([seen.foreign, seen.faults], [[], []], style)
      t.ok(seen.features.lots! >= 5 && seen.colours > 3, `${style}: ${JSON.stringify(seen.features)}, ${seen.colours} colours`)
      if (!style.includes('lots')) t.ok(seen.features.shops! > 10)
    }
    for (const grid of ['WebMercatorQuad', 'WorldCRS84Quad', 'CityQuad']) {
      const seen = await seeInOpenLayers(browser, url, `${ogc}/tiles/${grid}`, { lon: 108.22, lat: 16.04, metresPerPixel: 10 })
      t.strictSame([seen.foreign, seen.faults], [[], []], grid)
      t.ok(seen.features.lots! >= 5 && seen.features.shops! > 10 && seen.colours > 1, `${grid}: ${JSON.stringify(seen.features)}, ${seen.colours} colours`)
      const [west, south, east, north] = seen.extent
      t.ok(west! > 108.18 && south! > 16.02 && east! < 108.26 && north! < 16.06, `${grid} in its place: ${seen.extent}`)
    }
  })
})

interface Glyph { code: number; bitmap?: Uint8Array; width: number; height: number; advance: number }

/** Source: glyphs.proto of Mapbox’s font tools. */
function readGlyphs(bytes: Uint8Array): Map<number, Glyph> {
  const glyphs = new Map<number, Glyph>()
  new PbfReader(bytes).readFields((tag, _, pbf) => {
    if (tag === 1) pbf.readMessage((tag, _, pbf) => {
      if (tag !== 3) return
      const glyph = pbf.readMessage((tag, glyph: Glyph, pbf) => {
        if (tag === 1) glyph.code = pbf.readVarint()
        else if (tag === 2) glyph.bitmap = pbf.readBytes()
        else if (tag === 3) glyph.width = pbf.readVarint()
        else if (tag === 4) glyph.height = pbf.readVarint()
        else if (tag === 7) glyph.advance = pbf.readVarint()
      }, { code: 0, width: 0, height: 0, advance: 0 })
      glyphs.set(glyph.code, glyph)
    }, null)
  }, null)
  return glyphs
}
