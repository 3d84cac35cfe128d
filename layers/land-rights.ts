import { parcelKey } from './certificates.js'
import { ascending, codes, date, number, text, wardCode } from './columns.js'
import { keywords, LAND_OWNER } from './keeping.js'
import type { Layer } from './layer.js'
import { personalDataColumns } from './personal.js'

export const landRights: Layer = {
  id: 'land_rights',
  title: { vi: 'Chủ sử dụng đất và quyền', en: 'Land rights and their holders' },
  description: {
    vi: 'Mỗi quyền của một người hay tổ chức trên thửa đất: sử dụng, đồng sử dụng, thế chấp. Dữ liệu cá nhân; mỗi lần đọc được ghi nhật ký.',
    en: 'Each right of a person or organisation in a parcel: use, shared use, mortgage. Personal data; every reading is logged.',
  },
  group: 'land', kind: 'city', geometry: 'point',
  columns: [
    parcelKey,
    text('so_gcn', 'Số giấy chứng nhận', 'Certificate number', { maxLength: 60 }),
    text('loai_quyen', 'Loại quyền', 'Kind of right', { required: true, codes: codes({ su_dung: ['Quyền sử dụng đất', 'Use'], dong_su_dung: ['Đồng sử dụng', 'Shared use'], so_huu_nha: ['Sở hữu nhà, tài sản', 'Ownership of buildings'], the_chap: ['Thế chấp', 'Mortgage'], cho_thue: ['Cho thuê', 'Lease'] }) }),
    text('loai_chu', 'Loại chủ thể', 'Kind of holder', { required: true, codes: codes({ ca_nhan: ['Cá nhân', 'Person'], ho_gia_dinh: ['Hộ gia đình', 'Household'], to_chuc: ['Tổ chức', 'Organisation'] }) }),
    text('ten_chu', 'Tên chủ thể', 'Name of the holder', { required: true, maxLength: 200 }),
    text('so_dinh_danh', 'Số định danh', 'Identity number', { maxLength: 40 }),
    text('dia_chi_chu', 'Địa chỉ chủ thể', 'Address of the holder', { maxLength: 300 }),
    number('ty_le', 'Phần quyền', 'Share', { unit: '%', min: 0, max: 100 }),
    date('tu_ngay', 'Từ ngày', 'From'),
    date('den_ngay', 'Đến ngày', 'Until'),
    wardCode,
    ...personalDataColumns,
  ],
  label: 'ten_chu',
  rules: [
    ascending('tu_ngay', 'den_ngay', 'Quyền không kết thúc trước khi bắt đầu', 'A right does not end before it begins'),
    ascending('tu_ngay', 'luu_den', 'Hạn lưu không trước ngày bắt đầu', 'The end of keeping is not before the beginning', 'warning'),
  ],
  style: { circle: '#7a5c3a', circleRadius: 3, visible: false },
  zoom: { min: 16, max: 18 },
  classification: 'restricted', licence: 'internal',
  owner: LAND_OWNER, updateFrequency: 'continual', keywords: keywords(['chủ sử dụng', 'right holder'], ['quyền sử dụng đất', 'land-use right']),
}
