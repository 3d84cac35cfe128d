/** Styles of the city and of each layer as MapLibre takes them: the whole document, which leads to tiles and letters of this server. */
import type { Layer } from '../../../layers/layer.js'
import type { Call } from '../../operations/operation.js'
import { layerOf, layersOf } from '../features/layers.js'
import { labelLayers, shapeLayers } from './layer-style.js'

/** Every set of styles has this one. */
export const DEFAULT_STYLE = 'default'

/** What a style is of: one collection, or the city. */
export interface Styled { readonly layers: readonly Layer[]; readonly collection: Layer | undefined }

/** Throws 404 for a collection that the reader does not see. */
export function styledBy(call: Call): Styled {
  const collection = call.params.collectionId === undefined ? undefined : layerOf(call)
  return { collection, layers: collection ? [collection] : layersOf(call) }
}

const PAPER = '#f6f3ec'
/** The tiles of all that shows by itself: one request a tile, not one a layer. */
const CITY_SOURCE = 'city'

export async function styleDocument(call: Call, { layers, collection }: Styled): Promise<unknown> {
  const city = await call.app.store.city()
  const shown = layers.filter(({ style }) => style.visible !== false)
  const sourceOf = (layer: Layer) => (!collection && shown.includes(layer) ? CITY_SOURCE : layer.id)
  // A style of one layer shows it, whatever the layer does by itself on a map of the city.
  const drawn = collection ? [{ ...collection, style: { ...collection.style, visible: true } }] : layers
  const tiles = (ids: readonly string[]) => ({ type: 'vector', url: `${call.base}/tiles/${ids.join(',')}/tilejson` })
  return {
    version: 8, name: collection?.title.en ?? city.name, center: [city.home.lon, city.home.lat], zoom: city.home.zoom,
    glyphs: `${call.origin}/ogc/styles/glyphs/{fontstack}/{range}.pbf`,
    sources: {
      ...(!collection && shown.length > 0 && { [CITY_SOURCE]: tiles(shown.map(({ id }) => id)) }),
      ...Object.fromEntries(layers.filter((layer) => sourceOf(layer) === layer.id).map(({ id }) => [id, tiles([id])])),
    },
    layers: [
      { id: 'background', type: 'background', paint: { 'background-color': PAPER } },
      ...drawn.flatMap((layer) => shapeLayers(layer, sourceOf(layer))),
      ...drawn.flatMap((layer) => labelLayers(layer, sourceOf(layer), call.reader)),
    ],
  }
}
