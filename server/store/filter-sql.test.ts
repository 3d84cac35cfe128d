import { sql } from 'kysely'
import t from 'tap'
import type { Filter, Scalar } from '../../core/filter/ast.js'
import { parseCql2Text } from '../../core/filter/cql2-text.js'
import { fold, foldAccents, foldCase } from '../../core/text.js'
import type { Classification } from '../../layers/layer.js'
import { CABLES, exampleStore, WELLS } from './example-store.js'
import { CLASSES } from './rights.js'
import { PUBLIC, STEWARD, type Reader, type Store, type ViewArgs } from './store.js'
import { insertFeatures } from './writes.js'

const BY = { actor: 'me', reason: 'test' }
const problem = (status: number, more: object = {}) => ({ status, ...more }) as unknown as Error
const refused = { code: /25006|42501/ } as unknown as Error
const reader = (clearance: Classification): Reader => ({ subject: 'r', roles: ['viewer'], clearance })
const p = (property: string): Scalar => ({ property })
const v = (literal: string | number | boolean): Scalar => ({ literal })
const NASTY = [`'; drop table city.wells; --`, `"`, '\\', `$1`, '%', `' or '1'='1`, '{{}}', '💧']

t.test('filters', async t => {
  const store = await exampleStore(t)
  const at = (lon: number, lat: number) => ({ type: 'Point', coordinates: [lon, lat] })
  await store.withRevision(BY, writer => insertFeatures(writer, WELLS, 'main', [
    { geometry: at(108.1, 16), properties: { name: 'Giếng Hoà Vang', depth: 3, floors: 1, dug: '2020-01-01', seen: '2025-01-01T00:00:00Z', open: true, extra: {}, flow: 1, owner: 'A' }, source: 'osm', sourceId: 'n1' },
    { geometry: at(108.2, 16), properties: { name: 'giếng Hòa Vang', depth: 30.5, floors: 2, dug: '2021-06-30', seen: '2025-07-01T07:00:00+07:00', open: false, flow: 2, owner: 'B' } },
    { geometry: at(108.3, 16), properties: { name: 'Đập 100%_\\', depth: null, floors: 9007199254740991, flow: 3, owner: 'C' } },
    ...NASTY.map(name => ({ geometry: at(109, 17), properties: { name } })),
  ]))
  const [a, b, c] = ['Giếng Hoà Vang', 'giếng Hòa Vang', 'Đập 100%_\\']
  const found = async (where: Filter, args: Partial<ViewArgs> = {}) =>
    (await (await store.view({ layer: WELLS, branch: 'main', asOf: 'now', reader: PUBLIC, where, ...args })).orderBy('id').execute()).map(row => row.name)
  const fails = (where: unknown, detail: RegExp, args: Partial<ViewArgs> = {}) => t.rejects(found(where as Filter, args), problem(400, { detail }))

  t.test('each operator finds what it says', async t => {
    const cases: readonly [Filter, readonly unknown[]][] = [
      [{ op: '=', left: p('floors'), right: v(2) }, [b]],
      [{ op: '=', left: p('floors'), right: v(2 ** 53 - 1) }, [c]],
      [{ op: '<', left: p('floors'), right: v(1.5) }, [a]],
      [{ op: '<>', left: p('depth'), right: v(3) }, [b]],
      [{ op: '>=', left: p('depth'), right: v(3) }, [a, b]],
      [{ op: '<=', left: v(30.5), right: p('depth') }, [b]],
      [{ op: '=', left: p('open'), right: v(true) }, [a]],
      [{ op: '>', left: p('dug'), right: { date: '2020-12-31' } }, [b]],
      [{ op: '=', left: p('seen'), right: { timestamp: '2025-07-01T00:00:00Z' } }, [b]],
      [{ op: 'between', left: p('depth'), low: v(3), high: v(4) }, [a]],
      [{ op: 'in', left: p('source_id'), values: [v('n1'), v('n2')] }, [a]],
      [{ op: 'in', left: p('depth'), values: [] }, []],
      [{ op: 'isNull', arg: p('extra') }, [b, c, ...NASTY]],
      [{ op: 'and', args: [{ op: 'isNull', arg: p('depth') }, { op: 'not', arg: { op: 'isNull', arg: p('floors') } }] }, [c]],
      [{ op: 'or', args: [{ op: '=', left: p('depth'), right: v(3) }, { op: '=', left: p('floors'), right: v(2) }] }, [a, b]],
      [{ op: 'like', left: p('name'), pattern: '% Hòa %' }, [b]],
      [{ op: 'like', left: p('name'), pattern: '%100\\%\\_\\\\' }, [c]],
      [{ op: 'like', left: { fold: 'casei', arg: p('name') }, pattern: 'GIẾNG HÒA%' }, [b]],
      [{ op: 'like', left: { fold: 'accenti', arg: p('name') }, pattern: 'Giếng%' }, [a]],
      [{ op: 'like', left: { fold: 'casei', arg: { fold: 'accenti', arg: p('name') } }, pattern: 'GIENG HOÀ%' }, [a, b]],
      [{ op: '=', left: p('name'), right: v('Giếng Hòa Vang') }, [a]],
      [{ op: '=', left: v('giếng Hoà Vang'.normalize('NFD')), right: p('name') }, [b]],
      [{ op: 'in', left: p('name'), values: [v('Giếng Hòa Vang'), v('giếng Hoà Vang'), v('Gieng Hoa Vang')] }, [a, b]],
      [{ op: '=', left: p('name'), right: v('Giếng Hoá Vang') }, []],
      [{ op: 'and', args: [{ op: '<>', left: p('name'), right: v('Giếng Hòa Vang') }, { op: '<', left: p('depth'), right: v(50) }] }, [b]],
      [{ op: '=', left: { fold: 'casei', arg: p('name') }, right: { fold: 'casei', arg: v('GIẾNG HOÀ VANG') } }, [a, b]],
      [{ op: '=', left: { fold: 'accenti', arg: p('name') }, right: { fold: 'accenti', arg: v('Dap 100%_\\') } }, [c]],
      [{ op: 's_intersects', left: { property: 'geom' }, right: { bbox: [108.05, 15, 108.25, 17] } }, [a, b]],
      [{ op: 's_intersects', left: { property: 'geometry' }, right: { geojson: { type: 'Polygon', coordinates: [[[108.15, 15], [108.25, 15], [108.2, 17], [108.15, 15]]] } } }, [b]],
    ]
    for (const [where, names] of cases) t.strictSame(await found(where), names, JSON.stringify(where))
  })

  t.test('what is compared must be alike, and exist for the reader', async () => {
    await fails({ op: '=', left: p('depth'), right: v('3') }, /depth \(number\) cannot be compared with the text “3”/)
    await fails({ op: '=', left: p('name'), right: v(3) }, /name \(text\)/)
    await fails({ op: '=', left: p('dug'), right: v('2020-01-01') }, /dug \(date\)/)
    await fails({ op: 'like', left: p('depth'), pattern: '%' }, /like takes text, not depth/)
    await fails({ op: '=', left: { fold: 'casei', arg: p('depth') }, right: v('x') }, /casei takes text/)
    await fails({ op: '=', left: p('extra'), right: v('x') }, /only “is null”/)
    await fails({ op: '=', left: p('dpeth'), right: v(1) }, /no property “dpeth”. Did you mean depth\?/)
    await fails({ op: '=', left: p('owner'), right: v('A') }, /no property “owner”/)
    await fails({ op: 'isNull', arg: p('flow') }, /no property “flow”/)
    await fails({ op: 'isNull', arg: p('branch') }, /no property “branch”/)
    await fails({ op: 's_intersects', left: { property: 'owner' }, right: { bbox: [0, 0, 1, 1] } }, /takes the property “geom”/)
    await fails({ op: '=', left: p('dug'), right: { date: '2025-02-30' } }, /not a date/)
    await fails({ op: '=', left: p('seen'), right: { timestamp: 'yesterday' } }, /not an instant/)
    await fails({ op: '=', left: p('seen'), right: { timestamp: '2025-06-30T23:59:59+18:00' } }, /not an instant/)
    await fails({ op: '=', left: p('depth'), right: v(NaN) }, /finite number/)
    await fails({ op: 'and', args: [] }, /at least one/)
    await fails({ op: 'like', left: p('name'), pattern: 'a\\' }, /lone backslash/)
    await fails({ op: '=', left: p('name'), right: v('a\0b') }, /zero byte/)
    await fails({ op: 'x; drop', left: p('name'), right: v('a') }, /unknown operator/)
    await fails({ op: '=', left: {}, right: v('a') }, /neither a property nor a value/)
    await fails({ op: 's_intersects', left: { property: 'geom' }, right: { geojson: { type: 'Polygon', coordinates: [[1, 2]] } } }, /not nested/)
    await fails({ op: 's_intersects', left: { property: 'geom' }, right: { geojson: { type: 'Point', coordinates: [1, '2); drop'] } } }, /finite numbers/)
    await fails({ op: 's_intersects', left: { property: 'geom' }, right: { geojson: { type: 'Circle', coordinates: [1, 2] } } }, /unknown type “Circle”/)
    await fails({ op: 's_intersects', left: { property: 'geom' }, right: { geojson: { type: 'Polygon', coordinates: [[[1, 2], [3, 4]]] } } }, /at least four/)
    await fails({ op: 'in', left: p('depth'), values: Array.from({ length: 3000 }, () => v(1)) }, /more than 2000 parts/)
    let deep: Filter = { op: 'isNull', arg: p('name') }
    for (let i = 0; i < 100; i++) deep = { op: 'not', arg: deep }
    await fails(deep, /nested deeper/)
  })

  t.test('the rest of CQL2, as text, with functions', async t => {
    const all = [a, b, c, ...NASTY]
    const cases: readonly [string, readonly unknown[]][] = [
      ['depth * 2 + 1 = 7', [a]], ['depth / floors > 10', [b]], ['floors div 2 = 1', [b]], ['depth % 2 = 1', [a]], ['2 ^ floors = 4', [b]], ['depth / 0 = 1', []], ['(0 - depth) ^ 0.5 = 1', []],
      ['depth > flow', [a, b]], ['TRUE', all], ['NOT FALSE AND depth = 3', [a]],
      ["T_AFTER(dug, DATE('2020-12-31'))", [b]], ["T_DURING(INTERVAL(dug, seen), INTERVAL('2019-12-31', '..'))", [a, b]], ["T_INTERSECTS(seen, DATE('2025-07-01'))", [b]],
      ['S_DISJOINT(geom, BBOX(108.05, 15, 108.25, 17))', [c, ...NASTY]], ['S_WITHIN(geom, buffer(POINT(108.1 16), 50))', [a]], ['S_EQUALS(centroid(geom), POINT(108.2 16))', [b]], ['S_INTERSECTS(BBOX(179, -90, 108.15, 90), geom)', [a]],
      ['dwithin(geom, POINT(108.1001 16), 20)', [a]], ['distance(geom, POINT(108.2 16)) < 1', [b]], ["charLength(concat(owner, 'x')) = 2 AND year(dug) = 2021", [b]], ['length(BBOX(170, -90, -170, 90)) > 1e6 AND greatest(depth, floors, 5) = 5 AND floors = 1', [a]], ['greatest(depth, floors, 5) = 5 AND floors = 1', [a]], ["now() < TIMESTAMP('2026-01-01T00:00:00Z')", []],
      ['geom IS NULL', []], ['round(depth) IS NOT NULL', [a, b]],
      ["A_CONTAINS(extra, ('x'))", []], ["A_CONTAINEDBY((1, 2), (depth, 1, 2)) AND depth = 3", [a]], ["A_OVERLAPS((floors, 7), (2, 8))", [b]], ["A_EQUALS(('a', TRUE), (TRUE, 'a', 'a'))", all],
    ]
    for (const [text, names] of cases) t.strictSame(await found(parseCql2Text(text), { reader: reader('restricted') }), names, text)
    const wrong: readonly [string, RegExp][] = [
      ["floodDepth('x') > 1", /buildings, roads/], ['nope(depth) = 1', /no function “nope”.*dwithin/], ['area(depth) > 1', /takes geometry as geometry, not depth/], ['round(depth, 2) = 1', /takes 1 argument \(x\), not 2/], ['round(depth)', /answers a number/], ['name + 1 = 2', /“\+” takes numbers/],
      ['S_TOUCHES(geom, GEOMETRYCOLLECTION(POINT(1 1)))', /no GEOMETRYCOLLECTION/], ['S_TOUCHES(name, POINT(1 1))', /property “geom”/], ['T_AFTER(depth, dug)', /dates and timestamps/], ['A_EQUALS(name, (1))', /takes lists/], ['S_WITHIN(geom, round(depth))', /where a geometry is wanted/],
    ]
    for (const [text, detail] of wrong) await fails(parseCql2Text(text), detail)
  })

  t.test('nothing of a value becomes SQL', async t => {
    for (const name of NASTY) t.strictSame(await found({ op: '=', left: p('name'), right: v(name) }), [name], name)
    for (const name of NASTY) {
      await fails({ op: '=', left: p(name), right: v(1) }, /no property/)
      await fails({ op: 'isNull', arg: p('name') }, /no property/, { columns: [name] })
    }
    t.equal((await sql`select from city.wells`.execute(store.db)).rows.length, 3 + NASTY.length)
  })

  t.test('folding is the same in the database as in JavaScript', async t => {
    const texts = [a!, b!, c!, 'ĐƯỜNG ĐIỆN BIÊN PHỦ', 'Nguyễn Ái Quốc', 'ỄỆỗợữỹỴ', 'e\u0302\u0301', 'İstanbul Straße ΣΊΣΥΦΟΣ', 'Ёж', '한글', 'ﬁ', ...NASTY]
    const { rows } = await sql<Record<string, string>>`
      select dothi.fold(x) as fold, dothi.fold_case(x) as "foldCase", dothi.fold_accents(x) as "foldAccents" from unnest(${texts}::text[]) with ordinality u (x, n) order by n`.execute(store.db)
    t.strictSame(rows, texts.map(x => ({ fold: fold(x), foldCase: foldCase(x), foldAccents: foldAccents(x) })))
  })

  t.test('a tone has one place in a final oa, oe, uy, and stays where it is elsewhere', async t => {
    const pairs = { 'Hoà Khoẻ thuỷ': 'Hòa Khỏe thủy', HOÀ: 'HÒA', 'Hòa-Thuý': 'Hòa-Thúy', 'hoàn toàn khoẻn': 'hoàn toàn khoẻn', oầ: 'oầ', résumé: 'résumé', thuyền: 'thuyền', ascii: 'ascii' }
    const { rows } = await sql<{ placed: string }>`select dothi.place_tone(x) as placed from unnest(${Object.keys(pairs)}::text[]) with ordinality u (x, n) order by n`.execute(store.db)
    t.strictSame(rows.map(row => row.placed), Object.values(pairs))
  })
})

t.test('rights', async t => {
  const store = await exampleStore(t)
  await store.withRevision(BY, async ({ tx }) => {
    await sql`insert into city.wells (geom, name, owner) select st_setsrid(st_makepoint(107 + random() * 2, 15 + random() * 2), 4326), 'w' || i, 'o' from generate_series(1, 20000) i`.execute(tx)
    await sql`insert into city.cables (geom) values (st_geomfromtext('MULTILINESTRING((108 16,108.1 16))', 4326))`.execute(tx)
  })
  await store.withRevision(BY, async ({ tx }) => { await sql`update city.wells set name = name || '!'`.execute(tx) })
  const { rows: [{ id: branch }] } = await sql<{ id: string }>`insert into dothi.branches default values returning id`.execute(store.db) as { rows: [{ id: string }] }
  // Other scenarios' overlays, so that the planner has a choice on branch tables too.
  await store.withRevision(BY, async ({ tx }) => {
    await sql`insert into branch.wells (branch, geom) select md5((i % 10)::text)::uuid, st_setsrid(st_makepoint(107 + random() * 2, 15 + random() * 2), 4326) from generate_series(1, 10000) i`.execute(tx)
  })
  for (const schema of ['city', 'history', 'branch']) await sql`analyze ${sql.table(`${schema}.wells`)}`.execute(store.db)

  const view = (args: Partial<ViewArgs>) => store.view({ layer: WELLS, branch: 'main', asOf: 'now', reader: PUBLIC, ...args })

  t.test('a reader gets the columns of his clearance and no others, from the view and from the database', async t => {
    const columns = async (clearance: Classification) =>
      Object.keys((await (await view({ reader: reader(clearance) })).limit(1).execute())[0]!).filter(name => WELLS.columns.some(column => column.name === name)).join(' ')
    t.equal(await columns('open'), 'name depth floors dug seen open extra')
    t.equal(await columns('internal'), 'name depth floors dug seen open extra flow')
    t.equal(await columns('restricted'), 'name depth floors dug seen open extra flow owner')
    t.equal(Object.keys((await (await view({ columns: ['depth'] })).limit(1).execute())[0]!).includes('name'), false)
    await t.rejects(view({ columns: ['owner'] }), problem(400, { detail: /no property “owner”/ }))
    for (const schema of ['city', 'history', 'branch']) {
      await t.rejects(sql`select owner from ${sql.table(`${schema}.wells`)}`.execute(store.pool('open')), refused, schema)
      await t.rejects(sql`select * from ${sql.table(`${schema}.wells`)}`.execute(store.pool('internal')), refused)
      await sql`select owner, flow, name from ${sql.table(`${schema}.wells`)} limit 1`.execute(store.pool('restricted'))
    }
  })

  t.test('a layer above the clearance is not there', async t => {
    await t.rejects(view({ layer: CABLES }), problem(404, { detail: /no collection “cables”/ }))
    t.equal((await (await view({ layer: CABLES, reader: reader('internal') })).execute()).length, 1)
    await t.rejects(sql`select id from city.cables`.execute(store.pool('open')), refused)
    t.notOk(store.catalogue.for(PUBLIC).some(layer => layer.id === 'cables'))
    t.throws(() => store.catalogue.get('cable'), problem(404, { detail: /^(?!.*cables)/ }), 'nor is it a near miss')
  })

  t.test('a serving connection cannot write, read tokens or run on', async t => {
    const { rows: [{ owner }] } = await sql<{ owner: string }>`select current_user::text as owner`.execute(store.db) as { rows: [{ owner: string }] }
    for (const clearance of CLASSES) {
      const pool = store.pool(clearance)
      await t.rejects(sql`insert into city.wells (name) values ('x')`.execute(pool), refused, clearance)
      await t.rejects(sql`update dothi.revisions set actor = 'x'`.execute(pool), refused)
      for (const table of ['tokens', 'jobs', 'layers', 'observations']) await t.rejects(sql`select * from ${sql.table(`dothi.${table}`)}`.execute(pool), refused)
      await t.rejects(sql`select set_config('role', ${owner}, false)`.execute(pool), /permission denied/, 'nor become the owner')
      t.strictSame((await sql`select current_user::text as role, current_setting('statement_timeout') as timeout, (select rolsuper from pg_roles where rolname = current_user) as super`.execute(pool)).rows,
        [{ role: `dothi_${clearance}`, timeout: '15s', super: false }])
    }
  })

  const plan = async (store: Store, args: Partial<ViewArgs>) => {
    const { sql: text, parameters } = (await view(args)).compile()
    const clearance = args.reader?.clearance ?? 'open'
    return (await store.pool(clearance).executeQuery<Record<string, string>>({ sql: `explain (costs off) ${text}`, parameters, query: { kind: 'RawNode' } as never, queryId: { queryId: 'x' } as never })).rows.map(row => row['QUERY PLAN']).join('\n')
  }
  const box = { box: [108, 16, 108.02, 16.02], srid: 4326 } as const

  t.test('a box is answered by an index, for every clearance, now, then and on a branch', async t => {
    for (const clearance of CLASSES) {
      const who = reader(clearance)
      t.match(await plan(store, { reader: who, bbox: box }), /Index Scan.*wells_geom_idx/, `${clearance} now`)
      t.match(await plan(store, { reader: who, bbox: { box: [12022500, 1804700, 12024000, 1806000], srid: 3857 } }), /Index Scan.*wells_geom_3857_idx/, `${clearance} by tile`)
      for (const args of [{ asOf: 1 }, { branch }, { branch, asOf: 2 }] as const) {
        const text = await plan(store, { reader: who, bbox: box, ...args })
        t.notMatch(text, /Seq Scan/, `${clearance} ${JSON.stringify(args)}\n${text}`)
      }
      t.match(await plan(store, { reader: who, where: { op: 's_intersects', left: { property: 'geom' }, right: { bbox: [108, 16, 108.02, 16.02] } } }), /Index Scan.*wells_geom_idx/)
    }
  })

  t.test('an id, and a name, are answered by an index', async t => {
    t.match(await plan(store, { where: { op: '=', left: p('id'), right: v(5) } }), /wells_pkey/)
    t.match(await plan(store, { where: { op: '=', left: p('name'), right: v('w1999') } }), /wells_search_name_idx/)
    t.match(await plan(store, { where: { op: 'in', left: p('name'), values: [v('w1999'), v('w2999')] } }), /wells_search_name_idx/)
    t.match(await plan(store, { where: { op: 'like', left: { fold: 'casei', arg: { fold: 'accenti', arg: p('name') } }, pattern: '%w1999%' } }), /wells_search_name_idx/)
  })

  t.test('the steward sees what everybody made', async t => {
    t.equal((await (await view({ reader: STEWARD, asOf: 1 })).execute()).length, 20000)
    t.equal((await (await view({ reader: STEWARD, branch })).execute()).length, 20000)
  })
})
