/**
 * The local frame of the scene: east, north, up in metres, tangent to the ellipsoid at one place.
 *
 * 3D Tiles come in earth-centred coordinates, terrain and floods in degrees with orthometric heights; both meet
 * here. The origin stands at orthometric height 0, so z near the origin reads as the height people know.
 */
export type Vec3 = readonly [number, number, number]

/** WGS 84: semi-major axis in metres, flattening. */
const A = 6378137
const F = 1 / 298.257223563
const E2 = F * (2 - F)
const RAD = Math.PI / 180

/** Earth-centred, earth-fixed metres of a WGS 84 position; `height` is ellipsoidal. */
export function toEcef(lon: number, lat: number, height: number): [number, number, number] {
  const sin = Math.sin(lat * RAD)
  const cos = Math.cos(lat * RAD)
  const n = A / Math.sqrt(1 - E2 * sin * sin)
  return [
    (n + height) * cos * Math.cos(lon * RAD),
    (n + height) * cos * Math.sin(lon * RAD),
    (n * (1 - E2) + height) * sin,
  ]
}

/** WGS 84 degrees and ellipsoidal metres; Bowring's formula with two corrections is exact below a micrometre near the surface. */
export function fromEcef(x: number, y: number, z: number): [lon: number, lat: number, height: number] {
  const b = A * (1 - F)
  const p = Math.hypot(x, y)
  let beta = Math.atan2(A * z, b * p)
  let lat = 0
  for (let i = 0; i < 3; i++) {
    lat = Math.atan2(z + (E2 / (1 - E2)) * b * Math.sin(beta) ** 3, p - E2 * A * Math.cos(beta) ** 3)
    beta = Math.atan2((1 - F) * Math.sin(lat), Math.cos(lat))
  }
  const sin = Math.sin(lat)
  const cos = Math.cos(lat)
  const height = p * cos + z * sin - A * Math.sqrt(1 - E2 * sin * sin)
  return [Math.atan2(y, x) / RAD, lat / RAD, height]
}

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
  const { lon, lat, geoidOffset } = origin
  const [sl, cl, sp, cp] = [Math.sin(lon * RAD), Math.cos(lon * RAD), Math.sin(lat * RAD), Math.cos(lat * RAD)]
  const east: Vec3 = [-sl, cl, 0]
  const north: Vec3 = [-sp * cl, -sp * sl, cp]
  const up: Vec3 = [cp * cl, cp * sl, sp]
  const o = toEcef(lon, lat, geoidOffset)
  const dot = (a: Vec3, x: number, y: number, z: number) => a[0] * x + a[1] * y + a[2] * z
  return {
    origin,
    toLocal(lon, lat, orthometric) {
      const [x, y, z] = toEcef(lon, lat, orthometric + geoidOffset)
      const [dx, dy, dz] = [x - o[0], y - o[1], z - o[2]]
      return [dot(east, dx, dy, dz), dot(north, dx, dy, dz), dot(up, dx, dy, dz)]
    },
    fromLocal(x, y, z) {
      const at = (i: 0 | 1 | 2) => o[i] + east[i] * x + north[i] * y + up[i] * z
      const [lon, lat, h] = fromEcef(at(0), at(1), at(2))
      return [lon, lat, h - geoidOffset]
    },
    fromEcefMatrix: [
      east[0], north[0], up[0], 0,
      east[1], north[1], up[1], 0,
      east[2], north[2], up[2], 0,
      -dot(east, ...o), -dot(north, ...o), -dot(up, ...o), 1,
    ],
  }
}
