/**
 * SWMM 5 input files → the layers drain_nodes and drain_pipes, in SI units whatever the file's are; subcatchments, pumps,
 * orifices, weirs and outlets as layers that can be published. What has no column is kept in `model`.
 * Units and sections: SWMM 5.2 User's Manual, appendix D.
 */
import type { Feature } from '../../core/feature.js'
import { badFile } from './fault.js'
import { FOOT_M, InpFile, known, networkLayer, numberAt, Places, positionOf, tidy, within } from './inp.js'
import type { SourceFile } from './source.js'

const WHAT = 'SWMM file'
/** Flow unit → litres per second. */
const FLOW_LPS: Readonly<Record<string, number>> = { CFS: 28.316846592, GPM: 0.0630901964, MGD: 43.81263638889, CMS: 1000, LPS: 1, MLD: 1000 / 86.4 }
const US_UNITS = new Set(['CFS', 'GPM', 'MGD'])
const ACRE_M2 = 4046.8564224
const HECTARE_M2 = 10_000

interface Units { readonly m: number; readonly lps: number; readonly m2: number }
type Row = Omit<Feature, 'row'>

export async function openSwmm(file: string): Promise<SourceFile> {
  const inp = await InpFile.read(file, WHAT)
  const places = new Places(inp, WHAT)
  const unit = inp.option('OPTIONS', 'FLOW_UNITS') ?? 'CFS'
  const lps = FLOW_LPS[unit]
  if (lps === undefined) throw badFile(`The SWMM file measures flow in “${unit.slice(0, 20)}”, which is none of ${Object.keys(FLOW_LPS).join(', ')}.`)
  const us = US_UNITS.has(unit)
  const units: Units = { lps, m: us ? FOOT_M : 1, m2: us ? ACRE_M2 : HECTARE_M2 }
  const layers = [
    networkLayer('drain_nodes', nodes(inp, places, units)), networkLayer('drain_pipes', conduits(inp, places, units)), networkLayer('subcatchments', subcatchments(inp, units)),
    ...['PUMPS', 'ORIFICES', 'WEIRS', 'OUTLETS'].map(section => networkLayer(`drain_${section.toLowerCase()}`, others(inp, places, section, units))),
  ].filter(({ count }) => count)
  if (layers.length === 0) throw badFile('The SWMM file holds no nodes, conduits or subcatchments.')
  return { format: 'swmm', layers, close: async () => {} }
}

function nodes(inp: InpFile, places: Places, { m }: Units): Row[] {
  const node = (row: readonly string[], kind: string, depth: number | undefined, properties: Record<string, unknown>): Row => {
    const bottom = numberAt(row, 1, m)
    return { ...places.node(row[0]!), sourceId: row[0]!, properties: {
      code: row[0], kind, bottom_level_m: bottom, cover_level_m: bottom !== undefined && depth ? tidy(bottom + depth) : undefined, ...properties,
    } }
  }
  return [
    ...inp.rows('JUNCTIONS').map(row => node(row, 'junction', numberAt(row, 2, m), { model: known({ initial_depth_m: numberAt(row, 3, m), surcharge_depth_m: numberAt(row, 4, m), ponded_area_m2: numberAt(row, 5, m ** 2) }) })),
    ...inp.rows('DIVIDERS').map(row => node(row, 'junction', undefined, { model: known({ divider: row[3], diverted_link: row[2] }) })),
    ...inp.rows('STORAGE').map(row => node(row, 'storage', numberAt(row, 2, m), { model: known({ initial_depth_m: numberAt(row, 3, m), shape: row[4], ...storageShape(inp, row, m) }) })),
    ...inp.rows('OUTFALLS').map(row => {
      const type = row[2]?.toUpperCase() ?? 'FREE'
      // Fixed, tidal and timed outfalls have their stage before the gate.
      const staged = ['FIXED', 'TIDAL', 'TIMESERIES'].includes(type)
      const gate = row[staged ? 4 : 3]
      return node(row, 'outfall', undefined, { flap: gate === undefined ? undefined : gate.toUpperCase() === 'YES', model: known({ type, stage_m: type === 'FIXED' ? numberAt(row, 3, m) : undefined, stage_of: staged && type !== 'FIXED' ? row[3] : undefined, route_to: row[staged ? 5 : 4] }) })
    }),
  ]
}

/** Area by depth: a curve, or coefficient × depth ^ exponent + constant, which stay in the file's own units. */
function storageShape(inp: InpFile, row: readonly string[], m: number): Record<string, unknown> {
  if (row[4]?.toUpperCase() !== 'TABULAR') return { area_file_units: row.slice(5, 8).map(Number) }
  const curve = inp.grouped('CURVES').get(row[5] ?? '')?.map(point => (/^[A-Za-z]/.test(point[1] ?? '') ? point.slice(2) : point.slice(1)))
  return { area_by_depth_m: curve?.map(([depth, area]) => [tidy(Number(depth) * m), tidy(Number(area) * m ** 2)]) }
}

function conduits(inp: InpFile, places: Places, { m, lps }: Units): Row[] {
  const sections = inp.byId('XSECTIONS')
  const inverts = new Map(['JUNCTIONS', 'OUTFALLS', 'STORAGE', 'DIVIDERS'].flatMap(name => inp.rows(name).map(row => [row[0]!, numberAt(row, 1, m)] as const)))
  const byLevel = inp.option('OPTIONS', 'LINK_OFFSETS') === 'ELEVATION'
  const invertAt = (node: string, row: readonly string[], index: number) => {
    const [offset, bottom] = [numberAt(row, index, m), inverts.get(node)]
    if (offset === undefined || (byLevel && row[index] === '*')) return bottom
    return byLevel ? offset : bottom === undefined ? undefined : tidy(bottom + offset)
  }
  return inp.rows('CONDUITS').map(row => {
    const [id, from, to] = row as [string, string, string]
    const length = numberAt(row, 3, m)
    const [invertFrom, invertTo] = [invertAt(from, row, 5), invertAt(to, row, 6)]
    const slope = length && invertFrom !== undefined && invertTo !== undefined ? tidy((invertFrom - invertTo) / length) : undefined
    return { ...places.link(id, from, to), sourceId: id, properties: {
      code: id, from_node: from, to_node: to, length_m: length, roughness_n: within(numberAt(row, 4), 0.005, 0.2), invert_from_m: invertFrom, invert_to_m: invertTo, slope: within(slope, 0, 1),
      ...shapeOf(sections.get(id), m),
      model: known({ roughness_n: numberAt(row, 4), shape: sections.get(id)?.[1], geometry_file_units: sections.get(id)?.slice(2, 6).map(Number), barrels: numberAt(sections.get(id), 6), initial_flow_lps: numberAt(row, 7, lps), maximum_flow_lps: numberAt(row, 8, lps) }),
    } }
  })
}

/** A cross-section in the layer's terms; of a box the diameter of a circle of the same area. */
function shapeOf(section: readonly string[] | undefined, m: number): Record<string, unknown> {
  const shape = section?.[1]?.toUpperCase() ?? ''
  const [height, width] = [numberAt(section, 2, m), numberAt(section, 3, m)]
  switch (shape) {
    case 'CIRCULAR': case 'FORCE_MAIN': case 'FILLED_CIRCULAR': return { section: 'circular', diameter_mm: millimetres(height) }
    case 'RECT_CLOSED': return { section: 'box', height_m: within(height, 0, 15), width_m: within(width, 0, 60), diameter_mm: height && width ? millimetres(Math.sqrt((4 * height * width) / Math.PI)) : undefined }
    case 'RECT_OPEN': case 'TRAPEZOIDAL': case 'TRIANGULAR': case 'PARABOLIC': case 'POWER': return { section: 'channel', height_m: within(height, 0, 15), width_m: width ? within(width, 0, 60) : undefined }
    case 'IRREGULAR': case 'STREET': return { section: 'channel' }
    default: return height ? { height_m: within(height, 0, 15), width_m: width ? within(width, 0, 60) : undefined } : {}
  }
}
const millimetres = (metres: number | undefined) => (metres === undefined ? undefined : within(tidy(metres * 1000), 50, 8000))

function subcatchments(inp: InpFile, { m, m2 }: Units): Row[] {
  const outlines = inp.grouped('POLYGONS')
  const areas = inp.byId('SUBAREAS')
  return inp.rows('SUBCATCHMENTS').map(row => {
    const ring = (outlines.get(row[0]!) ?? []).flatMap(position => positionOf(position))
    const shape = ring.length < 3 ? { geometry: null, fault: `no outline of the subcatchment ${row[0]}` } : { geometry: { type: 'Polygon', coordinates: [closed(ring)] } }
    const sub = areas.get(row[0]!)
    return { ...shape, sourceId: row[0]!, properties: {
      code: row[0], rain_gage: row[1], outlet: row[2], area_m2: numberAt(row, 3, m2), impervious_percent: numberAt(row, 4), width_m: numberAt(row, 5, m), slope_percent: numberAt(row, 6), curb_length_m: numberAt(row, 7, m),
      roughness_n_impervious: numberAt(sub, 1), roughness_n_pervious: numberAt(sub, 2),
    } }
  })
}

function closed(ring: readonly (readonly [number, number])[]) {
  const [first, last] = [ring[0]!, ring.at(-1)!]
  return first[0] === last[0] && first[1] === last[1] ? ring : [...ring, first]
}

/** Links that are no conduits, with the words that follow their ends as the file has them. */
function others(inp: InpFile, places: Places, section: string, { m }: Units): Row[] {
  const sections = inp.byId('XSECTIONS')
  return inp.rows(section).map(row => ({ ...places.link(row[0]!, row[1]!, row[2]!), sourceId: row[0]!, properties: {
    code: row[0], kind: section.toLowerCase().replace(/s$/, ''), from_node: row[1], to_node: row[2], ...(section === 'PUMPS' ? { curve: row[3], status: row[4] } : { type: row[3], offset_m: numberAt(row, 4, m) }),
    height_m: numberAt(sections.get(row[0]!), 2, m), width_m: numberAt(sections.get(row[0]!), 3, m), parameters: row.slice(3),
  } }))
}
