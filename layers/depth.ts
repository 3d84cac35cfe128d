/** Depth classes of flood results: thresholds in metres, marks that people know, and the sequential blues of the viewer. */
import { codes } from './columns.js'

export const DEPTH_CLASSES = codes({
  dry: ['Không ngập (< 0,1 m)', 'Dry (< 0.1 m)'],
  ankle: ['0,1–0,3 m – mắt cá', '0.1–0.3 m – ankle'],
  shin: ['0,3–0,5 m – dưới gối', '0.3–0.5 m – below the knee'],
  knee: ['0,5–1,0 m – gối đến hông', '0.5–1.0 m – knee to hip'],
  waist: ['1,0–1,5 m – thắt lưng', '1.0–1.5 m – waist'],
  car: ['1,5–2,0 m – nóc ô tô', '1.5–2.0 m – car roof'],
  deep: ['Trên 2,0 m', 'Over 2.0 m'],
})
export type DepthClass = keyof typeof DEPTH_CLASSES

/** Ascending lower bounds, metres. */
export const DEPTH_STEPS: readonly (readonly [from: number, depthClass: DepthClass, colour: string])[] = [
  [0.1, 'ankle', '#a9cfe6'], [0.3, 'shin', '#74b1d8'], [0.5, 'knee', '#4190c6'], [1, 'waist', '#2069ad'], [1.5, 'car', '#124a86'], [2, 'deep', '#082c5c'],
]
export const DRY_COLOUR = '#e6dfd2'

/** The class of a depth in metres. */
export function depthClassOf(depth: number): DepthClass {
  let found: DepthClass = 'dry'
  for (const [from, depthClass] of DEPTH_STEPS) if (depth >= from) found = depthClass
  return found
}

/** Paint by the greatest depth, for the result layers. */
export const depthPaint = { by: 'depth_max_m', below: DRY_COLOUR, steps: DEPTH_STEPS.map(([from, , colour]) => [from, colour] as const) }
