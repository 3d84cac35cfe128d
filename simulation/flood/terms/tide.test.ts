import t from 'tap'
import { argument, bellSurge, CONSTITUENT_NAMES, nodalFactor, tideLevel, tideSeries, type ConstituentName } from './tide.js'

const HOUR = 3.6e6
const wrap = (degrees: number) => ((degrees + 180) % 360 + 360) % 360 - 180

t.test('every constituent has its published speed', t => {
  // Degrees per hour, Schureman 1958 (US C&GS SP 98), table 2.
  const speeds: Record<ConstituentName, number> = {
    Q1: 13.3986609, O1: 13.9430356, P1: 14.9589314, K1: 15.0410686, N2: 28.4397295, M2: 28.9841042, S2: 30, K2: 30.0821373,
    M4: 57.9682084, MS4: 58.9841042, Ssa: 0.0821373, Sa: 0.0410686,
  }
  const from = Date.UTC(2000, 0, 1), hours = 24 * 365
  for (const name of CONSTITUENT_NAMES) {
    const speed = (argument(name, from + hours * HOUR) - argument(name, from)) / hours
    t.ok(Math.abs(speed - speeds[name]) < 2e-7, `${name}: ${speed}`)
  }
  t.end()
})

t.test('the arguments stand where the sky puts them', t => {
  // Mean new moon of 2000-01-06 14:20:37 TT (Meeus, ch. 49: JDE 2451550.09766): sun and moon in line, so M2 and S2 agree.
  const newMoon = (2451550.09766 - 2440587.5) * 24 * HOUR - 64e3
  t.ok(Math.abs(wrap(argument('M2', newMoon) - argument('S2', newMoon))) < 0.1)
  t.equal(wrap(argument('S2', Date.UTC(2022, 9, 14, 12))), 0, 'S2 is highest at noon and midnight at Greenwich')
  // At the mean equinox, h = 0: P1 and K1 differ by half a turn, K2 and S2 by none. 2000-03-22, when the mean sun passes.
  const equinox = Date.UTC(2000, 0, 1, 12) + (360 - 280.46646) / 36000.76983 * 36525 * 24 * HOUR
  t.ok(Math.abs(Math.abs(wrap(argument('K1', equinox) - argument('P1', equinox))) - 180) < 1e-6)
  t.ok(Math.abs(wrap(argument('K2', equinox) - argument('S2', equinox))) < 1e-6)
  // V0 at the start of 2000 (equilibrium arguments, 0 h UTC): h = 279.974, s = 211.728, p = 83.298.
  t.ok(Math.abs(wrap(argument('M2', Date.UTC(2000, 0, 1)) - 2 * (279.974 - 211.728))) < 0.01)
  t.ok(Math.abs(wrap(argument('O1', Date.UTC(2000, 0, 1)) - (279.974 - 2 * 211.728 + 270))) < 0.01)
  t.ok(Math.abs(wrap(argument('K1', Date.UTC(2000, 0, 1)) - (279.974 + 90))) < 0.01)
  t.end()
})

t.test('the node: diurnal tides greatest at the major lunar standstill of 2006, 18.6 years later again; M2 the other way', t => {
  const months = Array.from({ length: 12 * 26 }, (_, month) => Date.UTC(2000, month, 15))
  const year = (moment: number) => 2000 + (moment - Date.UTC(2000, 0, 1)) / (365.25 * 24 * HOUR)
  const extreme = (name: ConstituentName, from: number, to: number, sign: number) =>
    months.filter(m => year(m) >= from && year(m) < to).reduce((a, b) => sign * nodalFactor(name, a).f >= sign * nodalFactor(name, b).f ? a : b)
  for (const name of ['O1', 'K1', 'K2'] as const) {
    t.ok(Math.abs(year(extreme(name, 2000, 2012, 1)) - 2006.46) < 0.1)
    t.ok(Math.abs(year(extreme(name, 2016, 2026, 1)) - 2025.07) < 0.1)
  }
  t.ok(Math.abs(year(extreme('M2', 2000, 2012, -1)) - 2006.46) < 0.1)
  const june2006 = Date.UTC(2006, 5, 19)
  t.ok(Math.abs(nodalFactor('O1', june2006).f - 1.196) < 1e-3)
  t.ok(Math.abs(nodalFactor('O1', june2006).u) < 0.1)
  t.same(nodalFactor('S2', june2006), { f: 1, u: 0 })
  t.end()
})

t.test('f and u are the sum of the nodal satellites of the tidal potential', t => {
  // Amplitude ratios of the lines one N' (= −N) beside the main one, below and above (Foreman 1977, Pacific Marine Science Report 77-10): f e^{iu} = 1 + below e^{iN} + above e^{−iN}.
  const satellites = { M2: [-0.0373, 0], O1: [0.1885, 0], K1: [-0.0198, 0.1356], K2: [-0.0128, 0.298] } as const
  for (const [name, [below, above]] of Object.entries(satellites) as [keyof typeof satellites, readonly [number, number]][]) {
    let worst = 0
    for (let month = 0; month < 12 * 19; month++) {
      const moment = Date.UTC(2000, month, 1)
      const N = (125.0445479 - 1934.1362891 * (moment / 86.4e6 - 10957.5) / 36525) * Math.PI / 180
      const V = argument(name, moment) * Math.PI / 180
      const level = Math.cos(V) + below * Math.cos(V + N) + above * Math.cos(V - N)
      worst = Math.max(worst, Math.abs(level - tideLevel({ meanLevel: 0, constituents: [{ name, amplitude: 1, phase: 0 }] }, moment)))
    }
    t.ok(worst < { M2: 0.005, O1: 0.025, K1: 0.02, K2: 0.06 }[name], `${name}: ${worst} of its amplitude`)
  }
  t.end()
})

t.test('level: amplitude, lag, mean, spring and neap', t => {
  const S2 = { meanLevel: 0.2, constituents: [{ name: 'S2', amplitude: 0.5, phase: 90 }] } as const
  const noon = Date.UTC(2022, 9, 14, 12)
  t.ok(Math.abs(tideLevel(S2, noon + 3 * HOUR) - 0.7) < 1e-9, 'high water 90° = 3 h after noon')
  t.ok(Math.abs(tideLevel(S2, noon + 9 * HOUR) + 0.3) < 1e-9)
  const both = { meanLevel: 0, constituents: [{ name: 'M2', amplitude: 0.3, phase: 0 }, { name: 'S2', amplitude: 0.1, phase: 0 }] } as const
  const greatest = (from: number) => Math.max(...tideSeries(both, from, 25 * 3600).values)
  const newMoon = Date.UTC(2022, 9, 25), quarter = Date.UTC(2022, 9, 17, 12)
  const f = nodalFactor('M2', newMoon).f
  t.ok(Math.abs(greatest(newMoon) - (0.3 * f + 0.1)) < 0.01, 'spring: the sum')
  t.ok(Math.abs(greatest(quarter) - (0.3 * f - 0.1)) < 0.02, 'neap: the difference')
  t.end()
})

t.test('as a stage: ascending times to the end exactly, the surge on top', t => {
  const tide = { meanLevel: 0, constituents: [{ name: 'M2', amplitude: 0.5, phase: 10 }] } as const
  const start = Date.UTC(2025, 9, 22)
  const plain = tideSeries(tide, start, 86_000), surged = tideSeries(tide, start, 86_000, 600, bellSurge(0.8, 43_200, 21_600))
  t.equal(plain.times.at(-1), 86_000)
  t.ok(plain.times.every((time, i) => i === 0 || time > plain.times[i - 1]!))
  const at = (seconds: number) => surged.values[seconds / 600]! - plain.values[seconds / 600]!
  t.ok(Math.abs(at(43_200) - 0.8) < 1e-12)
  t.ok(Math.abs(at(43_200 - 21_600) - 0.4) < 1e-12)
  t.end()
})

t.test('what cannot be is refused', t => {
  const one = (constituent: object) => () => tideSeries({ meanLevel: 0, constituents: [constituent as never] }, 0, 60)
  t.throws(one({ name: 'X9', amplitude: 1, phase: 0 }), /“X9” is not known/)
  t.throws(one({ name: 'toString', amplitude: 1, phase: 0 }), /not known/)
  t.throws(one({ name: 'M2', amplitude: -1, phase: 0 }), /amplitude/)
  t.throws(() => tideSeries({ meanLevel: 0, constituents: [{ name: 'M2', amplitude: 1, phase: 0 }, { name: 'M2', amplitude: 1, phase: 0 }] }, 0, 60), /twice/)
  t.throws(() => tideSeries({ meanLevel: NaN, constituents: [] }, 0, 60), /mean sea level/)
  t.throws(() => tideSeries({ meanLevel: 0, constituents: [] }, NaN, 60), /moment/)
  t.throws(() => bellSurge(1, 0, 0), /half-width/)
  t.end()
})
