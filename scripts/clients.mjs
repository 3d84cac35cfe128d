#!/usr/bin/env node
/**
 * `make clients`: programs of others, and long tests, against a running city. Each client is a program in clients/ (the OGC's suites
 * are scripts/cite.ts) that takes the server's address and the steward's token (DOTHI_TOKEN), says `ok …` or `not ok …`, and
 * ends with 0, with 1, or with 77 where what it needs cannot be had here. Names as arguments choose some; CLIENTS_URL with
 * DOTHI_TOKEN names a server that runs already, else a sample city is made for it.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkNode, installForTests, installPackages, root } from './prepare.mjs'

const CLIENTS = ['gdal', 'qgis', 'maplibre', 'arcgis', 'coverages', 'conformance', 'cite', 'schemathesis', 'cql2-fuzz']
const NOT_HERE = 77

checkNode()
installPackages()
installForTests()
process.chdir(root)

const given = process.argv.slice(2)
const city = process.env.CLIENTS_URL ? { url: process.env.CLIENTS_URL, token: process.env.DOTHI_TOKEN, stop: async () => {} } : await startCity()
const results = []
try {
  for (const name of given.length > 0 ? given : CLIENTS) {
    console.log(`\n=== ${name}`)
    const start = Date.now()
    results.push({ name, outcome: run(name), seconds: Math.round((Date.now() - start) / 1000) })
  }
} finally {
  await city.stop()
}

console.log('\n=== summary')
for (const { name, outcome, seconds } of results) console.log(`${name.padEnd(14)} ${outcome.padEnd(10)} ${seconds} s`)
const count = wanted => results.filter(({ outcome }) => outcome === wanted).length
console.log(`${count('passed')} passed, ${count('failed')} failed${count('not here') > 0 ? `, ${count('not here')} could not be tried here` : ''}`)
process.exitCode = count('failed') > 0 ? 1 : 0

function run(name) {
  const file = [`scripts/${name}.ts`, `clients/${name}.ts`].find(existsSync)
  if (!file) return 'failed'
  const { status } = spawnSync(process.execPath, ['--import', 'tsx', file, city.url], { stdio: 'inherit', env: { ...process.env, DOTHI_TOKEN: city.token ?? '' } })
  return status === 0 ? 'passed' : status === NOT_HERE ? 'not here' : 'failed'
}

/** The sample city as `make run` makes it, in a folder that goes with it. */
async function startCity() {
  const dataDir = mkdtempSync(join(tmpdir(), 'dothi-clients-'))
  const port = await freePort()
  const server = spawn(process.execPath, ['scripts/start.mjs'], { env: { ...process.env, DATA_DIR: dataDir, PORT: String(port) }, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise(resolve => server.once('exit', resolve))
  const stop = async () => {
    server.kill('SIGINT')
    await ended
    rmSync(dataDir, { recursive: true, force: true })
  }
  const token = await new Promise((resolve, reject) => {
    let said = ''
    server.stdout.on('data', bytes => {
      said += bytes
      const found = /\?token=(\w+)/.exec(said)
      if (found) resolve(found[1])
    })
    void ended.then(() => reject(new Error('The city did not start: see above.')))
  })
  const url = `http://127.0.0.1:${port}`
  while (!(await fetch(`${url}/readyz`)).ok) await new Promise(resolve => setTimeout(resolve, 200))
  return { url, token, stop }
}

function freePort() {
  return new Promise(resolve => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })
}
