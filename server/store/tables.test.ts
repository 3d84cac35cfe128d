import { execFileSync } from 'node:child_process'
import { sql } from 'kysely'
import pg from 'pg'
import proj4 from 'proj4'
import t from 'tap'
import { VN2000_PROJ4 } from '../../core/vn2000.js'
import type { Layer } from '../../layers/layer.js'
import { testDatabase } from '../testing/test-cluster.js'
import { EXAMPLES, exampleStore, WELLS } from './example-store.js'
import { vn2000Error } from './datum.js'
import { openStore } from './open-store.js'
import { PUBLIC, type Store } from './store.js'
import { insertFeatures } from './writes.js'

const title = (en: string) => ({ vi: en, en })

t.test('layer files and tables', async t => {
  const database = await testDatabase({ bare: true })
  t.teardown(() => database.drop())
  const open = (...layers: readonly Layer[]) => openStore({ connection: database.connection, layers })
  const within = async (layers: readonly Layer[], work: (store: Store) => Promise<unknown>) => {
    const store = await open(...layers)
    try { await work(store) } finally { await store.close() }
  }
  const richer: Layer = { ...WELLS, searchable: ['name', 'permit'], columns: [...WELLS.columns, { name: 'yield', type: 'number', unit: 'm³/h', title: title('Yield') }, { name: 'permit', type: 'text', title: title('Permit'), classification: 'restricted' }] }

  t.test('two processes open an empty database at once', async () => {
    const stores = await Promise.all([open(...EXAMPLES), open(...EXAMPLES)])
    await stores[0]!.withRevision({ actor: 'me', reason: 'r' }, writer => insertFeatures(writer, WELLS, 'main', [{ geometry: { type: 'Point', coordinates: [108, 16] }, properties: { name: 'a' } }]))
    await Promise.all(stores.map(store => store.close()))
  })

  t.test('a new column is added to the present, to history and to branches, with its rights', async t => {
    const layers = [richer, ...EXAMPLES.slice(1)]
    await within(layers, async store => {
      await store.withRevision({ actor: 'me', reason: 'r' }, async ({ tx }) => { await sql`update city.wells set yield = 4`.execute(tx) })
      const read = async (asOf: 'now' | number) => (await store.view({ layer: richer, branch: 'main', asOf, reader: PUBLIC })).execute()
      t.match(await read('now'), [{ name: 'a', yield: 4 }])
      t.match(await read(1), [{ name: 'a', yield: null }])
      t.notOk('permit' in (await read('now'))[0]!)
      const { rows } = await sql<{ comment: string }>`select col_description('city.wells'::regclass, attnum) as comment from pg_attribute where attrelid = 'city.wells'::regclass and attname = 'yield'`.execute(store.db)
      t.strictSame(rows, [{ comment: 'Yield [m³/h]' }])
      t.equal((await sql`select from pg_indexes where indexname = 'wells_search_permit_idx'`.execute(store.db)).rows.length, 1, 'a searchable one has its index')
    })
    await within(layers, async store => t.equal((await store.layerSummary(richer)).count, 1, 'and opening again changes nothing'))
  })

  t.test('what would lose data is refused in one sentence', async t => {
    const others = EXAMPLES.slice(1)
    const refused = async (layers: readonly Layer[], message: RegExp) => t.rejects(open(...layers), { name: 'StoreUnusable', message })
    await refused([WELLS, ...others], /its table has the columns yield, permit, which the layer file no longer names/)
    await refused([{ ...richer, columns: richer.columns.map(column => column.name === 'yield' ? { ...column, name: 'output' } : column) }, ...others], /the column yield.*newly names the column output.*needs a migration/)
    await refused([{ ...richer, columns: richer.columns.map(column => column.name === 'yield' ? { ...column, type: 'text' } : column) }, ...others], /yield is double precision in the database and text in the layer file/)
    await refused([{ ...richer, geometry: 'polygon' }, ...others], /geom is geometry\(Point,4326\)/)
    await refused(others, /tables of wells, for which there is no layer file/)
    await within([richer, ...others], async store => t.equal((await store.layerSummary(richer)).count, 1, 'and nothing was changed'))
  })

  t.test('an owner who is no superuser is enough, once PostGIS is enabled', async t => {
    const own = await testDatabase({ bare: true })
    t.teardown(() => own.drop())
    const admin = new pg.Client(own.connection)
    await admin.connect()
    await admin.query(`do $$ begin create role plain login createrole; exception when duplicate_object then null; end $$`)
    await admin.query(`alter database ${admin.database} owner to plain`)
    await admin.query('alter schema public owner to plain')
    const connection = { ...own.connection, options: '-c role=plain' }
    await t.rejects(openStore({ connection, layers: EXAMPLES }), { name: 'StoreUnusable', message: /Let a superuser run “CREATE EXTENSION postgis”/ })
    await admin.query('create extension postgis')
    await admin.query(`update spatial_ref_sys set auth_name = null, srtext = null, proj4text = regexp_replace(proj4text, '.towgs84=[^ ]*', '') where srid = 5899`)
    await admin.end()
    const warnings: string[] = []
    const heard = (warning: Error) => warnings.push(warning.message)
    process.on('warning', heard)
    t.teardown(() => process.off('warning', heard))
    const store = await openStore({ connection, layers: EXAMPLES })
    t.teardown(() => store.close())
    await store.withRevision({ actor: 'me', reason: 'r' }, writer => insertFeatures(writer, WELLS, 'main', [{ geometry: { type: 'Point', coordinates: [108, 16] }, properties: { name: 'a' } }]))
    t.equal((await (await store.view({ layer: WELLS, branch: 'main', asOf: 'now', reader: PUBLIC })).execute()).length, 1)
    t.match(warnings, [/VN-2000 positions of this database are 22\d.\d\d m off/], 'who may not write spatial_ref_sys is warned')
  })

  t.test('a newer database is refused', async t => {
    await within([richer, ...EXAMPLES.slice(1)], async store => { await sql`insert into public.dothi_migrations values ('999-later')`.execute(store.db) })
    await t.rejects(open(richer, ...EXAMPLES.slice(1)), { name: 'StoreUnusable', message: /made by a newer dothi \(it has 999-later\)/ })
  })
})

t.test('VN-2000 is the same place in PostGIS, proj4 and GDAL, to a millimetre', async t => {
  const store = await exampleStore(t)
  // Hải Châu, Hoàng Sa far outside the zone, Hà Nội, Cà Mau: each in a projection of its own.
  const places: readonly [srid: number, lon: number, lat: number][] = [
    [5899, 108.2208, 16.0678], [5899, 111.6, 16.53], [3406, 108.0001, 16.05], [3405, 107.9999, 16.05], [5897, 105.85, 21.03], [9208, 105.15, 9.18], [9217, 108.25, 15.9],
  ]
  // EPSG:6960 spelled out for GDAL: geographic WGS 84 → geocentric, inverse coordinate frame rotation, → the projection.
  const EPSG_6960 = '+proj=helmert +x=-191.90441429 +y=-39.30318279 +z=-111.45032835 +rx=-0.00928836 +ry=0.01975479 +rz=-0.00427372 +s=0.252906278 +convention=coordinate_frame'
  const degree = 111_320
  for (const [srid, lon, lat] of places) {
    const projection = VN2000_PROJ4[srid]!.replace(/ \+towgs84=\S+/, '').replace(' +no_defs', '')
    const pipeline = `+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad +step +proj=cart +ellps=WGS84 +step +inv ${EPSG_6960} +step +inv +proj=cart +ellps=WGS84 +step ${projection}`
    const gdal = execFileSync('gdaltransform', ['-ct', pipeline, '-output_xy'], { input: `${lon} ${lat} 0\n` }).toString().trim().split(' ').map(Number)
    const js = proj4('EPSG:4326', VN2000_PROJ4[srid]!, [lon, lat])
    const { rows: [gis] } = await sql<{ x: number; y: number; lon: number; lat: number }>`
      with p as (select st_transform(st_setsrid(st_makepoint(${lon}::float8, ${lat}::float8), 4326), ${srid}::int) g), b as (select st_transform(g, 4326) b from p)
      select st_x(g) as x, st_y(g) as y, st_x(b) as lon, st_y(b) as lat from p, b`.execute(store.db)
    const near = (a: readonly number[], b: readonly number[]) => Math.hypot(a[0]! - b[0]!, a[1]! - b[1]!)
    t.ok(near(js, [gis!.x, gis!.y]) < 0.001, `EPSG:${srid} PostGIS and proj4: ${near(js, [gis!.x, gis!.y])} m`)
    t.ok(near(gdal, [gis!.x, gis!.y]) < 0.001, `EPSG:${srid} PostGIS and GDAL: ${near(gdal, [gis!.x, gis!.y])} m`)
    t.ok(near([gis!.lon, gis!.lat], [lon, lat]) * degree < 0.001, `EPSG:${srid} there and back: ${near([gis!.lon, gis!.lat], [lon, lat]) * degree} m`)
    const plain = proj4('EPSG:4326', projection, [lon, lat])
    t.ok(Math.abs(near(plain, js) - 225) < 15, `without the shift it would be ${near(plain, js).toFixed(0)} m off`)
  }

  t.ok(await vn2000Error(store.db) < 1e-6)
  const square = [[500123.4567, 1775987.6543], [500223.4567, 1775987.6543], [500223.4567, 1776087.6543], [500123.4567, 1775987.6543]]
  await store.withRevision({ actor: 'me', reason: 'r' }, async ({ tx }) => {
    await sql`insert into city.lots (geom, geom_native, code) select st_transform(g, 4326), g, 'a' from (select st_multi(st_setsrid(st_geomfromgeojson(${JSON.stringify({ type: 'Polygon', coordinates: [square] })}::text), 5899)) g) s`.execute(tx)
  })
  const { rows } = await sql<{ drift: number }>`select max(st_distance(a.geom, b.geom)) as drift from city.lots, st_dumppoints(st_transform(city.lots.geom, 5899)) a, st_dumppoints(geom_native) b where a.path = b.path`.execute(store.db)
  t.ok(rows[0]!.drift < 0.001, `5899 → store → 5899 returns within ${rows[0]!.drift} m`)
})
