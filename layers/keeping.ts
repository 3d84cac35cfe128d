/**
 * Who usually keeps which layers in a Vietnamese city since the departments were merged in 2025. A city whose offices
 * differ says so in its catalogue (PATCH /ogc/collections/{layer}/metadata); no contacts stand here, since they are the city's own.
 */
import type { Localized } from './layer.js'

export const LAND_OWNER: Localized = { vi: 'Văn phòng Đăng ký đất đai', en: 'Land registration office' }
export const FARMING_OWNER: Localized = { vi: 'Sở Nông nghiệp và Môi trường', en: 'Department of Agriculture and Environment' }
export const CONSTRUCTION_OWNER: Localized = { vi: 'Sở Xây dựng', en: 'Department of Construction' }
export const HOME_OWNER: Localized = { vi: 'Sở Nội vụ', en: 'Department of Home Affairs' }
export const POWER_OWNER: Localized = { vi: 'Sở Công Thương', en: 'Department of Industry and Trade' }
export const TELECOM_OWNER: Localized = { vi: 'Sở Khoa học và Công nghệ', en: 'Department of Science and Technology' }
/** Whoever runs this server: what it computes by itself. */
export const OFFICE_OWNER: Localized = { vi: 'Đơn vị vận hành bản sao số', en: 'Operator of the digital twin' }

export const keywords = (...pairs: readonly (readonly [vi: string, en: string])[]): readonly Localized[] => pairs.map(([vi, en]) => ({ vi, en }))
