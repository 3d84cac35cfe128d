import { ascending, codes, date, integer, json, number, text } from './columns.js'
import { keywords, HOME_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const wards: Layer = {
  id: 'wards',
  title: { vi: 'Phường, xã, đặc khu', en: 'Wards and communes' },
  description: {
    vi: 'Đơn vị hành chính cấp xã sau ngày 01/7/2025, kèm quan hệ kế thừa từ các đơn vị cũ.',
    en: 'Ward-level units since 1 July 2025, with their lineage from the former units.',
  },
  group: 'administration', kind: 'city', geometry: 'polygon',
  columns: [
    text('code', 'Mã đơn vị', 'Official code', { required: true, maxLength: 20, inTiles: true }),
    text('name', 'Tên', 'Name', { required: true, maxLength: 120, inTiles: true }),
    text('full_name', 'Tên đầy đủ', 'Full name', { maxLength: 160 }),
    text('name_en', 'Tên tiếng Anh', 'English name', { maxLength: 160, inTiles: true }),
    text('unit_type', 'Loại đơn vị', 'Unit type', {
      inTiles: true,
      codes: codes({ phuong: ['Phường', 'Ward'], xa: ['Xã', 'Commune'], dac_khu: ['Đặc khu', 'Special zone'] }),
    }),
    text('province_code', 'Mã tỉnh/thành phố', 'Province code', { maxLength: 10 }),
    number('area_km2', 'Diện tích công bố', 'Stated area', { unit: 'km²', min: 0, description: { vi: 'Diện tích theo văn bản, có thể khác diện tích đo trên bản đồ.', en: 'As stated in the decision; may differ from the drawn area.' } }),
    integer('population', 'Dân số', 'Population', { min: 0 }),
    date('hieu_luc_tu', 'Hiệu lực từ', 'In force from'),
    date('hieu_luc_den', 'Hiệu lực đến', 'In force until'),
    json('lineage', 'Hình thành từ', 'Formed from', { list: true, description: { vi: 'Danh sách đơn vị cũ và tỷ lệ diện tích: [{name, code, share}].', en: 'Former units with their share of this unit’s area: [{name, code, share}].' } }),
  ],
  // Code and name come with the decision, so that the request has to give them.
  divides: { own: ['code', 'name', 'full_name', 'name_en', 'area_km2', 'population', 'hieu_luc_tu', 'hieu_luc_den', 'lineage'], same: ['province_code'] },
  label: 'name', searchable: ['name', 'full_name', 'code', 'name_en'],
  rules: [
    ascending('hieu_luc_tu', 'hieu_luc_den', 'Ngày hết hiệu lực không trước ngày hiệu lực', 'The unit does not end before it begins'),
    {
      id: 'vietnamese_code', severity: 'warning', title: { vi: 'Mã cấp xã của tỉnh 48 có 5 chữ số', en: 'Ward codes of province 48 have five digits' },
      reads: ['province_code', 'code'],
      holds: row => row.province_code !== '48' || /^\d{5}$/.test(String(row.code)),
    },
  ],
  style: { line: '#9a8f7d', lineWidth: 1.2, opacity: 0.9, labelFrom: 11 },
  zoom: { min: 5, max: 16 }, importance: 'area',
  sources: [
    {
      source: 'danang-wards',
      when: { gisServerId: '*' },
      columns: { code: 'code', name: 'name', full_name: 'fullName', name_en: 'nameEn', area_km2: 'areaKm2', province_code: '=48', hieu_luc_tu: '=2025-07-01' },
      // The file's English name of Hoàng Sa is a foreign one; the Vietnamese name is shown in both languages.
      values: { name_en: { Paracel: 'Hoàng Sa', 'Paracel Special Zone': 'Hoàng Sa Special Zone' } },
    },
    { source: 'osm', when: { boundary: 'administrative' }, columns: { code: ['ref', 'ref:vn', 'admin_level'], name: ['name:vi', 'name'], name_en: 'name:en', population: 'population' } },
    { source: 'dc', when: { WARD_ID: '*' }, columns: { code: 'WARD_ID', name: 'NAME', full_name: 'LABEL' } },
    { source: 'dc', when: { TRACT: '*' }, columns: { code: 'GEOID', name: 'TRACT', population: 'P0010001' } },
    { source: 'dc', when: { CITY_NAME: '*' }, columns: { code: 'STATE_CITY', name: 'CITY_NAME', area_km2: 'AREAKM' } },
  ],
  classification: 'open', licence: 'CC-BY-4.0',
  owner: HOME_OWNER, updateFrequency: 'irregular', keywords: keywords(['phường', 'ward'], ['xã', 'commune'], ['địa giới', 'boundary']),
}
