/**
 * EPANET 2 input files → the layers water_nodes and water_pipes, in SI units whatever the file's are. Pumps and valves are
 * links, as EPANET has them, so that the network stays whole; what has no column is kept in `model`.
 * Units: EPANET 2.2 User Manual, appendix A.
 */
import type { Feature } from '../../core/feature.js'
import { badFile } from './fault.js'
import { FOOT_M, InpFile, INCH_MM, known, networkLayer, numberAt, Places, tidy, within } from './inp.js'
import type { SourceFile } from './source.js'

const WHAT = 'EPANET file'

/** Flow unit → litres per second. */
const FLOW_LPS: Readonly<Record<string, number>> = {
  CFS: 28.316846592, GPM: 0.0630901964, MGD: 43.81263638889, IMGD: 52.6168042, AFD: 14.27641017, LPS: 1, LPM: 1 / 60, MLD: 1000 / 86.4, CMH: 1 / 3.6, CMD: 1 / 86.4,
}
/** With these all else is in feet, inches and psi. */
const US_UNITS = new Set(['CFS', 'GPM', 'MGD', 'IMGD', 'AFD'])
const HORSEPOWER_KW = 0.745699872
/** A pressure of one psi, as metres of water. */
const PSI_M = 0.70306958

interface Units { readonly lps: number; readonly m: number; readonly mm: number; readonly kW: number; readonly pressureM: number }

export async function openEpanet(file: string): Promise<SourceFile> {
  const inp = await InpFile.read(file, WHAT)
  const places = new Places(inp, WHAT)
  const units = unitsOf(inp)
  const layers = [networkLayer('water_nodes', nodes(inp, places, units)), networkLayer('water_pipes', links(inp, places, units))].filter(({ count }) => count)
  if (layers.length === 0) throw badFile('The EPANET file holds no junctions and no pipes.')
  return { format: 'epanet', layers, close: async () => {} }
}

function unitsOf(inp: InpFile): Units {
  const unit = inp.option('OPTIONS', 'UNITS') ?? 'GPM'
  const lps = FLOW_LPS[unit]
  if (lps === undefined) throw badFile(`The EPANET file measures flow in “${unit.slice(0, 20)}”, which is none of ${Object.keys(FLOW_LPS).join(', ')}.`)
  const us = US_UNITS.has(unit)
  return { lps, m: us ? FOOT_M : 1, mm: us ? INCH_MM : 1, kW: us ? HORSEPOWER_KW : 1, pressureM: us ? PSI_M : 1 }
}

/** Pattern and curve by id, as arrays. */
function tables(inp: InpFile) {
  const patterns = inp.grouped('PATTERNS')
  const curves = inp.grouped('CURVES')
  return {
    pattern: (id: string | undefined) => {
      const rows = id === undefined ? undefined : patterns.get(id)
      return rows ? { id, multipliers: rows.flatMap(row => row.slice(1).map(Number)) } : undefined
    },
    curve: (id: string | undefined, x: number, y: number) => {
      const rows = id === undefined ? undefined : curves.get(id)
      return rows ? rows.map(row => [tidy(Number(row[1]) * x), tidy(Number(row[2]) * y)]) : undefined
    },
  }
}

type Row = Omit<Feature, 'row'>

function nodes(inp: InpFile, places: Places, { m, lps }: Units): Row[] {
  const { pattern, curve } = tables(inp)
  const demands = inp.grouped('DEMANDS')
  const emitters = inp.byId('EMITTERS')
  const node = (id: string, properties: Record<string, unknown>): Row => ({ ...places.node(id), sourceId: id, properties: { code: id, ...properties } })
  return [
    ...inp.rows('JUNCTIONS').map(row => {
      const id = row[0]!
      const categories = demands.get(id)?.map(demand => known({ demand_lps: numberAt(demand, 1, lps), pattern: pattern(demand[2]), category: demand[3] }))
      // Categories of demand stand in for the junction's own.
      const demand = categories ? tidy(categories.reduce((sum, category) => sum + Number(category?.demand_lps ?? 0), 0)) : numberAt(row, 2, lps)
      return node(id, {
        kind: 'junction', level_m: numberAt(row, 1, m), demand_lps: within(demand, 0, Infinity),
        model: known({ demand_lps: demand !== undefined && demand < 0 ? demand : undefined, demands: categories, pattern: categories ? undefined : pattern(row[3]), emitter: numberAt(emitters.get(id), 1) }),
      })
    }),
    ...inp.rows('RESERVOIRS').map(row => node(row[0]!, { kind: 'source', head_m: within(numberAt(row, 1, m), 0, 3000), model: known({ head_m: numberAt(row, 1, m), pattern: pattern(row[2]) }) })),
    ...inp.rows('TANKS').map(row => {
      const [level, initial, least, most, diameter] = [1, 2, 3, 4, 5].map(i => numberAt(row, i, m))
      return node(row[0]!, {
        kind: 'tank', level_m: level, volume_m3: most !== undefined && diameter ? tidy((Math.PI / 4) * diameter ** 2 * most) : undefined,
        model: known({ initial_level_m: initial, minimum_level_m: least, maximum_level_m: most, diameter_m: diameter, minimum_volume_m3: numberAt(row, 6, m ** 3), volume_curve: curve(row[7], m, m ** 3), overflow: row[8] }),
      })
    }),
  ]
}

function links(inp: InpFile, places: Places, units: Units): Row[] {
  const { m, mm, lps, kW, pressureM } = units
  const { curve } = tables(inp)
  const headLoss = inp.option('OPTIONS', 'HEADLOSS') ?? 'H-W'
  const status = inp.byId('STATUS')
  const stateOf = (id: string, own?: string) => stateFrom(status.get(id)?.[1] ?? own)
  const link = (row: readonly string[], properties: Record<string, unknown>): Row =>
    ({ ...places.link(row[0]!, row[1]!, row[2]!), sourceId: row[0]!, properties: { code: row[0], from_node: row[1], to_node: row[2], ...properties } })
  return [
    ...inp.rows('PIPES').map(row => {
      // The minor loss may be left out where a status is given.
      const state = /^[A-Za-z]/.test(row[6] ?? '') ? row[6] : row[7]
      const roughness = numberAt(row, 5)
      return link(row, {
        length_m: numberAt(row, 3, m), dn_mm: within(numberAt(row, 4, mm), 10, 4000), roughness_c: headLoss === 'H-W' ? within(roughness, 40, 160) : undefined, state: stateOf(row[0]!, state),
        model: known({ head_loss: headLoss, roughness: headLoss === 'D-W' && roughness !== undefined ? tidy(roughness * (m === 1 ? 1 : FOOT_M)) : roughness, diameter_mm: numberAt(row, 4, mm), minor_loss: /^[A-Za-z]/.test(row[6] ?? '') ? undefined : numberAt(row, 6), check_valve: state?.toUpperCase() === 'CV' || undefined }),
      })
    }),
    ...inp.rows('PUMPS').map(row => {
      const words = Object.fromEntries(row.slice(3).flatMap((word, i, all) => (i % 2 === 0 ? [[word.toUpperCase(), all[i + 1]!]] : [])))
      return link(row, { pipe_type: 'pump', state: stateOf(row[0]!), model: known({ head_curve_lps_m: curve(words.HEAD, lps, m), power_kw: words.POWER === undefined ? undefined : tidy(Number(words.POWER) * kW), speed: words.SPEED === undefined ? undefined : Number(words.SPEED), pattern: words.PATTERN }) })
    }),
    ...inp.rows('VALVES').map(row => {
      const type = row[4]?.toUpperCase() ?? ''
      const factor = /^(PRV|PSV|PBV)$/.test(type) ? pressureM : type === 'FCV' ? lps : 1
      const setting = type === 'GPV' ? { head_loss_curve_lps_m: curve(row[5], lps, m) } : { setting: numberAt(row, 5, factor), setting_unit: factor === pressureM && /^P/.test(type) ? 'm' : type === 'FCV' ? 'L/s' : undefined }
      return link(row, { pipe_type: 'valve', dn_mm: within(numberAt(row, 3, mm), 10, 4000), state: stateOf(row[0]!), model: known({ valve_type: type, ...setting, minor_loss: numberAt(row, 6) }) })
    }),
  ]
}

/** A number is a setting, by which the link is open. */
function stateFrom(text: string | undefined): string {
  return text?.toUpperCase() === 'CLOSED' ? 'closed' : 'open'
}
