/**
 * The local inertial step of ../../local-inertial.ts in AssemblyScript, four float32 cells at a time. Same scheme, same
 * order of work; what differs is how float32 is kept exact enough:
 *
 * - No elevation is stored, only the step of the bed across each face, dz = z[p] − z[before]. Then
 *       hf = max(h₋ − max(dz, 0), h + min(dz, 0)),   Δη = dz + (h − h₋)
 *   and the numbers are as fine on a mountain as at the sea. A wall is a step of ∞: its faces never open.
 * - Each depth has a rest (Kahan): the water is h − rest, so that a step's millionth of a metre is not lost in a deep
 *   cell, and what rounding would take below 0 is paid back by the cell's next water.
 *
 * Memory: `size` = (rows + 2) × W cells an array, W = 4 + cols rounded up to 4. A row starts with four walls, which are
 * also the east walls of the row above; there is a row of walls above and below.
 *
 * ```
 *   │ wall ×4 │ cell 0 … cols−1 │ walls up to 4 n │        blocks of 64 cells, B = blocks + 1 a row;
 *   │ block 0 │ block 1 │ block 2 …               │        b ± 1 and b ± B are a block's neighbours
 * ```
 */

/** Cells to a vector, bytes to a vector, cells to a block. */
const LANES: i32 = 4
const VECTOR: usize = 16
const CELL: usize = 4
const BLOCK: i32 = 64

let rows: i32 = 0, vectors: i32 = 0, W: i32 = 0, blocks: i32 = 0, B: i32 = 0
/** Bytes from a cell to the one below it. */
let down: usize = 0

// Pointers. Depth and its rest, m; step of the bed across the west and north face, m; √g n / 2, so that g n̄² = (a + b)²;
// discharge of those faces now and next, m²/s; open share of their sides; open share and its inverse; sinks, m/s.
let depths: usize = 0, rests: usize = 0, stepsX: usize = 0, stepsY: usize = 0, roughs: usize = 0
let flowsX: usize = 0, flowsY: usize = 0, nextX: usize = 0, nextY: usize = 0
let widthsX: usize = 0, widthsY: usize = 0, opens: usize = 0, perOpens: usize = 0, soaks: usize = 0, pipes: usize = 0
// By block, bytes: wet now and next; both discharge buffers known to be 0 (2) or not; only whole cells without sinks.
let wet: usize = 0, nextWet: usize = 0, cleared: usize = 0, plain: usize = 0
/** Computed cells of the block. */
let counts: usize = 0

// The scheme's numbers.
let theta: f32 = 0, around: f32 = 0, dry: f32 = 0, gravity: f32 = 0, cap: f32 = 0, side: f32 = 0
// Numbers of formulas, as variables: engines build a constant vector anew at each use, but keep a local one.
let aThird: f32 = 0, fourThirds: f32 = 0, quarter: f32 = 0, nothing: f32 = 0, cubeRootStart: i32 = 0
// The step's.
let slope: f32 = 0, dt: f32 = 0, share: f32 = 0, rain: f32 = 0

let deepest: v128 = f32x4.splat(0)
let infiltrated: f64 = 0, drained: f64 = 0, updated: f64 = 0

/** Takes the memory for a grid; false if there is not so much. */
export function setUp(gridRows: i32, cols: i32): bool {
  rows = gridRows
  vectors = (cols + LANES - 1) / LANES
  W = LANES * (vectors + 1)
  blocks = (cols + BLOCK - 1) / BLOCK
  B = blocks + 1
  down = <usize>W * CELL
  const array = (<u64>(rows + 2) * W + LANES) * CELL
  const flags = (<u64>(rows + 2) * B + 1 + 15) & ~15
  const start = (<u64>__heap_base + 15) & ~15
  const pages = (start + 15 * array + 8 * flags + 0xffff) >> 16
  if (pages > 65536) return false
  const more = <i32>pages - memory.size()
  if (more > 0 && memory.grow(more) < 0) return false
  let at = <usize>start
  const a = <usize>array, f = <usize>flags
  depths = at; at += a
  rests = at; at += a
  stepsX = at; at += a
  stepsY = at; at += a
  roughs = at; at += a
  flowsX = at; at += a
  flowsY = at; at += a
  nextX = at; at += a
  nextY = at; at += a
  widthsX = at; at += a
  widthsY = at; at += a
  opens = at; at += a
  perOpens = at; at += a
  soaks = at; at += a
  pipes = at; at += a
  wet = at; at += f
  nextWet = at; at += f
  cleared = at; at += f
  plain = at; at += f
  counts = at
  memory.fill(cleared, 2, f)
  return true
}

export function pointerTo(what: i32): usize {
  switch (what) {
    case 0: return depths
    case 1: return rests
    case 2: return stepsX
    case 3: return stepsY
    case 4: return roughs
    case 5: return widthsX
    case 6: return widthsY
    case 7: return opens
    case 8: return perOpens
    case 9: return soaks
    case 10: return pipes
    case 11: return plain
    case 12: return counts
    case 13: return wet // changes with every step, as the next two
    case 14: return flowsX
    case 15: return flowsY
    default: return 0
  }
}
export function rowLength(): i32 { return W }
export function blocksInRow(): i32 { return B }

export function setScheme(itsTheta: f32, dryDepth: f32, itsGravity: f32, froudeLimit: f32, cell: f32): void {
  theta = itsTheta
  around = (1 - itsTheta) / 2
  dry = dryDepth
  gravity = itsGravity
  cap = froudeLimit * froudeLimit * itsGravity
  side = cell
  aThird = 0.33333334
  fourThirds = 1.3333334
  quarter = 0.25
  // The square of the least discharge, m²/s: a smaller one's would be a subnormal number, which processors compute slowly.
  nothing = 1e-36
  cubeRootStart = 0x54a2fa8c - 5300
}

/** One step of `seconds` with `rainDepth` metres of rain; returns the greatest depth. */
export function step(seconds: f32, rainDepth: f32): f32 {
  dt = seconds
  rain = rainDepth
  slope = gravity * dt / side
  share = dt / side
  deepest = f32x4.splat(0)
  infiltrated = drained = updated = 0
  for (let row = 0; row < rows + 2; row++) {
    if (row < rows) faces(row)
    if (row >= 1 && row < rows + 1) limit(row - 1)
    if (row >= 2) update(row - 2)
  }
  const x = flowsX, y = flowsY, w = wet
  flowsX = nextX
  flowsY = nextY
  wet = nextWet
  nextX = x
  nextY = y
  nextWet = w
  const half = f32x4.pmax(deepest, v128.shuffle<i32>(deepest, deepest, 2, 3, 0, 1))
  return max(f32x4.extract_lane(half, 0), f32x4.extract_lane(half, 1))
}

/** Of the last step: Σ depth × share of the cell, m; cells. */
export function lastInfiltrated(): f64 { return infiltrated }
export function lastDrained(): f64 { return drained }
export function lastUpdated(): f64 { return updated }

/** Bytes from an array's start to a block's first cell, and to its end. */
// @ts-ignore: decorator
@inline function startOf(row: i32, k: i32): usize { return <usize>((row + 1) * W + LANES + k * BLOCK) * CELL }
// @ts-ignore: decorator
@inline function endOf(row: i32, k: i32): usize { return startOf(row, 0) + <usize>min((k + 1) * BLOCK, vectors * LANES) * CELL }
// @ts-ignore: decorator
@inline function flag(flags: usize, b: i32): i32 { return load<u8>(flags + b) }
// @ts-ignore: decorator
@inline function nearWater(b: i32): bool { return (flag(wet, b) | flag(wet, b - 1) | flag(wet, b + 1) | flag(wet, b - B) | flag(wet, b + B)) != 0 }

/** Next discharge of the west and north faces of a row's cells. */
function faces(row: i32): void {
  const zero = f32x4.splat(0), slopes = f32x4.splat(slope), thetas = f32x4.splat(theta), arounds = f32x4.splat(around), dries = f32x4.splat(dry)
  const seconds = f32x4.splat(dt), caps = f32x4.splat(cap), quarters = f32x4.splat(quarter), least = f32x4.splat(nothing)
  const thirds = f32x4.splat(aThird), fourThirdss = f32x4.splat(fourThirds), starts = i32x4.splat(cubeRootStart)
  for (let k = 0; k < blocks; k++) {
    const b = (row + 1) * B + 1 + k
    const from = startOf(row, k), to = endOf(row, k)
    if (!(flag(wet, b) | flag(wet, b - 1) | flag(wet, b - B))) {
      if (flag(cleared, b) < 2) {
        memory.fill(nextX + from, 0, to - from)
        memory.fill(nextY + from, 0, to - from)
        store<u8>(cleared + b, <u8>(flag(cleared, b) + 1))
      }
      continue
    }
    store<u8>(cleared + b, 0)
    // Pointers to the cell before (west), to the one above it, and in y to the one below it; the cell itself is CELL on.
    let h = depths + from - CELL, hNorth = h - down, rough = roughs + from - CELL, roughNorth = rough - down
    let x = flowsX + from - CELL, xNorth = x - down, y = flowsY + from - CELL, yNorth = y - down, ySouth = y + down
    let riseX = stepsX + from, riseY = stepsY + from, intoX = nextX + from, intoY = nextY + from
    for (let left = to - from; left > 0; left -= VECTOR) {
      const here = v128.load(h, CELL), roughHere = v128.load(rough, CELL)
      const qx = v128.load(x, CELL), qxEast = v128.load(x, 2 * CELL), qy = v128.load(y, CELL), qySouth = v128.load(ySouth, CELL)
      v128.store(intoX, face(qx, f32x4.add(v128.load(x), qxEast), f32x4.add(f32x4.add(v128.load(y), v128.load(ySouth)), f32x4.add(qy, qySouth)),
        v128.load(h), here, v128.load(riseX), f32x4.add(v128.load(rough), roughHere),
        zero, slopes, thetas, arounds, dries, seconds, caps, quarters, least, thirds, fourThirdss, starts))
      v128.store(intoY, face(qy, f32x4.add(v128.load(yNorth, CELL), qySouth), f32x4.add(f32x4.add(v128.load(xNorth, CELL), v128.load(xNorth, 2 * CELL)), f32x4.add(qx, qxEast)),
        v128.load(hNorth, CELL), here, v128.load(riseY), f32x4.add(v128.load(roughNorth, CELL), roughHere),
        zero, slopes, thetas, arounds, dries, seconds, caps, quarters, least, thirds, fourThirdss, starts))
      h += VECTOR; hNorth += VECTOR; rough += VECTOR; roughNorth += VECTOR
      x += VECTOR; xNorth += VECTOR; y += VECTOR; yNorth += VECTOR; ySouth += VECTOR
      riseX += VECTOR; riseY += VECTOR; intoX += VECTOR; intoY += VECTOR
    }
  }
}

/**
 * Next discharge of a face: `q` its own, `beside` the sum of the two beyond and behind it, `across` the sum of the four
 * crossing ones; `before`, `here` the depths at its sides, `rise` the step of the bed, `rough` the sum of both sides.
 */
// @ts-ignore: decorator
@inline function face(q: v128, beside: v128, across: v128, before: v128, here: v128, rise: v128, rough: v128,
  zero: v128, slopes: v128, thetas: v128, arounds: v128, dries: v128, seconds: v128, caps: v128, quarters: v128, least: v128, thirds: v128, fourThirdss: v128, starts: v128): v128 {
  const depth = f32x4.pmax(f32x4.sub(before, f32x4.pmax(rise, zero)), f32x4.add(here, f32x4.pmin(rise, zero)))
  const isOpen = f32x4.gt(depth, dries)
  if (!v128.any_true(isOpen)) return zero
  const push = f32x4.mul(f32x4.mul(slopes, depth), f32x4.add(rise, f32x4.sub(here, before)))
  let moved = f32x4.sub(f32x4.add(f32x4.mul(thetas, q), f32x4.mul(arounds, beside)), push)
  moved = v128.bitselect(f32x4.sub(q, push), moved, f32x4.gt(f32x4.mul(moved, push), zero))
  const depth2 = f32x4.mul(depth, depth), mean = f32x4.mul(quarters, across)
  const size = f32x4.sqrt(f32x4.add(f32x4.mul(q, q), f32x4.mul(mean, mean)))
  const friction = f32x4.mul(f32x4.mul(f32x4.mul(rough, rough), seconds), f32x4.mul(size, inverseCubeRoot(depth, thirds, fourThirdss, starts)))
  let flow = f32x4.div(f32x4.mul(moved, depth2), f32x4.add(depth2, friction))
  const flow2 = f32x4.mul(flow, flow), most = f32x4.mul(f32x4.mul(caps, depth2), depth)
  const passes = v128.and(isOpen, f32x4.gt(flow2, least))
  if (v128.any_true(v128.and(passes, f32x4.gt(flow2, most)))) {
    const bound = f32x4.sqrt(most)
    flow = f32x4.pmax(f32x4.neg(bound), f32x4.pmin(bound, flow))
  }
  return v128.and(flow, passes)
}

/**
 * hf^{-1/3} to 1e-5, as in the reference: exponent trick, then two Newton steps. i/3 is a sum of shifts, 2^-16 short,
 * which `starts` makes good for depths from 1 mm to 30 m to within 4e-5 of the first guess.
 */
// @ts-ignore: decorator
@inline function inverseCubeRoot(x: v128, thirds: v128, fourThirdss: v128, starts: v128): v128 {
  let third = i32x4.add(i32x4.shr_u(x, 2), i32x4.shr_u(x, 4))
  third = i32x4.add(third, i32x4.shr_u(third, 4))
  third = i32x4.add(third, i32x4.shr_u(third, 8))
  const y = i32x4.sub(starts, third), thirdOfX = f32x4.mul(x, thirds)
  const better = f32x4.mul(y, f32x4.sub(fourThirdss, f32x4.mul(f32x4.mul(thirdOfX, y), f32x4.mul(y, y))))
  return f32x4.mul(better, f32x4.sub(fourThirdss, f32x4.mul(f32x4.mul(thirdOfX, better), f32x4.mul(better, better))))
}

/** Scales what leaves each cell so that it gives no more than it holds. */
function limit(row: i32): void {
  const zero = f32x4.splat(0), perShare = f32x4.splat(side / dt)
  for (let k = 0; k < blocks; k++) {
    const b = (row + 1) * B + 1 + k
    if (!nearWater(b)) continue
    const isPlain = flag(plain, b) != 0
    for (let p = startOf(row, k), to = endOf(row, k); p < to; p += VECTOR) {
      let west = v128.load(nextX + p), east = v128.load(nextX + p + CELL), north = v128.load(nextY + p), south = v128.load(nextY + p + down)
      let water = v128.load(depths + p)
      if (!isPlain) {
        west = f32x4.mul(west, v128.load(widthsX + p))
        east = f32x4.mul(east, v128.load(widthsX + p + CELL))
        north = f32x4.mul(north, v128.load(widthsY + p))
        south = f32x4.mul(south, v128.load(widthsY + p + down))
        water = f32x4.mul(water, v128.load(opens + p))
      }
      const out = f32x4.sub(f32x4.add(f32x4.pmax(zero, east), f32x4.pmax(zero, south)), f32x4.add(f32x4.pmin(zero, west), f32x4.pmin(zero, north)))
      if (v128.any_true(f32x4.gt(out, f32x4.mul(water, perShare)))) for (let lane: usize = 0; lane < VECTOR; lane += CELL) limitCell(p + lane)
    }
  }
}

function limitCell(p: usize): void {
  const west = load<f32>(nextX + p), east = load<f32>(nextX + p + CELL), north = load<f32>(nextY + p), south = load<f32>(nextY + p + down)
  let out: f32 = 0
  if (west < 0) out -= west * load<f32>(widthsX + p)
  if (east > 0) out += east * load<f32>(widthsX + p + CELL)
  if (north < 0) out -= north * load<f32>(widthsY + p)
  if (south > 0) out += south * load<f32>(widthsY + p + down)
  const most = load<f32>(depths + p) * load<f32>(opens + p) * side / dt
  if (!(out > most)) return
  const scale = most / out
  if (west < 0) store<f32>(nextX + p, west * scale)
  if (east > 0) store<f32>(nextX + p + CELL, east * scale)
  if (north < 0) store<f32>(nextY + p, north * scale)
  if (south > 0) store<f32>(nextY + p + down, south * scale)
}

/** New depth of a row's cells: continuity, rain, infiltration, drains. */
function update(row: i32): void {
  const zero = f32x4.splat(0), shares = f32x4.splat(share), rains = f32x4.splat(rain), seconds = f32x4.splat(dt)
  for (let k = 0; k < blocks; k++) {
    const b = (row + 1) * B + 1 + k
    if (!(rain > 0 || nearWater(b))) {
      store<u8>(nextWet + b, 0)
      continue
    }
    updated += load<i32>(counts + <usize>b * 4)
    let most = zero
    const from = startOf(row, k), to = endOf(row, k)
    if (flag(plain, b)) {
      for (let p = from; p < to; p += VECTOR) {
        const net = f32x4.add(f32x4.sub(v128.load(nextX + p), v128.load(nextX + p + CELL)), f32x4.sub(v128.load(nextY + p), v128.load(nextY + p + down)))
        const h = v128.load(depths + p)
        const gain = f32x4.sub(f32x4.add(f32x4.mul(shares, net), rains), v128.load(rests + p))
        const depth = f32x4.pmax(zero, f32x4.add(h, gain))
        v128.store(rests + p, f32x4.sub(f32x4.sub(depth, h), gain))
        v128.store(depths + p, depth)
        most = f32x4.pmax(most, depth)
      }
    } else {
      let soaked = zero, piped = zero
      for (let p = from; p < to; p += VECTOR) {
        const net = f32x4.add(
          f32x4.sub(f32x4.mul(v128.load(nextX + p), v128.load(widthsX + p)), f32x4.mul(v128.load(nextX + p + CELL), v128.load(widthsX + p + CELL))),
          f32x4.sub(f32x4.mul(v128.load(nextY + p), v128.load(widthsY + p)), f32x4.mul(v128.load(nextY + p + down), v128.load(widthsY + p + down))))
        const h = v128.load(depths + p), open = v128.load(opens + p), perOpen = v128.load(perOpens + p)
        let gain = f32x4.sub(f32x4.mul(f32x4.add(f32x4.mul(shares, net), rains), perOpen), v128.load(rests + p))
        const water = f32x4.mul(f32x4.pmax(zero, f32x4.add(h, gain)), open)
        const soak = f32x4.pmin(water, f32x4.mul(seconds, v128.load(soaks + p)))
        const pipe = f32x4.pmin(f32x4.sub(water, soak), f32x4.mul(seconds, v128.load(pipes + p)))
        soaked = f32x4.add(soaked, soak)
        piped = f32x4.add(piped, pipe)
        gain = f32x4.sub(gain, f32x4.mul(f32x4.add(soak, pipe), perOpen))
        const depth = f32x4.pmax(zero, f32x4.add(h, gain))
        v128.store(rests + p, f32x4.sub(f32x4.sub(depth, h), gain))
        v128.store(depths + p, depth)
        most = f32x4.pmax(most, depth)
      }
      infiltrated += sum(soaked)
      drained += sum(piped)
    }
    store<u8>(nextWet + b, v128.any_true(f32x4.gt(most, zero)) ? 1 : 0)
    deepest = f32x4.pmax(deepest, most)
  }
}

/** Σ of the lanes. */
function sum(x: v128): f64 {
  return <f64>f32x4.extract_lane(x, 0) + <f64>f32x4.extract_lane(x, 1) + <f64>f32x4.extract_lane(x, 2) + <f64>f32x4.extract_lane(x, 3)
}
