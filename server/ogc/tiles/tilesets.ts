/** Tile sets and TileJSON: what tiles there are, where, and what is in them. */
import type { Response } from 'express'
import type { BBox } from '../../../core/bbox.js'
import { CRS84_URI } from '../../../core/crs.js'
import { WEB_MERCATOR, zoomsOf, type TileGrid } from '../../../core/tile-grid.js'
import type { ColumnType, Layer } from '../../../layers/layer.js'
import { notFound } from '../../errors.js'
import type { Call } from '../../operations/operation.js'
import { generalises } from '../../store/generalised.js'
import { tileColumns } from '../../store/tile-columns.js'
import { commandLine, html, jsonView, linkList } from '../common/html.js'
import { here, REL, type Link } from '../common/links.js'
import { JSON_MEDIA, language, type Language } from '../common/media.js'
import { collectionsCrumbs, respond, sendText, vary } from '../common/respond.js'
import { cityBackdrop, layerBackdrop } from '../features/backdrop.js'
import { layerOf } from '../features/layers.js'
import { pictureMap } from '../features/map-svg.js'
import { schemaVersion, etag, notModified } from '../features/validator.js'
import { layersNamed, MVT_TYPE, selectedLayers } from './get-tile.js'
import { gridNamed, gridsOf } from './grids.js'
import { PNG_TYPE } from './map-tile.js'
import { crsUriOf, definitionOf, limits, matrixSetUri } from './matrix-set.js'
import { reachOf } from './reach.js'

/** What tiles are of, and what they carry. */
export interface Tiling { readonly of: 'collection' | 'dataset'; readonly as: 'vector' | 'map' }

interface TileSource {
  readonly as: Tiling['as']
  /** `…/tiles`, the address of the tile sets. */
  readonly href: string
  readonly title: string
  readonly layers: readonly Layer[]
  readonly bbox: BBox | null
  /** Of WebMercatorQuad. */
  readonly zoom: { readonly min: number; readonly max: number }
  /** `?collections=…`, kept in the tile addresses. */
  readonly query: string
}

async function sourceOf(call: Call, { of, as }: Tiling, lang: Language): Promise<TileSource> {
  const path = as === 'map' ? 'map/tiles' : 'tiles'
  if (of === 'collection') {
    const layer = layerOf(call)
    return { as, href: `${call.base}/ogc/collections/${layer.id}/${path}`, title: layer.title[lang], layers: [layer], query: '', ...(await reachOf(call, [layer])) }
  }
  const layers = selectedLayers(call)
  const query = call.params.collections ? `?collections=${layers.map(({ id }) => id).join(',')}` : ''
  return { as, href: `${call.base}/ogc/${path}`, title: (await call.app.store.city()).name, layers, query, ...(await reachOf(call, layers)) }
}

const TITLES = {
  vector: { vi: 'Ô bản đồ véc-tơ', en: 'Vector tiles' },
  map: { vi: 'Ô bản đồ ảnh', en: 'Map tiles' },
} as const

/** `…/tiles`: the list, each entry complete. */
export async function getTilesets(call: Call, response: Response, tiling: Tiling): Promise<void> {
  const lang = language(call.request, call.params.lang)
  const source = await sourceOf(call, tiling, lang)
  const grids = await gridsOf(call.app.store)
  const picture = tiling.of === 'collection' ? await layerBackdrop(call, source.layers[0]!) : await cityBackdrop(call)
  respond(call, response, {
    title: `${TITLES[tiling.as][lang]}: ${source.title}`, crumbs: collectionsCrumbs(call, lang),
    json: (links) => ({ links, tilesets: grids.map((grid) => tileset(call, source, grid, [])) }),
    html: () => html`${linkList([...grids.map((grid): [string, string, string] => [grid.id, `${source.href}/${grid.id}?f=html`, definitionOf(grid, call.base).title]), ...(tiling.as === 'vector' ? [['TileJSON', tileJsonHref(source)] as const] : [])])}
      ${tiling.as === 'vector' && commandLine('XYZ', xyzTemplate(call, source))}${commandLine('OGC', tileTemplate(source, WEB_MERCATOR))}${pictureMap(picture, lang)}`,
  })
}

/** `…/tiles/{tileMatrixSetId}`: the metadata of one tile set. */
export async function getTileset(call: Call, response: Response, tiling: Tiling): Promise<void> {
  const grid = await gridNamed(call.app.store, call.params.tileMatrixSetId)
  const lang = language(call.request, call.params.lang)
  const source = await sourceOf(call, tiling, lang)
  respond(call, response, {
    title: source.title, crumbs: [...collectionsCrumbs(call, lang), [TITLES[tiling.as][lang], source.href]],
    json: (links) => tileset(call, source, grid, links),
    html: () => html`${tiling.as === 'vector' && grid === WEB_MERCATOR && commandLine('XYZ', xyzTemplate(call, source))}${commandLine('OGC', tileTemplate(source, grid))}${jsonView(tileset(call, source, grid, []))}`,
  })
}

function tileset(call: Call, source: TileSource, grid: TileGrid, own: readonly Link[]): unknown {
  const self = `${source.href}/${grid.id}`
  const { bbox } = source
  const zoom = zoomsOf(grid, source.zoom)
  return {
    title: source.title, dataType: source.as, crs: crsUriOf(grid),
    tileMatrixSetId: grid.id, tileMatrixSetURI: matrixSetUri(grid, call.base),
    tileMatrixSetLimits: limits(bbox, zoom, grid),
    boundingBox: bbox ? { crs: CRS84_URI, lowerLeft: bbox.slice(0, 2), upperRight: bbox.slice(2) } : undefined,
    centerPoint: bbox ? { crs: CRS84_URI, coordinates: [(bbox[0] + bbox[2]) / 2, (bbox[1] + bbox[3]) / 2], tileMatrix: String(Math.min(zoom.max, Math.max(zoom.min, 13 - grid.finer))) } : undefined,
    layers: source.layers.map((layer) => ({
      id: layer.id, title: layer.title.en, dataType: source.as, geometryDimension: { point: 0, line: 1, polygon: 2, any: undefined }[layer.geometry],
      minTileMatrix: String(zoomsOf(grid, layer.zoom).min), maxTileMatrix: String(zoomsOf(grid, layer.zoom).max), attribution: layer.attribution,
      ...(source.as === 'vector' && { propertiesSchema: { type: 'object', properties: Object.fromEntries(tileColumns(layer, call.reader).map(({ name, type, title }) => [name, { title: title.en, type: JSON_TYPES[type] }])) } }),
    })),
    links: [
      ...(own.length > 0 ? own : [{ href: `${self}${source.query}${source.query ? '&' : '?'}f=json`, rel: 'self', type: JSON_MEDIA.type, title: source.title }]),
      { href: tileTemplate(source, grid), rel: 'item', type: source.as === 'map' ? PNG_TYPE : MVT_TYPE, title: source.title, templated: true },
      { href: `${call.base}/ogc/tileMatrixSets/${grid.id}?f=json`, rel: REL.tilingScheme, type: JSON_MEDIA.type, title: grid.id },
      ...(source.as === 'vector' && grid === WEB_MERCATOR ? [{ href: tileJsonHref(source), rel: 'describedby', type: JSON_MEDIA.type, title: 'TileJSON' }] : []),
    ],
  }
}

const JSON_TYPES: Readonly<Record<ColumnType, string>> = { text: 'string', date: 'string', timestamp: 'string', json: 'string', integer: 'integer', number: 'number', boolean: 'boolean' }

const tileTemplate = ({ href, query }: TileSource, grid: TileGrid) => `${href}/${grid.id}/{tileMatrix}/{tileRow}/{tileCol}${query}`
const tileJsonHref = ({ href, query }: TileSource) => `${href}/${WEB_MERCATOR.id}/tilejson${query}`
const xyzTemplate = (call: Call, { layers }: TileSource) => `${call.base}/tiles/${layers.map(({ id }) => id).join(',')}/{z}/{x}/{y}.mvt`

/** TileJSON 3.0 of some collections, with `asOf` and `run` kept in the tile addresses. */
export async function getTileJson(call: Call, response: Response): Promise<void> {
  await refuseOtherGrids(call)
  const lang = language(call.request, call.params.lang)
  const { collectionId, collectionIds } = call.params
  const layers = collectionIds ? layersNamed(call, collectionIds.split(',')) : collectionId ? [layerOf(call)] : selectedLayers(call)
  const { bbox, zoom } = await reachOf(call, layers)
  vary(response, lang)
  const bounds = bbox ?? [-180, -85.05, 180, 85.05]
  const kept = ['asOf', 'datetime', 'run'].filter((name) => call.params[name]).map((name) => `${name}=${encodeURIComponent(call.params[name])}`)
  const document = {
    tilejson: '3.0.0', name: layers.map(({ title }) => title[lang]).join(', '), scheme: 'xyz',
    tiles: [`${call.base}/tiles/${layers.map(({ id }) => id).join(',')}/{z}/{x}/{y}.mvt${kept.length > 0 ? `?${kept.join('&')}` : ''}`],
    minzoom: zoom.min, maxzoom: zoom.max, bounds,
    center: [(bounds[0]! + bounds[2]!) / 2, (bounds[1]! + bounds[3]!) / 2, Math.min(zoom.max, Math.max(zoom.min, 13))],
    attribution: [...new Set(layers.map(({ attribution }) => attribution).filter(Boolean))].join(' · ') || undefined,
    vector_layers: layers.map((layer) => ({
      id: layer.id, description: layer.title[lang], minzoom: layer.zoom.min, maxzoom: layer.zoom.max,
      fields: {
        ...Object.fromEntries(tileColumns(layer, call.reader).map(({ name, type }) => [name, FIELD_TYPES[type]])),
        ...(generalises(layer, Infinity, layer.zoom.min) && { merged: FIELD_TYPES.integer }),
      },
    })),
  }
  if (notModified(call, response, etag(JSON.stringify(document), ...layers.map(schemaVersion)), 'live')) return
  sendText(response, JSON_MEDIA.type, JSON.stringify(document))
}

const FIELD_TYPES: Readonly<Record<ColumnType, string>> = { text: 'String', date: 'String', timestamp: 'String', json: 'String', integer: 'Number', number: 'Number', boolean: 'Boolean' }

/** TileJSON knows one grid. */
async function refuseOtherGrids({ app, params: { tileMatrixSetId: id } }: Call): Promise<void> {
  if (id !== undefined && await gridNamed(app.store, id) !== WEB_MERCATOR)
    throw notFound(`TileJSON has no words for ${id}: it stands for ${WEB_MERCATOR.id} only. The tile set’s own metadata is one step up.`)
}

const GRIDS = { vi: 'Lưới ô bản đồ', en: 'Tile matrix sets' } as const

/** `/tileMatrixSets` and `/tileMatrixSets/{tileMatrixSetId}`. */
export async function getMatrixSets(call: Call, response: Response): Promise<void> {
  const sets = (await gridsOf(call.app.store)).map((grid) => definitionOf(grid, call.base))
  const href = (id: string) => `${call.base}/ogc/tileMatrixSets/${id}`
  respond(call, response, {
    title: GRIDS[language(call.request, call.params.lang)], crumbs: [['dothi', `${call.base}/ogc`]],
    json: (links) => ({ links, tileMatrixSets: sets.map(({ id, title, uri, crs }) => ({ id, title, uri, crs, links: [{ href: `${href(id)}?f=json`, rel: 'self', type: JSON_MEDIA.type, title: id }] })) }),
    html: () => linkList(sets.map(({ id, title }) => [id, href(id), title])),
  })
}

export async function getMatrixSet(call: Call, response: Response): Promise<void> {
  const set = definitionOf(await gridNamed(call.app.store, call.params.tileMatrixSetId), call.base)
  const unit = set.crs === CRS84_URI ? '°' : 'm'
  respond(call, response, {
    title: set.id, crumbs: [['dothi', `${call.base}/ogc`], [GRIDS[language(call.request, call.params.lang)], `${call.base}/ogc/tileMatrixSets`]],
    json: (links) => ({ ...set, links }),
    html: () => html`<p>${set.title} · <code>${set.crs}</code></p><div class="scroll"><table><tr><th>z</th><th class="n">1 :</th><th class="n">${unit} / px</th><th class="n">n</th></tr>${set.tileMatrices.map((m) => html`<tr>
      <td>${m.id}</td><td class="n">${Math.round(m.scaleDenominator).toLocaleString('en')}</td><td class="n">${m.cellSize.toPrecision(6)}</td><td class="n">${m.matrixWidth.toLocaleString('en')} × ${m.matrixHeight.toLocaleString('en')}</td></tr>`)}</table></div><p><a href="${here(call, { f: 'json' })}">JSON</a></p>`,
  })
}
