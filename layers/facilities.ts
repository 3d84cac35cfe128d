import { codes, integer, number, text, wardCode } from './columns.js'
import { keywords, HOME_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const FACILITY_KIND = codes({
  hospital: ['Bệnh viện', 'Hospital'], clinic: ['Trạm y tế', 'Clinic'], school: ['Trường học', 'School'], kindergarten: ['Trường mầm non', 'Kindergarten'],
  university: ['Đại học', 'University'], market: ['Chợ', 'Market'], fire_station: ['Phòng cháy, chữa cháy', 'Fire station'], police: ['Công an', 'Police'],
  government: ['Cơ quan hành chính', 'Government office'], culture: ['Văn hóa', 'Culture'], religious: ['Tôn giáo', 'Religious'], sports: ['Thể thao', 'Sports'],
  park: ['Công viên', 'Park'], station: ['Nhà ga, bến xe', 'Station'], airport: ['Sân bay', 'Airport'], port: ['Cảng', 'Port'], fuel: ['Xăng dầu', 'Fuel'],
  treatment: ['Xử lý nước thải', 'Wastewater treatment'], other: ['Khác', 'Other'],
})

export const facilities: Layer = {
  id: 'facilities',
  title: { vi: 'Công trình công cộng', en: 'Facilities' },
  description: { vi: 'Bệnh viện, trường học, chợ, công an, cứu hỏa và các điểm phục vụ khác.', en: 'Hospitals, schools, markets, police, fire and other services.' },
  group: 'services', kind: 'city', geometry: 'point',
  columns: [
    text('code', 'Mã', 'Code', { maxLength: 60 }),
    text('name', 'Tên', 'Name', { maxLength: 200, inTiles: true }),
    text('kind', 'Loại', 'Kind', { required: true, codes: FACILITY_KIND, inTiles: true }),
    integer('capacity', 'Sức chứa', 'Capacity', { min: 0, inTiles: true, description: { vi: 'Giường bệnh, học sinh hoặc người.', en: 'Beds, pupils or people.' } }),
    integer('storeys', 'Số tầng', 'Storeys', { min: 0, max: 200 }),
    number('floor_level_m', 'Cao độ sàn', 'Floor level', { unit: 'm', min: -20, max: 3000 }),
    number('backup_power_h', 'Máy phát dự phòng', 'Backup power', { unit: 'h', min: 0 }),
    text('power_node', 'Cấp điện từ', 'Powered by', { maxLength: 60, classification: 'internal' }),
    text('building_code', 'Mã công trình', 'Building code', { maxLength: 60, references: { collection: 'buildings', by: 'code' } }),
    text('address', 'Địa chỉ', 'Address', { maxLength: 300 }),
    text('phone', 'Điện thoại', 'Telephone', { maxLength: 60 }),
    wardCode,
  ],
  label: 'name', searchable: ['name', 'address', 'code'],
  style: { circle: { by: 'kind', other: '#8d8577', categories: { hospital: '#b5484d', clinic: '#c97a7d', school: '#4b7fa8', kindergarten: '#7da3c2', university: '#3c688d', market: '#b7791f', fire_station: '#c0562f', police: '#4d5d8a', government: '#5c6475', park: '#5f8d4e' } }, circleRadius: 4, labelFrom: 15 },
  zoom: { min: 12, max: 18 }, importance: 'capacity',
  sources: [
    { source: 'osm', when: { amenity: ['hospital', 'clinic', 'school', 'kindergarten', 'university', 'college', 'marketplace', 'fire_station', 'police', 'townhall', 'place_of_worship', 'bus_station', 'fuel'] }, columns: { name: ['name:vi', 'name'], kind: 'amenity', capacity: ['beds', 'capacity'], phone: 'phone', address: ['addr:full', 'addr:street'] }, values: { kind: { hospital: 'hospital', clinic: 'clinic', school: 'school', kindergarten: 'kindergarten', university: 'university', college: 'university', marketplace: 'market', fire_station: 'fire_station', police: 'police', townhall: 'government', place_of_worship: 'religious', bus_station: 'station', fuel: 'fuel', '*': 'other' } } },
    { source: 'osm', when: { leisure: ['park', 'sports_centre', 'stadium'] }, columns: { name: ['name:vi', 'name'], kind: 'leisure' }, values: { kind: { park: 'park', '*': 'sports' } } },
    { source: 'dc', when: { ADULT_MEDICAL: '*' }, columns: { code: 'GIS_ID', name: 'NAME', kind: '=hospital', address: 'ADDRESS' } },
    { source: 'dc', when: { FACUSE: '*' }, columns: { code: 'GIS_ID', name: 'NAME', kind: '=school', capacity: 'TOTAL_STUD', address: 'ADDRESS', phone: 'PHONE' } },
    { source: 'dc', when: { BATTALION: '*' }, columns: { code: 'GIS_ID', name: 'NAME', kind: '=fire_station', address: 'ADDRESS', phone: 'PHONE' } },
    { source: 'dc', when: { USE_TYPE: '*' }, columns: { code: 'PROPID', name: 'NAME', kind: '=park', address: 'ADDRESS' } },
  ],
  classification: 'open', licence: 'CC-BY-4.0',
  owner: HOME_OWNER, updateFrequency: 'irregular', keywords: keywords(['trường học', 'school'], ['bệnh viện', 'hospital'], ['công sở', 'public office']),
}
