import { ascending, assetCode, boolean, codes, modelParameters, number, text, utilityColumns, wardCode } from './columns.js'
import { DRAIN_SYSTEM } from './drain-pipes.js'
import { keywords, CONSTRUCTION_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const drainNodes: Layer = {
  id: 'drain_nodes',
  title: { vi: 'Hố ga, cửa thu, cửa xả', en: 'Manholes, inlets and outfalls' },
  description: { vi: 'Nút của mạng thoát nước với cao độ nắp và đáy.', en: 'Nodes of the drain network with cover and bottom levels.' },
  group: 'utilities', kind: 'city', geometry: 'point', threeD: { form: 'instance', level: 'bottom_level_m' },
  columns: [
    assetCode,
    text('kind', 'Loại', 'Kind', { required: true, inTiles: true, codes: codes({ manhole: ['Hố ga', 'Manhole'], inlet: ['Cửa thu', 'Inlet'], outfall: ['Cửa xả', 'Outfall'], junction: ['Nút', 'Junction'], storage: ['Hồ điều hòa', 'Storage'] }) }),
    text('system', 'Hệ thống', 'System', { codes: DRAIN_SYSTEM, inTiles: true }),
    number('cover_level_m', 'Cao độ nắp', 'Cover level', { unit: 'm', min: -60, max: 3000, inTiles: true }),
    number('bottom_level_m', 'Cao độ đáy', 'Bottom level', { unit: 'm', min: -60, max: 3000, inTiles: true }),
    boolean('flap', 'Có cửa phai một chiều', 'Has a flap gate', { description: { vi: 'Cửa xả có van lật ngăn triều.', en: 'The outfall has a flap against the tide.' } }),
    text('receives', 'Nguồn tiếp nhận', 'Receiving water', { maxLength: 160 }),
    wardCode,
    modelParameters,
    ...utilityColumns,
  ],
  label: 'code', searchable: ['code'],
  rules: [ascending('bottom_level_m', 'cover_level_m', 'Đáy thấp hơn nắp', 'The bottom is below the cover')],
  style: { circle: { by: 'kind', other: '#2a8c8c', categories: { outfall: '#0e6e73', storage: '#0e6e73' } }, circleRadius: 2.2, visible: false },
  zoom: { min: 14, max: 18 },
  sources: [
    { source: 'osm', when: { manhole: ['drain', 'sewer'] }, columns: { kind: '=manhole', code: 'ref' } },
    { source: 'dc', when: { SWR_CODE: '*' }, columns: { code: 'OBJECTID', kind: '=inlet', system: '=storm' } },
    { source: 'swmm', columns: { code: ['id', 'name', 'NAME'], bottom_level_m: ['invert', 'elevation', 'InvertElev'], kind: ['kind', 'type'] } },
  ],
  classification: 'open', licence: 'CC-BY-4.0',
  owner: CONSTRUCTION_OWNER, updateFrequency: 'irregular', keywords: keywords(['hố ga', 'manhole'], ['thoát nước', 'drainage']),
}
