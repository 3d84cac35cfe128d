import t from 'tap'
import { DEPTH_STEPS, depthClassOf } from './depth.js'
import { LAYERS } from './index.js'
import { STORE_COLUMNS, type Layer, type Paint } from './layer.js'
import { maxHousingDensity } from './plan-lots.js'

const NAME = /^[a-z][a-z0-9_]{0,50}$/
const COLOUR = /^#[0-9a-f]{6}$/
const paints = ({ style }: Layer): Paint[] => [style.fill, style.line, style.circle].filter(paint => paint !== undefined)
const colours = (paint: Paint): string[] => typeof paint === 'string' ? [paint]
  : 'steps' in paint ? [paint.below, ...paint.steps.map(([, colour]) => colour)] : [paint.other, ...Object.values(paint.categories)]

t.test('the catalogue holds every collection of the contracts once', async t => {
  const contracts = `wards districts_former parcels plans plan_lots planning_lines addresses buildings roads bridges water_bodies water_pipes water_nodes
    drain_pipes drain_nodes power_lines power_nodes telecom_lines telecom_nodes trees facilities shelters pumps levees culverts cameras antennas gauges
    run_buildings run_roads run_facilities certificates land_rights quality_issues earthworks`.split(/\s+/)
  t.strictSame(LAYERS.map(layer => layer.id).sort(), contracts.sort())
})

for (const layer of LAYERS) {
  t.test(`${layer.id} is well formed`, async t => {
    const names = layer.columns.map(column => column.name)
    const known = [...names, 'height', 'ground_z']
    t.match(layer.id, NAME)
    t.equal(new Set(names).size, names.length, 'no column twice')
    for (const column of layer.columns) {
      t.match(column.name, NAME)
      t.notOk((STORE_COLUMNS as readonly string[]).includes(column.name), `${column.name} is not the store's`)
      if (column.min !== undefined && column.max !== undefined) t.ok(column.min <= column.max)
      if (column.pattern) t.doesNotThrow(() => new RegExp(column.pattern!))
    }

    const titles = [layer.title, layer.description, layer.owner!, ...layer.keywords!, ...layer.columns.flatMap(column =>
      [column.title, ...column.description ? [column.description] : [], ...Object.values(column.codes ?? {})]), ...(layer.rules ?? []).map(rule => rule.title)]
    t.strictSame(titles.filter(title => !title.vi.trim() || !title.en.trim()), [], 'every title in both languages')
    t.strictSame(titles.filter(title => title.vi !== title.vi.normalize('NFC')), [], 'Vietnamese is NFC')
    t.ok(layer.owner && layer.updateFrequency && layer.keywords!.length > 1, 'it says who keeps it, how often it changes and what it is found by')

    for (const name of [layer.label, ...layer.searchable ?? [], ...Object.entries(layer.threeD ?? {}).filter(([key]) => key !== 'form' && key !== 'levelOf').map(([, name]) => (typeof name === 'string' ? name : name.by))])
      if (name) t.ok(names.includes(name), `${name} is a column`)
    if (layer.importance && !['area', 'length'].includes(layer.importance)) t.ok(known.includes(layer.importance), `importance ${layer.importance} is a column`)
    for (const name of [layer.label, ...layer.searchable ?? []]) {
      const column = layer.columns.find(column => column.name === name)
      t.ok((column?.classification ?? 'open') === 'open', 'nothing more closed than its layer is searched or shown as a label')
    }

    const geometryPaint = { polygon: layer.style.fill ?? layer.style.line, line: layer.style.line, point: layer.style.circle, any: layer.style.fill }[layer.geometry]
    t.ok(geometryPaint, 'the style draws the geometry')
    for (const paint of paints(layer)) {
      t.strictSame(colours(paint).filter(colour => !COLOUR.test(colour)), [], 'colours are #rrggbb')
      if (typeof paint === 'string') continue
      const column = layer.columns.find(column => column.name === paint.by)
      t.ok(column?.inTiles, `${paint.by} is in the tiles that the style paints`)
      if ('categories' in paint && column?.codes) t.strictSame(Object.keys(paint.categories).filter(code => !column.codes![code]), [], 'painted codes are known')
      if ('steps' in paint) t.ok(paint.steps.every(([from], i) => i === 0 || from > paint.steps[i - 1]![0]), 'steps ascend')
    }
    t.ok(layer.zoom.min <= layer.zoom.max)

    for (const rule of layer.rules ?? []) {
      const seen = new Set<string>()
      const watched = new Proxy({}, { get: (_row, name) => { seen.add(String(name)); return undefined } })
      t.equal(rule.holds(watched), true, `${rule.id} holds on an empty row`)
      t.strictSame([...seen].filter(name => !rule.reads.includes(name)), [], `${rule.id} says all that it reads`)
      t.strictSame(rule.reads.filter(name => !known.includes(name)), [], `${rule.id} reads columns that there are`)
    }
    const ruleIds = (layer.rules ?? []).map(rule => rule.id)
    t.equal(new Set(ruleIds).size, ruleIds.length)

    for (const mapping of layer.sources ?? []) {
      for (const name of Object.keys(mapping.columns)) t.ok(known.includes(name), `${mapping.source} fills ${name}`)
      for (const [name, table] of Object.entries(mapping.values ?? {})) {
        t.ok(mapping.columns[name], `${mapping.source} converts ${name}, which it fills`)
        const codes = layer.columns.find(column => column.name === name)?.codes
        if (codes) t.strictSame(Object.values(table).filter(code => !codes[String(code)]), [], `${mapping.source} yields known codes of ${name}`)
      }
    }
  })
}

t.test('rules catch what they are for', async t => {
  const broken = (id: string, row: Record<string, unknown>) => LAYERS.find(layer => layer.id === id)!.rules!.filter(rule => !rule.holds(row)).map(rule => rule.id)
  t.strictSame(broken('buildings', { height: 3, storeys: 10 }), ['height_fits_storeys'])
  t.strictSame(broken('buildings', { height: -1, storeys: 0 }), ['height_possible'])
  t.strictSame(broken('buildings', { height: 33, storeys: 10, ground_floor_level_m: 2.3, ground_z: 2 }), [])
  t.strictSame(broken('roads', { long_duong_m: 12, lo_gioi_m: 10, from_node: 'a', to_node: 'a' }), ['long_duong_m_le_lo_gioi_m', 'ends_differ'])
  t.strictSame(broken('plan_lots', { mdxd: 60, he_so_sdd: 5, tang_cao_max: 5, tang_cao_min: 7 }), ['tang_cao_min_le_tang_cao_max', 'density_and_ratio'])
  t.strictSame(broken('pumps', { start_level_m: 1, stop_level_m: 1 }), ['stops_below_start'])
  t.strictSame(broken('gauges', { alarm_1_m: 1, alarm_2_m: 2, alarm_3_m: 2.5 }), [])
  t.strictSame(broken('plans', { hieu_luc_tu: '2026-01-01', hieu_luc_den: '2025-01-01', trang_thai: 'approved' }), ['hieu_luc_tu_le_hieu_luc_den', 'approved_has_decision'])
})

t.test('certificates stay restricted', async t => {
  const parcels = LAYERS.find(layer => layer.id === 'parcels')!
  t.equal(parcels.columns.find(column => column.name === 'so_gcn')!.classification, 'restricted')
})

t.test('housing density follows QCVN 01:2021', async t => {
  t.strictSame([50, 90, 100, 150, 200, 500, 1000, 5000].map(maxHousingDensity), [100, 100, 90, 80, 70, 50, 40, 40])
})

t.test('a depth falls in the class whose bounds hold it', async t => {
  t.strictSame([0, 0.09, 0.1, 0.3, 0.99, 1, 1.5, 2, 7].map(depthClassOf), ['dry', 'dry', 'ankle', 'shin', 'knee', 'waist', 'car', 'deep', 'deep'])
  t.equal(DEPTH_STEPS.length, 6)
})
