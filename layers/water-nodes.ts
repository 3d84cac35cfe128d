import { ascending, assetCode, codes, modelParameters, number, text, utilityColumns, wardCode } from './columns.js'
import { keywords, CONSTRUCTION_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const waterNodes: Layer = {
  id: 'water_nodes',
  title: { vi: 'Nút cấp nước', en: 'Water nodes' },
  description: { vi: 'Nguồn, bể, bơm, van, trụ cứu hỏa và nút đấu nối.', en: 'Sources, tanks, pumps, valves, hydrants and junctions.' },
  group: 'utilities', kind: 'city', geometry: 'point', threeD: { form: 'instance', level: 'level_m' },
  columns: [
    assetCode,
    text('name', 'Tên', 'Name', { maxLength: 200, inTiles: true }),
    text('kind', 'Loại', 'Kind', { inTiles: true, codes: codes({ source: ['Nguồn', 'Source'], treatment: ['Nhà máy nước', 'Treatment plant'], tank: ['Bể chứa', 'Tank'], pump: ['Trạm bơm', 'Pump station'], junction: ['Nút', 'Junction'], valve: ['Van', 'Valve'], hydrant: ['Trụ cứu hỏa', 'Hydrant'], meter: ['Đồng hồ tổng', 'Bulk meter'] }) }),
    number('ground_level_m', 'Cao độ mặt đất', 'Ground level', { unit: 'm', min: -60, max: 3000 }),
    number('level_m', 'Cao độ nút', 'Node level', { unit: 'm', min: -60, max: 3000, inTiles: true }),
    number('demand_lps', 'Nhu cầu', 'Base demand', { unit: 'L/s', min: 0 }),
    number('head_m', 'Cột áp', 'Head', { unit: 'm', min: 0, max: 3000 }),
    number('volume_m3', 'Dung tích', 'Volume', { unit: 'm³', min: 0 }),
    number('flow_lps', 'Lưu lượng định mức', 'Rated flow', { unit: 'L/s', min: 0 }),
    text('valve_state', 'Trạng thái van', 'Valve state', { codes: codes({ open: ['Mở', 'Open'], closed: ['Đóng', 'Closed'], throttled: ['Mở một phần', 'Throttled'] }) }),
    text('dma', 'Vùng DMA', 'District metered area', { maxLength: 40 }),
    text('power_node', 'Cấp điện từ', 'Powered by', { maxLength: 60 }),
    wardCode,
    modelParameters,
    ...utilityColumns,
  ],
  label: 'code', searchable: ['code', 'name', 'dma'],
  rules: [ascending('level_m', 'ground_level_m', 'Nút ngầm không cao hơn mặt đất', 'A buried node is not above the ground', 'warning')],
  style: { circle: '#2f7fc1', circleRadius: 2.5, visible: false, labelFrom: 18 },
  zoom: { min: 14, max: 18 },
  sources: [
    { source: 'osm', when: { emergency: 'fire_hydrant' }, columns: { kind: '=hydrant', code: 'ref', managing_unit: 'operator' } },
    // WNTR's demands are in m³/s; those of an EPANET file are in its own flow unit, here L/s.
    { source: 'wntr', when: { base_demand: '*', demand_pattern: '*' }, columns: { code: 'name', level_m: 'elevation', demand_lps: 'base_demand*1000', kind: '=junction' } },
    { source: 'epanet', columns: { code: ['id', 'ID', 'NAME', 'name'], level_m: ['elevation', 'ELEVATION'], demand_lps: 'DEMAND', kind: '=junction' } },
  ],
  classification: 'open', licence: 'CC-BY-4.0',
  owner: CONSTRUCTION_OWNER, updateFrequency: 'irregular', keywords: keywords(['cấp nước', 'water supply'], ['van', 'valve'], ['trụ cứu hỏa', 'hydrant']),
}
