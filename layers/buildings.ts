import { assetCode, codes, integer, number, relation, text, wardCode } from './columns.js'
import { keywords, CONSTRUCTION_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const BUILDING_USE = codes({
  residential: ['Nhà ở riêng lẻ', 'House'], apartment: ['Chung cư', 'Apartments'], mixed: ['Nhà ở kết hợp kinh doanh', 'Shop-house'],
  commercial: ['Thương mại', 'Commercial'], office: ['Văn phòng', 'Office'], hotel: ['Khách sạn, nghỉ dưỡng', 'Hotel'],
  industrial: ['Công nghiệp', 'Industrial'], warehouse: ['Kho', 'Warehouse'], school: ['Trường học', 'School'], hospital: ['Y tế', 'Health'],
  public: ['Công sở', 'Public administration'], religious: ['Tôn giáo', 'Religious'], market: ['Chợ', 'Market'], transport: ['Giao thông', 'Transport'],
  utility: ['Hạ tầng kỹ thuật', 'Utility'], agricultural: ['Nông nghiệp', 'Agricultural'], other: ['Khác', 'Other'],
})
export type BuildingUse = keyof typeof BUILDING_USE

const OSM_USE: Readonly<Record<string, BuildingUse>> = {
  house: 'residential', detached: 'residential', residential: 'residential', terrace: 'residential', semidetached_house: 'residential', villa: 'residential', hut: 'residential', bungalow: 'residential',
  apartments: 'apartment', dormitory: 'apartment', commercial: 'commercial', retail: 'commercial', supermarket: 'commercial', kiosk: 'commercial', office: 'office', hotel: 'hotel',
  industrial: 'industrial', manufacture: 'industrial', warehouse: 'warehouse', storage_tank: 'warehouse', school: 'school', university: 'school', kindergarten: 'school', college: 'school',
  hospital: 'hospital', clinic: 'hospital', public: 'public', government: 'public', civic: 'public', church: 'religious', chapel: 'religious', cathedral: 'religious', temple: 'religious', mosque: 'religious', pagoda: 'religious', religious: 'religious',
  train_station: 'transport', transportation: 'transport', garage: 'transport', garages: 'transport', parking: 'transport', transformer_tower: 'utility', service: 'utility', water_tower: 'utility',
  farm: 'agricultural', farm_auxiliary: 'agricultural', barn: 'agricultural', greenhouse: 'agricultural', yes: 'other', '*': 'other',
}

export const buildings: Layer = {
  id: 'buildings',
  title: { vi: 'Công trình', en: 'Buildings' },
  description: {
    vi: 'Công trình xây dựng với chiều cao, số tầng, công năng và cao độ sàn tầng trệt.',
    en: 'Buildings with height, storeys, use and ground-floor level.',
  },
  group: 'buildings', kind: 'city', geometry: 'polygon', threeD: { form: 'extrude', storeys: 'storeys' },
  columns: [
    assetCode,
    text('name', 'Tên', 'Name', { maxLength: 200, inTiles: true }),
    text('use', 'Công năng', 'Use', { codes: BUILDING_USE, inTiles: true }),
    integer('storeys', 'Số tầng', 'Storeys above ground', { min: 0, max: 200, inTiles: true }),
    integer('basement_storeys', 'Số tầng hầm', 'Basement storeys', { min: 0, max: 12 }),
    integer('year_built', 'Năm xây dựng', 'Year built', { min: 1000, max: 2100, inTiles: true }),
    number('ground_floor_level_m', 'Cao độ sàn tầng trệt', 'Ground-floor level', { unit: 'm', min: -20, max: 3000, description: { vi: 'Cao độ mặt sàn tầng trệt, cùng hệ cao độ với thành phố.', en: 'Level of the finished ground floor in the city’s vertical datum.' } }),
    text('structure', 'Kết cấu', 'Structure', {
      codes: codes({ concrete: ['Bê tông cốt thép', 'Reinforced concrete'], masonry: ['Gạch xây', 'Masonry'], steel: ['Thép', 'Steel'], wood: ['Gỗ', 'Wood'], light: ['Tạm, nhẹ', 'Light'] }),
    }),
    text('roof', 'Mái', 'Roof', { codes: codes({ flat: ['Mái bằng', 'Flat'], gabled: ['Mái dốc hai bên', 'Gabled'], hipped: ['Mái dốc bốn bên', 'Hipped'], other: ['Khác', 'Other'] }) }),
    number('floor_area_m2', 'Tổng diện tích sàn', 'Gross floor area', { unit: 'm²', min: 0 }),
    integer('people', 'Số người (ước tính)', 'People (estimate)', { min: 0, inTiles: true, description: { vi: 'Số người thường có mặt ban đêm; ước tính theo diện tích sàn và công năng.', en: 'People usually present at night, estimated from floor area and use.' } }),
    text('address', 'Địa chỉ', 'Address', { maxLength: 300 }),
    wardCode,
    text('parcel_code', 'Thửa đất', 'Parcel', { maxLength: 60 }),
    text('condition', 'Tình trạng', 'Condition', { codes: codes({ good: ['Tốt', 'Good'], fair: ['Trung bình', 'Fair'], poor: ['Xuống cấp', 'Poor'] }) }),
    text('transformer_code', 'Trạm biến áp cấp điện', 'Fed by transformer', { maxLength: 60, classification: 'internal', references: { collection: 'power_nodes', by: 'code' } }),
  ],
  label: 'name', searchable: ['name', 'address', 'code'],
  rules: [
    // `height` is the store's column; it is in the row when rules run.
    relation('height_fits_storeys', ['height', 'storeys'], (height, storeys) => storeys === 0 || (height / storeys >= 2 && height / storeys <= 15),
      'Chiều cao phù hợp số tầng (2–15 m mỗi tầng)', 'Height fits the storeys (2–15 m each)', 'warning'),
    relation('height_possible', ['height'], height => height > 0 && height <= 850, 'Chiều cao trong khoảng 0–850 m', 'Height between 0 and 850 m'),
    relation('floor_near_ground', ['ground_floor_level_m', 'ground_z'], (floor, ground) => floor >= ground - 5 && floor <= ground + 12,
      'Sàn tầng trệt gần mặt đất (−5…+12 m)', 'The ground floor is near the ground (−5…+12 m)', 'warning'),
  ],
  style: { fill: '#ece5d8', line: '#d3cabb', lineWidth: 0.6, labelFrom: 17 },
  zoom: { min: 10, max: 18 }, importance: 'height',
  sources: [
    {
      source: 'osm', when: { building: '*' },
      columns: { name: ['name:vi', 'name'], use: ['building:use', 'building'], storeys: 'building:levels', basement_storeys: 'building:levels:underground', year_built: ['start_date', 'year_of_construction'], roof: 'roof:shape', address: ['addr:full', 'addr:street'], height: ['height', 'building:height'], structure: 'building:material', code: 'ref' },
      values: { use: OSM_USE, roof: { flat: 'flat', gabled: 'gabled', hipped: 'hipped', '*': 'other' }, structure: { brick: 'masonry', stone: 'masonry', concrete: 'concrete', wood: 'wood', steel: 'steel', metal: 'steel', '*': 'masonry' } },
    },
    {
      source: 'cityjson', when: { type: ['Building', 'BuildingPart'] },
      columns: { code: ['identificatie', 'gml:id', 'id'], name: ['name', 'gml:name'], use: ['function', 'class', 'usage'], storeys: ['storeysAboveGround', 'b3_bouwlagen'], basement_storeys: 'storeysBelowGround', year_built: ['yearOfConstruction', 'oorspronkelijkbouwjaar', 'oorspronkelijk_bouwjaar'], height: 'measuredHeight', roof: ['roofType', 'b3_dak_type'] },
      values: { use: { '*': 'other' }, roof: { flat: 'flat', horizontal: 'flat', '*': 'other' } },
    },
    {
      source: 'citygml', when: { type: ['Building', 'BuildingPart'] },
      columns: { code: ['gml:id', 'id'], name: 'gml:name', use: ['function', 'class', 'usage'], storeys: 'storeysAboveGround', basement_storeys: 'storeysBelowGround', year_built: 'yearOfConstruction', height: 'measuredHeight', roof: 'roofType' },
      values: { use: { '*': 'other' }, roof: { flat: 'flat', '1000': 'flat', '*': 'other' } },
    },
  ],
  classification: 'open', licence: 'CC-BY-4.0',
  owner: CONSTRUCTION_OWNER, updateFrequency: 'continual', keywords: keywords(['nhà', 'house'], ['chiều cao', 'height'], ['3D', '3D'], ['số tầng', 'storeys']),
}
