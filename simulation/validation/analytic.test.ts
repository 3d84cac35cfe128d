import t from 'tap'
import { GRAVITY as g } from '../flood/local-inertial.js'
import { BUMP, MACDONALD, bumpSubcritical, bumpTranscritical, bumpWithJump, critical, ritter, root, stoker, thackerPlanar, thackerRadial, type State } from './analytic.js'

/** |∂h/∂t + ∂(hu)/∂x + …| and |∂u/∂t + u ∂u/∂x + g ∂(z + h)/∂x| by central differences; `radius` adds hu/r. */
function residuals(at: (x: number, t: number) => State, bed: (x: number) => number, x: number, time: number, radius = Infinity) {
  const dx = 1e-4 * Math.max(1, Math.abs(x)), dt = 1e-5 * Math.max(1, time)
  const overX = (f: (s: State, x: number) => number) => (f(at(x + dx, time), x + dx) - f(at(x - dx, time), x - dx)) / (2 * dx)
  const overT = (f: (s: State) => number) => (f(at(x, time + dt)) - f(at(x, time - dt))) / (2 * dt)
  const here = at(x, time)
  return {
    mass: Math.abs(overT(s => s.h) + overX(s => s.h * s.u) + here.h * here.u / radius),
    momentum: Math.abs(overT(s => s.u) + here.u * overX(s => s.u) + g * overX((s, place) => s.h + bed(place))),
  }
}

t.test('Ritter satisfies the equations inside the wave, and keeps its water', async t => {
  for (const x of [-150, -40, 0, 100, 300]) {
    const { mass, momentum } = residuals((x, t) => ritter(10, x, t), () => 0, x, 20)
    t.ok(mass < 1e-6 && momentum < 1e-6, `x ${x}: ${mass}, ${momentum}`)
  }
  let volume = 0
  for (let x = -499.5; x < 500; x++) volume += ritter(10, x, 20).h
  t.ok(Math.abs(volume - 5000) < 0.1, `${volume} m²`)
  t.ok(Math.abs(ritter(10, 0, 7).h - 40 / 9) < 1e-12, '4/9 of the depth at the dam, for ever')
})

t.test('Stoker: published middle states, and the shock conditions at the bore', async t => {
  // With g = 9.80665 in place of 9.81 depths are the same and speeds 1.7e-4 less.
  for (const [hR, hm, um, bore] of [[1, 3.9617, 7.3408, 9.8193], [2, 5.0787, 5.6921, 9.3898]] as const) {
    const wave = stoker(10, hR), { h, u } = wave.middle
    t.ok(Math.abs(h - hm) < 1e-4 && Math.abs(u / um - 1) < 3e-4 && Math.abs(wave.bore / bore - 1) < 3e-4, `${h} m, ${u} m/s, bore ${wave.bore} m/s`)
    t.ok(Math.abs(wave.bore * (h - hR) - h * u) < 1e-9, 'mass')
    t.ok(Math.abs(wave.bore * h * u - (h * u * u + g / 2 * (h * h - hR * hR))) < 1e-9, 'momentum')
    t.same(wave.at(wave.bore * 30 + 1e-6, 30), { h: hR, u: 0 })
  }
})

t.test('bump: one head, critical at the crest, equal force at the jump', async t => {
  const sub = bumpSubcritical(4.42, 2), head = (x: number) => BUMP.bed(x) + sub.h(x) + 4.42 ** 2 / (2 * g * sub.h(x) ** 2)
  t.ok(Math.abs(sub.h(24) - 2) < 1e-9 && Math.abs(head(10) - head(1)) < 1e-9 && Math.abs(head(9) - head(20)) < 1e-9)
  const trans = bumpTranscritical(1.53)
  t.ok(Math.abs(trans.outlet - 0.40578) < 1e-4 && Math.abs(trans.h(1) - 1.01445) < 1e-4, `outlet ${trans.outlet}, inlet ${trans.h(1)}`)
  t.ok(Math.abs(trans.h(10) - critical(1.53)) < 1e-6)
  const jump = bumpWithJump(0.18, 0.33)
  t.ok(Math.abs(jump.jump - 11.6657) < 1e-3 && Math.abs(jump.h(1) - 0.41374) < 1e-4, `jump at ${jump.jump}, inlet ${jump.h(1)}`)
  const force = (h: number) => 0.18 ** 2 / h + g * h * h / 2
  t.ok(Math.abs(force(jump.h(jump.jump - 1e-9)) - force(jump.h(jump.jump + 1e-9))) < 1e-6)
  t.ok(jump.h(jump.jump - 1e-6) < critical(0.18) && jump.h(jump.jump + 1e-6) > critical(0.18))
})

t.test('MacDonald: published levels; bed, gravity and friction in balance', async t => {
  const { bed, h, q, n } = MACDONALD
  // Published with g = 9.81, which lifts the head of the channel by 2.7 mm.
  t.ok(Math.abs(bed(2.5) + 0.0027 - 6.924) < 5e-4 && Math.abs(bed(2.5) + h(2.5) + 0.0027 - 7.672) < 5e-4, `z ${bed(2.5)}, η ${bed(2.5) + h(2.5)}`)
  for (const x of [100, 400, 500, 700, 950]) {
    const over = (f: (x: number) => number) => (f(x + 0.01) - f(x - 0.01)) / 0.02
    const balance = over(x => q * q / h(x) + g * h(x) ** 2 / 2) + g * h(x) * over(bed) + g * n * n * q * q / h(x) ** (7 / 3)
    t.ok(Math.abs(balance) < 1e-6, `x ${x}: ${balance}`)
  }
})

t.test('Thacker: both satisfy the equations, start at rest and come back', async t => {
  const canal = thackerPlanar({ D0: 4, L: 10, A: 2 })
  for (const [x, time] of [[0, 1], [5, 3], [-6, 8], [2, 10]] as const) {
    const { mass, momentum } = residuals(canal.at, canal.bed, x, time)
    t.ok(mass < 1e-5 && momentum < 1e-5, `canal ${x}, ${time}: ${mass}, ${momentum}`)
  }
  const mound = thackerRadial({ D0: 1000, L: 2500, R0: 2000 })
  for (const [r, time] of [[300, 10], [1200, 25], [1800, 40]] as const) {
    const { mass, momentum } = residuals(mound.at, mound.bed, r, time, r)
    t.ok(mass < 1e-3 && momentum < 1e-4, `mound ${r}, ${time}: ${mass}, ${momentum}`)
  }
  for (const wave of [canal, mound]) {
    t.equal(Math.abs(wave.at(3, 0).u), 0)
    t.ok(Math.abs(wave.at(3, wave.period).h / wave.at(3, 0).h - 1) < 1e-12)
  }
  t.ok(Math.abs(mound.at(1999, 0).h) < 2 && mound.at(2001, 0).h === 0, 'the shore is at R₀')
})

t.test('a root is found or refused', async t => {
  t.ok(Math.abs(root(0, 2, x => x * x - 2) - Math.SQRT2) < 1e-15)
  t.throws(() => root(2, 3, x => x * x - 2), /same sign/)
})
