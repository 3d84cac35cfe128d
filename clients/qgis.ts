/**
 * QGIS: a headless one (clients/pyqgis.py) reads every layer; and the requests by which newer releases edit are replayed, since
 * Debian's 3.22 reads only. Their order and headers are those of the provider's source (QGIS 3.28 and later).
 */
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { NOT_HERE, serverGiven, startReport } from './report.js'

const { url, token } = serverGiven()
const report = startReport()

const PYTHON = ['/usr/bin/python3', 'python3'].find((program) => spawnSync(program, ['-c', 'import qgis.core'], { env: { ...process.env, QT_QPA_PLATFORM: 'offscreen' } }).status === 0)
if (!PYTHON) {
  console.error('QGIS cannot be found: apt-get install --no-install-recommends python3-qgis qgis-providers')
  process.exit(NOT_HERE)
}
const { stdout, stderr, status } = spawnSync(PYTHON, [join(dirname(fileURLToPath(import.meta.url)), 'pyqgis.py'), url], {
  encoding: 'utf8', timeout: 900_000, maxBuffer: 2 ** 26, env: { ...process.env, QT_QPA_PLATFORM: 'offscreen', PYTHONWARNINGS: 'ignore' },
})
for (const line of stdout.split('\n').filter((each) => each.startsWith('{'))) {
  const { what, holds, came } = JSON.parse(line) as { what: string; holds: boolean; came: string | null }
  report.check(`QGIS: ${what}`, holds, came)
}
report.check('QGIS came to its end', status === 0 && stdout.includes('all was tried'), stderr.slice(-400))
await edit()
report.end()

async function edit(): Promise<void> {
  const items = `${url}/ogc/collections/trees/items`
  const authorization = { Authorization: `Bearer ${token}` }
  const options = await fetch(items, { method: 'OPTIONS', headers: authorization })
  report.check('OPTIONS of items lists POST', (options.headers.get('allow') ?? '').includes('POST'), options.headers.get('allow'))
  const post = await fetch(items, {
    method: 'POST', headers: { ...authorization, 'Content-Type': 'application/geo+json', 'Content-Crs': '<http://www.opengis.net/def/crs/OGC/1.3/CRS84>' },
    body: JSON.stringify({ type: 'Feature', geometry: { type: 'Point', coordinates: [108.2213, 16.0611] }, properties: { height: 4 } }),
  })
  const location = post.headers.get('location') ?? ''
  report.check('POST answers 201 with an absolute Location', post.status === 201 && location.startsWith(`${items}/`), { status: post.status, location, body: await post.text() })
  if (post.status !== 201) return
  const made = await fetch(location, { headers: { ...authorization, Accept: 'application/geo+json, application/json' } })
  report.check('which is there at once', made.ok, made.status)
  const allowed = (await fetch(location, { method: 'OPTIONS', headers: authorization })).headers.get('allow') ?? ''
  report.check('OPTIONS of an item lists PUT, PATCH, DELETE', ['PUT', 'PATCH', 'DELETE'].every((method) => allowed.includes(method)), allowed)
  const patch = await fetch(location, { method: 'PATCH', headers: { ...authorization, 'Content-Type': 'application/merge-patch+json' }, body: JSON.stringify({ properties: { height: 5 } }) })
  report.check('PATCH of an attribute', patch.status === 204 || patch.status === 200, patch.status)
  const put = await fetch(location, {
    method: 'PUT', headers: { ...authorization, 'Content-Type': 'application/geo+json', 'Content-Crs': '<http://www.opengis.net/def/crs/EPSG/0/32649>' },
    body: JSON.stringify({ type: 'Feature', id: Number(location.split('/').pop()), geometry: { type: 'Point', coordinates: [202_600, 1_777_500] }, properties: { height: 6 } }),
  })
  report.check('PUT of a whole feature in another CRS', put.status === 204 || put.status === 200, { status: put.status, body: put.status >= 400 ? await put.text() : '' })
  const after = await (await fetch(location, { headers: authorization })).json() as { geometry: { coordinates: number[] }; properties: { height: number } }
  report.check('it moved there', Math.abs(after.geometry.coordinates[0]! - 108.22) < 0.05 && after.properties.height === 6, after)
  const gone = await fetch(location, { method: 'DELETE', headers: authorization })
  report.check('DELETE', gone.status === 204 || gone.status === 200, gone.status)
}
