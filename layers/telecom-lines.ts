import { assetCode, boolean, codes, integer, number, text, utilityColumns } from './columns.js'
import { keywords, TELECOM_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const telecomLines: Layer = {
  id: 'telecom_lines',
  title: { vi: 'Cống bể, cáp viễn thông', en: 'Telecom ducts and cables' },
  description: { vi: 'Tuyến cống bể và cáp quang.', en: 'Duct banks and fibre routes.' },
  group: 'utilities', kind: 'city', geometry: 'line', threeD: { form: 'tube', diameter: 'diameter_mm', level: 'axis_level_m', cover: 'cover_depth_m' },
  columns: [
    assetCode,
    text('kind', 'Loại', 'Kind', { inTiles: true, codes: codes({ duct: ['Cống bể', 'Duct'], fibre: ['Cáp quang', 'Fibre'], copper: ['Cáp đồng', 'Copper'] }) }),
    integer('ducts', 'Số ống', 'Ducts', { min: 0, max: 200 }),
    number('diameter_mm', 'Đường kính ống', 'Duct diameter', { unit: 'mm', min: 5, max: 2000, inTiles: true }),
    boolean('underground', 'Đi ngầm', 'Underground', { inTiles: true }),
    number('axis_level_m', 'Cao độ tim', 'Axis level', { unit: 'm', min: -60, max: 3500, inTiles: true }),
    number('cover_depth_m', 'Độ sâu', 'Cover depth', { unit: 'm', min: 0, max: 40 }),
    number('length_m', 'Chiều dài', 'Length', { unit: 'm', min: 0 }),
    text('from_node', 'Nút đầu', 'From node', { maxLength: 60 }),
    text('to_node', 'Nút cuối', 'To node', { maxLength: 60 }),
    ...utilityColumns,
  ],
  label: 'code', searchable: ['code'],
  style: { line: '#7a5ea8', lineWidth: 1.3, visible: false },
  zoom: { min: 14, max: 18 }, importance: 'length',
  sources: [{ source: 'osm', when: { communication: 'line' }, columns: { kind: '=fibre', managing_unit: 'operator', code: 'ref' } }],
  classification: 'open', licence: 'CC-BY-4.0',
  owner: TELECOM_OWNER, updateFrequency: 'irregular', keywords: keywords(['cáp quang', 'optical fibre'], ['viễn thông', 'telecommunications']),
}
