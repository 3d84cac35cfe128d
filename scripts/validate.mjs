#!/usr/bin/env node
/**
 * `make validate`: the flood kernels against published cases, as a table. Names of cases, or how they begin, as arguments choose some.
 * Ends with 1 where a gate is missed by a kernel that is made for the case, or where nothing ran.
 */
import { build, checkNode, giveUp, installPackages, root } from './prepare.mjs'

checkNode()
installPackages()
build()
process.chdir(root)
const { CASES, count, runSuite } = await import('../dist/simulation/validation/suite.js')

const names = process.argv.slice(2)
const unknown = names.find(name => !CASES.some(({ id }) => id.startsWith(name)))
if (unknown !== undefined) giveUp(`no case begins with “${unknown}”: there are ${CASES.map(({ id }) => `“${id}”`).join(', ')}.`)
const chosen = CASES.filter(({ id }) => names.length === 0 || names.some(name => id.startsWith(name)))

const WIDTHS = [22, 16, 54, 11, 11, 23, 9]
const line = cells => console.log(cells.map((cell, k) => cell.padEnd(WIDTHS[k])).join(' ').trimEnd())
const figure = value => value === 0 ? '0' : Math.abs(value) >= 1e-4 ? String(+value.toPrecision(5)) : value.toExponential(1)
const gateOf = ([least, most]) => least === 0 ? `≤ ${figure(most)}` : `${+least.toPrecision(9)} … ${+most.toPrecision(9)}`

line(['case', 'kernel', 'metric', 'reference', 'ours', 'gate', 'met'])
line(WIDTHS.map(width => '─'.repeat(width)))
const findings = [], reasons = new Map()
let start = Date.now()
for (const outcome of runSuite(chosen)) {
  for (const finding of outcome.findings) {
    findings.push(finding)
    if (!finding.met && finding.nonGoal) reasons.set(`${finding.case}, ${finding.kernel}`, finding.nonGoal)
    line([finding.case, finding.kernel, finding.metric, figure(finding.reference), figure(finding.value), gateOf(finding.gate), finding.met ? 'yes' : finding.nonGoal ? 'non-goal' : 'NO'])
  }
  console.error(`  ${outcome.case.id}, ${outcome.kernel}: ${outcome.steps} steps, ${(outcome.cellUpdates / 1e6).toFixed(1)} M cell updates, ${((Date.now() - start) / 1000).toFixed(1)} s`)
  start = Date.now()
}

if (reasons.size > 0) console.log('\nNon-goals:')
for (const [which, why] of reasons) console.log(`  ${which}: ${why}`)
const { met, nonGoals, failed } = count(findings)
console.log(`\n${met} gates met, ${nonGoals} missed where the kernel is not made for the case, ${failed} failed`)
process.exitCode = failed > 0 || findings.length === 0 ? 1 : 0
