import { assetCode, codes, number, text } from './columns.js'
import { keywords, CONSTRUCTION_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const earthworks: Layer = {
  id: 'earthworks',
  title: { vi: 'Đào đắp đất', en: 'Earthworks' },
  description: {
    vi: 'Hố đào, san nền và đắp đất: mặt đất được cắt theo cao độ thiết kế trong ô địa hình và trong lưới tính ngập.',
    en: 'Excavations, levelled ground and fills: the ground is cut to their levels in terrain tiles and in the grid of the flood.',
  },
  group: 'planning', kind: 'city', geometry: 'polygon',
  columns: [
    assetCode,
    text('name', 'Tên', 'Name', { maxLength: 200, inTiles: true }),
    text('kind', 'Loại', 'Kind', { required: true, inTiles: true, codes: codes({ excavation: ['Đào', 'Excavation'], fill: ['Đắp', 'Fill'], grading: ['San nền', 'Levelling'] }) }),
    number('level_m', 'Cao độ thiết kế', 'Finished level', { unit: 'm', min: -100, max: 3000, inTiles: true }),
    number('depth_m', 'Chiều sâu, chiều cao', 'Depth or height', { unit: 'm', min: 0, max: 200, description: { vi: 'Dưới hoặc trên mặt đất hiện trạng, khi không có cao độ thiết kế.', en: 'Below or above the ground as it is, where no finished level is given.' } }),
    number('side_slope', 'Hệ số mái dốc', 'Side slope', { min: 0, max: 20, description: { vi: 'Ngang trên đứng, tính từ mép vào trong; 0 là vách đứng.', en: 'Horizontal per vertical, from the edge inwards; 0 is a vertical wall.' } }),
    text('status', 'Trạng thái', 'Status', { codes: codes({ proposed: ['Đề xuất', 'Proposed'], under_construction: ['Đang thi công', 'Under construction'], done: ['Hoàn thành', 'Done'] }) }),
    text('project', 'Dự án', 'Project', { maxLength: 200 }),
    text('managing_unit', 'Đơn vị quản lý', 'Managing unit', { maxLength: 200 }),
  ],
  label: 'name', searchable: ['name', 'code', 'project'],
  rules: [{
    id: 'level_or_depth', severity: 'warning', title: { vi: 'Có cao độ thiết kế hoặc chiều sâu', en: 'A finished level or a depth is given' },
    reads: ['level_m', 'depth_m'], holds: row => row.level_m !== null || row.depth_m !== null,
  }],
  style: { fill: { by: 'kind', categories: { excavation: '#b98a62', fill: '#cbb58b', grading: '#d3c4a4' }, other: '#c4ab84' }, line: '#8a6a4a', lineWidth: 1.2, opacity: 0.5, labelFrom: 16 },
  zoom: { min: 12, max: 18 }, importance: 'area',
  classification: 'open', licence: 'CC-BY-4.0',
  owner: CONSTRUCTION_OWNER, updateFrequency: 'irregular', keywords: keywords(['san nền', 'land levelling'], ['quy hoạch', 'planning']),
}

/** Layers whose rows shape the ground: terrain tiles change where these do. */
export const GROUND_LAYERS: readonly string[] = ['levees', 'earthworks']
