/**
 * How much of each pixel of a square grid polygons cover, exactly: no samples, no anti-aliasing kernel.
 *
 * Every edge adds the signed area between itself and the grid's right side, pixel by pixel; the sum of a row from the left is
 * the coverage. Method: R. Levien, font-rs ("accumulation buffer"). Wound rings need no order, holes take away what they cut out.
 */
import type { Path } from './shape.js'

export class Coverage {
  readonly #sums: Float64Array
  readonly #stride: number

  /** `side` pixels each way, of `unitsPerPixel`; the grid begins at `origin` units on both axes. */
  constructor(readonly side: number, private readonly unitsPerPixel: number, private readonly origin = 0) {
    this.#stride = side + 2
    this.#sums = new Float64Array(this.#stride * side)
  }

  /** Adds a polygon's rings, wound as Shape has them. What lies outside the grid is cut off. */
  add(rings: readonly Path[]): void {
    for (const ring of rings) {
      const n = ring.length
      const pixel = (i: number) => (ring[i]! - this.origin) / this.unitsPerPixel
      let [ax, ay] = [pixel(n - 2), pixel(n - 1)]
      for (let i = 0; i < n; i += 2) {
        const [bx, by] = [pixel(i), pixel(i + 1)]
        // Along x the surveyor's formula counts from left to right: an edge that rises on the screen lies on the left.
        if (ay < by) this.#edge(ax, ay, bx, by, -1)
        else if (by < ay) this.#edge(bx, by, ax, ay, 1)
        ;[ax, ay] = [bx, by]
      }
    }
  }

  /** Row-major, north first: 0 for none, 1 for all of a pixel; more where polygons overlap. */
  shares(): Float64Array {
    const { side } = this
    const out = new Float64Array(side * side)
    for (let y = 0; y < side; y++) {
      let sum = 0
      for (let x = 0; x < side; x++) {
        sum += this.#sums[y * this.#stride + x]!
        out[y * side + x] = sum
      }
    }
    return out
  }

  /** An edge from a down to b, cut to the grid: what is left of it stands on its left side, what is right of it covers nothing. */
  #edge(ax: number, ay: number, bx: number, by: number, sign: number): void {
    const { side } = this
    const slope = (bx - ax) / (by - ay)
    if (ay < 0) { ax -= ay * slope; ay = 0 }
    if (by > side) { bx -= (by - side) * slope; by = side }
    if (ay >= by || Math.min(ax, bx) >= side) return
    const within = (x: number) => Math.max(0, Math.min(side, x))
    if (within(ax) === ax && within(bx) === bx) return this.#inside(ax, ay, bx, by, sign)
    // Where it crosses the grid's sides, from the top down.
    const crossing = (limit: number) => Math.max(ay, Math.min(by, (ax - limit) * (bx - limit) < 0 ? ay + (limit - ax) / slope : ay))
    const [first, second] = [crossing(0), crossing(side)].sort((a, b) => a - b) as [number, number]
    let [x, y] = [ax, ay]
    for (const to of [first, second, by]) {
      if (to <= y) continue
      const next = to === by ? bx : ax + (to - ay) * slope
      if ((x + next) / 2 < side) this.#inside(within(x), y, within(next), to, sign)
      ;[x, y] = [next, to]
    }
  }

  #inside(ax: number, ay: number, bx: number, by: number, sign: number): void {
    const sums = this.#sums
    const slope = (bx - ax) / (by - ay)
    let x = ax
    for (let row = Math.floor(ay); row < by; row++) {
      const dy = Math.min(row + 1, by) - Math.max(row, ay)
      if (dy <= 0) continue
      const next = Math.max(0, Math.min(this.side, x + slope * dy))
      const [x0, x1] = x < next ? [x, next] : [next, x]
      const d = dy * sign
      const first = Math.floor(x0)
      const beyond = Math.ceil(x1)
      const at = row * this.#stride + first
      if (beyond <= first + 1) {
        const right = (x0 + x1) / 2 - first
        sums[at]! += d * (1 - right)
        sums[at + 1]! += d * right
      } else {
        // A trapezoid over several pixels: a triangle in the first, one in the last, a slope between.
        const s = 1 / (x1 - x0)
        let done = s * (1 - (x0 - first)) ** 2 / 2
        sums[at]! += d * done
        for (let i = 1; i < beyond - first; i++) {
          // The share of this pixel that lies right of the edge.
          const until = i < beyond - first - 1 ? s * (first + i + 0.5 - x0) : 1 - s * (x1 - (beyond - 1)) ** 2 / 2
          sums[at + i]! += d * (until - done)
          done = until
        }
        sums[at + beyond - first]! += d * (1 - done)
      }
      x = next
    }
  }
}
