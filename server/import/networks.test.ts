/** Networks, point clouds and binary formats against what others have made of the same files. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { parquetWriteBuffer } from 'hyparquet-writer'
import t from 'tap'
import type { Feature } from '../../core/feature.js'
import { openAny } from './open-source.js'
import { readLas } from './terrain/las.js'
import { planImport } from './plan.js'
import { LAYERS } from '../../layers/index.js'

t.setTimeout(60_000)
const real = process.env.REAL_DATA

async function layersOf(file: string): Promise<Record<string, Feature[]>> {
  const opened = await openAny(file)
  if (opened.kind !== 'features') throw new Error('no features')
  const all: Record<string, Feature[]> = {}
  for (const layer of opened.source.layers) {
    all[layer.name] = []
    for await (const feature of layer.features()) all[layer.name]!.push(feature)
  }
  await opened.source.close()
  return all
}

t.test('EPANET: units, defaults, links without length', async t => {
  const file = join(t.testdir(), 'net.inp')
  const inp = (units: string) => `[TITLE]\nA net\n[JUNCTIONS]\n;id elev demand pattern\n J1 100 10 P\n J2 90 -5\n[RESERVOIRS]\n R 150\n[TANKS]\n T 120 5 1 10 20 0\n[PIPES]\n P1 R J1 1000 12 130 0 Open\n P2 J1 J2 500 8 100 CV\n[PUMPS]\n U J2 T HEAD C SPEED 1.2\n[VALVES]\n V J1 J2 6 PRV 50 0\n[STATUS]\n U Closed\n[PATTERNS]\n P 1 1.5\n P 0.5\n[CURVES]\n C 100 50\n[OPTIONS]\n UNITS ${units}\n[COORDINATES]\n J1 10 20\n J2 30 40\n R 0 0\n T 30 40\n[VERTICES]\n P1 5 7\n`
  writeFileSync(file, inp('GPM'))
  const { water_nodes: nodes, water_pipes: pipes } = await layersOf(file)
  t.strictSame(nodes!.map(({ properties: { code, kind, level_m, demand_lps, head_m } }) => [code, kind, level_m, demand_lps, head_m]), [
    ['J1', 'junction', 30.48, 0.630901964, undefined], ['J2', 'junction', 27.432, undefined, undefined], ['R', 'source', undefined, undefined, 45.72], ['T', 'tank', 36.576, undefined, undefined],
  ])
  t.match(nodes![0]!.properties.model, { pattern: { id: 'P', multipliers: [1, 1.5, 0.5] } })
  t.ok(Math.abs(Number(nodes![3]!.properties.volume_m3) - Math.PI * 100 * 10 * 0.3048 ** 3) < 1e-3, 'a tank of 20 by 10 feet')
  t.strictSame(pipes!.map(({ properties: { code, from_node, to_node, length_m, dn_mm, roughness_c, state } }) => [code, from_node, to_node, length_m, dn_mm, roughness_c, state]), [
    ['P1', 'R', 'J1', 304.8, 304.8, 130, 'open'], ['P2', 'J1', 'J2', 152.4, 203.2, 100, 'open'], ['U', 'J2', 'T', undefined, undefined, undefined, 'closed'], ['V', 'J1', 'J2', undefined, 152.4, undefined, 'open'],
  ])
  t.strictSame(pipes![0]!.geometry!.coordinates, [[0, 0], [5, 7], [10, 20]])
  t.match([pipes![1]!.properties.model, pipes![2]!.properties.model, pipes![3]!.properties.model], [{ check_valve: true }, { head_curve_lps_m: [[6.30901964, 15.24]], speed: 1.2 }, { valve_type: 'PRV', setting: 35.153479, setting_unit: 'm' }])
  t.strictSame(pipes![2]!.geometry!.coordinates, [[30, 40], [30 + 1e-7, 40]], 'a pump without length stays in the network')
  writeFileSync(file, inp('LPS'))
  const metric = await layersOf(file)
  t.match(metric, { water_nodes: [{ properties: { level_m: 100, demand_lps: 10 } }], water_pipes: [{ properties: { length_m: 1000, dn_mm: 12 } }, { properties: { dn_mm: undefined, model: { diameter_mm: 8 } } }] }, 'a pipe of 8 mm is thinner than the column takes')
  writeFileSync(file, inp('FURLONG'))
  await t.rejects(layersOf(file), /measures flow in “FURLONG”/)
  writeFileSync(file, '[JUNCTIONS]\n J 1\n')
  await t.rejects(layersOf(file), /no coordinates/)
  writeFileSync(file, inp('GPM').replace(' J2 30 40\n', ''))
  t.match((await layersOf(file)).water_pipes![1], { fault: 'no coordinates of the node J2' })
})

t.test('SWMM: offsets, cross-sections, gates', async t => {
  const file = join(t.testdir(), 'drain.inp')
  const inp = (units: string, offsets: string) => `[OPTIONS]\nFLOW_UNITS ${units}\nLINK_OFFSETS ${offsets}\n[JUNCTIONS]\nA 10 3 0 0 0\nB 9 2\n[OUTFALLS]\nO 8 FIXED 8.5 YES\nO2 8 FREE NO\n[STORAGE]\nS 7 4 0 TABULAR C\n[CONDUITS]\nC1 A B 100 0.013 0.5 9.2 0 0\nC2 B O 50 0.015 * * 0 0\nC3 B S 10 0.5 0 0\n[XSECTIONS]\nC1 CIRCULAR 0.6 0 0 0 1\nC2 RECT_CLOSED 1 2 0 0 2\nC3 TRAPEZOIDAL 1 3 1 1\n[WEIRS]\nW S O TRANSVERSE 1.5 3.3\n[CURVES]\nC Storage 0 100\nC 4 200\n[COORDINATES]\nA 0 0\nB 100 0\nO 150 0\nO2 1 1\nS 100 10\n[SUBCATCHMENTS]\nSub R A 2 50 100 0.5 0\n[Polygons]\nSub 0 0\nSub 10 0\nSub 10 10\n`
  writeFileSync(file, inp('LPS', 'DEPTH'))
  const { drain_nodes: nodes, drain_pipes: pipes, subcatchments, drain_weirs: weirs } = await layersOf(file)
  t.strictSame(nodes!.map(({ properties: { code, kind, bottom_level_m, cover_level_m, flap } }) => [code, kind, bottom_level_m, cover_level_m, flap]), [
    ['A', 'junction', 10, 13, undefined], ['B', 'junction', 9, 11, undefined], ['S', 'storage', 7, 11, undefined], ['O', 'outfall', 8, undefined, true], ['O2', 'outfall', 8, undefined, false],
  ])
  t.match(nodes![2]!.properties.model, { area_by_depth_m: [[0, 100], [4, 200]] })
  t.strictSame(pipes!.map(({ properties: { section, diameter_mm, width_m, height_m, invert_from_m, invert_to_m, roughness_n } }) => [section, diameter_mm, width_m, height_m, invert_from_m, invert_to_m, roughness_n]), [
    ['circular', 600, undefined, undefined, 10.5, 18.2, 0.013], ['box', 1595.769122, 2, 1, 9, 8, 0.015], ['channel', undefined, 3, 1, 9, 7, undefined],
  ])
  t.match([subcatchments![0], weirs![0]], [{ properties: { area_m2: 20_000, outlet: 'A' }, geometry: { type: 'Polygon' } }, { properties: { from_node: 'S', to_node: 'O', type: 'TRANSVERSE' } }])
  writeFileSync(file, inp('CFS', 'ELEVATION'))
  const us = await layersOf(file)
  t.match([us.drain_pipes![0]!.properties, us.subcatchments![0]!.properties], [{ diameter_mm: 182.88, invert_from_m: 0.1524, invert_to_m: 2.80416 }, { area_m2: 8093.712845 }], 'offsets may be levels; feet and acres')
})

t.test('Parquet: native encodings, CRS, what has no geometry', async t => {
  const folder = t.testdir()
  const write = (name: string, columns: object[], geo?: object) => {
    const file = join(folder, name)
    writeFileSync(file, Buffer.from(parquetWriteBuffer({ columnData: columns as never, ...(geo ? { kvMetadata: [{ key: 'geo', value: JSON.stringify(geo) }] } : {}) })))
    return file
  }
  const wkb = Buffer.from('010100000000000000000024400000000000003440', 'hex')
  const crs = { id: { authority: 'EPSG', code: 5899 } }
  const file = write('a.parquet', [{ name: 'id', data: [7n], type: 'INT64' }, { name: 'g', data: [wkb], type: 'BYTE_ARRAY' }, { name: 'day', data: [new Date('2020-02-29T00:00:00Z')], type: 'TIMESTAMP' }], { version: '1.1.0', primary_column: 'g', columns: { g: { encoding: 'WKB', geometry_types: [], crs } } })
  const opened = await openAny(file)
  t.equal(opened.kind === 'features' && opened.source.layers[0]!.srid, 5899)
  t.match((await layersOf(file)).a, [{ sourceId: '7', geometry: { type: 'Point' }, properties: { id: 7, day: '2020-02-29T00:00:00.000Z' } }])
  await t.rejects(openAny(write('b.parquet', [{ name: 'x', data: [1], type: 'INT32' }])), /has no geometry/)
  await t.rejects(openAny(write('c.parquet', [{ name: 'g', data: [wkb], type: 'BYTE_ARRAY' }], { primary_column: 'g', columns: { g: { encoding: 'TopoJSON' } } })), /none of GeoParquet's encodings/)
  const whole = readFileSync(file)
  writeFileSync(file, whole.subarray(0, whole.length - 20))
  await t.rejects(openAny(file), /GeoParquet file cannot be read/)
})

t.test('damaged FlatGeobuf and LAS are told in a sentence', async t => {
  const folder = t.testdir()
  const file = join(folder, 'a.fgb')
  writeFileSync(file, Buffer.from([0x66, 0x67, 0x62, 3, 0x66, 0x67, 0x62, 0, 200, 0, 0, 0, 1, 2, 3]))
  await t.rejects(openAny(file), /truncated/)
  writeFileSync(file, Buffer.concat([Buffer.from([0x66, 0x67, 0x62, 3, 0x66, 0x67, 0x62, 0, 8, 0, 0, 0]), Buffer.alloc(8, 0xff)]))
  await t.rejects(openAny(file), /damaged/)
  const las = join(folder, 'a.las')
  writeFileSync(las, Buffer.concat([Buffer.from('LASF'), Buffer.alloc(400)]))
  await t.rejects(openAny(las), /version 0\.0/)
})

if (real) {
  t.test('ky4: the same network as WNTR makes of it', async t => {
    const { water_nodes: nodes, water_pipes: pipes } = await layersOf(join(real, 'networks/water/ky4.inp.gz'))
    const wntr = (name: string) => (JSON.parse(gunzipSync(readFileSync(join(real, `networks/water/${name}.geojson.gz`))).toString()) as { features: { properties: Record<string, any> }[] }).features.map(({ properties }) => properties)
    const byCode = new Map([...nodes!, ...pipes!].map(({ properties }) => [properties.code as string, properties as Record<string, any>]))
    const close = (a: number, b: number) => Math.abs(a - b) <= 1e-4 * Math.max(1, Math.abs(b))
    t.ok(wntr('ky4_junctions').every(({ name, elevation, base_demand }) => close(byCode.get(name)!.level_m, elevation) && close(byCode.get(name)!.demand_lps ?? 0, base_demand * 1000)), '959 junctions: elevation and demand in SI units')
    t.ok(wntr('ky4_pipes').every(({ name, length, diameter, start_node_name, end_node_name }) => {
      const pipe = byCode.get(name)!
      return close(pipe.length_m, length) && close(pipe.dn_mm, diameter * 1000) && pipe.from_node === start_node_name && pipe.to_node === end_node_name
    }), '1,156 pipes: length, diameter and ends')
    const opened = await openAny(join(real, 'networks/water/ky4.inp.gz'))
    if (opened.kind !== 'features') return t.fail()
    const plan = await planImport(opened.source, LAYERS, { map: [], srid: 3547, source: 'ky4', onDropped: () => {} })
    t.strictSame(plan.streams.map(({ layer }) => layer), ['water_nodes', 'water_pipes'], 'both layers are filled at once')
    await opened.source.close()
  })

  t.test('Bellinge: outlines as published beside the model', async t => {
    const { subcatchments, drain_pipes: pipes, drain_nodes: nodes } = await layersOf(join(real, 'networks/drainage/bellinge_small.inp'))
    t.strictSame([nodes!.length, pipes!.length, subcatchments!.length], [16, 15, 13])
    const codes = new Set(nodes!.map(({ properties }) => properties.code))
    t.ok(pipes!.every(({ properties }) => codes.has(properties.from_node) && codes.has(properties.to_node)), 'every pipe ends in nodes')
    t.ok(pipes!.every(({ fault }) => !fault))
  })

  t.test('LAZ: ground, holes, chunks, units', async t => {
    const all = await readLas(join(real, 'delft/ahn3/ahn3_cropped_1.laz'), { resolution: 1 })
    const ground = await readLas(join(real, 'delft/ahn3/ahn3_cropped_1.laz'), { resolution: 1, ground: true })
    const known = (heights: Iterable<number>) => Float32Array.from(heights).filter(h => !Number.isNaN(h))
    const median = (heights: Iterable<number>) => [...known(heights)].sort((a, b) => a - b)[known(heights).length >> 1]!
    t.ok(Math.max(...known(all.heights)) > 10 && Math.max(...known(ground.heights)) < 3, 'roofs are no ground')
    t.ok(Math.abs(median(ground.heights)) < 1, 'Delft lies at sea level')
    t.ok(known(ground.heights).length < known(all.heights).length, 'buildings leave holes in the ground, and they stay')
    t.strictSame([ground.west % 1, ground.north % 1], [0.5, 0.5], 'cells lie on whole metres')
    const autzen = await readLas(join(real, 'pointcloud/autzen_trim.laz'), { ground: true })
    t.ok(Math.abs(autzen.cellX * 0.3048 - 2) < 1e-6, 'two metres in a plane of feet')
    t.ok(known(autzen.heights).every(h => h > 120 && h < 140), 'heights in feet become metres: Autzen stadium stands at about 126 m')
  })

  t.test('GeoParquet of the standard: the shapes that its CSVs tell', async t => {
    for (const kind of ['point', 'linestring', 'polygon', 'multipoint', 'multilinestring', 'multipolygon']) {
      const [name] = Object.keys(await layersOf(join(real, `geoparquet/test_data/data-${kind}-encoding_wkb.parquet`)))
      const rows = (await layersOf(join(real, `geoparquet/test_data/data-${kind}-encoding_wkb.parquet`)))[name!]!
      const numbers = (text: string) => (text.match(/-?\d+(\.\d+)?/g) ?? []).map(Number)
      const csv = [...readFileSync(join(real, `geoparquet/test_data/data-${kind}-wkt.csv`), 'utf8').matchAll(/^(\d+),"?([^"\n]*)"?$/gm)].map(([, , wkt]) => numbers(wkt!))
      t.strictSame(rows.map(({ geometry }) => (geometry ? numbers(JSON.stringify(geometry.coordinates)) : [])), csv, kind)
    }
  })

  const ogr = (() => { try { return execFileSync('ogr2ogr', ['--version'], { encoding: 'utf8' }) } catch { return undefined } })()
  t.test('FlatGeobuf as GDAL writes it', { skip: ogr ? false : 'ogr2ogr is not installed' }, async t => {
    const file = join(t.testdir(), 'wards.fgb')
    const json = join(t.testdir(), 'wards.geojson')
    writeFileSync(json, gunzipSync(readFileSync(join(real, 'danang/wards_2025/wards.geojson.gz'))))
    execFileSync('ogr2ogr', ['-f', 'FlatGeobuf', file, json])
    const [ours] = Object.values(await layersOf(file))
    const [theirs] = Object.values(await layersOf(json))
    const sorted = (features: readonly Feature[]) => features.map(({ geometry }) => JSON.stringify(geometry!.type === 'Polygon' ? [geometry!.coordinates] : geometry!.coordinates).length).sort((a, b) => a - b)
    t.equal(ours!.length, theirs!.length)
    t.strictSame(sorted(ours!), sorted(theirs!))
  })
}
