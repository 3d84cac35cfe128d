import { ascending, codes, integer, number, relation, text, wardCode } from './columns.js'
import { keywords, CONSTRUCTION_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const PLAN_FUNCTION = codes({
  o_lien_ke: ['Đất ở liên kế', 'Row housing'], o_biet_thu: ['Đất ở biệt thự', 'Villas'], o_chung_cu: ['Đất chung cư', 'Apartments'],
  hon_hop: ['Đất hỗn hợp', 'Mixed use'], tmdv: ['Thương mại – dịch vụ', 'Commerce and services'], du_lich: ['Du lịch, nghỉ dưỡng', 'Tourism and resorts'],
  cong_nghiep: ['Công nghiệp, kho tàng', 'Industry and storage'], giao_duc: ['Giáo dục', 'Education'], y_te: ['Y tế', 'Health'],
  co_quan: ['Cơ quan, trụ sở', 'Offices of the state'], van_hoa: ['Văn hóa, thể thao', 'Culture and sports'], cay_xanh: ['Cây xanh, công viên', 'Parks and greenery'],
  mat_nuoc: ['Mặt nước', 'Water surface'], ha_tang: ['Hạ tầng kỹ thuật', 'Technical infrastructure'], giao_thong: ['Giao thông', 'Transport'],
  ton_giao: ['Tôn giáo, tín ngưỡng', 'Religion and worship'], nong_nghiep: ['Nông nghiệp', 'Agriculture'],
})
const HOUSING = ['o_lien_ke', 'o_biet_thu']

/**
 * Largest net building density of a housing lot by its area, %: linear between the table's points.
 * Source: QCVN 01:2021/BXD, table of net density for housing, in force from 2021-07-05.
 */
export function maxHousingDensity(areaM2: number): number {
  const table = [[90, 100], [100, 90], [200, 70], [300, 60], [500, 50], [1000, 40]] as const
  if (areaM2 <= 90) return 100
  for (let i = 1; i < table.length; i++) {
    const [a0, d0] = table[i - 1]!, [a1, d1] = table[i]!
    if (areaM2 <= a1) return d0 + ((d1 - d0) * (areaM2 - a0)) / (a1 - a0)
  }
  return 40
}

export const planLots: Layer = {
  id: 'plan_lots',
  title: { vi: 'Ô đất quy hoạch', en: 'Plan lots' },
  description: {
    vi: 'Ô đất của đồ án quy hoạch với chức năng và chỉ tiêu. Giá trị tham khảo.',
    en: 'Lots of a plan with their function and indicators. For reference only.',
  },
  group: 'planning', kind: 'city', geometry: 'polygon', surveyed: { srid: 5899 },
  columns: [
    text('plan_code', 'Mã đồ án', 'Plan code', { maxLength: 60, references: { collection: 'plans', by: 'plan_code' } }),
    text('ky_hieu_lo', 'Ký hiệu ô đất', 'Lot symbol', { required: true, maxLength: 40, inTiles: true }),
    text('chuc_nang', 'Chức năng', 'Function', { codes: PLAN_FUNCTION, inTiles: true }),
    number('dien_tich_m2', 'Diện tích', 'Area', { unit: 'm²', min: 0 }),
    number('mdxd', 'Mật độ xây dựng thuần', 'Net building density', { unit: '%', min: 0, max: 100, inTiles: true }),
    number('mdxd_gop', 'Mật độ xây dựng gộp', 'Gross building density', { unit: '%', min: 0, max: 100 }),
    number('he_so_sdd', 'Hệ số sử dụng đất', 'Floor-area ratio', { min: 0, max: 25 }),
    integer('tang_cao_min', 'Tầng cao tối thiểu', 'Fewest storeys', { min: 0, max: 200 }),
    integer('tang_cao_max', 'Tầng cao tối đa', 'Most storeys', { min: 0, max: 200, inTiles: true }),
    number('chieu_cao_max_m', 'Chiều cao tối đa', 'Greatest height', { unit: 'm', min: 0, max: 800 }),
    integer('tang_ham', 'Số tầng hầm', 'Basement storeys', { min: 0, max: 12 }),
    number('khoang_lui_truoc_m', 'Khoảng lùi trước', 'Front setback', { unit: 'm', min: 0, max: 200 }),
    number('khoang_lui_ben_m', 'Khoảng lùi bên', 'Side setback', { unit: 'm', min: 0, max: 200 }),
    number('khoang_lui_sau_m', 'Khoảng lùi sau', 'Rear setback', { unit: 'm', min: 0, max: 200 }),
    integer('dan_so', 'Dân số quy hoạch', 'Planned population', { min: 0 }),
    number('cao_do_nen_m', 'Cao độ nền', 'Ground level', { unit: 'm', min: -5, max: 2000, description: { vi: 'Cao độ nền xây dựng khống chế, hệ Hòn Dấu.', en: 'Required formation level above Hon Dau.' } }),
    wardCode,
  ],
  label: 'ky_hieu_lo', searchable: ['ky_hieu_lo', 'plan_code'],
  rules: [
    ascending('tang_cao_min', 'tang_cao_max', 'Tầng cao tối thiểu không lớn hơn tối đa', 'Fewest storeys do not exceed most storeys'),
    relation('density_and_ratio', ['mdxd', 'he_so_sdd', 'tang_cao_max'], (density, ratio, storeys) => ratio <= (density / 100) * storeys + 0.05,
      'Hệ số sử dụng đất không vượt mật độ × tầng cao', 'Floor-area ratio is at most density × storeys'),
    relation('height_fits_storeys', ['chieu_cao_max_m', 'tang_cao_max'], (height, storeys) => storeys === 0 || height / storeys >= 2.2,
      'Chiều cao tối đa đủ cho số tầng', 'The height is enough for the storeys', 'warning'),
    {
      id: 'qcvn_housing_density', severity: 'warning', title: { vi: 'Mật độ thuần đất ở theo QCVN 01:2021/BXD', en: 'Net housing density after QCVN 01:2021/BXD' },
      // The standard's table is for a single house plot; a lot of row houses is read at the smallest plot.
      reads: ['chuc_nang', 'mdxd', 'dien_tich_m2'],
      holds: row => !HOUSING.includes(String(row.chuc_nang)) || typeof row.mdxd !== 'number' || typeof row.dien_tich_m2 !== 'number'
        || row.chuc_nang === 'o_lien_ke' || row.mdxd <= Math.max(60, maxHousingDensity(row.dien_tich_m2)),
    },
  ],
  style: {
    fill: {
      by: 'chuc_nang', other: '#e9e4da',
      categories: {
        o_lien_ke: '#f2dfae', o_biet_thu: '#f6ebc6', o_chung_cu: '#e8c27a', hon_hop: '#dfa98c', tmdv: '#cf8a86', du_lich: '#e3b6c4', cong_nghiep: '#b9aec4',
        giao_duc: '#a8c2dc', y_te: '#d9a7a7', co_quan: '#b5bcd0', van_hoa: '#c7b7dd', cay_xanh: '#a5c68b', mat_nuoc: '#9cc3cc', ha_tang: '#c2c2bd',
        giao_thong: '#efece6', ton_giao: '#d3c39d', nong_nghiep: '#d5deb5',
      },
    },
    line: '#8d8577', lineWidth: 0.8, opacity: 0.6, labelFrom: 16, visible: false,
  },
  zoom: { min: 12, max: 17 }, importance: 'area',
  sources: [{ source: 'planning-vn', columns: { ky_hieu_lo: ['KyHieu', 'KYHIEU', 'ky_hieu_lo'], chuc_nang: ['ChucNang', 'CHUCNANG'], mdxd: ['MDXD', 'MatDoXD'], he_so_sdd: ['HSSDD', 'HeSoSDD'], tang_cao_max: ['TangCao', 'TANGCAO'], dien_tich_m2: ['DienTich', 'DIENTICH'] } }],
  classification: 'open', licence: 'CC-BY-4.0',
  owner: CONSTRUCTION_OWNER, updateFrequency: 'irregular', keywords: keywords(['quy hoạch', 'urban planning'], ['chức năng sử dụng đất', 'land use'], ['mật độ', 'density']),
}
