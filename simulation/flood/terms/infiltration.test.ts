import t from 'tap'
import { constantInfiltration, curveNumber, greenAmpt, horton, type Infiltration } from './infiltration.js'

const MM = 1e-3, HOUR = 3600

/** Runs a law under rain (mm/h by the hour) with ponding; returns water in, soaked and left, m. */
function rainOn(law: Infiltration, mmPerHour: (hour: number) => number, hours: number, dt: number) {
  let memory = law.initial, ponded = 0, rained = 0, soaked = 0
  for (let step = 0; step < Math.round(hours * HOUR / dt); step++) {
    const rain = mmPerHour(step * dt / HOUR) * MM * dt / HOUR
    const soaks = law.soaks(memory, ponded, rain, dt)
    if (!(soaks >= 0 && soaks <= ponded + rain)) throw new Error(`${soaks} m soaked in of ${ponded + rain} m`)
    memory = law.next(memory, soaks, ponded, rain, dt)
    ponded += rain - soaks
    rained += rain
    soaked += soaks
  }
  return { memory, ponded, rained, soaked }
}

const laws: Record<string, Infiltration> = {
  constant: constantInfiltration({ rateMmPerHour: 12 }),
  horton: horton({ initialRateMmPerHour: 76, finalRateMmPerHour: 13, decayPerHour: 4.14, recoveryPerHour: 0.05 }),
  greenAmpt: greenAmpt({ conductivityMmPerHour: 10.9, suctionMm: 110.1, moistureDeficit: 0.247 }),
  curveNumber: curveNumber({ curveNumber: 80 }),
}

for (const [name, law] of Object.entries(laws)) {
  t.test(`${name}: what falls is soaked in or stands`, t => {
    const { ponded, rained, soaked } = rainOn(law, hour => hour < 1 ? 5 : hour < 2 ? 90 : hour < 4 ? 0 : 30, 6, 30)
    t.ok(Math.abs(rained - soaked - ponded) < 1e-11 * rained)
    t.ok(soaked > 0 && ponded >= 0)
    t.equal(law.soaks(law.initial, 0, 0, 60), 0, 'nothing from nothing')
    t.end()
  })
}

t.test('Horton under ample water is the integral of its curve, whatever the step', t => {
  const [f0, fc, k, hours] = [76, 13, 4.14, 3]
  const exact = (fc * hours + (f0 - fc) / k * (1 - Math.exp(-k * hours))) * MM
  for (const dt of [1, 60, 900]) {
    const { soaked } = rainOn(laws.horton!, () => 500, hours, dt)
    t.ok(Math.abs(soaked / exact - 1) < 1e-10, `${dt} s: ${soaked} m, exact ${exact} m`)
  }
  t.end()
})

t.test('Horton follows the volume: weak rain wears the capacity down only by what soaked in', t => {
  const law = laws.horton!
  const { memory, soaked } = rainOn(law, () => 10, 1, 60)
  t.ok(Math.abs(soaked - 10 * MM) < 1e-12, 'all of it')
  const onCurve = (13 * memory / HOUR + 63 / 4.14 * (1 - Math.exp(-4.14 * memory / HOUR))) * MM
  t.ok(Math.abs(onCurve - soaked) < 1e-12, `the place on the curve holds ${onCurve} m`)
  t.ok(memory < HOUR / 5)
  t.end()
})

t.test('Horton recovers on dry ground as f0 − (f0 − f) e^{−kr t}, whatever the step', t => {
  const law = laws.horton!
  const capacity = (memory: number) => 13 + 63 * Math.exp(-4.14 * memory / HOUR)
  const wet = 2 * HOUR
  for (const steps of [1, 100]) {
    let memory = wet
    for (let i = 0; i < steps; i++) memory = law.next(memory, 0, 0, 0, 24 * HOUR / steps)
    t.ok(Math.abs(capacity(memory) - (76 - (76 - capacity(wet)) * Math.exp(-0.05 * 24))) < 1e-9)
  }
  const never = horton({ initialRateMmPerHour: 76, finalRateMmPerHour: 13, decayPerHour: 4.14, recoveryPerHour: 0 })
  t.equal(never.next(wet, 0, 0, 0, HOUR), wet)
  t.end()
})

t.test('Green-Ampt: the textbook silt loam, and the limits', t => {
  // Chow, Maidment & Mays 1988, example 4.3.1: K 0.65 cm/h, ψ 16.7 cm, Δθ 0.340 (30 % saturated), ponded without depth: F(1 h) = 3.17 cm, f = 1.81 cm/h.
  const K = 6.5, psi = 167, deficit = 0.34
  const law = greenAmpt({ conductivityMmPerHour: K, suctionMm: psi, moistureDeficit: deficit })
  const F = inThinSheets(law, 1, 1)
  t.ok(Math.abs(F - 31.7 * MM) < 0.1 * MM, `${F * 1000} mm`)
  const f = K * (1 + psi * MM * deficit / F)
  t.ok(Math.abs(f - 18.1) < 0.1, `${f} mm/h`)
  t.ok(Math.abs(inThinSheets(law, 2000, 600) / inThinSheets(law, 1000, 600) - 2) < 0.06, 'after long, f → K')
  const dry = greenAmpt({ conductivityMmPerHour: K, suctionMm: 0, moistureDeficit: 0 })
  t.equal(dry.soaks(0, 1, 0, HOUR), K / 3.6e6 * HOUR, 'without suction and deficit it is K')
  // The relation itself, head included.
  for (const [F0, ponded, dt] of [[0, 0.5, 1], [0, 0.5, 86400], [0.02, 0.3, 60], [1, 2, 10]] as const) {
    const x = law.soaks(F0, ponded, 0, dt), S = (psi * MM + ponded) * deficit, taken = K / 3.6e6 * dt
    t.ok(Math.abs(x - S * Math.log1p(x / (F0 + S)) - taken) < 1e-12 * Math.max(1, taken), `F ${F0} m, ${dt} s: ${x} m`)
  }
  t.end()

  /** Soaks for hours with just more than enough water offered at each step, so that the head stays near nothing. */
  function inThinSheets(law: Infiltration, hours: number, dt: number): number {
    let F = 0
    for (let i = 0; i < hours * HOUR / dt; i++) {
      const S = psi * MM * deficit, taken = K / 3.6e6 * dt
      const offered = taken + Math.sqrt(2 * S * taken)
      const thin = law.soaks(F, 0, F > 0 ? Math.min(offered, 1.02 * taken * (1 + S / F)) : offered, dt)
      F = law.next(F, thin, 0, thin, dt)
    }
    return F
  }
})

t.test('curve number: runoff of the whole storm is Q, in any steps; 100 takes nothing', t => {
  // CN 80: S = 63.5 mm; P 100 mm: Q = (100 − 12.7)² / (100 + 50.8) = 50.54 mm.
  for (const dt of [60, 1800, 7200]) {
    const { ponded, rained } = rainOn(laws.curveNumber!, () => 50, 2, dt)
    t.ok(Math.abs(rained - 0.1) < 1e-12)
    t.ok(Math.abs(ponded - 50.5391 * MM) < 1e-6, `${ponded * 1000} mm`)
  }
  t.equal(rainOn(laws.curveNumber!, () => 12.7, 1, 60).ponded < 1e-12, true, 'nothing runs off the first 0.2 S')
  t.equal(curveNumber({ curveNumber: 100 }).soaks(0, 1, 0.05, 60), 0)
  t.equal(laws.curveNumber!.soaks(0.1, 1, 0, 60), 0, 'ponded water stays')
  t.end()
})

t.test('what cannot be is refused', t => {
  t.throws(() => constantInfiltration({ rateMmPerHour: -1 }), /at least 0/)
  t.throws(() => horton({ initialRateMmPerHour: 5, finalRateMmPerHour: 13, decayPerHour: 4, recoveryPerHour: 0 }), /initial rate must be at least 13/)
  t.throws(() => horton({ initialRateMmPerHour: 50, finalRateMmPerHour: 13, decayPerHour: 0, recoveryPerHour: 0 }), /decay must be above 0/)
  t.throws(() => greenAmpt({ conductivityMmPerHour: NaN, suctionMm: 1, moistureDeficit: 0.1 }), /conductivity/)
  t.throws(() => greenAmpt({ conductivityMmPerHour: 1, suctionMm: 1, moistureDeficit: 2 }), /0 to 1/)
  for (const bad of [0, 101, NaN]) t.throws(() => curveNumber({ curveNumber: bad }), /curve number/)
  t.end()
})
