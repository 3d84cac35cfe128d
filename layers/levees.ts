import { ascending, assetCode, codes, integer, number, text } from './columns.js'
import { keywords, FARMING_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const levees: Layer = {
  id: 'levees',
  title: { vi: 'Đê, kè', en: 'Levees and embankments' },
  description: { vi: 'Tuyến đê, kè, tường chắn với cao trình đỉnh.', en: 'Levees, revetments and flood walls with their crest levels.' },
  group: 'water', kind: 'city', geometry: 'line',
  threeD: { form: 'embankment', base: 'toe_level_m', top: 'crest_level_m', width: 'crest_width_m', walls: { by: 'kind', values: ['wall', 'seawall'] } },
  columns: [
    assetCode,
    text('name', 'Tên', 'Name', { maxLength: 200, inTiles: true }),
    text('kind', 'Loại', 'Kind', { inTiles: true, codes: codes({ levee: ['Đê', 'Levee'], revetment: ['Kè', 'Revetment'], wall: ['Tường chắn', 'Flood wall'], seawall: ['Kè biển', 'Sea wall'] }) }),
    text('grade', 'Cấp', 'Grade', { maxLength: 20 }),
    number('crest_level_m', 'Cao trình đỉnh', 'Crest level', { unit: 'm', min: -20, max: 3000, inTiles: true }),
    number('toe_level_m', 'Cao trình chân', 'Toe level', { unit: 'm', min: -60, max: 3000 }),
    number('crest_width_m', 'Bề rộng đỉnh', 'Crest width', { unit: 'm', min: 0, max: 200 }),
    number('length_m', 'Chiều dài', 'Length', { unit: 'm', min: 0 }),
    text('river', 'Sông, biển', 'Water', { maxLength: 160 }),
    integer('year_built', 'Năm xây dựng', 'Year built', { min: 1000, max: 2100 }),
    text('condition', 'Tình trạng', 'Condition', { codes: codes({ good: ['Tốt', 'Good'], fair: ['Trung bình', 'Fair'], poor: ['Xung yếu', 'Weak'] }) }),
    text('managing_unit', 'Đơn vị quản lý', 'Managing unit', { maxLength: 200 }),
  ],
  label: 'name', searchable: ['name', 'code', 'river'],
  rules: [ascending('toe_level_m', 'crest_level_m', 'Chân thấp hơn đỉnh', 'The toe is below the crest')],
  style: { line: '#9c8b6d', lineWidth: 2, labelFrom: 15 },
  zoom: { min: 11, max: 18 }, importance: 'length',
  sources: [{ source: 'osm', when: { man_made: ['dyke', 'embankment'] }, columns: { name: 'name', kind: '=levee', crest_level_m: 'ele', code: 'ref' } }, { source: 'osm', when: { barrier: 'retaining_wall' }, columns: { name: 'name', kind: '=wall' } }],
  classification: 'open', licence: 'CC-BY-4.0',
  owner: FARMING_OWNER, updateFrequency: 'irregular', keywords: keywords(['đê', 'levee'], ['kè', 'embankment'], ['phòng chống thiên tai', 'disaster prevention']),
}
