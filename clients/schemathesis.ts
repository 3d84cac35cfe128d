/**
 * Schemathesis reads the OpenAPI document and asks every operation, rightly and wrongly: no answer from 500 on, none that
 * the document does not tell. EXAMPLES (30) are made for each operation, SECONDS (600) is the time for all;
 * SCHEMATHESIS names the program where it is not to be installed anew.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NOT_HERE, serverGiven, startReport } from './report.js'

type Json = any

/** Checks that hold for every server; the others ask for more than HTTP does (that a wrong header is refused, say). */
const CHECKS = 'not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance'
/** Streams without end, and what would end the run or call other hosts. */
const LEFT_OUT = new Set(['getEvents', 'addPeer', 'syncPeer', 'pingWebhook', 'addWebhook', 'postSource', 'putSource', 'discardScenario'])
const { EXAMPLES = '30', SECONDS = '600', SEED = '1', SCHEMATHESIS } = process.env

const { url, token } = serverGiven()
const work = mkdtempSync(join(tmpdir(), 'dothi-schemathesis-'))
const program = SCHEMATHESIS ?? installed()

const report = startReport()
const headers: Record<string, string> = token ? { Authorization: `Bearer ${token}` } : {}
const document = await (await fetch(`${url}/ogc/api`, { headers: { ...headers, Accept: 'application/vnd.oai.openapi+json;version=3.0' } })).json() as Json
try {
  for (const [root, paths] of byServer()) {
    const file = join(work, 'openapi.json')
    writeFileSync(file, JSON.stringify({ ...document, servers: [{ url: root }], paths }))
    const { status, stdout } = spawnSync(program, [
      'run', file, '--url', root, '--checks', CHECKS, '--phases', 'examples,coverage,fuzzing', '--max-examples', EXAMPLES, '--max-time', String(Math.ceil(Number(SECONDS) / 2)), '--seed', SEED,
      '--workers', '1', '--continue-on-failure', '--suppress-health-check', 'all', '--warnings', 'off', '--no-color', '--request-timeout', '60', '--generation-database', 'none',
      ...Object.entries(headers).flatMap(([name, value]) => ['--header', `${name}: ${value}`]),
    ], { encoding: 'utf8', maxBuffer: 2 ** 28, cwd: work })
    if (status !== 0) console.log(stdout.replace(/^(.{400}).+$/gm, '$1…'))
    report.check(`schemathesis: ${Object.keys(paths).length} paths below ${new URL(root).pathname}`, status === 0)
  }
} finally {
  rmSync(work, { recursive: true })
}
report.end()

/** The program on the path, or one that is installed for this run. */
function installed(): string {
  if (!spawnSync('schemathesis', ['--version']).error) return 'schemathesis'
  const within = { stdio: 'ignore', timeout: 180_000 } as const
  const bin = join(work, 'venv', 'bin')
  if (spawnSync('python3', ['-m', 'venv', join(work, 'venv')], within).status === 0 && spawnSync(join(bin, 'pip'), ['install', '-q', 'schemathesis==4.32.5'], within).status === 0) return join(bin, 'schemathesis')
  console.error('schemathesis can neither be run nor installed: python3 -m venv .venv && .venv/bin/pip install schemathesis, then SCHEMATHESIS=.venv/bin/schemathesis')
  rmSync(work, { recursive: true })
  process.exit(NOT_HERE)
}

/** Schemathesis asks one server; paths that have one of their own are a document of their own. Of the collections by name, two stand for all. */
function byServer(): Map<string, Record<string, Json>> {
  const groups = new Map<string, Record<string, Json>>()
  const named = Object.keys(document.paths).filter((path) => /^\/collections\/[^{/]+\/items$/.test(path)).slice(2).map((path) => path.replace(/items$/, ''))
  for (const [path, { servers = document.servers, ...item }] of Object.entries<Json>(document.paths)) {
    if (named.some((start) => path.startsWith(start))) continue
    const kept = Object.fromEntries(Object.entries<Json>(item).filter(([, { operationId }]) => !LEFT_OUT.has(operationId)))
    const root = servers[0].url as string
    if (Object.keys(kept).length > 0) groups.set(root, { ...groups.get(root), [path]: kept })
  }
  return groups
}
