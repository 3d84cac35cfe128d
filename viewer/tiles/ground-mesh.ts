/** A terrain tile as arrays: a grid on the ellipsoid, seen in the local frame, with a skirt against cracks. Never imports three. */
import { lonLatAt, type Tile } from '../../core/tile-matrix.js'
import type { Frame } from '../core/frame.js'
import type { TileMesh } from './protocol.js'

/**
 * `height(u, v)` gives orthometric metres at fractions of the tile, v from north to south.
 * Vertices: (segments + 1)² row-major north first, then the skirt clockwise from the north-west corner.
 */
export function buildGroundMesh(tile: Tile, segments: number, height: (u: number, v: number) => number, frame: Frame): TileMesh {
  const n = segments + 1
  const perimeter = 4 * segments
  const count = n * n + perimeter
  const positions = new Float32Array(count * 3)
  const normals = new Float32Array(count * 3)
  const uvs = new Float32Array(count * 2)
  const [clon, clat] = lonLatAt(tile.x + 0.5, tile.y + 0.5, tile.z)
  const center = frame.toLocal(clon, clat, 0)
  const [west, east] = [frame.toLocal(lonLatAt(tile.x, tile.y + 0.5, tile.z)[0], clat, 0), frame.toLocal(lonLatAt(tile.x + 1, tile.y + 0.5, tile.z)[0], clat, 0)]
  const sizeM = Math.hypot(east[0] - west[0], east[1] - west[1])
  let minZ = Infinity
  let maxZ = -Infinity
  const heights = new Float32Array(n * n)
  for (let j = 0; j < n; j++) {
    for (let i = 0; i < n; i++) {
      const k = j * n + i
      const [u, v] = [i / segments, j / segments]
      const [lon, lat] = lonLatAt(tile.x + u, tile.y + v, tile.z)
      const h = heights[k] = height(u, v)
      const p = frame.toLocal(lon, lat, h)
      positions.set([p[0] - center[0], p[1] - center[1], p[2] - center[2]], k * 3)
      uvs[k * 2] = u
      uvs[k * 2 + 1] = 1 - v
      minZ = Math.min(minZ, p[2])
      maxZ = Math.max(maxZ, p[2])
    }
  }
  const step = sizeM / segments
  const at = (i: number, j: number) => heights[Math.max(0, Math.min(n - 1, j)) * n + Math.max(0, Math.min(n - 1, i))]!
  for (let j = 0; j < n; j++) {
    for (let i = 0; i < n; i++) {
      const spanX = (Math.min(n - 1, i + 1) - Math.max(0, i - 1)) * step
      const spanY = (Math.min(n - 1, j + 1) - Math.max(0, j - 1)) * step
      const nx = -(at(i + 1, j) - at(i - 1, j)) / spanX
      const ny = (at(i, j + 1) - at(i, j - 1)) / spanY
      const length = Math.hypot(nx, ny, 1)
      normals.set([nx / length, ny / length, 1 / length], (j * n + i) * 3)
    }
  }
  const index = new Uint16Array(segments * segments * 6 + perimeter * 6)
  let o = 0
  for (let j = 0; j < segments; j++) {
    for (let i = 0; i < segments; i++) {
      const a = j * n + i
      index.set([a, a + n, a + 1, a + 1, a + n, a + n + 1], o)
      o += 6
    }
  }
  const rim: number[] = []
  for (let i = 0; i < segments; i++) rim.push(i)
  for (let j = 0; j < segments; j++) rim.push(j * n + segments)
  for (let i = segments; i > 0; i--) rim.push(segments * n + i)
  for (let j = segments; j > 0; j--) rim.push(j * n)
  const drop = Math.max(4, sizeM * 0.015)
  rim.forEach((k, r) => {
    const s = n * n + r
    positions.set([positions[k * 3]!, positions[k * 3 + 1]!, positions[k * 3 + 2]! - drop], s * 3)
    normals.copyWithin(s * 3, k * 3, k * 3 + 3)
    uvs.copyWithin(s * 2, k * 2, k * 2 + 2)
    const next = (r + 1) % perimeter
    index.set([k, rim[next]!, s, rim[next]!, n * n + next, s], o)
    o += 6
  })
  return { center, segments, positions, normals, uvs, index, minZ, maxZ }
}
