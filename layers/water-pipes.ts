import { assetCode, codes, modelParameters, number, text, utilityColumns } from './columns.js'
import { keywords, CONSTRUCTION_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const waterPipes: Layer = {
  id: 'water_pipes',
  title: { vi: 'Ống cấp nước', en: 'Water mains' },
  description: { vi: 'Mạng ống cấp nước, tính được bằng EPANET.', en: 'The supply network, in terms that EPANET can solve.' },
  group: 'utilities', kind: 'city', geometry: 'line', threeD: { form: 'tube', diameter: 'dn_mm', level: 'axis_level_m', cover: 'cover_depth_m' },
  columns: [
    assetCode,
    text('pipe_type', 'Loại ống', 'Type', { inTiles: true, codes: codes({ transmission: ['Truyền tải', 'Transmission main'], distribution: ['Phân phối', 'Distribution main'], service: ['Dịch vụ', 'Service pipe'], pump: ['Bơm', 'Pump'], valve: ['Van', 'Valve'] }) }),
    number('dn_mm', 'Đường kính danh định', 'Nominal diameter', { unit: 'mm', min: 10, max: 4000, inTiles: true }),
    text('material', 'Vật liệu', 'Material', { codes: codes({ DI: ['Gang dẻo', 'Ductile iron'], HDPE: ['HDPE', 'HDPE'], uPVC: ['uPVC', 'uPVC'], steel: ['Thép', 'Steel'], AC: ['Xi măng amiăng', 'Asbestos cement'] }) }),
    number('length_m', 'Chiều dài', 'Length', { unit: 'm', min: 0 }),
    number('roughness_c', 'Hệ số Hazen–Williams', 'Hazen–Williams C', { min: 40, max: 160 }),
    number('axis_level_m', 'Cao độ tim ống', 'Axis level', { unit: 'm', min: -60, max: 3000, inTiles: true }),
    number('cover_depth_m', 'Độ sâu chôn ống', 'Cover depth', { unit: 'm', min: 0, max: 40, inTiles: true }),
    text('dma', 'Vùng DMA', 'District metered area', { maxLength: 40 }),
    text('state', 'Trạng thái', 'State', { codes: codes({ open: ['Mở', 'Open'], closed: ['Đóng', 'Closed'] }) }),
    text('from_node', 'Nút đầu', 'From node', { maxLength: 60 }),
    text('to_node', 'Nút cuối', 'To node', { maxLength: 60 }),
    modelParameters,
    ...utilityColumns,
  ],
  label: 'code', searchable: ['code', 'dma'],
  rules: [{
    id: 'ends_differ', severity: 'warning', title: { vi: 'Hai nút đầu cuối khác nhau', en: 'The two end nodes differ' },
    reads: ['from_node', 'to_node'],
    holds: row => row.from_node == null || row.from_node !== row.to_node,
  }],
  style: { line: '#2f7fc1', lineWidth: 1.6, visible: false },
  zoom: { min: 13, max: 18 }, importance: 'dn_mm',
  sources: [
    { source: 'osm', when: { man_made: 'pipeline', substance: ['water', 'drinking_water'] }, columns: { dn_mm: 'diameter', managing_unit: 'operator', code: 'ref' } },
    // WNTR writes networks in SI units, diameters in metres; an EPANET file has millimetres (or inches: then map `dn_mm=DIAMETER*25.4`).
    { source: 'wntr', when: { start_node_name: '*', end_node_name: '*' }, columns: { code: 'name', dn_mm: 'diameter*1000', length_m: 'length', roughness_c: 'roughness', from_node: 'start_node_name', to_node: 'end_node_name' } },
    { source: 'epanet', columns: { code: ['id', 'ID', 'NAME', 'name'], dn_mm: ['diameter', 'DIAMETER'], length_m: ['length', 'LENGTH'], roughness_c: ['roughness', 'ROUGHNESS'], from_node: ['start_node', 'NODE1'], to_node: ['end_node', 'NODE2'] } },
  ],
  classification: 'open', licence: 'CC-BY-4.0',
  owner: CONSTRUCTION_OWNER, updateFrequency: 'irregular', keywords: keywords(['cấp nước', 'water supply'], ['ống nước', 'water pipe']),
}
