import { assetCode, boolean, number, text, utilityColumns } from './columns.js'
import { keywords, POWER_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const powerLines: Layer = {
  id: 'power_lines',
  title: { vi: 'Đường dây, cáp điện', en: 'Power lines' },
  description: { vi: 'Đường dây trên không và cáp ngầm theo cấp điện áp và xuất tuyến.', en: 'Overhead lines and cables by voltage and feeder.' },
  group: 'utilities', kind: 'city', geometry: 'line', threeD: { form: 'tube', level: 'axis_level_m', cover: 'cover_depth_m' },
  columns: [
    assetCode,
    number('voltage_kv', 'Điện áp', 'Voltage', { unit: 'kV', min: 0, max: 1200, inTiles: true }),
    text('feeder', 'Xuất tuyến', 'Feeder', { maxLength: 60, inTiles: true }),
    boolean('underground', 'Đi ngầm', 'Underground', { inTiles: true }),
    number('axis_level_m', 'Cao độ tim', 'Axis level', { unit: 'm', min: -60, max: 3500, inTiles: true }),
    number('cover_depth_m', 'Độ sâu chôn cáp', 'Cover depth', { unit: 'm', min: 0, max: 40 }),
    text('cable', 'Loại dây, cáp', 'Cable', { maxLength: 80 }),
    number('length_m', 'Chiều dài', 'Length', { unit: 'm', min: 0 }),
    text('from_node', 'Nút đầu', 'From node', { maxLength: 60 }),
    text('to_node', 'Nút cuối', 'To node', { maxLength: 60 }),
    ...utilityColumns,
  ],
  label: 'code', searchable: ['code', 'feeder'],
  rules: [{
    id: 'cover_only_underground', severity: 'warning', title: { vi: 'Chỉ cáp ngầm mới có độ sâu chôn', en: 'Only a buried cable has a cover depth' },
    reads: ['underground', 'cover_depth_m'],
    holds: row => row.underground !== false || row.cover_depth_m == null || row.cover_depth_m === 0,
  }],
  style: { line: { by: 'voltage_kv', below: '#e8935c', steps: [[22, '#e0662f'], [110, '#c8401c'], [220, '#9c2a12']] }, lineWidth: 1.4, visible: false },
  zoom: { min: 11, max: 18 }, importance: 'voltage_kv',
  sources: [
    // OSM tags volts.
    { source: 'osm', when: { power: ['line', 'minor_line', 'cable'] }, columns: { underground: 'power', managing_unit: 'operator', code: 'ref', feeder: 'name' }, values: { underground: { cable: true, '*': false } } },
    { source: 'pandapower', columns: { code: ['name', 'index'], from_node: 'from_bus', to_node: 'to_bus', cable: 'std_type', voltage_kv: ['vn_kv', 'voltage_kv'] } },
  ],
  classification: 'open', licence: 'CC-BY-4.0',
  owner: POWER_OWNER, updateFrequency: 'irregular', keywords: keywords(['lưới điện', 'power grid'], ['điện lực', 'electricity']),
}
