/**
 * Others read the coverages: GDAL the GeoTIFFs by ranges, with their overviews and values; a CoverageJSON validator, one of
 * EDR's collections and one of cloud-optimised GeoTIFFs (Python packages, installed into a folder for this run) the rest.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NOT_HERE, serverGiven, startReport } from './report.js'

const { url } = serverGiven()
const report = startReport()
const folder = mkdtempSync(join(tmpdir(), 'dothi-coverages-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

function run(program: string, args: readonly string[], seconds = 120): { readonly out: string; readonly status: number | null } {
  const { stdout, stderr, status, error } = spawnSync(program, args, { encoding: 'utf8', timeout: seconds * 1000, maxBuffer: 2 ** 26, env: { ...process.env, GDAL_HTTP_TIMEOUT: '60' } })
  if ((error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') {
    console.error(`${program} cannot be run: apt-get install gdal-bin python3-venv`)
    process.exit(NOT_HERE)
  }
  return { out: stdout + (status === 0 ? '' : stderr), status }
}

/** On a connection of its own: a kept one dies while a program of others is waited for. */
const get = (path: string) => fetch(url + path, { headers: { Connection: 'close' } })

interface Collection { readonly id: string; readonly extent: { readonly spatial: { readonly bbox: readonly [readonly [number, number, number, number]] }; readonly temporal: { readonly values: readonly string[] } } }
const { collections } = await (await get('/edr/collections')).json() as { collections: readonly Collection[] }
report.check('there is elevation', collections.some(({ id }) => id === 'elevation'), collections.map(({ id }) => id))

for (const { id, extent } of collections) {
  const moment = extent.temporal.values.at(-1)!
  const file = `/vsicurl/${url}/ogc/collections/${id}/coverage?f=GeoTIFF${id === 'elevation' ? '' : `&datetime=${moment}`}`
  const info = run('gdalinfo', ['-json', file])
  const { bands, size } = info.status === 0 ? JSON.parse(info.out) as { bands: readonly { noDataValue: unknown; overviews?: readonly unknown[] }[]; size: readonly [number, number] } : { bands: [], size: [0, 0] as const }
  report.check(`${id}: GDAL opens ${size.join(' × ')} pixels, NaN is no data`, bands.length > 0 && bands.every(({ noDataValue }) => noDataValue === 'NaN'), info.out)
  report.check(`${id}: overviews where it is large`, Math.max(...size) <= 256 || (bands[0]?.overviews?.length ?? 0) > 0, bands[0])
  const whole = await (await get(`/ogc/collections/${id}/coverage?f=CoverageJSON${id === 'elevation' ? '' : `&datetime=${moment}`}`)).json() as { domain: { axes: { x: { num: number }; y: { num: number } } }; ranges: Record<string, { values: readonly (number | null)[] }> }
  const { x: { num: cols }, y: { num: rows } } = whole.domain.axes
  report.check(`${id}: as many pixels as cells`, size[0] === cols && size[1] === rows, [size, cols, rows])
  for (const share of [0.1, 0.3, 0.5, 0.7, 0.9]) {
    const [col, row] = [Math.floor(cols * share), Math.floor(rows * share)]
    const pixel = run('gdallocationinfo', ['-valonly', '-b', '1', file, String(col), String(row)]).out.trim()
    const value = Object.values(whole.ranges)[0]!.values[row * cols + col]!
    report.check(`${id}: GDAL reads ${pixel} where CoverageJSON says ${value}`, value === null ? /nan/i.test(pixel) : Math.abs(Number(pixel) - value) <= 0.001)
  }
}

const PYTHON = `
import sys, urllib.request
from covjson_pydantic.coverage import Coverage
from edr_pydantic.collections import Collections
url, point, other = sys.argv[1:4]
def get(path): return urllib.request.urlopen(url + path.replace(' ', '%20')).read()
def check(what, parse, path):
    try: parse(get(path)); print('ok', what)
    except Exception as error: print('not ok', what, str(error)[:300].replace(chr(10), ' '))
check('collections', Collections.model_validate_json, '/edr/collections')
for name in sys.argv[4:]:
    at = '/edr/collections/' + name
    for path in [f'{at}/position?coords=POINT({point})&f=CoverageJSON', f'{at}/position?coords=MULTIPOINT({point},{other})', f'{at}/radius?coords=POINT({point})&within=100&within-units=m', f'{at}/trajectory?coords=LINESTRING({point},{other})', f'{at}/corridor?coords=LINESTRING({point},{other})&corridor-width=100&width-units=m']:
        check(path, Coverage.model_validate_json, path)
`
const python = join(folder, 'bin', 'python')
const installed = run('python3', ['-m', 'venv', folder]).status === 0 && run(python, ['-m', 'pip', 'install', '-q', 'covjson-pydantic', 'edr-pydantic', 'rio-cogeo'], 300).status === 0
if (!installed) {
  console.error('covjson-pydantic, edr-pydantic and rio-cogeo cannot be installed: a way to PyPI and python3-venv are needed.')
  process.exit(NOT_HERE)
}
const [[west, south, east, north]] = collections.at(-1)!.extent.spatial.bbox
const [x, y] = [(west + east) / 2, (south + north) / 2]
const judged = run(python, ['-c', PYTHON, url, `${x} ${y}`, `${x + 0.003} ${y + 0.003}`, ...collections.map(({ id }) => id)])
for (const line of judged.out.trim().split('\n')) report.check(`valid: ${line.replace(/^(not )?ok /, '')}`, line.startsWith('ok '), line)

for (const { id } of collections) {
  const file = join(folder, `${id}.tif`)
  const bbox = [x - 0.05, y - 0.05, x + 0.05, y + 0.05].join(',')
  writeFileSync(file, Buffer.from(await (await get(`/ogc/collections/${id}/coverage?f=GeoTIFF&bbox=${bbox}${id === 'run_depth' ? `&datetime=${collections.find(one => one.id === id)!.extent.temporal.values[0]}` : ''}`)).arrayBuffer()))
  const verdict = run(join(folder, 'bin', 'rio'), ['cogeo', 'validate', '--strict', file])
  report.check(`${id}: a valid cloud-optimised GeoTIFF`, /is a valid cloud optimized GeoTIFF/.test(verdict.out), verdict.out)
}
report.end()
