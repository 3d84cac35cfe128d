#!/usr/bin/env node
/**
 * Runs the tests: `node scripts/run-tap.mjs [files …]`. One throwaway PostgreSQL cluster for the whole run;
 * the last line is `N passed, N failed`, and the run fails if there is no such count or nothing ran.
 */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { build, checkNode, installForTests, installPackages, root } from './prepare.mjs'

process.chdir(root)
checkNode()
installPackages()
installForTests()
build()

const { register } = await import('tsx/esm/api')
register()
const { startTestCluster } = await import('../server/testing/test-cluster.ts')

const given = process.argv.slice(2)
const files = given.length > 0 ? given : testFiles()
if (!process.env.REAL_DATA) console.log('# REAL_DATA is not set: tests on real files are not selected')
const cluster = await startTestCluster()
const tap = spawn(process.execPath, [join(root, 'node_modules/tap/dist/esm/run.mjs'), '--reporter=tap', ...files], {
  env: { ...process.env, DOTHI_TEST_CLUSTER: cluster.dataDir }, stdio: ['ignore', 'pipe', 'inherit'],
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => tap.kill(signal))

let counts
for await (const line of createInterface({ input: tap.stdout })) {
  console.log(line)
  if (/^# \{.*\btotal: \d+/.test(line)) counts = Object.fromEntries([...line.matchAll(/(\w+): (\d+)/g)].map(([, name, n]) => [name, Number(n)]))
}
const code = tap.exitCode ?? await new Promise(done => tap.once('exit', done))
await cluster.remove()

const { pass = 0, fail = 0, skip = 0, todo = 0 } = counts ?? {}
const failed = Math.max(fail, code === 0 && pass > 0 ? 0 : 1)
if (pass + fail === 0) console.log('# no tests were counted: this is a failure')
if (skip || todo) console.log(`# ${skip} skipped, ${todo} to do`)
console.log(`${pass} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0

function testFiles() {
  const below = dir => readdirSync(dir, { withFileTypes: true }).flatMap(entry =>
    entry.isDirectory() ? (['node_modules', 'dist'].includes(entry.name) ? [] : below(join(dir, entry.name))) : entry.name.endsWith('.test.ts') ? [join(dir, entry.name)] : [])
  return ['core', 'layers', 'simulation', 'server', 'fixtures', 'viewer', 'scripts', 'bench'].filter(dir => existsSync(dir)).flatMap(below)
}
