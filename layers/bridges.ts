import { ascending, assetCode, codes, integer, number, text } from './columns.js'
import { keywords, CONSTRUCTION_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const bridges: Layer = {
  id: 'bridges',
  title: { vi: 'Cầu', en: 'Bridges' },
  description: { vi: 'Mặt bằng cầu với cao độ mặt cầu và đáy dầm.', en: 'Bridge decks with deck and soffit levels.' },
  group: 'transport', kind: 'city', geometry: 'polygon', threeD: { form: 'extrude', base: 'soffit_level_m', top: 'deck_level_m' },
  columns: [
    assetCode,
    text('name', 'Tên cầu', 'Name', { maxLength: 200, inTiles: true }),
    text('bridge_type', 'Loại cầu', 'Type', { inTiles: true, codes: codes({ beam: ['Cầu dầm', 'Beam'], arch: ['Cầu vòm', 'Arch'], suspension: ['Cầu dây võng', 'Suspension'], cable_stayed: ['Cầu dây văng', 'Cable-stayed'], swing: ['Cầu quay', 'Swing'], other: ['Khác', 'Other'] }) }),
    text('over', 'Vượt qua', 'Crosses', { maxLength: 160 }),
    number('length_m', 'Chiều dài', 'Length', { unit: 'm', min: 0, max: 200_000 }),
    number('width_m', 'Bề rộng', 'Width', { unit: 'm', min: 0, max: 200 }),
    number('deck_level_m', 'Cao độ mặt cầu', 'Deck level', { unit: 'm', min: -20, max: 3000, inTiles: true }),
    number('soffit_level_m', 'Cao độ đáy dầm', 'Soffit level', { unit: 'm', min: -20, max: 3000 }),
    number('clearance_m', 'Tĩnh không thông thuyền', 'Clearance below', { unit: 'm', min: 0, max: 300 }),
    number('load_t', 'Tải trọng', 'Load limit', { unit: 't', min: 0, max: 500 }),
    integer('piers', 'Số trụ', 'Piers', { min: 0 }),
    integer('year_built', 'Năm xây dựng', 'Year built', { min: 1000, max: 2100 }),
    text('condition', 'Tình trạng', 'Condition', { codes: codes({ good: ['Tốt', 'Good'], fair: ['Trung bình', 'Fair'], poor: ['Kém', 'Poor'] }) }),
    text('managing_unit', 'Đơn vị quản lý', 'Managing unit', { maxLength: 200 }),
  ],
  label: 'name', searchable: ['name', 'code'],
  rules: [ascending('soffit_level_m', 'deck_level_m', 'Đáy dầm thấp hơn mặt cầu', 'The soffit is below the deck')],
  style: { fill: '#e4dccd', line: '#b9ae9b', lineWidth: 1, labelFrom: 13 },
  zoom: { min: 11, max: 18 }, importance: 'length_m',
  sources: [
    { source: 'osm', when: { man_made: 'bridge' }, columns: { name: 'name', bridge_type: 'bridge:structure', code: 'ref', year_built: 'start_date' }, values: { bridge_type: { beam: 'beam', arch: 'arch', suspension: 'suspension', 'cable-stayed': 'cable_stayed', '*': 'other' } } },
    { source: 'dc', when: { BRIDGENUMBER: '*' }, columns: { code: 'BRIDGENUMBER', name: ['DESCRIPTION', 'BRIDGENAME'], over: 'OVERROADWAY' } },
    { source: 'cityjson', when: { type: ['Bridge', 'BridgePart'] }, columns: { code: ['gml:id', 'id'], name: 'name', year_built: 'yearOfConstruction' } },
    { source: 'citygml', when: { type: ['Bridge', 'BridgePart'] }, columns: { code: ['gml:id', 'id'], name: 'gml:name', year_built: 'yearOfConstruction' } },
  ],
  classification: 'open', licence: 'CC-BY-4.0',
  owner: CONSTRUCTION_OWNER, updateFrequency: 'irregular', keywords: keywords(['cầu', 'bridge'], ['giao thông', 'transport']),
}
