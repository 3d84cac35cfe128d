/**
 * Relief shading as a veil for any map: white where the slope faces the light, black where it turns away, clear where it is flat.
 * Source: B. K. P. Horn, “Hill shading and the reflectance map”, Proc. IEEE 69 (1981) 14, for the gradient.
 */
import { lonLatAt, type Tile } from '../../core/tile-matrix.js'
import { pixelSizeM, TILE_SIZE } from './height-tile.js'

/** Where the light comes from, and how many times higher the relief is taken. */
export interface Light {
  /** Degrees clockwise from north. */
  readonly azimuth: number
  /** Degrees above the horizon. */
  readonly altitude: number
  readonly exaggeration: number
}

/** Pixels around the tile that shading looks at. */
export const SHADE_MARGIN = 1
const SIDE = TILE_SIZE + 2 * SHADE_MARGIN
/** Alpha of the brightest and of the darkest slope. */
const MOST_WHITE = 160, MOST_BLACK = 220

/**
 * Grey and alpha of each pixel of a tile, 256 × 256 × 2 bytes. `heights`: the tile's with one pixel more on each side.
 * Clear where the pixel has no height; a neighbour without one counts as being at the pixel's own level.
 */
export function shade(heights: Float32Array, tile: Tile, { azimuth, altitude, exaggeration }: Light): Uint8Array {
  const [, latitude] = lonLatAt(tile.x + 0.5, tile.y + 0.5, tile.z)
  const rise = exaggeration / (8 * pixelSizeM(tile.z, latitude))
  const [sunEast, sunNorth, sunUp] = lightVector(azimuth, altitude)
  const pixels = new Uint8Array(2 * TILE_SIZE * TILE_SIZE)
  for (let row = 0, i = 0; row < TILE_SIZE; row++) {
    for (let col = 0; col < TILE_SIZE; col++, i += 2) {
      const at = (row + 1) * SIDE + col + 1
      const own = heights[at]!
      if (own !== own) continue
      const h = (offset: number) => { const value = heights[at + offset]!; return value === value ? value : own }
      const [nw, n, ne, w, e, sw, s, se] = [h(-SIDE - 1), h(-SIDE), h(-SIDE + 1), h(-1), h(1), h(SIDE - 1), h(SIDE), h(SIDE + 1)]
      const east = (ne + 2 * e + se - nw - 2 * w - sw) * rise
      const north = (nw + 2 * n + ne - sw - 2 * s - se) * rise
      // Lambert's cosine of the light on the surface, whose normal is (−east, −north, 1); flat ground has sunUp.
      const light = Math.max(0, (sunUp - east * sunEast - north * sunNorth) / Math.hypot(east, north, 1))
      if (light >= sunUp) pixels[i] = 255
      pixels[i + 1] = Math.round(light >= sunUp ? (MOST_WHITE * (light - sunUp)) / (1 - sunUp || 1) : (MOST_BLACK * (sunUp - light)) / sunUp)
    }
  }
  return pixels
}

function lightVector(azimuth: number, altitude: number): [east: number, north: number, up: number] {
  const [a, h] = [(azimuth * Math.PI) / 180, (altitude * Math.PI) / 180]
  return [Math.sin(a) * Math.cos(h), Math.cos(a) * Math.cos(h), Math.sin(h)]
}
