import { ascending, assetCode, boolean, codes, integer, number, text, wardCode } from './columns.js'
import { keywords, CONSTRUCTION_OWNER } from './keeping.js'
import type { Layer } from './layer.js'

export const ROAD_CLASS = codes({
  motorway: ['Cao tốc', 'Motorway'], trunk: ['Đường trục chính', 'Trunk'], primary: ['Đường chính đô thị', 'Primary'], secondary: ['Đường liên khu vực', 'Secondary'],
  tertiary: ['Đường khu vực', 'Collector'], residential: ['Đường phố', 'Residential street'], lane: ['Kiệt, hẻm', 'Lane'], service: ['Đường nội bộ', 'Service'],
  pedestrian: ['Đường đi bộ', 'Pedestrian'], rail: ['Đường sắt', 'Railway'],
})
export type RoadClass = keyof typeof ROAD_CLASS

export const roads: Layer = {
  id: 'roads',
  title: { vi: 'Đường', en: 'Roads' },
  description: {
    vi: 'Mạng lưới đường theo đoạn giữa hai nút. Lộ giới khác lòng đường.',
    en: 'The road network by segment between two nodes. The width between red lines is not the carriageway.',
  },
  group: 'transport', kind: 'city', geometry: 'line',
  columns: [
    assetCode,
    text('name', 'Tên đường', 'Name', { maxLength: 200, inTiles: true }),
    text('class', 'Cấp đường', 'Class', { codes: ROAD_CLASS, inTiles: true }),
    number('lo_gioi_m', 'Lộ giới', 'Width between red lines', { unit: 'm', min: 0, max: 200, inTiles: true }),
    number('long_duong_m', 'Lòng đường', 'Carriageway width', { unit: 'm', min: 0, max: 150, inTiles: true }),
    number('via_he_trai_m', 'Vỉa hè trái', 'Left pavement', { unit: 'm', min: 0, max: 50 }),
    number('via_he_phai_m', 'Vỉa hè phải', 'Right pavement', { unit: 'm', min: 0, max: 50 }),
    integer('lanes', 'Số làn', 'Lanes', { min: 0, max: 24 }),
    boolean('one_way', 'Một chiều', 'One way', { inTiles: true }),
    number('speed_kmh', 'Tốc độ cho phép', 'Speed limit', { unit: 'km/h', min: 0, max: 160 }),
    text('surface', 'Mặt đường', 'Surface', { codes: codes({ asphalt: ['Bê tông nhựa', 'Asphalt'], concrete: ['Bê tông xi măng', 'Concrete'], gravel: ['Cấp phối', 'Gravel'], earth: ['Đất', 'Earth'] }) }),
    number('surface_level_m', 'Cao độ mặt đường thấp nhất', 'Lowest surface level', { unit: 'm', min: -30, max: 3000 }),
    number('load_t', 'Tải trọng', 'Load limit', { unit: 't', min: 0, max: 300 }),
    number('clearance_m', 'Tĩnh không', 'Clearance', { unit: 'm', min: 0, max: 100 }),
    text('owner', 'Đơn vị quản lý', 'Owner', { maxLength: 200 }),
    boolean('bridge', 'Trên cầu', 'On a bridge', { inTiles: true }),
    boolean('tunnel', 'Hầm chui', 'Underpass or tunnel', { inTiles: true }),
    text('from_node', 'Nút đầu', 'From node', { maxLength: 60 }),
    text('to_node', 'Nút cuối', 'To node', { maxLength: 60 }),
    wardCode,
  ],
  label: 'name', searchable: ['name', 'code'],
  rules: [
    ascending('long_duong_m', 'lo_gioi_m', 'Lòng đường không rộng hơn lộ giới', 'The carriageway is not wider than the space between red lines'),
    {
      id: 'ends_differ', severity: 'warning', title: { vi: 'Hai nút đầu cuối khác nhau', en: 'The two end nodes differ' },
      reads: ['from_node', 'to_node'],
      holds: row => row.from_node == null || row.from_node !== row.to_node,
    },
  ],
  style: {
    line: { by: 'class', other: '#fbf8f1', categories: { motorway: '#f3d9a4', trunk: '#f6e3ba', primary: '#f8ebcd', secondary: '#fcf5e4', rail: '#a49c90', lane: '#f1ece1', pedestrian: '#efe7d6' } },
    lineWidth: 2, labelFrom: 14,
  },
  zoom: { min: 8, max: 18 }, importance: 'long_duong_m',
  sources: [
    {
      source: 'osm', when: { highway: '*' },
      columns: { name: ['name:vi', 'name'], class: 'highway', lanes: 'lanes', one_way: 'oneway', speed_kmh: 'maxspeed', surface: 'surface', long_duong_m: 'width', bridge: 'bridge', tunnel: 'tunnel', code: 'ref', clearance_m: 'maxheight', load_t: 'maxweight', owner: 'operator' },
      values: {
        class: {
          motorway: 'motorway', motorway_link: 'motorway', trunk: 'trunk', trunk_link: 'trunk', primary: 'primary', primary_link: 'primary', secondary: 'secondary', secondary_link: 'secondary',
          tertiary: 'tertiary', tertiary_link: 'tertiary', residential: 'residential', unclassified: 'residential', living_street: 'residential', road: 'residential',
          service: 'service', track: 'service', pedestrian: 'pedestrian', footway: 'pedestrian', path: 'pedestrian', steps: 'pedestrian', cycleway: 'pedestrian', '*': 'service',
        },
        one_way: { yes: true, '1': true, true: true, '-1': true, '*': false },
        bridge: { no: false, '*': true }, tunnel: { no: false, '*': true },
        surface: { asphalt: 'asphalt', paved: 'asphalt', concrete: 'concrete', paving_stones: 'concrete', sett: 'concrete', gravel: 'gravel', compacted: 'gravel', unpaved: 'earth', ground: 'earth', dirt: 'earth', '*': 'asphalt' },
      },
    },
    { source: 'osm', when: { railway: ['rail', 'light_rail', 'tram'] }, columns: { name: 'name', class: '=rail', code: 'ref', bridge: 'bridge', tunnel: 'tunnel' }, values: { bridge: { no: false, '*': true }, tunnel: { no: false, '*': true } } },
    { source: 'dc', when: { ROADTYPE: '*' }, columns: { code: ['STREETSEGID', 'ROADWAYSEGID'], name: ['ST_NAME', 'SOURCEID'], class: ['FUNCTIONALCLASS', 'ROADTYPE'], one_way: 'DIRECTIONALITY', owner: 'OWNERSHIP' }, values: { class: { Interstate: 'motorway', 'Other Freeway and Expressway': 'motorway', 'Principal Arterial': 'primary', 'Minor Arterial': 'secondary', Collector: 'tertiary', Local: 'residential', Ramp: 'service', '*': 'residential' }, one_way: { 'Two way': false, '*': true } } },
    { source: 'dc', when: { SIS_ID: '*' }, columns: { code: 'SIS_ID', name: 'STREET', class: 'FC' }, values: { class: { Interstate: 'motorway', 'Principal Arterial': 'primary', 'Minor Arterial': 'secondary', Collector: 'tertiary', '*': 'residential' } } },
    { source: 'dc', when: { FEATURECODE: '*', DESCRIPTION: 'Railroad Centerline' }, columns: { code: 'OBJECTID', class: '=rail' } },
  ],
  classification: 'open', licence: 'CC-BY-4.0',
  owner: CONSTRUCTION_OWNER, updateFrequency: 'irregular', keywords: keywords(['đường', 'street'], ['giao thông', 'transport'], ['lộ giới', 'right of way']),
}
