import t from 'tap'
import fc from 'fast-check'
import { filled, type Grid, type Ground } from '../grid.js'
import type { Forcing } from '../forcing.js'
import { createSolver, type Solver } from '../local-inertial.js'
import { createFastSolver, hasFastKernel } from './fast.js'

const shape = (rows: number, cols: number, cell: number): Grid => ({ rows, cols, cell, origin: [0, rows * cell] })

/** Numbers from 0 to 1 that a seed decides. */
function random(seed: number): () => number {
  let state = seed % 2147483646 + 1
  return () => (state = state * 16807 % 2147483647) / 2147483647
}

/** Ground of hills and noise at any altitude, some of it walled off, built on, soaking or with water on it. */
function anyGround(rows: number, cols: number, seed: number): Ground {
  const r = random(seed)
  const grid = shape(rows, cols, 5 + 20 * r()), cells = rows * cols
  const altitude = r() < 0.5 ? 0 : 1500 * r(), hills = 2 * r(), noise = 0.3 * r(), walls = r() < 0.5 ? 0 : 0.15 * r()
  const each = (value: () => number) => Float64Array.from({ length: cells }, value)
  const bed = Float64Array.from({ length: cells }, (_, i) => {
    const z = altitude + hills * Math.sin((i % cols) / 9) * Math.cos(Math.floor(i / cols) / 7) + noise * r()
    return i > 0 && r() < walls ? NaN : z
  })
  return {
    grid, bed, manning: each(() => 0.015 + 0.1 * r()),
    ...(r() < 0.5 && { open: each(() => r() < 0.3 ? 0.05 + 0.95 * r() : 1) }),
    ...(r() < 0.5 && { infiltration: each(() => 20 * r()) }),
    ...(r() < 0.5 && { drains: each(() => 20 * r()) }),
    ...(r() < 0.5 && { depth: Float64Array.from(bed, z => Number.isNaN(z) ? 0 : Math.max(0, altitude + 0.5 - z)) }),
  }
}

function anyForcing({ grid: { rows, cols }, bed }: Ground, seed: number): Forcing {
  const r = random(seed)
  const cell = () => { for (;;) { const i = Math.floor(r() * rows * cols); if (!Number.isNaN(bed[i]!)) return i } }
  const one = cell(), other = cell(), coast = cell(), edge = cell(), z = bed[coast]!
  return {
    ...(r() < 0.7 && { rain: { times: [0, 200, 500], values: [150 * r(), 300 * r(), 0] } }),
    ...(r() < 0.7 && { inflows: [{ name: 'river', cells: [one, other], shares: [1, 3], discharge: { times: [0, 120, 400], values: [0, 5 * r(), 1] } }] }),
    ...(r() < 0.4 && { stages: [{ name: 'tide', cells: [coast], level: { times: [0, 300, 600], values: [z - 0.2, z + r(), z + 0.1] } }] }),
    ...(r() < 0.4 && { outflows: [{ name: 'edge', cells: [edge], slope: 0.002 }] }),
  }
}

const runTo = (solver: Solver, until: number) => { while (solver.time < until) solver.step(until); return solver }

/** Root mean square and greatest difference of depth, m; the deepest water of the first. */
function differences(a: Solver, b: Solver) {
  let squares = 0, cells = 0, greatest = 0, deepest = 0
  a.forEach((i, depth) => {
    const difference = Math.abs(depth - b.depthAt(i))
    squares += difference * difference
    cells++
    greatest = Math.max(greatest, difference)
    deepest = Math.max(deepest, depth)
  })
  return { rms: Math.sqrt(squares / cells), greatest, deepest }
}

t.test('the kernel runs here, so that these tests test it', async t => t.ok(hasFastKernel()))

t.test('any ground and forcing: as near to the plain solver as that is to itself on ground 1e-7 m off', async t => {
  let near = 0, cases = 0
  fc.assert(fc.property(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 140 }), fc.nat(), fc.nat(), (rows, cols, seed, seed2) => {
    const ground = anyGround(rows, cols, seed), forcing = anyForcing(ground, seed2), r = random(seed)
    const nudged = { ...ground, bed: Float64Array.from(ground.bed, z => z + 2e-7 * (r() - 0.5)) }
    const plain = createSolver(ground, forcing), fast = createFastSolver(ground, forcing), other = createSolver(nudged, forcing)
    const soon = differences(runTo(plain, 20), runTo(fast, 20)), scaleSoon = Math.max(soon.deepest, 0.1)
    const { rms, greatest, deepest } = differences(runTo(plain, 300), runTo(fast, 300)), scale = Math.max(deepest, 0.1)
    if (rms < Math.max(1e-6 * scale, 10 * differences(plain, runTo(other, 300)).rms)) near++
    cases++
    // Faces that open at a threshold make small differences grow, in every number format: hence the second pair of limits.
    return soon.greatest < 5e-5 * scaleSoon && rms < 1e-3 * scale && greatest < 1e-2 * scale && fast.balance().error < 1e-6
  }), { numRuns: 60, seed: 6 })
  t.ok(near >= 0.9 * cases, `${near} of ${cases} within ten times that, or a millionth of the deepest water`)
})

t.test('every account is at work and agrees with the plain solver\'s', async t => {
  const grid = shape(30, 70, 20), cells = 30 * 70
  const bed = Float64Array.from({ length: cells }, (_, i) => 40 + (i % 70) / 15 + Math.sin(i % 70 / 3) * Math.sin(Math.floor(i / 70) / 4))
  const ground = { grid, bed, manning: filled(grid, 0.03), open: filled(grid, 1).map((_, i) => i % 5 === 0 ? 0.25 : 1), infiltration: filled(grid, 4), drains: filled(grid, 6) }
  const forcing: Forcing = {
    rain: { times: [0, 1800, 3600], values: [60, 120, 0] },
    inflows: [{ name: 'river', cells: [69, 139], shares: [1, 3], discharge: { times: [0, 900, 7200], values: [0, 15, 2] } }],
    stages: [{ name: 'tide', cells: Array.from({ length: 30 }, (_, row) => row * 70), level: { times: [0, 3600, 7200], values: [40.2, 40.9, 39.7] } }],
    outflows: [{ name: 'south', cells: Array.from({ length: 10 }, (_, k) => 29 * 70 + 10 + k), slope: 0.001 }],
  }
  const plain = runTo(createSolver(ground, forcing), 7200), fast = runTo(createFastSolver(ground, forcing), 7200)
  const wanted = plain.balance(), got = fast.balance()
  for (const part of ['rain', 'inflow', 'boundaryIn', 'boundaryOut', 'infiltration', 'drains', 'stored'] as const)
    t.ok(wanted[part] > 0 && Math.abs(got[part] / wanted[part] - 1) < 1e-3, `${part}: ${got[part]} m³ against ${wanted[part]}`)
  t.ok(got.error < 1e-7, `relative error ${got.error}`)
  let discharges = 0, apart = 0
  const theirs = new Float64Array(cells)
  plain.forEach((i, _, q) => { theirs[i] = q; discharges += q * q })
  fast.forEach((i, _, q) => { apart += (q - theirs[i]!) ** 2 })
  t.ok(apart < 0.05 ** 2 * discharges, `discharges differ by ${Math.sqrt(apart / discharges)}`)
})

t.test('a lake with islands, walls and buildings stays at rest, on a mountain too', async t => {
  for (const altitude of [0, 2500]) {
    const grid = shape(40, 53, 10)
    const bed = Float64Array.from({ length: 40 * 53 }, (_, i) => i % 97 === 5 ? NaN : altitude + 2 * Math.sin(i % 53 / 4) * Math.cos(Math.floor(i / 53) / 5))
    const depth = bed.map(z => Number.isNaN(z) ? 0 : Math.max(0, altitude + 1 - z))
    const solver = runTo(createFastSolver({ grid, bed, manning: filled(grid, 0.03), depth, open: filled(grid, 1).map((_, i) => i % 7 === 0 ? 0.4 : 1) }, {}), 3600)
    let moved = 0, fastest = 0
    solver.forEach((i, h, q) => {
      moved = Math.max(moved, Math.abs(h - depth[i]!))
      fastest = Math.max(fastest, q)
    })
    t.ok(moved < 2e-6, `the surface moved ${moved} m`)
    t.ok(fastest < 1e-4, `water moved at ${fastest} m²/s`)
    t.ok(Number.isNaN(solver.depthAt(5)), 'the masked cells are not computed, which is not dry')
    t.ok([...bed].some((z, i) => z > altitude + 1 && solver.depthAt(i) === 0), 'the islands are dry')
  }
})

t.test('a symmetric flood stays symmetric, mirrored and turned, and is the same each time', async t => {
  const n = 41, grid = shape(n, n, 10)
  const bed = Float64Array.from({ length: n * n }, (_, i) => 0.3 * Math.cos((i % n - 20) / 6) * Math.cos((Math.floor(i / n) - 20) / 6))
  const forcing: Forcing = { inflows: [{ name: 'spring', cells: [20 * n + 20], discharge: { times: [0, 300], values: [0, 20] } }] }
  const solver = runTo(createFastSolver({ grid, bed, manning: filled(grid, 0.03) }, forcing), 1200)
  const again = runTo(createFastSolver({ grid, bed, manning: filled(grid, 0.03) }, forcing), 1200)
  let worst = 0, same = true
  for (let r = 0; r < n; r++) for (let c = 0; c < n; c++) {
    const h = solver.depthAt(r * n + c)
    worst = Math.max(worst, Math.abs(h - solver.depthAt(r * n + n - 1 - c)), Math.abs(h - solver.depthAt((n - 1 - r) * n + c)), Math.abs(h - solver.depthAt(c * n + r)))
    same &&= h === again.depthAt(r * n + c)
  }
  t.ok(worst < 1e-5, `asymmetry ${worst} m`)
  t.ok(same, 'bit for bit')
})

t.test('dry ground costs nothing until water comes', async t => {
  const grid = shape(100, 1000, 10), bed = Float64Array.from({ length: 1e5 }, (_, i) => (i % 1000) / 10)
  const solver = createFastSolver({ grid, bed, manning: filled(grid, 0.03), depth: bed.map(z => Math.max(0, 2 - z)) }, {})
  for (let k = 0; k < 10; k++) solver.step(1e9)
  t.ok(solver.cellUpdates > 0 && solver.cellUpdates <= 10 * 100 * 128, `${solver.cellUpdates / 10} of 100000 cells a step`)
})

t.test('where there is no WASM SIMD it is the plain solver', async t => {
  const ground = anyGround(12, 30, 3), forcing = anyForcing(ground, 4)
  const platform = (globalThis as unknown as { WebAssembly: { validate: unknown } }).WebAssembly, { validate } = platform
  platform.validate = () => false
  t.teardown(() => { platform.validate = validate })
  t.equal(hasFastKernel(), false)
  const plain = runTo(createSolver(ground, forcing), 60), fast = runTo(createFastSolver(ground, forcing), 60)
  t.strictSame(fast.balance(), plain.balance())
  t.equal(differences(plain, fast).greatest, 0)
})

t.test('what the plain solver refuses is refused, in the same words', async t => {
  const grid = shape(3, 3, 10), good: Ground = { grid, bed: filled(grid, 0), manning: filled(grid, 0.03) }
  const refused = (ground: Ground, forcing: Forcing, parameters: object, message: RegExp) => {
    for (const create of [createSolver, createFastSolver]) t.throws(() => create(ground, forcing, parameters), message)
  }
  refused(good, {}, { theta: 0.9, alpha: 0.7 }, /unstable in quiet deep water/)
  refused({ ...good, manning: filled(grid, -1) }, {}, {}, /Manning n in row 0, column 0 is -1/)
  refused({ ...good, bed: filled(grid, NaN) }, {}, {}, /nothing to compute/)
  refused(good, { inflows: [{ name: 'Cu Đê', cells: [9], discharge: { times: [0], values: [1] } }] }, {}, /“Cu Đê” lies outside the grid/)
})
