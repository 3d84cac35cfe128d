import type { BBox } from '../../../core/bbox.js'
import { HALF_WORLD_M, tileAt } from '../../../core/tile-matrix.js'
import { epsgUri } from '../../../core/crs.js'

export const MATRIX_SET_ID = 'WebMercatorQuad'
export const MATRIX_SET_URI = 'http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad'
/** Deeper tiles are a few metres wide: clients magnify the last ones instead. */
export const DEEPEST_ZOOM = 22

/** Scale denominator of matrix 0 at 256 pixels of 0.28 mm. Source: OGC 2D Tile Matrix Set, Annex D.1. */
const SCALE_0 = 559082264.028717
const CELL_0 = (2 * HALF_WORLD_M) / 256

/** The definition of WebMercatorQuad (OGC 17-083r4 JSON encoding). */
export const WEB_MERCATOR_QUAD = {
  id: MATRIX_SET_ID,
  title: 'Google Maps Compatible for the World',
  uri: MATRIX_SET_URI,
  crs: epsgUri(3857),
  orderedAxes: ['X', 'Y'],
  wellKnownScaleSet: 'http://www.opengis.net/def/wkss/OGC/1.0/GoogleMapsCompatible',
  tileMatrices: Array.from({ length: DEEPEST_ZOOM + 1 }, (_, z) => ({
    id: String(z), scaleDenominator: SCALE_0 / 2 ** z, cellSize: CELL_0 / 2 ** z, cornerOfOrigin: 'topLeft',
    pointOfOrigin: [-HALF_WORLD_M, HALF_WORLD_M], tileWidth: 256, tileHeight: 256, matrixWidth: 2 ** z, matrixHeight: 2 ** z,
  })),
} as const

export interface MatrixLimits { readonly tileMatrix: string; readonly minTileRow: number; readonly maxTileRow: number; readonly minTileCol: number; readonly maxTileCol: number }

/** Rows and columns that a box of degrees reaches, per zoom; none without a box. */
export function limits(bbox: BBox | null, zoom: { readonly min: number; readonly max: number }): MatrixLimits[] {
  if (!bbox) return []
  return Array.from({ length: zoom.max - zoom.min + 1 }, (_, i) => {
    const z = zoom.min + i
    const northWest = tileAt(bbox[0], bbox[3], z)
    const southEast = tileAt(bbox[2], bbox[1], z)
    return { tileMatrix: String(z), minTileRow: northWest.y, maxTileRow: southEast.y, minTileCol: northWest.x, maxTileCol: southEast.x }
  })
}
