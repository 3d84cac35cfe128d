import { BUILDING_USE } from './buildings.js'
import { integer, number, text, wardCode } from './columns.js'
import { depthPaint } from './depth.js'
import { keywords, OFFICE_OWNER } from './keeping.js'
import type { Layer } from './layer.js'
import { depthColumns } from './run-columns.js'

export const runBuildings: Layer = {
  id: 'run_buildings',
  title: { vi: 'Công trình bị ngập (mô phỏng)', en: 'Flooded buildings (simulation)' },
  description: { vi: 'Kết quả mô phỏng, không phải dự báo: độ sâu, thời điểm nước đến và thiệt hại của từng công trình.', en: 'Simulation, not a forecast: depth, arrival and damage of each building.' },
  group: 'results', kind: 'run', geometry: 'polygon', threeD: { form: 'extrude' },
  columns: [
    integer('building', 'Công trình', 'Building id', { required: true, inTiles: true, references: { collection: 'buildings' } }),
    text('name', 'Tên', 'Name', { maxLength: 300 }),
    ...depthColumns,
    number('depth_floor_m', 'Độ sâu trên sàn', 'Depth above the floor', { unit: 'm', min: 0, max: 100 }),
    text('use', 'Công năng', 'Use', { codes: BUILDING_USE, inTiles: true }),
    integer('people', 'Số người', 'People', { min: 0, inTiles: true }),
    number('damage', 'Tỷ lệ thiệt hại', 'Damage fraction', { min: 0, max: 1, inTiles: true, description: { vi: 'Phần giá trị bị hỏng theo đường cong JRC châu Á.', en: 'Share of the value lost, after the JRC curves for Asia.' } }),
    number('loss_vnd', 'Thiệt hại ước tính', 'Estimated loss', { unit: 'VND', min: 0 }),
    wardCode,
  ],
  label: 'name', style: { fill: depthPaint, line: '#b9ae9b', lineWidth: 0.5 },
  zoom: { min: 12, max: 18 }, importance: 'depth_max_m',
  classification: 'open', licence: 'CC-BY-4.0',
  owner: OFFICE_OWNER, updateFrequency: 'irregular', keywords: keywords(['ngập', 'flood'], ['thiệt hại', 'damage'], ['mô phỏng', 'simulation']),
}
