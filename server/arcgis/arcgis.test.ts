import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import {
  addAttachment, addFeatures, applyEdits, deleteAttachments, deleteFeatures, getAttachments, getFeature, getLayer, getService, queryAllFeatures, queryFeatures, updateFeatures,
} from '@esri/arcgis-rest-feature-service'
import { ApiKeyManager, ArcGISIdentityManager, request } from '@esri/arcgis-rest-request'
import type { Layer } from '../../layers/layer.js'
import { createToken } from '../access/tokens.js'
import { createScenario } from '../scenarios/scenario.js'
import { operations as historyOperations } from '../history/operations.js'
import { CABLES, LOTS, SHOPS, serve, shop } from '../ogc/test-city.js'
import { PUBLIC, STEWARD } from '../store/store.js'
import { insertFeatures } from '../store/writes.js'
import { testStore } from '../testing/test-store.js'
import { fieldsOf } from './fields.js'
import { breaksOf, naturalBreaks } from './generate-renderer.js'
import { globalIdOf } from './global-ids.js'
import { operations } from './operations.js'
import { onGrid, type Grid } from './shape.js'
import { parseWhere } from './where.js'

const title = (vi: string, en = vi) => ({ vi, en })
const MARKS: Layer = {
  id: 'marks', title: title('Dấu', 'Marks'), description: title('Đủ loại hình', 'Shapes of all kinds'), group: 'published', kind: 'city', geometry: 'any',
  columns: [{ name: 'note', type: 'text', title: title('Ghi chú', 'Note') }], style: { fill: '#aabbcc', line: '#112233', circle: '#445566' }, zoom: { min: 5, max: 16 }, classification: 'open', licence: 'CC-BY-4.0',
}
const ring = (w: number, s: number, size: number) => [[w, s], [w, s + size], [w + size, s + size], [w + size, s], [w, s]]

const store = await testStore(t, { layers: [SHOPS, LOTS, CABLES, MARKS] })
const { result: ids } = await store.withRevision({ actor: 'test', reason: 'first rows' }, async writer => ({
  shops: await insertFeatures(writer, SHOPS, 'main', Array.from({ length: 60 }, (_, i) => shop(i))),
  lots: await insertFeatures(writer, LOTS, 'main', Array.from({ length: 3 }, (_, i) => ({ geometry: { type: 'MultiPolygon', coordinates: [[ring(108.21 + i * 0.01, 16.05, 0.008), ring(108.212 + i * 0.01, 16.052, 0.002).toReversed()]] }, properties: { so_thua: String(i) } }))),
  cables: await insertFeatures(writer, CABLES, 'main', [{ geometry: { type: 'MultiLineString', coordinates: [[[108.2, 16.04], [108.25, 16.05]], [[108.3, 16.1], [108.31, 16.1]]] }, properties: { kv: 22 } }]),
  marks: await insertFeatures(writer, MARKS, 'main', [
    { geometry: { type: 'Point', coordinates: [108.2, 16] }, properties: { note: 'p' } }, { geometry: { type: 'LineString', coordinates: [[108.2, 16], [108.3, 16]] }, properties: { note: 'l' } },
    { geometry: { type: 'Polygon', coordinates: [ring(108.2, 16, 0.1)] }, properties: { note: 'a' } },
  ]),
}))
const url = await serve(t, store, [...operations, ...historyOperations])
const services = `${url}/arcgis/rest/services`
const layerUrl = (id: string, n = 0) => `${services}/${id}/FeatureServer/${n}`
const shops = layerUrl('shops')
const secretOf = async (role: string) => (await createToken(store, { subject: `the ${role}`, role })).secret
const editor = await secretOf('editor')
const authentication = ApiKeyManager.fromKey(editor)

const ask = async (address: string, parameters: Record<string, unknown> = {}) => {
  const search = new URLSearchParams({ f: 'json', ...Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, typeof value === 'object' ? JSON.stringify(value) : String(value)])) })
  const response = await fetch(`${address}?${search}`)
  return { status: response.status, body: await response.json() as any }
}
const query = async (id: string, parameters: Record<string, unknown>, n = 0) => (await ask(`${layerUrl(id, n)}/query`, parameters)).body
const namesWhere = async (where: string) => (await query('shops', { where, outFields: 'name', returnGeometry: false, orderByFields: 'OBJECTID' })).features?.map((each: any) => each.attributes.name) ?? []

t.test('services and layers say what they are, in the reader’s language and by the reader’s rights', async t => {
  t.match((await ask(`${url}/arcgis/rest/info`)).body, { currentVersion: 10.91, authInfo: { isTokenBasedSecurity: true, tokenServicesUrl: `${url}/arcgis/tokens/` } })
  const names = async (token = '') => (await ask(services, { token })).body.services.map((each: any) => each.name)
  t.strictSame(await names(), ['shops', 'lots', 'marks'])
  t.strictSame(await names(editor), ['shops', 'lots', 'cables', 'marks'])
  t.match((await getService({ url: `${services}/marks/FeatureServer` })).layers?.map(({ id, name, geometryType }: any) => [id, name, geometryType]),
    [[0, 'Marks (points)', 'esriGeometryPoint'], [1, 'Marks (lines)', 'esriGeometryPolyline'], [2, 'Marks (areas)', 'esriGeometryPolygon'], [3, 'Marks (groups of points)', 'esriGeometryMultipoint']])
  const layer = await getLayer({ url: shops }) as any
  t.match(layer, {
    geometryType: 'esriGeometryPoint', objectIdField: 'OBJECTID', globalIdField: 'GlobalID', displayField: 'name', capabilities: 'Query', maxRecordCount: 2000, supportedQueryFormats: /PBF/,
    advancedQueryCapabilities: { supportsPagination: true, supportsStatistics: true }, drawingInfo: { renderer: { type: 'simple', symbol: { type: 'esriSMS', color: [0xc2, 0x56, 0x2d, 255] } } },
  })
  const field = (name: string) => layer.fields.find((each: any) => each.name === name)
  t.match(field('kind'), { type: 'esriFieldTypeString', alias: 'Kind', editable: true, domain: { type: 'codedValue', codedValues: [{ name: 'Food', code: 'food' }, { name: 'Tools', code: 'tools' }] } })
  t.match(field('floors'), { type: 'esriFieldTypeInteger', domain: { type: 'range', range: [0, 200] } })
  t.match(field('open'), { type: 'esriFieldTypeSmallInteger', domain: { codedValues: [{ code: 0 }, { code: 1 }] } })
  t.match([field('area').alias, field('since').type, field('revision').editable, field('meter')], ['Area (m²)', 'esriFieldTypeDate', false, undefined])
  t.match(await getLayer({ url: shops, authentication }), { capabilities: 'Create,Delete,Query,Update,Editing' })
  t.equal((await ask(shops, { lang: 'vi' })).body.name, 'Cửa hàng')
  t.match((await ask(layerUrl('lots'))).body, { spatialReference: { wkid: 5899 }, extent: { spatialReference: { wkid: 5899 } } })
  t.match(await ask(layerUrl('cables')), { status: 404, body: { error: { code: 404, details: [/no collection of features “cables”/] } } })
  t.match(await ask(layerUrl('shops', 1)), { status: 404, body: { error: { details: [/has no layer 1; it has 0/] } } })
  for (const [path, ...words] of [['', 'Cửa hàng', 'FeatureServer'], ['/shops/FeatureServer', 'Cửa hàng'], ['/shops/FeatureServer/0', 'Số tầng', 'm²'], ['/shops/FeatureServer/0/query?where=floors>5&outFields=*', 'Tiệm số 6', 'Dụng cụ']] as const) {
    const page = await fetch(`${services}${path}${path.includes('?') ? '&' : '?'}lang=vi`, { headers: { accept: 'text/html' } })
    t.match([page.headers.get('content-type'), await page.text()], [/text\/html/, new RegExp(words.join('[^]*'))], path)
  }
})

t.test('Esri’s client reads pages, all of a layer, a feature, and protocol buffers that equal the JSON', async t => {
  const page = await queryFeatures({ url: shops, where: "kind = 'food'", resultRecordCount: 4, outFields: ['name', 'floors', 'since', 'open'], returnGeometry: true }) as any
  t.match(page, { objectIdFieldName: 'OBJECTID', geometryType: 'esriGeometryPoint', exceededTransferLimit: true, spatialReference: { wkid: 4326 } })
  t.strictSame(page.features[0], { attributes: { name: 'Chợ Hàn', floors: 0, since: Date.UTC(2020, 0, 15), open: 1 }, geometry: { x: 108.2, y: 16.04 } })
  const all = await queryAllFeatures({ url: shops, resultRecordCount: 7, params: { orderByFields: ' floors DESC, name ' } } as never) as any
  t.strictSame([all.features.length, new Set(all.features.map((each: any) => each.attributes.OBJECTID)).size, all.features[0].attributes.floors], [60, 60, 6])
  const feature = await getFeature({ url: shops, id: 1 }) as any
  t.match(feature, { attributes: { OBJECTID: 1, GlobalID: `{${globalIdOf(ids.shops[0]!).toUpperCase()}}`, name: 'Chợ Hàn' }, geometry: { x: 108.2, spatialReference: { wkid: 4326 } } })

  const near = (a: number, b: number) => Math.abs(a - b) < 1e-6
  for (const [id, n, token] of [['shops', 0], ['lots', 0], ['cables', 0, editor], ['marks', 0], ['marks', 1], ['marks', 2]] as const) {
    const parameters = { where: '1=1', outFields: '*', outSR: '4326', ...(token && { token }) }
    const json = await query(id, parameters, n)
    const pbf = await queryFeatures({ url: layerUrl(id, n), outFields: '*', outSR: '4326', f: 'pbf-as-arcgis', ...(token && { authentication }) } as never) as any
    t.strictSame(pbf.features.map((each: any) => each.attributes), json.features.map((each: any) => each.attributes), `${id}/${n}: attributes`)
    const numbers = (features: any[]) => features.flatMap(({ geometry: { x, y, paths, rings } }) => [x ?? [], y ?? [], paths ?? [], rings ?? []].flat(9))
    const [a, b] = [numbers(json.features), numbers(pbf.features)]
    t.ok(a.length > 1 && a.length === b.length && a.every((value: number, i: number) => near(value, b[i])), `${id}/${n}: ${a.length} ordinates`)
  }
  const grid = { mode: 'view', originPosition: 'upperLeft', tolerance: 100, extent: { xmin: 12_044_000, ymin: 1_800_000, xmax: 12_060_000, ymax: 1_816_000, spatialReference: { wkid: 102100 } } }
  const quantized = await query('lots', { where: '1=1', outSR: 102100, quantizationParameters: grid, returnCentroid: true, resultType: 'tile' })
  t.match(quantized, { transform: { originPosition: 'upperLeft', scale: [100, 100], translate: [12_044_000, 1_816_000] }, spatialReference: { wkid: 102100, latestWkid: 3857 } })
  const [outline, hole] = quantized.features[0].geometry.rings
  t.ok(outline.length === 5 && hole.length === 5 && quantized.features[0].centroid.x > 0)
  t.strictSame(outline.slice(1).reduce(([x, y]: number[], [dx, dy]: number[]) => [x! + dx!, y! + dy!], [0, 0]), [0, 0], 'the way round ends where it began')
  t.match(await query('shops', { where: 'OBJECTID = 1', f: 'geojson', outFields: 'OBJECTID,name' }), { type: 'FeatureCollection', features: [{ id: 1, geometry: { type: 'Point', coordinates: [108.2, 16.04] }, properties: { name: 'Chợ Hàn' } }] })
})

t.test('what has a grid comes back within half a cell', t => {
  const ordinate = fc.integer({ min: -2_000_000, max: 2_000_000 }).map(n => n / 100)
  fc.assert(fc.property(fc.array(fc.tuple(ordinate, ordinate), { minLength: 4, maxLength: 30 }), fc.constantFrom('upperLeft', 'lowerLeft') as fc.Arbitrary<Grid['originPosition']>, fc.integer({ min: 1, max: 500 }), (part, originPosition, cell) => {
    const grid: Grid = { originPosition, scale: cell / 10, translate: [5, -7], thin: false }
    const up = originPosition === 'lowerLeft' ? 1 : -1
    return onGrid(grid, 'esriGeometryPolyline', [part])[0]!.every(([x, y], i) => Math.abs(5 + x! * grid.scale - part[i]![0]) <= grid.scale * 0.5001 && Math.abs(-7 + up * y! * grid.scale - part[i]![1]) <= grid.scale * 0.5001)
  }))
  t.end()
})

t.test('where is SQL-92, and means what it says', async t => {
  const cases: readonly (readonly [string, readonly number[]])[] = [
    ["name = 'Chợ Hàn'", [0]], ["NAME LIKE 'Chợ%'", [0]], ["UPPER(name) LIKE UPPER('%chợ%')", [0]], ["lower(kind) = 'FOOD' AND OBJECTID <= 4", [0, 3]], ["name LIKE '10|%' ESCAPE '|'", []],
    ['OBJECTID IN (1, 3) OR objectid = 5', [0, 2, 4]], ['OBJECTID BETWEEN 2 AND 3', [1, 2]], ['NOT (OBJECTID > 2)', [0, 1]], ['(OBJECTID + 1) * 2 = 6', [1]], ['((OBJECTID)) < 2', [0]], ['"OBJECTID" != 1 AND OBJECTID < 3', [1]],
    ['open = 1 AND OBJECTID < 5', [0, 2]], ["open = '0' AND OBJECTID < 5", [1, 3]], ["floors = '6' AND OBJECTID < 10", [6]], ['floors IS NOT NULL AND OBJECTID = 1', [0]], ['parcel IS NULL AND OBJECTID = 2', [1]],
    ["since = DATE '2020-01-15' AND OBJECTID = 1", [0]], ["since > TIMESTAMP '2020-01-14 12:00:00' AND since < '2020-01-15 00:00:01' AND OBJECTID = 1", [0]], ["since > TIMESTAMP '2020-01-15 12:00:00'", []],
    ["seen BETWEEN TIMESTAMP '2026-03-01 00:00:00' AND DATE '2026-03-02' AND OBJECTID = 1", [0]], ["valid_from > CURRENT_TIMESTAMP - INTERVAL '1' DAY AND OBJECTID = 1", [0]], ['valid_from > CURRENT_DATE + 2', []],
    ['EXTRACT(YEAR FROM since) = 2020 AND OBJECTID = 1', [0]], ['CHAR_LENGTH(name) = 7 AND OBJECTID = 1', [0]], ["name || kind = 'Chợ Hànfood'", [0]], ['CAST(floors AS FLOAT) = 1 AND OBJECTID < 5', [1]], ['ABS(-OBJECTID) = 4', [3]],
    [`GlobalID = '{${globalIdOf(ids.shops[7]!)}}'`, [7]], [`GlobalID IN ('${globalIdOf(ids.shops[1]!)}', '${globalIdOf(ids.shops[2]!)}')`, [1, 2]], ["GlobalID = '{00000000-0000-0000-0000-000000000000}'", []], ['1=1 AND OBJECTID=1', [0]], ['1=0', []],
  ]
  for (const [where, wanted] of cases) t.strictSame(await namesWhere(where), wanted.map(i => shop(i).properties!.name), where)
  for (const [where, what] of [
    ['nam = 3', /no field “nam”. Did you mean name/], ["name = 'open", /closing quote, at character 8/], ['floors = ', /expected a field or a value, found “the end”, at character 10/], ['(floors = 3 AND )', /found “\)”, at character 17/],
    ["floors = 'three'", /a number cannot be compared with “three”/], ['floors = 1; drop table x', /unexpected “;”, at character 11/], ['name LIKE floors', /LIKE compares a text field/], ['pg_sleep(3) = 1', /there is no function PG_SLEEP/], ["since = 'soon'", /no date/],
    ['meter = 3', /no field “meter”/], [`${'('.repeat(40)}floors${')'.repeat(40)} = 1`, /nested deeper/],
  ] as const) t.match(await ask(`${shops}/query`, { where }), { status: 400, body: { error: { code: 400, details: [what] } } }, where)
})

t.test('no text makes a filter that fails in the database', async t => {
  const fields = fieldsOf(SHOPS, PUBLIC)
  const word = fc.constantFrom('name', 'floors', 'area', 'open', 'since', 'seen', 'tags', 'OBJECTID', 'GlobalID', '(', ')', ',', '=', '<>', '>', '<=', '+', '-', '*', '/', '%', '||', 'AND', 'OR', 'NOT', 'LIKE', 'IN', 'BETWEEN', 'IS', 'NULL', "'a'", "'%\\'", "'2020-01-01'",
    "DATE '2020-02-29'", "TIMESTAMP '2020-01-01 10:00:00'", '1', '0', '1e300', '7', 'UPPER(', 'POWER(', 'MOD(', 'CAST(', 'AS', 'FLOAT', 'CURRENT_DATE', "INTERVAL '1' DAY", 'EXTRACT(YEAR FROM', 'ESCAPE', "'\\'", ';', '--', '\u0000', 'é')
  const number = fc.constantFrom('floors', 'area', 'OBJECTID', '3', '-1.5', '1e300', '(floors)', 'floors * 2', 'area / floors', 'POWER(area, 300)', 'MOD(area, 0)', 'ABS(-floors)', 'CHAR_LENGTH(name)', 'EXTRACT(MONTH FROM seen)', "'4'")
  const chars = fc.constantFrom('name', 'kind', "'a'", "'%\\'", 'UPPER(name)', "name || 'x'", 'TRIM(kind)', "N'é'", "CAST(floors AS VARCHAR(5))", '7')
  const day = fc.constantFrom('since', 'seen', "DATE '2020-02-29'", "TIMESTAMP '2020-01-01 10:00:00'", "'2020-01-01'", 'CURRENT_DATE', "CURRENT_TIMESTAMP - INTERVAL '400' DAY", 'CURRENT_DATE - 99999999', 'valid_from')
  const operator = fc.constantFrom('=', '<>', '<', '>=', '!=')
  const simple = fc.oneof(
    ...[number, chars, day].flatMap(operand => [fc.tuple(operand, operator, operand).map(words => words.join(' ')), fc.tuple(operand, operand, operand).map(([a, b, c]) => `${a} BETWEEN ${b} AND ${c}`), fc.tuple(operand, fc.array(operand, { minLength: 1, maxLength: 4 })).map(([a, list]) => `${a} NOT IN (${list.join(', ')})`)]),
    fc.tuple(chars, fc.constantFrom("'%a_'", "'\\'", "UPPER('%b')", "'a|' ESCAPE '|'", "'!%' ESCAPE '!'")).map(([a, pattern]) => `${a} LIKE ${pattern}`), fc.tuple(word, fc.constantFrom('IS NULL', 'IS NOT NULL', '= 1', "= 'x'")).map(words => words.join(' ')))
  const condition = fc.array(fc.oneof(simple, simple.map(each => `NOT (${each})`)), { minLength: 1, maxLength: 3 }).chain(all => fc.constantFrom(' AND ', ' OR ').map(joint => all.join(joint)))
  const texts = fc.oneof({ weight: 3, arbitrary: condition }, { weight: 1, arbitrary: fc.array(word, { maxLength: 12 }).map(words => words.join(' ')) }, { weight: 1, arbitrary: fc.string({ maxLength: 30 }) })
  let understood = 0
  await fc.assert(fc.asyncProperty(texts, async text => {
    try {
      parseWhere(text, { fields, features: new Map(), now: new Date() })
    } catch (error) {
      return (error as { status?: number }).status === 400
    }
    understood++
    const { status } = await ask(`${shops}/query`, { where: text, returnCountOnly: true })
    return status === 200 || status === 400
  }), { numRuns: 1500 })
  t.ok(understood > 200, `${understood} of the texts were conditions`)
})

t.test('counts, ids, extents, distinct values and statistics come from the database', async t => {
  t.strictSame(await query('shops', { where: 'floors > 4', returnCountOnly: true }), { count: 16 })
  t.strictSame((await query('shops', { where: 'floors > 4', returnIdsOnly: true })).objectIds.slice(0, 3), [6, 7, 13])
  t.match(await query('shops', { objectIds: '1,2', returnExtentOnly: true, returnCountOnly: true }), { count: 2, extent: { xmin: 108.2, ymin: 16.04, xmax: 108.202, ymax: 16.04 } })
  t.strictSame((await query('shops', { outFields: 'kind,open', returnDistinctValues: true, returnGeometry: false, orderByFields: 'kind DESC' })).features.map((each: any) => Object.values(each.attributes)), [['tools', 0], ['tools', 1], ['food', 0], ['food', 1]])
  t.strictSame(await query('shops', { outFields: 'kind', returnDistinctValues: true, returnCountOnly: true }), { count: 2 })
  const statistics = [['count', 'OBJECTID', 'n'], ['sum', 'area', 'total'], ['max', 'since', 'latest'], ['percentile_disc', 'floors', 'median']].map(([statisticType, onStatisticField, outStatisticFieldName]) => ({ statisticType, onStatisticField, outStatisticFieldName, statisticParameters: { value: 0.5 } }))
  const grouped = await query('shops', { outStatistics: statistics, groupByFieldsForStatistics: 'kind', orderByFields: 'n DESC' })
  t.strictSame(grouped.features.map((each: any) => each.attributes), [{ kind: 'tools', n: 40, total: 1800, latest: Date.UTC(2020, 0, 15), median: 3 }, { kind: 'food', n: 20, total: 855, latest: Date.UTC(2020, 0, 15), median: 3 }])
  t.match(await ask(`${shops}/query`, { outStatistics: [{ statisticType: 'sum', onStatisticField: 'name' }] }), { status: 400, body: { error: { details: [/takes numbers/] } } })
  const byForm = await fetch(`${shops}/query`, { method: 'POST', body: new URLSearchParams({ f: 'json', where: 'OBJECTID < 4', returnCountOnly: 'true', objectIds: '', time: '' }) })
  t.strictSame(await byForm.json(), { count: 3 })
  const first = await fetch(`${shops}/query?f=json&where=1%3D1&returnCountOnly=true`)
  t.equal((await fetch(`${shops}/query?f=json&where=1%3D1&returnCountOnly=true`, { headers: { 'if-none-match': first.headers.get('etag')! } })).status, 304)
  const renderer = async (classificationDef: object) => (await ask(`${shops}/generateRenderer`, { classificationDef })).body
  t.match(await renderer({ type: 'uniqueValueDef', uniqueValueFields: ['kind'] }), { type: 'uniqueValue', uniqueValueInfos: [{ value: 'tools', count: 40, label: 'Tools', symbol: { type: 'esriSMS' } }, { value: 'food' }] })
  t.match(await renderer({ type: 'classBreaksDef', classificationField: 'area', classificationMethod: 'esriClassifyEqualInterval', breakCount: 3 }), { type: 'classBreaks', minValue: 0, classBreakInfos: [{ classMaxValue: 29.5 }, { classMaxValue: 59 }, { classMaxValue: 88.5 }] })
  t.strictSame(naturalBreaks([1, 2, 3, 50, 51, 52, 1000, 1001], 3), [3, 52, 1001])
  t.strictSame(breaksOf('esriClassifyQuantile', 2, { low: 0, high: 4, mean: 2, deviation: 1, sample: [0, 1, 2, 3, 4] }), [2, 4])
})

t.test('shapes select features as ArcGIS says: the geometry given contains, touches, lies within the feature', async t => {
  const lots = (parameters: object) => query('lots', { returnCountOnly: true, inSR: 4326, ...parameters })
  const square = (w: number, s: number, size: number) => ({ geometry: { rings: [ring(w, s, size)] }, geometryType: 'esriGeometryPolygon' })
  t.strictSame(await lots({ geometry: '108.2,16,108.215,16.1' }), { count: 1 })
  t.strictSame(await lots({ geometry: { xmin: 12_044_000, ymin: 1_800_000, xmax: 12_080_000, ymax: 1_820_000, spatialReference: { wkid: 102100 } }, inSR: '' }), { count: 3 })
  t.strictSame(await lots({ ...square(108.205, 16.04, 0.03), spatialRel: 'esriSpatialRelContains' }), { count: 2 }, 'contains')
  t.strictSame(await lots({ ...square(108.2105, 16.0505, 0.001), spatialRel: 'esriSpatialRelWithin' }), { count: 1 }, 'within')
  t.strictSame(await lots({ geometry: '108.213,16.053', geometryType: 'esriGeometryPoint' }), { count: 0 }, 'in the hole')
  t.strictSame(await lots({ geometry: '108.213,16.053', geometryType: 'esriGeometryPoint', distance: 200 }), { count: 1 }, 'near its edge')
  t.strictSame(await lots({ geometry: '108.213,16.053,108.2131,16.0531', spatialRel: 'esriSpatialRelEnvelopeIntersects' }), { count: 1 }, 'by boxes alone')
  for (const [parameters, what] of [
    [{ geometry: '1,2,3' }, /no esriGeometryEnvelope/], [{ geometry: { rings: [[[1, 2]]] }, geometryType: 'esriGeometryPolygon' }, /four positions/], [{ geometry: '{' }, /not JSON/], [{ geometry: '1,2', geometryType: 'esriGeometryPolygon' }, /rings/],
    [{ inSR: 99999, geometry: '1,2,3,4' }, /no spatial reference/], [{ outSR: 'x' }, /no spatial reference/], [{ resultOffset: -1 }, /resultOffset/], [{ having: 'n > 3' }, /not supported/], [{ quantizationParameters: '{}' }, /tolerance/], [{ outFields: 'nope' }, /no field/],
  ] as const) t.match(await ask(`${layerUrl('lots')}/query`, parameters), { status: 400, body: { error: { details: [what] } } }, JSON.stringify(parameters))
})

t.test('Esri’s client edits; OBJECTIDs and GlobalIDs stay', async t => {
  const point = { x: 108.5, y: 16.5, spatialReference: { wkid: 4326 } }
  const added = (await addFeatures({ url: shops, authentication, features: [{ geometry: point, attributes: { name: 'Quán mới', kind: 'food', open: 1, since: Date.UTC(2024, 1, 29), seen: 1_700_000_000_123, tags: '{"b":[1]}', OBJECTID: 77777 } }] as never })).addResults[0]!
  t.match(added, { objectId: 61, globalId: /^\{D0741000-/, success: true })
  const seen = async (id: number, moment?: number) => (await query('shops', { objectIds: id, outFields: '*', ...(moment && { historicMoment: moment }) })).features[0]
  const before = Date.now()
  t.match(await seen(61), { attributes: { name: 'Quán mới', open: 1, since: Date.UTC(2024, 1, 29), seen: 1_700_000_000_123, tags: '{"b": [1]}', GlobalID: added.globalId }, geometry: { x: 108.5, y: 16.5 } })
  t.match((await updateFeatures({ url: shops, authentication, features: [{ attributes: { objectid: 61, name: 'Quán cũ' }, geometry: { x: 12_078_000, y: 1_860_000, spatialReference: { wkid: 102100, latestWkid: 3857 } } }] as never })).updateResults, [{ objectId: 61, success: true, globalId: added.globalId }])
  t.match(await seen(61), { attributes: { name: 'Quán cũ', kind: 'food' }, geometry: { x: 108.49852, y: 16.4767526 } }, 'what was not named stays')
  t.match(await seen(61, before), { attributes: { name: 'Quán mới' } }, 'as it was')
  t.match(await deleteFeatures({ url: shops, authentication, objectIds: [61] }), { deleteResults: [{ objectId: 61, success: true }] })
  t.equal(await seen(61), undefined)
  const undone = await applyEdits({ url: shops, authentication, useGlobalIds: true, adds: [{ geometry: point, attributes: { GlobalID: added.globalId, name: 'Quán lại' } }] as never })
  t.match(undone.addResults, [{ objectId: 61, globalId: added.globalId, success: true }], 'what comes back under its GlobalID is the same feature')

  const own = '{5F1A3B52-0000-4C11-9D9F-0123456789AB}'
  const offline = await applyEdits({ url: shops, authentication, useGlobalIds: true, adds: [{ geometry: point, attributes: { globalId: own, name: 'Ngoại tuyến' } }] as never, updates: [{ attributes: { globalId: added.globalId, floors: 9 } }] as never, deletes: [globalIdOf(ids.shops[59]!)] as never, params: { returnEditMoment: true } })
  t.match(offline, { addResults: [{ objectId: 62, globalId: own, success: true }], updateResults: [{ objectId: 61, success: true }], deleteResults: [{ objectId: 60, success: true }], editMoment: Number })
  t.strictSame(await namesWhere(`GlobalID = '${own}'`), ['Ngoại tuyến'])
  t.match((await applyEdits({ url: shops, authentication, useGlobalIds: true, adds: [{ geometry: point, attributes: { globalId: own, name: 'hai lần' } }] as never })).addResults, [{ success: false, error: { code: 409 } }])

  const mixed = { url: shops, authentication, adds: [{ geometry: point, attributes: { name: 'gut' } }, { geometry: point, attributes: { floors: 900 } }, { geometry: point, attributes: { colour: 'red' } }] as never, deletes: [99999] as never }
  const none = await applyEdits(mixed)
  t.match(none, { addResults: [{ success: false, error: { code: 1003, description: 'Operation rolled back.' } }, { success: false }, { success: false, error: { code: 422, description: /no field “colour”/ } }], deleteResults: [{ objectId: 99999, success: false, error: { code: 404 } }] })
  t.match((await applyEdits({ ...mixed, adds: (mixed.adds as unknown[]).slice(0, 2) as never, deletes: [] as never })).addResults, [{ success: false, error: { code: 1003 } }, { success: false, error: { code: 422, description: /floors: 900 is above 200/ } }])
  t.strictSame(await namesWhere("name = 'gut'"), [])
  t.match(await applyEdits({ ...mixed, rollbackOnFailure: false }), { addResults: [{ success: true }, { success: false, error: { description: /900 is above 200/ } }, { success: false }], deleteResults: [{ success: false }] })
  t.strictSame(await namesWhere("name = 'gut'"), ['gut'])
  t.match(await deleteFeatures({ url: shops, authentication, where: "name IN ('gut', 'Ngoại tuyến')" } as never), { deleteResults: [{ success: true }, { success: true }] })

  const area = { rings: [ring(587_000, 1_775_000, 100), ring(587_020, 1_775_020, 10).toReversed()], spatialReference: { wkid: 5899 } }
  const lot = (await addFeatures({ url: layerUrl('lots'), authentication, features: [{ geometry: area, attributes: { so_to: '9' } }] as never })).addResults[0]!
  const kept = (await query('lots', { objectIds: lot.objectId })).features[0].geometry.rings
  t.strictSame([kept[0].length, kept[1].length, kept[0][0], kept.flat().every((position: number[]) => area.rings.flat().some(([x, y]) => x === position[0] && y === position[1]))], [5, 5, [587_000, 1_775_000], true], 'a survey stays as it was delivered')
  t.match(await request(`${services}/marks/FeatureServer/applyEdits`, { authentication, params: { edits: [{ id: 1, adds: [{ attributes: { note: 'n' }, geometry: { paths: [[[108, 16], [108.1, 16]]] } }] }, { id: 2, adds: [{ geometry: { paths: [[[1, 2], [3, 4]]] } }] }] } }),
    [{ id: 1, addResults: [{ success: true }] }, { id: 2, addResults: [{ success: false, error: { description: /no esriGeometryPolygon/ } }] }])
})

t.test('who may do what: tokens in all the ways that ArcGIS sends them', async t => {
  const form = (path: string, fields: Record<string, string>, headers = {}) => fetch(`${url}${path}`, { method: 'POST', body: new URLSearchParams(fields), headers }).then(async response => ({ status: response.status, body: await response.json() as any }))
  const add = { f: 'json', features: '[{"attributes":{"name":"x"}}]' }
  const path = '/arcgis/rest/services/shops/FeatureServer/0/addFeatures'
  t.match(await form(path, add), { status: 200, body: { error: { code: 499 } } })
  t.match(await form(path, { ...add, token: 'wrong' }), { status: 200, body: { error: { code: 498 } } })
  t.match(await form(path, { ...add, token: await secretOf('viewer') }), { status: 403, body: { error: { code: 403 } } })
  t.match(await form(path, add, { 'x-esri-authorization': `Bearer ${editor}` }), { body: { addResults: [{ success: true }] } })
  t.match(await form(path, add, { authorization: 'Bearer steward' }), { body: { addResults: [{ success: true }] } })
  t.match(await form('/arcgis/tokens/', { username: 'anybody', password: editor }), { body: { token: editor, expires: Number, ssl: false } })
  t.match(await form('/arcgis/tokens/generateToken', { username: 'a', password: 'b' }), { status: 200, body: { error: { code: 400, message: 'Unable to generate token.' } } })
  const person = await ArcGISIdentityManager.signIn({ username: 'anybody', password: editor, portal: `${url}/arcgis/rest`, server: `${url}/arcgis` } as never).catch(() => undefined)
  t.ok(person === undefined || person.token, 'a portal is not what this is')
  t.match(await query('cables', { token: editor, outFields: 'kv' }), { features: [{ attributes: { kv: 22 } }] })
  t.match(await form('/arcgis/rest/services/cables/FeatureServer/0/query', { f: 'json', token: editor, returnCountOnly: 'true' }), { body: { count: 1 } })
  t.equal((await fetch(`${url}${path}?features=[]`)).status, 400, 'nothing is written by GET')
  t.match((await fetch(`${url}${path}`, { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } })).status, 415)
  for (const fields of [{ features: '[' }, { features: '{"a":1}' }, { features: '[3]' }, { features: '[{"attributes":[]}]' }]) t.match(await form(path, { ...fields, token: editor } as never), { status: 400, body: { error: { code: 400 } } })
})

t.test('attachments are added, listed, fetched and deleted', async t => {
  const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64')
  const file = new File([png], 'ảnh.png', { type: 'image/png' })
  const { addAttachmentResult: { objectId } } = await addAttachment({ url: shops, featureId: 1, attachment: file, authentication })
  t.match(await getAttachments({ url: shops, featureId: 1 }), { attachmentInfos: [{ id: objectId, name: 'ảnh.png', contentType: 'image/png', size: png.length }] })
  const fetched = await fetch(`${shops}/1/attachments/${objectId}`)
  t.strictSame([fetched.headers.get('content-type'), Buffer.from(await fetched.arrayBuffer())], ['image/png', png])
  t.match((await ask(`${shops}/queryAttachments`, { objectIds: '1,2' })).body, { attachmentGroups: [{ parentObjectId: 1, attachmentInfos: [{ id: objectId, url: `${shops}/1/attachments/${objectId}` }] }] })
  t.match(await deleteAttachments({ url: shops, featureId: 1, attachmentIds: [objectId, 5], authentication }), { deleteAttachmentResults: [{ objectId, success: true }, { objectId: 5, success: false }] })
  t.match(await getAttachments({ url: shops, featureId: 1 }), { attachmentInfos: [] })
  t.match((await fetch(`${shops}/1/addAttachment`, { method: 'POST', body: new URLSearchParams({ token: editor }) })).status, 400)
})

t.test('a scenario’s services show and change the scenario alone', async t => {
  const { id } = await createScenario(store, { title: title('Nếu như'), forcing: {} } as never, STEWARD)
  const there = `${url}/scenarios/${id}/arcgis/rest/services/shops/FeatureServer/0`
  const { addResults: [added] } = await addFeatures({ url: there, authentication, features: [{ geometry: { x: 108, y: 16 }, attributes: { name: 'chỉ ở đây' } }] as never })
  t.match(added, { success: true })
  await updateFeatures({ url: there, authentication, features: [{ attributes: { OBJECTID: 2, name: 'khác' } }] as never })
  const name = async (address: string, where: string) => (await ask(`${address}/query`, { where, outFields: 'name' })).body.features.map((each: any) => each.attributes.name)
  t.strictSame([await name(there, 'OBJECTID = 2'), await name(shops, 'OBJECTID = 2'), await name(there, "name = 'chỉ ở đây'"), await name(shops, "name = 'chỉ ở đây'")], [['khác'], ['Tiệm số 1'], ['chỉ ở đây'], []])
})

t.test('GDAL reads a layer by pages', async t => {
  const { stdout } = await promisify(execFile)('ogr2ogr', ['-f', 'GeoJSON', '/vsistdout/', `ESRIJSON:${shops}/query?where=kind%3D%27tools%27&outFields=*&orderByFields=OBJECTID&f=json&resultRecordCount=9`])
  const { features } = JSON.parse(stdout)
  t.strictSame([features.length, features[0].properties.name, features[0].geometry], [await query('shops', { where: "kind='tools'", returnCountOnly: true }).then(({ count }) => count), 'Tiệm số 1', { type: 'Point', coordinates: [108.202, 16.04] }])
})
