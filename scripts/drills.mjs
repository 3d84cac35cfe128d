#!/usr/bin/env node
/**
 * `make drills`: every drill in its long form, one after the other, with a summary at the end. Names as arguments choose some.
 * A drill is a program: it says what it does, and ends with 0 where the city came through unharmed.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { checkNode, installForTests, installPackages, root } from './prepare.mjs'

const DRILLS = ['story', 'crash', 'federation']

checkNode()
installPackages()
installForTests()
process.chdir(root)

const given = process.argv.slice(2)
const results = (given.length > 0 ? given : DRILLS).map(name => {
  console.log(`\n=== ${name}`)
  const start = Date.now()
  return { name, outcome: drill(name), seconds: Math.round((Date.now() - start) / 1000) }
})

console.log('\n=== summary')
for (const { name, outcome, seconds } of results) console.log(`${name.padEnd(12)} ${outcome.padEnd(8)} ${seconds} s`)
const failed = results.filter(({ outcome }) => outcome !== 'passed').length
console.log(`${results.length - failed} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0

function drill(name) {
  const file = [`${name}.ts`, `${name}.mjs`].map(each => join('scripts', 'drills', each)).find(existsSync)
  if (!file) return 'missing'
  return spawnSync(process.execPath, ['--import', 'tsx', file], { stdio: 'inherit' }).status === 0 ? 'passed' : 'failed'
}
