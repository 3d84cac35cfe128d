import { assetCode, codes, integer, number, text, wardCode } from './columns.js'
import { keywords, CONSTRUCTION_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const trees: Layer = {
  id: 'trees',
  title: { vi: 'Cây xanh', en: 'Trees' },
  description: { vi: 'Cây xanh đường phố và công viên.', en: 'Street and park trees.' },
  group: 'nature', kind: 'city', geometry: 'point', threeD: { form: 'instance' },
  columns: [
    assetCode,
    text('species', 'Loài', 'Species', { maxLength: 120, inTiles: true }),
    text('species_latin', 'Tên khoa học', 'Scientific name', { maxLength: 120 }),
    number('crown_m', 'Đường kính tán', 'Crown diameter', { unit: 'm', min: 0, max: 60, inTiles: true }),
    number('dbh_cm', 'Đường kính thân', 'Trunk diameter', { unit: 'cm', min: 0, max: 1500 }),
    integer('year_planted', 'Năm trồng', 'Year planted', { min: 1000, max: 2100 }),
    text('condition', 'Tình trạng', 'Condition', { codes: codes({ good: ['Tốt', 'Good'], fair: ['Trung bình', 'Fair'], poor: ['Yếu', 'Poor'] }) }),
    text('street', 'Đường', 'Street', { maxLength: 160 }),
    wardCode,
  ],
  label: 'species', searchable: ['species'],
  style: { circle: '#7f9f6a', circleRadius: 2, opacity: 0.9 },
  zoom: { min: 15, max: 18 }, importance: 'crown_m',
  sources: [{ source: 'osm', when: { natural: 'tree' }, columns: { species: ['species:vi', 'species', 'genus'], species_latin: 'species', crown_m: 'diameter_crown', height: 'height', code: 'ref' } }, { source: 'cityjson', when: { type: 'SolitaryVegetationObject' }, columns: { species: 'species', crown_m: 'crownDiameter', height: 'height' } }],
  classification: 'open', licence: 'CC-BY-4.0',
  owner: CONSTRUCTION_OWNER, updateFrequency: 'annual', keywords: keywords(['cây xanh', 'street tree'], ['bóng mát', 'shade']),
}
