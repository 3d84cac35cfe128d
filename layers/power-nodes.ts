import { assetCode, codes, number, text, utilityColumns, wardCode } from './columns.js'
import { keywords, POWER_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const powerNodes: Layer = {
  id: 'power_nodes',
  title: { vi: 'Trạm điện', en: 'Power stations and transformers' },
  description: { vi: 'Trạm biến áp, trạm phân phối, tủ, cột.', en: 'Substations, distribution transformers, cabinets and poles.' },
  group: 'utilities', kind: 'city', geometry: 'point', threeD: { form: 'instance', level: 'pad_level_m' },
  columns: [
    assetCode,
    text('name', 'Tên', 'Name', { maxLength: 200, inTiles: true }),
    text('kind', 'Loại', 'Kind', { inTiles: true, codes: codes({ source: ['Nguồn', 'Grid supply'], substation: ['Trạm biến áp 110/22 kV', 'Substation'], switching: ['Trạm cắt', 'Switching station'], transformer: ['Trạm biến áp phân phối', 'Distribution transformer'], cabinet: ['Tủ điện', 'Cabinet'], pole: ['Cột điện', 'Pole'] }) }),
    number('voltage_kv', 'Điện áp sơ cấp', 'Primary voltage', { unit: 'kV', min: 0, max: 1200, inTiles: true }),
    number('voltage_out_kv', 'Điện áp thứ cấp', 'Secondary voltage', { unit: 'kV', min: 0, max: 1200 }),
    number('rating_kva', 'Công suất', 'Rating', { unit: 'kVA', min: 0 }),
    number('pad_level_m', 'Cao độ đặt thiết bị', 'Pad level', { unit: 'm', min: -60, max: 3500, inTiles: true }),
    text('feeder', 'Xuất tuyến', 'Feeder', { maxLength: 60, inTiles: true }),
    text('fed_by', 'Nhận điện từ', 'Fed by', { maxLength: 60 }),
    number('customers', 'Số khách hàng', 'Customers', { min: 0 }),
    wardCode,
    ...utilityColumns,
  ],
  label: 'name', searchable: ['name', 'code', 'feeder'],
  rules: [{
    id: 'steps_down', severity: 'warning', title: { vi: 'Điện áp thứ cấp không cao hơn sơ cấp', en: 'The secondary voltage is not above the primary' },
    reads: ['voltage_kv', 'voltage_out_kv'],
    holds: row => typeof row.voltage_kv !== 'number' || typeof row.voltage_out_kv !== 'number' || row.voltage_out_kv <= row.voltage_kv,
  }],
  style: { circle: { by: 'kind', other: '#e0662f', categories: { substation: '#9c2a12', source: '#9c2a12', transformer: '#d9561f' } }, circleRadius: 3, visible: false, labelFrom: 17 },
  zoom: { min: 11, max: 18 }, importance: 'rating_kva',
  sources: [
    { source: 'osm', when: { power: ['substation', 'transformer', 'pole', 'tower', 'plant'] }, columns: { name: 'name', kind: 'power', code: 'ref', managing_unit: 'operator' }, values: { kind: { substation: 'substation', transformer: 'transformer', plant: 'source', '*': 'pole' } } },
    { source: 'dc', when: { ELP_CODE: '*' }, columns: { code: 'OBJECTID', name: ['ELP_NAME', 'DESC_'], kind: '=substation' } },
    { source: 'pandapower', columns: { code: ['name', 'index'], voltage_kv: 'vn_kv', kind: '=cabinet' } },
  ],
  classification: 'open', licence: 'CC-BY-4.0',
  owner: POWER_OWNER, updateFrequency: 'irregular', keywords: keywords(['trạm biến áp', 'transformer'], ['điện lực', 'electricity']),
}
