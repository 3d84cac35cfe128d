import { codes, integer, number, text, timestamp, wardCode } from './columns.js'
import { keywords, OFFICE_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const qualityIssues: Layer = {
  id: 'quality_issues',
  title: { vi: 'Lỗi dữ liệu', en: 'Data quality' },
  description: {
    vi: 'Những chỗ dữ liệu vi phạm quy tắc trong một lớp hoặc giữa các lớp. Hình học là chính chỗ sai: phần chồng lấn, đầu hở, khe.',
    en: 'Where the data breaks a rule within a layer or across layers. The geometry is the fault itself: an overlap, a dangling end, a gap.',
  },
  group: 'quality', kind: 'report', geometry: 'any',
  columns: [
    text('rule', 'Quy tắc', 'Rule', { required: true, maxLength: 120, inTiles: true }),
    text('severity', 'Mức độ', 'Severity', { required: true, inTiles: true, codes: codes({ error: ['Lỗi', 'Error'], warning: ['Cảnh báo', 'Warning'] }) }),
    text('layer', 'Lớp', 'Collection', { required: true, maxLength: 60, inTiles: true }),
    integer('feature_id', 'Đối tượng', 'Feature', { required: true, inTiles: true }),
    text('other_layer', 'Lớp liên quan', 'Other collection', { maxLength: 60 }),
    integer('other_id', 'Đối tượng liên quan', 'Other feature'),
    text('message_vi', 'Nội dung', 'Message in Vietnamese', { maxLength: 600, inTiles: true }),
    text('message_en', 'Nội dung (tiếng Anh)', 'Message', { maxLength: 600, inTiles: true }),
    text('suggestion_vi', 'Gợi ý', 'Suggestion in Vietnamese', { maxLength: 600 }),
    text('suggestion_en', 'Gợi ý (tiếng Anh)', 'Suggestion', { maxLength: 600 }),
    number('value', 'Trị số đo được', 'Measured value'),
    number('threshold', 'Ngưỡng', 'Threshold'),
    text('unit', 'Đơn vị', 'Unit', { maxLength: 20 }),
    text('detail', 'Chi tiết', 'Detail', { maxLength: 300 }),
    integer('first_seen', 'Thấy lần đầu ở phiên bản', 'First seen at revision'),
    integer('last_seen', 'Thấy lần cuối ở phiên bản', 'Last seen at revision'),
    text('state', 'Trạng thái', 'State', { required: true, inTiles: true, codes: codes({ open: ['Chưa xử lý', 'Open'], waived: ['Được chấp nhận', 'Waived'] }) }),
    text('waived_by', 'Người chấp nhận', 'Waived by', { maxLength: 200, classification: 'internal' }),
    text('waived_reason', 'Lý do chấp nhận', 'Reason of the waiver', { maxLength: 500, classification: 'internal' }),
    timestamp('waived_at', 'Chấp nhận lúc', 'Waived at'),
    wardCode,
  ],
  label: 'message_vi', searchable: ['feature_id', 'other_id'],
  style: {
    fill: { by: 'severity', other: '#b7791f', categories: { error: '#c0392b', warning: '#b7791f' } },
    line: { by: 'severity', other: '#b7791f', categories: { error: '#c0392b', warning: '#b7791f' } },
    circle: { by: 'severity', other: '#b7791f', categories: { error: '#c0392b', warning: '#b7791f' } },
    lineWidth: 2.4, circleRadius: 4.5, opacity: 0.85, visible: false,
  },
  zoom: { min: 8, max: 18 },
  classification: 'open', licence: 'CC-BY-4.0',
  owner: OFFICE_OWNER, updateFrequency: 'continual', keywords: keywords(['chất lượng dữ liệu', 'data quality'], ['kiểm tra', 'check']),
}
