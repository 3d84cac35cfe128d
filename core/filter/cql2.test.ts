import t from 'tap'
import { CRS84_URI, CRSS, findCrs } from '../crs.js'
import type { Filter } from './ast.js'
import { FilterSyntaxError } from './build.js'
import { parseCql2Json, printCql2Json } from './cql2-json.js'
import { parseCql2Text } from './cql2-text.js'

const use: Filter = { op: '=', left: { property: 'use' }, right: { literal: 'hospital' } }

t.test('text and JSON say the same', async (t) => {
  const cases: [text: string, json: unknown][] = [
    [`use = 'hospital'`, { op: '=', args: [{ property: 'use' }, 'hospital'] }],
    [`floors >= 3 AND NOT name LIKE 'Trạm%'`, { op: 'and', args: [{ op: '>=', args: [{ property: 'floors' }, 3] }, { op: 'not', args: [{ op: 'like', args: [{ property: 'name' }, 'Trạm%'] }] }] }],
    [`"tên" NOT IN ('a', 'it''s')`, { op: 'not', args: [{ op: 'in', args: [{ property: 'tên' }, ['a', `it's`]] }] }],
    [`depth BETWEEN -0.5 AND 1e2`, { op: 'between', args: [{ property: 'depth' }, -0.5, 100] }],
    [`CASEI(name) LIKE CASEI('%Hàn')`, { op: 'like', args: [{ op: 'casei', args: [{ property: 'name' }] }, { op: 'casei', args: ['%Hàn'] }] }],
    [`(storeys + 1) * 3.4 > height - -2 ^ 2`, { op: '>', args: [{ op: '*', args: [{ op: '+', args: [{ property: 'storeys' }, 1] }, 3.4] }, { op: '-', args: [{ property: 'height' }, { op: '^', args: [-2, 2] }] }] }],
    [`T_DURING(INTERVAL(seen, gone), INTERVAL('..', '2026-01-01'))`, { op: 't_during', args: [{ interval: [{ property: 'seen' }, { property: 'gone' }] }, { interval: ['..', '2026-01-01'] }] }],
    [`A_CONTAINEDBY(tags, ('a'))`, { op: 'a_containedBy', args: [{ property: 'tags' }, ['a']] }],
    [`dwithin(geom, POINT(108.2 16.06), 500) AND floodDepth('r') > 0.5`, { op: 'and', args: [{ op: 'dwithin', args: [{ property: 'geom' }, { type: 'Point', coordinates: [108.2, 16.06] }, 500] }, { op: '>', args: [{ op: 'floodDepth', args: ['r'] }, 0.5] }] }],
    [`S_WITHIN(geom, buffer(geom, 10)) OR TRUE`, { op: 'or', args: [{ op: 's_within', args: [{ property: 'geom' }, { op: 'buffer', args: [{ property: 'geom' }, 10] }] }, true] }],
    [`name IS NOT NULL`, { op: 'not', args: [{ op: 'isNull', args: [{ property: 'name' }] }] }],
    [`since < DATE('2024-02-29') OR seen = TIMESTAMP('2026-01-01T00:00:00Z')`, { op: 'or', args: [{ op: '<', args: [{ property: 'since' }, { date: '2024-02-29' }] }, { op: '=', args: [{ property: 'seen' }, { timestamp: '2026-01-01T00:00:00Z' }] }] }],
    [`S_INTERSECTS(geometry, BBOX(108,16,109,17))`, { op: 's_intersects', args: [{ property: 'geometry' }, { bbox: [108, 16, 109, 17] }] }],
    [`S_INTERSECTS(geom, POLYGON((0 0, 1 0, 1 1, 0 0)))`, { op: 's_intersects', args: [{ property: 'geom' }, { type: 'Polygon', coordinates: [[[0, 0], [1, 0], [1, 1], [0, 0]]] }] }],
    [`S_INTERSECTS(geom, MULTIPOINT Z ((1 2 3), (4 5 6)))`, { op: 's_intersects', args: [{ property: 'geom' }, { type: 'MultiPoint', coordinates: [[1, 2, 3], [4, 5, 6]] }] }],
    [`open = TRUE`, { op: '=', args: [{ property: 'open' }, true] }],
  ]
  for (const [text, json] of cases) {
    t.strictSame(parseCql2Text(text), parseCql2Json(json), text)
    t.strictSame(printCql2Json(parseCql2Json(json)), json, `${text} printed again`)
  }
})

t.test('AND binds stronger than OR, and brackets stronger than both', async (t) => {
  t.strictSame(parseCql2Text(`use='hospital' or use='hospital' and use='hospital'`), { op: 'or', args: [use, { op: 'and', args: [use, use] }] })
  t.strictSame(parseCql2Text(`(use='hospital' or use='hospital') and use='hospital'`), { op: 'and', args: [{ op: 'or', args: [use, use] }, use] })
})

t.test('a filter that cannot be read says where', async (t) => {
  const cases: [text: string, at: number][] = [
    ['', 1], ['a = ', 5], [`a = 'x`, 5], ['a == 1', 4], ['a = 1 b', 7], ['a - = 2', 5], ['a in ()', 7], ['a = 1 and', 10], ['a', 1], ['a + 1', 3], ['a not b', 7],
    [`d = DATE('2023-02-29')`, 5], ['S_INTERSECTS(g, CIRCLE(1 2))', 26], ['S_INTERSECTS(g, POLYGON((0 0,1 1,2 2,3 3)))', 17], ['(a = 1', 7], ['a = 1e999', 5], ['S_INTERSECTS(g, BBOX(1,2,3))', 17],
    [`name LIKE 5`, 11], [`S_TOUCHES(g, 'x')`, 14], ['T_MEETS(a, INTERVAL(b, c))', 9], [`T_AFTER(a, INTERVAL('2024-01-02', '2024-01-01'))`, 12], ['A_EQUALS(1, (2))', 10], ['a = (1, 2)', 5], ['CASEI(a, b) = 1', 1], ['a + 1 and b = 2', 3],
  ]
  for (const [text, at] of cases) t.match(caught(() => parseCql2Text(text)), { name: 'FilterSyntaxError', at }, text || '(empty)')
  const json: [value: unknown, at: string][] = [
    [null, ''], [{ op: '', args: [] }, '/op'], [{ op: 'sudo' }, '/args'], [{ op: 'and', args: [1] }, '/args'], [{ op: 'and', args: [{ op: '=', args: [1] }, 1] }, '/args/0/args'],
    [{ op: 'in', args: [{ property: 'a' }, []] }, '/args/1'], [{ op: '=', args: [{ property: 'a' }, { date: 'never' }] }, '/args/1'],
    [{ op: 's_intersects', args: [{ property: 'g' }, { bbox: [1, 2] }] }, '/args/1/bbox'], [{ op: 's_intersects', args: [{ property: 'g' }, { type: 'Point', coordinates: ['x', 1] }] }, '/args/1/coordinates'],
  ]
  for (const [value, at] of json) t.match(caught(() => parseCql2Json(value)), { name: 'FilterSyntaxError', at }, JSON.stringify(value))
})

t.test('endless nesting is refused, not recursed into', async (t) => {
  t.match(caught(() => parseCql2Text(`${'('.repeat(5000)}a=1${')'.repeat(5000)}`)), { name: 'FilterSyntaxError' })
  t.match(caught(() => parseCql2Text(`${'NOT '.repeat(5000)}a=1`)), { name: 'FilterSyntaxError' })
  t.match(caught(() => parseCql2Text(`${'CASEI('.repeat(5000)}a`)), { name: 'FilterSyntaxError' })
  t.match(caught(() => parseCql2Text(`S_INTERSECTS(g, ${'GEOMETRYCOLLECTION('.repeat(5000)}`)), { name: 'FilterSyntaxError' })
  const deep = Array.from({ length: 100 }).reduce<unknown>((arg) => ({ op: 'not', args: [arg] }), { op: '=', args: [{ property: 'a' }, 1] })
  t.match(caught(() => parseCql2Json(deep)), { name: 'FilterSyntaxError' })
})

t.test('a CRS is known by its URI, CURIE and URN', async (t) => {
  t.equal(findCrs(CRS84_URI), CRSS[0])
  for (const name of ['http://www.opengis.net/def/crs/EPSG/0/5899', 'https://www.opengis.net/def/crs/EPSG/0/5899', '[EPSG:5899]', 'EPSG:5899', 'urn:ogc:def:crs:EPSG::5899']) t.equal(findCrs(name)?.srid, 5899, name)
  t.equal(findCrs('http://www.opengis.net/def/crs/EPSG/0/4326')?.axes, 'lat,lon')
  t.equal(findCrs('http://www.opengis.net/def/crs/EPSG/0/9217')?.srid, 9217, 'a neighbour’s zone')
  for (const name of ['', 'EPSG:1', 'http://www.opengis.net/def/crs/EPSG/0/99999', '5899']) t.equal(findCrs(name), undefined, name)
})

function caught(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error instanceof FilterSyntaxError ? { name: error.name, at: error.at, message: error.message } : error
  }
  return undefined
}
