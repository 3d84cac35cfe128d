import { boolean, integer, number, text, wardCode } from './columns.js'
import { depthPaint } from './depth.js'
import { keywords, OFFICE_OWNER } from './keeping.js'
import type { Layer } from './layer.js'
import { depthColumns } from './run-columns.js'

export const runFacilities: Layer = {
  id: 'run_facilities',
  title: { vi: 'Công trình công cộng bị ảnh hưởng (mô phỏng)', en: 'Facilities hit (simulation)' },
  description: { vi: 'Kết quả mô phỏng, không phải dự báo: bệnh viện, trường học, trạm bơm, trạm điện… bị ngập.', en: 'Simulation, not a forecast: hospitals, schools, pumps, power stations … hit by water.' },
  group: 'results', kind: 'run', geometry: 'point',
  columns: [
    integer('facility', 'Đối tượng', 'Feature id', { required: true, inTiles: true }),
    text('layer', 'Lớp', 'Layer', { maxLength: 60, inTiles: true, description: { vi: 'Lớp chứa đối tượng: facilities, shelters, pumps, power_nodes…', en: 'Where the feature lives: facilities, shelters, pumps, power_nodes …' } }),
    text('name', 'Tên', 'Name', { maxLength: 300, inTiles: true }),
    text('kind', 'Loại', 'Kind', { maxLength: 60, inTiles: true }),
    ...depthColumns,
    boolean('working', 'Còn hoạt động', 'Still working', { inTiles: true }),
    text('cause', 'Nguyên nhân dừng', 'Cause of failure', { maxLength: 60 }),
    integer('people', 'Số người', 'People served or present', { min: 0 }),
    number('damage', 'Tỷ lệ thiệt hại', 'Damage fraction', { min: 0, max: 1 }),
    wardCode,
  ],
  label: 'name', style: { circle: depthPaint, circleRadius: 5, labelFrom: 14 },
  zoom: { min: 10, max: 18 }, importance: 'depth_max_m',
  classification: 'open', licence: 'CC-BY-4.0',
  owner: OFFICE_OWNER, updateFrequency: 'irregular', keywords: keywords(['ngập', 'flood'], ['công trình công cộng', 'public facility'], ['mô phỏng', 'simulation']),
}
