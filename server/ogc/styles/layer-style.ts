/** A layer's look as layers of a MapLibre style. */
import type { Layer } from '../../../layers/layer.js'
import type { Reader } from '../../store/store.js'
import { tileColumns } from '../../store/tile-columns.js'
import { FONT, LABEL_COLOUR } from './lettering.js'
import { paintExpression, sizeExpression } from './paint.js'

export type StyleLayer = Readonly<Record<string, unknown>>

const ofType = (...types: string[]) => ['in', ['geometry-type'], ['literal', types.flatMap((type) => [type, `Multi${type}`])]]
/** Patches that stand for many features have no outline and no name: it would be nobody's. */
const ITSELF = ['!', ['has', 'merged']]

/** What is drawn of a layer, from the ground up, out of `source`. */
export function shapeLayers({ id, geometry, style, zoom }: Layer, source: string): StyleLayer[] {
  const { fill, line, circle, opacity = 1, lineWidth = 1, circleRadius = 4, visible = true } = style
  const common = { source, 'source-layer': id, minzoom: zoom.min }
  const visibility = visible ? 'visible' : 'none'
  const has = (...kinds: Layer['geometry'][]) => [...kinds, 'any'].includes(geometry)
  return [
    ...(fill && has('polygon') ? [{
      id: `${id}-fill`, type: 'fill', ...common, ...(geometry === 'any' && { filter: ofType('Polygon') }), layout: { visibility },
      paint: { 'fill-color': paintExpression(fill), 'fill-opacity': opacity },
    }] : []),
    ...(line && has('line', 'polygon') ? [{
      id: `${id}-line`, type: 'line', ...common,
      ...(geometry === 'polygon' ? { filter: ITSELF } : geometry === 'any' ? { filter: ofType('LineString', 'Polygon') } : {}),
      layout: { visibility, 'line-cap': 'round', 'line-join': 'round' },
      paint: { 'line-color': paintExpression(line), 'line-width': sizeExpression(lineWidth), 'line-opacity': opacity },
    }] : []),
    ...(circle && has('point') ? [{
      id: `${id}-circle`, type: 'circle', ...common, ...(geometry === 'any' && { filter: ofType('Point') }), layout: { visibility },
      paint: { 'circle-color': paintExpression(circle), 'circle-radius': sizeExpression(circleRadius), 'circle-opacity': opacity, 'circle-stroke-color': '#ffffff', 'circle-stroke-width': sizeExpression(Math.min(1, circleRadius / 3)) },
    }] : []),
  ]
}

/** The layer's names, where it has some that travel in tiles and the reader may see. */
export function labelLayers(layer: Layer, source: string, reader: Pick<Reader, 'clearance'>): StyleLayer[] {
  const { id, geometry, label, style: { labelFrom, visible = true, circleRadius = 4 } } = layer
  if (labelFrom === undefined || label === undefined || !tileColumns(layer, reader).some(({ name }) => name === label)) return []
  const place = geometry === 'line' ? { 'symbol-placement': 'line' }
    : geometry === 'point' ? { 'text-anchor': 'top', 'text-offset': [0, Math.round(circleRadius) / 10] } : { 'text-max-width': 8 }
  return [{
    id: `${id}-label`, type: 'symbol', source, 'source-layer': id, minzoom: labelFrom, filter: ['all', ['has', label], ITSELF],
    layout: { visibility: visible ? 'visible' : 'none', 'text-field': ['to-string', ['get', label]], 'text-font': [FONT], 'text-size': 12, ...place },
    paint: { 'text-color': LABEL_COLOUR, 'text-halo-color': 'rgba(255, 255, 255, 0.85)', 'text-halo-width': 1.2 },
  }]
}
