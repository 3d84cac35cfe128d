/** Tile sets and TileJSON: what tiles there are, where, and what is in them. */
import type { Response } from 'express'
import { union, type BBox } from '../../../core/bbox.js'
import { CRS84_URI, epsgUri } from '../../../core/crs.js'
import type { ColumnType, Layer } from '../../../layers/layer.js'
import type { Call } from '../../operations/operation.js'
import { commandLine, html, linkList } from '../common/html.js'
import { here, REL, type Link } from '../common/links.js'
import { JSON_MEDIA, language, type Language } from '../common/media.js'
import { collectionsCrumbs, respond, sendText, vary } from '../common/respond.js'
import { layerOf } from '../features/layers.js'
import { schemaVersion, etag, notModified } from '../features/validator.js'
import { checkMatrixSet, layersNamed, MVT_TYPE, selectedLayers } from './get-tile.js'
import { limits, MATRIX_SET_ID, MATRIX_SET_URI, WEB_MERCATOR_QUAD } from './matrix-set.js'
import { generalises } from '../../store/generalised.js'
import { tileColumns } from '../../store/tile-columns.js'

interface TileSource {
  /** `…/tiles`, the address of the tile sets. */
  readonly href: string
  readonly title: string
  readonly layers: readonly Layer[]
  readonly bbox: BBox | null
  readonly zoom: { readonly min: number; readonly max: number }
  /** `?collections=…`, kept in the tile addresses. */
  readonly query: string
}

async function collectionSource(call: Call, lang: Language): Promise<TileSource> {
  const layer = layerOf(call)
  return { href: `${call.base}/ogc/collections/${layer.id}/tiles`, title: layer.title[lang], layers: [layer], query: '', ...(await reach(call, [layer])) }
}

async function datasetSource(call: Call): Promise<TileSource> {
  const layers = selectedLayers(call)
  const query = call.params.collections ? `?collections=${layers.map(({ id }) => id).join(',')}` : ''
  return { href: `${call.base}/ogc/tiles`, title: (await call.app.store.city()).name, layers, query, ...(await reach(call, layers)) }
}

async function reach(call: Call, layers: readonly Layer[]): Promise<Pick<TileSource, 'bbox' | 'zoom'>> {
  const summaries = await Promise.all(layers.map((layer) => call.app.store.layerSummary(layer, call.branch)))
  return {
    bbox: summaries.reduce<BBox | null>((all, { bbox }) => union(all, bbox), null),
    zoom: { min: Math.min(22, ...layers.map(({ zoom }) => zoom.min)), max: Math.max(0, ...layers.map(({ zoom }) => zoom.max)) },
  }
}

/** `…/tiles`: the list, each entry complete. */
export async function getTilesets(call: Call, response: Response, kind: 'collection' | 'dataset'): Promise<void> {
  const lang = language(call.request, call.params.lang)
  const source = kind === 'collection' ? await collectionSource(call, lang) : await datasetSource(call)
  const title = lang === 'vi' ? `Ô bản đồ: ${source.title}` : `Tiles: ${source.title}`
  respond(call, response, {
    title, crumbs: collectionsCrumbs(call, lang),
    json: (links) => ({ links, tilesets: [tileset(call, source, [])] }),
    html: () => html`${linkList([[MATRIX_SET_ID, `${source.href}/${MATRIX_SET_ID}?f=html`], ['TileJSON', tileJsonHref(source)]])}
      ${commandLine('XYZ', xyzTemplate(call, source))}${commandLine('OGC', tileTemplate(source))}`,
  })
}

/** `…/tiles/WebMercatorQuad`: the metadata of one tile set. */
export async function getTileset(call: Call, response: Response, kind: 'collection' | 'dataset'): Promise<void> {
  checkMatrixSet(call.params.tileMatrixSetId)
  const lang = language(call.request, call.params.lang)
  const source = kind === 'collection' ? await collectionSource(call, lang) : await datasetSource(call)
  respond(call, response, {
    title: source.title, crumbs: [...collectionsCrumbs(call, lang), [lang === 'vi' ? 'Ô bản đồ' : 'Tiles', source.href]],
    json: (links) => tileset(call, source, links),
    html: () => html`${commandLine('XYZ', xyzTemplate(call, source))}${commandLine('OGC', tileTemplate(source))}<pre><code>${JSON.stringify(tileset(call, source, []), null, 2)}</code></pre>`,
  })
}

function tileset(call: Call, source: TileSource, own: readonly Link[]): unknown {
  const self = `${source.href}/${MATRIX_SET_ID}`
  return {
    title: source.title, dataType: 'vector', crs: epsgUri(3857),
    tileMatrixSetId: MATRIX_SET_ID, tileMatrixSetURI: MATRIX_SET_URI,
    tileMatrixSetLimits: limits(source.bbox, source.zoom),
    boundingBox: source.bbox ? { crs: CRS84_URI, lowerLeft: source.bbox.slice(0, 2), upperRight: source.bbox.slice(2) } : undefined,
    layers: source.layers.map((layer) => ({
      id: layer.id, title: layer.title.en, dataType: 'vector', geometryDimension: { point: 0, line: 1, polygon: 2, any: undefined }[layer.geometry],
      minTileMatrix: String(layer.zoom.min), maxTileMatrix: String(layer.zoom.max), attribution: layer.attribution,
      propertiesSchema: { type: 'object', properties: Object.fromEntries(tileColumns(layer, call.reader).map(({ name, type, title }) => [name, { title: title.en, type: JSON_TYPES[type] }])) },
    })),
    links: [
      ...(own.length > 0 ? own : [{ href: `${self}?f=json`, rel: 'self', type: JSON_MEDIA.type, title: source.title }]),
      { href: tileTemplate(source), rel: 'item', type: MVT_TYPE, title: source.title, templated: true },
      { href: `${call.base}/ogc/tileMatrixSets/${MATRIX_SET_ID}`, rel: REL.tilingScheme, type: JSON_MEDIA.type, title: MATRIX_SET_ID },
      { href: tileJsonHref(source), rel: 'describedby', type: JSON_MEDIA.type, title: 'TileJSON' },
    ],
  }
}

const JSON_TYPES: Readonly<Record<ColumnType, string>> = { text: 'string', date: 'string', timestamp: 'string', json: 'string', integer: 'integer', number: 'number', boolean: 'boolean' }

const tileTemplate = ({ href, query }: TileSource) => `${href}/${MATRIX_SET_ID}/{tileMatrix}/{tileRow}/{tileCol}${query}`
const tileJsonHref = ({ href, query }: TileSource) => `${href}/${MATRIX_SET_ID}/tilejson${query}`
const xyzTemplate = (call: Call, { layers }: TileSource) => `${call.base}/tiles/${layers.map(({ id }) => id).join(',')}/{z}/{x}/{y}.mvt`

/** TileJSON 3.0 of some collections, with `asOf` and `run` kept in the tile addresses. */
export async function getTileJson(call: Call, response: Response): Promise<void> {
  if (call.params.tileMatrixSetId !== undefined) checkMatrixSet(call.params.tileMatrixSetId)
  const lang = language(call.request, call.params.lang)
  const { collectionId, collectionIds } = call.params
  const layers = collectionIds ? layersNamed(call, collectionIds.split(',')) : collectionId ? [layerOf(call)] : selectedLayers(call)
  const { bbox, zoom } = await reach(call, layers)
  vary(response, lang)
  const bounds = bbox ?? [-180, -85.05, 180, 85.05]
  const kept = ['asOf', 'run'].filter((name) => call.params[name]).map((name) => `${name}=${encodeURIComponent(call.params[name])}`)
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

/** `/tileMatrixSets` and `/tileMatrixSets/WebMercatorQuad`. */
export function getMatrixSets(call: Call, response: Response): void {
  const href = `${call.base}/ogc/tileMatrixSets/${MATRIX_SET_ID}`
  respond(call, response, {
    title: 'Tile matrix sets', crumbs: [['dothi', `${call.base}/ogc`]],
    json: (links) => ({ links, tileMatrixSets: [{ id: MATRIX_SET_ID, title: WEB_MERCATOR_QUAD.title, uri: MATRIX_SET_URI, crs: epsgUri(3857), links: [{ href: `${href}?f=json`, rel: 'self', type: JSON_MEDIA.type, title: MATRIX_SET_ID }] }] }),
    html: () => linkList([[MATRIX_SET_ID, href]]),
  })
}

export function getMatrixSet(call: Call, response: Response): void {
  checkMatrixSet(call.params.tileMatrixSetId)
  respond(call, response, {
    title: MATRIX_SET_ID, crumbs: [['dothi', `${call.base}/ogc`], ['Tile matrix sets', `${call.base}/ogc/tileMatrixSets`]],
    json: (links) => ({ ...WEB_MERCATOR_QUAD, links }),
    html: () => html`<div class="scroll"><table><tr><th>z</th><th>1 :</th><th>m / px</th><th>n</th></tr>${WEB_MERCATOR_QUAD.tileMatrices.map((m) => html`<tr>
      <td>${m.id}</td><td class="n">${Math.round(m.scaleDenominator).toLocaleString('en')}</td><td class="n">${m.cellSize.toPrecision(6)}</td><td class="n">${m.matrixWidth.toLocaleString('en')}</td></tr>`)}</table></div><p><a href="${here(call, { f: 'json' })}">JSON</a></p>`,
  })
}
