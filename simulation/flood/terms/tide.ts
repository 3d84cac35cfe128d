/**
 * Tide from harmonic constituents: η(t) = Z0 + Σ f H cos(V(t) + u − G).
 *
 * V is the constituent's astronomical argument at Greenwich, G the Greenwich phase lag (UTC), f and u the slow change
 * with the moon's node over 18.6 years. Mean longitudes: Meeus 1998, Astronomical Algorithms, ch. 22, 25, 47;
 * arguments by Doodson's numbers; f and u: Pugh 1987, Tides, Surges and Mean Sea-Level, table 4:3. Constants belong to a port: none are built in.
 */
import type { Series } from '../forcing.js'

/** Doodson's numbers for τ (lunar time), s (moon), h (sun), p (lunar perigee), then a constant in degrees; whose f and u it has. */
const CONSTITUENTS = {
  Q1: { doodson: [1, -2, 0, 1], shift: 270, node: 'O1' },
  O1: { doodson: [1, -1, 0, 0], shift: 270, node: 'O1' },
  P1: { doodson: [1, 1, -2, 0], shift: 270, node: 'none' },
  K1: { doodson: [1, 1, 0, 0], shift: 90, node: 'K1' },
  N2: { doodson: [2, -1, 0, 1], shift: 0, node: 'M2' },
  M2: { doodson: [2, 0, 0, 0], shift: 0, node: 'M2' },
  S2: { doodson: [2, 2, -2, 0], shift: 0, node: 'none' },
  K2: { doodson: [2, 2, 0, 0], shift: 0, node: 'K2' },
  M4: { doodson: [4, 0, 0, 0], shift: 0, node: 'M4' },
  MS4: { doodson: [4, 2, -2, 0], shift: 0, node: 'M2' },
  Ssa: { doodson: [0, 0, 2, 0], shift: 0, node: 'none' },
  Sa: { doodson: [0, 0, 1, 0], shift: 0, node: 'none' },
} as const

export type ConstituentName = keyof typeof CONSTITUENTS
export const CONSTITUENT_NAMES = Object.keys(CONSTITUENTS) as readonly ConstituentName[]

export interface Constituent {
  readonly name: ConstituentName
  /** H, metres. */
  readonly amplitude: number
  /** G, degrees, Greenwich lag with UTC. */
  readonly phase: number
}

export interface Tide {
  /** Z0, mean sea level above the bed's datum, metres. */
  readonly meanLevel: number
  readonly constituents: readonly Constituent[]
}

/** V, degrees (not reduced to one turn), at a moment in milliseconds since 1970 UTC. */
export function argument(name: ConstituentName, epochMs: number): number {
  const { doodson: [lunarTime, moon, sun, perigee], shift } = CONSTITUENTS[name]
  const { s, h, p, hours } = longitudes(epochMs)
  const tau = 15 * hours - s + h
  return lunarTime * tau + moon * s + sun * h + perigee * p + shift
}

/** f and u (degrees) at a moment. */
export function nodalFactor(name: ConstituentName, epochMs: number): { readonly f: number, readonly u: number } {
  const N = longitudes(epochMs).N * Math.PI / 180, cos = Math.cos(N), sin = Math.sin(N)
  switch (CONSTITUENTS[name].node) {
    case 'O1': return { f: 1.009 + 0.187 * cos, u: 10.8 * sin }
    case 'K1': return { f: 1.006 + 0.115 * cos, u: -8.9 * sin }
    case 'M2': return { f: 1 - 0.037 * cos, u: -2.1 * sin }
    case 'M4': return { f: (1 - 0.037 * cos) ** 2, u: -4.2 * sin }
    case 'K2': return { f: 1.024 + 0.286 * cos, u: -17.7 * sin }
    case 'none': return { f: 1, u: 0 }
  }
}

/** Level, metres above the bed's datum, at a moment in milliseconds since 1970 UTC. */
export function tideLevel(tide: Tide, epochMs: number): number {
  let level = tide.meanLevel
  for (const { name, amplitude, phase } of tide.constituents) {
    const { f, u } = nodalFactor(name, epochMs)
    level += f * amplitude * Math.cos((argument(name, epochMs) + u - phase) * Math.PI / 180)
  }
  return level
}

/**
 * Level as a stage for a run: `seconds` long from `startMs`, a value every `everySeconds` (10 minutes err by 0.1 % of a
 * semi-diurnal amplitude between values), the surge of the same moment added.
 */
export function tideSeries(tide: Tide, startMs: number, seconds: number, everySeconds = 600, surge: (second: number) => number = () => 0): Series {
  checkTide(tide)
  if (!Number.isFinite(startMs)) throw new Error('The tide needs the moment at which the run starts.')
  if (!(seconds >= 0 && everySeconds > 0 && seconds / everySeconds <= 1e6)) throw new Error(`A tide of ${seconds} s with a value every ${everySeconds} s cannot be made.`)
  const times = Array.from({ length: Math.ceil(seconds / everySeconds) + 1 }, (_, i) => Math.min(seconds, i * everySeconds))
  return { times, values: times.map(second => tideLevel(tide, startMs + second * 1000) + surge(second)) }
}

/** Surge as a bell about its peak: height e^{−½((t−peak)/σ)²}, where the bell is half as high `halfWidthSeconds` from the peak. A synthetic shape. */
export function bellSurge(height: number, peakSecond: number, halfWidthSeconds: number): (second: number) => number {
  if (!(Number.isFinite(height) && Number.isFinite(peakSecond) && halfWidthSeconds > 0)) throw new Error('A surge needs a height, the second of its peak and a half-width above 0 s.')
  return second => height * 2 ** -(((second - peakSecond) / halfWidthSeconds) ** 2)
}

export function checkTide({ meanLevel, constituents }: Tide): void {
  if (!Number.isFinite(meanLevel)) throw new Error(`The mean sea level must be a number of metres, not ${meanLevel}.`)
  const seen = new Set<string>()
  for (const { name, amplitude, phase } of constituents) {
    if (!Object.hasOwn(CONSTITUENTS, name)) throw new Error(`The constituent “${name}” is not known; known are ${CONSTITUENT_NAMES.join(', ')}.`)
    if (seen.has(name)) throw new Error(`The constituent ${name} is given twice.`)
    seen.add(name)
    if (!(amplitude >= 0 && Number.isFinite(amplitude) && Number.isFinite(phase))) throw new Error(`${name} needs an amplitude of 0 m or more and a phase in degrees, not ${amplitude} and ${phase}.`)
  }
}

/** Mean longitudes of moon s, sun h, lunar perigee p, its ascending node N, degrees; hours since a midnight UTC. */
function longitudes(epochMs: number) {
  const days = epochMs / 86_400_000
  const centuries = (days - 10957.5) / 36525 // since 2000-01-01 12:00
  return {
    s: 218.3164477 + 481267.88123421 * centuries,
    h: 280.46646 + 36000.76983 * centuries,
    p: 83.3532465 + 4069.0137287 * centuries,
    N: 125.0445479 - 1934.1362891 * centuries,
    hours: days * 24,
  }
}
