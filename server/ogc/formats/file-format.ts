/** A format of exports as a format of items: a page of them, or all that match, streamed from one snapshot. */
import { once } from 'node:events'
import { sql } from 'kysely'
import type { Response } from 'express'
import { SIMULATION_LABEL } from '../../../simulation/manifest.js'
import { CRS84_URI, epsgUri } from '../../../core/crs.js'
import { badParameter } from '../../errors.js'
import type { ExportFormat, LayerPlan } from '../../export/export.js'
import type { ExportPlan } from '../../export/plan.js'
import { SIMULATION } from '../../export/rows.js'
import { exportChunks } from '../../export/stream.js'
import { timed } from '../../http/timing.js'
import type { Call } from '../../operations/operation.js'
import { linkHeader, type Link } from '../common/links.js'
import type { ItemFormat, ItemsPage } from '../features/formats.js'
import { pageNeighbours, pageRows } from '../features/rows.js'

export function fileFormat(format: ExportFormat): ItemFormat {
  return { media: { f: format.id, type: format.mediaType }, write: (call, response, page) => writeFile(call, response, format, page) }
}

/** Pages are short: who asks for several at once waits rather than being refused. */
const PATIENCE_MS = 10_000
/** So much of a page is kept for a slow client, so that it does not hold a connection to the database meanwhile. */
const PAGE_BYTES = 16 << 20

/** What a file has no place for (links, counts, losses) stands in headers. */
async function writeFile(call: Call, response: Response, format: ExportFormat, asked: ItemsPage): Promise<void> {
  const all = isAll(call, asked)
  const page = all ? { ...asked, limit: Number.MAX_SAFE_INTEGER } : asked
  const plan = await planOf(call, format, page)
  response.setHeader('Link', linkHeader(await linksOf(call, format, page)))
  const returned = await returnedOf(call, page)
  if (returned !== undefined) response.setHeader('OGC-NumberReturned', String(returned))
  for (const [name, value] of Object.entries(headersOf(format, plan))) response.setHeader(name, value)
  if (call.request.method === 'HEAD') return void response.end()
  const chunks = exportChunks(call.app.store, call.reader, plan, { signal: call.signal, patience: PATIENCE_MS })
  // The first chunk before the first byte: what can go wrong still has a status to say so.
  let chunk = await timed(response, 'query', () => chunks.next())
  for (; !chunk.done; chunk = await chunks.next()) {
    if (!response.write(chunk.value) && (all || response.writableLength > PAGE_BYTES)) await once(response, 'drain', { signal: call.signal }).catch(() => {})
    if (call.signal.aborted) return void await chunks.return(undefined)
  }
  response.end()
}

/** Who asks for a file wants the whole of it, unless they say how much. */
const isAll = ({ request }: Call, { query, window }: ItemsPage) => !new URLSearchParams(request.originalUrl.split(/\?(.*)/s)[1]).has('limit') && query.only === undefined && !window.after && !window.before

async function planOf(call: Call, format: ExportFormat, { query, window, limit }: ItemsPage): Promise<ExportPlan> {
  const { layer, properties } = query
  const srid = await sridOf(call, format, query.crs.srid)
  const plan: LayerPlan = { layer, query, srid, columns: layer.kind === 'run' ? [...properties, SIMULATION] : properties, page: { window, limit } }
  return {
    format, plans: [plan], options: { schema: `${call.base}/ogc/collections/${layer.id}/schema/gml` },
    fileName: `${layer.id}${format.extension}`, mediaType: format.mediaType, losses: format.losses(plan),
  }
}

/** City models are in metres unless another CRS is asked for. */
async function sridOf({ app: { store }, params }: Call, format: ExportFormat, srid: number): Promise<number> {
  if (params.crs === undefined && format.inMetres) return (await store.city()).srid
  if (format.onlyCrs84 && srid !== 4326) throw badParameter('crs', `${format.title} knows longitude and latitude only: leave crs away, or choose another format.`)
  return srid
}

async function linksOf(call: Call, format: ExportFormat, page: ItemsPage): Promise<readonly Link[]> {
  const neighbours = page.query.only !== undefined || page.limit === Number.MAX_SAFE_INTEGER ? {} : await pageNeighbours(call.app.store, page)
  const { layer } = page.query
  return [
    ...page.links(neighbours),
    ...(format.id === 'gml' ? [{ href: `${call.base}/ogc/collections/${layer.id}/schema/gml`, rel: 'describedby', type: 'application/xml', title: 'XML Schema' }] : []),
  ]
}

/** How many features the file holds; undefined where all are asked for and nobody has counted them. */
async function returnedOf({ app: { store }, reader }: Call, page: ItemsPage): Promise<number | undefined> {
  if (page.limit === Number.MAX_SAFE_INTEGER) return page.matched
  const { rows } = await pageRows(store, page)
  const { rows: [found] } = await sql<{ count: number }>`select count(*)::int as count from ${rows} as v`.execute(store.pool(reader.clearance))
  return found!.count
}

function headersOf(format: ExportFormat, { plans: [plan], fileName, losses, mediaType }: ExportPlan): Record<string, string> {
  const { layer, query: { crs }, srid } = plan!
  // Only GML keeps the authority's order of axes; in the other files x, or longitude, comes first whatever the CRS.
  const uri = srid === crs.srid && (format.id === 'gml' || crs.axes !== 'lat,lon') ? crs.uri : srid === 4326 ? CRS84_URI : epsgUri(srid)
  return {
    'Content-Type': mediaType, 'Content-Crs': `<${uri}>`, 'Content-Disposition': `attachment; filename="${fileName}"`,
    ...(losses.length > 0 ? { 'X-Export-Losses': losses.join('; ') } : {}),
    ...(layer.kind === 'run' ? { 'X-Simulation': SIMULATION_LABEL.en.replace('–', '-') } : {}),
  }
}
