/** Exports over HTTP and as jobs. */
import { once } from 'node:events'
import { existsSync, utimesSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { unzipSync } from 'fflate'
import { sql } from 'kysely'
import t from 'tap'
import { insertFeatures } from '../store/writes.js'
import { LOTS, SHOPS, CABLES, shop } from '../ogc/test-city.js'
import { testServer } from '../testing/test-store.js'
import { parquetMetadataAsync } from 'hyparquet'
import { sweepExports } from './files.js'

t.setTimeout(90_000)

t.test('exports over HTTP', async t => {
  const dataDir = t.testdir()
  const { url, store, token } = await testServer(t, { layers: [SHOPS, LOTS, CABLES], config: { dataDir } })
  const { revision } = await store.withRevision({ actor: 'test', reason: 'first' }, async writer => {
    await insertFeatures(writer, SHOPS, 'main', Array.from({ length: 60 }, (_, i) => shop(i)))
    await insertFeatures(writer, LOTS, 'main', [{ geometry: { type: 'MultiPolygon', coordinates: [[[[108.21, 16.05], [108.211, 16.05], [108.211, 16.051], [108.21, 16.05]]]] }, properties: { so_to: '12' }, groundZ: 1, height: 6 }])
    await insertFeatures(writer, CABLES, 'main', [{ geometry: { type: 'MultiLineString', coordinates: [[[108.2, 16.04], [108.25, 16.05]]] }, properties: { kv: 22 } }])
  })
  const [editor, steward] = [await token('editor'), await token('steward')]
  const ask = (path: string, bearer?: string, init: RequestInit = {}) => fetch(`${url}${path}`, { ...init, headers: { ...(bearer ? { authorization: `Bearer ${bearer}` } : {}), ...init.headers } })
  const features = async (path: string, bearer?: string) => (await (await ask(path, bearer)).json() as { features: { id: number; properties: Record<string, unknown>; geometry: { coordinates: unknown } }[] }).features

  await t.test('a layer with its filter, box, columns, CRS and time', async t => {
    const whole = await ask('/exports?layers=shops&format=geojson')
    t.strictSame([whole.status, whole.headers.get('content-type'), whole.headers.get('content-disposition'), whole.headers.get('x-export-losses'), whole.headers.get('x-export-crs')],
      [200, 'application/geo+json', 'attachment; filename="shops.geojson"', 'dates and times are text', 'EPSG:4326'])
    const all = (await whole.json() as { features: { properties: Record<string, unknown> }[] }).features
    t.equal(all.length, 60)
    t.notOk('meter' in all[0]!.properties, 'what is internal is not for everybody')
    t.ok('meter' in (await features('/exports?layers=shops&format=geojson', editor))[0]!.properties, 'but for those who may see it')
    t.equal((await features(`/exports?layers=shops&format=geojson&filter=${encodeURIComponent("kind = 'food' and floors > 3")}`)).length, all.filter(f => f.properties.kind === 'food' && Number(f.properties.floors) > 3).length)
    t.equal((await features('/exports?layers=shops&format=geojson&bbox=108.199,16.039,108.2011,16.0411')).length, 1)
    t.strictSame(Object.keys((await features('/exports?layers=shops&format=geojson&properties=name,floors'))[0]!.properties), ['name', 'floors'])
    const [metric] = await features('/exports?layers=lots&format=geojson&crs=EPSG:5899')
    t.ok((metric!.geometry.coordinates as number[][][][])[0]![0]![0]![0]! > 500_000)
    await store.withRevision({ actor: 'test', reason: 'more' }, writer => insertFeatures(writer, SHOPS, 'main', [shop(99)]))
    t.equal((await features('/exports?layers=shops&format=geojson')).length, 61)
    t.equal((await features(`/exports?layers=shops&format=geojson&asOf=${revision.revision}`)).length, 60, 'the city as it was')
    const head = await ask('/exports?layers=shops&format=gpkg', undefined, { method: 'HEAD' })
    t.strictSame([head.status, head.headers.get('content-type'), (await head.arrayBuffer()).byteLength], [200, 'application/geopackage+sqlite3', 0])
  })

  await t.test('several layers: in one file, or in a zip', async t => {
    const zip = unzipSync(new Uint8Array(await (await ask('/exports?layers=all&format=csv', editor)).arrayBuffer()))
    t.strictSame(Object.keys(zip).sort(), ['cables.csv', 'lots.csv', 'shops.csv'])
    const lines = Buffer.from(zip['shops.csv']!).toString('utf8').split('\r\n')
    t.match(lines[0], /^id,name,kind,.*,wkt$/)
    t.equal(lines.length, 63)
    t.strictSame(Object.keys(unzipSync(new Uint8Array(await (await ask('/exports?layers=all&format=csv')).arrayBuffer()))).sort(), ['lots.csv', 'shops.csv'], 'layers that one may not see are not there')
    const kml = await (await ask('/exports?layers=shops,lots&format=kml')).text()
    t.strictSame([...kml.matchAll(/<Folder>\s*<name>(\w+)/g)].map(([, name]) => name), ['shops', 'lots'])
    t.match(kml, /<extrude>1<\/extrude>.*108.21,16.05,6/)
    const bom = await (await ask('/exports?layers=shops&format=csv&bom=true&geometry=lonlat')).arrayBuffer()
    t.strictSame([...new Uint8Array(bom).subarray(0, 3)], [0xef, 0xbb, 0xbf])
    t.match(Buffer.from(bom).toString('utf8'), /,lon,lat\r\n.*,108.2,16.04\r\n/)
  })

  await t.test('what cannot be is told in a sentence', async t => {
    const refused = async (path: string, status: number, detail: RegExp) => {
      const response = await ask(path)
      t.equal(response.status, status, path)
      t.match((await response.json() as { detail: string }).detail, detail)
    }
    await refused('/exports?layers=shop&format=geojson', 400, /no layer “shop”. Did you mean shops/)
    await refused('/exports?layers=cables&format=geojson', 400, /no layer “cables”/)
    await refused('/exports?layers=shops&format=shp', 400, /format/)
    await refused('/exports?format=geojson', 400, /layers/)
    await refused('/exports?layers=shops&format=kml&crs=EPSG:5899', 400, /KML knows longitude and latitude only/)
    await refused('/exports?layers=shops&format=geojson&crs=EPSG:27700', 400, /not a CRS/)
    await refused('/exports?layers=shops&format=geojson&filter=colour', 400, /filter/)
    await refused('/exports?layers=shops&format=geojson&asOf=99999', 400, /does not exist/)
    await refused('/exports?layers=shops&format=geojson&filter=meter%20is%20null', 400, /meter/)
  })

  await t.test('a spreadsheet runs nothing', async t => {
    await store.withRevision({ actor: 'test', reason: 'formula' }, writer => insertFeatures(writer, SHOPS, 'main', [{ ...shop(1), properties: { name: '=cmd|calc', area: -3 }, sourceId: 'f' }]))
    const text = await (await ask(`/exports?layers=shops&format=csv&filter=${encodeURIComponent('area < 0')}&properties=name,area&geometry=none`)).text()
    t.match(text, /\d+,'=cmd\|calc,-3\r\n/)
  })

  await t.test('a large export in the background, fetched by who asked, gone after a day', async t => {
    const post = (bearer: string | undefined, body: unknown) => ask('/exports', bearer, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })
    t.equal((await post(undefined, { layers: ['shops'], format: 'gpkg' })).status, 401)
    t.equal((await post(editor, { layers: ['nothing'], format: 'gpkg' })).status, 400)
    t.equal((await post(editor, { layers: ['shops'], format: 'gpkg', colour: 'red' })).status, 400)
    const made = await post(editor, { layers: ['shops', 'cables'], format: 'gpkg', filter: 'colour' })
    t.equal(made.status, 400, 'a filter that cannot be read is told at once')
    const posted = await post(editor, { layers: ['shops', 'cables'], format: 'gpkg' })
    t.equal(posted.status, 201)
    const mine = { headers: { authorization: `Bearer ${editor}` } }
    const { jobID, file } = await posted.json() as { jobID: string; file: string }
    for (;;) {
      const { state, message } = await (await fetch(posted.headers.get('location')!, mine)).json() as { state: string; message: string }
      if (state === 'successful') break
      if (state === 'failed') throw new Error(message)
      await sleep(50)
    }
    const result = await (await fetch(`${posted.headers.get('location')}/results`, mine)).json() as { features: number; bytes: number; losses: string[] }
    t.match(result, { features: 63, losses: ['JSON is text (of the media type application/json)'] })
    const download = await ask(new URL(file).pathname, editor)
    t.strictSame([download.status, download.headers.get('content-disposition'), (await download.arrayBuffer()).byteLength], [200, 'attachment; filename="city.gpkg"', result.bytes])
    t.strictSame([(await ask(`/exports/${jobID}`)).status, (await ask(`/exports/${jobID}`, steward)).status], [401, 200])
    const folder = join(dataDir, 'exports', jobID)
    await sweepExports(dataDir)
    t.ok(existsSync(folder), 'kept for a day')
    utimesSync(folder, new Date(0), new Date(0))
    await sweepExports(dataDir)
    t.notOk(existsSync(folder))
    const gone = await ask(`/exports/${jobID}`, editor)
    t.equal(gone.status, 404)
    t.match((await gone.json() as { detail: string }).detail, /expired/)
  })

  await t.test('who leaves ends the query; who is many waits', async t => {
    await store.withRevision({ actor: 'test', reason: 'many' }, writer => sql`
      insert into city.shops (name, tags, geom) select 'Tiệm ' || i, jsonb_build_object('a', repeat('x', 2000)), st_setsrid(st_makepoint(108 + i / 1e6, 16), 4326) from generate_series(1, 30000) i`.execute(writer.tx))
    const start = async () => {
      const request = get(`${url}/exports?layers=shops&format=geojson`, { agent: false })
      const [response] = await once(request, 'response') as [IncomingMessage]
      response.pause()
      return { request, response }
    }
    const open = async () => (await sql<{ n: number }>`select count(*) as n from pg_stat_activity where datname = current_database() and query ~ 'export_rows' and state <> 'idle' and pid <> pg_backend_pid()`.execute(store.db)).rows[0]!.n
    const taken = [await start(), await start()]
    // A cursor that is between two statements of its transaction is not seen for a moment.
    for (let tries = 0; tries < 200 && await open() < 2; tries++) await sleep(25)
    t.equal(await open(), 2, 'back-pressure: both wait in their cursors for clients that take nothing')
    const third = await ask('/exports?layers=lots&format=geojson')
    t.strictSame([third.status, third.headers.get('retry-after')], [429, '60'])
    for (const { request } of taken) request.destroy()
    for (let tries = 0; tries < 200 && await open() > 0; tries++) await sleep(25)
    t.equal(await open(), 0, 'their connections are free again')
    t.equal((await ask('/exports?layers=lots&format=geojson')).status, 200)
  })

  await t.test('GeoParquet has row groups with boxes, and PROJJSON', async t => {
    const bytes = await (await ask('/exports?layers=shops&format=geoparquet&crs=EPSG:5899')).arrayBuffer()
    const metadata = await parquetMetadataAsync({ byteLength: bytes.byteLength, slice: (a, b) => bytes.slice(a, b) })
    t.ok(metadata.row_groups.length >= 2, `${metadata.row_groups.length} row groups`)
    const geo = JSON.parse(metadata.key_value_metadata!.find(({ key }) => key === 'geo')!.value!) as any
    t.match(geo, { version: '1.1.0', primary_column: 'geometry', columns: { geometry: { encoding: 'WKB', geometry_types: ['Point'], crs: { type: 'ProjectedCRS', id: { authority: 'EPSG', code: 5899 }, conversion: { method: { name: 'Transverse Mercator' } } }, covering: { bbox: { xmin: ['bbox', 'xmin'] } } } } })
    const xmin = metadata.row_groups.map(({ columns }) => columns.find(({ meta_data }) => meta_data!.path_in_schema.join('.') === 'bbox.xmin')!.meta_data!.statistics!)
    t.ok(xmin.every(({ min_value: min, max_value: max }) => Number(min) > 400_000 && Number(max) >= Number(min)), 'statistics by which readers skip')
  })
})
