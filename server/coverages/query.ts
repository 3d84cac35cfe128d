/** A request come to its end: what is told of which coverage, where and when. */
import type { Localized } from '../../layers/layer.js'
import { badParameter } from '../errors.js'
import type { Interval } from '../ogc/common/time.js'
import type { Coverage, Quantity, ValuesAt } from './coverage.js'
import { placesOf, type Domain } from './domain.js'
import { nearMisses } from '../../core/text.js'

export interface Query {
  readonly coverage: Coverage
  readonly quantities: readonly Quantity[]
  /** Which of the coverage's times, ascending. */
  readonly times: readonly number[]
  readonly domain: Domain
  /** Heights between which the ground of an elevation counts, metres. */
  readonly levels?: readonly [least: number, greatest: number]
  /** What the places are together, for a person: an address. */
  readonly name?: string
  /** The address that was asked, for formats that say where more is to be had. */
  readonly endpoint: string
}

/** The values of a query, those outside its shape or levels as NaN. A way with times has all its times in one. */
export async function valuesOf({ coverage, domain, levels }: Query): Promise<ValuesAt> {
  const read = await coverage.open(placesOf(domain))
  const masked = async (name: string, time: number) => {
    const values = await read(name, time)
    if (domain.kind === 'grid' && domain.inside) for (let i = 0; i < values.length; i++) if (!domain.inside[i]) values[i] = NaN
    if (levels) for (let i = 0; i < values.length; i++) if (!(values[i]! >= levels[0] && values[i]! <= levels[1])) values[i] = NaN
    return values
  }
  if (domain.kind === 'grid' || !domain.passed) return masked
  const nearest = Array.from(domain.passed, at => nearestTime(coverage.times, at))
  return async name => {
    const result = new Float32Array(nearest.length).fill(NaN)
    for (const time of new Set(nearest)) {
      if (time < 0) continue
      const values = await masked(name, time)
      nearest.forEach((index, i) => { if (index === time) result[i] = values[i]! })
    }
    return result
  }
}

/** Of one time only: what is passed at its own times, or known at one. */
export const isOneTime = ({ times, domain }: Query): boolean => times.length === 1 || (domain.kind === 'points' && domain.passed !== undefined)

/** The index of the time nearest to an instant within the coverage's span; −1 outside it. */
function nearestTime(times: readonly number[], at: number): number {
  if (times.length > 1 && (at < times[0]! || at > times.at(-1)!)) return -1
  return times.reduce((best, time, i) => (Math.abs(time - at) < Math.abs(times[best]! - at) ? i : best), 0)
}

/** Indices of the times of an interval; of an instant within the span the one nearest to it. Empty where there is none. */
export function timesIn({ times }: Coverage, interval: Interval | undefined): number[] {
  if (!interval) return times.map((_, i) => i)
  const [start, end] = [interval.start?.getTime() ?? -Infinity, interval.end?.getTime() ?? Infinity]
  if (start !== end) return times.flatMap((time, i) => (time >= start && time <= end ? [i] : []))
  const nearest = nearestTime(times, start)
  return nearest < 0 ? [] : [nearest]
}

/** The quantities of a comma-separated list, in its order; all where none is named. Throws a Problem for an unknown one. */
export function quantitiesOf({ quantities, id }: Coverage, names: readonly string[] | undefined, parameter: string): readonly Quantity[] {
  if (names === undefined || names.length === 0) return quantities
  return [...new Set(names)].map(name => {
    const found = quantities.find(quantity => quantity.name === name)
    if (found) return found
    const all = quantities.map(quantity => quantity.name)
    const [near] = nearMisses(name, all)
    throw badParameter(parameter, `${id} has no parameter “${name.slice(0, 60)}”.${near ? ` Did you mean “${near}”?` : ''} It has ${all.join(', ')}.`)
  })
}

/** To the millimetre, as frames are kept. */
export const rounded = (value: number): number => Math.round(value * 1000) / 1000 || 0

export const instant = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z')

export const both = ({ vi, en }: Localized) => ({ en, vi })
