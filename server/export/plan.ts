/** The parameters of an export → what of which layer goes into which format. */
import { findCrs } from '../../core/crs.js'
import { nearMisses } from '../../core/text.js'
import type { Layer } from '../../layers/layer.js'
import { badParameter, notFound } from '../errors.js'
import { parseCrs } from '../import/crs.js'
import { itemsQuery, type QueryCall } from '../ogc/features/query.js'
import type { ExportFormat, FormatOptions, LayerPlan } from './export.js'
import { formatOf } from './formats.js'
import { SIMULATION } from './rows.js'

/** As query parameters and as the body of a job have them. */
export interface ExportParams extends FormatOptions {
  readonly layers: readonly string[]
  readonly format: string
  readonly crs?: string
  readonly [parameter: string]: unknown
}

export interface ExportPlan {
  readonly format: ExportFormat
  readonly plans: readonly LayerPlan[]
  readonly options: FormatOptions
  /** What the file is called, and its media type: a zip's where each layer has a file of its own. */
  readonly fileName: string
  readonly mediaType: string
  /** What of all this the format cannot hold; ASCII. */
  readonly losses: readonly string[]
}

/** Every layer that the reader sees and that has rows there. */
export const ALL = 'all'

/** Throws Problems that name the parameter. */
export async function planExport(call: Omit<QueryCall, 'params' | 'query'>, params: ExportParams): Promise<ExportPlan> {
  const format = formatOf(params.format)
  const srid = await sridOf(call, format, params.crs)
  const { crs: _, layers: _layers, format: _format, geometry, bom, ...query } = params
  const plans: LayerPlan[] = []
  for (const layer of await chosen(call, params.layers)) plans.push(await planLayer({ ...call, params: query, query: {} }, layer, srid))
  const [only] = plans
  const zip = plans.length > 1 && !format.severalLayers
  const name = plans.length === 1 ? only!.layer.id : 'city'
  return {
    format, plans, options: { geometry, bom }, fileName: `${name}${zip ? `${format.extension}.zip` : format.extension}`, mediaType: zip ? 'application/zip' : format.mediaType,
    losses: [...new Set(plans.flatMap(plan => format.losses(plan)))],
  }
}

async function planLayer(call: QueryCall, layer: Layer, srid: number): Promise<LayerPlan> {
  const query = await itemsQuery(call, layer)
  return { layer, query, srid, columns: layer.kind === 'run' ? [...query.properties, SIMULATION] : query.properties }
}

async function chosen({ app: { store }, reader, branch }: Pick<QueryCall, 'app' | 'reader' | 'branch'>, ids: readonly string[]): Promise<readonly Layer[]> {
  const all = store.catalogue.for(reader)
  if (ids.length === 1 && ids[0] === ALL) {
    const there = await Promise.all(all.map(async layer => (layer.kind !== 'report' && (layer.kind !== 'run' || branch !== 'main') && (await store.layerSummary(layer, branch)).count > 0 ? [layer] : [])))
    const layers = there.flat()
    if (layers.length === 0) throw notFound('There is nothing to export: no layer has features.')
    return layers
  }
  if (ids.length === 0) throw badParameter('layers', 'Say which layers, with commas between them, or layers=all.')
  return [...new Set(ids)].map(id => {
    const layer = all.find(candidate => candidate.id === id)
    if (layer) return layer
    const near = nearMisses(id, all.map(candidate => candidate.id))
    throw badParameter('layers', `There is no layer “${id.slice(0, 60)}”.${near.length ? ` Did you mean ${near.join(' or ')}?` : ''}`)
  })
}

/** The CRS asked for, or the format's own: drawings and city models are in metres. */
async function sridOf({ app: { store } }: Pick<QueryCall, 'app'>, format: ExportFormat, name: string | undefined): Promise<number> {
  const city = (await store.city()).srid
  if (name === undefined) return format.inMetres ? city : 4326
  const srid = findCrs(name)?.srid ?? parseCrs(name)
  if (srid === null || (srid !== city && !findCrs(`EPSG:${srid}`))) throw badParameter('crs', `“${name.slice(0, 80)}” is not a CRS that the city is exported in. Write EPSG:4326, EPSG:3857, EPSG:${city}, a UTM zone of Vietnam (EPSG:32648, EPSG:32649), or a VN-2000 zone.`)
  if (format.onlyCrs84 && srid !== 4326) throw badParameter('crs', `${format.title} knows longitude and latitude only: leave crs away, or choose another format.`)
  return srid
}
