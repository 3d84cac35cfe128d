import { ascending, date, integer, json, text } from './columns.js'
import { keywords, HOME_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const districtsFormer: Layer = {
  id: 'districts_former',
  title: { vi: 'Quận, huyện (trước 01/7/2025)', en: 'Former districts' },
  description: {
    vi: 'Cấp quận, huyện đã bỏ từ 01/7/2025; tên còn dùng trong giấy tờ và địa chỉ cũ.',
    en: 'The district level, abolished on 1 July 2025; papers and people still use the names.',
  },
  group: 'administration', kind: 'city', geometry: 'polygon',
  columns: [
    text('code', 'Mã cũ', 'Former code', { required: true, maxLength: 20 }),
    text('name', 'Tên', 'Name', { required: true, maxLength: 120, inTiles: true }),
    text('full_name', 'Tên đầy đủ', 'Full name', { maxLength: 160 }),
    text('province_code', 'Mã tỉnh/thành phố', 'Province code', { maxLength: 10 }),
    integer('population', 'Dân số', 'Population', { min: 0 }),
    date('hieu_luc_tu', 'Hiệu lực từ', 'In force from'),
    date('hieu_luc_den', 'Hiệu lực đến', 'In force until'),
    json('lineage', 'Chuyển thành', 'Became', { list: true, description: { vi: 'Các phường, xã mới và tỷ lệ diện tích: [{name, code, share}].', en: 'The new units and their share of this district’s area: [{name, code, share}].' } }),
  ],
  label: 'name', searchable: ['name', 'full_name', 'code'],
  rules: [ascending('hieu_luc_tu', 'hieu_luc_den', 'Ngày hết hiệu lực không trước ngày hiệu lực', 'The unit does not end before it begins')],
  style: { line: '#b9ad99', lineWidth: 2, opacity: 0.7, labelFrom: 10, visible: false },
  zoom: { min: 5, max: 14 }, importance: 'area',
  sources: [{ source: 'danang-districts', when: { 'wof:placetype': 'county' }, columns: { code: ['meso:local_id', 'wof:id'], name: ['meso:admin_1', 'wof:name'], population: 'wof:population', hieu_luc_den: '=2025-06-30' } }],
  classification: 'open', licence: 'CC-BY-4.0',
  owner: HOME_OWNER, updateFrequency: 'never', keywords: keywords(['quận', 'urban district'], ['huyện', 'rural district'], ['địa giới', 'boundary']),
}
