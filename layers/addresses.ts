import { text, wardCode } from './columns.js'
import { keywords, LAND_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const addresses: Layer = {
  id: 'addresses',
  title: { vi: 'Địa chỉ', en: 'Addresses' },
  description: {
    vi: 'Điểm địa chỉ. Đà Nẵng gọi hẻm là kiệt: K123/45. Tên đường trùng nhau giữa các nơi, nên tra theo phường.',
    en: 'Address points. Đà Nẵng calls a lane “kiệt”: K123/45. Street names repeat, so match by ward.',
  },
  group: 'administration', kind: 'city', geometry: 'point',
  columns: [
    text('full_address', 'Địa chỉ đầy đủ', 'Full address', { required: true, maxLength: 300 }),
    text('so_nha', 'Số nhà', 'House number', { maxLength: 40, inTiles: true }),
    text('kiet', 'Kiệt', 'Lane (kiệt)', { maxLength: 40 }),
    text('hem', 'Hẻm', 'Alley (hẻm)', { maxLength: 40 }),
    text('ngo', 'Ngõ', 'Alley (ngõ)', { maxLength: 40 }),
    text('duong', 'Đường', 'Street', { maxLength: 160 }),
    text('to_dan_pho', 'Tổ dân phố', 'Residential group', { maxLength: 80 }),
    text('thon', 'Thôn', 'Village', { maxLength: 80 }),
    text('toa_nha', 'Tòa nhà', 'Building', { maxLength: 160 }),
    text('tang', 'Tầng', 'Floor', { maxLength: 20 }),
    text('can_ho', 'Căn hộ', 'Unit', { maxLength: 40 }),
    wardCode,
    text('dia_chi_cu', 'Địa chỉ cũ', 'Former address', { maxLength: 300 }),
    text('building_code', 'Mã công trình', 'Building code', { maxLength: 60, references: { collection: 'buildings', by: 'code' } }),
  ],
  label: 'full_address', searchable: ['full_address', 'dia_chi_cu', 'toa_nha'],
  rules: [{
    id: 'number_needs_street', severity: 'warning', title: { vi: 'Số nhà phải kèm đường hoặc thôn', en: 'A house number names its street or village' },
    reads: ['so_nha', 'duong', 'thon'],
    holds: row => row.so_nha == null || Boolean(row.duong ?? row.thon),
  }],
  style: { circle: '#8d8577', circleRadius: 1.5, labelFrom: 18, visible: false },
  zoom: { min: 16, max: 18 },
  sources: [{ source: 'osm', when: { 'addr:housenumber': '*' }, columns: { so_nha: 'addr:housenumber', duong: ['addr:street', 'addr:place'], full_address: ['addr:full', 'addr:housenumber'], toa_nha: ['addr:housename', 'name'], can_ho: 'addr:unit', tang: 'addr:floor' } }],
  classification: 'open', licence: 'CC-BY-4.0',
  owner: LAND_OWNER, updateFrequency: 'continual', keywords: keywords(['số nhà', 'house number'], ['đường', 'street']),
}
