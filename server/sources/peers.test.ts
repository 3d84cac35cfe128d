/** Sources that are services: another dothi over HTTP, and servers that answer as WFS 2.0 (OGC 09-025r2) and FeatureServer layers do. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text as bodyOf } from 'node:stream/consumers'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import type { Layer } from '../../layers/layer.js'
import { STEWARD } from '../store/store.js'
import { insertFeatures, updateFeature, deleteFeature } from '../store/writes.js'
import { testServer } from '../testing/test-store.js'
import { toGeoJson } from './fetch-esri.js'
import { addSource, removeSource } from './registry.js'
import type { SourceInput } from './source.js'

process.env.ALLOW_PRIVATE = '127.0.0.0/8'

const title = (text: string) => ({ vi: text, en: text })
const base = { description: title(''), group: 'services', kind: 'city', style: {}, zoom: { min: 0, max: 16 }, classification: 'open', licence: 'CC0-1.0' } as const
const columns = [{ name: 'code', type: 'text', title: title('Code') }, { name: 'reach', type: 'number', title: title('Reach') }, { name: 'since', type: 'date', title: title('Since') }] as const
const POLES: Layer = { ...base, id: 'poles', title: title('Poles'), geometry: 'point', columns }
const LOTS: Layer = { ...base, id: 'lots', title: title('Lots'), geometry: 'polygon', columns }

async function follower(t: Test) {
  const dataDir = await mkdtemp(join(tmpdir(), 'dothi-peers-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const { store, jobs } = await testServer(t, { layers: [POLES, LOTS], config: { dataDir } })
  await store.setCity({ name: 'Đà Nẵng', srid: 5899, home: { lon: 108.2, lat: 16.05, zoom: 12 }, verticalDatum: 'Hòn Dấu', geoidOffset: 0, timeZone: 'Asia/Ho_Chi_Minh', currency: 'VND', sample: false })
  return {
    store,
    declare: (source: Omit<SourceInput, 'id'>) => addSource(store, { id: 'up', ...source }, { actor: 'an', anyFolder: false }),
    forget: () => removeSource(store, 'up', { actor: 'an', rows: 'remove' }),
    async sync() {
      const job = await jobs.run('sync', { source: 'up', dataDir }, STEWARD)
      const result = job.result as any
      return { ...result, state: job.state, message: job.message }
    },
    rows: async (layer = 'poles') => (await sql<any>`select source_id, code, reach, since::text, round(st_x(st_centroid(geom))::numeric, 5)::float8 as x, round(st_y(st_centroid(geom))::numeric, 5)::float8 as y from ${sql.id('city', layer)} where source = 'up' order by code`.execute(store.db)).rows,
  }
}

/** What a peer serves: numbered points on a grid. */
interface Pole { readonly n: number; readonly x: number; readonly y: number; readonly reach: number }
const poles = (count: number): Pole[] => Array.from({ length: count }, (_, n) => ({ n, x: 108.2 + (n % 50) * 0.0005, y: 16.04 + Math.floor(n / 50) * 0.0005, reach: n % 30 }))
const codeOf = (n: number) => `C${String(n).padStart(5, '0')}`

async function peer(t: Test, handle: (url: URL, request: IncomingMessage, response: ServerResponse) => unknown): Promise<string> {
  const server = createServer((request, response) => {
    void Promise.resolve(handle(new URL(request.url!, 'http://peer'), request, response)).then(answer => {
      if (answer === undefined) return
      if (typeof answer === 'string') response.setHeader('Content-Type', answer.startsWith('<') ? 'text/xml' : 'text/plain')
      response.end(typeof answer === 'string' ? answer : JSON.stringify(answer))
    })
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  t.teardown(() => { server.closeAllConnections(); server.close() })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

t.test('a collection of another dothi is followed page by page, in any CRS it is served in', async t => {
  const upstream = await testServer(t, { layers: [POLES] })
  const { result: ids } = await upstream.store.withRevision({ actor: 'x', reason: 'x' }, writer => insertFeatures(writer, POLES, 'main',
    poles(2300).map(({ n, x, y, reach }) => ({ geometry: { type: 'Point', coordinates: [x, y] }, properties: { code: codeOf(n), reach, since: '2024-02-29' } }))))
  const { declare, sync, rows, forget } = await follower(t)
  const location = `${upstream.url}/ogc/collections/poles`
  await declare({ kind: 'ogc-features', location, targets: [{ layer: 'poles' }] })
  t.match(await sync(), { state: 'successful', read: 2300, inserted: 2300 })
  const first = await rows()
  t.strictSame([first.length, first[7]], [2300, { source_id: String(ids[7]), code: 'C00007', reach: 7, since: '2024-02-29', x: 108.2035, y: 16.04 }])
  t.match(await sync(), { nothing: /same as before/ })
  await upstream.store.withRevision({ actor: 'x', reason: 'x' }, async writer => {
    await updateFeature(writer, POLES, 'main', ids[3]!, { properties: { reach: 99 } })
    await updateFeature(writer, POLES, 'main', ids[5]!, { geometry: { type: 'Point', coordinates: [108.25, 16.06] } })
    await deleteFeature(writer, POLES, 'main', ids[1500]!)
    await insertFeatures(writer, POLES, 'main', [{ geometry: { type: 'Point', coordinates: [108.21, 16.05] }, properties: { code: 'NEW' } }])
  })
  t.match(await sync(), { state: 'successful', inserted: 1, updated: 2, deleted: 1, unchanged: 2297 })
  const now = await rows()

  for (const [crs, address] of [['EPSG:4326', `${location}/items?limit=3`], ['EPSG:5899', `${upstream.url}/ogc`]] as const) {
    await forget()
    await declare({ kind: 'ogc-features', location: address, collection: 'poles', crs, targets: [{ layer: 'poles' }] })
    t.match(await sync(), { state: 'successful', inserted: 2300 }, crs)
    t.strictSame(await rows(), now, `${crs}: the same places`)
  }
  await forget()
  await declare({ kind: 'ogc-features', location, crs: 'EPSG:2056', targets: [{ layer: 'poles' }] })
  t.match(await sync(), { state: 'failed', message: /not served in EPSG:2056/ })
  await forget()
  await declare({ kind: 'ogc-features', location: `${upstream.url}/ogc/collections/pylons`, targets: [{ layer: 'poles' }] })
  t.match(await sync(), { state: 'failed', message: /answered 404.*pylons/ })
})

t.test('an OGC API that misbehaves is told from one that shrinks', async t => {
  let answer: (url: URL) => unknown = () => ({})
  const url = await peer(t, asked => answer(asked))
  const { declare, sync } = await follower(t)
  await declare({ kind: 'ogc-features', location: `${url}/collections/x`, targets: [{ layer: 'poles' }] })
  const page = (features: readonly number[], more: object) => ({ type: 'FeatureCollection', features: features.map(n => ({ type: 'Feature', id: n, geometry: { type: 'Point', coordinates: [108.2 + n / 1000, 16.05] }, properties: { code: codeOf(n) } })), ...more })
  const links = (href: string) => ({ links: [{ rel: 'next', type: 'application/geo+json', href }] })
  answer = asked => (asked.pathname.endsWith('/items') ? page([1, 2], links('/collections/x/items?limit=1000')) : { id: 'x', links: [] })
  t.match(await sync(), { state: 'failed', message: /links a page of items to itself/ })
  answer = asked => (asked.searchParams.has('page') ? page([2, 3], {}) : asked.pathname.endsWith('/items') ? page([1, 2], { numberMatched: 4, ...links('/collections/x/items?page=2') }) : { id: 'x' })
  t.match(await sync(), { state: 'failed', message: /says it has 4 features, but gave 3 different ones/ }, 'pages that overlap lose features')
  answer = asked => (asked.searchParams.has('page') ? page([3, 4], {}) : asked.pathname.endsWith('/items') ? page([1, 2], { numberMatched: 4, ...links('items?page=2') }) : { id: 'x' })
  t.match(await sync(), { state: 'successful', inserted: 4 })
  answer = asked => (asked.pathname.endsWith('/items') ? '<html><title>Sign in</title></html>' : { id: 'x' })
  t.match(await sync(), { state: 'failed', message: /web page instead of data: “Sign in”/ })
  answer = asked => (asked.pathname.endsWith('/items') ? page([1], links('http://169.254.169.254/latest')) : { id: 'x' })
  t.match(await sync(), { state: 'failed', message: /private or reserved/ }, 'a next link leads nowhere private')
})

/** A WFS 2.0 as the common servers answer: GeoJSON x first, GML in the axis order of the URN. */
function wfs(features: () => readonly Pole[], { json, paging = true, page = 400 }: { json: boolean; paging?: boolean; page?: number }) {
  const asked: URLSearchParams[] = []
  const answer = (url: URL): unknown => {
    const q = new URLSearchParams([...url.searchParams].map(([name, value]): [string, string] => [name.toLowerCase(), value]))
    asked.push(q)
    if (q.get('map') !== 'city') return '<ows:ExceptionReport xmlns:ows="http://www.opengis.net/ows/1.1" version="2.0.0"><ows:Exception exceptionCode="MissingParameterValue"><ows:ExceptionText>No map file</ows:ExceptionText></ows:Exception></ows:ExceptionReport>'
    switch (q.get('request')) {
      case 'GetCapabilities': return `<?xml version="1.0"?><wfs:WFS_Capabilities version="2.0.0" xmlns:wfs="http://www.opengis.net/wfs/2.0" xmlns:ows="http://www.opengis.net/ows/1.1" xmlns:xlink="http://www.w3.org/1999/xlink">
        <ows:OperationsMetadata><ows:Operation name="GetFeature"><ows:DCP><ows:HTTP><ows:Get xlink:href="http://10.0.0.5/inner?"/></ows:HTTP></ows:DCP>
          <ows:Parameter name="outputFormat"><ows:AllowedValues><ows:Value>application/gml+xml; version=3.2</ows:Value>${json ? '<ows:Value>application/json</ows:Value>' : ''}<ows:Value>csv</ows:Value></ows:AllowedValues></ows:Parameter></ows:Operation>
          <ows:Constraint name="ImplementsResultPaging"><ows:NoValues/><ows:DefaultValue>${paging ? 'TRUE' : 'FALSE'}</ows:DefaultValue></ows:Constraint>
          <ows:Constraint name="CountDefault"><ows:NoValues/><ows:DefaultValue>${page}</ows:DefaultValue></ows:Constraint></ows:OperationsMetadata>
        <wfs:FeatureTypeList><wfs:FeatureType><wfs:Name>city:lamps</wfs:Name><wfs:DefaultCRS>urn:ogc:def:crs:EPSG::3857</wfs:DefaultCRS></wfs:FeatureType>
          <wfs:FeatureType><wfs:Name>city:poles</wfs:Name><wfs:Title>Cột</wfs:Title><wfs:DefaultCRS>urn:ogc:def:crs:EPSG::4326</wfs:DefaultCRS><wfs:OtherCRS>urn:ogc:def:crs:EPSG::3857</wfs:OtherCRS></wfs:FeatureType></wfs:FeatureTypeList></wfs:WFS_Capabilities>`
      case 'DescribeFeatureType': return `<xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema" targetNamespace="http://city"><xsd:complexType name="polesType"><xsd:complexContent><xsd:extension base="gml:AbstractFeatureType"><xsd:sequence>
        <xsd:element name="code" type="xsd:string"/><xsd:element name="reach" type="xsd:double"/><xsd:element name="geom" type="gml:PointPropertyType"/></xsd:sequence></xsd:extension></xsd:complexContent></xsd:complexType><xsd:element name="poles" type="city:polesType"/></xsd:schema>`
      case 'GetFeature': {
        if (q.get('resulttype') === 'hits') return `<wfs:FeatureCollection xmlns:wfs="http://www.opengis.net/wfs/2.0" numberMatched="${features().length}" numberReturned="0"/>`
        const [start, count] = paging ? [Number(q.get('startindex')), Math.min(page, Number(q.get('count')))] : [0, Infinity]
        const some = features().slice(start, start + count)
        return json ? geoJson(some, q.get('srsname')!) : gml(some)
      }
      default: return ''
    }
  }
  return { answer, asked }
}
const mercator = ({ x, y }: Pole) => [x * 20037508.342789244 / 180, Math.log(Math.tan((90 + y) * Math.PI / 360)) / Math.PI * 20037508.342789244]
const geoJson = (some: readonly Pole[], srs: string) => ({
  type: 'FeatureCollection', totalFeatures: some.length, crs: { type: 'name', properties: { name: srs } },
  features: some.map(p => ({ type: 'Feature', id: `poles.${p.n}`, geometry: { type: 'Point', coordinates: srs.endsWith('3857') ? mercator(p) : [p.x, p.y] }, geometry_name: 'geom', properties: { code: codeOf(p.n), reach: p.reach } })),
})
const gml = (some: readonly Pole[]) => `<?xml version="1.0"?><wfs:FeatureCollection xmlns:wfs="http://www.opengis.net/wfs/2.0" xmlns:gml="http://www.opengis.net/gml/3.2" xmlns:city="http://city" numberReturned="${some.length}">
  ${some.map(p => `<wfs:member><city:poles gml:id="poles.${p.n}"><city:code>${codeOf(p.n)}</city:code><city:reach>${p.reach}</city:reach><city:geom><gml:Point srsName="urn:ogc:def:crs:EPSG::4326" gml:id="g${p.n}"><gml:pos>${p.y} ${p.x}</gml:pos></gml:Point></city:geom></city:poles></wfs:member>`).join('')}
</wfs:FeatureCollection>`

t.test('a WFS is read as GeoJSON or GML, paged or whole, whatever its capabilities say of its address', async t => {
  let features = poles(1000)
  let server = wfs(() => features, { json: true })
  const url = await peer(t, asked => server.answer(asked))
  const { declare, sync, rows, forget } = await follower(t)
  const source: Omit<SourceInput, 'id'> = { kind: 'wfs', location: `${url}/ows?map=city&SERVICE=WFS`, collection: 'poles', identity: 'code', targets: [{ layer: 'poles' }] }
  await declare(source)
  t.match(await sync(), { state: 'successful', inserted: 1000 })
  const first = await rows()
  t.strictSame(first[51], { source_id: 'C00051', code: 'C00051', reach: 21, since: null, x: 108.2005, y: 16.0405 })
  t.strictSame(server.asked.filter(q => q.has('startindex')).map(q => [q.get('startindex'), q.get('count'), q.get('sortby')]), [['0', '400', 'code ASC'], ['400', '400', 'code ASC'], ['800', '400', 'code ASC']])
  features = features.filter(({ n }) => n !== 10).map(p => (p.n === 20 ? { ...p, reach: 77 } : p))
  t.match(await sync(), { state: 'successful', updated: 1, deleted: 1, unchanged: 998 })
  const now = await rows()

  for (const [told, options, crs] of [['GML', { json: false }, undefined], ['GML without paging', { json: false, paging: false }, undefined], ['GeoJSON in metres', { json: true }, 'EPSG:3857'], ['GeoJSON without paging', { json: true, paging: false }, undefined]] as const) {
    await forget()
    server = wfs(() => features, options)
    await declare({ ...source, ...(crs ? { crs } : {}) })
    t.match(await sync(), { state: 'successful', inserted: 999 }, told)
    t.strictSame(await rows(), now, `${told}: the same rows`)
  }
  // MapServer counts 0 where its map file is not quite right: what is there is read all the same.
  await forget()
  const whole = wfs(() => features, { json: true })
  server = { ...whole, answer: asked => (asked.searchParams.get('resultType') === 'hits' ? '<wfs:FeatureCollection xmlns:wfs="http://www.opengis.net/wfs/2.0" numberMatched="0" numberReturned="0"/>' : whole.answer(asked)) }
  { const { identity: _none, ...unnamed } = source; await declare(unnamed) }
  t.match(await sync(), { state: 'successful', inserted: 999 }, 'a wrong count ends nothing early')
  const asGml = wfs(() => features, { json: false })
  server = { ...asGml, answer: asked => (asked.searchParams.get('resultType') === 'hits' ? '<wfs:FeatureCollection xmlns:wfs="http://www.opengis.net/wfs/2.0" numberMatched="unknown" numberReturned="0"/>' : asGml.answer(asked)) }
  t.match(await sync(), { state: 'successful' }, 'nor does none in GML')
  const fails = async (more: Partial<SourceInput>, message: RegExp) => { await forget(); await declare({ ...source, ...more }); t.match(await sync(), { state: 'failed', message }) }
  await fails({ collection: 'pylons' }, /no feature type “pylons”. It has city:lamps, city:poles/)
  await fails({ identity: 'uuid' }, /no attribute “uuid”. It has code, reach, geom/)
  await fails({ location: `${url}/ows` }, /refused: “No map file”/)
  await fails({ crs: 'EPSG:2056' }, /not served in EPSG:2056. It has EPSG:4326, EPSG:3857/)
  server = { ...wfs(() => features, { json: true }), answer: asked => (asked.searchParams.has('startIndex') ? geoJson(features.slice(0, 400), 'EPSG:4326') : wfs(() => features, { json: true }).answer(asked)) }
  await fails({}, /same page again and again/)
})

t.test('a FeatureServer layer is read by object ids, as many at a time as it gives', async t => {
  let features = poles(700)
  const chunks: number[] = []
  let limit = 300
  const square = ({ x, y }: Pole, d = 0.0002) => [[x, y], [x, y + d], [x + d, y + d], [x + d, y], [x, y]]
  const url = await peer(t, async (asked, request) => {
    const q = new URLSearchParams(request.method === 'POST' ? await bodyOf(request) : asked.search)
    if (asked.pathname === '/rest/services/a/FeatureServer/9') return { error: { code: 499, message: 'Token Required', details: [] } }
    const polygons = asked.pathname.includes('/1')
    if (!asked.pathname.endsWith('/query')) return {
      id: 0, name: 'Poles', type: 'Feature Layer', geometryType: polygons ? 'esriGeometryPolygon' : 'esriGeometryPoint', objectIdField: 'OBJECTID', maxRecordCount: 300, supportedQueryFormats: 'JSON, geoJSON, PBF',
      extent: { spatialReference: { wkid: 4326, latestWkid: 4326 } },
      fields: [{ name: 'OBJECTID', type: 'esriFieldTypeOID' }, { name: 'code', type: 'esriFieldTypeString' }, { name: 'reach', type: 'esriFieldTypeDouble' }, { name: 'since', type: 'esriFieldTypeDate' }],
    }
    if (q.get('returnIdsOnly') === 'true') return { objectIdFieldName: 'OBJECTID', objectIds: features.map(({ n }) => n).reverse() }
    const wanted = new Set(q.get('objectIds')!.split(',').map(Number))
    const found = features.filter(({ n }) => wanted.has(n))
    chunks.push(wanted.size)
    return {
      objectIdFieldName: 'OBJECTID', spatialReference: { wkid: Number(q.get('outSR')) }, ...(found.length > limit ? { exceededTransferLimit: true } : {}),
      features: found.slice(0, limit).map(p => ({
        attributes: { OBJECTID: p.n, code: codeOf(p.n), reach: p.reach, since: Date.UTC(2024, 1, 29) },
        // The second square lies in the first, drawn the other way round: a hole.
        geometry: polygons ? { rings: [square(p), square({ ...p, x: p.x + 0.00005, y: p.y + 0.00005 }, 0.0001).reverse()] } : q.get('outSR') === '3857' ? (([x, y]) => ({ x, y }))(mercator(p)) : { x: p.x, y: p.y },
      })),
    }
  })
  const { declare, sync, rows, forget, store } = await follower(t)
  const source: Omit<SourceInput, 'id'> = { kind: 'esri', location: `${url}/rest/services/a/FeatureServer/0/`, targets: [{ layer: 'poles' }] }
  await declare(source)
  t.match(await sync(), { state: 'successful', inserted: 700 })
  const first = await rows()
  t.strictSame([first[51], chunks], [{ source_id: '51', code: 'C00051', reach: 21, since: '2024-02-29', x: 108.2005, y: 16.0405 }, [300, 300, 100]])
  features = features.filter(({ n }) => n !== 3).map(p => (p.n === 4 ? { ...p, x: 108.3 } : p))
  limit = 100
  t.match(await sync(), { state: 'successful', updated: 1, deleted: 1, unchanged: 698 }, 'a server that gives less than it says')
  const now = await rows()
  await forget()
  await declare({ ...source, crs: 'EPSG:3857', identity: 'code' })
  t.match(await sync(), { state: 'successful', inserted: 699 })
  t.strictSame((await rows()).map(({ x, y }) => [x, y]), now.map(({ x, y }) => [x, y]), 'in metres: the same places')
  await forget()
  await declare({ ...source, location: `${url}/rest/services/a/FeatureServer/1`, targets: [{ layer: 'lots' }] })
  t.match(await sync(), { state: 'successful', inserted: 699 })
  t.match((await sql<any>`select st_numinteriorrings(st_geometryn(geom, 1)) as holes, count(*)::int as n from city.lots group by 1`.execute(store.db)).rows, [{ holes: 1, n: 699 }])
  await forget()
  await declare({ ...source, location: `${url}/rest/services/a/FeatureServer/9` })
  t.match(await sync(), { state: 'failed', message: /the error 499: “Token Required/ }, 'errors come with status 200')
})

t.test('Esri rings become polygons', async t => {
  const ring = (x: number, y: number, size: number) => [[x, y], [x, y + size], [x + size, y + size], [x + size, y], [x, y]]
  const hole = (x: number, y: number, size: number) => ring(x, y, size).reverse()
  t.strictSame(toGeoJson({ rings: [ring(0, 0, 10)] }), { type: 'Polygon', coordinates: [ring(0, 0, 10)] })
  t.strictSame(toGeoJson({ rings: [hole(2, 2, 6), ring(0, 0, 10), ring(20, 0, 5), ring(3, 3, 4), hole(4, 4, 1)] }),
    { type: 'MultiPolygon', coordinates: [[ring(0, 0, 10), hole(2, 2, 6)], [ring(20, 0, 5)], [ring(3, 3, 4), hole(4, 4, 1)]] }, 'an island in a hole has a hole of its own')
  t.match(toGeoJson({ rings: [hole(0, 0, 1)] }), { type: 'Polygon' }, 'a lone ring drawn the wrong way round')
  t.strictSame([toGeoJson({ x: 'NaN' }), toGeoJson({ rings: [] }), toGeoJson({ paths: [] }), toGeoJson(null)], [null, null, null, null])
  t.match(toGeoJson({ paths: [[[0, 0], [1, 1]], [[2, 2], [3, 3]]] }), { type: 'MultiLineString' })
  t.strictSame(toGeoJson({ x: 1, y: 2, z: 3 }), { type: 'Point', coordinates: [1, 2, 3] })
})
