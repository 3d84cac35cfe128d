/** The formats of items beside GeoJSON and HTML, in the order in which they are offered. */
export const OTHER_FORMATS: readonly never[] = []
