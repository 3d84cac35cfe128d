import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import { contains, signedArea } from './shapefile.js'

type Ring = readonly (readonly number[])[]

/**
 * Outline of a mesh seen from above: the edges that only one of the faces has, chained to rings.
 * `facing` says which faces make it: `down` the floor of a solid, `up` the surface of a terrain, road or roof; where there are
 * none of these, the others serve. Coordinates in any projected CRS in metres or feet. Null where no face has an area.
 */
export function footprint(faces: readonly (readonly Ring[])[], facing: 'up' | 'down'): GeoJsonGeometry | null {
  const areas = faces.map(([outer]) => signedArea(outer ?? []))
  const up = faces.filter((_, i) => areas[i]! > MIN_AREA)
  const down = faces.filter((_, i) => areas[i]! < -MIN_AREA)
  const chosen = facing === 'down' ? (down.length ? down : up) : (up.length ? up : down)
  if (chosen.length === 0) return null
  const reversed = chosen === down
  const rings = outlines(chosen, reversed)
  return rings ? toPolygons(rings) : hull(chosen.flatMap(rings => rings.flat()))
}

/** Below this a face is a wall, in square units of the CRS. */
const MIN_AREA = 1e-6
/** Vertices nearer than this in plan are one: a thousandth of the unit. */
const SNAP = 1e3
const keyOf = (position: readonly number[]) => `${Math.round(position[0]! * SNAP)} ${Math.round(position[1]! * SNAP)}`

/** Boundary rings, counter-clockwise outside; null where edges do not chain. */
function outlines(faces: readonly (readonly Ring[])[], reversed: boolean): number[][][] | null {
  const places = new Map<string, number[]>()
  const edges = new Map<string, Map<string, number>>()
  const add = (from: string, to: string) => {
    const back = edges.get(to)?.get(from)
    if (back) { edges.get(to)!.set(from, back - 1); return }
    const out = edges.get(from) ?? new Map<string, number>()
    out.set(to, (out.get(to) ?? 0) + 1)
    edges.set(from, out)
  }
  for (const rings of faces) {
    for (const ring of rings) {
      const keys = ring.map(position => {
        const key = keyOf(position)
        if (!places.has(key)) places.set(key, [position[0]!, position[1]!])
        return key
      })
      keys.forEach((key, i) => {
        const next = keys[(i + 1) % keys.length]!
        if (key !== next) reversed ? add(next, key) : add(key, next)
      })
    }
  }
  const rings: number[][][] = []
  for (const [start, out] of edges) {
    for (;;) {
      if (![...out.values()].some(n => n > 0)) break
      const ring: number[][] = []
      let at = start
      do {
        const step = [...edges.get(at) ?? []].find(([, n]) => n > 0)
        if (!step) return null
        edges.get(at)!.set(step[0], step[1] - 1)
        ring.push(places.get(at)!)
        at = step[0]
      } while (at !== start)
      if (ring.length >= 3) rings.push([...ring, ring[0]!])
    }
  }
  return rings.length ? rings : null
}

function toPolygons(rings: number[][][]): GeoJsonGeometry | null {
  const polygons = rings.filter(ring => signedArea(ring) > 0).map(ring => [ring])
  if (polygons.length === 0) return null
  polygons.sort((a, b) => signedArea(a[0]!) - signedArea(b[0]!))
  for (const hole of rings.filter(ring => signedArea(ring) < 0))
    polygons.find(([outer]) => hole.every(position => contains(outer!, position)))?.push(hole)
  return polygons.length === 1 ? { type: 'Polygon', coordinates: polygons[0] } : { type: 'MultiPolygon', coordinates: polygons }
}

/** Convex hull by Andrew's monotone chain. */
function hull(positions: readonly (readonly number[])[]): GeoJsonGeometry | null {
  const sorted = [...positions].sort((a, b) => a[0]! - b[0]! || a[1]! - b[1]!)
  const half = (points: readonly (readonly number[])[]) => {
    const chain: (readonly number[])[] = []
    for (const p of points) {
      while (chain.length > 1 && cross(chain.at(-2)!, chain.at(-1)!, p) <= 0) chain.pop()
      chain.push(p)
    }
    return chain.slice(0, -1)
  }
  const ring = [...half(sorted), ...half(sorted.reverse())].map(p => [p[0]!, p[1]!])
  return ring.length < 3 ? null : { type: 'Polygon', coordinates: [[...ring, ring[0]!]] }
}
const cross = (o: readonly number[], a: readonly number[], b: readonly number[]) => (a[0]! - o[0]!) * (b[1]! - o[1]!) - (a[1]! - o[1]!) * (b[0]! - o[0]!)
