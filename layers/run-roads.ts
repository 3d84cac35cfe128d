import { boolean, integer, number, text } from './columns.js'
import { depthPaint } from './depth.js'
import { keywords, OFFICE_OWNER } from './keeping.js'
import type { Layer } from './layer.js'
import { ROAD_CLASS } from './roads.js'
import { depthColumns } from './run-columns.js'

export const runRoads: Layer = {
  id: 'run_roads',
  title: { vi: 'Đường bị ngập (mô phỏng)', en: 'Flooded roads (simulation)' },
  description: { vi: 'Kết quả mô phỏng, không phải dự báo: đoạn đường ngập và khả năng đi lại.', en: 'Simulation, not a forecast: flooded segments and whether they can be passed.' },
  group: 'results', kind: 'run', geometry: 'line',
  columns: [
    integer('road', 'Đoạn đường', 'Road id', { required: true, inTiles: true, references: { collection: 'roads' } }),
    text('name', 'Tên đường', 'Name', { maxLength: 300, inTiles: true }),
    text('class', 'Cấp đường', 'Class', { codes: ROAD_CLASS, inTiles: true }),
    ...depthColumns,
    boolean('passable', 'Ô tô đi được', 'Passable by car', { required: true, inTiles: true, description: { vi: 'Độ sâu lớn nhất dưới 0,3 m.', en: 'The greatest depth stays below 0.3 m.' } }),
    number('closed_from_s', 'Tắc từ', 'Closed from', { unit: 's', min: 0, inTiles: true }),
    number('closed_for_s', 'Tắc trong', 'Closed for', { unit: 's', min: 0 }),
    number('length_m', 'Chiều dài', 'Length', { unit: 'm', min: 0 }),
  ],
  label: 'name', style: { line: depthPaint, lineWidth: 3 },
  zoom: { min: 11, max: 18 }, importance: 'depth_max_m',
  classification: 'open', licence: 'CC-BY-4.0',
  owner: OFFICE_OWNER, updateFrequency: 'irregular', keywords: keywords(['ngập', 'flood'], ['giao thông', 'transport'], ['mô phỏng', 'simulation']),
}
