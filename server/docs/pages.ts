/** Which pages there are, and where their text lies: `docs/{language}/{page}.md`. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Language } from '../ogc/common/media.js'

/** In the order in which people read them. */
export const PAGES = ['index', 'start', 'viewer', 'import', 'export', 'static', 'sources', 'layers', 'quality', 'rights', 'services', 'arcgis', 'coverages', 'editing', 'history', 'feed', 'federation', 'flood', 'processes', 'cli', 'operations', 'problems'] as const
export type PageName = (typeof PAGES)[number]

export const isPage = (name: string): name is PageName => (PAGES as readonly string[]).includes(name)

export const NAMES: Readonly<Record<PageName, Readonly<Record<Language, string>>>> = {
  index: { vi: 'Giới thiệu', en: 'Introduction' },
  start: { vi: 'Khởi động', en: 'Starting' },
  viewer: { vi: 'Bản đồ 3D', en: 'The viewer' },
  import: { vi: 'Nạp dữ liệu', en: 'Loading data' },
  sources: { vi: 'Nguồn dữ liệu', en: 'Sources' },
  export: { vi: 'Xuất dữ liệu', en: 'Taking data out' },
  static: { vi: 'Thành phố thành tệp', en: 'The city as files' },
  layers: { vi: 'Các lớp', en: 'Layers' },
  quality: { vi: 'Chất lượng dữ liệu', en: 'Data quality' },
  rights: { vi: 'Dữ liệu cá nhân và quyền', en: 'Personal data and rights' },
  services: { vi: 'Dịch vụ', en: 'Services' },
  coverages: { vi: 'Giá trị tại chỗ', en: 'Values at places' },
  arcgis: { vi: 'ArcGIS', en: 'ArcGIS' },
  editing: { vi: 'Chỉnh sửa', en: 'Editing' },
  history: { vi: 'Lịch sử và nhánh', en: 'History and branches' },
  feed: { vi: 'Thay đổi, sự kiện, webhook', en: 'Changes, events, webhooks' },
  federation: { vi: 'Liên kết máy chủ', en: 'Federation' },
  flood: { vi: 'Mô phỏng ngập', en: 'Floods' },
  processes: { vi: 'Quy trình', en: 'Processes' },
  cli: { vi: 'Dòng lệnh', en: 'Command line' },
  operations: { vi: 'Vận hành', en: 'Operations' },
  problems: { vi: 'Lỗi', en: 'Problems' },
}

/** From source, or from dist/. */
const FOLDER = ['../../docs/', '../../../docs/'].map(path => fileURLToPath(new URL(path, import.meta.url))).find(path => existsSync(`${path}vi/index.md`))

export function pageText(language: Language, page: PageName): Promise<string> {
  return readFile(`${FOLDER}${language}/${page}.md`, 'utf8')
}
