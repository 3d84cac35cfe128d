import { ascending, codes, date, integer, text } from './columns.js'
import { keywords, CONSTRUCTION_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const PLAN_STATE = codes({
  draft: ['Dự thảo', 'Draft'], appraised: ['Đã thẩm định', 'Appraised'], approved: ['Đã phê duyệt', 'Approved'],
  published: ['Đã công bố', 'Published'], adjusted: ['Đã điều chỉnh', 'Adjusted'],
})

export const plans: Layer = {
  id: 'plans',
  title: { vi: 'Đồ án quy hoạch', en: 'Plans' },
  description: {
    vi: 'Ranh giới các đồ án quy hoạch. Các đồ án có thể chồng lên nhau; thông tin có giá trị tham khảo.',
    en: 'Extents of planning documents. Plans may overlap; for reference only.',
  },
  group: 'planning', kind: 'city', geometry: 'polygon',
  columns: [
    text('plan_code', 'Mã đồ án', 'Plan code', { required: true, maxLength: 60 }),
    text('name', 'Tên đồ án', 'Name', { required: true, maxLength: 300, inTiles: true }),
    text('loai_qh', 'Loại quy hoạch', 'Kind of plan', {
      inTiles: true,
      codes: codes({ chung: ['Quy hoạch chung', 'General plan'], phan_khu: ['Quy hoạch phân khu', 'Zoning plan'], chi_tiet: ['Quy hoạch chi tiết', 'Detailed plan'], su_dung_dat: ['Quy hoạch sử dụng đất', 'Land-use plan'] }),
    }),
    integer('ty_le', 'Tỷ lệ 1/', 'Scale 1:', { min: 100, max: 1_000_000, inTiles: true }),
    text('so_quyet_dinh', 'Số quyết định', 'Decision number', { maxLength: 80 }),
    text('co_quan', 'Cơ quan phê duyệt', 'Authority', { maxLength: 200 }),
    date('ngay_quyet_dinh', 'Ngày quyết định', 'Decision date'),
    date('hieu_luc_tu', 'Hiệu lực từ', 'In force from'),
    date('hieu_luc_den', 'Hiệu lực đến', 'In force until'),
    text('trang_thai', 'Trạng thái', 'State', { codes: PLAN_STATE, inTiles: true }),
    text('replaces', 'Thay thế đồ án', 'Replaces plan', { maxLength: 60 }),
    text('decision_file', 'Tệp quyết định', 'Decision file', { maxLength: 300 }),
  ],
  label: 'name', searchable: ['name', 'plan_code', 'so_quyet_dinh'],
  rules: [
    ascending('hieu_luc_tu', 'hieu_luc_den', 'Ngày hết hiệu lực không trước ngày hiệu lực', 'The plan does not end before it begins'),
    {
      id: 'approved_has_decision', severity: 'warning', title: { vi: 'Đồ án đã duyệt phải có số quyết định', en: 'An approved plan names its decision' },
      reads: ['trang_thai', 'so_quyet_dinh'],
      holds: row => !['approved', 'published', 'adjusted'].includes(String(row.trang_thai)) || Boolean(row.so_quyet_dinh),
    },
  ],
  style: { line: '#8c5a78', lineWidth: 1.6, opacity: 0.9, labelFrom: 13, visible: false },
  zoom: { min: 9, max: 16 }, importance: 'area',
  sources: [
    { source: 'dc', when: { PUD_NAME: '*' }, columns: { plan_code: ['PUD_CASE_NUMBER', 'GLOBALID'], name: 'PUD_NAME', so_quyet_dinh: 'PUD_CASE_NUMBER', trang_thai: 'PUD_STATUS', loai_qh: '=chi_tiet' }, values: { trang_thai: { Pending: 'draft', Final: 'approved', Approved: 'approved' } } },
    { source: 'dc', when: { OVERLAY_NAME: '*' }, columns: { plan_code: 'OVERLAY_NAME', name: ['OVERLAY_DESCRIPTION', 'OVERLAY_NAME'], trang_thai: 'OVERLAY_STATUS', loai_qh: '=phan_khu' }, values: { trang_thai: { Final: 'published', Pending: 'draft' } } },
  ],
  classification: 'open', licence: 'CC-BY-4.0',
  owner: CONSTRUCTION_OWNER, updateFrequency: 'irregular', keywords: keywords(['đồ án', 'plan'], ['quy hoạch', 'urban planning']),
}
