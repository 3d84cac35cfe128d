import t from 'tap'
import { stepwise } from '../forcing.js'
import { filled } from '../grid.js'
import { createSolver } from '../local-inertial.js'
import { alternatingBlockStorm, chicagoStorm, meanIntensity, stormDepth } from './storm.js'

/** Fitted for Cần Thơ (Huynh et al. 2022, Earth 3, 866). */
const formula = { A: 9594, C: 0.5, b: 26, n: 0.96 }

t.test('the formula, from l/s/ha to mm/h', t => {
  // 9594 × 1.5 / 86^0.96 = 200.0 l/s/ha
  const byHand = 9594 * (1 + 0.5 * 1) / Math.exp(0.96 * Math.log(86))
  t.ok(Math.abs(meanIntensity(formula, 60, 10) / 0.36 - byHand) < 1e-9)
  t.ok(Math.abs(byHand - 200) < 0.1, `${byHand} l/s/ha`)
  t.ok(Math.abs(stormDepth(formula, 180, 10) - 3 * meanIntensity(formula, 180, 10)) < 1e-12)
  t.equal(meanIntensity(formula, 60, 1), 0.36 * 9594 / 86 ** 0.96, 'P = 1: lg P is 0')
  t.end()
})

/** Most rain in any window of the length, mm. */
function heaviest(storm: ReturnType<typeof chicagoStorm>, minutes: number): number {
  const rain = stepwise(storm), end = storm.times.at(-1)!
  let most = 0
  for (let from = 0; from + minutes * 60 <= end; from += 60) most = Math.max(most, rain.between(from, from + minutes * 60) / 3600)
  return most
}

for (const [name, make] of [
  ['Chicago', (blockMinutes: number) => chicagoStorm({ formula, years: 10, minutes: 180, blockMinutes }, 0.4)],
  ['alternating blocks', (blockMinutes: number) => alternatingBlockStorm({ formula, years: 10, minutes: 180, blockMinutes })],
] as const) {
  t.test(`${name}: holds the formula's depth, whole and in the middle`, t => {
    for (const block of [1, 5, 15, 180]) {
      const storm = make(block)
      t.equal(storm.values.at(-1), 0, 'it ends')
      const depth = stepwise(storm).between(0, 180 * 60) / 3600
      t.ok(Math.abs(depth - stormDepth(formula, 180, 10)) < 1e-9, `${depth} mm in blocks of ${block} min`)
    }
    const storm = make(5)
    for (const minutes of [15, 25, 60, 120, 175]) {
      const most = heaviest(storm, minutes), formulas = stormDepth(formula, minutes, 10)
      t.ok(most <= formulas * (1 + 1e-9) && most > 0.97 * formulas, `${minutes} min: ${most} mm, formula ${formulas} mm`)
    }
    const top = storm.values.indexOf(Math.max(...storm.values))
    for (let i = 1; i < storm.values.length; i++) t.ok(i <= top ? storm.values[i]! >= storm.values[i - 1]! : storm.values[i]! <= storm.values[i - 1]!)
    t.end()
  })
}

t.test('Chicago: the peak stands where it should, with the intensity of Keifer & Chu beside it', t => {
  const storm = chicagoStorm({ formula, years: 10, minutes: 180, blockMinutes: 1 }, 0.4)
  const top = Math.max(...storm.values)
  t.ok([71, 72].includes(storm.values.indexOf(top)), '0.4 of 180 minutes')
  const a = 0.36 * 9594 * 1.5, { b, n } = formula
  const keiferChu = (fromPeak: number, share: number) => a * ((1 - n) * fromPeak / share + b) / (fromPeak / share + b) ** (n + 1)
  t.ok(Math.abs(storm.values[40]! / keiferChu(72 - 40.5, 0.4) - 1) < 1e-3)
  t.ok(Math.abs(storm.values[120]! / keiferChu(120.5 - 72, 0.6) - 1) < 1e-3)
  t.end()
})

t.test('alternating blocks go right and left of the middle', t => {
  const { values } = alternatingBlockStorm({ formula, years: 10, minutes: 50, blockMinutes: 10 })
  const order = values.slice(0, 5).map(value => [...values].sort((a, b) => b - a).indexOf(value))
  t.same(order, [4, 2, 0, 1, 3])
  const even = alternatingBlockStorm({ formula, years: 10, minutes: 40, blockMinutes: 10 }).values
  t.same(even.slice(0, 4).map(value => [...even].sort((a, b) => b - a).indexOf(value)), [2, 0, 1, 3])
  t.end()
})

t.test('what cannot be is refused', t => {
  const storm = { formula, years: 10, minutes: 180, blockMinutes: 5 }
  t.throws(() => chicagoStorm(storm, 1), /peak/)
  t.throws(() => chicagoStorm({ ...storm, blockMinutes: 7 }, 0.4), /whole number of blocks/)
  t.throws(() => alternatingBlockStorm({ ...storm, formula: { ...formula, n: 1.5 } }), /beyond 52 minutes/)
  t.throws(() => meanIntensity(formula, 0, 10), /duration/)
  t.throws(() => meanIntensity({ ...formula, A: NaN }, 60, 10), /A and n above 0/)
  t.throws(() => meanIntensity(formula, 60, 0.001), /no rain/)
  t.end()
})

t.test('a solver rains the storm to the last drop', t => {
  const grid = { rows: 5, cols: 8, cell: 10, origin: [0, 50] as const }
  const solver = createSolver({ grid, bed: filled(grid, 1), manning: filled(grid, 0.03) }, { rain: chicagoStorm({ formula, years: 10, minutes: 60, blockMinutes: 5 }, 0.4) })
  while (solver.time < 7200) solver.step(7200)
  const { rain, stored, error } = solver.balance()
  const volume = stormDepth(formula, 60, 10) / 1000 * 40 * 100
  t.ok(Math.abs(rain - volume) < 1e-9 * volume && Math.abs(stored - volume) < 1e-9 * volume && error < 1e-10, `${rain} m³ fell, ${stored} m³ stand, the formula has ${volume} m³`)
  t.end()
})
