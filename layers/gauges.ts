import { assetCode, codes, number, relation, text, wardCode } from './columns.js'
import { keywords, FARMING_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const gauges: Layer = {
  id: 'gauges',
  title: { vi: 'Trạm quan trắc', en: 'Gauges' },
  description: {
    vi: 'Trạm đo mưa, mực nước, triều. Số đo nằm ở chuỗi quan trắc, không nằm ở đối tượng.',
    en: 'Rain, stage and tide gauges. Readings are observations, not attributes.',
  },
  group: 'monitoring', kind: 'city', geometry: 'point',
  columns: [
    assetCode,
    text('name', 'Tên trạm', 'Name', { required: true, maxLength: 200, inTiles: true }),
    text('kind', 'Loại', 'Kind', { required: true, codes: codes({ rain: ['Mưa', 'Rain'], stage: ['Mực nước', 'Stage'], tide: ['Triều', 'Tide'], flood: ['Tháp báo ngập', 'Street flood'] }), inTiles: true }),
    text('river', 'Sông, biển', 'Water', { maxLength: 160 }),
    text('series', 'Chuỗi quan trắc', 'Observation series', { maxLength: 120 }),
    number('zero_level_m', 'Cao độ số 0', 'Gauge zero', { unit: 'm', min: -60, max: 3000 }),
    number('alarm_1_m', 'Báo động 1', 'Alarm level 1', { unit: 'm', min: -10, max: 3000 }),
    number('alarm_2_m', 'Báo động 2', 'Alarm level 2', { unit: 'm', min: -10, max: 3000 }),
    number('alarm_3_m', 'Báo động 3', 'Alarm level 3', { unit: 'm', min: -10, max: 3000 }),
    text('managing_unit', 'Đơn vị quản lý', 'Managing unit', { maxLength: 200 }),
    wardCode,
  ],
  label: 'name', searchable: ['name', 'code', 'river'],
  rules: [relation('alarms_ascend', ['alarm_1_m', 'alarm_2_m', 'alarm_3_m'], (one, two, three) => one < two && two < three, 'Mức báo động tăng dần', 'Alarm levels ascend')],
  style: { circle: { by: 'kind', other: '#0e6e73', categories: { rain: '#0072b2', stage: '#0e6e73', tide: '#56b4e9', flood: '#b7791f' } }, circleRadius: 4, labelFrom: 13 },
  zoom: { min: 9, max: 18 },
  sources: [{ source: 'osm', when: { man_made: 'monitoring_station' }, columns: { name: ['name', 'ref', 'man_made'], kind: '=stage', code: 'ref', managing_unit: 'operator' } }],
  classification: 'open', licence: 'CC-BY-4.0',
  owner: FARMING_OWNER, updateFrequency: 'irregular', keywords: keywords(['mực nước', 'water level'], ['mưa', 'rainfall'], ['quan trắc', 'monitoring']),
}
