/** `[west, south, east, north]` in the units of the CRS it is used with (degrees for CRS84). */
export type BBox = readonly [west: number, south: number, east: number, north: number]

/** The smallest box around both; `null` stands for "nothing yet". */
export function union(a: BBox | null, b: BBox | null): BBox | null {
  if (!a) return b
  if (!b) return a
  return [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])]
}

/** True where the boxes share at least a point. */
export function intersects(a: BBox, b: BBox): boolean {
  return a[0] <= b[2] && b[0] <= a[2] && a[1] <= b[3] && b[1] <= a[3]
}

/** The box grown by `d` (same unit) on every side. */
export function grow(a: BBox, d: number): BBox {
  return [a[0] - d, a[1] - d, a[2] + d, a[3] + d]
}
