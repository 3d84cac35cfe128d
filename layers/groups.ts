import type { LayerGroup, Localized } from './layer.js'

/** The groups that layers are listed in, in that order. */
export const GROUPS: Readonly<Record<LayerGroup, Localized>> = {
  administration: { vi: 'Hành chính', en: 'Administration' }, land: { vi: 'Đất đai', en: 'Land' }, planning: { vi: 'Quy hoạch', en: 'Planning' },
  buildings: { vi: 'Công trình', en: 'Buildings' }, transport: { vi: 'Giao thông', en: 'Transport' }, water: { vi: 'Sông, biển, đê', en: 'Rivers, sea, levees' },
  utilities: { vi: 'Hạ tầng kỹ thuật', en: 'Utilities' }, services: { vi: 'Dịch vụ công', en: 'Public services' }, monitoring: { vi: 'Quan trắc', en: 'Monitoring' },
  nature: { vi: 'Cây xanh', en: 'Trees' }, results: { vi: 'Kết quả mô phỏng', en: 'Simulation results' }, quality: { vi: 'Chất lượng dữ liệu', en: 'Data quality' }, published: { vi: 'Lớp đã đăng', en: 'Published layers' },
}
