import { boolean, codes, integer, number, text, wardCode } from './columns.js'
import { keywords, FARMING_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const shelters: Layer = {
  id: 'shelters',
  title: { vi: 'Nơi trú ẩn, điểm sơ tán', en: 'Shelters' },
  description: { vi: 'Nơi tiếp nhận người sơ tán, sức chứa và cao độ sàn.', en: 'Places that take evacuees, with capacity and floor level.' },
  group: 'services', kind: 'city', geometry: 'point',
  columns: [
    text('code', 'Mã', 'Code', { maxLength: 60 }),
    text('name', 'Tên', 'Name', { required: true, maxLength: 200, inTiles: true }),
    text('kind', 'Loại', 'Kind', { codes: codes({ school: ['Trường học', 'School'], government: ['Trụ sở', 'Government office'], culture: ['Nhà văn hóa', 'Community hall'], religious: ['Cơ sở tôn giáo', 'Religious'], hospital: ['Cơ sở y tế', 'Health'], point: ['Điểm tập kết', 'Assembly point'] }), inTiles: true }),
    integer('capacity', 'Sức chứa', 'Capacity', { min: 0, inTiles: true }),
    integer('safe_storeys', 'Số tầng an toàn', 'Storeys above flood', { min: 0, max: 100 }),
    number('floor_level_m', 'Cao độ sàn', 'Floor level', { unit: 'm', min: -20, max: 3000 }),
    boolean('backup_power', 'Có máy phát', 'Has a generator'),
    boolean('accessible', 'Tiếp cận cho người khuyết tật', 'Step-free'),
    text('address', 'Địa chỉ', 'Address', { maxLength: 300 }),
    text('contact', 'Đầu mối liên hệ', 'Contact', { maxLength: 200, classification: 'internal' }),
    wardCode,
  ],
  label: 'name', searchable: ['name', 'address'],
  style: { circle: '#2f7d4f', circleRadius: 4.5, labelFrom: 14 },
  zoom: { min: 11, max: 18 }, importance: 'capacity',
  sources: [{ source: 'osm', when: { emergency: ['assembly_point', 'shelter'] }, columns: { name: ['name', 'ref', 'emergency'], kind: '=point', capacity: 'capacity' } }],
  classification: 'open', licence: 'CC-BY-4.0',
  owner: FARMING_OWNER, updateFrequency: 'annual', keywords: keywords(['sơ tán', 'evacuation'], ['trú ẩn', 'shelter'], ['phòng chống thiên tai', 'disaster prevention']),
}
