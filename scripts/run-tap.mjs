#!/usr/bin/env node
/**
 * Runs the tests: `node scripts/run-tap.mjs [files …]`. One throwaway PostgreSQL cluster for the whole run;
 * the last line is `N passed, N failed`, and the run fails if there is no such count or nothing ran.
 */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { build, checkNode, installForTests, installPackages, root } from './prepare.mjs'

process.chdir(root)
checkNode()
installPackages()
installForTests()
build()

const { register } = await import('tsx/esm/api')
register()
const { startTestCluster } = await import('../server/testing/test-cluster.ts')

const TIMEOUT_SECONDS = 300
/** Two at a time: each has a database at work besides. */
const AT_ONCE = 2

const given = process.argv.slice(2)
const files = given.length > 0 ? given : testFiles()
if (!process.env.REAL_DATA) console.log('# REAL_DATA is not set: tests on real files are not selected')
const cluster = await startTestCluster()
const running = new Set()
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => { queue.length = 0; for (const child of running) child.kill(signal) })

const queue = [...files]
const total = { passed: 0, failed: 0, skipped: 0 }
await Promise.all(Array.from({ length: AT_ONCE }, async () => {
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) report(file, await run(file))
}))
await cluster.remove()

if (total.passed + total.failed === 0) {
  console.log('# no tests were counted: this is a failure')
  total.failed = 1
}
if (total.skipped) console.log(`# ${total.skipped} skipped`)
console.log(`${total.passed} passed, ${total.failed} failed`)
process.exitCode = total.failed > 0 ? 1 : 0

/** Runs one file as anybody would by hand: `node --import tsx FILE`. */
async function run(file) {
  const start = Date.now()
  const child = spawn(process.execPath, ['--import', 'tsx', file], {
    env: { ...process.env, DOTHI_TEST_CLUSTER: cluster.dataDir, TAP_TIMEOUT: String(TIMEOUT_SECONDS) }, stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  // Tap tells a file that takes too long; what does not even listen to that is killed a little later.
  const watchdog = setTimeout(() => child.kill('SIGKILL'), (TIMEOUT_SECONDS + 30) * 1000)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', text => { output += text })
  const code = await new Promise(done => child.once('close', done))
  clearTimeout(watchdog)
  running.delete(child)
  return { code, output, seconds: (Date.now() - start) / 1000, ...countsOf(output) }
}

/** Tap's closing line: `# { total: 12, pass: 11, fail: 1 }`. */
function countsOf(output) {
  const line = output.match(/^# \{.*\btotal: \d+.*\}$/gm)?.at(-1) ?? ''
  const { pass = 0, fail = 0, skip = 0, todo = 0 } = Object.fromEntries([...line.matchAll(/(\w+): (\d+)/g)].map(([, name, n]) => [name, Number(n)]))
  return { passed: pass, failed: fail, skipped: skip + todo }
}

function report(file, { code, output, seconds, passed, failed, skipped }) {
  // A file that ends badly, or counts nothing, has failed even if no test of it says so.
  const bad = code !== 0 || passed + failed === 0 ? Math.max(failed, 1) : failed
  total.passed += passed
  total.failed += bad
  total.skipped += skipped
  if (bad) console.log(output)
  console.log(`${bad ? 'not ok' : 'ok'} ${file}: ${passed} passed, ${bad} failed${skipped ? `, ${skipped} skipped` : ''} (${seconds.toFixed(1)} s)`)
}

function testFiles() {
  const below = dir => readdirSync(dir, { withFileTypes: true }).flatMap(entry =>
    entry.isDirectory() ? (['node_modules', 'dist'].includes(entry.name) ? [] : below(join(dir, entry.name))) : entry.name.endsWith('.test.ts') ? [join(dir, entry.name)] : [])
  return ['core', 'layers', 'simulation', 'server', 'fixtures', 'conformance', 'viewer', 'scripts', 'bench'].filter(dir => existsSync(dir)).flatMap(below)
}
