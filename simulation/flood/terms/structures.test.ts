import t from 'tap'
import { GRAVITY } from '../local-inertial.js'
import {
  checkCulvert, checkDikeBreach, checkLinearBreach, checkPump, checkWeir, culvertDischarge, froehlichBreach, growDikeBreach, limitTransfer, linearBreach, manholeExchange, powered, pumpDischarge, pumpRuns,
  relaxExchange, weirDischarge, type Culvert, type DikeBreach, type Pump,
} from './structures.js'

const near = (a: number, b: number, tolerance = 1e-12) => Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b))

t.test('weir: free, drowned, turned', t => {
  const weir = { crest: 2, width: 10, coefficient: 1.7 }
  t.equal(weirDischarge(weir, 1.9, 0), 0, 'below the crest')
  t.ok(near(weirDischarge(weir, 2.25, 1), 1.7 * 10 * 0.125), 'free: H^1.5 = 0.125')
  t.equal(weirDischarge(weir, 2.25, 2), weirDischarge(weir, 2.25, -5), 'a tailwater at the crest takes nothing')
  // h/H = 0.5: (1 − 0.35355)^0.385 = 0.84535
  t.ok(near(weirDischarge(weir, 3, 2.5), 17 * 0.84536, 1e-4))
  t.equal(weirDischarge(weir, 3, 3), 0, 'level')
  for (const [a, b] of [[2.5, 1], [3, 2.7], [2.1, 2.09]] as const) t.equal(weirDischarge(weir, a, b), -weirDischarge(weir, b, a))
  let last = Infinity
  for (let tail = 1.5; tail <= 3; tail += 0.05) {
    const flow = weirDischarge(weir, 3, tail)
    if (flow > last) t.fail(`more flow at a tailwater of ${tail}`)
    last = flow
  }
  t.end()
})

t.test('two basins over a weir: nothing is made or lost, and they come to rest level', t => {
  const weir = { crest: 1, width: 5, coefficient: 1.7 }
  const [areaA, areaB, dt] = [200, 300, 1]
  let volumeA = 600, volumeB = 0
  for (let i = 0; i < 20_000; i++) {
    const above = Math.max(0, volumeA - areaA), aboveB = Math.max(0, volumeB - areaB)
    const flow = limitTransfer(weirDischarge(weir, volumeA / areaA, volumeB / areaB), dt, above, aboveB)
    volumeA -= flow * dt
    volumeB += flow * dt
  }
  t.ok(Math.abs(volumeA + volumeB - 600) < 1e-9)
  t.ok(Math.abs(volumeA / areaA - 600 / 500) < 0.02 && Math.abs(volumeB / areaB - 600 / 500) < 0.02, `${volumeA / areaA} m and ${volumeB / areaB} m`)
  t.same([limitTransfer(5, 10, 20, 0), limitTransfer(-5, 10, 20, 0), limitTransfer(1, 10, 20, 0)].map(q => q + 0), [2, 0, 1])
  t.end()
})

t.test('breach: Froehlich for a dam, linear in time', t => {
  // V 10⁶ m³, h 10 m: B = 0.27 · 1.3 · 10^1.92 · 10^0.04 = 0.351 · 10^1.96 = 32.01 m; t = 63.2 √(10⁶ / 980.665) = 2018 s.
  const { width, formation } = froehlichBreach(1e6, 10, 'overtopping')
  t.ok(near(width, 0.351 * 10 ** 1.96))
  t.ok(Math.abs(formation - 2018.2) < 0.2, `${formation} s`)
  t.ok(near(froehlichBreach(1e6, 10, 'piping').width * 1.3, width))
  const breach = { crest: 12, lowest: 2, finalWidth: 32, start: 100, formation: 2000 }
  t.same([0, 100, 1100, 2100, 9999].map(time => linearBreach(breach, time)),
    [{ crest: 12, width: 0 }, { crest: 12, width: 0 }, { crest: 7, width: 16 }, { crest: 2, width: 32 }, { crest: 2, width: 32 }])
  t.throws(() => froehlichBreach(0, 10, 'piping'), /above 0/)
  t.end()
})

t.test('breach: Verheij & van der Knaap for a dike', t => {
  const dike: DikeBreach = { crest: 5, lowest: 1, initialWidth: 10, start: 600, deepening: 600, criticalVelocity: 0.2, widest: 200 }
  t.same(growDikeBreach(dike, 0, 0, 600, 4, 1), { crest: 5, width: 0 }, 'not yet')
  t.same(growDikeBreach(dike, 0, 600, 900, 4, 1), { crest: 3, width: 10 }, 'deepens at its first width')
  t.same(growDikeBreach(dike, 10, 900, 1200, 4, 1), { crest: 1, width: 10 })
  // ΔH 2 m for an hour: B − B0 = 1.3 √g 2^1.5 / 0.2 · log10(1 + 0.04 g 3600 / 0.2) = 57.57 · 3.849 = 221.6 m; clay a third.
  const unbounded = { ...dike, widest: Infinity }
  const exact = 1.3 * Math.sqrt(GRAVITY) * 2 ** 1.5 / 0.2 * Math.log10(1 + 0.04 * GRAVITY * 3600 / 0.2)
  for (const steps of [1, 7, 3600]) {
    let width = 10
    for (let i = 0; i < steps; i++) width = growDikeBreach(unbounded, width, 1200 + i * 3600 / steps, 1200 + (i + 1) * 3600 / steps, 4, 2).width
    t.ok(near(width, 10 + exact, 1e-10), `${steps} steps: ${width} m`)
  }
  t.ok(Math.abs(exact - 221.6) < 0.2, `${exact} m`)
  t.equal(growDikeBreach(dike, 10, 1200, 4800, 4, 2).width, 200, 'its limit')
  t.equal(growDikeBreach(dike, 80, 2000, 4800, 3, 3).width, 80, 'level water erodes nothing')
  t.equal(growDikeBreach(unbounded, 10, 1200, 4800, 3, -9).width, growDikeBreach(unbounded, 10, 1200, 4800, 3, 1).width, 'a fall below the gap adds nothing')
  t.equal(growDikeBreach(unbounded, 10, 1200, 4800, 2, 4).width, growDikeBreach(unbounded, 10, 1200, 4800, 4, 2).width, 'from either side')
  t.end()
})

const culvert: Culvert = {
  shape: { type: 'circle', diameter: 1 }, barrels: 1, length: 20, manning: 0.013, invertFrom: 0, invertTo: 0,
  orificeCoefficient: 0.6, weirCoefficient: 1.7, entranceLoss: 0.5, flap: false,
}
const box: Culvert = { ...culvert, shape: { type: 'box', width: 2, height: 1 } }

t.test('culvert: each control where it rules', t => {
  t.ok(near(culvertDischarge({ ...box, length: 0 }, 0.4, -1), 1.7 * 2 * 0.4 ** 1.5), 'a trickle into a short box: weir')
  t.ok(near(culvertDischarge({ ...box, length: 0 }, 3, -1), 0.6 * 2 * Math.sqrt(2 * GRAVITY * 2.5)), 'a drowned inlet with a free outlet: orifice on its middle')
  t.ok(near(culvertDischarge({ ...culvert, length: 0 }, 3, 2.5), 0.6 * Math.PI / 4 * Math.sqrt(2 * GRAVITY * 0.5)), 'drowned at both ends: orifice on the difference')
  const losses = 1.5 + 2 * GRAVITY * 0.024 ** 2 * 100 / 0.25 ** (4 / 3)
  t.ok(near(culvertDischarge({ ...culvert, length: 100, manning: 0.024 }, 3, 2.5), Math.PI / 4 * Math.sqrt(2 * GRAVITY * 0.5 / losses)), 'long and rough: friction of the full pipe, R = D/4')
  const boxLosses = 1.5 + 2 * GRAVITY * 0.024 ** 2 * 200 * (6 / 2) ** (4 / 3)
  t.ok(near(culvertDischarge({ ...box, length: 200, manning: 0.024, invertTo: -0.4 }, 3, -2), 2 * Math.sqrt(2 * GRAVITY * (3 - 0.1) / boxLosses)),
    'a full box wets all four sides; a free outlet counts from the middle of its own end')
  t.equal(culvertDischarge({ ...culvert, barrels: 3 }, 2, 1), 3 * culvertDischarge(culvert, 2, 1))
  t.equal(culvertDischarge(culvert, 1, 1), 0)
  t.equal(culvertDischarge(culvert, -0.1, -0.5), 0)
  t.equal(culvertDischarge({ ...culvert, invertTo: 1 }, 0.9, 0), 0, 'the other end stands higher than the water')
  t.end()
})

t.test('culvert: the flap, turning, and no jump anywhere', t => {
  const flapped = { ...culvert, flap: true }
  t.ok(culvertDischarge(flapped, 2, 1) > 0)
  t.equal(culvertDischarge(flapped, 1, 2), 0)
  for (const one of [culvert, box]) {
    t.equal(culvertDischarge(one, 1, 2), -culvertDischarge(one, 2, 1), 'level inverts: the same both ways')
    let steepest = 0, falls = 0
    for (let tail = -0.5; tail < 2; tail += 0.25) for (let level = Math.max(tail, -0.1); level < 4; level += 1e-3) {
      const rise = culvertDischarge(one, level + 1e-3, tail) - culvertDischarge(one, level, tail)
      // From level water the discharge starts as a root, which is steep and no jump.
      if (level - tail > 0.02) steepest = Math.max(steepest, Math.abs(rise))
      if (rise < 0) falls = Math.max(falls, -rise)
    }
    t.ok(steepest < 0.05, `the greatest change over 1 mm is ${steepest} m³/s`)
    t.ok(falls < 0.01, `and the greatest fall ${falls} m³/s`)
  }
  t.end()
})

t.test('pump: rating, levels, power', t => {
  const pump: Pump = { heads: [0, 2, 4], discharges: [3, 2, 0.5], startLevel: 1.2, stopLevel: 0.4 }
  checkPump(pump)
  t.same([-1, 0, 1, 2, 3, 4, 4.01].map(head => pumpDischarge(pump, 1, 1 + head)), [3, 3, 2.5, 2, 1.25, 0.5, 0])
  let runs = false
  const course = [0.5, 1.1, 1.2, 0.8, 0.41, 0.4, 0.8, 1.3].map(level => runs = pumpRuns(pump, runs, level, true))
  t.same(course, [false, false, true, true, true, false, false, true], 'starts high, stops low, not between')
  const outages = [{ from: 100, to: 200 }]
  t.same([99, 100, 199, 200].map(time => powered(outages, time)), [true, false, false, true])
  t.equal(pumpRuns(pump, true, 2, false), false, 'without power it stands')
  t.equal(pumpRuns(pump, false, 0.8, true), false, 'and does not start again by itself between its levels')
  t.throws(() => checkPump({ ...pump, heads: [0, 0, 1] }), /ascend/)
  t.throws(() => checkPump({ ...pump, discharges: [1, 2, 0] }), /must not rise/)
  t.throws(() => checkPump({ ...pump, discharges: [1] }), /as many/)
  t.throws(() => checkPump({ ...pump, startLevel: 0.1 }), /start/)
  t.end()
})

t.test('manhole: weir, drowned weir, orifice, and out again', t => {
  const manhole = { lid: 10, area: 0.5 }
  const w = 2 * Math.sqrt(Math.PI * 0.5)
  t.equal(manholeExchange(manhole, 8, 9.9), 0, 'a dry street and a low pipe')
  t.ok(near(manholeExchange(manhole, 8, 10.1), -2 / 3 * 0.54 * w * Math.sqrt(2 * GRAVITY) * 0.1 ** 1.5))
  t.ok(near(manholeExchange(manhole, 10.05, 10.1), -0.056 * w * 0.1 * Math.sqrt(2 * GRAVITY * 0.1)))
  t.ok(near(manholeExchange(manhole, 10.1, 10.5), -0.167 * 0.5 * Math.sqrt(2 * GRAVITY * 0.4)), 'deeper than A/w = 0.2 m')
  t.ok(near(manholeExchange(manhole, 11, 10.5), 0.167 * 0.5 * Math.sqrt(2 * GRAVITY * 0.5)), 'out of the pipe')
  t.ok(near(manholeExchange(manhole, 11, 9), 0.167 * 0.5 * Math.sqrt(2 * GRAVITY)), 'onto a dry street: against the lid')
  t.equal(manholeExchange(manhole, 10, 9), 0, 'at the lid')
  t.equal(manholeExchange(manhole, 10.5, 10.5), 0, 'level')
  t.end()
})

t.test('a relaxed exchange comes to the new one, halved where it turns', t => {
  t.ok(near(relaxExchange(1, 2), 1.8))
  t.ok(near(relaxExchange(1, -1), -0.3), '1 − 1.6 = −0.6, halved')
  let flow = 5
  for (let i = 0; i < 40; i++) flow = relaxExchange(flow, -2)
  t.ok(near(flow, -2))
  t.end()
})

t.test('what cannot be is refused', t => {
  const weir = { crest: 1, width: 5, coefficient: 1.7 }
  const dam = { crest: 12, lowest: 2, finalWidth: 32, start: 100, formation: 2000 }
  const dike: DikeBreach = { crest: 5, lowest: 1, initialWidth: 10, start: 600, deepening: 600, criticalVelocity: 0.2, widest: 200 }
  for (const check of [() => checkWeir(weir), () => checkLinearBreach(dam), () => checkDikeBreach(dike), () => checkCulvert(culvert), () => checkCulvert(box)]) t.doesNotThrow(check)
  t.throws(() => checkWeir({ ...weir, crest: NaN }), /crest level/)
  t.throws(() => checkWeir({ ...weir, width: 0 }), /width of a weir must be above 0/)
  t.throws(() => checkLinearBreach({ ...dam, lowest: 12 }), /below the crest/)
  t.throws(() => checkLinearBreach({ ...dam, formation: 0 }), /formation time/)
  t.throws(() => checkLinearBreach({ ...dam, start: NaN }), /second at which/)
  t.throws(() => checkDikeBreach({ ...dike, lowest: 6 }), /below the crest/)
  t.throws(() => checkDikeBreach({ ...dike, deepening: -1 }), /to deepen/)
  t.throws(() => checkDikeBreach({ ...dike, criticalVelocity: 0 }), /critical velocity/)
  t.throws(() => checkDikeBreach({ ...dike, widest: 5 }), /narrower/)
  t.throws(() => checkCulvert({ ...culvert, shape: { type: 'circle', diameter: -1 } }), /diameter/)
  t.throws(() => checkCulvert({ ...box, shape: { type: 'box', width: 1, height: NaN } }), /height/)
  t.throws(() => checkCulvert({ ...culvert, barrels: 1.5 }), /barrels/)
  t.throws(() => checkCulvert({ ...culvert, manning: 0 }), /Manning/)
  t.throws(() => checkCulvert({ ...culvert, invertTo: Infinity }), /both ends/)
  t.throws(() => checkCulvert({ ...culvert, entranceLoss: -0.5 }), /entrance loss/)
  t.end()
})
