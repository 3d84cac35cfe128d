/**
 * The local inertial step: shallow water without advection (Bates, Horritt & Fewtrell 2010, J. Hydrol. 387, 33;
 * θ-weighting of de Almeida et al. 2012, Water Resour. Res. 48, W05528) with isotropic porosity for buildings.
 *
 * Staggering: depth h and bed z live at cell centres, unit discharge q (m²/s) at faces.
 *
 * ```
 *                 qy[p]  (+ southwards)
 *            ┌──────┼──────┐           W = cols + 2: the arrays have a ring of walls around them,
 *            │      ↓      │           so a cell p always has p±1 and p±W
 *   qx[p] ───┼→   h, z   ──┼→ qx[p+1]  (+ eastwards)
 *            │      ↓      │
 *            └──────┼──────┘           a wall (masked cell, ring) has z = +∞: its faces never open
 *                 qy[p+W]
 * ```
 *
 * A face:  hf = max(ηL, ηR) − max(zL, zR), closed where hf ≤ dry
 *          q̄  = θ q + (1−θ)/2 (q₋ + q₊)
 *          q' = (q̄ − g hf dt Δη/dx) / (1 + g dt n² |q| / hf^{7/3}),  |q'| ≤ Fr hf √(g hf)
 * A cell:  leaving water is scaled so that no cell gives more than it holds (conservative, nothing is clipped)
 *          φ dh/dt = (Σ q w)/dx + rain − infiltration − drains;  φ = open share, w = min φ of the face's two cells
 *
 * Rows run through face → limit → update two rows apart, so a row's arrays are still in cache when they are used
 * again; runs of cells without water in or beside them are skipped.
 */
import { checkGround, type Ground } from './grid.js'
import { balanceOf, noTotals, type Balance } from './accounts.js'
import { checkForcing, placed, type Forcing } from './forcing.js'

export const GRAVITY = 9.80665

export interface SolverParameters {
  /** Weight of the face's own discharge, 0.5…1. */
  readonly theta: number
  /** Share of the wave's crossing time of a cell that a step may take; at most 0.9 √(θ/2). */
  readonly alpha: number
  /** A face opens above this depth, metres. */
  readonly dryDepth: number
  /** Cap on the Froude number at a face. */
  readonly froudeLimit: number
  /** Longest step, seconds. */
  readonly maxStep: number
}

export const DEFAULT_PARAMETERS: SolverParameters = { theta: 0.9, alpha: 0.6, dryDepth: 1e-3, froudeLimit: 1, maxStep: 10 }

export interface Solver {
  readonly time: number
  readonly steps: number
  /** Cells updated since the start (dry runs of cells are skipped and not counted). */
  readonly cellUpdates: number
  /** Length of the last step, and the deepest water, which sets the next. */
  readonly dt: number
  readonly deepest: number
  /** One step, never beyond `until` (seconds from the start). */
  step(until: number): void
  balance(): Balance
  /** Depth in cell (row-major index), metres; NaN where not computed. */
  depthAt(index: number): number
  /** Calls back with depth (m) and |unit discharge| = depth × speed (m²/s) of every computed cell. */
  forEach(visit: (index: number, depth: number, discharge: number) => void): void
}

const STRIP = 64

/** Makes a solver over the ground, at rest. Throws an Error for anything it could not compute soundly. */
export function createSolver(ground: Ground, forcing: Forcing, parameters: Partial<SolverParameters> = {}): Solver {
  const { theta, alpha, dryDepth, froudeLimit, maxStep } = checkParameters({ ...DEFAULT_PARAMETERS, ...parameters })
  checkGround(ground)
  checkForcing(forcing, ground.grid, ground.bed)

  const { rows, cols, cell: dx } = ground.grid
  const area = dx * dx
  const W = cols + 2
  const size = W * (rows + 2)
  const array = () => new Float64Array(size)
  /** Row-major index to padded cell, and back. */
  const indexOf = (p: number) => (Math.floor(p / W) - 1) * cols + (p % W) - 1
  const place = (index: number) => (Math.floor(index / cols) + 1) * W + (index % cols) + 1

  // Cells: bed and depth, m; open share and its inverse; infiltration and drains, m/s.
  const z = array().fill(Infinity), h = array(), open = array().fill(1), perOpen = array().fill(1), infiltrates = array(), drains = array()
  // Faces (west and north of cell p): discharge now and next, m²/s; open share of the side; g n², m^⅓.
  let qx = array(), qy = array(), nextQx = array(), nextQy = array()
  const widthX = array(), widthY = array(), frictionX = array(), frictionY = array()
  const manning = array().fill(0.03)

  for (let i = 0; i < rows * cols; i++) {
    if (Number.isNaN(ground.bed[i]!)) continue
    const p = place(i)
    z[p] = ground.bed[i]!
    h[p] = ground.depth?.[i] ?? 0
    manning[p] = ground.manning[i]!
    open[p] = ground.open?.[i] ?? 1
    perOpen[p] = 1 / open[p]!
    infiltrates[p] = (ground.infiltration?.[i] ?? 0) / 3.6e6
    drains[p] = (ground.drains?.[i] ?? 0) / 3.6e6
  }
  for (let p = W; p < size; p++) {
    widthX[p] = Math.min(open[p]!, open[p - 1]!)
    widthY[p] = Math.min(open[p]!, open[p - W]!)
    frictionX[p] = GRAVITY * ((manning[p]! + manning[p - 1]!) / 2) ** 2
    frictionY[p] = GRAVITY * ((manning[p]! + manning[p - W]!) / 2) ** 2
  }

  const strips = cutIntoStrips(z, rows, cols)
  const { first, end, block, rowStart, blocksPerRow } = strips
  let wet = new Uint8Array(blocksPerRow * (rows + 2)), nextWet = new Uint8Array(wet.length)
  /** How many of the two discharge buffers are known to be all zero in a dry strip. */
  const cleared = new Uint8Array(first.length).fill(2)
  const blockOf = (p: number) => Math.floor(p / W) * blocksPerRow + Math.floor((p % W) / STRIP)
  for (let p = 0; p < size; p++) if (h[p]! > 0) wet[blockOf(p)] = 1

  const { rain, inflows, stages, outflows } = placed(forcing, place)

  let time = 0, steps = 0, cellUpdates = 0, dt = 0
  const total = noTotals()
  const computedArea = area * end.reduce((cells, to, s) => cells + to - first[s]!, 0)
  let deepest = h.reduce((a, b) => Math.max(a, b), 0)
  holdStages(0)
  const start = stored()
  total.boundaryIn = total.boundaryOut = 0

  // A 32-bit view of one float, for the first guess of the cube root.
  const asFloat = new Float32Array(1), asInteger = new Int32Array(asFloat.buffer)

  function step(until: number): void {
    const left = until - time
    if (!(left > 0)) return
    const stable = deepest > 0 ? alpha * dx / Math.sqrt(GRAVITY * deepest) : maxStep
    dt = left / Math.ceil(left / Math.min(stable, maxStep) - 1e-9)
    const to = dt > left * (1 - 1e-12) ? until : time + dt

    pour(time, to)
    drainEdges()
    const rainDepth = rain ? rain.between(time, to) / 3.6e6 : 0
    total.rain += rainDepth * computedArea
    deepest = 0
    for (let row = 0; row < rows + 2; row++) {
      if (row < rows) faces(row)
      if (row >= 1 && row < rows + 1) limit(row - 1)
      if (row >= 2) update(row - 2, rainDepth)
    }
    ;[qx, nextQx] = [nextQx, qx]
    ;[qy, nextQy] = [nextQy, qy]
    ;[wet, nextWet] = [nextWet, wet]
    time = to
    steps++
    holdStages(time)
  }

  /** New discharge of the west and north faces of a row's cells. */
  function faces(row: number): void {
    const around = (1 - theta) / 2, slope = GRAVITY * dt / dx, cap = froudeLimit * froudeLimit * GRAVITY
    for (let s = rowStart[row]!; s < rowStart[row + 1]!; s++) {
      const b = block[s]!, from = first[s]!, to = end[s]!
      if (!(wet[b] || wet[b - 1] || wet[b - blocksPerRow])) {
        if (cleared[s]! < 2) {
          nextQx.fill(0, from, to)
          nextQy.fill(0, from, to)
          cleared[s]!++
        }
        continue
      }
      cleared[s] = 0
      let zWest = z[from - 1]!, levelWest = zWest + h[from - 1]!
      for (let p = from; p < to; p++) {
        const zHere = z[p]!, level = zHere + h[p]!
        let flow = 0
        let depth = Math.max(levelWest, level) - Math.max(zWest, zHere)
        if (depth > dryDepth) {
          const q = qx[p]!
          const across = 0.25 * (qy[p - 1]! + qy[p - 1 + W]! + qy[p]! + qy[p + W]!)
          const push = slope * depth * (level - levelWest)
          let kept = theta * q + around * (qx[p - 1]! + qx[p + 1]!)
          if ((kept - push) * push > 0) kept = q
          const depth2 = depth * depth
          flow = (kept - push) * depth2 / (depth2 + frictionX[p]! * dt * Math.sqrt(q * q + across * across) * inverseCubeRoot(depth))
          const most = cap * depth2 * depth
          if (flow * flow > most) flow = flow > 0 ? Math.sqrt(most) : -Math.sqrt(most)
        }
        nextQx[p] = flow
        zWest = zHere
        levelWest = level

        const zNorth = z[p - W]!, levelNorth = zNorth + h[p - W]!
        flow = 0
        depth = Math.max(levelNorth, level) - Math.max(zNorth, zHere)
        if (depth > dryDepth) {
          const q = qy[p]!
          const across = 0.25 * (qx[p - W]! + qx[p - W + 1]! + qx[p]! + qx[p + 1]!)
          const push = slope * depth * (level - levelNorth)
          let kept = theta * q + around * (qy[p - W]! + qy[p + W]!)
          if ((kept - push) * push > 0) kept = q
          const depth2 = depth * depth
          flow = (kept - push) * depth2 / (depth2 + frictionY[p]! * dt * Math.sqrt(q * q + across * across) * inverseCubeRoot(depth))
          const most = cap * depth2 * depth
          if (flow * flow > most) flow = flow > 0 ? Math.sqrt(most) : -Math.sqrt(most)
        }
        nextQy[p] = flow
      }
    }
  }

  /** Scales what leaves each cell so that it gives no more than it holds; each face leaves one cell only, so the order does not matter. */
  function limit(row: number): void {
    const share = dx / dt
    for (let s = rowStart[row]!; s < rowStart[row + 1]!; s++) {
      if (!nearWater(block[s]!)) continue
      for (let p = first[s]!, to = end[s]!; p < to; p++) {
        const west = nextQx[p]!, east = nextQx[p + 1]!, north = nextQy[p]!, south = nextQy[p + W]!
        let out = 0
        if (west < 0) out -= west * widthX[p]!
        if (east > 0) out += east * widthX[p + 1]!
        if (north < 0) out -= north * widthY[p]!
        if (south > 0) out += south * widthY[p + W]!
        const most = h[p]! * open[p]! * share
        if (out > most) {
          const scale = most / out
          if (west < 0) nextQx[p] = west * scale
          if (east > 0) nextQx[p + 1] = east * scale
          if (north < 0) nextQy[p] = north * scale
          if (south > 0) nextQy[p + W] = south * scale
        }
      }
    }
  }

  /** New depth of a row's cells: continuity, rain, infiltration, drains. */
  function update(row: number, rainDepth: number): void {
    const share = dt / dx
    let infiltrated = 0, drained = 0, top = deepest
    for (let s = rowStart[row]!; s < rowStart[row + 1]!; s++) {
      const b = block[s]!
      if (!(rainDepth > 0 || nearWater(b))) {
        nextWet[b] = 0
        continue
      }
      const from = first[s]!, to = end[s]!
      cellUpdates += to - from
      let some = 0
      for (let p = from; p < to; p++) {
        const net = nextQx[p]! * widthX[p]! - nextQx[p + 1]! * widthX[p + 1]! + nextQy[p]! * widthY[p]! - nextQy[p + W]! * widthY[p + W]!
        // Volume over the cell's whole area, as a depth; rounding alone can bring it below 0 by 1e-17.
        let water = h[p]! * open[p]! + share * net + rainDepth
        if (water > 0) {
          const soaks = Math.min(water, infiltrates[p]! * dt)
          water -= soaks
          infiltrated += soaks
          const pipes = Math.min(water, drains[p]! * dt)
          water -= pipes
          drained += pipes
        } else water = 0
        const depth = water * perOpen[p]!
        h[p] = depth
        if (depth > some) some = depth
      }
      nextWet[b] = some > 0 ? 1 : nextWet[b]! & otherStripOfBlock(s)
      if (some > top) top = some
    }
    deepest = top
    total.infiltration += infiltrated * area
    total.drains += drained * area
  }

  /** Water in the block or beside it: its faces may carry some. */
  function nearWater(b: number): boolean {
    return (wet[b]! | wet[b - 1]! | wet[b + 1]! | wet[b - blocksPerRow]! | wet[b + blocksPerRow]!) !== 0
  }

  /** 1 where an earlier strip of the same block (a row cut by walls) has set its flag in this very pass. */
  function otherStripOfBlock(s: number): number {
    return s > 0 && block[s - 1] === block[s] ? 1 : 0
  }

  /** hf^{-1/3} to 1e-5: exponent trick, then two Newton steps. Friction is known to a tenth at best. */
  function inverseCubeRoot(x: number): number {
    asFloat[0] = x
    asInteger[0] = 0x54a2fa8c - ((asInteger[0]! / 3) | 0)
    let y = asFloat[0]!
    y *= 1.3333333333333333 - 0.3333333333333333 * x * y * y * y
    return y * (1.3333333333333333 - 0.3333333333333333 * x * y * y * y)
  }

  /** River and point inflows of the interval. */
  function pour(from: number, to: number): void {
    for (const { cells, shares, discharge } of inflows) {
      const volume = discharge.between(from, to)
      if (!(volume > 0)) continue
      total.inflow += volume
      for (let k = 0; k < cells.length; k++) {
        const p = cells[k]!
        h[p]! += volume * shares[k]! / area * perOpen[p]!
        wet[blockOf(p)] = 1
      }
    }
  }

  /** Normal-depth outflow at the domain's edge: q = h^{5/3} √S / n, out only, never more than there is. */
  function drainEdges(): void {
    for (const { cells, rootSlope } of outflows) {
      for (let k = 0; k < cells.length; k++) {
        const p = cells[k]!, depth = h[p]!
        if (!(depth > 0)) continue
        const leaves = Math.min(depth, dt / dx * depth * depth * inverseCubeRoot(depth) * rootSlope / manning[p]!)
        h[p] = depth - leaves
        total.boundaryOut += leaves * open[p]! * area
      }
    }
  }

  /** Sets the stage cells to their level and books the difference. */
  function holdStages(at: number): void {
    for (const { cells, level } of stages) {
      const stage = level.at(at)
      for (let k = 0; k < cells.length; k++) {
        const p = cells[k]!
        const depth = Math.max(0, stage - z[p]!)
        const volume = (depth - h[p]!) * open[p]! * area
        if (volume > 0) total.boundaryIn += volume
        else total.boundaryOut -= volume
        h[p] = depth
        if (depth > deepest) deepest = depth
        if (depth > 0) wet[blockOf(p)] = 1
      }
    }
  }

  /** Σ h φ A, strip by strip: partial sums keep the rounding at 1e-16 of the whole. */
  function stored(): number {
    let volume = 0
    for (let s = 0; s < first.length; s++) {
      let part = 0
      for (let p = first[s]!; p < end[s]!; p++) part += h[p]! * open[p]!
      volume += part
    }
    return volume * area
  }

  const balance = () => balanceOf(total, start, stored())

  function forEach(visit: (index: number, depth: number, discharge: number) => void): void {
    for (let s = 0; s < first.length; s++) {
      const from = first[s]!, shift = indexOf(from) - from
      for (let p = from; p < end[s]!; p++) {
        const x = (qx[p]! + qx[p + 1]!) / 2, y = (qy[p]! + qy[p + W]!) / 2
        visit(p + shift, h[p]!, Math.sqrt(x * x + y * y))
      }
    }
  }

  return {
    get time() { return time }, get steps() { return steps }, get cellUpdates() { return cellUpdates }, get dt() { return dt }, get deepest() { return deepest },
    step, balance, forEach,
    depthAt: index => Number.isFinite(z[place(index)]!) ? h[place(index)]! : NaN,
  }
}

/**
 * Computed cells as runs that end at walls and at every 64th column, row by row.
 * `block` numbers the 64-column piece a strip lies in; its neighbours are ±1 and ±blocksPerRow.
 */
function cutIntoStrips(z: Float64Array, rows: number, cols: number) {
  const W = cols + 2
  const blocksPerRow = Math.ceil(W / STRIP) + 1
  const first: number[] = [], end: number[] = [], block: number[] = [], rowStart: number[] = []
  for (let row = 0; row < rows; row++) {
    rowStart.push(first.length)
    for (let col = 1; col <= cols; col++) {
      const p = (row + 1) * W + col
      if (!Number.isFinite(z[p]!)) continue
      const last = first.length - 1
      if (last >= rowStart[row]! && end[last] === p && col % STRIP !== 0) end[last]!++
      else {
        first.push(p)
        end.push(p + 1)
        block.push((row + 1) * blocksPerRow + Math.floor(col / STRIP))
      }
    }
  }
  rowStart.push(first.length)
  return { first: Int32Array.from(first), end: Int32Array.from(end), block: Int32Array.from(block), rowStart: Int32Array.from(rowStart), blocksPerRow }
}

export function checkParameters(parameters: SolverParameters): SolverParameters {
  const { theta, alpha, dryDepth, froudeLimit, maxStep } = parameters
  if (!(theta >= 0.5 && theta <= 1)) throw new Error(`θ must be 0.5 to 1, not ${theta}.`)
  const most = 0.9 * Math.sqrt(theta / 2)
  if (!(alpha > 0 && alpha <= most))
    throw new Error(`α = ${alpha} with θ = ${theta} is unstable in quiet deep water: a checkerboard of waves grows where α > √(θ/2). Take α above 0 and at most 0.9 √(θ/2) = ${most.toFixed(3)}.`)
  if (!(dryDepth > 0 && dryDepth <= 0.1)) throw new Error(`The dry depth must be above 0 and at most 0.1 m, not ${dryDepth}.`)
  if (!(froudeLimit > 0)) throw new Error(`The Froude cap must be above 0, not ${froudeLimit}.`)
  if (!(maxStep > 0 && Number.isFinite(maxStep))) throw new Error(`The longest step must be above 0 s, not ${maxStep}.`)
  return parameters
}
