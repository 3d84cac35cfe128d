/** Cases whose answer is a formula (analytic.ts). */
import { filled, type Grid, type Ground } from '../flood/grid.js'
import type { Forcing } from '../flood/forcing.js'
import { BUMP, MACDONALD, bumpSubcritical, bumpTranscritical, bumpWithJump, ritter, stoker, thackerPlanar, thackerRadial, type State, type SteadyFlow } from './analytic.js'
import { ALL_KERNELS, BALANCE, eastOf, gridOf, greatestDifference, relativeL1, sampled, type Case, type Gate, type Metric, type Run } from './case.js'

/** The kernels want some roughness; this one is without effect. */
const SMOOTH = 1e-9
const NO_ADVECTION = 'Local inertial leaves the advection of momentum out, which makes this flow.'

const last = (run: Run) => run.water.at(-1)!

/** Depth and discharge at the end against an exact state at the cells' centres, as relative L1. */
function against(exact: (east: number, north: number) => State, grid: Grid, gates: { h: Gate, h2: Gate, q?: Gate, q2?: Gate }): Metric[] {
  const h = sampled(grid, (x, y) => exact(x, y).h), q = sampled(grid, (x, y) => exact(x, y).h * Math.abs(exact(x, y).u))
  return [
    { name: 'depth, relative L1', reference: 0, gate: gates.h, gates: { 'finite volume 2': gates.h2 }, value: run => relativeL1(last(run).depth, h) },
    ...(gates.q ? [{ name: 'discharge, relative L1', reference: 0, gate: gates.q, gates: { 'finite volume 2': gates.q2 ?? gates.q }, value: (run: Run) => relativeL1(last(run).discharge, q) }] : []),
    BALANCE,
  ]
}

function smooth(grid: Grid, bed: Float64Array, depth: Float64Array): Ground {
  return { grid, bed, depth, manning: filled(grid, SMOOTH) }
}

// ---- still water ---------------------------------------------------------------------------------------------------

function lakeAtRest(): Case {
  const grid = gridOf(24, 30, 10)
  const bed = sampled(grid, (x, y) => 2 * Math.sin(x / 31) * Math.cos(y / 45) + (x > 200 && x < 230 && y > 60 && y < 90 ? NaN : 0))
  const depth = bed.map(z => Number.isNaN(z) ? 0 : Math.max(0, 1 - z))
  const still = depth.map((h, i) => Number.isNaN(bed[i]!) ? NaN : h)
  return {
    id: 'lake at rest', title: '300 × 240 m, 10 m; islands, a wall, still water to 3 m deep, 1 h', quick: ALL_KERNELS,
    source: 'Audusse et al. 2004, SIAM J. Sci. Comput. 25, 2050: the well-balanced property',
    ground: { grid, bed, depth, manning: filled(grid, 0.03) }, forcing: {}, times: [3600], gauges: [], kernels: ALL_KERNELS, nonGoals: {},
    metrics: [
      { name: 'greatest change of level, m', reference: 0, gate: [0, 1e-12], value: run => greatestDifference(last(run).depth, still) },
      { name: 'greatest discharge, m²/s', reference: 0, gate: [0, 1e-12], value: run => last(run).discharge.reduce((a, q) => Number.isNaN(q) ? a : Math.max(a, q), 0) },
      BALANCE,
    ],
  }
}

// ---- dam breaks ----------------------------------------------------------------------------------------------------

function damBreak(id: string, source: string, before: number, after: number, time: number, exact: (x: number, t: number) => State, gates: Parameters<typeof against>[2]): Case {
  const grid = gridOf(1, 1000, 1)
  return {
    id, source, title: `1000 m, 1 m; ${before} m of water let go onto ${after || 'no'} m, ${time} s`, quick: ALL_KERNELS,
    ground: smooth(grid, sampled(grid, () => 0), sampled(grid, x => x < 500 ? before : after)),
    forcing: {}, times: [time], gauges: [], kernels: ALL_KERNELS, nonGoals: { 'local inertial': NO_ADVECTION },
    metrics: against(x => exact(x - 500, time), grid, gates),
  }
}

// ---- steady flow ---------------------------------------------------------------------------------------------------

function bump(id: string, flow: SteadyFlow, start: number, title: string, gates: Parameters<typeof against>[2]): Case {
  const grid = gridOf(1, 250, 0.1), bed = sampled(grid, BUMP.bed)
  // The first metres take up the momentum that the inflow comes without; the last cell is held.
  const inside = (i: number) => eastOf(grid, i) > 2 && i < 248
  const h = sampled(grid, x => flow.h(x)), q = h.map(() => flow.q)
  const nearJump = (i: number) => Math.abs(eastOf(grid, i) - flow.jump) < 0.35
  return {
    id, title: `25 m, 0.1 m; ${title}`, quick: ['local inertial'],
    source: 'Goutal & Maurel 1997, EDF HE-43/97/016/B; Delestre et al. 2013, SWASHES, §3.1',
    ground: smooth(grid, bed, bed.map(z => Math.max(0, start - z))),
    forcing: {
      inflows: [{ name: 'inlet', cells: [0], discharge: { times: [0, 30], values: [0, flow.q * grid.cell] } }],
      stages: [{ name: 'outlet', cells: [249], level: { times: [0], values: [flow.outlet] } }],
    },
    times: [200], gauges: [], kernels: ALL_KERNELS, nonGoals: { 'local inertial': NO_ADVECTION },
    metrics: [
      { name: 'depth, relative L1', reference: 0, gate: gates.h, gates: { 'finite volume 2': gates.h2 }, value: run => relativeL1(last(run).depth, h, inside) },
      { name: 'discharge, relative L1', reference: 0, gate: gates.q!, gates: { 'finite volume 2': gates.q2! }, value: run => relativeL1(last(run).discharge, q, i => inside(i) && !nearJump(i)) },
      ...Number.isNaN(flow.jump) ? [] : [{
        name: 'place of the jump, m', reference: flow.jump, gate: [flow.jump - 0.2, flow.jump + 0.2] as const,
        // The steepest rise of the surface behind the crest.
        value: (run: Run) => {
          const { depth } = last(run), rise = (i: number) => depth[i]! + bed[i]! - depth[i - 1]! - bed[i - 1]!
          let steepest = 101
          for (let i = 101; i < 140; i++) if (rise(i) > rise(steepest)) steepest = i
          return steepest * grid.cell
        },
      }],
      BALANCE,
    ],
  }
}

function macDonald(): Case {
  const { length, q, n, h, bed } = MACDONALD
  const grid = gridOf(1, 200, 5), exact = sampled(grid, h)
  const inside = (i: number) => i >= 2 && i < 199
  return {
    id: 'MacDonald', title: '1000 m, 5 m; 2 m²/s, n 0.033, subcritical from a dry bed, 1 h', quick: ALL_KERNELS,
    source: 'MacDonald et al. 1997, J. Hydraul. Eng. 123, 1041; Delestre et al. 2013, SWASHES, §3.2',
    ground: { grid, bed: sampled(grid, bed), manning: filled(grid, n) },
    forcing: {
      inflows: [{ name: 'inlet', cells: [0], discharge: { times: [0], values: [q * grid.cell] } }],
      stages: [{ name: 'outlet', cells: [199], level: { times: [0], values: [bed(length - 2.5) + h(length - 2.5)] } }],
    },
    times: [3600], gauges: [], kernels: ALL_KERNELS, nonGoals: {},
    metrics: [
      {
        name: 'depth, mean error, m', reference: 0, gate: [0, 0.03], gates: { 'finite volume': [0, 0.015], 'finite volume 2': [0, 0.0075] },
        value: run => last(run).depth.reduce((sum, depth, i) => inside(i) ? sum + Math.abs(depth - exact[i]!) : sum, 0) / 197,
      },
      { name: 'discharge, relative L1', reference: 0, gate: [0, 0.02], value: run => relativeL1(last(run).discharge, exact.map(() => q), inside) },
      BALANCE,
    ],
  }
}

// ---- sloshing ------------------------------------------------------------------------------------------------------

function sloshingCanal(): Case {
  const grid = gridOf(1, 300, 0.1, [-15, 0]), time = 10
  const exact = thackerPlanar({ D0: 4, L: 10, A: 2 })
  return {
    id: 'Thacker, planar', title: '30 m, 0.1 m; a flat surface sloshing in a parabolic canal, 10 s (1.4 periods)', quick: ALL_KERNELS,
    source: 'Thacker 1981, J. Fluid Mech. 107, 499; the set-up of ANUGA’s validation suite (parabolic basin)',
    ground: smooth(grid, sampled(grid, exact.bed), sampled(grid, x => exact.at(x, 0).h)),
    forcing: {}, times: [time], gauges: [], kernels: ALL_KERNELS, nonGoals: { 'local inertial': NO_ADVECTION },
    metrics: against(x => exact.at(x, time), grid, { h: [0, 0.05], h2: [0, 0.01], q: [0, 0.1], q2: [0, 0.02] }),
  }
}

function swingingMound(cell: number, quick: Case['quick'], h: Gate, h2: Gate): Case {
  const exact = thackerRadial({ D0: 1000, L: 2500, R0: 2000 }), { period } = exact
  const cells = 8000 / cell, grid = gridOf(cells, cells, cell, [-4000, -4000])
  return {
    id: `Thacker, radial, ${cell} m`, title: `8000 × 8000 m, ${cell} m; a mound swinging in a paraboloid, one period (${period.toFixed(1)} s)`, quick,
    source: 'Thacker 1981, J. Fluid Mech. 107, 499; the set-up of ANUGA’s validation suite (paraboloid basin)',
    ground: smooth(grid, sampled(grid, (x, y) => exact.bed(Math.hypot(x, y))), sampled(grid, (x, y) => exact.at(Math.hypot(x, y), 0).h)),
    forcing: {}, times: [period], gauges: [], kernels: ALL_KERNELS, nonGoals: { 'local inertial': NO_ADVECTION },
    metrics: [
      ...against((x, y) => exact.at(Math.hypot(x, y), period), grid, { h, h2 }),
      {
        name: 'asymmetry (turned by a quarter), m', reference: 0, gate: [0, 1e-9],
        value: run => greatestDifference(last(run).depth, last(run).depth.map((_, i, all) => all[(i % cells) * cells + cells - 1 - Math.floor(i / cells)]!)),
      },
    ],
  }
}

const stoker10on1 = stoker(10, 1), stoker10on2 = stoker(10, 2)
const DAM_BREAK = { h: [0, 0.01], h2: [0, 0.003], q: [0, 0.02], q2: [0, 0.006] } as const satisfies Parameters<typeof against>[2]

export const ANALYTIC_CASES: readonly Case[] = [
  lakeAtRest(),
  damBreak('Ritter', 'Ritter 1892, Z. Ver. Dtsch. Ing. 36, 947', 10, 0, 20, (x, t) => ritter(10, x, t), DAM_BREAK),
  damBreak('Stoker 10/1', 'Stoker 1957, Water Waves, §10.8', 10, 1, 30, stoker10on1.at, DAM_BREAK),
  damBreak('Stoker 10/2', 'Stoker 1957, Water Waves, §10.8', 10, 2, 30, stoker10on2.at, DAM_BREAK),
  bump('bump, subcritical', bumpSubcritical(4.42, 2), 2, '4.42 m²/s, 2 m at the outlet', { h: [0, 0.002], h2: [0, 0.0005], q: [0, 0.01], q2: [0, 0.002] }),
  bump('bump, transcritical', bumpTranscritical(1.53), 0.4, '1.53 m²/s, supercritical behind the crest', { h: [0, 0.006], h2: [0, 0.001], q: [0, 0.01], q2: [0, 0.002] }),
  bump('bump, jump', bumpWithJump(0.18, 0.33), 0.33, '0.18 m²/s, 0.33 m at the outlet, a jump behind the crest', { h: [0, 0.008], h2: [0, 0.003], q: [0, 0.01], q2: [0, 0.005] }),
  macDonald(),
  sloshingCanal(),
  swingingMound(80, ALL_KERNELS, [0, 0.2], [0, 0.1]),
  swingingMound(40, [], [0, 0.12], [0, 0.05]),
]
