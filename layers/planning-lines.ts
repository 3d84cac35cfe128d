import { codes, number, text } from './columns.js'
import { keywords, CONSTRUCTION_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const planningLines: Layer = {
  id: 'planning_lines',
  title: { vi: 'Chỉ giới và hành lang', en: 'Planning lines' },
  description: {
    vi: 'Chỉ giới đường đỏ, chỉ giới xây dựng và các hành lang bảo vệ.',
    en: 'Red lines, building lines and protection corridors.',
  },
  group: 'planning', kind: 'city', geometry: 'line', surveyed: { srid: 5899 },
  columns: [
    text('line_type', 'Loại chỉ giới', 'Kind of line', {
      required: true, inTiles: true,
      codes: codes({
        chi_gioi_duong_do: ['Chỉ giới đường đỏ', 'Red line'], chi_gioi_xay_dung: ['Chỉ giới xây dựng', 'Building line'],
        hanh_lang_dien: ['Hành lang lưới điện', 'Power corridor'], hanh_lang_song: ['Hành lang bảo vệ sông', 'River corridor'],
        hanh_lang_de: ['Hành lang bảo vệ đê', 'Dyke corridor'], tinh_khong: ['Tĩnh không sân bay', 'Airport clearance'],
      }),
    }),
    text('plan_code', 'Mã đồ án', 'Plan code', { maxLength: 60, references: { collection: 'plans', by: 'plan_code' } }),
    text('road_name', 'Đường', 'Road', { maxLength: 160 }),
    number('lo_gioi_m', 'Lộ giới', 'Width between red lines', { unit: 'm', min: 0, max: 200, inTiles: true }),
    number('khoang_lui_m', 'Khoảng lùi', 'Setback from the red line', { unit: 'm', min: 0, max: 300 }),
    number('max_height_m', 'Cao độ khống chế', 'Limiting level', { unit: 'm', min: 0, max: 1000 }),
    text('so_quyet_dinh', 'Số quyết định', 'Decision number', { maxLength: 80 }),
  ],
  label: 'line_type', searchable: ['road_name', 'plan_code'],
  rules: [{
    id: 'red_line_has_width', severity: 'warning', title: { vi: 'Chỉ giới đường đỏ cần có lộ giới', en: 'A red line states its width' },
    reads: ['line_type', 'lo_gioi_m'],
    holds: row => row.line_type !== 'chi_gioi_duong_do' || typeof row.lo_gioi_m === 'number',
  }],
  style: {
    line: { by: 'line_type', other: '#8d8577', categories: { chi_gioi_duong_do: '#b3262e', chi_gioi_xay_dung: '#b7791f', hanh_lang_dien: '#d55e00', hanh_lang_song: '#0e6e73', hanh_lang_de: '#7a5c3a', tinh_khong: '#6b5fa0' } },
    lineWidth: 1, opacity: 0.9, visible: false,
  },
  zoom: { min: 14, max: 18 }, importance: 'length',
  classification: 'open', licence: 'CC-BY-4.0',
  owner: CONSTRUCTION_OWNER, updateFrequency: 'irregular', keywords: keywords(['quy hoạch', 'urban planning'], ['lộ giới', 'right of way'], ['chỉ giới', 'building line']),
}
