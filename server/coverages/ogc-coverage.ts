/** OGC API Coverages: a coverage as one resource, cut out and made coarser. */
import type { BBox } from '../../core/bbox.js'
import { CRS84, type Crs } from '../../core/crs.js'
import { badParameter } from '../errors.js'
import type { Call } from '../operations/operation.js'
import { coverageThen } from './collections.js'
import type { Coverage } from './coverage.js'
import { transform, wantedCrs } from './crs.js'
import { boxIn, extentIn, gridOver, type GridDomain, type GridSize } from './domain.js'
import { finished } from './edr.js'
import { quantitiesOf, type Query } from './query.js'
import { boxOf } from './shapes.js'

/** The query of a request for a coverage, in its own CRS unless another is asked for; undefined where nothing is left of it. Throws Problems. */
export async function coverageQuery(call: Call): Promise<Query | undefined> {
  const { params } = call
  const coverage = await coverageThen(subsetTime(call))
  if (!coverage) return undefined
  const crs = wantedCrs(params.crs, coverage.crs) ?? coverage.crs
  const box = wantedBox(call, coverage, crs)
  const whole = gridOver(coverage, crs, box)
  const grid = whole && scaled(params, coverage, crs, box, whole)
  return grid && finished(fields(subsetTime(call), coverage), coverage, grid, 'properties')
}

/** `properties` as asked for, or all but `exclude-properties`. */
function fields(call: Call, coverage: Coverage): Call {
  const { properties, 'exclude-properties': without } = call.params
  if (without === undefined) return call
  if (properties !== undefined) throw badParameter('exclude-properties', 'Give either properties or exclude-properties.')
  const excluded = without.length === 0 ? [] : quantitiesOf(coverage, without, 'exclude-properties')
  const kept = coverage.quantities.filter(quantity => !excluded.includes(quantity))
  if (kept.length === 0) throw badParameter('exclude-properties', 'Nothing is left when all properties are excluded.')
  return { ...call, params: { ...call.params, properties: kept.map(({ name }) => name) } }
}

// ── Cutting out ──────────────────────────────────────────────────────────────────────────────────

interface Cut { readonly low: string; readonly high: string }

/** `Lat(16:16.1),Lon(108.2),time("2022-10-14T12:00:00Z":*)` by axis in lower case. */
function subsets(text: string | undefined, parameter: string): ReadonlyMap<string, Cut> {
  const cuts = new Map<string, Cut>()
  for (const part of text ? text.split(/,(?![^(]*\))/) : []) {
    const [, axis, inner] = /^\s*([A-Za-z]\w*)\(([^()]+)\)\s*$/.exec(part) ?? []
    const quoted = /"[^"]*"|\*|[^:"]+/g
    const sides = inner?.match(quoted)
    if (!axis || !sides || sides.length > 2 || sides.join(':') !== inner) throw badParameter(parameter, `“${part.slice(0, 60)}” is no cut: write ${parameter}=Lat(16.0:16.1),Lon(108.2:108.3), E and N in metres, time("2022-10-14T12:00:00Z":*).`)
    if (cuts.has(axis.toLowerCase())) throw badParameter(parameter, `The axis ${axis} is cut twice.`)
    const [low, high = low] = sides.map(side => side.replaceAll('"', '').trim())
    cuts.set(axis.toLowerCase(), { low: low!, high: high! })
  }
  return cuts
}

/** The call with the time of `subset` as its datetime. */
function subsetTime(call: Call): Call {
  const cut = subsets(call.params.subset, 'subset').get('time')
  if (!cut) return call
  if (call.params.datetime !== undefined) throw badParameter('subset', 'The time is said twice: by subset and by datetime.')
  const open = (side: string) => (side === '*' ? '..' : side)
  return { ...call, params: { ...call.params, datetime: cut.low === cut.high && cut.low !== '*' ? cut.low : `${open(cut.low)}/${open(cut.high)}` } }
}

const AXES = { x: ['lon', 'long', 'e', 'x'], y: ['lat', 'n', 'y'] } as const

function wantedBox(call: Call, coverage: Coverage, crs: Crs): BBox {
  const { params } = call
  const cuts = subsets(params.subset, 'subset')
  const known: readonly string[] = [...AXES.x, ...AXES.y, 'time']
  for (const axis of cuts.keys()) if (!known.includes(axis)) throw badParameter('subset', `There is no axis “${axis}”: there are Lat and Lon, or E and N, and time.`)
  const spatial = [...cuts.keys()].some(axis => axis !== 'time')
  if (spatial && params.bbox) throw badParameter('subset', 'Give either bbox or the spatial axes of subset.')
  if (params.bbox) {
    const from = wantedCrs(params['bbox-crs'], coverage.crs, 'bbox-crs') ?? CRS84
    return boxIn(boxOf(params.bbox, from), transform(from, crs))
  }
  if (!spatial) return extentIn(coverage, crs)
  const from = wantedCrs(params['subset-crs'], coverage.crs, 'subset-crs') ?? CRS84
  const [west, south, east, north] = extentIn(coverage, from)
  const [x, y] = [sides(cuts, AXES.x, west, east), sides(cuts, AXES.y, south, north)]
  return boxIn([x[0], y[0], x[1], y[1]], transform(from, crs))
}

/** Ends of a cut along one axis; a slice is as thin as numbers are. */
function sides(cuts: ReadonlyMap<string, Cut>, names: readonly string[], least: number, greatest: number): readonly [number, number] {
  const axis = names.find(name => cuts.has(name))
  if (axis === undefined) return [least, greatest]
  const { low, high } = cuts.get(axis)!
  const number = (side: string, open: number) => {
    const value = side === '*' ? open : Number(side)
    if (side === '' || !Number.isFinite(value)) throw badParameter('subset', `“${side.slice(0, 40)}” is no coordinate of the axis ${axis}.`)
    return value
  }
  const [from, to] = [number(low, least), number(high, greatest)]
  if (from > to) throw badParameter('subset', `The cut of ${axis} goes from ${from} down to ${to}.`)
  const thin = (greatest - least) * 1e-9
  return from === to ? [from - thin, to + thin] : [from, to]
}

// ── Coarser or finer ─────────────────────────────────────────────────────────────────────────────

/** The grid with the cells that `scale-factor`, `scale-size` or `resolution` ask for. */
function scaled(params: Call['params'], coverage: Coverage, crs: Crs, box: BBox, whole: GridDomain): GridDomain | undefined {
  const asked = ['scale-factor', 'scale-size', 'resolution'].filter(name => params[name] !== undefined)
  if (asked.length > 1) throw badParameter(asked[1]!, `Give one of ${asked.join(' and ')}.`)
  const size = sizeAsked(params, whole)
  return size ? gridOver(coverage, crs, box, size) : whole
}

function sizeAsked(params: Call['params'], { cols, rows, dx, dy }: GridDomain): GridSize | undefined {
  const size = (x: number | undefined, y: number | undefined): GridSize => ({ ...(x && { cols: Math.max(1, Math.round(x)) }), ...(y && { rows: Math.max(1, Math.round(y)) }), as: 'cells' })
  const factor = params['scale-factor'] as number | undefined
  if (factor !== undefined) return factor === 1 ? undefined : size(cols / factor, rows / factor)
  const text = params['scale-size'] as string | undefined ?? params.resolution as string | undefined
  if (text === undefined || text === '') return undefined
  const parameter = params['scale-size'] !== undefined ? 'scale-size' : 'resolution'
  const wanted = axisNumbers(text, parameter)
  if (wanted.x === undefined && wanted.y === undefined) return undefined
  const [x, y] = parameter === 'scale-size' ? [wanted.x, wanted.y] : [wanted.x && (cols * dx) / wanted.x, wanted.y && (rows * dy) / wanted.y]
  return size(x ?? cols, y ?? rows)
}

/** `Lat(100),Lon(200)`; `Lat()` leaves an axis as it is. */
function axisNumbers(text: string, parameter: string): { x?: number; y?: number } {
  const found: { x?: number; y?: number } = {}
  for (const part of text.split(',')) {
    const [, name, value] = /^\s*([A-Za-z]\w*)\(([^()]*)\)\s*$/.exec(part) ?? []
    const axis = name && ((AXES.x as readonly string[]).includes(name.toLowerCase()) ? 'x' : (AXES.y as readonly string[]).includes(name.toLowerCase()) ? 'y' : undefined)
    const number = value?.trim() ? Number(value) : undefined
    if (!axis || found[axis] !== undefined || (number !== undefined && !(number > 0 && Number.isFinite(number)))) throw badParameter(parameter, `“${part.slice(0, 60)}” is not understood: write ${parameter}=Lat(…),Lon(…) or E(…),N(…), each once with a number above 0.`)
    if (number !== undefined) found[axis] = number
  }
  return found
}
