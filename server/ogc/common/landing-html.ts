/** The first page of the services, for people. */
import type { City } from '../../../core/city.js'
import type { Call } from '../../operations/operation.js'
import type { Backdrop } from '../features/backdrop.js'
import { mapSvg } from '../features/map-svg.js'
import { commandLine, html, type Html } from './html.js'
import type { Language } from './media.js'

interface Way { readonly title: readonly [vi: string, en: string]; readonly text: readonly [vi: string, en: string]; readonly href: (call: Call) => string }

const under = (path: string) => ({ base }: Call) => `${base}/ogc${path}`

const WAYS: readonly Way[] = [
  { title: ['Tập dữ liệu', 'Collections'], text: ['Từng lớp của thành phố: xem, lọc, tải về, mở trong GIS.', 'Every layer of the city: look, filter, download, open in a GIS.'], href: under('/collections?f=html') },
  { title: ['Danh mục', 'Catalogue'], text: ['Tìm dữ liệu theo tên, chủ đề, đơn vị, giấy phép.', 'Find data by name, theme, owner and licence.'], href: under('/collections/catalogue/items?f=html') },
  { title: ['Bản đồ 3D', '3D viewer'], text: ['Thành phố trong trình duyệt: nhà, địa hình, ngập.', 'The city in the browser: buildings, terrain, floods.'], href: ({ origin }) => `${origin}/` },
  { title: ['Ô bản đồ', 'Tiles'], text: ['Ô véc-tơ và ô ảnh trong ba lưới.', 'Vector and map tiles in three grids.'], href: under('/tiles?f=html') },
  { title: ['Kiểu hiển thị', 'Styles'], text: ['Kiểu MapLibre của thành phố và từng lớp.', 'MapLibre styles of the city and of each layer.'], href: under('/styles?f=html') },
  { title: ['Quy trình', 'Processes'], text: ['Chạy ngập, tác động, cắt và xuất, kiểm tra.', 'Run floods, impacts, clips, exports and checks.'], href: under('/processes?f=html') },
  { title: ['Công việc', 'Jobs'], text: ['Việc đang chạy và kết quả của chúng.', 'What is running, and what came of it.'], href: under('/jobs?f=html') },
  { title: ['API', 'API'], text: ['Mọi địa chỉ và tham số (OpenAPI 3.0 và 3.1).', 'Every address and parameter (OpenAPI 3.0 and 3.1).'], href: under('/api?f=html') },
  { title: ['Lớp tuân thủ', 'Conformance'], text: ['Những chuẩn OGC mà máy chủ này đáp ứng.', 'The OGC standards that this server keeps.'], href: under('/conformance?f=html') },
  { title: ['Hàm của bộ lọc', 'Functions of filters'], text: ['Dùng trong CQL2, kể cả độ sâu ngập.', 'For CQL2, flood depths among them.'], href: under('/functions?f=html') },
  { title: ['Tài liệu', 'Documentation'], text: ['Hướng dẫn cho người dùng và lập trình viên.', 'Guides for users and developers.'], href: ({ origin }) => `${origin}/docs` },
]

/** Wide enough for the middle of a city, degrees either side of its home. */
const AROUND = 0.03

export function landingHtml(call: Call, { home, sample }: Pick<City, 'home' | 'sample'>, backdrop: Backdrop | undefined, lang: Language): Html {
  const i = lang === 'vi' ? 0 : 1
  const ogc = `${call.base}/ogc`
  return html`<p class="lead">${lang === 'vi' ? 'Thành phố dưới dạng các lớp dữ liệu đồng bộ: đối tượng, ô bản đồ, 3D, địa hình và kịch bản ngập.' : 'The city as synchronised layers: features, tiles, 3D, terrain and flood scenarios.'}
      ${sample ? html`<br><small>${lang === 'vi' ? 'Dữ liệu mẫu, không có thật.' : 'Sample data: none of it is real.'}</small>` : ''}</p>
    ${backdrop ? mapSvg([], [home.lon - AROUND, home.lat - AROUND / 2, home.lon + AROUND, home.lat + AROUND / 2], { lang, backdrops: [backdrop], isFrameHidden: true }) : ''}
    <div class="cards">${WAYS.map(({ title, text, href }) => html`<a class="card" href="${href(call)}"><b>${title[i]}</b><small>${text[i]}</small></a>`)}</div>
    <h2>${lang === 'vi' ? 'Dùng trong GIS' : 'Use it in a GIS'}</h2>
    ${commandLine('QGIS · WFS/OAPIF', ogc)}${commandLine('ArcGIS', `${call.origin}/arcgis/rest/services`)}${commandLine('GDAL', `ogrinfo OAPIF:${ogc}`)}${commandLine('curl', `curl -H 'Accept: application/json' ${ogc}/collections`)}`
}
