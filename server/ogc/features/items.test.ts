/** Pages of features: their text, their order, what of them is asked for, and that nothing is read in vain. */
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { sql } from 'kysely'
import t from 'tap'
import { CRS84, CRSS, type Crs } from '../../../core/crs.js'
import type { Faces } from '../../../core/geometry/wkb.js'
import type { GeoJsonGeometry } from '../../../core/filter/ast.js'
import type { Layer } from '../../../layers/layer.js'
import { PUBLIC, type Store } from '../../store/store.js'
import { insertFeatures, updateFeature, type FeatureEdit } from '../../store/writes.js'
import { testStore } from '../../testing/test-store.js'
import { LOTS, serve, SHOPS, TEST_LAYERS, testCity } from '../test-city.js'
import { propertiesOf } from './layers.js'
import { featureTexts } from './rows.js'

const title = { vi: 'x', en: 'x' }
const column = (name: string, type: Layer['columns'][number]['type']) => ({ name, type, title })

/** Every type of column, any geometry. */
const THINGS: Layer = {
  ...TEST_LAYERS[0]!, id: 'things', geometry: 'any', label: 'word', searchable: ['word'], importance: 'whole',
  columns: [column('word', 'text'), column('whole', 'integer'), column('real', 'number'), column('yes', 'boolean'), column('day', 'date'), column('moment', 'timestamp'), column('data', 'json')],
}

/** A layer that refers to shops by their ids, and to itself by a code. */
const SIGNS: Layer = {
  ...THINGS, id: 'signs', geometry: 'point', searchable: [], importance: 'shop',
  columns: [{ ...column('shop', 'integer'), references: { collection: 'shops' } }, { ...column('next', 'text'), references: { collection: 'signs', by: 'word' } }, column('word', 'text'), { ...column('cable', 'integer'), references: { collection: 'cables' } }],
}

t.test('features written in Node are what PostGIS writes, in every CRS', async t => {
  const store = await testStore(t, { layers: [THINGS] })
  const ids: number[] = []
  await fc.assert(fc.asyncProperty(fc.array(fc.record({ geometry: geometries, properties }), { minLength: 1, maxLength: 40 }), async rows => {
    const { result } = await store.withRevision({ actor: 'test', reason: 'rows' }, writer => insertFeatures(writer, THINGS, 'main', rows as FeatureEdit[]))
    ids.push(...result)
  }), { numRuns: 8 })
  // Digits beyond what a double or a millisecond tells.
  await store.withRevision({ actor: 'test', reason: 'digits' }, ({ tx }) => sql`update city.things set moment = '2026-03-01 02:03:04.000017+07', real = 0.1::float8 + 0.2::float8, day = '0099-03-01', word = E'\u0001\t"\\\\đ', whole = 9007199254740991 where id = ${ids[0]!}::int8`.execute(tx))
  for (const crs of CRSS) {
    const [ours, theirs] = [await written(store, crs), await oracle(store, crs)]
    t.equal(ours.length, ids.length)
    for (const [i, feature] of ours.entries()) {
      const same = JSON.stringify(near(feature.geometry, theirs[i]!.geometry, crs)) === JSON.stringify(theirs[i]!.geometry) && JSON.stringify(plain(feature.properties)) === JSON.stringify(plain(theirs[i]!.properties))
      if (!same) t.strictSame({ ...feature, properties: plain(feature.properties) }, { ...theirs[i], properties: plain(theirs[i]!.properties) }, crs.title)
    }
  }
  t.match((await written(store, CRS84))[0].properties, { moment: '2026-02-28T19:03:04.000017Z', day: '0099-03-01', word: '\u0001\t"\\đ', real: 0.1 + 0.2, whole: 2 ** 53 - 1 })
})

async function written(store: Store, crs: Crs): Promise<any[]> {
  const properties = propertiesOf(THINGS, PUBLIC)
  const features = []
  for await (const { text } of featureTexts(store, { layer: THINGS, crs, properties, whole: true, view: { layer: THINGS, branch: 'main', asOf: 'now', reader: PUBLIC } }, {}, 10_000))
    features.push(...JSON.parse(`[${Buffer.from(text).toString()}]`))
  return features
}

/** The same by PostGIS, rings wound by it. */
async function oracle(store: Store, { srid, digits, axes }: Crs): Promise<any[]> {
  const shape = sql`case when st_geometrytype(geom) in ('ST_Polygon', 'ST_MultiPolygon') then st_forcepolygonccw(there) else there end`
  const { rows } = await sql<{ feature: string }>`
    select json_build_object('type', 'Feature', 'id', id, 'geometry', st_asgeojson(${axes === 'lat,lon' ? sql`st_flipcoordinates(${shape})` : shape}, ${sql.lit(digits)}, 0)::json,
      'properties', json_build_object('word', word, 'whole', whole, 'real', real, 'yes', yes, 'day', day, 'moment', moment, 'data', data, 'source', source, 'source_id', source_id, 'revision', revision, 'valid_from', valid_from))::text as feature
    from (select *, case when ${sql.lit(srid)} = 3857 then geom_3857 else st_transform(geom, ${sql.lit(srid)}) end as there from city.things) as v order by id`.execute(store.db)
  return rows.map(({ feature }) => JSON.parse(feature))
}

/** Our coordinates, taken for theirs where they differ by one in the last digit: halves are rounded either way. */
function near(ours: any, theirs: any, { digits }: Crs): any {
  if (typeof ours === 'number') return Math.abs(ours - theirs) <= 1.01 * 10 ** -digits ? theirs : ours
  if (Array.isArray(ours)) return ours.map((item, i) => near(item, theirs?.[i], { digits } as Crs))
  if (typeof ours !== 'object' || ours === null) return ours
  return Object.fromEntries(Object.entries(ours).map(([name, value]) => [name, near(value, theirs?.[name], { digits } as Crs)]))
}

/** Instants in one spelling, to the microsecond. */
function plain(properties: Record<string, unknown>): unknown {
  const instant = (text: unknown) => typeof text === 'string' && /^\d{4,}-\d\d-\d\dT/.test(text) ? [Date.parse(text), /\.(\d+)/.exec(text)?.[1]?.padEnd(6, '0') ?? '000000'] : text
  return { ...properties, moment: instant(properties.moment), valid_from: instant(properties.valid_from) }
}

const lon = fc.double({ min: 105, max: 109, noNaN: true })
const lat = fc.double({ min: 15, max: 17, noNaN: true })
/** A triangle with another in its middle, either way round. */
const rings = fc.tuple(lon, lat, fc.double({ min: 0.001, max: 0.1, noNaN: true }), fc.boolean(), fc.boolean(), fc.boolean()).map(([x, y, r, turned, holed, holeTurned]) => {
  const ring = (size: number, back: boolean) => {
    const way = [[x - size, y - size], [x + size, y - size], [x, y + size]]
    if (back) way.reverse()
    return [...way, way[0]]
  }
  return [ring(r, turned), ...(holed ? [ring(r / 10, holeTurned)] : [])]
})
const line = fc.array(fc.tuple(lon, lat), { minLength: 2, maxLength: 6 })
const simple = fc.oneof(
  fc.tuple(lon, lat).map(coordinates => ({ type: 'Point', coordinates })), line.map(coordinates => ({ type: 'LineString', coordinates })), rings.map(coordinates => ({ type: 'Polygon', coordinates })),
  fc.array(fc.tuple(lon, lat), { minLength: 1, maxLength: 4 }).map(coordinates => ({ type: 'MultiPoint', coordinates })), fc.array(line, { minLength: 1, maxLength: 3 }).map(coordinates => ({ type: 'MultiLineString', coordinates })),
)
const geometries: fc.Arbitrary<GeoJsonGeometry | null> = fc.oneof({ weight: 8, arbitrary: simple }, { weight: 1, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.tuple(lon, lat).map(coordinates => ({ type: 'GeometryCollection', geometries: [{ type: 'Point', coordinates }, { type: 'LineString', coordinates: [coordinates, [108, 16]] }] })) })
const word = fc.string({ unit: 'grapheme', maxLength: 12 }).map(text => text.replaceAll('\0', '').replace(/\p{Surrogate}/gu, ''))
const properties = fc.record({
  word: fc.option(word), whole: fc.option(fc.integer({ min: -(2 ** 40), max: 2 ** 40 })), yes: fc.option(fc.boolean()),
  real: fc.option(fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer({ min: -1e6, max: 1e6 }).map(n => n / 100))).map(n => (Object.is(n, -0) ? 0 : n)),
  day: fc.option(fc.date({ min: new Date('1900-01-01'), max: new Date('2200-01-01'), noInvalidDate: true }).map(day => day.toISOString().slice(0, 10))),
  moment: fc.option(fc.date({ min: new Date('1900-01-01'), max: new Date('2200-01-01'), noInvalidDate: true }).map(day => day.toISOString())),
  data: fc.option(fc.dictionary(fc.constantFrom('a', 'b'), fc.oneof(word, fc.integer()), { maxKeys: 2 })),
})

t.test('any order, page by page, there and back', async t => {
  const store = await testStore(t, { layers: [THINGS] })
  const url = await serve(t, store)
  const words = ['Đống Đa', 'Dinh', 'an', 'Ân', 'Ăn', 'B', 'b', 'đa', null, 'B']
  const things = Array.from({ length: 47 }, (_, i): FeatureEdit => ({
    geometry: { type: 'Point', coordinates: [108 + i / 1000, 16] },
    properties: { word: words[i % 10] ?? null, whole: i % 4 === 0 ? null : i % 3, real: (i * 37 % 11) / 3, yes: i % 5 === 0 ? null : i % 2 === 0, day: i % 6 === 0 ? null : `2026-01-0${1 + (i % 5)}`, moment: '2026-03-01T02:03:04Z' },
  }))
  await store.withRevision({ actor: 'test', reason: 'rows' }, writer => insertFeatures(writer, THINGS, 'main', things))
  await store.withRevision({ actor: 'test', reason: 'microseconds' }, ({ tx }) => sql`update city.things set moment = moment + (id % 7) * interval '1 microsecond'`.execute(tx))
  const json = async (address: string): Promise<any> => (await fetch(address)).json()
  const items = `${url}/ogc/collections/things/items`
  const link = (page: any, rel: string): string | undefined => page.links.find((one: any) => one.rel === rel)?.href

  t.strictSame([...new Set((await json(`${items}?sortby=word&limit=100`)).features.map((f: any) => f.properties.word))], ['an', 'Ăn', 'Ân', 'b', 'B', 'Dinh', 'đa', 'Đống Đa', null], 'as in a Vietnamese dictionary; without a value last')
  const keys = fc.uniqueArray(fc.tuple(fc.constantFrom('', '-', '%2B'), fc.constantFrom('word', 'whole', 'real', 'yes', 'day', 'moment', 'id')), { minLength: 1, maxLength: 3, selector: ([, name]) => name })
  await fc.assert(fc.asyncProperty(keys, fc.integer({ min: 1, max: 20 }), async (sort, limit) => {
    const sortby = sort.map(key => key.join('')).join(',')
    const order = sql.join([...sort.map(([way, name]) => sql`${sql.ref(name)}${name === 'word' ? sql` collate "vi-x-icu"` : sql``} ${sql.raw(way === '-' ? 'desc' : 'asc')} nulls last`), sql`id`])
    const wanted = (await sql<{ id: number }>`select id from city.things order by ${order}`.execute(store.db)).rows.map(({ id }) => id)
    const pages: number[][] = []
    let page = await json(`${items}?sortby=${sortby}&limit=${limit}`)
    for (;;) {
      pages.push(page.features.map((f: any) => f.id))
      const next = link(page, 'next')
      if (!next) break
      page = await json(next)
    }
    if (JSON.stringify(pages.flat()) !== JSON.stringify(wanted)) t.strictSame(pages.flat(), wanted, `${sortby} by ${limit}`)
    for (const expected of pages.slice(0, -1).reverse()) {
      const back = await json(link(page, 'prev')!)
      if (JSON.stringify(back.features.map((f: any) => f.id)) !== JSON.stringify(expected)) t.strictSame(back.features.map((f: any) => f.id), expected, `${sortby} by ${limit}, back`)
      page = back
    }
    if (link(page, 'prev')) t.fail('nothing is before the first page')
  }), { numRuns: 25 })
  for (const [query, says] of [['sortby=data', /no property “data”/], ['sortby=wrod', /Did you mean word/], ['sortby=-', /sortby/], ['sortby=word&cursor=PjE', /another order/], ['cursor=PjEgWyJ3b3JkIiwiYSJd', /another order/]] as const)
    t.match(await json(`${items}?${query}`), { status: 400, detail: says }, query)
  const wide = await json(link(await json(`${items}?sortby=-real&limit=3`), 'next')!.replace('limit=3', 'limit=40'))
  t.equal(wide.features.length, 40, 'a cursor is good for any limit')
  t.match((await fetch(items, { method: 'HEAD' })).headers.get('link'), /things\/sortables>; rel="http:\/\/www.opengis.net\/def\/rel\/ogc\/1.0\/sortables"/)
  const sortables = await json(`${url}/ogc/collections/things/sortables`)
  t.strictSame(Object.keys(sortables.properties).filter(name => ['id', 'word', 'data', 'geometry'].includes(name)), ['id', 'word'], 'no objects and no geometries')
})

t.test('what is asked for', async t => {
  const { url, store, shops } = await testCity(t)
  const json = async (path: string, headers: Record<string, string> = {}): Promise<any> => (await fetch(`${url}/ogc/collections/${path}`, { headers })).json()
  const names = async (q: string, headers = {}) => (await json(`shops/items?limit=100&properties=name&q=${encodeURIComponent(q)}`, headers)).features.map((f: any) => f.properties.name)

  t.strictSame(await names('cho han'), ['Chợ Hàn'], 'whatever the case and the diacritics')
  t.strictSame(await names('CHỢ   Hàn'), ['Chợ Hàn'], 'any space between')
  t.strictSame(await names('han cho'), [], 'in this order')
  t.strictSame(await names('số 7, chợ'), ['Chợ Hàn', 'Tiệm số 7'], 'commas part alternatives')
  t.equal((await names('ăn uống')).length, 20, 'titles of codes')
  t.strictSame(await names('100%'), [], 'no wildcards')
  t.strictSame(await names('M7'), [], 'what the public does not see is not searched')
  t.equal((await json('shops/items?q=')).numberMatched, 60, 'an empty field of a form is no question')
  t.match(await json(`shops/items?q=${'x'.repeat(101)}`), { status: 400, parameter: 'q' })

  const [one] = (await json('shops/items?limit=1&exclude-properties=name,tags,revision&skipGeometry=true')).features
  t.equal(one.geometry, null)
  t.notOk(['name', 'tags', 'revision'].some(name => name in one.properties))
  t.ok('kind' in one.properties)
  t.strictSame((await json(`shops/items/${shops[0]}?properties=kind,geometry&skipGeometry=false`)).properties, { kind: 'food' })
  t.match(await json('shops/items?exclude-properties=nmae'), { status: 400, parameter: 'exclude-properties', detail: /Did you mean name/ })

  const schema = await json('shops/schema')
  t.match(schema.properties, { id: { format: 'int64', readOnly: true }, floors: { type: 'integer', minimum: 0 }, valid_from: { 'x-ogc-role': 'primary-interval-start', readOnly: true }, kind: { 'x-codes': { food: 'Food' } } })
  const inline = await fetch(`${url}/ogc/collections/shops/schema?profile=codelist-inline`)
  t.match(inline.headers.get('link'), /codelist-inline>; rel="profile"/)
  t.match((await inline.json() as any).properties.kind, { oneOf: [{ const: 'food', title: 'Food' }, { const: 'tools' }] })

  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  const [sent, patch] = await Promise.all(['replace', 'update'].map(async type => ajv.compile(await json(`shops/schema?type=${type}`))))
  const shop = await json(`shops/items/${shops[1]}`)
  t.ok(sent!(shop), 'what was read can be sent')
  t.notOk(sent!({ ...shop, properties: { ...shop.properties, floors: 'many' } }))
  t.notOk(sent!({ ...shop, properties: { nmae: 'x' } }))
  t.ok(patch!({ properties: { floors: null } }))

  // Whoever holds the table for himself lets nobody read it: what answers all the same has not asked.
  const first = await fetch(`${url}/ogc/collections/shops/items?limit=5&bbox=108,16,109,17&sortby=-floors`)
  await store.db.transaction().execute(async tx => {
    await sql`lock table city.shops in access exclusive mode`.execute(tx)
    const again = await fetch(first.url, { headers: { 'If-None-Match': first.headers.get('etag')! }, signal: AbortSignal.timeout(5000) })
    t.equal(again.status, 304, 'a 304 touches no geometry table')
  })
  const ticking = await fetch(`${url}/ogc/collections/shops/items?filter=${encodeURIComponent("seen < now()")}`)
  t.equal((await fetch(ticking.url, { headers: { 'If-None-Match': ticking.headers.get('etag')! } })).status, 200, 'what the clock decides is never the same')
  const kinds = async () => (await json('shops/items?limit=1&kind=food')).numberMatched
  t.strictSame([await kinds(), await kinds()], [20, 20])
  await store.withRevision({ actor: 'test', reason: 'floors' }, writer => updateFeature(writer, SHOPS, 'main', shops[0]!, { properties: { kind: 'tools' } }))
  t.equal(await kinds(), 19, 'a count holds for one revision')
  t.equal((await fetch(first.url, { headers: { 'If-None-Match': first.headers.get('etag')! } })).status, 200)
})

t.test('JSON-FG: solids, prisms, other CRSs and times; profiles', async t => {
  const { url, store, lots } = await testCity(t)
  const [west, south] = [108.215, 16.06]
  const outline = { type: 'Polygon', coordinates: [[[west, south], [west + 0.001, south], [west + 0.001, south + 0.001], [west, south + 0.001], [west, south]]] }
  await store.setCity({ name: 'x', srid: 5899, home: { lon: west, lat: south, zoom: 14 }, verticalDatum: 'Hòn Dấu 1992', geoidOffset: -8, timeZone: 'Asia/Ho_Chi_Minh', currency: 'VND', sample: false })
  const { result: [solid, flat] } = await store.withRevision({ actor: 'test', reason: 'solid' }, writer => insertFeatures(writer, LOTS, 'main', [
    { geometry: outline, properties: { so_to: '1' }, solid: boxFaces([west, south, west + 0.001, south + 0.001], 1, 9) }, { geometry: outline, properties: { so_to: '2' } },
  ]))
  const get = async (path: string, headers = {}) => {
    const response = await fetch(`${url}/ogc/collections/${path}`, { headers })
    return { type: response.headers.get('content-type'), link: response.headers.get('link'), body: await response.json() as any }
  }
  const { type, link, body } = await get('lots/items?f=jsonfg')
  t.equal(type, 'application/vnd.ogc.fg+json')
  t.match(link, /profile\/OGC\/0\/jsonfg>; rel="profile"/)
  t.match(body, {
    type: 'FeatureCollection', featureType: 'lots', featureSchema: `${url}/ogc/collections/lots/schema`, coordRefSys: [CRS84.uri, { type: 'VerticalCRS', name: 'Hòn Dấu 1992' }],
    conformsTo: ['core', 'types-schemas', 'polyhedra', 'prisms'].map(name => `http://www.opengis.net/spec/json-fg-1/1.0/conf/${name}`),
  })
  const byId = new Map(body.features.map((f: any) => [f.id, f])) as Map<number, any>
  t.match(byId.get(lots[0]!), { time: { interval: [/Z$/, '..'] }, geometry: { type: 'MultiPolygon' }, place: { type: 'Prism', base: { type: 'MultiPolygon' }, lower: 2.5, upper: 11.5 } })
  const { place } = byId.get(solid!)
  t.equal(place.type, 'Polyhedron')
  t.ok(signedVolume(place.coordinates[0]) > 0, 'faces look outwards')
  t.ok(place.coordinates[0].flat().every((ring: number[][]) => ring.every(position => position.length === 3) && JSON.stringify(ring[0]) === JSON.stringify(ring[ring.length - 1])))
  t.equal(byId.get(flat!).place, null, 'nothing is known of its height')

  const metric = await get('lots/items?profile=jsonfg&crs=EPSG:5899', { Accept: 'application/geo+json' })
  t.equal(metric.type, 'application/geo+json')
  const prism = metric.body.features.find((f: any) => f.id === lots[0])
  t.ok(prism.place.base.coordinates[0][0][0][1] > 1_700_000 && prism.geometry.coordinates[0][0][0][1] < 17, 'place in the CRS asked for, geometry in degrees')
  await store.setCity({ ...await store.city(), verticalDatum: 'Hòn Dấu 1992 (EPSG:5727)' })
  t.match((await get('lots/items?f=jsonfg&limit=1')).body.coordRefSys, [CRS84.uri, 'http://www.opengis.net/def/crs/EPSG/0/5727'])
  const shops = await get('shops/items?f=jsonfg&limit=1&crs=http://www.opengis.net/def/crs/EPSG/0/4326')
  t.match(shops.body, { coordRefSys: 'http://www.opengis.net/def/crs/EPSG/0/4326', geometryDimension: 0, features: [{ geometry: { coordinates: [108.2, 16.04] }, place: { type: 'Point', coordinates: [16.04, 108.2] } }] })
  t.equal((await get('shops/items?f=jsonfg&limit=1')).body.features[0].place, null, 'CRS84 stands in geometry')
  t.match((await get(`lots/items/${solid}?f=jsonfg`)).body, { type: 'Feature', id: solid, conformsTo: [/core$/, /types-schemas$/], place: { type: 'Polyhedron' }, links: [{ rel: /self|alternate/ }] })
  t.notOk('place' in (await get('lots/items?limit=1&profile=rfc7946,something')).body.features[0], 'a profile that is none of ours is passed over')
  t.match((await get('shops/items?limit=1')).link, /rfc7946>; rel="profile"/)
})

t.test('references as keys, URIs and links, as far as the reader sees what they lead to', async t => {
  const store = await testStore(t, { layers: [...TEST_LAYERS, SIGNS] })
  const url = await serve(t, store)
  await store.withRevision({ actor: 'test', reason: 'sign' }, writer => insertFeatures(writer, SIGNS, 'main', [{ geometry: { type: 'Point', coordinates: [108, 16] }, properties: { shop: 7, next: 'a/b đ', word: 'x', cable: 9 } }]))
  const get = async (path: string, headers = {}): Promise<any> => (await fetch(`${url}/ogc/collections/signs/${path}`, { headers })).json()
  const properties = async (profile: string, headers = {}) => (await get(`items?profile=${profile}`, headers)).features[0].properties
  const [shop, next] = [`${url}/ogc/collections/shops/items/7`, `${url}/ogc/collections/signs/items?word=a%2Fb%20%C4%91`]
  t.match(await properties('rel-as-key'), { shop: 7, next: 'a/b đ', cable: 9 })
  t.match(await properties('http://www.opengis.net/def/profile/OGC/0/rel-as-uri'), { shop, next, cable: 9 }, 'by URI too; what is hidden stays a number')
  t.match(await properties('rel-as-link', { Authorization: 'Bearer steward' }), { shop: { href: shop, title: '7' }, next: { href: next }, cable: { href: /cables/ } })
  t.ok((await get('items?profile=rel-as-uri')).links.some((link: any) => link.rel === 'profile' && link.href.endsWith('/rel-as-uri')))
  const schema = await get('schema')
  t.match(schema.properties, { shop: { 'x-ogc-role': 'reference', 'x-ogc-collectionId': 'shops' }, next: { 'x-ogc-role': 'reference', 'x-ogc-uriTemplate': `${url}/ogc/collections/signs/items?word={resourceId}` } })
  t.notOk('x-ogc-role' in schema.properties.cable)
})

/** A block between two levels, its faces counter-clockwise as seen from outside. */
function boxFaces([w, s, e, n]: readonly [number, number, number, number], low: number, high: number): Faces {
  const face = (...corners: number[][]) => [[...corners, corners[0]!]]
  return [
    face([w, s, low], [w, n, low], [e, n, low], [e, s, low]), face([w, s, high], [e, s, high], [e, n, high], [w, n, high]),
    face([w, s, low], [e, s, low], [e, s, high], [w, s, high]), face([e, s, low], [e, n, low], [e, n, high], [e, s, high]),
    face([e, n, low], [w, n, low], [w, n, high], [e, n, high]), face([w, n, low], [w, s, low], [w, s, high], [w, n, high]),
  ]
}

/** Six times the volume that faces enclose: positive where they look outwards. In degrees and metres, which does for the sign. */
function signedVolume(faces: readonly number[][][][]): number {
  const [o] = faces[0]![0]! as [number[]]
  return faces.reduce((sum, [ring]) => sum + ring!.slice(1, -2).reduce((part, b, i) => {
    const [p, q, r] = [ring![0]!, b, ring![i + 2]!].map(v => v.map((n, k) => n - o[k]!)) as [number[], number[], number[]]
    return part + p[0]! * (q[1]! * r[2]! - q[2]! * r[1]!) - p[1]! * (q[0]! * r[2]! - q[2]! * r[0]!) + p[2]! * (q[0]! * r[1]! - q[1]! * r[0]!)
  }, 0), 0)
}
