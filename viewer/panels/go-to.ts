import type { App } from '../core/app.js'
import type { BBox } from '../../core/bbox.js'

/** Selects a feature and flies to it, as near as its size asks for. */
export function goTo(app: App, { layer, id, label, center, bbox }: { layer: string; id: number; label: string; center: readonly [number, number]; bbox?: BBox | null }): void {
  // A position is no feature. The card can name one at once, before its record has come.
  if (layer) {
    app.picked = [{ layer, id, properties: { [app.layer(layer)?.label ?? 'name']: label }, outline: [], type: 'point' }]
    app.store.update({ selection: { layer, id, at: center } })
  }
  flyToBox(app, bbox ?? [center[0], center[1], center[0], center[1]])
}

/** Flies so that a box of degrees fills most of the view. */
export function flyToBox(app: App, [west, south, east, north]: BBox): void {
  const [lon, lat] = [(west + east) / 2, (south + north) / 2]
  const metres = Math.max((east - west) * 111_320 * Math.cos((lat * Math.PI) / 180), (north - south) * 110_570)
  app.scene?.flyTo(lon, lat, { distance: Math.max(420, Math.min(60_000, metres * 1.7)), pitch: metres > 8000 ? 52 : 40 })
}
