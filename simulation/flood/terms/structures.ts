/**
 * Discharge through what stands between two places whose levels are known: m³/s, positive from `from` to `to`.
 *
 * A structure moves volume between cells; `limitTransfer` keeps a step from taking more than there is, so what leaves one
 * side arrives at the other and nothing is made or lost. All functions are pure: memory goes in and comes out.
 */
import type { Series } from '../forcing.js'
import { linear } from '../forcing.js'
import { GRAVITY } from '../local-inertial.js'

/** The discharge that a step of dt seconds can really carry: never more than the giving side's volume (m³) over the step. */
export function limitTransfer(discharge: number, dt: number, volumeFrom: number, volumeTo: number): number {
  return Math.max(-volumeTo / dt, Math.min(volumeFrom / dt, discharge))
}

function positive(named: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(named)) if (!(value > 0 && Number.isFinite(value))) throw new Error(`${name} must be above 0, not ${value}.`)
}

// ── Weir ────────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Weir {
  /** Crest level, metres. */
  readonly crest: number
  /** Length of the crest across the flow, metres. */
  readonly width: number
  /** C of Q = C b H^{3/2}, m^½/s: 1.7 broad-crested (critical depth: (2/3)^{3/2} √g = 1.705), 1.84 sharp-crested. */
  readonly coefficient: number
}

/**
 * Q = C b H^{3/2} (1 − (h/H)^{3/2})^{0.385}, H and h the heads above the crest up- and downstream
 * (Villemonte 1947, Engineering News-Record 139, 866). Equal levels give 0, a tailwater below the crest no reduction.
 */
export function weirDischarge({ crest, width, coefficient }: Weir, levelFrom: number, levelTo: number): number {
  if (levelTo > levelFrom) return -weirDischarge({ crest, width, coefficient }, levelTo, levelFrom)
  const head = levelFrom - crest, tail = levelTo - crest
  if (!(head > 0)) return 0
  const free = coefficient * width * head ** 1.5
  return tail > 0 ? free * (1 - (tail / head) ** 1.5) ** 0.385 : free
}

export function checkWeir({ crest, width, coefficient }: Weir): void {
  if (!Number.isFinite(crest)) throw new Error(`A weir needs a crest level in metres, not ${crest}.`)
  positive({ 'The width of a weir': width, 'The coefficient of a weir': coefficient })
}

// ── Breach ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A gap in an embankment: crest level and mean width, metres. */
export interface Gap {
  readonly crest: number
  readonly width: number
}

export interface LinearBreach {
  /** Crest level of the whole embankment and the lowest the gap becomes, metres. */
  readonly crest: number
  readonly lowest: number
  readonly finalWidth: number
  /** When it starts and how long it grows, seconds. */
  readonly start: number
  readonly formation: number
}

export function checkLinearBreach({ crest, lowest, finalWidth, start, formation }: LinearBreach): void {
  if (!(crest > lowest && Number.isFinite(crest - lowest))) throw new Error(`A breach must end (${lowest} m) below the crest (${crest} m).`)
  if (!Number.isFinite(start)) throw new Error(`A breach needs the second at which it starts, not ${start}.`)
  positive({ 'The width of a breach': finalWidth, 'The formation time of a breach': formation })
}

/** Depth and width grow in proportion to the time: the shape for an embankment dam, with `froehlichBreach`. */
export function linearBreach({ crest, lowest, finalWidth, start, formation }: LinearBreach, time: number): Gap {
  const grown = Math.max(0, Math.min(1, (time - start) / formation))
  return { crest: crest - (crest - lowest) * grown, width: finalWidth * grown }
}

/**
 * Mean width B = 0.27 k V^0.32 h^0.04 (m), k 1.3 overtopped, 1.0 piped, and formation time t = 63.2 √(V / (g h²)) (s)
 * (Froehlich 2008, J. Hydraul. Eng. 134, 1708), from 74 embankment dams.
 * @param volume water above the gap's bottom at failure, m³
 * @param height of the gap, m
 */
export function froehlichBreach(volume: number, height: number, mode: 'overtopping' | 'piping'): { readonly width: number, readonly formation: number } {
  if (!(volume > 0 && height > 0)) throw new Error(`A breach needs a volume and a height above 0, not ${volume} m³ and ${height} m.`)
  return {
    width: 0.27 * (mode === 'overtopping' ? 1.3 : 1) * volume ** 0.32 * height ** 0.04,
    formation: 63.2 * Math.sqrt(volume / (GRAVITY * height * height)),
  }
}

export interface DikeBreach {
  readonly crest: number
  readonly lowest: number
  readonly initialWidth: number
  readonly start: number
  /** Time until the gap is at its lowest, at its first width, seconds. */
  readonly deepening: number
  /** u_c at which the dike erodes, m/s: 0.2 sand, 0.5 clay. */
  readonly criticalVelocity: number
  /** It grows no wider than this, metres (the scheme's own limit was about 200 m). */
  readonly widest: number
}

/** Factors of Verheij & van der Knaap for sand and clay alike. */
const F1 = 1.3, F2 = 0.04

/**
 * A river dike after Verheij & van der Knaap (2003, modification of HIS-OM breach growth, WL | Delft Hydraulics Q3299):
 * first it deepens at its first width, then it widens at dB/dt = f1 f2/ln 10 · (g ΔH)^{3/2}/u_c² / (1 + f2 g t/u_c),
 * t since the widening began, ΔH the difference of the levels (or of the upper one and the gap's crest).
 * For constant ΔH and B0 = 0 that is B = f1 √g ΔH^{3/2}/u_c · log10(1 + f2 g t/u_c); equal levels stop it.
 * The interval is taken with its ΔH held, exactly: its steps do not matter.
 * @param width before the interval
 * @returns the gap at the interval's end
 */
export function growDikeBreach(breach: DikeBreach, width: number, from: number, to: number, levelFrom: number, levelTo: number): Gap {
  const { crest, lowest, initialWidth, start, deepening, criticalVelocity: uc, widest } = breach
  if (to <= start) return { crest, width: 0 }
  const deepened = deepening > 0 ? Math.min(1, (to - start) / deepening) : 1
  const bottom = crest - (crest - lowest) * deepened
  const widening = start + deepening
  const before = Math.max(initialWidth, width)
  if (to <= widening) return { crest: bottom, width: before }
  const difference = Math.max(0, Math.max(levelFrom, levelTo) - Math.max(Math.min(levelFrom, levelTo), lowest))
  const age = (time: number) => 1 + F2 * GRAVITY * Math.max(0, time - widening) / uc
  const grown = F1 * Math.sqrt(GRAVITY) * difference ** 1.5 / uc * Math.log10(age(to) / age(from))
  return { crest: bottom, width: Math.max(before, Math.min(widest, before + grown)) }
}

export function checkDikeBreach({ crest, lowest, initialWidth, start, deepening, criticalVelocity, widest }: DikeBreach): void {
  if (!(crest > lowest && Number.isFinite(crest - lowest))) throw new Error(`A breach must end (${lowest} m) below the crest (${crest} m).`)
  if (!(Number.isFinite(start) && deepening >= 0 && Number.isFinite(deepening))) throw new Error(`A breach needs the second at which it starts and a time of 0 s or more to deepen, not ${start} and ${deepening}.`)
  positive({ 'The first width of a breach': initialWidth, 'The critical velocity of a breach': criticalVelocity })
  if (!(widest >= initialWidth)) throw new Error(`A breach cannot be narrower at last (${widest} m) than at first (${initialWidth} m).`)
}

// ── Culvert ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Culvert {
  readonly shape: { readonly type: 'circle', readonly diameter: number } | { readonly type: 'box', readonly width: number, readonly height: number }
  readonly barrels: number
  readonly length: number
  /** s/m^⅓; 0.013 concrete, 0.024 corrugated steel. */
  readonly manning: number
  /** Bottom levels at the two ends, metres. */
  readonly invertFrom: number
  readonly invertTo: number
  /** Cd of the inlet as an orifice, 0.6…0.8. */
  readonly orificeCoefficient: number
  /** C of the inlet as a weir, m^½/s. */
  readonly weirCoefficient: number
  /** Head lost at the inlet in velocity heads: 0.5 square edge. The outlet loses one. */
  readonly entranceLoss: number
  /** A flap lets water out at `to` and none back. */
  readonly flap: boolean
}

/**
 * The least of what three controls let through, continuous from a trickle to full flow:
 *
 *   inlet weir      Q = C (A/a) H^{3/2}, Villemonte for the tailwater
 *   inlet orifice   Q = Cd A √(2 g Δ)
 *   barrel          Q = A √(2 g Δ / (1 + ke + 2 g n² L / R^{4/3}))
 *
 * H the upper level above the higher invert, a = min(H, rise) the depth in the barrel, A its area, R its hydraulic radius,
 * Δ the upper level less the lower, or less the middle of a where the outlet is free (there above the outlet's own invert for the barrel).
 */
export function culvertDischarge(culvert: Culvert, levelFrom: number, levelTo: number): number {
  const { shape, barrels, length, manning, invertFrom, invertTo, orificeCoefficient, weirCoefficient, entranceLoss, flap } = culvert
  const backwards = levelTo > levelFrom
  if (backwards && flap) return 0
  const high = backwards ? levelTo : levelFrom, low = backwards ? levelFrom : levelTo
  const sill = Math.max(invertFrom, invertTo), outlet = backwards ? invertFrom : invertTo
  const head = high - sill
  if (!(head > 0 && high > low)) return 0
  const rise = shape.type === 'circle' ? shape.diameter : shape.height
  const depth = Math.min(head, rise)
  const { area, perimeter } = section(shape, depth)
  const inletHead = high - Math.max(low, sill + depth / 2)
  const barrelHead = high - Math.max(low, outlet + depth / 2)
  const weir = weirDischarge({ crest: sill, width: area / depth, coefficient: weirCoefficient }, high, low)
  const orifice = orificeCoefficient * area * Math.sqrt(2 * GRAVITY * inletHead)
  const losses = 1 + entranceLoss + 2 * GRAVITY * manning * manning * length * (perimeter / area) ** (4 / 3)
  const barrel = area * Math.sqrt(2 * GRAVITY * barrelHead / losses)
  return (backwards ? -1 : 1) * barrels * Math.min(weir, orifice, barrel)
}

export function checkCulvert(culvert: Culvert): void {
  const { shape, barrels, length, manning, invertFrom, invertTo, orificeCoefficient, weirCoefficient, entranceLoss } = culvert
  positive(shape.type === 'circle' ? { 'The diameter of a culvert': shape.diameter } : { 'The width of a culvert': shape.width, 'The height of a culvert': shape.height })
  positive({ 'The length of a culvert': length, 'Manning n of a culvert': manning, 'The orifice coefficient of a culvert': orificeCoefficient, 'The weir coefficient of a culvert': weirCoefficient })
  if (!(Number.isInteger(barrels) && barrels > 0)) throw new Error(`A culvert has a whole number of barrels above 0, not ${barrels}.`)
  if (!Number.isFinite(invertFrom) || !Number.isFinite(invertTo)) throw new Error(`A culvert needs the bottom level of both ends in metres, not ${invertFrom} and ${invertTo}.`)
  if (!(entranceLoss >= 0 && Number.isFinite(entranceLoss))) throw new Error(`The entrance loss of a culvert must be 0 or more, not ${entranceLoss}.`)
}

/** Wetted area (m²) and perimeter (m) of a barrel at a depth up to its rise; full, the crown is wetted too. */
function section(shape: Culvert['shape'], depth: number): { readonly area: number, readonly perimeter: number } {
  if (shape.type === 'box') return { area: shape.width * depth, perimeter: shape.width + 2 * depth + (depth >= shape.height ? shape.width : 0) }
  const radius = shape.diameter / 2
  const angle = 2 * Math.acos(Math.max(-1, 1 - depth / radius))
  return { area: radius * radius * (angle - Math.sin(angle)) / 2, perimeter: radius * angle }
}

// ── Pump ────────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Pump {
  /** Rating: head (delivery level − suction level, m) ascending, discharge (m³/s) never rising; beyond the last head it delivers nothing. */
  readonly heads: readonly number[]
  readonly discharges: readonly number[]
  /** Suction level at which it starts and at which it stops, metres; start above stop. */
  readonly startLevel: number
  readonly stopLevel: number
}

/** Seconds without power, from…to. */
export interface Outage {
  readonly from: number
  readonly to: number
}

export function powered(outages: readonly Outage[], time: number): boolean {
  return !outages.some(({ from, to }) => time >= from && time < to)
}

/** Whether the pump runs now: starts at its start level, runs on down to its stop level, stands without power and restarts by level. */
export function pumpRuns({ startLevel, stopLevel }: Pump, ran: boolean, suctionLevel: number, hasPower: boolean): boolean {
  return hasPower && (suctionLevel >= startLevel || ran && suctionLevel > stopLevel)
}

/** Discharge of a running pump against the head, m³/s. A level below the suction's (negative head) gives that of the first head. */
export function pumpDischarge({ heads, discharges }: Pump, suctionLevel: number, deliveryLevel: number): number {
  const head = deliveryLevel - suctionLevel
  const rating: Series = { times: heads, values: discharges }
  return head > heads[heads.length - 1]! ? 0 : linear(rating).at(head)
}

export function checkPump({ heads, discharges, startLevel, stopLevel }: Pump): void {
  if (heads.length === 0 || heads.length !== discharges.length) throw new Error(`A pump needs as many discharges as heads, at least one; it has ${discharges.length} and ${heads.length}.`)
  heads.forEach((head, i) => {
    if (!Number.isFinite(head) || i > 0 && !(head > heads[i - 1]!)) throw new Error(`A pump's heads must ascend; ${head} m does not.`)
    if (!(discharges[i]! >= 0 && Number.isFinite(discharges[i]!)) || i > 0 && discharges[i]! > discharges[i - 1]!) throw new Error(`A pump's discharge must be 0 or more and must not rise with the head; at ${head} m it is ${discharges[i]}.`)
  })
  if (!(startLevel > stopLevel)) throw new Error(`A pump must start (${startLevel} m) above the level at which it stops (${stopLevel} m).`)
}

// ── Manhole ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Manhole {
  /** Level of the lid, metres. */
  readonly lid: number
  /** Open area, m²; its perimeter is that of a circle. */
  readonly area: number
}

/** Coefficients of weir, submerged weir and orifice (Rubinato et al. 2017, J. Hydrol. 552, 421), as Itzï uses them. */
const FREE_WEIR = 0.54, SUBMERGED_WEIR = 0.056, ORIFICE = 0.167

/**
 * Exchange between a pipe and the street, m³/s, positive up out of the pipe (Courty et al. 2017, Geosci. Model Dev. 10, 1835; Itzï):
 *
 *   pipe head below the lid                      free weir        Q = −⅔ 0.54 w √(2 g) d^{3/2}
 *   between lid and surface, d below A/w         submerged weir   Q = −0.056 w d √(2 g d)
 *   deeper, or out of the pipe                   orifice          Q = ±0.167 A √(2 g |surface − pipe head|)
 *
 * d the street's water above the lid, w the perimeter of the opening. The law jumps where one regime ends and the next begins,
 * which `relaxExchange` softens; `limitTransfer` bounds it by the water on the street and in the pipe.
 */
export function manholeExchange({ lid, area }: Manhole, pipeHead: number, surface: number): number {
  const depth = Math.max(0, surface - lid)
  const perimeter = 2 * Math.sqrt(Math.PI * area)
  const street = lid + depth
  if (pipeHead > street) return ORIFICE * area * Math.sqrt(2 * GRAVITY * (pipeHead - street))
  if (depth === 0) return 0
  if (pipeHead < lid) return -2 / 3 * FREE_WEIR * perimeter * Math.sqrt(2 * GRAVITY) * depth ** 1.5
  if (depth < area / perimeter) return -SUBMERGED_WEIR * perimeter * depth * Math.sqrt(2 * GRAVITY * depth)
  return -ORIFICE * area * Math.sqrt(2 * GRAVITY * (street - pipeHead))
}

/** The step's exchange from the one before: 0.8 of the way to the new, halved where the direction turns (as Itzï, against seesaws). */
export function relaxExchange(previous: number, next: number): number {
  const relaxed = previous + 0.8 * (next - previous)
  return previous * relaxed < 0 ? relaxed / 2 : relaxed
}
