import { ascending, codes, number, text } from './columns.js'
import { keywords, FARMING_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const waterBodies: Layer = {
  id: 'water_bodies',
  title: { vi: 'Mặt nước', en: 'Water bodies' },
  description: { vi: 'Biển, sông, hồ, kênh.', en: 'Sea, rivers, lakes and canals.' },
  group: 'water', kind: 'city', geometry: 'polygon',
  columns: [
    text('name', 'Tên', 'Name', { maxLength: 200, inTiles: true }),
    text('kind', 'Loại', 'Kind', { inTiles: true, codes: codes({ sea: ['Biển', 'Sea'], river: ['Sông', 'River'], lake: ['Hồ', 'Lake'], reservoir: ['Hồ chứa', 'Reservoir'], canal: ['Kênh', 'Canal'], pond: ['Ao', 'Pond'], basin: ['Hồ điều hòa', 'Retention basin'], other: ['Khác', 'Other'] }) }),
    number('water_level_m', 'Mực nước thường', 'Usual water level', { unit: 'm', min: -450, max: 6000, inTiles: true }),
    number('bed_level_m', 'Cao độ đáy', 'Bed level', { unit: 'm', min: -12_000, max: 6000 }),
    text('managing_unit', 'Đơn vị quản lý', 'Managing unit', { maxLength: 200 }),
  ],
  label: 'name', searchable: ['name'],
  rules: [ascending('bed_level_m', 'water_level_m', 'Đáy thấp hơn mặt nước', 'The bed is below the water')],
  style: { fill: '#7fb0b4', line: '#6a9da2', lineWidth: 0.8, labelFrom: 12 },
  zoom: { min: 4, max: 17 }, importance: 'area',
  sources: [
    { source: 'osm', when: { natural: ['water', 'bay'] }, columns: { name: ['name:vi', 'name'], kind: ['water', 'natural'] }, values: { kind: { river: 'river', lake: 'lake', reservoir: 'reservoir', pond: 'pond', canal: 'canal', basin: 'basin', bay: 'sea', '*': 'other' } } },
    { source: 'osm', when: { waterway: ['riverbank', 'dock'] }, columns: { name: ['name:vi', 'name'], kind: '=river' } },
    { source: 'osm', when: { leisure: 'swimming_pool' }, columns: { name: 'name', kind: '=pond' } },
    { source: 'cityjson', when: { type: 'WaterBody' }, columns: { name: ['name', 'class'], kind: '=other' } },
    { source: 'citygml', when: { type: 'WaterBody' }, columns: { name: 'gml:name', kind: '=other' } },
  ],
  classification: 'open', licence: 'CC-BY-4.0',
  owner: FARMING_OWNER, updateFrequency: 'irregular', keywords: keywords(['sông', 'river'], ['hồ', 'lake'], ['thủy văn', 'hydrography']),
}
