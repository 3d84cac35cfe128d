import { assetCode, codes, integer, number, relation, text, wardCode } from './columns.js'
import { keywords, CONSTRUCTION_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const pumps: Layer = {
  id: 'pumps',
  title: { vi: 'Trạm bơm chống ngập', en: 'Pump stations' },
  description: { vi: 'Trạm bơm tiêu nước: công suất, cao độ bật tắt, nguồn điện.', en: 'Stormwater pump stations: capacity, start and stop levels, power.' },
  group: 'water', kind: 'city', geometry: 'point', threeD: { form: 'instance', level: 'plinth_level_m' },
  columns: [
    assetCode,
    text('name', 'Tên', 'Name', { maxLength: 200, inTiles: true }),
    number('capacity_m3s', 'Công suất', 'Capacity', { unit: 'm³/s', min: 0, max: 1000, inTiles: true }),
    integer('units', 'Số tổ máy', 'Units', { min: 0, max: 100 }),
    number('start_level_m', 'Mực nước bật bơm', 'Start level', { unit: 'm', min: -60, max: 3000 }),
    number('stop_level_m', 'Mực nước tắt bơm', 'Stop level', { unit: 'm', min: -60, max: 3000 }),
    number('plinth_level_m', 'Cao độ bệ máy', 'Plinth level', { unit: 'm', min: -60, max: 3000 }),
    text('outfall', 'Xả ra', 'Discharges to', { maxLength: 160 }),
    text('drain_node', 'Nút thoát nước', 'Drain node', { maxLength: 60 }),
    text('power_node', 'Cấp điện từ', 'Powered by', { maxLength: 60, classification: 'internal' }),
    number('backup_power_h', 'Máy phát dự phòng', 'Backup power', { unit: 'h', min: 0 }),
    text('state', 'Trạng thái', 'State', { inTiles: true, codes: codes({ working: ['Hoạt động', 'Working'], standby: ['Dự phòng', 'Standby'], broken: ['Hỏng', 'Broken'] }) }),
    text('managing_unit', 'Đơn vị quản lý', 'Managing unit', { maxLength: 200 }),
    wardCode,
  ],
  label: 'name', searchable: ['name', 'code'],
  rules: [relation('stops_below_start', ['stop_level_m', 'start_level_m'], (stop, start) => stop < start, 'Mực tắt thấp hơn mực bật', 'The stop level is below the start level')],
  style: { circle: { by: 'state', other: '#0e6e73', categories: { broken: '#c0392b', standby: '#b7791f' } }, circleRadius: 4.5, labelFrom: 14 },
  zoom: { min: 11, max: 18 }, importance: 'capacity_m3s',
  sources: [{ source: 'osm', when: { man_made: 'pumping_station' }, columns: { name: 'name', code: 'ref', managing_unit: 'operator' } }],
  classification: 'open', licence: 'CC-BY-4.0',
  owner: CONSTRUCTION_OWNER, updateFrequency: 'irregular', keywords: keywords(['trạm bơm', 'pumping station'], ['thoát nước', 'drainage']),
}
