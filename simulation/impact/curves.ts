/**
 * Depth–damage curves for Asia: share of the value lost by depth above the floor.
 * Source: Huizinga, de Moel & Szewczyk 2017, Global flood depth-damage functions, JRC105688.
 */

export type Curve = 'residential' | 'commercial' | 'industrial' | 'transport' | 'infrastructure' | 'agriculture'

const DEPTHS = [0, 0.5, 1, 1.5, 2, 3, 4, 5, 6]
const SHARES: Readonly<Record<Curve, readonly number[]>> = {
  residential: [0, 0.327, 0.494, 0.617, 0.721, 0.870, 0.931, 0.984, 1],
  commercial: [0, 0.377, 0.538, 0.659, 0.763, 0.883, 0.942, 0.981, 1],
  industrial: [0, 0.283, 0.482, 0.629, 0.717, 0.857, 0.909, 0.955, 1],
  transport: [0, 0.358, 0.572, 0.733, 0.847, 1, 1, 1, 1],
  infrastructure: [0, 0.214, 0.373, 0.604, 0.710, 0.808, 0.887, 0.969, 1],
  agriculture: [0, 0.135, 0.370, 0.524, 0.558, 0.660, 0.834, 0.988, 1],
}

/** Share of the value lost, 0…1, at a depth in metres above the floor; straight lines between the published points. */
export function damageAt(curve: Curve, depth: number): number {
  const shares = SHARES[curve]
  if (!(depth > 0)) return 0
  const i = DEPTHS.findIndex(d => d >= depth)
  if (i < 0) return 1
  const part = (depth - DEPTHS[i - 1]!) / (DEPTHS[i]! - DEPTHS[i - 1]!)
  return shares[i - 1]! + part * (shares[i]! - shares[i - 1]!)
}

const CURVE_OF_USE: Readonly<Record<string, Curve>> = {
  residential: 'residential', apartment: 'residential', mixed: 'residential', religious: 'residential',
  industrial: 'industrial', warehouse: 'industrial', utility: 'industrial',
  transport: 'transport', agricultural: 'agriculture',
}
/** The curve of a building's use; all other uses are shops and offices of some kind. */
export const curveOf = (use: string | null): Curve => CURVE_OF_USE[use ?? 'residential'] ?? 'commercial'

/**
 * Gross floor area per person present, m², by use. Assumed, night-time for homes and working hours for the rest:
 * about the housing average of Vietnamese cities (27 m² a person, census 2019) and usual design densities.
 */
const AREA_PER_PERSON: Readonly<Record<string, number>> = {
  residential: 27, apartment: 27, mixed: 35, commercial: 30, office: 20, hotel: 40, industrial: 60, warehouse: 200, school: 12,
  hospital: 25, public: 25, religious: 50, market: 15, transport: 50, utility: 500, agricultural: 500,
}

/** People usually in a building of this use and gross floor area. */
export function occupants(use: string | null, floorArea: number): number {
  return Math.round(floorArea / (AREA_PER_PERSON[use ?? ''] ?? 100))
}
