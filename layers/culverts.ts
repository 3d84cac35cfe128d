import { assetCode, boolean, codes, integer, number, text, wardCode } from './columns.js'
import { keywords, FARMING_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const culverts: Layer = {
  id: 'culverts',
  title: { vi: 'Cống qua đường, cống ngăn triều', en: 'Culverts and sluices' },
  description: { vi: 'Cống qua đường, qua đê và cửa cống.', en: 'Culverts under roads and levees, and sluice gates.' },
  group: 'water', kind: 'city', geometry: 'line', threeD: { form: 'tube', diameter: 'diameter_mm', level: 'invert_up_m', levelTo: 'invert_down_m', levelOf: 'invert' },
  columns: [
    assetCode,
    text('name', 'Tên', 'Name', { maxLength: 200, inTiles: true }),
    text('kind', 'Loại', 'Kind', { inTiles: true, codes: codes({ culvert: ['Cống qua đường', 'Culvert'], sluice: ['Cửa cống', 'Sluice'], underpass: ['Hầm chui', 'Underpass'] }) }),
    text('section', 'Tiết diện', 'Section', { codes: codes({ circular: ['Tròn D', 'Circular D'], box: ['Hộp B×H', 'Box B×H'] }) }),
    number('diameter_mm', 'Đường kính (hoặc tương đương)', 'Diameter (or equivalent)', { unit: 'mm', min: 50, max: 20_000, inTiles: true }),
    number('width_m', 'Bề rộng B', 'Width B', { unit: 'm', min: 0, max: 100 }),
    number('height_m', 'Chiều cao H', 'Height H', { unit: 'm', min: 0, max: 20 }),
    integer('barrels', 'Số khoang', 'Barrels', { min: 1, max: 100 }),
    number('invert_up_m', 'Đáy thượng lưu', 'Upstream invert', { unit: 'm', min: -60, max: 3000, inTiles: true }),
    number('invert_down_m', 'Đáy hạ lưu', 'Downstream invert', { unit: 'm', min: -60, max: 3000 }),
    number('length_m', 'Chiều dài', 'Length', { unit: 'm', min: 0 }),
    boolean('flap', 'Có cửa một chiều', 'Has a flap gate'),
    text('state', 'Trạng thái', 'State', { codes: codes({ open: ['Mở', 'Open'], closed: ['Đóng', 'Closed'], blocked: ['Tắc', 'Blocked'] }) }),
    integer('year_built', 'Năm xây dựng', 'Year built', { min: 1000, max: 2100 }),
    text('managing_unit', 'Đơn vị quản lý', 'Managing unit', { maxLength: 200 }),
    wardCode,
  ],
  label: 'name', searchable: ['name', 'code'],
  rules: [{
    id: 'falls', severity: 'warning', title: { vi: 'Đáy hạ lưu không cao hơn thượng lưu', en: 'The downstream invert is not above the upstream one' },
    reads: ['invert_up_m', 'invert_down_m'],
    holds: row => typeof row.invert_up_m !== 'number' || typeof row.invert_down_m !== 'number' || row.invert_down_m <= row.invert_up_m,
  }],
  style: { line: '#2a8c8c', lineWidth: 3, labelFrom: 16 },
  zoom: { min: 13, max: 18 }, importance: 'diameter_mm',
  sources: [{ source: 'osm', when: { tunnel: 'culvert' }, columns: { name: 'name', kind: '=culvert', code: 'ref' } }],
  classification: 'open', licence: 'CC-BY-4.0',
  owner: FARMING_OWNER, updateFrequency: 'irregular', keywords: keywords(['cống', 'culvert'], ['thoát nước', 'drainage']),
}
