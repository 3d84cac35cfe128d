/**
 * The attribute filter. What it finds among buildings lights up by tables beside their tiles (building-style.ts);
 * of other layers the first that match are outlined.
 */
import { union, type BBox } from '../../core/bbox.js'
import { ApiError } from './api.js'
import type { App } from './app.js'
import { showBuildingStyle } from './building-style.js'
import { source } from './source.js'

export interface FilterController {
  readonly working: boolean
  readonly error: string
  /** How many match, how many of them light up, and where the first of them are. */
  readonly result: { readonly matched: number; readonly shown: number; readonly bbox: BBox | null; readonly layer: string } | null
  /** Follows the state's filter. */
  sync(): Promise<void>
}

export function createFilters(app: App): FilterController {
  let working = false
  let error = ''
  let result: FilterController['result'] = null
  let abort = new AbortController()

  async function sync(): Promise<void> {
    abort.abort()
    abort = new AbortController()
    const { signal } = abort
    const { filter } = app.store.state
    const { server } = source()
    result = null
    error = ''
    working = filter !== null && server !== null
    app.emit('filter')
    if (!filter || !server) return show()
    try {
      const page = await server.matches(filter.layer, filter.where, signal)
      let bbox: BBox | null = null
      const outlines: [number, number][][] = []
      for (const feature of page.features) {
        const parts = partsOf(feature.geometry)
        for (const part of parts) for (const [x, y] of part) bbox = union(bbox, [x, y, x, y])
        if (filter.layer !== 'buildings' && outlines.length < 4000) outlines.push(...parts)
      }
      const matched = page.numberMatched ?? page.features.length
      result = { matched, shown: filter.layer === 'buildings' ? matched : page.features.length, bbox, layer: filter.layer }
      show(outlines)
    } catch (reason) {
      if ((reason as Error).name === 'AbortError') return
      error = reason instanceof ApiError && reason.message ? reason.message : app.t('error.offline')
      show()
    }
    working = false
    app.emit('filter')
  }

  function show(outlines: [number, number][][] = []): void {
    showBuildingStyle(app)
    app.scene?.matches(outlines.length ? outlines : null)
  }

  return {
    get working() { return working },
    get error() { return error },
    get result() { return result },
    sync,
  }
}

/** Rings, lines and points of a GeoJSON geometry as lists of positions. */
export function partsOf(geometry: unknown): [number, number][][] {
  const g = geometry as { type: string; coordinates: never; geometries?: unknown[] } | null
  switch (g?.type) {
    case 'Point': return [[g.coordinates]]
    case 'MultiPoint': return (g.coordinates as [number, number][]).map((p) => [p])
    case 'LineString': return [g.coordinates]
    case 'MultiLineString': case 'Polygon': return g.coordinates
    case 'MultiPolygon': return (g.coordinates as [number, number][][][]).flat()
    case 'GeometryCollection': return (g.geometries ?? []).flatMap(partsOf)
    default: return []
  }
}
