/**
 * The hills around the computed plain: where each of their cells drains to, and how far that is.
 *
 * Priority-flood (Barnes, Lehman & Mulla 2014, Comput. Geosci. 62, 117) started from the computed cells outwards,
 * lowest first: every hill cell gets a way down to the plain, hollows included.
 */
import type { Grid } from '../../simulation/flood/grid.js'

/** A cell of the plain that receives hill water. */
export interface Entry {
  readonly cell: number
  /** Hill area that drains to it, m², and mean length of its way, metres. */
  readonly area: number
  readonly distance: number
}

/** `elevation` NaN: unknown ground, which drains nowhere. `computed` 1: the plain. */
export function drainUplands(grid: Grid, elevation: Float32Array, computed: Uint8Array): readonly Entry[] {
  const { rows, cols, cell } = grid
  const size = rows * cols
  const entryOf = new Int32Array(size).fill(-1), distance = new Float32Array(size)
  const queue = new Heap()
  for (let i = 0; i < size; i++) if (computed[i]) {
    entryOf[i] = i
    if (touches(i, j => !computed[j] && !Number.isNaN(elevation[j]!))) queue.push(i, elevation[i]!)
  }
  const areas = new Map<number, { cells: number; distance: number }>()
  for (let i = queue.pop(); i >= 0; i = queue.pop()) {
    const level = queue.level
    eachNeighbour(i, j => {
      if (entryOf[j]! >= 0 || Number.isNaN(elevation[j]!)) return
      const entry = entryOf[j] = entryOf[i]!
      distance[j] = distance[i]! + cell
      const sum = areas.get(entry) ?? { cells: 0, distance: 0 }
      sum.cells++
      sum.distance += distance[j]!
      areas.set(entry, sum)
      queue.push(j, Math.max(level, elevation[j]!))
    })
  }
  return [...areas].sort(([a], [b]) => a - b).map(([at, sum]) => ({ cell: at, area: sum.cells * cell * cell, distance: sum.distance / sum.cells }))

  function eachNeighbour(i: number, visit: (j: number) => void): void {
    const col = i % cols
    if (col > 0) visit(i - 1)
    if (col < cols - 1) visit(i + 1)
    if (i >= cols) visit(i - cols)
    if (i < size - cols) visit(i + cols)
  }
  function touches(i: number, test: (j: number) => boolean): boolean {
    let found = false
    eachNeighbour(i, j => { found ||= test(j) })
    return found
  }
}

/** Binary heap of cells by level, lowest first; equal levels by cell, so that the result never depends on chance. */
class Heap {
  private readonly cells: number[] = []
  private readonly levels: number[] = []
  /** Level of the cell popped last. */
  level = 0

  push(cell: number, level: number): void {
    let i = this.cells.length
    while (i > 0) {
      const up = (i - 1) >> 1
      if (!this.before(level, cell, up)) break
      this.cells[i] = this.cells[up]!
      this.levels[i] = this.levels[up]!
      i = up
    }
    this.cells[i] = cell
    this.levels[i] = level
  }

  /** −1 when empty. */
  pop(): number {
    const top = this.cells[0]
    if (top === undefined) return -1
    this.level = this.levels[0]!
    const cell = this.cells.pop()!, level = this.levels.pop()!
    const length = this.cells.length
    if (length) {
      let i = 0
      for (;;) {
        let down = 2 * i + 1
        if (down >= length) break
        if (down + 1 < length && this.before(this.levels[down + 1]!, this.cells[down + 1]!, down)) down++
        if (!(this.levels[down]! < level || (this.levels[down] === level && this.cells[down]! < cell))) break
        this.cells[i] = this.cells[down]!
        this.levels[i] = this.levels[down]!
        i = down
      }
      this.cells[i] = cell
      this.levels[i] = level
    }
    return top
  }

  private before(level: number, cell: number, than: number): boolean {
    return level < this.levels[than]! || (level === this.levels[than] && cell < this.cells[than]!)
  }
}
