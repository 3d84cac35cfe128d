/**
 * Brings a checkout to where it can start, doing only what is missing: packages, system programs, build.
 * Plain JavaScript without packages, since there may be none yet.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Ends with one sentence that says what to do. */
export function giveUp(sentence) {
  console.error(`dothi: ${sentence}`)
  process.exit(1)
}

export function checkNode() {
  if (Number(process.versions.node.split('.')[0]) < 20) giveUp(`Node.js 20 or newer is needed; this is ${process.versions.node}: install it from your system's packages or nodejs.org.`)
}

// ---- packages ----------------------------------------------------------------------------------------------------

export function installPackages() {
  if (packagesMatchLock()) return
  console.error('Installing packages …')
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], 'The packages could not be installed: see above; the first start needs a network.')
}

/** npm writes what it has installed into node_modules/.package-lock.json. */
function packagesMatchLock() {
  const packages = path => JSON.parse(readFileSync(join(root, path), 'utf8')).packages
  try {
    const installed = packages('node_modules/.package-lock.json')
    return Object.entries(packages('package-lock.json')).every(([path, { version, optional }]) =>
      path === '' || optional || (installed[path]?.version === version && existsSync(join(root, path))))
  } catch { return false }
}

// ---- system programs ---------------------------------------------------------------------------------------------

export function installPostgres() {
  if (process.env.DATABASE_URL || hasPostgres()) return
  installSystem({ apt: ['postgresql', 'postgresql-postgis', 'postgresql-postgis-scripts'], brew: ['postgresql@17', 'postgis'], what: 'PostgreSQL 15 or newer with PostGIS',
    otherwise: 'or set DATABASE_URL to a PostGIS database (compose.yaml starts one)' })
  if (!hasPostgres()) giveUp('PostgreSQL 15 or newer with PostGIS was installed but is not found: set PG_BIN to the folder that holds `initdb` and `postgres`.')
}

/** What the tests need besides: GDAL as a client, a browser, letters for its pictures, network namespaces for federation. */
export function installForTests() {
  installPostgres()
  const missing = [
    ...(has('ogr2ogr') ? [] : ['gdal-bin']),
    ...(has('ip') || process.platform !== 'linux' ? [] : ['iproute2']),
    ...(has('chromium') || process.env.CHROMIUM || existsSync('/Applications/Google Chrome.app') ? [] : ['chromium']),
    ...(has('fc-list') && spawnSync('fc-list', [':lang=vi', 'file']).stdout.length > 0 ? [] : ['fontconfig', 'fonts-dejavu']),
  ]
  if (missing.length > 0) installSystem({ apt: missing, brew: ['gdal'], what: missing.join(', '), otherwise: 'then run the tests again' })
}

function hasPostgres() {
  if (process.env.PG_BIN) return true // the server says whether it is right
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...list('/usr/lib/postgresql').map(dir => join(dir, 'bin')),
    ...['/opt/homebrew/opt', '/usr/local/opt'].flatMap(list).map(dir => join(dir, 'bin')), ...list('/usr').filter(dir => /pgsql-\d+$/.test(dir)).map(dir => join(dir, 'bin'))]
  return folders.some(dir => existsSync(join(dir, 'initdb')) && recentWithPostgis(dir))
}

function recentWithPostgis(bin) {
  const version = Number(/\(PostgreSQL\) (\d+)/.exec(spawnSync(join(bin, 'postgres'), ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1] ?? 0)
  const shares = [`/usr/share/postgresql/${version}`, join(bin, '../share'), join(bin, '../share/postgresql'), join(bin, `../share/postgresql@${version}`)]
  return version >= 15 && shares.some(share => existsSync(join(share, 'extension/postgis.control')))
}

/** Debian and its kin as root or by sudo, Homebrew; else one sentence. */
function installSystem({ apt, brew, what, otherwise }) {
  if (process.platform === 'darwin' && has('brew')) {
    console.error(`Installing ${what} …`)
    return run('brew', ['install', ...brew], `Homebrew could not install ${brew.join(' ')}: see above.`)
  }
  const command = `apt-get install ${apt.join(' ')}`
  if (!has('apt-get')) giveUp(`${what} is missing and cannot be installed here by itself: install it with your system's packages, ${otherwise}.`)
  const isRoot = process.getuid() === 0
  if (!isRoot && !canSudo()) giveUp(`${what} is missing: run \`sudo ${command}\`, ${otherwise}.`)
  console.error(`Installing ${what} …`)
  const asRoot = (program, args) => isRoot ? [program, args] : ['sudo', ['DEBIAN_FRONTEND=noninteractive', program, ...args]]
  const failure = `${what} could not be installed: see above, or run \`${isRoot ? '' : 'sudo '}${command}\` yourself, ${otherwise}.`
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  if (apt.includes('postgresql')) run(...asRoot('sh', ['-c', NO_MAIN_CLUSTER]), failure, env)
  run(...asRoot('apt-get', ['update', '-qq']), failure, env)
  run(...asRoot('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...apt]), failure, env)
}

/** Else Debian's package would make and start a cluster of its own on port 5432. */
const NO_MAIN_CLUSTER = `mkdir -p /etc/postgresql-common && conf=/etc/postgresql-common/createcluster.conf &&
  if ! grep -qs '^ *create_main_cluster' $conf; then echo 'create_main_cluster = false' >> $conf; fi`

/** Asks for a password only on a terminal. */
function canSudo() {
  return has('sudo') && (process.stdin.isTTY || spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0)
}

// ---- build -------------------------------------------------------------------------------------------------------

const SOURCES = ['core', 'layers', 'simulation', 'server', 'fixtures', 'conformance', 'scripts', 'bench', 'viewer', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json']
const NOT_SOURCES = new Set(['node_modules', 'dist', 'screenshots', 'latest.json', 'kernel-bytes.js'])

const KERNEL = 'simulation/flood/wasm'

/** Compiles what has changed since the last build: the flood kernel, the server's side, the viewer, or nothing. */
export function build() {
  mkdirSync(join(root, 'dist'), { recursive: true })
  step('flood kernel', fingerprint([`${KERNEL}/assembly`, 'package-lock.json']), `${KERNEL}/kernel-bytes.js`, buildKernel)
  const viewer = fingerprint(SOURCES.filter(source => source !== 'server' && source !== 'scripts' && source !== 'bench'))
  const server = fingerprint(SOURCES.filter(source => source !== 'viewer'))
  step('server', server, 'dist/server/cli/main.js', () => run(bin('tsc'), ['-p', 'tsconfig.build.json'], 'The build failed: see above.'))
  mkdirSync(join(root, 'dist', KERNEL), { recursive: true })
  copyFileSync(join(root, KERNEL, 'kernel-bytes.js'), join(root, 'dist', KERNEL, 'kernel-bytes.js'))
  if (existsSync(join(root, 'viewer/index.html')))
    step('viewer', viewer, 'viewer/dist/index.html', () => run(bin('vite'), ['build', 'viewer', '--logLevel', 'warn'], 'The build of the viewer failed: see above.'))
}

/** AssemblyScript to WASM with SIMD, as a module that holds its bytes: so it loads the same in Node, in workers and in bundles. */
function buildKernel() {
  const wasm = join(root, 'dist/flood-kernel.wasm')
  run(bin('asc'), [`${KERNEL}/assembly/kernel.ts`, '--outFile', wasm, '--runtime', 'stub', '--enable', 'simd', '--enable', 'bulk-memory', '-O3', '--noAssert'], 'The build of the flood kernel failed: see above.')
  writeFileSync(join(root, KERNEL, 'kernel-bytes.js'), `export const KERNEL = '${readFileSync(wasm, 'base64')}'\n`)
}

function step(name, wanted, product, make) {
  const stamp = join(root, `dist/.${name.replace(' ', '-')}-built`)
  if (existsSync(join(root, product)) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  console.error(`Building the ${name} …`)
  make()
  writeFileSync(stamp, wanted)
}

const bin = name => join(root, 'node_modules/.bin', name)

function fingerprint(sources) {
  const hash = createHash('sha256')
  const add = path => {
    const stat = statSync(join(root, path), { throwIfNoEntry: false })
    if (stat?.isDirectory()) {
      for (const name of readdirSync(join(root, path)).sort()) if (!NOT_SOURCES.has(name) && !/\.test\.ts$/.test(name)) add(join(path, name))
    } else if (stat) hash.update(`${path} ${stat.size} ${stat.mtimeMs}\n`)
  }
  sources.forEach(add)
  return hash.digest('hex')
}

// ---- processes and files -----------------------------------------------------------------------------------------

/** Runs a program with its output on standard error, so that standard output stays for results. */
function run(program, args, failure, env = process.env) {
  const { status, error, signal } = spawnSync(program, args, { cwd: root, env, stdio: ['inherit', 2, 2] })
  if (signal) process.exit(130)
  if (error || status !== 0) giveUp(error ? `${program} cannot be run (${error.message}).` : failure)
}

const has = program => (process.env.PATH ?? '').split(delimiter).some(dir => existsSync(join(dir, program)))
const list = dir => existsSync(dir) ? readdirSync(dir).map(name => join(dir, name)) : []
