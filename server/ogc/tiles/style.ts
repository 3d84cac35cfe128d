/** The layers' one visual language as MapLibre styles, for MapLibre and QGIS. */
import type { Response } from 'express'
import type { Layer, Paint } from '../../../layers/layer.js'
import type { Call } from '../../operations/operation.js'
import { cacheControl, sendText, vary } from '../common/respond.js'
import { layerOf, layersOf } from '../features/layers.js'
import { etag, notModified, schemaVersion } from '../features/validator.js'

export const STYLE_TYPE = 'application/vnd.mapbox.style+json'

/** One collection's style, or the whole city's. */
export async function getStyle(call: Call, response: Response): Promise<void> {
  const layers = call.params.collectionId ? [layerOf(call)] : layersOf(call)
  const city = await call.app.store.city()
  vary(response)
  response.setHeader('Cache-Control', cacheControl(call, 'live'))
  if (notModified(call, response, etag('style', call.base, call.params.collectionId ?? '', ...layers.map(schemaVersion)), 'live')) return
  sendText(response, STYLE_TYPE, JSON.stringify({
    version: 8, name: layers.length === 1 ? layers[0]!.title.en : city.name, center: [city.home.lon, city.home.lat], zoom: city.home.zoom,
    sources: Object.fromEntries(layers.map(({ id }) => [id, { type: 'vector', url: `${call.base}/tiles/${id}/tilejson` }])),
    layers: layers.flatMap(styleLayers),
  }))
}

function styleLayers(layer: Layer): unknown[] {
  const { style, zoom, id } = layer
  const common = { source: id, 'source-layer': id, minzoom: zoom.min, layout: { visibility: style.visible === false ? 'none' : 'visible' } }
  const opacity = style.opacity ?? 1
  const width = style.lineWidth ?? 1
  return [
    ...(style.fill && layer.geometry !== 'line' && layer.geometry !== 'point' ? [{ id: `${id}-fill`, type: 'fill', ...common, paint: { 'fill-color': paint(style.fill), 'fill-opacity': opacity } }] : []),
    ...(style.line && layer.geometry !== 'point' ? [{ id: `${id}-line`, type: 'line', ...common, paint: { 'line-color': paint(style.line), 'line-width': width, 'line-opacity': opacity } }] : []),
    ...(style.circle && layer.geometry !== 'line' && layer.geometry !== 'polygon' ? [{
      id: `${id}-circle`, type: 'circle', ...common,
      paint: { 'circle-color': paint(style.circle), 'circle-radius': style.circleRadius ?? 4, 'circle-opacity': opacity, 'circle-stroke-color': '#ffffff', 'circle-stroke-width': 1 },
    }] : []),
  ]
}

/** Our paints as MapLibre expressions. */
function paint(value: Paint): unknown {
  if (typeof value === 'string') return value
  if ('categories' in value) {
    const pairs = Object.entries(value.categories)
    return pairs.length === 0 ? value.other : ['match', ['to-string', ['get', value.by]], ...pairs.flat(), value.other]
  }
  return ['step', ['coalesce', ['get', value.by], -1e9], value.below, ...value.steps.flat()]
}
