/** The one city of an instance, as the store keeps it and `GET /city` tells it. */
export interface City {
  readonly name: string
  readonly srid: number
  readonly home: { readonly lon: number; readonly lat: number; readonly zoom: number }
  readonly verticalDatum: string
  /** Add to an orthometric height to get an ellipsoidal one, metres. */
  readonly geoidOffset: number
  readonly timeZone: string
  readonly currency: string
  /** True while the synthetic sample is in the store. */
  readonly sample: boolean
}
