/** CoverageJSON 1.0 (OGC 21-069r2), written as it is made. */
import { setImmediate as breathe } from 'node:timers/promises'
import type { Crs } from '../../core/crs.js'
import { both, instant, isOneTime, valuesOf, type Query } from './query.js'

/** Numbers that become text in one go. */
const SLICE = 1 << 15

/**
 * One Coverage: a Grid, a Point(Series), a MultiPoint(Series) or a Trajectory. Members of our own: `simulation` (the label
 * of what is computed, not measured), `run`, `name`.
 */
export async function* coverageJson(query: Query): AsyncGenerator<string> {
  const { coverage: { id, label, run }, quantities, times, name } = query
  const values = await valuesOf(query)
  const { axisNames, shape } = axesOf(query)
  const members = {
    type: 'Coverage', id, ...(label && { simulation: both(label) }), ...(run && { run }), ...(name && { name }),
    domain: domainOf(query),
    parameters: Object.fromEntries(quantities.map(quantity => [quantity.name, {
      type: 'Parameter',
      description: both(label ? { vi: `${label.vi}. ${quantity.description.vi}`, en: `${label.en}. ${quantity.description.en}` } : quantity.description),
      observedProperty: { id: quantity.property, label: both(quantity.title) },
      unit: { label: both(quantity.unit.label), symbol: { value: quantity.unit.symbol, type: 'http://www.opengis.net/def/uom/UCUM/' } },
    }])),
  }
  yield `${JSON.stringify(members).slice(0, -1)},"ranges":{`
  for (const [q, quantity] of quantities.entries()) {
    yield `${q > 0 ? ',' : ''}${JSON.stringify(quantity.name)}:{"type":"NdArray","dataType":"float","axisNames":${JSON.stringify(axisNames)},"shape":${JSON.stringify(shape)},"values":[`
    for (const [t, time] of (isOneTime(query) ? times.slice(0, 1) : times).entries()) {
      const numbers = await values(quantity.name, time)
      for (let from = 0; from < numbers.length; from += SLICE) {
        yield `${t > 0 || from > 0 ? ',' : ''}${texts(numbers.subarray(from, from + SLICE))}`
        await breathe()
      }
    }
    yield ']}'
  }
  yield '}}'
}

function texts(numbers: Float32Array): string {
  const parts = new Array<string>(numbers.length)
  for (let i = 0; i < numbers.length; i++) {
    const value = numbers[i]!
    parts[i] = value !== value ? 'null' : textOf(Math.round(value * 1000))
  }
  return parts.join(',')
}

/** Millimetres as metres. Depths are few and come again and again. */
function textOf(mm: number): string {
  return mm >= 0 && mm < DEPTHS.length ? (DEPTHS[mm] ??= String(mm / 1000)) : String(mm / 1000 || 0)
}
const DEPTHS = new Array<string | undefined>(1 << 16)

function axesOf({ domain, times, ...query }: Query): { axisNames: string[]; shape: number[] } {
  if (domain.kind === 'grid') return { axisNames: ['t', 'y', 'x'], shape: [times.length, domain.rows, domain.cols] }
  const series = isOneTime({ domain, times, ...query }) ? { names: [], shape: [] } : { names: ['t'], shape: [times.length] }
  if (domain.form === 'point') return { axisNames: series.names, shape: series.shape }
  return { axisNames: [...series.names, 'composite'], shape: [...series.shape, domain.x.length] }
}

function domainOf(query: Query): unknown {
  const { domain, times, coverage } = query
  const { crs } = domain
  const at = times.map(time => instant(coverage.times[time]!))
  const referencing = [
    { coordinates: crs.axes === 'lat,lon' ? ['y', 'x'] : ['x', 'y'], system: { type: crs.srid === 4326 ? 'GeographicCRS' : 'ProjectedCRS', id: crs.uri } },
    { coordinates: ['t'], system: { type: 'TemporalRS', calendar: 'Gregorian' } },
  ]
  const of = (domainType: string, axes: object) => ({ type: 'Domain', domainType, axes, referencing })
  const t = { values: at }
  const digits = (value: number) => toDigits(value, crs)
  if (domain.kind === 'grid') {
    const axis = (start: number, step: number, num: number) => (num === 1 ? { values: [start] } : { start, stop: start + step * (num - 1), num })
    return of('Grid', { x: axis(domain.x0, domain.dx, domain.cols), y: axis(domain.y0, -domain.dy, domain.rows), t })
  }
  const one = isOneTime(query)
  if (domain.form === 'point') return of(one ? 'Point' : 'PointSeries', { x: { values: [digits(domain.x[0]!)] }, y: { values: [digits(domain.y[0]!)] }, t })
  const tuples = Array.from(domain.x, (x, i) => [digits(x), digits(domain.y[i]!)])
  if (domain.form === 'points' || !one) return of(one ? 'MultiPoint' : 'MultiPointSeries', { composite: { dataType: 'tuple', coordinates: ['x', 'y'], values: tuples }, t })
  const when = (i: number) => (domain.passed ? instant(domain.passed[i]!) : at[0]!)
  return of('Trajectory', { composite: { dataType: 'tuple', coordinates: ['t', 'x', 'y'], values: tuples.map((xy, i) => [when(i), ...xy]) } })
}

/** A coordinate with the decimals that its CRS is worth, and two more: cells are told apart by them. */
export const toDigits = (value: number, { digits }: Crs): number => Number(value.toFixed(digits + 2))
