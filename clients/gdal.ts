/** GDAL/OGR reads the city as its users do: every layer over OGC API Features, with filters, boxes and pages; files; tiles. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NOT_HERE, serverGiven, startReport } from './report.js'

const { url } = serverGiven()
const report = startReport()
const OAPIF = `OAPIF:${url}/ogc`

/** Standard output of a program of GDAL; what its driver fetched is in `asked`. */
function gdal(program: string, ...args: string[]): { readonly out: string; readonly asked: string; readonly status: number | null } {
  const { stdout, stderr, status, error } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 2 ** 28, env: { ...process.env, CPL_DEBUG: 'ON', GDAL_HTTP_TIMEOUT: '60' } })
  if (error) {
    console.error(`${program} cannot be run: apt-get install gdal-bin`)
    process.exit(NOT_HERE)
  }
  return { out: stdout, asked: stderr.split('\n').filter((line) => /Fetch\(|https?:\/\//.test(line)).join('\n'), status }
}

const collections = (await (await fetch(`${url}/ogc/collections`)).json() as { collections: { id: string; itemType?: string; links: { rel: string }[] }[] }).collections.filter(({ itemType, links }) => itemType === 'feature' && links.some(({ rel }) => rel === 'items'))
const listed = gdal('ogrinfo', '-q', OAPIF).out
report.check(`ogrinfo lists all ${collections.length} collections`, collections.every(({ id }) => new RegExp(`: ${id}\\b`).test(listed)), listed)

for (const { id } of collections) {
  const { numberMatched } = await (await fetch(`${url}/ogc/collections/${id}/items?limit=1`)).json() as { numberMatched?: number }
  const { out, status } = gdal('ogrinfo', '-so', OAPIF, id)
  const count = Number(/Feature Count: (\d+)/.exec(out)?.[1])
  report.check(`${id}: ${numberMatched} features`, status === 0 && count === numberMatched, { count, numberMatched })
}

const first = collections.find(({ id }) => id === 'buildings')?.id ?? collections[0]!.id
const sampleFeature = (await (await fetch(`${url}/ogc/collections/${first}/items?limit=1`)).json() as { features: { properties: Record<string, unknown> }[] }).features[0]!
const [name, value] = Object.entries(sampleFeature.properties).find(([key, each]) => key !== 'source_id' && typeof each === 'string' && !/^\d{4}-/.test(each as string)) as [string, string]
const { numberMatched: matching } = await (await fetch(`${url}/ogc/collections/${first}/items?limit=1&${name}=${encodeURIComponent(value)}`)).json() as { numberMatched: number }
const filtered = gdal('ogrinfo', '-so', '-where', `${name} = '${value}'`, OAPIF, first)
report.check(`${first} where ${name} = ${value}: ${matching} features`, Number(/Feature Count: (\d+)/.exec(filtered.out)?.[1]) === matching, filtered.out.slice(0, 300))
report.check('the filter is done by the server', new RegExp(`[?&]${name}=`).test(filtered.asked), filtered.asked.slice(-800))

const work = mkdtempSync(join(tmpdir(), 'dothi-gdal-'))
try {
  const { numberMatched: all } = await (await fetch(`${url}/ogc/collections/${first}/items?limit=1`)).json() as { numberMatched: number }
  // GeoPackage keeps the ids as keys: a feature that came twice would be refused.
  const pages = gdal('ogr2ogr', '-f', 'GPKG', join(work, 'pages.gpkg'), OAPIF, first)
  const copied = Number(/Feature Count: (\d+)/.exec(gdal('ogrinfo', '-so', join(work, 'pages.gpkg'), first).out)?.[1])
  report.check(`all pages of ${first} arrive, each feature once: ${all}`, pages.status === 0 && copied === all, { copied, all })

  const whole = gdal('ogr2ogr', '-f', 'GPKG', join(work, 'whole.gpkg'), OAPIF, '-limit', '10')
  const layers = gdal('ogrinfo', '-q', join(work, 'whole.gpkg')).out
  report.check('the whole service is copied', whole.status === 0 && collections.every(({ id }) => new RegExp(`: ${id}\\b`).test(layers)), { status: whole.status, layers })

  for (const [f, file] of [['flatgeobuf', 'a.fgb'], ['gpkg', 'a.gpkg'], ['csv', 'a.csv'], ['gml', 'a.gml']] as const) {
    const answer = await fetch(`${url}/ogc/collections/${first}/items?limit=50&f=${f}`)
    report.check(`items as ${f}`, answer.ok, answer.ok ? undefined : await answer.text())
    if (!answer.ok) continue
    writeFileSync(join(work, file), Buffer.from(await answer.arrayBuffer()))
    const { out } = gdal('ogrinfo', '-so', '-al', join(work, file))
    report.check(`GDAL reads 50 features of ${f}`, /Feature Count: 50\b/.test(out), out.slice(0, 400))
  }
} finally {
  rmSync(work, { recursive: true, force: true })
}

const { center: [lon, lat] } = await (await fetch(`${url}/tiles/${first}/tilejson`)).json() as { center: [number, number] }
const z = 15
const x = Math.floor(((lon + 180) / 360) * 2 ** z)
const y = Math.floor(((1 - Math.asinh(Math.tan((lat * Math.PI) / 180)) / Math.PI) / 2) * 2 ** z)
const tile = gdal('ogrinfo', '-so', '-al', `MVT:/vsicurl/${url}/tiles/${first}/${z}/${x}/${y}.mvt`)
report.check(`a vector tile is read (${first} ${z}/${x}/${y})`, /Layer name: /.test(tile.out), tile.out.slice(0, 300))
report.end()
