/**
 * Terrain as quantized-mesh 1.0 for CesiumJS and others: a regular grid a tile, heights in 15 bits between the tile's extremes.
 * Source: https://github.com/CesiumGS/quantized-mesh
 */
import { geocentric, WGS84_A, WGS84_F } from '../../core/geometry/geocentric.js'
import type { BBox } from '../../core/bbox.js'

/** Cells along each side of a tile's grid. */
export const MESH_CELLS = 64
const SIDE = MESH_CELLS + 1
const QUANTA = 32767

type Vector = readonly [number, number, number]

/** CRS84 positions of the grid's vertices, row-major from the north-west corner; evenly spaced in longitude and latitude. */
export function meshPositions([west, south, east, north]: BBox): [lon: number, lat: number][] {
  return Array.from({ length: SIDE * SIDE }, (_, i) => [
    west + ((east - west) * (i % SIDE)) / MESH_CELLS,
    north - ((north - south) * Math.floor(i / SIDE)) / MESH_CELLS,
  ])
}

/** `heights`: ellipsoidal metres at `meshPositions(bounds)`, without gaps. */
export function writeQuantizedMesh(bounds: BBox, heights: Float32Array): Uint8Array {
  const positions = meshPositions(bounds)
  const vertices = positions.map(([lon, lat], i) => geocentric(lon, lat, heights[i]!))
  let [min, max] = [Infinity, -Infinity]
  for (const h of heights) { min = Math.min(min, h); max = Math.max(max, h) }
  const { order, codes } = gridOrder()

  const bytes = Buffer.alloc(88 + 4 + 6 * SIDE * SIDE + 4 + 2 * codes.length + 4 * (4 + 2 * SIDE))
  let at = 0
  const f64 = (v: number) => { at = bytes.writeDoubleLE(v, at) }
  const f32 = (v: number) => { at = bytes.writeFloatLE(v, at) }
  const u32 = (v: number) => { at = bytes.writeUInt32LE(v, at) }
  const u16 = (v: number) => { at = bytes.writeUInt16LE(v, at) }

  const centre = geocentric((bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2, (min + max) / 2)
  centre.forEach(f64)
  f32(min)
  f32(max)
  centre.forEach(f64)
  f64(Math.max(...vertices.map(([x, y, z]) => Math.hypot(x - centre[0], y - centre[1], z - centre[2]))))
  horizonOcclusionPoint(centre, vertices).forEach(f64)

  u32(SIDE * SIDE)
  const zigzagDeltas = (values: readonly number[]) => {
    let before = 0
    for (const value of values) { u16(((value - before) << 1) ^ ((value - before) >> 31)); before = value }
  }
  const quantum = (share: number) => Math.round(share * QUANTA)
  zigzagDeltas(order.map(i => quantum((i % SIDE) / MESH_CELLS)))
  zigzagDeltas(order.map(i => quantum(1 - Math.floor(i / SIDE) / MESH_CELLS)))
  zigzagDeltas(order.map(i => quantum(max > min ? (heights[i]! - min) / (max - min) : 0)))

  u32(codes.length / 3)
  codes.forEach(u16)
  const place = new Uint16Array(SIDE * SIDE)
  order.forEach((i, n) => { place[i] = n })
  const along = Array.from({ length: SIDE }, (_, k) => k)
  const edges = [along.map(k => k * SIDE), along.map(k => MESH_CELLS * SIDE + k), along.map(k => k * SIDE + MESH_CELLS), along]
  for (const edge of edges) {
    u32(SIDE)
    edge.forEach(i => u16(place[i]!))
  }
  return bytes
}

let grid: { readonly order: readonly number[]; readonly codes: readonly number[] } | undefined

/** Vertices in the order in which the triangles first meet them, and the triangles as high-watermark codes. The same for every tile. */
function gridOrder() {
  if (grid) return grid
  const order: number[] = []
  const place = new Map<number, number>()
  const codes: number[] = []
  const emit = (vertex: number) => {
    if (!place.has(vertex)) {
      place.set(vertex, order.push(vertex) - 1)
      codes.push(0)
    } else {
      codes.push(order.length - place.get(vertex)!)
    }
  }
  for (let row = 0; row < MESH_CELLS; row++) {
    for (let col = 0; col < MESH_CELLS; col++) {
      const northWest = row * SIDE + col
      const southWest = northWest + SIDE
      for (const vertex of [northWest, southWest, northWest + 1, northWest + 1, southWest, southWest + 1]) emit(vertex)
    }
  }
  return grid = { order, codes }
}

/**
 * The point, in units of the ellipsoid's radii, below the horizon of which the whole tile is.
 * Source: K. Ring, “Computing the horizon occlusion point” (Cesium blog, 2013).
 */
function horizonOcclusionPoint(centre: Vector, vertices: readonly Vector[]): Vector {
  const b = WGS84_A * (1 - WGS84_F)
  const scaled = ([x, y, z]: Vector): Vector => [x / WGS84_A, y / WGS84_A, z / b]
  const towards = unit(scaled(centre))
  let farthest = 0
  for (const vertex of vertices) {
    const point = scaled(vertex)
    const length = Math.max(1, Math.hypot(...point))
    const direction = unit(point)
    const cosAlpha = Math.min(1, direction[0] * towards[0] + direction[1] * towards[1] + direction[2] * towards[2])
    const cosBeta = 1 / length
    const nearness = cosAlpha * cosBeta - Math.sqrt(1 - cosAlpha * cosAlpha) * Math.sqrt(1 - cosBeta * cosBeta)
    // A tile that reaches round the globe is hidden by no horizon: its point lies as good as at infinity.
    farthest = Math.max(farthest, nearness > 1e-3 ? 1 / nearness : 1000)
  }
  return [towards[0] * farthest, towards[1] * farthest, towards[2] * farthest]
}

function unit([x, y, z]: Vector): Vector {
  const length = Math.hypot(x, y, z)
  return [x / length, y / length, z / length]
}
