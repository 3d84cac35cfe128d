import { ascending, assetCode, codes, modelParameters, number, relation, text, utilityColumns } from './columns.js'
import { keywords, CONSTRUCTION_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const DRAIN_SYSTEM = codes({ combined: ['Chung', 'Combined'], storm: ['Nước mưa', 'Storm'], foul: ['Nước thải', 'Foul'] })

export const drainPipes: Layer = {
  id: 'drain_pipes',
  title: { vi: 'Cống thoát nước', en: 'Drains' },
  description: {
    vi: 'Tuyến cống thoát nước chung, mưa và thải. Cao độ đáy giảm dần về cửa xả.',
    en: 'Combined, storm and foul drains. Inverts fall towards the outfall.',
  },
  group: 'utilities', kind: 'city', geometry: 'line', threeD: { form: 'tube', diameter: 'diameter_mm', level: 'invert_from_m', levelTo: 'invert_to_m', levelOf: 'invert', cover: 'cover_depth_m' },
  columns: [
    assetCode,
    text('system', 'Hệ thống', 'System', { codes: DRAIN_SYSTEM, inTiles: true }),
    text('section', 'Tiết diện', 'Section', { inTiles: true, codes: codes({ circular: ['Cống tròn D', 'Circular D'], box: ['Cống hộp B×H', 'Box B×H'], channel: ['Mương', 'Open channel'] }) }),
    number('diameter_mm', 'Đường kính (hoặc tương đương)', 'Diameter (or equivalent)', { unit: 'mm', min: 50, max: 8000, inTiles: true }),
    number('width_m', 'Bề rộng B', 'Width B', { unit: 'm', min: 0, max: 60 }),
    number('height_m', 'Chiều cao H', 'Height H', { unit: 'm', min: 0, max: 15 }),
    number('invert_from_m', 'Đáy cống thượng lưu', 'Upstream invert', { unit: 'm', min: -60, max: 3000, inTiles: true }),
    number('invert_to_m', 'Đáy cống hạ lưu', 'Downstream invert', { unit: 'm', min: -60, max: 3000, inTiles: true }),
    number('slope', 'Độ dốc', 'Slope', { unit: 'm/m', min: 0, max: 1 }),
    number('length_m', 'Chiều dài', 'Length', { unit: 'm', min: 0 }),
    number('roughness_n', 'Hệ số nhám Manning', 'Manning n', { min: 0.005, max: 0.2 }),
    number('cover_depth_m', 'Độ sâu chôn cống', 'Cover depth', { unit: 'm', min: 0, max: 40 }),
    text('material', 'Vật liệu', 'Material', { codes: codes({ concrete: ['Bê tông cốt thép', 'Reinforced concrete'], HDPE: ['HDPE', 'HDPE'], uPVC: ['uPVC', 'uPVC'], masonry: ['Đá, gạch xây', 'Masonry'], earth: ['Đất', 'Earth'] }) }),
    text('from_node', 'Nút đầu', 'From node', { maxLength: 60 }),
    text('to_node', 'Nút cuối', 'To node', { maxLength: 60 }),
    modelParameters,
    ...utilityColumns,
  ],
  label: 'code', searchable: ['code'],
  rules: [
    ascending('invert_to_m', 'invert_from_m', 'Đáy cống hạ lưu không cao hơn thượng lưu', 'The downstream invert is not above the upstream one', 'warning'),
    relation('box_has_height', ['width_m', 'height_m'], (width, height) => (width === 0) === (height === 0), 'Cống hộp có đủ B và H', 'A box drain has both B and H'),
    {
      id: 'ends_differ', severity: 'warning', title: { vi: 'Hai nút đầu cuối khác nhau', en: 'The two end nodes differ' },
      reads: ['from_node', 'to_node'],
      holds: row => row.from_node == null || row.from_node !== row.to_node,
    },
  ],
  style: { line: { by: 'system', other: '#2a8c8c', categories: { storm: '#2a8c8c', combined: '#5b7f5a', foul: '#8a5a2b' } }, lineWidth: 1.6, visible: false },
  zoom: { min: 13, max: 18 }, importance: 'diameter_mm',
  sources: [
    { source: 'osm', when: { waterway: ['drain', 'ditch'] }, columns: { section: '=channel', system: '=storm', width_m: 'width', code: 'ref' } },
    { source: 'swmm', columns: { code: ['id', 'name', 'NAME'], from_node: ['from_node', 'FROM_NODE', 'InletNode'], to_node: ['to_node', 'TO_NODE', 'OutletNode'], length_m: ['length', 'LENGTH'], roughness_n: ['roughness', 'ROUGHNESS'], diameter_mm: ['diameter_mm', 'DIAM_MM'] } },
  ],
  classification: 'open', licence: 'CC-BY-4.0',
  owner: CONSTRUCTION_OWNER, updateFrequency: 'irregular', keywords: keywords(['cống thoát nước', 'sewer'], ['thoát nước', 'drainage']),
}
