import { assetCode, codes, number, text, utilityColumns, wardCode } from './columns.js'
import { keywords, TELECOM_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const telecomNodes: Layer = {
  id: 'telecom_nodes',
  title: { vi: 'Bể cáp, tủ viễn thông', en: 'Telecom chambers and cabinets' },
  description: { vi: 'Tổng đài, tủ cáp, bể cáp.', en: 'Exchanges, cabinets and chambers.' },
  group: 'utilities', kind: 'city', geometry: 'point', threeD: { form: 'instance', level: 'bottom_level_m' },
  columns: [
    assetCode,
    text('name', 'Tên', 'Name', { maxLength: 200, inTiles: true }),
    text('kind', 'Loại', 'Kind', { inTiles: true, codes: codes({ exchange: ['Tổng đài', 'Exchange'], cabinet: ['Tủ cáp', 'Cabinet'], chamber: ['Bể cáp', 'Chamber'] }) }),
    number('ground_level_m', 'Cao độ mặt đất', 'Ground level', { unit: 'm', min: -60, max: 3500 }),
    number('bottom_level_m', 'Cao độ đáy', 'Bottom level', { unit: 'm', min: -60, max: 3500, inTiles: true }),
    text('power_node', 'Cấp điện từ', 'Powered by', { maxLength: 60 }),
    wardCode,
    ...utilityColumns,
  ],
  label: 'code', searchable: ['name', 'code'],
  style: { circle: '#7a5ea8', circleRadius: 2.2, visible: false },
  zoom: { min: 15, max: 18 },
  sources: [{ source: 'osm', when: { telecom: ['exchange', 'data_center', 'connection_point'] }, columns: { name: 'name', kind: 'telecom', code: 'ref', managing_unit: 'operator' }, values: { kind: { exchange: 'exchange', '*': 'cabinet' } } }],
  classification: 'open', licence: 'CC-BY-4.0',
  owner: TELECOM_OWNER, updateFrequency: 'irregular', keywords: keywords(['tủ cáp', 'cabinet'], ['viễn thông', 'telecommunications']),
}
