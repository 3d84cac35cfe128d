import { assetCode, codes, number, text, wardCode } from './columns.js'
import { keywords, TELECOM_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const cameras: Layer = {
  id: 'cameras',
  title: { vi: 'Camera', en: 'Cameras' },
  description: { vi: 'Camera giao thông và an ninh công cộng. Địa chỉ luồng hình chỉ dùng nội bộ.', en: 'Traffic and public-space cameras. Stream addresses are internal.' },
  group: 'monitoring', kind: 'city', geometry: 'point', threeD: { form: 'instance', tall: 'mount_height_m', turn: 'bearing_deg' },
  columns: [
    assetCode,
    text('name', 'Vị trí', 'Place', { maxLength: 200, inTiles: true }),
    text('kind', 'Loại', 'Kind', { codes: codes({ traffic: ['Giao thông', 'Traffic'], security: ['An ninh', 'Security'], flood: ['Giám sát ngập', 'Flood'] }), inTiles: true }),
    number('bearing_deg', 'Hướng nhìn', 'Bearing', { unit: '°', min: 0, max: 360 }),
    number('mount_height_m', 'Chiều cao lắp đặt', 'Mounting height', { unit: 'm', min: 0, max: 400 }),
    text('state', 'Trạng thái', 'State', { codes: codes({ on: ['Hoạt động', 'On'], off: ['Tắt', 'Off'] }) }),
    text('stream_url', 'Địa chỉ luồng hình', 'Stream address', { maxLength: 500, classification: 'restricted' }),
    text('managing_unit', 'Đơn vị quản lý', 'Managing unit', { maxLength: 200 }),
    wardCode,
  ],
  label: 'name', searchable: ['name', 'code'],
  style: { circle: '#5c6475', circleRadius: 2.5, visible: false },
  zoom: { min: 14, max: 18 },
  sources: [
    { source: 'osm', when: { man_made: 'surveillance' }, columns: { name: ['name', 'description'], kind: '=security', bearing_deg: 'camera:direction', managing_unit: 'operator' } },
    { source: 'dc', when: { CAMERAID: '*' }, columns: { code: ['CAMERAID', 'FACILITYID'], kind: '=traffic' } },
  ],
  classification: 'open', licence: 'CC-BY-4.0',
  owner: TELECOM_OWNER, updateFrequency: 'irregular', keywords: keywords(['camera', 'camera'], ['giám sát', 'surveillance']),
}
