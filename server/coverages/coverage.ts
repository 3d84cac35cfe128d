/** What EDR, Coverages and their formats know of a coverage: values over places and times, wherever they come from. */
import type { BBox } from '../../core/bbox.js'
import type { Crs } from '../../core/crs.js'
import type { Localized } from '../../layers/layer.js'
import type { Grid } from '../../simulation/flood/grid.js'

/** One quantity of a coverage. */
export interface Quantity {
  readonly name: string
  readonly title: Localized
  readonly description: Localized
  /** UCUM code, and its name. */
  readonly unit: { readonly symbol: string; readonly label: Localized }
  /** URI of what is observed. */
  readonly property: string
}

export interface Coverage {
  readonly id: string
  readonly title: Localized
  readonly description: Localized
  readonly quantities: readonly Quantity[]
  /** CRS84 degrees. */
  readonly bbox: BBox
  /** The CRS that values are kept in; grids in it need no resampling. */
  readonly crs: Crs
  /** The cells that values are kept in; a surface that can be looked at anywhere has none. */
  readonly grid?: Grid
  /** Size of a cell, or of the smallest thing that the surface shows, metres. */
  readonly resolutionM: number
  /** Instants that there are values of, milliseconds since 1970, ascending. */
  readonly times: readonly number[]
  /** Shown on every output; of simulations only. */
  readonly label?: Localized
  /** Of whose runs it is one. */
  readonly run?: string
  /** Another text whenever a value may be another. */
  readonly version: string
  /** A reader of values at places. */
  open(places: Places): Promise<ValuesAt> | ValuesAt
}

/** Values of a quantity at the i-th time, in the order of the places; NaN is “not computed” or “not known”, never dry or zero. */
export type ValuesAt = (quantity: string, time: number) => Promise<Float32Array>

/** Positions in a CRS, easting (longitude) and northing (latitude) each. */
export interface Places {
  readonly crs: Crs
  readonly x: Float64Array
  readonly y: Float64Array
  /** Ground distance between neighbours of a grid, metres; 0 for single places. */
  readonly spacingM: number
}
