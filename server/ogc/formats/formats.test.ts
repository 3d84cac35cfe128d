/** Items as files: what came out of the server is read by the import's readers, and GML by GDAL with the schema that we serve. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Feature } from '../../../core/feature.js'
import { FORMATS } from '../../export/formats.js'
import { openAny } from '../../import/open-source.js'
import { insertFeatures, deleteFeature } from '../../store/writes.js'
import { SHOPS, shop, testCity } from '../test-city.js'

const FILES = ['flatgeobuf', 'geoparquet', 'gpkg', 'csv', 'cityjson', 'gml'] as const

t.test('items in the formats of files', async (t) => {
  const { url, store, shops, lots } = await testCity(t)
  const folder = t.testdir()
  const items = `${url}/ogc/collections/shops/items`

  async function read(response: Response, name: string): Promise<Feature[]> {
    t.equal(response.status, 200, name)
    const path = join(folder, name)
    writeFileSync(path, Buffer.from(await response.arrayBuffer()))
    const opened = await openAny(path)
    if (opened.kind !== 'features') throw new Error('no features')
    try {
      const all: Feature[] = []
      for (const layer of opened.source.layers) for await (const feature of layer.features()) all.push(feature)
      return all
    } finally {
      await opened.source.close()
    }
  }
  const links = (response: Response) => new Map([...(response.headers.get('link') ?? '').matchAll(/<([^>]+)>; rel="([^"]+)"; type="((?:\\.|[^"])*)"/g)].map(([, href, rel, type]) => [rel!, { href: href!, type: type! }]))
  const floors = (features: readonly Feature[]) => features.map(({ properties }) => Number(properties.floors)).sort()

  for (const f of FILES) {
    await t.test(f, async (t) => {
      const { mediaType, extension } = FORMATS[f]
      const whole = await fetch(`${items}?f=${f}`)
      t.strictSame([whole.headers.get('content-type'), whole.headers.get('ogc-numbermatched'), whole.headers.get('ogc-numberreturned')], [mediaType, '60', '60'])
      t.equal(whole.headers.get('content-disposition'), `attachment; filename="shops${extension}"`)
      t.notOk(links(whole).has('next'), 'without a limit it is all there is')
      t.equal((await read(whole, `whole${extension}`)).length, 60)

      const byAccept = await fetch(`${items}?limit=25`, { headers: { accept: mediaType } })
      t.equal(byAccept.headers.get('content-type'), mediaType)
      t.strictSame([byAccept.headers.get('ogc-numbermatched'), byAccept.headers.get('ogc-numberreturned')], ['60', '25'])
      const pages: Feature[] = await read(byAccept, `page${extension}`)
      for (let next = links(byAccept).get('next'); next;) {
        t.equal(next.type.replaceAll('\\"', '"'), mediaType)
        const page = await fetch(next.href)
        pages.push(...await read(page, `next${extension}`))
        next = links(page).get('next')
      }
      t.equal(pages.length, 60)
      t.equal(new Set(pages.map(({ properties }) => properties.name)).size, 60, 'no feature twice')

      const some = await fetch(`${items}?f=${f}&filter=${encodeURIComponent("kind = 'food' and floors > 3")}&properties=floors,name`)
      t.strictSame(floors(await read(some, `some${extension}`)), shopsWith((i) => i % 3 === 0 && i % 7 > 3))
      const sorted = await fetch(`${items}?f=${f}&sortby=-floors&limit=8`)
      if (sorted.ok) t.strictSame(floors(await read(sorted, `sorted${extension}`)), [6, 6, 6, 6, 6, 6, 6, 6], 'the page is that of the order asked for')

      const one = await fetch(`${items}/${shops[4]}?f=${f}`)
      t.strictSame((await read(one, `one${extension}`)).map(({ properties }) => properties.name), ['Tiệm số 4'])
      t.equal((await fetch(`${items}/999?f=${f}`)).status, 404)
      t.equal((await fetch(`${url}/ogc/collections/cables/items?f=${f}`)).status, 404, 'what one may not see is not there')
      const none = await fetch(`${url}/ogc/collections/nothing_yet/items?f=${f}`)
      t.strictSame([none.status, none.headers.get('ogc-numberreturned')], [200, '0'])
      t.ok((await none.arrayBuffer()).byteLength > 0)
      const head = await fetch(`${items}?f=${f}`, { method: 'HEAD' })
      t.strictSame([head.status, head.headers.get('content-type'), (await head.arrayBuffer()).byteLength], [200, mediaType, 0])
      const again = await fetch(`${items}?f=${f}`, { headers: { 'if-none-match': whole.headers.get('etag')! } })
      t.equal(again.status, 304)
    })
  }

  await t.test('many pages at once are all answered', async (t) => {
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => fetch(`${items}?f=${FILES[i % FILES.length]}&limit=7`)))
    t.strictSame([...new Set(answers.map(({ status }) => status))], [200])
    for (const answer of answers) await answer.arrayBuffer()
  })

  await t.test('the CRS is told as the file has it', async (t) => {
    const crs = async (query: string) => (await fetch(`${url}/ogc/collections/lots/items?${query}`, { method: 'HEAD' })).headers.get('content-crs')
    const epsg = (srid: number) => `http://www.opengis.net/def/crs/EPSG/0/${srid}`
    t.equal(await crs('f=gpkg'), '<http://www.opengis.net/def/crs/OGC/1.3/CRS84>')
    t.equal(await crs(`f=gpkg&crs=${epsg(4326)}`), '<http://www.opengis.net/def/crs/OGC/1.3/CRS84>', 'longitude comes first in a GeoPackage')
    t.equal(await crs(`f=gml&crs=${epsg(4326)}`), `<${epsg(4326)}>`, 'and latitude in GML')
    t.equal(await crs(`f=flatgeobuf&crs=${epsg(5899)}`), `<${epsg(5899)}>`)
    t.equal(await crs('f=cityjson'), `<${epsg((await store.city()).srid)}>`, 'city models are in metres')
    const text = await (await fetch(`${items}?f=gml&limit=1&crs=${epsg(4326)}`)).text()
    t.match(text, new RegExp(`srsName="${epsg(4326)}" srsDimension="2"><gml:pos>16.04 108.2<`))
  })

  await t.test('features that were retired in an interval are in the file too', async (t) => {
    const { result: id } = await store.withRevision({ actor: 'test', reason: 'more' }, async (writer) => (await insertFeatures(writer, SHOPS, 'main', [{ ...shop(1), sourceId: 'gone' }]))[0]!)
    const before = new Date(Date.now() - 60_000).toISOString()
    await store.withRevision({ actor: 'test', reason: 'closed' }, (writer) => deleteFeature(writer, SHOPS, 'main', id))
    for (const f of FILES) t.equal((await read(await fetch(`${items}?f=${f}&datetime=${before}/..`), `interval${FORMATS[f].extension}`)).length, 61, f)
    t.equal((await read(await fetch(`${url}/ogc/collections/lots/items?f=cityjson&datetime=${before}/..`), 'lots.city.json')).length, 5, 'with their solids')
  })

  await t.test('GML has the schema that it is served with', async (t) => {
    const response = await fetch(`${url}/ogc/collections/lots/items?f=gml&limit=2`)
    const schema = links(response).get('describedby')!
    t.equal(schema.href, `${url}/ogc/collections/lots/schema/gml`)
    const text = await response.text()
    t.match(text, `gml:id="lots.${lots[0]}"`)
    t.ok(text.includes(schema.href), 'and names it')
    writeFileSync(join(folder, 'lots.gml'), text)
    const xsd = await fetch(schema.href)
    t.equal(xsd.headers.get('content-type'), 'application/xml')
    writeFileSync(join(folder, 'lots.xsd'), await xsd.text())
    const info = execFileSync('ogrinfo', ['-al', '-oo', 'FORCE_SRS_DETECTION=YES', join(folder, 'lots.gml')], { encoding: 'utf8', env: { ...process.env, GML_SKIP_RESOLVE_ELEMS: 'ALL' } })
    t.match(info, /Geometry: Multi Surface/)
    t.match(info, /height: Real/, 'GDAL knows the types of fields')
    t.match(info, /so_thua \(String\) = 345/)
    t.ok(info.includes(`id (Integer64) = ${lots[0]}`), 'ids are whole')
    t.match(info, /108\.21 16\.05,/)
  })
})

/** Floors of the shops that satisfy a condition, by their number. */
function shopsWith(condition: (i: number) => boolean): number[] {
  return Array.from({ length: 60 }, (_, i) => i).filter(condition).map((i) => i % 7).sort()
}
