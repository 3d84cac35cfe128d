import { codes, date, integer, json, number, relation, text, wardCode } from './columns.js'
import { LAND_USE, LAND_USE_COLOURS } from './land-use.js'
import { keywords, LAND_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const parcels: Layer = {
  id: 'parcels',
  title: { vi: 'Thửa đất', en: 'Land parcels' },
  description: {
    vi: 'Thửa đất theo bản đồ địa chính. Diện tích pháp lý và diện tích đo là hai số khác nhau.',
    en: 'Parcels of the cadastral map. The legal and the measured area are two different numbers.',
  },
  group: 'land', kind: 'city', geometry: 'polygon', surveyed: { srid: 5899 },
  columns: [
    text('parcel_geohash', 'Mã định danh thửa đất', 'Parcel identifier', {
      maxLength: 12, pattern: '^[0-9a-z]{12}$',
      description: { vi: 'Mã 12 ký tự đọc từ nguồn, không tự tính lại.', en: 'Twelve characters, read from the source and never recomputed.' },
    }),
    { ...wardCode, inTiles: true },
    integer('so_to', 'Số tờ bản đồ', 'Sheet number', { min: 1, inTiles: true }),
    integer('so_thua', 'Số thửa', 'Parcel number', { min: 1, inTiles: true }),
    text('so_to_thua_cu', 'Tờ – thửa cũ', 'Former ward, sheet and parcel', { maxLength: 120 }),
    number('dien_tich_phap_ly', 'Diện tích pháp lý', 'Legal area', { unit: 'm²', min: 0 }),
    number('dien_tich_do', 'Diện tích đo', 'Measured area', { unit: 'm²', min: 0 }),
    text('loai_dat', 'Loại đất chính', 'Main land use', { codes: LAND_USE, inTiles: true }),
    text('loai_dat_ghi', 'Loại đất (ghi trên giấy)', 'Land use as written', { maxLength: 60 }),
    json('su_dung_dat', 'Các mục đích sử dụng', 'All land uses', { list: true, description: { vi: '[{code, area_m2, purpose, until}]', en: '[{code, area_m2, purpose, until}]' } }),
    text('dia_chi', 'Địa chỉ thửa đất', 'Address', { maxLength: 300 }),
    text('doi_tuong', 'Loại đối tượng sử dụng', 'Kind of land user', {
      codes: codes({
        ca_nhan: ['Cá nhân, hộ gia đình', 'Person or household'], to_chuc: ['Tổ chức', 'Organisation'],
        nha_nuoc: ['Cơ quan nhà nước', 'State body'], cong_dong: ['Cộng đồng dân cư', 'Community'],
      }),
      classification: 'internal',
    }),
    text('so_gcn', 'Số giấy chứng nhận', 'Certificate number', { maxLength: 60, classification: 'restricted' }),
    date('ngay_do', 'Ngày đo đạc', 'Survey date'),
    number('sai_so_m', 'Sai số vị trí', 'Positional accuracy', { unit: 'm', min: 0 }),
  ],
  divides: {
    own: ['parcel_geohash', 'dien_tich_phap_ly', 'su_dung_dat', 'so_gcn', 'ngay_do', 'sai_so_m'],
    number: { column: 'so_thua', within: ['ward_code', 'so_to'] },
    area: { column: 'dien_tich_do', unit: 'm²' },
    former: { column: 'so_to_thua_cu', of: ['ward_code', 'so_to', 'so_thua'] },
    same: ['ward_code'],
  },
  label: 'so_thua', searchable: ['parcel_geohash', 'so_thua', 'so_to', 'dia_chi', 'so_to_thua_cu'],
  rules: [
    relation('legal_near_measured', ['dien_tich_phap_ly', 'dien_tich_do'], (legal, measured) => Math.abs(legal - measured) <= Math.max(5, 0.1 * measured),
      'Diện tích pháp lý lệch diện tích đo không quá 10 %', 'Legal and measured area differ by at most 10 %', 'warning'),
    {
      id: 'number_needs_sheet', severity: 'warning', title: { vi: 'Thửa có số thì phải có số tờ', en: 'A numbered parcel names its sheet' },
      reads: ['so_thua', 'so_to'],
      holds: row => row.so_thua == null || row.so_to != null,
    },
  ],
  style: { fill: { by: 'loai_dat', categories: LAND_USE_COLOURS as Record<string, string>, other: '#f3eee3' }, line: '#cfc5b4', lineWidth: 0.5, opacity: 0.9, labelFrom: 18 },
  zoom: { min: 10, max: 18 }, importance: 'area',
  sources: [
    { source: 'dc', when: { SSL: '*', LOT: '*' }, columns: { so_to_thua_cu: 'SSL', dien_tich_phap_ly: 'RECORD_AREA_SF*0.09290304', dien_tich_do: 'SHAPEAREA' } },
    { source: 'cadastre-vn', columns: { parcel_geohash: ['parcel_geohash', 'MaDinhDanh'], ward_code: ['MaXa', 'ward_code'], so_to: ['SoTo', 'SHBANDO', 'so_to'], so_thua: ['SoThua', 'SHTHUA', 'so_thua'], dien_tich_phap_ly: ['DienTichPL', 'DTPL'], dien_tich_do: ['DienTich', 'DIENTICH'], loai_dat: ['LoaiDat', 'MDSD', 'KHLOAIDAT'], dia_chi: ['DiaChi', 'DIACHI'], so_gcn: ['SoGCN', 'SOGCN'] } },
  ],
  classification: 'open', licence: 'CC-BY-4.0',
  owner: LAND_OWNER, updateFrequency: 'continual', keywords: keywords(['địa chính', 'cadastre'], ['thửa đất', 'land parcel'], ['tờ bản đồ', 'map sheet']),
}
