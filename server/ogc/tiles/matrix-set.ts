/** Tile matrix sets as OGC writes them down: definitions and limits. */
import type { BBox } from '../../../core/bbox.js'
import { CRS84_URI, epsgUri } from '../../../core/crs.js'
import { DEEPEST_ZOOM, rangeOf, WEB_MERCATOR, WORLD_CRS84, type TileGrid } from '../../../core/tile-grid.js'

export { DEEPEST_ZOOM }

/** What the registers of OGC say of sets that have a place there. Source: OGC 2D Tile Matrix Set, Annex D. */
const REGISTERED: Readonly<Record<string, { readonly title: string; readonly orderedAxes: readonly string[]; readonly wellKnownScaleSet: string }>> = {
  [WEB_MERCATOR.id]: { title: 'Google Maps Compatible for the World', orderedAxes: ['X', 'Y'], wellKnownScaleSet: 'http://www.opengis.net/def/wkss/OGC/1.0/GoogleMapsCompatible' },
  [WORLD_CRS84.id]: { title: 'CRS84 for the World', orderedAxes: ['Lon', 'Lat'], wellKnownScaleSet: 'http://www.opengis.net/def/wkss/OGC/1.0/GoogleCRS84Quad' },
}

/** The URI by which a set is known: in OGC's register, or where it is defined. `base` is the API's root. */
export function matrixSetUri({ id }: TileGrid, base: string): string {
  return id in REGISTERED ? `http://www.opengis.net/def/tilematrixset/OGC/1.0/${id}` : `${base}/ogc/tileMatrixSets/${id}`
}

export const crsUriOf = ({ srid }: TileGrid): string => (srid === 4326 ? CRS84_URI : epsgUri(srid))

export const TILE_PIXELS = 256
/** Metres of a pixel that scales are told for, and metres of a degree at the equator. Source: OGC 2D Tile Matrix Set, 6.2. */
const PIXEL_M = 0.00028
const DEGREE_M = (Math.PI * 6378137) / 180

/** The definition of a tile matrix set (OGC 17-083r4, JSON encoding). */
export function definitionOf(grid: TileGrid, base: string) {
  const registered = REGISTERED[grid.id]
  return {
    id: grid.id, uri: matrixSetUri(grid, base), crs: crsUriOf(grid),
    title: registered?.title ?? `Metric grid in EPSG:${grid.srid}`, orderedAxes: registered?.orderedAxes ?? ['X', 'Y'],
    ...(registered && { wellKnownScaleSet: registered.wellKnownScaleSet }),
    tileMatrices: Array.from({ length: grid.deepest + 1 }, (_, z) => {
      const cellSize = grid.size / TILE_PIXELS / 2 ** z
      return {
        id: String(z), scaleDenominator: (cellSize * (grid.srid === 4326 ? DEGREE_M : 1)) / PIXEL_M, cellSize, cornerOfOrigin: 'topLeft',
        pointOfOrigin: [grid.west, grid.north], tileWidth: TILE_PIXELS, tileHeight: TILE_PIXELS, matrixWidth: grid.columns * 2 ** z, matrixHeight: grid.rows * 2 ** z,
      }
    }),
  }
}

export interface MatrixLimits { readonly tileMatrix: string; readonly minTileRow: number; readonly maxTileRow: number; readonly minTileCol: number; readonly maxTileCol: number }

/** Rows and columns that a box of degrees reaches, per zoom of the grid; none without a box, and none where the grid does not reach. */
export function limits(bbox: BBox | null, zoom: { readonly min: number; readonly max: number }, grid = WEB_MERCATOR): MatrixLimits[] {
  if (!bbox) return []
  return Array.from({ length: zoom.max - zoom.min + 1 }, (_, i) => zoom.min + i).flatMap((z) => {
    const range = rangeOf(grid, z, bbox)
    return range ? [{ tileMatrix: String(z), minTileRow: range.north, maxTileRow: range.south, minTileCol: range.west, maxTileCol: range.east }] : []
  })
}
