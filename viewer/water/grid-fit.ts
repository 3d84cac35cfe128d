/**
 * Where a run's grid lies in the local frame.
 *
 * The grid is square in the city's projected CRS and slightly bent in the local frame; a second-degree polynomial
 * through exactly projected points follows it to centimetres over a city, and is cheap in a shader.
 */
import type { RunManifest } from '../../simulation/manifest.js'
import type { Frame } from '../core/frame.js'
import type { Projection } from '../core/projection.js'

/** Coefficients on (1, x, y, xy, x², y²), x and y in kilometres; u from west to east, v from north to south, 0…1. */
export interface GridFit { readonly u: Float32Array<ArrayBuffer>; readonly v: Float32Array<ArrayBuffer> }

/** `projection` is that of the grid's CRS; without one the corners alone are followed (metres off in the middle). */
export function fitGrid(grid: RunManifest['grid'], frame: Frame, projection: Projection | null): GridFit {
  const rows: number[][] = []
  const us: number[] = []
  const vs: number[] = []
  const [nw, ne, se, sw] = grid.corners as readonly (readonly [number, number])[]
  for (let j = 0; j <= 4; j++) {
    for (let i = 0; i <= 4; i++) {
      const [u, v] = [i / 4, j / 4]
      let lonLat: readonly [number, number]
      if (projection) {
        lonLat = projection.inverse([grid.origin[0] + u * grid.cols * grid.cell, grid.origin[1] - v * grid.rows * grid.cell])
      } else {
        const mix = (k: 0 | 1) => (nw![k] * (1 - u) + ne![k] * u) * (1 - v) + (sw![k] * (1 - u) + se![k] * u) * v
        lonLat = [mix(0), mix(1)]
      }
      const [x, y] = frame.toLocal(lonLat[0], lonLat[1], 0)
      rows.push(terms(x / 1000, y / 1000))
      us.push(u)
      vs.push(v)
    }
  }
  return { u: new Float32Array(leastSquares(rows, us)), v: new Float32Array(leastSquares(rows, vs)) }
}

const terms = (x: number, y: number) => [1, x, y, x * y, x * x, y * y]

export function gridAt({ u, v }: GridFit, xMetres: number, yMetres: number): [u: number, v: number] {
  const t = terms(xMetres / 1000, yMetres / 1000)
  const dot = (c: Float32Array) => t.reduce((sum, term, i) => sum + term * c[i]!, 0)
  return [dot(u), dot(v)]
}

/** Normal equations by Gauss elimination with pivots; six unknowns need no library. */
function leastSquares(rows: readonly number[][], values: readonly number[]): number[] {
  const n = rows[0]!.length
  const m = Array.from({ length: n }, (_, i) => [
    ...Array.from({ length: n }, (_, j) => rows.reduce((sum, row) => sum + row[i]! * row[j]!, 0)),
    rows.reduce((sum, row, k) => sum + row[i]! * values[k]!, 0),
  ])
  for (let i = 0; i < n; i++) {
    const pivot = m.slice(i).reduce((best, row, k) => (Math.abs(row[i]!) > Math.abs(m[best]![i]!) ? i + k : best), i)
    ;[m[i], m[pivot]] = [m[pivot]!, m[i]!]
    for (let r = 0; r < n; r++) {
      if (r === i) continue
      const f = m[r]![i]! / m[i]![i]!
      for (let c = i; c <= n; c++) m[r]![c]! -= f * m[i]![c]!
    }
  }
  return m.map((row, i) => row[n]! / row[i]!)
}
