import type { Feature } from '../../core/feature.js'

type Geometry = NonNullable<Feature['geometry']>

/** The geometry with the first two numbers of each position exchanged. */
export function swapped(geometry: Geometry): Geometry {
  return geometry.geometries ? { ...geometry, geometries: geometry.geometries.map(swapped) } : { ...geometry, coordinates: exchange(geometry.coordinates) }
}

function exchange(value: unknown): unknown {
  if (!Array.isArray(value)) return value
  return typeof value[0] === 'number' ? [value[1], value[0], ...value.slice(2)] : value.map(exchange)
}
