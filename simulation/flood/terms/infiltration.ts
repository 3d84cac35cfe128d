/**
 * What the soil takes. Every law keeps one number of memory per cell, so that a kernel can hold it in one array:
 *
 * | law | memory | capacity |
 * | --- | --- | --- |
 * | constant | – | f = K |
 * | Horton (1940, Soil Sci. Soc. Am. Proc. 5, 399), recovery as in SWMM (Rossman & Huber 2016, EPA/600/R-15/162A, §4.2) | place t on the decay curve, s | f = fc + (f0 − fc) e^{−kt} |
 * | Green & Ampt (1911, J. Agric. Sci. 4, 1) | water soaked in F, m | f = K (1 + (ψ + h) Δθ / F) |
 * | SCS curve number (USDA NEH 630, ch. 10) | rain fallen P, m | f = rain − dQ/dt, Q = (P − 0.2 S)² / (P + 0.8 S) |
 *
 * Depths in metres of water, times in seconds, rates of the laws in mm/h and lengths of the soil in mm, as tables give them.
 */
export interface Infiltration {
  /** Memory of a cell before the rain. */
  readonly initial: number
  /**
   * Depth that soaks in during a step, m: 0 … ponded + rain.
   * @param ponded water on the cell at the start of the step, m
   * @param rain what falls during the step, m
   * @param dt length of the step, s
   */
  soaks(memory: number, ponded: number, rain: number, dt: number): number
  /** Memory after the step in which `soaked` (m) went in. */
  next(memory: number, soaked: number, ponded: number, rain: number, dt: number): number
}

const MM_PER_HOUR = 1 / 3.6e6

/** K, mm/h, for ever. */
export function constantInfiltration({ rateMmPerHour }: { readonly rateMmPerHour: number }): Infiltration {
  const rate = atLeast('The infiltration rate', rateMmPerHour, 0) * MM_PER_HOUR
  return { initial: 0, soaks: (_, ponded, rain, dt) => Math.min(ponded + rain, rate * dt), next: memory => memory }
}

export interface HortonParameters {
  /** f0 of dry soil and fc of soaked soil, mm/h. */
  readonly initialRateMmPerHour: number
  readonly finalRateMmPerHour: number
  /** k, 1/h. */
  readonly decayPerHour: number
  /** kr, 1/h: how fast f climbs back to f0 while the cell is dry; 0 never. */
  readonly recoveryPerHour: number
}

/**
 * Horton's curve followed by what has soaked in, not by the clock: weak rain that soaks in whole moves along the curve
 * only as far as its own volume, F(t) = fc t + (f0 − fc)/k (1 − e^{−kt}). On a dry cell f0 − f decays with kr.
 */
export function horton(parameters: HortonParameters): Infiltration {
  const fc = atLeast('The final rate', parameters.finalRateMmPerHour, 0) * MM_PER_HOUR
  const f0 = atLeast('The initial rate', parameters.initialRateMmPerHour, parameters.finalRateMmPerHour) * MM_PER_HOUR
  const k = above('The decay', parameters.decayPerHour, 0) / 3600
  const recovery = atLeast('The recovery', parameters.recoveryPerHour, 0) / 3600
  const rate = (t: number) => fc + (f0 - fc) * Math.exp(-k * t)
  /** F(t + dt) − F(t) without the difference of two large numbers. */
  const taken = (t: number, dt: number) => fc * dt - (f0 - fc) / k * Math.exp(-k * t) * Math.expm1(-k * dt)
  return {
    initial: 0,
    soaks: (t, ponded, rain, dt) => Math.min(ponded + rain, taken(t, dt)),
    next(t, soaked, ponded, rain, dt) {
      if (!(ponded + rain > 0)) return recovery > 0 && t > 0 ? -Math.log1p(Math.exp(-recovery * dt) * Math.expm1(-k * t)) / k : t
      if (soaked >= taken(t, dt)) return t + dt
      // taken(t, x) = soaked: concave in x, so Newton climbs to the root from 0 without ever passing it.
      let x = 0
      for (let i = 0; i < 50; i++) {
        const more = (soaked - taken(t, x)) / rate(t + x)
        x += more
        if (!(more > 1e-12 * dt)) break
      }
      return t + Math.min(x, dt)
    },
  }
}

export interface GreenAmptParameters {
  /** K of the wetted soil, mm/h. */
  readonly conductivityMmPerHour: number
  /** ψ, suction at the wetting front, mm. */
  readonly suctionMm: number
  /** Δθ, porosity less the water that is there, 0…1. */
  readonly moistureDeficit: number
}

/**
 * Integrated over the step with its head held: x − S ln(1 + x / (F + S)) = K dt, S = (ψ + h) Δθ, x what soaks in.
 * No start value is needed where F = 0, and no step is too long. The soil does not dry out again.
 */
export function greenAmpt(parameters: GreenAmptParameters): Infiltration {
  const K = atLeast('The conductivity', parameters.conductivityMmPerHour, 0) * MM_PER_HOUR
  const suction = atLeast('The suction', parameters.suctionMm, 0) / 1000
  const deficit = within('The moisture deficit', parameters.moistureDeficit, 0, 1)
  return {
    initial: 0,
    soaks(F, ponded, rain, dt) {
      const available = ponded + rain
      if (!(available > 0)) return 0
      const S = (suction + available) * deficit, takes = K * dt
      if (!(S > 0 && takes > 0)) return Math.min(available, takes)
      // The left side is convex in x and this start lies beyond its root: Newton comes down to it and never passes.
      let x = takes + Math.sqrt(2 * S * takes)
      for (let i = 0; i < 50; i++) {
        const less = (x - S * Math.log1p(x / (F + S)) - takes) * (F + S + x) / (F + x)
        x -= less
        if (!(less > 1e-13 * x)) break
      }
      return Math.min(available, x)
    },
    next: (F, soaked) => F + soaked,
  }
}

/** S = 25400/CN − 254 mm. All rain soaks in until 0.2 S has fallen; ponded water never does. CN 0 (excluded) … 100 (sealed). */
export function curveNumber({ curveNumber }: { readonly curveNumber: number }): Infiltration {
  if (!(curveNumber > 0 && curveNumber <= 100)) throw new Error(`A curve number must be above 0 and at most 100, not ${curveNumber}.`)
  const S = (25.4 / curveNumber - 0.254)
  const runoff = (P: number) => P > 0.2 * S ? (P - 0.2 * S) ** 2 / (P + 0.8 * S) : 0
  return {
    initial: 0,
    soaks: (P, _, rain) => Math.min(rain, Math.max(0, rain - (runoff(P + rain) - runoff(P)))),
    next: (P, _, __, rain) => P + rain,
  }
}

function atLeast(what: string, value: number, least: number): number {
  if (!(value >= least && Number.isFinite(value))) throw new Error(`${what} must be at least ${least}, not ${value}.`)
  return value
}

function above(what: string, value: number, bound: number): number {
  if (!(value > bound && Number.isFinite(value))) throw new Error(`${what} must be above ${bound}, not ${value}.`)
  return value
}

function within(what: string, value: number, least: number, most: number): number {
  if (!(value >= least && value <= most)) throw new Error(`${what} must be ${least} to ${most}, not ${value}.`)
  return value
}
