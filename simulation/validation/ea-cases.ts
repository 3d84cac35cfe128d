/**
 * Tests 1 to 4 of the Environment Agency's benchmark of 2-D flood packages: Néelz & Pender 2013, SC120002.
 * Beds are formulas that reproduce the published ones; no file of the Agency's is used.
 */
import { filled } from '../flood/grid.js'
import { ALL_KERNELS, around, BALANCE, column, greatestDifference, gridOf, mean, mirrored, northOf, sampled, type Case, type Gate, type Metric, type Run } from './case.js'

const SC120002 = 'Néelz & Pender 2013, Environment Agency SC120002'
const minutes = (...values: number[]) => values.map(value => value * 60)
const hours = (...values: number[]) => values.map(value => value * 3600)

/** Straight lines through points. */
function polyline(points: readonly (readonly [x: number, z: number])[]): (x: number) => number {
  return x => {
    const k = Math.max(1, points.findIndex(point => point[0] >= x))
    const [x0, z0] = points[k - 1]!, [x1, z1] = points[k]!
    return z0 + (z1 - z0) * (x - x0) / (x1 - x0)
  }
}

/** The sea rises over a sill at 10.25 m and leaves a pond behind it. The bed is ours: the sill and the outcome are the published ones. */
function disconnectedWater(): Case {
  const grid = gridOf(10, 70, 10)
  const bed = sampled(grid, polyline([[0, 9], [305, 10.25], [500, 9.75], [700, 10.5]]))
  const gauges = [400, 600].map(x => around(grid, x, 50))
  const levels = (depth: (cells: readonly number[], k: number) => number) => gauges.map((cells, k) => mean(cells, i => bed[i]!) + depth(cells, k))
  const end = (run: Run) => levels(cells => mean(cells, i => run.water[0]!.depth[i]!))
  const metrics = [400, 600].flatMap((x, k): Metric[] => [
    { name: `greatest level at x = ${x} m, m`, reference: 10.35, gate: [10.34, 10.36], value: run => levels((_, g) => run.gauges[g]!.peak)[k]! },
    { name: `level left at x = ${x} m, m`, reference: 10.25, gate: [10.24, 10.26], value: run => end(run)[k]! },
  ])
  return {
    id: 'EA 1', title: '700 × 100 m, 10 m, n 0.03; the sea rises over a sill and falls again, 20 h', source: SC120002, quick: ['local inertial'],
    ground: { grid, bed, manning: filled(grid, 0.03), depth: bed.map(z => Math.max(0, 9.7 - z)) },
    forcing: { stages: [{ name: 'sea', cells: column(grid, 0), level: { times: hours(0, 1, 11, 12), values: [9.7, 10.35, 10.35, 9.7] } }] },
    times: hours(20), gauges, kernels: ALL_KERNELS, nonGoals: {},
    metrics: [...metrics, { name: 'speed at the end at both points, m/s', reference: 0, gate: [0, 1e-3], value: run => Math.max(...gauges.flat().map(i => run.water[0]!.discharge[i]! / run.water[0]!.depth[i]!)) }, BALANCE],
  }
}

function fillingOfDepressions(): Case {
  const grid = gridOf(100, 100, 20), k = 2 * Math.PI / 500
  const bed = sampled(grid, (x, y) => 26 / 3 + y / 1500 - x / 2000 + 0.15625 * (Math.cos(k * x) + Math.cos(k * y)) - 0.09375 * (1 + Math.cos(k * x) * Math.cos(k * y)))
  const bottoms = [250, 750, 1250, 1750], points = bottoms.flatMap(x => bottoms.map(y => around(grid, x, y)))
  // Final depths of an independent code (GPU, HLL, first order, 20 m: u11d-com/deceris_inundation); sills of the hollows, by formula.
  const published = [.38, .33, .33, .33, .28, .33, .33, .33, 0, .06, .17, .18, 0, 0, 0, 0]
  const sill = (point: number) => point % 4 === 0 ? 0.37 : 0.32
  const end = (run: Run) => points.map(cells => mean(cells, i => run.water[0]!.depth[i]!))
  return {
    id: 'EA 2', title: '2000 × 2000 m, 20 m, n 0.03; 97,200 m³ from a corner fill sixteen hollows, 48 h', source: SC120002, quick: [],
    ground: { grid, bed, manning: filled(grid, 0.03) },
    forcing: { inflows: [{ name: 'corner', cells: column(grid, 0).slice(0, 5), discharge: { times: minutes(0, 5, 10, 86, 91), values: [0, 0, 20, 20, 0] } }] },
    times: hours(48), gauges: points, kernels: ALL_KERNELS, nonGoals: {},
    metrics: [
      { name: 'volume poured, m³', reference: 97200, gate: [97199.999, 97200.001], value: run => run.balance.inflow },
      { name: 'final depth at 16 points, mean difference, m', reference: 0, gate: [0, 0.02], value: run => mean(points.map((_, p) => p), p => Math.abs(end(run)[p]! - published[p]!)) },
      { name: 'highest pond above its sill, m', reference: 0, gate: [-0.03, 0.03], value: run => Math.max(...end(run).map((depth, p) => depth - sill(p))) },
      { name: 'deepest hollow in the last column, m', reference: 0, gate: [0, 0.05], value: run => Math.max(...end(run).slice(12)) },
      {
        name: 'share of the water deeper than 5 cm', reference: 1, gate: [0.9, 1],
        value: run => {
          const { depth } = run.water[0]!
          return depth.reduce((sum, h) => h > 0.05 ? sum + h : sum, 0) / depth.reduce((sum, h) => sum + h, 0)
        },
      },
      BALANCE,
    ],
  }
}

/** A pulse runs down a slope and carries some of its water over a crest that it would not pass at rest. */
function momentumOverObstruction(): Case {
  const grid = gridOf(20, 60, 5)
  const bed = sampled(grid, x =>
    x <= 143 ? 10.4876 - 0.005 * x
      : x <= 149 ? polyline([[143, 10.4876 - 0.005 * 143], [145, 9.7622], [147, 9.7544], [149, 9.875 - 0.125 * Math.cos(2 * Math.PI * (149 - 150) / 100)]])(x)
        : x <= 250 ? 9.875 - 0.125 * Math.cos(2 * Math.PI * (x - 150) / 100)
          : x <= 275 ? 10 - 0.25 * Math.cos(Math.PI * (x - 250) / 50)
            : 10 + 0.015708 * (x - 275))
  const [first, second, crest] = [150, 250, 200].map(x => around(grid, x, 50))
  const end = (run: Run, cells: readonly number[]) => mean(cells, i => run.water[0]!.depth[i]!)
  return {
    id: 'EA 3', title: '300 × 100 m, 5 m, n 0.01; a pulse of 1310 m³ is carried over a crest, 15 min', source: SC120002, quick: ALL_KERNELS,
    ground: { grid, bed, manning: filled(grid, 0.01) },
    forcing: { inflows: [{ name: 'west', cells: column(grid, 0), discharge: { times: [0, 5, 15, 25, 35], values: [0, 0, 65.5, 65.5, 0] } }] },
    times: [900], gauges: [], kernels: ALL_KERNELS,
    nonGoals: { 'local inertial': 'Local inertial leaves the advection of momentum out; what passes the crest then depends on θ and the step, not on physics.' },
    metrics: [
      { name: 'volume poured, m³', reference: 1310, gate: [1309.999, 1310.001], value: run => run.balance.inflow },
      { name: 'depth before the crest (P1), m', reference: 0.241, gate: [0.22, 0.26], value: run => end(run, first!) },
      { name: 'depth behind the crest (P2), m', reference: 0.047, gate: [0.02, 0.09], value: run => end(run, second!) },
      { name: 'depth on the crest, m', reference: 0, gate: [0, 0.005], value: run => end(run, crest!) },
      BALANCE,
    ],
  }
}

/** The axisymmetric answer is that of a point source of twice the discharge on an endless plain; walls are met after about 189 min. */
function breachOntoPlain(cell: number, end: number, quick: Case['quick'], first: Record<'arrival' | 'depth' | 'speed', Gate>): Case {
  const grid = gridOf(2000 / cell, 1000 / cell, cell)
  const places = [[50, 1000], [100, 1000], [200, 1000], [300, 1000], [400, 1000], [300, 1300]] as const
  const gauges = places.map(([x, y]) => around(grid, x, y))
  const axisymmetric = { arrival: [9.9, 16.0, 29.8, 44.7, 60.5, 64.4], depth: [.321, .269, .217, .183, .154, .148], speed: [.390, .233, .144, .112, .095, .093] }
  const worst = (ours: readonly number[], theirs: readonly number[]) => Math.max(...ours.map((value, k) => Math.abs(value / theirs[k]! - 1)))
  const twoHours = (run: Run) => run.water[0]!
  const breach = column(grid, 0).filter(i => Math.abs(northOf(grid, Math.floor(i / grid.cols)) - 1000) <= 10)
  return {
    id: `EA 4, ${cell} m`, title: `1000 × 2000 m, ${cell} m, n 0.05; 285,000 m³ spread from a breach over a flat plain, ${end} h`, source: SC120002, quick,
    ground: { grid, bed: sampled(grid, () => 0), manning: filled(grid, 0.05) },
    forcing: { inflows: [{ name: 'breach', cells: breach, discharge: { times: minutes(0, 5, 60, 240, 300), values: [0, 0, 20, 20, 0] } }] },
    times: end > 2 ? hours(2, end) : hours(2), gauges, kernels: ALL_KERNELS, nonGoals: {},
    metrics: [
      { name: 'arrival of 1 cm at 6 points, greatest relative error', reference: 0, gate: [0, cell > 5 ? 0.15 : 0.1], gates: { 'finite volume': first.arrival }, value: run => worst(run.gauges.map(gauge => gauge.arrival / 60), axisymmetric.arrival) },
      {
        name: 'depth at 2 h at 6 points, relative L1', reference: 0, gate: [0, 0.05], gates: { 'finite volume': first.depth },
        value: run => gauges.reduce((sum, cells, k) => sum + Math.abs(mean(cells, i => twoHours(run).depth[i]!) - axisymmetric.depth[k]!), 0) / axisymmetric.depth.reduce((a, b) => a + b, 0),
      },
      {
        name: 'speed at 2 h at 6 points, greatest relative error', reference: 0, gate: [0, 0.1], gates: { 'finite volume': first.speed },
        value: run => worst(gauges.map(cells => mean(cells, i => twoHours(run).discharge[i]! / twoHours(run).depth[i]!)), axisymmetric.speed),
      },
      { name: 'asymmetry about y = 1000 m, m', reference: 0, gate: [0, 1e-12], value: run => greatestDifference(run.water.at(-1)!.depth, mirrored(grid, run.water.at(-1)!.depth)) },
      ...end === 5 ? [{ name: 'volume poured, m³', reference: 285000, gate: [284999.99, 285000.01] as const, value: (run: Run) => run.balance.inflow }] : [],
      BALANCE,
    ],
  }
}

export const EA_CASES: readonly Case[] = [
  disconnectedWater(),
  fillingOfDepressions(),
  momentumOverObstruction(),
  // At 20 m first order smears the front: 0.208 is the error of arrivals published for it. At 5 m it is held to what the others are.
  breachOntoPlain(20, 5, ['local inertial'], { arrival: [0, 0.25], depth: [0, 0.1], speed: [0, 0.15] }),
  breachOntoPlain(5, 2, [], { arrival: [0, 0.1], depth: [0, 0.05], speed: [0, 0.1] }),
]
