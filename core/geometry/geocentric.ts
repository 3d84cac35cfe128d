/** WGS 84 geocentric (ECEF, EPSG:4978) coordinates and local east-north-up frames. Source: EPSG guidance note 7-2, 4.1.1. */

export const WGS84_A = 6378137
export const WGS84_F = 1 / 298.257223563
export const WGS84_E2 = WGS84_F * (2 - WGS84_F)
const RADIANS = Math.PI / 180

/** Geocentric metres of a geodetic position in degrees and ellipsoidal metres. */
export function geocentric(lon: number, lat: number, height: number): [x: number, y: number, z: number] {
  const sinLat = Math.sin(lat * RADIANS)
  const cosLat = Math.cos(lat * RADIANS)
  const n = WGS84_A / Math.sqrt(1 - WGS84_E2 * sinLat * sinLat)
  return [
    (n + height) * cosLat * Math.cos(lon * RADIANS),
    (n + height) * cosLat * Math.sin(lon * RADIANS),
    (n * (1 - WGS84_E2) + height) * sinLat,
  ]
}

/** WGS 84 degrees and ellipsoidal metres; Bowring's formula with two corrections is exact below a micrometre near the surface. */
export function geodetic(x: number, y: number, z: number): [lon: number, lat: number, height: number] {
  const b = WGS84_A * (1 - WGS84_F)
  const p = Math.hypot(x, y)
  let beta = Math.atan2(WGS84_A * z, b * p)
  let lat = 0
  for (let i = 0; i < 3; i++) {
    lat = Math.atan2(z + (WGS84_E2 / (1 - WGS84_E2)) * b * Math.sin(beta) ** 3, p - WGS84_E2 * WGS84_A * Math.cos(beta) ** 3)
    beta = Math.atan2((1 - WGS84_F) * Math.sin(lat), Math.cos(lat))
  }
  const sin = Math.sin(lat)
  const cos = Math.cos(lat)
  const height = p * cos + z * sin - WGS84_A * Math.sqrt(1 - WGS84_E2 * sin * sin)
  return [Math.atan2(y, x) / RADIANS, lat / RADIANS, height]
}

/** A frame that touches the ellipsoid at a place: x east, y north, z up, metres. */
export interface LocalFrame {
  readonly lon: number
  readonly lat: number
  readonly height: number
  /** Geocentric origin and unit axes. */
  readonly origin: readonly [number, number, number]
  readonly east: readonly [number, number, number]
  readonly north: readonly [number, number, number]
  readonly up: readonly [number, number, number]
}

export function localFrame(lon: number, lat: number, height = 0): LocalFrame {
  const [sinLon, cosLon] = [Math.sin(lon * RADIANS), Math.cos(lon * RADIANS)]
  const [sinLat, cosLat] = [Math.sin(lat * RADIANS), Math.cos(lat * RADIANS)]
  return {
    lon, lat, height,
    origin: geocentric(lon, lat, height),
    east: [-sinLon, cosLon, 0],
    north: [-sinLat * cosLon, -sinLat * sinLon, cosLat],
    up: [cosLat * cosLon, cosLat * sinLon, sinLat],
  }
}

/**
 * Degrees and ellipsoidal metres → metres in the frame. Exact over any distance: the earth falls away under the frame
 * (2 m at 5 km), and verticals lean.
 */
export function toLocal(frame: LocalFrame, lon: number, lat: number, height: number, out: [number, number, number]): [number, number, number] {
  const [x, y, z] = geocentric(lon, lat, height)
  const dx = x - frame.origin[0]
  const dy = y - frame.origin[1]
  const dz = z - frame.origin[2]
  out[0] = frame.east[0] * dx + frame.east[1] * dy
  out[1] = frame.north[0] * dx + frame.north[1] * dy + frame.north[2] * dz
  out[2] = frame.up[0] * dx + frame.up[1] * dy + frame.up[2] * dz
  return out
}
