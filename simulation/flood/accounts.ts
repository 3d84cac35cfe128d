/** The books of a run's water, which every kernel keeps alike. */

/** Volumes since the start, m³. `error` = |stored − start − in + out| / max(in, start, 1 m³). */
export interface Balance {
  readonly rain: number
  readonly inflow: number
  readonly boundaryIn: number
  readonly boundaryOut: number
  readonly infiltration: number
  readonly drains: number
  /** Water in the grid at the start and now. */
  readonly start: number
  readonly stored: number
  readonly error: number
}

/** Volumes since the start, m³, as a kernel adds to them. */
export type Totals = { -readonly [K in keyof Omit<Balance, 'start' | 'stored' | 'error'>]: number }

export const noTotals = (): Totals => ({ rain: 0, inflow: 0, boundaryIn: 0, boundaryOut: 0, infiltration: 0, drains: 0 })

/** What came and went beside what was and is in the grid, m³. */
export function balanceOf(total: Totals, start: number, stored: number): Balance {
  const gained = total.rain + total.inflow + total.boundaryIn
  const lost = total.boundaryOut + total.infiltration + total.drains
  return { ...total, start, stored, error: Math.abs(stored - start - gained + lost) / Math.max(gained, start, 1) }
}
