import t from 'tap'
import { filled, type Grid, type Ground } from './grid.js'
import type { Forcing } from './forcing.js'
import { createSolver } from './local-inertial.js'
import { runFlood } from './run.js'

const square = (rows: number, cols: number, cell: number): Grid => ({ rows, cols, cell, origin: [0, rows * cell] })

/** Bed from a formula of x eastwards and y northwards, metres, at cell centres. */
function shaped(grid: Grid, z: (x: number, y: number) => number): Float64Array {
  return Float64Array.from({ length: grid.rows * grid.cols }, (_, i) =>
    z((i % grid.cols + 0.5) * grid.cell, (grid.rows - Math.floor(i / grid.cols) - 0.5) * grid.cell))
}

/** Index of the cell that holds x, y. */
const at = (grid: Grid, x: number, y: number) => (grid.rows - 1 - Math.floor(y / grid.cell)) * grid.cols + Math.floor(x / grid.cell)

function ground(grid: Grid, bed: Float64Array, more: Partial<Ground> & { n?: number } = {}): Ground {
  return { grid, bed, manning: filled(grid, more.n ?? 0.03), ...more }
}

t.test('a lake with islands, walls and buildings stays at rest', async t => {
  const grid = square(40, 50, 10)
  const bed = shaped(grid, (x, y) => 2 * Math.sin(x / 40) * Math.cos(y / 55) - (x > 300 && x < 330 && y > 100 && y < 130 ? NaN : 0))
  const depth = Float64Array.from(bed, z => Number.isNaN(z) ? 0 : Math.max(0, 1 - z))
  const open = filled(grid, 1).map((_, i) => i % 7 === 0 ? 0.4 : 1)
  const solver = createSolver(ground(grid, bed, { depth, open }), {})
  for (let hour = 0; solver.time < 3600; hour++) solver.step(3600)
  let moved = 0, fastest = 0
  solver.forEach((i, h, q) => {
    moved = Math.max(moved, Math.abs(h - depth[i]!))
    fastest = Math.max(fastest, q)
  })
  t.ok(moved < 1e-12, `the surface moved ${moved} m`)
  t.ok(fastest < 1e-12, `water moved at ${fastest} m²/s`)
  t.ok(Number.isNaN(solver.depthAt(at(grid, 315, 115))), 'the masked cells are not computed, which is not dry')
  t.ok([...bed].some((z, i) => z > 1 && solver.depthAt(i) === 0), 'the islands are dry')
})

t.test('what goes in, stays or is booked as gone: the balance closes to 1e-10', async t => {
  const grid = square(30, 30, 20)
  const bed = shaped(grid, (x, y) => x / 300 + Math.sin(x / 50) * Math.sin(y / 70))
  const solver = createSolver(ground(grid, bed, {
    open: filled(grid, 1).map((_, i) => i % 5 === 0 ? 0.25 : 1), infiltration: filled(grid, 4), drains: filled(grid, 6),
  }), {
    rain: { times: [0, 1800, 3600], values: [60, 120, 0] },
    inflows: [{ name: 'river', cells: [at(grid, 590, 300), at(grid, 590, 320)], shares: [1, 3], discharge: { times: [0, 900, 7200], values: [0, 15, 2] } }],
    stages: [{ name: 'tide', cells: Array.from({ length: 30 }, (_, row) => row * 30), level: { times: [0, 3600, 7200], values: [0.2, 0.9, -0.3] } }],
    outflows: [{ name: 'south', cells: Array.from({ length: 10 }, (_, k) => 29 * 30 + 10 + k), slope: 0.001 }],
  })
  while (solver.time < 7200) solver.step(7200)
  const balance = solver.balance()
  t.ok(balance.error < 1e-10, `relative error ${balance.error}`)
  t.equal(Math.round(balance.rain), Math.round(0.09 * 900 * 400), '30 mm + 60 mm of rain on 900 cells of 400 m²')
  t.equal(Math.round(balance.inflow), 900 * 15 / 2 + 6300 * 17 / 2)
  for (const part of ['boundaryIn', 'boundaryOut', 'infiltration', 'drains'] as const) t.ok(balance[part] > 0, `${part} is at work`)
})

t.test('no cell gives more than it holds, down a cliff too', async t => {
  const grid = square(12, 40, 5)
  const solver = createSolver(ground(grid, shaped(grid, x => x < 100 ? 20 : x < 120 ? 20 - (x - 100) : 0), { n: 0.01 }), {
    inflows: [{ name: 'burst', cells: [at(grid, 2, 30)], discharge: { times: [0, 10, 20], values: [0, 60, 0] } }],
  })
  let least = 0
  while (solver.time < 300) {
    solver.step(300)
    solver.forEach((_, h) => { least = Math.min(least, h) })
  }
  t.equal(least, 0)
  t.ok(solver.balance().error < 1e-12)
})

t.test('a symmetric flood stays symmetric, mirrored and turned', async t => {
  const grid = square(41, 41, 10)
  const bed = shaped(grid, (x, y) => 0.3 * Math.cos((x - 205) / 60) * Math.cos((y - 205) / 60))
  const solver = createSolver(ground(grid, bed), { inflows: [{ name: 'spring', cells: [20 * 41 + 20], discharge: { times: [0, 300], values: [0, 20] } }] })
  while (solver.time < 1200) solver.step(1200)
  let worst = 0
  for (let r = 0; r < 41; r++) for (let c = 0; c < 41; c++) {
    const h = solver.depthAt(r * 41 + c)
    worst = Math.max(worst, Math.abs(h - solver.depthAt(r * 41 + 40 - c)), Math.abs(h - solver.depthAt((40 - r) * 41 + c)), Math.abs(h - solver.depthAt(c * 41 + r)))
  }
  t.ok(worst < 1e-12, `asymmetry ${worst} m`)
})

t.test('a long slope carries its discharge at the normal depth of Manning', async t => {
  // q = 1 m²/s, S = 1/1000, n = 0.03: h = (q n / √S)^{3/5} = 0.969 m.
  const grid = square(3, 200, 20), slope = 1 / 1000, q = 1
  const expected = (q * 0.03 / Math.sqrt(slope)) ** 0.6
  const column = (c: number) => [c, 200 + c, 400 + c]
  const solver = createSolver(ground(grid, shaped(grid, x => -slope * x)), {
    inflows: [{ name: 'head', cells: column(0), discharge: { times: [0], values: [q * 60] } }],
    outflows: [{ name: 'foot', cells: column(199), slope }],
  })
  while (solver.time < 3 * 3600) solver.step(3 * 3600)
  for (const c of [50, 100, 150]) t.ok(Math.abs(solver.depthAt(200 + c) / expected - 1) < 0.01, `depth ${solver.depthAt(200 + c).toFixed(4)} m against ${expected.toFixed(4)} m`)
  const balance = solver.balance()
  t.ok(Math.abs(balance.boundaryOut / balance.inflow) > 0.6, 'and lets it out at the foot')
})

t.test('steady rain on a plane runs off in the kinematic profile h = (r x n / √S)^{3/5}', async t => {
  const grid = square(1, 100, 10), slope = 0.01, mmPerHour = 200, n = 0.05
  const solver = createSolver(ground(grid, shaped(grid, x => -slope * x), { n }), {
    rain: { times: [0], values: [mmPerHour] },
    outflows: [{ name: 'foot', cells: [99], slope }],
  })
  while (solver.time < 2 * 3600) solver.step(2 * 3600)
  for (const c of [30, 60, 90]) {
    const expected = (mmPerHour / 3.6e6 * (c + 0.5) * 10 * n / Math.sqrt(slope)) ** 0.6
    t.ok(Math.abs(solver.depthAt(c) / expected - 1) < 0.02, `${solver.depthAt(c).toFixed(4)} m against ${expected.toFixed(4)} m`)
  }
})

t.test('EA Test 2: a flood fills the hollows downhill of it, none above its sill (Néelz & Pender 2013)', async t => {
  const grid = square(100, 100, 20), k = 2 * Math.PI / 500
  const bed = shaped(grid, (x, y) => 26 / 3 + y / 1500 - x / 2000 + 0.15625 * (Math.cos(k * x) + Math.cos(k * y)) - 0.09375 * (1 + Math.cos(k * x) * Math.cos(k * y)))
  const solver = createSolver(ground(grid, bed), {
    inflows: [{ name: 'corner', cells: [1910, 1930, 1950, 1970, 1990].map(y => at(grid, 5, y)), discharge: { times: [0, 300, 600, 5160, 5460], values: [0, 0, 20, 20, 0] } }],
  })
  while (solver.time < 48 * 3600) solver.step(48 * 3600)
  const depths = [250, 750, 1250, 1750].flatMap(x => [250, 750, 1250, 1750].map(y => solver.depthAt(at(grid, x, y))))
  // Columns of points from west to east, each from south to north; sills .37 in the south row, .32 elsewhere.
  const published = [.353, .336, .334, .331, .176, .336, .334, .331, 0, .009, .134, .168, 0, 0, 0, 0]
  depths.forEach((h, i) => {
    t.ok(h < (i % 4 === 0 ? 0.37 : 0.32) + 0.03, `point ${i + 1}: ${h.toFixed(3)} m is not above its sill`)
    t.ok(Math.abs(h - published[i]!) < 0.03, `point ${i + 1}: ${h.toFixed(3)} m against ${published[i]} m`)
  })
  t.equal(Math.round(solver.balance().inflow), 97200)
  t.ok(solver.balance().error < 1e-10)
})

t.test('EA Test 4: a breach spreads over a plain as fast as the axisymmetric solution says', async t => {
  const grid = square(200, 100, 10)
  const solver = createSolver(ground(grid, shaped(grid, () => 0), { n: 0.05 }), {
    inflows: [{ name: 'breach', cells: [at(grid, 5, 995), at(grid, 5, 1005)], discharge: { times: [0, 300, 3600, 14400, 18000].map(Number), values: [0, 0, 20, 20, 0] } }],
  })
  const points = [[50, 1000], [100, 1000], [200, 1000], [300, 1000], [400, 1000], [300, 1300]].map(([x, y]) => at(grid, x!, y!))
  const arrivals = points.map(() => NaN)
  while (solver.time < 7200) {
    solver.step(7200)
    points.forEach((cell, i) => { if (Number.isNaN(arrivals[i]!) && solver.depthAt(cell) >= 0.01) arrivals[i] = solver.time / 60 })
  }
  const minutes = [9.9, 16.0, 29.8, 44.7, 60.5, 64.4], depths = [.321, .269, .217, .183, .154, .148]
  points.forEach((cell, i) => {
    t.ok(Math.abs(arrivals[i]! / minutes[i]! - 1) < 0.1, `1 cm after ${arrivals[i]!.toFixed(1)} min against ${minutes[i]}`)
    t.ok(Math.abs(solver.depthAt(cell) / depths[i]! - 1) < 0.05, `${solver.depthAt(cell).toFixed(3)} m after 2 h against ${depths[i]}`)
  })
  t.ok(Math.abs(solver.depthAt(at(grid, 305, 1305)) - solver.depthAt(at(grid, 305, 695))) < 1e-12, 'mirrored about y = 1000')
})

t.test('buildings take room: the same water stands deeper between them', async t => {
  const grid = square(4, 4, 10)
  const solver = createSolver(ground(grid, shaped(grid, () => 0), { open: filled(grid, 0.5) }), { rain: { times: [0, 3600], values: [100, 0] } })
  while (solver.time < 3600) solver.step(3600)
  t.ok(Math.abs(solver.depthAt(5) - 0.2) < 1e-12, '100 mm of rain on half the ground is 200 mm')
})

t.test('steps that grow waves are refused, with the reason', async t => {
  const grid = square(2, 2, 1), flat = ground(grid, shaped(grid, () => 0))
  t.throws(() => createSolver(flat, {}, { theta: 0.9, alpha: 0.7 }), /unstable in quiet deep water.*at most 0\.9 √\(θ\/2\) = 0\.604/)
  t.throws(() => createSolver(flat, {}, { theta: 0.7, alpha: 0.6 }), /0\.532/)
  t.throws(() => createSolver(flat, {}, { theta: 0.3, alpha: 0.1 }), /θ must be 0\.5 to 1/)
  t.doesNotThrow(() => createSolver(flat, {}, { theta: 0.9, alpha: 0.6 }))
})

t.test('noise on deep still water dies out at the default step', async t => {
  const grid = square(32, 32, 10)
  let seed = 1
  const depth = filled(grid, 3).map(h => h + ((seed = seed * 16807 % 2147483647) / 2147483647 - 0.5) * 1e-3)
  const solver = createSolver(ground(grid, shaped(grid, () => 0), { depth }), {})
  for (let i = 0; i < 4000; i++) solver.step(1e9)
  let low = Infinity, high = 0
  solver.forEach((_, h) => { low = Math.min(low, h); high = Math.max(high, h) })
  t.ok(high - low < 1e-3, `range ${high - low} m`)
})

t.test('wrong input is refused with the place of the mistake', async t => {
  const grid = square(3, 3, 10), bed = shaped(grid, (x, y) => x + y)
  const refused = (ground: Ground, forcing: Forcing, message: RegExp) => t.throws(() => createSolver(ground, forcing), message)
  const flow = (cells: number[], times = [0, 60], values = [0, 1]): Forcing => ({ inflows: [{ name: 'Cu Đê', cells, discharge: { times, values } }] })
  refused(ground(grid, bed.map((z, i) => i === 4 ? Infinity : z)), {}, /bed in row 1, column 1 is Infinity/)
  refused(ground(grid, bed, { n: -0.03 }), {}, /Manning n in row 0, column 0 is -0\.03/)
  refused({ ...ground(grid, bed), manning: new Float32Array(4) }, {}, /“manning” has 4 values; 3 × 3 cells need 9/)
  refused(ground(grid, bed, { depth: filled(grid, NaN) }), {}, /“depth” in row 0, column 0 is NaN/)
  refused(ground(grid, bed, { open: filled(grid, 0) }), {}, /open share .* 0\.05 to 1/)
  refused(ground({ ...grid, cell: 0 }, bed), {}, /cell size must be a length above 0 m/)
  refused(ground(grid, bed.fill(NaN)), {}, /nothing to compute/)
  const good = ground(grid, shaped(grid, x => x > 20 ? NaN : 0))
  refused(good, flow([9]), /“Cu Đê” lies outside the grid: cell 9 of 9/)
  refused(good, flow([2]), /not computed: row 0, column 2/)
  refused(good, flow([]), /has no cell/)
  refused(good, flow([0], [0, 60, 30], [0, 1, 2]), /goes back in time: 30 s follows 60 s/)
  refused(good, flow([0], [0, 60], [0, NaN]), /NaN at 60 s/)
  refused(good, flow([0], [0, 60], [0, -1]), /cannot be negative/)
  refused(good, { rain: { times: [0, 1], values: [5] } }, /2 times and 1 values/)
  refused(good, { outflows: [{ name: 'edge', cells: [0], slope: 0 }] }, /slope between 0 and 1/)
})

t.test('a run tells frames, progress and peaks, the same each time', async t => {
  const grid = square(20, 20, 10)
  const bed = shaped(grid, (x, y) => x > 180 ? NaN : Math.hypot(x - 100, y - 100) / 100)
  const run = () => [...runFlood({
    ground: ground(grid, bed), duration: 1000, frameEvery: 300, sampleEvery: 1,
    forcing: { rain: { times: [0, 600], values: [300, 0] } },
  })]
  const events = run()
  const frames = events.flatMap(event => event.kind === 'frame' ? [event] : [])
  t.strictSame(frames.map(frame => [frame.index, frame.time]), [[0, 0], [1, 300], [2, 600], [3, 900], [4, 1000]])
  t.ok(events.some(event => event.kind === 'progress'))
  const end = events.at(-1)!
  if (end.kind !== 'end') return t.fail('the last event is the end')
  const bottom = at(grid, 105, 105), wall = at(grid, 195, 105)
  t.ok(end.peaks.depth[bottom]! > 0.3 && end.peaks.arrival01[bottom]! < end.peaks.arrival03[bottom]!)
  t.ok(Number.isNaN(end.peaks.depth[wall]!) && Number.isNaN(frames[2]!.depth[wall]!), 'never dry where not computed')
  t.strictSame(run(), events, 'bit for bit')
  t.throws(() => [...runFlood({ ground: ground(grid, bed), duration: -1, frameEvery: 1, forcing: {} })], /duration above 0/)
})
