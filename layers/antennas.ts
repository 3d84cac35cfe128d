import { assetCode, codes, number, text, wardCode } from './columns.js'
import { keywords, TELECOM_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const antennas: Layer = {
  id: 'antennas',
  title: { vi: 'Trạm anten', en: 'Antennas' },
  description: { vi: 'Trạm thu phát sóng di động và truyền thanh.', en: 'Mobile and broadcast antennas.' },
  group: 'monitoring', kind: 'city', geometry: 'point', threeD: { form: 'instance', tall: 'mast_height_m' },
  columns: [
    assetCode,
    text('operator', 'Nhà mạng', 'Operator', { maxLength: 120, inTiles: true }),
    text('kind', 'Loại', 'Kind', { codes: codes({ rooftop: ['Trên mái', 'Rooftop'], mast: ['Cột tự đứng', 'Mast'], siren: ['Loa, còi báo', 'Siren'] }), inTiles: true }),
    text('technology', 'Công nghệ', 'Technology', { maxLength: 60 }),
    number('mast_height_m', 'Chiều cao cột', 'Mast height', { unit: 'm', min: 0, max: 700 }),
    number('backup_power_h', 'Nguồn dự phòng', 'Backup power', { unit: 'h', min: 0 }),
    text('power_node', 'Cấp điện từ', 'Powered by', { maxLength: 60, classification: 'internal' }),
    wardCode,
  ],
  label: 'code', searchable: ['code', 'operator'],
  style: { circle: '#7a5ea8', circleRadius: 2.5, visible: false },
  zoom: { min: 14, max: 18 },
  sources: [{ source: 'osm', when: { man_made: ['mast', 'antenna', 'communications_tower'] }, columns: { operator: 'operator', kind: '=mast', mast_height_m: 'height', code: 'ref' } }],
  classification: 'open', licence: 'CC-BY-4.0',
  owner: TELECOM_OWNER, updateFrequency: 'irregular', keywords: keywords(['viễn thông', 'telecommunications'], ['trạm BTS', 'base station']),
}
