/**
 * The OGC's executable test suites against a running server: `node --import tsx scripts/cite.ts http://127.0.0.1:8080 [features tiles processes edr]`.
 * Each suite is built once, from its source on GitHub and its dependencies on Maven Central, into CITE_DIR (`.cite`); a checkout
 * that lies there already is used as it is. Needs a JDK of 17, Maven and git. Ends with 0 where nothing failed and nothing was
 * skipped but what is named below, with 77 where the suites cannot be had here.
 *
 * The suites' exit code says nothing of the outcome: their result files do. That of Processes reads schemas.opengis.net while it runs.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { SaxesParser } from 'saxes'
import { VN2000_PROJ4 } from '../core/vn2000.js'

interface Suite {
  readonly repository: string
  readonly tag: string
  /** Arguments of the jar before its file of properties. */
  readonly arguments?: readonly string[]
  readonly properties: Readonly<Record<string, string>>
  /** Skips that are right, by the reason that the suite gives. */
  readonly skips: readonly RegExp[]
}

interface Result { readonly status: string; readonly test: string; readonly message: string }

const CANNOT = 77
const MINUTES = 20
const folder = resolve(process.env.CITE_DIR ?? '.cite')
const [base, ...chosen] = process.argv.slice(2)
if (!base) stop('Say where the server is: scripts/cite.ts http://127.0.0.1:8080', 1)
const ogc = `${base.replace(/\/$/, '')}/ogc`

const SUITES: Readonly<Record<string, () => Promise<Suite>>> = {
  features: async () => ({
    repository: 'ets-ogcapi-features10', tag: '1.9', arguments: ['-h', 'true'], properties: { iut: ogc, noofcollections: '-1' },
    // Its boxes lie about the world, most of them nowhere near a city; and it does not count more than this.
    skips: [/^No features were returned for collection/, /test suite limit is 10000/],
  }),
  tiles: async () => ({ repository: 'ets-ogcapi-tiles10', tag: '1.2', arguments: ['-h', 'true'], properties: { iut: ogc, noofcollections: '-1', ...await denseTiles() }, skips: [] }),
  processes: async () => ({ repository: 'ets-ogcapi-processes10', tag: '1.3', properties: { iut: ogc, echoprocessid: 'echo', processtestlimit: '10', uselocalschema: 'true' }, skips: [] }),
  edr: async () => ({ repository: 'ets-ogcapi-edr10', tag: '1.3', properties: { iut: ogc.replace(/ogc$/, 'edr'), noofcollections: '1000', apiDefinition: `${ogc.replace(/ogc$/, 'edr')}/api?f=json` }, skips: [] }),
}
for (const name of chosen) if (!SUITES[name]) stop(`There is no suite “${name}”; there are ${Object.keys(SUITES).join(', ')}.`, 1)

for (const name of chosen.length > 0 ? chosen : Object.keys(SUITES)) {
  const suite = await SUITES[name]!()
  const results = await run(name, suite, builtJar(suite))
  const passed = results.filter(({ status }) => status === 'PASS').length
  const expected = results.filter((result) => isExpectedSkip(suite, result)).length
  const bad = results.filter((result) => result.status !== 'PASS' && !isExpectedSkip(suite, result))
  for (const { status, test, message } of bad) console.log(`not ok ${name}: ${test} ${status === 'SKIP' ? 'was skipped' : 'failed'}: ${message}`)
  const isGood = bad.length === 0 && passed > 0
  console.log(`${isGood ? 'ok' : 'not ok'} ${suite.repository}: ${passed} passed, ${bad.filter(({ status }) => status === 'FAIL').length} failed, ${bad.filter(({ status }) => status === 'SKIP').length} skipped${expected > 0 ? `, ${expected} more skipped where the suite has nothing to test` : ''}`)
  if (!isGood) process.exitCode = 1
}

function isExpectedSkip({ skips }: Suite, { status, message }: Result): boolean {
  return status === 'SKIP' && skips.some((reason) => reason.test(message))
}

// ---- build -------------------------------------------------------------------------------------------------------

function builtJar({ repository, tag }: Suite): string {
  const checkout = [repository, repository.replace(/^ets-ogcapi-/, '')].map((each) => join(folder, each)).find((path) => existsSync(path)) ?? join(folder, repository)
  if (!existsSync(checkout)) {
    mkdirSync(folder, { recursive: true })
    must('git', ['clone', '-q', '--depth', '1', '--branch', tag, `https://github.com/opengeospatial/${repository}.git`, checkout], `The suite ${repository} cannot be fetched.`)
  }
  if (!jarOf(checkout)) compile(checkout, repository)
  return jarOf(checkout) ?? stop(`Maven built no jar of ${repository}.`, CANNOT)
}

function jarOf(checkout: string): string | undefined {
  const target = join(checkout, 'target')
  const name = existsSync(target) ? readdirSync(target).find((each) => each.endsWith('-aio.jar')) : undefined
  return name && join(target, name)
}

/** The suite of EDR names a library that only its maker's own server has; what it uses of it Apache SIS has too, on Maven Central. */
function compile(checkout: string, repository: string): void {
  if (repository === 'ets-ogcapi-edr10') {
    const pom = join(checkout, 'pom.xml')
    const dependency = (artifact: string) => new RegExp(`<dependency>\\s*<groupId>[^<]*</groupId>\\s*<artifactId>${artifact}</artifactId>\\s*</dependency>`)
    const sis = '<dependency><groupId>org.apache.sis.core</groupId><artifactId>sis-referencing</artifactId><version>1.4</version></dependency>'
    writeFileSync(pom, readFileSync(pom, 'utf8').replace(dependency('geomatics-geotk'), '').replace(dependency('geoapi-pending'), sis))
  }
  console.log(`# building ${repository}`)
  must('mvn', ['-q', '-B', '-f', join(checkout, 'pom.xml'), '-DskipTests', '-Denforcer.skip=true', '-Dmaven.javadoc.skip=true', 'package'], `${repository} cannot be built.`)
}

function must(program: string, args: readonly string[], failure: string): void {
  const { status, error } = spawnSync(program, args, { stdio: ['ignore', 2, 2], timeout: MINUTES * 60_000 })
  if (error || status !== 0) stop(`${failure} git, Maven and a JDK of 17 with a way to GitHub and Maven Central are needed, or CITE_DIR with checkouts of the suites.`, CANNOT)
}

// ---- run ---------------------------------------------------------------------------------------------------------

async function run(name: string, suite: Suite, jar: string): Promise<readonly Result[]> {
  const work = join(tmpdir(), `cite-${name}-${process.pid}`)
  mkdirSync(work, { recursive: true })
  try {
    const file = join(work, 'test-run-props.xml')
    writeFileSync(file, propertiesXml(suite.properties))
    const classPath = [correctedCrsTable(work, jar), jar].join(':')
    const main = `org.opengis.cite.${suite.repository.replace(/^ets-|-/g, '')}.TestNGController`
    const { error, stdout, stderr } = spawnSync('java', ['-cp', classPath, main, '-o', work, ...suite.arguments ?? [], file], { encoding: 'utf8', timeout: MINUTES * 60_000, maxBuffer: 2 ** 28 })
    const found = (readdirSync(work, { recursive: true }) as string[]).find((path) => path.endsWith('testng-results.xml'))
    const log = process.env.CITE_LOG
    if (log) writeFileSync(`${log}-${name}.log`, stdout + stderr)
    if (!found) return stop(`The suite of ${name} left no results: ${error?.message ?? stderr.split('\n').slice(0, 3).join(' ')}`, 1)
    const xml = readFileSync(join(work, found), 'utf8')
    if (log) writeFileSync(`${log}-${name}.xml`, xml)
    return resultsOf(xml)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function propertiesXml(properties: Readonly<Record<string, string>>): string {
  const entries = Object.entries(properties).map(([key, value]) => `<entry key="${key}">${value.replace(/&/g, '&amp;')}</entry>`)
  return `<?xml version="1.0" encoding="UTF-8"?><properties version="1.0">${entries.join('')}</properties>`
}

/**
 * The suite of Features looks each CRS up in a table of its own, which lacks most of Vietnam's and has EPSG:4326 with the
 * longitude first: boxes of Vietnam would have latitudes of 108°. A corrected copy of its table stands before it on the
 * class path; the other suites have none.
 */
function correctedCrsTable(work: string, jar: string): string {
  const table = spawnSync('unzip', ['-p', jar, 'proj4/nad/epsg'], { encoding: 'utf8', maxBuffer: 2 ** 24 })
  if (table.status !== 0 || table.stdout === '') return work
  const latitudeFirst = table.stdout.replace(/^<4326> .*$/m, '<4326> +proj=longlat +datum=WGS84 +axis=neu +no_defs  <>')
  const missing = Object.entries(VN2000_PROJ4).filter(([code]) => !table.stdout.includes(`<${code}>`))
  mkdirSync(join(work, 'proj4', 'nad'), { recursive: true })
  writeFileSync(join(work, 'proj4', 'nad', 'epsg'), `${latitudeFirst}\n${missing.map(([code, definition]) => `<${code}> ${definition}  <>`).join('\n')}\n`)
  return work
}

/** Test methods with their outcome and the first line of what went wrong; what only prepares counts where it failed. */
function resultsOf(xml: string): readonly Result[] {
  const results: Result[] = []
  const parser = new SaxesParser()
  let [className, inMessage, message] = ['', false, '']
  let current: { status: string; prepares: boolean; test: string } | undefined
  parser.on('opentag', ({ name, attributes }) => {
    if (name === 'class') className = String(attributes.name).split('.').pop()!
    if (name === 'test-method') {
      current = { status: String(attributes.status), prepares: attributes['is-config'] === 'true', test: `${className}.${String(attributes.name)}` }
      message = ''
    }
    inMessage = name === 'message'
  })
  const read = (text: string) => { if (inMessage) message += text }
  parser.on('cdata', read)
  parser.on('text', read)
  parser.on('closetag', ({ name }) => {
    if (name === 'message') inMessage = false
    if (name !== 'test-method' || !current) return
    if (!current.prepares || current.status === 'FAIL') results.push({ status: current.status, test: current.test, message: message.trim().replace(/\s*\n\s*/g, ' ').slice(0, 300) })
    current = undefined
  })
  parser.write(xml).close()
  return results
}

/** The suite of Tiles wants a range in which each tile answers 200: four tiles about the middle of the city. */
async function denseTiles(): Promise<Record<string, string>> {
  const { center: [lon, lat] } = await (await fetch(`${ogc}/tiles/WebMercatorQuad/tilejson`)).json() as { center: [number, number] }
  const z = 14
  const col = Math.floor(((lon + 180) / 360) * 2 ** z)
  const row = Math.floor(((1 - Math.asinh(Math.tan((lat * Math.PI) / 180)) / Math.PI) / 2) * 2 ** z)
  return {
    tilematrixsetdefinitionuri: 'http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad',
    urltemplatefortiles: `${ogc}/tiles/WebMercatorQuad/{tileMatrix}/{tileRow}/{tileCol}?f=mvt`,
    tilematrix: String(z), mintilerow: String(row), maxtilerow: String(row + 1), mintilecol: String(col), maxtilecol: String(col + 1),
  }
}

function stop(sentence: string, code: number): never {
  console.error(sentence)
  process.exit(code)
}
