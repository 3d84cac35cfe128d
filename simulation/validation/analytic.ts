/**
 * Exact solutions of the shallow-water equations, from their formulas. x in metres, t in seconds, depths h in metres,
 * velocities u in m/s, unit discharges q in m²/s. g is the kernels' own.
 */
import { GRAVITY as g } from '../flood/local-inertial.js'

export interface State {
  readonly h: number
  readonly u: number
}

/**
 * Dam break on a dry bed (Ritter 1892, Z. VDI 36, 947): still water of depth h₀ at x < 0 is let go at t = 0.
 * c = √(g h₀): h = (2c − x/t)²/(9g), u = ⅔ (x/t + c) on −c < x/t < 2c.
 */
export function ritter(h0: number, x: number, t: number): State {
  const c = Math.sqrt(g * h0), s = t > 0 ? x / t : Math.sign(x) * Infinity
  if (s <= -c) return { h: h0, u: 0 }
  if (s >= 2 * c) return { h: 0, u: 0 }
  return { h: (2 * c - s) ** 2 / (9 * g), u: 2 / 3 * (s + c) }
}

/**
 * Dam break on a wet bed (Stoker 1957, Water Waves, §10.8): h_L at x < 0, 0 < h_R < h_L at x > 0. Rarefaction, middle state, bore.
 * The middle depth solves 2(c_L − √(g h_m)) = (h_m − h_R) √(g (h_m + h_R)/(2 h_m h_R)); the bore runs at u_m h_m/(h_m − h_R).
 */
export function stoker(hL: number, hR: number): { readonly middle: State, readonly bore: number, at(x: number, t: number): State } {
  const cL = Math.sqrt(g * hL)
  const hm = root(hR, hL, h => 2 * (cL - Math.sqrt(g * h)) - (h - hR) * Math.sqrt(g * (h + hR) / (2 * h * hR)))
  const um = 2 * (cL - Math.sqrt(g * hm)), bore = um * hm / (hm - hR)
  const at = (x: number, t: number): State => {
    const s = t > 0 ? x / t : Math.sign(x) * Infinity
    if (s >= bore) return { h: hR, u: 0 }
    if (s >= um - Math.sqrt(g * hm)) return { h: hm, u: um }
    return ritter(hL, x, t)
  }
  return { middle: { h: hm, u: um }, bore, at }
}

/** The bump of Goutal & Maurel 1997 (EDF HE-43/97/016/B) on a flat bed 25 m long: z = 0.2 − 0.05 (x − 10)² on 8 < x < 12. */
export const BUMP = { length: 25, crest: 10, height: 0.2, bed: (x: number) => Math.max(0, 0.2 - 0.05 * (x - 10) ** 2) }

export interface SteadyFlow {
  /** Unit discharge, the same everywhere, m²/s. */
  readonly q: number
  /** Depth at the outlet, m. */
  readonly outlet: number
  /** Place of the hydraulic jump, m; NaN where there is none. */
  readonly jump: number
  h(x: number): number
}

/** Subcritical throughout: Bernoulli's head E = z + h + q²/(2 g h²) is that of the outlet. */
export function bumpSubcritical(q: number, outlet: number): SteadyFlow {
  const head = outlet + q * q / (2 * g * outlet * outlet)
  return { q, outlet, jump: NaN, h: x => subcritical(q, head - BUMP.bed(x)) }
}

/** Subcritical before the crest, critical on it (E = z_crest + 3/2 h_c), supercritical behind it. */
export function bumpTranscritical(q: number): SteadyFlow {
  const head = headOverCrest(q)
  const h = (x: number) => (x < BUMP.crest ? subcritical : supercritical)(q, head - BUMP.bed(x))
  return { q, outlet: h(BUMP.length), jump: NaN, h }
}

/** As transcritical, with a jump behind the crest, where q²/h + g h²/2 is the same on both sides, back to the outlet's head. */
export function bumpWithJump(q: number, outlet: number): SteadyFlow {
  const before = headOverCrest(q), after = outlet + q * q / (2 * g * outlet * outlet)
  const force = (h: number) => q * q / h + g * h * h / 2
  const highest = BUMP.height - (after - 1.5 * critical(q))   // how far under the crest the tailwater can still be subcritical
  const from = BUMP.crest + Math.sqrt(Math.max(0, highest) / 0.05) + 1e-9
  const jump = root(from, 12, x => force(supercritical(q, before - BUMP.bed(x))) - force(subcritical(q, after - BUMP.bed(x))))
  return { q, outlet, jump, h: x => x < BUMP.crest ? subcritical(q, before - BUMP.bed(x)) : x < jump ? supercritical(q, before - BUMP.bed(x)) : subcritical(q, after - BUMP.bed(x)) }
}

/** h_c = (q²/g)^⅓. */
export function critical(q: number): number {
  return Math.cbrt(q * q / g)
}

const headOverCrest = (q: number) => BUMP.height + 1.5 * critical(q)
const specificHead = (q: number, h: number) => h + q * q / (2 * g * h * h)
/** The depths with specific head e: above and below the critical depth. At or under the least head, the critical depth. */
const subcritical = (q: number, e: number) => e <= 1.5 * critical(q) ? critical(q) : root(critical(q), e, h => specificHead(q, h) - e)
const supercritical = (q: number, e: number) => e <= 1.5 * critical(q) ? critical(q) : root(critical(q) / 1e3, critical(q), h => specificHead(q, h) - e)

/**
 * Steady subcritical flow with Manning friction whose depth is given and whose bed follows (MacDonald et al. 1997, J. Hydraul.
 * Eng. 123, 1041; the channel of SWASHES, Delestre et al. 2013): 1000 m, q = 2 m²/s, n = 0.033,
 * h = (4/g)^⅓ [1 + ½ exp(−16 (x/1000 − ½)²)], dz/dx = (q²/(g h³) − 1) h' − n² q²/h^{10/3}, z(1000) = 0.
 */
export const MACDONALD = (() => {
  const length = 1000, q = 2, n = 0.033, scale = Math.cbrt(4 / g)
  const swell = (x: number) => Math.exp(-16 * (x / length - 0.5) ** 2) / 2
  const h = (x: number) => scale * (1 + swell(x))
  const slope = (x: number) => {
    const depth = h(x), gradient = scale * swell(x) * -32 * (x / length - 0.5) / length
    return (q * q / (g * depth ** 3) - 1) * gradient - n * n * q * q / depth ** (10 / 3)
  }
  /** Simpson's rule from the outlet, in pieces of about a metre. */
  const bed = (x: number) => {
    const pieces = Math.max(1, Math.ceil(length - x)), step = (x - length) / pieces
    let sum = 0
    for (let k = 0; k < pieces; k++) {
      const from = length + k * step
      sum += (slope(from) + 4 * slope(from + step / 2) + slope(from + step)) * step / 6
    }
    return sum
  }
  return { length, q, n, h, bed }
})()

/**
 * A flat surface sloshing in a parabolic canal (Thacker 1981, J. Fluid Mech. 107, 499): bed z = D₀ (x/L)², ω = √(2 g D₀)/L.
 * The water is the parabola h = D₀ (1 − (x − A cos ωt)²/L²), carried to and fro as a whole at u = −A ω sin ωt; at rest at t = 0.
 */
export function thackerPlanar({ D0, L, A }: { D0: number, L: number, A: number }) {
  const omega = Math.sqrt(2 * g * D0) / L
  return {
    period: 2 * Math.PI / omega,
    bed: (x: number) => D0 * (x / L) ** 2,
    at: (x: number, t: number): State => {
      const h = Math.max(0, D0 * (1 - ((x - A * Math.cos(omega * t)) / L) ** 2))
      return { h, u: h > 0 ? -A * omega * Math.sin(omega * t) : 0 }
    },
  }
}

/**
 * A mound of water that swings between a heap and a dish in a paraboloid (Thacker 1981): bed z = −D₀ (1 − r²/L²), shoreline R₀ at t = 0.
 * A = (L⁴ − R₀⁴)/(L⁴ + R₀⁴), ω = √(8 g D₀)/L:
 * surface w = D₀ [√(1 − A²)/(1 − A cos ωt) − 1 − r²/L² ((1 − A²)/(1 − A cos ωt)² − 1)], radial u = ½ ω r A sin ωt/(1 − A cos ωt).
 */
export function thackerRadial({ D0, L, R0 }: { D0: number, L: number, R0: number }) {
  const A = (L ** 4 - R0 ** 4) / (L ** 4 + R0 ** 4), omega = Math.sqrt(8 * g * D0) / L
  const bed = (r: number) => -D0 * (1 - (r / L) ** 2)
  return {
    period: 2 * Math.PI / omega,
    bed,
    at: (r: number, t: number): State => {
      const swing = 1 - A * Math.cos(omega * t)
      const w = D0 * (Math.sqrt(1 - A * A) / swing - 1 - (r / L) ** 2 * ((1 - A * A) / swing ** 2 - 1))
      const h = Math.max(0, w - bed(r))
      return { h, u: h > 0 ? omega * r * A * Math.sin(omega * t) / (2 * swing) : 0 }
    },
  }
}

/** Where f changes sign between a and b, by halving until nothing is left to halve. */
export function root(a: number, b: number, f: (x: number) => number): number {
  const rising = f(b) > 0
  if (f(a) > 0 === rising) throw new Error(`f(${a}) and f(${b}) have the same sign: ${f(a)} and ${f(b)}.`)
  for (;;) {
    const middle = (a + b) / 2
    if (middle <= Math.min(a, b) || middle >= Math.max(a, b)) return middle
    if (f(middle) > 0 === rising) b = middle
    else a = middle
  }
}
