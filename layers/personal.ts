/** What every record of personal data carries, so that it is kept for a reason and no longer than that. */
import { codes, date, text } from './columns.js'
import type { Column } from './layer.js'

/**
 * Purpose, legal basis and retention, as law 91/2025/QH15 on personal data protection (in force from 1 January 2026) asks of
 * who keeps such data. The grounds are those that a land office has.
 */
export const personalDataColumns: readonly Column[] = [
  text('muc_dich', 'Mục đích xử lý', 'Purpose of keeping', { required: true, maxLength: 200 }),
  text('co_so_phap_ly', 'Cơ sở pháp lý', 'Legal basis', {
    required: true,
    codes: codes({
      luat_dat_dai: ['Luật Đất đai 31/2024/QH15', 'Land law 31/2024/QH15'], cong_vu: ['Nhiệm vụ công theo luật', 'Public duty by law'],
      hop_dong: ['Thực hiện hợp đồng', 'Performance of a contract'], dong_y: ['Chủ thể đồng ý', 'Consent of the person'],
    }),
  }),
  date('luu_den', 'Lưu đến ngày', 'Kept until', { required: true, description: { vi: 'Sau ngày này phải xóa hoặc gia hạn có lý do.', en: 'After this day to be erased, or prolonged for a reason.' } }),
]
