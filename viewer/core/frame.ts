/**
 * The local frame of the scene: east, north, up in metres, tangent to the ellipsoid at one place.
 *
 * 3D Tiles come in earth-centred coordinates, terrain and floods in degrees with orthometric heights; both meet
 * here. The origin stands at orthometric height 0, so z near the origin reads as the height people know.
 */
import { geodetic, localFrame, toLocal } from '../../core/geometry/geocentric.js'

type Vec3 = readonly [number, number, number]

/** What it takes to make the same frame elsewhere, as in a worker. */
export interface FrameOrigin { readonly lon: number; readonly lat: number; readonly geoidOffset: number }

export interface Frame {
  readonly origin: FrameOrigin
  /** Local metres of a position with an orthometric height. */
  toLocal(lon: number, lat: number, orthometric: number): [number, number, number]
  /** Longitude, latitude and orthometric height of a local position. */
  fromLocal(x: number, y: number, z: number): [lon: number, lat: number, orthometric: number]
  /** Column-major 4 × 4: earth-centred → local. */
  readonly fromEcefMatrix: readonly number[]
}

export function createFrame(origin: FrameOrigin): Frame {
  const { geoidOffset } = origin
  const local = localFrame(origin.lon, origin.lat, geoidOffset)
  const { origin: o, east, north, up } = local
  const dot = (a: Vec3, [x, y, z]: Vec3) => a[0] * x + a[1] * y + a[2] * z
  return {
    origin,
    toLocal: (lon, lat, orthometric) => toLocal(local, lon, lat, orthometric + geoidOffset, [0, 0, 0]),
    fromLocal(x, y, z) {
      const at = (i: 0 | 1 | 2) => o[i] + east[i] * x + north[i] * y + up[i] * z
      const [lon, lat, h] = geodetic(at(0), at(1), at(2))
      return [lon, lat, h - geoidOffset]
    },
    fromEcefMatrix: [
      east[0], north[0], up[0], 0,
      east[1], north[1], up[1], 0,
      east[2], north[2], up[2], 0,
      -dot(east, o), -dot(north, o), -dot(up, o), 1,
    ],
  }
}
