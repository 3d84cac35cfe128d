/**
 * Shallow water in full, by finite volumes: the reference that faster kernels are held to, in float64.
 *
 * ```
 *   ∂(φU)/∂t + ∂(φF)/∂x + ∂(φG)/∂y = sources;   U = (h, hu, hv),  F = (hu, hu² + g h²/2, huv),  φ = open share
 * ```
 *
 * - Fluxes: HLL with the two-rarefaction speeds of Toro (2001, Shock-Capturing Methods for Free-Surface Shallow
 *   Flows, §10.4); momentum along the face goes with the water that carries it, which makes it HLLC.
 * - Bed: hydrostatic reconstruction (Audusse et al. 2004, SIAM J. Sci. Comput. 25, 2050). A face sees
 *   h* = max(0, η − max(zL, zR)). Each cell books the flux less its own pressure, F₂ − g h*²/2, so water at rest
 *   gives nothing at any face, whatever the bed and whatever the building beside it (single porosity: Guinot &
 *   Soares-Frazão 2006, Int. J. Numer. Meth. Fluids 50, 309).
 * - Friction: Manning, implicit and solved exactly: q (1 + dt c |q|) = q⁎ with c = g n² / h^{7/3}.
 * - Order 2: minmod slopes of h, η, u, v, none beside a dry cell; SSP-RK2 in time.
 *
 * Positive without clipping: a cell with h* ≤ h loses at most s h through two opposite faces, s = fastest wave, so
 * first order keeps h ≥ 0 at CFL ½. The step is cut further where a cell would otherwise give more than it holds.
 *
 * What it does not do well: at order 1 a film thinner than the bed's step between two cells runs off as over a sill,
 * too fast (steady rain of 200 mm/h on 1:100, 10 m cells: 0.7 of the kinematic depth; order 2: within 1 %), and a
 * cell's own discharge differs from its faces' by a few per cent on a slope. An inflow brings no momentum: the depth
 * in its cell is raised by what it takes to set the water moving. A stage holds its cells and steers no supercritical flow.
 *
 * Arrays are padded by a ring of walls: W = cols + 2, a cell p has p ± 1 and p ± W; x runs east, y runs south (north
 * row first), and both directions go through the same code with a stride. Dry rows and the dry ends of rows are skipped.
 */
import { checkGround, type Ground } from './grid.js'
import { balanceOf, noTotals } from './accounts.js'
import { checkForcing, placed, type Forcing } from './forcing.js'
import { GRAVITY, type Solver } from './local-inertial.js'

export interface FiniteVolumeParameters {
  /** Order of accuracy in space and time where all is wet and smooth. */
  readonly order: 1 | 2
  /** Share of the fastest wave's crossing time of a cell that a step may take, at most 0.5. */
  readonly cfl: number
  /** Water this shallow does not move by itself, metres. */
  readonly dryDepth: number
  /** Longest step, seconds. */
  readonly maxStep: number
}

export const FINITE_VOLUME_PARAMETERS: FiniteVolumeParameters = { order: 1, cfl: 0.5, dryDepth: 1e-6, maxStep: 10 }

export interface FiniteVolumeSolver extends Solver {
  /** Velocity in a cell (row-major index), m/s: [east, north]; NaN where not computed. */
  velocityAt(index: number): readonly [east: number, north: number]
}

/** What lies beyond a wall beside the cell. */
const SOLID = 0, STAGE = 1, OUTFLOW = 2

/** Makes a solver over the ground, at rest. Throws an Error for anything it could not compute soundly. */
export function createFiniteVolume(ground: Ground, forcing: Forcing, parameters: Partial<FiniteVolumeParameters> = {}): FiniteVolumeSolver {
  const { order, cfl, dryDepth, maxStep } = checkParameters({ ...FINITE_VOLUME_PARAMETERS, ...parameters })
  checkGround(ground)
  checkForcing(forcing, ground.grid, ground.bed)

  const { rows, cols, cell: dx } = ground.grid
  const area = dx * dx
  const W = cols + 2
  const size = W * (rows + 2)
  const array = () => new Float64Array(size)
  const place = (index: number) => (Math.floor(index / cols) + 1) * W + (index % cols) + 1

  // Cells: bed and depth, m; unit discharge, m²/s; velocity, m/s; open share; Manning n; infiltration and drains, m/s.
  const z = array().fill(NaN), h = array(), qx = array(), qy = array(), u = array(), v = array()
  const open = array(), manning = array(), infiltrates = array(), drains = array()
  // What the faces bring: Σ w F, with the width w a share of the side; and what leaves of the water.
  const gainH = array(), gainX = array(), gainY = array(), leaves = array()
  // Order 2: half the rise across the cell of depth, level, normal and transverse velocity; the state before the step.
  const second = () => order === 2 ? array() : new Float64Array(0)
  const riseH = second(), riseLevel = second(), riseNormal = second(), riseAcross = second()
  const beforeH = second(), beforeX = second(), beforeY = second()
  const beyond = new Uint8Array(size).fill(SOLID)

  let computed = 0
  for (let i = 0; i < rows * cols; i++) {
    if (Number.isNaN(ground.bed[i]!)) continue
    computed++
    const p = place(i)
    z[p] = ground.bed[i]!
    h[p] = ground.depth?.[i] ?? 0
    manning[p] = ground.manning[i]!
    open[p] = ground.open?.[i] ?? 1
    infiltrates[p] = (ground.infiltration?.[i] ?? 0) / 3.6e6
    drains[p] = (ground.drains?.[i] ?? 0) / 3.6e6
  }

  const { rain, inflows, stages, outflows } = placed(forcing, place)
  for (const { cells } of outflows) for (const p of cells) beyond[p] = OUTFLOW
  for (const { cells } of stages) for (const p of cells) beyond[p] = STAGE

  // Wet columns of each padded row (low > high: none), and the columns that may change: those and their neighbours.
  const low = new Int32Array(rows + 2), high = new Int32Array(rows + 2), from = new Int32Array(rows + 2), to = new Int32Array(rows + 2)
  dryRows()
  for (let p = 0; p < size; p++) if (h[p]! > dryDepth) wetten(p)
  // Cells in which water may come from beyond are always looked at.
  const sources = [...inflows, ...stages, ...outflows].flatMap(({ cells }) => [...cells])

  let time = 0, steps = 0, cellUpdates = 0, dt = 0
  const total = noTotals()
  let deepest = h.reduce((a, b) => Math.max(a, b), 0)
  holdStages(0)
  const start = stored()
  total.boundaryIn = total.boundaryOut = 0

  // What the last calls of `riemann` and `edges` found: m²/s, m³/s², m/s; m³/s.
  let massFlux = 0, momentumFlux = 0, fastest = 0, edgeIn = 0, edgeOut = 0

  function step(until: number): void {
    const left = until - time
    if (!(left > 0)) return
    for (const p of sources) wetten(p)
    activate()
    const stable = Math.min(faces(), maxStep, columnLimit())
    dt = left / Math.ceil(left / stable - 1e-9)
    if (order === 1) {
      book(1)
      pour()
      advance()
    } else advanceTwice()
    const now = dt > left * (1 - 1e-12) ? until : time + dt
    for (const { discharge } of inflows) total.inflow += discharge.between(time, time + dt)
    for (let row = 1; row <= rows; row++) cellUpdates += Math.max(0, Math.min(to[row]!, cols) - Math.max(from[row]!, 1) + 1)

    activate()
    rainAndSinks(rain ? rain.between(time, now) / 3.6e6 : 0)
    time = now
    steps++
    holdStages(time)
  }

  /** U ← U + dt K(U), then friction over dt. */
  function advance(): void {
    const share = dt / dx
    for (let row = 1; row <= rows; row++) {
      for (let p = row * W + from[row]!, last = row * W + to[row]!; p <= last; p++) {
        if (!(open[p]! > 0)) continue
        const part = share / open[p]!
        settle(p, h[p]! + part * gainH[p]!, qx[p]! + part * gainX[p]!, qy[p]! + part * gainY[p]!, dt)
      }
    }
  }

  /**
   * SSP-RK2: U¹ = U + dt K(U), then U ← (U + U¹ + dt K(U¹)) / 2, friction over dt and dt/2, so that a steady flow stays.
   * Where the second stage would take more than there is, all starts again from U with half the step.
   */
  function advanceTwice(): void {
    beforeH.set(h)
    beforeX.set(qx)
    beforeY.set(qy)
    for (;;) {
      const { boundaryIn, boundaryOut } = total
      book(1 / 2)
      pour()
      advance()
      activate()
      faces()
      book(1 / 2)
      pour()
      if (average()) return
      total.boundaryIn = boundaryIn
      total.boundaryOut = boundaryOut
      h.set(beforeH)
      qx.set(beforeX)
      qy.set(beforeY)
      dt /= 2
      activate()
      faces()
    }
  }

  /** The second stage; false, and nothing done, where it would take more than there is. */
  function average(): boolean {
    const share = dt / dx
    for (let row = 1; row <= rows; row++) {
      for (let p = row * W + from[row]!, last = row * W + to[row]!; p <= last; p++)
        if (open[p]! > 0 && beforeH[p]! + h[p]! + share / open[p]! * gainH[p]! < -1e-15) return false
    }
    for (let row = 1; row <= rows; row++) {
      for (let p = row * W + from[row]!, last = row * W + to[row]!; p <= last; p++) {
        if (!(open[p]! > 0)) continue
        const part = share / open[p]!
        settle(p, (beforeH[p]! + h[p]! + part * gainH[p]!) / 2, (beforeX[p]! + qx[p]! + part * gainX[p]!) / 2, (beforeY[p]! + qy[p]! + part * gainY[p]!) / 2, dt / 2)
      }
    }
    return true
  }

  /** Sets a cell's state, its discharge slowed by friction over `duration`: q (1 + c |q|) = q⁎, c = duration g n² / h^{7/3}. */
  function settle(p: number, depth: number, x: number, y: number, duration: number): void {
    if (depth > dryDepth) {
      const c = duration * GRAVITY * manning[p]! * manning[p]! / (depth * depth * Math.cbrt(depth))
      const kept = 2 / (1 + Math.sqrt(1 + 4 * c * Math.sqrt(x * x + y * y)))
      h[p] = depth
      qx[p] = x * kept
      qy[p] = y * kept
      wetten(p)
    } else {
      // Rounding alone can bring it below 0, by 1e-17.
      h[p] = Math.max(0, depth)
      qx[p] = qy[p] = 0
    }
  }

  /** What all faces bring to their cells, from the state as it is. Returns the longest step that is stable and empties no cell. */
  function faces(): number {
    for (let row = 0; row < rows + 2; row++) {
      for (let p = row * W + from[row]!, last = row * W + to[row]!; p <= last; p++) {
        gainH[p] = gainX[p] = gainY[p] = leaves[p] = 0
        const wet = h[p]! > dryDepth
        u[p] = wet ? qx[p]! / h[p]! : 0
        v[p] = wet ? qy[p]! / h[p]! : 0
      }
    }
    fastest = 0
    sweep(1, u, v, gainX, gainY)
    sweep(W, v, u, gainY, gainX)
    edges()
    let share = cfl / fastest
    for (let row = 1; row <= rows; row++) {
      for (let p = row * W + from[row]!, last = row * W + to[row]!; p <= last; p++) {
        const most = h[p]! * open[p]!
        if (leaves[p]! * share > most) share = most / leaves[p]!
      }
    }
    return share * dx
  }

  /** The faces across one direction: of each cell p with p − stride. */
  function sweep(stride: number, normal: Float64Array, across: Float64Array, gainNormal: Float64Array, gainAcross: Float64Array): void {
    if (order === 2) slopes(stride, normal, across, gainNormal)
    for (let row = 1; row < rows + 2; row++) {
      for (let p = row * W + from[row]!, last = row * W + to[row]!; p <= last; p++) {
        const l = p - stride
        if (!(h[l]! > dryDepth || h[p]! > dryDepth)) continue
        if (!(open[l]! > 0)) gainNormal[p]! += open[p]! * wallFlux(p, -normal[p]!)
        else if (!(open[p]! > 0)) gainNormal[l]! -= open[l]! * wallFlux(l, normal[l]!)
        else {
          let depthL = h[l]!, levelL = z[l]! + depthL, uL = normal[l]!, vL = across[l]!, zL = z[l]!
          let depthR = h[p]!, levelR = z[p]! + depthR, uR = normal[p]!, vR = across[p]!, zR = z[p]!
          if (order === 2) {
            depthL += riseH[l]!; levelL += riseLevel[l]!; uL += riseNormal[l]!; vL += riseAcross[l]!
            depthR -= riseH[p]!; levelR -= riseLevel[p]!; uR -= riseNormal[p]!; vR -= riseAcross[p]!
            zL = levelL - depthL
            zR = levelR - depthR
          }
          const top = Math.max(zL, zR)
          const seenL = Math.max(0, levelL - top), seenR = Math.max(0, levelR - top)
          riemann(seenL, uL, seenR, uR)
          const width = Math.min(open[l]!, open[p]!)
          const mass = width * massFlux, carried = mass * (mass > 0 ? vL : vR)
          gainH[l]! -= mass
          gainH[p]! += mass
          leaves[mass > 0 ? l : p]! += Math.abs(mass)
          gainNormal[l]! -= width * (momentumFlux - GRAVITY / 2 * seenL * seenL)
          gainNormal[p]! += width * (momentumFlux - GRAVITY / 2 * seenR * seenR)
          gainAcross[l]! -= carried
          gainAcross[p]! += carried
        }
      }
    }
  }

  /** Momentum flux less pressure at a wall; `towards` is the cell's velocity into it. A wall reflects; a stage lets the stream go on; an outflow takes its momentum with the water. */
  function wallFlux(p: number, towards: number): number {
    const depth = h[p]!
    if (beyond[p] === OUTFLOW) return 0
    if (beyond[p] === STAGE) return depth * towards * towards
    riemann(depth, towards, depth, -towards)
    return momentumFlux - GRAVITY / 2 * depth * depth
  }

  /** HLL between two depths and normal velocities: sets `massFlux` (m²/s), `momentumFlux` (m³/s²), raises `fastest` (m/s). */
  function riemann(hL: number, uL: number, hR: number, uR: number): void {
    massFlux = momentumFlux = 0
    if (hL <= 0 && hR <= 0) return
    const aL = Math.sqrt(GRAVITY * hL), aR = Math.sqrt(GRAVITY * hR)
    let slow: number, fast: number
    if (hR <= 0) {
      slow = uL - aL
      fast = uL + 2 * aL
    } else if (hL <= 0) {
      slow = uR - 2 * aR
      fast = uR + aR
    } else {
      const uStar = (uL + uR) / 2 + aL - aR, aStar = Math.abs((aL + aR) / 2 + (uL - uR) / 4)
      slow = Math.min(uL - aL, uStar - aStar)
      fast = Math.max(uR + aR, uStar + aStar)
    }
    slow = Math.min(0, slow)
    fast = Math.max(0, fast)
    fastest = Math.max(fastest, fast, -slow)
    const span = fast - slow
    if (!(span > 0)) return
    const qL = hL * uL, qR = hR * uR
    massFlux = (fast * qL - slow * qR + slow * fast * (hR - hL)) / span
    momentumFlux = (fast * (qL * uL + GRAVITY / 2 * hL * hL) - slow * (qR * uR + GRAVITY / 2 * hR * hR) + slow * fast * (qR - qL)) / span
  }

  /** Half the limited rise of depth, level and velocities across each cell, and what the level's slope does inside the cell: −g h Δη. */
  function slopes(stride: number, normal: Float64Array, across: Float64Array, gainNormal: Float64Array): void {
    for (let row = 0; row < rows + 2; row++) {
      for (let p = row * W + from[row]!, last = row * W + to[row]!; p <= last; p++) {
        riseH[p] = riseLevel[p] = riseNormal[p] = riseAcross[p] = 0
        if (!(h[p]! > dryDepth)) continue
        const l = p - stride, r = p + stride
        if (!(h[l]! > dryDepth && h[r]! > dryDepth)) continue
        const level = z[p]! + h[p]!
        riseH[p] = minmod(h[p]! - h[l]!, h[r]! - h[p]!) / 2
        riseLevel[p] = minmod(level - (z[l]! + h[l]!), z[r]! + h[r]! - level) / 2
        riseNormal[p] = minmod(normal[p]! - normal[l]!, normal[r]! - normal[p]!) / 2
        riseAcross[p] = minmod(across[p]! - across[l]!, across[r]! - across[p]!) / 2
        gainNormal[p]! -= open[p]! * GRAVITY * h[p]! * 2 * riseLevel[p]!
      }
    }
  }

  /** Rain, then what soaks in and what the drains take (with its momentum); finds anew which columns are wet. */
  function rainAndSinks(rainDepth: number): void {
    total.rain += rainDepth * area * computed
    let infiltrated = 0, drained = 0
    deepest = 0
    for (let row = 1; row <= rows; row++) {
      low[row] = W
      high[row] = -1
      const first = row * W + (rainDepth > 0 ? 1 : from[row]!), last = row * W + (rainDepth > 0 ? cols : to[row]!)
      for (let p = first; p <= last; p++) {
        if (!(open[p]! > 0)) continue
        const held = h[p]! * open[p]!
        let water = held + rainDepth
        if (water > 0) {
          const soaks = Math.min(water, infiltrates[p]! * dt)
          water -= soaks
          infiltrated += soaks
          const pipes = Math.min(water, drains[p]! * dt)
          water -= pipes
          drained += pipes
          changeDepth(p, water / open[p]!, water < held)
        }
        if (h[p]! > dryDepth) wetten(p)
        if (h[p]! > deepest) deepest = h[p]!
      }
    }
    total.infiltration += infiltrated * area
    total.drains += drained * area
  }

  /** Water that comes brings no momentum; water that goes takes its own with it. */
  function changeDepth(p: number, depth: number, goes: boolean): void {
    const kept = depth > dryDepth ? (goes ? depth / h[p]! : 1) : 0
    qx[p]! *= kept
    qy[p]! *= kept
    h[p] = depth
  }

  /** River and point inflows, as the mean of the step. */
  function pour(): void {
    for (const { cells, shares, discharge } of inflows) {
      const mean = discharge.between(time, time + dt) / dt
      if (!(mean > 0)) continue
      for (let k = 0; k < cells.length; k++) gainH[cells[k]!]! += mean * shares[k]! / dx
    }
  }

  /** The step in which a column that an inflow piles up at r m/s reaches the depth h = r dt whose wave is as fast as CFL allows: g r dt³ = (CFL dx)². */
  function columnLimit(): number {
    let rate = 0
    for (const { cells, shares, discharge } of inflows) {
      const most = Math.max(discharge.at(time), discharge.at(time + maxStep)) / area
      for (let k = 0; k < cells.length; k++) rate = Math.max(rate, most * shares[k]! / open[cells[k]!]!)
    }
    return rate > 0 ? Math.cbrt((cfl * dx) ** 2 / (GRAVITY * rate)) : Infinity
  }

  /** Normal-depth outflow, one cell side wide: q = h^{5/3} √S / n, out only; and what the faces bring to held cells, which goes on beyond. */
  function edges(): void {
    edgeIn = edgeOut = 0
    for (const { cells, rootSlope } of outflows) {
      for (let k = 0; k < cells.length; k++) {
        const p = cells[k]!, depth = h[p]!
        if (!(depth > dryDepth)) continue
        const out = open[p]! * depth * Math.cbrt(depth * depth) * rootSlope / manning[p]!
        gainH[p]! -= out
        gainX[p]! -= out * u[p]!
        gainY[p]! -= out * v[p]!
        leaves[p]! += out
        edgeOut += out * dx
      }
    }
    for (const { cells } of stages) {
      for (let k = 0; k < cells.length; k++) {
        const p = cells[k]!, brought = gainH[p]! * dx
        if (brought > 0) edgeOut += brought
        else edgeIn -= brought
        gainH[p] = leaves[p] = 0
      }
    }
  }

  /** Books what passes the edges in the step, of which this state counts for `part`. */
  function book(part: number): void {
    total.boundaryIn += part * dt * edgeIn
    total.boundaryOut += part * dt * edgeOut
  }

  /** Sets the stage cells to their level and books the difference; a held level steers no supercritical flow: |q| ≤ h √(g h). */
  function holdStages(at: number): void {
    for (const { cells, level } of stages) {
      const stage = level.at(at)
      for (let k = 0; k < cells.length; k++) {
        const p = cells[k]!
        const depth = Math.max(0, stage - z[p]!)
        const volume = (depth - h[p]!) * open[p]! * area
        if (volume > 0) total.boundaryIn += volume
        else total.boundaryOut -= volume
        changeDepth(p, depth, false)
        const q = Math.sqrt(qx[p]! * qx[p]! + qy[p]! * qy[p]!), most = depth * Math.sqrt(GRAVITY * depth)
        if (q > most) {
          qx[p]! *= most / q
          qy[p]! *= most / q
        }
        if (depth > deepest) deepest = depth
        if (depth > dryDepth) wetten(p)
      }
    }
  }

  function dryRows(): void {
    low.fill(W)
    high.fill(-1)
  }

  function wetten(p: number): void {
    const row = Math.floor(p / W), col = p % W
    if (col < low[row]!) low[row] = col
    if (col > high[row]!) high[row] = col
  }

  /** The columns of each row that water may reach in a step: the wet ones of its own and of both neighbouring rows, and one more on either side. */
  function activate(): void {
    for (let row = 0; row < rows + 2; row++) {
      const above = Math.max(0, row - 1), below = Math.min(rows + 1, row + 1)
      from[row] = Math.min(low[above]!, low[row]!, low[below]!) - 1
      to[row] = Math.min(Math.max(high[above]!, high[row]!, high[below]!) + 1, cols + 1)
    }
  }

  /** Σ h φ A, row by row: partial sums keep the rounding at 1e-16 of the whole. */
  function stored(): number {
    let volume = 0
    for (let row = 1; row <= rows; row++) {
      let part = 0
      for (let p = row * W + 1; p <= row * W + cols; p++) part += h[p]! * open[p]!
      volume += part
    }
    return volume * area
  }

  const balance = () => balanceOf(total, start, stored())

  function forEach(visit: (index: number, depth: number, discharge: number) => void): void {
    for (let row = 0; row < rows; row++) for (let col = 0; col < cols; col++) {
      const p = (row + 1) * W + col + 1
      if (open[p]! > 0) visit(row * cols + col, h[p]!, Math.sqrt(qx[p]! * qx[p]! + qy[p]! * qy[p]!))
    }
  }

  return {
    get time() { return time }, get steps() { return steps }, get cellUpdates() { return cellUpdates }, get dt() { return dt }, get deepest() { return deepest },
    step, balance, forEach,
    depthAt: index => open[place(index)]! > 0 ? h[place(index)]! : NaN,
    velocityAt(index) {
      const p = place(index)
      if (!(open[p]! > 0)) return [NaN, NaN]
      return h[p]! > dryDepth ? [qx[p]! / h[p]!, -qy[p]! / h[p]!] : [0, 0]
    },
  }
}

/** The gentler of two slopes of one sign, else none. */
const minmod = (a: number, b: number) => a * b > 0 ? (Math.abs(a) < Math.abs(b) ? a : b) : 0

function checkParameters(parameters: FiniteVolumeParameters): FiniteVolumeParameters {
  const { order, cfl, dryDepth, maxStep } = parameters
  if (order !== 1 && order !== 2) throw new Error(`The order must be 1 or 2, not ${order as number}.`)
  if (!(cfl > 0 && cfl <= 0.5)) throw new Error(`The CFL number must be above 0 and at most 0.5, not ${cfl}: beyond it a cell could give more water than it holds.`)
  if (!(dryDepth > 0 && dryDepth <= 0.1)) throw new Error(`The dry depth must be above 0 and at most 0.1 m, not ${dryDepth}.`)
  if (!(maxStep > 0 && Number.isFinite(maxStep))) throw new Error(`The longest step must be above 0 s, not ${maxStep}.`)
  return parameters
}
