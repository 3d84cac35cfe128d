import t from 'tap'
import { filled } from '../flood/grid.js'
import { ALL_KERNELS, around, BALANCE, gridOf, judge, relativeL1, runCase, sampled, type Case } from './case.js'
import { CASES, count, runSuite } from './suite.js'

t.test('the quick share of the suite: every gate is met, save where a kernel is not made for the case', async t => {
  let quick = 0
  for (const { case: { id }, kernel, findings } of runSuite(CASES, given => given.quick)) {
    quick++
    for (const { metric, value, gate, met, nonGoal } of findings) t.ok(met || nonGoal, `${id}, ${kernel}, ${metric}: ${value} in ${gate.join('…')}${met ? '' : ` (${nonGoal})`}`)
    // A reason that has ceased to be one would hide a later miss.
    if (findings.some(({ nonGoal }) => nonGoal)) t.ok(count(findings).nonGoals > 0, `${id} is still beyond ${kernel}`)
  }
  t.ok(quick > 20, `${quick} runs`)
})

t.test('cases are whole: unique names, a source, kernels they are run with, gates around the answer', async t => {
  t.equal(new Set(CASES.map(({ id }) => id)).size, CASES.length)
  for (const { id, source, kernels, quick, nonGoals, times, metrics } of CASES) {
    t.match(source, /\d{4}|SC\d+/, id)
    t.ok([...quick, ...Object.keys(nonGoals)].every(kernel => kernels.some(known => known === kernel)), `${id} names kernels it is run with`)
    t.ok(times.every((time, k) => time > (times[k - 1] ?? 0)), `${id} goes forward in time`)
    t.equal(new Set(metrics.map(({ name }) => name)).size, metrics.length, `${id} has each metric once`)
    for (const { name, reference, gate, gates } of metrics)
      for (const [least, most] of [gate, ...Object.values(gates ?? {})]) t.ok(least <= reference && reference <= most && least < most && Number.isFinite(most - least), `${id}, ${name}: ${reference} in ${least}…${most}`)
  }
})

t.test('the suite sees what is wrong', async t => {
  const grid = gridOf(1, 10, 1)
  const lake: Case = {
    id: 'not a lake', title: '', source: 'a dam break that is said to be at rest', quick: [], times: [1], gauges: [[9]], kernels: ALL_KERNELS, nonGoals: { 'local inertial': 'said so' },
    ground: { grid, bed: sampled(grid, () => 0), depth: sampled(grid, x => x < 5 ? 1 : 0), manning: filled(grid, 0.03) }, forcing: {},
    metrics: [
      { name: 'change', reference: 0, gate: [0, 1e-12], value: run => Math.abs(run.water[0]!.depth[0]! - 1) },
      { name: 'nothing', reference: 0, gate: [-1, 1], value: () => NaN },
      { name: 'own gate', reference: 0, gate: [0, 0], gates: { 'finite volume': [0, 1] }, value: () => 0.5 },
      BALANCE,
    ],
  }
  const verdict = (kernel: 'local inertial' | 'finite volume') => {
    const findings = judge(lake, kernel, runCase(lake, kernel))
    return count(findings)
  }
  t.match(verdict('finite volume'), { met: 2, nonGoals: 0, failed: 2 })
  t.match(verdict('local inertial'), { met: 1, nonGoals: 3, failed: 0 })
  const { gauges: [gauge] } = runCase({ ...lake, times: [3] }, 'finite volume')
  t.ok(gauge!.arrival > 0.3 && gauge!.arrival < 3 && gauge!.peak > 0.01, `arrives after ${gauge!.arrival} s`)
})

t.test('gauges lie where they should, errors are relative', async t => {
  const grid = gridOf(4, 6, 10)
  t.same(around(grid, 15, 15), [13], 'in a cell')
  t.same(around(grid, 20, 15), [13, 14], 'on a side')
  t.same(around(grid, 20, 20).sort((a, b) => a - b), [7, 8, 13, 14], 'at a corner')
  t.same(around(grid, 0, 35), [0], 'at the edge')
  t.equal(relativeL1(Float64Array.of(1, 2, 5), [1, 1, 3]), 3 / 5)
  t.equal(relativeL1(Float64Array.of(1, 2, 5), [1, 1, 3], i => i < 2), 1 / 2)
})
