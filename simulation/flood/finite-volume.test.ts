import t from 'tap'
import { filled, type Grid, type Ground } from './grid.js'
import type { Forcing } from './forcing.js'
import { createFiniteVolume, type FiniteVolumeSolver } from './finite-volume.js'
import { GRAVITY as g } from './local-inertial.js'

const ORDERS = [1, 2] as const
const square = (rows: number, cols: number, cell: number): Grid => ({ rows, cols, cell, origin: [0, rows * cell] })

/** Values from a formula of x eastwards and y northwards, metres, at cell centres. */
function shaped(grid: Grid, value: (x: number, y: number) => number): Float64Array {
  return Float64Array.from({ length: grid.rows * grid.cols }, (_, i) =>
    value((i % grid.cols + 0.5) * grid.cell, (grid.rows - Math.floor(i / grid.cols) - 0.5) * grid.cell))
}

/** Index of the cell that holds x, y. */
const at = (grid: Grid, x: number, y: number) => (grid.rows - 1 - Math.floor(y / grid.cell)) * grid.cols + Math.floor(x / grid.cell)

function ground(grid: Grid, bed: Float64Array, more: Partial<Ground> & { n?: number } = {}): Ground {
  return { grid, bed, manning: filled(grid, more.n ?? 0.03), ...more }
}

/** Numbers in 0…1, the same each time (Park & Miller 1988). */
function random(seed: number): () => number {
  return () => (seed = seed * 16807 % 2147483647) / 2147483647
}

function run(solver: FiniteVolumeSolver, until: number, each: () => void = () => {}): FiniteVolumeSolver {
  while (solver.time < until) {
    solver.step(until)
    each()
  }
  return solver
}

const SMOOTH = 1e-9

t.test('a lake stays at rest over any bed, beside any wall and building, at both orders', async t => {
  for (let seed = 1; seed <= 30; seed++) for (const order of ORDERS) {
    const next = random(seed)
    const grid = square(4 + Math.floor(next() * 12), 4 + Math.floor(next() * 12), 0.5 + next() * 20)
    const steep = 10 ** (next() * 3 - 1), level = (next() - 0.5) * steep
    const bed = shaped(grid, () => next() < 0.1 ? NaN : (next() - 0.5) * 2 * steep)
    bed[0] = level - 1
    const depth = bed.map(z => z < level ? level - z : 0)
    const solver = run(createFiniteVolume(ground(grid, bed, { depth, open: shaped(grid, () => 0.05 + 0.95 * next()), n: 0.001 + next() * 0.1 }), {}, { order }), 60)
    let moved = 0, fastest = 0
    solver.forEach((i, h) => {
      moved = Math.max(moved, Math.abs(h - depth[i]!))
      fastest = Math.max(fastest, Math.hypot(...solver.velocityAt(i)))
    })
    const scale = Math.max(1, steep)
    if (!(moved < 1e-12 * scale && fastest < 1e-11 * scale)) t.fail(`seed ${seed}, order ${order}: the surface moved ${moved} m, water ${fastest} m/s`)
  }
  t.pass('60 lakes')
})

t.test('what goes in, stays or is booked as gone: the balance closes to 1e-10, with every term at work', async t => {
  for (const order of ORDERS) {
    const grid = square(30, 30, 20)
    const bed = shaped(grid, (x, y) => x > 280 && x < 320 && y < 200 ? NaN : x / 300 + Math.sin(x / 50) * Math.sin(y / 70))
    const solver = createFiniteVolume(ground(grid, bed, {
      open: filled(grid, 1).map((_, i) => i % 5 === 0 ? 0.25 : 1), infiltration: filled(grid, 4), drains: filled(grid, 6),
    }), {
      rain: { times: [0, 450, 900], values: [60, 120, 0] },
      inflows: [{ name: 'river', cells: [at(grid, 590, 300), at(grid, 590, 320)], shares: [1, 3], discharge: { times: [0, 450, 1800], values: [0, 30, 4] } }],
      stages: [{ name: 'tide', cells: Array.from({ length: 30 }, (_, row) => row * 30), level: { times: [0, 900, 1800], values: [0.2, 0.9, -0.3] } }],
      outflows: [{ name: 'south', cells: Array.from({ length: 10 }, (_, k) => 29 * 30 + 1 + k), slope: 0.001 }],
    }, { order })
    let least = Infinity
    run(solver, 1800, () => solver.forEach((_, h) => { least = Math.min(least, h) }))
    const balance = solver.balance()
    t.ok(balance.error < 1e-10, `order ${order}: relative error ${balance.error}`)
    t.ok(least >= 0, `least depth ${least}`)
    t.equal(Math.round(balance.rain), Math.round(0.0225 * 880 * 400), '7.5 mm + 15 mm of rain on 880 cells of 400 m²')
    t.equal(Math.round(balance.inflow), 450 * 30 / 2 + 1350 * 34 / 2)
    for (const part of ['boundaryIn', 'boundaryOut', 'infiltration', 'drains'] as const) t.ok(balance[part] > 0, `${part} is at work`)
  }
})

t.test('any flood over any bed keeps every depth at 0 or more and loses no water', async t => {
  for (let seed = 1; seed <= 30; seed++) for (const order of ORDERS) {
    const next = random(seed + 100)
    const grid = square(10, 12, 0.5 + next() * 20), steep = 10 ** (next() * 3 - 1)
    const bed = shaped(grid, () => next() < 0.1 ? NaN : next() * steep)
    bed[0] = 0
    const depth = bed.map(() => next() < 0.4 ? next() * steep : 0)
    const solver = createFiniteVolume(ground(grid, bed, { depth, open: shaped(grid, () => 0.05 + 0.95 * next()), n: 10 ** (next() * 4 - 5) }), {}, { order })
    let least = 0
    for (let k = 0; k < 200; k++) {
      solver.step(1e4)
      solver.forEach((_, h, q) => { least = Math.min(least, Number.isFinite(q) ? h : NaN) })
    }
    if (!(least === 0 && solver.balance().error < 1e-13)) t.fail(`seed ${seed}, order ${order}: least ${least}, error ${solver.balance().error}`)
  }
  t.pass('60 floods')
})

t.test('an outflow never takes more than there is, however steep', async t => {
  const grid = square(3, 8, 1)
  for (const order of ORDERS) {
    const solver = run(createFiniteVolume(ground(grid, shaped(grid, () => 0), { n: 0.01, depth: filled(grid, 10) }), { outflows: [{ name: 'drop', cells: [7, 15, 23], slope: 0.9 }] }, { order }), 5)
    const { boundaryOut, error } = solver.balance()
    t.ok(error < 1e-13 && boundaryOut > 100 && boundaryOut <= 240, `order ${order}: ${boundaryOut} m³ gone, error ${error}`)
  }
})

t.test('a round dam break stays round: momentum along a face goes with the water', async t => {
  const grid = square(81, 81, 1)
  for (const order of ORDERS) {
    const solver = run(createFiniteVolume(ground(grid, shaped(grid, () => 0), { n: SMOOTH, depth: shaped(grid, (x, y) => Math.hypot(x - 40.5, y - 40.5) < 15 ? 5 : 1) }), {}, { order }), 2)
    // 14 cells out along the diagonal are 19.8 m: between 19 and 20 along the axis.
    const speed = (row: number, col: number) => Math.hypot(...solver.velocityAt(row * 81 + col))
    const diagonal = speed(40 - 14, 40 + 14), axis = 0.2 * speed(40, 40 + 19) + 0.8 * speed(40, 40 + 20)
    t.ok(Math.abs(diagonal / axis - 1) < (order === 1 ? 0.005 : 0.03), `order ${order}: ${diagonal.toFixed(3)} m/s on the diagonal, ${axis.toFixed(3)} m/s on the axis`)
  }
})

t.test('a symmetric flood stays symmetric, mirrored and turned', async t => {
  for (const order of ORDERS) {
    const grid = square(41, 41, 10)
    const bed = shaped(grid, (x, y) => 0.3 * Math.cos((x - 205) / 60) * Math.cos((y - 205) / 60))
    const solver = run(createFiniteVolume(ground(grid, bed), { inflows: [{ name: 'spring', cells: [20 * 41 + 20], discharge: { times: [0, 300], values: [0, 20] } }] }, { order }), 600)
    let worst = 0
    for (let r = 0; r < 41; r++) for (let c = 0; c < 41; c++) {
      const here = r * 41 + c, h = solver.depthAt(here), [east, north] = solver.velocityAt(here)
      const mirrored = r * 41 + 40 - c, turned = c * 41 + r
      worst = Math.max(worst, Math.abs(h - solver.depthAt(mirrored)), Math.abs(h - solver.depthAt((40 - r) * 41 + c)), Math.abs(h - solver.depthAt(turned)),
        Math.abs(east + solver.velocityAt(mirrored)[0]), Math.abs(east + solver.velocityAt(turned)[1]), Math.abs(north + solver.velocityAt(turned)[0]))
    }
    t.ok(worst < 1e-12, `order ${order}: asymmetry ${worst} m or m/s`)
  }
})

/** Relative L1 errors of depth and discharge of a dam break 10 m / `below`, 30 s after, 2 m cells, along x or y. */
function damBreak(order: 1 | 2, below: number, across: boolean, exact: (s: number) => readonly [h: number, u: number]) {
  const grid = across ? square(500, 1, 2) : square(1, 500, 2)
  const along = (x: number, y: number) => across ? y : x
  const solver = run(createFiniteVolume(ground(grid, shaped(grid, () => 0), { n: SMOOTH, depth: shaped(grid, (x, y) => along(x, y) < 500 ? 10 : below) }), {}, { order }), 30)
  let h = 0, q = 0, sumH = 0, sumQ = 0
  for (let i = 0; i < 500; i++) {
    const [depth, speed] = exact((2 * i + 1 - 500) / 30), cell = across ? 499 - i : i
    h += Math.abs(solver.depthAt(cell) - depth)
    q += Math.abs(solver.depthAt(cell) * solver.velocityAt(cell)[across ? 1 : 0] - depth * speed)
    sumH += depth
    sumQ += depth * speed
  }
  return { h: h / sumH, q: q / sumQ, balance: solver.balance().error }
}

t.test('a dam breaks on dry ground as Ritter (1892) says, along x and along y', async t => {
  const c = Math.sqrt(g * 10)
  const ritter = (s: number) => s < -c ? [10, 0] as const : s > 2 * c ? [0, 0] as const : [(2 * c - s) ** 2 / (9 * g), 2 / 3 * (s + c)] as const
  const first = damBreak(1, 0, false, ritter)
  for (const second of [damBreak(2, 0, false, ritter), damBreak(2, 0, true, ritter)]) {
    t.ok(first.h < 0.009 && first.q < 0.022, `first order: h ${first.h.toFixed(4)}, q ${first.q.toFixed(4)}`)
    t.ok(first.balance < 1e-13 && second.balance < 1e-13, 'and no water is lost')
    t.ok(second.h < 0.0025 && second.q < 0.0055, `second order: h ${second.h.toFixed(4)}, q ${second.q.toFixed(4)}`)
  }
})

t.test('a dam breaks on water with the bore of Stoker (1957)', async t => {
  // h_m from 2 (c_L − √(g h_m)) = (h_m − h_R) √(g (h_m + h_R) / (2 h_m h_R)), by halving.
  const c = Math.sqrt(g * 10)
  let low = 1, high = 10
  for (let k = 0; k < 60; k++) {
    const h = (low + high) / 2
    if (2 * (c - Math.sqrt(g * h)) > (h - 1) * Math.sqrt(g * (h + 1) / (2 * h))) low = h
    else high = h
  }
  const middle = low, speed = 2 * (c - Math.sqrt(g * middle)), bore = middle * speed / (middle - 1)
  t.ok(Math.abs(middle - 3.9617) < 1e-3 && Math.abs(bore - 9.8193) < 1e-2, 'the published middle state')
  const stoker = (s: number) => s < -c ? [10, 0] as const
    : s < speed - Math.sqrt(g * middle) ? [(2 * c - s) ** 2 / (9 * g), 2 / 3 * (s + c)] as const
    : s < bore ? [middle, speed] as const : [1, 0] as const
  const first = damBreak(1, 1, false, stoker), second = damBreak(2, 1, false, stoker)
  t.ok(first.h < 0.0075 && first.q < 0.019, `first order: h ${first.h.toFixed(4)}, q ${first.q.toFixed(4)}`)
  t.ok(second.h < 0.0025 && second.q < 0.006, `second order: h ${second.h.toFixed(4)}, q ${second.q.toFixed(4)}`)
})

t.test('the error of a smooth wave falls with the cell at the order asked for', async t => {
  // A hump that has split into two smooth waves, against the same on 8 times smaller cells.
  const depths = (order: 1 | 2, cols: number) => {
    const grid = square(1, cols, 1000 / cols)
    const solver = run(createFiniteVolume(ground(grid, shaped(grid, () => 0), { n: SMOOTH, depth: shaped(grid, x => 2 + 0.2 * Math.exp(-(((x - 500) / 80) ** 2))) }), {}, { order }), 30)
    return Array.from({ length: cols }, (_, i) => solver.depthAt(i))
  }
  const fine = depths(2, 1600)
  for (const order of ORDERS) {
    const error = (cols: number) => depths(order, cols).reduce((sum, h, i) => {
      const per = 1600 / cols, mean = fine.slice(i * per, (i + 1) * per).reduce((a, b) => a + b, 0) / per
      return sum + Math.abs(h - mean) / cols
    }, 0)
    const measured = Math.log2(error(100) / error(200))
    t.ok(order === 1 ? measured > 0.75 && measured < 1.3 : measured > 1.6, `order ${order}: ${measured.toFixed(2)}`)
  }
})

t.test('a long slope carries its discharge at the normal depth of Manning', async t => {
  const grid = square(3, 100, 20), slope = 1 / 1000, q = 1
  const expected = (q * 0.03 / Math.sqrt(slope)) ** 0.6
  const column = (c: number) => [c, 100 + c, 200 + c]
  for (const order of ORDERS) {
    const solver = run(createFiniteVolume(ground(grid, shaped(grid, x => -slope * x)), {
      inflows: [{ name: 'head', cells: column(0), discharge: { times: [0], values: [q * 60] } }],
      outflows: [{ name: 'foot', cells: column(99), slope }],
    }, { order }), 2 * 3600)
    const depth = solver.depthAt(100 + 50)
    t.ok(Math.abs(depth / expected - 1) < (order === 1 ? 0.015 : 0.002), `order ${order}: ${depth.toFixed(4)} m against ${expected.toFixed(4)} m`)
    const carried = depth * solver.velocityAt(150)[0]
    t.ok(Math.abs(carried / q - 1) < (order === 1 ? 0.03 : 1e-3), `order ${order}: ${carried.toFixed(4)} m²/s`)
    const { inflow, boundaryOut, stored, error } = solver.balance()
    t.ok(error < 1e-12 && Math.abs(boundaryOut + stored - inflow) < 1e-6 * inflow)
    t.ok(Math.abs(solver.depthAt(199) / expected - 1) < 0.15, 'up to the foot')
  }
})

t.test('steady rain on a plane runs off in the kinematic profile h = (r x n / √S)^{3/5}, at order 2', async t => {
  const grid = square(1, 100, 10), slope = 0.01, mmPerHour = 200, n = 0.05
  const solver = run(createFiniteVolume(ground(grid, shaped(grid, x => -slope * x), { n }), {
    rain: { times: [0], values: [mmPerHour] }, outflows: [{ name: 'foot', cells: [99], slope }],
  }, { order: 2 }), 3600)
  for (const c of [30, 60, 90]) {
    const expected = (mmPerHour / 3.6e6 * (c + 0.5) * 10 * n / Math.sqrt(slope)) ** 0.6
    t.ok(Math.abs(solver.depthAt(c) / expected - 1) < 0.01, `${solver.depthAt(c).toFixed(4)} m against ${expected.toFixed(4)} m`)
  }
})

t.test('EA Test 3: momentum carries some of the water over the obstruction (Néelz & Pender 2013)', async t => {
  const bedAt = (x: number) => x <= 145 ? 10.4876 - 0.005 * x
    : x <= 147 ? 9.7622 - 0.0039 * (x - 145)
    : x <= 149 ? 9.7544 - 0.0021 * (x - 147)
    : x <= 250 ? 9.875 - 0.125 * Math.cos(2 * Math.PI * (x - 150) / 100)
    : x <= 275 ? 10 - 0.25 * Math.cos(Math.PI * (x - 250) / 50) : 10 + 0.015708 * (x - 275)
  const grid = square(20, 60, 5)
  for (const order of ORDERS) {
    const solver = run(createFiniteVolume(ground(grid, shaped(grid, bedAt), { n: 0.01 }), {
      inflows: [{ name: 'west', cells: Array.from({ length: 20 }, (_, row) => row * 60), discharge: { times: [0, 5, 15, 25, 35], values: [0, 0, 65.5, 65.5, 0] } }],
    }, { order }), 900)
    const near = solver.depthAt(at(grid, 150, 50)), far = solver.depthAt(at(grid, 250, 50)), crest = solver.depthAt(at(grid, 202, 50))
    t.equal(Math.round(solver.balance().inflow), 1310)
    t.ok(Math.abs(near - 0.24) < 0.02, `order ${order}: ${near.toFixed(3)} m before the obstruction`)
    t.ok(far >= 0.02 && far <= 0.09, `order ${order}: ${far.toFixed(3)} m behind it`)
    t.ok(crest < 2e-3, `order ${order}: ${crest.toFixed(4)} m on it`)
  }
})

t.test('a stream over a bump keeps its discharge from the inflow to the stage', async t => {
  const grid = square(1, 125, 0.2)
  const bed = shaped(grid, x => Math.max(0, 0.2 - 0.05 * (x - 10) ** 2))
  for (const order of ORDERS) {
    const solver = run(createFiniteVolume(ground(grid, bed, { n: SMOOTH, depth: bed.map(z => 2 - z) }), {
      inflows: [{ name: 'head', cells: [0], discharge: { times: [0, 20], values: [0, 4.42 * 0.2] } }],
      stages: [{ name: 'foot', cells: [124], level: { times: [0], values: [2] } }],
    }, { order }), 80)
    // Bernoulli: z + h + q² / (2 g h²) is the same all along; subcritical depth by halving.
    const head = 2 + 4.42 ** 2 / (2 * g * 4)
    let worst = 0, drift = 0
    for (let i = 5; i < 125; i++) {
      let low = Math.cbrt(4.42 ** 2 / g), high = 3
      for (let k = 0; k < 50; k++) {
        const h = (low + high) / 2
        if (bed[i]! + h + 4.42 ** 2 / (2 * g * h * h) < head) low = h
        else high = h
      }
      worst = Math.max(worst, Math.abs(solver.depthAt(i) / low - 1))
      drift = Math.max(drift, Math.abs(solver.depthAt(i) * solver.velocityAt(i)[0] / 4.42 - 1))
    }
    t.ok(worst < (order === 1 ? 0.012 : 0.004) && drift < 0.015, `order ${order}: depth within ${worst.toFixed(4)}, discharge within ${drift.toFixed(4)}`)
  }
})

t.test('a lake follows the stage at its edge and comes to rest', async t => {
  const grid = square(4, 20, 10)
  for (const order of ORDERS) {
    const solver = run(createFiniteVolume(ground(grid, shaped(grid, x => x / 200 - 1), { n: 0.05 }), {
      stages: [{ name: 'sea', cells: Array.from({ length: 4 }, (_, row) => row * 20), level: { times: [0, 600], values: [-1, 0.5] } }],
    }, { order }), 4 * 3600)
    let worst = 0, fastest = 0
    solver.forEach((i, h, q) => {
      worst = Math.max(worst, Math.abs(h - Math.max(0, 0.5 - ((i % 20 + 0.5) / 20 - 1))))
      fastest = Math.max(fastest, q)
    })
    t.ok(worst < 5e-4 && fastest < 5e-3, `order ${order}: ${worst} m from the stage, ${fastest} m²/s`)
    t.ok(solver.balance().error < 1e-12)
  }
})

t.test('dry ground costs nothing and changes nothing', async t => {
  const flood = (rows: number, cols: number, order: 1 | 2) => {
    const grid = square(rows, cols, 10)
    const solver = run(createFiniteVolume(ground(grid, shaped(grid, () => 0)), { inflows: [{ name: 'breach', cells: [at(grid, 5, 5)], discharge: { times: [0], values: [2] } }] }, { order }), 60)
    return { solver, depth: (x: number, y: number) => solver.depthAt(at(grid, x, y)) }
  }
  for (const order of ORDERS) {
    const small = flood(30, 30, order), large = flood(200, 300, order)
    t.equal(small.depth(295, 295), 0, 'the water has not come so far')
    for (let x = 5; x < 300; x += 10) for (let y = 5; y < 300; y += 10)
      if (small.depth(x, y) !== large.depth(x, y)) t.fail(`at ${x}, ${y}`)
    t.equal(large.solver.cellUpdates, small.solver.cellUpdates)
    t.ok(large.solver.cellUpdates < 0.02 * large.solver.steps * 60000)
  }
})

t.test('wrong parameters and input are refused', async t => {
  const grid = square(2, 2, 1), flat = ground(grid, shaped(grid, () => 0)), rain: Forcing = { rain: { times: [0, 1], values: [5] } }
  t.throws(() => createFiniteVolume(flat, {}, { order: 3 as 2 }), /order must be 1 or 2, not 3/)
  t.throws(() => createFiniteVolume(flat, {}, { cfl: 0.9 }), /CFL number .* at most 0\.5, not 0\.9/)
  t.throws(() => createFiniteVolume(flat, {}, { dryDepth: NaN }), /dry depth/)
  t.throws(() => createFiniteVolume(flat, {}, { maxStep: Infinity }), /longest step/)
  t.throws(() => createFiniteVolume(flat, rain), /2 times and 1 values/)
  t.throws(() => createFiniteVolume(ground(grid, shaped(grid, () => NaN)), {}), /nothing to compute/)
})
