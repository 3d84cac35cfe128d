import { ascending, codes, date, number, text, wardCode } from './columns.js'
import { keywords, LAND_OWNER } from './keeping.js'
import type { Layer } from './layer.js'
import { personalDataColumns } from './personal.js'

/** The words by which a right or a certificate names its parcel. */
export const parcelKey = text('parcel_geohash', 'Mã định danh thửa đất', 'Parcel identifier', { required: true, maxLength: 12, pattern: '^[0-9a-z]{12}$' })

export const certificates: Layer = {
  id: 'certificates',
  title: { vi: 'Giấy chứng nhận', en: 'Land certificates' },
  description: {
    vi: 'Giấy chứng nhận quyền sử dụng đất và tài sản gắn liền với đất. Dữ liệu hạn chế; mỗi lần đọc được ghi nhật ký. Điểm nằm trong thửa.',
    en: 'Certificates of land-use rights and property on land. Restricted; every reading is logged. The point lies in the parcel.',
  },
  group: 'land', kind: 'city', geometry: 'point',
  columns: [
    text('so_gcn', 'Số phát hành', 'Certificate number', { required: true, maxLength: 60 }),
    text('so_vao_so', 'Số vào sổ cấp', 'Register number', { maxLength: 60 }),
    parcelKey,
    date('ngay_cap', 'Ngày cấp', 'Issued on'),
    text('co_quan_cap', 'Cơ quan cấp', 'Authority', { maxLength: 200 }),
    number('dien_tich_m2', 'Diện tích ghi trên giấy', 'Area on the certificate', { unit: 'm²', min: 0 }),
    text('trang_thai', 'Trạng thái', 'State', { codes: codes({ hieu_luc: ['Đang hiệu lực', 'In force'], thu_hoi: ['Đã thu hồi', 'Withdrawn'], thay_the: ['Đã cấp đổi', 'Replaced'] }) }),
    date('ngay_het_hieu_luc', 'Hết hiệu lực ngày', 'Ended on'),
    wardCode,
    ...personalDataColumns,
  ],
  label: 'so_gcn',
  rules: [
    ascending('ngay_cap', 'ngay_het_hieu_luc', 'Ngày hết hiệu lực không trước ngày cấp', 'A certificate does not end before it is issued'),
    ascending('ngay_cap', 'luu_den', 'Hạn lưu không trước ngày cấp', 'The end of keeping is not before the issue', 'warning'),
  ],
  style: { circle: '#8c5a78', circleRadius: 3, visible: false },
  zoom: { min: 16, max: 18 },
  classification: 'restricted', licence: 'internal',
  owner: LAND_OWNER, updateFrequency: 'continual', keywords: keywords(['sổ đỏ', 'land title'], ['quyền sử dụng đất', 'land-use right']),
}
