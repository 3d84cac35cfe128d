/**
 * The local inertial solver with its inner loops in WASM SIMD (assembly/kernel.ts), float32 with compensated depths,
 * one thread. Where there is no WASM SIMD it is the plain TypeScript solver, float64. 61 bytes a cell.
 *
 * Here: what happens once, or in few cells a step – laying out the grid, inflows, stages, outflows, the balance.
 */
import { checkGround, type Ground } from '../grid.js'
import { balanceOf, noTotals } from '../accounts.js'
import { checkForcing, placed, type Forcing } from '../forcing.js'
import { checkParameters, createSolver, DEFAULT_PARAMETERS, GRAVITY, type Solver, type SolverParameters } from '../local-inertial.js'
import { KERNEL } from './kernel-bytes.js'

/** What of the platform's WebAssembly is used: Node's types leave it to the browser's. */
declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: object }
}

/** What assembly/kernel.ts exports. Pointers are bytes into `memory`. */
interface Kernel {
  readonly memory: { readonly buffer: ArrayBuffer }
  setUp(rows: number, cols: number): number
  setScheme(theta: number, dryDepth: number, gravity: number, froudeLimit: number, cell: number): void
  pointerTo(what: number): number
  rowLength(): number
  blocksInRow(): number
  step(seconds: number, rainDepth: number): number
  lastInfiltrated(): number
  lastDrained(): number
  lastUpdated(): number
}

/** The numbers of the kernel's arrays, as `pointerTo` knows them. */
const ARRAY = { depths: 0, rests: 1, stepsX: 2, stepsY: 3, roughs: 4, widthsX: 5, widthsY: 6, opens: 7, perOpens: 8, soaks: 9, pipes: 10, plain: 11, counts: 12, wet: 13, flowsX: 14, flowsY: 15 } as const

/** Cells to a block, and walls before a row: BLOCK and LANES of the kernel. */
const BLOCK = 64, WALLS = 4

const bytes = Uint8Array.from(atob(KERNEL), letter => letter.charCodeAt(0))

/** Whether this machine runs the kernel: fixed-width SIMD is in all browsers and Node since 2021 to 2023. */
export const hasFastKernel = (): boolean => typeof WebAssembly !== 'undefined' && WebAssembly.validate(bytes)

/** Makes a solver over the ground, at rest. Throws an Error for anything it could not compute soundly. */
export function createFastSolver(ground: Ground, forcing: Forcing, parameters: Partial<SolverParameters> = {}): Solver {
  if (!hasFastKernel()) return createSolver(ground, forcing, parameters)
  const { theta, alpha, dryDepth, froudeLimit, maxStep } = checkParameters({ ...DEFAULT_PARAMETERS, ...parameters })
  checkGround(ground)
  checkForcing(forcing, ground.grid, ground.bed)

  const { rows, cols, cell: dx } = ground.grid
  const area = dx * dx
  const kernel = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as Kernel
  if (!kernel.setUp(rows, cols)) throw new Error(`A grid of ${rows} × ${cols} cells needs more memory than there is: about ${Math.ceil(rows * cols * 61 / 2 ** 20)} MiB, 4096 MiB at most. Take larger cells or a smaller window.`)
  kernel.setScheme(theta, dryDepth, GRAVITY, froudeLimit, dx)
  const W = kernel.rowLength(), B = kernel.blocksInRow(), size = W * (rows + 2) + WALLS
  const cells = (name: keyof typeof ARRAY) => new Float32Array(kernel.memory.buffer, kernel.pointerTo(ARRAY[name]), size)
  /** Row-major index to the kernel's cell, and a cell's block. */
  const place = (index: number) => (Math.floor(index / cols) + 1) * W + WALLS + index % cols
  const blockOf = (p: number) => Math.floor(p / W) * B + 1 + Math.floor((p % W - WALLS) / BLOCK)
  const isComputed = (index: number) => !Number.isNaN(ground.bed[index]!)

  const depths = cells('depths'), rests = cells('rests'), opens = cells('opens')
  layOut()
  const wetNow = () => new Uint8Array(kernel.memory.buffer, kernel.pointerTo(ARRAY.wet), B * (rows + 2) + 1)

  const { rain, inflows, ...edges } = placed(forcing, place)
  const stages = edges.stages.map((stage, k) => ({ ...stage, beds: forcing.stages![k]!.cells.map(index => ground.bed[index]!) }))
  const outflows = edges.outflows.map(({ cells, rootSlope }, k) => ({ cells, conveyances: forcing.outflows![k]!.cells.map(index => rootSlope / ground.manning[index]!) }))

  let time = 0, steps = 0, cellUpdates = 0, dt = 0
  const total = noTotals()
  let computed = 0
  for (let i = 0; i < rows * cols; i++) if (isComputed(i)) computed++
  let deepest = depths.reduce((a, b) => Math.max(a, b), 0)
  holdStages(0)
  const start = stored()
  total.boundaryIn = total.boundaryOut = 0

  /** Fills the kernel's arrays; what is not computed is a wall. */
  function layOut(): void {
    const stepsX = cells('stepsX').fill(Infinity), stepsY = cells('stepsY').fill(Infinity), roughs = cells('roughs')
    const widthsX = cells('widthsX').fill(1), widthsY = cells('widthsY').fill(1), perOpens = cells('perOpens'), soaks = cells('soaks'), pipes = cells('pipes')
    const counts = new Int32Array(kernel.memory.buffer, kernel.pointerTo(ARRAY.counts), B * (rows + 2) + 1)
    const plain = new Uint8Array(kernel.memory.buffer, kernel.pointerTo(ARRAY.plain), B * (rows + 2) + 1)
    const bedAt = (row: number, col: number) => {
      const bed = row >= 0 && row < rows && col >= 0 && col < cols ? ground.bed[row * cols + col]! : NaN
      return Number.isNaN(bed) ? Infinity : bed
    }
    /** From one cell to the next; ±∞ into and out of a wall. */
    const rise = (before: number, here: number) => here === Infinity ? Infinity : here - before
    opens.fill(1)
    for (let i = 0; i < rows * cols; i++) {
      if (!isComputed(i)) continue
      const p = place(i)
      depths[p] = ground.depth?.[i] ?? 0
      roughs[p] = Math.sqrt(GRAVITY) / 2 * ground.manning[i]!
      opens[p] = ground.open?.[i] ?? 1
      perOpens[p] = 1 / opens[p]!
      soaks[p] = (ground.infiltration?.[i] ?? 0) / 3.6e6
      pipes[p] = (ground.drains?.[i] ?? 0) / 3.6e6
      counts[blockOf(p)]!++
    }
    for (let row = 0; row <= rows; row++) for (let col = 0; col <= cols; col++) {
      const p = (row + 1) * W + WALLS + col, here = bedAt(row, col)
      stepsX[p] = rise(bedAt(row, col - 1), here)
      stepsY[p] = rise(bedAt(row - 1, col), here)
      widthsX[p] = Math.min(opens[p]!, opens[p - 1]!)
      widthsY[p] = Math.min(opens[p]!, opens[p - W]!)
    }
    // A block is plain where the kernel can leave out open shares and sinks: every one of its cells computed, all sides 1.
    for (let row = 0; row < rows; row++) for (let k = 0; k < B - 1; k++) {
      const from = (row + 1) * W + WALLS + k * BLOCK, b = blockOf(from)
      const to = Math.min(from + BLOCK, (row + 2) * W)
      const allWhole = (array: Float32Array, after: number) => array.subarray(from, to + after).every(share => share === 1)
      const noSink = (array: Float32Array) => array.subarray(from, to).every(rate => rate === 0)
      plain[b] = Number(counts[b] === to - from && allWhole(opens, 0) && allWhole(widthsX, 1) && allWhole(widthsY, 0) &&
        widthsY.subarray(from + W, to + W).every(share => share === 1) && noSink(soaks) && noSink(pipes))
    }
    const wet = new Uint8Array(kernel.memory.buffer, kernel.pointerTo(ARRAY.wet), B * (rows + 2) + 1)
    for (let i = 0; i < rows * cols; i++) if (depths[place(i)]! > 0) wet[blockOf(place(i))] = 1
  }

  function step(until: number): void {
    const left = until - time
    if (!(left > 0)) return
    const stable = deepest > 0 ? alpha * dx / Math.sqrt(GRAVITY * deepest) : maxStep
    dt = left / Math.ceil(left / Math.min(stable, maxStep) - 1e-9)
    const to = dt > left * (1 - 1e-12) ? until : time + dt

    pour(time, to)
    drainEdges()
    const rainDepth = rain ? rain.between(time, to) / 3.6e6 : 0
    total.rain += rainDepth * computed * area
    deepest = kernel.step(dt, rainDepth)
    total.infiltration += kernel.lastInfiltrated() * area
    total.drains += kernel.lastDrained() * area
    cellUpdates += kernel.lastUpdated()
    time = to
    steps++
    holdStages(time)
  }

  /** The water of a cell, m, beyond what float32 tells; and its setting. */
  function waterIn(p: number): number { return depths[p]! - rests[p]! }
  function setWater(p: number, water: number): void {
    depths[p] = Math.max(0, water)
    rests[p] = depths[p]! - water
  }

  /** River and point inflows of the interval. */
  function pour(from: number, to: number): void {
    for (const { cells, shares, discharge } of inflows) {
      const volume = discharge.between(from, to)
      if (!(volume > 0)) continue
      total.inflow += volume
      const wet = wetNow()
      cells.forEach((p, k) => {
        setWater(p, waterIn(p) + volume * shares[k]! / area / opens[p]!)
        wet[blockOf(p)] = 1
      })
    }
  }

  /** Normal-depth outflow at the domain's edge: q = h^{5/3} √S / n, out only, never more than there is. */
  function drainEdges(): void {
    for (const { cells, conveyances } of outflows) {
      cells.forEach((p, k) => {
        const depth = waterIn(p)
        if (!(depth > 0)) return
        const leaves = Math.min(depth, dt / dx * depth ** (5 / 3) * conveyances[k]!)
        setWater(p, depth - leaves)
        total.boundaryOut += leaves * opens[p]! * area
      })
    }
  }

  /** Sets the stage cells to their level and books the difference. */
  function holdStages(at: number): void {
    for (const { cells, beds, level } of stages) {
      const stage = level.at(at), wet = wetNow()
      cells.forEach((p, k) => {
        const depth = Math.max(0, stage - beds[k]!)
        const volume = (depth - waterIn(p)) * opens[p]! * area
        if (volume > 0) total.boundaryIn += volume
        else total.boundaryOut -= volume
        setWater(p, depth)
        if (depth > deepest) deepest = depth
        if (depth > 0) wet[blockOf(p)] = 1
      })
    }
  }

  /** Σ h φ A, row by row: partial sums keep the rounding at 1e-16 of the whole. */
  function stored(): number {
    let volume = 0
    for (let row = 1; row <= rows; row++) {
      let part = 0
      for (let p = row * W + WALLS, to = p + cols; p < to; p++) part += waterIn(p) * opens[p]!
      volume += part
    }
    return volume * area
  }

  return {
    get time() { return time }, get steps() { return steps }, get cellUpdates() { return cellUpdates }, get dt() { return dt }, get deepest() { return deepest },
    step,
    balance: () => balanceOf(total, start, stored()),
    forEach(visit) {
      const qx = cells('flowsX'), qy = cells('flowsY')
      for (let i = 0; i < rows * cols; i++) {
        if (!isComputed(i)) continue
        const p = place(i), x = (qx[p]! + qx[p + 1]!) / 2, y = (qy[p]! + qy[p + W]!) / 2
        visit(i, depths[p]!, Math.sqrt(x * x + y * y))
      }
    },
    depthAt: index => isComputed(index) ? depths[place(index)]! : NaN,
  }
}
