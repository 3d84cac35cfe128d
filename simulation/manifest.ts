import type { Balance } from './flood/accounts.js'

/** What a run leaves behind: the only description that viewer, EDR and GeoTIFF read. */
export interface RunManifest {
  readonly version: 1
  readonly id: string
  readonly scenario: string
  readonly title: { readonly vi: string; readonly en: string }
  /** Shown on every frame, picture and export. */
  readonly label: { readonly vi: string; readonly en: string }
  readonly grid: {
    /** EPSG code of the city's CRS (metres). */
    readonly crs: number
    /** Easting and northing of the north-west corner, metres. */
    readonly origin: readonly [east: number, north: number]
    readonly cell: number
    readonly rows: number
    readonly cols: number
    /** CRS84 of the corners NW, NE, SE, SW, for a viewer without a projection. */
    readonly corners: readonly (readonly [lon: number, lat: number])[]
  }
  readonly verticalDatum: string
  /** Seconds from the start, one per frame so far; `complete` when no more follow. */
  readonly times: readonly number[]
  readonly start: string
  readonly duration: number
  readonly complete: boolean
  /** Stored uint16 × `scale` = metres of depth. `nodata` marks cells outside the computed domain: not dry, not computed. */
  readonly quantisation: { readonly type: 'uint16'; readonly scale: number; readonly nodata: 65535 }
  /** The job's state: accepted, running, successful, failed, dismissed, interrupted. */
  readonly state: string
  /** |stored − (in − out)| / in. */
  readonly massError: number | null
  /** Water volumes since the start, m³; null until the run has ended. */
  readonly balance: Balance | null
  /** The revision of the city that the inputs were frozen from. */
  readonly asOf: number
  /** Where rain, sea and rivers come from; and what was simplified. */
  readonly sources: readonly string[]
  readonly notes: readonly string[]
  readonly inputsHash: string
  readonly solver: { readonly name: string; readonly version: string; readonly parameters: Readonly<Record<string, number>> }
}

export const SIMULATION_LABEL = {
  vi: 'MÔ PHỎNG – KHÔNG PHẢI DỰ BÁO',
  en: 'SIMULATION – NOT A FORECAST',
} as const
