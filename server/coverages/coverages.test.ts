import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inflateSync } from 'node:zlib'
import fc from 'fast-check'
import { fromArrayBuffer } from 'geotiff'
import t, { type Test } from 'tap'
import { CRS84, crsOfSrid } from '../../core/crs.js'
import { dequantise } from '../../simulation/flood/frame.js'
import { cellAt } from '../../simulation/flood/grid.js'
import { loadFeatures } from '../import/load.js'
import { newRunInputs } from '../scenarios/inputs.js'
import { FLOOD } from '../scenarios/jobs.js'
import { frame, manifest, peak } from '../scenarios/results.js'
import { createScenario } from '../scenarios/scenario.js'
import { at, features, makeTown, STORM } from '../scenarios/test-town.js'
import { STEWARD } from '../store/store.js'
import { groundAt } from '../terrain/ground.js'
import { testServer } from '../testing/test-store.js'
import { writeCog } from './cog.js'
import { transform } from './crs.js'

const CRS84_URI = 'http://www.opengis.net/def/crs/OGC/1.3/CRS84'
const toCity = transform(CRS84, crsOfSrid(5899)!)
const wkt = (...positions: (readonly number[])[]) => positions.map(position => position.join(' ')).join(',')

t.test('coverages', async t => {
  const { url, store, jobs } = await testServer(t)
  await makeTown(store)
  await loadFeatures(store, [{ layer: 'addresses', srid: 4326, source: 'test', features: features([
    { sourceId: 'hollow', geometry: { type: 'Point', coordinates: at(0, 0) }, properties: { full_address: '12 Nguyễn Văn Linh', so_nha: '12', duong: 'Nguyễn Văn Linh' } },
    { sourceId: 'hill', geometry: { type: 'Point', coordinates: at(-595, 0) }, properties: { full_address: '3 Hùng Vương', so_nha: '3', duong: 'Hùng Vương' } },
  ]) }], { actor: 'test', reason: 'addresses' })
  const get = async (path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(path.startsWith('http') ? path : url + path, { headers })
    const bytes = Buffer.from(await response.arrayBuffer())
    const isJson = /json/.test(response.headers.get('content-type') ?? '')
    return { status: response.status, headers: response.headers, bytes, text: bytes.toString(), body: (isJson && bytes.length ? JSON.parse(bytes.toString()) : undefined) as any }
  }

  t.test('a city without runs has its ground only', async t => {
    t.strictSame((await get('/edr/collections')).body.collections.map(({ id }: any) => id), ['elevation'])
    t.match(await get('/edr/collections/run_depth'), { status: 404, body: { detail: /No run has ended yet/ } })
    t.match(await get(`/edr/collections/run_depth/position?coords=POINT(${wkt(at(0, 0))})`), { status: 404, body: { detail: /No run has ended yet/ } })
    t.match(await get(`/edr/collections/elevations/position?coords=POINT(${wkt(at(0, 0))})`), { status: 404, body: { detail: /Did you mean “elevation”/ } })
  })

  const scenario = await createScenario(store, STORM, STEWARD)
  const job = await jobs.run(FLOOD, newRunInputs(scenario.id), STEWARD, { branch: scenario.id })
  t.equal(job.state, 'successful', job.message)
  const { grid, times } = await manifest(store, job.id, 'main')
  const frames = await Promise.all(times.map(async (_, i) => dequantise(new Uint16Array(Uint8Array.from(inflateSync(await frame(store, STEWARD, job.id, i))).buffer))))
  const depth = `/edr/collections/run_depth`
  const cellOf = (x: number, y: number) => cellAt(grid, ...toCity(...at(x, y)) as [number, number])
  const mm = (value: number | undefined) => (value === undefined || Number.isNaN(value) ? null : Math.round(value * 1000) / 1000)

  t.test('what the OGC’s suite for EDR asserts', async t => {
    const root = `${url}/edr`
    const landing = (await get(root, { accept: 'application/json' })).body
    for (const rel of ['service-desc', 'conformance', 'data']) t.ok(landing.links.some((link: any) => link.rel === rel), rel)
    const { conformsTo } = (await get(`${root}/conformance?f=json`)).body
    for (const name of ['conf/core', 'conf/geojson', 'req/edr-geojson']) t.ok(conformsTo.includes(`http://www.opengis.net/spec/ogcapi-edr-1/1.0/${name}`), name)
    const api = await get(landing.links.find((link: any) => link.rel === 'service-desc').href)
    t.equal(api.body.servers[0].url, root)
    t.ok(api.body.paths['/collections'] && api.body.paths['/conformance'])
    const parameter = (ending: string, name: string) => {
      const all = Object.entries<any>(api.body.paths).filter(([path]) => path.endsWith(ending)).flatMap(([, item]) => item.get.parameters)
        .map((one: any) => (one.$ref ? api.body.components.parameters[one.$ref.split('/').at(-1)] : one)).filter((one: any) => one.name === name)
      t.ok(all.length > 0, `${ending} ${name}`)
      return all
    }
    for (const query of ['position', 'radius', 'area', 'trajectory', 'corridor']) {
      for (const one of parameter(`/${query}`, 'coords')) t.match(one, { in: 'query', required: true, explode: false, schema: { type: 'string' } })
      for (const name of ['datetime', 'parameter-name', 'crs', 'f']) for (const one of parameter(`/${query}`, name)) t.match(one, { in: 'query', required: false, style: 'form', explode: false })
    }
    for (const one of parameter('/cube', 'bbox')) t.match(one, { required: true, explode: false, schema: { type: 'array' } })
    for (const one of parameter('/corridor', 'corridor-width')) t.match(one, { required: true, style: 'form' })

    const { collections, links } = (await get(`${root}/collections`, { accept: 'application/json' })).body
    t.ok(links.some((link: any) => link.rel === 'self' && link.type) && links.some((link: any) => link.rel === 'alternate' && link.type))
    t.strictSame(collections.map(({ id }: any) => id), ['elevation', 'run_depth', 'run_maximum'])
    for (const listed of collections) {
      const { body: collection } = await get(`${root}/collections/${listed.id}`, { accept: 'application/json' })
      t.equal(collection.id, listed.id)
      t.ok(collection.links.some((link: any) => ['data', 'collection'].includes(link.rel) && link.type))
      t.ok(collection.crs.includes(CRS84_URI))
      for (const one of Object.values<any>(collection.parameter_names)) t.ok(one.type === 'Parameter' && one.observedProperty.label)
      const [[west, south, east, north]] = collection.extent.spatial.bbox
      const [x, y] = [(west + east) / 2, (south + north) / 2]
      const common = `parameter-name=${Object.keys(collection.parameter_names)[0]}&f=CoverageJSON&datetime=${collection.extent.temporal.interval[0].join('/')}`
      const ways = {
        position: `coords=POINT(${x}+${y})&crs=${CRS84_URI}`,
        area: `coords=POLYGON((${x - 1}+${y - 1},${x - 1}+${y + 1},${x + 1}+${y + 1},${x + 1}+${y - 1},${x - 1}+${y - 1}))&crs=${CRS84_URI}`,
        trajectory: `coords=LINESTRING(${x - 1}+${y - 1},${x}+${y},${x + 1}+${y + 1})`,
        corridor: `coords=LINESTRING(${x - 1}+${y - 1},${x}+${y},${x + 1}+${y + 1})&corridor-width=2.0&width-units=m`,
        radius: `coords=POINT(${x}+${y})&within=30&within-units=m`, cube: `bbox=${west},${south},${east},${north}`,
      }
      for (const [query, parameters] of Object.entries(ways)) {
        t.ok(collection.data_queries[query].link.variables.output_formats.includes('CoverageJSON'))
        const own = `${root}/collections/${collection.id}/${query}`
        const found = await get(`${own}?${parameters}&${common}`)
        if (t.equal(found.status, 200, `${collection.id} ${query}`)) isCoverageJson(t, found.body)
        t.equal((await get(own)).status, 400, 'nothing said')
        t.equal((await get(`${own}?coords=`)).status, 400)
        for (const wrong of ['POINT()', 'POLYGON()', 'LINESTRING()', 'LINESTRINGM()', 'LINESTRINGZM()', 'LINESTRINGZ()']) t.equal((await get(`${own}?coords=${wrong}`)).status, 400, wrong)
      }
      const places = await get(collection.data_queries.locations.link.href)
      t.match(places, { status: 200, body: { type: 'FeatureCollection', features: [{ type: 'Feature', geometry: { type: 'Point' } }, {}] } })
      const edr = await get(`${root}/collections/${collection.id}/position?f=GeoJSON&crs=CRS84&coords=POINT(${x}+${y})&${common.replace('f=CoverageJSON&', '')}`)
      t.match(edr, { status: 200, body: { type: 'FeatureCollection', features: [{ type: 'Feature', properties: { 'parameter-name': Array } }], parameters: [{ type: 'Parameter', observedProperty: {} }] } })
    }
  })

  t.test('results are the frames', async t => {
    const everywhere = fc.tuple(fc.integer({ min: -700, max: 700 }), fc.integer({ min: -500, max: 500 }))
    await fc.assert(fc.asyncProperty(everywhere, async ([x, y]) => {
      const { body } = await get(`${depth}/position?coords=POINT(${wkt(at(x, y))})`)
      const cell = cellOf(x, y)
      t.strictSame(body.ranges.depth.values, frames.map(values => mm(cell < 0 ? NaN : values[cell])))
    }), { numRuns: 25 })
    const whole = (await get(`/ogc/collections/run_depth/coverage?f=CoverageJSON`)).body
    t.match(whole.domain.axes, { x: { start: grid.origin[0] + grid.cell / 2, num: grid.cols }, y: { start: grid.origin[1] - grid.cell / 2, num: grid.rows } })
    t.strictSame(whole.ranges.depth.values, frames.flatMap(values => Array.from(values, mm)), 'the whole run, cell by cell')
    t.ok(whole.ranges.depth.values.includes(null) && whole.ranges.depth.values.includes(0), 'not computed is not dry')
    t.match(whole.simulation, { vi: 'MÔ PHỎNG – KHÔNG PHẢI DỰ BÁO' })

    const at30 = (await get(`${depth}/cube?bbox=${[...at(-200, -200), ...at(200, 200)]}&datetime=2025-10-01T00:30:00Z`)).body
    const { x, y, t: time } = at30.domain.axes
    t.strictSame(time.values, ['2025-10-01T00:30:00Z'])
    at30.ranges.depth.values.forEach((value: number | null, i: number) => {
      const [col, row] = [i % x.num, Math.floor(i / x.num)]
      const position = toCity(x.start + (col * (x.stop - x.start)) / (x.num - 1), y.start + (row * (y.stop - y.start)) / (y.num - 1))
      if (value !== mm(frames[6]![cellAt(grid, ...position as [number, number])])) t.fail(`cell ${col}, ${row}: ${value}`)
    })
    const { data } = await peak(store, STEWARD, job.id, 'arrival01')
    const arrival = new Float32Array(Uint8Array.from(inflateSync(data)).buffer)
    const highest = (await get(`/edr/collections/run_maximum/position?coords=POINT(${wkt(at(0, 0))})&parameter-name=arrival_0_1_m,max_depth`)).body
    t.strictSame(Object.keys(highest.ranges), ['arrival_0_1_m', 'max_depth'])
    t.equal(highest.ranges.arrival_0_1_m.values[0], mm(arrival[cellOf(0, 0)]))
    t.equal(highest.ranges.max_depth.values[0], Math.max(...frames.map(values => mm(values[cellOf(0, 0)])!)))
  })

  t.test('elevation is the ground', async t => {
    const positions = [at(0, 0), at(-500, 10), at(360, 0), at(5000, 0)]
    const { body } = await get(`/edr/collections/elevation/position?coords=MULTIPOINT(${wkt(...positions)})`)
    t.equal(body.domain.domainType, 'MultiPoint')
    t.strictSame(body.ranges.elevation.values, [...await groundAt(store, positions)].map(mm), 'null where none is stored')
    const low = (await get(`/edr/collections/elevation/cube?bbox=${[...at(-600, -300), ...at(600, 300)]}&z=0/2.5`)).body.ranges.elevation.values.filter((value: number | null) => value !== null)
    t.ok(low.length > 0 && low.every((value: number) => value >= 0 && value <= 2.5), 'z is a range of levels')
    t.equal((await get(`/edr/collections/elevation/position?coords=POINT(${wkt(at(0, 0))})&datetime=1999-01-01`)).status, 204, 'there was no ground then')
    t.match(await get(`${depth}/position?coords=POINT(${wkt(at(0, 0))})&z=1/2`), { status: 400, body: { parameter: 'z' } })
    for (const z of ['1', 'a/b', '2/1', '/', '../..', '1/2/3', '..']) t.match(await get(`/edr/collections/elevation/position?coords=POINT(${wkt(at(0, 0))})&z=${z}`), { status: 400, body: { parameter: 'z' } }, z)
  })

  t.test('depth over time at this address', async t => {
    const { body } = await get(`${depth}/locations?q=nguyen van linh`)
    t.match(body.features, [{ properties: { label: '12 Nguyễn Văn Linh', simulation: 'SIMULATION – NOT A FORECAST' } }])
    const answer = (await get(body.features[0].properties.edrqueryendpoint)).body
    t.match(answer, { name: '12 Nguyễn Văn Linh', domain: { domainType: 'PointSeries' } })
    t.strictSame(answer.ranges.depth.values, frames.map(values => mm(values[cellOf(0, 0)])))
    t.match((await get(`${body.features[0].properties.edrqueryendpoint}?f=CSV&datetime=2025-10-01T00:30:00Z/2025-10-01T00:40:00Z`)).text.split('\r\n'), ['time,lon,lat,depth,simulation', /^2025-10-01T00:30:00Z,.*,SIMULATION – NOT A FORECAST$/, /00:35/, /00:40/, ''])
    const first = (await get(`${depth}/locations?limit=1`)).body
    const second = (await get(first.links.find((link: any) => link.rel === 'next').href)).body
    t.equal(new Set([...first.features, ...second.features].map(({ id }: any) => id)).size, 2, 'page by page')
    t.equal((await get(`${depth}/locations?bbox=${[...at(-10, -10), ...at(10, 10)]}`)).body.features.length, 1)
    for (const id of ['x', '0', '99999999999999999999']) t.equal((await get(`${depth}/locations/${id}`)).status, 404)
  })

  t.test('instances are runs, of a scenario and by id', async t => {
    const { instances } = (await get(`${depth}/instances`)).body
    t.match(instances, [{ id: job.id, data_queries: { position: { link: { href: `${url}${depth}/instances/${job.id}/position` } } } }])
    const point = `position?coords=POINT(${wkt(at(0, 0))})`
    const wanted = (await get(`${depth}/${point}`)).body
    for (const path of [`${depth}/instances/${job.id}/${point}`, `${depth}/${point}&run=${job.id}`, `/scenarios/${scenario.id}${depth}/${point}`, `/scenarios/${scenario.id}/ogc/collections/run_depth/${point}`]) t.strictSame((await get(path)).body, wanted, path)
    const ids = (await get(`/scenarios/${scenario.id}/ogc/collections`)).body.collections.map(({ id }: any) => id)
    for (const id of ['elevation', 'run_depth', 'run_maximum']) t.ok(ids.includes(id), id)
    for (const path of [`${depth}/instances/x`, `${depth}/instances/00000000-0000-4000-8000-000000000000/${point}`, `${depth}/${point}&run=x`, '/edr/collections/elevation/instances', `/edr/collections/elevation/instances/${job.id}/${point}`]) t.equal((await get(path)).status, 404, path)
  })

  t.test('ways: along a line, and along one with times', async t => {
    const line = (await get(`${depth}/trajectory?coords=LINESTRING(${wkt(at(-100, 0), at(100, 0))})`)).body
    t.equal(line.domain.domainType, 'MultiPointSeries')
    t.strictSame(line.ranges.depth.shape, [13, line.domain.axes.composite.values.length])
    t.ok(line.domain.axes.composite.values.length > 10, 'a place in each cell')
    const start = Date.parse('2025-10-01T00:00:00Z') / 1000
    const timed = (await get(`${depth}/trajectory?coords=LINESTRINGM(${wkt([...at(0, 0), start + 1800], [...at(50, 0), start + 3600], [...at(50, 0), start + 9999])})`)).body
    t.equal(timed.domain.domainType, 'Trajectory')
    t.equal(timed.domain.axes.composite.values[0][0], '2025-10-01T00:30:00Z')
    t.strictSame(timed.ranges.depth.values, [mm(frames[6]![cellOf(0, 0)]), mm(frames[12]![cellOf(50, 0)]), null], 'after the run nothing is known')
    t.match(await get(`${depth}/trajectory?coords=LINESTRINGM(${wkt([...at(0, 0), start], [...at(50, 0), start])})&datetime=2025-10-01`), { status: 400, body: { parameter: 'datetime' } })
    t.match(await get(`${depth}/trajectory?coords=LINESTRINGM(${wkt([...at(0, 0), start], [...at(50, 0), 1e300])})`), { status: 400 })
    t.equal((await get(`${depth}/trajectory?coords=LINESTRING(0 0,1 1)`)).status, 204, 'nothing there')
  })

  t.test('areas are cut to their shape', async t => {
    const triangle = (await get(`${depth}/area?coords=POLYGON((${wkt(at(-200, -200), at(200, -200), at(-200, 200), at(-200, -200))}))&datetime=2025-10-01T01:00:00Z&crs=EPSG:4326`)).status
    t.equal(triangle, 400, 'latitude stands first in EPSG:4326: there is none of 108°')
    const body = (await get(`${depth}/area?coords=POLYGON((${wkt(...[at(-200, -200), at(200, -200), at(-200, 200), at(-200, -200)].map(([lon, lat]) => toCity(lon, lat)))}))&datetime=2025-10-01T01:00:00Z&crs=EPSG:5899`)).body
    const { x, y } = body.domain.axes
    const known = body.ranges.depth.values.filter((value: unknown) => value !== null).length
    t.ok(Math.abs(known / (x.num * y.num) - 0.5) < 0.1, 'half of the box')
    t.match(body.domain.referencing[0], { system: { type: 'ProjectedCRS', id: 'http://www.opengis.net/def/crs/EPSG/0/5899' } })
    const tiny = (await get(`${depth}/area?coords=POLYGON((${wkt(at(0, 0), at(1, 0), at(0, 1), at(0, 0))}))&datetime=2025-10-01T01:00:00Z`)).body
    t.strictSame(tiny.ranges.depth.values, [mm(frames[12]![cellOf(0, 0)])], 'one smaller than a cell has its cell')
    const sized = (await get(`${depth}/cube?bbox=${[...at(-200, -200), ...at(200, 200)]}&resolution-x=5&resolution-y=3&datetime=2025-10-01T01:00:00Z`)).body
    t.strictSame(sized.ranges.depth.shape, [1, 3, 5])
    const near = (left: number, right: number) => Math.abs(left - right) < 1e-9
    t.ok(near(sized.domain.axes.x.start, at(-200, 0)[0]) && near(sized.domain.axes.x.stop, at(200, 0)[0]), 'ends included')
    const around = (await get(`${depth}/radius?coords=POINT(${wkt(at(0, 0))})&within=0.1&within-units=km&datetime=2025-10-01T01:00:00Z&f=GeoJSON`)).body
    const area = around.features.length * grid.cell ** 2
    t.ok(Math.abs(area / (Math.PI * 100 ** 2) - 1) < 0.15, `the cells of a circle: ${area} m²`)
    t.equal((await get(`${depth}/radius?coords=POINT(0 0)&within=1&within-units=km`)).status, 204)
  })

  t.test('GeoTIFF is cloud-optimised, and GDAL reads the frames from it', async t => {
    const path = `/ogc/collections/run_depth/coverage?f=GeoTIFF&datetime=2025-10-01T00:30:00Z/2025-10-01T01:00:00Z`
    const { bytes, headers } = await get(path)
    t.match(headers.get('content-type'), /^image\/tiff/)
    t.match(headers.get('x-simulation'), /SIMULATION/)
    const image = await (await fromArrayBuffer(Uint8Array.from(bytes).buffer)).getImage()
    t.strictSame([image.getWidth(), image.getHeight(), image.getSamplesPerPixel()], [grid.cols, grid.rows, 7])
    t.strictSame(image.getOrigin().slice(0, 2), [...grid.origin])
    const rasters = await image.readRasters()
    frames.slice(6).forEach((values, i) => t.strictSame(Array.from(rasters[i] as Float32Array, mm), Array.from(values, mm), `band ${i}`))
    const folder = mkdtempSync(join(tmpdir(), 'dothi-cog-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    const file = join(folder, 'depth.tif')
    writeFileSync(file, bytes)
    const info = JSON.parse(execFileSync('gdalinfo', ['-json', '-stats', file], { encoding: 'utf8' }))
    t.match(info, { driverShortName: 'GTiff', metadata: { '': { SIMULATION: /MÔ PHỎNG/ } }, coordinateSystem: { wkt: /5899/ } })
    t.equal(info.bands[0].noDataValue, 'NaN')
    t.equal(info.bands[0].unit, 'm')
    t.ok(Math.abs(info.bands[6].maximum - frames[12]!.reduce((most, value) => (value > most ? value : most), 0)) < 1e-4)

    const half = await get(path, { range: 'bytes=0-99' })
    t.match(half, { status: 206 })
    t.strictSame(half.bytes, bytes.subarray(0, 100))
    t.strictSame((await get(path, { range: 'bytes=-10' })).bytes, bytes.subarray(-10))
    t.equal((await get(path, { range: `bytes=${bytes.length}-` })).status, 416)
    t.equal((await get(path, { 'if-none-match': headers.get('etag')! })).status, 304)
  })

  t.test('a large picture has its headers first, its overviews before itself, and their means', async t => {
    const [cols, rows] = [1000, 700]
    const values = Float32Array.from({ length: cols * rows }, (_, i) => (i % 97 === 0 ? NaN : i % cols))
    const file = await writeCog({ kind: 'grid', crs: CRS84, x0: 108, y0: 16, dx: 0.001, dy: 0.001, cols, rows, spacingM: 100 }, [{ name: 'a', unit: 'm', values: async () => values }, { name: 'b', unit: 'm', values: async () => values.map(value => -value) }], { NOTE: '<&">' })
    const tiff = await fromArrayBuffer(Uint8Array.from(file).buffer)
    const images = await Promise.all(Array.from({ length: await tiff.getImageCount() }, (_, i) => tiff.getImage(i)))
    t.strictSame(images.map(image => [image.getWidth(), image.getHeight()]), [[1000, 700], [500, 350], [250, 175]])
    const offsets = await Promise.all(images.map(async image => Array.from(await image.fileDirectory.loadValue('TileOffsets') as ArrayLike<number>)))
    t.ok(Math.max(...offsets[2]!) < Math.min(...offsets[1]!) && Math.max(...offsets[1]!) < Math.min(...offsets[0]!))
    t.strictSame(Array.from((await images[0]!.readRasters())[1] as Float32Array), Array.from(values, value => -value))
    const [coarse] = await images[1]!.readRasters() as unknown as Float32Array[]
    t.equal(coarse![3], (values[6]! + values[7]! + values[1006]! + values[1007]!) / 4)
    t.notOk(coarse!.some(Number.isNaN), 'what is not known takes no part')
  })

  t.test('OGC API Coverages: cut out, coarser, in another CRS', async t => {
    const coverage = '/ogc/collections/run_depth/coverage'
    const collection = (await get('/ogc/collections/run_depth')).body
    t.match(collection, { storageCrs: /5899/, links: [{ rel: 'self' }, { rel: 'alternate' }] })
    t.ok(collection.links.some((link: any) => link.rel === 'http://www.opengis.net/def/rel/ogc/1.0/coverage' && link.href.startsWith(`${url}${coverage}`)))
    t.match(await get('/ogc/collections/run_depth/schema'), { status: 200, body: { properties: { depth: { 'x-ogc-unit': 'm' } } } })
    const [east, north] = toCity(...at(0, 0))
    const cut = (await get(`${coverage}?subset=E(${east - 50}:${east + 50}),N(${north - 50}:${north + 50}),time("2025-10-01T00:30:00Z")&subset-crs=EPSG:5899`)).body
    t.strictSame(cut.domain.axes.t.values, ['2025-10-01T00:30:00Z'])
    const { x, y } = cut.domain.axes
    t.strictSame(cut.ranges.depth.values, Array.from({ length: x.num * y.num }, (_, i) => mm(frames[6]![cellAt(grid, x.start + (i % x.num) * grid.cell, y.start - Math.floor(i / x.num) * grid.cell)])))
    const slice = (await get(`${coverage}?subset=Lon(${at(0, 0)[0]}),Lat(${at(0, 0)[1]})&crs=${CRS84_URI}`)).body
    t.strictSame(slice.ranges.depth.values, frames.map(values => mm(values[cellOf(0, 0)])), 'a slice')
    t.strictSame((await get(`${coverage}?scale-factor=2&datetime=2025-10-01T00:30:00Z`)).body.ranges.depth.shape, [1, Math.round(grid.rows / 2), Math.round(grid.cols / 2)])
    t.strictSame((await get(`${coverage}?scale-size=E(7),N(5)&datetime=2025-10-01T00:30:00Z`)).body.ranges.depth.shape, [1, 5, 7])
    t.strictSame((await get(`${coverage}?resolution=E(${grid.cell * 4}),N()&datetime=2025-10-01T00:30:00Z`)).body.ranges.depth.shape, [1, grid.rows, Math.round(grid.cols / 4)])
    t.strictSame(Object.keys((await get('/ogc/collections/run_maximum/coverage?exclude-properties=max_depth,arrival_0_1_m&bbox=' + [...at(-30, -30), ...at(30, 30)])).body.ranges).length, 5)
    t.equal((await get(`${coverage}?bbox=0,0,1,1`)).status, 204)
    for (const wrong of ['subset=Lat(1', 'subset=Up(1:2)', 'subset=Lat(a:b)', 'subset=Lat(2:1)', 'subset=Lat(16:16.1)&bbox=108,16,109,17', 'subset=Lat(1),Lat(2)', 'subset=time("x")', 'bbox=1,2,3', 'bbox=3,2,1,0', 'scale-factor=0', 'scale-size=Lat(-1)', 'scale-size=Up(3)', 'scale-factor=2&resolution=E(1)', 'crs=EPSG:9999', 'properties=height', 'properties=depth&exclude-properties=depth', 'exclude-properties=depth', 'f=PNG', 'datetime=soon', 'subset=time("2025-10-01")&datetime=2025-10-01'])
      t.match(await get(`${coverage}?${wrong}`), { status: 400, body: { type: String } }, wrong)
  })

  t.test('bad input is told; nothing is without bounds', async t => {
    const point = `coords=POINT(${wkt(at(0, 0))})`
    for (const [path, parameter] of [
      [`position?coords=LINESTRING(1 1,2 2)`, 'coords'], ['position?coords=POINT(999 1)', 'coords'], ['position?coords=SRID=4326;POINT(1 1)', 'coords'], [`position?${point}&crs=EPSG:9999`, 'crs'], [`position?${point}&parameter-name=deepth`, 'parameter-name'],
      [`position?${point}&datetime=2025-10-01/2024-01-01`, 'datetime'], [`radius?${point}&within=-1&within-units=m`, 'within'], [`radius?${point}&within=1&within-units=parsec`, 'within-units'], [`radius?${point}&within=51&within-units=km`, 'within'],
      [`corridor?coords=LINESTRING(1 1,2 2)&corridor-width=1&width-units=m&corridor-height=-2&height-units=m`, 'corridor-height'], ['cube?bbox=1,2,3,4,5', 'bbox'], [`cube?bbox=${[...at(-9, -9), ...at(9, 9)]}&resolution-x=-1`, 'resolution-x'],
    ] as const) t.match(await get(`${depth}/${path}`), { status: 400, body: { parameter } }, path)
    t.match((await get(`${depth}/position?${point}&parameter-name=dept`)).body.detail, /Did you mean “depth”/)
    t.match(await get(`${depth}/cube?bbox=${[...at(-200, -200), ...at(200, 200)]}&resolution-x=20000&resolution-y=20000`), { status: 413 })
    t.match(await get(`${depth}/cube?bbox=${[...at(-200, -200), ...at(200, 200)]}&resolution-x=1000&resolution-y=1000&f=GeoJSON`), { status: 413, body: { detail: /CoverageJSON/ } })
    t.equal((await get(`/edr/collections/elevation/cube?bbox=-180,-85,180,85&f=GeoTIFF`)).status, 200, 'the world is the coverage’s own box')
    t.equal((await get(`/edr/collections/elevation/trajectory?coords=LINESTRING(-180 -80,180 80,-180 80,${wkt(at(0, 0))})`)).status, 200)
    t.equal((await get(`/edr/collections/elevation/corridor?coords=LINESTRING(-180 -90,180 90,${wkt(at(0, 0))})&corridor-width=50&width-units=km`)).status, 200)
    t.equal((await get(`${depth}/position?${point}&datetime=2030-01-01`)).status, 204)
  })

  t.test('pages are for people', async t => {
    for (const path of ['/edr', '/edr/collections', '/edr/conformance', depth, `${depth}/instances`, `${depth}/instances/${job.id}`, '/ogc/collections/run_depth']) {
      const page = await get(`${path}?f=html&lang=vi`)
      t.match(page, { status: 200, text: /<html lang="vi">/ }, path)
      t.notMatch(page.text, /undefined|\[object/)
    }
    t.match((await get(`${depth}?f=html`)).text, /SIMULATION – NOT A FORECAST/)
    const found = await get(`${depth}/locations?q=nguyen+van+linh&f=html`)
    const address = /href="([^"]*locations\/\d+[^"]*)"/.exec(found.text)![1]!.replaceAll('&amp;', '&')
    const page = await get(`${address}&lang=en`)
    t.match(page, { status: 200, text: /<h1>12 Nguyễn Văn Linh<\/h1>[^]*SIMULATION – NOT A FORECAST[^]*Deepest 1\.\d+ m, at \S+, 08:00[^]*<svg/ }, 'in the city’s time')
    t.match((await get(`${depth}/position?coords=POINT(${wkt(at(-595, 0))})&f=html`)).text, /not computed\. That does not mean that it is dry/)
    t.match((await get(`/edr/collections/run_maximum/position?coords=POINT(${wkt(at(0, 0))})&f=html&lang=vi`)).text, /Độ sâu lớn nhất/)
  })
})

/** Holds an answer against CoverageJSON 1.0: a domain of a known type with its axes, and ranges of as many values as axes make. */
function isCoverageJson(t: Test, coverage: any): void {
  const axes = { Grid: ['x', 'y', 't'], Point: ['x', 'y', 't'], PointSeries: ['x', 'y', 't'], MultiPoint: ['composite', 't'], MultiPointSeries: ['composite', 't'], Trajectory: ['composite'] }[coverage.domain.domainType as string]
  t.strictSame(Object.keys(coverage.domain.axes).sort(), [...axes ?? []].sort(), coverage.domain.domainType)
  t.match(coverage, { type: 'Coverage', domain: { type: 'Domain', referencing: [{ coordinates: ['x', 'y'], system: { id: String } }, { coordinates: ['t'], system: { type: 'TemporalRS' } }] } })
  t.strictSame(Object.keys(coverage.ranges), Object.keys(coverage.parameters))
  const lengthOf = (axis: any) => axis.num ?? axis.values.length
  for (const range of Object.values<any>(coverage.ranges)) {
    t.strictSame(range.shape, range.axisNames.map((name: string) => lengthOf(coverage.domain.axes[name])))
    t.equal(range.values.length, range.shape.reduce((product: number, length: number) => product * length, 1))
    t.ok(range.values.every((value: unknown) => value === null || typeof value === 'number'))
  }
}
