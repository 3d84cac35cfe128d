/** The catalogue over HTTP: what it has for whom, how it is searched, and what portals get. */
import t from 'tap'
import { LAYERS } from '../../../layers/index.js'
import { createScenario } from '../../scenarios/scenario.js'
import { PUBLIC, STEWARD } from '../../store/store.js'
import { insertFeatures } from '../../store/writes.js'
import { testServer, type Tearable } from '../../testing/test-store.js'

interface Feature { readonly id: string; readonly time: { readonly interval: string[] }; readonly geometry: { readonly type: string } | null; readonly properties: Record<string, any>; readonly links: { rel: string; href: string; type?: string }[] }
interface Page { readonly type: string; readonly numberMatched: number; readonly numberReturned: number; readonly features: Feature[]; readonly links: { rel: string; href: string }[] }

const SCENARIO = '5b2a8c34-9a0c-4f4b-8a8e-2f6a3f9f0c11'

async function catalogue(t: Tearable) {
  const server = await testServer(t)
  const roads = LAYERS.find(({ id }) => id === 'roads')!
  await server.store.withRevision({ actor: 'test', reason: 'a road' }, writer => insertFeatures(writer, roads, 'main', [
    { geometry: { type: 'MultiLineString', coordinates: [[[108.2, 16.04], [108.22, 16.06]]] }, properties: { name: 'Bạch Đằng' } },
  ]))
  await createScenario(server.store, { title: { vi: 'Mưa lớn', en: 'Heavy rain' }, forcing: { start: '2026-10-01T00:00:00Z', hours: 6, window: [108.1, 16, 108.3, 16.1] } }, STEWARD, SCENARIO)
  const token = await server.token('steward')
  const get = async (path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(path.startsWith('http') ? path : `${server.url}/ogc/collections/catalogue${path}`, { headers })
    const text = await response.text()
    return { status: response.status, type: response.headers.get('content-type') ?? '', headers: response.headers, text, body: /json/.test(response.headers.get('content-type') ?? '') ? JSON.parse(text) : undefined }
  }
  const search = async (query: string, headers: Record<string, string> = {}): Promise<Page> => (await get(`/items?lang=en&limit=1000&${query}`, headers)).body
  const ids = async (query: string, headers?: Record<string, string>) => (await search(query, headers)).features.map(({ id }) => id)
  /** Without the report of the checks, which run meanwhile. */
  const cityIds = async (query: string) => (await ids(query)).filter(id => id !== 'quality_issues')
  return { server, get, search, ids, cityIds, steward: { authorization: `Bearer ${token}` } }
}

t.test('the catalogue', async t => {
  const { server: { url, store }, get, search, ids, cityIds, steward } = await catalogue(t)

  await t.test('every layer and scenario that the reader may see is a record', async t => {
    const layers = (reader: typeof PUBLIC) => store.catalogue.for(reader).filter(({ kind }) => kind !== 'run').map(({ id }) => id)
    const expected = (reader: typeof PUBLIC) => [...layers(reader), `scenario-${SCENARIO}`].sort()
    t.strictSame((await ids('')).sort(), expected(PUBLIC))
    t.strictSame((await ids('', steward)).sort(), expected(STEWARD))
    t.notOk((await ids('')).includes('certificates'))
    t.equal((await get('/items/certificates')).status, 404)
    t.equal((await get('/items/certificates', steward)).body.properties.classification, 'restricted')
  })

  await t.test('a record tells owner, licence, extent, dates, formats and where the data is', async t => {
    const { type, body } = await get('/items/roads?lang=en') as { type: string; body: Feature }
    t.equal(type, 'application/geo+json')
    t.match(body, { id: 'roads', type: 'Feature', geometry: { type: 'Polygon' }, time: { interval: ['..', '..'] }, properties: {
      type: 'dataset', title: 'Roads', license: 'CC-BY-4.0', classification: 'open', count: 1, updateFrequency: 'irregular', contacts: [{ organization: 'Department of Construction' }], language: { code: 'en' },
    } })
    t.match(body.properties.updated, /^\d{4}-\d\d-\d\dT/)
    t.ok(body.properties.formats.some(({ mediaType }: { mediaType: string }) => mediaType === 'application/geo+json'))
    for (const rel of ['self', 'alternate', 'collection', 'profile', 'license', 'items']) t.ok(body.links.some(link => link.rel === rel), rel)
    t.equal(body.links.filter(({ rel }) => rel === 'collection').length, 1)
    const data = body.links.find(({ rel }) => rel === 'items')!
    t.equal((await get(data.href)).body.numberReturned, 1)
    for (const { rel, href } of body.links) if (href.startsWith(url)) t.equal((await get(href)).status, 200, `${rel} ${href}`)
    t.equal((await get('/items/roads?lang=vi')).body.properties.title, 'Đường')
    const scenario = (await get(`/items/scenario-${SCENARIO}?lang=en`)).body as Feature
    t.match(scenario, { time: { interval: ['2026-10-01T00:00:00.000Z', '2026-10-01T06:00:00.000Z'] }, properties: { type: 'scenario', simulation: 'SIMULATION – NOT A FORECAST', externalIds: [{ scheme: 'uuid', value: SCENARIO }] } })
  })

  await t.test('search: words without accents, phrases, lists, boxes, times, types, ids, filters', async t => {
    t.ok((await ids('q=duong')).includes('roads'), 'Vietnamese without accents, on an English page')
    t.ok((await ids('q=ĐƯỜNG')).includes('roads'))
    t.strictSame(await ids(`q=${encodeURIComponent('land parcel')}`), ['parcels'])
    t.strictSame(await ids(`q=${encodeURIComponent('parcel land')}`), [], 'words of a term stand in their order')
    t.strictSame((await ids('q=land parcel,pumping station')).sort(), ['parcels', 'pumps'])
    t.strictSame(await ids(`q=${encodeURIComponent('%')}`), [], 'no wildcard comes from outside')
    t.strictSame((await cityIds('bbox=108.19,16.03,108.21,16.05')).sort(), ['roads', `scenario-${SCENARIO}`])
    t.strictSame(await ids('bbox=0,0,1,1'), [])
    t.ok((await ids('datetime=2026-10-01T03:00:00Z')).includes(`scenario-${SCENARIO}`))
    t.notOk((await ids('datetime=2026-10-02T00:00:00Z/..')).includes(`scenario-${SCENARIO}`))
    t.strictSame(await ids('type=scenario'), [`scenario-${SCENARIO}`])
    t.strictSame((await ids('ids=roads,wards')).sort(), ['roads', 'wards'])
    for (const external of [SCENARIO, `uuid:${SCENARIO}`, 'uuid:']) t.strictSame(await ids(`externalIds=${external}`), [`scenario-${SCENARIO}`])
    t.strictSame(await ids(`externalIds=collection:${SCENARIO}`), [])
    t.strictSame((await ids('theme=transport')).sort(), ['bridges', 'roads'])
    t.strictSame((await ids(`filter=${encodeURIComponent("theme = 'transport' and count > 0")}`)), ['roads'])
    t.strictSame(await cityIds(`filter=${encodeURIComponent("S_INTERSECTS(geometry, POINT(108.21 16.05)) and type = 'dataset'")}`), ['roads'])
    t.strictSame(await ids(`filter=${encodeURIComponent("A_CONTAINS(keywords, ('street'))")}`), (await search('q=street')).features.filter(({ properties }) => properties.keywords.includes('street')).map(({ id }) => id))
    t.equal((await ids('q=roads'))[0], 'roads', 'what a title tells comes first')
  })

  await t.test('order and pages', async t => {
    const titles = (await search('sortby=-title')).features.map(({ properties }) => properties.title as string)
    t.strictSame(titles, [...titles].sort((a, b) => b.toLowerCase().localeCompare(a.toLowerCase(), 'en')))
    t.equal((await cityIds('sortby=-count'))[0], 'roads')
    const seen: string[] = []
    for (let next: string | undefined = `${url}/ogc/collections/catalogue/items?limit=7&lang=en`; next;) {
      const page: Page = (await get(next)).body
      t.equal(page.numberReturned, page.features.length)
      seen.push(...page.features.map(({ id }) => id))
      next = page.links.find(({ rel }) => rel === 'next')?.href
    }
    t.strictSame(seen, await ids(''))
  })

  await t.test('mistakes are told', async t => {
    for (const [query, parameter] of [['sortby=titel', 'sortby'], ['theme2=x', 'theme2'], ['filter=titel%3D1', 'filter'], ['bbox=1,2', 'bbox'], ['type=thing', 'type'], ['cursor=x', 'cursor'], ['datetime=soon', 'datetime']] as const) {
      const { status, body } = await get(`/items?${query}`)
      t.equal(status, 400, query)
      t.equal(body.parameter, parameter, query)
    }
    t.match((await get('/items?sortby=titel')).body.detail, /Did you mean title/)
  })

  await t.test('it is one of the collections, declared, and its answers have validators', async t => {
    const { collections } = (await get(`${url}/ogc/collections`)).body as { collections: { id: string; itemType: string }[] }
    t.strictSame(collections.filter(({ itemType }) => itemType === 'record').map(({ id }) => id), ['catalogue'])
    t.ok(collections.findIndex(({ id }) => id === 'catalogue') >= 20, 'behind those with features')
    const { conformsTo } = (await get(`${url}/ogc/conformance`)).body as { conformsTo: string[] }
    for (const name of ['searchable-catalog', 'searchable-catalog-filtering', 'searchable-catalog-sorting', 'record-core-query-parameters']) t.ok(conformsTo.includes(`http://www.opengis.net/spec/ogcapi-records-1/1.0/conf/${name}`))
    const { type, body } = await get('')
    t.equal(type, 'application/ogc-catalog+json')
    t.match(body, { id: 'catalogue', type: 'Collection', itemType: 'record', defaultSortOrder: [{ field: 'title', direction: 'asc' }] })
    for (const kind of ['queryables', 'sortables', 'schema']) t.match((await get(`/${kind}`)).body, { $id: `${url}/ogc/collections/catalogue/${kind}`, type: 'object', properties: { title: { type: 'string' } } })
    const first = await get('')
    t.equal((await get('', { 'if-none-match': first.headers.get('etag')! })).status, 304)
  })

  await t.test('portals get DCAT-AP and schema.org', async t => {
    const { type, body } = await get('?f=dcat')
    t.equal(type, 'application/ld+json')
    t.equal(body['@type'], 'dcat:Catalog')
    t.equal(body['dcat:dataset'].length, (await ids('')).length)
    const roads = body['dcat:dataset'].find((node: Record<string, unknown>) => node['dct:identifier'] === 'roads')
    t.match(roads, {
      '@type': 'dcat:Dataset', 'dct:title': [{ '@value': 'Đường', '@language': 'vi' }, { '@value': 'Roads', '@language': 'en' }], 'dct:accessRights': { '@id': /PUBLIC$/ }, 'dct:accrualPeriodicity': { '@id': /IRREG$/ },
      'dcat:theme': { '@id': /TRAN$/ }, 'dct:spatial': { 'dcat:bbox': { '@value': /^POLYGON/ } }, 'dct:publisher': { '@type': 'foaf:Agent' },
    })
    for (const distribution of roads['dcat:distribution']) t.match(distribution, { '@type': 'dcat:Distribution', 'dcat:accessURL': { '@id': /^http/ }, 'dct:license': { '@id': 'https://creativecommons.org/licenses/by/4.0/' } })
    t.match((await get('/items/roads?f=schemaorg&lang=en')).body, { '@type': 'Dataset', name: 'Roads', license: 'https://creativecommons.org/licenses/by/4.0/' })
    t.equal((await get('', { accept: 'application/ld+json;q=1, application/json;q=0.1' })).body['@type'], 'dcat:Catalog')
  })

  await t.test('pages have no outside scripts, and narrow down', async t => {
    for (const lang of ['vi', 'en']) {
      const { type, text } = await get(`/items?f=html&lang=${lang}&theme=transport`)
      t.match(type, 'text/html')
      t.match(text, lang === 'vi' ? 'Bỏ mọi bộ lọc' : 'Clear all filters')
      t.match(text, lang === 'vi' ? '>Đường</a>' : '>Roads</a>')
      t.notMatch(text, /<script(?! type="application\/ld\+json")|src="http|undefined|\[object/)
      t.notMatch((await get(`/items/roads?f=html&lang=${lang}`)).text, /undefined|\[object/)
    }
    t.match((await get(`/items?f=html&q=${encodeURIComponent('"><b>')}`)).text, 'value="&quot;&gt;&lt;b&gt;"')
  })

  await t.test('a steward says otherwise, everywhere at once; null takes it back', async t => {
    const at = `${url}/ogc/collections/roads/metadata`
    const patch = (body: unknown, headers: Record<string, string> = steward) => fetch(at, { method: 'PATCH', headers: { 'content-type': 'application/merge-patch+json', ...headers }, body: JSON.stringify(body) })
    t.equal((await patch({ licence: 'CC0-1.0' }, {})).status, 401)
    t.equal((await patch({ colour: 'red' })).status, 400)
    t.equal((await patch({})).status, 400)
    t.equal((await patch({ licence: 'CC0-1.0', owner: { vi: 'Đội cầu đường', en: 'Road crew' }, contact: { email: 'roads@city.example' }, keywords: [{ vi: 'nhựa', en: 'asphalt' }] })).status, 200)
    t.match((await get('/items/roads?lang=en')).body.properties, { license: 'CC0-1.0', contacts: [{ organization: 'Road crew', emails: [{ value: 'roads@city.example' }] }], keywords: ['asphalt'], title: 'Roads' })
    t.match((await get(`${url}/ogc/collections/roads`)).body, { license: 'CC0-1.0' })
    t.equal((await patch({ licence: null, owner: null, contact: null, keywords: null })).status, 200)
    t.match((await get(at)).body, { licence: 'CC-BY-4.0', owner: { en: 'Department of Construction' }, contact: undefined })
  })
})
